/* SPDX-License-Identifier: Apache-2.0 */
/* RUN and HEALTHCHECK: the instructions with options for a command. */
#include <stdlib.h>
#include <string.h>

#include "builder/instructions_flags.h"
#include "builder/instructions_mount.h"
#include "builder/instructions_type.h"
#include "builder/words_text.h"

static int strip_heredocs(const struct wcow_typing *in, const struct wcow_node *node,
                          struct wcow_ins_command *command)
{
    if (node->heredoc_count == 0)
        return WCOW_OK;
    struct wcow_heredoc *docs = wcow_arena_alloc(in->arena, node->heredoc_count * sizeof *docs);
    if (!docs)
        return WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    int r = WCOW_OK;
    for (size_t i = 0; i < node->heredoc_count && r == WCOW_OK; i++)
        r = wcow_heredoc_strip(&node->heredocs[i], in->arena, &docs[i], in->err);
    command->heredocs = docs;
    command->heredoc_count = node->heredoc_count;
    return r;
}

int wcow_run_network_parse(const char *text, enum wcow_run_network *ret, struct wcow_error *err)
{
    if (!text || strcmp(text, "default") == 0)
        *ret = WCOW_NET_DEFAULT;
    else if (strcmp(text, "none") == 0)
        *ret = WCOW_NET_NONE;
    else if (strcmp(text, "host") == 0)
        *ret = WCOW_NET_HOST;
    else
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "invalid network mode \"%s\": there are default, none and host", text);
    return WCOW_OK;
}

static int set_security(const struct wcow_typing *in, const char *value, struct wcow_run *run)
{
    if (!value || strcmp(value, "sandbox") == 0)
        return WCOW_OK;
    if (strcmp(value, "insecure") != 0)
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "security \"%s\" is not valid: there are sandbox and insecure", value);
    run->insecure = true;
    return WCOW_OK;
}

static int set_mounts(const struct wcow_typing *in, const struct wcow_strings *texts,
                      struct wcow_run *run)
{
    if (texts->count == 0)
        return WCOW_OK;
    struct wcow_run_mount *mounts = wcow_arena_alloc(in->arena, texts->count * sizeof *mounts);
    if (!mounts)
        return WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    for (size_t i = 0; i < texts->count; i++) {
        int r = wcow_mount_check(texts->items[i], in->escape, in->arena, &mounts[i], in->err);
        if (r != WCOW_OK)
            return r;
    }
    run->mount_flags = *texts;
    run->mounts = mounts;
    run->mount_count = texts->count;
    return WCOW_OK;
}

int wcow_type_run(const struct wcow_typing *in, const struct wcow_node *node,
                  struct wcow_instruction *ret)
{
    enum { MOUNT, NETWORK, SECURITY, COUNT };
    struct wcow_flag flags[COUNT] = {
        [MOUNT] = {.name = "mount", .type = WCOW_FLAG_LIST},
        [NETWORK] = {.name = "network", .type = WCOW_FLAG_STRING},
        [SECURITY] = {.name = "security", .type = WCOW_FLAG_STRING},
    };
    int r = wcow_flags_read(node, in->arena, flags, COUNT, in->err);
    if (r == WCOW_OK && node->args.count == 0)
        r = WCOW_FAIL(in->err, WCOW_E_INVALID, "RUN requires at least one argument");
    if (r == WCOW_OK)
        r = wcow_run_network_parse(flags[NETWORK].value, &ret->run.network, in->err);
    if (r == WCOW_OK)
        r = set_security(in, flags[SECURITY].value, &ret->run);
    if (r == WCOW_OK)
        r = set_mounts(in, &flags[MOUNT].list, &ret->run);
    if (r != WCOW_OK)
        return r;
    wcow_type_command(node, 0, &ret->run.command);
    return strip_heredocs(in, node, &ret->run.command);
}

/* --- HEALTHCHECK --- */

static int interval(const struct wcow_typing *in, const struct wcow_flag *flag, int64_t *ret_ns)
{
    enum { MINIMUM_NS = 1000000 };
    int64_t ns = 0;
    if (!flag->value || !*flag->value)
        return WCOW_OK;
    int r = wcow_parse_duration(flag->value, &ns, in->err);
    if (r != WCOW_OK)
        return wcow_error_wrap(r, in->err, "--%s", flag->name);
    if (ns != 0 && ns < MINIMUM_NS)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "Interval \"%s\" cannot be less than 1ms",
                         flag->name);
    *ret_ns = ns;
    return WCOW_OK;
}

static int retries(const struct wcow_typing *in, const char *value, int *ret)
{
    if (!value || !*value)
        return WCOW_OK;
    char *end = NULL;
    long n = strtol(value, &end, 10);
    if (*end || wcow_text_is_blank(*value) || n > INT32_MAX || n < INT32_MIN)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "--retries wants a whole number, not '%s'",
                         value);
    if (n < 0)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "--retries cannot be negative (%ld)", n);
    *ret = (int)n;
    return WCOW_OK;
}

static int health_flags(const struct wcow_typing *in, const struct wcow_node *node,
                        struct wcow_ins_healthcheck *health)
{
    enum { INTERVAL, TIMEOUT, START_PERIOD, START_INTERVAL, RETRIES, COUNT };
    struct wcow_flag flags[COUNT] = {
        [INTERVAL] = {.name = "interval", .type = WCOW_FLAG_STRING},
        [TIMEOUT] = {.name = "timeout", .type = WCOW_FLAG_STRING},
        [START_PERIOD] = {.name = "start-period", .type = WCOW_FLAG_STRING},
        [START_INTERVAL] = {.name = "start-interval", .type = WCOW_FLAG_STRING},
        [RETRIES] = {.name = "retries", .type = WCOW_FLAG_STRING},
    };
    int r = wcow_flags_read(node, in->arena, flags, COUNT, in->err);
    if (r == WCOW_OK)
        r = interval(in, &flags[INTERVAL], &health->interval_ns);
    if (r == WCOW_OK)
        r = interval(in, &flags[TIMEOUT], &health->timeout_ns);
    if (r == WCOW_OK)
        r = interval(in, &flags[START_PERIOD], &health->start_period_ns);
    if (r == WCOW_OK)
        r = interval(in, &flags[START_INTERVAL], &health->start_interval_ns);
    return r == WCOW_OK ? retries(in, flags[RETRIES].value, &health->retries) : r;
}

int wcow_type_health(const struct wcow_typing *in, const struct wcow_node *node,
                     struct wcow_instruction *ret)
{
    if (node->args.count == 0)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "HEALTHCHECK requires at least one argument");
    const char *type = node->args.items[0];
    if (wcow_text_casecmp(type, "NONE") == 0) {
        if (node->args.count > 1)
            return WCOW_FAIL(in->err, WCOW_E_INVALID, "HEALTHCHECK NONE takes no arguments");
        ret->health.none = true;
        return WCOW_OK;
    }
    int r = health_flags(in, node, &ret->health);
    if (r != WCOW_OK)
        return r;
    if (wcow_text_casecmp(type, "CMD") != 0)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "Unknown type \"%s\" in HEALTHCHECK (try CMD)",
                         type);
    if (node->args.count == 1)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "Missing command after HEALTHCHECK CMD");
    wcow_type_command(node, 1, &ret->health.command);
    return WCOW_OK;
}
