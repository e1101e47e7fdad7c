/* SPDX-License-Identifier: Apache-2.0 */
/* Several things of a kind, done by a few threads. */
#include "builder/in_turn.h"

#include <pthread.h>
#include <stdatomic.h>

#include "wcow_test.h"

enum { N = 100, THREADS = 4, NONE = N };

struct world {
    atomic_uint times[N]; /* that each was done */
    size_t fails;         /* this one does; NONE */
    pthread_barrier_t all_there;
};

static int do_one(void *ctx, size_t i, struct wcow_error *err)
{
    struct world *w = ctx;
    (void)atomic_fetch_add(&w->times[i], 1);
    return i == w->fails ? WCOW_FAIL(err, WCOW_E_IO, "number %zu fails", i) : WCOW_OK;
}

static void do_so_many(size_t n, unsigned n_threads)
{
    struct world w = {.fails = NONE};
    const struct wcow_in_turn work = {.one = do_one, .ctx = &w, .n = n, .n_threads = n_threads};
    assert_ok(wcow_in_turn(&work, &err));
    for (size_t i = 0; i < N; i++)
        assert_int_equal(atomic_load(&w.times[i]), i < n);
}

static void each_is_done_once(void **state)
{
    static const size_t counts[] = {0, 1, 2, 5, N};
    (void)state;
    for (unsigned threads = 1; threads <= WCOW_IN_TURN_MAX_THREADS; threads++) {
        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
            do_so_many(counts[c], threads);
    }
}

/* Nobody goes on before all are there. */
static int meet(void *ctx, size_t i, struct wcow_error *err)
{
    struct world *w = ctx;
    (void)err;
    (void)atomic_fetch_add(&w->times[i], 1);
    (void)pthread_barrier_wait(&w->all_there);
    return WCOW_OK;
}

static void as_many_are_at_work_as_there_are_threads(void **state)
{
    (void)state;
    struct world w = {.fails = NONE};
    const struct wcow_in_turn work = {.one = meet, .ctx = &w, .n = THREADS, .n_threads = THREADS};
    assert_int_equal(pthread_barrier_init(&w.all_there, NULL, THREADS), 0);
    assert_ok(wcow_in_turn(&work, &err));
    (void)pthread_barrier_destroy(&w.all_there);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(atomic_load(&w.times[i]), 1);
}

static void after_an_error_none_is_begun(void **state)
{
    (void)state;
    struct world w = {.fails = 3};
    const struct wcow_in_turn work = {.one = do_one, .ctx = &w, .n = N, .n_threads = 1};
    struct wcow_error why = {0};
    assert_int_equal(wcow_in_turn(&work, &why), WCOW_E_IO);
    assert_int_equal(why.code, WCOW_E_IO);
    assert_string_equal(why.msg, "number 3 fails");
    for (size_t i = 0; i < N; i++)
        assert_int_equal(atomic_load(&w.times[i]), i <= 3);
    assert_int_equal(wcow_in_turn(&work, NULL), WCOW_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_done_once),
        cmocka_unit_test(as_many_are_at_work_as_there_are_threads),
        cmocka_unit_test(after_an_error_none_is_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
