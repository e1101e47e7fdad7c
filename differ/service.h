/* SPDX-License-Identifier: Apache-2.0 */
/** @file service.h
 *  containerd.services.diff.v1.Diff: Apply and Diff over gRPC. */
#ifndef WCOW_DIFFER_SERVICE_H
#define WCOW_DIFFER_SERVICE_H

#include "containerd/client.h"
#include "layer/tar_reader.h"
#include "rpc/server.h"

struct wcow_differ_service;

struct wcow_differ_options {
    struct wcow_containerd *containerd; /**< borrowed; shared by calls */
    const char
        *content_root; /**< folder of containerd's content store; NULL: containerd is asked */
    /** The namespace of the snapshot in whose folder a request works (containerd 1.x sends none);
     *  caller frees; "" or WCOW_E_NOT_FOUND where it is not known. NULL: none is ever known. Called
     *  on the workers. */
    int (*namespace_of)(void *ctx, const char *folder, char **ret, struct wcow_error *err);
    void *namespace_ctx;
    struct wcow_tar_limits limits; /**< of what is unpacked; zeros: the defaults */
    uint32_t max_ratio;            /**< of decompression; 0: the default */
    bool allow_missing_parents;    /**< take what stands before its directory */
    const char *leftovers; /**< folder for notes of what is under way in containerd, so that it is
                                taken away after a crash; NULL: none */
};

enum { WCOW_DIFFER_METHODS = 2 };

/** @param options copied; what it points to must outlive the service */
WCOW_NODISCARD int wcow_differ_service_new(const struct wcow_differ_options *options,
                                           struct wcow_differ_service **ret,
                                           struct wcow_error *err);
/** Fill in the service's methods, both for the workers. */
void wcow_differ_methods(struct wcow_differ_service *service,
                         struct wcow_rpc_method ret[WCOW_DIFFER_METHODS]);
void wcow_differ_service_free(struct wcow_differ_service *service);
WCOW_DEFINE_CLEANUP(struct wcow_differ_service, wcow_differ_service_free)

#endif
