/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/entry_list.h"

/* An entry's strings and bytes are not const, but nobody writes through borrowed ones. */
static void *borrow(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return u.out;
}

struct named {
    const char *name;
    enum wcow_entry_type type;
};

static const struct named layer[] = {
    {"Files", WCOW_ENTRY_DIR},
    {"Files/A B", WCOW_ENTRY_DIR},
    {"Files/A/deep/er/x.txt", WCOW_ENTRY_FILE},
    {"Files/a.txt", WCOW_ENTRY_FILE},
    {"Files/a.txt:one", WCOW_ENTRY_STREAM},
    {"Files/a.txt:two", WCOW_ENTRY_STREAM},
    {"Files/.wh.Gone.txt", WCOW_ENTRY_WHITEOUT},
    {"Files/A-B", WCOW_ENTRY_FILE},
    {"Files/twice", WCOW_ENTRY_FILE},
    {"Files/TWICE", WCOW_ENTRY_FILE},
    {"Files/.wh.back.txt", WCOW_ENTRY_WHITEOUT},
    {"Files/Back.txt", WCOW_ENTRY_FILE},
    {"Files/bad\xff", WCOW_ENTRY_FILE},
};
enum { N = sizeof(layer) / sizeof(layer[0]) };

static struct wcow_entry_list *make_of(const struct named *entries, size_t n)
{
    struct wcow_entry_list *list = NULL;
    assert_ok(wcow_entry_list_new(&list, &err));
    for (size_t i = 0; i < n; i++) {
        const struct wcow_entry e = {.type = entries[i].type, .name = borrow(entries[i].name)};
        assert_ok(wcow_entry_list_add(list, &e, 100 * i, &err));
    }
    assert_ok(wcow_entry_list_seal(list, &err));
    return list;
}

static struct wcow_entry_list *make(void)
{
    return make_of(layer, N);
}

static void entries_stay_in_order(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    assert_int_equal(wcow_entry_list_count(list), N);
    for (size_t i = 0; i < N; i++) {
        const struct wcow_listed *item = wcow_entry_list_at(list, i);
        assert_string_equal(item->entry.name, layer[i].name);
        assert_int_equal(item->offset, 100 * i);
        assert_int_equal(item->ordinal, i);
    }
    assert_null(wcow_entry_list_at(list, N));
}

static void entries_are_found_by_key(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *name; /* NULL: not there */
    } table[] = {
        {"FILES", "Files"},
        {"FILES/A.TXT", "Files/a.txt"},
        {"FILES/A B", "Files/A B"},
        {"FILES/A", NULL},
        {"FILES/GONE.TXT", "Files/.wh.Gone.txt"},
        {"FILES/TWICE", "Files/twice"},       /* the first of two */
        {"FILES/BACK.TXT", "Files/Back.txt"}, /* what is there beats what is deleted */
        {"FILES/A.TXT:ONE", NULL},            /* streams stand with their file */
        {"", NULL},
        {"ZZZ", NULL},
    };
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct wcow_listed *item = wcow_entry_list_find(list, table[i].key);
        if (table[i].name)
            assert_string_equal(item ? item->entry.name : table[i].key, table[i].name);
        else
            assert_null(item);
    }
}

static void streams_follow_their_file(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    assert_string_equal(wcow_entry_list_stream(list, "FILES/A.TXT", 0)->entry.name,
                        "Files/a.txt:one");
    assert_string_equal(wcow_entry_list_stream(list, "FILES/A.TXT", 1)->entry.name,
                        "Files/a.txt:two");
    assert_null(wcow_entry_list_stream(list, "FILES/A.TXT", 2));
    assert_null(wcow_entry_list_stream(list, "FILES/A B", 0));
}

static void what_is_below_is_known_however_deep(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    assert_true(wcow_entry_list_has_below(list, "FILES"));
    assert_true(wcow_entry_list_has_below(list, "FILES/A"));
    assert_true(wcow_entry_list_has_below(list, "FILES/A/DEEP"));
    assert_true(wcow_entry_list_has_below(list, "FILES/A/DEEP/ER"));
    assert_false(wcow_entry_list_has_below(list, "FILES/A B"));
    assert_false(wcow_entry_list_has_below(list, "FILES/A.TXT"));
    assert_false(wcow_entry_list_has_below(list, "HIVES"));
}

static int count_child(void *arg, const struct wcow_entry *entry, struct wcow_error *err)
{
    (void)err;
    assert_int_not_equal(entry->type, WCOW_ENTRY_STREAM);
    ++*(size_t *)arg;
    return WCOW_OK;
}

static void it_is_a_layer_of_a_chain(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    const struct wcow_layer_view view = wcow_entry_list_view(list);
    const struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    wcow_autoentry e = {0};
    assert_int_equal(wcow_chain_lookup(&chain, "files/A.TXT", &e, NULL, NULL), 1);
    assert_string_equal(e.name, "Files/a.txt");
    wcow_autoentry gone = {0};
    assert_int_equal(wcow_chain_lookup(&chain, "Files/gone.txt", &gone, NULL, NULL), 0);
    size_t n = 0;
    assert_ok(view.ops->children(view.layer, "FILES", count_child, &n, &err));
    assert_int_equal(n, 8); /* all but Files itself, the streams, and what is deeper or no name */
    n = 0;
    assert_ok(view.ops->children(view.layer, "FILES/A/DEEP/ER", count_child, &n, &err));
    assert_int_equal(n, 1);
}

static bool shows_dir(const struct wcow_layer_view *view, const char *key, const char *name)
{
    wcow_autoentry e = {0};
    int r = view->ops->lookup(view->layer, key, &e, NULL);
    assert_return_code(r, 0);
    return r > 0 && e.type == WCOW_ENTRY_DIR && strcmp(e.name, name) == 0;
}

static void directories_without_an_entry_are_implied(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    const struct wcow_layer_view view = wcow_entry_list_view(list);
    const struct wcow_chain alone = {.layers = &view, .n_layers = 1};
    size_t n = 0;
    assert_false(shows_dir(&view, "FILES/A", "Files/A"));
    assert_ok(wcow_entry_list_imply(list, &alone, &err));
    assert_true(shows_dir(&view, "FILES/A", "Files/A"));
    assert_true(shows_dir(&view, "FILES/A/DEEP", "Files/A/deep"));
    assert_true(shows_dir(&view, "FILES/A/DEEP/ER", "Files/A/deep/er"));
    assert_ok(view.ops->children(view.layer, "FILES", count_child, &n, &err));
    assert_int_equal(n, 9);
    n = 0;
    assert_ok(view.ops->children(view.layer, "FILES/A", count_child, &n, &err));
    assert_int_equal(n, 1);
    /* The layer itself has no more than before. */
    assert_int_equal(wcow_entry_list_count(list), N);
    assert_null(wcow_entry_list_find(list, "FILES/A"));
}

static void a_directory_that_the_layers_below_have_is_not_implied(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make();
    static const struct named below[] = {
        {"Files", WCOW_ENTRY_DIR}, {"Files/a", WCOW_ENTRY_DIR}, {"Files/a/DEEP", WCOW_ENTRY_FILE}};
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *base = make_of(below, 3);
    const struct wcow_layer_view views[] = {wcow_entry_list_view(list), wcow_entry_list_view(base)};
    const struct wcow_layer_view view = views[0];
    const struct wcow_chain alone = {.layers = views, .n_layers = 1};
    const struct wcow_chain chain = {.layers = views, .n_layers = 2};
    assert_ok(wcow_entry_list_imply(list, &alone, &err));
    assert_ok(wcow_entry_list_imply(list, &chain, &err));
    assert_false(shows_dir(&view, "FILES/A", "Files/A"));
    assert_true(shows_dir(&view, "FILES/A/DEEP", "Files/A/deep"));
    assert_true(shows_dir(&view, "FILES/A/DEEP/ER", "Files/A/deep/er"));
}

static void below_an_opaque_directory_all_are_implied(void **state)
{
    (void)state;
    static const struct named above[] = {{"Files", WCOW_ENTRY_DIR},
                                         {"Files/.wh..wh..opq", WCOW_ENTRY_OPAQUE},
                                         {"Files/app/new.txt", WCOW_ENTRY_FILE}};
    static const struct named below[] = {{"Files", WCOW_ENTRY_DIR}, {"Files/app", WCOW_ENTRY_DIR}};
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = make_of(above, 3);
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *base = make_of(below, 2);
    const struct wcow_layer_view views[] = {wcow_entry_list_view(list), wcow_entry_list_view(base)};
    const struct wcow_chain chain = {.layers = views, .n_layers = 2};
    assert_ok(wcow_entry_list_imply(list, &chain, &err));
    assert_true(shows_dir(&views[0], "FILES/APP", "Files/app"));
}

static void an_implied_directory_has_the_time_of_what_needs_it_first(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = NULL;
    const struct wcow_entry file = {
        .type = WCOW_ENTRY_FILE, .name = borrow("Files/in/x.txt"), .mtime = 7};
    const struct wcow_entry its_dir = {
        .type = WCOW_ENTRY_DIR, .name = borrow("Files/in"), .mtime = 9};
    wcow_autoentry files = {0};
    assert_ok(wcow_entry_list_new(&list, &err));
    assert_ok(wcow_entry_list_add(list, &file, 0, &err));
    assert_ok(wcow_entry_list_add(list, &its_dir, 0, &err));
    assert_ok(wcow_entry_list_seal(list, &err));
    const struct wcow_layer_view view = wcow_entry_list_view(list);
    const struct wcow_chain alone = {.layers = &view, .n_layers = 1};
    assert_ok(wcow_entry_list_imply(list, &alone, &err));
    assert_int_equal(view.ops->lookup(view.layer, "FILES", &files, NULL), 1);
    assert_int_equal(files.mtime, 7);
}

static void an_empty_list_has_nothing(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = NULL;
    assert_ok(wcow_entry_list_new(&list, &err));
    assert_ok(wcow_entry_list_seal(list, &err));
    assert_null(wcow_entry_list_find(list, "FILES"));
    assert_false(wcow_entry_list_has_below(list, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_stay_in_order),
        cmocka_unit_test(entries_are_found_by_key),
        cmocka_unit_test(streams_follow_their_file),
        cmocka_unit_test(what_is_below_is_known_however_deep),
        cmocka_unit_test(it_is_a_layer_of_a_chain),
        cmocka_unit_test(directories_without_an_entry_are_implied),
        cmocka_unit_test(a_directory_that_the_layers_below_have_is_not_implied),
        cmocka_unit_test(below_an_opaque_directory_all_are_implied),
        cmocka_unit_test(an_implied_directory_has_the_time_of_what_needs_it_first),
        cmocka_unit_test(an_empty_list_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
