/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/hosts.h"
#include "image/toml.h"

static char dir[] = "/tmp/wcow-hosts-XXXXXX";

static int setup(void **state)
{
    (void)state;
    char path[128];
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/reg.example", dir);
    return mkdir(path, 0700);
}

static void remove_path(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)remove(path);
}

static int teardown(void **state)
{
    (void)state;
    remove_path("reg.example/hosts.toml");
    remove_path("reg.example");
    return rmdir(dir);
}

static void write_file(const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void without_files_a_registry_serves_itself(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        struct wcow_hosts_options options;
        const char *url;
    } cases[] = {
        {"docker.io", {0}, "https://registry-1.docker.io/v2"},
        {"registry.example.com", {0}, "https://registry.example.com/v2"},
        {"registry.example.com", {.plain_http = true}, "http://registry.example.com/v2"},
        {"localhost:5000", {0}, "http://localhost:5000/v2"},
        {"localhost:443", {0}, "https://localhost:443/v2"},
        {"127.0.0.1:5000", {.ca_file = "/ca.pem"}, "https://127.0.0.1:5000/v2"},
        {"[::1]:5000", {0}, "http://[::1]:5000/v2"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_auto_hosts hosts = {0};
        assert_ok(wcow_hosts_load(&cases[i].options, cases[i].host, &hosts, &err));
        assert_int_equal(hosts.count, 1);
        assert_string_equal(hosts.items[0].url, cases[i].url);
        assert_int_equal(hosts.items[0].capabilities, WCOW_HOST_ALL);
        assert_false(hosts.items[0].is_mirror);
    }
    wcow_auto_hosts hosts = {0};
    struct wcow_hosts_options options = {.directory = dir};
    assert_fails(wcow_hosts_load(&options, "../etc", &hosts, &err), WCOW_E_INVALID);
}

static void mirrors_come_first_with_their_settings(void **state)
{
    (void)state;
    write_file("reg.example/hosts.toml",
               "# comment\r\nserver = \"https://reg.example\"\n\n"
               "[host.\"https://mirror.example:5000\"]\n"
               "  capabilities = [\"pull\", 'resolve',] # trailing comma\n"
               "  ca = \"ca.pem\"\n  skip_verify = true\n"
               "  client = [[\"/c.cert\", \"/c.key\"], [\"/d.cert\", \"/d.key\"]]\n"
               "  [host.\"https://mirror.example:5000\".header]\n"
               "    x-custom = [\"a\", \"b\"]\n"
               "[host.\"http://other.example/path/\"]\n  override_path = true\n"
               "  ca = [\n    \"/a.pem\",\n    \"/b.pem\"\n  ]\n  dial_timeout = 5\n"
               "[host.\"plain.example/v2\"]\n");
    wcow_auto_hosts hosts = {0};
    struct wcow_hosts_options options = {.directory = dir};
    assert_ok(wcow_hosts_load(&options, "reg.example", &hosts, &err));
    assert_int_equal(hosts.count, 4);
    const struct wcow_host *h = &hosts.items[0];
    char ca[128];
    (void)snprintf(ca, sizeof(ca), "%s/reg.example/ca.pem", dir);
    assert_string_equal(h->url, "https://mirror.example:5000/v2");
    assert_string_equal(h->authority, "mirror.example:5000");
    assert_int_equal(h->capabilities, WCOW_HOST_PULL | WCOW_HOST_RESOLVE);
    assert_true(h->is_mirror);
    assert_true(h->skip_verify);
    assert_string_equal(h->ca.items[0], ca);
    assert_string_equal(h->client_cert, "/c.cert");
    assert_string_equal(h->client_key, "/c.key");
    assert_string_equal(wcow_str_map_get(&h->headers, "x-custom"), "a, b");
    h = &hosts.items[1];
    assert_string_equal(h->url, "http://other.example/path");
    assert_int_equal(h->capabilities, WCOW_HOST_ALL);
    assert_int_equal(h->ca.count, 2);
    assert_string_equal(hosts.items[2].url, "https://plain.example/v2");
    h = &hosts.items[3];
    assert_string_equal(h->url, "https://reg.example/v2");
    assert_false(h->is_mirror);
}

static void bad_files_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"\n\nserver = ", "line 3"},
        {"server = 5", "must be a string"},
        {"server = \"x", "no end"},
        {"server \"x\"", "'='"},
        {"server = \"a\" b", "follows"},
        {"server = \"ftp://x\"", "neither"},
        {"server = \"https://user@x\"", "not a server"},
        {"[host", "']'"},
        {"[[host]]", "not supported"},
        {"host = 1", "table"},
        {"[host.\"https://a\"]\ncapabilities = [\"fly\"]", "not a capability"},
        {"[host.\"https://a\"]\nskip_verify = \"yes\"", "true or false"},
        {"[host.\"https://a\"]\nca = true", "must be a string"},
        {"ca = [\"a\" \"b\"]", "missing in an array"},
        {"ca = [[[[[1]]]]]", "too deep"},
        {"a.b.c.d.e.f.g.h.i = 1", "too many parts"},
        {"ca = \"\\q\"", "escape"},
        {"ca = \"\\ud800\"", "escape"},
        {"ca = \"\"\"x\"\"\"", "several lines"},
        {"= 1", "key is missing"},
        {"ca = 99999999999999999999", "whole number"},
    };
    struct wcow_hosts_options options = {.directory = dir};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_hosts hosts = {0};
        struct wcow_error err = {0};
        write_file("reg.example/hosts.toml", cases[i].text);
        int r = wcow_hosts_load(&options, "reg.example", &hosts, &err);
        if (r != WCOW_E_CORRUPT || err.code != r || !strstr(err.msg, cases[i].says) ||
            !strstr(err.msg, "hosts.toml"))
            fail_msg("%s: %d %s", cases[i].text, r, err.msg);
        assert_int_equal(hosts.count, 0);
    }
}

static void a_directory_of_certificates_serves_too(void **state)
{
    (void)state;
    remove_path("reg.example/hosts.toml");
    write_file("reg.example/a.crt", "");
    write_file("reg.example/b.cert", "");
    wcow_auto_hosts hosts = {0};
    struct wcow_hosts_options options = {.directory = dir};
    int r = wcow_hosts_load(&options, "reg.example", &hosts, NULL);
    remove_path("reg.example/a.crt");
    remove_path("reg.example/b.cert");
    assert_int_equal(r, WCOW_OK);
    assert_int_equal(hosts.count, 1);
    assert_int_equal(hosts.items[0].ca.count, 1);
    assert_non_null(strstr(hosts.items[0].client_key, "reg.example/b.key"));
}

/* The server that the hosts of @p host begin with. */
static void assert_first(const char *host, const char *url)
{
    wcow_auto_hosts hosts = {0};
    struct wcow_hosts_options options = {.directory = dir};
    struct wcow_error err = {0};
    assert_int_equal(wcow_hosts_load(&options, host, &hosts, &err), WCOW_OK);
    assert_string_equal(hosts.items[0].url, url);
}

static void make_folder(const char *name, const char *server)
{
    char path[160];
    char text[160];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/hosts.toml", name);
    (void)snprintf(text, sizeof(text), "server = \"%s\"\n", server);
    write_file(path, text);
}

static void remove_folder(const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/hosts.toml", name);
    remove_path(path);
    remove_path(name);
}

static void the_folder_of_a_registry_has_its_port_in_either_form(void **state)
{
    (void)state;
    make_folder("_default", "https://anybody.example");
    assert_first("a.example:5000", "https://anybody.example/v2");
    make_folder("a.example:5000", "https://colon.example");
    assert_first("a.example:5000", "https://colon.example/v2");
    make_folder("a.example_5000_", "https://underscore.example");
    assert_first("a.example:5000", "https://underscore.example/v2");
    assert_first("a.example:5001", "https://anybody.example/v2");
    assert_first("a.example", "https://anybody.example/v2");
    make_folder("[__1]_5000_", "https://never.example");
    make_folder("[::1]_5000_", "https://six.example");
    assert_first("[::1]:5000", "https://six.example/v2");
    static const char *const made[] = {"_default", "a.example:5000", "a.example_5000_",
                                       "[__1]_5000_", "[::1]_5000_"};
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        remove_folder(made[i]);
}

static void what_containerd_asks_mirrors_for_besides_is_no_error(void **state)
{
    (void)state;
    wcow_auto_hosts hosts = {0};
    struct wcow_hosts_options options = {.directory = dir};
    struct wcow_error err = {0};
    write_file("reg.example/hosts.toml",
               "[host.\"https://m.example\"]\ncapabilities = [\"pull\", \"referrers\"]\n"
               "dial_timeout = \"5s\"\n");
    assert_int_equal(wcow_hosts_load(&options, "reg.example", &hosts, &err), WCOW_OK);
    assert_int_equal(hosts.items[0].capabilities, WCOW_HOST_PULL);
    remove_path("reg.example/hosts.toml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_of_a_registry_has_its_port_in_either_form),
        cmocka_unit_test(what_containerd_asks_mirrors_for_besides_is_no_error),
        cmocka_unit_test(without_files_a_registry_serves_itself),
        cmocka_unit_test(mirrors_come_first_with_their_settings),
        cmocka_unit_test(bad_files_name_their_line),
        cmocka_unit_test(a_directory_of_certificates_serves_too),
    };
    return cmocka_run_group_tests_name("image/hosts", tests, setup, teardown);
}
