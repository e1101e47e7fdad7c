/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD. */
#include <string.h>

#include "builder/instructions_flags.h"
#include "builder/instructions_type.h"

enum copy_flag { CHOWN, CHMOD, LINK, EXCLUDE, FROM, PARENTS, ADD_ONLY, COPY_COUNT = ADD_ONLY };
enum add_flag { CHECKSUM = FROM, KEEP_GIT_DIR, UNPACK, ADD_COUNT };

static enum wcow_tristate tristate(const struct wcow_flag *flag)
{
    if (!flag->used)
        return WCOW_UNSET;
    return flag->is_true ? WCOW_YES : WCOW_NO;
}

static void set_common(const struct wcow_flag *flags, struct wcow_copy *copy)
{
    copy->chown = flags[CHOWN].value;
    copy->chmod = flags[CHMOD].value;
    copy->link = flags[LINK].is_true;
    copy->excludes = flags[EXCLUDE].list;
    copy->keep_git_dir = WCOW_UNSET;
    copy->unpack = WCOW_UNSET;
}

static int copy_flags(const struct wcow_typing *in, const struct wcow_node *node,
                      struct wcow_copy *copy)
{
    struct wcow_flag flags[COPY_COUNT] = {
        [CHOWN] = {.name = "chown", .type = WCOW_FLAG_STRING},
        [CHMOD] = {.name = "chmod", .type = WCOW_FLAG_STRING},
        [LINK] = {.name = "link", .type = WCOW_FLAG_BOOL},
        [EXCLUDE] = {.name = "exclude", .type = WCOW_FLAG_LIST},
        [FROM] = {.name = "from", .type = WCOW_FLAG_STRING},
        [PARENTS] = {.name = "parents", .type = WCOW_FLAG_BOOL},
    };
    int r = wcow_flags_read(node, in->arena, flags, COPY_COUNT, in->err);
    if (r != WCOW_OK)
        return r;
    set_common(flags, copy);
    copy->from = flags[FROM].value && *flags[FROM].value ? flags[FROM].value : NULL;
    copy->parents = flags[PARENTS].is_true;
    if (copy->from && strchr(copy->from, '$'))
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "variable expansion is not supported for --from, define a new stage with "
                         "FROM using ARG from global scope as a workaround");
    return WCOW_OK;
}

static int add_flags(const struct wcow_typing *in, const struct wcow_node *node,
                     struct wcow_copy *copy)
{
    struct wcow_flag flags[ADD_COUNT] = {
        [CHOWN] = {.name = "chown", .type = WCOW_FLAG_STRING},
        [CHMOD] = {.name = "chmod", .type = WCOW_FLAG_STRING},
        [LINK] = {.name = "link", .type = WCOW_FLAG_BOOL},
        [EXCLUDE] = {.name = "exclude", .type = WCOW_FLAG_LIST},
        [CHECKSUM] = {.name = "checksum", .type = WCOW_FLAG_STRING},
        [KEEP_GIT_DIR] = {.name = "keep-git-dir", .type = WCOW_FLAG_BOOL},
        [UNPACK] = {.name = "unpack", .type = WCOW_FLAG_BOOL},
    };
    int r = wcow_flags_read(node, in->arena, flags, ADD_COUNT, in->err);
    if (r != WCOW_OK)
        return r;
    set_common(flags, copy);
    copy->checksum = flags[CHECKSUM].value;
    copy->keep_git_dir = tristate(&flags[KEEP_GIT_DIR]);
    copy->unpack = tristate(&flags[UNPACK]);
    return WCOW_OK;
}

/* The here-document of @p word among the node's that are not taken yet; NULL when there is none. */
static const struct wcow_heredoc *find_heredoc(const struct wcow_node *node,
                                               const struct wcow_heredoc *wanted, size_t *next)
{
    for (size_t i = *next; i < node->heredoc_count; i++) {
        if (strcmp(node->heredocs[i].name, wanted->name) == 0) {
            *next = i + 1;
            return &node->heredocs[i];
        }
    }
    return NULL;
}

struct sources {
    struct wcow_heredoc *contents;
    size_t content_count;
    size_t next_heredoc;
};

static int add_source(const struct wcow_typing *in, const struct wcow_node *node, const char *word,
                      struct sources *sources, struct wcow_copy *copy)
{
    bool found = false;
    struct wcow_heredoc wanted = {0};
    /* A word with a quote that has no end is a path like others. */
    if (node->heredoc_count > 0 &&
        wcow_heredoc_of_word(word, in->escape, in->arena, &found, &wanted, NULL) == WCOW_OK &&
        found) {
        const struct wcow_heredoc *doc = find_heredoc(node, &wanted, &sources->next_heredoc);
        if (doc)
            return wcow_heredoc_strip(doc, in->arena, &sources->contents[sources->content_count++],
                                      in->err);
    }
    return wcow_strings_add(in->arena, &copy->sources, word, in->err);
}

static int check_dest(const struct wcow_typing *in, const struct wcow_node *node, const char *name,
                      const char *dest)
{
    bool found = false;
    struct wcow_heredoc doc = {0};
    if (node->form == WCOW_FORM_JSON ||
        wcow_heredoc_of_word(dest, in->escape, in->arena, &found, &doc, NULL) != WCOW_OK || !found)
        return WCOW_OK;
    return WCOW_FAIL(in->err, WCOW_E_INVALID,
                     "%s cannot accept a heredoc as a destination: write %s <<%s PATH", name, name,
                     doc.name);
}

int wcow_type_copy(const struct wcow_typing *in, const struct wcow_node *node,
                   struct wcow_instruction *ret)
{
    const char *name = wcow_instruction_name(ret->kind);
    struct wcow_copy *copy = &ret->copy;
    size_t count = node->args.count;
    if (count < 2)
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "%s requires at least two arguments, but only %s was provided. "
                         "Destination could not be determined",
                         name, count == 1 ? "one" : "none");
    int r = ret->kind == WCOW_INS_COPY ? copy_flags(in, node, copy) : add_flags(in, node, copy);
    if (r != WCOW_OK)
        return r;
    copy->dest = node->args.items[count - 1];
    r = check_dest(in, node, name, copy->dest);
    struct sources sources = {0};
    sources.contents = wcow_arena_alloc(in->arena, node->heredoc_count * sizeof *sources.contents);
    if (r == WCOW_OK && !sources.contents)
        r = WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    for (size_t i = 0; i + 1 < count && r == WCOW_OK; i++)
        r = add_source(in, node, node->args.items[i], &sources, copy);
    copy->contents = sources.contents;
    copy->content_count = sources.content_count;
    return r;
}
