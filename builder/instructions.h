/* SPDX-License-Identifier: Apache-2.0 */
/** @file instructions.h
 *  What the nodes of a Dockerfile mean: global ARGs and stages of typed, checked instructions.
 * Words are as written until wcow_instruction_expand() gives an instruction with its variables
 * replaced. */
#ifndef WCOW_BUILDER_INSTRUCTIONS_H
#define WCOW_BUILDER_INSTRUCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "builder/dockerfile.h"
#include "builder/words.h"

enum wcow_instruction_kind {
    WCOW_INS_ADD,
    WCOW_INS_ARG,
    WCOW_INS_CMD,
    WCOW_INS_COPY,
    WCOW_INS_ENTRYPOINT,
    WCOW_INS_ENV,
    WCOW_INS_EXPOSE,
    WCOW_INS_FROM,
    WCOW_INS_HEALTHCHECK,
    WCOW_INS_LABEL,
    WCOW_INS_MAINTAINER,
    WCOW_INS_ONBUILD,
    WCOW_INS_RUN,
    WCOW_INS_SHELL,
    WCOW_INS_STOPSIGNAL,
    WCOW_INS_USER,
    WCOW_INS_VOLUME,
    WCOW_INS_WORKDIR,
    WCOW_INS_COUNT,
};

/** A flag that takes a boolean and may be absent. */
enum wcow_tristate { WCOW_UNSET = -1, WCOW_NO = 0, WCOW_YES = 1 };

/** ARG, ENV, LABEL, in order. */
struct wcow_pair {
    const char *key;
    const char *value;       /**< NULL: ARG without a default */
    bool no_delim;           /**< the old form `ENV key value` */
    const char *description; /**< ARG: from a comment `# NAME text` above; NULL when none */
};
struct wcow_pairs {
    struct wcow_pair *items;
    size_t count;
};

/* wcow_command, wcow_mount and wcow_healthcheck are cli/options.h's, containerd/snapshots.h's and
 * image/config.h's: the builder includes those beside this header. */
/** RUN, CMD, ENTRYPOINT and HEALTHCHECK CMD. */
struct wcow_ins_command {
    bool shell;               /**< shell form: args is one text as written; else argv */
    struct wcow_strings args; /**< exec form may be empty: `CMD []` clears what the base has */
    const struct wcow_heredoc *heredocs; /**< RUN's; args[0] is the line that names them */
    size_t heredoc_count;
};

enum wcow_run_mount_type {
    WCOW_MOUNT_BIND,
    WCOW_MOUNT_CACHE,
    WCOW_MOUNT_TMPFS,
    WCOW_MOUNT_SECRET,
    WCOW_MOUNT_SSH,
};
enum wcow_run_mount_sharing { WCOW_SHARING_SHARED, WCOW_SHARING_PRIVATE, WCOW_SHARING_LOCKED };

/** One `RUN --mount=…`. Strings are NULL where they do not stand. */
struct wcow_run_mount {
    enum wcow_run_mount_type type;
    const char *from;
    const char *source;
    const char *target; /**< "": the working directory; NULL: a secret's, an agent's own place */
    bool read_only;
    const char *id; /**< cache: the target where none stands; secret: likewise the base name */
    enum wcow_run_mount_sharing sharing;
    bool required;
    int64_t size_bytes; /**< tmpfs; 0: no limit */
    int64_t mode;       /**< -1: not given */
    int64_t uid;        /**< -1: not given */
    int64_t gid;        /**< -1: not given */
    const char *env;    /**< secret: the variable that gets it */
};

enum wcow_run_network { WCOW_NET_DEFAULT, WCOW_NET_NONE, WCOW_NET_HOST };

/** "default", "none" or "host". NULL is the default. WCOW_E_INVALID: another word. */
WCOW_NODISCARD int wcow_run_network_parse(const char *text, enum wcow_run_network *ret,
                                          struct wcow_error *err);

struct wcow_run {
    struct wcow_ins_command command;
    struct wcow_run_mount *mounts; /**< until wcow_instruction_expand() only `from` is sure */
    size_t mount_count;
    struct wcow_strings mount_flags; /**< the mounts' texts as written */
    enum wcow_run_network network;
    bool insecure; /**< --security=insecure */
};

/** COPY and ADD. A source is a path or URL in `sources`, or a here-document in `contents`. */
struct wcow_copy {
    struct wcow_strings sources;
    const struct wcow_heredoc *contents; /**< their `name` is the file's name; expanded as needed */
    size_t content_count;
    const char *dest;
    const char *from;  /**< NULL: the build context */
    const char *chown; /**< NULL when not given; so below */
    const char *chmod;
    bool link;
    bool parents;
    struct wcow_strings excludes;
    const char *checksum;            /**< ADD */
    enum wcow_tristate keep_git_dir; /**< ADD */
    enum wcow_tristate unpack;       /**< ADD */
};

/** The default of a duration or a count is 0 (inherit), as in the image config. */
struct wcow_ins_healthcheck {
    bool none;
    struct wcow_ins_command command;
    int64_t interval_ns;
    int64_t timeout_ns;
    int64_t start_period_ns;
    int64_t start_interval_ns;
    int retries;
};

struct wcow_instruction {
    enum wcow_instruction_kind kind;
    const struct wcow_node *node; /**< where it stands and how it was written */
    union {
        struct wcow_pairs pairs;         /**< ARG, ENV, LABEL */
        struct wcow_ins_command command; /**< CMD, ENTRYPOINT */
        struct wcow_run run;             /**< RUN */
        struct wcow_copy copy;           /**< ADD, COPY */
        struct wcow_ins_healthcheck health;
        struct wcow_strings list; /**< EXPOSE, SHELL, VOLUME */
        const char *text;         /**< MAINTAINER, STOPSIGNAL, USER, WORKDIR, ONBUILD (the
                                       instruction as written) */
    };
};

struct wcow_stage {
    const char *base; /**< as written, variables and all */
    const char *name; /**< lower case; NULL when it has none */
    const char *name_as_written;
    const char *platform;         /**< as written; NULL when not given */
    const char *description;      /**< from a comment `# name text` above; NULL when none */
    const struct wcow_node *node; /**< FROM */
    struct wcow_instruction *instructions;
    size_t instruction_count;
};

/** An ONBUILD trigger of a base image, as parsed. */
struct wcow_parsed_trigger {
    struct wcow_dockerfile *dockerfile;
};

struct wcow_build_file {
    const struct wcow_dockerfile *dockerfile; /**< borrowed */
    struct wcow_arena arena;
    struct wcow_instruction *global_args; /**< the ARG instructions before the first FROM */
    size_t global_arg_count;
    struct wcow_stage *stages;
    size_t stage_count;
    struct wcow_parsed_trigger *triggers; /**< what wcow_build_file_add_trigger() parsed */
    size_t trigger_count;
};

/** Type and check all instructions. @p dockerfile must outlive the result.
 *  @param where  on failure: the lines the error is about; NULL allowed */
WCOW_NODISCARD int wcow_build_file_new(const struct wcow_dockerfile *dockerfile,
                                       struct wcow_build_file **ret, struct wcow_line_range *where,
                                       struct wcow_error *err);
void wcow_build_file_free(struct wcow_build_file *file);
WCOW_DEFINE_CLEANUP(struct wcow_build_file, wcow_build_file_free)

/** One instruction of its own: an ONBUILD trigger of a base image. FROM, ONBUILD and MAINTAINER are
 *  refused. @p ret and what it points to belong to @p file. */
WCOW_NODISCARD int wcow_build_file_add_trigger(struct wcow_build_file *file, const char *trigger,
                                               const struct wcow_instruction **ret,
                                               struct wcow_error *err);

/** The stage that @p name means for a stage or COPY of index @p before: the last of the earlier
 * stages with this name (case-insensitive); NULL when there is none. */
const struct wcow_stage *wcow_stage_find(const struct wcow_build_file *file, const char *name,
                                         size_t before);
/** The stage of `--target`: by name, the last of the name; "" or NULL means the last stage. A
 * number is refused with a message that says so; an unknown name suggests one. */
WCOW_NODISCARD int wcow_stage_target(const struct wcow_build_file *file, const char *target,
                                     size_t *ret_index, struct wcow_error *err);

/** @p ins with its variables replaced where its kind allows (FROM is a stage and not among them).
 *  ENV sees the lexer's variables as they were before the instruction; ARG is not touched, see
 * wcow_arg_value(). RUN's mounts are parsed here. The result shares what did not change with
 * @p ins; the rest belongs to @p arena. */
WCOW_NODISCARD int wcow_instruction_expand(const struct wcow_instruction *ins,
                                           const struct wcow_lexer *lexer, struct wcow_arena *arena,
                                           struct wcow_instruction *ret, struct wcow_error *err);

/** Where an ARG finds its value. */
struct wcow_arg_scope {
    const struct wcow_env *build_args; /**< NULL: none were given */
    const struct wcow_env *globals;    /**< set before the first FROM, or predefined; NULL: none */
    const struct wcow_lexer
        *lexer; /**< the variables set so far, those before it on its line too */
};

/** The value of one name of an ARG: the build argument; else its default, which is expanded only
 *  then; else that of before the first FROM. *ret is NULL where it has none. */
WCOW_NODISCARD int wcow_arg_value(const struct wcow_arg_scope *scope, const struct wcow_pair *pair,
                                  struct wcow_arena *arena, const char **ret,
                                  struct wcow_error *err);

/** "RUN" and so on. */
const char *wcow_instruction_name(enum wcow_instruction_kind kind);

#endif
