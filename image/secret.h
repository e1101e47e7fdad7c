/* SPDX-License-Identifier: Apache-2.0 */
/** @file secret.h
 *  Passwords and tokens in memory: wiped before they are given back. */
#ifndef WCOW_IMAGE_SECRET_H
#define WCOW_IMAGE_SECRET_H

#include "base/bytes.h"
#include "base/cleanup.h"

/** Wipe, free and forget. */
void wcow_secret_free(char **text);
#define wcow_autosecret WCOW_CLEANUP(wcow_secret_free) char

/** The same for a buffer, with what it held and has no more. */
void wcow_secret_buf_done(struct wcow_buf *buf);
#define wcow_autosecretbuf WCOW_CLEANUP(wcow_secret_buf_done) struct wcow_buf

#endif
