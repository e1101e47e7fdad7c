/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/hive_path.h"

#include <stdlib.h>
#include <string.h>

#include "builder/copy.h"
#include "layer/hive.h"
#include "wcow_test.h"

#define ENVIRONMENT "ControlSet001\\Control\\Session Manager\\Environment"

/* A hive with this PATH; NULL: it has none. */
static void make_hive(enum wcow_hive_kind kind, const char *name, const char *path,
                      struct wcow_buf *out)
{
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    struct wcow_hive_key *key = NULL;
    assert_ok(wcow_hive_new(kind, name, 1, &hive, &err));
    assert_ok(wcow_hive_key(hive, path ? ENVIRONMENT : "Other", &key, &err));
    if (path)
        assert_ok(wcow_hive_set_string(key, "Path", WCOW_REG_EXPAND_SZ, path, &err));
    assert_ok(wcow_hive_write(hive, out, &err));
}

/* A layer of one such hive. */
static struct wcow_layer_source *layer_with(enum wcow_hive_kind kind, const char *dir,
                                            const char *name, const char *path)
{
    static const struct wcow_chain nothing = {0};
    const struct wcow_tree_options options = {.below = &nothing, .now = 1};
    wcow_autobuf bytes = {0};
    make_hive(kind, name, path, &bytes);
    struct wcow_tree *tree = NULL;
    struct wcow_tree_node *node = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    if (kind == WCOW_HIVE_DELTA) {
        wcow_autoentry top = wcow_copy_new_entry(WCOW_ENTRY_DIR, WCOW_ATTR_DIRECTORY, 1);
        assert_ok(wcow_tree_top(tree, dir, &top, &node, &err));
    } else {
        assert_ok(wcow_tree_dir(tree, dir, &node, &err));
    }
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    assert_ok(wcow_payload_of_bytes(bytes.data, bytes.len, &payload, &err));
    wcow_autoentry entry = wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, 1);
    entry.size_bytes = bytes.len;
    const struct wcow_tree_item item = {.name = name, .entry = &entry, .payload = &payload};
    assert_ok(wcow_tree_put(tree, node, &item, &node, &err));
    wcow_tree_seal(tree);
    struct wcow_layer_source *source = NULL;
    assert_ok(wcow_layer_source_of_tree(tree, &source, &err));
    return source;
}

static struct wcow_layer_source *base_with(const char *path)
{
    return layer_with(WCOW_HIVE_PLAIN, "Files/Windows/System32/config", "SYSTEM", path);
}

static struct wcow_layer_source *delta_with(const char *path)
{
    return layer_with(WCOW_HIVE_DELTA, "Hives", "System_Delta", path);
}

static void assert_path(const char *base, const char *delta, const char *upper, const char *want)
{
    struct wcow_layer_source *sources[3] = {base ? base_with(base) : NULL,
                                            delta ? delta_with(delta) : NULL,
                                            upper ? delta_with(NULL) : NULL};
    struct wcow_layers layers = {0};
    wcow_autofree char *path = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (sources[i])
            assert_ok(wcow_layers_push(&layers, sources[i], &err));
    }
    assert_ok(wcow_layers_path(&layers, &path, &err));
    assert_string_equal(path, want);
    wcow_layers_done(&layers);
    for (size_t i = 0; i < 3; i++)
        wcow_layer_source_free(sources[i]);
}

static void the_path_is_that_of_the_nearest_hive(void **state)
{
    (void)state;
    assert_path("%SystemRoot%\\system32;%SYSTEMROOT%", NULL, NULL,
                "C:\\Windows\\system32;C:\\Windows");
    assert_path("%SystemRoot%", "%SystemRoot%;C:\\tools", NULL, "C:\\Windows;C:\\tools");
    assert_path("%SystemRoot%", "C:\\tools", "", "C:\\tools");
    assert_path(NULL, NULL, NULL, WCOW_DEFAULT_PATH);
    assert_path(NULL, NULL, "", WCOW_DEFAULT_PATH);
}

static void a_damaged_hive_is_named(void **state)
{
    (void)state;
    static const struct wcow_chain nothing = {0};
    const struct wcow_tree_options options = {.below = &nothing, .now = 1};
    struct wcow_tree *tree = NULL;
    struct wcow_tree_node *node = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    assert_ok(wcow_tree_dir(tree, "Files/Windows/System32/config", &node, &err));
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    assert_ok(wcow_payload_of_bytes("no hive", 7, &payload, &err));
    wcow_autoentry entry = wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, 1);
    entry.size_bytes = 7;
    const struct wcow_tree_item item = {.name = "SYSTEM", .entry = &entry, .payload = &payload};
    assert_ok(wcow_tree_put(tree, node, &item, &node, &err));
    struct wcow_layer_source *source = NULL;
    assert_ok(wcow_layer_source_of_tree(tree, &source, &err));
    struct wcow_layers layers = {0};
    assert_ok(wcow_layers_push(&layers, source, &err));
    assert_int_equal(wcow_layers_have_registry(&layers, NULL), 1);
    char *path = NULL;
    struct wcow_error err = {0};
    assert_int_equal(wcow_layers_path(&layers, &path, &err), WCOW_E_CORRUPT);
    assert_non_null(strstr(err.msg, "config/SYSTEM"));
    wcow_layers_done(&layers);
    wcow_layer_source_free(source);
}

static const char *only_a(void *ctx, const char *name, size_t len)
{
    (void)ctx;
    return len == 1 && *name == 'a' ? "[A]" : NULL;
}

static void percent_names_are_replaced_where_they_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {{"", ""},       {"x", "x"},           {"%a%", "[A]"},        {"%a%%a%", "[A][A]"},
                 {"%b%", "%b%"}, {"%b%a%", "%b[A]"},   {"100%", "100%"},      {"%%", "%%"},
                 {"%a", "%a"},   {"x%a%;y", "x[A];y"}, {"%b%;%a%", "%b%;[A]"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf out = {0};
        assert_ok(wcow_percent_expand(cases[i].text, only_a, NULL, &out, &err));
        assert_string_equal(out.data ? (const char *)out.data : "", cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_is_that_of_the_nearest_hive),
        cmocka_unit_test(a_damaged_hive_is_named),
        cmocka_unit_test(percent_names_are_replaced_where_they_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
