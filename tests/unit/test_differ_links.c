/* SPDX-License-Identifier: Apache-2.0 */
/* Links from layer to layer: what they lead to, whatever became of the names above; links that the
 * host cannot hold. */
#include "differ_test.h"

#include "differ/layer_file.h"
#include "tar_maker.h"

enum { MAX_LAYERS = 3, MAX_ENTRIES = 6 };

/* Layer folders, nearest first, as a chain has them. */
struct stack {
    char *owned[MAX_LAYERS];
    const char *folders[MAX_LAYERS];
    size_t n;
};

static const char *const *top(const struct stack *s)
{
    return s->folders + MAX_LAYERS - s->n;
}

/* Unpack a layer on top; it has to leave as it came. */
static void stack_add(struct stack *s, const struct made *made)
{
    wcow_autobuf tar = {0};
    wcow_autobuf back = {0};
    for (size_t i = 0; i < MAX_ENTRIES && made[i].name; i++)
        make_entry(&tar, &made[i]);
    make_end(&tar);
    struct memory_source memory = {.data = tar.data, .len = tar.len};
    struct wcow_source source = memory_source(&memory);
    char *folder = new_folder();
    struct wcow_apply_options o = {
        .blob = &source, .folder = folder, .parents = top(s), .n_parents = s->n};
    struct wcow_applied applied = {0};
    struct wcow_digest diff_id = {0};
    assert_ok(wcow_apply(&o, &applied, &err));
    assert_ok(export_bytes(folder, &back, &diff_id, &err));
    assert_int_equal(back.len, tar.len);
    assert_memory_equal(back.data, tar.data, tar.len);
    s->owned[s->n++] = folder;
    s->folders[MAX_LAYERS - s->n] = folder;
}

static void stack_done(struct stack *s)
{
    for (size_t i = 0; i < s->n; i++)
        remove_folder(s->owned[i]);
}

/* How many bytes the chain gives of a file; -1 where it is not there. */
static int64_t bytes_of(const struct stack *s, const char *path)
{
    wcow_autochain chain = {0};
    WCOW_CLEANUP(wcow_layer_file_close_p) struct wcow_layer_file *file = NULL;
    assert_ok(wcow_differ_open_chain(top(s), s->n, &chain, &err));
    if (wcow_layer_file_open(&chain, path, &file, NULL) < 0)
        return -1;
    struct wcow_source source = wcow_layer_file_source(file);
    const uint8_t *data = NULL;
    size_t len = 0;
    int64_t total = 0;
    do {
        assert_ok(wcow_source_next(&source, &data, &len, &err));
        total += (int64_t)len;
    } while (len);
    return total;
}

/* The size of a file on the host, in the layer on top; -1 where there is no file. */
static int64_t bytes_on_host(const struct stack *s, const char *path)
{
    char full[512];
    struct stat st;
    (void)snprintf(full, sizeof(full), "%s/%s", top(s)[0], path);
    return lstat(full, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

static const struct made base[MAX_ENTRIES] = {
    {.name = "Files", .type = '5'},
    {.name = "Files/first", .size = 3},
    {.name = "Files/second", .type = '1', .link = "Files/first"},
};

/* Importers on Windows make links when whiteouts are done, from the parents' own folders. */
static void a_link_to_what_the_layer_deletes(void **state)
{
    (void)state;
    static const struct made orders[][MAX_ENTRIES] = {
        {{.name = "Files", .type = '5'},
         {.name = "Files/.wh.first"},
         {.name = "Files/new", .type = '1', .link = "Files/first"}},
        {{.name = "Files", .type = '5'},
         {.name = "Files/new", .type = '1', .link = "Files/first"},
         {.name = "Files/.wh.first"}},
    };
    for (size_t i = 0; i < 2; i++) {
        struct stack s = {0};
        stack_add(&s, base);
        stack_add(&s, orders[i]);
        assert_int_equal(bytes_on_host(&s, "Files/new"), 3);
        assert_int_equal(bytes_of(&s, "Files/new"), 3);
        assert_int_equal(bytes_of(&s, "Files/first"), -1);
        stack_done(&s);
    }
}

static void a_link_outlives_its_first_name(void **state)
{
    (void)state;
    static const struct made replaces[MAX_ENTRIES] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/first", .size = 700},
        {.name = "Files/third", .type = '1', .link = "Files/second"},
    };
    static const struct made deletes[MAX_ENTRIES] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/.wh.first"},
        {.name = "Files/.wh.second"},
    };
    struct stack s = {0};
    stack_add(&s, base);
    stack_add(&s, replaces);
    assert_int_equal(bytes_of(&s, "Files/first"), 700);
    assert_int_equal(bytes_of(&s, "Files/second"), 3);
    assert_int_equal(bytes_of(&s, "Files/third"), 3);
    stack_add(&s, deletes);
    assert_int_equal(bytes_of(&s, "Files/second"), -1);
    assert_int_equal(bytes_of(&s, "Files/third"), 3);
    stack_done(&s);
}

/* A name that is a link to the same name below: the parent's file once more. */
static void a_link_to_its_own_name_below(void **state)
{
    (void)state;
    static const struct made again[MAX_ENTRIES] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/first", .type = '1', .link = "Files/first"},
    };
    struct stack s = {0};
    stack_add(&s, base);
    stack_add(&s, again);
    assert_int_equal(bytes_on_host(&s, "Files/first"), 3);
    assert_int_equal(bytes_of(&s, "Files/first"), 3);
    stack_done(&s);
}

/* A target that Windows can hold and the host cannot: the index has it. */
static void a_target_longer_than_a_path(void **state)
{
    (void)state;
    enum { UNITS = 4000, BYTES_A_UNIT = 3 };
    wcow_autobuf record = {0};
    assert_ok(wcow_buf_add_str(&record, "linkpath=", &err));
    for (size_t i = 0; i < UNITS; i++)
        assert_ok(wcow_buf_add_str(&record, "\xe2\x82\xac", &err));
    const struct made link[MAX_ENTRIES] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/l",
         .type = '2',
         .link = "x",
         .pax = {"MSWINDOWS.fileattr=1024", (const char *)record.data}},
    };
    struct stack s = {0};
    stack_add(&s, link);
    stack_done(&s);
}

static void a_target_that_windows_cannot_hold(void **state)
{
    (void)state;
    enum { UNITS = 5000 };
    wcow_autobuf tar = {0};
    wcow_autobuf record = {0};
    assert_ok(wcow_buf_add_str(&record, "linkpath=", &err));
    for (size_t i = 0; i < UNITS; i++)
        assert_ok(wcow_buf_add_str(&record, "y", &err));
    const struct made link = {
        .name = "Files/l", .type = '2', .link = "x", .pax = {(const char *)record.data}};
    make_entry(&tar, &link);
    make_end(&tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    struct wcow_error err = {0};
    assert_int_equal(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err),
                     WCOW_E_INVALID);
    assert_non_null(strstr(err.msg, "\"Files/l\""));
    assert_non_null(strstr(err.msg, "rule link-too-long"));
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_to_what_the_layer_deletes),
        cmocka_unit_test(a_link_outlives_its_first_name),
        cmocka_unit_test(a_link_to_its_own_name_below),
        cmocka_unit_test(a_target_longer_than_a_path),
        cmocka_unit_test(a_target_that_windows_cannot_hold),
    };
    return cmocka_run_group_tests_name("differ/links", tests, NULL, NULL);
}
