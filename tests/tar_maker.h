/* SPDX-License-Identifier: Apache-2.0 */
/* Small tars made by hand, good and bad. */
#ifndef WCOW_TAR_MAKER_H
#define WCOW_TAR_MAKER_H

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "memory_source.h"
#include "wcow_test.h"

static inline void append(struct wcow_buf *out, const void *data, size_t len)
{
    assert_ok(wcow_buf_add(out, data, len, &err));
}

static inline void load(const char *path, struct wcow_buf *out)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        fail_msg("cannot open %s", path);
    uint8_t part[4096];
    size_t n = 0;
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        append(out, part, n);
    (void)fclose(f);
}

struct made {
    const char *name;
    char type; /* 0 means '0' */
    const char *link;
    uint64_t size; /* so many bytes 'd' follow */
    bool no_data;  /* but not here */
    const char *pax[8];
};

static inline void make_block(struct wcow_buf *out, const char *name, char type, const char *link,
                              uint64_t size)
{
    uint8_t b[512] = {0};
    size_t len = strlen(name);
    memcpy(b, name, len < 100 ? len : 100);
    (void)snprintf((char *)b + 100, 8, "%07o", 0644U);
    (void)snprintf((char *)b + 124, 12, "%011llo", (unsigned long long)size);
    (void)snprintf((char *)b + 136, 12, "%011o", 0U);
    b[156] = (uint8_t)type;
    if (link)
        memcpy(b + 157, link, strnlen(link, 100));
    static const uint8_t magic[] = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};
    memcpy(b + 257, magic, sizeof(magic));
    memset(b + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(b); i++)
        sum += b[i];
    (void)snprintf((char *)b + 148, 8, "%06o", sum);
    append(out, b, sizeof(b));
}

static inline void make_fill(struct wcow_buf *out)
{
    while (out->len % 512)
        append(out, "", 1);
}

/* "length key=value\n", the length counting itself. */
static inline void make_record(struct wcow_buf *out, const char *text)
{
    size_t rest = strlen(text) + 2; /* ' ' and '\n' */
    size_t digits = 1;
    for (size_t limit = 10; rest + digits >= limit; limit *= 10)
        digits++;
    assert_ok(wcow_buf_addf(out, &err, "%zu %s\n", rest + digits, text));
}

static inline void make_pax(struct wcow_buf *out, const char *const *records)
{
    wcow_autobuf body = {0};
    for (size_t i = 0; i < 8 && records[i]; i++)
        make_record(&body, records[i]);
    make_block(out, "PaxHeaders.0/x", 'x', NULL, body.len);
    append(out, body.data, body.len);
    make_fill(out);
}

static inline void make_entry(struct wcow_buf *out, const struct made *m)
{
    if (m->pax[0])
        make_pax(out, m->pax);
    char type = '0';
    if (m->type)
        type = m->type;
    make_block(out, m->name, type, m->link, m->size);
    for (uint64_t i = 0; i < m->size && !m->no_data; i++)
        append(out, "d", 1);
    make_fill(out);
}

static inline void make_end(struct wcow_buf *out)
{
    static const uint8_t zeros[1024];
    append(out, zeros, sizeof(zeros));
}

#endif
