/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registry.h"

#include <stdio.h>
#include <string.h>

#include "image/manifest.h"
#include "image/registry_private.h"

enum {
    CONNECT_TIMEOUT_MS = 15000,
    STALL_TIMEOUT_MS = 30000,
    MAX_ATTEMPTS = 5,
    RETRY_DELAY_MS = 500,
};

static const char *const accepted[] = {
    WCOW_MEDIA_OCI_INDEX,       WCOW_MEDIA_OCI_MANIFEST,       WCOW_MEDIA_DOCKER_INDEX,
    WCOW_MEDIA_DOCKER_MANIFEST, WCOW_MEDIA_DOCKER_MANIFEST_V1,
};

static int copy_string(const char *from, char **to, struct wcow_error *err)
{
    if (!from)
        return WCOW_OK;
    *to = strdup(from);
    return *to ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry client");
}

static int copy_options(struct wcow_registry *registry, const struct wcow_registry_options *options,
                        struct wcow_error *err)
{
    struct wcow_registry_options *o = &registry->options;
    *o = *options;
    o->hosts_dir = o->docker_config_dir = o->ca_file = o->user_agent = NULL;
    o->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    o->stall_timeout_ms = o->stall_timeout_ms ? o->stall_timeout_ms : STALL_TIMEOUT_MS;
    o->max_attempts = o->max_attempts ? o->max_attempts : MAX_ATTEMPTS;
    o->retry_delay_ms = o->retry_delay_ms ? o->retry_delay_ms : RETRY_DELAY_MS;
    int r = copy_string(options->hosts_dir, &registry->hosts_dir, err);
    if (r == WCOW_OK)
        r = copy_string(options->ca_file, &registry->ca_file, err);
    if (r == WCOW_OK)
        r = copy_string(options->user_agent, &registry->user_agent, err);
    if (r == WCOW_OK && options->ca_file)
        r = wcow_str_list_add(&registry->extra_ca, options->ca_file, err);
    return r;
}

int wcow_registry_new(const struct wcow_registry_options *options, struct wcow_registry **ret,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = calloc(1, sizeof(*registry));
    if (!registry)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry client");
    int r = copy_options(registry, options, err);
    if (r == WCOW_OK)
        r = wcow_auth_config_load(options->docker_config_dir, &registry->auth, err);
    if (r == WCOW_OK)
        r = wcow_token_cache_new(&registry->tokens, err);
    if (r == WCOW_OK)
        r = wcow_http_new(&registry->http, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(registry);
    return r;
}

void wcow_registry_free(struct wcow_registry *registry)
{
    if (!registry)
        return;
    wcow_http_free(registry->http);
    wcow_token_cache_free(registry->tokens);
    wcow_auth_config_free(registry->auth);
    wcow_str_list_done(&registry->extra_ca);
    free(registry->hosts_dir);
    free(registry->ca_file);
    free(registry->user_agent);
    free(registry);
}

int wcow_registry_hosts(const struct wcow_registry *registry, const struct wcow_reference *ref,
                        struct wcow_hosts *ret, struct wcow_error *err)
{
    struct wcow_hosts_options options = {.directory = registry->hosts_dir,
                                         .plain_http = registry->options.plain_http,
                                         .skip_verify = registry->options.skip_verify,
                                         .ca_file = registry->ca_file};
    return wcow_hosts_load(&options, ref->host, ret, err);
}

int wcow_registry_url(const struct wcow_host *host, const struct wcow_reference *ref,
                      const char *path, char **ret, struct wcow_error *err)
{
    bool query = strchr(path, '?') != NULL;
    int n = asprintf(ret, "%s/%s/%s%s%s", host->url, ref->repository, path,
                     !host->is_mirror ? ""
                     : query          ? "&ns="
                                      : "?ns=",
                     host->is_mirror ? ref->host : "");
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL") : WCOW_OK;
}

int wcow_registry_scope(const struct wcow_reference *ref, const char *actions, char **ret,
                        struct wcow_error *err)
{
    return asprintf(ret, "repository:%s:%s", ref->repository, actions) < 0
               ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a scope")
               : WCOW_OK;
}

bool wcow_registry_may_try_next(int code)
{
    return code != WCOW_E_CANCELLED && code != WCOW_E_NOMEM && code != WCOW_E_INVALID;
}

static int add_accept(struct wcow_str_list *headers, struct wcow_error *err)
{
    wcow_autobuf line = {0};
    int r = wcow_buf_add_str(&line, "Accept: ", err);
    for (size_t i = 0; r == WCOW_OK && i < sizeof(accepted) / sizeof(accepted[0]); i++)
        r = wcow_buf_addf(&line, err, "%s%s", i ? ", " : "", accepted[i]);
    return r < 0 ? r : wcow_str_list_add(headers, (const char *)line.data, err);
}

/* What names the manifest in the API, and how messages call it. */
static const char *name_of(const struct wcow_reference *ref)
{
    if (ref->digest.text[0])
        return ref->digest.text;
    return ref->tag[0] ? ref->tag : "latest";
}

/* One GET or HEAD for a manifest from one server. */
static int request_manifest(struct wcow_registry *registry, const struct wcow_host *host,
                            const struct wcow_reference *ref, const char *method,
                            struct wcow_http_response *ret, struct wcow_error *err)
{
    char path[32 + WCOW_REFERENCE_TAG_MAX + WCOW_DIGEST_LEN];
    char what[64 + WCOW_REFERENCE_TAG_MAX + WCOW_DIGEST_LEN];
    (void)snprintf(path, sizeof(path), "manifests/%s", name_of(ref));
    (void)snprintf(what, sizeof(what), "the manifest %s", name_of(ref));
    wcow_autofree char *url = NULL;
    wcow_autofree char *scope = NULL;
    wcow_auto_str_list headers = {0};
    int r = wcow_registry_url(host, ref, path, &url, err);
    if (r == WCOW_OK)
        r = wcow_registry_scope(ref, "pull", &scope, err);
    if (r == WCOW_OK)
        r = add_accept(&headers, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_call call = {.host = host,
                             .ref = ref,
                             .what = what,
                             .method = method,
                             .url = url,
                             .scope = scope,
                             .headers = headers,
                             .body_max_bytes = WCOW_MANIFEST_MAX_BYTES,
                             .max_attempts = host->is_mirror ? WCOW_MIRROR_ATTEMPTS : 0,
                             .follow = true};
    r = wcow_registry_call(registry, &call, ret, err);
    if (r < 0)
        return r;
    bool head_refused = strcmp(method, "HEAD") == 0 && ret->status == 405;
    return ret->status == 200 || head_refused ? WCOW_OK : wcow_registry_fail(&call, ret, err);
}

/* "type; charset=…" without its parameters, or NULL when it is no type a descriptor may have. */
static void cut_media_type(char *type)
{
    if (type)
        type[strcspn(type, "; \t")] = '\0';
}

/* Whether an answer is the manifest: its digest, and its media type, which may have to be guessed.
 */
static int check_manifest(const struct wcow_reference *ref, struct wcow_http_response *response,
                          struct wcow_digest *ret_digest, const char **ret_type,
                          struct wcow_error *err)
{
    const char *told = response->content_digest;
    int r = wcow_digest_of(response->body.data, response->body.len, ret_digest, err);
    if (r == WCOW_OK && ref->digest.text[0] && strcmp(ref->digest.text, ret_digest->text) != 0)
        r = WCOW_FAIL(err, WCOW_E_DATA_LOSS, "asked for %s, the registry gave %s", ref->digest.text,
                      ret_digest->text);
    if (r == WCOW_OK && told && strncmp(told, "sha256:", 7) == 0 &&
        strcmp(told, ret_digest->text) != 0)
        r = WCOW_FAIL(err, WCOW_E_DATA_LOSS, "its digest is %s, the registry says %s",
                      ret_digest->text, told);
    if (r < 0)
        return r;
    cut_media_type(response->content_type);
    const char *type = response->content_type ? response->content_type : "";
    *ret_type = type;
    bool known = wcow_media_is_manifest(type) || wcow_media_is_index(type) ||
                 strcmp(type, WCOW_MEDIA_DOCKER_MANIFEST_V1) == 0;
    return known ? WCOW_OK
                 : wcow_manifest_detect(response->body.data, response->body.len, ret_type, err);
}

static int fetch_manifest_from(struct wcow_registry *registry, const struct wcow_host *host,
                               const struct wcow_reference *ref, struct wcow_buf *out,
                               struct wcow_descriptor *ret, struct wcow_error *err)
{
    wcow_auto_response response = {0};
    struct wcow_digest digest;
    const char *type = NULL;
    int r = request_manifest(registry, host, ref, "GET", &response, err);
    if (r < 0)
        return r;
    r = check_manifest(ref, &response, &digest, &type, err);
    const char *oddity = wcow_registry_oddity(&response);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s/%s: the manifest %s%s%s", ref->host, ref->repository,
                               name_of(ref), *oddity ? ": " : "", oddity);
    r = wcow_buf_add(out, response.body.data, response.body.len, err);
    if (r == WCOW_OK && ret)
        r = wcow_descriptor_init(ret, type, digest.text, response.body.len, err);
    return r;
}

int wcow_registry_fetch_manifest(struct wcow_registry *registry, const struct wcow_reference *ref,
                                 struct wcow_buf *out, struct wcow_descriptor *ret,
                                 struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    int r = wcow_registry_hosts(registry, ref, &hosts, err);
    if (r < 0)
        return r;
    unsigned need = WCOW_HOST_PULL | (ref->digest.text[0] ? 0 : WCOW_HOST_RESOLVE);
    r = WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "hosts.toml names no server to pull %s/%s from",
                  ref->host, ref->repository);
    size_t start = out->len;
    for (size_t i = 0; i < hosts.count; i++) {
        if ((hosts.items[i].capabilities & need) != need)
            continue;
        r = fetch_manifest_from(registry, &hosts.items[i], ref, out, ret, err);
        if (r == WCOW_OK || !wcow_registry_may_try_next(r))
            return r;
        out->len = start;
    }
    return r;
}

/* By HEAD alone; *ret_enough is false when the answer lacks what a descriptor needs. */
static int resolve_by_head(struct wcow_registry *registry, const struct wcow_host *host,
                           const struct wcow_reference *ref, struct wcow_descriptor *ret,
                           bool *ret_enough, struct wcow_error *err)
{
    wcow_auto_response response = {0};
    int r = request_manifest(registry, host, ref, "HEAD", &response, err);
    if (r < 0)
        return r;
    cut_media_type(response.content_type);
    const char *type = response.content_type ? response.content_type : "";
    *ret_enough = response.status == 200 && response.content_digest &&
                  wcow_digest_is_valid(response.content_digest) && response.content_length > 0 &&
                  (wcow_media_is_manifest(type) || wcow_media_is_index(type));
    if (!*ret_enough)
        return WCOW_OK;
    if (ref->digest.text[0] && strcmp(ref->digest.text, response.content_digest) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "%s/%s: asked for %s, the registry has %s",
                         ref->host, ref->repository, ref->digest.text, response.content_digest);
    return wcow_descriptor_init(ret, type, response.content_digest,
                                (uint64_t)response.content_length, err);
}

static int resolve_from(struct wcow_registry *registry, const struct wcow_host *host,
                        const struct wcow_reference *ref, struct wcow_descriptor *ret,
                        struct wcow_error *err)
{
    bool enough = false;
    int r = resolve_by_head(registry, host, ref, ret, &enough, err);
    if (r < 0 || enough)
        return r;
    wcow_autobuf document = {0};
    return fetch_manifest_from(registry, host, ref, &document, ret, err);
}

int wcow_registry_resolve(struct wcow_registry *registry, const struct wcow_reference *ref,
                          struct wcow_descriptor *ret, struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    int r = wcow_registry_hosts(registry, ref, &hosts, err);
    if (r < 0)
        return r;
    r = WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "hosts.toml names no server that resolves %s/%s",
                  ref->host, ref->repository);
    for (size_t i = 0; i < hosts.count; i++) {
        if (!(hosts.items[i].capabilities & WCOW_HOST_RESOLVE))
            continue;
        r = resolve_from(registry, &hosts.items[i], ref, ret, err);
        if (r == WCOW_OK || !wcow_registry_may_try_next(r))
            return r;
    }
    return r;
}
