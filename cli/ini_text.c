/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ini_text.h"

#include <ini.h>
#include <string.h>

struct reader {
    wcow_ini_fn fn;
    void *arg;
    struct wcow_error *err;
    int result;
};

/* The parser says nothing of a section without settings, which would be taken for one that counts.
 */
static int refuse_sections(const char *text, int *ret_line, struct wcow_error *err)
{
    int line = 1;
    for (const char *at = text; at; line++) {
        at += strspn(at, " \t");
        int len = (int)strcspn(at, "]\r\n");
        if (*at == '[') {
            *ret_line = line;
            return WCOW_FAIL(err, WCOW_E_INVALID, "sections are not used, but there is %.*s]", len,
                             at);
        }
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return WCOW_OK;
}

static int on_setting(void *arg, const char *section, const char *name, const char *value)
{
    (void)section;
    struct reader *r = arg;
    r->result = r->fn(r->arg, name, value, r->err);
    return r->result == WCOW_OK;
}

int wcow_ini_parse(const char *text, wcow_ini_fn fn, void *arg, int *ret_line,
                   struct wcow_error *err)
{
    int r = refuse_sections(text, ret_line, err);
    if (r < 0)
        return r;
    struct reader reader = {.fn = fn, .arg = arg, .err = err};
    int line = ini_parse_string(text, on_setting, &reader);
    if (line != 0 && reader.result == WCOW_OK)
        reader.result = WCOW_FAIL(err, WCOW_E_INVALID, "not \"name = value\"");
    if (reader.result < 0)
        *ret_line = line;
    return reader.result;
}
