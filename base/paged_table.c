/* SPDX-License-Identifier: Apache-2.0 */
#include "base/paged_table.h"

#include <stdbool.h>
#include <string.h>

enum { FIRST_CAP_LOG2 = 3 };

/* Slots that a table has outgrown. */
struct wcow_paged_spare {
    struct wcow_paged_spare *next;
};

static void insert(struct wcow_paged_slot *slots, uint32_t cap_log2, struct wcow_paged_slot slot)
{
    uint32_t mask = (UINT32_C(1) << cap_log2) - 1;
    uint32_t i = slot.hash & mask;
    while (slots[i].item)
        i = (i + 1) & mask;
    slots[i] = slot;
}

/* Zeroed. */
static int take_slots(struct wcow_paged_slots *from, uint32_t cap_log2,
                      struct wcow_paged_slot **ret, struct wcow_error *err)
{
    void *slots = from->spare[cap_log2];
    size_t size_bytes = sizeof(**ret) << cap_log2;
    if (slots) {
        from->spare[cap_log2] = from->spare[cap_log2]->next;
        memset(slots, 0, size_bytes);
    } else {
        int r = wcow_paged_alloc(from->memory, size_bytes, &slots, err);
        if (r < 0)
            return r;
    }
    *ret = slots;
    return WCOW_OK;
}

static void spare_slots(struct wcow_paged_slots *to, uint32_t cap_log2, void *slots)
{
    struct wcow_paged_spare *spare = slots;
    spare->next = to->spare[cap_log2];
    to->spare[cap_log2] = spare;
}

static int grow(struct wcow_paged_slots *from, struct wcow_paged_table *table,
                struct wcow_error *err)
{
    uint32_t cap_log2 = table->slots ? table->cap_log2 + 1 : FIRST_CAP_LOG2;
    struct wcow_paged_slot *slots = NULL;
    if (cap_log2 > WCOW_PAGED_TABLE_MAX_LOG2)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a directory of the layer has too many files");
    int r = take_slots(from, cap_log2, &slots, err);
    if (r < 0)
        return r;
    for (size_t i = 0; table->slots && i < (size_t)1 << table->cap_log2; i++) {
        if (table->slots[i].item)
            insert(slots, cap_log2, table->slots[i]);
        wcow_paged_look(from->memory);
    }
    if (table->slots)
        spare_slots(from, table->cap_log2, table->slots);
    table->slots = slots;
    table->cap_log2 = cap_log2;
    return WCOW_OK;
}

int wcow_paged_table_reserve(struct wcow_paged_slots *from, struct wcow_paged_table *table,
                             struct wcow_error *err)
{
    bool has_room =
        table->slots && (table->n + UINT64_C(1)) * 4 <= (UINT64_C(3) << table->cap_log2);
    return has_room ? WCOW_OK : grow(from, table, err);
}

void wcow_paged_table_add(struct wcow_paged_table *table, void *item, uint32_t hash)
{
    insert(table->slots, table->cap_log2, (struct wcow_paged_slot){.item = item, .hash = hash});
    table->n++;
}

void *wcow_paged_table_next(const struct wcow_paged_table *table, uint32_t hash, uint32_t *at)
{
    uint32_t mask = (UINT32_C(1) << table->cap_log2) - 1;
    while (table->slots && table->slots[*at & mask].item) {
        const struct wcow_paged_slot *slot = &table->slots[(*at)++ & mask];
        if (slot->hash == hash)
            return slot->item;
    }
    return NULL;
}
