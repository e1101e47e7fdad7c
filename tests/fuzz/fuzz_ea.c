/* SPDX-License-Identifier: Apache-2.0 */
/* A list that is read can be written and read again. */
#include <string.h>

#include "fuzz.h"
#include "layer/ea.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wcow_autoentry e = {0};
    if (wcow_ea_decode(data, size, &e, NULL) < 0)
        return 0;
    wcow_autobuf out = {0};
    wcow_autoentry again = {0};
    FUZZ_CHECK(wcow_ea_encode(&e, &out, NULL) == WCOW_OK);
    FUZZ_CHECK(wcow_ea_decode(out.data, out.len, &again, NULL) == WCOW_OK);
    FUZZ_CHECK(e.n_eas == again.n_eas);
    for (size_t i = 0; i < e.n_eas; i++) {
        FUZZ_CHECK(strcmp(e.eas[i].name, again.eas[i].name) == 0);
        FUZZ_CHECK(e.eas[i].len_bytes == again.eas[i].len_bytes);
    }
    return 0;
}
