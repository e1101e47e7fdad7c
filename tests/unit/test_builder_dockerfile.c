/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/ast_json.h"
#include "builder/dockerfile.h"
#include "wcow_test.h"

static struct wcow_dockerfile *parse(const char *text)
{
    struct wcow_dockerfile *file = NULL;
    assert_ok(wcow_dockerfile_parse(text, strlen(text), &file, NULL, &err));
    return file;
}

static void dump_words(const struct wcow_node *node, struct wcow_buf *out)
{
    for (size_t k = 0; k < node->flags.count; k++)
        assert_ok(wcow_buf_addf(out, &err, " {%s}", node->flags.items[k]));
    for (size_t k = 0; k < node->args.count; k++)
        assert_ok(wcow_buf_addf(out, &err, "%s%s", k ? "|" : " ", node->args.items[k]));
}

/* "name [flag|…] arg|arg" of each node, a line each. */
static void dump(const struct wcow_dockerfile *file, struct wcow_buf *out)
{
    for (size_t i = 0; i < file->node_count; i++) {
        const struct wcow_node *node = &file->nodes[i];
        assert_ok(wcow_buf_addf(out, &err, "%s%s", i ? "\n" : "", node->name));
        dump_words(node, out);
    }
}

static void lines_become_instructions(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"FROM a", "from a"},
        {"from a as b", "from a|as|b"},
        {"\xef\xbb\xbf"
         "FROM a\r\n",
         "from a"},
        {"\n\n  FROM a\n\n", "from a"},
        {"# c\nFROM a\n# d\n", "from a"},
        {"RUN a \\\n  b", "run a   b"},
        {"RUN a \\  \t\nb", "run a b"},
        {"RUN a \\\r\nb\r\n", "run a b"},
        {"RUN a \\\n# comment\nb", "run a b"},
        {"RUN a \\\n\n\nb", "run a b"},
        {"RUN a \\", "run a"},
        {"RUN a \\\\\nRUN b", "run a \\\\\nrun b"},
        {"# escape=`\nRUN a `\nb\\\nRUN c", "run a b\\\nrun c"},
        {"#escape = `\nCOPY a C:\\", "copy a|C:\\"},
        {"# syntax=x\n# escape=`\nRUN a `\nb", "run a b"},
        {"# nothing\n# escape=`\nRUN a `\nRUN b", "run a `\nrun b"},
        {"\n# escape=`\nRUN a `\nRUN b", "run a `\nrun b"},
        {"CMD [\"a\", \"b c\"]", "cmd a|b c"},
        {"CMD [ ]", "cmd"},
        {"CMD ['a']", "cmd ['a']"},
        {"CMD [\"a\", \"b\"] x", "cmd [\"a\", \"b\"] x"},
        {"CMD [\"C:\\\\app\"]", "cmd C:\\app"},
        {"CMD [\"C:\\app\"]", "cmd [\"C:\\app\"]"},
        {"COPY [\"a b\", \"c\"]", "copy a b|c"},
        {"COPY a  b\tc", "copy a|b|c"},
        {"COPY --from=x --chown=a:b a b", "copy {--from=x} {--chown=a:b} a|b"},
        {"COPY --x=\"a b\" c d", "copy {--x=a b} c|d"},
        {"COPY --x=a\\ b c d", "copy {--x=a b} c|d"},
        {"COPY -- --a b", "copy --a|b"},
        {"RUN - --x", "run - --x"},
        {"ENV a=b c=d", "env a|b|=|c|d|="},
        {"ENV a b c", "env a|b c|"},
        {"ENV a=\"b c\" d='e f'", "env a|\"b c\"|=|d|'e f'|="},
        {"ENV a=b\\ c", "env a|b\\ c|="},
        {"ENV a=", "env a||="},
        {"ARG a b=c d=\"e f\"", "arg a|b=c|d=\"e f\""},
        {"LABEL a=b", "label a|b|="},
        {"HEALTHCHECK NONE", "healthcheck NONE"},
        {"HEALTHCHECK --retries=3 CMD a b", "healthcheck {--retries=3} CMD|a b"},
        {"HEALTHCHECK CMD [\"a\",\"b\"]", "healthcheck CMD|a|b"},
        {"EXPOSE 80 443/tcp", "expose 80|443/tcp"},
        {"WORKDIR C:\\a b", "workdir C:\\a b"},
        {"ONBUILD RUN x", "onbuild"},
        {"NOSUCH a b", "nosuch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_dockerfile *file = parse(cases[i][0]);
        wcow_autobuf dumped = {0};
        dump(file, &dumped);
        const char *got = (const char *)dumped.data;
        if (!got || strcmp(got, cases[i][1]) != 0)
            fail_msg("%s:\ngot    %s\nwanted %s", cases[i][0], got, cases[i][1]);
        wcow_dockerfile_free(file);
    }
}

static void each_instruction_knows_its_lines_and_comments(void **state)
{
    (void)state;
    struct wcow_dockerfile *file = parse("# dropped\n#\n# kept\nFROM a\nRUN a \\\n# in\n\n b\nCOPY "
                                         "<<E <<F /\nx\nE\ny\nF\nUSER u\n");
    assert_int_equal(file->node_count, 4);
    assert_int_equal(file->nodes[0].comments.count, 1);
    assert_string_equal(file->nodes[0].comments.items[0], "kept");
    assert_int_equal(file->nodes[0].where.first, 4);
    assert_int_equal(file->nodes[1].where.first, 5);
    assert_int_equal(file->nodes[1].where.last, 8);
    assert_int_equal(file->nodes[2].where.first, 9);
    assert_int_equal(file->nodes[2].where.last, 13);
    assert_int_equal(file->nodes[3].where.first, 14);
    assert_int_equal(file->warning_count, 1);
    assert_int_equal(file->warnings[0].where.first, 8);
    wcow_dockerfile_free(file);
}

static void heredocs_are_kept_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *name;
        const char *content;
        bool expand;
        bool strip_tabs;
        unsigned fd;
    } cases[] = {
        {"RUN <<EOF\na\nb\nEOF", "EOF", "a\nb\n", true, false, 0},
        {"RUN <<EOF\r\na\r\nEOF\r\n", "EOF", "a\r\n", true, false, 0},
        {"RUN <<-EOF\n\ta\n\tEOF", "EOF", "\ta\n", true, true, 0},
        {"RUN <<'EOF'\n$x\nEOF", "EOF", "$x\n", false, false, 0},
        {"RUN <<\"EOF\"\nEOF", "EOF", "", false, false, 0},
        {"RUN << EOF\nEOF\n", "EOF", "", true, false, 0},
        {"RUN 3<<EOF\nEOF\n", "EOF", "", true, false, 3},
        {"COPY <<\"my file.txt\" C:/\n# x \\\nmy file.txt\n", "my file.txt", "# x \\\n", false,
         false, 0},
        {"ADD <<EOF a\nEOF \nEOF", "EOF", "EOF \n", true, false, 0},
        {"ONBUILD COPY <<EOF a\nx\nEOF", "EOF", "x\n", true, false, 0},
        {"# escape=`\nCOPY <<EOF \"C:\\d\\\"\nC:\\x\nEOF", "EOF", "C:\\x\n", true, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_dockerfile *file = parse(cases[i].text);
        assert_int_equal(file->node_count, 1);
        assert_int_equal(file->nodes[0].heredoc_count, 1);
        const struct wcow_heredoc *doc = &file->nodes[0].heredocs[0];
        assert_string_equal(doc->name, cases[i].name);
        assert_string_equal(doc->content, cases[i].content);
        assert_int_equal(doc->expand, cases[i].expand);
        assert_int_equal(doc->strip_tabs, cases[i].strip_tabs);
        assert_int_equal(doc->fd, cases[i].fd);
        wcow_dockerfile_free(file);
    }
}

static void some_lines_only_look_like_heredocs(void **state)
{
    (void)state;
    static const char *const cases[] = {"RUN a '<<EOF'",  "RUN \"<<EOF\"", "RUN [\"<<EOF\"]",
                                        "CMD <<EOF",      "RUN a <<<b",    "RUN a <<",
                                        "RUN 'open <<EOF"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_dockerfile *file = parse(cases[i]);
        if (file->nodes[0].heredoc_count != 0)
            fail_msg("%s has a here-document", cases[i]);
        wcow_dockerfile_free(file);
    }
}

static void errors_name_their_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
        unsigned first;
        unsigned last;
    } cases[] = {
        {"", "no instructions", 0, 0},
        {"# only\n# comments\n", "no instructions", 1, 2},
        {"# escape=`\n# escape=`\nFROM a", "only one escape", 2, 2},
        {"# syntax=a\n# check=skip=all\n# SYNTAX=b\n", "only one syntax", 3, 3},
        {"# escape=x\nFROM a", "invalid escape token 'x'", 1, 1},
        {"FROM a\nENV x\n", "two arguments", 2, 2},
        {"FROM a\nENV x=1 \\\n y\n", "can't find = in \"y\"", 2, 3},
        {"FROM a\nCMD [1]\n", "other than strings", 2, 2},
        {"FROM a\nCOPY [\"a\", {}]\n", "other than strings", 2, 2},
        {"FROM a\nRUN <<EOF\nx\n", "unterminated heredoc", 2, 2},
        {"\xff\xfe"
         "F",
         "UTF-16", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_dockerfile *file = NULL;
        struct wcow_line_range where = {0};
        struct wcow_error e = {0};
        assert_int_equal(
            wcow_dockerfile_parse(cases[i].text, strlen(cases[i].text), &file, &where, &e),
            WCOW_E_INVALID);
        if (!strstr(e.msg, cases[i].message))
            fail_msg("%s: '%s'", cases[i].text, e.msg);
        assert_int_equal(where.first, cases[i].first);
        assert_int_equal(where.last, cases[i].last);
        assert_null(file);
    }
}

static void a_line_may_have_65535_bytes(void **state)
{
    (void)state;
    enum { MOST = WCOW_DOCKERFILE_MAX_LINE_BYTES };
    char *text = malloc(MOST + 64);
    assert_non_null(text);
    (void)snprintf(text, 16, "FROM a\nRUN ");
    memset(text + 11, 'x', MOST + 32);
    struct wcow_dockerfile *file = NULL;
    struct wcow_line_range where = {0};
    assert_ok(wcow_dockerfile_parse(text, 7 + MOST, &file, NULL, &err));
    wcow_dockerfile_free(file);
    assert_fails(wcow_dockerfile_parse(text, 7 + MOST + 1, &file, &where, &err), WCOW_E_LIMIT);
    assert_int_equal(where.first, 2);
    free(text);
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    struct wcow_dockerfile *file = NULL;
    struct wcow_line_range where = {0};
    assert_fails(wcow_dockerfile_parse("FROM a\nRUN \0", 12, &file, &where, &err), WCOW_E_INVALID);
    assert_int_equal(where.first, 2);
}

static void the_tree_prints_as_json(void **state)
{
    (void)state;
    struct wcow_dockerfile *file = parse(
        "# escape=`\nFROM a\nONBUILD COPY --from=b <<E C:\\\nx\nE\nCMD [\"a\\u0000\xc3\xa9\"]\n"
        "LABEL a=\xff");
    char *text = NULL;
    assert_ok(wcow_ast_json(file, &text, &err));
    json_error_t why;
    json_t *root = json_loads(text, JSON_ALLOW_NUL, &why);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "escape")), "`");
    json_t *all = json_object_get(root, "instructions");
    assert_int_equal(json_array_size(all), 4);
    json_t *onbuild = json_array_get(all, 1);
    json_t *copy = json_object_get(onbuild, "instruction");
    assert_string_equal(json_string_value(json_object_get(copy, "name")), "copy");
    assert_int_equal(json_array_size(json_object_get(copy, "flags")), 1);
    assert_int_equal(json_array_size(json_object_get(copy, "heredocs")), 1);
    json_t *lines = json_object_get(onbuild, "lines");
    assert_int_equal(json_integer_value(json_object_get(lines, "start")), 3);
    assert_int_equal(json_integer_value(json_object_get(lines, "end")), 5);
    json_t *cmd = json_array_get(json_object_get(json_array_get(all, 2), "arguments"), 0);
    assert_int_equal(json_string_length(cmd), 4);
    json_decref(root);
    free(text);
    wcow_dockerfile_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_instructions),
        cmocka_unit_test(each_instruction_knows_its_lines_and_comments),
        cmocka_unit_test(heredocs_are_kept_as_written),
        cmocka_unit_test(some_lines_only_look_like_heredocs),
        cmocka_unit_test(errors_name_their_lines),
        cmocka_unit_test(a_line_may_have_65535_bytes),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(the_tree_prints_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
