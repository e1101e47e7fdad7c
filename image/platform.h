/* SPDX-License-Identifier: Apache-2.0 */
/** @file platform.h
 *  Platforms as users write them, "windows(10.0.20348.1)/amd64/v8", and as manifests hold them
 *  (OCI image-spec, image-index.md; containerd's platform string form). */
#ifndef WCOW_IMAGE_PLATFORM_H
#define WCOW_IMAGE_PLATFORM_H

#include <stdbool.h>

#include "base/bytes.h"

enum { WCOW_PLATFORM_FIELD_MAX = 63, WCOW_PLATFORM_FEATURES_MAX = 127 };

/** A plain value, to be copied by assignment. Empty strings mean "not given". */
struct wcow_platform {
    char os[WCOW_PLATFORM_FIELD_MAX + 1];
    char architecture[WCOW_PLATFORM_FIELD_MAX + 1];
    char os_version[WCOW_PLATFORM_FIELD_MAX + 1]; /**< "10.0.20348.2461" */
    char variant[WCOW_PLATFORM_FIELD_MAX + 1];
    char os_features[WCOW_PLATFORM_FEATURES_MAX + 1]; /**< joined by '+': "win32k" */
};

/** Parse "os[(version[+feature]…)][/arch[/variant]]"; names are normalised as Go writes them
 *  (x86_64 is amd64, aarch64 arm64, macos darwin). "windows" alone gets the machine's
 *  architecture. WCOW_E_INVALID says which part is wrong. */
WCOW_NODISCARD int wcow_platform_parse(const char *text, struct wcow_platform *ret,
                                       struct wcow_error *err);
/** Append the text that parses to the same platform. */
WCOW_NODISCARD int wcow_platform_format(const struct wcow_platform *platform, struct wcow_buf *out,
                                        struct wcow_error *err);
/** This machine's: "linux/amd64". */
struct wcow_platform wcow_platform_host(void);

/** Whether an image for @p candidate serves a wish for @p wanted: same OS and architecture, same
 *  variant, and where the wish names an os.version the same major, minor and build (as many
 *  parts as the wish has, at most three: the revision never decides). */
bool wcow_platform_matches(const struct wcow_platform *wanted,
                           const struct wcow_platform *candidate);
/** Order two candidates that both match: negative when @p a serves better. The exact os.version
 *  first, then the higher version, so that the newest patch of the wanted build wins. */
int wcow_platform_compare(const struct wcow_platform *wanted, const struct wcow_platform *a,
                          const struct wcow_platform *b);
/** Compare dotted versions number by number: negative, 0 or positive. */
int wcow_os_version_compare(const char *a, const char *b);

#endif
