/* SPDX-License-Identifier: Apache-2.0 */
#include "image/provenance.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "image/config.h"
#include "image/json.h"

/* Where the fields of externalParameters and internalParameters are described. */
#define BUILD_TYPE                                                                                 \
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"

/* ---- materials ---- */

void wcow_materials_done(struct wcow_materials *materials)
{
    for (size_t i = 0; i < materials->n; i++) {
        free(materials->items[i].uri);
        free(materials->items[i].digest);
    }
    free(materials->items);
    *materials = (struct wcow_materials){0};
}

int wcow_materials_add(struct wcow_materials *materials, const char *uri, const char *digest,
                       struct wcow_error *err)
{
    size_t at = 0;
    int order = 1;
    while (at < materials->n && (order = strcmp(materials->items[at].uri, uri)) < 0)
        at++;
    if (at < materials->n && order == 0)
        return WCOW_OK;
    struct wcow_material *grown = reallocarray(materials->items, materials->n + 1, sizeof(*grown));
    if (grown)
        materials->items = grown;
    struct wcow_material item = {.uri = strdup(uri), .digest = strdup(digest)};
    if (!grown || !item.uri || !item.digest) {
        free(item.uri);
        free(item.digest);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the provenance");
    }
    memmove(grown + at + 1, grown + at, (materials->n - at) * sizeof(*grown));
    grown[at] = item;
    materials->n++;
    return WCOW_OK;
}

/* ---- package URLs (https://github.com/package-url/purl-spec) ---- */

static int add_escaped(const char *text, const char *plain, struct wcow_buf *out,
                       struct wcow_error *err)
{
    int r = WCOW_OK;
    for (const char *p = text; r == WCOW_OK && *p; p++) {
        bool is_plain = isalnum((unsigned char)*p) || strchr(".-_~", *p) || strchr(plain, *p);
        r = is_plain ? wcow_buf_add(out, p, 1, err)
                     : wcow_buf_addf(out, err, "%%%02X", (unsigned)(unsigned char)*p);
    }
    return r;
}

int wcow_package_url(const struct wcow_reference *ref, const struct wcow_platform *platform,
                     struct wcow_buf *out, struct wcow_error *err)
{
    struct wcow_reference name = *ref;
    wcow_autobuf familiar = {0};
    wcow_autobuf text = {0};
    struct wcow_platform plain = *platform;
    plain.os_version[0] = '\0';
    plain.os_features[0] = '\0';
    name.tag[0] = '\0';
    name.digest.text[0] = '\0';
    int r = wcow_reference_format_familiar(&name, &familiar, err);
    if (r == WCOW_OK)
        r = wcow_platform_format(&plain, &text, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(out, "pkg:docker/", err);
    if (r == WCOW_OK)
        r = add_escaped((const char *)familiar.data, "/", out, err);
    if (r == WCOW_OK && (ref->tag[0] || !ref->digest.text[0]))
        r = wcow_buf_addf(out, err, "@%s", ref->tag[0] ? ref->tag : "latest");
    if (r == WCOW_OK && ref->digest.text[0])
        r = wcow_buf_addf(out, err, "?digest=%s&", ref->digest.text);
    else if (r == WCOW_OK)
        r = wcow_buf_add_str(out, "?", err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(out, "platform=", err);
    return r < 0 || !text.data ? r : add_escaped((const char *)text.data, "", out, err);
}

/* ---- JSON ---- */

/* "sha256:abc" as {"sha256": "abc"}. */
static json_t *digest_set(const char *digest)
{
    const char *colon = strchr(digest, ':');
    char name[16] = "sha256";
    size_t len = colon ? (size_t)(colon - digest) : 0;
    if (len > 0 && len < sizeof(name)) {
        memcpy(name, digest, len);
        name[len] = '\0';
    }
    return json_pack("{s:s}", name, colon ? colon + 1 : digest);
}

static json_t *dependencies(const struct wcow_provenance *p)
{
    wcow_autojson *all = json_array();
    for (size_t i = 0; all && i < p->materials->n; i++) {
        const struct wcow_material *m = &p->materials->items[i];
        if (json_array_append_new(
                all, json_pack("{s:s, s:o}", "uri", m->uri, "digest", digest_set(m->digest))) < 0)
            return NULL;
    }
    return WCOW_TAKE_PTR(all);
}

/* What says what the builder was given, and may be confidential. */
static bool is_private(const char *key)
{
    return strncmp(key, "build-arg:", 10) == 0 || strncmp(key, "label:", 6) == 0;
}

static json_t *request_args(const struct wcow_provenance *p, bool *ret_complete)
{
    wcow_autojson *args = json_object();
    for (size_t i = 0; args && i < p->args->count; i++) {
        const struct wcow_str_pair *pair = &p->args->pairs[i];
        if (!p->is_max && is_private(pair->key))
            *ret_complete = false;
        else if (json_object_set_new(args, pair->key, json_string(pair->value)) < 0)
            return NULL;
    }
    return WCOW_TAKE_PTR(args);
}

static json_t *request_secrets(const struct wcow_provenance *p)
{
    wcow_autojson *all = json_array();
    for (size_t i = 0; all && i < p->secrets->count; i++) {
        if (json_array_append_new(all, json_pack("{s:s}", "id", p->secrets->items[i])) < 0)
            return NULL;
    }
    return WCOW_TAKE_PTR(all);
}

static json_t *request(const struct wcow_provenance *p, bool *ret_complete)
{
    wcow_autojson *all =
        json_pack("{s:s, s:o, s:[{s:s}, {s:s}]}", "frontend", "dockerfile.v0", "args",
                  request_args(p, ret_complete), "locals", "name", "context", "name", "dockerfile");
    if (all && p->is_max && p->secrets->count > 0 &&
        json_object_set_new(all, "secrets", request_secrets(p)) < 0)
        return NULL;
    if (!p->is_max && p->secrets->count > 0)
        *ret_complete = false;
    return WCOW_TAKE_PTR(all);
}

static json_t *platform_text(const struct wcow_platform *platform)
{
    wcow_autobuf text = {0};
    return wcow_platform_format(platform, &text, NULL) < 0 ? NULL
                                                           : json_string((const char *)text.data);
}

static json_t *definition(const struct wcow_provenance *p, bool *ret_complete)
{
    return json_pack("{s:s, s:{s:{s:s}, s:o}, s:{s:o}, s:o}", "buildType", BUILD_TYPE,
                     "externalParameters", "configSource", "path", p->filename, "request",
                     request(p, ret_complete), "internalParameters", "builderPlatform",
                     platform_text(&p->builder), "resolvedDependencies", dependencies(p));
}

static json_t *layers(const struct wcow_provenance *p)
{
    wcow_autojson *all = json_array();
    for (size_t i = 0; all && i < p->n_layers; i++) {
        json_t *layer = NULL;
        if (wcow_descriptor_to_json(&p->layers[i], &layer, NULL) < 0 ||
            json_array_append_new(all, layer) < 0)
            return NULL;
    }
    return json_pack("{s:[o]}", "step0:0", WCOW_TAKE_PTR(all));
}

static json_t *extra_metadata(const struct wcow_provenance *p)
{
    wcow_autobuf text = {0};
    if (!p->is_max)
        return json_object();
    if (wcow_base64_encode(p->dockerfile, p->dockerfile_len, &text, NULL) < 0)
        return NULL;
    return json_pack("{s:{s:[{s:s, s:s, s:s}]}, s:o}", "source", "infos", "filename", p->filename,
                     "language", "Dockerfile", "data", text.len ? (const char *)text.data : "",
                     "layers", layers(p));
}

static json_t *time_text(int64_t seconds)
{
    char text[WCOW_TIME_TEXT_MAX];
    return wcow_time_format(seconds, 0, text, NULL) < 0 ? NULL : json_string(text);
}

static json_t *run_details(const struct wcow_provenance *p, bool is_complete)
{
    wcow_autojson *metadata = json_pack(
        "{s:s, s:o, s:o, s:o, s:{s:b, s:b}}", "invocationId", p->invocation_id, "startedOn",
        time_text(p->started_s), "finishedOn", time_text(p->finished_s), "buildkit_metadata",
        extra_metadata(p), "buildkit_completeness", "request", is_complete, "resolvedDependencies",
        false); /* the build context is local: nobody else can have it */
    if (metadata && p->is_reproducible &&
        json_object_set_new(metadata, "buildkit_reproducible", json_true()) < 0)
        return NULL;
    return json_pack("{s:{s:s}, s:o}", "builder", "id", p->builder_id ? p->builder_id : "",
                     "metadata", WCOW_TAKE_PTR(metadata));
}

int wcow_provenance_predicate(const struct wcow_provenance *p, json_t **ret, struct wcow_error *err)
{
    bool is_complete = true;
    wcow_autojson *built = definition(p, &is_complete);
    json_t *predicate = json_pack("{s:o, s:o}", "buildDefinition", WCOW_TAKE_PTR(built),
                                  "runDetails", run_details(p, is_complete));
    if (!predicate)
        return wcow_json_nomem(err);
    *ret = predicate;
    return WCOW_OK;
}

/* An image without a name is called "_", as in-toto's specification has it. */
static json_t *subjects(const struct wcow_provenance *p)
{
    wcow_autojson *all = json_array();
    size_t n = p->subjects->count ? p->subjects->count : 1;
    for (size_t i = 0; all && i < n; i++) {
        const char *name = p->subjects->count ? p->subjects->items[i] : "_";
        if (json_array_append_new(all, json_pack("{s:s, s:o}", "name", name, "digest",
                                                 digest_set(p->digest->text))) < 0)
            return NULL;
    }
    return WCOW_TAKE_PTR(all);
}

int wcow_provenance_write(const struct wcow_provenance *p, struct wcow_buf *out,
                          struct wcow_error *err)
{
    json_t *predicate = NULL;
    int r = wcow_provenance_predicate(p, &predicate, err);
    if (r < 0)
        return r;
    wcow_autojson *statement = json_pack(
        "{s:s, s:s, s:o, s:o}", "_type", "https://in-toto.io/Statement/v1", "predicateType",
        WCOW_PROVENANCE_PREDICATE_TYPE, "subject", subjects(p), "predicate", predicate);
    return statement ? wcow_json_write(statement, out, err) : wcow_json_nomem(err);
}
