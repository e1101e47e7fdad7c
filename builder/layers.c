/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "layer/names.h"

enum { READ_BYTES = 256 << 10 };

/* ---- one layer ---- */

/* As deep as one: what is unpacked has its files. */
// NOLINTNEXTLINE(misc-no-recursion)
void wcow_layer_source_free(struct wcow_layer_source *source)
{
    if (!source)
        return;
    wcow_layer_source_free(source->unpacked);
    wcow_tree_free(source->tree);
    wcow_layer_index_close(source->index);
    wcow_closep_(&source->layer_fd);
    (void)pthread_mutex_destroy(&source->lock);
    free(source);
}

static struct wcow_layer_source *new_source(struct wcow_error *err)
{
    struct wcow_layer_source *source = calloc(1, sizeof(*source));
    if (!source) {
        (void)WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
        return NULL;
    }
    source->layer_fd = -1;
    (void)pthread_mutex_init(&source->lock, NULL);
    return source;
}

int wcow_layer_source_open(const char *folder, struct wcow_layer_source **ret,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = new_source(err);
    if (!source)
        return WCOW_E_NOMEM;
    source->layer_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source->layer_fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the layer folder %s", folder);
    int r = wcow_layer_index_open(source->layer_fd, &source->index, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "layer %s", folder);
    *ret = WCOW_TAKE_PTR(source);
    return WCOW_OK;
}

int wcow_layer_source_reopen(const struct wcow_layer_source *source, struct wcow_layer_source **ret,
                             struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *again = new_source(err);
    if (!again)
        return WCOW_E_NOMEM;
    again->layer_fd = fcntl(source->layer_fd, F_DUPFD_CLOEXEC, 3);
    if (again->layer_fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open a layer folder again");
    again->unpacker = source->unpacker;
    int r = wcow_layer_index_open(again->layer_fd, &again->index, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(again);
    return r;
}

int wcow_layer_source_of_tree(struct wcow_tree *tree, struct wcow_layer_source **ret,
                              struct wcow_error *err)
{
    struct wcow_layer_source *source = new_source(err);
    if (!source)
        return WCOW_E_NOMEM;
    source->tree = tree;
    *ret = source;
    return WCOW_OK;
}

static struct wcow_layer_view view_of(struct wcow_layer_source *source)
{
    return source->tree ? wcow_tree_view(source->tree) : wcow_layer_index_view(source->index);
}

/* ---- all of them ---- */

int wcow_layers_push(struct wcow_layers *layers, struct wcow_layer_source *source,
                     struct wcow_error *err)
{
    struct wcow_layer_source **sources =
        reallocarray(layers->sources, layers->n + 1, sizeof(struct wcow_layer_source *));
    if (sources)
        layers->sources = sources;
    struct wcow_layer_view *views =
        reallocarray(layers->views, layers->n + 1, sizeof(struct wcow_layer_view));
    if (views)
        layers->views = views;
    if (!sources || !views)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    sources[layers->n] = source;
    memmove(views + 1, views, layers->n * sizeof(*views));
    views[0] = view_of(source);
    layers->n++;
    return WCOW_OK;
}

int wcow_layers_copy(struct wcow_layers *to, const struct wcow_layers *from, struct wcow_error *err)
{
    to->is_foreign = from->is_foreign;
    for (size_t i = 0; i < from->n; i++) {
        int r = wcow_layers_push(to, from->sources[i], err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

void wcow_layers_done(struct wcow_layers *layers)
{
    free(layers->sources);
    free(layers->views);
    *layers = (struct wcow_layers){0};
}

struct wcow_chain wcow_layers_chain(const struct wcow_layers *layers)
{
    return (struct wcow_chain){.layers = layers->views, .n_layers = layers->n};
}

/* ---- names ---- */

void wcow_layers_found_done(struct wcow_layers_found *found)
{
    wcow_entry_done(&found->entry);
    free(found->data_key);
    *found = (struct wcow_layers_found){0};
}

/* A later name of a file is known by the first: its metadata, its bytes. */
static int follow_hardlink(const struct wcow_layers *layers, struct wcow_layers_found *found,
                           struct wcow_error *err)
{
    struct wcow_chain chain = wcow_layers_chain(layers);
    size_t at = 0;
    wcow_autoentry target = {0};
    int r = wcow_chain_resolve(&chain, found->entry.name, &target, &at, err);
    if (r < 0)
        return r;
    if (r == 0 || target.type != WCOW_ENTRY_FILE)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s is a hard link to %s, which is no file",
                         found->entry.name, found->entry.link);
    r = wcow_name_key(target.name, &found->data_key, err);
    if (r < 0)
        return r;
    char *name = WCOW_TAKE_PTR(found->entry.name);
    free(target.name);
    target.name = name;
    wcow_entry_done(&found->entry);
    found->entry = target;
    target = (struct wcow_entry){0};
    found->source = layers->sources[layers->n - 1 - at];
    return WCOW_OK;
}

int wcow_layers_find(const struct wcow_layers *layers, const char *path,
                     struct wcow_layers_found *ret, struct wcow_error *err)
{
    struct wcow_chain chain = wcow_layers_chain(layers);
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    size_t at = 0;
    int r = wcow_chain_lookup(&chain, path, &found.entry, &at, err);
    if (r <= 0)
        return r;
    found.source = layers->sources[layers->n - 1 - at];
    if (found.entry.type == WCOW_ENTRY_HARDLINK)
        r = follow_hardlink(layers, &found, err);
    else
        r = wcow_name_key(found.entry.name, &found.data_key, err);
    if (r < 0)
        return r;
    *ret = found;
    found = (struct wcow_layers_found){0};
    return 1;
}

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
    int fd; /* -1: there are none, or they are inlined */
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
    l->is_elsewhere = l->source->unpacker.folder && strcmp(path, row->entry->name) == 0;
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

/* The layer with its files, where there were only names so far. */
static int unpack(struct wcow_layer_source *source, struct wcow_error *err)
{
    const struct wcow_layer_unpacker *unpacker = &source->unpacker;
    const char *folder = NULL;
    if (source->unpacked)
        return WCOW_OK;
    int r = unpacker->folder(unpacker->ctx, unpacker->number, unpacker->step, &folder, err);
    return r < 0 ? r : wcow_layer_source_open(folder, &source->unpacked, err);
}

/* With the lock of the file's source held. */
static int find_bytes(struct wcow_layer_source *source, struct located *l, struct wcow_error *err)
{
    int r = ask_index(source, l, err);
    if (r < 0 || !l->is_elsewhere)
        return r;
    r = unpack(source, err);
    return r < 0 ? r : ask_index(source->unpacked, l, err);
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
    int r = wcow_buf_addf(&text, err, "%s %s", info->diff_id.text,
                          file->stream_name ? file->stream_name : file->key);
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
    if (file->key && (!stream_name || file->stream_name))
        return WCOW_OK;
    wcow_payload_done(ret);
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of a layer");
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

/* A name may be another file's in each layer. */
int wcow_layers_identity(const struct wcow_layers_found *found, char **ret, struct wcow_error *err)
{
    const void *source = found->source;
    const struct wcow_tree_node *node =
        found->source->tree ? wcow_tree_find(found->source->tree, found->data_key) : NULL;
    const char *id = node ? wcow_tree_group_id(node) : NULL;
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "%p %s", source, id ? id : found->data_key);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&text);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
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
