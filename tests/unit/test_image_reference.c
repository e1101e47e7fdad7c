/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "image/reference.h"

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void names_are_normalised(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *full;
        const char *familiar;
    } cases[] = {
        {"nanoserver", "docker.io/library/nanoserver", "nanoserver"},
        {"nanoserver:ltsc2022", "docker.io/library/nanoserver:ltsc2022", "nanoserver:ltsc2022"},
        {"docker.io/nanoserver", "docker.io/library/nanoserver", "nanoserver"},
        {"index.docker.io/library/a:b", "docker.io/library/a:b", "a:b"},
        {"team/app", "docker.io/team/app", "team/app"},
        {"registry.example.com/windows/nanoserver:ltsc2022",
         "registry.example.com/windows/nanoserver:ltsc2022",
         "registry.example.com/windows/nanoserver:ltsc2022"},
        {"localhost/x", "localhost/x", "localhost/x"},
        {"localhost:5000/x:y@" D, "localhost:5000/x:y@" D, "localhost:5000/x:y@" D},
        {"[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"},
        {"a@" D, "docker.io/library/a@" D, "a@" D},
        {"t/a--b__c.d/e_f:T_1.-x", "docker.io/t/a--b__c.d/e_f:T_1.-x", "t/a--b__c.d/e_f:T_1.-x"},
        {"HOST/x", "HOST/x", "HOST/x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_reference ref;
        struct wcow_reference again;
        wcow_autobuf full = {0};
        wcow_autobuf familiar = {0};
        assert_ok(wcow_reference_parse(cases[i].text, &ref, &err));
        assert_ok(wcow_reference_format(&ref, &full, &err));
        assert_ok(wcow_reference_format_familiar(&ref, &familiar, &err));
        assert_string_equal((char *)full.data, cases[i].full);
        assert_string_equal((char *)familiar.data, cases[i].familiar);
        assert_ok(wcow_reference_parse((char *)full.data, &again, &err));
        assert_memory_equal(&ref, &again, sizeof(ref));
    }
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"", WCOW_E_INVALID, "empty"},
        {"Upper", WCOW_E_INVALID, "lower case"},
        {"team/appUpper", WCOW_E_INVALID, "lower case"},
        {"a:", WCOW_E_INVALID, "nothing follows"},
        {"a:.x", WCOW_E_INVALID, "not a tag"},
        {"a:b c", WCOW_E_INVALID, "not a tag"},
        {"a//b", WCOW_E_INVALID, "begin with a letter or digit"},
        {"a/", WCOW_E_INVALID, "begin with a letter or digit"},
        {"a___b", WCOW_E_INVALID, "cannot stand"},
        {"a..b/c", WCOW_E_INVALID, "host"},
        {"a-", WCOW_E_INVALID, "cannot stand"},
        {"https://host/x", WCOW_E_INVALID, "leave out"},
        {"host:port/x", WCOW_E_INVALID, "host[:port]"},
        {"host:123456/x", WCOW_E_INVALID, "host[:port]"},
        {"-h.x/y", WCOW_E_INVALID, "host[:port]"},
        {"a@sha256:12", WCOW_E_INVALID, "64"},
        {"a@nothing", WCOW_E_INVALID, "64"},
        {"a@sha512:12", WCOW_E_UNSUPPORTED, "sha256"},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", WCOW_E_INVALID,
         "image ID"},
        {"a\n", WCOW_E_INVALID, "cannot stand"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_reference ref;
        struct wcow_error err = {0};
        if (wcow_reference_parse(cases[i].text, &ref, &err) != cases[i].code ||
            !strstr(err.msg, cases[i].says))
            fail_msg("\"%s\": %d \"%s\"", cases[i].text, err.code, err.msg);
        assert_int_equal(err.code, cases[i].code);
    }
}

static void lengths_have_limits(void **state)
{
    (void)state;
    char text[1024];
    struct wcow_reference ref;
    memset(text, 'a', sizeof(text));
    text[1023] = '\0';
    assert_fails(wcow_reference_parse(text, &ref, &err), WCOW_E_INVALID);
    text[255] = '\0'; /* too long together with docker.io/library/ */
    assert_fails(wcow_reference_parse(text, &ref, &err), WCOW_E_INVALID);
    text[255 - strlen("docker.io/library/")] = '\0';
    assert_ok(wcow_reference_parse(text, &ref, &err));
    memset(text, 'b', sizeof(text));
    memcpy(text, "a:", 2);
    text[2 + 129] = '\0';
    assert_fails(wcow_reference_parse(text, &ref, &err), WCOW_E_INVALID);
    text[2 + 128] = '\0';
    assert_ok(wcow_reference_parse(text, &ref, &err));
}

static void latest_is_added_only_when_asked(void **state)
{
    (void)state;
    struct wcow_reference ref;
    assert_ok(wcow_reference_parse("a", &ref, &err));
    assert_string_equal(ref.tag, "");
    wcow_reference_set_default_tag(&ref);
    assert_string_equal(ref.tag, "latest");
    assert_ok(wcow_reference_set_tag(&ref, "", &err));
    assert_string_equal(ref.tag, "");
    assert_fails(wcow_reference_set_tag(&ref, "a/b", &err), WCOW_E_INVALID);
    assert_ok(wcow_reference_parse("a@" D, &ref, &err));
    wcow_reference_set_default_tag(&ref);
    assert_string_equal(ref.tag, "");
}

static void a_full_name_says_all(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"app", "docker.io/library/app:latest"},
        {"me/app:1", "docker.io/me/app:1"},
        {"localhost:5000/app", "localhost:5000/app:latest"},
        {"app@" D, "docker.io/library/app@" D},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autofree char *full = NULL;
        assert_ok(wcow_reference_full_name(cases[i][0], &full, &err));
        assert_string_equal(full, cases[i][1]);
    }
    char *none = NULL;
    assert_fails(wcow_reference_full_name("App", &none, &err), WCOW_E_INVALID);
    assert_null(none);
}

static void loopback_hosts_are_known(void **state)
{
    (void)state;
    static const char *const yes[] = {"localhost",  "localhost:5000", "127.0.0.1",    "127.9.9.9:1",
                                      "[::1]:5000", "[::1]",          "x.localhost:5"};
    static const char *const no[] = {"localhost.evil.com", "127.evil.com", "notlocalhost",
                                     "example.com",        "10.0.0.1",     "[::11]"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(wcow_host_is_loopback(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(wcow_host_is_loopback(no[i]));
    assert_string_equal(wcow_reference_api_host("docker.io"), "registry-1.docker.io");
    assert_string_equal(wcow_reference_api_host("x"), "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_normalised), cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(lengths_have_limits),  cmocka_unit_test(latest_is_added_only_when_asked),
        cmocka_unit_test(a_full_name_says_all), cmocka_unit_test(loopback_hosts_are_known),
    };
    return cmocka_run_group_tests_name("image/reference", tests, NULL, NULL);
}
