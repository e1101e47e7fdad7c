/* SPDX-License-Identifier: Apache-2.0 */
/* The group of all RUNs of an installation: there while one of them is, gone with the last. */
#include "builder/run_cgroup.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wcow_test.h"

/* Where the group would be, whichever hierarchy has the memory. */
static bool is_there(const struct wcow_run_cgroup *cgroup)
{
    static const char *const hierarchies[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/memory"};
    for (size_t i = 0; i < sizeof(hierarchies) / sizeof(hierarchies[0]); i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s%s", hierarchies[i], (const char *)cgroup->all.data);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static struct wcow_run_cgroup prepare(const char *name)
{
    const struct wcow_run_limits limits = {0};
    struct wcow_run_cgroup cgroup = {0};
    char folder[64]; /* an installation that no other test has */
    (void)snprintf(folder, sizeof(folder), "/nowhere/test-%ld", (long)getpid());
    assert_ok(wcow_run_cgroup_prepare(&limits, folder, name, &cgroup, &err));
    return cgroup;
}

static struct wcow_buf copy_of(const struct wcow_buf *buf)
{
    struct wcow_buf copy = {0};
    assert_ok(wcow_buf_add(&copy, buf->data, buf->len, &err));
    return copy;
}

static void the_group_of_all_goes_with_the_last_of_them(void **state)
{
    (void)state;
    struct wcow_run_cgroup one = prepare("one");
    if (!one.all.len) {
        wcow_run_cgroup_done(&one);
        cannot_run("there is no memory controller, or no right to make groups");
    }
    struct wcow_run_cgroup other = prepare("other");
    wcow_autobuf all = copy_of(&one.all);
    const struct wcow_run_cgroup gone = {.all = all};
    assert_string_equal((const char *)other.all.data, (const char *)all.data);
    wcow_run_cgroup_done(&one);
    assert_true(is_there(&other));
    wcow_run_cgroup_done(&other);
    assert_false(is_there(&gone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_group_of_all_goes_with_the_last_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
