/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/settings.h"

static char config_path[] = "/tmp/wcow-settings-XXXXXX";

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(config_path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(config_path);
}

static void write_config(const char *text)
{
    FILE *f = fopen(config_path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Load with the arguments after "wcowd --config FILE". */
static enum wcow_parse load(struct wcow_settings *s, const char *a, const char *b)
{
    char *argv[] = {(char[]){"wcowd"}, (char[]){"--config"}, config_path, NULL, NULL, NULL};
    int argc = 3;
    char first[128];
    char second[128];
    if (a) {
        (void)snprintf(first, sizeof(first), "%s", a);
        argv[argc++] = first;
    }
    if (b) {
        (void)snprintf(second, sizeof(second), "%s", b);
        argv[argc++] = second;
    }
    return wcow_settings_load(s, argc, argv);
}

static void the_file_beats_the_defaults_and_the_command_line_beats_the_file(void **state)
{
    (void)state;
    write_config("# comment\nroot = /srv/wcow\nmount-type=overlay\nlog-level = warn\n");
    struct wcow_settings s;
    assert_int_equal(load(&s, "--log-level=debug", NULL), WCOW_PARSE_RUN);
    assert_string_equal(s.root, "/srv/wcow");
    assert_true(s.overlay);
    assert_int_equal(s.level, WCOW_LOG_DEBUG);
    assert_string_equal(s.address, WCOW_DEFAULT_ADDRESS);
    assert_true(s.serve_snapshots && s.serve_diff);
    wcow_settings_done(&s);
}

static void the_services_can_be_served_apart(void **state)
{
    (void)state;
    write_config("services = diff\n");
    struct wcow_settings s;
    assert_int_equal(load(&s, NULL, NULL), WCOW_PARSE_RUN);
    assert_true(s.serve_diff && !s.serve_snapshots);
    wcow_settings_done(&s);
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        const char *argument;
    } cases[] = {
        {"[section]\nroot = /x\n", NULL},
        {"root = /x\n[lone]\n", NULL},
        {"no-such-setting = 1\n", NULL},
        {"this is no setting\n", NULL},
        {"config = /etc/other\n", NULL},
        {"", "--mount-type=aufs"},
        {"", "--missing-parents=maybe"},
        {"", "--services=snapshots,images"},
        {"", "--services="},
        {"", "--log-level=loud"},
        {"", "--log-format=xml"},
        {"", "--root=relative/path"},
        {"", "operand"},
        {"", "--unknown"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_config(cases[i].config);
        struct wcow_settings s;
        assert_int_equal(load(&s, cases[i].argument, NULL), WCOW_PARSE_USAGE);
    }
}

static void a_missing_file_that_was_asked_for_is_an_error(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"wcowd"}, (char[]){"-c"}, (char[]){"/nonexistent/wcowd.conf"}, NULL};
    struct wcow_settings s;
    assert_int_equal(wcow_settings_load(&s, 3, argv), WCOW_PARSE_USAGE);
}

static void the_level_is_read_again_from_the_file(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"wcowd"}, (char[]){"-c"}, config_path, NULL};
    enum wcow_log_level level = WCOW_LOG_DEBUG;
    write_config("log-level = error\n");
    assert_ok(wcow_settings_reload_level(3, argv, &level, &err));
    assert_int_equal(level, WCOW_LOG_ERROR);
    write_config("log-level = nonsense\n");
    assert_fails(wcow_settings_reload_level(3, argv, &level, &err), WCOW_E_INVALID);
    assert_int_equal(level, WCOW_LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_beats_the_defaults_and_the_command_line_beats_the_file),
        cmocka_unit_test(the_services_can_be_served_apart),
        cmocka_unit_test(bad_settings_are_refused),
        cmocka_unit_test(a_missing_file_that_was_asked_for_is_an_error),
        cmocka_unit_test(the_level_is_read_again_from_the_file),
    };
    return cmocka_run_group_tests_name("cli/settings", tests, setup, teardown);
}
