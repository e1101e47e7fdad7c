/* SPDX-License-Identifier: Apache-2.0 */
/** @file regex_internal.h
 *  From an expression's text to its tree (regex_parse.c, regex_set.c); regex.c makes a program of
 *  that and runs it. */
#ifndef WCOW_SNAPSHOTTER_REGEX_INTERNAL_H
#define WCOW_SNAPSHOTTER_REGEX_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "snapshotter/regex.h"

enum wcow_regex_kind {
    WCOW_REGEX_SET,  /**< one code point of a set */
    WCOW_REGEX_HERE, /**< no code point, but a place */
    WCOW_REGEX_ALL,  /**< one child after the other; without any it matches anywhere */
    WCOW_REGEX_ANY,  /**< one of the children */
    WCOW_REGEX_REPEAT,
};

enum wcow_regex_place {
    WCOW_REGEX_TEXT_BEGIN,
    WCOW_REGEX_TEXT_END,
    WCOW_REGEX_LINE_BEGIN,
    WCOW_REGEX_LINE_END,
    WCOW_REGEX_WORD_EDGE,
    WCOW_REGEX_NO_WORD_EDGE,
};

#define WCOW_REGEX_FOREVER UINT32_MAX

struct wcow_regex_node {
    enum wcow_regex_kind kind;
    struct wcow_regex_node *next;  /**< the sibling behind */
    struct wcow_regex_node *child; /**< the first; of REPEAT the only one */
    uint32_t min, max;             /**< of REPEAT */
    uint32_t n_repeats;            /**< of it and those below, multiplied */
    size_t first_range, n_ranges;  /**< of SET */
    enum wcow_regex_place place;   /**< of HERE */
};

struct wcow_regex_range {
    uint32_t low, high;
};

/** Sorted once a set is whole; sets follow one another. */
struct wcow_regex_ranges {
    struct wcow_regex_range *items;
    size_t n, cap;
};
WCOW_NODISCARD int wcow_regex_add_range(struct wcow_regex_ranges *ranges, uint32_t low,
                                        uint32_t high, struct wcow_error *err);
/** What a letter behind a backslash stands for: dDsSwW. @return false for another letter */
WCOW_NODISCARD int wcow_regex_add_perl_class(struct wcow_regex_ranges *ranges, char letter,
                                             bool ignore_case, bool *ret_known,
                                             struct wcow_error *err);
/** "[:alpha:]" or "[:^alpha:]" at @p text. @param ret_len 0 where there is none */
WCOW_NODISCARD int wcow_regex_add_posix_class(struct wcow_regex_ranges *ranges, const char *text,
                                              bool ignore_case, size_t *ret_len,
                                              struct wcow_error *err);
/** Finish the set that begins at @p first. */
WCOW_NODISCARD int wcow_regex_finish_set(struct wcow_regex_ranges *ranges, size_t first,
                                         bool ignore_case, bool negate, struct wcow_error *err);

struct wcow_regex_tree {
    struct wcow_regex_node *nodes; /**< a pool of them */
    size_t n_nodes;
    struct wcow_regex_node *root;
    struct wcow_regex_ranges ranges;
};
WCOW_NODISCARD int wcow_regex_parse(const char *expression, struct wcow_regex_tree *tree,
                                    struct wcow_error *err);
void wcow_regex_tree_done(struct wcow_regex_tree *tree);

#endif
