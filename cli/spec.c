/* SPDX-License-Identifier: Apache-2.0 */
/* wcow spec: a config.json for `ctr run --config` on Windows, whose root file system is the folders
 * behind a snapshot. How image config and arguments become a command follows containerd's
 * WithImageConfigArgs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/backend.h"
#include "builder/cmdline.h"
#include "builder/images.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "containerd/snapshots.h"
#include "image/runtime_spec.h"
#include "snapshotter/lookup.h"
#include "store/db.h"

struct spec_options {
    struct wcow_place place;
    const char *snapshotter;
    const char *image;   /* whose config is used with a snapshot's folders */
    const char *scratch; /* key of the snapshot made for an image */
    const char *platform;
    const char *output;
    const char *cwd;
    const char *user;
    struct wcow_option_list env;
    bool hyperv;
    const char *operand;
    char **args; /* after the operand: replace the image's Cmd */
    size_t n_args;
};

/* Everything that the spec borrows from. */
struct sources {
    struct wcow_snapshot_folders folders;
    struct wcow_local_image image;
    struct wcow_str_list command;
    struct wcow_str_list env;
    struct wcow_buf command_line;
    bool is_line;
};

static void sources_done(struct sources *s)
{
    wcow_snapshot_folders_done(&s->folders);
    wcow_local_image_done(&s->image);
    wcow_str_list_done(&s->command);
    wcow_str_list_done(&s->env);
    wcow_buf_done(&s->command_line);
}

static int find_folders(const struct spec_options *o, const char *key,
                        struct wcow_snapshot_folders *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    int r = wcow_store_open_readonly(o->place.root, &store, err);
    return r < 0 ? r : wcow_snapshotter_layers(store, o->place.ns, key, ret, err);
}

/* A scratch on the image's layers, kept from containerd's garbage collection as `ctr snapshots
 * prepare` keeps its own. One that is there already is used again. */
static int prepare_scratch(const struct spec_options *o, struct wcow_backend *backend,
                           const struct wcow_image_config *config, const char *key,
                           struct wcow_error *err)
{
    struct wcow_digest chain = {0};
    int r =
        wcow_image_config_chain_id(config, wcow_image_config_diff_id_count(config), &chain, err);
    if (r < 0)
        return r;
    struct wcow_containerd_ctx ctx = backend->ctx;
    ctx.lease = NULL; /* the snapshot outlives the command */
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels labels = {0};
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts mounts = {0};
    r = wcow_labels_set(&labels, "containerd.io/gc.root", "wcow spec", err);
    if (r == WCOW_OK)
        r = wcow_snapshot_prepare(&ctx, o->snapshotter, key, chain.text, &labels, &mounts, err);
    if (r == WCOW_E_EXISTS)
        return WCOW_OK;
    return r;
}

static int find_image(const struct spec_options *o, struct wcow_backend *backend, const char *name,
                      struct wcow_local_image *ret, struct wcow_error *err)
{
    struct wcow_platform platform;
    int r = wcow_platform_parse(o->platform, &platform, err);
    return r < 0 ? r : wcow_image_find(backend, name, &platform, ret, err);
}

static int open_backend(const struct spec_options *o, struct wcow_progress *progress,
                        struct wcow_backend **ret, struct wcow_error *err)
{
    struct wcow_backend_options options = {.address = o->place.address,
                                           .ns = o->place.ns,
                                           .snapshotter = o->snapshotter,
                                           .progress = progress};
    return wcow_backend_new(&options, ret, err);
}

/* An image that was built, or pulled for another snapshotter, may have layers yet to be unpacked.
 */
static int unpack(struct wcow_backend *backend, const struct wcow_local_image *image,
                  struct wcow_progress *progress, struct wcow_error *err)
{
    unsigned step = wcow_progress_start(progress, "unpack");
    int r = wcow_image_unpack(backend, image, step, err);
    wcow_progress_end(progress, step, r < 0 ? WCOW_PROGRESS_ERROR : WCOW_PROGRESS_DONE,
                      r < 0 && err ? err->msg : NULL);
    return r;
}

/* The operand is an image: its config, and a scratch on its layers. */
static int from_image(const struct spec_options *o, struct sources *s, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_progress_free_p) struct wcow_progress *progress = NULL;
    WCOW_CLEANUP(wcow_backend_free_p) struct wcow_backend *backend = NULL;
    int r = wcow_progress_new(WCOW_PROGRESS_QUIET, STDERR_FILENO, &progress, err);
    if (r == WCOW_OK)
        r = open_backend(o, progress, &backend, err);
    if (r == WCOW_OK)
        r = find_image(o, backend, o->operand, &s->image, err);
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_FAIL(err, r, "\"%s\" is neither a snapshot of %s nor an image in containerd",
                         o->operand, o->place.root);
    char key[96];
    (void)snprintf(key, sizeof(key), "wcow-spec-%.12s", s->image.manifest_digest.text + 7);
    const char *scratch = o->scratch ? o->scratch : key;
    if (r == WCOW_OK)
        r = unpack(backend, &s->image, progress, err);
    if (r == WCOW_OK)
        r = prepare_scratch(o, backend, s->image.config, scratch, err);
    if (r == WCOW_OK)
        r = find_folders(o, scratch, &s->folders, err);
    if (r == WCOW_OK)
        (void)fprintf(stderr, "wcow spec: the scratch is snapshot \"%s\"\n", scratch);
    return r;
}

/* The operand is a snapshot; --image says whose config goes with it. */
static int from_snapshot(const struct spec_options *o, struct sources *s, struct wcow_error *err)
{
    if (s->folders.kind == WCOW_KIND_COMMITTED)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "snapshot \"%s\" is committed, a container needs one to write to: ctr "
                         "snapshots --snapshotter %s prepare NAME %s",
                         o->operand, o->snapshotter, o->operand);
    if (!o->image)
        return WCOW_OK;
    WCOW_CLEANUP(wcow_backend_free_p) struct wcow_backend *backend = NULL;
    int r = open_backend(o, NULL, &backend, err);
    return r < 0 ? r : find_image(o, backend, o->image, &s->image, err);
}

static int add_args(struct wcow_str_list *list, char **args, size_t n, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < n && r == WCOW_OK; i++)
        r = wcow_str_list_add(list, args[i], err);
    return r;
}

/* Entrypoint, then the arguments given or else Cmd. */
static int work_out_command(const struct spec_options *o, struct sources *s, struct wcow_error *err)
{
    const struct wcow_image_config *config = s->image.config;
    int r = config ? wcow_image_config_list(config, WCOW_CONFIG_ENTRYPOINT, &s->command, err) : 0;
    bool has_entrypoint = s->command.count > 0;
    if (r == WCOW_OK && o->n_args)
        r = add_args(&s->command, o->args, o->n_args, err);
    else if (r == WCOW_OK && config)
        r = wcow_image_config_list(config, WCOW_CONFIG_CMD, &s->command, err);
    if (r < 0 || !s->command.count)
        return r;

    s->is_line = config && wcow_image_config_args_escaped(config) && (has_entrypoint || !o->n_args);
    if (!s->is_line)
        return WCOW_OK;
    r = wcow_buf_add_str(&s->command_line, s->command.items[0], err);
    if (r == WCOW_OK && s->command.count > 1)
        r = wcow_buf_add_str(&s->command_line, " ", err);
    return r < 0 ? r
                 : wcow_cmdline_join((const char *const *)s->command.items + 1,
                                     s->command.count - 1, &s->command_line, err);
}

static int work_out_env(const struct spec_options *o, struct sources *s, struct wcow_error *err)
{
    int r = s->image.config ? wcow_image_config_list(s->image.config, WCOW_CONFIG_ENV, &s->env, err)
                            : WCOW_OK;
    for (size_t i = 0; i < o->env.n && r == WCOW_OK; i++)
        r = strchr(o->env.items[i], '=')
                ? wcow_str_list_add(&s->env, o->env.items[i], err)
                : WCOW_FAIL(err, WCOW_E_INVALID, "--env takes NAME=VALUE, not \"%s\"",
                            o->env.items[i]);
    return r;
}

static const char *config_string(const struct sources *s, enum wcow_config_string which)
{
    const char *text = s->image.config ? wcow_image_config_string(s->image.config, which) : "";
    return *text ? text : NULL;
}

/* Parents nearest first, then the snapshot's own folder. Caller frees the array. */
static const char **layer_folders(const struct wcow_snapshot_folders *f)
{
    const char **folders = calloc(f->n_parents + 1, sizeof(*folders));
    if (!folders)
        return NULL;
    for (size_t i = 0; i < f->n_parents; i++)
        folders[i] = f->parents[i];
    folders[f->n_parents] = f->source;
    return folders;
}

static int make_spec(const struct spec_options *o, const struct sources *s, struct wcow_buf *out,
                     struct wcow_error *err)
{
    wcow_autofree const char **folders = layer_folders(&s->folders);
    if (!folders)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the folders");
    struct wcow_runtime_spec spec = {
        .layer_folders = {folders, s->folders.n_parents + 1},
        .args = {(const char *const *)s->command.items, s->command.count},
        .command_line = s->is_line ? (const char *)s->command_line.data : NULL,
        .env = {(const char *const *)s->env.items, s->env.count},
        .cwd = o->cwd ? o->cwd : config_string(s, WCOW_CONFIG_WORKING_DIR),
        .username = o->user ? o->user : config_string(s, WCOW_CONFIG_USER),
        .hyperv = o->hyperv,
    };
    return wcow_runtime_spec_write(&spec, out, err);
}

static int write_out(const char *path, const struct wcow_buf *text, struct wcow_error *err)
{
    bool to_stdout = !path || strcmp(path, "-") == 0;
    FILE *f = to_stdout ? stdout : fopen(path, "we");
    if (!f)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open \"%s\"", path);
    bool ok = fwrite(text->data, 1, text->len, f) == text->len;
    ok = (to_stdout ? fflush(f) : fclose(f)) == 0 && ok;
    return ok ? WCOW_OK
              : WCOW_FAIL_ERRNO(err, WCOW_E_IO, "write \"%s\"",
                                to_stdout ? "standard output" : path);
}

static int run(const struct spec_options *o, struct wcow_error *err)
{
    WCOW_CLEANUP(sources_done) struct sources s = {0};
    int r = find_folders(o, o->operand, &s.folders, err);
    if (r == WCOW_E_NOT_FOUND)
        r = from_image(o, &s, err);
    else if (r == WCOW_OK)
        r = from_snapshot(o, &s, err);
    if (r == WCOW_OK)
        r = work_out_command(o, &s, err);
    if (r == WCOW_OK)
        r = work_out_env(o, &s, err);
    wcow_autobuf text = {0};
    if (r == WCOW_OK)
        r = make_spec(o, &s, &text, err);
    return r < 0 ? r : write_out(o->output, &text, err);
}

static int parse_isolation(const char *text, bool *ret_hyperv, struct wcow_error *err)
{
    *ret_hyperv = strcmp(text, "hyperv") == 0;
    if (!*ret_hyperv && strcmp(text, "process") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--isolation is process or hyperv, not \"%s\"", text);
    return WCOW_OK;
}

int wcow_cli_spec(int argc, char **argv)
{
    struct spec_options o = {.snapshotter = "wcow", .platform = "windows/amd64"};
    const char *isolation = "process";
    const struct wcow_option options[] = {
        {'o', "output", "FILE", "Where to write it (standard output)", WCOW_OPTION_STRING,
         &o.output},
        {0, "isolation", "KIND", "process or hyperv (process)", WCOW_OPTION_STRING, &isolation},
        {'e', "env", "NAME=VALUE", "Add a variable; may be repeated", WCOW_OPTION_LIST, &o.env},
        {0, "cwd", "PATH", "Working folder (the image's, or C:\\)", WCOW_OPTION_STRING, &o.cwd},
        {'u', "user", "NAME", "User (the image's)", WCOW_OPTION_STRING, &o.user},
        {0, "image", "IMAGE", "With KEY: take the process from this image", WCOW_OPTION_STRING,
         &o.image},
        {0, "scratch", "KEY", "With IMAGE: key of the scratch to make or use", WCOW_OPTION_STRING,
         &o.scratch},
        {0, "platform", "PLATFORM", "Of the image (windows/amd64)", WCOW_OPTION_STRING,
         &o.platform},
        {0, "snapshotter", "NAME", "wcowd's name in containerd (wcow)", WCOW_OPTION_STRING,
         &o.snapshotter},
        WCOW_PLACE_ADDRESS(&o.place),
        WCOW_PLACE_NAMESPACE(&o.place),
        WCOW_PLACE_ROOT(&o.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow spec",
        .usage = "[OPTIONS] IMAGE|KEY [-- COMMAND [ARG...]]",
        .summary =
            "Write the runtime config.json of a Windows container, for `ctr run --config` on "
            "Windows.\nKEY is an active snapshot: its folders become the layerFolders. For an "
            "IMAGE a snapshot\nis prepared as the scratch.",
        .options = options,
        .min_args = 1,
        .max_args = SIZE_MAX,
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    wcow_place_fill(&o.place);
    o.operand = argv[operand];
    o.args = argv + operand + 1;
    o.n_args = (size_t)(argc - operand - 1);

    struct wcow_error err = {0};
    int r = parse_isolation(isolation, &o.hyperv, &err);
    if (r == WCOW_OK)
        r = run(&o, &err);
    wcow_option_list_done(&o.env);
    if (r < 0)
        (void)fprintf(stderr, "wcow spec: %s\n", err.msg);
    return r < 0 ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
}
