/* SPDX-License-Identifier: Apache-2.0 */
/* Compare of a folder that somebody changed by hand, over the vector layer. */
#include "differ_test.h"

#include <sys/sysmacros.h>

#include "differ/compare.h"
#include "differ/layer_file.h"
#include "layer/sd.h"
#include "layer/tar_reader.h"
#include "tar_maker.h"

static char *base;
static char *scratch;
static char file_name[128]; /* of the base's plain file */

/* The base is the vector layer; note what it has. */
static int note_file(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    (void)arg;
    (void)err;
    if (row->entry->type == WCOW_ENTRY_FILE && !file_name[0] &&
        strncmp(row->entry->name, "Files/", 6) == 0 && strlen(row->entry->name) < 100)
        (void)snprintf(file_name, sizeof(file_name), "%s", row->entry->name);
    return WCOW_OK;
}

static int set_up(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    read_file(WCOW_TESTDATA "/vector.tar", &tar);
    base = new_folder();
    scratch = new_folder();
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(base, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    wcow_autochain chain = {0};
    const char *folders[] = {base};
    assert_ok(wcow_differ_open_chain(folders, 1, &chain, &err));
    file_name[0] = '\0';
    assert_ok(wcow_layer_index_each(chain.indexes[0], note_file, NULL, &err));
    assert_true(file_name[0] != '\0');
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(base);
    remove_folder(scratch);
    return 0;
}

/* Put a file, with its directories, into the scratch folder. */
static void put(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
    for (char *p = path + strlen(scratch) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (mkdir(path, 0755) < 0)
            assert_int_equal(errno, EEXIST);
        *p = '/';
    }
    if (!text)
        return;
    FILE *f = fopen(path, "wbe");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int compare_over(const char *const *parents, size_t n_parents, const uint64_t *latest,
                        struct wcow_buf *out, struct wcow_error *err)
{
    struct wcow_compare_options o = {
        .folder = scratch, .parents = parents, .n_parents = n_parents, .latest = latest};
    const struct wcow_sink sink = wcow_buf_sink(out);
    struct wcow_digest diff_id;
    uint64_t bytes = 0;
    return wcow_compare(&o, &sink, &diff_id, &bytes, err);
}

static int compare(const uint64_t *latest, struct wcow_buf *out, struct wcow_error *err)
{
    const char *parents[] = {base};
    return compare_over(parents, 1, latest, out, err);
}

static void a_changed_file_keeps_what_the_base_had(void **state)
{
    (void)state;
    put(file_name, "changed");
    wcow_autobuf tar = {0};
    assert_ok(compare(NULL, &tar, &err));
    wcow_autoentry now = {0};
    wcow_autoentry before = {0};
    wcow_autobuf old = {0};
    read_file(WCOW_TESTDATA "/vector.tar", &old);
    assert_true(find_in_tar(&tar, file_name, &now));
    assert_true(find_in_tar(&old, file_name, &before));
    assert_int_equal(now.size_bytes, strlen("changed"));
    assert_int_equal(now.attributes, before.attributes);
    assert_true(now.creation == before.creation);
    assert_true(now.mtime != before.mtime);
    assert_int_equal(now.sd_len_bytes, before.sd_len_bytes);
    assert_int_equal(now.n_eas, before.n_eas);
}

static void a_new_file_inherits_from_its_directory(void **state)
{
    (void)state;
    put("Files/new dir/new.txt", "new");
    wcow_autobuf tar = {0};
    assert_ok(compare(NULL, &tar, &err));
    wcow_autoentry dir = {0};
    wcow_autoentry file = {0};
    wcow_autobuf want = {0};
    assert_true(find_in_tar(&tar, "Files/new dir", &dir));
    assert_true(find_in_tar(&tar, "Files/new dir/new.txt", &file));
    struct wcow_bytes none = {0};
    struct wcow_bytes parent = {.data = dir.sd, .len = dir.sd_len_bytes};
    assert_ok(wcow_sd_inherit(parent, none, none, false, &want, &err));
    assert_int_equal(file.sd_len_bytes, want.len);
    assert_memory_equal(file.sd, want.data, want.len);
}

/* An update layer's C:\ has no descriptor: what is new in it inherits from the base's. */
static void a_new_file_inherits_from_the_base_below_an_update(void **state)
{
    (void)state;
    static const struct made root = {.name = "Files", .type = '5'};
    wcow_autobuf update_tar = {0};
    make_entry(&update_tar, &root);
    make_end(&update_tar);
    char *update = new_folder();
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(update, &update_tar, WCOW_COMPRESSION_NONE, &applied, &err));
    put("Files/new.txt", "new");
    const char *parents[] = {update, base};
    wcow_autobuf tar = {0};
    wcow_autobuf old = {0};
    assert_ok(compare_over(parents, 2, NULL, &tar, &err));
    read_file(WCOW_TESTDATA "/vector.tar", &old);
    wcow_autoentry in_base = {0};
    wcow_autoentry in_layer = {0};
    wcow_autoentry file = {0};
    wcow_autobuf want = {0};
    assert_true(find_in_tar(&old, "Files", &in_base));
    assert_true(find_in_tar(&tar, "Files", &in_layer));
    assert_true(find_in_tar(&tar, "Files/new.txt", &file));
    assert_null(in_layer.sd); /* it stands there as the nearest has it */
    const struct wcow_bytes none = {0};
    const struct wcow_bytes parent = {.data = in_base.sd, .len = in_base.sd_len_bytes};
    assert_ok(wcow_sd_inherit(parent, none, none, false, &want, &err));
    assert_int_equal(file.sd_len_bytes, want.len);
    assert_memory_equal(file.sd, want.data, want.len);
    assert_true(want.len != wcow_sd_default(false).len ||
                memcmp(want.data, wcow_sd_default(false).data, want.len) != 0);
    remove_folder(update);
}

static void base_directories_stand_before_as_they_were(void **state)
{
    (void)state;
    put("Files/new.txt", "new");
    wcow_autobuf tar = {0};
    wcow_autobuf old = {0};
    assert_ok(compare(NULL, &tar, &err));
    read_file(WCOW_TESTDATA "/vector.tar", &old);
    wcow_autoentry now = {0};
    wcow_autoentry before = {0};
    assert_true(find_in_tar(&tar, "Files", &now));
    assert_true(find_in_tar(&old, "Files", &before));
    assert_true(now.mtime == before.mtime && now.creation == before.creation);
    assert_int_equal(now.has, before.has);
    assert_int_equal(now.sd_len_bytes, before.sd_len_bytes);
}

static void five_hives_that_change_nothing_come_along(void **state)
{
    (void)state;
    put("Files/new.txt", "new");
    wcow_autobuf tar = {0};
    assert_ok(compare(NULL, &tar, &err));
    static const char *const hives[] = {"DefaultUser", "Sam", "Security", "Software", "System"};
    for (size_t i = 0; i < 5; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "Hives/%s_Delta", hives[i]);
        wcow_autoentry e = {0};
        assert_true(find_in_tar(&tar, name, &e));
        assert_true(e.size_bytes > 0);
    }
}

static void no_time_is_later_than_the_epoch_asked_for(void **state)
{
    (void)state;
    put("Files/new dir/new.txt", "new");
    uint64_t latest = UINT64_C(120000000000000000);
    wcow_autobuf tar = {0};
    assert_ok(compare(&latest, &tar, &err));
    wcow_autoentry e = {0};
    assert_true(find_in_tar(&tar, "Files/new dir/new.txt", &e));
    assert_true(e.mtime == latest && e.atime == latest && e.creation == latest &&
                e.ctime == latest);
}

static void a_whiteout_names_what_the_base_has(void **state)
{
    (void)state;
    put(file_name, "x");
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", scratch, file_name);
    assert_int_equal(unlink(path), 0);
    if (mknod(path, S_IFCHR, makedev(0, 0)) < 0)
        cannot_run("device nodes are not allowed");
    wcow_autobuf tar = {0};
    assert_ok(compare(NULL, &tar, &err));
    const char *slash = strrchr(file_name, '/');
    char whiteout[256];
    (void)snprintf(whiteout, sizeof(whiteout), "%.*s/.wh.%s", (int)(slash - file_name), file_name,
                   slash + 1);
    wcow_autoentry e = {0};
    assert_true(find_in_tar(&tar, whiteout, &e));
    assert_int_equal(e.type, WCOW_ENTRY_WHITEOUT);
}

static void what_windows_cannot_have_is_refused(void **state)
{
    (void)state;
    static const char *const twins[][2] = {{"Files/a.txt", "Files/A.TXT"},
                                           {"Files/trailing dot.", NULL},
                                           {"Files/con", NULL},
                                           {"Files/a:b", NULL},
                                           {"Files/.wh.a.txt", NULL},
                                           {"Files/.wh.dir/a.txt", NULL},
                                           {"Files/a.$wcidirs$", NULL}};
    for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++) {
        put(twins[i][0], "1");
        if (twins[i][1])
            put(twins[i][1], "2");
        wcow_autobuf tar = {0};
        assert_fails(compare(NULL, &tar, &err), WCOW_E_INVALID);
        char files[256];
        (void)snprintf(files, sizeof(files), "%s/Files", scratch);
        assert_ok(wcow_host_remove(AT_FDCWD, files, &err));
    }
}

static void a_folder_without_an_index_gets_one(void **state)
{
    (void)state;
    put("Files/new.txt", "new bytes");
    const char *folders[] = {scratch, base};
    wcow_autochain chain = {0};
    assert_ok(wcow_differ_open_chain(folders, 2, &chain, &err));
    WCOW_CLEANUP(wcow_layer_file_close_p) struct wcow_layer_file *file = NULL;
    assert_ok(wcow_layer_file_open(&chain, "files/NEW.txt", &file, &err));
    struct wcow_source source = wcow_layer_file_source(file);
    const uint8_t *data = NULL;
    size_t len = 0;
    assert_ok(wcow_source_next(&source, &data, &len, &err));
    assert_int_equal(len, strlen("new bytes"));
    assert_memory_equal(data, "new bytes", len);
    struct wcow_layer_file *none = NULL;
    assert_fails(wcow_layer_file_open(&chain, "Files/no.txt", &none, &err), WCOW_E_NOT_FOUND);
    assert_fails(wcow_layer_file_open(&chain, "Files", &none, &err), WCOW_E_INVALID);
}

int main(void)
{
#define scan_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        scan_test(a_changed_file_keeps_what_the_base_had),
        scan_test(a_new_file_inherits_from_its_directory),
        scan_test(a_new_file_inherits_from_the_base_below_an_update),
        scan_test(base_directories_stand_before_as_they_were),
        scan_test(five_hives_that_change_nothing_come_along),
        scan_test(no_time_is_later_than_the_epoch_asked_for),
        scan_test(a_whiteout_names_what_the_base_has),
        scan_test(what_windows_cannot_have_is_refused),
        scan_test(a_folder_without_an_index_gets_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
