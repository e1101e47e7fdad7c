/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "builder/words.h"
#include "wcow_test.h"

struct expand_case {
    const char *word;
    const char *want; /* NULL: an error */
};

static const char *const variables[] = {
    "HOME=C:\\Users\\me",      "PATH=a:b:c",     "EMPTY=",     "X=x",
    "FILE=dir/archive.tar.gz", "SPACED=one two", "STARS=a*b*c"};

static struct wcow_env make_env(void)
{
    struct wcow_env env = {0};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        assert_ok(wcow_env_set_pair(&env, variables[i], &err));
    return env;
}

static void check_one(const struct wcow_lexer *lexer, const struct expand_case *c)
{
    struct wcow_arena arena = {0};
    const char *got = "";
    struct wcow_error e = {0};
    int r = wcow_words_expand(lexer, c->word, &arena, &got, &e);
    assert_int_equal(r, c->want ? WCOW_OK : WCOW_E_INVALID);
    assert_int_equal(e.msg[0] == '\0', c->want != NULL);
    if (c->want && strcmp(got, c->want) != 0)
        fail_msg("%s: got '%s', wanted '%s'", c->word, got, c->want);
    wcow_arena_done(&arena);
}

static void check(char escape, const struct expand_case *cases, size_t count)
{
    struct wcow_env env = make_env();
    struct wcow_lexer lexer = wcow_lexer_of(escape, &env);
    for (size_t i = 0; i < count; i++)
        check_one(&lexer, &cases[i]);
    wcow_env_done(&env);
}

#define CHECK(escape, cases) check((escape), (cases), sizeof(cases) / sizeof *(cases))

static void quotes_and_escapes(void **state)
{
    (void)state;
    static const struct expand_case cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"two words", "two words"},
        {"'single'", "single"},
        {"\"double\"", "double"},
        {"a'b'c\"d\"e", "abcde"},
        {"'$X'", "$X"},
        {"\"$X\"", "x"},
        {"\"'$X'\"", "'x'"},
        {"'\"$X\"'", "\"$X\""},
        {"\\$X", "$X"},
        {"\\\\", "\\"},
        {"a\\b", "ab"},
        {"end\\", "end"},
        {"\"a\\b\"", "a\\b"},
        {"\"a\\\"b\"", "a\"b"},
        {"\"a\\\\b\"", "a\\b"},
        {"\"\\$X\"", "$X"},
        {"'a\\'", "a\\"},
        {"'open", NULL},
        {"\"open", NULL},
        {"\"open\\\"", NULL},
        {"a < b << c", "a < b << c"},
    };
    CHECK('\\', cases);
}

static void backtick_escape_leaves_backslashes_alone(void **state)
{
    (void)state;
    static const struct expand_case cases[] = {
        {"C:\\app\\$X", "C:\\app\\x"},
        {"`$X", "$X"},
        {"``", "`"},
        {"\"C:\\dir\\\"", "C:\\dir\\"},
        {"\"a`\"b\"", "a\"b"},
        {"$HOME\\bin", "C:\\Users\\me\\bin"},
        {"\\\\server\\share", "\\\\server\\share"},
        {"${HOME#C:\\}", "Users\\me"},
    };
    CHECK('`', cases);
}

static void simple_variables(void **state)
{
    (void)state;
    static const struct expand_case cases[] = {
        {"$X", "x"},
        {"${X}", "x"},
        {"a${X}b", "axb"},
        {"$X$X", "xx"},
        {"$XY", ""},
        {"${X}Y", "xY"},
        {"$X.y", "x.y"},
        {"$X-y", "x-y"},
        {"$UNSET", ""},
        {"a$UNSET.b", "a.b"},
        {"$", "$"},
        {"a$", "a$"},
        {"$.", "$."},
        {"$1", ""},
        {"$12x", "x"},
        {"$$X", "X"},
        {"$@a", "a"},
        {"${1:-d}", "d"},
        {"$\xc3\xa9t\xc3\xa9", ""},
        {"${}", NULL},
        {"${", NULL},
        {"${X", NULL},
        {"${{X}}", NULL},
        {"${:X}", NULL},
        {"${.}", NULL},
        {"${X=y}", NULL},
        {"${X:=y}", NULL},
        {"${X:z}", NULL},
        {"${X:", NULL},
        {"${X^}", NULL},
        {"${X:#a}", NULL},
        {"${X:%a}", NULL},
    };
    CHECK('\\', cases);
}

static void defaults_and_alternatives(void **state)
{
    (void)state;
    static const struct expand_case cases[] = {
        {"${X:-d}", "x"},
        {"${X-d}", "x"},
        {"${UNSET:-d}", "d"},
        {"${UNSET-d}", "d"},
        {"${EMPTY:-d}", "d"},
        {"${EMPTY-d}", ""},
        {"${X:+d}", "d"},
        {"${X+d}", "d"},
        {"${UNSET:+d}", ""},
        {"${UNSET+d}", ""},
        {"${EMPTY:+d}", ""},
        {"${EMPTY+d}", "d"},
        {"${UNSET:-}", ""},
        {"${UNSET:-$X}", "x"},
        {"${UNSET:-${EMPTY:-${X}}}", "x"},
        {"${UNSET:-\\$X}", "$X"},
        {"${UNSET:-\\}}", "}"},
        {"${UNSET:-'a b'}", "a b"},
        {"${UNSET:-\"$X\"}", "x"},
        {"${UNSET:-a:b-c+d?e}", "a:b-c+d?e"},
        {"${X:?must be}", "x"},
        {"${EMPTY?must be}", ""},
        {"${EMPTY:?must be}", NULL},
        {"${UNSET:?must be}", NULL},
        {"${UNSET?must be}", NULL},
        {"${UNSET:?}", NULL},
        {"${UNSET:-d", NULL},
        {"${UNSET:-'d}", NULL},
    };
    CHECK('\\', cases);
}

static void patterns(void **state)
{
    (void)state;
    static const struct expand_case cases[] = {
        {"${FILE#*/}", "archive.tar.gz"},
        {"${FILE##*.}", "gz"},
        {"${FILE#*.}", "tar.gz"},
        {"${FILE%.*}", "dir/archive.tar"},
        {"${FILE%%.*}", "dir/archive"},
        {"${FILE#none}", "dir/archive.tar.gz"},
        {"${FILE%none}", "dir/archive.tar.gz"},
        {"${FILE#}", "dir/archive.tar.gz"},
        {"${PATH#?:}", "b:c"},
        {"${PATH%:?}", "a:b"},
        {"${PATH%%:*}", "a"},
        {"${PATH##*}", ""},
        {"${PATH%%*}", ""},
        {"${STARS#a\\*}", "b*c"},
        {"${STARS%\\*c}", "a*b"},
        {"${UNSET#a}", ""},
        {"${EMPTY##*}", ""},
        {"${PATH/:/;}", "a;b:c"},
        {"${PATH//:/;}", "a;b;c"},
        {"${PATH//:/}", "abc"},
        {"${PATH/b*/z}", "a:z"},
        {"${PATH/?/z}", "z:b:c"},
        {"${PATH//?/z}", "zzzzz"},
        {"${PATH/none/z}", "a:b:c"},
        {"${PATH//*/z}", "z"},
        {"${FILE/\\//_}", "dir_archive.tar.gz"},
        {"${STARS//\\*/+}", "a+b+c"},
        {"${PATH/:/$X}", "axb:c"},
        {"${UNSET/a/b}", ""},
        {"${X#\\x}", NULL},
        {"${X/a", NULL},
        {"${X/a/b", NULL},
        {"${X/\\q/b}", NULL},
    };
    CHECK('\\', cases);
}

struct split_case {
    const char *word;
    const char *want; /* words with | between */
};

static void splits_into_words(void **state)
{
    (void)state;
    static const struct split_case cases[] = {
        {"a b", "a|b"},
        {"  a\t b  ", "a|b"},
        {"'a b' c", "a b|c"},
        {"\"a b\"c d", "a bc|d"},
        {"a\\ b", "a b"},
        {"$SPACED", "one|two"},
        {"x$SPACED.y", "xone|two.y"},
        {"\"$SPACED\"", "one two"},
        {"'' a", "a"},
        {"$EMPTY", ""},
        {"a${UNSET:-b}c", "abc"},
        {"<< EOF x", "<< EOF|x"},
        {"a\xc2\xa0"
         "b",
         "a|b"},
    };
    struct wcow_env env = make_env();
    struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_arena arena = {0};
        struct wcow_strings words = {0};
        wcow_autobuf got = {0};
        assert_ok(wcow_words_split(&lexer, cases[i].word, &arena, &words, &err));
        for (size_t k = 0; k < words.count; k++)
            assert_ok(wcow_buf_addf(&got, &err, "%s%s", k ? "|" : "", words.items[k]));
        assert_string_equal(words.count ? (const char *)got.data : "", cases[i].want);
        wcow_arena_done(&arena);
    }
    wcow_env_done(&env);
}

static void heredoc_content_keeps_quotes_and_backslashes(void **state)
{
    (void)state;
    struct wcow_env env = make_env();
    struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    struct wcow_arena arena = {0};
    const char *got = NULL;
    lexer.heredoc = true;
    assert_ok(
        wcow_words_expand(&lexer, "cd C:\\x \"$X\" 'it''s' \\$X C:\\\\y\r\n", &arena, &got, &err));
    assert_string_equal(got, "cd C:\\x \"x\" 'it''s' $X C:\\\\y\r\n");
    wcow_arena_done(&arena);
    wcow_env_done(&env);
}

static void too_deep_is_refused(void **state)
{
    (void)state;
    wcow_autobuf word = {0};
    for (size_t i = 0; i < 300; i++)
        assert_ok(wcow_buf_add_str(&word, "${a:-", &err));
    struct wcow_lexer lexer = {.escape = '\\'};
    struct wcow_arena arena = {0};
    const char *got = NULL;
    assert_fails(wcow_words_expand(&lexer, (const char *)word.data, &arena, &got, &err),
                 WCOW_E_LIMIT);
    wcow_arena_done(&arena);
}

static void a_long_pattern_takes_no_long_time(void **state)
{
    (void)state;
    struct wcow_env env = {0};
    static char value[20001];
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    assert_ok(wcow_env_set(&env, "V", value, &err));
    struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    struct wcow_arena arena = {0};
    const char *got = NULL;
    assert_ok(wcow_words_expand(&lexer, "${V//*a*a*a*a*a*a*a*a*b/x}", &arena, &got, &err));
    assert_string_equal(got, value);
    wcow_arena_done(&arena);
    wcow_env_done(&env);
}

/* A pattern that came of a substitution may be as long as a word may be. */
static void a_huge_pattern_on_a_huge_value_is_refused(void **state)
{
    (void)state;
    struct wcow_env env = {0};
    static char value[500001];
    memset(value, 'a', sizeof value - 1);
    assert_ok(wcow_env_set(&env, "V", value, &err));
    struct wcow_lexer lexer = wcow_lexer_of('\\', &env);
    struct wcow_arena arena = {0};
    const char *got = NULL;
    assert_fails(wcow_words_expand(&lexer, "${V//${V}/x}", &arena, &got, &err), WCOW_E_LIMIT);
    assert_ok(wcow_env_set(&env, "W", "a", &err));
    assert_ok(wcow_words_expand(&lexer, "${W//${V}/x}", &arena, &got, &err));
    assert_string_equal(got, "a");
    wcow_arena_done(&arena);
    wcow_env_done(&env);
}

static void names_of_windows_ignore_case(void **state)
{
    (void)state;
    struct wcow_env env = {.ignore_case = true};
    assert_ok(wcow_env_set(&env, "Path", "one", &err));
    assert_ok(wcow_env_set(&env, "PATH", "two", &err));
    assert_int_equal(env.count, 1);
    assert_string_equal(env.vars[0].name, "Path");
    assert_string_equal(wcow_env_get(&env, "path"), "two");
    wcow_env_unset(&env, "pAtH");
    assert_null(wcow_env_get(&env, "Path"));
    wcow_env_done(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_and_escapes),
        cmocka_unit_test(backtick_escape_leaves_backslashes_alone),
        cmocka_unit_test(simple_variables),
        cmocka_unit_test(defaults_and_alternatives),
        cmocka_unit_test(patterns),
        cmocka_unit_test(splits_into_words),
        cmocka_unit_test(heredoc_content_keeps_quotes_and_backslashes),
        cmocka_unit_test(too_deep_is_refused),
        cmocka_unit_test(a_long_pattern_takes_no_long_time),
        cmocka_unit_test(a_huge_pattern_on_a_huge_value_is_refused),
        cmocka_unit_test(names_of_windows_ignore_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
