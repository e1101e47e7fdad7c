/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/name_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

/* FNV-1a, its high bits folded down: the table looks at low ones only. */
static uint64_t hash_of(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

/* The slot of a name, or the free one where it would stand. */
static struct wcow_name_slot *slot_of(const struct wcow_name_table *table, const char *name)
{
    size_t mask = table->cap - 1;
    size_t i = (size_t)hash_of(name) & mask;
    while (table->slots[i].name && strcmp(table->slots[i].name, name) != 0)
        i = (i + 1) & mask;
    return &table->slots[i];
}

void *wcow_name_table_get(const struct wcow_name_table *table, const char *name)
{
    return table->cap ? slot_of(table, name)->value : NULL;
}

static int grow(struct wcow_name_table *table, struct wcow_error *err)
{
    struct wcow_name_table bigger = {.cap = table->cap ? table->cap * 2 : FIRST_CAP, .n = table->n};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu names", bigger.cap);
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i].name)
            *slot_of(&bigger, table->slots[i].name) = table->slots[i];
    }
    free(table->slots);
    *table = bigger;
    return WCOW_OK;
}

int wcow_name_table_add(struct wcow_name_table *table, const char *name, void *value,
                        struct wcow_error *err)
{
    if (table->n * 4 >= table->cap * 3) {
        int r = grow(table, err);
        if (r < 0)
            return r;
    }
    *slot_of(table, name) = (struct wcow_name_slot){.name = name, .value = value};
    table->n++;
    return WCOW_OK;
}

void wcow_name_table_done(struct wcow_name_table *table)
{
    free(table->slots);
    *table = (struct wcow_name_table){0};
}
