/* SPDX-License-Identifier: Apache-2.0 */
/** @file sd_parts.h
 *  The parts of a self-relative security descriptor ([MS-DTYP] 2.4.4 to 2.4.6), for the code that
 *  checks, prints and inherits them. Private to layer/. */
#ifndef WCOW_LAYER_SD_PARTS_H
#define WCOW_LAYER_SD_PARTS_H

#include "base/bytes.h"

enum { WCOW_SD_HEADER = 20, WCOW_ACL_HEADER = 8, WCOW_ACE_SID_OFFSET = 8 };

/* Control bits. */
enum {
    WCOW_SD_DACL_PRESENT = 0x4,
    WCOW_SD_SACL_PRESENT = 0x10,
    WCOW_SD_DACL_AUTO_INHERIT_REQ = 0x100,
    WCOW_SD_SACL_AUTO_INHERIT_REQ = 0x200,
    WCOW_SD_DACL_AUTO_INHERITED = 0x400,
    WCOW_SD_SACL_AUTO_INHERITED = 0x800,
    WCOW_SD_DACL_PROTECTED = 0x1000,
    WCOW_SD_SACL_PROTECTED = 0x2000,
    WCOW_SD_SELF_RELATIVE = 0x8000,
};

enum { WCOW_ACL_REVISION = 2, WCOW_ACL_REVISION_DS = 4 };
/* Indexes of a pair of ACLs. */
enum { WCOW_SACL, WCOW_DACL };

enum wcow_ace_type {
    WCOW_ACE_ALLOWED = 0x0,
    WCOW_ACE_DENIED = 0x1,
    WCOW_ACE_AUDIT = 0x2,
    WCOW_ACE_ALARM = 0x3,
    WCOW_ACE_ALLOWED_OBJECT = 0x5,
    WCOW_ACE_DENIED_OBJECT = 0x6,
    WCOW_ACE_AUDIT_OBJECT = 0x7,
    WCOW_ACE_ALARM_OBJECT = 0x8,
    WCOW_ACE_ALLOWED_CALLBACK = 0x9,
    WCOW_ACE_ALLOWED_CALLBACK_OBJECT = 0xb,
    WCOW_ACE_DENIED_CALLBACK_OBJECT = 0xc,
    WCOW_ACE_AUDIT_CALLBACK_OBJECT = 0xf,
    WCOW_ACE_ALARM_CALLBACK_OBJECT = 0x10,
    WCOW_ACE_LABEL = 0x11,
    WCOW_ACE_RESOURCE_ATTRIBUTE = 0x12,
    WCOW_ACE_SCOPED_POLICY = 0x13,
};

/* Flags of an ACE. */
enum {
    WCOW_ACE_OBJECT_INHERIT = 0x1,
    WCOW_ACE_CONTAINER_INHERIT = 0x2,
    WCOW_ACE_NO_PROPAGATE = 0x4,
    WCOW_ACE_INHERIT_ONLY = 0x8,
    WCOW_ACE_INHERITED = 0x10,
    WCOW_ACE_SUCCESS = 0x40,
    WCOW_ACE_FAILURE = 0x80,
};

/* Which GUIDs an object ACE has. */
enum { WCOW_ACE_HAS_OBJECT = 1, WCOW_ACE_HAS_INHERITED_OBJECT = 2 };

/* Access rights of files ([MS-DTYP] 2.4.3, [MS-FSCC] has no names of its own for them). */
#define WCOW_GENERIC_READ    UINT32_C(0x80000000)
#define WCOW_GENERIC_WRITE   UINT32_C(0x40000000)
#define WCOW_GENERIC_EXECUTE UINT32_C(0x20000000)
#define WCOW_GENERIC_ALL     UINT32_C(0x10000000)
#define WCOW_FILE_READ       UINT32_C(0x00120089)
#define WCOW_FILE_WRITE      UINT32_C(0x00120116)
#define WCOW_FILE_EXECUTE    UINT32_C(0x001200a0)
#define WCOW_FILE_ALL        UINT32_C(0x001f01ff)

/** One entry, borrowed. mask and sid are empty where the type is not known. */
struct wcow_ace {
    uint8_t type;
    uint8_t flags;
    uint32_t mask;
    struct wcow_bytes sid; /* inside all */
    struct wcow_bytes all;
};

/** An ACL being walked, borrowed; copy it to walk twice. */
struct wcow_acl {
    bool is_there;
    uint8_t revision;
    unsigned n_left;
    const uint8_t *next;
    size_t len_left;
};

struct wcow_sd {
    uint16_t control;
    struct wcow_bytes owner; /* empty: none */
    struct wcow_bytes group;
    struct wcow_acl sacl;
    struct wcow_acl dacl;
};

/** Take apart and check wholly. WCOW_E_INVALID. */
WCOW_NODISCARD int wcow_sd_parse(const void *data, size_t len, struct wcow_sd *ret,
                                 struct wcow_error *err);
/** @return 1 with *ret set, 0 at the end, WCOW_E_INVALID (never after wcow_sd_parse()) */
WCOW_NODISCARD int wcow_acl_next(struct wcow_acl *acl, struct wcow_ace *ret,
                                 struct wcow_error *err);

/** Start an empty ACL in an empty @p acl, then add entries; header fields follow. */
WCOW_NODISCARD int wcow_acl_start(struct wcow_buf *acl, struct wcow_error *err);
WCOW_NODISCARD int wcow_acl_add(struct wcow_buf *acl, const void *ace, size_t len,
                                struct wcow_error *err);

/** Put a descriptor together, appended: header, owner, group, SACL, DACL; empty parts are left
 * out. */
WCOW_NODISCARD int wcow_sd_build(uint16_t control, struct wcow_bytes owner, struct wcow_bytes group,
                                 const struct wcow_bytes acls[2], struct wcow_buf *out,
                                 struct wcow_error *err);

#endif
