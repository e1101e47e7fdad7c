/* SPDX-License-Identifier: Apache-2.0 */
/* wcow cat: the bytes of a file or stream in an image, a snapshot or a layer. */
#include <stdio.h>

#include "cli/show.h"
#include "cli/target.h"
#include "cli/verbs.h"

static int print(struct wcow_target_file *file, struct wcow_error *err)
{
    struct wcow_source source = wcow_target_file_source(file);
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_source_next(&source, &data, &len, err);
        if (r < 0)
            return r;
        if (len == 0)
            return WCOW_OK;
        if (fwrite(data, 1, len, stdout) != len)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "write to standard output");
    }
}

static int run(const struct wcow_target_options *where, const char *name, char **paths, int n,
               struct wcow_error *err)
{
    wcow_autotarget target = {0};
    int r = wcow_target_open_over(where, name, &target, err);
    for (int i = 0; r == WCOW_OK && i < n; i++) {
        wcow_autofree char *path = NULL;
        WCOW_CLEANUP(wcow_target_file_close_p) struct wcow_target_file *file = NULL;
        r = wcow_target_path(paths[i], &path, err);
        if (r == WCOW_OK)
            r = wcow_target_file_open(&target, 0, path, &file, err);
        if (r == WCOW_OK)
            r = print(file, err);
    }
    return r < 0 ? r : wcow_show_flush(err);
}

int wcow_cli_cat(int argc, char **argv)
{
    struct wcow_target_options where = WCOW_TARGET_DEFAULTS;
    const struct wcow_option options[] = {
        WCOW_TARGET_PARENT(&where),
        WCOW_TARGET_PLATFORM(&where),
        WCOW_TARGET_SNAPSHOTTER(&where),
        WCOW_PLACE_ADDRESS(&where.place),
        WCOW_PLACE_NAMESPACE(&where.place),
        WCOW_PLACE_ROOT(&where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow cat",
        .usage = "[OPTIONS] TARGET PATH[:STREAM]...",
        .summary = "Write files of an image, a snapshot or a layer to standard output.",
        .options = options,
        .min_args = 2,
        .max_args = SIZE_MAX,
        .epilogue = WCOW_TARGET_HELP
        "\nPATH is C:\\Windows\\win.ini, /Windows/win.ini or Files/Windows/win.ini, in any letter "
        "case;\nhard links are followed, other links are not.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    struct wcow_error err = {0};
    int r = WCOW_OK;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&where.place);
        r = run(&where, argv[operand], argv + operand + 1, argc - operand - 1, &err);
    }
    wcow_option_list_done(&where.parents);
    if (parsed == WCOW_PARSE_USAGE)
        return WCOW_EXIT_USAGE;
    if (r < 0)
        (void)fprintf(stderr, "wcow cat: %s\n", err.msg);
    return r < 0 ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
}
