/* SPDX-License-Identifier: Apache-2.0 */
/* Progress as lines: "#3 [2/4] COPY hello.txt C:/", "#3 DONE 0.1s". */
#include "builder/progress_display.h"

#include <stdarg.h>
#include <stdio.h>

enum { STATUS_EVERY_MS = 1000 };

/* A display goes on without a line that memory is out for. */
static void say(struct wcow_progress_state *s, unsigned step, const char *fmt, ...)
    WCOW_PRINTF(3, 4);

static void say(struct wcow_progress_state *s, unsigned step, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    wcow_autobuf line = {0};
    /* Lines of other steps are set apart by an empty one. */
    const char *gap = s->last_shown && s->last_shown != step ? "\n" : "";
    s->last_shown = step;
    if (wcow_buf_addf(&line, NULL, "%s#%u %s\n", gap, step, text) == WCOW_OK)
        wcow_progress_print(s->fd, &line);
}

static void start(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    say(s, step->number, "%s", step->name);
}

static void status(struct wcow_progress_state *s, struct wcow_progress_step *step,
                   struct wcow_progress_item *item)
{
    if (!item->done &&
        item->end_ms - (item->shown_ms ? item->shown_ms : item->start_ms) < STATUS_EVERY_MS)
        return;
    item->shown_ms = item->end_ms;
    char current[16] = "";
    char total[16];
    wcow_progress_size(item->current, current);
    wcow_progress_size(item->total, total);
    const char *end = item->done ? " done" : "";
    double seconds = (double)(item->end_ms - item->start_ms) / 1000;
    if (item->total > 0)
        say(s, step->number, "%s %s / %s %.1fs%s", item->id, current, total, seconds, end);
    else if (item->current > 0)
        say(s, step->number, "%s: %s %.1fs%s", item->id, current, seconds, end);
    else
        say(s, step->number, "%s %.1fs%s", item->id, seconds, end);
}

static void log_line(struct wcow_progress_state *s, struct wcow_progress_step *step,
                     const char *line)
{
    say(s, step->number, "%.3f %s", (double)(wcow_progress_now_ms() - step->start_ms) / 1000, line);
}

static void end(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    switch (step->how) {
    case WCOW_PROGRESS_DONE:
        say(s, step->number, "DONE %.1fs", (double)(step->end_ms - step->start_ms) / 1000);
        break;
    case WCOW_PROGRESS_CACHED:
        say(s, step->number, "CACHED");
        break;
    case WCOW_PROGRESS_CANCELED:
        say(s, step->number, "CANCELED");
        break;
    case WCOW_PROGRESS_ERROR:
        say(s, step->number, "ERROR: %s", step->message ? step->message : "failed");
        break;
    }
}

static void finish(struct wcow_progress_state *s)
{
    (void)s;
}

const struct wcow_progress_display wcow_progress_plain = {
    .start = start, .status = status, .log = log_line, .end = end, .finish = finish};
