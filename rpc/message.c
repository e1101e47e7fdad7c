/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/message.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/utf.h"
#include "rpc/wire.h"

enum { MAX_DEPTH = 32, PATH_BYTES = 256 };

/* A walk over every string of a message. */
struct walk {
    bool fix;              /* mend instead of refuse */
    char path[PATH_BYTES]; /* of what is refused */
};

static bool walk_message(struct walk *walk, const ProtobufCMessage *message, int depth);

/* Who is refused names itself on the way back, so that nothing is written for the others. */
static void name_refused(struct walk *walk, const ProtobufCFieldDescriptor *field, size_t index)
{
    char below[PATH_BYTES / 2] = "";
    memcpy(below, walk->path, strnlen(walk->path, sizeof(below) - 1));
    char at[24] = "";
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        (void)snprintf(at, sizeof(at), "[%zu]", index);
    (void)snprintf(walk->path, PATH_BYTES, "%.80s%s%s%s", field->name, at, *below ? "." : "",
                   below);
}

void wcow_message_sanitize(char *text)
{
    size_t left = strlen(text);
    while (left) {
        uint32_t code_point = 0;
        size_t n = wcow_wtf8_decode(text, left, &code_point);
        bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
        if (n == 0 || surrogate) {
            n = n ? n : 1;
            memset(text, '?', n);
        }
        text += n;
        left -= n;
    }
}

/* One value of a field, string or message. */
static bool walk_value(struct walk *walk, const ProtobufCFieldDescriptor *field, void *value,
                       int depth)
{
    if (!value)
        return true;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return walk_message(walk, value, depth + 1);
    if (value == field->default_value || value == &protobuf_c_empty_string ||
        wcow_utf8_is_valid(value, strlen(value)))
        return true;
    if (walk->fix)
        wcow_message_sanitize(value);
    return walk->fix;
}

static bool walk_field(struct walk *walk, const ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field, int depth)
{
    const unsigned char *base = (const unsigned char *)message;
    void *value = NULL;
    memcpy(&value, base + field->offset, sizeof(value));
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    size_t n = 1;
    if (repeated)
        memcpy(&n, base + field->quantifier_offset, sizeof(n));
    void **items = repeated ? value : &value;
    for (size_t i = 0; i < n; i++) {
        if (walk_value(walk, field, items[i], depth))
            continue;
        name_refused(walk, field, i);
        return false;
    }
    return true;
}

/* False where a string is refused; walk->path then names it. */
static bool walk_message(struct walk *walk, const ProtobufCMessage *message, int depth)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; depth < MAX_DEPTH && i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        bool wanted =
            field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (wanted && !walk_field(walk, message, field, depth))
            return false;
    }
    return true;
}

int wcow_message_check(const ProtobufCMessage *message, struct wcow_error *err)
{
    struct walk walk = {.fix = false};
    if (walk_message(&walk, message, 0))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID, "%s of %s is not valid UTF-8", walk.path,
                     message->descriptor->short_name);
}

/* A copy of the message with its strings mended, packed: a '?' is as long as what it stands for. */
static int write_mended(const ProtobufCMessageDescriptor *type, size_t size, uint8_t *out,
                        struct wcow_error *err)
{
    ProtobufCMessage *copy = protobuf_c_message_unpack(type, NULL, size, out);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a %s", type->short_name);
    struct walk walk = {.fix = true};
    (void)walk_message(&walk, copy, 0);
    (void)protobuf_c_message_pack(copy, out);
    protobuf_c_message_free_unpacked(copy, NULL);
    return WCOW_OK;
}

int wcow_message_measure(const ProtobufCMessage *message, size_t *ret_size, struct wcow_error *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > WCOW_RPC_MAX_MESSAGE_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a %s of %zu bytes is over the limit of %d",
                         message->descriptor->short_name, size, WCOW_RPC_MAX_MESSAGE_BYTES);
    *ret_size = size;
    return WCOW_OK;
}

int wcow_message_write(const ProtobufCMessage *message, size_t size, uint8_t *out,
                       struct wcow_error *err)
{
    (void)protobuf_c_message_pack(message, out);
    struct walk walk = {.fix = false};
    return walk_message(&walk, message, 0) ? WCOW_OK
                                           : write_mended(message->descriptor, size, out, err);
}

int wcow_message_pack(const ProtobufCMessage *message, grpc_byte_buffer **ret,
                      struct wcow_error *err)
{
    size_t size = 0;
    int r = wcow_message_measure(message, &size, err);
    if (r < 0)
        return r;
    grpc_slice slice = grpc_slice_malloc(size);
    r = wcow_message_write(message, size, GRPC_SLICE_START_PTR(slice), err);
    if (r == WCOW_OK)
        *ret = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return r;
}

/* The wire's base-128 number. @return its bytes */
static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

int wcow_message_pack_lent(const ProtobufCMessage *message, uint32_t field,
                           const struct wcow_lent *lent, grpc_byte_buffer **ret,
                           struct wcow_error *err)
{
    enum { LEN_TYPE = 2, MAX_VARINT = 10 };
    size_t size = 0;
    union {
        const void *in;
        void *out;
    } data = {.in = lent->data};
    /* Whatever happens, the slice gives the bytes back. */
    grpc_slice slices[2] = {grpc_empty_slice(), grpc_slice_new_with_user_data(
                                                    data.out, lent->len, lent->release, lent->arg)};
    int r = wcow_message_measure(message, &size, err);
    if (r == WCOW_OK && lent->len > WCOW_RPC_MAX_MESSAGE_BYTES - size - 2 * (size_t)MAX_VARINT)
        r = WCOW_FAIL(err, WCOW_E_LIMIT, "a %s of %zu bytes is over the limit of %d",
                      message->descriptor->short_name, lent->len, WCOW_RPC_MAX_MESSAGE_BYTES);
    if (r == WCOW_OK) {
        uint8_t key[2 * MAX_VARINT];
        size_t key_len = put_varint(key, (uint64_t)field << 3 | LEN_TYPE);
        key_len += put_varint(key + key_len, lent->len);
        slices[0] = grpc_slice_malloc(size + key_len);
        uint8_t *head = GRPC_SLICE_START_PTR(slices[0]);
        r = wcow_message_write(message, size, head, err);
        memcpy(head + size, key, key_len);
    }
    if (r == WCOW_OK)
        *ret = grpc_raw_byte_buffer_create(slices, 2);
    grpc_slice_unref(slices[0]);
    grpc_slice_unref(slices[1]);
    return r;
}

int wcow_message_read(const uint8_t *data, size_t len, const ProtobufCMessageDescriptor *type,
                      ProtobufCAllocator *allocator, ProtobufCMessage **ret, struct wcow_error *err)
{
    const char *name = NULL;
    ProtobufCMessage *message = protobuf_c_message_unpack(type, allocator, len, data);
    if (!message)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%zu bytes that are no %s", len, type->short_name);
    int r = wcow_message_check(message, err);
    if (r == WCOW_OK && wcow_wire_has_nul(data, len, type, &name))
        r = WCOW_FAIL(err, WCOW_E_INVALID, "%s of %s has a NUL byte within", name,
                      type->short_name);
    if (r == WCOW_OK)
        *ret = message;
    else
        protobuf_c_message_free_unpacked(message, allocator);
    return r;
}

int wcow_message_unpack(grpc_byte_buffer *buffer, const ProtobufCMessageDescriptor *type,
                        ProtobufCAllocator *allocator, ProtobufCMessage **ret,
                        struct wcow_error *err)
{
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer))
        return WCOW_FAIL(err, WCOW_E_INVALID, "cannot read the message %s", type->short_name);
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    int r = wcow_message_read(GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice), type,
                              allocator, ret, err);
    grpc_slice_unref(slice);
    return r;
}
