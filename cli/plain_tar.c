/* SPDX-License-Identifier: Apache-2.0 */
/* As an ordinary tar: no records of Windows, and modes that Linux can use. */
#include <stdio.h>
#include <string.h>

#include "cli/plain.h"
#include "layer/tar_writer.h"

/* The mode and the checksum of a header block (POSIX.1-2017, pax, "ustar Interchange Format"). */
enum { MODE_AT = 100, MODE_LEN = 8, SUM_AT = 148, SUM_LEN = 8 };

/* A layer's headers have no permissions: put them into the last block. */
static int write_header(struct wcow_tar_output *out, const struct wcow_entry *entry, unsigned mode,
                        struct wcow_error *err)
{
    wcow_autobuf header = {0};
    int r = wcow_tar_write_header(entry, &header, err);
    if (r < 0)
        return r;
    uint8_t *block = header.data + header.len - WCOW_TAR_BLOCK;
    char text[MODE_LEN + 1];
    (void)snprintf(text, sizeof(text), "%07o", mode);
    memcpy(block + MODE_AT, text, MODE_LEN);
    memset(block + SUM_AT, ' ', SUM_LEN);
    unsigned sum = 0;
    for (size_t i = 0; i < WCOW_TAR_BLOCK; i++)
        sum += block[i];
    (void)snprintf(text, sizeof(text), "%06o", sum);
    memcpy(block + SUM_AT, text, SUM_LEN - 1);
    const struct wcow_sink sink = wcow_tar_output_sink(out);
    return wcow_sink_write(&sink, header.data, header.len, err);
}

/* An entry's strings are not const, but nobody writes through a borrowed one. */
static char *borrow(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    return u.out;
}

/* @param entry whose kind, size and times count */
static struct wcow_entry plain_entry(const char *name, const char *link,
                                     const struct wcow_entry *entry, enum wcow_entry_type type)
{
    return (struct wcow_entry){.type = type,
                               .name = borrow(name),
                               .link = borrow(link),
                               .size_bytes = type == WCOW_ENTRY_FILE ? entry->size_bytes : 0,
                               .mtime = entry->mtime,
                               .atime = entry->mtime,
                               .ctime = entry->mtime,
                               .creation = entry->mtime};
}

static int write_dir(void *ctx, const char *name, const struct wcow_entry *entry,
                     struct wcow_error *err)
{
    const struct wcow_entry e = plain_entry(name, NULL, entry, WCOW_ENTRY_DIR);
    return write_header(ctx, &e, 0755, err);
}

static int write_file(void *ctx, const char *name, const struct wcow_entry *entry,
                      const struct wcow_source *data, struct wcow_error *err)
{
    const struct wcow_entry e = plain_entry(name, NULL, entry, WCOW_ENTRY_FILE);
    const struct wcow_sink sink = wcow_tar_output_sink(ctx);
    int r = write_header(ctx, &e, entry->attributes & WCOW_ATTR_READONLY ? 0444 : 0644, err);
    uint64_t n = 0;
    while (r == WCOW_OK) {
        const uint8_t *p = NULL;
        size_t len = 0;
        r = wcow_source_next(data, &p, &len, err);
        if (r < 0 || len == 0)
            break;
        n += len;
        r = wcow_sink_write(&sink, p, len, err);
    }
    if (r == WCOW_OK && n != e.size_bytes)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "it has %llu bytes, not %llu",
                         (unsigned long long)n, (unsigned long long)e.size_bytes);
    return r < 0 ? r : wcow_tar_output_pad(ctx, e.size_bytes, err);
}

static int write_link(void *ctx, const char *name, const char *target,
                      const struct wcow_entry *entry, struct wcow_error *err)
{
    const struct wcow_entry e = plain_entry(name, target, entry, WCOW_ENTRY_REPARSE);
    return write_header(ctx, &e, 0777, err);
}

static int write_hard_link(void *ctx, const char *name, const char *first,
                           const struct wcow_entry *entry, struct wcow_error *err)
{
    const struct wcow_entry e = plain_entry(name, first, entry, WCOW_ENTRY_HARDLINK);
    return write_header(ctx, &e, 0644, err);
}

int wcow_plain_write(const struct wcow_target *target, const char *path,
                     struct wcow_tar_output *out, struct wcow_plain_count *ret,
                     struct wcow_error *err)
{
    static const struct wcow_plain_ops ops = {
        .dir = write_dir, .file = write_file, .link = write_link, .hard_link = write_hard_link};
    int r = wcow_plain_walk(target, path, &ops, out, ret, err);
    return r < 0 ? r : wcow_tar_output_end(out, err);
}
