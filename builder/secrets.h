/* SPDX-License-Identifier: Apache-2.0 */
/** @file secrets.h
 *  --secret, as docker buildx build has it: id=NAME with src=FILE or env=VARIABLE (type=file,
 *  type=env say what src is); an id alone is a variable of that name where there is one, else a
 *  file. The values are read when a RUN wants them. */
#ifndef WCOW_BUILDER_SECRETS_H
#define WCOW_BUILDER_SECRETS_H

#include "base/bytes.h"
#include "image/strings.h"

enum { WCOW_SECRET_MAX_BYTES = 500 * 1024 };

/** One of file and variable is set. */
struct wcow_secret {
    char *id;
    char *file;
    char *variable;
};
/** Each ID once: the last one given counts. Zero-initialise. */
struct wcow_secrets {
    struct wcow_secret *items;
    size_t n;
};
void wcow_secrets_done(struct wcow_secrets *secrets);

/** Read the options, and look whether the files are there. WCOW_E_INVALID, WCOW_E_NOT_FOUND or what
 *  else keeps a file from being read, WCOW_E_LIMIT. */
WCOW_NODISCARD int wcow_secrets_parse(const struct wcow_str_list *options, struct wcow_secrets *ret,
                                      struct wcow_error *err);
/** The value of secret @p id, appended to @p out: 1, or 0 where none was given. A variable that is
 *  not set is empty. */
WCOW_NODISCARD int wcow_secrets_read(const struct wcow_secrets *secrets, const char *id,
                                     struct wcow_buf *out, struct wcow_error *err);

#endif
