/* SPDX-License-Identifier: Apache-2.0 */
/* The mount that stands for a row, and that Linux takes it whatever the root is called. */
#include "wcow_test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshotter/mounts.h"

static int64_t ancestors[] = {2, 1};

static struct wcow_row overlay_row(enum wcow_kind kind)
{
    return (struct wcow_row){.id = 3,
                             .kind = kind,
                             .mount_type = WCOW_MOUNT_OVERLAY,
                             .ancestors = ancestors,
                             .n_ancestors = 2};
}

static void paths_among_options_are_escaped_and_sources_are_not(void **state)
{
    (void)state;
    static const char folders[] = "/a:b,c\\d/snapshots";
    struct wcow_row row = overlay_row(WCOW_KIND_ACTIVE);
    wcow_automount mount = {0};
    assert_ok(wcow_layer_mount_of(folders, &row, false, &mount, &err));
    assert_int_equal(mount.n_options, 4);
    assert_string_equal(mount.options[1], "workdir=/a\\:b\\,c\\\\d/snapshots/3/work");
    assert_string_equal(mount.options[2], "upperdir=/a\\:b\\,c\\\\d/snapshots/3/Files");
    assert_string_equal(mount.options[3], "lowerdir=/a\\:b\\,c\\\\d/snapshots/2/Files:"
                                          "/a\\:b\\,c\\\\d/snapshots/1/Files");
    wcow_layer_mount_done(&mount);
    row.n_ancestors = 0;
    assert_ok(wcow_layer_mount_of(folders, &row, false, &mount, &err));
    assert_string_equal(mount.source, "/a:b,c\\d/snapshots/3/Files");
    wcow_layer_mount_done(&mount);
    row.n_ancestors = 1;
    row.mount_type = WCOW_MOUNT_WINDOWS_LAYER;
    assert_ok(wcow_layer_mount_of(folders, &row, false, &mount, &err));
    assert_string_equal(mount.source, "/a:b,c\\d/snapshots/3");
    assert_string_equal(mount.options[1], "parentLayerPaths=[\"/a:b,c\\\\d/snapshots/2\"]");
}

static void make_folder(const char *top, const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", top, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static bool mounts(const struct wcow_layer_mount *it, const char *target)
{
    char options[1024] = "";
    size_t len = 0;
    for (size_t i = 0; i < it->n_options; i++)
        len += (size_t)snprintf(options + len, sizeof(options) - len, "%s%s", i ? "," : "",
                                it->options[i]);
    return mount(it->source, target, it->type, 0, options) == 0;
}

static void make_layers(const char *folders)
{
    static const char *const below[] = {
        "1", "1/Files", "1/Files/first", "2",     "2/Files", "2/Files/second",
        "3", "3/Files", "3/work",        "target"};
    for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
        make_folder(folders, below[i]);
}

static bool is_there(const char *top, const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", top, name);
    return access(path, F_OK) == 0;
}

static char base[32];

/* A tmpfs in a mount namespace of this program's own: an overlay takes no overlay for its upper. */
static bool enter_namespace(void)
{
    (void)snprintf(base, sizeof(base), "/tmp/wcow-mounts-XXXXXX");
    assert_non_null(mkdtemp(base));
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", base, "tmpfs", 0, NULL) == 0;
}

static int leave(void **state)
{
    (void)state;
    (void)umount2(base, MNT_DETACH);
    (void)rmdir(base);
    return 0;
}

static void mount_below(const char *name)
{
    char folders[96];
    char target[112];
    make_folder(base, name);
    (void)snprintf(folders, sizeof(folders), "%s/%s", base, name);
    (void)snprintf(target, sizeof(target), "%s/target", folders);
    make_layers(folders);
    struct wcow_row row = overlay_row(WCOW_KIND_ACTIVE);
    wcow_automount it = {0};
    assert_ok(wcow_layer_mount_of(folders, &row, true, &it, &err));
    if (!mounts(&it, target))
        fail_msg("%s: errno %d", it.options[it.n_options - 1], errno);
    make_folder(target, "new");
    assert_true(is_there(target, "first"));
    assert_true(is_there(target, "second"));
    assert_true(is_there(folders, "3/Files/new"));
    assert_int_equal(umount2(target, MNT_DETACH), 0);
}

static void linux_mounts_an_overlay_whatever_its_root_is_called(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "a:b", "a,b", "a\\b", "a\\:b,\\,c", "end\\", ":"};
    if (!enter_namespace())
        cannot_run("a mount namespace wants root");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        mount_below(names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_among_options_are_escaped_and_sources_are_not),
        cmocka_unit_test_teardown(linux_mounts_an_overlay_whatever_its_root_is_called, leave),
    };
    return cmocka_run_group_tests_name("snapshotter/mounts", tests, NULL, NULL);
}
