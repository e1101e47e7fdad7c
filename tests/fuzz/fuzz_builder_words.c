/* SPDX-License-Identifier: Apache-2.0 */
/* One word, expanded and split under both escape characters. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "builder/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(char escape, const char *word, const struct wcow_env *env)
{
    struct wcow_arena arena = {0};
    struct wcow_lexer lexer = wcow_lexer_of(escape, env);
    const char *text = NULL;
    struct wcow_strings words = {0};
    if (wcow_words_expand(&lexer, word, &arena, &text, NULL) != WCOW_OK)
        text = NULL;
    lexer.heredoc = true;
    if (wcow_words_expand(&lexer, word, &arena, &text, NULL) != WCOW_OK)
        text = NULL;
    lexer.heredoc = false;
    lexer.keep_unset = true;
    if (wcow_words_split(&lexer, word, &arena, &words, NULL) != WCOW_OK)
        words.count = 0;
    wcow_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wcow_env env = {.ignore_case = true};
    char *word = malloc(size + 1);
    if (word && wcow_env_set_pair(&env, "a=one two", NULL) == WCOW_OK &&
        wcow_env_set_pair(&env, "PATH=c:\\x;c:\\y", NULL) == WCOW_OK) {
        memcpy(word, data, size);
        word[size] = '\0';
        try('\\', word, &env);
        try('`', word, &env);
    }
    free(word);
    wcow_env_done(&env);
    return 0;
}
