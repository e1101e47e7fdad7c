/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "containerd/file_hash.h"

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    return fd;
}

static void a_file_has_the_digest_of_its_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 256 << 10, (1 << 20) + 17};
    wcow_autofree char *data = calloc(1, 2 << 20);
    assert_non_null(data);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(data, 'a' + (int)i, sizes[i]);
        wcow_autoclose int fd = file_of(data, sizes[i]);
        struct wcow_file_hash *hash = NULL;
        struct wcow_digest want;
        struct wcow_digest got;
        assert_ok(wcow_digest_of(data, sizes[i], &want, &err));
        assert_ok(wcow_file_hash_new(fd, &hash, &err));
        assert_ok(wcow_file_hash_digest(hash, &got, &err));
        assert_string_equal(got.text, want.text);
        wcow_file_hash_free(hash);
    }
}

static void a_hash_that_nobody_wants_any_more_ends(void **state)
{
    (void)state;
    wcow_autoclose int fd = file_of("x", 1);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* hours of hashing */
    struct wcow_file_hash *hash = NULL;
    assert_ok(wcow_file_hash_new(fd, &hash, &err));
    wcow_file_hash_free(hash);
    wcow_file_hash_free(NULL);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    wcow_autoclose int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wcow_file_hash *hash = NULL;
    struct wcow_digest got;
    assert_ok(wcow_file_hash_new(fd, &hash, &err));
    assert_fails(wcow_file_hash_digest(hash, &got, &err), WCOW_E_IO);
    wcow_file_hash_free(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_the_digest_of_its_bytes),
        cmocka_unit_test(a_hash_that_nobody_wants_any_more_ends),
        cmocka_unit_test(what_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
