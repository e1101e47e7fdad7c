/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/instructions_mount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder/csv_field.h"
#include "builder/instructions_flags.h"
#include "builder/pattern.h"
#include "builder/words_text.h"

enum key {
    KEY_TYPE,
    KEY_FROM,
    KEY_SOURCE,
    KEY_TARGET,
    KEY_READ_ONLY,
    KEY_READ_WRITE,
    KEY_REQUIRED,
    KEY_SIZE,
    KEY_ID,
    KEY_SHARING,
    KEY_MODE,
    KEY_UID,
    KEY_GID,
    KEY_ENV,
};

static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"type", KEY_TYPE},
    {"from", KEY_FROM},
    {"source", KEY_SOURCE},
    {"src", KEY_SOURCE},
    {"target", KEY_TARGET},
    {"dst", KEY_TARGET},
    {"destination", KEY_TARGET},
    {"readonly", KEY_READ_ONLY},
    {"ro", KEY_READ_ONLY},
    {"readwrite", KEY_READ_WRITE},
    {"rw", KEY_READ_WRITE},
    {"required", KEY_REQUIRED},
    {"size", KEY_SIZE},
    {"id", KEY_ID},
    {"sharing", KEY_SHARING},
    {"mode", KEY_MODE},
    {"uid", KEY_UID},
    {"gid", KEY_GID},
    {"env", KEY_ENV},
};
enum { KEY_NAMES = sizeof keys / sizeof *keys };

static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
static const char *const sharings[] = {"shared", "private", "locked"};

struct reading {
    struct wcow_run_mount *mount;
    const struct wcow_lexer *lexer;
    struct wcow_arena *arena;
    bool access_given;
    bool sharing_given;
    struct wcow_error *err;
};

static int unknown_word(const struct reading *in, const char *what, const char *word,
                        const char *const *known, size_t count)
{
    const char *meant = wcow_diagnostic_suggest(word, known, count);
    if (meant)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "unsupported %s \"%s\" (did you mean %s?)", what,
                         word, meant);
    return WCOW_FAIL(in->err, WCOW_E_INVALID, "unsupported %s \"%s\": there are %s, %s, %s%s", what,
                     word, known[0], known[1], known[2], count > 3 ? ", secret, ssh" : "");
}

static int word_index(const struct reading *in, const char *what, const char *word,
                      const char *const *known, size_t count, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (wcow_text_casecmp(word, known[i]) == 0) {
            *ret = i;
            return WCOW_OK;
        }
    }
    return unknown_word(in, what, word, known, count);
}

static int number(const struct reading *in, const char *key, const char *value, int base,
                  int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(value, &end, base);
    if (!wcow_text_is_digit((unsigned char)*value) || *end || errno || n > UINT32_MAX)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "invalid value %s for %s: expected %s number",
                         value, key, base == 8 ? "an octal" : "a");
    *ret = (int64_t)n;
    return WCOW_OK;
}

static int boolean(const struct reading *in, const char *key, const char *value, bool *ret)
{
    if (!value) {
        *ret = true;
        return WCOW_OK;
    }
    if (!wcow_parse_bool(value, ret))
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "invalid value for %s: %s (write true or false)",
                         key, value);
    return WCOW_OK;
}

static int misplaced(const struct reading *in, const char *key)
{
    return WCOW_FAIL(in->err, WCOW_E_INVALID,
                     "unexpected key '%s' for mount type '%s' (type= must stand before it)", key,
                     types[in->mount->type]);
}

static int set_access(struct reading *in, enum key key, const char *name, const char *value)
{
    bool yes = false;
    int r = boolean(in, name, value, &yes);
    if (r != WCOW_OK)
        return r;
    in->mount->read_only = key == KEY_READ_ONLY ? yes : !yes;
    in->access_given = true;
    return WCOW_OK;
}

static int set_required(struct reading *in, const char *name, const char *value)
{
    if (in->mount->type != WCOW_MOUNT_SECRET && in->mount->type != WCOW_MOUNT_SSH)
        return misplaced(in, name);
    return boolean(in, name, value, &in->mount->required);
}

static int set_type(struct reading *in, const char *value)
{
    size_t index = 0;
    int r = word_index(in, "mount type", value, types, sizeof types / sizeof *types, &index);
    if (r == WCOW_OK)
        in->mount->type = (enum wcow_run_mount_type)index;
    return r;
}

static int set_sharing(struct reading *in, const char *value)
{
    size_t index = 0;
    int r = word_index(in, "sharing value", value, sharings, sizeof sharings / sizeof *sharings,
                       &index);
    if (r == WCOW_OK)
        in->mount->sharing = (enum wcow_run_mount_sharing)index;
    in->sharing_given = true;
    return r;
}

/* A field `key=value`; its value is expanded already. */
static int set_value(struct reading *in, enum key key, const char *name, const char *value)
{
    struct wcow_run_mount *m = in->mount;
    switch (key) {
    case KEY_TYPE:
        return set_type(in, value);
    case KEY_FROM:
        m->from = value;
        return WCOW_OK;
    case KEY_SOURCE:
        m->source = value;
        return WCOW_OK;
    case KEY_TARGET:
        m->target = value;
        return WCOW_OK;
    case KEY_READ_ONLY:
    case KEY_READ_WRITE:
        return set_access(in, key, name, value);
    case KEY_REQUIRED:
        return set_required(in, name, value);
    case KEY_SIZE:
        return m->type == WCOW_MOUNT_TMPFS ? wcow_parse_size(value, &m->size_bytes, in->err)
                                           : misplaced(in, name);
    case KEY_ID:
        m->id = value;
        return WCOW_OK;
    case KEY_SHARING:
        return set_sharing(in, value);
    case KEY_MODE:
        return number(in, name, value, 8, &m->mode);
    case KEY_UID:
        return number(in, name, value, 10, &m->uid);
    case KEY_GID:
        return number(in, name, value, 10, &m->gid);
    case KEY_ENV:
        m->env = value;
        return WCOW_OK;
    default:
        return WCOW_FAIL(in->err, WCOW_E_INTERNAL, "unknown mount key %d", (int)key);
    }
}

static int find_key(const struct reading *in, const char *whole, const char *name, enum key *ret)
{
    const char *names[KEY_NAMES];
    for (size_t i = 0; i < KEY_NAMES; i++) {
        names[i] = keys[i].name;
        if (wcow_text_casecmp(names[i], name) == 0) {
            *ret = keys[i].key;
            return WCOW_OK;
        }
    }
    const char *meant = wcow_diagnostic_suggest(name, names, KEY_NAMES);
    if (meant)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "unexpected key '%s' in '%s' (did you mean %s?)",
                         name, whole, meant);
    return WCOW_FAIL(in->err, WCOW_E_INVALID,
                     "unexpected key '%s' in '%s': --mount knows type, from, source, target, "
                     "readonly, readwrite, id, sharing, required, size, mode, uid, gid and env",
                     name, whole);
}

static int set_field(struct reading *in, char *field)
{
    wcow_autofree char *whole = strdup(field);
    if (!whole)
        return WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading a mount");
    char *equals = strchr(field, '=');
    if (equals)
        *equals = '\0';
    enum key key = KEY_TYPE;
    int r = find_key(in, whole, field, &key);
    if (r != WCOW_OK)
        return r;
    if (equals) {
        const char *value = NULL;
        r = wcow_words_expand(in->lexer, equals + 1, in->arena, &value, in->err);
        return r == WCOW_OK ? set_value(in, key, field, value) : r;
    }
    if (key == KEY_READ_ONLY || key == KEY_READ_WRITE)
        return set_access(in, key, field, NULL);
    if (key == KEY_REQUIRED)
        return set_required(in, field, NULL);
    return WCOW_FAIL(in->err, WCOW_E_INVALID, "invalid field '%s' must be a key=value pair", field);
}

static int check_secret(const struct reading *in)
{
    const struct wcow_run_mount *m = in->mount;
    if (m->from)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "secret mount should not have a from");
    if (in->sharing_given)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "secret mount should not define sharing");
    if (!m->source && !m->target && !m->id)
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "invalid secret mount: one of id, source and target is required");
    if (m->source && m->id)
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "both source and id can't be set on a secret mount");
    return WCOW_OK;
}

static int check_ownership(const struct reading *in)
{
    const struct wcow_run_mount *m = in->mount;
    if (m->type != WCOW_MOUNT_BIND && m->type != WCOW_MOUNT_TMPFS)
        return WCOW_OK;
    const char *what = m->mode >= 0 ? "mode" : m->uid >= 0 ? "uid" : m->gid >= 0 ? "gid" : NULL;
    if (what)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s not allowed for \"%s\" type mounts", what,
                         types[m->type]);
    return WCOW_OK;
}

static const char *last_component(const char *path)
{
    const char *last = path;
    for (const char *c = path; *c; c++) {
        if ((*c == '/' || *c == '\\') && c[1])
            last = c + 1;
    }
    return last;
}

/* A cache without an id is known by its target: "/a" and "/a/" are one. */
static int set_cache_id(struct reading *in)
{
    size_t len = strlen(in->mount->target);
    char *id = wcow_arena_alloc(in->arena, len + 3);
    if (!id)
        return WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading a mount");
    memcpy(id, in->mount->target, len + 1);
    wcow_pattern_clean(id);
    in->mount->id = id;
    return WCOW_OK;
}

static int set_defaults(struct reading *in)
{
    struct wcow_run_mount *m = in->mount;
    bool is_own = m->type == WCOW_MOUNT_SECRET || m->type == WCOW_MOUNT_SSH;
    if (!in->access_given)
        m->read_only = m->type != WCOW_MOUNT_CACHE && m->type != WCOW_MOUNT_TMPFS;
    if (!m->target && !is_own)
        m->target = "";
    if (m->id)
        return WCOW_OK;
    if (m->type == WCOW_MOUNT_CACHE)
        return set_cache_id(in);
    if (m->type == WCOW_MOUNT_SECRET)
        m->id = m->source ? m->source : last_component(m->target);
    else if (m->type == WCOW_MOUNT_SSH)
        m->id = "default";
    return WCOW_OK;
}

static const char *none_if_empty(const char *text)
{
    return text && *text ? text : NULL;
}

static int check_mount(struct reading *in)
{
    struct wcow_run_mount *m = in->mount;
    m->from = none_if_empty(m->from);
    m->source = none_if_empty(m->source);
    m->target = none_if_empty(m->target);
    m->id = none_if_empty(m->id);
    int r = check_ownership(in);
    if (r == WCOW_OK && m->type == WCOW_MOUNT_SECRET)
        r = check_secret(in);
    if (r == WCOW_OK && in->sharing_given && m->type != WCOW_MOUNT_CACHE)
        r = WCOW_FAIL(in->err, WCOW_E_INVALID, "invalid cache sharing set for %s mount",
                      types[m->type]);
    return r == WCOW_OK ? set_defaults(in) : r;
}

int wcow_mount_parse(const char *text, const struct wcow_lexer *lexer, struct wcow_arena *arena,
                     struct wcow_run_mount *ret, struct wcow_error *err)
{
    struct wcow_run_mount mount = {.type = WCOW_MOUNT_BIND, .mode = -1, .uid = -1, .gid = -1};
    struct reading in = {.mount = &mount, .lexer = lexer, .arena = arena, .err = err};
    wcow_autobuf field = {0};
    while (text) {
        int r = wcow_csv_field(&text, &field, err);
        if (r == WCOW_OK)
            r = set_field(&in, (char *)field.data);
        if (r != WCOW_OK)
            return wcow_error_wrap(r, err, "--mount");
    }
    int r = check_mount(&in);
    if (r != WCOW_OK)
        return wcow_error_wrap(r, err, "--mount");
    *ret = mount;
    return WCOW_OK;
}

/* `from` stands as it is written: a '$' in it that is not its last character is a variable. */
static int take_from(const char *field, struct wcow_arena *arena, struct wcow_run_mount *mount,
                     struct wcow_error *err)
{
    if (strncasecmp(field, "from=", 5) != 0)
        return WCOW_OK;
    const char *dollar = strchr(field, '$');
    if (dollar && dollar[1])
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--mount: 'from' doesn't support variable expansion, define alias stage "
                         "instead: FROM image AS name, then from=name");
    mount->from = wcow_arena_strdup(arena, field + 5);
    return mount->from ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading a mount");
}

int wcow_mount_check(const char *text, char escape, struct wcow_arena *arena,
                     struct wcow_run_mount *ret, struct wcow_error *err)
{
    struct wcow_lexer lexer = {.escape = escape};
    if (!strchr(text, '$'))
        return wcow_mount_parse(text, &lexer, arena, ret, err);
    struct wcow_run_mount mount = {.type = WCOW_MOUNT_BIND, .mode = -1, .uid = -1, .gid = -1};
    wcow_autobuf field = {0};
    while (text) {
        int r = wcow_csv_field(&text, &field, err);
        if (r == WCOW_OK)
            r = take_from((const char *)field.data, arena, &mount, err);
        if (r != WCOW_OK)
            return r;
    }
    mount.from = none_if_empty(mount.from);
    *ret = mount;
    return WCOW_OK;
}
