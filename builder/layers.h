/* SPDX-License-Identifier: Apache-2.0 */
/** @file layers.h
 *  The layers of a stage: those of its base, known by their indexes, and those that its own steps
 *  made, known by their trees. Together a chain to look names up in and to copy files from. */
#ifndef WCOW_BUILDER_LAYERS_H
#define WCOW_BUILDER_LAYERS_H

#include <pthread.h>

#include "builder/payload.h"
#include "builder/taken.h"
#include "builder/tree.h"
#include "layer/view.h"
#include "store/layer_index.h"

/** Who has the bytes of a layer that is known by its names alone. Both are asked with the lock of
 *  the source held. */
struct wcow_layer_keeper {
    /** 1 and the folder of layer @p number, which stays; 0 where it is not unpacked. */
    int (*folder)(void *ctx, size_t number, unsigned step, const char **ret,
                  struct wcow_error *err);
    /** Take what is wanted of layer @p number out of its blob. */
    int (*take)(void *ctx, size_t number, unsigned step, struct wcow_taken *taken,
                struct wcow_error *err);
    void *ctx;
    size_t number;
    unsigned step; /**< that shows what it does */
};

/** One layer: a tree, or an index with its folder. */
struct wcow_layer_source {
    struct wcow_tree *tree;
    struct wcow_layer_index *index;
    int layer_fd; /**< folder of the index; -1 without one */
    /** Asked when the bytes of the first file are read; `take` is NULL where layer_fd has them. */
    struct wcow_layer_keeper keeper;
    struct wcow_taken taken;            /**< what files of it are wanted, and those it gave */
    struct wcow_layer_source *unpacked; /**< its folder, where it gave that */
    /** Held while a payload looks up its bytes: it may have gone into the tree of a stage that
     *  several others copy from. Names are looked up by the source's own thread. */
    pthread_mutex_t lock;
};
/** Frees what it owns and itself. NULL allowed. */
void wcow_layer_source_free(struct wcow_layer_source *source);
WCOW_DEFINE_CLEANUP(struct wcow_layer_source, wcow_layer_source_free)

/** The folder of a layer on disk. */
WCOW_NODISCARD int wcow_layer_source_open(const char *folder, struct wcow_layer_source **ret,
                                          struct wcow_error *err);
/** The same of an open folder, which is taken; @p name is for messages. */
WCOW_NODISCARD int wcow_layer_source_of_folder(int folder_fd, const char *name,
                                               struct wcow_layer_source **ret,
                                               struct wcow_error *err);
/** Another handle on the same layer, for another thread. A tree is only read by now and shared:
 *  then there is none, and this must not be asked for. */
WCOW_NODISCARD int wcow_layer_source_reopen(const struct wcow_layer_source *source,
                                            struct wcow_layer_source **ret, struct wcow_error *err);
/** Takes the tree. */
WCOW_NODISCARD int wcow_layer_source_of_tree(struct wcow_tree *tree, struct wcow_layer_source **ret,
                                             struct wcow_error *err);

/** Borrowed sources, bottom first. Zero-initialise. */
struct wcow_layers {
    struct wcow_layer_source **sources;
    struct wcow_layer_view *views; /**< nearest first */
    size_t n;
    bool is_foreign; /**< of another system: their files have no rights that mean something here */
};
WCOW_NODISCARD int wcow_layers_push(struct wcow_layers *layers, struct wcow_layer_source *source,
                                    struct wcow_error *err);
void wcow_layers_done(struct wcow_layers *layers);
struct wcow_chain wcow_layers_chain(const struct wcow_layers *layers);

/** A name resolved: its entry, with a hard link's taken from the file that it names, and where the
 *  bytes are. */
struct wcow_layers_found {
    struct wcow_entry entry;
    struct wcow_layer_source *source; /**< of the bytes */
    char *data_key;                   /**< of the name that carries the bytes */
};
void wcow_layers_found_done(struct wcow_layers_found *found);
/** 1, 0 or an error. */
WCOW_NODISCARD int wcow_layers_find(const struct wcow_layers *layers, const char *path,
                                    struct wcow_layers_found *ret, struct wcow_error *err);

/** The bytes of a file; the source must outlive the payload. */
WCOW_NODISCARD int wcow_layers_payload(const struct wcow_layers_found *found,
                                       struct wcow_payload *ret, struct wcow_error *err);
/** What tells the names of one file from those of others, in this process: equal for all its hard
 *  links. The caller frees. */
WCOW_NODISCARD int wcow_layers_identity(const struct wcow_layers_found *found, char **ret,
                                        struct wcow_error *err);
/** Each alternate data stream of a file or directory: name after the colon, its entry, its bytes
 *  (both to be taken). */
typedef int (*wcow_layers_stream_fn)(void *arg, const char *stream, struct wcow_entry *entry,
                                     struct wcow_payload *payload, struct wcow_error *err);
WCOW_NODISCARD int wcow_layers_streams(const struct wcow_layers_found *found,
                                       wcow_layers_stream_fn fn, void *arg, struct wcow_error *err);

#endif
