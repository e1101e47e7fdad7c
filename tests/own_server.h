/* SPDX-License-Identifier: Apache-2.0 */
/* A server for each test of a file, on a socket in a folder of its own. */
#ifndef WCOW_TEST_OWN_SERVER_H
#define WCOW_TEST_OWN_SERVER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rpc/server.h"
#include "wcow_test.h"

static char folder[] = "/tmp/wcow-server-XXXXXX";
static char socket_path[sizeof(folder) + 2];
static struct wcow_rpc_server *server;

/* For cmocka's setup. */
static inline int start_server(const struct wcow_rpc_method *methods, size_t n)
{
    const struct wcow_rpc_server_options options = {.address = socket_path, .stop_grace_ms = 200};
    struct wcow_error err = {0};
    memset(folder + sizeof(folder) - 7, 'X', 6);
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
    if (wcow_rpc_server_new(&options, methods, n, &server, &err) < 0 ||
        wcow_rpc_server_start(server, &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

/* cmocka's teardown. */
static inline int stop_server(void **state)
{
    (void)state;
    char path[sizeof(socket_path) + sizeof(".lock")];
    wcow_rpc_server_free(server);
    (void)snprintf(path, sizeof(path), "%s.lock", socket_path);
    (void)unlink(path);
    return rmdir(folder);
}

#endif
