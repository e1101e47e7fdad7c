/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/context_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "base/utf.h"
#include "builder/pattern.h"
#include "layer/names.h"

enum { OPEN_LEVELS = 8 }; /* directories that stay open while one below them is read */

/* What patterns say of a directory: what its own entries need. */
struct entered {
    struct wcow_ignore_dir *ignore;
    struct wcow_ignore_dir *exclude; /* the same for the walk's own patterns */
};

/* A directory may have a million: a name is listed, and looked at when its turn comes. */
struct name {
    uint32_t text;    /* where it begins in the texts */
    uint32_t entered; /* a directory's, where there are patterns: which of them, counted from 1 */
    uint16_t type;    /* S_IFREG, S_IFDIR or S_IFLNK */
    bool silent;      /* left out itself, but something below may not be */
};

struct names {
    struct name *items;
    size_t n;
    size_t cap;
    struct wcow_buf texts; /* each with its NUL */
    struct entered **entered;
    size_t n_entered;
};

/* One directory of a walk. */
struct level {
    const char *path; /* from the context's root */
    bool may_ignore;  /* an ignore file could leave out what is in it */
    const struct entered *entered;
    size_t depth;
    DIR *dir; /* that it was listed by; owns the descriptor. NULL: it is not open, or again */
    int fd;   /* -1: not open just now */
};

struct walk {
    struct wcow_context *context;
    size_t top_len; /* of the walk's top with its '/': the rest of a path is below it */
    const struct wcow_context_walking *how;
};

static void entered_free(struct entered *entered)
{
    if (!entered)
        return;
    wcow_ignore_dir_free(entered->ignore);
    wcow_ignore_dir_free(entered->exclude);
    free(entered);
}

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->n_entered; i++)
        entered_free(names->entered[i]);
    free(names->entered);
    free(names->items);
    wcow_buf_done(&names->texts);
}

static const char *text_of(const struct names *names, const struct name *name)
{
    return (const char *)names->texts.data + name->text;
}

/* Once for each file: printf would be felt. */
static int path_in(const struct level *level, const char *text, char **ret, struct wcow_error *err)
{
    char *path = malloc(strlen(level->path) + 1 + strlen(text) + 1);
    if (!path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    char *at = path;
    if (*level->path) {
        at = stpcpy(at, level->path);
        *at++ = '/';
    }
    (void)stpcpy(at, text);
    *ret = path;
    return WCOW_OK;
}

static void close_level(struct level *level)
{
    if (level->dir)
        (void)closedir(level->dir);
    else
        wcow_closep_(&level->fd);
    level->dir = NULL;
    level->fd = -1;
}

static int open_level(const struct walk *w, struct level *level, struct wcow_error *err)
{
    if (level->fd >= 0)
        return WCOW_OK;
    int r = wcow_open_beneath(w->context->fd, *level->path ? level->path : ".",
                              O_RDONLY | O_DIRECTORY, 0, &level->fd, err);
    return r < 0 ? wcow_error_wrap(r, err, "directory \"%s\" of the build context", level->path)
                 : WCOW_OK;
}

/* ---- what is left out ---- */

/* Ask one set of patterns about one entry. */
static int ask(const struct wcow_ignore *patterns, const struct wcow_ignore_dir *parent,
               const char *path, struct name *name, struct wcow_ignore_dir **ret_dir, bool *ret_out,
               struct wcow_error *err)
{
    bool excluded = false;
    if (!patterns) {
        *ret_out = false;
        return WCOW_OK;
    }
    if (!S_ISDIR(name->type)) {
        *ret_out = wcow_ignore_excludes(patterns, parent, path);
        return WCOW_OK;
    }
    int r = wcow_ignore_enter(patterns, parent, path, ret_dir, &excluded, err);
    if (r < 0)
        return r;
    if (excluded && wcow_ignore_may_contain(patterns, path))
        name->silent = true;
    *ret_out = excluded && !name->silent;
    return WCOW_OK;
}

/* @p ret_entered: of a directory, where there are patterns; else unchanged. */
static int is_left_out(const struct walk *w, const struct level *level, const char *text,
                       struct name *name, struct entered **ret_entered, bool *ret,
                       struct wcow_error *err)
{
    static const struct entered none;
    const struct wcow_context_walking *how = w->how;
    const struct entered *in = level->entered ? level->entered : &none;
    *ret = false;
    if (!w->context->ignore && !how->exclude)
        return WCOW_OK;
    struct entered *entered = S_ISDIR(name->type) ? calloc(1, sizeof(*entered)) : NULL;
    *ret_entered = entered;
    if (S_ISDIR(name->type) && !entered)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
    wcow_autofree char *path = NULL;
    wcow_autofree char *as = NULL;
    int r = path_in(level, text, &path, err);
    if (r == WCOW_OK)
        r = ask(w->context->ignore, in->ignore, path, name, entered ? &entered->ignore : NULL, ret,
                err);
    if (r < 0 || *ret)
        return r;
    const char *below = path + w->top_len;
    if (how->exclude && how->exclude_as && *how->exclude_as) {
        if (asprintf(&as, "%s/%s", how->exclude_as, below) < 0)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
        below = as;
    }
    return ask(how->exclude, in->exclude, below, name, entered ? &entered->exclude : NULL, ret,
               err);
}

/* ---- listing ---- */

/* For messages: what more can be done about a name. */
static const char *or_leave_out(const struct level *level)
{
    return level->may_ignore ? " or leave it out in .dockerignore" : "";
}

static int check_kind(const struct level *level, const char *text, const struct name *name,
                      struct wcow_error *err)
{
    if (S_ISREG(name->type) || S_ISDIR(name->type) || S_ISLNK(name->type))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s%s%s\" is a device or a FIFO, which a Windows layer cannot hold; remove "
                     "it%s",
                     level->path, *level->path ? "/" : "", text, or_leave_out(level));
}

static int check_name(const struct level *level, const char *text, struct wcow_error *err)
{
    if (wcow_utf8_is_valid(text, strlen(text)))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID, "a name in \"%s\" is not UTF-8; rename it%s",
                     *level->path ? level->path : ".", or_leave_out(level));
}

/* 1, or 0 where it is gone since it was listed. */
static int look(const struct level *level, const char *text, struct stat *ret,
                struct wcow_error *err)
{
    if (fstatat(level->fd, text, ret, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0
                           : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                                             "stat \"%s\" in \"%s\"", text, level->path);
}

/* Most file systems tell with the name what it is: 1, or 0 where it is nothing to take. */
static int type_of(const struct level *level, const struct dirent *e, mode_t *ret,
                   struct wcow_error *err)
{
    struct stat st = {0};
    int r = 1;
    if (e->d_type == DT_UNKNOWN)
        r = look(level, e->d_name, &st, err);
    *ret = e->d_type == DT_UNKNOWN ? st.st_mode & S_IFMT : (mode_t)DTTOIF(e->d_type);
    return r == 1 ? !S_ISSOCK(*ret) : r;
}

static int reserve(struct names *names, struct wcow_error *err)
{
    if (names->n < names->cap)
        return WCOW_OK;
    size_t cap = names->cap ? names->cap * 2 : 32;
    struct name *grown = reallocarray(names->items, cap, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
    names->items = grown;
    names->cap = cap;
    return WCOW_OK;
}

/* Takes @p entered, which may be NULL. */
static int keep_entered(struct names *names, struct entered *entered, uint32_t *ret,
                        struct wcow_error *err)
{
    if (!entered)
        return WCOW_OK;
    struct entered **grown =
        reallocarray(names->entered, names->n_entered + 1, sizeof(struct entered *));
    if (!grown) {
        entered_free(entered);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
    }
    names->entered = grown;
    grown[names->n_entered++] = entered;
    *ret = (uint32_t)names->n_entered;
    return WCOW_OK;
}

/* Take one directory entry; passes over what is left out. */
static int take_name(const struct walk *w, const struct level *level, const struct dirent *e,
                     struct names *names, struct wcow_error *err)
{
    struct entered *entered = NULL;
    mode_t type = 0;
    bool out = false;
    int r = type_of(level, e, &type, err);
    if (r <= 0)
        return r;
    if (names->texts.len > UINT32_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "directory \"%s\" has too many files", level->path);
    struct name name = {.text = (uint32_t)names->texts.len, .type = (uint16_t)type};
    r = is_left_out(w, level, e->d_name, &name, &entered, &out, err);
    if (r == WCOW_OK && !out)
        r = check_kind(level, e->d_name, &name, err);
    if (r == WCOW_OK && !out)
        r = check_name(level, e->d_name, err);
    if (r == WCOW_OK && !out)
        r = reserve(names, err);
    if (r == WCOW_OK && !out)
        r = wcow_buf_add(&names->texts, e->d_name, strlen(e->d_name) + 1, err);
    if (r != WCOW_OK || out) {
        entered_free(entered);
        return r;
    }
    r = keep_entered(names, entered, &name.entered, err);
    if (r == WCOW_OK)
        names->items[names->n++] = name;
    return r;
}

static int open_dir(const struct walk *w, struct level *level, struct wcow_error *err)
{
    int r = open_level(w, level, err);
    if (r < 0)
        return r;
    level->dir = fdopendir(level->fd);
    return level->dir ? WCOW_OK
                      : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "read directory \"%s\"",
                                        level->path);
}

static int list(const struct walk *w, struct level *level, struct names *names,
                struct wcow_error *err)
{
    names->texts.max_bytes = SIZE_MAX; /* as much as the directory has */
    int r = open_dir(w, level, err);
    while (r == WCOW_OK) {
        errno = 0;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): each DIR belongs to one thread
        const struct dirent *e = readdir(level->dir);
        if (!e && errno != 0)
            r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read directory \"%s\"", level->path);
        if (!e)
            break;
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = take_name(w, level, e, names, err);
    }
    return r;
}

static int by_text(const void *a, const void *b, void *names)
{
    return strcmp(text_of(names, a), text_of(names, b));
}

/* ---- names that differ in letter case only ---- */

struct hashed {
    uint32_t hash; /* of the key */
    uint32_t at;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a;
    const struct hashed *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int key_at(const struct level *level, const struct names *names, size_t at, char **ret,
                  struct wcow_error *err)
{
    const char *text = text_of(names, &names->items[at]);
    int r = wcow_name_key(text, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "\"%s/%s\"", level->path, text) : WCOW_OK;
}

/* FNV-1a. */
static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261U;
    for (const char *p = key; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619U;
    return hash;
}

/* Two names whose keys have one hash. */
static int check_pair(const struct level *level, const struct names *names, size_t a, size_t b,
                      struct wcow_error *err)
{
    wcow_autofree char *one = NULL;
    wcow_autofree char *other = NULL;
    int r = key_at(level, names, a, &one, err);
    if (r == WCOW_OK)
        r = key_at(level, names, b, &other, err);
    if (r != WCOW_OK || strcmp(one, other) != 0)
        return r;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s\" and \"%s\" in \"%s\" differ only in letter case, which Windows "
                     "does not tell apart; rename one%s",
                     text_of(names, &names->items[a]), text_of(names, &names->items[b]),
                     *level->path ? level->path : ".", or_leave_out(level));
}

/* Two names that Windows cannot tell apart cannot both be in a layer. */
static int check_collisions(const struct level *level, const struct names *names,
                            struct wcow_error *err)
{
    if (names->n < 2)
        return WCOW_OK;
    wcow_autofree struct hashed *sorted = calloc(names->n, sizeof(*sorted));
    if (!sorted)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
    for (size_t i = 0; i < names->n; i++) {
        wcow_autofree char *key = NULL;
        int r = key_at(level, names, i, &key, err);
        if (r < 0)
            return r;
        sorted[i] = (struct hashed){.hash = hash_of(key), .at = (uint32_t)i};
    }
    qsort(sorted, names->n, sizeof(*sorted), by_hash);
    int r = WCOW_OK;
    for (size_t i = 1; r == WCOW_OK && i < names->n; i++) {
        for (size_t k = i; r == WCOW_OK && k > 0 && sorted[k - 1].hash == sorted[i].hash; k--)
            r = check_pair(level, names, sorted[k - 1].at, sorted[i].at, err);
    }
    return r;
}

/* ---- walking ---- */

/* Whether the pattern may match something below @p path: its leading components do. */
static int may_match_below(const char *pattern, const char *path, bool *ret, struct wcow_error *err)
{
    size_t components = 1;
    for (const char *p = path; *p; p++)
        components += *p == '/';
    size_t end = 0;
    while (pattern[end] && components > 0) {
        if (pattern[end] == '/' && --components == 0)
            break;
        end++;
    }
    *ret = false;
    if (!pattern[end]) /* no component is left for what is below */
        return WCOW_OK;
    wcow_autofree char *leading = strndup(pattern, end);
    if (!leading)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pattern");
    return wcow_pattern_glob(leading, path, ret, err);
}

static int walk_level(const struct walk *w, struct level *level, struct wcow_error *err);

static int changed(const char *path, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "\"%s\" changed while it was being read; build again once it is at rest",
                     path);
}

static int visit(const struct walk *w, struct level *level, const struct names *names,
                 const struct name *name, struct wcow_error *err)
{
    const char *text = text_of(names, name);
    WCOW_CLEANUP(wcow_context_item_done) struct wcow_context_item item = {0};
    int r = open_level(w, level, err);
    if (r == WCOW_OK)
        r = look(level, text, &item.st, err);
    if (r <= 0)
        return r;
    r = path_in(level, text, &item.path, err);
    if (r == WCOW_OK && (item.st.st_mode & S_IFMT) != name->type)
        r = changed(item.path, err);
    if (r == WCOW_OK && !name->silent)
        r = w->how->fn(w->how->arg, &item, item.path + w->top_len, err);
    if (r < 0 || !S_ISDIR(name->type))
        return r;
    bool enters = true;
    if (w->how->pattern)
        r = may_match_below(w->how->pattern, item.path, &enters, err);
    if (r < 0 || !enters)
        return r;
    if (level->depth >= OPEN_LEVELS)
        close_level(level);
    struct level next = {
        .path = item.path, .may_ignore = level->may_ignore, .depth = level->depth + 1, .fd = -1};
    if (name->entered)
        next.entered = names->entered[name->entered - 1];
    r = walk_level(w, &next, err);
    close_level(&next);
    return r;
}

/* As deep as the context is: PATH_MAX bounds it, at two bytes a level. */
// NOLINTNEXTLINE(misc-no-recursion)
static int walk_level(const struct walk *w, struct level *level, struct wcow_error *err)
{
    if (w->context->cancel && atomic_load(w->context->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    struct names names = {0};
    int r = list(w, level, &names, err);
    if (r == WCOW_OK)
        r = check_collisions(level, &names, err);
    if (r == WCOW_OK && names.n > 1)
        qsort_r(names.items, names.n, sizeof(*names.items), by_text, &names);
    for (size_t i = 0; r == WCOW_OK && i < names.n; i++)
        r = visit(w, level, &names, &names.items[i], err);
    names_done(&names);
    return r;
}

/* What patterns say of the walk's top: each directory above it is entered in turn. */
static int enter_top(const struct wcow_ignore *patterns, const char *dir,
                     struct wcow_ignore_dir **ret, struct wcow_error *err)
{
    if (!patterns || !dir || !*dir)
        return WCOW_OK;
    wcow_autofree char *path = strdup(dir);
    if (!path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    for (char *p = path;; p++) {
        p += strcspn(p, "/");
        char c_at = *p;
        *p = '\0';
        struct wcow_ignore_dir *next = NULL;
        bool excluded = false;
        int r = wcow_ignore_enter(patterns, *ret, path, &next, &excluded, err);
        if (r < 0)
            return r;
        wcow_ignore_dir_free(*ret);
        *ret = next;
        if (!c_at)
            return WCOW_OK;
        *p = c_at;
    }
}

int wcow_context_walk_with(struct wcow_context *c, const char *dir,
                           const struct wcow_context_walking *walking, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_ignore_dir_free_p) struct wcow_ignore_dir *top = NULL;
    WCOW_CLEANUP(wcow_ignore_dir_free_p) struct wcow_ignore_dir *exclude_top = NULL;
    int r = enter_top(c->ignore, dir, &top, err);
    if (r == WCOW_OK)
        r = enter_top(walking->exclude, walking->exclude_as, &exclude_top, err);
    if (r < 0)
        return r;
    const struct walk w = {.context = c, .top_len = *dir ? strlen(dir) + 1 : 0, .how = walking};
    const struct entered entered = {.ignore = top, .exclude = exclude_top};
    struct level level = {.path = dir, .may_ignore = c->may_ignore, .entered = &entered, .fd = -1};
    r = walk_level(&w, &level, err);
    close_level(&level);
    return r;
}

int wcow_context_walk(struct wcow_context *c, const char *dir, const struct wcow_ignore *exclude,
                      wcow_context_fn fn, void *arg, struct wcow_error *err)
{
    const struct wcow_context_walking walking = {.fn = fn, .arg = arg, .exclude = exclude};
    return wcow_context_walk_with(c, dir, &walking, err);
}
