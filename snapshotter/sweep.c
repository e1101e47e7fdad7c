/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery at start. What a power cut can have taken is the folder of a snapshot made in the last
 * moments: that is looked for before the first call. The rest, which reads the whole folder of
 * folders, goes on in the background beside calls; a small one is through before the first. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cond.h"
#include "base/log.h"
#include "snapshotter/folders.h"
#include "snapshotter/internal.h"

enum {
    NEWEST = 1000,    /* ids that are looked at first */
    WAIT_MS = 30,     /* for the rest, where that is not much */
    REAPER_MS = 20,   /* for small leftovers to be deleted */
    IDS_AT_ONCE = 100 /* looked up in one write, when in doubt */
};

struct sweep {
    struct wcow_snapshotter *s;
    int64_t *ids; /* of rows, ascending */
    bool *has_folder;
    size_t n;
    int64_t last_id;               /* that was ever given */
    int64_t doubtful[IDS_AT_ONCE]; /* folders without a row, or rows without a folder */
    size_t n_doubtful;
    size_t n_orphans;
    size_t n_removals;
    size_t n_missing;
};

static int read_newest_ids(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct sweep *sweep = arg;
    int r = wcow_snapshots_last_id(db, &sweep->last_id, err);
    return r < 0 ? r : wcow_snapshots_ids(db, NEWEST, &sweep->ids, &sweep->n, err);
}

static int read_all_ids(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct sweep *sweep = arg;
    free(sweep->ids);
    sweep->ids = NULL;
    sweep->n = 0;
    int r = wcow_snapshots_ids(db, 0, &sweep->ids, &sweep->n, err);
    if (r < 0)
        return r;
    sweep->has_folder = calloc(sweep->n + 1, sizeof(*sweep->has_folder));
    if (!sweep->has_folder)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu snapshots", sweep->n);
    return WCOW_OK;
}

static bool find_id(const struct sweep *sweep, int64_t id, size_t *ret)
{
    size_t low = 0;
    size_t high = sweep->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sweep->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return low < sweep->n && sweep->ids[low] == id;
}

/* ---- with the turn to write, so that no snapshot is made or removed meanwhile ---- */

/* An active snapshot was promised nothing, an empty one loses nothing: both get a new folder. */
static int restore(struct sweep *sweep, const struct wcow_row *row, struct wcow_error *err)
{
    sweep->n_missing++;
    if (row->kind != WCOW_KIND_COMMITTED || row->size_bytes == 0)
        return wcow_folder_make(sweep->s->folders_fd, NULL, row, err);
    wcow_log(WCOW_LOG_ERROR,
             "a committed snapshot's folder is missing: remove its image and pull it again",
             WCOW_STR("key", row->key), WCOW_INT("id", row->id));
    return WCOW_OK;
}

/* A row and its folder, brought together. */
static int settle(struct wcow_db *db, struct sweep *sweep, int64_t id, struct wcow_error *err)
{
    wcow_autorow row = {0};
    struct wcow_error ignored = {0};
    bool there = wcow_folder_exists(sweep->s->folders_fd, id);
    int r = wcow_snapshots_by_id(db, id, &row, &ignored);
    if (r == WCOW_OK)
        return there ? WCOW_OK : restore(sweep, &row, err);
    if (r != WCOW_E_NOT_FOUND) {
        if (err)
            *err = ignored;
        return r;
    }
    if (there) {
        sweep->n_orphans++;
        wcow_reaper_take(sweep->s->reaper, id);
    }
    return WCOW_OK;
}

static int settle_doubtful(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct sweep *sweep = arg;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sweep->n_doubtful; i++)
        r = settle(db, sweep, sweep->doubtful[i], err);
    return r;
}

static int flush(struct sweep *sweep, struct wcow_error *err)
{
    int r = sweep->n_doubtful ? wcow_store_write(sweep->s->store, settle_doubtful, sweep, err)
                              : WCOW_OK;
    sweep->n_doubtful = 0;
    return r;
}

static int doubt(struct sweep *sweep, int64_t id, struct wcow_error *err)
{
    sweep->doubtful[sweep->n_doubtful++] = id;
    return sweep->n_doubtful == IDS_AT_ONCE ? flush(sweep, err) : WCOW_OK;
}

/* ---- the newest ---- */

static int check_newest(struct sweep *sweep, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sweep->n; i++)
        if (!wcow_folder_exists(sweep->s->folders_fd, sweep->ids[i]))
            r = doubt(sweep, sweep->ids[i], err);
    return r < 0 ? r : flush(sweep, err);
}

/* ---- all of them ---- */

typedef int (*visit_fn)(struct sweep *sweep, const char *name, struct wcow_error *err);

/* The id whose folder is called so, or 0. */
static int64_t id_of(const char *name)
{
    char *end = NULL;
    errno = 0;
    long long id = name[0] >= '1' && name[0] <= '9' ? strtoll(name, &end, 10) : 0;
    return id == 0 || errno || *end ? 0 : id;
}

static int visit(struct sweep *sweep, const char *name, struct wcow_error *err)
{
    if (strncmp(name, "rm-", 3) == 0) {
        sweep->n_removals++;
        wcow_reaper_add(sweep->s->reaper, name);
        return WCOW_OK;
    }
    int64_t id = id_of(name);
    if (id == 0)
        return WCOW_OK; /* none of ours: left alone */
    size_t at = 0;
    if (!find_id(sweep, id, &at))
        return doubt(sweep, id, err);
    sweep->has_folder[at] = true;
    return WCOW_OK;
}

/* A folder of a database that has never had a snapshot: what a crash leaves is empty. */
static int refuse_content(struct sweep *sweep, const char *name, struct wcow_error *err)
{
    int64_t id = id_of(name);
    if (id == 0 || wcow_folder_is_bare(sweep->s->folders_fd, id))
        return WCOW_OK;
    return WCOW_FAIL(
        err, WCOW_E_PRECONDITION,
        "metadata.db is new, but %.150s/%s holds something, which would be deleted: was "
        "the database lost? Put it back from a backup (without the metadata.db-wal and "
        "metadata.db-shm of now) or, to begin anew, move %.150s away",
        sweep->s->folders, name, sweep->s->folders);
}

static void closedir_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static int read_folders(struct sweep *sweep, visit_fn fn, struct wcow_error *err)
{
    int fd = openat(sweep->s->folders_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    WCOW_CLEANUP(closedir_p) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int saved = errno;
        if (fd >= 0)
            (void)close(fd);
        errno = saved;
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot read %s", sweep->s->folders);
    }
    while (!atomic_load(&sweep->s->sweeper.stopping)) {
        errno = 0;
        const struct dirent *entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe): one thread */
        if (!entry && errno)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot read %s", sweep->s->folders);
        int r = entry ? fn(sweep, entry->d_name, err) : WCOW_OK;
        if (!entry || r < 0)
            return r;
    }
    return WCOW_FAIL(err, WCOW_E_CANCELLED, "stopped");
}

static int check_all(struct sweep *sweep, struct wcow_error *err)
{
    int r = wcow_store_read(sweep->s->store, read_all_ids, sweep, err);
    if (r == WCOW_OK)
        r = read_folders(sweep, visit, err);
    for (size_t i = 0; r == WCOW_OK && i < sweep->n; i++)
        if (!sweep->has_folder[i])
            r = doubt(sweep, sweep->ids[i], err);
    return r < 0 ? r : flush(sweep, err);
}

static void sweep_free(struct sweep *sweep)
{
    if (!sweep)
        return;
    free(sweep->has_folder);
    free(sweep->ids);
    free(sweep);
}
WCOW_DEFINE_CLEANUP(struct sweep, sweep_free)

static void *sweep_all(void *arg)
{
    WCOW_CLEANUP(sweep_free_p) struct sweep *sweep = arg;
    struct wcow_sweeper *sweeper = &sweep->s->sweeper;
    struct wcow_error err = {0};
    if (check_all(sweep, &err) < 0 && err.code != WCOW_E_CANCELLED)
        wcow_log(WCOW_LOG_ERROR, "what the last run left is not swept: start wcowd again",
                 WCOW_STR("error", err.msg));
    if (sweep->n_orphans + sweep->n_removals + sweep->n_missing > 0)
        wcow_log(WCOW_LOG_INFO, "swept what the last run left",
                 WCOW_INT("orphans", sweep->n_orphans), WCOW_INT("removals", sweep->n_removals),
                 WCOW_INT("restored", sweep->n_missing));
    (void)pthread_mutex_lock(&sweeper->mutex);
    sweeper->done = true;
    (void)pthread_cond_broadcast(&sweeper->ended);
    (void)pthread_mutex_unlock(&sweeper->mutex);
    return NULL;
}

/* ---- beginning and end ---- */

static int new_sweep(struct wcow_snapshotter *s, struct sweep **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(sweep_free_p) struct sweep *sweep = calloc(1, sizeof(*sweep));
    if (!sweep)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a sweep");
    sweep->s = s;
    int r = wcow_store_read(s->store, read_newest_ids, sweep, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(sweep);
    return WCOW_OK;
}

bool wcow_sweeper_wait(struct wcow_sweeper *sweeper, uint32_t timeout_ms)
{
    const struct timespec until = wcow_after_ms(timeout_ms);
    int e = 0;
    (void)pthread_mutex_lock(&sweeper->mutex);
    while (!sweeper->done && e == 0)
        e = wcow_cond_wait_until(&sweeper->ended, &sweeper->mutex, &until);
    bool done = sweeper->done;
    (void)pthread_mutex_unlock(&sweeper->mutex);
    return done;
}

void wcow_sweeper_init(struct wcow_sweeper *sweeper)
{
    (void)pthread_cond_init(&sweeper->ended, NULL);
    (void)pthread_mutex_init(&sweeper->mutex, NULL);
}

int wcow_snapshotter_sweep(struct wcow_snapshotter *s, struct wcow_error *err)
{
    WCOW_CLEANUP(sweep_free_p) struct sweep *sweep = NULL;
    int r = new_sweep(s, &sweep, err);
    if (r < 0 || !sweep)
        return r;
    wcow_syncer_expect(&s->syncer, sweep->last_id);
    if (sweep->last_id == 0)
        r = read_folders(sweep, refuse_content, err);
    if (r == WCOW_OK)
        r = check_newest(sweep, err);
    if (r < 0)
        return r;
    bool is_small = sweep->n < NEWEST;
    int e = pthread_create(&s->sweeper.thread, NULL, sweep_all, sweep);
    if (e)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the thread that sweeps: %d", e);
    sweep = NULL; /* the thread's */
    s->sweeper.has_thread = true;
    struct wcow_error ignored = {0};
    if (is_small && wcow_sweeper_wait(&s->sweeper, WAIT_MS))
        (void)!wcow_reaper_wait(s->reaper, REAPER_MS, &ignored);
    return WCOW_OK;
}

void wcow_sweeper_done(struct wcow_sweeper *sweeper)
{
    atomic_store(&sweeper->stopping, true);
    if (sweeper->has_thread)
        (void)pthread_join(sweeper->thread, NULL);
    (void)pthread_cond_destroy(&sweeper->ended);
    (void)pthread_mutex_destroy(&sweeper->mutex);
}
