/* SPDX-License-Identifier: Apache-2.0 */
/** @file stream.h
 *  Where bytes come from and where they go, so that files, RPC streams, decompressors and hashes
 *  can be put behind one another. A source or sink belongs to one thread at a time. */
#ifndef WCOW_BASE_STREAM_H
#define WCOW_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** Gives chunks. `next` sets *ret_data and *ret_len; a length of 0 is the end, and stays so.
 *  The chunk stays valid until the following call. Nothing is copied on the way.
 *  `ahead`, where there is one, may be called by any other thread that has nothing else to do while
 *  the source is in use: it does a piece of what `next` will need, and returns false where it
 *  cannot. */
struct wcow_source {
    int (*next)(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err);
    bool (*ahead)(void *ctx);
    void *ctx;
};

/** Takes chunks; a failed write is final. `room`, where there is one, is where the sink would copy
 *  the next write to: what is put there, from its beginning, and then written, is not copied. */
struct wcow_sink {
    int (*write)(void *ctx, const void *data, size_t len, struct wcow_error *err);
    uint8_t *(*room)(void *ctx, size_t *ret_len); /**< until the next write; NULL: nowhere */
    void *ctx;
};

/** Bytes that are lent: whoever takes them reads them where they are and says when they are needed
 *  no more, exactly once, on any thread, also where it fails. */
struct wcow_lent {
    const void *data;
    size_t len;
    void (*release)(void *arg);
    void *arg;
};

/** Takes what is lent; a failed call is final. */
struct wcow_borrower {
    int (*take)(void *ctx, const struct wcow_lent *lent, struct wcow_error *err);
    void *ctx;
};

WCOW_NODISCARD static inline int wcow_source_next(const struct wcow_source *s,
                                                  const uint8_t **ret_data, size_t *ret_len,
                                                  struct wcow_error *err)
{
    return s->next(s->ctx, ret_data, ret_len, err);
}

static inline bool wcow_source_ahead(const struct wcow_source *s)
{
    return s->ahead && s->ahead(s->ctx);
}

WCOW_NODISCARD static inline int wcow_sink_write(const struct wcow_sink *s, const void *data,
                                                 size_t len, struct wcow_error *err)
{
    return s->write(s->ctx, data, len, err);
}

static inline uint8_t *wcow_sink_room(const struct wcow_sink *s, size_t *ret_len)
{
    return s->room ? s->room(s->ctx, ret_len) : NULL;
}

/** All that is left in @p from goes into @p to. */
WCOW_NODISCARD int wcow_stream_copy(const struct wcow_source *from, const struct wcow_sink *to,
                                    struct wcow_error *err);

WCOW_NODISCARD static inline int wcow_borrower_take(const struct wcow_borrower *b,
                                                    const struct wcow_lent *lent,
                                                    struct wcow_error *err)
{
    return b->take(b->ctx, lent, err);
}

#endif
