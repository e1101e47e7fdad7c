/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_command.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* The line's first word. */
struct program {
    const char *name; /* without its folder and ".exe" */
    size_t len;
};

static struct program program_of(const char *line)
{
    const bool is_quoted = *line == '"';
    const char *word = line + is_quoted;
    const size_t end = strcspn(word, is_quoted ? "\"" : " \t");
    size_t from = end;
    while (from > 0 && !strchr("\\/", word[from - 1]))
        from--;
    size_t len = end - from;
    if (len >= 4 && strncasecmp(word + from + len - 4, ".exe", 4) == 0)
        len -= 4;
    return (struct program){.name = word + from, .len = len};
}

static bool is_named(const struct program *p, const char *name)
{
    return p->len == strlen(name) && strncasecmp(p->name, name, p->len) == 0;
}

/* Wine's mklink says that it failed, and then goes on as if it had not. */
static bool makes_junction(const char *text)
{
    const char *command = text ? strcasestr(text, "mklink ") : NULL;
    return command && strcasestr(command, " /j ");
}

int wcow_wine_check_command(const char *line, const char *script, struct wcow_error *err)
{
    const struct program program = program_of(line);
    if (makes_junction(line) || makes_junction(script))
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "mklink /J: Wine makes no junctions: copy, or make hard links (mklink /H)");
    if (is_named(&program, "powershell"))
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "RUN by powershell: Windows PowerShell needs the .NET Framework, which "
            "Wine does not have: use SHELL [\"cmd\", \"/S\", \"/C\"], or put PowerShell "
            "7 (pwsh) into the image");
    return WCOW_OK;
}
