/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/layer_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "layer/names.h"

enum { CHUNK_BYTES = 256 << 10 };

struct wcow_layer_file {
    struct wcow_entry entry;
    int fd; /* or -1: the bytes are here */
    struct wcow_buf inlined;
    bool inlined_given;
    uint64_t left;
    uint8_t *chunk;
};

void wcow_layer_file_close(struct wcow_layer_file *file)
{
    if (!file)
        return;
    wcow_entry_done(&file->entry);
    wcow_buf_done(&file->inlined);
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->chunk);
    free(file);
}

const struct wcow_entry *wcow_layer_file_entry(const struct wcow_layer_file *file)
{
    return &file->entry;
}

static int file_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_layer_file *f = ctx;
    if (f->fd < 0) {
        *ret_data = f->inlined.data;
        *ret_len = f->inlined_given ? 0 : f->inlined.len;
        f->inlined_given = true;
        return WCOW_OK;
    }
    ssize_t n = 0;
    do {
        n = read(f->fd, f->chunk, f->left < CHUNK_BYTES ? (size_t)f->left : CHUNK_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", f->entry.name);
    if (n == 0 && f->left)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "\"%s\" became shorter", f->entry.name);
    f->left -= (uint64_t)n;
    *ret_data = f->chunk;
    *ret_len = (size_t)n;
    return WCOW_OK;
}

struct wcow_source wcow_layer_file_source(struct wcow_layer_file *file)
{
    return (struct wcow_source){.next = file_next, .ctx = file};
}

/* ---- finding it ---- */

struct opening {
    struct wcow_layer_file *file;
    int folder_fd;
};

static int open_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    const struct opening *o = arg;
    struct wcow_layer_file *f = o->file;
    int r = wcow_entry_copy(row->entry, &f->entry, err);
    if (r < 0 || (f->entry.type != WCOW_ENTRY_FILE && f->entry.type != WCOW_ENTRY_STREAM))
        return r;
    if (row->is_inlined)
        return wcow_buf_add(&f->inlined, row->inlined.data, row->inlined.len, err);
    struct stat st;
    r = wcow_open_beneath(o->folder_fd, row->host_path, O_RDONLY | O_NONBLOCK, 0, &f->fd, err);
    if (r < 0 && r != WCOW_E_NOT_FOUND && r != WCOW_E_INVALID)
        return r;
    if (r < 0 || fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != f->entry.size_bytes)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "\"%s\" is not in the layer's folder as its index says; remove the "
                         "snapshot and unpack the image again",
                         row->host_path);
    f->left = f->entry.size_bytes;
    f->chunk = malloc(CHUNK_BYTES);
    return f->chunk ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file");
}

/* Split "dir/file:stream": the stream with its colon, or NULL. */
static const char *stream_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strchr(slash ? slash : path, ':');
}

/* Find what @p path is and the layer it is in: a file, or for one of its streams a directory as
 * well. */
static int resolve(const struct wcow_layer_chain *chain, const char *path, bool for_stream,
                   struct wcow_entry *ret, size_t *ret_layer, struct wcow_error *err)
{
    struct wcow_chain names = wcow_layer_chain_names(chain);
    wcow_autoentry e = {0};
    int r = wcow_chain_resolve(&names, path, &e, ret_layer, err);
    if (r < 0)
        return r;
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is in none of the layers", path);
    if (e.type != WCOW_ENTRY_FILE && !for_stream)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is %s, no file", path,
                         e.type == WCOW_ENTRY_DIR ? "a directory" : "a link");
    *ret = e;
    e = (struct wcow_entry){0};
    return WCOW_OK;
}

static int open_in_layer(const struct wcow_layer_chain *chain, size_t layer, const char *name,
                         const char *stream, struct wcow_layer_file *f, struct wcow_error *err)
{
    wcow_autobuf full = {0};
    wcow_autofree char *key = NULL;
    int r = wcow_buf_add_str(&full, name, err);
    if (r == WCOW_OK && stream)
        r = wcow_buf_add_str(&full, stream, err);
    if (r == WCOW_OK)
        r = wcow_name_key((const char *)full.data, &key, err);
    if (r < 0)
        return r;
    struct opening opening = {.file = f, .folder_fd = chain->fds[layer]};
    r = wcow_layer_index_row(chain->indexes[layer], key, open_row, &opening, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" has no stream \"%s\"", name,
                         stream ? stream + 1 : "");
    return r < 0 ? r : WCOW_OK;
}

int wcow_layer_file_open(const struct wcow_layer_chain *chain, const char *path,
                         struct wcow_layer_file **ret, struct wcow_error *err)
{
    const char *stream = stream_of(path);
    wcow_autofree char *file_path = stream ? strndup(path, (size_t)(stream - path)) : strdup(path);
    WCOW_CLEANUP(wcow_layer_file_close_p) struct wcow_layer_file *f = calloc(1, sizeof(*f));
    if (!f || !file_path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file");
    f->fd = -1;
    wcow_autoentry found = {0};
    size_t layer = 0;
    int r = resolve(chain, file_path, stream != NULL, &found, &layer, err);
    if (r == WCOW_OK)
        r = open_in_layer(chain, layer, found.name, stream, f, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(f);
    return r;
}
