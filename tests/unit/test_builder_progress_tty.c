/* SPDX-License-Identifier: Apache-2.0 */
/* The display on a terminal: a real one of this test's own, of any size. */
#include "builder/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "builder/progress_colours.h"
#include "wcow_test.h"

enum { TEXT_MAX = 4 << 20, AWAIT_STEPS = 1200, AWAIT_STEP_US = 50000 };

/* A terminal, and all that was written to it. */
struct terminal {
    int master;
    int slave;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows, while the thread runs */
    size_t len;
    char *text;
};

static void *read_all(void *arg)
{
    struct terminal *t = arg;
    for (;;) {
        struct pollfd p = {.fd = t->master, .events = POLLIN};
        char part[4096];
        bool stop = atomic_load(&t->stop);
        if (poll(&p, 1, 20) <= 0) {
            if (stop)
                return NULL;
            continue;
        }
        ssize_t n = read(t->master, part, sizeof(part));
        if (n <= 0)
            return NULL;
        (void)pthread_mutex_lock(&t->lock);
        size_t room = TEXT_MAX - 1 - t->len;
        size_t len = (size_t)n < room ? (size_t)n : room;
        memcpy(t->text + t->len, part, len);
        t->len += len;
        (void)pthread_mutex_unlock(&t->lock);
    }
}

static void resize(const struct terminal *t, unsigned short columns, unsigned short rows)
{
    const struct winsize size = {.ws_col = columns, .ws_row = rows};
    assert_int_equal(ioctl(t->master, TIOCSWINSZ, &size), 0);
}

static void begin(struct terminal *t, unsigned short columns, unsigned short rows)
{
    char name[64];
    *t = (struct terminal){.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    assert_true(t->master >= 0);
    assert_int_equal(grantpt(t->master), 0);
    assert_int_equal(unlockpt(t->master), 0);
    assert_int_equal(ptsname_r(t->master, name, sizeof(name)), 0);
    t->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(t->slave >= 0);
    t->text = calloc(1, TEXT_MAX);
    assert_non_null(t->text);
    resize(t, columns, rows);
    (void)pthread_mutex_init(&t->lock, NULL);
    assert_int_equal(pthread_create(&t->thread, NULL, read_all, t), 0);
}

/* All that there is to read has been read then. */
static void finish(struct terminal *t)
{
    atomic_store(&t->stop, true);
    assert_int_equal(pthread_join(t->thread, NULL), 0);
    (void)pthread_mutex_destroy(&t->lock);
    (void)close(t->slave);
    (void)close(t->master);
}

/* Wait until @p text is drawn behind @p from; where that stands. */
static size_t await(struct terminal *t, size_t from, const char *text)
{
    for (int i = 0; i < AWAIT_STEPS; i++) {
        (void)pthread_mutex_lock(&t->lock);
        const char *found = strstr(t->text + from, text);
        (void)pthread_mutex_unlock(&t->lock);
        if (found)
            return (size_t)(found - t->text);
        (void)usleep(AWAIT_STEP_US);
    }
    fail_msg("\"%s\" is never drawn", text);
    return 0;
}

/* Columns of the widest line from @p from on: escapes and continuation bytes take none. */
static size_t widest(const char *from)
{
    size_t most = 0;
    size_t width = 0;
    for (const char *p = from; *p; p++) {
        if (*p == '\033' && p[1] == '[') {
            p += 2 + strspn(p + 2, "0123456789;");
            if (!*p)
                break;
        } else if (*p == '\n' || *p == '\r') {
            width = 0;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            width++;
        }
        most = width > most ? width : most;
    }
    return most;
}

/* Wait behind @p from until a picture is no wider than @p columns; where it begins. Those that were
 * on their way when the terminal was resized are as wide as it was. */
static size_t await_narrow(struct terminal *t, size_t from, size_t columns)
{
    from = await(t, from, "[+] Building");
    for (int i = 0; i < AWAIT_STEPS; i++) {
        size_t next = await(t, from + 1, "[+] Building");
        wcow_autofree char *picture = strndup(t->text + from, next - from);
        assert_non_null(picture);
        if (widest(picture) <= columns)
            return from;
        from = next;
    }
    fail_msg("no picture is drawn in %zu columns", columns);
    return 0;
}

static const char long_name[] =
    "[1/1] COPY a very long name which no narrow terminal has room for, größer als alles C:/";

static void a_narrow_terminal_wraps_no_line(void **state)
{
    (void)state;
    struct terminal t;
    struct wcow_progress *p = NULL;
    begin(&t, 40, 10);
    assert_ok(wcow_progress_new(WCOW_PROGRESS_TTY, t.slave, &p, &err));
    unsigned step = wcow_progress_start(p, long_name);
    wcow_progress_status(p, step, "sha256:0123456789abcdef0123456789abcdef", 1, 2000, false);
    (void)await(&t, 0, "=> => sha256");
    wcow_progress_end(p, step, WCOW_PROGRESS_CACHED, NULL);
    wcow_progress_free(p);
    finish(&t);
    assert_non_null(strstr(t.text, "(1/1) FINISHED"));
    assert_non_null(strstr(t.text, "=> CACHED [1/1] COPY a"));
    assert_true(widest(t.text) <= 40);
    free(t.text);
}

static void a_terminal_that_is_resized_is_drawn_in_its_new_size(void **state)
{
    (void)state;
    struct terminal t;
    struct wcow_progress *p = NULL;
    begin(&t, 120, 30);
    assert_ok(wcow_progress_new(WCOW_PROGRESS_TTY, t.slave, &p, &err));
    unsigned step = wcow_progress_start(p, long_name);
    size_t wide = await(&t, 0, "größer als alles C:/");
    resize(&t, 50, 30);
    size_t next = await_narrow(&t, wide, 50);
    wcow_progress_end(p, step, WCOW_PROGRESS_DONE, NULL);
    wcow_progress_free(p);
    finish(&t);
    assert_true(widest(t.text) > 50);
    assert_true(widest(t.text + next) <= 50);
    free(t.text);
}

/* What the last picture of a small build is coloured in. */
static void draw_coloured(const char *variable, const char *value, char **ret)
{
    struct terminal t;
    struct wcow_progress *p = NULL;
    assert_int_equal(setenv(variable, value, 1), 0); // NOLINT(concurrency-mt-unsafe): no threads
    begin(&t, 80, 24);
    assert_ok(wcow_progress_new(WCOW_PROGRESS_TTY, t.slave, &p, &err));
    wcow_progress_end(p, wcow_progress_start(p, "one"), WCOW_PROGRESS_DONE, NULL);
    wcow_progress_end(p, wcow_progress_start(p, "two"), WCOW_PROGRESS_ERROR, "no");
    wcow_progress_end(p, wcow_progress_start(p, "three"), WCOW_PROGRESS_CANCELED, NULL);
    wcow_progress_free(p);
    finish(&t);
    *ret = t.text;
}

static void colours_are_those_of_the_environment(void **state)
{
    (void)state;
    wcow_autofree char *plain = NULL;
    wcow_autofree char *coloured = NULL;
    draw_coloured("NO_COLOR", "1", &plain);
    assert_null(strstr(plain, "m => one"));
    (void)unsetenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe): no threads
    draw_coloured("BUILDKIT_COLORS", "run=light-green:Error=Magenta:cancel=255,165,0", &coloured);
    (void)unsetenv("BUILDKIT_COLORS"); // NOLINT(concurrency-mt-unsafe): no threads
    assert_non_null(strstr(coloured, "\033[92m => one"));
    assert_non_null(strstr(coloured, "\033[35m => ERROR two"));
    assert_non_null(strstr(coloured, "\033[38;5;214m => CANCELED three"));
}

static void what_is_no_colour_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"run=mauve",   "walk=red",    "run",        "run=1,2",
                                        "run=1,2,256", "run=1,2,3,4", "run=-1,2,3", "run=a,b,c",
                                        "=red",        "run="};
    const struct wcow_progress_colours plain = wcow_progress_colours_of(NULL);
    assert_string_equal(plain.odd, "");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct wcow_progress_colours got = wcow_progress_colours_of(texts[i]);
        assert_string_equal(got.odd, texts[i]);
        assert_memory_equal(got.codes, plain.codes, sizeof(got.codes));
    }
    const struct wcow_progress_colours both = wcow_progress_colours_of("x=red::run=red:y");
    assert_string_equal(both.odd, "x=red");
    assert_string_equal(both.codes[WCOW_COLOUR_RUN], "\033[31m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_terminal_wraps_no_line),
        cmocka_unit_test(a_terminal_that_is_resized_is_drawn_in_its_new_size),
        cmocka_unit_test(colours_are_those_of_the_environment),
        cmocka_unit_test(what_is_no_colour_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
