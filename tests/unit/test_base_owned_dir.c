/* SPDX-License-Identifier: Apache-2.0 */
#include "base/owned_dir.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own_folder.h"
#include "wcow_test.h"

static bool is_there(const char *name)
{
    return faccessat(top_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* As another process that made it and is gone. */
static void make_abandoned(const char *name)
{
    int fd = -1;
    assert_ok(wcow_owned_dir_make(top_fd, name, &fd, &err));
    assert_int_equal(mkdirat(fd, "in it", 0700), 0);
    (void)close(fd);
}

static void what_has_an_owner_stays(void **state)
{
    (void)state;
    int fd = -1;
    assert_ok(wcow_owned_dir_make(top_fd, "run-1", &fd, &err));
    wcow_owned_dirs_sweep(top_fd, "run-", NULL, NULL);
    assert_true(is_there("run-1"));
    (void)close(fd);
    wcow_owned_dirs_sweep(top_fd, "run-", NULL, NULL);
    assert_false(is_there("run-1"));
}

static void what_is_shared_stays_until_the_last_owner_goes(void **state)
{
    (void)state;
    int fd = -1;
    int other = -1;
    assert_ok(wcow_owned_dir_make_shared(top_fd, "run-6", &fd, &err));
    assert_int_equal(renameat(top_fd, "run-6", top_fd, "run-7"), 0);
    assert_ok(wcow_owned_dir_share(top_fd, "run-7", &other, &err));
    (void)close(fd);
    wcow_owned_dirs_sweep(top_fd, "run-", NULL, NULL);
    assert_true(is_there("run-7"));
    (void)close(other);
    wcow_owned_dirs_sweep(top_fd, "run-", NULL, NULL);
    assert_false(is_there("run-7"));
    struct wcow_error why = {0};
    assert_int_equal(wcow_owned_dir_share(top_fd, "run-7", &other, &why), WCOW_E_NOT_FOUND);
    assert_non_null(strstr(why.msg, "run-7"));
}

static void only_what_has_the_name_and_is_a_folder_goes(void **state)
{
    (void)state;
    make_abandoned("run-2");
    make_abandoned("other-2");
    make_abandoned("far-away");
    assert_int_equal(symlinkat("far-away", top_fd, "run-link"), 0);
    wcow_owned_dirs_sweep(top_fd, "run-", NULL, NULL);
    assert_false(is_there("run-2"));
    assert_true(is_there("other-2"));
    assert_true(is_there("far-away/in it"));
    assert_true(is_there("run-link"));
}

static void the_parent_is_none_of_them(void **state)
{
    (void)state;
    make_abandoned(".run-5");
    wcow_owned_dirs_sweep(top_fd, ".", NULL, NULL);
    assert_false(is_there(".run-5"));
    assert_int_equal(access(top, F_OK), 0);
}

static bool refuse(void *arg, int fd, const char *name)
{
    int *asked = arg;
    *asked += fd >= 0 && strcmp(name, "run-3") == 0;
    return false;
}

static void who_is_asked_may_keep_it(void **state)
{
    (void)state;
    int asked = 0;
    make_abandoned("run-3");
    wcow_owned_dirs_sweep(top_fd, "run-3", refuse, &asked);
    assert_int_equal(asked, 1);
    assert_true(is_there("run-3"));
}

static void one_that_is_there_is_not_taken(void **state)
{
    (void)state;
    int fd = -1;
    struct wcow_error err = {0};
    make_abandoned("run-4");
    assert_int_equal(wcow_owned_dir_make(top_fd, "run-4", &fd, &err), WCOW_E_EXISTS);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(err.msg, "run-4"));
}

/* Sweepers that meet at one folder, while its name is taken anew each time. */
enum { SWEEPERS = 8, ROUNDS = 5000, TAKEN = 3, LONG_US = 300000 };

static void *sweep_on(void *arg)
{
    const atomic_bool *stop = arg;
    while (!atomic_load(stop))
        wcow_owned_dirs_sweep(top_fd, "run-6", NULL, NULL);
    return NULL;
}

static void who_comes_late_takes_no_new_one_for_the_old(void **state)
{
    (void)state;
    pthread_t threads[SWEEPERS];
    atomic_bool stop = false;
    int lost = 0;
    for (int i = 0; i < SWEEPERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sweep_on, &stop), 0);
    for (int i = 0; i < ROUNDS; i++) {
        int fd = -1;
        if (wcow_owned_dir_make(top_fd, "run-6", &fd, NULL) < 0)
            continue; /* the last one is still being swept */
        for (int looks = 0; looks < 20; looks++)
            lost += !is_there("run-6");
        (void)close(fd);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < SWEEPERS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(lost, 0);
}

struct slow_sweeper {
    atomic_bool stop;
    atomic_int n_taken;
};

/* Takes what has no owner yet, and is slow to remove it, as on a busy machine. */
static void *sweep_slowly(void *arg)
{
    struct slow_sweeper *s = arg;
    while (!atomic_load(&s->stop)) {
        struct stat st;
        int fd = openat(top_fd, "run-8", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
            st.st_nlink > 0) {
            (void)usleep(LONG_US);
            (void)unlinkat(top_fd, "run-8", AT_REMOVEDIR);
            (void)atomic_fetch_add(&s->n_taken, 1);
        }
        if (fd >= 0)
            (void)close(fd);
    }
    return NULL;
}

/* How often one comes between is chance: until a few did, or it was tried often enough. */
static void a_slow_sweeper_is_waited_for(void **state)
{
    (void)state;
    pthread_t thread;
    struct slow_sweeper s = {0};
    assert_int_equal(pthread_create(&thread, NULL, sweep_slowly, &s), 0);
    for (int i = 0; i < ROUNDS && atomic_load(&s.n_taken) < TAKEN; i++) {
        int fd = -1;
        assert_ok(wcow_owned_dir_make(top_fd, "run-8", &fd, &err));
        assert_true(is_there("run-8"));
        (void)unlinkat(top_fd, "run-8", AT_REMOVEDIR);
        (void)close(fd);
    }
    atomic_store(&s.stop, true);
    (void)pthread_join(thread, NULL);
    print_message("%d were taken before they had an owner\n", atomic_load(&s.n_taken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_an_owner_stays),
        cmocka_unit_test(what_is_shared_stays_until_the_last_owner_goes),
        cmocka_unit_test(only_what_has_the_name_and_is_a_folder_goes),
        cmocka_unit_test(the_parent_is_none_of_them),
        cmocka_unit_test(who_is_asked_may_keep_it),
        cmocka_unit_test(one_that_is_there_is_not_taken),
        cmocka_unit_test(who_comes_late_takes_no_new_one_for_the_old),
        cmocka_unit_test(a_slow_sweeper_is_waited_for),
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
