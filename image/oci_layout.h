/* SPDX-License-Identifier: Apache-2.0 */
/** @file oci_layout.h
 *  Write images as an OCI image layout: oci-layout, index.json, blobs/sha256/… (OCI image-spec
 *  v1.1, image-layout.md), into a directory or any other file container (a tar) behind
 *  `struct wcow_oci_output`; with Docker's manifest.json beside it, `docker load` reads it too. */
#ifndef WCOW_IMAGE_OCI_LAYOUT_H
#define WCOW_IMAGE_OCI_LAYOUT_H

#include "base/bytes.h"
#include "base/stream.h"
#include "image/descriptor.h"

/** Where the layout's files go. The writer calls from one thread, each path once. */
struct wcow_oci_output {
    /** A directory, parents first: "blobs", "blobs/sha256". NULL where the container needs none. */
    int (*add_directory)(void *ctx, const char *path, struct wcow_error *err);
    /** A file of exactly @p size_bytes; the callee reads @p source to its end. It must not keep
     *  the file when the source fails. */
    int (*add_file)(void *ctx, const char *path, uint64_t size_bytes,
                    const struct wcow_source *source, struct wcow_error *err);
    void *ctx;
};

/** A layout being written. */
struct wcow_oci_writer;

/** @p output is copied; what its ctx points to must outlive the writer. */
WCOW_NODISCARD int wcow_oci_writer_new(const struct wcow_oci_output *output,
                                       struct wcow_oci_writer **ret, struct wcow_error *err);
/** Add one blob; size and digest are checked while it passes (WCOW_E_DATA_LOSS). One that is
 *  there already is skipped, and @p source not read. */
WCOW_NODISCARD int wcow_oci_writer_add_blob(struct wcow_oci_writer *writer, const char *digest,
                                            uint64_t size_bytes, const struct wcow_source *source,
                                            struct wcow_error *err);
/** Add a blob from memory (config, manifest, index). */
WCOW_NODISCARD int wcow_oci_writer_add_bytes(struct wcow_oci_writer *writer, const void *data,
                                             size_t len, struct wcow_digest *ret,
                                             struct wcow_error *err);
/** Whether the blob was added already. */
bool wcow_oci_writer_has(const struct wcow_oci_writer *writer, const char *digest);
/** Write Docker's manifest.json for one image whose blobs are in the layout.
 *  @param repo_tags  names as `docker load` shows them, such as "nanoserver:ltsc2022"; may be NULL
 */
WCOW_NODISCARD int wcow_oci_writer_add_docker_manifest(struct wcow_oci_writer *writer,
                                                       const struct wcow_str_list *repo_tags,
                                                       const char *config_digest,
                                                       const struct wcow_str_list *layer_digests,
                                                       struct wcow_error *err);
/** Write index.json with these entries (their annotations, as
 *  "org.opencontainers.image.ref.name" and "io.containerd.image.name", stand in the descriptors)
 *  and oci-layout. Nothing may be added after it. */
WCOW_NODISCARD int wcow_oci_writer_finish(struct wcow_oci_writer *writer,
                                          const struct wcow_descriptor *manifests, size_t count,
                                          struct wcow_error *err);
void wcow_oci_writer_free(struct wcow_oci_writer *writer);
WCOW_DEFINE_CLEANUP(struct wcow_oci_writer, wcow_oci_writer_free)

/** Output into a directory, made when absent (mode 0755); each file is written under a temporary
 *  name, synced and renamed. */
struct wcow_oci_directory;
WCOW_NODISCARD int wcow_oci_directory_open(const char *path, struct wcow_oci_directory **ret,
                                           struct wcow_error *err);
/** The output to hand to wcow_oci_writer_new(). */
struct wcow_oci_output wcow_oci_directory_output(struct wcow_oci_directory *directory);
void wcow_oci_directory_free(struct wcow_oci_directory *directory);
WCOW_DEFINE_CLEANUP(struct wcow_oci_directory, wcow_oci_directory_free)

/** A source over bytes in memory; false `given` starts anew. */
struct wcow_bytes_source {
    const void *data;
    size_t len;
    bool given;
};
struct wcow_source wcow_bytes_source(struct wcow_bytes_source *bytes);

#endif
