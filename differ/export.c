/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/export.h"

#include <string.h>

#include "differ/headers.h"
#include "differ/tar_out.h"
#include "layer/tar_reader.h"
#include "layer/tar_writer.h"
#include "store/layer_index.h"

enum { MAX_SPARSE_HEADER = 64 << 20 };

struct exporter {
    int folder_fd;
    struct wcow_tar_out out;
    struct wcow_layer_index *index;
    uint64_t next_chunk;
    struct wcow_buf raw; /* the chunk of header bytes being used */
    size_t raw_used;
    bool is_canonical; /* from no tar: headers are made, not kept */
    bool keeps;        /* header bytes are kept as well: */
    struct wcow_buf kept;
};

static int take_chunk(void *arg, const char *codec, uint64_t raw_len, struct wcow_bytes data,
                      struct wcow_error *err)
{
    struct exporter *x = arg;
    x->raw.len = x->raw_used = 0;
    return wcow_header_unpack(codec, raw_len, data, &x->raw, err);
}

/* Have header bytes ready: 1, or 0 at their end. */
static int refill(struct exporter *x, struct wcow_error *err)
{
    int r = 1;
    while (r > 0 && x->raw_used == x->raw.len)
        r = wcow_layer_index_headers(x->index, x->next_chunk++, take_chunk, x, err);
    return r;
}

static int write_headers(struct exporter *x, uint64_t len, struct wcow_error *err)
{
    while (len) {
        int r = refill(x, err);
        if (r < 0)
            return r;
        if (r == 0)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: header bytes are missing");
        size_t n = x->raw.len - x->raw_used;
        if (n > len)
            n = (size_t)len;
        r = wcow_tar_out_write(&x->out, x->raw.data + x->raw_used, n, err);
        if (r == WCOW_OK && x->keeps)
            r = wcow_buf_add(&x->kept, x->raw.data + x->raw_used, n, err);
        if (r < 0)
            return r;
        x->raw_used += n;
        len -= n;
    }
    return WCOW_OK;
}

static int write_made_header(struct exporter *x, const struct wcow_entry *entry,
                             struct wcow_error *err)
{
    wcow_autobuf header = {0};
    int r = wcow_tar_write_header(entry, &header, err);
    return r < 0 ? r : wcow_tar_out_write(&x->out, header.data, header.len, err);
}

/* A source over header bytes in memory. */
static int kept_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_bytes *bytes = ctx;
    (void)err;
    *ret_data = bytes->data;
    *ret_len = bytes->len;
    bytes->len = 0;
    return WCOW_OK;
}

/* A file that the tar stored in pieces: which ones, its header says. */
static int write_sparse(struct exporter *x, const struct wcow_index_row *row,
                        struct wcow_error *err)
{
    /* It was let in once. */
    const struct wcow_tar_limits limits = {.max_entry_bytes = UINT64_MAX,
                                           .max_header_bytes = UINT32_MAX,
                                           .max_depth = UINT32_MAX,
                                           .skip_rules = true};
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *again = NULL;
    const struct wcow_tar_piece *pieces = NULL;
    x->kept.len = 0;
    x->kept.max_bytes = MAX_SPARSE_HEADER;
    x->keeps = true;
    int r = write_headers(x, row->segment_len, err);
    x->keeps = false;
    if (r < 0)
        return r;
    /* It begins with what pads the entry before. */
    size_t padding = x->kept.len % WCOW_TAR_BLOCK;
    struct wcow_bytes bytes = {.data = x->kept.data + padding, .len = x->kept.len - padding};
    const struct wcow_source source = {.next = kept_next, .ctx = &bytes};
    r = wcow_tar_reader_new(&source, &limits, &reader, err);
    if (r == WCOW_OK)
        r = wcow_tar_reader_next(reader, &again, err);
    if (r < 0)
        return r;
    if (r == 0 || !again || again->size_bytes != row->entry->size_bytes)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: the header of \"%s\" is damaged",
                         row->entry->name);
    size_t n = wcow_tar_reader_pieces(reader, &pieces);
    return wcow_tar_out_pieces(&x->out, x->folder_fd, row->host_path, row->entry->size_bytes,
                               pieces, n, err);
}

static int write_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    struct exporter *x = arg;
    const struct wcow_entry *e = row->entry;
    if ((e->has & WCOW_HAS_SPARSE) && row->segment_len && !row->is_inlined)
        return write_sparse(x, row, err);
    int r =
        row->segment_len ? write_headers(x, row->segment_len, err) : write_made_header(x, e, err);
    if (r < 0 || (e->type != WCOW_ENTRY_FILE && e->type != WCOW_ENTRY_STREAM))
        return r;
    if (row->is_inlined) {
        if (row->inlined.len != e->size_bytes)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: \"%s\" has another size than its data",
                             e->name);
        r = wcow_tar_out_write(&x->out, row->inlined.data, row->inlined.len, err);
    } else {
        r = wcow_tar_out_file(&x->out, x->folder_fd, row->host_path, e->size_bytes, err);
    }
    if (r == WCOW_OK && x->is_canonical)
        r = wcow_tar_out_zeros(&x->out, wcow_tar_padding(e->size_bytes), err);
    return r;
}

static int write_end(struct exporter *x, struct wcow_error *err)
{
    if (x->is_canonical)
        return wcow_tar_out_zeros(&x->out, UINT64_C(2) * WCOW_TAR_BLOCK, err);
    int r = 0;
    while ((r = refill(x, err)) > 0) {
        r = write_headers(x, x->raw.len - x->raw_used, err);
        if (r < 0)
            return r;
    }
    return r;
}

static void exporter_done(struct exporter *x)
{
    wcow_tar_out_done(&x->out);
    wcow_buf_done(&x->raw);
    wcow_buf_done(&x->kept);
}

int wcow_export_layer(int folder_fd, const struct wcow_sink *sink, const atomic_bool *cancel,
                      struct wcow_digest *ret_diff_id, uint64_t *ret_bytes, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_index_close_p) struct wcow_layer_index *index = NULL;
    int r = wcow_layer_index_open(folder_fd, &index, err);
    if (r < 0)
        return r;
    const struct wcow_layer_info *info = wcow_layer_index_info(index);
    WCOW_CLEANUP(exporter_done)
    struct exporter x = {
        .folder_fd = folder_fd, .index = index, .is_canonical = !info->diff_id.text[0]};
    r = wcow_tar_out_init(&x.out, sink, cancel, err);
    if (r == WCOW_OK)
        r = wcow_layer_index_each(index, write_row, &x, err);
    if (r == WCOW_OK)
        r = write_end(&x, err);
    struct wcow_digest digest = {0};
    if (r == WCOW_OK)
        r = wcow_tar_out_finish(&x.out, &digest, err);
    if (r < 0)
        return r;
    if (!x.is_canonical && strcmp(digest.text, info->diff_id.text) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "the layer's folder no longer holds what was unpacked: its diff ID is %s "
                         "and should be %s; remove the snapshot and unpack the image again",
                         digest.text, info->diff_id.text);
    *ret_diff_id = digest;
    *ret_bytes = x.out.bytes;
    return WCOW_OK;
}
