/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/tar_entry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "layer/filetime.h"
#include "layer/pax.h"
#include "layer/rules.h"
#include "layer/sd.h"

/* Windows keeps no more than 64 KiB of attributes a file; names have one byte for their length. */
enum { MAX_EA_BYTES = 65535, MAX_EA_NAME = 254 };

#define EA_PREFIX "MSWINDOWS.xattr."

/* One entry being put together. */
struct build {
    struct wcow_entry *entry;
    char *name; /* as in the tar */
    char *link;
    int64_t size; /* whatever it is where no data follows */
    uint64_t mtime;
    bool has_rawsd;
    struct wcow_tar_sparse *sparse;
};

static int add_pax(struct wcow_tar_headers *headers, struct wcow_bytes body, struct wcow_error *err)
{
    headers->pax.len = 0;
    int r = wcow_buf_add(&headers->pax, body.data, body.len, err);
    const struct wcow_bytes kept = {.data = headers->pax.data, .len = headers->pax.len};
    return r < 0 ? r : wcow_pax_read(kept, &headers->records, err);
}

/* GNU's names end with a NUL. */
static int add_name(struct wcow_buf *to, struct wcow_bytes body, struct wcow_error *err)
{
    to->len = 0;
    return wcow_buf_add(to, body.data, strnlen((const char *)body.data, body.len), err);
}

static void forget_names_and_records(struct wcow_tar_headers *headers)
{
    headers->records.n = 0;
    headers->long_name.len = 0;
    headers->long_link.len = 0;
}

int wcow_tar_headers_add(struct wcow_tar_headers *headers, char typeflag, struct wcow_bytes body,
                         struct wcow_error *err)
{
    if (typeflag == 'x')
        return add_pax(headers, body, err);
    if (typeflag == 'L')
        return add_name(&headers->long_name, body, err);
    if (typeflag == 'K')
        return add_name(&headers->long_link, body, err);
    int r = add_pax(headers, body, err);
    forget_names_and_records(headers);
    return r;
}

void wcow_tar_headers_reset(struct wcow_tar_headers *headers)
{
    forget_names_and_records(headers);
    headers->len_bytes = 0;
    headers->stored_bytes = 0;
    wcow_tar_sparse_done(&headers->sparse);
}

void wcow_tar_headers_done(struct wcow_tar_headers *headers)
{
    wcow_buf_done(&headers->pax);
    wcow_buf_done(&headers->long_name);
    wcow_buf_done(&headers->long_link);
    wcow_pax_records_done(&headers->records);
    wcow_tar_sparse_done(&headers->sparse);
}

static int set_string(char **to, struct wcow_bytes from, struct wcow_error *err)
{
    char *s = strndup((const char *)from.data, from.len);
    if (!s)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    free(*to);
    *to = s;
    return WCOW_OK;
}

static int as_corrupt(int r, struct wcow_error *err)
{
    if (r != WCOW_E_INVALID)
        return r;
    if (err)
        err->code = WCOW_E_CORRUPT;
    return WCOW_E_CORRUPT;
}

static int set_time(uint64_t *to, struct wcow_bytes value, struct wcow_error *err)
{
    return as_corrupt(wcow_filetime_of_pax((const char *)value.data, value.len, to, err), err);
}

static int set_rawsd(struct build *b, struct wcow_bytes value, struct wcow_error *err)
{
    wcow_autobuf sd = {0};
    int r = wcow_base64_decode((const char *)value.data, value.len, &sd, err);
    if (r == WCOW_OK)
        r = wcow_sd_check(sd.data, sd.len, err);
    if (r == WCOW_OK)
        r = wcow_entry_set_sd(b->entry, sd.data, sd.len, err);
    if (r == WCOW_OK)
        b->has_rawsd = true;
    return as_corrupt(r, err);
}

static int set_sddl(struct build *b, struct wcow_bytes value, struct wcow_error *err)
{
    if (b->has_rawsd)
        return WCOW_OK;
    wcow_autofree char *text = strndup((const char *)value.data, value.len);
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a security descriptor");
    wcow_autobuf sd = {0};
    int r = wcow_sd_of_sddl(text, &sd, err);
    if (r == WCOW_OK)
        r = wcow_entry_set_sd(b->entry, sd.data, sd.len, err);
    if (r == WCOW_OK)
        b->entry->has = (b->entry->has & ~(uint32_t)WCOW_HAS_RAWSD) | WCOW_HAS_SDDL;
    return as_corrupt(r, err);
}

static int add_ea(struct build *b, const struct wcow_pax_record *rec, struct wcow_error *err)
{
    size_t prefix = strlen(EA_PREFIX);
    char name[MAX_EA_NAME + 1];
    size_t len = rec->key.len - prefix;
    if (len == 0 || len > MAX_EA_NAME)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "an extended attribute's name has %zu bytes, 1 to %d are possible", len,
                         MAX_EA_NAME);
    memcpy(name, rec->key.data + prefix, len);
    name[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || (unsigned char)name[i] >= 0x7f)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "an extended attribute's name is not ASCII");
    wcow_autobuf value = {0};
    int r = wcow_base64_decode((const char *)rec->value.data, rec->value.len, &value, err);
    if (r < 0)
        return as_corrupt(r, err);
    if (value.len > MAX_EA_BYTES)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%zu bytes, Windows allows %d", value.len,
                         MAX_EA_BYTES);
    return wcow_entry_append_ea(b->entry, name, value.data, value.len, err);
}

static int set_number(uint64_t *to, struct wcow_bytes value, uint64_t max, struct wcow_error *err)
{
    return wcow_pax_number(value, max, to, err);
}

static int apply_windows_record(struct build *b, const char *key, const struct wcow_pax_record *rec,
                                struct wcow_error *err)
{
    struct wcow_entry *e = b->entry;
    if (strcmp(key, "fileattr") == 0) {
        uint64_t v = 0;
        int r = set_number(&v, rec->value, UINT32_MAX, err);
        e->attributes = (uint32_t)v;
        e->has |= WCOW_HAS_FILEATTR;
        return r;
    }
    if (strcmp(key, "rawsd") == 0)
        return set_rawsd(b, rec->value, err);
    if (strcmp(key, "sd") == 0)
        return set_sddl(b, rec->value, err);
    if (strcmp(key, "mountpoint") == 0)
        e->has |= WCOW_HAS_MOUNTPOINT;
    return WCOW_OK;
}

static int apply_time_record(struct build *b, const struct wcow_pax_record *rec,
                             struct wcow_error *err)
{
    struct wcow_entry *e = b->entry;
    if (wcow_pax_is(rec->key, "mtime"))
        return set_time(&b->mtime, rec->value, err);
    if (wcow_pax_is(rec->key, "atime")) {
        e->has |= WCOW_HAS_ATIME;
        return set_time(&e->atime, rec->value, err);
    }
    if (wcow_pax_is(rec->key, "ctime")) {
        e->has |= WCOW_HAS_CTIME;
        return set_time(&e->ctime, rec->value, err);
    }
    if (wcow_pax_is(rec->key, "LIBARCHIVE.creationtime")) {
        e->has |= WCOW_HAS_CREATION;
        return set_time(&e->creation, rec->value, err);
    }
    return WCOW_OK;
}

static bool has_prefix(struct wcow_bytes b, const char *prefix)
{
    size_t len = strlen(prefix);
    return b.len >= len && memcmp(b.data, prefix, len) == 0;
}

static int apply_record(struct build *b, const struct wcow_pax_record *rec, struct wcow_error *err)
{
    if (has_prefix(rec->key, EA_PREFIX))
        return add_ea(b, rec, err); /* an empty value is a value here */
    /* Go: an empty value leaves what the header says. */
    if (rec->value.len == 0 && !has_prefix(rec->key, "MSWINDOWS."))
        return WCOW_OK;
    if (wcow_pax_is(rec->key, "path"))
        return set_string(&b->name, rec->value, err);
    if (wcow_pax_is(rec->key, "linkpath"))
        return set_string(&b->link, rec->value, err);
    if (wcow_pax_is(rec->key, "size"))
        return wcow_pax_signed(rec->value, &b->size, err);
    if (wcow_pax_is(rec->key, "uid") || wcow_pax_is(rec->key, "gid")) {
        int64_t ignored = 0;
        return wcow_pax_signed(rec->value, &ignored, err);
    }
    if (has_prefix(rec->key, "GNU.sparse."))
        return wcow_tar_sparse_record(b->sparse, rec->key, rec->value, err);
    if (has_prefix(rec->key, "MSWINDOWS.") && rec->key.len < 32) {
        char key[32] = {0};
        memcpy(key, rec->key.data + 10, rec->key.len - 10);
        return apply_windows_record(b, key, rec, err);
    }
    return apply_time_record(b, rec, err);
}

static int apply_records(struct build *b, const struct wcow_pax_records *records,
                         struct wcow_error *err)
{
    for (size_t i = 0; i < records->n; i++) {
        const struct wcow_pax_record *rec = &records->items[i];
        int r = apply_record(b, rec, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "PAX record \"%.*s\"",
                                   rec->key.len > 80 ? 80 : (int)rec->key.len,
                                   (const char *)rec->key.data);
    }
    return WCOW_OK;
}

/* Other tar writers put "./" before names and '/' behind directories. */
static void trim_name(char *name)
{
    char *start = name;
    while (strncmp(start, "./", 2) == 0) {
        start += 2;
        while (*start == '/')
            start++;
    }
    size_t len = strlen(start);
    while (len > 1 && start[len - 1] == '/')
        len--;
    memmove(name, start, len);
    name[len] = '\0';
}

/* What GNU tar writes with options that no layer is made with. */
static const char *gnu_option(char typeflag)
{
    switch (typeflag) {
    case 'D':
        return "a directory of an incremental dump (tar --listed-incremental)";
    case 'M':
        return "the rest of a file of another volume (tar --multi-volume)";
    case 'V':
        return "a volume's label (tar --label)";
    default:
        return NULL;
    }
}

static int type_of(char typeflag, const char *raw_name, enum wcow_entry_type *ret,
                   struct wcow_error *err)
{
    switch (typeflag) {
    case '\0': /* v7 has no typeflag for directories */
        *ret =
            raw_name[0] && raw_name[strlen(raw_name) - 1] == '/' ? WCOW_ENTRY_DIR : WCOW_ENTRY_FILE;
        return WCOW_OK;
    case '0':
    case '7':
    case 'S':
        *ret = WCOW_ENTRY_FILE;
        return WCOW_OK;
    case '1':
        *ret = WCOW_ENTRY_HARDLINK;
        return WCOW_OK;
    case '2':
        *ret = WCOW_ENTRY_REPARSE;
        return WCOW_OK;
    case '5':
        *ret = WCOW_ENTRY_DIR;
        return WCOW_OK;
    case '3':
    case '4':
    case '6':
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "a device or pipe (tar type '%c'), which Windows does not have", typeflag);
    case 'D':
    case 'M':
    case 'V':
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "%s, which no layer has: write the tar without that option",
                         gnu_option(typeflag));
    default:
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "the tar type '%c' (0x%02x) is not known",
                         isprint((unsigned char)typeflag) ? typeflag : '?',
                         (unsigned char)typeflag);
    }
}

/* "name:stream:$DATA" is how some writers spell "name:stream". */
static void trim_data_suffix(char *name)
{
    char *colon = strchr(name, ':');
    char *last = strrchr(name, ':');
    if (last && last != colon && strcasecmp(last, ":$DATA") == 0)
        *last = '\0';
}

static int set_type(struct build *b, char typeflag, const char *raw_name, struct wcow_error *err)
{
    struct wcow_entry *e = b->entry;
    int r = type_of(typeflag, raw_name, &e->type, err);
    if (r < 0)
        return r;
    const char *slash = strrchr(b->name, '/');
    const char *base = slash ? slash + 1 : b->name;
    if (strcmp(base, WCOW_OPAQUE_NAME) == 0)
        e->type = WCOW_ENTRY_OPAQUE;
    else if (strncmp(base, WCOW_WHITEOUT_PREFIX, strlen(WCOW_WHITEOUT_PREFIX)) == 0)
        e->type = WCOW_ENTRY_WHITEOUT;
    else if (e->type == WCOW_ENTRY_FILE && strchr(base, ':')) {
        e->type = WCOW_ENTRY_STREAM;
        trim_data_suffix(b->name);
    }
    bool is_whiteout = e->type == WCOW_ENTRY_OPAQUE || e->type == WCOW_ENTRY_WHITEOUT;
    bool has_body = typeflag == '0' || typeflag == '7' || typeflag == 'S' || typeflag == '\0';
    if (is_whiteout && has_body && b->size)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a whiteout with data in it");
    return WCOW_OK;
}

static void set_times(struct build *b)
{
    struct wcow_entry *e = b->entry;
    e->mtime = b->mtime;
    if (!(e->has & WCOW_HAS_ATIME))
        e->atime = b->mtime;
    if (!(e->has & WCOW_HAS_CTIME))
        e->ctime = b->mtime;
    if (!(e->has & WCOW_HAS_CREATION))
        e->creation = b->mtime;
}

static void set_block_times(struct build *b, const struct wcow_tar_block *block)
{
    b->mtime = wcow_filetime_of_unix(block->mtime, 0);
    if (block->has_atime) {
        b->entry->has |= WCOW_HAS_ATIME;
        b->entry->atime = wcow_filetime_of_unix(block->atime, 0);
    }
    if (block->has_ctime) {
        b->entry->has |= WCOW_HAS_CTIME;
        b->entry->ctime = wcow_filetime_of_unix(block->ctime, 0);
    }
}

static int set_names(struct build *b, const struct wcow_tar_block *block,
                     const struct wcow_tar_headers *h, struct wcow_error *err)
{
    struct wcow_bytes name = {.data = (const uint8_t *)block->name, .len = strlen(block->name)};
    struct wcow_bytes link = {.data = (const uint8_t *)block->link, .len = strlen(block->link)};
    int r = set_string(&b->name, name, err);
    if (r == WCOW_OK)
        r = set_string(&b->link, link, err);
    if (r == WCOW_OK)
        r = apply_records(b, &h->records, err);
    if (r == WCOW_OK)
        r = wcow_tar_sparse_records_done(b->sparse, err);
    if (r == WCOW_OK && b->sparse->name)
        r = set_string(&b->name,
                       (struct wcow_bytes){.data = (const uint8_t *)b->sparse->name,
                                           .len = strlen(b->sparse->name)},
                       err);
    /* GNU's names beat PAX's, as in Go. */
    if (r == WCOW_OK && h->long_name.len)
        r = set_string(
            &b->name, (struct wcow_bytes){.data = h->long_name.data, .len = h->long_name.len}, err);
    if (r == WCOW_OK && h->long_link.len)
        r = set_string(
            &b->link, (struct wcow_bytes){.data = h->long_link.data, .len = h->long_link.len}, err);
    return r;
}

static bool begins_with_root(const char *name)
{
    static const char *const roots[] = {"Files", "Hives", "UtilityVM"};
    size_t len = strcspn(name, "/");
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (strlen(roots[i]) == len && strncasecmp(name, roots[i], len) == 0)
            return true;
    return false;
}

/* imgutil and go-containerregistry put "Files/" before the name of a hard link and not before its
 * target. A target that begins with a root is always a whole name, so that no target can mean two
 * files. */
static int complete_link(struct build *b, struct wcow_error *err)
{
    if (!b->link[0] || b->link[0] == '/' || begins_with_root(b->link) ||
        strncmp(b->name, "Files/", strlen("Files/")) != 0)
        return WCOW_OK;
    char *link = NULL;
    if (asprintf(&link, "Files/%s", b->link) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link");
    free(b->link);
    b->link = link;
    b->entry->has |= WCOW_HAS_BARE_LINK;
    return WCOW_OK;
}

/* How large it is, and how much of it the tar stores. */
static int set_size(struct build *b, struct wcow_tar_headers *headers, struct wcow_error *err)
{
    struct wcow_entry *e = b->entry;
    bool has_body = e->type == WCOW_ENTRY_FILE || e->type == WCOW_ENTRY_STREAM;
    if (has_body && b->size < 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a size of %lld bytes", (long long)b->size);
    headers->stored_bytes = has_body ? (uint64_t)b->size : 0;
    e->size_bytes = headers->stored_bytes;
    if (!b->sparse->is_sparse)
        return WCOW_OK;
    if (e->type != WCOW_ENTRY_FILE)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "only files may be sparse");
    e->size_bytes = b->sparse->real_size;
    e->has |= WCOW_HAS_SPARSE;
    return WCOW_OK;
}

static int build(struct build *b, const struct wcow_tar_block *block,
                 struct wcow_tar_headers *headers, struct wcow_error *err)
{
    b->size = (int64_t)block->size;
    set_block_times(b, block);
    int r = set_names(b, block, headers, err);
    if (r < 0)
        return r;
    wcow_autofree char *raw = strdup(b->name);
    if (!raw)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    trim_name(b->name);
    if (!b->name[0] || strcmp(b->name, ".") == 0) {
        if (block->typeflag == '5' && raw[0])
            return 0;
        return WCOW_FAIL(err, WCOW_E_INVALID, "an entry without a name");
    }
    r = set_type(b, block->typeflag, raw, err);
    if (r < 0)
        return r;
    struct wcow_entry *e = b->entry;
    r = set_size(b, headers, err);
    if (r < 0)
        return r;
    if (e->type == WCOW_ENTRY_DIR && !(e->has & WCOW_HAS_FILEATTR))
        e->attributes = WCOW_ATTR_DIRECTORY;
    set_times(b);
    if (e->type == WCOW_ENTRY_HARDLINK) {
        trim_name(b->link);
        r = complete_link(b, err);
        if (r < 0)
            return r;
    }
    e->name = WCOW_TAKE_PTR(b->name);
    if (e->type == WCOW_ENTRY_HARDLINK || e->type == WCOW_ENTRY_REPARSE)
        e->link = WCOW_TAKE_PTR(b->link);
    return 1;
}

int wcow_tar_entry_build(const struct wcow_tar_block *block, struct wcow_tar_headers *headers,
                         struct wcow_entry *ret, struct wcow_error *err)
{
    struct build b = {.entry = ret, .sparse = &headers->sparse};
    int r = build(&b, block, headers, err);
    if (r < 0)
        r = wcow_error_wrap(r, err, "\"%.200s\"", b.name ? b.name : block->name);
    free(b.name);
    free(b.link);
    return r;
}
