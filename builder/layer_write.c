/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layer_write.h"

#include <string.h>

#include "layer/tar_writer.h"

struct writer {
    const struct wcow_layer_write *options;
    const struct wcow_sink *sink;
    struct wcow_buf header;
    uint64_t done;
};

static void clamp(uint64_t *time, uint64_t epoch)
{
    if (*time > epoch)
        *time = epoch;
}

static bool is_cancelled(const struct wcow_layer_write *options)
{
    return options->cancel && atomic_load(options->cancel);
}

static int cancelled(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
}

/* The entry as it goes into the tar: a later name of a hard link, times clamped. Borrows from the
 * node. */
static struct wcow_entry entry_of(const struct wcow_layer_write *options,
                                  const struct wcow_tree_node *node)
{
    struct wcow_entry e = node->entry;
    if (options->has_epoch && !node->is_below) {
        clamp(&e.mtime, options->epoch);
        clamp(&e.atime, options->epoch);
        clamp(&e.ctime, options->epoch);
        clamp(&e.creation, options->epoch);
    }
    if (!node->group || !wcow_link_group_first(node->group))
        return e;
    e.type = WCOW_ENTRY_HARDLINK;
    e.link = wcow_link_group_first(node->group);
    e.size_bytes = 0;
    e.sd = NULL;
    e.sd_len_bytes = 0;
    e.eas = NULL;
    e.n_eas = 0;
    e.has &= ~(uint32_t)WCOW_HAS_RAWSD;
    return e;
}

static void note_first(const struct wcow_tree_node *node)
{
    if (node->group && !wcow_link_group_first(node->group))
        wcow_link_group_set_first(node->group, node->entry.name);
}

/* ---- the tar ---- */

static int emit(struct writer *w, const void *data, size_t len, struct wcow_error *err)
{
    if (is_cancelled(w->options))
        return cancelled(err);
    w->done += len;
    return wcow_sink_write(w->sink, data, len, err);
}

/* One file's data on its way: counted against its size, and hashed for whoever remembers it. */
struct file_sink {
    struct writer *writer;
    const struct wcow_entry *entry;
    struct wcow_hash *hash;
    uint64_t count;
};

static int grown(const struct wcow_entry *entry, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "%s: the file changed while it was being read; build again", entry->name);
}

static int write_file_bytes(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct file_sink *f = ctx;
    if (len > f->entry->size_bytes - f->count)
        return grown(f->entry, err);
    f->count += len;
    if (f->hash)
        wcow_hash_add(f->hash, data, len);
    return emit(f->writer, data, len, err);
}

static int write_data(struct writer *w, const struct wcow_tree_node *node, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    bool learns = node->payload.ops && node->payload.ops->learned;
    int r = learns ? wcow_hash_new(&hash, err) : WCOW_OK;
    if (r < 0)
        return r;
    struct file_sink file = {.writer = w, .entry = &node->entry, .hash = hash};
    const struct wcow_sink sink = {.write = write_file_bytes, .ctx = &file};
    r = wcow_payload_send(&node->payload, &sink, err);
    if (r < 0)
        return r;
    if (file.count != node->entry.size_bytes)
        return grown(&node->entry, err);
    if (learns) {
        struct wcow_digest digest;
        r = wcow_hash_digest(hash, &digest, err);
        if (r < 0)
            return r;
        node->payload.ops->learned(node->payload.ctx, &digest);
    }
    static const uint8_t zeros[WCOW_TAR_BLOCK];
    size_t padding = wcow_tar_padding(node->entry.size_bytes);
    return padding ? emit(w, zeros, padding, err) : WCOW_OK;
}

static int write_node(void *arg, struct wcow_tree_node *node, struct wcow_error *err)
{
    struct writer *w = arg;
    const struct wcow_entry entry = entry_of(w->options, node);
    w->header.len = 0;
    int r = wcow_tar_write_header(&entry, &w->header, err);
    if (r == WCOW_OK)
        r = emit(w, w->header.data, w->header.len, err);
    if (r == WCOW_OK && entry.size_bytes > 0)
        r = write_data(w, node, err);
    note_first(node);
    if (w->options->progress)
        w->options->progress(w->options->progress_ctx, w->done);
    return r;
}

int wcow_layer_write(struct wcow_tree *tree, const struct wcow_layer_write *options,
                     const struct wcow_sink *sink, struct wcow_error *err)
{
    struct writer w = {.options = options, .sink = sink};
    wcow_tree_reset_groups(tree);
    int r = wcow_tree_each(tree, write_node, &w, err);
    if (r == WCOW_OK) {
        w.header.len = 0;
        r = wcow_tar_write_end(&w.header, err);
    }
    if (r == WCOW_OK)
        r = emit(&w, w.header.data, w.header.len, err);
    wcow_buf_done(&w.header);
    return r;
}

/* ---- the key ---- */

struct keyer {
    const struct wcow_layer_write *options;
    struct wcow_hash *hash;
    struct wcow_buf header;
    bool with_bytes;
};

static int add_node_key(void *arg, struct wcow_tree_node *node, struct wcow_error *err)
{
    struct keyer *k = arg;
    if (is_cancelled(k->options))
        return cancelled(err);
    struct wcow_entry entry = entry_of(k->options, node);
    note_first(node);
    bool is_ours = node->is_stamped || entry.mtime == k->options->now;
    if (is_ours || (!node->is_below && !k->options->has_epoch)) {
        entry.mtime = 0;
        entry.atime = 0;
        entry.ctime = 0;
        entry.creation = 0;
    }
    k->header.len = 0;
    int r = wcow_tar_write_header(&entry, &k->header, err);
    if (r < 0)
        return r;
    wcow_hash_add(k->hash, k->header.data, k->header.len);
    if (!k->with_bytes || entry.size_bytes == 0)
        return WCOW_OK;
    struct wcow_digest digest;
    r = wcow_payload_digest(&node->payload, &digest, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", node->entry.name);
    wcow_hash_add(k->hash, digest.text, WCOW_DIGEST_LEN);
    return WCOW_OK;
}

static int make_key(struct wcow_tree *tree, const struct wcow_layer_write *options, bool with_bytes,
                    struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    if (options->has_epoch) {
        uint8_t epoch[8];
        wcow_store_le64(epoch, options->epoch);
        wcow_hash_add(hash, epoch, sizeof(epoch));
    }
    struct keyer k = {.options = options, .hash = hash, .with_bytes = with_bytes};
    wcow_tree_reset_groups(tree);
    r = wcow_tree_each(tree, add_node_key, &k, err);
    wcow_buf_done(&k.header);
    return r < 0 ? r : wcow_hash_digest(hash, ret, err);
}

int wcow_layer_shape(struct wcow_tree *tree, const struct wcow_layer_write *options,
                     struct wcow_digest *ret, struct wcow_error *err)
{
    return make_key(tree, options, false, ret, err);
}

int wcow_layer_key(struct wcow_tree *tree, const struct wcow_layer_write *options,
                   struct wcow_digest *ret, struct wcow_error *err)
{
    return make_key(tree, options, true, ret, err);
}
