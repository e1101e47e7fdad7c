/* SPDX-License-Identifier: Apache-2.0 */
/* wcow repair: layers that another builder wrote wrongly, as Windows can take them; a tar, or an
 * image. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/repair_image.h"
#include "cli/repair_layer.h"
#include "cli/show.h"
#include "cli/target.h"
#include "cli/verbs.h"

struct repairing {
    struct wcow_target_options where;
    struct wcow_mending m;
    const char *tag;
    bool one_platform; /* was asked for */
    struct wcow_target parents;
    struct wcow_chain chain; /* of them */
};

static int open_parents(struct repairing *s, struct wcow_error *err)
{
    if (!s->where.parents.n)
        return WCOW_OK;
    struct wcow_target_options where = s->where;
    const char *nearest = where.parents.items[0];
    where.parents =
        (struct wcow_option_list){.items = s->where.parents.items + 1, .n = s->where.parents.n - 1};
    int r = wcow_target_open_over(&where, nearest, &s->parents, err);
    s->chain = wcow_target_chain(&s->parents, 0);
    s->m.parents = &s->chain;
    return r;
}

static int repair_tar(struct repairing *s, const char *input, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    int r = open_parents(s, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_open(input, &tar, err);
    return r < 0 ? r : wcow_mend_layer(&s->m, tar, err);
}

static int repair_image(struct repairing *s, const char *input, struct wcow_error *err)
{
    if (s->where.parents.n || s->m.is_base || s->m.is_diff || s->m.compression)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is an image: --parent, --base, --diff and --compression are for a "
                         "layer's tar",
                         input);
    const struct wcow_image_repair q = {.where = &s->where,
                                        .one_platform = s->one_platform,
                                        .input = input,
                                        .output = s->m.output,
                                        .tag = s->tag,
                                        .dry_run = s->m.dry_run,
                                        .quiet = s->m.quiet};
    return wcow_repair_image(&q, &s->m.n_left, err);
}

static int run(struct repairing *s, const char *input, struct wcow_error *err)
{
    if (s->m.is_base && (s->m.is_diff || s->where.parents.n))
        return WCOW_FAIL(err, WCOW_E_INVALID, "--base excludes --diff and --parent");
    if (!s->m.output && !s->m.dry_run)
        return WCOW_FAIL(err, WCOW_E_INVALID, "where to? name it with --output, or --dry-run");
    int is_image = wcow_repair_is_image(input, err);
    if (is_image < 0)
        return is_image;
    if (!is_image && s->tag)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--tag is for images, and \"%s\" is a layer's tar",
                         input);
    return is_image ? repair_image(s, input, err) : repair_tar(s, input, err);
}

static void done(struct repairing *s)
{
    wcow_target_done(&s->parents);
    wcow_option_list_done(&s->where.parents);
}

int wcow_cli_repair(int argc, char **argv)
{
    struct repairing s = {.where = WCOW_TARGET_DEFAULTS};
    const char *default_platform = s.where.platform;
    s.where.platform = NULL;
    const struct wcow_option options[] = {
        {'o', "output", "FILE",
         "The mended tar (- for standard output), or the folder of a mended image",
         WCOW_OPTION_STRING, &s.m.output},
        {0, "compression", "KIND", "gzip, zstd or none (by the name of FILE)", WCOW_OPTION_STRING,
         &s.m.compression},
        {'t', "tag", "NAME", "Of a mended image (as before)", WCOW_OPTION_STRING, &s.tag},
        {0, "dry-run", NULL, "Only say what would be done", WCOW_OPTION_FLAG, &s.m.dry_run},
        {'q', "quiet", NULL, "Do not name each entry, only count", WCOW_OPTION_FLAG, &s.m.quiet},
        {0, "base", NULL, "It is a base layer (else what it looks like)", WCOW_OPTION_FLAG,
         &s.m.is_base},
        {0, "diff", NULL, "It lies on other layers", WCOW_OPTION_FLAG, &s.m.is_diff},
        WCOW_TARGET_PARENT(&s.where),
        {0, "platform", "PLATFORM", "Only this one of an image (all for Windows)",
         WCOW_OPTION_STRING, &s.where.platform},
        WCOW_TARGET_SNAPSHOTTER(&s.where),
        WCOW_PLACE_ADDRESS(&s.where.place),
        WCOW_PLACE_NAMESPACE(&s.where.place),
        WCOW_PLACE_ROOT(&s.where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow repair",
        .usage = "[OPTIONS] TAR|IMAGE -o FILE|DIR",
        .summary =
            "Mend a layer's tar, or an image, that another builder wrote wrongly: links with "
            "Files/ "
            "in\nfront, hard links without it, links without attributes, missing directories, "
            "times in 1754,\nopaque markers, base metadata that was replaced. Each change is told; "
            "what cannot be\nmended, too.",
        .options = options,
        .min_args = 1,
        .max_args = 1,
        .epilogue =
            "TAR is plain, gzip or zstd; - for standard input. With --parent, directories get the "
            "metadata\nof the layers below, and opaque markers become whiteouts.\nIMAGE is an OCI "
            "layout (a folder or a tar) or an archive of docker save, with :TAG behind it "
            "where\nit "
            "has several, or an image of containerd. Its layers are mended from the base up and "
            "written as\nan OCI layout, with the config and the manifest that they need; a layer "
            "with nothing to mend stays\nthe blob it is.\nThe exit code is 1 where Windows would "
            "still not import it.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&s.where.place);
        s.one_platform = s.where.platform;
        if (!s.one_platform)
            s.where.platform = default_platform;
        struct wcow_error err = {0};
        int r = run(&s, argv[operand], &err);
        if (r < 0)
            (void)fprintf(stderr, "wcow repair: %s\n", err.msg);
        code = r < 0 || s.m.n_left ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
    }
    done(&s);
    return code;
}
