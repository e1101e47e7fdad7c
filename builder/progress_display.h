/* SPDX-License-Identifier: Apache-2.0 */
/** @file progress_display.h
 *  Private to progress*.c: what is known of each step, and what a form of display does with it.
 *  Every function is called with the progress's lock held. */
#ifndef WCOW_BUILDER_PROGRESS_DISPLAY_H
#define WCOW_BUILDER_PROGRESS_DISPLAY_H

#include "base/bytes.h"
#include "builder/progress.h"

struct wcow_progress_item {
    char *id;
    uint64_t current;
    uint64_t total;
    uint64_t start_ms;
    uint64_t end_ms;
    uint64_t shown_ms; /**< when a line of it was last printed; 0: never */
    uint64_t shown;    /**< what that line said of current */
    bool done;
    bool done_shown;
};

enum { WCOW_PROGRESS_LOGS = 10 };

/** The last lines that a step printed. */
struct wcow_progress_log_line {
    uint64_t ms; /**< since the step began */
    char *text;
};

struct wcow_progress_step {
    unsigned number;
    char *name;
    uint64_t start_ms; /**< monotonic */
    uint64_t end_ms;
    bool ended;
    bool is_shown; /**< on the terminal */
    enum wcow_progress_end how;
    char *message;
    struct wcow_progress_item *items;
    size_t n_items;
    struct wcow_progress_log_line logs[WCOW_PROGRESS_LOGS]; /**< a ring */
    size_t n_logs;                                          /**< ever printed */
};

struct wcow_progress_state {
    int fd;
    uint64_t start_ms;
    struct wcow_progress_step *steps;
    size_t n_steps;
    size_t drawn_lines; /**< of the terminal's live region */
    unsigned current;   /**< plain: the step whose lines are shown; 0: none */
    bool has_shown;     /**< plain: anything at all */
};

struct wcow_progress_display {
    void (*start)(struct wcow_progress_state *s, struct wcow_progress_step *step);
    void (*status)(struct wcow_progress_state *s, struct wcow_progress_step *step,
                   struct wcow_progress_item *item);
    void (*log)(struct wcow_progress_state *s, struct wcow_progress_step *step, const char *line);
    void (*end)(struct wcow_progress_state *s, struct wcow_progress_step *step);
    void (*tick)(struct wcow_progress_state *s); /**< ten times a second; NULL: no ticks */
    void (*finish)(struct wcow_progress_state *s);
};

extern const struct wcow_progress_display wcow_progress_plain;
extern const struct wcow_progress_display wcow_progress_tty;
extern const struct wcow_progress_display wcow_progress_rawjson;

uint64_t wcow_progress_now_ms(void);
/** The @p i-th of the lines that are kept, the oldest first; NULL: there are no more. */
const struct wcow_progress_log_line *wcow_progress_log_at(const struct wcow_progress_step *step,
                                                          size_t i);
/** What failed, with the last that it printed. */
void wcow_progress_print_failed(struct wcow_progress_state *s);
/** Write all of it; a display cannot do anything about an error. */
void wcow_progress_print(int fd, const struct wcow_buf *text);

#endif
