/* SPDX-License-Identifier: Apache-2.0 */
/* wcowd is killed at random points of mixed operations from several clients, again and again. After
 * each restart: what was acknowledged is there, what was under way is there wholly or not at all,
 * folders and rows match, and the database is sound.
 *
 * WCOW_CRASH_SECONDS: how long (15); WCOW_CRASH_SEED: the random numbers' beginning (the time). */
#include "snapshot_model.h"

static void killed_at_any_point_nothing_is_lost_or_half_there(void **state)
{
    (void)state;
    unsigned seed = env_number("WCOW_CRASH_SEED", (unsigned)time(NULL));
    time_t end = time(NULL) + (time_t)env_number("WCOW_CRASH_SECONDS", 15);
    print_message("WCOW_CRASH_SEED=%u\n", seed);
    model_begin(seed);
    struct client chaos = {.seed = seed};
    assert_true(wcowd_begin(&daemon_, "windows-layer"));
    size_t rounds = 0;
    for (; time(NULL) < end; rounds++) {
        check_all();
        check_content();
        model_work();
        (void)usleep(20000 + pick(&chaos, 400000));
        (void)kill(daemon_.pid, SIGKILL);
        (void)waitpid(daemon_.pid, NULL, 0);
        daemon_.pid = 0;
        model_rest();
        wcowd_kill(&daemon_, SIGKILL);
        assert_true(wcowd_start(&daemon_));
    }
    check_all();
    print_message("%zu kills, %zu acknowledged operations\n", rounds, model_acknowledged());
}

static int end_daemon(void **state)
{
    (void)state;
    wcowd_end(&daemon_);
    return 0;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(killed_at_any_point_nothing_is_lost_or_half_there, end_daemon),
    };
    return cmocka_run_group_tests_name("snapshotter/crash", tests, NULL, NULL);
}
