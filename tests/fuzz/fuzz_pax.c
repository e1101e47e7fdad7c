/* SPDX-License-Identifier: Apache-2.0 */
/* Records that are accepted are written the same, or shorter where their length has leading zeros.
 */
#include <string.h>

#include "fuzz.h"
#include "layer/filetime.h"
#include "layer/pax.h"

static void time_round_trips(struct wcow_bytes value)
{
    uint64_t t = 0;
    if (wcow_filetime_of_pax((const char *)value.data, value.len, &t, NULL) < 0)
        return;
    char text[WCOW_PAX_TIME_MAX];
    wcow_filetime_to_pax(t, text);
    uint64_t again = 0;
    FUZZ_CHECK(wcow_filetime_of_pax(text, strlen(text), &again, NULL) == WCOW_OK);
}

/* @param raw the record as it stood */
static void record_round_trips(const struct wcow_pax_record *rec, struct wcow_bytes raw)
{
    wcow_autobuf out = {0};
    wcow_autofree char *key = strndup((const char *)rec->key.data, rec->key.len);
    if (!key || memchr(rec->key.data, '\0', rec->key.len))
        return;
    FUZZ_CHECK(wcow_pax_add(&out, key, rec->value, NULL) == WCOW_OK);
    /* Leading zeros, and "10 ..." where "9 ..." would do, are legal as well. */
    FUZZ_CHECK(out.len <= raw.len);
    FUZZ_CHECK(out.len < raw.len || memcmp(out.data, raw.data, raw.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wcow_cursor c = wcow_cursor_of(data, size);
    struct wcow_pax_record rec = {0};
    size_t start = 0;
    while (wcow_pax_next(&c, &rec, NULL) > 0) {
        time_round_trips(rec.value);
        record_round_trips(&rec, (struct wcow_bytes){.data = data + start, .len = c.pos - start});
        start = c.pos;
    }
    return 0;
}
