/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "image/runtime_spec.h"

static const char *const folders[] = {"C:\\wcow\\snapshots\\2", "C:\\wcow\\snapshots\\1",
                                      "C:\\wcow\\snapshots\\3"};
static const char *const args[] = {"cmd", "/C", "type C:\\hello.txt"};
static const char *const env[] = {"GREETING=Hello"};

static void process_isolation_leaves_the_root_to_the_shim(void **state)
{
    (void)state;
    struct wcow_runtime_spec spec = {.layer_folders = {folders, 3},
                                     .args = {args, 3},
                                     .env = {env, 1},
                                     .cwd = "C:\\app",
                                     .username = "ContainerUser"};
    wcow_autobuf out = {0};
    assert_ok(wcow_runtime_spec_write(&spec, &out, &err));
    assert_string_equal((const char *)out.data, "{\n"
                                                "  \"ociVersion\": \"1.1.0\",\n"
                                                "  \"process\": {\n"
                                                "    \"user\": {\n"
                                                "      \"username\": \"ContainerUser\"\n"
                                                "    },\n"
                                                "    \"args\": [\n"
                                                "      \"cmd\",\n"
                                                "      \"/C\",\n"
                                                "      \"type C:\\\\hello.txt\"\n"
                                                "    ],\n"
                                                "    \"env\": [\n"
                                                "      \"GREETING=Hello\"\n"
                                                "    ],\n"
                                                "    \"cwd\": \"C:\\\\app\"\n"
                                                "  },\n"
                                                "  \"windows\": {\n"
                                                "    \"layerFolders\": [\n"
                                                "      \"C:\\\\wcow\\\\snapshots\\\\2\",\n"
                                                "      \"C:\\\\wcow\\\\snapshots\\\\1\",\n"
                                                "      \"C:\\\\wcow\\\\snapshots\\\\3\"\n"
                                                "    ],\n"
                                                "    \"ignoreFlushesDuringBoot\": true,\n"
                                                "    \"network\": {\n"
                                                "      \"allowUnqualifiedDNSQuery\": true\n"
                                                "    }\n"
                                                "  },\n"
                                                "  \"root\": {\n"
                                                "    \"path\": \"\"\n"
                                                "  }\n"
                                                "}\n");
}

static void a_utility_vm_has_no_root_and_a_command_line_stays_verbatim(void **state)
{
    (void)state;
    struct wcow_runtime_spec spec = {
        .layer_folders = {folders, 2}, .command_line = "cmd /S /C echo \"hi\"", .hyperv = true};
    wcow_autobuf out = {0};
    assert_ok(wcow_runtime_spec_write(&spec, &out, &err));
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "\"commandLine\": \"cmd /S /C echo \\\"hi\\\"\""));
    assert_non_null(strstr(text, "\"hyperv\": {}"));
    assert_null(strstr(text, "\"root\""));
    assert_null(strstr(text, "\"args\""));
    assert_non_null(strstr(text, "\"cwd\": \"C:\\\\\""));
}

static void what_cannot_run_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff"};
    wcow_autobuf out = {0};
    struct wcow_runtime_spec none = {.layer_folders = {folders, 3}};
    assert_fails(wcow_runtime_spec_write(&none, &out, &err), WCOW_E_INVALID);
    struct wcow_runtime_spec one = {.layer_folders = {folders, 1}, .args = {args, 3}};
    assert_fails(wcow_runtime_spec_write(&one, &out, &err), WCOW_E_INVALID);
    struct wcow_runtime_spec latin = {.layer_folders = {folders, 2}, .args = {bad, 1}};
    assert_fails(wcow_runtime_spec_write(&latin, &out, &err), WCOW_E_INVALID);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_isolation_leaves_the_root_to_the_shim),
        cmocka_unit_test(a_utility_vm_has_no_root_and_a_command_line_stays_verbatim),
        cmocka_unit_test(what_cannot_run_is_refused),
    };
    return cmocka_run_group_tests_name("image/runtime_spec", tests, NULL, NULL);
}
