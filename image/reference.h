/* SPDX-License-Identifier: Apache-2.0 */
/** @file reference.h
 *  Names of images as Docker and containerd read and write them: "nanoserver:ltsc2022" is
 *  "docker.io/library/nanoserver:ltsc2022". Grammar: the distribution project's reference
 *  package (host[:port]/path[:tag][@digest]). */
#ifndef WCOW_IMAGE_REFERENCE_H
#define WCOW_IMAGE_REFERENCE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/digest.h"

enum {
    WCOW_REFERENCE_NAME_MAX = 255, /**< bytes of host, slash and repository together */
    WCOW_REFERENCE_TAG_MAX = 128,  /**< bytes of a tag */
};

/** A normalised reference; a plain value, to be copied by assignment. */
struct wcow_reference {
    char host[WCOW_REFERENCE_NAME_MAX + 1]; /**< "docker.io", "localhost:5000", "[::1]:5000" */
    char repository[WCOW_REFERENCE_NAME_MAX + 1]; /**< "library/nanoserver" */
    char tag[WCOW_REFERENCE_TAG_MAX + 1];         /**< "" when none */
    struct wcow_digest digest;                    /**< text "" when none */
};

/** Parse and normalise. No tag is added: see wcow_reference_set_default_tag().
 *  WCOW_E_INVALID says which part is wrong and why; WCOW_E_UNSUPPORTED for digests but sha256. */
WCOW_NODISCARD int wcow_reference_parse(const char *text, struct wcow_reference *ret,
                                        struct wcow_error *err);
/** "latest" where there is neither tag nor digest. */
void wcow_reference_set_default_tag(struct wcow_reference *ref);
/** Set or replace the tag; "" removes it. WCOW_E_INVALID when it is none. */
WCOW_NODISCARD int wcow_reference_set_tag(struct wcow_reference *ref, const char *tag,
                                          struct wcow_error *err);
/** Append the full form to @p out: the name under which containerd keeps the image. */
WCOW_NODISCARD int wcow_reference_format(const struct wcow_reference *ref, struct wcow_buf *out,
                                         struct wcow_error *err);
/** The full form of @p name, with "latest" where it says neither tag nor digest. WCOW_E_INVALID as
 *  wcow_reference_parse(). @param ret caller frees. */
WCOW_NODISCARD int wcow_reference_full_name(const char *name, char **ret, struct wcow_error *err);
/** Append the short form that a docker user would write ("nanoserver:ltsc2022"). */
WCOW_NODISCARD int wcow_reference_format_familiar(const struct wcow_reference *ref,
                                                  struct wcow_buf *out, struct wcow_error *err);
/** Where the registry's API answers: docker.io lives at registry-1.docker.io. */
const char *wcow_reference_api_host(const char *host);
/** Whether the host (with or without a port) is this machine: localhost, *.localhost, 127/8, ::1.
 */
bool wcow_host_is_loopback(const char *host);

#endif
