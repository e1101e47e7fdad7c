/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_internal.h
 *  Private to build*.c: a build under way. */
#ifndef WCOW_BUILDER_BUILD_INTERNAL_H
#define WCOW_BUILDER_BUILD_INTERNAL_H

#include "builder/build.h"
#include "builder/cmdline.h"
#include "builder/context.h"
#include "builder/copy.h"
#include "builder/git.h"
#include "builder/instructions.h"
#include "builder/layer_write.h"
#include "builder/layers.h"
#include "builder/run.h"
#include "builder/words_env.h"
#include "store/cache.h"

/** What a stage has come to. */
struct wcow_stage_state {
    const struct wcow_stage *stage;
    size_t index;
    bool is_wanted; /**< the target needs it */
    bool is_done;
    const struct wcow_local_image *base; /**< the image at the bottom; NULL: scratch */
    struct wcow_platform platform;
    struct wcow_image_config *config;
    struct wcow_layers layers;
    struct wcow_descriptor *descs; /**< of the layers, bottom first */
    size_t n_descs;
    struct wcow_env args; /**< what ARG has set */
    struct wcow_cmdline_config entrypoint;
    struct wcow_cmdline_config cmd;
    bool has_own_cmd;  /**< CMD stood in this stage: ENTRYPOINT keeps it */
    int64_t created_s; /**< of what stands last in the history: a build that finds all its layers
                            in the cache gives the same image again */
    size_t steps_done;
    size_t n_steps; /**< instructions that are shown */
};

/** A repository that ADD fetched, or the folder of --build-context; payloads read it until the end.
 */
struct wcow_build_checkout {
    struct wcow_git_checkout *checkout; /**< NULL: a folder of the user's */
    const char *folder;                 /**< then: as the option names it; borrowed */
    struct wcow_context *context;
};

struct wcow_build {
    const struct wcow_build_options *options;
    struct wcow_progress *progress;
    struct wcow_backend *backend;
    struct wcow_context *context;
    struct wcow_build_cache *cache;
    bool skips_cache;               /**< of the stage at work: --no-cache, or the filter names it */
    struct wcow_executor *executor; /**< of RUN; NULL until the first */
    struct wcow_arena arena;

    char *dockerfile_name; /**< as messages call it */
    struct wcow_buf source;
    struct wcow_dockerfile *dockerfile;
    struct wcow_build_file *file;
    struct wcow_line_range where; /**< of the instruction at work: an error is about it */

    struct wcow_env build_args;
    struct wcow_env predefined;
    struct wcow_env globals; /**< ARGs before the first FROM */
    struct wcow_platform platform;
    bool has_epoch;
    int64_t epoch_s;
    int64_t now_s;

    struct wcow_stage_state *stages;
    size_t target;
    struct wcow_layer_sources sources; /**< owns all layers of all stages */
    struct wcow_local_image **images;  /**< owns the images that stages began from */
    size_t n_images;
    struct wcow_build_checkout *checkouts;
    size_t n_checkouts;
};

/* build_load.c: from options to a typed Dockerfile */
WCOW_NODISCARD int wcow_build_load(struct wcow_build *b, struct wcow_error *err);
/** The arguments that are always there: TARGETPLATFORM and so on, for stage @p name. */
WCOW_NODISCARD int wcow_build_predefine(struct wcow_build *b, struct wcow_error *err);
void wcow_build_done(struct wcow_build *b);

/* build_base.c: FROM */
WCOW_NODISCARD int wcow_build_base_image(struct wcow_build *b, const char *name,
                                         const struct wcow_platform *platform, const char *title,
                                         struct wcow_local_image **ret, struct wcow_error *err);
/** The layers of an image, opened once. */
WCOW_NODISCARD int wcow_build_open_image(struct wcow_build *b, struct wcow_local_image *image,
                                         unsigned step, struct wcow_layers *ret,
                                         struct wcow_error *err);
WCOW_NODISCARD int wcow_build_begin_stage(struct wcow_build *b, struct wcow_stage_state *s,
                                          struct wcow_error *err);

/* build_stage.c: the instructions in turn */
WCOW_NODISCARD int wcow_build_stage(struct wcow_build *b, struct wcow_stage_state *s,
                                    struct wcow_error *err);
/** The value of a variable of this stage, ENV before ARG, as a lexer asks for it. */
WCOW_NODISCARD int wcow_build_stage_env(const struct wcow_build *b,
                                        const struct wcow_stage_state *s, struct wcow_env *ret,
                                        struct wcow_error *err);
/** The title of a step: "[build 2/5] COPY src C:/src". */
char *wcow_build_title(const struct wcow_build *b, const struct wcow_stage_state *s, size_t step,
                       const char *text);

/* build_config.c: instructions that only change the config */
WCOW_NODISCARD int wcow_build_configure(struct wcow_build *b, struct wcow_stage_state *s,
                                        const struct wcow_instruction *ins, struct wcow_error *err);
/** Entrypoint and Cmd as they have come to be. */
WCOW_NODISCARD int wcow_build_store_commands(struct wcow_build *b, struct wcow_stage_state *s,
                                             struct wcow_error *err);
WCOW_NODISCARD int wcow_build_add_history(struct wcow_build *b, struct wcow_stage_state *s,
                                          const struct wcow_instruction *ins, bool empty_layer,
                                          struct wcow_error *err);

/* build_layer.c: instructions that make a layer */
WCOW_NODISCARD int wcow_build_layer_tree(struct wcow_build *b, struct wcow_stage_state *s,
                                         const char *owner, const struct wcow_chain *below,
                                         struct wcow_tree **ret, struct wcow_error *err);
/** Turn the tree into a layer of the stage: found in the cache, or written. Takes the tree. */
struct wcow_layer_made {
    bool is_empty; /**< the tree changed nothing: no layer */
    bool is_cached;
};
WCOW_NODISCARD int wcow_build_add_layer(struct wcow_build *b, struct wcow_stage_state *s,
                                        struct wcow_tree *tree, unsigned step,
                                        struct wcow_layer_made *ret, struct wcow_error *err);

/** Find a layer by its key, and keep its blob while the build lasts: 1, or 0. */
WCOW_NODISCARD int wcow_build_cached_layer(struct wcow_build *b, const struct wcow_digest *key,
                                           struct wcow_cached_layer *ret, struct wcow_error *err);
void wcow_build_remember_layer(struct wcow_build *b, const struct wcow_digest *shape,
                               const struct wcow_digest *key,
                               const struct wcow_cached_layer *layer);
/** The layer becomes the stage's uppermost. */
WCOW_NODISCARD int wcow_build_add_desc(struct wcow_stage_state *s,
                                       const struct wcow_cached_layer *layer,
                                       struct wcow_error *err);

/* build_run.c: RUN */
WCOW_NODISCARD int wcow_build_run_step(struct wcow_build *b, struct wcow_stage_state *s,
                                       const struct wcow_instruction *ins, unsigned step,
                                       struct wcow_layer_made *ret, struct wcow_error *err);
/** Open what RUN left only as blobs: whoever looks into a stage's layers calls this first. */
WCOW_NODISCARD int wcow_build_sync_layers(struct wcow_build *b, struct wcow_stage_state *s,
                                          unsigned step, struct wcow_error *err);

/* build_steps.c: COPY, ADD, WORKDIR */
/** The layers that --from names: of a stage before, or of an image (then in @p room). */
WCOW_NODISCARD int wcow_build_layers_of(struct wcow_build *b, const struct wcow_stage_state *s,
                                        const char *from, unsigned step,
                                        const struct wcow_layers **ret, struct wcow_layers *room,
                                        struct wcow_error *err);
WCOW_NODISCARD int wcow_build_copy(struct wcow_build *b, struct wcow_stage_state *s,
                                   const struct wcow_instruction *ins, unsigned step,
                                   struct wcow_layer_made *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_workdir(struct wcow_build *b, struct wcow_stage_state *s,
                                      const struct wcow_instruction *ins, unsigned step,
                                      struct wcow_layer_made *ret, struct wcow_error *err);

/* build_named.c: --build-context, which wins over stages and images of the name */
WCOW_NODISCARD int wcow_build_check_contexts(const struct wcow_build *b, struct wcow_error *err);
bool wcow_build_is_named(const struct wcow_build *b, const char *name);
/** The image that @p name stands for; NULL: none. */
const char *wcow_build_named_image(const struct wcow_build *b, const char *name);
/** 1 and the folder that @p name stands for, owned by the build; 0 for none. */
WCOW_NODISCARD int wcow_build_named_folder(struct wcow_build *b, const char *name,
                                           struct wcow_context **ret, struct wcow_error *err);

/* build_add.c: ADD's sources, which may be remote */
WCOW_NODISCARD int wcow_build_add(struct wcow_build *b, const struct wcow_copying *copying,
                                  unsigned step, struct wcow_error *err);

/* build_export.c: the target's image, out */
/** What is wrong with --output and the names is said before anything is built. */
WCOW_NODISCARD int wcow_build_check_outputs(struct wcow_build *b, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_export(struct wcow_build *b, struct wcow_build_result *ret,
                                     struct wcow_error *err);

#endif
