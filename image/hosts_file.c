/* SPDX-License-Identifier: Apache-2.0 */
#include "image/hosts_file.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image/file.h"
#include "image/reference.h"
#include "image/toml.h"

enum { HOSTS_TOML_MAX = 1 << 20, HOSTS_MAX = 64 };

/* A server while its table is read: what depends on other keys is settled at the end. */
struct draft {
    char *server; /* the key of [host."…"], or the value of server = */
    bool override_path;
    bool has_capabilities;
    struct wcow_host host;
};

struct reading {
    const char *directory;
    struct draft own;
    struct draft mirrors[HOSTS_MAX];
    size_t count;
};

static void draft_done(struct draft *draft)
{
    free(draft->server);
    wcow_host_done(&draft->host);
}

static void reading_free(struct reading **reading)
{
    if (!*reading)
        return;
    draft_done(&(*reading)->own);
    for (size_t i = 0; i < (*reading)->count; i++)
        draft_done(&(*reading)->mirrors[i]);
    free(*reading);
}

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for registry hosts");
}

int wcow_host_set_server(struct wcow_host *host, const char *server, bool override_path,
                         const char *registry, struct wcow_error *err)
{
    const char *rest = strstr(server, "://");
    bool https = strncmp(server, "https://", 8) == 0;
    bool http = strncmp(server, "http://", 7) == 0;
    if (rest && !https && !http)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%.200s\" is neither an http nor an https URL",
                         server);
    rest = rest ? rest + 3 : server;
    size_t len = strcspn(rest, "/");
    size_t path_len = strlen(rest + len);
    while (path_len && rest[len + path_len - 1] == '/')
        path_len--;
    if (!len || memchr(rest, '@', len) || strpbrk(rest, "?# \t"))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%.200s\" is not a server's URL", server);
    if (!http && !https)
        http = wcow_host_is_loopback(rest);
    bool has_v2 = path_len >= 3 && strncmp(rest + len + path_len - 3, "/v2", 3) == 0;
    char *url = NULL;
    if (asprintf(&url, "%s://%.*s%s", http ? "http" : "https", (int)(len + path_len), rest,
                 override_path || has_v2 ? "" : "/v2") < 0)
        return nomem(err);
    free(host->url);
    free(host->authority);
    host->url = url;
    host->authority = strndup(rest, len);
    if (!host->authority)
        return nomem(err);
    host->is_mirror = strcmp(host->authority, wcow_reference_api_host(registry)) != 0;
    return WCOW_OK;
}

/* A path as it stands in hosts.toml: relative ones begin at the file's directory. */
static char *file_path(const struct reading *reading, const char *path)
{
    char *full = NULL;
    int n = *path == '/' ? asprintf(&full, "%s", path)
                         : asprintf(&full, "%s/%s", reading->directory, path);
    return n < 0 ? NULL : full;
}

static int wrong_type(const char *key, const char *want, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%.40s\" must be %s", key, want);
}

static int add_capability(struct draft *draft, const char *name, struct wcow_error *err)
{
    static const struct {
        const char *name;
        unsigned bit;
    } table[] = {
        {"pull", WCOW_HOST_PULL},
        {"resolve", WCOW_HOST_RESOLVE},
        {"push", WCOW_HOST_PUSH},
        {"referrers", 0}, /* containerd 2.2's: nothing here asks for them */
    };
    draft->has_capabilities = true;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].name, name) == 0) {
            draft->host.capabilities |= table[i].bit;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_CORRUPT,
                     "\"%.40s\" is not a capability; there are pull, resolve and push", name);
}

/* client = "both.pem", ["both.pem"] or [["a.cert", "a.key"]]; curl has use for one of them. */
static int add_client(const struct reading *reading, struct draft *draft,
                      const struct wcow_toml_value *value, struct wcow_error *err)
{
    char **to = NULL;
    if (!draft->host.client_cert)
        to = &draft->host.client_cert;
    else if (value->depth == 2 && value->index == 0 && !draft->host.client_key)
        to = &draft->host.client_key;
    if (!to)
        return WCOW_OK;
    *to = file_path(reading, value->string);
    return *to ? WCOW_OK : nomem(err);
}

static int set_string(const struct reading *reading, struct draft *draft, const char *key,
                      const struct wcow_toml_value *value, struct wcow_error *err)
{
    bool known =
        strcmp(key, "capabilities") == 0 || strcmp(key, "ca") == 0 || strcmp(key, "client") == 0;
    if (!known)
        return WCOW_OK; /* a newer containerd's key is not our error */
    if (value->type != WCOW_TOML_STRING)
        return wrong_type(key, "a string or an array of strings", err);
    if (strcmp(key, "capabilities") == 0)
        return add_capability(draft, value->string, err);
    if (strcmp(key, "client") == 0)
        return add_client(reading, draft, value, err);
    wcow_autofree char *path = file_path(reading, value->string);
    return path ? wcow_str_list_add(&draft->host.ca, path, err) : nomem(err);
}

static int set_key(const struct reading *reading, struct draft *draft, const char *key,
                   const struct wcow_toml_value *value, struct wcow_error *err)
{
    bool skip = strcmp(key, "skip_verify") == 0;
    if (!skip && strcmp(key, "override_path") != 0)
        return set_string(reading, draft, key, value, err);
    if (value->type != WCOW_TOML_BOOL)
        return wrong_type(key, "true or false", err);
    if (skip)
        draft->host.skip_verify = value->boolean;
    else
        draft->override_path = value->boolean;
    return WCOW_OK;
}

/* A header of several values is sent joined, as RFC 9110 allows. */
static int add_header(struct draft *draft, const char *name, const struct wcow_toml_value *value,
                      struct wcow_error *err)
{
    if (value->type != WCOW_TOML_STRING || strpbrk(value->string, "\r\n") || !*name ||
        strpbrk(name, "\r\n: "))
        return wrong_type(name, "a header's name and its value as a string", err);
    const char *before = wcow_str_map_get(&draft->host.headers, name);
    wcow_autofree char *joined = NULL;
    if (asprintf(&joined, "%s%s%s", before ? before : "", before ? ", " : "", value->string) < 0)
        return nomem(err);
    return wcow_str_map_set(&draft->host.headers, name, joined, err);
}

/* The draft of [host."<server>"], made when it is new. */
static int find_mirror(struct reading *reading, const char *server, struct draft **ret,
                       struct wcow_error *err)
{
    for (size_t i = 0; i < reading->count; i++) {
        if (strcmp(reading->mirrors[i].server, server) == 0) {
            *ret = &reading->mirrors[i];
            return WCOW_OK;
        }
    }
    if (reading->count == HOSTS_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d hosts", HOSTS_MAX);
    struct draft *draft = &reading->mirrors[reading->count];
    draft->server = strdup(server);
    if (!draft->server)
        return nomem(err);
    reading->count++;
    *ret = draft;
    return WCOW_OK;
}

static int on_value(void *ctx, const struct wcow_str_list *path,
                    const struct wcow_toml_value *value, struct wcow_error *err)
{
    struct reading *reading = ctx;
    struct draft *draft = &reading->own;
    size_t at = 0;
    if (strcmp(path->items[0], "host") == 0) {
        if (path->count < 2)
            return value ? wrong_type("host", "a table", err) : WCOW_OK;
        int r = find_mirror(reading, path->items[1], &draft, err);
        if (r < 0)
            return r;
        at = 2;
    }
    if (!value || at >= path->count)
        return WCOW_OK;
    const char *key = path->items[at];
    if (strcmp(key, "header") == 0 && path->count == at + 2)
        return add_header(draft, path->items[at + 1], value, err);
    if (path->count != at + 1)
        return WCOW_OK;
    if (at || strcmp(key, "server") != 0)
        return set_key(reading, draft, key, value, err);
    if (value->type != WCOW_TOML_STRING)
        return wrong_type(key, "a string", err);
    free(draft->server);
    draft->server = strdup(value->string);
    return draft->server ? WCOW_OK : nomem(err);
}

/* Settle a draft and hand its host over. */
static int take_draft(struct draft *draft, const char *registry, struct wcow_host *ret,
                      struct wcow_error *err)
{
    if (draft->server && *draft->server) {
        int r =
            wcow_host_set_server(&draft->host, draft->server, draft->override_path, registry, err);
        if (r < 0)
            return r;
    }
    if (!draft->has_capabilities)
        draft->host.capabilities = WCOW_HOST_ALL;
    *ret = draft->host;
    draft->host = (struct wcow_host){0};
    return WCOW_OK;
}

static int read_hosts_toml(struct reading *reading, const char *text, const char *registry,
                           struct wcow_hosts *ret, struct wcow_host *own, struct wcow_error *err)
{
    int r = wcow_toml_read(text, on_value, reading, err);
    for (size_t i = 0; r == WCOW_OK && i < reading->count; i++) {
        struct wcow_host host = {0};
        r = take_draft(&reading->mirrors[i], registry, &host, err);
        if (r == WCOW_OK)
            r = wcow_hosts_add(ret, &host, err);
        wcow_host_done(&host);
    }
    return r == WCOW_OK ? take_draft(&reading->own, registry, own, err) : r;
}

/* ---- a directory of certificates alone ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* Docker's certs.d: *.crt are CAs, x.cert with x.key is the client's. */
static int add_certificate(const char *directory, const char *name, struct wcow_host *own,
                           struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return nomem(err);
    if (ends_with(name, ".crt"))
        return wcow_str_list_add(&own->ca, path, err);
    if (!ends_with(name, ".cert") || own->client_cert)
        return WCOW_OK;
    if (asprintf(&own->client_key, "%.*s.key", (int)(strlen(path) - strlen(".cert")), path) < 0) {
        own->client_key = NULL;
        return nomem(err);
    }
    own->client_cert = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}

static int read_certificates(const char *directory, struct wcow_host *own, struct wcow_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, NULL, alphasort);
    if (count < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the directory %s", directory);
    int r = WCOW_OK;
    for (int i = 0; i < count; i++) {
        if (r == WCOW_OK)
            r = add_certificate(directory, entries[i]->d_name, own, err);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int wcow_hosts_read_directory(const char *directory, const char *registry, struct wcow_hosts *ret,
                              struct wcow_host *own, bool *ret_found, struct wcow_error *err)
{
    struct stat st;
    *ret_found = stat(directory, &st) == 0 && S_ISDIR(st.st_mode);
    if (!*ret_found)
        return WCOW_OK;
    wcow_autofree char *path = NULL;
    wcow_autobuf text = {0};
    if (asprintf(&path, "%s/hosts.toml", directory) < 0)
        return nomem(err);
    struct wcow_error why = {0};
    int r = wcow_file_read(path, HOSTS_TOML_MAX, &text, &why);
    if (r == WCOW_E_NOT_FOUND) {
        own->capabilities = WCOW_HOST_ALL;
        return read_certificates(directory, own, err);
    }
    if (r < 0)
        return WCOW_FAIL(err, r, "%s", why.msg);
    if (memchr(text.data, '\0', text.len))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s holds a NUL byte", path);
    WCOW_CLEANUP(reading_free) struct reading *reading = calloc(1, sizeof(*reading));
    if (!reading)
        return nomem(err);
    reading->directory = directory;
    r = read_hosts_toml(reading, (const char *)text.data, registry, ret, own, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s", path) : r;
}
