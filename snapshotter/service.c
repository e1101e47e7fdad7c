/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/service.h"

#include <string.h>

#include "google/protobuf/empty.pb-c.h"
#include "proto/snapshots.pb-c.h"

/* The generated names, shorter. */
#define PB(name)      Containerd__Services__Snapshots__V1__##name
#define PB_INIT(name) CONTAINERD__SERVICES__SNAPSHOTS__V1__##name##__INIT

enum { INFOS_A_MESSAGE = 100, QUICK_FILTERS = 8, QUICK_FILTER_BYTES = 1024 };

/* protobuf-c has no const strings in messages to be packed. */
static char *writable(const char *s)
{
    char *p = NULL;
    memcpy(&p, &s, sizeof(p));
    return p;
}

static void finish_empty(void *arg, int code, const struct wcow_error *err)
{
    static const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    wcow_rpc_call_finish(arg, code < 0 ? NULL : &empty.base, code, err);
}

static void finish_no_memory(struct wcow_rpc_call *call)
{
    struct wcow_error err = {0};
    int code = WCOW_FAIL(&err, WCOW_E_NOMEM, "out of memory for a reply");
    wcow_rpc_call_finish(call, NULL, code, &err);
}

/* A map field's entries are of a type of their own in each message, but all look alike. */
#define DEFINE_LABELS_OF(fn, entry_type)                                                           \
    static bool fn(struct wcow_rpc_call *call, entry_type **entries, size_t n,                     \
                   struct wcow_store_labels *ret)                                                  \
    {                                                                                              \
        struct wcow_store_label *items = wcow_rpc_call_alloc(call, (n + 1) * sizeof(*items));      \
        if (!items)                                                                                \
            return false;                                                                          \
        for (size_t i = 0; i < n; i++)                                                             \
            items[i] =                                                                             \
                (struct wcow_store_label){.key = entries[i]->key, .value = entries[i]->value};     \
        *ret = (struct wcow_store_labels){.items = items, .n = n};                                 \
        return true;                                                                               \
    }
DEFINE_LABELS_OF(prepare_labels, PB(PrepareSnapshotRequest__LabelsEntry))
DEFINE_LABELS_OF(view_labels, PB(ViewSnapshotRequest__LabelsEntry))
DEFINE_LABELS_OF(commit_labels, PB(CommitSnapshotRequest__LabelsEntry))
DEFINE_LABELS_OF(info_labels, PB(Info__LabelsEntry))

/* ---- Prepare, View, Mounts ---- */

/* Borrows the mount's strings: they are packed before the mount goes. */
struct mount_reply {
    Containerd__Types__Mount mount;
    Containerd__Types__Mount *list[1];
    char *options[WCOW_LAYER_MOUNT_OPTIONS];
};

static void fill_mount(struct mount_reply *r, const struct wcow_layer_mount *mount)
{
    containerd__types__mount__init(&r->mount);
    r->mount.type = writable(mount->type);
    r->mount.source = mount->source;
    for (size_t i = 0; i < mount->n_options; i++)
        r->options[i] = mount->options[i];
    r->mount.options = r->options;
    r->mount.n_options = mount->n_options;
    r->list[0] = &r->mount;
}

#define DEFINE_FINISH_MOUNT(fn, reply_type, reply_init)                                            \
    static void fn(void *arg, int code, const struct wcow_error *err,                              \
                   const struct wcow_layer_mount *mount)                                           \
    {                                                                                              \
        if (code < 0) {                                                                            \
            wcow_rpc_call_finish(arg, NULL, code, err);                                            \
            return;                                                                                \
        }                                                                                          \
        struct mount_reply filled;                                                                 \
        fill_mount(&filled, mount);                                                                \
        reply_type reply = reply_init;                                                             \
        reply.mounts = filled.list;                                                                \
        reply.n_mounts = 1;                                                                        \
        wcow_rpc_call_finish(arg, &reply.base, WCOW_OK, NULL);                                     \
    }
DEFINE_FINISH_MOUNT(finish_prepare, PB(PrepareSnapshotResponse), PB_INIT(PREPARE_SNAPSHOT_RESPONSE))
DEFINE_FINISH_MOUNT(finish_view, PB(ViewSnapshotResponse), PB_INIT(VIEW_SNAPSHOT_RESPONSE))
DEFINE_FINISH_MOUNT(finish_mounts, PB(MountsResponse), PB_INIT(MOUNTS_RESPONSE))

static void handle_prepare(struct wcow_rpc_call *call, void *ctx)
{
    const PB(PrepareSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    struct wcow_create_request create = {.key = request->key, .parent = request->parent};
    if (!prepare_labels(call, request->labels, request->n_labels, &create.labels))
        finish_no_memory(call);
    else
        wcow_snapshotter_prepare(ctx, &create, finish_prepare, call);
}

static void handle_view(struct wcow_rpc_call *call, void *ctx)
{
    const PB(ViewSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    struct wcow_create_request create = {.key = request->key, .parent = request->parent};
    if (!view_labels(call, request->labels, request->n_labels, &create.labels))
        finish_no_memory(call);
    else
        wcow_snapshotter_view(ctx, &create, finish_view, call);
}

static void handle_mounts(struct wcow_rpc_call *call, void *ctx)
{
    const PB(MountsRequest) *request = (const void *)wcow_rpc_call_request(call);
    wcow_automount mount = {0};
    struct wcow_error err = {0};
    int code = wcow_snapshotter_mounts(ctx, request->key, &mount, &err);
    finish_mounts(call, code, &err, &mount);
}

/* ---- Commit, Remove, Cleanup ---- */

/* False where it would block, and may not. */
static bool commit(struct wcow_rpc_call *call, void *ctx, bool may_block)
{
    const PB(CommitSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    struct wcow_commit_request what = {
        .key = request->key, .name = request->name, .parent = request->parent};
    if (commit_labels(call, request->labels, request->n_labels, &what.labels))
        return wcow_snapshotter_commit(ctx, &what, may_block, finish_empty, call);
    finish_no_memory(call);
    return true;
}

static void commit_slowly(struct wcow_rpc_call *call, void *ctx)
{
    (void)commit(call, ctx, true);
}

static void handle_commit(struct wcow_rpc_call *call, void *ctx)
{
    if (!commit(call, ctx, false))
        wcow_rpc_call_go_on(call, commit_slowly);
}

static void handle_remove(struct wcow_rpc_call *call, void *ctx)
{
    const PB(RemoveSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    wcow_snapshotter_remove(ctx, request->key, finish_empty, call);
}

static void handle_cleanup(struct wcow_rpc_call *call, void *ctx)
{
    struct wcow_cleanup *cleanup = wcow_rpc_call_alloc(call, sizeof(*cleanup));
    if (!cleanup) {
        finish_no_memory(call);
        return;
    }
    *cleanup = (struct wcow_cleanup){
        .cancelled = wcow_rpc_call_cancelled(call), .done = finish_empty, .arg = call};
    wcow_snapshotter_cleanup(ctx, cleanup);
}

/* ---- Stat, Update, List ---- */

static void fill_time(Google__Protobuf__Timestamp *time, int64_t ns)
{
    google__protobuf__timestamp__init(time);
    time->seconds = ns / 1000000000;
    time->nanos = (int32_t)(ns % 1000000000);
}

struct info_reply {
    PB(Info) info;
    Google__Protobuf__Timestamp created;
    Google__Protobuf__Timestamp updated;
    PB(Info__LabelsEntry) * entries;
    PB(Info__LabelsEntry) * *list;
};

static void info_done(struct info_reply *r)
{
    free(r->entries);
    free(r->list);
}

/* Borrows the row's strings. */
static bool fill_info(struct info_reply *r, const struct wcow_row *row)
{
    containerd__services__snapshots__v1__info__init(&r->info);
    r->entries = calloc(row->n_labels + 1, sizeof(*r->entries));
    r->list = calloc(row->n_labels + 1, sizeof(PB(Info__LabelsEntry) *));
    if (!r->entries || !r->list)
        return false;
    for (size_t i = 0; i < row->n_labels; i++) {
        containerd__services__snapshots__v1__info__labels_entry__init(&r->entries[i]);
        r->entries[i].key = writable(row->labels[i].key);
        r->entries[i].value = writable(row->labels[i].value);
        r->list[i] = &r->entries[i];
    }
    fill_time(&r->created, row->created_ns);
    fill_time(&r->updated, row->updated_ns);
    r->info.name = row->key;
    r->info.parent = row->parent;
    r->info.kind = (PB(Kind))row->kind;
    r->info.created_at = &r->created;
    r->info.updated_at = &r->updated;
    r->info.labels = r->list;
    r->info.n_labels = row->n_labels;
    return true;
}

static void handle_stat(struct wcow_rpc_call *call, void *ctx)
{
    const PB(StatSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    wcow_autorow row = {0};
    struct wcow_error err = {0};
    int code = wcow_snapshotter_stat(ctx, request->key, &row, &err);
    if (code < 0) {
        wcow_rpc_call_finish(call, NULL, code, &err);
        return;
    }
    WCOW_CLEANUP(info_done) struct info_reply info = {0};
    PB(StatSnapshotResponse) reply = PB_INIT(STAT_SNAPSHOT_RESPONSE);
    reply.info = &info.info;
    if (!fill_info(&info, &row))
        finish_no_memory(call);
    else
        wcow_rpc_call_finish(call, &reply.base, WCOW_OK, NULL);
}

static void finish_update(void *arg, int code, const struct wcow_error *err,
                          const struct wcow_row *row)
{
    if (code < 0) {
        wcow_rpc_call_finish(arg, NULL, code, err);
        return;
    }
    WCOW_CLEANUP(info_done) struct info_reply info = {0};
    PB(UpdateSnapshotResponse) reply = PB_INIT(UPDATE_SNAPSHOT_RESPONSE);
    reply.info = &info.info;
    if (!fill_info(&info, row))
        finish_no_memory(arg);
    else
        wcow_rpc_call_finish(arg, &reply.base, WCOW_OK, NULL);
}

static void handle_update(struct wcow_rpc_call *call, void *ctx)
{
    const PB(UpdateSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    struct wcow_update_request update = {.key = ""};
    bool ok = true;
    if (request->info) {
        update.key = request->info->name;
        ok = info_labels(call, request->info->labels, request->info->n_labels, &update.labels);
    }
    if (request->update_mask) {
        update.paths = (const char *const *)request->update_mask->paths;
        update.n_paths = request->update_mask->n_paths;
    }
    if (!ok)
        finish_no_memory(call);
    else
        wcow_snapshotter_update(ctx, &update, finish_update, call);
}

/* Rows gathered into one message of the stream. */
struct list {
    struct wcow_rpc_call *call;
    struct info_reply infos[INFOS_A_MESSAGE];
    PB(Info) * pointers[INFOS_A_MESSAGE];
    struct wcow_row rows[INFOS_A_MESSAGE];
    size_t n;
};

static void list_clear(struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        info_done(&list->infos[i]);
        wcow_row_done(&list->rows[i]);
    }
    list->n = 0;
}

static int list_send(struct list *list, struct wcow_error *err)
{
    PB(ListSnapshotsResponse) message = PB_INIT(LIST_SNAPSHOTS_RESPONSE);
    message.info = list->pointers;
    message.n_info = list->n;
    int r = list->n ? wcow_rpc_call_send(list->call, &message.base, err) : WCOW_OK;
    list_clear(list);
    return r;
}

static int list_add(void *arg, struct wcow_row *row, struct wcow_error *err)
{
    struct list *list = arg;
    struct info_reply *info = &list->infos[list->n];
    *info = (struct info_reply){0};
    list->rows[list->n] = *row;
    *row = (struct wcow_row){0};
    list->pointers[list->n] = &info->info;
    if (!fill_info(info, &list->rows[list->n++]))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a list");
    return list->n == INFOS_A_MESSAGE ? list_send(list, err) : WCOW_OK;
}

/* @return 0 where there are too many to list without blocking: nothing was said yet */
static int list(struct wcow_rpc_call *call, void *ctx, size_t max_rows)
{
    const PB(ListSnapshotsRequest) *request = (const void *)wcow_rpc_call_request(call);
    struct wcow_error err = {0};
    struct list *list = calloc(1, sizeof(*list));
    if (!list) {
        finish_no_memory(call);
        return 1;
    }
    list->call = call;
    const struct wcow_walk walk = {.filters = (const char *const *)request->filters,
                                   .n_filters = request->n_filters,
                                   .max_rows = max_rows,
                                   .cancelled = wcow_rpc_call_cancelled(call)};
    int r = wcow_snapshotter_walk(ctx, &walk, list_add, list, &err);
    int code = r > 0 ? list_send(list, &err) : r;
    list_clear(list);
    free(list);
    if (r != 0)
        wcow_rpc_call_finish(call, NULL, code, &err);
    return r != 0;
}

static void list_all(struct wcow_rpc_call *call, void *ctx)
{
    (void)list(call, ctx, 0);
}

/* Expressions, and filters that are many or long, take their time over each row. */
static bool is_quick(const PB(ListSnapshotsRequest) * request)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < request->n_filters && i <= QUICK_FILTERS; i++) {
        n_bytes += strlen(request->filters[i]);
        if (n_bytes > QUICK_FILTER_BYTES || strstr(request->filters[i], "~="))
            return false;
    }
    return request->n_filters <= QUICK_FILTERS;
}

/* What is quick and fits into one message is listed at once. */
static void handle_list(struct wcow_rpc_call *call, void *ctx)
{
    if (!is_quick((const void *)wcow_rpc_call_request(call)) ||
        !list(call, ctx, INFOS_A_MESSAGE - 1))
        wcow_rpc_call_go_on(call, list_all);
}

static void handle_usage(struct wcow_rpc_call *call, void *ctx)
{
    const PB(UsageRequest) *request = (const void *)wcow_rpc_call_request(call);
    uint64_t size_bytes = 0;
    uint64_t inodes = 0;
    struct wcow_error err = {0};
    int code = wcow_snapshotter_usage(ctx, request->key, &size_bytes, &inodes, &err);
    PB(UsageResponse) reply = PB_INIT(USAGE_RESPONSE);
    reply.size = (int64_t)size_bytes;
    reply.inodes = (int64_t)inodes;
    wcow_rpc_call_finish(call, code < 0 ? NULL : &reply.base, code, &err);
}

void wcow_snapshotter_methods(struct wcow_snapshotter *s,
                              struct wcow_rpc_method ret[WCOW_SNAPSHOTTER_METHODS])
{
#define PATH(name)  "/containerd.services.snapshots.v1.Snapshots/" name
#define TYPE(lower) &containerd__services__snapshots__v1__##lower##__descriptor
    const struct wcow_rpc_method methods[WCOW_SNAPSHOTTER_METHODS] = {
        {PATH("Prepare"), TYPE(prepare_snapshot_request), WCOW_RPC_INLINE, handle_prepare, s},
        {PATH("View"), TYPE(view_snapshot_request), WCOW_RPC_INLINE, handle_view, s},
        {PATH("Mounts"), TYPE(mounts_request), WCOW_RPC_INLINE, handle_mounts, s},
        {PATH("Commit"), TYPE(commit_snapshot_request), WCOW_RPC_INLINE, handle_commit, s},
        {PATH("Remove"), TYPE(remove_snapshot_request), WCOW_RPC_INLINE, handle_remove, s},
        {PATH("Stat"), TYPE(stat_snapshot_request), WCOW_RPC_INLINE, handle_stat, s},
        {PATH("Update"), TYPE(update_snapshot_request), WCOW_RPC_INLINE, handle_update, s},
        {PATH("List"), TYPE(list_snapshots_request), WCOW_RPC_INLINE, handle_list, s},
        {PATH("Usage"), TYPE(usage_request), WCOW_RPC_WORKER, handle_usage, s},
        {PATH("Cleanup"), TYPE(cleanup_request), WCOW_RPC_WORKER, handle_cleanup, s},
    };
    memcpy(ret, methods, sizeof(methods));
}
