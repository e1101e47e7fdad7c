/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build_provenance.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image/http.h"

/* ---- what was used ---- */

/* A name and password in a URL are nobody's business. */
static char *without_credentials(const char *uri)
{
    const char *start = strstr(uri, "://");
    start = start ? start + 3 : uri;
    const char *at = memrchr(start, '@', strcspn(start, "/?#"));
    wcow_autobuf text = {0};
    if (start == uri || !at)
        return strdup(uri);
    if (wcow_buf_addf(&text, NULL, "%.*s%s", (int)(start - uri), uri, at + 1) < 0)
        return NULL;
    return wcow_buf_take_str(&text);
}

int wcow_build_note_material(struct wcow_build *b, const struct wcow_stage_state *s,
                             const char *uri, const char *digest, struct wcow_error *err)
{
    wcow_autofree char *plain = without_credentials(uri);
    if (!plain)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the provenance");
    (void)pthread_mutex_lock(&b->lock);
    int r = wcow_materials_add(&s->variant->materials, plain, digest, err);
    (void)pthread_mutex_unlock(&b->lock);
    return r;
}

int wcow_build_note_image(struct wcow_build *b, const struct wcow_stage_state *s,
                          const struct wcow_local_image *image, struct wcow_error *err)
{
    const struct wcow_platform platform = wcow_image_config_platform(image->config);
    wcow_autobuf uri = {0};
    int r = wcow_package_url(&image->ref, &platform, &uri, err);
    return r < 0 ? r
                 : wcow_build_note_material(b, s, (const char *)uri.data, image->target_digest.text,
                                            err);
}

/* ---- what was asked for ---- */

static int set_arg(struct wcow_str_map *args, const char *prefix, const char *key,
                   const char *value, struct wcow_error *err)
{
    wcow_autobuf name = {0};
    wcow_autofree char *shown = strdup(value);
    if (!shown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the provenance");
    (void)wcow_http_mask_logins(shown, strlen(shown));
    int r = wcow_buf_addf(&name, err, "%s%s", prefix, key);
    return r < 0 ? r : wcow_str_map_set(args, (const char *)name.data, shown, err);
}

static int take_args(const struct wcow_build *b, struct wcow_str_map *args, struct wcow_error *err)
{
    const struct wcow_build_options *o = b->options;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->build_args.count; i++)
        r = set_arg(args, "build-arg:", b->build_args.vars[i].name, b->build_args.vars[i].value,
                    err);
    for (size_t i = 0; r == WCOW_OK && i < o->labels.count; i++) {
        const char *equals = strchr(o->labels.items[i], '=');
        wcow_autofree char *key =
            equals ? strndup(o->labels.items[i], (size_t)(equals - o->labels.items[i])) : NULL;
        if (key)
            r = set_arg(args, "label:", key, equals + 1, err);
    }
    if (r == WCOW_OK && o->target && *o->target)
        r = wcow_str_map_set(args, "target", o->target, err);
    if (r == WCOW_OK && o->platform)
        r = wcow_str_map_set(args, "platform", o->platform, err);
    if (r == WCOW_OK && o->no_cache)
        r = wcow_str_map_set(args, "no-cache", "", err);
    return r;
}

static int take_dockerfile(const struct wcow_build *b, struct wcow_buf *ret, struct wcow_error *err)
{
    int r = wcow_buf_add(ret, b->source.data, b->source.len, err);
    if (r == WCOW_OK && ret->len > 0)
        ret->len = wcow_http_mask_logins((char *)ret->data, ret->len);
    return r;
}

/* The names of secrets, never what they hold. */
static int take_secrets(const struct wcow_build *b, struct wcow_str_list *secrets,
                        struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->secrets.n; i++)
        r = wcow_str_list_add(secrets, b->secrets.items[i].id, err);
    return r;
}

/* One for all images of a build. With SOURCE_DATE_EPOCH it is the same for the same input. */
static int make_id(const struct wcow_build *b, char *ret, struct wcow_error *err)
{
    struct wcow_digest digest;
    wcow_autobuf text = {0};
    int r = b->has_epoch ? wcow_buf_addf(&text, err, "%lld ", (long long)b->epoch_s)
                         : wcow_buf_addf(&text, err, "%s ", b->backend->unique);
    if (r == WCOW_OK && b->source.len > 0)
        r = wcow_buf_add(&text, b->source.data, b->source.len, err);
    if (r == WCOW_OK)
        r = wcow_digest_of(text.data, text.len, &digest, err);
    if (r == WCOW_OK)
        (void)snprintf(ret, WCOW_DIGEST_LEN + 1, "%.25s", strchr(digest.text, ':') + 1);
    return r;
}

int wcow_build_provenance_init(const struct wcow_build *b, struct wcow_build_provenance *ret,
                               struct wcow_error *err)
{
    ret->build = b;
    ret->finished_s = b->has_epoch ? b->epoch_s : time(NULL);
    ret->predicates = calloc(b->n_variants, sizeof(*ret->predicates));
    if (!ret->predicates)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the provenance");
    int r = take_args(b, &ret->args, err);
    if (r == WCOW_OK)
        r = take_secrets(b, &ret->secrets, err);
    if (r == WCOW_OK)
        r = take_dockerfile(b, &ret->dockerfile, err);
    return r < 0 ? r : make_id(b, ret->invocation_id, err);
}

void wcow_build_provenance_done(struct wcow_build_provenance *p)
{
    for (size_t i = 0; i < p->n_predicates; i++)
        json_decref(p->predicates[i].predicate);
    free(p->predicates);
    wcow_str_map_done(&p->args);
    wcow_buf_done(&p->dockerfile);
    wcow_str_list_done(&p->secrets);
}

/* ---- what is said of one image ---- */

static int take_subjects(const struct wcow_build *b, const struct wcow_platform *platform,
                         struct wcow_str_list *ret, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->asked.names.count; i++) {
        struct wcow_reference ref;
        wcow_autobuf url = {0};
        r = wcow_reference_parse(b->asked.names.items[i], &ref, err);
        if (r == WCOW_OK)
            r = wcow_package_url(&ref, platform, &url, err);
        if (r == WCOW_OK)
            r = wcow_str_list_add(ret, (const char *)url.data, err);
    }
    return r;
}

static int keep_predicate(struct wcow_build_provenance *p, size_t variant,
                          const struct wcow_provenance *provenance, struct wcow_error *err)
{
    struct wcow_build_predicate *kept = &p->predicates[p->n_predicates];
    kept->platform = &p->build->variants[variant].platform;
    int r = wcow_provenance_predicate(provenance, &kept->predicate, err);
    if (r == WCOW_OK)
        p->n_predicates++;
    return r;
}

int wcow_build_provenance_of(struct wcow_build_provenance *p, size_t variant,
                             const struct wcow_built_image *image, struct wcow_buf *out,
                             struct wcow_error *err)
{
    const struct wcow_build *b = p->build;
    const struct wcow_attest *attest = &b->asked.attest;
    wcow_auto_str_list subjects = {0};
    const struct wcow_provenance provenance = {.is_max = attest->is_max,
                                               .is_reproducible = attest->is_reproducible,
                                               .builder_id = attest->builder_id,
                                               .filename = b->dockerfile_name,
                                               .dockerfile = p->dockerfile.data,
                                               .dockerfile_len = p->dockerfile.len,
                                               .args = &p->args,
                                               .secrets = &p->secrets,
                                               .materials = &b->variants[variant].materials,
                                               .builder = wcow_platform_host(),
                                               .invocation_id = p->invocation_id,
                                               .started_s = b->now_s,
                                               .finished_s = p->finished_s,
                                               .layers = image->layers,
                                               .n_layers = image->n_layers,
                                               .subjects = &subjects,
                                               .digest = &image->manifest_desc.digest};
    int r = take_subjects(b, &image->manifest_desc.platform, &subjects, err);
    if (r == WCOW_OK)
        r = wcow_provenance_write(&provenance, out, err);
    return r < 0 ? r : keep_predicate(p, variant, &provenance, err);
}
