/* SPDX-License-Identifier: Apache-2.0 */
/* wcowd takes its own place (SIGUSR2) again and again while clients call it: not one call fails, on
 * a connection of one's own, on a shared one, or with a reply that is slow to be read.
 *
 * WCOW_UPGRADE_SECONDS: how long (6). */
#include "wcow_test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "wcowd_process.h"

enum { CLIENTS = 12, SHARED = 4, LISTED = 300, PAUSE_US = 400000 };

static struct wcowd d;
static atomic_bool stop;
static atomic_size_t n_calls;
static atomic_size_t n_failed;
static char failure[2048]; /* the first one's */
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER;

struct client {
    pthread_t thread;
    int number;
    struct wcowd as; /* the daemon with this client's channel */
};

static int setup(void **state)
{
    (void)state;
    return wcowd_begin(&d, "windows-layer") ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    wcowd_end(&d);
    return 0;
}

static void note(const char *what, int code, const struct wcow_error *err)
{
    (void)atomic_fetch_add(&n_calls, 1);
    if (code == WCOW_OK)
        return;
    (void)pthread_mutex_lock(&failure_lock);
    if (atomic_fetch_add(&n_failed, 1) == 0)
        (void)snprintf(failure, sizeof(failure), "%s: %s", what, err->msg);
    (void)pthread_mutex_unlock(&failure_lock);
}

static void *work(void *arg)
{
    struct client *c = arg;
    char key[64];
    char name[64];
    for (unsigned n = 0; !atomic_load(&stop); n++) {
        struct wcow_error err = {0};
        (void)snprintf(key, sizeof(key), "up/%d/a-%u", c->number, n);
        (void)snprintf(name, sizeof(name), "up/%d/c-%u", c->number, n);
        note("Prepare", wcowd_prepare(&c->as, key, "", NULL, &err), &err);
        note("Stat", wcowd_stat(&c->as, key, NULL, &err), &err);
        note("Commit", wcowd_commit(&c->as, name, key, &err), &err);
        note("Remove", wcowd_remove(&c->as, name, &err), &err);
    }
    return NULL;
}

/* Replies of several messages, read one by one. */
static void *list(void *arg)
{
    struct client *c = arg;
    const struct wcow_rpc_call_options options = {.timeout_ms = 60000, .peer = "wcowd"};
    while (!atomic_load(&stop)) {
        struct wcow_error err = {0};
        struct wcow_rpc_stream *stream = NULL;
        PB(ListSnapshotsRequest) request = PB_INIT(LIST_SNAPSHOTS_REQUEST);
        int r =
            wcow_rpc_stream_open(c->as.channel, &options,
                                 "/containerd.services.snapshots.v1.Snapshots/List", &stream, &err);
        if (r == WCOW_OK)
            r = wcow_rpc_stream_send(stream, &request.base, &err);
        if (r == WCOW_OK)
            r = wcow_rpc_stream_close_send(stream, &err);
        for (bool more = r == WCOW_OK; more;) {
            ProtobufCMessage *reply = NULL;
            r = wcow_rpc_stream_recv(stream, PB_TYPE(list_snapshots_response), &reply, &err);
            more = r > 0;
            if (reply)
                protobuf_c_message_free_unpacked(reply, NULL);
            (void)usleep(2000);
        }
        note("List", r, &err);
        wcow_rpc_stream_free(stream);
    }
    return NULL;
}

static void fill(void)
{
    char key[64];
    for (int i = 0; i < LISTED; i++) {
        (void)snprintf(key, sizeof(key), "up/0/listed-%d", i);
        assert_ok(wcowd_prepare(&d, key, "", NULL, &err));
    }
}

static size_t count_in_log(const char *text)
{
    char path[96];
    char line[1024];
    size_t n = 0;
    (void)snprintf(path, sizeof(path), "%s/log", d.folder);
    FILE *log = fopen(path, "re");
    while (log && fgets(line, sizeof(line), log))
        n += strstr(line, text) != NULL;
    if (log)
        (void)fclose(log);
    return n;
}

static long seconds(void)
{
    const char *given = getenv("WCOW_UPGRADE_SECONDS"); /* NOLINT(concurrency-mt-unsafe) */
    return given ? strtol(given, NULL, 10) : 6;
}

static void no_call_fails_while_wcowd_is_upgraded(void **state)
{
    (void)state;
    static struct client clients[CLIENTS];
    fill();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.number = i, .as = d};
        if (i >= SHARED)
            assert_ok(wcow_rpc_channel_new(d.socket, &clients[i].as.channel, &err));
        void *(*run)(void *) = i == CLIENTS - 1 ? list : work;
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run, &clients[i]), 0);
    }
    size_t upgrades = 0;
    for (time_t end = time(NULL) + seconds(); time(NULL) < end; upgrades++) {
        (void)usleep(PAUSE_US);
        assert_int_equal(kill(d.pid, SIGUSR2), 0);
        for (int i = 0; i < 12000 && count_in_log("msg=serving") < upgrades + 2; i++)
            (void)usleep(5000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < CLIENTS; i++) {
        (void)pthread_join(clients[i].thread, NULL);
        if (i >= SHARED)
            wcow_rpc_channel_free(clients[i].as.channel);
    }
    print_message("%zu calls, %zu upgrades\n", atomic_load(&n_calls), upgrades);
    if (atomic_load(&n_failed) > 0)
        fail_msg("%zu of %zu calls failed, the first: %s", atomic_load(&n_failed),
                 atomic_load(&n_calls), failure);
    assert_int_equal(count_in_log("msg=serving"), upgrades + 1);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_call_fails_while_wcowd_is_upgraded, setup, teardown),
    };
    return cmocka_run_group_tests_name("upgrade", tests, NULL, NULL);
}
