/* SPDX-License-Identifier: Apache-2.0 */
/* What a RUN changed in Wine's registry, as the hives of a layer. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/wine_hives.h"
#include "layer/hive_walk.h"
#include "wcow_test.h"

#define HEAD "WINE REGISTRY Version 2\n"

struct told {
    char text[2048];
};

static int tell(struct told *t, const char *what, const char *path, const char *name)
{
    size_t n = strlen(t->text);
    (void)snprintf(t->text + n, sizeof(t->text) - n, "%s %s %s;", what, path, name);
    return WCOW_OK;
}

static int on_key(void *arg, const char *path, enum wcow_hive_layer layer, struct wcow_error *err)
{
    (void)err;
    return layer == WCOW_HIVE_TOMBSTONE ? tell(arg, "gone", path, "") : WCOW_OK;
}

static int on_value(void *arg, const char *path, const char *name, uint32_t type, const void *data,
                    size_t len, struct wcow_error *err)
{
    (void)type;
    (void)len;
    (void)err;
    return tell(arg, data ? "set" : "unset", path, name);
}

/* The changes between two registry files of HKLM, as the named delta holds them. */
static void expect_delta(const char *before, const char *after, const char *delta, const char *want)
{
    char folder[] = "/tmp/wcow-hives.XXXXXX";
    struct wcow_error err = {0};
    struct wcow_layer_chain below = {0};
    const struct wcow_execution execution = {.below = &below};
    struct told told = {{0}};
    const struct wcow_hive_visitor visitor = {.key = on_key, .value = on_value, .arg = &told};
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *old = NULL;
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *now = NULL;
    WCOW_CLEANUP(wcow_wine_changes_done) struct wcow_wine_changes changes = {0};
    assert_int_equal(wcow_reg_parse(before, &old, &err), WCOW_OK);
    assert_int_equal(wcow_reg_parse(after, &now, &err), WCOW_OK);
    assert_int_equal(wcow_wine_changes_init(&changes, &execution, "ContainerAdministrator", &err),
                     WCOW_OK);
    if (wcow_wine_changes_add(&changes, 0, old, now, &err) < 0)
        fail_msg("%s", err.msg);
    assert_non_null(mkdtemp(folder));
    wcow_autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(wcow_wine_changes_write(&changes, fd, &err), WCOW_OK);
    wcow_autoclose int file = openat(fd, delta, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && wcow_hive_walk(file, "", &visitor, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(told.text, want);
    for (size_t i = 0; i < WCOW_WINE_DELTAS; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "Hives/%s", wcow_hive_delta_names[i]);
        (void)unlinkat(fd, name, 0);
    }
    (void)unlinkat(fd, "Hives", AT_REMOVEDIR);
    (void)rmdir(folder);
}

static void keys_find_their_hives(void **state)
{
    (void)state;
    expect_delta(HEAD, HEAD "\n[Software\\\\V] 1\n\"x\"=\"1\"\n", "Hives/Software_Delta",
                 "set V x;");
    expect_delta(HEAD, HEAD "\n[System\\\\CurrentControlSet\\\\Services\\\\S] 1\n\"x\"=\"1\"\n",
                 "Hives/System_Delta", "set ControlSet001\\Services\\S x;");
    expect_delta(HEAD "\n[Software\\\\V] 1\n\n[Software\\\\V\\\\W] 1\n\n[Software\\\\Z] 1\n",
                 HEAD "\n[Software\\\\Z] 1\n", "Hives/Software_Delta", "gone V ;");
    expect_delta(HEAD "\n[Software\\\\V] 1\n\"x\"=\"1\"\n", HEAD "\n[Software\\\\V] 1\n",
                 "Hives/Software_Delta", "unset V x;");
}

/* To Wine 10 CurrentControlSet is a link, and the keys stand in ControlSet001. */
static void both_names_of_the_control_set_are_one(void **state)
{
    (void)state;
#define LINK "\n[System\\\\CurrentControlSet] 1\n#link\n\"SymbolicLinkValue\"=hex(6):5c,00\n"
    expect_delta(HEAD LINK,
                 HEAD "\n[System\\\\ControlSet001\\\\Services\\\\S] 1\n\"x\"=\"1\"\n" LINK,
                 "Hives/System_Delta", "set ControlSet001\\Services\\S x;");
}

static void what_is_the_machines_stays_out(void **state)
{
    (void)state;
    static const char *const keys[] = {"Hardware\\\\X",
                                       "Software\\\\Wine\\\\Drivers",
                                       "System\\\\CurrentControlSet\\\\Enum\\\\ROOT",
                                       "System\\\\ControlSet001\\\\Enum\\\\ROOT",
                                       "System\\\\ControlSet001\\\\Control\\\\Video\\\\{1}",
                                       "System\\\\CurrentControlSet\\\\Hardware Profiles\\\\0001"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char after[256];
        (void)snprintf(after, sizeof(after), HEAD "\n[%s] 1\n\"x\"=\"1\"\n", keys[i]);
        expect_delta(HEAD, after, "Hives/System_Delta", "");
        expect_delta(HEAD, after, "Hives/Software_Delta", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_find_their_hives),
        cmocka_unit_test(both_names_of_the_control_set_are_one),
        cmocka_unit_test(what_is_the_machines_stays_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
