/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/tar_block.h"

#include <string.h>

#include "layer/tar_format.h"
#include "layer/tar_writer.h"

bool wcow_tar_block_is_zero(const uint8_t *block)
{
    return block[0] == 0 && memcmp(block, block + 1, WCOW_TAR_BLOCK - 1) == 0;
}

static bool is_filler(uint8_t c)
{
    return c == ' ' || c == '\0';
}

static bool parse_octal(const uint8_t *p, size_t len, uint64_t *ret)
{
    while (len && is_filler(p[0])) {
        p++;
        len--;
    }
    while (len && is_filler(p[len - 1]))
        len--;
    uint64_t v = 0;
    for (size_t i = 0; i < len && p[i] != '\0'; i++) {
        if (p[i] < '0' || p[i] > '7' || v >> 61)
            return false;
        v = v << 3 | (uint64_t)(p[i] - '0');
    }
    *ret = v;
    return true;
}

/* GNU's and star's base-256: two's complement, the first bit of the field set as a mark. */
static bool parse_base256(const uint8_t *p, size_t len, int64_t *ret)
{
    uint8_t invert = p[0] & 0x40 ? 0xff : 0;
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i] ^ invert;
        if (i == 0)
            c &= 0x7f;
        if (v >> 56)
            return false;
        v = v << 8 | c;
    }
    if (v >> 63)
        return false;
    *ret = invert ? -(int64_t)v - 1 : (int64_t)v;
    return true;
}

static bool parse_number(const uint8_t *block, struct wcow_tar_field f, int64_t *ret)
{
    const uint8_t *p = block + f.at;
    if (p[0] & 0x80)
        return parse_base256(p, f.len, ret);
    uint64_t v = 0;
    if (!parse_octal(p, f.len, &v) || v > INT64_MAX)
        return false;
    *ret = (int64_t)v;
    return true;
}

bool wcow_tar_number(const uint8_t *field, size_t len, uint64_t *ret)
{
    int64_t v = 0;
    if (!parse_number(field, WCOW_TAR_FIELD(0, len), &v) || v < 0)
        return false;
    *ret = (uint64_t)v;
    return true;
}

/* Old writers summed signed characters; both are accepted. */
static bool is_checksum_right(const uint8_t *block)
{
    uint32_t sum = 0;
    uint32_t high = 0; /* bytes over 127: each counts 256 less when signed */
    for (size_t i = 0; i < WCOW_TAR_BLOCK; i++) {
        sum += block[i];
        high += block[i] >> 7;
    }
    struct wcow_tar_field f = WCOW_TAR_CHECKSUM;
    for (size_t i = 0; i < f.len; i++) {
        sum = sum - block[f.at + i] + ' ';
        high -= block[f.at + i] >> 7;
    }
    uint64_t want = 0;
    if (!parse_octal(block + f.at, f.len, &want))
        return false;
    return want == sum || want == (uint64_t)((int64_t)sum - 256 * (int64_t)high);
}

/* A NUL-terminated or full field, as a string. @return its length */
static size_t get_string(const uint8_t *block, struct wcow_tar_field f, char *out)
{
    size_t n = strnlen((const char *)block + f.at, f.len);
    memcpy(out, block + f.at, n);
    out[n] = '\0';
    return n;
}

static void get_name(const uint8_t *block, size_t prefix_len, char *out)
{
    size_t n = 0;
    if (prefix_len) {
        n = get_string(block, WCOW_TAR_FIELD(WCOW_TAR_PREFIX.at, prefix_len), out);
        if (n)
            out[n++] = '/';
    }
    (void)get_string(block, WCOW_TAR_NAME, out + n);
}

static bool is_at(const uint8_t *block, struct wcow_tar_field f, const char *bytes)
{
    return memcmp(block + f.at, bytes, f.len) == 0;
}

/* With any version, as in Go. */
static bool is_ustar(const uint8_t *block)
{
    return memcmp(block + WCOW_TAR_MAGIC.at, WCOW_TAR_MAGIC_USTAR, strlen("ustar") + 1) == 0;
}

/* An optional time; false where the field holds something else. */
static bool get_time(const uint8_t *block, struct wcow_tar_field f, bool *ret_has, int64_t *ret)
{
    if (block[f.at] == '\0')
        return true;
    *ret_has = parse_number(block, f, ret);
    return *ret_has;
}

static bool is_ascii(const uint8_t *p, size_t len)
{
    size_t n = strnlen((const char *)p, len);
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= 0x80)
            return false;
    }
    return true;
}

/* @return how many bytes of a prefix there are room for: Go before 1.8 wrote one where GNU has
 * times */
static size_t get_gnu_extras(const uint8_t *block, struct wcow_tar_block *b)
{
    if (get_time(block, WCOW_TAR_GNU_ATIME, &b->has_atime, &b->atime) &&
        get_time(block, WCOW_TAR_GNU_CTIME, &b->has_ctime, &b->ctime))
        return 0;
    b->has_atime = b->has_ctime = false;
    struct wcow_tar_field f = WCOW_TAR_PREFIX;
    return is_ascii(block + f.at, f.len) ? f.len : 0;
}

static int bad_number(const char *what, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "tar header with a bad %s", what);
}

static int get_extras(const uint8_t *block, struct wcow_tar_block *b, struct wcow_error *err)
{
    size_t prefix_len = 0;
    if (is_at(block, WCOW_TAR_MAGIC, WCOW_TAR_MAGIC_GNU)) {
        prefix_len = get_gnu_extras(block, b);
    } else if (is_ustar(block)) {
        bool is_star = is_at(block, WCOW_TAR_STAR_TRAILER, "tar\0");
        prefix_len = is_star ? WCOW_TAR_STAR_PREFIX.len : WCOW_TAR_PREFIX.len;
        b->has_atime = b->has_ctime = is_star;
        if (is_star && (!parse_number(block, WCOW_TAR_STAR_ATIME, &b->atime) ||
                        !parse_number(block, WCOW_TAR_STAR_CTIME, &b->ctime)))
            return bad_number("time", err);
    }
    get_name(block, prefix_len, b->name);
    return WCOW_OK;
}

/* What has no data, whatever its size says. */
static bool is_header_only(char typeflag)
{
    return typeflag >= '1' && typeflag <= '6';
}

static int get_size(const uint8_t *block, struct wcow_tar_block *b, struct wcow_error *err)
{
    int64_t size = 0;
    if (!parse_number(block, WCOW_TAR_SIZE, &size))
        return bad_number("size", err);
    if (size < 0 && !is_header_only(b->typeflag))
        return bad_number("size", err);
    b->size = size < 0 ? 0 : (uint64_t)size;
    return WCOW_OK;
}

/* What a layer has no use for; but where Go cannot read it nobody unpacks the layer. */
static int check_unused(const uint8_t *block, struct wcow_error *err)
{
    const struct {
        struct wcow_tar_field field;
        const char *name;
        bool is_in_v7;
    } fields[] = {
        {WCOW_TAR_MODE, "mode", true},
        {WCOW_TAR_UID, "owner", true},
        {WCOW_TAR_GID, "group", true},
        {WCOW_TAR_DEVMAJOR, "device number", false},
        {WCOW_TAR_DEVMINOR, "device number", false},
    };
    bool is_v7 = !is_ustar(block) && !is_at(block, WCOW_TAR_MAGIC, WCOW_TAR_MAGIC_GNU);
    int64_t ignored = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if ((!is_v7 || fields[i].is_in_v7) && !parse_number(block, fields[i].field, &ignored))
            return bad_number(fields[i].name, err);
    }
    return WCOW_OK;
}

int wcow_tar_block_parse(const uint8_t *block, struct wcow_tar_block *ret, struct wcow_error *err)
{
    if (!is_checksum_right(block))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "no tar header (its checksum is wrong)");
    struct wcow_tar_block b = {.typeflag = (char)block[WCOW_TAR_TYPE.at]};
    int r = get_size(block, &b, err);
    if (r == WCOW_OK && !parse_number(block, WCOW_TAR_MTIME, &b.mtime))
        r = bad_number("modification time", err);
    if (r == WCOW_OK)
        r = check_unused(block, err);
    (void)get_string(block, WCOW_TAR_LINK, b.link);
    if (r == WCOW_OK)
        r = get_extras(block, &b, err);
    if (r == WCOW_OK)
        *ret = b;
    return r;
}
