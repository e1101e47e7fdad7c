/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/ast_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"

/* JSON has UTF-8 alone: a byte that is none becomes U+FFFD. */
static json_t *text_of(const char *text, size_t len)
{
    if (wcow_utf8_is_valid(text, len))
        return json_stringn(text, len);
    wcow_autobuf fixed = {0};
    for (size_t pos = 0; pos < len;) {
        uint32_t c = 0;
        size_t n = wcow_wtf8_decode(text + pos, len - pos, &c);
        bool good = n > 0 && wcow_utf8_is_valid(text + pos, n);
        bool nul = !good && len - pos >= 2 && memcmp(text + pos, WCOW_NODE_NUL, 2) == 0;
        int r = WCOW_OK;
        if (good)
            r = wcow_buf_add(&fixed, text + pos, n, NULL);
        else
            r = nul ? wcow_buf_add(&fixed, "", 1, NULL)
                    : wcow_buf_add_str(&fixed, "\xef\xbf\xbd", NULL);
        if (r != WCOW_OK)
            return NULL;
        pos += nul ? 2 : n ? n : 1;
    }
    return json_stringn((const char *)fixed.data, fixed.len);
}

static json_t *string_of(const char *text)
{
    return text_of(text, strlen(text));
}

/* Adding NULL fails, and a failure stays: `good` is asked about once at the end. */
static void put(json_t *object, const char *key, json_t *value, bool *good)
{
    *good = json_object_set_new(object, key, value) == 0 && *good;
}

static json_t *strings_of(const struct wcow_strings *strings, bool *good)
{
    json_t *array = json_array();
    for (size_t i = 0; i < strings->count; i++)
        *good = json_array_append_new(array, string_of(strings->items[i])) == 0 && *good;
    return array;
}

static json_t *range_of(struct wcow_line_range where)
{
    return json_pack("{s:i, s:i}", "start", (int)where.first, "end", (int)where.last);
}

static json_t *heredocs_of(const struct wcow_node *node, bool *good)
{
    json_t *array = json_array();
    for (size_t i = 0; i < node->heredoc_count; i++) {
        const struct wcow_heredoc *doc = &node->heredocs[i];
        json_t *object = json_object();
        put(object, "name", string_of(doc->name), good);
        put(object, "fileDescriptor", json_integer(doc->fd), good);
        put(object, "expand", json_boolean(doc->expand), good);
        put(object, "chomp", json_boolean(doc->strip_tabs), good);
        put(object, "content", text_of(doc->content, doc->content_len), good);
        *good = json_array_append_new(array, object) == 0 && *good;
    }
    return array;
}

static const char *form_name(const struct wcow_node *node)
{
    static const char *const names[] = {
        [WCOW_FORM_STRING] = "string", [WCOW_FORM_WORDS] = "words", [WCOW_FORM_JSON] = "json",
        [WCOW_FORM_PAIRS] = "pairs",   [WCOW_FORM_NAMES] = "names",
    };
    return node->child ? "instruction" : names[node->form];
}

static json_t *node_of(const struct wcow_node *node, bool *good)
{
    json_t *object = json_object();
    put(object, "name", string_of(node->name), good);
    put(object, "keyword", string_of(node->keyword), good);
    put(object, "flags", strings_of(&node->flags, good), good);
    put(object, "form", json_string(form_name(node)), good);
    put(object, "json", json_boolean(node->form == WCOW_FORM_JSON), good);
    put(object, "arguments", strings_of(&node->args, good), good);
    put(object, "heredocs", heredocs_of(node, good), good);
    put(object, "lines", range_of(node->where), good);
    put(object, "comments", strings_of(&node->comments, good), good);
    put(object, "original", string_of(node->original), good);
    return object;
}

/* ONBUILD holds one instruction, which holds no other. */
static json_t *top_node_of(const struct wcow_node *node, bool *good)
{
    json_t *object = node_of(node, good);
    if (node->child)
        put(object, "instruction", node_of(node->child, good), good);
    return object;
}

static json_t *directives_of(const struct wcow_dockerfile *dockerfile, bool *good)
{
    json_t *array = json_array();
    for (size_t i = 0; i < dockerfile->directive_count; i++) {
        const struct wcow_directive *directive = &dockerfile->directives[i];
        json_t *object = json_object();
        put(object, "name", string_of(directive->name), good);
        put(object, "value", string_of(directive->value), good);
        put(object, "lines", range_of(directive->where), good);
        *good = json_array_append_new(array, object) == 0 && *good;
    }
    return array;
}

static json_t *warnings_of(const struct wcow_dockerfile *dockerfile, bool *good)
{
    json_t *array = json_array();
    for (size_t i = 0; i < dockerfile->warning_count; i++) {
        json_t *object = json_object();
        put(object, "rule", json_string("NoEmptyContinuation"), good);
        put(object, "lines", range_of(dockerfile->warnings[i].where), good);
        *good = json_array_append_new(array, object) == 0 && *good;
    }
    return array;
}

static json_t *file_of(const struct wcow_dockerfile *dockerfile, bool *good)
{
    json_t *root = json_object();
    const char escape[2] = {dockerfile->escape, '\0'};
    put(root, "escape", json_string(escape), good);
    put(root, "directives", directives_of(dockerfile, good), good);
    json_t *nodes = json_array();
    for (size_t i = 0; i < dockerfile->node_count; i++) {
        json_t *node = top_node_of(&dockerfile->nodes[i], good);
        *good = json_array_append_new(nodes, node) == 0 && *good;
    }
    put(root, "instructions", nodes, good);
    put(root, "warnings", warnings_of(dockerfile, good), good);
    return root;
}

int wcow_ast_json(const struct wcow_dockerfile *dockerfile, char **ret, struct wcow_error *err)
{
    bool good = true;
    json_t *root = file_of(dockerfile, &good);
    wcow_autofree char *text = good ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    wcow_autobuf out = {0};
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory writing the parse tree");
    int r = wcow_buf_addf(&out, err, "%s\n", text);
    if (r != WCOW_OK)
        return r;
    *ret = wcow_buf_take_str(&out);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory writing the parse tree");
}
