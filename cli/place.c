/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include <stdlib.h>

static void fill(const char **value, const char *variable, const char *fallback)
{
    if (*value && **value)
        return;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *set = getenv(variable);
    *value = set && *set ? set : fallback;
}

void wcow_place_fill(struct wcow_place *place)
{
    fill(&place->root, "WCOW_ROOT", "/var/lib/wcow");
    fill(&place->address, "CONTAINERD_ADDRESS", "/run/containerd/containerd.sock");
    fill(&place->ns, "CONTAINERD_NAMESPACE", "default");
}
