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
    char path[160];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_files_a_registry_serves_itself),
        cmocka_unit_test(mirrors_come_first_with_their_settings),
        cmocka_unit_test(bad_files_name_their_line),
        cmocka_unit_test(a_directory_of_certificates_serves_too),
    };
    return cmocka_run_group_tests_name("image/hosts", tests, setup, teardown);
}
