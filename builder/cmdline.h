/* SPDX-License-Identifier: Apache-2.0 */
/** @file cmdline.h
 *  Windows command lines: argv to one line and back by the rules of CommandLineToArgvW and the C
 * run-time, and what CMD, ENTRYPOINT and HEALTHCHECK store in an image's config: the classic Docker
 * semantics. */
#ifndef WCOW_BUILDER_CMDLINE_H
#define WCOW_BUILDER_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "builder/instructions.h"

/** Append @p arg quoted so that Windows parses it back to the same: within quotes where it is empty
 * or holds a space or tab; a '"' gets a backslash, and backslashes are doubled before a quote
 * alone. */
WCOW_NODISCARD int wcow_cmdline_quote(const char *arg, struct wcow_buf *out,
                                      struct wcow_error *err);
/** A whole argv, spaces between. */
WCOW_NODISCARD int wcow_cmdline_join(const char *const *argv, size_t count, struct wcow_buf *out,
                                     struct wcow_error *err);
/** The inverse: cut @p line as CommandLineToArgvW cuts it. */
WCOW_NODISCARD int wcow_cmdline_split(const char *line, struct wcow_arena *arena,
                                      struct wcow_strings *ret, struct wcow_error *err);

/** The shell of a Windows image where no SHELL stands: cmd /S /C. */
struct wcow_strings wcow_cmdline_default_shell(void);

/** The value of Cmd or Entrypoint in the config. */
struct wcow_cmdline_config {
    struct wcow_strings args;
    bool args_escaped; /**< ArgsEscaped: args is one element, a command line to be taken verbatim */
};

/** Shell form: one element, the shell's words joined and the text as written, ArgsEscaped. Exec
 * form: argv, not escaped. @p shell: SHELL's words. Strings belong to @p arena or to the command.
 */
WCOW_NODISCARD int wcow_cmdline_config_of(const struct wcow_ins_command *command,
                                          const struct wcow_strings *shell,
                                          struct wcow_arena *arena, struct wcow_cmdline_config *ret,
                                          struct wcow_error *err);
/** Make @p entrypoint and @p cmd agree on ArgsEscaped, which an image has once for both: where they
 * differ, the exec form one becomes one escaped command line. Either may be empty. */
WCOW_NODISCARD int wcow_cmdline_unify(struct wcow_arena *arena,
                                      struct wcow_cmdline_config *entrypoint,
                                      struct wcow_cmdline_config *cmd, struct wcow_error *err);
/** Whether the command is `<<TAG` and nothing else. */
bool wcow_cmdline_is_script(const struct wcow_ins_command *command);
/** The command line that RUN starts. A RUN that is a here-document alone runs its content. */
WCOW_NODISCARD int wcow_cmdline_of_run(const struct wcow_ins_command *command,
                                       const struct wcow_strings *shell, struct wcow_buf *out,
                                       struct wcow_error *err);

#endif
