/* SPDX-License-Identifier: Apache-2.0 */
/* One containerd for one root, shown with a /proc of the test's own. */
#include "wcow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_command.h"
#include "snapshotter/owner.h"

static char top[64];
static struct wcow_store *store;
static struct wcow_owner_guard guard;
static char proc[96];

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

/* A process with a name and, unless NULL, one open file. */
static void make_process(int pid, const char *comm, const char *file)
{
    char path[192];
    (void)snprintf(path, sizeof(path), "%s/%d", proc, pid);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/%d/comm", proc, pid);
    put(path, comm);
    (void)snprintf(path, sizeof(path), "%s/%d/fd", proc, pid);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/%d/fd/7", proc, pid);
    (void)unlink(path);
    if (file)
        assert_int_equal(symlink(file, path), 0);
}

static void make_root(const char *name, char ret_database[192])
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", top, name);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/%s/io.containerd.metadata.v1.bolt", top, name);
    (void)mkdir(path, 0700);
    (void)snprintf(ret_database, 192, "%s/meta.db", path);
    put(ret_database, name);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(top, "/tmp/wcow-owner-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    char root[96];
    (void)snprintf(root, sizeof(root), "%s/root", top);
    (void)snprintf(proc, sizeof(proc), "%s/proc", top);
    (void)mkdir(proc, 0700);
    assert_ok(wcow_store_open(root, &store, &err));
    guard = (struct wcow_owner_guard){.store = store, .proc = proc};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wcow_store_close(WCOW_TAKE_PTR(store));
    return remove_all(top);
}

static void the_first_containerd_is_recorded_and_a_second_refused(void **state)
{
    (void)state;
    char one[192];
    char two[192];
    make_root("one", one);
    make_root("two", two);
    make_process(11, "containerd\n", one);
    make_process(22, "containerd\n", two);
    assert_ok(wcow_owner_admit(&guard, 11, &err));
    struct wcow_error why = {0};
    assert_int_equal(wcow_owner_admit(&guard, 22, &why), WCOW_E_PRECONDITION);
    assert_non_null(strstr(why.msg, one));
    assert_non_null(strstr(why.msg, two));
    assert_non_null(strstr(why.msg, "--adopt"));
    assert_ok(wcow_owner_admit(&guard, 11, &err));
}

static void it_stays_recorded_when_the_store_is_opened_anew_until_released(void **state)
{
    (void)state;
    char one[192];
    char two[192];
    make_root("one", one);
    make_root("two", two);
    make_process(11, "containerd\n", one);
    make_process(22, "containerd\n", two);
    assert_ok(wcow_owner_admit(&guard, 11, &err));
    wcow_store_close(WCOW_TAKE_PTR(store));
    char root[96];
    (void)snprintf(root, sizeof(root), "%s/root", top);
    assert_ok(wcow_store_open(root, &store, &err));
    guard = (struct wcow_owner_guard){.store = store, .proc = proc};
    assert_fails(wcow_owner_admit(&guard, 22, &err), WCOW_E_PRECONDITION);
    assert_ok(wcow_owner_release(store, &err));
    assert_ok(wcow_owner_admit(&guard, 22, &err));
    assert_fails(wcow_owner_admit(&guard, 11, &err), WCOW_E_PRECONDITION);
}

static void peers_without_a_database_may_pass(void **state)
{
    (void)state;
    char one[192];
    make_root("one", one);
    make_process(11, "containerd\n", one);
    make_process(33, "ctr\n", "/dev/null");
    make_process(34, "wcow\n", NULL);
    assert_ok(wcow_owner_admit(&guard, 33, &err));
    assert_ok(wcow_owner_admit(&guard, 11, &err));
    assert_ok(wcow_owner_admit(&guard, 33, &err));
    assert_ok(wcow_owner_admit(&guard, 34, &err));
    assert_ok(wcow_owner_admit(&guard, 35, &err)); /* gone already */
    assert_ok(wcow_owner_admit(&guard, 0, &err));
}

static void a_containerd_that_still_starts_is_asked_again(void **state)
{
    (void)state;
    char one[192];
    make_root("one", one);
    make_process(11, "containerd\n", "/dev/null");
    assert_fails(wcow_owner_admit(&guard, 11, &err), WCOW_E_UNAVAILABLE);
    make_process(11, "containerd\n", one);
    assert_ok(wcow_owner_admit(&guard, 11, &err));
}

static void a_database_made_anew_at_its_path_is_the_owners_once_the_old_one_is_gone(void **state)
{
    (void)state;
    char one[192];
    make_root("one", one);
    make_process(11, "containerd\n", one);
    assert_ok(wcow_owner_admit(&guard, 11, &err));
    /* Another mount namespace: the same path, another file, the owner still there. */
    char aside[192];
    make_root("aside", aside);
    assert_int_equal(rename(one, aside), 0);
    put(one, "new");
    make_process(11, "containerd\n", aside);
    make_process(22, "containerd\n", one);
    assert_fails(wcow_owner_admit(&guard, 22, &err), WCOW_E_PRECONDITION);
    make_process(11, "containerd\n", NULL);
    assert_ok(wcow_owner_admit(&guard, 22, &err));
}

#define OWNER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWNER_TEST(the_first_containerd_is_recorded_and_a_second_refused),
        OWNER_TEST(it_stays_recorded_when_the_store_is_opened_anew_until_released),
        OWNER_TEST(peers_without_a_database_may_pass),
        OWNER_TEST(a_containerd_that_still_starts_is_asked_again),
        OWNER_TEST(a_database_made_anew_at_its_path_is_the_owners_once_the_old_one_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
