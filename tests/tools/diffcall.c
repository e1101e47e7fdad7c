/* SPDX-License-Identifier: Apache-2.0 */
/* One Diff call as ctr cannot make it:
 *
 *   diffcall SOCKET NAMESPACE LOWER UPPER PARENT EPOCH [LABEL=VALUE...]
 *
 * LOWER and UPPER are layer folders (LOWER "" for none), PARENT the folder of UPPER's only parent
 * ("" for none); EPOCH seconds or "". The blob is a plain tar. Prints its digest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/diff.pb-c.h"
#include "rpc/client.h"

enum { MAX_LABELS = 8 };

typedef Containerd__Services__Diff__V1__DiffRequest diff_request;
typedef Containerd__Services__Diff__V1__DiffRequest__LabelsEntry label_entry;

static char windows_layer[] = "windows-layer";
static char read_write[] = "rw";
static char read_only[] = "ro";

static void set_mount(Containerd__Types__Mount *m, char *source, const char *parent, char *mode,
                      char *options[2], char option[512])
{
    (void)snprintf(option, 512, "parentLayerPaths=[\"%s\"]", parent);
    options[0] = mode;
    options[1] = option;
    *m = (Containerd__Types__Mount)CONTAINERD__TYPES__MOUNT__INIT;
    m->type = windows_layer;
    m->source = source;
    m->options = options;
    m->n_options = *parent ? 2 : 1;
}

static int call(const char *socket, const char *ns, diff_request *q)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_rpc_channel_free_p) struct wcow_rpc_channel *channel = NULL;
    int r = wcow_rpc_channel_new(socket, &channel, &err);
    const struct wcow_rpc_header header = {.key = "containerd-namespace", .value = ns};
    struct wcow_rpc_call_options options = {.headers = &header, .n_headers = 1};
    ProtobufCMessage *message = NULL;
    if (r == WCOW_OK)
        r = wcow_rpc_unary(channel, &options, "/containerd.services.diff.v1.Diff/Diff", &q->base,
                           &containerd__services__diff__v1__diff_response__descriptor, &message,
                           &err);
    if (r != WCOW_OK || !message) {
        (void)fprintf(stderr, "diffcall: %s (code %d)\n", err.msg, r);
        return 1;
    }
    const Containerd__Services__Diff__V1__DiffResponse *reply = (const void *)message;
    int printed = puts(reply->diff->digest);
    protobuf_c_message_free_unpacked(message, NULL);
    return printed < 0;
}

int main(int argc, char **argv)
{
    if (argc < 7 || argc > 7 + MAX_LABELS) {
        (void)fputs("diffcall SOCKET NAMESPACE LOWER UPPER PARENT EPOCH [LABEL=VALUE...]\n",
                    stderr);
        return 2;
    }
    Containerd__Types__Mount mounts[2];
    char *options[2][2];
    char option[2][512];
    /* A read-only view of the lower layer: its parent is the layer itself. */
    set_mount(&mounts[0], argv[3], argv[3], read_only, options[0], option[0]);
    set_mount(&mounts[1], argv[4], argv[5], read_write, options[1], option[1]);
    Containerd__Types__Mount *left[] = {&mounts[0]};
    Containerd__Types__Mount *right[] = {&mounts[1]};
    Google__Protobuf__Timestamp epoch = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    epoch.seconds = strtoll(argv[6], NULL, 10);
    label_entry labels[MAX_LABELS];
    label_entry *label_list[MAX_LABELS];
    size_t n = 0;
    for (int i = 7; i < argc; i++, n++) {
        char *equals = strchr(argv[i], '=');
        labels[n] = (label_entry)CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__LABELS_ENTRY__INIT;
        labels[n].key = argv[i];
        if (equals) {
            *equals = '\0';
            labels[n].value = equals + 1;
        }
        label_list[n] = &labels[n];
    }
    static char media_type[] = "application/vnd.oci.image.layer.v1.tar";
    diff_request q = CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
    q.left = left;
    q.n_left = 1;
    q.right = right;
    q.n_right = 1;
    q.media_type = media_type;
    q.source_date_epoch = *argv[6] ? &epoch : NULL;
    q.labels = label_list;
    q.n_labels = n;
    return call(argv[1], argv[2], &q);
}
