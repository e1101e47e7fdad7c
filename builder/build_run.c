/* SPDX-License-Identifier: Apache-2.0 */
/* RUN: found in the step cache, or executed on a scratch snapshot of the stage's layers; what the
 * command changed becomes a layer. The layer is unpacked again only where a later step needs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/build_volumes.h"
#include "builder/identity.h"
#include "builder/images.h"
#include "builder/layer_blob.h"
#include "containerd/snapshots.h"
#include "differ/scan.h"
#include "layer/filetime.h"

/* One RUN, gathered. */
struct step {
    struct wcow_build *build;
    struct wcow_stage_state *stage;
    const struct wcow_run *run;
    unsigned number;
    struct wcow_buf command_line;
    const char *script;
    struct wcow_str_list env;
    const char *workdir;
    struct wcow_digest chain; /* of the layers below */
    struct wcow_digest base;  /* of those of the base image */
    struct wcow_build_volumes volumes;
};

static void step_done(struct step *s)
{
    wcow_buf_done(&s->command_line);
    wcow_str_list_done(&s->env);
    wcow_build_volumes_done(&s->volumes);
}

/* ---- what is run ---- */

static int take_shell(struct step *s, struct wcow_strings *ret, struct wcow_error *err)
{
    wcow_auto_str_list list = {0};
    struct wcow_arena *arena = &s->stage->arena;
    int r = wcow_image_config_list(s->stage->config, WCOW_CONFIG_SHELL, &list, err);
    for (size_t i = 0; r == WCOW_OK && i < list.count; i++) {
        const char *copy = wcow_arena_strdup(arena, list.items[i]);
        r = copy ? wcow_strings_add(arena, ret, copy, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for SHELL");
    }
    if (r == WCOW_OK && ret->count == 0)
        *ret = wcow_cmdline_default_shell();
    return r;
}

static int take_command(struct step *s, struct wcow_error *err)
{
    const struct wcow_ins_command *command = &s->run->command;
    struct wcow_strings shell = {0};
    int r = take_shell(s, &shell, err);
    if (r < 0)
        return r;
    if (command->heredoc_count > 0 && !wcow_cmdline_is_script(command))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "a here-document as a command's input is not supported: RUN <<EOF runs it "
                         "as a batch file");
    if (wcow_cmdline_is_script(command))
        s->script = command->heredocs[0].content;
    if (s->script)
        return wcow_cmdline_join(shell.items, shell.count, &s->command_line, err);
    return wcow_cmdline_of_run(command, &shell, &s->command_line, err);
}

static int take_env(struct step *s, struct wcow_error *err)
{
    struct wcow_env env = {0};
    int r = wcow_build_stage_env(s->build, s->stage, &env, err);
    for (size_t i = 0; r == WCOW_OK && i < env.count; i++) {
        wcow_autobuf pair = {0};
        r = wcow_buf_addf(&pair, err, "%s=%s", env.vars[i].name, env.vars[i].value);
        if (r == WCOW_OK)
            r = wcow_str_list_add(&s->env, (const char *)pair.data, err);
    }
    wcow_env_done(&env);
    return r;
}

static int take_chains(struct step *s, struct wcow_error *err)
{
    const struct wcow_image_config *config = s->stage->config;
    size_t n = wcow_image_config_diff_id_count(config);
    size_t base = s->stage->base ? s->stage->base->manifest.layer_count : n;
    if (n == 0)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "RUN in a stage FROM scratch: there is no Windows in it to run commands");
    int r = wcow_image_config_chain_id(config, n, &s->chain, err);
    return r < 0 ? r : wcow_image_config_chain_id(config, base ? base : n, &s->base, err);
}

static int gather(struct step *s, struct wcow_error *err)
{
    s->workdir = wcow_image_config_string(s->stage->config, WCOW_CONFIG_WORKING_DIR);
    if (!*s->workdir)
        s->workdir = "C:\\";
    if (s->run->insecure)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "--security=insecure means nothing to Windows");
    int r = take_command(s, err);
    if (r == WCOW_OK)
        r = take_env(s, err);
    if (r == WCOW_OK)
        r = take_chains(s, err);
    if (r == WCOW_OK)
        r = wcow_build_volumes_take(s->build, s->stage, s->run, s->number, &s->volumes, err);
    for (size_t i = 0; r == WCOW_OK && i < s->volumes.env.count; i++)
        r = wcow_str_list_add(&s->env, s->volumes.env.items[i], err);
    return r;
}

/* ---- the cache ---- */

static void add_key(struct wcow_hash *hash, const char *text)
{
    wcow_hash_add(hash, text, strlen(text) + 1);
}

static enum wcow_run_network network_of(const struct step *s)
{
    return s->run->network != WCOW_NET_DEFAULT ? s->run->network : s->build->options->network;
}

/* All that the layer can depend on but time, chance and the network. Secrets are not in it. */
static int make_key(const struct step *s, struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    const struct wcow_executor *e = s->build->executor;
    char number[64];
    int r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    (void)snprintf(number, sizeof(number), "RUN %d %lld", (int)network_of(s),
                   s->build->has_epoch ? (long long)s->build->epoch_s : -1);
    add_key(hash, number);
    add_key(hash, e->name);
    add_key(hash, e->version);
    add_key(hash, s->chain.text);
    add_key(hash, (const char *)s->command_line.data);
    add_key(hash, s->script ? s->script : "");
    add_key(hash, s->workdir);
    add_key(hash, wcow_image_config_string(s->stage->config, WCOW_CONFIG_USER));
    for (size_t i = 0; i < s->env.count - s->volumes.env.count; i++)
        add_key(hash, s->env.items[i]);
    add_key(hash, "mounts");
    for (size_t i = 0; i < s->run->mount_flags.count; i++)
        add_key(hash, s->run->mount_flags.items[i]);
    for (size_t i = 0; i < s->volumes.keys.count; i++)
        add_key(hash, s->volumes.keys.items[i]);
    if (s->build->options->run_hosts) {
        add_key(hash, "hosts");
        add_key(hash, s->build->options->run_hosts);
    }
    return wcow_hash_digest(hash, ret, err);
}

/* ---- the layers ---- */

/* A scratch snapshot on the stage's layers. */
struct scratch {
    struct wcow_backend *backend;
    char *key;
    struct wcow_mounts mounts;
    struct wcow_str_list parents;
    struct wcow_layer_chain below;
};

static void scratch_done(struct scratch *s)
{
    wcow_layer_chain_done(&s->below);
    wcow_str_list_done(&s->parents);
    wcow_mounts_done(&s->mounts);
    if (s->key) {
        struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(s->backend);
        (void)!wcow_snapshot_remove(&ctx, s->backend->snapshotter, s->key, NULL);
    }
    free(s->key);
}

static int prepare(const struct step *step, struct scratch *s, struct wcow_error *err)
{
    struct wcow_backend *backend = step->build->backend;
    const struct wcow_local_image image = wcow_build_image_of(step->stage);
    struct wcow_labels labels = {0};
    int r = WCOW_OK;
    if (step->stage->base)
        r = wcow_build_unpack_image(step->build, step->stage->base, step->number, err);
    if (r == WCOW_OK)
        r = wcow_image_unpack_layers(backend, &image, step->number, err);
    if (r < 0)
        return r;
    wcow_autofree char *key = wcow_backend_name(backend, "-run");
    if (!key)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a snapshot's key");
    r = wcow_labels_set(&labels, "containerd.io/snapshot/wcow.mount-type", "windows-layer", err);
    const struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(backend);
    if (r == WCOW_OK)
        r = wcow_snapshot_prepare(&ctx, backend->snapshotter, key, step->chain.text, &labels,
                                  &s->mounts, err);
    wcow_labels_done(&labels);
    if (r < 0)
        return r;
    s->key = WCOW_TAKE_PTR(key);
    r = wcow_mounts_parents(&s->mounts, &s->parents, err);
    return r < 0 ? r
                 : wcow_differ_open_chain((const char *const *)s->parents.items, s->parents.count,
                                          &s->below, err);
}

/* ---- the step ---- */

struct scanning {
    const struct step *step;
    const struct scratch *scratch;
};

static int write_changes(void *arg, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct scanning *s = arg;
    const struct wcow_build *b = s->step->build;
    const uint64_t latest = wcow_filetime_of_unix(b->epoch_s, 0);
    wcow_autoclose int fd = -1;
    struct wcow_digest diff_id;
    uint64_t bytes = 0;
    wcow_autobuf owner = {0};
    const char *user = wcow_image_config_string(s->step->stage->config, WCOW_CONFIG_USER);
    int r = wcow_layer_folder_open(s->scratch->mounts.items[0].source, &fd, err);
    if (r == WCOW_OK)
        r = wcow_identity_sid(user, &owner, NULL, err);
    const struct wcow_scan_options options = {.folder_fd = fd,
                                              .below = &s->scratch->below,
                                              .latest = b->has_epoch ? &latest : NULL,
                                              .owner = {.data = owner.data, .len = owner.len},
                                              .cancel = b->options->cancel};
    return r < 0 ? r : wcow_scan_tar(&options, sink, &diff_id, &bytes, err);
}

static int execute(struct step *step, const struct scratch *scratch, struct wcow_error *err)
{
    struct wcow_build *b = step->build;
    const struct wcow_platform platform = wcow_image_config_platform(step->stage->config);
    uint32_t code = 0;
    const char *const none[] = {NULL};
    const struct wcow_execution execution = {
        .command_line = (const char *)step->command_line.data,
        .script = step->script,
        .workdir = step->workdir,
        .env = step->env.items ? (const char *const *)step->env.items : none,
        .user = wcow_image_config_string(step->stage->config, WCOW_CONFIG_USER),
        .network = network_of(step),
        .hosts = b->options->run_hosts,
        .volumes = step->volumes.items,
        .n_volumes = step->volumes.n,
        .rootfs = &scratch->mounts,
        .folder = scratch->mounts.items[0].source,
        .below = &scratch->below,
        .base = step->base.text,
        .os_version = platform.os_version,
        .isolation = b->options->isolation,
        .timeout_s = b->options->run_timeout_s,
        .limits = b->options->run_limits,
        .step = step->number};
    int r = b->executor->run(b->executor, &execution, &code, err);
    if (r == WCOW_OK && code != 0)
        return WCOW_FAIL(err, WCOW_E_IO,
                         "process \"%.300s\" did not complete successfully: exit code: %u",
                         execution.command_line, (unsigned)code);
    return r;
}

static int make_layer(struct step *step, struct wcow_cached_layer *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(scratch_done) struct scratch scratch = {.backend = step->build->backend};
    int r = prepare(step, &scratch, err);
    if (r == WCOW_OK)
        r = wcow_build_volumes_lock(&step->volumes, step->build->backend, err);
    if (r == WCOW_OK)
        r = execute(step, &scratch, err);
    struct scanning scanning = {.step = step, .scratch = &scratch};
    if (r == WCOW_OK)
        r = wcow_layer_blob_of(step->build->backend, write_changes, &scanning, ret, err);
    ret->created_s = step->build->now_s;
    return r;
}

static int find_executor(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_executor_options options = {.name = b->options->executor,
                                                  .configured = b->options->executor_configured,
                                                  .root = b->options->executor_root,
                                                  .isolation = b->options->isolation};
    (void)pthread_mutex_lock(&b->lock);
    int r = b->executor ? WCOW_OK : wcow_executor_new(&options, b->backend, &b->executor, err);
    (void)pthread_mutex_unlock(&b->lock);
    return r;
}

/* As it was before, or made. The same step of another platform waits until this is known. */
static int find_or_make(struct step *step, const struct wcow_digest *key,
                        struct wcow_cached_layer *ret, bool *ret_cached, struct wcow_error *err)
{
    struct wcow_build *b = step->build;
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_key_lock_hold(&b->backend->busy, key->text, b->options->cancel, &hold, err);
    if (r == WCOW_OK)
        r = wcow_build_cached_layer(b, step->stage, key, ret, err);
    *ret_cached = r == 1;
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = make_layer(step, ret, err);
    if (r == WCOW_OK)
        wcow_build_remember_layer(b, key, key, ret);
    return r;
}

int wcow_build_run_step(struct wcow_build *b, struct wcow_stage_state *s,
                        const struct wcow_instruction *ins, unsigned step,
                        struct wcow_layer_made *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(step_done)
    struct step st = {.build = b, .stage = s, .run = &ins->run, .number = step};
    struct wcow_step_note note = {0};
    struct wcow_digest key;
    *ret = (struct wcow_layer_made){0};
    if (wcow_build_is_foreign(s))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "RUN in a stage for %s: wcow runs Windows programs only; build that stage "
                         "with another builder, and COPY --from its image",
                         s->platform.os);
    int r = find_executor(b, err);
    if (r == WCOW_OK)
        r = gather(&st, err);
    if (r == WCOW_OK)
        r = make_key(&st, &key, err);
    if (r == WCOW_OK)
        r = find_or_make(&st, &key, &note.layer, &ret->is_cached, err);
    if (r < 0)
        return r;
    note.input = (struct wcow_step_key){.key = key, .shape = key};
    s->created_s = b->has_epoch ? b->epoch_s : note.layer.created_s;
    r = wcow_build_add_desc(s, NULL, &note.layer, err);
    return r < 0 ? r : wcow_build_note_step(s, &note, err);
}
