/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_index.h
 *  layer.db, the index of one layer: a row for each tar entry, everything Windows that Linux cannot
 *  hold, and the header bytes needed to write the same tar again. docs/layer-format.md documents
 * the schema for people with a sqlite3 shell.
 *
 *  A finished index is immutable: written as layer.db.tmp, synced if asked, renamed. */
#ifndef WCOW_STORE_LAYER_INDEX_H
#define WCOW_STORE_LAYER_INDEX_H

#include "base/digest.h"
#include "layer/entry.h"
#include "layer/view.h"

/** The blob that a layer was unpacked from. */
struct wcow_layer_origin {
    struct wcow_digest blob; /**< "": not known */
    uint64_t bytes;
    char compression[8]; /**< "none", "gzip", "zstd" */
};

/** What the index says of the layer as a whole. */
struct wcow_layer_info {
    struct wcow_digest diff_id; /**< of the tar it came from; "" where it came from no tar */
    uint64_t tar_bytes;         /**< size of that tar, what follows its end included */
    uint64_t n_entries;
    struct wcow_layer_origin origin;
};

/* ---- writing: one thread ---- */
struct wcow_layer_index_writer;

/** Start layer.db.tmp in @p layer_fd (borrowed, must outlive the writer). An older .tmp is removed.
 */
WCOW_NODISCARD int wcow_layer_index_create(int layer_fd, struct wcow_layer_index_writer **ret,
                                           struct wcow_error *err);

/** How an entry is kept. */
struct wcow_index_row {
    const struct wcow_entry *entry;
    const char *key; /**< the entry's search key; writing: NULL to have it made from the name */
    const char *host_path; /**< path below the layer folder where its data is; NULL: entry->name */
    struct wcow_bytes inlined; /**< the data itself, for streams and files that have no host file */
    bool is_inlined;
    uint64_t segment_len; /**< header bytes, see wcow_layer_index_add_headers(); 0: the header is
                               the canonical one of layer/tar_writer.h */
    /** No entry of the tar, but a directory that what is in it needs: found by name and among
     *  children, not given by wcow_layer_index_each(), so that the tar leaves without it. */
    bool is_implied;
};
WCOW_NODISCARD int wcow_layer_index_add(struct wcow_layer_index_writer *w,
                                        const struct wcow_index_row *row, struct wcow_error *err);

/** Append a compressed chunk of the concatenated segments (the trailer's bytes too).
 *  @param codec "zstd" or "none"; the store does not look inside. */
WCOW_NODISCARD int wcow_layer_index_add_headers(struct wcow_layer_index_writer *w,
                                                const char *codec, uint64_t raw_len,
                                                const void *data, size_t len,
                                                struct wcow_error *err);

/** Make it visible as layer.db. WCOW_E_EXISTS where there is one already. On error the .tmp is
 * gone. Frees @p w in any case. */
WCOW_NODISCARD int wcow_layer_index_finish(struct wcow_layer_index_writer *w,
                                           const struct wcow_layer_info *info, bool sync,
                                           struct wcow_error *err);
/** Give up: removes the .tmp. NULL allowed. */
void wcow_layer_index_abort(struct wcow_layer_index_writer *w);
WCOW_DEFINE_CLEANUP(struct wcow_layer_index_writer, wcow_layer_index_abort)

/* ---- reading: one thread a handle ---- */
struct wcow_layer_index;

/** WCOW_E_NOT_FOUND without layer.db; WCOW_E_CORRUPT; WCOW_E_UNSUPPORTED for a newer schema. */
WCOW_NODISCARD int wcow_layer_index_open(int layer_fd, struct wcow_layer_index **ret,
                                         struct wcow_error *err);
void wcow_layer_index_close(struct wcow_layer_index *index);
WCOW_DEFINE_CLEANUP(struct wcow_layer_index, wcow_layer_index_close)

const struct wcow_layer_info *wcow_layer_index_info(const struct wcow_layer_index *index);

/** Each row in the tar's order; everything given is borrowed for the call. Return < 0 to stop. */
typedef int (*wcow_index_row_fn)(void *arg, const struct wcow_index_row *row,
                                 struct wcow_error *err);
WCOW_NODISCARD int wcow_layer_index_each(struct wcow_layer_index *index, wcow_index_row_fn fn,
                                         void *arg, struct wcow_error *err);

/** Chunk @p n (from 0) of the header bytes; @p fn is called once. 1, or 0 behind the last. */
typedef int (*wcow_index_headers_fn)(void *arg, const char *codec, uint64_t raw_len,
                                     struct wcow_bytes data, struct wcow_error *err);
WCOW_NODISCARD int wcow_layer_index_headers(struct wcow_layer_index *index, uint64_t n,
                                            wcow_index_headers_fn fn, void *arg,
                                            struct wcow_error *err);

/** Streams of one file ("FILES/A.TXT"), in order, as rows. */
WCOW_NODISCARD int wcow_layer_index_streams(struct wcow_layer_index *index, const char *file_key,
                                            wcow_index_row_fn fn, void *arg,
                                            struct wcow_error *err);

/** The row (where its data is) of one name by key; 1 found, 0 not. @p fn is called once. */
WCOW_NODISCARD int wcow_layer_index_row(struct wcow_layer_index *index, const char *key,
                                        wcow_index_row_fn fn, void *arg, struct wcow_error *err);

/** The path on disk of the entry of that key, whiteouts included, without reading all of its row;
 *  1 found (*ret: caller frees), 0 not. */
WCOW_NODISCARD int wcow_layer_index_host_path(struct wcow_layer_index *index, const char *key,
                                              char **ret, struct wcow_error *err);

/** The index as a layer of a chain; borrows @p index. */
struct wcow_layer_view wcow_layer_index_view(struct wcow_layer_index *index);

#endif
