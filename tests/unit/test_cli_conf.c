/* SPDX-License-Identifier: Apache-2.0 */
/* wcow.conf: what is in it, and what is said of what should not be. */
#include <string.h>

#include "cli/conf.h"
#include "wcow_test.h"

static void each_setting_is_taken(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    struct wcow_conf conf = {0};
    static const char text[] =
        "; a comment\nexecutor = wine\nrun-timeout = 60\nrun-memory = 2g\n"
        "run-memory-all = 3g\nrun-disk = 512m\nrun-processes = 300\nmax-parallelism = 4\n";
    assert_int_equal(wcow_conf_parse(text, &conf, &err), WCOW_OK);
    assert_string_equal(conf.executor, "wine");
    assert_string_equal(conf.run_timeout, "60");
    assert_int_equal(conf.run_limits.memory_bytes, INT64_C(2) << 30);
    assert_int_equal(conf.run_limits.all_memory_bytes, INT64_C(3) << 30);
    assert_int_equal(conf.run_limits.disk_bytes, 512 << 20);
    assert_int_equal(conf.run_limits.processes, 300);
    assert_string_equal(conf.max_parallelism, "4");
    wcow_conf_done(&conf);
}

static void an_error_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"executor = docker\n", "line 1: unknown executor \"docker\""},
        {"executor = wine\nspeed = 9\n", "line 2: unknown name \"speed\""},
        {"run-memory = much\n", "line 1: invalid size 'much'"},
        {"run-disk = 10\n", "line 1: \"10\" is less than 1m"},
        {"run-processes = 3\n", "line 1: run-processes is a number from 32 to"},
        {"run-processes = 64x\n", "line 1: run-processes is a number from 32 to"},
        {"[run]\nexecutor = wine\n", "line 1: sections are not used, but there is [run]"},
        {"# a comment\n  [lone]\n", "line 2: sections are not used, but there is [lone]"},
        {"executor = wine\r\n[broken", "line 2: sections are not used"},
        {"executor\n", "line 1: not \"name = value\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_error err = {0};
        struct wcow_conf conf = {0};
        assert_int_equal(wcow_conf_parse(cases[i].text, &conf, &err), WCOW_E_INVALID);
        if (!strstr(err.msg, cases[i].want))
            fail_msg("got \"%s\", want \"%s\"", err.msg, cases[i].want);
        assert_null(conf.executor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_setting_is_taken),
        cmocka_unit_test(an_error_names_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
