/* SPDX-License-Identifier: Apache-2.0 */
/* The open root: its lock, the writer's thread with group commit, the pool of readers. */
#include "store/db.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "store/db_internal.h"

enum { IDLE_READERS = 4 };

struct wcow_store {
    char *root;
    char *db_path;
    int lock_fd;
    bool is_readonly;
    struct wcow_db *writer;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct wcow_store_op *first;
    struct wcow_store_op **last;
    bool stopping;
    struct wcow_store_stats stats;
    struct wcow_db *idle; /* readers at rest */
    unsigned n_idle;

    pthread_t thread;
    bool has_thread;
};

/* ---- the writer ---- */

/* Close the op's savepoint; false where that cannot be done. */
static bool end_savepoint(struct wcow_db *db, const struct wcow_store_op *op)
{
    struct wcow_error ignored = {0};
    if (op->code < 0 && wcow_db_exec(db, "ROLLBACK TO op", &ignored) < 0)
        return false;
    return wcow_db_exec(db, "RELEASE op", &ignored) == WCOW_OK;
}

/* One op in its savepoint. False where the whole transaction is lost: on some errors (disk full)
 * sqlite rolls all of it back by itself. */
static bool run_one(struct wcow_db *db, struct wcow_store_op *op)
{
    op->code = wcow_db_exec(db, "SAVEPOINT op", &op->err);
    if (op->code < 0)
        return false;
    op->code = op->run(db, op->arg, &op->err);
    if (sqlite3_get_autocommit(db->handle) == 0 && end_savepoint(db, op))
        return true;
    if (op->code == WCOW_OK) {
        if (op->undo)
            op->undo(op->arg);
        op->code = WCOW_FAIL(&op->err, WCOW_E_IO, "metadata.db: the transaction was rolled back");
    }
    return false;
}

static void roll_back(struct wcow_db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0)
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* The ops before @p end that went well did not come to be: take back what they did outside. */
static void undo_until(struct wcow_store_op *first, const struct wcow_store_op *end,
                       const struct wcow_error *why)
{
    for (struct wcow_store_op *op = first; op != end; op = op->next) {
        if (op->code != WCOW_OK)
            continue;
        if (op->undo)
            op->undo(op->arg);
        op->code = why->code;
        op->err = *why;
    }
}

static void fail_all(struct wcow_store_op *first, const struct wcow_error *why)
{
    for (struct wcow_store_op *op = first; op; op = op->next) {
        op->code = why->code;
        op->err = *why;
    }
}

/* A transaction of all ops from @p first on. */
static void run_batch(struct wcow_db *db, struct wcow_store_op *first)
{
    struct wcow_error why = {0};
    if (wcow_db_exec(db, "BEGIN IMMEDIATE", &why) < 0) {
        fail_all(first, &why);
        return;
    }
    for (struct wcow_store_op *op = first; op; op = op->next) {
        if (run_one(db, op))
            continue;
        roll_back(db);
        why = op->err;
        undo_until(first, op, &why);
        fail_all(op, &why);
        return;
    }
    if (wcow_db_exec(db, "COMMIT", &why) < 0) {
        roll_back(db);
        undo_until(first, NULL, &why);
    }
}

static uint64_t answer_all(struct wcow_store_op *first)
{
    uint64_t n = 0;
    for (struct wcow_store_op *op = first, *next = NULL; op; op = next, n++) {
        next = op->next; /* done may free the op */
        op->done(op->arg, op->code, &op->err);
    }
    return n;
}

static struct wcow_store_op *take_waiting(struct wcow_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    while (!store->first && !store->stopping)
        (void)pthread_cond_wait(&store->wake, &store->mutex);
    struct wcow_store_op *ops = WCOW_TAKE_PTR(store->first);
    store->last = &store->first;
    (void)pthread_mutex_unlock(&store->mutex);
    return ops;
}

static void *write_loop(void *arg)
{
    struct wcow_store *store = arg;
    struct wcow_store_op *ops = NULL;
    while ((ops = take_waiting(store))) {
        run_batch(store->writer, ops);
        uint64_t n = answer_all(ops);
        (void)pthread_mutex_lock(&store->mutex);
        store->stats.transactions++;
        store->stats.operations += n;
        if (n > store->stats.largest_batch)
            store->stats.largest_batch = n;
        (void)pthread_mutex_unlock(&store->mutex);
    }
    return NULL;
}

void wcow_store_submit(struct wcow_store *store, struct wcow_store_op *op)
{
    op->next = NULL;
    if (store->is_readonly) {
        op->code = WCOW_FAIL(&op->err, WCOW_E_DENIED, "the store %s was opened for reading only",
                             store->root);
        op->done(op->arg, op->code, &op->err);
        return;
    }
    (void)pthread_mutex_lock(&store->mutex);
    bool was_empty = !store->first;
    *store->last = op;
    store->last = &op->next;
    (void)pthread_mutex_unlock(&store->mutex);
    if (was_empty)
        (void)pthread_cond_signal(&store->wake);
}

struct waiting {
    wcow_store_fn run;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool answered;
    int code;
    struct wcow_error *err;
};

static int run_waiting(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct waiting *w = arg;
    return w->run(db, w->arg, err);
}

static void answer_waiting(void *arg, int code, const struct wcow_error *err)
{
    struct waiting *w = arg;
    (void)pthread_mutex_lock(&w->mutex);
    w->code = code;
    if (code < 0 && w->err)
        *w->err = *err;
    w->answered = true;
    (void)pthread_cond_signal(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
}

int wcow_store_write(struct wcow_store *store, wcow_store_fn run, void *arg, struct wcow_error *err)
{
    struct waiting w = {.run = run,
                        .arg = arg,
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER,
                        .err = err};
    struct wcow_store_op op = {.run = run_waiting, .done = answer_waiting, .arg = &w};
    wcow_store_submit(store, &op);
    (void)pthread_mutex_lock(&w.mutex);
    while (!w.answered)
        (void)pthread_cond_wait(&w.cond, &w.mutex);
    (void)pthread_mutex_unlock(&w.mutex);
    (void)pthread_cond_destroy(&w.cond);
    (void)pthread_mutex_destroy(&w.mutex);
    return w.code;
}

/* ---- the readers ---- */

static int take_reader(struct wcow_store *store, struct wcow_db **ret, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&store->mutex);
    struct wcow_db *db = store->idle;
    if (db) {
        store->idle = db->next;
        store->n_idle--;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (!db)
        return wcow_db_open(store->db_path, WCOW_DB_READER, ret, err);
    *ret = db;
    return WCOW_OK;
}

static void give_back(struct wcow_store *store, struct wcow_db *db)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool keep = store->n_idle < IDLE_READERS;
    if (keep) {
        db->next = store->idle;
        store->idle = db;
        store->n_idle++;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (!keep)
        wcow_db_close(db);
}

int wcow_store_read(struct wcow_store *store, wcow_store_fn fn, void *arg, struct wcow_error *err)
{
    struct wcow_db *db = NULL;
    int r = take_reader(store, &db, err);
    if (r < 0)
        return r;
    r = wcow_db_exec(db, "BEGIN", err);
    if (r == WCOW_OK)
        r = fn(db, arg, err);
    struct wcow_error ignored = {0};
    if (sqlite3_get_autocommit(db->handle) == 0 && wcow_db_exec(db, "COMMIT", &ignored) < 0)
        wcow_db_close(db);
    else
        give_back(store, db);
    return r;
}

struct wcow_store_stats wcow_store_stats(struct wcow_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    struct wcow_store_stats stats = store->stats;
    (void)pthread_mutex_unlock(&store->mutex);
    return stats;
}

/* ---- opening and closing ---- */

static int make_root(const char *root, struct wcow_error *err)
{
    wcow_autofree char *path = strdup(root);
    if (!path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    for (char *slash = path + 1; *path && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0711);
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot create the root folder %s",
                               root);
    return WCOW_OK;
}

static int take_lock(struct wcow_store *store, struct wcow_error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/lock", store->root) >= (int)sizeof(path))
        return WCOW_FAIL(err, WCOW_E_INVALID, "the root's path is too long: %.200s", store->root);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock_fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "cannot open %s (is the root folder writable?)", path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return WCOW_OK;
    if (errno == EWOULDBLOCK)
        return WCOW_FAIL(err, WCOW_E_EXISTS,
                         "another wcowd uses the root folder %s: stop it, or give this one another "
                         "--root",
                         store->root);
    return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot lock %s", path);
}

static int new_store(const char *root, struct wcow_store **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = calloc(1, sizeof(*store));
    if (!store)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the store");
    store->lock_fd = -1;
    store->last = &store->first;
    (void)pthread_mutex_init(&store->mutex, NULL);
    (void)pthread_cond_init(&store->wake, NULL);
    store->root = realpath(root, NULL);
    if (!store->root)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot use the root folder %s",
                               root);
    if (asprintf(&store->db_path, "%s/metadata.db", store->root) < 0) {
        store->db_path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    *ret = WCOW_TAKE_PTR(store);
    return WCOW_OK;
}

int wcow_store_open(const char *root, struct wcow_store **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    int r = make_root(root, err);
    if (r == WCOW_OK)
        r = new_store(root, &store, err);
    if (r == WCOW_OK)
        r = take_lock(store, err);
    if (r == WCOW_OK)
        r = wcow_db_open(store->db_path, WCOW_DB_WRITER, &store->writer, err);
    if (r == WCOW_OK)
        r = wcow_db_migrate(store->writer, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "open the store in %s", root);
    (void)chmod(store->db_path, 0600);
    int e = pthread_create(&store->thread, NULL, write_loop, store);
    if (e)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the store's thread: %d", e);
    store->has_thread = true;
    *ret = WCOW_TAKE_PTR(store);
    return WCOW_OK;
}

static int check_reader(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    (void)arg;
    return wcow_db_check_schema(db, err);
}

int wcow_store_open_readonly(const char *root, struct wcow_store **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    int r = new_store(root, &store, err);
    if (r < 0)
        return r;
    store->is_readonly = true;
    if (access(store->db_path, F_OK) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "%s: no store of wcowd here; name its root folder with --root",
                               store->db_path);
    r = wcow_store_read(store, check_reader, NULL, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "open the store in %s", root);
    *ret = WCOW_TAKE_PTR(store);
    return WCOW_OK;
}

const char *wcow_store_root(const struct wcow_store *store)
{
    return store->root;
}

void wcow_store_close(struct wcow_store *store)
{
    if (!store)
        return;
    if (store->has_thread) {
        (void)pthread_mutex_lock(&store->mutex);
        store->stopping = true;
        (void)pthread_cond_signal(&store->wake);
        (void)pthread_mutex_unlock(&store->mutex);
        (void)pthread_join(store->thread, NULL);
    }
    while (store->idle) {
        struct wcow_db *db = store->idle;
        store->idle = db->next;
        wcow_db_close(db);
    }
    wcow_db_close(store->writer);
    wcow_closep_(&store->lock_fd);
    (void)pthread_cond_destroy(&store->wake);
    (void)pthread_mutex_destroy(&store->mutex);
    free(store->db_path);
    free(store->root);
    free(store);
}
