/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_upload.h
 *  Shared by image/registry_push.c and image/registry_upload.c: one blob on its way up to one
 *  server. */
#ifndef WCOW_IMAGE_REGISTRY_UPLOAD_H
#define WCOW_IMAGE_REGISTRY_UPLOAD_H

#include "image/registry_private.h"

struct wcow_upload {
    struct wcow_registry *registry;
    const struct wcow_host *host;
    const struct wcow_reference *ref;
    const struct wcow_blob_push *push;
    char what[16 + WCOW_DIGEST_LEN];
    char *scope;
    char *location;                   /* of the upload session; NULL when there is none */
    struct wcow_http_response answer; /* the session's last one */
    uint64_t chunk_min_bytes;
    uint64_t stored_bytes; /* that the session holds */
    uint64_t best_bytes;   /* the most that any session held */
    bool in_pieces;        /* not the whole at once */
    bool is_unsure;        /* the session broke: ask what it holds */
    bool is_resumed;       /* some of what it holds is known from its own words alone */
    bool never_resume;     /* those words were wrong once */
};
void wcow_upload_done(struct wcow_upload *u);

struct wcow_call wcow_upload_call(const struct wcow_upload *u, const char *method, const char *url);
WCOW_NODISCARD int wcow_upload_is_there(const struct wcow_upload *u, const char *digest, bool *ret,
                                        struct wcow_error *err);
/* Open an upload session, or with @p mount_query ("mount=…&from=…") get the blob without one. */
WCOW_NODISCARD int wcow_upload_start(struct wcow_upload *u, const char *mount_query,
                                     bool *ret_mounted, struct wcow_error *err);
/* Let the server forget the session; it would in time by itself. */
void wcow_upload_drop(struct wcow_upload *u);
/* Send the blob with all attempts: what breaks goes on where the registry says that it broke. */
WCOW_NODISCARD int wcow_upload_send(struct wcow_upload *u, struct wcow_error *err);

#endif
