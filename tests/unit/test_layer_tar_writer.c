/* SPDX-License-Identifier: Apache-2.0 */
/* go-headers.bin was made by Go's archive/tar, header by header (a length, then the bytes), from
 * the fields that go-winio sets. */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "layer/tar_reader.h"
#include "layer/tar_writer.h"
#include "tar_maker.h"

#define T     UINT64_C(133500000000000001)
#define WHOLE UINT64_C(133500000000000000)
#define BIG   (UINT64_C(9) << 30)

/* Text in which "@c,n@" stands for n times c. */
static void expand(const char *pattern, struct wcow_buf *out)
{
    for (const char *p = pattern; *p; p++) {
        if (*p != '@') {
            append(out, p, 1);
            continue;
        }
        char *end = NULL;
        for (long n = strtol(p + 3, &end, 10); n > 0; n--)
            append(out, p + 1, 1);
        p = end;
    }
}

static const struct {
    enum wcow_entry_type type;
    const char *name;
    const char *link;
    uint64_t size;
    uint32_t attributes;
    uint32_t has;
    uint64_t mtime; /* the others: the same */
} cases[] = {
    {WCOW_ENTRY_DIR, "Files/dir", NULL, 0, 16,
     WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME, T},
    {WCOW_ENTRY_FILE, "Files/whole", NULL, 5, 32, WCOW_HAS_FILEATTR, WHOLE},
    {WCOW_ENTRY_FILE, "Files/big", NULL, BIG, 32, WCOW_HAS_FILEATTR, WHOLE},
    {WCOW_ENTRY_FILE, "Files/1960", NULL, 0, 32, WCOW_HAS_FILEATTR, UINT64_C(113288544000000001)},
    {WCOW_ENTRY_FILE, "Files/1960s", NULL, 0, 32, WCOW_HAS_FILEATTR, UINT64_C(113288544000000000)},
    {WCOW_ENTRY_FILE, "Files/1601", NULL, 0, 32,
     WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME, 0},
    {WCOW_ENTRY_FILE, "Files/@n,94@", NULL, 0, 32, WCOW_HAS_FILEATTR, WHOLE},
    {WCOW_ENTRY_FILE, "Files/@n,95@", NULL, 0, 32, WCOW_HAS_FILEATTR, WHOLE},
    {WCOW_ENTRY_FILE, "Files/@d,93@/tail", NULL, 0, 32, WCOW_HAS_FILEATTR, WHOLE},
    {WCOW_ENTRY_FILE, "Files/@d,80@/@e,90@", NULL, 0, 0, 0, WHOLE},
    {WCOW_ENTRY_FILE, "Files/\xc3\xa9/\xc3\xbc.txt", NULL, 0, 0, 0, WHOLE}, /* EAs: see below */
    {WCOW_ENTRY_REPARSE, "Files/l", "", 0, 1024, WCOW_HAS_FILEATTR | WCOW_HAS_ATIME, T},
    {WCOW_ENTRY_REPARSE, "Files/j", "C:\\\xc3\xbc", 0, 1040,
     WCOW_HAS_FILEATTR | WCOW_HAS_MOUNTPOINT | WCOW_HAS_ATIME, T},
    {WCOW_ENTRY_HARDLINK, "Files/h", "Files/@x,120@", 0, 32, WCOW_HAS_FILEATTR, T},
    {WCOW_ENTRY_WHITEOUT, "Files/.wh.gone", NULL, 0, 0, 0, T},
    {WCOW_ENTRY_WHITEOUT, "Files/.wh.@n,90@", NULL, 0, 0, 0, T},
    {WCOW_ENTRY_WHITEOUT, "Files/.wh.@n,91@", NULL, 0, 0, 0, T},
    {WCOW_ENTRY_WHITEOUT, "Files/@d,80@/.wh.@e,90@", NULL, 0, 0, 0, T},
    {WCOW_ENTRY_WHITEOUT, "Files/.wh.\xc3\xa9", NULL, 0, 0, 0, T},
    {WCOW_ENTRY_WHITEOUT, "Files/@d,149@/.wh.a", NULL, 0, 0, 0, T},
    {WCOW_ENTRY_WHITEOUT, "Files/@d,150@/.wh.a", NULL, 0, 0, 0, T},
};

static void build(size_t i, struct wcow_entry *e)
{
    wcow_autobuf name = {0};
    wcow_autobuf link = {0};
    expand(cases[i].name, &name);
    *e = (struct wcow_entry){
        .type = cases[i].type,
        .name = wcow_buf_take_str(&name),
        .size_bytes = cases[i].size,
        .attributes = cases[i].attributes,
        .has = cases[i].has,
        .mtime = cases[i].mtime,
        .atime = cases[i].mtime,
        .ctime = cases[i].mtime,
        .creation = cases[i].mtime,
    };
    if (cases[i].link) {
        expand(cases[i].link, &link);
        for (int n = 0; n < 40 && !*cases[i].link; n++)
            append(&link, "..\\", 3);
        e->link = wcow_buf_take_str(&link);
    }
    if (strchr(e->name, '\xbc')) {
        assert_ok(wcow_entry_add_ea(e, "b", "\x01", 1, &err));
        assert_ok(wcow_entry_add_ea(e, "a", "", 0, &err));
    }
}

static void headers_are_those_of_go(void **state)
{
    (void)state;
    wcow_autobuf golden = {0};
    load(WCOW_TESTDATA "/layer/go-headers.bin", &golden);
    struct wcow_cursor c = wcow_cursor_of(golden.data, golden.len);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        build(i, &e);
        wcow_autobuf out = {0};
        assert_ok(wcow_tar_write_header(&e, &out, &err));
        size_t len = wcow_cursor_le32(&c);
        const uint8_t *want = wcow_cursor_take(&c, len);
        assert_non_null(want);
        for (size_t at = 0; at < len && at < out.len; at++)
            if (want[at] != out.data[at])
                fail_msg("%s: byte %zu is 0x%02x, Go has 0x%02x", e.name, at, out.data[at],
                         want[at]);
        assert_int_equal(out.len, len);
    }
    assert_int_equal(wcow_cursor_left(&c), 0);
}

static void what_is_written_reads_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        build(i, &e);
        wcow_autobuf tar = {0};
        assert_ok(wcow_tar_write_header(&e, &tar, &err));
        struct memory_source chunks = {.data = tar.data, .len = tar.len, .step = 512};
        struct wcow_source source = memory_source(&chunks);
        WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
        assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
        struct wcow_entry *got = NULL;
        assert_int_equal(wcow_tar_reader_next(reader, &got, NULL), 1);
        assert_string_equal(got->name, e.name);
        assert_int_equal(got->link != NULL, e.link != NULL);
        if (e.link)
            assert_string_equal(got->link, e.link);
        assert_int_equal(got->type, e.type);
        assert_int_equal(got->size_bytes, e.size_bytes);
        assert_int_equal(got->has, e.has);
        assert_int_equal(got->n_eas, e.n_eas);
        if (e.type != WCOW_ENTRY_WHITEOUT)
            assert_int_equal(got->mtime, e.mtime);
        if (e.has & WCOW_HAS_ATIME)
            assert_int_equal(got->atime, e.atime);
    }
}

static void what_cannot_be_written(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    wcow_autoentry e = {.type = WCOW_ENTRY_FILE};
    assert_fails(wcow_tar_write_header(&e, &out, &err), WCOW_E_INVALID);
    e.name = strdup("Files/l");
    e.type = WCOW_ENTRY_HARDLINK;
    assert_fails(wcow_tar_write_header(&e, &out, &err), WCOW_E_INVALID);
    e.type = WCOW_ENTRY_FILE;
    assert_ok(wcow_entry_add_ea(&e, "a=b", "", 0, &err));
    assert_fails(wcow_tar_write_header(&e, &out, &err), WCOW_E_INVALID);
    wcow_entry_done(&e);
    e = (struct wcow_entry){.type = WCOW_ENTRY_FILE, .name = strdup("Files/f")};
    static uint8_t value[65535];
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                        "i", "j", "k", "l", "m", "n", "o", "p"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_ok(wcow_entry_add_ea(&e, names[i], value, sizeof(value), &err));
    assert_fails(wcow_tar_write_header(&e, &out, &err), WCOW_E_LIMIT);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_those_of_go),
        cmocka_unit_test(what_is_written_reads_as_it_was),
        cmocka_unit_test(what_cannot_be_written),
    };
    return cmocka_run_group_tests_name("layer/tar_writer", tests, NULL, NULL);
}
