/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "builder/archive_read.h"
#include "builder/context_walk.h"
#include "builder/copy.h"
#include "builder/dockerfile_arena.h"
#include "builder/links.h"
#include "builder/name_table.h"
#include "builder/spool.h"
#include "layer/filetime.h"
#include "layer/names.h"

enum { READ_BLOCK_BYTES = 64 << 10, DATA_BYTES = 8 << 10 };

/* A file that is not taken. Hard links that are may lead to it all the same: the first of them is
 * the file then. */
struct hidden {
    struct wcow_payload payload; /* until it is a node's */
    uint64_t size_bytes;
    uint64_t time;
    struct wcow_tree_node *node; /* or NULL */
};

struct unpacker {
    struct archive *archive;
    const struct wcow_archive_unpack *to;
    const char *file; /* for messages */
    const atomic_bool *cancel;
    struct wcow_spool *spool;
    uint64_t total;
    uint64_t members;
    struct wcow_name_table hidden; /* by key */
    struct wcow_arena arena;       /* of them */
};

static void hidden_done(struct unpacker *u)
{
    for (size_t i = 0; i < u->hidden.cap; i++) {
        struct hidden *h = u->hidden.slots[i].value;
        if (h)
            wcow_payload_done(&h->payload);
    }
    wcow_name_table_done(&u->hidden);
    wcow_arena_done(&u->arena);
}

static int broken(const struct unpacker *u, struct wcow_error *err)
{
    const char *why = archive_error_string(u->archive);
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "the archive \"%s\" cannot be read: %s", u->file,
                     why ? why : "unknown error");
}

/* The member's path below the destination: "." and empty components dropped, ".." never above it.
 */
static int member_path(const struct unpacker *u, const char *name, char **ret,
                       struct wcow_error *err)
{
    wcow_autofree char *clean = NULL;
    int r = wcow_context_clean(name, &clean, err);
    if (r < 0)
        return r;
    wcow_autobuf path = {0};
    r = wcow_buf_addf(&path, err, "%s%s%s", u->to->dest, *clean ? "/" : "", clean);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static uint64_t time_of(const struct unpacker *u, struct archive_entry *member)
{
    if (!archive_entry_mtime_is_set(member))
        return u->to->now;
    return wcow_filetime_of_unix(archive_entry_mtime(member),
                                 (uint32_t)archive_entry_mtime_nsec(member));
}

/* ---- kinds of members ---- */

static int spool_data(struct unpacker *u, struct wcow_payload *ret, uint64_t *ret_size,
                      struct wcow_error *err)
{
    uint8_t buffer[DATA_BYTES];
    int r = wcow_spool_begin(u->spool, err);
    while (r == WCOW_OK) {
        if (u->cancel && atomic_load(u->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        la_ssize_t n = archive_read_data(u->archive, buffer, sizeof(buffer));
        if (n < 0)
            return broken(u, err);
        if (n == 0)
            break;
        u->total += (uint64_t)n;
        if (u->total > WCOW_ARCHIVE_MAX_BYTES)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "the archive \"%s\" unpacks to more than %llu GiB",
                             u->file, (unsigned long long)(WCOW_ARCHIVE_MAX_BYTES >> 30));
        r = wcow_spool_add(u->spool, buffer, (size_t)n, err);
    }
    return r < 0 ? r : wcow_spool_end(u->spool, ret, ret_size, err);
}

static int put_file(struct unpacker *u, struct archive_entry *member, struct wcow_tree_node *dir,
                    const char *name, struct wcow_error *err)
{
    wcow_autoentry entry =
        wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, time_of(u, member));
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    int r = spool_data(u, &payload, &entry.size_bytes, err);
    if (r < 0)
        return r;
    const struct wcow_tree_item put = {.name = name, .entry = &entry, .payload = &payload};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(u->to->tree, dir, &put, &node, err);
}

static int put_hidden(struct unpacker *u, struct hidden *h, struct wcow_tree_node *dir,
                      const char *name, struct wcow_error *err)
{
    wcow_autoentry entry = wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, h->time);
    entry.size_bytes = h->size_bytes;
    const struct wcow_tree_item put = {.name = name, .entry = &entry, .payload = &h->payload};
    return wcow_tree_put(u->to->tree, dir, &put, &h->node, err);
}

/* A later name of a file that came before. */
static int put_hardlink(struct unpacker *u, const char *target, struct wcow_tree_node *dir,
                        const char *name, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *key = NULL;
    int r = member_path(u, target, &path, err);
    if (r == WCOW_OK)
        r = wcow_name_key(path, &key, err);
    if (r < 0)
        return r;
    struct hidden *h = wcow_name_table_get(&u->hidden, key);
    if (h && !h->node)
        return put_hidden(u, h, dir, name, err);
    struct wcow_tree_node *first = h ? h->node : wcow_tree_find(u->to->tree, key);
    if (!first || wcow_tree_type(first) != WCOW_ENTRY_FILE)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "hard link to \"%s\", which is no file of the archive before it", target);
    struct wcow_link_group *group = NULL;
    wcow_autoentry entry = {0};
    wcow_autobuf id = {0};
    struct wcow_payload payload = wcow_tree_payload(first);
    /* Another file may have had the name before, and other names yet. */
    r = wcow_buf_addf(&id, err, "%s %p", key, payload.ctx);
    if (r == WCOW_OK)
        r = wcow_tree_group_of(u->to->tree, first, (const char *)id.data, &group, err);
    if (r == WCOW_OK)
        r = wcow_tree_entry(first, &entry, err);
    if (r < 0)
        return r;
    const struct wcow_tree_item put = {
        .name = name, .entry = &entry, .payload = &payload, .group = group};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(u->to->tree, dir, &put, &node, err);
}

/* Names and targets: as UTF-8, or the bytes as they stand where they are none. */
static const char *path_of(struct archive_entry *member)
{
    const char *text = archive_entry_pathname_utf8(member);
    return text ? text : archive_entry_pathname(member);
}

static const char *symlink_of(struct archive_entry *member)
{
    const char *text = archive_entry_symlink_utf8(member);
    return text ? text : archive_entry_symlink(member);
}

static const char *hardlink_of(struct archive_entry *member)
{
    const char *text = archive_entry_hardlink_utf8(member);
    return text ? text : archive_entry_hardlink(member);
}

static int put_link(struct unpacker *u, struct archive_entry *member, struct wcow_tree_node *dir,
                    const char *name, struct wcow_error *err)
{
    const char *target = symlink_of(member);
    if (!target)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a symbolic link without a target");
    wcow_autoentry entry =
        wcow_copy_new_entry(WCOW_ENTRY_REPARSE, WCOW_ATTR_REPARSE, time_of(u, member));
    entry.link = strdup(target);
    if (!entry.link)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link");
    for (char *p = entry.link; *p; p++) {
        if (*p == '/')
            *p = '\\';
    }
    const struct wcow_tree_item put = {.name = name, .entry = &entry};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(u->to->tree, dir, &put, &node, err);
}

static int put_directory(struct unpacker *u, struct archive_entry *member,
                         struct wcow_tree_node *dir, const char *name, struct wcow_error *err)
{
    wcow_autoentry entry =
        wcow_copy_new_entry(WCOW_ENTRY_DIR, WCOW_ATTR_DIRECTORY, time_of(u, member));
    const struct wcow_tree_item put = {.name = name, .entry = &entry};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(u->to->tree, dir, &put, &node, err);
}

/* @p path: of the member, which is not the destination itself. */
static int put_at(struct unpacker *u, struct archive_entry *member, char *path,
                  struct wcow_error *err)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    struct wcow_tree_node *dir = NULL;
    int r = wcow_tree_dir(u->to->tree, path, &dir, err);
    if (r < 0)
        return r;
    const char *hardlink = hardlink_of(member);
    if (hardlink)
        return put_hardlink(u, hardlink, dir, slash + 1, err);
    switch (archive_entry_filetype(member)) {
    case AE_IFREG:
        return put_file(u, member, dir, slash + 1, err);
    case AE_IFDIR:
        return put_directory(u, member, dir, slash + 1, err);
    case AE_IFLNK:
        return put_link(u, member, dir, slash + 1, err);
    default:
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "a device, FIFO or socket, which a Windows layer cannot hold");
    }
}

/* What a hard link that is not taken leads to: NULL where that is not known to be a file. */
static int hidden_link(struct unpacker *u, const char *target, struct hidden **ret,
                       struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *key = NULL;
    if (member_path(u, target, &path, NULL) < 0 || wcow_name_key(path, &key, NULL) < 0)
        return WCOW_OK;
    *ret = wcow_name_table_get(&u->hidden, key);
    struct wcow_tree_node *node = *ret ? NULL : wcow_tree_find(u->to->tree, key);
    if (!node || wcow_tree_type(node) != WCOW_ENTRY_FILE)
        return WCOW_OK;
    *ret = wcow_arena_alloc(&u->arena, sizeof(**ret));
    if (!*ret)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a hard link");
    (*ret)->node = node;
    return WCOW_OK;
}

static int hide_file(struct unpacker *u, struct archive_entry *member, struct hidden **ret,
                     struct wcow_error *err)
{
    *ret = wcow_arena_alloc(&u->arena, sizeof(**ret));
    if (!*ret)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of an archive");
    (*ret)->time = time_of(u, member);
    return spool_data(u, &(*ret)->payload, &(*ret)->size_bytes, err);
}

/* One that is not taken. */
static int hide(struct unpacker *u, struct archive_entry *member, const char *path,
                struct wcow_error *err)
{
    const char *hardlink = hardlink_of(member);
    wcow_autofree char *key = NULL;
    struct hidden *h = NULL;
    int r = WCOW_OK;
    if (wcow_name_key(path, &key, NULL) < 0 || wcow_name_table_get(&u->hidden, key))
        return WCOW_OK;
    if (hardlink)
        r = hidden_link(u, hardlink, &h, err);
    else if (archive_entry_filetype(member) == AE_IFREG)
        r = hide_file(u, member, &h, err);
    if (r < 0 || !h)
        return r;
    const char *kept = wcow_arena_strdup(&u->arena, key);
    r = kept ? wcow_name_table_add(&u->hidden, kept, h, err)
             : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of an archive");
    if (r < 0)
        wcow_payload_done(&h->payload);
    return r;
}

static int put_member(struct unpacker *u, struct archive_entry *member, const char *name,
                      struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    bool wanted = true;
    int r = member_path(u, name, &path, err);
    if (r < 0 || strcmp(path, u->to->dest) == 0) /* "./": the destination itself */
        return r;
    const char *below = path + strlen(u->to->dest) + 1;
    if (u->to->wants)
        r = u->to->wants(u->to->ctx, below, &wanted, err);
    if (r < 0 || !wanted)
        return r < 0 ? r : hide(u, member, path, err);
    wcow_autofree char *at = strdup(path);
    if (!at)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    r = put_at(u, member, at, err);
    if (r != WCOW_E_INVALID || !u->to->left_out)
        return r;
    u->to->left_out(u->to->ctx, below);
    return WCOW_OK;
}

/* ---- the archive ---- */

static int next_member(struct unpacker *u, struct archive_entry **ret, struct wcow_error *err)
{
    int r = archive_read_next_header(u->archive, ret);
    if (r == ARCHIVE_EOF)
        return 0;
    return r == ARCHIVE_OK || r == ARCHIVE_WARN ? 1 : broken(u, err);
}

static int unpack_members(struct unpacker *u, struct archive_entry *member, struct wcow_error *err)
{
    int r = 1;
    while (r == 1) {
        if (++u->members > WCOW_ARCHIVE_MAX_MEMBERS)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "the archive \"%s\" has more than %d members",
                             u->file, WCOW_ARCHIVE_MAX_MEMBERS);
        const char *name = path_of(member);
        if (!name)
            return broken(u, err);
        r = put_member(u, member, name, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "\"%s\" in the archive \"%s\"", name, u->file);
        r = next_member(u, &member, err);
    }
    return r;
}

/* Which links lead to directories shows when all members are there. */
static int mark_directory_link(void *arg, const struct wcow_tree_shown *shown,
                               struct wcow_error *err)
{
    struct unpacker *u = arg;
    wcow_autofree char *target = NULL;
    wcow_autoentry found = {0};
    const struct wcow_entry *entry = &shown->entry;
    if (entry->type != WCOW_ENTRY_REPARSE || entry->attributes & WCOW_ATTR_DIRECTORY)
        return WCOW_OK;
    if (wcow_link_resolve(entry->name, entry->link, &target, NULL) < 0 ||
        wcow_tree_stat(u->to->tree, target, &found, NULL) != 1)
        return WCOW_OK; /* leads nowhere: a link to a file, as Windows takes it */
    return found.type == WCOW_ENTRY_DIR
               ? wcow_tree_add_attributes(u->to->tree, shown->node, WCOW_ATTR_DIRECTORY, err)
               : WCOW_OK;
}

int wcow_archive_begin(struct archive *a, int fd, const char *name,
                       struct archive_entry **ret_member, struct wcow_error *err)
{
    struct archive_entry *member = NULL;
    *ret_member = NULL;
    if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
        archive_read_support_filter_bzip2(a) < ARCHIVE_WARN ||
        archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
        archive_read_support_filter_zstd(a) < ARCHIVE_WARN)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "libarchive cannot read \"%s\": %s", name,
                         archive_error_string(a));
    if (archive_read_open_fd(a, fd, READ_BLOCK_BYTES) != ARCHIVE_OK ||
        archive_read_next_header(a, &member) < ARCHIVE_WARN || !member)
        return WCOW_OK; /* a file like any other */
    if (archive_format(a) != ARCHIVE_FORMAT_EMPTY && archive_entry_pathname(member))
        *ret_member = member;
    return WCOW_OK;
}

int wcow_archive_place(const char *folder, const char *member, char **ret, struct wcow_error *err)
{
    wcow_autofree char *clean = NULL;
    wcow_autobuf path = {0};
    *ret = NULL;
    int r = wcow_context_clean(member ? member : "", &clean, err);
    if (r < 0 || !*clean)
        return r;
    r = wcow_buf_addf(&path, err, "%s/%s", folder, clean);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int unpack(struct unpacker *u, int fd, bool *ret_unpacked, struct wcow_error *err)
{
    struct archive_entry *member = NULL;
    struct wcow_tree_node *dest = NULL;
    *ret_unpacked = false;
    int r = wcow_archive_begin(u->archive, fd, u->file, &member, err);
    if (r < 0 || !member)
        return r;
    r = wcow_spool_new(&u->spool, err);
    if (r == WCOW_OK)
        r = wcow_tree_dir(u->to->tree, u->to->dest, &dest, err);
    if (r == WCOW_OK)
        r = unpack_members(u, member, err);
    if (r == WCOW_OK)
        r = wcow_tree_each(u->to->tree, mark_directory_link, u, err);
    *ret_unpacked = r == WCOW_OK;
    return r;
}

int wcow_archive_unpack_fd(int fd, const char *name, const atomic_bool *cancel,
                           const struct wcow_archive_unpack *to, bool *ret_unpacked,
                           struct wcow_error *err)
{
    struct unpacker u = {.archive = archive_read_new(), .to = to, .file = name, .cancel = cancel};
    if (!u.archive)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    int r = unpack(&u, fd, ret_unpacked, err);
    hidden_done(&u);
    wcow_spool_free(u.spool);
    (void)archive_read_free(u.archive);
    return r;
}

int wcow_archive_unpack_file(struct wcow_context *context, const struct wcow_context_item *file,
                             const struct wcow_archive_unpack *to, bool *ret_unpacked,
                             struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = wcow_open_beneath(context->fd, file->path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%s\"", file->path);
    return wcow_archive_unpack_fd(fd, file->path, context->cancel, to, ret_unpacked, err);
}
