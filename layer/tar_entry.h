/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_entry.h
 *  From the header blocks of one tar entry to a struct wcow_entry. Private to the tar reader. */
#ifndef WCOW_LAYER_TAR_ENTRY_H
#define WCOW_LAYER_TAR_ENTRY_H

#include "layer/entry.h"
#include "layer/pax.h"
#include "layer/tar_block.h"
#include "layer/tar_sparse.h"

/** Extension headers seen before the header proper. Zero-initialise. */
struct wcow_tar_headers {
    struct wcow_buf pax;             /* the last 'x' header: it replaces those before it */
    struct wcow_pax_records records; /* of it, which borrow from it */
    struct wcow_buf long_name;
    struct wcow_buf long_link;
    size_t len_bytes;              /* of all of them */
    struct wcow_tar_sparse sparse; /* what they and the header proper say of it */
    uint64_t stored_bytes;         /* that follow an entry; of a sparse file with its map */
};

/** Remember an extension header: 'x', 'L', 'K' (GNU). A 'g' says nothing of any entry, but in Go it
 *  is one itself: those before it are forgotten. */
WCOW_NODISCARD int wcow_tar_headers_add(struct wcow_tar_headers *headers, char typeflag,
                                        struct wcow_bytes body, struct wcow_error *err);
/** Forget them, keep the memory. */
void wcow_tar_headers_reset(struct wcow_tar_headers *headers);
void wcow_tar_headers_done(struct wcow_tar_headers *headers);

/** @param headers stored_bytes and what is known of a sparse file are set.
 *  @param ret zeroed; on error it may hold parts, release it in any case
 *  @return 1; 0 where the entry stands for the layer itself ("./"); WCOW_E_CORRUPT,
 *          WCOW_E_INVALID, WCOW_E_UNSUPPORTED; the message names the entry */
WCOW_NODISCARD int wcow_tar_entry_build(const struct wcow_tar_block *block,
                                        struct wcow_tar_headers *headers, struct wcow_entry *ret,
                                        struct wcow_error *err);

#endif
