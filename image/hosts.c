/* SPDX-License-Identifier: Apache-2.0 */
#include "image/hosts.h"

#include <stdio.h>
#include <string.h>

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
static bool is_plain(const struct wcow_hosts_options *options, const char *host)
{
    if (options->plain_http)
        return true;
    bool wants_tls = options->skip_verify || options->ca_file || has_port(host, "443");
    return wcow_host_is_loopback(host) && !wants_tls;
}

/* The registry itself, as it is without any hosts.toml. */
static int make_default(const struct wcow_hosts_options *options, const char *host,
                        struct wcow_host *ret, struct wcow_error *err)
{
    const char *api = wcow_reference_api_host(host);
    struct wcow_host own = {.capabilities = WCOW_HOST_ALL, .skip_verify = options->skip_verify};
    own.authority = strdup(api);
    int n = asprintf(&own.url, "%s://%s/v2", is_plain(options, host) ? "http" : "https", api);
    if (n < 0)
        own.url = NULL;
    int r = own.authority && own.url ? WCOW_OK
                                     : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a host");
    if (r == WCOW_OK && options->ca_file)
        r = wcow_str_list_add(&own.ca, options->ca_file, err);
    if (r < 0) {
        wcow_host_done(&own);
        return r;
    }
    *ret = own;
    return WCOW_OK;
}

int wcow_hosts_load(const struct wcow_hosts_options *options, const char *host,
                    struct wcow_hosts *ret, struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    struct wcow_host own = {0};
    int r = make_default(options, host, &own, err);
    if (r == WCOW_OK)
        r = wcow_hosts_add(&hosts, &own, err);
    wcow_host_done(&own);
    if (r < 0)
        return r;
    *ret = hosts;
    hosts = (struct wcow_hosts){0};
    return WCOW_OK;
}
