/* SPDX-License-Identifier: Apache-2.0 */
/** @file options.h
 *  Command-line options from one declarative table a command: parsing by getopt_long, help text,
 * and the same names as keys of a configuration file. */
#ifndef WCOW_CLI_OPTIONS_H
#define WCOW_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum wcow_option_kind {
    WCOW_OPTION_FLAG,    /**< target: bool; "--name", or "--name=false" */
    WCOW_OPTION_STRING,  /**< target: const char *; points into argv or the strings kept */
    WCOW_OPTION_LIST,    /**< target: struct wcow_option_list; may be given many times */
    WCOW_OPTION_REFUSED, /**< known from other programs; `arg` says why it is none of this one */
};

struct wcow_option_list {
    const char **items;
    size_t n;
};
void wcow_option_list_done(struct wcow_option_list *list);

struct wcow_option {
    char letter;      /**< or 0 */
    const char *name; /**< long name, without dashes; a name of NULL ends the table */
    const char *arg;  /**< what the value is called in the help: "PATH"; NULL for a flag */
    const char *help; /**< one line; NULL: not shown */
    enum wcow_option_kind kind;
    void *target;
};

struct wcow_command {
    const char *name;    /**< "wcow build" */
    const char *usage;   /**< "[OPTIONS] PATH" */
    const char *summary; /**< a sentence or a short paragraph */
    const struct wcow_option *options;
    size_t min_args;
    size_t max_args;      /**< of operands */
    const char *epilogue; /**< examples, environment; may be NULL */
};

/** What parsing came to. */
enum wcow_parse {
    WCOW_PARSE_RUN,
    WCOW_PARSE_DONE /**< help was printed */,
    WCOW_PARSE_USAGE /**< told */
};

/** Parse argv[1..]; options and operands may be mixed; "--" ends the options. Each command has -h
 * and
 *  --help. What is wrong is said on standard error together with where to find help.
 *  @param ret_operands index in argv of the first operand (getopt has moved them to the end) */
enum wcow_parse wcow_options_parse(const struct wcow_command *command, int argc, char **argv,
                                   int *ret_operands);

/** Set one option by its long name, as a configuration file does. @p value must outlive the use.
 *  WCOW_E_NOT_FOUND for an unknown name, WCOW_E_INVALID for a bad value. */
WCOW_NODISCARD int wcow_options_set(const struct wcow_option *options, const char *name,
                                    const char *value, struct wcow_error *err);

/** Exit codes of the commands, as docker's and ctr's; for signals see cli/interrupt.h. */
enum { WCOW_EXIT_OK = 0, WCOW_EXIT_FAILURE = 1, WCOW_EXIT_USAGE = 2 };

#endif
