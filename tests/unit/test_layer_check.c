/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "layer/check.h"
#include "layer/memlayer.h"

/* "d:Files", "f:Files/a", "l:Files/l>target" (reparse), "h:Files/h>Files/a", "w:Files/.wh.x",
 * "o:Files/.wh..wh..opq", "s:Files/a:stream", "b:Files/h>Files/a" (a hard link whose target was
 * bare). */
static void parse(const char *text, struct wcow_entry *ret)
{
    static const char letters[] = "?fdlhswo";
    const char *target = strchr(text, '>');
    bool is_bare = text[0] == 'b';
    size_t len = target ? (size_t)(target - text) : strlen(text);
    *ret = (struct wcow_entry){
        .type = (enum wcow_entry_type)(strchr(letters, is_bare ? 'h' : text[0]) - letters),
        .name = strndup(text + 2, len - 2),
        .link = target ? strdup(target + 1) : NULL,
        .has = WCOW_HAS_FILEATTR | WCOW_HAS_ATIME | (is_bare ? WCOW_HAS_BARE_LINK : 0U),
    };
    ret->attributes = ret->type == WCOW_ENTRY_DIR       ? WCOW_ATTR_DIRECTORY
                      : ret->type == WCOW_ENTRY_REPARSE ? WCOW_ATTR_REPARSE
                                                        : WCOW_ATTR_ARCHIVE;
}

static int collect(void *arg, const struct wcow_violation *v, struct wcow_error *err)
{
    if (v->rule == WCOW_RULE_MISSING_HIVES)
        return WCOW_OK;
    assert_true(v->text[0] != '\0');
    struct wcow_buf *out = arg;
    return wcow_buf_addf(out, err, "%s%s", out->len ? " " : "", wcow_rule_name(v->rule));
}

struct one {
    const char *entries[8];
    const char *rules; /* of each violation, in order */
};

/* Names of the rules that the entries break, in order. */
static void check_entries(const char *const *entries, struct wcow_check_options options,
                          struct wcow_buf *ret)
{
    options.report = collect;
    options.arg = ret;
    WCOW_CLEANUP(wcow_check_free_p) struct wcow_check *check = NULL;
    assert_ok(wcow_check_new(&options, &check, &err));
    for (size_t k = 0; k < 8 && entries[k]; k++) {
        wcow_autoentry e = {0};
        parse(entries[k], &e);
        assert_ok(wcow_check_add(check, &e, &err));
    }
    assert_ok(wcow_check_finish(check, &err));
}

static void assert_rules(const struct one *cases, size_t n, struct wcow_check_options options)
{
    for (size_t i = 0; i < n; i++) {
        wcow_autobuf rules = {0};
        check_entries(cases[i].entries, options, &rules);
        const char *got = rules.len ? (const char *)rules.data : "";
        if (strcmp(got, cases[i].rules) != 0)
            fail_msg("case %zu (%s): \"%s\", wanted \"%s\"", i, cases[i].entries[1], got,
                     cases[i].rules);
    }
}

static void entries_of_one_layer(void **state)
{
    (void)state;
    static const struct one cases[] = {
        {{"d:Files", "f:Files/a", "s:Files/a:x", "s:Files/a:y", "h:Files/b>Files/A"}, ""},
        {{"d:Files", "d:Files/d", "s:Files/d:x", "w:Files/d/.wh.x", "f:Files/d/y"}, ""},
        {{"d:Files", "f:Files/a", "f:Files/a"}, "duplicate"},
        {{"d:Files", "d:Files/a", "d:Files/a"}, "duplicate"},
        {{"d:Files", "w:Files/.wh.a", "w:Files/.wh.a"}, "duplicate"},
        {{"d:Files", "f:Files/a", "s:Files/a:x", "s:Files/a:X"}, "duplicate"},
        {{"d:Files", "f:Files/a", "f:Files/A"}, "case-collision"},
        {{"d:Files", "d:Files/\xc3\xa9", "d:Files/\xc3\x89"}, "case-collision"},
        {{"d:Files", "f:Files/a", "w:Files/.wh.A"}, "whiteout-and-entry"},
        {{"d:Files", "w:Files/.wh.a", "f:Files/a"}, "whiteout-and-entry"},
        {{"d:Files", "f:Files/a/b"}, "missing-parent"},
        {{"f:Files/a"}, "missing-root"},
        {{"d:UtilityVM", "f:UtilityVM/Files/a"}, "missing-parent"},
        {{"d:Files", "w:Files/a/.wh.b", "o:Files/c/.wh..wh..opq"}, "opaque-marker"},
        {{"d:Files", "w:Files/a/.wh.b", "f:Files/a/c", "f:Files/a/d"}, "missing-parent"},
        {{"d:Files", "w:Files/a/.wh.b", "d:Files/a"}, ""},
        {{"d:Files", "h:Files/h>Files/b", "b:Files/i>Files/b"}, "bare-link"},
        {{"f:Files/a/b", "f:Files/a/c", "d:Files/a", "d:Files"}, "missing-parent"},
        {{"d:Files", "f:Files/a", "f:Files/A/b"}, "below-file"},
        {{"d:Files", "l:Files/l>C:\\x", "f:Files/L/b"}, "below-link"},
        {{"d:Files", "l:Files/l>C:\\x", "f:Files/l/m/b"}, "below-link"},
        {{"d:Files", "f:Files/l/m/b", "l:Files/l>C:\\x"}, "missing-parent below-link"},
        {{"d:Files", "f:Files/l/b", "l:Files/L>C:\\x", "f:Files/l/c"}, "missing-parent below-link"},
        {{"d:Files", "w:Files/.wh.d", "f:Files/d/x"}, "below-whiteout"},
        {{"d:Files", "s:Files/a:x"}, "stream-without-file"},
        {{"d:Files", "f:Files/a", "f:Files/b", "s:Files/a:x"}, "stream-without-file"},
        {{"d:Files", "w:Files/.wh.a", "s:Files/a:x"}, "stream-without-file"},
        {{"d:Files", "d:Files/d", "h:Files/h>Files/d"}, "link-target-not-file"},
        {{"d:Files", "w:Files/.wh.a", "h:Files/h>Files/a"}, ""},
        {{"d:Files", "h:Files/h>Files/a", "f:Files/b"}, ""},
        {{"d:Files", "h:Files/h>Files/a", "h:Files/i>Files/a", "f:Files/A"}, "link-target-missing"},
        {{"d:Files", "h:Files/h>Files/a", "f:Files/a", "s:Files/a:x"}, "link-target-missing"},
        {{"d:Files", "h:Files/h>Files/a", "w:Files/.wh.a"}, ""},
        {{"d:Files", "h:Files/a>Files/a"}, ""},
        {{"d:UtilityVM", "d:UtilityVM/Files", "w:UtilityVM/Files/.wh.a",
          "h:UtilityVM/Files/h>UtilityVM/Files/a"},
         "link-target-missing"},
        {{"d:Files", "f:Files/a", "d:Hives", "h:Hives/h>Files/a"}, "misplaced-link"},
        {{"d:Files", "d:Hives", "f:Hives/a", "h:Files/h>Hives/a"}, "misplaced-link"},
        {{"d:Files", "f:Files/a", "s:Files/A:x"}, "stream-without-file"},
        {{"d:Files", "o:Files/.wh..wh..opq"}, "opaque-marker"},
        {{"d:Files", "f:Files/nul", "f:../x", "f:etc/passwd"}, "bad-name escape outside-roots"},
        {{"f:Files"}, "root-not-directory"},
    };
    assert_rules(cases, sizeof(cases) / sizeof(cases[0]), (struct wcow_check_options){0});
}

static void base_layers(void **state)
{
    (void)state;
    static const struct one cases[] = {
        {{"d:Files", "w:Files/.wh.a"}, "whiteout-in-base"},
        {{"d:Files", "o:Files/.wh..wh..opq"}, "whiteout-in-base opaque-marker"},
        {{"d:Hives", "f:Hives/System_Delta"}, "hives-in-base"},
        {{"d:Files", "h:Files/h>Files/a"}, "link-target-missing"},
    };
    assert_rules(cases, sizeof(cases) / sizeof(cases[0]),
                 (struct wcow_check_options){.is_base = true});
}

static void links_into_parents(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *base = NULL;
    assert_ok(wcow_memlayer_new(&base, &err));
    static const char *const in_base[] = {"d:Files", "f:Files/A.txt", "d:Files/d"};
    for (size_t i = 0; i < 3; i++) {
        wcow_autoentry e = {0};
        parse(in_base[i], &e);
        assert_ok(wcow_memlayer_put(base, &e, &err));
    }
    struct wcow_layer_view view = wcow_memlayer_view(base);
    struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    static const struct one cases[] = {
        {{"d:Files", "h:Files/h>Files/a.TXT"}, ""},
        {{"d:Files", "h:Files/h>Files/d"}, "link-target-not-file"},
        {{"d:Files", "h:Files/h>Files/b"}, "link-target-missing"},
        {{"d:Files", "w:Files/.wh.a.txt", "h:Files/h>Files/a.TXT"}, ""},
        {{"d:Files", "h:Files/h>Files/a.TXT", "w:Files/.wh.a.txt"}, ""},
        {{"d:Files", "w:Files/.wh.d", "h:Files/h>Files/d"}, "link-target-not-file"},
        {{"d:Files", "w:Files/.wh.b", "h:Files/h>Files/b"}, "link-target-missing"},
        {{"d:Files", "h:Files/A.txt>Files/A.txt"}, ""},
        {{"d:Files", "h:Files/h>Files/a.txt", "f:Files/a.txt"}, ""},
    };
    assert_rules(cases, sizeof(cases) / sizeof(cases[0]),
                 (struct wcow_check_options){.parents = &chain});
}

/* To importers a directory is what its attributes call one. */
static void attributes_that_belie_the_type(void **state)
{
    (void)state;
    static const struct {
        enum wcow_entry_type type;
        uint32_t attributes;
        const char *rules;
    } cases[] = {
        {WCOW_ENTRY_DIR, WCOW_ATTR_ARCHIVE, "wrong-attributes"},
        {WCOW_ENTRY_DIR, WCOW_ATTR_DIRECTORY | WCOW_ATTR_HIDDEN, ""},
        {WCOW_ENTRY_FILE, WCOW_ATTR_DIRECTORY, "wrong-attributes"},
        {WCOW_ENTRY_FILE, WCOW_ATTR_READONLY, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[] = "Files";
        char below[] = "Files/a";
        const struct wcow_entry files = {.type = WCOW_ENTRY_DIR,
                                         .name = name,
                                         .attributes = WCOW_ATTR_DIRECTORY,
                                         .has = WCOW_HAS_FILEATTR | WCOW_HAS_ATIME};
        struct wcow_entry e = files;
        e.type = cases[i].type;
        e.name = below;
        e.attributes = cases[i].attributes;
        wcow_autobuf rules = {0};
        struct wcow_check_options options = {.report = collect, .arg = &rules};
        WCOW_CLEANUP(wcow_check_free_p) struct wcow_check *check = NULL;
        assert_ok(wcow_check_new(&options, &check, &err));
        assert_ok(wcow_check_add(check, &files, &err));
        assert_ok(wcow_check_add(check, &e, &err));
        assert_string_equal(rules.len ? (const char *)rules.data : "", cases[i].rules);
    }
}

static void without_a_report_the_first_error_ends_it(void **state)
{
    (void)state;
    struct wcow_check_options options = {0};
    WCOW_CLEANUP(wcow_check_free_p) struct wcow_check *check = NULL;
    assert_ok(wcow_check_new(&options, &check, &err));
    wcow_autoentry missing = {0};
    wcow_autoentry again = {0};
    parse("f:Files/x/a", &missing);
    parse("f:Files/X/A", &again);
    assert_ok(wcow_check_add(check, &missing, &err)); /* a warning */
    struct wcow_error err = {0};
    assert_int_equal(wcow_check_add(check, &again, &err), WCOW_E_INVALID);
    assert_non_null(strstr(err.msg, "Files/X/A"));
    assert_non_null(strstr(err.msg, "case-collision"));
}

static void missing_parents_may_be_errors(void **state)
{
    (void)state;
    struct wcow_check_options options = {.need_parents = true};
    WCOW_CLEANUP(wcow_check_free_p) struct wcow_check *check = NULL;
    assert_ok(wcow_check_new(&options, &check, &err));
    wcow_autoentry e = {0};
    parse("f:Files/x/a", &e);
    assert_fails(wcow_check_add(check, &e, &err), WCOW_E_INVALID);
}

static void each_rule_has_a_name_and_a_severity(void **state)
{
    (void)state;
    for (int a = WCOW_RULE_NONE + 1; a < WCOW_RULE_COUNT; a++) {
        assert_true(wcow_rule_name((enum wcow_rule)a)[0] != '\0');
        assert_true(wcow_rule_severity((enum wcow_rule)a) > WCOW_SEVERITY_NONE);
        for (int b = WCOW_RULE_NONE; b < a; b++)
            assert_string_not_equal(wcow_rule_name((enum wcow_rule)a),
                                    wcow_rule_name((enum wcow_rule)b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_one_layer),
        cmocka_unit_test(base_layers),
        cmocka_unit_test(links_into_parents),
        cmocka_unit_test(attributes_that_belie_the_type),
        cmocka_unit_test(without_a_report_the_first_error_ends_it),
        cmocka_unit_test(missing_parents_may_be_errors),
        cmocka_unit_test(each_rule_has_a_name_and_a_severity),
    };
    return cmocka_run_group_tests_name("layer/check", tests, NULL, NULL);
}
