/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/sd.h"

#include "layer/sd_parts.h"
#include "layer/sid.h"

static bool is_object_ace(uint8_t type)
{
    return (type >= WCOW_ACE_ALLOWED_OBJECT && type <= WCOW_ACE_ALARM_OBJECT) ||
           type == WCOW_ACE_ALLOWED_CALLBACK_OBJECT || type == WCOW_ACE_DENIED_CALLBACK_OBJECT ||
           type == WCOW_ACE_AUDIT_CALLBACK_OBJECT || type == WCOW_ACE_ALARM_CALLBACK_OBJECT;
}

static bool is_plain_ace(uint8_t type)
{
    return type <= WCOW_ACE_ALARM || (type >= WCOW_ACE_ALLOWED_CALLBACK &&
                                      type <= WCOW_ACE_SCOPED_POLICY && !is_object_ace(type));
}

/* Where the SID of an ACE stands; 0 where its type has none that is known. */
static size_t sid_offset(const uint8_t *ace, size_t size)
{
    if (is_plain_ace(ace[0]))
        return WCOW_ACE_SID_OFFSET;
    if (!is_object_ace(ace[0]) || size < 12)
        return 0;
    uint32_t present = wcow_load_le32(ace + 8);
    return 12 + (present & WCOW_ACE_HAS_OBJECT ? (size_t)16 : 0) +
           (present & WCOW_ACE_HAS_INHERITED_OBJECT ? (size_t)16 : 0);
}

static int parse_ace(const uint8_t *p, size_t left, struct wcow_ace *ret, struct wcow_error *err)
{
    size_t size = left < 4 ? 0 : wcow_load_le16(p + 2);
    if (size < 4 || size > left || size % 4)
        return WCOW_FAIL(err, WCOW_E_INVALID, "an entry of %zu bytes where %zu are left", size,
                         left);
    struct wcow_ace ace = {.type = p[0], .flags = p[1], .all = {.data = p, .len = size}};
    bool is_known = is_plain_ace(p[0]) || is_object_ace(p[0]);
    if (is_known) {
        size_t at = size >= WCOW_ACE_SID_OFFSET ? sid_offset(p, size) : 0;
        size_t len = at && at < size ? wcow_sid_size(p + at, size - at) : 0;
        if (!len)
            return WCOW_FAIL(err, WCOW_E_INVALID, "an entry of type %u with a bad SID",
                             (unsigned)p[0]);
        ace.mask = wcow_load_le32(p + 4);
        ace.sid = (struct wcow_bytes){.data = p + at, .len = len};
    }
    *ret = ace;
    return WCOW_OK;
}

int wcow_acl_next(struct wcow_acl *acl, struct wcow_ace *ret, struct wcow_error *err)
{
    if (!acl->n_left)
        return 0;
    int r = parse_ace(acl->next, acl->len_left, ret, err);
    if (r < 0)
        return r;
    acl->next += ret->all.len;
    acl->len_left -= ret->all.len;
    acl->n_left--;
    return 1;
}

static int parse_sid(const uint8_t *sd, size_t len, size_t at, const char *what,
                     struct wcow_bytes *ret, struct wcow_error *err)
{
    uint32_t offset = wcow_load_le32(sd + at);
    if (!offset)
        return WCOW_OK;
    size_t size =
        offset >= WCOW_SD_HEADER && offset < len ? wcow_sid_size(sd + offset, len - offset) : 0;
    if (!size)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the %s at byte %lu is no SID", what,
                         (unsigned long)offset);
    *ret = (struct wcow_bytes){.data = sd + offset, .len = size};
    return WCOW_OK;
}

static int check_acl(const struct wcow_acl *acl, struct wcow_error *err)
{
    struct wcow_acl walk = *acl;
    struct wcow_ace ace = {0};
    for (;;) {
        int r = wcow_acl_next(&walk, &ace, err);
        if (r <= 0)
            return r;
    }
}

static int parse_acl(const uint8_t *sd, size_t len, size_t at, const char *what,
                     struct wcow_acl *ret, struct wcow_error *err)
{
    uint32_t offset = wcow_load_le32(sd + at);
    if (!offset)
        return WCOW_OK;
    if (offset < WCOW_SD_HEADER || offset > len || len - offset < WCOW_ACL_HEADER)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the %s begins at byte %lu of %zu", what,
                         (unsigned long)offset, len);
    const uint8_t *p = sd + offset;
    size_t size = wcow_load_le16(p + 2);
    if ((p[0] != WCOW_ACL_REVISION && p[0] != WCOW_ACL_REVISION_DS && p[0] != 3) ||
        size < WCOW_ACL_HEADER || size > len - offset)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the %s has revision %u and %zu of %zu bytes", what,
                         (unsigned)p[0], size, len - offset);
    *ret = (struct wcow_acl){
        .is_there = true,
        .revision = p[0],
        .n_left = wcow_load_le16(p + 4),
        .next = p + WCOW_ACL_HEADER,
        .len_left = size - WCOW_ACL_HEADER,
    };
    int r = check_acl(ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "the %s", what) : WCOW_OK;
}

int wcow_sd_parse(const void *data, size_t len, struct wcow_sd *ret, struct wcow_error *err)
{
    const uint8_t *sd = data;
    if (len < WCOW_SD_HEADER || sd[0] != 1)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%zu bytes that are no security descriptor", len);
    struct wcow_sd parts = {.control = wcow_load_le16(sd + 2)};
    if (!(parts.control & WCOW_SD_SELF_RELATIVE))
        return WCOW_FAIL(err, WCOW_E_INVALID, "a security descriptor that is not self-relative");
    int r = parse_sid(sd, len, 4, "owner", &parts.owner, err);
    if (r == WCOW_OK)
        r = parse_sid(sd, len, 8, "group", &parts.group, err);
    if (r == WCOW_OK)
        r = parse_acl(sd, len, 12, "SACL", &parts.sacl, err);
    if (r == WCOW_OK)
        r = parse_acl(sd, len, 16, "DACL", &parts.dacl, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "bad security descriptor");
    *ret = parts;
    return WCOW_OK;
}

int wcow_sd_check(const void *sd, size_t len, struct wcow_error *err)
{
    struct wcow_sd parts = {0};
    return wcow_sd_parse(sd, len, &parts, err);
}

static int append_part(struct wcow_buf *out, size_t start, size_t at, struct wcow_bytes part,
                       struct wcow_error *err)
{
    if (!part.len)
        return WCOW_OK;
    size_t offset = out->len - start;
    int r = wcow_buf_add(out, part.data, part.len, err);
    if (r == WCOW_OK)
        wcow_store_le32(out->data + start + at, (uint32_t)offset);
    return r;
}

int wcow_sd_build(uint16_t control, struct wcow_bytes owner, struct wcow_bytes group,
                  const struct wcow_bytes acls[2], struct wcow_buf *out, struct wcow_error *err)
{
    size_t start = out->len;
    uint8_t header[WCOW_SD_HEADER] = {1};
    wcow_store_le16(header + 2, control | WCOW_SD_SELF_RELATIVE);
    int r = wcow_buf_add(out, header, sizeof(header), err);
    if (r == WCOW_OK)
        r = append_part(out, start, 4, owner, err);
    if (r == WCOW_OK)
        r = append_part(out, start, 8, group, err);
    if (r == WCOW_OK)
        r = append_part(out, start, 12, acls[WCOW_SACL], err);
    if (r == WCOW_OK)
        r = append_part(out, start, 16, acls[WCOW_DACL], err);
    if (r < 0)
        out->len = start;
    return r;
}

int wcow_acl_start(struct wcow_buf *acl, struct wcow_error *err)
{
    static const uint8_t header[WCOW_ACL_HEADER] = {WCOW_ACL_REVISION, 0, WCOW_ACL_HEADER};
    return wcow_buf_add(acl, header, sizeof(header), err);
}

int wcow_acl_add(struct wcow_buf *acl, const void *ace, size_t len, struct wcow_error *err)
{
    size_t count = wcow_load_le16(acl->data + 4);
    if (count == UINT16_MAX || acl->len + len > UINT16_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "an access control list of more than 65535 bytes");
    uint8_t type = *(const uint8_t *)ace;
    int r = wcow_buf_add(acl, ace, len, err);
    if (r < 0)
        return r;
    if (is_object_ace(type))
        acl->data[0] = WCOW_ACL_REVISION_DS;
    wcow_store_le16(acl->data + 2, (uint16_t)acl->len);
    wcow_store_le16(acl->data + 4, (uint16_t)(count + 1));
    return WCOW_OK;
}
