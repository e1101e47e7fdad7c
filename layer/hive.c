/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/hive.h"

#include <string.h>

#include "layer/hive_tree.h"
#include "layer/names.h"
#include "layer/utf16.h"

enum {
    MAX_KEY_NAME = 255,     /* characters; here bytes, which is stricter */
    MAX_VALUE_NAME = 16383, /* the same */
    MAX_DEPTH = 512,
    MAX_VALUE_BYTES = 16 << 20,
};

const char *const wcow_hive_delta_names[5] = {"DefaultUser_Delta", "Sam_Delta", "Security_Delta",
                                              "Software_Delta", "System_Delta"};

static int out_of_memory(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry hive");
}

static void free_value(struct wcow_hive_value *v)
{
    free(v->name);
    free(v->folded);
    free(v->data);
}

static void free_key(struct wcow_hive_key *key)
{
    if (!key)
        return;
    for (size_t i = 0; i < key->n_subkeys; i++)
        free_key(key->subkeys[i]);
    for (size_t i = 0; i < key->n_values; i++)
        free_value(&key->values[i]);
    free(key->subkeys);
    free(key->values);
    free(key->name);
    free(key->folded);
    free(key);
}

static int new_key(const char *name, size_t len, struct wcow_hive_key **ret, struct wcow_error *err)
{
    struct wcow_hive_key *key = calloc(1, sizeof(*key));
    if (!key)
        return out_of_memory(err);
    key->name = strndup(name, len);
    int r = key->name ? wcow_name_key(key->name, &key->folded, err) : out_of_memory(err);
    if (r < 0) {
        free_key(key);
        return r;
    }
    *ret = key;
    return WCOW_OK;
}

int wcow_hive_new(enum wcow_hive_kind kind, const char *name, uint64_t filetime,
                  struct wcow_hive **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = calloc(1, sizeof(*hive));
    if (!hive)
        return out_of_memory(err);
    hive->kind = kind;
    hive->filetime = filetime;
    hive->n_keys = 1;
    hive->name = strdup(name);
    if (!hive->name)
        return out_of_memory(err);
    int r = new_key("ROOT", 4, &hive->root, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(hive);
    return WCOW_OK;
}

void wcow_hive_free(struct wcow_hive *hive)
{
    if (!hive)
        return;
    free_key(hive->root);
    free(hive->name);
    free(hive);
}

/* Index of the subkey, or where it belongs. */
static size_t find_subkey(const struct wcow_hive_key *key, const char *folded, bool *ret_found)
{
    size_t low = 0;
    size_t high = key->n_subkeys;
    *ret_found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = strcmp(folded, key->subkeys[mid]->folded);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static int get_subkey(struct wcow_hive *hive, struct wcow_hive_key *key, const char *name,
                      size_t len, struct wcow_hive_key **ret, struct wcow_error *err)
{
    if (len == 0 || len > MAX_KEY_NAME)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "a registry key's name of %zu bytes; 1 to %d are "
                         "possible",
                         len, MAX_KEY_NAME);
    struct wcow_hive_key *sub = NULL;
    int r = new_key(name, len, &sub, err);
    if (r < 0)
        return r;
    bool found = false;
    size_t at = find_subkey(key, sub->folded, &found);
    if (found) {
        free_key(sub);
        *ret = key->subkeys[at];
        return WCOW_OK;
    }
    struct wcow_hive_key **more = NULL;
    if (key->layer == WCOW_HIVE_TOMBSTONE)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "\"%.100s\" is a tombstone and cannot have subkeys",
                      key->name);
    else if (!(more =
                   reallocarray(key->subkeys, key->n_subkeys + 1, sizeof(struct wcow_hive_key *))))
        r = out_of_memory(err);
    if (r < 0) {
        free_key(sub);
        return r;
    }
    memmove(more + at + 1, more + at, (key->n_subkeys - at) * sizeof(struct wcow_hive_key *));
    more[at] = sub;
    key->subkeys = more;
    key->n_subkeys++;
    hive->n_keys++;
    *ret = sub;
    return WCOW_OK;
}

int wcow_hive_key(struct wcow_hive *hive, const char *path, struct wcow_hive_key **ret,
                  struct wcow_error *err)
{
    struct wcow_hive_key *key = hive->root;
    const char *p = path;
    for (size_t depth = 0; *p; depth++) {
        size_t len = strcspn(p, "\\");
        int r = depth < MAX_DEPTH ? get_subkey(hive, key, p, len, &key, err)
                                  : WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d levels", MAX_DEPTH);
        if (r < 0)
            return wcow_error_wrap(r, err, "registry key \"%.200s\"", path);
        p += len;
        if (*p == '\\' && !*++p)
            return WCOW_FAIL(err, WCOW_E_INVALID, "registry key \"%.200s\" ends with a backslash",
                             path);
    }
    *ret = key;
    return WCOW_OK;
}

int wcow_hive_set_layer(struct wcow_hive *hive, struct wcow_hive_key *key,
                        enum wcow_hive_layer layer, struct wcow_error *err)
{
    if (hive->kind != WCOW_HIVE_DELTA)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION, "only a delta hive has layered keys");
    if (layer == WCOW_HIVE_TOMBSTONE && (key->n_subkeys || key->n_values))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.100s\" has subkeys or values and cannot be a tombstone", key->name);
    key->layer = layer;
    return WCOW_OK;
}

/* The value of that name, made where it is not there; without data. */
static int get_value(struct wcow_hive_key *key, const char *name, struct wcow_hive_value **ret,
                     struct wcow_error *err)
{
    if (strlen(name) > MAX_VALUE_NAME)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "a registry value's name of %zu bytes; %d are "
                         "possible",
                         strlen(name), MAX_VALUE_NAME);
    if (key->layer == WCOW_HIVE_TOMBSTONE)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.100s\" is a tombstone and cannot have values",
                         key->name);
    wcow_autofree char *folded = NULL;
    int r = wcow_name_key(name, &folded, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < key->n_values; i++) {
        if (strcmp(key->values[i].folded, folded) == 0) {
            *ret = &key->values[i];
            return WCOW_OK;
        }
    }
    char *copy = strdup(name);
    struct wcow_hive_value *more =
        copy ? reallocarray(key->values, key->n_values + 1, sizeof(*more)) : NULL;
    if (!more) {
        free(copy);
        return out_of_memory(err);
    }
    key->values = more;
    more[key->n_values] = (struct wcow_hive_value){.name = copy, .folded = WCOW_TAKE_PTR(folded)};
    *ret = &more[key->n_values++];
    return WCOW_OK;
}

int wcow_hive_set_value(struct wcow_hive_key *key, const char *name, uint32_t type,
                        const void *data, size_t len, struct wcow_error *err)
{
    if (len > MAX_VALUE_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "registry value \"%.100s\" has %zu bytes, the limit "
                         "is %d",
                         name, len, MAX_VALUE_BYTES);
    uint8_t *copy = malloc(len + 1);
    if (!copy)
        return out_of_memory(err);
    if (len)
        memcpy(copy, data, len);
    struct wcow_hive_value *v = NULL;
    int r = get_value(key, name, &v, err);
    if (r < 0) {
        free(copy);
        return r;
    }
    free(v->data);
    v->data = copy;
    v->len = len;
    v->type = type;
    v->is_tombstone = false;
    return WCOW_OK;
}

int wcow_hive_set_string(struct wcow_hive_key *key, const char *name, uint32_t type,
                         const char *text, struct wcow_error *err)
{
    wcow_autobuf utf16 = {0};
    int r = wcow_utf16_add(&utf16, text, err);
    if (r == WCOW_OK)
        r = wcow_buf_add(&utf16, "\0", 2, err);
    return r == WCOW_OK ? wcow_hive_set_value(key, name, type, utf16.data, utf16.len, err) : r;
}

int wcow_hive_delete_value(struct wcow_hive_key *key, const char *name, struct wcow_error *err)
{
    struct wcow_hive_value *v = NULL;
    int r = get_value(key, name, &v, err);
    if (r < 0)
        return r;
    free(v->data);
    v->data = NULL;
    v->len = 0;
    v->type = WCOW_REG_NONE;
    v->is_tombstone = true;
    return WCOW_OK;
}

int wcow_hive_empty_delta(const char *name, uint64_t filetime, struct wcow_buf *out,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    int r = wcow_hive_new(WCOW_HIVE_DELTA, name, filetime, &hive, err);
    return r == WCOW_OK ? wcow_hive_write(hive, out, err) : r;
}
