/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/cache_place.h"

#include <stdlib.h>
#include <string.h>

void wcow_cache_place_done(struct wcow_cache_place *place)
{
    free(place->text);
    free(place->folder);
    free(place->tag);
    *place = (struct wcow_cache_place){0};
}

/* One option being read. */
struct reading {
    const char *option; /* "--cache-to" */
    bool is_to;
    bool has_type;
    char *ref;
    struct wcow_cache_place *place;
};

static int no_memory(const struct reading *r, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %s", r->option);
}

static int set_text(const struct reading *r, char **to, const char *value, struct wcow_error *err)
{
    free(*to);
    *to = strdup(value);
    return *to ? WCOW_OK : no_memory(r, err);
}

static int set_type(struct reading *r, const char *value, struct wcow_error *err)
{
    static const struct {
        const char *name;
        enum wcow_cache_type type;
    } types[] = {{"registry", WCOW_CACHE_REGISTRY},
                 {"local", WCOW_CACHE_LOCAL},
                 {"inline", WCOW_CACHE_INLINE}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(value, types[i].name) == 0) {
            r->place->type = types[i].type;
            r->has_type = true;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "%s type=%s: there are registry, local and inline",
                     r->option, value);
}

static int set_bool(const struct reading *r, const char *key, const char *value, bool *ret,
                    struct wcow_error *err)
{
    bool is_true = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (!is_true && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s %s is true or false, not \"%s\"", r->option, key,
                         value);
    *ret = is_true;
    return WCOW_OK;
}

static int set_mode(const struct reading *r, const char *value, struct wcow_error *err)
{
    if (strcmp(value, "min") != 0 && strcmp(value, "max") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s mode is min or max, not \"%s\"", r->option,
                         value);
    r->place->is_max = strcmp(value, "max") == 0;
    return WCOW_OK;
}

/* Layers are made once, as gzip: there is nothing to choose. */
static int check_compression(const struct reading *r, const char *value, struct wcow_error *err)
{
    if (strcmp(value, "gzip") == 0)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "%s compression=%s: layers are written as gzip, and the cache holds them as "
                     "they are",
                     r->option, value);
}

static int set_to(struct reading *r, const char *key, const char *value, struct wcow_error *err)
{
    struct wcow_cache_place *p = r->place;
    bool flag = false;
    int code = WCOW_OK;
    if (strcmp(key, "dest") == 0)
        return set_text(r, &p->folder, value, err);
    if (strcmp(key, "mode") == 0)
        return set_mode(r, value, err);
    if (strcmp(key, "image-manifest") == 0) {
        code = set_bool(r, key, value, &flag, err);
        p->is_index = !flag;
        return code;
    }
    if (strcmp(key, "oci-mediatypes") == 0) {
        code = set_bool(r, key, value, &flag, err);
        p->is_docker = !flag;
        return code;
    }
    if (strcmp(key, "ignore-error") == 0)
        return set_bool(r, key, value, &p->ignores_errors, err);
    if (strcmp(key, "compression") == 0)
        return check_compression(r, value, err);
    if (strcmp(key, "compression-level") == 0 || strcmp(key, "force-compression") == 0)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "%s has no \"%s\"; there are type, ref, dest, tag, mode, image-manifest, "
                     "oci-mediatypes, compression and ignore-error",
                     r->option, key);
}

static int set_from(struct reading *r, const char *key, const char *value, struct wcow_error *err)
{
    if (strcmp(key, "src") == 0)
        return set_text(r, &r->place->folder, value, err);
    if (strcmp(key, "digest") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "%s has no \"%s\"; there are type, ref, src, tag and digest", r->option,
                         key);
    if (!wcow_digest_is_valid(value))
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s digest=%s is no sha256 digest", r->option, value);
    memcpy(r->place->digest.text, value, sizeof(r->place->digest.text));
    return WCOW_OK;
}

static int set_field(struct reading *r, const char *key, const char *value, struct wcow_error *err)
{
    if (strcmp(key, "type") == 0)
        return set_type(r, value, err);
    if (strcmp(key, "ref") == 0)
        return set_text(r, &r->ref, value, err);
    if (strcmp(key, "tag") == 0)
        return set_text(r, &r->place->tag, value, err);
    return r->is_to ? set_to(r, key, value, err) : set_from(r, key, value, err);
}

static int read_fields(struct reading *r, const char *text, struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(text);
    if (!copy)
        return no_memory(r, err);
    char *rest = copy;
    for (char *field = strsep(&rest, ","); field; field = strsep(&rest, ",")) {
        char *equals = strchr(field, '=');
        if (!equals)
            return WCOW_FAIL(err, WCOW_E_INVALID, "%s: \"%s\" is not key=value", r->option, field);
        *equals = '\0';
        int code = set_field(r, field, equals + 1, err);
        if (code < 0)
            return code;
    }
    return r->has_type ? WCOW_OK
                       : WCOW_FAIL(err, WCOW_E_INVALID,
                                   "%s %s: type=registry, type=local or type=inline is missing",
                                   r->option, text);
}

/* ---- what each type needs ---- */

static int take_reference(const struct reading *r, const char *text, struct wcow_error *err)
{
    if (!r->ref)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s %s: ref=REGISTRY/NAME:TAG is missing", r->option,
                         text);
    int code = wcow_reference_parse(r->ref, &r->place->ref, err);
    if (code < 0)
        return wcow_error_wrap(code, err, "%s %s", r->option, r->ref);
    if (r->is_to && r->place->ref.digest.text[0])
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s %s has a digest; leave it out", r->option,
                         r->ref);
    wcow_reference_set_default_tag(&r->place->ref);
    return set_text(r, &r->place->text, r->ref, err);
}

static int check_place(const struct reading *r, const char *text, struct wcow_error *err)
{
    struct wcow_cache_place *p = r->place;
    if (p->is_docker && !p->is_index)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "%s: oci-mediatypes=false needs image-manifest=false: Docker's manifests "
                         "take no cache",
                         r->option);
    switch (p->type) {
    case WCOW_CACHE_REGISTRY:
        return take_reference(r, text, err);
    case WCOW_CACHE_LOCAL:
        if (!p->folder)
            return WCOW_FAIL(err, WCOW_E_INVALID, "%s %s: %s=FOLDER is missing", r->option, text,
                             r->is_to ? "dest" : "src");
        if (!p->tag) {
            int code = set_text(r, &p->tag, "latest", err);
            if (code < 0)
                return code;
        }
        return set_text(r, &p->text, p->folder, err);
    case WCOW_CACHE_INLINE:
        break;
    }
    /* An image brings its inline cache along: whence it comes is a registry. */
    return r->is_to ? set_text(r, &p->text, "inline", err) : take_reference(r, text, err);
}

static int parse(const char *text, bool is_to, struct wcow_cache_place *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place place = {0};
    struct reading r = {
        .option = is_to ? "--cache-to" : "--cache-from", .is_to = is_to, .place = &place};
    int code = strchr(text, '=') ? read_fields(&r, text, err) : set_text(&r, &r.ref, text, err);
    if (code == WCOW_OK)
        code = check_place(&r, text, err);
    free(r.ref);
    if (code < 0)
        return code;
    *ret = place;
    place = (struct wcow_cache_place){0};
    return WCOW_OK;
}

int wcow_cache_from_parse(const char *text, struct wcow_cache_place *ret, struct wcow_error *err)
{
    return parse(text, false, ret, err);
}

int wcow_cache_to_parse(const char *text, struct wcow_cache_place *ret, struct wcow_error *err)
{
    return parse(text, true, ret, err);
}
