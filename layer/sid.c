/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/sid.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "layer/sd.h"

struct well_known {
    const char *alias; /* NULL: SDDL has none */
    const char *sid;
    const char *account; /* NULL: not one that people name */
};

/* [MS-DTYP] 2.4.2.4 and 2.5.1.1; the container accounts are those of Windows' "User Manager". */
static const struct well_known well_known[] = {
    {"BA", "S-1-5-32-544", "BUILTIN\\Administrators"},
    {"BU", "S-1-5-32-545", "BUILTIN\\Users"},
    {"BG", "S-1-5-32-546", "BUILTIN\\Guests"},
    {"PU", "S-1-5-32-547", "BUILTIN\\Power Users"},
    {"AO", "S-1-5-32-548", "BUILTIN\\Account Operators"},
    {"SO", "S-1-5-32-549", "BUILTIN\\Server Operators"},
    {"PO", "S-1-5-32-550", "BUILTIN\\Print Operators"},
    {"BO", "S-1-5-32-551", "BUILTIN\\Backup Operators"},
    {"RE", "S-1-5-32-552", "BUILTIN\\Replicator"},
    {"RU", "S-1-5-32-554", "BUILTIN\\Pre-Windows 2000 Compatible Access"},
    {"RD", "S-1-5-32-555", "BUILTIN\\Remote Desktop Users"},
    {"NO", "S-1-5-32-556", "BUILTIN\\Network Configuration Operators"},
    {"MU", "S-1-5-32-558", "BUILTIN\\Performance Monitor Users"},
    {"LU", "S-1-5-32-559", "BUILTIN\\Performance Log Users"},
    {"IS", "S-1-5-32-568", "BUILTIN\\IIS_IUSRS"},
    {"CY", "S-1-5-32-569", "BUILTIN\\Cryptographic Operators"},
    {"ER", "S-1-5-32-573", "BUILTIN\\Event Log Readers"},
    {"CD", "S-1-5-32-574", "BUILTIN\\Certificate Service DCOM Access"},
    {"RA", "S-1-5-32-575", "BUILTIN\\RDS Remote Access Servers"},
    {"ES", "S-1-5-32-576", "BUILTIN\\RDS Endpoint Servers"},
    {"MS", "S-1-5-32-577", "BUILTIN\\RDS Management Servers"},
    {"HA", "S-1-5-32-578", "BUILTIN\\Hyper-V Administrators"},
    {"AA", "S-1-5-32-579", "BUILTIN\\Access Control Assistance Operators"},
    {"RM", "S-1-5-32-580", "BUILTIN\\Remote Management Users"},
    {"SY", "S-1-5-18", "NT AUTHORITY\\SYSTEM"},
    {"LS", "S-1-5-19", "NT AUTHORITY\\LOCAL SERVICE"},
    {"NS", "S-1-5-20", "NT AUTHORITY\\NETWORK SERVICE"},
    {"AU", "S-1-5-11", "NT AUTHORITY\\Authenticated Users"},
    {"AN", "S-1-5-7", "NT AUTHORITY\\ANONYMOUS LOGON"},
    {"ED", "S-1-5-9", "NT AUTHORITY\\ENTERPRISE DOMAIN CONTROLLERS"},
    {"IU", "S-1-5-4", "NT AUTHORITY\\INTERACTIVE"},
    {"NU", "S-1-5-2", "NT AUTHORITY\\NETWORK"},
    {"SU", "S-1-5-6", "NT AUTHORITY\\SERVICE"},
    {"RC", "S-1-5-12", "NT AUTHORITY\\RESTRICTED"},
    {"WR", "S-1-5-33", "NT AUTHORITY\\WRITE RESTRICTED"},
    {"PS", "S-1-5-10", "NT AUTHORITY\\SELF"},
    {"WD", "S-1-1-0", "Everyone"},
    {"CO", "S-1-3-0", "CREATOR OWNER"},
    {"CG", "S-1-3-1", "CREATOR GROUP"},
    {"OW", "S-1-3-4", "OWNER RIGHTS"},
    {"AC", "S-1-15-2-1", "APPLICATION PACKAGE AUTHORITY\\ALL APPLICATION PACKAGES"},
    {"AS", "S-1-18-1", NULL},
    {"SS", "S-1-18-2", NULL},
    {"UD", "S-1-5-84-0-0-0-0-0", NULL},
    {"LW", "S-1-16-4096", "Mandatory Label\\Low Mandatory Level"},
    {"ME", "S-1-16-8192", "Mandatory Label\\Medium Mandatory Level"},
    {"MP", "S-1-16-8448", "Mandatory Label\\Medium Plus Mandatory Level"},
    {"HI", "S-1-16-12288", "Mandatory Label\\High Mandatory Level"},
    {"SI", "S-1-16-16384", "Mandatory Label\\System Mandatory Level"},
    {NULL, "S-1-5-93-2-1", "User Manager\\ContainerAdministrator"},
    {NULL, "S-1-5-93-2-2", "User Manager\\ContainerUser"},
    {NULL, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
     "NT SERVICE\\TrustedInstaller"},
};
enum { N_WELL_KNOWN = sizeof(well_known) / sizeof(well_known[0]) };

/* Short names that mean an account of a domain or of one machine. */
static const char domain_aliases[][3] = {"DA", "DG", "DU", "DC", "DD", "CA", "EA", "SA", "PA",
                                         "RS", "RO", "CN", "AP", "KA", "EK", "LA", "LG"};

size_t wcow_sid_size(const void *data, size_t len)
{
    const uint8_t *b = data;
    if (len < WCOW_SID_MIN_BYTES || b[0] != 1 || b[1] > WCOW_SID_MAX_SUB)
        return 0;
    size_t size = WCOW_SID_MIN_BYTES + (size_t)4 * b[1];
    return size <= len ? size : 0;
}

int wcow_sid_to_text(struct wcow_bytes sid, struct wcow_buf *out, struct wcow_error *err)
{
    if (sid.len == 0 || wcow_sid_size(sid.data, sid.len) != sid.len)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%zu bytes that are no SID", sid.len);
    uint64_t authority = 0;
    for (size_t i = 2; i < WCOW_SID_MIN_BYTES; i++)
        authority = authority << 8 | sid.data[i];
    /* Authorities of more than 32 bits are hexadecimal. */
    int r = authority >> 32 ? wcow_buf_addf(out, err, "S-1-0x%012" PRIX64, authority)
                            : wcow_buf_addf(out, err, "S-1-%" PRIu64, authority);
    for (size_t i = WCOW_SID_MIN_BYTES; r == WCOW_OK && i < sid.len; i += 4)
        r = wcow_buf_addf(out, err, "-%" PRIu32, wcow_load_le32(sid.data + i));
    return r;
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

/* A number up to @p max, decimal or 0x...; moves @p text behind it. */
static bool parse_part(const char **text, uint64_t max, uint64_t *ret)
{
    const char *p = *text;
    unsigned base = 10;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
        base = 16;
        p += 2;
    }
    uint64_t v = 0;
    const char *start = p;
    for (; digit_of(*p) < base; p++) {
        v = v * base + digit_of(*p);
        if (v > max)
            return false;
    }
    *text = p;
    *ret = v;
    return p > start;
}

static int parse_numeric(const char *text, struct wcow_buf *out, struct wcow_error *err)
{
    const char *p = text + 4; /* "S-1-" */
    uint64_t authority = 0;
    uint8_t sid[WCOW_SID_MAX_BYTES] = {1};
    bool ok = parse_part(&p, (UINT64_C(1) << 48) - 1, &authority);
    for (size_t i = WCOW_SID_MIN_BYTES; i-- > 2; authority >>= 8)
        sid[i] = (uint8_t)authority;
    while (ok && *p == '-' && sid[1] < WCOW_SID_MAX_SUB) {
        p++;
        uint64_t sub = 0;
        ok = parse_part(&p, UINT32_MAX, &sub);
        wcow_store_le32(sid + WCOW_SID_MIN_BYTES + (size_t)4 * sid[1], (uint32_t)sub);
        sid[1]++;
    }
    if (!ok || *p)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.100s\" is no SID (S-1-authority-number...)",
                         text);
    return wcow_buf_add(out, sid, WCOW_SID_MIN_BYTES + (size_t)4 * sid[1], err);
}

int wcow_sid_parse(const char *text, struct wcow_buf *out, struct wcow_error *err)
{
    if (strncasecmp(text, "S-1-", 4) == 0)
        return parse_numeric(text, out, err);
    for (size_t i = 0; i < N_WELL_KNOWN; i++)
        if (well_known[i].alias && strcasecmp(well_known[i].alias, text) == 0)
            return parse_numeric(well_known[i].sid, out, err);
    for (size_t i = 0; i < sizeof(domain_aliases) / sizeof(domain_aliases[0]); i++)
        if (strcasecmp(domain_aliases[i], text) == 0)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "\"%s\" means an account of a domain, which a layer does not have; "
                             "write its SID (S-1-5-21-...)",
                             text);
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%.100s\" is neither a SID (S-1-...) nor a two-letter name of SDDL", text);
}

static const struct well_known *find(struct wcow_bytes sid)
{
    for (size_t i = 0; i < N_WELL_KNOWN; i++) {
        wcow_autobuf b = {0};
        if (parse_numeric(well_known[i].sid, &b, NULL) == WCOW_OK && b.len == sid.len &&
            memcmp(b.data, sid.data, sid.len) == 0)
            return &well_known[i];
    }
    return NULL;
}

const char *wcow_sid_alias(struct wcow_bytes sid)
{
    const struct well_known *w = find(sid);
    return w ? w->alias : NULL;
}

const char *wcow_sid_account(struct wcow_bytes sid)
{
    const struct well_known *w = find(sid);
    return w ? w->account : NULL;
}

int wcow_sid_of_account(const char *name, struct wcow_buf *out, struct wcow_error *err)
{
    if (strncasecmp(name, "S-1-", 4) == 0)
        return parse_numeric(name, out, err);
    for (size_t i = 0; i < N_WELL_KNOWN; i++) {
        const char *account = well_known[i].account;
        if (!account)
            continue;
        const char *backslash = strchr(account, '\\');
        if (strcasecmp(account, name) == 0 || (backslash && strcasecmp(backslash + 1, name) == 0))
            return parse_numeric(well_known[i].sid, out, err);
    }
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                     "the account \"%.100s\" is not one that every Windows has "
                     "(ContainerAdministrator, ContainerUser, BUILTIN\\Users, ...); write its SID",
                     name);
}
