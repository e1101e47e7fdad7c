/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plain.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "layer/names.h"
#include "layer/reparse.h"
#include "layer/rules.h"

enum { MAX_DEPTH = 512 };

struct plain {
    const struct wcow_target *target;
    const struct wcow_plain_ops *ops;
    void *ctx;
    struct wcow_plain_count *count;
    size_t skip; /* of each name: the directory asked for and its slash */
    size_t depth;
    void *written; /* keys of the files that were given: tsearch() */
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int note_written(struct plain *p, const char *name, struct wcow_error *err)
{
    char *key = NULL;
    int r = wcow_name_key(name, &key, err);
    if (r < 0)
        return r;
    char **node = tsearch(key, &p->written, compare);
    bool is_new = node && *node == key;
    if (!is_new)
        free(key);
    return node ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

static int count_stream(void *arg, const struct wcow_entry *entry, struct wcow_error *err)
{
    struct wcow_plain_count *count = arg;
    (void)entry;
    (void)err;
    count->n_streams++;
    return WCOW_OK;
}

static int count_lost(struct plain *p, const struct wcow_entry *e, size_t layer,
                      struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    p->count->n_eas += e->n_eas;
    int r = wcow_entry_key(e, &key, err);
    return r < 0 ? r : wcow_target_streams(p->target, layer, key, count_stream, p->count, err);
}

static int give_file(struct plain *p, const struct wcow_entry *e, size_t layer,
                     struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_target_file_close_p) struct wcow_target_file *file = NULL;
    int r = wcow_target_file_open(p->target, layer, e->name, &file, err);
    if (r < 0)
        return r;
    struct wcow_source source = wcow_target_file_source(file);
    const struct wcow_entry *first = wcow_target_file_entry(file);
    p->count->n_files++;
    r = p->ops->file(p->ctx, e->name + p->skip, first, &source, err);
    return r < 0 ? wcow_error_wrap(r, err, "\"%.200s\"", e->name) : note_written(p, e->name, err);
}

/* Another name of a file that was given already, unless a layer above has replaced that one. */
static int give_hard_link(struct plain *p, const struct wcow_entry *e, size_t layer,
                          struct wcow_error *err)
{
    struct wcow_chain chain = wcow_target_chain(p->target, 0);
    wcow_autoentry first = {0};
    wcow_autofree char *key = NULL;
    size_t first_layer = 0;
    int r = wcow_name_key(e->link, &key, err);
    if (r == WCOW_OK)
        r = wcow_chain_lookup(&chain, e->link, &first, &first_layer, err);
    if (r < 0)
        return r;
    bool is_same = r > 0 && first_layer >= layer && first.type == WCOW_ENTRY_FILE &&
                   tfind(key, &p->written, compare) && strlen(first.name) > p->skip;
    if (!is_same)
        return give_file(p, e, layer, err);
    p->count->n_files++;
    return p->ops->hard_link(p->ctx, e->name + p->skip, first.name + p->skip, e, err);
}

static int give_link(struct plain *p, const struct wcow_entry *e, struct wcow_error *err)
{
    wcow_autofree char *target = NULL;
    int r = wcow_reparse_posix_target(e->name, e->link, &target, err);
    if (r < 0)
        return r;
    if (!target) {
        p->count->n_skipped_links++;
        return WCOW_OK;
    }
    p->count->n_links++;
    return p->ops->link(p->ctx, e->name + p->skip, target, e, err);
}

static int give(void *arg, const struct wcow_entry *e, struct wcow_error *err);

static int give_dir(struct plain *p, const struct wcow_entry *e, struct wcow_error *err)
{
    if (++p->depth > MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%.200s\" is more than %d levels deep", e->name,
                         MAX_DEPTH);
    p->count->n_dirs++;
    struct wcow_chain chain = wcow_target_chain(p->target, 0);
    int r = p->ops->dir(p->ctx, e->name + p->skip, e, err);
    if (r == WCOW_OK)
        r = wcow_chain_children(&chain, e->name, give, p, err);
    if (r == WCOW_OK && p->ops->dir_done)
        r = p->ops->dir_done(p->ctx, e->name + p->skip, e, err);
    p->depth--;
    return r;
}

static int give(void *arg, const struct wcow_entry *e, struct wcow_error *err)
{
    struct plain *p = arg;
    int r = wcow_rules_check_entry(e, NULL, err); /* its name becomes a path */
    if (r < 0)
        return r;
    struct wcow_chain chain = wcow_target_chain(p->target, 0);
    wcow_autoentry found = {0};
    size_t layer = 0;
    r = wcow_chain_lookup(&chain, e->name, &found, &layer, err);
    if (r == WCOW_OK || r == 1)
        r = count_lost(p, e, layer, err);
    if (r < 0)
        return r;
    if (e->type == WCOW_ENTRY_DIR)
        return give_dir(p, e, err);
    if (e->type == WCOW_ENTRY_REPARSE)
        return give_link(p, e, err);
    return e->type == WCOW_ENTRY_HARDLINK ? give_hard_link(p, e, layer, err)
                                          : give_file(p, e, layer, err);
}

static void drop_key(void *key)
{
    free(key);
}

int wcow_plain_walk(const struct wcow_target *target, const char *path,
                    const struct wcow_plain_ops *ops, void *ctx, struct wcow_plain_count *ret,
                    struct wcow_error *err)
{
    struct plain p = {.target = target, .ops = ops, .ctx = ctx, .count = ret};
    struct wcow_chain chain = wcow_target_chain(target, 0);
    wcow_autofree char *cased = NULL;
    int r = WCOW_OK;
    if (*path) {
        wcow_autoentry found = {0};
        r = wcow_chain_lookup(&chain, path, &found, NULL, err);
        if (r == 0 && strcmp(path, "Files") != 0)
            return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is not there", path);
        if (r > 0 && found.type != WCOW_ENTRY_DIR)
            return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is not a directory", path);
        p.skip = strlen(path) + 1;
    }
    if (r >= 0)
        r = wcow_chain_children(&chain, path, give, &p, err);
    tdestroy(p.written, drop_key);
    return r;
}
