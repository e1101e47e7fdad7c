/* SPDX-License-Identifier: Apache-2.0 */
/* Every combination of mounts that containerd's own Windows differ takes or refuses. */
#include "differ_test.h"

#include "differ/mounts.h"

static char windows_layer[] = "windows-layer";
static char overlay[] = "overlay";
static char rw[] = "rw";
static char ro[] = "ro";

/* A mount from literals that nobody writes to. */
struct side {
    char *type;
    char source[16];
    char *mode;
    char parents[64]; /* "": no option */
};

static void to_mounts(struct side *s, struct wcow_mount *m, char *options[2], char option[128],
                      struct wcow_mounts *ret)
{
    options[0] = s->mode;
    options[1] = option;
    (void)snprintf(option, 128, "parentLayerPaths=%s", s->parents);
    static char none[] = "";
    *m = (struct wcow_mount){.type = s->type,
                             .source = s->source,
                             .target = none,
                             .options = options,
                             .n_options = s->parents[0] ? 2 : 1};
    *ret = (struct wcow_mounts){.items = m, .n = 1};
}

static struct {
    const char *what;
    struct side lower;
    struct side upper;
    int want;
    const char *layer;
} pair_cases[] = {
    {"a layer on its parent",
     {windows_layer, "/v", ro, "[\"/b\",\"/a\"]"},
     {windows_layer, "/c", rw, "[\"/b\",\"/a\"]"},
     WCOW_OK,
     "/c"},
    {"a base layer on nothing",
     {windows_layer, "/v", ro, ""},
     {windows_layer, "/a", rw, ""},
     WCOW_OK,
     "/a"},
    {"a view on a view",
     {windows_layer, "/v", ro, "[\"/a\"]"},
     {windows_layer, "/w", ro, "[\"/b\",\"/a\"]"},
     WCOW_OK,
     "/b"},
    {"a lower side of another type",
     {overlay, "/v", ro, ""},
     {windows_layer, "/c", rw, ""},
     WCOW_E_INVALID,
     NULL},
    {"an upper side of another type",
     {windows_layer, "/v", ro, ""},
     {overlay, "/c", rw, ""},
     WCOW_E_UNSUPPORTED,
     NULL},
    {"both of another type",
     {overlay, "/v", ro, ""},
     {overlay, "/c", rw, ""},
     WCOW_E_UNSUPPORTED,
     NULL},
    {"parents on nothing",
     {windows_layer, "/v", ro, ""},
     {windows_layer, "/c", rw, "[\"/a\"]"},
     WCOW_E_INVALID,
     NULL},
    {"no parents on a layer",
     {windows_layer, "/a", rw, ""},
     {windows_layer, "/c", rw, ""},
     WCOW_E_INVALID,
     NULL},
    {"a stranger's parent",
     {windows_layer, "/x", rw, ""},
     {windows_layer, "/c", rw, "[\"/a\"]"},
     WCOW_E_INVALID,
     NULL},
    {"other grandparents",
     {windows_layer, "/b", rw, "[\"/x\"]"},
     {windows_layer, "/c", rw, "[\"/b\",\"/a\"]"},
     WCOW_E_INVALID,
     NULL},
    {"nothing on nothing",
     {windows_layer, "/v", ro, ""},
     {windows_layer, "/w", ro, ""},
     WCOW_E_INVALID,
     NULL},
};

static void pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pair_cases) / sizeof(pair_cases[0]); i++) {
        struct wcow_mount m[2];
        char *options[2][2];
        char option[2][128];
        struct wcow_mounts lower;
        struct wcow_mounts upper;
        to_mounts(&pair_cases[i].lower, &m[0], options[0], option[0], &lower);
        to_mounts(&pair_cases[i].upper, &m[1], options[1], option[1], &upper);
        wcow_autoside side = {0};
        struct wcow_error err = {0};
        int r = wcow_mounts_pair(&lower, &upper, &side, &err);
        if (r != pair_cases[i].want)
            fail_msg("%s: %d %s", pair_cases[i].what, r, err.msg);
        assert_int_equal(err.code, pair_cases[i].want);
        if (pair_cases[i].layer)
            assert_string_equal(side.layer, pair_cases[i].layer);
    }
}

static void the_count_must_be_one(void **state)
{
    (void)state;
    struct wcow_mounts none = {0};
    wcow_autoside side = {0};
    assert_fails(wcow_mounts_resolve(&none, &side, &err), WCOW_E_INVALID);
}

static void parents_are_json(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *first; /* NULL: refused */
    } cases[] = {
        {"[\"/a\"]", "/a"},
        {"[ \"/a\" , \"/b\" ]", "/a"},
        {"[\"C:\\\\x\\u003cy\"]", "C:\\x<y"},
        {"[\"\\ud83d\\ude00\"]", "\xf0\x9f\x98\x80"},
        {"/a", NULL},
        {"[\"/a\"", NULL},
        {"[\"/a\",]", NULL},
        {"[\"/a\"] x", NULL},
        {"[\"\"]", NULL},
        {"[\"\\q\"]", NULL},
        {"[\"\\u00\"]", NULL},
        {"[\"\\u0000\"]", NULL},
        {"[1]", NULL},
        {"[\"a", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct side s = {windows_layer, "/s", rw, ""};
        (void)snprintf(s.parents, sizeof(s.parents), "%s", cases[i].json);
        struct wcow_mount m;
        char *options[2];
        char option[128];
        struct wcow_mounts mounts;
        to_mounts(&s, &m, options, option, &mounts);
        wcow_autoside side = {0};
        int r = wcow_mounts_resolve(&mounts, &side, NULL);
        assert_int_equal(r, cases[i].first ? WCOW_OK : WCOW_E_INVALID);
        if (cases[i].first)
            assert_string_equal(side.parents[0], cases[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(the_count_must_be_one),
        cmocka_unit_test(parents_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
