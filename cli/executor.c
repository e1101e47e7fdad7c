/* SPDX-License-Identifier: Apache-2.0 */
/* wcow executor: what RUN is executed by, and setting it up. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/backend.h"
#include "builder/run.h"
#include "builder/wine_install.h"
#include "cli/conf.h"
#include "cli/place.h"
#include "cli/verbs.h"

struct arguments {
    struct wcow_place place;
    const char *snapshotter;
    const char *usr;
    const char *programs;
};

/* Beside wcow itself in a build folder; ../lib/wcow where it is installed. */
static int find_programs(char out[PATH_MAX], struct wcow_error *err)
{
    static const char *const places[] = {"", "/../lib/wcow", "/../libexec/wcow"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char file[PATH_MAX + 64];
        if (snprintf(out, PATH_MAX, "%s%s", self, places[i]) >= PATH_MAX)
            continue;
        (void)snprintf(file, sizeof(file), "%s/wcow-launch.exe", out);
        if (access(file, R_OK) == 0)
            return WCOW_OK;
    }
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                     "wcow-launch.exe is neither beside wcow nor in ../lib/wcow: build wcow with "
                     "mingw-w64 installed, or name its folder with --programs");
}

static int install(const struct arguments *a, struct wcow_progress *progress,
                   struct wcow_error *err)
{
    char programs[PATH_MAX];
    WCOW_CLEANUP(wcow_backend_free_p) struct wcow_backend *backend = NULL;
    const struct wcow_backend_options options = {.address = a->place.address,
                                                 .ns = a->place.ns,
                                                 .snapshotter = a->snapshotter,
                                                 .progress = progress};
    int r = a->programs ? WCOW_OK : find_programs(programs, err);
    if (r == WCOW_OK)
        r = wcow_backend_new(&options, &backend, err);
    if (r < 0)
        return r;
    unsigned step = wcow_progress_start(progress, "set up Wine for RUN");
    const struct wcow_wine_install what = {.root = a->place.root,
                                           .usr = a->usr,
                                           .programs = a->programs ? a->programs : programs,
                                           .step = step};
    r = wcow_wine_install(backend, &what, err);
    wcow_progress_end(progress, step, r < 0 ? WCOW_PROGRESS_ERROR : WCOW_PROGRESS_DONE,
                      r < 0 && err ? err->msg : NULL);
    return r;
}

static int run_install(const struct arguments *a)
{
    struct wcow_error err = {0};
    enum wcow_progress_mode mode = WCOW_PROGRESS_PLAIN;
    WCOW_CLEANUP(wcow_progress_free_p) struct wcow_progress *progress = NULL;
    int r = wcow_progress_new(mode, STDERR_FILENO, &progress, &err);
    if (r == WCOW_OK)
        r = install(a, progress, &err);
    wcow_progress_free(WCOW_TAKE_PTR(progress));
    if (r < 0) {
        (void)fprintf(stderr, "wcow executor: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    (void)printf("Wine is set up in %s/executors/wine. Build with --executor=wine, or put\n"
                 "\"executor = wine\" into /etc/wcow/wcow.conf.\n",
                 a->place.root);
    return WCOW_EXIT_OK;
}

static int run_list(const struct arguments *a)
{
    struct wcow_error err = {0};
    struct wcow_conf conf = {0};
    WCOW_CLEANUP(wcow_executor_free_p) struct wcow_executor *executor = NULL;
    const struct wcow_executor_options options = {.name = "wine", .root = a->place.root};
    int r = wcow_conf_load(&conf, &err);
    if (r < 0) {
        (void)fprintf(stderr, "wcow executor: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    bool is_default = conf.executor && strcmp(conf.executor, "wine") == 0;
    wcow_conf_done(&conf);
    if (wcow_executor_new(&options, NULL, &executor, NULL) == WCOW_OK)
        (void)printf("wine    %s%s\n", executor->version, is_default ? " (default)" : "");
    else
        (void)printf("wine    not installed\n");
    (void)printf("runhcs  needs a Windows host\n");
    return WCOW_EXIT_OK;
}

static int dispatch(const struct arguments *a, int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "ls") == 0)
        return run_list(a);
    if (argc == 2 && strcmp(argv[0], "install") == 0 && strcmp(argv[1], "wine") == 0)
        return run_install(a);
    (void)fprintf(stderr, "wcow executor: expected \"ls\" or \"install wine\".\n"
                          "See \"wcow executor --help\".\n");
    return WCOW_EXIT_USAGE;
}

int wcow_cli_executor(int argc, char **argv)
{
    struct arguments a = {.snapshotter = "wcow", .usr = "/usr"};
    const struct wcow_option options[] = {
        WCOW_PLACE_ADDRESS(&a.place),
        WCOW_PLACE_NAMESPACE(&a.place),
        {0, "programs", "DIR", "Where wcow-launch.exe and wcow-wine-init are", WCOW_OPTION_STRING,
         &a.programs},
        WCOW_PLACE_ROOT(&a.place),
        {0, "snapshotter", "NAME", "The snapshotter that wcowd is registered as",
         WCOW_OPTION_STRING, &a.snapshotter},
        {0, "usr", "DIR", "The /usr that holds Wine (/usr, or a private root's)",
         WCOW_OPTION_STRING, &a.usr},
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow executor",
        .usage = "[OPTIONS] ls | install wine",
        .summary = "Show what can execute RUN, or set up Wine to do so on Linux.",
        .options = options,
        .min_args = 1,
        .max_args = 2,
        .epilogue = "install wine needs root, Wine (Debian's wine64) and containerd with wcowd; it "
                    "is done once, and\nagain after Wine was upgraded.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    wcow_place_fill(&a.place);
    return dispatch(&a, argc - operand, argv + operand);
}
