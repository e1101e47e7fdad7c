/* SPDX-License-Identifier: Apache-2.0 */
/* Hives written here and read back: ordinary ones, and deltas with what they delete. */
#include "layer/hive_walk.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layer/filetime.h"
#include "wcow_test.h"

struct told {
    char text[1024];
};

static int on_key(void *arg, const char *path, enum wcow_hive_layer layer, struct wcow_error *err)
{
    struct told *t = arg;
    size_t n = strlen(t->text);
    (void)err;
    (void)snprintf(t->text + n, sizeof(t->text) - n, "[%s]%d ", path, (int)layer);
    return WCOW_OK;
}

static int on_value(void *arg, const char *path, const char *name, uint32_t type, const void *data,
                    size_t len, struct wcow_error *err)
{
    struct told *t = arg;
    size_t n = strlen(t->text);
    (void)path;
    (void)err;
    (void)snprintf(t->text + n, sizeof(t->text) - n, "%s%s:%u:%zu ", data ? "" : "-", name, type,
                   len);
    return WCOW_OK;
}

static int walk(const struct wcow_hive *hive, const char *top, struct told *told)
{
    struct wcow_error err = {0};
    wcow_autobuf bytes = {0};
    assert_int_equal(wcow_hive_write(hive, &bytes, &err), WCOW_OK);
    wcow_autoclose int fd = memfd_create("hive", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
    const struct wcow_hive_visitor visitor = {.key = on_key, .value = on_value, .arg = told};
    return wcow_hive_walk(fd, top, &visitor, &err);
}

static struct wcow_hive *make(enum wcow_hive_kind kind)
{
    struct wcow_hive *hive = NULL;
    struct wcow_hive_key *key = NULL;
    assert_int_equal(wcow_hive_new(kind, "Software_Delta", WCOW_FILETIME_UNIX_EPOCH, &hive, NULL),
                     WCOW_OK);
    assert_int_equal(wcow_hive_key(hive, "Vendor\\App", &key, NULL), WCOW_OK);
    assert_int_equal(wcow_hive_set_string(key, "Name", WCOW_REG_SZ, "text", NULL), WCOW_OK);
    return hive;
}

static void an_ordinary_hive_is_walked(void **state)
{
    (void)state;
    struct told told = {{0}};
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = make(WCOW_HIVE_PLAIN);
    assert_int_equal(walk(hive, "", &told), 1);
    assert_string_equal(told.text, "[]0 [Vendor]0 [Vendor\\App]0 Name:1:10 ");
}

static void a_walk_may_begin_anywhere(void **state)
{
    (void)state;
    struct told told = {{0}};
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = make(WCOW_HIVE_PLAIN);
    assert_int_equal(walk(hive, "vendor\\APP", &told), 1);
    assert_string_equal(told.text, "[]0 Name:1:10 ");
    assert_int_equal(walk(hive, "Vendor\\Other", &told), 0);
}

static void what_a_delta_deletes_is_told(void **state)
{
    (void)state;
    struct told told = {{0}};
    struct wcow_hive_key *key = NULL;
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = make(WCOW_HIVE_DELTA);
    assert_int_equal(wcow_hive_key(hive, "Vendor\\App", &key, NULL), WCOW_OK);
    assert_int_equal(wcow_hive_delete_value(key, "Old", NULL), WCOW_OK);
    assert_int_equal(wcow_hive_key(hive, "Vendor\\Gone", &key, NULL), WCOW_OK);
    assert_int_equal(wcow_hive_set_layer(hive, key, WCOW_HIVE_TOMBSTONE, NULL), WCOW_OK);
    assert_int_equal(walk(hive, "", &told), 1);
    assert_non_null(strstr(told.text, "[Vendor\\Gone]1 "));
    assert_non_null(strstr(told.text, "-Old:0:0 "));
    assert_non_null(strstr(told.text, "Name:1:10 "));
}

static void what_is_no_hive_is_refused(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    const struct wcow_hive_visitor visitor = {0};
    wcow_autoclose int fd = memfd_create("hive", MFD_CLOEXEC);
    assert_int_equal(write(fd, "regf", 4), 4);
    assert_int_equal(wcow_hive_walk(fd, "", &visitor, &err), WCOW_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_hive_is_walked),
        cmocka_unit_test(a_walk_may_begin_anywhere),
        cmocka_unit_test(what_a_delta_deletes_is_told),
        cmocka_unit_test(what_is_no_hive_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
