/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define CONFIG "{\"mediaType\":\"" WCOW_MEDIA_OCI_CONFIG "\",\"digest\":\"" A "\",\"size\":7}"
#define LAYER                                                                                      \
    "{\"mediaType\":\"" WCOW_MEDIA_OCI_LAYER_GZIP "\",\"digest\":\"" B "\",\"size\":8,"            \
    "\"urls\":[\"https://x/y\"],\"annotations\":{\"a\":\"1\",\"b\":\"2\"},\"data\":\"eA==\","      \
    "\"artifactType\":\"t\",\"com.example\":[1,{\"x\":null}]}"
#define MANIFEST                                                                                   \
    "{\"schemaVersion\":2,\"mediaType\":\"" WCOW_MEDIA_OCI_MANIFEST "\",\"config\":" CONFIG        \
    ",\"layers\":[" LAYER "],\"annotations\":{\"k\":\"v\"},\"com.example\":true}"

static void a_manifest_comes_back_byte_for_byte(void **state)
{
    (void)state;
    wcow_auto_manifest m = {0};
    wcow_autobuf out = {0};
    assert_ok(wcow_manifest_parse(MANIFEST, strlen(MANIFEST), NULL, &m, &err));
    assert_int_equal(m.layer_count, 1);
    assert_string_equal(m.config.digest.text, A);
    assert_int_equal(m.layers[0].size_bytes, 8);
    assert_string_equal(m.layers[0].urls.items[0], "https://x/y");
    assert_string_equal(wcow_str_map_get(&m.annotations, "k"), "v");
    assert_ok(wcow_manifest_write(&m, &out, &err));
    assert_string_equal((char *)out.data, MANIFEST);
}

static void the_order_of_fields_is_fixed(void **state)
{
    (void)state;
    static const char text[] =
        " { \"layers\" : [ ], \"config\": {\"size\":7,\"digest\":\"" A
        "\",\"mediaType\":\"" WCOW_MEDIA_DOCKER_CONFIG
        "\"}, \"mediaType\":\"" WCOW_MEDIA_DOCKER_MANIFEST "\", \"schemaVersion\":2}";
    static const char want[] = "{\"schemaVersion\":2,\"mediaType\":\"" WCOW_MEDIA_DOCKER_MANIFEST
                               "\",\"config\":{\"mediaType\":\"" WCOW_MEDIA_DOCKER_CONFIG
                               "\",\"digest\":\"" A "\",\"size\":7},\"layers\":[]}";
    wcow_auto_manifest m = {0};
    wcow_autobuf out = {0};
    assert_ok(wcow_manifest_parse(text, strlen(text), WCOW_MEDIA_DOCKER_MANIFEST, &m, &err));
    assert_ok(wcow_str_map_set(&m.annotations, "left", "out", &err));
    assert_ok(wcow_manifest_write(&m, &out, &err));
    assert_string_equal((char *)out.data, want);
}

static void bad_manifests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", WCOW_E_CORRUPT},
        {"[]", WCOW_E_CORRUPT},
        {"{", WCOW_E_CORRUPT},
        {"{}", WCOW_E_CORRUPT},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", WCOW_E_UNSUPPORTED},
        {"{\"schemaVersion\":\"2\",\"config\":" CONFIG ",\"layers\":[]}", WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"layers\":[]}", WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}", WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[1]}", WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"manifests\":[]}",
         WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[]}",
         WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"mediaType\":7,\"config\":" CONFIG ",\"layers\":[]}",
         WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"mediaType\":\"text/plain\",\"config\":" CONFIG ",\"layers\":[]}",
         WCOW_E_UNSUPPORTED},
        {"{\"schemaVersion\":2,\"mediaType\":\"" WCOW_MEDIA_OCI_INDEX "\",\"manifests\":[]}",
         WCOW_E_UNSUPPORTED},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"digest\":\"sha256:12\",\"size\":1}"
         ",\"layers\":[]}",
         WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"digest\":\"sha512:12\",\"size\":1}"
         ",\"layers\":[]}",
         WCOW_E_UNSUPPORTED},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"digest\":\"" A "\",\"size\":-1}"
         ",\"layers\":[]}",
         WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"digest\":\"" A
         "\",\"size\":99999999999999999999}"
         ",\"layers\":[]}",
         WCOW_E_CORRUPT},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"annotations\":{\"a\":1}}",
         WCOW_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_manifest m = {0};
        struct wcow_error err = {0};
        int r = wcow_manifest_parse(cases[i].text, strlen(cases[i].text), NULL, &m, &err);
        if (r != cases[i].code || err.code != r)
            fail_msg("%s: %d %s", cases[i].text, r, err.msg);
        assert_int_equal(m.layer_count, 0);
    }
    struct wcow_manifest m = {0};
    assert_fails(
        wcow_manifest_parse(MANIFEST, strlen(MANIFEST), WCOW_MEDIA_DOCKER_MANIFEST, &m, &err),
        WCOW_E_CORRUPT);
}

static void hostile_sizes_end_in_an_error(void **state)
{
    (void)state;
    size_t len = WCOW_MANIFEST_MAX_BYTES + 1;
    char *text = malloc(len);
    assert_non_null(text);
    struct wcow_manifest m = {0};
    struct wcow_index x = {0};
    memset(text, ' ', len);
    assert_fails(wcow_manifest_parse(text, len, NULL, &m, &err), WCOW_E_LIMIT);
    memset(text, '[', len);
    assert_fails(wcow_manifest_parse(text, len - 1, NULL, &m, &err), WCOW_E_CORRUPT);
    wcow_autobuf list = {0};
    assert_ok(wcow_buf_add_str(&list, "{\"schemaVersion\":2,\"manifests\":[{}", &err));
    for (size_t i = 0; i < WCOW_MANIFEST_MAX_ENTRIES; i++)
        assert_ok(wcow_buf_add_str(&list, ",{}", &err));
    assert_ok(wcow_buf_add_str(&list, "]}", &err));
    assert_fails(wcow_index_parse(list.data, list.len, NULL, &x, &err), WCOW_E_LIMIT);
    free(text);
}

#define ENTRY(digest, platform)                                                                    \
    "{\"mediaType\":\"" WCOW_MEDIA_OCI_MANIFEST "\",\"digest\":\"" digest                          \
    "\",\"size\":9,\"platform\":" platform "}"
#define INDEX                                                                                                                                                                                                                \
    "{\"schemaVersion\":2,\"mediaType\":\"" WCOW_MEDIA_OCI_INDEX "\",\"manifests\":[" ENTRY(                                                                                                                                 \
        A,                                                                                                                                                                                                                   \
        "{\"architecture\":\"amd64\",\"os\":\"windows\",\"os.version\":\"10.0.20348.9\","                                                                                                                                    \
        "\"os.features\":[\"win32k\"],\"features\":[\"old\"]}") "," ENTRY(B,                                                                                                                                                 \
                                                                          "{\"architecture\":"                                                                                                                               \
                                                                          "\"amd64\",\"os\":"                                                                                                                                \
                                                                          "\"windows\",\"os."                                                                                                                                \
                                                                          "version\":\"10.0."                                                                                                                                \
                                                                          "20348.10\"}") "," ENTRY(C,                                                                                                                        \
                                                                                                   "{\"architecture\":\"amd64\",\"os\":\"linux\"}") ",{\"mediaType\":\"" WCOW_MEDIA_OCI_MANIFEST                             \
                                                                                                                                                    "\",\"digest\":\"" C                                                     \
                                                                                                                                                    "\",\"size\":1,\"annotations\":{"                                        \
                                                                                                                                                    "\"vnd.docker.reference.type\":\"attestation-manifest\"},\"platform\":{" \
                                                                                                                                                    "\"architecture\":\"unknown\",\"os\":\"unknown\"}}]}"

static void an_index_comes_back_byte_for_byte(void **state)
{
    (void)state;
    wcow_auto_index x = {0};
    wcow_autobuf out = {0};
    assert_ok(wcow_index_parse(INDEX, strlen(INDEX), WCOW_MEDIA_OCI_INDEX, &x, &err));
    assert_int_equal(x.manifest_count, 4);
    assert_string_equal(x.manifests[0].platform.os_features, "win32k");
    assert_true(wcow_descriptor_is_attestation(&x.manifests[3]));
    assert_ok(wcow_index_write(&x, &out, &err));
    assert_string_equal((char *)out.data, INDEX);
}

static void the_platforms_best_entry_is_selected(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        const char *digest; /* NULL: none */
    } cases[] = {
        {"windows/amd64", B},
        {"windows(10.0.20348)/amd64", B},
        {"windows(10.0.20348.9)/amd64", A},
        {"linux/amd64", C},
        {"windows(10.0.26100)/amd64", NULL},
        {"windows/arm64", NULL},
        {"unknown/unknown", NULL},
    };
    wcow_auto_index x = {0};
    assert_ok(wcow_index_parse(INDEX, strlen(INDEX), NULL, &x, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_platform wanted;
        const struct wcow_descriptor *found = NULL;
        struct wcow_error err = {0};
        assert_int_equal(wcow_platform_parse(cases[i].wanted, &wanted, &err), WCOW_OK);
        int r = wcow_index_select(&x, &wanted, &found, &err);
        if (cases[i].digest) {
            assert_int_equal(r, WCOW_OK);
            assert_string_equal(found->digest.text, cases[i].digest);
        } else {
            assert_int_equal(r, WCOW_E_NOT_FOUND);
            assert_non_null(strstr(err.msg, "windows(10.0.20348.9+win32k)/amd64"));
            assert_non_null(strstr(err.msg, "linux/amd64"));
        }
    }
}

static void a_document_tells_what_it_is(void **state)
{
    (void)state;
    const char *type = NULL;
    assert_ok(wcow_manifest_detect(INDEX, strlen(INDEX), &type, &err));
    assert_string_equal(type, WCOW_MEDIA_OCI_INDEX);
    assert_ok(wcow_manifest_detect(MANIFEST, strlen(MANIFEST), &type, &err));
    assert_string_equal(type, WCOW_MEDIA_OCI_MANIFEST);
    assert_fails(wcow_manifest_detect("{}", 2, &type, &err), WCOW_E_CORRUPT);
}

static void media_types_are_sorted_and_translated(void **state)
{
    (void)state;
    assert_true(wcow_media_is_foreign(WCOW_MEDIA_DOCKER_FOREIGN_GZIP));
    assert_true(wcow_media_is_foreign(WCOW_MEDIA_OCI_FOREIGN_ZSTD));
    assert_false(wcow_media_is_foreign(WCOW_MEDIA_OCI_LAYER_ZSTD));
    assert_true(wcow_media_is_index(WCOW_MEDIA_DOCKER_INDEX));
    assert_string_equal(wcow_media_to_oci(WCOW_MEDIA_DOCKER_LAYER_GZIP), WCOW_MEDIA_OCI_LAYER_GZIP);
    assert_string_equal(wcow_media_to_docker(WCOW_MEDIA_OCI_MANIFEST), WCOW_MEDIA_DOCKER_MANIFEST);
    assert_string_equal(wcow_media_to_docker(WCOW_MEDIA_OCI_FOREIGN_ZSTD),
                        WCOW_MEDIA_OCI_FOREIGN_ZSTD);
    assert_string_equal(wcow_media_to_oci("x"), "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_comes_back_byte_for_byte),
        cmocka_unit_test(the_order_of_fields_is_fixed),
        cmocka_unit_test(bad_manifests_are_refused),
        cmocka_unit_test(hostile_sizes_end_in_an_error),
        cmocka_unit_test(an_index_comes_back_byte_for_byte),
        cmocka_unit_test(the_platforms_best_entry_is_selected),
        cmocka_unit_test(a_document_tells_what_it_is),
        cmocka_unit_test(media_types_are_sorted_and_translated),
    };
    return cmocka_run_group_tests_name("image/manifest", tests, NULL, NULL);
}
