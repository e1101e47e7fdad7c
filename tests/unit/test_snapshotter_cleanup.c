/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanups that have to wait: one thread waits for all, and nobody whose caller is gone. */
#include "wcow_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run_command.h"
#include "snapshotter/internal.h"

static char root[64];
static struct wcow_store *store;
static struct wcow_snapshotter *s;

/* A removal that was announced keeps every Cleanup waiting until it is taken. */
static int setup(void **state)
{
    (void)state;
    const struct wcow_snapshotter_options options = {.mount_type = WCOW_MOUNT_WINDOWS_LAYER};
    (void)snprintf(root, sizeof(root), "/tmp/wcow-cleanup-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    assert_ok(wcow_store_open(root, &store, &err));
    assert_ok(wcow_snapshotter_new(store, &options, &s, &err));
    wcow_reaper_announce(s->reaper);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wcow_snapshotter_free(WCOW_TAKE_PTR(s));
    wcow_store_close(WCOW_TAKE_PTR(store));
    return remove_all(root);
}

struct caller {
    struct wcow_cleanup cleanup;
    pthread_t thread;
    atomic_bool cancelled;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool answered;
    bool returned;
    int code;
};

static void set(struct caller *c, bool *what)
{
    (void)pthread_mutex_lock(&c->mutex);
    *what = true;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->mutex);
}

static void wait_for(struct caller *c, const bool *what)
{
    (void)pthread_mutex_lock(&c->mutex);
    while (!*what)
        (void)pthread_cond_wait(&c->changed, &c->mutex);
    (void)pthread_mutex_unlock(&c->mutex);
}

static bool is(struct caller *c, const bool *what)
{
    (void)pthread_mutex_lock(&c->mutex);
    bool value = *what;
    (void)pthread_mutex_unlock(&c->mutex);
    return value;
}

static void on_done(void *arg, int code, const struct wcow_error *err)
{
    (void)err;
    struct caller *c = arg;
    c->code = code;
    set(c, &c->answered);
}

static void *call(void *arg)
{
    struct caller *c = arg;
    wcow_snapshotter_cleanup(s, &c->cleanup);
    set(c, &c->returned);
    return NULL;
}

static void begin(struct caller *c)
{
    *c = (struct caller){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    c->cleanup = (struct wcow_cleanup){.cancelled = &c->cancelled, .done = on_done, .arg = c};
    assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

static void end(struct caller *c)
{
    assert_int_equal(pthread_join(c->thread, NULL), 0);
}

static void whose_caller_is_gone_waits_no_longer(void **state)
{
    (void)state;
    struct caller one;
    begin(&one);
    assert_false(is(&one, &one.answered));
    atomic_store(&one.cancelled, true);
    wait_for(&one, &one.answered);
    end(&one);
    assert_int_equal(one.code, WCOW_E_CANCELLED);
    wcow_reaper_take_announced(s->reaper, 1);
}

enum { CALLERS = 8 };

static size_t n_returned(struct caller *callers)
{
    size_t n = 0;
    for (size_t i = 0; i < CALLERS; i++)
        n += is(&callers[i], &callers[i].returned);
    return n;
}

static void one_thread_waits_for_all(void **state)
{
    (void)state;
    static struct caller callers[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        begin(&callers[i]);
    while (n_returned(callers) < CALLERS - 1) /* all but one have their threads back */
        (void)sched_yield();
    for (size_t i = 0; i < CALLERS; i++)
        assert_false(is(&callers[i], &callers[i].answered));
    wcow_reaper_take_announced(s->reaper, 1);
    for (size_t i = 0; i < CALLERS; i++) {
        wait_for(&callers[i], &callers[i].answered);
        assert_int_equal(callers[i].code, WCOW_OK);
        end(&callers[i]);
    }
}

static void some_may_go_while_others_wait(void **state)
{
    (void)state;
    struct caller stays;
    struct caller goes;
    begin(&goes);
    begin(&stays);
    atomic_store(&goes.cancelled, true);
    wait_for(&goes, &goes.answered);
    assert_int_equal(goes.code, WCOW_E_CANCELLED);
    assert_false(is(&stays, &stays.answered));
    wcow_reaper_take_announced(s->reaper, 1);
    wait_for(&stays, &stays.answered);
    assert_int_equal(stays.code, WCOW_OK);
    end(&goes);
    end(&stays);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whose_caller_is_gone_waits_no_longer),
        TEST(one_thread_waits_for_all),
        TEST(some_may_go_while_others_wait),
    };
    return cmocka_run_group_tests_name("snapshotter/cleanup", tests, NULL, NULL);
}
