/* SPDX-License-Identifier: Apache-2.0 */
/** @file payload.h
 *  Where the bytes of a file in a layer to be come from: the context, another layer, memory. */
#ifndef WCOW_BUILDER_PAYLOAD_H
#define WCOW_BUILDER_PAYLOAD_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/stream.h"

struct wcow_payload_ops {
    /** All bytes into @p sink, in chunks. */
    int (*send)(void *ctx, const struct wcow_sink *sink, struct wcow_error *err);
    /** What identifies the bytes without reading them: 1 with *ret set, 0 not known, or an error.
     *  NULL: never known. */
    int (*known)(void *ctx, struct wcow_digest *ret, struct wcow_error *err);
    /** Told the digest once the bytes have been read. NULL allowed. */
    void (*learned)(void *ctx, const struct wcow_digest *digest);
    void (*free)(void *ctx);
};

/** Zero (ops NULL): no bytes. */
struct wcow_payload {
    const struct wcow_payload_ops *ops;
    void *ctx;
    bool borrowed; /**< somebody else frees ctx */
};

/** Release and zero. */
void wcow_payload_done(struct wcow_payload *payload);
/** The same bytes; @p from must outlive the result. */
struct wcow_payload wcow_payload_borrow(const struct wcow_payload *from);
/** Bytes in memory, copied. */
WCOW_NODISCARD int wcow_payload_of_bytes(const void *data, size_t len, struct wcow_payload *ret,
                                         struct wcow_error *err);
/** Send; nothing where there is no payload. */
WCOW_NODISCARD int wcow_payload_send(const struct wcow_payload *payload,
                                     const struct wcow_sink *sink, struct wcow_error *err);
/** The digest of the bytes, read where need be. */
WCOW_NODISCARD int wcow_payload_digest(const struct wcow_payload *payload, struct wcow_digest *ret,
                                       struct wcow_error *err);

#endif
