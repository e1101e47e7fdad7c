/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

static atomic_int current_level = WCOW_LOG_INFO;
static atomic_int current_format = WCOW_LOG_LOGFMT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void wcow_log_set_level(enum wcow_log_level level)
{
    atomic_store(&current_level, (int)level);
}

void wcow_log_set_format(enum wcow_log_format format)
{
    atomic_store(&current_format, (int)format);
}

int wcow_log_parse_level(const char *text, enum wcow_log_level *ret, struct wcow_error *err)
{
    for (int i = WCOW_LOG_DEBUG; i <= WCOW_LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum wcow_log_level)i;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "unknown log level \"%s\": use debug, info, warn or error", text);
}

int wcow_log_parse_format(const char *text, enum wcow_log_format *ret, struct wcow_error *err)
{
    if (strcmp(text, "text") == 0)
        *ret = WCOW_LOG_LOGFMT;
    else if (strcmp(text, "json") == 0)
        *ret = WCOW_LOG_JSON;
    else
        return WCOW_FAIL(err, WCOW_E_INVALID, "unknown log format \"%s\": use text or json", text);
    return WCOW_OK;
}

/* A line that grows without bound is no use to anybody: what does not fit is cut. */
struct line {
    char text[4096];
    size_t len;
};

static void put(struct line *l, const char *s, size_t n)
{
    size_t room = sizeof(l->text) - 2 - l->len;
    if (n > room)
        n = room;
    memcpy(l->text + l->len, s, n);
    l->len += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static void put_quoted(struct line *l, const char *s)
{
    put(l, "\"", 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            put(l, (char[]){'\\', (char)c}, 2);
        } else if (c < 0x20 || c == 0x7f) {
            char esc[8];
            (void)snprintf(esc, sizeof(esc), "\\u%04x", c);
            put_str(l, esc);
        } else {
            put(l, s, 1);
        }
    }
    put(l, "\"", 1);
}

static bool is_bare(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
            return false;
    }
    return true;
}

static void put_field(struct line *l, bool json, const struct wcow_log_field *f)
{
    char num[24];
    (void)snprintf(num, sizeof(num), "%lld", (long long)f->num);
    if (json) {
        put(l, ",", l->len > 1);
        put_quoted(l, f->key);
        put(l, ":", 1);
    } else {
        put(l, " ", l->len > 0);
        put_str(l, f->key);
        put(l, "=", 1);
    }
    if (f->kind == WCOW_FIELD_INT)
        put_str(l, num);
    else if (!json && is_bare(f->str))
        put_str(l, f->str);
    else
        put_quoted(l, f->str);
}

void wcow_log_write(enum wcow_log_level level, const char *msg, const struct wcow_log_field *fields)
{
    if ((int)level < atomic_load(&current_level))
        return;
    bool json = atomic_load(&current_format) == WCOW_LOG_JSON;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm = {0};
    (void)gmtime_r(&now.tv_sec, &tm);
    char date[32];
    char stamp[48];
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(stamp, sizeof(stamp), "%s.%03ldZ", date, now.tv_nsec / 1000000);

    struct line l = {.len = 0};
    if (json)
        put(&l, "{", 1);
    put_field(&l, json, &WCOW_STR("time", stamp));
    put_field(&l, json, &WCOW_STR("level", level_names[level]));
    put_field(&l, json, &WCOW_STR("msg", msg));
    for (const struct wcow_log_field *f = fields; f && f->key; f++) {
        if (f->kind == WCOW_FIELD_INT || f->str)
            put_field(&l, json, f);
    }
    if (json)
        l.text[l.len++] = '}';
    l.text[l.len++] = '\n';
    ssize_t n = write(STDERR_FILENO, l.text, l.len);
    (void)n; /* nobody is left to tell */
}
