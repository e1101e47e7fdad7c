/* SPDX-License-Identifier: Apache-2.0 */
#include "image/provenance.h"

#include <string.h>

#include "wcow_test.h"

#define HEX "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static void images_have_package_urls(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"nanoserver:ltsc2022", "windows(10.0.20348)/amd64",
         "pkg:docker/nanoserver@ltsc2022?platform=windows%2Famd64"},
        {"nanoserver", "windows/arm64", "pkg:docker/nanoserver@latest?platform=windows%2Farm64"},
        {"registry.example.com:5000/team/base:1", "linux/arm/v7",
         "pkg:docker/registry.example.com%3A5000/team/base@1?platform=linux%2Farm%2Fv7"},
        {"team/base@sha256:" HEX, "windows/amd64",
         "pkg:docker/team/base?digest=sha256:" HEX "&platform=windows%2Famd64"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_reference ref;
        struct wcow_platform platform;
        wcow_autobuf url = {0};
        assert_ok(wcow_reference_parse(cases[i][0], &ref, &err));
        assert_ok(wcow_platform_parse(cases[i][1], &platform, &err));
        assert_ok(wcow_package_url(&ref, &platform, &url, &err));
        assert_string_equal((const char *)url.data, cases[i][2]);
    }
}

static void materials_are_sorted_and_single(void **state)
{
    (void)state;
    static const char *const uris[] = {"c", "a", "b", "a", "c", "0"};
    struct wcow_materials all = {0};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
        assert_ok(wcow_materials_add(&all, uris[i], "sha256:" HEX, &err));
    assert_int_equal(all.n, 4);
    for (size_t i = 1; i < all.n; i++)
        assert_true(strcmp(all.items[i - 1].uri, all.items[i].uri) < 0);
    wcow_materials_done(&all);
}

/* All that a statement is made from. */
struct parts {
    struct wcow_str_map args;
    struct wcow_str_list secrets;
    struct wcow_str_list subjects;
    struct wcow_materials materials;
    struct wcow_digest digest;
    struct wcow_provenance provenance;
};

static void fill(struct parts *p)
{
    *p = (struct parts){.digest = {.text = "sha256:" HEX}};
    assert_ok(wcow_str_map_set(&p->args, "build-arg:A", "1", &err));
    assert_ok(wcow_str_map_set(&p->args, "target", "t", &err));
    assert_ok(wcow_str_list_add(&p->secrets, "token", &err));
    assert_ok(wcow_materials_add(&p->materials, "https://x.example/a b", "sha256:" HEX, &err));
    assert_ok(wcow_materials_add(&p->materials, "git@x.example:r", "sha1:abc", &err));
    p->provenance = (struct wcow_provenance){.filename = "Dockerfile",
                                             .dockerfile = "FROM x\n",
                                             .dockerfile_len = 7,
                                             .args = &p->args,
                                             .secrets = &p->secrets,
                                             .materials = &p->materials,
                                             .builder = {.os = "linux", .architecture = "amd64"},
                                             .invocation_id = "id",
                                             .started_s = 1700000000,
                                             .finished_s = 1700000001,
                                             .subjects = &p->subjects,
                                             .digest = &p->digest};
}

static void parts_done(struct parts *p)
{
    wcow_str_map_done(&p->args);
    wcow_str_list_done(&p->secrets);
    wcow_str_list_done(&p->subjects);
    wcow_materials_done(&p->materials);
}

static void a_statement_is_the_same_each_time(void **state)
{
    (void)state;
    struct parts p;
    wcow_autobuf text = {0};
    fill(&p);
    assert_ok(wcow_provenance_write(&p.provenance, &text, &err));
    assert_string_equal(
        (const char *)text.data,
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"https://slsa.dev/"
        "provenance/v1\",\"subject\":[{\"name\":\"_\",\"digest\":{\"sha256\":\"" HEX
        "\"}}],\"predicate\":{\"buildDefinition\":{\"buildType\":\"https://github.com/moby/"
        "buildkit/blob/master/docs/attestations/slsa-definitions.md\",\"externalParameters\":{"
        "\"configSource\":{\"path\":\"Dockerfile\"},\"request\":{\"frontend\":\"dockerfile.v0\","
        "\"args\":{\"target\":\"t\"},\"locals\":[{\"name\":\"context\"},{\"name\":\"dockerfile\"}]"
        "}},\"internalParameters\":{\"builderPlatform\":\"linux/amd64\"},\"resolvedDependencies\":["
        "{\"uri\":\"git@x.example:r\",\"digest\":{\"sha1\":\"abc\"}},{\"uri\":\"https://x.example/"
        "a b\",\"digest\":{\"sha256\":\"" HEX
        "\"}}]},\"runDetails\":{\"builder\":{\"id\":\"\"},\"metadata\":{\"invocationId\":\"id\","
        "\"startedOn\":\"2023-11-14T22:13:20Z\",\"finishedOn\":\"2023-11-14T22:13:21Z\","
        "\"buildkit_metadata\":{},\"buildkit_completeness\":{\"request\":false,"
        "\"resolvedDependencies\":false}}}}}");
    parts_done(&p);
}

static void max_says_more(void **state)
{
    (void)state;
    static const char *const says[] = {"\"build-arg:A\":\"1\"",
                                       "\"secrets\":[{\"id\":\"token\"}]",
                                       "\"data\":\"RlJPTSB4Cg==\"",
                                       "\"layers\":{\"step0:0\":[[]]}",
                                       "\"request\":true",
                                       "\"buildkit_reproducible\":true",
                                       "\"builder\":{\"id\":\"https://x\"}",
                                       "\"subject\":[{\"name\":\"pkg:docker/a\"",
                                       "{\"name\":\"pkg:docker/b\""};
    struct parts p;
    wcow_autobuf text = {0};
    fill(&p);
    assert_ok(wcow_str_list_add(&p.subjects, "pkg:docker/a", &err));
    assert_ok(wcow_str_list_add(&p.subjects, "pkg:docker/b", &err));
    p.provenance.is_max = true;
    p.provenance.is_reproducible = true;
    p.provenance.builder_id = "https://x";
    assert_ok(wcow_provenance_write(&p.provenance, &text, &err));
    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
        assert_non_null(strstr((const char *)text.data, says[i]));
    parts_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_have_package_urls),
        cmocka_unit_test(materials_are_sorted_and_single),
        cmocka_unit_test(a_statement_is_the_same_each_time),
        cmocka_unit_test(max_says_more),
    };
    return cmocka_run_group_tests_name("image/provenance", tests, NULL, NULL);
}
