/* SPDX-License-Identifier: Apache-2.0 */
/* What a command changed in the registry: both lists of keys are sorted, so one walk through them
 * tells; the values of a key are looked at only where its text is another. */
#include <stdlib.h>
#include <string.h>

#include "builder/wine_reg.h"

/* Whether anything stands at the path or below it. */
static bool has_any(const struct wcow_reg *reg, const char *path)
{
    bool found = false;
    size_t at = wcow_reg_position(reg, path, &found);
    return at < reg->n_keys && wcow_reg_is_below(reg->keys[at].path, path);
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
    if ((*last && wcow_reg_is_below(path, *last)) || has_any(after, path))
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
        if (!after || !wcow_reg_value(after, before->values[i].name))
            r = c->value_removed(c->arg, path, before->values[i].name, err);
    }
    for (size_t i = 0; r == WCOW_OK && after && i < after->n_values; i++) {
        const struct wcow_reg_value *value = &after->values[i];
        if (!before || !same_value(wcow_reg_value(before, value->name), value))
            r = c->value_set(c->arg, path, value, err);
    }
    return r;
}

/* A key that both have. */
static int tell_common(struct wcow_reg_key *before, struct wcow_reg_key *after,
                       const struct wcow_reg_changes *c, struct wcow_error *err)
{
    if (wcow_reg_same_text(before, after))
        return WCOW_OK;
    int r = wcow_reg_decode(before, err);
    if (r == WCOW_OK)
        r = wcow_reg_decode(after, err);
    return r < 0 ? r : tell_values(before, after, before->path, c, err);
}

static int tell_gone(const struct wcow_reg *after, struct wcow_reg_key *key, char **last,
                     const struct wcow_reg_changes *c, struct wcow_error *err)
{
    /* A key without values is only there in what lies below it. */
    if (!has_any(after, key->path))
        return tell_removed(after, key->path, last, c, err);
    int r = wcow_reg_decode(key, err);
    return r < 0 ? r : tell_values(key, NULL, key->path, c, err);
}

static int tell_new(const struct wcow_reg *before, struct wcow_reg_key *key,
                    const struct wcow_reg_changes *c, struct wcow_error *err)
{
    int r = wcow_reg_decode(key, err);
    if (r == WCOW_OK && !has_any(before, key->path))
        r = c->key_added(c->arg, key->path, err);
    return r < 0 ? r : tell_values(NULL, key, key->path, c, err);
}

/* Which of the two keys comes first; 0: they are one. */
static int order_of(const struct wcow_reg *before, size_t i, const struct wcow_reg *after, size_t k)
{
    if (i >= before->n_keys)
        return 1;
    return k >= after->n_keys ? -1
                              : wcow_reg_compare_paths(before->keys[i].path, after->keys[k].path);
}

int wcow_reg_diff(struct wcow_reg *before, struct wcow_reg *after, const struct wcow_reg_changes *c,
                  struct wcow_error *err)
{
    wcow_autofree char *last = NULL; /* the last key told as removed */
    size_t i = 0;
    size_t k = 0;
    int r = WCOW_OK;
    while (r == WCOW_OK && (i < before->n_keys || k < after->n_keys)) {
        int order = order_of(before, i, after, k);
        if (order < 0)
            r = tell_gone(after, &before->keys[i], &last, c, err);
        else if (order > 0)
            r = tell_new(before, &after->keys[k], c, err);
        else
            r = tell_common(&before->keys[i], &after->keys[k], c, err);
        i += order <= 0;
        k += order >= 0;
    }
    return r;
}
