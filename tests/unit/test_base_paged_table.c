/* SPDX-License-Identifier: Apache-2.0 */
/* Items by hash, in tables that share what they outgrow. */
#include "base/paged_table.h"

#include "wcow_test.h"

enum { ITEMS = 5000 };

static uint32_t items[ITEMS];

static struct wcow_paged_slots new_slots(void)
{
    struct wcow_paged_slots slots = {0};
    assert_ok(wcow_paged_new(1 << 20, -1, &slots.memory, &err));
    return slots;
}

static void put(struct wcow_paged_slots *slots, struct wcow_paged_table *table, uint32_t *item,
                uint32_t hash)
{
    assert_ok(wcow_paged_table_reserve(slots, table, &err));
    wcow_paged_table_add(table, item, hash);
}

/* How often @p item is met under @p hash. */
static unsigned times_met(const struct wcow_paged_table *table, const uint32_t *item, uint32_t hash)
{
    unsigned n = 0;
    uint32_t at = hash;
    for (const uint32_t *p = NULL; (p = wcow_paged_table_next(table, hash, &at));)
        n += p == item;
    return n;
}

static void an_empty_one_has_nothing(void **state)
{
    (void)state;
    const struct wcow_paged_table table = {0};
    uint32_t at = 7;
    assert_null(wcow_paged_table_next(&table, 7, &at));
}

/* Of one hash there are several, at the end of the slots, too. */
static void all_items_of_a_hash_are_met_once(void **state)
{
    static const uint32_t hashes[] = {0, 1, 7, 8, 15, UINT32_MAX};
    enum { N_HASHES = sizeof(hashes) / sizeof(hashes[0]), EACH = 40 };
    (void)state;
    struct wcow_paged_slots slots = new_slots();
    struct wcow_paged_table table = {0};
    for (unsigned i = 0; i < N_HASHES * EACH; i++)
        put(&slots, &table, &items[i], hashes[i % N_HASHES]);
    assert_int_equal(table.n, N_HASHES * EACH);
    for (unsigned i = 0; i < N_HASHES * EACH; i++) {
        for (unsigned k = 0; k < N_HASHES; k++)
            assert_int_equal(times_met(&table, &items[i], hashes[k]), k == i % N_HASHES);
    }
    uint32_t at = 2;
    assert_null(wcow_paged_table_next(&table, 2, &at));
    wcow_paged_free(slots.memory);
}

/* A table that grows takes what another one has outgrown, which may hold what that one held. */
static void tables_of_one_memory_do_not_mix(void **state)
{
    (void)state;
    struct wcow_paged_slots slots = new_slots();
    struct wcow_paged_table tables[5] = {0};
    enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };
    for (uint32_t i = 0; i < ITEMS; i++)
        put(&slots, &tables[i % 3 == 0 ? 0 : i % N_TABLES], &items[i], i * 2654435761U);
    for (uint32_t i = 0; i < ITEMS; i++) {
        for (unsigned t = 0; t < N_TABLES; t++)
            assert_int_equal(times_met(&tables[t], &items[i], i * 2654435761U),
                             t == (i % 3 == 0 ? 0 : i % N_TABLES));
    }
    wcow_paged_free(slots.memory);
}

static void what_is_outgrown_serves_the_next(void **state)
{
    (void)state;
    struct wcow_paged_slots slots = new_slots();
    struct wcow_paged_table first = {0};
    struct wcow_paged_table second = {0};
    put(&slots, &first, &items[0], 1);
    const struct wcow_paged_slot *outgrown = first.slots;
    for (uint32_t i = 1; first.slots == outgrown; i++)
        put(&slots, &first, &items[i], i);
    put(&slots, &second, &items[0], 5);
    assert_ptr_equal(second.slots, outgrown);
    assert_int_equal(times_met(&second, &items[0], 5), 1);
    assert_int_equal(times_met(&second, &items[1], 1), 0);
    wcow_paged_free(slots.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_has_nothing),
        cmocka_unit_test(all_items_of_a_hash_are_met_once),
        cmocka_unit_test(tables_of_one_memory_do_not_mix),
        cmocka_unit_test(what_is_outgrown_serves_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
