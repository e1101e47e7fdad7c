/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "cli/entry_diff.h"
#include "cli/show.h"
#include "layer/filetime.h"
#include "layer/sd.h"
#include "layer/verify.h"

/* An entry's strings and bytes are not const, but nobody writes through borrowed ones. */
static void *borrow(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return u.out;
}

static void times_are_shown_over_the_whole_range(void **state)
{
    (void)state;
    static const struct {
        uint64_t filetime;
        const char *want;
    } table[] = {
        {0, "1601-01-01T00:00:00.0000000Z"},
        {1, "1601-01-01T00:00:00.0000001Z"},
        {WCOW_FILETIME_UNIX_EPOCH, "1970-01-01T00:00:00.0000000Z"},
        {UINT64_C(133512192000000000), "2024-02-01T00:00:00.0000000Z"},
        {UINT64_C(133536383999999999), "2024-02-28T23:59:59.9999999Z"},
        {UINT64_C(133536384000000000), "2024-02-29T00:00:00.0000000Z"},
        {UINT64_C(125963423990000000), "2000-02-29T23:59:59.0000000Z"},
        {WCOW_FILETIME_OF_GO_ZERO, "1754-08-30T22:43:41.1286549Z"},
        {UINT64_C(126227808000000000), "2001-01-01T00:00:00.0000000Z"},
        {UINT64_MAX, "60056-05-28T05:36:10.9551615Z"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[WCOW_SHOW_TIME_MAX];
        wcow_show_time(table[i].filetime, true, text);
        assert_string_equal(text, table[i].want);
    }
    char text[WCOW_SHOW_TIME_MAX];
    wcow_show_time(WCOW_FILETIME_UNIX_EPOCH, false, text);
    assert_string_equal(text, "1970-01-01 00:00:00");
}

static void kinds_and_attributes_are_letters(void **state)
{
    (void)state;
    static const struct {
        struct wcow_entry entry;
        const char *want;
        const char *type;
    } table[] = {
        {{.type = WCOW_ENTRY_FILE, .attributes = 0x20}, "----A", "file"},
        {{.type = WCOW_ENTRY_FILE, .attributes = 0x27}, "-RHSA", "file"},
        {{.type = WCOW_ENTRY_FILE, .attributes = 0x80}, "-----", "file"},
        {{.type = WCOW_ENTRY_FILE, .attributes = 0x2020}, "----A+", "file"},
        {{.type = WCOW_ENTRY_DIR, .attributes = 0x16}, "d-HS-", "directory"},
        {{.type = WCOW_ENTRY_REPARSE, .attributes = 0x410}, "l----", "symlink"},
        {{.type = WCOW_ENTRY_REPARSE, .attributes = 0x410, .has = WCOW_HAS_MOUNTPOINT},
         "j----",
         "junction"},
        {{.type = WCOW_ENTRY_HARDLINK, .attributes = 0x20}, "h---A", "hardlink"},
        {{.type = WCOW_ENTRY_STREAM}, "s----", "stream"},
        {{.type = WCOW_ENTRY_WHITEOUT}, "w----", "whiteout"},
        {{.type = WCOW_ENTRY_OPAQUE}, "o----", "opaque"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char mode[WCOW_SHOW_MODE_MAX];
        wcow_show_mode(&table[i].entry, mode);
        assert_string_equal(mode, table[i].want);
        assert_string_equal(wcow_show_type(&table[i].entry), table[i].type);
    }
}

static void owners_have_names(void **state)
{
    (void)state;
    struct wcow_bytes sd = wcow_sd_default(true);
    struct wcow_entry e = {.sd = borrow(sd.data), .sd_len_bytes = sd.len};
    wcow_autobuf owner = {0};
    assert_ok(wcow_show_owner(&e, &owner, &err));
    assert_string_equal((const char *)owner.data, "BUILTIN\\Administrators");

    wcow_autobuf bytes = {0};
    assert_ok(wcow_sd_of_sddl("O:S-1-5-21-1-2-3-1001G:SYD:(A;;FA;;;WD)", &bytes, &err));
    e = (struct wcow_entry){.sd = bytes.data, .sd_len_bytes = bytes.len};
    owner.len = 0;
    assert_ok(wcow_show_owner(&e, &owner, &err));
    assert_string_equal((const char *)owner.data, "S-1-5-21-1-2-3-1001");

    e.sd_len_bytes = 7; /* no descriptor */
    owner.len = 0;
    assert_ok(wcow_show_owner(&e, &owner, &err));
    assert_string_equal((const char *)owner.data, "-");
    wcow_autobuf sddl = {0};
    assert_ok(wcow_show_sddl(&e, &sddl, &err));
    assert_int_equal(sddl.data[0], '(');
}

static void json_has_everything(void **state)
{
    (void)state;
    uint8_t value[] = {1, 2};
    struct wcow_ea ea = {.name = (char[]){"$X"}, .value = value, .len_bytes = 2};
    const struct wcow_entry e = {.type = WCOW_ENTRY_FILE,
                                 .name = (char[]){"Files/\"a\""},
                                 .size_bytes = 3,
                                 .attributes = 32,
                                 .eas = &ea,
                                 .n_eas = 1};
    wcow_autobuf out = {0};
    assert_ok(wcow_show_json(&e, ",\"layer\":1", &out, &err));
    assert_string_equal(
        (const char *)out.data,
        "{\"name\":\"Files/\\\"a\\\"\",\"type\":\"file\",\"size\":3,\"attributes\":32,"
        "\"modified\":\"1601-01-01T00:00:00.0000000Z\",\"created\":\"1601-01-01T00:00:00."
        "0000000Z\","
        "\"accessed\":\"1601-01-01T00:00:00.0000000Z\","
        "\"changed\":\"1601-01-01T00:00:00.0000000Z\",\"eas\":{\"$X\":\"AQI=\"},\"layer\":1}");
}

/* ---- differences ---- */

static void expect_field(const struct wcow_entry *a, const struct wcow_entry *b, const char *want)
{
    unsigned parsed = 0;
    unsigned fields = wcow_entry_diff(a, b);
    assert_string_equal(wcow_entry_diff_name(fields), want);
    assert_int_equal(fields, wcow_entry_diff(b, a));
    if (!*want)
        return;
    assert_ok(wcow_entry_diff_parse(want, &parsed, &err));
    assert_int_equal(parsed, fields);
}

static void each_field_that_differs_is_named(void **state)
{
    (void)state;
    struct wcow_bytes sd = wcow_sd_default(true);
    struct wcow_ea ea = {.name = (char[]){"X"}, .value = NULL, .len_bytes = 0};
    const struct wcow_entry base = {.type = WCOW_ENTRY_FILE, .name = (char[]){"Files/a"}};
    const struct {
        struct wcow_entry other;
        const char *field;
    } table[] = {
        {{.type = WCOW_ENTRY_HARDLINK, .name = base.name}, "type"},
        {{.type = WCOW_ENTRY_FILE, .name = (char[]){"Files/A"}}, "case"},
        {{.type = WCOW_ENTRY_FILE, .name = (char[]){"FILES/a"}}, ""}, /* told for the directory */
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .size_bytes = 1}, "content"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .link = (char[]){"x"}}, "target"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .attributes = 1}, "attributes"},
        {{.type = WCOW_ENTRY_FILE,
          .name = base.name,
          .sd = borrow(sd.data),
          .sd_len_bytes = sd.len},
         "security"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .eas = &ea, .n_eas = 1}, "eas"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .mtime = 1}, "modified"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .creation = 1}, "created"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .atime = 1}, "accessed"},
        {{.type = WCOW_ENTRY_FILE, .name = base.name, .ctime = 1}, "changed"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        expect_field(&base, &table[i].other, table[i].field);
}

static void fields_have_names(void **state)
{
    (void)state;
    unsigned fields = 0;
    assert_ok(wcow_entry_diff_parse("times", &fields, &err));
    assert_int_equal(fields, WCOW_DIFF_TIMES);
    assert_fails(wcow_entry_diff_parse("colour", &fields, &err), WCOW_E_INVALID);
    assert_int_equal(fields, WCOW_DIFF_TIMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_shown_over_the_whole_range),
        cmocka_unit_test(kinds_and_attributes_are_letters),
        cmocka_unit_test(owners_have_names),
        cmocka_unit_test(json_has_everything),
        cmocka_unit_test(each_field_that_differs_is_named),
        cmocka_unit_test(fields_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
