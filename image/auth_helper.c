/* SPDX-License-Identifier: Apache-2.0 */
#include "image/auth_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image/json.h"
#include "image/secret.h"

enum { HELPER_TIMEOUT_MS = 30000, POLL_MS = 100, HELPER_OUTPUT_MAX = 256 << 10 };

/* Standard input from a file in memory: no pipe can break or block. */
static int make_input(const char *server, int *ret_fd, struct wcow_error *err)
{
    wcow_autoclose int fd = memfd_create("wcow-credential", MFD_CLOEXEC);
    size_t len = strlen(server);
    if (fd < 0 || write(fd, server, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "input for a credential helper");
    *ret_fd = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

static int spawn_helper(const char *program, int in, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int e = posix_spawn_file_actions_init(&actions);
    if (e)
        return e;
    e = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!e)
        e = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!e)
        e = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    char name[128];
    char verb[] = "get";
    (void)snprintf(name, sizeof(name), "%s", program);
    char *argv[] = {name, verb, NULL};
    if (!e)
        e = posix_spawnp(ret_pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return e;
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Everything that the helper says until it closes its output. */
static int read_output(int fd, const char *program, const atomic_bool *cancelled,
                       struct wcow_buf *out, struct wcow_error *err)
{
    int64_t deadline = now_ms() + HELPER_TIMEOUT_MS;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (cancelled && atomic_load(cancelled))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        if (now_ms() >= deadline)
            return WCOW_FAIL(err, WCOW_E_UNAVAILABLE,
                             "the credential helper %s has not answered in %d seconds", program,
                             HELPER_TIMEOUT_MS / 1000);
        if (poll(&p, 1, POLL_MS) <= 0)
            continue;
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read from %s", program);
        if (n == 0)
            return WCOW_OK;
        int r = wcow_buf_add(out, chunk, (size_t)n, err);
        explicit_bzero(chunk, (size_t)n);
        if (r < 0)
            return wcow_error_wrap(r, err, "output of %s", program);
    }
}

static int run_helper(const char *program, const char *server, const atomic_bool *cancelled,
                      struct wcow_buf *out, int *ret_exit_status, struct wcow_error *err)
{
    wcow_autoclose int in = -1;
    int r = make_input(server, &in, err);
    if (r < 0)
        return r;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "pipe for a credential helper");
    wcow_autoclose int from = ends[0];
    wcow_autoclose int to = ends[1];
    pid_t pid = 0;
    int e = spawn_helper(program, in, to, &pid);
    wcow_closep_(&to);
    if (e) {
        errno = e;
        return WCOW_FAIL_ERRNO(err, WCOW_E_UNAVAILABLE,
                               "the credential helper %s, which docker's config.json asks for, "
                               "does not start",
                               program);
    }
    r = read_output(from, program, cancelled, out, err);
    if (r < 0)
        (void)kill(pid, SIGKILL);
    int status = 0;
    pid_t waited;
    do {
        waited = waitpid(pid, &status, 0);
    } while (waited < 0 && errno == EINTR);
    *ret_exit_status = waited == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return r;
}

static int read_answer(const struct wcow_buf *out, const char *program,
                       struct wcow_credentials *ret, struct wcow_error *err)
{
    wcow_autojson *json = NULL;
    const char *username = NULL;
    const char *secret = NULL;
    int r = wcow_json_parse_object(out->data, out->len, HELPER_OUTPUT_MAX, "answer", &json, NULL);
    if (r == WCOW_OK)
        r = wcow_json_string(json, "Username", &username, NULL);
    if (r == WCOW_OK)
        r = wcow_json_string(json, "Secret", &secret, NULL);
    if (r < 0 || !secret) /* JSON's own message would quote the secret */
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "the credential helper %s did not answer with a JSON object of Username "
                         "and Secret",
                         program);
    bool token = username && strcmp(username, "<token>") == 0;
    char **to = token ? &ret->identity_token : &ret->password;
    *to = strdup(secret);
    if (!token)
        ret->username = strdup(username ? username : "");
    return *to && (token || ret->username)
               ? WCOW_OK
               : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for credentials");
}

int wcow_auth_helper_get(const char *name, const char *server, const atomic_bool *cancelled,
                         struct wcow_credentials *ret, struct wcow_error *err)
{
    char program[128];
    if (!*name || strchr(name, '/') || strlen(name) > 64)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.80s\" in docker's config.json is not the name of a credential helper",
                         name);
    (void)snprintf(program, sizeof(program), "docker-credential-%s", name);
    wcow_autosecretbuf out = {.max_bytes = HELPER_OUTPUT_MAX};
    int status = 0;
    int r = run_helper(program, server, cancelled, &out, &status, err);
    if (r < 0)
        return r;
    if (status == 0)
        return read_answer(&out, program, ret, err);
    /* A failing helper says why on its output. An answer all the same is not for others' eyes. */
    const char *said = out.data ? (const char *)out.data : "";
    if (strstr(said, "credentials not found"))
        return WCOW_OK;
    if (strchr(said, '{'))
        said = "";
    return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "the credential helper %s failed for %s%s%.*s",
                     program, server, *said ? ": " : "", (int)strcspn(said, "\r\n"), said);
}
