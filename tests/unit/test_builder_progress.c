/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wcow_test.h"

/* What a small build looks like in one form. */
static void show(enum wcow_progress_mode mode, char *out, size_t size)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    struct wcow_progress *p = NULL;
    assert_ok(wcow_progress_new(mode, fileno(f), &p, &err));
    unsigned one = wcow_progress_start(p, "[1/2] FROM base");
    wcow_progress_status(p, one, "sha256:1", 500, 2000, false);
    wcow_progress_status(p, one, "sha256:1", 2000, 2000, true);
    wcow_progress_end(p, one, WCOW_PROGRESS_CACHED, NULL);
    unsigned two = wcow_progress_start(p, "[2/2] COPY a \"b\"");
    wcow_progress_log(p, two, "a line");
    wcow_progress_end(p, two, WCOW_PROGRESS_ERROR, "no a");
    wcow_progress_free(p);
    ssize_t n = pread(fileno(f), out, size - 1, 0);
    assert_true(n >= 0);
    out[n] = '\0';
    assert_int_equal(fclose(f), 0);
}

static void plain_is_lines(void **state)
{
    (void)state;
    char got[4096];
    show(WCOW_PROGRESS_PLAIN, got, sizeof(got));
    assert_string_equal(got, "#1 [1/2] FROM base\n"
                             "#1 sha256:1 2.00kB / 2.00kB 0.0s done\n"
                             "#1 CACHED\n"
                             "\n#2 [2/2] COPY a \"b\"\n"
                             "#2 0.000 a line\n"
                             "#2 ERROR: no a\n");
}

static void quiet_says_nothing(void **state)
{
    (void)state;
    char got[4096];
    show(WCOW_PROGRESS_QUIET, got, sizeof(got));
    assert_string_equal(got, "");
}

static void a_terminal_gets_the_whole_at_the_end(void **state)
{
    (void)state;
    static char got[65536];
    show(WCOW_PROGRESS_TTY, got, sizeof(got));
    assert_non_null(strstr(got, "(2/2) ERROR"));
    assert_non_null(strstr(got, " => CACHED [1/2] FROM base"));
    assert_non_null(strstr(got, " => => sha256:1 2.00kB / 2.00kB"));
    assert_non_null(strstr(got, " => ERROR [2/2] COPY a \"b\""));
}

static void rawjson_is_a_document_a_line(void **state)
{
    (void)state;
    char got[8192];
    show(WCOW_PROGRESS_RAWJSON, got, sizeof(got));
    assert_non_null(strstr(got, "\"name\":\"[2/2] COPY a \\\"b\\\"\""));
    assert_non_null(strstr(got, "\"cached\":true"));
    assert_non_null(strstr(got, "\"error\":\"no a\""));
    assert_non_null(strstr(got, "\"current\":2000,\"total\":2000"));
    assert_non_null(strstr(got, "\"data\":\"YSBsaW5lCg==\""));
}

static void sizes_are_decimal(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {
        {0, "0B"}, {999, "999B"}, {1000, "1.00kB"}, {2849000, "2.85MB"}, {UINT64_MAX, "18.45EB"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char got[16];
        wcow_progress_size(cases[i].bytes, got);
        assert_string_equal(got, cases[i].want);
    }
}

static void forms_have_names(void **state)
{
    (void)state;
    enum wcow_progress_mode mode = WCOW_PROGRESS_QUIET;
    assert_ok(wcow_progress_parse("rawjson", -1, &mode, &err));
    assert_int_equal(mode, WCOW_PROGRESS_RAWJSON);
    assert_ok(wcow_progress_parse("auto", -1, &mode, &err));
    assert_int_equal(mode, WCOW_PROGRESS_PLAIN);
    assert_fails(wcow_progress_parse("loud", -1, &mode, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_is_lines),
        cmocka_unit_test(quiet_says_nothing),
        cmocka_unit_test(a_terminal_gets_the_whole_at_the_end),
        cmocka_unit_test(rawjson_is_a_document_a_line),
        cmocka_unit_test(sizes_are_decimal),
        cmocka_unit_test(forms_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
