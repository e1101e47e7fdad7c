/* SPDX-License-Identifier: Apache-2.0 */
/* Values by path, wherever their memory lies. */
#include "base/path_tree.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wcow_test.h"

enum { FOLDERS = 60, FILES = 400 };

static void *find(struct wcow_path_tree *tree, const char *path)
{
    return wcow_path_tree_find(tree, path, strlen(path));
}

static void add(struct wcow_path_tree *tree, const char *path, uint32_t value)
{
    void *place = NULL;
    assert_ok(wcow_path_tree_add(tree, path, strlen(path), &place, &err));
    assert_int_equal(*(uint32_t *)place, 0);
    memcpy(place, &value, sizeof(value));
}

static void value_is(struct wcow_path_tree *tree, const char *path, uint32_t value)
{
    const uint32_t *found = find(tree, path);
    assert_non_null(found);
    assert_int_equal(*found, value);
}

static struct wcow_path_tree *new_tree(size_t heap_bytes)
{
    struct wcow_path_tree_options options = {
        .value_bytes = sizeof(uint32_t), .heap_bytes = heap_bytes, .dirfd = -1};
    struct wcow_path_tree *tree = NULL;
    assert_ok(wcow_path_tree_new(&options, &tree, &err));
    return tree;
}

static void a_path_is_found_only_where_it_was_added(void **state)
{
    static const char *const others[] = {"",   "A", "A/BC", "A/B/CD",  "A/B/C/D",
                                         "AB", "B", "B/C",  "A/B/X/C", "A/B/C/A"};
    (void)state;
    struct wcow_path_tree *tree = new_tree(0);
    add(tree, "A/B/C", 1);
    add(tree, "A/B", 2); /* that was passed through before */
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        value_is(tree, "A/B/C", 1);
        assert_null(find(tree, others[i]));
    }
    value_is(tree, "A/B", 2);
    wcow_path_tree_free(tree);
}

static void the_top_has_a_value_too(void **state)
{
    (void)state;
    struct wcow_path_tree *tree = new_tree(1000);
    assert_null(find(tree, ""));
    add(tree, "", 7);
    add(tree, "A", 8);
    value_is(tree, "", 7);
    value_is(tree, "A", 8);
    wcow_path_tree_free(tree);
}

/* Folders in turn, so that each question begins in another one than the last. */
static void path_of(char path[64], unsigned i)
{
    (void)snprintf(path, 64, "FILES/D%u/FOLDER %u/FILE-%u.TXT", i % 7, i % FOLDERS, i);
}

static void all_paths_keep_their_values(void **state)
{
    static const size_t heaps[] = {0, 200000, SIZE_MAX};
    (void)state;
    for (size_t h = 0; h < sizeof(heaps) / sizeof(heaps[0]); h++) {
        struct wcow_path_tree *tree = new_tree(heaps[h]);
        char path[64];
        for (unsigned i = 0; i < FOLDERS * FILES; i++) {
            path_of(path, i);
            assert_null(find(tree, path));
            add(tree, path, i + 1);
        }
        for (unsigned i = FOLDERS * FILES; i-- > 0;) {
            path_of(path, i);
            value_is(tree, path, i + 1);
        }
        wcow_path_tree_free(tree);
    }
}

/* What is beyond the heap's share is not the heap's. */
static void little_of_a_large_tree_is_heap(void **state)
{
    enum { N = 200000, HEAP_BYTES = 1 << 20 };
    (void)state;
    struct mallinfo2 before = mallinfo2();
    struct wcow_path_tree *tree = new_tree(HEAP_BYTES);
    for (unsigned i = 0; i < N; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "FILES/FOLDER-%u/FILE-%u", i / 1000, i);
        add(tree, path, i);
    }
    struct mallinfo2 after = mallinfo2();
    size_t heap_bytes = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_in_range(heap_bytes, 0, 2 * HEAP_BYTES);
    wcow_path_tree_free(tree);
}

static void the_file_is_made_in_the_folder_that_is_given(void **state)
{
    (void)state;
    wcow_autoclose int nowhere = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(nowhere >= 0);
    struct wcow_path_tree_options options = {.value_bytes = 4, .dirfd = nowhere};
    struct wcow_path_tree *tree = NULL;
    struct wcow_error err = {0};
    assert_true(wcow_path_tree_new(&options, &tree, &err) < 0);
    assert_non_null(strstr(err.msg, "make a temporary file in the folder that is written to"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_found_only_where_it_was_added),
        cmocka_unit_test(the_top_has_a_value_too),
        cmocka_unit_test(all_paths_keep_their_values),
        cmocka_unit_test(little_of_a_large_tree_is_heap),
        cmocka_unit_test(the_file_is_made_in_the_folder_that_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
