/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_reg.h"

#include <stdlib.h>
#include <string.h>

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

static void key_done(struct wcow_reg_key *key)
{
    for (size_t i = 0; i < key->n_values; i++)
        value_done(&key->values[i]);
    free(key->values);
    if (key->is_own)
        free(key->path);
    free(key->extra);
}

void wcow_reg_free(struct wcow_reg *reg)
{
    if (!reg)
        return;
    for (size_t i = 0; i < reg->n_keys; i++)
        key_done(&reg->keys[i]);
    free(reg->keys);
    free(reg->text);
    free(reg->paths);
    free(reg);
}

struct wcow_reg *wcow_reg_new(void)
{
    struct wcow_reg *reg = calloc(1, sizeof(*reg));
    return reg;
}

/* ---- finding and changing ---- */

size_t wcow_reg_position(const struct wcow_reg *reg, const char *path, bool *ret_found)
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

int wcow_reg_find(struct wcow_reg *reg, const char *path, struct wcow_reg_key **ret,
                  struct wcow_error *err)
{
    bool found = false;
    size_t at = wcow_reg_position(reg, path, &found);
    int r = found ? wcow_reg_decode(&reg->keys[at], err) : WCOW_OK;
    if (r < 0 || !found)
        return r;
    *ret = &reg->keys[at];
    return 1;
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

int wcow_reg_insert(struct wcow_reg *reg, size_t at, const struct wcow_reg_key *key,
                    struct wcow_error *err)
{
    if (reg->n_keys == reg->cap_keys) {
        size_t cap = reg->cap_keys ? reg->cap_keys * 2 : 1024;
        struct wcow_reg_key *grown = reallocarray(reg->keys, cap, sizeof(*grown));
        if (!grown)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry");
        reg->keys = grown;
        reg->cap_keys = cap;
    }
    memmove(reg->keys + at + 1, reg->keys + at, (reg->n_keys - at) * sizeof(*reg->keys));
    reg->keys[at] = *key;
    reg->n_keys++;
    return WCOW_OK;
}

int wcow_reg_make(struct wcow_reg *reg, const char *path, struct wcow_reg_key **ret,
                  struct wcow_error *err)
{
    bool found = false;
    size_t at = wcow_reg_position(reg, path, &found);
    int r = WCOW_OK;
    if (!found) {
        wcow_autofree char *copy = strdup(path);
        const struct wcow_reg_key key = {.path = copy, .is_own = true};
        r = copy ? wcow_reg_insert(reg, at, &key, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
        if (r == WCOW_OK)
            copy = NULL;
    }
    if (r == WCOW_OK)
        r = wcow_reg_decode(&reg->keys[at], err);
    if (r == WCOW_OK)
        *ret = &reg->keys[at];
    return r;
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

bool wcow_reg_is_below(const char *path, const char *top)
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
    size_t at = wcow_reg_position(reg, path, &found);
    size_t end = at;
    while (end < reg->n_keys && wcow_reg_is_below(reg->keys[end].path, path))
        key_done(&reg->keys[end++]);
    memmove(reg->keys + at, reg->keys + end, (reg->n_keys - end) * sizeof(*reg->keys));
    reg->n_keys -= end - at;
}
