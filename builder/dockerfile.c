/* SPDX-License-Identifier: Apache-2.0 */
/* Physical lines to logical lines: directives, comments, continuations, here-documents. */
#include "builder/dockerfile.h"

#include <stdlib.h>
#include <string.h>

#include "builder/dockerfile_args.h"
#include "builder/words_text.h"

struct parser {
    struct wcow_dockerfile *out;
    const char *data;
    size_t len;
    size_t pos;
    unsigned line; /* of what was read last, from 1 */
    bool directives_over;
    struct wcow_strings comments; /* since the last instruction */
    size_t node_cap;
    size_t warning_cap;
    struct wcow_line_range where; /* what an error is about */
    struct wcow_error *err;
};

/* A physical line; `len` counts its line break, `text_len` does not. */
struct line {
    const char *text;
    size_t len;
    size_t text_len;
};

static int out_of_memory(struct parser *p)
{
    return WCOW_FAIL(p->err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
}

/* *ret_more: whether there was a line. */
static int next_line(struct parser *p, struct line *ret, bool *ret_more)
{
    *ret_more = p->pos < p->len;
    if (!*ret_more)
        return WCOW_OK;
    const char *start = p->data + p->pos;
    size_t left = p->len - p->pos;
    const char *end = memchr(start, '\n', left);
    size_t text_len = end ? (size_t)(end - start) : left;
    *ret = (struct line){start, text_len + (end ? 1 : 0), text_len};
    p->pos += ret->len;
    p->line++;
    if (text_len > WCOW_DOCKERFILE_MAX_LINE_BYTES) {
        p->where = (struct wcow_line_range){p->line, p->line};
        return WCOW_FAIL(
            p->err, WCOW_E_LIMIT,
            "line %u has %zu bytes, more than the %d that a line may have: break it up "
            "with %c at line ends",
            p->line, text_len, WCOW_DOCKERFILE_MAX_LINE_BYTES, p->out->escape);
    }
    while (ret->text_len > 0 && ret->text[ret->text_len - 1] == '\r')
        ret->text_len--;
    return WCOW_OK;
}

static void trim_left(struct line *line)
{
    const char *text = line->text;
    wcow_text_trim_left(&text, &line->text_len);
    line->text = text;
}

static bool is_comment(struct line line)
{
    trim_left(&line);
    return line.text_len > 0 && line.text[0] == '#';
}

static bool is_blank(struct line line)
{
    trim_left(&line);
    return line.text_len == 0;
}

/* Cut the escape character (and blanks behind it) off the end of a line that goes on in the next.
 * An escape character before it makes it plain. */
static bool cut_continuation(const struct parser *p, struct line *line)
{
    size_t n = line->text_len;
    while (n > 0 && (line->text[n - 1] == ' ' || line->text[n - 1] == '\t'))
        n--;
    char escape = p->out->escape;
    if (n == 0 || line->text[n - 1] != escape || (n > 1 && line->text[n - 2] == escape))
        return false;
    line->text_len = n - 1;
    return true;
}

/* --- directives --- */

static int keep_directive(struct parser *p, const struct wcow_directive *directive)
{
    struct wcow_dockerfile *out = p->out;
    for (size_t i = 0; i < out->directive_count; i++) {
        if (strcmp(out->directives[i].name, directive->name) == 0)
            return WCOW_FAIL(
                p->err, WCOW_E_INVALID,
                "only one %s parser directive can be used: the first stands on line %u",
                directive->name, out->directives[i].where.first);
    }
    struct wcow_directive *all =
        wcow_arena_alloc(&out->arena, (out->directive_count + 1) * sizeof *all);
    if (!all)
        return out_of_memory(p);
    if (out->directive_count > 0)
        memcpy(all, out->directives, out->directive_count * sizeof *all);
    all[out->directive_count++] = *directive;
    out->directives = all;
    if (strcmp(directive->name, "escape") != 0)
        return WCOW_OK;
    if (strcmp(directive->value, "\\") != 0 && strcmp(directive->value, "`") != 0)
        return WCOW_FAIL(p->err, WCOW_E_INVALID,
                         "invalid escape token '%s' does not match ` or \\: write # escape=` or "
                         "# escape=\\",
                         directive->value);
    out->escape = directive->value[0];
    return WCOW_OK;
}

/* *ret_taken: whether the line was a directive. */
static int take_directive(struct parser *p, const struct line *line, bool *ret_taken)
{
    *ret_taken = false;
    if (p->directives_over)
        return WCOW_OK;
    struct wcow_directive directive = {0};
    int r = wcow_directive_parse(&p->out->arena, line->text, line->text_len, p->line, ret_taken,
                                 &directive, p->err);
    if (r != WCOW_OK)
        return r;
    if (!*ret_taken) {
        p->directives_over = true;
        return WCOW_OK;
    }
    p->where = directive.where;
    return keep_directive(p, &directive);
}

/* --- comments --- */

/* A comment line before an instruction may describe it; an empty one ends what came before. */
static int keep_comment(struct parser *p, const struct line *line)
{
    const char *text = line->text + 1;
    size_t len = line->text_len - 1;
    wcow_text_trim(&text, &len);
    if (len == 0) {
        p->comments = (struct wcow_strings){0};
        return WCOW_OK;
    }
    return wcow_strings_add(&p->out->arena, &p->comments,
                            wcow_arena_strndup(&p->out->arena, text, len), p->err);
}

/* --- nodes --- */

static int keep_warning(struct parser *p)
{
    struct wcow_dockerfile *out = p->out;
    if (out->warning_count == p->warning_cap) {
        p->warning_cap = p->warning_cap ? p->warning_cap * 2 : 8;
        struct wcow_parse_warning *all =
            wcow_arena_alloc(&out->arena, p->warning_cap * sizeof *all);
        if (!all)
            return out_of_memory(p);
        if (out->warning_count > 0)
            memcpy(all, out->warnings, out->warning_count * sizeof *all);
        out->warnings = all;
    }
    out->warnings[out->warning_count++] = (struct wcow_parse_warning){
        .kind = WCOW_WARN_EMPTY_CONTINUATION, .where = {p->line, p->line}};
    return WCOW_OK;
}

static int keep_node(struct parser *p, const struct wcow_node *node)
{
    struct wcow_dockerfile *out = p->out;
    if (out->node_count == p->node_cap) {
        p->node_cap = p->node_cap ? p->node_cap * 2 : 16;
        struct wcow_node *all = wcow_arena_alloc(&out->arena, p->node_cap * sizeof *all);
        if (!all)
            return out_of_memory(p);
        if (out->node_count > 0)
            memcpy(all, out->nodes, out->node_count * sizeof *all);
        out->nodes = all;
    }
    out->nodes[out->node_count++] = *node;
    return WCOW_OK;
}

static bool takes_heredocs(const struct wcow_node *node)
{
    if (node->child)
        node = node->child;
    bool may = strcmp(node->name, "add") == 0 || strcmp(node->name, "copy") == 0 ||
               strcmp(node->name, "run") == 0;
    return may && node->form != WCOW_FORM_JSON;
}

static int read_heredoc(struct parser *p, struct wcow_heredoc *doc)
{
    size_t start = p->pos;
    bool more = false;
    struct line line = {0};
    for (;;) {
        size_t end = p->pos;
        int r = next_line(p, &line, &more);
        if (r != WCOW_OK)
            return r;
        if (!more)
            return WCOW_FAIL(p->err, WCOW_E_INVALID,
                             "unterminated heredoc: a line that holds %s alone must end it",
                             doc->name);
        if (!wcow_heredoc_ends(doc, line.text, line.len))
            continue;
        doc->content_len = end - start;
        doc->content = wcow_arena_strndup(&p->out->arena, p->data + start, doc->content_len);
        return doc->content ? WCOW_OK : out_of_memory(p);
    }
}

static int read_heredocs(struct parser *p, struct wcow_node *node)
{
    if (!takes_heredocs(node))
        return WCOW_OK;
    int r = wcow_heredocs_of_line(node->original, p->out->escape, &p->out->arena, &node->heredocs,
                                  &node->heredoc_count, p->err);
    for (size_t i = 0; i < node->heredoc_count && r == WCOW_OK; i++)
        r = read_heredoc(p, &node->heredocs[i]);
    return r;
}

/* The rest of an instruction whose first line goes on. */
static int read_continuation(struct parser *p, struct wcow_buf *text, bool *ret_empty_line)
{
    bool goes_on = true;
    while (goes_on) {
        struct line line = {0};
        bool more = false;
        int r = next_line(p, &line, &more);
        if (r != WCOW_OK || !more)
            return r;
        if (is_comment(line))
            continue;
        if (is_blank(line)) {
            *ret_empty_line = true;
            continue;
        }
        goes_on = cut_continuation(p, &line);
        r = wcow_buf_add(text, line.text, line.text_len, p->err);
        if (r != WCOW_OK)
            return r;
    }
    return WCOW_OK;
}

static int read_instruction(struct parser *p, struct line first)
{
    unsigned start = p->line;
    p->where = (struct wcow_line_range){start, start};
    wcow_autobuf text = {0};
    bool goes_on = cut_continuation(p, &first);
    bool empty_line = false;
    int r = wcow_buf_add(&text, first.text, first.text_len, p->err);
    if (r == WCOW_OK && goes_on)
        r = read_continuation(p, &text, &empty_line);
    if (r == WCOW_OK && empty_line)
        r = keep_warning(p);
    if (r != WCOW_OK)
        return r;
    p->where.last = p->line;
    struct wcow_node node = {.comments = p->comments, .where = p->where};
    r = wcow_dockerfile_read_line(&p->out->arena, text.data ? (const char *)text.data : "",
                                  p->out->escape, &node, p->err);
    if (r == WCOW_OK)
        r = read_heredocs(p, &node);
    if (r != WCOW_OK)
        return r;
    node.where.last = p->line;
    p->comments = (struct wcow_strings){0};
    return keep_node(p, &node);
}

/* One step at the top level: a directive, a comment, an empty line or an instruction. */
static int read_top(struct parser *p, struct line line)
{
    trim_left(&line);
    bool directive = false;
    int r = take_directive(p, &line, &directive);
    if (r != WCOW_OK || directive || line.text_len == 0)
        return r;
    if (line.text[0] == '#')
        return keep_comment(p, &line);
    return read_instruction(p, line);
}

/* --- the file --- */

static int check_bytes(struct parser *p)
{
    if (p->len > WCOW_DOCKERFILE_MAX_BYTES)
        return WCOW_FAIL(p->err, WCOW_E_LIMIT,
                         "the Dockerfile has %zu bytes, more than the %d that are allowed", p->len,
                         WCOW_DOCKERFILE_MAX_BYTES);
    if (p->len >= 2 && (memcmp(p->data, "\xff\xfe", 2) == 0 || memcmp(p->data, "\xfe\xff", 2) == 0))
        return WCOW_FAIL(p->err, WCOW_E_INVALID, "the Dockerfile is UTF-16: save it as UTF-8");
    const char *nul = p->len ? memchr(p->data, '\0', p->len) : NULL;
    if (!nul)
        return WCOW_OK;
    unsigned line = 1;
    for (const char *c = p->data; c < nul; c++)
        line += *c == '\n';
    p->where = (struct wcow_line_range){line, line};
    return WCOW_FAIL(p->err, WCOW_E_INVALID,
                     "line %u holds a NUL byte: save the Dockerfile as UTF-8 text", line);
}

static int parse(struct parser *p)
{
    int r = check_bytes(p);
    if (r != WCOW_OK)
        return r;
    if (p->len >= 3 && memcmp(p->data, "\xef\xbb\xbf", 3) == 0)
        p->pos = 3;
    for (bool more = true; more;) {
        struct line line = {0};
        r = next_line(p, &line, &more);
        if (r == WCOW_OK && more)
            r = read_top(p, line);
        if (r != WCOW_OK)
            return r;
    }
    if (p->out->node_count > 0)
        return WCOW_OK;
    p->where = (struct wcow_line_range){p->line ? 1 : 0, p->line};
    return WCOW_FAIL(p->err, WCOW_E_INVALID,
                     "file with no instructions: a Dockerfile begins with FROM");
}

/* ONBUILD's child stands where its parent stands. */
static void place_children(struct wcow_dockerfile *out)
{
    for (size_t i = 0; i < out->node_count; i++) {
        struct wcow_node *child = out->nodes[i].child;
        if (!child)
            continue;
        child->where = out->nodes[i].where;
        child->heredocs = out->nodes[i].heredocs;
        child->heredoc_count = out->nodes[i].heredoc_count;
    }
}

int wcow_dockerfile_parse(const void *data, size_t len, struct wcow_dockerfile **ret,
                          struct wcow_line_range *where, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_dockerfile_free_p)
    struct wcow_dockerfile *out = calloc(1, sizeof *out);
    if (!out)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    out->escape = '\\';
    struct parser p = {.out = out, .data = data, .len = len, .err = err};
    int r = parse(&p);
    if (r != WCOW_OK) {
        if (where)
            *where = p.where;
        return r;
    }
    place_children(out);
    *ret = WCOW_TAKE_PTR(out);
    return WCOW_OK;
}

void wcow_dockerfile_free(struct wcow_dockerfile *dockerfile)
{
    if (!dockerfile)
        return;
    wcow_arena_done(&dockerfile->arena);
    free(dockerfile);
}

const char *wcow_dockerfile_directive(const struct wcow_dockerfile *dockerfile, const char *name)
{
    for (size_t i = 0; i < dockerfile->directive_count; i++) {
        if (strcmp(dockerfile->directives[i].name, name) == 0)
            return dockerfile->directives[i].value;
    }
    return NULL;
}
