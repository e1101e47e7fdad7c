/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "own_folder.h"

static int setup(void **state)
{
    int r = make_top(state);
    return r < 0 ? r : mkdirat(top_fd, "t", 0700);
}

static void make_dir(const char *path)
{
    assert_int_equal(mkdirat(top_fd, path, 0700), 0);
}

static void make_file(const char *path, size_t size)
{
    int fd = openat(top_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(close(fd), 0);
}

static void files_are_counted_and_links_not_followed(void **state)
{
    (void)state;
    make_dir("t/a");
    make_dir("t/a/b");
    make_file("t/one", 100);
    make_file("t/a/b/two", 20);
    assert_int_equal(linkat(top_fd, "t/one", top_fd, "t/a/again", 0), 0);
    assert_int_equal(symlinkat("/usr", top_fd, "t/away"), 0);
    struct wcow_dir_tree_size size = {0};
    assert_ok(wcow_dir_tree_measure(top_fd, "t", &size, &err));
    assert_int_equal(size.n_entries, 6);
    assert_int_equal(size.size_bytes, 100 + 20 + 100 + strlen("/usr"));
}

static void what_is_not_there_is_measured_with_an_error_and_deleted_without(void **state)
{
    (void)state;
    struct wcow_dir_tree_size size = {.n_entries = 7};
    assert_fails(wcow_dir_tree_measure(top_fd, "none", &size, &err), WCOW_E_NOT_FOUND);
    assert_int_equal(size.n_entries, 7);
    assert_ok(wcow_dir_tree_delete(top_fd, "none", NULL, &err));
}

static void a_deletion_stops_when_told(void **state)
{
    (void)state;
    make_dir("t/a");
    make_file("t/a/file", 1);
    atomic_bool stop = true;
    assert_fails(wcow_dir_tree_delete(top_fd, "t", &stop, &err), WCOW_E_CANCELLED);
    assert_int_equal(faccessat(top_fd, "t/a/file", F_OK, 0), 0);
    assert_ok(wcow_dir_tree_delete(top_fd, "t", NULL, &err));
    assert_int_equal(faccessat(top_fd, "t", F_OK, 0), -1);
}

/* ---- while somebody works in it ---- */

static atomic_bool enough;

/* Directories come, are moved, and go with what they hold. */
static void *work(void *arg)
{
    (void)arg;
    while (!atomic_load(&enough)) {
        (void)mkdirat(top_fd, "t/busy/x", 0700);
        (void)mkdirat(top_fd, "t/busy/x/y", 0700);
        (void)mkdirat(top_fd, "t/busy/x/y/z", 0700);
        (void)renameat(top_fd, "t/busy/x/y", top_fd, "t/busy/moved");
        (void)unlinkat(top_fd, "t/busy/moved/z", AT_REMOVEDIR);
        (void)unlinkat(top_fd, "t/busy/moved", AT_REMOVEDIR);
        (void)unlinkat(top_fd, "t/busy/x", AT_REMOVEDIR);
    }
    return NULL;
}

static void a_tree_can_be_measured_while_it_changes(void **state)
{
    (void)state;
    enum { ROUNDS = 3000, LASTING = 5 };
    char path[32];
    make_dir("t/busy");
    for (int i = 0; i < LASTING; i++) {
        (void)snprintf(path, sizeof(path), "t/lasting%d", i);
        make_file(path, 10);
    }
    atomic_store(&enough, false);
    pthread_t worker;
    assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
    int failures = 0;
    struct wcow_error err = {0};
    for (int i = 0; i < ROUNDS; i++) {
        struct wcow_dir_tree_size size = {0};
        if (wcow_dir_tree_measure(top_fd, "t", &size, &err) < 0 ||
            size.size_bytes != 10UL * LASTING)
            failures++;
    }
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(worker, NULL), 0);
    if (failures)
        fail_msg("%d of %d failed: %s", failures, ROUNDS, err.msg);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, remove_top)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_counted_and_links_not_followed),
        TEST(what_is_not_there_is_measured_with_an_error_and_deleted_without),
        TEST(a_deletion_stops_when_told),
        TEST(a_tree_can_be_measured_while_it_changes),
    };
    return cmocka_run_group_tests_name("base/dir_tree", tests, NULL, NULL);
}
