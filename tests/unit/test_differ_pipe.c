/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe: the reader and whoever looks see every byte, in order, however many pipes there are at
 * once and however slow one of them is; errors come behind the last good byte. */
#include "differ_test.h"

#include <pthread.h>
#include <sched.h>

#include "differ/pipe.h"

enum { MANY = 3, READ_BYTES = 70001 }; /* a size that divides nothing */

/* A source of numbered bytes that ends, or fails, behind so many. */
struct numbers {
    uint64_t given;
    uint64_t end;
    bool fails;
};

static uint8_t number_at(uint64_t i)
{
    return (uint8_t)((i * 2654435761U) >> 11);
}

static int read_numbers(void *ctx, uint8_t *out, size_t cap, size_t *ret_len,
                        struct wcow_error *err)
{
    struct numbers *n = ctx;
    size_t len = cap < READ_BYTES ? cap : READ_BYTES;
    if (n->end - n->given < len)
        len = (size_t)(n->end - n->given);
    if (!len && n->fails)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the numbers are damaged");
    for (size_t i = 0; i < len; i++)
        out[i] = number_at(n->given + i);
    n->given += len;
    *ret_len = len;
    return WCOW_OK;
}

/* What was seen of the numbers, one after the other. */
struct seen {
    uint64_t bytes;
    bool wrong;
};

static void see(void *ctx, const uint8_t *data, size_t len)
{
    struct seen *s = ctx;
    for (size_t i = 0; i < len; i++)
        s->wrong |= data[i] != number_at(s->bytes + i);
    s->bytes += len;
}

static void see_slowly(void *ctx, const uint8_t *data, size_t len)
{
    for (int i = 0; i < 100; i++)
        (void)sched_yield();
    see(ctx, data, len);
}

/* A pipe with its ends. */
struct use {
    struct numbers numbers;
    struct wcow_pipe *pipe;
    struct seen looked;
    struct seen taken;
    bool slow_reader;
    int code;
    struct wcow_error error;
    pthread_t thread;
};

static void open_pipe(struct use *u, bool own_looker, bool slow_look)
{
    struct wcow_error err = {0};
    struct wcow_pipe_work work = {.read = read_numbers,
                                  .read_ctx = &u->numbers,
                                  .look = slow_look ? see_slowly : see,
                                  .look_ctx = &u->looked,
                                  .own_looker = own_looker};
    assert_int_equal(wcow_pipe_new(&work, &u->pipe, &err), 0);
}

static void *take_all(void *arg)
{
    struct use *u = arg;
    struct wcow_source source = wcow_pipe_reader(u->pipe);
    const uint8_t *data = NULL;
    size_t len = 0;
    while ((u->code = wcow_source_next(&source, &data, &len, &u->error)) == WCOW_OK && len)
        (u->slow_reader ? see_slowly : see)(&u->taken, data, len);
    wcow_pipe_settle(u->pipe);
    return NULL;
}

static void all_was_seen(const struct use *u)
{
    assert_false(u->taken.wrong);
    assert_int_equal(u->taken.bytes, u->numbers.end);
    assert_false(u->looked.wrong);
    assert_int_equal(u->looked.bytes, u->numbers.end);
}

/* Several at once, which share what is more than the chunks of each. */
static void reader_and_looker_see_every_byte_in_order(void **state)
{
    (void)state;
    static const struct {
        bool own_looker;
        bool slow_look;
        bool slow_reader;
    } cases[] = {{0},
                 {.slow_look = true},
                 {.slow_reader = true},
                 {.own_looker = true},
                 {.own_looker = true, .slow_look = true}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct use uses[MANY] = {0};
        for (size_t i = 0; i < MANY; i++) {
            uses[i].numbers.end = UINT64_C(30) << 20;
            uses[i].slow_reader = cases[c].slow_reader;
            open_pipe(&uses[i], cases[c].own_looker, cases[c].slow_look);
            assert_int_equal(pthread_create(&uses[i].thread, NULL, take_all, &uses[i]), 0);
        }
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(pthread_join(uses[i].thread, NULL), 0);
            assert_int_equal(uses[i].code, WCOW_OK);
            all_was_seen(&uses[i]);
            wcow_pipe_free(uses[i].pipe);
        }
    }
}

static void an_error_comes_behind_the_last_good_byte(void **state)
{
    (void)state;
    struct use u = {.numbers = {.end = 200000, .fails = true}};
    open_pipe(&u, false, false);
    assert_null(take_all(&u));
    assert_int_equal(u.code, WCOW_E_CORRUPT);
    assert_string_equal(u.error.msg, "the numbers are damaged");
    all_was_seen(&u);
    wcow_pipe_free(u.pipe);
}

static void a_cancelled_pipe_says_so(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    struct use u = {.numbers = {.end = UINT64_MAX}};
    atomic_bool cancel = true;
    struct wcow_pipe_work work = {.read = read_numbers,
                                  .read_ctx = &u.numbers,
                                  .look = see,
                                  .look_ctx = &u.looked,
                                  .cancel = &cancel};
    assert_int_equal(wcow_pipe_new(&work, &u.pipe, &err), 0);
    assert_null(take_all(&u));
    assert_int_equal(u.code, WCOW_E_CANCELLED);
    wcow_pipe_free(u.pipe);
}

/* Whoever meets an error in the tar frees the pipe, wherever its thread is. */
static void a_pipe_that_is_not_read_to_its_end_can_be_freed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct use u = {.numbers = {.end = UINT64_MAX}};
        open_pipe(&u, i > 0, false);
        struct wcow_source source = wcow_pipe_reader(u.pipe);
        const uint8_t *data = NULL;
        size_t len = 0;
        assert_int_equal(wcow_source_next(&source, &data, &len, &u.error), WCOW_OK);
        assert_true(len > 0);
        wcow_pipe_free(u.pipe);
        assert_false(u.looked.wrong);
    }
}

/* Pieces of other work. */
struct pieces {
    atomic_int waiting;
    atomic_int done;
};

static bool do_a_piece(void *ctx)
{
    struct pieces *p = ctx;
    int n = atomic_load(&p->waiting);
    while (n > 0 && !atomic_compare_exchange_weak(&p->waiting, &n, n - 1))
        continue;
    if (n > 0)
        atomic_fetch_add(&p->done, 1);
    return n > 0;
}

/* None of them is forgotten, whether the tar is at its end or the ring full. */
static void who_waits_helps_when_called(void **state)
{
    (void)state;
    enum { N = 2000 };
    static const uint64_t ends[] = {0, UINT64_MAX};
    for (int i = 0; i < 4; i++) {
        struct pieces pieces = {0};
        struct use u = {.numbers = {.end = ends[i / 2]}};
        open_pipe(&u, i % 2 > 0, false);
        wcow_pipe_help(u.pipe, do_a_piece, &pieces);
        for (int n = 1; n <= N; n++) {
            atomic_fetch_add(&pieces.waiting, 1);
            wcow_pipe_call(u.pipe);
            while (atomic_load(&pieces.done) < n)
                (void)sched_yield();
        }
        wcow_pipe_free(u.pipe);
        assert_int_equal(atomic_load(&pieces.done), N);
        assert_false(u.looked.wrong);
    }
}

/* The reader has no work of its own: it helps while it waits for slow chunks. */
static void helping_loses_no_byte(void **state)
{
    (void)state;
    struct pieces pieces = {.waiting = 100000};
    struct use u = {.numbers = {.end = UINT64_C(30) << 20}};
    open_pipe(&u, false, true);
    wcow_pipe_help(u.pipe, do_a_piece, &pieces);
    assert_null(take_all(&u));
    assert_int_equal(u.code, WCOW_OK);
    all_was_seen(&u);
    wcow_pipe_free(u.pipe);
    assert_true(atomic_load(&pieces.done) > 0);
}

/* One that is never behind, and never waits, supplies the other thread. */
static void a_reader_that_keeps_up_supplies(void **state)
{
    (void)state;
    enum { MANY_CHUNKS = 20 };
    struct wcow_error err = {0};
    struct pieces pieces = {.waiting = 100000};
    struct use u = {.numbers = {.end = (uint64_t)MANY_CHUNKS * (512 << 10)}};
    struct wcow_pipe_work work = {.read = read_numbers,
                                  .read_ctx = &u.numbers,
                                  .supply = do_a_piece,
                                  .supply_ctx = &pieces,
                                  .look = see,
                                  .look_ctx = &u.looked};
    assert_int_equal(wcow_pipe_new(&work, &u.pipe, &err), 0);
    assert_null(take_all(&u));
    assert_int_equal(u.code, WCOW_OK);
    all_was_seen(&u);
    wcow_pipe_free(u.pipe);
    assert_true(atomic_load(&pieces.done) >= MANY_CHUNKS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_and_looker_see_every_byte_in_order),
        cmocka_unit_test(an_error_comes_behind_the_last_good_byte),
        cmocka_unit_test(a_cancelled_pipe_says_so),
        cmocka_unit_test(a_pipe_that_is_not_read_to_its_end_can_be_freed),
        cmocka_unit_test(who_waits_helps_when_called),
        cmocka_unit_test(helping_loses_no_byte),
        cmocka_unit_test(a_reader_that_keeps_up_supplies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
