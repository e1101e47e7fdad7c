/* SPDX-License-Identifier: Apache-2.0 */
/* What a scan writes: a directory's entry only once something in it is written, whiteouts right
 * behind it, a file's further names as hard links. */
#include <stdio.h>
#include <string.h>

#include "differ/scan_internal.h"
#include "layer/filetime.h"
#include "layer/names.h"

/* The first name of a file that has several. */
struct inode {
    uint64_t id[2]; /* device, number */
    char name[];
};

static int write_row(struct wcow_scan *s, int dirfd, const struct wcow_index_row *row,
                     struct wcow_error *err)
{
    if (s->o->cancel && atomic_load(s->o->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled by the caller");
    return wcow_scan_out_add(&s->out, dirfd, row, err);
}

/* Recursion ends at a root; the walk bounds the depth. */
int wcow_scan_tell(struct wcow_scan *s, struct wcow_scan_place *at, struct wcow_error *err)
{
    if (!at || at->is_told)
        return WCOW_OK;
    int r = wcow_scan_tell(s, at->up, err);
    if (r < 0)
        return r;
    at->is_told = true;
    struct wcow_index_row row = {.entry = at->entry, .host_path = at->host_path};
    return write_row(s, s->o->folder_fd, &row, err);
}

int wcow_scan_add(struct wcow_scan *s, struct wcow_scan_place *at, int dirfd,
                  const struct wcow_index_row *row, struct wcow_error *err)
{
    int r = wcow_scan_tell(s, at, err);
    return r < 0 ? r : write_row(s, dirfd, row, err);
}

/* ---- whiteouts ---- */

/* Where what is hidden would be on disk if it came again: beside nothing of overlayfs's, as in an
 * opaque directory. An index has it, a tar does not. */
static int hidden_host_path(struct wcow_scan *s, const struct wcow_scan_place *at, const char *leaf,
                            char **ret, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *key = NULL;
    wcow_autofree char *below = NULL;
    if (!s->out.index || !at->host_path)
        return WCOW_OK;
    int r = wcow_scan_join(at->name, leaf, &path, err);
    if (r == WCOW_OK)
        r = wcow_name_key(path, &key, err);
    if (r == WCOW_OK)
        r = wcow_layer_chain_host_path(s->o->below, key, &below, err);
    if (r < 0)
        return r;
    return wcow_scan_join(at->host_path, below ? wcow_scan_base_name(below) : leaf, ret, err);
}

static int add_whiteout(struct wcow_scan *s, struct wcow_scan_place *at, const char *leaf,
                        const char *host_leaf, struct wcow_error *err)
{
    wcow_autoentry e = {.type = WCOW_ENTRY_WHITEOUT,
                        .mtime = WCOW_FILETIME_UNIX_EPOCH,
                        .atime = WCOW_FILETIME_UNIX_EPOCH,
                        .ctime = WCOW_FILETIME_UNIX_EPOCH,
                        .creation = WCOW_FILETIME_UNIX_EPOCH};
    if (asprintf(&e.name, "%s/.wh.%s", at->name, leaf) < 0) {
        e.name = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    wcow_autofree char *host_path = NULL;
    int r = host_leaf ? wcow_scan_join(at->host_path, host_leaf, &host_path, err)
                      : hidden_host_path(s, at, leaf, &host_path, err);
    struct wcow_index_row row = {.entry = &e, .host_path = host_path};
    return r < 0 ? r : wcow_scan_add(s, at, s->o->folder_fd, &row, err);
}

/* A directory that shows other content than the parents' of its name. */
struct hiding {
    struct wcow_scan *s;
    struct wcow_scan_place *at;
    const struct wcow_dir_names *names;
};

/* 1 where a moved directory brings a child of that name along. */
static int comes_along(struct hiding *h, const char *leaf, struct wcow_error *err)
{
    if (!h->at->origin)
        return 0;
    wcow_autofree char *path = NULL;
    wcow_autoentry e = {0};
    int r = wcow_scan_join(h->at->origin, leaf, &path, err);
    return r < 0 ? r : wcow_chain_lookup(&h->s->below, path, &e, NULL, err);
}

static int hide_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct hiding *h = arg;
    const char *leaf = wcow_scan_base_name(child->name);
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(leaf, &key, err);
    if (r < 0)
        return r;
    const struct wcow_dir_name *here = wcow_dir_names_find(h->names, key);
    r = here ? !here->is_whiteout : comes_along(h, leaf, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    return add_whiteout(h->s, h->at, leaf, here ? here->name : NULL, err);
}

static int add_one(struct wcow_scan *s, struct wcow_scan_place *at, const char *host_leaf,
                   struct wcow_error *err)
{
    wcow_autofree char *leaf = NULL;
    wcow_autofree char *path = NULL;
    wcow_autoentry gone = {0};
    int r = wcow_scan_real_leaf(s, at, host_leaf, &leaf, err);
    if (r == WCOW_OK)
        r = wcow_scan_join(at->name, leaf, &path, err);
    if (r == WCOW_OK)
        r = wcow_chain_lookup(&s->below, path, &gone, NULL, err);
    return r > 0 ? add_whiteout(s, at, wcow_scan_base_name(gone.name), host_leaf, err) : r;
}

int wcow_scan_whiteouts(struct wcow_scan *s, struct wcow_scan_place *at,
                        const struct wcow_dir_names *names, struct wcow_error *err)
{
    if (!at->shows)
        return WCOW_OK;
    if (!at->origin || at->is_moved) {
        struct hiding hiding = {.s = s, .at = at, .names = names};
        return wcow_chain_children(&s->below, at->name, hide_child, &hiding, err);
    }
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < names->n; i++) {
        if (names->by_name[i]->is_whiteout)
            r = add_one(s, at, names->by_name[i]->name, err);
    }
    return r;
}

/* ---- hard links ---- */

static int remember(struct wcow_scan *s, const struct stat *st, const char *name,
                    struct wcow_error *err)
{
    size_t len = strlen(name);
    struct inode *first = calloc(1, sizeof(*first) + len + 1);
    if (!first)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
    first->id[0] = st->st_dev;
    first->id[1] = st->st_ino;
    memcpy(first->name, name, len + 1);
    int r = wcow_bytes_map_add(&s->inodes, first->id, sizeof(first->id), first, err);
    if (r < 0)
        free(first);
    return r;
}

int wcow_scan_add_link(struct wcow_scan *s, struct wcow_scan_place *at, const struct stat *st,
                       struct wcow_entry *e, const char *host_path, bool is_unchanged,
                       struct wcow_error *err)
{
    if (st->st_nlink < 2 || !S_ISREG(st->st_mode))
        return 0;
    const uint64_t id[2] = {st->st_dev, st->st_ino};
    const struct inode *first = wcow_bytes_map_find(&s->inodes, id, sizeof(id));
    if (!first)
        return remember(s, st, e->name, err);
    if (is_unchanged)
        return 0;
    e->type = WCOW_ENTRY_HARDLINK;
    e->size_bytes = 0;
    e->has &= ~(uint32_t)WCOW_HAS_RAWSD;
    free(e->sd);
    e->sd = NULL;
    e->sd_len_bytes = 0;
    e->link = strdup(first->name);
    if (!e->link)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
    struct wcow_index_row row = {.entry = e, .host_path = host_path};
    int r = wcow_scan_add(s, at, s->o->folder_fd, &row, err);
    return r < 0 ? r : 1;
}
