/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/wire.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH_DELIMITED = 2, FIXED32 = 5, MAX_DEPTH = 32 };

struct cursor {
    const uint8_t *at;
    size_t left;
};

static bool skip(struct cursor *c, uint64_t n)
{
    if (n > c->left)
        return false;
    c->at += n;
    c->left -= (size_t)n;
    return true;
}

static bool read_varint(struct cursor *c, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && c->left; shift += 7) {
        uint8_t byte = *c->at;
        (void)skip(c, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* A field's content; only what is length-delimited has any. */
static bool read_field(struct cursor *c, uint64_t *ret_key, struct cursor *ret_content)
{
    uint64_t len = 0;
    *ret_content = (struct cursor){0};
    if (!read_varint(c, ret_key))
        return false;
    switch (*ret_key & 7) {
    case VARINT:
        return read_varint(c, &len);
    case FIXED64:
        return skip(c, 8);
    case FIXED32:
        return skip(c, 4);
    case LENGTH_DELIMITED:
        if (!read_varint(c, &len))
            return false;
        *ret_content = (struct cursor){.at = c->at, .left = (size_t)len};
        return skip(c, len);
    default:
        return false;
    }
}

static bool has_nul(struct cursor c, const ProtobufCMessageDescriptor *type, const char **ret_name,
                    int depth)
{
    uint64_t key = 0;
    struct cursor content;
    while (c.left && depth < MAX_DEPTH && read_field(&c, &key, &content)) {
        const ProtobufCFieldDescriptor *field =
            content.left ? protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3))
                         : NULL;
        if (!field)
            continue;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
            has_nul(content, field->descriptor, ret_name, depth + 1))
            return true;
        if (field->type == PROTOBUF_C_TYPE_STRING && memchr(content.at, 0, content.left)) {
            *ret_name = field->name;
            return true;
        }
    }
    return false;
}

bool wcow_wire_has_nul(const uint8_t *data, size_t len, const ProtobufCMessageDescriptor *type,
                       const char **ret_name)
{
    return memchr(data, 0, len) &&
           has_nul((struct cursor){.at = data, .left = len}, type, ret_name, 0);
}
