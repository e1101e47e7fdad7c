/* SPDX-License-Identifier: Apache-2.0 */
/** @file instructions_flags.h
 *  The `--name=value` flags of an instruction, and the values that stand in them. */
#ifndef WCOW_BUILDER_INSTRUCTIONS_FLAGS_H
#define WCOW_BUILDER_INSTRUCTIONS_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "builder/dockerfile.h"

enum wcow_flag_type { WCOW_FLAG_STRING, WCOW_FLAG_BOOL, WCOW_FLAG_LIST };

/** One flag that an instruction knows, and what was given. */
struct wcow_flag {
    const char *name;
    enum wcow_flag_type type;
    bool used;
    const char *value; /**< STRING; NULL when not used */
    bool is_true;      /**< BOOL */
    struct wcow_strings list;
};

/** Fill @p flags from the node's. WCOW_E_INVALID for an unknown flag ("did you mean"), a second
 *  one, and a value that is missing or no boolean. */
WCOW_NODISCARD int wcow_flags_read(const struct wcow_node *node, struct wcow_arena *arena,
                                   struct wcow_flag *flags, size_t count, struct wcow_error *err);

/** Go's time.ParseDuration: "1h30m", "1.5s", "250ms". */
WCOW_NODISCARD int wcow_parse_duration(const char *text, int64_t *ret_ns, struct wcow_error *err);
/** "64m", "1.5GiB", "1024": binary multiples. */
WCOW_NODISCARD int wcow_parse_size(const char *text, int64_t *ret_bytes, struct wcow_error *err);
/** Go's strconv.ParseBool: 1 t T TRUE true True, 0 f F FALSE false False. */
bool wcow_parse_bool(const char *text, bool *ret);

#endif
