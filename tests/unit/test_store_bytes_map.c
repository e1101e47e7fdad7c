/* SPDX-License-Identifier: Apache-2.0 */
/* A map of byte strings finds what was added, whatever the bytes, and gives each value back once.
 */
#include "store/bytes_map.h"

#include <stdio.h>
#include <string.h>

#include "wcow_test.h"

enum { N_MANY = 5000 };

struct thing {
    char key[16];
    int released;
};

static struct thing things[N_MANY];

static void release(void *value)
{
    struct thing *thing = value;
    thing->released++;
}

static void many_are_found_and_released_once(void **state)
{
    (void)state;
    struct wcow_bytes_map map = {0};
    for (int i = 0; i < N_MANY; i++) {
        struct thing *t = &things[i];
        (void)snprintf(t->key, sizeof(t->key), "key %d", i);
        assert_null(wcow_bytes_map_find(&map, t->key, strlen(t->key)));
        assert_ok(wcow_bytes_map_add(&map, t->key, strlen(t->key), t, &err));
    }
    assert_int_equal(map.n, N_MANY);
    for (int i = 0; i < N_MANY; i++)
        assert_ptr_equal(wcow_bytes_map_find(&map, things[i].key, strlen(things[i].key)),
                         &things[i]);
    wcow_bytes_map_done(&map, release);
    for (int i = 0; i < N_MANY; i++)
        assert_int_equal(things[i].released, 1);
}

static void keys_are_bytes_of_any_kind_and_length(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t len;
    } keys[] = {{"", 0}, {"\0", 1}, {"\0\0", 2}, {"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"\xff", 1}};
    enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };
    int values[N_KEYS];
    struct wcow_bytes_map map = {0};
    for (size_t i = 0; i < N_KEYS; i++)
        assert_ok(wcow_bytes_map_add(&map, keys[i].key, keys[i].len, &values[i], &err));
    for (size_t i = 0; i < N_KEYS; i++)
        assert_ptr_equal(wcow_bytes_map_find(&map, keys[i].key, keys[i].len), &values[i]);
    assert_null(wcow_bytes_map_find(&map, "b", 1));
    wcow_bytes_map_done(&map, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_found_and_released_once),
        cmocka_unit_test(keys_are_bytes_of_any_kind_and_length),
    };
    return cmocka_run_group_tests_name("store/bytes_map", tests, NULL, NULL);
}
