/* SPDX-License-Identifier: Apache-2.0 */
/** @file config_json.h
 *  Private to image/config*.c: how a config is held. */
#ifndef WCOW_IMAGE_CONFIG_JSON_H
#define WCOW_IMAGE_CONFIG_JSON_H

#include "image/config.h"
#include "image/json.h"

/** The document itself. Types of all known fields were checked when it was read, so that the
 *  getters cannot fail on them. */
struct wcow_image_config {
    json_t *root;
};

/** Check the types within the "config" object. */
WCOW_NODISCARD int wcow_config_check_fields(json_t *root, struct wcow_error *err);
/** The "config" object with its fields and those of its Healthcheck in order, or NULL. */
json_t *wcow_config_ordered_fields(json_t *fields);

#endif
