/* SPDX-License-Identifier: Apache-2.0 */
/** @file image_source.h
 *  The documents and layers of an image that lies in an OCI layout: a folder, or a tar of one, as
 *  `docker save`, `skopeo copy` and `wcow build --output type=oci` write them; in an archive of
 *  Docker's own form; or of an image whose blobs containerd has. Every blob is checked against its
 *  digest. One thread. */
#ifndef WCOW_CLI_IMAGE_SOURCE_H
#define WCOW_CLI_IMAGE_SOURCE_H

#include "builder/backend.h"
#include "builder/images.h"
#include "cli/layer_tar.h"
#include "image/config.h"
#include "image/manifest.h"

/** A file of an archive that is known by no name but its digest. */
struct wcow_archive_file {
    struct wcow_digest digest;
    uint64_t offset;
    uint64_t size_bytes;
};

struct wcow_image_source {
    char *name;                      /**< as the user gave it */
    char *folder;                    /**< of the layout, or NULL */
    struct wcow_layer_tar *archive;  /**< of the layout, or NULL */
    struct wcow_entry_list *list;    /**< of the archive */
    struct wcow_archive_file *files; /**< of an archive in Docker's form */
    size_t n_files;
    struct wcow_backend *backend; /**< of containerd, or NULL; borrowed */
    struct wcow_descriptor entry; /**< of the manifest, with what index.json says of it */
    struct wcow_manifest manifest;
    struct wcow_image_config *config;
};
void wcow_image_source_done(struct wcow_image_source *source);
#define wcow_auto_image_source WCOW_CLEANUP(wcow_image_source_done) struct wcow_image_source

/** Whether @p text names an image in files: "oci-layout:PATH[:TAG]", "oci-archive:PATH[:TAG]",
 *  "docker-archive:PATH[:TAG]", or PATH[:TAG] where PATH is one of these. @p ret_path, @p ret_tag
 *  (may become NULL): caller frees. @return 1, 0, or an error */
WCOW_NODISCARD int wcow_image_layout_name(const char *text, char **ret_path, char **ret_tag,
                                          struct wcow_error *err);
/** @param tag of index.json's entry, NULL: the only one. WCOW_E_NOT_FOUND lists what there is. */
WCOW_NODISCARD int wcow_image_source_open(const char *path, const char *tag, const char *platform,
                                          struct wcow_image_source *ret, struct wcow_error *err);

/** Whether a tar is an image, not a layer. */
bool wcow_image_is_archive(struct wcow_layer_tar *tar);
/** The image in @p archive, which is taken. */
WCOW_NODISCARD int wcow_image_source_of_archive(struct wcow_layer_tar *archive, const char *tag,
                                                const char *platform, struct wcow_image_source *ret,
                                                struct wcow_error *err);

/** An image that containerd has, with all its blobs; takes the documents of @p image. */
WCOW_NODISCARD int wcow_image_source_of(struct wcow_backend *backend,
                                        struct wcow_local_image *image,
                                        struct wcow_image_source *ret, struct wcow_error *err);

/** What containerd has under the name, of whatever platforms: an index or one manifest, as below.
 */
WCOW_NODISCARD int wcow_image_source_of_all(struct wcow_backend *backend, const char *name,
                                            struct wcow_image_source *ret,
                                            struct wcow_index *ret_index, struct wcow_error *err);

/** The same as wcow_image_source_open(), but of an index only that: @p ret_index (zeroed) has what
 * it lists, and wcow_image_source_load() goes to one manifest of it after another. Of an image that
 *  is no index @p ret_index stays empty and the manifest is loaded. */
WCOW_NODISCARD int wcow_image_source_open_index(const char *path, const char *tag,
                                                struct wcow_image_source *ret,
                                                struct wcow_index *ret_index,
                                                struct wcow_error *err);
/** The manifest @p desc and its config take the place of those that were loaded. */
WCOW_NODISCARD int wcow_image_source_load(struct wcow_image_source *source,
                                          const struct wcow_descriptor *desc,
                                          struct wcow_error *err);

/* ---- image_blobs.c ---- */

/** A blob, layer or not, to be read. WCOW_E_NOT_FOUND, WCOW_E_DATA_LOSS (another digest). */
WCOW_NODISCARD int wcow_image_source_blob(const struct wcow_image_source *source,
                                          const struct wcow_descriptor *desc,
                                          struct wcow_layer_tar **ret, struct wcow_error *err);
/** Layer @p i of the manifest, the base is 0. */
WCOW_NODISCARD int wcow_image_source_layer(const struct wcow_image_source *source, size_t i,
                                           struct wcow_layer_tar **ret, struct wcow_error *err);
/** A small blob: a manifest, a config. */
WCOW_NODISCARD int wcow_image_source_document(const struct wcow_image_source *source,
                                              const struct wcow_descriptor *desc,
                                              struct wcow_buf *out, struct wcow_error *err);
/** index.json of a layout. */
WCOW_NODISCARD int wcow_image_source_top(const struct wcow_image_source *source,
                                         struct wcow_buf *out, struct wcow_error *err);

#endif
