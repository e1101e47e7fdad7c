/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the table of snapshots. */
#include "store/snapshots.h"

#include <string.h>

#include "store/snapshots_internal.h"

#define COLUMNS                                                                                    \
    "SELECT s.id, s.key, coalesce(p.key, ''), s.kind, s.mount_type, s.created_at, s.updated_at, "  \
    "s.size_bytes, s.inodes, s.ancestors FROM snapshots s LEFT JOIN snapshots p "                  \
    "ON p.id = s.parent_id "

static const char by_key[] = COLUMNS "WHERE s.key = ?1";
static const char by_id[] = COLUMNS "WHERE s.id = ?1";
/* A key is "<ns>/<n>/<name>": behind the namespace, the rest after the next slash. */
static const char by_name[] =
    COLUMNS "WHERE s.namespace = ?1 AND substr(s.key, length(?1) + 2 + "
            "instr(substr(s.key, length(?1) + 2), '/')) = ?2 ORDER BY s.id DESC LIMIT 1";
static const char every[] = COLUMNS "ORDER BY s.id";
static const char labels_of[] = "SELECT key, value FROM labels WHERE snapshot_id = ?1 ORDER BY key";
static const char all_ids[] = "SELECT id FROM snapshots ORDER BY id";
static const char newest_ids[] =
    "SELECT id FROM (SELECT id FROM snapshots ORDER BY id DESC LIMIT ?1) ORDER BY id";
/* AUTOINCREMENT's own note, which outlives the rows. */
static const char last_id[] =
    "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'snapshots'";
static const char totals[] =
    "SELECT count(*) FILTER (WHERE kind = 'active'), count(*) FILTER (WHERE kind = 'view'), "
    "count(*) FILTER (WHERE kind = 'committed'), coalesce(sum(size_bytes), 0) FROM snapshots";
static const char has_id[] = "SELECT 1 FROM snapshots WHERE id = ?1";

const char *wcow_kind_name(enum wcow_kind kind)
{
    switch (kind) {
    case WCOW_KIND_VIEW:
        return "view";
    case WCOW_KIND_ACTIVE:
        return "active";
    case WCOW_KIND_COMMITTED:
        return "committed";
    }
    return "unknown";
}

const char *wcow_mount_type_name(enum wcow_mount_type type)
{
    return type == WCOW_MOUNT_OVERLAY ? "overlay" : "windows-layer";
}

const char *wcow_key_name(const char *key, size_t *ret_ns_len)
{
    *ret_ns_len = 0;
    const char *slash = strchr(key, '/');
    if (!slash || slash == key)
        return key;
    const char *number = slash + 1;
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || number[digits] != '/')
        return key;
    *ret_ns_len = (size_t)(slash - key);
    return number + digits + 1;
}

/* free(3) takes no const. */
static char *writable(const char *s)
{
    char *p = NULL;
    memcpy(&p, &s, sizeof(p));
    return p;
}

static void free_labels(struct wcow_row *row)
{
    for (size_t i = 0; i < row->n_labels; i++) {
        free(writable(row->labels[i].key));
        free(writable(row->labels[i].value));
    }
    free(row->labels);
}

void wcow_row_done(struct wcow_row *row)
{
    free_labels(row);
    free(row->key);
    free(row->parent);
    free(row->ancestors);
    *row = (struct wcow_row){0};
}

static enum wcow_kind kind_of(const char *text)
{
    if (strcmp(text, "committed") == 0)
        return WCOW_KIND_COMMITTED;
    return strcmp(text, "view") == 0 ? WCOW_KIND_VIEW : WCOW_KIND_ACTIVE;
}

/* "12,7,3" into row->ancestors. */
static int parse_ancestors(const char *text, struct wcow_row *row, struct wcow_error *err)
{
    if (!*text)
        return WCOW_OK;
    size_t n = 1;
    for (const char *c = text; *c; c++)
        n += *c == ',';
    row->ancestors = calloc(n, sizeof(*row->ancestors));
    if (!row->ancestors)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a chain of %zu", n);
    for (const char *c = text;;) {
        char *end = NULL;
        errno = 0;
        long long id = strtoll(c, &end, 10);
        if (errno || end == c || id <= 0 || (*end && *end != ','))
            return WCOW_FAIL(err, WCOW_E_CORRUPT,
                             "metadata.db: snapshot %lld has bad ancestors \"%.80s\"",
                             (long long)row->id, text);
        row->ancestors[row->n_ancestors++] = id;
        if (!*end)
            return WCOW_OK;
        c = end + 1;
    }
}

static char *column_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? strdup((const char *)text) : NULL;
}

static int row_of(sqlite3_stmt *stmt, struct wcow_row *ret, struct wcow_error *err)
{
    wcow_autorow row = {.id = sqlite3_column_int64(stmt, 0),
                        .key = column_text(stmt, 1),
                        .parent = column_text(stmt, 2),
                        .created_ns = sqlite3_column_int64(stmt, 5),
                        .updated_ns = sqlite3_column_int64(stmt, 6),
                        .size_bytes = (uint64_t)sqlite3_column_int64(stmt, 7),
                        .inodes = (uint64_t)sqlite3_column_int64(stmt, 8)};
    const char *kind = (const char *)sqlite3_column_text(stmt, 3);
    const char *mount_type = (const char *)sqlite3_column_text(stmt, 4);
    const char *ancestors = (const char *)sqlite3_column_text(stmt, 9);
    if (!row.key || !row.parent || !kind || !mount_type || !ancestors)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a snapshot's row");
    row.kind = kind_of(kind);
    row.mount_type =
        strcmp(mount_type, "overlay") == 0 ? WCOW_MOUNT_OVERLAY : WCOW_MOUNT_WINDOWS_LAYER;
    int r = parse_ancestors(ancestors, &row, err);
    if (r < 0)
        return r;
    *ret = row;
    row = (struct wcow_row){0};
    return WCOW_OK;
}

static int add_label(struct wcow_row *row, size_t *cap, sqlite3_stmt *stmt, struct wcow_error *err)
{
    if (row->n_labels == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        struct wcow_store_label *items = reallocarray(row->labels, more, sizeof(*items));
        if (!items)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for labels");
        row->labels = items;
        *cap = more;
    }
    struct wcow_store_label label = {.key = column_text(stmt, 0), .value = column_text(stmt, 1)};
    row->labels[row->n_labels++] = label;
    if (!label.key || !label.value)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a label");
    return WCOW_OK;
}

int wcow_labels_read(struct wcow_db *db, struct wcow_row *row, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, labels_of, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, row->id);
    size_t cap = 0;
    while ((r = wcow_db_step(db, stmt, err)) > 0) {
        r = add_label(row, &cap, stmt, err);
        if (r < 0)
            return r;
    }
    return r;
}

/* The one row of a bound statement: 1, or 0 without one. */
static int one_row(struct wcow_db *db, sqlite3_stmt *stmt, struct wcow_row *ret,
                   struct wcow_error *err)
{
    int r = wcow_db_step(db, stmt, err);
    if (r <= 0)
        return r;
    r = row_of(stmt, ret, err);
    return r < 0 ? r : 1;
}

int wcow_snapshots_find(struct wcow_db *db, const char *key, bool with_labels, struct wcow_row *ret,
                        struct wcow_error *err)
{
    wcow_autorow row = {0};
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, by_key, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    r = one_row(db, stmt, &row, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "snapshot \"%.300s\" does not exist", key);
    if (r > 0)
        r = with_labels ? wcow_labels_read(db, &row, err) : WCOW_OK;
    if (r < 0)
        return r;
    *ret = row;
    row = (struct wcow_row){0};
    return WCOW_OK;
}

int wcow_snapshots_by_id(struct wcow_db *db, int64_t id, struct wcow_row *ret,
                         struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, by_id, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, id);
    r = one_row(db, stmt, ret, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "no snapshot has id %lld", (long long)id);
    return r < 0 ? r : WCOW_OK;
}

int wcow_snapshots_by_name(struct wcow_db *db, const char *ns, const char *name,
                           struct wcow_row *ret, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, by_name, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, ns, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
    r = one_row(db, stmt, ret, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "namespace \"%.100s\" has no snapshot \"%.200s\"",
                         ns, name);
    return r < 0 ? r : WCOW_OK;
}

int wcow_snapshots_each(struct wcow_db *db, wcow_snapshots_fn fn, void *arg, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, every, &stmt, err);
    if (r < 0)
        return r;
    for (;;) {
        wcow_autorow row = {0};
        r = one_row(db, stmt, &row, err);
        if (r <= 0)
            return r;
        r = wcow_labels_read(db, &row, err);
        if (r == WCOW_OK)
            r = fn(arg, &row, err);
        if (r < 0)
            return r;
    }
}

int wcow_snapshots_ids(struct wcow_db *db, size_t max, int64_t **ret, size_t *ret_n,
                       struct wcow_error *err)
{
    wcow_autofree int64_t *ids = NULL;
    size_t n = 0;
    size_t cap = 0;
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, max ? newest_ids : all_ids, &stmt, err);
    if (r < 0)
        return r;
    if (max)
        (void)sqlite3_bind_int64(stmt, 1, (int64_t)max);
    while ((r = wcow_db_step(db, stmt, err)) > 0) {
        if (n == cap) {
            cap = cap ? cap * 2 : 256;
            int64_t *more = reallocarray(ids, cap, sizeof(*ids));
            if (!more)
                return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu ids", cap);
            ids = more;
        }
        ids[n++] = sqlite3_column_int64(stmt, 0);
    }
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(ids);
    *ret_n = n;
    return WCOW_OK;
}

int wcow_snapshots_last_id(struct wcow_db *db, int64_t *ret, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, last_id, &stmt, err);
    if (r == WCOW_OK)
        r = wcow_db_step(db, stmt, err);
    if (r > 0)
        *ret = sqlite3_column_int64(stmt, 0);
    return r < 0 ? r : WCOW_OK;
}

int wcow_snapshots_has_id(struct wcow_db *db, int64_t id, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, has_id, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(stmt, 1, id);
    return wcow_db_step(db, stmt, err);
}

int wcow_snapshots_total(struct wcow_db *db, struct wcow_snapshots_totals *ret,
                         struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, totals, &stmt, err);
    if (r == WCOW_OK)
        r = wcow_db_step(db, stmt, err);
    if (r <= 0)
        return r;
    *ret = (struct wcow_snapshots_totals){
        .n_active = (uint64_t)sqlite3_column_int64(stmt, 0),
        .n_views = (uint64_t)sqlite3_column_int64(stmt, 1),
        .n_committed = (uint64_t)sqlite3_column_int64(stmt, 2),
        .committed_bytes = (uint64_t)sqlite3_column_int64(stmt, 3),
    };
    return WCOW_OK;
}
