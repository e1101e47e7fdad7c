/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/reaper.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/beneath.h"
#include "base/log.h"
#include "snapshotter/folders.h"
#include "snapshotter/tree.h"

struct victim {
    struct victim *next;
    char name[];
};

struct wcow_reaper {
    int folders_fd;
    atomic_bool stopping;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* work, or the end */
    pthread_cond_t idle; /* nothing left */
    struct victim *first;
    struct victim **last;
    bool busy;
    size_t n_announced;
    struct victim *failed; /* kept for another try */
    struct wcow_error failure;
    pthread_t thread;
    bool has_thread;
};

static void append(struct wcow_reaper *reaper, struct victim *victim)
{
    victim->next = NULL;
    *reaper->last = victim;
    reaper->last = &victim->next;
}

/* The next victim; NULL once the reaper stops. */
static struct victim *next_victim(struct wcow_reaper *reaper)
{
    reaper->busy = false;
    while (!reaper->first && !atomic_load(&reaper->stopping)) {
        (void)pthread_cond_broadcast(&reaper->idle);
        (void)pthread_cond_wait(&reaper->wake, &reaper->mutex);
    }
    struct victim *victim = atomic_load(&reaper->stopping) ? NULL : reaper->first;
    if (!victim)
        return NULL;
    reaper->first = victim->next;
    if (!reaper->first)
        reaper->last = &reaper->first;
    reaper->busy = true;
    return victim;
}

static void *reap(void *arg)
{
    struct wcow_reaper *reaper = arg;
    (void)pthread_mutex_lock(&reaper->mutex);
    for (struct victim *victim = NULL; (victim = next_victim(reaper));) {
        (void)pthread_mutex_unlock(&reaper->mutex);
        struct wcow_error err = {0};
        int r = wcow_tree_delete(reaper->folders_fd, victim->name, &reaper->stopping, &err);
        if (r < 0 && r != WCOW_E_CANCELLED)
            wcow_log(WCOW_LOG_WARN, "a removed snapshot's folder is not deleted yet",
                     WCOW_STR("folder", victim->name), WCOW_STR("error", err.msg));
        (void)pthread_mutex_lock(&reaper->mutex);
        if (r < 0) {
            victim->next = reaper->failed;
            reaper->failed = victim;
            reaper->failure = err;
        } else {
            free(victim);
        }
    }
    (void)pthread_cond_broadcast(&reaper->idle);
    (void)pthread_mutex_unlock(&reaper->mutex);
    return NULL;
}

int wcow_reaper_new(int folders_fd, struct wcow_reaper **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_reaper_free_p) struct wcow_reaper *reaper = calloc(1, sizeof(*reaper));
    if (!reaper)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the reaper");
    reaper->folders_fd = folders_fd;
    reaper->last = &reaper->first;
    (void)pthread_mutex_init(&reaper->mutex, NULL);
    (void)pthread_cond_init(&reaper->wake, NULL);
    (void)pthread_cond_init(&reaper->idle, NULL);
    int e = pthread_create(&reaper->thread, NULL, reap, reaper);
    if (e)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the thread that deletes folders: %d", e);
    reaper->has_thread = true;
    *ret = WCOW_TAKE_PTR(reaper);
    return WCOW_OK;
}

static void free_victims(struct victim *first)
{
    for (struct victim *victim = first, *next = NULL; victim; victim = next) {
        next = victim->next;
        free(victim);
    }
}

void wcow_reaper_free(struct wcow_reaper *reaper)
{
    if (!reaper)
        return;
    if (reaper->has_thread) {
        (void)pthread_mutex_lock(&reaper->mutex);
        while (reaper->n_announced)
            (void)pthread_cond_wait(&reaper->idle, &reaper->mutex);
        atomic_store(&reaper->stopping, true);
        (void)pthread_cond_signal(&reaper->wake);
        (void)pthread_mutex_unlock(&reaper->mutex);
        (void)pthread_join(reaper->thread, NULL);
    }
    free_victims(reaper->first);
    free_victims(reaper->failed);
    (void)pthread_cond_destroy(&reaper->idle);
    (void)pthread_cond_destroy(&reaper->wake);
    (void)pthread_mutex_destroy(&reaper->mutex);
    free(reaper);
}

void wcow_reaper_add(struct wcow_reaper *reaper, const char *name)
{
    size_t len = strlen(name) + 1;
    struct victim *victim = malloc(sizeof(*victim) + len);
    if (!victim)
        return;
    memcpy(victim->name, name, len);
    (void)pthread_mutex_lock(&reaper->mutex);
    append(reaper, victim);
    (void)pthread_cond_signal(&reaper->wake);
    (void)pthread_mutex_unlock(&reaper->mutex);
}

void wcow_reaper_take(struct wcow_reaper *reaper, int64_t id)
{
    if (wcow_folder_unmake(reaper->folders_fd, id))
        return;
    char aside[WCOW_FOLDER_NAME];
    struct wcow_error err = {0};
    int r = wcow_folder_set_aside(reaper->folders_fd, id, aside, &err);
    if (r == WCOW_OK)
        wcow_reaper_add(reaper, aside);
    else if (r != WCOW_E_NOT_FOUND)
        wcow_log(WCOW_LOG_WARN, "a removed snapshot's folder stays until the next start",
                 WCOW_INT("id", id), WCOW_STR("error", err.msg));
}

void wcow_reaper_announce(struct wcow_reaper *reaper)
{
    (void)pthread_mutex_lock(&reaper->mutex);
    reaper->n_announced++;
    (void)pthread_mutex_unlock(&reaper->mutex);
}

void wcow_reaper_take_announced(struct wcow_reaper *reaper, int64_t id)
{
    wcow_reaper_take(reaper, id);
    (void)pthread_mutex_lock(&reaper->mutex);
    if (--reaper->n_announced == 0)
        (void)pthread_cond_broadcast(&reaper->idle);
    (void)pthread_mutex_unlock(&reaper->mutex);
}

static struct timespec after(uint32_t timeout_ms)
{
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

int wcow_reaper_wait(struct wcow_reaper *reaper, uint32_t timeout_ms, struct wcow_error *err)
{
    struct timespec until = after(timeout_ms);
    int e = 0;
    (void)pthread_mutex_lock(&reaper->mutex);
    while (reaper->failed) {
        struct victim *victim = reaper->failed;
        reaper->failed = victim->next;
        append(reaper, victim);
        (void)pthread_cond_signal(&reaper->wake);
    }
    while ((reaper->first || reaper->busy || reaper->n_announced) &&
           !atomic_load(&reaper->stopping) && e != ETIMEDOUT) {
        if (timeout_ms)
            e = pthread_cond_timedwait(&reaper->idle, &reaper->mutex, &until);
        else
            (void)pthread_cond_wait(&reaper->idle, &reaper->mutex);
    }
    int r = WCOW_OK;
    if (e == ETIMEDOUT) {
        r = WCOW_FAIL(err, WCOW_E_DEADLINE, "folders of removed snapshots are still being deleted");
    } else if (reaper->failed) {
        r = reaper->failure.code;
        if (err)
            *err = reaper->failure;
    }
    (void)pthread_mutex_unlock(&reaper->mutex);
    return r < 0 ? wcow_error_wrap(r, err, "delete the folders of removed snapshots") : r;
}
