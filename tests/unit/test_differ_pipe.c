/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe: every reader sees every byte, in order, however many pipes there are at once; errors
 * and stops come to all. */
#include "differ_test.h"

#include <pthread.h>

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

struct reading {
    struct wcow_source source;
    uint64_t bytes;
    bool wrong;
    int code;
    struct wcow_error error;
    pthread_t thread;
};

static void *read_all(void *arg)
{
    struct reading *r = arg;
    const uint8_t *data = NULL;
    size_t len = 0;
    while ((r->code = wcow_source_next(&r->source, &data, &len, &r->error)) == WCOW_OK && len) {
        for (size_t i = 0; i < len; i++)
            r->wrong |= data[i] != number_at(r->bytes + i);
        r->bytes += len;
    }
    return NULL;
}

/* Both readers of each of several pipes at once: the first has a long ring, the others short ones.
 */
static void every_reader_sees_every_byte_in_order(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    struct numbers numbers[MANY];
    struct wcow_pipe *pipes[MANY] = {0};
    struct reading readings[MANY][WCOW_PIPE_READERS] = {0};
    for (size_t i = 0; i < MANY; i++) {
        numbers[i] = (struct numbers){.end = UINT64_C(30) << 20};
        assert_int_equal(wcow_pipe_new(read_numbers, &numbers[i], NULL, &pipes[i], &err), 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        for (unsigned j = 0; j < WCOW_PIPE_READERS; j++) {
            struct reading *r = &readings[i][j];
            r->source = wcow_pipe_reader(pipes[i], j);
            assert_int_equal(pthread_create(&r->thread, NULL, read_all, r), 0);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        for (unsigned j = 0; j < WCOW_PIPE_READERS; j++) {
            const struct reading *r = &readings[i][j];
            assert_int_equal(pthread_join(r->thread, NULL), 0);
            assert_int_equal(r->code, WCOW_OK);
            assert_false(r->wrong);
            assert_int_equal(r->bytes, numbers[i].end);
        }
        wcow_pipe_free(pipes[i]);
    }
}

static void an_error_comes_to_each_reader_behind_the_last_good_byte(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    struct numbers numbers = {.end = 200000, .fails = true};
    struct wcow_pipe *pipe = NULL;
    struct reading readings[WCOW_PIPE_READERS] = {0};
    assert_int_equal(wcow_pipe_new(read_numbers, &numbers, NULL, &pipe, &err), 0);
    for (unsigned j = 0; j < WCOW_PIPE_READERS; j++) {
        struct reading *r = &readings[j];
        r->source = wcow_pipe_reader(pipe, j);
        assert_null(read_all(r));
        assert_int_equal(r->code, WCOW_E_CORRUPT);
        assert_string_equal(r->error.msg, "the numbers are damaged");
        assert_int_equal(r->bytes, numbers.end);
        assert_false(r->wrong);
    }
    wcow_pipe_free(pipe);
}

static void a_stopped_pipe_gives_nothing_more(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    struct numbers numbers = {.end = UINT64_MAX};
    struct wcow_pipe *pipe = NULL;
    assert_int_equal(wcow_pipe_new(read_numbers, &numbers, NULL, &pipe, &err), 0);
    wcow_pipe_stop(pipe);
    struct reading r = {.source = wcow_pipe_reader(pipe, 1)};
    assert_null(read_all(&r));
    assert_int_equal(r.code, WCOW_E_CANCELLED);
    wcow_pipe_free(pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reader_sees_every_byte_in_order),
        cmocka_unit_test(an_error_comes_to_each_reader_behind_the_last_good_byte),
        cmocka_unit_test(a_stopped_pipe_gives_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
