/* SPDX-License-Identifier: Apache-2.0 */
/* Progress as lines: "#3 [2/4] COPY hello.txt C:/", "#3 DONE 0.1s". The lines of one step stand
 * together: what others come to meanwhile waits until that step ends, or they have something to
 * print. */
#include "builder/progress_display.h"

#include <stdarg.h>
#include <stdio.h>

enum { STATUS_EVERY_MS = 5000, STATUS_EVERY_PERCENT = 5, SHOWN_FROM_MS = 10 };

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
    if (wcow_buf_addf(&line, NULL, "#%u %s\n", step, text) == WCOW_OK)
        wcow_progress_print(s->fd, &line);
}

static void print_item(struct wcow_progress_state *s, const struct wcow_progress_step *step,
                       struct wcow_progress_item *item)
{
    char bytes[48] = "";
    char time[24] = "";
    char current[16];
    char total[16];
    uint64_t ms = item->end_ms - item->start_ms;
    wcow_progress_size(item->current, current);
    wcow_progress_size(item->total, total);
    if (item->total > 0)
        (void)snprintf(bytes, sizeof(bytes), " %s / %s", current, total);
    else if (item->current > 0)
        (void)snprintf(bytes, sizeof(bytes), ": %s", current);
    if (ms > SHOWN_FROM_MS)
        (void)snprintf(time, sizeof(time), " %.1fs", (double)ms / 1000);
    say(s, step->number, "%s%s%s%s", item->id, bytes, time, item->done ? " done" : "");
    item->shown_ms = item->end_ms;
    item->shown = item->current;
    item->done_shown = item->done;
}

/* Those of a step that came to an end while another was shown. */
static void print_ended_items(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    for (size_t i = 0; i < step->n_items; i++) {
        if (step->items[i].done && !step->items[i].done_shown)
            print_item(s, step, &step->items[i]);
    }
}

static struct wcow_progress_step *current_of(struct wcow_progress_state *s)
{
    return s->current ? &s->steps[s->current - 1] : NULL;
}

/* From here on the lines are about this step. */
static void turn_to(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    uint8_t newline[] = {'\n'};
    const struct wcow_buf gap = {.data = newline, .len = sizeof(newline)};
    if (s->current == step->number)
        return;
    if (s->current)
        say(s, s->current, "...");
    if (s->has_shown)
        wcow_progress_print(s->fd, &gap);
    s->has_shown = true;
    s->current = step->number;
    say(s, step->number, "%s", step->name);
    print_ended_items(s, step);
}

static void start(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    if (!current_of(s))
        turn_to(s, step);
}

static bool is_worth_a_line(const struct wcow_progress_item *item)
{
    if (item->done)
        return true;
    uint64_t since = item->shown_ms ? item->shown_ms : item->start_ms;
    if (item->end_ms - since >= STATUS_EVERY_MS)
        return true;
    return item->total > 0 && item->current > item->shown &&
           (item->current - item->shown) * 100 / item->total >= STATUS_EVERY_PERCENT;
}

static void status(struct wcow_progress_state *s, struct wcow_progress_step *step,
                   struct wcow_progress_item *item)
{
    if (!current_of(s))
        turn_to(s, step);
    if (s->current == step->number && !item->done_shown && is_worth_a_line(item))
        print_item(s, step, item);
}

static void log_line(struct wcow_progress_state *s, struct wcow_progress_step *step,
                     const char *line)
{
    turn_to(s, step);
    say(s, step->number, "%.3f %s", (double)(wcow_progress_now_ms() - step->start_ms) / 1000, line);
}

static void say_end(struct wcow_progress_state *s, const struct wcow_progress_step *step)
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

static void end(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    turn_to(s, step);
    print_ended_items(s, step);
    say_end(s, step);
    s->current = 0;
    /* One that is still at work has its turn. */
    for (size_t i = 0; i < s->n_steps && !s->current; i++) {
        if (!s->steps[i].ended)
            turn_to(s, &s->steps[i]);
    }
}

static void finish(struct wcow_progress_state *s)
{
    wcow_progress_print_failed(s);
}

const struct wcow_progress_display wcow_progress_plain = {
    .start = start, .status = status, .log = log_line, .end = end, .finish = finish};
