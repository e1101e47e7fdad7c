/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: which instructions belong to which FROM. */
#include "builder/instructions.h"

#include <stdlib.h>
#include <string.h>

#include "builder/instructions_flags.h"
#include "builder/instructions_type.h"
#include "builder/words_text.h"

static int out_of_memory(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
}

/* `^[a-z][a-z0-9-_.]*$`, of the lower-cased name */
static bool is_stage_name(const char *name)
{
    if (*name < 'a' || *name > 'z')
        return false;
    for (; *name; name++) {
        bool good = (*name >= 'a' && *name <= 'z') || wcow_text_is_digit((unsigned char)*name) ||
                    strchr("-_.", *name);
        if (!good)
            return false;
    }
    return true;
}

static int read_stage_name(const struct wcow_typing *in, const struct wcow_node *node,
                           struct wcow_stage *stage)
{
    if (node->args.count == 1)
        return WCOW_OK;
    if (node->args.count != 3 || wcow_text_casecmp(node->args.items[1], "as") != 0)
        return WCOW_FAIL(
            in->err, WCOW_E_INVALID,
            "FROM requires either one or three arguments: FROM image, or FROM image AS "
            "name");
    stage->name_as_written = node->args.items[2];
    char *name = wcow_arena_strdup(in->arena, stage->name_as_written);
    if (!name)
        return out_of_memory(in->err);
    for (char *c = name; *c; c++)
        *c = wcow_text_lower(*c);
    if (!is_stage_name(name))
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "invalid name for build stage: \"%s\", name can't start with a number or "
                         "contain symbols",
                         stage->name_as_written);
    stage->name = name;
    stage->description = wcow_type_description(node, name);
    return WCOW_OK;
}

static int type_from(const struct wcow_typing *in, const struct wcow_node *node,
                     struct wcow_stage *ret)
{
    struct wcow_flag platform = {.name = "platform", .type = WCOW_FLAG_STRING};
    struct wcow_stage stage = {.node = node};
    int r = read_stage_name(in, node, &stage);
    if (r == WCOW_OK)
        r = wcow_flags_read(node, in->arena, &platform, 1, in->err);
    stage.platform = platform.value;
    if (r != WCOW_OK)
        return r;
    stage.base = node->args.items[0];
    *ret = stage;
    return WCOW_OK;
}

static bool is_from(const struct wcow_node *node)
{
    return strcmp(node->name, "from") == 0;
}

/* Room for all: as many stages and instructions as there are nodes. */
static int make_room(struct wcow_build_file *file, struct wcow_instruction **ret_instructions,
                     struct wcow_error *err)
{
    size_t count = file->dockerfile->node_count;
    size_t stages = 0;
    for (size_t i = 0; i < count; i++)
        stages += is_from(&file->dockerfile->nodes[i]);
    file->stages = wcow_arena_alloc(&file->arena, stages * sizeof *file->stages);
    *ret_instructions = wcow_arena_alloc(&file->arena, count * sizeof **ret_instructions);
    return file->stages && *ret_instructions ? WCOW_OK : out_of_memory(err);
}

/* One node behind the first FROM, or a global ARG. */
static int place_instruction(struct wcow_build_file *file, struct wcow_instruction *ins,
                             struct wcow_error *err)
{
    if (file->stage_count > 0) {
        struct wcow_stage *stage = &file->stages[file->stage_count - 1];
        if (stage->instruction_count++ == 0)
            stage->instructions = ins;
        return WCOW_OK;
    }
    if (ins->kind != WCOW_INS_ARG)
        return WCOW_FAIL(
            err, WCOW_E_INVALID,
            "no build stage in current context: %s stands before the first FROM, where "
            "only ARG may",
            wcow_instruction_name(ins->kind));
    if (file->global_arg_count++ == 0)
        file->global_args = ins;
    return WCOW_OK;
}

static int type_all(struct wcow_build_file *file, struct wcow_line_range *where,
                    struct wcow_error *err)
{
    struct wcow_typing in = {&file->arena, file->dockerfile->escape, err};
    struct wcow_instruction *instructions = NULL;
    int r = make_room(file, &instructions, err);
    for (size_t i = 0; i < file->dockerfile->node_count && r == WCOW_OK; i++) {
        const struct wcow_node *node = &file->dockerfile->nodes[i];
        *where = node->where;
        if (is_from(node)) {
            r = type_from(&in, node, &file->stages[file->stage_count]);
            file->stage_count += r == WCOW_OK;
            continue;
        }
        r = wcow_instruction_type(&in, node, &instructions[i]);
        if (r == WCOW_OK)
            r = place_instruction(file, &instructions[i], err);
    }
    if (r == WCOW_OK && file->stage_count == 0) {
        *where = (struct wcow_line_range){0};
        r = WCOW_FAIL(err, WCOW_E_INVALID, "dockerfile contains no stages to build: add a FROM");
    }
    return r;
}

int wcow_build_file_new(const struct wcow_dockerfile *dockerfile, struct wcow_build_file **ret,
                        struct wcow_line_range *where, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_build_file_free_p) struct wcow_build_file *file = calloc(1, sizeof *file);
    if (!file)
        return out_of_memory(err);
    file->dockerfile = dockerfile;
    struct wcow_line_range at = {0};
    int r = type_all(file, &at, err);
    if (r != WCOW_OK) {
        if (where)
            *where = at;
        return r;
    }
    *ret = WCOW_TAKE_PTR(file);
    return WCOW_OK;
}

void wcow_build_file_free(struct wcow_build_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->trigger_count; i++)
        wcow_dockerfile_free(file->triggers[i].dockerfile);
    free(file->triggers);
    wcow_arena_done(&file->arena);
    free(file);
}

static int type_trigger(struct wcow_build_file *file, const struct wcow_dockerfile *parsed,
                        const struct wcow_instruction **ret, struct wcow_error *err)
{
    if (parsed->node_count != 1)
        return WCOW_FAIL(err, WCOW_E_INVALID, "it holds %zu instructions instead of one",
                         parsed->node_count);
    const char *name = parsed->nodes[0].name;
    if (strcmp(name, "from") == 0 || strcmp(name, "onbuild") == 0 ||
        strcmp(name, "maintainer") == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s isn't allowed as an ONBUILD trigger",
                         parsed->nodes[0].keyword);
    struct wcow_typing in = {&file->arena, parsed->escape, err};
    struct wcow_instruction *ins = wcow_arena_alloc(&file->arena, sizeof *ins);
    if (!ins)
        return out_of_memory(err);
    int r = wcow_instruction_type(&in, &parsed->nodes[0], ins);
    if (r == WCOW_OK)
        *ret = ins;
    return r;
}

int wcow_build_file_add_trigger(struct wcow_build_file *file, const char *trigger,
                                const struct wcow_instruction **ret, struct wcow_error *err)
{
    struct wcow_parsed_trigger *all =
        reallocarray(file->triggers, file->trigger_count + 1, sizeof *all);
    if (!all)
        return out_of_memory(err);
    file->triggers = all;
    struct wcow_dockerfile *parsed = NULL;
    int r = wcow_dockerfile_parse(trigger, strlen(trigger), &parsed, NULL, err);
    if (r == WCOW_OK) {
        file->triggers[file->trigger_count++].dockerfile = parsed;
        r = type_trigger(file, parsed, ret, err);
    }
    return r == WCOW_OK ? r : wcow_error_wrap(r, err, "ONBUILD trigger of the base '%s'", trigger);
}

const struct wcow_stage *wcow_stage_find(const struct wcow_build_file *file, const char *name,
                                         size_t before)
{
    size_t end = before < file->stage_count ? before : file->stage_count;
    for (size_t i = end; i-- > 0;) {
        if (file->stages[i].name && wcow_text_casecmp(file->stages[i].name, name) == 0)
            return &file->stages[i];
    }
    return NULL;
}

static int no_such_target(const struct wcow_build_file *file, const char *target,
                          struct wcow_error *err)
{
    wcow_autofree const char **names = calloc(file->stage_count, sizeof *names);
    if (!names)
        return out_of_memory(err);
    size_t count = 0;
    for (size_t i = 0; i < file->stage_count; i++) {
        if (file->stages[i].name)
            names[count++] = file->stages[i].name;
    }
    const char *meant = wcow_diagnostic_suggest(target, names, count);
    if (meant)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "target stage \"%s\" could not be found (did you mean %s?)", target,
                         meant);
    if (target[strspn(target, "0123456789")] == '\0')
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "target stage \"%s\" could not be found: a target is a stage's name, not "
                         "its number; name it by FROM … AS name",
                         target);
    return WCOW_FAIL(
        err, WCOW_E_NOT_FOUND,
        "target stage \"%s\" could not be found among the %zu stages of the Dockerfile", target,
        file->stage_count);
}

int wcow_stage_target(const struct wcow_build_file *file, const char *target, size_t *ret_index,
                      struct wcow_error *err)
{
    if (!target || !*target) {
        *ret_index = file->stage_count - 1;
        return WCOW_OK;
    }
    const struct wcow_stage *stage = wcow_stage_find(file, target, file->stage_count);
    if (!stage)
        return no_such_target(file, target, err);
    *ret_index = (size_t)(stage - file->stages);
    return WCOW_OK;
}
