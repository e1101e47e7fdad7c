/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/internal.h"

#include <string.h>

#include "google/protobuf/empty.pb-c.h"
#include "proto/snapshots.pb-c.h"

typedef Containerd__Services__Snapshots__V1__Info__LabelsEntry labels_entry;
_Static_assert(sizeof(labels_entry) == sizeof(struct wcow_map_entry) &&
                   offsetof(labels_entry, key) == offsetof(struct wcow_map_entry, key) &&
                   offsetof(labels_entry, value) == offsetof(struct wcow_map_entry, value),
               "protobuf-c lays out map entries otherwise");

void wcow_call_setup(const struct wcow_containerd_ctx *ctx, struct wcow_call_setup *ret)
{
    *ret = (struct wcow_call_setup){
        .options = {.timeout_ms = ctx->timeout_ms, .cancel = ctx->cancel, .peer = "containerd"}};
    size_t n = 0;
    if (ctx->ns)
        ret->headers[n++] = (struct wcow_rpc_header){"containerd-namespace", ctx->ns};
    if (ctx->lease)
        ret->headers[n++] = (struct wcow_rpc_header){"containerd-lease", ctx->lease};
    ret->options.headers = ret->headers;
    ret->options.n_headers = n;
}

int wcow_containerd_call(const struct wcow_containerd_ctx *ctx, const char *method,
                         const ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **ret_reply,
                         struct wcow_error *err)
{
    struct wcow_call_setup setup;
    wcow_call_setup(ctx, &setup);
    wcow_automessage *reply = NULL;
    int r = wcow_rpc_unary(ctx->client->channel, &setup.options, method, request, reply_type,
                           &reply, err);
    if (r == WCOW_OK && ret_reply)
        *ret_reply = WCOW_TAKE_PTR(reply);
    return r;
}

int wcow_containerd_order(const struct wcow_containerd_ctx *ctx, const char *method,
                          const ProtobufCMessage *request, struct wcow_error *err)
{
    return wcow_containerd_call(ctx, method, request, &google__protobuf__empty__descriptor, NULL,
                                err);
}

int wcow_containerd_delete(const struct wcow_containerd_ctx *ctx, const char *method,
                           const ProtobufCMessage *request, struct wcow_error *err)
{
    struct wcow_error why = {0};
    int r = wcow_containerd_order(ctx, method, request, &why);
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_OK;
    if (r < 0 && err)
        *err = why;
    return r;
}

int wcow_copy(const char *s, char **ret, struct wcow_error *err)
{
    char *copy = strdup(s);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a string of %zu bytes", strlen(s));
    *ret = copy;
    return WCOW_OK;
}

int wcow_map_of(const struct wcow_labels *labels, const ProtobufCMessageDescriptor *entry_type,
                struct wcow_map *ret, struct wcow_error *err)
{
    struct wcow_map map = {0};
    if (labels && labels->n > 0) {
        map.n = labels->n;
        map.entries = calloc(map.n, sizeof(*map.entries));
        map.items = calloc(map.n, sizeof(struct wcow_map_entry *));
        if (!map.entries || !map.items) {
            wcow_map_done(&map);
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu labels", labels->n);
        }
    }
    for (size_t i = 0; i < map.n; i++) {
        map.entries[i] = (struct wcow_map_entry){.base = PROTOBUF_C_MESSAGE_INIT(entry_type),
                                                 .key = labels->items[i].key,
                                                 .value = labels->items[i].value};
        map.items[i] = &map.entries[i];
    }
    *ret = map;
    return WCOW_OK;
}

void wcow_map_done(struct wcow_map *map)
{
    free(map->entries);
    free((void *)map->items);
    *map = (struct wcow_map){0};
}

int wcow_labels_of(const void *items, size_t n, struct wcow_labels *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels labels = {0};
    struct wcow_map_entry *const *entries = items;
    for (size_t i = 0; i < n; i++) {
        int r = wcow_labels_set(&labels, entries[i]->key, entries[i]->value, err);
        if (r < 0)
            return r;
    }
    *ret = labels;
    labels = (struct wcow_labels){0};
    return WCOW_OK;
}
