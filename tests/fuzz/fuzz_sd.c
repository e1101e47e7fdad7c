/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor that is accepted can be inherited from, and its text gives the same text again. */
#include <string.h>

#include "fuzz.h"
#include "layer/sd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (wcow_sd_check(data, size, NULL) < 0)
        return 0;
    struct wcow_bytes parent = {.data = data, .len = size};
    struct wcow_bytes none = {0};
    for (int is_dir = 0; is_dir < 2; is_dir++) {
        wcow_autobuf child = {0};
        if (wcow_sd_inherit(parent, none, none, is_dir, &child, NULL) == WCOW_OK)
            FUZZ_CHECK(wcow_sd_check(child.data, child.len, NULL) == WCOW_OK);
    }
    wcow_autobuf text = {0};
    if (wcow_sd_to_sddl(data, size, &text, NULL) < 0 || !text.len)
        return 0;
    wcow_autobuf sd = {0};
    wcow_autobuf again = {0};
    if (wcow_sd_of_sddl((const char *)text.data, &sd, NULL) < 0)
        return 0; /* flags of a DACL that is not there, and the like */
    FUZZ_CHECK(wcow_sd_to_sddl(sd.data, sd.len, &again, NULL) == WCOW_OK);
    FUZZ_CHECK(strcmp((const char *)text.data, (const char *)again.data) == 0);
    return 0;
}
