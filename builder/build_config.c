/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that change the image's config and nothing else. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "builder/build_internal.h"

/* ---- lists ---- */

static int to_list(const struct wcow_strings *strings, struct wcow_str_list *ret,
                   struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < strings->count; i++)
        r = wcow_str_list_add(ret, strings->items[i], err);
    return r;
}

static int set_list(struct wcow_stage_state *s, enum wcow_config_list which,
                    const struct wcow_strings *strings, struct wcow_error *err)
{
    wcow_auto_str_list list = {0};
    int r = to_list(strings, &list, err);
    return r < 0 ? r : wcow_image_config_set_list(s->config, which, list.count ? &list : NULL, err);
}

static int set_shell(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                     struct wcow_error *err)
{
    return set_list(s, WCOW_CONFIG_SHELL, &ins->list, err);
}

int wcow_build_shell(struct wcow_stage_state *s, struct wcow_strings *ret, struct wcow_error *err)
{
    wcow_auto_str_list list = {0};
    int r = wcow_image_config_list(s->config, WCOW_CONFIG_SHELL, &list, err);
    *ret = (struct wcow_strings){0};
    for (size_t i = 0; r == WCOW_OK && i < list.count; i++) {
        const char *copy = wcow_arena_strdup(&s->arena, list.items[i]);
        r = copy ? wcow_strings_add(&s->arena, ret, copy, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for SHELL");
    }
    if (r == WCOW_OK && ret->count == 0)
        *ret = wcow_cmdline_default_shell();
    return r;
}

/* ---- CMD, ENTRYPOINT ---- */

/* Entrypoint and Cmd as they have come to be. */
static int store_commands(struct wcow_stage_state *s, struct wcow_error *err)
{
    int r = wcow_cmdline_unify(&s->arena, &s->entrypoint, &s->cmd, err);
    if (r == WCOW_OK)
        r = set_list(s, WCOW_CONFIG_ENTRYPOINT, &s->entrypoint.args, err);
    if (r == WCOW_OK)
        r = set_list(s, WCOW_CONFIG_CMD, &s->cmd.args, err);
    bool escaped = (s->entrypoint.args.count && s->entrypoint.args_escaped) ||
                   (s->cmd.args.count && s->cmd.args_escaped);
    return r < 0 ? r : wcow_image_config_set_args_escaped(s->config, escaped, err);
}

static int set_command(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                       struct wcow_error *err)
{
    struct wcow_strings shell = {0};
    struct wcow_cmdline_config config = {0};
    int r = wcow_build_shell(s, &shell, err);
    if (r == WCOW_OK)
        r = wcow_cmdline_config_of(&ins->command, &shell, &s->arena, &config, err);
    if (r < 0)
        return r;
    if (ins->kind == WCOW_INS_CMD) {
        s->cmd = config;
        s->has_own_cmd = true;
    } else {
        s->entrypoint = config;
        if (!s->has_own_cmd) /* what the base has as CMD was meant for its own ENTRYPOINT */
            s->cmd = (struct wcow_cmdline_config){0};
    }
    return store_commands(s, err);
}

/* ---- HEALTHCHECK ---- */

static int set_health(struct wcow_build *b, struct wcow_stage_state *s,
                      const struct wcow_instruction *ins, struct wcow_error *err)
{
    const struct wcow_ins_healthcheck *in = &ins->health;
    struct wcow_healthcheck check = {.interval_ns = in->interval_ns,
                                     .timeout_ns = in->timeout_ns,
                                     .start_period_ns = in->start_period_ns,
                                     .start_interval_ns = in->start_interval_ns,
                                     .retries = in->retries};
    (void)b;
    int r = WCOW_OK;
    if (in->none) {
        r = wcow_str_list_add(&check.test, "NONE", err);
    } else {
        r = wcow_str_list_add(&check.test, in->command.shell ? "CMD-SHELL" : "CMD", err);
        if (r == WCOW_OK)
            r = to_list(&in->command.args, &check.test, err);
    }
    if (r == WCOW_OK)
        r = wcow_image_config_set_healthcheck(s->config, &check, err);
    wcow_str_list_done(&check.test);
    return r;
}

/* ---- EXPOSE ---- */

static int bad_port(const char *text, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s\" is no port: a number or a range up to 65535, then maybe /tcp, /udp "
                     "or /sctp",
                     text);
}

static bool read_port(const char **p, unsigned *ret)
{
    unsigned value = 0;
    const char *start = *p;
    while (isdigit((unsigned char)**p) && value < 100000)
        value = value * 10 + (unsigned)(*(*p)++ - '0');
    *ret = value;
    return *p != start && value <= 65535;
}

static bool read_range(const char **p, unsigned *ret_first, unsigned *ret_last)
{
    if (!read_port(p, ret_first))
        return false;
    *ret_last = *ret_first;
    if (**p != '-')
        return true;
    (*p)++;
    return read_port(p, ret_last) && *ret_last >= *ret_first;
}

/* What follows a slash, in small letters; tcp where nothing does. NULL where it is none. */
static const char *read_protocol(const char *p)
{
    static const char *const protocols[] = {"tcp", "udp", "sctp"};
    if (!*p)
        return protocols[0];
    for (size_t i = 0; *p == '/' && i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        if (strcasecmp(p + 1, protocols[i]) == 0)
            return protocols[i];
    }
    return NULL;
}

/* @p ports: each that it means, "80/tcp", is added. */
static int expose(struct wcow_stage_state *s, const char *text, struct wcow_strings *ports,
                  struct wcow_error *err)
{
    /* "8080:80" publishes in other commands; here only the container's side counts. */
    const char *colon = strrchr(text, ':');
    const char *p = colon ? colon + 1 : text;
    unsigned first = 0;
    unsigned last = 0;
    bool is_range = read_range(&p, &first, &last);
    const char *protocol = is_range ? read_protocol(p) : NULL;
    if (!protocol)
        return bad_port(text, err);
    for (unsigned port = first; port <= last; port++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%u/%s", port, protocol);
        int r = wcow_image_config_add_to_set(s->config, WCOW_CONFIG_EXPOSED_PORTS, key, err);
        if (r == WCOW_OK)
            r = wcow_strings_add(&s->arena, ports, wcow_arena_strdup(&s->arena, key), err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

static int expose_all(struct wcow_stage_state *s, const struct wcow_strings *texts,
                      struct wcow_strings *ports, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < texts->count; i++)
        r = expose(s, texts->items[i], ports, err);
    return r;
}

/* ---- the rest ---- */

static int set_env(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                   struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < ins->pairs.count; i++) {
        wcow_env_unset(&s->args, ins->pairs.items[i].key);
        r = wcow_image_config_set_env(s->config, ins->pairs.items[i].key, ins->pairs.items[i].value,
                                      err);
    }
    return r;
}

/* A number, or a name with SIG before it or without, as Docker takes them on every system. */
static bool is_signal(const char *text)
{
    static const char *const names[] = {"ABRT", "ALRM", "BUS",  "CHLD", "CLD",    "CONT",   "FPE",
                                        "HUP",  "ILL",  "INT",  "IO",   "IOT",    "KILL",   "PIPE",
                                        "POLL", "PROF", "PWR",  "QUIT", "SEGV",   "STKFLT", "STOP",
                                        "SYS",  "TERM", "TRAP", "TSTP", "TTIN",   "TTOU",   "URG",
                                        "USR1", "USR2", "XCPU", "XFSZ", "VTALRM", "WINCH"};
    if (isdigit((unsigned char)*text))
        return text[strspn(text, "0123456789")] == '\0' && text[strspn(text, "0")] != '\0';
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    if (strncasecmp(name, "RTM", 3) == 0) /* RTMIN+1 */
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static int set_stop_signal(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                           struct wcow_error *err)
{
    return is_signal(ins->text)
               ? wcow_image_config_set_string(s->config, WCOW_CONFIG_STOP_SIGNAL, ins->text, err)
               : WCOW_FAIL(err, WCOW_E_INVALID,
                           "Invalid signal: %s (write a name as SIGTERM, or a number)", ins->text);
}

static int set_labels(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < ins->pairs.count; i++)
        r = wcow_image_config_set_label(s->config, ins->pairs.items[i].key,
                                        ins->pairs.items[i].value, err);
    return r;
}

static int add_volumes(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                       struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < ins->list.count; i++) {
        if (!*ins->list.items[i])
            return WCOW_FAIL(err, WCOW_E_INVALID, "VOLUME specified can not be an empty string");
        r = wcow_image_config_add_to_set(s->config, WCOW_CONFIG_VOLUMES, ins->list.items[i], err);
    }
    return r;
}

static int add_trigger(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                       struct wcow_error *err)
{
    wcow_auto_str_list list = {0};
    int r = wcow_image_config_list(s->config, WCOW_CONFIG_ON_BUILD, &list, err);
    if (r == WCOW_OK)
        r = wcow_str_list_add(&list, ins->text, err);
    return r < 0 ? r : wcow_image_config_set_list(s->config, WCOW_CONFIG_ON_BUILD, &list, err);
}

static int configure(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_instruction *ins, struct wcow_error *err)
{
    switch (ins->kind) {
    case WCOW_INS_CMD:
    case WCOW_INS_ENTRYPOINT:
        return set_command(s, ins, err);
    case WCOW_INS_ENV:
        return set_env(s, ins, err);
    case WCOW_INS_HEALTHCHECK:
        return set_health(b, s, ins, err);
    case WCOW_INS_LABEL:
        return set_labels(s, ins, err);
    case WCOW_INS_MAINTAINER:
        return wcow_image_config_set_author(s->config, ins->text, err);
    case WCOW_INS_ONBUILD:
        return add_trigger(s, ins, err);
    case WCOW_INS_SHELL:
        return set_shell(s, ins, err);
    case WCOW_INS_STOPSIGNAL:
        return set_stop_signal(s, ins, err);
    case WCOW_INS_USER:
        return wcow_image_config_set_string(s->config, WCOW_CONFIG_USER, ins->text, err);
    case WCOW_INS_VOLUME:
        return add_volumes(s, ins, err);
    case WCOW_INS_ADD:
    case WCOW_INS_ARG:
    case WCOW_INS_COPY:
    case WCOW_INS_EXPOSE:
    case WCOW_INS_FROM:
    case WCOW_INS_RUN:
    case WCOW_INS_WORKDIR:
    case WCOW_INS_COUNT:
        break; /* none of them comes here */
    }
    return WCOW_FAIL(err, WCOW_E_INTERNAL, "%s is no config instruction",
                     wcow_instruction_name(ins->kind));
}

int wcow_build_configure(struct wcow_build *b, struct wcow_stage_state *s,
                         const struct wcow_instruction *ins, struct wcow_error *err)
{
    struct wcow_instruction done = *ins;
    bool is_expose = ins->kind == WCOW_INS_EXPOSE;
    if (is_expose) /* the history has what came of it */
        done.list = (struct wcow_strings){0};
    int r = is_expose ? expose_all(s, &ins->list, &done.list, err) : configure(b, s, ins, err);
    return r < 0 ? r : wcow_build_add_history(b, s, &done, true, err);
}
