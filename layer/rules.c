/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/rules.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/utf.h"
#include "layer/names.h"
#include "layer/reparse.h"

enum { MAX_PATH_UNITS = 32767, MAX_STREAM_UNITS = 255 };

const char *wcow_rule_name(enum wcow_rule rule)
{
    static const char *const names[WCOW_RULE_COUNT] = {
        [WCOW_RULE_NONE] = "",
        [WCOW_RULE_ESCAPE] = "escape",
        [WCOW_RULE_BAD_NAME] = "bad-name",
        [WCOW_RULE_PATH_TOO_LONG] = "path-too-long",
        [WCOW_RULE_OUTSIDE_ROOTS] = "outside-roots",
        [WCOW_RULE_ROOT_NOT_DIRECTORY] = "root-not-directory",
        [WCOW_RULE_BAD_WHITEOUT] = "bad-whiteout",
        [WCOW_RULE_MISPLACED_WHITEOUT] = "misplaced-whiteout",
        [WCOW_RULE_BAD_STREAM] = "bad-stream",
        [WCOW_RULE_BAD_LINK] = "bad-link",
        [WCOW_RULE_LINK_TOO_LONG] = "link-too-long",
        [WCOW_RULE_DUPLICATE] = "duplicate",
        [WCOW_RULE_CASE_COLLISION] = "case-collision",
        [WCOW_RULE_MISSING_ROOT] = "missing-root",
        [WCOW_RULE_MISSING_PARENT] = "missing-parent",
        [WCOW_RULE_BELOW_FILE] = "below-file",
        [WCOW_RULE_BELOW_LINK] = "below-link",
        [WCOW_RULE_BELOW_WHITEOUT] = "below-whiteout",
        [WCOW_RULE_WHITEOUT_AND_ENTRY] = "whiteout-and-entry",
        [WCOW_RULE_WHITEOUT_IN_BASE] = "whiteout-in-base",
        [WCOW_RULE_OPAQUE_MARKER] = "opaque-marker",
        [WCOW_RULE_LINK_TARGET_MISSING] = "link-target-missing",
        [WCOW_RULE_LINK_TARGET_NOT_FILE] = "link-target-not-file",
        [WCOW_RULE_BARE_LINK] = "bare-link",
        [WCOW_RULE_MISPLACED_LINK] = "misplaced-link",
        [WCOW_RULE_STREAM_WITHOUT_FILE] = "stream-without-file",
        [WCOW_RULE_HIVES_IN_BASE] = "hives-in-base",
        [WCOW_RULE_MISSING_HIVES] = "missing-hives",
        [WCOW_RULE_WRONG_ATTRIBUTES] = "wrong-attributes",
        [WCOW_RULE_LINK_WITHOUT_ATTRIBUTES] = "link-without-attributes",
        [WCOW_RULE_MISSING_TIMES] = "missing-times",
    };
    return rule < WCOW_RULE_COUNT ? names[rule] : "";
}

/* A rule and how it is broken. */
struct verdict {
    enum wcow_rule rule;
    struct wcow_error *err;
};

#define BREAKS(verdict, broken, ...)                                                               \
    ((verdict)->rule = (broken), WCOW_FAIL((verdict)->err, WCOW_E_INVALID, __VA_ARGS__))

static size_t utf16_units(const char *s, size_t len)
{
    size_t units = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        units += (c & 0xc0) != 0x80; /* one a code point, */
        units += c >= 0xf0;          /* two outside the plane */
    }
    return units;
}

/* What would lead out of the layer, told apart from names that are merely bad. */
static int check_escape(const char *name, struct verdict *v)
{
    if (name[0] == '/')
        return BREAKS(v, WCOW_RULE_ESCAPE, "the name is absolute");
    if (strchr(name, '\\'))
        return BREAKS(v, WCOW_RULE_ESCAPE, "the name has a backslash; '/' separates names");
    for (const char *c = name; *c;) {
        size_t len = (size_t)(strchrnul(c, '/') - c);
        if (len == 2 && memcmp(c, "..", 2) == 0)
            return BREAKS(v, WCOW_RULE_ESCAPE, "the name has a \"..\"");
        bool has_more = c[len] == '/';
        bool is_drive = len >= 2 && isalpha((unsigned char)c[0]) && c[1] == ':';
        if (is_drive && (c == name || (has_more && len == 2)))
            return BREAKS(v, WCOW_RULE_ESCAPE, "the name has a drive letter (\"%.2s\")", c);
        c += len + has_more;
    }
    return WCOW_OK;
}

/* Top directories that only Linux images have. */
static bool is_linux_root(const char *s, size_t len)
{
    static const char *const roots[] = {"bin", "boot", "dev",  "etc", "home", "lib", "lib64",
                                        "opt", "proc", "root", "run", "sbin", "srv", "sys",
                                        "tmp", "usr",  "var",  "mnt", "media"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (strlen(roots[i]) == len && memcmp(s, roots[i], len) == 0)
            return true;
    return false;
}

static int outside_roots(const char *name, size_t len, struct verdict *v)
{
    if (is_linux_root(name, len))
        return BREAKS(v, WCOW_RULE_OUTSIDE_ROOTS,
                      "this is a Linux layer (\"%.*s\" at its top), not a Windows one, which has "
                      "Files, Hives and UtilityVM; is the image's platform right?",
                      (int)len, name);
    static const char *const roots[] = {"Files", "Hives", "UtilityVM"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (strlen(roots[i]) == len && strncasecmp(name, roots[i], len) == 0)
            return BREAKS(v, WCOW_RULE_OUTSIDE_ROOTS,
                          "the top directory must be spelled \"%s\": importers compare it letter "
                          "by letter",
                          roots[i]);
    return BREAKS(v, WCOW_RULE_OUTSIDE_ROOTS,
                  "a Windows layer has only Files, Hives and UtilityVM at its top");
}

static bool is_component(const char *s, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(s, want, len) == 0;
}

/* @p name ends before a stream. */
static int check_root(const char *name, size_t name_len, struct verdict *v)
{
    const char *slash = memchr(name, '/', name_len);
    size_t len = slash ? (size_t)(slash - name) : name_len;
    if (is_component(name, len, "Files") || is_component(name, len, "Hives"))
        return WCOW_OK;
    if (!is_component(name, len, "UtilityVM"))
        return outside_roots(name, len, v);
    if (!slash)
        return WCOW_OK;
    const char *second = slash + 1;
    const char *end = memchr(second, '/', (size_t)(name + name_len - second));
    size_t second_len = (size_t)((end ? end : name + name_len) - second);
    if (is_component(second, second_len, "Files"))
        return WCOW_OK;
    return BREAKS(v, WCOW_RULE_OUTSIDE_ROOTS, "below UtilityVM only UtilityVM/Files may stand");
}

/* Each component, the last one without its whiteout prefix or stream. */
static int check_components(const char *name, size_t len, bool last_is_whiteout, struct verdict *v)
{
    if (len > MAX_PATH_UNITS && utf16_units(name, len) > MAX_PATH_UNITS)
        return BREAKS(v, WCOW_RULE_PATH_TOO_LONG, "the path has more than %d UTF-16 units",
                      MAX_PATH_UNITS);
    const char *end = name + len;
    for (const char *c = name; c <= end;) {
        const char *slash = memchr(c, '/', (size_t)(end - c));
        const char *stop = slash ? slash : end;
        bool is_last = !slash;
        if (is_last && last_is_whiteout)
            c += strlen(WCOW_WHITEOUT_PREFIX);
        else if (strncmp(c, WCOW_WHITEOUT_PREFIX, strlen(WCOW_WHITEOUT_PREFIX)) == 0)
            return BREAKS(v, WCOW_RULE_BAD_WHITEOUT,
                          "\"%.*s\": only whiteouts may begin with \".wh.\", and nothing may stand "
                          "below them",
                          (int)(stop - c), c);
        int r = wcow_name_check_component(c, (size_t)(stop - c), v->err);
        if (r < 0) {
            v->rule = WCOW_RULE_BAD_NAME;
            return r;
        }
        c = stop + 1;
    }
    return WCOW_OK;
}

static int check_stream(const char *stream, struct verdict *v)
{
    size_t len = strlen(stream);
    if (!len)
        return BREAKS(v, WCOW_RULE_BAD_STREAM, "the name of the stream is empty");
    if (strpbrk(stream, ":/\\"))
        return BREAKS(v, WCOW_RULE_BAD_STREAM,
                      "the name of a stream may have no ':', '/' or backslash");
    if (utf16_units(stream, len) > MAX_STREAM_UNITS)
        return BREAKS(v, WCOW_RULE_BAD_STREAM, "the name of the stream has more than %d units",
                      MAX_STREAM_UNITS);
    for (size_t i = 0; i < len;) {
        uint32_t cp = 0;
        size_t n = wcow_wtf8_decode(stream + i, len - i, &cp);
        if (!n)
            return BREAKS(v, WCOW_RULE_BAD_STREAM, "the name of the stream is not UTF-8");
        i += n;
    }
    return WCOW_OK;
}

static bool is_whiteout(const struct wcow_entry *e)
{
    return e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE;
}

static int check_whiteout(const struct wcow_entry *e, struct verdict *v)
{
    const char *slash = strrchr(e->name, '/');
    const char *base = slash ? slash + 1 : e->name;
    if (e->type == WCOW_ENTRY_WHITEOUT) {
        const char *hidden = base + strlen(WCOW_WHITEOUT_PREFIX);
        if (!*hidden)
            return BREAKS(v, WCOW_RULE_BAD_WHITEOUT, "a whiteout of no name");
        if (strncmp(hidden, WCOW_WHITEOUT_PREFIX, strlen(WCOW_WHITEOUT_PREFIX)) == 0)
            return BREAKS(v, WCOW_RULE_BAD_WHITEOUT,
                          "names beginning with \".wh..wh.\" are reserved; only \"%s\" has a "
                          "meaning here",
                          WCOW_OPAQUE_NAME);
    }
    if (strncmp(e->name, "Files/", 6) != 0 && strncmp(e->name, "UtilityVM/Files/", 16) != 0)
        return BREAKS(v, WCOW_RULE_MISPLACED_WHITEOUT,
                      "a whiteout may stand only below Files and UtilityVM/Files");
    return WCOW_OK;
}

static int check_hard_link(const struct wcow_entry *e, struct verdict *v)
{
    struct verdict target = {.err = v->err};
    const char *link = e->link ? e->link : "";
    size_t len = strlen(link);
    int r = len ? check_escape(link, &target)
                : WCOW_FAIL(v->err, WCOW_E_INVALID, "the target is empty");
    if (r == WCOW_OK)
        r = check_root(link, len, &target);
    if (r == WCOW_OK)
        r = check_components(link, len, false, &target);
    if (r < 0) {
        v->rule = WCOW_RULE_BAD_LINK;
        return wcow_error_wrap(
            r, v->err, "hard link to \"%.120s\" (a full name such as Files/a.txt is needed)", link);
    }
    return WCOW_OK;
}

/* A target of so many bytes fits in any case, in both of the forms that a reparse point has. */
enum { SHORT_TARGET_BYTES = 4000 };

static int check_target(const struct wcow_entry *e, struct verdict *v)
{
    if (!e->link || strlen(e->link) <= SHORT_TARGET_BYTES)
        return WCOW_OK;
    wcow_autobuf data = {0};
    uint32_t tag = e->has & WCOW_HAS_MOUNTPOINT ? WCOW_REPARSE_MOUNT_POINT : WCOW_REPARSE_SYMLINK;
    int r = wcow_reparse_encode(tag, e->link, &data, v->err);
    if (r == WCOW_E_NOMEM || r == WCOW_OK)
        return r;
    return BREAKS(v, WCOW_RULE_LINK_TOO_LONG,
                  "a link's target of %zu bytes: Windows keeps reparse points of up to %d bytes",
                  strlen(e->link), WCOW_REPARSE_MAX_BYTES);
}

static bool is_root_name(const char *name)
{
    return strcmp(name, "Files") == 0 || strcmp(name, "Hives") == 0 ||
           strcmp(name, "UtilityVM") == 0 || strcmp(name, "UtilityVM/Files") == 0;
}

static int check(const struct wcow_entry *e, struct verdict *v)
{
    int r = check_escape(e->name, v);
    if (r < 0)
        return r;
    size_t len = strlen(e->name);
    if (e->type == WCOW_ENTRY_STREAM) {
        const char *colon = strchr(e->name, ':');
        if (!colon)
            return BREAKS(v, WCOW_RULE_BAD_STREAM, "a stream without a name");
        len = (size_t)(colon - e->name);
        r = check_stream(colon + 1, v);
    }
    if (r == WCOW_OK)
        r = check_root(e->name, len, v);
    if (r == WCOW_OK && is_whiteout(e))
        r = check_whiteout(e, v);
    if (r == WCOW_OK) {
        /* An opaque marker's own name is checked already. */
        const char *slash = e->type == WCOW_ENTRY_OPAQUE ? strrchr(e->name, '/') : NULL;
        size_t checked = slash ? (size_t)(slash - e->name) : len;
        r = check_components(e->name, checked, e->type == WCOW_ENTRY_WHITEOUT, v);
    }
    if (r == WCOW_OK && e->type != WCOW_ENTRY_DIR && is_root_name(e->name))
        return BREAKS(v, WCOW_RULE_ROOT_NOT_DIRECTORY, "it must be a directory");
    if (r == WCOW_OK && e->type == WCOW_ENTRY_HARDLINK)
        r = check_hard_link(e, v);
    if (r == WCOW_OK && e->type == WCOW_ENTRY_REPARSE)
        r = check_target(e, v);
    return r;
}

int wcow_rules_check_entry(const struct wcow_entry *entry, enum wcow_rule *ret_rule,
                           struct wcow_error *err)
{
    struct wcow_error why = {0};
    struct verdict v = {.err = &why};
    int r = check(entry, &v);
    if (r == WCOW_OK)
        return WCOW_OK;
    if (ret_rule) {
        *ret_rule = v.rule;
        return WCOW_FAIL(err, r, "%s", why.msg);
    }
    return WCOW_FAIL(err, r, "\"%.200s\": %s (rule %s)", entry->name, why.msg,
                     wcow_rule_name(v.rule));
}
