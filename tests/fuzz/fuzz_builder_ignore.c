/* SPDX-License-Identifier: Apache-2.0 */
/* A path on the first line, a .dockerignore behind it: a walk must agree with a single question. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "builder/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    struct wcow_ignore *ignore = NULL;
    if (!end || memchr(data, '\0', (size_t)(end - data)))
        return 0;
    size_t rest = size - (size_t)(end - data) - 1;
    if (wcow_ignore_parse(end + 1, rest, &ignore, NULL) != WCOW_OK)
        return 0;
    char *path = strndup((const char *)data, (size_t)(end - data));
    if (path) {
        bool excluded = wcow_ignore_matches(ignore, path);
        if (excluded != wcow_ignore_excludes(ignore, NULL, path))
            abort();
        (void)wcow_ignore_may_contain(ignore, path);
    }
    free(path);
    wcow_ignore_free(ignore);
    return 0;
}
