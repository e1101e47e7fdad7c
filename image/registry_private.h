/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_private.h
 *  Shared by image/registry*.c: one call to one server, and what stands under it.
 *
 *    registry.c, registry_blob.c, registry_push.c   the operations: which servers, which URLs
 *    registry_upload.c                              a blob's bytes on their way up
 *    registry_request.c                             attempts, redirects, authentication
 *    registry_auth.c                                tokens and their cache
 *    registry_error.c                               an answer as an error for people
 *    http.c                                         one request over libcurl */
#ifndef WCOW_IMAGE_REGISTRY_PRIVATE_H
#define WCOW_IMAGE_REGISTRY_PRIVATE_H

#include <pthread.h>

#include "image/auth.h"
#include "image/hosts.h"
#include "image/http.h"
#include "image/registry.h"
#include "image/secret.h"

enum {
    WCOW_MIRROR_ATTEMPTS = 2,       /* the next server is as good as a third attempt */
    WCOW_MOVED_ON_BYTES = 16 << 10, /* what an attempt has to bring to count as none */
};

struct wcow_token_cache;

struct wcow_registry {
    char *hosts_dir;
    char *ca_file;
    char *user_agent;
    struct wcow_str_list extra_ca;        /* ca_file as a list, for servers met by redirect */
    struct wcow_registry_options options; /* the numbers and flags; its strings are not used */
    struct wcow_http *http;
    struct wcow_auth_config *auth;
    struct wcow_token_cache *tokens;
};

/* One API call to one server; borrowed by the functions below. */
struct wcow_call {
    const struct wcow_host *host;
    const struct wcow_reference *ref; /* for messages and credentials; NULL for token requests */
    const char *what;                 /* "the manifest ltsc2022", for messages */
    const char *method;
    const char *url;
    const char *scope; /* "repository:NAME:pull"; NULL: not authenticated but by `authorization` */
    const char *authorization;
    struct wcow_str_list headers;
    const struct wcow_blob_reader *reader; /* the body; NULL for none */
    uint64_t reader_offset;
    uint64_t body_bytes;
    const struct wcow_sink *sink; /* see struct wcow_http_request */
    size_t body_max_bytes;
    uint64_t offset;      /* bytes that the sink has; grows over the attempts */
    uint64_t total_bytes; /* that the sink is to have in the end */
    const struct wcow_transfer *transfer;
    unsigned max_attempts; /* 0: the registry's own */
    bool follow;           /* redirects */
    bool has_login;        /* set: credentials were shown */
};

/* Perform @p call with all attempts. WCOW_OK for any answer but 429 and 5xx, which after the last
 * attempt are WCOW_E_UNAVAILABLE; 401 after authentication comes back as an answer too. */
WCOW_NODISCARD int wcow_registry_call(struct wcow_registry *registry, struct wcow_call *call,
                                      struct wcow_http_response *ret, struct wcow_error *err);

/* Wait before attempt number @p tried + 1, as long as @p answer asks for; WCOW_E_CANCELLED. */
WCOW_NODISCARD int wcow_registry_pause(const struct wcow_registry *registry,
                                       const struct wcow_transfer *transfer, unsigned tried,
                                       const struct wcow_http_response *answer,
                                       struct wcow_error *err);

/* Turn an answer that is not what was hoped for into an error. */
int wcow_registry_fail(const struct wcow_call *call, const struct wcow_http_response *response,
                       struct wcow_error *err);
/* What is odd about an answer whose bytes are not what was asked for, as the beginning of a
 * message; "" where nothing is. */
const char *wcow_registry_oddity(const struct wcow_http_response *response);
/* Put host, repository and what was done before the message in err. */
int wcow_registry_wrap(const struct wcow_call *call, int code, struct wcow_error *err);

/* The servers for @p ref. */
WCOW_NODISCARD int wcow_registry_hosts(const struct wcow_registry *registry,
                                       const struct wcow_reference *ref, struct wcow_hosts *ret,
                                       struct wcow_error *err);
/* <host>/<repository>/<path>, with ?ns= for a mirror. The caller frees *ret. */
WCOW_NODISCARD int wcow_registry_url(const struct wcow_host *host, const struct wcow_reference *ref,
                                     const char *path, char **ret, struct wcow_error *err);
/* "repository:<name>:<actions>". */
WCOW_NODISCARD int wcow_registry_scope(const struct wcow_reference *ref, const char *actions,
                                       char **ret, struct wcow_error *err);
/* Whether another server may be tried after this error. */
bool wcow_registry_may_try_next(int code);

/* ---- registry_auth.c ---- */
WCOW_NODISCARD int wcow_token_cache_new(struct wcow_token_cache **ret, struct wcow_error *err);
void wcow_token_cache_free(struct wcow_token_cache *cache);
/* The Authorization value that served before; *ret NULL when none is known. The caller frees. */
WCOW_NODISCARD int wcow_registry_known_authorization(struct wcow_registry *registry,
                                                     const struct wcow_call *call, char **ret,
                                                     struct wcow_error *err);
/* Answer the challenges of a 401: *ret is the new Authorization value, NULL when there is nothing
 * to log in with. */
WCOW_NODISCARD int wcow_registry_authenticate(struct wcow_registry *registry,
                                              struct wcow_call *call,
                                              const struct wcow_str_list *challenges, char **ret,
                                              struct wcow_error *err);

#endif
