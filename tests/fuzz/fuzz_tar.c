/* SPDX-License-Identifier: Apache-2.0 */
/* A tar that is accepted comes out again byte for byte; its entries can be written, checked and
 * read back. */
#include <string.h>

#include "fuzz.h"
#include "layer/check.h"
#include "layer/reparse.h"
#include "layer/tar_reader.h"
#include "layer/tar_writer.h"

enum { MAX_HOLES = 1 << 20 }; /* of a sparse file that is read */

struct bytes {
    const uint8_t *data;
    size_t len;
    size_t step;
};

static int next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    (void)err;
    struct bytes *b = ctx;
    size_t n = b->len < b->step ? b->len : b->step;
    *ret_data = b->data;
    *ret_len = n;
    b->data += n;
    b->len -= n;
    return WCOW_OK;
}

static void rewrite(const struct wcow_entry *e)
{
    wcow_autobuf header = {0};
    if (wcow_tar_write_header(e, &header, NULL) < 0)
        return;
    struct bytes b = {.data = header.data, .len = header.len, .step = header.len};
    struct wcow_source source = {.next = next, .ctx = &b};
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *again = NULL;
    if (wcow_tar_reader_new(&source, NULL, &reader, NULL) < 0)
        return;
    FUZZ_CHECK(wcow_tar_reader_next(reader, &again, NULL) == 1);
    FUZZ_CHECK(again->type == e->type && strcmp(again->name, e->name) == 0);
    if (e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE)
        return; /* nothing else is written of it */
    FUZZ_CHECK(again->size_bytes == e->size_bytes && again->n_eas == e->n_eas);
    FUZZ_CHECK(again->sd_len_bytes == e->sd_len_bytes);
}

static void try_link(const struct wcow_entry *e)
{
    if (e->type != WCOW_ENTRY_REPARSE)
        return;
    wcow_autofree char *target = NULL;
    FUZZ_TRY(wcow_reparse_posix_target(e->name, e->link, &target, NULL));
    FUZZ_CHECK(!target || target[0] != '/');
}

typedef int (*chunk_fn)(struct wcow_tar_reader *reader, const uint8_t **ret_data, size_t *ret_len,
                        struct wcow_error *err);

/* Everything that @p fn gives, appended. @return whether it came to its end */
static bool drain(struct wcow_tar_reader *reader, chunk_fn fn, struct wcow_buf *out)
{
    const uint8_t *data = NULL;
    size_t len = 1;
    while (len) {
        if (fn(reader, &data, &len, NULL) < 0)
            return false;
        FUZZ_CHECK(wcow_buf_add(out, data, len, NULL) == WCOW_OK);
    }
    return true;
}

/* Of a sparse file the tar has only pieces.
 * @return whether the tar was read to its end, and *ret_is_whole whether out is all of it */
static bool read_tar(struct wcow_tar_reader *reader, struct wcow_check *check, struct wcow_buf *out,
                     bool *ret_is_whole)
{
    struct wcow_entry *e = NULL;
    *ret_is_whole = true;
    int r = 0;
    while ((r = wcow_tar_reader_next(reader, &e, NULL)) == 1) {
        struct wcow_bytes segment = wcow_tar_reader_segment(reader);
        FUZZ_CHECK(wcow_buf_add(out, segment.data, segment.len, NULL) == WCOW_OK);
        rewrite(e);
        *ret_is_whole &= !(e->has & WCOW_HAS_SPARSE);
        try_link(e);
        FUZZ_TRY(wcow_check_add(check, e, NULL));
        bool is_large = (e->has & WCOW_HAS_SPARSE) && e->size_bytes > MAX_HOLES;
        if (!is_large && !drain(reader, wcow_tar_reader_data, out))
            return false;
    }
    return r == 0 && drain(reader, wcow_tar_reader_trailer, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {.data = data, .len = size, .step = size % 1024 + 1};
    struct wcow_source source = {.next = next, .ctx = &b};
    struct wcow_check_options options = {.is_base = size & 1};
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    WCOW_CLEANUP(wcow_check_free_p) struct wcow_check *check = NULL;
    if (wcow_tar_reader_new(&source, NULL, &reader, NULL) < 0 ||
        wcow_check_new(&options, &check, NULL) < 0)
        return 0;
    wcow_autobuf out = {0};
    bool is_whole = false;
    if (read_tar(reader, check, &out, &is_whole) && is_whole)
        FUZZ_CHECK(out.len == size && (size == 0 || memcmp(out.data, data, size) == 0));
    FUZZ_TRY(wcow_check_finish(check, NULL));
    return 0;
}
