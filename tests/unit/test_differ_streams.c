/* SPDX-License-Identifier: Apache-2.0 */
/* What overlaps work: the outflow, the gate. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "differ/gate.h"
#include "differ/outflow.h"
#include "wcow_test.h"

struct taken {
    struct wcow_buf bytes;
    size_t fail_at; /* 0: never */
    struct wcow_lent kept;
};

/* Gives each buffer back when the one after it has come, the last with give_back(). */
static int take(void *ctx, const struct wcow_lent *lent, struct wcow_error *err)
{
    struct taken *t = ctx;
    if (t->fail_at && t->bytes.len + lent->len > t->fail_at) {
        lent->release(lent->arg);
        return WCOW_FAIL(err, WCOW_E_IO, "the other side is full");
    }
    if (t->kept.release)
        t->kept.release(t->kept.arg);
    t->kept = *lent;
    return wcow_buf_add(&t->bytes, lent->data, lent->len, err);
}

static void give_back(struct taken *t)
{
    if (t->kept.release)
        t->kept.release(t->kept.arg);
    wcow_buf_done(&t->bytes);
}

static uint8_t sample_byte(size_t at)
{
    return (uint8_t)(at * 31 >> 3);
}

static void give(const struct wcow_sink *in, size_t total)
{
    uint8_t piece[3001];
    for (size_t at = 0; at < total;) {
        size_t room = 0;
        uint8_t *place = at % 2 ? wcow_sink_room(in, &room) : NULL; /* or put in place at once */
        if (!place || room > sizeof(piece))
            room = sizeof(piece);
        size_t n = total - at < room ? total - at : room;
        uint8_t *to = place ? place : piece;
        for (size_t k = 0; k < n; k++)
            to[k] = sample_byte(at + k);
        assert_ok(wcow_sink_write(in, to, n, &err));
        at += n;
    }
}

static void what_goes_in_comes_out_in_order(void **state)
{
    (void)state;
    static const size_t totals[] = {0, 1, 2097151, 2097152, 2097153, 25000000};
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        struct taken taken = {0};
        struct wcow_borrower to = {.take = take, .ctx = &taken};
        struct wcow_outflow *o = NULL;
        assert_ok(wcow_outflow_new(&to, &o, &err));
        struct wcow_sink in = wcow_outflow_sink(o);
        give(&in, totals[i]);
        assert_ok(wcow_outflow_finish(o, &err));
        wcow_outflow_free(o);
        assert_int_equal(taken.bytes.len, totals[i]);
        for (size_t at = 0; at < totals[i]; at++)
            assert_int_equal(taken.bytes.data[at], sample_byte(at));
        give_back(&taken); /* the outflow has gone already */
    }
}

static void an_error_of_the_other_side_reaches_the_filler(void **state)
{
    (void)state;
    struct wcow_error error = {0};
    struct taken taken = {.fail_at = 5000000};
    struct wcow_borrower to = {.take = take, .ctx = &taken};
    struct wcow_outflow *o = NULL;
    assert_ok(wcow_outflow_new(&to, &o, &err));
    struct wcow_sink in = wcow_outflow_sink(o);
    static const uint8_t piece[10000];
    int r = WCOW_OK;
    for (int i = 0; i < 10000 && r == WCOW_OK; i++)
        r = wcow_sink_write(&in, piece, sizeof(piece), &error);
    assert_int_equal(r, WCOW_E_IO);
    assert_string_equal(error.msg, "the other side is full");
    assert_int_equal(wcow_outflow_finish(o, &error), WCOW_E_IO);
    wcow_outflow_free(o);
    give_back(&taken);
}

static void an_outflow_may_be_left_unfinished(void **state)
{
    (void)state;
    struct taken taken = {0};
    struct wcow_borrower to = {.take = take, .ctx = &taken};
    struct wcow_outflow *o = NULL;
    assert_ok(wcow_outflow_new(&to, &o, &err));
    struct wcow_sink in = wcow_outflow_sink(o);
    assert_ok(wcow_sink_write(&in, "abc", 3, &err));
    wcow_outflow_free(o);
    give_back(&taken);
}

struct visitor {
    struct wcow_gate *gate;
    atomic_int *inside;
    atomic_int *most;
};

static void *visit(void *arg)
{
    struct visitor *v = arg;
    for (int i = 0; i < 200; i++) {
        if (wcow_gate_enter(v->gate, 2, NULL, NULL) < 0)
            return NULL;
        int n = atomic_fetch_add(v->inside, 2) + 2;
        if (n > atomic_load(v->most))
            atomic_store(v->most, n);
        atomic_fetch_sub(v->inside, 2);
        wcow_gate_leave(v->gate, 2);
    }
    return NULL;
}

static void never_more_are_inside_than_there_is_room(void **state)
{
    (void)state;
    struct wcow_gate gate;
    atomic_int inside = 0;
    atomic_int most = 0;
    wcow_gate_init(&gate, 4);
    struct visitor v = {.gate = &gate, .inside = &inside, .most = &most};
    pthread_t threads[6];
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &v), 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(most >= 2 && most <= 4);
    assert_int_equal(gate.room, 4);
    wcow_gate_done(&gate);
}

static void one_who_is_cancelled_waits_no_longer(void **state)
{
    (void)state;
    struct wcow_error error = {0};
    struct wcow_gate gate;
    atomic_bool cancel = true;
    wcow_gate_init(&gate, 1);
    assert_ok(wcow_gate_enter(&gate, 1, NULL, &err));
    assert_int_equal(wcow_gate_enter(&gate, 1, &cancel, &error), WCOW_E_CANCELLED);
    wcow_gate_leave(&gate, 1);
    assert_int_equal(gate.room, 1);
    wcow_gate_done(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_order),
        cmocka_unit_test(an_error_of_the_other_side_reaches_the_filler),
        cmocka_unit_test(an_outflow_may_be_left_unfinished),
        cmocka_unit_test(never_more_are_inside_than_there_is_room),
        cmocka_unit_test(one_who_is_cancelled_waits_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
