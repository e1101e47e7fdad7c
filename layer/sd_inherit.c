/* SPDX-License-Identifier: Apache-2.0 */
/* Inheritance by [MS-DTYP] 2.5.3.4 for a creator that gives no descriptor of its own. */
#include <string.h>

#include "layer/sd.h"
#include "layer/sd_parts.h"
#include "layer/sid.h"

/* The new object. */
struct child {
    struct wcow_bytes owner;
    struct wcow_bytes group;
    bool is_dir;
};

static const uint8_t creator_owner[] = {1, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0};
static const uint8_t creator_group[] = {1, 1, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0};

static bool is_sid(struct wcow_bytes sid, const uint8_t *other, size_t len)
{
    return sid.len == len && memcmp(sid.data, other, len) == 0;
}

/* The SID that takes the place of CREATOR OWNER and CREATOR GROUP in an effective entry. */
static struct wcow_bytes effective_sid(const struct wcow_ace *ace, const struct child *child)
{
    if (is_sid(ace->sid, creator_owner, sizeof(creator_owner)))
        return child->owner;
    if (is_sid(ace->sid, creator_group, sizeof(creator_group)))
        return child->group;
    return ace->sid;
}

static uint32_t map_generic(uint32_t mask)
{
    static const struct {
        uint32_t generic;
        uint32_t rights;
    } map[] = {
        {WCOW_GENERIC_READ, WCOW_FILE_READ},
        {WCOW_GENERIC_WRITE, WCOW_FILE_WRITE},
        {WCOW_GENERIC_EXECUTE, WCOW_FILE_EXECUTE},
        {WCOW_GENERIC_ALL, WCOW_FILE_ALL},
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (mask & map[i].generic)
            mask = (mask & ~map[i].generic) | map[i].rights;
    return mask;
}

/* The mask of a label is a policy, not rights. */
static bool has_rights(const struct wcow_ace *ace)
{
    return ace->sid.len && ace->type != WCOW_ACE_LABEL && ace->type != WCOW_ACE_SCOPED_POLICY &&
           ace->type != WCOW_ACE_RESOURCE_ATTRIBUTE;
}

static int add_copy(struct wcow_buf *acl, const struct wcow_ace *ace, uint8_t flags,
                    struct wcow_error *err)
{
    wcow_autobuf copy = {0};
    int r = wcow_buf_add(&copy, ace->all.data, ace->all.len, err);
    if (r < 0)
        return r;
    copy.data[1] = flags;
    return wcow_acl_add(acl, copy.data, copy.len, err);
}

/* The entry that grants or denies on the child itself. */
static int add_effective(struct wcow_buf *acl, const struct wcow_ace *ace,
                         const struct child *child, uint8_t flags, struct wcow_error *err)
{
    if (!has_rights(ace))
        return add_copy(acl, ace, flags, err);
    struct wcow_bytes sid = effective_sid(ace, child);
    size_t head = (size_t)(ace->sid.data - ace->all.data);
    size_t tail = head + ace->sid.len;
    wcow_autobuf copy = {0};
    int r = wcow_buf_add(&copy, ace->all.data, head, err);
    if (r == WCOW_OK)
        r = wcow_buf_add(&copy, sid.data, sid.len, err);
    if (r == WCOW_OK)
        r = wcow_buf_add(&copy, ace->all.data + tail, ace->all.len - tail, err);
    if (r < 0)
        return r;
    copy.data[1] = flags;
    wcow_store_le16(copy.data + 2, (uint16_t)copy.len);
    wcow_store_le32(copy.data + 4, map_generic(ace->mask));
    return wcow_acl_add(acl, copy.data, copy.len, err);
}

static bool changes_when_effective(const struct wcow_ace *ace, const struct child *child)
{
    return has_rights(ace) &&
           (map_generic(ace->mask) != ace->mask || effective_sid(ace, child).data != ace->sid.data);
}

static int inherit_to_directory(struct wcow_buf *acl, const struct wcow_ace *ace,
                                const struct child *child, struct wcow_error *err)
{
    uint8_t audit = ace->flags & (WCOW_ACE_SUCCESS | WCOW_ACE_FAILURE);
    uint8_t pass_on = ace->flags & (WCOW_ACE_OBJECT_INHERIT | WCOW_ACE_CONTAINER_INHERIT);
    bool stops_here = ace->flags & WCOW_ACE_NO_PROPAGATE;
    if (!(ace->flags & WCOW_ACE_CONTAINER_INHERIT)) {
        if (stops_here)
            return WCOW_OK;
        /* For files further down. */
        return add_copy(acl, ace, audit | pass_on | WCOW_ACE_INHERIT_ONLY | WCOW_ACE_INHERITED,
                        err);
    }
    if (stops_here)
        return add_effective(acl, ace, child, audit | WCOW_ACE_INHERITED, err);
    if (!changes_when_effective(ace, child))
        return add_copy(acl, ace, audit | pass_on | WCOW_ACE_INHERITED, err);
    int r = add_effective(acl, ace, child, audit | WCOW_ACE_INHERITED, err);
    if (r < 0)
        return r;
    return add_copy(acl, ace, audit | pass_on | WCOW_ACE_INHERIT_ONLY | WCOW_ACE_INHERITED, err);
}

static int inherit_to_file(struct wcow_buf *acl, const struct wcow_ace *ace,
                           const struct child *child, struct wcow_error *err)
{
    if (!(ace->flags & WCOW_ACE_OBJECT_INHERIT))
        return WCOW_OK;
    uint8_t audit = ace->flags & (WCOW_ACE_SUCCESS | WCOW_ACE_FAILURE);
    return add_effective(acl, ace, child, audit | WCOW_ACE_INHERITED, err);
}

/* Entries meant for one class of object (as in a directory service) mean nothing to files. */
static bool is_for_other_objects(const struct wcow_ace *ace)
{
    return ace->sid.len && (size_t)(ace->sid.data - ace->all.data) > WCOW_ACE_SID_OFFSET &&
           wcow_load_le32(ace->all.data + 8) & WCOW_ACE_HAS_INHERITED_OBJECT;
}

/* @p out stays empty where nothing is inherited. */
static int inherit_acl(struct wcow_acl parent, const struct child *child, struct wcow_buf *out,
                       struct wcow_error *err)
{
    int r = wcow_acl_start(out, err);
    struct wcow_ace ace = {0};
    while (r == WCOW_OK && (r = wcow_acl_next(&parent, &ace, err)) > 0) {
        if (is_for_other_objects(&ace))
            r = WCOW_OK;
        else if (child->is_dir)
            r = ace.flags & (WCOW_ACE_OBJECT_INHERIT | WCOW_ACE_CONTAINER_INHERIT)
                    ? inherit_to_directory(out, &ace, child, err)
                    : WCOW_OK;
        else
            r = inherit_to_file(out, &ace, child, err);
    }
    if (r == WCOW_OK && out->len == WCOW_ACL_HEADER)
        out->len = 0;
    return r;
}

/* D:(A;;FA;;;BA)(A;;FA;;;SY), which the token of a container's administrator gives where a parent
 * has nothing to inherit. */
static const uint8_t token_dacl[] = {
    2, 0, 52, 0, 2,    0, 0,    0,                                                     /* ACL */
    0, 0, 24, 0, 0xff, 1, 0x1f, 0, 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0, /* BA */
    0, 0, 20, 0, 0xff, 1, 0x1f, 0, 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0,                /* SY */
};
static const uint8_t administrators[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0};
static const uint8_t local_system[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};

static struct wcow_bytes first_of(struct wcow_bytes a, struct wcow_bytes b, const uint8_t *c,
                                  size_t c_len)
{
    if (a.len)
        return a;
    return b.len ? b : (struct wcow_bytes){.data = c, .len = c_len};
}

int wcow_sd_inherit(struct wcow_bytes parent, struct wcow_bytes owner, struct wcow_bytes group,
                    bool is_dir, struct wcow_buf *out, struct wcow_error *err)
{
    struct wcow_sd from = {0};
    int r = wcow_sd_parse(parent.data, parent.len, &from, err);
    if (r < 0)
        return r;
    if ((owner.len && wcow_sid_size(owner.data, owner.len) != owner.len) ||
        (group.len && wcow_sid_size(group.data, group.len) != group.len))
        return WCOW_FAIL(err, WCOW_E_INVALID, "the owner or group of a new file is no SID");
    struct child child = {
        .owner = first_of(owner, from.owner, administrators, sizeof(administrators)),
        .group = first_of(group, from.group, local_system, sizeof(local_system)),
        .is_dir = is_dir,
    };
    wcow_autobuf dacl = {0};
    wcow_autobuf sacl = {0};
    r = inherit_acl(from.dacl, &child, &dacl, err);
    if (r == WCOW_OK)
        r = inherit_acl(from.sacl, &child, &sacl, err);
    if (r < 0)
        return r;

    uint16_t control = WCOW_SD_DACL_PRESENT;
    struct wcow_bytes acls[2] = {
        [WCOW_SACL] = {.data = sacl.data, .len = sacl.len},
        [WCOW_DACL] = {.data = dacl.data, .len = dacl.len},
    };
    if (dacl.len)
        control |= WCOW_SD_DACL_AUTO_INHERITED;
    else
        acls[WCOW_DACL] = (struct wcow_bytes){.data = token_dacl, .len = sizeof(token_dacl)};
    if (sacl.len)
        control |= WCOW_SD_SACL_PRESENT | WCOW_SD_SACL_AUTO_INHERITED;
    return wcow_sd_build(control, child.owner, child.group, acls, out, err);
}
