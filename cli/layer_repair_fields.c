/* SPDX-License-Identifier: Apache-2.0 */
/* What can be mended in an entry by itself. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/links.h"
#include "cli/layer_repair_internal.h"
#include "layer/filetime.h"
#include "layer/names.h"
#include "layer/rules.h"

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

static void replace(char *text, char from, char to)
{
    for (char *p = text; *p; p++) {
        if (*p == from)
            *p = to;
    }
}

/* ---- names ---- */

/* Give a name that is a root in other letter case, or begins with one, the root's own spelling. */
static bool spell_root(char *name)
{
    static const char *const roots[] = {"Files", "Hives", "UtilityVM"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        size_t n = strlen(roots[i]);
        bool is_root = strncasecmp(name, roots[i], n) == 0 && (!name[n] || name[n] == '/');
        if (!is_root || memcmp(name, roots[i], n) == 0)
            continue;
        memcpy(name, roots[i], n);
        return true;
    }
    return false;
}

int wcow_repair_name(const struct wcow_repair *repair, struct wcow_entry *entry,
                     struct wcow_error *err)
{
    bool has_backslash = strchr(entry->name, '\\') != NULL;
    replace(entry->name, '\\', '/');
    bool respelled = spell_root(entry->name);
    int r = WCOW_OK;
    if (repair && has_backslash)
        r = wcow_repair_tell(repair, "escape", entry->name, err,
                             "separated by \"/\" in the place of backslashes");
    if (repair && r == WCOW_OK && respelled)
        r = wcow_repair_tell(repair, "outside-roots", entry->name, err,
                             "its top directory spelled as importers want it");
    return r;
}

/* ---- links ---- */

static int set_link(struct wcow_entry *e, char *link, struct wcow_error *err)
{
    if (!link)
        return nomem(err);
    free(e->link);
    e->link = link;
    return WCOW_OK;
}

/* Where "Files/x" leads when it is read as x in the link's own directory. */
static int beside(const struct wcow_entry *e, const char *rest, char **ret, struct wcow_error *err)
{
    const char *slash = strrchr(e->name, '/');
    wcow_autobuf path = {0};
    int r =
        wcow_buf_addf(&path, err, "%.*s%s", slash ? (int)(slash + 1 - e->name) : 0, e->name, rest);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : nomem(err);
}

/* "Files/x" was x, or /x: the one that is there. */
static int fix_target(const struct wcow_repair *repair, struct wcow_entry *e,
                      struct wcow_error *err)
{
    const char *prefixed = wcow_verify_prefixed_target(e);
    if (!prefixed)
        return WCOW_OK;
    wcow_autofree char *rest = strdup(prefixed);
    wcow_autofree char *near = NULL;
    wcow_autobuf target = {0};
    if (!rest)
        return nomem(err);
    replace(rest, '\\', '/');
    bool has_drive = isalpha((unsigned char)rest[0]) && rest[1] == ':';
    int r = beside(e, rest, &near, err);
    int near_type = r == WCOW_OK ? wcow_repair_type_of(repair, near, err) : r;
    wcow_autobuf top = {0};
    r = near_type < 0 ? near_type : wcow_buf_addf(&top, err, "Files/%s", rest);
    int top_type = r == WCOW_OK ? wcow_repair_type_of(repair, (const char *)top.data, err) : r;
    if (top_type < 0)
        return top_type;
    bool from_top = !has_drive && !near_type && top_type;
    replace(rest, '/', '\\');
    r = wcow_buf_addf(&target, err, "%s%s", from_top ? "\\" : "", rest);
    if (r == WCOW_OK)
        r = wcow_repair_tell(repair, "prefixed-link-target", e->name, err,
                             "leads to \"%.150s\" in the place of \"%.150s\"",
                             (const char *)target.data, e->link);
    return r < 0 ? r : set_link(e, wcow_buf_take_str(&target), err);
}

static int fix_link_attributes(const struct wcow_repair *repair, struct wcow_entry *e,
                               struct wcow_error *err)
{
    if (e->type != WCOW_ENTRY_REPARSE || e->attributes & WCOW_ATTR_REPARSE)
        return WCOW_OK;
    wcow_autofree char *target = NULL;
    bool is_dir = e->has & WCOW_HAS_MOUNTPOINT;
    if (!is_dir && wcow_link_resolve(e->name, e->link, &target, NULL) == WCOW_OK) {
        int type = wcow_repair_type_of(repair, target, err);
        if (type < 0)
            return type;
        is_dir = type == WCOW_ENTRY_DIR;
    }
    e->attributes |= WCOW_ATTR_REPARSE | (is_dir ? WCOW_ATTR_DIRECTORY : 0U);
    e->has |= WCOW_HAS_FILEATTR;
    return wcow_repair_tell(repair, "link-without-attributes", e->name, err,
                            "given the attributes of a link to a %s (%lu)",
                            is_dir ? "directory" : "file", (unsigned long)e->attributes);
}

/* To importers a directory is what its attributes call one. */
static int fix_attributes(const struct wcow_repair *repair, struct wcow_entry *e,
                          struct wcow_error *err)
{
    bool is_dir = e->type == WCOW_ENTRY_DIR;
    uint32_t right = is_dir ? e->attributes | WCOW_ATTR_DIRECTORY
                            : e->attributes & ~(uint32_t)WCOW_ATTR_DIRECTORY;
    if ((!is_dir && e->type != WCOW_ENTRY_FILE) || e->attributes == right)
        return WCOW_OK;
    e->attributes = right;
    return wcow_repair_tell(repair, "wrong-attributes", e->name, err,
                            "given the attributes of a %s (%lu)", is_dir ? "directory" : "file",
                            (unsigned long)right);
}

static bool is_full_name(const char *name)
{
    return strncmp(name, "Files/", 6) == 0 || strncmp(name, "UtilityVM/Files/", 16) == 0 ||
           strncmp(name, "Hives/", 6) == 0;
}

static int fix_hard_link(const struct wcow_repair *repair, struct wcow_entry *e,
                         struct wcow_error *err)
{
    if (e->type != WCOW_ENTRY_HARDLINK)
        return WCOW_OK;
    if (e->has & WCOW_HAS_BARE_LINK) {
        e->has &= ~(uint32_t)WCOW_HAS_BARE_LINK;
        return wcow_repair_tell(repair, "bare-link", e->name, err,
                                "is another name of \"%.150s\" in the place of \"%.150s\"", e->link,
                                e->link + strlen("Files/"));
    }
    if (is_full_name(e->link))
        return WCOW_OK;
    wcow_autofree char *rest = strdup(e->link);
    if (!rest)
        return nomem(err);
    replace(rest, '\\', '/');
    const char *from = rest + strspn(rest, "/");
    if (strncasecmp(from, "c:/", 3) == 0)
        from += 3;
    wcow_autobuf full = {0};
    int r = wcow_buf_addf(&full, err, "Files/%s", from);
    if (r == WCOW_OK && (spell_root(rest) || is_full_name(rest))) {
        full.len = 0;
        r = wcow_buf_add_str(&full, rest, err);
    }
    int type = r == WCOW_OK ? wcow_repair_type_of(repair, (const char *)full.data, err) : r;
    if (type <= 0)
        return type; /* nothing better is known; what is left is told in the end */
    r = wcow_repair_tell(repair, "bad-link", e->name, err,
                         "is another name of \"%.150s\" in the place of \"%.150s\"",
                         (const char *)full.data, e->link);
    return r < 0 ? r : set_link(e, wcow_buf_take_str(&full), err);
}

/* ---- times ---- */

static bool fix_time(uint64_t *time, uint64_t by)
{
    if (*time != WCOW_FILETIME_OF_GO_ZERO)
        return false;
    *time = by;
    return true;
}

static int fix_times(const struct wcow_repair *repair, struct wcow_entry *e, struct wcow_error *err)
{
    uint64_t by = e->mtime;
    if (by == WCOW_FILETIME_OF_GO_ZERO)
        by = e->creation != WCOW_FILETIME_OF_GO_ZERO ? e->creation : WCOW_FILETIME_UNIX_EPOCH;
    bool fixed = fix_time(&e->mtime, by);
    fixed |= fix_time(&e->atime, by);
    fixed |= fix_time(&e->ctime, by);
    fixed |= fix_time(&e->creation, by);
    int r = fixed ? wcow_repair_tell(repair, "year-1754", e->name, err,
                                     "its times of the year 1754 set to when it was modified")
                  : WCOW_OK;
    if (r < 0 || e->has & WCOW_HAS_ATIME || e->type == WCOW_ENTRY_STREAM)
        return r;
    /* A time without a record stands for mtime already. */
    e->has |= WCOW_HAS_ATIME | WCOW_HAS_CTIME | WCOW_HAS_CREATION;
    return wcow_repair_tell(repair, "missing-times", e->name, err,
                            "given all four times, those it had not from when it was modified");
}

/* ---- descriptors ---- */

/* A directory that the parents have, written without a descriptor or with the one that BuildKit
 * gives to all. An export on Windows has none for Files itself. */
static int fix_metadata(const struct wcow_repair *repair, struct wcow_entry *e,
                        struct wcow_error *err)
{
    if (e->type != WCOW_ENTRY_DIR || !repair->options.parents)
        return WCOW_OK;
    bool is_peers = e->sd ? e->sd_len_bytes == repair->peer_sd.len &&
                                memcmp(e->sd, repair->peer_sd.data, e->sd_len_bytes) == 0
                          : strncmp(e->name, "Files/", 6) == 0;
    if (!is_peers)
        return WCOW_OK;
    wcow_autoentry below = {0};
    int r = wcow_chain_lookup(repair->options.parents, e->name, &below, NULL, err);
    if (r <= 0 || below.type != WCOW_ENTRY_DIR)
        return r < 0 ? r : WCOW_OK;
    free(below.name);
    below.name = e->name;
    e->name = NULL;
    wcow_entry_done(e);
    *e = below;
    below = (struct wcow_entry){0};
    return wcow_repair_tell(repair, "replaced-metadata", e->name, err,
                            "given back the descriptor, attributes and times that the layers below "
                            "have");
}

int wcow_repair_fields(const struct wcow_repair *repair, struct wcow_entry *e,
                       struct wcow_error *err)
{
    if (e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE)
        return WCOW_OK;
    int r = fix_metadata(repair, e, err);
    if (r == WCOW_OK)
        r = fix_target(repair, e, err);
    if (r == WCOW_OK)
        r = fix_link_attributes(repair, e, err);
    if (r == WCOW_OK)
        r = fix_attributes(repair, e, err);
    if (r == WCOW_OK)
        r = fix_hard_link(repair, e, err);
    return r < 0 ? r : fix_times(repair, e, err);
}
