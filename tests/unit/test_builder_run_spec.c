/* SPDX-License-Identifier: Apache-2.0 */
/* config.json of Wine's container: what holds the command in. */
#include <stdlib.h>
#include <string.h>

#include "builder/wine_spec.h"
#include "wcow_test.h"

static const char *const args[] = {"/wine/bin/wcow-wine-init", NULL};

static struct wcow_wine_spec sample(void)
{
    return (struct wcow_wine_spec){.root = "/r",
                                   .usr = "/usr",
                                   .args = args,
                                   .overrides = "mshtml=d",
                                   .lower = "/t:/l2/Files:/l1/Files",
                                   .upper = "/s/Files",
                                   .work = "/s/work",
                                   .cgroup = "/wcow/a-run",
                                   .memory_bytes = 1 << 30,
                                   .max_processes = 100};
}

static void the_container_is_closed(void **state)
{
    (void)state;
    static const char *const want[] = {
        "\"readonly\": true", "\"noNewPrivileges\": true",           "\"seccomp\"",
        "\"limit\": 100",     "\"lowerdir=/t:/l2/Files:/l1/Files\"", "\"redirect_dir=on\"",
        "\"metacopy=off\""};
    static const char *const never[] = {"CAP_", "containerd", "\"source\": \"/\""};
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    const struct wcow_wine_spec spec = sample();
    assert_int_equal(wcow_wine_spec_write(&spec, &out, &err), WCOW_OK);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_non_null(strstr((const char *)out.data, want[i]));
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_null(strstr((const char *)out.data, never[i]));
    assert_null(strstr((const char *)out.data, "\"network\""));
}

/* What is not on the list fails; what would open the container up is not on it. */
static void calls_are_allowed_one_by_one(void **state)
{
    (void)state;
    static const char *const never[] = {
        "\"mount\"",  "\"umount2\"",          "\"unshare\"",     "\"setns\"",
        "\"bpf\"",    "\"pivot_root\"",       "\"keyctl\"",      "\"add_key\"",
        "\"chroot\"", "\"init_module\"",      "\"kexec_load\"",  "\"perf_event_open\"",
        "\"setuid\"", "\"io_uring_setup\"",   "\"userfaultfd\"", "\"open_by_handle_at\"",
        "\"reboot\"", "\"name_to_handle_at\""};
    wcow_autobuf out = {0};
    const struct wcow_wine_spec spec = sample();
    assert_int_equal(wcow_wine_spec_write(&spec, &out, NULL), WCOW_OK);
    const char *text = strstr((const char *)out.data, "\"seccomp\"");
    assert_non_null(text);
    assert_non_null(strstr(text, "\"defaultAction\": \"SCMP_ACT_ERRNO\""));
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_null(strstr(text, never[i]));
}

static void limits_that_nothing_enforces_are_left_out(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    struct wcow_wine_spec spec = sample();
    spec.memory_bytes = 0;
    spec.max_processes = 0;
    assert_int_equal(wcow_wine_spec_write(&spec, &out, NULL), WCOW_OK);
    assert_null(strstr((const char *)out.data, "\"limit\""));
}

static void no_network_is_a_namespace(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    struct wcow_wine_spec spec = sample();
    spec.network = WCOW_NET_NONE;
    assert_int_equal(wcow_wine_spec_write(&spec, &out, NULL), WCOW_OK);
    assert_non_null(strstr((const char *)out.data, "\"type\": \"network\""));
}

static void too_many_layers_are_said_so(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    struct wcow_wine_spec spec = sample();
    char lower[WCOW_OVERLAY_OPTIONS_MAX + 1];
    memset(lower, 'x', sizeof(lower) - 1);
    lower[sizeof(lower) - 1] = '\0';
    spec.lower = lower;
    assert_int_equal(wcow_wine_spec_write(&spec, &out, &err), WCOW_E_LIMIT);
    assert_non_null(strstr(err.msg, "more layers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_container_is_closed),
        cmocka_unit_test(calls_are_allowed_one_by_one),
        cmocka_unit_test(limits_that_nothing_enforces_are_left_out),
        cmocka_unit_test(no_network_is_a_namespace),
        cmocka_unit_test(too_many_layers_are_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
