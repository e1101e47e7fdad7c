/* SPDX-License-Identifier: Apache-2.0 */
/** @file peeked.h
 *  A blob whose media type leaves open how it is compressed: its first bytes are looked at, and
 *  given all the same. */
#ifndef WCOW_DIFFER_PEEKED_H
#define WCOW_DIFFER_PEEKED_H

#include "base/stream.h"
#include "differ/codec.h"

struct wcow_peeked {
    struct wcow_source bytes; /**< of the blob; set by the caller, all else zero */
    const uint8_t *data;
    size_t len;
    bool is_waiting; /**< the first bytes were not given yet */
};

/** What its first bytes tell. */
WCOW_NODISCARD int wcow_peeked_compression(struct wcow_peeked *peeked, enum wcow_compression *ret,
                                           struct wcow_error *err);
/** All of its bytes, whether they were looked at or not; borrows. */
struct wcow_source wcow_peeked_source(struct wcow_peeked *peeked);

#endif
