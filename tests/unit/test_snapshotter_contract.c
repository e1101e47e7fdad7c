/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshotter's contract, without RPC and without mounting: what each method gives and refuses.
 */
#include "wcow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_command.h"
#include "snapshotter/lookup.h"
#include "snapshotter/snapshotter.h"

struct fixture {
    char root[64];
    struct wcow_store *store;
    struct wcow_snapshotter *s;
};
static struct fixture f;

static void start(enum wcow_mount_type type)
{
    const struct wcow_snapshotter_options options = {.mount_type = type};
    assert_ok(wcow_store_open(f.root, &f.store, &err));
    assert_ok(wcow_snapshotter_new(f.store, &options, &f.s, &err));
}

static void stop(void)
{
    wcow_snapshotter_free(WCOW_TAKE_PTR(f.s));
    wcow_store_close(WCOW_TAKE_PTR(f.store));
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(f.root, "/tmp/wcow-snapshotter-XXXXXX");
    if (!mkdtemp(f.root))
        return -1;
    start(WCOW_MOUNT_WINDOWS_LAYER);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop();
    return remove_all(f.root);
}

/* ---- changes, waited for ---- */

struct answer {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool came;
    int code;
    char message[512];
    char mount[4096]; /* "type|source|options..." */
};

static void answer(struct answer *a, int code, const struct wcow_error *err)
{
    (void)pthread_mutex_lock(&a->mutex);
    a->code = code;
    (void)snprintf(a->message, sizeof(a->message), "%s", code < 0 ? err->msg : "");
    a->came = true;
    (void)pthread_cond_signal(&a->cond);
    (void)pthread_mutex_unlock(&a->mutex);
}

static void on_change(void *arg, int code, const struct wcow_error *err)
{
    answer(arg, code, err);
}

static void print_mount(const struct wcow_layer_mount *mount, char *out, size_t size)
{
    int n = snprintf(out, size, "%s|%s", mount->type, mount->source);
    for (size_t i = 0; i < mount->n_options; i++)
        n += snprintf(out + n, size - (size_t)n, "|%s", mount->options[i]);
}

static void on_mount(void *arg, int code, const struct wcow_error *err,
                     const struct wcow_layer_mount *mount)
{
    struct answer *a = arg;
    if (code == WCOW_OK)
        print_mount(mount, a->mount, sizeof(a->mount));
    answer(a, code, err);
}

static void on_row(void *arg, int code, const struct wcow_error *err, const struct wcow_row *row)
{
    struct answer *a = arg;
    if (code == WCOW_OK)
        (void)snprintf(a->mount, sizeof(a->mount), "%zu labels", row->n_labels);
    answer(a, code, err);
}

static struct answer last;

static void begin(void)
{
    last = (struct answer){.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
}

static int wait_answer(void)
{
    (void)pthread_mutex_lock(&last.mutex);
    while (!last.came)
        (void)pthread_cond_wait(&last.cond, &last.mutex);
    (void)pthread_mutex_unlock(&last.mutex);
    if (last.code < 0)
        assert_true(last.message[0] != '\0');
    return last.code;
}

static int create(bool view, const char *key, const char *parent, const char *label,
                  const char *value)
{
    begin();
    const struct wcow_store_label one = {.key = label, .value = value};
    const struct wcow_create_request request = {
        .key = key, .parent = parent, .labels = {.items = &one, .n = label ? 1 : 0}};
    if (view)
        wcow_snapshotter_view(f.s, &request, on_mount, &last);
    else
        wcow_snapshotter_prepare(f.s, &request, on_mount, &last);
    return wait_answer();
}

static int prepare(const char *key, const char *parent)
{
    return create(false, key, parent, NULL, NULL);
}

static int view(const char *key, const char *parent)
{
    return create(true, key, parent, NULL, NULL);
}

static int commit_on(const char *name, const char *key, const char *parent)
{
    begin();
    const struct wcow_commit_request request = {.key = key, .name = name, .parent = parent};
    assert_true(wcow_snapshotter_commit(f.s, &request, true, on_change, &last));
    return wait_answer();
}

static int commit(const char *name, const char *key)
{
    return commit_on(name, key, "");
}

static int take_away(const char *key)
{
    begin();
    wcow_snapshotter_remove(f.s, key, on_change, &last);
    return wait_answer();
}

static void assert_mount(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void assert_mount(const char *format, ...)
{
    char want[4096];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(want, sizeof(want), format, ap);
    va_end(ap);
    assert_string_equal(last.mount, want);
}

static int clean_up(void)
{
    static const atomic_bool never;
    begin();
    struct wcow_cleanup cleanup = {.cancelled = &never, .done = on_change, .arg = &last};
    wcow_snapshotter_cleanup(f.s, &cleanup);
    return wait_answer();
}

static void layer(const char *name, const char *parent)
{
    assert_int_equal(prepare("building", parent), WCOW_OK);
    assert_int_equal(commit(name, "building"), WCOW_OK);
}

static char *path_of(const char *below)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/snapshots/%s", f.root, below);
    return path;
}

static void write_file(const char *below, size_t size)
{
    FILE *out = fopen(path_of(below), "we");
    assert_non_null(out);
    for (size_t i = 0; i < size; i++)
        assert_true(fputc('x', out) == 'x');
    assert_int_equal(fclose(out), 0);
}

/* ---- the tests ---- */

static void mounts_are_one_windows_layer_with_the_parents_nearest_first(void **state)
{
    (void)state;
    assert_int_equal(prepare("a", ""), WCOW_OK);
    assert_mount("windows-layer|%s/snapshots/1|rw", f.root);
    assert_int_equal(commit("A", "a"), WCOW_OK);
    layer("B", "A");
    assert_int_equal(prepare("c", "B"), WCOW_OK);
    assert_mount("windows-layer|%s/snapshots/3|rw|parentLayerPaths=[\"%s/snapshots/2\","
                 "\"%s/snapshots/1\"]",
                 f.root, f.root, f.root);
    assert_int_equal(view("v", "A"), WCOW_OK);
    assert_mount("windows-layer|%s/snapshots/4|ro|parentLayerPaths=[\"%s/snapshots/1\"]", f.root,
                 f.root);
    assert_int_equal(view("empty", ""), WCOW_OK);
    assert_mount("windows-layer|%s/snapshots/5|ro", f.root);
    wcow_automount again = {0};
    assert_ok(wcow_snapshotter_mounts(f.s, "c", &again, &err));
    assert_int_equal(again.n_options, 2);
    assert_fails(wcow_snapshotter_mounts(f.s, "B", &again, &err), WCOW_E_PRECONDITION);
    assert_fails(wcow_snapshotter_mounts(f.s, "?", &again, &err), WCOW_E_NOT_FOUND);
}

static void the_overlay_label_gives_what_linux_can_mount(void **state)
{
    (void)state;
    static const char label[] = "containerd.io/snapshot/wcow.mount-type";
    assert_int_equal(create(false, "a", "", label, "overlay"), WCOW_OK);
    assert_mount("bind|%s/snapshots/1/Files|rw|rbind", f.root);
    assert_int_equal(commit("A", "a"), WCOW_OK);
    assert_int_equal(create(true, "v", "A", label, "overlay"), WCOW_OK);
    assert_mount("bind|%s/snapshots/1/Files|ro|rbind", f.root);
    layer("B", "A");
    assert_int_equal(create(false, "c", "B", label, "overlay"), WCOW_OK);
    assert_non_null(strstr(last.mount, "overlay|overlay|"));
    char want[256];
    (void)snprintf(want, sizeof(want), "lowerdir=%s/snapshots/3/Files:%s/snapshots/1/Files", f.root,
                   f.root);
    assert_non_null(strstr(last.mount, want));
    assert_int_equal(create(false, "d", "B", label, "tape"), WCOW_E_INVALID);
}

static void errors_are_containerds(void **state)
{
    (void)state;
    assert_int_equal(prepare("a", "missing"), WCOW_E_NOT_FOUND);
    assert_int_equal(prepare("a", ""), WCOW_OK);
    assert_int_equal(prepare("a", ""), WCOW_E_EXISTS);
    assert_int_equal(prepare("b", "a"), WCOW_E_INVALID);
    assert_int_equal(view("a", ""), WCOW_E_EXISTS);
    assert_int_equal(prepare("", ""), WCOW_E_INVALID);
    assert_int_equal(prepare("\xff", ""), WCOW_E_INVALID);
    assert_int_equal(commit("A", "missing"), WCOW_E_NOT_FOUND);
    assert_int_equal(commit("", "a"), WCOW_E_INVALID);
    assert_int_equal(commit("A", "a"), WCOW_OK);
    assert_int_equal(commit("B", "A"), WCOW_E_PRECONDITION);
    assert_int_equal(view("v", "A"), WCOW_OK);
    assert_int_equal(commit("V", "v"), WCOW_E_PRECONDITION);
    assert_int_equal(prepare("a2", "A"), WCOW_OK);
    assert_int_equal(commit("A", "a2"), WCOW_E_EXISTS);
    assert_int_equal(commit("A", "missing"), WCOW_E_NOT_FOUND);
    assert_int_equal(commit("A", "A"), WCOW_E_PRECONDITION);
    assert_int_equal(commit("A", "v"), WCOW_E_EXISTS);
    assert_int_equal(take_away("A"), WCOW_E_PRECONDITION);
    assert_int_equal(take_away("missing"), WCOW_E_NOT_FOUND);
    assert_int_equal(take_away("v"), WCOW_OK);
    assert_int_equal(take_away("a2"), WCOW_OK);
    assert_int_equal(take_away("A"), WCOW_OK);
}

static void a_commit_may_set_the_parent_of_a_snapshot_that_has_none(void **state)
{
    (void)state;
    layer("A", "");
    layer("B", "A");
    assert_int_equal(prepare("x", ""), WCOW_OK);
    assert_int_equal(commit_on("X", "x", "missing"), WCOW_E_NOT_FOUND);
    assert_int_equal(commit_on("X", "x", "x"), WCOW_E_PRECONDITION);
    assert_int_equal(commit_on("X", "x", "X"), WCOW_E_NOT_FOUND);
    assert_int_equal(commit_on("X", "x", "B"), WCOW_OK);
    assert_int_equal(prepare("y", "X"), WCOW_OK);
    assert_non_null(strstr(last.mount, "snapshots/3\",\""));
    assert_non_null(strstr(last.mount, "snapshots/1\"]"));
    assert_int_equal(commit_on("Y", "y", "A"), WCOW_E_INVALID);
    assert_int_equal(commit_on("Y", "y", "X"), WCOW_OK);
    assert_int_equal(take_away("B"), WCOW_E_PRECONDITION);
}

static int update(const char *path, const char *key, const char *value)
{
    begin();
    const struct wcow_store_label one = {.key = key, .value = value};
    const struct wcow_update_request request = {.key = "a",
                                                .labels = {.items = &one, .n = key ? 1 : 0},
                                                .paths = &path,
                                                .n_paths = path ? 1 : 0};
    wcow_snapshotter_update(f.s, &request, on_row, &last);
    return wait_answer();
}

static void update_changes_labels_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(create(false, "a", "", "first", "1"), WCOW_OK);
    assert_int_equal(update("labels.second", "second", "2"), WCOW_OK);
    assert_mount("2 labels");
    assert_int_equal(update("labels.first", NULL, NULL), WCOW_OK);
    assert_mount("1 labels");
    assert_int_equal(update("labels.absent", NULL, NULL), WCOW_OK);
    assert_int_equal(update(NULL, "only", "3"), WCOW_OK);
    assert_mount("1 labels");
    assert_int_equal(update("labels", "none", ""), WCOW_OK);
    assert_mount("0 labels");
    assert_int_equal(update("parent", "x", "y"), WCOW_E_INVALID);
    assert_int_equal(update("labels.", NULL, NULL), WCOW_OK);
    assert_mount("0 labels");
}

enum { MANY_PATHS = 700000, MANY_LABELS = 50000 };

/* One that took a time of paths by labels would take more than minutes. */
static void an_update_of_very_many_labels_takes_no_longer_for_each(void **state)
{
    (void)state;
    static char keys[MANY_PATHS][16];
    static const char *paths[MANY_PATHS];
    static struct wcow_store_label labels[MANY_LABELS];
    for (size_t i = 0; i < MANY_PATHS; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "labels.%zx", i);
        paths[i] = keys[i];
        if (i < MANY_LABELS)
            labels[i] = (struct wcow_store_label){.key = keys[i] + strlen("labels."), .value = "v"};
    }
    const struct wcow_update_request request = {.key = "a",
                                                .labels = {.items = labels, .n = MANY_LABELS},
                                                .paths = paths,
                                                .n_paths = MANY_PATHS};
    assert_int_equal(create(false, "a", "", "fffff", "no path names it"), WCOW_OK);
    begin();
    wcow_snapshotter_update(f.s, &request, on_row, &last);
    assert_int_equal(wait_answer(), WCOW_OK);
    assert_mount("50001 labels");
}

static void a_label_given_twice_is_what_it_was_given_last(void **state)
{
    (void)state;
    static const struct wcow_store_label labels[] = {{"k", "first"}, {"k", "last"}};
    const char *const paths[] = {"labels.k", "labels.k"};
    const struct wcow_update_request request = {
        .key = "a", .labels = {.items = labels, .n = 2}, .paths = paths, .n_paths = 2};
    struct wcow_row row = {0};
    assert_int_equal(prepare("a", ""), WCOW_OK);
    begin();
    wcow_snapshotter_update(f.s, &request, on_row, &last);
    assert_int_equal(wait_answer(), WCOW_OK);
    assert_ok(wcow_snapshotter_stat(f.s, "a", &row, &err));
    assert_int_equal(row.n_labels, 1);
    assert_string_equal(row.labels[0].value, "last");
    wcow_row_done(&row);
}

/* What a request names comes before what is wrong with the rest of it. */
static void errors_come_in_containerds_order(void **state)
{
    (void)state;
    const char *bad = "containerd.io/snapshot/windows/rootfs.sizebytes";
    static char long_key[40000];
    struct wcow_row row = {0};
    wcow_automount mount = {0};
    uint64_t size = 0;
    uint64_t inodes = 0;
    memset(long_key, 'k', sizeof(long_key) - 1);
    const char *const impossible[] = {"", long_key};
    for (size_t i = 0; i < 2; i++) {
        assert_fails(wcow_snapshotter_stat(f.s, impossible[i], &row, &err), WCOW_E_NOT_FOUND);
        assert_fails(wcow_snapshotter_mounts(f.s, impossible[i], &mount, &err), WCOW_E_NOT_FOUND);
        assert_fails(wcow_snapshotter_usage(f.s, impossible[i], &size, &inodes, &err),
                     WCOW_E_NOT_FOUND);
        assert_int_equal(take_away(impossible[i]), WCOW_E_NOT_FOUND);
        assert_int_equal(commit("A", impossible[i]), WCOW_E_NOT_FOUND);
        assert_int_equal(prepare("a", long_key), WCOW_E_NOT_FOUND);
        assert_int_equal(prepare(impossible[i], "missing"), WCOW_E_NOT_FOUND);
        assert_int_equal(prepare(impossible[i], ""), WCOW_E_INVALID);
    }
    assert_int_equal(update("parent", NULL, NULL), WCOW_E_NOT_FOUND);
    assert_int_equal(update(NULL, "", "v"), WCOW_E_NOT_FOUND);
    assert_int_equal(commit("", "a"), WCOW_E_NOT_FOUND);
    layer("A", "");
    assert_int_equal(prepare("a", "A"), WCOW_OK);
    assert_int_equal(update("parent", NULL, NULL), WCOW_E_INVALID);
    assert_int_equal(commit("", "a"), WCOW_E_INVALID);
    assert_int_equal(commit("", "A"), WCOW_E_PRECONDITION);
    assert_int_equal(create(false, "b", "missing", bad, "many"), WCOW_E_NOT_FOUND);
    assert_int_equal(create(false, "b", "a", "", "v"), WCOW_E_INVALID);
    assert_int_equal(create(false, "a", "A", bad, "many"), WCOW_E_EXISTS);
    assert_int_equal(create(false, "b", "A", bad, "many"), WCOW_E_INVALID);
}

static void scratch_labels_are_checked(void **state)
{
    (void)state;
    static const char bytes[] = "containerd.io/snapshot/windows/rootfs.sizebytes";
    static const char gb[] = "containerd.io/snapshot/io.microsoft.container.storage.rootfs.size-gb";
    static const char vm[] = "containerd.io/snapshot/io.microsoft.vm.storage.scratch";
    layer("A", "");
    assert_int_equal(create(false, "a", "A", bytes, "18446744073709551615"), WCOW_OK);
    assert_int_equal(create(false, "b", "A", bytes, "18446744073709551616"), WCOW_E_INVALID);
    assert_int_equal(create(false, "b", "A", bytes, "-1"), WCOW_E_INVALID);
    assert_int_equal(create(false, "b", "A", bytes, "1k"), WCOW_E_INVALID);
    assert_int_equal(create(false, "b", "A", gb, "4294967296"), WCOW_E_INVALID);
    assert_int_equal(create(false, "b", "A", gb, "40"), WCOW_OK);
    assert_int_equal(create(false, "c", "A", vm, "true"), WCOW_E_PRECONDITION);
    assert_non_null(strstr(last.message, "UtilityVM/SystemTemplate.vhdx"));
    assert_int_equal(mkdir(path_of("1/UtilityVM"), 0700), 0);
    write_file("1/UtilityVM/SystemTemplate.vhdx", 1000);
    assert_int_equal(create(false, "c", "A", vm, "true"), WCOW_OK);
    uint64_t size = 0;
    uint64_t inodes = 0;
    assert_ok(wcow_snapshotter_usage(f.s, "c", &size, &inodes, &err));
    assert_int_equal(size, 1000);
}

static void where_no_scratch_is_made_its_labels_mean_nothing(void **state)
{
    (void)state;
    static const char bytes[] = "containerd.io/snapshot/windows/rootfs.sizebytes";
    static const char vm[] = "containerd.io/snapshot/io.microsoft.vm.storage.scratch";
    assert_int_equal(create(false, "base", "", bytes, "much"), WCOW_OK);
    assert_int_equal(create(false, "base with a VM", "", vm, ""), WCOW_OK);
    layer("A", "");
    assert_int_equal(create(false, "ns/1/extract-2 sha256:3", "A", bytes, "much"), WCOW_OK);
    assert_int_equal(create(false, "ns/1/extract-4 sha256:3", "A", vm, ""), WCOW_OK);
    assert_int_equal(create(false, "extracted", "A", bytes, "much"), WCOW_E_INVALID);
    assert_int_equal(create(true, "a view", "A", vm, ""), WCOW_E_PRECONDITION);
}

static void labels_have_limits_that_are_named(void **state)
{
    (void)state;
    static char big[4097];
    memset(big, 'x', sizeof(big) - 1);
    assert_int_equal(create(false, "a", "", "k", big), WCOW_E_INVALID);
    assert_non_null(strstr(last.message, "4096"));
    assert_int_equal(create(false, "a", "", "", "v"), WCOW_E_INVALID);
    assert_int_equal(create(false, "a", "", "k", "\xc3"), WCOW_E_INVALID);
}

static void usage_is_live_until_commit(void **state)
{
    (void)state;
    uint64_t size = 1;
    uint64_t inodes = 1;
    assert_int_equal(prepare("a", ""), WCOW_OK);
    assert_ok(wcow_snapshotter_usage(f.s, "a", &size, &inodes, &err));
    assert_int_equal(size, 0);
    write_file("1/Files/one", 1234);
    assert_ok(wcow_snapshotter_usage(f.s, "a", &size, &inodes, &err));
    assert_int_equal(size, 1234);
    assert_int_equal(inodes, 0);
    assert_int_equal(commit("A", "a"), WCOW_OK);
    write_file("1/Files/two", 10);
    assert_ok(wcow_snapshotter_usage(f.s, "A", &size, &inodes, &err));
    assert_int_equal(size, 1234);
    assert_int_equal(view("v", "A"), WCOW_OK);
    assert_ok(wcow_snapshotter_usage(f.s, "v", &size, &inodes, &err));
    assert_int_equal(size, 0);
}

static void removed_folders_go_with_all_that_is_in_them(void **state)
{
    (void)state;
    assert_int_equal(prepare("a", ""), WCOW_OK);
    int fd = open(path_of("1/Files"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 0; depth < 3000; depth++) {
        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)close(fd);
        fd = below;
    }
    (void)close(fd);
    write_file("1/Files/one", 1);
    assert_int_equal(symlink("/etc", path_of("1/Files/link")), 0);
    assert_int_equal(take_away("a"), WCOW_OK);
    assert_int_equal(clean_up(), WCOW_OK);
    assert_int_equal(access(path_of("1"), F_OK), -1);
    assert_int_equal(access(path_of("rm-1"), F_OK), -1);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void assert_names_folder(const char *text, const char *folder)
{
    if (!strstr(text, path_of(folder)) || !strstr(text, "was deleted"))
        fail_msg("%s is not in: %s", path_of(folder), text);
}

static void a_folder_that_somebody_deleted_is_named(void **state)
{
    (void)state;
    layer("A", "");
    assert_int_equal(prepare("a", "A"), WCOW_OK);
    assert_int_equal(rmdir(path_of("2/Files")), 0);
    assert_int_equal(rmdir(path_of("2")), 0);
    wcow_automount mount = {0};
    uint64_t size = 0;
    uint64_t inodes = 0;
    struct wcow_error why = {0};
    assert_int_equal(wcow_snapshotter_mounts(f.s, "a", &mount, &why), WCOW_E_PRECONDITION);
    assert_names_folder(why.msg, "2");
    assert_int_equal(wcow_snapshotter_usage(f.s, "a", &size, &inodes, &why), WCOW_E_PRECONDITION);
    assert_names_folder(why.msg, "2");
    assert_int_equal(commit("B", "a"), WCOW_E_PRECONDITION);
    assert_names_folder(last.message, "2");
    assert_int_equal(take_away("a"), WCOW_OK);
    assert_int_equal(rmdir(path_of("1/Files")), 0);
    assert_int_equal(rmdir(path_of("1")), 0);
    assert_int_equal(prepare("a", "A"), WCOW_E_PRECONDITION);
    assert_names_folder(last.message, "1");
    assert_non_null(strstr(last.message, "pull it again"));
    assert_int_equal(take_away("A"), WCOW_OK);
    assert_int_equal(clean_up(), WCOW_OK);
}

static void *remove_beside(void *arg)
{
    (void)arg;
    assert_int_equal(take_away("a"), WCOW_OK);
    assert_int_equal(clean_up(), WCOW_OK);
    return NULL;
}

/* What the look-ups of a round share is older than its folders are. */
static void a_snapshot_removed_within_a_round_is_not_found(void **state)
{
    (void)state;
    wcow_automount mount = {0};
    struct wcow_row row = {0};
    pthread_t thread;
    uint64_t size = 0;
    uint64_t inodes = 0;
    assert_int_equal(prepare("a", ""), WCOW_OK);
    wcow_store_begin_round(f.store, true);
    assert_ok(wcow_snapshotter_mounts(f.s, "a", &mount, &err));
    assert_int_equal(pthread_create(&thread, NULL, remove_beside, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(wcow_snapshotter_stat(f.s, "a", &row, &err));
    wcow_row_done(&row);
    assert_fails(wcow_snapshotter_usage(f.s, "a", &size, &inodes, &err), WCOW_E_NOT_FOUND);
    assert_fails(wcow_snapshotter_stat(f.s, "a", &row, &err), WCOW_E_NOT_FOUND);
    wcow_store_end_round(f.store, false);
}

static void a_start_sweeps_what_a_crash_left(void **state)
{
    (void)state;
    layer("A", "");
    assert_int_equal(prepare("b", "A"), WCOW_OK);
    stop();
    assert_int_equal(mkdir(path_of("77"), 0700), 0);
    assert_int_equal(mkdir(path_of("77/Files"), 0700), 0);
    write_file("77/Files/x", 1);
    assert_int_equal(mkdir(path_of("rm-5"), 0700), 0);
    assert_int_equal(mkdir(path_of("not-ours"), 0700), 0);
    assert_int_equal(rmdir(path_of("2/Files")), 0);
    assert_int_equal(rmdir(path_of("2")), 0);
    start(WCOW_MOUNT_WINDOWS_LAYER);
    assert_int_equal(clean_up(), WCOW_OK);
    assert_int_equal(access(path_of("77"), F_OK), -1);
    assert_int_equal(access(path_of("rm-5"), F_OK), -1);
    assert_int_equal(access(path_of("2/Files"), F_OK), 0);
    assert_int_equal(access(path_of("not-ours"), F_OK), 0);
}

static void a_lost_database_is_no_reason_to_delete_layers(void **state)
{
    (void)state;
    assert_int_equal(prepare("a", ""), WCOW_OK);
    write_file("1/Files/x", 1);
    assert_int_equal(commit("A", "a"), WCOW_OK);
    stop();
    char path[128];
    char kept[128];
    (void)snprintf(path, sizeof(path), "%s/metadata.db", f.root);
    (void)snprintf(kept, sizeof(kept), "%s/kept", f.root);
    assert_int_equal(rename(path, kept), 0);
    const struct wcow_snapshotter_options options = {.mount_type = WCOW_MOUNT_WINDOWS_LAYER};
    for (int i = 0; i < 2; i++) {
        struct wcow_error why = {0};
        assert_ok(wcow_store_open(f.root, &f.store, &err));
        assert_int_equal(wcow_snapshotter_new(f.store, &options, &f.s, &why), WCOW_E_PRECONDITION);
        assert_non_null(strstr(why.msg, path_of("1")));
        assert_non_null(strstr(why.msg, "backup"));
        wcow_store_close(WCOW_TAKE_PTR(f.store));
    }
    assert_int_equal(access(path_of("1/Files/x"), F_OK), 0);
    char command[300];
    (void)snprintf(command, sizeof(command), "rm %s-wal %s-shm", path, path);
    assert_int_equal(run_script(command), 0);
    assert_int_equal(rename(kept, path), 0);
    start(WCOW_MOUNT_WINDOWS_LAYER);
    assert_int_equal(prepare("b", "A"), WCOW_OK);
}

static void layers_are_found_by_key_name_and_folder(void **state)
{
    (void)state;
    layer("k8s.io/7/sha256:aa", "");
    assert_int_equal(prepare("k8s.io/8/box", "k8s.io/7/sha256:aa"), WCOW_OK);
    struct wcow_snapshot_folders folders = {0};
    assert_ok(wcow_snapshotter_layers(f.store, "k8s.io", "box", &folders, &err));
    assert_int_equal(folders.n_parents, 1);
    assert_string_equal(folders.parents[0], path_of("1"));
    assert_string_equal(folders.source, path_of("2"));
    wcow_snapshot_folders_done(&folders);
    assert_ok(wcow_snapshotter_layers(f.store, NULL, "k8s.io/7/sha256:aa", &folders, &err));
    wcow_snapshot_folders_done(&folders);
    assert_fails(wcow_snapshotter_layers(f.store, "default", "box", &folders, &err),
                 WCOW_E_NOT_FOUND);
    char *ns = NULL;
    assert_ok(wcow_snapshotter_namespace_of(f.store, path_of("2/Files"), &ns, &err));
    assert_string_equal(ns, "k8s.io");
    free(ns);
    assert_fails(wcow_snapshotter_namespace_of(f.store, path_of("99"), &ns, &err),
                 WCOW_E_NOT_FOUND);
    assert_fails(wcow_snapshotter_namespace_of(f.store, "/etc", &ns, &err), WCOW_E_NOT_FOUND);
}

/* ---- many on one key ---- */

static void *race(void *arg)
{
    struct answer *a = arg;
    const struct wcow_create_request request = {.key = "one", .parent = ""};
    wcow_snapshotter_prepare(f.s, &request, on_mount, a);
    return NULL;
}

/* Waits for the answer. */
static int code_of(struct answer *a)
{
    (void)pthread_mutex_lock(&a->mutex);
    while (!a->came)
        (void)pthread_cond_wait(&a->cond, &a->mutex);
    int code = a->code;
    (void)pthread_mutex_unlock(&a->mutex);
    return code;
}

static void of_a_thousand_on_one_key_one_wins(void **state)
{
    (void)state;
    enum { N = 1000 };
    static struct answer answers[N];
    pthread_t threads[N];
    for (int i = 0; i < N; i++) {
        answers[i] =
            (struct answer){.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &answers[i]), 0);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    int winners = 0;
    for (int i = 0; i < N; i++) {
        int code = code_of(&answers[i]);
        assert_true(code == WCOW_OK || code == WCOW_E_EXISTS);
        winners += code == WCOW_OK;
    }
    assert_int_equal(winners, 1);
    assert_int_equal(take_away("one"), WCOW_OK);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mounts_are_one_windows_layer_with_the_parents_nearest_first),
        TEST(the_overlay_label_gives_what_linux_can_mount),
        TEST(errors_are_containerds),
        TEST(a_commit_may_set_the_parent_of_a_snapshot_that_has_none),
        TEST(update_changes_labels_and_nothing_else),
        TEST(an_update_of_very_many_labels_takes_no_longer_for_each),
        TEST(a_label_given_twice_is_what_it_was_given_last),
        TEST(errors_come_in_containerds_order),
        TEST(scratch_labels_are_checked),
        TEST(where_no_scratch_is_made_its_labels_mean_nothing),
        TEST(labels_have_limits_that_are_named),
        TEST(usage_is_live_until_commit),
        TEST(removed_folders_go_with_all_that_is_in_them),
        TEST(a_folder_that_somebody_deleted_is_named),
        TEST(a_snapshot_removed_within_a_round_is_not_found),
        TEST(a_start_sweeps_what_a_crash_left),
        TEST(a_lost_database_is_no_reason_to_delete_layers),
        TEST(layers_are_found_by_key_name_and_folder),
        TEST(of_a_thousand_on_one_key_one_wins),
    };
    return cmocka_run_group_tests_name("snapshotter/contract", tests, NULL, NULL);
}
