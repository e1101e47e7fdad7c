/* SPDX-License-Identifier: Apache-2.0 */
/** @file heredoc.h
 *  Here-documents: `RUN <<EOF`, `COPY <<-"a.txt" <<b.txt C:/`. */
#ifndef WCOW_BUILDER_HEREDOC_H
#define WCOW_BUILDER_HEREDOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "builder/dockerfile_arena.h"

enum { WCOW_HEREDOC_MAX_COUNT = 1000 }; /**< on one line */

struct wcow_heredoc {
    const char *name;    /**< the tag without its quotes */
    unsigned fd;         /**< the number before <<, 0 when none */
    bool expand;         /**< the tag was not quoted: variables in the content are expanded */
    bool strip_tabs;     /**< `<<-`: leading tabs of each line do not belong to the content */
    const char *content; /**< line breaks as written, CRLF included; NUL-terminated */
    size_t content_len;
};

/** Whether a word is `<<TAG`: then @p ret is filled, without a content. A word of another form is
 * no error; a quote in the tag without its end is. */
WCOW_NODISCARD int wcow_heredoc_of_word(const char *word, char escape, struct wcow_arena *arena,
                                        bool *ret_found, struct wcow_heredoc *ret,
                                        struct wcow_error *err);
/** All of a logical line, in order; *ret is NULL where there is none. */
WCOW_NODISCARD int wcow_heredocs_of_line(const char *line, char escape, struct wcow_arena *arena,
                                         struct wcow_heredoc **ret, size_t *ret_count,
                                         struct wcow_error *err);
/** Whether @p line (line break and all) ends the here-document. */
bool wcow_heredoc_ends(const struct wcow_heredoc *heredoc, const char *line, size_t len);
/** @p heredoc with the tabs that begin its lines stripped where `<<-` asks for it; else as it is.
 */
WCOW_NODISCARD int wcow_heredoc_strip(const struct wcow_heredoc *heredoc, struct wcow_arena *arena,
                                      struct wcow_heredoc *ret, struct wcow_error *err);

#endif
