/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/build_cache.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/bytes.h"

static const char *environment(const char *name)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

int wcow_build_cache_path(char **ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    const char *xdg = environment("XDG_CACHE_HOME");
    const char *home = environment("HOME");
    int r = WCOW_OK;
    *ret = NULL;
    if (xdg)
        r = wcow_buf_addf(&path, err, "%s/wcow/build-cache.db", xdg);
    else if (geteuid() == 0)
        r = wcow_buf_add_str(&path, "/var/lib/wcow/build-cache.db", err);
    else if (home)
        r = wcow_buf_addf(&path, err, "%s/.cache/wcow/build-cache.db", home);
    else
        return WCOW_OK;
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
}

void wcow_cached_items_done(struct wcow_cached_items *items)
{
    free(items->items);
    *items = (struct wcow_cached_items){0};
}

static int take(void *arg, const struct wcow_digest *key, const struct wcow_cached_layer *layer,
                struct wcow_error *err)
{
    struct wcow_cached_items *items = arg;
    struct wcow_cached_item *grown = reallocarray(items->items, items->n + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
    items->items = grown;
    grown[items->n++] = (struct wcow_cached_item){.key = *key, .layer = *layer};
    return WCOW_OK;
}

int wcow_cached_items_read(struct wcow_build_cache *cache, struct wcow_cached_items *ret,
                           struct wcow_error *err)
{
    struct wcow_cached_items items = {0};
    int r = wcow_build_cache_each_layer(cache, take, &items, err);
    if (r < 0)
        wcow_cached_items_done(&items);
    else
        *ret = items;
    return r;
}

bool wcow_cached_items_repeats(const struct wcow_cached_items *items, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(items->items[i].layer.digest.text, items->items[at].layer.digest.text) == 0)
            return true;
    }
    return false;
}

/* ---- filters ---- */

static const char *value_of(const char *text, const char *key)
{
    size_t len = strlen(key);
    return strncmp(text, key, len) == 0 && text[len] == '=' ? text + len + 1 : NULL;
}

static int parse_filter(const char *text, int64_t now_s, struct wcow_cache_filter *ret,
                        struct wcow_error *err)
{
    int64_t age_s = 0;
    const char *age = value_of(text, "until");
    age = age ? age : value_of(text, "unused-for");
    const char *id = value_of(text, "id");
    if (!age && !id)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--filter %s: there are until=DURATION (until=24h) and id=DIGEST", text);
    ret->is_given = true;
    if (id) {
        ret->id = id;
        return WCOW_OK;
    }
    int r = wcow_duration_parse(age, &age_s, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "--filter");
    ret->used_before_s = now_s - age_s;
    return WCOW_OK;
}

int wcow_cache_filter_parse(const char *const *texts, size_t n, int64_t now_s,
                            struct wcow_cache_filter *ret, struct wcow_error *err)
{
    int r = WCOW_OK;
    *ret = (struct wcow_cache_filter){.used_before_s = INT64_MAX};
    for (size_t i = 0; r == WCOW_OK && i < n; i++)
        r = parse_filter(texts[i], now_s, ret, err);
    return r;
}

bool wcow_cache_filter_matches(const struct wcow_cache_filter *filter,
                               const struct wcow_cached_layer *layer)
{
    static const char algorithm[] = "sha256:";
    const char *digest = layer->digest.text;
    if (layer->used_s >= filter->used_before_s)
        return false;
    if (!filter->id)
        return true;
    if (strncmp(filter->id, algorithm, strlen(algorithm)) != 0)
        digest += strlen(algorithm);
    return strncmp(digest, filter->id, strlen(filter->id)) == 0;
}

/* ---- sizes and times ---- */

void wcow_size_text(uint64_t bytes, char ret[WCOW_SIZE_TEXT_MAX])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(ret, WCOW_SIZE_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

int wcow_size_parse(const char *text, uint64_t *ret, struct wcow_error *err)
{
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"", 1},
                 {"b", 1},
                 {"k", 1000},
                 {"kb", 1000},
                 {"m", 1000000},
                 {"mb", 1000000},
                 {"g", 1000000000},
                 {"gb", 1000000000},
                 {"t", UINT64_C(1000000000000)},
                 {"tb", UINT64_C(1000000000000)},
                 {"kib", UINT64_C(1) << 10},
                 {"mib", UINT64_C(1) << 20},
                 {"gib", UINT64_C(1) << 30},
                 {"tib", UINT64_C(1) << 40}};
    char *end = NULL;
    errno = 0;
    unsigned long long n = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    for (size_t i = 0; end && !errno && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(end, units[i].unit) == 0 && n <= UINT64_MAX / units[i].factor) {
            *ret = n * units[i].factor;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is no size; write it like 500MB or 10GiB", text);
}

static int64_t seconds_of(char unit)
{
    switch (unit) {
    case 's':
    case '\0':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

int wcow_duration_parse(const char *text, int64_t *ret_s, struct wcow_error *err)
{
    enum { MAX_NUMBER = 1000000000 };
    int64_t total = 0;
    const char *p = text;
    do {
        char *end = NULL;
        errno = 0;
        long n = isdigit((unsigned char)*p) ? strtol(p, &end, 10) : 0;
        int64_t factor = end ? seconds_of(*end) : 0;
        if (errno || n > MAX_NUMBER || factor == 0)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" is no duration; write it like 24h, 90m or 7d", text);
        total += n * factor;
        p = *end ? end + 1 : end;
    } while (*p);
    *ret_s = total;
    return WCOW_OK;
}
