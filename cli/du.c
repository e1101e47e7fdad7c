/* SPDX-License-Identifier: Apache-2.0 */
/* wcow du: what the build cache holds. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/build_cache.h"
#include "cli/options.h"
#include "cli/verbs.h"

static void time_text(int64_t seconds, char ret[32])
{
    time_t time = (time_t)seconds;
    struct tm tm = {0};
    if (!gmtime_r(&time, &tm) || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        ret[0] = '\0';
}

/* What is shown: each layer once, as the filter has it. */
static bool is_shown(const struct wcow_cached_items *items, size_t i,
                     const struct wcow_cache_filter *filter)
{
    const struct wcow_cached_layer *layer = &items->items[i].layer;
    return layer->size_bytes > 0 && !wcow_cached_items_repeats(items, i) &&
           wcow_cache_filter_matches(filter, layer);
}

static void print_json(const struct wcow_cached_items *items,
                       const struct wcow_cache_filter *filter)
{
    bool is_first = true;
    (void)printf("[");
    for (size_t i = 0; i < items->n; i++) {
        const struct wcow_cached_layer *layer = &items->items[i].layer;
        char created[32];
        char used[32];
        if (!is_shown(items, i, filter))
            continue;
        time_text(layer->created_s, created);
        time_text(layer->used_s, used);
        (void)printf("%s{\"digest\":\"%s\",\"diffID\":\"%s\",\"size\":%llu,\"uncompressed\":%llu,"
                     "\"created\":\"%s\",\"lastUsed\":\"%s\"}",
                     is_first ? "" : ",", layer->digest.text, layer->diff_id.text,
                     (unsigned long long)layer->size_bytes, (unsigned long long)layer->tar_bytes,
                     created, used);
        is_first = false;
    }
    (void)printf("]\n");
}

static void print_verbose(const struct wcow_cached_layer *layer)
{
    char size[WCOW_SIZE_TEXT_MAX];
    char tar[WCOW_SIZE_TEXT_MAX];
    char created[32];
    char used[32];
    wcow_size_text(layer->size_bytes, size);
    wcow_size_text(layer->tar_bytes, tar);
    time_text(layer->created_s, created);
    time_text(layer->used_s, used);
    (void)printf("ID:           %s\nDiff ID:      %s\nSize:         %s\nUncompressed: %s\n"
                 "Created at:   %s\nLast used:    %s\n\n",
                 layer->digest.text, layer->diff_id.text, size, tar, created, used);
}

static void print_row(const struct wcow_cached_layer *layer)
{
    char size[WCOW_SIZE_TEXT_MAX];
    char created[32];
    char used[32];
    time_text(layer->created_s, created);
    time_text(layer->used_s, used);
    wcow_size_text(layer->size_bytes, size);
    (void)printf("%-71s  %10s  %-20s  %s\n", layer->digest.text, size, created, used);
}

static void print_table(const struct wcow_cached_items *items,
                        const struct wcow_cache_filter *filter, bool verbose)
{
    uint64_t total = 0;
    char size[WCOW_SIZE_TEXT_MAX];
    if (!verbose)
        (void)printf("%-71s  %10s  %-20s  %s\n", "LAYER", "SIZE", "CREATED", "LAST USED");
    for (size_t i = 0; i < items->n; i++) {
        const struct wcow_cached_layer *layer = &items->items[i].layer;
        if (!is_shown(items, i, filter))
            continue;
        if (verbose)
            print_verbose(layer);
        else
            print_row(layer);
        total += layer->size_bytes;
    }
    wcow_size_text(total, size);
    (void)printf("Total: %s\n", size);
}

struct arguments {
    const char *format;
    struct wcow_option_list filters;
    bool verbose;
};

static int show(const struct arguments *a, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    struct wcow_cache_filter filter = {0};
    WCOW_CLEANUP(wcow_build_cache_close_p) struct wcow_build_cache *cache = NULL;
    WCOW_CLEANUP(wcow_cached_items_done) struct wcow_cached_items items = {0};
    int r = wcow_cache_filter_parse((const char *const *)a->filters.items, a->filters.n, time(NULL),
                                    &filter, err);
    if (r == WCOW_OK)
        r = wcow_build_cache_path(&path, err);
    if (r == WCOW_OK && path)
        r = wcow_build_cache_open(path, &cache, err);
    if (r == WCOW_OK && cache)
        r = wcow_cached_items_read(cache, &items, err);
    if (r < 0)
        return r;
    if (strcmp(a->format, "json") == 0)
        print_json(&items, &filter);
    else
        print_table(&items, &filter, a->verbose);
    return WCOW_OK;
}

static int run(const struct arguments *a)
{
    struct wcow_error err = {0};
    if (strcmp(a->format, "table") != 0 && strcmp(a->format, "json") != 0) {
        (void)fprintf(stderr, "wcow du: --format is table or json, not \"%s\"\n", a->format);
        return WCOW_EXIT_USAGE;
    }
    if (show(a, &err) < 0) {
        (void)fprintf(stderr, "wcow du: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    return WCOW_EXIT_OK;
}

int wcow_cli_du(int argc, char **argv)
{
    struct arguments a = {.format = "table"};
    const struct wcow_option options[] = {
        {0, "filter", "KEY=VALUE", "until=DURATION: what no build has used for so long; id=DIGEST",
         WCOW_OPTION_LIST, &a.filters},
        {0, "format", "FORMAT", "table or json", WCOW_OPTION_STRING, &a.format},
        {'v', "verbose", NULL, "Say all of each layer", WCOW_OPTION_FLAG, &a.verbose},
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow du",
        .usage = "[OPTIONS]",
        .summary = "Show the layers that the build cache holds, the one used last first.",
        .options = options,
        .epilogue = "A layer that an image holds too is there once; pruning does not free it then.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (parsed == WCOW_PARSE_RUN)
        code = run(&a);
    wcow_option_list_done(&a.filters);
    return code;
}
