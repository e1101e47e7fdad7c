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
    bool unpack; /**< image */
    bool store;  /**< image: false only pushes */
};
void wcow_output_done(struct wcow_output *output);
/** "type=image,name=…,push=true", "type=registry,…", "type=oci,dest=FILE", "type=docker,…",
 *  "type=local,dest=DIR", "type=tar,dest=FILE", or the short form: DIR, or "-" for a tar.
 * WCOW_E_INVALID, WCOW_E_UNSUPPORTED say what is taken.
 */
WCOW_NODISCARD int wcow_output_parse(const char *text, struct wcow_output *ret,
                                     struct wcow_error *err);

/** A finished image, its layers in the content store. */
struct wcow_built_image {
    struct wcow_image_config *config; /**< complete */
    struct wcow_descriptor *layers;   /**< bottom first */
    size_t n_layers;
    struct wcow_str_map annotations;
    int64_t created_s;                   /**< of the record and archives */
    const struct wcow_local_image *base; /**< NULL: scratch */
    struct wcow_buf config_data;         /**< filled by wcow_output_store() */
    struct wcow_buf manifest_data;
    struct wcow_descriptor config_desc;
    struct wcow_descriptor manifest_desc;
};
void wcow_built_image_done(struct wcow_built_image *image);

/** Write config and manifest into the content store, with the labels that keep what they need. */
WCOW_NODISCARD int wcow_output_store(struct wcow_backend *b, struct wcow_built_image *image,
                                     unsigned step, struct wcow_error *err);
/** Make @p name (a reference, normalised) stand for the image. */
WCOW_NODISCARD int wcow_output_name(struct wcow_backend *b, const struct wcow_built_image *image,
                                    const char *name, unsigned step, struct wcow_error *err);
/** Push to the registry of @p name. */
WCOW_NODISCARD int wcow_output_push(struct wcow_backend *b, const struct wcow_built_image *image,
                                    const char *name, unsigned step, struct wcow_error *err);
/** Write an OCI layout with these names as a tar or a folder. A file appears only when complete. */
WCOW_NODISCARD int wcow_output_archive(struct wcow_backend *b, const struct wcow_built_image *image,
                                       const struct wcow_output *output,
                                       const struct wcow_str_list *names, unsigned step,
                                       struct wcow_error *err);

#endif
