/* SPDX-License-Identifier: Apache-2.0 */
/** @file digest.h
 *  SHA-256 and OCI digests ("sha256:" and 64 lower-case hex digits; image-spec, descriptor.md).
 *  The only code that sees libcrypto. */
#ifndef WCOW_BASE_DIGEST_H
#define WCOW_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    WCOW_DIGEST_HEX_LEN = 64,                  /**< hex digits, without the NUL */
    WCOW_DIGEST_LEN = 7 + WCOW_DIGEST_HEX_LEN, /**< "sha256:" and the digits, without the NUL */
};

/** A digest as text, NUL-terminated. */
struct wcow_digest {
    char text[WCOW_DIGEST_LEN + 1];
};

/** A running hash. One thread at a time. */
struct wcow_hash;

WCOW_NODISCARD int wcow_hash_new(struct wcow_hash **ret, struct wcow_error *err);
/** Cannot fail: libcrypto's SHA-256 update has no error once initialised. */
void wcow_hash_add(struct wcow_hash *hash, const void *data, size_t len);
/** The digest so far of everything added; the hash may go on. */
WCOW_NODISCARD int wcow_hash_digest(const struct wcow_hash *hash, struct wcow_digest *ret,
                                    struct wcow_error *err);
void wcow_hash_free(struct wcow_hash *hash);
WCOW_DEFINE_CLEANUP(struct wcow_hash, wcow_hash_free)

/** Digest of one buffer. */
WCOW_NODISCARD int wcow_digest_of(const void *data, size_t len, struct wcow_digest *ret,
                                  struct wcow_error *err);
/** Whether @p text is "sha256:" and 64 lower-case hex digits, and nothing else. */
bool wcow_digest_is_valid(const char *text);

#endif
