/* SPDX-License-Identifier: Apache-2.0 */
/* The stamp of what a COPY takes: equal while nothing changes that its layer could depend on. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "builder/copy.h"
#include "wcow_test.h"

static char root[64];

static const char *path_of(const char *name)
{
    static char path[256];
    assert_true((size_t)snprintf(path, sizeof(path), "%s/%s", root, name) < sizeof(path));
    return path;
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(path_of(name), 0755), 0);
}

static void make_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void make_link(const char *name, const char *target)
{
    assert_int_equal(symlink(target, path_of(name)), 0);
}

/* To a time that differs whatever the clock says. */
static void touch(const char *name, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/wcow-stamp.XXXXXX");
    assert_non_null(mkdtemp(root));
    make_dir("src");
    make_dir("src/sub");
    make_file("src/a.txt", "a");
    make_file("src/b.log", "b");
    make_file("src/sub/c.txt", "c");
    make_link("src/link", "sub");
    make_file(".dockerignore", "**/*.log\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return wcow_dir_tree_delete(AT_FDCWD, root, NULL, NULL);
}

/* Of "COPY <source> C:/" as the context is now. */
static struct wcow_digest stamp_of(const struct wcow_copy *copy, int64_t *ret_latest_ns)
{
    const struct wcow_context_options options = {.path = root};
    struct wcow_context *context = NULL;
    struct wcow_hash *hash = NULL;
    struct wcow_digest digest = {0};
    int64_t latest_ns = -1;
    assert_ok(wcow_context_open(&options, &context, &err));
    assert_ok(wcow_context_load_ignore(context, NULL, &err));
    assert_ok(wcow_hash_new(&hash, &err));
    assert_ok(wcow_copy_stamp(copy, context, hash, &latest_ns, &err));
    assert_ok(wcow_hash_digest(hash, &digest, &err));
    if (ret_latest_ns)
        *ret_latest_ns = latest_ns;
    wcow_hash_free(hash);
    wcow_context_free(context);
    return digest;
}

static struct wcow_digest stamp(const char *source)
{
    const char *sources[] = {source};
    const struct wcow_copy copy = {.sources = {.items = sources, .count = 1}, .dest = "C:/"};
    return stamp_of(&copy, NULL);
}

static void touch_a(void)
{
    touch("src/a.txt", 1000);
}

static void grow_c(void)
{
    make_file("src/sub/c.txt", "more than before");
}

static void add_file(void)
{
    make_file("src/sub/d.txt", "d");
}

static void add_dir(void)
{
    make_dir("src/empty");
}

static void rename_a(void)
{
    char to[256];
    (void)snprintf(to, sizeof(to), "%s", path_of("src/z.txt"));
    assert_int_equal(rename(path_of("src/a.txt"), to), 0);
}

static void turn_link(void)
{
    assert_int_equal(unlink(path_of("src/link")), 0);
    make_link("src/link", "a.txt");
}

static void stop_ignoring(void)
{
    make_file(".dockerignore", "nothing\n");
}

static void touch_ignored(void)
{
    touch("src/b.log", 1000);
}

static void add_ignored(void)
{
    make_file("src/sub/new.log", "n");
}

static void touch_dir(void)
{
    touch("src/sub", 1000);
}

static void add_outside(void)
{
    make_file("elsewhere", "e");
}

static void what_a_layer_may_depend_on_changes_it(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        void (*change)(void);
        bool matters;
    } cases[] = {
        {"a file's time", touch_a, true},
        {"a file's size", grow_c, true},
        {"a new file", add_file, true},
        {"a new directory", add_dir, true},
        {"a name", rename_a, true},
        {"what a link leads to", turn_link, true},
        {"what is left out", stop_ignoring, true},
        {"nothing", NULL, false},
        {"a file that is left out", touch_ignored, false},
        {"a new one that is", add_ignored, false},
        {"a directory's time", touch_dir, false},
        {"a file that is not copied", add_outside, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(setup(NULL), 0);
        struct wcow_digest before = stamp("src");
        if (cases[i].change)
            cases[i].change();
        struct wcow_digest after = stamp("src");
        if ((strcmp(before.text, after.text) != 0) != cases[i].matters)
            fail_msg("%s: the stamp is %s", cases[i].what, cases[i].matters ? "the same" : "new");
        assert_int_equal(teardown(NULL), 0);
    }
}

static void a_link_is_what_it_leads_to_now(void **state)
{
    (void)state;
    make_link("src/later", "../target");
    struct wcow_digest dangling = stamp("src");
    make_dir("target");
    struct wcow_digest directory = stamp("src");
    assert_string_not_equal(dangling.text, directory.text);
}

static void sources_are_told_apart(void **state)
{
    (void)state;
    struct wcow_digest dir = stamp("src");
    struct wcow_digest below = stamp("src/sub");
    struct wcow_digest file = stamp("src/a.txt");
    struct wcow_digest pattern = stamp("src/*.txt");
    assert_string_not_equal(dir.text, below.text);
    assert_string_not_equal(dir.text, file.text);
    assert_string_equal(file.text, pattern.text);
}

static void here_documents_are_their_text(void **state)
{
    (void)state;
    struct wcow_heredoc doc = {.name = "a", .content = "text\n", .content_len = 5};
    const struct wcow_copy copy = {.contents = &doc, .content_count = 1, .dest = "C:/"};
    int64_t latest_ns = -1;
    struct wcow_digest first = stamp_of(&copy, &latest_ns);
    assert_int_equal(latest_ns, 0);
    struct wcow_digest again = stamp_of(&copy, NULL);
    assert_string_equal(first.text, again.text);
    doc.content = "test\n";
    struct wcow_digest other = stamp_of(&copy, NULL);
    assert_string_not_equal(first.text, other.text);
}

static void the_latest_change_is_told(void **state)
{
    (void)state;
    const char *sources[] = {"src"};
    const struct wcow_copy copy = {.sources = {.items = sources, .count = 1}, .dest = "C:/"};
    static const char *const names[] = {"src/a.txt", "src/sub/c.txt"};
    int64_t want = 0;
    int64_t latest_ns = 0;
    touch("src/a.txt", 1000); /* sets when it changed to now */
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        assert_int_equal(lstat(path_of(names[i]), &st), 0);
        int64_t changed = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
        want = changed > want ? changed : want;
    }
    (void)stamp_of(&copy, &latest_ns);
    assert_true(latest_ns == want);
}

static void what_is_missing_has_none(void **state)
{
    (void)state;
    const struct wcow_context_options options = {.path = root};
    const char *sources[] = {"gone"};
    const struct wcow_copy copy = {.sources = {.items = sources, .count = 1}, .dest = "C:/"};
    struct wcow_context *context = NULL;
    struct wcow_hash *hash = NULL;
    int64_t latest_ns = 0;
    assert_ok(wcow_context_open(&options, &context, &err));
    assert_ok(wcow_hash_new(&hash, &err));
    assert_fails(wcow_copy_stamp(&copy, context, hash, &latest_ns, &err), WCOW_E_NOT_FOUND);
    wcow_hash_free(hash);
    wcow_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_layer_may_depend_on_changes_it),
        cmocka_unit_test_setup_teardown(a_link_is_what_it_leads_to_now, setup, teardown),
        cmocka_unit_test_setup_teardown(sources_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(here_documents_are_their_text, setup, teardown),
        cmocka_unit_test_setup_teardown(the_latest_change_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_has_none, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
