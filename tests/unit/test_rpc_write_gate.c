/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include "rpc/write_gate.h"

static int n_let_in;

static void let_in(struct wcow_write_gate_visitor *visitor)
{
    (void)visitor;
    n_let_in++;
}

static void a_closed_gate_lets_in_when_it_opens(void **state)
{
    (void)state;
    struct wcow_write_gate gate;
    struct wcow_write_gate_visitor visitors[3] = {{.go = let_in}, {.go = let_in}, {.go = let_in}};
    wcow_write_gate_init(&gate);
    assert_true(wcow_write_gate_enter(&gate, &visitors[0]));
    wcow_write_gate_leave(&gate);
    assert_true(wcow_write_gate_close(&gate, 0));
    n_let_in = 0;
    for (int i = 0; i < 3; i++)
        assert_false(wcow_write_gate_enter(&gate, &visitors[i]));
    assert_int_equal(n_let_in, 0);
    wcow_write_gate_open(&gate);
    assert_int_equal(n_let_in, 3);
    for (int i = 0; i < 3; i++)
        wcow_write_gate_leave(&gate);
    assert_true(wcow_write_gate_enter(&gate, &visitors[0]));
    wcow_write_gate_leave(&gate);
    wcow_write_gate_done(&gate);
}

static void who_is_inside_is_waited_for_and_not_for_ever(void **state)
{
    (void)state;
    struct wcow_write_gate gate;
    struct wcow_write_gate_visitor visitor = {.go = let_in};
    wcow_write_gate_init(&gate);
    assert_true(wcow_write_gate_enter(&gate, &visitor));
    assert_false(wcow_write_gate_close(&gate, 5));
    wcow_write_gate_leave(&gate);
    assert_true(wcow_write_gate_close(&gate, 5));
    wcow_write_gate_open(&gate);
    wcow_write_gate_done(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_gate_lets_in_when_it_opens),
        cmocka_unit_test(who_is_inside_is_waited_for_and_not_for_ever),
    };
    return cmocka_run_group_tests_name("rpc/write_gate", tests, NULL, NULL);
}
