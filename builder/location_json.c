/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/location_json.h"

json_t *wcow_location_json(const struct wcow_line_range *where)
{
    return json_pack("{s:[{s:{s:i}, s:{s:i}}]}", "ranges", "start", "line", (int)where->first,
                     "end", "line", (int)where->last);
}
