/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/lookup.h"

#include <stdio.h>
#include <string.h>

void wcow_snapshot_folders_done(struct wcow_snapshot_folders *folders)
{
    for (size_t i = 0; i < folders->n_parents; i++)
        free(folders->parents[i]);
    free(folders->parents);
    free(folders->source);
    free(folders->key);
    *folders = (struct wcow_snapshot_folders){0};
}

struct query {
    const char *ns;
    const char *key;
    int64_t id;
    struct wcow_row row;
};

static int find_by_key(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct query *q = arg;
    int r = wcow_snapshots_find(db, q->key, false, &q->row, err);
    if (r == WCOW_E_NOT_FOUND && q->ns)
        r = wcow_snapshots_by_name(db, q->ns, q->key, &q->row, err);
    return r;
}

static int find_by_id(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct query *q = arg;
    return wcow_snapshots_by_id(db, q->id, &q->row, err);
}

static char *folder_of(struct wcow_store *store, int64_t id)
{
    char *path = NULL;
    return asprintf(&path, "%s/snapshots/%lld", wcow_store_root(store), (long long)id) < 0 ? NULL
                                                                                           : path;
}

static int fill(struct wcow_store *store, struct wcow_row *row,
                struct wcow_snapshot_folders *folders, struct wcow_error *err)
{
    folders->kind = row->kind;
    folders->key = WCOW_TAKE_PTR(row->key);
    folders->source = folder_of(store, row->id);
    folders->parents = calloc(row->n_ancestors + 1, sizeof(*folders->parents));
    bool ok = folders->source && folders->parents;
    for (size_t i = 0; ok && i < row->n_ancestors; i++) {
        folders->parents[i] = folder_of(store, row->ancestors[i]);
        ok = folders->parents[i] != NULL;
        folders->n_parents += ok;
    }
    return ok ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for folders");
}

int wcow_snapshotter_layers(struct wcow_store *store, const char *ns, const char *key,
                            struct wcow_snapshot_folders *ret, struct wcow_error *err)
{
    struct query q = {.ns = ns, .key = key};
    int r = wcow_store_read(store, find_by_key, &q, err);
    if (r < 0)
        return r;
    struct wcow_snapshot_folders folders = {0};
    r = fill(store, &q.row, &folders, err);
    wcow_row_done(&q.row);
    if (r < 0)
        wcow_snapshot_folders_done(&folders);
    else
        *ret = folders;
    return r;
}

/* "<root>/snapshots/<id>", perhaps with "/Files" and slashes behind it. */
static int64_t id_of_folder(struct wcow_store *store, const char *folder)
{
    const char *root = wcow_store_root(store);
    size_t root_len = strlen(root);
    static const char middle[] = "/snapshots/";
    if (strncmp(folder, root, root_len) != 0 ||
        strncmp(folder + root_len, middle, strlen(middle)) != 0)
        return 0;
    const char *number = folder + root_len + strlen(middle);
    if (*number < '1' || *number > '9')
        return 0;
    char *rest = NULL;
    errno = 0;
    long long id = strtoll(number, &rest, 10);
    if (strncmp(rest, "/Files", 6) == 0)
        rest += 6;
    return errno || rest[strspn(rest, "/")] ? 0 : id;
}

int wcow_snapshotter_namespace_of(struct wcow_store *store, const char *folder, char **ret,
                                  struct wcow_error *err)
{
    struct query q = {.id = id_of_folder(store, folder)};
    if (q.id == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "%.300s is no snapshot's folder in %.150s", folder,
                         wcow_store_root(store));
    int r = wcow_store_read(store, find_by_id, &q, err);
    if (r < 0)
        return r;
    size_t len = 0;
    (void)wcow_key_name(q.row.key, &len);
    char *ns = strndup(q.row.key, len);
    wcow_row_done(&q.row);
    if (!ns)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a namespace");
    *ret = ns;
    return WCOW_OK;
}
