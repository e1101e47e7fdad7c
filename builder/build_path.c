/* SPDX-License-Identifier: Apache-2.0 */
/* The PATH of a stage's registry. Its hive has some ten megabytes, in a layer that may not be here:
 * what it said once is remembered by the layers that it may depend on, and travels with caches. */
#include <stdio.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/hive_path.h"

/* COPY changes no registry, unless it puts a hive into its place. */
static bool may_change_registry(const struct wcow_layer_step *of)
{
    if (!of)
        return true;
    return of->ins.kind != WCOW_INS_WORKDIR &&
           (strcasestr(of->ins.copy.dest, "config") || strcasestr(of->workdir, "config") ||
            strcasestr(of->ins.copy.dest, "windows") || strcasestr(of->workdir, "windows"));
}

/* Of the layers up to the last that may have changed it. */
static int make_key(const struct wcow_stage_state *s, struct wcow_digest *ret,
                    struct wcow_error *err)
{
    struct wcow_digest chain = {0};
    char text[128];
    size_t n = s->n_descs;
    for (size_t own = s->n_own; own > 0 && !may_change_registry(s->own[own - 1]); own--)
        n--;
    int r = n ? wcow_image_config_chain_id(s->config, n, &chain, err) : WCOW_OK;
    int len = snprintf(text, sizeof(text), "registry PATH 1 %s", chain.text);
    return r < 0 ? r : wcow_digest_of(text, (size_t)len, ret, err);
}

int wcow_build_registry_path(struct wcow_build *b, struct wcow_stage_state *s, const char **ret,
                             struct wcow_error *err)
{
    struct wcow_digest key;
    wcow_autofree char *path = NULL;
    int r = make_key(s, &key, err);
    if (r == WCOW_OK)
        r = wcow_build_fact(b, s, &key, ret, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = wcow_build_sync_names(b, s, 0, err);
    if (r == WCOW_OK)
        r = wcow_layers_path(&s->layers, &path, err);
    if (r == WCOW_OK)
        r = wcow_build_remember_fact(b, s, &key, path, err);
    if (r == WCOW_OK)
        *ret = s->facts[s->n_facts - 1].text;
    return r;
}
