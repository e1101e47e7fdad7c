/* SPDX-License-Identifier: Apache-2.0 */
/* The order of entries, and what is missing between them. */
#include "cli/layer_repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/layer_repair_internal.h"
#include "layer/filetime.h"
#include "layer/hive.h"
#include "layer/names.h"
#include "layer/rules.h"
#include "layer/sd.h"

#define PEER_SDDL                                                                                  \
    "O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)(A;OICIIO;GA;;;CO)"                     \
    "(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU)"

void wcow_repair_free(struct wcow_repair *repair)
{
    if (!repair)
        return;
    for (size_t i = 0; i < repair->n_deferred; i++)
        wcow_entry_done(&repair->deferred[i]);
    free(repair->deferred);
    wcow_entry_list_free(repair->list);
    wcow_memlayer_free(repair->made);
    wcow_buf_done(&repair->peer_sd);
    free(repair->moved);
    free(repair->opaque_dir);
    free(repair);
}

int wcow_repair_new(const struct wcow_repair_options *options, struct wcow_repair **ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_repair_free_p) struct wcow_repair *repair = calloc(1, sizeof(*repair));
    if (!repair)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repair");
    repair->options = *options;
    repair->last_time = WCOW_FILETIME_UNIX_EPOCH;
    int r = wcow_entry_list_new(&repair->list, err);
    if (r == WCOW_OK)
        r = wcow_memlayer_new(&repair->made, err);
    if (r == WCOW_OK)
        r = wcow_sd_of_sddl(PEER_SDDL, &repair->peer_sd, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(repair);
    return r;
}

int wcow_repair_learn(struct wcow_repair *repair, const struct wcow_entry *entry,
                      struct wcow_error *err)
{
    wcow_autoentry copy = {0};
    int r = wcow_entry_copy(entry, &copy, err);
    if (r == WCOW_OK)
        r = wcow_repair_name(NULL, &copy, err);
    return r < 0 ? r : wcow_entry_list_add(repair->list, &copy, 0, err);
}

int wcow_repair_learned(struct wcow_repair *repair, struct wcow_error *err)
{
    repair->moved = calloc(wcow_entry_list_count(repair->list) + 1, sizeof(bool));
    if (!repair->moved)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repair");
    return wcow_entry_list_seal(repair->list, err);
}

int wcow_repair_tell(const struct wcow_repair *repair, const char *rule, const char *name,
                     struct wcow_error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const struct wcow_finding finding = {
        .rule = rule, .severity = WCOW_SEVERITY_NOTE, .name = name, .text = text};
    return repair->options.report(repair->options.arg, &finding, err);
}

int wcow_repair_type_of(const struct wcow_repair *repair, const char *path, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(path, &key, NULL);
    if (r < 0)
        return r == WCOW_E_NOMEM ? WCOW_FAIL(err, r, "out of memory for a name") : 0;
    const struct wcow_listed *item = wcow_entry_list_find(repair->list, key);
    if (item && item->entry.type < WCOW_ENTRY_WHITEOUT)
        return (int)item->entry.type;
    if (!item && wcow_entry_list_has_below(repair->list, key))
        return WCOW_ENTRY_DIR;
    if (item || !repair->options.parents)
        return 0;
    wcow_autoentry found = {0};
    r = wcow_chain_lookup(repair->options.parents, path, &found, NULL, err);
    return r <= 0 ? r : (int)found.type;
}

static int put(const struct wcow_repair *repair, const struct wcow_entry *entry,
               struct wcow_error *err)
{
    return repair->options.put(repair->options.arg, entry, (struct wcow_bytes){0}, err);
}

/* ---- opaque directories, as whiteouts ---- */

/* Whether the layer says that @p dir, or one above it, starts anew. */
static int is_opaque(const struct wcow_repair *repair, const char *dir, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(dir, &key, NULL);
    if (r < 0)
        return r == WCOW_E_NOMEM ? WCOW_FAIL(err, r, "out of memory for a name") : 0;
    for (;;) {
        wcow_autofree char *marker = NULL;
        r = wcow_opaque_key(key, &marker, err);
        if (r < 0)
            return r;
        if (wcow_entry_list_find(repair->list, marker))
            return 1;
        char *slash = strrchr(key, '/');
        if (!slash)
            return 0;
        *slash = '\0';
    }
}

struct hiding {
    struct wcow_repair *repair;
    const char *dir;
    unsigned n;
};

/* A name that the layers below have in the directory, and this layer has not. */
static int hide_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct hiding *h = arg;
    const char *slash = strrchr(child->name, '/');
    const char *base = slash ? slash + 1 : child->name;
    wcow_autobuf path = {0};
    wcow_autobuf name = {0};
    wcow_autofree char *key = NULL;
    int r = wcow_buf_addf(&path, err, "%s/%s", h->dir, base);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&name, err, "%s/" WCOW_WHITEOUT_PREFIX "%s", h->dir, base);
    if (r == WCOW_OK)
        r = wcow_name_key((const char *)path.data, &key, err);
    if (r < 0 || wcow_entry_list_find(h->repair->list, key) ||
        wcow_entry_list_has_below(h->repair->list, key))
        return r;
    const struct wcow_entry whiteout = {.type = WCOW_ENTRY_WHITEOUT, .name = (char *)name.data};
    h->n++;
    return put(h->repair, &whiteout, err);
}

static int hide_children(struct wcow_repair *repair, const char *dir, struct wcow_error *err)
{
    const struct wcow_chain *parents = repair->options.parents;
    int r = parents && !repair->options.is_base ? is_opaque(repair, dir, err) : 0;
    if (r <= 0)
        return r;
    wcow_autoentry below = {0};
    r = wcow_chain_lookup(parents, dir, &below, NULL, err);
    if (r <= 0 || below.type != WCOW_ENTRY_DIR)
        return r < 0 ? r : WCOW_OK;
    struct hiding hiding = {.repair = repair, .dir = dir};
    r = wcow_chain_children(parents, dir, hide_child, &hiding, err);
    return r < 0 || !hiding.n
               ? r
               : wcow_repair_tell(repair, "opaque-marker", dir, err,
                                  "%u whiteouts written for what the layers below have in it",
                                  hiding.n);
}

/* Streams stand right behind their directory, so its whiteouts wait for the next entry. */
static int flush_opaque(struct wcow_repair *repair, struct wcow_error *err)
{
    wcow_autofree char *dir = WCOW_TAKE_PTR(repair->opaque_dir);
    return dir ? hide_children(repair, dir, err) : WCOW_OK;
}

/* @return 1: the marker stays */
static int fix_marker(const struct wcow_repair *repair, const struct wcow_entry *e,
                      struct wcow_error *err)
{
    if (repair->options.is_base) {
        int r = wcow_repair_tell(repair, "whiteout-in-base", e->name, err,
                                 "left out: nothing is below a base layer");
        return r;
    }
    if (e->type == WCOW_ENTRY_WHITEOUT)
        return 1;
    return repair->options.parents ? WCOW_OK : 1;
}

/* ---- directories ---- */

/* What is new in directory @p name inherits from this; empty: none is known. Appended. */
static int dir_sd(const struct wcow_repair *repair, const char *name, struct wcow_buf *out,
                  struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(name, &key, err);
    if (r < 0)
        return r;
    const struct wcow_entry *dir = wcow_memlayer_get(repair->made, key);
    const struct wcow_listed *item = dir ? NULL : wcow_entry_list_find(repair->list, key);
    if (item)
        dir = &item->entry;
    if (dir && dir->sd)
        return wcow_buf_add(out, dir->sd, dir->sd_len_bytes, err);
    if (!repair->options.parents)
        return WCOW_OK;
    r = wcow_chain_dir_sd(repair->options.parents, name, out, err);
    return r < 0 ? r : WCOW_OK;
}

static int inherit(const struct wcow_repair *repair, const char *name, struct wcow_entry *dir,
                   struct wcow_error *err)
{
    wcow_autobuf parent = {0};
    wcow_autobuf from = {0};
    const char *slash = strrchr(name, '/');
    int r = wcow_buf_addf(&parent, err, "%.*s", slash ? (int)(slash - name) : 0, name);
    if (r == WCOW_OK)
        r = dir_sd(repair, (const char *)parent.data, &from, err);
    if (r < 0)
        return r;
    struct wcow_bytes sd = wcow_sd_default(true);
    wcow_autobuf inherited = {0};
    if (from.len && wcow_sd_check(from.data, from.len, NULL) == WCOW_OK) {
        const struct wcow_bytes its = {.data = from.data, .len = from.len};
        const struct wcow_bytes nobody = {0};
        r = wcow_sd_inherit(its, nobody, nobody, true, &inherited, err);
        sd = (struct wcow_bytes){.data = inherited.data, .len = inherited.len};
    }
    return r < 0 ? r : wcow_entry_set_sd(dir, sd.data, sd.len, err);
}

/* A directory that stands nowhere in the layer: as the layers below have it, or a new one. */
static int make_dir(struct wcow_repair *repair, const char *name, uint64_t time,
                    struct wcow_error *err)
{
    wcow_autoentry dir = {0};
    int r = repair->options.parents
                ? wcow_chain_lookup(repair->options.parents, name, &dir, NULL, err)
                : 0;
    if (r < 0)
        return r;
    bool is_below = r > 0 && dir.type == WCOW_ENTRY_DIR;
    if (!is_below) {
        wcow_entry_done(&dir);
        dir = (struct wcow_entry){.type = WCOW_ENTRY_DIR,
                                  .name = strdup(name),
                                  .attributes = WCOW_ATTR_DIRECTORY,
                                  .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME |
                                         WCOW_HAS_CTIME,
                                  .mtime = time,
                                  .atime = time,
                                  .ctime = time,
                                  .creation = time};
        if (!dir.name)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
        bool in_files = strncmp(name, "Files", 5) == 0;
        dir.has |= in_files ? WCOW_HAS_RAWSD : 0U;
        r = in_files ? inherit(repair, name, &dir, err) : WCOW_OK;
    }
    if (r >= 0)
        r = put(repair, &dir, err);
    if (r == WCOW_OK)
        r = wcow_memlayer_put(repair->made, &dir, err);
    if (r == WCOW_OK)
        r = wcow_repair_tell(repair, "missing-parent", name, err,
                             is_below ? "added with the metadata that the layers below have"
                                      : "added as a new directory");
    return r < 0 ? r : hide_children(repair, name, err);
}

/* A directory that stands behind what is in it: to the front. */
static int move_dir(struct wcow_repair *repair, const struct wcow_listed *item,
                    struct wcow_error *err)
{
    if (wcow_entry_list_stream(repair->list, item->key, 0))
        return WCOW_OK; /* its streams would have to come along */
    wcow_autoentry dir = {0};
    int r = wcow_entry_copy(&item->entry, &dir, err);
    if (r == WCOW_OK)
        r = wcow_repair_fields(repair, &dir, err);
    if (r == WCOW_OK)
        r = put(repair, &dir, err);
    if (r == WCOW_OK)
        r = wcow_repair_tell(repair, "missing-parent", dir.name, err,
                             "moved in front of what is in it");
    repair->moved[item->ordinal] = true;
    return r < 0 ? r : hide_children(repair, dir.name, err);
}

static int ensure_dir(struct wcow_repair *repair, const char *name, uint64_t time,
                      struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(name, &key, NULL);
    if (r < 0) /* no name to be mended */
        return r == WCOW_E_NOMEM ? WCOW_FAIL(err, r, "out of memory for a name") : WCOW_OK;
    const struct wcow_listed *item = wcow_entry_list_find(repair->list, key);
    if (!item)
        return wcow_memlayer_get(repair->made, key) ? WCOW_OK : make_dir(repair, name, time, err);
    bool is_there = item->ordinal < repair->at || repair->moved[item->ordinal];
    return is_there || item->entry.type != WCOW_ENTRY_DIR ? WCOW_OK : move_dir(repair, item, err);
}

static int ensure_parents(struct wcow_repair *repair, const struct wcow_entry *e,
                          struct wcow_error *err)
{
    struct wcow_error ignored = {0};
    if (wcow_rules_check_entry(e, NULL, &ignored) < 0)
        return WCOW_OK;
    wcow_autofree char *path = strdup(e->name);
    if (!path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    int r = WCOW_OK;
    for (char *p = strchr(path, '/'); r == WCOW_OK && p; p = strchr(p + 1, '/')) {
        *p = '\0';
        r = ensure_dir(repair, path, repair->last_time, err);
        *p = '/';
    }
    return r;
}

/* ---- the entries again ---- */

/* 1: a second entry for a directory, which tells nothing new. */
static int is_repeated_dir(const struct wcow_repair *repair, const struct wcow_entry *e,
                           size_t ordinal, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    if (e->type != WCOW_ENTRY_DIR || wcow_name_key(e->name, &key, NULL) < 0)
        return 0;
    const struct wcow_listed *first = wcow_entry_list_find(repair->list, key);
    if (!first || first->ordinal == ordinal || first->entry.type != WCOW_ENTRY_DIR ||
        strcmp(first->entry.name, e->name) != 0)
        return 0;
    int r = wcow_repair_tell(repair, "duplicate", e->name, err, "its second entry left out");
    return r < 0 ? r : 1;
}

static int defer(struct wcow_repair *repair, struct wcow_entry *e, struct wcow_error *err)
{
    struct wcow_entry *more =
        reallocarray(repair->deferred, repair->n_deferred + 1, sizeof(*repair->deferred));
    if (!more)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
    repair->deferred = more;
    more[repair->n_deferred++] = *e;
    *e = (struct wcow_entry){0};
    return wcow_repair_tell(repair, "link-target-missing", more[repair->n_deferred - 1].name, err,
                            "moved behind the file that it is another name of");
}

/* 1: a hard link whose file comes later. */
static int is_early_link(const struct wcow_repair *repair, const struct wcow_entry *e)
{
    wcow_autofree char *key = NULL;
    if (e->type != WCOW_ENTRY_HARDLINK || wcow_name_key(e->link, &key, NULL) < 0)
        return 0;
    const struct wcow_listed *target = wcow_entry_list_find(repair->list, key);
    return target && target->ordinal > repair->at && target->entry.type == WCOW_ENTRY_FILE;
}

static int fix_placed(struct wcow_repair *repair, struct wcow_entry *e, struct wcow_error *err)
{
    int r = ensure_parents(repair, e, err);
    if (r == WCOW_OK)
        r = wcow_repair_fields(repair, e, err);
    if (r < 0)
        return r;
    if (e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE)
        return fix_marker(repair, e, err);
    if (is_early_link(repair, e))
        return defer(repair, e, err);
    if (e->type != WCOW_ENTRY_DIR)
        return 1;
    repair->opaque_dir = strdup(e->name);
    return repair->opaque_dir ? 1 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

int wcow_repair_fix(struct wcow_repair *repair, struct wcow_entry *entry, struct wcow_error *err)
{
    int r = wcow_repair_name(repair, entry, err);
    if (r < 0)
        return r;
    size_t ordinal = repair->at;
    if (entry->type == WCOW_ENTRY_STREAM) {
        repair->at++;
        return 1;
    }
    r = flush_opaque(repair, err);
    if (r == WCOW_OK && !repair->moved[ordinal])
        r = is_repeated_dir(repair, entry, ordinal, err);
    if (r != WCOW_OK || repair->moved[ordinal]) {
        repair->at++;
        return r < 0 ? r : 0;
    }
    if (entry->type < WCOW_ENTRY_WHITEOUT && entry->mtime != WCOW_FILETIME_OF_GO_ZERO)
        repair->last_time = entry->mtime;
    r = fix_placed(repair, entry, err);
    repair->at++;
    return r;
}

/* ---- the end ---- */

/* Those of the five that are not there; newer importers want all. */
static int add_hives(struct wcow_repair *repair, struct wcow_error *err)
{
    enum { N_HIVES = sizeof(wcow_hive_delta_names) / sizeof(wcow_hive_delta_names[0]) };
    uint64_t t = repair->last_time;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < N_HIVES; i++) {
        wcow_autobuf name = {0};
        wcow_autobuf data = {0};
        wcow_autofree char *key = NULL;
        r = wcow_buf_addf(&name, err, "Hives/%s", wcow_hive_delta_names[i]);
        if (r == WCOW_OK)
            r = wcow_name_key((const char *)name.data, &key, err);
        if (r == WCOW_OK && wcow_entry_list_find(repair->list, key))
            continue; /* those of the layers below are theirs */
        if (r == WCOW_OK)
            r = ensure_dir(repair, "Hives", t, err);
        if (r == WCOW_OK)
            r = wcow_hive_empty_delta(wcow_hive_delta_names[i], WCOW_FILETIME_UNIX_EPOCH, &data,
                                      err);
        if (r < 0)
            return r;
        const struct wcow_entry hive = {.type = WCOW_ENTRY_FILE,
                                        .name = (char *)name.data,
                                        .attributes = WCOW_ATTR_ARCHIVE,
                                        .size_bytes = data.len,
                                        .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION |
                                               WCOW_HAS_ATIME | WCOW_HAS_CTIME,
                                        .mtime = t,
                                        .atime = t,
                                        .ctime = t,
                                        .creation = t};
        const struct wcow_bytes bytes = {.data = data.data, .len = data.len};
        r = repair->options.put(repair->options.arg, &hive, bytes, err);
        if (r == WCOW_OK)
            r = wcow_repair_tell(repair, "missing-hives", hive.name, err,
                                 "added, a hive that changes nothing");
    }
    return r;
}

int wcow_repair_finish(struct wcow_repair *repair, struct wcow_error *err)
{
    int r = flush_opaque(repair, err);
    for (size_t i = 0; r == WCOW_OK && i < repair->n_deferred; i++)
        r = put(repair, &repair->deferred[i], err);
    bool is_empty = wcow_entry_list_count(repair->list) == 0;
    return r < 0 || repair->options.is_base || is_empty ? r : add_hives(repair, err);
}
