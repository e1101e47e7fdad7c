/* SPDX-License-Identifier: Apache-2.0 */
/* A target that is read can be written and read again. */
#include <string.h>

#include "fuzz.h"
#include "layer/reparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t tag = 0;
    wcow_autofree char *target = NULL;
    if (wcow_reparse_decode(data, size, &tag, &target, NULL) < 0)
        return 0;
    wcow_autofree char *posix = NULL;
    FUZZ_CHECK(wcow_reparse_posix_target("Files/a/b/link", target, &posix, NULL) == WCOW_OK);
    FUZZ_CHECK(!posix || posix[0] != '/');
    wcow_autobuf out = {0};
    if (wcow_reparse_encode(tag, target, &out, NULL) < 0)
        return 0; /* too long with both names */
    uint32_t tag_again = 0;
    wcow_autofree char *again = NULL;
    FUZZ_CHECK(wcow_reparse_decode(out.data, out.len, &tag_again, &again, NULL) == WCOW_OK);
    FUZZ_CHECK(tag == tag_again && strcmp(target, again) == 0);
    return 0;
}
