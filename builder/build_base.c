/* SPDX-License-Identifier: Apache-2.0 */
/* FROM: what a stage begins with, and images that COPY --from names. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "builder/build_provenance.h"
#include "builder/hive_path.h"
#include "builder/image_layout.h"
#include "builder/linux_image.h"
#include "containerd/images.h"

static int copy_text(const char *text, char **ret, struct wcow_error *err)
{
    *ret = strdup(text);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

static bool is_same(const struct wcow_platform *a, const struct wcow_platform *b)
{
    return strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0 &&
           strcmp(a->variant, b->variant) == 0 && strcmp(a->os_version, b->os_version) == 0;
}

static struct wcow_build_image *known_image(struct wcow_build *b, const char *name,
                                            const struct wcow_platform *platform)
{
    struct wcow_build_image *found = NULL;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; !found && i < b->n_images; i++) {
        struct wcow_build_image *known = b->images[i];
        if (strcmp(known->name, name) == 0 && is_same(&known->wanted, platform))
            found = known;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return found;
}

/* @p answer is taken over, and what is left of it is empty. */
static int keep_answer(struct wcow_build *b, struct wcow_build_image *answer,
                       struct wcow_build_image **ret, struct wcow_error *err)
{
    struct wcow_build_image *kept = calloc(1, sizeof(*kept));
    (void)pthread_mutex_lock(&b->lock);
    struct wcow_build_image **grown =
        reallocarray(b->images, b->n_images + 1, sizeof(struct wcow_build_image *));
    if (grown)
        b->images = grown;
    if (grown && kept) {
        *kept = *answer;
        b->images[b->n_images++] = kept;
    }
    (void)pthread_mutex_unlock(&b->lock);
    if (!grown || !kept) {
        free(kept);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    }
    *answer = (struct wcow_build_image){0};
    *ret = kept;
    return WCOW_OK;
}

/* Whether the registry has the same image under this name; an answer of "don't know" counts as yes.
 */
static bool is_current(struct wcow_build *b, const struct wcow_local_image *image)
{
    wcow_auto_descriptor desc = {0};
    int r = wcow_registry_resolve(b->backend->registry, &image->ref, &desc, NULL);
    return r < 0 || strcmp(desc.digest.text, image->target_digest.text) == 0;
}

/* A layer whose blob is gone from containerd comes from where the image came from. */
static int note_layers(struct wcow_build *b, const struct wcow_local_image *image,
                       struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < image->manifest.layer_count; i++)
        r = wcow_blobs_add_remote(b->backend->blobs, &image->manifest.layers[i], &image->ref, err);
    return r;
}

static bool fits(const struct wcow_local_image *image, const struct wcow_platform *platform)
{
    const struct wcow_platform is = wcow_image_config_platform(image->config);
    return wcow_platform_matches(platform, &is);
}

/* What is here is for another platform; the registry may have the right one by now. */
static int pull_fitting(struct wcow_build *b, const char *name,
                        const struct wcow_platform *platform, struct wcow_local_image *here,
                        struct wcow_error *err)
{
    struct wcow_local_image pulled = {0};
    if (wcow_image_pull(b->backend, name, platform, &pulled, NULL) < 0)
        return note_layers(b, here, err);
    wcow_local_image_done(here);
    *here = pulled;
    return WCOW_OK;
}

/* Find it; pull it where it is missing, or --pull says so and there is a newer one. */
static int find_or_pull(struct wcow_build *b, const char *name,
                        const struct wcow_platform *platform, unsigned step,
                        struct wcow_local_image *ret, struct wcow_error *err)
{
    if (wcow_image_layout_is(name))
        return wcow_image_layout_load(b->backend, name, platform, step, ret, err);
    int r = wcow_image_find(b->backend, name, platform, ret, err);
    if (r == WCOW_OK && (!b->options->pull || is_current(b, ret)))
        return fits(ret, platform) ? note_layers(b, ret, err)
                                   : pull_fitting(b, name, platform, ret, err);
    if (r < 0 && r != WCOW_E_NOT_FOUND)
        return r;
    wcow_local_image_done(ret);
    return wcow_image_pull(b->backend, name, platform, ret, err);
}

/* Those two say nothing of the image. */
static bool is_answer(int code)
{
    return code != WCOW_E_CANCELLED && code != WCOW_E_NOMEM;
}

/* What is not to be had is remembered, too: the step that names the image asks for its key, and
 * again to copy. */
static int ask_for_image(struct wcow_build *b, const char *full,
                         const struct wcow_platform *platform, const char *title,
                         struct wcow_build_image **ret, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    WCOW_CLEANUP(wcow_build_image_done) struct wcow_build_image answer = {.wanted = *platform};
    int r = title ? wcow_buf_add_str(&text, title, err)
                  : wcow_buf_addf(&text, err, "[internal] load metadata for %s", full);
    if (r == WCOW_OK)
        r = copy_text(full, &answer.name, err);
    if (r < 0)
        return r;
    unsigned step = wcow_progress_start(b->progress, (const char *)text.data);
    r = find_or_pull(b, full, platform, step, &answer.image, &answer.why);
    wcow_progress_end(b->progress, step, wcow_progress_end_of(r, false),
                      r < 0 ? answer.why.msg : NULL);
    answer.code = r;
    if (is_answer(r))
        return keep_answer(b, &answer, ret, err);
    if (err)
        *err = answer.why;
    return r;
}

static int resolve_image(struct wcow_build *b, const char *full,
                         const struct wcow_platform *platform, const char *title,
                         struct wcow_local_image **ret, struct wcow_error *err)
{
    struct wcow_build_image *known = known_image(b, full, platform);
    int r = known ? WCOW_OK : ask_for_image(b, full, platform, title, &known, err);
    if (r < 0)
        return r;
    if (known->code == WCOW_OK)
        *ret = &known->image;
    else if (err)
        *err = known->why;
    return known->code;
}

/* One stage asks, the others that want the same wait for its answer. */
int wcow_build_base_image(struct wcow_build *b, const char *name,
                          const struct wcow_platform *platform, const char *title,
                          struct wcow_local_image **ret, struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_image_layout_is(name) ? copy_text(name, &full, err)
                                       : wcow_reference_full_name(name, &full, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the image \"%s\"", name);
    r = wcow_buf_addf(&key, err, "image %s", full);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, &hold,
                               err);
    return r < 0 ? r : resolve_image(b, full, platform, title, ret, err);
}

int wcow_build_unpack_image(struct wcow_build *b, struct wcow_local_image *image, unsigned step,
                            struct wcow_error *err)
{
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_buf_addf(&key, err, "folders %s", image->manifest_digest.text);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, &hold,
                               err);
    if (r < 0 || image->folders.count == image->manifest.layer_count)
        return r;
    r = wcow_image_complete(b->backend, image, step, err);
    if (r == WCOW_OK)
        r = wcow_image_unpack(b->backend, image, step, err);
    return r < 0 ? r : wcow_image_folders(b->backend, image, 0, &image->folders, err);
}

static int push_empty(struct wcow_stage_state *s, struct wcow_layers *ret, struct wcow_error *err)
{
    const struct wcow_chain nothing = {0};
    const struct wcow_tree_options options = {.below = &nothing};
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = NULL;
    int r = wcow_tree_new(&options, &tree, err);
    if (r < 0)
        return r;
    wcow_tree_seal(tree);
    r = wcow_layer_source_of_tree(WCOW_TAKE_PTR(tree), &source, err);
    if (r == WCOW_OK)
        r = wcow_layer_sources_add(&s->sources, source, err);
    return r < 0 ? r : wcow_layers_push(ret, WCOW_TAKE_PTR(source), err);
}

static int read_foreign(struct wcow_build *b, struct wcow_local_image *image, unsigned step,
                        struct wcow_error *err)
{
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_buf_addf(&key, err, "files %s", image->manifest_digest.text);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, &hold,
                               err);
    if (r < 0 || image->files)
        return r;
    r = wcow_image_complete(b->backend, image, step, err);
    return r < 0 ? r : wcow_linux_image_read(b->backend, image, step, &image->files, err);
}

/* As many layers as the image has, the uppermost with all its files. */
static int open_foreign(struct wcow_build *b, struct wcow_stage_state *s,
                        struct wcow_local_image *image, unsigned step, struct wcow_layers *ret,
                        struct wcow_error *err)
{
    int r = read_foreign(b, image, step, err);
    ret->is_foreign = true;
    while (r == WCOW_OK && ret->n + 1 < image->manifest.layer_count)
        r = push_empty(s, ret, err);
    return r < 0 || !image->manifest.layer_count ? r : wcow_layers_push(ret, image->files, err);
}

int wcow_build_open_image(struct wcow_build *b, struct wcow_stage_state *s,
                          struct wcow_local_image *image, unsigned step, struct wcow_layers *ret,
                          struct wcow_error *err)
{
    int r = WCOW_OK;
    if (wcow_image_is_foreign(image)) {
        r = open_foreign(b, s, image, step, ret, err);
    } else {
        r = wcow_build_unpack_image(b, image, step, err);
        if (r == WCOW_OK)
            r = wcow_layer_sources_open(&s->sources, &image->folders, ret, err);
    }
    return r < 0 ? wcow_error_wrap(r, err, "image %s", image->name) : WCOW_OK;
}

bool wcow_build_is_foreign(const struct wcow_stage_state *s)
{
    return strcmp(s->platform.os, "windows") != 0;
}

/* ---- kinds of bases ---- */

static int begin_scratch(struct wcow_build *b, struct wcow_stage_state *s, struct wcow_error *err)
{
    s->created_s = b->now_s;
    int r = wcow_image_config_new(&s->platform, &s->config, err);
    if (r < 0 || strcmp(s->platform.os, "windows") != 0)
        return r;
    if (r == WCOW_OK)
        r = wcow_image_config_set_string(s->config, WCOW_CONFIG_WORKING_DIR, "C:\\", err);
    return r < 0 ? r : wcow_image_config_set_env(s->config, "PATH", WCOW_DEFAULT_PATH, err);
}

static bool has_path(const struct wcow_str_list *env)
{
    for (size_t i = 0; i < env->count; i++) {
        if (strncasecmp(env->items[i], "PATH=", 5) == 0)
            return true;
    }
    return false;
}

/* Without a registry nothing else tells cmd.exe where its programs are. An image that says which
 * Windows it is of has one: its layers need not be looked at for that. */
static int give_path(struct wcow_build *b, struct wcow_stage_state *s,
                     struct wcow_local_image *image, unsigned step, struct wcow_error *err)
{
    wcow_auto_str_list env = {0};
    int r = wcow_image_config_list(s->config, WCOW_CONFIG_ENV, &env, err);
    const struct wcow_platform is = wcow_image_config_platform(s->config);
    if (r < 0 || has_path(&env) || strcmp(s->platform.os, "windows") != 0 || is.os_version[0])
        return r;
    r = wcow_build_open_image(b, s, image, step, &s->layers, err);
    if (r < 0)
        return r;
    r = wcow_layers_have_registry(&s->layers, err);
    return r != 0 ? (r < 0 ? r : WCOW_OK)
                  : wcow_image_config_set_env(s->config, "PATH", WCOW_DEFAULT_PATH, err);
}

static int copy_descs(struct wcow_stage_state *s, const struct wcow_descriptor *descs, size_t n,
                      struct wcow_error *err)
{
    s->descs = calloc(n ? n : 1, sizeof(*s->descs));
    if (!s->descs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage");
    for (; s->n_descs < n; s->n_descs++) {
        int r = wcow_descriptor_copy(&descs[s->n_descs], &s->descs[s->n_descs], err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

/* The layers of a finished stage, for the thread of @p s. */
int wcow_build_share_layers(struct wcow_stage_state *s, struct wcow_stage_state *from,
                            struct wcow_layers *ret, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&from->syncing);
    int r = wcow_layer_sources_share(&s->sources, &from->layers, ret, err);
    (void)pthread_mutex_unlock(&from->syncing);
    return r;
}

static int begin_from_stage(struct wcow_build *b, struct wcow_stage_state *s, size_t index,
                            struct wcow_error *err)
{
    struct wcow_stage_state *from = NULL;
    int r = wcow_build_await(b, s, index, &from, err);
    if (r < 0)
        return r;
    s->base = from->base;
    s->from = from;
    s->created_s = from->created_s;
    s->platform = from->platform;
    s->entrypoint = from->entrypoint;
    s->cmd = from->cmd;
    r = wcow_image_config_copy(from->config, &s->config, err);
    if (r == WCOW_OK)
        r = wcow_build_share_layers(s, from, &s->layers, err);
    if (r == WCOW_OK)
        r = copy_descs(s, from->descs, from->n_descs, err);
    if (r == WCOW_OK)
        r = wcow_build_copy_own(s, from, err);
    if (r == WCOW_OK)
        r = wcow_env_copy(&s->args, &from->args, err);
    return r;
}

static int take_list(struct wcow_stage_state *s, const struct wcow_image_config *config,
                     enum wcow_config_list which, struct wcow_strings *ret, struct wcow_error *err)
{
    wcow_auto_str_list list = {0};
    int r = wcow_image_config_list(config, which, &list, err);
    for (size_t i = 0; r == WCOW_OK && i < list.count; i++) {
        const char *copy = wcow_arena_strdup(&s->arena, list.items[i]);
        r = copy ? wcow_strings_add(&s->arena, ret, copy, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage");
    }
    return r;
}

/* When the base was made; now where it does not say. */
static int64_t created_of(const struct wcow_build *b, const struct wcow_image_config *config)
{
    const char *text = wcow_image_config_created(config);
    struct tm tm = {0};
    if (b->has_epoch || !text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
        return b->now_s;
    return timegm(&tm);
}

static int take_image(struct wcow_build *b, struct wcow_stage_state *s,
                      struct wcow_local_image *image, unsigned step, struct wcow_error *err)
{
    s->base = image;
    /* Where the image is for another system whatever was asked for, so is the stage. */
    if (wcow_image_is_foreign(image) && !fits(image, &s->platform))
        s->platform = wcow_image_config_platform(image->config);
    s->created_s = created_of(b, image->config);
    int r = wcow_build_note_image(b, s, image, err);
    if (r == WCOW_OK)
        r = wcow_image_config_copy(image->config, &s->config, err);
    if (r == WCOW_OK)
        wcow_image_config_drop_legacy(s->config);
    if (r == WCOW_OK)
        r = give_path(b, s, image, step, err);
    if (r == WCOW_OK)
        r = copy_descs(s, image->manifest.layers, image->manifest.layer_count, err);
    bool escaped = r == WCOW_OK && wcow_image_config_args_escaped(s->config);
    s->entrypoint.args_escaped = escaped;
    s->cmd.args_escaped = escaped;
    if (r == WCOW_OK)
        r = take_list(s, s->config, WCOW_CONFIG_ENTRYPOINT, &s->entrypoint.args, err);
    if (r == WCOW_OK)
        r = take_list(s, s->config, WCOW_CONFIG_CMD, &s->cmd.args, err);
    return r;
}

static int begin_from_image(struct wcow_build *b, struct wcow_stage_state *s, const char *name,
                            struct wcow_error *err)
{
    struct wcow_local_image *image = NULL;
    int r = wcow_build_base_image(b, name, &s->platform, NULL, &image, err);
    if (r < 0 || !image)
        return r;
    wcow_autobuf text = {0};
    r = wcow_buf_addf(&text, err, "FROM %s@%s", image->name, image->target_digest.text);
    s->n_steps++;
    wcow_autofree char *title =
        r < 0 ? NULL : wcow_build_title(b, s, ++s->steps_done, (const char *)text.data);
    if (!title)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a step");
    unsigned step = wcow_progress_start(b->progress, title);
    r = take_image(b, s, image, step, err);
    wcow_progress_end(b->progress, step, wcow_progress_end_of(r, false),
                      r < 0 && err ? err->msg : NULL);
    return r;
}

static int stage_platform(struct wcow_stage_state *s, const struct wcow_lexer *lexer,
                          struct wcow_error *err)
{
    s->platform = s->variant->platform;
    s->wanted = s->platform;
    if (!s->stage->platform)
        return WCOW_OK;
    const char *text = NULL;
    int r = wcow_words_expand(lexer, s->stage->platform, &s->arena, &text, err);
    if (r == WCOW_OK)
        r = wcow_platform_parse(text, &s->platform, err);
    s->wanted = s->platform;
    return r < 0 ? wcow_error_wrap(r, err, "--platform=%s", s->stage->platform) : WCOW_OK;
}

int wcow_build_stage_named(const struct wcow_build *b, const struct wcow_stage_state *s,
                           const char *name, ssize_t *ret, struct wcow_error *err)
{
    const struct wcow_stage *stage = wcow_stage_find(b->file, name, s->index);
    char *end = NULL;
    unsigned long number = strtoul(name, &end, 10);
    *ret = -1;
    if (stage) {
        *ret = stage - b->file->stages;
    } else if (*name && !*end) {
        if (s->index == 0)
            return WCOW_FAIL(err, WCOW_E_INVALID, "--from=%s: no stage is before this one", name);
        if (number >= s->index)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "--from=%s: the stages before this one are 0 to %zu", name,
                             s->index - 1);
        *ret = (ssize_t)number;
    }
    return WCOW_OK;
}

/* What follows FROM is known. */
static int begin(struct wcow_build *b, struct wcow_stage_state *s, const char *base,
                 struct wcow_error *err)
{
    if (strcmp(base, "scratch") == 0)
        return begin_scratch(b, s, err);
    int r = wcow_build_take_slot(b, err);
    if (r < 0)
        return r;
    r = begin_from_image(b, s, base, err);
    wcow_build_give_slot(b);
    return r;
}

static int check_target(const struct wcow_build *b, const struct wcow_stage_state *s,
                        struct wcow_error *err)
{
    if (s->index != b->target || !wcow_build_is_foreign(s))
        return WCOW_OK;
    return WCOW_FAIL(
        err, WCOW_E_UNSUPPORTED,
        "the target stage is for %s%s%s: wcow builds images for windows, and stages for other "
        "systems are what COPY --from takes files from",
        s->platform.os, s->base ? ", as is its base image " : "", s->base ? s->base->name : "");
}

static int begin_known(struct wcow_build *b, struct wcow_stage_state *s, const char *base,
                       struct wcow_error *err)
{
    if (wcow_build_is_named(b, base)) {
        const char *image = wcow_build_named_image(b, base);
        return image ? begin(b, s, image, err)
                     : WCOW_FAIL(err, WCOW_E_INVALID,
                                 "FROM %s: --build-context %s is a folder, and a stage begins with "
                                 "an image",
                                 base, base);
    }
    const struct wcow_stage *from = wcow_stage_find(b->file, base, s->index);
    return from ? begin_from_stage(b, s, (size_t)(from - b->file->stages), err)
                : begin(b, s, base, err);
}

int wcow_build_begin_stage(struct wcow_build *b, struct wcow_stage_state *s, struct wcow_error *err)
{
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, &s->variant->globals);
    const char *base = NULL;
    s->where = s->stage->node->where;
    int r = wcow_words_expand(&lexer, s->stage->base, &s->arena, &base, err);
    if (r == WCOW_OK && !*base)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "base name (%s) should not be blank", s->stage->base);
    if (r == WCOW_OK)
        r = stage_platform(s, &lexer, err);
    if (r != WCOW_OK)
        return r;
    s->args.ignore_case = !wcow_build_is_foreign(s);
    r = begin_known(b, s, base, err);
    s->args.ignore_case = !wcow_build_is_foreign(s);
    return r < 0 ? r : check_target(b, s, err);
}
