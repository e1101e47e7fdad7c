/* SPDX-License-Identifier: Apache-2.0 */
/* Text that is accepted gives a well-formed descriptor. */
#include <string.h>

#include "fuzz.h"
#include "layer/sd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wcow_autofree char *text = strndup((const char *)data, size);
    wcow_autobuf sd = {0};
    wcow_autobuf back = {0};
    if (!text || wcow_sd_of_sddl(text, &sd, NULL) < 0)
        return 0;
    FUZZ_CHECK(wcow_sd_check(sd.data, sd.len, NULL) == WCOW_OK);
    FUZZ_TRY(wcow_sd_to_sddl(sd.data, sd.len, &back, NULL));
    return 0;
}
