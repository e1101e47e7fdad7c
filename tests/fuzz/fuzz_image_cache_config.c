/* SPDX-License-Identifier: Apache-2.0 */
/* Cache configs of --cache-from: whatever is read is written and read again as the same. */
#include "image/cache_config.h"

#include <stdlib.h>

#include "fuzz.h"

static void check_again(const struct wcow_cache_config *config)
{
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config again = {0};
    wcow_autobuf text = {0};
    if (wcow_cache_config_write(config, &text, NULL) < 0)
        return; /* a time that has no RFC 3339 form */
    if (text.len > WCOW_CACHE_CONFIG_MAX_BYTES)
        return;
    if (wcow_cache_config_parse(text.data, text.len, &again, NULL) < 0 ||
        again.n_layers != config->n_layers || again.n_records != config->n_records)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config records = {0};
    if (wcow_cache_config_parse(data, size, &config, NULL) == WCOW_OK)
        check_again(&config);
    (void)!wcow_cache_config_parse_records(data, size, 3, &records, NULL);
    return 0;
}
