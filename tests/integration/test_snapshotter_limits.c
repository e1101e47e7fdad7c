/* SPDX-License-Identifier: Apache-2.0 */
/* What callers may try with a real wcowd: all at once on one key, requests beyond every limit, keys
 * that look like paths; and a large tree that is removed while wcowd is killed. */
#include "snapshot_model.h"

#include <sys/stat.h>

enum { RACERS = 64, ROUNDS = 40, FOLDERS = 200, FILES = 100 };

static int setup(void **state)
{
    (void)state;
    return wcowd_begin(&daemon_, "windows-layer") ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    wcowd_end(&daemon_);
    return 0;
}

/* ---- races ---- */

enum race { RACE_PREPARE, RACE_COMMIT, RACE_REMOVE };

static struct {
    pthread_barrier_t start;
    pthread_barrier_t end;
    enum race race;
    unsigned round;
    atomic_uint n_won;
    atomic_uint n_odd; /* lost for another reason than the right one */
    atomic_bool over;
} racing;

static void race_once(void)
{
    char key[32];
    char name[32];
    struct wcow_error err = {0};
    int code = WCOW_OK;
    (void)snprintf(key, sizeof(key), "race/1/a%u", racing.round);
    (void)snprintf(name, sizeof(name), "race/1/c%u", racing.round);
    switch (racing.race) {
    case RACE_PREPARE:
        code = wcowd_prepare(&daemon_, key, "", NULL, &err);
        break;
    case RACE_COMMIT:
        code = wcowd_commit(&daemon_, name, key, &err);
        break;
    case RACE_REMOVE:
        code = wcowd_remove(&daemon_, name, &err);
        break;
    }
    /* After a commit or a removal the key is gone. */
    bool lost = code == (racing.race == RACE_PREPARE ? WCOW_E_EXISTS : WCOW_E_NOT_FOUND);
    if (code == WCOW_OK)
        (void)atomic_fetch_add(&racing.n_won, 1);
    else if (!lost)
        (void)atomic_fetch_add(&racing.n_odd, 1);
}

static void *racer(void *arg)
{
    (void)arg;
    for (;;) {
        (void)pthread_barrier_wait(&racing.start);
        if (atomic_load(&racing.over))
            return NULL;
        race_once();
        (void)pthread_barrier_wait(&racing.end);
    }
}

static void race(enum race what, unsigned round)
{
    racing.race = what;
    racing.round = round;
    atomic_store(&racing.n_won, 0);
    atomic_store(&racing.n_odd, 0);
    (void)pthread_barrier_wait(&racing.start);
    (void)pthread_barrier_wait(&racing.end);
    assert_int_equal(atomic_load(&racing.n_won), 1);
    assert_int_equal(atomic_load(&racing.n_odd), 0);
}

static void of_many_calls_on_one_key_one_wins(void **state)
{
    (void)state;
    pthread_t threads[RACERS];
    (void)pthread_barrier_init(&racing.start, NULL, RACERS + 1);
    (void)pthread_barrier_init(&racing.end, NULL, RACERS + 1);
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, racer, NULL), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        race(RACE_PREPARE, round);
        race(RACE_COMMIT, round);
        race(RACE_REMOVE, round);
    }
    atomic_store(&racing.over, true);
    (void)pthread_barrier_wait(&racing.start);
    for (int i = 0; i < RACERS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_ok(wcowd_cleanup(&daemon_, &err));
    assert_int_equal(count_folders(), 0);
}

/* ---- limits ---- */

static int prepare_with_label(size_t size, struct wcow_error *err)
{
    static char name[] = "containerd.io/snapshot/big";
    char *value = malloc(size + 1);
    assert_non_null(value);
    memset(value, 'x', size);
    value[size] = '\0';
    PB(PrepareSnapshotRequest__LabelsEntry)
    entry = PB_INIT(PREPARE_SNAPSHOT_REQUEST__LABELS_ENTRY);
    PB(PrepareSnapshotRequest__LabelsEntry) * entries[] = {&entry};
    PB(PrepareSnapshotRequest) request = PB_INIT(PREPARE_SNAPSHOT_REQUEST);
    static char key[] = "labelled";
    request.key = key;
    entry.key = name;
    entry.value = value;
    request.labels = entries;
    request.n_labels = 1;
    int r = wcowd_call(&daemon_, "Prepare", &request.base, PB_TYPE(prepare_snapshot_response), NULL,
                       err);
    free(value);
    return r;
}

static void labels_beyond_the_limit_are_refused_and_the_limit_is_named(void **state)
{
    (void)state;
    struct wcow_error why = {0};
    assert_int_equal(prepare_with_label(1 << 20, &why), WCOW_E_INVALID);
    assert_non_null(strstr(why.msg, "4096"));
    assert_non_null(strstr(why.msg, "containerd.io/snapshot/big"));
    assert_int_equal(prepare_with_label(17 << 20, &why), WCOW_E_LIMIT);
    assert_ok(prepare_with_label(4000, &err));
}

/* @return what a List with @p n filters of those bytes gives, and the one snapshot where it is
 * WCOW_OK */
static int list_with(char *text, size_t n, struct wcow_error *err)
{
    PB(ListSnapshotsRequest) request = PB_INIT(LIST_SNAPSHOTS_REQUEST);
    char **filters = calloc(n, sizeof(*filters));
    ProtobufCMessage *reply = NULL;
    assert_non_null(filters);
    for (size_t i = 0; i < n; i++)
        filters[i] = text;
    request.filters = filters;
    request.n_filters = n;
    int r =
        wcowd_call(&daemon_, "List", &request.base, PB_TYPE(list_snapshots_response), &reply, err);
    free(filters);
    if (r < 0)
        return r;
    assert_int_equal(((PB(ListSnapshotsResponse) *)reply)->n_info, 1);
    protobuf_c_message_free_unpacked(reply, NULL);
    return r;
}

static void filters_beyond_the_limits_are_refused_and_the_limits_are_named(void **state)
{
    (void)state;
    static char active[] = "kind==active";
    static char expression[] = "kind~=/^act/";
    static char nothing[1001] = "";
    struct wcow_error why = {0};
    memset(nothing, 'n', sizeof(nothing) - 1);
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    assert_int_equal(list_with(active, 1000000, &why), WCOW_E_INVALID);
    assert_non_null(strstr(why.msg, "at most 1000"));
    assert_int_equal(list_with(nothing, 1000, &why), WCOW_E_INVALID);
    assert_non_null(strstr(why.msg, "together"));
    assert_ok(list_with(active, 1, &err)); /* on the loop's thread, the others beside it */
    assert_ok(list_with(active, 1000, &err));
    assert_ok(list_with(expression, 1, &err));
}

static void keys_that_look_like_paths_are_only_names(void **state)
{
    (void)state;
    static const char *const keys[] = {"../../../tmp/wcow-escaped",
                                       "/etc/passwd",
                                       "a/../../b",
                                       "..",
                                       "/",
                                       "rm-1",
                                       "1",
                                       "a\nb\tc",
                                       "'; DROP TABLE snapshots; --",
                                       "\xf0\x9f\xaa\x9f"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_ok(wcowd_prepare(&daemon_, keys[i], "", NULL, &err));
        assert_ok(wcowd_stat(&daemon_, keys[i], NULL, &err));
    }
    assert_int_equal(count_folders(), sizeof(keys) / sizeof(keys[0]));
    assert_int_equal(access("/tmp/wcow-escaped", F_OK), -1);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_ok(wcowd_remove(&daemon_, keys[i], &err));
    static char longest[70000];
    memset(longest, 'k', sizeof(longest) - 1);
    struct wcow_error why = {0};
    assert_int_equal(wcowd_prepare(&daemon_, longest, "", NULL, &why), WCOW_E_INVALID);
    assert_non_null(strstr(why.msg, "at most"));
}

/* ---- a large tree ---- */

static void make_tree(const char *top)
{
    char path[PATH_MAX];
    for (int i = 0; i < FOLDERS; i++) {
        (void)snprintf(path, sizeof(path), "%s/Files/%d", top, i);
        assert_int_equal(mkdir(path, 0700), 0);
        for (int j = 0; j < FILES; j++) {
            (void)snprintf(path, sizeof(path), "%s/Files/%d/%d", top, i, j);
            int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            assert_true(fd >= 0);
            (void)close(fd);
        }
    }
}

/* @return whether the kill came in time: much of it is still there, aside */
static bool kill_while_it_removes(unsigned id)
{
    char top[160];
    assert_ok(wcowd_prepare(&daemon_, "large", "", NULL, &err));
    (void)snprintf(top, sizeof(top), "%s/snapshots/%u", daemon_.root, id);
    make_tree(top);
    assert_ok(wcowd_remove(&daemon_, "large", &err));
    for (int i = 0; i < 600000 && access(top, F_OK) == 0; i++)
        (void)usleep(100);
    wcowd_kill(&daemon_, SIGKILL);
    assert_int_equal(access(top, F_OK), -1);
    size_t left = count_folders();
    assert_true(wcowd_start(&daemon_));
    return left == 1;
}

static void a_removal_goes_on_after_a_kill(void **state)
{
    (void)state;
    bool in_time = false;
    for (unsigned id = 1; !in_time && id <= 20; id++)
        in_time = kill_while_it_removes(id);
    assert_true(in_time);
    assert_ok(wcowd_prepare(&daemon_, "large", "", NULL, &err));
    assert_ok(wcowd_cleanup(&daemon_, &err));
    assert_int_equal(count_folders(), 1);
    assert_ok(wcowd_remove(&daemon_, "large", &err));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(of_many_calls_on_one_key_one_wins),
        TEST(labels_beyond_the_limit_are_refused_and_the_limit_is_named),
        TEST(filters_beyond_the_limits_are_refused_and_the_limits_are_named),
        TEST(keys_that_look_like_paths_are_only_names),
        TEST(a_removal_goes_on_after_a_kill),
    };
    return cmocka_run_group_tests_name("snapshotter/limits", tests, NULL, NULL);
}
