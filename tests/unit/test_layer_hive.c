/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layer/hive.h"
#include "layer/hive_read.h"

#define ENVIRONMENT "ControlSet001\\Control\\Session Manager\\Environment"
#define T           UINT64_C(133500000000000001)

/* A file in memory. */
static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("hive", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    return fd;
}

static void assert_string(int fd, const char *key, const char *value, const char *want)
{
    wcow_autofree char *got = NULL;
    struct wcow_error err = {0};
    int r = wcow_hive_read_string(fd, key, value, &got, &err);
    if (r != 1)
        fail_msg("%s %s: %d: %s", key, value, r, err.msg);
    assert_string_equal(got, want);
}

static void an_empty_delta_has_the_header_of_a_genuine_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        wcow_autobuf out = {0};
        assert_ok(wcow_hive_empty_delta(wcow_hive_delta_names[i], T, &out, &err));
        assert_int_equal(out.len, 8192);
        assert_memory_equal(out.data, "regf", 4);
        assert_int_equal(wcow_load_le32(out.data + 4), wcow_load_le32(out.data + 8));
        assert_int_equal(wcow_load_le64(out.data + 12), T);
        assert_int_equal(wcow_load_le32(out.data + 20), 1);
        assert_int_equal(wcow_load_le32(out.data + 24), 6);
        assert_int_equal(wcow_load_le32(out.data + 36), 32);
        assert_int_equal(wcow_load_le32(out.data + 40), 4096);
        assert_int_equal(out.data[48], wcow_hive_delta_names[i][0]);
        assert_int_equal(wcow_load_le32(out.data + 0x90), 2);
        assert_memory_equal(out.data + 0xb0, "OfRg\1\0\0\0", 8);
        uint32_t sum = 0;
        for (size_t k = 0; k < 512; k += 4)
            sum ^= wcow_load_le32(out.data + k);
        assert_int_equal(sum, 0);
        const uint8_t *root = out.data + 4096 + 32;
        assert_memory_equal(root + 4, "nk\x2c\0", 4);
        assert_int_equal(root[4 + 12], 2);
        assert_int_equal(root[4 + 13], 0);
        assert_memory_equal(root + 4 + 76, "ROOT", 4);
        const uint8_t *sk = out.data + 4096 + wcow_load_le32(root + 4 + 44);
        assert_memory_equal(sk + 4, "sk", 2);
        int fd = file_of(out.data, out.len);
        char *got = NULL;
        struct wcow_error err = {0};
        assert_int_equal(wcow_hive_read_string(fd, ENVIRONMENT, "Path", &got, &err), 0);
        assert_int_equal(wcow_hive_read_string(fd, "", "", &got, &err), 0);
        (void)close(fd);
    }
}

static void set(struct wcow_hive *hive, const char *path, const char *name, const char *text)
{
    struct wcow_hive_key *key = NULL;
    assert_ok(wcow_hive_key(hive, path, &key, &err));
    assert_ok(wcow_hive_set_string(key, name, WCOW_REG_SZ, text, &err));
}

static void write_hive(const struct wcow_hive *hive, struct wcow_buf *out)
{
    wcow_autobuf again = {0};
    assert_ok(wcow_hive_write(hive, out, &err));
    assert_ok(wcow_hive_write(hive, &again, &err));
    assert_int_equal(out->len, again.len);
    assert_memory_equal(out->data, again.data, out->len);
}

static void libhivex_reads_what_was_written(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    assert_ok(wcow_hive_new(WCOW_HIVE_PLAIN, "a name longer than the header's field for it", T,
                            &hive, &err));
    static char big[60000];
    memset(big, 'b', sizeof(big) - 1);
    set(hive, ENVIRONMENT, "Path", "%SystemRoot%");
    set(hive, ENVIRONMENT, "PATH", "C:\\Windows"); /* in its place */
    set(hive, ENVIRONMENT, "", "default");
    set(hive, ENVIRONMENT, "\xc3\xbc", "\xf0\x9f\x98\x80");
    set(hive, ENVIRONMENT, "a", "");
    set(hive, ENVIRONMENT, "big", big);
    struct wcow_hive_key *key = NULL;
    assert_ok(wcow_hive_key(hive, ENVIRONMENT, &key, &err));
    assert_ok(wcow_hive_set_value(key, "n", WCOW_REG_DWORD, "\1\0\0\0", 4, &err));
    for (int i = 0; i < 1200; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "Many\\key %d", i * 7 % 1200);
        set(hive, name, "v", name);
    }
    wcow_autobuf out = {0};
    write_hive(hive, &out);

    int fd = file_of(out.data, out.len);
    assert_string(fd, ENVIRONMENT, "path", "C:\\Windows");
    assert_string(fd, "controlset001\\CONTROL\\session manager\\environment", "", "default");
    assert_string(fd, ENVIRONMENT, "\xc3\xbc", "\xf0\x9f\x98\x80");
    assert_string(fd, ENVIRONMENT, "a", "");
    assert_string(fd, ENVIRONMENT, "big", big);
    assert_string(fd, "Many\\KEY 0", "v", "Many\\key 0");
    assert_string(fd, "Many\\key 1199", "v", "Many\\key 1199");
    char *got = NULL;
    assert_fails(wcow_hive_read_string(fd, ENVIRONMENT, "n", &got, &err), WCOW_E_INVALID);
    (void)close(fd);
}

static void layered_keys_are_marked(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    assert_ok(wcow_hive_new(WCOW_HIVE_DELTA, "System_Delta", T, &hive, &err));
    struct wcow_hive_key *key = NULL;
    assert_ok(wcow_hive_key(hive, "A", &key, &err));
    assert_ok(wcow_hive_set_layer(hive, key, WCOW_HIVE_TOMBSTONE, &err));
    assert_fails(wcow_hive_set_value(key, "v", WCOW_REG_NONE, "", 0, &err), WCOW_E_INVALID);
    assert_fails(wcow_hive_key(hive, "A\\B", &key, &err), WCOW_E_INVALID);
    assert_ok(wcow_hive_key(hive, "B", &key, &err));
    assert_ok(wcow_hive_set_layer(hive, key, WCOW_HIVE_SUPERSEDE_TREE, &err));
    assert_ok(wcow_hive_delete_value(key, "gone", &err));
    assert_fails(wcow_hive_set_layer(hive, key, WCOW_HIVE_TOMBSTONE, &err), WCOW_E_INVALID);
    wcow_autobuf out = {0};
    assert_ok(wcow_hive_write(hive, &out, &err));
    const uint8_t *bins = out.data + 4096;
    const uint8_t *root = bins + 32 + 4;
    const uint8_t *list = bins + wcow_load_le32(root + 28) + 4;
    assert_memory_equal(list, "lh\2\0", 4);
    const uint8_t *a = bins + wcow_load_le32(list + 4) + 4;
    const uint8_t *b = bins + wcow_load_le32(list + 12) + 4;
    assert_int_equal(wcow_load_le32(list + 8), 'A');
    assert_int_equal(a[13], 0x81);
    assert_int_equal(b[13], 0x83);
    const uint8_t *vk = bins + wcow_load_le32(bins + wcow_load_le32(b + 40) + 4) + 4;
    assert_memory_equal(vk, "vk\4\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\3\0", 18);
}

static void what_cannot_be_written(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    assert_ok(wcow_hive_new(WCOW_HIVE_PLAIN, "x", T, &hive, &err));
    struct wcow_hive_key *key = NULL;
    assert_fails(wcow_hive_key(hive, "\\A", &key, &err), WCOW_E_INVALID);
    assert_fails(wcow_hive_key(hive, "A\\\\B", &key, &err), WCOW_E_INVALID);
    assert_fails(wcow_hive_key(hive, "A\\", &key, &err), WCOW_E_INVALID);
    assert_fails(wcow_hive_key(hive, "A\xff", &key, &err), WCOW_E_INVALID);
    assert_null(key);
    wcow_autobuf deep = {0};
    for (int i = 0; i < 600; i++)
        assert_ok(wcow_buf_add_str(&deep, i ? "\\k" : "k", &err));
    assert_fails(wcow_hive_key(hive, (const char *)deep.data, &key, &err), WCOW_E_LIMIT);
    assert_ok(wcow_hive_key(hive, "", &key, &err));
    assert_fails(wcow_hive_set_layer(hive, key, WCOW_HIVE_TOMBSTONE, &err), WCOW_E_PRECONDITION);
}

static void what_is_no_hive_is_corrupt(void **state)
{
    (void)state;
    char *got = NULL;
    int fd = file_of("regf, not really", 16);
    assert_fails(wcow_hive_read_string(fd, "A", "B", &got, &err), WCOW_E_CORRUPT);
    (void)close(fd);
    wcow_autobuf out = {0};
    assert_ok(wcow_hive_empty_delta("System_Delta", T, &out, &err));
    out.data[100] ^= 1;
    fd = file_of(out.data, out.len);
    assert_fails(wcow_hive_read_string(fd, "A", "B", &got, &err), WCOW_E_CORRUPT);
    (void)close(fd);
    assert_null(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_delta_has_the_header_of_a_genuine_one),
        cmocka_unit_test(libhivex_reads_what_was_written),
        cmocka_unit_test(layered_keys_are_marked),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(what_is_no_hive_is_corrupt),
    };
    return cmocka_run_group_tests_name("layer/hive", tests, NULL, NULL);
}
