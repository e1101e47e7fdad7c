/* SPDX-License-Identifier: Apache-2.0 */
/* Records that are accepted and have no leading zeros in their lengths are written the same. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wcow_cursor c = wcow_cursor_of(data, size);
    struct wcow_pax_record rec = {0};
    for (;;) {
        size_t start = c.pos;
        if (wcow_pax_next(&c, &rec, NULL) <= 0)
            return 0;
        time_round_trips(rec.value);
        wcow_autobuf out = {0};
        wcow_autofree char *key = strndup((const char *)rec.key.data, rec.key.len);
        if (!key || memchr(rec.key.data, '\0', rec.key.len))
            continue;
        FUZZ_CHECK(wcow_pax_add(&out, key, rec.value, NULL) == WCOW_OK);
        if (data[start] != '0') {
            FUZZ_CHECK(out.len == c.pos - start);
            FUZZ_CHECK(memcmp(out.data, data + start, out.len) == 0);
        }
    }
}
