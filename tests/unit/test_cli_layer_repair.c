/* SPDX-License-Identifier: Apache-2.0 */
/* A layer is a list of lines, "kind name[ -> link]", and so is what comes out. */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/layer_repair.h"
#include "layer/memlayer.h"
#include "layer/sd.h"

enum {
    TIME = 5000,
    ALL = WCOW_HAS_FILEATTR | WCOW_HAS_ATIME | WCOW_HAS_CTIME | WCOW_HAS_CREATION,
};

struct out {
    struct wcow_buf lines;
    struct wcow_buf rules;
    struct wcow_memlayer *layer;
};

static const struct {
    char letter;
    enum wcow_entry_type type;
} kinds[] = {
    {'d', WCOW_ENTRY_DIR},      {'f', WCOW_ENTRY_FILE},     {'l', WCOW_ENTRY_REPARSE},
    {'h', WCOW_ENTRY_HARDLINK}, {'w', WCOW_ENTRY_WHITEOUT}, {'o', WCOW_ENTRY_OPAQUE},
    {'s', WCOW_ENTRY_STREAM},
};
enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* An entry as a good builder would write it. */
static void parse(const char *line, struct wcow_entry *ret)
{
    const char *arrow = strstr(line, " -> ");
    size_t len = arrow ? (size_t)(arrow - line) : strlen(line);
    *ret = (struct wcow_entry){
        .has = ALL, .mtime = TIME, .atime = TIME, .ctime = TIME, .creation = TIME};
    for (size_t i = 0; i < N_KINDS; i++) {
        if (kinds[i].letter == line[0])
            ret->type = kinds[i].type;
    }
    if (ret->type == WCOW_ENTRY_DIR)
        ret->attributes = WCOW_ATTR_DIRECTORY;
    if (ret->type == WCOW_ENTRY_REPARSE)
        ret->attributes = WCOW_ATTR_REPARSE;
    ret->name = strndup(line + 2, len - 2);
    if (arrow)
        ret->link = strdup(arrow + 4);
    struct wcow_bytes sd = wcow_sd_default(ret->type == WCOW_ENTRY_DIR);
    assert_ok(wcow_entry_set_sd(ret, sd.data, sd.len, &err));
}

static int on_put(void *arg, const struct wcow_entry *e, struct wcow_bytes data,
                  struct wcow_error *err)
{
    struct out *out = arg;
    assert_int_equal(data.len, e->size_bytes);
    char letter = '?';
    for (size_t i = 0; i < N_KINDS; i++) {
        if (kinds[i].type == e->type)
            letter = kinds[i].letter;
    }
    int r = strncmp(e->name, "Hives", 5) == 0
                ? WCOW_OK
                : wcow_buf_addf(&out->lines, err, "%c %s%s%s\n", letter, e->name,
                                e->link ? " -> " : "", e->link ? e->link : "");
    return r < 0 ? r : wcow_memlayer_put(out->layer, e, err);
}

static int on_fixed(void *arg, const struct wcow_finding *finding, struct wcow_error *err)
{
    struct out *out = arg;
    bool is_hive = strncmp(finding->name, "Hives", 5) == 0;
    return is_hive ? WCOW_OK : wcow_buf_addf(&out->rules, err, "%s ", finding->rule);
}

static void out_done(struct out *out)
{
    wcow_buf_done(&out->lines);
    wcow_buf_done(&out->rules);
    wcow_memlayer_free(out->layer);
}

static struct wcow_memlayer *layer_of(const char *const *lines)
{
    struct wcow_memlayer *layer = NULL;
    assert_ok(wcow_memlayer_new(&layer, &err));
    for (; *lines; lines++) {
        wcow_autoentry e = {0};
        parse(*lines, &e);
        e.mtime = 77; /* tells it from what the repaired layer has */
        assert_ok(wcow_memlayer_put(layer, &e, &err));
    }
    return layer;
}

/* One pass over the lines. @param change applied to each entry before; may be NULL */
static void give_all(struct wcow_repair *repair, const char *const *lines, bool is_second,
                     void (*change)(struct wcow_entry *), struct out *out)
{
    for (; *lines; lines++) {
        wcow_autoentry e = {0};
        struct wcow_error why = {0};
        parse(*lines, &e);
        if (change)
            change(&e);
        int r = is_second ? wcow_repair_fix(repair, &e, &why) : wcow_repair_learn(repair, &e, &why);
        if (r < 0)
            fail_msg("%s: %s", *lines, why.msg);
        if (r > 0)
            assert_ok(on_put(out, &e, (struct wcow_bytes){0}, &err));
    }
}

static void repair(const char *const *lines, const struct wcow_chain *parents, bool is_base,
                   void (*change)(struct wcow_entry *), struct out *out)
{
    *out = (struct out){0};
    assert_ok(wcow_memlayer_new(&out->layer, &err));
    const struct wcow_repair_options options = {
        .is_base = is_base, .parents = parents, .report = on_fixed, .put = on_put, .arg = out};
    WCOW_CLEANUP(wcow_repair_free_p) struct wcow_repair *repair = NULL;
    assert_ok(wcow_repair_new(&options, &repair, &err));
    give_all(repair, lines, false, change, out);
    assert_ok(wcow_repair_learned(repair, &err));
    give_all(repair, lines, true, change, out);
    assert_ok(wcow_repair_finish(repair, &err));
}

static const char *const base_lines[] = {
    "d Files",
    "d Files/Windows",
    "d Files/Windows/System32",
    "f Files/Windows/System32/cmd.exe",
    "f Files/Windows/System32/Old.dll",
    "d Files/Windows/System32/drivers",
    "f Files/Windows/System32/drivers/a.sys",
    "f Files/Windows/System32/drivers/b.sys",
    "d Files/Target",
    "d Hives",
    "f Hives/System_Delta",
    NULL,
};

struct case_ {
    const char *sentence;
    const char *lines[12];
    const char *want;
    const char *rules; /* each with a blank behind it */
};

static void run(const struct case_ *cases, size_t n, bool with_parents, bool is_base)
{
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *base = layer_of(base_lines);
    const struct wcow_layer_view view = wcow_memlayer_view(base);
    const struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    for (size_t i = 0; i < n; i++) {
        WCOW_CLEANUP(out_done) struct out out;
        repair(cases[i].lines, with_parents ? &chain : NULL, is_base, NULL, &out);
        const char *lines = out.lines.data ? (const char *)out.lines.data : "";
        const char *rules = out.rules.data ? (const char *)out.rules.data : "";
        if (strcmp(lines, cases[i].want) != 0 || strcmp(rules, cases[i].rules) != 0)
            fail_msg("%s:\ngot\n%s%s\nwant\n%s%s", cases[i].sentence, lines, rules, cases[i].want,
                     cases[i].rules);
    }
}

static void layers_are_mended_without_their_parents(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {"a good layer stays", {"d Files", "f Files/a"}, "d Files\nf Files/a\n", ""},
        {"missing directories are made, each once",
         {"f Files/a/b/c", "f Files/a/b/d"},
         "d Files\nd Files/a\nd Files/a/b\nf Files/a/b/c\nf Files/a/b/d\n",
         "missing-parent missing-parent missing-parent "},
        {"a directory behind what is in it moves to the front",
         {"d Files", "f Files/a/b", "d Files/a"},
         "d Files\nd Files/a\nf Files/a/b\n",
         "missing-parent "},
        {"a directory with streams stays where they are",
         {"d Files", "f Files/a/b", "d Files/a", "s Files/a:x"},
         "d Files\nf Files/a/b\nd Files/a\ns Files/a:x\n",
         ""},
        {"a second entry of a directory goes",
         {"d Files", "d Files/a", "d Files/a"},
         "d Files\nd Files/a\n",
         "duplicate "},
        {"twins that differ in letter case stay, to be told",
         {"d Files", "d Files/a", "d Files/A"},
         "d Files\nd Files/a\nd Files/A\n",
         ""},
        {"roots get their spelling, names their separators",
         {"d files", "f FILES\\a"},
         "d Files\nf Files/a\n",
         "outside-roots escape outside-roots "},
        {"a link beside the file",
         {"d Files", "d Files/d", "f Files/d/a", "l Files/d/link -> Files/a"},
         "d Files\nd Files/d\nf Files/d/a\nl Files/d/link -> a\n",
         "prefixed-link-target "},
        {"a link from the top",
         {"d Files", "d Files/d", "f Files/a", "l Files/d/link -> Files/a"},
         "d Files\nd Files/d\nf Files/a\nl Files/d/link -> \\a\n",
         "prefixed-link-target "},
        {"a link to nothing known",
         {"d Files", "l Files/link -> Files/x/y"},
         "d Files\nl Files/link -> x\\y\n",
         "prefixed-link-target "},
        {"a link with a drive keeps it",
         {"d Files", "l Files/link -> Files/C:\\x"},
         "d Files\nl Files/link -> C:\\x\n",
         "prefixed-link-target "},
        {"a hard link without the root in front",
         {"d Files", "d Files/d", "f Files/d/a", "h Files/b -> d/a", "h Files/c -> \\d\\a"},
         "d Files\nd Files/d\nf Files/d/a\nh Files/b -> Files/d/a\nh Files/c -> Files/d/a\n",
         "bad-link bad-link "},
        {"a hard link to nothing known stays, to be told",
         {"d Files", "h Files/b -> nothing"},
         "d Files\nh Files/b -> nothing\n",
         ""},
        {"a hard link before its file moves behind everything",
         {"d Files", "h Files/b -> Files/z", "f Files/z", "f Files/zz"},
         "d Files\nf Files/z\nf Files/zz\nh Files/b -> Files/z\n",
         "link-target-missing "},
        {"an opaque marker stays where nobody knows what it hides",
         {"d Files", "d Files/d", "o Files/d/.wh..wh..opq"},
         "d Files\nd Files/d\no Files/d/.wh..wh..opq\n",
         ""},
        {"hostile names are left alone",
         {"d Files", "f Files/../x", "f /etc/passwd"},
         "d Files\nf Files/../x\nf /etc/passwd\n",
         ""},
    };
    run(cases, sizeof(cases) / sizeof(cases[0]), false, false);
}

static void parents_tell_what_is_missing(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {"a directory of the base comes in its casing",
         {"d Files", "f Files/windows/new"},
         "d Files\nd Files/Windows\nf Files/windows/new\n",
         "missing-parent "},
        {"a hard link may lead to the base",
         {"d Files", "h Files/b -> Windows/System32/cmd.exe"},
         "d Files\nh Files/b -> Files/Windows/System32/cmd.exe\n",
         "bad-link "},
        {"an opaque marker becomes whiteouts, deep down too",
         {"d Files", "d Files/Windows", "d Files/Windows/System32",
          "o Files/Windows/System32/.wh..wh..opq", "f Files/Windows/System32/CMD.exe",
          "d Files/Windows/System32/drivers", "s Files/Windows/System32/drivers:x",
          "f Files/Windows/System32/drivers/b.sys"},
         "d Files\nd Files/Windows\nd Files/Windows/System32\n"
         "w Files/Windows/System32/.wh.Old.dll\nf Files/Windows/System32/CMD.exe\n"
         "d Files/Windows/System32/drivers\ns Files/Windows/System32/drivers:x\n"
         "w Files/Windows/System32/drivers/.wh.a.sys\nf Files/Windows/System32/drivers/b.sys\n",
         "opaque-marker opaque-marker "},
        {"an opaque marker of a directory that had to be made",
         {"d Files", "f Files/Windows/System32/drivers/b.sys",
          "o Files/Windows/System32/drivers/.wh..wh..opq"},
         "d Files\nd Files/Windows\nd Files/Windows/System32\nd Files/Windows/System32/drivers\n"
         "w Files/Windows/System32/drivers/.wh.a.sys\nf Files/Windows/System32/drivers/b.sys\n",
         "missing-parent missing-parent missing-parent opaque-marker "},
        {"an opaque marker of a new directory goes",
         {"d Files", "d Files/new", "o Files/new/.wh..wh..opq", "f Files/new/a"},
         "d Files\nd Files/new\nf Files/new/a\n",
         ""},
    };
    run(cases, sizeof(cases) / sizeof(cases[0]), true, false);
}

static void a_base_deletes_nothing(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {"whiteouts go",
         {"d Files", "w Files/.wh.a", "d Files/d", "o Files/d/.wh..wh..opq"},
         "d Files\nd Files/d\n",
         "whiteout-in-base whiteout-in-base "},
    };
    run(cases, 1, false, true);
}

/* ---- fields ---- */

static void take_times(struct wcow_entry *e)
{
    e->has &= ~(uint32_t)(WCOW_HAS_ATIME | WCOW_HAS_CTIME);
}

static void set_1754(struct wcow_entry *e)
{
    e->atime = WCOW_FILETIME_OF_GO_ZERO;
    e->ctime = WCOW_FILETIME_OF_GO_ZERO;
}

static void set_only_1754(struct wcow_entry *e)
{
    e->mtime = WCOW_FILETIME_OF_GO_ZERO;
    e->creation = 42;
}

static void take_attributes(struct wcow_entry *e)
{
    e->attributes = 0;
    e->has &= ~(uint32_t)WCOW_HAS_FILEATTR;
}

static void set_peer_descriptor(struct wcow_entry *e)
{
    wcow_autobuf sd = {0};
    assert_ok(wcow_sd_of_sddl("O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)"
                              "(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;"
                              "BU)",
                              &sd, &err));
    assert_ok(wcow_entry_set_sd(e, sd.data, sd.len, &err));
}

static void times_are_completed(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "f Files/a", NULL};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, NULL, false, take_times, &out);
    const struct wcow_entry *e = wcow_memlayer_get(out.layer, "FILES/A");
    assert_int_equal(e->has & ALL, ALL);
    assert_int_equal(e->atime, TIME);
    assert_string_equal((const char *)out.rules.data, "missing-times missing-times ");
}

static void times_of_1754_become_when_it_was_modified(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "f Files/a", NULL};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, NULL, false, set_1754, &out);
    const struct wcow_entry *e = wcow_memlayer_get(out.layer, "FILES/A");
    assert_int_equal(e->atime, TIME);
    assert_int_equal(e->ctime, TIME);
    assert_string_equal((const char *)out.rules.data, "year-1754 year-1754 ");
    WCOW_CLEANUP(out_done) struct out other;
    repair(lines, NULL, false, set_only_1754, &other);
    assert_int_equal(wcow_memlayer_get(other.layer, "FILES/A")->mtime, 42);
}

static void swap_directory_attribute(struct wcow_entry *e)
{
    e->attributes ^= WCOW_ATTR_DIRECTORY;
}

static void attributes_follow_the_type(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "f Files/a", NULL};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, NULL, false, swap_directory_attribute, &out);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES")->attributes, WCOW_ATTR_DIRECTORY);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES/A")->attributes, 0);
    assert_string_equal((const char *)out.rules.data, "wrong-attributes wrong-attributes ");
}

static void links_get_the_attributes_of_what_they_lead_to(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files",
                                        "d Files/d",
                                        "f Files/a",
                                        "l Files/to-file -> a",
                                        "l Files/to-dir -> d",
                                        "l Files/to-base -> C:\\Target",
                                        "l Files/to-nothing -> x",
                                        NULL};
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *base = layer_of(base_lines);
    const struct wcow_layer_view view = wcow_memlayer_view(base);
    const struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, &chain, false, take_attributes, &out);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES/TO-FILE")->attributes, 0x400);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES/TO-DIR")->attributes, 0x410);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES/TO-BASE")->attributes, 0x410);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES/TO-NOTHING")->attributes, 0x400);
    assert_true(wcow_memlayer_get(out.layer, "FILES/TO-DIR")->has & WCOW_HAS_FILEATTR);
}

static void directories_of_the_base_get_their_metadata_back(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "d Files/WINDOWS", "d Files/new", NULL};
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *base = layer_of(base_lines);
    const struct wcow_layer_view view = wcow_memlayer_view(base);
    const struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, &chain, false, set_peer_descriptor, &out);
    const struct wcow_entry *e = wcow_memlayer_get(out.layer, "FILES/WINDOWS");
    struct wcow_bytes sd = wcow_sd_default(true);
    assert_int_equal(e->mtime, 77);
    assert_int_equal(e->sd_len_bytes, sd.len);
    assert_memory_equal(e->sd, sd.data, sd.len);
    assert_int_equal(wcow_memlayer_get(out.layer, "FILES/NEW")->mtime, TIME);
    assert_string_equal((const char *)out.rules.data, "replaced-metadata replaced-metadata ");
}

static void made_directories_inherit(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "f Files/a/b", NULL};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, NULL, false, NULL, &out);
    const struct wcow_entry *e = wcow_memlayer_get(out.layer, "FILES/A");
    struct wcow_bytes parent = wcow_sd_default(true);
    wcow_autobuf sd = {0};
    assert_ok(
        wcow_sd_inherit(parent, (struct wcow_bytes){0}, (struct wcow_bytes){0}, true, &sd, &err));
    assert_int_equal(e->sd_len_bytes, sd.len);
    assert_memory_equal(e->sd, sd.data, sd.len);
    assert_int_equal(e->mtime, TIME);
}

static void drop_descriptor_of_root(struct wcow_entry *e)
{
    if (strcmp(e->name, "Files") == 0)
        assert_ok(wcow_entry_set_sd(e, NULL, 0, &err));
}

/* Neither the layer nor the nearest below has a descriptor for C:\; the base has. */
static void made_directories_inherit_from_the_base_below_an_update(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "f Files/a/b", NULL};
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *update = NULL;
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *base = NULL;
    assert_ok(wcow_memlayer_new(&update, &err));
    assert_ok(wcow_memlayer_new(&base, &err));
    wcow_autobuf sd = {0};
    assert_ok(wcow_sd_of_sddl("O:BAG:SYD:(A;OICI;FA;;;SY)", &sd, &err));
    wcow_autoentry root = {.type = WCOW_ENTRY_DIR, .name = strdup("Files")};
    assert_ok(wcow_memlayer_put(update, &root, &err));
    assert_ok(wcow_entry_set_sd(&root, sd.data, sd.len, &err));
    assert_ok(wcow_memlayer_put(base, &root, &err));
    const struct wcow_layer_view views[] = {wcow_memlayer_view(update), wcow_memlayer_view(base)};
    const struct wcow_chain chain = {.layers = views, .n_layers = 2};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, &chain, false, drop_descriptor_of_root, &out);
    const struct wcow_entry *e = wcow_memlayer_get(out.layer, "FILES/A");
    wcow_autobuf text = {0};
    assert_ok(wcow_sd_to_sddl(e->sd, e->sd_len_bytes, &text, &err));
    assert_string_equal((const char *)text.data, "O:BAG:SYD:AI(A;OICIID;FA;;;SY)");
}

static void a_layer_on_others_gets_the_hives_that_it_lacks(void **state)
{
    (void)state;
    static const char *const lines[] = {"d Files", "d Hives", "f Hives/Sam_Delta", NULL};
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *below = layer_of(base_lines);
    const struct wcow_layer_view view = wcow_memlayer_view(below);
    const struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    WCOW_CLEANUP(out_done) struct out out;
    repair(lines, &chain, false, NULL, &out); /* those of the layers below do not count */
    assert_int_equal(wcow_memlayer_get(out.layer, "HIVES/SAM_DELTA")->size_bytes, 0);
    assert_true(wcow_memlayer_get(out.layer, "HIVES/SYSTEM_DELTA")->size_bytes >= 8192);
    assert_int_equal(wcow_memlayer_count(out.layer), 7);
    WCOW_CLEANUP(out_done) struct out base;
    repair(lines, NULL, true, NULL, &base);
    assert_int_equal(wcow_memlayer_count(base.layer), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_mended_without_their_parents),
        cmocka_unit_test(parents_tell_what_is_missing),
        cmocka_unit_test(a_base_deletes_nothing),
        cmocka_unit_test(times_are_completed),
        cmocka_unit_test(times_of_1754_become_when_it_was_modified),
        cmocka_unit_test(attributes_follow_the_type),
        cmocka_unit_test(links_get_the_attributes_of_what_they_lead_to),
        cmocka_unit_test(directories_of_the_base_get_their_metadata_back),
        cmocka_unit_test(made_directories_inherit),
        cmocka_unit_test(made_directories_inherit_from_the_base_below_an_update),
        cmocka_unit_test(a_layer_on_others_gets_the_hives_that_it_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
