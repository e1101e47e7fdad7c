/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_base.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fd.h"
#include "builder/wine_hives.h"

enum { N_HIVES = 2, CACHE_MAX_BYTES = 64 << 20 };

static const char *const hives[N_HIVES] = {"SYSTEM", "SOFTWARE"};
static const char empty[] = "WINE REGISTRY Version 2\n";

/* All of SOFTWARE would cost seconds, and put Windows' classes in the place of Wine's. */
static const struct part {
    size_t hive;
    const char *key;
    const char *to; /* NULL: the environment, whose place depends on Wine */
    bool values_only;
} parts[] = {
    {0, "ControlSet001\\Control\\Session Manager\\Environment", NULL, true},
    {1, "Microsoft\\Windows NT\\CurrentVersion", "Software\\Microsoft\\Windows NT\\CurrentVersion",
     true},
    {1, "Microsoft\\Windows\\CurrentVersion\\App Paths",
     "Software\\Microsoft\\Windows\\CurrentVersion\\App Paths", false},
    {1, "Microsoft\\Windows\\CurrentVersion\\Uninstall",
     "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall", false},
};

/* The hives, -1 where the base has none. */
struct base {
    int fds[N_HIVES];
};

static void base_done(struct base *b)
{
    for (size_t i = 0; i < N_HIVES; i++) {
        if (b->fds[i] >= 0)
            (void)close(b->fds[i]);
    }
}

static int open_hives(const struct wcow_layer_chain *below, struct base *b, struct wcow_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < N_HIVES; i++) {
        char path[96];
        (void)snprintf(path, sizeof(path), "Files/Windows/System32/config/%s", hives[i]);
        r = wcow_wine_open_hive(below, path, &b->fds[i], err);
    }
    return r < 0 ? r : WCOW_OK;
}

static int read_parts(const struct base *b, const char *set, struct wcow_reg *into,
                      struct wcow_error *err)
{
    char environment[96];
    (void)snprintf(environment, sizeof(environment),
                   "System\\%s\\Control\\Session Manager\\Environment", set);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const struct part *p = &parts[i];
        int r = b->fds[p->hive] < 0
                    ? WCOW_OK
                    : wcow_wine_load_part(b->fds[p->hive], p->key, p->to ? p->to : environment,
                                          p->values_only, into, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "the base's registry, %s", hives[p->hive]);
    }
    return WCOW_OK;
}

/* ---- what was read before ---- */

/* A file's name by what the hives are: layers do not change once they are committed. */
static int cache_path(const struct wcow_execution *x, const struct base *b, const char *set,
                      const char *cache, char **ret, struct wcow_error *err)
{
    wcow_autobuf what = {0};
    struct wcow_digest digest;
    int r = wcow_buf_addf(&what, err, "%s %s", x->base, set);
    for (size_t i = 0; r == WCOW_OK && i < N_HIVES; i++) {
        struct stat st = {0};
        if (b->fds[i] >= 0 && fstat(b->fds[i], &st) < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at the base's %s", hives[i]);
        r = wcow_buf_addf(&what, err, " %ju %ju %jd %jd.%09ld", (uintmax_t)st.st_dev,
                          (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                          st.st_mtim.tv_nsec);
    }
    if (r == WCOW_OK)
        r = wcow_digest_of(what.data, what.len, &digest, err);
    if (r < 0)
        return r;
    if (asprintf(ret, "%s/%.32s.reg", cache, strchr(digest.text, ':') + 1) < 0) {
        *ret = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    return WCOW_OK;
}

/* Whether there is one that can be used. */
static bool load_cached(const char *path, struct wcow_reg **ret)
{
    wcow_autobuf text = {.max_bytes = CACHE_MAX_BYTES};
    wcow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        uint8_t *room = NULL;
        if (wcow_buf_reserve(&text, 1 << 16, &room, NULL) < 0)
            return false;
        n = read(fd, room, (1 << 16) - 1);
        text.len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0 || text.len == 0)
        return false;
    text.data[text.len] = '\0';
    return wcow_reg_parse((const char *)text.data, ret, NULL) == WCOW_OK;
}

/* For the next one; without it all works, too. */
static void save(const char *path, const struct wcow_reg *reg)
{
    wcow_autobuf text = {.max_bytes = CACHE_MAX_BYTES};
    wcow_autofree char *name = NULL;
    if (wcow_reg_write(reg, &text, NULL) < 0 || asprintf(&name, "%s.XXXXXX", path) < 0) {
        name = NULL;
        return;
    }
    wcow_autoclose int fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0 &&
        (wcow_fd_write(fd, text.data, text.len, name, NULL) < 0 || rename(name, path) < 0))
        (void)unlink(name);
}

/* ---- into the registry of a RUN ---- */

static int merge_key(struct wcow_reg_key *from, struct wcow_reg *into, struct wcow_error *err)
{
    struct wcow_reg_key *key = NULL;
    int r = wcow_reg_decode(from, err);
    if (r == WCOW_OK)
        r = wcow_reg_make(into, from->path, &key, err);
    for (size_t i = 0; r == WCOW_OK && i < from->n_values; i++) {
        const struct wcow_reg_value *v = &from->values[i];
        r = wcow_reg_set(key, v->name, v->type, v->data, v->len, err);
    }
    return r;
}

int wcow_wine_base_read(const struct wcow_execution *x, const char *set, const char *cache,
                        struct wcow_reg *into, struct wcow_error *err)
{
    WCOW_CLEANUP(base_done) struct base base = {.fds = {-1, -1}};
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = NULL;
    wcow_autofree char *path = NULL;
    int r = open_hives(x->below, &base, err);
    if (r == WCOW_OK)
        r = cache_path(x, &base, set, cache, &path, err);
    if (r == WCOW_OK && !load_cached(path, &reg)) {
        r = wcow_reg_parse(empty, &reg, err);
        if (r == WCOW_OK)
            r = read_parts(&base, set, reg, err);
        if (r == WCOW_OK)
            save(path, reg);
    }
    for (size_t i = 0; r == WCOW_OK && i < reg->n_keys; i++)
        r = merge_key(&reg->keys[i], into, err);
    return r;
}
