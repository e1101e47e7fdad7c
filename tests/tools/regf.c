/* SPDX-License-Identifier: Apache-2.0 */
#include "regf.h"

#include <ctype.h>
#include <string.h>

#include "layer/sd.h"

enum {
    BASE_BLOCK = 4096,
    BIN_HEADER = 32,
    BIN_ALIGN = 4096,
    CELL_ALIGN = 8,
    NO_CELL = -1,
    NK_LEN = 76,
    VK_LEN = 20,
    NK_HIVE_ENTRY = 0x4,
    NK_NO_DELETE = 0x8,
    NK_ASCII_NAME = 0x20,
    VK_ASCII_NAME = 0x1,
};
/* When the hives of the test images were last written: 2024-02-01. */
#define REGF_TIME UINT64_C(133512192000000000)

struct regf {
    struct wcow_buf bin; /* offsets count from its start */
    uint32_t security;
};

static void regf_done(struct regf *h)
{
    wcow_buf_done(&h->bin);
}

/* What a structure begins with: its letters, without a NUL. */
static void put_mark(uint8_t *p, const char *mark)
{
    for (; *mark; mark++)
        *p++ = (uint8_t)*mark;
}

static uint32_t align_up(size_t n, size_t to)
{
    return (uint32_t)((n + to - 1) / to * to);
}

/* An allocated cell of @p len zeroed bytes; gives its offset. Its bytes are at cell_at(). */
static int cell_new(struct regf *h, size_t len, uint32_t *ret, struct wcow_error *err)
{
    uint32_t size = align_up(len + 4, CELL_ALIGN);
    uint8_t *p;
    int r = wcow_buf_reserve(&h->bin, size, &p, err);
    if (r < 0)
        return r;
    memset(p, 0, size);
    wcow_store_le32(p, (uint32_t) - (int32_t)size);
    *ret = (uint32_t)h->bin.len;
    h->bin.len += size;
    return WCOW_OK;
}

static uint8_t *cell_at(struct regf *h, uint32_t offset)
{
    return h->bin.data + offset + 4;
}

static int add_security(struct regf *h, struct wcow_error *err)
{
    wcow_autobuf sd = {0};
    int r = wcow_sd_of_sddl("O:BAG:SYD:(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU)", &sd, err);
    if (r < 0)
        return r;
    r = cell_new(h, 20 + sd.len, &h->security, err);
    if (r < 0)
        return r;
    uint8_t *p = cell_at(h, h->security);
    put_mark(p, "sk");
    wcow_store_le32(p + 4, h->security);
    wcow_store_le32(p + 8, h->security);
    wcow_store_le32(p + 12, 1);
    wcow_store_le32(p + 16, (uint32_t)sd.len);
    memcpy(p + 20, sd.data, sd.len);
    return WCOW_OK;
}

static int add_text(struct regf *h, const char *text, uint32_t *ret_cell, uint32_t *ret_len,
                    struct wcow_error *err)
{
    size_t n = strlen(text) + 1;
    int r = cell_new(h, 2 * n, ret_cell, err);
    if (r < 0)
        return r;
    uint8_t *p = cell_at(h, *ret_cell);
    for (size_t i = 0; i < n; i++)
        wcow_store_le16(p + 2 * i, (uint8_t)text[i]);
    *ret_len = (uint32_t)(2 * n);
    return WCOW_OK;
}

static int add_value(struct regf *h, const struct regf_value *v, uint32_t *ret,
                     struct wcow_error *err)
{
    uint32_t data = v->number;
    uint32_t len = UINT32_C(0x80000004); /* four bytes, kept in the offset's place */
    if (v->text) {
        int r = add_text(h, v->text, &data, &len, err);
        if (r < 0)
            return r;
    }
    size_t name_len = strlen(v->name);
    int r = cell_new(h, VK_LEN + name_len, ret, err);
    if (r < 0)
        return r;
    uint8_t *p = cell_at(h, *ret);
    put_mark(p, "vk");
    wcow_store_le16(p + 2, (uint16_t)name_len);
    wcow_store_le32(p + 4, len);
    wcow_store_le32(p + 8, data);
    wcow_store_le32(p + 12, v->type);
    wcow_store_le16(p + 16, VK_ASCII_NAME);
    memcpy(p + VK_LEN, v->name, name_len);
    return WCOW_OK;
}

static int add_values(struct regf *h, const struct regf_key *key, uint32_t nk,
                      struct wcow_error *err)
{
    uint32_t list = (uint32_t)NO_CELL;
    uint32_t longest = 0;
    if (key->n_values > 0) {
        int r = cell_new(h, 4 * key->n_values, &list, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < key->n_values; i++) {
        uint32_t vk = 0;
        int r = add_value(h, &key->values[i], &vk, err);
        if (r < 0)
            return r;
        wcow_store_le32(cell_at(h, list) + 4 * i, vk);
        uint32_t name_len = (uint32_t)(2 * strlen(key->values[i].name));
        longest = name_len > longest ? name_len : longest;
    }
    uint8_t *p = cell_at(h, nk);
    wcow_store_le32(p + 36, (uint32_t)key->n_values);
    wcow_store_le32(p + 40, list);
    wcow_store_le32(p + 60, longest);
    wcow_store_le32(p + 64, key->n_values > 0 ? 1024 : 0); /* an upper bound of the data */
    return WCOW_OK;
}

/* The key's own cell, without what it holds. */
static int add_nk(struct regf *h, const struct regf_key *key, uint32_t parent, uint32_t *ret,
                  struct wcow_error *err)
{
    size_t name_len = strlen(key->name);
    int r = cell_new(h, NK_LEN + name_len, ret, err);
    if (r < 0)
        return r;
    bool is_root = parent == (uint32_t)NO_CELL;
    uint8_t *p = cell_at(h, *ret);
    put_mark(p, "nk");
    wcow_store_le16(p + 2, NK_ASCII_NAME | (is_root ? NK_HIVE_ENTRY | NK_NO_DELETE : 0));
    wcow_store_le64(p + 4, REGF_TIME);
    wcow_store_le32(p + 16, is_root ? 0 : parent);
    wcow_store_le32(p + 28, (uint32_t)NO_CELL);
    wcow_store_le32(p + 32, (uint32_t)NO_CELL);
    wcow_store_le32(p + 44, h->security);
    wcow_store_le32(p + 48, (uint32_t)NO_CELL);
    wcow_store_le16(p + 72, (uint16_t)name_len);
    memcpy(p + NK_LEN, key->name, name_len);
    uint8_t *sk = cell_at(h, h->security);
    wcow_store_le32(sk + 12, wcow_load_le32(sk + 12) + (is_root ? 0 : 1));
    return WCOW_OK;
}

static uint32_t name_hash(const char *name)
{
    uint32_t hash = 0;
    for (; *name; name++)
        hash = hash * 37 + (uint32_t)toupper((unsigned char)*name);
    return hash;
}

/* NOLINTNEXTLINE(misc-no-recursion): the trees are our own, a handful of keys deep */
static int add_key(struct regf *h, const struct regf_key *key, uint32_t parent, uint32_t *ret,
                   struct wcow_error *err)
{
    uint32_t nk = 0;
    int r = add_nk(h, key, parent, &nk, err);
    if (r < 0 || (r = add_values(h, key, nk, err)) < 0)
        return r;
    uint32_t list = (uint32_t)NO_CELL;
    uint32_t longest = 0;
    if (key->n_keys > 0 && (r = cell_new(h, 4 + 8 * key->n_keys, &list, err)) < 0)
        return r;
    for (size_t i = 0; i < key->n_keys; i++) {
        uint32_t child = 0;
        r = add_key(h, &key->keys[i], nk, &child, err);
        if (r < 0)
            return r;
        uint8_t *p = cell_at(h, list);
        put_mark(p, "lh");
        wcow_store_le16(p + 2, (uint16_t)key->n_keys);
        wcow_store_le32(p + 4 + 8 * i, child);
        wcow_store_le32(p + 8 + 8 * i, name_hash(key->keys[i].name));
        uint32_t name_len = (uint32_t)(2 * strlen(key->keys[i].name));
        longest = name_len > longest ? name_len : longest;
    }
    uint8_t *p = cell_at(h, nk);
    wcow_store_le32(p + 20, (uint32_t)key->n_keys);
    wcow_store_le32(p + 28, list);
    wcow_store_le32(p + 52, longest);
    *ret = nk;
    return WCOW_OK;
}

/* What is left of the bin becomes one free cell. */
static int end_bin(struct regf *h, struct wcow_error *err)
{
    uint32_t size = align_up(h->bin.len + CELL_ALIGN, BIN_ALIGN);
    uint32_t left = size - (uint32_t)h->bin.len;
    uint8_t *p;
    int r = wcow_buf_reserve(&h->bin, left, &p, err);
    if (r < 0)
        return r;
    memset(p, 0, left);
    wcow_store_le32(p, left);
    h->bin.len = size;
    put_mark(h->bin.data, "hbin");
    wcow_store_le32(h->bin.data + 8, size);
    wcow_store_le64(h->bin.data + 20, REGF_TIME);
    return WCOW_OK;
}

static int add_base_block(const struct regf *h, uint32_t root, struct wcow_buf *out,
                          struct wcow_error *err)
{
    uint8_t block[BASE_BLOCK] = {0};
    put_mark(block, "regf");
    wcow_store_le32(block + 4, 1);
    wcow_store_le32(block + 8, 1);
    wcow_store_le64(block + 12, REGF_TIME);
    wcow_store_le32(block + 20, 1);
    wcow_store_le32(block + 24, 5);
    wcow_store_le32(block + 32, 1);
    wcow_store_le32(block + 36, root);
    wcow_store_le32(block + 40, (uint32_t)h->bin.len);
    wcow_store_le32(block + 44, 1);
    uint32_t sum = 0;
    for (size_t i = 0; i < 508; i += 4)
        sum ^= wcow_load_le32(block + i);
    wcow_store_le32(block + 508, sum);
    return wcow_buf_add(out, block, sizeof(block), err);
}

int regf_write(const struct regf_key *root, struct wcow_buf *out, struct wcow_error *err)
{
    WCOW_CLEANUP(regf_done) struct regf h = {0};
    uint8_t header[BIN_HEADER] = {0};
    uint32_t root_cell = 0;
    int r = wcow_buf_add(&h.bin, header, sizeof(header), err);
    if (r >= 0)
        r = add_security(&h, err);
    if (r >= 0)
        r = add_key(&h, root, (uint32_t)NO_CELL, &root_cell, err);
    if (r >= 0)
        r = end_bin(&h, err);
    if (r >= 0)
        r = add_base_block(&h, root_cell, out, err);
    if (r >= 0)
        r = wcow_buf_add(out, h.bin.data, h.bin.len, err);
    return r;
}
