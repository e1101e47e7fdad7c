/* SPDX-License-Identifier: Apache-2.0 */
/* What a COPY takes from a context, by what stat says of it: no file is opened. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "builder/copy.h"

enum {
    FLUSH_BYTES = 64 << 10, /* a hash costs less in large pieces */
    FILE_BYTES = 5 * 8,
};

struct stamper {
    struct wcow_context *context;
    struct wcow_ignore *exclude;
    struct wcow_hash *hash;
    struct wcow_buf waiting; /* to be hashed */
    int64_t latest_ns;
};

static void flush(struct stamper *s)
{
    if (s->waiting.len > 0)
        wcow_hash_add(s->hash, s->waiting.data, s->waiting.len);
    s->waiting.len = 0;
}

/* With its NUL, so that no two lists of texts are the same bytes. */
static int add_text(struct stamper *s, const char *text, struct wcow_error *err)
{
    return wcow_buf_add(&s->waiting, text, strlen(text) + 1, err);
}

static int64_t ns_of(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static int add_file(struct stamper *s, const struct stat *st, struct wcow_error *err)
{
    uint8_t bytes[FILE_BYTES];
    int64_t changed_ns = ns_of(&st->st_ctim);
    wcow_store_le64(bytes, st->st_dev);
    wcow_store_le64(bytes + 8, st->st_ino);
    wcow_store_le64(bytes + 16, (uint64_t)st->st_size);
    wcow_store_le64(bytes + 24, (uint64_t)ns_of(&st->st_mtim));
    wcow_store_le64(bytes + 32, (uint64_t)changed_ns);
    if (changed_ns > s->latest_ns)
        s->latest_ns = changed_ns;
    return wcow_buf_add(&s->waiting, bytes, sizeof(bytes), err);
}

/* Whether it leads to a directory depends on more than the link. */
static int add_link(struct stamper *s, const struct wcow_context_item *item, struct wcow_error *err)
{
    wcow_autofree char *target = NULL;
    bool is_dir = false;
    int r = wcow_context_link(s->context, item, &target, &is_dir, err);
    if (r == WCOW_OK)
        r = add_text(s, target, err);
    return r < 0 ? r : add_text(s, is_dir ? "directory" : "file", err);
}

/* A directory is its name; what is in it comes after it. */
static int add_item(void *arg, const struct wcow_context_item *item, const char *below,
                    struct wcow_error *err)
{
    (void)below;
    struct stamper *s = arg;
    const char *kind = S_ISDIR(item->st.st_mode) ? "d" : S_ISLNK(item->st.st_mode) ? "l" : "f";
    if (s->waiting.len >= FLUSH_BYTES)
        flush(s);
    int r = add_text(s, kind, err);
    if (r == WCOW_OK)
        r = add_text(s, item->path, err);
    if (r < 0 || S_ISDIR(item->st.st_mode))
        return r;
    return S_ISLNK(item->st.st_mode) ? add_link(s, item, err) : add_file(s, &item->st, err);
}

static int add_source(struct stamper *s, const char *source, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_context_item_done) struct wcow_context_item item = {0};
    int r = wcow_context_find(s->context, source, &item, err);
    if (r == WCOW_OK)
        r = add_text(s, source, err);
    if (r == WCOW_OK)
        r = add_item(s, &item, "", err);
    if (r < 0 || !S_ISDIR(item.st.st_mode))
        return r;
    return wcow_context_walk(s->context, item.path, s->exclude, add_item, s, err);
}

static int add_document(struct stamper *s, const struct wcow_heredoc *doc, struct wcow_error *err)
{
    uint8_t len[8];
    wcow_store_le64(len, doc->content_len);
    int r = add_text(s, doc->name, err);
    if (r == WCOW_OK)
        r = wcow_buf_add(&s->waiting, len, sizeof(len), err);
    return r < 0 ? r : wcow_buf_add(&s->waiting, doc->content, doc->content_len, err);
}

static int add_all(struct stamper *s, const struct wcow_copy *copy, struct wcow_error *err)
{
    wcow_auto_str_list sources = {0};
    int r = WCOW_OK;
    /* With --parents the patterns mean other paths: what they leave out is looked at, too. */
    if (copy->excludes.count > 0 && !copy->parents)
        r = wcow_ignore_new(copy->excludes.items, copy->excludes.count, &s->exclude, err);
    if (r == WCOW_OK)
        r = wcow_copy_sources(copy, s->context, &sources, NULL, err);
    for (size_t i = 0; r == WCOW_OK && i < sources.count; i++)
        r = add_source(s, sources.items[i], err);
    for (size_t i = 0; r == WCOW_OK && i < copy->content_count; i++)
        r = add_document(s, &copy->contents[i], err);
    flush(s);
    return r;
}

int wcow_copy_stamp(const struct wcow_copy *copy, struct wcow_context *context,
                    struct wcow_hash *hash, int64_t *ret_latest_ns, struct wcow_error *err)
{
    struct stamper s = {.context = context, .hash = hash};
    int r = add_all(&s, copy, err);
    wcow_ignore_free(s.exclude);
    wcow_buf_done(&s.waiting);
    if (r == WCOW_OK)
        *ret_latest_ns = s.latest_ns;
    return r;
}
