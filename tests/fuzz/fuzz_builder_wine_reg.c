/* SPDX-License-Identifier: Apache-2.0 */
/* Wine's registry files, which a RUN's command may have written as it liked: read, decoded,
 * compared with themselves after writing. */
#include <stdlib.h>
#include <string.h>

#include "builder/wine_reg.h"
#include "fuzz.h"

static int decode_all(struct wcow_reg *reg)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < reg->n_keys; i++)
        r = wcow_reg_decode(&reg->keys[i], NULL);
    return r;
}

static int on_key(void *arg, const char *path, struct wcow_error *err)
{
    (void)path;
    (void)err;
    *(unsigned *)arg += 1;
    return WCOW_OK;
}

static int on_value(void *arg, const char *path, const struct wcow_reg_value *value,
                    struct wcow_error *err)
{
    (void)value;
    return on_key(arg, path, err);
}

static int on_name(void *arg, const char *path, const char *name, struct wcow_error *err)
{
    (void)name;
    return on_key(arg, path, err);
}

/* What was written reads as the same registry. */
static void round_trip(struct wcow_reg *reg)
{
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *again = NULL;
    wcow_autobuf text = {0};
    unsigned changes = 0;
    const struct wcow_reg_changes told = {.key_removed = on_key,
                                          .key_added = on_key,
                                          .value_set = on_value,
                                          .value_removed = on_name,
                                          .arg = &changes};
    if (wcow_reg_write(reg, &text, NULL) < 0)
        return;
    FUZZ_CHECK(wcow_reg_parse((const char *)text.data, &again, NULL) == WCOW_OK);
    FUZZ_CHECK(wcow_reg_diff(reg, again, &told, NULL) == WCOW_OK);
    FUZZ_CHECK(changes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wcow_autofree char *text = malloc(size + 1);
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = NULL;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (wcow_reg_parse(text, &reg, NULL) == WCOW_OK && decode_all(reg) == WCOW_OK)
        round_trip(reg);
    return 0;
}
