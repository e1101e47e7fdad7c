/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "layer/sd.h"
#include "store/layer_index.h"

static char folder[64];
static int folder_fd = -1;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/wcow-index-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlinkat(folder_fd, "layer.db", 0);
    (void)unlinkat(folder_fd, "layer.db.tmp", 0);
    (void)close(folder_fd);
    return rmdir(folder);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): an entry holds it as its own */
static struct wcow_entry entry_of(char *name, enum wcow_entry_type type)
{
    struct wcow_bytes sd = wcow_sd_default(type == WCOW_ENTRY_DIR);
    struct wcow_entry e = {.type = type,
                           .name = name,
                           .attributes = 0x20,
                           .has = WCOW_HAS_RAWSD,
                           .mtime = 133500000000000001,
                           .atime = UINT64_MAX,
                           .creation = 7};
    if (type == WCOW_ENTRY_FILE) {
        e.sd = malloc(sd.len);
        assert_non_null(e.sd);
        memcpy(e.sd, sd.data, sd.len);
        e.sd_len_bytes = sd.len;
    }
    return e;
}

static void add(struct wcow_layer_index_writer *w, char *name, enum wcow_entry_type type)
{
    struct wcow_entry e = entry_of(name, type);
    struct wcow_index_row row = {.entry = &e, .segment_len = 512};
    if (type == WCOW_ENTRY_STREAM) {
        row.is_inlined = true;
        row.inlined = (struct wcow_bytes){.data = (const uint8_t *)"zone", .len = 4};
        e.size_bytes = 4;
    }
    assert_ok(wcow_layer_index_add(w, &row, &err));
    free(e.sd);
}

static char names[][32] = {
    "Files",       "Files/Dir",          "Files/Dir/a.txt", "Files/Dir/a.txt:Z",
    "Files/Dir/B", "Files/Dir/.wh.gone", "Files/Dir.x"};
static const enum wcow_entry_type types[] = {
    WCOW_ENTRY_DIR,  WCOW_ENTRY_DIR,      WCOW_ENTRY_FILE, WCOW_ENTRY_STREAM,
    WCOW_ENTRY_FILE, WCOW_ENTRY_WHITEOUT, WCOW_ENTRY_FILE};
enum { N = sizeof(types) / sizeof(types[0]) };

static void write_sample(void)
{
    struct wcow_layer_index_writer *w = NULL;
    assert_ok(wcow_layer_index_create(folder_fd, &w, &err));
    for (size_t i = 0; i < N; i++)
        add(w, names[i], types[i]);
    assert_ok(wcow_layer_index_add_headers(w, "none", 3, "abc", 3, &err));
    struct wcow_layer_info info = {.tar_bytes = 10, .origin = {.bytes = 5, .compression = "gzip"}};
    assert_ok(wcow_digest_of("blob", 4, &info.origin.blob, &err));
    assert_ok(wcow_digest_of("x", 1, &info.diff_id, &err));
    assert_ok(wcow_layer_index_finish(w, &info, true, &err));
}

static int count_rows(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    size_t *i = arg;
    (void)err;
    assert_string_equal(row->entry->name, names[*i]);
    assert_int_equal(row->entry->type, types[*i]);
    assert_int_equal(row->segment_len, 512);
    assert_true(row->entry->atime == UINT64_MAX);
    assert_int_equal(row->entry->sd != NULL, types[*i] == WCOW_ENTRY_FILE);
    (*i)++;
    return WCOW_OK;
}

static int join_names(void *arg, const struct wcow_entry *e, struct wcow_error *err)
{
    char *all = arg;
    (void)err;
    (void)strncat(all, e->name, 200 - strlen(all));
    (void)strncat(all, " ", 200 - strlen(all));
    return WCOW_OK;
}

static int first_stream(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    (void)err;
    assert_true(row->is_inlined);
    assert_int_equal(row->inlined.len, 4);
    (*(int *)arg)++;
    return WCOW_OK;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    write_sample();
    WCOW_CLEANUP(wcow_layer_index_close_p) struct wcow_layer_index *index = NULL;
    assert_ok(wcow_layer_index_open(folder_fd, &index, &err));
    const struct wcow_layer_info *info = wcow_layer_index_info(index);
    assert_int_equal(info->n_entries, N);
    struct wcow_digest blob = {0};
    assert_ok(wcow_digest_of("blob", 4, &blob, &err));
    assert_string_equal(info->origin.blob.text, blob.text);
    assert_int_equal(info->origin.bytes, 5);
    assert_string_equal(info->origin.compression, "gzip");
    size_t i = 0;
    assert_ok(wcow_layer_index_each(index, count_rows, &i, &err));
    assert_int_equal(i, N);
    int streams = 0;
    assert_ok(wcow_layer_index_streams(index, "FILES/DIR/A.TXT", first_stream, &streams, &err));
    assert_int_equal(streams, 1);
}

static void names_are_found_by_key(void **state)
{
    (void)state;
    write_sample();
    WCOW_CLEANUP(wcow_layer_index_close_p) struct wcow_layer_index *index = NULL;
    assert_ok(wcow_layer_index_open(folder_fd, &index, &err));
    struct wcow_layer_view view = wcow_layer_index_view(index);
    static const struct {
        const char *key;
        enum wcow_entry_type type; /* 0: not there */
    } cases[] = {{"FILES", WCOW_ENTRY_DIR},
                 {"FILES/DIR/A.TXT", WCOW_ENTRY_FILE},
                 {"FILES/DIR/GONE", WCOW_ENTRY_WHITEOUT},
                 {"FILES/DIR/NO", 0},
                 {"FILES/DIR/.WH.GONE", 0},
                 {"", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        assert_int_equal(view.ops->lookup(view.layer, cases[i].key, &e, NULL), cases[i].type != 0);
        assert_int_equal(e.type, cases[i].type);
    }
    char all[256] = "";
    assert_ok(view.ops->children(view.layer, "FILES/DIR", join_names, all, &err));
    assert_string_equal(all, "Files/Dir/a.txt Files/Dir/B Files/Dir/.wh.gone ");
    all[0] = '\0';
    assert_ok(view.ops->children(view.layer, "", join_names, all, &err));
    assert_string_equal(all, "Files ");
}

static void a_finished_index_is_not_replaced(void **state)
{
    (void)state;
    write_sample();
    struct wcow_layer_index_writer *w = NULL;
    assert_ok(wcow_layer_index_create(folder_fd, &w, &err));
    struct wcow_layer_info info = {0};
    assert_fails(wcow_layer_index_finish(w, &info, false, &err), WCOW_E_EXISTS);
    struct stat st;
    assert_int_equal(fstatat(folder_fd, "layer.db.tmp", &st, 0), -1);
}

static void giving_up_leaves_nothing(void **state)
{
    (void)state;
    struct wcow_layer_index_writer *w = NULL;
    assert_ok(wcow_layer_index_create(folder_fd, &w, &err));
    add(w, names[0], types[0]);
    wcow_layer_index_abort(w);
    struct wcow_layer_index *index = NULL;
    assert_fails(wcow_layer_index_open(folder_fd, &index, &err), WCOW_E_NOT_FOUND);
    struct stat st;
    assert_int_equal(fstatat(folder_fd, "layer.db.tmp", &st, 0), -1);
}

/* Damage anywhere is an error or goes unseen, never a crash. */
static void a_damaged_index_is_refused(void **state)
{
    (void)state;
    write_sample();
    wcow_autoclose int fd = openat(folder_fd, "layer.db", O_RDWR | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at += 331) {
        uint8_t old = 0;
        assert_int_equal(pread(fd, &old, 1, at), 1);
        uint8_t bad = (uint8_t)(old ^ 0x55);
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        struct wcow_layer_index *index = NULL;
        if (wcow_layer_index_open(folder_fd, &index, NULL) == WCOW_OK) {
            struct wcow_layer_view view = wcow_layer_index_view(index);
            wcow_autoentry e = {0};
            (void)(view.ops->lookup(view.layer, "FILES/DIR/A.TXT", &e, NULL) < 0);
        }
        wcow_layer_index_close(index);
        assert_int_equal(pwrite(fd, &old, 1, at), 1);
    }
    assert_int_equal(ftruncate(fd, 100), 0);
    struct wcow_layer_index *index = NULL;
    assert_fails(wcow_layer_index_open(folder_fd, &index, &err), WCOW_E_CORRUPT);
}

/* More directories and descriptors than memory is to hold: each a file of its own. */
enum { MANY = 60000, SD_BYTES = 120 };

static void name_many(char name[64], unsigned n)
{
    unsigned i = n % MANY;
    (void)snprintf(name, 64, "Files/d%u/folder %u/file %u", i % 100, i, n / MANY);
}

/* The directories and the descriptors come twice, far apart. */
static void add_many(struct wcow_layer_index_writer *w)
{
    for (unsigned n = 0; n < 2 * MANY; n++) {
        char name[64];
        uint8_t sd[SD_BYTES] = {0};
        unsigned i = n % MANY;
        name_many(name, n);
        memcpy(sd, &i, sizeof(i));
        struct wcow_entry e = {
            .type = WCOW_ENTRY_FILE, .name = name, .sd = sd, .sd_len_bytes = sizeof(sd)};
        struct wcow_index_row row = {.entry = &e, .segment_len = 512};
        assert_ok(wcow_layer_index_add(w, &row, &err));
    }
}

static int check_descriptor(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    unsigned *n = arg;
    unsigned i = MANY;
    char name[64];
    (void)err;
    name_many(name, *n);
    if (row->entry->sd_len_bytes == SD_BYTES)
        memcpy(&i, row->entry->sd, sizeof(i));
    if (i != *n % MANY || strcmp(row->entry->name, name) != 0)
        return WCOW_E_INTERNAL;
    (*n)++;
    return WCOW_OK;
}

static void very_many_directories_and_descriptors_are_kept_apart(void **state)
{
    (void)state;
    struct wcow_layer_index_writer *w = NULL;
    assert_ok(wcow_layer_index_create(folder_fd, &w, &err));
    add_many(w);
    struct wcow_layer_info info = {.tar_bytes = 1};
    assert_ok(wcow_layer_index_finish(w, &info, false, &err));
    WCOW_CLEANUP(wcow_layer_index_close_p) struct wcow_layer_index *index = NULL;
    assert_ok(wcow_layer_index_open(folder_fd, &index, &err));
    unsigned n = 0;
    assert_ok(wcow_layer_index_each(index, check_descriptor, &n, &err));
    assert_int_equal(n, 2 * MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_found_by_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_finished_index_is_not_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(giving_up_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(very_many_directories_and_descriptors_are_kept_apart,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_index_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
