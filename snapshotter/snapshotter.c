/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshotter itself and its looking half; changes are in changes.c. */
#include "snapshotter/snapshotter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "snapshotter/filter.h"
#include "snapshotter/folders.h"
#include "snapshotter/internal.h"
#include "snapshotter/labels.h"

static int open_folders(struct wcow_snapshotter *s, struct wcow_error *err)
{
    if (asprintf(&s->folders, "%s/snapshots", wcow_store_root(s->store)) < 0) {
        s->folders = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    if (mkdir(s->folders, 0700) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot create %s", s->folders);
    s->folders_fd = open(s->folders, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->folders_fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot open %s", s->folders);
    return WCOW_OK;
}

int wcow_snapshotter_new(struct wcow_store *store, const struct wcow_snapshotter_options *options,
                         struct wcow_snapshotter **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_snapshotter_free_p) struct wcow_snapshotter *s = calloc(1, sizeof(*s));
    if (!s)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the snapshotter");
    s->folders_fd = -1;
    s->store = store;
    s->mount_type = options->mount_type;
    s->index_off = access("/sys/module/overlay/parameters/index", F_OK) == 0;
    int r = open_folders(s, err);
    wcow_syncer_init(&s->syncer, s->folders_fd);
    wcow_sweeper_init(&s->sweeper);
    wcow_cleanups_init(&s->cleanups);
    if (r == WCOW_OK)
        r = wcow_reaper_new(s->folders_fd, &s->reaper, err);
    if (r == WCOW_OK)
        r = wcow_chores_new(wcow_store_root(store), &s->chores, err);
    if (r == WCOW_OK)
        r = wcow_snapshotter_sweep(s, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "open the snapshots in %s", wcow_store_root(store));
    *ret = WCOW_TAKE_PTR(s);
    return WCOW_OK;
}

void wcow_snapshotter_free(struct wcow_snapshotter *s)
{
    if (!s)
        return;
    wcow_sweeper_done(&s->sweeper);
    wcow_reaper_free(s->reaper); /* waits for removals that are still to come by a chore */
    wcow_chores_free(s->chores);
    wcow_cleanups_done(&s->cleanups);
    wcow_syncer_done(&s->syncer);
    wcow_closep_(&s->folders_fd);
    free(s->folders);
    free(s);
}

struct look {
    const char *key;
    bool with_labels;
    struct wcow_row *row;
};

static int look_up(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const struct look *look = arg;
    return wcow_snapshots_find(db, look->key, look->with_labels, look->row, err);
}

static int find_row(struct wcow_snapshotter *s, const char *key, bool with_labels,
                    struct wcow_row *ret, struct wcow_error *err)
{
    struct look look = {.key = key, .with_labels = with_labels, .row = ret};
    return wcow_store_read(s->store, look_up, &look, err);
}

int wcow_snapshotter_stat(struct wcow_snapshotter *s, const char *key, struct wcow_row *ret,
                          struct wcow_error *err)
{
    return find_row(s, key, true, ret, err);
}

int wcow_snapshotter_say_missing(const struct wcow_snapshotter *s, const char *key, int64_t id,
                                 enum wcow_kind kind, struct wcow_error *err)
{
    return WCOW_FAIL(
        err, WCOW_E_PRECONDITION,
        "the folder of snapshot \"%.150s\" was deleted: %.150s/%lld is missing; remove "
        "the snapshot%s",
        key, s->folders, (long long)id,
        kind == WCOW_KIND_COMMITTED ? " and its image, and pull it again" : " and make it anew");
}

static int has_row(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const int64_t *id = arg;
    return wcow_snapshots_has_id(db, *id, err);
}

int wcow_snapshotter_fail_missing(struct wcow_snapshotter *s, const struct wcow_row *row,
                                  struct wcow_error *err)
{
    int64_t id = row->id;
    wcow_store_look_anew(s->store); /* the row may have gone before the folder did */
    int r = wcow_store_read(s->store, has_row, &id, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "snapshot \"%.300s\" does not exist", row->key);
    return r < 0 ? r : wcow_snapshotter_say_missing(s, row->key, id, row->kind, err);
}

int wcow_snapshotter_mounts(struct wcow_snapshotter *s, const char *key,
                            struct wcow_layer_mount *ret, struct wcow_error *err)
{
    wcow_autorow row = {0};
    int r = find_row(s, key, false, &row, err);
    if (r < 0)
        return r;
    if (row.kind == WCOW_KIND_COMMITTED)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "snapshot \"%.300s\" is committed and has no mounts: prepare or view a "
                         "snapshot on it",
                         key);
    if (!wcow_folder_exists(s->folders_fd, row.id))
        return wcow_snapshotter_fail_missing(s, &row, err);
    return wcow_layer_mount_of(s->folders, &row, s->index_off, ret, err);
}

int wcow_snapshotter_usage(struct wcow_snapshotter *s, const char *key, uint64_t *ret_size_bytes,
                           uint64_t *ret_inodes, struct wcow_error *err)
{
    wcow_autorow row = {0};
    int r = find_row(s, key, false, &row, err);
    if (r < 0)
        return r;
    uint64_t size_bytes = row.size_bytes;
    uint64_t entries = row.inodes;
    if (row.kind == WCOW_KIND_ACTIVE)
        r = wcow_folder_measure(s->folders_fd, row.id, &size_bytes, &entries, err);
    if (r == WCOW_E_NOT_FOUND)
        r = wcow_snapshotter_fail_missing(s, &row, err);
    if (r < 0)
        return r;
    *ret_size_bytes = size_bytes;
    *ret_inodes = row.mount_type == WCOW_MOUNT_OVERLAY ? entries : 0;
    return WCOW_OK;
}

/* ---- walking ---- */

enum { LABELS_A_ROW = 10 };

struct matching {
    const struct wcow_filter *filter;
    const struct wcow_walk *walk;
    size_t n_rows;
    size_t n_labels;
    bool has_more;
    wcow_snapshots_fn fn;
    void *arg;
};

/* The value of a label whose key is the rest of the path, joined by dots. */
static int label_field(const struct wcow_row *row, const char *const *path, size_t n_path,
                       const char **ret_value)
{
    for (size_t i = 0; i < row->n_labels; i++) {
        const char *key = row->labels[i].key;
        size_t part = 0;
        for (; part < n_path; part++) {
            size_t len = strlen(path[part]);
            bool is_last = part + 1 == n_path;
            if (strncmp(key, path[part], len) != 0 || key[len] != (is_last ? '\0' : '.'))
                break;
            key += len + 1;
        }
        if (part == n_path) {
            *ret_value = row->labels[i].value;
            return 1;
        }
    }
    return 0;
}

static int row_field(const void *object, const char *const *path, size_t n_path,
                     const char **ret_value)
{
    const struct wcow_row *row = object;
    if (strcmp(path[0], "labels") == 0)
        return n_path > 1 ? label_field(row, path + 1, n_path - 1, ret_value) : 0;
    if (strcmp(path[0], "name") == 0)
        *ret_value = row->key;
    else if (strcmp(path[0], "parent") == 0)
        *ret_value = row->parent;
    else if (strcmp(path[0], "kind") == 0)
        *ret_value = wcow_kind_name(row->kind);
    else
        return 0;
    return 1;
}

static int pass_matching(void *arg, struct wcow_row *row, struct wcow_error *err)
{
    struct matching *m = arg;
    size_t max = m->walk->max_rows;
    m->n_rows++;
    m->n_labels += row->n_labels;
    m->has_more = max && (m->n_rows > max || m->n_labels > max * LABELS_A_ROW);
    if (m->has_more)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %zu snapshots", max);
    if (atomic_load(m->walk->cancelled))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "the caller of List went away");
    bool matches = false;
    int r = wcow_filter_match(m->filter, row_field, row, &matches, err);
    return r == WCOW_OK && matches ? m->fn(m->arg, row, err) : r;
}

static int walk_rows(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    return wcow_snapshots_each(db, pass_matching, arg, err);
}

int wcow_snapshotter_walk(struct wcow_snapshotter *s, const struct wcow_walk *walk,
                          wcow_snapshots_fn fn, void *arg, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = NULL;
    int r = wcow_filter_parse(walk->filters, walk->n_filters, &filter, err);
    if (r < 0)
        return r;
    struct matching m = {.filter = filter, .walk = walk, .fn = fn, .arg = arg};
    r = wcow_store_read(s->store, walk_rows, &m, err);
    if (m.has_more)
        return 0;
    return r < 0 ? r : 1;
}
