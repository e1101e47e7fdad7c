/* SPDX-License-Identifier: Apache-2.0 */
/* A stage's files as a tar. */
#include <archive.h>
#include <archive_entry.h>

#include "builder/output_files.h"
#include "builder/tar_file.h"
#include "layer/filetime.h"

struct tar {
    struct wcow_tar_file *file;
    const char *folder; /* that the files go into; NULL: none */
};

struct header {
    const char *path;
    mode_t type;
    uint64_t mtime; /* FILETIME */
    uint64_t size_bytes;
    const char *target;
};

static int write_header(const struct tar *t, const struct header *h, struct wcow_error *err)
{
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;
    wcow_autobuf path = {0};
    int r = t->folder && h->path != t->folder
                ? wcow_buf_addf(&path, err, "%s/%s", t->folder, h->path)
                : wcow_buf_add_str(&path, h->path, err);
    if (r < 0)
        return r;
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    wcow_filetime_to_unix(h->mtime, &seconds, &nanoseconds);
    /* As bytes: what is no UTF-8 (half a surrogate pair) has no other form that libarchive knows.
     */
    archive_entry_set_pathname(entry, (const char *)path.data);
    archive_entry_set_filetype(entry, h->type);
    archive_entry_set_perm(entry, h->type == AE_IFREG ? 0644 : 0755);
    archive_entry_set_mtime(entry, seconds, (long)nanoseconds);
    if (h->type == AE_IFREG)
        archive_entry_set_size(entry, (la_int64_t)h->size_bytes);
    if (h->target)
        archive_entry_set_symlink(entry, h->target);
    r = archive_write_header(t->file->archive, entry);
    archive_entry_free(entry);
    return r >= ARCHIVE_WARN ? WCOW_OK : wcow_tar_file_failed(t->file, t->file->name, err);
}

static int add_folder(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                      struct wcow_error *err)
{
    const struct header header = {.path = path, .type = AE_IFDIR, .mtime = entry->mtime};
    (void)name;
    return write_header(ctx, &header, err);
}

static int leave(void *ctx, const struct wcow_entry *entry, struct wcow_error *err)
{
    (void)ctx;
    (void)entry;
    (void)err;
    return WCOW_OK;
}

static int write_data(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    const struct tar *t = ctx;
    return archive_write_data(t->file->archive, data, len) == (la_ssize_t)len
               ? WCOW_OK
               : wcow_tar_file_failed(t->file, t->file->name, err);
}

static int add_file(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                    const struct wcow_payload *payload, struct wcow_error *err)
{
    const struct header header = {
        .path = path, .type = AE_IFREG, .mtime = entry->mtime, .size_bytes = entry->size_bytes};
    const struct wcow_sink sink = {.write = write_data, .ctx = ctx};
    (void)name;
    int r = write_header(ctx, &header, err);
    return r < 0 ? r : wcow_payload_send(payload, &sink, err);
}

static int add_link(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                    const char *target, struct wcow_error *err)
{
    const struct header header = {
        .path = path, .type = AE_IFLNK, .mtime = entry->mtime, .target = target};
    (void)name;
    return write_header(ctx, &header, err);
}

static int write_part(struct tar *t, const struct wcow_files_parts *parts,
                      const struct wcow_files_part *part, const struct wcow_files_sink *sink,
                      const atomic_bool *cancel, struct wcow_error *err)
{
    const struct header header = {
        .path = part->folder, .type = AE_IFDIR, .mtime = wcow_filetime_of_unix(part->time_s, 0)};
    t->folder = part->folder;
    const struct header extra = {.path = part->extra_name,
                                 .type = AE_IFREG,
                                 .mtime = header.mtime,
                                 .size_bytes = part->extra.len};
    int r = part->folder ? write_header(t, &header, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_files_each(part->layers, parts->latest, sink, cancel, err);
    if (r == WCOW_OK && part->extra_name)
        r = write_header(t, &extra, err);
    return r < 0 || !part->extra_name ? r : write_data(t, part->extra.data, part->extra.len, err);
}

int wcow_files_to_tar(const struct wcow_files_parts *parts, const char *dest,
                      const atomic_bool *cancel, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_file_done) struct wcow_tar_file file = {.fd = -1};
    struct tar t = {.file = &file};
    const struct wcow_files_sink sink = {
        .enter = add_folder, .leave = leave, .file = add_file, .link = add_link, .ctx = &t};
    int r = wcow_tar_file_open(&file, dest, cancel, err);
    for (size_t i = 0; r == WCOW_OK && i < parts->n; i++)
        r = write_part(&t, parts, &parts->items[i], &sink, cancel, err);
    return r < 0 ? r : wcow_tar_file_finish(&file, err);
}
