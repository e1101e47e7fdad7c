/* SPDX-License-Identifier: Apache-2.0 */
/* Image configs of foreign origin. Links wcow_image. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void change(struct wcow_image_config *config)
{
    struct wcow_error err = {0};
    const struct wcow_history entry = {.created_by = "fuzz", .empty_layer = true};
    (void)!wcow_image_config_set_env(config, "PATH", "C:\\x", &err);
    (void)!wcow_image_config_set_label(config, "a", "b", &err);
    (void)!wcow_image_config_add_to_set(config, WCOW_CONFIG_VOLUMES, "C:\\v", &err);
    (void)!wcow_image_config_add_history(config, &entry, &err);
    const char *path = wcow_image_config_env(config, "PATH");
    if (!path || strcmp(path, "C:\\x") != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *first = NULL;
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *second = NULL;
    wcow_autobuf once = {0};
    wcow_autobuf twice = {0};
    struct wcow_error err = {0};
    struct wcow_digest chain;
    if (wcow_image_config_parse(data, size, &first, &err) < 0)
        return 0;
    (void)!wcow_image_config_chain_id(first, wcow_image_config_diff_id_count(first), &chain, &err);
    if (wcow_image_config_write(first, &once, &err) < 0 ||
        wcow_image_config_parse(once.data, once.len, &second, &err) < 0 ||
        wcow_image_config_write(second, &twice, &err) < 0 || once.len != twice.len ||
        memcmp(once.data, twice.data, once.len) != 0)
        abort();
    change(second);
    return 0;
}
