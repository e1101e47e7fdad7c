/* SPDX-License-Identifier: Apache-2.0 */
/* Process 1 of a container in which RUN's command runs under Wine: starts Wine, reaps what is
 * orphaned, and when the command has ended makes Wine's server write the registry and go. When
 * standard input ends the builder has, however that came: then all of the container ends. Linked
 * statically: whatever C library stands below /usr there is not its own.
 *
 *   wcow-wine-init WINESERVER WINE ARGUMENT... */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NO_START = 127 };

/* ---- waiting ---- */

static sigset_t usual_mask;

static void on_child(int signal_number)
{
    (void)signal_number;
}

/* SIGCHLD comes only while ppoll() waits, so that none is missed. */
static void hold_signals(void)
{
    sigset_t mask;
    struct sigaction action = {.sa_handler = on_child};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGCHLD, &action, NULL);
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &mask, &usual_mask);
}

/* Whether standard input is one that the builder holds open: a pipe. */
static bool has_builder(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Until a child ends or the builder does. */
static void wait_a_while(void)
{
    static const int input_ended = POLLIN | POLLHUP | POLLERR;
    struct pollfd p = {.fd = has_builder() ? STDIN_FILENO : -1, .events = POLLIN};
    char data[512];
    if (ppoll(&p, 1, NULL, &usual_mask) > 0 && (p.revents & input_ended) &&
        read(STDIN_FILENO, data, sizeof(data)) == 0)
        _exit(EXIT_NO_START); /* and with process 1 the kernel ends the rest */
}

/* ---- children ---- */

/* Windows programs need the page 0x7ffe0000 (KUSER_SHARED_DATA). Where addresses are random, Wine's
 * heap lies over it once in thousands of starts, and the program does not start. Children inherit
 * this; where it is refused, chance decides as before. */
static void fix_addresses(void)
{
    int now = personality(0xffffffff); /* asks */
    if (now >= 0)
        (void)personality((unsigned)now | ADDR_NO_RANDOMIZE);
}

static pid_t start(char *const argv[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        (void)close(STDIN_FILENO); /* the builder's is not for the command */
    (void)pthread_sigmask(SIG_SETMASK, &usual_mask, NULL);
    (void)execv(argv[0], argv);
    (void)fprintf(stderr, "wcow-wine-init: cannot start %s: %s\n", argv[0], strerrordesc_np(errno));
    _exit(EXIT_NO_START);
}

/* Wait for one process, reaping all others meanwhile. */
static int wait_for(pid_t pid)
{
    for (;;) {
        int status = 0;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended < 0 && errno != EINTR)
            return EXIT_NO_START;
        if (ended == 0)
            wait_a_while();
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
    hold_signals();
    fix_addresses();
    int code = run(argv + 2);
    /* Without the wait the last changes of the registry are lost. */
    char end[] = "-k15";
    char wait[] = "-w";
    (void)run((char *const[]){argv[1], end, NULL});
    (void)run((char *const[]){argv[1], wait, NULL});
    return code; /* and with process 1 the kernel ends the rest */
}
