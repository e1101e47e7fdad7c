/* SPDX-License-Identifier: Apache-2.0 */
/* Apply and Diff with any mounts, straight to wcowd, as containerd's diff service would hand them
 * on:
 *
 *   mountcall SOCKET NAMESPACE apply MEDIA-TYPE DIGEST SIZE MOUNT...
 *   mountcall SOCKET NAMESPACE diff MEDIA-TYPE REF LOWER... -- UPPER...
 *
 * A mount is TYPE|SOURCE|OPTION|OPTION...; prints the digest of the reply, or the gRPC status and
 * its message. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/diff.pb-c.h"
#include "rpc/client.h"
#include "rpc/status.h"

enum { MAX_MOUNTS = 4, MAX_OPTIONS = 8, FIRST_MOUNT_OF_DIFF = 6, FIRST_MOUNT_OF_APPLY = 7 };

/* The mounts of one side; they point into the arguments, which are cut up for that. */
struct side {
    Containerd__Types__Mount mounts[MAX_MOUNTS];
    Containerd__Types__Mount *list[MAX_MOUNTS];
    char *options[MAX_MOUNTS][MAX_OPTIONS];
    size_t n;
};

static char *next_part(char **text)
{
    char *part = *text;
    char *bar = part ? strchr(part, '|') : NULL;
    if (bar)
        *bar = '\0';
    *text = bar ? bar + 1 : NULL;
    return part;
}

static void add_mount(struct side *side, char *text)
{
    if (side->n == MAX_MOUNTS)
        return;
    Containerd__Types__Mount *m = &side->mounts[side->n];
    *m = (Containerd__Types__Mount)CONTAINERD__TYPES__MOUNT__INIT;
    char *type = next_part(&text);
    char *source = next_part(&text);
    if (type)
        m->type = type;
    if (source)
        m->source = source;
    m->options = side->options[side->n];
    while (text && m->n_options < MAX_OPTIONS)
        m->options[m->n_options++] = next_part(&text);
    side->list[side->n++] = m;
}

static const char *status_name(int code)
{
    static const char *const names[] = {
        "OK",        "CANCELLED",      "UNKNOWN",       "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS", "DENIED",        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED", "INTERNAL",           "UNAVAILABLE"};
    int status = wcow_rpc_status_of_code(code);
    bool known = status >= 0 && (size_t)status < sizeof(names) / sizeof(names[0]);
    return known ? names[status] : "?";
}

/* Borrowed: what a call takes and gives. */
struct target {
    const char *socket;
    const char *ns;
    const char *method;
    const ProtobufCMessageDescriptor *reply;
};

static int call(const struct target *t, const ProtobufCMessage *request, ProtobufCMessage **ret)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_rpc_channel_free_p) struct wcow_rpc_channel *channel = NULL;
    int r = wcow_rpc_channel_new(t->socket, &channel, &err);
    const struct wcow_rpc_header header = {.key = "containerd-namespace", .value = t->ns};
    struct wcow_rpc_call_options options = {.headers = &header, .n_headers = 1};
    if (r == WCOW_OK)
        r = wcow_rpc_unary(channel, &options, t->method, request, t->reply, ret, &err);
    if (r != WCOW_OK)
        (void)printf("%s: %s\n", status_name(r), err.msg);
    return r;
}

static int apply(struct target *t, int argc, char **argv)
{
    struct side side = {0};
    for (int i = FIRST_MOUNT_OF_APPLY; i < argc; i++)
        add_mount(&side, argv[i]);
    Containerd__Types__Descriptor blob = CONTAINERD__TYPES__DESCRIPTOR__INIT;
    blob.media_type = argv[4];
    blob.digest = argv[5];
    blob.size = strtoll(argv[6], NULL, 10);
    Containerd__Services__Diff__V1__ApplyRequest q =
        CONTAINERD__SERVICES__DIFF__V1__APPLY_REQUEST__INIT;
    q.diff = &blob;
    q.mounts = side.list;
    q.n_mounts = side.n;
    t->method = "/containerd.services.diff.v1.Diff/Apply";
    t->reply = &containerd__services__diff__v1__apply_response__descriptor;
    ProtobufCMessage *reply = NULL;
    if (call(t, &q.base, &reply) != WCOW_OK || !reply)
        return 1;
    (void)puts(((const Containerd__Services__Diff__V1__ApplyResponse *)reply)->applied->digest);
    protobuf_c_message_free_unpacked(reply, NULL);
    return 0;
}

static int diff(struct target *t, int argc, char **argv)
{
    struct side sides[2] = {0};
    int upper = 0;
    for (int i = FIRST_MOUNT_OF_DIFF; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            upper = 1;
        else
            add_mount(&sides[upper], argv[i]);
    }
    Containerd__Services__Diff__V1__DiffRequest q =
        CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
    q.media_type = argv[4];
    q.ref = argv[5];
    q.left = sides[0].list;
    q.n_left = sides[0].n;
    q.right = sides[1].list;
    q.n_right = sides[1].n;
    t->method = "/containerd.services.diff.v1.Diff/Diff";
    t->reply = &containerd__services__diff__v1__diff_response__descriptor;
    ProtobufCMessage *reply = NULL;
    if (call(t, &q.base, &reply) != WCOW_OK || !reply)
        return 1;
    (void)puts(((const Containerd__Services__Diff__V1__DiffResponse *)reply)->diff->digest);
    protobuf_c_message_free_unpacked(reply, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    bool is_apply = argc >= FIRST_MOUNT_OF_APPLY && strcmp(argv[3], "apply") == 0;
    bool is_diff = argc >= FIRST_MOUNT_OF_DIFF && strcmp(argv[3], "diff") == 0;
    if (!is_apply && !is_diff) {
        (void)fputs("mountcall SOCKET NAMESPACE apply MEDIA-TYPE DIGEST SIZE MOUNT...\n"
                    "mountcall SOCKET NAMESPACE diff MEDIA-TYPE REF LOWER... -- UPPER...\n",
                    stderr);
        return 2;
    }
    struct target t = {.socket = argv[1], .ns = argv[2]};
    return is_apply ? apply(&t, argc, argv) : diff(&t, argc, argv);
}
