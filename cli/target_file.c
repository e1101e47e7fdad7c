/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one file of a target. */
#include <stdlib.h>
#include <string.h>

#include "cli/target.h"
#include "differ/layer_file.h"
#include "layer/names.h"

struct wcow_target_file {
    struct wcow_layer_file *in_folder; /* or NULL: */
    struct wcow_entry entry;
    struct wcow_source source; /* of the tar */
};

void wcow_target_file_close(struct wcow_target_file *file)
{
    if (!file)
        return;
    wcow_layer_file_close(file->in_folder);
    wcow_entry_done(&file->entry);
    free(file);
}

const struct wcow_entry *wcow_target_file_entry(const struct wcow_target_file *file)
{
    return file->in_folder ? wcow_layer_file_entry(file->in_folder) : &file->entry;
}

struct wcow_source wcow_target_file_source(struct wcow_target_file *file)
{
    return file->in_folder ? wcow_layer_file_source(file->in_folder) : file->source;
}

/* Find the file that @p name is, its layer and its first name. @return its type */
static int resolve(const struct wcow_target *t, size_t first, const char *name, char **ret_name,
                   size_t *ret_layer, struct wcow_error *err)
{
    struct wcow_chain chain = wcow_target_chain(t, first);
    wcow_autoentry e = {0};
    size_t layer = 0;
    int r = wcow_chain_resolve(&chain, name, &e, &layer, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is not there", name);
    if (r < 0)
        return r;
    *ret_name = WCOW_TAKE_PTR(e.name);
    *ret_layer = first + layer;
    return (int)e.type;
}

static const struct wcow_listed *find_stream(const struct wcow_entry_list *list, const char *key,
                                             const char *full_key)
{
    const struct wcow_listed *s = NULL;
    for (size_t i = 0; (s = wcow_entry_list_stream(list, key, i)); i++) {
        wcow_autofree char *its = NULL;
        if (wcow_name_key(s->entry.name, &its, NULL) == WCOW_OK && strcmp(its, full_key) == 0)
            return s;
    }
    return NULL;
}

static int open_in_tar(const struct wcow_target_layer *layer, const char *name, const char *full,
                       struct wcow_target_file *f, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    wcow_autofree char *full_key = NULL;
    int r = wcow_name_key(name, &key, err);
    if (r == WCOW_OK)
        r = wcow_name_key(full, &full_key, err);
    if (r != WCOW_OK)
        return r;
    const struct wcow_listed *item = strcmp(key, full_key) == 0
                                         ? wcow_entry_list_find(layer->list, key)
                                         : find_stream(layer->list, key, full_key);
    if (!item)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is not there", full);
    if (item->entry.has & WCOW_HAS_SPARSE)
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "\"%s\" is stored in pieces (a sparse file of GNU tar); `wcow repair` writes "
            "a tar that has it whole",
            full);
    r = wcow_entry_copy(&item->entry, &f->entry, err);
    return r < 0 ? r
                 : wcow_layer_tar_data(layer->tar, item->offset, item->entry.size_bytes, &f->source,
                                       err);
}

static int open_in_layer(const struct wcow_target_layer *layer, const char *name, const char *full,
                         struct wcow_target_file *f, struct wcow_error *err)
{
    if (!layer->chain)
        return open_in_tar(layer, name, full, f, err);
    const struct wcow_layer_chain one = {.fds = layer->chain->fds + layer->at,
                                         .folders = layer->chain->folders + layer->at,
                                         .indexes = layer->chain->indexes + layer->at,
                                         .views = layer->chain->views + layer->at,
                                         .n = 1};
    return wcow_layer_file_open(&one, full, &f->in_folder, err);
}

int wcow_target_file_open(const struct wcow_target *target, size_t first, const char *name,
                          struct wcow_target_file **ret, struct wcow_error *err)
{
    const char *slash = strrchr(name, '/');
    const char *stream = strchr(slash ? slash : name, ':');
    wcow_autofree char *asked = stream ? strndup(name, (size_t)(stream - name)) : strdup(name);
    wcow_autofree char *found = NULL;
    WCOW_CLEANUP(wcow_target_file_close_p) struct wcow_target_file *f = calloc(1, sizeof(*f));
    if (!asked || !f)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file");
    size_t layer = 0;
    int r = resolve(target, first, asked, &found, &layer, err);
    if (r < 0)
        return r;
    if (r != WCOW_ENTRY_FILE && !stream)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is %s, not a file", found,
                         r == WCOW_ENTRY_DIR ? "a directory" : "a link");
    wcow_autobuf full = {0};
    r = wcow_buf_addf(&full, err, "%s%s", found, stream ? stream : "");
    if (r == WCOW_OK)
        r = open_in_layer(&target->layers[layer], found, (const char *)full.data, f, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(f);
    return r;
}
