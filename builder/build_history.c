/* SPDX-License-Identifier: Apache-2.0 */
/* The image's history: one entry an instruction, in the words that BuildKit has for it, with
 * variables replaced, so that what reads histories reads these. */
#include <stdio.h>

#include "builder/build_internal.h"
#include "image/http.h"

static const char layer_mark[] = " # buildkit"; /* of a step that may make a layer */

/* A word in double quotes, as Go's %q writes it. */
static int add_quoted(struct wcow_buf *out, const char *text, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, "\"", err);
    for (; *text && r == WCOW_OK; text++) {
        unsigned char c = (unsigned char)*text;
        const char *named = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : NULL;
        if (named)
            r = wcow_buf_add_str(out, named, err);
        else if (c < 0x20 || c == 0x7f)
            r = wcow_buf_addf(out, err, "\\x%02x", c);
        else
            r = wcow_buf_addf(out, err, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
    return r == WCOW_OK ? wcow_buf_add_str(out, "\"", err) : r;
}

/* " [a b]" */
static int add_list(struct wcow_buf *out, const struct wcow_strings *list, bool quoted,
                    struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, " [", err);
    for (size_t i = 0; i < list->count && r == WCOW_OK; i++) {
        if (i > 0)
            r = wcow_buf_add_str(out, " ", err);
        if (r == WCOW_OK)
            r = quoted ? add_quoted(out, list->items[i], err)
                       : wcow_buf_add_str(out, list->items[i], err);
    }
    return r == WCOW_OK ? wcow_buf_add_str(out, "]", err) : r;
}

static int add_pairs(struct wcow_buf *out, const struct wcow_pairs *pairs, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < pairs->count && r == WCOW_OK; i++) {
        const char *value = pairs->items[i].value;
        r = wcow_buf_addf(out, err, " %s%s%s", pairs->items[i].key, value ? "=" : "",
                          value ? value : "");
    }
    return r;
}

static int add_copy(struct wcow_buf *out, const struct wcow_copy *copy, struct wcow_error *err)
{
    int r = copy->parents ? wcow_buf_add_str(out, " --parents", err) : WCOW_OK;
    if (r == WCOW_OK && copy->chown)
        r = wcow_buf_addf(out, err, " --chown=%s", copy->chown);
    if (r == WCOW_OK && copy->chmod)
        r = wcow_buf_addf(out, err, " --chmod=%s", copy->chmod);
    for (size_t i = 0; i < copy->sources.count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, err, " %s", copy->sources.items[i]);
    for (size_t i = 0; i < copy->content_count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, err, " <<%s", copy->contents[i].name);
    return r == WCOW_OK ? wcow_buf_addf(out, err, " %s%s", copy->dest, layer_mark) : r;
}

/* " |2 A=1 B=2 cmd /S /C …": the ARGs that the command sees come first. */
static int add_run(struct wcow_buf *out, struct wcow_stage_state *s, const struct wcow_run *run,
                   struct wcow_error *err)
{
    struct wcow_strings shell = {0};
    int r = wcow_build_shell(s, &shell, err);
    if (r == WCOW_OK && s->args.count > 0)
        r = wcow_buf_addf(out, err, " |%zu", s->args.count);
    for (size_t i = 0; i < s->args.count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, err, " %s=%s", s->args.vars[i].name, s->args.vars[i].value);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(out, " ", err);
    if (r == WCOW_OK)
        r = wcow_cmdline_of_run(&run->command, &shell, out, err);
    return r == WCOW_OK ? wcow_buf_add_str(out, layer_mark, err) : r;
}

/* As it is written. */
static int add_rest(struct wcow_buf *out, const struct wcow_node *node, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < node->flags.count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, err, " %s", node->flags.items[i]);
    return r == WCOW_OK ? wcow_buf_addf(out, err, " %s", node->rest) : r;
}

static int describe(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                    struct wcow_buf *out, struct wcow_error *err)
{
    switch (ins->kind) {
    case WCOW_INS_ARG:
    case WCOW_INS_ENV:
    case WCOW_INS_LABEL:
        return add_pairs(out, &ins->pairs, err);
    case WCOW_INS_ADD:
    case WCOW_INS_COPY:
        return add_copy(out, &ins->copy, err);
    case WCOW_INS_RUN:
        return add_run(out, s, &ins->run, err);
    case WCOW_INS_CMD:
        return add_list(out, &s->cmd.args, true, err);
    case WCOW_INS_ENTRYPOINT:
        return add_list(out, &s->entrypoint.args, true, err);
    case WCOW_INS_EXPOSE:
    case WCOW_INS_SHELL:
    case WCOW_INS_VOLUME:
        return add_list(out, &ins->list, false, err);
    case WCOW_INS_MAINTAINER:
    case WCOW_INS_ONBUILD:
    case WCOW_INS_STOPSIGNAL:
    case WCOW_INS_USER:
        return wcow_buf_addf(out, err, " %s", ins->text);
    case WCOW_INS_WORKDIR:
        return wcow_buf_addf(out, err, " %s",
                             wcow_image_config_string(s->config, WCOW_CONFIG_WORKING_DIR));
    case WCOW_INS_HEALTHCHECK:
    case WCOW_INS_FROM:
    case WCOW_INS_COUNT:
    default:
        return add_rest(out, ins->node, err);
    }
}

int wcow_build_add_history(struct wcow_build *b, struct wcow_stage_state *s,
                           const struct wcow_instruction *ins, bool empty_layer,
                           struct wcow_error *err)
{
    char comment[160] = "wcow";
    if (ins->kind == WCOW_INS_RUN && b->executor)
        (void)snprintf(comment, sizeof(comment), "wcow, run by %s %s", b->executor->name,
                       b->executor->version);
    wcow_autobuf created_by = {0};
    int r = wcow_buf_add_str(&created_by, wcow_instruction_name(ins->kind), err);
    if (r == WCOW_OK)
        r = describe(s, ins, &created_by, err);
    if (r < 0)
        return r;
    created_by.len = wcow_http_mask_logins((char *)created_by.data, created_by.len);
    const struct wcow_history entry = {.has_created = true,
                                       .created_s = s->created_s,
                                       .created_by = (const char *)created_by.data,
                                       .comment = comment,
                                       .empty_layer = empty_layer};
    return wcow_image_config_add_history(s->config, &entry, err);
}
