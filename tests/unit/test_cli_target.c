/* SPDX-License-Identifier: Apache-2.0 */
/* Two layers, the upper one replacing a file that the lower has under two names: the same must be
 * seen through tars and through folders. */
#include "wcow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/plain.h"
#include "cli/target.h"
#include "differ_test.h"
#include "tar_maker.h"

static const struct made lower[] = {
    {.name = "Files", .type = '5'},
    {.name = "Files/a.txt", .size = 3},
    {.name = "Files/a.txt:one", .size = 7},
    {.name = "Files/b.txt", .type = '1', .link = "Files/a.txt"},
    {.name = "Files/gone.txt", .size = 1},
    {.name = "Files/Sub", .type = '5'},
    {.name = "Files/Sub:dirstream", .size = 4},
    {.name = "Files/Sub/deep.txt", .size = 2},
    {.name = "Files/link", .type = '2', .link = "Sub\\deep.txt"},
    {.name = "Files/out", .type = '2', .link = "D:\\elsewhere"},
};
static const struct made upper[] = {
    {.name = "Files", .type = '5'},
    {.name = "Files/a.txt", .size = 5},
    {.name = "Files/.wh.gone.txt"},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct layers {
    char *folder; /* everything is below it */
    char tar[2][300];
    char layer[2][300];
};

static void write_layer(struct layers *l, int i, const struct made *entries, size_t n)
{
    wcow_autobuf tar = {0};
    for (size_t k = 0; k < n; k++)
        make_entry(&tar, &entries[k]);
    make_end(&tar);
    (void)snprintf(l->tar[i], sizeof(l->tar[i]), "%s/%d.tar", l->folder, i);
    (void)snprintf(l->layer[i], sizeof(l->layer[i]), "%s/%d", l->folder, i);
    FILE *f = fopen(l->tar[i], "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(tar.data, 1, tar.len, f), tar.len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(mkdir(l->layer[i], 0700), 0);
    struct memory_source memory = {.data = tar.data, .len = tar.len, .step = 4096};
    struct wcow_source source = memory_source(&memory);
    const char *parents[] = {l->layer[0]};
    struct wcow_apply_options o = {
        .blob = &source, .folder = l->layer[i], .parents = parents, .n_parents = i ? 1 : 0};
    struct wcow_applied applied = {0};
    assert_ok(wcow_apply(&o, &applied, &err));
}

static int setup(void **state)
{
    struct layers *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    l->folder = new_folder();
    write_layer(l, 0, lower, COUNT(lower));
    write_layer(l, 1, upper, COUNT(upper));
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct layers *l = *state;
    remove_folder(l->folder);
    free(l);
    return 0;
}

/* @param folders which of the layers are folders: bit 0 the lower, bit 1 the upper */
static void open_target(const struct layers *l, int folders, struct wcow_target *ret)
{
    const char *below = folders & 1 ? l->layer[0] : l->tar[0];
    const struct wcow_target_options options = {.parents = {.items = &below, .n = 1}};
    assert_ok(wcow_target_open_over(&options, folders & 2 ? l->layer[1] : l->tar[1], ret, &err));
}

static void expect_size(const struct wcow_target *target, const char *name, size_t want)
{
    WCOW_CLEANUP(wcow_target_file_close_p) struct wcow_target_file *file = NULL;
    assert_ok(wcow_target_file_open(target, 0, name, &file, &err));
    const struct wcow_source source = wcow_target_file_source(file);
    size_t got = 0;
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        assert_ok(wcow_source_next(&source, &data, &len, &err));
        if (!len)
            break;
        got += len;
        assert_int_equal(data[0], 'd');
    }
    assert_int_equal(got, want);
    assert_int_equal(wcow_target_file_entry(file)->size_bytes, want);
}

static void expect_failure(const struct wcow_target *target, const char *name, int want)
{
    struct wcow_target_file *file = NULL;
    assert_fails(wcow_target_file_open(target, 0, name, &file, &err), want);
}

static void files_are_the_same_through_tars_and_folders(void **state)
{
    const struct layers *l = *state;
    for (int folders = 0; folders < 4; folders++) {
        wcow_autotarget target = {0};
        open_target(l, folders, &target);
        assert_int_equal(target.n, 2);
        assert_int_equal(target.n_own, 1);
        expect_size(&target, "Files/a.txt", 5);
        expect_size(&target, "files/B.TXT", 3); /* the file that its own layer meant */
        expect_size(&target, "Files/sub/DEEP.txt", 2);
        expect_size(&target, "Files/sub:DirStream", 4);
        expect_failure(&target, "Files/gone.txt", WCOW_E_NOT_FOUND);
        expect_failure(&target, "Files/Sub", WCOW_E_INVALID);
        expect_failure(&target, "Files/link", WCOW_E_INVALID);
        expect_failure(&target, "Files/a.txt:none", WCOW_E_NOT_FOUND);
    }
}

static int count_entry(void *arg, const struct wcow_entry *entry, struct wcow_error *err)
{
    (void)entry;
    (void)err;
    ++*(size_t *)arg;
    return WCOW_OK;
}

static void a_layer_gives_its_entries_and_streams(void **state)
{
    const struct layers *l = *state;
    for (int folders = 0; folders < 4; folders += 3) {
        wcow_autotarget target = {0};
        open_target(l, folders, &target);
        size_t n[3] = {0};
        assert_ok(wcow_target_each(&target, 0, count_entry, &n[0], &err));
        assert_ok(wcow_target_each(&target, 1, count_entry, &n[1], &err));
        assert_ok(wcow_target_streams(&target, 1, "FILES/A.TXT", count_entry, &n[2], &err));
        assert_int_equal(n[0], COUNT(upper));
        assert_int_equal(n[1], COUNT(lower));
        assert_int_equal(n[2], 1);
    }
}

static off_t size_of(const char *folder, const char *name)
{
    char path[1024];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return lstat(path, &st) == 0 ? st.st_size : -1;
}

static void extracting_gives_plain_files(void **state)
{
    const struct layers *l = *state;
    wcow_autotarget target = {0};
    open_target(l, 0, &target);
    char out[400];
    (void)snprintf(out, sizeof(out), "%s/out", l->folder);
    struct wcow_plain_count count = {0};
    assert_ok(wcow_plain_extract(&target, "Files", out, &count, &err));
    assert_int_equal(size_of(out, "a.txt"), 5);
    assert_int_equal(size_of(out, "b.txt"), 3);
    assert_int_equal(size_of(out, "Sub/deep.txt"), 2);
    assert_int_equal(size_of(out, "gone.txt"), -1);
    assert_int_equal(size_of(out, "link"), strlen("Sub/deep.txt"));
    assert_int_equal(size_of(out, "out"), -1);
    assert_int_equal(count.n_files, 3);
    assert_int_equal(count.n_skipped_links, 1);
    assert_fails(wcow_plain_extract(&target, "Files", out, &count, &err), WCOW_E_PRECONDITION);
    assert_fails(wcow_plain_extract(&target, "Files/nothing", out, &count, &err),
                 WCOW_E_PRECONDITION);
}

static void hostile_names_are_not_extracted(void **state)
{
    const struct layers *l = *state;
    static const char *const names[] = {"Files/..", "Files/a\\b", "Files/C:", "Files/nul"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct made entries[] = {{.name = "Files", .type = '5'},
                                       {.name = names[i], .type = '5'}};
        wcow_autobuf tar = {0};
        make_entry(&tar, &entries[0]);
        make_entry(&tar, &entries[1]);
        make_end(&tar);
        char path[400];
        char out[400];
        (void)snprintf(path, sizeof(path), "%s/bad.tar", l->folder);
        (void)snprintf(out, sizeof(out), "%s/bad", l->folder);
        FILE *f = fopen(path, "wbe");
        assert_non_null(f);
        assert_int_equal(fwrite(tar.data, 1, tar.len, f), tar.len);
        assert_int_equal(fclose(f), 0);
        const struct wcow_target_options options = {0};
        wcow_autotarget target = {0};
        struct wcow_plain_count count = {0};
        assert_ok(wcow_target_open(&options, path, &target, &err));
        assert_fails(wcow_plain_extract(&target, "Files", out, &count, &err), WCOW_E_INVALID);
        assert_int_equal(access(out, F_OK), -1); /* nothing is left of it */
    }
}

static void what_is_no_target_is_told(void **state)
{
    const struct layers *l = *state;
    const struct wcow_target_options options = {
        .place = {.root = l->folder, .address = "/nowhere.sock", .ns = "test"},
        .snapshotter = "wcow",
        .platform = "windows/amd64"};
    wcow_autotarget target = {0};
    assert_fails(wcow_target_open(&options, l->folder, &target, &err), WCOW_E_INVALID);
    assert_fails(wcow_target_open(&options, "./nothing", &target, &err), WCOW_E_NOT_FOUND);
    assert_fails(wcow_target_open(&options, "nothing", &target, &err), WCOW_E_UNAVAILABLE);
    assert_int_equal(target.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_the_same_through_tars_and_folders),
        cmocka_unit_test(a_layer_gives_its_entries_and_streams),
        cmocka_unit_test(extracting_gives_plain_files),
        cmocka_unit_test(hostile_names_are_not_extracted),
        cmocka_unit_test(what_is_no_target_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
