/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of builders that write files without the directories they are in: the tar leaves as it
 * came, and the directories are there for whoever asks by name. */
#include "differ_test.h"

#include "tar_maker.h"

static const struct made files_only[] = {
    {.name = "Files/App/bin/run.exe", .size = 3},
    {.name = "Files/App/readme.txt", .size = 600},
    {.name = "Files/late/inner.txt", .size = 1},
    {.name = "Files/late", .type = '5'},
};

static char *apply_made(const struct made *made, size_t n, const char *const *parents,
                        size_t n_parents, struct wcow_buf *tar)
{
    for (size_t i = 0; i < n; i++)
        make_entry(tar, &made[i]);
    make_end(tar);
    char *folder = new_folder();
    struct memory_source memory = {.data = tar->data, .len = tar->len};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {
        .blob = &source, .folder = folder, .parents = parents, .n_parents = n_parents};
    struct wcow_applied applied = {0};
    assert_ok(wcow_apply(&o, &applied, &err));
    assert_int_equal(applied.n_entries, n);
    return folder;
}

struct seen {
    char names[8][64];
    size_t n;
};

static int see(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct seen *seen = arg;
    (void)err;
    assert_true(seen->n < 8);
    (void)snprintf(seen->names[seen->n++], 64, "%s", child->name);
    return WCOW_OK;
}

static void the_tar_leaves_as_it_came(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autobuf back = {0};
    char *folder = apply_made(files_only, 4, NULL, 0, &tar);
    struct wcow_digest diff_id = {0};
    assert_ok(export_bytes(folder, &back, &diff_id, &err));
    assert_int_equal(back.len, tar.len);
    assert_memory_equal(back.data, tar.data, tar.len);
    remove_folder(folder);
}

static void its_directories_are_found(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    char *folder = apply_made(files_only, 4, NULL, 0, &tar);
    {
        const char *folders[] = {folder};
        wcow_autochain layers = {0};
        assert_ok(wcow_differ_open_chain(folders, 1, &layers, &err));
        struct wcow_chain chain = wcow_layer_chain_names(&layers);
        static const struct {
            const char *path;
            const char *name;
        } cases[] = {{"files", "Files"},
                     {"FILES/app", "Files/App"},
                     {"Files/APP/BIN", "Files/App/bin"},
                     {"files/LATE", "Files/late"}};
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            wcow_autoentry e = {0};
            assert_int_equal(wcow_chain_lookup(&chain, cases[i].path, &e, NULL, NULL), 1);
            assert_int_equal(e.type, WCOW_ENTRY_DIR);
            assert_string_equal(e.name, cases[i].name);
            assert_true(e.attributes & WCOW_ATTR_DIRECTORY);
        }
        struct seen seen = {0};
        assert_ok(wcow_chain_children(&chain, "Files", see, &seen, &err));
        assert_int_equal(seen.n, 2);
        assert_string_equal(seen.names[0], "Files/App");
        assert_string_equal(seen.names[1], "Files/late");
        seen.n = 0;
        assert_ok(wcow_chain_children(&chain, "files/app", see, &seen, &err));
        assert_int_equal(seen.n, 2);
        assert_string_equal(seen.names[0], "Files/App/bin");
        wcow_autofree char *cased = NULL;
        size_t existing = 0;
        assert_ok(wcow_chain_casing(&chain, "files/app/BIN/new", &cased, &existing, &err));
        assert_string_equal(cased, "Files/App/bin/new");
        assert_int_equal(existing, 3);
    }
    remove_folder(folder);
}

static void a_parent_s_directory_keeps_its_metadata(void **state)
{
    (void)state;
    static const struct made below[] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/App", .type = '5', .pax = {"MSWINDOWS.fileattr=18"}},
        {.name = "Files/was-a-file", .size = 1},
    };
    static const struct made above[] = {{.name = "Files/app/more.txt", .size = 1},
                                        {.name = "Files/was-a-file/now.txt", .size = 1}};
    wcow_autobuf tar = {0};
    wcow_autobuf upper = {0};
    char *base = apply_made(below, 3, NULL, 0, &tar);
    const char *parents[] = {base};
    char *folder = apply_made(above, 2, parents, 1, &upper);
    {
        const char *folders[] = {folder, base};
        wcow_autochain layers = {0};
        assert_ok(wcow_differ_open_chain(folders, 2, &layers, &err));
        struct wcow_chain chain = wcow_layer_chain_names(&layers);
        wcow_autoentry e = {0};
        assert_int_equal(wcow_chain_lookup(&chain, "Files/app", &e, NULL, NULL), 1);
        assert_int_equal(e.attributes, WCOW_ATTR_DIRECTORY | WCOW_ATTR_HIDDEN);
        wcow_autoentry dir = {0};
        assert_int_equal(wcow_chain_lookup(&chain, "Files/was-a-file", &dir, NULL, NULL), 1);
        assert_int_equal(dir.type, WCOW_ENTRY_DIR);
        wcow_autoentry file = {0};
        assert_int_equal(wcow_chain_lookup(&chain, "Files/was-a-file/now.txt", &file, NULL, NULL),
                         1);
    }
    remove_folder(folder);
    remove_folder(base);
}

static void an_opaque_directory_hides_a_parent_s(void **state)
{
    (void)state;
    static const struct made below[] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/App", .type = '5', .pax = {"MSWINDOWS.fileattr=18"}},
        {.name = "Files/App/old.txt", .size = 1},
    };
    static const struct made above[] = {{.name = "Files", .type = '5'},
                                        {.name = "Files/.wh..wh..opq"},
                                        {.name = "Files/App/new.txt", .size = 1}};
    wcow_autobuf tar = {0};
    wcow_autobuf upper = {0};
    char *base = apply_made(below, 3, NULL, 0, &tar);
    const char *parents[] = {base};
    char *folder = apply_made(above, 3, parents, 1, &upper);
    {
        const char *folders[] = {folder, base};
        wcow_autochain layers = {0};
        assert_ok(wcow_differ_open_chain(folders, 2, &layers, &err));
        struct wcow_chain chain = wcow_layer_chain_names(&layers);
        wcow_autoentry e = {0};
        assert_int_equal(wcow_chain_lookup(&chain, "Files/App", &e, NULL, NULL), 1);
        assert_int_equal(e.attributes, WCOW_ATTR_DIRECTORY);
        struct seen seen = {0};
        assert_ok(wcow_chain_children(&chain, "Files", see, &seen, &err));
        assert_int_equal(seen.n, 1);
        assert_string_equal(seen.names[0], "Files/App");
    }
    remove_folder(folder);
    remove_folder(base);
}

static void what_windows_cannot_import_is_refused_where_asked(void **state)
{
    (void)state;
    static const struct made good[] = {
        {.name = "Files/in-a-root-that-is-no-entry.txt", .size = 1},
        {.name = "Files/gone/.wh.deleted"},
        {.name = "Files/App", .type = '5'},
        {.name = "Files/App/readme.txt", .size = 1},
    };
    static const struct made bad[] = {{.name = "Files/gone/new.txt", .size = 1},
                                      {.name = "Files/x/d", .type = '5'},
                                      {.name = "Files/x/l", .type = '2', .link = "t"},
                                      {.name = "UtilityVM/Files/a", .size = 1}};
    for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
        wcow_autobuf tar = {0};
        for (size_t k = 0; k < sizeof(good) / sizeof(good[0]); k++)
            make_entry(&tar, &good[k]);
        bool is_bad = i < sizeof(bad) / sizeof(bad[0]);
        if (is_bad)
            make_entry(&tar, &bad[i]);
        make_end(&tar);
        char *folder = new_folder();
        struct memory_source memory = {.data = tar.data, .len = tar.len};
        struct wcow_source source = memory_source(&memory);
        struct wcow_apply_options o = {.blob = &source, .folder = folder, .need_parents = true};
        struct wcow_applied applied = {0};
        struct wcow_error err = {0};
        int r = wcow_apply(&o, &applied, &err);
        assert_int_equal(r, is_bad ? WCOW_E_INVALID : WCOW_OK);
        if (is_bad && (!strstr(err.msg, bad[i].name) || !strstr(err.msg, "missing-parent")))
            fail_msg("%s: %s", bad[i].name, err.msg);
        assert_true(!is_bad || count_in(folder) == 0);
        remove_folder(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tar_leaves_as_it_came),
        cmocka_unit_test(its_directories_are_found),
        cmocka_unit_test(a_parent_s_directory_keeps_its_metadata),
        cmocka_unit_test(an_opaque_directory_hides_a_parent_s),
        cmocka_unit_test(what_windows_cannot_import_is_refused_where_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
