/* SPDX-License-Identifier: Apache-2.0 */
/* A source over memory, in chunks. */
#ifndef WCOW_MEMORY_SOURCE_H
#define WCOW_MEMORY_SOURCE_H

#include "base/stream.h"

struct memory_source {
    const uint8_t *data;
    size_t len;
    size_t pos;
    size_t step; /* bytes at a time; 0: all at once */
};

static inline int memory_next(void *ctx, const uint8_t **ret_data, size_t *ret_len,
                              struct wcow_error *err)
{
    struct memory_source *m = ctx;
    (void)err;
    size_t n = m->len - m->pos;
    if (m->step && n > m->step)
        n = m->step;
    *ret_data = m->data + m->pos;
    *ret_len = n;
    m->pos += n;
    return WCOW_OK;
}

static inline struct wcow_source memory_source(struct memory_source *m)
{
    return (struct wcow_source){.next = memory_next, .ctx = m};
}

#endif
