/* SPDX-License-Identifier: Apache-2.0 */
/** @file pax.h
 *  Records of a PAX extended header ("%d key=value\n", POSIX.1-2017 pax, "pax Extended Header"), by
 *  the rules of Go's archive/tar, which is what Windows' importers use. */
#ifndef WCOW_LAYER_PAX_H
#define WCOW_LAYER_PAX_H

#include "base/bytes.h"

/** The largest extension header that Go reads or writes. */
enum { WCOW_PAX_MAX_BYTES = 1 << 20 };

/** Borrowed from the header's bytes; neither is NUL-terminated. */
struct wcow_pax_record {
    struct wcow_bytes key;
    struct wcow_bytes value;
};

/** The record at @p cursor, which moves behind it.
 *  @return 1 with *ret set, 0 at the end, WCOW_E_CORRUPT where the bytes are no record. */
WCOW_NODISCARD int wcow_pax_next(struct wcow_cursor *cursor, struct wcow_pax_record *ret,
                                 struct wcow_error *err);

/** Records of one header. */
struct wcow_pax_records {
    struct wcow_pax_record *items;
    size_t n;
    size_t cap;
};

/** All records of a header, in its order, and of each key the last alone, as in Go;
 * GNU.sparse.offset and GNU.sparse.numbytes make a list and stay. Into the room that @p records
 * has; nothing in it is kept. WCOW_E_CORRUPT as wcow_pax_next(). */
WCOW_NODISCARD int wcow_pax_read(struct wcow_bytes header, struct wcow_pax_records *records,
                                 struct wcow_error *err);
void wcow_pax_records_done(struct wcow_pax_records *records);

/** Append a record, its length counting itself. WCOW_E_INVALID where the key or value may not
 *  stand in one; WCOW_E_LIMIT past the maximum of @p out. */
WCOW_NODISCARD int wcow_pax_add(struct wcow_buf *out, const char *key, struct wcow_bytes value,
                                struct wcow_error *err);

/** Whether @p bytes are the text @p text. */
bool wcow_pax_is(struct wcow_bytes bytes, const char *text);

/** Decimal number as Go's strconv.ParseInt reads it: of 64 bits, with a sign where there is one.
 *  WCOW_E_CORRUPT. */
WCOW_NODISCARD int wcow_pax_signed(struct wcow_bytes value, int64_t *ret, struct wcow_error *err);

/** Decimal number as Go's strconv.ParseUint reads it, no more than @p max. WCOW_E_CORRUPT. */
WCOW_NODISCARD int wcow_pax_number(struct wcow_bytes value, uint64_t max, uint64_t *ret,
                                   struct wcow_error *err);

#endif
