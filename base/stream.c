/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stream.h"

int wcow_stream_copy(const struct wcow_source *from, const struct wcow_sink *to,
                     struct wcow_error *err)
{
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_source_next(from, &data, &len, err);
        if (r < 0 || len == 0)
            return r;
        r = wcow_sink_write(to, data, len, err);
        if (r < 0)
            return r;
    }
}
