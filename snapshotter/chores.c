/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/chores.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "base/number.h"

enum {
    FULL = 64,          /* spare folders of a shape */
    LOW = 32,           /* few enough to make new ones */
    PAUSE_NS = 5000000, /* several chores for one waking, mostly while others wait for the disk */
    A_FEW = 8,          /* chores, before spare folders are looked after again */
    MANY = 1000,        /* chores that wait: whoever has another may do it himself */
    NAME_BYTES = 48,
};

static const char spare_folder[] = "spare";

/* Numbered as they are made, and taken in that order. */
struct stock {
    unsigned made;
    unsigned taken;
    bool wanted;
};

struct wcow_chores {
    int root_fd;
    atomic_int spare_fd; /* of spare_folder, once there is one */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    bool rests;
    bool stopping;
    struct wcow_chore *first;
    struct wcow_chore **last;
    size_t n_waiting;
    struct stock stocks[WCOW_SPARES];

    pthread_t thread;
    bool has_thread;
};

static void name_spare(enum wcow_spare shape, unsigned n, const char *below, char name[NAME_BYTES])
{
    char *at = stpcpy(name, shape == WCOW_SPARE_FILES ? "files-" : "bare-");
    at += wcow_number_decimal(n, at);
    (void)stpcpy(at, below);
}

/* ---- on the thread ---- */

/* All it does wrong costs time: whoever finds no spare folder makes one and says what is wrong. */
static bool open_spares(struct wcow_chores *chores)
{
    if (atomic_load(&chores->spare_fd) >= 0)
        return true;
    if (mkdirat(chores->root_fd, spare_folder, 0700) < 0)
        return false;
    atomic_store(&chores->spare_fd, openat(chores->root_fd, spare_folder,
                                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return atomic_load(&chores->spare_fd) >= 0;
}

static void unmake(int spare_fd, enum wcow_spare shape, unsigned n)
{
    char name[NAME_BYTES];
    name_spare(shape, n, "/Files", name);
    if (shape == WCOW_SPARE_FILES)
        (void)unlinkat(spare_fd, name, AT_REMOVEDIR);
    name_spare(shape, n, "", name);
    (void)unlinkat(spare_fd, name, AT_REMOVEDIR);
}

static bool make(int spare_fd, enum wcow_spare shape, unsigned n)
{
    char name[NAME_BYTES];
    name_spare(shape, n, "", name);
    if (mkdirat(spare_fd, name, 0700) < 0)
        return false;
    name_spare(shape, n, "/Files", name);
    if (shape == WCOW_SPARE_BARE || mkdirat(spare_fd, name, 0755) == 0)
        return true;
    unmake(spare_fd, shape, n);
    return false;
}

/* With the mutex held. */
static void fill(struct wcow_chores *chores, enum wcow_spare shape)
{
    struct stock *stock = &chores->stocks[shape];
    bool ok = stock->wanted;
    stock->wanted = false;
    while (ok && stock->made - stock->taken < FULL && !chores->stopping) {
        unsigned n = stock->made;
        (void)pthread_mutex_unlock(&chores->mutex);
        ok = open_spares(chores) && make(atomic_load(&chores->spare_fd), shape, n);
        (void)pthread_mutex_lock(&chores->mutex);
        stock->made += ok;
    }
}

/* With the mutex held. */
static bool has_work(const struct wcow_chores *chores)
{
    bool has = chores->first != NULL;
    for (int shape = 0; shape < WCOW_SPARES; shape++)
        has = has || chores->stocks[shape].wanted;
    return has;
}

/* With the mutex held. */
static void run_a_few(struct wcow_chores *chores)
{
    for (int i = 0; i < A_FEW && chores->first; i++) {
        struct wcow_chore *chore = chores->first;
        chores->first = chore->next;
        if (!chores->first)
            chores->last = &chores->first;
        chores->n_waiting--;
        (void)pthread_mutex_unlock(&chores->mutex);
        chore->run(chore);
        (void)pthread_mutex_lock(&chores->mutex);
    }
}

/* Until there is work, and a moment longer. With the mutex held. */
static void rest(struct wcow_chores *chores)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    if (has_work(chores) || chores->stopping)
        return;
    chores->rests = true;
    while (!has_work(chores) && !chores->stopping)
        (void)pthread_cond_wait(&chores->wake, &chores->mutex);
    chores->rests = false;
    if (chores->stopping)
        return;
    (void)pthread_mutex_unlock(&chores->mutex);
    (void)nanosleep(&pause, NULL);
    (void)pthread_mutex_lock(&chores->mutex);
}

static void *work(void *arg)
{
    struct wcow_chores *chores = arg;
    struct wcow_error ignored = {0};
    (void)!wcow_dir_tree_delete(chores->root_fd, spare_folder, NULL, &ignored);
    (void)pthread_mutex_lock(&chores->mutex);
    while (!chores->stopping || chores->first) {
        rest(chores);
        for (int shape = 0; shape < WCOW_SPARES; shape++)
            fill(chores, (enum wcow_spare)shape);
        run_a_few(chores);
    }
    (void)pthread_mutex_unlock(&chores->mutex);
    return NULL;
}

/* ---- from other threads ---- */

/* With the mutex held. */
static void wake(struct wcow_chores *chores)
{
    if (!chores->rests)
        return;
    chores->rests = false;
    (void)pthread_cond_signal(&chores->wake);
}

bool wcow_chores_add(struct wcow_chores *chores, struct wcow_chore *chore)
{
    chore->next = NULL;
    (void)pthread_mutex_lock(&chores->mutex);
    bool taken = chores->n_waiting < MANY;
    if (taken) {
        *chores->last = chore;
        chores->last = &chore->next;
        chores->n_waiting++;
        wake(chores);
    }
    (void)pthread_mutex_unlock(&chores->mutex);
    return taken;
}

/* @return whether there is one, of that number */
static bool choose(struct wcow_chores *chores, enum wcow_spare shape, unsigned *ret_n)
{
    struct stock *stock = &chores->stocks[shape];
    (void)pthread_mutex_lock(&chores->mutex);
    bool has = stock->made != stock->taken;
    if (has)
        *ret_n = stock->taken++;
    if (stock->made - stock->taken <= LOW) {
        stock->wanted = true;
        wake(chores);
    }
    (void)pthread_mutex_unlock(&chores->mutex);
    return has;
}

bool wcow_chores_take_spare(struct wcow_chores *chores, enum wcow_spare shape, int folders_fd,
                            const char *name)
{
    unsigned n = 0;
    if (!choose(chores, shape, &n))
        return false;
    int spare_fd = atomic_load(&chores->spare_fd);
    char spare[NAME_BYTES];
    name_spare(shape, n, "", spare);
    if (renameat2(spare_fd, spare, folders_fd, name, RENAME_NOREPLACE) == 0)
        return true;
    unmake(spare_fd, shape, n);
    return false;
}

/* ---- beginning and end ---- */

int wcow_chores_new(const char *root, struct wcow_chores **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_chores_free_p) struct wcow_chores *chores = calloc(1, sizeof(*chores));
    if (!chores)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the snapshotter's chores");
    chores->last = &chores->first;
    atomic_init(&chores->spare_fd, -1);
    (void)pthread_mutex_init(&chores->mutex, NULL);
    (void)pthread_cond_init(&chores->wake, NULL);
    chores->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (chores->root_fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot open %s", root);
    int e = pthread_create(&chores->thread, NULL, work, chores);
    if (e)
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "cannot start the thread of the snapshotter's chores: %d", e);
    chores->has_thread = true;
    *ret = WCOW_TAKE_PTR(chores);
    return WCOW_OK;
}

static void remove_spares(struct wcow_chores *chores)
{
    int spare_fd = atomic_load(&chores->spare_fd);
    if (spare_fd < 0)
        return;
    for (int shape = 0; shape < WCOW_SPARES; shape++) {
        struct stock *stock = &chores->stocks[shape];
        for (; stock->taken != stock->made; stock->taken++)
            unmake(spare_fd, (enum wcow_spare)shape, stock->taken);
    }
    (void)close(spare_fd);
    (void)unlinkat(chores->root_fd, spare_folder, AT_REMOVEDIR);
}

void wcow_chores_free(struct wcow_chores *chores)
{
    if (!chores)
        return;
    if (chores->has_thread) {
        (void)pthread_mutex_lock(&chores->mutex);
        chores->stopping = true;
        (void)pthread_cond_signal(&chores->wake);
        (void)pthread_mutex_unlock(&chores->mutex);
        (void)pthread_join(chores->thread, NULL);
    }
    remove_spares(chores);
    wcow_closep_(&chores->root_fd);
    (void)pthread_cond_destroy(&chores->wake);
    (void)pthread_mutex_destroy(&chores->mutex);
    free(chores);
}
