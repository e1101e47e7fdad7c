/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/tar_sparse.h"

#include <stdlib.h>
#include <string.h>

#include "layer/pax.h"
#include "layer/tar_format.h"
#include "layer/tar_writer.h"

enum {
    OLD_AT = 386, /* of the map in a header; each offset and length has 12 bytes */
    OLD_PIECES = 4,
    OLD_GOES_ON = 482,
    OLD_REAL_SIZE = 483,
    MORE_PIECES = 21, /* in a block of its own */
    MORE_GOES_ON = 504,
    NUMBER = 12,
    MAX_PIECES = 1 << 20,
};

void wcow_tar_sparse_done(struct wcow_tar_sparse *sparse)
{
    free(sparse->name);
    free(sparse->pieces);
    *sparse = (struct wcow_tar_sparse){0};
}

static int bad_map(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "the map of a sparse file is damaged");
}

static int add_piece(struct wcow_tar_sparse *s, uint64_t offset, uint64_t len,
                     struct wcow_error *err)
{
    if (s->n >= MAX_PIECES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a sparse file of more than %d pieces", MAX_PIECES);
    if (s->n == s->n_room) {
        size_t room = s->n_room ? s->n_room * 2 : OLD_PIECES;
        struct wcow_tar_piece *more = reallocarray(s->pieces, room, sizeof(*more));
        if (!more)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a sparse file");
        s->pieces = more;
        s->n_room = room;
    }
    s->pieces[s->n++] = (struct wcow_tar_piece){.offset = offset, .len = len};
    return WCOW_OK;
}

/* ---- PAX ---- */

/* An offset, then its length. */
static int add_half(struct wcow_tar_sparse *s, uint64_t number, bool is_offset,
                    struct wcow_error *err)
{
    if (s->has_half == is_offset)
        return bad_map(err);
    s->has_half = is_offset;
    if (is_offset) {
        s->half = number;
        return WCOW_OK;
    }
    return add_piece(s, s->half, number, err);
}

/* "offset,length,offset,length" */
static int read_list(struct wcow_tar_sparse *s, struct wcow_bytes list, struct wcow_error *err)
{
    const uint8_t *at = list.data;
    const uint8_t *end = list.data + list.len;
    bool is_offset = true;
    while (at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        const uint8_t *stop = comma ? comma : end;
        uint64_t number = 0;
        int r = wcow_pax_number((struct wcow_bytes){.data = at, .len = (size_t)(stop - at)},
                                INT64_MAX, &number, err);
        if (r == WCOW_OK)
            r = add_half(s, number, is_offset, err);
        if (r < 0)
            return r;
        is_offset = !is_offset;
        at = comma ? comma + 1 : end;
    }
    return is_offset ? WCOW_OK : bad_map(err);
}

static int set_name(struct wcow_tar_sparse *s, struct wcow_bytes value, struct wcow_error *err)
{
    char *name = strndup((const char *)value.data, value.len);
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    free(s->name);
    s->name = name;
    return WCOW_OK;
}

int wcow_tar_sparse_record(struct wcow_tar_sparse *s, struct wcow_bytes key,
                           struct wcow_bytes value, struct wcow_error *err)
{
    const size_t prefix = strlen("GNU.sparse.");
    const struct wcow_bytes what = {.data = key.data + prefix, .len = key.len - prefix};
    s->is_sparse = true;
    if (wcow_pax_is(what, "name"))
        return set_name(s, value, err);
    if (wcow_pax_is(what, "map")) {
        s->n = 0;
        return read_list(s, value, err);
    }
    uint64_t number = 0;
    int r = wcow_pax_number(value, INT64_MAX, &number, err);
    if (r < 0)
        return r;
    if (wcow_pax_is(what, "offset") || wcow_pax_is(what, "numbytes"))
        return add_half(s, number, wcow_pax_is(what, "offset"), err);
    if (wcow_pax_is(what, "size") || wcow_pax_is(what, "realsize")) {
        s->real_size = number;
        s->has_real_size = true;
    } else if (wcow_pax_is(what, "major")) {
        s->major = number;
        s->has_version = true;
    } else if (wcow_pax_is(what, "minor")) {
        s->minor = number;
    }
    return WCOW_OK; /* numblocks is what there is anyway */
}

int wcow_tar_sparse_records_done(struct wcow_tar_sparse *s, struct wcow_error *err)
{
    if (!s->is_sparse)
        return WCOW_OK;
    if (s->has_version && s->major == 1 && s->minor == 0) {
        s->has_map_in_data = s->goes_on = true;
        s->n = 0;
        s->half = 0;
    } else if (s->has_version && s->major != 0) {
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "a sparse file in GNU's form %llu.%llu, which is not known",
                         (unsigned long long)s->major, (unsigned long long)s->minor);
    } else if (s->has_half) {
        return bad_map(err);
    }
    if (!s->has_real_size)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a sparse file without its size");
    return WCOW_OK;
}

/* ---- old headers ---- */

static int old_piece(struct wcow_tar_sparse *s, const uint8_t *at, bool *ret_is_end,
                     struct wcow_error *err)
{
    uint64_t offset = 0;
    uint64_t len = 0;
    *ret_is_end = at[0] == '\0';
    if (*ret_is_end)
        return WCOW_OK;
    if (!wcow_tar_number(at, NUMBER, &offset) || !wcow_tar_number(at + NUMBER, NUMBER, &len))
        return bad_map(err);
    return add_piece(s, offset, len, err);
}

static int old_pieces(struct wcow_tar_sparse *s, const uint8_t *at, size_t n,
                      struct wcow_error *err)
{
    for (size_t i = 0; i < n; i++) {
        bool is_end = false;
        int r = old_piece(s, at + i * 2 * NUMBER, &is_end, err);
        if (r < 0 || is_end)
            return r;
    }
    return WCOW_OK;
}

int wcow_tar_sparse_header(struct wcow_tar_sparse *s, const uint8_t *block, struct wcow_error *err)
{
    s->is_sparse = true;
    if (memcmp(block + WCOW_TAR_MAGIC.at, WCOW_TAR_MAGIC_GNU, WCOW_TAR_MAGIC.len) != 0 ||
        !wcow_tar_number(block + OLD_REAL_SIZE, NUMBER, &s->real_size))
        return bad_map(err);
    s->has_real_size = true;
    s->goes_on = block[OLD_GOES_ON] != 0;
    return old_pieces(s, block + OLD_AT, OLD_PIECES, err);
}

/* ---- more blocks ---- */

static int whole_number(struct wcow_tar_sparse *s, uint64_t number, struct wcow_error *err)
{
    if (!s->has_count) {
        if (number > MAX_PIECES)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "a sparse file of more than %d pieces", MAX_PIECES);
        s->has_count = true;
        s->n_left = number * 2;
        s->goes_on = s->n_left > 0;
        return WCOW_OK;
    }
    bool is_length = s->n_left-- % 2 == 1;
    s->goes_on = s->n_left > 0;
    if (!is_length)
        return add_piece(s, number, 0, err);
    s->pieces[s->n - 1].len = number;
    return WCOW_OK;
}

/* Decimal numbers, a newline behind each; a block may end in the middle of one. */
static int text_block(struct wcow_tar_sparse *s, const uint8_t *block, struct wcow_error *err)
{
    for (size_t i = 0; s->goes_on && i < WCOW_TAR_BLOCK; i++) {
        if (block[i] == '\n' && s->has_digits) {
            uint64_t number = s->half;
            s->half = 0;
            s->has_digits = false;
            int r = whole_number(s, number, err);
            if (r < 0)
                return r;
            continue;
        }
        if (block[i] < '0' || block[i] > '9' || s->half > (INT64_MAX - 9) / 10)
            return bad_map(err);
        s->half = s->half * 10 + (uint64_t)(block[i] - '0');
        s->has_digits = true;
    }
    return WCOW_OK;
}

int wcow_tar_sparse_block(struct wcow_tar_sparse *s, const uint8_t *block, struct wcow_error *err)
{
    if (s->has_map_in_data)
        return text_block(s, block, err);
    s->goes_on = block[MORE_GOES_ON] != 0;
    return old_pieces(s, block, MORE_PIECES, err);
}

int wcow_tar_sparse_check(const struct wcow_tar_sparse *s, uint64_t stored, struct wcow_error *err)
{
    uint64_t at = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct wcow_tar_piece *p = &s->pieces[i];
        if (p->offset < at || p->offset > s->real_size || p->len > s->real_size - p->offset ||
            p->len > stored - sum)
            return bad_map(err);
        at = p->offset + p->len;
        sum += p->len;
    }
    return sum == stored ? WCOW_OK : bad_map(err);
}
