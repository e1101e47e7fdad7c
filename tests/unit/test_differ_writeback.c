/* SPDX-License-Identifier: Apache-2.0 */
/* Written files on their way to the disk. The system's sync_file_range(2) and posix_fadvise(2) are
 * stood in for: they note what they were called with. */
#include "wcow_test.h"

#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "differ/writeback.h"

enum {
    N_MANY = 1000,
    N_FILES = 300,
    N_UNDER_WAY = 64, /* stay open before the first leaves the page cache */
    N_AHEAD = 63,     /* a queue that is full takes no more */
    N_AWAITED = N_FILES - N_UNDER_WAY - N_AHEAD - 1,
};

static const uint64_t KEPT_BYTES = 64 << 20;
static sem_t begun;
static sem_t dropped;
static int dropped_fds[N_MANY];
static int n_dropped;
static int n_ahead;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's have reserved
 * names */
int sync_file_range(int fd, off_t offset, off_t count, unsigned flags)
{
    (void)fd;
    (void)offset;
    (void)count;
    if (flags & SYNC_FILE_RANGE_WRITE)
        (void)sem_post(&begun);
    return 0;
}

int posix_fadvise(int fd, off_t offset, off_t len, int advise)
{
    (void)offset;
    (void)len;
    if (advise != POSIX_FADV_DONTNEED || n_dropped == N_MANY)
        abort();
    dropped_fds[n_dropped++] = fd;
    (void)sem_post(&dropped);
    return 0;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static int setup(void **state)
{
    (void)state;
    n_dropped = n_ahead = 0;
    return sem_init(&begun, 0, 0) < 0 || sem_init(&dropped, 0, 0) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return sem_destroy(&begun) < 0 || sem_destroy(&dropped) < 0 ? -1 : 0;
}

static void wait_for(sem_t *sem, int n)
{
    for (int i = 0; i < n; i++)
        while (sem_wait(sem) < 0)
            assert_int_equal(errno, EINTR);
}

static int open_one(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void every_file_given_is_closed(void **state)
{
    (void)state;
    struct wcow_writeback *w = NULL;
    assert_ok(wcow_writeback_new(&w, &err));
    int low = open_one();
    /* Small ones, some that stay in the page cache, and many that leave it. */
    for (int i = 0; i < N_MANY; i++)
        wcow_writeback_give(w, open_one(), (uint64_t)i * 1000);
    assert_ok(wcow_writeback_finish(w, &err));
    wcow_writeback_free(w);
    assert_int_equal(dup(low), low + 1);
    close(low + 1);
    close(low);
}

static void a_file_that_cannot_be_closed_is_an_error(void **state)
{
    (void)state;
    struct wcow_error error = {0};
    struct wcow_writeback *w = NULL;
    assert_ok(wcow_writeback_new(&w, &err));
    wcow_writeback_give(w, 1 << 20, 1);
    assert_true(wcow_writeback_finish(w, &error) < 0);
    assert_non_null(strstr(error.msg, "close a file of the layer"));
    wcow_writeback_free(w);
}

/* At most N_AHEAD are given whose writeback has not begun. */
static int give(struct wcow_writeback *w, uint64_t size_bytes)
{
    if (n_ahead == N_AHEAD)
        wait_for(&begun, 1);
    else
        n_ahead++;
    int fd = open_one();
    wcow_writeback_give(w, fd, size_bytes);
    return fd;
}

static void a_large_layer_leaves_the_page_cache(void **state)
{
    (void)state;
    int fds[N_FILES];
    struct wcow_writeback *w = NULL;
    assert_ok(wcow_writeback_new(&w, &err));
    (void)give(w, KEPT_BYTES / 2);
    (void)give(w, KEPT_BYTES / 2);
    for (int i = 0; i < N_FILES; i++)
        fds[i] = give(w, 100000);
    wait_for(&dropped, N_AWAITED);
    assert_ok(wcow_writeback_finish(w, &err));
    wcow_writeback_free(w);
    assert_memory_equal(dropped_fds, fds, sizeof(fds[0]) * N_AWAITED);
    assert_true(n_dropped <= N_FILES - N_UNDER_WAY); /* who finishes does not wait for the disk */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_file_given_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_closed_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_layer_leaves_the_page_cache, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
