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

static void print_json(const struct wcow_cached_items *items)
{
    (void)printf("[");
    for (size_t i = 0; i < items->n; i++) {
        const struct wcow_cached_layer *layer = &items->items[i].layer;
        char created[32];
        char used[32];
        time_text(layer->created_s, created);
        time_text(layer->used_s, used);
        (void)printf("%s{\"digest\":\"%s\",\"diffID\":\"%s\",\"size\":%llu,\"uncompressed\":%llu,"
                     "\"created\":\"%s\",\"lastUsed\":\"%s\"}",
                     i ? "," : "", layer->digest.text, layer->diff_id.text,
                     (unsigned long long)layer->size_bytes, (unsigned long long)layer->tar_bytes,
                     created, used);
    }
    (void)printf("]\n");
}

static void print_table(const struct wcow_cached_items *items)
{
    uint64_t total = 0;
    char size[WCOW_SIZE_TEXT_MAX];
    (void)printf("%-71s  %10s  %-20s  %s\n", "LAYER", "SIZE", "CREATED", "LAST USED");
    for (size_t i = 0; i < items->n; i++) {
        const struct wcow_cached_layer *layer = &items->items[i].layer;
        char created[32];
        char used[32];
        time_text(layer->created_s, created);
        time_text(layer->used_s, used);
        wcow_size_text(layer->size_bytes, size);
        (void)printf("%-71s  %10s  %-20s  %s\n", layer->digest.text, size, created, used);
        total += layer->size_bytes;
    }
    wcow_size_text(total, size);
    (void)printf("Total: %s\n", size);
}

static int show(bool json, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    WCOW_CLEANUP(wcow_build_cache_close_p) struct wcow_build_cache *cache = NULL;
    WCOW_CLEANUP(wcow_cached_items_done) struct wcow_cached_items items = {0};
    int r = wcow_build_cache_path(&path, err);
    if (r == WCOW_OK && path)
        r = wcow_build_cache_open(path, &cache, err);
    if (r == WCOW_OK && cache)
        r = wcow_cached_items_read(cache, &items, err);
    if (r < 0)
        return r;
    if (json)
        print_json(&items);
    else
        print_table(&items);
    return WCOW_OK;
}

int wcow_cli_du(int argc, char **argv)
{
    const char *format = "table";
    const struct wcow_option options[] = {
        {0, "format", "FORMAT", "table or json", WCOW_OPTION_STRING, &format},
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
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
        (void)fprintf(stderr, "wcow du: --format is table or json, not \"%s\"\n", format);
        return WCOW_EXIT_USAGE;
    }
    struct wcow_error err = {0};
    if (show(strcmp(format, "json") == 0, &err) < 0) {
        (void)fprintf(stderr, "wcow du: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    return WCOW_EXIT_OK;
}
