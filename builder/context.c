/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/context.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/beneath.h"
#include "builder/context_walk.h"
#include "builder/diagnostic.h"
#include "builder/pattern.h"

enum { MAX_SIBLINGS_ASKED = 1000 };

static int name_it(struct wcow_context *c, const char *name, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = name ? wcow_buf_add_str(&text, name, err)
                 : wcow_buf_addf(&text, err, "the build context %s", c->root);
    if (r < 0)
        return r;
    c->name = wcow_buf_take_str(&text);
    return c->name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build context");
}

int wcow_context_open(const struct wcow_context_options *options, struct wcow_context **ret,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_context_free_p) struct wcow_context *c = calloc(1, sizeof(*c));
    if (!c)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build context");
    c->fd = -1;
    c->cache = options->cache;
    c->cancel = options->cancel;
    c->fd = open(options->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->fd < 0 && errno == ENOENT)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "the build context %s does not exist",
                         options->path);
    if (c->fd < 0 && errno == ENOTDIR)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the build context %s is a file, not a folder",
                         options->path);
    if (c->fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the build context %s",
                               options->path);
    c->root = realpath(options->path, NULL);
    if (!c->root)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "resolve the build context %s",
                               options->path);
    int r = name_it(c, options->name, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(c);
    return r;
}

void wcow_context_free(struct wcow_context *c)
{
    if (!c)
        return;
    wcow_closep_(&c->fd);
    wcow_ignore_free(c->ignore);
    free(c->ignore_name);
    free(c->root);
    free(c->name);
    free(atomic_load(&c->spare));
    free(c);
}

void wcow_context_item_done(struct wcow_context_item *item)
{
    free(item->path);
    *item = (struct wcow_context_item){0};
}

const struct wcow_ignore *wcow_context_ignore(const struct wcow_context *c)
{
    return c->ignore;
}

/* For messages. */
static const char *ignore_name(const struct wcow_context *c)
{
    return c->ignore_name ? c->ignore_name : ".dockerignore";
}

/* ---- the ignore file ---- */

static int read_all(int fd, const char *name, struct wcow_buf *out, struct wcow_error *err)
{
    for (;;) {
        uint8_t *room = NULL;
        int r = wcow_buf_reserve(out, 16384, &room, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "%s", name);
        ssize_t n = read(fd, room, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s", name);
        if (n == 0)
            return WCOW_OK;
        out->len += (size_t)n;
    }
}

static int load_ignore_file(struct wcow_context *c, int fd, const char *name,
                            struct wcow_error *err)
{
    wcow_autobuf text = {.max_bytes = WCOW_IGNORE_MAX_BYTES + 1};
    int r = read_all(fd, name, &text, err);
    if (r < 0)
        return r;
    r = wcow_ignore_parse(text.data, text.len, &c->ignore, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", name);
    c->ignore_name = strdup(name);
    return c->ignore_name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %s", name);
}

int wcow_context_load_ignore(struct wcow_context *c, const char *dockerfile, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    c->may_ignore = true;
    if (dockerfile) {
        wcow_autobuf name = {0};
        int r = wcow_buf_addf(&name, err, "%s.dockerignore", dockerfile);
        if (r < 0)
            return r;
        fd = open((const char *)name.data, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return load_ignore_file(c, fd, (const char *)name.data, err);
        if (errno != ENOENT && errno != ENOTDIR)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s",
                                   (const char *)name.data);
    }
    fd = openat(c->fd, ".dockerignore", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return load_ignore_file(c, fd, ".dockerignore", err);
    return errno == ENOENT ? WCOW_OK
                           : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open .dockerignore");
}

/* ---- paths ---- */

int wcow_context_clean(const char *source, char **ret, struct wcow_error *err)
{
    size_t len = strlen(source);
    wcow_autofree char *path = malloc(len + 3);
    if (!path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    size_t n = 0;
    path[n++] = '/'; /* ".." goes no higher than this */
    for (size_t i = 0; i < len; i++) {
        bool escapes = source[i] == '\\' && source[i + 1] && strchr("*?[]", source[i + 1]);
        char c = source[i];
        if (c == '\\' && !escapes)
            c = '/';
        path[n++] = c;
    }
    path[n] = '\0';
    wcow_pattern_clean(path);
    *ret = strdup(path + 1);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

/* Open with links followed as if the context were the root. */
static int open_in_root(const struct wcow_context *c, const char *path, uint64_t flags)
{
    const struct open_how how = {.flags = flags | O_CLOEXEC,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, c->fd, *path ? path : ".", &how, sizeof(how));
}

/* The path of an open file from the context's root: where links led. */
static int path_of_fd(const struct wcow_context *c, int fd, char **ret, struct wcow_error *err)
{
    char name[48];
    char whole[PATH_MAX];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, whole, sizeof(whole) - 1);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "find where a link in the context leads");
    whole[n] = '\0';
    size_t root = strcmp(c->root, "/") == 0 ? 0 : strlen(c->root);
    if (strncmp(whole, c->root, root) != 0 || (whole[root] != '/' && whole[root] != '\0'))
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s is outside %s", whole, c->name);
    *ret = strdup(whole[root] ? whole + root + 1 : "");
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

/* Whether all that a directory holds is left out with it. */
static bool is_left_out(const struct wcow_context *c, const struct wcow_context_item *item)
{
    if (!c->ignore || !*item->path || !wcow_ignore_matches(c->ignore, item->path))
        return false;
    return !S_ISDIR(item->st.st_mode) || !wcow_ignore_may_contain(c->ignore, item->path);
}

/* "not found", with the sibling that may have been meant. */
static int not_found(const struct wcow_context *c, const char *path, struct wcow_error *err)
{
    const char *slash = strrchr(path, '/');
    wcow_autofree char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
    if (!parent)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    wcow_auto_str_list names = {0};
    int fd = open_in_root(c, parent, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        (void)close(fd);
    while (dir && names.count < MAX_SIBLINGS_ASKED) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): each DIR belongs to one thread
        const struct dirent *e = readdir(dir);
        if (!e)
            break;
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            wcow_str_list_add(&names, e->d_name, NULL) < 0)
            break;
    }
    const char *name = slash ? slash + 1 : path;
    const char *near =
        names.count ? wcow_diagnostic_suggest(name, (const char *const *)names.items, names.count)
                    : NULL;
    int r = WCOW_E_NOT_FOUND;
    if (near && strcmp(near, name) == 0)
        r = WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                      "\"%s\" is a symbolic link that leads to nothing in the build context", path);
    else if (near)
        r = WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                      "\"%s\" is not in the build context; did you mean \"%s%s%s\"?", path, parent,
                      *parent ? "/" : "", near);
    else
        r = WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is not in %s", path, c->name);
    if (dir)
        (void)closedir(dir);
    return r;
}

int wcow_context_find(struct wcow_context *c, const char *source, struct wcow_context_item *ret,
                      struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = wcow_context_clean(source, &path, err);
    if (r < 0)
        return r;
    wcow_autoclose int fd = open_in_root(c, path, O_PATH);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return not_found(c, path, err);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\" in the build context",
                               path);
    WCOW_CLEANUP(wcow_context_item_done) struct wcow_context_item item = {0};
    if (fstat(fd, &item.st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "stat \"%s\" in the build context", path);
    r = path_of_fd(c, fd, &item.path, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%s\"", path);
    if (is_left_out(c, &item))
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "\"%s\" is excluded by %s; a line \"!%s\" in it would bring it back", path,
                         ignore_name(c), item.path);
    *ret = item;
    item = (struct wcow_context_item){0};
    return WCOW_OK;
}

int wcow_context_link(struct wcow_context *c, const struct wcow_context_item *link,
                      char **ret_target, bool *ret_is_dir, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = wcow_open_beneath(c->fd, link->path, O_PATH | O_NOFOLLOW, 0, &fd, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "link \"%s\"", link->path);
    char target[PATH_MAX];
    ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the link \"%s\"", link->path);
    target[n] = '\0';
    struct stat st;
    wcow_autoclose int there = open_in_root(c, link->path, O_PATH);
    *ret_is_dir = there >= 0 && fstat(there, &st) == 0 && S_ISDIR(st.st_mode);
    *ret_target = strdup(target);
    return *ret_target ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link");
}

/* ---- patterns ---- */

struct globbing {
    struct wcow_context *context;
    const char *pattern;
    const struct wcow_pattern *deep; /* instead of it, where ** spans directories */
    struct wcow_str_list *found;
};

/* Whether a directory that was found already holds it. */
static bool is_within_last(const struct wcow_str_list *found, const char *path)
{
    const char *last = found->count ? found->items[found->count - 1] : NULL;
    size_t len = last ? strlen(last) : 0;
    return last && strncmp(path, last, len) == 0 && path[len] == '/';
}

static int match_item(void *arg, const struct wcow_context_item *item, const char *below,
                      struct wcow_error *err)
{
    (void)below;
    struct globbing *g = arg;
    bool matches = false;
    int r = WCOW_OK;
    if (g->deep)
        matches = !is_within_last(g->found, item->path) &&
                  wcow_pattern_matches(g->deep, item->path, strlen(item->path));
    else
        r = wcow_pattern_glob(g->pattern, item->path, &matches, err);
    if (r < 0 || !matches)
        return r;
    return wcow_str_list_add(g->found, item->path, err);
}

/* The directory that all matches are below: the components before the first with a glob. */
static char *fixed_part(const char *pattern)
{
    size_t end = 0;
    for (size_t i = 0; pattern[i];) {
        size_t n = strcspn(pattern + i, "/");
        char *component = strndup(pattern + i, n);
        if (!component)
            return NULL;
        bool globs = wcow_pattern_has_glob(component);
        free(component);
        if (globs)
            break;
        end = i + n;
        i += n + (pattern[i + n] == '/');
    }
    return strndup(pattern, end);
}

/* The pattern for what lies behind a link: @p top of it leads to @p real. */
static char *pattern_behind(const char *pattern, const char *top, const char *real)
{
    char *all = calloc(1, 2 * strlen(real) + strlen(pattern) + 1);
    if (!all)
        return NULL;
    char *at = all;
    for (; *real; real++) {
        if (strchr("*?[\\", *real))
            *at++ = '\\';
        *at++ = *real;
    }
    const char *rest = pattern + strlen(top);
    (void)stpcpy(at, at == all && *rest == '/' ? rest + 1 : rest);
    return all;
}

/* @p g has the pattern, cleaned. */
static int find_matches(const struct globbing *g, struct wcow_error *err)
{
    wcow_autofree char *top = fixed_part(g->pattern);
    if (!top)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pattern");
    struct stat st;
    wcow_autoclose int fd = open_in_root(g->context, top, O_PATH | O_DIRECTORY);
    if (fd < 0 && errno == ENOENT)
        return not_found(g->context, top, err);
    if (fd < 0 || fstat(fd, &st) < 0)
        return WCOW_OK;
    wcow_autofree char *real = NULL;
    wcow_autofree char *behind = NULL;
    int r = path_of_fd(g->context, fd, &real, err);
    if (r < 0)
        return r;
    struct globbing here = *g;
    if (!g->deep && strcmp(real, top) != 0) {
        here.pattern = behind = pattern_behind(g->pattern, top, real);
        if (!behind)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pattern");
    }
    const struct wcow_context_walking walking = {
        .fn = match_item, .arg = &here, .pattern = here.deep ? NULL : here.pattern};
    return wcow_context_walk_with(here.context, behind ? real : top, &walking, err);
}

int wcow_context_glob(struct wcow_context *c, const char *pattern, struct wcow_str_list *ret,
                      struct wcow_error *err)
{
    wcow_autofree char *clean = NULL;
    int r = wcow_context_clean(pattern, &clean, err);
    if (r < 0)
        return r;
    bool ignored = false;
    r = wcow_pattern_glob(clean, "", &ignored, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the pattern \"%s\"", pattern);
    const struct globbing g = {.context = c, .pattern = clean, .found = ret};
    return find_matches(&g, err);
}

int wcow_context_glob_deep(struct wcow_context *c, const char *pattern, struct wcow_str_list *ret,
                           struct wcow_error *err)
{
    wcow_autofree char *clean = NULL;
    WCOW_CLEANUP(wcow_pattern_free_p) struct wcow_pattern *deep = NULL;
    int r = wcow_context_clean(pattern, &clean, err);
    if (r < 0)
        return r;
    r = wcow_pattern_new(clean, &deep, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the pattern \"%s\"", pattern);
    const struct globbing g = {.context = c, .pattern = clean, .deep = deep, .found = ret};
    return find_matches(&g, err);
}
