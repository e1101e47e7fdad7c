/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "base/base64.h"
#include "layer/sd.h"
#include "layer/sid.h"

/* Those that BuildKit writes. */
#define BK_DIR                                                                                     \
    "O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)(A;OICIIO;GA;;;CO)"                     \
    "(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU)"
#define BK_FILE "O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU)"
static const char bk_file_base64[] =
    "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAABgA/wEfAAECAAAA"
    "AAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAAIQIAAA==";

static struct wcow_bytes bytes_of(const struct wcow_buf *b)
{
    return (struct wcow_bytes){.data = b->data, .len = b->len};
}

static void assert_text(struct wcow_bytes sd, const char *want)
{
    wcow_autobuf text = {0};
    assert_ok(wcow_sd_to_sddl(sd.data, sd.len, &text, &err));
    assert_string_equal((const char *)text.data, want);
}

static void known_descriptors_have_their_known_bytes(void **state)
{
    (void)state;
    wcow_autobuf want = {0};
    wcow_autobuf file = {0};
    assert_ok(wcow_base64_decode(bk_file_base64, strlen(bk_file_base64), &want, &err));
    assert_ok(wcow_sd_of_sddl(BK_FILE, &file, &err));
    assert_int_equal(file.len, 124);
    assert_memory_equal(file.data, want.data, file.len);

    wcow_autobuf dir = {0};
    assert_ok(wcow_sd_of_sddl(BK_DIR, &dir, &err));
    assert_int_equal(dir.len, 216);
    assert_int_equal(wcow_load_le16(dir.data + 2), 0x8004);
    assert_int_equal(wcow_load_le32(dir.data + 4), 20);
    assert_int_equal(wcow_load_le32(dir.data + 8), 36);
    assert_int_equal(wcow_load_le32(dir.data + 16), 48);

    wcow_autobuf owner_only = {0};
    assert_ok(wcow_sd_of_sddl("O:BUG:BU", &owner_only, &err));
    assert_int_equal(owner_only.len, 52);
    assert_int_equal(wcow_load_le16(owner_only.data + 2), 0x8000);
}

static void sddl_round_trips(void **state)
{
    (void)state;
    static const char bk_dir[] = BK_DIR;
    static const char *const texts[] = {
        bk_dir,
        BK_FILE,
        "O:BAG:BA",
        "D:",
        "D:P",
        "D:NO_ACCESS_CONTROL",
        "D:PARAI(A;OICIID;FA;;;SY)",
        "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464G:SYD:(D;;FX;;;WD)",
        "O:S-1-5-93-2-1G:S-1-5-93-2-2",
        "D:(A;;GAGRGWGX;;;OW)(A;;SDRCWDWO;;;AC)(A;;KA;;;BA)",
        "O:SYS:AI(ML;OICINP;NWNR;;;LW)(AU;SAFA;FA;;;WD)",
        "D:(OA;CI;CR;00112233-4455-6677-8899-aabbccddeeff;;AU)",
        "D:(OA;CI;CR;;00112233-4455-6677-8899-aabbccddeeff;AU)",
        "O:S-1-0x123456789ABC-1",
        "O:S-1-5-21-1-2-3-500G:S-1-5-21-1-2-3-513D:(A;;FA;;;S-1-5-21-1-2-3-500)",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        wcow_autobuf sd = {0};
        assert_ok(wcow_sd_of_sddl(texts[i], &sd, &err));
        assert_ok(wcow_sd_check(sd.data, sd.len, &err));
        assert_text(bytes_of(&sd), texts[i]);
    }
}

static void sddl_may_be_spelled_otherwise(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"G:SYO:BA", "O:BAG:SY"},
        {"D:AIP(A;CIOI;2032127;;;S-1-5-32-544)", "D:PAI(A;OICI;FA;;;BA)"},
        {"D:(A;;0x80000000;;;S-1-1-0)", "D:(A;;GR;;;WD)"},
        {"D:(A;;FRFX;;;BU)", "D:(A;;0x1200a9;;;BU)"},
        {"O:S-1-5-18D:(A;;FA;;;WD)", "O:SYD:(A;;FA;;;WD)"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        wcow_autobuf sd = {0};
        assert_ok(wcow_sd_of_sddl(pairs[i][0], &sd, &err));
        assert_text(bytes_of(&sd), pairs[i][1]);
    }
}

static void bad_sddl_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } bad[] = {
        {"", WCOW_E_INVALID},
        {"X:BA", WCOW_E_INVALID},
        {"O:", WCOW_E_INVALID},
        {"O:B", WCOW_E_INVALID},
        {"O:XX", WCOW_E_INVALID},
        {"O:BAO:BA", WCOW_E_INVALID},
        {"O:S-1", WCOW_E_INVALID},
        {"O:S-1-5-4294967296", WCOW_E_INVALID},
        {"O:S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", WCOW_E_INVALID},
        {"D:(", WCOW_E_INVALID},
        {"D:(A;;FA;;;BA", WCOW_E_INVALID},
        {"D:(A;;FA;;BA)", WCOW_E_INVALID},
        {"D:(A;QQ;FA;;;BA)", WCOW_E_INVALID},
        {"D:(A;;QQ;;;BA)", WCOW_E_INVALID},
        {"D:(A;;0x1FFFFFFFF;;;BA)", WCOW_E_INVALID},
        {"D:(Q;;FA;;;BA)", WCOW_E_INVALID},
        {"D:NO_ACCESS_CONTROL(A;;FA;;;BA)", WCOW_E_INVALID},
        {"D:(A;;FA;00112233-4455-6677-8899-aabbccddeeff;;BA)", WCOW_E_INVALID},
        {"D:(OA;;FA;0011;;BA)", WCOW_E_INVALID},
        {"O:DA", WCOW_E_UNSUPPORTED},
        {"D:(XA;;FA;;;BA;(a==1))", WCOW_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wcow_autobuf sd = {0};
        assert_fails(wcow_sd_of_sddl(bad[i].text, &sd, &err), bad[i].want);
        assert_int_equal(sd.len, 0);
    }
}

static void bad_descriptors_are_refused(void **state)
{
    (void)state;
    wcow_autobuf good = {0};
    assert_ok(wcow_sd_of_sddl(BK_DIR, &good, &err));
    for (size_t len = 0; len < good.len; len++)
        assert_fails(wcow_sd_check(good.data, len, &err), WCOW_E_INVALID);
    static const struct {
        size_t at;
        uint8_t value;
        const char *words;
    } damage[] = {
        {0, 2, "no security descriptor"},
        {3, 0, "not self-relative"},
        {4, 19, "owner"},
        {5, 9, "owner"},
        {8, 1, "group"},
        {16, 3, "DACL"},
        {20, 2, "owner"},
        {21, 16, "owner"},
        {48, 7, "revision"},
        {51, 9, "revision"},
        {58, 3, "entry"},
        {58, 0, "entry"},
        {65, 9, "bad SID"},
        {52, 200, "entry"},
    };
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        wcow_autobuf bad = {0};
        assert_ok(wcow_buf_add(&bad, good.data, good.len, &err));
        bad.data[damage[i].at] = damage[i].value;
        struct wcow_error err = {0};
        if (wcow_sd_check(bad.data, bad.len, &err) != WCOW_E_INVALID ||
            !strstr(err.msg, damage[i].words))
            fail_msg("damage %zu: \"%s\"", i, err.msg);
    }
}

struct inheritance {
    const char *parent;
    const char *owner;
    const char *group;
    bool is_dir;
    const char *want;
};

static void assert_inherits(const struct inheritance *c)
{
    wcow_autobuf parent = {0};
    wcow_autobuf owner = {0};
    wcow_autobuf group = {0};
    wcow_autobuf child = {0};
    assert_ok(wcow_sd_of_sddl(c->parent, &parent, &err));
    if (*c->owner)
        assert_ok(wcow_sid_parse(c->owner, &owner, &err));
    if (*c->group)
        assert_ok(wcow_sid_parse(c->group, &group, &err));
    assert_ok(wcow_sd_inherit(bytes_of(&parent), bytes_of(&owner), bytes_of(&group), c->is_dir,
                              &child, &err));
    assert_ok(wcow_sd_check(child.data, child.len, &err));
    assert_text(bytes_of(&child), c->want);
}

static void children_inherit_by_the_rules(void **state)
{
    (void)state;
    static const struct inheritance cases[] = {
        /* The case of CREATOR OWNER: one entry that works, one that is passed on. */
        {BK_DIR, "S-1-5-93-2-1", "SY", true,
         "O:S-1-5-93-2-1G:SYD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;ID;FA;;;S-1-5-93-2-1)"
         "(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;LC;;;BU)(A;CIID;DC;;;BU)"},
        {BK_DIR, "S-1-5-93-2-1", "SY", false,
         "O:S-1-5-93-2-1G:SYD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)(A;ID;FA;;;S-1-5-93-2-1)"
         "(A;ID;0x1200a9;;;BU)"},
        /* Owner and group not given: the parent's. */
        {"O:BUG:BGD:(A;OICI;FR;;;WD)", "", "", false, "O:BUG:BGD:AI(A;ID;FR;;;WD)"},
        {"O:BAG:SYD:(A;OICI;FA;;;CG)", "BU", "BG", false, "O:BUG:BGD:AI(A;ID;FA;;;BG)"},
        {"O:BAG:SYD:(A;OICI;GR;;;WD)", "", "", true,
         "O:BAG:SYD:AI(A;ID;FR;;;WD)(A;OICIIOID;GR;;;WD)"},
        {"O:BAG:SYD:(A;OICI;GR;;;WD)", "", "", false, "O:BAG:SYD:AI(A;ID;FR;;;WD)"},
        /* Files only: directories pass it on without having it. */
        {"O:BAG:SYD:(A;OI;GA;;;WD)", "", "", true, "O:BAG:SYD:AI(A;OIIOID;GA;;;WD)"},
        {"O:BAG:SYD:(A;OI;GA;;;WD)", "", "", false, "O:BAG:SYD:AI(A;ID;FA;;;WD)"},
        /* Directories only. */
        {"O:BAG:SYD:(A;CI;FA;;;WD)", "", "", true, "O:BAG:SYD:AI(A;CIID;FA;;;WD)"},
        {"O:BAG:SYD:(A;CIIO;FA;;;WD)", "", "", true, "O:BAG:SYD:AI(A;CIID;FA;;;WD)"},
        /* One level only. */
        {"O:BAG:SYD:(A;OICINP;GA;;;CO)(A;CI;FR;;;WD)", "", "", true,
         "O:BAG:SYD:AI(A;ID;FA;;;BA)(A;CIID;FR;;;WD)"},
        {"O:BAG:SYD:(A;OINP;FA;;;WD)(A;CI;FR;;;WD)", "", "", true, "O:BAG:SYD:AI(A;CIID;FR;;;WD)"},
        {"O:BAG:SYD:(A;OICINP;FA;;;WD)", "", "", false, "O:BAG:SYD:AI(A;ID;FA;;;WD)"},
        /* Nothing to inherit: the token's list. */
        {"O:BAG:SYD:(A;;FA;;;BA)", "", "", false, "O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)"},
        {"O:BAG:SYD:(A;CI;FA;;;BA)", "", "", false, "O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)"},
        {"O:BAG:SYD:NO_ACCESS_CONTROL", "", "", true, "O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)"},
        {"D:(A;OICI;FA;;;CO)", "", "", false, "O:BAG:SYD:AI(A;ID;FA;;;BA)"},
        /* A parent's protection is the parent's own; audits and labels are inherited as well. */
        {"O:BAG:SYD:PAI(A;OICIID;FA;;;BA)", "", "", true, "O:BAG:SYD:AI(A;OICIID;FA;;;BA)"},
        {"O:BAG:SYD:(A;OICI;FA;;;BA)S:(AU;OICISA;GA;;;WD)(ML;OICI;NW;;;HI)", "", "", true,
         "O:BAG:SYD:AI(A;OICIID;FA;;;BA)S:AI(AU;IDSA;FA;;;WD)(AU;OICIIOIDSA;GA;;;WD)"
         "(ML;OICIID;NW;;;HI)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_inherits(&cases[i]);
}

static void the_control_bits_and_bad_input_of_inheritance(void **state)
{
    (void)state;
    wcow_autobuf parent = {0};
    wcow_autobuf child = {0};
    assert_ok(wcow_sd_of_sddl(BK_DIR, &parent, &err));
    struct wcow_bytes none = {0};
    assert_ok(wcow_sd_inherit(bytes_of(&parent), none, none, false, &child, &err));
    assert_int_equal(wcow_load_le16(child.data + 2), 0x8404);
    struct wcow_bytes junk = {.data = (const uint8_t *)"junk", .len = 4};
    assert_fails(wcow_sd_inherit(bytes_of(&parent), junk, none, false, &child, &err),
                 WCOW_E_INVALID);
    assert_fails(wcow_sd_inherit(junk, none, none, false, &child, &err), WCOW_E_INVALID);
}

static void the_defaults_are_what_they_say(void **state)
{
    (void)state;
    assert_text(wcow_sd_default(true),
                "O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICIIO;GA;;;CO)"
                "(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CIIO;DC;;;BU)(A;;0x1200a9;;;WD)");
    wcow_autobuf child = {0};
    struct wcow_bytes none = {0};
    assert_ok(wcow_sd_inherit(wcow_sd_default(true), none, none, false, &child, &err));
    struct wcow_bytes file = wcow_sd_default(false);
    assert_int_equal(child.len, file.len);
    assert_memory_equal(child.data, file.data, file.len);
}

static void accounts_have_sids(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        /* as people write it, SID, as wcow writes it */
        {"ContainerAdministrator", "S-1-5-93-2-1", "User Manager\\ContainerAdministrator"},
        {"containeruser", "S-1-5-93-2-2", "User Manager\\ContainerUser"},
        {"User Manager\\ContainerUser", "S-1-5-93-2-2", "User Manager\\ContainerUser"},
        {"builtin\\administrators", "S-1-5-32-544", "BUILTIN\\Administrators"},
        {"SYSTEM", "S-1-5-18", "NT AUTHORITY\\SYSTEM"},
        {"everyone", "S-1-1-0", "Everyone"},
        {"S-1-5-32-545", "S-1-5-32-545", "BUILTIN\\Users"},
        {"NT SERVICE\\TrustedInstaller",
         "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
         "NT SERVICE\\TrustedInstaller"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf sid = {0};
        wcow_autobuf text = {0};
        assert_ok(wcow_sid_of_account(cases[i][0], &sid, &err));
        assert_ok(wcow_sid_to_text(bytes_of(&sid), &text, &err));
        assert_string_equal((const char *)text.data, cases[i][1]);
        assert_string_equal(wcow_sid_account(bytes_of(&sid)), cases[i][2]);
    }
    static const uint8_t admin[] = {1, 3, 0, 0, 0, 0, 0, 5, 0x5d, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0};
    wcow_autobuf sid = {0};
    assert_ok(wcow_sid_of_account("ContainerAdministrator", &sid, &err));
    assert_int_equal(sid.len, sizeof(admin));
    assert_memory_equal(sid.data, admin, sizeof(admin));
    wcow_autobuf nobody = {0};
    assert_fails(wcow_sid_of_account("app\\alice", &nobody, &err), WCOW_E_NOT_FOUND);
    assert_null(wcow_sid_alias((struct wcow_bytes){.data = sid.data, .len = sid.len}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_descriptors_have_their_known_bytes),
        cmocka_unit_test(sddl_round_trips),
        cmocka_unit_test(sddl_may_be_spelled_otherwise),
        cmocka_unit_test(bad_sddl_is_refused),
        cmocka_unit_test(bad_descriptors_are_refused),
        cmocka_unit_test(children_inherit_by_the_rules),
        cmocka_unit_test(the_control_bits_and_bad_input_of_inheritance),
        cmocka_unit_test(the_defaults_are_what_they_say),
        cmocka_unit_test(accounts_have_sids),
    };
    return cmocka_run_group_tests_name("layer/sd", tests, NULL, NULL);
}
