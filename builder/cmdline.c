/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/cmdline.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* --- argv to a line --- */

static int add_backslashes(struct wcow_buf *out, size_t count, struct wcow_error *err)
{
    int r = WCOW_OK;
    while (count-- > 0 && r == WCOW_OK)
        r = wcow_buf_add(out, "\\", 1, err);
    return r;
}

int wcow_cmdline_quote(const char *arg, struct wcow_buf *out, struct wcow_error *err)
{
    bool quoted = !*arg || strpbrk(arg, " \t");
    int r = quoted ? wcow_buf_add(out, "\"", 1, err) : WCOW_OK;
    size_t backslashes = 0; /* directly before here */
    for (; *arg && r == WCOW_OK; arg++) {
        if (*arg == '"')
            r = add_backslashes(out, backslashes + 1, err);
        backslashes = *arg == '\\' ? backslashes + 1 : 0;
        if (r == WCOW_OK)
            r = wcow_buf_add(out, arg, 1, err);
    }
    if (r != WCOW_OK || !quoted)
        return r;
    r = add_backslashes(out, backslashes, err);
    return r == WCOW_OK ? wcow_buf_add(out, "\"", 1, err) : r;
}

int wcow_cmdline_join(const char *const *argv, size_t count, struct wcow_buf *out,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < count && r == WCOW_OK; i++) {
        if (i > 0)
            r = wcow_buf_add(out, " ", 1, err);
        if (r == WCOW_OK)
            r = wcow_cmdline_quote(argv[i], out, err);
    }
    return r;
}

/* --- a line to argv --- */

/* The program's name: quotes enclose it or white space ends it; a backslash is nothing special. */
static const char *cut_program(const char *line, const char **ret, size_t *ret_len)
{
    if (*line == '"') {
        size_t n = strcspn(line + 1, "\"");
        *ret = line + 1;
        *ret_len = n;
        return line + 1 + n + (line[1 + n] == '"');
    }
    *ret = line;
    *ret_len = strcspn(line, " \t");
    return line + *ret_len;
}

/* One argument behind it; *line moves to its end. */
static int cut_argument(const char **line, struct wcow_buf *out, struct wcow_error *err)
{
    const char *c = *line;
    bool quoted = false;
    int r = WCOW_OK;
    while (*c && (quoted || !is_space(*c)) && r == WCOW_OK) {
        size_t backslashes = strspn(c, "\\");
        c += backslashes;
        if (*c != '"') {
            r = add_backslashes(out, backslashes, err);
            if (r == WCOW_OK && *c && (quoted || !is_space(*c)))
                r = wcow_buf_add(out, c++, 1, err);
            continue;
        }
        r = add_backslashes(out, backslashes / 2, err);
        /* an odd backslash makes the quote plain; so does a quote before it, which closes too */
        bool doubled = quoted && backslashes % 2 == 0 && c[1] == '"';
        if (r == WCOW_OK && (backslashes % 2 == 1 || doubled))
            r = wcow_buf_add(out, "\"", 1, err);
        if (backslashes % 2 == 0)
            quoted = !quoted;
        c += doubled ? 2 : 1;
    }
    *line = c;
    return r;
}

int wcow_cmdline_split(const char *line, struct wcow_arena *arena, struct wcow_strings *ret,
                       struct wcow_error *err)
{
    struct wcow_strings argv = {0};
    while (is_space(*line))
        line++;
    if (*line) {
        const char *program = NULL;
        size_t len = 0;
        line = cut_program(line, &program, &len);
        int r = wcow_strings_add(arena, &argv, wcow_arena_strndup(arena, program, len), err);
        if (r != WCOW_OK)
            return r;
    }
    for (;;) {
        while (is_space(*line))
            line++;
        if (!*line)
            break;
        wcow_autobuf arg = {0};
        int r = cut_argument(&line, &arg, err);
        const char *text = arg.data ? (const char *)arg.data : "";
        if (r == WCOW_OK)
            r = wcow_strings_add(arena, &argv, wcow_arena_strndup(arena, text, arg.len), err);
        if (r != WCOW_OK)
            return r;
    }
    *ret = argv;
    return WCOW_OK;
}

/* --- what the config holds --- */

struct wcow_strings wcow_cmdline_default_shell(void)
{
    static const char *words[] = {"cmd", "/S", "/C", NULL};
    return (struct wcow_strings){words, 3};
}

/* The shell's words as they are, spaces between, and the text behind them. */
static int add_shell_line(const struct wcow_strings *shell, const char *text, struct wcow_buf *out,
                          struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < shell->count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, err, "%s ", shell->items[i]);
    return r == WCOW_OK ? wcow_buf_add_str(out, text, err) : r;
}

static int one_line(struct wcow_arena *arena, const struct wcow_buf *line,
                    struct wcow_cmdline_config *ret, struct wcow_error *err)
{
    struct wcow_cmdline_config config = {.args_escaped = true};
    const char *text = line->data ? (const char *)line->data : "";
    int r = wcow_strings_add(arena, &config.args, wcow_arena_strndup(arena, text, line->len), err);
    if (r == WCOW_OK)
        *ret = config;
    return r;
}

int wcow_cmdline_config_of(const struct wcow_ins_command *command, const struct wcow_strings *shell,
                           struct wcow_arena *arena, struct wcow_cmdline_config *ret,
                           struct wcow_error *err)
{
    if (!command->shell || command->args.count == 0) {
        *ret = (struct wcow_cmdline_config){.args = command->args};
        return WCOW_OK;
    }
    wcow_autobuf line = {0};
    int r = add_shell_line(shell, command->args.items[0], &line, err);
    return r == WCOW_OK ? one_line(arena, &line, ret, err) : r;
}

static int escape(struct wcow_arena *arena, struct wcow_cmdline_config *config,
                  struct wcow_error *err)
{
    wcow_autobuf line = {0};
    int r = wcow_cmdline_join(config->args.items, config->args.count, &line, err);
    return r == WCOW_OK ? one_line(arena, &line, config, err) : r;
}

int wcow_cmdline_unify(struct wcow_arena *arena, struct wcow_cmdline_config *entrypoint,
                       struct wcow_cmdline_config *cmd, struct wcow_error *err)
{
    if (entrypoint->args.count == 0 || cmd->args.count == 0 ||
        entrypoint->args_escaped == cmd->args_escaped)
        return WCOW_OK;
    return escape(arena, entrypoint->args_escaped ? cmd : entrypoint, err);
}

bool wcow_cmdline_is_script(const struct wcow_ins_command *command)
{
    if (command->heredoc_count != 1)
        return false;
    const char *text = command->args.items[0];
    size_t n = strcspn(text, "<");
    return strspn(text, "0123456789") == n && !strpbrk(text + n, " \t");
}

int wcow_cmdline_of_run(const struct wcow_ins_command *command, const struct wcow_strings *shell,
                        struct wcow_buf *out, struct wcow_error *err)
{
    if (!command->shell)
        return wcow_cmdline_join(command->args.items, command->args.count, out, err);
    if (command->args.count == 0)
        return WCOW_OK;
    if (!wcow_cmdline_is_script(command))
        return add_shell_line(shell, command->args.items[0], out, err);
    const char *content = command->heredocs[0].content;
    size_t len = strlen(content);
    while (len > 0 && (content[len - 1] == '\n' || content[len - 1] == '\r'))
        len--;
    int r = add_shell_line(shell, "", out, err);
    return r == WCOW_OK ? wcow_buf_add(out, content, len, err) : r;
}
