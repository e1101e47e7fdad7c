/* SPDX-License-Identifier: Apache-2.0 */
/* Source: containerd plugins/diff/windows (mountsToLayerAndParents, mountPairToLayerStack). */
#include "differ/mounts.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf.h"

enum { MAX_PARENTS = 4096 };

void wcow_layer_side_done(struct wcow_layer_side *side)
{
    free(side->layer);
    for (size_t i = 0; i < side->n_parents; i++)
        free(side->parents[i]);
    free(side->parents);
    *side = (struct wcow_layer_side){0};
}

/* ---- parentLayerPaths: a JSON array of strings (RFC 8259) ---- */

static void skip_space(const char **p)
{
    while (**p == ' ' || **p == '\t' || **p == '\n' || **p == '\r')
        (*p)++;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at *p; -1 where there are none. */
static int32_t take_unit(const char **p)
{
    int32_t unit = 0;
    for (int i = 0; i < 4; i++, (*p)++) {
        int digit = hex_value(**p);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool take_unicode(const char **p, struct wcow_buf *out)
{
    int32_t unit = take_unit(p);
    if (unit >= 0xd800 && unit < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        *p += 2;
        int32_t low = take_unit(p);
        unit =
            low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    uint8_t bytes[4];
    if (unit <= 0)
        return false;
    return wcow_buf_add(out, bytes, wcow_wtf8_encode((uint32_t)unit, bytes), NULL) == WCOW_OK;
}

static bool take_escape(const char **p, struct wcow_buf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char c = *(*p)++;
    if (c == 'u')
        return take_unicode(p, out);
    const char *at = c ? strchr(from, c) : NULL;
    return at && wcow_buf_add(out, &to[at - from], 1, NULL) == WCOW_OK;
}

static char *take_string(const char **p)
{
    wcow_autobuf out = {0};
    if (*(*p)++ != '"')
        return NULL;
    while (**p != '"') {
        char c = *(*p)++;
        if ((unsigned char)c < 0x20)
            return NULL;
        if (c == '\\' ? !take_escape(p, &out) : wcow_buf_add(&out, &c, 1, NULL) < 0)
            return NULL;
    }
    (*p)++;
    return wcow_buf_take_str(&out);
}

static int bad_parents(const char *json, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "mount option parentLayerPaths is no JSON array of folders: %s", json);
}

static int add_parent(struct wcow_layer_side *side, const char **p, const char *json,
                      struct wcow_error *err)
{
    if (side->n_parents >= MAX_PARENTS)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d parent layers", MAX_PARENTS);
    char **more = realloc(side->parents, (side->n_parents + 1) * sizeof(*more));
    if (!more)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
    side->parents = more;
    char *parent = take_string(p);
    if (!parent || !*parent) {
        free(parent);
        return bad_parents(json, err);
    }
    side->parents[side->n_parents++] = parent;
    return WCOW_OK;
}

static int parse_parents(struct wcow_layer_side *side, const char *json, struct wcow_error *err)
{
    const char *p = json;
    skip_space(&p);
    if (*p++ != '[')
        return bad_parents(json, err);
    skip_space(&p);
    for (bool first = true; *p != ']'; first = false) {
        if (!first && *p++ != ',')
            return bad_parents(json, err);
        skip_space(&p);
        int r = add_parent(side, &p, json, err);
        if (r < 0)
            return r;
        skip_space(&p);
    }
    p++;
    skip_space(&p);
    return *p ? bad_parents(json, err) : WCOW_OK;
}

/* ---- sides ---- */

static int take_options(const struct wcow_mount *m, struct wcow_layer_side *side,
                        struct wcow_error *err)
{
    static const char key[] = "parentLayerPaths=";
    for (size_t i = 0; i < m->n_options; i++) {
        if (strcmp(m->options[i], "ro") == 0)
            side->is_read_only = true;
        if (strncmp(m->options[i], key, sizeof(key) - 1) != 0 || side->n_parents)
            continue;
        int r = parse_parents(side, m->options[i] + sizeof(key) - 1, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_mounts_resolve(const struct wcow_mounts *mounts, struct wcow_layer_side *ret,
                        struct wcow_error *err)
{
    if (mounts->n != 1)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "number of mounts should always be 1 for Windows layers, not %zu",
                         mounts->n);
    const struct wcow_mount *m = &mounts->items[0];
    if (strcmp(m->type, "windows-layer") != 0)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "mount type \"%s\" is no Windows layer: not for this differ", m->type);
    wcow_autoside side = {0};
    int r = take_options(m, &side, err);
    if (r < 0)
        return r;
    if (!side.is_read_only) {
        if (!*m->source)
            return WCOW_FAIL(err, WCOW_E_INVALID, "the windows-layer mount has no source");
        side.layer = strdup(m->source);
        if (!side.layer)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
    } else if (side.n_parents) {
        side.layer = side.parents[0];
        side.n_parents--;
        memmove(side.parents, side.parents + 1, side.n_parents * sizeof(*side.parents));
    }
    *ret = side;
    side = (struct wcow_layer_side){0};
    return WCOW_OK;
}

static int check_pair(const struct wcow_layer_side *lower, const struct wcow_layer_side *upper,
                      struct wcow_error *err)
{
    if (!lower->layer) {
        if (upper->n_parents)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "cannot diff a layer with parents against a null layer");
        if (!upper->layer)
            return WCOW_FAIL(err, WCOW_E_INVALID, "cannot diff a null layer");
        return WCOW_OK;
    }
    if (!upper->n_parents)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "cannot diff a layer with no parents against another layer");
    if (strcmp(upper->parents[0], lower->layer) != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "cannot diff a layer against a layer other than its own parent (its "
                         "parent is \"%s\", not \"%s\")",
                         upper->parents[0], lower->layer);
    bool same = upper->n_parents - 1 == lower->n_parents;
    for (size_t i = 0; same && i < lower->n_parents; i++)
        same = strcmp(upper->parents[i + 1], lower->parents[i]) == 0;
    return same ? WCOW_OK
                : WCOW_FAIL(err, WCOW_E_INVALID,
                            "cannot diff a layer against a layer with different parents");
}

int wcow_mounts_pair(const struct wcow_mounts *lower, const struct wcow_mounts *upper,
                     struct wcow_layer_side *ret_upper, struct wcow_error *err)
{
    wcow_autoside low = {0};
    wcow_autoside up = {0};
    int r = wcow_mounts_resolve(upper, &up, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "upper mount");
    r = wcow_mounts_resolve(lower, &low, err);
    if (r == WCOW_E_UNSUPPORTED)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "lower mount: type \"%s\" cannot lie below a Windows layer",
                         lower->items[0].type);
    if (r < 0)
        return wcow_error_wrap(r, err, "lower mount");
    r = check_pair(&low, &up, err);
    if (r < 0)
        return r;
    *ret_upper = up;
    up = (struct wcow_layer_side){0};
    return WCOW_OK;
}
