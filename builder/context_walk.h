/* SPDX-License-Identifier: Apache-2.0 */
/** @file context_walk.h
 *  Private to context*.c: the context itself, and walks through it. */
#ifndef WCOW_BUILDER_CONTEXT_WALK_H
#define WCOW_BUILDER_CONTEXT_WALK_H

#include "builder/context.h"

struct wcow_context {
    int fd;     /* O_PATH */
    char *root; /* absolute */
    char *name; /* for messages */
    struct wcow_ignore *ignore;
    char *ignore_name;
    bool may_ignore; /* an ignore file counts here, whether or not there is one */
    struct wcow_build_cache *cache;
    const atomic_bool *cancel;
    _Atomic(uint8_t *) spare; /* a buffer for files that nobody reads into just now; or NULL */
};

/** A walk. */
struct wcow_context_walking {
    wcow_context_fn fn;
    void *arg;
    const struct wcow_ignore *exclude; /**< patterns; NULL: none */
    const char *exclude_as; /**< the path that the walk's top has for them; NULL or "": the top */
    const char *pattern;    /**< go into a directory only where it matches the pattern's leading
                                 components; NULL: into each */
};

/** wcow_context_walk() with all there is to say. */
WCOW_NODISCARD int wcow_context_walk_with(struct wcow_context *c, const char *dir,
                                          const struct wcow_context_walking *walking,
                                          struct wcow_error *err);

#endif
