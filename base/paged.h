/* SPDX-License-Identifier: Apache-2.0 */
/** @file paged.h
 *  Memory for what a layer may have millions of. The first megabytes are the heap's, which serves
 *  most layers. What comes after them lies in an unnamed temporary file that is mapped, and is let
 *  go of again and again: what nobody looked at just now is in the kernel's page cache or on disk,
 *  not in this process. Pieces stay where they are, and live as long as the whole. One thread
 *  allocates at a time; looking is any thread's. */
#ifndef WCOW_BASE_PAGED_H
#define WCOW_BASE_PAGED_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_paged;

/** @param heap_bytes  that stay on the heap; the temporary file is made when they are used up
 *  @param dirfd       where it is made (borrowed; must outlive this); -1: $TMPDIR or /var/tmp */
WCOW_NODISCARD int wcow_paged_new(size_t heap_bytes, int dirfd, struct wcow_paged **ret,
                                  struct wcow_error *err);
void wcow_paged_free(struct wcow_paged *paged);
WCOW_DEFINE_CLEANUP(struct wcow_paged, wcow_paged_free)

/** Zeroed memory, aligned for any type. WCOW_E_NOMEM; WCOW_E_RESOURCE_EXHAUSTED and others where
 *  the temporary file cannot be made or cannot grow. */
WCOW_NODISCARD int wcow_paged_alloc(struct wcow_paged *paged, size_t size_bytes, void **ret,
                                    struct wcow_error *err);

/** Say that one more piece is looked at, wherever many are, one after the other: every so many of
 *  them what is mapped is let go of. It comes back by itself, so pieces at hand may be used on. */
void wcow_paged_look(struct wcow_paged *paged);

#endif
