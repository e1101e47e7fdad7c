/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of security descriptors, [MS-DTYP] 2.5.1. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "layer/sd.h"
#include "layer/sd_parts.h"
#include "layer/sid.h"

struct token {
    char text[3];
    uint32_t value;
};

static const struct token ace_types[] = {
    {"A", WCOW_ACE_ALLOWED},        {"D", WCOW_ACE_DENIED},          {"AU", WCOW_ACE_AUDIT},
    {"AL", WCOW_ACE_ALARM},         {"OA", WCOW_ACE_ALLOWED_OBJECT}, {"OD", WCOW_ACE_DENIED_OBJECT},
    {"OU", WCOW_ACE_AUDIT_OBJECT},  {"OL", WCOW_ACE_ALARM_OBJECT},   {"ML", WCOW_ACE_LABEL},
    {"SP", WCOW_ACE_SCOPED_POLICY},
};

static const struct token ace_flags[] = {
    {"OI", WCOW_ACE_OBJECT_INHERIT}, {"CI", WCOW_ACE_CONTAINER_INHERIT},
    {"NP", WCOW_ACE_NO_PROPAGATE},   {"IO", WCOW_ACE_INHERIT_ONLY},
    {"ID", WCOW_ACE_INHERITED},      {"SA", WCOW_ACE_SUCCESS},
    {"FA", WCOW_ACE_FAILURE},
};

/* Names for whole masks come first: printing prefers them. */
static const struct token whole_rights[] = {
    {"FA", WCOW_FILE_ALL},     {"FR", WCOW_FILE_READ}, {"FW", WCOW_FILE_WRITE},
    {"FX", WCOW_FILE_EXECUTE}, {"KA", 0xf003f},        {"KR", 0x20019},
    {"KW", 0x20006},
};
static const struct token single_rights[] = {
    {"GA", WCOW_GENERIC_ALL},
    {"GR", WCOW_GENERIC_READ},
    {"GW", WCOW_GENERIC_WRITE},
    {"GX", WCOW_GENERIC_EXECUTE},
    {"CC", 0x1},
    {"DC", 0x2},
    {"LC", 0x4},
    {"SW", 0x8},
    {"RP", 0x10},
    {"WP", 0x20},
    {"DT", 0x40},
    {"LO", 0x80},
    {"CR", 0x100},
    {"SD", 0x10000},
    {"RC", 0x20000},
    {"WD", 0x40000},
    {"WO", 0x80000},
};
static const struct token label_rights[] = {{"NW", 1}, {"NR", 2}, {"NX", 4}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- to text ---- */

/* Two-letter names of all bits of @p value. @return false where a bit has none */
static bool add_tokens(struct wcow_buf *text, const struct token *tokens, size_t n, uint32_t value,
                       int *r, struct wcow_error *err)
{
    uint32_t left = value;
    for (size_t i = 0; i < n; i++)
        left &= ~tokens[i].value;
    if (left)
        return false;
    for (size_t i = 0; *r == WCOW_OK && i < n; i++)
        if (value & tokens[i].value)
            *r = wcow_buf_add_str(text, tokens[i].text, err);
    return true;
}

static int add_mask(struct wcow_buf *text, const struct wcow_ace *ace, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (ace->type == WCOW_ACE_LABEL) {
        if (ace->mask && add_tokens(text, label_rights, COUNT(label_rights), ace->mask, &r, err))
            return r;
        return wcow_buf_addf(text, err, "0x%" PRIx32, ace->mask);
    }
    for (size_t i = 0; i < COUNT(whole_rights); i++)
        if (ace->mask == whole_rights[i].value)
            return wcow_buf_add_str(text, whole_rights[i].text, err);
    if (add_tokens(text, single_rights, COUNT(single_rights), ace->mask, &r, err))
        return r;
    return wcow_buf_addf(text, err, "0x%" PRIx32, ace->mask);
}

static int add_sid(struct wcow_buf *text, struct wcow_bytes sid, struct wcow_error *err)
{
    const char *alias = wcow_sid_alias(sid);
    return alias ? wcow_buf_add_str(text, alias, err) : wcow_sid_to_text(sid, text, err);
}

static int add_guid(struct wcow_buf *text, const uint8_t *g, struct wcow_error *err)
{
    return wcow_buf_addf(text, err, "%08" PRIx32 "-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                         wcow_load_le32(g), (unsigned)wcow_load_le16(g + 4),
                         (unsigned)wcow_load_le16(g + 6), (unsigned)g[8], (unsigned)g[9],
                         (unsigned)g[10], (unsigned)g[11], (unsigned)g[12], (unsigned)g[13],
                         (unsigned)g[14], (unsigned)g[15]);
}

/* ";object;inherited object;" */
static int add_guids(struct wcow_buf *text, const struct wcow_ace *ace, struct wcow_error *err)
{
    bool is_object = (size_t)(ace->sid.data - ace->all.data) > WCOW_ACE_SID_OFFSET;
    uint32_t present = is_object ? wcow_load_le32(ace->all.data + 8) : 0;
    const uint8_t *guid = ace->all.data + 12;
    int r = wcow_buf_add_str(text, ";", err);
    if (r == WCOW_OK && present & WCOW_ACE_HAS_OBJECT) {
        r = add_guid(text, guid, err);
        guid += 16;
    }
    if (r == WCOW_OK)
        r = wcow_buf_add_str(text, ";", err);
    if (r == WCOW_OK && present & WCOW_ACE_HAS_INHERITED_OBJECT)
        r = add_guid(text, guid, err);
    return r == WCOW_OK ? wcow_buf_add_str(text, ";", err) : r;
}

static int add_ace(struct wcow_buf *text, const struct wcow_ace *ace, struct wcow_error *err)
{
    const char *type = NULL;
    for (size_t i = 0; i < COUNT(ace_types); i++)
        if (ace_types[i].value == ace->type)
            type = ace_types[i].text;
    if (!type)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "an access control entry of type 0x%02x has no text form here", ace->type);
    int r = wcow_buf_addf(text, err, "(%s;", type);
    if (r == WCOW_OK && !add_tokens(text, ace_flags, COUNT(ace_flags), ace->flags, &r, err))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "the flags 0x%02x of an access control entry have no text form",
                         ace->flags);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(text, ";", err);
    if (r == WCOW_OK)
        r = add_mask(text, ace, err);
    if (r == WCOW_OK)
        r = add_guids(text, ace, err);
    if (r == WCOW_OK)
        r = add_sid(text, ace->sid, err);
    return r == WCOW_OK ? wcow_buf_add_str(text, ")", err) : r;
}

struct acl_bits {
    char letter;
    uint16_t present;
    uint16_t is_protected;
    uint16_t inherit_req;
    uint16_t inherited;
};

static const struct acl_bits acl_bits[2] = {
    [WCOW_SACL] = {'S', WCOW_SD_SACL_PRESENT, WCOW_SD_SACL_PROTECTED, WCOW_SD_SACL_AUTO_INHERIT_REQ,
                   WCOW_SD_SACL_AUTO_INHERITED},
    [WCOW_DACL] = {'D', WCOW_SD_DACL_PRESENT, WCOW_SD_DACL_PROTECTED, WCOW_SD_DACL_AUTO_INHERIT_REQ,
                   WCOW_SD_DACL_AUTO_INHERITED},
};

static int add_acl(struct wcow_buf *text, struct wcow_acl acl, uint16_t control,
                   const struct acl_bits *bits, struct wcow_error *err)
{
    if (!(control & bits->present))
        return WCOW_OK;
    int r = wcow_buf_addf(
        text, err, "%c:%s%s%s%s", bits->letter, control & bits->is_protected ? "P" : "",
        control & bits->inherit_req ? "AR" : "", control & bits->inherited ? "AI" : "",
        acl.is_there ? "" : "NO_ACCESS_CONTROL");
    struct wcow_ace ace = {0};
    while (r == WCOW_OK && (r = wcow_acl_next(&acl, &ace, err)) > 0)
        r = add_ace(text, &ace, err);
    return r;
}

int wcow_sd_to_sddl(const void *sd, size_t len, struct wcow_buf *out, struct wcow_error *err)
{
    struct wcow_sd parts = {0};
    int r = wcow_sd_parse(sd, len, &parts, err);
    size_t start = out->len;
    if (r == WCOW_OK && parts.owner.len) {
        r = wcow_buf_add_str(out, "O:", err);
        if (r == WCOW_OK)
            r = add_sid(out, parts.owner, err);
    }
    if (r == WCOW_OK && parts.group.len) {
        r = wcow_buf_add_str(out, "G:", err);
        if (r == WCOW_OK)
            r = add_sid(out, parts.group, err);
    }
    if (r == WCOW_OK)
        r = add_acl(out, parts.dacl, parts.control, &acl_bits[WCOW_DACL], err);
    if (r == WCOW_OK)
        r = add_acl(out, parts.sacl, parts.control, &acl_bits[WCOW_SACL], err);
    if (r < 0) {
        out->len = start;
        if (out->data)
            out->data[start] = '\0';
    }
    return r;
}

/* ---- from text ---- */

struct parser {
    const char *start;
    const char *at;
    struct wcow_error *err;
};

static int expected(const struct parser *p, const char *what)
{
    return WCOW_FAIL(p->err, WCOW_E_INVALID, "SDDL: %s expected at byte %zu (\"%.40s\")", what,
                     (size_t)(p->at - p->start), p->at);
}

/* @return whether one of @p tokens stands here; moves behind it */
static bool take_token(struct parser *p, const struct token *tokens, size_t n, uint32_t *value)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(tokens[i].text);
        if (strncmp(p->at, tokens[i].text, len) == 0) {
            *value |= tokens[i].value;
            p->at += len;
            return true;
        }
    }
    return false;
}

static int take_char(struct parser *p, char c, const char *what)
{
    if (*p->at != c)
        return expected(p, what);
    p->at++;
    return WCOW_OK;
}

/* Letters, digits and '-': a SID or its short name, which "G:" and the like may follow. */
static int take_sid(struct parser *p, struct wcow_buf *out)
{
    char text[200];
    size_t n = 0;
    if (strncmp(p->at, "S-1-", 4) == 0) {
        n = strspn(p->at, "S-0123456789xabcdefABCDEFX");
        /* The letter of the section behind it may look like a hexadecimal digit ("...-544D:"). */
        if (n && p->at[n] == ':')
            n--;
    } else if (isalpha((unsigned char)p->at[0]) && isalpha((unsigned char)p->at[1]))
        n = 2;
    if (!n || n >= sizeof(text))
        return expected(p, "a SID");
    memcpy(text, p->at, n);
    text[n] = '\0';
    int r = wcow_sid_parse(text, out, p->err);
    if (r == WCOW_OK)
        p->at += n;
    return r;
}

static int take_type(struct parser *p, uint8_t *ret)
{
    size_t len = strcspn(p->at, ";");
    for (size_t i = 0; i < COUNT(ace_types); i++) {
        if (strlen(ace_types[i].text) == len && strncmp(p->at, ace_types[i].text, len) == 0) {
            *ret = (uint8_t)ace_types[i].value;
            p->at += len;
            return WCOW_OK;
        }
    }
    if (len == 2 && (strncmp(p->at, "XA", 2) == 0 || strncmp(p->at, "XD", 2) == 0 ||
                     strncmp(p->at, "XU", 2) == 0 || strncmp(p->at, "ZA", 2) == 0 ||
                     strncmp(p->at, "RA", 2) == 0))
        return WCOW_FAIL(p->err, WCOW_E_UNSUPPORTED,
                         "SDDL: entries with conditions or attributes (\"%.2s\") are not read; "
                         "give the descriptor in binary form",
                         p->at);
    return expected(p, "the type of an entry");
}

static int take_mask(struct parser *p, uint8_t type, uint32_t *ret)
{
    uint32_t mask = 0;
    if (isdigit((unsigned char)*p->at)) {
        char *end = NULL;
        unsigned long v = strtoul(p->at, &end, 0);
        if (v > UINT32_MAX)
            return expected(p, "an access mask of 32 bits");
        p->at = end;
        *ret = (uint32_t)v;
        return WCOW_OK;
    }
    while (*p->at && *p->at != ';') {
        bool ok = type == WCOW_ACE_LABEL
                      ? take_token(p, label_rights, COUNT(label_rights), &mask)
                      : take_token(p, whole_rights, COUNT(whole_rights), &mask) ||
                            take_token(p, single_rights, COUNT(single_rights), &mask);
        if (!ok)
            return expected(p, "an access right (FA, GR, 0x1200a9, ...)");
    }
    *ret = mask;
    return WCOW_OK;
}

static int hex_byte(const char *s)
{
    if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
        return -1;
    char two[3] = {s[0], s[1], '\0'};
    return (int)strtoul(two, NULL, 16);
}

/* An optional GUID; its first three parts are little-endian. */
static int take_guid(struct parser *p, uint8_t guid[16], bool *ret_has)
{
    if (*p->at == ';')
        return WCOW_OK;
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            int r = take_char(p, '-', "a GUID");
            if (r < 0)
                return r;
        }
        int byte = hex_byte(p->at);
        if (byte < 0)
            return expected(p, "a GUID");
        guid[order[i]] = (uint8_t)byte;
        p->at += 2;
    }
    *ret_has = true;
    return WCOW_OK;
}

/* Two optional GUIDs, each before a ';', as the binary form has them. */
static int take_guids(struct parser *p, uint8_t type, struct wcow_buf *out)
{
    uint8_t guids[2][16] = {{0}};
    bool has[2] = {false, false};
    for (size_t i = 0; i < 2; i++) {
        int r = take_guid(p, guids[i], &has[i]);
        if (r == WCOW_OK)
            r = take_char(p, ';', "';'");
        if (r < 0)
            return r;
    }
    bool is_object = type >= WCOW_ACE_ALLOWED_OBJECT && type <= WCOW_ACE_ALARM_OBJECT;
    if (!is_object)
        return has[0] || has[1] ? expected(p, "an entry without GUIDs (its type has none)")
                                : WCOW_OK;
    uint8_t present[4] = {0};
    wcow_store_le32(present, (has[0] ? (uint32_t)WCOW_ACE_HAS_OBJECT : 0) |
                                 (has[1] ? (uint32_t)WCOW_ACE_HAS_INHERITED_OBJECT : 0));
    int r = wcow_buf_add(out, present, sizeof(present), p->err);
    for (size_t i = 0; r == WCOW_OK && i < 2; i++)
        if (has[i])
            r = wcow_buf_add(out, guids[i], sizeof(guids[i]), p->err);
    return r;
}

/* "(type;flags;rights;object;inherited object;sid)" */
static int take_ace(struct parser *p, struct wcow_buf *acl)
{
    uint8_t head[8] = {0};
    uint32_t flags = 0;
    uint32_t mask = 0;
    p->at++;
    int r = take_type(p, &head[0]);
    if (r == WCOW_OK)
        r = take_char(p, ';', "';'");
    while (r == WCOW_OK && *p->at != ';')
        if (!take_token(p, ace_flags, COUNT(ace_flags), &flags))
            return expected(p, "a flag of an entry (OI, CI, NP, IO, ID, SA, FA)");
    if (r == WCOW_OK)
        r = take_char(p, ';', "';'");
    if (r == WCOW_OK)
        r = take_mask(p, head[0], &mask);
    if (r == WCOW_OK)
        r = take_char(p, ';', "';'");
    if (r < 0)
        return r;
    head[1] = (uint8_t)flags;
    wcow_store_le32(head + 4, mask);
    wcow_autobuf ace = {0};
    r = wcow_buf_add(&ace, head, sizeof(head), p->err);
    if (r == WCOW_OK)
        r = take_guids(p, head[0], &ace);
    if (r == WCOW_OK)
        r = take_sid(p, &ace);
    if (r == WCOW_OK)
        r = take_char(p, ')', "')'");
    if (r < 0)
        return r;
    wcow_store_le16(ace.data + 2, (uint16_t)ace.len);
    return wcow_acl_add(acl, ace.data, ace.len, p->err);
}

static bool take_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(p->at, word, len) != 0)
        return false;
    p->at += len;
    return true;
}

static int take_acl(struct parser *p, const struct acl_bits *bits, uint16_t *control,
                    struct wcow_buf *acl)
{
    bool is_null = false;
    *control |= bits->present;
    while (*p->at && *p->at != '(') {
        if (take_word(p, "NO_ACCESS_CONTROL"))
            is_null = true;
        else if (take_word(p, "AR"))
            *control |= bits->inherit_req;
        else if (take_word(p, "AI"))
            *control |= bits->inherited;
        else if (p->at[0] == 'P' && p->at[1] != ':') {
            *control |= bits->is_protected;
            p->at++;
        } else
            break; /* the next section */
    }
    if (is_null)
        return *p->at == '(' ? expected(p, "no entries behind NO_ACCESS_CONTROL") : WCOW_OK;
    int r = wcow_acl_start(acl, p->err);
    while (r == WCOW_OK && *p->at == '(')
        r = take_ace(p, acl);
    return r;
}

struct sections {
    uint16_t control;
    struct wcow_buf owner;
    struct wcow_buf group;
    struct wcow_buf acls[2];
    bool seen[4];
};

static int take_section(struct parser *p, struct sections *s)
{
    static const char letters[] = "OGSD";
    const char *found = *p->at && p->at[1] == ':' ? strchr(letters, *p->at) : NULL;
    if (!found)
        return expected(p, "one of O:, G:, D:, S:");
    size_t i = (size_t)(found - letters);
    if (s->seen[i])
        return expected(p, "each of O:, G:, D:, S: once only;");
    s->seen[i] = true;
    p->at += 2;
    switch (i) {
    case 0:
        return take_sid(p, &s->owner);
    case 1:
        return take_sid(p, &s->group);
    default:
        return take_acl(p, &acl_bits[i - 2], &s->control, &s->acls[i - 2]);
    }
}

static struct wcow_bytes bytes_of(const struct wcow_buf *b)
{
    return (struct wcow_bytes){.data = b->data, .len = b->len};
}

int wcow_sd_of_sddl(const char *sddl, struct wcow_buf *out, struct wcow_error *err)
{
    struct parser p = {.start = sddl, .at = sddl, .err = err};
    struct sections s = {0};
    int r = *sddl ? WCOW_OK : expected(&p, "one of O:, G:, D:, S:");
    while (r == WCOW_OK && *p.at)
        r = take_section(&p, &s);
    if (r == WCOW_OK) {
        const struct wcow_bytes acls[2] = {bytes_of(&s.acls[0]), bytes_of(&s.acls[1])};
        r = wcow_sd_build(s.control, bytes_of(&s.owner), bytes_of(&s.group), acls, out, err);
    }
    wcow_buf_done(&s.owner);
    wcow_buf_done(&s.group);
    wcow_buf_done(&s.acls[0]);
    wcow_buf_done(&s.acls[1]);
    return r;
}
