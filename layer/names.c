/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/names.h"

#include <string.h>
#include <strings.h>

#include "base/utf.h"
#include "layer/upcase_table.h"

enum { MAX_COMPONENT_UNITS = 255 };

static bool is_high_surrogate(uint32_t cp)
{
    return cp >= 0xd800 && cp <= 0xdbff;
}

static bool is_low_surrogate(uint32_t cp)
{
    return cp >= 0xdc00 && cp <= 0xdfff;
}

static char upcase_ascii(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

static uint32_t upcase(uint32_t cp)
{
    if (cp < 0x80)
        return (uint32_t)upcase_ascii((char)cp);
    size_t low = 0;
    size_t high = sizeof(wcow_upcase_ranges) / sizeof(wcow_upcase_ranges[0]);
    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct wcow_upcase_range *range = &wcow_upcase_ranges[mid];
        if (cp > range->last)
            low = mid + 1;
        else if (cp < range->first)
            high = mid;
        else if ((cp - range->first) % range->step)
            return cp;
        else
            return (uint16_t)(cp + range->delta);
    }
    return cp;
}

/* One code point of @p path in upper case. A pair of surrogates written as two code points is the
 * same name on NTFS as the character they stand for, so the key has the character. */
static int add_upcased(struct wcow_buf *key, const char *path, size_t len, size_t *ret_read,
                       struct wcow_error *err)
{
    uint32_t cp = 0;
    size_t n = wcow_wtf8_decode(path, len, &cp);
    if (!n)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a name that is not UTF-8");
    if (is_high_surrogate(cp) && n < len) {
        uint32_t next = 0;
        size_t m = wcow_wtf8_decode(path + n, len - n, &next);
        if (m && is_low_surrogate(next)) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (next - 0xdc00);
            n += m;
        }
    }
    uint8_t out[4];
    size_t out_len = wcow_wtf8_encode(cp < 0x10000 ? upcase(cp) : cp, out);
    *ret_read = n;
    return wcow_buf_add(key, out, out_len, err);
}

int wcow_name_key(const char *path, char **ret, struct wcow_error *err)
{
    size_t len = strlen(path);
    wcow_autobuf key = {0};
    uint8_t *p = NULL;
    int r = wcow_buf_reserve(&key, len, &p, err);
    if (r < 0)
        return r;
    size_t i = 0;
    for (; i < len && (unsigned char)path[i] < 0x80; i++)
        p[i] = (uint8_t)upcase_ascii(path[i]);
    key.len = i;
    key.data[i] = '\0';
    while (r == WCOW_OK && i < len) {
        size_t n = 0;
        r = add_upcased(&key, path + i, len - i, &n, err);
        i += n;
    }
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%.200s\"", path);
    *ret = wcow_buf_take_str(&key);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

/* CON, NUL, COM1 and their like mean devices, whatever stands behind a dot or spaces. */
static bool is_device_name(const char *s, size_t len)
{
    const char *dot = memchr(s, '.', len);
    size_t n = dot ? (size_t)(dot - s) : len;
    while (n && s[n - 1] == ' ')
        n--;
    static const char *const names[] = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == n && strncasecmp(s, names[i], n) == 0)
            return true;
    if (n < 4 || n > 5 || (strncasecmp(s, "COM", 3) != 0 && strncasecmp(s, "LPT", 3) != 0))
        return false;
    if (n == 4)
        return s[3] >= '1' && s[3] <= '9';
    /* Superscript one, two and three are digits to Windows. */
    return n == 5 && (unsigned char)s[3] == 0xc2 &&
           (strchr("\xb9\xb2\xb3", (unsigned char)s[4]) != NULL && s[4] != '\0');
}

static bool is_plain(char c)
{
    switch (c) {
    case '<':
    case '>':
    case ':':
    case '"':
    case '|':
    case '?':
    case '*':
    case '\\':
    case '/':
        return false;
    default:
        return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80;
    }
}

static int check_characters(const char *s, size_t len, struct wcow_error *err)
{
    size_t units = 0;
    uint32_t before = 0;
    while (units < len && is_plain(s[units])) /* nearly all names, to their end */
        units++;
    for (size_t i = units; i < len;) {
        uint32_t cp = 0;
        size_t n = wcow_wtf8_decode(s + i, len - i, &cp);
        if (!n)
            return WCOW_FAIL(err, WCOW_E_INVALID, "it is not UTF-8 at byte %zu", i);
        if (is_high_surrogate(before) && is_low_surrogate(cp))
            return WCOW_FAIL(err, WCOW_E_INVALID, "a surrogate pair at byte %zu is not UTF-8", i);
        if (cp < 0x20)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "it has the control character 0x%02x, which Windows refuses", cp);
        if (cp < 0x80 && strchr("<>:\"|?*\\/", (int)cp))
            return WCOW_FAIL(err, WCOW_E_INVALID, "it has '%c', which Windows refuses", (int)cp);
        units += cp > 0xffff ? 2 : 1;
        before = cp;
        i += n;
    }
    if (units > MAX_COMPONENT_UNITS)
        return WCOW_FAIL(err, WCOW_E_INVALID, "it has %zu UTF-16 units, Windows allows %d", units,
                         MAX_COMPONENT_UNITS);
    return WCOW_OK;
}

/* What means something else to whoever imports a layer. A directory's metadata is staged in a file
 * "NAME.$wcidirs$" beside it. */
static int check_reserved(const char *s, size_t len, int shown, struct wcow_error *err)
{
    static const char staging[] = ".$wcidirs$";
    const size_t n_prefix = sizeof(WCOW_WHITEOUT_PREFIX) - 1;
    const size_t n_staging = sizeof(staging) - 1;
    if (len >= n_prefix && memcmp(s, WCOW_WHITEOUT_PREFIX, n_prefix) == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.*s\": no file of a layer may have a name that begins with "
                         "\"" WCOW_WHITEOUT_PREFIX
                         "\", which would delete what has the rest of that name",
                         shown, s);
    if (len >= n_staging && strncasecmp(s + len - n_staging, staging, n_staging) == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.*s\": names ending with \"%s\" are the importers' own", shown, s,
                         staging);
    return WCOW_OK;
}

int wcow_name_check_component(const char *component, size_t len, struct wcow_error *err)
{
    if (len == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a component is empty (\"//\")");
    if ((len == 1 && component[0] == '.') || (len == 2 && memcmp(component, "..", 2) == 0))
        return WCOW_FAIL(err, WCOW_E_INVALID, "the component \"%.*s\" is not allowed", (int)len,
                         component);
    int shown = len > 200 ? 200 : (int)len;
    int r = check_characters(component, len, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%.*s\"", shown, component);
    if (component[len - 1] == '.' || component[len - 1] == ' ')
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.*s\" ends with a dot or a space, which Windows drops", shown,
                         component);
    if (is_device_name(component, len))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.*s\" is a device name on Windows", shown,
                         component);
    return check_reserved(component, len, shown, err);
}
