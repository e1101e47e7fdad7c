/* SPDX-License-Identifier: Apache-2.0 */
/** @file words_env.h
 *  An ordered list of variables, as an image's config holds it. For Windows images names compare
 *  without regard to case, and a variable keeps the spelling it was first set with. */
#ifndef WCOW_BUILDER_WORDS_ENV_H
#define WCOW_BUILDER_WORDS_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_env_var {
    char *name;
    char *value;
};

/** Zero-initialise (and set ignore_case); release with wcow_env_done(). */
struct wcow_env {
    bool ignore_case;
    struct wcow_env_var *vars;
    size_t count;
    size_t cap;
};

/** Set or replace; the place in the order stays. */
WCOW_NODISCARD int wcow_env_set(struct wcow_env *env, const char *name, const char *value,
                                struct wcow_error *err);
/** Set from "name=value"; a text without '=' sets an empty value. */
WCOW_NODISCARD int wcow_env_set_pair(struct wcow_env *env, const char *pair,
                                     struct wcow_error *err);
/** NULL where it is not set. */
const char *wcow_env_get(const struct wcow_env *env, const char *name);
void wcow_env_unset(struct wcow_env *env, const char *name);
WCOW_NODISCARD int wcow_env_copy(struct wcow_env *to, const struct wcow_env *from,
                                 struct wcow_error *err);
void wcow_env_done(struct wcow_env *env);

#endif
