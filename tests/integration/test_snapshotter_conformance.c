/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd's own conformance suite for snapshotters asks, against wcowd --mount-type overlay
 * with real mounts. Needs root; skipped without. */
#include "wcow_test.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "wcowd_process.h"

static struct wcowd d;
static char at[128]; /* where snapshots are mounted */

static int setup(void **state)
{
    (void)state;
    if (!wcowd_begin(&d, "overlay"))
        return -1;
    (void)snprintf(at, sizeof(at), "%s/at", d.folder);
    return mkdir(at, 0700);
}

static int teardown(void **state)
{
    (void)state;
    (void)umount2(at, MNT_DETACH);
    wcowd_end(&d);
    return 0;
}

/* ---- mounting as containerd's mount package does ---- */

static bool is_flag(const char *option, unsigned long *flags)
{
    static const struct {
        const char *name;
        unsigned long flag;
    } known[] = {{"ro", MS_RDONLY}, {"rw", 0}, {"rbind", MS_BIND | MS_REC}, {"bind", MS_BIND}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(option, known[i].name) == 0) {
            *flags |= known[i].flag;
            return true;
        }
    }
    return false;
}

/* mount(2) takes one page of options: names relative to the folder of snapshots are shorter. */
static void shorten(char *data, const char *prefix)
{
    size_t len = strlen(prefix);
    for (char *found = data; (found = strstr(found, prefix));)
        memmove(found, found + len, strlen(found + len) + 1);
}

static void mount_it(const Containerd__Types__Mount *m)
{
    static char data[1 << 16];
    char folders[160];
    unsigned long flags = 0;
    data[0] = '\0';
    (void)snprintf(folders, sizeof(folders), "%s/snapshots/", d.root);
    for (size_t i = 0; i < m->n_options; i++) {
        if (is_flag(m->options[i], &flags))
            continue;
        size_t used = strlen(data);
        (void)snprintf(data + used, sizeof(data) - used, "%s%s", used ? "," : "", m->options[i]);
    }
    assert_int_equal(chdir(folders), 0);
    shorten(data, folders);
    if (mount(m->source, at, m->type, flags, data) < 0)
        fail_msg("mount %s: %m (%.200s)", m->type, data);
    if ((flags & MS_BIND) && (flags & MS_RDONLY))
        assert_int_equal(mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    assert_int_equal(chdir("/"), 0);
}

static void unmount(void)
{
    assert_int_equal(umount2(at, 0), 0);
}

static void prepare(const char *key, const char *parent)
{
    struct wcow_error err = {0};
    PB(PrepareSnapshotResponse) *reply = NULL;
    if (wcowd_prepare(&d, key, parent, &reply, &err) != WCOW_OK || !reply) {
        fail_msg("Prepare: %s", err.msg);
        return; /* gcc does not know that the line above does */
    }
    assert_int_equal(reply->n_mounts, 1);
    mount_it(reply->mounts[0]);
    protobuf_c_message_free_unpacked(&reply->base, NULL);
}

static void look_at(const char *key, const char *parent)
{
    struct wcow_error err = {0};
    PB(ViewSnapshotResponse) *reply = NULL;
    if (wcowd_view(&d, key, parent, &reply, &err) != WCOW_OK || !reply) {
        fail_msg("View: %s", err.msg);
        return; /* gcc does not know that the line above does */
    }
    mount_it(reply->mounts[0]);
    protobuf_c_message_free_unpacked(&reply->base, NULL);
}

static void commit(const char *name, const char *key)
{
    unmount();
    assert_ok(wcowd_commit(&d, name, key, &err));
}

/* ---- files at the mount ---- */

static const char *below(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    (void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", at, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(below(name), "we");
    if (!f)
        fail_msg("%s: %m", name);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void holds(const char *name, const char *want)
{
    char text[64] = "";
    FILE *f = fopen(below(name), "re");
    if (!f)
        fail_msg("%s: %m", name);
    (void)!fgets(text, sizeof(text), f);
    (void)fclose(f);
    assert_string_equal(text, want);
}

static void is_gone(const char *name)
{
    assert_int_equal(access(below(name), F_OK), -1);
}

/* ---- the suite ---- */

static void layers_show_through_and_files_can_be_updated(void **state)
{
    (void)state;
    prepare("a", "");
    put("one", "1");
    assert_int_equal(mkdir(below("dir"), 0755), 0);
    put("dir/two", "2");
    commit("A", "a");
    prepare("b", "A");
    holds("one", "1");
    put("one", "new");
    assert_int_equal(unlink(below("dir/two")), 0);
    assert_int_equal(rmdir(below("dir")), 0);
    commit("B", "b");
    prepare("c", "B");
    holds("one", "new");
    is_gone("dir");
    assert_int_equal(mkdir(below("dir"), 0755), 0);
    put("dir/three", "3");
    commit("C", "c");
    look_at("v", "C");
    is_gone("dir/two");
    holds("dir/three", "3");
    unmount();
    look_at("w", "A");
    holds("one", "1");
    holds("dir/two", "2");
}

static void a_view_is_read_only(void **state)
{
    (void)state;
    prepare("a", "");
    put("one", "1");
    commit("A", "a");
    look_at("v", "A");
    assert_int_equal(open(below("two"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), -1);
    assert_int_equal(errno, EROFS);
}

static void a_file_can_be_moved_from_a_lower_layer(void **state)
{
    (void)state;
    prepare("a", "");
    put("one", "1");
    commit("A", "a");
    prepare("b", "A");
    assert_int_equal(rename(below("one"), below("two")), 0);
    commit("B", "b");
    look_at("v", "B");
    is_gone("one");
    holds("two", "1");
}

static void a_folder_of_a_lower_layer_can_be_renamed(void **state)
{
    (void)state;
    prepare("a", "");
    assert_int_equal(mkdir(below("dir"), 0755), 0);
    put("dir/one", "1");
    commit("A", "a");
    prepare("b", "A");
    assert_int_equal(rename(below("dir"), below("other")), 0);
    put("other/two", "2");
    commit("B", "b");
    look_at("v", "B");
    is_gone("dir");
    holds("other/one", "1");
    holds("other/two", "2");
    unmount();
    prepare("c", "B");
    holds("other/one", "1");
    assert_int_equal(rename(below("other"), below("dir")), 0);
    commit("C", "c");
    look_at("w", "C");
    is_gone("other");
    holds("dir/one", "1");
    holds("dir/two", "2");
}

static void owners_and_modes_last(void **state)
{
    (void)state;
    struct stat st;
    prepare("a", "");
    assert_int_equal(stat(at, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(mkdir(below("dir"), 0700), 0);
    assert_int_equal(chown(below("dir"), 101, 102), 0);
    assert_int_equal(chmod(below("dir"), 01777), 0);
    assert_int_equal(chmod(at, 0711), 0);
    assert_int_equal(chown(at, 5, 6), 0);
    commit("A", "a");
    prepare("b", "A");
    assert_int_equal(stat(below("dir"), &st), 0);
    assert_int_equal(st.st_uid, 101);
    assert_int_equal(st.st_gid, 102);
    assert_int_equal(st.st_mode & 07777, 01777);
    assert_int_equal(stat(at, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
    assert_int_equal(st.st_uid, 5);
    commit("B", "b");
}

static void a_layer_below_another_cannot_be_removed(void **state)
{
    (void)state;
    prepare("a", "");
    commit("A", "a");
    prepare("b", "A");
    commit("B", "b");
    assert_fails(wcowd_remove(&d, "A", &err), WCOW_E_PRECONDITION);
    assert_ok(wcowd_remove(&d, "B", &err));
    assert_ok(wcowd_remove(&d, "A", &err));
    assert_fails(wcowd_remove(&d, "A", &err), WCOW_E_NOT_FOUND);
    look_at("v", "");
}

static void a_chain_of_128_layers_mounts(void **state)
{
    (void)state;
    char key[32];
    char name[32] = "";
    char parent[32] = "";
    for (int i = 0; i < 127; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        (void)snprintf(name, sizeof(name), "layer%d", i);
        assert_ok(wcowd_prepare(&d, key, parent, NULL, &err));
        assert_ok(wcowd_commit(&d, name, key, &err));
        (void)snprintf(parent, sizeof(parent), "%s", name);
    }
    prepare("top", parent);
    put("one", "1");
    commit("Top", "top");
    look_at("v", "Top");
    holds("one", "1");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    char program[PATH_MAX];
    (void)signal(SIGPIPE, SIG_IGN);
    /* While /proc/self/exe still names a file of this root: in a chroot it does not after unshare.
     */
    wcowd_program(program);
    if (setenv("WCOWD", program, 1) < 0) /* NOLINT(concurrency-mt-unsafe): no threads yet */
        return 1;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        bool is_ci = getenv("CI") != NULL; /* NOLINT(concurrency-mt-unsafe): no threads yet */
        (void)fprintf(stderr, "%s: mounting needs root\n", is_ci ? "cannot run" : "skipped");
        return is_ci;
    }
    const struct CMUnitTest tests[] = {
        TEST(layers_show_through_and_files_can_be_updated),
        TEST(a_view_is_read_only),
        TEST(a_file_can_be_moved_from_a_lower_layer),
        TEST(a_folder_of_a_lower_layer_can_be_renamed),
        TEST(owners_and_modes_last),
        TEST(a_layer_below_another_cannot_be_removed),
        TEST(a_chain_of_128_layers_mounts),
    };
    return cmocka_run_group_tests_name("snapshotter/conformance", tests, NULL, NULL);
}
