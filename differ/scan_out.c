/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan_out.h"

#include "layer/tar_writer.h"

static int add_to_tar(struct wcow_tar_out *tar, int dirfd, const struct wcow_index_row *row,
                      struct wcow_error *err)
{
    const struct wcow_entry *e = row->entry;
    wcow_autobuf header = {0};
    int r = wcow_tar_write_header(e, &header, err);
    if (r == WCOW_OK)
        r = wcow_tar_out_write(tar, header.data, header.len, err);
    if (r < 0 || (e->type != WCOW_ENTRY_FILE && e->type != WCOW_ENTRY_STREAM))
        return r;
    r = row->is_inlined ? wcow_tar_out_write(tar, row->inlined.data, row->inlined.len, err)
                        : wcow_tar_out_file(tar, dirfd, row->host_path, e->size_bytes, err);
    return r < 0 ? r : wcow_tar_out_zeros(tar, wcow_tar_padding(e->size_bytes), err);
}

/* A stream kept from a parent: its data comes into this layer's index. */
static int add_inlined(struct wcow_layer_index_writer *index, int dirfd,
                       const struct wcow_index_row *row, struct wcow_error *err)
{
    wcow_autobuf data = {0};
    const struct wcow_sink sink = wcow_buf_sink(&data);
    WCOW_CLEANUP(wcow_tar_out_done) struct wcow_tar_out reader = {0};
    struct wcow_digest digest;
    int r = wcow_tar_out_init(&reader, &sink, NULL, err);
    if (r == WCOW_OK)
        r = wcow_tar_out_file(&reader, dirfd, row->host_path, row->entry->size_bytes, err);
    if (r == WCOW_OK)
        r = wcow_tar_out_finish(&reader, &digest, err);
    if (r < 0)
        return r;
    struct wcow_index_row inlined = *row;
    inlined.host_path = NULL;
    inlined.is_inlined = true;
    inlined.inlined = (struct wcow_bytes){.data = data.data, .len = data.len};
    return wcow_layer_index_add(index, &inlined, err);
}

int wcow_scan_out_add(struct wcow_scan_out *out, int dirfd, const struct wcow_index_row *row,
                      struct wcow_error *err)
{
    out->n_entries++;
    if (out->tar)
        return add_to_tar(out->tar, dirfd, row, err);
    if (row->entry->type == WCOW_ENTRY_STREAM && !row->is_inlined)
        return add_inlined(out->index, dirfd, row, err);
    return wcow_layer_index_add(out->index, row, err);
}
