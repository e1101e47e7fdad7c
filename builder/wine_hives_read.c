/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "builder/wine_base.h"
#include "builder/wine_hives.h"
#include "layer/hive_walk.h"
#include "layer/names.h"
#include "layer/utf16.h"

#define CONTROL_SET "ControlSet001"

/* Keys of a hive on their way into a registry. */
struct filling {
    struct wcow_reg *into;
    const char *below; /* the hive's root in the registry, "Software"; "" */
    bool values_only;  /* of the top key */
    const char *set;   /* what Wine calls ControlSet001; NULL: as it is */
};

static int path_of(const struct filling *f, const char *path, char **ret, struct wcow_error *err)
{
    const size_t set = sizeof(CONTROL_SET) - 1;
    const char *rest = path;
    const char *first = "";
    if (f->set && strncasecmp(path, CONTROL_SET, set) == 0 && (path[set] == '\\' || !path[set])) {
        first = f->set;
        rest = path + set + (path[set] == '\\');
    }
    int n = asprintf(ret, "%s%s%s%s%s", f->below, *f->below && (*first || *rest) ? "\\" : "", first,
                     *first && *rest ? "\\" : "", rest);
    if (n >= 0)
        return WCOW_OK;
    *ret = NULL;
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
}

static int fill_key(void *arg, const char *path, enum wcow_hive_layer layer, struct wcow_error *err)
{
    const struct filling *f = arg;
    struct wcow_reg_key *key = NULL;
    wcow_autofree char *full = NULL;
    if (*path == '\0' || (f->values_only && *path))
        return WCOW_OK;
    int r = path_of(f, path, &full, err);
    if (r < 0)
        return r;
    if (layer == WCOW_HIVE_TOMBSTONE || layer == WCOW_HIVE_SUPERSEDE_TREE)
        wcow_reg_remove(f->into, full);
    if (layer == WCOW_HIVE_TOMBSTONE)
        return WCOW_OK;
    r = wcow_reg_make(f->into, full, &key, err);
    while (r == WCOW_OK && layer == WCOW_HIVE_SUPERSEDE_LOCAL && key->n_values)
        wcow_reg_unset(key, key->values[0].name);
    return r;
}

static int fill_value(void *arg, const char *path, const char *name, uint32_t type,
                      const void *data, size_t len, struct wcow_error *err)
{
    const struct filling *f = arg;
    struct wcow_reg_key *key = NULL;
    wcow_autofree char *full = NULL;
    if (f->values_only && *path)
        return WCOW_OK;
    int r = path_of(f, path, &full, err);
    if (r == WCOW_OK && *full)
        r = wcow_reg_make(f->into, full, &key, err);
    if (r < 0 || !key)
        return r;
    if (data)
        return wcow_reg_set(key, name, type, data, len, err);
    wcow_reg_unset(key, name);
    return WCOW_OK;
}

static int fill(struct filling *f, int fd, const char *top, struct wcow_error *err)
{
    const struct wcow_hive_visitor visitor = {.key = fill_key, .value = fill_value, .arg = f};
    int r = wcow_hive_walk(fd, top, &visitor, err);
    return r < 0 ? r : WCOW_OK;
}

int wcow_wine_load_part(int fd, const char *key, const char *to, bool values_only,
                        struct wcow_reg *into, struct wcow_error *err)
{
    struct filling f = {.into = into, .below = to, .values_only = values_only};
    return fill(&f, fd, key, err);
}

int wcow_wine_load_hive(int fd, struct wcow_reg *into, struct wcow_error *err)
{
    struct filling f = {.into = into, .below = ""};
    return fill(&f, fd, "", err);
}

/* ---- finding hives ---- */

/* In this very layer: 1 or 0. */
static int open_in_layer(const struct wcow_layer_chain *below, size_t i, const char *path,
                         int *ret_fd, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    wcow_autofree char *host = NULL;
    int r = wcow_name_key(path, &key, err);
    if (r == WCOW_OK)
        r = wcow_layer_index_host_path(below->indexes[i], key, &host, err);
    if (r <= 0)
        return r;
    r = wcow_open_beneath(below->fds[i], host, O_RDONLY | O_NONBLOCK, 0, ret_fd, err);
    return r == WCOW_E_NOT_FOUND ? 0 : r < 0 ? r : 1;
}

int wcow_wine_open_hive(const struct wcow_layer_chain *below, const char *path, int *ret_fd,
                        struct wcow_error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < below->n; i++)
        r = open_in_layer(below, i, path, ret_fd, err);
    return r;
}

/* ---- the base ---- */

/* Wine 8 keeps as CurrentControlSet what Windows keeps as ControlSet001; to Wine 10, as to Windows,
 * the former is a link to the latter. */
static int control_set(struct wcow_reg *machine, const char **ret, struct wcow_error *err)
{
    struct wcow_reg_key *key = NULL;
    int r = wcow_reg_find(machine, "System\\CurrentControlSet", &key, err);
    if (r >= 0)
        *ret = r > 0 && key->is_link ? CONTROL_SET : "CurrentControlSet";
    return r < 0 ? r : WCOW_OK;
}

static int set_text(struct wcow_reg_key *key, const char *name, const char *text, size_t len,
                    struct wcow_error *err)
{
    wcow_autobuf utf16 = {0};
    wcow_autofree char *copy = strndup(text, len);
    int r = copy ? wcow_utf16_add(&utf16, copy, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry value");
    if (r == WCOW_OK)
        r = wcow_buf_add(&utf16, "\0", 2, err);
    return r < 0 ? r : wcow_reg_set(key, name, WCOW_REG_SZ, utf16.data, utf16.len, err);
}

static int set_number(struct wcow_reg_key *key, const char *name, uint32_t value,
                      struct wcow_error *err)
{
    uint8_t bytes[4];
    wcow_store_le32(bytes, value);
    return wcow_reg_set(key, name, WCOW_REG_DWORD, bytes, sizeof(bytes), err);
}

/* "10.0.20348.2340", so that Wine says it, too: unlike Windows it goes by CurrentVersion. */
static int set_version(struct wcow_reg *into, const char *version, struct wcow_error *err)
{
    struct wcow_reg_key *key = NULL;
    char *end = NULL;
    if (!version)
        return WCOW_OK;
    unsigned long major = strtoul(version, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, &end, 10) : 0;
    const char *build = *end == '.' ? end + 1 : "";
    size_t len = strspn(build, "0123456789");
    unsigned long revision = build[len] == '.' ? strtoul(build + len + 1, NULL, 10) : 0;
    if (!major || !len)
        return WCOW_OK;
    int r = wcow_reg_make(into, "Software\\Microsoft\\Windows NT\\CurrentVersion", &key, err);
    if (r < 0)
        return r;
    wcow_reg_unset(key, "CSDVersion");
    r = set_number(key, "CurrentMajorVersionNumber", (uint32_t)major, err);
    if (r == WCOW_OK)
        r = set_number(key, "CurrentMinorVersionNumber", (uint32_t)minor, err);
    if (r == WCOW_OK)
        r = set_number(key, "UBR", (uint32_t)revision, err);
    if (r == WCOW_OK)
        r = set_text(key, "CurrentVersion", version, (size_t)(build - version - 1), err);
    if (r == WCOW_OK)
        r = set_text(key, "CurrentBuild", build, len, err);
    if (r == WCOW_OK)
        r = set_text(key, "CurrentBuildNumber", build, len, err);
    return r;
}

/* ---- the layers above ---- */

static int read_delta(const struct wcow_layer_chain *below, size_t layer, size_t which,
                      const char *set, struct wcow_reg *const registry[3], struct wcow_error *err)
{
    static const char *const roots[WCOW_WINE_DELTAS] = {"", "Sam", "Security", "Software",
                                                        "System"};
    char path[64];
    wcow_autoclose int fd = -1;
    const char *name = wcow_hive_delta_names[which];
    (void)snprintf(path, sizeof(path), "Hives/%s", name);
    struct filling f = {.into = registry[strcmp(name, "DefaultUser_Delta") == 0 ? 2 : 0],
                        .below = roots[which],
                        .set = strcmp(name, "System_Delta") == 0 ? set : NULL};
    int r = open_in_layer(below, layer, path, &fd, err);
    if (r > 0)
        r = fill(&f, fd, "", err);
    return r < 0 ? wcow_error_wrap(r, err, "%s of a layer", path) : WCOW_OK;
}

int wcow_wine_hives_read(const struct wcow_execution *x, const char *user, const char *cache,
                         struct wcow_reg *const registry[3], struct wcow_error *err)
{
    char path[256];
    wcow_autoclose int fd = -1;
    const char *set = NULL;
    int r = control_set(registry[0], &set, err);
    if (r == WCOW_OK)
        r = wcow_wine_base_read(x, set, cache, registry[0], err);
    if (r == WCOW_OK)
        r = set_version(registry[0], x->os_version, err);
    for (size_t i = x->below->n; r == WCOW_OK && i > 0; i--) {
        for (size_t which = 0; r == WCOW_OK && which < WCOW_WINE_DELTAS; which++)
            r = read_delta(x->below, i - 1, which, set, registry, err);
    }
    (void)snprintf(path, sizeof(path), "Files/Users/%s/NTUSER.DAT", user);
    if (r == WCOW_OK)
        r = wcow_wine_open_hive(x->below, path, &fd, err);
    if (r > 0)
        r = wcow_wine_load_hive(fd, registry[1], err);
    return r < 0 ? r : WCOW_OK;
}
