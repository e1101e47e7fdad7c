/* SPDX-License-Identifier: Apache-2.0 */
/* mklayer base|update: writes a layer tar of a small Windows-like image to standard output, in the
 * dialect that real Windows layers have on the wire. The same arguments give the same bytes. What
 * it holds is in tree.c; scripts/mkimage makes images of such layers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/sd.h"
#include "layer/tar_writer.h"
#include "tree.h"

enum { MAX_ITEMS = 20000, TEXT_LEN = 160, COMPONENTS_MAX = 2000 };
/* 2024-02-01, in units of 100 ns since 1601. */
#define CLOCK UINT64_C(133512192000000000)
#define DAY   UINT64_C(864000000000)

struct items {
    struct tree_item *list;
    char (*texts)[TEXT_LEN]; /* names of the generated ones */
    size_t n;
    size_t n_texts;
};

static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(1099511628211);
    return h;
}

/* Walk order: a directory, then what it holds by bytes; a stream right after its file. */
static int walk_rank(char c)
{
    if (c == '\0')
        return 0;
    if (c == ':')
        return 1;
    return c == '/' ? 2 : (uint8_t)c;
}

static int by_walk(const void *a, const void *b)
{
    const struct tree_item *x = a;
    const struct tree_item *y = b;
    const char *p = x->path;
    const char *q = y->path;
    while (*p && *p == *q) {
        p++;
        q++;
    }
    return walk_rank(*p) - walk_rank(*q);
}

static const char *folder_name(struct items *items, unsigned i)
{
    char *text = items->texts[items->n_texts++];
    (void)snprintf(text, TEXT_LEN,
                   "Files/Windows/WinSxS/amd64_component%03u_31bf3856ad364e35_10.0.20348.%u_none",
                   i, i * 37 % 4000);
    return text;
}

static const char *file_name(struct items *items, const char *dir, unsigned i)
{
    char *text = items->texts[items->n_texts++];
    (void)snprintf(text, TEXT_LEN, "%s/component%03u.dll", dir, i);
    return text;
}

/* Components as in WinSxS: a folder, its manifest, and a second name of a file in System32. */
static void add_component(struct items *items, unsigned i)
{
    const char *dir = folder_name(items, i);
    const char *file = file_name(items, "Files/Windows/System32", i);
    const char *link = file_name(items, dir, i);
    items->list[items->n++] = (struct tree_item){
        .type = WCOW_ENTRY_DIR, .path = dir, .attributes = WCOW_ATTR_DIRECTORY, .sd = SD_SYSTEM};
    items->list[items->n++] = (struct tree_item){.type = WCOW_ENTRY_FILE,
                                                 .path = file,
                                                 .attributes = WCOW_ATTR_ARCHIVE,
                                                 .sd = SD_SYSTEM,
                                                 .data = DATA_PROGRAM,
                                                 .size_bytes = 2048 + hash_of(file) % 8192,
                                                 .catalog_hint = i % 3 == 0};
    items->list[items->n++] = (struct tree_item){
        .type = WCOW_ENTRY_HARDLINK, .path = link, .attributes = WCOW_ATTR_ARCHIVE, .text = file};
}

static int collect(const struct tree_item *from, unsigned components, struct items *items,
                   struct wcow_error *err)
{
    items->list = calloc(MAX_ITEMS, sizeof(*items->list));
    items->texts = calloc((size_t)COMPONENTS_MAX * 3, sizeof(*items->texts));
    if (!items->list || !items->texts)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory");
    for (; from->path; from++)
        items->list[items->n++] = *from;
    for (unsigned i = 0; i < components; i++)
        add_component(items, i);
    qsort(items->list, items->n, sizeof(*items->list), by_walk);
    return WCOW_OK;
}

/* Bytes that pack about as programs do: runs of code-like words, tables, zeros. */
static int program_bytes(const struct tree_item *item, struct wcow_buf *out, struct wcow_error *err)
{
    uint8_t *p;
    int r = wcow_buf_reserve(out, item->size_bytes, &p, err);
    if (r < 0)
        return r;
    uint64_t x = hash_of(item->path) | 1;
    for (uint32_t i = 0; i < item->size_bytes; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bool zero = (i >> 8) % 5 == 0;
        p[i] = zero ? 0 : (uint8_t)(x % 7 < 4 ? 0x48 + x % 5 : x >> 32);
    }
    p[0] = 'M';
    p[1] = 'Z';
    out->len += item->size_bytes;
    return WCOW_OK;
}

static int content(const struct tree_item *item, struct wcow_buf *out, struct wcow_error *err)
{
    if (item->type != WCOW_ENTRY_FILE && item->type != WCOW_ENTRY_STREAM)
        return WCOW_OK;
    switch (item->data) {
    case DATA_TEXT:
        return wcow_buf_add_str(out, item->text, err);
    case DATA_PROGRAM:
        return program_bytes(item, out, err);
    case DATA_HIVE:
        return tree_hive(item->text, out, err);
    }
    return WCOW_FAIL(err, WCOW_E_INTERNAL, "%s: unknown content", item->path);
}

static void set_times(struct wcow_entry *e)
{
    uint64_t h = hash_of(e->name);
    e->mtime = CLOCK - h % (300 * DAY);
    if (h % 16 == 0) /* now and then a whole second, which needs no record */
        e->mtime -= e->mtime % 10000000;
    e->creation = h % 3 == 0 ? e->mtime : CLOCK - h % (500 * DAY);
    e->atime = CLOCK + h % DAY;
    e->ctime = e->mtime;
    e->has |= WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME;
}

static int set_security(const struct tree_item *item, struct wcow_entry *e, struct wcow_error *err)
{
    const char *sddl = tree_sddl(item->sd, item->type == WCOW_ENTRY_DIR || item->junction);
    if (!sddl)
        return WCOW_OK;
    wcow_autobuf sd = {0};
    int r = wcow_sd_of_sddl(sddl, &sd, err);
    if (r < 0)
        return r;
    e->has |= WCOW_HAS_RAWSD;
    return wcow_entry_set_sd(e, sd.data, sd.len, err);
}

static int set_eas(const struct tree_item *item, struct wcow_entry *e, struct wcow_error *err)
{
    if (!item->catalog_hint)
        return WCOW_OK;
    static const char hint[] =
        "\x01\x00\x3dPackage_1_for_wcow~31bf3856ad364e35~amd64~~20348.1.1.cat";
    uint8_t purge[32] = {0};
    wcow_store_le32(purge, 0x20);
    wcow_store_le64(purge + 8, hash_of(item->path));
    int r = wcow_entry_add_ea(e, "$CI.CATALOGHINT", hint, sizeof(hint) - 1, err);
    if (r < 0)
        return r;
    return wcow_entry_add_ea(e, "$KERNEL.PURGE.ESBCACHE", purge, sizeof(purge), err);
}

static int entry_of(const struct tree_item *item, size_t size, struct wcow_entry *e,
                    struct wcow_error *err)
{
    bool is_link = item->type == WCOW_ENTRY_REPARSE || item->type == WCOW_ENTRY_HARDLINK;
    e->type = item->type;
    e->name = strdup(item->path);
    e->link = is_link ? strdup(item->text) : NULL;
    if (!e->name || (is_link && !e->link))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory");
    e->attributes = item->attributes;
    e->size_bytes = size;
    e->has = item->junction ? WCOW_HAS_MOUNTPOINT : 0;
    if (item->type == WCOW_ENTRY_WHITEOUT)
        return WCOW_OK;
    set_times(e);
    if (item->type == WCOW_ENTRY_STREAM)
        e->has = 0;
    int r = set_security(item, e, err);
    if (r >= 0)
        r = set_eas(item, e, err);
    return r;
}

static int put(const struct wcow_buf *buf, struct wcow_error *err)
{
    if (fwrite(buf->data, 1, buf->len, stdout) != buf->len)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "standard output");
    return WCOW_OK;
}

static int put_entry(const struct tree_item *item, struct wcow_entry *e, struct wcow_error *err)
{
    static const uint8_t zeros[WCOW_TAR_BLOCK];
    wcow_autobuf data = {0};
    wcow_autobuf out = {0};
    int r = content(item, &data, err);
    if (r >= 0)
        r = entry_of(item, data.len, e, err);
    if (r >= 0)
        r = wcow_tar_write_header(e, &out, err);
    if (r >= 0)
        r = wcow_buf_add(&out, data.data, data.len, err);
    if (r >= 0)
        r = wcow_buf_add(&out, zeros, wcow_tar_padding(data.len), err);
    if (r >= 0)
        r = put(&out, err);
    return r;
}

static int put_item(const struct tree_item *item, struct wcow_error *err)
{
    struct wcow_entry e = {0};
    int r = put_entry(item, &e, err);
    wcow_entry_done(&e);
    return r;
}

static int put_layer(const struct items *items, struct wcow_error *err)
{
    for (size_t i = 0; i < items->n; i++) {
        int r = put_item(&items->list[i], err);
        if (r < 0)
            return wcow_error_wrap(r, err, "%s", items->list[i].path);
    }
    wcow_autobuf end = {0};
    int r = wcow_tar_write_end(&end, err);
    if (r >= 0)
        r = put(&end, err);
    if (r >= 0 && fflush(stdout) != 0)
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "standard output");
    return r;
}

int main(int argc, char **argv)
{
    bool is_base = argc >= 2 && strcmp(argv[1], "base") == 0;
    bool is_update = argc == 2 && strcmp(argv[1], "update") == 0;
    unsigned long components = is_base ? 100 : 0;
    if (is_base && argc == 3)
        components = strtoul(argv[2], NULL, 10);
    if ((!is_base && !is_update) || argc > 3 || components > COMPONENTS_MAX) {
        (void)fprintf(stderr,
                      "Usage: mklayer base [COMPONENTS] | update\n"
                      "Writes a layer tar; COMPONENTS: up to %d, three entries each.\n",
                      COMPONENTS_MAX);
        return 2;
    }
    struct wcow_error err = {0};
    struct items items = {0};
    int r = collect(is_base ? tree_base : tree_update, (unsigned)components, &items, &err);
    if (r >= 0)
        r = put_layer(&items, &err);
    free(items.list);
    free(items.texts);
    if (r < 0)
        (void)fprintf(stderr, "mklayer: %s\n", err.msg);
    return r < 0 ? 1 : 0;
}
