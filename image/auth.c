/* SPDX-License-Identifier: Apache-2.0 */
#include "image/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "image/auth_helper.h"
#include "image/file.h"
#include "image/json.h"
#include "image/secret.h"

enum { CONFIG_MAX_BYTES = 1 << 20 };
#define DOCKER_HUB_KEY "https://index.docker.io/v1/"

struct wcow_auth_config {
    json_t *root; /* NULL when there is no file */
};

void wcow_credentials_done(struct wcow_credentials *credentials)
{
    wcow_secret_free(&credentials->username);
    wcow_secret_free(&credentials->password);
    wcow_secret_free(&credentials->identity_token);
    wcow_secret_free(&credentials->registry_token);
}

bool wcow_credentials_present(const struct wcow_credentials *c)
{
    return (c->username && c->password) || c->identity_token || c->registry_token;
}

/* *ret stays NULL where no directory is known (no HOME). */
static int config_path(const char *directory, char **ret, struct wcow_error *err)
{
    const char *env = directory ? directory : secure_getenv("DOCKER_CONFIG");
    const char *home = secure_getenv("HOME");
    int n = 0;
    if (env && *env)
        n = asprintf(ret, "%s/config.json", env);
    else if (home && *home)
        n = asprintf(ret, "%s/.docker/config.json", home);
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path") : WCOW_OK;
}

static int read_config(const char *path, json_t **ret, struct wcow_error *err)
{
    wcow_autosecretbuf text = {0};
    struct wcow_error why = {0};
    int r = wcow_file_read(path, CONFIG_MAX_BYTES, &text, &why);
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_OK;
    if (r < 0)
        return WCOW_FAIL(err, r, "registry credentials: %s", why.msg);
    json_error_t where;
    wcow_autojson *json = json_loadb((const char *)text.data, text.len, 0, &where);
    if (!json || !json_is_object(json)) /* the parser's words might quote a secret */
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s is not a JSON object (line %d, column %d)", path,
                         json ? 1 : where.line, json ? 1 : where.column);
    *ret = WCOW_TAKE_PTR(json);
    return WCOW_OK;
}

int wcow_auth_config_load(const char *directory, struct wcow_auth_config **ret,
                          struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = config_path(directory, &path, err);
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_auth_config_free_p)
    struct wcow_auth_config *config = calloc(1, sizeof(*config));
    if (!config)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for credentials");
    r = path ? read_config(path, &config->root, err) : WCOW_OK;
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(config);
    return r;
}

void wcow_auth_config_free(struct wcow_auth_config *config)
{
    if (!config)
        return;
    json_decref(config->root);
    free(config);
}

static bool is_docker_hub(const char *host)
{
    return strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0 ||
           strcmp(host, "registry-1.docker.io") == 0;
}

/* Whether a key of "auths" stands for @p host: "host", "https://host", "https://host/v1/". */
static bool key_is_for(const char *key, const char *host)
{
    const char *scheme = strstr(key, "://");
    const char *start = scheme ? scheme + 3 : key;
    size_t len = strcspn(start, "/");
    if (len == strlen(host) && strncmp(start, host, len) == 0)
        return true;
    static const char hub[] = "index.docker.io";
    return is_docker_hub(host) && ((len == strlen(hub) && strncmp(start, hub, len) == 0) ||
                                   (len == 9 && strncmp(start, "docker.io", len) == 0));
}

/* base64("user:password"). */
static int split_auth(const char *text, struct wcow_credentials *ret, struct wcow_error *err)
{
    wcow_autosecretbuf plain = {0};
    if (wcow_base64_decode(text, strlen(text), &plain, NULL) < 0 || !plain.data ||
        memchr(plain.data, '\n', plain.len))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"auth\" is not base64 of user:password");
    char *colon = strchr((char *)plain.data, ':');
    if (!colon)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"auth\" is not base64 of user:password");
    *colon = '\0';
    ret->username = strdup((char *)plain.data);
    ret->password = strdup(colon + 1);
    return ret->username && ret->password
               ? WCOW_OK
               : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for credentials");
}

static int copy_string(const json_t *entry, const char *key, char **to, struct wcow_error *err)
{
    const char *text = NULL;
    int r = wcow_json_string(entry, key, &text, err);
    if (r < 0 || !text || !*text)
        return r;
    wcow_secret_free(to);
    *to = strdup(text);
    return *to ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for credentials");
}

static int read_entry(const json_t *entry, struct wcow_credentials *ret, struct wcow_error *err)
{
    const char *auth = NULL;
    int r = wcow_json_string(entry, "auth", &auth, err);
    if (r == WCOW_OK && auth && *auth)
        r = split_auth(auth, ret, err);
    if (r == WCOW_OK)
        r = copy_string(entry, "username", &ret->username, err);
    if (r == WCOW_OK)
        r = copy_string(entry, "password", &ret->password, err);
    if (r == WCOW_OK)
        r = copy_string(entry, "identitytoken", &ret->identity_token, err);
    if (r == WCOW_OK)
        r = copy_string(entry, "registrytoken", &ret->registry_token, err);
    return r;
}

static int look_in_auths(const json_t *root, const char *host, struct wcow_credentials *ret,
                         struct wcow_error *err)
{
    json_t *auths = json_object_get(root, "auths");
    const json_t *entry = json_object_get(auths, host);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(auths, key, value)
    {
        if (!entry && key_is_for(key, host))
            entry = value;
    }
    if (!entry)
        return WCOW_OK;
    int r = read_entry(entry, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "docker's config.json, \"auths\" for %s", host) : r;
}

int wcow_auth_lookup(const struct wcow_auth_config *config, const char *host,
                     const atomic_bool *cancelled, struct wcow_credentials *ret,
                     struct wcow_error *err)
{
    wcow_auto_credentials found = {0};
    const char *server = is_docker_hub(host) ? DOCKER_HUB_KEY : host;
    json_t *helpers = json_object_get(config->root, "credHelpers");
    const char *helper = json_string_value(json_object_get(helpers, host));
    if (!helper && is_docker_hub(host))
        helper = json_string_value(json_object_get(helpers, DOCKER_HUB_KEY));
    if (!helper)
        helper = json_string_value(json_object_get(config->root, "credsStore"));
    int r =
        helper && *helper ? wcow_auth_helper_get(helper, server, cancelled, &found, err) : WCOW_OK;
    if (r == WCOW_OK && !wcow_credentials_present(&found))
        r = look_in_auths(config->root, host, &found, err);
    if (r < 0)
        return r;
    *ret = found;
    found = (struct wcow_credentials){0};
    return WCOW_OK;
}
