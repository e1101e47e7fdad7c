/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_command.h
 *  What of a RUN can be told to fail before Wine starts it. */
#ifndef WCOW_BUILDER_WINE_COMMAND_H
#define WCOW_BUILDER_WINE_COMMAND_H

#include "base/error.h"

/** @param script  a batch file's text; or NULL
 *  @return WCOW_E_UNSUPPORTED: the command line starts Windows PowerShell, which is nothing without
 *          the .NET Framework, or makes a junction; says what to do. */
WCOW_NODISCARD int wcow_wine_check_command(const char *line, const char *script,
                                           struct wcow_error *err);

#endif
