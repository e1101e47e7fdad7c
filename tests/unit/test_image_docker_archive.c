/* SPDX-License-Identifier: Apache-2.0 */
#include "image/docker_archive.h"

#include <string.h>

#include "wcow_test.h"

#define ONE                                                                                        \
    "{\"Config\":\"aa.json\",\"RepoTags\":[\"example.com/a:1\",\"b:2\"],"                          \
    "\"Layers\":[\"x/layer.tar\",\"y/layer.tar\"],\"LayerSources\":{}}"
#define TWO "{\"Config\":\"sha256:bb\",\"RepoTags\":null,\"Layers\":[\"z.tar.gz\"]}"

static int parse(const char *text, const char *tag, struct wcow_docker_image *ret,
                 struct wcow_error *err)
{
    return wcow_docker_image_parse(text, strlen(text), tag, ret, err);
}

static void the_only_image_needs_no_name(void **state)
{
    (void)state;
    wcow_auto_docker_image image = {0};
    assert_ok(parse("[" ONE "]", NULL, &image, &err));
    assert_string_equal(image.config, "aa.json");
    assert_int_equal(image.layers.count, 2);
    assert_string_equal(image.layers.items[1], "y/layer.tar");
    assert_int_equal(image.names.count, 2);
}

static void images_are_found_by_name(void **state)
{
    (void)state;
    static const char *const tags[] = {"example.com/a:1", "1", "b:2", "2", "docker.io/library/b:2"};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        wcow_auto_docker_image image = {0};
        assert_ok(parse("[" TWO "," ONE "]", tags[i], &image, &err));
        assert_string_equal(image.config, "aa.json");
    }
    wcow_auto_docker_image image = {0};
    assert_ok(parse("[" TWO "]", NULL, &image, &err));
    assert_int_equal(image.names.count, 0);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *tag;
        int code;
        const char *says;
    } cases[] = {
        {"[" ONE "," TWO "]", NULL, WCOW_E_INVALID,
         "2 images; name one with :TAG: example.com/a:1, b:2"},
        {"[" ONE "]", "3", WCOW_E_NOT_FOUND, "no image \"3\"; there is: example.com/a:1, b:2"},
        {"[" TWO "]", "3", WCOW_E_NOT_FOUND, "none with a name"},
        {"[]", NULL, WCOW_E_INVALID, "0 images"},
        {"{}", NULL, WCOW_E_CORRUPT, "not a JSON array"},
        {"[7]", NULL, WCOW_E_CORRUPT, "not a JSON object"},
        {"[{}]", NULL, WCOW_E_CORRUPT, "without a \"Config\""},
        {"[{\"Config\":1}]", NULL, WCOW_E_CORRUPT, "\"Config\" is not a string"},
        {"[{\"Config\":\"a\",\"Layers\":[1]}]", NULL, WCOW_E_CORRUPT,
         "\"Layers\"[0] is not a string"},
        {"[", NULL, WCOW_E_CORRUPT, "not JSON"},
        {"", NULL, WCOW_E_CORRUPT, "not JSON"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_auto_docker_image image = {0};
        struct wcow_error err = {0};
        assert_int_equal(parse(cases[i].text, cases[i].tag, &image, &err), cases[i].code);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("\"%s\" says \"%s\"", cases[i].text, err.msg);
        assert_null(image.config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_only_image_needs_no_name),
        cmocka_unit_test(images_are_found_by_name),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
