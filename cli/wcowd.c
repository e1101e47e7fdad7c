/* SPDX-License-Identifier: Apache-2.0 */
/* wcowd: the daemon. Opens the store, serves the plugins, waits for a signal. */
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/daemon.h"
#include "cli/notify.h"
#include "cli/settings.h"

/* Blocked before any thread starts, so that only the wait below sees them. */
static sigset_t block_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR2);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return set;
}

static void reload(int argc, char **argv)
{
    struct wcow_error err = {0};
    enum wcow_log_level level = WCOW_LOG_INFO;
    if (wcow_settings_reload_level(argc, argv, &level, &err) < 0) {
        wcow_log(WCOW_LOG_ERROR, "settings not read again", WCOW_STR("error", err.msg));
        return;
    }
    wcow_log_set_level(level);
    wcow_log(WCOW_LOG_INFO, "log level set", WCOW_INT("level", level));
}

/* @return the signal that ends this image of the program */
static int wait_for_end(const sigset_t *set, int argc, char **argv)
{
    for (;;) {
        int signal_number = sigwaitinfo(set, NULL);
        if (signal_number == SIGHUP) {
            reload(argc, argv);
        } else if (signal_number > 0) {
            wcow_log(WCOW_LOG_INFO, signal_number == SIGUSR2 ? "upgrading" : "stopping",
                     WCOW_INT("signal", signal_number));
            return signal_number;
        }
    }
}

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

/* The program as it is on disk now takes the socket; callers see a connection that ends after its
 * calls, and wait in the socket for the next one. Back only where that cannot be. */
static void upgrade(struct wcow_daemon **daemon, char **argv)
{
    struct wcow_error err = {0};
    struct wcow_listener listener = {.fd = -1, .lock_fd = -1};
    char program[PATH_MAX];
    program_path(program);
    int r = access(program, X_OK) < 0
                ? WCOW_FAIL_ERRNO(&err, WCOW_E_DENIED, "cannot start \"%s\"", program)
                : wcow_daemon_pass_on(*daemon, &listener, &err);
    if (r < 0) {
        wcow_log(WCOW_LOG_ERROR, "not upgraded", WCOW_STR("error", err.msg));
        return;
    }
    wcow_daemon_free(WCOW_TAKE_PTR(*daemon));
    (void)!wcow_listener_exec(&listener, program, argv, &err);
    wcow_log(WCOW_LOG_ERROR, "cannot go on", WCOW_STR("error", err.msg));
    wcow_listener_close(&listener);
}

static int serve(const struct wcow_settings *settings, const sigset_t *set, int argc, char **argv)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_daemon_free_p) struct wcow_daemon *daemon = NULL;
    int r = wcow_daemon_start(settings, &daemon, &err);
    if (r < 0) {
        wcow_log(WCOW_LOG_ERROR, "cannot start", WCOW_STR("error", err.msg));
        return WCOW_EXIT_FAILURE;
    }
    wcow_log(WCOW_LOG_INFO, "serving", WCOW_STR("version", WCOW_VERSION),
             WCOW_STR("address", settings->address), WCOW_STR("root", settings->root),
             WCOW_STR("services", settings->services), WCOW_INT("pid", getpid()));
    wcow_notify("READY=1");
    while (daemon && wait_for_end(set, argc, argv) == SIGUSR2)
        upgrade(&daemon, argv);
    if (!daemon)
        return WCOW_EXIT_FAILURE;
    wcow_notify("STOPPING=1");
    return WCOW_EXIT_OK;
}

/* Memory of large buffers goes back to the system when they are freed: glibc would raise its limit
 * with each, and keep them in the arenas of threads that are long gone. */
static void bound_heap(void)
{
#ifdef M_MMAP_THRESHOLD
    enum { LARGE_BYTES = 128 << 10, MAX_ARENAS = 2 };
    /* NOLINTBEGIN(concurrency-mt-unsafe): before any thread starts */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES);
    (void)mallopt(M_ARENA_MAX, MAX_ARENAS);
    /* NOLINTEND(concurrency-mt-unsafe) */
#endif
}

int main(int argc, char **argv)
{
    bound_heap();
    struct wcow_settings settings;
    enum wcow_parse parsed = wcow_settings_load(&settings, argc, argv);
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    int status = WCOW_EXIT_OK;
    if (settings.version) {
        (void)printf("wcowd %s\n", WCOW_VERSION);
    } else {
        wcow_log_set_level(settings.level);
        wcow_log_set_format(settings.format);
        sigset_t set = block_signals();
        status = serve(&settings, &set, argc, argv);
    }
    wcow_settings_done(&settings);
    return status;
}
