/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs for tests: run to their end without system(), which no thread may call. */
#ifndef WCOW_RUN_COMMAND_H
#define WCOW_RUN_COMMAND_H

#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program found in PATH; its exit code, or -1 where it did not start or was killed. */
static inline int run_command(const char *const argv[])
{
    char *const *args = NULL;
    memcpy(&args, &argv, sizeof(args)); /* what POSIX takes it does not change */
    pid_t pid = 0;
    int status = 0;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, args, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static inline int run_script(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    return run_command(argv);
}

/* A test's own folder with all in it; what was mounted there stays. */
static inline int remove_all(const char *folder)
{
    const char *const argv[] = {"rm", "-rf", "--one-file-system", folder, NULL};
    return run_command(argv);
}

#endif
