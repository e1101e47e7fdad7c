/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/path_tree.h"
#include "layer/names.h"

enum { NAMES_HEAP_BYTES = 8 << 20 };

/* What stood at a name. */
struct seen {
    uint32_t name_hash; /* of the name as written: tells duplicates from case collisions */
    uint8_t type;       /* enum wcow_entry_type */
    bool is_implied;    /* a directory that only its content testifies to */
    bool is_told;       /* and that was reported */
};

struct wcow_check {
    struct wcow_check_options options;
    struct wcow_path_tree *names; /* struct seen, by key */
    unsigned n_hives;
    bool has_hives_dir;
    bool has_entries;
    bool has_awaited; /* targets of links that nobody knows */
    char *file_key;   /* of the file or directory that streams may follow; owned, or NULL */
};

enum wcow_severity wcow_rule_severity(enum wcow_rule rule)
{
    switch (rule) {
    case WCOW_RULE_NONE:
    case WCOW_RULE_COUNT:
        return WCOW_SEVERITY_NONE;
    case WCOW_RULE_OPAQUE_MARKER:
    case WCOW_RULE_MISSING_HIVES:
    case WCOW_RULE_LINK_WITHOUT_ATTRIBUTES:
    case WCOW_RULE_MISSING_TIMES:
        return WCOW_SEVERITY_NOTE;
    case WCOW_RULE_MISSING_ROOT:
    case WCOW_RULE_MISSING_PARENT:
    case WCOW_RULE_BARE_LINK:
    case WCOW_RULE_MISPLACED_LINK:
    case WCOW_RULE_WRONG_ATTRIBUTES:
    case WCOW_RULE_HIVES_IN_BASE:
        return WCOW_SEVERITY_WARNING;
    case WCOW_RULE_ESCAPE:
    case WCOW_RULE_BAD_NAME:
    case WCOW_RULE_PATH_TOO_LONG:
    case WCOW_RULE_OUTSIDE_ROOTS:
    case WCOW_RULE_ROOT_NOT_DIRECTORY:
    case WCOW_RULE_BAD_WHITEOUT:
    case WCOW_RULE_MISPLACED_WHITEOUT:
    case WCOW_RULE_BAD_STREAM:
    case WCOW_RULE_BAD_LINK:
    case WCOW_RULE_LINK_TOO_LONG:
    case WCOW_RULE_DUPLICATE:
    case WCOW_RULE_CASE_COLLISION:
    case WCOW_RULE_BELOW_FILE:
    case WCOW_RULE_BELOW_LINK:
    case WCOW_RULE_BELOW_WHITEOUT:
    case WCOW_RULE_WHITEOUT_AND_ENTRY:
    case WCOW_RULE_WHITEOUT_IN_BASE:
    case WCOW_RULE_LINK_TARGET_MISSING:
    case WCOW_RULE_LINK_TARGET_NOT_FILE:
    case WCOW_RULE_STREAM_WITHOUT_FILE:
    default:
        return WCOW_SEVERITY_ERROR;
    }
}

const char *wcow_severity_name(enum wcow_severity severity)
{
    static const char *const names[] = {"none", "note", "warning", "error"};
    return names[severity];
}

int wcow_check_new(const struct wcow_check_options *options, struct wcow_check **ret,
                   struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_check_free_p) struct wcow_check *check = calloc(1, sizeof(*check));
    if (!check)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's check");
    check->options = *options;
    struct wcow_path_tree_options names = {.value_bytes = sizeof(struct seen),
                                           .heap_bytes = NAMES_HEAP_BYTES,
                                           .dirfd = options->scratch ? *options->scratch : -1};
    int r = wcow_path_tree_new(&names, &check->names, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(check);
    return r;
}

void wcow_check_free(struct wcow_check *check)
{
    if (!check)
        return;
    wcow_path_tree_free(check->names);
    free(check->file_key);
    free(check);
}

/* ---- reporting ---- */

static int report(struct wcow_check *check, enum wcow_rule rule, const char *name,
                  struct wcow_error *err, const char *fmt, ...) WCOW_PRINTF(5, 6);

static int report(struct wcow_check *check, enum wcow_rule rule, const char *name,
                  struct wcow_error *err, const char *fmt, ...)
{
    enum wcow_severity severity = wcow_rule_severity(rule);
    if (rule == WCOW_RULE_MISSING_PARENT && check->options.need_parents)
        severity = WCOW_SEVERITY_ERROR;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (check->options.report) {
        struct wcow_violation v = {.rule = rule, .severity = severity, .name = name, .text = text};
        return check->options.report(check->options.arg, &v, err);
    }
    if (severity < WCOW_SEVERITY_ERROR)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.200s\": %s (rule %s)", name, text,
                     wcow_rule_name(rule));
}

/* ---- names seen ---- */

static struct seen *find(const struct wcow_check *check, const char *key, size_t len)
{
    return wcow_path_tree_find(check->names, key, len);
}

static uint32_t hash_bytes(const char *name, size_t len)
{
    uint32_t h = UINT32_C(2166136261);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * UINT32_C(16777619);
    return h;
}

static uint32_t hash_name(const char *name)
{
    return hash_bytes(name, strlen(name));
}

/* @param name NULL: a directory that only its content testifies to */
static int remember(struct wcow_check *check, const char *key, size_t len,
                    enum wcow_entry_type type, const char *name, struct wcow_error *err)
{
    void *place = NULL;
    int r = wcow_path_tree_add(check->names, key, len, &place, err);
    if (r < 0)
        return r;
    struct seen *seen = place;
    *seen = (struct seen){
        .type = (uint8_t)type, .is_implied = !name, .name_hash = name ? hash_name(name) : 0};
    return WCOW_OK;
}

/* ---- the rules ---- */

static int check_duplicate(struct wcow_check *check, const struct wcow_entry *e,
                           const struct seen *old, struct wcow_error *err)
{
    bool was = old->type == WCOW_ENTRY_WHITEOUT;
    bool is = e->type == WCOW_ENTRY_WHITEOUT;
    if (was != is)
        return report(check, WCOW_RULE_WHITEOUT_AND_ENTRY, e->name, err,
                      "the layer has the name and deletes it as well");
    if (old->name_hash == hash_name(e->name))
        return report(check, WCOW_RULE_DUPLICATE, e->name, err, "the name stands twice");
    return report(check, WCOW_RULE_CASE_COLLISION, e->name, err,
                  "on Windows it is the same name as one before it, in other letter case");
}

static bool is_whiteout(const struct wcow_entry *e)
{
    return e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE;
}

static bool is_root_key(const char *key, size_t len)
{
    static const char *const roots[] = {"FILES", "HIVES", "UTILITYVM"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (strlen(roots[i]) == len && memcmp(roots[i], key, len) == 0)
            return true;
    return false;
}

/* What a whiteout hides is removed from the layers below, where its directory is. */
static int tell_missing(struct wcow_check *check, const struct wcow_entry *e, const char *key,
                        size_t len, struct wcow_error *err)
{
    if (is_whiteout(e))
        return WCOW_OK;
    if (is_root_key(key, len))
        return report(check, WCOW_RULE_MISSING_ROOT, e->name, err,
                      "\"%.*s\" does not stand before it in the layer, which Windows' importers "
                      "need",
                      (int)len, e->name);
    return report(check, WCOW_RULE_MISSING_PARENT, e->name, err,
                  "its directory does not stand before it in the layer, which Windows' importers "
                  "need; `wcow repair` adds it");
}

/* Remember the directories of @p key that were not there; say so for the lowest one only. */
static int missing_parent(struct wcow_check *check, const struct wcow_entry *e, const char *key,
                          size_t len, struct wcow_error *err)
{
    int r = tell_missing(check, e, key, len, err);
    struct seen *s = NULL;
    while (r == WCOW_OK && len && (!(s = find(check, key, len)) || s->is_implied)) {
        if (!s)
            r = remember(check, key, len, WCOW_ENTRY_DIR, NULL, err);
        s = r == WCOW_OK ? find(check, key, len) : NULL;
        if (s)
            s->is_told |= !is_whiteout(e);
        while (len && key[len - 1] != '/')
            len--;
        len -= len > 0;
    }
    return r;
}

/* The nearest directory that is known decides: it was checked itself. */
static int check_parents(struct wcow_check *check, const struct wcow_entry *e, const char *key,
                         struct wcow_error *err)
{
    size_t nearest = 0;
    for (size_t len = strlen(key); len > 0;) {
        while (len && key[len - 1] != '/')
            len--;
        if (!len)
            break;
        len--;
        const struct seen *s = find(check, key, len);
        if (!s) {
            nearest = nearest ? nearest : len;
            continue;
        }
        if (s->type == WCOW_ENTRY_WHITEOUT)
            return report(check, WCOW_RULE_BELOW_WHITEOUT, e->name, err,
                          "the layer deletes a directory above it");
        if (s->type == WCOW_ENTRY_REPARSE)
            return report(check, WCOW_RULE_BELOW_LINK, e->name, err,
                          "it would be written through a link of the same layer");
        if (s->type != WCOW_ENTRY_DIR)
            return report(check, WCOW_RULE_BELOW_FILE, e->name, err, "a file stands above it");
        if (!nearest && s->is_implied && !s->is_told)
            nearest = len;
        break;
    }
    return nearest ? missing_parent(check, e, key, nearest, err) : WCOW_OK;
}

/* A later entry may turn what stood as a directory into something else: not through duplicates,
 * but by a link or file whose content was there before it. */
static int check_implied(struct wcow_check *check, const struct wcow_entry *e, struct seen *old,
                         struct wcow_error *err)
{
    if (e->type != WCOW_ENTRY_DIR)
        return report(check,
                      e->type == WCOW_ENTRY_REPARSE    ? WCOW_RULE_BELOW_LINK
                      : e->type == WCOW_ENTRY_WHITEOUT ? WCOW_RULE_BELOW_WHITEOUT
                                                       : WCOW_RULE_BELOW_FILE,
                      e->name, err, "entries below it stand before it in the layer");
    old->is_implied = false;
    old->name_hash = hash_name(e->name);
    return WCOW_OK;
}

static bool is_below(const char *name, const char *dir)
{
    return strncmp(name, dir, strlen(dir)) == 0;
}

/* Where it is remembered that a link stood before what has @p key: no stream has an empty name. */
static int awaited_key(const char *key, struct wcow_buf *ret, struct wcow_error *err)
{
    return wcow_buf_addf(ret, err, "%s:", key);
}

/* Without the parents nobody knows whether they have the target. They do where this layer never
 * has it. */
static int await_target(struct wcow_check *check, const char *key, struct wcow_error *err)
{
    wcow_autobuf awaited = {0};
    int r = awaited_key(key, &awaited, err);
    if (r < 0 || find(check, (const char *)awaited.data, awaited.len))
        return r;
    check->has_awaited = true;
    return remember(check, (const char *)awaited.data, awaited.len, WCOW_ENTRY_HARDLINK, key, err);
}

static int check_awaited(struct wcow_check *check, const struct wcow_entry *e, const char *key,
                         struct wcow_error *err)
{
    wcow_autobuf awaited = {0};
    if (!check->has_awaited || is_whiteout(e))
        return WCOW_OK;
    int r = awaited_key(key, &awaited, err);
    if (r < 0 || !find(check, (const char *)awaited.data, awaited.len))
        return r;
    return report(check, WCOW_RULE_LINK_TARGET_MISSING, e->name, err,
                  "a hard link to it stands before it, where importers look for the file in the "
                  "parents; `wcow repair` moves a link behind its file");
}

/* What the file is that a hard link is another name of. @return 1, or 0 where there is none */
static int find_link_target(struct wcow_check *check, const struct wcow_entry *e,
                            enum wcow_entry_type *ret_type, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(e->link, &key, err);
    if (r < 0)
        return r;
    const struct seen *s = find(check, key, strlen(key));
    *ret_type = s ? s->type : WCOW_ENTRY_FILE;
    if (s && s->type != WCOW_ENTRY_WHITEOUT)
        return 1;
    /* Importers make links when all else is done, and those into parents from the parents' folders:
     * what the layer deletes is still there then. Only in the utility VM it is deleted at once. */
    if (s && !is_below(e->link, "Files/"))
        return 0;
    *ret_type = WCOW_ENTRY_FILE;
    if (!check->options.parents && !check->options.is_base) {
        r = await_target(check, key, err);
        return r < 0 ? r : 1;
    }
    if (!check->options.parents)
        return 0;
    wcow_autoentry target = {0};
    r = wcow_chain_lookup(check->options.parents, e->link, &target, NULL, err);
    *ret_type = target.type;
    return r;
}

static int check_hard_link(struct wcow_check *check, const struct wcow_entry *e,
                           struct wcow_error *err)
{
    enum wcow_entry_type type = WCOW_ENTRY_FILE;
    int found = find_link_target(check, e, &type, err);
    if (found < 0)
        return found;
    if (!found)
        return report(check, WCOW_RULE_LINK_TARGET_MISSING, e->name, err,
                      "the file \"%.200s\" that it is another name of stands neither before it nor "
                      "in a parent; `wcow repair` moves a link behind its file",
                      e->link);
    if (type != WCOW_ENTRY_FILE && type != WCOW_ENTRY_HARDLINK)
        return report(check, WCOW_RULE_LINK_TARGET_NOT_FILE, e->name, err,
                      "\"%.200s\" is not a file", e->link);
    if (!check->options.is_base && (is_below(e->name, "Hives/") || is_below(e->link, "Hives/")))
        return report(check, WCOW_RULE_MISPLACED_LINK, e->name, err,
                      "importers make hard links below Files and UtilityVM/Files only, and to "
                      "files there");
    if (e->has & WCOW_HAS_BARE_LINK)
        return report(check, WCOW_RULE_BARE_LINK, e->name, err,
                      "the file that it is another name of is written without the \"Files/\" in "
                      "front, where importers do not find it; \"%.200s\" was meant",
                      e->link);
    return WCOW_OK;
}

static int check_stream(struct wcow_check *check, const struct wcow_entry *e, const char *key,
                        struct wcow_error *err)
{
    if (!check->file_key || strcmp(check->file_key, key) != 0)
        return report(check, WCOW_RULE_STREAM_WITHOUT_FILE, e->name, err,
                      "a stream must stand right after its file");
    const struct seen *file = find(check, key, strlen(key));
    if (file && file->name_hash != hash_bytes(e->name, strcspn(e->name, ":")))
        return report(check, WCOW_RULE_STREAM_WITHOUT_FILE, e->name, err,
                      "a stream must spell its file's name as the file does: importers compare it "
                      "letter by letter");
    wcow_autofree char *full = NULL;
    int r = wcow_name_key(e->name, &full, err);
    if (r < 0)
        return r;
    if (find(check, full, strlen(full)))
        return report(check, WCOW_RULE_DUPLICATE, e->name, err, "the stream stands twice");
    return remember(check, full, strlen(full), WCOW_ENTRY_STREAM, e->name, err);
}

static int check_base(struct wcow_check *check, const struct wcow_entry *e, struct wcow_error *err)
{
    if (!check->options.is_base)
        return WCOW_OK;
    if (e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE)
        return report(check, WCOW_RULE_WHITEOUT_IN_BASE, e->name, err,
                      "a base layer has nothing below it that could be deleted");
    if (strncmp(e->name, "Hives/", 6) == 0)
        return report(check, WCOW_RULE_HIVES_IN_BASE, e->name, err,
                      "a base layer has its registry in Files/Windows/System32/config");
    return WCOW_OK;
}

/* To importers the attributes say what a file is, where they stand there; tar's type does not. */
static bool has_wrong_attributes(const struct wcow_entry *e)
{
    bool is_dir = e->type == WCOW_ENTRY_DIR;
    bool says_dir = e->attributes & WCOW_ATTR_DIRECTORY;
    return (is_dir || e->type == WCOW_ENTRY_FILE) && (e->has & WCOW_HAS_FILEATTR) &&
           is_dir != says_dir;
}

/* What imports, but turns out otherwise than meant. */
static int check_quality(struct wcow_check *check, const struct wcow_entry *e,
                         struct wcow_error *err)
{
    if (e->type == WCOW_ENTRY_OPAQUE)
        return report(check, WCOW_RULE_OPAQUE_MARKER, e->name, err,
                      "Windows does not know opaque markers; only single whiteouts work there");
    if (e->type == WCOW_ENTRY_WHITEOUT)
        return WCOW_OK;
    if (has_wrong_attributes(e))
        return report(check, WCOW_RULE_WRONG_ATTRIBUTES, e->name, err,
                      "MSWINDOWS.fileattr %lu makes %s of it on Windows",
                      (unsigned long)e->attributes,
                      e->type == WCOW_ENTRY_DIR ? "a file" : "a directory");
    if (e->type == WCOW_ENTRY_REPARSE && !(e->attributes & WCOW_ATTR_REPARSE))
        return report(check, WCOW_RULE_LINK_WITHOUT_ATTRIBUTES, e->name, err,
                      "a link without MSWINDOWS.fileattr 1024 (to a file) or 1040 (to a directory) "
                      "does not work on Windows");
    if (e->type != WCOW_ENTRY_STREAM && !(e->has & WCOW_HAS_ATIME))
        return report(check, WCOW_RULE_MISSING_TIMES, e->name, err,
                      "without an atime record its access time becomes the year 1754");
    return WCOW_OK;
}

static int check_name(struct wcow_check *check, const struct wcow_entry *e, const char *key,
                      struct wcow_error *err)
{
    size_t len = strlen(key);
    struct seen *old = find(check, key, len);
    if (old && old->is_implied)
        return check_implied(check, e, old, err);
    if (old)
        return check_duplicate(check, e, old, err);
    int r = check_parents(check, e, key, err);
    if (r == WCOW_OK)
        r = check_awaited(check, e, key, err);
    if (r == WCOW_OK && e->type == WCOW_ENTRY_HARDLINK)
        r = check_hard_link(check, e, err);
    if (r == WCOW_OK)
        r = remember(check, key, len, e->type, e->name, err);
    return r;
}

static void count_hives(struct wcow_check *check, const struct wcow_entry *e)
{
    static const char *const names[] = {"Hives/DefaultUser_Delta", "Hives/Sam_Delta",
                                        "Hives/Security_Delta", "Hives/Software_Delta",
                                        "Hives/System_Delta"};
    if (strncasecmp(e->name, "Hives", strlen("Hives")) != 0)
        return;
    check->has_hives_dir |= strcmp(e->name, "Hives") == 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check->n_hives += strcasecmp(e->name, names[i]) == 0;
}

int wcow_check_add(struct wcow_check *check, const struct wcow_entry *entry, struct wcow_error *err)
{
    check->has_entries = true;
    enum wcow_rule rule = WCOW_RULE_NONE;
    struct wcow_error why = {0};
    int r =
        check->options.entries_are_checked ? WCOW_OK : wcow_rules_check_entry(entry, &rule, &why);
    if (r < 0) /* its name is no name to check against others */
        return report(check, rule, entry->name, err, "%s", why.msg);

    wcow_autofree char *key = NULL;
    r = wcow_entry_key(entry, &key, err);
    if (r < 0)
        return r;
    if (entry->type == WCOW_ENTRY_STREAM)
        return check_stream(check, entry, key, err);
    count_hives(check, entry);
    r = check_name(check, entry, key, err);
    if (r == WCOW_OK)
        r = check_base(check, entry, err);
    if (r == WCOW_OK)
        r = check_quality(check, entry, err);
    if (r < 0)
        return r;
    bool may_have_streams = entry->type != WCOW_ENTRY_WHITEOUT && entry->type != WCOW_ENTRY_OPAQUE;
    free(check->file_key);
    check->file_key = may_have_streams ? WCOW_TAKE_PTR(key) : NULL;
    return WCOW_OK;
}

int wcow_check_finish(struct wcow_check *check, struct wcow_error *err)
{
    enum { HIVES = 5 };
    if (check->options.is_base || check->n_hives == HIVES || !check->has_entries)
        return WCOW_OK;
    if (!check->has_hives_dir)
        return report(check, WCOW_RULE_MISSING_HIVES, "", err,
                      "the layer has no directory Hives, which importers open");
    return report(check, WCOW_RULE_MISSING_HIVES, "", err,
                  "the layer has %u of the five Hives/*_Delta that newer importers want",
                  check->n_hives);
}
