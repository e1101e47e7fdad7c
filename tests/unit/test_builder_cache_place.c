/* SPDX-License-Identifier: Apache-2.0 */
/* What --cache-from and --cache-to take. */
#include <string.h>

#include "builder/cache_place.h"
#include "wcow_test.h"

static void a_reference_is_a_registry(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place p = {0};
    assert_int_equal(wcow_cache_from_parse("registry.example/app:cache", &p, NULL), WCOW_OK);
    assert_int_equal(p.type, WCOW_CACHE_REGISTRY);
    assert_string_equal(p.ref.host, "registry.example");
    assert_string_equal(p.ref.tag, "cache");
    assert_string_equal(p.text, "registry.example/app:cache");
}

static void everything_may_be_said(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place p = {0};
    assert_int_equal(wcow_cache_to_parse("type=registry,ref=registry.example/c,mode=max,"
                                         "image-manifest=false,oci-mediatypes=false,"
                                         "compression=gzip,force-compression=true,"
                                         "ignore-error=true",
                                         &p, NULL),
                     WCOW_OK);
    assert_string_equal(p.ref.tag, "latest");
    assert_true(p.is_max);
    assert_true(p.is_index);
    assert_true(p.is_docker);
    assert_true(p.ignores_errors);
}

static void a_folder_has_a_tag(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place to = {0};
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place from = {0};
    assert_int_equal(wcow_cache_to_parse("type=local,dest=/tmp/c", &to, NULL), WCOW_OK);
    assert_string_equal(to.folder, "/tmp/c");
    assert_string_equal(to.tag, "latest");
    assert_false(to.is_max);
    assert_int_equal(wcow_cache_from_parse("type=local,src=/tmp/c,tag=main", &from, NULL), WCOW_OK);
    assert_string_equal(from.tag, "main");
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        bool to;
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {true, "type=registry", WCOW_E_INVALID,
         "--cache-to type=registry: ref=REGISTRY/NAME:TAG is missing"},
        {true, "ref=x", WCOW_E_INVALID,
         "--cache-to ref=x: type=registry, type=local or type=inline is missing"},
        {true, "type=local", WCOW_E_INVALID, "--cache-to type=local: dest=FOLDER is missing"},
        {false, "type=local", WCOW_E_INVALID, "--cache-from type=local: src=FOLDER is missing"},
        {true, "type=gha", WCOW_E_UNSUPPORTED,
         "--cache-to type=gha: there are registry, local and inline"},
        {true, "type=local,dest=/c,compression=zstd", WCOW_E_UNSUPPORTED,
         "--cache-to compression=zstd: layers are written as gzip, and the cache holds them as "
         "they are"},
        {true, "type=local,dest=/c,mode=big", WCOW_E_INVALID,
         "--cache-to mode is min or max, not \"big\""},
        {true, "type=local,dest=/c,ignore-error=maybe", WCOW_E_INVALID,
         "--cache-to ignore-error is true or false, not \"maybe\""},
        {true, "type=registry,ref=r.example/c,oci-mediatypes=false", WCOW_E_INVALID,
         "--cache-to: oci-mediatypes=false needs image-manifest=false: Docker's manifests take no "
         "cache"},
        {true, "type=registry,ref=r.example/c,,", WCOW_E_INVALID,
         "--cache-to: \"\" is not key=value"},
        {false, "type=local,src=/c,digest=md5:x", WCOW_E_INVALID,
         "--cache-from digest=md5:x is no sha256 digest"},
        {false, "type=local,src=/c,mode=max", WCOW_E_INVALID,
         "--cache-from has no \"mode\"; there are type, ref, src, tag and digest"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_cache_place p = {0};
        struct wcow_error err = {0};
        int r = cases[i].to ? wcow_cache_to_parse(cases[i].text, &p, &err)
                            : wcow_cache_from_parse(cases[i].text, &p, &err);
        assert_int_equal(r, cases[i].code);
        assert_string_equal(err.msg, cases[i].says);
        assert_null(p.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_is_a_registry),
        cmocka_unit_test(everything_may_be_said),
        cmocka_unit_test(a_folder_has_a_tag),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
