/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_seccomp.h
 *  The system calls that a command under Wine may make: a list of those it needs, all others fail
 *  with EPERM. Windows programs reach Linux's calls directly if they want to, so this is what holds
 *  them, not Wine. Source: OCI runtime-spec, config-linux.md, "Seccomp"; what Wine 8 and 10 call.
 */
#ifndef WCOW_BUILDER_WINE_SECCOMP_H
#define WCOW_BUILDER_WINE_SECCOMP_H

#include <jansson.h>

/** linux.seccomp of a config.json; the caller's. NULL: no memory. */
json_t *wcow_wine_seccomp(void);

#endif
