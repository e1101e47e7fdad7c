/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int wcow_buf_reserve(struct wcow_buf *buf, size_t len, uint8_t **ret, struct wcow_error *err)
{
    size_t max = buf->max_bytes ? buf->max_bytes : WCOW_BUF_MAX;
    if (len > max || buf->len > max - len)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %zu bytes", max);
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap *= 2;
        uint8_t *p = realloc(buf->data, cap);
        if (!p)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu bytes", cap);
        buf->data = p;
        buf->cap = cap;
    }
    if (ret)
        *ret = buf->data + buf->len;
    return WCOW_OK;
}

int wcow_buf_add(struct wcow_buf *buf, const void *data, size_t len, struct wcow_error *err)
{
    uint8_t *p = NULL;
    int r = wcow_buf_reserve(buf, len, &p, err);
    if (r < 0)
        return r;
    if (len)
        memcpy(p, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return WCOW_OK;
}

int wcow_buf_add_str(struct wcow_buf *buf, const char *s, struct wcow_error *err)
{
    return wcow_buf_add(buf, s, strlen(s), err);
}

int wcow_buf_addf(struct wcow_buf *buf, struct wcow_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a string");
    int r = wcow_buf_add(buf, s, (size_t)n, err);
    free(s);
    return r;
}

void wcow_buf_done(struct wcow_buf *buf)
{
    free(buf->data);
    *buf = (struct wcow_buf){.max_bytes = buf->max_bytes};
}

static int sink_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    return wcow_buf_add(ctx, data, len, err);
}

struct wcow_sink wcow_buf_sink(struct wcow_buf *buf)
{
    return (struct wcow_sink){.write = sink_write, .ctx = buf};
}

int wcow_buf_add_source(struct wcow_buf *buf, const struct wcow_source *source,
                        struct wcow_error *err)
{
    const struct wcow_sink sink = wcow_buf_sink(buf);
    return wcow_stream_copy(source, &sink, err);
}

char *wcow_buf_take_str(struct wcow_buf *buf)
{
    if (!buf->data)
        return strdup("");
    char *s = (char *)buf->data;
    *buf = (struct wcow_buf){.max_bytes = buf->max_bytes};
    return s;
}
