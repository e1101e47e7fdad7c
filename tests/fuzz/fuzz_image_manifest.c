/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes of foreign origin. Links wcow_image. What parses is written, and what was
 * written parses to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_manifest(const void *data, size_t size)
{
    wcow_auto_manifest first = {0};
    wcow_auto_manifest second = {0};
    wcow_autobuf once = {0};
    wcow_autobuf twice = {0};
    struct wcow_error err = {0};
    if (wcow_manifest_parse(data, size, NULL, &first, &err) < 0)
        return;
    if (wcow_manifest_write(&first, &once, &err) < 0 ||
        wcow_manifest_parse(once.data, once.len, NULL, &second, &err) < 0 ||
        wcow_manifest_write(&second, &twice, &err) < 0 || once.len != twice.len ||
        memcmp(once.data, twice.data, once.len) != 0)
        abort();
}

static void try_index(const void *data, size_t size)
{
    wcow_auto_index first = {0};
    wcow_auto_index second = {0};
    wcow_autobuf once = {0};
    wcow_autobuf twice = {0};
    struct wcow_error err = {0};
    if (wcow_index_parse(data, size, NULL, &first, &err) < 0)
        return;
    struct wcow_platform wanted = {.os = "windows", .architecture = "amd64"};
    const struct wcow_descriptor *found = NULL;
    (void)!wcow_index_select(&first, &wanted, &found, &err);
    if (wcow_index_write(&first, &once, &err) < 0 ||
        wcow_index_parse(once.data, once.len, NULL, &second, &err) < 0 ||
        wcow_index_write(&second, &twice, &err) < 0 || once.len != twice.len ||
        memcmp(once.data, twice.data, once.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *type = NULL;
    (void)!wcow_manifest_detect(data, size, &type, NULL);
    try_manifest(data, size);
    try_index(data, size);
    return 0;
}
