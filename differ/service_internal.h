/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by service.c, service_apply.c and service_diff.c. */
#ifndef WCOW_DIFFER_SERVICE_INTERNAL_H
#define WCOW_DIFFER_SERVICE_INTERNAL_H

#include <pthread.h>

#include "differ/codec.h"
#include "differ/compare.h"
#include "differ/gate.h"
#include "differ/mounts.h"
#include "differ/service.h"
#include "proto/diff.pb-c.h"
#include "store/layer_index.h"

#define WCOW_MEDIA_TAR  "application/vnd.oci.image.layer.v1.tar"
#define WCOW_MEDIA_GZIP WCOW_MEDIA_TAR "+gzip"
#define WCOW_MEDIA_ZSTD WCOW_MEDIA_TAR "+zstd"

/** Memory of calls at once, in pieces of about 10 MB: four Applies, or a Diff (which uses all cores
 *  by itself) and an Apply. See docs/differ.md. */
enum { WCOW_DIFFER_ROOM = 4, WCOW_DIFFER_APPLY_WEIGHT = 1, WCOW_DIFFER_DIFF_WEIGHT = 3 };

struct wcow_differ_sweeper;

struct wcow_differ_service {
    struct wcow_differ_options options;
    struct wcow_differ_sweeper *sweeper;
    struct wcow_gate gate;
    pthread_mutex_t lock;
    char *content_root; /* under the lock; once known it stays */
    bool asked;         /* containerd was asked for it */
};

/** Borrowed mounts of a request: the strings are the request's; free `items` only. */
WCOW_NODISCARD int wcow_differ_take_mounts(Containerd__Types__Mount **from, size_t n,
                                           struct wcow_mounts *ret, struct wcow_error *err);
/** The call's namespace: its header, else that of the folder. "" where it is unknown; caller frees.
 */
WCOW_NODISCARD int wcow_differ_namespace(struct wcow_differ_service *s,
                                         const struct wcow_rpc_call *call, const char *folder,
                                         char **ret, struct wcow_error *err);
/** The folder of the content store or NULL; lives as long as the service. */
const char *wcow_differ_content_root(struct wcow_differ_service *s,
                                     const struct wcow_containerd_ctx *ctx);

/** A thread that takes away what a killed wcowd left in containerd, once containerd answers; it
 * ends by itself when nothing is left. @param service borrowed */
WCOW_NODISCARD int wcow_differ_sweeper_new(const struct wcow_differ_service *service,
                                           struct wcow_differ_sweeper **ret,
                                           struct wcow_error *err);
void wcow_differ_sweeper_free(struct wcow_differ_sweeper *sweeper);

/** Whether the folder can leave as the blob it was unpacked from: compressed as asked, still in the
 *  caller's namespace, and the folder unchanged. The blob is then held by the context's lease.
 *  @return 1 with both filled, 0, or what is wrong with the folder */
WCOW_NODISCARD int wcow_differ_reuse(const struct wcow_containerd_ctx *ctx,
                                     const struct wcow_compare_options *o,
                                     enum wcow_compression compression,
                                     struct wcow_layer_origin *ret, struct wcow_digest *ret_diff_id,
                                     struct wcow_error *err);

void wcow_differ_handle_apply(struct wcow_rpc_call *call, void *service);
void wcow_differ_handle_diff(struct wcow_rpc_call *call, void *service);

#endif
