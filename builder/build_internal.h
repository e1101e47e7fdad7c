/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_internal.h
 *  Private to build*.c: a build under way. */
#ifndef WCOW_BUILDER_BUILD_INTERNAL_H
#define WCOW_BUILDER_BUILD_INTERNAL_H

#include <pthread.h>

#include "builder/build.h"
#include "builder/build_outputs.h"
#include "builder/cache_steps.h"
#include "builder/cmdline.h"
#include "builder/context.h"
#include "builder/context_source.h"
#include "builder/copy.h"
#include "builder/git.h"
#include "builder/input_files.h"
#include "builder/instructions.h"
#include "builder/layer_write.h"
#include "builder/layers.h"
#include "builder/run.h"
#include "builder/secrets.h"
#include "builder/words_env.h"
#include "image/provenance.h"
#include "store/cache.h"

struct wcow_variant;

/** COPY, ADD or WORKDIR with all that its layer depends on besides the layers below. Borrows from
 *  arenas that last as long as the build. */
struct wcow_layer_step {
    struct wcow_instruction ins; /**< its variables replaced */
    const char *user;            /**< USER; "" for none */
    const char *workdir;         /**< before it; "" for none */
};

/** A step as it came out: for --cache-to. */
struct wcow_step_note {
    struct wcow_step_key input;
    struct wcow_step_key content;
    struct wcow_cached_layer layer;
};

/** A step of a stage whose layers nobody needs: others only copy its files. */
struct wcow_unwritten {
    const struct wcow_layer_step *of;
    struct wcow_digest stamp; /**< build_stamp.c; "": none */
};

/** How far a stage is; under the solver's lock. */
enum wcow_stage_progress {
    WCOW_STAGE_IDLE, /**< nobody has asked for it */
    WCOW_STAGE_RUNNING,
    WCOW_STAGE_DONE,
    WCOW_STAGE_FAILED,
};

/** What a stage has come to. It belongs to the thread that runs it; when that is done, to nobody:
 *  others read it then. */
struct wcow_stage_state {
    const struct wcow_stage *stage;
    size_t index;
    struct wcow_variant *variant; /**< that it is built for */
    enum wcow_stage_progress progress;
    bool is_wanted; /**< the target needs it */
    bool is_below;  /**< another stage begins with it, or it is the target: its layers count */
    bool has_thread;
    pthread_t thread;
    struct wcow_arena arena;
    struct wcow_layer_sources sources;   /**< owns what the stage opened and made */
    struct wcow_line_range where;        /**< of the instruction at work: an error is about it */
    bool skips_cache;                    /**< --no-cache, or the filter names it */
    pthread_mutex_t syncing;             /**< of the layers, where RUN's are opened afterwards */
    struct wcow_local_image *base;       /**< the image at the bottom; NULL: scratch */
    const struct wcow_stage_state *from; /**< the stage that it began with; NULL: none */
    struct wcow_platform wanted;         /**< by FROM or the build */
    struct wcow_platform platform;
    struct wcow_image_config *config;
    struct wcow_layers layers;     /**< as far as somebody looked: wcow_build_sync_layers() */
    struct wcow_descriptor *descs; /**< of the layers, bottom first */
    size_t n_descs;
    /** Of those above the base's: the step whose tree it is; NULL: what RUN left. */
    const struct wcow_layer_step **own;
    size_t n_own;
    /** Uppermost of the layers: nobody needs more of them than their trees, which are made when
     *  somebody looks. */
    struct wcow_unwritten *unwritten;
    size_t n_unwritten;
    struct wcow_step_note *notes;
    size_t n_notes;
    struct wcow_cache_text *facts; /**< what was asked of the layers; texts in the arena */
    size_t n_facts;
    struct wcow_env args; /**< what ARG has set */
    struct wcow_cmdline_config entrypoint;
    struct wcow_cmdline_config cmd;
    bool has_own_cmd;  /**< CMD stood in this stage: ENTRYPOINT keeps it */
    int64_t created_s; /**< of what stands last in the history: a build that finds all its layers
                            in the cache gives the same image again */
    size_t steps_done; /**< of those that are shown: what makes layers, and FROM an image */
    size_t n_steps;
    unsigned told_unmatched; /**< the step whose patterns matched nothing was told of; 0: none */
};

/** A repository that ADD fetched, or the folder of --build-context; payloads read it until the end.
 */
struct wcow_build_checkout {
    struct wcow_git_checkout *checkout; /**< of ADD */
    struct wcow_context_source source;  /**< of --build-context */
    const char *folder;                 /**< then: as the option names it; borrowed */
    struct wcow_context *context;
};

/** The build for one of the platforms that were asked for: its variables, its stages. */
struct wcow_variant {
    struct wcow_build *build;
    struct wcow_platform platform;
    struct wcow_arena arena;
    struct wcow_env predefined;
    struct wcow_env globals; /**< ARGs before the first FROM */
    struct wcow_stage_state *stages;
    struct wcow_materials materials; /**< what came from elsewhere, for the provenance */
};

/** An image that stages begin with or copy from. */
struct wcow_build_image {
    struct wcow_local_image image; /**< zero where it was not to be had */
    char *name;
    struct wcow_platform wanted; /**< whoever asks for the same gets it */
    int code;                    /**< or is told this... */
    struct wcow_error why;       /**< ...and why */
};
void wcow_build_image_done(struct wcow_build_image *image);

/** A layer that this build came to. */
struct wcow_made {
    struct wcow_digest shape;
    struct wcow_digest key;
    struct wcow_cached_layer layer;
    bool is_leased; /**< its blob is under the lease of the step cache */
};

struct wcow_build {
    const struct wcow_build_options *options;
    struct wcow_progress *progress;
    struct wcow_backend *backend;
    struct wcow_context *context;
    struct wcow_build_cache *cache;
    struct wcow_cache_imports *imports; /**< of --cache-from; NULL: none */
    struct wcow_executor *executor;     /**< of RUN; NULL until the first */
    struct wcow_solver *solver;         /**< runs the stages */
    pthread_mutex_t lock; /**< of what stages add to: file, executor, images, checkouts, fetched,
                               made */

    char *dockerfile_name; /**< as messages call it */
    struct wcow_secrets secrets;
    struct wcow_buf source;
    struct wcow_dockerfile *dockerfile;
    struct wcow_build_file *file;
    struct wcow_line_range where; /**< that an error is about */

    struct wcow_env build_args;
    struct wcow_variant *variants; /**< in the order asked for, at least one */
    size_t n_variants;
    bool has_epoch;
    int64_t epoch_s;
    int64_t now_s;

    size_t target; /**< index of the stage */
    struct wcow_build_image **images;
    size_t n_images;
    struct wcow_build_checkout *checkouts;
    size_t n_checkouts;
    struct wcow_build_fetched **fetched; /**< what ADD got by URL; payloads read it until the end */
    size_t n_fetched;
    struct wcow_build_commit **commits; /**< what repositories said that ADD's names stand for */
    size_t n_commits;
    struct wcow_build_asked asked;
    struct wcow_made *made;
    size_t n_made;
};

/* build_load.c: from options to a typed Dockerfile */
WCOW_NODISCARD int wcow_build_load(struct wcow_build *b, struct wcow_error *err);
/** The parse tree alone: what the instructions mean, and whether they are any, is not asked. */
WCOW_NODISCARD int wcow_build_load_syntax(struct wcow_build *b, struct wcow_error *err);
void wcow_build_done(struct wcow_build *b);

/* build_variant.c: the platforms */
/** What --platform names: one, or several between commas. */
WCOW_NODISCARD int wcow_build_check_platforms(struct wcow_build *b, struct wcow_error *err);
/** Their variables and stages, once the Dockerfile and --build-arg are read. */
WCOW_NODISCARD int wcow_build_fill_variants(struct wcow_build *b, struct wcow_error *err);
void wcow_build_variants_done(struct wcow_build *b);
/** The stage that a platform's image comes from. */
struct wcow_stage_state *wcow_build_target_of(const struct wcow_build *b, size_t variant);

/* build_solve.c: which stages run, and when */
/** Run the target of every variant and all that they need, side by side. The first error ends
 *  all. */
WCOW_NODISCARD int wcow_build_solve(struct wcow_build *b, struct wcow_error *err);
/** The stage @p index of the same platform, finished: wait for it, after it was started where
 *  nobody had asked for it. WCOW_E_CANCELLED where it failed. */
WCOW_NODISCARD int wcow_build_await(struct wcow_build *b, const struct wcow_stage_state *s,
                                    size_t index, struct wcow_stage_state **ret,
                                    struct wcow_error *err);
/** Before a step begins, and when it has ended: no more run at once than may. Waiting for another
 *  stage comes before. */
WCOW_NODISCARD int wcow_build_take_slot(struct wcow_build *b, struct wcow_error *err);
void wcow_build_give_slot(struct wcow_build *b);

/* build_base.c: FROM */
WCOW_NODISCARD int wcow_build_base_image(struct wcow_build *b, const char *name,
                                         const struct wcow_platform *platform, const char *title,
                                         struct wcow_local_image **ret, struct wcow_error *err);
/** Have an image's layers in the snapshotter, and know their folders. */
WCOW_NODISCARD int wcow_build_unpack_image(struct wcow_build *b, struct wcow_local_image *image,
                                           unsigned step, struct wcow_error *err);
/** The layers of an image, for the thread of @p s. */
WCOW_NODISCARD int wcow_build_open_image(struct wcow_build *b, struct wcow_stage_state *s,
                                         struct wcow_local_image *image, unsigned step,
                                         struct wcow_layers *ret, struct wcow_error *err);
/** The layers of a finished stage, for the thread of @p s. */
WCOW_NODISCARD int wcow_build_share_layers(struct wcow_stage_state *s,
                                           struct wcow_stage_state *from, struct wcow_layers *ret,
                                           struct wcow_error *err);
/** The index of the stage before @p s that @p name means, by name or number; -1: none.
 *  WCOW_E_INVALID for the number of a later one. */
WCOW_NODISCARD int wcow_build_stage_named(const struct wcow_build *b,
                                          const struct wcow_stage_state *s, const char *name,
                                          ssize_t *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_begin_stage(struct wcow_build *b, struct wcow_stage_state *s,
                                          struct wcow_error *err);

/* build_stage.c: the instructions in turn */
WCOW_NODISCARD int wcow_build_stage(struct wcow_build *b, struct wcow_stage_state *s,
                                    struct wcow_error *err);
/** The variables of this stage; of an ENV and an ARG of one name the later one counts. */
WCOW_NODISCARD int wcow_build_stage_env(const struct wcow_build *b,
                                        const struct wcow_stage_state *s, struct wcow_env *ret,
                                        struct wcow_error *err);
/** The title of a step: "[build 2/5] COPY src C:/src". */
char *wcow_build_title(const struct wcow_build *b, const struct wcow_stage_state *s, size_t step,
                       const char *text);

/* build_config.c: instructions that only change the config */
WCOW_NODISCARD int wcow_build_configure(struct wcow_build *b, struct wcow_stage_state *s,
                                        const struct wcow_instruction *ins, struct wcow_error *err);
/** The words of SHELL, or of the default; in the stage's arena. */
WCOW_NODISCARD int wcow_build_shell(struct wcow_stage_state *s, struct wcow_strings *ret,
                                    struct wcow_error *err);

/* build_history.c */
/** @p ins: its variables replaced */
WCOW_NODISCARD int wcow_build_add_history(struct wcow_build *b, struct wcow_stage_state *s,
                                          const struct wcow_instruction *ins, bool empty_layer,
                                          struct wcow_error *err);

/* build_layer.c: instructions that make a layer */
struct wcow_layer_made {
    bool is_empty; /**< the step changed nothing: no layer */
    bool is_cached;
};
/** Turn the tree of @p of into a layer of the stage: found in the cache, or written. Takes the
 * tree.
 *  @param note  gets what it came to: key by content, layer (its size is 0 where nothing changed)
 *  @return 1 found, 0 written or nothing to write, or an error */
WCOW_NODISCARD int wcow_build_add_layer(struct wcow_build *b, struct wcow_stage_state *s,
                                        const struct wcow_layer_step *of, struct wcow_tree *tree,
                                        unsigned step, struct wcow_step_note *note,
                                        struct wcow_error *err);
/** How trees become tar. */
struct wcow_layer_write wcow_build_layer_options(const struct wcow_build *b);

/* build_cache.c: what steps came to before, here or elsewhere */
/** Whether there may be a layer of this shape, so that looking for its key is worth its while: 1, 0
 *  or an error. */
WCOW_NODISCARD int wcow_build_knows_shape(struct wcow_build *b, const struct wcow_stage_state *s,
                                          const struct wcow_digest *shape, struct wcow_error *err);
/** Find a layer by its key, and keep its blob while the build lasts: 1, or 0. Its size is 0 where
 *  the step is known to change nothing. */
WCOW_NODISCARD int wcow_build_cached_layer(struct wcow_build *b, const struct wcow_stage_state *s,
                                           const struct wcow_digest *key,
                                           struct wcow_cached_layer *ret, struct wcow_error *err);
void wcow_build_remember_layer(struct wcow_build *b, const struct wcow_digest *shape,
                               const struct wcow_digest *key,
                               const struct wcow_cached_layer *layer);
/** The text that @p key stands for, worked out here or elsewhere before; in the stage's arena: 1,
 * or 0. */
WCOW_NODISCARD int wcow_build_fact(struct wcow_build *b, struct wcow_stage_state *s,
                                   const struct wcow_digest *key, const char **ret,
                                   struct wcow_error *err);
WCOW_NODISCARD int wcow_build_remember_fact(struct wcow_build *b, struct wcow_stage_state *s,
                                            const struct wcow_digest *key, const char *text,
                                            struct wcow_error *err);
/** Keep a step's note for --cache-to. */
WCOW_NODISCARD int wcow_build_note_step(struct wcow_stage_state *s,
                                        const struct wcow_step_note *note, struct wcow_error *err);

/* build_key.c: a step's key by its inputs, without a look at what lies below */
struct wcow_input_key {
    struct wcow_step_key key;      /**< "" where there is none, or (the key alone) not yet */
    struct wcow_digest stamp;      /**< build_stamp.c; "": none */
    struct wcow_digest files;      /**< what stat said of a folder's files before; "": not asked */
    struct wcow_digest prefix;     /**< of all but the files */
    struct wcow_tree *tree;        /**< the files, lying on nothing; NULL: none */
    struct wcow_noted_files noted; /**< what is left of the tree while the layer is made */
};
void wcow_input_key_done(struct wcow_input_key *key);
/** The key that an earlier build has made of the same inputs, by what stat says of them: 1, or 0. A
 *  layer is looked for by it, but none is remembered: the files may have changed since. */
WCOW_NODISCARD int wcow_build_stamped_key(struct wcow_build *b, struct wcow_stage_state *s,
                                          const struct wcow_layer_step *of, unsigned step,
                                          struct wcow_input_key *ret, struct wcow_error *err);
/** The shape. A step may have none: a repository that ADD fetches is not known before. */
WCOW_NODISCARD int wcow_build_input_shape(struct wcow_build *b, struct wcow_stage_state *s,
                                          const struct wcow_layer_step *of, unsigned step,
                                          struct wcow_input_key *ret, struct wcow_error *err);
/** The key, where there is a shape: reads the files whose digest is not known. */
WCOW_NODISCARD int wcow_build_input_key(const struct wcow_build *b, struct wcow_input_key *key,
                                        struct wcow_error *err);
/** The step is about to be made, with a tree of its own: keep only what
 *  wcow_build_input_key_made() needs. */
void wcow_build_input_key_wait(struct wcow_input_key *key);
/** The key of a step that has been made: the digests of its files are mostly known by now.
 *  WCOW_E_PRECONDITION where the files are no longer those that it had. */
WCOW_NODISCARD int wcow_build_input_key_made(struct wcow_build *b, struct wcow_stage_state *s,
                                             const struct wcow_layer_step *of, unsigned step,
                                             struct wcow_input_key *key, struct wcow_error *err);

/** Whether a source comes from elsewhere: what it is is not known before it is fetched. */
bool wcow_build_is_fetched(const struct wcow_copy *copy);
/** What the instruction says, into @p hash. */
void wcow_build_add_step(const struct wcow_build *b, const struct wcow_layer_step *of,
                         struct wcow_hash *hash);
/** What the layers of a stage or an image, which @p from names, are called by: into @p hash.
 *  @return 1, 0 where they have no such name, or an error */
WCOW_NODISCARD int wcow_build_add_from(struct wcow_build *b, struct wcow_stage_state *s,
                                       const char *from, struct wcow_hash *hash,
                                       struct wcow_error *err);

/* build_stamp.c: a step's inputs by what stat says of them, so that none has to be read, nor a tree
 * be made, where they are as they were */
/** 1, or 0 where they have no stamp, or none that can be trusted yet.
 *  @param ret_files  of the files that are taken from a folder alone, also with 0; "" where none
 * are
 */
WCOW_NODISCARD int wcow_build_stamp(struct wcow_build *b, struct wcow_stage_state *s,
                                    const struct wcow_layer_step *of, unsigned step,
                                    struct wcow_digest *ret, struct wcow_digest *ret_files,
                                    struct wcow_error *err);
/** Whether stat still says @p files of what the step takes from a folder. */
bool wcow_build_files_are(struct wcow_build *b, const struct wcow_layer_step *of,
                          const struct wcow_digest *files);
/** The key of the layer that a step of this stamp came to: 1, or 0. */
WCOW_NODISCARD int wcow_build_stamped(struct wcow_build *b, const struct wcow_digest *stamp,
                                      struct wcow_step_key *ret, struct wcow_error *err);
/** Remember that. An empty key stands for a step that was made, but not written. */
void wcow_build_remember_stamp(struct wcow_build *b, const struct wcow_digest *stamp,
                               const struct wcow_step_key *key);

/* build_link.c: COPY --link */
/** Whether the step's layer depends on nothing below: 1, 0 or an error. @p files: its tree, lying
 * on nothing; NULL where there is none. */
WCOW_NODISCARD int wcow_build_is_free(const struct wcow_layer_step *of,
                                      const struct wcow_tree *files, struct wcow_error *err);
/** 1 and the tree of such a step; 0 for others. */
WCOW_NODISCARD int wcow_build_free_tree(struct wcow_build *b, struct wcow_stage_state *s,
                                        const struct wcow_layer_step *of, unsigned step,
                                        struct wcow_tree **ret, struct wcow_error *err);

/* build_listed.c: layers that are not unpacked */
/** The layers of an image as names; the bytes of a file are found when it is read. They are
 *  unpacked only where they cannot be listed. */
WCOW_NODISCARD int wcow_build_open_names(struct wcow_build *b, struct wcow_stage_state *s,
                                         struct wcow_local_image *image, unsigned step,
                                         struct wcow_layers *ret, struct wcow_error *err);
/** The stage's next layer by its blob: what it was made of may be gone, or another by now. */
WCOW_NODISCARD int wcow_build_open_fetched(struct wcow_build *b, struct wcow_stage_state *s,
                                           unsigned step, struct wcow_error *err);

/* build_sync.c: the stage's layers */
/** The layer becomes the stage's uppermost; @p of NULL: what RUN left. */
WCOW_NODISCARD int wcow_build_add_desc(struct wcow_stage_state *s, const struct wcow_layer_step *of,
                                       const struct wcow_cached_layer *layer,
                                       struct wcow_error *err);
/** A tree becomes the uppermost of the layers that are open. Takes it. */
WCOW_NODISCARD int wcow_build_push_tree(struct wcow_stage_state *s, struct wcow_tree *tree,
                                        struct wcow_error *err);
/** Those that lie above a base's are its own, too. */
WCOW_NODISCARD int wcow_build_copy_own(struct wcow_stage_state *s,
                                       const struct wcow_stage_state *from, struct wcow_error *err);
/** The stage as far as it has come, as something to be unpacked. Borrows. */
struct wcow_local_image wcow_build_image_of(const struct wcow_stage_state *s);
/** Open what was found in caches, and the base: whoever looks into a stage's layers calls this
 *  first. COPY's trees are made again; what RUN left is unpacked. */
WCOW_NODISCARD int wcow_build_sync_names(struct wcow_build *b, struct wcow_stage_state *s,
                                         unsigned step, struct wcow_error *err);
/** The same for who reads all files: the base is unpacked. */
WCOW_NODISCARD int wcow_build_sync_layers(struct wcow_build *b, struct wcow_stage_state *s,
                                          unsigned step, struct wcow_error *err);

/** Have all its layers in containerd's content store, where an image needs them. */
WCOW_NODISCARD int wcow_build_need_layers(struct wcow_build *b, struct wcow_stage_state *s,
                                          unsigned step, struct wcow_error *err);

/* build_path.c */
/** The PATH that the registry of the stage gives, in its arena. */
WCOW_NODISCARD int wcow_build_registry_path(struct wcow_build *b, struct wcow_stage_state *s,
                                            const char **ret, struct wcow_error *err);

/* build_run.c: RUN */
WCOW_NODISCARD int wcow_build_run_step(struct wcow_build *b, struct wcow_stage_state *s,
                                       const struct wcow_instruction *ins, unsigned step,
                                       struct wcow_layer_made *ret, struct wcow_error *err);

/** Whether the stage is for another system, which only gives files to COPY --from. */
bool wcow_build_is_foreign(const struct wcow_stage_state *s);

/* build_steps.c: COPY, ADD, WORKDIR */
/** The layers that --from names: of a stage before, or of an image (then in @p room). */
WCOW_NODISCARD int wcow_build_layers_of(struct wcow_build *b, struct wcow_stage_state *s,
                                        const char *from, unsigned step,
                                        const struct wcow_layers **ret, struct wcow_layers *room,
                                        struct wcow_error *err);
/** What the step puts on the layers @p below. */
WCOW_NODISCARD int wcow_build_step_tree(struct wcow_build *b, struct wcow_stage_state *s,
                                        const struct wcow_layer_step *of,
                                        const struct wcow_chain *below, unsigned step,
                                        struct wcow_tree **ret, struct wcow_error *err);
/** The step: found by its inputs, or made. */
WCOW_NODISCARD int wcow_build_files_step(struct wcow_build *b, struct wcow_stage_state *s,
                                         const struct wcow_instruction *ins, unsigned step,
                                         struct wcow_layer_made *ret, struct wcow_error *err);

/* build_named.c: --build-context, which wins over stages and images of the name */
WCOW_NODISCARD int wcow_build_check_contexts(const struct wcow_build *b, struct wcow_error *err);
bool wcow_build_is_named(const struct wcow_build *b, const char *name);
/** The image that @p name stands for: a reference, or an "oci-layout://…"; NULL: none. */
const char *wcow_build_named_image(const struct wcow_build *b, const char *name);
/** Keep it until the build ends; what @p checkout points to is taken. */
WCOW_NODISCARD int wcow_build_keep_checkout(struct wcow_build *b,
                                            const struct wcow_build_checkout *checkout,
                                            struct wcow_error *err);
/** 1 and the folder that @p name stands for, owned by the build; 0 for none. */
WCOW_NODISCARD int wcow_build_named_folder(struct wcow_build *b, const char *name,
                                           struct wcow_context **ret, struct wcow_error *err);

/* build_add.c: ADD's sources, which may be remote */
WCOW_NODISCARD int wcow_build_add(struct wcow_build *b, struct wcow_stage_state *s,
                                  const struct wcow_copying *copying, unsigned step,
                                  struct wcow_error *err);

/* build_remote.c: files that ADD names by URL */
struct wcow_remote_file;
/** The file with its bytes; owned by the build, and for the holder of the key "unpack <URL>" alone
 *  where its descriptor is read. */
WCOW_NODISCARD int wcow_build_remote_file(struct wcow_build *b, const struct wcow_copy *copy,
                                          const char *url, unsigned step,
                                          struct wcow_remote_file **ret, struct wcow_error *err);
/** Which files the sources are, into @p hash; they are fetched where nothing else tells. Notes them
 *  for the provenance.
 *  @return 1, 0 where not all are such files, or an error */
WCOW_NODISCARD int wcow_build_add_remotes(struct wcow_build *b, const struct wcow_stage_state *s,
                                          const struct wcow_copy *copy, unsigned step,
                                          struct wcow_hash *hash, struct wcow_error *err);
void wcow_build_remotes_done(struct wcow_build *b);

/* build_git.c: commits of repositories that ADD names */
struct wcow_git_url;
/** Which commit @p source is, into @p hash: 1, or 0 where it is not known before it is fetched. Its
 *  repository is asked at most once, and not at all where a whole commit is named. */
WCOW_NODISCARD int wcow_build_add_commit(struct wcow_build *b, const struct wcow_stage_state *s,
                                         const struct wcow_copy *copy, const char *source,
                                         struct wcow_hash *hash, struct wcow_error *err);
/** Note what was fetched for the provenance. */
WCOW_NODISCARD int wcow_build_note_commit(struct wcow_build *b, const struct wcow_stage_state *s,
                                          const struct wcow_copy *copy, const char *source,
                                          const char *commit, struct wcow_error *err);
/** Fails as asking the repository has failed. */
WCOW_NODISCARD int wcow_build_check_repository(struct wcow_build *b, const struct wcow_git_url *url,
                                               struct wcow_error *err);
/** WCOW_E_PRECONDITION where the repository said another than @p commit. */
WCOW_NODISCARD int wcow_build_check_fetched(struct wcow_build *b, const struct wcow_git_url *url,
                                            const char *commit, struct wcow_error *err);
void wcow_build_commits_done(struct wcow_build *b);

/* build_export.c: the target's image, out */
/** What is wrong with --output and the names is said before anything is built. */
WCOW_NODISCARD int wcow_build_check_outputs(struct wcow_build *b, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_export(struct wcow_build *b, struct wcow_build_result *ret,
                                     struct wcow_error *err);

#endif
