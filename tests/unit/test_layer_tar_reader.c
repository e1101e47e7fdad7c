/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "layer/tar_reader.h"
#include "layer/tar_writer.h"
#include "tar_maker.h"

static void the_vector_reads_as_it_was_made(void **state)
{
    (void)state;
    static const struct {
        enum wcow_entry_type type;
        const char *name;
        const char *link;
        uint64_t size;
        uint32_t attributes;
        uint32_t has;
    } want[] = {
        {WCOW_ENTRY_DIR, "Files", NULL, 0, 16,
         WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME},
        {WCOW_ENTRY_WHITEOUT, "Files/.wh.gone.txt", NULL, 0, 0, 0},
        {WCOW_ENTRY_FILE, "Files/a.txt", NULL, 3, 32,
         WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME},
        {WCOW_ENTRY_STREAM, "Files/a.txt:Zone.Identifier", NULL, 2, 0,
         WCOW_HAS_ATIME | WCOW_HAS_CTIME},
        {WCOW_ENTRY_HARDLINK, "Files/b.txt", "Files/a.txt", 0, 32,
         WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME},
        {WCOW_ENTRY_REPARSE, "Files/lnk", "C:\\Windows", 0, 1040,
         WCOW_HAS_FILEATTR | WCOW_HAS_MOUNTPOINT | WCOW_HAS_CREATION | WCOW_HAS_ATIME |
             WCOW_HAS_CTIME},
        {WCOW_ENTRY_FILE, NULL, NULL, 0, 32,
         WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME},
    };
    wcow_autobuf tar = {0};
    load(WCOW_TESTDATA "/layer/vector.tar", &tar);
    struct memory_source chunks = {.data = tar.data, .len = tar.len, .step = 1000};
    struct wcow_source source = memory_source(&chunks);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
    struct wcow_error err = {0};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        struct wcow_entry *e = NULL;
        assert_int_equal(wcow_tar_reader_next(reader, &e, &err), 1);
        assert_int_equal(e->type, want[i].type);
        if (want[i].name)
            assert_string_equal(e->name, want[i].name);
        assert_int_equal(e->link != NULL, want[i].link != NULL);
        if (want[i].link)
            assert_string_equal(e->link, want[i].link);
        assert_int_equal(e->size_bytes, want[i].size);
        assert_int_equal(e->attributes, want[i].attributes);
        assert_int_equal(e->has, want[i].has);
        if (i == 2) {
            assert_int_equal(e->n_eas, 1);
            assert_string_equal(e->eas[0].name, "$CI.CATALOGHINT");
            assert_int_equal(e->eas[0].len_bytes, 2);
            assert_int_equal(e->atime, 0);
            assert_int_equal(e->mtime, 133500000000000001);
            assert_int_equal(e->sd_len_bytes, 124);
        }
    }
    struct wcow_entry *e = NULL;
    assert_int_equal(wcow_tar_reader_next(reader, &e, &err), 0);
    assert_int_equal(wcow_tar_reader_next(reader, &e, &err), 0);
}

/* What is left of the current entry's data, appended. */
static void append_data(struct wcow_tar_reader *reader, struct wcow_buf *out)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    do {
        assert_ok(wcow_tar_reader_data(reader, &data, &len, &err));
        append(out, data, len);
    } while (len);
}

static void append_trailer(struct wcow_tar_reader *reader, struct wcow_buf *out)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    do {
        assert_ok(wcow_tar_reader_trailer(reader, &data, &len, &err));
        append(out, data, len);
    } while (len);
}

/* The header of @p e as it stood is the one that we write. */
static void assert_canonical(const struct wcow_tar_reader *reader, const struct wcow_entry *e,
                             struct wcow_buf *out)
{
    wcow_autobuf header = {0};
    assert_ok(wcow_tar_write_header(e, &header, &err));
    struct wcow_bytes segment = wcow_tar_reader_segment(reader);
    assert_in_range(segment.len, header.len, header.len + WCOW_TAR_BLOCK - 1);
    assert_memory_equal(segment.data + segment.len - header.len, header.data, header.len);
    append(out, header.data, header.len);
}

static void the_vectors_headers_are_written_again_byte_for_byte(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    wcow_autobuf again = {0};
    load(WCOW_TESTDATA "/layer/vector.tar", &tar);
    struct memory_source chunks = {.data = tar.data, .len = tar.len, .step = 512};
    struct wcow_source source = memory_source(&chunks);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
    struct wcow_entry *e = NULL;
    while (wcow_tar_reader_next(reader, &e, NULL) == 1) {
        assert_canonical(reader, e, &again);
        append_data(reader, &again);
        static const uint8_t zeros[WCOW_TAR_BLOCK];
        append(&again, zeros, wcow_tar_padding(e->size_bytes));
    }
    assert_ok(wcow_tar_write_end(&again, &err));
    assert_int_equal(again.len, tar.len);
    assert_memory_equal(again.data, tar.data, tar.len);
}

/* Read everything, and put segments and data together again. */
static void assert_identity(const uint8_t *tar, size_t len, size_t step)
{
    struct memory_source chunks = {.data = tar, .len = len, .step = step};
    struct wcow_source source = memory_source(&chunks);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
    wcow_autobuf again = {0};
    struct wcow_entry *e = NULL;
    struct wcow_error why = {0};
    int r = 0;
    while ((r = wcow_tar_reader_next(reader, &e, &why)) == 1) {
        struct wcow_bytes segment = wcow_tar_reader_segment(reader);
        append(&again, segment.data, segment.len);
        append_data(reader, &again);
    }
    if (r != 0)
        fail_msg("%d: %s", r, why.msg);
    append_trailer(reader, &again);
    assert_int_equal(again.len, len);
    assert_memory_equal(again.data, tar, len);
    assert_int_equal(wcow_tar_reader_offset(reader), len);
}

static void segments_and_data_are_the_tar_whoever_wrote_it(void **state)
{
    (void)state;
    static const char *const files[] = {
        "vector.tar",   "gnu-posix.tar",  "gnu-gnu.tar",    "gnu-ustar.tar",
        "gnu-v7.tar",   "python-pax.tar", "python-gnu.tar", "go-gnu.tar",
        "go-ustar.tar", "go-pax.tar",     "bsdtar-pax.tar", "bsdtar-ustar.tar",
    };
    static const size_t steps[] = {1, 511, 512, 513, 4096, 1 << 20};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/layer/%s", WCOW_TESTDATA, files[i]);
        wcow_autobuf tar = {0};
        load(path, &tar);
        /* What follows the end of an archive belongs to the layer too. */
        append(&tar, "trailing bytes", 14);
        for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
            assert_identity(tar.data, tar.len, steps[s]);
    }
}

static int read_all(const uint8_t *tar, size_t len, const struct wcow_tar_limits *limits,
                    struct wcow_error *err)
{
    struct memory_source chunks = {.data = tar, .len = len, .step = 700};
    struct wcow_source source = memory_source(&chunks);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    int r = wcow_tar_reader_new(&source, limits, &reader, err);
    struct wcow_entry *e = NULL;
    while (r == WCOW_OK && (r = wcow_tar_reader_next(reader, &e, err)) == 1)
        r = WCOW_OK;
    return r;
}

/* One entry of a tar, and what the reader makes of it. */
struct one {
    struct made made;
    int want;          /* WCOW_OK or the error */
    const char *words; /* in the message */
};

static void assert_each(const struct one *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wcow_autobuf tar = {0};
        make_entry(&tar, &cases[i].made);
        make_end(&tar);
        struct wcow_error err = {0};
        int r = read_all(tar.data, tar.len, NULL, &err);
        if (r != cases[i].want)
            fail_msg("%s: %d, wanted %d: %s", cases[i].made.name, r, cases[i].want, err.msg);
        if (r < 0 && (err.code != r || !strstr(err.msg, cases[i].words)))
            fail_msg("%s: code %d, \"%s\" lacks \"%s\"", cases[i].made.name, err.code, err.msg,
                     cases[i].words);
    }
}

static void names_that_leave_a_layer_or_windows_refuses(void **state)
{
    (void)state;
    static const struct one cases[] = {
        {{.name = "Files/a.txt"}, WCOW_OK, ""},
        {{.name = "./Files/a.txt"}, WCOW_OK, ""},
        {{.name = "Files/", .type = '5'}, WCOW_OK, ""},
        {{.name = "./", .type = '5'}, WCOW_OK, ""},
        {{.name = ".", .type = '5'}, WCOW_OK, ""},
        {{.name = "Hives/System_Delta"}, WCOW_OK, ""},
        {{.name = "UtilityVM/Files/x"}, WCOW_OK, ""},
        {{.name = "Files/a:b"}, WCOW_OK, ""},
        {{.name = "Files/a:b:$DATA"}, WCOW_OK, ""},
        {{.name = "Files:b"}, WCOW_OK, ""},
        {{.name = "Files/.wh..wh..opq"}, WCOW_OK, ""},
        {{.name = "Files/..", .type = '5'}, WCOW_E_INVALID, "\"..\""},
        {{.name = "Files/../../x"}, WCOW_E_INVALID, "\"..\""},
        {{.name = "../Files/x"}, WCOW_E_INVALID, "\"..\""},
        {{.name = "/Files/x"}, WCOW_E_INVALID, "absolute"},
        {{.name = "C:/x"}, WCOW_E_INVALID, "drive letter"},
        {{.name = "Files/C:/x"}, WCOW_E_INVALID, "drive letter"},
        {{.name = "Files\\x"}, WCOW_E_INVALID, "backslash"},
        {{.name = "Files/a/./b"}, WCOW_E_INVALID, "\".\""},
        {{.name = "Files//b"}, WCOW_E_INVALID, "empty"},
        {{.name = "Files/nul.txt"}, WCOW_E_INVALID, "device name"},
        {{.name = "Files/COM1"}, WCOW_E_INVALID, "device name"},
        {{.name = "Files/a.$WciDirs$"}, WCOW_E_INVALID, "wcidirs"},
        {{.name = "Files/a."}, WCOW_E_INVALID, "dot or a space"},
        {{.name = "Files/a /b"}, WCOW_E_INVALID, "dot or a space"},
        {{.name = "Files/a?b"}, WCOW_E_INVALID, "'?'"},
        {{.name = "Files/a\x01z"}, WCOW_E_INVALID, "control character 0x01"},
        {{.name = "Files/a\xff"}, WCOW_E_INVALID, "not UTF-8"},
        {{.name = "Files/a:b", .type = '5'}, WCOW_E_INVALID, "':'"},
        {{.name = "Files/a:"}, WCOW_E_INVALID, "empty"},
        {{.name = "Files/a::$DATA"}, WCOW_E_INVALID, "stream"},
        {{.name = "Files/a:b:c"}, WCOW_E_INVALID, "stream"},
        {{.name = "Files/.wh."}, WCOW_E_INVALID, "whiteout"},
        {{.name = "Files/.wh..wh.plnk"}, WCOW_E_INVALID, "reserved"},
        {{.name = "Files/.wh.a/b"}, WCOW_E_INVALID, "whiteout"},
        {{.name = "Files/.wh.a", .size = 3}, WCOW_E_INVALID, "whiteout with data"},
        {{.name = "Hives/.wh.System_Delta"}, WCOW_E_INVALID, "whiteout"},
        {{.name = ".wh.Files"}, WCOW_E_INVALID, "Files, Hives and UtilityVM"},
        {{.name = "etc/passwd"}, WCOW_E_INVALID, "Linux layer"},
        {{.name = "./usr", .type = '5'}, WCOW_E_INVALID, "Linux layer"},
        {{.name = "files/a"}, WCOW_E_INVALID, "spelled \"Files\""},
        {{.name = "Other"}, WCOW_E_INVALID, "Files, Hives and UtilityVM"},
        {{.name = "UtilityVM/x"}, WCOW_E_INVALID, "UtilityVM/Files"},
        {{.name = "Files"}, WCOW_E_INVALID, "must be a directory"},
        {{.name = "Files", .type = '2', .link = "x"}, WCOW_E_INVALID, "must be a directory"},
        {{.name = ""}, WCOW_E_INVALID, "without a name"},
    };
    assert_each(cases, sizeof(cases) / sizeof(cases[0]));
}

static void links_and_types(void **state)
{
    (void)state;
    static const struct one cases[] = {
        {{.name = "Files/l", .type = '1', .link = "Files/a"}, WCOW_OK, ""},
        {{.name = "Files/l", .type = '1', .link = "./Files/a"}, WCOW_OK, ""},
        {{.name = "Files/l", .type = '2', .link = "..\\..\\..\\x"}, WCOW_OK, ""},
        {{.name = "Files/f", .type = '7'}, WCOW_OK, ""},
        {{.name = "Files/l", .type = '1', .link = "../x"}, WCOW_E_INVALID, "hard link"},
        {{.name = "Files/l", .type = '1', .link = "/etc/passwd"}, WCOW_E_INVALID, "absolute"},
        {{.name = "Files/l", .type = '1', .link = "a"}, WCOW_OK, ""},
        {{.name = "Files/l", .type = '1', .link = "./d/a"}, WCOW_OK, ""},
        {{.name = "Files/l", .type = '1', .link = "d/../../a"}, WCOW_E_INVALID, "\"..\""},
        {{.name = "Files/l", .type = '1', .link = "C:/a"}, WCOW_E_INVALID, "drive"},
        {{.name = "Files/l", .type = '1', .link = "d\\a"}, WCOW_E_INVALID, "backslash"},
        {{.name = "Files/l", .type = '1', .link = "files/a"}, WCOW_E_INVALID, "spelled \"Files\""},
        {{.name = "Hives/l", .type = '1', .link = "a"}, WCOW_E_INVALID, "full name"},
        {{.name = "Files/l", .type = '1', .link = ""}, WCOW_E_INVALID, "empty"},
        {{.name = "Files/l", .type = '1', .link = "Files/a:s"}, WCOW_E_INVALID, "':'"},
        {{.name = "Files/d", .type = '3'}, WCOW_E_UNSUPPORTED, "device or pipe"},
        {{.name = "Files/d", .type = '6'}, WCOW_E_UNSUPPORTED, "device or pipe"},
        {{.name = "Files/s", .type = 'S'}, WCOW_E_CORRUPT, "sparse"},
        {{.name = "Files/s", .type = 'V'}, WCOW_E_UNSUPPORTED, "tar --label"},
        {{.name = "Files/s", .type = 'N'}, WCOW_E_UNSUPPORTED, "tar type 'N'"},
    };
    assert_each(cases, sizeof(cases) / sizeof(cases[0]));
}

/* imgutil and go-containerregistry leave the root out of a hard link's target. */
static void a_bare_target_of_a_hard_link_lies_below_files(void **state)
{
    (void)state;
    static const struct {
        const char *link;
        const char *want;
        bool is_bare;
    } cases[] = {
        {"Files/a", "Files/a", false},        {"a", "Files/a", true},
        {"./d/a", "Files/d/a", true},         {"Hives/a", "Hives/a", false},
        {"Filesx/a", "Files/Filesx/a", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf tar = {0};
        make_entry(&tar, &(struct made){.name = "Files/l", .type = '1', .link = cases[i].link});
        make_end(&tar);
        struct memory_source chunks = {.data = tar.data, .len = tar.len, .step = 512};
        struct wcow_source source = memory_source(&chunks);
        WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
        assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
        struct wcow_entry *e = NULL;
        assert_int_equal(wcow_tar_reader_next(reader, &e, NULL), 1);
        assert_string_equal(e->link, cases[i].want);
        assert_int_equal((e->has & WCOW_HAS_BARE_LINK) != 0, cases[i].is_bare);
    }
}

static void records(void **state)
{
    (void)state;
#define F .name = "Files/a"
    static const struct one cases[] = {
        {{F, .pax = {"MSWINDOWS.fileattr=32"}}, WCOW_OK, ""},
        {{F, .pax = {"path=Files/b", "path=Files/c"}}, WCOW_OK, ""},
        {{F, .pax = {"MSWINDOWS.sd=O:BAG:BA"}}, WCOW_OK, ""},
        {{F, .pax = {"MSWINDOWS.xattr.E="}}, WCOW_OK, ""},
        {{F, .pax = {"MSWINDOWS.unknown=x", "SCHILY.xattr.user.x=y", "uid=70000"}}, WCOW_OK, ""},
        {{F, .pax = {"mtime=1.5", "atime=-1.5", "ctime=0"}}, WCOW_OK, ""},
        {{F, .pax = {"MSWINDOWS.fileattr=4294967296"}}, WCOW_E_CORRUPT, "MSWINDOWS.fileattr"},
        {{F, .pax = {"MSWINDOWS.fileattr=0x20"}}, WCOW_E_CORRUPT, "no decimal number"},
        {{F, .pax = {"MSWINDOWS.fileattr="}}, WCOW_E_CORRUPT, "no decimal number"},
        {{F, .pax = {"MSWINDOWS.rawsd=!!"}}, WCOW_E_CORRUPT, "MSWINDOWS.rawsd"},
        {{F, .pax = {"MSWINDOWS.rawsd=AAAA"}}, WCOW_E_CORRUPT, "security descriptor"},
        {{F, .pax = {"MSWINDOWS.sd=O:XX"}}, WCOW_E_CORRUPT, "XX"},
        {{F, .pax = {"MSWINDOWS.sd=O:DA"}}, WCOW_E_UNSUPPORTED, "domain"},
        {{F, .pax = {"MSWINDOWS.xattr.E=*"}}, WCOW_E_CORRUPT, "MSWINDOWS.xattr.E"},
        {{F, .pax = {"MSWINDOWS.xattr.=AA=="}}, WCOW_E_CORRUPT, "extended attribute"},
        {{F, .pax = {"mtime=yesterday"}}, WCOW_E_CORRUPT, "mtime"},
        {{F, .pax = {"LIBARCHIVE.creationtime=1,5"}}, WCOW_E_CORRUPT, "creationtime"},
        {{F, .pax = {"size=-1"}}, WCOW_E_CORRUPT, "size"},
        {{F, .pax = {"GNU.sparse.major=2", "GNU.sparse.size=9"}}, WCOW_E_UNSUPPORTED, "sparse"},
        {{F, .pax = {"GNU.sparse.major=1", "GNU.sparse.realsize=9"}}, WCOW_E_CORRUPT, "sparse"},
        {{F, .pax = {"GNU.sparse.map=0,1"}}, WCOW_E_CORRUPT, "without its size"},
        {{F, .pax = {"GNU.sparse.size=9", "GNU.sparse.map="}}, WCOW_OK, ""},
        {{F, .size = 1, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=8,1"}}, WCOW_OK, ""},
        {{F, .size = 1, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=9,1"}}, WCOW_E_CORRUPT, "map"},
        {{F, .size = 1, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=0,2"}}, WCOW_E_CORRUPT, "map"},
        {{F, .size = 2, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=0,1"}}, WCOW_E_CORRUPT, "map"},
        {{F, .size = 2, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=1,1,0,1"}},
         WCOW_E_CORRUPT,
         "map"},
        {{F, .size = 1, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=1"}}, WCOW_E_CORRUPT, "map"},
        {{F, .size = 1, .pax = {"GNU.sparse.size=9", "GNU.sparse.offset=1"}},
         WCOW_E_CORRUPT,
         "map"},
        {{F, .size = 1,
          .pax = {"GNU.sparse.size=9", "GNU.sparse.offset=1", "GNU.sparse.numbytes=1"}},
         WCOW_OK,
         ""},
        {{F, .pax = {"GNU.sparse.size=99999999999999", "GNU.sparse.map=0,0"}},
         WCOW_E_LIMIT,
         "limit"},
        {{F, .pax = {"GNU.sparse.size=999999999", "GNU.sparse.map=0,0"}}, WCOW_E_LIMIT, "bomb"},
        {{F, .type = '5', .pax = {"GNU.sparse.size=9", "GNU.sparse.map=0,0"}},
         WCOW_E_UNSUPPORTED,
         "only files"},
        {{F, .pax = {"GNU.sparse.size=9", "GNU.sparse.map=0,0", "GNU.sparse.name=../x"}},
         WCOW_E_INVALID,
         "\"..\""},
        {{F, .pax = {"path=../x"}}, WCOW_E_INVALID, "\"..\""},
    };
#undef F
    assert_each(cases, sizeof(cases) / sizeof(cases[0]));
}

/* As many as a header has room for, each twice: the work does not grow with their square. */
static void a_file_may_have_very_many_attributes(void **state)
{
    (void)state;
    enum { N = 18000 };
    wcow_autobuf body = {0};
    wcow_autobuf tar = {0};
    for (unsigned i = 0; i < 2 * N; i++) {
        char record[64];
        (void)snprintf(record, sizeof(record), "MSWINDOWS.xattr.E%u=%s", i % N,
                       i < N ? "*" : "AA==");
        make_record(&body, record);
    }
    assert_true(body.len <= 1 << 20);
    make_block(&tar, "PaxHeaders.0/x", 'x', NULL, body.len);
    append(&tar, body.data, body.len);
    make_fill(&tar);
    make_block(&tar, "Files/a.txt", '0', NULL, 0);
    make_end(&tar);
    struct memory_source chunks = {.data = tar.data, .len = tar.len, .step = 65536};
    struct wcow_source source = memory_source(&chunks);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *e = NULL;
    wcow_autoentry copy = {0};
    assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
    assert_int_equal(wcow_tar_reader_next(reader, &e, NULL), 1);
    assert_int_equal(e->n_eas, N);
    assert_ok(wcow_entry_copy(e, &copy, &err));
    assert_int_equal(copy.n_eas, N);
    assert_string_equal(copy.eas[N - 1].name, "E17999");
    assert_int_equal(copy.eas[N - 1].len_bytes, 1);
}

static void truncation_and_damage_are_corrupt(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load(WCOW_TESTDATA "/layer/vector.tar", &tar);
    struct wcow_error err = {0};
    /* Cut anywhere: an error, or fewer entries where the cut is between two. */
    for (size_t len = 0; len < tar.len; len += 37) {
        int r = read_all(tar.data, len, NULL, &err);
        if (r != WCOW_OK && r != WCOW_E_CORRUPT)
            fail_msg("cut at %zu: %d: %s", len, r, err.msg);
    }
    assert_int_equal(read_all(tar.data, 0xe01, NULL, &err), WCOW_E_CORRUPT);
    assert_non_null(strstr(err.msg, "ends in the middle"));
    tar.data[0x403] ^= 1;
    assert_int_equal(read_all(tar.data, tar.len, NULL, &err), WCOW_E_CORRUPT);
    assert_non_null(strstr(err.msg, "checksum"));
    assert_non_null(strstr(err.msg, "byte 1024"));
    static const uint8_t garbage[2048] = {1, 2, 3};
    assert_int_equal(read_all(garbage, sizeof(garbage), NULL, &err), WCOW_E_CORRUPT);
}

static void limits_hold(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    load(WCOW_TESTDATA "/layer/vector.tar", &tar);
    static const struct {
        struct wcow_tar_limits limits;
        int want;
        const char *words;
    } cases[] = {
        {{.max_entries = 7}, WCOW_OK, ""},
        {{.max_entries = 6}, WCOW_E_LIMIT, "more than 6 entries"},
        {{.max_total_bytes = 11776}, WCOW_OK, ""},
        {{.max_total_bytes = 11775}, WCOW_E_LIMIT, "limit of 11775 bytes"},
        {{.max_entry_bytes = 2}, WCOW_E_LIMIT, "\"Files/a.txt\" has 3 bytes, the limit is 2"},
        {{.max_header_bytes = 386}, WCOW_OK, ""},
        {{.max_header_bytes = 385}, WCOW_E_LIMIT, "the limit is 385 bytes an entry"},
        {{.max_depth = 2}, WCOW_OK, ""},
        {{.max_depth = 1}, WCOW_E_LIMIT, "more than 1 levels deep"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_error err = {0};
        int r = read_all(tar.data, tar.len, &cases[i].limits, &err);
        if (r != cases[i].want || (r < 0 && !strstr(err.msg, cases[i].words)))
            fail_msg("case %zu: %d: %s", i, r, err.msg);
    }
}

static void a_header_of_a_gibibyte_is_refused_before_it_is_read(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    make_entry(
        &tar, &(struct made){.name = "x", .type = 'x', .size = UINT64_C(1) << 30, .no_data = true});
    struct wcow_error err = {0};
    assert_int_equal(read_all(tar.data, tar.len, NULL, &err), WCOW_E_LIMIT);
    assert_non_null(strstr(err.msg, "1073741824"));
}

static void the_entry_of_the_layer_itself_leaves_no_trace(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    make_entry(&tar, &(struct made){.name = "./",
                                    .type = '5',
                                    .pax = {"MSWINDOWS.fileattr=16", "MSWINDOWS.sd=O:BA",
                                            "MSWINDOWS.xattr.A=AA==", "path=./"}});
    make_entry(&tar, &(struct made){.name = "Files/a"});
    make_end(&tar);
    struct memory_source chunks = {.data = tar.data, .len = tar.len, .step = 512};
    struct wcow_source source = memory_source(&chunks);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
    struct wcow_entry *e = NULL;
    assert_int_equal(wcow_tar_reader_next(reader, &e, NULL), 1);
    assert_string_equal(e->name, "Files/a");
    assert_int_equal(e->has, 0);
    assert_int_equal(e->attributes, 0);
    assert_int_equal(e->n_eas, 0);
    assert_null(e->sd);
    assert_int_equal(wcow_tar_reader_segment(reader).len, 4 * 512);
}

static void tools_may_read_what_breaks_the_rules(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    make_entry(&tar, &(struct made){.name = "../x"});
    make_entry(&tar, &(struct made){.name = "Files/l", .type = '1', .link = "a"});
    make_end(&tar);
    struct wcow_tar_limits limits = {.skip_rules = true};
    assert_ok(read_all(tar.data, tar.len, &limits, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_reads_as_it_was_made),
        cmocka_unit_test(the_vectors_headers_are_written_again_byte_for_byte),
        cmocka_unit_test(segments_and_data_are_the_tar_whoever_wrote_it),
        cmocka_unit_test(names_that_leave_a_layer_or_windows_refuses),
        cmocka_unit_test(links_and_types),
        cmocka_unit_test(a_bare_target_of_a_hard_link_lies_below_files),
        cmocka_unit_test(records),
        cmocka_unit_test(a_file_may_have_very_many_attributes),
        cmocka_unit_test(truncation_and_damage_are_corrupt),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_header_of_a_gibibyte_is_refused_before_it_is_read),
        cmocka_unit_test(the_entry_of_the_layer_itself_leaves_no_trace),
        cmocka_unit_test(tools_may_read_what_breaks_the_rules),
    };
    return cmocka_run_group_tests_name("layer/tar_reader", tests, NULL, NULL);
}
