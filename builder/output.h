/* SPDX-License-Identifier: Apache-2.0 */
/** @file output.h
 *  Where an image goes: containerd's image store, a registry, an OCI archive. */
#ifndef WCOW_BUILDER_OUTPUT_H
#define WCOW_BUILDER_OUTPUT_H

#include "builder/backend.h"
#include "builder/images.h"
#include "image/config.h"
#include "image/manifest.h"

enum wcow_output_type {
    WCOW_OUTPUT_IMAGE,  /**< containerd's image store */
    WCOW_OUTPUT_OCI,    /**< a tar with an OCI layout */
    WCOW_OUTPUT_DOCKER, /**< the same, as `docker load` reads it */
    WCOW_OUTPUT_LOCAL,  /**< the files of the image in a folder */
    WCOW_OUTPUT_TAR,    /**< the same as a tar */
};

/** One --output. Zero-initialise; release with wcow_output_done(). */
struct wcow_output {
    enum wcow_output_type type;
    char *name;  /**< image: further names, "," between; NULL */
    char *dest;  /**< a file, "-" for standard output; local: a folder */
    bool is_tar; /**< oci: false writes a folder */
    bool push;   /**< image */
    bool push_by_digest;
    bool unpack;         /**< image */
    bool store;          /**< image: false only pushes */
    bool platform_split; /**< local, tar: a folder a platform where there are several */
    struct wcow_str_list annotations; /**< as --annotation has them */
};
void wcow_output_done(struct wcow_output *output);
/** "type=image,name=…,push=true", "type=registry,…", "type=oci,dest=FILE", "type=docker,…",
 *  "type=local,dest=DIR", "type=tar,dest=FILE", or the short form: DIR, or "-" for a tar. What
 *  BuildKit's exporters also take and is always so here (gzip, OCI's media types, times rewritten)
 *  is accepted as far as it asks for that.
 * WCOW_E_INVALID, WCOW_E_UNSUPPORTED say what is taken.
 */
WCOW_NODISCARD int wcow_output_parse(const char *text, struct wcow_output *ret,
                                     struct wcow_error *err);

/** A finished image of one platform, its layers in the content store. */
struct wcow_built_image {
    struct wcow_image_config *config; /**< complete; borrowed */
    struct wcow_descriptor *layers;   /**< bottom first; borrowed */
    size_t n_layers;
    struct wcow_str_map annotations;            /**< of the manifest */
    struct wcow_str_map descriptor_annotations; /**< of its descriptor in an index */
    const struct wcow_local_image *base;        /**< NULL: scratch */
    struct wcow_descriptor config_desc;         /**< filled by wcow_output_store_image(), */
    struct wcow_descriptor manifest_desc;       /**< with the platform */
    struct wcow_buf statement;               /**< in-toto; empty: there is none, or it is stored */
    struct wcow_bytes stored_statement;      /**< then: in the documents */
    const char *predicate_type;              /**< of the statement */
    struct wcow_descriptor attestation_desc; /**< of its manifest */
};

/** A document of the result: what is written besides layers. */
struct wcow_document {
    struct wcow_descriptor desc;
    struct wcow_buf data;
    struct wcow_labels labels; /**< in the content store: they keep what it refers to */
};

/** What a build came to: an image, or an index of several. Zero-initialise. */
struct wcow_built {
    struct wcow_built_image *images; /**< owned; one a platform */
    size_t n_images;
    bool is_index;
    struct wcow_str_map index_annotations;
    struct wcow_str_map index_descriptor_annotations;
    int64_t created_s;               /**< of the records and archives */
    struct wcow_document *documents; /**< each behind those that it refers to */
    size_t n_documents;
    size_t n_written;              /**< of them: in the content store */
    struct wcow_descriptor target; /**< what the names stand for: the index, or the manifest */
};
void wcow_built_done(struct wcow_built *built);

/* output_store.c: documents, and the content store */
/** Config and manifest of one image: among the documents. */
WCOW_NODISCARD int wcow_output_add_image(struct wcow_backend *b, struct wcow_built *built,
                                         struct wcow_built_image *image, unsigned step,
                                         struct wcow_error *err);
/** The manifest that carries the image's statement, as BuildKit attaches it. */
WCOW_NODISCARD int wcow_output_add_statement(struct wcow_backend *b, struct wcow_built *built,
                                             struct wcow_built_image *image, unsigned step,
                                             struct wcow_error *err);
/** The index where there is one, and the target. After all images. */
WCOW_NODISCARD int wcow_output_add_target(struct wcow_backend *b, struct wcow_built *built,
                                          unsigned step, struct wcow_error *err);
/** Whether @p name stands for the target already, and all of it is in the content store: then
 *  there is nothing to write. */
bool wcow_output_is_current(struct wcow_backend *b, const struct wcow_built *built,
                            const char *name);
/** The documents into the content store, those that are not there yet. */
WCOW_NODISCARD int wcow_output_store(struct wcow_backend *b, struct wcow_built *built,
                                     struct wcow_error *err);
/** Make @p name (a reference, normalised) stand for the target. */
WCOW_NODISCARD int wcow_output_name(struct wcow_backend *b, const struct wcow_built *built,
                                    const char *name, unsigned step, struct wcow_error *err);

/** Push to the registry of @p name. @p by_digest: under no tag. */
WCOW_NODISCARD int wcow_output_push(struct wcow_backend *b, const struct wcow_built *built,
                                    const char *name, bool by_digest, unsigned step,
                                    struct wcow_error *err);
/** Write an OCI layout with these names as a tar or a folder. A file appears only when complete. */
WCOW_NODISCARD int wcow_output_archive(struct wcow_backend *b, const struct wcow_built *built,
                                       const struct wcow_output *output,
                                       const struct wcow_str_list *names, unsigned step,
                                       struct wcow_error *err);

#endif
