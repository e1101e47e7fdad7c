/* SPDX-License-Identifier: Apache-2.0 */
/* wcowd: the daemon. Opens the store, serves the plugins, waits for a signal. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/daemon.h"
#include "cli/notify.h"
#include "cli/settings.h"
#include "cli/upgrade.h"

enum {
    LONG_CALL_MS = 1000, /* what is over by then doesn't hold up an upgrade */
    QUIET_POLL_MS = 50,
    QUIET_WAIT_MS = 600000,
};

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
static int wait_for_end(const struct wcow_daemon *daemon, const sigset_t *set, int argc,
                        char **argv)
{
    const struct timespec pause = {.tv_nsec = QUIET_POLL_MS * 1000000L};
    bool upgrades = false;
    for (unsigned waited_ms = 0;;) {
        int signal_number = upgrades ? sigtimedwait(set, NULL, &pause) : sigwaitinfo(set, NULL);
        if (signal_number == SIGHUP)
            reload(argc, argv);
        if (signal_number == SIGTERM || signal_number == SIGINT) {
            wcow_log(WCOW_LOG_INFO, "stopping", WCOW_INT("signal", signal_number));
            return signal_number;
        }
        upgrades = upgrades || signal_number == SIGUSR2;
        /* A layer that is being unpacked is waited for while all is served as ever. */
        bool quiet = wcow_daemon_busy_ms(daemon) < LONG_CALL_MS;
        if (upgrades && (quiet || waited_ms > QUIET_WAIT_MS)) {
            wcow_log(WCOW_LOG_INFO, "upgrading", WCOW_INT("waited_ms", waited_ms));
            return SIGUSR2;
        }
        waited_ms += upgrades ? QUIET_POLL_MS : 0;
    }
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
             WCOW_STR("address", wcow_daemon_address(daemon)), WCOW_STR("root", settings->root),
             WCOW_STR("services", settings->services), WCOW_INT("pid", getpid()));
    wcow_notify("READY=1");
    while (daemon && wait_for_end(daemon, set, argc, argv) == SIGUSR2)
        wcow_upgrade(&daemon, argv);
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
    sigset_t set = block_signals(); /* before all else: one that comes early must not end it */
    wcow_fd_hold_standard();
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
        status = serve(&settings, &set, argc, argv);
    }
    wcow_settings_done(&settings);
    return status;
}
