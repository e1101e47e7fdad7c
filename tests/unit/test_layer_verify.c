/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "layer/sd.h"
#include "layer/verify.h"

enum {
    ALL = WCOW_HAS_FILEATTR | WCOW_HAS_ATIME | WCOW_HAS_CTIME | WCOW_HAS_CREATION,
    TIME = 1000,
};

/* An entry's strings and bytes are not const, but nobody writes through borrowed ones. */
static void *borrow(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return u.out;
}

/* Rules in the order in which they were told, separated by blanks. */
static int collect(void *arg, const struct wcow_finding *finding, struct wcow_error *err)
{
    char *text = arg;
    (void)err;
    assert_true(finding->severity >= WCOW_SEVERITY_NOTE);
    assert_true(finding->text[0] != '\0');
    size_t n = strlen(text);
    (void)snprintf(text + n, 400 - n, "%s%s", n ? " " : "", finding->rule);
    return WCOW_OK;
}

static struct wcow_entry entry_of(enum wcow_entry_type type, const char *name)
{
    uint32_t attributes = 0;
    if (type == WCOW_ENTRY_DIR)
        attributes = WCOW_ATTR_DIRECTORY;
    return (struct wcow_entry){.type = type,
                               .name = borrow(name),
                               .attributes = attributes,
                               .has = ALL,
                               .mtime = TIME,
                               .atime = TIME,
                               .ctime = TIME,
                               .creation = TIME};
}

static void verify(const struct wcow_entry *entries, size_t n, bool is_base, const char *want)
{
    char rules[400] = "";
    const struct wcow_verify_options options = {
        .is_base = is_base, .report = collect, .arg = rules};
    WCOW_CLEANUP(wcow_verify_free_p) struct wcow_verify *v = NULL;
    assert_ok(wcow_verify_new(&options, &v, &err));
    for (size_t i = 0; i < n; i++)
        assert_ok(wcow_verify_add(v, &entries[i], &err));
    assert_ok(wcow_verify_finish(v, &err));
    assert_string_equal(rules, want);
}

static void a_link_with_files_in_front_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *rest; /* NULL: fine */
    } table[] = {
        {"Files/a.txt", "a.txt"}, {"Files\\app\\a.txt", "app\\a.txt"},
        {"a.txt", NULL},          {"C:\\Files\\a.txt", NULL},
        {"Files", NULL}, /* a folder may be called so */
        {"Files/", NULL},         {"..\\Files\\a.txt", NULL},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wcow_entry entries[] = {entry_of(WCOW_ENTRY_DIR, "Files"),
                                       entry_of(WCOW_ENTRY_REPARSE, "Files/link"),
                                       entry_of(WCOW_ENTRY_DIR, "Hives")};
        entries[1].link = borrow(table[i].target);
        entries[1].attributes = WCOW_ATTR_REPARSE;
        const char *rest = wcow_verify_prefixed_target(&entries[1]);
        if (table[i].rest)
            assert_string_equal(rest, table[i].rest);
        else
            assert_null(rest);
        verify(entries, 3, false,
               table[i].rest ? "prefixed-link-target missing-hives" : "missing-hives");
    }
}

static void a_time_in_1754_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct wcow_entry entries[] = {entry_of(WCOW_ENTRY_DIR, "Files"),
                                       entry_of(WCOW_ENTRY_FILE, "Files/a")};
        uint64_t *times[] = {&entries[1].mtime, &entries[1].atime, &entries[1].ctime,
                             &entries[1].creation};
        *times[i] = WCOW_FILETIME_OF_GO_ZERO;
        verify(entries, 2, false, "year-1754 missing-hives");
    }
}

static void a_descriptor_that_is_none_is_told(void **state)
{
    (void)state;
    uint8_t bytes[] = {1, 2, 3};
    struct wcow_entry entries[] = {entry_of(WCOW_ENTRY_DIR, "Files"),
                                   entry_of(WCOW_ENTRY_FILE, "Files/a")};
    entries[1].sd = bytes;
    entries[1].sd_len_bytes = sizeof(bytes);
    verify(entries, 2, false, "bad-descriptor missing-hives");
    struct wcow_bytes good = wcow_sd_default(false);
    entries[1].sd = borrow(good.data);
    entries[1].sd_len_bytes = good.len;
    verify(entries, 2, false, "missing-hives");
}

static void attributes_that_are_no_list_are_told(void **state)
{
    (void)state;
    static uint8_t value[65536];
    char long_name[257] = "";
    memset(long_name, 'a', 256);
    const struct {
        struct wcow_ea eas[2];
        size_t n;
        bool is_told;
    } table[] = {
        {{{.name = (char[]){"a"}, .value = value, .len_bytes = 65000}}, 1, false},
        {{{.name = (char[]){"a"}, .value = value, .len_bytes = 65536}}, 1, true},
        {{{.name = long_name, .value = value, .len_bytes = 1}}, 1, true},
        {{{.name = (char[]){"a"}, .value = value, .len_bytes = 40000},
          {.name = (char[]){"b"}, .value = value, .len_bytes = 40000}},
         2,
         true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wcow_ea eas[2] = {table[i].eas[0], table[i].eas[1]};
        struct wcow_entry entries[] = {entry_of(WCOW_ENTRY_DIR, "Files"),
                                       entry_of(WCOW_ENTRY_FILE, "Files/a")};
        entries[1].eas = eas;
        entries[1].n_eas = table[i].n;
        verify(entries, 2, false,
               table[i].is_told ? "bad-attributes missing-hives" : "missing-hives");
    }
}

static void a_base_has_its_registry_and_its_boot_files(void **state)
{
    (void)state;
    static const char *const hives[] = {"DEFAULT", "sam", "SECURITY", "SOFTWARE", "SYSTEM"};
    struct wcow_entry entries[12] = {
        entry_of(WCOW_ENTRY_DIR, "Files"),
        entry_of(WCOW_ENTRY_DIR, "Files/Windows"),
        entry_of(WCOW_ENTRY_DIR, "Files/Windows/System32"),
        entry_of(WCOW_ENTRY_DIR, "Files/Windows/System32/config"),
    };
    char names[5][64];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "Files/Windows/System32/config/%s", hives[i]);
        entries[4 + i] = entry_of(WCOW_ENTRY_FILE, names[i]);
    }
    entries[9] = entry_of(WCOW_ENTRY_DIR, "UtilityVM");
    verify(entries, 9, true, "");
    verify(entries, 8, true, "missing-config-hives");
    verify(entries, 10, true, "missing-bcd");
    verify(entries, 10, false, "missing-hives");
}

static void a_missing_directory_is_an_error_here(void **state)
{
    (void)state;
    const struct wcow_entry entries[] = {entry_of(WCOW_ENTRY_FILE, "Files/a"),
                                         entry_of(WCOW_ENTRY_DIR, "Hives")};
    verify(entries, 2, false, "missing-root missing-hives");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_with_files_in_front_is_told),
        cmocka_unit_test(a_time_in_1754_is_told),
        cmocka_unit_test(a_descriptor_that_is_none_is_told),
        cmocka_unit_test(attributes_that_are_no_list_are_told),
        cmocka_unit_test(a_base_has_its_registry_and_its_boot_files),
        cmocka_unit_test(a_missing_directory_is_an_error_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
