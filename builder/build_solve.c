/* SPDX-License-Identifier: Apache-2.0 */
/* Which stages run, and when: each that the target needs on a thread of its own, all platforms at
 * once. A stage waits where it needs another; how many steps are at work at once is limited. The
 * first error ends all. */
#include "builder/build_solve.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cond.h"
#include "builder/words.h"

enum {
    POLL_MS = 20,
    LEAST_SLOTS = 2, /* whoever waits for a registry leaves the processor to another */
    MOST_SLOTS = 8,  /* of the default: each has its buffers */
};

struct wcow_solver {
    const atomic_bool *user; /* Ctrl-C; may be NULL */
    atomic_bool stop;        /* Ctrl-C, or a stage failed */
    pthread_mutex_t lock;    /* of all below, and of the stages' progress */
    pthread_cond_t changed;
    pthread_t watcher;
    bool has_watcher;
    bool is_over;
    size_t running; /* stages */
    unsigned slots; /* free */
    int code;       /* of the first error */
    struct wcow_error error;
    struct wcow_line_range where;
};

/* ---- Ctrl-C ---- */

/* A signal handler can set a flag and no more: this turns it into the end of whatever waits. */
static void *watch(void *arg)
{
    struct wcow_solver *s = arg;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->is_over) {
        wcow_cond_wait_ms(&s->changed, &s->lock, POLL_MS);
        if (atomic_load(s->user) && !atomic_exchange(&s->stop, true))
            (void)pthread_cond_broadcast(&s->changed);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

static unsigned default_slots(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < LEAST_SLOTS)
        return LEAST_SLOTS;
    return processors > MOST_SLOTS ? MOST_SLOTS : (unsigned)processors;
}

int wcow_solver_new(const struct wcow_build_options *options, struct wcow_solver **ret,
                    struct wcow_error *err)
{
    struct wcow_solver *s = calloc(1, sizeof(*s));
    if (!s)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build");
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    s->user = options->cancel;
    s->slots = options->max_parallelism ? options->max_parallelism : default_slots();
    if (s->user && pthread_create(&s->watcher, NULL, watch, s) != 0) {
        wcow_solver_free(s);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "cannot start a thread");
    }
    s->has_watcher = s->user != NULL;
    *ret = s;
    return WCOW_OK;
}

void wcow_solver_free(struct wcow_solver *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->is_over = true;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->has_watcher)
        (void)pthread_join(s->watcher, NULL);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

const atomic_bool *wcow_solver_stop(const struct wcow_solver *s)
{
    return &s->stop;
}

/* ---- slots ---- */

static int cancelled(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
}

int wcow_build_take_slot(struct wcow_build *b, struct wcow_error *err)
{
    struct wcow_solver *s = b->solver;
    (void)pthread_mutex_lock(&s->lock);
    while (s->slots == 0 && !atomic_load(&s->stop))
        (void)pthread_cond_wait(&s->changed, &s->lock);
    bool stops = atomic_load(&s->stop);
    s->slots -= !stops;
    (void)pthread_mutex_unlock(&s->lock);
    return stops ? cancelled(err) : WCOW_OK;
}

void wcow_build_give_slot(struct wcow_build *b)
{
    struct wcow_solver *s = b->solver;
    (void)pthread_mutex_lock(&s->lock);
    s->slots++;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- stages ---- */

/* The first error counts; what others say of being stopped does not. */
static void note_failure(struct wcow_solver *solver, int code, const struct wcow_stage_state *s,
                         const struct wcow_error *err)
{
    bool is_first = solver->code == WCOW_OK;
    if (!is_first && (solver->code != WCOW_E_CANCELLED || code == WCOW_E_CANCELLED))
        return;
    solver->code = code;
    solver->error = *err;
    solver->where = s->where;
    atomic_store(&solver->stop, true);
}

static void *run_stage(void *arg)
{
    struct wcow_stage_state *s = arg;
    struct wcow_build *b = s->variant->build;
    struct wcow_solver *solver = b->solver;
    struct wcow_error err = {0};
    int r = wcow_build_stage(b, s, &err);
    (void)pthread_mutex_lock(&solver->lock);
    s->progress = r < 0 ? WCOW_STAGE_FAILED : WCOW_STAGE_DONE;
    if (r < 0)
        note_failure(solver, r, s, &err);
    solver->running--;
    (void)pthread_cond_broadcast(&solver->changed);
    (void)pthread_mutex_unlock(&solver->lock);
    return NULL;
}

/* With the lock held. */
static void start(struct wcow_solver *solver, struct wcow_stage_state *s)
{
    if (s->progress != WCOW_STAGE_IDLE)
        return;
    s->progress = WCOW_STAGE_RUNNING;
    solver->running++;
    int failed = pthread_create(&s->thread, NULL, run_stage, s);
    s->has_thread = failed == 0;
    if (!failed)
        return;
    struct wcow_error err = {0};
    solver->running--;
    s->progress = WCOW_STAGE_FAILED;
    int r = WCOW_FAIL(&err, WCOW_E_NOMEM, "cannot start a thread for a stage: %s",
                      strerrordesc_np(failed));
    note_failure(solver, r, s, &err);
}

int wcow_build_await(struct wcow_build *b, const struct wcow_stage_state *s, size_t index,
                     struct wcow_stage_state **ret, struct wcow_error *err)
{
    struct wcow_solver *solver = b->solver;
    struct wcow_stage_state *other = &s->variant->stages[index];
    (void)pthread_mutex_lock(&solver->lock);
    start(solver, other);
    while (other->progress == WCOW_STAGE_RUNNING && !atomic_load(&solver->stop))
        (void)pthread_cond_wait(&solver->changed, &solver->lock);
    bool is_done = other->progress == WCOW_STAGE_DONE;
    (void)pthread_mutex_unlock(&solver->lock);
    if (!is_done)
        return cancelled(err);
    *ret = other;
    return WCOW_OK;
}

/* ---- which of them ---- */

static void want(struct wcow_build *b, struct wcow_variant *v, size_t index);

static void want_named(struct wcow_build *b, struct wcow_variant *v, const char *name,
                       size_t before, bool is_base)
{
    ssize_t index = -1;
    if (wcow_build_is_named(b, name) ||
        wcow_build_stage_named(b, &v->stages[before], name, &index, NULL) < 0 || index < 0)
        return;
    v->stages[index].is_below |= is_base;
    want(b, v, (size_t)index);
}

/* Those that one is known to need, before it: its base, and those it copies from. What only turns
 * out later (a mount of RUN, a trigger of the base) is started then. */
// NOLINTNEXTLINE(misc-no-recursion)
static void want(struct wcow_build *b, struct wcow_variant *v, size_t index)
{
    struct wcow_stage_state *s = &v->stages[index];
    if (s->progress != WCOW_STAGE_IDLE || s->is_wanted)
        return;
    s->is_wanted = true;
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, &v->globals);
    const char *base = NULL;
    if (wcow_words_expand(&lexer, s->stage->base, &v->arena, &base, NULL) == WCOW_OK)
        want_named(b, v, base, index, true);
    for (size_t i = 0; i < s->stage->instruction_count; i++) {
        const struct wcow_instruction *ins = &s->stage->instructions[i];
        if ((ins->kind == WCOW_INS_COPY || ins->kind == WCOW_INS_ADD) && ins->copy.from)
            want_named(b, v, ins->copy.from, index, false);
    }
}

static void join_all(struct wcow_build *b)
{
    for (size_t i = 0; i < b->n_variants; i++) {
        for (size_t k = 0; k < b->file->stage_count; k++) {
            struct wcow_stage_state *s = &b->variants[i].stages[k];
            if (s->has_thread)
                (void)pthread_join(s->thread, NULL);
            s->has_thread = false;
        }
    }
}

static void start_wanted(struct wcow_build *b)
{
    for (size_t i = 0; i < b->n_variants; i++) {
        for (size_t k = 0; k < b->file->stage_count; k++) {
            struct wcow_stage_state *s = &b->variants[i].stages[k];
            if (s->is_wanted)
                start(b->solver, s);
        }
    }
}

int wcow_build_solve(struct wcow_build *b, struct wcow_error *err)
{
    struct wcow_solver *s = b->solver;
    for (size_t i = 0; i < b->n_variants; i++) {
        wcow_build_target_of(b, i)->is_below = true;
        want(b, &b->variants[i], b->target);
    }
    (void)pthread_mutex_lock(&s->lock);
    start_wanted(b);
    while (s->running > 0)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
    join_all(b);
    if (s->code == WCOW_OK)
        return WCOW_OK;
    b->where = s->where;
    if (err)
        *err = s->error;
    return s->code;
}
