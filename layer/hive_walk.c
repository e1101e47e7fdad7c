/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/hive_walk.h"

#include <hivex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_HIVE_BYTES = 512 << 20,
    MAX_DEPTH = 512,
    /* Within a key's cell (its size, 4 bytes, stands before): [regf] "Key node", "Key value". */
    KEY_LAYER_OFFSET = 4 + 13,
    VALUE_FLAGS_OFFSET = 4 + 16,
    VALUE_TOMBSTONE = 2,
    HIVE_FLAGS_OFFSET = 144,
    HIVE_LAYERED = 2,
};

struct walk {
    hive_h *hive;
    int fd;
    bool is_layered;
    const struct wcow_hive_visitor *visitor;
    unsigned depth;
};

static void close_hive(hive_h **h)
{
    if (*h)
        (void)hivex_close(*h);
}

static int read_at(const struct walk *w, uint64_t at, void *out, size_t len, struct wcow_error *err)
{
    if (pread(w->fd, out, len, (off_t)at) != (ssize_t)len)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "a registry hive ends too early");
    return WCOW_OK;
}

static int layer_of(const struct walk *w, hive_node_h node, enum wcow_hive_layer *ret,
                    struct wcow_error *err)
{
    uint8_t byte = 0;
    int r = w->is_layered ? read_at(w, node + KEY_LAYER_OFFSET, &byte, 1, err) : WCOW_OK;
    *ret = (enum wcow_hive_layer)(byte & 3);
    return r;
}

static int visit_value(const struct walk *w, const char *path, hive_value_h handle,
                       struct wcow_error *err)
{
    uint8_t flags[2] = {0};
    hive_type type = hive_t_REG_NONE;
    size_t len = 0;
    wcow_autofree char *name = hivex_value_key(w->hive, handle);
    int r =
        name ? WCOW_OK : WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "a value of registry key %s", path);
    if (r == WCOW_OK && w->is_layered)
        r = read_at(w, handle + VALUE_FLAGS_OFFSET, flags, 2, err);
    if (r < 0)
        return r;
    if (wcow_load_le16(flags) & VALUE_TOMBSTONE)
        return w->visitor->value(w->visitor->arg, path, name, WCOW_REG_NONE, NULL, 0, err);
    wcow_autofree char *data = hivex_value_value(w->hive, handle, &type, &len);
    if (!data)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "value %.100s of registry key %.200s", name,
                               path);
    return w->visitor->value(w->visitor->arg, path, name, (uint32_t)type, data, len, err);
}

static int visit_values(const struct walk *w, const char *path, hive_node_h node,
                        struct wcow_error *err)
{
    if (!w->visitor->value)
        return WCOW_OK;
    wcow_autofree hive_value_h *values = hivex_node_values(w->hive, node);
    if (!values)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "the values of registry key %.200s", path);
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && values[i]; i++)
        r = visit_value(w, path, values[i], err);
    return r;
}

/* Depth is bounded by MAX_DEPTH. */
// NOLINTNEXTLINE(misc-no-recursion)
static int visit_node(struct walk *w, const char *path, hive_node_h node, struct wcow_error *err)
{
    enum wcow_hive_layer layer = WCOW_HIVE_MERGE;
    if (w->depth >= MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "registry keys lie deeper than %d", MAX_DEPTH);
    int r = layer_of(w, node, &layer, err);
    if (r == WCOW_OK && w->visitor->key)
        r = w->visitor->key(w->visitor->arg, path, layer, err);
    if (r < 0 || layer == WCOW_HIVE_TOMBSTONE)
        return r;
    r = visit_values(w, path, node, err);
    wcow_autofree hive_node_h *children = hivex_node_children(w->hive, node);
    if (r == WCOW_OK && !children)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "the keys below registry key %.200s", path);
    w->depth++;
    for (size_t i = 0; r == WCOW_OK && children[i]; i++) {
        wcow_autofree char *name = hivex_node_name(w->hive, children[i]);
        wcow_autofree char *below = NULL;
        if (!name || asprintf(&below, "%s%s%s", path, *path ? "\\" : "", name) < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "a key below registry key %.200s", path);
        r = visit_node(w, below, children[i], err);
    }
    w->depth--;
    return r;
}

static int find_top(hive_h *h, const char *top, hive_node_h *ret, struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(top);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
    hive_node_h node = hivex_root(h);
    char *save = NULL;
    for (char *part = strtok_r(copy, "\\", &save); part && node; part = strtok_r(NULL, "\\", &save))
        node = hivex_node_get_child(h, node, part);
    *ret = node;
    return node ? 1 : 0;
}

int wcow_hive_walk(int fd, const char *top, const struct wcow_hive_visitor *visitor,
                   struct wcow_error *err)
{
    WCOW_CLEANUP(close_hive) hive_h *h = NULL;
    struct stat st;
    char path[64];
    uint8_t flags[4];
    hive_node_h node = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a registry hive that is no regular file");
    if (st.st_size > MAX_HIVE_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a registry hive of %lld bytes, the limit is %d",
                         (long long)st.st_size, MAX_HIVE_BYTES);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    h = hivex_open(path, 0);
    if (!h)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "libhivex cannot read the registry hive");
    struct walk w = {.hive = h, .fd = fd, .visitor = visitor};
    int r = read_at(&w, HIVE_FLAGS_OFFSET, flags, sizeof(flags), err);
    if (r < 0)
        return r;
    w.is_layered = wcow_load_le32(flags) & HIVE_LAYERED;
    r = find_top(h, top, &node, err);
    if (r <= 0)
        return r;
    r = visit_node(&w, "", node, err);
    return r < 0 ? r : 1;
}
