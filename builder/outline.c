/* SPDX-License-Identifier: Apache-2.0 */
/* What a target takes: gathered from its stage and all that it needs, printed as tables or as JSON.
 */
#include "builder/outline.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "builder/location_json.h"

struct item {
    const char *name;
    const char *value;         /* an ARG's; NULL when it has none */
    const char *description;   /* NULL when there is none */
    bool required;             /* a secret's, an agent's */
    bool is_used;              /* an ARG's: the stage takes it, or FROM mentions it */
    struct wcow_strings needs; /* an ARG's before FROM: those that its value mentions */
    struct wcow_line_range where;
};

struct items {
    struct item *all;
    size_t count;
};

struct outline {
    const struct wcow_build_file *file;
    const struct wcow_outline_input *input;
    struct wcow_arena arena;
    struct wcow_env env; /* of the stage at hand */
    struct wcow_env globals;
    struct items global_args; /* before the first FROM */
    struct items stage_args;  /* of the stage at hand, with those of the stages below it */
    struct items args;
    struct items secrets;
    struct items agents;
    bool *needed; /* of each stage */
    struct wcow_error *err;
};

static void outline_done(struct outline *o)
{
    wcow_env_done(&o->env);
    wcow_env_done(&o->globals);
    free(o->global_args.all);
    free(o->stage_args.all);
    free(o->args.all);
    free(o->secrets.all);
    free(o->agents.all);
    free(o->needed);
    wcow_arena_done(&o->arena);
}

static struct item *find(const struct items *items, const char *name)
{
    for (size_t i = 0; i < items->count; i++) {
        if (strcmp(items->all[i].name, name) == 0)
            return &items->all[i];
    }
    return NULL;
}

static int append(struct outline *o, struct items *items, const struct item *item)
{
    struct item *all = reallocarray(items->all, items->count + 1, sizeof *all);
    if (!all)
        return WCOW_FAIL(o->err, WCOW_E_NOMEM, "out of memory writing the outline");
    items->all = all;
    all[items->count++] = *item;
    return WCOW_OK;
}

/* The first of a name stays; it is required if one of them is. */
static int keep_first(struct outline *o, struct items *items, const struct item *item)
{
    struct item *known = find(items, item->name);
    if (!known)
        return append(o, items, item);
    known->required = known->required || item->required;
    return WCOW_OK;
}

/* The last of a name counts. */
static int keep_last(struct outline *o, struct items *items, const struct item *item)
{
    struct item *known = find(items, item->name);
    if (!known)
        return append(o, items, item);
    *known = *item;
    return WCOW_OK;
}

/* --- gathering --- */

struct need_notes {
    struct outline *outline;
    struct item *item;
};

/* A name that the value of an ARG mentions: one of the same name gives what it needed itself.
 * Running out of memory here loses a line of the outline. */
static void note_need(void *ctx, const char *name, bool is_set)
{
    const struct need_notes *notes = ctx;
    struct outline *o = notes->outline;
    struct item *item = notes->item;
    if (!is_set)
        return;
    if (strcmp(name, item->name) != 0) {
        const char *copy = wcow_arena_strdup(&o->arena, name);
        if (copy)
            (void)!wcow_strings_add(&o->arena, &item->needs, copy, NULL);
        return;
    }
    const struct item *before = find(&o->global_args, name);
    for (size_t i = 0; before && i < before->needs.count; i++)
        (void)!wcow_strings_add(&o->arena, &item->needs, before->needs.items[i], NULL);
}

/* The value goes into @p env. */
static int take_value(struct outline *o, struct item *item, const char *value, struct wcow_env *env)
{
    if (!value)
        return WCOW_OK;
    item->value = wcow_arena_strdup(&o->arena, value);
    return item->value ? wcow_env_set(env, item->name, value, o->err)
                       : WCOW_FAIL(o->err, WCOW_E_NOMEM, "out of memory writing the outline");
}

/* An ARG that takes its value from before the first FROM is told of with what stands there; one
 * that is always set, like TARGETARCH, is nothing that a user gives. */
static int add_stage_arg(struct outline *o, const struct wcow_instruction *ins,
                         const struct wcow_pair *pair)
{
    struct item item = {.name = pair->key,
                        .description = pair->description,
                        .is_used = true,
                        .where = ins->node->where};
    const struct wcow_lexer lexer = wcow_lexer_of(o->file->dockerfile->escape, &o->env);
    const struct wcow_arg_scope scope = {.build_args = o->input->build_args, .lexer = &lexer};
    const char *value = NULL;
    int r = wcow_arg_value(&scope, pair, &o->arena, &value, o->err);
    if (r != WCOW_OK)
        return wcow_error_wrap(r, o->err, "line %u", ins->node->where.first);
    const char *global = value ? NULL : wcow_env_get(&o->globals, pair->key);
    if (!global) {
        r = take_value(o, &item, value, &o->env);
        return r == WCOW_OK ? keep_last(o, &o->stage_args, &item) : r;
    }
    struct item *known = find(&o->stage_args, pair->key);
    if (known)
        known->is_used = true;
    return wcow_env_set(&o->env, pair->key, global, o->err);
}

static int add_pairs(struct outline *o, const struct wcow_instruction *ins)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < ins->pairs.count && r == WCOW_OK; i++) {
        const struct wcow_pair *pair = &ins->pairs.items[i];
        r = ins->kind == WCOW_INS_ARG ? add_stage_arg(o, ins, pair)
                                      : wcow_env_set(&o->env, pair->key, pair->value, o->err);
    }
    return r;
}

static int add_mounts(struct outline *o, const struct wcow_instruction *ins)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < ins->run.mount_count && r == WCOW_OK; i++) {
        const struct wcow_run_mount *mount = &ins->run.mounts[i];
        struct item item = {
            .name = mount->id, .required = mount->required, .where = ins->node->where};
        if (mount->type == WCOW_MOUNT_SECRET)
            r = keep_first(o, &o->secrets, &item);
        else if (mount->type == WCOW_MOUNT_SSH)
            r = keep_first(o, &o->agents, &item);
    }
    return r;
}

static int add_instruction(struct outline *o, const struct wcow_instruction *ins)
{
    bool wanted =
        ins->kind == WCOW_INS_ARG || ins->kind == WCOW_INS_ENV || ins->kind == WCOW_INS_RUN;
    if (!wanted)
        return WCOW_OK;
    struct wcow_lexer lexer = wcow_lexer_of(o->file->dockerfile->escape, &o->env);
    struct wcow_instruction expanded = {0};
    int r = wcow_instruction_expand(ins, &lexer, &o->arena, &expanded, o->err);
    if (r != WCOW_OK)
        return wcow_error_wrap(r, o->err, "line %u", ins->node->where.first);
    return ins->kind == WCOW_INS_RUN ? add_mounts(o, &expanded) : add_pairs(o, &expanded);
}

static void note_used(void *ctx, const char *name, bool is_set)
{
    struct outline *o = ctx;
    struct item *known = is_set ? find(&o->stage_args, name) : NULL;
    if (known)
        known->is_used = true;
}

/* What FROM mentions. A FROM that cannot be read is told of when it is built. */
static void use_from(struct outline *o, const struct wcow_stage *stage)
{
    struct wcow_lexer lexer = wcow_lexer_of(o->file->dockerfile->escape, &o->globals);
    const char *word = NULL;
    lexer.on_variable = note_used;
    lexer.on_variable_ctx = o;
    (void)!wcow_words_expand(&lexer, stage->base, &o->arena, &word, NULL);
    if (stage->platform)
        (void)!wcow_words_expand(&lexer, stage->platform, &o->arena, &word, NULL);
}

static int begin_stage(struct outline *o)
{
    wcow_env_done(&o->env);
    o->env.ignore_case = true;
    o->stage_args.count = 0;
    int r = WCOW_OK;
    for (size_t i = 0; i < o->global_args.count && r == WCOW_OK; i++)
        r = append(o, &o->stage_args, &o->global_args.all[i]);
    return r;
}

/* A stage with those it builds on first, so that variables are inherited. */
static int add_stage(struct outline *o, size_t index)
{
    const struct wcow_stage *stage = &o->file->stages[index];
    const struct wcow_stage *base = wcow_stage_find(o->file, stage->base, index);
    int r = base ? add_stage(o, (size_t)(base - o->file->stages)) : begin_stage(o);
    if (r == WCOW_OK)
        use_from(o, stage);
    for (size_t i = 0; i < stage->instruction_count && r == WCOW_OK; i++)
        r = add_instruction(o, &stage->instructions[i]);
    return r;
}

/* Whoever is used needs those that its value mentions; they stand before it. */
static void use_needs(struct items *items)
{
    for (size_t i = items->count; i-- > 0;) {
        const struct item *item = &items->all[i];
        for (size_t k = 0; item->is_used && k < item->needs.count; k++) {
            struct item *need = find(items, item->needs.items[k]);
            if (need)
                need->is_used = true;
        }
    }
}

static int take_stage(struct outline *o, size_t index)
{
    int r = add_stage(o, index);
    if (r != WCOW_OK)
        return r;
    use_needs(&o->stage_args);
    for (size_t i = 0; i < o->stage_args.count && r == WCOW_OK; i++) {
        if (o->stage_args.all[i].is_used)
            r = keep_first(o, &o->args, &o->stage_args.all[i]);
    }
    return r;
}

static void need_stage(struct outline *o, const char *name, size_t before)
{
    const struct wcow_stage *stage = name ? wcow_stage_find(o->file, name, before) : NULL;
    if (!stage && name && *name && name[strspn(name, "0123456789")] == '\0' &&
        strtoul(name, NULL, 10) < before)
        stage = &o->file->stages[strtoul(name, NULL, 10)];
    if (stage)
        o->needed[stage - o->file->stages] = true;
}

/* Of stage @p index: what it builds on, copies from and mounts. Those stand before it. */
static void need_sources(struct outline *o, size_t index)
{
    const struct wcow_stage *stage = &o->file->stages[index];
    need_stage(o, stage->base, index);
    for (size_t i = 0; i < stage->instruction_count; i++) {
        const struct wcow_instruction *ins = &stage->instructions[i];
        if (ins->kind == WCOW_INS_COPY)
            need_stage(o, ins->copy.from, index);
        for (size_t k = 0; ins->kind == WCOW_INS_RUN && k < ins->run.mount_count; k++)
            need_stage(o, ins->run.mounts[k].from, index);
    }
}

static int add_global(struct outline *o, const struct wcow_instruction *ins,
                      const struct wcow_pair *pair)
{
    struct item item = {
        .name = pair->key, .description = pair->description, .where = ins->node->where};
    struct need_notes notes = {.outline = o, .item = &item};
    struct wcow_lexer lexer = wcow_lexer_of(o->file->dockerfile->escape, &o->globals);
    const struct wcow_arg_scope scope = {.build_args = o->input->build_args, .lexer = &lexer};
    lexer.on_variable = note_need;
    lexer.on_variable_ctx = &notes;
    const char *value = NULL;
    int r = wcow_arg_value(&scope, pair, &o->arena, &value, o->err);
    if (r == WCOW_OK)
        r = take_value(o, &item, value, &o->globals);
    return r == WCOW_OK ? keep_last(o, &o->global_args, &item) : r;
}

static int add_globals(struct outline *o)
{
    int r =
        o->input->predefined ? wcow_env_copy(&o->globals, o->input->predefined, o->err) : WCOW_OK;
    for (size_t i = 0; i < o->file->global_arg_count && r == WCOW_OK; i++) {
        const struct wcow_instruction *ins = &o->file->global_args[i];
        for (size_t k = 0; k < ins->pairs.count && r == WCOW_OK; k++)
            r = add_global(o, ins, &ins->pairs.items[k]);
    }
    return r;
}

static void sort_by_line(struct items *items)
{
    /* Few, and those of one line keep their order: by insertion. */
    for (size_t i = 1; i < items->count; i++) {
        struct item item = items->all[i];
        size_t k = i;
        for (; k > 0 && items->all[k - 1].where.first > item.where.first; k--)
            items->all[k] = items->all[k - 1];
        items->all[k] = item;
    }
}

static int gather(struct outline *o, size_t target)
{
    int r = add_globals(o);
    o->needed[target] = true;
    for (size_t i = target + 1; i-- > 0 && r == WCOW_OK;) {
        if (!o->needed[i])
            continue;
        need_sources(o, i);
        r = take_stage(o, i);
    }
    sort_by_line(&o->args);
    sort_by_line(&o->secrets);
    sort_by_line(&o->agents);
    return r;
}

/* --- printing --- */

static json_t *item_json(const struct item *item, bool is_arg)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "name", json_string(item->name));
    if (item->description)
        bad |= json_object_set_new(object, "description", json_string(item->description));
    if (item->value)
        bad |= json_object_set_new(object, "value", json_string(item->value));
    if (!is_arg && item->required)
        bad |= json_object_set_new(object, "required", json_true());
    bad |= json_object_set_new(object, "location", wcow_location_json(&item->where));
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Nothing for a list without items. */
static int add_items(json_t *root, const char *key, const struct items *items, bool are_args)
{
    if (items->count == 0)
        return 0;
    json_t *array = json_array();
    int bad = json_object_set_new(root, key, array);
    for (size_t i = 0; i < items->count; i++)
        bad |= json_array_append_new(array, item_json(&items->all[i], are_args));
    return bad;
}

/* "sources": the Dockerfile that the locations are of. */
static int add_source(json_t *root, const struct wcow_buf *source)
{
    wcow_autobuf text = {0};
    if (!source)
        return 0;
    if (wcow_base64_encode(source->data, source->len, &text, NULL) < 0)
        return -1;
    json_t *one = json_stringn(text.len ? (const char *)text.data : "", text.len);
    return json_object_set_new(root, "sources", json_pack("[o]", one));
}

static int dump(json_t *root, bool good, char **ret, struct wcow_error *err)
{
    wcow_autofree char *text = good ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    wcow_autobuf out = {0};
    if (!text)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the outline cannot be written as JSON: is the Dockerfile UTF-8?");
    int r = wcow_buf_addf(&out, err, "%s\n", text);
    if (r != WCOW_OK)
        return r;
    *ret = wcow_buf_take_str(&out);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory writing the outline");
}

static int print_json(const struct outline *o, const struct wcow_stage *target, char **ret)
{
    json_t *root = json_object();
    int bad = 0;
    if (target->name)
        bad |= json_object_set_new(root, "name", json_string(target->name));
    if (target->description)
        bad |= json_object_set_new(root, "description", json_string(target->description));
    bad |= add_items(root, "args", &o->args, true);
    bad |= add_items(root, "secrets", &o->secrets, false);
    bad |= add_items(root, "ssh", &o->agents, false);
    bad |= add_source(root, o->input->source);
    return dump(root, bad == 0, ret, o->err);
}

static size_t widest(const struct items *items, const char *heading, bool values)
{
    size_t width = strlen(heading);
    for (size_t i = 0; i < items->count; i++) {
        const char *text = values ? items->all[i].value : items->all[i].name;
        if (text && strlen(text) > width)
            width = strlen(text);
    }
    return width;
}

static int print_args(const struct outline *o, struct wcow_buf *out)
{
    if (o->args.count == 0)
        return WCOW_OK;
    int name = (int)widest(&o->args, "BUILD ARG", false) + 3;
    int value = (int)widest(&o->args, "VALUE", true) + 3;
    int r = wcow_buf_addf(out, o->err, "%-*s%-*s%s\n", name, "BUILD ARG", value, "VALUE",
                          "DESCRIPTION");
    for (size_t i = 0; i < o->args.count && r == WCOW_OK; i++) {
        const struct item *item = &o->args.all[i];
        r = wcow_buf_addf(out, o->err, "%-*s%-*s%s\n", name, item->name, value,
                          item->value ? item->value : "",
                          item->description ? item->description : "");
    }
    return r < 0 ? r : wcow_buf_addf(out, o->err, "\n");
}

static int print_needs(const struct outline *o, const struct items *items, const char *heading,
                       struct wcow_buf *out)
{
    if (items->count == 0)
        return WCOW_OK;
    int name = (int)widest(items, heading, false) + 3;
    int r = wcow_buf_addf(out, o->err, "%-*s%s\n", name, heading, "REQUIRED");
    for (size_t i = 0; i < items->count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, o->err, "%-*s%s\n", name, items->all[i].name,
                          items->all[i].required ? "true" : "");
    return r < 0 ? r : wcow_buf_addf(out, o->err, "\n");
}

static int print_target(const struct wcow_stage *target, struct wcow_buf *out,
                        struct wcow_error *err)
{
    const char *name = target->name ? target->name : "(default)";
    if (!target->name && !target->description)
        return WCOW_OK;
    if (!target->description)
        return wcow_buf_addf(out, err, "TARGET: %s\n\n", name);
    return wcow_buf_addf(out, err, "TARGET:      %s\nDESCRIPTION: %s\n\n", name,
                         target->description);
}

/* In the columns that BuildKit gives to them. */
static int print_tables(const struct outline *o, const struct wcow_stage *target, char **ret)
{
    wcow_autobuf out = {0};
    int r = print_target(target, &out, o->err);
    if (r == WCOW_OK)
        r = print_args(o, &out);
    if (r == WCOW_OK)
        r = print_needs(o, &o->secrets, "SECRET", &out);
    if (r == WCOW_OK)
        r = print_needs(o, &o->agents, "SSH", &out);
    if (r != WCOW_OK)
        return r;
    *ret = wcow_buf_take_str(&out);
    return *ret ? WCOW_OK : WCOW_FAIL(o->err, WCOW_E_NOMEM, "out of memory writing the outline");
}

int wcow_outline_print(const struct wcow_build_file *file, const struct wcow_outline_input *input,
                       char **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(outline_done) struct outline o = {.file = file, .input = input, .err = err};
    size_t target = 0;
    int r = wcow_stage_target(file, input->target, &target, err);
    if (r != WCOW_OK)
        return r;
    o.needed = calloc(file->stage_count, sizeof *o.needed);
    if (!o.needed)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory writing the outline");
    r = gather(&o, target);
    if (r != WCOW_OK)
        return r;
    const struct wcow_stage *stage = &file->stages[target];
    return input->json ? print_json(&o, stage, ret) : print_tables(&o, stage, ret);
}

static json_t *target_json(const struct wcow_stage *stage, bool is_default)
{
    json_t *object = json_object();
    int bad = 0;
    if (stage->name)
        bad |= json_object_set_new(object, "name", json_string(stage->name));
    if (is_default)
        bad |= json_object_set_new(object, "default", json_true());
    if (stage->description)
        bad |= json_object_set_new(object, "description", json_string(stage->description));
    bad |= json_object_set_new(object, "base", json_string(stage->base));
    if (stage->platform)
        bad |= json_object_set_new(object, "platform", json_string(stage->platform));
    bad |= json_object_set_new(object, "location", wcow_location_json(&stage->node->where));
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}

static int targets_json(const struct wcow_build_file *file, const struct wcow_buf *source,
                        char **ret, struct wcow_error *err)
{
    json_t *root = json_object();
    json_t *targets = json_array();
    int bad = json_object_set_new(root, "targets", targets);
    for (size_t i = 0; i < file->stage_count; i++) {
        bool is_default = i + 1 == file->stage_count;
        bad |= json_array_append_new(targets, target_json(&file->stages[i], is_default));
    }
    bad |= add_source(root, source);
    return dump(root, bad == 0, ret, err);
}

int wcow_outline_targets(const struct wcow_build_file *file, const struct wcow_outline_input *input,
                         char **ret, struct wcow_error *err)
{
    if (input->json)
        return targets_json(file, input->source, ret, err);
    size_t width = strlen("TARGET");
    for (size_t i = 0; i < file->stage_count; i++) {
        size_t len = file->stages[i].name ? strlen(file->stages[i].name) : 0;
        if (i + 1 == file->stage_count)
            len += strlen(len ? " (default)" : "(default)");
        width = len > width ? len : width;
    }
    wcow_autobuf out = {0};
    int r = wcow_buf_addf(&out, err, "%-*s%s\n", (int)width + 1, "TARGET", "DESCRIPTION");
    for (size_t i = 0; i < file->stage_count && r == WCOW_OK; i++) {
        const struct wcow_stage *stage = &file->stages[i];
        bool last = i + 1 == file->stage_count;
        const char *name = stage->name ? stage->name : "";
        const char *mark = !last ? "" : stage->name ? " (default)" : "(default)";
        int pad = (int)(width + 1 - strlen(name) - strlen(mark));
        r = wcow_buf_addf(&out, err, "%s%s%*s%s\n", name, mark, pad, "",
                          stage->description ? stage->description : "");
    }
    if (r != WCOW_OK)
        return r;
    *ret = wcow_buf_take_str(&out);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory writing the targets");
}
