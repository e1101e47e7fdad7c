/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "wcow_test.h"

static char root[64];

static void run(const char *command)
{
    char line[512];
    (void)snprintf(line, sizeof(line), "cd %s && %s", root, command);
    // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a test's own command, one thread
    assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/wcow-copy.XXXXXX");
    assert_non_null(mkdtemp(root));
    run("mkdir -p d/e pack && printf a >d/a.txt && printf b >d/e/b.txt && printf c >c.txt && "
        "printf x >pack/x && ln pack/x pack/y && ln -s x pack/l && "
        "tar czf pack.any -C pack . && tar cf up.tar -P --transform 's,^,../../,' c.txt && "
        "printf 'no archive' >plain.tar && ln -s nowhere lost");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return wcow_dir_tree_delete(AT_FDCWD, root, NULL, NULL);
}

static int add_line(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    const struct wcow_entry *entry = &shown->entry;
    return wcow_buf_addf(arg, err, "%s%s%s ", entry->name, entry->link ? ">" : "",
                         entry->link ? entry->link : "");
}

static struct wcow_tree *new_tree(const struct wcow_chain *below)
{
    const struct wcow_tree_options options = {.below = below, .now = 1000};
    struct wcow_tree *tree = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    return tree;
}

/* Sources are separated by spaces. */
static void add_sources(struct wcow_arena *arena, struct wcow_copy *copy, const char *sources)
{
    char *rest = wcow_arena_strdup(arena, sources);
    assert_non_null(rest);
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
        assert_ok(wcow_strings_add(arena, &copy->sources, word, &err));
}

static bool parents; /* --parents */

static int copy_into(struct wcow_tree *tree, bool is_add, const char *sources, const char *dest,
                     struct wcow_error *err)
{
    struct wcow_arena arena = {0};
    struct wcow_copy copy = {.dest = dest, .unpack = WCOW_UNSET, .parents = parents};
    add_sources(&arena, &copy, sources);
    const struct wcow_context_options options = {.path = root};
    struct wcow_context *context = NULL;
    assert_int_equal(wcow_context_open(&options, &context, err), WCOW_OK);
    const struct wcow_copying copying = {
        .tree = tree, .copy = &copy, .workdir = "C:\\w", .now = 1000, .is_add = is_add};
    int r = wcow_copy_from_context(&copying, context, err);
    wcow_context_free(context);
    wcow_arena_done(&arena);
    return r;
}

static void assert_copies(bool is_add, const char *sources, const char *dest, const char *want)
{
    struct wcow_tree *tree = new_tree(NULL);
    wcow_autobuf got = {0};
    assert_ok(copy_into(tree, is_add, sources, dest, &err));
    assert_ok(wcow_tree_each(tree, add_line, &got, &err));
    assert_string_equal(got.data ? (const char *)got.data : "", want);
    wcow_tree_free(tree);
}

static void sources_go_where_docker_puts_them(void **state)
{
    (void)state;
    assert_copies(false, "c.txt", "C:\\x", "Files Files/x ");
    assert_copies(false, "c.txt", "C:\\x\\", "Files Files/x Files/x/c.txt ");
    assert_copies(false, "c.txt", "/", "Files Files/c.txt ");
    assert_copies(false, "c.txt", ".", "Files Files/w Files/w/c.txt ");
    assert_copies(false, "d", "C:/x", "Files Files/x Files/x/a.txt Files/x/e Files/x/e/b.txt ");
    assert_copies(false, "d/*", "C:/x/", "Files Files/x Files/x/a.txt Files/x/b.txt ");
    assert_copies(false, "c.txt d", "C:/x/",
                  "Files Files/x Files/x/a.txt Files/x/c.txt Files/x/e Files/x/e/b.txt ");
    assert_copies(false, "no* c.txt", "C:/x/", "Files Files/x Files/x/c.txt ");
    assert_copies(false, "no*", "C:/x/", "");
}

/* What lies below Files/s of a layer with s/a.txt, s/e/b.txt and s/e/f/c.txt. */
static void assert_copies_of_layer(const char *sources, const char *want)
{
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = NULL;
    struct wcow_tree *from = new_tree(NULL);
    assert_int_equal(copy_into(from, false, "d", "C:/s", NULL), WCOW_OK);
    assert_int_equal(copy_into(from, false, "c.txt", "C:/s/e/f/", NULL), WCOW_OK);
    wcow_tree_seal(from);
    assert_ok(wcow_layer_source_of_tree(from, &source, &err));
    struct wcow_layers layers = {0};
    assert_ok(wcow_layers_push(&layers, source, &err));
    struct wcow_arena arena = {0};
    struct wcow_copy copy = {.dest = "C:/x/", .from = "s", .unpack = WCOW_UNSET, .parents = true};
    add_sources(&arena, &copy, sources);
    struct wcow_tree *tree = new_tree(NULL);
    wcow_autobuf got = {0};
    const struct wcow_copying copying = {.tree = tree, .copy = &copy, .now = 1000};
    assert_ok(wcow_copy_from_layers(&copying, &layers, &err));
    assert_ok(wcow_tree_each(tree, add_line, &got, &err));
    assert_string_equal(got.data ? (const char *)got.data : "", want);
    wcow_tree_free(tree);
    wcow_layers_done(&layers);
    wcow_arena_done(&arena);
}

static void parents_are_made_from_the_pivot_on(void **state)
{
    (void)state;
    parents = true;
    assert_copies(false, "d/e/b.txt", "C:/x/",
                  "Files Files/x Files/x/d Files/x/d/e Files/x/d/e/b.txt ");
    assert_copies(false, "./d/./e/b.txt", "C:/x/", "Files Files/x Files/x/e Files/x/e/b.txt ");
    assert_copies(false, "d/**/*.txt", "C:/x/",
                  "Files Files/x Files/x/d Files/x/d/a.txt Files/x/d/e Files/x/d/e/b.txt ");
    assert_copies(false, "d/./**/b.*", "C:/x/", "Files Files/x Files/x/e Files/x/e/b.txt ");
    assert_copies(false, "**/b.txt c.txt", "C:/x/",
                  "Files Files/x Files/x/c.txt Files/x/d Files/x/d/e Files/x/d/e/b.txt ");
    parents = false;
    assert_copies_of_layer("/s/e/b.txt", "Files Files/x Files/x/s Files/x/s/e Files/x/s/e/b.txt ");
    assert_copies_of_layer("/s/./e", "Files Files/x Files/x/e Files/x/e/b.txt Files/x/e/f "
                                     "Files/x/e/f/c.txt ");
    assert_copies_of_layer("/s/./**/*.txt a.nothing*",
                           "Files Files/x Files/x/a.txt Files/x/e Files/x/e/b.txt Files/x/e/f "
                           "Files/x/e/f/c.txt ");
    assert_copies_of_layer(
        "/S/E/**/C.TXT", "Files Files/x Files/x/S Files/x/S/E Files/x/S/E/f Files/x/S/E/f/C.TXT ");
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *sources;
        const char *dest;
        int code;
    } cases[] = {{"none", "C:/", WCOW_E_NOT_FOUND}, {"no/*", "C:/", WCOW_E_NOT_FOUND},
                 {"lost", "C:/", WCOW_E_NOT_FOUND}, {"c.txt d", "C:/x", WCOW_E_INVALID},
                 {"c.txt", "D:/x", WCOW_E_INVALID}, {"c.txt", "C:/aux", WCOW_E_INVALID}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_tree *tree = new_tree(NULL);
        assert_fails(copy_into(tree, false, cases[i].sources, cases[i].dest, &err), cases[i].code);
        wcow_tree_free(tree);
    }
}

static void archives_are_unpacked_by_add_alone(void **state)
{
    (void)state;
    assert_copies(true, "pack.any", "C:/p", "Files Files/p Files/p/l>x Files/p/x Files/p/y ");
    assert_copies(false, "pack.any", "C:/p", "Files Files/p ");
    assert_copies(true, "plain.tar", "C:/p/", "Files Files/p Files/p/plain.tar ");
}

static void members_stay_below_the_destination(void **state)
{
    (void)state;
    assert_copies(true, "up.tar", "C:/p/q", "Files Files/p Files/p/q Files/p/q/c.txt ");
}

static void layers_give_files_by_any_casing(void **state)
{
    (void)state;
    struct wcow_tree *from = new_tree(NULL);
    assert_ok(copy_into(from, false, "d", "C:/Data", &err));
    wcow_tree_seal(from);
    struct wcow_layer_source *source = NULL;
    assert_ok(wcow_layer_source_of_tree(from, &source, &err));
    struct wcow_layers layers = {0};
    assert_ok(wcow_layers_push(&layers, source, &err));

    static const char *const items[] = {"c:\\DATA\\E\\*.TXT", "/data/a.txt"};
    struct wcow_copy copy = {.dest = "C:/to/", .from = "stage"};
    copy.sources.items = (const char *[]){items[0], items[1], NULL};
    copy.sources.count = 2;
    struct wcow_tree *tree = new_tree(NULL);
    const struct wcow_copying copying = {.tree = tree, .copy = &copy, .workdir = "", .now = 1};
    wcow_autobuf got = {0};
    assert_ok(wcow_copy_from_layers(&copying, &layers, &err));
    assert_ok(wcow_tree_each(tree, add_line, &got, &err));
    assert_string_equal((const char *)got.data, "Files Files/to Files/to/a.txt Files/to/b.txt ");
    wcow_tree_free(tree);
    wcow_layers_done(&layers);
    wcow_layer_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_go_where_docker_puts_them),
        cmocka_unit_test(parents_are_made_from_the_pivot_on),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(archives_are_unpacked_by_add_alone),
        cmocka_unit_test(members_stay_below_the_destination),
        cmocka_unit_test(layers_give_files_by_any_casing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
