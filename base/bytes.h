/* SPDX-License-Identifier: Apache-2.0 */
/** @file bytes.h
 *  Little-endian loads and stores, a bounded cursor over foreign bytes, and a growable buffer.
 *  No buffer is ever cast to a struct. */
#ifndef WCOW_BASE_BYTES_H
#define WCOW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/stream.h"

static inline uint16_t wcow_load_le16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t wcow_load_le32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t wcow_load_le64(const void *p)
{
    const uint8_t *b = p;
    return (uint64_t)wcow_load_le32(b) | (uint64_t)wcow_load_le32(b + 4) << 32;
}

static inline void wcow_store_le16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void wcow_store_le32(void *p, uint32_t v)
{
    uint8_t *b = p;
    wcow_store_le16(b, (uint16_t)v);
    wcow_store_le16(b + 2, (uint16_t)(v >> 16));
}

static inline void wcow_store_le64(void *p, uint64_t v)
{
    uint8_t *b = p;
    wcow_store_le32(b, (uint32_t)v);
    wcow_store_le32(b + 4, (uint32_t)(v >> 32));
}

/** Borrowed bytes. */
struct wcow_bytes {
    const uint8_t *data;
    size_t len;
};

/** A cursor over foreign bytes: every read is bounded, and a read past the end
 *  sets `overrun`, gives zeros from then on, and is asked about once at the end. */
struct wcow_cursor {
    const uint8_t *data;
    size_t len;
    size_t pos;
    bool overrun;
};

static inline struct wcow_cursor wcow_cursor_of(const void *data, size_t len)
{
    return (struct wcow_cursor){.data = data, .len = len};
}

static inline size_t wcow_cursor_left(const struct wcow_cursor *c)
{
    return c->overrun ? 0 : c->len - c->pos;
}

/** The next @p n bytes, or NULL (and overrun set) where fewer are left. */
static inline const uint8_t *wcow_cursor_take(struct wcow_cursor *c, size_t n)
{
    if (c->overrun || n > c->len - c->pos) {
        c->overrun = true;
        return NULL;
    }
    const uint8_t *p = c->data + c->pos;
    c->pos += n;
    return p;
}

static inline uint8_t wcow_cursor_u8(struct wcow_cursor *c)
{
    const uint8_t *p = wcow_cursor_take(c, 1);
    return p ? *p : 0;
}

static inline uint16_t wcow_cursor_le16(struct wcow_cursor *c)
{
    const uint8_t *p = wcow_cursor_take(c, 2);
    return p ? wcow_load_le16(p) : 0;
}

static inline uint32_t wcow_cursor_le32(struct wcow_cursor *c)
{
    const uint8_t *p = wcow_cursor_take(c, 4);
    return p ? wcow_load_le32(p) : 0;
}

static inline uint64_t wcow_cursor_le64(struct wcow_cursor *c)
{
    const uint8_t *p = wcow_cursor_take(c, 8);
    return p ? wcow_load_le64(p) : 0;
}

/** A growable buffer with a maximum. Zero-initialise it (max_bytes 0 means WCOW_BUF_MAX);
 *  release with wcow_buf_done() or WCOW_CLEANUP(wcow_buf_done). After each append
 *  data[len] is NUL, so that it can be read as a string. Not thread-safe. */
struct wcow_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max_bytes;
};

enum { WCOW_BUF_MAX = 64 << 20 };

/** Append; WCOW_E_LIMIT past the maximum, WCOW_E_NOMEM. */
WCOW_NODISCARD int wcow_buf_add(struct wcow_buf *buf, const void *data, size_t len,
                                struct wcow_error *err);
WCOW_NODISCARD int wcow_buf_add_str(struct wcow_buf *buf, const char *s, struct wcow_error *err);
WCOW_NODISCARD int wcow_buf_addf(struct wcow_buf *buf, struct wcow_error *err, const char *fmt, ...)
    WCOW_PRINTF(3, 4);
/** A sink that adds to @p buf, which must outlive it. */
struct wcow_sink wcow_buf_sink(struct wcow_buf *buf);
/** All that is left in @p source, within max_bytes. */
WCOW_NODISCARD int wcow_buf_add_source(struct wcow_buf *buf, const struct wcow_source *source,
                                       struct wcow_error *err);
/** Make room for @p len more bytes and return where they go; the caller then adds to buf->len. */
WCOW_NODISCARD int wcow_buf_reserve(struct wcow_buf *buf, size_t len, uint8_t **ret,
                                    struct wcow_error *err);
void wcow_buf_done(struct wcow_buf *buf);
/** The bytes as a NUL-terminated string that the caller frees; empties @p buf. "" when empty. NULL
 *  only when memory is out. */
char *wcow_buf_take_str(struct wcow_buf *buf);

#define wcow_autobuf WCOW_CLEANUP(wcow_buf_done) struct wcow_buf

#endif
