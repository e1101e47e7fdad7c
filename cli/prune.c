/* SPDX-License-Identifier: Apache-2.0 */
/* wcow prune: layers out of the build cache, and out of containerd where no image needs them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "builder/build.h"
#include "cli/build_cache.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "containerd/client.h"
#include "containerd/leases.h"

struct arguments {
    struct wcow_place place;
    const char *filter;
    const char *keep_storage;
    bool force;
    uint64_t keep_bytes;   /* 0: none */
    int64_t used_before_s; /* of those that go */
};

struct pruning {
    const struct arguments *arguments;
    struct wcow_build_cache *cache;
    struct wcow_containerd_ctx ctx;
    uint64_t freed_bytes;
};

static int read_arguments(struct arguments *a, struct wcow_error *err)
{
    int64_t age_s = 0;
    int r = WCOW_OK;
    a->used_before_s = INT64_MAX;
    if (a->filter && strncmp(a->filter, "until=", 6) != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--filter %s: there is until=DURATION (until=24h)",
                         a->filter);
    if (a->filter) {
        r = wcow_duration_parse(a->filter + 6, &age_s, err);
        a->used_before_s = (int64_t)time(NULL) - age_s;
    }
    if (r == WCOW_OK && a->keep_storage)
        r = wcow_size_parse(a->keep_storage, &a->keep_bytes, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s", a->filter ? "--filter" : "--keep-storage") : r;
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

/* Several steps may have come to one layer. */
static bool is_held_by_another(const struct wcow_cached_items *items, size_t at, const bool *gone)
{
    for (size_t i = 0; i < items->n; i++) {
        if (i != at && !gone[i] &&
            strcmp(items->items[i].layer.digest.text, items->items[at].layer.digest.text) == 0)
            return true;
    }
    return false;
}

static int drop(struct pruning *p, const struct wcow_cached_items *items, size_t at, bool *gone,
                struct wcow_error *err)
{
    const struct wcow_cached_item *item = &items->items[at];
    int r = wcow_build_cache_forget_layer(p->cache, &item->key, err);
    if (r < 0)
        return r;
    gone[at] = true;
    if (is_held_by_another(items, at, gone))
        return WCOW_OK;
    p->freed_bytes += item->layer.size_bytes;
    (void)printf("%s\n", item->layer.digest.text);
    return wcow_lease_delete_resource(&p->ctx, WCOW_BUILD_CACHE_LEASE, "content",
                                      item->layer.digest.text, err);
}

static int prune_items(struct pruning *p, const struct wcow_cached_items *items,
                       struct wcow_error *err)
{
    wcow_autofree bool *gone = calloc(items->n ? items->n : 1, sizeof(bool));
    if (!gone)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
    uint64_t kept = 0;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < items->n; i++) {
        const struct wcow_cached_layer *layer = &items->items[i].layer;
        kept += layer->size_bytes;
        bool is_too_much = kept > p->arguments->keep_bytes;
        if (is_too_much && layer->used_s < p->arguments->used_before_s)
            r = drop(p, items, i, gone, err);
    }
    return r;
}

/* Everything: the lease goes, and with it what only a lost cache file knew of. */
static int prune_rest(struct pruning *p, struct wcow_error *err)
{
    if (p->arguments->filter || p->arguments->keep_bytes)
        return WCOW_OK;
    int r = wcow_lease_delete(&p->ctx, WCOW_BUILD_CACHE_LEASE, true, err);
    return r < 0 ? r : wcow_build_cache_forget_files(p->cache, err);
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
        {0, "filter", "until=DURATION", "Only what no build has used for so long (24h, 7d)",
         WCOW_OPTION_STRING, &a.filter},
        {'f', "force", NULL, "Do not ask", WCOW_OPTION_FLAG, &a.force},
        {0, "keep-storage", "SIZE", "Leave so much, of what was used last (10GB)",
         WCOW_OPTION_STRING, &a.keep_storage},
        WCOW_PLACE_NAMESPACE(&a.place),
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
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    wcow_place_fill(&a.place);
    return run(&a);
}
