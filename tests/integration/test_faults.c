/* SPDX-License-Identifier: Apache-2.0 */
/* wcowd under faults: system calls that fail (libfaults.so), no descriptors, a full disk, a
 * database that is locked, corrupt, newer or not to be written. Each time: an error that says what
 * it is, nothing lost, service that goes on once the fault is over, and a sound database.
 *
 * WCOW_FAULT_SECONDS: how long each kind of fault lasts at least (1). */
#include "snapshot_model.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tools/faults.h"

static struct wcow_faults *faults;
static char control[] = "/tmp/wcow-faults-XXXXXX";

static void run_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run_shell(const char *format, ...)
{
    char command[512];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(command, sizeof(command), format, ap);
    va_end(ap);
    if (system(command) != 0) /* NOLINT(cert-env33-c,concurrency-mt-unsafe): our own words */
        fail_msg("%s", command);
}

/* Only wcowd is to have it, not the tools that the tests run. */
static bool start_faulty(void)
{
    char program[PATH_MAX];
    char library[PATH_MAX + 32];
    wcowd_program(program);
    int folder = (int)(strrchr(program, '/') - program);
    (void)snprintf(library, sizeof(library), "%.*s/tests/libfaults.so", folder, program);
    (void)setenv("LD_PRELOAD", library, 1);  /* NOLINT(concurrency-mt-unsafe): one thread */
    (void)setenv("WCOW_FAULTS", control, 1); /* NOLINT(concurrency-mt-unsafe) */
    (void)setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 0); /* NOLINT(concurrency-mt-unsafe) */
    bool ok = wcowd_start(&daemon_);
    (void)unsetenv("LD_PRELOAD"); /* NOLINT(concurrency-mt-unsafe) */
    return ok;
}

static void fail_calls(unsigned calls, int error, unsigned one_in)
{
    atomic_store(&faults->error, error);
    atomic_store(&faults->one_in, one_in);
    atomic_store(&faults->n_failed, 0);
    atomic_store(&faults->calls, calls);
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&faults->calls, 0);
    daemon_ = (struct wcowd){.folder = "/tmp/wcow-faults-XXXXXX", .mount_type = "windows-layer"};
    if (!mkdtemp(daemon_.folder))
        return -1;
    (void)snprintf(daemon_.root, sizeof(daemon_.root), "%s/root", daemon_.folder);
    (void)snprintf(daemon_.socket, sizeof(daemon_.socket), "%s/socket", daemon_.folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    atomic_store(&faults->calls, 0);
    wcowd_kill(&daemon_, SIGTERM);
    (void)umount2(daemon_.root, MNT_DETACH);
    wcowd_end(&daemon_);
    return 0;
}

/* The whole log, for what wcowd says where it doesn't start. */
static const char *log_text(void)
{
    static char text[1 << 16];
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/log", daemon_.folder);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = '\0';
    if (f)
        (void)fclose(f);
    return text;
}

static void assert_says(const char *text, const char *want)
{
    if (!strstr(text, want))
        fail_msg("\"%s\" is not in: %s", want, text);
}

/* @return whether wcowd ended by itself, with an error code */
static bool refuses_to_start(void)
{
    char program[PATH_MAX];
    char command[PATH_MAX + 512];
    wcowd_program(program);
    (void)snprintf(command, sizeof(command),
                   "timeout 60 '%s' --address '%s' --root '%s' >>'%s/log' 2>&1; [ $? -eq 1 ]",
                   program, daemon_.socket, daemon_.root, daemon_.folder);
    return system(command) == 0; /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
}

/* ---- system calls that fail now and then ---- */

struct fault {
    const char *name;
    unsigned calls;
    int error;
    int code;         /* of the answers */
    const char *says; /* each of them */
    int or_code;
};

static const struct fault kinds[] = {
    {"writes that fail", WCOW_FAULT_WRITE, EIO, WCOW_E_IO, "metadata.db", 0},
    {"a disk that is full for the database", WCOW_FAULT_WRITE, ENOSPC, WCOW_E_LIMIT, "full", 0},
    {"syncs that fail", WCOW_FAULT_SYNC, EIO, WCOW_E_IO, "", 0},
    {"folders that cannot be made", WCOW_FAULT_FOLDER, EIO, WCOW_E_IO, "folder", 0},
    {"a disk that is full for folders", WCOW_FAULT_FOLDER, ENOSPC, WCOW_E_LIMIT, "folder", 0},
    {"a file system that became read-only", WCOW_FAULT_FOLDER, EROFS, WCOW_E_DENIED,
     "Read-only file system", 0},
    {"no descriptors for what is opened", WCOW_FAULT_OPEN, EMFILE, WCOW_E_LIMIT, "Too many open",
     0},
    /* sqlite takes a file that cannot be read for a damaged one */
    {"reads that fail", WCOW_FAULT_READ, EIO, WCOW_E_INTERNAL, "metadata.db", WCOW_E_IO},
    {"folders that cannot be set aside or deleted", WCOW_FAULT_RENAME | WCOW_FAULT_DELETE, EIO, 0,
     "", 0},
};

static void check_answers(const struct fault *kind, size_t *n_refused)
{
    for (int i = 0; i < CLIENTS; i++) {
        const struct wcow_error *err = &clients[i].err;
        if (err->code == WCOW_OK)
            continue;
        (*n_refused)++;
        if ((err->code != kind->code && err->code != kind->or_code) ||
            !strstr(err->msg, kind->says))
            fail_msg("%s: answered with %d: %s", kind->name, err->code, err->msg);
        clients[i].err = (struct wcow_error){0};
    }
}

static time_t now_s(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void suffer(const struct fault *kind, unsigned seed)
{
    time_t end = now_s() + (time_t)env_number("WCOW_FAULT_SECONDS", 1);
    time_t patience = end + 60; /* a busy machine may do little in a second */
    size_t n_refused = 0;
    unsigned n_failed = 0;
    for (unsigned round = 0; now_s() < end || (n_failed == 0 && now_s() < patience); round++) {
        fail_calls(kind->calls, kind->error, 3 + (seed + round) % 20);
        model_work();
        (void)usleep(30000);
        model_rest();
        n_failed += atomic_load(&faults->n_failed);
        fail_calls(0, 0, 1);
        check_answers(kind, &n_refused);
        (void)check_rows();
    }
    print_message("%s: %u times, %zu calls refused\n", kind->name, n_failed, n_refused);
    assert_true(n_failed > 0);
}

static void calls_that_fail_lose_nothing_and_service_goes_on(void **state)
{
    (void)state;
    unsigned seed = env_number("WCOW_CRASH_SEED", (unsigned)time(NULL));
    print_message("WCOW_CRASH_SEED=%u\n", seed);
    model_begin(seed);
    assert_true(start_faulty());
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        suffer(&kinds[i], seed);
        wcowd_kill(&daemon_, SIGKILL);
        assert_true(start_faulty());
        check_all();
        check_content();
    }
}

/* ---- folders that cannot go ---- */

static bool folder_goes(const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/snapshots/%s", daemon_.root, name);
    for (int i = 0; i < 600 && access(path, F_OK) == 0; i++)
        (void)usleep(100000);
    return access(path, F_OK) < 0;
}

static void a_folder_that_cannot_be_moved_goes_once_it_can(void **state)
{
    (void)state;
    assert_true(start_faulty());
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    run_shell("echo x >%s/snapshots/1/Files/x", daemon_.root);
    fail_calls(WCOW_FAULT_RENAME, EIO, 1);
    assert_ok(wcowd_remove(&daemon_, "a", &err));
    assert_fails(wcowd_cleanup(&daemon_, &err), WCOW_E_IO);
    assert_int_equal(count_folders(), 1);
    assert_fails(wcowd_stat(&daemon_, "a", NULL, &err), WCOW_E_NOT_FOUND);
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    fail_calls(0, 0, 1);
    assert_true(folder_goes("1"));
    assert_ok(wcowd_stat(&daemon_, "a", NULL, &err));
    assert_ok(wcowd_cleanup(&daemon_, &err));
    assert_int_equal(count_folders(), 1);
    assert_says(log_text(), "is tried again");
    assert_says(log_text(), "deleted at last");
}

/* ---- no descriptors ---- */

static void without_descriptors_others_wait_and_connections_go_on(void **state)
{
    (void)state;
    assert_true(start_faulty());
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    fail_calls(WCOW_FAULT_ACCEPT, EMFILE, 1);
    struct wcowd other = daemon_;
    assert_ok(wcow_rpc_channel_new(daemon_.socket, &other.channel, &err));
    (void)usleep(50000);
    assert_ok(wcowd_prepare(&daemon_, "b", "", NULL, &err));
    struct rlimit none = {.rlim_cur = 3, .rlim_max = 1024};
    struct rlimit before = {0};
    assert_int_equal(prlimit(daemon_.pid, RLIMIT_NOFILE, &none, &before), 0);
    none.rlim_cur = 3;
    (void)wcowd_prepare(&daemon_, "c", "", NULL, NULL);
    struct rlimit again = {.rlim_cur = 1024, .rlim_max = 1024};
    assert_int_equal(prlimit(daemon_.pid, RLIMIT_NOFILE, &again, NULL), 0);
    fail_calls(0, 0, 1);
    assert_ok(wcowd_stat(&other, "b", NULL, &err));
    assert_ok(wcowd_prepare(&other, "d", "", NULL, &err));
    wcow_rpc_channel_free(other.channel);
}

/* ---- a full disk ---- */

static void prepare_twenty(void)
{
    char key[32];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof(key), "a%d", i);
        assert_ok(wcowd_prepare(&daemon_, key, "", NULL, &err));
    }
}

static void fill_disk(void)
{
    run_shell("! head -c 100m /dev/zero >%s/filler 2>/dev/null", daemon_.root);
    run_shell("i=0; while (: >%s/inode$i) 2>/dev/null; do i=$((i + 1)); done; [ $i -gt 0 ]",
              daemon_.root);
}

/* Until a folder would have to be made. @return how many snapshots that took */
static int use_up_spare_folders(void)
{
    char key[32];
    struct wcow_error why = {0};
    int r = WCOW_OK;
    int n = 0;
    for (; r == WCOW_OK && n < 1000; n++) {
        (void)snprintf(key, sizeof(key), "b%d", n);
        r = wcowd_prepare(&daemon_, key, "", NULL, &why);
    }
    assert_int_equal(r, WCOW_E_LIMIT);
    assert_says(why.msg, "No space left");
    return n - 1;
}

static void remove_many(int n)
{
    char key[32];
    for (int i = 0; i < n; i++) {
        (void)snprintf(key, sizeof(key), "b%d", i);
        assert_ok(wcowd_remove(&daemon_, key, &err));
    }
}

/* A root of 24 MB and 400 files, and wcowd on it. */
static void start_on_a_small_disk(void)
{
    if (mkdir(daemon_.root, 0700) < 0 ||
        mount("tmpfs", daemon_.root, "tmpfs", 0, "size=24m,nr_inodes=400") < 0)
        cannot_run("mounts are not allowed");
    assert_true(start_faulty());
}

static void on_a_full_disk_what_needs_no_room_works_and_all_does_with_room(void **state)
{
    (void)state;
    start_on_a_small_disk();
    prepare_twenty();
    fill_disk();
    int n_more = use_up_spare_folders();
    assert_ok(wcowd_stat(&daemon_, "a1", NULL, &err));
    assert_ok(wcowd_commit(&daemon_, "c1", "a1", &err));
    assert_ok(wcowd_remove(&daemon_, "a2", &err));
    assert_ok(wcowd_cleanup(&daemon_, &err));
    run_shell("rm -f %s/filler %s/inode*", daemon_.root, daemon_.root);
    assert_ok(wcowd_prepare(&daemon_, "more", "c1", NULL, &err));
    remove_many(n_more);
    wcowd_kill(&daemon_, SIGKILL);
    assert_true(start_faulty());
    assert_ok(wcowd_stat(&daemon_, "c1", NULL, &err));
    assert_ok(wcowd_stat(&daemon_, "more", NULL, &err));
    assert_fails(wcowd_stat(&daemon_, "a2", NULL, &err), WCOW_E_NOT_FOUND);
    assert_ok(wcowd_cleanup(&daemon_, &err)); /* what the killed one left goes in its own time */
    assert_int_equal(count_folders(), 20);
}

static void a_start_on_a_full_disk_says_so(void **state)
{
    (void)state;
    start_on_a_small_disk();
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    wcowd_kill(&daemon_, SIGTERM);
    run_shell("cd %s && rm -f metadata.db-shm && ! head -c 100m /dev/zero >filler 2>/dev/null",
              daemon_.root);
    assert_true(refuses_to_start());
    assert_says(log_text(), "No space left on device");
    assert_says(log_text(), "free some space");
    run_shell("rm %s/filler", daemon_.root);
    assert_true(start_faulty());
    assert_ok(wcowd_stat(&daemon_, "a", NULL, &err));
}

/* ---- the database ---- */

static void a_locked_database_is_named_and_waited_for(void **state)
{
    (void)state;
    assert_true(start_faulty());
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    char command[256];
    char locked[96];
    (void)snprintf(command, sizeof(command), "sqlite3 '%s/metadata.db' >/dev/null", daemon_.root);
    (void)snprintf(locked, sizeof(locked), "%s/locked", daemon_.folder);
    FILE *shell = popen(command, "we"); /* NOLINT(cert-env33-c): our own words */
    assert_non_null(shell);
    assert_true(
        fprintf(shell, ".timeout 60000\nBEGIN EXCLUSIVE;\n.output '%s'\n.output\n", locked) > 0);
    (void)fflush(shell);
    for (int i = 0; i < 6000 && access(locked, F_OK) < 0; i++)
        (void)usleep(10000);
    assert_int_equal(access(locked, F_OK), 0);
    struct wcow_error why = {0};
    assert_int_equal(wcowd_prepare(&daemon_, "b", "", NULL, &why), WCOW_E_UNAVAILABLE);
    assert_says(why.msg, "another program holds a lock");
    assert_ok(wcowd_stat(&daemon_, "a", NULL, &err));
    assert_int_equal(wcowd_stat(&daemon_, "b", NULL, &why), WCOW_E_NOT_FOUND);
    (void)pclose(shell);
    assert_ok(wcowd_prepare(&daemon_, "b", "", NULL, &err));
}

static void begin_and_stop(void)
{
    assert_true(start_faulty());
    assert_ok(wcowd_prepare(&daemon_, "a", "", NULL, &err));
    assert_ok(wcowd_commit(&daemon_, "A", "a", &err));
    wcowd_kill(&daemon_, SIGTERM);
}

static void a_corrupt_database_is_refused_and_left_alone(void **state)
{
    (void)state;
    begin_and_stop();
    run_shell(
        "cd '%s' && rm -f metadata.db-wal metadata.db-shm && cp metadata.db ../good && "
        "dd if=/dev/urandom of=metadata.db bs=4096 seek=1 count=6 conv=notrunc status=none && "
        "cp metadata.db ../bad",
        daemon_.root);
    assert_true(refuses_to_start());
    assert_says(log_text(), "malformed");
    assert_says(log_text(), "integrity_check");
    run_shell("cd '%s' && cmp -s metadata.db ../bad && [ -d snapshots/1 ]", daemon_.root);
    run_shell("cd '%s' && cp ../good metadata.db", daemon_.root);
    assert_true(start_faulty());
    assert_ok(wcowd_stat(&daemon_, "A", NULL, &err));
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    (void)state;
    begin_and_stop();
    run_shell("cd '%s' && sqlite3 metadata.db 'PRAGMA user_version = 99' && cp metadata.db ../bad",
              daemon_.root);
    assert_true(refuses_to_start());
    assert_says(log_text(), "schema 99");
    run_shell("cd '%s' && cmp -s metadata.db ../bad && [ -d snapshots/1 ]", daemon_.root);
}

static void a_read_only_root_is_refused_by_name(void **state)
{
    (void)state;
    begin_and_stop();
    if (mount(daemon_.root, daemon_.root, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, daemon_.root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
        cannot_run("mounts are not allowed");
    assert_true(refuses_to_start());
    assert_says(log_text(), "Read-only file system");
    assert_says(log_text(), "is the root folder writable?");
    assert_int_equal(umount2(daemon_.root, 0), 0);
    assert_true(start_faulty());
    assert_ok(wcowd_stat(&daemon_, "A", NULL, &err));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = mkstemp(control);
    if (fd < 0 || ftruncate(fd, sizeof(*faults)) < 0)
        return 1;
    faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (faults == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(calls_that_fail_lose_nothing_and_service_goes_on),
        TEST(a_folder_that_cannot_be_moved_goes_once_it_can),
        TEST(without_descriptors_others_wait_and_connections_go_on),
        TEST(on_a_full_disk_what_needs_no_room_works_and_all_does_with_room),
        TEST(a_start_on_a_full_disk_says_so),
        TEST(a_locked_database_is_named_and_waited_for),
        TEST(a_corrupt_database_is_refused_and_left_alone),
        TEST(a_newer_database_is_refused_and_left_alone),
        TEST(a_read_only_root_is_refused_by_name),
    };
    int r = cmocka_run_group_tests_name("faults", tests, NULL, NULL);
    (void)unlink(control);
    return r;
}
