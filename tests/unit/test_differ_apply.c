/* SPDX-License-Identifier: Apache-2.0 */
/* Apply and the way back: byte for byte, or nothing at all. */
#include "differ_test.h"
#include "run_command.h"
#include "tar_maker.h"

#include <glob.h>

static void load_vector(struct wcow_buf *tar)
{
    read_file(WCOW_TESTDATA "/vector.tar", tar);
}

static void vector_leaves_as_it_came(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autobuf back = {0};
    load_vector(&tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    struct wcow_digest diff_id = {0};
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    assert_string_equal(applied.diff_id.text,
                        "sha256:0a64e762241fa6d28a28e93ded957133e488511c66537f1de78cbedb9f3eff6e");
    assert_int_equal(applied.tar_bytes, tar.len);
    assert_ok(export_bytes(folder, &back, &diff_id, &err));
    assert_int_equal(back.len, tar.len);
    assert_memory_equal(back.data, tar.data, tar.len);
    assert_string_equal(diff_id.text, applied.diff_id.text);
    remove_folder(folder);
}

/* A folder's layer leaves as the tar it came as. */
static void assert_leaves_as(const char *folder, const struct wcow_buf *tar)
{
    wcow_autobuf back = {0};
    struct wcow_digest diff_id = {0};
    assert_ok(export_bytes(folder, &back, &diff_id, &err));
    assert_int_equal(back.len, tar->len);
    assert_memory_equal(back.data, tar->data, tar->len);
}

static void leaves_as_it_came(const char *path)
{
    wcow_autobuf tar = {0};
    read_file(path, &tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    struct wcow_error err = {0};
    if (apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    assert_leaves_as(folder, &tar);
    remove_folder(folder);
}

/* The fixtures of the tar reader: from every writer at hand, in each of its formats, and in the
 * style of builders; those named odd-* were made byte by byte. */
static void tars_of_every_writer_leave_as_they_came(void **state)
{
    (void)state;
    glob_t found = {0};
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a test, on one thread */
    assert_int_equal(glob(WCOW_TESTDATA "/layer/*.tar", 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 40);
    for (size_t i = 0; i < found.gl_pathc; i++)
        leaves_as_it_came(found.gl_pathv[i]);
    globfree(&found);
}

/* Files/sparse.bin of the fixtures: 30 pieces of 512 bytes, one or two in 2,048. */
static void sparse_files_are_unpacked_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"old", "0.0", "0.1", "1.0"};
    enum { PIECES = 30, EVERY = 2048, PIECE = 512, BYTES = PIECES * EVERY + 700 };
    static uint8_t want[BYTES];
    for (size_t i = 0; i < PIECES; i++)
        memset(want + i * EVERY + (i % 2) * PIECE, (int)('A' + i % 26), PIECE);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[512];
        wcow_autobuf tar = {0};
        wcow_autobuf got = {0};
        (void)snprintf(path, sizeof(path), WCOW_TESTDATA "/layer/gnu-sparse-%s.tar", names[i]);
        read_file(path, &tar);
        char *folder = new_folder();
        struct wcow_applied applied = {0};
        assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
        (void)snprintf(path, sizeof(path), "%s/Files/sparse.bin", folder);
        read_file(path, &got);
        assert_int_equal(got.len, sizeof(want));
        assert_memory_equal(got.data, want, sizeof(want));
        remove_folder(folder);
    }
}

/* 9 GiB of which 10 MiB are stored, which is no bomb: on disk it takes what it has. */
static void holes_take_no_room(void **state)
{
    (void)state;
    enum { STORED = 10 << 20 };
    wcow_autobuf tar = {0};
    make_entry(&tar, &(struct made){.name = "Files", .type = '5'});
    make_entry(&tar,
               &(struct made){.name = "Files/big",
                              .size = STORED,
                              .pax = {"GNU.sparse.size=9663676416",
                                      "GNU.sparse.map=1000000000,5242880,9000000000,5242880"}});
    make_end(&tar);
    char *folder = new_folder();
    char path[512];
    struct stat st;
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    (void)snprintf(path, sizeof(path), "%s/Files/big", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size == INT64_C(9663676416));
    assert_true(st.st_blocks * 512 < INT64_C(2) * STORED);
    assert_leaves_as(folder, &tar);
    remove_folder(folder);
}

/* The kernel takes paths of 4,095 bytes, Windows such of 32,767 characters. */
static void long_paths_leave_as_they_came(void **state)
{
    (void)state;
    enum { DEPTH = 126, LEAF = 254 };
    wcow_autobuf tar = {0};
    wcow_autobuf record = {0};
    char leaf[LEAF + 1] = "";
    memset(leaf, 'd', LEAF);
    make_entry(&tar, &(struct made){.name = "Files", .type = '5'});
    assert_ok(wcow_buf_addf(&record, &err, "path=Files"));
    for (int i = 0; i < DEPTH; i++) {
        assert_ok(wcow_buf_addf(&record, &err, "/%s", leaf));
        make_entry(&tar,
                   &(struct made){.name = "d", .type = '5', .pax = {(const char *)record.data}});
    }
    size_t dir_len = record.len;
    assert_ok(wcow_buf_addf(&record, &err, "/file"));
    make_entry(&tar, &(struct made){.name = "f", .size = 700, .pax = {(const char *)record.data}});
    record.len = dir_len;
    assert_ok(wcow_buf_addf(&record, &err, "/link"));
    wcow_autobuf link = {0};
    assert_ok(wcow_buf_addf(&link, &err, "linkpath=%.*s/file", (int)(dir_len - strlen("path=")),
                            (const char *)record.data + strlen("path=")));
    make_entry(&tar, &(struct made){.name = "l",
                                    .type = '1',
                                    .link = "f",
                                    .pax = {(const char *)record.data, (const char *)link.data}});
    make_end(&tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    assert_leaves_as(folder, &tar);
    remove_folder(folder);
}

static void what_follows_the_end_counts(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autobuf back = {0};
    load_vector(&tar);
    for (int i = 0; i < 3; i++) {
        static const char more[10240] = "not zeros";
        assert_ok(wcow_buf_add(&tar, more, sizeof(more), &err));
    }
    assert_ok(wcow_buf_add(&tar, "odd", 3, &err));
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    struct wcow_digest diff_id = {0};
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    assert_int_equal(applied.tar_bytes, tar.len);
    assert_ok(export_bytes(folder, &back, &diff_id, &err));
    assert_int_equal(back.len, tar.len);
    assert_memory_equal(back.data, tar.data, tar.len);
    remove_folder(folder);
}

/* Wherever a tar is cut, nothing of it stays. (A cut between two entries is a tar without its end
 * blocks.)
 */
static void a_truncated_tar_leaves_nothing(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load_vector(&tar);
    char *folder = new_folder();
    size_t whole = tar.len - 1024;
    for (size_t cut = 1; cut < whole; cut += 97) {
        struct wcow_buf part = {.data = tar.data, .len = cut};
        struct wcow_applied applied = {0};
        struct wcow_error err = {0};
        int r = apply_bytes(folder, &part, WCOW_COMPRESSION_NONE, &applied, &err);
        if (r == WCOW_OK) { /* cut between entries: Go, too, takes a tar without its end */
            remove_folder(folder);
            folder = new_folder();
            continue;
        }
        assert_int_equal(r, WCOW_E_CORRUPT);
        assert_true(err.msg[0]);
        assert_int_equal(count_in(folder), 0);
    }
    remove_folder(folder);
}

/* A flipped bit is refused or makes another layer that comes back as it is; never a crash. */
static void a_flipped_bit_is_refused_or_kept(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load_vector(&tar);
    for (size_t i = 3; i < tar.len; i += 251) {
        tar.data[i] ^= 0x10;
        char *folder = new_folder();
        struct wcow_applied applied = {0};
        int r = apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, NULL);
        if (r == WCOW_OK)
            assert_leaves_as(folder, &tar);
        else
            assert_int_equal(count_in(folder), 0);
        remove_folder(folder);
        tar.data[i] ^= 0x10;
    }
}

static void a_folder_in_use_is_left_alone(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load_vector(&tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    int before = count_in(folder);
    assert_fails(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err),
                 WCOW_E_PRECONDITION);
    assert_int_equal(count_in(folder), before);
    remove_folder(folder);
}

static void an_empty_files_folder_stays_after_a_failure(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load_vector(&tar);
    char *folder = new_folder();
    char files[256];
    (void)snprintf(files, sizeof(files), "%s/Files", folder);
    assert_int_equal(mkdir(files, 0755), 0);
    struct wcow_buf part = {.data = tar.data, .len = 5000};
    struct wcow_applied applied = {0};
    assert_fails(apply_bytes(folder, &part, WCOW_COMPRESSION_NONE, &applied, &err), WCOW_E_CORRUPT);
    assert_int_equal(count_in(folder), 1);
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    remove_folder(folder);
}

static void a_cancelled_apply_leaves_nothing(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load_vector(&tar);
    char *folder = new_folder();
    struct memory_source memory = {.data = tar.data, .len = tar.len, .step = 512};
    struct wcow_source source = memory_source(&memory);
    atomic_bool cancel = true;
    struct wcow_apply_options o = {
        .blob = &source, .compression = WCOW_COMPRESSION_NONE, .folder = folder, .cancel = &cancel};
    struct wcow_applied applied = {0};
    assert_fails(wcow_apply(&o, &applied, &err), WCOW_E_CANCELLED);
    assert_int_equal(count_in(folder), 0);
    remove_folder(folder);
}

/* Change the first plain file below Files and see that the way back notices. */
static void a_changed_file_is_data_loss(void **state)
{
    (void)state;
    static const char *const how[] = {
        "printf '~' | dd of=\"$f\" bs=1 conv=notrunc status=none",
        "echo more >> \"$f\"",
        "rm \"$f\"",
        "rm \"$f\"; ln -s /etc/passwd \"$f\"",
    };
    wcow_autobuf tar = {0};
    load_vector(&tar);
    for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
        char *folder = new_folder();
        struct wcow_applied applied = {0};
        assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
        char command[512];
        (void)snprintf(command, sizeof(command),
                       "for f in $(find '%s/Files' -type f -size +0); do %s; done", folder, how[i]);
        assert_int_equal(run_script(command), 0);
        wcow_autobuf back = {0};
        struct wcow_digest diff_id = {0};
        assert_fails(export_bytes(folder, &back, &diff_id, &err), WCOW_E_DATA_LOSS);
        remove_folder(folder);
    }
}

static void a_link_to_what_a_parent_has_lost_is_data_loss(void **state)
{
    (void)state;
    wcow_autobuf below = {0};
    wcow_autobuf above = {0};
    make_entry(&below, &(struct made){.name = "Files", .type = '5'});
    make_entry(&below, &(struct made){.name = "Files/a", .size = 3});
    make_end(&below);
    make_entry(&above, &(struct made){.name = "Files", .type = '5'});
    make_entry(&above, &(struct made){.name = "Files/b", .type = '1', .link = "Files/a"});
    make_end(&above);
    char *parent = new_folder();
    char *folder = new_folder();
    char path[512];
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(parent, &below, WCOW_COMPRESSION_NONE, &applied, &err));
    (void)snprintf(path, sizeof(path), "%s/Files/a", parent);
    assert_int_equal(unlink(path), 0);
    const char *parents[] = {parent};
    struct memory_source memory = {.data = above.data, .len = above.len};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {
        .blob = &source, .folder = folder, .parents = parents, .n_parents = 1};
    assert_fails(wcow_apply(&o, &applied, &err), WCOW_E_DATA_LOSS);
    assert_int_equal(count_in(folder), 0);
    remove_folder(folder);
    remove_folder(parent);
}

/* Somebody else makes a file in the folder while its layer is read. */
struct intruder {
    struct wcow_source source;
    const char *folder;
};

static int read_after_intrusion(void *ctx, const uint8_t **ret_data, size_t *ret_len,
                                struct wcow_error *err)
{
    const struct intruder *i = ctx;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/Files", i->folder);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof(path), "%s/Files/taken", i->folder);
    wcow_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return wcow_source_next(&i->source, ret_data, ret_len, err);
}

/* Small files are made later than they are read: what fails there is told before what is wrong with
 * an entry behind it. */
static void the_first_entry_that_fails_is_told(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    make_entry(&tar, &(struct made){.name = "Files", .type = '5'});
    make_entry(&tar, &(struct made){.name = "Files/taken", .size = 10});
    make_entry(&tar, &(struct made){.name = "Files/behind"});
    make_entry(&tar, &(struct made){.name = "Files/../escape"});
    make_end(&tar);
    char *folder = new_folder();
    struct memory_source memory = {.data = tar.data, .len = tar.len};
    struct intruder intruder = {.source = memory_source(&memory), .folder = folder};
    struct wcow_source source = {.next = read_after_intrusion, .ctx = &intruder};
    struct wcow_apply_options o = {.blob = &source, .folder = folder};
    struct wcow_applied applied = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_apply(&o, &applied, &err), WCOW_E_INVALID);
    assert_non_null(strstr(err.msg, "\"Files/taken\" stands in the layer twice"));
    assert_int_equal(count_in(folder), 0);
    remove_folder(folder);
}

/* A row of directories with a link and a small file in each, longer than what may wait. */
static void make_row(struct wcow_buf *tar)
{
    make_entry(tar, &(struct made){.name = "Files", .type = '5'});
    make_entry(tar, &(struct made){.name = "Files/target", .size = 40000});
    for (int i = 0; i < 700; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "Files/d%d", i);
        make_entry(tar, &(struct made){.name = name, .type = '5'});
        (void)snprintf(name, sizeof(name), "Files/d%d/link", i);
        make_entry(tar, &(struct made){.name = name, .type = '1', .link = "Files/target"});
        (void)snprintf(name, sizeof(name), "Files/d%d/below/small", i);
        make_entry(tar, &(struct made){.name = name, .size = (uint64_t)i});
        (void)snprintf(name, sizeof(name), "Files/d%d/again", i);
        make_entry(tar, &(struct made){.name = name, .type = '1', .link = "Files/D0/below/SMALL"});
    }
    make_end(tar);
}

static void rows_of_directories_links_and_small_files_are_all_there(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    make_row(&tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err));
    assert_leaves_as(folder, &tar);
    char path[512];
    struct stat st = {0};
    (void)snprintf(path, sizeof(path), "%s/Files/target", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 701);
    (void)snprintf(path, sizeof(path), "%s/Files/d699/below/small", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 699);
    remove_folder(folder);
}

static void compressed_blobs_are_unpacked(void **state)
{
    (void)state;
    static const enum wcow_compression all[] = {WCOW_COMPRESSION_GZIP, WCOW_COMPRESSION_ZSTD};
    wcow_autobuf tar = {0};
    load_vector(&tar);
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf packed = {0};
        const struct wcow_sink sink = wcow_buf_sink(&packed);
        WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *c = NULL;
        assert_ok(wcow_compressor_new(&sink, all[i], 2, &c, &err));
        struct wcow_sink in = wcow_compressor_sink(c);
        assert_ok(wcow_sink_write(&in, tar.data, tar.len, &err));
        assert_ok(wcow_compressor_finish(c, &err));
        char *folder = new_folder();
        struct wcow_applied applied = {0};
        assert_ok(apply_bytes(folder, &packed, all[i], &applied, &err));
        assert_int_equal(applied.tar_bytes, tar.len);
        remove_folder(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_leaves_as_it_came),
        cmocka_unit_test(tars_of_every_writer_leave_as_they_came),
        cmocka_unit_test(sparse_files_are_unpacked_whole),
        cmocka_unit_test(holes_take_no_room),
        cmocka_unit_test(long_paths_leave_as_they_came),
        cmocka_unit_test(what_follows_the_end_counts),
        cmocka_unit_test(a_truncated_tar_leaves_nothing),
        cmocka_unit_test(a_flipped_bit_is_refused_or_kept),
        cmocka_unit_test(a_folder_in_use_is_left_alone),
        cmocka_unit_test(an_empty_files_folder_stays_after_a_failure),
        cmocka_unit_test(a_cancelled_apply_leaves_nothing),
        cmocka_unit_test(a_changed_file_is_data_loss),
        cmocka_unit_test(a_link_to_what_a_parent_has_lost_is_data_loss),
        cmocka_unit_test(the_first_entry_that_fails_is_told),
        cmocka_unit_test(rows_of_directories_links_and_small_files_are_all_there),
        cmocka_unit_test(compressed_blobs_are_unpacked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
