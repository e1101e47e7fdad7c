/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/images.h"
#include "cli/image_source.h"
#include "differ/compare.h"
#include "snapshotter/lookup.h"
#include "store/db.h"

static void layer_done(struct wcow_target_layer *layer)
{
    free(layer->name);
    free(layer->diff_id);
    wcow_layer_tar_free(layer->tar);
    wcow_entry_list_free(layer->list);
}

void wcow_target_done(struct wcow_target *target)
{
    for (size_t i = 0; i < target->n; i++)
        layer_done(&target->layers[i]);
    for (size_t i = 0; i < target->n_chains; i++) {
        wcow_layer_chain_done(target->chains[i]);
        free(target->chains[i]);
    }
    free(target->layers);
    free(target->views);
    free(target->chains);
    wcow_backend_free(target->backend);
    *target = (struct wcow_target){0};
}

struct wcow_chain wcow_target_chain(const struct wcow_target *target, size_t first)
{
    return (struct wcow_chain){.layers = target->views + first, .n_layers = target->n - first};
}

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for layers");
}

/* Append a layer; takes what it holds, on error too. */
static int push(struct wcow_target *t, struct wcow_target_layer layer, struct wcow_layer_view view,
                struct wcow_error *err)
{
    struct wcow_target_layer *layers = reallocarray(t->layers, t->n + 1, sizeof(*layers));
    if (layers)
        t->layers = layers;
    struct wcow_layer_view *views = reallocarray(t->views, t->n + 1, sizeof(*views));
    if (views)
        t->views = views;
    if (!layers || !views || !layer.name) {
        layer_done(&layer);
        return nomem(err);
    }
    layers[t->n] = layer;
    views[t->n++] = view;
    return WCOW_OK;
}

/* The diff ID that the image's config gives the layer. */
static int expect(struct wcow_target_layer *layer, const char *diff_id, struct wcow_error *err)
{
    layer->diff_id = strdup(diff_id ? diff_id : "");
    return layer->diff_id ? WCOW_OK : nomem(err);
}

/* ---- kinds ---- */

/* Takes @p tar. */
static int add_tar(struct wcow_target *t, const char *name, struct wcow_layer_tar *tar,
                   struct wcow_error *err)
{
    struct wcow_entry_list *list = NULL;
    int r = wcow_layer_tar_list(tar, &list, err);
    if (r < 0) {
        wcow_layer_tar_free(tar);
        return r;
    }
    struct wcow_target_layer layer = {.name = strdup(name), .tar = tar, .list = list};
    return push(t, layer, wcow_entry_list_view(list), err);
}

static int open_tar(const char *path, struct wcow_target *t, struct wcow_error *err)
{
    struct wcow_layer_tar *tar = NULL;
    int r = wcow_layer_tar_open(path, &tar, err);
    t->kind = WCOW_TARGET_TAR;
    return r < 0 ? r : add_tar(t, path, tar, err);
}

static int add_folders(struct wcow_target *t, const char *const *folders, size_t n,
                       struct wcow_error *err)
{
    struct wcow_layer_chain **chains =
        reallocarray(t->chains, t->n_chains + 1, sizeof(struct wcow_layer_chain *));
    if (!chains)
        return nomem(err);
    t->chains = chains;
    struct wcow_layer_chain *chain = calloc(1, sizeof(*chain));
    if (!chain)
        return nomem(err);
    chains[t->n_chains++] = chain;
    int r = wcow_differ_open_chain(folders, n, chain, err);
    for (size_t i = 0; r == WCOW_OK && i < n; i++) {
        struct wcow_target_layer layer = {.name = strdup(folders[i]), .chain = chain, .at = i};
        r = push(t, layer, chain->views[i], err);
    }
    return r;
}

static bool has_index(const char *folder)
{
    struct stat st;
    wcow_autobuf path = {0};
    return wcow_buf_addf(&path, NULL, "%s/layer.db", folder) == WCOW_OK &&
           stat((const char *)path.data, &st) == 0;
}

static int open_folder(const char *path, struct wcow_target *t, struct wcow_error *err)
{
    if (!has_index(path))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is no layer's folder: it has no layer.db (`wcow layers` shows the "
                         "folders of a snapshot, `wcow tar` makes a layer of a directory)",
                         path);
    wcow_autofree char *clean = strdup(path);
    if (!clean)
        return nomem(err);
    for (size_t n = strlen(clean); n > 1 && clean[n - 1] == '/'; n--)
        clean[n - 1] = '\0';
    const char *folders[] = {clean};
    t->kind = WCOW_TARGET_FOLDER;
    return add_folders(t, folders, 1, err);
}

/* What was changed in a snapshot that is being written to, as the layer that it would become. */
static int add_changes(struct wcow_target *t, const struct wcow_snapshot_folders *f,
                       struct wcow_error *err)
{
    struct wcow_layer_tar *tar = NULL;
    struct wcow_sink sink = {0};
    int r = wcow_layer_tar_new(f->source, &tar, &sink, err);
    if (r < 0)
        return r;
    const struct wcow_compare_options options = {
        .folder = f->source, .parents = (const char *const *)f->parents, .n_parents = f->n_parents};
    struct wcow_digest diff_id = {0};
    uint64_t bytes = 0;
    r = wcow_compare(&options, &sink, &diff_id, &bytes, err);
    if (r < 0) {
        wcow_layer_tar_free(tar);
        return wcow_error_wrap(r, err, "changes in \"%s\"", f->source);
    }
    return add_tar(t, f->source, tar, err);
}

static int add_snapshot(struct wcow_target *t, const struct wcow_snapshot_folders *f,
                        struct wcow_error *err)
{
    t->is_to_bottom = true;
    if (f->kind == WCOW_KIND_COMMITTED) {
        wcow_autofree const char **folders = calloc(f->n_parents + 1, sizeof(*folders));
        if (!folders)
            return nomem(err);
        folders[0] = f->source;
        for (size_t i = 0; i < f->n_parents; i++)
            folders[i + 1] = f->parents[i];
        return add_folders(t, folders, f->n_parents + 1, err);
    }
    int r = f->kind == WCOW_KIND_ACTIVE ? add_changes(t, f, err) : WCOW_OK;
    return r < 0 || !f->n_parents
               ? r
               : add_folders(t, (const char *const *)f->parents, f->n_parents, err);
}

static int find_snapshot(const struct wcow_target_options *o, const char *key,
                         struct wcow_snapshot_folders *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    int r = wcow_store_open_readonly(o->place.root, &store, err);
    return r < 0 ? r : wcow_snapshotter_layers(store, o->place.ns, key, ret, err);
}

static int open_snapshot(const struct wcow_target_options *o, const char *key,
                         struct wcow_target *t, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_snapshot_folders_done) struct wcow_snapshot_folders folders = {0};
    int r = find_snapshot(o, key, &folders, err);
    t->kind = WCOW_TARGET_SNAPSHOT;
    return r < 0 ? r : add_snapshot(t, &folders, err);
}

/* The layers of an image's blobs, nearest first. */
static int add_blobs(struct wcow_target *t, const struct wcow_image_source *image,
                     struct wcow_error *err)
{
    int r = WCOW_OK;
    t->kind = WCOW_TARGET_IMAGE;
    t->is_to_bottom = true;
    for (size_t i = image->manifest.layer_count; r == WCOW_OK && i-- > 0;) {
        struct wcow_layer_tar *tar = NULL;
        r = wcow_image_source_layer(image, i, &tar, err);
        if (r == WCOW_OK)
            r = add_tar(t, image->name, tar, err);
        if (r == WCOW_OK)
            r = expect(&t->layers[t->n - 1], wcow_image_config_diff_id(image->config, i), err);
    }
    return r;
}

static int open_layout(const struct wcow_target_options *o, const char *path, const char *tag,
                       struct wcow_target *t, struct wcow_error *err)
{
    wcow_auto_image_source image = {0};
    int r = wcow_image_source_open(path, tag, o->platform, &image, err);
    return r < 0 ? r : add_blobs(t, &image, err);
}

/* A layer's tar, or an image as `docker save` gives it. */
static int open_stdin(const struct wcow_target_options *o, struct wcow_target *t,
                      struct wcow_error *err)
{
    wcow_auto_image_source image = {0};
    struct wcow_layer_tar *tar = NULL;
    int r = wcow_layer_tar_open("-", &tar, err);
    if (r < 0)
        return r;
    t->kind = WCOW_TARGET_TAR;
    if (!wcow_image_is_archive(tar))
        return add_tar(t, "-", tar, err);
    r = wcow_image_source_of_archive(tar, NULL, o->platform, &image, err);
    return r < 0 ? r : add_blobs(t, &image, err);
}

static int find_image(const struct wcow_target_options *o, struct wcow_backend *backend,
                      const char *name, struct wcow_local_image *ret, struct wcow_error *err)
{
    struct wcow_platform platform;
    int r = wcow_platform_parse(o->platform, &platform, err);
    if (r == WCOW_OK)
        r = wcow_image_find(backend, name, &platform, ret, err);
    if (r == WCOW_OK && !ret->manifest.layer_count)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "image %s has no layers", name);
    return r;
}

/* Its layers are snapshots, unpacked where they are not yet. */
static int add_snapshots(const struct wcow_target_options *o, const struct wcow_local_image *image,
                         struct wcow_target *t, struct wcow_error *err)
{
    struct wcow_digest chain_id = {0};
    WCOW_CLEANUP(wcow_snapshot_folders_done) struct wcow_snapshot_folders folders = {0};
    int r = wcow_image_config_chain_id(image->config, image->manifest.layer_count, &chain_id, err);
    if (r < 0)
        return r;
    t->kind = WCOW_TARGET_IMAGE;
    r = find_snapshot(o, chain_id.text, &folders, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "image %s is not in %s (is --root that of wcowd?)",
                               image->name, o->place.root);
    return add_snapshot(t, &folders, err);
}

/* What wcowd refuses to unpack can be looked at all the same. */
static int add_refused(struct wcow_local_image *image, struct wcow_target *t,
                       struct wcow_error *err)
{
    wcow_auto_image_source source = {0};
    int r = wcow_image_source_of(t->backend, image, &source, err);
    return r < 0 ? r : add_blobs(t, &source, err);
}

static int open_image(const struct wcow_target_options *o, const char *name, struct wcow_target *t,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_progress_free_p) struct wcow_progress *progress = NULL;
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image image = {0};
    const struct wcow_backend_options options = {
        .address = o->place.address, .ns = o->place.ns, .snapshotter = o->snapshotter};
    int r = wcow_backend_new(&options, &t->backend, err);
    if (r == WCOW_OK)
        r = wcow_progress_new(WCOW_PROGRESS_QUIET, 2, &progress, err);
    if (r == WCOW_OK)
        r = find_image(o, t->backend, name, &image, err);
    if (r < 0)
        return r;
    t->backend->progress = progress;
    r = wcow_image_unpack(t->backend, &image, 0, err);
    t->backend->progress = NULL;
    if (r == WCOW_E_INVALID)
        return add_refused(&image, t, err);
    return r < 0 ? r : add_snapshots(o, &image, t, err);
}

/* ---- which kind ---- */

static bool is_path(const char *text, struct stat *st)
{
    bool looks = text[0] == '/' || text[0] == '.';
    if (stat(text, st) < 0)
        return looks;
    return looks || S_ISREG(st->st_mode) || (S_ISDIR(st->st_mode) && has_index(text));
}

/* What the name is not, among files. */
static void describe(const char *text, char *to, size_t size)
{
    struct stat st = {0};
    if (stat(text, &st) < 0 && errno != ENOENT)
        (void)snprintf(to, size, "a file that can be read (%s)", strerrordesc_np(errno));
    else if (S_ISDIR(st.st_mode))
        (void)snprintf(to, size, "a layer's folder (it has no layer.db)");
    else
        (void)snprintf(to, size, "a file");
}

static int open_by_name(const struct wcow_target_options *o, const char *text,
                        struct wcow_target *t, struct wcow_error *err)
{
    struct wcow_error snapshot_err = {0};
    int r = open_snapshot(o, text, t, &snapshot_err);
    if (r == WCOW_OK)
        return WCOW_OK;
    if (r != WCOW_E_NOT_FOUND && r != WCOW_E_DENIED)
        return WCOW_FAIL(err, r, "%s", snapshot_err.msg);
    wcow_target_done(t);
    struct wcow_error image_err = {0};
    char file[128];
    describe(text, file, sizeof(file));
    r = open_image(o, text, t, &image_err);
    if (r == WCOW_E_NOT_FOUND && !t->n)
        return WCOW_FAIL(err, r, "\"%s\" is neither %s nor a snapshot of %s, and as an image: %s",
                         text, file, o->place.root, image_err.msg);
    if (r == WCOW_E_UNAVAILABLE)
        return WCOW_FAIL(err, r,
                         "\"%s\" is neither %s nor a snapshot of %s, and whether it is an image "
                         "cannot be asked: %s",
                         text, file, o->place.root, image_err.msg);
    return r < 0 ? WCOW_FAIL(err, r, "%s", image_err.msg) : WCOW_OK;
}

static int open_any(const struct wcow_target_options *o, const char *text, struct wcow_target *t,
                    struct wcow_error *err)
{
    struct stat st = {0};
    if (strcmp(text, "-") == 0)
        return open_stdin(o, t, err);
    wcow_autofree char *path = NULL;
    wcow_autofree char *tag = NULL;
    int r = wcow_image_layout_name(text, &path, &tag, err);
    if (r != 0)
        return r < 0 ? r : open_layout(o, path, tag, t, err);
    if (!is_path(text, &st))
        return open_by_name(o, text, t, err);
    return S_ISDIR(st.st_mode) ? open_folder(text, t, err) : open_tar(text, t, err);
}

/* As if they were unpacked: from the bottom up, for a layer asks those below it. */
static int imply_dirs(const struct wcow_target *t, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = t->n; r == WCOW_OK && i-- > 0;) {
        struct wcow_chain chain = wcow_target_chain(t, i);
        if (t->layers[i].list)
            r = wcow_entry_list_imply(t->layers[i].list, &chain, err);
    }
    return r;
}

int wcow_target_open(const struct wcow_target_options *options, const char *text,
                     struct wcow_target *ret, struct wcow_error *err)
{
    wcow_autotarget t = {0};
    int r = open_any(options, text, &t, err);
    if (r == WCOW_OK)
        r = imply_dirs(&t, err);
    if (r < 0)
        return r;
    t.n_own = t.n;
    *ret = t;
    t = (struct wcow_target){0};
    return WCOW_OK;
}

/* Put the layers of @p below behind those of @p t. */
static int append(struct wcow_target *t, struct wcow_target *below, struct wcow_error *err)
{
    struct wcow_layer_chain **chains = reallocarray(t->chains, t->n_chains + below->n_chains + 1,
                                                    sizeof(struct wcow_layer_chain *));
    if (!chains)
        return nomem(err);
    t->chains = chains;
    for (size_t i = 0; i < below->n_chains; i++)
        chains[t->n_chains++] = below->chains[i];
    below->n_chains = 0;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < below->n; i++) {
        r = push(t, below->layers[i], below->views[i], err);
        below->layers[i] = (struct wcow_target_layer){0};
    }
    t->is_to_bottom = below->is_to_bottom;
    return r;
}

int wcow_target_open_over(const struct wcow_target_options *options, const char *text,
                          struct wcow_target *ret, struct wcow_error *err)
{
    wcow_autotarget t = {0};
    int r = wcow_target_open(options, text, &t, err);
    if (r == WCOW_OK && options->parents.n && t.is_to_bottom)
        r = WCOW_FAIL(err, WCOW_E_INVALID,
                      "--parent is for a tar or a folder; \"%s\" has its parents already", text);
    for (size_t i = 0; r == WCOW_OK && i < options->parents.n; i++) {
        wcow_autotarget below = {0};
        r = wcow_target_open(options, options->parents.items[i], &below, err);
        if (r == WCOW_OK)
            r = append(&t, &below, err);
        if (r == WCOW_OK && below.backend && !t.backend)
            t.backend = WCOW_TAKE_PTR(below.backend);
    }
    if (r == WCOW_OK && options->parents.n)
        r = imply_dirs(&t, err);
    if (r < 0)
        return r;
    *ret = t;
    t = (struct wcow_target){0};
    return WCOW_OK;
}

/* ---- entries ---- */

struct give {
    wcow_view_child_fn fn;
    void *arg;
};

static int give_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    const struct give *give = arg;
    return give->fn(give->arg, row->entry, err);
}

int wcow_target_each(const struct wcow_target *target, size_t layer, wcow_view_child_fn fn,
                     void *arg, struct wcow_error *err)
{
    const struct wcow_target_layer *l = &target->layers[layer];
    if (l->chain) {
        struct give give = {.fn = fn, .arg = arg};
        return wcow_layer_index_each(l->chain->indexes[l->at], give_row, &give, err);
    }
    int r = WCOW_OK;
    for (size_t i = 0; r >= 0 && i < wcow_entry_list_count(l->list); i++)
        r = fn(arg, &wcow_entry_list_at(l->list, i)->entry, err);
    return r < 0 ? r : WCOW_OK;
}

int wcow_target_streams(const struct wcow_target *target, size_t layer, const char *key,
                        wcow_view_child_fn fn, void *arg, struct wcow_error *err)
{
    const struct wcow_target_layer *l = &target->layers[layer];
    if (l->chain) {
        struct give give = {.fn = fn, .arg = arg};
        return wcow_layer_index_streams(l->chain->indexes[l->at], key, give_row, &give, err);
    }
    const struct wcow_listed *s = NULL;
    for (size_t i = 0; (s = wcow_entry_list_stream(l->list, key, i)); i++) {
        int r = fn(arg, &s->entry, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}
