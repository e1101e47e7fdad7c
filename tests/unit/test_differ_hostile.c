/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile layers: each is refused with a code and a message that name the entry and what is wrong
 * with it, nothing stays in the folder, and nothing is ever written outside it. */
#include "differ_test.h"

#include "differ/codec.h"
#include "tar_maker.h"

#define GOOD_SD                                                                                    \
    "MSWINDOWS.rawsd=AQAAgBQAAAAkAAAAAAAAAAAAAAABAgAAAAAABSAAAAAgAgAAAQIAAAAAAAUgAAAAIAIAAA=="

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

struct hostile {
    const char *what;
    int code;
    const char *names; /* the message has this */
    const char *says;  /* and this */
    struct made entries[4];
};

static const struct hostile cases[] = {
    {"a name with ..",
     WCOW_E_INVALID,
     "Files/../../x",
     "(rule escape)",
     {{.name = "Files/../../x"}}},
    {"an absolute name", WCOW_E_INVALID, "/etc/x", "(rule escape)", {{.name = "/etc/x"}}},
    {"a drive", WCOW_E_INVALID, "C:", "(rule escape)", {{.name = "Files/C:/x"}}},
    {"a backslash", WCOW_E_INVALID, "a\\..\\b", "(rule escape)", {{.name = "Files/a\\..\\b"}}},
    {"an empty component", WCOW_E_INVALID, "Files//x", "(rule bad-name)", {{.name = "Files//x"}}},
    {"a component that is a dot",
     WCOW_E_INVALID,
     "Files/./x",
     "(rule bad-name)",
     {{.name = "Files/./x"}}},
    {"a reserved name", WCOW_E_INVALID, "nul.txt", "(rule bad-name)", {{.name = "Files/nul.txt"}}},
    {"a reserved directory", WCOW_E_INVALID, "COM1", "(rule bad-name)", {{.name = "Files/COM1/x"}}},
    {"a trailing dot", WCOW_E_INVALID, "dot.", "(rule bad-name)", {{.name = "Files/dot."}}},
    {"a trailing space", WCOW_E_INVALID, "space ", "(rule bad-name)", {{.name = "Files/space "}}},
    {"a control character",
     WCOW_E_INVALID,
     "Files/a",
     "(rule bad-name)",
     {{.name = "Files/a\x01"}}},
    {"an importer's own name",
     WCOW_E_INVALID,
     "$wcidirs$",
     "(rule bad-name)",
     {{.name = "Files/a.$wcidirs$"}}},
    {"outside the roots", WCOW_E_INVALID, "etc/x", "(rule outside-roots)", {{.name = "etc/x"}}},
    {"our own index", WCOW_E_INVALID, "layer.db", "(rule outside-roots)", {{.name = "layer.db"}}},
    {"our own streams",
     WCOW_E_INVALID,
     "Streams/1",
     "(rule outside-roots)",
     {{.name = "Streams/1"}}},
    {"a file through a link",
     WCOW_E_INVALID,
     "Files/l/x",
     "(rule below-link)",
     {{.name = "Files/l", .type = '2', .link = "/etc"}, {.name = "Files/l/x", .size = 1}}},
    {"a file through a link in other letters",
     WCOW_E_INVALID,
     "Files/L/x",
     "(rule below-link)",
     {{.name = "Files/l", .type = '2', .link = "/etc"}, {.name = "Files/L/x", .size = 1}}},
    {"a link where a directory's content stands",
     WCOW_E_INVALID,
     "Files/d",
     "(rule below-link)",
     {{.name = "Files/d/x", .size = 1}, {.name = "Files/d", .type = '2', .link = "/etc"}}},
    {"a file in place of a link",
     WCOW_E_INVALID,
     "Files/l",
     "(rule duplicate)",
     {{.name = "Files/l", .type = '2', .link = "/etc/passwd"}, {.name = "Files/l", .size = 1}}},
    {"a hard link out of the layer",
     WCOW_E_INVALID,
     "Files/h",
     "(rule bad-link)",
     {{.name = "Files/h", .type = '1', .link = "Files/../../etc/passwd"}}},
    {"a hard link to an absolute name",
     WCOW_E_INVALID,
     "Files/h",
     "(rule bad-link)",
     {{.name = "Files/h", .type = '1', .link = "/etc/passwd"}}},
    {"a hard link to nothing",
     WCOW_E_INVALID,
     "Files/h",
     "(rule link-target-missing)",
     {{.name = "Files/h", .type = '1', .link = "Files/nothing"}}},
    {"a hard link to a directory",
     WCOW_E_INVALID,
     "Files/h",
     "(rule link-target-not-file)",
     {{.name = "Files/d", .type = '5'}, {.name = "Files/h", .type = '1', .link = "Files/d"}}},
    {"a name that stands twice",
     WCOW_E_INVALID,
     "Files/a",
     "(rule duplicate)",
     {{.name = "Files/a"}, {.name = "Files/a"}}},
    {"names that NTFS folds together",
     WCOW_E_INVALID,
     "Files/\xC3\xA9",
     "(rule case-collision)",
     {{.name = "Files/\xC3\x89"}, {.name = "Files/\xC3\xA9"}}},
    {"a file below a file",
     WCOW_E_INVALID,
     "Files/a/b",
     "(rule below-file)",
     {{.name = "Files/a", .size = 1}, {.name = "Files/a/b", .size = 1}}},
    {"a name and its whiteout",
     WCOW_E_INVALID,
     "Files/.wh.a",
     "(rule whiteout-and-entry)",
     {{.name = "Files/a"}, {.name = "Files/.wh.a"}}},
    {"a whiteout of the directory above",
     WCOW_E_INVALID,
     "Files/.wh..",
     "(rule bad-name)",
     {{.name = "Files/.wh.."}}},
    {"a whiteout of nothing",
     WCOW_E_INVALID,
     "Files/.wh.",
     "(rule bad-whiteout)",
     {{.name = "Files/.wh."}}},
    {"a whiteout in Hives",
     WCOW_E_INVALID,
     "Hives/.wh.x",
     "(rule misplaced-whiteout)",
     {{.name = "Hives/.wh.x"}}},
    {"a stream without its file",
     WCOW_E_INVALID,
     "Files/a:s",
     "(rule stream-without-file)",
     {{.name = "Files/a:s", .size = 1}}},
    {"a name too long for Windows",
     WCOW_E_INVALID,
     "Files/xxx",
     "(rule bad-name)",
     {{.name = "f", .pax = {"path=Files/" X64 X64 X64 X64}}}},
    {"a name that is not UTF-8",
     WCOW_E_INVALID,
     "Files/caf",
     "(rule bad-name)",
     {{.name = "Files/caf\xE9"}}},
    {"a root in other letters",
     WCOW_E_INVALID,
     "files",
     "(rule outside-roots)",
     {{.name = "files/x"}}},
    {"what is not below UtilityVM/Files",
     WCOW_E_INVALID,
     "UtilityVM/x",
     "(rule outside-roots)",
     {{.name = "UtilityVM", .type = '5'}, {.name = "UtilityVM/x"}}},
    {"a root that is a file",
     WCOW_E_INVALID,
     "Hives",
     "(rule root-not-directory)",
     {{.name = "Hives"}}},
    {"a file below a whiteout",
     WCOW_E_INVALID,
     "Files/d/x",
     "(rule below-whiteout)",
     {{.name = "Files/.wh.d"}, {.name = "Files/d/x"}}},
    {"an opaque marker outside Files",
     WCOW_E_INVALID,
     "Hives/.wh..wh..opq",
     "(rule misplaced-whiteout)",
     {{.name = "Hives/.wh..wh..opq"}}},
    {"a whiteout with data",
     WCOW_E_INVALID,
     "Files/.wh.a",
     "data",
     {{.name = "Files/.wh.a", .size = 1}}},
    {"a stream with two colons",
     WCOW_E_INVALID,
     "Files/good.txt:a:b",
     "(rule bad-stream)",
     {{.name = "Files/good.txt:a:b"}}},
    {"a stream twice",
     WCOW_E_INVALID,
     "Files/g:S",
     "(rule duplicate)",
     {{.name = "Files/g"}, {.name = "Files/g:s"}, {.name = "Files/g:S"}}},
    {"a hard link to itself",
     WCOW_E_INVALID,
     "Files/h",
     "(rule link-target-missing)",
     {{.name = "Files/h", .type = '1', .link = "Files/h"}}},
    {"a hard link through a link",
     WCOW_E_INVALID,
     "Files/h",
     "(rule link-target-missing)",
     {{.name = "Files/l", .type = '2', .link = "/etc"},
      {.name = "Files/h", .type = '1', .link = "Files/l/passwd"}}},
    {"an old descriptor that is none",
     WCOW_E_CORRUPT,
     "Files/a",
     "MSWINDOWS.sd",
     {{.name = "Files/a", .pax = {"MSWINDOWS.sd=O:NOBODY"}}}},
    {"an extended attribute without a name",
     WCOW_E_CORRUPT,
     "Files/a",
     "MSWINDOWS.xattr.",
     {{.name = "Files/a", .pax = {"MSWINDOWS.xattr.=YQ=="}}}},
    {"a time that is none",
     WCOW_E_CORRUPT,
     "Files/a",
     "atime",
     {{.name = "Files/a", .pax = {"atime=yesterday"}}}},
    {"a volume's label", WCOW_E_UNSUPPORTED, "label", "--label", {{.name = "label", .type = 'V'}}},
    {"an incremental dump",
     WCOW_E_UNSUPPORTED,
     "Files/d",
     "--listed-incremental",
     {{.name = "Files/d", .type = 'D'}}},
    {"a type that nobody knows",
     WCOW_E_UNSUPPORTED,
     "Files/z",
     "'z'",
     {{.name = "Files/z", .type = 'z'}}},
    {"a device", WCOW_E_UNSUPPORTED, "Files/dev", "", {{.name = "Files/dev", .type = '3'}}},
    {"a FIFO", WCOW_E_UNSUPPORTED, "Files/pipe", "", {{.name = "Files/pipe", .type = '6'}}},
    {"a descriptor that is no base64",
     WCOW_E_CORRUPT,
     "Files/a",
     "rawsd",
     {{.name = "Files/a", .pax = {"MSWINDOWS.rawsd=AQAA!!!!"}}}},
    {"a descriptor that is none",
     WCOW_E_CORRUPT,
     "Files/a",
     "rawsd",
     {{.name = "Files/a", .pax = {"MSWINDOWS.rawsd=AAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}},
    {"attributes that are no number",
     WCOW_E_CORRUPT,
     "Files/a",
     "fileattr",
     {{.name = "Files/a", .pax = {"MSWINDOWS.fileattr=0x20"}}}},
    {"an extended attribute that is no base64",
     WCOW_E_CORRUPT,
     "Files/a",
     "xattr",
     {{.name = "Files/a", .pax = {"MSWINDOWS.xattr.EA=%%%"}}}},
    {"a file that ends before its size",
     WCOW_E_CORRUPT,
     "",
     "",
     {{.name = "Files/a", .size = 1 << 30, .no_data = true}}},
    {"a header of 1 GiB",
     WCOW_E_LIMIT,
     "",
     "header",
     {{.name = "x", .type = 'x', .size = 1 << 30, .no_data = true}}},
    {"a long name of 1 GiB",
     WCOW_E_LIMIT,
     "",
     "header",
     {{.name = "././@LongLink", .type = 'L', .size = 1 << 30, .no_data = true}}},
};

static void make_tar(const struct hostile *c, struct wcow_buf *tar)
{
    make_entry(tar, &(struct made){.name = "Files", .type = '5', .pax = {GOOD_SD}});
    make_entry(tar, &(struct made){.name = "Files/good.txt", .size = 3});
    for (size_t i = 0; i < 4 && c->entries[i].name; i++)
        make_entry(tar, &c->entries[i]);
    make_end(tar);
}

static void each_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    bool failed = false;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct hostile *c = &cases[i];
        wcow_autobuf tar = {0};
        make_tar(c, &tar);
        char *folder = new_folder();
        struct wcow_applied applied = {0};
        struct wcow_error err = {0};
        int r = apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err);
        int left = count_in(folder);
        if (r != c->code || !strstr(err.msg, c->names) || !strstr(err.msg, c->says) || left != 0) {
            print_error("%s: %d \"%s\", %d left\n", c->what, r, err.msg, left);
            failed = true;
        }
        remove_folder(folder);
    }
    assert_false(failed);
}

static void a_root_is_no_link(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    make_entry(&tar, &(struct made){.name = "Files", .type = '2', .link = "/tmp"});
    make_entry(&tar, &(struct made){.name = "Files/x", .size = 1});
    make_end(&tar);
    char *folder = new_folder();
    struct wcow_applied applied = {0};
    assert_fails(apply_bytes(folder, &tar, WCOW_COMPRESSION_NONE, &applied, &err), WCOW_E_INVALID);
    assert_int_equal(count_in(folder), 0);
    remove_folder(folder);
}

/* A parent's link does not lead the files of a layer above it anywhere. */
static void a_parent_s_link_is_not_followed(void **state)
{
    (void)state;
    wcow_autobuf below = {0};
    wcow_autobuf above = {0};
    char *outside = new_folder();
    char *base = new_folder();
    char *folder = new_folder();
    make_entry(&below, &(struct made){.name = "Files", .type = '5'});
    make_entry(&below, &(struct made){.name = "Files/l", .type = '2', .link = outside});
    make_end(&below);
    make_entry(&above, &(struct made){.name = "Files/l/x", .size = 1});
    make_end(&above);
    struct wcow_applied applied = {0};
    assert_ok(apply_bytes(base, &below, WCOW_COMPRESSION_NONE, &applied, &err));
    const char *parents[] = {base};
    struct memory_source memory = {.data = above.data, .len = above.len};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {
        .blob = &source, .folder = folder, .parents = parents, .n_parents = 1};
    assert_ok(wcow_apply(&o, &applied, &err));
    assert_int_equal(count_in(outside), 0);
    remove_folder(folder);
    remove_folder(base);
    remove_folder(outside);
}

/* ---- bombs ---- */

static void limited(const struct wcow_buf *tar, const struct wcow_tar_limits *limits,
                    const char *says)
{
    char *folder = new_folder();
    struct memory_source memory = {.data = tar->data, .len = tar->len};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {.blob = &source, .folder = folder, .limits = limits};
    struct wcow_applied applied = {0};
    struct wcow_error err = {0};
    int r = wcow_apply(&o, &applied, &err);
    if (r != WCOW_E_LIMIT || !strstr(err.msg, says))
        fail_msg("%d \"%s\", wanted: %s", r, err.msg, says);
    assert_int_equal(count_in(folder), 0);
    remove_folder(folder);
}

static void bombs_by_size_count_and_depth(void **state)
{
    (void)state;
    wcow_autobuf tar = {0};
    for (int i = 0; i < 20; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "Files/a/b/c/d/%d", i);
        make_entry(&tar, &(struct made){.name = name, .size = 5000});
    }
    make_end(&tar);
    limited(&tar, &(struct wcow_tar_limits){.max_entries = 10}, "entries");
    limited(&tar, &(struct wcow_tar_limits){.max_total_bytes = 50000}, "");
    limited(&tar, &(struct wcow_tar_limits){.max_entry_bytes = 4999}, "Files/a/b/c/d/0");
    limited(&tar, &(struct wcow_tar_limits){.max_depth = 5}, "Files/a/b/c/d/0");
}

enum { BOMB_MIB = 96 }; /* a smaller one is let through whatever its ratio */

static void make_bomb(enum wcow_compression compression, struct wcow_buf *packed)
{
    static const uint8_t zeros[1 << 20];
    wcow_autobuf header = {0};
    make_entry(
        &header,
        &(struct made){.name = "Files/zeros", .size = (uint64_t)BOMB_MIB << 20, .no_data = true});
    const struct wcow_sink sink = wcow_buf_sink(packed);
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *c = NULL;
    assert_ok(wcow_compressor_new(&sink, compression, 2, &c, &err));
    struct wcow_sink in = wcow_compressor_sink(c);
    assert_ok(wcow_sink_write(&in, header.data, header.len, &err));
    for (int n = 0; n < BOMB_MIB; n++)
        assert_ok(wcow_sink_write(&in, zeros, sizeof(zeros), &err));
    assert_ok(wcow_compressor_finish(c, &err));
}

static void a_bomb_by_ratio(void **state)
{
    (void)state;
    static const enum wcow_compression all[] = {WCOW_COMPRESSION_GZIP, WCOW_COMPRESSION_ZSTD};
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf packed = {0};
        make_bomb(all[i], &packed);
        char *folder = new_folder();
        struct memory_source memory = {.data = packed.data, .len = packed.len, .step = 4096};
        struct wcow_source source = memory_source(&memory);
        struct wcow_apply_options o = {
            .blob = &source, .compression = all[i], .folder = folder, .max_ratio = 100};
        struct wcow_applied applied = {0};
        assert_fails(wcow_apply(&o, &applied, &err), WCOW_E_LIMIT);
        assert_int_equal(count_in(folder), 0);
        remove_folder(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_refused_and_leaves_nothing),
        cmocka_unit_test(a_root_is_no_link),
        cmocka_unit_test(a_parent_s_link_is_not_followed),
        cmocka_unit_test(bombs_by_size_count_and_depth),
        cmocka_unit_test(a_bomb_by_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
