/* SPDX-License-Identifier: Apache-2.0 */
/* A stage's files as a tar. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "builder/output_files.h"
#include "layer/filetime.h"

struct tar {
    struct archive *archive;
    const char *name;
    const char *folder; /* that the files go into; NULL: none */
};

static int failed(const struct tar *t, struct wcow_error *err)
{
    const char *why = archive_error_string(t->archive);
    return WCOW_FAIL(err, wcow_code_of_errno(archive_errno(t->archive)), "write %s: %s", t->name,
                     why ? why : "unknown error");
}

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
    archive_entry_set_pathname_utf8(entry, (const char *)path.data);
    archive_entry_set_filetype(entry, h->type);
    archive_entry_set_perm(entry, h->type == AE_IFREG ? 0644 : 0755);
    archive_entry_set_mtime(entry, seconds, (long)nanoseconds);
    if (h->type == AE_IFREG)
        archive_entry_set_size(entry, (la_int64_t)h->size_bytes);
    if (h->target)
        archive_entry_set_symlink_utf8(entry, h->target);
    r = archive_write_header(t->archive, entry);
    archive_entry_free(entry);
    return r >= ARCHIVE_WARN ? WCOW_OK : failed(t, err);
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
    return archive_write_data(t->archive, data, len) == (la_ssize_t)len ? WCOW_OK : failed(t, err);
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

static int write_part(struct tar *t, const struct wcow_files_part *part,
                      const struct wcow_files_sink *sink, const atomic_bool *cancel,
                      struct wcow_error *err)
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
        r = wcow_files_each(part->layers, sink, cancel, err);
    if (r == WCOW_OK && part->extra_name)
        r = write_header(t, &extra, err);
    return r < 0 || !part->extra_name ? r : write_data(t, part->extra.data, part->extra.len, err);
}

static int write_tar(const struct wcow_files_parts *parts, int fd, const char *name,
                     const atomic_bool *cancel, struct wcow_error *err)
{
    struct tar t = {.archive = archive_write_new(), .name = name};
    const struct wcow_files_sink sink = {
        .enter = add_folder, .leave = leave, .file = add_file, .link = add_link, .ctx = &t};
    if (!t.archive)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    int r = WCOW_OK;
    if (archive_write_set_format_pax_restricted(t.archive) != ARCHIVE_OK ||
        archive_write_set_options(t.archive, "hdrcharset=UTF-8") < ARCHIVE_WARN ||
        archive_write_set_bytes_in_last_block(t.archive, 1) != ARCHIVE_OK ||
        archive_write_open_fd(t.archive, fd) != ARCHIVE_OK)
        r = failed(&t, err);
    for (size_t i = 0; r == WCOW_OK && i < parts->n; i++)
        r = write_part(&t, &parts->items[i], &sink, cancel, err);
    if (r == WCOW_OK && archive_write_close(t.archive) != ARCHIVE_OK)
        r = failed(&t, err);
    if (r < 0)
        (void)archive_write_fail(t.archive);
    (void)archive_write_free(t.archive);
    return r;
}

int wcow_files_to_tar(const struct wcow_files_parts *parts, const char *dest,
                      const atomic_bool *cancel, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    if (strcmp(dest, "-") == 0)
        return write_tar(parts, STDOUT_FILENO, "standard output", cancel, err);
    int r = wcow_buf_addf(&path, err, "%s.XXXXXX", dest);
    if (r < 0)
        return r;
    wcow_autoclose int fd = mkostemp((char *)path.data, O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "create %s", dest);
    r = write_tar(parts, fd, dest, cancel, err);
    if (r == WCOW_OK && (fchmod(fd, 0644) < 0 || rename((const char *)path.data, dest) < 0))
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "create %s", dest);
    if (r < 0)
        (void)unlink((const char *)path.data);
    return r;
}
