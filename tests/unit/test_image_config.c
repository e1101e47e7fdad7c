/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "image/config.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define BASE                                                                                       \
    "{\"created\":\"2024-05-08T16:19:00.123Z\",\"architecture\":\"amd64\",\"os\":\"windows\","     \
    "\"os.version\":\"10.0.20348.2461\",\"os.features\":[\"win32k\"],"                             \
    "\"config\":{\"User\":\"ContainerUser\",\"Env\":[\"Path=C:\\\\Windows\"],"                     \
    "\"Cmd\":[\"c:\\\\windows\\\\system32\\\\cmd.exe\"],\"Labels\":{\"a\":\"1\",\"b\":\"2\"},"     \
    "\"X-Unknown\":{\"deep\":[1.5]}},"                                                             \
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\"]},"                                   \
    "\"history\":[{\"created\":\"2024-05-08T16:19:00Z\",\"created_by\":\"Apply image\"},"          \
    "{\"created_by\":\"CMD\",\"empty_layer\":true}],"                                              \
    "\"com.example\":\"kept\"}"

static struct wcow_image_config *parse(const char *text)
{
    struct wcow_image_config *config = NULL;
    assert_ok(wcow_image_config_parse(text, strlen(text), &config, &err));
    return config;
}

static void assert_writes(const struct wcow_image_config *config, const char *want)
{
    wcow_autobuf out = {0};
    assert_ok(wcow_image_config_write(config, &out, &err));
    assert_string_equal((char *)out.data, want);
}

static void a_config_comes_back_byte_for_byte(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *config = parse(BASE);
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *copy = NULL;
    assert_writes(config, BASE);
    assert_ok(wcow_image_config_copy(config, &copy, &err));
    assert_writes(copy, BASE);
    assert_true(wcow_image_config_is_windows(config));
    assert_string_equal(wcow_image_config_platform(config).os_version, "10.0.20348.2461");
    assert_string_equal(wcow_image_config_string(config, WCOW_CONFIG_USER), "ContainerUser");
    assert_string_equal(wcow_image_config_string(config, WCOW_CONFIG_WORKING_DIR), "");
    assert_string_equal(wcow_image_config_diff_id(config, 0), A);
    assert_null(wcow_image_config_diff_id(config, 1));
    struct wcow_history entry;
    const char *created = NULL;
    assert_int_equal(wcow_image_config_history_count(config), 2);
    assert_ok(wcow_image_config_history(config, 0, &entry, &created, &err));
    assert_string_equal(entry.created_by, "Apply image");
    assert_string_equal(created, "2024-05-08T16:19:00Z");
    assert_ok(wcow_image_config_history(config, 1, &entry, NULL, &err));
    assert_true(entry.empty_layer);
    assert_fails(wcow_image_config_history(config, 2, &entry, NULL, &err), WCOW_E_NOT_FOUND);
}

#define WORDS "[\"cmd /S /C <\\\"hi\\\"> & more\"]"

/* Set in an order that is not the one of the document. */
static void set_lists(struct wcow_image_config *c)
{
    static const enum wcow_config_list lists[] = {WCOW_CONFIG_SHELL, WCOW_CONFIG_ON_BUILD,
                                                  WCOW_CONFIG_CMD, WCOW_CONFIG_ENTRYPOINT};
    wcow_auto_str_list words = {0};
    assert_ok(wcow_str_list_add(&words, "cmd /S /C <\"hi\"> & more", &err));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        assert_ok(wcow_image_config_set_list(c, lists[i], &words, &err));
}

static void set_maps(struct wcow_image_config *c)
{
    assert_ok(wcow_image_config_set_label(c, "z", "1", &err));
    assert_ok(wcow_image_config_set_label(c, "a", "2", &err));
    assert_ok(wcow_image_config_add_to_set(c, WCOW_CONFIG_VOLUMES, "C:\\data", &err));
    assert_ok(wcow_image_config_add_to_set(c, WCOW_CONFIG_EXPOSED_PORTS, "80/tcp", &err));
    assert_ok(wcow_image_config_add_to_set(c, WCOW_CONFIG_EXPOSED_PORTS, "443/tcp", &err));
}

static void set_scalars(struct wcow_image_config *c)
{
    struct wcow_healthcheck check = {.interval_ns = 30000000000, .retries = 3};
    assert_ok(wcow_str_list_add(&check.test, "CMD", &err));
    assert_ok(wcow_image_config_set_healthcheck(c, &check, &err));
    wcow_str_list_done(&check.test);
    assert_ok(wcow_image_config_set_args_escaped(c, true, &err));
    assert_ok(wcow_image_config_set_string(c, WCOW_CONFIG_STOP_SIGNAL, "SIGTERM", &err));
    assert_ok(wcow_image_config_set_string(c, WCOW_CONFIG_WORKING_DIR, "C:\\app", &err));
    assert_ok(wcow_image_config_set_env(c, "A", "1", &err));
    assert_ok(wcow_image_config_set_string(c, WCOW_CONFIG_USER, "ContainerAdministrator", &err));
}

static void set_top_level(struct wcow_image_config *c)
{
    struct wcow_history entry = {
        .has_created = true, .created_s = 1700000000, .created_by = "COPY", .comment = "wcow"};
    assert_ok(wcow_image_config_add_diff_id(c, A, &err));
    assert_ok(wcow_image_config_add_history(c, &entry, &err));
    assert_ok(wcow_image_config_set_author(c, "me", &err));
    assert_ok(wcow_image_config_set_created(c, 1700000000, 120000000, &err));
}

static void everything_a_dockerfile_sets_is_written_in_order(void **state)
{
    (void)state;
    static const char want[] =
        "{\"created\":\"2023-11-14T22:13:20.12Z\",\"author\":\"me\",\"architecture\":\"amd64\","
        "\"os\":\"windows\",\"os.version\":\"10.0.20348.1\",\"config\":{"
        "\"User\":\"ContainerAdministrator\",\"ExposedPorts\":{\"443/tcp\":{},\"80/tcp\":{}},"
        "\"Env\":[\"A=1\"],\"Entrypoint\":" WORDS ",\"Cmd\":" WORDS
        ",\"Volumes\":{\"C:\\\\data\":{}},"
        "\"WorkingDir\":\"C:\\\\app\",\"Labels\":{\"a\":\"2\",\"z\":\"1\"},"
        "\"StopSignal\":\"SIGTERM\",\"ArgsEscaped\":true,"
        "\"Healthcheck\":{\"Test\":[\"CMD\"],\"Interval\":30000000000,\"Retries\":3},"
        "\"OnBuild\":" WORDS ",\"Shell\":" WORDS "},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\"]},"
        "\"history\":[{\"created\":\"2023-11-14T22:13:20Z\",\"created_by\":\"COPY\","
        "\"comment\":\"wcow\"}]}";
    struct wcow_platform platform;
    assert_ok(wcow_platform_parse("windows(10.0.20348.1)/amd64", &platform, &err));
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *c = NULL;
    assert_ok(wcow_image_config_new(&platform, &c, &err));
    set_lists(c);
    set_maps(c);
    set_scalars(c);
    set_top_level(c);
    assert_writes(c, want);
}

static void what_is_set_can_be_read(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *c = parse(BASE);
    struct wcow_healthcheck back = {0};
    bool has = true;
    assert_ok(wcow_image_config_healthcheck(c, &back, &has, &err));
    assert_false(has);
    set_scalars(c);
    set_maps(c);
    assert_ok(wcow_image_config_healthcheck(c, &back, &has, &err));
    assert_true(has);
    assert_int_equal(back.retries, 3);
    assert_string_equal(back.test.items[0], "CMD");
    wcow_str_list_done(&back.test);
    wcow_auto_str_list ports = {0};
    assert_ok(wcow_image_config_set_members(c, WCOW_CONFIG_EXPOSED_PORTS, &ports, &err));
    assert_int_equal(ports.count, 2);
}

static void what_is_set_can_be_removed(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *c = parse(BASE);
    const struct wcow_str_list none = {0};
    assert_ok(wcow_image_config_set_list(c, WCOW_CONFIG_CMD, &none, &err));
    assert_true(wcow_image_config_has_list(c, WCOW_CONFIG_CMD));
    assert_ok(wcow_image_config_set_list(c, WCOW_CONFIG_CMD, NULL, &err));
    assert_false(wcow_image_config_has_list(c, WCOW_CONFIG_CMD));
    assert_ok(wcow_image_config_set_string(c, WCOW_CONFIG_USER, NULL, &err));
    assert_string_equal(wcow_image_config_string(c, WCOW_CONFIG_USER), "");
    assert_ok(wcow_image_config_set_label(c, "a", NULL, &err));
    assert_null(wcow_image_config_label(c, "a"));
    assert_ok(wcow_image_config_set_healthcheck(c, NULL, &err));
    assert_ok(wcow_image_config_set_args_escaped(c, false, &err));
    assert_false(wcow_image_config_args_escaped(c));
}

static void names_of_variables_fold_on_windows_only(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *c = parse(BASE);
    assert_string_equal(wcow_image_config_env(c, "PATH"), "C:\\Windows");
    assert_ok(wcow_image_config_set_env(c, "PATH", "C:\\app", &err));
    wcow_auto_str_list env = {0};
    assert_ok(wcow_image_config_list(c, WCOW_CONFIG_ENV, &env, &err));
    assert_int_equal(env.count, 1);
    assert_string_equal(env.items[0], "Path=C:\\app");
    assert_null(wcow_image_config_env(c, "PAT"));
    assert_fails(wcow_image_config_set_env(c, "", "x", &err), WCOW_E_INVALID);
    assert_fails(wcow_image_config_set_env(c, "a=b", "x", &err), WCOW_E_INVALID);
    assert_fails(wcow_image_config_set_env(c, "a", "\xff", &err), WCOW_E_INVALID);

    WCOW_CLEANUP(wcow_image_config_free_p)
    struct wcow_image_config *linux_config =
        parse("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"Path=1\"]}}");
    assert_null(wcow_image_config_env(linux_config, "PATH"));
    assert_ok(wcow_image_config_set_env(linux_config, "PATH", "2", &err));
    assert_string_equal(wcow_image_config_env(linux_config, "Path"), "1");
    assert_string_equal(wcow_image_config_env(linux_config, "PATH"), "2");
}

static void the_classic_builders_notes_can_be_dropped(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_image_config_free_p)
    struct wcow_image_config *c =
        parse("{\"architecture\":\"amd64\",\"os\":\"windows\",\"container\":\"x\","
              "\"container_config\":{},\"docker_version\":\"1\",\"id\":\"i\",\"parent\":\"p\","
              "\"config\":{\"Image\":\"sha256:1\",\"User\":\"u\"}}");
    wcow_image_config_drop_legacy(c);
    assert_writes(c, "{\"architecture\":\"amd64\",\"os\":\"windows\",\"config\":{\"User\":\"u\"},"
                     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
}

static void bad_configs_are_refused(void **state)
{
    (void)state;
    static const char full_but_empty[] =
        "{\"rootfs\":{\"diff_ids\":[\"" A "\"]},\"history\":[{\"empty_layer\":true}]}";
    const char *const cases[] = {
        "",
        "null",
        "[]",
        "{\"os\":1}",
        "{\"os\":\"windows\",\"os\":\"linux\"}",
        "{\"created\":1}",
        "{\"os.features\":\"x\"}",
        "{\"config\":[]}",
        "{\"config\":{\"Env\":{}}}",
        "{\"config\":{\"Env\":[1]}}",
        "{\"config\":{\"Cmd\":\"x\"}}",
        "{\"config\":{\"User\":1}}",
        "{\"config\":{\"Labels\":{\"a\":1}}}",
        "{\"config\":{\"Volumes\":[]}}",
        "{\"config\":{\"ArgsEscaped\":1}}",
        "{\"config\":{\"Healthcheck\":[]}}",
        "{\"config\":{\"Healthcheck\":{\"Interval\":\"1\"}}}",
        "{\"rootfs\":[]}",
        "{\"rootfs\":{\"diff_ids\":{}}}",
        "{\"rootfs\":{\"diff_ids\":[\"sha256:1\"]}}",
        "{\"history\":{}}",
        "{\"history\":[1]}",
        "{\"history\":[{\"empty_layer\":1}]}",
        "{\"history\":[{\"created_by\":\"one layer, but no diff ID\"}]}",
        full_but_empty,
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_image_config *c = NULL;
        struct wcow_error err = {0};
        int r = wcow_image_config_parse(cases[i], strlen(cases[i]), &c, &err);
        if (r != WCOW_E_CORRUPT || err.code != r)
            fail_msg("%s: %d %s", cases[i], r, err.msg);
        assert_null(c);
    }
}

static void chain_ids_follow_the_specification(void **state)
{
    (void)state;
    struct wcow_digest chain;
    struct wcow_digest want;
    assert_ok(wcow_chain_id_next(NULL, A, &chain, &err));
    assert_string_equal(chain.text, A);
    assert_ok(wcow_chain_id_next(A, B, &chain, &err));
    assert_ok(wcow_digest_of(A " " B, strlen(A " " B), &want, &err));
    assert_string_equal(chain.text, want.text);
    assert_fails(wcow_chain_id_next("x", A, &chain, &err), WCOW_E_INVALID);
    assert_fails(wcow_chain_id_next(A, "x", &chain, &err), WCOW_E_INVALID);
}

static void diff_ids_are_added_and_replaced(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *c = parse(BASE);
    assert_ok(wcow_image_config_add_diff_id(c, B, &err));
    assert_fails(wcow_image_config_add_diff_id(c, "B", &err), WCOW_E_INVALID);
    assert_fails(wcow_image_config_set_diff_id(c, 0, "B", &err), WCOW_E_INVALID);
    assert_fails(wcow_image_config_set_diff_id(c, 1000, A, &err), WCOW_E_INVALID);
    wcow_autofree char *first = strdup(wcow_image_config_diff_id(c, 0));
    assert_ok(wcow_image_config_set_diff_id(c, 0, B, &err));
    assert_string_equal(wcow_image_config_diff_id(c, 0), B);
    assert_ok(wcow_image_config_set_diff_id(c, 0, first, &err));
    struct wcow_digest chain;
    struct wcow_digest want;
    assert_ok(wcow_digest_of(A " " B, strlen(A " " B), &want, &err));
    assert_ok(wcow_image_config_chain_id(c, 2, &chain, &err));
    assert_string_equal(chain.text, want.text);
    assert_fails(wcow_image_config_chain_id(c, 3, &chain, &err), WCOW_E_INVALID);
}

static void times_are_written_as_go_writes_them(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        uint32_t ns;
        const char *want;
    } cases[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {1700000000, 1, "2023-11-14T22:13:20.000000001Z"},
        {1700000000, 500000000, "2023-11-14T22:13:20.5Z"},
        {-1, 0, "1969-12-31T23:59:59Z"},
    };
    char text[WCOW_TIME_TEXT_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_ok(wcow_time_format(cases[i].s, cases[i].ns, text, &err));
        assert_string_equal(text, cases[i].want);
    }
    assert_fails(wcow_time_format(INT64_MAX, 0, text, &err), WCOW_E_INVALID);
    assert_fails(wcow_time_format(253402300800, 0, text, &err), WCOW_E_INVALID);
    assert_fails(wcow_time_format(0, 1000000000, text, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_comes_back_byte_for_byte),
        cmocka_unit_test(everything_a_dockerfile_sets_is_written_in_order),
        cmocka_unit_test(what_is_set_can_be_read),
        cmocka_unit_test(what_is_set_can_be_removed),
        cmocka_unit_test(names_of_variables_fold_on_windows_only),
        cmocka_unit_test(the_classic_builders_notes_can_be_dropped),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(chain_ids_follow_the_specification),
        cmocka_unit_test(diff_ids_are_added_and_replaced),
        cmocka_unit_test(times_are_written_as_go_writes_them),
    };
    return cmocka_run_group_tests_name("image/config", tests, NULL, NULL);
}
