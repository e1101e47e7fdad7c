/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/heredoc.h"

#include <limits.h>
#include <string.h>

#include "builder/words.h"
#include "builder/words_text.h"

/* The parts of `^(\d*)<<(-?)\s*([^<]*)$`; false where the word has another form. */
static bool cut_word(const char *word, struct wcow_heredoc *ret, const char **ret_tag)
{
    unsigned fd = 0;
    for (; wcow_text_is_digit((unsigned char)*word); word++) {
        unsigned digit = (unsigned)(*word - '0');
        fd = fd > (UINT_MAX - digit) / 10 ? UINT_MAX : fd * 10 + digit;
    }
    if (strncmp(word, "<<", 2) != 0)
        return false;
    word += 2;
    bool strip_tabs = *word == '-';
    word += strip_tabs;
    while (wcow_text_is_blank(*word) || *word == '\n')
        word++;
    if (*word == '\0' || strchr(word, '<'))
        return false;
    *ret = (struct wcow_heredoc){.fd = fd, .strip_tabs = strip_tabs, .content = ""};
    *ret_tag = word;
    return true;
}

static size_t count_quotes(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\'' || *text == '"';
    return count;
}

int wcow_heredoc_of_word(const char *word, char escape, struct wcow_arena *arena, bool *ret_found,
                         struct wcow_heredoc *ret, struct wcow_error *err)
{
    struct wcow_heredoc doc = {0};
    const char *tag = NULL;
    *ret_found = false;
    if (!cut_word(word, &doc, &tag))
        return WCOW_OK;
    /* Read with quotes taken off and with quotes kept: where the two differ, the tag is quoted. */
    struct wcow_lexer lexer = {.escape = escape, .keep_unset = true};
    struct wcow_strings bare = {0};
    struct wcow_strings quoted = {0};
    int r = wcow_words_split(&lexer, tag, arena, &bare, err);
    lexer.keep_quotes = true;
    if (r == WCOW_OK)
        r = wcow_words_split(&lexer, tag, arena, &quoted, err);
    if (r != WCOW_OK || bare.count != 1 || quoted.count != 1)
        return r;
    doc.name = bare.items[0];
    doc.expand = count_quotes(bare.items[0]) == count_quotes(quoted.items[0]);
    *ret = doc;
    *ret_found = true;
    return WCOW_OK;
}

int wcow_heredocs_of_line(const char *line, char escape, struct wcow_arena *arena,
                          struct wcow_heredoc **ret, size_t *ret_count, struct wcow_error *err)
{
    *ret = NULL;
    *ret_count = 0;
    struct wcow_lexer lexer = {
        .escape = escape, .keep_quotes = true, .keep_escapes = true, .keep_unset = true};
    struct wcow_strings words = {0};
    /* A line that the lexer cannot read (an open quote, say) is the shell's business: it has none.
     */
    if (!strstr(line, "<<") || wcow_words_split(&lexer, line, arena, &words, NULL) != WCOW_OK)
        return WCOW_OK;
    size_t room = words.count < WCOW_HEREDOC_MAX_COUNT ? words.count : WCOW_HEREDOC_MAX_COUNT;
    struct wcow_heredoc *docs = wcow_arena_alloc(arena, room * sizeof *docs);
    if (!docs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    size_t count = 0;
    for (size_t i = 0; i < words.count; i++) {
        bool found = false;
        struct wcow_heredoc doc = {0};
        int r = wcow_heredoc_of_word(words.items[i], escape, arena, &found, &doc, err);
        if (r != WCOW_OK)
            return r;
        if (found && count == room)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d here-documents on one line",
                             WCOW_HEREDOC_MAX_COUNT);
        if (found)
            docs[count++] = doc;
    }
    *ret = count ? docs : NULL;
    *ret_count = count;
    return WCOW_OK;
}

bool wcow_heredoc_ends(const struct wcow_heredoc *heredoc, const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    while (heredoc->strip_tabs && len > 0 && *line == '\t') {
        line++;
        len--;
    }
    return len == strlen(heredoc->name) && memcmp(line, heredoc->name, len) == 0;
}

int wcow_heredoc_strip(const struct wcow_heredoc *heredoc, struct wcow_arena *arena,
                       struct wcow_heredoc *ret, struct wcow_error *err)
{
    if (!heredoc->strip_tabs) {
        *ret = *heredoc;
        return WCOW_OK;
    }
    char *content = wcow_arena_alloc(arena, heredoc->content_len + 1);
    if (!content)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    size_t len = 0;
    bool line_start = true;
    for (size_t i = 0; i < heredoc->content_len; i++) {
        char c = heredoc->content[i];
        if (line_start && c == '\t')
            continue;
        content[len++] = c;
        line_start = c == '\n';
    }
    *ret = *heredoc;
    ret->content = content;
    ret->content_len = len;
    return WCOW_OK;
}
