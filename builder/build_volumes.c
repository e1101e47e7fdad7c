/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build_volumes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/copy.h"
#include "builder/winpath.h"
#include "layer/filetime.h"

void wcow_build_volumes_done(struct wcow_build_volumes *v)
{
    for (size_t i = 0; i < v->n_locks; i++)
        (void)close(v->locks[i]);
    wcow_run_folder_done(&v->copies);
    wcow_run_folder_done(&v->secrets);
    free(v->items);
    wcow_str_list_done(&v->keys);
    wcow_str_list_done(&v->env);
    wcow_str_list_done(&v->paths);
    wcow_str_list_done(&v->locked);
    *v = (struct wcow_build_volumes){0};
}

/* One RUN's mounts being taken. */
struct taking {
    struct wcow_build *b;
    struct wcow_stage_state *s;
    const struct wcow_run_mount *m;
    struct wcow_build_volumes *v;
    size_t index;
    unsigned step;
};

static int no_memory(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
}

/* Keeps the path; the item borrows it. */
static int keep_path(struct taking *t, const char *path, const char **ret, struct wcow_error *err)
{
    int r = path ? wcow_str_list_add(&t->v->paths, path, err) : no_memory(err);
    if (r == WCOW_OK)
        *ret = t->v->paths.items[t->v->paths.count - 1];
    return r;
}

static int add_volume(struct taking *t, const char *source, const char *target, bool is_file,
                      struct wcow_error *err)
{
    struct wcow_run_volume *grown =
        reallocarray(t->v->items, t->v->n + 1, sizeof(struct wcow_run_volume));
    if (!grown)
        return no_memory(err);
    t->v->items = grown;
    struct wcow_run_volume *item = &grown[t->v->n];
    *item = (struct wcow_run_volume){
        .is_file = is_file, .read_only = t->m->read_only, .size_bytes = t->m->size_bytes};
    wcow_autofree char *in_layer = NULL;
    if (!target || !*target)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--mount: there is no target=PATH");
    int r = wcow_winpath_to_layer(wcow_image_config_string(t->s->config, WCOW_CONFIG_WORKING_DIR),
                                  target, &in_layer, NULL, err);
    if (r == WCOW_OK && strcmp(in_layer, "Files") == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--mount: the target is the whole C: drive");
    if (r == WCOW_OK)
        r = keep_path(t, in_layer, &item->target, err);
    if (r == WCOW_OK && source)
        r = keep_path(t, source, &item->source, err);
    if (r == WCOW_OK)
        t->v->n++;
    return r;
}

/* ---- bind ---- */

/* A node of the tree as a file or directory of the folder. */
static int write_node(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    const int *dir = arg;
    const char *name = shown->entry.name;
    wcow_autoclose int fd = -1;
    if (shown->entry.type == WCOW_ENTRY_DIR) {
        if (mkdirat(*dir, name, 0755) < 0 && errno != EEXIST)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "copy %s", name);
        return WCOW_OK;
    }
    if (shown->entry.type != WCOW_ENTRY_FILE)
        return WCOW_OK; /* links and streams are not shown */
    int r = wcow_open_beneath(*dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, &fd, err);
    const struct wcow_sink sink = wcow_fd_sink(&fd);
    return r < 0 ? r : wcow_payload_send(&shown->payload, &sink, err);
}

/* Whether the source is a directory: 1 or 0. */
static int is_source_dir(struct taking *t, const struct wcow_layers *layers, const char *source,
                         struct wcow_error *err)
{
    if (!layers) {
        struct wcow_context_item item = {0};
        int r = wcow_context_find(t->b->context, source, &item, err);
        bool is_dir = r == WCOW_OK && S_ISDIR(item.st.st_mode);
        wcow_context_item_done(&item);
        return r < 0 ? r : is_dir;
    }
    wcow_autofree char *path = NULL;
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    int r = wcow_winpath_to_layer(NULL, source, &path, NULL, err);
    if (r == WCOW_OK && strcmp(path, "Files") == 0)
        return 1;
    if (r == WCOW_OK)
        r = wcow_layers_find(layers, path, &found, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "--mount: there is no \"%s\" in %s", source,
                         t->m->from);
    return r < 0 ? r : found.entry.type == WCOW_ENTRY_DIR;
}

/* By COPY's own means into a tree of its own, so that .dockerignore, links and names hold; then to
 * disk: what the command changes there is gone afterwards. */
static int copy_source(struct taking *t, const struct wcow_layers *layers, const char *source,
                       const char *dest, struct wcow_tree *tree, struct wcow_error *err)
{
    const char *items[] = {source};
    const struct wcow_copy copy = {
        .sources = {.items = items, .count = 1}, .dest = dest, .from = t->m->from};
    const struct wcow_copying copying = {
        .tree = tree, .copy = &copy, .workdir = "C:\\", .now = WCOW_FILETIME_UNIX_EPOCH};
    return layers ? wcow_copy_from_layers(&copying, layers, err)
                  : wcow_copy_from_context(&copying, t->b->context, err);
}

static int key_of(struct taking *t, struct wcow_tree *tree, struct wcow_error *err)
{
    const struct wcow_layer_write options = {.now = WCOW_FILETIME_UNIX_EPOCH,
                                             .cancel = t->b->options->cancel};
    struct wcow_digest key;
    int r = wcow_layer_key(tree, &options, &key, err);
    return r < 0 ? r : wcow_str_list_add(&t->v->keys, key.text, err);
}

static int take_bind(struct taking *t, struct wcow_error *err)
{
    struct wcow_layers room = {0};
    const struct wcow_layers *layers = NULL;
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    const struct wcow_chain nothing = {0};
    const struct wcow_tree_options options = {.below = &nothing};
    const char *source = t->m->source ? t->m->source : (t->m->from ? "C:\\" : ".");
    char dest[32];
    wcow_autofree char *path = NULL;
    struct wcow_run_folder *copies = &t->v->copies;
    int r = t->m->from ? wcow_build_layers_of(t->b, t->s, t->m->from, t->step, &layers, &room, err)
                       : WCOW_OK;
    int is_dir = r < 0 ? r : is_source_dir(t, layers, source, err);
    (void)snprintf(dest, sizeof(dest), "C:/%zu%s", t->index, is_dir > 0 ? "/" : "");
    r = is_dir < 0 ? is_dir : wcow_tree_new(&options, &tree, err);
    if (r == WCOW_OK)
        r = copy_source(t, layers, source, dest, tree, err);
    if (r == WCOW_OK)
        r = key_of(t, tree, err);
    if (r == WCOW_OK)
        r = wcow_run_folder_make(copies, WCOW_RUN_FOLDER_DISK, t->b->backend, err);
    if (r == WCOW_OK)
        r = wcow_tree_each(tree, write_node, &copies->fd, err);
    if (r == WCOW_OK && asprintf(&path, "%s/Files/%zu", copies->path, t->index) < 0) {
        path = NULL;
        r = no_memory(err);
    }
    if (r == WCOW_OK)
        r = add_volume(t, path, t->m->target, is_dir == 0, err);
    wcow_tree_free(WCOW_TAKE_PTR(tree));
    wcow_layers_done(&room);
    return r;
}

/* ---- cache ---- */

static int make_cache_folder(const char *root, const char *id, char **ret, struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = wcow_digest_of(id, strlen(id), &digest, err);
    wcow_autofree char *parent = NULL;
    wcow_autofree char *path = NULL;
    if (r < 0)
        return r;
    if (asprintf(&parent, "%s/executors/cache", root) < 0 ||
        asprintf(&path, "%s/executors/cache/%.32s", root, digest.text + 7) < 0)
        return no_memory(err);
    if ((mkdir(parent, 0700) < 0 && errno != EEXIST) || (mkdir(path, 0755) < 0 && errno != EEXIST))
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", path);
    *ret = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}

/* One RUN at a time, unless the cache is said to be shared. */
static int note_lock(struct taking *t, const char *path, struct wcow_error *err)
{
    struct wcow_str_list *locked = &t->v->locked;
    if (t->m->sharing == WCOW_SHARING_SHARED)
        return WCOW_OK;
    for (size_t i = 0; i < locked->count; i++) {
        if (strcmp(locked->items[i], path) == 0)
            return WCOW_OK; /* twice in one RUN */
    }
    if (locked->count == WCOW_RUN_LOCKS_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d locked cache mounts at one RUN",
                         WCOW_RUN_LOCKS_MAX);
    return wcow_str_list_add(locked, path, err);
}

static int lock_cache(struct wcow_build_volumes *v, const char *path,
                      const struct wcow_backend *backend, struct wcow_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", path);
    v->locks[v->n_locks++] = fd;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (wcow_backend_is_cancelled(backend))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        (void)usleep(100 * 1000);
    }
    return WCOW_OK;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In one order everywhere, so that no two RUNs wait for each other. */
int wcow_build_volumes_lock(struct wcow_build_volumes *v, const struct wcow_backend *backend,
                            struct wcow_error *err)
{
    int r = WCOW_OK;
    if (v->locked.count > 1)
        qsort(v->locked.items, v->locked.count, sizeof(v->locked.items[0]), by_path);
    for (size_t i = 0; r == WCOW_OK && i < v->locked.count; i++)
        r = lock_cache(v, v->locked.items[i], backend, err);
    return r;
}

static int take_cache(struct taking *t, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    if (t->m->from)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "--mount=type=cache,from=%s: a cache begins empty here", t->m->from);
    int r = make_cache_folder(t->b->options->executor_root, t->m->id ? t->m->id : t->m->target,
                              &path, err);
    if (r == WCOW_OK)
        r = note_lock(t, path, err);
    return r < 0 ? r : add_volume(t, path, t->m->target, false, err);
}

/* ---- secret ---- */

static int take_secret(struct taking *t, struct wcow_error *err)
{
    wcow_autobuf value = {0};
    wcow_autobuf target = {0};
    wcow_autofree char *path = NULL;
    int r = wcow_secrets_read(&t->b->secrets, t->m->id, &value, err);
    if (r == 0 && t->m->required)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "secret %s: not found; give it with --secret id=%s,src=FILE", t->m->id,
                         t->m->id);
    if (r <= 0)
        return r;
    const char *text = value.data ? (const char *)value.data : "";
    if (t->m->env) {
        wcow_autobuf pair = {0};
        r = wcow_buf_addf(&pair, err, "%s=%s", t->m->env, text);
        if (r == WCOW_OK)
            r = wcow_str_list_add(&t->v->env, (const char *)pair.data, err);
        if (r < 0 || !t->m->target)
            return r;
    }
    char name[32];
    (void)snprintf(name, sizeof(name), "secret%zu", t->index);
    r = wcow_run_folder_make(&t->v->secrets, WCOW_RUN_FOLDER_MEMORY, t->b->backend, err);
    if (r == WCOW_OK)
        r = t->m->target ? wcow_buf_add_str(&target, t->m->target, err)
                         : wcow_buf_addf(&target, err, "C:/run/secrets/%s", t->m->id);
    if (r == WCOW_OK)
        r = wcow_run_folder_write(&t->v->secrets, name, text, value.len, &path, err);
    return r < 0 ? r : add_volume(t, path, (const char *)target.data, true, err);
}

static int take_one(struct taking *t, struct wcow_error *err)
{
    switch (t->m->type) {
    case WCOW_MOUNT_BIND:
        return take_bind(t, err);
    case WCOW_MOUNT_CACHE:
        return take_cache(t, err);
    case WCOW_MOUNT_TMPFS:
        return add_volume(t, NULL, t->m->target, false, err);
    case WCOW_MOUNT_SECRET:
        return take_secret(t, err);
    case WCOW_MOUNT_SSH:
        break;
    }
    return WCOW_FAIL(
        err, WCOW_E_UNSUPPORTED,
        "--mount=type=ssh: an agent's socket cannot be shown to a Windows command; take "
        "type=secret");
}

int wcow_build_volumes_take(struct wcow_build *b, struct wcow_stage_state *s,
                            const struct wcow_run *run, unsigned step,
                            struct wcow_build_volumes *ret, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < run->mount_count; i++) {
        struct taking t = {
            .b = b, .s = s, .m = &run->mounts[i], .v = ret, .index = i, .step = step};
        r = take_one(&t, err);
    }
    return r;
}
