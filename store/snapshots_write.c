/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the table of snapshots: what may follow from what is decided here, in the writer's
 * transaction, and nowhere else. */
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/number.h"
#include "store/bytes_map.h"
#include "store/snapshots_internal.h"

static const char insert_row[] =
    "INSERT INTO snapshots (key, namespace, parent_id, ancestors, kind, mount_type, created_at, "
    "updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
static const char insert_label[] =
    "INSERT INTO labels (snapshot_id, key, value) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (snapshot_id, key) DO UPDATE SET value = excluded.value";
static const char delete_label[] = "DELETE FROM labels WHERE snapshot_id = ?1 AND key = ?2";
static const char delete_labels[] = "DELETE FROM labels WHERE snapshot_id = ?1";
static const char commit_row[] =
    "UPDATE snapshots SET key = ?2, namespace = ?3, kind = 'committed', size_bytes = ?4, "
    "inodes = ?5, created_at = ?6, updated_at = ?6 WHERE id = ?1";
static const char set_parent[] =
    "UPDATE snapshots SET parent_id = ?2, ancestors = ?3 WHERE id = ?1";
static const char touch[] = "UPDATE snapshots SET updated_at = ?2 WHERE id = ?1";
static const char a_child[] = "SELECT key FROM snapshots WHERE parent_id = ?1 LIMIT 1";
static const char delete_row[] = "DELETE FROM snapshots WHERE id = ?1";
static const char key_exists[] = "SELECT 1 FROM snapshots WHERE key = ?1";

static int64_t now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int is_taken(struct wcow_db *db, const char *key, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, key_exists, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    r = wcow_db_step(db, stmt, err);
    if (r > 0)
        return WCOW_FAIL(err, WCOW_E_EXISTS, "snapshot \"%.300s\" already exists", key);
    return r;
}

static int write_label(struct wcow_db *db, int64_t id, const struct wcow_store_label *label,
                       struct wcow_error *err)
{
    bool is_set = label->value && *label->value;
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, is_set ? insert_label : delete_label, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_text(stmt, 2, label->key, -1, SQLITE_STATIC);
    if (is_set)
        (void)sqlite3_bind_text(stmt, 3, label->value, -1, SQLITE_STATIC);
    return wcow_db_step(db, stmt, err);
}

static int write_labels(struct wcow_db *db, int64_t id, const struct wcow_store_labels *labels,
                        struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < labels->n; i++) {
        if (labels->items[i].value && *labels->items[i].value)
            r = write_label(db, id, &labels->items[i], err);
    }
    return r;
}

static int replace_labels(struct wcow_db *db, int64_t id, const struct wcow_store_labels *labels,
                          struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, delete_labels, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, id);
    r = wcow_db_step(db, stmt, err);
    return r < 0 ? r : write_labels(db, id, labels, err);
}

/* A parent must be there and be committed; @p otherwise is the code where it is not. */
static int find_parent(struct wcow_db *db, const char *key, enum wcow_code otherwise,
                       struct wcow_row *ret, struct wcow_error *err)
{
    int r = wcow_snapshots_find(db, key, false, ret, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "parent");
    if (ret->kind != WCOW_KIND_COMMITTED)
        return WCOW_FAIL(err, otherwise,
                         "parent \"%.300s\" is not a committed snapshot (it is %s): commit it "
                         "first",
                         key, wcow_kind_name(ret->kind));
    return WCOW_OK;
}

/* The ancestors of a child of @p parent, as an array and as the column's text. */
static int ancestors_below(const struct wcow_row *parent, struct wcow_row *child,
                           struct wcow_buf *text, struct wcow_error *err)
{
    child->ancestors = calloc(parent->n_ancestors + 1, sizeof(*child->ancestors));
    if (!child->ancestors)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a chain");
    child->ancestors[0] = parent->id;
    for (size_t i = 0; i < parent->n_ancestors; i++)
        child->ancestors[i + 1] = parent->ancestors[i];
    child->n_ancestors = parent->n_ancestors + 1;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < child->n_ancestors; i++) {
        char number[WCOW_NUMBER_BYTES + 1] = ",";
        size_t len = 1 + wcow_number_decimal((uint64_t)child->ancestors[i], number + 1);
        r = wcow_buf_add(text, number + (i == 0), len - (i == 0), err);
    }
    return r;
}

static void bind_namespace(sqlite3_stmt *stmt, int index, const char *key)
{
    size_t len = 0;
    (void)wcow_key_name(key, &len);
    (void)sqlite3_bind_text(stmt, index, key, (int)len, SQLITE_STATIC);
}

static int insert(struct wcow_db *db, const struct wcow_snapshots_new *snap, const char *ancestors,
                  struct wcow_row *row, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, insert_row, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, snap->key, -1, SQLITE_STATIC);
    bind_namespace(stmt, 2, snap->key);
    if (row->n_ancestors)
        (void)sqlite3_bind_int64(stmt, 3, row->ancestors[0]);
    (void)sqlite3_bind_text(stmt, 4, ancestors, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 5, wcow_kind_name(snap->kind), -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 6, wcow_mount_type_name(snap->mount_type), -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 7, row->created_ns);
    r = wcow_db_step(db, stmt, err);
    if (r < 0)
        return r;
    row->id = sqlite3_last_insert_rowid(db->handle);
    return write_labels(db, row->id, &snap->labels, err);
}

/* @param ret_parent unless there is none */
static int check_create(struct wcow_db *db, const char *key, const char *parent,
                        struct wcow_row *ret_parent, struct wcow_error *err)
{
    int r = parent && *parent ? find_parent(db, parent, WCOW_E_INVALID, ret_parent, err) : WCOW_OK;
    return r < 0 ? r : is_taken(db, key, err);
}

int wcow_snapshots_check_create(struct wcow_db *db, const char *key, const char *parent,
                                struct wcow_error *err)
{
    wcow_autorow row = {0};
    return check_create(db, key, parent, &row, err);
}

int wcow_snapshots_create(struct wcow_db *db, const struct wcow_snapshots_new *snap,
                          struct wcow_row *ret, struct wcow_error *err)
{
    bool has_parent = snap->parent && *snap->parent;
    wcow_autorow row = {.kind = snap->kind, .mount_type = snap->mount_type};
    wcow_autorow parent = {0};
    wcow_autobuf ancestors = {0};
    int r = check_create(db, snap->key, snap->parent, &parent, err);
    if (r == WCOW_OK && has_parent)
        r = ancestors_below(&parent, &row, &ancestors, err);
    if (r < 0)
        return r;
    row.key = strdup(snap->key);
    row.parent = strdup(has_parent ? snap->parent : "");
    if (!row.key || !row.parent)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a snapshot's key");
    row.created_ns = row.updated_ns = now_ns();
    r = insert(db, snap, ancestors.len ? (const char *)ancestors.data : "", &row, err);
    if (r < 0)
        return r;
    *ret = row;
    row = (struct wcow_row){0};
    return WCOW_OK;
}

static int rebase(struct wcow_db *db, const struct wcow_row *row, const char *parent_key,
                  struct wcow_error *err)
{
    if (*row->parent && strcmp(row->parent, parent_key) == 0)
        return WCOW_OK;
    if (*row->parent)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "snapshot \"%.150s\" was prepared on \"%.150s\" and cannot be committed "
                         "on another parent: only one prepared without a parent can",
                         row->key, row->parent);
    wcow_autorow parent = {0};
    wcow_autorow child = {0};
    wcow_autobuf ancestors = {0};
    wcow_autoreset *stmt = NULL;
    int r = find_parent(db, parent_key, WCOW_E_PRECONDITION, &parent, err);
    if (r == WCOW_OK)
        r = ancestors_below(&parent, &child, &ancestors, err);
    if (r == WCOW_OK)
        r = wcow_db_stmt(db, set_parent, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, row->id);
    (void)sqlite3_bind_int64(stmt, 2, parent.id);
    (void)sqlite3_bind_text(stmt, 3, (const char *)ancestors.data, -1, SQLITE_STATIC);
    return wcow_db_step(db, stmt, err);
}

static int mark_committed(struct wcow_db *db, const struct wcow_snapshots_commit *c,
                          struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, commit_row, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, c->id);
    (void)sqlite3_bind_text(stmt, 2, c->name, -1, SQLITE_STATIC);
    bind_namespace(stmt, 3, c->name);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)c->size_bytes);
    (void)sqlite3_bind_int64(stmt, 5, (int64_t)c->inodes);
    (void)sqlite3_bind_int64(stmt, 6, now_ns());
    return wcow_db_step(db, stmt, err);
}

/* In the order that containerd's own Windows snapshotter refuses in. */
int wcow_snapshots_check_commit(struct wcow_db *db, const char *key, const char *name,
                                struct wcow_row *ret, struct wcow_error *err)
{
    wcow_autorow row = {0};
    int r = wcow_snapshots_find(db, key, false, &row, err);
    if (r == WCOW_OK && row.kind != WCOW_KIND_COMMITTED)
        r = is_taken(db, name, err);
    if (r < 0)
        return r;
    if (row.kind != WCOW_KIND_ACTIVE)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "snapshot \"%.300s\" is not active (it is %s): only what Prepare made can "
                         "be committed",
                         key, wcow_kind_name(row.kind));
    *ret = row;
    row = (struct wcow_row){0};
    return WCOW_OK;
}

int wcow_snapshots_commit(struct wcow_db *db, const struct wcow_snapshots_commit *c,
                          struct wcow_error *err)
{
    wcow_autorow row = {0};
    int r = wcow_snapshots_check_commit(db, c->key, c->name, &row, err);
    if (r < 0)
        return r;
    if (row.id != c->id)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "snapshot \"%.300s\" was removed and prepared anew during its commit",
                         c->key);
    if (c->parent && *c->parent)
        r = rebase(db, &row, c->parent, err);
    if (r == WCOW_OK)
        r = mark_committed(db, c, err);
    return r < 0 ? r : replace_labels(db, c->id, &c->labels, err);
}

/* RESTRICT would refuse too, but could not say which child is in the way. */
static int refuse_children(struct wcow_db *db, const struct wcow_row *row, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, a_child, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, row->id);
    r = wcow_db_step(db, stmt, err);
    if (r > 0)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "cannot remove snapshot \"%.200s\": \"%.200s\" stands on it; remove that "
                         "first",
                         row->key, (const char *)sqlite3_column_text(stmt, 0));
    return r;
}

int wcow_snapshots_remove(struct wcow_db *db, const char *key, int64_t *ret_id,
                          struct wcow_error *err)
{
    wcow_autorow row = {0};
    int r = wcow_snapshots_find(db, key, false, &row, err);
    if (r == WCOW_OK)
        r = refuse_children(db, &row, err);
    wcow_autoreset *stmt = NULL;
    if (r == WCOW_OK)
        r = wcow_db_stmt(db, delete_row, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, row.id);
    r = wcow_db_step(db, stmt, err);
    if (r < 0)
        return r;
    *ret_id = row.id;
    return WCOW_OK;
}

/* A label given twice is what it was given last. */
static int map_labels(struct wcow_store_label *labels, size_t n, struct wcow_bytes_map *ret,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = n; r == WCOW_OK && i > 0; i--) {
        struct wcow_store_label *label = &labels[i - 1];
        size_t len = strlen(label->key);
        if (!wcow_bytes_map_find(ret, label->key, len))
            r = wcow_bytes_map_add(ret, label->key, len, label, err);
    }
    return r;
}

/* There may be a million keys and a hundred thousand labels, and others wait. */
static int change_some_labels(struct wcow_db *db, int64_t id, const struct wcow_snapshots_update *u,
                              struct wcow_error *err)
{
    struct wcow_bytes_map given = {0};
    wcow_autofree struct wcow_store_label *labels = calloc(u->labels.n + 1, sizeof(*labels));
    if (!labels)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu labels", u->labels.n);
    for (size_t i = 0; i < u->labels.n; i++)
        labels[i] = u->labels.items[i];
    int r = map_labels(labels, u->labels.n, &given, err);
    for (size_t i = 0; r == WCOW_OK && i < u->n_label_keys; i++) {
        const char *key = u->label_keys[i];
        const struct wcow_store_label absent = {.key = key};
        const struct wcow_store_label *label = wcow_bytes_map_find(&given, key, strlen(key));
        r = write_label(db, id, label ? label : &absent, err);
    }
    wcow_bytes_map_done(&given, NULL);
    return r;
}

static int change_labels(struct wcow_db *db, int64_t id, const struct wcow_snapshots_update *u,
                         struct wcow_error *err)
{
    return u->label_keys ? change_some_labels(db, id, u, err)
                         : replace_labels(db, id, &u->labels, err);
}

int wcow_snapshots_update(struct wcow_db *db, const struct wcow_snapshots_update *u,
                          struct wcow_row *ret, struct wcow_error *err)
{
    wcow_autorow row = {0};
    int r = wcow_snapshots_find(db, u->key, false, &row, err);
    if (r == WCOW_OK)
        r = change_labels(db, row.id, u, err);
    wcow_autoreset *stmt = NULL;
    if (r == WCOW_OK)
        r = wcow_db_stmt(db, touch, &stmt, err);
    if (r < 0)
        return r;
    row.updated_ns = now_ns();
    (void)sqlite3_bind_int64(stmt, 1, row.id);
    (void)sqlite3_bind_int64(stmt, 2, row.updated_ns);
    r = wcow_db_step(db, stmt, err);
    if (r == WCOW_OK)
        r = wcow_labels_read(db, &row, err);
    if (r < 0)
        return r;
    *ret = row;
    row = (struct wcow_row){0};
    return WCOW_OK;
}
