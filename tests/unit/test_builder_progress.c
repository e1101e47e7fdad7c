/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/progress.h"

#include <ctype.h>
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

/* What took long enough to say so ("0.1s done") is done all the same. */
static void drop_seconds(char *text)
{
    for (char *s = strstr(text, "s done"); s; s = strstr(s + 1, "s done")) {
        char *from = s;
        while (from > text && (isdigit((unsigned char)from[-1]) || from[-1] == '.'))
            from--;
        if (from == s || from == text || from[-1] != ' ')
            continue;
        const char *rest = s + strlen("s ");
        memmove(from, rest, strlen(rest) + 1);
        s = from;
    }
}

/* Each duration of the form 1.234 reads 0.000: how long a step takes is the machine's matter. */
static void stop_the_clock(char *text)
{
    drop_seconds(text);
    for (char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.')) {
        if (dot == text || strspn(dot + 1, "0123456789") != 3 || dot[4] != ' ')
            continue;
        for (char *digit = dot - 1; digit >= text && isdigit((unsigned char)*digit); digit--)
            *digit = '0';
        memset(dot + 1, '0', 3);
    }
}

static void what_a_step_quotes_is_no_command_to_a_terminal(void **state)
{
    (void)state;
    char text[256] = "";
    struct wcow_progress *p = NULL;
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_ok(wcow_progress_new(WCOW_PROGRESS_PLAIN, fileno(f), &p, &err));
    unsigned one = wcow_progress_start(p, "[1/1] COPY a\033[31m C:/\xc2\x9b");
    wcow_progress_end(p, one, WCOW_PROGRESS_ERROR, "no a");
    wcow_progress_free(p);
    assert_true(pread(fileno(f), text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, "#1 [1/1] COPY a?[31m C:/??\n"));
    assert_null(strchr(text, '\033'));
    assert_int_equal(fclose(f), 0);
}

static void a_stopped_clock_leaves_the_rest(void **state)
{
    (void)state;
    char text[] =
        "#1 writing 0.1s done\n#2 12.034 lines done\n#3 a 3s done b 10.0s done\n#4 done\n";
    stop_the_clock(text);
    assert_string_equal(text, "#1 writing done\n#2 00.000 lines done\n#3 a done b done\n#4 done\n");
}

static void plain_is_lines(void **state)
{
    (void)state;
    char got[4096];
    show(WCOW_PROGRESS_PLAIN, got, sizeof(got));
    stop_the_clock(got);
    assert_string_equal(got, "#1 [1/2] FROM base\n"
                             "#1 sha256:1 500B / 2.00kB\n"
                             "#1 sha256:1 2.00kB / 2.00kB done\n"
                             "#1 CACHED\n"
                             "\n#2 [2/2] COPY a \"b\"\n"
                             "#2 0.000 a line\n"
                             "#2 ERROR: no a\n"
                             "------\n > [2/2] COPY a \"b\":\n0.000 a line\n------\n");
}

static void read_back(FILE *f, char *out, size_t size)
{
    ssize_t n = pread(fileno(f), out, size - 1, 0);
    assert_true(n >= 0);
    out[n] = '\0';
}

/* Two stages at once: each has its lines together, and none is lost. */
static void steps_at_once_stand_apart(void **state)
{
    (void)state;
    char got[4096];
    FILE *f = tmpfile();
    struct wcow_progress *p = NULL;
    assert_non_null(f);
    assert_ok(wcow_progress_new(WCOW_PROGRESS_PLAIN, fileno(f), &p, &err));
    unsigned one = wcow_progress_start(p, "[a 1/1] COPY a");
    unsigned two = wcow_progress_start(p, "[b 1/2] COPY b");
    wcow_progress_status(p, two, "writing", 10, 0, true);
    wcow_progress_status(p, one, "writing", 20, 0, true);
    wcow_progress_end(p, two, WCOW_PROGRESS_CACHED, NULL);
    unsigned three = wcow_progress_start(p, "[b 2/2] RUN c");
    wcow_progress_log(p, three, "hello");
    wcow_progress_status(p, one, "hashing", 1, 0, true);
    wcow_progress_end(p, three, WCOW_PROGRESS_CANCELED, NULL);
    wcow_progress_end(p, one, WCOW_PROGRESS_CACHED, NULL);
    wcow_progress_free(p);
    read_back(f, got, sizeof(got));
    stop_the_clock(got);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(got, "#1 [a 1/1] COPY a\n"
                             "#1 writing: 20B done\n"
                             "#1 ...\n\n"
                             "#2 [b 1/2] COPY b\n"
                             "#2 writing: 10B done\n"
                             "#2 CACHED\n\n"
                             "#1 [a 1/1] COPY a\n"
                             "#1 ...\n\n"
                             "#3 [b 2/2] RUN c\n"
                             "#3 0.000 hello\n"
                             "#3 CANCELED\n\n"
                             "#1 [a 1/1] COPY a\n"
                             "#1 hashing: 1B done\n"
                             "#1 CACHED\n");
}

/* The end of a picture: what is below it is erased. */
#define PICTURE_END "\033[J"

/* The picture that was drawn last, once the last line is in it. It is drawn now and then, and a
 * busy machine may take its time; half of one may be there already. */
static const char *await_line(FILE *f, char *got, size_t size)
{
    const char *last = NULL;
    for (int tries = 0;
         tries < 1200 && !(last && strstr(last, "# line 7") && strstr(last, PICTURE_END));
         tries++) {
        (void)usleep(50000);
        read_back(f, got, size);
        last = NULL;
        for (const char *next = got; (next = strstr(next + 1, "(60/61)"));)
            last = next;
    }
    return last;
}

/* More steps than lines: those at work are seen, whenever they began. */
static void a_small_terminal_shows_what_is_at_work(void **state)
{
    (void)state;
    static char got[1 << 20];
    FILE *f = tmpfile();
    struct wcow_progress *p = NULL;
    assert_non_null(f);
    assert_ok(wcow_progress_new(WCOW_PROGRESS_TTY, fileno(f), &p, &err));
    (void)wcow_progress_start(p, "the long one");
    for (unsigned i = 0; i < 60; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "short %u", i);
        wcow_progress_end(p, wcow_progress_start(p, name), WCOW_PROGRESS_DONE, NULL);
    }
    for (unsigned i = 0; i < 8; i++) {
        char line[32];
        (void)snprintf(line, sizeof(line), "line %u", i);
        wcow_progress_log(p, 1, line);
    }
    const char *last = await_line(f, got, sizeof(got));
    assert_non_null(last);
    assert_non_null(strstr(last, " => the long one"));
    assert_non_null(strstr(last, " => => # line 7"));
    assert_non_null(strstr(last, " => => # line 2"));
    assert_null(strstr(last, "line 1"));
    assert_non_null(strstr(last, "short 59"));
    assert_null(strstr(last, "short 20"));
    wcow_progress_free(p);
    assert_int_equal(fclose(f), 0);
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
        cmocka_unit_test(a_stopped_clock_leaves_the_rest),
        cmocka_unit_test(what_a_step_quotes_is_no_command_to_a_terminal),
        cmocka_unit_test(plain_is_lines),
        cmocka_unit_test(steps_at_once_stand_apart),
        cmocka_unit_test(a_small_terminal_shows_what_is_at_work),
        cmocka_unit_test(quiet_says_nothing),
        cmocka_unit_test(a_terminal_gets_the_whole_at_the_end),
        cmocka_unit_test(rawjson_is_a_document_a_line),
        cmocka_unit_test(sizes_are_decimal),
        cmocka_unit_test(forms_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
