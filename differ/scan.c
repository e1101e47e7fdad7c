/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "differ/scan_dir.h"
#include "differ/scan_entry.h"
#include "differ/scan_out.h"
#include "layer/filetime.h"
#include "layer/hive.h"
#include "layer/names.h"
#include "store/bytes_map.h"

enum { MAX_DEPTH = 256 };

/* The first name of a file that has several. */
struct inode {
    uint64_t id[2]; /* device, number */
    char name[];
};

struct scan {
    const struct wcow_scan_options *o;
    struct wcow_chain below;
    struct wcow_scan_out out;
    struct wcow_bytes_map inodes;
    unsigned depth;
};

/* A directory being walked. */
struct place {
    int fd;
    const char *host_path;
    const char *name; /* in the tar */
    const struct wcow_entry *entry;
    bool hides_base; /* new, or opaque: nothing of the parents is below it */
};

/* ---- what overlayfs notes ---- */

static bool has_xattr(int dirfd, const char *name, const char *xattr, char want)
{
    char path[64];
    char value[8] = {0};
    wcow_autoclose int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = getxattr(path, xattr, value, sizeof(value));
    return want ? n > 0 && value[0] == want : n >= 0 || errno == ERANGE;
}

static bool is_opaque(int dirfd, const char *name)
{
    return has_xattr(dirfd, name, "trusted.overlay.opaque", 'y') ||
           has_xattr(dirfd, name, "user.overlay.opaque", 'y');
}

static int refuse_redirects(int dirfd, const char *name, const char *path, struct wcow_error *err)
{
    if (has_xattr(dirfd, name, "trusted.overlay.redirect", 0) ||
        has_xattr(dirfd, name, "trusted.overlay.metacopy", 0))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "\"%s\" is only a reference to the parents' data; mount the snapshot with "
                         "redirect_dir=off,metacopy=off",
                         path);
    return WCOW_OK;
}

/* ---- entries ---- */

static int join(const char *dir, const char *leaf, char **ret, struct wcow_error *err)
{
    int n = dir ? asprintf(ret, "%s/%s", dir, leaf) : asprintf(ret, "%s", leaf);
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path") : WCOW_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int add(struct scan *s, const struct wcow_entry *entry, const char *host_path,
               struct wcow_error *err)
{
    if (s->o->cancel && atomic_load(s->o->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled by the caller");
    struct wcow_index_row row = {.entry = entry, .host_path = host_path};
    return wcow_scan_out_add(&s->out, s->o->folder_fd, &row, err);
}

static int add_whiteout(struct scan *s, const char *dir, const char *leaf, const char *host_path,
                        struct wcow_error *err)
{
    wcow_autoentry e = {.type = WCOW_ENTRY_WHITEOUT,
                        .mtime = WCOW_FILETIME_UNIX_EPOCH,
                        .atime = WCOW_FILETIME_UNIX_EPOCH,
                        .ctime = WCOW_FILETIME_UNIX_EPOCH,
                        .creation = WCOW_FILETIME_UNIX_EPOCH};
    if (asprintf(&e.name, "%s/.wh.%s", dir, leaf) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    return add(s, &e, host_path, err);
}

/* What an opaque directory hides, as whiteouts. */
struct hidden {
    struct scan *s;
    const struct place *at;
    const struct wcow_dir_names *present;
};

static int add_hidden(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    const struct hidden *h = arg;
    const char *leaf = base_name(child->name);
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(leaf, &key, err);
    if (r < 0 || wcow_dir_names_has(h->present, key))
        return r;
    return add_whiteout(h->s, h->at->name, leaf, NULL, err);
}

/* Whiteouts stand right behind their directory. */
static int add_whiteouts(struct scan *s, const struct place *at, const struct wcow_dir_names *names,
                         bool opaque, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (opaque) {
        struct hidden hidden = {.s = s, .at = at, .present = names};
        r = wcow_chain_children(&s->below, at->name, add_hidden, &hidden, err);
    }
    for (size_t i = 0; r == WCOW_OK && !at->hides_base && i < names->n; i++) {
        struct stat st;
        if (fstatat(at->fd, names->items[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at \"%s\"", names->items[i].name);
        if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(0, 0))
            continue;
        wcow_autofree char *name = NULL;
        wcow_autofree char *host = NULL;
        wcow_autoentry base = {0};
        r = join(at->name, names->items[i].name, &name, err);
        if (r == WCOW_OK)
            r = join(at->host_path, names->items[i].name, &host, err);
        if (r == WCOW_OK)
            r = wcow_chain_lookup(&s->below, name, &base, NULL, err);
        if (r > 0)
            r = add_whiteout(s, at->name, base_name(base.name), host, err);
    }
    return r;
}

/* 1 where the file is another name of one given before. */
static int add_if_linked(struct scan *s, const struct stat *st, struct wcow_entry *e,
                         const char *host_path, struct wcow_error *err)
{
    if (st->st_nlink < 2 || !S_ISREG(st->st_mode))
        return 0;
    const uint64_t id[2] = {st->st_dev, st->st_ino};
    struct inode *first = wcow_bytes_map_find(&s->inodes, id, sizeof(id));
    if (!first) {
        size_t len = strlen(e->name);
        first = calloc(1, sizeof(*first) + len + 1);
        if (!first)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
        memcpy(first->id, id, sizeof(id));
        memcpy(first->name, e->name, len);
        int r = wcow_bytes_map_add(&s->inodes, first->id, sizeof(first->id), first, err);
        if (r < 0) {
            free(first);
            return r;
        }
        return 0;
    }
    e->type = WCOW_ENTRY_HARDLINK;
    e->size_bytes = 0;
    e->has &= ~(uint32_t)WCOW_HAS_RAWSD;
    free(e->sd);
    e->sd = NULL;
    e->sd_len_bytes = 0;
    e->link = strdup(first->name);
    if (!e->link)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
    int r = add(s, e, host_path, err);
    return r < 0 ? r : 1;
}

/* A changed file keeps the streams that it had. */
struct kept_streams {
    struct scan *s;
    int folder_fd;
    const char *name; /* of the file */
};

static int add_stream(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    const struct kept_streams *k = arg;
    const char *stream = strchr(base_name(row->entry->name), ':');
    wcow_autoentry e = {0};
    int r = wcow_entry_copy(row->entry, &e, err);
    if (r < 0 || !stream)
        return r;
    free(e.name);
    if (asprintf(&e.name, "%s%s", k->name, stream) < 0) {
        e.name = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stream");
    }
    wcow_scan_clamp(&e, k->s->o->latest);
    struct wcow_index_row mine = *row;
    mine.entry = &e;
    mine.key = NULL;
    mine.segment_len = 0;
    return wcow_scan_out_add(&k->s->out, k->folder_fd, &mine, err);
}

static int add_streams(struct scan *s, const char *name, size_t layer, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(name, &key, err);
    struct kept_streams kept = {.s = s, .folder_fd = s->o->below->fds[layer], .name = name};
    return r < 0
               ? r
               : wcow_layer_index_streams(s->o->below->indexes[layer], key, add_stream, &kept, err);
}

/* ---- the walk ---- */

static int walk(struct scan *s, const struct place *at, bool opaque, struct wcow_error *err);

static int enter(struct scan *s, const struct place *up, const char *leaf,
                 const struct wcow_entry *entry, const char *host_path, bool is_in_base,
                 struct wcow_error *err)
{
    if (s->depth >= MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%s\" lies deeper than %d directories", entry->name,
                         MAX_DEPTH);
    bool opaque = is_in_base && is_opaque(up->fd, leaf);
    wcow_autoclose int fd = openat(up->fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", host_path);
    struct place at = {.fd = fd,
                       .host_path = host_path,
                       .name = entry->name,
                       .entry = entry,
                       .hides_base = !is_in_base || opaque};
    s->depth++;
    int r = walk(s, &at, opaque, err);
    s->depth--;
    return r;
}

static int read_target(int dirfd, const char *leaf, char target[4096], struct wcow_error *err)
{
    ssize_t n = readlinkat(dirfd, leaf, target, 4095);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the link \"%s\"", leaf);
    target[n] = '\0';
    return WCOW_OK;
}

static int check_kind(const struct stat *st, const char *path, struct wcow_error *err)
{
    if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s\" is a socket, pipe or device: Windows has no such file; remove it",
                     path);
}

/* Find what the parents have of a name, and the name as they spell it. */
static int find_base(struct scan *s, const struct place *at, const char *leaf,
                     struct wcow_entry *ret, size_t *ret_layer, char **ret_name,
                     struct wcow_error *err)
{
    int r = join(at->name, leaf, ret_name, err);
    if (r < 0 || at->hides_base)
        return r;
    r = wcow_chain_lookup(&s->below, *ret_name, ret, ret_layer, err);
    if (r <= 0)
        return r;
    free(*ret_name);
    *ret_name = NULL;
    int j = join(at->name, base_name(ret->name), ret_name, err);
    return j < 0 ? j : 1;
}

static int visit_found(struct scan *s, const struct place *at, const char *leaf,
                       const struct wcow_found *found, size_t layer, struct wcow_error *err)
{
    wcow_autoentry e = {0};
    wcow_autofree char *host_path = NULL;
    int r = join(at->host_path, leaf, &host_path, err);
    if (r == WCOW_OK)
        r = check_kind(found->st, host_path, err);
    if (r == WCOW_OK && !S_ISLNK(found->st->st_mode))
        r = refuse_redirects(at->fd, leaf, host_path, err);
    if (r == WCOW_OK)
        r = wcow_scan_entry(found, &e, err);
    if (r == WCOW_OK)
        r = add_if_linked(s, found->st, &e, host_path, err);
    if (r != WCOW_OK)
        return r < 0 ? r : WCOW_OK;
    r = add(s, &e, host_path, err);
    if (r < 0)
        return r;
    if (e.type == WCOW_ENTRY_DIR)
        return enter(s, at, leaf, &e, host_path, found->base && found->base->type == WCOW_ENTRY_DIR,
                     err);
    if (e.type == WCOW_ENTRY_FILE && found->base && found->base->type == WCOW_ENTRY_FILE)
        return add_streams(s, e.name, layer, err);
    return WCOW_OK;
}

static int visit(struct scan *s, const struct place *at, const char *leaf, struct wcow_error *err)
{
    struct stat st;
    if (fstatat(at->fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at \"%s/%s\"", at->host_path, leaf);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
        return WCOW_OK; /* a whiteout: told with its directory */
    wcow_autoentry base = {0};
    wcow_autofree char *name = NULL;
    size_t layer = 0;
    int in_base = find_base(s, at, leaf, &base, &layer, &name, err);
    if (in_base < 0)
        return in_base;
    char target[4096] = "";
    int r = S_ISLNK(st.st_mode) ? read_target(at->fd, leaf, target, err) : WCOW_OK;
    if (r < 0)
        return r;
    struct wcow_found found = {.name = name,
                               .st = &st,
                               .target = target,
                               .base = in_base ? &base : NULL,
                               .parent = at->entry,
                               .below = &s->below,
                               .latest = s->o->latest};
    return visit_found(s, at, leaf, &found, layer, err);
}

/* Depth is bounded by MAX_DEPTH. */
static int walk(struct scan *s, const struct place *at, bool opaque, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_dir_names_done) struct wcow_dir_names names = {0};
    int r = wcow_dir_names_read(at->fd, at->host_path, &names, err);
    if (r == WCOW_OK)
        r = add_whiteouts(s, at, &names, opaque, err);
    for (size_t i = 0; r == WCOW_OK && i < names.n; i++)
        r = visit(s, at, names.items[i].name, err);
    return r;
}

/* ---- roots ---- */

/* 1 where the root is there and was walked. */
static int walk_root(struct scan *s, const char *root, struct wcow_error *err)
{
    struct stat st;
    if (fstatat(s->o->folder_fd, root, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at \"%s\"", root);
    if (!S_ISDIR(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" in the layer's folder is no directory", root);
    wcow_autoentry base = {0};
    int in_base = wcow_chain_lookup(&s->below, root, &base, NULL, err);
    if (in_base < 0)
        return in_base;
    struct wcow_found found = {.name = root,
                               .st = &st,
                               .base = in_base ? &base : NULL,
                               .below = &s->below,
                               .latest = s->o->latest};
    wcow_autoentry e = {0};
    int r = wcow_scan_entry(&found, &e, err);
    if (r == WCOW_OK)
        r = add(s, &e, root, err);
    struct place up = {.fd = s->o->folder_fd};
    if (r == WCOW_OK)
        r = enter(s, &up, root, &e, root, in_base > 0, err);
    return r < 0 ? r : 1;
}

/* A layer without files still has a Files directory. */
static int add_bare_root(struct scan *s, const char *root, struct wcow_error *err)
{
    wcow_autoentry base = {0};
    int r = wcow_chain_lookup(&s->below, root, &base, NULL, err);
    if (r < 0)
        return r;
    if (r > 0 && base.type == WCOW_ENTRY_DIR)
        return add(s, &base, NULL, err);
    struct stat st = {.st_mode = S_IFDIR};
    struct wcow_found found = {.name = root, .st = &st, .below = &s->below, .latest = s->o->latest};
    wcow_autoentry e = {0};
    r = wcow_scan_entry(&found, &e, err);
    return r < 0 ? r : add(s, &e, NULL, err);
}

/* The registry was not touched here, which importers want said: five deltas that change nothing,
 * dated as the base's Files so that the same changes give the same bytes. */
static int add_empty_hives(struct scan *s, struct wcow_error *err)
{
    int r = add_bare_root(s, "Hives", err);
    for (size_t i = 0; r == WCOW_OK && i < 5; i++) {
        wcow_autobuf hive = {0};
        r = wcow_hive_empty_delta(wcow_hive_delta_names[i], WCOW_FILETIME_UNIX_EPOCH, &hive, err);
        wcow_autoentry e = {.type = WCOW_ENTRY_FILE,
                            .size_bytes = hive.len,
                            .attributes = WCOW_ATTR_ARCHIVE,
                            .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME,
                            .mtime = WCOW_FILETIME_UNIX_EPOCH,
                            .atime = WCOW_FILETIME_UNIX_EPOCH,
                            .ctime = WCOW_FILETIME_UNIX_EPOCH,
                            .creation = WCOW_FILETIME_UNIX_EPOCH};
        if (r == WCOW_OK)
            r = join("Hives", wcow_hive_delta_names[i], &e.name, err);
        struct wcow_index_row row = {
            .entry = &e, .is_inlined = true, .inlined = {.data = hive.data, .len = hive.len}};
        if (r == WCOW_OK)
            r = wcow_scan_out_add(&s->out, s->o->folder_fd, &row, err);
    }
    return r;
}

static int scan_all(struct scan *s, struct wcow_error *err)
{
    s->below = wcow_layer_chain_names(s->o->below);
    int r = walk_root(s, "Files", err);
    if (r == 0)
        r = add_bare_root(s, "Files", err);
    if (r >= 0) {
        r = walk_root(s, "Hives", err);
        if (r == 0 && s->o->below->n)
            r = add_empty_hives(s, err);
    }
    if (r >= 0)
        r = walk_root(s, "UtilityVM", err);
    wcow_bytes_map_done(&s->inodes, free);
    return r < 0 ? r : WCOW_OK;
}

int wcow_scan_tar(const struct wcow_scan_options *options, const struct wcow_sink *sink,
                  struct wcow_digest *ret_diff_id, uint64_t *ret_bytes, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_out_done) struct wcow_tar_out tar = {0};
    int r = wcow_tar_out_init(&tar, sink, options->cancel, err);
    struct scan s = {.o = options, .out = {.tar = &tar}};
    if (r == WCOW_OK)
        r = scan_all(&s, err);
    if (r == WCOW_OK)
        r = wcow_tar_out_zeros(&tar, UINT64_C(1024), err);
    struct wcow_digest digest = {0};
    if (r == WCOW_OK)
        r = wcow_tar_out_finish(&tar, &digest, err);
    if (r < 0)
        return r;
    *ret_diff_id = digest;
    *ret_bytes = tar.bytes;
    return WCOW_OK;
}

int wcow_scan_index(int folder_fd, const struct wcow_layer_chain *below, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_index_abort_p) struct wcow_layer_index_writer *writer = NULL;
    int r = wcow_layer_index_create(folder_fd, &writer, err);
    if (r < 0)
        return r;
    struct wcow_scan_options options = {.folder_fd = folder_fd, .below = below};
    struct scan s = {.o = &options, .out = {.index = writer}};
    r = scan_all(&s, err);
    if (r < 0)
        return r;
    struct wcow_layer_info info = {.n_entries = s.out.n_entries};
    return wcow_layer_index_finish(WCOW_TAKE_PTR(writer), &info, true, err);
}
