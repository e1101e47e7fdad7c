/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "builder/cmdline.h"
#include "wcow_test.h"

static void arguments_are_quoted_for_windows(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "\"\""},
        {"a", "a"},
        {"a b", "\"a b\""},
        {"a\tb", "\"a\tb\""},
        {"a\"b", "a\\\"b"},
        {"a \"b\"", "\"a \\\"b\\\"\""},
        {"C:\\dir\\", "C:\\dir\\"},
        {"C:\\my dir\\", "\"C:\\my dir\\\\\""},
        {"a\\\"b", "a\\\\\\\"b"},
        {"a\\\\b", "a\\\\b"},
        {"\\\\server\\my share", "\"\\\\server\\my share\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wcow_autobuf out = {0};
        assert_ok(wcow_cmdline_quote(cases[i][0], &out, &err));
        assert_string_equal((const char *)out.data, cases[i][1]);
    }
}

static void lines_are_cut_as_windows_cuts_them(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"p a b", "p|a|b"},
        {"  p   a  ", "p|a"},
        {"\"C:\\Program Files\\p.exe\" x", "C:\\Program Files\\p.exe|x"},
        {"\"C:\\dir\\\" x", "C:\\dir\\|x"},
        {"p \"a b\" c", "p|a b|c"},
        {"p a\\\\b", "p|a\\\\b"},
        {"p \"a\\\\\" b", "p|a\\|b"},
        {"p a\\\"b", "p|a\"b"},
        {"p \"a\"\"b\" c", "p|a\"b c"},
        {"p \"\" x", "p||x"},
        {"p a\"b c\"d", "p|ab cd"},
        {"p \"open end", "p|open end"},
        {"p a\\ b", "p|a\\|b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_arena arena = {0};
        struct wcow_strings argv = {0};
        wcow_autobuf got = {0};
        assert_ok(wcow_cmdline_split(cases[i][0], &arena, &argv, &err));
        for (size_t k = 0; k < argv.count; k++)
            assert_ok(wcow_buf_addf(&got, &err, "%s%s", k ? "|" : "", argv.items[k]));
        const char *text = argv.count ? (const char *)got.data : "";
        if (strcmp(text, cases[i][1]) != 0)
            fail_msg("%s: got %s, wanted %s", cases[i][0], text, cases[i][1]);
        wcow_arena_done(&arena);
    }
}

static void what_is_joined_is_cut_again_to_the_same(void **state)
{
    (void)state;
    static const char alphabet[] = "a \\\"\t";
    uint32_t random = 1;
    for (size_t round = 0; round < 5000; round++) {
        char args[3][8];
        const char *argv[4] = {"p.exe", args[0], args[1], args[2]};
        for (size_t i = 0; i < 3; i++) {
            for (size_t k = 0; k < sizeof args[i]; k++) {
                random = random * 1664525u + 1013904223u;
                args[i][k] = alphabet[(random >> 16) % (sizeof alphabet)];
            }
            args[i][sizeof args[i] - 1] = '\0';
        }
        wcow_autobuf line = {0};
        struct wcow_arena arena = {0};
        struct wcow_strings back = {0};
        assert_ok(wcow_cmdline_join(argv, 4, &line, &err));
        assert_ok(wcow_cmdline_split((const char *)line.data, &arena, &back, &err));
        assert_int_equal(back.count, 4);
        for (size_t i = 0; i < 4; i++)
            assert_string_equal(back.items[i], argv[i]);
        wcow_arena_done(&arena);
    }
}

static struct wcow_ins_command command_of(bool shell, const char **args, size_t count)
{
    return (struct wcow_ins_command){.shell = shell, .args = {args, count}};
}

static void shell_form_is_one_escaped_line(void **state)
{
    (void)state;
    struct wcow_arena arena = {0};
    const char *text[] = {"echo \"hi\" %PATH%", NULL};
    struct wcow_ins_command command = command_of(true, text, 1);
    struct wcow_strings shell = wcow_cmdline_default_shell();
    struct wcow_cmdline_config config = {0};
    assert_ok(wcow_cmdline_config_of(&command, &shell, &arena, &config, &err));
    assert_true(config.args_escaped);
    assert_int_equal(config.args.count, 1);
    assert_string_equal(config.args.items[0], "cmd /S /C echo \"hi\" %PATH%");
    const char *words[] = {"powershell", "-Command", NULL};
    shell = (struct wcow_strings){words, 2};
    assert_ok(wcow_cmdline_config_of(&command, &shell, &arena, &config, &err));
    assert_string_equal(config.args.items[0], "powershell -Command echo \"hi\" %PATH%");
    wcow_arena_done(&arena);
}

static void exec_form_is_argv(void **state)
{
    (void)state;
    struct wcow_arena arena = {0};
    const char *argv[] = {"C:\\Program Files\\p.exe", "a b", NULL};
    struct wcow_ins_command command = command_of(false, argv, 2);
    struct wcow_strings shell = wcow_cmdline_default_shell();
    struct wcow_cmdline_config config = {0};
    assert_ok(wcow_cmdline_config_of(&command, &shell, &arena, &config, &err));
    assert_false(config.args_escaped);
    assert_int_equal(config.args.count, 2);
    wcow_autobuf line = {0};
    assert_ok(wcow_cmdline_of_run(&command, &shell, &line, &err));
    assert_string_equal((const char *)line.data, "\"C:\\Program Files\\p.exe\" \"a b\"");
    wcow_arena_done(&arena);
}

static void entrypoint_and_cmd_never_mix(void **state)
{
    (void)state;
    struct wcow_arena arena = {0};
    const char *line[] = {"cmd /S /C p", NULL};
    const char *argv[] = {"a b", "c", NULL};
    struct wcow_cmdline_config entrypoint = {{line, 1}, true};
    struct wcow_cmdline_config cmd = {{argv, 2}, false};
    assert_ok(wcow_cmdline_unify(&arena, &entrypoint, &cmd, &err));
    assert_true(cmd.args_escaped);
    assert_int_equal(cmd.args.count, 1);
    assert_string_equal(cmd.args.items[0], "\"a b\" c");
    struct wcow_cmdline_config none = {{NULL, 0}, false};
    assert_ok(wcow_cmdline_unify(&arena, &entrypoint, &none, &err));
    assert_false(none.args_escaped);
    wcow_arena_done(&arena);
}

static void a_heredoc_alone_is_the_command(void **state)
{
    (void)state;
    struct wcow_heredoc doc = {.name = "EOF", .content = "a\r\nb\r\n", .content_len = 6};
    const char *text[] = {"<<EOF", NULL};
    struct wcow_ins_command command = command_of(true, text, 1);
    command.heredocs = &doc;
    command.heredoc_count = 1;
    const char *words[] = {"powershell", "-Command", NULL};
    struct wcow_strings shell = {words, 2};
    wcow_autobuf line = {0};
    assert_ok(wcow_cmdline_of_run(&command, &shell, &line, &err));
    assert_string_equal((const char *)line.data, "powershell -Command a\r\nb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_quoted_for_windows),
        cmocka_unit_test(lines_are_cut_as_windows_cuts_them),
        cmocka_unit_test(what_is_joined_is_cut_again_to_the_same),
        cmocka_unit_test(shell_form_is_one_escaped_line),
        cmocka_unit_test(exec_form_is_argv),
        cmocka_unit_test(entrypoint_and_cmd_never_mix),
        cmocka_unit_test(a_heredoc_alone_is_the_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
