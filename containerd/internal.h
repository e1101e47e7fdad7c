/* SPDX-License-Identifier: Apache-2.0 */
/** @file internal.h
 *  Inside containerd/: what the typed clients share. */
#ifndef WCOW_CONTAINERD_INTERNAL_H
#define WCOW_CONTAINERD_INTERNAL_H

#include "containerd/client.h"
#include "rpc/client.h"

struct wcow_containerd {
    struct wcow_rpc_channel *channel;
};

/** A context as headers of a call; keep it while the call begins. */
struct wcow_call_setup {
    struct wcow_rpc_header headers[2];
    struct wcow_rpc_call_options options;
};
void wcow_call_setup(const struct wcow_containerd_ctx *ctx, struct wcow_call_setup *ret);

/** One call. @param ret_reply NULL: the reply is of no interest */
WCOW_NODISCARD int wcow_containerd_call(const struct wcow_containerd_ctx *ctx, const char *method,
                                        const ProtobufCMessage *request,
                                        const ProtobufCMessageDescriptor *reply_type,
                                        ProtobufCMessage **ret_reply, struct wcow_error *err);
/** The same where the reply is google.protobuf.Empty. */
WCOW_NODISCARD int wcow_containerd_order(const struct wcow_containerd_ctx *ctx, const char *method,
                                         const ProtobufCMessage *request, struct wcow_error *err);
/** That, to delete something: absent is fine. */
WCOW_NODISCARD int wcow_containerd_delete(const struct wcow_containerd_ctx *ctx, const char *method,
                                          const ProtobufCMessage *request, struct wcow_error *err);

static inline void wcow_message_freep_(ProtobufCMessage **message)
{
    protobuf_c_message_free_unpacked(*message, NULL);
    *message = NULL;
}
#define wcow_automessage WCOW_CLEANUP(wcow_message_freep_) ProtobufCMessage

/** Every map<string, string> of the protocol has this shape, whatever its generated type's name. */
struct wcow_map_entry {
    ProtobufCMessage base;
    char *key;
    char *value;
};
/** Labels as the entries of a map field. `items` goes into the request (cast to its type), and
 *  points into the labels. */
struct wcow_map {
    struct wcow_map_entry *entries;
    struct wcow_map_entry **items;
    size_t n;
};
WCOW_NODISCARD int wcow_map_of(const struct wcow_labels *labels,
                               const ProtobufCMessageDescriptor *entry_type, struct wcow_map *ret,
                               struct wcow_error *err);
void wcow_map_done(struct wcow_map *map);
/** The other way: a copy. @param items the map field's array */
WCOW_NODISCARD int wcow_labels_of(const void *items, size_t n, struct wcow_labels *ret,
                                  struct wcow_error *err);
/** strdup() with an error. */
WCOW_NODISCARD int wcow_copy(const char *s, char **ret, struct wcow_error *err);

#endif
