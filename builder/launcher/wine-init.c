/* SPDX-License-Identifier: Apache-2.0 */
/* Process 1 of a container in which RUN's command runs under Wine: starts Wine, reaps what is
 * orphaned, and when the command has ended makes Wine's server write the registry and go. Linked
 * statically: whatever C library stands below /usr there is not its own.
 *
 *   wcow-wine-init WINESERVER WINE ARGUMENT... */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NO_START = 127 };

static pid_t start(char *const argv[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)execv(argv[0], argv);
    (void)fprintf(stderr, "wcow-wine-init: cannot start %s: %s\n", argv[0], strerrordesc_np(errno));
    _exit(EXIT_NO_START);
}

/* Wait for one process, reaping all others meanwhile. */
static int wait_for(pid_t pid)
{
    for (;;) {
        int status = 0;
        pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno != EINTR)
            return EXIT_NO_START;
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

static int run(char *const argv[])
{
    pid_t pid = start(argv);
    return pid < 0 ? EXIT_NO_START : wait_for(pid);
}

int main(int argc, char **argv)
{
    /* It ends all there is around it: only what is a container's own first process may. */
    if (getpid() != 1) {
        (void)fprintf(stderr, "wcow-wine-init: for process 1 of a container alone\n");
        return EXIT_NO_START;
    }
    if (argc < 3)
        return EXIT_NO_START;
    int code = run(argv + 2);
    /* Without the wait the last changes of the registry are lost. */
    char end[] = "-k15";
    char wait[] = "-w";
    (void)run((char *const[]){argv[1], end, NULL});
    (void)run((char *const[]){argv[1], wait, NULL});
    return code; /* and with process 1 the kernel ends the rest */
}
