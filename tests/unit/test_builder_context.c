/* SPDX-License-Identifier: Apache-2.0 */
#include "base/paged.h"
#include "builder/context.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "store/cache.h"
#include "wcow_test.h"

static char root[64];

static void path_of(char *out, size_t size, const char *name)
{
    assert_true((size_t)snprintf(out, size, "%s/%s", root, name) < size);
}

static void make_dir(const char *name)
{
    char path[256];
    path_of(path, sizeof(path), name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void make_file(const char *name, const char *text)
{
    char path[256];
    path_of(path, sizeof(path), name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void make_link(const char *name, const char *target)
{
    char path[256];
    path_of(path, sizeof(path), name);
    assert_int_equal(symlink(target, path), 0);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/wcow-context.XXXXXX");
    assert_non_null(mkdtemp(root));
    make_dir("src");
    make_dir("src/sub");
    make_dir("out");
    make_file("src/a.txt", "a");
    make_file("src/b.log", "b");
    make_file("src/sub/c.txt", "c");
    make_file("keep.log", "k");
    make_link("up", "/src/a.txt");
    make_link("dir", "src/sub");
    make_link("escape", "../../../../etc/passwd");
    make_file(".dockerignore", "**/*.log\n!keep.log\nout\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return wcow_dir_tree_delete(AT_FDCWD, root, NULL, NULL);
}

static struct wcow_context *open_context(bool with_ignore)
{
    const struct wcow_context_options options = {.path = root};
    struct wcow_context *c = NULL;
    assert_ok(wcow_context_open(&options, &c, &err));
    if (with_ignore)
        assert_ok(wcow_context_load_ignore(c, NULL, &err));
    return c;
}

static void a_folder_is_wanted(void **state)
{
    (void)state;
    struct wcow_context *c = NULL;
    char path[256];
    path_of(path, sizeof(path), "keep.log");
    const struct wcow_context_options file = {.path = path};
    assert_fails(wcow_context_open(&file, &c, &err), WCOW_E_INVALID);
    const struct wcow_context_options nothing = {.path = "/no/such/folder"};
    assert_fails(wcow_context_open(&nothing, &c, &err), WCOW_E_NOT_FOUND);
}

static void sources_are_cleaned_and_stay_inside(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/src/", "src"},
        {"..", ""},
        {"../../src", "src"},
        {".", ""},
        {"src\\sub\\c.txt", "src/sub/c.txt"},
        {"a\\*b", "a\\*b"},
        {"./a//b/.", "a/b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autofree char *got = NULL;
        assert_ok(wcow_context_clean(cases[i][0], &got, &err));
        assert_string_equal(got, cases[i][1]);
    }
}

static void links_are_followed_within_the_context(void **state)
{
    (void)state;
    struct wcow_context *c = open_context(true);
    static const char *const cases[][2] = {
        {"up", "src/a.txt"}, {"dir/c.txt", "src/sub/c.txt"}, {"../src/sub", "src/sub"}, {"/", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_context_item item = {0};
        assert_ok(wcow_context_find(c, cases[i][0], &item, &err));
        assert_string_equal(item.path, cases[i][1]);
        wcow_context_item_done(&item);
    }
    struct wcow_context_item item = {0};
    assert_fails(wcow_context_find(c, "escape", &item, &err), WCOW_E_NOT_FOUND);
    wcow_context_free(c);
}

static void what_is_missing_is_explained(void **state)
{
    (void)state;
    struct wcow_context *c = open_context(true);
    struct wcow_context_item item = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_context_find(c, "src/a.tx", &item, &err), WCOW_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "did you mean \"src/a.txt\""));
    assert_int_equal(wcow_context_find(c, "src/b.log", &item, &err), WCOW_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "excluded by .dockerignore"));
    wcow_context_free(c);
}

static int note(void *arg, const struct wcow_context_item *item, const char *below,
                struct wcow_error *err)
{
    (void)item;
    return wcow_buf_addf(arg, err, "%s ", below);
}

static void walks_pass_over_what_is_ignored(void **state)
{
    (void)state;
    struct wcow_context *c = open_context(true);
    wcow_autobuf got = {0};
    assert_ok(wcow_context_walk(c, "", NULL, note, &got, &err));
    assert_string_equal((const char *)got.data, ".dockerignore dir escape keep.log src src/a.txt "
                                                "src/sub src/sub/c.txt up ");
    got.len = 0;
    assert_ok(wcow_context_walk(c, "src", NULL, note, &got, &err));
    assert_string_equal((const char *)got.data, "a.txt sub sub/c.txt ");
    got.len = 0;
    static const char *const patterns[] = {"sub"};
    struct wcow_ignore *exclude = NULL;
    assert_ok(wcow_ignore_new(patterns, 1, &exclude, &err));
    assert_ok(wcow_context_walk(c, "src", exclude, note, &got, &err));
    assert_string_equal((const char *)got.data, "a.txt ");
    wcow_ignore_free(exclude);
    wcow_context_free(c);
}

/* The descriptor that the next open file gets. */
static int next_fd(void)
{
    int fd = dup(STDERR_FILENO);
    assert_true(fd >= 0 && close(fd) == 0);
    return fd;
}

/* More levels than stay open: each directory has a name behind the one that is entered. */
static void walks_come_back_from_the_depths(void **state)
{
    (void)state;
    enum { LEVELS = 20 };
    char name[128] = "deep";
    wcow_autobuf got = {0};
    wcow_autobuf want = {0};
    struct wcow_context *c = open_context(false);
    int before = next_fd();
    for (size_t len = strlen(name);; len = strlen(name)) {
        make_dir(name);
        (void)snprintf(name + len, sizeof(name) - len, "/z");
        make_file(name, "z");
        if (len >= 4 + 2 * LEVELS)
            break;
        name[len + 1] = 'd';
        assert_ok(wcow_buf_addf(&want, &err, "%s ", name + strlen("deep/")));
    }
    for (size_t len = strlen(name); len > 4; name[len -= 2] = '\0') {
        name[len - 1] = 'z';
        assert_ok(wcow_buf_addf(&want, &err, "%s ", name + strlen("deep/")));
    }
    assert_ok(wcow_context_walk(c, "deep", NULL, note, &got, &err));
    assert_string_equal((const char *)got.data, (const char *)want.data);
    wcow_context_free(c);
    assert_true(next_fd() < before);
}

static void patterns_match_level_by_level(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *want;
    } cases[] = {{"src/*", "src/a.txt src/sub "},
                 {"*/*.txt", "src/a.txt "},
                 {"s*/s*/*.txt", "src/sub/c.txt "},
                 {"*.log", "keep.log "},
                 {"nothing*", ""}};
    struct wcow_context *c = open_context(true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_auto_str_list found = {0};
        wcow_autobuf got = {0};
        assert_ok(wcow_context_glob(c, cases[i].pattern, &found, &err));
        for (size_t k = 0; k < found.count; k++)
            assert_ok(wcow_buf_addf(&got, &err, "%s ", found.items[k]));
        assert_string_equal(got.data ? (const char *)got.data : "", cases[i].want);
    }
    wcow_auto_str_list found = {0};
    assert_fails(wcow_context_glob(c, "a[", &found, &err), WCOW_E_INVALID);
    wcow_context_free(c);
}

static void patterns_go_through_links(void **state)
{
    (void)state;
    wcow_auto_str_list found = {0};
    wcow_autobuf got = {0};
    make_link("way", "src/sub");
    struct wcow_context *c = open_context(true);
    assert_ok(wcow_context_glob(c, "way/*.txt", &found, &err));
    for (size_t k = 0; k < found.count; k++)
        assert_ok(wcow_buf_addf(&got, &err, "%s ", found.items[k]));
    assert_string_equal((const char *)got.data, "src/sub/c.txt ");
    wcow_context_free(c);
}

static void twins_by_letter_case_are_refused(void **state)
{
    (void)state;
    make_file("src/sub/C.TXT", "x");
    /* What can be done about it: only a build reads an ignore file. */
    for (int with_ignore = 0; with_ignore < 2; with_ignore++) {
        struct wcow_context *c = open_context(with_ignore);
        wcow_autobuf got = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_context_walk(c, "src", NULL, note, &got, &err), WCOW_E_INVALID);
        assert_non_null(strstr(err.msg, "differ only in letter case"));
        assert_int_equal(strstr(err.msg, "or leave it out in .dockerignore") != NULL, with_ignore);
        wcow_context_free(c);
    }
    char path[256];
    path_of(path, sizeof(path), "src/sub/C.TXT");
    assert_int_equal(unlink(path), 0);
}

static void a_file_that_changes_is_told(void **state)
{
    (void)state;
    struct wcow_context *c = open_context(false);
    struct wcow_context_item item = {0};
    struct wcow_context_files files = {.context = c};
    struct wcow_payload payload = {0};
    wcow_autobuf got = {0};
    const struct wcow_sink sink = wcow_buf_sink(&got);
    make_file("changing", "one");
    assert_ok(wcow_context_find(c, "changing", &item, &err));
    assert_ok(wcow_paged_new(0, -1, &files.room, &err));
    assert_ok(wcow_context_payload(&files, &item, &payload, &err));
    assert_ok(wcow_payload_send(&payload, &sink, &err));
    assert_string_equal((const char *)got.data, "one");
    make_file("changing", "three");
    assert_fails(wcow_payload_send(&payload, &sink, &err), WCOW_E_PRECONDITION);
    wcow_payload_done(&payload);
    wcow_paged_free(files.room);
    wcow_context_item_done(&item);
    wcow_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_wanted),
        cmocka_unit_test(sources_are_cleaned_and_stay_inside),
        cmocka_unit_test(links_are_followed_within_the_context),
        cmocka_unit_test(what_is_missing_is_explained),
        cmocka_unit_test(walks_pass_over_what_is_ignored),
        cmocka_unit_test(walks_come_back_from_the_depths),
        cmocka_unit_test(patterns_match_level_by_level),
        cmocka_unit_test(patterns_go_through_links),
        cmocka_unit_test(twins_by_letter_case_are_refused),
        cmocka_unit_test(a_file_that_changes_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
