/* SPDX-License-Identifier: Apache-2.0 */
/* Load on a snapshotter's socket, wcowd's or any other's: each client repeats, on keys of its own,
 * prepare, mounts, stat, commit, view, remove, remove (WHAT: cycle), or one of stat, mounts and
 * list alone. Prints operations a second and, for each method, the median and the 99th percentile.
 *
 *   snapshots-load [--grpc] [--calls N] [--depth N] SOCKET CLIENTS SECONDS [WHAT [SNAPSHOTTER]]
 *
 * A client has a connection of its own and costs little (h2_client.h); with --grpc all are on one
 * connection of gRPC's C core, as containerd's are on one of its proxy client.
 * WHAT may also be fill: prepare alone, and all of it stays. --calls ends after so many calls,
 * --depth has them work on a chain of so many snapshots (1). A SNAPSHOTTER is named where the
 * socket is containerd's. */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/h2_client.h"
#include "google/protobuf/empty.pb-c.h"
#include "proto/snapshots.pb-c.h"
#include "rpc/client.h"

#define PB(name)      Containerd__Services__Snapshots__V1__##name
#define PB_INIT(name) CONTAINERD__SERVICES__SNAPSHOTS__V1__##name##__INIT
#define TYPE(name)    (&containerd__services__snapshots__v1__##name##__descriptor)

enum method { PREPARE, MOUNTS, STAT, COMMIT, VIEW, REMOVE, LIST, N_METHODS };
static const char *const method_names[N_METHODS] = {"Prepare", "Mounts", "Stat", "Commit",
                                                    "View",    "Remove", "List"};
enum { MAX_SAMPLES = 1 << 20, MAX_CLIENTS = 1024 };

struct samples {
    uint32_t *us;
    size_t n;
};

struct client {
    pthread_t thread;
    struct wcow_rpc_channel *channel; /* with --grpc */
    struct h2_client *h2;             /* without */
    unsigned number;
    struct samples samples[N_METHODS];
    size_t n_ops;
};

static atomic_bool stop;
static atomic_size_t n_calls;
static size_t max_calls = SIZE_MAX;
static unsigned long depth = 1;
static bool by_grpc;
static char *snapshotter;
static const char *what = "cycle";
static char base[32] = "load-base";
static char held[32] = "load-held active";

static uint64_t now_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct wcow_rpc_call_options call_options(void)
{
    static const struct wcow_rpc_header headers[] = {{"containerd-namespace", "default"}};
    return (struct wcow_rpc_call_options){
        .headers = headers, .n_headers = 1, .timeout_ms = 60000, .peer = "the snapshotter"};
}

static void give_up(enum method method, const struct wcow_error *err)
{
    (void)fprintf(stderr, "snapshots-load: %s: %s\n", method_names[method], err->msg);
    exit(1); /* NOLINT(concurrency-mt-unsafe): the measurement is void */
}

static void sample(struct client *c, enum method method, uint64_t begin_us)
{
    struct samples *s = &c->samples[method];
    if (s->n < MAX_SAMPLES)
        s->us[s->n++] = (uint32_t)(now_us() - begin_us);
    c->n_ops++;
    if (atomic_fetch_add(&n_calls, 1) + 1 >= max_calls)
        atomic_store(&stop, true);
}

static void call(struct client *c, enum method method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *reply_type)
{
    const struct wcow_rpc_call_options options = call_options();
    char path[96];
    (void)snprintf(path, sizeof(path), "/containerd.services.snapshots.v1.Snapshots/%s",
                   method_names[method]);
    struct wcow_error err = {0};
    ProtobufCMessage *reply = NULL;
    uint64_t begin = now_us();
    int r = c->h2 ? h2_client_call(c->h2, path, request, &err)
                  : wcow_rpc_unary(c->channel, &options, path, request, reply_type, &reply, &err);
    if (r < 0)
        give_up(method, &err);
    sample(c, method, begin);
    protobuf_c_message_free_unpacked(reply, NULL);
}

/* containerd itself collects what nothing holds, also while we measure. */
static bool needs_root;
static char root_label[] = "containerd.io/gc.root";
static char root_value[] = "1";
#define HOLD(request, entry_type, entry_init)                                                      \
    entry_type entry = entry_init;                                                                 \
    entry_type *entries[] = {&entry};                                                              \
    entry.key = root_label;                                                                        \
    entry.value = root_value;                                                                      \
    if (needs_root) {                                                                              \
        (request).labels = entries;                                                                \
        (request).n_labels = 1;                                                                    \
    }

static void prepare(struct client *c, char *key, char *parent)
{
    PB(PrepareSnapshotRequest) r = PB_INIT(PREPARE_SNAPSHOT_REQUEST);
    r.snapshotter = snapshotter;
    r.key = key;
    r.parent = parent;
    HOLD(r, PB(PrepareSnapshotRequest__LabelsEntry),
         PB_INIT(PREPARE_SNAPSHOT_REQUEST__LABELS_ENTRY))
    call(c, PREPARE, &r.base, TYPE(prepare_snapshot_response));
}

static void commit(struct client *c, char *name, char *key)
{
    PB(CommitSnapshotRequest) r = PB_INIT(COMMIT_SNAPSHOT_REQUEST);
    r.snapshotter = snapshotter;
    r.name = name;
    r.key = key;
    HOLD(r, PB(CommitSnapshotRequest__LabelsEntry), PB_INIT(COMMIT_SNAPSHOT_REQUEST__LABELS_ENTRY))
    call(c, COMMIT, &r.base, &google__protobuf__empty__descriptor);
}

static void remove_one(struct client *c, char *key)
{
    PB(RemoveSnapshotRequest) r = PB_INIT(REMOVE_SNAPSHOT_REQUEST);
    r.snapshotter = snapshotter;
    r.key = key;
    call(c, REMOVE, &r.base, &google__protobuf__empty__descriptor);
}

static void mounts(struct client *c, char *key)
{
    PB(MountsRequest) r = PB_INIT(MOUNTS_REQUEST);
    r.snapshotter = snapshotter;
    r.key = key;
    call(c, MOUNTS, &r.base, TYPE(mounts_response));
}

static void stat_one(struct client *c, char *key)
{
    PB(StatSnapshotRequest) r = PB_INIT(STAT_SNAPSHOT_REQUEST);
    r.snapshotter = snapshotter;
    r.key = key;
    call(c, STAT, &r.base, TYPE(stat_snapshot_response));
}

static void list_by_grpc(struct client *c, const PB(ListSnapshotsRequest) * r)
{
    const struct wcow_rpc_call_options options = call_options();
    WCOW_CLEANUP(wcow_rpc_stream_free_p) struct wcow_rpc_stream *stream = NULL;
    struct wcow_error err = {0};
    uint64_t begin = now_us();
    int e = wcow_rpc_stream_open(c->channel, &options,
                                 "/containerd.services.snapshots.v1.Snapshots/List", &stream, &err);
    if (e == WCOW_OK)
        e = wcow_rpc_stream_send(stream, &r->base, &err);
    if (e == WCOW_OK)
        e = wcow_rpc_stream_close_send(stream, &err);
    ProtobufCMessage *reply = NULL;
    while (e >= 0 &&
           (e = wcow_rpc_stream_recv(stream, TYPE(list_snapshots_response), &reply, &err)) > 0)
        protobuf_c_message_free_unpacked(reply, NULL);
    if (e < 0)
        give_up(LIST, &err);
    sample(c, LIST, begin);
}

static void list(struct client *c)
{
    PB(ListSnapshotsRequest) r = PB_INIT(LIST_SNAPSHOTS_REQUEST);
    r.snapshotter = snapshotter;
    if (c->h2)
        call(c, LIST, &r.base, NULL);
    else
        list_by_grpc(c, &r);
}

static void cycle(struct client *c, unsigned n)
{
    char key[64];
    char name[64];
    char view[64];
    (void)snprintf(key, sizeof(key), "load-%u-%u active", c->number, n);
    (void)snprintf(name, sizeof(name), "load-%u-%u committed", c->number, n);
    (void)snprintf(view, sizeof(view), "load-%u-%u view", c->number, n);
    prepare(c, key, base);
    mounts(c, key);
    stat_one(c, key);
    commit(c, name, key);
    PB(ViewSnapshotRequest) v = PB_INIT(VIEW_SNAPSHOT_REQUEST);
    v.snapshotter = snapshotter;
    v.key = view;
    v.parent = name;
    HOLD(v, PB(ViewSnapshotRequest__LabelsEntry), PB_INIT(VIEW_SNAPSHOT_REQUEST__LABELS_ENTRY))
    call(c, VIEW, &v.base, TYPE(view_snapshot_response));
    remove_one(c, view);
    remove_one(c, name);
}

static void fill(struct client *c, unsigned n)
{
    char key[64];
    (void)snprintf(key, sizeof(key), "load-%u-%u filled", c->number, n);
    prepare(c, key, base);
}

static void *run(void *arg)
{
    struct client *c = arg;
    for (unsigned n = 0; !atomic_load(&stop); n++) {
        if (strcmp(what, "stat") == 0)
            stat_one(c, held);
        else if (strcmp(what, "mounts") == 0)
            mounts(c, held);
        else if (strcmp(what, "list") == 0)
            list(c);
        else if (strcmp(what, "fill") == 0)
            fill(c, n);
        else
            cycle(c, n);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(const struct client *clients, unsigned n, double seconds)
{
    size_t n_ops = 0;
    for (unsigned i = 0; i < n; i++)
        n_ops += clients[i].n_ops;
    (void)printf("what=%s clients=%u ops_per_s=%.0f", what, n, (double)n_ops / seconds);
    uint32_t *all = calloc(n * (size_t)65536 + 1, sizeof(*all));
    for (int m = 0; all && m < N_METHODS; m++) {
        size_t n_all = 0;
        for (unsigned i = 0; i < n; i++) {
            const struct samples *s = &clients[i].samples[m];
            size_t take = s->n < 65536 ? s->n : 65536;
            memcpy(all + n_all, s->us, take * sizeof(*all));
            n_all += take;
        }
        if (n_all == 0)
            continue;
        qsort(all, n_all, sizeof(*all), by_value);
        (void)printf(" %s_p50_us=%u %s_p99_us=%u", method_names[m], all[n_all / 2], method_names[m],
                     all[n_all * 99 / 100]);
    }
    (void)printf("\n");
    free(all);
}

static bool set_up(struct client *c, unsigned number, const char *socket,
                   struct wcow_rpc_channel *channel)
{
    struct wcow_error err = {0};
    c->number = number;
    c->channel = channel;
    if (!channel && h2_client_new(socket, &c->h2, &err) < 0) {
        (void)fprintf(stderr, "snapshots-load: %s\n", err.msg);
        return false;
    }
    for (int m = 0; m < N_METHODS; m++) {
        c->samples[m].us = calloc(MAX_SAMPLES, sizeof(uint32_t));
        if (!c->samples[m].us)
            return false;
    }
    return true;
}

/* A chain of committed snapshots, of which the last is the base. */
static void make_chain(struct client *c)
{
    char key[64];
    char name[64];
    char parent[64] = "";
    for (unsigned long i = 1; i <= depth; i++) {
        (void)snprintf(key, sizeof(key), "%s-%lu active", base, i);
        if (i == depth)
            (void)snprintf(name, sizeof(name), "%s", base);
        else
            (void)snprintf(name, sizeof(name), "%s-%lu", base, i);
        prepare(c, key, parent);
        commit(c, name, key);
        (void)snprintf(parent, sizeof(parent), "%s", name);
    }
    prepare(c, held, base);
}

static void remove_chain(struct client *c)
{
    char name[64];
    remove_one(c, held);
    if (strcmp(what, "fill") == 0)
        return;
    remove_one(c, base);
    for (unsigned long i = depth - 1; i > 0; i--) {
        (void)snprintf(name, sizeof(name), "%s-%lu", base, i);
        remove_one(c, name);
    }
}

static int read_options(int argc, char **argv)
{
    static const struct option options[] = {{"calls", required_argument, NULL, 'c'},
                                            {"depth", required_argument, NULL, 'd'},
                                            {"grpc", no_argument, NULL, 'g'},
                                            {0}};
    int o = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread starts */
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;
        if (o == 'g')
            by_grpc = true;
        else if (n == 0)
            return -1;
        else if (o == 'c')
            max_calls = n;
        else
            depth = n;
    }
    return optind;
}

/* Until the time or the calls are over. */
static void wait_for_end(unsigned seconds)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (uint64_t end = now_us() + seconds * UINT64_C(1000000);
         now_us() < end && !atomic_load(&stop);)
        (void)nanosleep(&pause, NULL);
    atomic_store(&stop, true);
}

int main(int argc, char **argv)
{
    int first = read_options(argc, argv);
    char **args = first < 0 ? argv + argc : argv + first;
    int n_args = (int)(argv + argc - args);
    unsigned n = n_args > 1 ? (unsigned)strtoul(args[1], NULL, 10) : 0;
    unsigned seconds = n_args > 2 ? (unsigned)strtoul(args[2], NULL, 10) : 0;
    if (n == 0 || n > MAX_CLIENTS || seconds == 0) {
        (void)fprintf(
            stderr, "usage: snapshots-load [--grpc] [--calls N] [--depth N] SOCKET CLIENTS SECONDS "
                    "[cycle|stat|mounts|list|fill [SNAPSHOTTER]]\n");
        return 2;
    }
    static char default_name[] = "wcow";
    if (n_args > 3)
        what = args[3];
    if (strcmp(what, "fill") == 0) { /* which stays, and must not be in the way of the next */
        (void)snprintf(base, sizeof(base), "filled-base");
        (void)snprintf(held, sizeof(held), "filled-held");
    }
    snapshotter = n_args > 4 ? args[4] : default_name;
    needs_root = n_args > 4;
    struct wcow_error err = {0};
    struct wcow_rpc_channel *channel = NULL;
    struct client *clients = calloc(n + 1, sizeof(*clients));
    if (!clients || (by_grpc && wcow_rpc_channel_new(args[0], &channel, &err) < 0)) {
        (void)fprintf(stderr, "snapshots-load: %s\n", err.msg);
        return 1;
    }
    for (unsigned i = 0; i <= n; i++) {
        if (!set_up(&clients[i], i, args[0], channel))
            return 1;
    }
    make_chain(&clients[n]);
    atomic_store(&n_calls, 0);
    atomic_store(&stop, false);
    uint64_t begin = now_us();
    for (unsigned i = 0; i < n; i++)
        (void)pthread_create(&clients[i].thread, NULL, run, &clients[i]);
    wait_for_end(seconds);
    for (unsigned i = 0; i < n; i++)
        (void)pthread_join(clients[i].thread, NULL);
    report(clients, n, (double)(now_us() - begin) / 1e6);
    remove_chain(&clients[n]);
    for (unsigned i = 0; i <= n; i++)
        h2_client_free(clients[i].h2);
    wcow_rpc_channel_free(channel);
    return 0;
}
