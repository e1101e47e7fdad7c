/* SPDX-License-Identifier: Apache-2.0 */
/* A RUN's folders on this host: whose they are, and for how long. */
#include "builder/run_folder.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "builder/wine_abandoned.h"
#include "wcow_test.h"

static struct wcow_backend backend;
static char unique[32];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(unique, sizeof(unique), "test-%d-%lld", (int)getpid(), (long long)time(NULL));
    backend.unique = unique;
    backend.ctx.ns = "default";
    return 0;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

static void a_secret_is_for_its_owner_alone(void **state)
{
    (void)state;
    struct wcow_run_folder folder = {0};
    wcow_autofree char *path = NULL;
    mode_t before = umask(0);
    assert_ok(wcow_run_folder_make(&folder, WCOW_RUN_FOLDER_MEMORY, &backend, &err));
    assert_ok(wcow_run_folder_write(&folder, "0", "open-sesame", 11, &path, &err));
    (void)umask(before);
    assert_int_equal(mode_of(folder.path), 0700);
    assert_int_equal(mode_of(path), 0400);
    wcow_run_folder_done(&folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void those_of_a_killed_build_go(void **state)
{
    (void)state;
    struct wcow_run_folder folder = {0};
    assert_ok(wcow_run_folder_make(&folder, WCOW_RUN_FOLDER_DISK, &backend, &err));
    wcow_run_folders_sweep();
    assert_int_equal(access(folder.path, F_OK), 0);
    (void)flock(folder.fd, LOCK_UN); /* as its process ends */
    /* Another build on this machine may be at it already, and takes its time. */
    for (int i = 0; i < 6000 && access(folder.path, F_OK) == 0; i++) {
        wcow_run_folders_sweep();
        (void)usleep(10000);
    }
    assert_int_equal(access(folder.path, F_OK), -1);
    wcow_run_folder_done(&folder);
}

static void a_folder_of_the_users_stays(void **state)
{
    (void)state;
    char mine[] = "/var/tmp/wcow-build-output-XXXXXX";
    assert_non_null(mkdtemp(mine));
    wcow_run_folders_sweep();
    assert_int_equal(access(mine, F_OK), 0);
    assert_int_equal(rmdir(mine), 0);
}

static int make_run(char *top, struct wcow_wine_run *run)
{
    int parent = mkdtemp(top) ? open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (parent < 0 || mkdirat(parent, "run", 0700) < 0)
        return -1;
    *run = (struct wcow_wine_run){.name = strdup("run"),
                                  .fd = openat(parent, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return close(parent);
}

/* Else its lease, which the other RUNs of this build need, would go with it. */
static void what_cannot_be_removed_keeps_its_owner(void **state)
{
    (void)state;
    char top[] = "/tmp/wcow-run-folder-XXXXXX";
    struct wcow_wine_run run = {.fd = -1};
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        cannot_run("mounts are not allowed");
    assert_int_equal(make_run(top, &run), 0);
    assert_int_equal(fchdir(run.fd), 0);
    assert_int_equal(mkdir("busy", 0700), 0);
    assert_int_equal(mount("none", "busy", "tmpfs", 0, "size=4k"), 0);
    const int fd = run.fd;
    wcow_wine_run_done(&run);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(umount2("busy", MNT_DETACH), 0);
    assert_int_equal(chdir("/"), 0);
    (void)close(fd);
    assert_ok(wcow_dir_tree_delete(AT_FDCWD, top, NULL, &err));
}

static void write_owner(int top, const char *path, const char *text)
{
    wcow_autoclose int fd = openat(top, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void a_run_goes_unless_another_containerd_may_have_it(void **state)
{
    (void)state;
    char name[] = "/tmp/wcow-run-folder-XXXXXX";
    static const char *const dirs[] = {"runs", "runs/wcow-build-1", "runs/wcow-build-2",
                                       "runs/wcow-build-3"};
    assert_non_null(mkdtemp(name));
    wcow_autoclose int top = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        assert_int_equal(mkdirat(top, dirs[i], 0700), 0);
    write_owner(top, "runs/wcow-build-2/owner", ""); /* killed while it was noted */
    write_owner(top, "runs/wcow-build-3/owner", "/run/other.sock\ndefault\nlease");
    wcow_wine_sweep(name, &backend);
    assert_int_equal(faccessat(top, "runs/wcow-build-1", F_OK, 0), -1);
    assert_int_equal(faccessat(top, "runs/wcow-build-2", F_OK, 0), -1);
    assert_int_equal(faccessat(top, "runs/wcow-build-3", F_OK, 0), 0);
    assert_ok(wcow_dir_tree_delete(AT_FDCWD, name, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_for_its_owner_alone),
        cmocka_unit_test(those_of_a_killed_build_go),
        cmocka_unit_test(a_folder_of_the_users_stays),
        cmocka_unit_test(what_cannot_be_removed_keeps_its_owner),
        cmocka_unit_test(a_run_goes_unless_another_containerd_may_have_it),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
