/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layer_write.h"

#include "layer/tar_writer.h"

/* What goes into a key. */
struct keyer {
    const struct wcow_layer_write *options;
    struct wcow_hash *hash;
    struct wcow_buf header;
    bool with_bytes;
};

struct writer {
    const struct wcow_layer_write *options;
    const struct wcow_sink *sink;
    struct wcow_buf header;
    uint64_t done;
    struct keyer *key; /* made on the way; or NULL */
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

/* The entry as it goes into the tar: a later name of a hard link, times clamped. Borrows from what
 * is shown. */
static struct wcow_entry entry_of(const struct wcow_layer_write *options,
                                  const struct wcow_tree_shown *shown)
{
    struct wcow_entry e = shown->entry;
    if (options->has_epoch && !shown->is_below) {
        clamp(&e.mtime, options->epoch);
        clamp(&e.atime, options->epoch);
        clamp(&e.ctime, options->epoch);
        clamp(&e.creation, options->epoch);
    }
    if (!shown->first_name)
        return e;
    e.type = WCOW_ENTRY_HARDLINK;
    e.link = shown->first_name;
    e.size_bytes = 0;
    e.sd = NULL;
    e.sd_len_bytes = 0;
    e.eas = NULL;
    e.n_eas = 0;
    e.has &= ~(uint32_t)WCOW_HAS_RAWSD;
    return e;
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

/* @p ret: of the bytes, where somebody remembers it; "" otherwise. */
static int write_data(struct writer *w, const struct wcow_tree_shown *shown,
                      struct wcow_digest *ret, struct wcow_error *err)
{
    const struct wcow_payload *payload = &shown->payload;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    bool learns = payload->ops && payload->ops->learned;
    *ret = (struct wcow_digest){0};
    int r = learns ? wcow_hash_new(&hash, err) : WCOW_OK;
    if (r < 0)
        return r;
    struct file_sink file = {.writer = w, .entry = &shown->entry, .hash = hash};
    const struct wcow_sink sink = {.write = write_file_bytes, .ctx = &file};
    r = wcow_payload_send(payload, &sink, err);
    if (r < 0)
        return r;
    if (file.count != shown->entry.size_bytes)
        return grown(&shown->entry, err);
    if (learns) {
        r = wcow_hash_digest(hash, ret, err);
        if (r < 0)
            return r;
        payload->ops->learned(payload->ctx, ret);
    }
    static const uint8_t zeros[WCOW_TAR_BLOCK];
    size_t padding = wcow_tar_padding(shown->entry.size_bytes);
    return padding ? emit(w, zeros, padding, err) : WCOW_OK;
}

/* ---- the key ---- */

static int add_header_key(struct keyer *k, const struct wcow_tree_shown *shown,
                          struct wcow_error *err)
{
    struct wcow_entry entry = entry_of(k->options, shown);
    bool is_ours = shown->is_stamped || entry.mtime == k->options->now;
    if (is_ours || (!shown->is_below && !k->options->has_epoch)) {
        entry.mtime = 0;
        entry.atime = 0;
        entry.ctime = 0;
        entry.creation = 0;
    }
    k->header.len = 0;
    int r = wcow_tar_write_header(&entry, &k->header, err);
    if (r == WCOW_OK)
        wcow_hash_add(k->hash, k->header.data, k->header.len);
    return r;
}

/* @p known: of its bytes, or "". */
static int add_bytes_key(struct keyer *k, const struct wcow_tree_shown *shown,
                         const struct wcow_digest *known, struct wcow_error *err)
{
    struct wcow_digest digest = *known;
    if (shown->first_name || shown->entry.size_bytes == 0)
        return WCOW_OK;
    int r = digest.text[0] ? WCOW_OK : wcow_payload_digest(&shown->payload, &digest, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", shown->entry.name);
    wcow_hash_add(k->hash, digest.text, WCOW_DIGEST_LEN);
    return WCOW_OK;
}

static int add_node_key(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    static const struct wcow_digest unknown;
    struct keyer *k = arg;
    if (is_cancelled(k->options))
        return cancelled(err);
    int r = add_header_key(k, shown, err);
    return r < 0 || !k->with_bytes ? r : add_bytes_key(k, shown, &unknown, err);
}

static int begin_key(struct keyer *k, struct wcow_error *err)
{
    int r = wcow_hash_new(&k->hash, err);
    if (r < 0 || !k->options->has_epoch)
        return r;
    uint8_t epoch[8];
    wcow_store_le64(epoch, k->options->epoch);
    wcow_hash_add(k->hash, epoch, sizeof(epoch));
    return WCOW_OK;
}

static void keyer_done(struct keyer *k)
{
    wcow_hash_free(k->hash);
    wcow_buf_done(&k->header);
}

static int make_key(struct wcow_tree *tree, const struct wcow_layer_write *options, bool with_bytes,
                    struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(keyer_done) struct keyer k = {.options = options, .with_bytes = with_bytes};
    int r = begin_key(&k, err);
    if (r == WCOW_OK)
        r = wcow_tree_each(tree, add_node_key, &k, err);
    return r < 0 ? r : wcow_hash_digest(k.hash, ret, err);
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

/* ---- both at once ---- */

static int write_node(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    struct writer *w = arg;
    const struct wcow_entry entry = entry_of(w->options, shown);
    struct wcow_digest digest = {0};
    w->header.len = 0;
    int r = wcow_tar_write_header(&entry, &w->header, err);
    if (r == WCOW_OK)
        r = emit(w, w->header.data, w->header.len, err);
    if (r == WCOW_OK && entry.size_bytes > 0)
        r = write_data(w, shown, &digest, err);
    /* A layer is as good without a key: it is only not found the next time. */
    if (r == WCOW_OK && w->key &&
        (add_header_key(w->key, shown, NULL) < 0 ||
         add_bytes_key(w->key, shown, &digest, NULL) < 0))
        w->key = NULL;
    if (w->options->progress)
        w->options->progress(w->options->progress_ctx, w->done);
    return r;
}

static int write_all(struct writer *w, struct wcow_tree *tree, struct wcow_error *err)
{
    int r = wcow_tree_each(tree, write_node, w, err);
    w->header.len = 0;
    if (r == WCOW_OK)
        r = wcow_tar_write_end(&w->header, err);
    return r < 0 ? r : emit(w, w->header.data, w->header.len, err);
}

int wcow_layer_write(struct wcow_tree *tree, const struct wcow_layer_write *options,
                     const struct wcow_sink *sink, struct wcow_digest *ret_key,
                     struct wcow_error *err)
{
    WCOW_CLEANUP(keyer_done) struct keyer k = {.options = options, .with_bytes = true};
    struct writer w = {.options = options, .sink = sink, .key = ret_key ? &k : NULL};
    if (w.key && begin_key(&k, NULL) < 0)
        w.key = NULL;
    int r = write_all(&w, tree, err);
    wcow_buf_done(&w.header);
    if (r == WCOW_OK && ret_key)
        *ret_key = (struct wcow_digest){0};
    if (r == WCOW_OK && w.key)
        (void)!wcow_hash_digest(k.hash, ret_key, NULL);
    return r;
}
