/* SPDX-License-Identifier: Apache-2.0 */
/* Written files on their way to the disk. The system's sync_file_range(2) and posix_fadvise(2) are
 * stood in for: they note what they were called with. */
#include "wcow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "differ/writeback.h"

enum {
    N_MANY = 1000,
    N_FILES = 300,
    N_QUEUED = 128,   /* may wait to be sent off */
    N_UNDER_WAY = 64, /* stay open before the first leaves the page cache */
    LARGE = 100000,   /* bytes, of a file that is worth it */
};

static const uint64_t KEPT_BYTES = 64 << 20;
static int begun_fds[N_MANY];
static int n_begun;
static int dropped_fds[N_MANY];
static int n_dropped;
static bool disk_is_slow;

static void note(int *fds, int *n, int fd)
{
    if (*n == N_MANY)
        abort();
    fds[(*n)++] = fd;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's have reserved
 * names */
int sync_file_range(int fd, off_t offset, off_t count, unsigned flags)
{
    (void)offset;
    (void)count;
    if (flags & SYNC_FILE_RANGE_WRITE)
        note(begun_fds, &n_begun, fd);
    if (disk_is_slow)
        (void)usleep(5000);
    return 0;
}

int posix_fadvise(int fd, off_t offset, off_t len, int advise)
{
    (void)offset;
    (void)len;
    if (advise != POSIX_FADV_DONTNEED)
        abort();
    note(dropped_fds, &n_dropped, fd);
    return 0;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static int setup(void **state)
{
    (void)state;
    n_begun = n_dropped = 0;
    disk_is_slow = false;
    return 0;
}

static int open_one(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static atomic_bool over;

static void *help(void *arg)
{
    while (!atomic_load(&over))
        (void)wcow_writeback_help(arg);
    return NULL;
}

static void every_file_given_is_closed(void **state)
{
    (void)state;
    enum { HELPERS = 2 };
    for (int n = 0; n <= HELPERS; n++) {
        pthread_t helpers[HELPERS];
        struct wcow_writeback *w = NULL;
        (void)setup(NULL);
        atomic_store(&over, false);
        assert_ok(wcow_writeback_new(&w, &err));
        int low = open_one();
        for (int i = 0; i < n; i++)
            assert_int_equal(pthread_create(&helpers[i], NULL, help, w), 0);
        /* Small ones, some that stay in the page cache, and many that leave it. */
        for (int i = 0; i < N_MANY; i++)
            wcow_writeback_give(w, open_one(), (uint64_t)i * 1000);
        atomic_store(&over, true);
        for (int i = 0; i < n; i++)
            assert_int_equal(pthread_join(helpers[i], NULL), 0);
        assert_ok(wcow_writeback_finish(w, &err));
        wcow_writeback_free(w);
        assert_int_equal(dup(low), low + 1);
        close(low + 1);
        close(low);
    }
}

static void a_file_that_cannot_be_closed_is_an_error(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, LARGE};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct wcow_error error = {0};
        struct wcow_writeback *w = NULL;
        assert_ok(wcow_writeback_new(&w, &err));
        wcow_writeback_give(w, 1 << 20, sizes[i]);
        (void)wcow_writeback_help(w);
        assert_true(wcow_writeback_finish(w, &error) < 0);
        assert_non_null(strstr(error.msg, "close a file of the layer"));
        wcow_writeback_free(w);
    }
}

/* A writeback that the first 64 MiB were given to, and so many files behind them. */
static struct wcow_writeback *give_files(int *fds, int n, bool helped)
{
    struct wcow_writeback *w = NULL;
    assert_ok(wcow_writeback_new(&w, &err));
    for (int i = 0; i < 2; i++) {
        wcow_writeback_give(w, open_one(), KEPT_BYTES / 2);
        assert_true(wcow_writeback_help(w));
    }
    n_begun = 0;
    for (int i = 0; i < n; i++) {
        fds[i] = open_one();
        wcow_writeback_give(w, fds[i], LARGE);
        if (helped)
            assert_true(wcow_writeback_help(w));
    }
    return w;
}

static void a_large_layer_leaves_the_page_cache(void **state)
{
    (void)state;
    int fds[N_FILES];
    struct wcow_writeback *w = give_files(fds, N_FILES, true);
    assert_false(wcow_writeback_help(w));
    assert_int_equal(n_begun, N_FILES);
    assert_memory_equal(begun_fds, fds, sizeof(fds));
    assert_ok(wcow_writeback_finish(w, &err));
    wcow_writeback_free(w);
    /* In order; who finishes does not wait for the disk. */
    assert_int_equal(n_dropped, N_FILES - N_UNDER_WAY);
    assert_memory_equal(dropped_fds, fds, sizeof(fds[0]) * (N_FILES - N_UNDER_WAY));
}

static void a_giver_that_nobody_helps_sends_off_the_oldest(void **state)
{
    (void)state;
    int fds[N_FILES];
    struct wcow_writeback *w = give_files(fds, N_FILES, false);
    assert_int_equal(n_begun, N_FILES - N_QUEUED);
    assert_memory_equal(begun_fds, fds, sizeof(fds[0]) * (N_FILES - N_QUEUED));
    assert_ok(wcow_writeback_finish(w, &err));
    wcow_writeback_free(w);
    assert_int_equal(n_begun, N_FILES - N_QUEUED);
}

static void nobody_waits_for_a_slow_disk(void **state)
{
    (void)state;
    int fds[N_FILES];
    disk_is_slow = true;
    struct wcow_writeback *w = give_files(fds, N_FILES, false);
    assert_int_equal(n_begun, 0); /* since the first two told */
    disk_is_slow = false;
    assert_true(wcow_writeback_help(w));
    wcow_writeback_give(w, open_one(), LARGE);
    wcow_writeback_give(w, open_one(), LARGE);
    assert_int_equal(n_begun, 2);
    assert_ok(wcow_writeback_finish(w, &err));
    wcow_writeback_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_file_given_is_closed, setup),
        cmocka_unit_test_setup(a_file_that_cannot_be_closed_is_an_error, setup),
        cmocka_unit_test_setup(a_large_layer_leaves_the_page_cache, setup),
        cmocka_unit_test_setup(a_giver_that_nobody_helps_sends_off_the_oldest, setup),
        cmocka_unit_test_setup(nobody_waits_for_a_slow_disk, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
