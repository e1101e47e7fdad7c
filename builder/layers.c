/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "layer/names.h"

/* ---- one layer ---- */

/* As deep as one: what is unpacked has its files. */
// NOLINTNEXTLINE(misc-no-recursion)
void wcow_layer_source_free(struct wcow_layer_source *source)
{
    if (!source)
        return;
    wcow_layer_source_free(source->unpacked);
    wcow_taken_done(&source->taken);
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

int wcow_layer_source_of_folder(int folder_fd, const char *name, struct wcow_layer_source **ret,
                                struct wcow_error *err)
{
    wcow_autoclose int fd = folder_fd;
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = new_source(err);
    if (!source)
        return WCOW_E_NOMEM;
    source->layer_fd = WCOW_TAKE_FD(fd);
    int r = wcow_layer_index_open(source->layer_fd, &source->index, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "layer %s", name);
    *ret = WCOW_TAKE_PTR(source);
    return WCOW_OK;
}

int wcow_layer_source_open(const char *folder, struct wcow_layer_source **ret,
                           struct wcow_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0
               ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the layer folder %s", folder)
               : wcow_layer_source_of_folder(fd, folder, ret, err);
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
    again->keeper = source->keeper;
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

/* ---- hard links ---- */

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
