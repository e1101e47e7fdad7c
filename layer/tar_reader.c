/* SPDX-License-Identifier: Apache-2.0 */
/* What is accepted, and how headers add up, follows Go's archive/tar (Reader.next), since that is
 * what reads layers everywhere else; what the fields mean follows go-winio's backuptar. */
#include "layer/tar_reader.h"

#include "layer/rules.h"
#include "layer/tar_block.h"
#include "layer/tar_entry.h"
#include "layer/tar_writer.h"

/* Of the blocks of an entry's extension headers, without what stands in them. */
enum { HEADER_BLOCKS_BYTES = 64 << 10 };

/* Whoever reads a sparse file reads its holes too; a small one is let through. */
enum { FREE_OF_RATIO = 64 << 20 };

static const struct wcow_tar_limits default_limits = {
    .max_entries = UINT64_C(10000000),
    .max_total_bytes = UINT64_C(1) << 40,
    .max_entry_bytes = UINT64_C(1) << 40,
    .max_header_bytes = 1 << 20,
    .max_depth = 256,
    .max_ratio = 1000,
};

struct wcow_tar_reader {
    struct wcow_source source;
    struct wcow_tar_limits limits;
    const uint8_t *chunk; /* what the source gave last, less what is used */
    size_t chunk_len;
    bool at_eof;
    uint64_t offset;
    uint64_t n_entries;
    uint64_t data_left; /* of what the tar stores of the current entry */
    size_t padding;     /* behind it */
    uint64_t at;        /* of a sparse file: in it ... */
    size_t piece;       /* ... and in its map */
    bool is_hole;       /* what was given last */
    bool is_ended;
    bool trailer_started;
    int failed; /* the code that next() or data() gave; it stays */
    struct wcow_buf segment;
    struct wcow_tar_headers headers;
    struct wcow_entry entry;
};

static void set_default(uint64_t *value, uint64_t fallback)
{
    if (!*value)
        *value = fallback;
}

int wcow_tar_reader_new(const struct wcow_source *source, const struct wcow_tar_limits *limits,
                        struct wcow_tar_reader **ret, struct wcow_error *err)
{
    struct wcow_tar_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar reader");
    r->source = *source;
    if (limits)
        r->limits = *limits;
    set_default(&r->limits.max_entries, default_limits.max_entries);
    set_default(&r->limits.max_total_bytes, default_limits.max_total_bytes);
    set_default(&r->limits.max_entry_bytes, default_limits.max_entry_bytes);
    if (!r->limits.max_header_bytes)
        r->limits.max_header_bytes = default_limits.max_header_bytes;
    if (!r->limits.max_depth)
        r->limits.max_depth = default_limits.max_depth;
    if (!r->limits.max_ratio)
        r->limits.max_ratio = default_limits.max_ratio;
    *ret = r;
    return WCOW_OK;
}

void wcow_tar_reader_free(struct wcow_tar_reader *reader)
{
    if (!reader)
        return;
    wcow_buf_done(&reader->segment);
    wcow_tar_headers_done(&reader->headers);
    wcow_entry_done(&reader->entry);
    free(reader);
}

uint64_t wcow_tar_reader_offset(const struct wcow_tar_reader *reader)
{
    return reader->offset;
}

struct wcow_bytes wcow_tar_reader_segment(const struct wcow_tar_reader *reader)
{
    return (struct wcow_bytes){.data = reader->segment.data, .len = reader->segment.len};
}

/* Have at least one byte in the chunk, unless the source has ended. */
static int fill(struct wcow_tar_reader *r, struct wcow_error *err)
{
    while (!r->chunk_len && !r->at_eof) {
        size_t len = 0;
        int rc = wcow_source_next(&r->source, &r->chunk, &len, err);
        if (rc < 0)
            return rc;
        r->chunk_len = len;
        r->at_eof = len == 0;
        if (len > r->limits.max_total_bytes - r->offset)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "the layer is larger than the limit of %llu bytes",
                             (unsigned long long)r->limits.max_total_bytes);
    }
    return WCOW_OK;
}

static void use(struct wcow_tar_reader *r, size_t len)
{
    r->chunk += len;
    r->chunk_len -= len;
    r->offset += len;
}

/* Move @p len bytes to the segment. @return WCOW_OK with *ret_got < len where the source ends */
static int take(struct wcow_tar_reader *r, size_t len, size_t *ret_got, struct wcow_error *err)
{
    size_t got = 0;
    while (got < len) {
        int rc = fill(r, err);
        if (rc < 0)
            return rc;
        if (!r->chunk_len)
            break;
        size_t n = r->chunk_len < len - got ? r->chunk_len : len - got;
        rc = wcow_buf_add(&r->segment, r->chunk, n, err);
        if (rc < 0)
            return rc;
        use(r, n);
        got += n;
    }
    *ret_got = got;
    return WCOW_OK;
}

static int truncated(struct wcow_tar_reader *r, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "the tar ends in the middle of an entry, at byte %llu",
                     (unsigned long long)r->offset);
}

/* @return 1 with the block at the segment's end, 0 where the source ended before it */
static int take_block(struct wcow_tar_reader *r, const uint8_t **ret, struct wcow_error *err)
{
    size_t got = 0;
    if (r->segment.len > (size_t)r->limits.max_header_bytes + HEADER_BLOCKS_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "%zu bytes of extension headers before byte %llu of the tar, and no entry "
                         "behind them",
                         r->segment.len, (unsigned long long)r->offset);
    int rc = take(r, WCOW_TAR_BLOCK, &got, err);
    if (rc < 0)
        return rc;
    if (got == 0)
        return 0;
    if (got < WCOW_TAR_BLOCK)
        return truncated(r, err);
    *ret = r->segment.data + r->segment.len - WCOW_TAR_BLOCK;
    return 1;
}

/* The body of an extension header. */
static int take_extension(struct wcow_tar_reader *r, const struct wcow_tar_block *b,
                          struct wcow_error *err)
{
    if (b->size > r->limits.max_header_bytes ||
        r->headers.len_bytes > r->limits.max_header_bytes - b->size)
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "extension headers of %llu bytes, the limit is %lu bytes an entry",
                         (unsigned long long)(r->headers.len_bytes + b->size),
                         (unsigned long)r->limits.max_header_bytes);
    size_t size = (size_t)b->size;
    size_t whole = size + wcow_tar_padding(size);
    size_t got = 0;
    int rc = take(r, whole, &got, err);
    if (rc < 0)
        return rc;
    if (got < whole)
        return truncated(r, err);
    r->headers.len_bytes += size;
    const uint8_t *body = r->segment.data + r->segment.len - whole;
    return wcow_tar_headers_add(&r->headers, b->typeflag,
                                (struct wcow_bytes){.data = body, .len = size}, err);
}

static unsigned depth_of(const char *name)
{
    unsigned depth = 1;
    for (; *name; name++)
        depth += *name == '/';
    return depth;
}

static int check_limits(const struct wcow_tar_reader *r, struct wcow_error *err)
{
    const struct wcow_entry *e = &r->entry;
    if (r->n_entries >= r->limits.max_entries)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "the layer has more than %llu entries",
                         (unsigned long long)r->limits.max_entries);
    if (e->size_bytes > r->limits.max_entry_bytes)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%.200s\" has %llu bytes, the limit is %llu", e->name,
                         (unsigned long long)e->size_bytes,
                         (unsigned long long)r->limits.max_entry_bytes);
    if (depth_of(e->name) > r->limits.max_depth)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%.200s\" is more than %lu levels deep", e->name,
                         (unsigned long)r->limits.max_depth);
    return WCOW_OK;
}

/* What of a sparse file's map stands behind its header, and whether it is one. */
static int take_map(struct wcow_tar_reader *r, struct wcow_error *err)
{
    struct wcow_tar_headers *h = &r->headers;
    while (h->sparse.goes_on) {
        const uint8_t *block = NULL;
        h->len_bytes += WCOW_TAR_BLOCK;
        if (h->len_bytes > r->limits.max_header_bytes)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "the map of a sparse file is larger than %lu bytes",
                             (unsigned long)r->limits.max_header_bytes);
        if (h->sparse.has_map_in_data && h->stored_bytes < WCOW_TAR_BLOCK)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "the map of a sparse file is damaged");
        int rc = take_block(r, &block, err);
        if (rc <= 0)
            return rc < 0 ? rc : truncated(r, err);
        if (h->sparse.has_map_in_data)
            h->stored_bytes -= WCOW_TAR_BLOCK;
        rc = wcow_tar_sparse_block(&h->sparse, block, err);
        if (rc < 0)
            return rc;
    }
    if (h->sparse.real_size > FREE_OF_RATIO &&
        h->sparse.real_size / r->limits.max_ratio > h->stored_bytes)
        return WCOW_FAIL(
            err, WCOW_E_LIMIT,
            "a sparse file of %llu bytes, of which %llu are stored: more than %lu-fold "
            "is refused as a bomb",
            (unsigned long long)h->sparse.real_size, (unsigned long long)h->stored_bytes,
            (unsigned long)r->limits.max_ratio);
    return wcow_tar_sparse_check(&h->sparse, h->stored_bytes, err);
}

/* The header block of an entry proper. @return 1, or 0 where it stands for nothing ("./") */
static int finish_entry(struct wcow_tar_reader *r, const struct wcow_tar_block *b,
                        struct wcow_error *err)
{
    int rc = wcow_tar_entry_build(b, &r->headers, &r->entry, err);
    if (rc <= 0)
        return rc;
    rc = check_limits(r, err);
    if (rc == WCOW_OK && !r->limits.skip_rules)
        rc = wcow_rules_check_entry(&r->entry, NULL, err);
    if (rc == WCOW_OK && r->headers.sparse.is_sparse) {
        rc = take_map(r, err);
        if (rc < 0)
            rc = wcow_error_wrap(rc, err, "\"%.200s\"", r->entry.name);
    }
    if (rc < 0)
        return rc;
    r->n_entries++;
    r->at = 0;
    r->piece = 0;
    r->is_hole = false;
    r->data_left = r->headers.stored_bytes;
    r->padding = wcow_tar_padding(r->data_left);
    return 1;
}

/* After one block of zeros: another one or nothing may follow. */
static int check_end(struct wcow_tar_reader *r, struct wcow_error *err)
{
    const uint8_t *block = NULL;
    int rc = take_block(r, &block, err);
    if (rc < 0)
        return rc;
    if (rc > 0 && !wcow_tar_block_is_zero(block))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a single block of zeros before byte %llu of the tar",
                         (unsigned long long)r->offset);
    r->is_ended = true;
    return 0;
}

static bool is_extension(char typeflag)
{
    return typeflag == 'x' || typeflag == 'g' || typeflag == 'L' || typeflag == 'K';
}

/* One header block and what follows from it.
 * @return 1 entry complete, 0 end of the archive, 2 go on */
static int read_header(struct wcow_tar_reader *r, struct wcow_error *err)
{
    const uint8_t *block = NULL;
    int rc = take_block(r, &block, err);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        if (r->headers.len_bytes) /* Go takes no notice */
            return truncated(r, err);
        r->is_ended = true;
        return 0;
    }
    if (wcow_tar_block_is_zero(block))
        return check_end(r, err);
    struct wcow_tar_block b;
    rc = wcow_tar_block_parse(block, &b, err);
    if (rc < 0)
        return wcow_error_wrap(rc, err, "byte %llu of the tar",
                               (unsigned long long)(r->offset - WCOW_TAR_BLOCK));
    if (is_extension(b.typeflag)) {
        rc = take_extension(r, &b, err);
        return rc < 0 ? wcow_error_wrap(rc, err, "\"%.200s\"", b.name) : 2;
    }
    if (b.typeflag == 'S') {
        rc = wcow_tar_sparse_header(&r->headers.sparse, block, err);
        if (rc < 0)
            return wcow_error_wrap(rc, err, "\"%.200s\"", b.name);
    }
    rc = finish_entry(r, &b, err);
    if (rc != 0)
        return rc;
    /* Nothing of it may show in the next entry. */
    wcow_entry_done(&r->entry);
    wcow_tar_headers_reset(&r->headers);
    return 2;
}

/* The next chunk of what is stored, at most @p max bytes. */
static int stored_data(struct wcow_tar_reader *reader, uint64_t max, const uint8_t **ret_data,
                       size_t *ret_len, struct wcow_error *err)
{
    size_t len = 0;
    if (max > reader->data_left)
        max = reader->data_left;
    if (max) {
        int rc = fill(reader, err);
        if (rc == WCOW_OK && !reader->chunk_len)
            rc = truncated(reader, err);
        if (rc < 0) {
            reader->failed = rc;
            return reader->entry.name ? wcow_error_wrap(rc, err, "\"%.200s\"", reader->entry.name)
                                      : rc;
        }
        len = reader->chunk_len < max ? reader->chunk_len : (size_t)max;
    }
    *ret_data = reader->chunk;
    *ret_len = len;
    use(reader, len);
    reader->data_left -= len;
    return WCOW_OK;
}

/* The map was checked: pieces are in order, and their sum is what is stored. */
static int sparse_data(struct wcow_tar_reader *r, const uint8_t **ret_data, size_t *ret_len,
                       struct wcow_error *err)
{
    static const uint8_t zeros[64 << 10];
    const struct wcow_tar_sparse *s = &r->headers.sparse;
    while (r->piece < s->n && r->at == s->pieces[r->piece].offset + s->pieces[r->piece].len)
        r->piece++;
    const struct wcow_tar_piece *p = r->piece < s->n ? &s->pieces[r->piece] : NULL;
    uint64_t hole = (p ? p->offset : s->real_size);
    hole = hole > r->at ? hole - r->at : 0;
    r->is_hole = hole > 0;
    if (hole || !p) {
        *ret_data = zeros;
        *ret_len = hole < sizeof(zeros) ? (size_t)hole : sizeof(zeros);
        r->at += *ret_len;
        return WCOW_OK;
    }
    int rc = stored_data(r, p->offset + p->len - r->at, ret_data, ret_len, err);
    if (rc == WCOW_OK)
        r->at += *ret_len;
    return rc;
}

static int skip_data(struct wcow_tar_reader *r, struct wcow_error *err)
{
    while (r->data_left) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int rc = stored_data(r, UINT64_MAX, &data, &len, err);
        if (rc < 0)
            return rc;
    }
    return WCOW_OK;
}

static int next_entry(struct wcow_tar_reader *r, struct wcow_error *err)
{
    int rc = skip_data(r, err);
    if (rc < 0)
        return rc;
    wcow_entry_done(&r->entry);
    wcow_tar_headers_reset(&r->headers);
    r->segment.len = 0;
    /* Go lets the padding of the last entry be missing, so what is left of it is enough. */
    size_t got = 0;
    rc = take(r, r->padding, &got, err);
    r->padding = 0;
    if (rc == WCOW_OK)
        do
            rc = read_header(r, err);
        while (rc == 2);
    return rc;
}

int wcow_tar_reader_next(struct wcow_tar_reader *reader, struct wcow_entry **ret,
                         struct wcow_error *err)
{
    if (reader->failed)
        return WCOW_FAIL(err, reader->failed, "this tar has failed before");
    if (reader->is_ended)
        return 0;
    int rc = next_entry(reader, err);
    if (rc < 0)
        reader->failed = rc;
    if (rc == 1)
        *ret = &reader->entry;
    return rc;
}

int wcow_tar_reader_data(struct wcow_tar_reader *reader, const uint8_t **ret_data, size_t *ret_len,
                         struct wcow_error *err)
{
    if (reader->failed)
        return WCOW_FAIL(err, reader->failed, "this tar has failed before");
    if (reader->headers.sparse.is_sparse)
        return sparse_data(reader, ret_data, ret_len, err);
    return stored_data(reader, UINT64_MAX, ret_data, ret_len, err);
}

bool wcow_tar_reader_is_hole(const struct wcow_tar_reader *reader)
{
    return reader->is_hole;
}

size_t wcow_tar_reader_pieces(const struct wcow_tar_reader *reader,
                              const struct wcow_tar_piece **ret)
{
    *ret = reader->headers.sparse.pieces;
    return reader->headers.sparse.n;
}

int wcow_tar_reader_trailer(struct wcow_tar_reader *reader, const uint8_t **ret_data,
                            size_t *ret_len, struct wcow_error *err)
{
    if (!reader->is_ended)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION, "the tar has not been read to its end");
    if (!reader->trailer_started) {
        reader->trailer_started = true;
        if (reader->segment.len) {
            *ret_data = reader->segment.data;
            *ret_len = reader->segment.len;
            return WCOW_OK;
        }
    }
    int rc = fill(reader, err);
    if (rc < 0)
        return rc;
    *ret_data = reader->chunk;
    *ret_len = reader->chunk_len;
    use(reader, reader->chunk_len);
    return WCOW_OK;
}
