/* SPDX-License-Identifier: Apache-2.0 */
/* How the fields of a header are read and how headers add up, where other readers differ from Go's
 * archive/tar, which decides what every other unpacker of layers makes of a tar. */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "layer/filetime.h"
#include "layer/tar_format.h"
#include "layer/tar_reader.h"
#include "tar_maker.h"

/* The first entry of a tar: 1 and its copy, 0 where there is none, or the error. */
static int read_first(const struct wcow_buf *tar, struct wcow_entry *ret, struct wcow_error *err)
{
    struct memory_source chunks = {.data = tar->data, .len = tar->len, .step = 700};
    struct wcow_source source = memory_source(&chunks);
    const struct wcow_tar_limits limits = {.skip_rules = true};
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *e = NULL;
    int r = wcow_tar_reader_new(&source, &limits, &reader, err);
    if (r == WCOW_OK)
        r = wcow_tar_reader_next(reader, &e, err);
    if (r != 1)
        return r;
    r = wcow_entry_copy(e, ret, err);
    return r < 0 ? r : 1;
}

/* A field of the last block of @p tar, and its checksum again. */
static void set_field(struct wcow_buf *tar, struct wcow_tar_field f, const char *value, size_t len)
{
    uint8_t *b = tar->data + tar->len - 512;
    unsigned sum = 0;
    memset(b + f.at, 0, f.len);
    memcpy(b + f.at, value, len);
    memset(b + WCOW_TAR_CHECKSUM.at, ' ', WCOW_TAR_CHECKSUM.len);
    for (size_t i = 0; i < 512; i++)
        sum += b[i];
    (void)snprintf((char *)b + WCOW_TAR_CHECKSUM.at, WCOW_TAR_CHECKSUM.len, "%06o", sum);
}

#define GNU     "ustar  "
#define TEXT(s) (s), sizeof(s) - 1

static void fields_are_read_as_go_reads_them(void **state)
{
    (void)state;
    const struct {
        struct wcow_tar_field field;
        const char *value;
        size_t len;
        char type;
        int want;
        const char *words;
    } cases[] = {
        {WCOW_TAR_MODE, TEXT("0000x44"), '0', WCOW_E_CORRUPT, "bad mode"},
        {WCOW_TAR_MODE, TEXT("       "), '0', 1, ""},
        {WCOW_TAR_UID, TEXT("9"), '0', WCOW_E_CORRUPT, "bad owner"},
        {WCOW_TAR_UID, TEXT("\x80\0\0\0\0\x01\0\0"), '0', 1, ""},
        {WCOW_TAR_GID, TEXT("-1"), '0', WCOW_E_CORRUPT, "bad group"},
        {WCOW_TAR_DEVMAJOR, TEXT("8"), '0', WCOW_E_CORRUPT, "bad device number"},
        {WCOW_TAR_DEVMINOR, TEXT("junk"), '5', WCOW_E_CORRUPT, "bad device number"},
        {WCOW_TAR_SIZE, TEXT("0000000000x"), '5', WCOW_E_CORRUPT, "bad size"},
        {WCOW_TAR_SIZE, TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), '5', 1, ""},
        {WCOW_TAR_SIZE, TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), '0',
         WCOW_E_CORRUPT, "bad size"},
        {WCOW_TAR_SIZE, TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 'x',
         WCOW_E_CORRUPT, "bad size"},
        {WCOW_TAR_MTIME, TEXT(" \0 7 \0"), '0', 1, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf tar = {0};
        wcow_autoentry e = {0};
        struct wcow_error why = {0};
        make_block(&tar, "Files/a", cases[i].type, NULL, 0);
        set_field(&tar, cases[i].field, cases[i].value, cases[i].len);
        make_end(&tar);
        int r = read_first(&tar, &e, &why);
        if (r != cases[i].want || (r < 0 && !strstr(why.msg, cases[i].words)))
            fail_msg("case %zu: %d: %s", i, r, why.msg);
    }
}

static void a_v7_header_has_no_device_numbers(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autoentry e = {0};
    make_block(&tar, "Files/a", '0', NULL, 0);
    set_field(&tar, WCOW_TAR_MAGIC, "", 0);
    set_field(&tar, WCOW_TAR_DEVMAJOR, TEXT("junk"));
    make_end(&tar);
    assert_int_equal(read_first(&tar, &e, NULL), 1);
    assert_string_equal(e.name, "Files/a");
}

static void star_always_has_three_times(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autoentry e = {0};
    struct wcow_error why = {0};
    make_block(&tar, "a", '0', NULL, 0);
    set_field(&tar, WCOW_TAR_STAR_TRAILER, TEXT("tar\0"));
    set_field(&tar, WCOW_TAR_STAR_PREFIX, TEXT("Files"));
    set_field(&tar, WCOW_TAR_STAR_CTIME, TEXT("0000000001"));
    assert_int_equal(read_first(&tar, &e, NULL), 1);
    assert_string_equal(e.name, "Files/a");
    assert_true((e.has & WCOW_HAS_ATIME) && (e.has & WCOW_HAS_CTIME));
    assert_int_equal(e.atime, WCOW_FILETIME_UNIX_EPOCH);
    assert_int_equal(e.ctime, WCOW_FILETIME_UNIX_EPOCH + 10000000);
    set_field(&tar, WCOW_TAR_STAR_ATIME, TEXT("x"));
    assert_int_equal(read_first(&tar, &e, &why), WCOW_E_CORRUPT);
    assert_non_null(strstr(why.msg, "bad time"));
}

/* Go before 1.8 wrote names there; what is no ASCII is none of its names. */
static void a_prefix_in_a_gnu_header_is_ascii(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        const char *name;
    } cases[] = {{"Files/long", "Files/long/a"}, {"Files/\xc3\xbc", "a"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf tar = {0};
        wcow_autoentry e = {0};
        make_block(&tar, "a", '0', NULL, 0);
        set_field(&tar, WCOW_TAR_MAGIC, GNU, sizeof(GNU));
        set_field(&tar, WCOW_TAR_PREFIX, cases[i].prefix, strlen(cases[i].prefix));
        assert_int_equal(read_first(&tar, &e, NULL), 1);
        assert_string_equal(e.name, cases[i].name);
    }
}

/* ---- headers before headers ---- */

static void make_extension(struct wcow_buf *tar, char type, const char *text)
{
    wcow_autobuf body = {0};
    if (type == 'L' || type == 'K')
        append(&body, text, strlen(text) + 1);
    else
        make_record(&body, text);
    make_block(tar, "ext", type, NULL, body.len);
    append(tar, body.data, body.len);
    make_fill(tar);
}

static void headers_add_up_as_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *const headers[6]; /* the type, and what it says */
        const char *name;             /* of the entry, which is "Files/own" by itself */
    } cases[] = {
        {{"xpath=Files/pax"}, "Files/pax"},
        {{"xpath="}, "Files/own"},
        {{"xpath=Files/1", "xpath=Files/2"}, "Files/2"},
        {{"xpath=Files/1", "xcomment=x"}, "Files/own"},
        {{"LFiles/gnu"}, "Files/gnu"},
        {{"LFiles/gnu", "xpath=Files/pax"}, "Files/gnu"},
        {{"LFiles/1", "LFiles/2"}, "Files/2"},
        {{"LFiles/1", "L"}, "Files/own"},
        {{"gpath=Files/global"}, "Files/own"},
        {{"xpath=Files/pax", "gcomment=x"}, "Files/own"},
        {{"LFiles/gnu", "gcomment=x"}, "Files/own"},
        {{"gcomment=x", "LFiles/gnu"}, "Files/gnu"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf tar = {0};
        wcow_autoentry e = {0};
        for (size_t k = 0; cases[i].headers[k]; k++)
            make_extension(&tar, cases[i].headers[k][0], cases[i].headers[k] + 1);
        make_block(&tar, "Files/own", '0', NULL, 0);
        assert_int_equal(read_first(&tar, &e, NULL), 1);
        if (!e.name || strcmp(e.name, cases[i].name) != 0)
            fail_msg("case %zu: %s instead of %s", i, e.name, cases[i].name);
    }
}

static void sizes_of_records_have_a_sign(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        const char *name;
        char type;
        int want;
    } cases[] = {
        {"xsize=+0", "Files/a", '0', 1},
        {"xsize=-1", "Files/a", '5', 1},
        {"xsize=-1", "Files/a", '0', WCOW_E_CORRUPT},
        {"xsize=-1", "Files/a/", '\0', 1},
        {"xsize=9223372036854775808", "Files/a", '5', WCOW_E_CORRUPT},
        {"xuid=-2", "Files/a", '0', 1},
        {"xgid=nobody", "Files/a", '0', WCOW_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf tar = {0};
        wcow_autoentry e = {0};
        struct wcow_error why = {0};
        make_extension(&tar, 'x', cases[i].record + 1);
        make_block(&tar, cases[i].name, cases[i].type, NULL, 0);
        int r = read_first(&tar, &e, &why);
        if (r != cases[i].want)
            fail_msg("case %zu: %d: %s", i, r, why.msg);
    }
}

static void damage_counts_in_headers_that_nothing_follows_from(void **state)
{
    (void)state;
    static const char types[] = {'x', 'g'};
    for (size_t i = 0; i < sizeof(types); i++) {
        wcow_autobuf tar = {0};
        wcow_autoentry e = {0};
        make_block(&tar, "ext", types[i], NULL, 4);
        append(&tar, "junk", 4);
        make_fill(&tar);
        make_extension(&tar, 'x', "comment=x");
        make_block(&tar, "Files/own", '0', NULL, 0);
        assert_fails(read_first(&tar, &e, &err), WCOW_E_CORRUPT);
    }
}

/* Go would take it for the end; nobody writes that, but what was cut off looks like it. */
static void a_tar_that_ends_behind_an_extension_header_was_cut(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autoentry e = {0};
    make_extension(&tar, 'x', "path=x");
    assert_fails(read_first(&tar, &e, &err), WCOW_E_CORRUPT);
    tar.len = 515;
    assert_fails(read_first(&tar, &e, &err), WCOW_E_CORRUPT);
}

/* ---- without end ---- */

static void headers_without_an_entry_come_to_an_end(void **state)
{
    (void)state;
    static const struct {
        char type;
        const char *name;
    } cases[] = {{'x', "ext"}, {'g', "ext"}, {'L', "ext"}, {'5', "./"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf tar = {0};
        wcow_autoentry e = {0};
        struct wcow_error why = {0};
        for (unsigned k = 0; k < 4000; k++) /* 2 MB of headers with nothing in them */
            make_block(&tar, cases[i].name, cases[i].type, NULL, 0);
        int r = read_first(&tar, &e, &why);
        if (r != WCOW_E_LIMIT || !strstr(why.msg, "no entry behind them"))
            fail_msg("type %c: %d: %s", cases[i].type, r, why.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_as_go_reads_them),
        cmocka_unit_test(a_v7_header_has_no_device_numbers),
        cmocka_unit_test(star_always_has_three_times),
        cmocka_unit_test(a_prefix_in_a_gnu_header_is_ascii),
        cmocka_unit_test(headers_add_up_as_in_go),
        cmocka_unit_test(sizes_of_records_have_a_sign),
        cmocka_unit_test(damage_counts_in_headers_that_nothing_follows_from),
        cmocka_unit_test(a_tar_that_ends_behind_an_extension_header_was_cut),
        cmocka_unit_test(headers_without_an_entry_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
