/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "layer/memlayer.h"
#include "layer/sd.h"
#include "layer/view.h"

enum { MAX_LAYERS = 4, MAX_NAMES = 16 };

/* Layers, nearest first: names; "/" behind a directory, ".wh." and ".wh..wh..opq" as in a tar, '@'
 * before a link. */
struct layers {
    struct wcow_memlayer *layers[MAX_LAYERS];
    struct wcow_layer_view views[MAX_LAYERS];
    struct wcow_chain chain;
};

static void put(struct wcow_memlayer *layer, const char *text)
{
    size_t len = strlen(text);
    bool is_link = text[0] == '@';
    struct wcow_entry e = {.type = is_link                        ? WCOW_ENTRY_REPARSE
                                   : text[len - 1] == '/'         ? WCOW_ENTRY_DIR
                                   : strstr(text, ".wh..wh..opq") ? WCOW_ENTRY_OPAQUE
                                   : strstr(text, ".wh.")         ? WCOW_ENTRY_WHITEOUT
                                                                  : WCOW_ENTRY_FILE};
    e.name = strdup(text + is_link);
    if (e.type == WCOW_ENTRY_DIR)
        e.name[len - 1] = '\0';
    assert_ok(wcow_memlayer_put(layer, &e, &err));
    wcow_entry_done(&e);
}

static void build(struct layers *l, const char *const names[][MAX_NAMES], size_t n)
{
    *l = (struct layers){.chain = {.layers = l->views, .n_layers = n}};
    for (size_t i = 0; i < n; i++) {
        assert_ok(wcow_memlayer_new(&l->layers[i], &err));
        for (size_t k = 0; k < MAX_NAMES && names[i][k]; k++)
            put(l->layers[i], names[i][k]);
        l->views[i] = wcow_memlayer_view(l->layers[i]);
    }
    l->chain.layers = l->views;
}

static void done(struct layers *l)
{
    for (size_t i = 0; i < MAX_LAYERS; i++)
        wcow_memlayer_free(l->layers[i]);
}

static const char *const three[3][MAX_NAMES] = {
    {"Files/", "Files/windows/", "Files/windows/NEW.txt", "Files/.wh.gone", "Files/opaque/",
     "Files/opaque/.wh..wh..opq", "Files/opaque/mine", "Files/wasdir", "@Files/waslink"},
    {"Files/", "Files/Windows/", "Files/Windows/system32/", "Files/Windows/system32/b.dll",
     "Files/gone/", "Files/gone/x", "Files/opaque/", "Files/opaque/theirs", "Files/Back/",
     "Files/Back/2"},
    {"Files/", "Files/Windows/", "Files/Windows/System32/", "Files/Windows/System32/A.dll",
     "Files/WASDIR/", "Files/WASDIR/x", "Files/waslink/", "Files/waslink/x", "Files/opaque/",
     "Files/opaque/base"},
};

static void names_resolve_through_the_chain(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *name; /* NULL: not there */
        size_t layer;
    } cases[] = {
        {"Files", "Files", 0},
        {"files/WINDOWS", "Files/windows", 0},
        {"Files/Windows/System32", "Files/Windows/system32", 1},
        {"Files/Windows/System32/a.DLL", "Files/Windows/System32/A.dll", 2},
        {"Files/windows/system32/B.dll", "Files/Windows/system32/b.dll", 1},
        {"Files/windows/new.txt", "Files/windows/NEW.txt", 0},
        {"Files/windows/none", NULL, 0},
        {"Files/gone", NULL, 0},
        {"Files/gone/x", NULL, 0},
        {"Files/opaque/mine", "Files/opaque/mine", 0},
        {"Files/opaque/theirs", NULL, 0},
        {"Files/opaque/base", NULL, 0},
        {"Files/opaque/.wh..wh..opq", NULL, 0},
        {"Files/wasdir", "Files/wasdir", 0},
        {"Files/wasdir/x", NULL, 0},
        {"Files/waslink", "Files/waslink", 0},
        {"Files/waslink/x", NULL, 0},
        {"Files/Back/2", "Files/Back/2", 1},
    };
    struct layers l;
    build(&l, three, 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        size_t layer = 99;
        struct wcow_error err = {0};
        int r = wcow_chain_lookup(&l.chain, cases[i].path, &e, &layer, &err);
        if (r != (cases[i].name != NULL))
            fail_msg("%s: %d (%s)", cases[i].path, r, err.msg);
        if (r == 1) {
            assert_string_equal(e.name, cases[i].name);
            assert_int_equal(layer, cases[i].layer);
        }
    }
    done(&l);
}

static void paths_take_the_casing_they_were_created_with(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *want;
        size_t n_existing;
    } cases[] = {
        {"FILES/WINDOWS/SYSTEM32/A.DLL", "Files/Windows/System32/A.dll", 4},
        {"files/windows/system32/B.DLL", "Files/Windows/System32/b.dll", 4},
        {"files/windows/New.TXT", "Files/Windows/NEW.txt", 3},
        {"files/windows/Other/Deep", "Files/Windows/Other/Deep", 2},
        {"files/GONE/x", "Files/GONE/x", 1},
        {"files/WasDir", "Files/wasdir", 2},
        {"Files/OPAQUE/Theirs", "Files/opaque/Theirs", 2},
        {"", "", 0},
    };
    struct layers l;
    build(&l, three, 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autofree char *got = NULL;
        size_t n = 99;
        assert_ok(wcow_chain_casing(&l.chain, cases[i].path, &got, &n, &err));
        assert_string_equal(got, cases[i].want);
        assert_int_equal(n, cases[i].n_existing);
    }
    done(&l);
}

static void put_link(struct wcow_memlayer *layer, const char *name, const char *target)
{
    struct wcow_entry e = {
        .type = WCOW_ENTRY_HARDLINK, .name = strdup(name), .link = strdup(target)};
    assert_ok(wcow_memlayer_put(layer, &e, &err));
    wcow_entry_done(&e);
}

/* A link is to the file that its own layer saw, whatever layers above made of that name. */
static void hard_links_lead_to_what_their_layer_saw(void **state)
{
    (void)state;
    static const char *const names[3][MAX_NAMES] = {
        {"Files/", "Files/first", "Files/.wh.gone"},
        {"Files/", "Files/.wh.base", "Files/here"},
        {"Files/", "Files/first", "Files/gone", "Files/base", "Files/dir/"},
    };
    static const struct {
        const char *path;
        const char *name; /* NULL: there is none */
        size_t layer;
    } cases[] = {
        {"Files/second", "Files/first", 2},
        {"Files/third", "Files/first", 2},
        {"Files/of-gone", "Files/gone", 2},
        {"Files/of-base", "Files/base", 2},
        {"Files/of-here", "Files/here", 1},
        {"Files/of-none", NULL, 0},
        {"Files/first", "Files/first", 0},
        {"Files/gone", NULL, 0},
        {"Files/base", NULL, 0},
        {"Files/of-dir", "Files/dir", 2},
        {"Files/FROM-TOP", "Files/first", 2},
    };
    struct layers l;
    build(&l, names, 3);
    put_link(l.layers[2], "Files/second", "Files/FIRST");
    put_link(l.layers[2], "Files/third", "Files/second");
    put_link(l.layers[2], "Files/of-gone", "Files/gone");
    put_link(l.layers[1], "Files/of-base", "Files/base");
    put_link(l.layers[1], "Files/of-here", "Files/here");
    put_link(l.layers[1], "Files/of-none", "Files/none");
    put_link(l.layers[1], "Files/of-dir", "Files/dir");
    put_link(l.layers[0], "Files/from-top", "Files/third");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        size_t layer = 99;
        struct wcow_error err = {0};
        int r = wcow_chain_resolve(&l.chain, cases[i].path, &e, &layer, &err);
        if (r != (cases[i].name != NULL) ||
            (r == 1 && (strcmp(e.name, cases[i].name) != 0 || layer != cases[i].layer)))
            fail_msg("%s: %d, \"%s\" of layer %zu (%s)", cases[i].path, r, e.name ? e.name : "",
                     layer, err.msg);
    }
    done(&l);
}

static void hard_links_in_a_circle_are_told(void **state)
{
    (void)state;
    static const char *const names[2][MAX_NAMES] = {{"Files/"}, {"Files/", "Files/self"}};
    struct layers l;
    build(&l, names, 2);
    put_link(l.layers[0], "Files/a", "Files/b");
    put_link(l.layers[0], "Files/b", "Files/a");
    put_link(l.layers[0], "Files/self", "Files/self");
    wcow_autoentry e = {0};
    size_t layer = 0;
    assert_fails(wcow_chain_resolve(&l.chain, "Files/a", &e, &layer, &err), WCOW_E_CORRUPT);
    assert_int_equal(wcow_chain_resolve(&l.chain, "Files/self", &e, &layer, NULL), 1);
    assert_int_equal(layer, 1);
    done(&l);
}

/* Links "0" to "n - 1", each to the next; the last one to "end". */
static void put_chain(struct wcow_memlayer *layer, unsigned n, const char *end)
{
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        char target[32];
        (void)snprintf(name, sizeof(name), "Files/%u", i);
        (void)snprintf(target, sizeof(target), "Files/%u", i + 1);
        put_link(layer, name, i + 1 < n ? target : end);
    }
}

static void a_long_chain_of_hard_links_is_no_circle(void **state)
{
    (void)state;
    static const char *const names[1][MAX_NAMES] = {{"Files/", "Files/file"}};
    struct layers l;
    build(&l, names, 1);
    put_chain(l.layers[0], 1000, "Files/file");
    wcow_autoentry e = {0};
    assert_int_equal(wcow_chain_resolve(&l.chain, "Files/0", &e, NULL, NULL), 1);
    assert_string_equal(e.name, "Files/file");
    done(&l);
}

static void a_circle_is_told_however_long_the_way_into_it_is(void **state)
{
    static const char *const back_to[] = {"Files/0",   "Files/1",   "Files/299",
                                          "Files/700", "Files/998", "FILES/512"};
    (void)state;
    static const char *const names[1][MAX_NAMES] = {{"Files/"}};
    for (size_t i = 0; i < sizeof(back_to) / sizeof(back_to[0]); i++) {
        struct layers l;
        build(&l, names, 1);
        put_chain(l.layers[0], 1000, back_to[i]);
        wcow_autoentry e = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_chain_resolve(&l.chain, "Files/0", &e, NULL, &err), WCOW_E_CORRUPT);
        assert_non_null(strstr(err.msg, "lead in a circle"));
        done(&l);
    }
}

static void an_endless_chain_is_given_up(void **state)
{
    (void)state;
    static const char *const names[1][MAX_NAMES] = {{"Files/", "Files/file"}};
    struct layers l;
    build(&l, names, 1);
    put_chain(l.layers[0], 5000, "Files/file");
    wcow_autoentry e = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_chain_resolve(&l.chain, "Files/0", &e, NULL, &err), WCOW_E_LIMIT);
    assert_non_null(strstr(err.msg, "a chain of more than 4096 hard links"));
    done(&l);
}

static int list(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct wcow_buf *out = arg;
    return wcow_buf_addf(out, err, "%s|", child->name);
}

static void children_are_merged_once_each_and_sorted(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *want;
    } cases[] = {
        {"", "Files|"},
        {"files", "Files/Back|Files/opaque|Files/wasdir|Files/waslink|Files/windows|"},
        {"files/windows/", ""},
        {"Files/windows", "Files/windows/NEW.txt|Files/Windows/system32|"},
        {"Files/windows/system32", "Files/Windows/System32/A.dll|Files/Windows/system32/b.dll|"},
        {"Files/opaque", "Files/opaque/mine|"},
        {"Files/gone", ""},
    };
    struct layers l;
    build(&l, three, 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].path[0] && cases[i].path[strlen(cases[i].path) - 1] == '/')
            continue;
        wcow_autobuf got = {0};
        assert_ok(wcow_chain_children(&l.chain, cases[i].path, list, &got, &err));
        assert_string_equal(got.data ? (const char *)got.data : "", cases[i].want);
    }
    wcow_autobuf got = {0};
    assert_fails(wcow_chain_children(&l.chain, "Files/wasdir", list, &got, &err), WCOW_E_INVALID);
    done(&l);
}

static int stop(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    (void)arg;
    return WCOW_FAIL(err, WCOW_E_CANCELLED, "stopped at %s", child->name);
}

static void a_callback_may_stop(void **state)
{
    (void)state;
    struct layers l;
    build(&l, three, 3);
    assert_fails(wcow_chain_children(&l.chain, "Files", stop, NULL, &err), WCOW_E_CANCELLED);
    done(&l);
}

static void a_layer_in_memory_has_each_name_once(void **state)
{
    (void)state;
    static const char *const names[1][MAX_NAMES] = {{"Files/b/x", "Files/b/", "Files/b/X"}};
    struct layers l;
    build(&l, names, 1);
    struct wcow_entry e = {.type = WCOW_ENTRY_STREAM, .name = strdup("Files/b/x:s")};
    assert_ok(wcow_memlayer_put(l.layers[0], &e, &err));
    wcow_entry_done(&e);
    wcow_autobuf got = {0};
    assert_ok(wcow_chain_children(&l.chain, "Files/b", list, &got, &err));
    assert_string_equal((const char *)got.data, "Files/b/X|");
    assert_int_equal(wcow_memlayer_count(l.layers[0]), 3);
    assert_non_null(wcow_memlayer_get(l.layers[0], "FILES/B/X:S"));
    assert_null(wcow_memlayer_get(l.layers[0], "FILES/B/Y"));
    done(&l);
}

/* Directory @p name with the descriptor of @p sddl; NULL: with none. */
static void put_dir(struct wcow_memlayer *layer, const char *name, const char *sddl)
{
    wcow_autoentry e = {.type = WCOW_ENTRY_DIR, .name = strdup(name)};
    wcow_autobuf sd = {0};
    if (sddl) {
        assert_ok(wcow_sd_of_sddl(sddl, &sd, &err));
        assert_ok(wcow_entry_set_sd(&e, sd.data, sd.len, &err));
    }
    assert_ok(wcow_memlayer_put(layer, &e, &err));
}

#define BASE_SD       "O:BAG:SYD:(A;OICI;FA;;;BA)"
#define NEAR_SD       "O:SYG:SYD:(A;OICI;FA;;;SY)"
#define BELOW_BASE_SD "O:BAG:SYD:AI(A;OICIID;FA;;;BA)"

static void a_directory_has_the_nearest_descriptor_of_its_own(void **state)
{
    (void)state;
    static const char *const names[2][MAX_NAMES] = {
        {"Files/", "Files/bare/", "Files/.wh.gone", "Files/opaque/.wh..wh..opq", "Files/waslink/",
         "Files/file"},
        {"@Files/waslink"},
    };
    struct layers l;
    build(&l, names, 2);
    put_dir(l.layers[0], "Files/near", NEAR_SD);
    put_dir(l.layers[0], "Files/opaque", NULL);
    put_dir(l.layers[0], "Files/opaque/again", NULL);
    put_dir(l.layers[1], "Files", BASE_SD);
    put_dir(l.layers[1], "Files/near", BASE_SD);
    put_dir(l.layers[1], "Files/gone", NEAR_SD);
    put_dir(l.layers[1], "Files/opaque", BASE_SD);
    put_dir(l.layers[1], "Files/opaque/again", NEAR_SD);
    static const struct {
        const char *path;
        const char *sddl; /* NULL: there is none */
    } cases[] = {
        {"files", BASE_SD},                    /* as an update layer leaves it */
        {"Files/NEAR", NEAR_SD},               /* both have one */
        {"Files/bare", BELOW_BASE_SD},         /* none has one */
        {"Files/opaque", BASE_SD},             /* what is emptied is still the same directory */
        {"Files/opaque/again", BELOW_BASE_SD}, /* and what was in it is not */
        {"Files/waslink", BELOW_BASE_SD},      /* another object is below */
        {"Files/gone", NULL},
        {"Files/file", NULL},
        {"Files/none/x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf sd = {0};
        wcow_autobuf text = {0};
        struct wcow_error why = {0};
        int r = wcow_chain_dir_sd(&l.chain, cases[i].path, &sd, &why);
        if (r != (cases[i].sddl != NULL))
            fail_msg("%s: %d (%s)", cases[i].path, r, why.msg);
        if (r == 0)
            continue;
        assert_ok(wcow_sd_to_sddl(sd.data, sd.len, &text, &err));
        assert_string_equal((const char *)text.data, cases[i].sddl);
    }
    done(&l);
}

static void a_descriptor_that_nothing_can_inherit_from_is_told(void **state)
{
    (void)state;
    static const char *const names[1][MAX_NAMES] = {{"Files/a/"}};
    struct layers l;
    build(&l, names, 1);
    wcow_autoentry e = {.type = WCOW_ENTRY_DIR, .name = strdup("Files")};
    assert_ok(wcow_entry_set_sd(&e, "junk", 4, &err));
    assert_ok(wcow_memlayer_put(l.layers[0], &e, &err));
    wcow_autobuf sd = {0};
    struct wcow_error why = {0};
    assert_int_equal(wcow_chain_dir_sd(&l.chain, "Files/a", &sd, &why), WCOW_E_INVALID);
    assert_non_null(strstr(why.msg, "\"Files/a\""));
    done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_resolve_through_the_chain),
        cmocka_unit_test(hard_links_lead_to_what_their_layer_saw),
        cmocka_unit_test(hard_links_in_a_circle_are_told),
        cmocka_unit_test(a_long_chain_of_hard_links_is_no_circle),
        cmocka_unit_test(a_circle_is_told_however_long_the_way_into_it_is),
        cmocka_unit_test(an_endless_chain_is_given_up),
        cmocka_unit_test(paths_take_the_casing_they_were_created_with),
        cmocka_unit_test(a_directory_has_the_nearest_descriptor_of_its_own),
        cmocka_unit_test(a_descriptor_that_nothing_can_inherit_from_is_told),
        cmocka_unit_test(children_are_merged_once_each_and_sorted),
        cmocka_unit_test(a_callback_may_stop),
        cmocka_unit_test(a_layer_in_memory_has_each_name_once),
    };
    return cmocka_run_group_tests_name("layer/view", tests, NULL, NULL);
}
