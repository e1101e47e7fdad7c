/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cond.h"
#include "base/fd.h"
#include "base/utf.h"
#include "builder/progress_display.h"
#include "image/http.h"

enum {
    TICK_MS = 100,
    TELL_BYTES = 1 << 20, /* told again when so many more are there */
};

struct wcow_progress {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t ticker;
    bool has_ticker;
    bool stopping;
    const struct wcow_progress_display *display; /* NULL: quiet */
    struct wcow_progress_state state;
};

uint64_t wcow_progress_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void wcow_progress_print(int fd, const struct wcow_buf *text)
{
    struct wcow_error ignored = {0}; /* nobody is left to be told */
    (void)!wcow_fd_write(fd, text->data, text->len, "progress", &ignored);
}

void wcow_progress_size(uint64_t bytes, char out[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit < 6) {
        value /= 1000;
        unit++;
    }
    if (unit == 0)
        (void)snprintf(out, 16, "%uB", (unsigned)bytes);
    else
        (void)snprintf(out, 16, "%.2f%s", value, units[unit]);
}

const struct wcow_progress_log_line *wcow_progress_log_at(const struct wcow_progress_step *step,
                                                          size_t i)
{
    size_t kept = step->n_logs < WCOW_PROGRESS_LOGS ? step->n_logs : WCOW_PROGRESS_LOGS;
    return i < kept ? &step->logs[(step->n_logs - kept + i) % WCOW_PROGRESS_LOGS] : NULL;
}

void wcow_progress_print_failed(struct wcow_progress_state *s)
{
    for (size_t i = 0; i < s->n_steps; i++) {
        const struct wcow_progress_step *step = &s->steps[i];
        const struct wcow_progress_log_line *line = NULL;
        wcow_autobuf out = {0};
        if (!step->ended || step->how != WCOW_PROGRESS_ERROR)
            continue;
        (void)!wcow_buf_addf(&out, NULL, "------\n > %s:\n", step->name);
        for (size_t k = 0; (line = wcow_progress_log_at(step, k)); k++)
            (void)!wcow_buf_addf(&out, NULL, "%.3f %s\n", (double)line->ms / 1000,
                                 line->text ? line->text : "");
        (void)!wcow_buf_add_str(&out, "------\n", NULL);
        wcow_progress_print(s->fd, &out);
    }
}

int wcow_progress_parse(const char *text, int fd, enum wcow_progress_mode *ret,
                        struct wcow_error *err)
{
    static const struct {
        const char *name;
        enum wcow_progress_mode mode;
    } modes[] = {{"plain", WCOW_PROGRESS_PLAIN},
                 {"tty", WCOW_PROGRESS_TTY},
                 {"quiet", WCOW_PROGRESS_QUIET},
                 {"none", WCOW_PROGRESS_QUIET},
                 {"rawjson", WCOW_PROGRESS_RAWJSON}};
    if (strcmp(text, "auto") == 0) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
        const char *term = getenv("TERM");
        bool moves = isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
        *ret = moves ? WCOW_PROGRESS_TTY : WCOW_PROGRESS_PLAIN;
        return WCOW_OK;
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(text, modes[i].name) == 0) {
            *ret = modes[i].mode;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--progress is auto, plain, tty, quiet or rawjson, not \"%s\"", text);
}

static const struct wcow_progress_display *display_of(enum wcow_progress_mode mode)
{
    switch (mode) {
    case WCOW_PROGRESS_PLAIN:
        return &wcow_progress_plain;
    case WCOW_PROGRESS_TTY:
        return &wcow_progress_tty;
    case WCOW_PROGRESS_RAWJSON:
        return &wcow_progress_rawjson;
    case WCOW_PROGRESS_QUIET:
        break;
    }
    return NULL;
}

static void *tick(void *arg)
{
    struct wcow_progress *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        wcow_cond_wait_ms(&p->wake, &p->lock, TICK_MS);
        p->display->tick(&p->state);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

int wcow_progress_new(enum wcow_progress_mode mode, int fd, struct wcow_progress **ret,
                      struct wcow_error *err)
{
    struct wcow_progress *p = calloc(1, sizeof(*p));
    if (!p)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the progress display");
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake, NULL);
    p->display = display_of(mode);
    p->state.fd = fd;
    p->state.start_ms = wcow_progress_now_ms();
    /* Without the thread the region is drawn at each event only. */
    if (p->display && p->display->tick)
        p->has_ticker = pthread_create(&p->ticker, NULL, tick, p) == 0;
    *ret = p;
    return WCOW_OK;
}

static void step_done(struct wcow_progress_step *step)
{
    for (size_t i = 0; i < step->n_items; i++)
        free(step->items[i].id);
    free(step->items);
    free(step->name);
    free(step->message);
    for (size_t i = 0; i < WCOW_PROGRESS_LOGS; i++)
        free(step->logs[i].text);
}

void wcow_progress_free(struct wcow_progress *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    if (p->has_ticker)
        (void)pthread_join(p->ticker, NULL);
    if (p->display)
        p->display->finish(&p->state);
    for (size_t i = 0; i < p->state.n_steps; i++)
        step_done(&p->state.steps[i]);
    free(p->state.steps);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Where memory is out a build goes on unseen: 0 is no step. */
static unsigned add_step(struct wcow_progress_state *s, const char *name)
{
    struct wcow_progress_step *grown = reallocarray(s->steps, s->n_steps + 1, sizeof(*grown));
    if (!grown)
        return 0;
    s->steps = grown;
    char *copy = strdup(name);
    if (!copy)
        return 0;
    wcow_utf8_tame(copy, strlen(copy)); /* it quotes the Dockerfile */
    (void)wcow_http_mask_logins(copy, strlen(copy));
    unsigned number = (unsigned)s->n_steps + 1;
    grown[s->n_steps++] = (struct wcow_progress_step){
        .number = number, .name = copy, .start_ms = wcow_progress_now_ms()};
    return number;
}

static struct wcow_progress_step *step_of(struct wcow_progress *p, unsigned number)
{
    return number >= 1 && number <= p->state.n_steps ? &p->state.steps[number - 1] : NULL;
}

unsigned wcow_progress_start(struct wcow_progress *p, const char *name)
{
    (void)pthread_mutex_lock(&p->lock);
    unsigned number = add_step(&p->state, name);
    if (number && p->display)
        p->display->start(&p->state, step_of(p, number));
    (void)pthread_mutex_unlock(&p->lock);
    return number;
}

static struct wcow_progress_item *item_of(struct wcow_progress_step *step, const char *id,
                                          uint64_t now_ms)
{
    for (size_t i = 0; i < step->n_items; i++) {
        if (strcmp(step->items[i].id, id) == 0)
            return &step->items[i];
    }
    struct wcow_progress_item *grown = reallocarray(step->items, step->n_items + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    step->items = grown;
    char *copy = strdup(id);
    if (!copy)
        return NULL;
    grown[step->n_items] = (struct wcow_progress_item){.id = copy, .start_ms = now_ms};
    return &grown[step->n_items++];
}

void wcow_progress_status(struct wcow_progress *p, unsigned number, const char *id,
                          uint64_t current, uint64_t total, bool done)
{
    (void)pthread_mutex_lock(&p->lock);
    struct wcow_progress_step *step = step_of(p, number);
    uint64_t now_ms = wcow_progress_now_ms();
    struct wcow_progress_item *item = step ? item_of(step, id, now_ms) : NULL;
    if (item) {
        item->current = current;
        item->total = total;
        item->done = done;
        item->end_ms = now_ms; /* one that is new has taken no time yet */
        if (p->display)
            p->display->status(&p->state, step, item);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

void wcow_progress_bytes_grown(void *ctx, uint64_t done)
{
    struct wcow_progress_bytes *b = ctx;
    if (done < b->told + TELL_BYTES)
        return;
    b->told = done;
    wcow_progress_status(b->progress, b->number, b->id, done, 0, false);
}

void wcow_progress_log(struct wcow_progress *p, unsigned number, const char *line)
{
    (void)pthread_mutex_lock(&p->lock);
    struct wcow_progress_step *step = step_of(p, number);
    if (step) {
        struct wcow_progress_log_line *kept = &step->logs[step->n_logs++ % WCOW_PROGRESS_LOGS];
        free(kept->text);
        *kept = (struct wcow_progress_log_line){.ms = wcow_progress_now_ms() - step->start_ms,
                                                .text = strdup(line)};
        if (p->display)
            p->display->log(&p->state, step, line);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

enum wcow_progress_end wcow_progress_end_of(int code, bool is_cached)
{
    if (code == WCOW_E_CANCELLED)
        return WCOW_PROGRESS_CANCELED;
    if (code < 0)
        return WCOW_PROGRESS_ERROR;
    return is_cached ? WCOW_PROGRESS_CACHED : WCOW_PROGRESS_DONE;
}

void wcow_progress_end(struct wcow_progress *p, unsigned number, enum wcow_progress_end how,
                       const char *message)
{
    (void)pthread_mutex_lock(&p->lock);
    struct wcow_progress_step *step = step_of(p, number);
    if (step && !step->ended) {
        step->ended = true;
        step->how = how;
        step->end_ms = wcow_progress_now_ms();
        step->message = message ? strdup(message) : NULL;
        if (step->message)
            (void)wcow_http_mask_logins(step->message, strlen(step->message));
        if (p->display)
            p->display->end(&p->state, step);
    }
    (void)pthread_mutex_unlock(&p->lock);
}
