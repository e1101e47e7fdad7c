/* SPDX-License-Identifier: Apache-2.0 */
/* wcow: the command. Finds the verb and hands over. */
#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cli/options.h"
#include "cli/verbs.h"

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verbs[] = {
    {"build", wcow_cli_build, "Build a Windows image from a Dockerfile"},
    {"cat", wcow_cli_cat, "Write a file of an image or a layer to standard output"},
    {"diff", wcow_cli_diff, "Show in what two images or layers differ"},
    {"du", wcow_cli_du, "Show what the build cache holds"},
    {"executor", wcow_cli_executor, "Set up what executes RUN"},
    {"layers", wcow_cli_layers, "Show the folders behind a snapshot"},
    {"ls", wcow_cli_ls, "List the files of an image, a snapshot or a layer"},
    {"prune", wcow_cli_prune, "Empty the build cache"},
    {"repair", wcow_cli_repair, "Mend a layer that another builder wrote wrongly"},
    {"snapshots", wcow_cli_snapshots, "Show the snapshots as a tree, with sizes and folders"},
    {"spec", wcow_cli_spec, "Write a runtime config.json for an image or a snapshot"},
    {"tar", wcow_cli_tar, "Make a layer of a folder or a tar, or the other way"},
    {"verify", wcow_cli_verify, "Say whether Windows would import an image or a layer"},
};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static void print_help(FILE *out)
{
    (void)fprintf(out, "Usage: wcow COMMAND [OPTIONS]\n\n"
                       "Windows container images on Linux: build them, look into their layers.\n\n"
                       "Commands:\n");
    for (size_t i = 0; i < N_VERBS; i++)
        (void)fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].help);
    (void)fprintf(out, "\nOptions:\n"
                       "  -h, --help     Show this help\n"
                       "  -v, --version  Show the version\n\n"
                       "\"wcow COMMAND --help\" shows a command's options.\n");
}

/* What lists a large folder goes back to the system with it: glibc would raise its limit when it is
 * freed, and let the next one grow by copies, between which nothing else fits. */
static void bound_heap(void)
{
#ifdef M_MMAP_THRESHOLD
    enum { LARGE_BYTES = 1 << 20 };
    /* NOLINTBEGIN(concurrency-mt-unsafe): before any thread starts */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 4 * LARGE_BYTES);
    /* NOLINTEND(concurrency-mt-unsafe) */
#endif
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    /* libarchive takes names to be in the locale's characters; ours are UTF-8, whatever the user's
     * locale is. Nothing else of a locale changes what is built. */
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (strcmp(name, "-v") == 0 || strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        (void)printf("wcow %s\n", WCOW_VERSION);
        return WCOW_EXIT_OK;
    }
    if (!*name || strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0 ||
        strcmp(name, "help") == 0) {
        print_help(*name ? stdout : stderr);
        return *name ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    }
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(name, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "wcow: \"%s\" is not a wcow command.\nSee \"wcow --help\".\n", name);
    return WCOW_EXIT_USAGE;
}

/* What was said well may not have got through. */
static int end(int code)
{
    if (code != WCOW_EXIT_OK || (fflush(stdout) == 0 && !ferror(stdout)))
        return code;
    (void)fprintf(stderr, "wcow: write to standard output: %s\n", strerrordesc_np(errno));
    return WCOW_EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    bound_heap();
    wcow_fd_hold_standard();
    return end(run(argc, argv));
}
