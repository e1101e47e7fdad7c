/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/rights.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/identity.h"
#include "layer/sd.h"
#include "layer/sid.h"

/* Access masks, [MS-DTYP] 2.4.3 and winnt.h. */
enum {
    RIGHT_READ = 0x120089,    /* FILE_GENERIC_READ */
    RIGHT_WRITE = 0x130116,   /* FILE_GENERIC_WRITE, DELETE */
    RIGHT_EXECUTE = 0x1200a0, /* FILE_GENERIC_EXECUTE */
    RIGHT_DELETE_CHILD = 0x40,
    RIGHT_ALL = 0x1f01ff,
};

/* Where a self-relative descriptor tells its owner and group. */
enum { OWNER_FIELD = 4, GROUP_FIELD = 8 };

enum { DEFAULT_FILE = 0644, DEFAULT_DIR = 0755 };

/* ---- --chown ---- */

static int sid_of(const char *name, const char *whole, struct wcow_buf *out, struct wcow_error *err)
{
    bool known = false;
    int r = wcow_identity_sid(name, out, &known, err);
    if (r == WCOW_OK && known && *name)
        return WCOW_OK;
    if (r < 0 && r != WCOW_E_INVALID)
        return r;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--chown=%s: only the image itself knows \"%s\"; take ContainerAdministrator, "
                     "ContainerUser, a well-known name (Administrators, Users, SYSTEM), a SID "
                     "(S-1-…) or SDDL (O:BAG:SY)",
                     whole, name);
}

/* The SID of a self-relative descriptor that the offset at @p field leads to; may be empty. */
static struct wcow_bytes sid_in(struct wcow_bytes sd, size_t field)
{
    uint32_t at = sd.len >= 20 ? wcow_load_le32(sd.data + field) : 0;
    if (at == 0 || at >= sd.len)
        return (struct wcow_bytes){0};
    return (struct wcow_bytes){sd.data + at, wcow_sid_size(sd.data + at, sd.len - at)};
}

static int chown_of_sddl(const char *text, struct wcow_buf *owner, struct wcow_buf *group,
                         struct wcow_error *err)
{
    wcow_autobuf sd = {0};
    if (strchr(text, '('))
        return WCOW_FAIL(
            err, WCOW_E_INVALID,
            "--chown=%s: rights are for --chmod (--chmod=D:…); --chown takes owner and "
            "group, O:…G:…",
            text);
    int r = wcow_sd_of_sddl(text, &sd, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "--chown=%s", text);
    struct wcow_bytes whole = {sd.data, sd.len};
    struct wcow_bytes sid = sid_in(whole, OWNER_FIELD);
    r = wcow_buf_add(owner, sid.data, sid.len, err);
    sid = sid_in(whole, GROUP_FIELD);
    return r < 0 || !sid.len ? r : wcow_buf_add(group, sid.data, sid.len, err);
}

int wcow_rights_chown(const char *text, struct wcow_buf *owner, struct wcow_buf *group,
                      struct wcow_error *err)
{
    if (strncasecmp(text, "O:", 2) == 0)
        return chown_of_sddl(text, owner, group, err);
    const char *colon = strchr(text, ':');
    wcow_autofree char *name = colon ? strndup(text, (size_t)(colon - text)) : strdup(text);
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --chown");
    int r = sid_of(name, text, owner, err);
    return r < 0 || !colon ? r : sid_of(colon + 1, text, group, err);
}

/* ---- --chmod: modes ---- */

static int bad_mode(const char *text, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--chmod=%s is no mode: it is octal (0755), symbolic (u=rwX,go=rX) or SDDL "
                     "(D:P(A;OICI;FA;;;BA))",
                     text);
}

static unsigned who_bits(const char **p)
{
    unsigned who = 0;
    for (;; (*p)++) {
        if (**p == 'u')
            who |= 0700;
        else if (**p == 'g')
            who |= 0070;
        else if (**p == 'o')
            who |= 0007;
        else if (**p == 'a')
            who |= 0777;
        else
            return who ? who : 0777;
    }
}

/* The permissions of one "=rwX", for everybody. */
static unsigned what_bits(const char **p, unsigned mode, bool is_dir)
{
    unsigned what = 0;
    for (;; (*p)++) {
        if (**p == 'r')
            what |= 0444;
        else if (**p == 'w')
            what |= 0222;
        else if (**p == 'x' || (**p == 'X' && (is_dir || mode & 0111)))
            what |= 0111;
        else if (!**p || !strchr("Xst", **p)) /* Windows has no s and t */
            return what;
    }
}

static int symbolic(const char *text, bool is_dir, unsigned *mode, struct wcow_error *err)
{
    const char *p = text;
    do {
        unsigned who = who_bits(&p);
        if (!*p || !strchr("+-=", *p))
            return bad_mode(text, err);
        while (*p && strchr("+-=", *p)) {
            char op = *p++;
            unsigned what = what_bits(&p, *mode, is_dir) & who;
            if (op == '=')
                *mode &= ~who;
            *mode = op == '-' ? *mode & ~what : *mode | what;
        }
        if (*p && *p != ',')
            return bad_mode(text, err);
    } while (*p++ == ',');
    return WCOW_OK;
}

static int parse_mode(const char *text, struct wcow_chmod *ret, struct wcow_error *err)
{
    if (*text >= '0' && *text <= '7') {
        char *end = NULL;
        unsigned long mode = strtoul(text, &end, 8);
        if (*end || mode > 07777)
            return bad_mode(text, err);
        ret->mode[0] = (unsigned)mode;
        ret->mode[1] = (unsigned)mode;
        return WCOW_OK;
    }
    ret->mode[0] = DEFAULT_FILE;
    ret->mode[1] = DEFAULT_DIR;
    int r = symbolic(text, false, &ret->mode[0], err);
    return r < 0 ? r : symbolic(text, true, &ret->mode[1], err);
}

/* ---- --chmod: SDDL ---- */

/* Append one ACE, "(A;OICI;FA;;;BA)", as a file has it: without what is only for directories.
 * Returns what follows it. */
static const char *add_file_ace(const char *ace, struct wcow_buf *out, int *r,
                                struct wcow_error *err)
{
    const char *flags = strchr(ace, ';');
    const char *rights = flags ? strchr(flags + 1, ';') : NULL;
    const char *end = rights ? strchr(rights, ')') : NULL;
    if (!end) { /* the parser says what is wrong with it */
        *r = wcow_buf_add_str(out, ace, err);
        return ace + strlen(ace);
    }
    wcow_autobuf kept = {0};
    for (const char *p = flags + 1; p < rights; p += 2) {
        if (strncasecmp(p, "IO", 2) == 0)
            return end + 1;
        if (strncasecmp(p, "OI", 2) != 0 && strncasecmp(p, "CI", 2) != 0 &&
            strncasecmp(p, "NP", 2) != 0)
            *r = wcow_buf_add(&kept, p, rights - p < 2 ? 1 : 2, err);
        if (*r < 0)
            return end;
    }
    *r = wcow_buf_addf(out, err, "%.*s%s%.*s", (int)(flags + 1 - ace), ace,
                       kept.data ? (const char *)kept.data : "", (int)(end + 1 - rights), rights);
    return end + 1;
}

static int file_dacl(const char *dacl, struct wcow_buf *out, struct wcow_error *err)
{
    size_t head = strcspn(dacl, "(");
    int r = wcow_buf_add(out, dacl, head, err);
    for (const char *p = dacl + head; r == WCOW_OK && *p;) {
        if (*p != '(')
            return wcow_buf_add_str(out, p, err);
        p = add_file_ace(p, out, &r, err);
    }
    return r;
}

static int parse_sddl(const char *text, struct wcow_chmod *ret, struct wcow_error *err)
{
    wcow_autobuf check = {0};
    wcow_autobuf file = {0};
    int r = wcow_buf_addf(&check, err, "O:BAG:SY%s", text);
    wcow_autobuf sd = {0};
    if (r == WCOW_OK)
        r = wcow_sd_of_sddl((const char *)check.data, &sd, err);
    if (r == WCOW_OK)
        r = file_dacl(text, &file, err);
    if (r < 0)
        return r;
    ret->is_sddl = true;
    ret->dacl[0] = wcow_buf_take_str(&file);
    ret->dacl[1] = strdup(text);
    return ret->dacl[0] && ret->dacl[1] ? WCOW_OK
                                        : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --chmod");
}

void wcow_chmod_done(struct wcow_chmod *chmod)
{
    for (int i = 0; i < 2; i++) {
        free(chmod->dacl[i]);
        wcow_buf_done(&chmod->from[i]);
        wcow_buf_done(&chmod->made[i]);
    }
    *chmod = (struct wcow_chmod){0};
}

int wcow_chmod_parse(const char *text, struct wcow_chmod *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_chmod_done) struct wcow_chmod chmod = {0};
    int r = strncasecmp(text, "D:", 2) == 0 ? parse_sddl(text, &chmod, err)
                                            : parse_mode(text, &chmod, err);
    if (r < 0)
        return chmod.is_sddl || strncasecmp(text, "D:", 2) == 0
                   ? wcow_error_wrap(r, err, "--chmod=%s", text)
                   : r;
    *ret = chmod;
    chmod = (struct wcow_chmod){0};
    return WCOW_OK;
}

/* ---- to a descriptor ---- */

static unsigned mask_of(unsigned bits, bool is_dir)
{
    if ((bits & 7) == 7)
        return RIGHT_ALL;
    unsigned mask = bits & 4 ? RIGHT_READ : 0;
    mask |= bits & 2 ? RIGHT_WRITE | (is_dir ? RIGHT_DELETE_CHILD : 0) : 0;
    return mask | (bits & 1 ? RIGHT_EXECUTE : 0);
}

/* What others may do to all is less than everything: not change rights and owner. */
static unsigned mask_of_others(unsigned bits, bool is_dir)
{
    unsigned mask = mask_of(bits & 6, is_dir);
    return mask | (bits & 1 ? RIGHT_EXECUTE : 0);
}

static int add_ace(struct wcow_buf *out, bool is_dir, unsigned mask, const char *sid,
                   struct wcow_error *err)
{
    if (mask == 0)
        return WCOW_OK;
    return wcow_buf_addf(out, err, "(A;%s;0x%x;;;%s)", is_dir ? "OICI" : "", mask, sid);
}

static int mode_dacl(unsigned mode, bool is_dir, const char *owner, const char *group,
                     struct wcow_buf *out, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, "D:P", err);
    if (r == WCOW_OK)
        r = add_ace(out, is_dir, RIGHT_ALL, "SY", err);
    if (r == WCOW_OK)
        r = add_ace(out, is_dir, RIGHT_ALL, "BA", err);
    if (r == WCOW_OK)
        r = add_ace(out, is_dir, mask_of(mode >> 6, is_dir), owner, err);
    if (r == WCOW_OK)
        r = add_ace(out, is_dir, mask_of_others(mode >> 3, is_dir), group, err);
    return r < 0 ? r : add_ace(out, is_dir, mask_of_others(mode, is_dir), "WD", err);
}

static int add_name(struct wcow_bytes sid, const char *otherwise, struct wcow_buf *out,
                    struct wcow_error *err)
{
    return sid.len ? wcow_sid_to_text(sid, out, err) : wcow_buf_add_str(out, otherwise, err);
}

static int make_sd(const struct wcow_chmod *chmod, struct wcow_bytes group, bool is_dir,
                   struct wcow_bytes from, struct wcow_buf *ret, struct wcow_error *err)
{
    wcow_autobuf owner = {0};
    wcow_autobuf primary = {0};
    wcow_autobuf members = {0};
    wcow_autobuf sddl = {0};
    int r = add_name(sid_in(from, OWNER_FIELD), "BA", &owner, err);
    if (r == WCOW_OK)
        r = add_name(sid_in(from, GROUP_FIELD), "SY", &primary, err);
    if (r == WCOW_OK)
        r = add_name(group, "BU", &members, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&sddl, err, "O:%sG:%s", (const char *)owner.data,
                          (const char *)primary.data);
    if (r == WCOW_OK)
        r = chmod->is_sddl ? wcow_buf_add_str(&sddl, chmod->dacl[is_dir], err)
                           : mode_dacl(chmod->mode[is_dir], is_dir, (const char *)owner.data,
                                       (const char *)members.data, &sddl, err);
    return r < 0 ? r : wcow_sd_of_sddl((const char *)sddl.data, ret, err);
}

int wcow_chmod_apply(struct wcow_chmod *chmod, struct wcow_bytes group, struct wcow_entry *entry,
                     struct wcow_error *err)
{
    bool is_dir = (entry->attributes & WCOW_ATTR_DIRECTORY) != 0;
    struct wcow_buf *from = &chmod->from[is_dir];
    struct wcow_buf *made = &chmod->made[is_dir];
    int r = WCOW_OK;
    if (made->len == 0 || from->len != entry->sd_len_bytes ||
        memcmp(from->data, entry->sd, from->len) != 0) {
        wcow_buf_done(from);
        wcow_buf_done(made);
        r = wcow_buf_add(from, entry->sd, entry->sd_len_bytes, err);
        if (r == WCOW_OK)
            r = make_sd(chmod, group, is_dir, (struct wcow_bytes){from->data, from->len}, made,
                        err);
    }
    if (r == WCOW_OK)
        r = wcow_entry_set_sd(entry, made->data, made->len, err);
    return r < 0 ? wcow_error_wrap(r, err, "--chmod of %s", entry->name) : WCOW_OK;
}
