/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/host_tree_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/digest.h"
#include "layer/names.h"

enum {
    SHORT_KEEP = 200, /* of a component that is longer than the host takes */
    SHORT_DIGITS = 32,
    MAX_OPEN_DIRS = 128, /* well below the usual limit of 1,024 descriptors */
    HOST_NAME_MAX_BYTES = 255,
};

void wcow_host_place_done(struct wcow_host_place *place)
{
    free(place->leaf);
    free(place->host_path);
    free(place->key);
    *place = (struct wcow_host_place){0};
}

int wcow_host_tree_new(int layer_fd, const struct wcow_layer_chain *parents,
                       struct wcow_host_tree **ret, struct wcow_error *err)
{
    struct wcow_host_tree *t = calloc(1, sizeof(*t));
    if (!t)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's directories");
    t->layer_fd = layer_fd;
    t->parents = parents;
    int r = wcow_host_make_new(t, err);
    if (r < 0)
        free(t);
    else
        *ret = t;
    return r;
}

static void free_dir(void *value)
{
    struct wcow_host_dir *d = value;
    if (d->fd >= 0)
        (void)close(d->fd);
    free(d->host_path);
    free(d->name);
    free(d);
}

void wcow_host_tree_free(struct wcow_host_tree *tree)
{
    if (!tree)
        return;
    wcow_jobs_free(tree->jobs);
    wcow_bytes_map_done(&tree->dirs, free_dir);
    free(tree);
}

/* ---- names ---- */

bool wcow_host_leaf_is_short(const char *leaf)
{
    size_t len = strlen(leaf);
    return len > SHORT_DIGITS + 1 && len <= SHORT_KEEP + 1 + SHORT_DIGITS &&
           leaf[len - SHORT_DIGITS - 1] == '~' &&
           strspn(leaf + len - SHORT_DIGITS, "0123456789abcdef") == SHORT_DIGITS;
}

/* A component longer than the host takes: its beginning and a hash of the whole. */
int wcow_host_leaf(const char *leaf, char **ret, struct wcow_error *err)
{
    size_t len = strlen(leaf);
    if (len <= HOST_NAME_MAX_BYTES) {
        *ret = strdup(leaf);
        return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    }
    struct wcow_digest digest = {0};
    int r = wcow_digest_of(leaf, len, &digest, err);
    if (r < 0)
        return r;
    size_t keep = SHORT_KEEP;
    while (keep > 0 && ((uint8_t)leaf[keep] & 0xc0) == 0x80)
        keep--;
    if (asprintf(ret, "%.*s~%.*s", (int)keep, leaf, SHORT_DIGITS, digest.text + strlen("sha256:")) <
        0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    return WCOW_OK;
}

int wcow_host_spelled_leaf(struct wcow_host_tree *t, const char *key, const char *leaf, char **ret,
                           struct wcow_error *err)
{
    wcow_autofree char *known = NULL;
    int r = wcow_layer_chain_host_path(t->parents, key, &known, err);
    if (r < 0)
        return r;
    if (r == 0)
        return wcow_host_leaf(leaf, ret, err);
    const char *slash = strrchr(known, '/');
    *ret = strdup(slash ? slash + 1 : known);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

/* ---- directories ---- */

static void list_remove(struct wcow_host_tree *t, struct wcow_host_dir *d)
{
    if (d->prev)
        d->prev->next = d->next;
    else
        t->newest = d->next;
    if (d->next)
        d->next->prev = d->prev;
    else
        t->oldest = d->prev;
    d->prev = d->next = NULL;
}

static void list_add(struct wcow_host_tree *t, struct wcow_host_dir *d)
{
    d->next = t->newest;
    if (d->next)
        d->next->prev = d;
    else
        t->oldest = d;
    t->newest = d;
}

static void close_oldest(struct wcow_host_tree *t)
{
    struct wcow_host_dir *oldest = t->oldest;
    list_remove(t, oldest);
    (void)close(oldest->fd);
    oldest->fd = -1;
    t->n_open--;
}

const char *wcow_host_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Recursion ends at the layer's folder; the tar reader bounds the depth. */
int wcow_host_dir_fd(struct wcow_host_tree *t, struct wcow_host_dir *d, int *ret,
                     struct wcow_error *err)
{
    if (!d) {
        *ret = t->layer_fd;
        return WCOW_OK;
    }
    if (d->fd < 0) {
        int up = -1;
        int r = wcow_host_dir_fd(t, d->parent, &up, err);
        if (r < 0)
            return r;
        d->fd = openat(up, wcow_host_base_name(d->host_path),
                       O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (d->fd < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", d->host_path);
        if (t->n_open++ >= MAX_OPEN_DIRS)
            close_oldest(t);
    } else {
        list_remove(t, d);
    }
    list_add(t, d);
    *ret = d->fd;
    return WCOW_OK;
}

struct wcow_host_dir *wcow_host_dir_find(struct wcow_host_tree *t, const char *key, size_t len)
{
    return wcow_bytes_map_find(&t->dirs, key, len);
}

int wcow_host_dir_add(struct wcow_host_tree *t, struct wcow_host_dir *parent, const char *key,
                      const char *host_path, struct wcow_host_dir **ret, struct wcow_error *err)
{
    size_t len = strlen(key);
    struct wcow_host_dir *d = calloc(1, sizeof(*d) + len + 1);
    if (!d || !(d->host_path = strdup(host_path))) {
        free(d);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's directories");
    }
    d->fd = -1;
    d->parent = parent;
    memcpy(d->key, key, len + 1);
    int r = wcow_bytes_map_add(&t->dirs, d->key, len, d, err);
    if (r < 0) {
        free_dir(d);
        return r;
    }
    *ret = d;
    return wcow_host_make_dir(t, d, err);
}

static int join(const struct wcow_host_dir *parent, const char *leaf, char **ret,
                struct wcow_error *err)
{
    int n = parent ? asprintf(ret, "%s/%s", parent->host_path, leaf) : asprintf(ret, "%s", leaf);
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path") : WCOW_OK;
}

/* Make a directory that no entry has stood for yet; @p entry is what needs it. */
static int make_implied(struct wcow_host_tree *t, struct wcow_host_dir *parent, const char *key,
                        char *name, const struct wcow_entry *entry, struct wcow_host_dir **ret,
                        struct wcow_error *err)
{
    wcow_autofree char *part = name;
    wcow_autofree char *leaf = NULL;
    wcow_autofree char *path = NULL;
    struct wcow_host_dir *d = NULL;
    int r = wcow_host_spelled_leaf(t, key, wcow_host_base_name(part), &leaf, err);
    if (r == WCOW_OK)
        r = join(parent, leaf, &path, err);
    if (r == WCOW_OK)
        r = wcow_host_dir_add(t, parent, key, path, &d, err);
    if (r < 0 || !d)
        return r;
    d->name = WCOW_TAKE_PTR(part);
    d->mtime = entry->mtime;
    d->next_implied = t->implied;
    t->implied = d;
    *ret = d;
    return WCOW_OK;
}

/* The directory that @p key lies in; made where it is not known, with those above it. NULL for the
 * layer's folder itself. */
static int need_dir(struct wcow_host_tree *t, const char *key, const struct wcow_entry *entry,
                    struct wcow_host_dir **ret, struct wcow_error *err)
{
    *ret = NULL;
    struct wcow_host_dir *at = NULL;
    const char *key_end = key;
    const char *name_end = entry->name;
    while ((key_end = strchr(key_end, '/')) && (name_end = strchr(name_end, '/'))) {
        struct wcow_host_dir *d = wcow_host_dir_find(t, key, (size_t)(key_end - key));
        if (!d) {
            wcow_autofree char *part_key = strndup(key, (size_t)(key_end - key));
            char *part = strndup(entry->name, (size_t)(name_end - entry->name));
            if (!part_key || !part) {
                free(part);
                return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
            }
            int r = make_implied(t, at, part_key, part, entry, &d, err);
            if (r < 0)
                return r;
        }
        at = d;
        key_end++;
        name_end++;
    }
    *ret = at;
    return WCOW_OK;
}

struct wcow_host_dir *wcow_host_dir_of(struct wcow_host_tree *t, const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash ? wcow_host_dir_find(t, key, (size_t)(slash - key)) : NULL;
}

/* ---- places ---- */

/* A stream is placed with its file; its own name is the index's business. */
static int key_and_leaf(const struct wcow_entry *entry, char **ret_key, const char **ret_leaf,
                        struct wcow_error *err)
{
    int r = entry->type == WCOW_ENTRY_STREAM ? wcow_name_key(entry->name, ret_key, err)
                                             : wcow_entry_key(entry, ret_key, err);
    *ret_leaf = wcow_host_base_name(entry->name);
    if (entry->type == WCOW_ENTRY_WHITEOUT)
        *ret_leaf += strlen(".wh.");
    return r;
}

int wcow_host_tree_place(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                         struct wcow_host_place *ret, struct wcow_error *err)
{
    wcow_autoplace place = {0};
    const char *leaf = NULL;
    int r = key_and_leaf(entry, &place.key, &leaf, err);
    if (r < 0)
        return r;
    place.dir = wcow_host_dir_of(tree, place.key);
    if (!place.dir)
        r = need_dir(tree, place.key, entry, &place.dir, err);
    if (r == WCOW_OK)
        r = wcow_host_spelled_leaf(tree, place.key, leaf, &place.leaf, err);
    if (r == WCOW_OK)
        r = join(place.dir, place.leaf, &place.host_path, err);
    if (r < 0)
        return r;
    *ret = place;
    place = (struct wcow_host_place){0};
    return WCOW_OK;
}

static bool is_below_opaque(const struct wcow_host_dir *d)
{
    for (d = d->parent; d; d = d->parent)
        if (d->is_opaque)
            return true;
    return false;
}

int wcow_host_tree_implied(const struct wcow_host_tree *tree, wcow_host_implied_fn fn, void *arg,
                           struct wcow_error *err)
{
    int r = WCOW_OK;
    for (const struct wcow_host_dir *d = tree->implied; r == WCOW_OK && d; d = d->next_implied) {
        const struct wcow_host_implied implied = {.entry =
                                                      wcow_entry_implied_dir(d->name, d->mtime),
                                                  .key = d->key,
                                                  .host_path = d->host_path,
                                                  .is_below_opaque = is_below_opaque(d)};
        if (d->name)
            r = fn(arg, &implied, err);
    }
    return r;
}
