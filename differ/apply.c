/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/apply.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "differ/host_dir.h"
#include "differ/pipe.h"
#include "differ/unpack.h"

enum { DEFAULT_MAX_RATIO = 1000 };

/* ---- the folder before ---- */

static const char *const roots[] = {"Files", "Hives", "UtilityVM", WCOW_STREAMS_DIR};
enum { N_ROOTS = sizeof(roots) / sizeof(roots[0]) };

struct folder {
    int fd;
    bool had[N_ROOTS]; /* was there, empty, before */
};

static int refuse_name(void *arg, int dirfd, const char *name, struct wcow_error *err)
{
    (void)dirfd;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "the snapshot is not empty (%s/%s is there); a layer is unpacked into a newly "
                     "prepared snapshot only",
                     *(const char **)arg, name);
}

/* 1 where the directory is there and empty, 0 where it is not there. */
static int look_at_root(int fd, const char *name, struct wcow_error *err)
{
    int r = wcow_host_dir_each(fd, name, refuse_name, &name, err);
    if (r == WCOW_E_NOT_FOUND)
        return 0;
    return r < 0 ? r : 1;
}

static int look_at_folder(struct folder *f, struct wcow_error *err)
{
    struct stat st;
    if (fstatat(f->fd, "layer.db", &st, AT_SYMLINK_NOFOLLOW) == 0)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "the snapshot holds a layer already; a layer is unpacked into a newly "
                         "prepared snapshot only");
    for (size_t i = 0; i < N_ROOTS; i++) {
        int r = look_at_root(f->fd, roots[i], err);
        if (r < 0)
            return r;
        f->had[i] = r == 1;
    }
    return WCOW_OK;
}

/* Make it what it was. What cannot be removed stays: the first error is the one to tell. */
static void clear_folder(const struct folder *f)
{
    struct wcow_error ignored = {0};
    for (size_t i = 0; i < N_ROOTS; i++) {
        bool gone = wcow_host_remove(f->fd, roots[i], &ignored) == WCOW_OK;
        if (gone && f->had[i] && mkdirat(f->fd, roots[i], 0755) < 0)
            return;
    }
}

/* ---- together ---- */

struct hasher {
    struct wcow_hash *hash;
    uint64_t bytes;
};

static void hash_chunk(void *ctx, const uint8_t *data, size_t len)
{
    struct hasher *h = ctx;
    wcow_hash_add(h->hash, data, len);
    h->bytes += len;
}

static int read_tar(void *ctx, uint8_t *out, size_t cap, size_t *ret_len, struct wcow_error *err)
{
    return wcow_decompressor_read(ctx, out, cap, ret_len, err);
}

static bool read_blob_ahead(void *ctx)
{
    return wcow_source_ahead(ctx);
}

/* Reading begins at once. */
static int open_pipe(const struct wcow_apply_options *o, struct wcow_source *blob,
                     struct wcow_decompressor *tar, struct hasher *hasher, struct wcow_pipe **ret,
                     struct wcow_error *err)
{
    struct wcow_pipe_work work = {.read = read_tar,
                                  .read_ctx = tar,
                                  .supply = read_blob_ahead,
                                  .supply_ctx = blob,
                                  .look = hash_chunk,
                                  .look_ctx = hasher,
                                  .cancel = o->cancel,
                                  .own_looker = sysconf(_SC_NPROCESSORS_ONLN) > 2};
    return wcow_pipe_new(&work, ret, err);
}

static bool help_to_unpack(void *ctx)
{
    return wcow_unpacker_help(ctx);
}

static void call_help(void *ctx)
{
    wcow_pipe_call(ctx);
}

static int unpack_and_hash(const struct wcow_apply_options *o, struct wcow_unpacker *unpacker,
                           struct wcow_pipe *pipe, const struct hasher *hasher,
                           struct wcow_layer_info *info, struct wcow_error *err)
{
    struct wcow_source parse = wcow_pipe_reader(pipe);
    struct wcow_tar_limits limits = {0};
    if (o->limits)
        limits = *o->limits;
    limits.max_ratio = o->max_ratio;
    int r = wcow_unpack_tar(unpacker, &parse, &limits, err);
    if (r < 0)
        return r;
    wcow_pipe_settle(pipe);
    info->tar_bytes = hasher->bytes;
    return wcow_hash_digest(hasher->hash, &info->diff_id, err);
}

static int sync_folder(int fd, struct wcow_error *err)
{
    if (syncfs(fd) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "sync the file system");
    return WCOW_OK;
}

static struct wcow_layer_origin origin_of(const struct wcow_apply_options *o)
{
    struct wcow_layer_origin origin = {.bytes = o->blob_bytes};
    if (o->blob_digest)
        (void)snprintf(origin.blob.text, sizeof(origin.blob.text), "%s", o->blob_digest);
    (void)snprintf(origin.compression, sizeof(origin.compression), "%s",
                   wcow_compression_name(o->compression));
    return origin;
}

static int apply_into(const struct wcow_apply_options *o, int folder_fd,
                      const struct wcow_layer_chain *parents, struct wcow_applied *ret,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    struct wcow_source blob = *o->blob;
    int r = wcow_decompressor_new(&blob, o->compression,
                                  o->max_ratio ? o->max_ratio : DEFAULT_MAX_RATIO, &d, err);
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    struct hasher hasher = {.hash = hash};
    WCOW_CLEANUP(wcow_pipe_free_p) struct wcow_pipe *pipe = NULL;
    WCOW_CLEANUP(wcow_unpacker_free_p) struct wcow_unpacker *unpacker = NULL;
    r = open_pipe(o, &blob, d, &hasher, &pipe, err);
    if (r == WCOW_OK)
        r = wcow_unpacker_new(folder_fd, parents, o->need_parents, &unpacker, err);
    if (r < 0)
        return r;
    struct wcow_layer_info info = {.origin = origin_of(o)};
    wcow_pipe_help(pipe, help_to_unpack, unpacker);
    wcow_unpacker_on_many(unpacker, call_help, pipe);
    r = unpack_and_hash(o, unpacker, pipe, &hasher, &info, err);
    wcow_pipe_free(WCOW_TAKE_PTR(pipe));
    if (r == WCOW_OK && o->sync)
        r = sync_folder(folder_fd, err);
    if (r == WCOW_OK)
        r = wcow_unpacker_finish(unpacker, &info, o->sync, err);
    if (r == WCOW_OK)
        *ret = (struct wcow_applied){
            .diff_id = info.diff_id, .tar_bytes = info.tar_bytes, .n_entries = info.n_entries};
    return r;
}

int wcow_apply(const struct wcow_apply_options *options, struct wcow_applied *ret,
               struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = wcow_layer_folder_open(options->folder, &fd, err);
    if (r < 0)
        return r;
    wcow_autochain parents = {0};
    r = wcow_differ_open_chain(options->parents, options->n_parents, &parents, err);
    if (r < 0)
        return r;
    struct folder folder = {.fd = fd};
    r = look_at_folder(&folder, err);
    if (r < 0)
        return r;
    r = apply_into(options, fd, &parents, ret, err);
    if (r < 0)
        clear_folder(&folder);
    return r;
}
