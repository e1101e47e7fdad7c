/* SPDX-License-Identifier: Apache-2.0 */
/* A filter and, behind a NUL, the value of every field that has a name. What is accepted means the
 * same when it is said twice, as "or" and as "and". */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf.h"
#include "fuzz.h"
#include "snapshotter/filter.h"

static int value_of(const void *object, const char *const *path, size_t n_path,
                    const char **ret_value)
{
    *ret_value = object;
    return n_path > 1 || strcmp(path[0], "none") != 0;
}

/* 1, 0 or an error. */
static int answer_of(const struct wcow_filter *filter, const char *value)
{
    bool matches = false;
    int r = wcow_filter_match(filter, value_of, value, &matches, NULL);
    return r < 0 ? r : matches;
}

static int answer(const char *const *filters, size_t n, const char *value)
{
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = NULL;
    FUZZ_CHECK(wcow_filter_parse(filters, n, &filter, NULL) == WCOW_OK);
    return answer_of(filter, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
    size_t len = nul ? (size_t)(nul - data) : size;
    size_t value_len = nul ? size - len - 1 : 0;
    wcow_autofree char *text = size ? strndup((const char *)data, len) : NULL;
    wcow_autofree char *value = nul ? strndup((const char *)nul + 1, value_len) : strdup("");
    if (!text || !value || !wcow_utf8_is_valid(value, strlen(value)))
        return 0;
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = NULL;
    const char *const one = text;
    if (wcow_filter_parse(&one, 1, &filter, NULL) < 0)
        return 0;
    int first = answer_of(filter, value);
    const char *const twice[] = {text, text};
    FUZZ_CHECK(answer(twice, 2, value) == first);
    wcow_autobuf both = {0};
    if (!*text || 2 * len + 1 > WCOW_FILTER_MAX_BYTES)
        return 0;
    FUZZ_CHECK(wcow_buf_addf(&both, NULL, "%s,%s", text, text) == WCOW_OK);
    wcow_autofree char *and = wcow_buf_take_str(&both);
    FUZZ_CHECK(and);
    const char *const pair = and;
    FUZZ_CHECK(answer(&pair, 1, value) == first);
    return 0;
}
