/* SPDX-License-Identifier: Apache-2.0 */
/** @file snapshots.h
 *  The table of snapshots and their labels (docs/store.md). The semantics and errors are those of
 *  containerd's core/snapshots/storage; folders are the snapshotter's business.
 *  Functions that change run on the writer's connection, the others on any. */
#ifndef WCOW_STORE_SNAPSHOTS_H
#define WCOW_STORE_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include "store/db.h"

/** Numbered as containerd numbers kinds. */
enum wcow_kind { WCOW_KIND_VIEW = 1, WCOW_KIND_ACTIVE = 2, WCOW_KIND_COMMITTED = 3 };
/** "view", "active", "committed" */
const char *wcow_kind_name(enum wcow_kind kind);

enum wcow_mount_type { WCOW_MOUNT_WINDOWS_LAYER, WCOW_MOUNT_OVERLAY };
/** "windows-layer", "overlay" */
const char *wcow_mount_type_name(enum wcow_mount_type type);

struct wcow_store_label {
    const char *key;
    const char *value;
};
/** Labels given in: everything borrowed. A label with an empty value is not kept. */
struct wcow_store_labels {
    const struct wcow_store_label *items;
    size_t n;
};

/** One snapshot. Strings and arrays belong to the row; wcow_row_done() frees them. */
struct wcow_row {
    int64_t id;
    char *key;    /**< the name, once committed */
    char *parent; /**< "" without one */
    enum wcow_kind kind;
    enum wcow_mount_type mount_type;
    int64_t created_ns; /**< Unix time */
    int64_t updated_ns;
    uint64_t size_bytes; /**< as of Commit, 0 before */
    uint64_t inodes;
    int64_t *ancestors; /**< ids of the parents, nearest first */
    size_t n_ancestors;
    struct wcow_store_label *labels; /**< sorted by key; only where asked for */
    size_t n_labels;
};
void wcow_row_done(struct wcow_row *row);
#define wcow_autorow WCOW_CLEANUP(wcow_row_done) struct wcow_row

/** One snapshot by key. @p with_labels reads its labels too. WCOW_E_NOT_FOUND. */
WCOW_NODISCARD int wcow_snapshots_find(struct wcow_db *db, const char *key, bool with_labels,
                                       struct wcow_row *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshots_by_id(struct wcow_db *db, int64_t id, struct wcow_row *ret,
                                        struct wcow_error *err);
/** The snapshot of namespace @p ns whose key without "<ns>/<n>/" is @p name (a chain ID, a key as
 *  ctr shows it). The latest where several are. WCOW_E_NOT_FOUND. */
WCOW_NODISCARD int wcow_snapshots_by_name(struct wcow_db *db, const char *ns, const char *name,
                                          struct wcow_row *ret, struct wcow_error *err);

struct wcow_snapshots_new {
    const char *key;
    const char *parent; /**< "" or NULL: none */
    enum wcow_kind kind;
    enum wcow_mount_type mount_type;
    struct wcow_store_labels labels;
};
/** Whether it can be created: WCOW_E_NOT_FOUND (parent), WCOW_E_INVALID (parent not committed),
 *  WCOW_E_EXISTS (key). */
WCOW_NODISCARD int wcow_snapshots_check_create(struct wcow_db *db, const char *key,
                                               const char *parent, struct wcow_error *err);
/** The same errors.
 *  @param ret without labels */
WCOW_NODISCARD int wcow_snapshots_create(struct wcow_db *db, const struct wcow_snapshots_new *snap,
                                         struct wcow_row *ret, struct wcow_error *err);

struct wcow_snapshots_commit {
    const char *key;
    const char *name;
    const char *parent; /**< sets the parent of a snapshot that has none; "" or NULL: leave it */
    int64_t id;         /**< the key must still stand for this snapshot */
    uint64_t size_bytes;
    uint64_t inodes;
    struct wcow_store_labels labels; /**< replace those it had */
};
/** Whether @p key can be committed as @p name: WCOW_E_NOT_FOUND (key), WCOW_E_EXISTS (name),
 *  WCOW_E_PRECONDITION (not active).
 *  @param ret of the key, without labels */
WCOW_NODISCARD int wcow_snapshots_check_commit(struct wcow_db *db, const char *key,
                                               const char *name, struct wcow_row *ret,
                                               struct wcow_error *err);
/** The same errors, and WCOW_E_NOT_FOUND (parent), WCOW_E_PRECONDITION (parent not committed),
 *  WCOW_E_INVALID (has another parent already) */
WCOW_NODISCARD int wcow_snapshots_commit(struct wcow_db *db, const struct wcow_snapshots_commit *c,
                                         struct wcow_error *err);

/** WCOW_E_NOT_FOUND, WCOW_E_PRECONDITION (has children; one is named). */
WCOW_NODISCARD int wcow_snapshots_remove(struct wcow_db *db, const char *key, int64_t *ret_id,
                                         struct wcow_error *err);

/** What Update changes. A masked label with no value in `labels` is removed. */
struct wcow_snapshots_update {
    const char *key;
    struct wcow_store_labels labels;
    const char *const *label_keys; /**< only these; NULL: all labels are replaced */
    size_t n_label_keys;
};
WCOW_NODISCARD int wcow_snapshots_update(struct wcow_db *db, const struct wcow_snapshots_update *u,
                                         struct wcow_row *ret, struct wcow_error *err);

/** Each snapshot by id, with labels; the row may be taken (leave a zero one). Return < 0 to stop.
 */
typedef int (*wcow_snapshots_fn)(void *arg, struct wcow_row *row, struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshots_each(struct wcow_db *db, wcow_snapshots_fn fn, void *arg,
                                       struct wcow_error *err);
/** All ids, ascending, or the @p max highest where it is not 0; caller frees. */
WCOW_NODISCARD int wcow_snapshots_ids(struct wcow_db *db, size_t max, int64_t **ret, size_t *ret_n,
                                      struct wcow_error *err);
/** The highest id that was ever given, whether or not that snapshot is still there; 0: none. */
WCOW_NODISCARD int wcow_snapshots_last_id(struct wcow_db *db, int64_t *ret, struct wcow_error *err);
struct wcow_snapshots_totals {
    uint64_t n_active, n_views, n_committed;
    uint64_t committed_bytes;
};
/** Reads the whole table. */
WCOW_NODISCARD int wcow_snapshots_total(struct wcow_db *db, struct wcow_snapshots_totals *ret,
                                        struct wcow_error *err);
/** Whether there is a snapshot of this id: 1 or 0. */
WCOW_NODISCARD int wcow_snapshots_has_id(struct wcow_db *db, int64_t id, struct wcow_error *err);

/** The namespace in a key "<ns>/<n>/<name>" and where its name begins; the whole key is the name
 *  (and *ret_ns_len 0) where it hasn't that form. */
const char *wcow_key_name(const char *key, size_t *ret_ns_len);

#endif
