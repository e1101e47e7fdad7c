/* SPDX-License-Identifier: Apache-2.0 */
/* Prepare, View, Commit, Remove and Update: each a write in the store, with the folder's part of it
 * done so that a crash at any point leaves either all of it or a leftover that the next start
 * sweeps. */
#include <string.h>

#include "base/log.h"
#include "snapshotter/folders.h"
#include "snapshotter/internal.h"
#include "snapshotter/labels.h"

/* As containerd does, says what is wrong with the snapshots that a request names, if anything,
 * before what is wrong with the request itself. @return @p code, or what @p look gives */
static int refuse(struct wcow_snapshotter *s, wcow_store_fn look, void *request, int code,
                  struct wcow_error *err)
{
    struct wcow_error first = {0};
    int r = wcow_store_read(s->store, look, request, &first);
    if (r == WCOW_OK)
        return code;
    *err = first;
    return r;
}

/* ---- Prepare and View ---- */

struct create {
    struct wcow_store_op op;
    struct wcow_snapshotter *s;
    struct wcow_snapshots_new snap;
    bool vm_scratch;
    struct wcow_row row;
    wcow_mount_done done;
    void *arg;
};

/* The folder is made inside the transaction: before it commits there is no row, so a crash leaves a
 * folder that the sweep takes away. */
static int make_folder(struct create *c, struct wcow_error *err)
{
    const struct wcow_row *row = &c->row;
    int folders_fd = c->s->folders_fd;
    if (row->n_ancestors > 0 && !wcow_folder_exists(folders_fd, row->ancestors[0]))
        return wcow_snapshotter_say_missing(c->s, row->parent, row->ancestors[0],
                                            WCOW_KIND_COMMITTED, err);
    int r = wcow_folder_make(folders_fd, c->s->chores, row, err);
    if (r == WCOW_OK && c->vm_scratch) {
        r = wcow_folder_vm_scratch(folders_fd, row->ancestors[row->n_ancestors - 1], row->id, err);
        if (r < 0)
            wcow_reaper_take(c->s->reaper, row->id);
    }
    return r;
}

static int run_create(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct create *c = arg;
    wcow_row_done(&c->row);
    int r = wcow_snapshots_create(db, &c->snap, &c->row, err);
    if (r < 0)
        return r;
    wcow_syncer_expect(&c->s->syncer, c->row.id);
    return make_folder(c, err);
}

static void undo_create(void *arg)
{
    const struct create *c = arg;
    wcow_reaper_take(c->s->reaper, c->row.id);
}

static void end_create(void *arg, int code, const struct wcow_error *why)
{
    struct create *c = arg;
    wcow_automount mount = {0};
    struct wcow_error err = {0};
    if (code < 0)
        err = *why;
    else
        code = wcow_layer_mount_of(c->s->folders, &c->row, c->s->index_off, &mount, &err);
    c->done(c->arg, code, &err, &mount);
    wcow_row_done(&c->row);
    free(c);
}

static int check_create(struct wcow_snapshotter *s, const struct wcow_create_request *request,
                        struct wcow_label_wishes *ret, struct wcow_error *err)
{
    struct wcow_label_wishes wishes = {.mount_type = s->mount_type};
    bool has_scratch = *request->parent && !wcow_key_is_extract(request->key);
    int r = wcow_key_check(request->key, "key", err);
    if (r == WCOW_OK && *request->parent)
        r = wcow_key_check(request->parent, "parent", err);
    if (r == WCOW_OK)
        r = wcow_labels_check(&request->labels, err);
    if (r == WCOW_OK)
        r = wcow_labels_wishes(&request->labels, s->mount_type, has_scratch, &wishes, err);
    if (r < 0)
        return r;
    if (wishes.uses_deprecated)
        wcow_log(WCOW_LOG_WARN, "a deprecated label was used",
                 WCOW_STR("label", WCOW_LABEL_SCRATCH_GB),
                 WCOW_STR("instead", WCOW_LABEL_SCRATCH_SIZE), WCOW_STR("key", request->key));
    *ret = wishes;
    return WCOW_OK;
}

static int look_before_create(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const struct wcow_create_request *request = arg;
    return wcow_snapshots_check_create(db, request->key, request->parent, err);
}

static void create(struct wcow_snapshotter *s, const struct wcow_create_request *request,
                   enum wcow_kind kind, wcow_mount_done done, void *arg)
{
    struct wcow_error err = {0};
    struct wcow_label_wishes wishes = {0};
    int r = check_create(s, request, &wishes, &err);
    struct create *c = r < 0 ? NULL : calloc(1, sizeof(*c));
    if (!c) {
        struct wcow_create_request named = *request;
        r = r < 0 ? refuse(s, look_before_create, &named, r, &err)
                  : WCOW_FAIL(&err, WCOW_E_NOMEM, "out of memory for a snapshot");
        done(arg, r, &err, NULL);
        return;
    }
    c->s = s;
    c->snap = (struct wcow_snapshots_new){.key = request->key,
                                          .parent = request->parent,
                                          .kind = kind,
                                          .mount_type = wishes.mount_type,
                                          .labels = request->labels};
    c->vm_scratch = wishes.vm_scratch;
    c->done = done;
    c->arg = arg;
    c->op = (struct wcow_store_op){
        .run = run_create, .undo = undo_create, .done = end_create, .arg = c};
    wcow_store_submit(s->store, &c->op);
}

void wcow_snapshotter_prepare(struct wcow_snapshotter *s, const struct wcow_create_request *request,
                              wcow_mount_done done, void *arg)
{
    create(s, request, WCOW_KIND_ACTIVE, done, arg);
}

void wcow_snapshotter_view(struct wcow_snapshotter *s, const struct wcow_create_request *request,
                           wcow_mount_done done, void *arg)
{
    create(s, request, WCOW_KIND_VIEW, done, arg);
}

/* ---- Commit ---- */

struct commit {
    struct wcow_store_op op;
    struct wcow_snapshots_commit commit;
    wcow_change_done done;
    void *arg;
};

static int run_commit(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const struct commit *c = arg;
    return wcow_snapshots_commit(db, &c->commit, err);
}

static void end_commit(void *arg, int code, const struct wcow_error *err)
{
    struct commit *c = arg;
    c->done(c->arg, code, err);
    free(c);
}

static int check_commit(const struct wcow_commit_request *request, struct wcow_error *err)
{
    int r = wcow_key_check(request->name, "name", err);
    if (r == WCOW_OK && *request->parent)
        r = wcow_key_check(request->parent, "parent", err);
    return r < 0 ? r : wcow_labels_check(&request->labels, err);
}

struct before {
    const struct wcow_commit_request *request;
    struct wcow_row row; /* of the key */
};

static int look_before(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct before *b = arg;
    return wcow_snapshots_check_commit(db, b->request->key, b->request->name, &b->row, err);
}

struct measuring {
    struct wcow_snapshotter *s;
    const struct wcow_row *row;
    struct wcow_snapshots_commit *commit;
    int code;
    struct wcow_error error;
};

static void *measure_folder(void *arg)
{
    struct measuring *m = arg;
    struct wcow_snapshots_commit *c = m->commit;
    m->code =
        wcow_folder_measure(m->s->folders_fd, m->row->id, &c->size_bytes, &c->inodes, &m->error);
    if (m->code == WCOW_E_NOT_FOUND)
        m->code = wcow_snapshotter_fail_missing(m->s, m->row, &m->error);
    return NULL;
}

/* What takes time: the size, and everything in the folder on disk before the row says that it is
 * committed. The one needs a processor, the other the disk: both at once. @return 1, or 0 where
 * that would block */
static int measure(struct wcow_snapshotter *s, const struct wcow_row *row, bool may_block,
                   struct wcow_snapshots_commit *commit, struct wcow_error *err)
{
    if (wcow_folder_is_bare(s->folders_fd, row->id))
        return 1;
    if (!may_block)
        return 0;
    struct measuring m = {.s = s, .row = row, .commit = commit};
    pthread_t thread;
    bool beside = pthread_create(&thread, NULL, measure_folder, &m) == 0;
    if (!beside)
        (void)measure_folder(&m);
    int r = wcow_syncer_sync(&s->syncer, row->id, err);
    if (beside)
        (void)pthread_join(thread, NULL);
    if (m.code < 0 && err)
        *err = m.error;
    r = m.code < 0 ? m.code : r;
    return r < 0 ? r : 1;
}

/* @return 1, or 0 where it would block */
static int make_commit(struct wcow_snapshotter *s, const struct wcow_commit_request *request,
                       bool may_block, struct wcow_snapshots_commit *ret, struct wcow_error *err)
{
    struct before before = {.request = request};
    int r = wcow_store_read(s->store, look_before, &before, err);
    if (r < 0)
        return r;
    *ret = (struct wcow_snapshots_commit){.key = request->key,
                                          .name = request->name,
                                          .parent = request->parent,
                                          .id = before.row.id,
                                          .labels = request->labels};
    r = check_commit(request, err);
    if (r == WCOW_OK)
        r = measure(s, &before.row, may_block, ret, err);
    wcow_row_done(&before.row);
    return r;
}

bool wcow_snapshotter_commit(struct wcow_snapshotter *s, const struct wcow_commit_request *request,
                             bool may_block, wcow_change_done done, void *arg)
{
    struct wcow_error err = {0};
    struct wcow_snapshots_commit commit = {0};
    int r = make_commit(s, request, may_block, &commit, &err);
    if (r == 0)
        return false;
    struct commit *c = r < 0 ? NULL : calloc(1, sizeof(*c));
    if (!c) {
        if (r > 0)
            r = WCOW_FAIL(&err, WCOW_E_NOMEM, "out of memory for a commit");
        done(arg, r, &err);
        return true;
    }
    c->commit = commit;
    c->done = done;
    c->arg = arg;
    c->op = (struct wcow_store_op){.run = run_commit, .done = end_commit, .arg = c};
    wcow_store_submit(s->store, &c->op);
    return true;
}

/* ---- Remove ---- */

struct removal {
    struct wcow_chore chore; /* first: the removal is found by it */
    struct wcow_store_op op;
    struct wcow_snapshotter *s;
    const char *key;
    int64_t id;
    bool removed; /* for good */
    wcow_change_done done;
    void *arg;
};

static int run_remove(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct removal *m = arg;
    return wcow_snapshots_remove(db, m->key, &m->id, err);
}

static void end_remove(void *arg, int code, const struct wcow_error *err)
{
    struct removal *m = arg;
    m->removed = code == WCOW_OK;
    if (m->removed)
        wcow_reaper_announce(m->s->reaper);
    m->done(m->arg, code, err);
}

static void take_folder(struct wcow_chore *chore)
{
    struct removal *m = (struct removal *)chore;
    wcow_reaper_take_announced(m->s->reaper, m->id);
    free(m);
}

/* The row is gone for good: only now may the folder go. */
static void clean_up_after(void *arg)
{
    struct removal *m = arg;
    if (!m->removed)
        free(m);
    else if (!wcow_chores_add(m->s->chores, &m->chore))
        take_folder(&m->chore);
}

void wcow_snapshotter_remove(struct wcow_snapshotter *s, const char *key, wcow_change_done done,
                             void *arg)
{
    struct removal *m = calloc(1, sizeof(*m));
    if (!m) {
        struct wcow_error err = {0};
        int r = WCOW_FAIL(&err, WCOW_E_NOMEM, "out of memory for a removal");
        done(arg, r, &err);
        return;
    }
    *m = (struct removal){
        .chore = {.run = take_folder}, .s = s, .key = key, .done = done, .arg = arg};
    m->op = (struct wcow_store_op){
        .run = run_remove, .done = end_remove, .after = clean_up_after, .arg = m};
    wcow_store_submit(s->store, &m->op);
}

/* ---- Update ---- */

struct update {
    struct wcow_store_op op;
    struct wcow_snapshots_update update;
    struct wcow_row row;
    wcow_row_done_fn done;
    void *arg;
    const char *label_keys[];
};

static int check_size(const struct wcow_row *row, struct wcow_error *err)
{
    const struct wcow_store_labels labels = {.items = row->labels, .n = row->n_labels};
    return wcow_labels_check(&labels, err);
}

static int run_update(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct update *u = arg;
    wcow_row_done(&u->row);
    int r = wcow_snapshots_update(db, &u->update, &u->row, err);
    /* Many small updates must not add up to more than the limit. */
    return r < 0 ? r : check_size(&u->row, err);
}

static void end_update(void *arg, int code, const struct wcow_error *err)
{
    struct update *u = arg;
    u->done(u->arg, code, err, &u->row);
    wcow_row_done(&u->row);
    free(u);
}

/* "labels" among the paths means all of them; "labels.<key>" that one. */
static int read_paths(const struct wcow_update_request *request, struct update *u,
                      struct wcow_error *err)
{
    bool all = request->n_paths == 0;
    for (size_t i = 0; i < request->n_paths; i++) {
        const char *path = request->paths[i];
        if (strcmp(path, "labels") == 0)
            all = true;
        else if (strncmp(path, "labels.", 7) == 0)
            u->label_keys[u->update.n_label_keys++] = path + 7;
        else
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "cannot update \"%.80s\" of snapshot \"%.200s\": only its labels can "
                             "be changed",
                             path, request->key);
    }
    u->update.label_keys = all ? NULL : u->label_keys;
    return WCOW_OK;
}

static int make_update(const struct wcow_update_request *request, struct update **ret,
                       struct wcow_error *err)
{
    int r = wcow_labels_check(&request->labels, err);
    if (r < 0)
        return r;
    wcow_autofree struct update *u = calloc(1, sizeof(*u) + request->n_paths * sizeof(char *));
    if (!u)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an update");
    u->update.key = request->key;
    u->update.labels = request->labels;
    r = read_paths(request, u, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(u);
    return r;
}

static int look_before_update(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const struct wcow_update_request *request = arg;
    wcow_autorow row = {0};
    return wcow_snapshots_find(db, request->key, false, &row, err);
}

void wcow_snapshotter_update(struct wcow_snapshotter *s, const struct wcow_update_request *request,
                             wcow_row_done_fn done, void *arg)
{
    struct wcow_error err = {0};
    struct update *u = NULL;
    int r = make_update(request, &u, &err);
    if (!u) {
        struct wcow_update_request named = *request;
        done(arg, refuse(s, look_before_update, &named, r, &err), &err, NULL);
        return;
    }
    u->done = done;
    u->arg = arg;
    u->op = (struct wcow_store_op){.run = run_update, .done = end_update, .arg = u};
    wcow_store_submit(s->store, &u->op);
}
