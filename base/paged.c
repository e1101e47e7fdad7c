/* SPDX-License-Identifier: Apache-2.0 */
#include "base/paged.h"

#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/temp_file.h"

enum {
    BLOCK_BYTES = 32 << 10, /* by which the heap is taken */
    STEP_BYTES = 4 << 20,   /* by which the file grows */
    MAX_SEGMENTS = 24,
    /* Looks before all is let go of. A look brings back a page or its neighbourhood of 64 kB: a
     * hundred kilobytes where pieces are looked at in their order, 32 MB where they never are. */
    MAX_LOOKS = 512,
};
static const size_t FIRST_SEGMENT_BYTES = (size_t)64 << 20; /* each next one is twice as large */

/* A part of the heap. */
struct block {
    struct block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

/* A part of the file in one piece: addresses for all of it, disk for what is in use. */
struct segment {
    uint8_t *data;
    size_t size;
    size_t backed; /* that the file has */
    size_t used;
};

struct wcow_paged {
    struct block *blocks; /* the one in use first */
    size_t heap_left;
    int dirfd; /* where the file is made */
    int fd;    /* -1: none yet */
    struct segment segments[MAX_SEGMENTS];
    size_t n_segments;
    uint64_t file_end;
    atomic_uint looks;
};

int wcow_paged_new(size_t heap_bytes, int dirfd, struct wcow_paged **ret, struct wcow_error *err)
{
    struct wcow_paged *paged = calloc(1, sizeof(*paged));
    if (!paged)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    paged->heap_left = heap_bytes;
    paged->dirfd = dirfd;
    paged->fd = -1;
    *ret = paged;
    return WCOW_OK;
}

void wcow_paged_free(struct wcow_paged *paged)
{
    if (!paged)
        return;
    for (size_t i = 0; i < paged->n_segments; i++)
        (void)munmap(paged->segments[i].data, paged->segments[i].size);
    wcow_closep_(&paged->fd);
    while (paged->blocks) {
        struct block *next = paged->blocks->next;
        free(paged->blocks);
        paged->blocks = next;
    }
    free(paged);
}

/* ---- the file ---- */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static int add_segment(struct wcow_paged *paged, size_t want, struct wcow_error *err)
{
    size_t size = FIRST_SEGMENT_BYTES << paged->n_segments;
    if (size < want)
        size = round_up(want, STEP_BYTES);
    if (paged->n_segments == MAX_SEGMENTS)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "the layer has too many files");
    int r = paged->fd < 0 ? wcow_temp_file_open(paged->dirfd, &paged->fd, err) : WCOW_OK;
    if (r < 0)
        return r;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, paged->fd,
                      (off_t)paged->file_end);
    if (data == MAP_FAILED)
        return WCOW_FAIL_ERRNO(err, WCOW_E_NOMEM, "map a temporary file");
    paged->segments[paged->n_segments++] = (struct segment){.data = data, .size = size};
    paged->file_end += size;
    return WCOW_OK;
}

/* Disk first: where it is full this is an error, and not a signal at some later access. */
static int back(const struct wcow_paged *paged, struct segment *s, size_t want,
                struct wcow_error *err)
{
    size_t step = round_up(want, STEP_BYTES);
    if (step > s->size - s->backed)
        step = s->size - s->backed;
    uint64_t begin = paged->file_end - s->size + s->backed;
    int e = EINTR;
    while (e == EINTR)
        e = posix_fallocate(paged->fd, (off_t)begin, (off_t)step);
    if (e != 0) {
        errno = e;
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(e),
                               paged->dirfd < 0
                                   ? "let a temporary file grow (set TMPDIR to another folder)"
                                   : "let a temporary file grow");
    }
    s->backed += step;
    return WCOW_OK;
}

static int alloc_mapped(struct wcow_paged *paged, size_t want, void **ret, struct wcow_error *err)
{
    struct segment *s = paged->n_segments ? &paged->segments[paged->n_segments - 1] : NULL;
    if (!s || s->size - s->used < want) {
        int r = add_segment(paged, want, err);
        if (r < 0)
            return r;
        s = &paged->segments[paged->n_segments - 1];
    }
    if (s->backed - s->used < want) {
        int r = back(paged, s, want - (s->backed - s->used), err);
        if (r < 0)
            return r;
    }
    *ret = s->data + s->used;
    s->used += want;
    return WCOW_OK;
}

/* ---- the heap ---- */

static struct block *new_block(size_t size)
{
    struct block *b = calloc(1, sizeof(*b) + size);
    if (b)
        b->size = size;
    return b;
}

/* What is large gets a block of its own, behind the one in use. */
static void *alloc_heap(struct wcow_paged *paged, size_t want)
{
    struct block *b = paged->blocks;
    if (!b || b->size - b->used < want) {
        bool is_large = b && want > BLOCK_BYTES / 4;
        b = new_block(is_large || want > BLOCK_BYTES ? want : BLOCK_BYTES);
        if (!b)
            return NULL;
        struct block **at = is_large ? &paged->blocks->next : &paged->blocks;
        b->next = *at;
        *at = b;
    }
    void *piece = b->data + b->used;
    b->used += want;
    return piece;
}

/* ---- pieces ---- */

int wcow_paged_alloc(struct wcow_paged *paged, size_t size_bytes, void **ret,
                     struct wcow_error *err)
{
    if (size_bytes > SIZE_MAX / 4)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of the layer");
    size_t want = round_up(size_bytes ? size_bytes : 1, alignof(max_align_t));
    if (want > paged->heap_left) {
        paged->heap_left = 0;
        return alloc_mapped(paged, want, ret, err);
    }
    void *piece = alloc_heap(paged, want);
    if (!piece)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of the layer");
    paged->heap_left -= want;
    *ret = piece;
    return WCOW_OK;
}

void wcow_paged_look(struct wcow_paged *paged)
{
    if (paged->n_segments == 0 ||
        atomic_fetch_add_explicit(&paged->looks, 1, memory_order_relaxed) % MAX_LOOKS != 0)
        return;
    /* What is shared with a file is not lost by that. */
    for (size_t i = 0; i < paged->n_segments; i++)
        (void)madvise(paged->segments[i].data, paged->segments[i].backed, MADV_DONTNEED);
}
