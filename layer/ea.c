/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/ea.h"

#include <string.h>

enum { EA_HEADER = 8, MAX_NAME = 255, MAX_VALUE = 65535 };

/* One attribute. @return its offset to the next one (0: the last), or an error */
static int decode_one(struct wcow_cursor *c, struct wcow_entry *entry, uint32_t *ret_next,
                      struct wcow_error *err)
{
    uint32_t next = wcow_cursor_le32(c);
    (void)wcow_cursor_u8(c); /* flags */
    size_t name_len = wcow_cursor_u8(c);
    size_t value_len = wcow_cursor_le16(c);
    const uint8_t *name = wcow_cursor_take(c, name_len + 1);
    const uint8_t *value = wcow_cursor_take(c, value_len);
    if (c->overrun || !name || !value)
        return WCOW_FAIL(err, WCOW_E_INVALID, "extended attributes end within one");
    size_t size = EA_HEADER + name_len + 1 + value_len;
    if (next && (next < size || next % 4))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "an extended attribute of %zu bytes says the next is %lu further", size,
                         (unsigned long)next);
    if (!name_len || name[name_len] != '\0' || memchr(name, '\0', name_len))
        return WCOW_FAIL(err, WCOW_E_INVALID, "an extended attribute with a bad name");
    if (next && !wcow_cursor_take(c, next - size))
        return WCOW_FAIL(err, WCOW_E_INVALID, "extended attributes end before the next one");
    *ret_next = next;
    return wcow_entry_add_ea(entry, (const char *)name, value, value_len, err);
}

int wcow_ea_decode(const void *data, size_t len, struct wcow_entry *entry, struct wcow_error *err)
{
    struct wcow_cursor c = wcow_cursor_of(data, len);
    uint32_t next = len ? 1 : 0;
    while (next) {
        int r = decode_one(&c, entry, &next, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_ea_encode(const struct wcow_entry *entry, struct wcow_buf *out, struct wcow_error *err)
{
    for (size_t i = 0; i < entry->n_eas; i++) {
        const struct wcow_ea *ea = &entry->eas[i];
        size_t name_len = strlen(ea->name);
        if (!name_len || name_len > MAX_NAME || ea->len_bytes > MAX_VALUE)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "extended attribute \"%.80s\": %zu bytes of name, %zu of value",
                             ea->name, name_len, ea->len_bytes);
        size_t size = EA_HEADER + name_len + 1 + ea->len_bytes;
        size_t padded = (size + 3) & ~(size_t)3;
        uint8_t *p = NULL;
        int r = wcow_buf_reserve(out, padded, &p, err);
        if (r < 0)
            return r;
        memset(p, 0, padded + 1);
        wcow_store_le32(p, i + 1 < entry->n_eas ? (uint32_t)padded : 0);
        p[5] = (uint8_t)name_len;
        wcow_store_le16(p + 6, (uint16_t)ea->len_bytes);
        memcpy(p + EA_HEADER, ea->name, name_len);
        memcpy(p + EA_HEADER + name_len + 1, ea->value, ea->len_bytes);
        out->len += padded;
    }
    return WCOW_OK;
}
