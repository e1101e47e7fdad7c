/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/attest.h"

#include <string.h>

#include "wcow_test.h"

static int parse(const char *first, const char *second, struct wcow_attest *ret,
                 struct wcow_error *err)
{
    wcow_auto_str_list texts = {0};
    int r = first ? wcow_str_list_add(&texts, first, err) : WCOW_OK;
    if (r == WCOW_OK && second)
        r = wcow_str_list_add(&texts, second, err);
    return r < 0 ? r : wcow_attest_parse(&texts, ret, err);
}

static void the_last_of_a_type_counts(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        const char *second;
        bool provenance;
        bool is_max;
        const char *builder_id;
    } cases[] = {
        {NULL, NULL, false, false, NULL},
        {"type=provenance", NULL, true, false, NULL},
        {"type=provenance,mode=max", NULL, true, true, NULL},
        {"type=provenance,mode=max,builder-id=x", "type=provenance", true, false, NULL},
        {"mode=min,type=provenance,builder-id=https://x/1?a=b", NULL, true, false,
         "https://x/1?a=b"},
        {"type=provenance,mode=max", "type=provenance,disabled=true", false, false, NULL},
        {"type=sbom,disabled=true", "type=provenance,version=v1", true, false, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_attest_done) struct wcow_attest a = {0};
        assert_ok(parse(cases[i].first, cases[i].second, &a, &err));
        assert_int_equal(a.provenance, cases[i].provenance);
        assert_int_equal(a.is_max, cases[i].is_max);
        if (cases[i].builder_id)
            assert_string_equal(a.builder_id, cases[i].builder_id);
        else
            assert_null(a.builder_id);
    }
}

static void others_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"type=sbom", WCOW_E_UNSUPPORTED, "no scanner"},
        {"type=provenance,version=v0.2", WCOW_E_UNSUPPORTED, "version=v1"},
        {"type=provenance,mode=most", WCOW_E_INVALID, "min or max"},
        {"type=provenance,colour=red", WCOW_E_INVALID, "there is no \"colour\""},
        {"type=provenance,reproducible=maybe", WCOW_E_INVALID, "neither true nor false"},
        {"type=provenance,mode", WCOW_E_INVALID, "not key=value"},
        {"mode=max", WCOW_E_INVALID, "no type"},
        {"type=vouch", WCOW_E_INVALID, "provenance"},
        {"", WCOW_E_INVALID, "key=value"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_attest_done) struct wcow_attest a = {0};
        struct wcow_error why = {0};
        assert_int_equal(parse(cases[i].text, NULL, &a, &why), cases[i].code);
        assert_non_null(strstr(why.msg, cases[i].says));
        assert_false(a.provenance);
    }
}

static void shorthands_are_the_same(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"provenance", "true", "type=provenance,disabled=false"},
        {"provenance", "false", "type=provenance,disabled=true"},
        {"provenance", "mode=max,builder-id=x", "type=provenance,mode=max,builder-id=x"},
        {"sbom", "0", "type=sbom,disabled=true"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_auto_str_list texts = {0};
        assert_ok(wcow_attest_add(&texts, cases[i][0], cases[i][1], &err));
        assert_string_equal(texts.items[0], cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_a_type_counts),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(shorthands_are_the_same),
    };
    return cmocka_run_group_tests_name("builder/attest", tests, NULL, NULL);
}
