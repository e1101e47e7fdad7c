/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "builder/instructions.h"
#include "builder/instructions_flags.h"
#include "wcow_test.h"

struct parsed {
    struct wcow_dockerfile *dockerfile;
    struct wcow_build_file *file;
};

static struct parsed parse(const char *text)
{
    struct parsed p = {0};
    assert_ok(wcow_dockerfile_parse(text, strlen(text), &p.dockerfile, NULL, &err));
    assert_ok(wcow_build_file_new(p.dockerfile, &p.file, NULL, &err));
    return p;
}

static void parsed_done(struct parsed *p)
{
    wcow_build_file_free(p->file);
    wcow_dockerfile_free(p->dockerfile);
}

/* What is written below FROM, and what its error says. */
struct mistake {
    const char *line;
    const char *message;
};

static void check_mistakes(const struct mistake *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wcow_autobuf text = {0};
        assert_ok(wcow_buf_addf(&text, &err, "FROM base\n%s", cases[i].line));
        struct wcow_dockerfile *dockerfile = NULL;
        struct wcow_build_file *file = NULL;
        struct wcow_line_range where = {0};
        struct wcow_error e = {0};
        assert_ok(
            wcow_dockerfile_parse((const char *)text.data, text.len, &dockerfile, NULL, &err));
        assert_int_equal(wcow_build_file_new(dockerfile, &file, &where, &e), WCOW_E_INVALID);
        if (!strstr(e.msg, cases[i].message))
            fail_msg("%s: '%s'", cases[i].line, e.msg);
        assert_int_equal(where.first, 2);
        wcow_dockerfile_free(dockerfile);
    }
}

static void mistakes_in_names_and_from_are_explained(void **state)
{
    (void)state;
    static const struct mistake cases[] = {
        {"COPI a b", "unknown instruction: COPI (did you mean COPY?)"},
        {"copi a b", "unknown instruction: copi (did you mean copy?)"},
        {"XYZZY", "unknown instruction: XYZZY"},
        {"FROM", "one or three arguments"},
        {"FROM a b", "one or three arguments"},
        {"FROM a IS b", "one or three arguments"},
        {"FROM a AS 1b", "invalid name for build stage: \"1b\""},
        {"FROM a AS b/c", "invalid name for build stage"},
        {"FROM --platfrom=x a", "unknown flag: --platfrom (did you mean platform?)"},
        {"FROM --platform a", "missing a value on flag: --platform"},
    };
    check_mistakes(cases, sizeof cases / sizeof *cases);
}

static void mistakes_in_copy_and_add_are_explained(void **state)
{
    (void)state;
    static const struct mistake cases[] = {
        {"COPY a", "at least two arguments"},
        {"COPY", "at least two arguments"},
        {"COPY --form=x a b", "unknown flag: --form (did you mean from?)"},
        {"COPY --from=x --from=y a b", "duplicate flag specified: --from"},
        {"COPY --from a b", "missing a value on flag: --from"},
        {"COPY --from=$x a b", "variable expansion is not supported for --from"},
        {"COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"},
        {"COPY --link= a b", "missing a value on flag: --link"},
        {"COPY --keep-git-dir a b", "unknown flag: --keep-git-dir"},
        {"COPY a <<EOF\nEOF", "cannot accept a heredoc as a destination"},
        {"ADD --from=x a b", "unknown flag: --from"},
    };
    check_mistakes(cases, sizeof cases / sizeof *cases);
}

static void mistakes_in_run_are_explained(void **state)
{
    (void)state;
    static const struct mistake cases[] = {
        {"RUN", "at least one argument"},
        {"RUN --network=lan x", "invalid network mode \"lan\""},
        {"RUN --security=none x", "security \"none\" is not valid"},
        {"RUN --mount=type=bin,target=/x y", "unsupported mount type \"bin\" (did you mean bind?)"},
        {"RUN --mount=type=zzzzzz,target=/x y", "unsupported mount type"},
        {"RUN --mount=trget=/x y", "unexpected key 'trget' in 'trget=/x' (did you mean target?)"},
        {"RUN --mount=target y", "must be a key=value pair"},
        {"RUN --mount=target=/x,size=1m y", "unexpected key 'size' for mount type 'bind'"},
        {"RUN --mount=target=/x,mode=0777 y", "mode not allowed"},
        {"RUN --mount=type=cache,target=/x,mode=9 y", "invalid value 9 for mode"},
        {"RUN --mount=type=cache,target=/x,sharing=loked y", "(did you mean locked?)"},
        {"RUN --mount=type=tmpfs,target=/x,sharing=locked y", "invalid cache sharing"},
        {"RUN --mount=type=tmpfs,target=/x,size=1x y", "invalid size '1x'"},
        {"RUN --mount=type=secret y", "one of id, source and target"},
        {"RUN --mount=type=secret,id=a,source=b y", "both source and id"},
        {"RUN --mount=type=secret,id=a,from=b y", "should not have a from"},
        {"RUN --mount=type=bind,target=/x,from=$y z", "doesn't support variable expansion"},
        {"RUN --mount=target=/x,ro=perhaps y", "invalid value for ro: perhaps"},
    };
    check_mistakes(cases, sizeof cases / sizeof *cases);
}

static void mistakes_in_other_instructions_are_explained(void **state)
{
    (void)state;
    static const struct mistake cases[] = {
        {"ENV", "ENV requires at least one argument"},
        {"ENV =b", "ENV names can not be blank"},
        {"ENV --x a=b", "unknown flag: --x"},
        {"ARG", "ARG requires at least one argument"},
        {"ARG =b", "ARG names can not be blank"},
        {"LABEL", "LABEL requires at least one argument"},
        {"WORKDIR", "WORKDIR requires exactly one argument"},
        {"USER", "USER requires exactly one argument"},
        {"EXPOSE", "EXPOSE requires at least one argument"},
        {"VOLUME", "VOLUME requires at least one argument"},
        {"VOLUME [\"\"]", "can not be an empty string"},
        {"SHELL []", "SHELL requires at least one argument"},
        {"SHELL cmd /C", "JSON form"},
        {"SHELL [\"C:\\tools\\sh.exe\"]", "JSON wants each backslash doubled"},
        {"CMD [\"a\\u0000\"]", "NUL"},
        {"HEALTHCHECK", "HEALTHCHECK requires at least one argument"},
        {"HEALTHCHECK NONE x", "takes no arguments"},
        {"HEALTHCHECK SOME x", "Unknown type \"SOME\""},
        {"HEALTHCHECK CMD", "Missing command"},
        {"HEALTHCHECK --interval=5 CMD x", "invalid duration '5'"},
        {"HEALTHCHECK --interval=5us CMD x", "cannot be less than 1ms"},
        {"HEALTHCHECK --retries=-1 CMD x", "cannot be negative"},
        {"HEALTHCHECK --retries=x CMD x", "whole number"},
        {"ONBUILD", "ONBUILD requires at least one argument"},
        {"ONBUILD ONBUILD RUN x", "Chaining ONBUILD"},
        {"ONBUILD FROM a", "FROM isn't allowed"},
        {"ONBUILD maintainer a", "MAINTAINER isn't allowed"},
        {"ONBUILD CPY a b", "did you mean COPY?"},
    };
    check_mistakes(cases, sizeof cases / sizeof *cases);
}

static void only_arg_may_stand_before_from(void **state)
{
    (void)state;
    static const char *const bad[] = {"RUN x\nFROM a", "ARG x\nENV a=b\nFROM a", "ARG only"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wcow_dockerfile *dockerfile = NULL;
        struct wcow_build_file *file = NULL;
        assert_ok(wcow_dockerfile_parse(bad[i], strlen(bad[i]), &dockerfile, NULL, &err));
        assert_fails(wcow_build_file_new(dockerfile, &file, NULL, &err), WCOW_E_INVALID);
        wcow_dockerfile_free(dockerfile);
    }
}

static void stages_are_found(void **state)
{
    (void)state;
    struct parsed p =
        parse("ARG A=1\nARG B\n# build makes it\nFROM --platform=windows/amd64 a AS "
              "Build\nRUN x\nFROM build\nFROM c AS build\nRUN y\nRUN z\nFROM d AS last");
    assert_int_equal(p.file->global_arg_count, 2);
    assert_int_equal(p.file->stage_count, 4);
    assert_string_equal(p.file->stages[0].name, "build");
    assert_string_equal(p.file->stages[0].name_as_written, "Build");
    assert_string_equal(p.file->stages[0].platform, "windows/amd64");
    assert_string_equal(p.file->stages[0].description, "makes it");
    assert_int_equal(p.file->stages[2].instruction_count, 2);
    assert_ptr_equal(wcow_stage_find(p.file, "BUILD", 1), &p.file->stages[0]);
    assert_ptr_equal(wcow_stage_find(p.file, "build", 4), &p.file->stages[2]);
    assert_null(wcow_stage_find(p.file, "build", 0));
    size_t index = 9;
    assert_ok(wcow_stage_target(p.file, NULL, &index, &err));
    assert_int_equal(index, 3);
    assert_ok(wcow_stage_target(p.file, "build", &index, &err));
    assert_int_equal(index, 2);
    struct wcow_error e = {0};
    assert_int_equal(wcow_stage_target(p.file, "0", &index, &e), WCOW_E_NOT_FOUND);
    assert_non_null(strstr(e.msg, "not its number"));
    assert_int_equal(wcow_stage_target(p.file, "biuld", &index, &e), WCOW_E_NOT_FOUND);
    assert_non_null(strstr(e.msg, "did you mean build?"));
    parsed_done(&p);
}

static void copies_and_adds_are_typed(void **state)
{
    (void)state;
    struct parsed p =
        parse("# escape=`\nFROM a\n"
              "COPY --from=b --chown=u:g --chmod=755 --link --parents --exclude=x --exclude=y s1 "
              "s2 C:\\d\\\n"
              "COPY <<a.txt <<-'b.txt' s C:\\\nA$X\na.txt\n\t\tB$X\n\tb.txt\n"
              "ADD --checksum=sha256:0 --keep-git-dir --unpack=false http://h/f C:\\d\n"
              "COPY [\"a b\", \"C:\\\\d e\"]\n");
    const struct wcow_instruction *all = p.file->stages[0].instructions;
    const struct wcow_copy *copy = &all[0].copy;
    assert_string_equal(copy->from, "b");
    assert_string_equal(copy->chown, "u:g");
    assert_string_equal(copy->chmod, "755");
    assert_true(copy->link && copy->parents);
    assert_int_equal(copy->excludes.count, 2);
    assert_int_equal(copy->sources.count, 2);
    assert_string_equal(copy->dest, "C:\\d\\");
    assert_int_equal(copy->unpack, WCOW_UNSET);
    copy = &all[1].copy;
    assert_int_equal(copy->sources.count, 1);
    assert_int_equal(copy->content_count, 2);
    assert_string_equal(copy->contents[0].content, "A$X\n");
    assert_string_equal(copy->contents[1].content, "B$X\n");
    assert_false(copy->contents[1].expand);
    copy = &all[2].copy;
    assert_int_equal(copy->keep_git_dir, WCOW_YES);
    assert_int_equal(copy->unpack, WCOW_NO);
    copy = &all[3].copy;
    assert_string_equal(copy->sources.items[0], "a b");
    assert_string_equal(copy->dest, "C:\\d e");
    parsed_done(&p);
}

static void commands_and_checks_are_typed(void **state)
{
    (void)state;
    struct parsed p =
        parse("FROM a\nRUN --network=none --security=insecure a  b\nRUN <<EOF\nx\nEOF\n"
              "CMD [\"a\", \"b\"]\nCMD []\nENTRYPOINT a b\n"
              "HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD [\"x\"]\n"
              "HEALTHCHECK none\nEXPOSE 90 80\nSHELL [\"a\"]\nONBUILD COPY <<E f\nx\nE\n"
              "STOPSIGNAL 9\n");
    const struct wcow_instruction *all = p.file->stages[0].instructions;
    assert_int_equal(all[0].run.network, WCOW_NET_NONE);
    assert_true(all[0].run.insecure && all[0].run.command.shell);
    assert_string_equal(all[0].run.command.args.items[0], "a  b");
    assert_int_equal(all[1].run.command.heredoc_count, 1);
    assert_false(all[2].command.shell);
    assert_int_equal(all[2].command.args.count, 2);
    assert_false(all[3].command.shell);
    assert_int_equal(all[3].command.args.count, 0);
    assert_true(all[4].command.shell);
    assert_true(all[5].health.interval_ns == 90000000000LL);
    assert_true(all[5].health.timeout_ns == 1500000000LL);
    assert_int_equal(all[5].health.retries, 3);
    assert_string_equal(all[5].health.command.args.items[0], "x");
    assert_true(all[6].health.none);
    assert_string_equal(all[7].list.items[0], "80");
    assert_string_equal(all[9].text, "COPY <<E f\nx\nE");
    parsed_done(&p);
}

static void variables_are_expanded_where_they_may_be(void **state)
{
    (void)state;
    struct parsed p =
        parse("FROM a\nENV A=$X B=\"$A $X\"\nCOPY $X <<E ${X}/d\n$X \"q\" C:\\p\nE\n"
              "EXPOSE $P\nRUN --mount=type=cache,target=/$X,ro,id=$X echo $X\nUSER $X\n"
              "CMD [\"$X\"]\nVOLUME [\"C:\\\\a/$X\"]\nARG Q=$X R\nLABEL \"a b\"='c d'\n");
    struct wcow_env env = {0};
    struct wcow_arena arena = {0};
    assert_ok(wcow_env_set(&env, "X", "val", &err));
    assert_ok(wcow_env_set(&env, "P", "80 443/tcp", &err));
    struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    struct wcow_instruction got[9];
    for (size_t i = 0; i < 9; i++)
        assert_ok(wcow_instruction_expand(&p.file->stages[0].instructions[i], &lexer, &arena,
                                          &got[i], &err));
    assert_string_equal(got[0].pairs.items[0].value, "val");
    assert_string_equal(got[0].pairs.items[1].value, " val");
    assert_string_equal(got[1].copy.sources.items[0], "val");
    assert_string_equal(got[1].copy.dest, "val/d");
    assert_string_equal(got[1].copy.contents[0].content, "val \"q\" C:\\p\n");
    assert_int_equal(got[2].list.count, 2);
    assert_string_equal(got[2].list.items[1], "443/tcp");
    assert_string_equal(got[3].run.mounts[0].target, "/val");
    assert_string_equal(got[3].run.mounts[0].id, "val");
    assert_true(got[3].run.mounts[0].read_only);
    assert_string_equal(got[3].run.command.args.items[0], "echo $X");
    assert_string_equal(got[4].text, "val");
    assert_string_equal(got[5].command.args.items[0], "$X");
    assert_string_equal(got[6].list.items[0], "C:\\a/val");
    assert_string_equal(got[7].pairs.items[0].value, "$X"); /* see wcow_arg_value() */
    assert_null(got[7].pairs.items[1].value);
    assert_string_equal(got[8].pairs.items[0].key, "a b");
    assert_string_equal(got[8].pairs.items[0].value, "c d");
    wcow_arena_done(&arena);
    wcow_env_done(&env);
    parsed_done(&p);
}

static void mounts_have_defaults(void **state)
{
    (void)state;
    struct parsed p = parse("FROM a\nRUN --mount=target=/x --mount=type=cache,dst=/c "
                            "--mount=type=secret,target=/run/s/tok,required "
                            "--mount=type=ssh --mount=type=tmpfs,target=/t,size=64m "
                            "--mount=\\\"target=/a,b\\\",rw x\n");
    struct wcow_arena arena = {0};
    struct wcow_lexer lexer = {.escape = '\\'};
    struct wcow_instruction got;
    assert_ok(
        wcow_instruction_expand(&p.file->stages[0].instructions[0], &lexer, &arena, &got, &err));
    const struct wcow_run_mount *m = got.run.mounts;
    assert_int_equal(got.run.mount_count, 6);
    assert_int_equal(m[0].type, WCOW_MOUNT_BIND);
    assert_true(m[0].read_only);
    assert_string_equal(m[1].id, "/c");
    assert_false(m[1].read_only);
    assert_string_equal(m[2].id, "tok");
    assert_true(m[2].required);
    assert_string_equal(m[3].id, "default");
    assert_true(m[4].size_bytes == 64 << 20);
    assert_string_equal(m[5].target, "/a,b");
    assert_false(m[5].read_only);
    wcow_arena_done(&arena);
    parsed_done(&p);
}

static void a_mount_without_a_target_is_for_the_working_directory(void **state)
{
    (void)state;
    WCOW_CLEANUP(parsed_done)
    struct parsed p = parse("FROM a AS b\nFROM c\nRUN --mount=from=b --mount=type=cache "
                            "--mount=type=cache,target=C:/x/./y/ --mount=from=b,target=$T x\n");
    const struct wcow_run *written = &p.file->stages[1].instructions[0].run;
    assert_int_equal(written->mount_count, 4); /* before anything is expanded */
    assert_string_equal(written->mounts[0].from, "b");
    assert_string_equal(written->mounts[3].from, "b");
    struct wcow_instruction got = {0};
    struct wcow_env env = {0};
    const struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    assert_ok(wcow_instruction_expand(&p.file->stages[1].instructions[0], &lexer, &p.file->arena,
                                      &got, &err));
    assert_string_equal(got.run.mounts[0].target, "");
    assert_string_equal(got.run.mounts[1].target, "");
    assert_string_equal(got.run.mounts[2].id, "C:/x/y");
}

static void an_arg_sees_those_before_it(void **state)
{
    (void)state;
    WCOW_CLEANUP(parsed_done)
    struct parsed p = parse("FROM a\nARG one=1 two=$one bad=${x:?no} three\n");
    const struct wcow_pairs *pairs = &p.file->stages[0].instructions[0].pairs;
    struct wcow_env env = {0};
    struct wcow_env given = {0};
    struct wcow_env globals = {0};
    const struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    const struct wcow_arg_scope scope = {&given, &globals, &lexer};
    const char *value = NULL;
    assert_ok(wcow_env_set(&globals, "three", "3", &err));
    assert_ok(wcow_arg_value(&scope, &pairs->items[0], &p.file->arena, &value, &err));
    assert_ok(wcow_env_set(&env, "one", value, &err));
    assert_ok(wcow_arg_value(&scope, &pairs->items[1], &p.file->arena, &value, &err));
    assert_string_equal(value, "1");
    assert_fails(wcow_arg_value(&scope, &pairs->items[2], &p.file->arena, &value, &err),
                 WCOW_E_INVALID);
    assert_ok(wcow_env_set(&given, "bad", "good", &err)); /* its default is not looked at then */
    assert_ok(wcow_arg_value(&scope, &pairs->items[2], &p.file->arena, &value, &err));
    assert_string_equal(value, "good");
    assert_ok(wcow_arg_value(&scope, &pairs->items[3], &p.file->arena, &value, &err));
    assert_string_equal(value, "3");
    wcow_env_done(&env);
    wcow_env_done(&given);
    wcow_env_done(&globals);
}

static void triggers_are_typed(void **state)
{
    (void)state;
    struct parsed p = parse("FROM a\n");
    const struct wcow_instruction *ins = NULL;
    assert_ok(wcow_build_file_add_trigger(p.file, "COPY . C:/app", &ins, &err));
    assert_int_equal(ins->kind, WCOW_INS_COPY);
    assert_ok(wcow_build_file_add_trigger(p.file, "COPY <<E f\nx\nE", &ins, &err));
    assert_string_equal(ins->copy.contents[0].content, "x\n");
    assert_fails(wcow_build_file_add_trigger(p.file, "FROM b", &ins, &err), WCOW_E_INVALID);
    assert_fails(wcow_build_file_add_trigger(p.file, "RUN x\nRUN y", &ins, &err), WCOW_E_INVALID);
    assert_fails(wcow_build_file_add_trigger(p.file, "", &ins, &err), WCOW_E_INVALID);
    parsed_done(&p);
}

static void durations_and_sizes_are_read(void **state)
{
    (void)state;
    int64_t n = 0;
    assert_ok(wcow_parse_duration("1h2m3s4ms5us6ns", &n, &err));
    assert_true(n == 3723004005006LL);
    assert_ok(wcow_parse_duration("-1.5h", &n, &err));
    assert_true(n == -5400000000000LL);
    assert_ok(wcow_parse_duration("0", &n, &err));
    assert_true(n == 0);
    static const char *const bad[] = {"", "1", "s", "1x", ".s", "1s ", "99999999999h"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(wcow_parse_duration(bad[i], &n, &err), WCOW_E_INVALID);
    assert_ok(wcow_parse_size("1.5GiB", &n, &err));
    assert_true(n == 3LL << 29);
    assert_ok(wcow_parse_size("10", &n, &err));
    assert_true(n == 10);
    assert_fails(wcow_parse_size("k", &n, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_names_and_from_are_explained),
        cmocka_unit_test(mistakes_in_copy_and_add_are_explained),
        cmocka_unit_test(mistakes_in_run_are_explained),
        cmocka_unit_test(mistakes_in_other_instructions_are_explained),
        cmocka_unit_test(only_arg_may_stand_before_from),
        cmocka_unit_test(stages_are_found),
        cmocka_unit_test(copies_and_adds_are_typed),
        cmocka_unit_test(commands_and_checks_are_typed),
        cmocka_unit_test(variables_are_expanded_where_they_may_be),
        cmocka_unit_test(mounts_have_defaults),
        cmocka_unit_test(a_mount_without_a_target_is_for_the_working_directory),
        cmocka_unit_test(an_arg_sees_those_before_it),
        cmocka_unit_test(triggers_are_typed),
        cmocka_unit_test(durations_and_sizes_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
