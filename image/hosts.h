/* SPDX-License-Identifier: Apache-2.0 */
/** @file hosts.h
 *  Which servers answer for a registry: containerd's hosts.toml (docs/hosts.md of containerd),
 *  read from the first of <dir>/<host>_<port>_, <dir>/<host>:<port> and <dir>/_default; mirrors
 * come before the registry itself. A directory without hosts.toml may hold *.crt, *.cert and *.key
 * as Docker's certs.d does. */
#ifndef WCOW_IMAGE_HOSTS_H
#define WCOW_IMAGE_HOSTS_H

#include <stdbool.h>

#include "image/strings.h"

enum wcow_host_capability {
    WCOW_HOST_PULL = 1,    /**< fetch by digest */
    WCOW_HOST_RESOLVE = 2, /**< turn a tag into a digest */
    WCOW_HOST_PUSH = 4,
    WCOW_HOST_ALL = 7,
};

/** One server. */
struct wcow_host {
    char *url;             /**< "https://mirror.example:5000/v2", without a slash at the end */
    char *authority;       /**< "mirror.example:5000": whom credentials belong to */
    unsigned capabilities; /**< enum wcow_host_capability */
    bool skip_verify;
    bool is_mirror;              /**< not the registry itself: gets "?ns=<registry>" */
    struct wcow_str_list ca;     /**< PEM files, absolute paths */
    char *client_cert;           /**< PEM file or NULL */
    char *client_key;            /**< PEM file or NULL: the key is in client_cert */
    struct wcow_str_map headers; /**< sent to this server only */
};

void wcow_host_done(struct wcow_host *host);

/** In the order to try; the registry itself comes last. Zero-initialise. */
struct wcow_hosts {
    struct wcow_host *items;
    size_t count;
};
/** Append @p host, whose contents move into the list. */
WCOW_NODISCARD int wcow_hosts_add(struct wcow_hosts *hosts, struct wcow_host *host,
                                  struct wcow_error *err);
void wcow_hosts_done(struct wcow_hosts *hosts);
#define wcow_auto_hosts WCOW_CLEANUP(wcow_hosts_done) struct wcow_hosts

struct wcow_hosts_options {
    const char *directory; /**< containerd's certs.d; NULL for none */
    bool plain_http;       /**< http for the registry itself; loopback hosts have it anyway */
    bool skip_verify;      /**< TLS certificates are not checked (registry itself only) */
    const char *ca_file;   /**< one more PEM file for every server; NULL for none */
};

/** Find the servers for @p host ("docker.io", "localhost:5000"). WCOW_E_CORRUPT names file and
 *  line of a hosts.toml that cannot be read. @p ret must be zeroed. */
WCOW_NODISCARD int wcow_hosts_load(const struct wcow_hosts_options *options, const char *host,
                                   struct wcow_hosts *ret, struct wcow_error *err);

#endif
