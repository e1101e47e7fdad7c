/* SPDX-License-Identifier: Apache-2.0 */
/* A hive file: a base block of 4096 bytes, then one bin that holds every cell. Offsets of cells
 * count from the end of the base block. */
#include <string.h>

#include "base/utf.h"
#include "layer/hive.h"
#include "layer/hive_tree.h"
#include "layer/sd.h"
#include "layer/utf16.h"

#define NO_CELL UINT32_C(0xffffffff)

enum {
    BASE_BLOCK = 4096,
    BIN_HEADER = 32,
    BIN_ALIGN = 4096,
    NK_SIZE = 76,
    VK_SIZE = 20,
    SK_SIZE = 20,
    MAX_LEAF = 500,        /* subkeys in one leaf, as Windows splits them */
    MAX_CELL_DATA = 16344, /* a larger value is cut in parts */
    MAX_BINS_BYTES = 1 << 30,
    FLAG_LAYERED_KEYS = 2, /* of the base block */
    NK_ROOT = 0x4 | 0x8,   /* entry of a hive, not to be deleted */
    NK_ASCII_NAME = 0x20,  /* one byte a character */
    VK_ASCII_NAME = 0x1,
    VK_TOMBSTONE = 0x2,
    LAYER_INHERIT_CLASS = 0x80,
};
/* Two letters as the file has them. */
#define MAGIC(a, b)  ((uint16_t)((a) | (b) << 8))
#define VALUE_INLINE UINT32_C(0x80000000)

/* As Windows protects the root of such hives. */
#define KEY_SDDL "O:BAG:BAD:(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;WD)(A;CI;KR;;;RC)"

struct writer {
    const struct wcow_hive *hive;
    struct wcow_buf bins;
    uint32_t sk;
    struct wcow_error *err;
};

/* A zeroed cell for @p len bytes. @param ret_offset as other cells refer to it */
static int add_cell(struct writer *w, size_t len, uint32_t *ret_offset)
{
    size_t size = (len + 4 + 7) & ~(size_t)7;
    uint8_t *p = NULL;
    int r = wcow_buf_reserve(&w->bins, size, &p, w->err);
    if (r < 0)
        return r;
    memset(p, 0, size + 1);
    wcow_store_le32(p, (uint32_t)(-(int32_t)size)); /* negative: in use */
    *ret_offset = (uint32_t)w->bins.len;
    w->bins.len += size;
    return WCOW_OK;
}

/* Where the content of a cell is; valid until the next add_cell(). */
static uint8_t *cell_at(struct writer *w, uint32_t offset)
{
    return w->bins.data + offset + 4;
}

/* A name in the form that the file has: Latin-1 in bytes, else UTF-16. */
static int encode_name(const char *name, struct wcow_buf *out, bool *ret_ascii,
                       struct wcow_error *err)
{
    size_t len = strlen(name);
    *ret_ascii = true;
    for (size_t i = 0; i < len && *ret_ascii; i++)
        *ret_ascii = (unsigned char)name[i] < 0x80;
    return *ret_ascii ? wcow_buf_add(out, name, len, err) : wcow_utf16_add(out, name, err);
}

/* The hash of a name in an "lh" leaf: over its upper case units. */
static uint32_t hash_name(const char *folded)
{
    uint32_t hash = 0;
    size_t len = strlen(folded);
    for (size_t i = 0; i < len;) {
        uint32_t cp = 0;
        size_t n = wcow_wtf8_decode(folded + i, len - i, &cp);
        if (!n)
            break;
        if (cp > 0xffff) {
            hash = hash * 37 + (0xd800 + ((cp - 0x10000) >> 10));
            cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
        }
        hash = hash * 37 + cp;
        i += n;
    }
    return hash;
}

/* ---- values ---- */

static int write_plain_data(struct writer *w, const uint8_t *data, size_t len, uint32_t *ret)
{
    int r = add_cell(w, len, ret);
    if (r == WCOW_OK)
        memcpy(cell_at(w, *ret), data, len);
    return r;
}

/* "db": a list of parts. */
static int write_big_data(struct writer *w, const uint8_t *data, size_t len, uint32_t *ret)
{
    size_t n = (len + MAX_CELL_DATA - 1) / MAX_CELL_DATA;
    uint32_t list = 0;
    int r = add_cell(w, 8, ret);
    if (r == WCOW_OK)
        r = add_cell(w, 4 * n, &list);
    if (r < 0)
        return r;
    uint8_t *db = cell_at(w, *ret);
    wcow_store_le16(db, MAGIC('d', 'b'));
    wcow_store_le16(db + 2, (uint16_t)n);
    wcow_store_le32(db + 4, list);
    for (size_t i = 0; i < n; i++) {
        size_t at = i * MAX_CELL_DATA;
        size_t part = len - at < MAX_CELL_DATA ? len - at : MAX_CELL_DATA;
        uint32_t cell = 0;
        /* Four bytes more, as Windows leaves behind each part. */
        r = add_cell(w, part + 4, &cell);
        if (r < 0)
            return r;
        memcpy(cell_at(w, cell), data + at, part);
        wcow_store_le32(cell_at(w, list) + 4 * i, cell);
    }
    return WCOW_OK;
}

static int write_value(struct writer *w, const struct wcow_hive_value *v, uint32_t *ret)
{
    wcow_autobuf name = {0};
    bool ascii = false;
    int r = encode_name(v->name, &name, &ascii, w->err);
    if (r == WCOW_OK)
        r = add_cell(w, VK_SIZE + name.len, ret);
    if (r < 0)
        return r;
    uint8_t *vk = cell_at(w, *ret);
    wcow_store_le16(vk, MAGIC('v', 'k'));
    wcow_store_le16(vk + 2, (uint16_t)name.len);
    wcow_store_le32(vk + 12, v->type);
    wcow_store_le16(vk + 16,
                    (uint16_t)((ascii ? VK_ASCII_NAME : 0) | (v->is_tombstone ? VK_TOMBSTONE : 0)));
    if (name.len)
        memcpy(vk + VK_SIZE, name.data, name.len);
    if (v->is_tombstone) {
        wcow_store_le32(vk + 8, NO_CELL);
        return WCOW_OK;
    }
    if (v->len <= 4) {
        wcow_store_le32(vk + 4, (uint32_t)v->len | VALUE_INLINE);
        memcpy(vk + 8, v->data, v->len);
        return WCOW_OK;
    }
    uint32_t data = 0;
    r = v->len > MAX_CELL_DATA ? write_big_data(w, v->data, v->len, &data)
                               : write_plain_data(w, v->data, v->len, &data);
    if (r < 0)
        return r;
    vk = cell_at(w, *ret);
    wcow_store_le32(vk + 4, (uint32_t)v->len);
    wcow_store_le32(vk + 8, data);
    return WCOW_OK;
}

static int write_values(struct writer *w, const struct wcow_hive_key *key, uint32_t *ret_list)
{
    *ret_list = NO_CELL;
    if (!key->n_values)
        return WCOW_OK;
    int r = add_cell(w, 4 * key->n_values, ret_list);
    for (size_t i = 0; r == WCOW_OK && i < key->n_values; i++) {
        uint32_t vk = 0;
        r = write_value(w, &key->values[i], &vk);
        if (r == WCOW_OK)
            wcow_store_le32(cell_at(w, *ret_list) + 4 * i, vk);
    }
    return r;
}

/* ---- keys ---- */

static int write_leaf(struct writer *w, const struct wcow_hive_key *key, const uint32_t *offsets,
                      size_t first, size_t n, uint32_t *ret)
{
    int r = add_cell(w, 4 + 8 * n, ret);
    if (r < 0)
        return r;
    uint8_t *lh = cell_at(w, *ret);
    wcow_store_le16(lh, MAGIC('l', 'h'));
    wcow_store_le16(lh + 2, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        wcow_store_le32(lh + 4 + 8 * i, offsets[first + i]);
        wcow_store_le32(lh + 8 + 8 * i, hash_name(key->subkeys[first + i]->folded));
    }
    return WCOW_OK;
}

/* One leaf, or "ri", a list of leaves. */
static int write_subkey_list(struct writer *w, const struct wcow_hive_key *key,
                             const uint32_t *offsets, uint32_t *ret)
{
    if (key->n_subkeys <= MAX_LEAF)
        return write_leaf(w, key, offsets, 0, key->n_subkeys, ret);
    size_t n_leaves = (key->n_subkeys + MAX_LEAF - 1) / MAX_LEAF;
    if (n_leaves > UINT16_MAX)
        return WCOW_FAIL(w->err, WCOW_E_LIMIT, "registry key \"%.100s\" has %zu subkeys", key->name,
                         key->n_subkeys);
    int r = add_cell(w, 4 + 4 * n_leaves, ret);
    if (r < 0)
        return r;
    wcow_store_le16(cell_at(w, *ret), MAGIC('r', 'i'));
    wcow_store_le16(cell_at(w, *ret) + 2, (uint16_t)n_leaves);
    for (size_t i = 0; r == WCOW_OK && i < n_leaves; i++) {
        size_t first = i * MAX_LEAF;
        size_t left = key->n_subkeys - first;
        uint32_t leaf = 0;
        r = write_leaf(w, key, offsets, first, left < MAX_LEAF ? left : MAX_LEAF, &leaf);
        if (r == WCOW_OK)
            wcow_store_le32(cell_at(w, *ret) + 4 + 4 * i, leaf);
    }
    return r;
}

static int write_sk(struct writer *w)
{
    wcow_autobuf sd = {0};
    int r = wcow_sd_of_sddl(KEY_SDDL, &sd, w->err);
    if (r == WCOW_OK)
        r = add_cell(w, SK_SIZE + sd.len, &w->sk);
    if (r < 0)
        return r;
    uint8_t *sk = cell_at(w, w->sk);
    wcow_store_le16(sk, MAGIC('s', 'k'));
    wcow_store_le32(sk + 4, w->sk); /* a ring of one */
    wcow_store_le32(sk + 8, w->sk);
    wcow_store_le32(sk + 12, (uint32_t)w->hive->n_keys);
    wcow_store_le32(sk + 16, (uint32_t)sd.len);
    memcpy(sk + SK_SIZE, sd.data, sd.len);
    return WCOW_OK;
}

/* The largest names and data below a key, which readers size their buffers by. */
static void store_maxima(uint8_t *nk, const struct wcow_hive_key *key)
{
    size_t subkey = 0;
    size_t name = 0;
    size_t data = 0;
    for (size_t i = 0; i < key->n_subkeys; i++)
        if (strlen(key->subkeys[i]->name) > subkey)
            subkey = strlen(key->subkeys[i]->name);
    for (size_t i = 0; i < key->n_values; i++) {
        if (strlen(key->values[i].name) > name)
            name = strlen(key->values[i].name);
        if (key->values[i].len > data)
            data = key->values[i].len;
    }
    /* UTF-8 never has fewer bytes than UTF-16 units: an upper bound. */
    wcow_store_le32(nk + 52, (uint32_t)(2 * subkey));
    wcow_store_le32(nk + 60, (uint32_t)(2 * name));
    wcow_store_le32(nk + 64, (uint32_t)data);
}

static int add_nk(struct writer *w, const struct wcow_hive_key *key, uint32_t parent, uint32_t *ret)
{
    wcow_autobuf name = {0};
    bool ascii = false;
    int r = encode_name(key->name, &name, &ascii, w->err);
    if (r == WCOW_OK)
        r = add_cell(w, NK_SIZE + name.len, ret);
    if (r < 0)
        return r;
    bool is_root = key == w->hive->root;
    uint8_t *nk = cell_at(w, *ret);
    wcow_store_le16(nk, MAGIC('n', 'k'));
    wcow_store_le16(nk + 2, (uint16_t)((is_root ? NK_ROOT : 0) | (ascii ? NK_ASCII_NAME : 0)));
    wcow_store_le64(nk + 4, w->hive->filetime);
    if (w->hive->kind == WCOW_HIVE_DELTA) {
        nk[12] = 2; /* access bits, as in hives that Windows wrote */
        nk[13] = (uint8_t)(key->layer | (is_root ? 0 : LAYER_INHERIT_CLASS));
    }
    wcow_store_le32(nk + 16, parent);
    wcow_store_le32(nk + 20, (uint32_t)key->n_subkeys);
    wcow_store_le32(nk + 28, NO_CELL);
    wcow_store_le32(nk + 32, NO_CELL);
    wcow_store_le32(nk + 36, (uint32_t)key->n_values);
    wcow_store_le32(nk + 40, NO_CELL);
    wcow_store_le32(nk + 48, NO_CELL);
    store_maxima(nk, key);
    wcow_store_le16(nk + 72, (uint16_t)name.len);
    memcpy(nk + NK_SIZE, name.data, name.len);
    return WCOW_OK;
}

/* Depth is bounded by wcow_hive_key(). */
static int write_key(struct writer *w, const struct wcow_hive_key *key, uint32_t parent,
                     uint32_t *ret)
{
    int r = add_nk(w, key, parent, ret);
    if (r == WCOW_OK && key == w->hive->root)
        r = write_sk(w);
    uint32_t values = NO_CELL;
    uint32_t list = NO_CELL;
    if (r == WCOW_OK)
        r = write_values(w, key, &values);
    if (r < 0)
        return r;
    if (key->n_subkeys) {
        wcow_autofree uint32_t *offsets = calloc(key->n_subkeys, sizeof(*offsets));
        if (!offsets)
            return WCOW_FAIL(w->err, WCOW_E_NOMEM, "out of memory for a registry hive");
        for (size_t i = 0; r == WCOW_OK && i < key->n_subkeys; i++)
            r = write_key(w, key->subkeys[i], *ret, &offsets[i]);
        if (r == WCOW_OK)
            r = write_subkey_list(w, key, offsets, &list);
        if (r < 0)
            return r;
    }
    uint8_t *nk = cell_at(w, *ret);
    wcow_store_le32(nk + 28, list);
    wcow_store_le32(nk + 40, values);
    wcow_store_le32(nk + 44, w->sk);
    return WCOW_OK;
}

/* ---- the file ---- */

static int start_bin(struct writer *w)
{
    static const uint8_t header[BIN_HEADER] = {'h', 'b', 'i', 'n'};
    return wcow_buf_add(&w->bins, header, sizeof(header), w->err);
}

/* Fill the last page with a free cell. */
static int finish_bin(struct writer *w)
{
    size_t free_len = (size_t)-w->bins.len & (BIN_ALIGN - 1);
    if (free_len) {
        uint8_t *p = NULL;
        int r = wcow_buf_reserve(&w->bins, free_len, &p, w->err);
        if (r < 0)
            return r;
        memset(p, 0, free_len + 1);
        wcow_store_le32(p, (uint32_t)free_len);
        w->bins.len += free_len;
    }
    wcow_store_le32(w->bins.data + 8, (uint32_t)w->bins.len);
    wcow_store_le64(w->bins.data + 20, w->hive->filetime);
    return WCOW_OK;
}

static void store_checksum(uint8_t *base)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < 508; i += 4)
        sum ^= wcow_load_le32(base + i);
    if (sum == 0)
        sum = 1;
    else if (sum == UINT32_MAX)
        sum = UINT32_MAX - 1;
    wcow_store_le32(base + 508, sum);
}

static int store_name(uint8_t *base, const char *name, struct wcow_error *err)
{
    enum { NAME_AT = 48, NAME_BYTES = 62 }; /* and a NUL */
    wcow_autobuf utf16 = {0};
    int r = wcow_utf16_add(&utf16, name, err);
    if (r < 0)
        return r;
    size_t skip = utf16.len > NAME_BYTES ? utf16.len - NAME_BYTES : 0;
    if (utf16.len)
        memcpy(base + NAME_AT, utf16.data + skip, utf16.len - skip);
    return WCOW_OK;
}

static int write_base_block(const struct writer *w, uint32_t root, struct wcow_buf *out)
{
    uint8_t base[BASE_BLOCK] = {'r', 'e', 'g', 'f'};
    bool is_delta = w->hive->kind == WCOW_HIVE_DELTA;
    wcow_store_le32(base + 4, 1); /* both sequence numbers equal: written wholly */
    wcow_store_le32(base + 8, 1);
    wcow_store_le64(base + 12, w->hive->filetime);
    wcow_store_le32(base + 20, 1);
    wcow_store_le32(base + 24, is_delta ? 6 : 5);
    wcow_store_le32(base + 32, 1); /* loaded directly */
    wcow_store_le32(base + 36, root);
    wcow_store_le32(base + 40, (uint32_t)w->bins.len);
    wcow_store_le32(base + 44, 1);
    int r = store_name(base, w->hive->name, w->err);
    if (r < 0)
        return r;
    if (is_delta) {
        wcow_store_le32(base + 0x90, FLAG_LAYERED_KEYS);
        /* "OfRg": made by the offline registry library. */
        wcow_store_le16(base + 0xb0, MAGIC('O', 'f'));
        wcow_store_le16(base + 0xb2, MAGIC('R', 'g'));
        wcow_store_le32(base + 0xb4, 1);
    }
    store_checksum(base);
    return wcow_buf_add(out, base, sizeof(base), w->err);
}

int wcow_hive_write(const struct wcow_hive *hive, struct wcow_buf *out, struct wcow_error *err)
{
    struct writer w = {.hive = hive, .bins = {.max_bytes = MAX_BINS_BYTES}, .err = err};
    uint32_t root = 0;
    size_t start = out->len;
    int r = start_bin(&w);
    if (r == WCOW_OK)
        r = write_key(&w, hive->root, NO_CELL, &root);
    if (r == WCOW_OK)
        r = finish_bin(&w);
    if (r == WCOW_OK)
        r = write_base_block(&w, root, out);
    if (r == WCOW_OK)
        r = wcow_buf_add(out, w.bins.data, w.bins.len, err);
    wcow_buf_done(&w.bins);
    if (r < 0) {
        out->len = start;
        return wcow_error_wrap(r, err, "registry hive \"%.100s\"", hive->name);
    }
    return WCOW_OK;
}
