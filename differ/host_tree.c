/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/host_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/digest.h"
#include "base/utf.h"
#include "differ/host_link.h"
#include "layer/names.h"
#include "store/bytes_map.h"

enum {
    SHORT_KEEP = 200, /* of a component that is longer than the host takes */
    SHORT_DIGITS = 32,
    MAX_OPEN_DIRS = 128, /* well below the usual limit of 1,024 descriptors */
    HOST_NAME_MAX_BYTES = 255,
    DIR_MODE = 0755,
    FILE_MODE = 0644,
};

/* A directory of this layer, made or found. */
struct dir {
    struct dir *parent;
    struct dir *prev; /* in the list of open ones, most recently used first */
    struct dir *next;
    int fd;          /* -1: closed */
    char *host_path; /* below the layer's folder */
    char *name;      /* as written by the entry that needed it; NULL once it has one of its own */
    uint64_t mtime;  /* of that entry */
    struct dir *next_implied;
    char key[];
};

struct wcow_host_tree {
    int layer_fd;
    const struct wcow_layer_chain *parents;
    struct wcow_bytes_map dirs;
    struct dir *newest; /* of the open ones */
    struct dir *oldest;
    size_t n_open;
    struct dir *implied; /* those made without an entry, the last one first */
    bool has_whiteouts;  /* as devices */
};

void wcow_host_place_done(struct wcow_host_place *place)
{
    free(place->leaf);
    free(place->host_path);
    free(place->key);
    *place = (struct wcow_host_place){.dirfd = -1};
}

int wcow_host_tree_new(int layer_fd, const struct wcow_layer_chain *parents,
                       struct wcow_host_tree **ret, struct wcow_error *err)
{
    struct wcow_host_tree *t = calloc(1, sizeof(*t));
    if (!t)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's directories");
    t->layer_fd = layer_fd;
    t->parents = parents;
    *ret = t;
    return WCOW_OK;
}

static void free_dir(void *value)
{
    struct dir *d = value;
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

/* The component's name on disk: as the parents have it, else as written. */
static int spelled_leaf(struct wcow_host_tree *t, const char *key, const char *leaf, char **ret,
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

static void list_remove(struct wcow_host_tree *t, struct dir *d)
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

static void list_add(struct wcow_host_tree *t, struct dir *d)
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
    struct dir *oldest = t->oldest;
    list_remove(t, oldest);
    (void)close(oldest->fd);
    oldest->fd = -1;
    t->n_open--;
}

static int dir_fd(struct wcow_host_tree *t, struct dir *d, int *ret, struct wcow_error *err);

static int parent_fd(struct wcow_host_tree *t, const struct dir *d, int *ret,
                     struct wcow_error *err)
{
    if (d->parent)
        return dir_fd(t, d->parent, ret, err);
    *ret = t->layer_fd;
    return WCOW_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Recursion ends at the layer's folder; the tar reader bounds the depth. */
static int dir_fd(struct wcow_host_tree *t, struct dir *d, int *ret, struct wcow_error *err)
{
    if (d->fd < 0) {
        int up = -1;
        int r = parent_fd(t, d, &up, err);
        if (r < 0)
            return r;
        d->fd = openat(up, base_name(d->host_path), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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

static struct dir *find_dir(struct wcow_host_tree *t, const char *key, size_t len)
{
    return wcow_bytes_map_find(&t->dirs, key, len);
}

/* Remember a directory; 0 also where it was known. */
static int add_dir(struct wcow_host_tree *t, struct dir *parent, const char *key,
                   const char *host_path, struct dir **ret, struct wcow_error *err)
{
    size_t len = strlen(key);
    struct dir *d = find_dir(t, key, len);
    if (!d) {
        d = calloc(1, sizeof(*d) + len + 1);
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
    }
    *ret = d;
    return WCOW_OK;
}

static int make_dir(int dirfd, const char *leaf, const char *host_path, struct wcow_error *err)
{
    struct stat st;
    if (mkdirat(dirfd, leaf, DIR_MODE) == 0)
        return WCOW_OK;
    if (errno == EEXIST && fstatat(dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        return WCOW_OK;
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the directory \"%s\"", host_path);
}

static int join(const struct dir *parent, const char *leaf, char **ret, struct wcow_error *err)
{
    int n = parent ? asprintf(ret, "%s/%s", parent->host_path, leaf) : asprintf(ret, "%s", leaf);
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path") : WCOW_OK;
}

/* Make a directory that no entry has stood for yet; @p entry is what needs it. */
static int make_implied(struct wcow_host_tree *t, struct dir *parent, const char *key, char *name,
                        const struct wcow_entry *entry, struct dir **ret, struct wcow_error *err)
{
    wcow_autofree char *part = name;
    wcow_autofree char *leaf = NULL;
    wcow_autofree char *path = NULL;
    struct dir *d = NULL;
    int fd = t->layer_fd;
    int r = spelled_leaf(t, key, base_name(part), &leaf, err);
    if (r == WCOW_OK)
        r = join(parent, leaf, &path, err);
    if (r == WCOW_OK && parent)
        r = dir_fd(t, parent, &fd, err);
    if (r == WCOW_OK)
        r = make_dir(fd, leaf, path, err);
    if (r == WCOW_OK)
        r = add_dir(t, parent, key, path, &d, err);
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
                    struct dir **ret, struct wcow_error *err)
{
    *ret = NULL;
    struct dir *at = NULL;
    const char *key_end = key;
    const char *name_end = entry->name;
    while ((key_end = strchr(key_end, '/')) && (name_end = strchr(name_end, '/'))) {
        struct dir *d = find_dir(t, key, (size_t)(key_end - key));
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

/* The known directory that holds @p key, without a walk; NULL where it is unknown. */
static struct dir *known_parent(struct wcow_host_tree *t, const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash ? find_dir(t, key, (size_t)(slash - key)) : NULL;
}

/* ---- places ---- */

/* A stream is placed with its file; its own name is the index's business. */
static int key_and_leaf(const struct wcow_entry *entry, char **ret_key, const char **ret_leaf,
                        struct wcow_error *err)
{
    int r = entry->type == WCOW_ENTRY_STREAM ? wcow_name_key(entry->name, ret_key, err)
                                             : wcow_entry_key(entry, ret_key, err);
    *ret_leaf = base_name(entry->name);
    if (entry->type == WCOW_ENTRY_WHITEOUT)
        *ret_leaf += strlen(".wh.");
    return r;
}

int wcow_host_tree_place(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                         struct wcow_host_place *ret, struct wcow_error *err)
{
    wcow_autoplace place = {.dirfd = tree->layer_fd};
    const char *leaf = NULL;
    struct dir *dir = NULL;
    int r = key_and_leaf(entry, &place.key, &leaf, err);
    if (r < 0)
        return r;
    dir = known_parent(tree, place.key);
    if (!dir)
        r = need_dir(tree, place.key, entry, &dir, err);
    if (r == WCOW_OK)
        r = spelled_leaf(tree, place.key, leaf, &place.leaf, err);
    if (r == WCOW_OK)
        r = join(dir, place.leaf, &place.host_path, err);
    if (r == WCOW_OK && dir)
        r = dir_fd(tree, dir, &place.dirfd, err);
    if (r < 0)
        return r;
    *ret = place;
    place = (struct wcow_host_place){.dirfd = -1};
    return WCOW_OK;
}

/* ---- objects ---- */

static int made_twice(const struct wcow_entry *entry, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s\" stands in the layer twice (letter case does not count on Windows)",
                     entry->name);
}

static int make_failed(const struct wcow_entry *entry, struct wcow_error *err)
{
    if (errno == EEXIST)
        return made_twice(entry, err);
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", entry->name);
}

static int make_whiteout(struct wcow_host_tree *t, const struct wcow_entry *entry,
                         const struct wcow_host_place *place, struct wcow_error *err)
{
    if (mknodat(place->dirfd, place->leaf, S_IFCHR, makedev(0, 0)) < 0)
        return errno == EPERM ? WCOW_OK : make_failed(entry, err);
    t->has_whiteouts = true;
    return WCOW_OK;
}

/* The layer deletes the name, and links to the file that a parent has there. */
static bool is_whiteout(const struct wcow_host_tree *t, int dirfd, const char *leaf)
{
    struct stat st;
    return t->has_whiteouts && fstatat(dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISCHR(st.st_mode);
}

static void mark_opaque(const struct wcow_host_place *place)
{
    /* Only root may, and not every file system can: the index has the marker in any case. */
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", place->dirfd);
    (void)setxattr(path, "trusted.overlay.opaque", "y", 1, 0);
}

static int make_reparse(const struct wcow_entry *entry, const struct wcow_host_place *place,
                        struct wcow_error *err)
{
    wcow_autofree char *target = NULL;
    int r = wcow_host_link_target(entry->name, entry->link, &target, err);
    if (r < 0)
        return r;
    return symlinkat(target, place->dirfd, place->leaf) == 0 ? WCOW_OK : make_failed(entry, err);
}

static int make_hard_link(struct wcow_host_tree *t, const struct wcow_entry *entry,
                          const struct wcow_host_place *place, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(entry->link, &key, err);
    if (r < 0)
        return r;
    struct dir *dir = known_parent(t, key);
    wcow_autofree char *leaf = NULL;
    int from = -1;
    r = dir ? dir_fd(t, dir, &from, err) : WCOW_OK;
    if (r == WCOW_OK && dir)
        r = spelled_leaf(t, key, base_name(entry->link), &leaf, err);
    if (r == WCOW_OK && dir && is_whiteout(t, from, leaf))
        from = -1;
    /* The place's descriptor may have been closed to open this one. */
    int to = place->dirfd;
    struct dir *to_dir = known_parent(t, place->key);
    if (r == WCOW_OK && to_dir)
        r = dir_fd(t, to_dir, &to, err);
    if (r < 0)
        return r;
    struct wcow_link_request request = {.from_fd = from,
                                        .from_leaf = leaf,
                                        .to_fd = to,
                                        .to_leaf = place->leaf,
                                        .key = key,
                                        .parents = t->parents};
    r = wcow_host_link(&request, err);
    if (r == WCOW_E_EXISTS)
        return made_twice(entry, err);
    return r < 0 ? wcow_error_wrap(r, err, "hard link \"%s\" to \"%s\"", entry->name, entry->link)
                 : r;
}

int wcow_host_tree_make(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                        const struct wcow_host_place *place, int *ret_fd, struct wcow_error *err)
{
    *ret_fd = -1;
    struct dir *d = NULL;
    int r = WCOW_OK;
    switch (entry->type) {
    case WCOW_ENTRY_FILE:
        *ret_fd = openat(place->dirfd, place->leaf,
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        return *ret_fd < 0 ? make_failed(entry, err) : WCOW_OK;
    case WCOW_ENTRY_DIR:
        d = find_dir(tree, place->key, strlen(place->key));
        if (d) { /* what is in it stood before it */
            free(d->name);
            d->name = NULL;
            return WCOW_OK;
        }
        r = make_dir(place->dirfd, place->leaf, place->host_path, err);
        return r < 0 ? r
                     : add_dir(tree, known_parent(tree, place->key), place->key, place->host_path,
                               &d, err);
    case WCOW_ENTRY_REPARSE:
        return make_reparse(entry, place, err);
    case WCOW_ENTRY_HARDLINK:
        return make_hard_link(tree, entry, place, err);
    case WCOW_ENTRY_WHITEOUT:
        return make_whiteout(tree, entry, place, err);
    case WCOW_ENTRY_OPAQUE:
        mark_opaque(place);
        return WCOW_OK;
    case WCOW_ENTRY_STREAM:
    default:
        return WCOW_OK;
    }
}

int wcow_host_tree_implied(const struct wcow_host_tree *tree, wcow_host_implied_fn fn, void *arg,
                           struct wcow_error *err)
{
    int r = WCOW_OK;
    for (const struct dir *d = tree->implied; r == WCOW_OK && d; d = d->next_implied) {
        struct wcow_entry e = {.type = WCOW_ENTRY_DIR,
                               .name = d->name,
                               .attributes = WCOW_ATTR_DIRECTORY,
                               .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME,
                               .mtime = d->mtime,
                               .atime = d->mtime,
                               .ctime = d->mtime,
                               .creation = d->mtime};
        if (d->name)
            r = fn(arg, &e, d->key, d->host_path, err);
    }
    return r;
}
