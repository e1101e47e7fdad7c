/* SPDX-License-Identifier: Apache-2.0 */
/* What a scan takes from the parents: the true form of a shortened name, data to compare with, and
 * whole subtrees that were moved without being copied. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "differ/host_tree.h"
#include "differ/layer_file.h"
#include "differ/scan_internal.h"
#include "layer/names.h"

/* ---- names ---- */

struct by_host_leaf {
    const char *want;
    char *found;
};

static int match_host_leaf(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct by_host_leaf *m = arg;
    wcow_autofree char *host = NULL;
    const char *leaf = wcow_scan_base_name(child->name);
    int r = m->found ? WCOW_OK : wcow_host_leaf(leaf, &host, err);
    if (r < 0 || m->found || strcmp(host, m->want) != 0)
        return r;
    m->found = strdup(leaf);
    return m->found ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

int wcow_scan_real_leaf(struct wcow_scan *s, const struct wcow_scan_place *at, const char *leaf,
                        char **ret, struct wcow_error *err)
{
    struct by_host_leaf match = {.want = leaf};
    int r = WCOW_OK;
    if (at->origin && wcow_host_leaf_is_short(leaf))
        r = wcow_chain_children(&s->below, at->origin, match_host_leaf, &match, err);
    *ret = match.found ? match.found : strdup(leaf);
    if (r == WCOW_OK && !*ret)
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    return r;
}

/* ---- data ---- */

static ssize_t read_full(int fd, uint8_t *buf, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, buf + got, len - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? n : (ssize_t)got;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int same_bytes(int fd, struct wcow_layer_file *base, const char *leaf,
                      struct wcow_error *err)
{
    struct wcow_source source = wcow_layer_file_source(base);
    wcow_autobuf mine = {0};
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_source_next(&source, &data, &len, err);
        if (r < 0 || len == 0)
            return r < 0 ? r : 1;
        if (mine.len < len)
            r = wcow_buf_add(&mine, data, len - mine.len, err);
        if (r < 0)
            return r;
        ssize_t n = read_full(fd, mine.data, len);
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", leaf);
        if ((size_t)n != len || memcmp(mine.data, data, len) != 0)
            return 0;
    }
}

/* overlayfs copies a file up with its time of writing, so that only files of that time may be the
 * same; those are compared. */
static bool was_written(struct wcow_scan *s, const char *origin, const struct stat *st)
{
    wcow_autofree char *key = NULL;
    wcow_autofree char *host_path = NULL;
    struct stat base;
    for (size_t i = 0; i < s->o->below->n; i++) {
        if (!key && wcow_name_key(origin, &key, NULL) < 0)
            return true;
        int r = wcow_layer_index_host_path(s->o->below->indexes[i], key, &host_path, NULL);
        if (r == 0)
            continue;
        return r < 0 || fstatat(s->o->below->fds[i], host_path, &base, AT_SYMLINK_NOFOLLOW) < 0 ||
               base.st_mtim.tv_sec != st->st_mtim.tv_sec ||
               base.st_mtim.tv_nsec != st->st_mtim.tv_nsec;
    }
    return true;
}

int wcow_scan_is_same_data(struct wcow_scan *s, const char *origin, int dirfd, const char *leaf,
                           const struct stat *st, struct wcow_error *err)
{
    if (was_written(s, origin, st))
        return 0;
    WCOW_CLEANUP(wcow_layer_file_close_p) struct wcow_layer_file *base = NULL;
    int r = wcow_layer_file_open(s->o->below, origin, &base, err);
    if (r < 0)
        return r;
    if (wcow_layer_file_entry(base)->size_bytes != (uint64_t)st->st_size)
        return 0;
    wcow_autoclose int fd = -1;
    r = wcow_open_beneath(dirfd, leaf, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    return r < 0 ? r : same_bytes(fd, base, leaf, err);
}

/* ---- streams ---- */

struct kept_streams {
    struct wcow_scan *s;
    struct wcow_scan_place *at;
    int folder_fd;
    const char *name; /* of the file */
};

static int add_stream(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    const struct kept_streams *k = arg;
    const char *stream = strchr(wcow_scan_base_name(row->entry->name), ':');
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
    return wcow_scan_add(k->s, k->at, k->folder_fd, &mine, err);
}

int wcow_scan_add_streams(struct wcow_scan *s, struct wcow_scan_place *at, const char *name,
                          const char *origin, size_t layer, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(origin, &key, err);
    struct kept_streams kept = {
        .s = s, .at = at, .folder_fd = s->o->below->fds[layer], .name = name};
    return r < 0
               ? r
               : wcow_layer_index_streams(s->o->below->indexes[layer], key, add_stream, &kept, err);
}

/* ---- what was moved ---- */

/* The file behind a path: where its data and its descriptor are. */
static int find_file(struct wcow_scan *s, const char *origin, struct wcow_entry *ret,
                     size_t *ret_layer, struct wcow_error *err)
{
    int r = wcow_chain_resolve(&s->below, origin, ret, ret_layer, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "\"%s\" was moved from the parents, which have no such file", origin);
    return r < 0 ? r : WCOW_OK;
}

struct moving {
    struct wcow_scan *s;
    struct wcow_scan_place *at;
    struct wcow_entry *entry;
    int folder_fd;
};

static int move_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    struct moving *m = arg;
    struct wcow_index_row mine = *row;
    mine.entry = m->entry;
    mine.key = NULL;
    mine.segment_len = 0;
    return wcow_scan_add(m->s, m->at, m->folder_fd, &mine, err);
}

static int rename_entry(struct wcow_scan *s, struct wcow_entry *e, const char *name,
                        struct wcow_error *err)
{
    free(e->name);
    e->name = strdup(name);
    wcow_scan_clamp(e, s->o->latest);
    return e->name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

int wcow_scan_add_moved(struct wcow_scan *s, struct wcow_scan_place *at, const char *name,
                        const char *origin, struct wcow_error *err)
{
    if (s->out.index)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "\"%s\" was renamed by overlayfs and its data is in a parent: such a "
                         "layer must be written with Diff and unpacked again before it can be a "
                         "parent",
                         name);
    wcow_autoentry e = {0};
    wcow_autofree char *from = NULL;
    wcow_autofree char *key = NULL;
    size_t layer = 0;
    int r = find_file(s, origin, &e, &layer, err);
    if (r == WCOW_OK && !(from = strdup(e.name)))
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    if (r == WCOW_OK)
        r = wcow_name_key(from, &key, err);
    if (r == WCOW_OK)
        r = rename_entry(s, &e, name, err);
    if (r < 0)
        return r;
    struct moving moving = {.s = s, .at = at, .entry = &e, .folder_fd = s->o->below->fds[layer]};
    r = wcow_layer_index_row(s->o->below->indexes[layer], key, move_row, &moving, err);
    if (r < 0 || e.type != WCOW_ENTRY_FILE)
        return r < 0 ? r : WCOW_OK;
    return wcow_scan_add_streams(s, at, name, from, layer, err);
}

/* ---- targets of links ---- */

/* "dir/a/../b" without dots, below Files; NULL where it leaves. */
static char *normal_path(const char *dir, const char *target)
{
    wcow_autobuf path = {0};
    if (wcow_buf_add_str(&path, *target == '/' ? "Files" : dir, NULL) < 0)
        return NULL;
    while (*target) {
        size_t len = strcspn(target, "/");
        if (len == 2 && strncmp(target, "..", 2) == 0) {
            while (path.len && path.data[path.len - 1] != '/')
                path.len--;
            if (!path.len)
                return NULL;
            path.len--;
        } else if (len && !(len == 1 && *target == '.')) {
            if (wcow_buf_add(&path, "/", 1, NULL) < 0 || wcow_buf_add(&path, target, len, NULL) < 0)
                return NULL;
        }
        target += len + (target[len] == '/');
    }
    return wcow_buf_take_str(&path);
}

int wcow_scan_target_is_dir(struct wcow_scan *s, const struct wcow_scan_place *at,
                            const char *target, bool *ret, struct wcow_error *err)
{
    *ret = false;
    wcow_autofree char *here = normal_path(at->host_path, target);
    wcow_autofree char *below = normal_path(at->name, target);
    if (!here || !below)
        return WCOW_OK;
    struct stat st;
    wcow_autoclose int fd = -1;
    if (wcow_open_beneath(s->o->folder_fd, here, O_PATH | O_NOFOLLOW, 0, &fd, NULL) == WCOW_OK &&
        fstat(fd, &st) == 0) {
        *ret = S_ISDIR(st.st_mode);
        if (!S_ISLNK(st.st_mode))
            return WCOW_OK;
    }
    wcow_autoentry e = {0};
    int r = wcow_chain_lookup(&s->below, below, &e, NULL, err);
    if (r > 0)
        *ret = e.type == WCOW_ENTRY_DIR ||
               (e.type == WCOW_ENTRY_REPARSE && (e.attributes & WCOW_ATTR_DIRECTORY));
    return r == WCOW_E_INVALID || r >= 0 ? WCOW_OK : r;
}
