/* SPDX-License-Identifier: Apache-2.0 */
/** @file lint.h
 *  The build checks: BuildKit's 22 rules under their names, chosen by `# check=skip=…;error=true`
 * or the build argument BUILDKIT_DOCKERFILE_CHECK, printed as `docker build --check` prints them.
 */
#ifndef WCOW_BUILDER_LINT_H
#define WCOW_BUILDER_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "builder/ignore.h"
#include "builder/instructions.h"

enum wcow_lint_rule {
    WCOW_LINT_STAGE_NAME_CASING,
    WCOW_LINT_FROM_AS_CASING,
    WCOW_LINT_NO_EMPTY_CONTINUATION,
    WCOW_LINT_CONSISTENT_INSTRUCTION_CASING,
    WCOW_LINT_DUPLICATE_STAGE_NAME,
    WCOW_LINT_RESERVED_STAGE_NAME,
    WCOW_LINT_JSON_ARGS_RECOMMENDED,
    WCOW_LINT_MAINTAINER_DEPRECATED,
    WCOW_LINT_UNDEFINED_ARG_IN_FROM,
    WCOW_LINT_WORKDIR_RELATIVE_PATH,
    WCOW_LINT_UNDEFINED_VAR,
    WCOW_LINT_MULTIPLE_INSTRUCTIONS_DISALLOWED,
    WCOW_LINT_LEGACY_KEY_VALUE_FORMAT,
    WCOW_LINT_INVALID_BASE_IMAGE_PLATFORM,
    WCOW_LINT_REDUNDANT_TARGET_PLATFORM,
    WCOW_LINT_SECRETS_USED_IN_ARG_OR_ENV,
    WCOW_LINT_INVALID_DEFAULT_ARG_IN_FROM,
    WCOW_LINT_FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    WCOW_LINT_COPY_IGNORED_FILE,
    WCOW_LINT_INVALID_DEFINITION_DESCRIPTION,
    WCOW_LINT_EXPOSE_PROTO_CASING,
    WCOW_LINT_EXPOSE_INVALID_FORMAT,
    WCOW_LINT_COUNT,
};

struct wcow_lint_warning {
    enum wcow_lint_rule rule;
    const char *detail; /**< the sentence about this place, as BuildKit has it */
    const char *hint;   /**< what a reader may not see at once; NULL: nothing */
    struct wcow_line_range where;
};

/** Which rules run. */
struct wcow_lint_config {
    bool skip[WCOW_LINT_COUNT];
    bool enabled[WCOW_LINT_COUNT]; /**< experimental rules that were asked for */
    bool skip_all;
    bool error; /**< warnings fail the build */
};

/** Read "skip=RULE,…|all;error=bool;experimental=…|all". */
WCOW_NODISCARD int wcow_lint_config_parse(const char *text, struct wcow_lint_config *ret,
                                          struct wcow_error *err);

/** What a base image is for, and what was asked for, as a warning says it. */
struct wcow_lint_platforms {
    char is[160];
    char wanted[160];
};

/** What the rules need to know beside the Dockerfile. All of it may be left zero. */
struct wcow_lint_input {
    struct wcow_lint_config config;
    const struct wcow_ignore *ignore;  /**< for CopyIgnoredFile */
    const struct wcow_env *build_args; /**< --build-arg values */
    const struct wcow_env
        *predefined; /**< TARGETPLATFORM and the like; defaults stand in for NULL */
    /** The variables of a base image. Where it gives NULL they are not known, and UndefinedVar says
     *  nothing of such a stage. Without it each base has PATH alone. */
    const struct wcow_env *(*base_env)(void *ctx, const char *image);
    void *base_env_ctx;
    /** Whether stage number @p stage begins with an image for another system or architecture than
     *  was asked for. NULL where that is not known of any. */
    bool (*base_platform)(void *ctx, size_t stage, struct wcow_lint_platforms *ret);
    void *base_platform_ctx;
};

struct wcow_lint_report {
    struct wcow_arena arena;
    struct wcow_lint_warning *warnings; /**< by line */
    size_t count;
    bool error; /**< the config says that warnings fail the build */
};

/** Check a parsed Dockerfile: the directive `check` is read unless BUILDKIT_DOCKERFILE_CHECK stands
 * among the build arguments. */
WCOW_NODISCARD int wcow_lint_run(const struct wcow_build_file *file,
                                 const struct wcow_lint_input *input, struct wcow_lint_report **ret,
                                 struct wcow_error *err);
void wcow_lint_report_free(struct wcow_lint_report *report);
WCOW_DEFINE_CLEANUP(struct wcow_lint_report, wcow_lint_report_free)

const char *wcow_lint_rule_name(enum wcow_lint_rule rule);
const char *wcow_lint_rule_description(enum wcow_lint_rule rule);

/** Append what `--check` prints: "Check complete, no warnings found." or each warning with its
 * excerpt. */
WCOW_NODISCARD int wcow_lint_format(const struct wcow_lint_report *report, const char *file_name,
                                    const void *source, size_t len, struct wcow_buf *out,
                                    struct wcow_error *err);
/** Append the rules that were hurt, each once, in the order of the first warnings. */
WCOW_NODISCARD int wcow_lint_rules(const struct wcow_lint_report *report, struct wcow_buf *out,
                                   struct wcow_error *err);
/** What would end the build, beside the warnings. */
struct wcow_lint_error {
    const char *message;
    struct wcow_line_range where;
};
/** Append the warnings as JSON, as `docker build --call=check,format=json` names things.
 *  @param fatal  NULL: nothing would end the build */
WCOW_NODISCARD int wcow_lint_json(const struct wcow_lint_report *report,
                                  const struct wcow_lint_error *fatal, struct wcow_buf *out,
                                  struct wcow_error *err);

#endif
