/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/annotations.h"

#include <string.h>

#include "wcow_test.h"

static struct wcow_platform platform(const char *text)
{
    struct wcow_platform p;
    assert_ok(wcow_platform_parse(text, &p, &err));
    return p;
}

/* "KEY=VALUE KEY=VALUE" of what is selected. */
static void assert_selected(const struct wcow_annotations *all, enum wcow_annotation_level level,
                            const char *on, const char *wanted)
{
    wcow_auto_str_map map = {0};
    wcow_autobuf text = {0};
    const struct wcow_platform p = platform(on);
    assert_ok(wcow_annotations_select(all, level, &p, &map, &err));
    for (size_t i = 0; i < map.count; i++)
        assert_ok(wcow_buf_addf(&text, &err, "%s%s=%s", i ? " " : "", map.pairs[i].key,
                                map.pairs[i].value));
    assert_string_equal(text.len ? (const char *)text.data : "", wanted);
}

static void each_level_gets_its_own(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "plain=1",
        "manifest:m=http://x:2",
        "index,manifest-descriptor:two=3",
        "index-descriptor:top=a=b",
        "manifest[windows(10.0.26100)/amd64]:late=4",
        "manifest[windows/arm64],manifest-descriptor[windows/arm64]:arm=5",
    };
    const char *server = "windows(10.0.20348)/amd64";
    const char *later = "windows(10.0.26100.1)/amd64";
    struct wcow_annotations all = {0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_ok(wcow_annotations_add(&all, texts[i], &err));
    assert_selected(&all, WCOW_ANNOTATION_MANIFEST, server, "m=http://x:2 plain=1");
    assert_selected(&all, WCOW_ANNOTATION_MANIFEST, later, "late=4 m=http://x:2 plain=1");
    assert_selected(&all, WCOW_ANNOTATION_MANIFEST, "windows/arm64", "arm=5 m=http://x:2 plain=1");
    assert_selected(&all, WCOW_ANNOTATION_MANIFEST_DESCRIPTOR, later, "two=3");
    assert_selected(&all, WCOW_ANNOTATION_MANIFEST_DESCRIPTOR, "windows/arm64", "arm=5 two=3");
    assert_selected(&all, WCOW_ANNOTATION_INDEX, server, "two=3");
    assert_selected(&all, WCOW_ANNOTATION_INDEX_DESCRIPTOR, server, "top=a=b");
    wcow_annotations_done(&all);
}

static void what_is_no_annotation_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"key", "is not key=value"},
        {"=value", "is not key=value"},
        {"manifest:=value", "is not key=value"},
        {"manifst:a=b", "did you mean \"manifest\""},
        {"com.example:a=b", "there is no level"},
        {"manifest[windows/amd64:a=b", "has no ]"},
        {"manifest[]:a=b", "platform"},
        {"manifest[plan9/x/y/z]:a=b", "platform"},
        {"index[windows/amd64]:a=b", "an index is for all platforms"},
        {"manifest,,index:a=b", "there is no level"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_annotations all = {0};
        struct wcow_error why = {0};
        assert_int_equal(wcow_annotations_add(&all, cases[i].text, &why), WCOW_E_INVALID);
        assert_non_null(strstr(why.msg, cases[i].says));
        wcow_annotations_done(&all);
    }
}

static void what_the_build_does_not_make_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_index;
        int code;
    } cases[] = {
        {"a=b", false, WCOW_OK},
        {"manifest[windows/amd64]:a=b", false, WCOW_OK},
        {"index:a=b", false, WCOW_E_UNSUPPORTED},
        {"index-descriptor:a=b", false, WCOW_E_UNSUPPORTED},
        {"manifest-descriptor:a=b", false, WCOW_E_UNSUPPORTED},
        {"index:a=b", true, WCOW_OK},
        {"manifest[windows/arm64]:a=b", true, WCOW_E_INVALID},
    };
    const struct wcow_platform made = platform("windows(10.0.20348)/amd64");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_annotations all = {0};
        assert_ok(wcow_annotations_add(&all, cases[i].text, &err));
        assert_int_equal(wcow_annotations_check(&all, cases[i].is_index, &made, 1, NULL),
                         cases[i].code);
        wcow_annotations_done(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_level_gets_its_own),
        cmocka_unit_test(what_is_no_annotation_is_refused),
        cmocka_unit_test(what_the_build_does_not_make_is_refused),
    };
    return cmocka_run_group_tests_name("builder/annotations", tests, NULL, NULL);
}
