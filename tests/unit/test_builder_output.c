/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/output.h"

#include "builder/json_text.h"
#include "wcow_test.h"

static void outputs_are_read(void **state)
{
    (void)state;
    struct wcow_output o = {0};
    assert_ok(wcow_output_parse("type=image,name=a/b:1,push=true,unpack=true", &o, &err));
    assert_int_equal(o.type, WCOW_OUTPUT_IMAGE);
    assert_string_equal(o.name, "a/b:1");
    assert_true(o.push && o.unpack && o.store);
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("type=image,\"name=a:1,b:2\",push=true", &o, &err));
    assert_string_equal(o.name, "a:1,b:2");
    assert_true(o.push);
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("\"type=tar\",\"dest=x,y\"", &o, &err));
    assert_string_equal(o.dest, "x,y");
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("type=registry,name=a", &o, &err));
    assert_true(o.push);
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("type=oci,dest=x.tar", &o, &err));
    assert_int_equal(o.type, WCOW_OUTPUT_OCI);
    assert_true(o.is_tar);
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("dest=-,type=docker", &o, &err));
    assert_int_equal(o.type, WCOW_OUTPUT_DOCKER);
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("out", &o, &err));
    assert_int_equal(o.type, WCOW_OUTPUT_LOCAL);
    assert_string_equal(o.dest, "out");
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("-", &o, &err));
    assert_int_equal(o.type, WCOW_OUTPUT_TAR);
    wcow_output_done(&o);
}

static void annotations_have_buildkits_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"annotation.a.b=1", "a.b=1"},
        {"annotation-index.a=1", "index:a=1"},
        {"annotation-manifest-descriptor.a=x=y", "manifest-descriptor:a=x=y"},
        {"annotation-manifest[windows(10.0.20348)/amd64].a=1",
         "manifest[windows(10.0.20348)/amd64]:a=1"},
        {"annotation[windows/amd64].a=1", "manifest[windows/amd64]:a=1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_output o = {0};
        assert_ok(wcow_output_parse(cases[i][0], &o, &err));
        assert_int_equal(o.annotations.count, 1);
        assert_string_equal(o.annotations.items[0], cases[i][1]);
        wcow_output_done(&o);
    }
}

static void what_is_always_so_may_be_asked_for(void **state)
{
    (void)state;
    struct wcow_output o = {0};
    assert_ok(wcow_output_parse("type=image,oci-mediatypes=true,compression=gzip,rewrite-timestamp="
                                "true,push-by-digest=true",
                                &o, &err));
    assert_true(o.push_by_digest && o.platform_split);
    wcow_output_done(&o);
    assert_ok(wcow_output_parse("type=tar,dest=-,platform-split=false", &o, &err));
    assert_false(o.platform_split);
    wcow_output_done(&o);
}

static void outputs_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"type=oci", WCOW_E_INVALID},
                 {"type=oci,dest=x,push=true", WCOW_E_INVALID},
                 {"type=image,push=maybe", WCOW_E_INVALID},
                 {"type=image,colour=red", WCOW_E_INVALID},
                 {"type=image,push", WCOW_E_INVALID},
                 {"type=image,\"name=a", WCOW_E_INVALID},
                 {"type=image,\"name=a\"b", WCOW_E_INVALID},
                 {"type=local", WCOW_E_INVALID},
                 {"type=image,compression=zstd", WCOW_E_UNSUPPORTED},
                 {"type=image,annotation=x", WCOW_E_INVALID},
                 {"type=image,annotations.a=x", WCOW_E_INVALID},
                 {"type=image,platform-split=maybe", WCOW_E_INVALID},
                 {"type=cacheonly", WCOW_E_UNSUPPORTED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_output o = {0};
        assert_fails(wcow_output_parse(cases[i].text, &o, &err), cases[i].code);
    }
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a", "\"a\""},
        {"\"\\\n", "\"\\\"\\\\\\n\""},
        {"\x01", "\"\\u0001\""},
        {"\xc3\xa4", "\"\xc3\xa4\""},
        {"\xff", "\"\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf out = {0};
        assert_ok(wcow_json_text_add(&out, cases[i][0], &err));
        assert_string_equal((const char *)out.data, cases[i][1]);
    }
}

static void json_lists_are_read(void **state)
{
    (void)state;
    wcow_auto_str_list list = {0};
    assert_ok(wcow_json_text_list("[\"/a/b\",\"C:\\\\x\\u0026\"]", &list, &err));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0], "/a/b");
    assert_string_equal(list.items[1], "C:\\x&");
    wcow_auto_str_list none = {0};
    assert_ok(wcow_json_text_list("[]", &none, &err));
    assert_int_equal(none.count, 0);
    static const char *const bad[] = {"",    "[",        "[\"a\"",    "[\"a\",]",
                                      "[a]", "[\"a\"]x", "[\"\\q\"]", "[\"\\u12\"]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wcow_auto_str_list got = {0};
        assert_fails(wcow_json_text_list(bad[i], &got, &err), WCOW_E_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_read),
        cmocka_unit_test(annotations_have_buildkits_words),
        cmocka_unit_test(what_is_always_so_may_be_asked_for),
        cmocka_unit_test(outputs_that_make_no_sense_are_refused),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(json_lists_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
