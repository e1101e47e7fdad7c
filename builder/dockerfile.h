/* SPDX-License-Identifier: Apache-2.0 */
/** @file dockerfile.h
 *  The Dockerfile's syntax: bytes to a list of nodes, one an instruction, as BuildKit's parser cuts
 *  them (docs/dockerfile.md). What the instructions mean is in instructions.h. */
#ifndef WCOW_BUILDER_DOCKERFILE_H
#define WCOW_BUILDER_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "builder/diagnostic.h"
#include "builder/directives.h"
#include "builder/dockerfile_arena.h"
#include "builder/heredoc.h"

enum {
    WCOW_DOCKERFILE_MAX_BYTES = 16 << 20,   /**< a Dockerfile */
    WCOW_DOCKERFILE_MAX_LINE_BYTES = 65535, /**< a line of it, without its line break */
};

/** What a NUL of a JSON string is in wcow_node.args. Typed instructions never hold it: it is
 * refused. */
#define WCOW_NODE_NUL "\xc0\x80"

/** How an instruction's arguments were cut. */
enum wcow_node_form {
    WCOW_FORM_STRING, /**< one argument: the rest of the line (or none) */
    WCOW_FORM_WORDS,  /**< words between white space */
    WCOW_FORM_JSON,   /**< a JSON array of strings */
    WCOW_FORM_PAIRS,  /**< ENV, LABEL: key, value and separator ("=", or "" for `k v`) in turn */
    WCOW_FORM_NAMES,  /**< ARG: name or name=value, quotes and all */
};

/** One instruction. Everything belongs to the wcow_dockerfile. */
struct wcow_node {
    const char *keyword;       /**< as written */
    const char *name;          /**< lower case */
    const char *original;      /**< the logical line: continuations joined, comments dropped */
    const char *rest;          /**< what follows keyword and flags */
    struct wcow_strings flags; /**< "--from=x" each, in order, escapes undone */
    enum wcow_node_form form;
    struct wcow_strings args;
    bool json_failed; /**< began with '[' but was no JSON array of strings: shell form was taken */
    struct wcow_heredoc *heredocs; /**< contents as written, leading tabs too */
    size_t heredoc_count;
    struct wcow_strings comments; /**< the comment lines directly before, without # and one space */
    struct wcow_node *child;      /**< ONBUILD: the instruction it holds */
    struct wcow_line_range where;
};

/** A warning of the parser itself. */
struct wcow_parse_warning {
    enum { WCOW_WARN_EMPTY_CONTINUATION } kind;
    struct wcow_line_range where;
};

struct wcow_dockerfile {
    struct wcow_arena arena;
    char escape; /**< '\\' or '`' */
    struct wcow_directive *directives;
    size_t directive_count;
    struct wcow_node *nodes;
    size_t node_count;
    struct wcow_parse_warning *warnings;
    size_t warning_count;
};

/** Parse a whole Dockerfile.
 *  @param where  on failure: the lines the error is about ({0,0} for the file as a whole); NULL
 * allowed
 *  @return WCOW_E_INVALID for a syntax error, WCOW_E_LIMIT for a size */
WCOW_NODISCARD int wcow_dockerfile_parse(const void *data, size_t len, struct wcow_dockerfile **ret,
                                         struct wcow_line_range *where, struct wcow_error *err);
void wcow_dockerfile_free(struct wcow_dockerfile *dockerfile);
WCOW_DEFINE_CLEANUP(struct wcow_dockerfile, wcow_dockerfile_free)

/** The value of a directive ("syntax", "escape", "check"), NULL where it does not stand. */
const char *wcow_dockerfile_directive(const struct wcow_dockerfile *dockerfile, const char *name);

#endif
