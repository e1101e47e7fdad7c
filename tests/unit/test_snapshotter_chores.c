/* SPDX-License-Identifier: Apache-2.0 */
/* Spare folders are made, taken and taken away; chores run in order, and all of them. */
#include "wcow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run_command.h"
#include "snapshotter/chores.h"

struct fixture {
    char root[64];
    int folders_fd;
    struct wcow_chores *chores;
};
static struct fixture f;

static int setup(void **state)
{
    (void)state;
    (void)strcpy(f.root, "/tmp/wcow-chores-XXXXXX");
    if (!mkdtemp(f.root))
        return -1;
    char folders[80];
    (void)snprintf(folders, sizeof(folders), "%s/snapshots", f.root);
    if (mkdir(folders, 0700) < 0)
        return -1;
    f.folders_fd = open(folders, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(wcow_chores_new(f.root, &f.chores, &err));
    return f.folders_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    wcow_chores_free(WCOW_TAKE_PTR(f.chores));
    (void)close(f.folders_fd);
    return remove_all(f.root);
}

static const char *path_of(const char *below)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", f.root, below);
    return path;
}

/* The first ones are made once one was asked for: asks until there is one. */
static void take(enum wcow_spare shape, const char *name)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 60000; i++) {
        if (wcow_chores_take_spare(f.chores, shape, f.folders_fd, name))
            return;
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("no spare folder was made");
}

static void assert_mode(const char *below, mode_t mode)
{
    struct stat st = {0};
    assert_int_equal(stat(path_of(below), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | mode);
}

static void spare_folders_have_the_shape_that_was_asked_for(void **state)
{
    (void)state;
    (void)umask(022);
    take(WCOW_SPARE_BARE, "1");
    take(WCOW_SPARE_FILES, "2");
    assert_mode("snapshots/1", 0700);
    assert_int_equal(access(path_of("snapshots/1/Files"), F_OK), -1);
    assert_mode("snapshots/2", 0700);
    assert_mode("snapshots/2/Files", 0755);
    for (int i = 3; i < 300; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%d", i);
        take(i % 2 ? WCOW_SPARE_BARE : WCOW_SPARE_FILES, name);
    }
}

static void nothing_is_replaced(void **state)
{
    (void)state;
    take(WCOW_SPARE_FILES, "1");
    assert_int_equal(mkdir(path_of("snapshots/1/Files/kept"), 0700), 0);
    assert_false(wcow_chores_take_spare(f.chores, WCOW_SPARE_FILES, f.folders_fd, "1"));
    assert_mode("snapshots/1/Files/kept", 0700);
    take(WCOW_SPARE_FILES, "2");
}

static void spare_folders_go_at_the_end_and_after_a_crash(void **state)
{
    (void)state;
    take(WCOW_SPARE_FILES, "1");
    assert_int_equal(access(path_of("spare"), F_OK), 0);
    wcow_chores_free(WCOW_TAKE_PTR(f.chores));
    assert_int_equal(access(path_of("spare"), F_OK), -1);
    assert_int_equal(mkdir(path_of("spare"), 0700), 0);
    assert_int_equal(mkdir(path_of("spare/files-0"), 0700), 0);
    assert_int_equal(mkdir(path_of("spare/files-0/half"), 0700), 0);
    assert_ok(wcow_chores_new(f.root, &f.chores, &err));
    take(WCOW_SPARE_FILES, "2");
    assert_mode("snapshots/2/Files", 0755);
    assert_int_equal(access(path_of("snapshots/2/half"), F_OK), -1);
    wcow_chores_free(WCOW_TAKE_PTR(f.chores));
    assert_int_equal(access(path_of("spare"), F_OK), -1);
}

static void a_root_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct wcow_chores *none = NULL;
    struct wcow_error why = {0};
    assert_int_equal(wcow_chores_new(path_of("nowhere"), &none, &why), WCOW_E_NOT_FOUND);
    assert_non_null(strstr(why.msg, "nowhere"));
    assert_null(none);
}

struct counted {
    struct wcow_chore chore;
    unsigned number;
};
static atomic_uint n_run;

static void count(struct wcow_chore *chore)
{
    struct counted *c = (struct counted *)chore;
    assert_int_equal(c->number, atomic_fetch_add(&n_run, 1));
    free(c);
}

static void chores_run_in_order_and_before_the_end(void **state)
{
    (void)state;
    atomic_store(&n_run, 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct counted *c = calloc(1, sizeof(*c));
        assert_non_null(c);
        *c = (struct counted){.chore = {.run = count}, .number = i};
        assert_true(wcow_chores_add(f.chores, &c->chore));
    }
    wcow_chores_free(WCOW_TAKE_PTR(f.chores));
    assert_int_equal(atomic_load(&n_run), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spare_folders_have_the_shape_that_was_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(spare_folders_go_at_the_end_and_after_a_crash, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_root_that_is_not_there_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(chores_run_in_order_and_before_the_end, setup, teardown),
    };
    return cmocka_run_group_tests_name("snapshotter/chores", tests, NULL, NULL);
}
