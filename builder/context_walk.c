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

struct name {
    char *path;       /* from the context's root */
    const char *text; /* its last component */
    char *key;
    struct stat st;
    struct wcow_ignore_dir *ignore;  /* directories: what their own entries need */
    struct wcow_ignore_dir *exclude; /* the same for the walk's own patterns */
    bool silent;                     /* left out itself, but something below may not be */
};

struct names {
    struct name *items;
    size_t n;
    size_t cap;
};

/* One directory of a walk. */
struct level {
    const char *path; /* from the context's root */
    const struct wcow_ignore_dir *ignore;
    const struct wcow_ignore_dir *exclude;
};

struct walk {
    struct wcow_context *context;
    size_t top_len; /* of the walk's top with its '/': the rest of a path is below it */
    const struct wcow_context_walking *how;
};

static void name_done(struct name *name)
{
    free(name->path);
    free(name->key);
    wcow_ignore_dir_free(name->ignore);
    wcow_ignore_dir_free(name->exclude);
}

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        name_done(&names->items[i]);
    free(names->items);
}

/* Once for each file: printf would be felt. */
static int set_path(const char *dir, const char *text, struct name *name, struct wcow_error *err)
{
    name->path = malloc(strlen(dir) + 1 + strlen(text) + 1);
    if (!name->path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    char *at = name->path;
    if (*dir) {
        at = stpcpy(at, dir);
        *at++ = '/';
    }
    (void)stpcpy(at, text);
    name->text = at;
    return WCOW_OK;
}

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
    if (!S_ISDIR(name->st.st_mode)) {
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

static int is_left_out(const struct walk *w, const struct level *level, struct name *name,
                       bool *ret, struct wcow_error *err)
{
    int r = ask(w->context->ignore, level->ignore, name->path, name, &name->ignore, ret, err);
    if (r < 0 || *ret)
        return r;
    const char *below = name->path + w->top_len;
    wcow_autofree char *as = NULL;
    if (w->how->exclude && w->how->exclude_as && *w->how->exclude_as) {
        if (asprintf(&as, "%s/%s", w->how->exclude_as, below) < 0)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
        below = as;
    }
    return ask(w->how->exclude, level->exclude, below, name, &name->exclude, ret, err);
}

static int check_kind(const struct level *level, const struct name *name, struct wcow_error *err)
{
    if (S_ISREG(name->st.st_mode) || S_ISDIR(name->st.st_mode) || S_ISLNK(name->st.st_mode))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s%s%s\" is a device or a FIFO, which a Windows layer cannot hold; leave "
                     "it out in .dockerignore",
                     level->path, *level->path ? "/" : "", name->text);
}

/* Take one directory entry; passes over what is left out. */
static int take_name(const struct walk *w, const struct level *level, int dir_fd, const char *text,
                     struct names *names, struct wcow_error *err)
{
    if (names->n == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 32;
        struct name *grown = reallocarray(names->items, cap, sizeof(*grown));
        if (!grown)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
        names->items = grown;
        names->cap = cap;
    }
    struct name *name = &names->items[names->n];
    *name = (struct name){0};
    if (fstatat(dir_fd, text, &name->st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? WCOW_OK /* gone since it was listed */
                               : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                                                 "stat \"%s\" in \"%s\"", text, level->path);
    if (S_ISSOCK(name->st.st_mode))
        return WCOW_OK;
    bool out = false;
    int r = set_path(level->path, text, name, err);
    if (r == WCOW_OK)
        r = is_left_out(w, level, name, &out, err);
    if (r == WCOW_OK && !out)
        r = check_kind(level, name, err);
    if (r == WCOW_OK && !out && !wcow_utf8_is_valid(text, strlen(text)))
        r = WCOW_FAIL(err, WCOW_E_INVALID,
                      "a name in \"%s\" is not UTF-8; rename it or leave it out in .dockerignore",
                      *level->path ? level->path : ".");
    if (r < 0 || out)
        name_done(name);
    else
        names->n++;
    return r;
}

static int list(const struct walk *w, const struct level *level, struct names *names,
                struct wcow_error *err)
{
    int fd = -1;
    int r = wcow_open_beneath(w->context->fd, *level->path ? level->path : ".",
                              O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "directory \"%s\" of the build context", level->path);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        wcow_closep_(&fd);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
    }
    while (r == WCOW_OK) {
        errno = 0;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): each DIR belongs to one thread
        const struct dirent *e = readdir(dir);
        if (!e && errno != 0)
            r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read directory \"%s\"", level->path);
        if (!e)
            break;
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = take_name(w, level, fd, e->d_name, names, err);
    }
    (void)closedir(dir);
    return r;
}

static int by_text(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;
    return strcmp(x->text, y->text);
}

static int by_key(const void *a, const void *b)
{
    const struct name *const *x = a;
    const struct name *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Two names that Windows cannot tell apart cannot both be in a layer. */
static int check_collisions(const struct level *level, struct names *names, struct wcow_error *err)
{
    if (names->n < 2)
        return WCOW_OK;
    wcow_autofree const struct name **sorted = calloc(names->n, sizeof(struct name *));
    if (!sorted)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the context");
    for (size_t i = 0; i < names->n; i++) {
        int r = wcow_name_key(names->items[i].text, &names->items[i].key, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "\"%s/%s\"", level->path, names->items[i].text);
        sorted[i] = &names->items[i];
    }
    qsort(sorted, names->n, sizeof(struct name *), by_key);
    for (size_t i = 1; i < names->n; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            return WCOW_FAIL(
                err, WCOW_E_INVALID,
                "\"%s\" and \"%s\" in \"%s\" differ only in letter case, which Windows "
                "does not tell apart; rename one or leave it out in .dockerignore",
                sorted[i - 1]->text, sorted[i]->text, *level->path ? level->path : ".");
    }
    return WCOW_OK;
}

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

static int walk_level(const struct walk *w, const struct level *level, struct wcow_error *err);

static int visit(const struct walk *w, const struct name *name, struct wcow_error *err)
{
    const struct wcow_context_item item = {.path = name->path, .st = name->st};
    int r = WCOW_OK;
    if (!name->silent)
        r = w->how->fn(w->how->arg, &item, name->path + w->top_len, err);
    if (r < 0 || !S_ISDIR(name->st.st_mode))
        return r;
    bool enters = true;
    if (w->how->pattern)
        r = may_match_below(w->how->pattern, name->path, &enters, err);
    if (r < 0 || !enters)
        return r;
    const struct level next = {
        .path = name->path, .ignore = name->ignore, .exclude = name->exclude};
    return walk_level(w, &next, err);
}

/* As deep as the context is: PATH_MAX bounds it, at two bytes a level. */
// NOLINTNEXTLINE(misc-no-recursion)
static int walk_level(const struct walk *w, const struct level *level, struct wcow_error *err)
{
    if (w->context->cancel && atomic_load(w->context->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    struct names names = {0};
    int r = list(w, level, &names, err);
    if (r == WCOW_OK)
        r = check_collisions(level, &names, err);
    if (r == WCOW_OK && names.n > 1)
        qsort(names.items, names.n, sizeof(*names.items), by_text);
    for (size_t i = 0; r == WCOW_OK && i < names.n; i++)
        r = visit(w, &names.items[i], err);
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
    const struct level level = {.path = dir, .ignore = top, .exclude = exclude_top};
    return walk_level(&w, &level, err);
}

int wcow_context_walk(struct wcow_context *c, const char *dir, const struct wcow_ignore *exclude,
                      wcow_context_fn fn, void *arg, struct wcow_error *err)
{
    const struct wcow_context_walking walking = {.fn = fn, .arg = arg, .exclude = exclude};
    return wcow_context_walk_with(c, dir, &walking, err);
}
