/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "image/http.h"

static void messages_show_neither_logins_nor_signatures(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *shown;
    } cases[] = {
        {"https://a.example/x.tar", "https://a.example/x.tar"},
        {"https://user:secret@a.example/x", "https://xxxxx@a.example/x"},
        {"https://token@a.example/x.git#main:sub", "https://xxxxx@a.example/x.git#main:sub"},
        {"ssh://git@a.example/x.git", "ssh://git@a.example/x.git"},
        {"ssh://git:secret@a.example/x.git", "ssh://xxxxx@a.example/x.git"},
        {"git@a.example:x.git", "git@a.example:x.git"},
        {"https://a.example/x@y/z", "https://a.example/x@y/z"},
        {"https://a.example/x?X-Amz-Signature=secret", "https://a.example/x"},
        {"https://a.example?user@b", "https://a.example"},
        {"/relative?x", "/relative"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(wcow_http_shown(cases[i].url).text, cases[i].shown);
}

static void a_long_url_is_cut(void **state)
{
    (void)state;
    char url[1000] = "https://a.example/";
    memset(url + strlen(url), 'x', sizeof(url) - strlen(url) - 1);
    assert_int_equal(strlen(wcow_http_shown(url).text), 255);
}

static void servers_are_the_same_by_scheme_name_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool same;
    } cases[] = {
        {"https://a.example/x", "https://A.example:443/y?z", true},
        {"http://a.example", "http://a.example:80/", true},
        {"https://a.example", "http://a.example", false},
        {"https://a.example", "https://a.example:8443", false},
        {"https://a.example", "https://b.example", false},
        {"https://u@a.example", "https://a.example", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_error err = {0};
        bool same = !cases[i].same;
        assert_int_equal(wcow_http_same_origin(cases[i].a, cases[i].b, &same, &err), WCOW_OK);
        assert_int_equal(same, cases[i].same);
    }
    struct wcow_error err = {0};
    bool same = false;
    assert_int_equal(wcow_http_same_origin("https://[", "https://a", &same, &err), WCOW_E_INVALID);
}

static void texts_show_no_login(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        {"ADD https://me:s3cret@h/a.git C:/", "ADD https://xxxxx@h/a.git C:/"},
        {"https://token@h https://a:b@i/", "https://xxxxx@h https://xxx@i/"},
        {"HTTP://me:p@q@h/a@b", "HTTP://xxxxx@h/a@b"},
        {"ssh://git@h/a ssh://a:b@h/", "ssh://git@h/a ssh://xxx@h/"},
        {"http://h:80 a@b", "http://h:80 a@b"},
        {"\"https://u:p@h\"", "\"https://xxx@h\""},
        {"://", "://"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        assert_int_equal(wcow_http_mask_logins(text, strlen(text)), strlen(cases[i].shown));
        assert_string_equal(text, cases[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_show_no_login),
        cmocka_unit_test(messages_show_neither_logins_nor_signatures),
        cmocka_unit_test(a_long_url_is_cut),
        cmocka_unit_test(servers_are_the_same_by_scheme_name_and_port),
    };
    return cmocka_run_group_tests_name("image/http_url", tests, NULL, NULL);
}
