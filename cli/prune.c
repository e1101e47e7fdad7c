/* SPDX-License-Identifier: Apache-2.0 */
/* wcow prune: layers out of the build cache, and out of containerd where no image needs them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "builder/build.h"
#include "builder/listing.h"
#include "cli/build_cache.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "containerd/client.h"
#include "containerd/leases.h"

struct arguments {
    struct wcow_place place;
    struct wcow_option_list filters;
    const char *keep_storage;
    bool all;
    bool force;
    bool verbose;
    uint64_t keep_bytes; /* 0: none */
    struct wcow_cache_filter filter;
};

struct pruning {
    const struct arguments *arguments;
    const char *cache_path;
    struct wcow_build_cache *cache;
    struct wcow_containerd_ctx ctx;
    uint64_t freed_bytes;
};

static int read_arguments(struct arguments *a, struct wcow_error *err)
{
    int r = wcow_cache_filter_parse((const char *const *)a->filters.items, a->filters.n, time(NULL),
                                    &a->filter, err);
    if (r == WCOW_OK && a->keep_storage) {
        r = wcow_size_parse(a->keep_storage, &a->keep_bytes, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "--max-used-space");
    }
    return r;
}

/* Whether the user, who sits at a terminal, means it. */
static bool is_confirmed(const struct arguments *a)
{
    char answer[16] = "";
    if (a->force || !isatty(STDIN_FILENO))
        return true;
    (void)printf("This forgets what the build cache holds. Continue? [y/N] ");
    (void)fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void tell(const struct pruning *p, const struct wcow_cached_layer *layer)
{
    char size[WCOW_SIZE_TEXT_MAX];
    wcow_size_text(layer->size_bytes, size);
    if (p->arguments->verbose)
        (void)printf("%s  %s  last used %lld s ago\n", layer->digest.text, size,
                     (long long)(time(NULL) - layer->used_s));
    else
        (void)printf("%s\n", layer->digest.text);
}

/* All keys that lead to the layer of item @p at. */
static int drop(struct pruning *p, const struct wcow_cached_items *items, size_t at,
                struct wcow_error *err)
{
    const struct wcow_cached_layer *layer = &items->items[at].layer;
    int r = WCOW_OK;
    for (size_t i = at; r == WCOW_OK && i < items->n; i++) {
        if (strcmp(items->items[i].layer.digest.text, layer->digest.text) == 0)
            r = wcow_build_cache_forget_layer(p->cache, &items->items[i].key, err);
    }
    if (r < 0 || layer->size_bytes == 0) /* that a step changed nothing has no blob */
        return r;
    p->freed_bytes += layer->size_bytes;
    tell(p, layer);
    return wcow_lease_delete_resource(&p->ctx, WCOW_BUILD_CACHE_LEASE, "content",
                                      layer->digest.text, err);
}

/* The items come in the order of use: the first of a layer says when that was used last. */
static int prune_items(struct pruning *p, const struct wcow_cached_items *items,
                       struct wcow_error *err)
{
    uint64_t used = 0;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < items->n; i++) {
        const struct wcow_cached_layer *layer = &items->items[i].layer;
        if (wcow_cached_items_repeats(items, i))
            continue;
        used += layer->size_bytes;
        bool is_too_much = used > p->arguments->keep_bytes || p->arguments->keep_bytes == 0;
        if (is_too_much && wcow_cache_filter_matches(&p->arguments->filter, layer))
            r = drop(p, items, i, err);
    }
    return r;
}

/* Everything: the lease goes, and with it what only a lost cache file knew of. */
static int prune_rest(struct pruning *p, struct wcow_error *err)
{
    if (p->arguments->filter.is_given || p->arguments->keep_bytes)
        return WCOW_OK;
    int r = wcow_lease_delete(&p->ctx, WCOW_BUILD_CACHE_LEASE, true, err);
    wcow_autofree char *listings = NULL;
    if (r == WCOW_OK)
        r = wcow_build_cache_forget_files(p->cache, err);
    if (r == WCOW_OK)
        r = wcow_listings_path(p->cache_path, &listings, err);
    return r < 0 ? r : wcow_listings_remove(listings, err);
}

static int prune(const struct arguments *a, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    WCOW_CLEANUP(wcow_build_cache_close_p) struct wcow_build_cache *cache = NULL;
    WCOW_CLEANUP(wcow_cached_items_done) struct wcow_cached_items items = {0};
    WCOW_CLEANUP(wcow_containerd_free_p) struct wcow_containerd *client = NULL;
    int r = wcow_build_cache_path(&path, err);
    if (r == WCOW_OK && !path)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION, "there is no cache: HOME is not set");
    if (r == WCOW_OK)
        r = wcow_build_cache_open(path, &cache, err);
    if (r == WCOW_OK)
        r = wcow_cached_items_read(cache, &items, err);
    if (r == WCOW_OK)
        r = wcow_containerd_new(a->place.address, &client, err);
    if (r < 0)
        return r;
    struct pruning p = {.arguments = a,
                        .cache_path = path,
                        .cache = cache,
                        .ctx = {.client = client, .ns = a->place.ns, .timeout_ms = 60000}};
    r = prune_items(&p, &items, err);
    if (r == WCOW_OK)
        r = prune_rest(&p, err);
    char size[WCOW_SIZE_TEXT_MAX];
    wcow_size_text(p.freed_bytes, size);
    (void)printf("Total: %s\n", size);
    return r;
}

static int run(struct arguments *a)
{
    struct wcow_error err = {0};
    int r = read_arguments(a, &err);
    if (r < 0) {
        (void)fprintf(stderr, "wcow prune: %s\n", err.msg);
        return WCOW_EXIT_USAGE;
    }
    if (!is_confirmed(a))
        return WCOW_EXIT_FAILURE;
    r = prune(a, &err);
    if (r < 0)
        (void)fprintf(stderr, "wcow prune: %s\n", err.msg);
    return r < 0 ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
}

int wcow_cli_prune(int argc, char **argv)
{
    struct arguments a = {0};
    const struct wcow_option options[] = {
        WCOW_PLACE_ADDRESS(&a.place),
        {'a', "all", NULL, NULL, WCOW_OPTION_FLAG, &a.all}, /* so it is */
        {0, "filter", "KEY=VALUE",
         "until=DURATION: only what no build has used for so long (24h, 7d); id=DIGEST",
         WCOW_OPTION_LIST, &a.filters},
        {'f', "force", NULL, "Do not ask", WCOW_OPTION_FLAG, &a.force},
        {0, "keep-storage", "SIZE", NULL, WCOW_OPTION_STRING, &a.keep_storage},
        {0, "max-used-space", "SIZE", "Leave so much, of what was used last (10GB)",
         WCOW_OPTION_STRING, &a.keep_storage},
        WCOW_PLACE_NAMESPACE(&a.place),
        {0, "reserved-space", "SIZE", NULL, WCOW_OPTION_STRING, &a.keep_storage},
        {'v', "verbose", NULL, "Say of each layer its size and when it was used", WCOW_OPTION_FLAG,
         &a.verbose},
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow prune",
        .usage = "[OPTIONS]",
        .summary = "Forget the layers that the build cache holds. Those that an image needs stay "
                   "with it.",
        .options = options,
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&a.place);
        code = run(&a);
    }
    wcow_option_list_done(&a.filters);
    return code;
}
