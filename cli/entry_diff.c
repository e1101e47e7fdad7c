/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/entry_diff.h"

#include <string.h>

static const char *const field_names[WCOW_DIFF_N_FIELDS] = {
    "type", "case",     "content", "target",   "attributes", "security",
    "eas",  "modified", "created", "accessed", "changed",
};

const char *wcow_entry_diff_name(unsigned field)
{
    for (size_t i = 0; i < WCOW_DIFF_N_FIELDS; i++) {
        if (field == 1U << i)
            return field_names[i];
    }
    return "";
}

int wcow_entry_diff_parse(const char *text, unsigned *ret, struct wcow_error *err)
{
    if (strcmp(text, "times") == 0) {
        *ret = WCOW_DIFF_TIMES;
        return WCOW_OK;
    }
    for (size_t i = 0; i < WCOW_DIFF_N_FIELDS; i++) {
        if (strcmp(text, field_names[i]) != 0)
            continue;
        *ret = 1U << i;
        return WCOW_OK;
    }
    wcow_autobuf names = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < WCOW_DIFF_N_FIELDS; i++)
        r = wcow_buf_addf(&names, err, "%s, ", field_names[i]);
    return r < 0 ? r
                 : WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is none of %stimes", text,
                             (const char *)names.data);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static const char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static bool has_ea(const struct wcow_entry *entry, const struct wcow_ea *ea)
{
    for (size_t i = 0; i < entry->n_eas; i++) {
        const struct wcow_ea *its = &entry->eas[i];
        if (strcmp(its->name, ea->name) == 0)
            return its->len_bytes == ea->len_bytes &&
                   (!ea->len_bytes || memcmp(its->value, ea->value, ea->len_bytes) == 0);
    }
    return false;
}

/* The order does not count. */
static bool same_eas(const struct wcow_entry *a, const struct wcow_entry *b)
{
    bool same = a->n_eas == b->n_eas;
    for (size_t i = 0; same && i < a->n_eas; i++)
        same = has_ea(b, &a->eas[i]);
    return same;
}

static bool same_sd(const struct wcow_entry *a, const struct wcow_entry *b)
{
    return a->sd_len_bytes == b->sd_len_bytes &&
           (!a->sd_len_bytes || memcmp(a->sd, b->sd, a->sd_len_bytes) == 0);
}

unsigned wcow_entry_diff(const struct wcow_entry *a, const struct wcow_entry *b)
{
    /* A junction and a symbolic link are two things. */
    uint32_t kind = (a->has ^ b->has) & WCOW_HAS_MOUNTPOINT;
    const struct {
        bool differs;
        unsigned field;
    } all[] = {
        {a->type != b->type || kind, WCOW_DIFF_TYPE},
        {!same_text(base_name(a->name), base_name(b->name)), WCOW_DIFF_CASE},
        {a->type == b->type && a->size_bytes != b->size_bytes, WCOW_DIFF_CONTENT},
        {a->type == b->type && !same_text(a->link, b->link), WCOW_DIFF_TARGET},
        {a->attributes != b->attributes, WCOW_DIFF_ATTRIBUTES},
        {!same_sd(a, b), WCOW_DIFF_SECURITY},
        {!same_eas(a, b), WCOW_DIFF_EAS},
        {a->mtime != b->mtime, WCOW_DIFF_MODIFIED},
        {a->creation != b->creation, WCOW_DIFF_CREATED},
        {a->atime != b->atime, WCOW_DIFF_ACCESSED},
        {a->ctime != b->ctime, WCOW_DIFF_CHANGED},
    };
    unsigned fields = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        fields |= all[i].differs ? all[i].field : 0U;
    return fields;
}
