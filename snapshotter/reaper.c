/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/reaper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/beneath.h"
#include "base/cond.h"
#include "base/dir_tree.h"
#include "base/log.h"
#include "snapshotter/folders.h"

enum { RETRY_FIRST_MS = 1000, RETRY_LAST_MS = 60000 };

struct victim {
    struct victim *next;
    int64_t id; /* of a folder that is still to be set aside; 0 once it is */
    bool has_failed;
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
    struct victim *failed; /* for another try, by and by more seldom */
    struct wcow_error failure;
    uint32_t retry_ms; /* the pause before it, 0 where none has failed */
    struct timespec retry_at;
    pthread_t thread;
    bool has_thread;
};

static void append(struct wcow_reaper *reaper, struct victim *victim)
{
    victim->next = NULL;
    *reaper->last = victim;
    reaper->last = &victim->next;
}

static void try_again(struct wcow_reaper *reaper)
{
    while (reaper->failed) {
        struct victim *victim = reaper->failed;
        reaper->failed = victim->next;
        append(reaper, victim);
    }
}

static void keep_failed(struct wcow_reaper *reaper, struct victim *victim,
                        const struct wcow_error *why)
{
    if (!reaper->failed) {
        uint32_t longer = reaper->retry_ms * 2;
        reaper->retry_ms = longer == 0              ? RETRY_FIRST_MS
                           : longer > RETRY_LAST_MS ? RETRY_LAST_MS
                                                    : longer;
        reaper->retry_at = wcow_after_ms(reaper->retry_ms);
    }
    victim->next = reaper->failed;
    reaper->failed = victim;
    reaper->failure = *why;
}

/* The next victim; NULL once the reaper stops. */
static struct victim *next_victim(struct wcow_reaper *reaper)
{
    reaper->busy = false;
    while (!reaper->first && !atomic_load(&reaper->stopping)) {
        (void)pthread_cond_broadcast(&reaper->idle);
        if (!reaper->failed) {
            reaper->retry_ms = 0;
            (void)pthread_cond_wait(&reaper->wake, &reaper->mutex);
        } else if (wcow_cond_wait_until(&reaper->wake, &reaper->mutex, &reaper->retry_at) ==
                   ETIMEDOUT) {
            try_again(reaper);
        }
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

static int delete_folder(struct wcow_reaper *reaper, struct victim *victim, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (victim->id > 0) {
        r = wcow_folder_set_aside(reaper->folders_fd, victim->id, victim->name, err);
        if (r == WCOW_E_NOT_FOUND)
            return WCOW_OK;
    }
    if (r < 0)
        return r;
    victim->id = 0;
    return wcow_dir_tree_delete(reaper->folders_fd, victim->name, &reaper->stopping, err);
}

/* The first failure and the end of the trouble, not each try between. */
static void log_try(struct victim *victim, int r, const struct wcow_error *err)
{
    if (r == WCOW_OK && victim->has_failed)
        wcow_log(WCOW_LOG_INFO, "a removed snapshot's folder could be deleted at last",
                 WCOW_STR("folder", victim->name));
    if (r < 0 && r != WCOW_E_CANCELLED && !victim->has_failed)
        wcow_log(WCOW_LOG_WARN,
                 "a removed snapshot's folder cannot be deleted now and is tried again",
                 WCOW_STR("folder", victim->name), WCOW_STR("error", err->msg));
    victim->has_failed = r < 0;
}

static void *reap(void *arg)
{
    struct wcow_reaper *reaper = arg;
    (void)pthread_mutex_lock(&reaper->mutex);
    for (struct victim *victim = NULL; (victim = next_victim(reaper));) {
        (void)pthread_mutex_unlock(&reaper->mutex);
        struct wcow_error err = {0};
        int r = delete_folder(reaper, victim, &err);
        log_try(victim, r, &err);
        (void)pthread_mutex_lock(&reaper->mutex);
        if (r < 0)
            keep_failed(reaper, victim, &err);
        else
            free(victim);
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
    (void)pthread_cond_init(&reaper->wake, NULL);
    (void)pthread_cond_init(&reaper->idle, NULL);
    (void)pthread_mutex_init(&reaper->mutex, NULL);
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

static void add(struct wcow_reaper *reaper, int64_t id, const char *name)
{
    size_t len = strlen(name) + 1;
    size_t room = len > WCOW_FOLDER_NAME ? len : WCOW_FOLDER_NAME;
    struct victim *victim = calloc(1, sizeof(*victim) + room);
    if (!victim)
        return;
    victim->id = id;
    memcpy(victim->name, name, len);
    (void)pthread_mutex_lock(&reaper->mutex);
    append(reaper, victim);
    (void)pthread_cond_signal(&reaper->wake);
    (void)pthread_mutex_unlock(&reaper->mutex);
}

void wcow_reaper_add(struct wcow_reaper *reaper, const char *name)
{
    add(reaper, 0, name);
}

/* @return WCOW_OK where its name is free */
static int take(struct wcow_reaper *reaper, int64_t id, struct wcow_error *err)
{
    if (wcow_folder_unmake(reaper->folders_fd, id))
        return WCOW_OK;
    char aside[WCOW_FOLDER_NAME];
    int r = wcow_folder_set_aside(reaper->folders_fd, id, aside, err);
    if (r == WCOW_OK)
        add(reaper, 0, aside);
    return r == WCOW_E_NOT_FOUND ? WCOW_OK : r;
}

void wcow_reaper_take(struct wcow_reaper *reaper, int64_t id)
{
    struct wcow_error err = {0};
    if (take(reaper, id, &err) < 0)
        wcow_log(WCOW_LOG_WARN,
                 "a folder without a snapshot stays until its number is given again, or wcowd is "
                 "started again",
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
    struct wcow_error err = {0};
    if (take(reaper, id, &err) < 0) {
        char name[WCOW_FOLDER_NAME];
        (void)snprintf(name, sizeof(name), "%lld", (long long)id);
        add(reaper, id, name);
    }
    (void)pthread_mutex_lock(&reaper->mutex);
    if (--reaper->n_announced == 0)
        (void)pthread_cond_broadcast(&reaper->idle);
    (void)pthread_mutex_unlock(&reaper->mutex);
}

void wcow_reaper_try_again(struct wcow_reaper *reaper)
{
    (void)pthread_mutex_lock(&reaper->mutex);
    try_again(reaper);
    (void)pthread_cond_signal(&reaper->wake);
    (void)pthread_mutex_unlock(&reaper->mutex);
}

int wcow_reaper_wait(struct wcow_reaper *reaper, uint32_t timeout_ms, struct wcow_error *err)
{
    const struct timespec until = wcow_after_ms(timeout_ms);
    int e = 0;
    (void)pthread_mutex_lock(&reaper->mutex);
    while ((reaper->first || reaper->busy || reaper->n_announced) &&
           !atomic_load(&reaper->stopping) && e != ETIMEDOUT)
        e = wcow_cond_wait_until(&reaper->idle, &reaper->mutex, &until);
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
