/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/wine_hives.h"
#include "builder/wine_leftovers.h"
#include "layer/filetime.h"

/* Which delta a key of HKLM belongs to, by its first part; the order of wcow_hive_delta_names. */
static const char *const roots[WCOW_WINE_DELTAS] = {NULL, "Sam", "Security", "Software", "System"};

int wcow_wine_changes_init(struct wcow_wine_changes *changes,
                           const struct wcow_execution *execution, const char *user,
                           struct wcow_error *err)
{
    (void)err;
    *changes = (struct wcow_wine_changes){.execution = execution, .user = user};
    return WCOW_OK;
}

void wcow_wine_changes_done(struct wcow_wine_changes *changes)
{
    for (size_t i = 0; i < WCOW_WINE_DELTAS; i++)
        wcow_hive_free(changes->deltas[i]);
    wcow_reg_free(changes->profile);
    *changes = (struct wcow_wine_changes){0};
}

static bool is_at(const char *path, const char *key)
{
    size_t n = strlen(key);
    return strncasecmp(path, key, n) == 0 && (path[n] == '\0' || path[n] == '\\');
}

/* What is Wine's own, or the machine's: no part of an image. */
static bool is_foreign(const char *path)
{
    static const char *const sets[] = {"System\\CurrentControlSet\\", "System\\ControlSet001\\"};
    static const char *const of_set[] = {"Enum", "Control\\Video", "Control\\ComputerName",
                                         "Hardware Profiles"};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        const size_t n = strlen(sets[i]);
        for (size_t k = 0; k < 4 && strncasecmp(path, sets[i], n) == 0; k++) {
            if (is_at(path + n, of_set[k]))
                return true;
        }
    }
    return is_at(path, "Hardware") || is_at(path, "Software\\Wine");
}

/* ---- into deltas ---- */

/* The delta and the path within it; *ret_delta stays NULL for what no delta is for. */
static int delta_of(struct wcow_wine_changes *c, const char *path, struct wcow_hive **ret_delta,
                    char **ret_path, struct wcow_error *err)
{
    static const char wines[] = "CurrentControlSet";
    size_t which = 0;
    const char *rest = path;
    for (size_t i = 1; c->which == 0 && i < WCOW_WINE_DELTAS; i++) {
        size_t n = strlen(roots[i]);
        if (strncasecmp(path, roots[i], n) == 0 && path[n] == '\\') {
            which = i;
            rest = path + n + 1;
        }
    }
    if (c->which == 0 && which == 0)
        return WCOW_OK;
    bool is_set = which == 4 && strncasecmp(rest, wines, sizeof(wines) - 1) == 0;
    if (asprintf(ret_path, "%s%s", is_set ? "ControlSet001" : "",
                 is_set ? rest + sizeof(wines) - 1 : rest) < 0) {
        *ret_path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
    }
    int r = c->deltas[which] ? WCOW_OK
                             : wcow_hive_new(WCOW_HIVE_DELTA, wcow_hive_delta_names[which],
                                             WCOW_FILETIME_UNIX_EPOCH, &c->deltas[which], err);
    *ret_delta = c->deltas[which];
    return r;
}

static int find_key(struct wcow_wine_changes *c, const char *path, struct wcow_hive **ret_hive,
                    struct wcow_hive_key **ret, struct wcow_error *err)
{
    wcow_autofree char *within = NULL;
    *ret = NULL;
    int r = delta_of(c, path, ret_hive, &within, err);
    return r < 0 || !*ret_hive ? r : wcow_hive_key(*ret_hive, within, ret, err);
}

/* ---- into NTUSER.DAT ---- */

static int load_profile(struct wcow_wine_changes *c, struct wcow_error *err)
{
    char path[256];
    wcow_autoclose int fd = -1;
    if (c->profile)
        return WCOW_OK;
    c->profile = wcow_reg_new();
    if (!c->profile)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry");
    (void)snprintf(path, sizeof(path), "Files/Users/%s/NTUSER.DAT", c->user);
    int r = wcow_wine_open_hive(c->execution->below, path, &fd, err);
    if (r == 0)
        r = wcow_wine_open_hive(c->execution->below, "Files/Users/Default/NTUSER.DAT", &fd, err);
    return r > 0 ? wcow_wine_load_hive(fd, c->profile, err) : r;
}

/* ---- changes ---- */

/* Where a change of the key goes: into the profile, into a delta's key, or nowhere. */
struct target {
    bool in_profile;
    struct wcow_hive *hive;
    struct wcow_hive_key *key;
};

static int find_target(struct wcow_wine_changes *c, const char *path, struct target *ret,
                       struct wcow_error *err)
{
    *ret = (struct target){0};
    if (is_foreign(path))
        return WCOW_OK;
    if (c->which != 1)
        return find_key(c, path, &ret->hive, &ret->key, err);
    int r = load_profile(c, err);
    ret->in_profile = r == WCOW_OK;
    return r;
}

static int on_key(void *arg, const char *path, struct wcow_error *err)
{
    struct wcow_wine_changes *c = arg;
    struct wcow_reg_key *mine = NULL;
    struct target t;
    int r = find_target(c, path, &t, err);
    return r < 0 || !t.in_profile ? r : wcow_reg_make(c->profile, path, &mine, err);
}

static int on_key_removed(void *arg, const char *path, struct wcow_error *err)
{
    struct wcow_wine_changes *c = arg;
    struct target t;
    int r = find_target(c, path, &t, err);
    if (r == WCOW_OK && t.in_profile)
        wcow_reg_remove(c->profile, path);
    return r < 0 || !t.key ? r : wcow_hive_set_layer(t.hive, t.key, WCOW_HIVE_TOMBSTONE, err);
}

static int on_value(void *arg, const char *path, const struct wcow_reg_value *value,
                    struct wcow_error *err)
{
    struct wcow_wine_changes *c = arg;
    struct wcow_reg_key *mine = NULL;
    struct target t;
    int r = find_target(c, path, &t, err);
    if (r == WCOW_OK && t.in_profile) {
        r = wcow_reg_make(c->profile, path, &mine, err);
        return r < 0 ? r
                     : wcow_reg_set(mine, value->name, value->type, value->data, value->len, err);
    }
    return r < 0 || !t.key
               ? r
               : wcow_hive_set_value(t.key, value->name, value->type, value->data, value->len, err);
}

static int on_value_removed(void *arg, const char *path, const char *name, struct wcow_error *err)
{
    struct wcow_wine_changes *c = arg;
    struct wcow_reg_key *mine = NULL;
    struct target t;
    int r = find_target(c, path, &t, err);
    if (r == WCOW_OK && t.in_profile) {
        r = wcow_reg_find(c->profile, path, &mine, err);
        if (r > 0)
            wcow_reg_unset(mine, name);
        return r < 0 ? r : WCOW_OK;
    }
    return r < 0 || !t.key ? r : wcow_hive_delete_value(t.key, name, err);
}

int wcow_wine_changes_add(struct wcow_wine_changes *changes, size_t which, struct wcow_reg *before,
                          struct wcow_reg *after, struct wcow_error *err)
{
    const struct wcow_reg_changes told = {.key_removed = on_key_removed,
                                          .key_added = on_key,
                                          .value_set = on_value,
                                          .value_removed = on_value_removed,
                                          .arg = changes};
    changes->which = which;
    return wcow_reg_diff(before, after, &told, err);
}

/* ---- files ---- */

static int write_file(int fd, const char *path, const struct wcow_buf *bytes,
                      struct wcow_error *err)
{
    wcow_autoclose int file = -1;
    int r = wcow_open_beneath(fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &file, err);
    return r < 0 ? r : wcow_fd_write(file, bytes->data, bytes->len, path, err);
}

static int write_deltas(const struct wcow_wine_changes *c, int fd, struct wcow_error *err)
{
    if (mkdirat(fd, "Hives", 0755) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make Hives");
    for (size_t i = 0; i < WCOW_WINE_DELTAS; i++) {
        wcow_autobuf bytes = {.max_bytes = 256 << 20};
        char path[64];
        (void)snprintf(path, sizeof(path), "Hives/%s", wcow_hive_delta_names[i]);
        int r = c->deltas[i] ? wcow_hive_write(c->deltas[i], &bytes, err)
                             : wcow_hive_empty_delta(wcow_hive_delta_names[i],
                                                     WCOW_FILETIME_UNIX_EPOCH, &bytes, err);
        if (r == WCOW_OK)
            r = write_file(fd, path, &bytes, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "%s", path);
    }
    return WCOW_OK;
}

static int write_profile(const struct wcow_wine_changes *c, int fd, struct wcow_error *err)
{
    const struct wcow_chain chain = wcow_layer_chain_names(c->execution->below);
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    wcow_autobuf bytes = {.max_bytes = 256 << 20};
    wcow_autofree char *place = NULL;
    char path[256];
    int r = wcow_hive_new(WCOW_HIVE_PLAIN, "NTUSER.DAT", WCOW_FILETIME_UNIX_EPOCH, &hive, err);
    for (size_t i = 0; r == WCOW_OK && i < c->profile->n_keys; i++) {
        const struct wcow_reg_key *from = &c->profile->keys[i];
        struct wcow_hive_key *key = NULL;
        r = wcow_hive_key(hive, from->path, &key, err);
        for (size_t v = 0; r == WCOW_OK && v < from->n_values; v++)
            r = wcow_hive_set_value(key, from->values[v].name, from->values[v].type,
                                    from->values[v].data, from->values[v].len, err);
    }
    (void)snprintf(path, sizeof(path), "Files/Users/%s/NTUSER.DAT", c->user);
    if (r == WCOW_OK)
        r = wcow_hive_write(hive, &bytes, err);
    if (r == WCOW_OK)
        r = wcow_wine_make_place(&chain, fd, path, false, &place, err);
    return r < 0 ? r : write_file(fd, place, &bytes, err);
}

int wcow_wine_changes_write(const struct wcow_wine_changes *changes, int fd, struct wcow_error *err)
{
    bool has_delta = false;
    for (size_t i = 0; i < WCOW_WINE_DELTAS; i++)
        has_delta |= changes->deltas[i] != NULL;
    int r = has_delta ? write_deltas(changes, fd, err) : WCOW_OK;
    return r < 0 || !changes->profile ? r : write_profile(changes, fd, err);
}
