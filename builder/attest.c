/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/attest.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* One --attest, taken apart. Borrows from a copy of its text. */
struct fields {
    const char *type;
    const char *mode;
    const char *builder_id;
    const char *version;
    bool is_reproducible;
    bool is_disabled;
};

void wcow_attest_done(struct wcow_attest *attest)
{
    free(attest->builder_id);
    *attest = (struct wcow_attest){0};
}

static bool is_true(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static bool is_false(const char *text)
{
    return strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

int wcow_attest_add(struct wcow_str_list *texts, const char *type, const char *value,
                    struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = WCOW_OK;
    if (is_true(value) || is_false(value))
        r = wcow_buf_addf(&text, err, "type=%s,disabled=%s", type,
                          is_true(value) ? "false" : "true");
    else
        r = wcow_buf_addf(&text, err, "type=%s,%s", type, value);
    return r < 0 ? r : wcow_str_list_add(texts, (const char *)text.data, err);
}

static int set_bool(const char *text, const char *value, bool *ret, struct wcow_error *err)
{
    if (!is_true(value) && !is_false(value))
        return WCOW_FAIL(err, WCOW_E_INVALID, "--attest %s: \"%s\" is neither true nor false", text,
                         value);
    *ret = is_true(value);
    return WCOW_OK;
}

static int set_field(const char *text, const char *key, const char *value, struct fields *ret,
                     struct wcow_error *err)
{
    const struct {
        const char *key;
        const char **text;
        bool *flag;
    } fields[] = {{"type", &ret->type, NULL},
                  {"mode", &ret->mode, NULL},
                  {"builder-id", &ret->builder_id, NULL},
                  {"version", &ret->version, NULL},
                  {"reproducible", NULL, &ret->is_reproducible},
                  {"disabled", NULL, &ret->is_disabled}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        if (fields[i].flag)
            return set_bool(text, value, fields[i].flag, err);
        *fields[i].text = value;
        return WCOW_OK;
    }
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--attest %s: there is no \"%s\"; there are type, mode, builder-id, version, "
                     "reproducible and disabled",
                     text, key);
}

static int parse_fields(const char *text, char *copy, struct fields *ret, struct wcow_error *err)
{
    int r = WCOW_OK;
    char *rest = copy;
    for (char *field = strsep(&rest, ","); field && r == WCOW_OK; field = strsep(&rest, ",")) {
        char *equals = strchr(field, '=');
        if (!equals)
            return WCOW_FAIL(err, WCOW_E_INVALID, "--attest %s: \"%s\" is not key=value", text,
                             field);
        *equals = '\0';
        r = set_field(text, field, equals + 1, ret, err);
    }
    if (r == WCOW_OK && !ret->type)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--attest %s: there is no type=provenance", text);
    return r;
}

static int take_provenance(const char *text, const struct fields *f, struct wcow_attest *ret,
                           struct wcow_error *err)
{
    wcow_attest_done(ret);
    if (f->is_disabled)
        return WCOW_OK;
    if (f->version && strcmp(f->version, "v1") != 0)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "--attest %s: there is version=v1 (SLSA v1) only",
                         text);
    if (f->mode && strcmp(f->mode, "min") != 0 && strcmp(f->mode, "max") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--attest %s: mode is min or max, not \"%s\"", text,
                         f->mode);
    ret->provenance = true;
    ret->is_max = f->mode && strcmp(f->mode, "max") == 0;
    ret->is_reproducible = f->is_reproducible;
    ret->builder_id = f->builder_id ? strdup(f->builder_id) : NULL;
    return !f->builder_id || ret->builder_id
               ? WCOW_OK
               : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --attest");
}

static int parse_one(const char *text, struct wcow_attest *ret, struct wcow_error *err)
{
    struct fields f = {0};
    wcow_autofree char *copy = strdup(text);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --attest");
    int r = parse_fields(text, copy, &f, err);
    if (r < 0)
        return r;
    if (strcmp(f.type, "provenance") == 0)
        return take_provenance(text, &f, ret, err);
    if (strcmp(f.type, "sbom") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--attest %s: the type is provenance, not \"%s\"",
                         text, f.type);
    return f.is_disabled ? WCOW_OK
                         : WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                                     "--sbom is not supported: wcow has no scanner that reads "
                                     "Windows images; --sbom=false is fine");
}

int wcow_attest_parse(const struct wcow_str_list *texts, struct wcow_attest *ret,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_attest_done) struct wcow_attest attest = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < texts->count; i++)
        r = parse_one(texts->items[i], &attest, err);
    if (r < 0)
        return r;
    *ret = attest;
    attest = (struct wcow_attest){0};
    return WCOW_OK;
}
