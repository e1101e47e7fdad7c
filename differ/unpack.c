/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/unpack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "differ/headers.h"
#include "differ/writeback.h"
#include "layer/check.h"

struct wcow_unpacker {
    int layer_fd;
    const struct wcow_layer_chain *parents;
    struct wcow_chain names;
    struct wcow_layer_index_writer *index;
    struct wcow_header_packer *headers;
    struct wcow_host_tree *tree;
    struct wcow_check *check;
    struct wcow_writeback *writeback;
    struct wcow_buf inlined;
    uint64_t n_entries;
    uint64_t n_streams; /* in files of their own */
};

void wcow_unpacker_free(struct wcow_unpacker *u)
{
    if (!u)
        return;
    wcow_buf_done(&u->inlined);
    wcow_writeback_free(u->writeback);
    wcow_check_free(u->check);
    wcow_host_tree_free(u->tree);
    wcow_header_packer_free(u->headers);
    wcow_layer_index_abort(u->index);
    free(u);
}

int wcow_unpacker_new(int layer_fd, const struct wcow_layer_chain *parents, bool need_parents,
                      struct wcow_unpacker **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_unpacker_free_p) struct wcow_unpacker *u = calloc(1, sizeof(*u));
    if (!u)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for unpacking");
    u->layer_fd = layer_fd;
    u->parents = parents;
    u->names = wcow_layer_chain_names(parents);
    int r = wcow_layer_index_create(layer_fd, &u->index, err);
    if (r == WCOW_OK)
        r = wcow_header_packer_new(u->index, &u->headers, err);
    if (r == WCOW_OK)
        r = wcow_host_tree_new(layer_fd, parents, &u->tree, err);
    if (r == WCOW_OK)
        r = wcow_writeback_new(&u->writeback, err);
    if (r == WCOW_OK) {
        /* Not is_base, even without parents: a whiteout that hides nothing does no harm here, and
         * the tar has to leave as it came. `wcow verify` tells what Windows would refuse. */
        struct wcow_check_options options = {.parents = &u->names,
                                             .need_parents = need_parents,
                                             .entries_are_checked = true,
                                             .scratch = &u->layer_fd};
        r = wcow_check_new(&options, &u->check, err);
    }
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(u);
    return r;
}

bool wcow_unpacker_help(struct wcow_unpacker *u)
{
    return wcow_host_tree_help(u->tree) || wcow_writeback_help(u->writeback);
}

void wcow_unpacker_on_many(struct wcow_unpacker *u, void (*call)(void *ctx), void *ctx)
{
    wcow_host_tree_on_many(u->tree, call, ctx);
}

/* ---- data ---- */

static int size_is_here(int fd, const char *name, struct wcow_error *err)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at < 0 || ftruncate(fd, at) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%.200s\"", name);
    return WCOW_OK;
}

/* A hole of a sparse file takes no room on disk either. */
static int copy_to_file(struct wcow_tar_reader *tar, int fd, const char *name,
                        struct wcow_error *err)
{
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        bool after_hole = wcow_tar_reader_is_hole(tar);
        int r = wcow_tar_reader_data(tar, &data, &len, err);
        if (r < 0)
            return r;
        if (len == 0)
            return after_hole ? size_is_here(fd, name, err) : WCOW_OK;
        if (!wcow_tar_reader_is_hole(tar))
            r = wcow_fd_write(fd, data, len, name, err);
        else if (lseek(fd, (off_t)len, SEEK_CUR) < 0)
            r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%.200s\"", name);
        if (r < 0)
            return r;
    }
}

static int copy_to_buffer(struct wcow_tar_reader *tar, struct wcow_buf *out, struct wcow_error *err)
{
    out->len = 0;
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_tar_reader_data(tar, &data, &len, err);
        if (r < 0 || len == 0)
            return r;
        r = wcow_buf_add(out, data, len, err);
        if (r < 0)
            return r;
    }
}

/* A stream too large for the index: Streams/<number>. */
static int stream_to_file(struct wcow_unpacker *u, struct wcow_tar_reader *tar, const char *name,
                          char path[64], struct wcow_error *err)
{
    if (mkdirat(u->layer_fd, WCOW_STREAMS_DIR, 0700) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make \"%s\"", WCOW_STREAMS_DIR);
    (void)snprintf(path, 64, "%s/%llu", WCOW_STREAMS_DIR, (unsigned long long)++u->n_streams);
    wcow_autoclose int fd = -1;
    int r = wcow_open_beneath(u->layer_fd, path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, err);
    return r < 0 ? r : copy_to_file(tar, fd, name, err);
}

/* ---- entries ---- */

static int add_stream(struct wcow_unpacker *u, struct wcow_tar_reader *tar,
                      const struct wcow_index_row *from, struct wcow_error *err)
{
    struct wcow_index_row row = *from;
    char path[64];
    int r = WCOW_OK;
    if (row.entry->size_bytes > WCOW_INLINE_MAX) {
        r = stream_to_file(u, tar, row.entry->name, path, err);
        row.host_path = path;
    } else {
        r = copy_to_buffer(tar, &u->inlined, err);
        row.is_inlined = true;
        row.inlined = (struct wcow_bytes){.data = u->inlined.data, .len = u->inlined.len};
    }
    return r < 0 ? r : wcow_layer_index_add(u->index, &row, err);
}

static int add_file(struct wcow_unpacker *u, struct wcow_tar_reader *tar,
                    const struct wcow_entry *entry, const struct wcow_host_place *place,
                    struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = WCOW_OK;
    if (entry->size_bytes <= WCOW_HOST_SMALL_FILE && !(entry->has & WCOW_HAS_SPARSE)) {
        r = copy_to_buffer(tar, &u->inlined, err);
        struct wcow_bytes data = {.data = u->inlined.data, .len = u->inlined.len};
        return r < 0 ? r : wcow_host_tree_make_small(u->tree, entry, place, data, err);
    }
    r = wcow_host_tree_make(u->tree, entry, place, &fd, err);
    if (r == WCOW_OK)
        r = copy_to_file(tar, fd, entry->name, err);
    if (r == WCOW_OK)
        wcow_writeback_give(u->writeback, WCOW_TAKE_FD(fd), entry->size_bytes);
    return r;
}

static int add_entry(struct wcow_unpacker *u, struct wcow_tar_reader *tar,
                     struct wcow_index_row *row, struct wcow_error *err)
{
    wcow_autoplace place = {0};
    int none = -1;
    int r = wcow_host_tree_place(u->tree, row->entry, &place, err);
    if (r < 0)
        return r;
    r = row->entry->type == WCOW_ENTRY_FILE
            ? add_file(u, tar, row->entry, &place, err)
            : wcow_host_tree_make(u->tree, row->entry, &place, &none, err);
    row->key = place.key;
    row->host_path = place.host_path;
    return r < 0 ? r : wcow_layer_index_add(u->index, row, err);
}

static int take_entry(struct wcow_unpacker *u, struct wcow_tar_reader *tar,
                      const struct wcow_entry *entry, struct wcow_error *err)
{
    int r = wcow_check_add(u->check, entry, err);
    struct wcow_bytes segment = wcow_tar_reader_segment(tar);
    if (r == WCOW_OK)
        r = wcow_header_packer_add(u->headers, segment.data, segment.len, err);
    if (r < 0)
        return r;
    struct wcow_index_row row = {.entry = entry, .segment_len = segment.len};
    u->n_entries++;
    return entry->type == WCOW_ENTRY_STREAM ? add_stream(u, tar, &row, err)
                                            : add_entry(u, tar, &row, err);
}

/* A directory of which only the content stands in the tar. Where a parent's shows through the
 * layer, that one's metadata counts. */
static int add_implied(void *arg, const struct wcow_host_implied *dir, struct wcow_error *err)
{
    struct wcow_unpacker *u = arg;
    wcow_autoentry below = {0};
    int r =
        dir->is_below_opaque ? 0 : wcow_chain_lookup(&u->names, dir->entry.name, &below, NULL, err);
    if (r < 0 || (r > 0 && below.type == WCOW_ENTRY_DIR))
        return r < 0 ? r : WCOW_OK;
    struct wcow_index_row row = {
        .entry = &dir->entry, .key = dir->key, .host_path = dir->host_path, .is_implied = true};
    return wcow_layer_index_add(u->index, &row, err);
}

static int take_trailer(struct wcow_unpacker *u, struct wcow_tar_reader *tar,
                        struct wcow_error *err)
{
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_tar_reader_trailer(tar, &data, &len, err);
        if (r < 0 || len == 0)
            return r;
        r = wcow_header_packer_add(u->headers, data, len, err);
        if (r < 0)
            return r;
    }
}

static int unpack(struct wcow_unpacker *u, const struct wcow_source *tar,
                  const struct wcow_tar_limits *limits, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    int r = wcow_tar_reader_new(tar, limits, &reader, err);
    if (r < 0)
        return r;
    struct wcow_entry *entry = NULL;
    while ((r = wcow_tar_reader_next(reader, &entry, err)) > 0) {
        r = take_entry(u, reader, entry, err);
        if (r < 0)
            return r;
    }
    if (r == WCOW_OK)
        r = take_trailer(u, reader, err);
    if (r == WCOW_OK)
        r = wcow_header_packer_finish(u->headers, err);
    if (r == WCOW_OK)
        r = wcow_check_finish(u->check, err);
    /* Its temporary file has no need to be synced. */
    wcow_check_free(WCOW_TAKE_PTR(u->check));
    return r < 0 ? r : wcow_host_tree_implied(u->tree, add_implied, u, err);
}

int wcow_unpack_tar(struct wcow_unpacker *u, const struct wcow_source *tar,
                    const struct wcow_tar_limits *limits, struct wcow_error *err)
{
    int r = unpack(u, tar, limits, err);
    /* What is still to be made stands before what failed. */
    struct wcow_error first = {0};
    int made = wcow_host_tree_settle(u->tree, &first);
    if (made < 0 && err)
        *err = first;
    return made < 0 ? made : r;
}

int wcow_unpacker_finish(struct wcow_unpacker *u, struct wcow_layer_info *info, bool sync,
                         struct wcow_error *err)
{
    info->n_entries = u->n_entries;
    int r = wcow_writeback_finish(u->writeback, err);
    return r < 0 ? r : wcow_layer_index_finish(WCOW_TAKE_PTR(u->index), info, sync, err);
}
