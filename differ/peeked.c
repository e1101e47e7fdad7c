/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/peeked.h"

static int next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_peeked *p = ctx;
    if (!p->is_waiting)
        return wcow_source_next(&p->bytes, ret_data, ret_len, err);
    p->is_waiting = false;
    *ret_data = p->data;
    *ret_len = p->len;
    return WCOW_OK;
}

static bool ahead(void *ctx)
{
    const struct wcow_peeked *p = ctx;
    return wcow_source_ahead(&p->bytes);
}

int wcow_peeked_compression(struct wcow_peeked *peeked, enum wcow_compression *ret,
                            struct wcow_error *err)
{
    int r = wcow_source_next(&peeked->bytes, &peeked->data, &peeked->len, err);
    if (r < 0)
        return r;
    peeked->is_waiting = true;
    *ret = wcow_compression_detect(peeked->data, peeked->len);
    return WCOW_OK;
}

struct wcow_source wcow_peeked_source(struct wcow_peeked *peeked)
{
    return (struct wcow_source){.next = next, .ahead = ahead, .ctx = peeked};
}
