/* SPDX-License-Identifier: Apache-2.0 */
/** @file hosts_file.h
 *  Private to image/hosts*.c: one directory of containerd's certs.d. */
#ifndef WCOW_IMAGE_HOSTS_FILE_H
#define WCOW_IMAGE_HOSTS_FILE_H

#include "image/hosts.h"

/** Read @p directory/hosts.toml, whose [host."…"] tables are appended to @p ret as mirrors, in
 *  their order; *own gets what stands for the registry itself (its url stays NULL where "server"
 *  is not set). Without a hosts.toml *own gets the certificates that lie in the directory.
 *  @p registry  the registry's host: a server of another name is a mirror.
 *  *ret_found tells whether there was such a directory. */
WCOW_NODISCARD int wcow_hosts_read_directory(const char *directory, const char *registry,
                                             struct wcow_hosts *ret, struct wcow_host *own,
                                             bool *ret_found, struct wcow_error *err);
/** Set url, authority and is_mirror of @p host from what the operator wrote ("https://x:5000",
 *  "x:5000"); "/v2" is added unless @p override_path. WCOW_E_CORRUPT. */
WCOW_NODISCARD int wcow_host_set_server(struct wcow_host *host, const char *server,
                                        bool override_path, const char *registry,
                                        struct wcow_error *err);

#endif
