/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/annotations.h"

#include <stdlib.h>
#include <string.h>

#include "builder/diagnostic.h"

static const char *const level_names[] = {
    [WCOW_ANNOTATION_MANIFEST] = "manifest",
    [WCOW_ANNOTATION_MANIFEST_DESCRIPTOR] = "manifest-descriptor",
    [WCOW_ANNOTATION_INDEX] = "index",
    [WCOW_ANNOTATION_INDEX_DESCRIPTOR] = "index-descriptor",
};
enum { N_LEVELS = sizeof(level_names) / sizeof(level_names[0]) };

static void item_done(struct wcow_annotation *item)
{
    free(item->text);
    free(item->key);
    free(item->value);
}

void wcow_annotations_done(struct wcow_annotations *annotations)
{
    for (size_t i = 0; i < annotations->n; i++)
        item_done(&annotations->items[i]);
    free(annotations->items);
    *annotations = (struct wcow_annotations){0};
}

static int add(struct wcow_annotations *all, const struct wcow_annotation *level, const char *text,
               const char *key, struct wcow_error *err)
{
    const char *equals = strchr(key, '=');
    struct wcow_annotation *grown = reallocarray(all->items, all->n + 1, sizeof(*grown));
    if (grown)
        all->items = grown;
    struct wcow_annotation item = *level;
    item.text = strdup(text);
    item.key = strndup(key, (size_t)(equals - key));
    item.value = strdup(equals + 1);
    if (!grown || !item.text || !item.key || !item.value) {
        item_done(&item);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --annotation");
    }
    grown[all->n++] = item;
    return WCOW_OK;
}

static int parse_platform(const char *text, char *name, struct wcow_annotation *ret,
                          struct wcow_error *err)
{
    char *bracket = strchr(name, '[');
    if (!bracket)
        return WCOW_OK;
    char *end = bracket + strlen(bracket) - 1;
    if (*end != ']')
        return WCOW_FAIL(err, WCOW_E_INVALID, "--annotation %s: \"%s\" has no ] at its end", text,
                         name);
    *bracket = '\0';
    *end = '\0';
    ret->has_platform = true;
    int r = wcow_platform_parse(bracket + 1, &ret->platform, err);
    return r < 0 ? wcow_error_wrap(r, err, "--annotation %s", text) : WCOW_OK;
}

/* "manifest[windows/amd64]" */
static int parse_level(const char *text, char *name, struct wcow_annotation *ret,
                       struct wcow_error *err)
{
    int r = parse_platform(text, name, ret, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(name, level_names[i]) != 0)
            continue;
        ret->level = (enum wcow_annotation_level)i;
        bool is_index = i == WCOW_ANNOTATION_INDEX || i == WCOW_ANNOTATION_INDEX_DESCRIPTOR;
        if (!is_index || !ret->has_platform)
            return WCOW_OK;
        return WCOW_FAIL(err, WCOW_E_INVALID, "--annotation %s: an index is for all platforms",
                         text);
    }
    const char *near = wcow_diagnostic_suggest(name, level_names, N_LEVELS);
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--annotation %s: there is no level \"%s\"%s%s%s; there are manifest, "
                     "manifest-descriptor, index and index-descriptor",
                     text, name, near ? "; did you mean \"" : "", near ? near : "",
                     near ? "\"?" : "");
}

/* The colon behind the levels: none where the key comes first. One in a platform does not count. */
static const char *end_of_levels(const char *text)
{
    const char *equals = strchr(text, '=');
    const char *colon = strchr(text, ':');
    return colon && equals && colon < equals ? colon : NULL;
}

int wcow_annotations_add(struct wcow_annotations *annotations, const char *text,
                         struct wcow_error *err)
{
    const char *colon = end_of_levels(text);
    const char *key = colon ? colon + 1 : text;
    if (!strchr(key, '=') || *key == '=')
        return WCOW_FAIL(err, WCOW_E_INVALID, "--annotation %s is not key=value", text);
    wcow_autofree char *levels = strndup(text, colon ? (size_t)(colon - text) : 0);
    if (!levels)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --annotation");
    if (!colon)
        return add(annotations, &(struct wcow_annotation){0}, text, key, err);
    int r = WCOW_OK;
    char *rest = levels;
    for (char *name = strsep(&rest, ","); name && r == WCOW_OK; name = strsep(&rest, ",")) {
        struct wcow_annotation level = {0};
        r = parse_level(text, name, &level, err);
        if (r == WCOW_OK)
            r = add(annotations, &level, text, key, err);
    }
    return r;
}

int wcow_annotations_select(const struct wcow_annotations *annotations,
                            enum wcow_annotation_level level, const struct wcow_platform *platform,
                            struct wcow_str_map *ret, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < annotations->n; i++) {
        const struct wcow_annotation *a = &annotations->items[i];
        if (a->level != level ||
            (a->has_platform && !wcow_platform_matches(&a->platform, platform)))
            continue;
        r = wcow_str_map_set(ret, a->key, a->value, err);
    }
    return r;
}

static bool is_made(const struct wcow_platform *wanted, const struct wcow_platform *platforms,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (wcow_platform_matches(wanted, &platforms[i]))
            return true;
    }
    return false;
}

int wcow_annotations_check(const struct wcow_annotations *annotations, bool is_index,
                           const struct wcow_platform *platforms, size_t n, struct wcow_error *err)
{
    for (size_t i = 0; i < annotations->n; i++) {
        const struct wcow_annotation *a = &annotations->items[i];
        if (!is_index && a->level != WCOW_ANNOTATION_MANIFEST)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "--annotation %s: this build makes a manifest and no index; the level "
                             "is \"manifest:\"",
                             a->text);
        if (a->has_platform && !is_made(&a->platform, platforms, n))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "--annotation %s: the build makes no image for this platform",
                             a->text);
    }
    return WCOW_OK;
}
