/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/diagnostic.h"

#include <string.h>

#include "base/utf.h"
#include "builder/words_text.h"
#include "image/http.h"

enum {
    SUGGEST_DISTANCE = 3,   /* nearer than this */
    SUGGEST_MAX_BYTES = 63, /* longer words have no typing errors worth guessing */
    EXCERPT_AROUND = 4,     /* lines around one line; around several the half */
};

static const char *line_at(const char *source, size_t len, size_t *pos, size_t *ret_len)
{
    const char *start = source + *pos;
    size_t left = len - *pos;
    const char *end = left ? memchr(start, '\n', left) : NULL;
    size_t n = end ? (size_t)(end - start) : left;
    *pos += n + (end ? 1 : 0);
    *ret_len = n > 0 && start[n - 1] == '\r' ? n - 1 : n;
    return start;
}

/* As buildx counts them: what follows the last line break is a line too, even when empty. */
static unsigned count_lines(const char *source, size_t len)
{
    unsigned lines = 1;
    for (size_t pos = 0; pos < len; pos++)
        lines += source[pos] == '\n';
    return lines;
}

/* Widen the range as buildx does: up and down in turn, until the budget is spent. */
static struct wcow_line_range widen(struct wcow_line_range where, unsigned lines)
{
    unsigned budget = where.first == where.last ? EXCERPT_AROUND : EXCERPT_AROUND / 2;
    for (unsigned used = 0; used < budget; used++) {
        if (where.first > 1) {
            where.first--;
            used++;
        }
        if (where.last < lines) {
            where.last++;
            used++;
        }
    }
    return where;
}

int wcow_diagnostic_excerpt(struct wcow_buf *out, const char *file_name, const void *source,
                            size_t len, struct wcow_line_range where, struct wcow_error *err)
{
    static const char rule[] = "--------------------\n";
    unsigned lines = count_lines(source, len);
    if (where.first == 0 || where.first > lines)
        return WCOW_OK;
    if (where.last < where.first)
        where.last = where.first;
    if (where.last > lines)
        where.last = lines;
    struct wcow_line_range shown = widen(where, lines);
    const size_t begin = out->len;
    int r = wcow_buf_addf(out, err, "%s:%u\n%s", file_name, where.first, rule);
    size_t pos = 0;
    for (unsigned line = 1; line <= shown.last && r == WCOW_OK; line++) {
        size_t n = 0;
        const char *text = line_at(source, len, &pos, &n);
        if (line < shown.first)
            continue;
        bool marked = line >= where.first && line <= where.last;
        r = wcow_buf_addf(out, err, " %3u | %s %.*s\n", line, marked ? ">>>" : "   ", (int)n, text);
    }
    if (r == WCOW_OK)
        r = wcow_buf_add_str(out, rule, err);
    if (r == WCOW_OK) { /* the Dockerfile may be a foreign repository's */
        char *text = (char *)out->data + begin;
        wcow_utf8_tame(text, out->len - begin);
        out->len = begin + wcow_http_mask_logins(text, out->len - begin);
    }
    return r;
}

/* Levenshtein distance of two short words, letter case ignored. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[SUGGEST_MAX_BYTES + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = wcow_text_lower(a[i - 1]) == wcow_text_lower(b[j - 1]);
            size_t best = diagonal + (same ? 0 : 1);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_len];
}

const char *wcow_diagnostic_suggest(const char *word, const char *const *candidates, size_t count)
{
    size_t len = strlen(word);
    const char *best = NULL;
    size_t best_distance = SUGGEST_DISTANCE;
    for (size_t i = 0; i < count && len <= SUGGEST_MAX_BYTES; i++) {
        size_t candidate_len = strlen(candidates[i]);
        if (candidate_len > SUGGEST_MAX_BYTES)
            continue;
        size_t d = distance(word, len, candidates[i], candidate_len);
        if (d < best_distance && d < len) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
