/* SPDX-License-Identifier: Apache-2.0 */
/* Wine's registry files: read, written, compared. */
#include <stdio.h>
#include <string.h>

#include "builder/wine_reg.h"
#include "layer/hive.h"
#include "wcow_test.h"

#define HEAD "WINE REGISTRY Version 2\n;; All keys relative to REGISTRY\\\\Machine\n\n#arch=win64\n"

static const char sample[] =
    HEAD "\n[Software\\\\A] 1795241544\n#time=1dd797f46d776d4\n\"Text\"=\"one \\\"two\\\" "
         "\\x00e4\\\\\"\n@=\"default\"\n"
         "\"N\"=dword:0000002a\n\"B\"=hex:01,02,\\\n  03\n\"P\"=str(2):\"%SystemRoot%\\\\x\"\n"
         "\"M\"=str(7):\"a\\0b\\0\"\n\"Q\"=hex(b):01,00,00,00,00,00,00,00\n"
         "\n[Software\\\\A\\\\B] 1\n\n[Software\\\\A-other] 1\n\"x\"=\"y\"\n"
         "\n[Software\\\\Link] 1\n#link\n\"SymbolicLinkValue\"=hex(6):41,00\n";

static struct wcow_reg *parse(const char *text)
{
    struct wcow_error err = {0};
    struct wcow_reg *reg = NULL;
    if (wcow_reg_parse(text, &reg, &err) < 0)
        fail_msg("%s", err.msg);
    return reg;
}

/* NULL where there is none. */
static const struct wcow_reg_key *find(struct wcow_reg *reg, const char *path)
{
    struct wcow_error err = {0};
    struct wcow_reg_key *key = NULL;
    if (wcow_reg_find(reg, path, &key, &err) < 0)
        fail_msg("%s", err.msg);
    return key;
}

static void values_have_the_bytes_of_a_hive(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = parse(sample);
    const struct wcow_reg_key *key = find(reg, "SOFTWARE\\a");
    assert_non_null(key);
    const struct wcow_reg_value *text = wcow_reg_value(key, "TEXT");
    assert_int_equal(text->type, WCOW_REG_SZ);
    assert_int_equal(text->len, 2 * 13);
    assert_memory_equal(text->data + sizeof(uint16_t) * 9, "\x20\0\xe4\0\\\0", 4);
    assert_int_equal(wcow_reg_value(key, "M")->len, 2 * 5);
    assert_int_equal(wcow_load_le32(wcow_reg_value(key, "N")->data), 42);
    assert_memory_equal(wcow_reg_value(key, "B")->data, "\1\2\3", 3);
    assert_int_equal(wcow_reg_value(key, "Q")->type, WCOW_REG_QWORD);
    assert_non_null(wcow_reg_value(key, ""));
    assert_true(find(reg, "Software\\Link")->is_link);
}

struct told {
    char text[1024];
};

static int add(struct told *t, const char *what, const char *path, const char *name)
{
    size_t n = strlen(t->text);
    (void)snprintf(t->text + n, sizeof(t->text) - n, "%s %s %s;", what, path, name);
    return WCOW_OK;
}

static int key_removed(void *arg, const char *path, struct wcow_error *err)
{
    (void)err;
    return add(arg, "-key", path, "");
}

static int key_added(void *arg, const char *path, struct wcow_error *err)
{
    (void)err;
    return add(arg, "+key", path, "");
}

static int value_set(void *arg, const char *path, const struct wcow_reg_value *value,
                     struct wcow_error *err)
{
    (void)err;
    return add(arg, "set", path, value->name);
}

static int value_removed(void *arg, const char *path, const char *name, struct wcow_error *err)
{
    (void)err;
    return add(arg, "unset", path, name);
}

static void expect_changes(struct wcow_reg *before, struct wcow_reg *after, const char *want)
{
    struct wcow_error err = {0};
    struct told told = {{0}};
    const struct wcow_reg_changes changes = {.key_removed = key_removed,
                                             .key_added = key_added,
                                             .value_set = value_set,
                                             .value_removed = value_removed,
                                             .arg = &told};
    assert_int_equal(wcow_reg_diff(before, after, &changes, &err), WCOW_OK);
    assert_string_equal(told.text, want);
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autobuf text = {0};
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *first = parse(sample);
    assert_int_equal(wcow_reg_write(first, &text, &err), WCOW_OK);
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *second = parse((const char *)text.data);
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *odd = parse(HEAD "\n[A\\]b] 1\n");
    assert_string_equal(odd->keys[0].path, "A]b");
    assert_int_equal(first->n_keys, second->n_keys);
    expect_changes(first, second, "");
    assert_non_null(strstr((const char *)text.data, "\n#link\n"));
}

static void changes_are_told_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *after;
        const char *want;
    } cases[] = {
        {HEAD "\n[A\\\\B] 1\n\"x\"=\"1\"\n", HEAD "\n[A\\\\B] 1\n\"x\"=\"2\"\n", "set A\\B x;"},
        {HEAD "\n[A\\\\B] 1\n\"x\"=\"1\"\n", HEAD "\n[A\\\\B] 1\n", "unset A\\B x;"},
        {HEAD "\n[A] 1\n", HEAD "\n[A] 1\n\n[A\\\\N] 1\n\"v\"=\"1\"\n", "+key A\\N ;set A\\N v;"},
        {HEAD "\n[A\\\\B] 1\n\n[A\\\\B\\\\C] 1\n\n[Z] 1\n", HEAD "\n[Z] 1\n", "-key A ;"},
        {HEAD "\n[A\\\\B] 1\n\n[A\\\\C] 1\n", HEAD "\n[A\\\\C] 1\n", "-key A\\B ;"},
        {HEAD "\n[A] 1\n\"x\"=\"1\"\n\n[A\\\\C] 1\n", HEAD "\n[A\\\\C] 1\n", "unset A x;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *before = parse(cases[i].before);
        WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *after = parse(cases[i].after);
        expect_changes(before, after, cases[i].want);
    }
}

static void keys_can_be_made_and_removed(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = parse(sample);
    struct wcow_reg_key *key = NULL;
    assert_int_equal(wcow_reg_make(reg, "Software\\A\\New", &key, &err), WCOW_OK);
    assert_int_equal(wcow_reg_set(key, "v", WCOW_REG_BINARY, "x", 1, &err), WCOW_OK);
    wcow_reg_remove(reg, "software\\a");
    assert_null(find(reg, "Software\\A\\New"));
    assert_null(find(reg, "Software\\A"));
    assert_non_null(find(reg, "Software\\A-other"));
}

/* As after a RUN: what nobody asked for is the same text, whatever it says. */
static void what_was_not_asked_for_stays_as_it_stood(void **state)
{
    (void)state;
    static const char text[] = HEAD "\n[A] 7\n#time=1\n\"v\"=dword:1\n\n[B\\x00e4] 8\n"
                                    "\"odd\"=what:1\n";
    struct wcow_error err = {0};
    struct wcow_reg_key *key = NULL;
    wcow_autobuf out = {0};
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = parse(text);
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *later = parse(text);
    assert_int_equal(wcow_reg_write(reg, &out, &err), WCOW_OK);
    assert_string_equal((const char *)out.data, text);
    expect_changes(reg, later, "");
    assert_int_equal(wcow_reg_find(reg, "b\xc3\xa4", &key, &err), WCOW_E_CORRUPT);
    assert_non_null(strstr(err.msg, "an unknown kind of value"));
}

static void a_key_that_comes_twice_is_one(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_reg_free_p)
    struct wcow_reg *reg =
        parse(HEAD "\n[B] 1\n\"x\"=\"1\"\n\n[A] 1\n\n[b] 1\n\"x\"=\"2\"\n\"y\"=\"3\"\n");
    assert_int_equal(reg->n_keys, 2);
    assert_int_equal(find(reg, "B")->n_values, 2);
    assert_memory_equal(wcow_reg_value(find(reg, "B"), "x")->data, "2", 2);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "REGEDIT4\n",           HEAD "\n[A] 1\nx=1\n",         HEAD "\n[A] 1\n\"x\"=what:1\n",
        HEAD "\n[A] 1\n\"x\"",  HEAD "\n[A] 1\n\"x\"=\"un\n",  HEAD "\n[A\n",
        HEAD "\n[A\\\n[B] 1\n", HEAD "\n[A] 1\n\"x\"=hex:zz\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct wcow_error err = {0};
        WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = NULL;
        struct wcow_reg_key *key = NULL;
        int r = wcow_reg_parse(texts[i], &reg, &err);
        if (r == WCOW_OK)
            r = wcow_reg_find(reg, "A", &key, &err);
        assert_int_equal(r, WCOW_E_CORRUPT);
        assert_null(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_the_bytes_of_a_hive),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(changes_are_told_in_order),
        cmocka_unit_test(keys_can_be_made_and_removed),
        cmocka_unit_test(what_was_not_asked_for_stays_as_it_stood),
        cmocka_unit_test(a_key_that_comes_twice_is_one),
        cmocka_unit_test(damaged_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
