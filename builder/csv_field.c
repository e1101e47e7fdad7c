/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/csv_field.h"

int wcow_csv_field(const char **text, struct wcow_buf *out, struct wcow_error *err)
{
    const char *c = *text;
    out->len = 0;
    int r = wcow_buf_add(out, "", 0, err);
    bool quoted = *c == '"';
    c += quoted;
    for (; *c && r == WCOW_OK; c++) {
        if (quoted && *c == '"' && c[1] != '"')
            break;
        if (!quoted && *c == ',')
            break;
        if (!quoted && *c == '"')
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "a quote within a field: quote the whole field, key and all");
        c += quoted && *c == '"';
        r = wcow_buf_add(out, c, 1, err);
    }
    if (r != WCOW_OK)
        return r;
    if (quoted && *c++ != '"')
        return WCOW_FAIL(err, WCOW_E_INVALID, "a quoted field has no end: %s", *text);
    if (*c && *c != ',')
        return WCOW_FAIL(err, WCOW_E_INVALID, "text behind a quoted field: %s", c);
    *text = *c ? c + 1 : NULL;
    return WCOW_OK;
}
