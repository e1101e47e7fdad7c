/* SPDX-License-Identifier: Apache-2.0 */
#include "image/hosts.h"

#include <stdio.h>
#include <string.h>

#include "image/hosts_file.h"
#include "image/reference.h"

void wcow_host_done(struct wcow_host *host)
{
    free(host->url);
    free(host->authority);
    wcow_str_list_done(&host->ca);
    free(host->client_cert);
    free(host->client_key);
    wcow_str_map_done(&host->headers);
    *host = (struct wcow_host){0};
}

void wcow_hosts_done(struct wcow_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        wcow_host_done(&hosts->items[i]);
    free(hosts->items);
    *hosts = (struct wcow_hosts){0};
}

int wcow_hosts_add(struct wcow_hosts *hosts, struct wcow_host *host, struct wcow_error *err)
{
    struct wcow_host *items = realloc(hosts->items, (hosts->count + 1) * sizeof(*items));
    if (!items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for registry hosts");
    hosts->items = items;
    items[hosts->count++] = *host;
    *host = (struct wcow_host){0};
    return WCOW_OK;
}

static bool has_port(const char *host, const char *port)
{
    size_t n = strlen(host);
    size_t m = strlen(port);
    return n > m && host[n - m - 1] == ':' && strcmp(host + n - m, port) == 0;
}

/* Registries on this machine speak plain HTTP by long custom, unless something says TLS. */
static bool is_plain(const struct wcow_hosts_options *options, const char *host,
                     const struct wcow_host *own)
{
    if (options->plain_http)
        return true;
    bool wants_tls = own->skip_verify || own->ca.count || own->client_cert || has_port(host, "443");
    return wcow_host_is_loopback(host) && !wants_tls;
}

/* What the command line says holds for the registry itself, hosts.toml or not. */
static int complete_own(const struct wcow_hosts_options *options, const char *host,
                        struct wcow_host *own, struct wcow_error *err)
{
    own->skip_verify |= options->skip_verify;
    int r = options->ca_file ? wcow_str_list_add(&own->ca, options->ca_file, err) : WCOW_OK;
    if (r < 0 || own->url)
        return r;
    const char *api = wcow_reference_api_host(host);
    char *server = NULL;
    if (asprintf(&server, "%s://%s", is_plain(options, host, own) ? "http" : "https", api) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for registry hosts");
    r = wcow_host_set_server(own, server, false, host, err);
    free(server);
    return r;
}

/* "host_port_" for "host:port": where a file's name can have no colon. */
static int without_colon(const char *host, char **ret, struct wcow_error *err)
{
    const char *colon = strrchr(host, ':');
    int n = colon && colon != host ? asprintf(ret, "%.*s_%s_", (int)(colon - host), host, colon + 1)
                                   : asprintf(ret, "%s", host);
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path") : WCOW_OK;
}

/* The first of <directory>/<host>_<port>_, <directory>/<host>:<port> and <directory>/_default, as
 * containerd looks for them. */
static int read_directories(const char *directory, const char *host, struct wcow_hosts *hosts,
                            struct wcow_host *own, struct wcow_error *err)
{
    wcow_autofree char *plain = NULL;
    int r = without_colon(host, &plain, err);
    if (r < 0)
        return r;
    const char *const names[] = {plain, host, "_default"};
    bool found = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++) {
        wcow_autofree char *path = NULL;
        if (asprintf(&path, "%s/%s", directory, names[i]) < 0)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
        r = wcow_hosts_read_directory(path, host, hosts, own, &found, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_hosts_load(const struct wcow_hosts_options *options, const char *host,
                    struct wcow_hosts *ret, struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    WCOW_CLEANUP(wcow_host_done) struct wcow_host own = {.capabilities = WCOW_HOST_ALL};
    int r = WCOW_OK;
    if (!*host || strchr(host, '/') || *host == '.')
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" is not a registry's host", host);
    if (options->directory)
        r = read_directories(options->directory, host, &hosts, &own, err);
    for (size_t i = 0; r == WCOW_OK && options->ca_file && i < hosts.count; i++)
        r = wcow_str_list_add(&hosts.items[i].ca, options->ca_file, err);
    if (r == WCOW_OK)
        r = complete_own(options, host, &own, err);
    if (r == WCOW_OK)
        r = wcow_hosts_add(&hosts, &own, err);
    if (r < 0)
        return r;
    *ret = hosts;
    hosts = (struct wcow_hosts){0};
    return WCOW_OK;
}
