/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/pax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 21 }; /* of a size_t in digits, with its NUL */

bool wcow_pax_is(struct wcow_bytes bytes, const char *text)
{
    size_t len = strlen(text);
    return bytes.len == len && memcmp(bytes.data, text, len) == 0;
}

static bool has_nul(struct wcow_bytes b)
{
    return b.len && memchr(b.data, '\0', b.len) != NULL;
}

/* Go lets other values hold NUL: extended attributes of other systems do. */
static bool is_name_key(struct wcow_bytes key)
{
    return wcow_pax_is(key, "path") || wcow_pax_is(key, "linkpath") || wcow_pax_is(key, "uname") ||
           wcow_pax_is(key, "gname");
}

static bool is_valid(struct wcow_bytes key, struct wcow_bytes value)
{
    if (key.len == 0 || memchr(key.data, '=', key.len))
        return false;
    return is_name_key(key) ? !has_nul(value) : !has_nul(key);
}

int wcow_pax_number(struct wcow_bytes value, uint64_t max, uint64_t *ret, struct wcow_error *err)
{
    int shown = value.len > 40 ? 40 : (int)value.len;
    uint64_t v = 0;
    bool ok = value.len > 0;
    for (size_t i = 0; ok && i < value.len; i++) {
        unsigned digit = (unsigned)value.data[i] - '0';
        ok = digit <= 9 && !__builtin_mul_overflow(v, 10, &v) &&
             !__builtin_add_overflow(v, digit, &v);
    }
    if (!ok || v > max)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%.*s\" is no decimal number up to %llu", shown,
                         (const char *)value.data, (unsigned long long)max);
    *ret = v;
    return WCOW_OK;
}

int wcow_pax_signed(struct wcow_bytes value, int64_t *ret, struct wcow_error *err)
{
    bool is_negative = value.len && value.data[0] == '-';
    size_t sign = is_negative || (value.len && value.data[0] == '+');
    const struct wcow_bytes digits = {.data = value.data + sign, .len = value.len - sign};
    uint64_t v = 0;
    int r = wcow_pax_number(digits, (uint64_t)INT64_MAX + is_negative, &v, err);
    if (r == WCOW_OK)
        *ret = (int64_t)(is_negative ? 0 - v : v);
    return r;
}

/* The length and the space behind it; Go takes a '+' before it and any number of zeros.
 * @return their bytes, 0 where there is none. */
static size_t parse_length(const uint8_t *p, size_t left, size_t *ret_len)
{
    size_t len = 0;
    size_t first = left && p[0] == '+';
    for (size_t i = first; i < left; i++) {
        if (p[i] == ' ' && i > first) {
            *ret_len = len;
            return i + 1;
        }
        if (p[i] < '0' || p[i] > '9')
            return 0;
        len = len * 10 + (size_t)(p[i] - '0');
        if (len > left)
            return 0;
    }
    return 0;
}

int wcow_pax_next(struct wcow_cursor *cursor, struct wcow_pax_record *ret, struct wcow_error *err)
{
    size_t left = wcow_cursor_left(cursor);
    if (!left)
        return 0;
    const uint8_t *p = cursor->data + cursor->pos;
    size_t len = 0;
    size_t head = parse_length(p, left, &len);
    /* The shortest record is "5 k=\n" less nothing: a key, '=' and a newline. */
    if (!head || len < 5 || len < head + 2 || p[len - 1] != '\n')
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "PAX header: no record of the form \"length key=value\" at byte %zu",
                         cursor->pos);
    const uint8_t *key = p + head;
    size_t body = len - head - 1;
    const uint8_t *eq = memchr(key, '=', body);
    if (!eq)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "PAX header: the record at byte %zu has no \"=\"",
                         cursor->pos);
    struct wcow_pax_record rec = {
        .key = {.data = key, .len = (size_t)(eq - key)},
        .value = {.data = eq + 1, .len = body - (size_t)(eq - key) - 1},
    };
    if (!is_valid(rec.key, rec.value))
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "PAX header: the record at byte %zu has an empty key or a NUL in a name",
                         cursor->pos);
    cursor->pos += len;
    *ret = rec;
    return 1;
}

/* ---- all of a header ---- */

void wcow_pax_records_done(struct wcow_pax_records *records)
{
    free(records->items);
    *records = (struct wcow_pax_records){0};
}

static int add_record(struct wcow_pax_records *to, const struct wcow_pax_record *rec,
                      struct wcow_error *err)
{
    if (to->n == to->cap) {
        size_t cap = to->cap ? to->cap * 2 : 16;
        struct wcow_pax_record *more = reallocarray(to->items, cap, sizeof(*more));
        if (!more)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a PAX header");
        to->items = more;
        to->cap = cap;
    }
    to->items[to->n++] = *rec;
    return WCOW_OK;
}

static int compare_bytes(struct wcow_bytes a, struct wcow_bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int c = memcmp(a.data, b.data, len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* By key; records of the same key in their order, which is that of their bytes. */
static int by_key(const void *a, const void *b)
{
    const struct wcow_pax_record *const *x = a;
    const struct wcow_pax_record *const *y = b;
    int c = compare_bytes((*x)->key, (*y)->key);
    return c ? c : (*x > *y) - (*x < *y);
}

static bool is_list(struct wcow_bytes key)
{
    return wcow_pax_is(key, "GNU.sparse.offset") || wcow_pax_is(key, "GNU.sparse.numbytes");
}

/* Take out those that another of their key follows. */
static int drop_earlier(struct wcow_pax_records *records, struct wcow_error *err)
{
    wcow_autofree struct wcow_pax_record **sorted =
        calloc(records->n, sizeof(struct wcow_pax_record *));
    if (!sorted)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a PAX header");
    for (size_t i = 0; i < records->n; i++)
        sorted[i] = &records->items[i];
    qsort(sorted, records->n, sizeof(struct wcow_pax_record *), by_key);
    for (size_t i = 1; i < records->n; i++) {
        if (compare_bytes(sorted[i - 1]->key, sorted[i]->key) == 0 && !is_list(sorted[i]->key))
            sorted[i - 1]->key.len = 0;
    }
    size_t n = 0;
    for (size_t i = 0; i < records->n; i++) {
        if (records->items[i].key.len)
            records->items[n++] = records->items[i];
    }
    records->n = n;
    return WCOW_OK;
}

int wcow_pax_read(struct wcow_bytes header, struct wcow_pax_records *records,
                  struct wcow_error *err)
{
    struct wcow_cursor c = wcow_cursor_of(header.data, header.len);
    bool is_sorted = true; /* as Go writes them: then none is there twice */
    records->n = 0;
    for (;;) {
        struct wcow_pax_record rec = {0};
        int r = wcow_pax_next(&c, &rec, err);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        is_sorted = is_sorted &&
                    (!records->n || compare_bytes(records->items[records->n - 1].key, rec.key) < 0);
        r = add_record(records, &rec, err);
        if (r < 0)
            return r;
    }
    return is_sorted ? WCOW_OK : drop_earlier(records, err);
}

int wcow_pax_add(struct wcow_buf *out, const char *key, struct wcow_bytes value,
                 struct wcow_error *err)
{
    struct wcow_bytes k = {.data = (const uint8_t *)key, .len = strlen(key)};
    if (!is_valid(k, value))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "PAX record \"%.80s\": an empty key, \"=\" in it, or a NUL in a name",
                         key);
    size_t rest = k.len + value.len + 3; /* ' ', '=' and '\n' */
    size_t len = rest + 1;
    char digits[LENGTH_BYTES];
    for (;;) {
        int n = snprintf(digits, sizeof(digits), "%zu", len);
        if (rest + (size_t)n == len)
            break;
        len = rest + (size_t)n;
    }
    uint8_t *p = NULL;
    int r = wcow_buf_reserve(out, len, &p, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "PAX record \"%.80s\"", key);
    size_t n = strlen(digits);
    memcpy(p, digits, n);
    p[n] = ' ';
    memcpy(p + n + 1, key, k.len);
    p[n + 1 + k.len] = '=';
    if (value.len)
        memcpy(p + n + 2 + k.len, value.data, value.len);
    p[len - 1] = '\n';
    p[len] = '\0';
    out->len += len;
    return WCOW_OK;
}
