/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/rights.h"

#include <stdlib.h>
#include <string.h>

#include "layer/sd.h"
#include "layer/sid.h"
#include "wcow_test.h"

static void owners_are_names_sids_and_sddl(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *owner;
        const char *group;
    } cases[] = {{"ContainerUser", "S-1-5-93-2-2", ""},
                 {"containeruser", "S-1-5-93-2-2", ""},
                 {"User Manager\\ContainerAdministrator", "S-1-5-93-2-1", ""},
                 {"ContainerUser:Users", "S-1-5-93-2-2", "S-1-5-32-545"},
                 {"builtin\\administrators", "S-1-5-32-544", ""},
                 {"S-1-5-18:S-1-5-32-544", "S-1-5-18", "S-1-5-32-544"},
                 {"O:BAG:SY", "S-1-5-32-544", "S-1-5-18"},
                 {"O:S-1-5-93-2-2", "S-1-5-93-2-2", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf owner = {0};
        wcow_autobuf group = {0};
        wcow_autobuf text = {0};
        assert_ok(wcow_rights_chown(cases[i].text, &owner, &group, &err));
        assert_ok(wcow_sid_to_text((struct wcow_bytes){owner.data, owner.len}, &text, &err));
        assert_string_equal((const char *)text.data, cases[i].owner);
        wcow_buf_done(&text);
        if (group.len)
            assert_ok(wcow_sid_to_text((struct wcow_bytes){group.data, group.len}, &text, &err));
        assert_string_equal(text.data ? (const char *)text.data : "", cases[i].group);
    }
}

static void owners_that_only_the_image_knows_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "1000:1000", "root",           "",     "ContainerUser:nobody",
        ":Users",    "CONTOSO\\Users", "O:XX", "O:BAD:(A;;FA;;;BA)"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf owner = {0};
        wcow_autobuf group = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_rights_chown(cases[i], &owner, &group, &err), WCOW_E_INVALID);
        assert_non_null(strstr(err.msg, "--chown="));
    }
}

static void check_rights(const char *chmod_text, bool is_dir, const char *want)
{
    WCOW_CLEANUP(wcow_chmod_done) struct wcow_chmod chmod = {0};
    wcow_autobuf sd = {0};
    wcow_autobuf text = {0};
    wcow_autoentry entry = {.type = is_dir ? WCOW_ENTRY_DIR : WCOW_ENTRY_FILE,
                            .attributes = is_dir ? WCOW_ATTR_DIRECTORY : WCOW_ATTR_ARCHIVE};
    assert_ok(wcow_chmod_parse(chmod_text, &chmod, &err));
    assert_ok(wcow_sd_of_sddl("O:S-1-5-93-2-2G:SYD:(A;ID;FA;;;BA)(A;ID;FR;;;BU)", &sd, &err));
    for (int twice = 0; twice < 2; twice++) {
        assert_ok(wcow_entry_set_sd(&entry, sd.data, sd.len, &err));
        assert_ok(wcow_chmod_apply(&chmod, (struct wcow_bytes){0}, &entry, &err));
    }
    assert_ok(wcow_sd_to_sddl(entry.sd, entry.sd_len_bytes, &text, &err));
    assert_string_equal((const char *)text.data, want);
}

#define HEAD     "O:S-1-5-93-2-2G:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)"
#define HEAD_DIR "O:S-1-5-93-2-2G:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

static void modes_become_rights(void **state)
{
    (void)state;
    check_rights("0644", false, HEAD "(A;;0x13019f;;;S-1-5-93-2-2)(A;;FR;;;BU)(A;;FR;;;WD)");
    check_rights("755", false, HEAD "(A;;FA;;;S-1-5-93-2-2)(A;;0x1200a9;;;BU)(A;;0x1200a9;;;WD)");
    check_rights("0700", true, HEAD_DIR "(A;OICI;FA;;;S-1-5-93-2-2)");
    check_rights("000", false, HEAD);
    check_rights("0070", false, HEAD "(A;;0x1301bf;;;BU)");
    check_rights("u=rwX,go=rX", false, HEAD "(A;;0x13019f;;;S-1-5-93-2-2)(A;;FR;;;BU)(A;;FR;;;WD)");
    check_rights("go-rwx,u+x", false, HEAD "(A;;FA;;;S-1-5-93-2-2)");
    check_rights("u=rwX,go=", true, HEAD_DIR "(A;OICI;FA;;;S-1-5-93-2-2)");
}

static void sddl_is_taken_as_it_is_but_a_file_inherits_to_none(void **state)
{
    (void)state;
    const char *text = "D:P(A;OICI;FA;;;BA)(A;OICIIO;GA;;;CO)(A;;FR;;;WD)";
    check_rights(text, true, "O:S-1-5-93-2-2G:SYD:P(A;OICI;FA;;;BA)(A;OICIIO;GA;;;CO)(A;;FR;;;WD)");
    check_rights(text, false, "O:S-1-5-93-2-2G:SYD:P(A;;FA;;;BA)(A;;FR;;;WD)");
}

static void what_is_no_mode_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", "8", "07777777", "rwx", "u", "u=rz", "u=r,", "D:(A", "D:P(A;OICI;FA;;;XX)", "0644x"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_chmod chmod = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_chmod_parse(cases[i], &chmod, &err), WCOW_E_INVALID);
        assert_non_null(strstr(err.msg, "--chmod="));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_are_names_sids_and_sddl),
        cmocka_unit_test(owners_that_only_the_image_knows_are_refused),
        cmocka_unit_test(modes_become_rights),
        cmocka_unit_test(sddl_is_taken_as_it_is_but_a_file_inherits_to_none),
        cmocka_unit_test(what_is_no_mode_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
