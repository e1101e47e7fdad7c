/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/push_blobs.h"

#include <stdlib.h>

#include "builder/in_turn.h"
#include "containerd/content.h"

enum { PARALLEL_PUSHES = 4 };

struct pushing {
    struct wcow_backend *backend;
    const struct wcow_reference *ref;
    const struct wcow_descriptor *descs;
    const struct wcow_str_list *mount_from;
    unsigned step;
};

/* ---- one layer ---- */

struct blob {
    struct pushing *pushing;
    const struct wcow_descriptor *desc;
    struct wcow_content_reader *reader;
    struct wcow_source whole;
    uint64_t skip; /* bytes still to be passed over */
};

static int next_chunk(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct blob *blob = ctx;
    for (;;) {
        int r = wcow_source_next(&blob->whole, ret_data, ret_len, err);
        if (r < 0 || *ret_len == 0 || blob->skip == 0)
            return r;
        if (*ret_len > blob->skip) {
            *ret_data += blob->skip;
            *ret_len -= (size_t)blob->skip;
            blob->skip = 0;
            return WCOW_OK;
        }
        blob->skip -= *ret_len;
    }
}

static void close_blob(void *ctx)
{
    struct blob *blob = ctx;
    wcow_content_reader_free(WCOW_TAKE_PTR(blob->reader));
}

static int open_blob(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    struct blob *blob = ctx;
    const struct wcow_backend *b = blob->pushing->backend;
    /* Only now are its bytes needed. */
    int r = wcow_blob_fetch(blob->pushing->backend, blob->desc, blob->pushing->step, err);
    if (r == WCOW_OK)
        r = wcow_content_reader_open(&b->ctx, b->content_root, blob->desc->digest.text,
                                     blob->desc->size_bytes, &blob->reader, err);
    if (r < 0)
        return r;
    blob->whole = wcow_content_reader_source(blob->reader);
    blob->skip = offset;
    *ret = (struct wcow_source){.next = next_chunk, .ctx = blob};
    return WCOW_OK;
}

static void show_push(void *ctx, uint64_t done, uint64_t total)
{
    const struct blob *blob = ctx;
    wcow_progress_status(blob->pushing->backend->progress, blob->pushing->step,
                         blob->desc->digest.text, done, total, false);
}

/* Where it may be mounted from: where it is known to be, then where the caller says. */
static int mounts_of(const struct pushing *p, const struct wcow_descriptor *desc,
                     struct wcow_str_list *ret, struct wcow_error *err)
{
    int r = wcow_blobs_repositories(p->backend->blobs, desc->digest.text, p->ref->host, ret, err);
    for (size_t i = 0; p->mount_from && r == WCOW_OK && i < p->mount_from->count; i++)
        r = wcow_str_list_add(ret, p->mount_from->items[i], err);
    return r;
}

static int push_layer(struct pushing *p, const struct wcow_descriptor *desc, struct wcow_error *err)
{
    struct blob blob = {.pushing = p, .desc = desc};
    wcow_auto_str_list mount_from = {0};
    const struct wcow_blob_reader reader = {.open = open_blob, .close = close_blob, .ctx = &blob};
    const struct wcow_transfer transfer = {.progress = show_push, .ctx = &blob};
    const struct wcow_blob_push push = {
        .desc = desc, .reader = &reader, .mount_from = &mount_from, .transfer = &transfer};
    if (wcow_media_is_foreign(desc->media_type) && !p->backend->push_foreign)
        return WCOW_OK; /* whoever pulls has it from its own place */
    int r = mounts_of(p, desc, &mount_from, err);
    if (r == WCOW_OK)
        r = wcow_registry_push_blob(p->backend->registry, p->ref, &push, NULL, err);
    if (r == WCOW_OK)
        wcow_progress_status(p->backend->progress, p->step, desc->digest.text, desc->size_bytes,
                             desc->size_bytes, true);
    /* Whence the next name on this registry can have it. */
    if (r == WCOW_OK)
        r = wcow_blobs_add_remote(p->backend->blobs, desc, p->ref, err);
    if (r == WCOW_E_NOT_FOUND)
        return wcow_error_wrap(r, err,
                               "layer %s is not in containerd any more; pull its image anew",
                               desc->digest.text);
    return r;
}

/* ---- all of them ---- */

static int push_one(void *ctx, size_t i, struct wcow_error *err)
{
    struct pushing *p = ctx;
    return push_layer(p, &p->descs[i], err);
}

int wcow_blobs_push(struct wcow_backend *b, const struct wcow_reference *ref,
                    const struct wcow_descriptor *descs, size_t n,
                    const struct wcow_str_list *mount_from, unsigned step, struct wcow_error *err)
{
    struct pushing p = {
        .backend = b, .ref = ref, .descs = descs, .mount_from = mount_from, .step = step};
    const struct wcow_in_turn work = {
        .one = push_one, .ctx = &p, .n = n, .n_threads = PARALLEL_PUSHES};
    return wcow_in_turn(&work, err);
}
