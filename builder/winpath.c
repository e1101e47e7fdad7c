/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/winpath.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "builder/pattern.h"
#include "builder/words_text.h"

static bool has_drive(const char *path)
{
    return (unsigned char)path[0] < 0x80 && wcow_text_is_letter((unsigned char)path[0]) &&
           path[1] == ':';
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

static int check_length(const char *path, struct wcow_error *err)
{
    size_t len = strlen(path);
    if (len > WCOW_WINPATH_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a path of %zu bytes is longer than the %d of Windows",
                         len, WCOW_WINPATH_MAX_BYTES);
    return WCOW_OK;
}

/* Behind the drive; the checks in the order of their messages. */
static int cut_drive(const char *path, const char **ret, struct wcow_error *err)
{
    if (is_slash(path[0]) && is_slash(path[1]))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "UNC paths are not supported: '%s' (write a path on C:)", path);
    if (!has_drive(path)) {
        *ret = path;
        return WCOW_OK;
    }
    if (!path[2])
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "no relative path specified in '%s': write %s\\ for the root of the drive",
                         path, path);
    if (wcow_text_lower(path[0]) != 'c')
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the path '%s' is not on the system drive (C:), the only one of an image",
                         path);
    *ret = path + 2;
    return WCOW_OK;
}

static int check_characters(const char *whole, const char *names, const char *refused,
                            struct wcow_error *err)
{
    for (const char *c = names; *c; c++) {
        if ((unsigned char)*c < 0x20)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "the path '%s' holds the control character 0x%02x, which no name on "
                             "Windows can hold",
                             whole, (unsigned)(unsigned char)*c);
        if (strchr(refused, *c))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "the path '%s' holds '%c', which no name on Windows can hold", whole,
                             *c);
    }
    return WCOW_OK;
}

/* Whether the last component makes the path a directory: a slash behind it, "." or "..", or
 * nothing. */
static bool ends_as_dir(const char *path)
{
    size_t len = strlen(path);
    if (len == 0 || is_slash(path[len - 1]))
        return true;
    size_t start = len;
    while (start > 0 && !is_slash(path[start - 1]))
        start--;
    return strcmp(path + start, ".") == 0 || strcmp(path + start, "..") == 0;
}

static int normalise(const char *path, bool keep_slash, const char *refused, char **ret,
                     struct wcow_error *err)
{
    const char *rest = path;
    int r = check_length(path, err);
    if (r == WCOW_OK)
        r = cut_drive(path, &rest, err);
    if (r == WCOW_OK)
        r = check_characters(path, rest, refused, err);
    if (r != WCOW_OK)
        return r;
    size_t len = strlen(rest);
    wcow_autofree char *out = calloc(1, len + 4);
    if (!out)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the path '%s'", path);
    for (size_t i = 0; i < len; i++) {
        out[i] = rest[i];
        if (is_slash(rest[i]))
            out[i] = '/';
    }
    wcow_pattern_clean(out);
    size_t end = strlen(out);
    if (keep_slash && len > 0 && is_slash(rest[len - 1]) && out[end - 1] != '/')
        memcpy(out + end, "/", 2);
    *ret = WCOW_TAKE_PTR(out);
    return WCOW_OK;
}

int wcow_winpath_normalise(const char *path, bool keep_slash, char **ret, struct wcow_error *err)
{
    return normalise(path, keep_slash, "<>:\"|?*", ret, err);
}

int wcow_winpath_normalise_source(const char *path, char **ret, struct wcow_error *err)
{
    return normalise(path, false, "<>:\"|", ret, err);
}

/* The absolute path "/a/b" that @p path means in @p workdir. */
static int resolve(const char *workdir, const char *path, char **ret, struct wcow_error *err)
{
    wcow_autofree char *dir = NULL;
    wcow_autofree char *given = NULL;
    int r = wcow_winpath_normalise(workdir && *workdir ? workdir : "/", false, &dir, err);
    if (r != WCOW_OK)
        return wcow_error_wrap(r, err, "working directory");
    r = wcow_winpath_normalise(path, false, &given, err);
    if (r != WCOW_OK)
        return r;
    char *joined = NULL;
    int len =
        given[0] == '/' ? asprintf(&joined, "%s", given) : asprintf(&joined, "/%s/%s", dir, given);
    if (len < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the path '%s'", path);
    wcow_pattern_clean(joined);
    *ret = joined;
    return WCOW_OK;
}

int wcow_winpath_workdir(const char *workdir, const char *path, char **ret, struct wcow_error *err)
{
    wcow_autofree char *absolute = NULL;
    int r = resolve(workdir, path, &absolute, err);
    if (r != WCOW_OK)
        return r;
    for (char *c = absolute; *c; c++) {
        if (*c == '/')
            *c = '\\';
    }
    char *out = NULL;
    if (asprintf(&out, "C:%s", absolute) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the path '%s'", path);
    *ret = out;
    return WCOW_OK;
}

int wcow_winpath_to_layer(const char *workdir, const char *path, char **ret, bool *ret_is_dir,
                          struct wcow_error *err)
{
    wcow_autofree char *absolute = NULL;
    int r = resolve(workdir, path, &absolute, err);
    if (r != WCOW_OK)
        return r;
    bool root = strcmp(absolute, "/") == 0;
    char *out = NULL;
    if (asprintf(&out, "Files%s", root ? "" : absolute) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the path '%s'", path);
    *ret = out;
    if (ret_is_dir)
        *ret_is_dir = root || ends_as_dir(path);
    return WCOW_OK;
}
