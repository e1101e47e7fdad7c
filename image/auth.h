/* SPDX-License-Identifier: Apache-2.0 */
/** @file auth.h
 *  Credentials for registries from docker's config.json ($DOCKER_CONFIG or ~/.docker): auths,
 *  credHelpers and credsStore (the docker-credential-* programs' protocol). A secret is never
 *  put into an error message or a log. */
#ifndef WCOW_IMAGE_AUTH_H
#define WCOW_IMAGE_AUTH_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

/** Owned strings; each may be NULL. wcow_credentials_done() wipes and frees them. */
struct wcow_credentials {
    char *username;
    char *password;
    char *identity_token; /**< an OAuth refresh token, used instead of the password */
    char *registry_token; /**< a bearer token, used as it is */
};
void wcow_credentials_done(struct wcow_credentials *credentials);
/** Whether there is anything to log in with. */
bool wcow_credentials_present(const struct wcow_credentials *credentials);
#define wcow_auto_credentials WCOW_CLEANUP(wcow_credentials_done) struct wcow_credentials

/** Docker's config.json, read once; may be shared by threads. */
struct wcow_auth_config;

/** @param directory  holds config.json; NULL means $DOCKER_CONFIG, else $HOME/.docker.
 *  A missing file is an empty config. WCOW_E_CORRUPT for one that is not JSON, WCOW_E_DENIED. */
WCOW_NODISCARD int wcow_auth_config_load(const char *directory, struct wcow_auth_config **ret,
                                         struct wcow_error *err);
void wcow_auth_config_free(struct wcow_auth_config *config);
WCOW_DEFINE_CLEANUP(struct wcow_auth_config, wcow_auth_config_free)

/** Credentials for @p host ("docker.io", "localhost:5000"); all fields NULL when there are none.
 *  Runs the credential helper where one is configured (found in PATH, ended after 30 s).
 *  @param cancelled  ends the helper; may be NULL
 *  @p ret must be zeroed. WCOW_E_UNAVAILABLE when the helper fails, WCOW_E_CORRUPT for a bad entry,
 *  WCOW_E_CANCELLED.
 */
WCOW_NODISCARD int wcow_auth_lookup(const struct wcow_auth_config *config, const char *host,
                                    const atomic_bool *cancelled, struct wcow_credentials *ret,
                                    struct wcow_error *err);

#endif
