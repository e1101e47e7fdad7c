/* SPDX-License-Identifier: Apache-2.0 */
#include "base/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "tests/wcow_test.h"

enum { DEPTH = 30, LEAF = 250 };

static char folder[] = "/tmp/wcow-beneath-XXXXXX";
static int top = -1;
static char leaf[LEAF + 1];

static int set_up(void **state)
{
    (void)state;
    memset(leaf, 'd', LEAF);
    assert_non_null(mkdtemp(folder));
    top = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return top < 0;
}

/* Down to the last directory, then back up removing them. */
static void remove_down(int at, int depth)
{
    int fd = openat(at, leaf, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && depth > 0)
        remove_down(fd, depth - 1);
    if (fd >= 0)
        (void)close(fd);
    (void)unlinkat(at, "file", 0);
    (void)unlinkat(at, leaf, AT_REMOVEDIR);
}

static int tear_down(void **state)
{
    (void)state;
    remove_down(top, DEPTH);
    (void)unlinkat(top, "link", 0);
    (void)close(top);
    return rmdir(folder);
}

/* dddd/dddd/.../file, the directories made. */
static void make_deep(struct wcow_buf *path)
{
    int at = dup(top);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(mkdirat(at, leaf, 0755), 0);
        int next = openat(at, leaf, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(at);
        at = next;
        assert_ok(wcow_buf_addf(path, &err, "%s/", leaf));
    }
    (void)close(at);
    assert_ok(wcow_buf_addf(path, &err, "file"));
}

static void a_path_may_be_longer_than_the_kernel_takes(void **state)
{
    (void)state;
    wcow_autobuf path = {0};
    make_deep(&path);
    const char *name = (const char *)path.data;
    assert_true(path.len > PATH_MAX);
    wcow_autoclose int fd = -1;
    assert_ok(wcow_open_beneath(top, name, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, &err));
    assert_int_equal(write(fd, "deep", 4), 4);
    char got[5] = "";
    wcow_autoclose int again = -1;
    assert_ok(wcow_open_beneath(top, name, O_RDONLY, 0, &again, &err));
    assert_int_equal(read(again, got, 4), 4);
    assert_string_equal(got, "deep");
    int none = -1;
    path.data[path.len - 1] = 'E';
    assert_fails(wcow_open_beneath(top, name, O_RDONLY, 0, &none, &err), WCOW_E_NOT_FOUND);
}

static void neither_links_nor_dots_lead_out(void **state)
{
    (void)state;
    wcow_autobuf long_way = {0};
    assert_int_equal(symlinkat("/etc", top, "link"), 0);
    assert_ok(wcow_buf_addf(&long_way, &err, "link"));
    while (long_way.len < PATH_MAX)
        assert_ok(wcow_buf_addf(&long_way, &err, "/./."));
    assert_ok(wcow_buf_addf(&long_way, &err, "/passwd"));
    const char *const paths[] = {"link/passwd", "../passwd", "/etc/passwd",
                                 (const char *)long_way.data};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int fd = -1;
        assert_fails(wcow_open_beneath(top, paths[i], O_RDONLY, 0, &fd, &err), WCOW_E_INVALID);
        assert_int_equal(fd, -1);
    }
}

static void a_component_that_no_system_has_is_refused(void **state)
{
    (void)state;
    static char name[PATH_MAX + 10];
    memset(name, 'x', sizeof(name) - 1);
    int fd = -1;
    assert_fails(wcow_open_beneath(top, name, O_RDONLY, 0, &fd, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_may_be_longer_than_the_kernel_takes),
        cmocka_unit_test(neither_links_nor_dots_lead_out),
        cmocka_unit_test(a_component_that_no_system_has_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
