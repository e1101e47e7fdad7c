/* SPDX-License-Identifier: Apache-2.0 */
/* The typed clients against a real containerd, started privately: WCOW_TEST_CONTAINERD is the
 * path of its binary (scripts/fetch-containerd prints two). Needs root, as containerd does. */
#include "wcow_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "containerd/containers.h"
#include "containerd/content.h"
#include "containerd/images.h"
#include "containerd/leases.h"
#include "containerd/snapshots.h"
#include "containerd/tasks.h"
#include "rpc/text.h"

static struct {
    char dir[64];
    pid_t pid;
    char *lease; /* else garbage collection takes what a test is looking at */
    struct wcow_containerd *client;
    struct wcow_containerd_ctx ctx;
} env;

static void sleep_ms(long ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&ts, NULL);
}

/* ---- a private containerd ---- */

static int write_config(const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f)
        return -1;
    (void)fprintf(f,
                  "version = 2\n"
                  "root = '%s/root'\n"
                  "state = '%s/state'\n"
                  "disabled_plugins = ['io.containerd.grpc.v1.cri', "
                  "'io.containerd.internal.v1.opt', 'io.containerd.nri.v1.nri', "
                  /* These want to know the mount below, which a chroot does not show. */
                  "'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.zfs', "
                  "'io.containerd.snapshotter.v1.devmapper']\n"
                  "[grpc]\n"
                  "  address = '%s/c.sock'\n",
                  env.dir, env.dir, env.dir);
    return fclose(f);
}

static int spawn(const char *binary, const char *config)
{
    char log[96];
    (void)snprintf(log, sizeof(log), "%s/log", env.dir);
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)posix_spawn_file_actions_adddup2(&actions, 2, 1);
    char *argv[] = {wcow_rpc_text("containerd"), wcow_rpc_text("--config"), wcow_rpc_text(config),
                    NULL};
    int r = posix_spawn(&env.pid, binary, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int await_version(void)
{
    struct wcow_error err = {0};
    for (int i = 0; i < 1200; i++) { /* a minute */
        char *version = NULL;
        if (wcow_containerd_version(&env.ctx, &version, &err) == WCOW_OK) {
            print_message("containerd %s\n", version);
            free(version);
            return 0;
        }
        if (waitpid(env.pid, NULL, WNOHANG) == env.pid) {
            env.pid = 0;
            break;
        }
        sleep_ms(50);
    }
    print_error("containerd does not come up: %s (see %s/log)\n", err.msg, env.dir);
    return -1;
}

static int stop_containerd(void **state);

static int start_containerd(void **state)
{
    (void)state;
    const char *binary = getenv("WCOW_TEST_CONTAINERD"); /* NOLINT(concurrency-mt-unsafe): main */
    if (!binary || access(binary, X_OK) != 0) {
        print_error("WCOW_TEST_CONTAINERD must name a containerd binary: run "
                    "scripts/fetch-containerd and set it to one of the paths it prints\n");
        return -1;
    }
    (void)snprintf(env.dir, sizeof(env.dir), "/tmp/wcow-containerd-XXXXXX");
    char path[96];
    if (!mkdtemp(env.dir))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/config.toml", env.dir);
    if (write_config(path) < 0 || spawn(binary, path) != 0) {
        print_error("cannot start %s\n", binary);
        return -1;
    }
    (void)snprintf(path, sizeof(path), "unix://%s/c.sock", env.dir);
    struct wcow_error err = {0};
    if (wcow_containerd_new(path, &env.client, &err) < 0)
        return -1;
    env.ctx =
        (struct wcow_containerd_ctx){.client = env.client, .ns = "wcow-test", .timeout_ms = 60000};
    if (await_version() < 0 || wcow_lease_create(&env.ctx, NULL, 3600, NULL, &env.lease, &err) < 0)
        return -1;
    env.ctx.lease = env.lease;
    return 0;
}

static int stop_containerd(void **state)
{
    (void)state;
    wcow_containerd_free(env.client);
    free(env.lease);
    if (env.pid > 0) {
        (void)kill(env.pid, SIGTERM);
        (void)waitpid(env.pid, NULL, 0);
    }
    /* Should a mount of containerd's ever be left in there, it must not be emptied. */
    char *argv[] = {wcow_rpc_text("rm"), wcow_rpc_text("-rf"), wcow_rpc_text("--one-file-system"),
                    env.dir, NULL};
    pid_t pid = 0;
    if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) != 0)
        return -1;
    (void)waitpid(pid, NULL, 0);
    return 0;
}

/* ---- content ---- */

static uint8_t *make_data(size_t len)
{
    uint8_t *data = malloc(len + 1);
    assert_non_null(data);
    uint32_t x = 2463534242U;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        data[i] = (uint8_t)x;
    }
    return data;
}

static size_t read_to_end(struct wcow_source source, const uint8_t *want)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        (void)wcow_source_ahead(&source);
        assert_ok(wcow_source_next(&source, &data, &len, &err));
        if (len == 0)
            return at;
        assert_memory_equal(data, want + at, len);
        at += len;
    }
}

/* In pieces of odd sizes, some larger than a message. */
static void write_in_pieces(const uint8_t *data, size_t len, struct wcow_digest *ret)
{
    assert_ok(wcow_digest_of(data, len, ret, &err));
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    assert_ok(wcow_content_writer_open(&env.ctx, "layer-1", NULL, 0, &writer, &err));
    struct wcow_sink sink = wcow_content_writer_sink(writer);
    for (size_t at = 0; at < len;) {
        size_t n = (at * 7919 + 333333) % (3U << 20) + 1;
        n = n < len - at ? n : len - at;
        assert_ok(wcow_sink_write(&sink, data + at, n, &err));
        at += n;
    }
    assert_ok(wcow_content_writer_commit(writer, ret->text, NULL, &err));
}

static void count(void *arg)
{
    (void)atomic_fetch_add((atomic_int *)arg, 1);
}

/* gRPC may let go of bytes a moment after containerd has them. */
static void wait_until(const atomic_int *value, int want)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 60000 && atomic_load(value) != want; i++)
        (void)nanosleep(&pause, NULL);
    assert_int_equal(atomic_load(value), want);
}

/* A piece a message. @return how many */
static int lend(struct wcow_content_writer *writer, const uint8_t *data, size_t len,
                atomic_int *n_given_back)
{
    int n_lent = 0;
    struct wcow_borrower to = wcow_content_writer_borrower(writer);
    for (size_t at = 0; at < len; n_lent++) {
        size_t n = (at * 7919 + 333333) % (3U << 20) + 1;
        struct wcow_lent lent = {.data = data + at,
                                 .len = n < len - at ? n : len - at,
                                 .release = count,
                                 .arg = n_given_back};
        assert_ok(wcow_borrower_take(&to, &lent, &err));
        at += lent.len;
    }
    return n_lent;
}

/* Lent, and hashed by containerd alone. */
static void write_lent(const uint8_t *data, size_t len, const struct wcow_digest *want)
{
    int n_lent = 0;
    atomic_int n_given_back = 0;
    struct wcow_digest digest = {0};
    {
        WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
        assert_ok(wcow_content_writer_open(&env.ctx, "lent", NULL, 0, &writer, &err));
        n_lent = lend(writer, data, len, &n_given_back);
        assert_ok(wcow_content_writer_digest(writer, &digest, &err));
        assert_string_equal(digest.text, want->text);
        assert_ok(wcow_content_writer_commit(writer, digest.text, NULL, &err)); /* it is there */
    }
    wait_until(&n_given_back, n_lent);
}

static char *content_root(void)
{
    char *root = NULL;
    assert_ok(
        wcow_containerd_plugin_root(&env.ctx, "io.containerd.content.v1", "content", &root, &err));
    return root;
}

static void write_and_read_back(const char *const roots[2], size_t len)
{
    wcow_autofree uint8_t *data = make_data(len);
    struct wcow_digest digest;
    write_in_pieces(data, len, &digest);
    write_lent(data, len, &digest);
    for (size_t k = 0; k < 4; k++) {
        WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
        assert_ok(
            wcow_content_reader_open(&env.ctx, roots[k % 2], digest.text, len, &reader, &err));
        struct wcow_source source =
            k < 2 ? wcow_content_reader_source(reader) : wcow_content_reader_helped_source(reader);
        assert_int_equal(read_to_end(source, data), len);
    }
}

static void a_blob_is_written_and_read_back_both_ways(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1 << 20, (5 << 20) + 17, 40 << 20};
    wcow_autofree char *root = content_root();
    const char *const roots[] = {NULL, root};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        write_and_read_back(roots, sizes[i]);
}

static void a_small_blob_carries_labels(void **state)
{
    (void)state;
    static const char text[] = "{\"schemaVersion\":2}";
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels labels = {0};
    assert_ok(wcow_labels_set(&labels, "containerd.io/gc.ref.content.0", "one", &err));
    assert_ok(wcow_labels_set(&labels, "other", "x", &err));
    struct wcow_digest digest;
    assert_ok(wcow_content_write_all(&env.ctx, "m", text, sizeof(text), &labels, &digest, &err));
    /* Again, with another value: the blob is there, its label changes. */
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels second = {0};
    assert_ok(wcow_labels_set(&second, "containerd.io/gc.ref.content.0", "two", &err));
    assert_ok(wcow_labels_set(&second, "other", "", &err));
    assert_ok(wcow_content_write_all(&env.ctx, "m", text, sizeof(text), &second, &digest, &err));

    WCOW_CLEANUP(wcow_content_info_done) struct wcow_content_info info = {0};
    assert_ok(wcow_content_info(&env.ctx, digest.text, &info, &err));
    assert_int_equal(info.size_bytes, sizeof(text));
    assert_string_equal(info.digest.text, digest.text);
    assert_string_equal(wcow_labels_get(&info.labels, "containerd.io/gc.ref.content.0"), "two");
    assert_null(wcow_labels_get(&info.labels, "other"));

    wcow_autobuf buf = {0};
    assert_ok(wcow_content_read_all(&env.ctx, digest.text, 1000, &buf, &err));
    assert_int_equal(buf.len, sizeof(text));
    assert_memory_equal(buf.data, text, sizeof(text));
    assert_fails(wcow_content_read_all(&env.ctx, digest.text, 5, &buf, &err), WCOW_E_LIMIT);
}

static void a_wrong_digest_is_refused_and_the_ref_is_free_again(void **state)
{
    (void)state;
    struct wcow_digest other;
    struct wcow_digest right;
    assert_ok(wcow_digest_of("other", 5, &other, &err));
    assert_ok(wcow_digest_of("bytes", 5, &right, &err));
    {
        WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
        assert_ok(wcow_content_writer_open(&env.ctx, "wrong", NULL, 0, &writer, &err));
        struct wcow_sink sink = wcow_content_writer_sink(writer);
        assert_ok(wcow_sink_write(&sink, "bytes", 5, &err));
        assert_fails(wcow_content_writer_commit(writer, other.text, NULL, &err),
                     WCOW_E_PRECONDITION);
    }
    struct wcow_digest digest;
    assert_ok(wcow_content_write_all(&env.ctx, "wrong", "bytes", 5, NULL, &digest, &err));
    assert_string_equal(digest.text, right.text);
    WCOW_CLEANUP(wcow_content_info_done) struct wcow_content_info info = {0};
    assert_fails(wcow_content_info(&env.ctx, other.text, &info, &err), WCOW_E_NOT_FOUND);
}

static void a_writer_without_commit_leaves_nothing(void **state)
{
    (void)state;
    wcow_autofree uint8_t *data = make_data(3 << 20);
    for (int i = 0; i < 3; i++) {
        WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
        assert_ok(wcow_content_writer_open(&env.ctx, "dropped", NULL, 0, &writer, &err));
        struct wcow_sink sink = wcow_content_writer_sink(writer);
        assert_ok(wcow_sink_write(&sink, data, 3 << 20, &err));
    }
    wcow_autofree char *root = NULL;
    assert_ok(
        wcow_containerd_plugin_root(&env.ctx, "io.containerd.content.v1", "content", &root, &err));
    wcow_autofree char *ingest = NULL;
    assert_true(asprintf(&ingest, "%s/ingest", root) > 0);
    /* rmdir(2) succeeds on an empty folder only. */
    assert_int_equal(rmdir(ingest), 0);
    assert_int_equal(mkdir(ingest, 0700), 0);
}

/* The only ingest there is. */
static int open_ingest_data(void)
{
    wcow_autofree char *root = content_root();
    wcow_autofree char *folder = NULL;
    assert_true(asprintf(&folder, "%s/ingest", root) > 0);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int fd = -1;
    const struct dirent *e = NULL;
    while (fd < 0 && (e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): one thread */
        char path[300];
        (void)snprintf(path, sizeof(path), "%s/data", e->d_name);
        fd = openat(dirfd(dir), path, O_WRONLY | O_CLOEXEC);
    }
    (void)closedir(dir);
    assert_true(fd >= 0);
    return fd;
}

/* What came into the ingest's file another way is hashed by containerd, and committed as its blob.
 */
static void bytes_put_into_the_ingest_are_adopted(void **state)
{
    (void)state;
    enum { LEN = (3 << 20) + 5 };
    wcow_autofree uint8_t *data = make_data(LEN);
    data[0] ^= 1; /* no blob of another test */
    struct wcow_digest want;
    struct wcow_digest got;
    assert_ok(wcow_digest_of(data, LEN, &want, &err));
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    assert_ok(wcow_content_writer_open(&env.ctx, "adopted", NULL, 0, &writer, &err));
    wcow_autoclose int fd = open_ingest_data();
    assert_int_equal(write(fd, data, LEN), LEN);
    assert_ok(wcow_content_writer_adopt(writer, LEN, &err));
    assert_ok(wcow_content_writer_digest(writer, &got, &err));
    assert_string_equal(got.text, want.text);
    assert_ok(wcow_content_writer_commit(writer, got.text, NULL, &err));
    WCOW_CLEANUP(wcow_content_info_done) struct wcow_content_info info = {0};
    assert_ok(wcow_content_info(&env.ctx, want.text, &info, &err));
    assert_int_equal(info.size_bytes, LEN);
}

static void an_ingest_of_another_length_is_not_adopted(void **state)
{
    (void)state;
    struct wcow_content_writer *writer = NULL;
    assert_ok(wcow_content_writer_open(&env.ctx, "changed", NULL, 0, &writer, &err));
    wcow_autoclose int fd = open_ingest_data();
    assert_int_equal(write(fd, "four", 4), 4);
    struct wcow_error why = {0};
    assert_int_equal(wcow_content_writer_adopt(writer, 5, &why), WCOW_E_DATA_LOSS);
    assert_non_null(strstr(why.msg, "5 bytes were written and containerd finds 4"));
    assert_fails(wcow_content_writer_commit(writer, "", NULL, &err), WCOW_E_DATA_LOSS);
    wcow_content_writer_free(writer);
    wcow_autofree char *root = content_root();
    wcow_autofree char *ingest = NULL;
    assert_true(asprintf(&ingest, "%s/ingest", root) > 0);
    assert_int_equal(rmdir(ingest), 0); /* nothing dangles */
    assert_int_equal(mkdir(ingest, 0700), 0);
}

static void a_known_blob_is_not_written_again(void **state)
{
    (void)state;
    struct wcow_digest digest;
    assert_ok(wcow_content_write_all(&env.ctx, "k", "known", 5, NULL, &digest, &err));
    struct wcow_content_writer *writer = NULL;
    assert_fails(wcow_content_writer_open(&env.ctx, "k2", digest.text, 5, &writer, &err),
                 WCOW_E_EXISTS);
    /* Unknown beforehand, found at the commit. */
    assert_ok(wcow_content_writer_open(&env.ctx, "k3", NULL, 0, &writer, &err));
    struct wcow_sink sink = wcow_content_writer_sink(writer);
    assert_ok(wcow_sink_write(&sink, "known", 5, &err));
    assert_ok(wcow_content_writer_commit(writer, digest.text, NULL, &err));
    wcow_content_writer_free(writer);
}

/* The first byte becomes another one. */
static void damage(const char *root, const struct wcow_digest *digest)
{
    wcow_autofree char *path = NULL;
    assert_true(asprintf(&path, "%s/blobs/sha256/%s", root, digest->text + 7) > 0);
    assert_int_equal(chmod(path, 0600), 0);
    wcow_autoclose int fd = open(path, O_RDWR | O_CLOEXEC);
    char byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
}

static void reading_refuses_what_is_absent_damaged_or_no_digest(void **state)
{
    (void)state;
    wcow_autofree char *root = NULL;
    assert_ok(
        wcow_containerd_plugin_root(&env.ctx, "io.containerd.content.v1", "content", &root, &err));
    struct wcow_content_reader *reader = NULL;
    struct wcow_digest absent;
    assert_ok(wcow_digest_of("absent", 6, &absent, &err));
    assert_fails(wcow_content_reader_open(&env.ctx, root, absent.text, 6, &reader, &err),
                 WCOW_E_NOT_FOUND);
    assert_fails(wcow_content_reader_open(&env.ctx, root, "sha256:../../etc", 6, &reader, &err),
                 WCOW_E_INVALID);

    struct wcow_digest digest;
    assert_ok(wcow_content_write_all(&env.ctx, "d", "damaged", 7, NULL, &digest, &err));
    damage(root, &digest);
    const uint8_t *data = NULL;
    size_t len = 0;
    assert_ok(wcow_content_reader_open(&env.ctx, root, digest.text, 7, &reader, &err));
    struct wcow_source source = wcow_content_reader_source(reader);
    assert_fails(wcow_source_next(&source, &data, &len, &err), WCOW_E_DATA_LOSS);
    assert_fails(wcow_source_next(&source, &data, &len, &err), WCOW_E_DATA_LOSS);
    wcow_content_reader_free(reader);
}

/* One that is hashed beside reading it. */
static void reading_refuses_a_large_blob_that_is_damaged(void **state)
{
    (void)state;
    enum { LEN = 6 << 20 };
    wcow_autofree uint8_t *data = make_data(LEN);
    data[0] ^= 3; /* no blob of another test */
    wcow_autofree char *root = content_root();
    struct wcow_digest digest;
    wcow_autobuf all = {0};
    assert_ok(wcow_content_write_all(&env.ctx, "large", data, LEN, NULL, &digest, &err));
    assert_ok(wcow_content_read_local(&env.ctx, root, digest.text, LEN, &all, &err));
    assert_int_equal(all.len, LEN);
    damage(root, &digest);
    assert_fails(wcow_content_read_local(&env.ctx, root, digest.text, LEN, &all, &err),
                 WCOW_E_DATA_LOSS);
}

/* ---- leases, images ---- */

static void a_lease_holds_and_goes(void **state)
{
    (void)state;
    wcow_autofree char *id = NULL;
    assert_ok(wcow_lease_create(&env.ctx, NULL, 3600, NULL, &id, &err));
    struct wcow_containerd_ctx leased = env.ctx;
    leased.lease = id;
    struct wcow_digest digest;
    assert_ok(wcow_content_write_all(&leased, "leased", "leased", 6, NULL, &digest, &err));
    char *again = NULL;
    assert_fails(wcow_lease_create(&env.ctx, id, 0, NULL, &again, &err), WCOW_E_EXISTS);
    assert_ok(wcow_lease_add_resource(&env.ctx, id, "content", digest.text, &err));
    assert_ok(wcow_lease_delete(&env.ctx, id, true, &err));
    assert_ok(wcow_lease_delete(&env.ctx, id, true, &err));
    WCOW_CLEANUP(wcow_content_info_done) struct wcow_content_info info = {0};
    assert_fails(wcow_content_info(&env.ctx, digest.text, &info, &err), WCOW_E_NOT_FOUND);
}

static void put_image(struct wcow_image_record *record, const char *target)
{
    record->size_bytes = strlen(target);
    assert_ok(
        wcow_content_write_all(&env.ctx, "i", target, strlen(target), NULL, &record->digest, &err));
    assert_ok(wcow_image_put(&env.ctx, record, 1700000000, &err));
    WCOW_CLEANUP(wcow_image_record_done) struct wcow_image_record got = {0};
    assert_ok(wcow_image_get(&env.ctx, record->name, &got, &err));
    assert_string_equal(got.digest.text, record->digest.text);
    assert_string_equal(got.media_type, record->media_type);
    assert_int_equal(got.size_bytes, strlen(target));
    assert_string_equal(wcow_labels_get(&got.labels, "a"), "1");
}

static void an_image_is_put_and_changed(void **state)
{
    (void)state;
    struct wcow_image_record record = {
        .name = wcow_rpc_text("localhost/app:latest"),
        .media_type = wcow_rpc_text("application/vnd.oci.image.manifest.v1+json")};
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels labels = {0};
    assert_ok(wcow_labels_set(&labels, "a", "1", &err));
    record.labels = labels;
    put_image(&record, "first");
    put_image(&record, "replaced");
    WCOW_CLEANUP(wcow_image_record_done) struct wcow_image_record got = {0};
    assert_fails(wcow_image_get(&env.ctx, "localhost/app:none", &got, &err), WCOW_E_NOT_FOUND);
}

/* ---- snapshots and diffs, by containerd's own native snapshotter ---- */

static void write_hello(const char *folder)
{
    wcow_autofree char *file = NULL;
    assert_true(asprintf(&file, "%s/hello", folder) > 0);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "hello", 5), 5);
    (void)close(fd);
}

static void a_snapshot_is_diffed_and_applied(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts lower = {0};
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts upper = {0};
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts target = {0};
    assert_ok(wcow_snapshot_view(&env.ctx, "native", "empty", "", NULL, &lower, &err));
    assert_ok(wcow_snapshot_prepare(&env.ctx, "native", "work", "", NULL, &upper, &err));
    assert_int_equal(upper.n, 1);
    assert_string_equal(upper.items[0].type, "bind");
    write_hello(upper.items[0].source);

    struct wcow_descriptor_ref layer = {.media_type = "application/vnd.oci.image.layer.v1.tar"};
    assert_ok(wcow_diff_create(&env.ctx, &lower, &upper, layer.media_type, "diff-1", &layer, &err));
    assert_true(layer.size_bytes > 512);
    assert_ok(wcow_snapshot_prepare(&env.ctx, "native", "copy", "", NULL, &target, &err));
    struct wcow_digest diff_id;
    assert_ok(wcow_diff_apply(&env.ctx, &layer, &target, &diff_id, &err));
    assert_string_equal(diff_id.text, layer.digest.text);
}

static void a_snapshot_is_prepared_committed_and_removed(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts mounts = {0};
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts again = {0};
    assert_ok(wcow_snapshot_prepare(&env.ctx, "native", "a", "", NULL, &mounts, &err));
    assert_fails(wcow_snapshot_prepare(&env.ctx, "native", "a", "", NULL, &again, &err),
                 WCOW_E_EXISTS);
    assert_ok(wcow_snapshot_mounts(&env.ctx, "native", "a", &again, &err));
    assert_string_equal(again.items[0].source, mounts.items[0].source);
    assert_ok(wcow_snapshot_commit(&env.ctx, "native", "done", "a", NULL, &err));
    WCOW_CLEANUP(wcow_snapshot_info_done) struct wcow_snapshot_info info = {0};
    assert_ok(wcow_snapshot_stat(&env.ctx, "native", "done", &info, &err));
    assert_int_equal(info.kind, WCOW_SNAPSHOT_COMMITTED);
    assert_string_equal(info.name, "done");
    assert_ok(wcow_snapshot_remove(&env.ctx, "native", "done", &err));
    assert_fails(wcow_snapshot_remove(&env.ctx, "native", "done", &err), WCOW_E_NOT_FOUND);
}

/* ---- containers, and tasks that are not there ---- */

static const char SPEC[] =
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"}}";

static void a_container_is_recorded_once_and_deleted(void **state)
{
    (void)state;
    const struct wcow_container container = {
        .id = "c1", .runtime = "io.containerd.runc.v2", .spec_json = SPEC};
    assert_ok(wcow_container_create(&env.ctx, &container, &err));
    assert_fails(wcow_container_create(&env.ctx, &container, &err), WCOW_E_EXISTS);
    uint32_t status = 0;
    assert_fails(wcow_task_wait(&env.ctx, "c1", &status, &err), WCOW_E_NOT_FOUND);
    assert_fails(wcow_task_start(&env.ctx, "c1", &err), WCOW_E_NOT_FOUND);
    assert_ok(wcow_task_kill(&env.ctx, "c1", SIGKILL, &err));
    assert_ok(wcow_task_delete(&env.ctx, "c1", &err));
    assert_ok(wcow_container_delete(&env.ctx, "c1", &err));
    assert_ok(wcow_container_delete(&env.ctx, "c1", &err));
}

/* ---- introspection, cancellation ---- */

static void plugins_are_known(void **state)
{
    (void)state;
    char *root = NULL;
    assert_fails(
        wcow_containerd_plugin_root(&env.ctx, "io.containerd.snapshotter.v1", "wcow", &root, &err),
        WCOW_E_NOT_FOUND);
}

static void a_cancelled_context_does_nothing_more(void **state)
{
    (void)state;
    atomic_bool cancel = true;
    struct wcow_containerd_ctx ctx = env.ctx;
    ctx.cancel = &cancel;
    struct wcow_content_writer *writer = NULL;
    assert_fails(wcow_content_writer_open(&ctx, "c", NULL, 0, &writer, &err), WCOW_E_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugins_are_known),
        cmocka_unit_test(a_blob_is_written_and_read_back_both_ways),
        cmocka_unit_test(a_small_blob_carries_labels),
        cmocka_unit_test(a_wrong_digest_is_refused_and_the_ref_is_free_again),
        cmocka_unit_test(a_writer_without_commit_leaves_nothing),
        cmocka_unit_test(a_known_blob_is_not_written_again),
        cmocka_unit_test(bytes_put_into_the_ingest_are_adopted),
        cmocka_unit_test(an_ingest_of_another_length_is_not_adopted),
        cmocka_unit_test(reading_refuses_what_is_absent_damaged_or_no_digest),
        cmocka_unit_test(reading_refuses_a_large_blob_that_is_damaged),
        cmocka_unit_test(a_lease_holds_and_goes),
        cmocka_unit_test(an_image_is_put_and_changed),
        cmocka_unit_test(a_snapshot_is_diffed_and_applied),
        cmocka_unit_test(a_snapshot_is_prepared_committed_and_removed),
        cmocka_unit_test(a_container_is_recorded_once_and_deleted),
        cmocka_unit_test(a_cancelled_context_does_nothing_more),
    };
    return cmocka_run_group_tests(tests, start_containerd, stop_containerd);
}
