/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/pax.h"

static struct wcow_bytes bytes(const char *s)
{
    return (struct wcow_bytes){.data = (const uint8_t *)s, .len = strlen(s)};
}

/* Lengths around the points where the length itself gets another digit. */
static void a_record_counts_its_own_length(void **state)
{
    (void)state;
    for (size_t n = 0; n < 1100; n++) {
        wcow_autobuf out = {0};
        wcow_autofree char *value = calloc(1, n + 1);
        assert_non_null(value);
        memset(value, 'v', n);
        assert_ok(wcow_pax_add(&out, "key", bytes(value), &err));
        assert_int_equal(strtoul((const char *)out.data, NULL, 10), out.len);
        struct wcow_cursor c = wcow_cursor_of(out.data, out.len);
        struct wcow_pax_record rec = {0};
        assert_int_equal(wcow_pax_next(&c, &rec, NULL), 1);
        assert_true(wcow_pax_is(rec.key, "key"));
        assert_int_equal(rec.value.len, n);
        assert_int_equal(wcow_pax_next(&c, &rec, NULL), 0);
    }
}

static void records_that_go_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *key;
        const char *value;
    } good[] = {
        {"6 k=v\n", "k", "v"},
        {"5 k=\n", "k", ""},
        {"0010 k=x\n\n", "k", "x\n"},
        {"10 k==v=v\n", "k", "=v=v"},
        {"11 k=a b c\n", "k", "a b c"},
        {"+7 k=v\n", "k", "v"},
        {"0000000000000000000000030 k=v\n", "k", "v"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct wcow_cursor c = wcow_cursor_of(good[i].text, strlen(good[i].text));
        struct wcow_pax_record rec = {0};
        struct wcow_error err = {0};
        int r = wcow_pax_next(&c, &rec, &err);
        if (r != 1)
            fail_msg("case %zu: %s", i, err.msg);
        assert_true(wcow_pax_is(rec.key, good[i].key));
        assert_true(wcow_pax_is(rec.value, good[i].value));
    }
}

static void records_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        {"6 k=v", 5},
        {"7 k=v\n", 6},
        {"5 k=v\n", 6},
        {" 6 k=v\n", 7},
        {"+6 k=v\n", 7},
        {"-6 k=v\n", 7},
        {"6\tk=v\n", 6},
        {"6 kvv\n", 6},
        {"5 =v\n", 5},
        {"4 k\n", 4},
        {"6k=v\n", 5},
        {"18446744073709551622 k=v\n", 25},
        {"\0", 1},
        {"8 k\0x=v\n", 8},
        {"11 path=\0a\n", 11},
        {"000000000000000000000006 k=v\n", 29},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wcow_cursor c = wcow_cursor_of(bad[i].text, bad[i].len);
        struct wcow_pax_record rec = {0};
        assert_fails(wcow_pax_next(&c, &rec, &err), WCOW_E_CORRUPT);
    }
    wcow_autobuf out = {.max_bytes = 10};
    assert_fails(wcow_pax_add(&out, "", bytes("v"), &err), WCOW_E_INVALID);
    assert_fails(wcow_pax_add(&out, "a=b", bytes("v"), &err), WCOW_E_INVALID);
    struct wcow_bytes nul = {.data = (const uint8_t *)"a\0b", .len = 3};
    assert_fails(wcow_pax_add(&out, "path", nul, &err), WCOW_E_INVALID);
    assert_fails(wcow_pax_add(&out, "key", bytes("too much of it"), &err), WCOW_E_LIMIT);
    assert_int_equal(out.len, 0);
}

static void assert_read(const char *const *texts, size_t n, struct wcow_pax_records *records,
                        const char *want)
{
    wcow_autobuf header = {0};
    wcow_autobuf got = {0};
    for (size_t i = 0; i < n; i++) {
        wcow_autofree char *key = strdup(texts[i]);
        char *eq = strchr(key, '=');
        *eq = '\0';
        assert_ok(wcow_pax_add(&header, key, bytes(eq + 1), &err));
    }
    const struct wcow_bytes all = {.data = header.data, .len = header.len};
    assert_ok(wcow_pax_read(all, records, &err));
    for (size_t i = 0; i < records->n; i++)
        assert_ok(wcow_buf_addf(&got, &err, "%.*s=%.*s ", (int)records->items[i].key.len,
                                (const char *)records->items[i].key.data,
                                (int)records->items[i].value.len,
                                (const char *)records->items[i].value.data));
    assert_string_equal(got.data ? (const char *)got.data : "", want);
}

static void the_last_record_of_a_key_counts(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_pax_records_done) struct wcow_pax_records records = {0};
    static const char *const sorted[] = {"a=1", "aa=2", "b=3"};
    static const char *const twice[] = {"b=1", "a=2", "b=", "a=3", "ab=4", "b=5"};
    static const char *const pieces[] = {"GNU.sparse.offset=1", "GNU.sparse.numbytes=2", "x=1",
                                         "GNU.sparse.offset=1", "GNU.sparse.numbytes=2", "x=2"};
    assert_read(sorted, 3, &records, "a=1 aa=2 b=3 ");
    assert_read(twice, 6, &records, "a=3 ab=4 b=5 ");
    assert_read(pieces, 6, &records,
                "GNU.sparse.offset=1 GNU.sparse.numbytes=2 GNU.sparse.offset=1 "
                "GNU.sparse.numbytes=2 x=2 ");
    assert_read(NULL, 0, &records, "");
    assert_fails(wcow_pax_read(bytes("6 k=v\n6 k="), &records, &err), WCOW_E_CORRUPT);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t v = 0;
    assert_ok(wcow_pax_number(bytes("4294967295"), UINT32_MAX, &v, &err));
    assert_int_equal(v, UINT32_MAX);
    assert_ok(wcow_pax_number(bytes("007"), 9, &v, &err));
    assert_int_equal(v, 7);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "4294967296", "18446744073709551616", "1e3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(wcow_pax_number(bytes(bad[i]), UINT32_MAX, &v, &err), WCOW_E_CORRUPT);
    assert_int_equal(v, 7);
}

static void numbers_with_a_sign(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"+7", 7},
                {"-007", -7},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t v = 1;
        assert_ok(wcow_pax_signed(bytes(good[i].text), &v, &err));
        assert_true(v == good[i].value);
    }
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "--1",
                                      "+-1",
                                      "1-",
                                      " -1",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t v = 1;
        assert_fails(wcow_pax_signed(bytes(bad[i]), &v, &err), WCOW_E_CORRUPT);
        assert_int_equal(v, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_counts_its_own_length),
        cmocka_unit_test(records_that_go_reads),
        cmocka_unit_test(records_that_are_none),
        cmocka_unit_test(the_last_record_of_a_key_counts),
        cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_with_a_sign),
    };
    return cmocka_run_group_tests_name("layer/pax", tests, NULL, NULL);
}
