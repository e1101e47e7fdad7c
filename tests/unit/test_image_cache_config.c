/* SPDX-License-Identifier: Apache-2.0 */
/* BuildKit's cache config: as its documentation shows it, as its Go types leave fields out, and as
 * nobody should write it. */
#include <string.h>

#include "image/cache_config.h"
#include "image/config.h"
#include "wcow_test.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static int parse(const char *text, struct wcow_cache_config *ret, struct wcow_error *err)
{
    return wcow_cache_config_parse(text, strlen(text), ret, err);
}

static void what_buildkit_writes_is_read(void **state)
{
    (void)state;
    static const char text[] =
        "{\"layers\":[{\"blob\":\"" A "\",\"parent\":-1},{\"blob\":\"" B "\"}],"
        "\"records\":[{\"digest\":\"" A "\"},"
        "{\"layers\":[{\"layer\":1,\"createdAt\":\"2024-05-06T07:08:09.123456789Z\"}],"
        "\"digest\":\"" B "\",\"inputs\":[[{\"selector\":\"s\",\"link\":0}]]},"
        "{\"chains\":[{\"layers\":[0,1],\"createdAt\":\"2024-05-06T07:08:09Z\"}],"
        "\"digest\":\"" C "\"}]}";
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    struct wcow_error err = {0};
    assert_int_equal(parse(text, &c, &err), WCOW_OK);
    assert_int_equal(c.n_layers, 2);
    assert_int_equal(c.layers[0].parent, WCOW_CACHE_NONE);
    assert_int_equal(c.layers[1].parent, 0); /* Go leaves a 0 out */
    assert_int_equal(c.n_records, 3);
    assert_int_equal(c.records[0].layer, WCOW_CACHE_NONE);
    assert_int_equal(c.records[1].layer, 1);
    assert_int_equal(c.records[1].n_links, 1);
    assert_int_equal(c.records[1].created_s, 1714979289);
    assert_int_equal(c.records[2].layer, 1); /* the last of a chain */
    assert_string_equal(c.records[2].digest.text, C);
}

static struct wcow_digest digest(const char *text)
{
    struct wcow_digest d;
    memcpy(d.text, text, sizeof(d.text));
    return d;
}

static void fill(struct wcow_cache_config *c)
{
    struct wcow_cache_layer layer = {.blob = digest(A),
                                     .parent = WCOW_CACHE_NONE,
                                     .media_type = WCOW_MEDIA_OCI_LAYER_GZIP,
                                     .diff_id = digest(B),
                                     .size_bytes = 7,
                                     .created_s = 1714979289};
    size_t link = 0;
    char text[] = "C:\\Windows";
    const struct wcow_cache_record base = {
        .digest = digest(C), .layer = WCOW_CACHE_NONE, .text = text};
    const struct wcow_cache_record step = {.digest = digest(B),
                                           .links = &link,
                                           .n_links = 1,
                                           .layer = 0,
                                           .created_s = 1714979289,
                                           .shape = digest(A),
                                           .tar_bytes = 4096};
    const struct wcow_cache_record empty = {
        .digest = digest(A), .layer = WCOW_CACHE_NONE, .is_empty = true};
    size_t index = 0;
    assert_int_equal(wcow_cache_config_add_layer(c, &layer, NULL), WCOW_OK);
    assert_int_equal(wcow_cache_config_add_record(c, &base, NULL, NULL), WCOW_OK);
    assert_int_equal(wcow_cache_config_add_record(c, &step, &index, NULL), WCOW_OK);
    assert_int_equal(index, 1);
    assert_int_equal(wcow_cache_config_add_record(c, &empty, NULL, NULL), WCOW_OK);
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config again = {0};
    wcow_autobuf text = {0};
    fill(&c);
    assert_int_equal(wcow_cache_config_write(&c, &text, NULL), WCOW_OK);
    assert_string_equal(
        (const char *)text.data,
        "{\"layers\":[{\"blob\":\"" A "\",\"parent\":-1,\"annotations\":{\"mediaType\":"
        "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"diffID\":\"" B "\",\"size\":7,"
        "\"createdAt\":\"2024-05-06T07:08:09Z\"}}],\"records\":[{\"digest\":\"" C
        "\",\"wcow\":{\"text\":\"C:\\\\Windows\"}},{\"layers\":[{\"layer\":0,"
        "\"createdAt\":\"2024-05-06T07:08:09Z\"}],\"digest\":\"" B
        "\",\"inputs\":[[{\"link\":0}]],\"wcow\":{\"shape\":\"" A
        "\",\"tarSize\":4096}},{\"digest\":\"" A "\",\"wcow\":{\"empty\":true}}]}");
    assert_int_equal(parse((const char *)text.data, &again, NULL), WCOW_OK);
    assert_string_equal(again.layers[0].media_type, WCOW_MEDIA_OCI_LAYER_GZIP);
    assert_string_equal(again.layers[0].diff_id.text, B);
    assert_int_equal(again.layers[0].size_bytes, 7);
    assert_string_equal(again.records[0].text, "C:\\Windows");
    assert_string_equal(again.records[1].shape.text, A);
    assert_int_equal(again.records[1].tar_bytes, 4096);
    assert_true(again.records[2].is_empty);
}

static void the_records_alone_go_into_an_image(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config again = {0};
    wcow_autobuf text = {0};
    struct wcow_error err = {0};
    fill(&c);
    assert_int_equal(wcow_cache_config_write_records(&c, &text, NULL), WCOW_OK);
    assert_int_equal(text.data[0], '[');
    assert_int_equal(wcow_cache_config_parse_records(text.data, text.len, 1, &again, NULL),
                     WCOW_OK);
    assert_int_equal(again.n_layers, 0);
    assert_int_equal(again.records[1].layer, 0);
    struct wcow_cache_config none = {0};
    assert_int_equal(wcow_cache_config_parse_records(text.data, text.len, 0, &none, &err),
                     WCOW_E_CORRUPT);
    assert_string_equal(err.msg, "the inline cache: \"records\"[1]: \"layer\" is no number of a "
                                 "layer or record");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"[]", "the cache config: the cache config is not a JSON object"},
        {"{\"layers\":7}", "the cache config: \"layers\" is not a list"},
        {"{\"layers\":[{}]}", "the cache config: \"layers\"[0]: there is no \"blob\""},
        {"{\"layers\":[{\"blob\":\"x\"}]}",
         "the cache config: \"layers\"[0]: \"blob\" is not a sha256 digest"},
        {"{\"layers\":[{\"blob\":\"" A "\",\"parent\":1}]}",
         "the cache config: \"layers\"[0]: \"parent\" is no number of a layer or record"},
        {"{\"layers\":[{\"blob\":\"" A "\",\"parent\":-2}]}",
         "the cache config: \"layers\"[0]: \"parent\" is no number of a layer or record"},
        {"{\"records\":[7]}", "the cache config: \"records\"[0]: it is not an object"},
        {"{\"records\":[{}]}", "the cache config: \"records\"[0]: there is no \"digest\""},
        {"{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[]]}]}",
         "the cache config: \"records\"[0]: \"inputs\"[0] names no record"},
        {"{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[{\"link\":1}]]}]}",
         "the cache config: \"records\"[0]: \"link\" is no number of a layer or record"},
        {"{\"records\":[{\"digest\":\"" A "\",\"layers\":[{\"layer\":0}]}]}",
         "the cache config: \"records\"[0]: \"layer\" is no number of a layer or record"},
        {"{\"records\":[{\"digest\":\"" A "\",\"wcow\":{\"shape\":7}}]}",
         "the cache config: \"records\"[0]: \"shape\" is not a string"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_cache_config c = {0};
        struct wcow_error err = {0};
        assert_int_equal(parse(cases[i].text, &c, &err), WCOW_E_CORRUPT);
        assert_string_equal(err.msg, cases[i].says);
        assert_null(c.layers);
    }
}

static void times_are_utc(void **state)
{
    (void)state;
    assert_int_equal(wcow_time_parse("1970-01-02T00:00:00Z"), 86400);
    assert_int_equal(wcow_time_parse("1970-01-02T00:00:00.5Z"), 86400);
    assert_int_equal(wcow_time_parse("1970-01-02T00:00:00+01:00"), 0);
    assert_int_equal(wcow_time_parse("yesterday"), 0);
    assert_int_equal(wcow_time_parse(NULL), 0);
}

static void an_image_carries_its_cache(void **state)
{
    (void)state;
    static const char text[] = "{\"architecture\":\"amd64\",\"os\":\"windows\","
                               "\"moby.buildkit.cache.v0\":\"W10=\"}";
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *c = NULL;
    assert_int_equal(wcow_image_config_parse(text, strlen(text), &c, NULL), WCOW_OK);
    assert_string_equal(wcow_image_config_inline_cache(c), "W10=");
    assert_int_equal(wcow_image_config_set_inline_cache(c, NULL, NULL), WCOW_OK);
    assert_null(wcow_image_config_inline_cache(c));
    assert_int_equal(wcow_image_config_set_inline_cache(c, "W1td", NULL), WCOW_OK);
    assert_string_equal(wcow_image_config_inline_cache(c), "W1td");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_buildkit_writes_is_read),
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(the_records_alone_go_into_an_image),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(times_are_utc),
        cmocka_unit_test(an_image_carries_its_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
