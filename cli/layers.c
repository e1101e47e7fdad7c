/* SPDX-License-Identifier: Apache-2.0 */
/* wcow layers: which folders are behind a snapshot. Reads metadata.db, so it works while wcowd runs
 * and while it does not. */
#include <stdio.h>

#include "base/bytes.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "snapshotter/lookup.h"
#include "store/db.h"

static int print_plain(const struct wcow_snapshot_folders *f, bool verbose)
{
    for (size_t i = 0; i < f->n_parents; i++)
        (void)printf("%s%s\n", verbose ? "parent   " : "", f->parents[i]);
    const char *role = f->kind == WCOW_KIND_ACTIVE ? "scratch  " : "view     ";
    (void)printf("%s%s\n", verbose ? role : "", f->source);
    return WCOW_EXIT_OK;
}

/* A committed snapshot is a layer itself: the nearest one. */
static int print_committed(const struct wcow_snapshot_folders *f, bool verbose)
{
    (void)printf("%s%s\n", verbose ? "layer    " : "", f->source);
    for (size_t i = 0; i < f->n_parents; i++)
        (void)printf("%s%s\n", verbose ? "parent   " : "", f->parents[i]);
    return WCOW_EXIT_OK;
}

static int print_folders(const char *root, const char *ns, const char *key, bool verbose)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    WCOW_CLEANUP(wcow_snapshot_folders_done) struct wcow_snapshot_folders folders = {0};
    int r = wcow_store_open_readonly(root, &store, &err);
    if (r == WCOW_OK)
        r = wcow_snapshotter_layers(store, ns, key, &folders, &err);
    if (r < 0) {
        (void)fprintf(stderr, "wcow layers: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    if (verbose)
        (void)printf("snapshot %s (%s)\n", folders.key, wcow_kind_name(folders.kind));
    return folders.kind == WCOW_KIND_COMMITTED ? print_committed(&folders, verbose)
                                               : print_plain(&folders, verbose);
}

int wcow_cli_layers(int argc, char **argv)
{
    struct wcow_place place = {0};
    bool verbose = false;
    const struct wcow_option options[] = {
        {'v', "verbose", NULL, "Show the snapshot and what each folder is", WCOW_OPTION_FLAG,
         &verbose},
        WCOW_PLACE_NAMESPACE(&place),
        WCOW_PLACE_ROOT(&place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow layers",
        .usage = "[OPTIONS] KEY",
        .summary =
            "Show the folders behind a snapshot, one a line, in the order of a Windows runtime "
            "spec's\nlayerFolders: nearest parent first, the base last, then the snapshot's "
            "own folder. A\ncommitted snapshot is a layer itself and comes first.",
        .options = options,
        .min_args = 1,
        .max_args = 1,
        .epilogue = "KEY is a snapshot's key as `ctr snapshots ls` shows it: a name or a chain ID.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    wcow_place_fill(&place);
    return print_folders(place.root, place.ns, argv[operand], verbose);
}
