/* SPDX-License-Identifier: Apache-2.0 */
/** @file filter.h
 *  containerd's filter language (pkg/filters): `kind==active,labels."a.b/c"~=/^v1/`.
 *  A comma means and; several filters mean or; an empty filter matches all. A field is present,
 *  equal (==), different (!=) or matches a regular expression (~=).
 *
 *  What is behind ~= is an expression of snapshotter/regex.h. One that is bad is refused, and so is
 *  an escape of NUL; containerd lets either match nothing. */
#ifndef WCOW_SNAPSHOTTER_FILTER_H
#define WCOW_SNAPSHOTTER_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    WCOW_FILTERS_MAX = 1000, /**< of one List */
    WCOW_FILTER_MAX_BYTES = 64 << 10,
    WCOW_FILTERS_MAX_BYTES = 256 << 10, /**< all of them */
};

struct wcow_filter;

/** The value of a field: 1 and *ret_value (borrowed until the next call), or 0 where absent.
 *  @param path   the field's parts: "labels", "a.b/c"
 *  @param n_path at least 1 */
typedef int (*wcow_filter_field)(const void *object, const char *const *path, size_t n_path,
                                 const char **ret_value);

/** Any of @p texts; none: everything. WCOW_E_INVALID names the filter and the position, or the
 * limit above. */
WCOW_NODISCARD int wcow_filter_parse(const char *const *texts, size_t n, struct wcow_filter **ret,
                                     struct wcow_error *err);
/** Whether @p object is one of those. WCOW_E_INVALID: an expression costs too much on it. */
WCOW_NODISCARD int wcow_filter_match(const struct wcow_filter *filter, wcow_filter_field field,
                                     const void *object, bool *ret, struct wcow_error *err);
void wcow_filter_free(struct wcow_filter *filter);
WCOW_DEFINE_CLEANUP(struct wcow_filter, wcow_filter_free)

#endif
