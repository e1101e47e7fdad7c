/* SPDX-License-Identifier: Apache-2.0 */
#include "image/media.h"

#include <stddef.h>
#include <string.h>

enum kind { INDEX = 1, MANIFEST, CONFIG, LAYER, FOREIGN };

/* OCI's name beside Docker's. */
static const struct media {
    const char *oci;
    const char *docker;
    enum kind kind;
} table[] = {
    {WCOW_MEDIA_OCI_INDEX, WCOW_MEDIA_DOCKER_INDEX, INDEX},
    {WCOW_MEDIA_OCI_MANIFEST, WCOW_MEDIA_DOCKER_MANIFEST, MANIFEST},
    {WCOW_MEDIA_OCI_CONFIG, WCOW_MEDIA_DOCKER_CONFIG, CONFIG},
    {WCOW_MEDIA_OCI_LAYER, WCOW_MEDIA_DOCKER_LAYER, LAYER},
    {WCOW_MEDIA_OCI_LAYER_GZIP, WCOW_MEDIA_DOCKER_LAYER_GZIP, LAYER},
    {WCOW_MEDIA_OCI_LAYER_ZSTD, WCOW_MEDIA_DOCKER_LAYER_ZSTD, LAYER},
    {WCOW_MEDIA_OCI_FOREIGN, WCOW_MEDIA_DOCKER_FOREIGN, FOREIGN},
    {WCOW_MEDIA_OCI_FOREIGN_GZIP, WCOW_MEDIA_DOCKER_FOREIGN_GZIP, FOREIGN},
    {WCOW_MEDIA_OCI_FOREIGN_ZSTD, NULL, FOREIGN},
};

static const struct media *find(const char *media_type)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].oci, media_type) == 0 ||
            (table[i].docker && strcmp(table[i].docker, media_type) == 0))
            return &table[i];
    return NULL;
}

static bool is(const char *media_type, enum kind kind)
{
    const struct media *m = find(media_type);
    return m && m->kind == kind;
}

bool wcow_media_is_index(const char *media_type)
{
    return is(media_type, INDEX);
}

bool wcow_media_is_manifest(const char *media_type)
{
    return is(media_type, MANIFEST);
}

bool wcow_media_is_foreign(const char *media_type)
{
    return is(media_type, FOREIGN);
}

bool wcow_media_is_docker(const char *media_type)
{
    return strncmp(media_type, "application/vnd.docker.", strlen("application/vnd.docker.")) == 0;
}

const char *wcow_media_to_oci(const char *media_type)
{
    const struct media *m = find(media_type);
    return m ? m->oci : media_type;
}

const char *wcow_media_to_docker(const char *media_type)
{
    const struct media *m = find(media_type);
    return m && m->docker ? m->docker : media_type;
}
