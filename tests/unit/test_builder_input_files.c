/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a step's input hold: by their tree, and by what was noted of them. */
#include "builder/input_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dir_tree.h"
#include "builder/copy.h"
#include "wcow_test.h"

enum { MANY = 4000 }; /* more than one batch of notes */

static char root[64];

/* A context, its cache, and the tree of what a COPY of it gives. */
struct input {
    struct wcow_build_cache *cache;
    struct wcow_context *context;
    struct wcow_tree *tree;
};

static void write_file(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void run(const char *command)
{
    char line[256];
    (void)snprintf(line, sizeof(line), "cd %s && %s", root, command);
    // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a test's own command, one thread
    assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/wcow-input.XXXXXX");
    assert_non_null(mkdtemp(root));
    run("mkdir -p src/d && printf a >src/a && printf b >src/d/b && : >src/empty && "
        "ln src/a src/d/same && ln -s a src/link");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return wcow_dir_tree_delete(AT_FDCWD, root, NULL, NULL);
}

static void fill(struct input *in, const struct wcow_heredoc *contents, size_t n)
{
    const char *sources[] = {"src"};
    const struct wcow_copy copy = {.sources = {.items = sources, .count = 1},
                                   .contents = contents,
                                   .content_count = n,
                                   .dest = "C:/app/"};
    const struct wcow_tree_options options = {.now = 1000};
    wcow_tree_free(WCOW_TAKE_PTR(in->tree));
    assert_ok(wcow_tree_new(&options, &in->tree, &err));
    const struct wcow_copying copying = {
        .tree = in->tree, .copy = &copy, .workdir = "", .now = 1000};
    assert_ok(wcow_copy_from_context(&copying, in->context, &err));
}

static struct input open_input(bool has_cache)
{
    struct input in = {0};
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/cache.db", root);
    if (has_cache)
        assert_ok(wcow_build_cache_open(path, &in.cache, &err));
    const struct wcow_context_options options = {.path = root, .cache = in.cache};
    assert_ok(wcow_context_open(&options, &in.context, &err));
    fill(&in, NULL, 0);
    return in;
}

static void close_input(struct input *in)
{
    wcow_tree_free(in->tree);
    wcow_context_free(in->context);
    wcow_build_cache_close(in->cache);
}

static struct wcow_digest digest_of(const struct input *in)
{
    struct wcow_digest digest = {0};
    assert_ok(wcow_input_files_digest(in->tree, NULL, &digest, &err));
    return digest;
}

/* Noted, then known by what another tree's reading taught the cache. */
static void assert_noted_is_the_same(void)
{
    struct input in = open_input(true);
    struct wcow_noted_files noted = {0};
    struct wcow_digest by_notes = {0};
    assert_int_equal(wcow_input_files_note(in.tree, &noted, NULL), 1);
    fill(&in, NULL, 0);
    struct wcow_digest by_tree = digest_of(&in);
    assert_int_equal(wcow_input_files_digest_noted(&noted, in.cache, &by_notes, NULL), 1);
    assert_string_equal(by_notes.text, by_tree.text);
    wcow_noted_files_done(&noted);
    close_input(&in);
}

static void notes_give_the_digest_that_the_tree_gives(void **state)
{
    (void)state;
    assert_noted_is_the_same();
}

static void so_do_notes_of_many_files(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "src/d/f%d", i);
        write_file(name, i % 2 ? "odd" : "even");
    }
    assert_noted_is_the_same();
}

static void what_nobody_has_read_is_not_known_by_notes(void **state)
{
    (void)state;
    struct input in = open_input(true);
    struct wcow_noted_files noted = {0};
    struct wcow_digest digest = {0};
    assert_int_equal(wcow_input_files_note(in.tree, &noted, NULL), 1);
    assert_int_equal(wcow_input_files_digest_noted(&noted, in.cache, &digest, NULL), 0);
    assert_string_equal(digest.text, "");
    wcow_noted_files_done(&noted);
    close_input(&in);
}

static void bytes_that_are_no_file_s_stay_with_the_tree(void **state)
{
    (void)state;
    struct wcow_heredoc text = {.name = "text", .content = "t", .content_len = 1};
    struct wcow_noted_files noted = {0};
    struct input in = open_input(true);
    fill(&in, &text, 1);
    assert_int_equal(wcow_input_files_note(in.tree, &noted, NULL), 0);
    assert_null(noted.spool);
    close_input(&in);
    /* Nor is there anything that would remember a digest. */
    in = open_input(false);
    assert_int_equal(wcow_input_files_note(in.tree, &noted, NULL), 0);
    assert_null(noted.spool);
    close_input(&in);
}

static struct wcow_digest note_digest(const struct input *in)
{
    struct wcow_noted_files noted = {0};
    assert_int_equal(wcow_input_files_note(in->tree, &noted, NULL), 1);
    struct wcow_digest digest = noted.digest;
    wcow_noted_files_done(&noted);
    return digest;
}

static void a_changed_file_changes_both(void **state)
{
    (void)state;
    struct input in = open_input(true);
    struct wcow_digest noted = note_digest(&in);
    struct wcow_digest files = digest_of(&in);
    fill(&in, NULL, 0);
    struct wcow_digest again = note_digest(&in);
    assert_string_equal(again.text, noted.text);
    run("printf B >src/d/b && touch -d @1000000000 src/d/b");
    fill(&in, NULL, 0);
    again = note_digest(&in);
    assert_string_not_equal(again.text, noted.text);
    again = digest_of(&in);
    assert_string_not_equal(again.text, files.text);
    close_input(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notes_give_the_digest_that_the_tree_gives, setup, teardown),
        cmocka_unit_test_setup_teardown(so_do_notes_of_many_files, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_has_read_is_not_known_by_notes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_file_s_stay_with_the_tree, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_changed_file_changes_both, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
