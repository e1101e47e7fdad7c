/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include <inttypes.h>

#include "base/base64.h"
#include "builder/json_text.h"
#include "layer/sd.h"
#include "layer/sid.h"

const char *wcow_show_type(const struct wcow_entry *entry)
{
    switch (entry->type) {
    case WCOW_ENTRY_FILE:
        return "file";
    case WCOW_ENTRY_DIR:
        return "directory";
    case WCOW_ENTRY_REPARSE:
        return entry->has & WCOW_HAS_MOUNTPOINT ? "junction" : "symlink";
    case WCOW_ENTRY_HARDLINK:
        return "hardlink";
    case WCOW_ENTRY_STREAM:
        return "stream";
    case WCOW_ENTRY_WHITEOUT:
        return "whiteout";
    case WCOW_ENTRY_OPAQUE:
    default:
        return "opaque";
    }
}

void wcow_show_mode(const struct wcow_entry *entry, char ret[WCOW_SHOW_MODE_MAX])
{
    enum {
        LETTERS = WCOW_ATTR_READONLY | WCOW_ATTR_HIDDEN | WCOW_ATTR_SYSTEM | WCOW_ATTR_ARCHIVE,
        /* Said by the kind already, or saying nothing. */
        SILENT = WCOW_ATTR_DIRECTORY | WCOW_ATTR_REPARSE | WCOW_ATTR_NORMAL,
    };
    const char *type = wcow_show_type(entry);
    char kind = '-';
    if (entry->type == WCOW_ENTRY_REPARSE)
        kind = *type == 'j' ? 'j' : 'l';
    else if (entry->type != WCOW_ENTRY_FILE)
        kind = *type;
    uint32_t a = entry->attributes;
    (void)snprintf(ret, WCOW_SHOW_MODE_MAX, "%c%c%c%c%c%s", kind,
                   a & WCOW_ATTR_READONLY ? 'R' : '-', a & WCOW_ATTR_HIDDEN ? 'H' : '-',
                   a & WCOW_ATTR_SYSTEM ? 'S' : '-', a & WCOW_ATTR_ARCHIVE ? 'A' : '-',
                   a & ~(uint32_t)(LETTERS | SILENT) ? "+" : "");
}

/* ---- security ---- */

int wcow_show_owner(const struct wcow_entry *entry, struct wcow_buf *out, struct wcow_error *err)
{
    enum { OWNER_OFFSET = 4 };
    if (!entry->sd || wcow_sd_check(entry->sd, entry->sd_len_bytes, NULL) < 0)
        return wcow_buf_add_str(out, "-", err);
    size_t at = wcow_load_le32(entry->sd + OWNER_OFFSET);
    if (at == 0 || at >= entry->sd_len_bytes)
        return wcow_buf_add_str(out, "-", err);
    struct wcow_bytes sid = {.data = entry->sd + at,
                             .len = wcow_sid_size(entry->sd + at, entry->sd_len_bytes - at)};
    const char *account = wcow_sid_account(sid);
    return account ? wcow_buf_add_str(out, account, err) : wcow_sid_to_text(sid, out, err);
}

int wcow_show_sddl(const struct wcow_entry *entry, struct wcow_buf *out, struct wcow_error *err)
{
    if (!entry->sd)
        return wcow_buf_add_str(out, "-", err);
    struct wcow_error why = {0};
    size_t before = out->len;
    int r = wcow_sd_to_sddl(entry->sd, entry->sd_len_bytes, out, &why);
    if (r != WCOW_E_INVALID)
        return r < 0 ? WCOW_FAIL(err, r, "%s", why.msg) : r;
    out->len = before;
    return wcow_buf_addf(out, err, "(%s)", why.msg);
}

/* ---- times ---- */

/* Days since 1601-01-01 as a date of the Gregorian calendar; 1601 begins a period of 400 years. */
static void date_of(uint64_t days, unsigned *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    enum { DAYS_400 = 146097, DAYS_100 = 36524, DAYS_4 = 1461, DAYS_1 = 365 };
    uint64_t year = 1601 + days / DAYS_400 * 400;
    unsigned left = (unsigned)(days % DAYS_400);
    unsigned centuries = left / DAYS_100 < 3 ? left / DAYS_100 : 3;
    left -= centuries * DAYS_100;
    unsigned fours = left / DAYS_4;
    left -= fours * DAYS_4;
    unsigned ones = left / DAYS_1 < 3 ? left / DAYS_1 : 3;
    left -= ones * DAYS_1;
    year += 100 * centuries + 4 * fours + ones;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned month = 0;
    for (; month < 11; month++) {
        unsigned length = lengths[month] + (month == 1 && leap ? 1U : 0U);
        if (left < length)
            break;
        left -= length;
    }
    *ret_year = (unsigned)year;
    *ret_month = month + 1;
    *ret_day = left + 1;
}

void wcow_show_time(uint64_t filetime, bool exact, char ret[WCOW_SHOW_TIME_MAX])
{
    enum { TICKS = 10000000, SECONDS_A_DAY = 86400 };
    uint64_t seconds = filetime / TICKS;
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    date_of(seconds / SECONDS_A_DAY, &year, &month, &day);
    unsigned s = (unsigned)(seconds % SECONDS_A_DAY);
    int n = snprintf(ret, WCOW_SHOW_TIME_MAX, "%04u-%02u-%02u%c%02u:%02u:%02u", year, month, day,
                     exact ? 'T' : ' ', s / 3600, s / 60 % 60, s % 60);
    if (exact && n > 0)
        (void)snprintf(ret + n, WCOW_SHOW_TIME_MAX - (size_t)n, ".%07uZ",
                       (unsigned)(filetime % TICKS));
}

/* ---- JSON ---- */

static int add_text(struct wcow_buf *out, const char *key, const char *text, struct wcow_error *err)
{
    int r = wcow_buf_addf(out, err, ",\"%s\":", key);
    return r < 0 ? r : wcow_json_text_add(out, text, err);
}

static int add_times(const struct wcow_entry *e, struct wcow_buf *out, struct wcow_error *err)
{
    const struct {
        const char *key;
        uint64_t time;
    } times[] = {
        {"modified", e->mtime},
        {"created", e->creation},
        {"accessed", e->atime},
        {"changed", e->ctime},
    };
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sizeof(times) / sizeof(times[0]); i++) {
        char text[WCOW_SHOW_TIME_MAX];
        wcow_show_time(times[i].time, true, text);
        r = add_text(out, times[i].key, text, err);
    }
    return r;
}

static int add_security(const struct wcow_entry *e, struct wcow_buf *out, struct wcow_error *err)
{
    if (!e->sd)
        return WCOW_OK;
    wcow_autobuf owner = {0};
    wcow_autobuf sddl = {0};
    int r = wcow_show_owner(e, &owner, err);
    if (r == WCOW_OK)
        r = wcow_show_sddl(e, &sddl, err);
    if (r == WCOW_OK)
        r = add_text(out, "owner", (const char *)owner.data, err);
    return r < 0 ? r : add_text(out, "sddl", (const char *)sddl.data, err);
}

static int add_eas(const struct wcow_entry *e, struct wcow_buf *out, struct wcow_error *err)
{
    if (!e->n_eas)
        return WCOW_OK;
    int r = wcow_buf_add_str(out, ",\"eas\":{", err);
    for (size_t i = 0; r == WCOW_OK && i < e->n_eas; i++) {
        if (i)
            r = wcow_buf_add_str(out, ",", err);
        if (r == WCOW_OK)
            r = wcow_json_text_add(out, e->eas[i].name, err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, ":\"", err);
        if (r == WCOW_OK)
            r = wcow_base64_encode(e->eas[i].value, e->eas[i].len_bytes, out, err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, "\"", err);
    }
    return r < 0 ? r : wcow_buf_add_str(out, "}", err);
}

int wcow_show_json(const struct wcow_entry *e, const char *extra, struct wcow_buf *out,
                   struct wcow_error *err)
{
    bool has_data = e->type == WCOW_ENTRY_FILE || e->type == WCOW_ENTRY_STREAM;
    int r = wcow_buf_add_str(out, "{\"name\":", err);
    if (r == WCOW_OK)
        r = wcow_json_text_add(out, e->name, err);
    if (r == WCOW_OK)
        r = add_text(out, "type", wcow_show_type(e), err);
    if (r == WCOW_OK && e->link)
        r = add_text(out, "target", e->link, err);
    if (r == WCOW_OK && has_data)
        r = wcow_buf_addf(out, err, ",\"size\":%" PRIu64, e->size_bytes);
    if (r == WCOW_OK && e->type < WCOW_ENTRY_WHITEOUT) {
        r = wcow_buf_addf(out, err, ",\"attributes\":%" PRIu32, e->attributes);
        if (r == WCOW_OK)
            r = add_times(e, out, err);
    }
    if (r == WCOW_OK)
        r = add_security(e, out, err);
    if (r == WCOW_OK)
        r = add_eas(e, out, err);
    return r < 0 ? r : wcow_buf_addf(out, err, "%s}", extra ? extra : "");
}

int wcow_show_flush(struct wcow_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return WCOW_OK;
    return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "write to standard output");
}
