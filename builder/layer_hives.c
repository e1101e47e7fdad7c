/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layer_hives.h"

#include "builder/copy.h"
#include "layer/filetime.h"
#include "layer/hive.h"

enum { N_HIVES = sizeof(wcow_hive_delta_names) / sizeof(wcow_hive_delta_names[0]) };

/* As an export on Windows has them: attributes and times, no descriptor. */
static struct wcow_entry plain_entry(enum wcow_entry_type type, uint32_t attributes, uint64_t time)
{
    struct wcow_entry entry = wcow_copy_new_entry(type, attributes, time);
    entry.has &= ~(uint32_t)WCOW_HAS_RAWSD;
    return entry;
}

static int add_hive(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                    uint64_t time, struct wcow_error *err)
{
    wcow_autobuf bytes = {0};
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    /* The time inside is always the same, so that a layer's key does not change with the clock. */
    int r = wcow_hive_empty_delta(name, WCOW_FILETIME_UNIX_EPOCH, &bytes, err);
    if (r == WCOW_OK)
        r = wcow_payload_of_bytes(bytes.data, bytes.len, &payload, err);
    if (r < 0)
        return r;
    wcow_autoentry entry = plain_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, time);
    entry.size_bytes = bytes.len;
    const struct wcow_tree_item put = {.name = name, .entry = &entry, .payload = &payload};
    struct wcow_tree_node *node = NULL;
    r = wcow_tree_put(tree, dir, &put, &node, err);
    if (r == WCOW_OK)
        wcow_tree_mark_stamped(node);
    return r;
}

int wcow_layer_add_hives(struct wcow_tree *tree, uint64_t time, struct wcow_error *err)
{
    wcow_autoentry entry = plain_entry(WCOW_ENTRY_DIR, WCOW_ATTR_DIRECTORY, time);
    struct wcow_tree_node *dir = NULL;
    int r = wcow_tree_top(tree, "Hives", &entry, &dir, err);
    for (size_t i = 0; r == WCOW_OK && i < N_HIVES; i++)
        r = add_hive(tree, dir, wcow_hive_delta_names[i], time, err);
    return r < 0 ? wcow_error_wrap(r, err, "the layer's hives") : WCOW_OK;
}
