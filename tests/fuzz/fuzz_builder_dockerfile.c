/* SPDX-License-Identifier: Apache-2.0 */
/* A Dockerfile from its bytes to its checks, its tree and its outline. */
#include <stdint.h>
#include <stdlib.h>

#include "builder/ast_json.h"
#include "builder/lint.h"
#include "builder/outline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct wcow_build_file *file, const uint8_t *data, size_t size)
{
    struct wcow_lint_input input = {0};
    struct wcow_outline_input outline = {.json = true};
    struct wcow_lint_report *report = NULL;
    wcow_autofree char *text = NULL;
    wcow_autobuf out = {0};
    if (wcow_lint_run(file, &input, &report, NULL) == WCOW_OK &&
        wcow_lint_format(report, "Dockerfile", data, size, &out, NULL) != WCOW_OK)
        out.len = 0;
    wcow_lint_report_free(report);
    if (wcow_outline_print(file, &outline, &text, NULL) != WCOW_OK)
        text = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wcow_dockerfile *dockerfile = NULL;
    struct wcow_line_range where = {0};
    if (wcow_dockerfile_parse(data, size, &dockerfile, &where, NULL) != WCOW_OK)
        return 0;
    char *json = NULL;
    if (wcow_ast_json(dockerfile, &json, NULL) == WCOW_OK)
        free(json);
    struct wcow_build_file *file = NULL;
    if (wcow_build_file_new(dockerfile, &file, &where, NULL) == WCOW_OK)
        use(file, data, size);
    wcow_build_file_free(file);
    wcow_dockerfile_free(dockerfile);
    return 0;
}
