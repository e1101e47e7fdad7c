/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/auth.h"
#include "image/challenge.h"

static char dir[] = "/tmp/wcow-auth-XXXXXX";

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* A credential helper of the test's own, found by PATH. */
static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    write_file("docker-credential-test",
               "#!/bin/sh\nread -r server\ncase \"$1 $server\" in\n"
               "'get helped.example') echo '{\"Username\":\"u\",\"Secret\":\"from helper\"}';;\n"
               "'get token.example') echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}';;\n"
               "'get https://index.docker.io/v1/') echo '{\"Username\":\"h\",\"Secret\":\"p\"}';;\n"
               "'get garbage.example') echo 'hunter2';;\n"
               "'get slow.example') exec sleep 60;;\n"
               "'get leaky.example') echo '{\"Secret\":\"hunter2\"}'; exit 1;;\n"
               "'get locked.example') echo 'the store is locked'; exit 1;;\n"
               "*) echo 'credentials not found in native keychain'; exit 1;;\nesac\n",
               0755);
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s:%s", dir,
                   getenv("PATH")); // NOLINT(concurrency-mt-unsafe): one thread
    return setenv("PATH", path, 1); // NOLINT(concurrency-mt-unsafe): one thread
}

static int teardown(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/docker-credential-test", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/config.json", dir);
    (void)unlink(path);
    return rmdir(dir);
}

static struct wcow_auth_config *config_of(const char *text)
{
    struct wcow_auth_config *config = NULL;
    write_file("config.json", text, 0600);
    assert_ok(wcow_auth_config_load(dir, &config, &err));
    return config;
}

static void assert_text(const char *got, const char *want)
{
    if (want)
        assert_string_equal(got ? got : "(none)", want);
    else
        assert_null(got);
}

static void credentials_are_found_where_they_belong(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *user;
        const char *password;
        const char *identity;
    } cases[] = {
        {"plain.example", "user", "pass:word", NULL},
        {"localhost:5000", "a", "b", NULL},
        {"old.example", "user", "pass:word", NULL},
        {"identity.example", "user", "pass:word", "token"},
        {"unknown.example", NULL, NULL, NULL},
        {"plain.example:5000", NULL, NULL, NULL},
        {"docker.io", "user", "pass:word", NULL},
    };
    WCOW_CLEANUP(wcow_auth_config_free_p)
    struct wcow_auth_config *config = config_of(
        "{\"auths\":{\"plain.example\":{\"auth\":\"dXNlcjpwYXNzOndvcmQ=\"},"
        "\"localhost:5000\":{\"username\":\"a\",\"password\":\"b\"},"
        "\"https://old.example/v1/\":{\"auth\":\"dXNlcjpwYXNzOndvcmQ=\"},"
        "\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpwYXNzOndvcmQ=\"},"
        "\"identity.example\":{\"auth\":\"dXNlcjpwYXNzOndvcmQ=\",\"identitytoken\":\"token\"}}}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_auto_credentials c = {0};
        assert_ok(wcow_auth_lookup(config, cases[i].host, NULL, &c, &err));
        assert_text(c.username, cases[i].user);
        assert_text(c.password, cases[i].password);
        assert_text(c.identity_token, cases[i].identity);
        assert_int_equal(wcow_credentials_present(&c), cases[i].user != NULL);
    }
}

static void helpers_are_asked(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_auth_config_free_p)
    struct wcow_auth_config *config =
        config_of("{\"credHelpers\":{\"token.example\":\"test\",\"missing.example\":\"missing\","
                  "\"bad.example\":\"../x\"},\"credsStore\":\"test\","
                  "\"auths\":{\"kept.example\":{\"username\":\"k\",\"password\":\"v\"}}}");
    {
        wcow_auto_credentials c = {0};
        assert_ok(wcow_auth_lookup(config, "helped.example", NULL, &c, &err));
        assert_text(c.password, "from helper");
    }
    {
        wcow_auto_credentials c = {0};
        assert_ok(wcow_auth_lookup(config, "token.example", NULL, &c, &err));
        assert_text(c.identity_token, "refresh");
        assert_null(c.username);
    }
    {
        wcow_auto_credentials c = {0};
        assert_ok(wcow_auth_lookup(config, "docker.io", NULL, &c, &err));
        assert_text(c.username, "h");
    }
    {
        wcow_auto_credentials c = {0};
        assert_ok(wcow_auth_lookup(config, "kept.example", NULL, &c, &err));
        assert_text(c.username, "k");
    }
    wcow_auto_credentials c = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_auth_lookup(config, "garbage.example", NULL, &c, &err), WCOW_E_CORRUPT);
    assert_null(strstr(err.msg, "hunter2"));
    assert_int_equal(wcow_auth_lookup(config, "locked.example", NULL, &c, &err),
                     WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "the store is locked"));
    assert_int_equal(wcow_auth_lookup(config, "leaky.example", NULL, &c, &err), WCOW_E_UNAVAILABLE);
    assert_null(strstr(err.msg, "hunter2"));
    const atomic_bool cancelled = true;
    assert_int_equal(wcow_auth_lookup(config, "slow.example", &cancelled, &c, &err),
                     WCOW_E_CANCELLED);
    assert_int_equal(wcow_auth_lookup(config, "missing.example", NULL, &c, &err),
                     WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "docker-credential-missing"));
    assert_int_equal(wcow_auth_lookup(config, "bad.example", NULL, &c, &err), WCOW_E_INVALID);
}

static void bad_files_are_refused_without_quoting_them(void **state)
{
    (void)state;
    struct wcow_auth_config *config = NULL;
    struct wcow_error err = {0};
    write_file("config.json", "{\"auths\": hunter2", 0600);
    assert_int_equal(wcow_auth_config_load(dir, &config, &err), WCOW_E_CORRUPT);
    assert_null(strstr(err.msg, "hunter2"));
    WCOW_CLEANUP(wcow_auth_config_free_p)
    struct wcow_auth_config *bad = config_of("{\"auths\":{\"x\":{\"auth\":\"hunter2\"}}}");
    wcow_auto_credentials c = {0};
    assert_int_equal(wcow_auth_lookup(bad, "x", NULL, &c, &err), WCOW_E_CORRUPT);
    assert_null(strstr(err.msg, "hunter2"));
    WCOW_CLEANUP(wcow_auth_config_free_p) struct wcow_auth_config *none = NULL;
    assert_int_equal(wcow_auth_config_load("/nonexistent", &none, &err), WCOW_OK);
    assert_int_equal(wcow_auth_lookup(none, "x", NULL, &c, &err), WCOW_OK);
    assert_false(wcow_credentials_present(&c));
}

static void challenges_are_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum wcow_challenge_scheme scheme;
        const char *realm;
        const char *service;
        const char *scope;
    } cases[] = {
        {"Basic realm=\"x\"", WCOW_CHALLENGE_BASIC, "x", NULL, NULL},
        {"basic", WCOW_CHALLENGE_BASIC, NULL, NULL, NULL},
        {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a:pull,push\"",
         WCOW_CHALLENGE_BEARER, "https://a/t", "s", "repository:a:pull,push"},
        {"Basic realm=\"x\", Bearer realm=\"y\" , service=z", WCOW_CHALLENGE_BEARER, "y", "z",
         NULL},
        {"Bearer realm=\"y\", Basic realm=\"x\"", WCOW_CHALLENGE_BEARER, "y", NULL, NULL},
        {"Negotiate, Basic realm=\"a\\\"b\"", WCOW_CHALLENGE_BASIC, "a\"b", NULL, NULL},
        {"Negotiate YWJj==, Basic realm=x", WCOW_CHALLENGE_BASIC, "x", NULL, NULL},
        {"Bearer", WCOW_CHALLENGE_NONE, NULL, NULL, NULL},
        {"Bearer realm=\"unterminated", WCOW_CHALLENGE_BEARER, "unterminated", NULL, NULL},
        {"", WCOW_CHALLENGE_NONE, NULL, NULL, NULL},
        {"===,,,\"\"", WCOW_CHALLENGE_NONE, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_auto_str_list headers = {0};
        wcow_auto_challenge c = {0};
        assert_ok(wcow_str_list_add(&headers, cases[i].header, &err));
        assert_ok(wcow_challenge_choose(&headers, &c, &err));
        if (c.scheme != cases[i].scheme)
            fail_msg("%s: %d", cases[i].header, (int)c.scheme);
        assert_text(c.realm, cases[i].realm);
        assert_text(c.service, cases[i].service);
        assert_text(c.scope, cases[i].scope);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_found_where_they_belong),
        cmocka_unit_test(helpers_are_asked),
        cmocka_unit_test(bad_files_are_refused_without_quoting_them),
        cmocka_unit_test(challenges_are_chosen),
    };
    return cmocka_run_group_tests_name("image/auth", tests, setup, teardown);
}
