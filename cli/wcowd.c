/* SPDX-License-Identifier: Apache-2.0 */
/* wcowd: the daemon. Opens the store, serves the plugins, waits for a signal. */
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

static void wait_for_end(const sigset_t *set, int argc, char **argv)
{
    for (;;) {
        int signal_number = sigwaitinfo(set, NULL);
        if (signal_number == SIGHUP) {
            reload(argc, argv);
        } else if (signal_number > 0) {
            wcow_log(WCOW_LOG_INFO, "stopping", WCOW_INT("signal", signal_number));
            return;
        }
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
             WCOW_STR("address", settings->address), WCOW_STR("root", settings->root),
             WCOW_STR("services", settings->services), WCOW_INT("pid", getpid()));
    wcow_notify("READY=1");
    wait_for_end(set, argc, argv);
    wcow_notify("STOPPING=1");
    return WCOW_EXIT_OK;
}

/* A daemon that rests most of the time: freed memory goes back, and threads share their pools. */
static void keep_memory_small(void)
{
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

int main(int argc, char **argv)
{
    keep_memory_small();
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
