/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/blob_tar.h"

#include <string.h>

#include "containerd/content.h"
#include "differ/peeked.h"

enum { MAX_RATIO = 1000 };

/* The tar on its way to the reader, hashed. */
struct hashing {
    struct wcow_source tar;
    struct wcow_hash *hash;
    uint64_t bytes;
    const struct wcow_backend *backend;
};

static int next_hashed(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct hashing *h = ctx;
    if (wcow_backend_is_cancelled(h->backend))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    int r = wcow_source_next(&h->tar, ret_data, ret_len, err);
    if (r == WCOW_OK && *ret_len) {
        wcow_hash_add(h->hash, *ret_data, *ret_len);
        h->bytes += *ret_len;
    }
    return r;
}

static int read_entries(const struct wcow_source *tar, wcow_blob_tar_fn fn, void *arg,
                        uint64_t *ret_n, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *entry = NULL;
    const uint8_t *data = NULL;
    size_t len = 1;
    int r = wcow_tar_reader_new(tar, NULL, &reader, err);
    *ret_n = 0;
    while (r >= 0 && (r = wcow_tar_reader_next(reader, &entry, err)) > 0) {
        (*ret_n)++;
        r = fn(arg, entry, reader, err);
    }
    while (r == WCOW_OK && len) /* its digest is that of all its bytes */
        r = wcow_tar_reader_trailer(reader, &data, &len, err);
    return r;
}

static int read_tar(struct wcow_decompressor *d, struct hashing *hashing, const char *diff_id,
                    wcow_blob_tar_fn fn, void *arg, struct wcow_layer_info *ret,
                    struct wcow_error *err)
{
    struct wcow_layer_info info = {0};
    const struct wcow_source tar = {.next = next_hashed, .ctx = hashing};
    hashing->tar = wcow_decompressor_source(d);
    int r = read_entries(&tar, fn, arg, &info.n_entries, err);
    if (r == WCOW_OK)
        r = wcow_hash_digest(hashing->hash, &info.diff_id, err);
    if (r < 0)
        return r;
    if (strcmp(info.diff_id.text, diff_id) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "the layer unpacks to %s, but its image says %s",
                         info.diff_id.text, diff_id);
    info.tar_bytes = hashing->bytes;
    *ret = info;
    return WCOW_OK;
}

int wcow_blob_tar_each(struct wcow_backend *b, const struct wcow_descriptor *blob,
                       const char *diff_id, wcow_blob_tar_fn fn, void *arg,
                       struct wcow_layer_info *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    enum wcow_compression compression = WCOW_COMPRESSION_NONE;
    bool detects = false;
    int r = wcow_compression_of_media_type(blob->media_type, &compression, &detects, err);
    if (r == WCOW_OK)
        r = wcow_content_reader_open(&b->ctx, b->content_root, blob->digest.text, blob->size_bytes,
                                     &reader, err);
    if (r < 0)
        return r;
    struct wcow_peeked peeked = {.bytes = wcow_content_reader_source(reader)};
    const struct wcow_source source = wcow_peeked_source(&peeked);
    r = detects ? wcow_peeked_compression(&peeked, &compression, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_decompressor_new(&source, compression, MAX_RATIO, &d, err);
    if (r == WCOW_OK)
        r = wcow_hash_new(&hash, err);
    struct hashing hashing = {.hash = hash, .backend = b};
    return r < 0 ? r : read_tar(d, &hashing, diff_id, fn, arg, ret, err);
}
