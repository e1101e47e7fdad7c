/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of files in layers: in the folder of one that is unpacked, among what was taken out of
 * the blob of one that is not, or wherever a tree has them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "builder/layers.h"

enum { READ_BYTES = 256 << 10 };

/* ---- bytes of a layer on disk ---- */

struct layer_file {
    struct wcow_layer_source *source;
    char *key;         /* of the file */
    char *stream_name; /* full name of a stream, or NULL */
};

/* What its row in the index says of the bytes. */
struct located {
    const struct layer_file *file;
    const struct wcow_layer_source *source; /* that has them */
    bool is_found;
    bool is_elsewhere; /* the layer is listed alone, and this file was not kept with it */
    bool is_inlined;
    struct wcow_buf inlined;
    const struct wcow_payload *taken; /* out of the blob; NULL: they are elsewhere */
    int fd;                           /* -1: there are none, or they are elsewhere */
};

static void located_done(struct located *l)
{
    wcow_buf_done(&l->inlined);
    wcow_closep_(&l->fd);
}

static int send_fd(int fd, const char *name, const struct wcow_sink *sink, struct wcow_error *err)
{
    wcow_autofree uint8_t *buffer = malloc(READ_BYTES);
    if (!buffer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory to read %s", name);
    for (;;) {
        ssize_t n = read(fd, buffer, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s of a layer", name);
        if (n == 0)
            return WCOW_OK;
        int r = wcow_sink_write(sink, buffer, (size_t)n, err);
        if (r < 0)
            return r;
    }
}

static int locate_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    struct located *l = arg;
    if (l->file->stream_name && strcmp(l->file->stream_name, row->entry->name) != 0)
        return WCOW_OK;
    l->is_found = true;
    l->is_inlined = row->is_inlined;
    if (row->is_inlined)
        return wcow_buf_add(&l->inlined, row->inlined.data, row->inlined.len, err);
    if (row->entry->size_bytes == 0)
        return WCOW_OK;
    const char *path = row->host_path ? row->host_path : row->entry->name;
    l->is_elsewhere = l->source->keeper.take && strcmp(path, row->entry->name) == 0;
    if (l->is_elsewhere)
        return WCOW_OK;
    int r = wcow_open_beneath(l->source->layer_fd, path, O_RDONLY | O_NONBLOCK, 0, &l->fd, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s of a layer", path) : WCOW_OK;
}

static int ask_index(const struct wcow_layer_source *source, struct located *l,
                     struct wcow_error *err)
{
    const struct layer_file *file = l->file;
    l->source = source;
    return file->stream_name
               ? wcow_layer_index_streams(source->index, file->key, locate_row, l, err)
               : wcow_layer_index_row(source->index, file->key, locate_row, l, err);
}

/* The folder of a layer of which there were only names so far: 1, or 0 where there is none. */
static int open_folder(struct wcow_layer_source *source, struct wcow_error *err)
{
    const struct wcow_layer_keeper *keeper = &source->keeper;
    const char *folder = NULL;
    if (source->unpacked || !keeper->folder)
        return source->unpacked != NULL;
    int r = keeper->folder(keeper->ctx, keeper->number, keeper->step, &folder, err);
    if (r == 1)
        r = wcow_layer_source_open(folder, &source->unpacked, err);
    return r < 0 ? r : source->unpacked != NULL;
}

/* By its name among what is taken of a layer. */
static const char *name_of(const struct layer_file *file)
{
    return file->stream_name ? file->stream_name : file->key;
}

/* The first file that is read brings all that are wanted by now. */
static int take(struct wcow_layer_source *source, struct located *l, struct wcow_error *err)
{
    const struct wcow_layer_keeper *keeper = &source->keeper;
    int r = keeper->take(keeper->ctx, keeper->number, keeper->step, &source->taken, err);
    if (r < 0)
        return r;
    l->taken = wcow_taken_find(&source->taken, name_of(l->file));
    return l->taken ? WCOW_OK
                    : WCOW_FAIL(err, WCOW_E_CORRUPT, "%s is not in its layer", name_of(l->file));
}

/* With the lock of the file's source held. */
static int find_bytes(struct wcow_layer_source *source, struct located *l, struct wcow_error *err)
{
    int r = ask_index(source, l, err);
    if (r < 0 || !l->is_elsewhere)
        return r;
    l->taken = wcow_taken_find(&source->taken, name_of(l->file));
    if (l->taken)
        return WCOW_OK;
    r = open_folder(source, err);
    if (r < 0)
        return r;
    return r == 1 ? ask_index(source->unpacked, l, err) : take(source, l, err);
}

static int locate(const struct layer_file *file, struct located *l, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&file->source->lock);
    int r = find_bytes(file->source, l, err);
    (void)pthread_mutex_unlock(&file->source->lock);
    if (r >= 0 && !l->is_found)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s is not in its layer's index", file->key);
    return r < 0 ? r : WCOW_OK;
}

static int send_layer_file(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct layer_file *file = ctx;
    WCOW_CLEANUP(located_done) struct located l = {.file = file, .fd = -1};
    int r = locate(file, &l, err);
    if (r < 0)
        return r;
    if (l.taken)
        return wcow_payload_send(l.taken, sink, err);
    if (l.is_inlined)
        return l.inlined.len ? wcow_sink_write(sink, l.inlined.data, l.inlined.len, err) : WCOW_OK;
    return l.fd >= 0 ? send_fd(l.fd, file->key, sink, err) : WCOW_OK;
}

/* A committed layer does not change: its diff ID and the name say which bytes these are. */
static int know_layer_file(void *ctx, struct wcow_digest *ret, struct wcow_error *err)
{
    const struct layer_file *file = ctx;
    const struct wcow_layer_info *info = wcow_layer_index_info(file->source->index);
    if (!info->diff_id.text[0])
        return 0;
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "%s %s", info->diff_id.text, name_of(file));
    if (r == WCOW_OK)
        r = wcow_digest_of(text.data, text.len, ret, err);
    return r < 0 ? r : 1;
}

static void free_layer_file(void *ctx)
{
    struct layer_file *file = ctx;
    free(file->key);
    free(file->stream_name);
    free(file);
}

/* Of a layer that is not unpacked: its bytes will be asked for. */
static int want(const struct layer_file *file, struct wcow_error *err)
{
    if (!file->source->keeper.take)
        return WCOW_OK;
    (void)pthread_mutex_lock(&file->source->lock);
    int r = wcow_taken_want(&file->source->taken, name_of(file), err);
    (void)pthread_mutex_unlock(&file->source->lock);
    return r;
}

static int make_layer_file(const struct wcow_layers_found *found, const char *stream_name,
                           struct wcow_payload *ret, struct wcow_error *err)
{
    static const struct wcow_payload_ops ops = {
        .send = send_layer_file, .known = know_layer_file, .free = free_layer_file};
    struct layer_file *file = calloc(1, sizeof(*file));
    if (!file)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of a layer");
    *ret = (struct wcow_payload){.ops = &ops, .ctx = file};
    file->source = found->source;
    file->key = strdup(found->data_key);
    file->stream_name = stream_name ? strdup(stream_name) : NULL;
    int r = file->key && (!stream_name || file->stream_name)
                ? want(file, err)
                : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of a layer");
    if (r < 0)
        wcow_payload_done(ret);
    return r;
}

int wcow_layers_payload(const struct wcow_layers_found *found, struct wcow_payload *ret,
                        struct wcow_error *err)
{
    if (!found->source->tree)
        return make_layer_file(found, NULL, ret, err);
    const struct wcow_tree_node *node = wcow_tree_find(found->source->tree, found->data_key);
    *ret = node ? wcow_tree_payload(node) : (struct wcow_payload){0};
    return WCOW_OK;
}

/* ---- streams ---- */

static int give_stream(const struct wcow_entry *stream, struct wcow_payload *payload,
                       wcow_layers_stream_fn fn, void *arg, struct wcow_error *err)
{
    const char *slash = strrchr(stream->name, '/');
    const char *colon = strchr(slash ? slash : stream->name, ':');
    wcow_autoentry copy = {0};
    int r = colon ? wcow_entry_copy(stream, &copy, err)
                  : WCOW_FAIL(err, WCOW_E_CORRUPT, "%s is no stream", stream->name);
    if (r == WCOW_OK)
        r = fn(arg, colon + 1, &copy, payload, err);
    wcow_payload_done(payload);
    return r;
}

struct stream_walk {
    const struct wcow_layers_found *found;
    wcow_layers_stream_fn fn;
    void *arg;
};

static int take_stream_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    struct stream_walk *w = arg;
    struct wcow_payload payload = {0};
    int r = make_layer_file(w->found, row->entry->name, &payload, err);
    return r < 0 ? r : give_stream(row->entry, &payload, w->fn, w->arg, err);
}

static int take_stream_node(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    struct stream_walk *w = arg;
    struct wcow_payload payload = shown->payload;
    return give_stream(&shown->entry, &payload, w->fn, w->arg, err);
}

int wcow_layers_streams(const struct wcow_layers_found *found, wcow_layers_stream_fn fn, void *arg,
                        struct wcow_error *err)
{
    struct stream_walk w = {.found = found, .fn = fn, .arg = arg};
    const struct wcow_layer_source *source = found->source;
    if (!source->tree) {
        int r = wcow_layer_index_streams(source->index, found->data_key, take_stream_row, &w, err);
        return r < 0 ? r : WCOW_OK;
    }
    const struct wcow_tree_node *node = wcow_tree_find(source->tree, found->data_key);
    return node ? wcow_tree_each_stream(node, take_stream_node, &w, err) : WCOW_OK;
}
