/* SPDX-License-Identifier: Apache-2.0 */
/* Hard links of archives of which not all is taken, as of a layer that others lie on. */
#include "tar_maker.h"

#include <unistd.h>

#include "builder/archive.h"

static int wants_no_a(void *ctx, const char *path, bool *ret, struct wcow_error *err)
{
    (void)ctx;
    (void)err;
    *ret = strcmp(path, "a") != 0;
    return WCOW_OK;
}

static void unpack(struct wcow_tree *tree, const struct made *made, size_t n)
{
    const struct wcow_archive_unpack to = {.tree = tree, .dest = "Files", .wants = wants_no_a};
    wcow_autobuf tar = {0};
    bool unpacked = false;
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < n; i++)
        make_entry(&tar, &made[i]);
    make_end(&tar);
    assert_int_equal(pwrite(fileno(file), tar.data, tar.len, 0), tar.len);
    assert_ok(wcow_archive_unpack_fd(fileno(file), "a.tar", NULL, &to, &unpacked, &err));
    assert_true(unpacked);
    (void)fclose(file);
}

static int add_line(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    int r = wcow_payload_send(&shown->payload, &sink, err);
    return r < 0 ? r
                 : wcow_buf_addf(arg, err, "%s %zu%s%s\n", shown->entry.name, bytes.len,
                                 shown->first_name ? " = " : "",
                                 shown->first_name ? shown->first_name : "");
}

static void assert_tree(struct wcow_tree *tree, const char *want)
{
    wcow_autobuf got = {0};
    assert_ok(wcow_tree_each(tree, add_line, &got, &err));
    assert_string_equal((const char *)got.data, want);
}

static struct wcow_tree *new_tree(void)
{
    static const struct wcow_chain nothing;
    const struct wcow_tree_options options = {.below = &nothing};
    struct wcow_tree *tree = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    return tree;
}

static void hard_links_of_a_deleted_file_are_the_file(void **state)
{
    (void)state;
    static const struct made made[] = {{.name = "a", .size = 3},
                                       {.name = "b", .type = '1', .link = "a"},
                                       {.name = "c", .type = '1', .link = "a"}};
    struct wcow_tree *tree = new_tree();
    unpack(tree, made, 3);
    assert_tree(tree, "Files 0\nFiles/b 3\nFiles/c 3 = Files/b\n");
    wcow_tree_free(tree);
}

static void and_not_what_took_its_name(void **state)
{
    (void)state;
    static const struct made made[] = {{.name = "z", .size = 3},
                                       {.name = "a", .type = '1', .link = "z"},
                                       {.name = "b", .type = '1', .link = "a"}};
    struct wcow_tree *tree = new_tree();
    struct wcow_tree_node *dir = NULL;
    struct wcow_tree_node *node = NULL;
    struct wcow_payload payload = {0};
    wcow_autoentry entry = {.type = WCOW_ENTRY_FILE, .size_bytes = 2};
    const struct wcow_tree_item item = {.name = "a", .entry = &entry, .payload = &payload};
    assert_ok(wcow_payload_of_bytes("up", 2, &payload, &err));
    assert_ok(wcow_tree_dir(tree, "Files", &dir, &err));
    assert_ok(wcow_tree_put(tree, dir, &item, &node, &err));
    unpack(tree, made, 3);
    assert_tree(tree, "Files 0\nFiles/a 2\nFiles/b 3\nFiles/z 3 = Files/b\n");
    wcow_tree_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hard_links_of_a_deleted_file_are_the_file),
        cmocka_unit_test(and_not_what_took_its_name),
    };
    return cmocka_run_group_tests_name("builder/archive", tests, NULL, NULL);
}
