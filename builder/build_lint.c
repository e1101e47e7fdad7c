/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build_lint.h"

#include <stdio.h>
#include <string.h>

struct bases {
    const struct wcow_build *build;
    struct wcow_env env; /* of the one that was asked for last */
};

/* An image with triggers sets variables that stand nowhere yet. */
static bool has_triggers(const struct wcow_local_image *image)
{
    wcow_auto_str_list list = {0};
    return wcow_image_config_list(image->config, WCOW_CONFIG_ON_BUILD, &list, NULL) < 0 ||
           list.count > 0;
}

static int read_env(const struct wcow_local_image *image, struct wcow_env *ret)
{
    wcow_auto_str_list list = {0};
    int r = wcow_image_config_list(image->config, WCOW_CONFIG_ENV, &list, NULL);
    for (size_t i = 0; r == WCOW_OK && i < list.count; i++)
        r = wcow_env_set_pair(ret, list.items[i], NULL);
    return r;
}

/* Of the image that a stage with this FROM began with. */
static const struct wcow_env *base_env(void *ctx, const char *name)
{
    struct bases *bases = ctx;
    const struct wcow_build *b = bases->build;
    const struct wcow_stage_state *stages = b->variants[0].stages;
    for (size_t i = 0; stages && i < b->file->stage_count; i++) {
        if (!stages[i].base || strcmp(b->file->stages[i].base, name) != 0)
            continue;
        wcow_env_done(&bases->env);
        bases->env.ignore_case = true;
        bool is_known =
            !has_triggers(stages[i].base) && read_env(stages[i].base, &bases->env) == WCOW_OK;
        return is_known ? &bases->env : NULL;
    }
    return NULL;
}

static bool format(const struct wcow_platform *platform, char *to, size_t size)
{
    wcow_autobuf text = {0};
    if (wcow_platform_format(platform, &text, NULL) < 0)
        return false;
    (void)snprintf(to, size, "%s", (const char *)text.data);
    return true;
}

bool wcow_build_platforms_differ(const struct wcow_platform *is, const struct wcow_platform *wanted,
                                 struct wcow_lint_platforms *ret)
{
    if (strcmp(is->os, wanted->os) == 0 && strcmp(is->architecture, wanted->architecture) == 0)
        return false;
    return format(is, ret->is, sizeof(ret->is)) && format(wanted, ret->wanted, sizeof(ret->wanted));
}

/* Of the image that the stage began with; what begins with a stage has its base from there. */
static bool base_platform(void *ctx, size_t stage, struct wcow_lint_platforms *ret)
{
    const struct bases *bases = ctx;
    const struct wcow_stage_state *stages = bases->build->variants[0].stages;
    const struct wcow_stage_state *s = stages ? &stages[stage] : NULL;
    if (!s || !s->base || s->from)
        return false;
    const struct wcow_platform is = wcow_image_config_platform(s->base->config);
    return wcow_build_platforms_differ(&is, &s->wanted, ret);
}

static int refuse(struct wcow_build *b, const struct wcow_lint_report *report,
                  struct wcow_error *err)
{
    wcow_autobuf rules = {0};
    int r = wcow_lint_rules(report, &rules, err);
    if (r < 0)
        return r;
    b->where = report->warnings[0].where;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "lint violation found for rules: %s (check=error=true): %s",
                     (const char *)rules.data, report->warnings[0].detail);
}

static int tell(const struct wcow_lint_report *report, struct wcow_buf *out, struct wcow_error *err)
{
    int r =
        wcow_buf_addf(out, err, "\n %zu warning%s found (wcow build --check shows the lines):\n",
                      report->count, report->count == 1 ? "" : "s");
    for (size_t i = 0; i < report->count && r == WCOW_OK; i++)
        r = wcow_buf_addf(out, err, " - %s: %s (line %u)\n",
                          wcow_lint_rule_name(report->warnings[i].rule), report->warnings[i].detail,
                          report->warnings[i].where.first);
    return r;
}

int wcow_build_lint(struct wcow_build *b, struct wcow_buf *out, struct wcow_error *err)
{
    struct bases bases = {.build = b};
    const struct wcow_lint_input input = {.ignore = wcow_context_ignore(b->context),
                                          .build_args = &b->build_args,
                                          .predefined = &b->variants[0].predefined,
                                          .base_env = base_env,
                                          .base_env_ctx = &bases,
                                          .base_platform = base_platform,
                                          .base_platform_ctx = &bases};
    WCOW_CLEANUP(wcow_lint_report_free_p) struct wcow_lint_report *report = NULL;
    int r = wcow_lint_run(b->file, &input, &report, err);
    wcow_env_done(&bases.env);
    if (r < 0 || report->count == 0)
        return r;
    if (report->error)
        return refuse(b, report, err);
    return out ? tell(report, out, err) : WCOW_OK;
}
