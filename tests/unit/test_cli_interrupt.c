/* SPDX-License-Identifier: Apache-2.0 */
/* Each case in a process of its own, which sends itself the signals. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wcow_test.h"

enum { MAX_SIGNALS = 4, NOT_SET = 1 };

struct signalled {
    const char *name;
    int signals[MAX_SIGNALS];
    bool ignores_hangup;
    int exit_code; /* or 0: it is ended by... */
    int ended_by;
};

static const struct signalled table[] = {
    {"Ctrl-C", {SIGINT}, .exit_code = 130},
    {"SIGTERM", {SIGTERM}, .exit_code = 143},
    {"a terminal that goes away", {SIGHUP}, .exit_code = 129},
    {"timeout, which sends its signal twice", {SIGTERM, SIGTERM}, .exit_code = 143},
    {"the first signal says how it ended", {SIGINT, SIGTERM}, .exit_code = 130},
    {"the third ends it at once", {SIGTERM, SIGTERM, SIGTERM}, .ended_by = SIGTERM},
    {"the third of any kind", {SIGTERM, SIGHUP, SIGINT}, .ended_by = SIGINT},
    {"nohup", {SIGHUP, SIGHUP, SIGHUP, SIGINT}, .ignores_hangup = true, .exit_code = 130},
};

static void send_to_itself(const struct signalled *s)
{
    (void)signal(SIGHUP, s->ignores_hangup ? SIG_IGN : SIG_DFL);
    wcow_interrupt_catch();
    for (size_t i = 0; i < MAX_SIGNALS && s->signals[i]; i++)
        (void)raise(s->signals[i]);
    _exit(atomic_load(wcow_interrupt_flag()) ? wcow_interrupt_exit_code() : NOT_SET);
}

static void signals_end_a_command_in_order_and_the_third_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int status = 0;
        print_message("%s\n", table[i].name);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            send_to_itself(&table[i]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, table[i].exit_code);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, table[i].ended_by);
    }
}

static void what_was_cancelled_without_a_signal_ends_as_by_ctrl_c(void **state)
{
    (void)state;
    assert_false(atomic_load(wcow_interrupt_flag()));
    assert_int_equal(wcow_interrupt_exit_code(), 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_end_a_command_in_order_and_the_third_at_once),
        cmocka_unit_test(what_was_cancelled_without_a_signal_ends_as_by_ctrl_c),
    };
    return cmocka_run_group_tests_name("cli/interrupt", tests, NULL, NULL);
}
