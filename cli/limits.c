/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One "name=value" of @p len bytes. */
struct item {
    const char *text;
    int len;
    uint64_t value;
};

static int parse_value(struct item *item, const char *value, bool is_bytes, uint64_t max,
                       struct wcow_error *err)
{
    static const char units[] = "KMGT";
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    const char *stop = item->text + item->len;
    const char *unit = is_bytes && end < stop ? strchr(units, *end) : NULL;
    unsigned shift = 0;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (errno || *value < '0' || *value > '9' || end != stop || n == 0 || n > max >> shift)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.*s\" in --layer-limits: use a number from 1%s",
                         item->len, item->text, is_bytes ? ", such as 200G" : "");
    item->value = (uint64_t)n << shift;
    return WCOW_OK;
}

static int parse_item(struct item *item, struct wcow_layer_limits *limits, struct wcow_error *err)
{
    struct {
        const char *name;
        bool is_bytes;
        uint64_t *wide;
        uint32_t *narrow;
    } const all[] = {
        {"bytes", true, &limits->tar.max_total_bytes, NULL},
        {"file", true, &limits->tar.max_entry_bytes, NULL},
        {"entries", false, &limits->tar.max_entries, NULL},
        {"depth", false, NULL, &limits->tar.max_depth},
        {"header", true, NULL, &limits->tar.max_header_bytes},
        {"ratio", false, NULL, &limits->ratio},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t len = strlen(all[i].name);
        if (strncmp(item->text, all[i].name, len) != 0 || item->text[len] != '=')
            continue;
        int r = parse_value(item, item->text + len + 1, all[i].is_bytes,
                            all[i].wide ? INT64_MAX : UINT32_MAX, err);
        if (r == WCOW_OK && all[i].wide)
            *all[i].wide = item->value;
        else if (r == WCOW_OK)
            *all[i].narrow = (uint32_t)item->value;
        return r;
    }
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%.*s\" in --layer-limits: use bytes=, file=, entries=, depth=, header= or "
                     "ratio=",
                     item->len, item->text);
}

int wcow_limits_parse(const char *text, struct wcow_layer_limits *ret, struct wcow_error *err)
{
    struct wcow_layer_limits limits = {0};
    while (*text) {
        struct item item = {.text = text, .len = (int)strcspn(text, ", ")};
        int r = item.len ? parse_item(&item, &limits, err) : WCOW_OK;
        if (r < 0)
            return r;
        text += item.len;
        text += strspn(text, ", ");
    }
    *ret = limits;
    return WCOW_OK;
}
