/* SPDX-License-Identifier: Apache-2.0 */
/** @file location_json.h
 *  Lines of a Dockerfile in the JSON of `--call`, as BuildKit's subrequests write them. */
#ifndef WCOW_BUILDER_LOCATION_JSON_H
#define WCOW_BUILDER_LOCATION_JSON_H

#include <jansson.h>

#include "builder/dockerfile.h"

/** {"ranges": [{"start": {"line": 1}, "end": {"line": 2}}]}.
 *  @return for the caller to release; NULL when memory is short */
json_t *wcow_location_json(const struct wcow_line_range *where);

#endif
