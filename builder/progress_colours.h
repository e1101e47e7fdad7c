/* SPDX-License-Identifier: Apache-2.0 */
/** @file progress_colours.h
 *  The colours of the display on a terminal, which BUILDKIT_COLORS chooses as it does for docker
 *  buildx: "run=green:warning=yellow:error=red:cancel=255,165,0". */
#ifndef WCOW_BUILDER_PROGRESS_COLOURS_H
#define WCOW_BUILDER_PROGRESS_COLOURS_H

#include <stdbool.h>

enum wcow_progress_colour {
    WCOW_COLOUR_RUN, /**< of steps that are done */
    WCOW_COLOUR_CANCEL,
    WCOW_COLOUR_ERROR,
    WCOW_COLOUR_WARNING,
    WCOW_COLOUR_COUNT,
};

struct wcow_progress_colours {
    char codes[WCOW_COLOUR_COUNT][16]; /**< what switches them on */
    char odd[64];                      /**< the first component that means nothing; "": none */
};

/** @param text  of BUILDKIT_COLORS; NULL for the colours that there are without it. What means
 *               nothing in it changes nothing. */
struct wcow_progress_colours wcow_progress_colours_of(const char *text);

#endif
