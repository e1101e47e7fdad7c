/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Short options of all commands together fit easily; getopt's codes of long-only options start
 * above every character. */
enum { MAX_OPTIONS = 80, FIRST_CODE = 256, CODE_HELP = 255, LEFT_WIDTH = 36 };

static size_t count(const struct wcow_option *options)
{
    size_t n = 0;
    while (options[n].name)
        n++;
    return n;
}

void wcow_option_list_done(struct wcow_option_list *list)
{
    free(list->items);
    *list = (struct wcow_option_list){0};
}

static int set_flag(const struct wcow_option *o, const char *value, struct wcow_error *err)
{
    bool on = !value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (!on && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--%s takes true or false, not \"%s\"", o->name,
                         value);
    *(bool *)o->target = on;
    return WCOW_OK;
}

static int set_option(const struct wcow_option *o, const char *value, struct wcow_error *err)
{
    switch (o->kind) {
    case WCOW_OPTION_FLAG:
        return set_flag(o, value, err);
    case WCOW_OPTION_STRING:
        *(const char **)o->target = value;
        return WCOW_OK;
    case WCOW_OPTION_REFUSED:
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "--%s is not supported: %s", o->name, o->arg);
    case WCOW_OPTION_LIST:
        break;
    }
    struct wcow_option_list *list = o->target;
    const char **items = realloc(list->items, (list->n + 1) * sizeof(*items));
    if (!items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --%s", o->name);
    list->items = items;
    list->items[list->n++] = value;
    return WCOW_OK;
}

int wcow_options_set(const struct wcow_option *options, const char *name, const char *value,
                     struct wcow_error *err)
{
    for (const struct wcow_option *o = options; o->name; o++) {
        if (strcmp(o->name, name) == 0)
            return set_option(o, value, err);
    }
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "unknown setting \"%s\"", name);
}

static void print_option(const struct wcow_option *o)
{
    char left[64];
    char letter[8] = "    ";
    if (o->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    (void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
                   o->arg ? o->arg : "");
    /* What is too long for its column has the line for itself. */
    if (strlen(left) > LEFT_WIDTH)
        (void)printf("  %s\n%*s%s\n", left, LEFT_WIDTH + 3, "", o->help);
    else
        (void)printf("  %-*s %s\n", LEFT_WIDTH, left, o->help);
}

static void print_help(const struct wcow_command *c)
{
    (void)printf("Usage: %s %s\n\n%s\n\nOptions:\n", c->name, c->usage, c->summary);
    for (const struct wcow_option *o = c->options; o->name; o++) {
        if (o->help)
            print_option(o);
    }
    print_option(&(struct wcow_option){.letter = 'h', .name = "help", .help = "Show this help"});
    if (c->epilogue)
        (void)printf("\n%s\n", c->epilogue);
}

static enum wcow_parse usage_error(const struct wcow_command *c, const char *what)
{
    if (what)
        (void)fprintf(stderr, "%s: %s\n", c->name, what);
    (void)fprintf(stderr, "Usage: %s %s\nSee \"%s --help\".\n", c->name, c->usage, c->name);
    return WCOW_PARSE_USAGE;
}

static bool is_operand(const char *word, size_t len)
{
    return len > 0 && isupper((unsigned char)word[0]);
}

/* Operand @p number of the usage, which has those that may be left out in brackets; *ret_before:
 * how many of the same name stand before it. NULL where the usage has other words for it. */
static const char *operand_of(const char *usage, size_t number, size_t *ret_len, size_t *ret_before)
{
    const char *wanted = NULL;
    for (const char *p = usage; *p && *p != '\n'; p += strspn(p, " ")) {
        size_t len = strcspn(p, " \n[.");
        if (is_operand(p, len) && number-- == 0) {
            wanted = p;
            *ret_len = len;
            break;
        }
        p += strcspn(p, " \n");
    }
    *ret_before = 0;
    for (const char *p = usage; wanted && p < wanted; p += strcspn(p, " "), p += strspn(p, " "))
        *ret_before += strcspn(p, " \n[.") == *ret_len && strncmp(p, wanted, *ret_len) == 0;
    return wanted;
}

static enum wcow_parse missing_operand(const struct wcow_command *c, size_t n_given)
{
    char text[128];
    size_t len = 0;
    size_t n_before = 0;
    const char *name = operand_of(c->usage, n_given, &len, &n_before);
    if (!name)
        return usage_error(c, "an argument is missing");
    (void)snprintf(text, sizeof(text), "%s%.*s is missing", n_before ? "the second " : "", (int)len,
                   name);
    return usage_error(c, text);
}

static enum wcow_parse odd_operand(const struct wcow_command *c, const char *operand)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "too many arguments: \"%.80s\"", operand);
    return usage_error(c, text);
}

/* getopt's two tables from ours. */
static size_t fill_tables(const struct wcow_command *c, struct option *longs, char *shorts)
{
    size_t n = count(c->options);
    if (n > MAX_OPTIONS)
        abort();
    char *s = shorts;
    for (size_t i = 0; i < n; i++) {
        const struct wcow_option *o = &c->options[i];
        bool flag = o->kind == WCOW_OPTION_FLAG || o->kind == WCOW_OPTION_REFUSED;
        longs[i] = (struct option){.name = o->name,
                                   .has_arg = flag ? optional_argument : required_argument,
                                   .val = FIRST_CODE + (int)i};
        if (o->letter) {
            *s++ = o->letter;
            if (!flag)
                *s++ = ':';
        }
    }
    longs[n] = (struct option){.name = "help", .val = CODE_HELP};
    longs[n + 1] = (struct option){0};
    *s++ = 'h';
    *s = '\0';
    return n;
}

static const struct wcow_option *option_of(const struct wcow_command *c, int code)
{
    if (code >= FIRST_CODE)
        return &c->options[code - FIRST_CODE];
    for (const struct wcow_option *o = c->options; o->name; o++) {
        if (o->letter == code)
            return o;
    }
    return NULL;
}

enum wcow_parse wcow_options_parse(const struct wcow_command *command, int argc, char **argv,
                                   int *ret_operands)
{
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 2];
    (void)fill_tables(command, longs, shorts);

    optind = 0; /* start anew: another command may have been parsed before */
    /* getopt's own messages name argv[0]: let that be the whole command. */
    char name[64];
    char *first = argv[0];
    (void)snprintf(name, sizeof(name), "%s", command->name);
    argv[0] = name;
    int code = 0;
    enum wcow_parse result = WCOW_PARSE_RUN;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): options are parsed before any thread starts
    while (result == WCOW_PARSE_RUN && (code = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
        struct wcow_error err = {0};
        if (code == 'h' || code == CODE_HELP) {
            print_help(command);
            result = WCOW_PARSE_DONE;
        } else if (code == '?') {
            result = usage_error(command, NULL);
        } else if (set_option(option_of(command, code), optarg, &err) < 0) {
            result = usage_error(command, err.msg);
        }
    }
    argv[0] = first;
    if (result != WCOW_PARSE_RUN)
        return result;

    size_t operands = (size_t)(argc - optind);
    if (operands < command->min_args)
        return missing_operand(command, operands);
    if (operands > command->max_args)
        return odd_operand(command, argv[(size_t)optind + command->max_args]);
    *ret_operands = optind;
    return WCOW_PARSE_RUN;
}
