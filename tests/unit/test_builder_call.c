/* SPDX-License-Identifier: Apache-2.0 */
/* --check and --call as the command asks for them: no containerd, no registry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/build.h"
#include "wcow_test.h"

static char folder[] = "/tmp/wcow-call.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

struct answer {
    int code;
    struct wcow_buf out;
    struct wcow_error err;
};

static void answer_done(struct answer *a)
{
    wcow_buf_done(&a->out);
}

static struct answer ask(const char *call, const char *text)
{
    struct answer a = {0};
    char path[64];
    (void)snprintf(path, sizeof path, "%s/Dockerfile", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    const struct wcow_build_options options = {.context = folder};
    wcow_autobuf excerpt = {0};
    a.code = wcow_build_call(&options, call, &a.out, &excerpt, &a.err);
    assert_ok(wcow_buf_add(&a.out, "", 1, &a.err));
    assert_int_equal(unlink(path), 0);
    return a;
}

static const char *text_of(const struct answer *a)
{
    return (const char *)a->out.data;
}

static void a_parse_tree_is_printed_of_what_is_no_build(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "CMD []",                                 /* before the first FROM */
        "FROM scratch\nCOPY --user=me foo /tmp/", /* a flag that COPY does not know */
        "FROM scratch\nHEALTHCHECK",              /* without its argument */
        "INVALID what",                           /* no instruction */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        WCOW_CLEANUP(answer_done) struct answer a = ask("ast", cases[i]);
        if (a.code != WCOW_OK || !strstr(text_of(&a), "\"instructions\""))
            fail_msg("%s: %s", cases[i], a.err.msg);
        answer_done(&a);
        a = ask("targets", cases[i]);
        assert_int_equal(a.code, WCOW_E_INVALID);
    }
}

static void a_text_is_no_command_to_a_terminal(void **state)
{
    (void)state;
    static const char dockerfile[] = "FROM scratch AS t\nARG A=\033]0;x\007\nCMD x\n";
    WCOW_CLEANUP(answer_done) struct answer a = ask("outline", dockerfile);
    assert_int_equal(a.code, WCOW_OK);
    assert_null(strchr(text_of(&a), '\033'));
    assert_non_null(strstr(text_of(&a), "?]0;x?"));
    answer_done(&a);
    a = ask("outline,format=json", dockerfile);
    assert_non_null(strstr(text_of(&a), "\\u001B]0;x"));
}

static void what_is_wrong_whatever_the_base_is_said_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"FROM a AS s\nCOPY --from=s x /", "circular dependency detected on stage: s"},
        {"FROM a\nCOPY --from=t x /\nFROM b AS t", "it needs to be defined before"},
        {"FROM a\nCOPY https://registry.example.com/x /", "source can't be a URL for COPY"},
        {"ARG V\nFROM $V", "base name ($V) should not be blank"},
        {"ARG V\nFROM a:$V", "failed to parse stage name \"a:\""},
        {"FROM --platform=$NOPE a", "empty platform value from expression $NOPE"},
        {"FROM a\nCOPY --chmod=64a x /", "chmod"},
        {"FROM a\nADD --checksum=sha256:00 x /", "checksum requires HTTP(S) or Git sources"},
        {"FROM a\nWORKDIR D:/x", "not on the system drive (C:)"},
        {"FROM a\nCOPY x C:", "no relative path specified"},
        {"FROM a\nRUN --mount=from=t,target=$x y\nFROM b AS t", "needs to be defined before"},
        {"FROM a\nENV b='c", "a single quote has no end"},
        {"FROM a\nARG b=\"c", "a double quote has no end"},
        {"FROM a\nLABEL b=${c^}", "unsupported modifier (^)"},
        {"FROM a\nLABEL b=${c\u20ac}", "unsupported modifier (\u20ac)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        WCOW_CLEANUP(answer_done) struct answer a = ask("outline", cases[i].text);
        if (a.code >= 0 || !strstr(a.err.msg, cases[i].want))
            fail_msg("%s: got %s, wanted %s", cases[i].text, a.err.msg, cases[i].want);
        answer_done(&a);
        a = ask("check,format=json", cases[i].text);
        assert_int_equal(a.code, WCOW_E_INVALID);
        assert_non_null(strstr(text_of(&a), "\"buildError\""));
    }
}

static void variables_wait_for_their_step(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "FROM a\nARG M\nCOPY --chmod=$M x /",     "FROM a\nARG U\nADD --checksum=sha256:00 $U /",
        "FROM a\nARG D\nWORKDIR $D:/x",           "FROM --platform=linux/amd64 a\nWORKDIR D:/x",
        "FROM a AS s\nFROM b\nCOPY --from=S x /",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        WCOW_CLEANUP(answer_done) struct answer a = ask("outline", cases[i]);
        if (a.code != WCOW_OK)
            fail_msg("%s: %s", cases[i], a.err.msg);
    }
}

static void an_outline_has_what_the_target_uses(void **state)
{
    (void)state;
    WCOW_CLEANUP(answer_done)
    struct answer a = ask("outline,format=json", "ARG UNUSED=1\nARG BASE=a\nARG TAG=${BASE}1\n"
                                                 "FROM b:$TAG\nARG TARGETARCH\nARG X=1\nARG X=2\n"
                                                 "RUN --mount=type=secret,id=s,required x");
    assert_int_equal(a.code, WCOW_OK);
    assert_null(strstr(text_of(&a), "UNUSED"));
    assert_null(strstr(text_of(&a), "TARGETARCH"));
    assert_non_null(strstr(text_of(&a), "\"BASE\"")); /* through TAG */
    assert_non_null(strstr(text_of(&a), "\"a1\""));
    assert_non_null(strstr(text_of(&a), "\"value\": \"2\"")); /* the last X */
    assert_null(strstr(text_of(&a), "\"value\": \"1\""));
    assert_non_null(strstr(text_of(&a), "\"required\": true"));
}

static void an_outline_follows_mounts(void **state)
{
    (void)state;
    WCOW_CLEANUP(answer_done)
    struct answer a = ask("outline,format=json", "FROM a AS tools\nARG VERSION=7\nFROM b\n"
                                                 "RUN --mount=from=tools,target=C:/t x");
    assert_int_equal(a.code, WCOW_OK);
    assert_non_null(strstr(text_of(&a), "\"VERSION\""));
}

static void warnings_that_are_errors_end_a_check(void **state)
{
    (void)state;
    WCOW_CLEANUP(answer_done)
    struct answer a = ask("check,format=json", "# check=error=true\nFROM a\nENV b c\nCMD x\nCMD x");
    assert_int_equal(a.code, WCOW_E_PRECONDITION);
    assert_non_null(strstr(text_of(&a), "\"message\": \"lint violation found for rules: "
                                        "LegacyKeyValueFormat, JSONArgsRecommended, "
                                        "MultipleInstructionsDisallowed\""));
}

static void checks_tell_rule_place_and_where_to_read_more(void **state)
{
    (void)state;
    WCOW_CLEANUP(answer_done) struct answer a = ask("check", "FROM a\nCMD x\nENV b c\n");
    assert_int_equal(a.code, WCOW_E_PRECONDITION);
    assert_non_null(strstr(text_of(&a), "2 warnings have been found!"));
    assert_non_null(strstr(text_of(&a), "WARNING: JSONArgsRecommended - "
                                        "https://docs.docker.com/go/dockerfile/rule/"
                                        "json-args-recommended/\n"));
    assert_non_null(strstr(text_of(&a), "   3 | >>> ENV b c\n"));
    answer_done(&a);
    a = ask("check,format=json", "FROM a\nCMD x\n");
    assert_int_equal(a.code, WCOW_E_PRECONDITION);
    assert_non_null(strstr(text_of(&a), "\"ruleName\": \"JSONArgsRecommended\""));
    answer_done(&a);
    a = ask("check", "FROM a\nCMD [x]\n");
    assert_non_null(strstr(text_of(&a), "OS signals (what begins with [ is no valid JSON"));
    answer_done(&a);
    a = ask("check,format=json", "FROM a\nCMD [x]\n");
    assert_non_null(strstr(text_of(&a), "OS signals\""));
    answer_done(&a);
    a = ask("check", "FROM a\n# check=skip=JSONArgsRecommended // on purpose\nCMD x\n");
    assert_int_equal(a.code, WCOW_OK);
    assert_string_equal(text_of(&a), "Check complete, no warnings found.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parse_tree_is_printed_of_what_is_no_build),
        cmocka_unit_test(a_text_is_no_command_to_a_terminal),
        cmocka_unit_test(what_is_wrong_whatever_the_base_is_said_at_once),
        cmocka_unit_test(variables_wait_for_their_step),
        cmocka_unit_test(an_outline_has_what_the_target_uses),
        cmocka_unit_test(an_outline_follows_mounts),
        cmocka_unit_test(warnings_that_are_errors_end_a_check),
        cmocka_unit_test(checks_tell_rule_place_and_where_to_read_more),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
