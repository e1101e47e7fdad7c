/* SPDX-License-Identifier: Apache-2.0 */
/* The choice between a plain ustar header and a PAX one, and every byte of both, follow Go's
 * archive/tar (Header.allowedFormats, Writer.writePAXHeader, Writer.writeUSTARHeader); which fields
 * an entry has follows go-winio's backuptar. */
#include "layer/tar_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "layer/filetime.h"
#include "layer/pax.h"
#include "layer/tar_format.h"

/* Type bits that go-winio writes, and what Go's own writers give hard links. */
enum {
    MODE_DIR = 0040000,
    MODE_REG = 0100000,
    MODE_LINK = 0120000,
    MODE_HARDLINK = 0644,
};

#define EA_PREFIX "MSWINDOWS.xattr."

/* What goes into one header block. */
struct fields {
    const char *prefix;
    size_t prefix_len;
    const char *name;
    size_t name_len;
    const char *link;
    uint32_t mode;
    uint64_t size;
    int64_t mtime;
    char typeflag;
    bool has_device; /* the main header says 0000000 there, the extension header nothing */
};

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

/* Copy the ASCII characters of @p s into a field of @p cap bytes, cut to fit. */
static void put_string(uint8_t *field, size_t cap, const char *s, size_t len)
{
    size_t n = 0;
    bool cut = false;
    for (size_t i = 0; i < len && !cut; i++) {
        if ((unsigned char)s[i] >= 0x80)
            continue;
        cut = n == cap;
        if (!cut)
            field[n++] = (uint8_t)s[i];
    }
    /* A cut name that ends in '/' would look like a directory to old readers. */
    if (cut && field[cap - 1] == '/') {
        while (n && field[n - 1] == '/')
            n--;
        field[n] = '\0';
    }
}

static bool fits_octal(uint64_t v, size_t cap)
{
    return v < UINT64_C(1) << 3 * (cap - 1);
}

/* Zero-padded octal and a NUL; 0 for what does not fit, a PAX record has it then. */
static void put_octal(uint8_t *field, size_t cap, uint64_t v)
{
    if (!fits_octal(v, cap))
        v = 0;
    for (size_t i = cap - 1; i-- > 0; v >>= 3)
        field[i] = (uint8_t)('0' + (v & 7));
}

static void put_checksum(uint8_t *block)
{
    uint8_t *field = block + WCOW_TAR_CHECKSUM.at;
    memset(field, ' ', WCOW_TAR_CHECKSUM.len);
    uint32_t sum = 0;
    for (size_t i = 0; i < WCOW_TAR_BLOCK; i++)
        sum += block[i];
    put_octal(field, 7, sum);
    field[6] = '\0';
}

static int add_block(struct wcow_buf *out, const struct fields *f, struct wcow_error *err)
{
    uint8_t *b = NULL;
    int r = wcow_buf_reserve(out, WCOW_TAR_BLOCK, &b, err);
    if (r < 0)
        return r;
    memset(b, 0, WCOW_TAR_BLOCK + 1);
    put_string(b + WCOW_TAR_NAME.at, WCOW_TAR_NAME.len, f->name, f->name_len);
    put_octal(b + WCOW_TAR_MODE.at, WCOW_TAR_MODE.len, f->mode);
    put_octal(b + WCOW_TAR_UID.at, WCOW_TAR_UID.len, 0);
    put_octal(b + WCOW_TAR_GID.at, WCOW_TAR_GID.len, 0);
    put_octal(b + WCOW_TAR_SIZE.at, WCOW_TAR_SIZE.len, f->size);
    put_octal(b + WCOW_TAR_MTIME.at, WCOW_TAR_MTIME.len, (uint64_t)f->mtime);
    b[WCOW_TAR_TYPE.at] = (uint8_t)f->typeflag;
    if (f->link)
        put_string(b + WCOW_TAR_LINK.at, WCOW_TAR_LINK.len, f->link, strlen(f->link));
    static const uint8_t magic[] = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};
    memcpy(b + WCOW_TAR_MAGIC.at, magic, sizeof(magic));
    if (f->has_device) {
        put_octal(b + WCOW_TAR_DEVMAJOR.at, WCOW_TAR_DEVMAJOR.len, 0);
        put_octal(b + WCOW_TAR_DEVMINOR.at, WCOW_TAR_DEVMINOR.len, 0);
    }
    put_string(b + WCOW_TAR_PREFIX.at, WCOW_TAR_PREFIX.len, f->prefix, f->prefix_len);
    put_checksum(b);
    out->len += WCOW_TAR_BLOCK;
    return WCOW_OK;
}

static int add_text_record(struct wcow_buf *records, const char *key, const char *text,
                           struct wcow_error *err)
{
    return wcow_pax_add(
        records, key, (struct wcow_bytes){.data = (const uint8_t *)text, .len = strlen(text)}, err);
}

static int add_time_record(struct wcow_buf *records, const char *key, uint64_t filetime,
                           struct wcow_error *err)
{
    char text[WCOW_PAX_TIME_MAX];
    wcow_filetime_to_pax(filetime, text);
    return add_text_record(records, key, text, err);
}

static int add_base64_record(struct wcow_buf *records, const char *key, const void *data,
                             size_t len, struct wcow_error *err)
{
    wcow_autobuf text = {.max_bytes = WCOW_PAX_MAX_BYTES};
    int r = wcow_base64_encode(data, len, &text, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "PAX record \"%.80s\"", key);
    return wcow_pax_add(records, key, (struct wcow_bytes){.data = text.data, .len = text.len}, err);
}

static int compare_eas(const void *a, const void *b)
{
    const struct wcow_ea *const *x = a;
    const struct wcow_ea *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Keys are sorted bytewise, and all share a prefix. */
static int add_ea_records(struct wcow_buf *records, const struct wcow_entry *e,
                          struct wcow_error *err)
{
    if (!e->n_eas)
        return WCOW_OK;
    wcow_autofree const struct wcow_ea **sorted = calloc(e->n_eas, sizeof(const struct wcow_ea *));
    if (!sorted)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu extended attributes", e->n_eas);
    for (size_t i = 0; i < e->n_eas; i++)
        sorted[i] = &e->eas[i];
    qsort(sorted, e->n_eas, sizeof(const struct wcow_ea *), compare_eas);
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < e->n_eas; i++) {
        wcow_autobuf key = {0};
        r = wcow_buf_addf(&key, err, EA_PREFIX "%s", sorted[i]->name);
        if (r == WCOW_OK)
            r = add_base64_record(records, (const char *)key.data, sorted[i]->value,
                                  sorted[i]->len_bytes, err);
    }
    return r;
}

/* Records under LIBARCHIVE. and MSWINDOWS., in the order of their keys. */
static int add_windows_records(struct wcow_buf *records, const struct wcow_entry *e,
                               struct wcow_error *err)
{
    int r = WCOW_OK;
    if (e->has & WCOW_HAS_CREATION)
        r = add_time_record(records, "LIBARCHIVE.creationtime", e->creation, err);
    if (r == WCOW_OK && e->has & WCOW_HAS_FILEATTR) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%" PRIu32, e->attributes);
        r = add_text_record(records, "MSWINDOWS.fileattr", text, err);
    }
    if (r == WCOW_OK && e->has & WCOW_HAS_MOUNTPOINT)
        r = add_text_record(records, "MSWINDOWS.mountpoint", "1", err);
    if (r == WCOW_OK && e->sd_len_bytes)
        r = add_base64_record(records, "MSWINDOWS.rawsd", e->sd, e->sd_len_bytes, err);
    return r == WCOW_OK ? add_ea_records(records, e, err) : r;
}

static bool fits_ustar_link(const struct fields *f)
{
    return !f->link || (is_ascii(f->link) && strlen(f->link) <= WCOW_TAR_LINK.len);
}

static int add_basic_records(struct wcow_buf *records, const struct wcow_entry *e,
                             const struct fields *f, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (e->has & WCOW_HAS_ATIME)
        r = add_time_record(records, "atime", e->atime, err);
    if (r == WCOW_OK && e->has & WCOW_HAS_CTIME)
        r = add_time_record(records, "ctime", e->ctime, err);
    if (r == WCOW_OK && !fits_ustar_link(f))
        r = add_text_record(records, "linkpath", f->link, err);
    if (r == WCOW_OK && e->type != WCOW_ENTRY_WHITEOUT && e->type != WCOW_ENTRY_OPAQUE) {
        int64_t secs = 0;
        uint32_t nsec = 0;
        wcow_filetime_to_unix(e->mtime, &secs, &nsec);
        if (nsec || secs < 0 || !fits_octal((uint64_t)secs, WCOW_TAR_MTIME.len))
            r = add_time_record(records, "mtime", e->mtime, err);
    }
    if (r == WCOW_OK && (!is_ascii(f->name) || f->name_len > WCOW_TAR_NAME.len))
        r = add_text_record(records, "path", f->name, err);
    if (r == WCOW_OK && !fits_octal(f->size, WCOW_TAR_SIZE.len)) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%" PRIu64, f->size);
        r = add_text_record(records, "size", text, err);
    }
    return r;
}

static uint32_t mode_of(const struct wcow_entry *e)
{
    switch (e->type) {
    case WCOW_ENTRY_DIR:
        return MODE_DIR;
    case WCOW_ENTRY_REPARSE:
        return MODE_LINK | (e->attributes & WCOW_ATTR_DIRECTORY ? (uint32_t)MODE_DIR : 0);
    case WCOW_ENTRY_HARDLINK:
        return MODE_HARDLINK;
    case WCOW_ENTRY_STREAM: /* its file's or directory's */
        return e->attributes & WCOW_ATTR_DIRECTORY ? MODE_DIR : MODE_REG;
    case WCOW_ENTRY_WHITEOUT:
    case WCOW_ENTRY_OPAQUE:
        return 0;
    case WCOW_ENTRY_FILE:
    default:
        return MODE_REG;
    }
}

static char typeflag_of(enum wcow_entry_type type)
{
    switch (type) {
    case WCOW_ENTRY_DIR:
        return '5';
    case WCOW_ENTRY_REPARSE:
        return '2';
    case WCOW_ENTRY_HARDLINK:
        return '1';
    case WCOW_ENTRY_FILE:
    case WCOW_ENTRY_STREAM:
    case WCOW_ENTRY_WHITEOUT:
    case WCOW_ENTRY_OPAQUE:
    default:
        return '0';
    }
}

/* "dir/PaxHeaders.0/base", as Go names the extension header. */
static int add_pax_header(struct wcow_buf *out, const struct fields *main_header,
                          const struct wcow_buf *records, struct wcow_error *err)
{
    const char *name = main_header->name;
    const char *slash = strrchr(name, '/');
    int dir_len = slash ? (int)(slash - name) + 1 : 0;
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "%.*sPaxHeaders.0/%s", dir_len, name, name + dir_len);
    if (r < 0)
        return r;
    struct fields f = {
        .name = (const char *)text.data,
        .name_len = text.len,
        .size = records->len,
        .typeflag = 'x',
    };
    r = add_block(out, &f, err);
    if (r < 0)
        return r;
    size_t pad = wcow_tar_padding(records->len);
    r = wcow_buf_add(out, records->data, records->len, err);
    if (r < 0)
        return r;
    static const uint8_t zeros[WCOW_TAR_BLOCK];
    return wcow_buf_add(out, zeros, pad, err);
}

/* ustar's own way for long ASCII names: up to 155 characters before a '/' in another field. */
static void split_ustar_name(struct fields *f)
{
    if (f->name_len <= WCOW_TAR_NAME.len || !is_ascii(f->name))
        return;
    size_t i = f->name_len < WCOW_TAR_PREFIX.len + 1 ? f->name_len : WCOW_TAR_PREFIX.len + 1;
    while (i > 0 && f->name[i - 1] != '/')
        i--;
    if (i <= 1 || f->name_len - i > WCOW_TAR_NAME.len || f->name_len == i)
        return;
    f->prefix = f->name;
    f->prefix_len = i - 1;
    f->name += i;
    f->name_len -= i;
}

static bool is_plain(const struct wcow_entry *e)
{
    return e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE;
}

static int check_entry(const struct wcow_entry *e, struct wcow_error *err)
{
    if (!e->name || !*e->name)
        return WCOW_FAIL(err, WCOW_E_INVALID, "an entry without a name cannot be written");
    if ((e->type == WCOW_ENTRY_REPARSE || e->type == WCOW_ENTRY_HARDLINK) && !e->link)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.200s\" is a link without a target", e->name);
    return WCOW_OK;
}

static int gather_records(const struct wcow_entry *e, const struct fields *f,
                          struct wcow_buf *records, bool *ret_need, struct wcow_error *err)
{
    int r = is_plain(e) ? WCOW_OK : add_windows_records(records, e, err);
    struct wcow_entry bare = {.type = e->type};
    if (r == WCOW_OK)
        r = add_basic_records(records, is_plain(e) ? &bare : e, f, err);
    if (r < 0)
        return r;
    /* A long name alone needs no PAX header where ustar can split it. */
    struct fields split = *f;
    split_ustar_name(&split);
    wcow_autobuf path = {0};
    if (split.prefix_len) {
        r = add_text_record(&path, "path", f->name, err);
        if (r < 0)
            return r;
    }
    *ret_need = records->len != path.len;
    return WCOW_OK;
}

int wcow_tar_write_header(const struct wcow_entry *entry, struct wcow_buf *out,
                          struct wcow_error *err)
{
    int r = check_entry(entry, err);
    if (r < 0)
        return r;
    bool has_data = entry->type == WCOW_ENTRY_FILE || entry->type == WCOW_ENTRY_STREAM;
    bool is_link = entry->type == WCOW_ENTRY_REPARSE || entry->type == WCOW_ENTRY_HARDLINK;
    struct fields f = {
        .name = entry->name,
        .name_len = strlen(entry->name),
        .link = is_link ? entry->link : NULL,
        .mode = mode_of(entry),
        .size = has_data ? entry->size_bytes : 0,
        .typeflag = typeflag_of(entry->type),
        .has_device = true,
    };
    if (!is_plain(entry)) {
        uint32_t nsec = 0;
        wcow_filetime_to_unix(entry->mtime, &f.mtime, &nsec);
    }
    bool need_pax = false;
    wcow_autobuf records = {.max_bytes = WCOW_PAX_MAX_BYTES};
    r = gather_records(entry, &f, &records, &need_pax, err);
    size_t start = out->len;
    if (r == WCOW_OK && need_pax)
        r = add_pax_header(out, &f, &records, err);
    if (r == WCOW_OK && !need_pax)
        split_ustar_name(&f);
    if (r == WCOW_OK)
        r = add_block(out, &f, err);
    if (r < 0) {
        out->len = start;
        return wcow_error_wrap(r, err, "header of \"%.200s\"", entry->name);
    }
    return WCOW_OK;
}

int wcow_tar_write_end(struct wcow_buf *out, struct wcow_error *err)
{
    static const uint8_t zeros[2 * WCOW_TAR_BLOCK];
    return wcow_buf_add(out, zeros, sizeof(zeros), err);
}
