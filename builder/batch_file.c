/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the table: Unicode's CP437.TXT. */
#include "builder/batch_file.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/utf.h"

enum { FIRST_OEM = 0x80 };

/* The characters of code page 437 from 0x80. */
static const uint16_t oem[] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa,
    0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
    0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4,
    0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0};

/* The character's byte, or 0. */
static uint8_t oem_byte(uint32_t code_point)
{
    for (size_t i = 0; i < sizeof(oem) / sizeof(oem[0]); i++) {
        if (oem[i] == code_point)
            return (uint8_t)(FIRST_OEM + i);
    }
    return 0;
}

/* Whether cmd passes over the line, whatever stands in it. */
static bool is_remark(const char *line)
{
    line += strspn(line, " \t@");
    return strncmp(line, "::", 2) == 0 ||
           (strncasecmp(line, "rem", 3) == 0 && line[3] != '\0' && strchr(" \t\r\n", line[3]));
}

/* One character; its length in the script goes to *ret_len. @param line  0: of a remark */
static int add_character(const char *text, unsigned line, size_t *ret_len, struct wcow_buf *out,
                         struct wcow_error *err)
{
    uint32_t code_point = (uint8_t)*text;
    *ret_len = 1;
    if (code_point < FIRST_OEM)
        return wcow_buf_add(out, text, 1, err);
    size_t n = wcow_wtf8_decode((const uint8_t *)text, strlen(text), &code_point);
    uint8_t byte = n ? oem_byte(code_point) : 0;
    if (byte) {
        *ret_len = n;
        return wcow_buf_add(out, &byte, 1, err);
    }
    if (!line) {
        *ret_len = n ? n : 1;
        return wcow_buf_add(out, "?", 1, err);
    }
    return WCOW_FAIL(
        err, WCOW_E_UNSUPPORTED,
        "line %u of the here-document has \"%.*s\", which a batch file cannot: its code "
        "page is 437; RUN with the command on its own line takes any character",
        line, (int)(n ? n : 1), n ? text : "?");
}

int wcow_batch_file_write(const char *script, struct wcow_buf *out, struct wcow_error *err)
{
    unsigned line = 1;
    int r = wcow_buf_add_str(out, "@echo off\r\n", err);
    for (const char *p = script; r == WCOW_OK && *p; line++) {
        size_t len = 0;
        const unsigned named = is_remark(p) ? 0 : line;
        for (; r == WCOW_OK && *p && !strchr("\r\n", *p); p += len)
            r = add_character(p, named, &len, out, err);
        p += *p == '\r';
        p += *p == '\n';
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, "\r\n", err);
    }
    return r;
}
