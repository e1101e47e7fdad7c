/* SPDX-License-Identifier: Apache-2.0 */
/** @file taken.h
 *  Single files of a layer that is not unpacked: noted as wanted one by one, then taken out of its
 *  blob all at once, in one pass, into a temporary file. One thread at a time; what was found may
 *  be read on any. */
#ifndef WCOW_BUILDER_TAKEN_H
#define WCOW_BUILDER_TAKEN_H

#include "builder/backend.h"
#include "builder/name_table.h"
#include "builder/payload.h"
#include "image/descriptor.h"

/** Zero-initialise. */
struct wcow_taken {
    struct wcow_name_table table;
};
void wcow_taken_done(struct wcow_taken *taken);

/** A file by its search key, or a stream by its full name. */
WCOW_NODISCARD int wcow_taken_want(struct wcow_taken *taken, const char *name,
                                   struct wcow_error *err);

/** Its bytes; NULL where they were not taken. */
const struct wcow_payload *wcow_taken_find(const struct wcow_taken *taken, const char *name);

/** Take all that are wanted and not there, out of the blob, which must be in the content store.
 *  @return WCOW_E_DATA_LOSS where it does not unpack to @p diff_id, WCOW_E_CORRUPT where a name
 *          stands in it twice; nothing is kept then */
WCOW_NODISCARD int wcow_taken_read(struct wcow_taken *taken, struct wcow_backend *b,
                                   const struct wcow_descriptor *blob, const char *diff_id,
                                   struct wcow_error *err);

#endif
