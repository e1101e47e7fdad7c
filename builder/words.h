/* SPDX-License-Identifier: Apache-2.0 */
/** @file words.h
 *  The Dockerfile's own shell lexer: quotes, the escape character, and $v ${v} ${v:-w} ${v-w}
 * ${v:+w}
 *  ${v+w} ${v:?m} ${v?m} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}, as BuildKit expands them
 *  (docs/dockerfile.md). */
#ifndef WCOW_BUILDER_WORDS_H
#define WCOW_BUILDER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "builder/dockerfile_arena.h"
#include "builder/words_env.h"

enum {
    WCOW_WORDS_MAX_BYTES = 1 << 20, /**< what one word may expand to */
    WCOW_WORDS_MAX_DEPTH = 100,     /**< ${a:-${b:-…}} */
};

/** Where values come from. `get` gives NULL for an unset variable; the value must stay valid
 *  until the next call. Whether names compare case-insensitively is its affair. */
struct wcow_env_lookup {
    const char *(*get)(const void *ctx, const char *name);
    const void *ctx;
};

/** How to read a word. Zero-initialise and set `escape`. */
struct wcow_lexer {
    char escape;       /**< '\\' or '`' */
    bool keep_quotes;  /**< quotes still quote, but stay in the result */
    bool plain_quotes; /**< quotes are characters like others */
    bool keep_escapes; /**< the escape character still escapes, but stays in the result */
    /** A here-document's content: quotes are characters like others, and so is the escape character
     *  except before '$', where it takes the '$' its meaning and goes. */
    bool heredoc;
    bool keep_unset; /**< $v and ${v} of an unset variable stay as written */
    struct wcow_env_lookup env;
    /** Told each variable that was asked for; NULL allowed. */
    void (*on_variable)(void *ctx, const char *name, bool is_set);
    void *on_variable_ctx;
};

/** Expand one word: the result is one string, white space included.
 *  @return WCOW_E_INVALID for a quote or brace without its end, a bad modifier, and `${v:?message}`
 */
WCOW_NODISCARD int wcow_words_expand(const struct wcow_lexer *lexer, const char *word,
                                     struct wcow_arena *arena, const char **ret,
                                     struct wcow_error *err);
/** Expand and split at white space that is not quoted; the values of variables split too. */
WCOW_NODISCARD int wcow_words_split(const struct wcow_lexer *lexer, const char *word,
                                    struct wcow_arena *arena, struct wcow_strings *ret,
                                    struct wcow_error *err);

/** A lexer that reads from @p env. */
struct wcow_lexer wcow_lexer_of(char escape, const struct wcow_env *env);

#endif
