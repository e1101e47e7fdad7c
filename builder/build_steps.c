/* SPDX-License-Identifier: Apache-2.0 */
/* COPY, ADD and WORKDIR: what they put into a layer's tree. */
#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/copy.h"
#include "builder/rights.h"
#include "builder/winpath.h"
#include "layer/filetime.h"

/* Those of a finished stage, RUN's opened first. */
static int layers_of_stage(struct wcow_build *b, struct wcow_stage_state *s, size_t index,
                           unsigned step, struct wcow_layers *ret, struct wcow_error *err)
{
    struct wcow_stage_state *other = NULL;
    int r = wcow_build_await(b, s, index, &other, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&other->syncing);
    r = wcow_build_sync_layers(b, other, step, err);
    (void)pthread_mutex_unlock(&other->syncing);
    return r < 0 ? r : wcow_build_share_layers(s, other, ret, err);
}

/* The layers that COPY --from names: of a stage before, or of an image. */
int wcow_build_layers_of(struct wcow_build *b, struct wcow_stage_state *s, const char *from,
                         unsigned step, const struct wcow_layers **ret, struct wcow_layers *room,
                         struct wcow_error *err)
{
    const char *named = wcow_build_named_image(b, from);
    ssize_t index = -1;
    int r = named ? WCOW_OK : wcow_build_stage_named(b, s, from, &index, err);
    *ret = room;
    if (r < 0)
        return r;
    if (index >= 0)
        return layers_of_stage(b, s, (size_t)index, step, room, err);
    struct wcow_local_image *image = NULL;
    r = wcow_build_base_image(b, named ? named : from, &s->variant->platform, NULL, &image, err);
    return r < 0 ? r : wcow_build_open_image(b, s, image, step, room, err);
}

static int fill_copy(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_instruction *ins, struct wcow_tree *tree, unsigned step,
                     struct wcow_error *err)
{
    const struct wcow_copying copying = {
        .tree = tree,
        .copy = &ins->copy,
        .workdir = wcow_image_config_string(s->config, WCOW_CONFIG_WORKING_DIR),
        .now = wcow_filetime_of_unix(b->now_s, 0),
        .is_add = ins->kind == WCOW_INS_ADD,
    };
    if (copying.is_add)
        return wcow_build_add(b, s, &copying, step, err);
    if (!ins->copy.from)
        return wcow_copy_from_context(&copying, b->context, err);
    struct wcow_context *folder = NULL;
    int r = wcow_build_named_folder(b, ins->copy.from, &folder, err);
    if (r != 0)
        return r < 0 ? r : wcow_copy_from_context(&copying, folder, err);
    if (ins->copy.parents)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "--parents with --from: it is for files of a build context; name the "
                         "folders in the destination instead");
    struct wcow_layers room = {0};
    const struct wcow_layers *layers = NULL;
    r = wcow_build_layers_of(b, s, ins->copy.from, step, &layers, &room, err);
    if (r == WCOW_OK)
        r = wcow_copy_from_layers(&copying, layers, err);
    wcow_layers_done(&room);
    return r;
}

/* ---- --chmod ---- */

struct chmodding {
    struct wcow_chmod chmod;
    struct wcow_buf owner;
    struct wcow_buf group;
};

static int chmod_node(void *arg, struct wcow_tree_node *node, struct wcow_error *err)
{
    struct chmodding *c = arg;
    bool is_dir = node->entry.type == WCOW_ENTRY_DIR;
    /* Not what was there before, nor directories made on the way to what is copied. */
    if (node->is_below || !node->entry.sd || (is_dir && node->is_stamped && !node->is_source))
        return WCOW_OK;
    return wcow_chmod_apply(&c->chmod, (struct wcow_bytes){c->group.data, c->group.len},
                            &node->entry, err);
}

static int apply_chmod(const struct wcow_copy *copy, struct wcow_tree *tree, struct wcow_error *err)
{
    struct chmodding c = {0};
    if (!copy->chmod)
        return WCOW_OK;
    int r = wcow_chmod_parse(copy->chmod, &c.chmod, err);
    if (r == WCOW_OK && copy->chown)
        r = wcow_rights_chown(copy->chown, &c.owner, &c.group, err);
    if (r == WCOW_OK)
        r = wcow_tree_each(tree, chmod_node, &c, err);
    wcow_chmod_done(&c.chmod);
    wcow_buf_done(&c.owner);
    wcow_buf_done(&c.group);
    return r;
}

int wcow_build_copy(struct wcow_build *b, struct wcow_stage_state *s,
                    const struct wcow_instruction *ins, unsigned step, struct wcow_layer_made *ret,
                    struct wcow_error *err)
{
    const struct wcow_chain below = wcow_layers_chain(&s->layers);
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    int r = wcow_build_layer_tree(b, s, ins->copy.chown, &below, &tree, err);
    if (r == WCOW_OK)
        r = fill_copy(b, s, ins, tree, step, err);
    if (r == WCOW_OK)
        r = apply_chmod(&ins->copy, tree, err);
    return r < 0 ? r : wcow_build_add_layer(b, s, WCOW_TAKE_PTR(tree), step, ret, err);
}

int wcow_build_workdir(struct wcow_build *b, struct wcow_stage_state *s,
                       const struct wcow_instruction *ins, unsigned step,
                       struct wcow_layer_made *ret, struct wcow_error *err)
{
    const struct wcow_chain below = wcow_layers_chain(&s->layers);
    const char *before = wcow_image_config_string(s->config, WCOW_CONFIG_WORKING_DIR);
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    struct wcow_tree_node *dir = NULL;
    wcow_autofree char *workdir = NULL;
    wcow_autofree char *path = NULL;
    int r = wcow_winpath_workdir(before, ins->text, &workdir, err);
    if (r == WCOW_OK)
        r = wcow_winpath_to_layer(before, ins->text, &path, NULL, err);
    if (r == WCOW_OK)
        r = wcow_build_layer_tree(b, s, NULL, &below, &tree, err);
    if (r == WCOW_OK)
        r = wcow_tree_dir(tree, path, &dir, err);
    if (r == WCOW_OK)
        r = wcow_image_config_set_string(s->config, WCOW_CONFIG_WORKING_DIR, workdir, err);
    return r < 0 ? r : wcow_build_add_layer(b, s, WCOW_TAKE_PTR(tree), step, ret, err);
}
