/* SPDX-License-Identifier: Apache-2.0 */
/* The open root: its lock, its writer, its readers. */
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
#include "store/readers.h"
#include "store/writer.h"

struct wcow_store {
    char *root;
    char *db_path;
    int lock_fd;
    bool is_readonly;
    struct wcow_writer *writer;
    struct wcow_readers readers;
};

/* ---- writing ---- */

void wcow_store_submit(struct wcow_store *store, struct wcow_store_op *op)
{
    if (store->is_readonly) {
        op->code = WCOW_FAIL(&op->err, WCOW_E_DENIED, "the store %s was opened for reading only",
                             store->root);
        void (*after)(void *arg) = op->after;
        void *arg = op->arg;
        op->done(arg, op->code, &op->err);
        if (after)
            after(arg);
        return;
    }
    wcow_writer_submit(store->writer, op);
}

void wcow_store_begin_round(struct wcow_store *store, bool several)
{
    if (several)
        wcow_readers_share(&store->readers);
    if (store->writer)
        wcow_writer_begin_round(store->writer);
}

void wcow_store_end_round(struct wcow_store *store, bool alone)
{
    wcow_readers_unshare(&store->readers);
    if (store->writer)
        wcow_writer_end_round(store->writer, alone);
}

void wcow_store_wake_rounds(struct wcow_store *store, void (*wake)(void *arg), void *arg)
{
    if (store->writer)
        wcow_writer_wake_rounds(store->writer, wake, arg);
}

void wcow_store_answer_round(struct wcow_store *store)
{
    if (store->writer)
        wcow_writer_answer_round(store->writer);
}

void wcow_store_after_round(struct wcow_store *store)
{
    if (store->writer)
        wcow_writer_after_round(store->writer);
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

/* ---- reading ---- */

/* On the connection that writes. */
static int read_borrowed(struct wcow_store *store, struct wcow_db *db, wcow_store_fn fn, void *arg,
                         struct wcow_error *err)
{
    wcow_db_wait_when_busy(db, true);
    int r = wcow_read_on(db, fn, arg, err);
    wcow_writer_give_back(store->writer);
    return r;
}

int wcow_store_read(struct wcow_store *store, wcow_store_fn fn, void *arg, struct wcow_error *err)
{
    bool may_borrow = store->writer && !wcow_readers_shares(&store->readers);
    struct wcow_db *db = may_borrow ? wcow_writer_borrow(store->writer) : NULL;
    return db ? read_borrowed(store, db, fn, arg, err)
              : wcow_readers_read(&store->readers, fn, arg, err);
}

void wcow_store_look_anew(struct wcow_store *store)
{
    wcow_readers_renew(&store->readers);
}

struct wcow_store_stats wcow_store_stats(struct wcow_store *store)
{
    return store->writer ? wcow_writer_stats(store->writer) : (struct wcow_store_stats){0};
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
    wcow_readers_init(&store->readers);
    store->root = realpath(root, NULL);
    if (!store->root)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot use the root folder %s",
                               root);
    if (asprintf(&store->db_path, "%s/metadata.db", store->root) < 0) {
        store->db_path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    store->readers.db_path = store->db_path;
    *ret = WCOW_TAKE_PTR(store);
    return WCOW_OK;
}

/* They hold what callers said, and the root may be open to others; sqlite gives its log the
 * database's mode. Before this process has a connection: closing a file gives up the locks that its
 * connections have there. What is wrong sqlite finds out, and says. */
static void keep_private(const struct wcow_store *store)
{
    char log[PATH_MAX];
    wcow_autoclose int fd = open(store->db_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)fchmod(fd, 0600);
    if (snprintf(log, sizeof(log), "%s-wal", store->db_path) < (int)sizeof(log))
        (void)chmod(log, 0600);
}

int wcow_store_open(const char *root, struct wcow_store **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    int r = make_root(root, err);
    if (r == WCOW_OK)
        r = new_store(root, &store, err);
    if (r == WCOW_OK)
        r = take_lock(store, err);
    WCOW_CLEANUP(wcow_db_close_p) struct wcow_db *db = NULL;
    if (r == WCOW_OK) {
        keep_private(store);
        r = wcow_db_open(store->db_path, WCOW_DB_WRITER, &db, err);
    }
    if (r == WCOW_OK)
        r = wcow_db_migrate(db, err);
    if (r == WCOW_OK)
        r = wcow_writer_new(&db, store->db_path, &store->writer, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "open the store in %s", root);
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
    wcow_writer_stop(store->writer);
    wcow_readers_done(&store->readers);
    wcow_writer_free(store->writer); /* the last connection, which empties the log */
    wcow_closep_(&store->lock_fd);
    free(store->db_path);
    free(store->root);
    free(store);
}
