/* SPDX-License-Identifier: Apache-2.0 */
/* A sync that failed is told to everybody whose data it may have lost. The system's syncfs(2) is
 * stood in for: it fails when it is told to, and tells so once, as Linux does. */
#include "wcow_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "snapshotter/syncer.h"

static struct wcow_syncer syncer;
static atomic_int next_error;
static atomic_int n_syncs;

int syncfs(int fd); /* without unistd.h, which names the descriptor otherwise */

int syncfs(int fd)
{
    (void)fd;
    atomic_fetch_add(&n_syncs, 1);
    errno = atomic_exchange(&next_error, 0);
    return errno ? -1 : 0;
}

static int setup(void **state)
{
    (void)state;
    wcow_syncer_init(&syncer, -1);
    atomic_store(&next_error, 0);
    atomic_store(&n_syncs, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wcow_syncer_done(&syncer);
    return 0;
}

static void each_call_syncs(void **state)
{
    (void)state;
    wcow_syncer_expect(&syncer, 1);
    assert_ok(wcow_syncer_sync(&syncer, 1, &err));
    assert_ok(wcow_syncer_sync(&syncer, 1, &err));
    assert_int_equal(atomic_load(&n_syncs), 2);
}

static void a_snapshot_whose_sync_failed_can_never_be_committed(void **state)
{
    (void)state;
    struct wcow_error why = {0};
    wcow_syncer_expect(&syncer, 1);
    atomic_store(&next_error, EIO);
    assert_int_equal(wcow_syncer_sync(&syncer, 1, &why), WCOW_E_IO);
    assert_non_null(strstr(why.msg, "make it anew"));
    assert_non_null(strstr(why.msg, strerror(EIO))); /* NOLINT(concurrency-mt-unsafe) */
    assert_fails(wcow_syncer_sync(&syncer, 1, &err), WCOW_E_IO);
}

static void nor_can_others_that_were_there(void **state)
{
    (void)state;
    wcow_syncer_expect(&syncer, 7);
    atomic_store(&next_error, ENOSPC);
    assert_fails(wcow_syncer_sync(&syncer, 5, &err), WCOW_E_LIMIT);
    assert_fails(wcow_syncer_sync(&syncer, 6, &err), WCOW_E_LIMIT);
    assert_fails(wcow_syncer_sync(&syncer, 7, &err), WCOW_E_LIMIT);
}

static void those_that_come_later_can(void **state)
{
    (void)state;
    wcow_syncer_expect(&syncer, 7);
    atomic_store(&next_error, EIO);
    assert_fails(wcow_syncer_sync(&syncer, 7, &err), WCOW_E_IO);
    wcow_syncer_expect(&syncer, 8);
    assert_ok(wcow_syncer_sync(&syncer, 8, &err));
    assert_fails(wcow_syncer_sync(&syncer, 7, &err), WCOW_E_IO);
}

enum { CALLERS = 16 };

static void *sync_one(void *arg)
{
    const int64_t *id = arg;
    struct wcow_error why = {0};
    return wcow_syncer_sync(&syncer, *id, &why) == WCOW_E_IO ? arg : NULL;
}

/* Whichever sync serves them: one for each, or one for all. */
static void all_who_wait_at_once_get_the_error(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    int64_t ids[CALLERS];
    wcow_syncer_expect(&syncer, CALLERS);
    atomic_store(&next_error, EIO);
    for (int i = 0; i < CALLERS; i++) {
        ids[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, sync_one, &ids[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_ptr_equal(failed, &ids[i]);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_call_syncs),
        TEST(a_snapshot_whose_sync_failed_can_never_be_committed),
        TEST(nor_can_others_that_were_there),
        TEST(those_that_come_later_can),
        TEST(all_who_wait_at_once_get_the_error),
    };
    return cmocka_run_group_tests_name("snapshotter/syncer", tests, NULL, NULL);
}
