/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_auth.c
 *  Logging in to a registry: Basic, and tokens by the distribution project's token
 *  specification (OAuth 2 POST, then GET), remembered per server and scope. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "image/challenge.h"
#include "image/json.h"
#include "image/registry_private.h"

enum {
    TOKEN_ANSWER_MAX = 512 << 10,
    TOKEN_LIFE_DEFAULT_S = 60, /* by the specification, where the answer says nothing */
    TOKEN_LIFE_MAX_S = 86400,
    TOKEN_MARGIN_S = 10, /* not used any more so shortly before its end */
    TOKEN_CACHE_MAX = 256,
};

struct entry {
    char *key;   /* authority, space, scope */
    char *value; /* of the Authorization header */
    int64_t expires_s;
};

struct wcow_token_cache {
    pthread_mutex_t lock;
    struct entry entries[TOKEN_CACHE_MAX];
    size_t count;
};

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a token");
}

int wcow_token_cache_new(struct wcow_token_cache **ret, struct wcow_error *err)
{
    struct wcow_token_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return nomem(err);
    (void)pthread_mutex_init(&cache->lock, NULL);
    *ret = cache;
    return WCOW_OK;
}

static void drop_entry(struct wcow_token_cache *cache, size_t i)
{
    free(cache->entries[i].key);
    wcow_secret_free(&cache->entries[i].value);
    cache->entries[i] = cache->entries[--cache->count];
    cache->entries[cache->count] = (struct entry){0};
}

void wcow_token_cache_free(struct wcow_token_cache *cache)
{
    if (!cache)
        return;
    while (cache->count)
        drop_entry(cache, cache->count - 1);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static int64_t now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* Basic serves every scope of a server, a token the one it was given for. */
static int make_key(const char *authority, const char *scope, char **ret, struct wcow_error *err)
{
    return asprintf(ret, "%s %s", authority, scope) < 0 ? nomem(err) : WCOW_OK;
}

static int cache_get(struct wcow_token_cache *cache, const char *key, char **ret,
                     struct wcow_error *err)
{
    int r = WCOW_OK;
    (void)pthread_mutex_lock(&cache->lock);
    for (size_t i = cache->count; i-- > 0;) {
        if (cache->entries[i].expires_s <= now_s()) {
            drop_entry(cache, i);
        } else if (!*ret && strcmp(cache->entries[i].key, key) == 0) {
            *ret = strdup(cache->entries[i].value);
            r = *ret ? WCOW_OK : nomem(err);
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return r;
}

/* Remember; where memory is out it is merely not remembered. */
static void cache_put(struct wcow_token_cache *cache, const char *key, const char *value,
                      int64_t life_s)
{
    char *key_copy = strdup(key);
    char *value_copy = strdup(value);
    (void)pthread_mutex_lock(&cache->lock);
    for (size_t i = cache->count; i-- > 0;)
        if (strcmp(cache->entries[i].key, key) == 0)
            drop_entry(cache, i);
    if (cache->count == TOKEN_CACHE_MAX)
        drop_entry(cache, 0);
    if (key_copy && value_copy) {
        cache->entries[cache->count++] = (struct entry){
            .key = WCOW_TAKE_PTR(key_copy),
            .value = WCOW_TAKE_PTR(value_copy),
            .expires_s = life_s == INT64_MAX ? INT64_MAX : now_s() + life_s - TOKEN_MARGIN_S,
        };
    }
    (void)pthread_mutex_unlock(&cache->lock);
    free(key_copy);
    wcow_secret_free(&value_copy);
}

int wcow_registry_known_authorization(struct wcow_registry *registry, const struct wcow_call *call,
                                      char **ret, struct wcow_error *err)
{
    wcow_autofree char *basic = NULL;
    wcow_autofree char *token = NULL;
    int r = make_key(call->host->authority, "*", &basic, err);
    if (r == WCOW_OK)
        r = make_key(call->host->authority, call->scope, &token, err);
    if (r == WCOW_OK)
        r = cache_get(registry->tokens, token, ret, err);
    if (r == WCOW_OK && !*ret)
        r = cache_get(registry->tokens, basic, ret, err);
    return r;
}

/* "Basic " and base64 of user:password. */
static int make_basic(const struct wcow_credentials *c, char **ret, struct wcow_error *err)
{
    wcow_autosecretbuf plain = {0};
    wcow_autosecretbuf value = {0};
    int r = wcow_buf_addf(&plain, err, "%s:%s", c->username, c->password);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&value, "Basic ", err);
    if (r == WCOW_OK)
        r = wcow_base64_encode(plain.data, plain.len, &value, err);
    if (r != WCOW_OK)
        return r;
    *ret = strdup((const char *)value.data);
    return *ret ? WCOW_OK : nomem(err);
}

/* ---- tokens ---- */

static int add_param(struct wcow_buf *out, const char *name, const char *value,
                     struct wcow_error *err)
{
    int r = wcow_buf_addf(out, err, "%s%s=", out->len ? "&" : "", name);
    return r < 0 ? r : wcow_http_escape(value, out, err);
}

/* "service=…&scope=…&scope=…" for GET. */
static int make_query(const struct wcow_challenge *challenge, const char *scopes,
                      struct wcow_buf *out, struct wcow_error *err)
{
    int r = challenge->service ? add_param(out, "service", challenge->service, err) : WCOW_OK;
    while (r == WCOW_OK && *scopes) {
        size_t len = strcspn(scopes, " ");
        wcow_autofree char *scope = strndup(scopes, len);
        if (!scope)
            return nomem(err);
        r = len ? add_param(out, "scope", scope, err) : WCOW_OK;
        scopes += len + (scopes[len] == ' ');
    }
    return r;
}

static int make_form(const struct wcow_challenge *challenge, const char *scopes,
                     const struct wcow_credentials *c, struct wcow_buf *out, struct wcow_error *err)
{
    int r = add_param(out, "grant_type", c->identity_token ? "refresh_token" : "password", err);
    if (r == WCOW_OK)
        r = add_param(out, "service", challenge->service ? challenge->service : "", err);
    if (r == WCOW_OK)
        r = add_param(out, "client_id", "wcow", err);
    if (r == WCOW_OK)
        r = add_param(out, "scope", scopes, err);
    if (r == WCOW_OK && c->identity_token)
        return add_param(out, "refresh_token", c->identity_token, err);
    if (r == WCOW_OK)
        r = add_param(out, "username", c->username, err);
    return r == WCOW_OK ? add_param(out, "password", c->password, err) : r;
}

struct token {
    char *value; /* secret */
    int64_t life_s;
};

static int read_token(const struct wcow_call *call, const struct wcow_http_response *response,
                      struct token *ret, struct wcow_error *err)
{
    /* The parser's own messages could quote the token. */
    wcow_autojson *json = NULL;
    int r = wcow_json_parse_object(response->body.data, response->body.len, TOKEN_ANSWER_MAX,
                                   "token", &json, NULL);
    const char *token = r == WCOW_OK ? json_string_value(json_object_get(json, "token")) : NULL;
    if (!token || !*token)
        token = r == WCOW_OK ? json_string_value(json_object_get(json, "access_token")) : NULL;
    if (!token || !*token || token[strcspn(token, "\r\n \t")])
        return wcow_registry_wrap(
            call, WCOW_FAIL(err, WCOW_E_CORRUPT, "the token server gave no token that can be used"),
            err);
    const json_t *life = json_object_get(json, "expires_in");
    ret->life_s = json_is_integer(life) ? json_integer_value(life) : TOKEN_LIFE_DEFAULT_S;
    if (ret->life_s < TOKEN_LIFE_DEFAULT_S)
        ret->life_s = TOKEN_LIFE_DEFAULT_S;
    if (ret->life_s > TOKEN_LIFE_MAX_S)
        ret->life_s = TOKEN_LIFE_MAX_S;
    ret->value = strdup(token);
    return ret->value ? WCOW_OK : nomem(err);
}

/* The body of a form, as a reader. */
struct form {
    const struct wcow_buf *text;
    bool given;
};

static int form_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    (void)err;
    struct form *form = ctx;
    *ret_data = form->text->data;
    *ret_len = form->given ? 0 : form->text->len;
    form->given = true;
    return WCOW_OK;
}

static int form_open(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    (void)offset;
    (void)err;
    ((struct form *)ctx)->given = false;
    *ret = (struct wcow_source){.next = form_next, .ctx = ctx};
    return WCOW_OK;
}

/* OAuth 2: POST of a form. Servers without it answer 4xx; *ret->value is NULL then. */
static int post_for_token(struct wcow_registry *registry, struct wcow_call *call,
                          const struct wcow_buf *text, struct token *ret, struct wcow_error *err)
{
    struct form form = {.text = text};
    struct wcow_blob_reader reader = {.open = form_open, .ctx = &form};
    wcow_auto_str_list headers = {0};
    int r = wcow_str_list_add(&headers, "Content-Type: application/x-www-form-urlencoded", err);
    if (r < 0)
        return r;
    call->method = "POST";
    call->reader = &reader;
    call->body_bytes = text->len;
    call->headers = headers;
    wcow_auto_response response = {0};
    r = wcow_registry_call(registry, call, &response, err);
    call->reader = NULL;
    call->headers = (struct wcow_str_list){0};
    if (r < 0 || (response.status >= 400 && response.status < 500))
        return r;
    return response.status == 200 ? read_token(call, &response, ret, err)
                                  : wcow_registry_fail(call, &response, err);
}

static int get_token(struct wcow_registry *registry, struct wcow_call *call, const char *realm,
                     const struct wcow_buf *query, const char *basic, struct token *ret,
                     struct wcow_error *err)
{
    wcow_autofree char *url = NULL;
    const char *joint = !query->len ? "" : strchr(realm, '?') ? "&" : "?";
    if (asprintf(&url, "%s%s%s", realm, joint, query->len ? (const char *)query->data : "") < 0)
        return nomem(err);
    call->method = "GET";
    call->url = url;
    call->authorization = basic;
    wcow_auto_response response = {0};
    int r = wcow_registry_call(registry, call, &response, err);
    call->url = realm;
    call->authorization = NULL;
    if (r < 0)
        return r;
    return response.status == 200 ? read_token(call, &response, ret, err)
                                  : wcow_registry_fail(call, &response, err);
}

static int fetch_token(struct wcow_registry *registry, struct wcow_call *call,
                       const struct wcow_challenge *challenge, const char *scopes,
                       const struct wcow_credentials *c, struct token *ret, struct wcow_error *err)
{
    wcow_autosecretbuf form = {0};
    wcow_autobuf query = {0};
    wcow_autosecret *basic = NULL;
    int r = WCOW_OK;
    if (wcow_credentials_present(c)) {
        r = make_form(challenge, scopes, c, &form, err);
        if (r == WCOW_OK)
            r = post_for_token(registry, call, &form, ret, err);
    }
    if (r < 0 || ret->value)
        return r;
    if (c->username && c->password)
        r = make_basic(c, &basic, err);
    if (r == WCOW_OK)
        r = make_query(challenge, scopes, &query, err);
    return r == WCOW_OK ? get_token(registry, call, challenge->realm, &query, basic, ret, err) : r;
}

/* A token server of https registries must be https too: credentials go to it. */
static int check_realm(const struct wcow_call *call, const char *realm, struct wcow_error *err)
{
    bool https = strncmp(realm, "https://", 8) == 0;
    bool http = strncmp(realm, "http://", 7) == 0;
    if (!https && !http)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "the token server \"%.120s\" is not an http or https "
                         "URL",
                         realm);
    if (http && strncmp(call->host->url, "https://", 8) == 0)
        return WCOW_FAIL(err, WCOW_E_DENIED,
                         "the registry wants credentials sent to \"%.120s\" unencrypted; refused",
                         realm);
    return WCOW_OK;
}

/* Our own scopes, and the challenge's where it is another one. */
static int join_scopes(const char *own, const char *asked, char **ret, struct wcow_error *err)
{
    bool more = asked && *asked && !strstr(own, asked);
    return asprintf(ret, "%s%s%s", own, more ? " " : "", more ? asked : "") < 0 ? nomem(err)
                                                                                : WCOW_OK;
}

static int bearer(struct wcow_registry *registry, const struct wcow_call *call,
                  const struct wcow_challenge *challenge, const struct wcow_credentials *c,
                  char **ret, struct wcow_error *err)
{
    int r = check_realm(call, challenge->realm, err);
    if (r < 0)
        return r;
    if (c->registry_token)
        return asprintf(ret, "Bearer %s", c->registry_token) < 0 ? nomem(err) : WCOW_OK;
    wcow_autofree char *scopes = NULL;
    wcow_autofree char *key = NULL;
    r = join_scopes(call->scope, challenge->scope, &scopes, err);
    if (r == WCOW_OK)
        r = make_key(call->host->authority, call->scope, &key, err);
    if (r != WCOW_OK)
        return r;
    /* The token server is a server of its own: neither this one's headers nor its client
     * certificate are for it, but whom to trust is. */
    struct wcow_host server = {.authority = call->host->authority,
                               .url = challenge->realm,
                               .skip_verify = call->host->skip_verify,
                               .ca = call->host->ca};
    struct wcow_call token_call = {
        .host = &server,
        .ref = call->ref,
        .what = "the token",
        .url = challenge->realm,
        .body_max_bytes = TOKEN_ANSWER_MAX,
        .transfer = call->transfer,
        .max_attempts = call->max_attempts,
        .has_login = wcow_credentials_present(c),
    };
    struct token token = {0};
    r = fetch_token(registry, &token_call, challenge, scopes, c, &token, err);
    if (r == WCOW_OK && asprintf(ret, "Bearer %s", token.value) < 0) {
        *ret = NULL;
        r = nomem(err);
    }
    if (r == WCOW_OK)
        cache_put(registry->tokens, key, *ret, token.life_s);
    wcow_secret_free(&token.value);
    return r;
}

int wcow_registry_authenticate(struct wcow_registry *registry, struct wcow_call *call,
                               const struct wcow_str_list *challenges, char **ret,
                               struct wcow_error *err)
{
    wcow_auto_challenge challenge = {0};
    wcow_auto_credentials c = {0};
    int r = wcow_challenge_choose(challenges, &challenge, err);
    if (r < 0 || challenge.scheme == WCOW_CHALLENGE_NONE)
        return r;
    /* Docker Hub's API has another name than the one that users log in to. */
    const char *owner = call->host->authority;
    if (strcmp(owner, wcow_reference_api_host(call->ref->host)) == 0)
        owner = call->ref->host;
    r = wcow_auth_lookup(registry->auth, owner, registry->options.cancelled, &c, err);
    if (r < 0)
        return r;
    call->has_login = wcow_credentials_present(&c);
    if (challenge.scheme == WCOW_CHALLENGE_BEARER)
        return bearer(registry, call, &challenge, &c, ret, err);
    if (!c.username || !c.password)
        return WCOW_OK;
    wcow_autofree char *key = NULL;
    r = make_key(call->host->authority, "*", &key, err);
    if (r == WCOW_OK)
        r = make_basic(&c, ret, err);
    if (r == WCOW_OK)
        cache_put(registry->tokens, key, *ret, INT64_MAX);
    return r;
}
