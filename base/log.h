/* SPDX-License-Identifier: Apache-2.0 */
/** @file log.h
 *  Structured logging for services and commands (libraries return errors instead).
 *  One line an event on standard error, logfmt or JSON. Thread-safe; a line is one write(2). */
#ifndef WCOW_BASE_LOG_H
#define WCOW_BASE_LOG_H

#include <stdint.h>

#include "base/error.h"

enum wcow_log_level { WCOW_LOG_DEBUG, WCOW_LOG_INFO, WCOW_LOG_WARN, WCOW_LOG_ERROR };
enum wcow_log_format { WCOW_LOG_LOGFMT, WCOW_LOG_JSON };

/** A key and its value; use the makers below. A NULL string leaves the field out. */
struct wcow_log_field {
    const char *key;
    enum { WCOW_FIELD_STR, WCOW_FIELD_INT } kind;
    const char *str;
    int64_t num;
};
#define WCOW_STR(k, v) ((struct wcow_log_field){.key = (k), .kind = WCOW_FIELD_STR, .str = (v)})
#define WCOW_INT(k, v)                                                                             \
    ((struct wcow_log_field){.key = (k), .kind = WCOW_FIELD_INT, .num = (int64_t)(v)})

void wcow_log_set_level(enum wcow_log_level level); /**< may be called while others log */
void wcow_log_set_format(enum wcow_log_format format);
/** "debug", "info", "warn" or "error"; WCOW_E_INVALID otherwise. */
WCOW_NODISCARD int wcow_log_parse_level(const char *text, enum wcow_log_level *ret,
                                        struct wcow_error *err);
/** "text" (logfmt) or "json". */
WCOW_NODISCARD int wcow_log_parse_format(const char *text, enum wcow_log_format *ret,
                                         struct wcow_error *err);
void wcow_log_write(enum wcow_log_level level, const char *msg,
                    const struct wcow_log_field *fields);

/** wcow_log(WCOW_LOG_INFO, "serving", WCOW_STR("address", path), WCOW_INT("pid", pid)); */
#define wcow_log(level, msg, ...)                                                                  \
    wcow_log_write((level), (msg),                                                                 \
                   (const struct wcow_log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})

#endif
