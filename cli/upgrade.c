/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/upgrade.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

enum { TRY_MS = 10000, TRY_POLL_MS = 10 };

/* Where the program lies, also when another one has been put in its place since. */
static void program_path(char out[PATH_MAX])
{
    static const char gone[] = " (deleted)";
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    size_t len = n > 0 ? (size_t)n : 0;
    out[len] = '\0';
    if (len > strlen(gone) && strcmp(out + len - strlen(gone), gone) == 0)
        out[len - strlen(gone)] = '\0';
}

static int wait_for_trial(pid_t pid, const char *program, struct wcow_error *err)
{
    int status = 0;
    for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += TRY_POLL_MS) {
        if (ms >= TRY_MS) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
            return WCOW_FAIL(err, WCOW_E_DEADLINE, "%s --version does not end", program);
        }
        (void)usleep(TRY_POLL_MS * 1000);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION, "%s --version fails (wait status %#x)", program,
                         (unsigned)status);
    return WCOW_OK;
}

/* A file that was copied by half, of another machine, or without its libraries. */
static int try_program(char *program, struct wcow_error *err)
{
    static char version[] = "--version";
    char *argv[] = {program, version, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int e = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    errno = e;
    return e ? WCOW_FAIL_ERRNO(err, WCOW_E_DENIED, "cannot start %s", program)
             : wait_for_trial(pid, program, err);
}

void wcow_upgrade(struct wcow_daemon **daemon, char **argv)
{
    struct wcow_error err = {0};
    struct wcow_listener listener = WCOW_LISTENER_NONE;
    char program[PATH_MAX];
    program_path(program);
    int r = try_program(program, &err);
    if (r == WCOW_OK)
        r = wcow_daemon_pass_on(*daemon, &listener, &err);
    if (r < 0) {
        wcow_log(WCOW_LOG_ERROR, "not upgraded, the program goes on as it is",
                 WCOW_STR("error", err.msg));
        return;
    }
    wcow_daemon_free(*daemon);
    *daemon = NULL;
    (void)!wcow_listener_exec(&listener, program, argv, &err);
    wcow_log(WCOW_LOG_ERROR, "cannot go on", WCOW_STR("error", err.msg));
    wcow_listener_close(&listener);
}
