/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_reg.h"

#include <stdlib.h>
#include <string.h>

#include "layer/hive.h"

static unsigned char fold(char c)
{
    if (c == '\\')
        return 1; /* what lies below a key stands right behind it */
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int wcow_reg_compare_paths(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return (*a ? fold(*a) : 0) - (*b ? fold(*b) : 0);
}

static void value_done(struct wcow_reg_value *value)
{
    free(value->name);
    free(value->data);
}

void wcow_reg_key_done(struct wcow_reg_key *key)
{
    for (size_t i = 0; i < key->n_values; i++)
        value_done(&key->values[i]);
    free(key->values);
    free(key->path);
    free(key->extra);
}

void wcow_reg_free(struct wcow_reg *reg)
{
    if (!reg)
        return;
    for (size_t i = 0; i < reg->n_keys; i++)
        wcow_reg_key_done(&reg->keys[i]);
    free(reg->keys);
    free(reg->head);
    free(reg);
}

/* ---- finding and changing ---- */

/* Where the path stands, or would. */
static size_t position(const struct wcow_reg *reg, const char *path, bool *ret_found)
{
    size_t low = 0;
    size_t high = reg->n_keys;
    *ret_found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = wcow_reg_compare_paths(reg->keys[mid].path, path);
        if (order == 0) {
            *ret_found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct wcow_reg_key *wcow_reg_find(const struct wcow_reg *reg, const char *path)
{
    bool found = false;
    size_t at = position(reg, path, &found);
    return found ? &reg->keys[at] : NULL;
}

static struct wcow_reg_value *find_value(const struct wcow_reg_key *key, const char *name)
{
    for (size_t i = 0; i < key->n_values; i++) {
        if (wcow_reg_compare_paths(key->values[i].name, name) == 0)
            return &key->values[i];
    }
    return NULL;
}

const struct wcow_reg_value *wcow_reg_value(const struct wcow_reg_key *key, const char *name)
{
    return find_value(key, name);
}

int wcow_reg_make(struct wcow_reg *reg, const char *path, struct wcow_reg_key **ret,
                  struct wcow_error *err)
{
    bool found = false;
    size_t at = position(reg, path, &found);
    if (!found) {
        char *copy = strdup(path);
        if (copy && reg->n_keys == reg->cap_keys) {
            size_t cap = reg->cap_keys ? reg->cap_keys * 2 : 1024;
            struct wcow_reg_key *grown = reallocarray(reg->keys, cap, sizeof(*grown));
            if (grown) {
                reg->keys = grown;
                reg->cap_keys = cap;
            }
        }
        if (!copy || reg->n_keys == reg->cap_keys) {
            free(copy);
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry");
        }
        memmove(reg->keys + at + 1, reg->keys + at, (reg->n_keys - at) * sizeof(*reg->keys));
        reg->keys[at] = (struct wcow_reg_key){.path = copy};
        reg->n_keys++;
    }
    *ret = &reg->keys[at];
    return WCOW_OK;
}

int wcow_reg_set(struct wcow_reg_key *key, const char *name, uint32_t type, const void *data,
                 size_t len, struct wcow_error *err)
{
    struct wcow_reg_value *value = find_value(key, name);
    uint8_t *copy = malloc(len ? len : 1);
    if (copy && !value) {
        struct wcow_reg_value *grown =
            reallocarray(key->values, key->n_values + 1, sizeof(*key->values));
        char *own = strdup(name);
        if (grown)
            key->values = grown;
        if (grown && own) {
            value = &grown[key->n_values++];
            *value = (struct wcow_reg_value){.name = own};
        } else {
            free(own);
        }
    }
    if (!copy || !value) {
        free(copy);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry value");
    }
    if (len)
        memcpy(copy, data, len);
    free(value->data);
    value->data = copy;
    value->len = len;
    value->type = type;
    return WCOW_OK;
}

void wcow_reg_unset(struct wcow_reg_key *key, const char *name)
{
    struct wcow_reg_value *value = find_value(key, name);
    if (!value)
        return;
    value_done(value);
    size_t after = key->n_values - (size_t)(value - key->values) - 1;
    memmove(value, value + 1, after * sizeof(*value));
    key->n_values--;
}

/* Whether @p path is @p top or lies below it. */
static bool is_below(const char *path, const char *top)
{
    size_t n = strlen(top);
    for (size_t i = 0; i < n; i++) {
        if (fold(path[i]) != fold(top[i]))
            return false;
    }
    return path[n] == '\0' || path[n] == '\\';
}

void wcow_reg_remove(struct wcow_reg *reg, const char *path)
{
    bool found = false;
    size_t at = position(reg, path, &found);
    size_t end = at;
    while (end < reg->n_keys && is_below(reg->keys[end].path, path))
        wcow_reg_key_done(&reg->keys[end++]);
    memmove(reg->keys + at, reg->keys + end, (reg->n_keys - end) * sizeof(*reg->keys));
    reg->n_keys -= end - at;
}

/* ---- comparing ---- */

/* Whether anything stands at the path or below it. */
static bool has_any(const struct wcow_reg *reg, const char *path)
{
    bool found = false;
    size_t at = position(reg, path, &found);
    return at < reg->n_keys && is_below(reg->keys[at].path, path);
}

/* The highest ancestor of the path of which nothing is left; in place. */
static void cut_to_top(const struct wcow_reg *after, char *path)
{
    char *slash = NULL;
    while ((slash = strrchr(path, '\\'))) {
        *slash = '\0';
        if (has_any(after, path)) {
            *slash = '\\';
            return;
        }
    }
}

static int tell_removed(const struct wcow_reg *after, const char *path, char **last,
                        const struct wcow_reg_changes *c, struct wcow_error *err)
{
    if ((*last && is_below(path, *last)) || has_any(after, path))
        return WCOW_OK;
    char *top = strdup(path);
    if (!top)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
    cut_to_top(after, top);
    free(*last);
    *last = top;
    return c->key_removed(c->arg, top, err);
}

static bool same_value(const struct wcow_reg_value *a, const struct wcow_reg_value *b)
{
    return a && a->type == b->type && a->len == b->len &&
           (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static int tell_values(const struct wcow_reg_key *before, const struct wcow_reg_key *after,
                       const char *path, const struct wcow_reg_changes *c, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && before && i < before->n_values; i++) {
        if (!after || !find_value(after, before->values[i].name))
            r = c->value_removed(c->arg, path, before->values[i].name, err);
    }
    for (size_t i = 0; r == WCOW_OK && after && i < after->n_values; i++) {
        const struct wcow_reg_value *value = &after->values[i];
        if (!before || !same_value(find_value(before, value->name), value))
            r = c->value_set(c->arg, path, value, err);
    }
    return r;
}

int wcow_reg_diff(const struct wcow_reg *before, const struct wcow_reg *after,
                  const struct wcow_reg_changes *c, struct wcow_error *err)
{
    wcow_autofree char *last = NULL; /* the last key told as removed */
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < before->n_keys; i++) {
        const struct wcow_reg_key *key = &before->keys[i];
        const struct wcow_reg_key *now = wcow_reg_find(after, key->path);
        if (!now)
            r = tell_removed(after, key->path, &last, c, err);
        /* A key without values is only there in what lies below it. */
        if (r == WCOW_OK && (now || has_any(after, key->path)))
            r = tell_values(key, now, key->path, c, err);
    }
    for (size_t i = 0; r == WCOW_OK && i < after->n_keys; i++) {
        const struct wcow_reg_key *key = &after->keys[i];
        if (wcow_reg_find(before, key->path))
            continue;
        if (!has_any(before, key->path))
            r = c->key_added(c->arg, key->path, err);
        if (r == WCOW_OK)
            r = tell_values(NULL, key, key->path, c, err);
    }
    return r;
}
