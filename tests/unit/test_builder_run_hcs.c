/* SPDX-License-Identifier: Apache-2.0 */
/* The runhcs executor's requests against golden files, field by field as containerd's ctr and
 * BuildKit make them; and which executors this machine has. */
#include "builder/run_hcs.h"

#include <stdio.h>
#include <string.h>

#include "wcow_test.h"

static const char *const env[] = {"GREETING=hello \"you\"", "Path=C:\\tools", NULL};
static const struct wcow_run_volume volumes[] = {
    {.source = "C:\\ctx", .target = "Files/src/in", .read_only = true}};

static struct wcow_execution sample(void)
{
    return (struct wcow_execution){.command_line = "cmd /S /C echo \"Goodbye!\" >> hello.txt",
                                   .workdir = "C:\\app",
                                   .env = env,
                                   .user = "ContainerUser"};
}

static const struct wcow_hcs_options no_script = {0};

static void expect_golden(const char *name, const struct wcow_buf *got)
{
    char path[512];
    static char want[65536];
    (void)snprintf(path, sizeof(path), "%s/run/%s", WCOW_TESTDATA, name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(want, 1, sizeof(want) - 1, f);
    (void)fclose(f);
    want[n] = '\0';
    assert_string_equal((const char *)got->data, want);
}

static void the_spec_is_as_ctr_writes_it(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    struct wcow_execution x = sample();
    assert_int_equal(wcow_hcs_spec_write(&x, &no_script, &out, &err), WCOW_OK);
    expect_golden("process.json", &out);
}

static void hyperv_mounts_and_no_network(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    struct wcow_execution x = sample();
    x.volumes = volumes;
    x.n_volumes = 1;
    x.network = WCOW_NET_NONE;
    x.user = "";
    x.isolation = WCOW_ISOLATION_HYPERV;
    assert_int_equal(wcow_hcs_spec_write(&x, &no_script, &out, &err), WCOW_OK);
    expect_golden("hyperv.json", &out);
}

static void a_script_is_mounted_and_limits_are_told(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    const struct wcow_hcs_options options = {.script_folder = "C:\\wcow\\scripts\\1"};
    struct wcow_execution x = sample();
    x.command_line = "cmd /S /C";
    x.script = "echo one\necho two\n";
    x.limits =
        (struct wcow_run_limits){.memory_bytes = INT64_C(2) << 30, .disk_bytes = INT64_C(40) << 30};
    assert_int_equal(wcow_hcs_spec_write(&x, &options, &out, &err), WCOW_OK);
    expect_golden("script.json", &out);
    assert_int_equal(wcow_hcs_spec_write(&x, &no_script, &out, &err), WCOW_E_PRECONDITION);
    assert_non_null(strstr(err.msg, "without its folder"));
}

static void memory_is_refused(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    const struct wcow_run_volume memory = {.target = "Files/t"};
    struct wcow_execution x = sample();
    x.volumes = &memory;
    x.n_volumes = 1;
    assert_int_equal(wcow_hcs_spec_write(&x, &no_script, &out, &err), WCOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "type=tmpfs"));
}

static void a_hosts_file_is_refused(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    struct wcow_execution x = sample();
    x.hosts = "192.0.2.1\tname\n";
    assert_int_equal(wcow_hcs_spec_write(&x, &no_script, &out, &err), WCOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "--add-host"));
}

static void the_root_file_system_travels_with_the_task(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    char type[] = "windows-layer";
    char source[] = "C:\\wcow\\snapshots\\3";
    char rw[] = "rw";
    char parents[] = "parentLayerPaths=[\"C:\\\\wcow\\\\snapshots\\\\1\"]";
    char *options[] = {rw, parents};
    struct wcow_mount mount = {.type = type, .source = source, .options = options, .n_options = 2};
    const struct wcow_mounts rootfs = {.items = &mount, .n = 1};
    struct wcow_execution x = sample();
    x.rootfs = &rootfs;
    assert_int_equal(wcow_hcs_task_write(&x, "run-1", &out, &err), WCOW_OK);
    expect_golden("task.json", &out);
    char overlay[] = "overlay";
    mount.type = overlay;
    assert_int_equal(wcow_hcs_task_write(&x, "run-1", &out, &err), WCOW_E_PRECONDITION);
    assert_non_null(strstr(err.msg, "windows-layer"));
}

static void isolation_is_of_windows_containers(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    enum wcow_run_isolation isolation = WCOW_ISOLATION_DEFAULT;
    assert_int_equal(wcow_run_isolation_parse("HyperV", &isolation, &err), WCOW_OK);
    assert_int_equal(isolation, WCOW_ISOLATION_HYPERV);
    enum wcow_run_isolation none = WCOW_ISOLATION_HYPERV;
    assert_int_equal(wcow_run_isolation_parse("", &none, &err), WCOW_OK); /* as docker's */
    assert_int_equal(none, WCOW_ISOLATION_DEFAULT);
    assert_int_equal(wcow_run_isolation_parse("vm", &isolation, &err), WCOW_E_INVALID);
    assert_non_null(strstr(err.msg, "default, process and hyperv"));
    struct wcow_executor *executor = NULL;
    const struct wcow_executor_options options = {
        .name = "wine", .root = "/nowhere", .isolation = isolation};
    assert_int_equal(wcow_executor_new(&options, NULL, &executor, &err), WCOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "leave it at default"));
}

static void executors_that_are_not_here_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *configured;
        int code;
        const char *says;
    } cases[] = {
        {NULL, NULL, WCOW_E_UNSUPPORTED, "wcow executor install wine"},
        {"auto", NULL, WCOW_E_UNSUPPORTED, "executor = wine"},
        {"none", "wine", WCOW_E_UNSUPPORTED, "none is turned on"},
        {"runhcs", NULL, WCOW_E_UNSUPPORTED, "Windows host"},
        {"auto", "runhcs", WCOW_E_UNSUPPORTED, "Windows host"},
        {"wine", NULL, WCOW_E_UNSUPPORTED, "not set up in /nowhere"},
        {"auto", "wine", WCOW_E_UNSUPPORTED, "not set up in /nowhere"},
        {"docker", NULL, WCOW_E_INVALID, "unknown executor"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_error err = {0};
        struct wcow_executor *executor = NULL;
        const struct wcow_executor_options options = {
            .name = cases[i].name, .configured = cases[i].configured, .root = "/nowhere"};
        assert_int_equal(wcow_executor_new(&options, NULL, &executor, &err), cases[i].code);
        assert_null(executor);
        assert_non_null(strstr(err.msg, cases[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_spec_is_as_ctr_writes_it),
        cmocka_unit_test(hyperv_mounts_and_no_network),
        cmocka_unit_test(a_script_is_mounted_and_limits_are_told),
        cmocka_unit_test(memory_is_refused),
        cmocka_unit_test(a_hosts_file_is_refused),
        cmocka_unit_test(the_root_file_system_travels_with_the_task),
        cmocka_unit_test(isolation_is_of_windows_containers),
        cmocka_unit_test(executors_that_are_not_here_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
