/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_template.h"
#include "base/dir_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "base/owned_dir.h"
#include "image/strings.h"
#include "layer/names.h"

void wcow_wine_template_done(struct wcow_wine_template *t)
{
    free(t->folder);
    free(t->version);
    free(t->usr);
    free(t->wine);
    free(t->wineserver);
    *t = (struct wcow_wine_template){0};
}

static char *copy_string(const json_t *document, const char *key)
{
    const char *text = json_string_value(json_object_get(document, key));
    return text ? strdup(text) : NULL;
}

static int format_path(char **ret, struct wcow_error *err, const char *folder, const char *name)
{
    if (asprintf(ret, "%s/%s", folder, name) < 0) {
        *ret = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    return WCOW_OK;
}

/* Wine itself: of a package that was removed, or a root that was moved, there is the template
 * alone. */
static int check_is_there(const struct wcow_wine_template *t, struct wcow_error *err)
{
    static const char usr[] = "/usr/";
    const char *inside = strncmp(t->wine, usr, strlen(usr)) == 0 ? t->wine + strlen(usr) : t->wine;
    wcow_autofree char *path = NULL;
    int r = format_path(&path, err, t->usr, inside);
    if (r < 0 || access(path, X_OK) == 0)
        return r;
    return WCOW_FAIL(
        err, WCOW_E_UNSUPPORTED,
        "--executor=wine: %s has no %s any more, which was set up: put it back, or run "
        "`wcow executor install wine` again",
        t->usr, inside);
}

int wcow_wine_template_load(const char *folder, struct wcow_wine_template *ret,
                            struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = format_path(&path, err, folder, "executor.json");
    if (r < 0)
        return r;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    if (!document && access(path, F_OK) < 0)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "--executor=wine: Wine is not set up in %s: run `wcow executor install "
                         "wine` once (as root, after apt-get install wine64)",
                         folder);
    struct wcow_wine_template t = {.folder = strdup(folder),
                                   .version = copy_string(document, "version"),
                                   .usr = copy_string(document, "usr"),
                                   .wine = copy_string(document, "wine"),
                                   .wineserver = copy_string(document, "wineserver")};
    json_decref(document);
    if (!t.folder || !t.version || !t.usr || !t.wine || !t.wineserver) {
        wcow_wine_template_done(&t);
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "%s is damaged: run `wcow executor install wine` again", path);
    }
    r = check_is_there(&t, err);
    if (r < 0)
        wcow_wine_template_done(&t);
    else
        *ret = t;
    return r;
}

int wcow_wine_template_save(const struct wcow_wine_template *t, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = format_path(&path, err, t->folder, "executor.json");
    if (r < 0)
        return r;
    json_t *document = json_pack("{s:s, s:s, s:s, s:s}", "version", t->version, "usr", t->usr,
                                 "wine", t->wine, "wineserver", t->wineserver);
    bool ok = document && json_dump_file(document, path, JSON_INDENT(2)) == 0;
    json_decref(document);
    return ok ? WCOW_OK : WCOW_FAIL_ERRNO(err, WCOW_E_IO, "write %s", path);
}

/* ---- casing ---- */

#define UNFINISHED ".new-"

struct casing {
    const struct wcow_chain *chain;
    struct wcow_str_map names; /* key of a leaf -> the leaf as the image writes it */
};

static int note_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct casing *c = arg;
    const char *slash = strrchr(child->name, '/');
    const char *leaf = slash ? slash + 1 : child->name;
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(leaf, &key, err);
    return r < 0 ? r : wcow_str_map_set(&c->names, key, leaf, err);
}

static int cased_name(const struct wcow_str_map *names, const char *leaf, const char **ret,
                      struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(leaf, &key, err);
    if (r < 0)
        return r;
    const char *known = wcow_str_map_get(names, key);
    *ret = known ? known : leaf;
    return WCOW_OK;
}

/* A directory of the template being linked into the cased one. */
struct linking {
    int from;
    int to;
    char *path; /* in the layers, "Files/Windows" */
};

static int link_dir(const struct wcow_chain *chain, const struct linking *at,
                    struct wcow_error *err);

static int link_one(const struct wcow_chain *chain, const struct linking *at,
                    const struct wcow_str_map *names, const char *leaf, struct wcow_error *err)
{
    const char *name = leaf;
    struct stat st;
    int r = cased_name(names, leaf, &name, err);
    if (r < 0)
        return r;
    if (fstatat(at->from, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at %s of Wine's template", leaf);
    if (!S_ISDIR(st.st_mode)) {
        if (linkat(at->from, leaf, at->to, name, 0) < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "link %s of Wine's template",
                                   leaf);
        return WCOW_OK;
    }
    wcow_autofree char *path = NULL;
    r = format_path(&path, err, at->path, name);
    if (r < 0)
        return r;
    if (mkdirat(at->to, name, 0755) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", path);
    wcow_autoclose int from = openat(at->from, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int to = openat(at->to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 || to < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s of Wine's template", path);
    const struct linking below = {.from = from, .to = to, .path = path};
    return link_dir(chain, &below, err);
}

/* The template is Wine's own, a few levels deep. */
// NOLINTNEXTLINE(misc-no-recursion)
static int link_dir(const struct wcow_chain *chain, const struct linking *at,
                    struct wcow_error *err)
{
    struct casing casing = {.chain = chain};
    int fd = dup(at->from);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s of Wine's template", at->path);
    }
    int r = chain->n_layers ? wcow_chain_children(chain, at->path, note_child, &casing, err) : 0;
    struct dirent *d = NULL;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this thread alone
    while (r >= 0 && (d = readdir(dir))) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            r = link_one(chain, at, &casing.names, d->d_name, err);
    }
    (void)closedir(dir);
    wcow_str_map_done(&casing.names);
    return r < 0 ? r : WCOW_OK;
}

/* Windows itself: "Windows", or as the image has it. */
static int link_top(const struct wcow_chain *chain, int from, int to, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = wcow_chain_casing(chain, "Files/Windows", &path, NULL, err);
    if (r < 0)
        return r;
    const char *name = strrchr(path, '/') + 1;
    if (mkdirat(to, name, 0755) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", path);
    wcow_autoclose int below = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (below < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", path);
    const struct linking at = {.from = from, .to = below, .path = path};
    return link_dir(chain, &at, err);
}

static int make_cased(const struct wcow_wine_template *t, const char *name,
                      const struct wcow_chain *chain, struct wcow_error *err)
{
    char tmp[128];
    wcow_autoclose int to = -1;
    /* Stages run side by side. */
    (void)snprintf(tmp, sizeof(tmp), UNFINISHED "%s.%d", name, (int)gettid());
    wcow_autoclose int folder = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int from = openat(folder, "windows", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int cased = openat(folder, "cased", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || from < 0 || cased < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open Wine's template in %s", t->folder);
    wcow_owned_dirs_sweep(cased, UNFINISHED, NULL, NULL); /* of builds that were killed */
    int r = wcow_owned_dir_make(cased, tmp, &to, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s/cased", t->folder);
    if (fchmod(to, 0755) < 0)
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "change the mode of %s/cased/%s", t->folder, tmp);
    if (r == WCOW_OK)
        r = link_top(chain, from, to, err);
    /* Another build may have been faster. */
    if (r == WCOW_OK && renameat(cased, tmp, cased, name) == 0)
        return WCOW_OK;
    if (r == WCOW_OK && errno != EEXIST && errno != ENOTEMPTY)
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "rename %s/cased/%s", t->folder, tmp);
    (void)!wcow_dir_tree_delete(cased, tmp, NULL, NULL);
    return r;
}

int wcow_wine_template_cased(const struct wcow_wine_template *t, const char *id,
                             const struct wcow_chain *chain, char **ret, struct wcow_error *err)
{
    char name[24];
    const char *hex = strchr(id, ':');
    (void)snprintf(name, sizeof(name), "%.16s", hex ? hex + 1 : id);
    wcow_autofree char *path = NULL;
    if (asprintf(&path, "%s/cased/%s", t->folder, name) < 0) {
        path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    if (access(path, F_OK) < 0) {
        int r = make_cased(t, name, chain, err);
        if (r < 0)
            return r;
    }
    *ret = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}
