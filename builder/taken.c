/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/taken.h"

#include <stdlib.h>
#include <string.h>

#include "builder/blob_tar.h"
#include "builder/spool.h"
#include "layer/names.h"

struct taken_file {
    char *name;
    bool is_there; /* the blob was what its image says */
    struct wcow_payload payload;
};

void wcow_taken_done(struct wcow_taken *taken)
{
    for (size_t i = 0; i < taken->table.cap; i++) {
        struct taken_file *file = taken->table.slots[i].value;
        if (!file)
            continue;
        wcow_payload_done(&file->payload);
        free(file->name);
        free(file);
    }
    wcow_name_table_done(&taken->table);
    *taken = (struct wcow_taken){0};
}

/* ---- what is wanted ---- */

int wcow_taken_want(struct wcow_taken *taken, const char *name, struct wcow_error *err)
{
    if (wcow_name_table_get(&taken->table, name))
        return WCOW_OK;
    struct taken_file *file = calloc(1, sizeof(*file));
    if (file)
        file->name = strdup(name);
    int r = file && file->name ? wcow_name_table_add(&taken->table, file->name, file, err)
                               : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file's name");
    if (r == WCOW_OK)
        return WCOW_OK;
    if (file)
        free(file->name);
    free(file);
    return r;
}

const struct wcow_payload *wcow_taken_find(const struct wcow_taken *taken, const char *name)
{
    const struct taken_file *file = wcow_name_table_get(&taken->table, name);
    return file && file->is_there ? &file->payload : NULL;
}

/* ---- taking ---- */

struct taking {
    struct wcow_taken *taken;
    struct wcow_spool *spool;
};

/* NULL where nobody wants it. */
static int wanted_file(const struct taking *t, const struct wcow_entry *entry,
                       struct taken_file **ret, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = WCOW_OK;
    if (entry->type == WCOW_ENTRY_FILE)
        r = wcow_name_key(entry->name, &key, err);
    else if (entry->type != WCOW_ENTRY_STREAM)
        return WCOW_OK;
    struct taken_file *file =
        r < 0 ? NULL : wcow_name_table_get(&t->taken->table, key ? key : entry->name);
    if (file && !file->is_there)
        *ret = file;
    return r;
}

static int take_entry(void *arg, const struct wcow_entry *entry, struct wcow_tar_reader *reader,
                      struct wcow_error *err)
{
    struct taking *t = arg;
    struct taken_file *file = NULL;
    const uint8_t *data = NULL;
    uint64_t size_bytes = 0;
    size_t len = 1;
    int r = wanted_file(t, entry, &file, err);
    if (r < 0 || !file)
        return r;
    if (file->payload.ops)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s stands in the layer twice", entry->name);
    r = wcow_spool_begin(t->spool, err);
    while (r == WCOW_OK && len > 0) {
        r = wcow_tar_reader_data(reader, &data, &len, err);
        if (r == WCOW_OK && len > 0)
            r = wcow_spool_add(t->spool, data, len, err);
    }
    return r < 0 ? r : wcow_spool_end(t->spool, &file->payload, &size_bytes, err);
}

/* What was taken is there, or gone again. */
static void settle(struct wcow_taken *taken, bool is_good)
{
    for (size_t i = 0; i < taken->table.cap; i++) {
        struct taken_file *file = taken->table.slots[i].value;
        if (!file || file->is_there || !file->payload.ops)
            continue;
        if (is_good)
            file->is_there = true;
        else
            wcow_payload_done(&file->payload);
    }
}

int wcow_taken_read(struct wcow_taken *taken, struct wcow_backend *b,
                    const struct wcow_descriptor *blob, const char *diff_id, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_spool_free_p) struct wcow_spool *spool = NULL;
    struct wcow_layer_info info = {0};
    int r = wcow_spool_new(&spool, err);
    struct taking t = {.taken = taken, .spool = spool};
    if (r == WCOW_OK)
        r = wcow_blob_tar_each(b, blob, diff_id, take_entry, &t, &info, err);
    settle(taken, r == WCOW_OK);
    return r < 0 ? wcow_error_wrap(r, err, "layer %s", blob->digest.text) : WCOW_OK;
}
