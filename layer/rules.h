/* SPDX-License-Identifier: Apache-2.0 */
/** @file rules.h
 *  What a layer must obey so that Windows imports it, as rules with stable names. This file has
 *  the rules that one entry breaks by itself; those between entries are in layer/check.h.
 *  docs/layer-format.md explains each. */
#ifndef WCOW_LAYER_RULES_H
#define WCOW_LAYER_RULES_H

#include "layer/entry.h"
#include "layer/names.h"

enum wcow_rule {
    WCOW_RULE_NONE,
    /* One entry. */
    WCOW_RULE_ESCAPE,             /**< "..", absolute, drive letter, backslash */
    WCOW_RULE_BAD_NAME,           /**< a component that Windows refuses */
    WCOW_RULE_PATH_TOO_LONG,      /**< more than 32,767 UTF-16 units */
    WCOW_RULE_OUTSIDE_ROOTS,      /**< neither Files, Hives nor UtilityVM/Files */
    WCOW_RULE_ROOT_NOT_DIRECTORY, /**< Files, Hives or UtilityVM is something else */
    WCOW_RULE_BAD_WHITEOUT,       /**< a name beginning with ".wh." that hides nothing */
    WCOW_RULE_MISPLACED_WHITEOUT, /**< a whiteout outside Files/ and UtilityVM/Files/ */
    WCOW_RULE_BAD_STREAM,         /**< "name:stream" ill-formed, or not a plain file */
    WCOW_RULE_BAD_LINK,           /**< a hard link to a name that no layer may have */
    WCOW_RULE_LINK_TOO_LONG,      /**< a reparse point of more than 16 KiB */
    /* Between entries. */
    WCOW_RULE_DUPLICATE,
    WCOW_RULE_CASE_COLLISION,
    WCOW_RULE_MISSING_ROOT, /**< Files, Hives or UtilityVM itself is no entry */
    WCOW_RULE_MISSING_PARENT,
    WCOW_RULE_BELOW_FILE,
    WCOW_RULE_BELOW_LINK,
    WCOW_RULE_BELOW_WHITEOUT,
    WCOW_RULE_WHITEOUT_AND_ENTRY,
    WCOW_RULE_WHITEOUT_IN_BASE,
    WCOW_RULE_OPAQUE_MARKER,
    WCOW_RULE_LINK_TARGET_MISSING,
    WCOW_RULE_LINK_TARGET_NOT_FILE,
    WCOW_RULE_BARE_LINK,      /**< a hard link's target without its "Files/" */
    WCOW_RULE_MISPLACED_LINK, /**< a hard link in Hives, or to what is there */
    WCOW_RULE_STREAM_WITHOUT_FILE,
    WCOW_RULE_HIVES_IN_BASE,
    WCOW_RULE_MISSING_HIVES,
    WCOW_RULE_WRONG_ATTRIBUTES, /**< a directory that is a file by its attributes, or the reverse */
    WCOW_RULE_LINK_WITHOUT_ATTRIBUTES,
    WCOW_RULE_MISSING_TIMES,
    WCOW_RULE_COUNT,
};

/** "case-collision"; the names are stable. "" for none. */
const char *wcow_rule_name(enum wcow_rule rule);

/** The whole base name of an opaque marker. */
#define WCOW_OPAQUE_NAME ".wh..wh..opq"

/** Check one entry by itself.
 *  @return WCOW_OK, or WCOW_E_INVALID with *ret_rule set and a message; where it is NULL the
 * message names the entry and the rule too. */
WCOW_NODISCARD int wcow_rules_check_entry(const struct wcow_entry *entry, enum wcow_rule *ret_rule,
                                          struct wcow_error *err);

#endif
