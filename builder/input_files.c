/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/input_files.h"

#include <string.h>
#include <unistd.h>

#include "builder/context.h"

enum {
    STAMP_BYTES = 5 * 8,
    BATCH_BYTES = 1600 * STAMP_BYTES, /* of notes, written and read at once */
};

/* A later name of a hard link is in the shape, and so is that there are no bytes. */
static bool has_bytes(const struct wcow_tree_shown *shown)
{
    return !shown->first_name && shown->entry.size_bytes > 0;
}

/* ---- by the tree ---- */

struct hashing {
    struct wcow_hash *hash;
    const atomic_bool *cancel;
};

static int add_file(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    const struct hashing *h = arg;
    struct wcow_digest digest;
    if (h->cancel && atomic_load(h->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    if (!has_bytes(shown))
        return WCOW_OK;
    int r = wcow_payload_digest(&shown->payload, &digest, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", shown->entry.name);
    wcow_hash_add(h->hash, digest.text, WCOW_DIGEST_LEN);
    return WCOW_OK;
}

int wcow_input_files_digest(struct wcow_tree *tree, const atomic_bool *cancel,
                            struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_hash_new(&hash, err);
    struct hashing h = {.hash = hash, .cancel = cancel};
    if (r == WCOW_OK)
        r = wcow_tree_each(tree, add_file, &h, err);
    return r < 0 ? r : wcow_hash_digest(hash, ret, err);
}

/* ---- notes ---- */

void wcow_noted_files_done(struct wcow_noted_files *noted)
{
    wcow_spool_free(WCOW_TAKE_PTR(noted->spool));
}

struct noting {
    struct wcow_spool *spool;
    struct wcow_hash *hash;
    struct wcow_buf waiting;
    bool is_complete;
};

static int flush(struct noting *n, struct wcow_error *err)
{
    size_t len = n->waiting.len;
    n->waiting.len = 0;
    if (len == 0)
        return WCOW_OK;
    wcow_hash_add(n->hash, n->waiting.data, len);
    return wcow_spool_add(n->spool, n->waiting.data, len, err);
}

static int note_file(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    struct noting *n = arg;
    struct wcow_file_stamp stamp;
    uint8_t bytes[STAMP_BYTES];
    if (!n->is_complete || !has_bytes(shown))
        return WCOW_OK;
    n->is_complete = wcow_context_payload_stamp(&shown->payload, &stamp);
    if (!n->is_complete)
        return WCOW_OK;
    wcow_store_le64(bytes, stamp.dev);
    wcow_store_le64(bytes + 8, stamp.ino);
    wcow_store_le64(bytes + 16, stamp.size_bytes);
    wcow_store_le64(bytes + 24, (uint64_t)stamp.mtime_ns);
    wcow_store_le64(bytes + 32, (uint64_t)stamp.ctime_ns);
    int r = wcow_buf_add(&n->waiting, bytes, sizeof(bytes), err);
    return r == WCOW_OK && n->waiting.len >= BATCH_BYTES ? flush(n, err) : r;
}

int wcow_input_files_note(struct wcow_tree *tree, struct wcow_noted_files *ret,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_spool_free_p) struct wcow_spool *spool = NULL;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_hash_new(&hash, err);
    if (r == WCOW_OK)
        r = wcow_spool_new(&spool, err);
    if (r == WCOW_OK)
        r = wcow_spool_begin(spool, err);
    if (r < 0)
        return r;
    struct noting n = {.spool = spool, .hash = hash, .is_complete = true};
    r = wcow_tree_each(tree, note_file, &n, err);
    if (r == WCOW_OK)
        r = flush(&n, err);
    wcow_buf_done(&n.waiting);
    if (r == WCOW_OK && n.is_complete)
        r = wcow_hash_digest(hash, &ret->digest, err);
    if (r < 0 || !n.is_complete)
        return r < 0 ? r : 0;
    ret->spool = WCOW_TAKE_PTR(spool);
    return 1;
}

static struct wcow_file_stamp load_stamp(const uint8_t *bytes)
{
    return (struct wcow_file_stamp){.dev = wcow_load_le64(bytes),
                                    .ino = wcow_load_le64(bytes + 8),
                                    .size_bytes = wcow_load_le64(bytes + 16),
                                    .mtime_ns = (int64_t)wcow_load_le64(bytes + 24),
                                    .ctime_ns = (int64_t)wcow_load_le64(bytes + 32)};
}

/* Up to a batch: less only at the end. */
static int read_batch(int fd, uint8_t *bytes, size_t *ret_len, struct wcow_error *err)
{
    size_t len = 0;
    while (len < BATCH_BYTES) {
        ssize_t n = read(fd, bytes + len, BATCH_BYTES - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read a temporary file");
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_len = len;
    return WCOW_OK;
}

static int add_noted(struct wcow_build_cache *cache, const uint8_t *bytes, size_t len,
                     struct wcow_hash *hash, bool *ret_all_known, struct wcow_error *err)
{
    for (size_t at = 0; at + STAMP_BYTES <= len; at += STAMP_BYTES) {
        struct wcow_file_stamp stamp = load_stamp(bytes + at);
        struct wcow_digest digest;
        int r = wcow_build_cache_file(cache, &stamp, &digest, err);
        if (r <= 0) {
            *ret_all_known = false;
            return r;
        }
        wcow_hash_add(hash, digest.text, WCOW_DIGEST_LEN);
    }
    return WCOW_OK;
}

int wcow_input_files_digest_noted(const struct wcow_noted_files *noted,
                                  struct wcow_build_cache *cache, struct wcow_digest *ret,
                                  struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    wcow_autofree uint8_t *bytes = malloc(BATCH_BYTES);
    size_t len = BATCH_BYTES;
    int fd = -1;
    int r = bytes ? wcow_hash_new(&hash, err)
                  : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a step's key");
    if (r == WCOW_OK)
        r = wcow_spool_rewind(noted->spool, &fd, err);
    bool all_known = true;
    while (r == WCOW_OK && all_known && len == BATCH_BYTES) {
        r = read_batch(fd, bytes, &len, err);
        if (r == WCOW_OK)
            r = add_noted(cache, bytes, len, hash, &all_known, err);
    }
    if (r == WCOW_OK && all_known)
        r = wcow_hash_digest(hash, ret, err);
    return r < 0 ? r : all_known;
}
