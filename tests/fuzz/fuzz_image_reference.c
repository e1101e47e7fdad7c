/* SPDX-License-Identifier: Apache-2.0 */
/* Names, platforms, WWW-Authenticate headers and hosts.toml. Links wcow_image. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/challenge.h"
#include "image/platform.h"
#include "image/reference.h"
#include "image/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_reference(const char *text)
{
    struct wcow_reference first;
    struct wcow_reference second;
    wcow_autobuf full = {0};
    struct wcow_error err = {0};
    if (wcow_reference_parse(text, &first, &err) < 0)
        return;
    if (wcow_reference_format(&first, &full, &err) < 0 ||
        wcow_reference_parse((const char *)full.data, &second, &err) < 0 ||
        memcmp(&first, &second, sizeof(first)) != 0)
        abort();
    (void)wcow_host_is_loopback(first.host);
}

static void try_platform(const char *text)
{
    struct wcow_platform first;
    struct wcow_platform second;
    wcow_autobuf full = {0};
    struct wcow_error err = {0};
    if (wcow_platform_parse(text, &first, &err) < 0)
        return;
    if (wcow_platform_format(&first, &full, &err) < 0 ||
        wcow_platform_parse((const char *)full.data, &second, &err) < 0 ||
        !wcow_platform_matches(&first, &second))
        abort();
}

static int on_value(void *ctx, const struct wcow_str_list *path,
                    const struct wcow_toml_value *value, struct wcow_error *err)
{
    (void)err;
    size_t *seen = ctx;
    *seen += path->count;
    if (value && value->type == WCOW_TOML_STRING)
        *seen += strlen(value->string);
    return WCOW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    try_reference(text);
    try_platform(text);
    wcow_auto_challenge challenge = {0};
    char *items[] = {text, NULL};
    const struct wcow_str_list headers = {.items = items, .count = 1};
    (void)!wcow_challenge_choose(&headers, &challenge, NULL);
    size_t seen = 0;
    (void)!wcow_toml_read(text, on_value, &seen, NULL);
    free(text);
    return 0;
}
