/* SPDX-License-Identifier: Apache-2.0 */
/* Notes of what is under way in containerd: kept while somebody is at work, found after a crash. */
#include "differ_test.h"

#include <dirent.h>

#include "differ/leftovers.h"

struct seen {
    int n;
    int answer;
    char last[256];
};

static int see(void *arg, const struct wcow_leftover *what, struct wcow_error *err)
{
    struct seen *s = arg;
    s->n++;
    (void)snprintf(s->last, sizeof(s->last), "%s %s %s", what->ns, what->ref, what->lease);
    return s->answer < 0 ? WCOW_FAIL(err, s->answer, "not now") : WCOW_OK;
}

static int count(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): on one thread */
    for (const struct dirent *e = NULL; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        (void)closedir(d);
    return n;
}

/* As if the process had died: its lock goes, its note stays. */
static void leave_note(const char *folder, const char *bytes, size_t len)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/left", folder);
    FILE *f = fopen(path, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void a_note_lasts_as_long_as_its_work(void **state)
{
    (void)state;
    char *root = new_folder();
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s/ingests", root);
    struct seen seen = {0};
    assert_int_equal(wcow_leftovers_each(folder, see, &seen, NULL), 0);
    const struct wcow_leftover what = {.ns = "default", .ref = "a ref", .lease = NULL};
    struct wcow_leftover_note *note = NULL;
    assert_ok(wcow_leftover_note_new(folder, &what, &note, &err));
    assert_int_equal(count(folder), 1);
    assert_int_equal(wcow_leftovers_each(folder, see, &seen, NULL), 0);
    assert_int_equal(seen.n, 0);
    assert_int_equal(count(folder), 1);
    wcow_leftover_note_free(note);
    assert_int_equal(count(folder), 0);
    remove_folder(root);
}

static void what_was_left_is_seen_until_it_is_away(void **state)
{
    (void)state;
    static const char text[] = "wcow-ingest-1\0default\0my ref\0wcow-diff-1";
    char *folder = new_folder();
    leave_note(folder, text, sizeof(text));
    struct seen seen = {.answer = WCOW_E_UNAVAILABLE};
    assert_int_equal(wcow_leftovers_each(folder, see, &seen, NULL), 1);
    assert_string_equal(seen.last, "default my ref wcow-diff-1");
    assert_int_equal(count(folder), 1);
    seen.answer = WCOW_OK;
    assert_int_equal(wcow_leftovers_each(folder, see, &seen, NULL), 0);
    assert_int_equal(seen.n, 2);
    assert_int_equal(count(folder), 0);
    remove_folder(folder);
}

static void what_is_no_note_goes_unseen(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
#define BYTES(text) {text, sizeof(text) - 1}
        BYTES(""),
        BYTES("wcow-ingest-1\0"),
        BYTES("wcow-ingest-1\0default\0ref\0lease"),
        BYTES("wcow-ingest-1\0\0ref\0\0"),
        BYTES("wcow-ingest-1\0default\0\0\0"),
        BYTES("wcow-ingest-1\0default\0ref\0\0more"),
        BYTES("other\0default\0ref\0\0"),
#undef BYTES
    };
    char *folder = new_folder();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {0};
        leave_note(folder, cases[i].bytes, cases[i].len);
        assert_int_equal(wcow_leftovers_each(folder, see, &seen, NULL), 0);
        assert_int_equal(seen.n, 0);
        assert_int_equal(count(folder), 0);
    }
    remove_folder(folder);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    const struct wcow_leftover what = {.ns = "default", .ref = "ref"};
    struct wcow_leftover_note *note = NULL;
    struct wcow_error err = {0};
    assert_int_not_equal(wcow_leftover_note_new("/proc/no-such/folder", &what, &note, &err),
                         WCOW_OK);
    assert_non_null(strstr(err.msg, "/proc/no-such/folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_lasts_as_long_as_its_work),
        cmocka_unit_test(what_was_left_is_seen_until_it_is_away),
        cmocka_unit_test(what_is_no_note_goes_unseen),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
