/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that may leave the process: what was written into it stays, wherever it lies. */
#include "base/paged.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wcow_test.h"

/* Resident pages that belong to files, which memory shared with one does: the third number. */
static size_t resident_file_bytes(void)
{
    char line[256] = "";
    char *at = line;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    assert_int_equal(fclose(f), 0);
    (void)strtoul(at, &at, 10);
    (void)strtoul(at, &at, 10);
    return strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t size_of(size_t i)
{
    return 1 + i * 37 % 400;
}

static uint8_t byte_of(size_t i)
{
    return (uint8_t)(i * 7 + 1);
}

static bool is_filled(const uint8_t *piece, size_t len, uint8_t with)
{
    return piece[0] == with && memcmp(piece, piece + 1, len - 1) == 0;
}

/* How many are not as they should be. */
static size_t fill_and_check(struct wcow_paged *paged, uint8_t **pieces, size_t n)
{
    size_t n_wrong = 0;
    for (size_t i = 0; i < n; i++) {
        void *piece = NULL;
        assert_ok(wcow_paged_alloc(paged, size_of(i), &piece, &err));
        pieces[i] = piece;
        n_wrong += !is_filled(pieces[i], size_of(i), 0) || (uintptr_t)piece % 16 != 0;
        memset(piece, byte_of(i), size_of(i));
        wcow_paged_look(paged);
    }
    for (size_t i = 0; i < n; i++) {
        wcow_paged_look(paged);
        n_wrong += !is_filled(pieces[i], size_of(i), byte_of(i));
    }
    return n_wrong;
}

static void pieces_keep_what_is_written(void **state)
{
    enum { N = 40000 }; /* some 8 MB */
    static const size_t heaps[] = {0, 100000, SIZE_MAX};
    static uint8_t *pieces[N];
    (void)state;
    for (size_t h = 0; h < sizeof(heaps) / sizeof(heaps[0]); h++) {
        struct wcow_paged *paged = NULL;
        assert_ok(wcow_paged_new(heaps[h], -1, &paged, &err));
        assert_int_equal(fill_and_check(paged, pieces, N), 0);
        wcow_paged_free(paged);
    }
}

static void a_piece_may_be_larger_than_what_is_mapped_at_once(void **state)
{
    (void)state;
    struct wcow_paged *paged = NULL;
    void *small = NULL;
    void *large = NULL;
    assert_ok(wcow_paged_new(0, -1, &paged, &err));
    assert_ok(wcow_paged_alloc(paged, 10, &small, &err));
    size_t size_bytes = (size_t)150 << 20;
    assert_ok(wcow_paged_alloc(paged, size_bytes, &large, &err));
    uint8_t *bytes = large;
    bytes[0] = 1;
    bytes[size_bytes - 1] = 2;
    memset(small, 3, 10);
    wcow_paged_look(paged);
    assert_true(bytes[0] == 1 && bytes[size_bytes - 1] == 2 && *(uint8_t *)small == 3);
    wcow_paged_free(paged);
}

static void little_of_it_is_resident(void **state)
{
    enum { PIECE_BYTES = 200, N = 300000, MAX_RESIDENT_BYTES = 8 << 20 };
    (void)state;
    struct wcow_paged *paged = NULL;
    size_t before = resident_file_bytes();
    size_t most = 0;
    assert_ok(wcow_paged_new(0, -1, &paged, &err));
    for (size_t i = 0; i < N; i++) {
        void *piece = NULL;
        assert_ok(wcow_paged_alloc(paged, PIECE_BYTES, &piece, &err));
        memset(piece, 1, PIECE_BYTES);
        wcow_paged_look(paged);
        size_t now = i % 10000 ? before : resident_file_bytes();
        most = now > most ? now : most;
    }
    assert_in_range(most - before, 0, MAX_RESIDENT_BYTES);
    wcow_paged_free(paged);
}

static void without_a_folder_for_it_one_is_told(void **state)
{
    (void)state;
    struct wcow_paged *paged = NULL;
    void *piece = NULL;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    assert_ok(wcow_paged_new(100, -1, &paged, &err));
    assert_ok(wcow_paged_alloc(paged, 50, &piece, &err));
    struct wcow_error err = {0};
    assert_int_equal(wcow_paged_alloc(paged, 100, &piece, &err), WCOW_E_NOT_FOUND);
    assert_int_equal(err.code, WCOW_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "set TMPDIR to another folder"));
    wcow_paged_free(paged);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_keep_what_is_written),
        cmocka_unit_test(a_piece_may_be_larger_than_what_is_mapped_at_once),
        cmocka_unit_test(little_of_it_is_resident),
        cmocka_unit_test(without_a_folder_for_it_one_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
