/* SPDX-License-Identifier: Apache-2.0 */
/* From the uppermost layer down: what is there already, or was deleted above, is passed over, so
 * that nothing needs to be removed again. */
#include "builder/linux_image.h"

#include <stdlib.h>
#include <string.h>

#include "builder/archive.h"
#include "builder/blobs.h"
#include "builder/spool.h"
#include "containerd/content.h"
#include "layer/names.h"

#define WHITEOUT ".wh."
#define OPAQUE   ".wh..wh..opq"

struct merging {
    struct wcow_tree *tree;
    struct wcow_str_list gone;    /* deleted by layers above, sorted; "x/" is what lies below x */
    struct wcow_str_list deletes; /* by the layer at hand, for those below it */
    char *left_out;               /* the first name that no Windows layer can hold */
    size_t n_left_out;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_gone(const struct merging *m, const char *path)
{
    return m->gone.count && bsearch(&path, m->gone.items, m->gone.count, sizeof(char *), compare);
}

/* Of the node at @p path, "" the root. NULL: none is there. */
static int node_at(const struct merging *m, const char *path, struct wcow_tree_node **ret,
                   struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    wcow_autobuf full = {0};
    int r = wcow_buf_addf(&full, err, "Files/%s", path);
    if (r == WCOW_OK)
        r = wcow_name_key((const char *)full.data, &key, err);
    if (r == WCOW_OK)
        *ret = wcow_tree_find(m->tree, key);
    return r;
}

/* Whether a layer above hides all below the directory @p path: it was deleted, or is none there. */
static int is_hidden_below(const struct merging *m, const char *path, bool *ret,
                           struct wcow_error *err)
{
    wcow_autobuf below = {0};
    struct wcow_tree_node *node = NULL;
    int r = wcow_buf_addf(&below, err, "%s/", path);
    if (r == WCOW_OK)
        r = node_at(m, path, &node, err);
    *ret = r == WCOW_OK && (is_gone(m, path) || is_gone(m, (const char *)below.data) ||
                            (node && wcow_tree_type(node) != WCOW_ENTRY_DIR));
    return r;
}

static void left_out(void *ctx, const char *path)
{
    struct merging *m = ctx;
    m->n_left_out++;
    if (!m->left_out)
        m->left_out = strdup(path);
}

static int is_hidden(struct merging *m, const char *path, bool *ret, struct wcow_error *err)
{
    struct wcow_tree_node *node = NULL;
    wcow_autofree char *name = NULL;
    int r = WCOW_OK;
    *ret = is_gone(m, path) || is_gone(m, "/");
    for (const char *slash = strchr(path, '/'); r == WCOW_OK && !*ret && slash;
         slash = strchr(slash + 1, '/')) {
        wcow_autofree char *parent = strndup(path, (size_t)(slash - path));
        r = parent ? is_hidden_below(m, parent, ret, err)
                   : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    if (r == WCOW_OK && !*ret)
        r = node_at(m, path, &node, err);
    if (r == WCOW_OK && node)
        r = wcow_tree_name(node, &name, err);
    if (name && strcmp(name + strlen("Files/"), path) != 0)
        left_out(m, path); /* its name differs in letter case only */
    *ret = *ret || node;
    return r;
}

/* The name of a whiteout is kept for the layers below. *ret: it was one. */
static int take_whiteout(struct merging *m, const char *path, bool *ret, struct wcow_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int dir_len = slash ? (int)(slash - path) : 0;
    wcow_autobuf gone = {0};
    int r = WCOW_OK;
    *ret = strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0;
    if (!*ret)
        return WCOW_OK;
    if (strcmp(name, OPAQUE) == 0)
        r = wcow_buf_addf(&gone, err, "%.*s/", dir_len, path);
    else
        r = wcow_buf_addf(&gone, err, "%.*s%s%s", dir_len, path, dir_len ? "/" : "",
                          name + strlen(WHITEOUT));
    return r < 0 ? r : wcow_str_list_add(&m->deletes, (const char *)gone.data, err);
}

static int wants(void *ctx, const char *path, bool *ret, struct wcow_error *err)
{
    struct merging *m = ctx;
    bool is_whiteout = false;
    bool hidden = false;
    int r = take_whiteout(m, path, &is_whiteout, err);
    if (r == WCOW_OK && !is_whiteout)
        r = is_hidden(m, path, &hidden, err);
    *ret = r == WCOW_OK && !is_whiteout && !hidden;
    return r;
}

/* ---- layers ---- */

static int copy_blob(struct wcow_backend *b, const struct wcow_descriptor *desc,
                     struct wcow_spool *spool, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    int r = wcow_content_reader_open(&b->ctx, b->content_root, desc->digest.text, desc->size_bytes,
                                     &reader, err);
    if (r == WCOW_OK)
        r = wcow_spool_begin(spool, err);
    struct wcow_source source = {0};
    if (r == WCOW_OK)
        source = wcow_content_reader_source(reader);
    while (r == WCOW_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(&source, &data, &len, err);
        if (r < 0 || len == 0)
            return r;
        r = wcow_backend_is_cancelled(b) ? WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled")
                                         : wcow_spool_add(spool, data, len, err);
    }
    return r;
}

static int forget_deleted(struct merging *m, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < m->deletes.count; i++)
        r = wcow_str_list_add(&m->gone, m->deletes.items[i], err);
    wcow_str_list_done(&m->deletes);
    if (m->gone.count)
        qsort(m->gone.items, m->gone.count, sizeof(char *), compare);
    return r;
}

static int merge_layer(struct wcow_backend *b, const struct wcow_descriptor *desc,
                       struct merging *m, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_spool_free_p) struct wcow_spool *spool = NULL;
    const struct wcow_archive_unpack unpack = {
        .tree = m->tree, .dest = "Files", .wants = wants, .left_out = left_out, .ctx = m};
    bool unpacked = false;
    int fd = -1;
    int r = wcow_spool_new(&spool, err);
    if (r == WCOW_OK)
        r = copy_blob(b, desc, spool, err);
    if (r == WCOW_OK)
        r = wcow_spool_rewind(spool, &fd, err);
    if (r == WCOW_OK) /* a layer without members is no archive to libarchive */
        r = wcow_archive_unpack_fd(fd, desc->digest.text, b->cancel, &unpack, &unpacked, err);
    return r < 0 ? wcow_error_wrap(r, err, "layer %s", desc->digest.text) : forget_deleted(m, err);
}

static int merge(struct wcow_backend *b, const struct wcow_local_image *image, struct merging *m,
                 unsigned step, struct wcow_error *err)
{
    const struct wcow_manifest *manifest = &image->manifest;
    int r = wcow_blobs_fetch(b, manifest->layers, manifest->layer_count, step, err);
    for (size_t i = manifest->layer_count; r == WCOW_OK && i-- > 0;)
        r = merge_layer(b, &manifest->layers[i], m, err);
    if (r < 0 || !m->n_left_out || !b->progress)
        return r;
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL,
                      "%zu names of %s cannot be in a Windows layer and are left out, the first is "
                      "\"%s\"",
                      m->n_left_out, image->name, m->left_out ? m->left_out : "") == WCOW_OK)
        wcow_progress_log(b->progress, step, (const char *)text.data);
    return WCOW_OK;
}

int wcow_linux_image_read(struct wcow_backend *b, const struct wcow_local_image *image,
                          unsigned step, struct wcow_layer_source **ret, struct wcow_error *err)
{
    const struct wcow_chain nothing = {0};
    const struct wcow_tree_options options = {.below = &nothing};
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    struct merging m = {0};
    int r = wcow_tree_new(&options, &tree, err);
    m.tree = tree;
    if (r == WCOW_OK)
        r = merge(b, image, &m, step, err);
    wcow_str_list_done(&m.gone);
    wcow_str_list_done(&m.deletes);
    free(m.left_out);
    if (r < 0)
        return r;
    wcow_tree_seal(tree);
    return wcow_layer_source_of_tree(WCOW_TAKE_PTR(tree), ret, err);
}
