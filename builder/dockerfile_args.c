/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/dockerfile_args.h"

#include <jansson.h>
#include <string.h>

#include "builder/words_text.h"

struct reader {
    struct wcow_arena *arena;
    char escape;
    struct wcow_error *err;
};

static int out_of_memory(const struct reader *in)
{
    return WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
}

static int add(const struct reader *in, struct wcow_strings *list, const char *text, size_t len)
{
    return wcow_strings_add(in->arena, list, wcow_arena_strndup(in->arena, text, len), in->err);
}

static int add_buf(const struct reader *in, struct wcow_strings *list, struct wcow_buf *buf)
{
    int r = add(in, list, buf->data ? (const char *)buf->data : "", buf->len);
    buf->len = 0;
    return r;
}

static bool is_space_at(const char *text, size_t len, size_t pos, size_t *ret_bytes)
{
    uint32_t c = 0;
    *ret_bytes = wcow_text_decode(text + pos, len - pos, &c);
    return wcow_text_is_space(c);
}

/* --- flags --- */

/* One flag: quotes and escapes undone. *pos stands at "--", and moves behind the flag. */
static int read_flag(const struct reader *in, const char *line, size_t len, size_t *pos,
                     struct wcow_buf *out)
{
    char quote = '\0';
    size_t n = 0;
    while (*pos < len) {
        char c = line[*pos];
        if (quote == '\0' && is_space_at(line, len, *pos, &n))
            break;
        (*pos)++;
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (quote != '\0' && c == quote) {
            quote = '\0';
            continue;
        }
        if (c == in->escape) {
            if (*pos == len)
                break;
            c = line[(*pos)++];
        }
        int r = wcow_buf_add(out, &c, 1, in->err);
        if (r != WCOW_OK)
            return r;
    }
    return WCOW_OK;
}

/* The words that begin with "--", up to the first that does not; a bare "--" ends them. */
static int read_flags(const struct reader *in, const char *line, struct wcow_strings *flags,
                      const char **ret_rest)
{
    size_t len = strlen(line);
    size_t pos = 0;
    wcow_autobuf flag = {0};
    while (pos < len) {
        size_t n = 0;
        if (is_space_at(line, len, pos, &n)) {
            pos += n;
            continue;
        }
        if (strncmp(line + pos, "--", 2) != 0)
            break;
        int r = read_flag(in, line, len, &pos, &flag);
        if (r != WCOW_OK)
            return r;
        if (flag.len == 2 && memcmp(flag.data, "--", 2) == 0)
            break;
        r = add_buf(in, flags, &flag);
        if (r != WCOW_OK)
            return r;
    }
    *ret_rest = line + pos;
    return WCOW_OK;
}

/* --- arguments --- */

static int read_string(const struct reader *in, const char *rest, struct wcow_node *node)
{
    node->form = WCOW_FORM_STRING;
    return *rest ? add(in, &node->args, rest, strlen(rest)) : WCOW_OK;
}

static int read_words(const struct reader *in, const char *rest, struct wcow_node *node)
{
    node->form = WCOW_FORM_WORDS;
    int r = WCOW_OK;
    while (*rest && r == WCOW_OK) {
        size_t n = 0;
        while (rest[n] && !wcow_text_is_blank(rest[n]))
            n++;
        r = add(in, &node->args, rest, n);
        for (rest += n; wcow_text_is_blank(*rest);)
            rest++;
    }
    return r;
}

/* A JSON string may hold NUL, which no text here can: it stands as the bytes C0 80, as in modified
 * UTF-8, until the instruction is typed and refused. */
static int add_json_string(const struct reader *in, const json_t *item, struct wcow_node *node)
{
    const char *text = json_string_value(item);
    size_t len = json_string_length(item);
    wcow_autobuf out = {0};
    int r = WCOW_OK;
    for (size_t i = 0; i < len && r == WCOW_OK; i++)
        r = text[i] ? wcow_buf_add(&out, text + i, 1, in->err)
                    : wcow_buf_add_str(&out, WCOW_NODE_NUL, in->err);
    return r == WCOW_OK ? add_buf(in, &node->args, &out) : r;
}

static int add_json_strings(const struct reader *in, json_t *array, struct wcow_node *node)
{
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(array, index, item)
    {
        if (!json_is_string(item))
            return WCOW_FAIL(in->err, WCOW_E_INVALID,
                             "the JSON array of %s holds something other than strings: write "
                             "each element in double quotes",
                             node->keyword);
        int r = add_json_string(in, item, node);
        if (r != WCOW_OK)
            return r;
    }
    node->form = WCOW_FORM_JSON;
    return WCOW_OK;
}

/* *ret_json: whether the arguments are a JSON array. */
static int read_json(const struct reader *in, const char *rest, struct wcow_node *node,
                     bool *ret_json)
{
    *ret_json = false;
    const char *text = rest;
    size_t len = strlen(rest);
    wcow_text_trim_left(&text, &len);
    if (len == 0 || *text != '[')
        return WCOW_OK;
    json_error_t why;
    json_t *array = json_loadb(text, len, JSON_ALLOW_NUL, &why);
    if (!array) {
        node->json_failed = true;
        return WCOW_OK;
    }
    int r = add_json_strings(in, array, node);
    json_decref(array);
    *ret_json = r == WCOW_OK;
    return r;
}

static int read_json_or_string(const struct reader *in, const char *rest, struct wcow_node *node)
{
    bool json = false;
    int r = read_json(in, rest, node, &json);
    return r != WCOW_OK || json ? r : read_string(in, rest, node);
}

static int read_json_or_words(const struct reader *in, const char *rest, struct wcow_node *node)
{
    bool json = false;
    int r = read_json(in, rest, node, &json);
    return r != WCOW_OK || json ? r : read_words(in, rest, node);
}

/* HEALTHCHECK: the first word, then a JSON array or a text. */
static int read_health(const struct reader *in, const char *rest, struct wcow_node *node)
{
    size_t len = strlen(rest);
    size_t n = 0;
    size_t word = 0;
    while (word < len && !is_space_at(rest, len, word, &n))
        word += n;
    node->form = WCOW_FORM_STRING;
    if (word == 0)
        return WCOW_OK;
    int r = add(in, &node->args, rest, word);
    const char *command = rest + word;
    size_t left = len - word;
    wcow_text_trim_left(&command, &left);
    return r == WCOW_OK ? read_json_or_string(in, command, node) : r;
}

/* Characters that go into a word as they are, one at least: an escape takes the next along. */
static size_t unit_at(const struct reader *in, const char *text, size_t len, size_t pos, char quote)
{
    uint32_t c = 0;
    size_t n = wcow_text_decode(text + pos, len - pos, &c);
    if (text[pos] != in->escape || quote == '\'')
        return n;
    if (pos + n == len)
        return 0; /* an escape at the very end is dropped */
    return n + wcow_text_decode(text + pos + n, len - pos - n, &c);
}

/* One word of ENV, LABEL or ARG, its quotes kept; *pos moves behind it. */
static int read_pair_word(const struct reader *in, const char *text, size_t len, size_t *pos,
                          struct wcow_buf *out)
{
    char quote = '\0';
    while (*pos < len) {
        size_t n = 0;
        if (quote == '\0' && is_space_at(text, len, *pos, &n))
            return WCOW_OK;
        char c = text[*pos];
        if (quote == '\0' && (c == '"' || c == '\''))
            quote = c;
        else if (quote != '\0' && c == quote)
            quote = '\0';
        n = unit_at(in, text, len, *pos, quote);
        if (n == 0) {
            (*pos)++;
            return WCOW_OK;
        }
        int r = wcow_buf_add(out, text + *pos, n, in->err);
        if (r != WCOW_OK)
            return r;
        *pos += n;
    }
    return WCOW_OK;
}

static int split_pair_words(const struct reader *in, const char *rest, struct wcow_strings *words)
{
    size_t len = strlen(rest);
    wcow_autobuf word = {0};
    for (size_t pos = 0; pos < len;) {
        size_t n = 0;
        if (is_space_at(rest, len, pos, &n)) {
            pos += n;
            continue;
        }
        int r = read_pair_word(in, rest, len, &pos, &word);
        if (r == WCOW_OK && word.len > 0)
            r = add_buf(in, words, &word);
        if (r != WCOW_OK)
            return r;
    }
    return WCOW_OK;
}

static int read_names(const struct reader *in, const char *rest, struct wcow_node *node)
{
    node->form = WCOW_FORM_NAMES;
    return split_pair_words(in, rest, &node->args);
}

static int add_pair(const struct reader *in, struct wcow_node *node, const char *word,
                    size_t key_len, const char *value, const char *separator)
{
    int r = add(in, &node->args, word, key_len);
    if (r == WCOW_OK)
        r = wcow_strings_add(in->arena, &node->args, value, in->err);
    return r == WCOW_OK ? wcow_strings_add(in->arena, &node->args, separator, in->err) : r;
}

/* `key the rest of the line` */
static int read_old_pair(const struct reader *in, const char *rest, struct wcow_node *node)
{
    size_t n = 0;
    while (rest[n] && !wcow_text_is_blank(rest[n]))
        n++;
    if (!rest[n])
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s must have two arguments: write %s %s=value",
                         node->keyword, node->keyword, rest);
    const char *value = rest + n;
    while (wcow_text_is_blank(*value))
        value++;
    return add_pair(in, node, rest, n, value, "");
}

static int read_pairs(const struct reader *in, const char *rest, struct wcow_node *node)
{
    struct wcow_strings words = {0};
    node->form = WCOW_FORM_PAIRS;
    int r = split_pair_words(in, rest, &words);
    if (r != WCOW_OK || words.count == 0)
        return r;
    if (!strchr(words.items[0], '='))
        return read_old_pair(in, rest, node);
    for (size_t i = 0; i < words.count && r == WCOW_OK; i++) {
        const char *equals = strchr(words.items[i], '=');
        if (!equals)
            return WCOW_FAIL(in->err, WCOW_E_INVALID,
                             "syntax error: can't find = in \"%s\": %s wants name=value; quote a "
                             "value that holds spaces",
                             words.items[i], node->keyword);
        r = add_pair(in, node, words.items[i], (size_t)(equals - words.items[i]), equals + 1, "=");
    }
    return r;
}

static int read_child(const struct reader *in, const char *rest, struct wcow_node *node)
{
    node->form = WCOW_FORM_STRING;
    if (!*rest)
        return WCOW_OK;
    struct wcow_node *child = wcow_arena_alloc(in->arena, sizeof *child);
    if (!child)
        return out_of_memory(in);
    node->child = child;
    /* ONBUILD ONBUILD … is refused later; here it must not recurse without end. */
    size_t n = strlen("onbuild");
    bool nested = strncasecmp(rest, "onbuild", n) == 0 && wcow_text_is_blank(rest[n]);
    if (!nested)
        return wcow_dockerfile_read_line(in->arena, rest, in->escape, child, in->err);
    *child = (struct wcow_node){.keyword = "ONBUILD", .name = "onbuild", .original = rest};
    child->rest = rest + n;
    return WCOW_OK;
}

/* An instruction that does not exist: told later, when all instructions are typed. */
static int read_nothing(const struct reader *in, const char *rest, struct wcow_node *node)
{
    (void)in;
    (void)rest;
    node->form = WCOW_FORM_STRING;
    return WCOW_OK;
}

typedef int read_fn(const struct reader *in, const char *rest, struct wcow_node *node);

static read_fn *reader_of(const char *name)
{
    static const struct {
        const char *name;
        read_fn *read;
    } readers[] = {
        {"add", read_json_or_words},
        {"arg", read_names},
        {"cmd", read_json_or_string},
        {"copy", read_json_or_words},
        {"entrypoint", read_json_or_string},
        {"env", read_pairs},
        {"expose", read_words},
        {"from", read_words},
        {"healthcheck", read_health},
        {"label", read_pairs},
        {"maintainer", read_string},
        {"onbuild", read_child},
        {"run", read_json_or_string},
        {"shell", read_json_or_string},
        {"stopsignal", read_string},
        {"user", read_string},
        {"volume", read_json_or_words},
        {"workdir", read_string},
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        if (strcmp(name, readers[i].name) == 0)
            return readers[i].read;
    }
    return read_nothing;
}

int wcow_dockerfile_read_line(struct wcow_arena *arena, const char *line, char escape,
                              struct wcow_node *ret, struct wcow_error *err)
{
    struct reader in = {arena, escape, err};
    struct wcow_node node = *ret;
    const char *text = line;
    size_t len = strlen(line);
    wcow_text_trim(&text, &len);
    char *all = wcow_arena_strndup(arena, text, len);
    node.original = wcow_arena_strdup(arena, line);
    size_t n = 0;
    while (n < len && !wcow_text_is_blank(text[n]))
        n++;
    node.keyword = wcow_arena_strndup(arena, text, n);
    char *name = wcow_arena_strndup(arena, text, n);
    if (!all || !node.original || !node.keyword || !name)
        return out_of_memory(&in);
    for (char *c = name; *c; c++)
        *c = wcow_text_lower(*c);
    node.name = name;
    const char *rest = all + n;
    int r = read_flags(&in, rest, &node.flags, &rest);
    if (r != WCOW_OK)
        return r;
    size_t rest_len = strlen(rest);
    wcow_text_trim(&rest, &rest_len);
    node.rest = rest;
    r = reader_of(name)(&in, rest, &node);
    if (r == WCOW_OK)
        *ret = node;
    return r;
}
