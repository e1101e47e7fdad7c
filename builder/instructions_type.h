/* SPDX-License-Identifier: Apache-2.0 */
/** @file instructions_type.h
 *  One node to one typed, checked instruction. FROM is not among them: it begins a stage. */
#ifndef WCOW_BUILDER_INSTRUCTIONS_TYPE_H
#define WCOW_BUILDER_INSTRUCTIONS_TYPE_H

#include "builder/instructions.h"

/** What typing works with. */
struct wcow_typing {
    struct wcow_arena *arena;
    char escape;
    struct wcow_error *err;
};

/** WCOW_E_INVALID for an instruction that does not exist ("did you mean"), bad flags and arguments.
 */
WCOW_NODISCARD int wcow_instruction_type(const struct wcow_typing *in, const struct wcow_node *node,
                                         struct wcow_instruction *ret);

/* Parts in files of their own. Each fills its member of *ret. */
WCOW_NODISCARD int wcow_type_run(const struct wcow_typing *in, const struct wcow_node *node,
                                 struct wcow_instruction *ret);
WCOW_NODISCARD int wcow_type_copy(const struct wcow_typing *in, const struct wcow_node *node,
                                  struct wcow_instruction *ret);
WCOW_NODISCARD int wcow_type_health(const struct wcow_typing *in, const struct wcow_node *node,
                                    struct wcow_instruction *ret);
/** The text or argv of a node from its argument @p skip on. */
void wcow_type_command(const struct wcow_node *node, size_t skip, struct wcow_ins_command *ret);
/** The description that a comment `# name text` gives; NULL when none does. */
const char *wcow_type_description(const struct wcow_node *node, const char *name);

#endif
