/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/words_env.h"

#include <stdlib.h>
#include <string.h>

#include "builder/words_text.h"

static struct wcow_env_var *find(const struct wcow_env *env, const char *name)
{
    for (size_t i = 0; i < env->count; i++) {
        const char *have = env->vars[i].name;
        if ((env->ignore_case ? wcow_text_casecmp(have, name) : strcmp(have, name)) == 0)
            return &env->vars[i];
    }
    return NULL;
}

static int append(struct wcow_env *env, struct wcow_env_var var, struct wcow_error *err)
{
    if (env->count == env->cap) {
        size_t cap = env->cap ? env->cap * 2 : 16;
        struct wcow_env_var *vars = reallocarray(env->vars, cap, sizeof *vars);
        if (!vars)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory keeping variable '%s'", var.name);
        env->vars = vars;
        env->cap = cap;
    }
    env->vars[env->count++] = var;
    return WCOW_OK;
}

int wcow_env_set(struct wcow_env *env, const char *name, const char *value, struct wcow_error *err)
{
    wcow_autofree char *new_value = strdup(value);
    if (!new_value)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory keeping variable '%s'", name);
    struct wcow_env_var *var = find(env, name);
    if (var) {
        free(var->value);
        var->value = WCOW_TAKE_PTR(new_value);
        return WCOW_OK;
    }
    wcow_autofree char *new_name = strdup(name);
    if (!new_name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory keeping variable '%s'", name);
    int r = append(env, (struct wcow_env_var){new_name, new_value}, err);
    if (r == WCOW_OK) {
        (void)WCOW_TAKE_PTR(new_name);
        (void)WCOW_TAKE_PTR(new_value);
    }
    return r;
}

int wcow_env_set_pair(struct wcow_env *env, const char *pair, struct wcow_error *err)
{
    const char *equals = strchr(pair, '=');
    if (!equals)
        return wcow_env_set(env, pair, "", err);
    wcow_autofree char *name = strndup(pair, (size_t)(equals - pair));
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory keeping variable '%s'", pair);
    return wcow_env_set(env, name, equals + 1, err);
}

const char *wcow_env_get(const struct wcow_env *env, const char *name)
{
    const struct wcow_env_var *var = find(env, name);
    return var ? var->value : NULL;
}

void wcow_env_unset(struct wcow_env *env, const char *name)
{
    struct wcow_env_var *var = find(env, name);
    if (!var)
        return;
    free(var->name);
    free(var->value);
    size_t index = (size_t)(var - env->vars);
    env->count--;
    memmove(var, var + 1, (env->count - index) * sizeof *var);
}

int wcow_env_copy(struct wcow_env *to, const struct wcow_env *from, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < from->count && r == WCOW_OK; i++)
        r = wcow_env_set(to, from->vars[i].name, from->vars[i].value, err);
    return r;
}

void wcow_env_done(struct wcow_env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        free(env->vars[i].name);
        free(env->vars[i].value);
    }
    free(env->vars);
    *env = (struct wcow_env){.ignore_case = env->ignore_case};
}
