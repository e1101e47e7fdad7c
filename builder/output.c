/* SPDX-License-Identifier: Apache-2.0 */
/* What --output says. */
#include "builder/output.h"

#include <stdlib.h>
#include <string.h>

void wcow_output_done(struct wcow_output *output)
{
    free(output->name);
    free(output->dest);
    wcow_str_list_done(&output->annotations);
    *output = (struct wcow_output){0};
}

/* ---- --output ---- */

struct type_name {
    const char *name;
    enum wcow_output_type type;
    bool push;
};

static int set_type(struct wcow_output *o, const char *value, struct wcow_error *err)
{
    static const struct type_name types[] = {
        {"image", WCOW_OUTPUT_IMAGE, false}, {"registry", WCOW_OUTPUT_IMAGE, true},
        {"oci", WCOW_OUTPUT_OCI, false},     {"docker", WCOW_OUTPUT_DOCKER, false},
        {"local", WCOW_OUTPUT_LOCAL, false}, {"tar", WCOW_OUTPUT_TAR, false}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(value, types[i].name) == 0) {
            o->type = types[i].type;
            o->push |= types[i].push;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "--output type=%s: there are image, registry, oci, docker, local and tar",
                     value);
}

static int set_bool(bool *ret, const char *key, const char *value, struct wcow_error *err)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--output %s is true or false, not \"%s\"", key,
                         value);
    *ret = strcmp(value, "true") == 0;
    return WCOW_OK;
}

static int set_text(char **ret, const char *value, struct wcow_error *err)
{
    free(*ret);
    *ret = strdup(value);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
}

struct field {
    const char *key;
    bool *flag;  /* or */
    char **text; /* or neither: then one of the others below */
};

/* What is always so: it may be asked for, and not be refused. */
static int check_given(const char *key, const char *value, bool *ret_known, struct wcow_error *err)
{
    static const struct {
        const char *key;
        const char *value;
    } given[] = {{"oci-mediatypes", "true"},     {"compression", "gzip"},
                 {"force-compression", "false"}, {"rewrite-timestamp", "true"},
                 {"oci-artifact", "false"},      {"buildinfo", "false"}};
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        if (strcmp(key, given[i].key) != 0)
            continue;
        *ret_known = true;
        return strcmp(value, given[i].value) == 0
                   ? WCOW_OK
                   : WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "--output %s=%s: it is always %s here", key,
                               value, given[i].value);
    }
    return WCOW_OK;
}

/* annotation[-LEVEL][[PLATFORM]].KEY=VALUE, as --annotation LEVEL[PLATFORM]:KEY=VALUE. */
static int add_annotation(struct wcow_output *o, const char *key, const char *value,
                          struct wcow_error *err)
{
    const char *level = key + strlen("annotation");
    const char *bracket = strchr(level, ']');
    const char *dot = strchr(bracket ? bracket : level, '.');
    wcow_autobuf text = {0};
    if (!dot || !dot[1] || (*level != '-' && *level != '[' && *level != '.'))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--output %s=…: it is annotation[-LEVEL][[PLATFORM]].KEY=VALUE", key);
    level += *level == '-';
    int r = WCOW_OK;
    if (dot > level)
        r = wcow_buf_addf(&text, err, "%s%.*s:", *level == '[' ? "manifest" : "",
                          (int)(dot - level), level);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&text, err, "%s=%s", dot + 1, value);
    return r < 0 ? r : wcow_str_list_add(&o->annotations, (const char *)text.data, err);
}

static int set_other(struct wcow_output *o, const char *key, const char *value,
                     struct wcow_error *err)
{
    bool is_known = false;
    if (strcmp(key, "type") == 0)
        return set_type(o, value, err);
    if (strncmp(key, "annotation", strlen("annotation")) == 0)
        return add_annotation(o, key, value, err);
    int r = check_given(key, value, &is_known, err);
    if (r < 0 || is_known)
        return r;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--output has no \"%s\"; there are type, name, dest, push, push-by-digest, "
                     "store, tar, unpack, platform-split and annotation.KEY",
                     key);
}

static int set_field(struct wcow_output *o, const char *key, const char *value,
                     struct wcow_error *err)
{
    const struct field fields[] = {{.key = "name", .text = &o->name},
                                   {.key = "dest", .text = &o->dest},
                                   {.key = "push", .flag = &o->push},
                                   {.key = "store", .flag = &o->store},
                                   {.key = "tar", .flag = &o->is_tar},
                                   {.key = "unpack", .flag = &o->unpack},
                                   {.key = "push-by-digest", .flag = &o->push_by_digest},
                                   {.key = "platform-split", .flag = &o->platform_split}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        return fields[i].text ? set_text(fields[i].text, value, err)
                              : set_bool(fields[i].flag, key, value, err);
    }
    return set_other(o, key, value, err);
}

/* The next field, quotes around it taken off: "name=a,b" is one. NULL at the end. */
static char *next_field(char **rest)
{
    char *field = *rest;
    if (!field || *field != '"')
        return strsep(rest, ",");
    char *end = strchr(++field, '"');
    if (!end || (end[1] && end[1] != ','))
        return strsep(rest, ","); /* refused as no key=value, or for its value */
    *rest = end[1] ? end + 2 : NULL;
    *end = '\0';
    return field;
}

static int parse_fields(const char *text, struct wcow_output *o, struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(text);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    char *rest = copy;
    for (char *field = next_field(&rest); field; field = next_field(&rest)) {
        char *equals = strchr(field, '=');
        if (!equals)
            return WCOW_FAIL(err, WCOW_E_INVALID, "--output: \"%s\" is not key=value", field);
        *equals = '\0';
        int r = set_field(o, field, equals + 1, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_output_parse(const char *text, struct wcow_output *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_output_done)
    struct wcow_output o = {
        .type = WCOW_OUTPUT_IMAGE, .is_tar = true, .store = true, .platform_split = true};
    if (!strchr(text, '=')) {
        o.type = strcmp(text, "-") == 0 ? WCOW_OUTPUT_TAR : WCOW_OUTPUT_LOCAL;
        int r = set_text(&o.dest, text, err);
        if (r == WCOW_OK) {
            *ret = o;
            o = (struct wcow_output){0};
        }
        return r;
    }
    int r = parse_fields(text, &o, err);
    if (r < 0)
        return r;
    if (o.type != WCOW_OUTPUT_IMAGE && !o.dest)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         o.type == WCOW_OUTPUT_LOCAL
                             ? "--output %s needs dest=FOLDER"
                             : "--output %s needs dest=FILE (dest=- is standard output)",
                         text);
    if (o.type != WCOW_OUTPUT_IMAGE && o.push)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--output %s: push is for type=image", text);
    *ret = o;
    o = (struct wcow_output){0};
    return WCOW_OK;
}
