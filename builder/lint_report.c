/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks found, for people and as JSON. */
#include <jansson.h>
#include <stdlib.h>

#include "builder/diagnostic.h"
#include "builder/lint.h"
#include "builder/location_json.h"
#include "builder/words_text.h"

/* Where Docker's documentation explains the rule: "JSONArgsRecommended" is json-args-recommended.
 */
static int add_url(enum wcow_lint_rule rule, struct wcow_buf *out, struct wcow_error *err)
{
    const char *name = wcow_lint_rule_name(rule);
    int r = wcow_buf_add_str(out, "https://docs.docker.com/go/dockerfile/rule/", err);
    for (size_t i = 0; r == WCOW_OK && name[i]; i++) {
        char low = wcow_text_lower(name[i]);
        bool is_upper = low != name[i];
        bool after_lower = i > 0 && wcow_text_lower(name[i - 1]) == name[i - 1];
        bool before_lower = name[i + 1] && wcow_text_lower(name[i + 1]) == name[i + 1];
        if (i > 0 && is_upper && (after_lower || before_lower))
            r = wcow_buf_add(out, "-", 1, err);
        if (r == WCOW_OK)
            r = wcow_buf_add(out, &low, 1, err);
    }
    return r == WCOW_OK ? wcow_buf_add_str(out, "/", err) : r;
}

/* An empty line, the rule and where that is explained, its sentence, its lines. */
static int format_one(const struct wcow_lint_warning *warning, const char *file_name,
                      const void *source, size_t len, struct wcow_buf *out, struct wcow_error *err)
{
    int r = wcow_buf_addf(out, err, "\nWARNING: %s - ", wcow_lint_rule_name(warning->rule));
    if (r == WCOW_OK)
        r = add_url(warning->rule, out, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(out, err, "\n%s%s%s%s\n", warning->detail, warning->hint ? " (" : "",
                          warning->hint ? warning->hint : "", warning->hint ? ")" : "");
    return r == WCOW_OK ? wcow_diagnostic_excerpt(out, file_name, source, len, warning->where, err)
                        : r;
}

int wcow_lint_format(const struct wcow_lint_report *report, const char *file_name,
                     const void *source, size_t len, struct wcow_buf *out, struct wcow_error *err)
{
    if (report->count == 0)
        return wcow_buf_add_str(out, "Check complete, no warnings found.\n", err);
    int r = report->count == 1
                ? wcow_buf_add_str(out, "Check complete, 1 warning has been found!\n", err)
                : wcow_buf_addf(out, err, "Check complete, %zu warnings have been found!\n",
                                report->count);
    for (size_t i = 0; i < report->count && r == WCOW_OK; i++)
        r = format_one(&report->warnings[i], file_name, source, len, out, err);
    return r;
}

int wcow_lint_rules(const struct wcow_lint_report *report, struct wcow_buf *out,
                    struct wcow_error *err)
{
    bool told[WCOW_LINT_COUNT] = {false};
    int r = WCOW_OK;
    for (size_t i = 0; i < report->count && r == WCOW_OK; i++) {
        enum wcow_lint_rule rule = report->warnings[i].rule;
        if (!told[rule])
            r = wcow_buf_addf(out, err, "%s%s", i ? ", " : "", wcow_lint_rule_name(rule));
        told[rule] = true;
    }
    return r;
}

static json_t *warning_json(const struct wcow_lint_warning *warning)
{
    wcow_autobuf url = {0};
    if (add_url(warning->rule, &url, NULL) < 0)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "ruleName", wcow_lint_rule_name(warning->rule),
                     "description", wcow_lint_rule_description(warning->rule), "url",
                     (const char *)url.data, "detail", warning->detail, "location",
                     wcow_location_json(&warning->where));
}

static json_t *error_json(const struct wcow_lint_error *fatal)
{
    return json_pack("{s:s?, s:o}", "message", fatal->message, "location",
                     wcow_location_json(&fatal->where));
}

int wcow_lint_json(const struct wcow_lint_report *report, const struct wcow_lint_error *fatal,
                   struct wcow_buf *out, struct wcow_error *err)
{
    json_t *warnings = json_array();
    bool good = true;
    for (size_t i = 0; i < report->count; i++)
        good = json_array_append_new(warnings, warning_json(&report->warnings[i])) == 0 && good;
    json_t *root = json_pack("{s:o}", "warnings", warnings);
    if (fatal)
        good = json_object_set_new(root, "buildError", error_json(fatal)) == 0 && good;
    wcow_autofree char *text = good && root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the warnings cannot be written as JSON: is the Dockerfile UTF-8?");
    return wcow_buf_addf(out, err, "%s\n", text);
}
