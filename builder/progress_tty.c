/* SPDX-License-Identifier: Apache-2.0 */
/* Progress on a terminal: a region that is drawn again and again in place, a line a step, as
 * docker buildx draws it. Only what fits the screen is shown while the build goes on; the whole of
 * it at the end. */
#include "builder/progress_colours.h"
#include "builder/progress_display.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { DEFAULT_COLUMNS = 80, DEFAULT_ROWS = 24, MAX_COLUMNS = 512, TIME_WIDTH = 8, SHOWN_LOGS = 6 };

struct screen {
    size_t columns;
    size_t rows;
    bool colour;
    struct wcow_progress_colours colours;
};

static struct screen screen_of(int fd)
{
    struct winsize ws = {0};
    struct screen screen = {.columns = DEFAULT_COLUMNS, .rows = DEFAULT_ROWS};
    if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20 && ws.ws_row > 4) {
        screen.columns = ws.ws_col;
        screen.rows = ws.ws_row;
    }
    if (screen.columns > MAX_COLUMNS)
        screen.columns = MAX_COLUMNS;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *no_colour = getenv("NO_COLOR");
    screen.colour = !no_colour || !*no_colour;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    screen.colours = wcow_progress_colours_of(getenv("BUILDKIT_COLORS"));
    return screen;
}

static const char *colour_of(const struct screen *screen, const struct wcow_progress_step *step)
{
    if (!step->ended)
        return "";
    switch (step->how) {
    case WCOW_PROGRESS_ERROR:
        return screen->colours.codes[WCOW_COLOUR_ERROR];
    case WCOW_PROGRESS_CANCELED:
        return screen->colours.codes[WCOW_COLOUR_CANCEL];
    case WCOW_PROGRESS_DONE:
    case WCOW_PROGRESS_CACHED:
        break;
    }
    return screen->colours.codes[WCOW_COLOUR_RUN];
}

/* Bytes of @p text that fill at most @p columns; continuation bytes of UTF-8 take none. */
static size_t fit(const char *text, size_t columns, size_t *ret_used)
{
    size_t used = 0;
    size_t i = 0;
    for (; text[i]; i++) {
        bool starts = ((unsigned char)text[i] & 0xC0) != 0x80;
        if (starts && used == columns)
            break;
        used += starts;
    }
    *ret_used = used;
    return i;
}

/* One line: text to the left, seconds to the right. */
static void add_line(struct wcow_buf *out, const struct screen *screen, const char *colour,
                     const char *text, const char *right)
{
    size_t width = screen->columns - TIME_WIDTH - 1;
    size_t used = 0;
    size_t n = fit(text, width, &used);
    bool coloured = screen->colour && *colour;
    (void)!wcow_buf_addf(out, NULL, "%s%.*s%*s%*s%s\033[K\n", coloured ? colour : "", (int)n, text,
                         (int)(width - used), "", TIME_WIDTH, right, coloured ? "\033[0m" : "");
}

static void add_item(struct wcow_buf *out, const struct screen *screen,
                     const struct wcow_progress_step *step, const struct wcow_progress_item *item)
{
    char text[1024];
    char current[16];
    char total[16];
    char right[16];
    wcow_progress_size(item->current, current);
    wcow_progress_size(item->total, total);
    uint64_t end_ms = item->done || step->ended ? item->end_ms : wcow_progress_now_ms();
    (void)snprintf(right, sizeof(right), "%.1fs", (double)(end_ms - item->start_ms) / 1000);
    if (item->total > 0)
        (void)snprintf(text, sizeof(text), " => => %s %s / %s", item->id, current, total);
    else if (item->current > 0)
        (void)snprintf(text, sizeof(text), " => => %s: %s", item->id, current);
    else
        (void)snprintf(text, sizeof(text), " => => %s", item->id);
    add_line(out, screen, colour_of(screen, step), text, right);
}

static void add_step(struct wcow_buf *out, const struct screen *screen,
                     const struct wcow_progress_step *step)
{
    char text[2048];
    char right[16];
    const char *mark = "";
    if (step->ended && step->how == WCOW_PROGRESS_CACHED)
        mark = "CACHED ";
    else if (step->ended && step->how == WCOW_PROGRESS_ERROR)
        mark = "ERROR ";
    else if (step->ended && step->how == WCOW_PROGRESS_CANCELED)
        mark = "CANCELED ";
    uint64_t end_ms = step->ended ? step->end_ms : wcow_progress_now_ms();
    (void)snprintf(text, sizeof(text), " => %s%s", mark, step->name);
    (void)snprintf(right, sizeof(right), "%.1fs", (double)(end_ms - step->start_ms) / 1000);
    add_line(out, screen, colour_of(screen, step), text, right);
}

/* How many of its last lines a step at work shows. */
static size_t logs_of(const struct wcow_progress_step *step)
{
    size_t n = step->n_logs < SHOWN_LOGS ? step->n_logs : SHOWN_LOGS;
    return step->ended ? 0 : n;
}

static size_t lines_of(const struct wcow_progress_step *step)
{
    return 1 + step->n_items + logs_of(step);
}

static void add_logs(struct wcow_buf *out, const struct screen *screen,
                     const struct wcow_progress_step *step)
{
    size_t kept = step->n_logs < WCOW_PROGRESS_LOGS ? step->n_logs : WCOW_PROGRESS_LOGS;
    size_t n = logs_of(step);
    for (size_t i = kept - n; i < kept; i++) {
        const struct wcow_progress_log_line *line = wcow_progress_log_at(step, i);
        char text[1024];
        (void)snprintf(text, sizeof(text), " => => # %s", line && line->text ? line->text : "");
        add_line(out, screen, "", text, "");
    }
}

/* Which steps to show where only @p rows lines fit: those at work, then those that ended last. */
static void choose(struct wcow_progress_state *s, size_t rows)
{
    size_t lines = 0;
    for (size_t i = 0; i < s->n_steps; i++)
        s->steps[i].is_shown = false;
    for (int ended = 0; ended < 2; ended++) {
        for (size_t i = s->n_steps; i > 0; i--) {
            struct wcow_progress_step *step = &s->steps[i - 1];
            if (step->ended != (ended == 1))
                continue;
            if (lines + lines_of(step) > rows && lines > 0)
                return;
            step->is_shown = true;
            lines += lines_of(step);
        }
    }
}

static void add_title(const struct wcow_progress_state *s, const struct screen *screen, bool final,
                      struct wcow_buf *out)
{
    char text[128];
    size_t used = 0;
    size_t ended = 0;
    bool failed = false;
    for (size_t i = 0; i < s->n_steps; i++) {
        ended += s->steps[i].ended;
        failed |= s->steps[i].ended && s->steps[i].how == WCOW_PROGRESS_ERROR;
    }
    double seconds = (double)(wcow_progress_now_ms() - s->start_ms) / 1000;
    const char *state = final ? (failed ? "ERROR" : "FINISHED") : "";
    (void)snprintf(text, sizeof(text), "[+] Building %.1fs (%zu/%zu) %s", seconds, ended,
                   s->n_steps, state);
    (void)!wcow_buf_addf(out, NULL, "%.*s\033[K\n", (int)fit(text, screen->columns - 1, &used),
                         text);
}

static void draw(struct wcow_progress_state *s, bool final)
{
    struct screen screen = screen_of(s->fd);
    wcow_autobuf out = {0};
    if (s->drawn_lines > 0)
        (void)!wcow_buf_addf(&out, NULL, "\033[%zuF", s->drawn_lines);
    add_title(s, &screen, final, &out);
    s->drawn_lines = 1;
    choose(s, screen.rows - 2);
    for (size_t i = 0; i < s->n_steps; i++) {
        const struct wcow_progress_step *step = &s->steps[i];
        if (!final && !step->is_shown)
            continue;
        add_step(&out, &screen, step);
        for (size_t k = 0; k < step->n_items; k++)
            add_item(&out, &screen, step, &step->items[k]);
        add_logs(&out, &screen, step);
        s->drawn_lines += lines_of(step);
    }
    (void)!wcow_buf_add_str(&out, "\033[J", NULL);
    wcow_progress_print(s->fd, &out);
}

static void tick(struct wcow_progress_state *s)
{
    draw(s, false);
}

static void on_step(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    (void)s;
    (void)step; /* the next tick shows it */
}

static void on_status(struct wcow_progress_state *s, struct wcow_progress_step *step,
                      struct wcow_progress_item *item)
{
    (void)s;
    (void)step;
    (void)item;
}

static void on_log(struct wcow_progress_state *s, struct wcow_progress_step *step, const char *line)
{
    (void)s;
    (void)step;
    (void)line;
}

static void finish(struct wcow_progress_state *s)
{
    draw(s, true);
    wcow_progress_print_failed(s);
}

const struct wcow_progress_display wcow_progress_tty = {.start = on_step,
                                                        .status = on_status,
                                                        .log = on_log,
                                                        .end = on_step,
                                                        .tick = tick,
                                                        .finish = finish};
