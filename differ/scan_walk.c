/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a changed folder, against what overlayfs would have shown of the parents. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "differ/host_tree.h"
#include "differ/scan_internal.h"
#include "differ/scan_overlay.h"
#include "layer/names.h"

enum { MAX_DEPTH = 256, TARGET_BYTES = 4096 };

int wcow_scan_join(const char *dir, const char *leaf, char **ret, struct wcow_error *err)
{
    if (asprintf(ret, "%s/%s", dir, leaf) >= 0)
        return WCOW_OK;
    *ret = NULL;
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

const char *wcow_scan_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Something in a directory: what it is on the host and in the parents. */
struct object {
    const char *leaf; /* on the host */
    struct stat st;
    char *host_path;
    char *name;     /* in the tar */
    char *origin;   /* path in the parents, or NULL */
    bool is_moved;  /* and not at the same path */
    bool has_base;  /* base is set: what the parents have at origin */
    bool has_notes; /* overlayfs or somebody else noted something at it */
    bool shows;     /* the parents have a directory at `name` */
    size_t layer;   /* of base */
    struct wcow_entry base;
};

static void object_done(struct object *o)
{
    free(o->host_path);
    free(o->name);
    free(o->origin);
    wcow_entry_done(&o->base);
}

static int check_kind(const struct stat *st, const char *path, struct wcow_error *err)
{
    if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s\" is a socket, pipe or device: Windows has no such file; remove it",
                     path);
}

static int check_data(const struct wcow_scan_place *at, const struct object *o,
                      struct wcow_error *err)
{
    if (!S_ISREG(o->st.st_mode) || !o->has_notes || !wcow_overlay_is_metacopy(at->fd, o->leaf))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "\"%s\" has its data in a parent (overlayfs with metacopy=on); mount the "
                     "snapshot with metacopy=off",
                     o->host_path);
}

/* ---- where it comes from ---- */

static int set_origin(struct object *o, char *origin, bool is_moved)
{
    free(o->origin);
    o->origin = origin;
    o->is_moved = is_moved;
    return WCOW_OK;
}

static int is_same_name(const char *a, const char *b, struct wcow_error *err)
{
    wcow_autofree char *key_a = NULL;
    wcow_autofree char *key_b = NULL;
    int r = wcow_name_key(a, &key_a, err);
    if (r == WCOW_OK)
        r = wcow_name_key(b, &key_b, err);
    return r < 0 ? r : key_a && key_b && strcmp(key_a, key_b) == 0;
}

/* Where overlayfs looks for a renamed directory in the parents. One that has only other letters
 * than before has not moved. */
static int follow_redirect(const struct wcow_scan_place *at, const char *redirect, struct object *o,
                           struct wcow_error *err)
{
    char *origin = NULL;
    wcow_autofree char *here = NULL;
    int r = wcow_scan_join(at->name, o->leaf, &here, err);
    if (r == WCOW_OK && *redirect == '/')
        r = wcow_scan_join("Files", redirect + 1, &origin, err);
    else if (r == WCOW_OK && at->origin)
        r = wcow_scan_join(at->origin, redirect, &origin, err);
    int same = r == WCOW_OK && origin ? is_same_name(origin, here, err) : r;
    if (same < 0) {
        free(origin);
        return same;
    }
    return set_origin(o, origin, !same);
}

static int find_origin(const struct wcow_scan_place *at, const char *real, struct object *o,
                       struct wcow_error *err)
{
    if (S_ISDIR(o->st.st_mode) && o->has_notes) {
        wcow_autofree char *redirect = NULL;
        int r = wcow_overlay_redirect(at->fd, o->leaf, &redirect, err);
        if (r != 0)
            return r < 0 ? r : follow_redirect(at, redirect, o, err);
        if (wcow_overlay_is_opaque(at->fd, o->leaf))
            return WCOW_OK;
    }
    if (!at->origin)
        return WCOW_OK;
    char *origin = NULL;
    int r = wcow_scan_join(at->origin, real, &origin, err);
    return r < 0 ? r : set_origin(o, origin, at->is_moved);
}

static int look_up_base(struct wcow_scan *s, struct object *o, struct wcow_error *err)
{
    if (!o->origin)
        return WCOW_OK;
    int r = wcow_chain_lookup(&s->below, o->origin, &o->base, &o->layer, err);
    o->has_base = r > 0;
    return r < 0 ? r : WCOW_OK;
}

/* A file that somebody renamed has its base elsewhere. */
static int find_moved(struct wcow_scan *s, const struct wcow_scan_place *at, struct object *o,
                      struct wcow_error *err)
{
    char *from = NULL;
    if (!S_ISREG(o->st.st_mode) || !o->has_notes)
        return WCOW_OK;
    int r = wcow_scan_moved_from(s, at->fd, o->leaf, o->has_base ? o->origin : NULL, &from, err);
    if (r <= 0)
        return r;
    wcow_entry_done(&o->base);
    o->base = (struct wcow_entry){0};
    r = set_origin(o, from, true);
    return r < 0 ? r : look_up_base(s, o, err);
}

/* Whether a file has another letter case than on the parents' disk: it was renamed, to a name that
 * is the same one to Windows. A directory keeps the parents' spelling. */
static int is_respelled(struct wcow_scan *s, const struct object *o, bool *ret,
                        struct wcow_error *err)
{
    *ret = false;
    if (!o->has_base || o->is_moved || S_ISDIR(o->st.st_mode) || o->base.type == WCOW_ENTRY_DIR)
        return WCOW_OK;
    wcow_autofree char *key = NULL;
    wcow_autofree char *host_path = NULL;
    int r = wcow_name_key(o->origin, &key, err);
    if (r == WCOW_OK)
        r = wcow_layer_chain_host_path(s->o->below, key, &host_path, err);
    if (r > 0 && host_path)
        *ret = strcmp(wcow_scan_base_name(host_path), o->leaf) != 0;
    return r < 0 ? r : WCOW_OK;
}

/* Its name in the tar, as the parents spell it, and whether they have a directory of that name. */
static int find_name(struct wcow_scan *s, const struct wcow_scan_place *at, const char *real,
                     struct object *o, struct wcow_error *err)
{
    wcow_autoentry there = {0};
    const struct wcow_entry *same = o->has_base && !o->is_moved ? &o->base : NULL;
    bool respelled = false;
    int r = wcow_scan_join(at->name, real, &o->name, err);
    if (r == WCOW_OK)
        r = is_respelled(s, o, &respelled, err);
    o->is_moved |= respelled;
    if (r < 0 || respelled)
        return r;
    if (!same && at->shows) {
        r = wcow_chain_lookup(&s->below, o->name, &there, NULL, err);
        same = r > 0 ? &there : NULL;
    }
    if (r < 0 || !same)
        return r;
    o->shows = at->shows && same->type == WCOW_ENTRY_DIR;
    free(o->name);
    o->name = NULL;
    return wcow_scan_join(at->name, wcow_scan_base_name(same->name), &o->name, err);
}

static int look_at(struct wcow_scan *s, const struct wcow_scan_place *at, struct object *o,
                   struct wcow_error *err)
{
    wcow_autofree char *real = NULL;
    if (fstatat(at->fd, o->leaf, &o->st, AT_SYMLINK_NOFOLLOW) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at \"%s/%s\"", at->host_path, o->leaf);
    o->has_notes = wcow_overlay_has_notes(at->fd, o->leaf);
    int r = wcow_scan_join(at->host_path, o->leaf, &o->host_path, err);
    if (r == WCOW_OK)
        r = check_kind(&o->st, o->host_path, err);
    if (r == WCOW_OK)
        r = check_data(at, o, err);
    if (r == WCOW_OK)
        r = wcow_scan_real_leaf(s, at, o->leaf, &real, err);
    if (r == WCOW_OK)
        r = find_origin(at, real, o, err);
    if (r == WCOW_OK)
        r = look_up_base(s, o, err);
    if (r == WCOW_OK)
        r = find_moved(s, at, o, err);
    return r < 0 ? r : find_name(s, at, real, o, err);
}

/* ---- directories ---- */

int wcow_scan_place_sd(const struct wcow_scan *s, struct wcow_scan_place *place,
                       struct wcow_buf *store, struct wcow_error *err)
{
    place->sd = (struct wcow_bytes){place->entry->sd, place->entry->sd_len_bytes};
    if (place->entry->sd || !place->origin)
        return WCOW_OK;
    int r = wcow_chain_dir_sd(&s->below, place->origin, store, err);
    place->sd = (struct wcow_bytes){store->data, store->len};
    return r < 0 ? r : WCOW_OK;
}

static int enter(struct wcow_scan *s, struct wcow_scan_place *place, struct wcow_error *err)
{
    if (s->depth >= MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%s\" lies deeper than %d directories", place->name,
                         MAX_DEPTH);
    s->depth++;
    int r = wcow_scan_walk(s, place, err);
    s->depth--;
    return r;
}

static int visit_dir(struct wcow_scan *s, struct wcow_scan_place *at, const struct object *o,
                     const struct wcow_entry *e, struct wcow_error *err)
{
    wcow_autoclose int fd =
        openat(at->fd, o->leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", o->host_path);
    bool merges = o->has_base && o->base.type == WCOW_ENTRY_DIR;
    wcow_autobuf sd = {0};
    struct wcow_scan_place place = {.up = at,
                                    .fd = fd,
                                    .host_path = o->host_path,
                                    .name = o->name,
                                    .entry = e,
                                    .origin = merges ? o->origin : NULL,
                                    .is_moved = merges && o->is_moved,
                                    .shows = o->shows};
    /* One that only merges is there already, and is told once something in it is. */
    bool is_changed = !merges || o->is_moved || e->attributes != o->base.attributes;
    int r = wcow_scan_place_sd(s, &place, &sd, err);
    if (r == WCOW_OK && is_changed)
        r = wcow_scan_tell(s, &place, err);
    return r < 0 ? r : enter(s, &place, err);
}

/* ---- files and links ---- */

static int read_target(int dirfd, const char *leaf, char target[TARGET_BYTES],
                       struct wcow_error *err)
{
    ssize_t n = readlinkat(dirfd, leaf, target, TARGET_BYTES - 1);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the link \"%s\"", leaf);
    target[n] = '\0';
    return WCOW_OK;
}

static bool is_file(const struct wcow_entry *e)
{
    return e->type == WCOW_ENTRY_FILE || e->type == WCOW_ENTRY_HARDLINK;
}

static int visit_file(struct wcow_scan *s, struct wcow_scan_place *at, struct object *o,
                      struct wcow_found *found, struct wcow_error *err)
{
    wcow_autoentry e = {0};
    bool changes = found->base && is_file(found->base);
    int r = changes ? wcow_scan_is_same_data(s, o->origin, at->fd, o->leaf, &o->st, err) : 0;
    found->same_data = r > 0;
    if (r >= 0)
        r = wcow_scan_entry(found, &e, err);
    if (r < 0)
        return r;
    bool is_unchanged = found->same_data && !o->is_moved && e.attributes == found->base->attributes;
    r = wcow_scan_add_link(s, at, &o->st, &e, o->host_path, is_unchanged, err);
    if (r != 0 || is_unchanged)
        return r < 0 ? r : WCOW_OK;
    struct wcow_index_row row = {.entry = &e, .host_path = o->host_path};
    r = wcow_scan_add(s, at, s->o->folder_fd, &row, err);
    if (r < 0 || !changes)
        return r;
    return wcow_scan_add_streams(s, at, e.name, o->base.name, o->layer, err);
}

static int visit_link(struct wcow_scan *s, struct wcow_scan_place *at, struct object *o,
                      struct wcow_found *found, struct wcow_error *err)
{
    char target[TARGET_BYTES] = "";
    int r = read_target(at->fd, o->leaf, target, err);
    found->target = target;
    if (r == WCOW_OK && !o->is_moved) {
        r = wcow_scan_is_same_link(found, err);
        if (r > 0)
            return WCOW_OK;
    }
    if (r == WCOW_OK)
        r = wcow_scan_target_is_dir(s, at, target, &found->target_is_dir, err);
    wcow_autoentry e = {0};
    if (r == WCOW_OK)
        r = wcow_scan_entry(found, &e, err);
    struct wcow_index_row row = {.entry = &e, .host_path = o->host_path};
    return r < 0 ? r : wcow_scan_add(s, at, s->o->folder_fd, &row, err);
}

static int visit(struct wcow_scan *s, struct wcow_scan_place *at, const char *leaf,
                 struct wcow_error *err)
{
    WCOW_CLEANUP(object_done) struct object o = {.leaf = leaf};
    int r = look_at(s, at, &o, err);
    if (r < 0)
        return r;
    struct wcow_found found = {.name = o.name,
                               .st = &o.st,
                               .base = o.has_base ? &o.base : NULL,
                               .dir_sd = at->sd,
                               .below = &s->below,
                               .latest = s->o->latest,
                               .owner = s->o->owner,
                               .group = s->o->group,
                               .dirfd = at->fd,
                               .has_notes = o.has_notes,
                               .leaf = leaf};
    if (S_ISREG(o.st.st_mode))
        return visit_file(s, at, &o, &found, err);
    if (S_ISLNK(o.st.st_mode))
        return visit_link(s, at, &o, &found, err);
    wcow_autoentry e = {0};
    r = wcow_scan_entry(&found, &e, err);
    return r < 0 ? r : visit_dir(s, at, &o, &e, err);
}

/* ---- what a moved directory brings along ---- */

struct bringing {
    struct wcow_scan *s;
    struct wcow_scan_place *at;
    const struct wcow_dir_names *names; /* what stands on the host is not brought */
};

static int bring_dir(const struct bringing *b, const struct wcow_entry *child, const char *name,
                     const char *origin, struct wcow_error *err)
{
    wcow_autoentry e = {0};
    wcow_autoentry there = {0};
    int r = b->at->shows ? wcow_chain_lookup(&b->s->below, name, &there, NULL, err) : 0;
    bool shows = r > 0 && there.type == WCOW_ENTRY_DIR;
    if (r >= 0)
        r = wcow_entry_copy(child, &e, err);
    if (r < 0)
        return r;
    free(e.name);
    e.name = strdup(name);
    if (!e.name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    wcow_scan_clamp(&e, b->s->o->latest);
    struct wcow_scan_place place = {.up = b->at,
                                    .fd = -1,
                                    .name = name,
                                    .entry = &e,
                                    .origin = origin,
                                    .is_moved = true,
                                    .shows = shows};
    r = wcow_scan_tell(b->s, &place, err);
    return r < 0 ? r : enter(b->s, &place, err);
}

static int bring_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    const struct bringing *b = arg;
    const char *leaf = wcow_scan_base_name(child->name);
    wcow_autofree char *key = NULL;
    wcow_autofree char *host_leaf = NULL;
    wcow_autofree char *name = NULL;
    wcow_autofree char *origin = NULL;
    int r = wcow_host_leaf(leaf, &host_leaf, err);
    if (r == WCOW_OK)
        r = wcow_name_key(host_leaf, &key, err);
    if (r < 0 || wcow_dir_names_find(b->names, key))
        return r;
    r = wcow_scan_join(b->at->name, leaf, &name, err);
    if (r == WCOW_OK)
        r = wcow_scan_join(b->at->origin, leaf, &origin, err);
    if (r < 0)
        return r;
    return child->type == WCOW_ENTRY_DIR ? bring_dir(b, child, name, origin, err)
                                         : wcow_scan_add_moved(b->s, b->at, name, origin, err);
}

/* Depth is bounded by MAX_DEPTH. */
int wcow_scan_walk(struct wcow_scan *s, struct wcow_scan_place *at, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_dir_names_done) struct wcow_dir_names names = {0};
    int r = at->fd >= 0 ? wcow_dir_names_read(at->fd, at->host_path, &names, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_scan_whiteouts(s, at, &names, err);
    for (size_t i = 0; r == WCOW_OK && i < names.n; i++) {
        if (!names.by_name[i]->is_whiteout)
            r = visit(s, at, names.by_name[i]->name, err);
    }
    if (r == WCOW_OK && at->is_moved && at->origin) {
        struct bringing bringing = {.s = s, .at = at, .names = &names};
        r = wcow_chain_children(&s->below, at->origin, bring_child, &bringing, err);
    }
    return r;
}
