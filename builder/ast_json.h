/* SPDX-License-Identifier: Apache-2.0 */
/** @file ast_json.h
 *  `wcow build --call=ast`: the parse tree as JSON. docs/dockerfile.md documents the shape. */
#ifndef WCOW_BUILDER_AST_JSON_H
#define WCOW_BUILDER_AST_JSON_H

#include "base/error.h"
#include "builder/dockerfile.h"

/** @param ret  JSON text with a line break at its end, for the caller to free */
WCOW_NODISCARD int wcow_ast_json(const struct wcow_dockerfile *dockerfile, char **ret,
                                 struct wcow_error *err);

#endif
