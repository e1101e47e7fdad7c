/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery at start, before the first call. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/log.h"
#include "snapshotter/folders.h"
#include "snapshotter/internal.h"

/* Small leftovers are gone before the first call; a big one must not hold up the start. */
enum { WAIT_FOR_REAPER_MS = 50 };

struct sweep {
    struct wcow_snapshotter *s;
    int64_t *ids; /* of rows, ascending */
    bool *has_folder;
    size_t n;
    size_t n_orphans;
    size_t n_removals;
    size_t n_missing;
};

static int read_ids(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct sweep *sweep = arg;
    return wcow_snapshots_ids(db, &sweep->ids, &sweep->n, err);
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

static void visit(struct sweep *sweep, const char *name)
{
    if (strncmp(name, "rm-", 3) == 0) {
        sweep->n_removals++;
        wcow_reaper_add(sweep->s->reaper, name);
        return;
    }
    char *end = NULL;
    errno = 0;
    long long id = strtoll(name, &end, 10);
    if (errno || end == name || *end || id <= 0 || name[0] == '+')
        return; /* none of ours: left alone */
    size_t at = 0;
    if (find_id(sweep, id, &at)) {
        sweep->has_folder[at] = true;
        return;
    }
    sweep->n_orphans++;
    wcow_reaper_take(sweep->s->reaper, id);
}

static void closedir_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static int read_folders(struct sweep *sweep, struct wcow_error *err)
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
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe): one thread */
        if (!entry && errno)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot read %s", sweep->s->folders);
        if (!entry)
            return WCOW_OK;
        visit(sweep, entry->d_name);
    }
}

struct one {
    int64_t id;
    struct wcow_row row;
};

static int read_one(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct one *one = arg;
    return wcow_snapshots_by_id(db, one->id, &one->row, err);
}

/* An active snapshot was promised nothing, an empty one loses nothing: both get a new folder. */
static int restore(struct sweep *sweep, int64_t id, struct wcow_error *err)
{
    struct one one = {.id = id};
    int r = wcow_store_read(sweep->s->store, read_one, &one, err);
    if (r < 0)
        return r;
    bool is_lost = one.row.kind == WCOW_KIND_COMMITTED && one.row.size_bytes > 0;
    if (is_lost)
        wcow_log(WCOW_LOG_ERROR,
                 "a committed snapshot's folder is missing: remove its image and pull it again",
                 WCOW_STR("key", one.row.key), WCOW_INT("id", id));
    else
        r = wcow_folder_make(sweep->s->folders_fd, &one.row, err);
    wcow_row_done(&one.row);
    return r;
}

static int restore_missing(struct sweep *sweep, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sweep->n; i++) {
        if (sweep->has_folder[i])
            continue;
        sweep->n_missing++;
        r = restore(sweep, sweep->ids[i], err);
    }
    return r;
}

int wcow_snapshotter_sweep(struct wcow_snapshotter *s, struct wcow_error *err)
{
    struct sweep sweep = {.s = s};
    int r = wcow_store_read(s->store, read_ids, &sweep, err);
    if (r < 0)
        return r;
    sweep.has_folder = calloc(sweep.n + 1, sizeof(*sweep.has_folder));
    if (!sweep.has_folder)
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu snapshots", sweep.n);
    if (r == WCOW_OK)
        r = read_folders(&sweep, err);
    if (r == WCOW_OK)
        r = restore_missing(&sweep, err);
    struct wcow_error ignored = {0};
    if (r == WCOW_OK && sweep.n_orphans + sweep.n_removals > 0 &&
        wcow_reaper_wait(s->reaper, WAIT_FOR_REAPER_MS, &ignored) == WCOW_E_DEADLINE)
        wcow_log(WCOW_LOG_INFO, "leftovers are deleted in the background");
    if (sweep.n_orphans + sweep.n_removals + sweep.n_missing > 0)
        wcow_log(WCOW_LOG_INFO, "swept what the last run left",
                 WCOW_INT("orphans", sweep.n_orphans), WCOW_INT("removals", sweep.n_removals),
                 WCOW_INT("restored", sweep.n_missing));
    free(sweep.has_folder);
    free(sweep.ids);
    return r;
}
