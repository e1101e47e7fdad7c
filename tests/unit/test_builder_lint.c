/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "builder/lint.h"
#include "builder/outline.h"
#include "wcow_test.h"

/* "Rule:line Rule:line" of a Dockerfile. */
static void check(const char *text, const char *ignored, const char *want)
{
    struct wcow_dockerfile *dockerfile = NULL;
    struct wcow_build_file *file = NULL;
    struct wcow_lint_report *report = NULL;
    struct wcow_ignore *ignore = NULL;
    struct wcow_lint_input input = {0};
    assert_ok(wcow_dockerfile_parse(text, strlen(text), &dockerfile, NULL, &err));
    assert_ok(wcow_build_file_new(dockerfile, &file, NULL, &err));
    if (ignored)
        assert_ok(wcow_ignore_parse(ignored, strlen(ignored), &ignore, &err));
    input.ignore = ignore;
    assert_ok(wcow_lint_run(file, &input, &report, &err));
    wcow_autobuf got = {0};
    assert_ok(wcow_buf_add_str(&got, "", &err));
    for (size_t i = 0; i < report->count; i++)
        assert_ok(wcow_buf_addf(&got, &err, "%s%s:%u", i ? " " : "",
                                wcow_lint_rule_name(report->warnings[i].rule),
                                report->warnings[i].where.first));
    if (strcmp((const char *)got.data, want) != 0)
        fail_msg("%s:\ngot    %s\nwanted %s", text, (const char *)got.data, want);
    wcow_lint_report_free(report);
    wcow_ignore_free(ignore);
    wcow_build_file_free(file);
    wcow_dockerfile_free(dockerfile);
}

static const struct wcow_env *known_of_a(void *ctx, const char *image)
{
    return strcmp(image, "a") == 0 ? ctx : NULL;
}

static void variables_of_bases_count_where_they_are_known(void **state)
{
    (void)state;
    static const char text[] = "FROM a AS x\nLABEL l=$V m=$N\nFROM b AS y\nLABEL l=$V m=$N\n"
                               "FROM y\nLABEL l=$N\nFROM scratch\nLABEL l=$V\n";
    struct wcow_dockerfile *dockerfile = NULL;
    struct wcow_build_file *file = NULL;
    struct wcow_lint_report *report = NULL;
    struct wcow_env env = {0};
    assert_ok(wcow_env_set(&env, "V", "1", &err));
    const struct wcow_lint_input input = {.base_env = known_of_a, .base_env_ctx = &env};
    assert_ok(wcow_dockerfile_parse(text, strlen(text), &dockerfile, NULL, &err));
    assert_ok(wcow_build_file_new(dockerfile, &file, NULL, &err));
    assert_ok(wcow_lint_run(file, &input, &report, &err));
    assert_int_equal(report->count, 2);
    assert_int_equal(report->warnings[0].where.first, 2); /* $N of a, which is known */
    assert_non_null(strstr(report->warnings[0].detail, "'$N'"));
    assert_int_equal(report->warnings[1].where.first, 8); /* $V of scratch, which has none */
    wcow_lint_report_free(report);
    wcow_build_file_free(file);
    wcow_dockerfile_free(dockerfile);
    wcow_env_done(&env);
}

static bool second_is_of_linux(void *ctx, size_t stage, struct wcow_lint_platforms *ret)
{
    (void)ctx;
    *ret = (struct wcow_lint_platforms){.is = "linux/amd64", .wanted = "windows/amd64"};
    return stage == 1;
}

static void a_base_for_another_platform_is_told_where_it_is_known(void **state)
{
    (void)state;
    static const char text[] = "FROM a AS x\nFROM b:1 AS y\nFROM y\n";
    struct wcow_dockerfile *dockerfile = NULL;
    struct wcow_build_file *file = NULL;
    struct wcow_lint_report *report = NULL;
    const struct wcow_lint_input input = {.base_platform = second_is_of_linux};
    assert_ok(wcow_dockerfile_parse(text, strlen(text), &dockerfile, NULL, &err));
    assert_ok(wcow_build_file_new(dockerfile, &file, NULL, &err));
    assert_ok(wcow_lint_run(file, &input, &report, &err));
    assert_int_equal(report->count, 1);
    assert_int_equal(report->warnings[0].where.first, 2);
    assert_string_equal(report->warnings[0].detail,
                        "Base image b:1 was pulled with platform \"linux/amd64\", expected "
                        "\"windows/amd64\" for current build");
    wcow_lint_report_free(report);
    wcow_build_file_free(file);
    wcow_dockerfile_free(dockerfile);
}

static void each_rule_finds_its_case(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"FROM a AS b\nRUN x", NULL, ""},
        {"FROM a AS B", NULL, "StageNameCasing:1"},
        {"FROM a as b", NULL, "FromAsCasing:1"},
        {"from a as b", NULL, ""},
        {"FROM a\nRUN x \\\n\ny", NULL, "NoEmptyContinuation:4"},
        {"FROM a\nrun x\nUSER y", NULL, "ConsistentInstructionCasing:2"},
        {"FROM a\nRun x", NULL, "ConsistentInstructionCasing:2"},
        {"FROM a AS b\nFROM c AS b", NULL, "DuplicateStageName:2"},
        {"FROM a AS scratch", NULL, "ReservedStageName:1"},
        {"FROM a\nCMD x", NULL, "JSONArgsRecommended:2"},
        {"FROM a\nSHELL [\"powershell\"]\nCMD x", NULL, ""},
        {"FROM a\nCMD [\"x\"]", NULL, ""},
        {"FROM a\nMAINTAINER x", NULL, "MaintainerDeprecated:2"},
        {"ARG V=1\nFROM a:$V", NULL, ""},
        {"ARG V=1\nFROM a:${U}x", NULL, "UndefinedArgInFrom:2"},
        {"FROM a\nWORKDIR b", NULL, "WorkdirRelativePath:2"},
        {"FROM a\nWORKDIR /b\nWORKDIR c", NULL, ""},
        {"# escape=`\nFROM a\nWORKDIR C:\\b", NULL, ""},
        {"FROM a\nWORKDIR \\b", NULL, "WorkdirRelativePath:2"}, /* \b is b under this escape */
        {"FROM a\nARG D=/b\nWORKDIR $D", NULL, ""},
        {"FROM a\nARG D=b\nWORKDIR $D", NULL, "WorkdirRelativePath:3"},
        {"FROM a AS x\nWORKDIR /b\nFROM x\nWORKDIR c", NULL, ""},
        {"FROM a\nARG x=1 y=$x z=$nope", NULL, "UndefinedVar:2"},
        {"FROM a\nCOPY $x /", NULL, "UndefinedVar:2"},
        {"FROM a\nARG x\nCOPY $x /", NULL, ""},
        {"FROM a\nENV Foo=1\nUSER $FOO", NULL, ""},
        {"FROM a\nENV PATH=$PATH;/b", NULL, ""},
        {"FROM a AS b\nONBUILD ENV x=1\nFROM b\nUSER $x", NULL, ""},
        {"FROM a\nCMD [\"x\"]\nCMD [\"y\"]", NULL, "MultipleInstructionsDisallowed:2"},
        {"FROM a\nENV b c", NULL, "LegacyKeyValueFormat:2"},
        {"FROM --platform=$TARGETPLATFORM a", NULL, "RedundantTargetPlatform:1"},
        {"FROM --platform=$BUILDPLATFORM a", NULL, ""},
        {"FROM --platform=windows/amd64 a", NULL, "FromPlatformFlagConstDisallowed:1"},
        {"FROM --platform=windows/amd64 a AS b_windows", NULL, ""},
        {"FROM a\nARG API_TOKEN\nENV PUBLIC_KEY=x", NULL, "SecretsUsedInArgOrEnv:2"},
        {"ARG V\nFROM a:$V", NULL, "InvalidDefaultArgInFrom:2"},
        {"FROM a\nCOPY x y /", "x", "CopyIgnoredFile:2"},
        {"FROM a\nCOPY x /", "*\n!x", ""},
        {"FROM a\nCOPY --from=b x /", "x", ""},
        {"# check=experimental=all\nFROM a\n# what\nARG b", NULL, "InvalidDefinitionDescription:4"},
        {"# what\nFROM a AS b", NULL, ""},
        {"FROM a\nEXPOSE 80/TCP", NULL, "ExposeProtoCasing:2"},
        {"FROM a\nEXPOSE 127.0.0.1:80:80", NULL, "ExposeInvalidFormat:2"},
        {"# check=skip=all\nFROM a AS B", NULL, ""},
        {"# check=skip=StageNameCasing,FromAsCasing\nFROM a as B", NULL, ""},
        {"ARG X=1\n# check=skip=StageNameCasing\nFROM a AS B", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i][0], cases[i][1], cases[i][2]);
}

static void options_are_read(void **state)
{
    (void)state;
    struct wcow_lint_config config = {0};
    assert_ok(wcow_lint_config_parse(" skip = UndefinedVar , NoSuch ; error=true", &config, &err));
    assert_true(config.skip[WCOW_LINT_UNDEFINED_VAR]);
    assert_true(config.error);
    assert_false(config.skip_all);
    assert_fails(wcow_lint_config_parse("skip", &config, &err), WCOW_E_INVALID);
    assert_fails(wcow_lint_config_parse("error=perhaps", &config, &err), WCOW_E_INVALID);
    assert_fails(wcow_lint_config_parse("other=x", &config, &err), WCOW_E_INVALID);
}

static void the_excerpt_marks_the_lines(void **state)
{
    (void)state;
    static const char source[] = "1\n2\r\n3\n4\x1b[2J\n5\n6\n7\n";
    wcow_autobuf out = {0};
    struct wcow_line_range where = {3, 3};
    assert_ok(wcow_diagnostic_excerpt(&out, "D", source, sizeof source - 1, where, &err));
    assert_string_equal((const char *)out.data, "D:3\n--------------------\n"
                                                "   1 |     1\n"
                                                "   2 |     2\n"
                                                "   3 | >>> 3\n"
                                                "   4 |     4?[2J\n"
                                                "   5 |     5\n"
                                                "--------------------\n");
    out.len = 0;
    where = (struct wcow_line_range){0, 0};
    assert_ok(wcow_diagnostic_excerpt(&out, "D", source, sizeof source - 1, where, &err));
    assert_int_equal(out.len, 0);
}

/* A Dockerfile of two targets, read. */
struct read_file {
    struct wcow_dockerfile *dockerfile;
    struct wcow_build_file *file;
};

static void read_targets(struct read_file *ret)
{
    static const char text[] =
        "ARG G=1\nFROM a AS base\n# V the version\nARG V=${G}2\n# t it\nFROM base AS t\n"
        "RUN --mount=type=secret,id=s,required --mount=type=ssh x\nFROM b\nARG OTHER=1\n";
    assert_ok(wcow_dockerfile_parse(text, sizeof text - 1, &ret->dockerfile, NULL, &err));
    assert_ok(wcow_build_file_new(ret->dockerfile, &ret->file, NULL, &err));
}

static void read_done(struct read_file *read)
{
    wcow_build_file_free(read->file);
    wcow_dockerfile_free(read->dockerfile);
}

static void an_outline_names_what_a_target_takes(void **state)
{
    (void)state;
    struct read_file read = {0};
    read_targets(&read);
    struct wcow_outline_input input = {.target = "t", .json = true};
    char *got = NULL;
    assert_ok(wcow_outline_print(read.file, &input, &got, &err));
    assert_non_null(strstr(got, "\"description\": \"the version\""));
    assert_non_null(strstr(got, "\"required\": true"));
    assert_null(strstr(got, "OTHER"));
    assert_null(strstr(got, "sources"));
    free(got);
    read_done(&read);
}

static void locations_are_of_the_dockerfile_that_stands_beside(void **state)
{
    (void)state;
    struct read_file read = {0};
    read_targets(&read);
    uint8_t text[] = {'F', 'R', 'O', 'M'};
    struct wcow_buf source = {.data = text, .len = sizeof(text)};
    struct wcow_outline_input input = {.json = true, .source = &source};
    char *got = NULL;
    assert_ok(wcow_outline_targets(read.file, &input, &got, &err));
    assert_non_null(strstr(got, "\"sources\": [\n    \"RlJPTQ==\"\n  ]"));
    assert_non_null(strstr(got, "\"location\": {\n        \"ranges\": [\n"));
    free(got);
    read_done(&read);
}

static void an_outline_and_targets_can_be_read_by_people(void **state)
{
    (void)state;
    struct read_file read = {0};
    read_targets(&read);
    struct wcow_outline_input input = {.target = "t"};
    char *got = NULL;
    assert_ok(wcow_outline_print(read.file, &input, &got, &err));
    assert_string_equal(got, "TARGET:      t\nDESCRIPTION: it\n\n"
                             "BUILD ARG   VALUE   DESCRIPTION\n"
                             "V           2       the version\n\n"
                             "SECRET   REQUIRED\ns        true\n\n"
                             "SSH       REQUIRED\ndefault   \n\n");
    free(got);
    assert_ok(wcow_outline_targets(read.file, &input, &got, &err));
    assert_string_equal(got, "TARGET    DESCRIPTION\nbase      \nt         it\n(default) \n");
    free(got);
    read_done(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_for_another_platform_is_told_where_it_is_known),
        cmocka_unit_test(each_rule_finds_its_case),
        cmocka_unit_test(variables_of_bases_count_where_they_are_known),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(the_excerpt_marks_the_lines),
        cmocka_unit_test(an_outline_names_what_a_target_takes),
        cmocka_unit_test(locations_are_of_the_dockerfile_that_stands_beside),
        cmocka_unit_test(an_outline_and_targets_can_be_read_by_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
