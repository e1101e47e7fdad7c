/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/progress_colours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Numbers of ECMA-48's Select Graphic Rendition. */
static const struct {
    const char *name;
    int number;
} named[] = {
    {"default", 39},      {"black", 30},       {"red", 31},           {"green", 32},
    {"yellow", 33},       {"blue", 34},        {"magenta", 35},       {"cyan", 36},
    {"white", 37},        {"light-black", 90}, {"light-red", 91},     {"light-green", 92},
    {"light-yellow", 93}, {"light-blue", 94},  {"light-magenta", 95}, {"light-cyan", 96},
    {"light-white", 97},
};

static const char *const keys[WCOW_COLOUR_COUNT] = {
    [WCOW_COLOUR_RUN] = "run",
    [WCOW_COLOUR_CANCEL] = "cancel",
    [WCOW_COLOUR_ERROR] = "error",
    [WCOW_COLOUR_WARNING] = "warning",
};

/* Red, green and blue, each 0 to 255, as the nearest of a terminal's 216. */
static bool read_rgb(const char *value, char *to, size_t size)
{
    long parts[3];
    const char *p = value;
    for (size_t i = 0; i < 3; i++) {
        char *end = NULL;
        parts[i] = strtol(p, &end, 10);
        if (end == p || *end != (i < 2 ? ',' : '\0') || parts[i] < 0 || parts[i] > 255)
            return false;
        p = end + 1;
    }
    const long number = 16 + parts[0] / 43 * 36 + parts[1] / 43 * 6 + parts[2] / 43;
    (void)snprintf(to, size, "\033[38;5;%hhum", (unsigned char)number); /* 231 at most */
    return true;
}

static bool read_value(const char *value, char *to, size_t size)
{
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (strcasecmp(named[i].name, value) != 0)
            continue;
        (void)snprintf(to, size, "\033[%dm", named[i].number);
        return true;
    }
    return read_rgb(value, to, size);
}

static bool read_component(const char *text, struct wcow_progress_colours *colours)
{
    const char *equals = strchr(text, '=');
    for (size_t i = 0; equals && i < WCOW_COLOUR_COUNT; i++) {
        size_t len = strlen(keys[i]);
        if ((size_t)(equals - text) == len && strncasecmp(text, keys[i], len) == 0)
            return read_value(equals + 1, colours->codes[i], sizeof(colours->codes[i]));
    }
    return false;
}

struct wcow_progress_colours wcow_progress_colours_of(const char *text)
{
    struct wcow_progress_colours colours = {.codes = {[WCOW_COLOUR_RUN] = "\033[34m",
                                                      [WCOW_COLOUR_CANCEL] = "\033[33m",
                                                      [WCOW_COLOUR_ERROR] = "\033[31m",
                                                      [WCOW_COLOUR_WARNING] = "\033[33m"}};
    while (text && *text) {
        char component[64];
        size_t len = strcspn(text, ":");
        (void)snprintf(component, sizeof(component), "%.*s", (int)(len < 63 ? len : 63), text);
        bool is_odd = len && !read_component(component, &colours);
        if (is_odd && !colours.odd[0])
            memcpy(colours.odd, component, strlen(component) + 1);
        text += len;
        text += *text == ':';
    }
    return colours;
}
