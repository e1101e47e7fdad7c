/* SPDX-License-Identifier: Apache-2.0 */
/* A file read ahead: who uses it gets every byte, and each is looked at once and in order, whoever
 * reads and looks. */
#include "wcow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/read_ahead.h"

enum { CHUNK_BYTES = 256 << 10, MAX_BYTES = 20 << 20, MAX_HELPERS = 2 };

static uint8_t *content;

static int setup(void **state)
{
    (void)state;
    content = malloc(MAX_BYTES);
    assert_non_null(content);
    for (size_t i = 0; i < MAX_BYTES; i++)
        content[i] = (uint8_t)((i * 2654435761U) >> 13);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(content);
    return 0;
}

static int file_of(size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), (ssize_t)len);
    return fd;
}

struct looked {
    size_t len;
    bool wrong;
};

static void look(void *ctx, const uint8_t *data, size_t len)
{
    struct looked *l = ctx;
    l->wrong |= memcmp(data, content + l->len, len) != 0;
    l->len += len;
}

static atomic_bool over;

static void *help(void *arg)
{
    while (!atomic_load(&over))
        (void)wcow_read_ahead_help(arg);
    return NULL;
}

/* The chunk before the last one is still what it was. */
static void use_all(struct wcow_read_ahead *a, size_t want)
{
    const uint8_t *before = NULL;
    const uint8_t *data = NULL;
    size_t len = 0;
    size_t at = 0;
    for (;;) {
        assert_ok(wcow_read_ahead_next(a, &data, &len, &err));
        if (before)
            assert_memory_equal(before, content + at - CHUNK_BYTES, CHUNK_BYTES);
        if (!len)
            break;
        assert_memory_equal(data, content + at, len);
        before = len == CHUNK_BYTES ? data : NULL;
        at += len;
    }
    assert_int_equal(at, want);
    assert_ok(wcow_read_ahead_next(a, &data, &len, &err)); /* the end stays */
    assert_int_equal(len, 0);
}

static void use_file(size_t len, int n_helpers)
{
    pthread_t helpers[MAX_HELPERS];
    struct looked looked = {0};
    struct wcow_read_ahead *a = NULL;
    wcow_autoclose int fd = file_of(len);
    atomic_store(&over, false);
    assert_ok(wcow_read_ahead_new(fd, look, &looked, &a, &err));
    for (int i = 0; i < n_helpers; i++)
        assert_int_equal(pthread_create(&helpers[i], NULL, help, a), 0);
    use_all(a, len);
    wcow_read_ahead_settle(a);
    atomic_store(&over, true);
    for (int i = 0; i < n_helpers; i++)
        assert_int_equal(pthread_join(helpers[i], NULL), 0);
    wcow_read_ahead_free(a);
    assert_int_equal(looked.len, len);
    assert_false(looked.wrong);
}

static void every_byte_is_given_and_looked_at(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, CHUNK_BYTES, 7 * CHUNK_BYTES + 17, MAX_BYTES};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int n_helpers = 0; n_helpers <= MAX_HELPERS; n_helpers++)
            use_file(sizes[i], n_helpers);
}

static void a_thread_for_it_helps(void **state)
{
    (void)state;
    struct looked looked = {0};
    struct wcow_read_ahead *a = NULL;
    wcow_autoclose int fd = file_of(MAX_BYTES);
    assert_ok(wcow_read_ahead_new(fd, look, &looked, &a, &err));
    wcow_read_ahead_start(a);
    wcow_read_ahead_start(a); /* one is enough */
    use_all(a, MAX_BYTES);
    wcow_read_ahead_settle(a);
    assert_int_equal(looked.len, MAX_BYTES);
    wcow_read_ahead_free(a);
    assert_false(looked.wrong);
}

static void no_more_is_read_than_there_is_room_for(void **state)
{
    (void)state;
    enum { N_CHUNKS = 6 };
    const uint8_t *data = NULL;
    size_t len = 0;
    struct wcow_read_ahead *a = NULL;
    wcow_autoclose int fd = file_of(MAX_BYTES);
    assert_ok(wcow_read_ahead_new(fd, NULL, NULL, &a, &err));
    for (int i = 0; i < 2 * N_CHUNKS; i++) /* each is read, and looked at */
        assert_true(wcow_read_ahead_help(a));
    assert_false(wcow_read_ahead_help(a));
    for (int i = 0; i < 2; i++) /* these are in use */
        assert_ok(wcow_read_ahead_next(a, &data, &len, &err));
    assert_false(wcow_read_ahead_help(a));
    assert_ok(wcow_read_ahead_next(a, &data, &len, &err));
    assert_true(wcow_read_ahead_help(a));
    wcow_read_ahead_free(a);
}

static void one_that_nobody_wants_any_more_ends(void **state)
{
    (void)state;
    wcow_autoclose int fd = file_of(1);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* hours of reading */
    struct wcow_read_ahead *a = NULL;
    assert_ok(wcow_read_ahead_new(fd, NULL, NULL, &a, &err));
    wcow_read_ahead_start(a);
    wcow_read_ahead_free(a);
    wcow_read_ahead_free(NULL);
}

static void what_cannot_be_read_is_told_each_time(void **state)
{
    (void)state;
    const uint8_t *data = NULL;
    size_t len = 0;
    wcow_autoclose int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wcow_read_ahead *a = NULL;
    assert_ok(wcow_read_ahead_new(fd, NULL, NULL, &a, &err));
    assert_fails(wcow_read_ahead_next(a, &data, &len, &err), WCOW_E_IO);
    assert_fails(wcow_read_ahead_next(a, &data, &len, &err), WCOW_E_IO);
    wcow_read_ahead_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_given_and_looked_at),
        cmocka_unit_test(a_thread_for_it_helps),
        cmocka_unit_test(no_more_is_read_than_there_is_room_for),
        cmocka_unit_test(one_that_nobody_wants_any_more_ends),
        cmocka_unit_test(what_cannot_be_read_is_told_each_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
