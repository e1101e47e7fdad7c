/* SPDX-License-Identifier: Apache-2.0 */
/* An expression as a program of a machine that is in many places at once (Thompson's): for each
 * code point of the text it goes one step from each, so that time grows with the text and with the
 * program, but never faster. */
#include "snapshotter/regex.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "snapshotter/regex_internal.h"

enum { MAX_STEPS = 10000 };
enum op { OP_SET, OP_HERE, OP_JUMP, OP_SPLIT, OP_MATCH };

struct step {
    enum op op;
    size_t a, b; /* SET: first range and their number; HERE: place; JUMP: a; SPLIT: a and b */
};

/* Places, each once, and whether one is among them in constant time. */
struct places {
    size_t *dense;
    size_t *sparse;
    size_t n;
};

struct wcow_regex {
    struct wcow_regex_range *ranges;
    struct step *steps;
    size_t n_steps;
    struct places now, next;
    size_t *stack;
};

/* ---- from the tree to the program ---- */

static int emit(struct wcow_regex *regex, struct step step, size_t *ret_at, struct wcow_error *err)
{
    if (regex->n_steps == MAX_STEPS)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the expression is too large: it has more than %d steps", MAX_STEPS);
    if (ret_at)
        *ret_at = regex->n_steps;
    regex->steps[regex->n_steps++] = step;
    return WCOW_OK;
}

static int emit_node(struct wcow_regex *regex, const struct wcow_regex_node *node,
                     struct wcow_error *err);

/* Before each branch but the last a split, behind it a jump to the end. The jumps are chained until
 * that is known. */
static int emit_any(struct wcow_regex *regex, const struct wcow_regex_node *node,
                    struct wcow_error *err)
{
    size_t jump = SIZE_MAX;
    int r = WCOW_OK;
    for (const struct wcow_regex_node *c = node->child; r == WCOW_OK && c; c = c->next) {
        size_t split = 0;
        if (!c->next) {
            r = emit_node(regex, c, err);
            break;
        }
        r = emit(regex, (struct step){.op = OP_SPLIT, .a = regex->n_steps + 1}, &split, err);
        if (r == WCOW_OK)
            r = emit_node(regex, c, err);
        if (r == WCOW_OK)
            r = emit(regex, (struct step){.op = OP_JUMP, .a = jump}, &jump, err);
        regex->steps[split].b = regex->n_steps;
    }
    while (jump != SIZE_MAX) {
        size_t before = regex->steps[jump].a;
        regex->steps[jump].a = regex->n_steps;
        jump = before;
    }
    return r;
}

/* x{2,4} is xx(x(x)?)?, x{2,} is xx with a way back, x* a loop of its own. */
static int emit_repeat(struct wcow_regex *regex, const struct wcow_regex_node *node,
                       struct wcow_error *err)
{
    bool forever = node->max == WCOW_REGEX_FOREVER;
    size_t last = regex->n_steps;
    size_t split = SIZE_MAX;
    int r = WCOW_OK;
    for (uint32_t i = 0; r == WCOW_OK && i < node->min; i++) {
        last = regex->n_steps;
        r = emit_node(regex, node->child, err);
    }
    if (r == WCOW_OK && forever && node->min > 0)
        return emit(regex, (struct step){.op = OP_SPLIT, .a = last, .b = regex->n_steps + 1}, NULL,
                    err);
    for (uint32_t i = forever ? 0 : node->min; r == WCOW_OK && i < (forever ? 1 : node->max); i++) {
        r = emit(regex, (struct step){.op = OP_SPLIT, .a = regex->n_steps + 1, .b = split}, &split,
                 err);
        if (r == WCOW_OK)
            r = emit_node(regex, node->child, err);
    }
    if (r == WCOW_OK && forever)
        r = emit(regex, (struct step){.op = OP_JUMP, .a = split}, NULL, err);
    while (split != SIZE_MAX) {
        size_t before = regex->steps[split].b;
        regex->steps[split].b = regex->n_steps;
        split = before;
    }
    return r;
}

static int emit_node(struct wcow_regex *regex, const struct wcow_regex_node *node,
                     struct wcow_error *err)
{
    int r = WCOW_OK;
    switch (node->kind) {
    case WCOW_REGEX_SET:
        return emit(regex, (struct step){.op = OP_SET, .a = node->first_range, .b = node->n_ranges},
                    NULL, err);
    case WCOW_REGEX_HERE:
        return emit(regex, (struct step){.op = OP_HERE, .a = node->place}, NULL, err);
    case WCOW_REGEX_ALL:
        for (const struct wcow_regex_node *c = node->child; r == WCOW_OK && c; c = c->next)
            r = emit_node(regex, c, err);
        return r;
    case WCOW_REGEX_ANY:
        return emit_any(regex, node, err);
    case WCOW_REGEX_REPEAT:
        return emit_repeat(regex, node, err);
    }
    return r;
}

static bool make_room(struct wcow_regex *regex)
{
    size_t n = regex->n_steps;
    regex->now.dense = calloc(n, sizeof(size_t));
    regex->now.sparse = calloc(n, sizeof(size_t));
    regex->next.dense = calloc(n, sizeof(size_t));
    regex->next.sparse = calloc(n, sizeof(size_t));
    regex->stack = calloc(2 * n, sizeof(size_t)); /* each place pushes two at most, once */
    return regex->now.dense && regex->now.sparse && regex->next.dense && regex->next.sparse &&
           regex->stack;
}

int wcow_regex_compile(const char *expression, struct wcow_regex **ret, struct wcow_error *err)
{
    if (strlen(expression) > WCOW_REGEX_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression is longer than %d bytes",
                         WCOW_REGEX_MAX_BYTES);
    WCOW_CLEANUP(wcow_regex_tree_done) struct wcow_regex_tree tree = {0};
    int r = wcow_regex_parse(expression, &tree, err);
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_regex_free_p) struct wcow_regex *regex = calloc(1, sizeof(*regex));
    if (regex)
        regex->steps = calloc(MAX_STEPS, sizeof(*regex->steps));
    if (!regex || !regex->steps)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an expression");
    regex->ranges = WCOW_TAKE_PTR(tree.ranges.items);
    r = emit_node(regex, tree.root, err);
    if (r == WCOW_OK)
        r = emit(regex, (struct step){.op = OP_MATCH}, NULL, err);
    if (r < 0)
        return r;
    if (!make_room(regex))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an expression");
    *ret = WCOW_TAKE_PTR(regex);
    return WCOW_OK;
}

void wcow_regex_free(struct wcow_regex *regex)
{
    if (!regex)
        return;
    free(regex->ranges);
    free(regex->steps);
    free(regex->now.dense);
    free(regex->now.sparse);
    free(regex->next.dense);
    free(regex->next.sparse);
    free(regex->stack);
    free(regex);
}

/* ---- running it ---- */

/* Between two code points; -1 where there is none. */
struct gap {
    int64_t before, behind;
};

static bool is_word(int64_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_at(enum wcow_regex_place place, const struct gap *gap)
{
    switch (place) {
    case WCOW_REGEX_TEXT_BEGIN:
        return gap->before < 0;
    case WCOW_REGEX_TEXT_END:
        return gap->behind < 0;
    case WCOW_REGEX_LINE_BEGIN:
        return gap->before < 0 || gap->before == '\n';
    case WCOW_REGEX_LINE_END:
        return gap->behind < 0 || gap->behind == '\n';
    case WCOW_REGEX_WORD_EDGE:
        return is_word(gap->before) != is_word(gap->behind);
    case WCOW_REGEX_NO_WORD_EDGE:
        return is_word(gap->before) == is_word(gap->behind);
    }
    return false;
}

static bool add(struct places *places, size_t at)
{
    size_t i = places->sparse[at];
    if (i < places->n && places->dense[i] == at)
        return false;
    places->sparse[at] = places->n;
    places->dense[places->n++] = at;
    return true;
}

/* To @p at and wherever that leads without a code point. @return whether to a match */
static bool go_to(const struct wcow_regex *regex, struct places *places, size_t at,
                  const struct gap *gap)
{
    size_t n = 0;
    regex->stack[n++] = at;
    while (n > 0) {
        at = regex->stack[--n];
        if (!add(places, at))
            continue;
        const struct step *step = &regex->steps[at];
        if (step->op == OP_MATCH)
            return true;
        if (step->op == OP_JUMP || step->op == OP_SPLIT)
            regex->stack[n++] = step->a;
        if (step->op == OP_SPLIT)
            regex->stack[n++] = step->b;
        if (step->op == OP_HERE && is_at((enum wcow_regex_place)step->a, gap))
            regex->stack[n++] = at + 1;
    }
    return false;
}

static bool has(const struct wcow_regex_range *ranges, size_t n, uint32_t c)
{
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].high < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ranges[low].low <= c;
}

/* @return the code point at @p text, -1 at its end */
static int64_t look(const char *text, size_t len, size_t *ret_bytes)
{
    uint32_t c = 0;
    *ret_bytes = len ? wcow_wtf8_decode(text, len, &c) : 0;
    if (len && *ret_bytes == 0) {
        *ret_bytes = 1; /* no UTF-8: stands for nothing */
        c = 0xfffd;
    }
    return len ? (int64_t)c : -1;
}

bool wcow_regex_matches(const struct wcow_regex *regex, const char *text)
{
    struct places now = regex->now;
    struct places next = regex->next;
    size_t left = strlen(text);
    size_t n_bytes = 0;
    struct gap gap = {.before = -1, .behind = look(text, left, &n_bytes)};
    now.n = 0;
    for (;;) {
        if (go_to(regex, &now, 0, &gap)) /* a match may begin anywhere */
            return true;
        if (gap.behind < 0)
            return false;
        uint32_t c = (uint32_t)gap.behind;
        text += n_bytes;
        left -= n_bytes;
        gap = (struct gap){.before = gap.behind, .behind = look(text, left, &n_bytes)};
        next.n = 0;
        for (size_t i = 0; i < now.n; i++) {
            const struct step *step = &regex->steps[now.dense[i]];
            if (step->op == OP_SET && has(regex->ranges + step->a, step->b, c) &&
                go_to(regex, &next, now.dense[i] + 1, &gap))
                return true;
        }
        struct places taken = now;
        now = next;
        next = taken;
    }
}
