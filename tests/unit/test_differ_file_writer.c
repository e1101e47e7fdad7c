/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of a layer's files: every byte to its file in order, holes as holes, chunks kept until
 * they are written, the first failure told by its file's name, every descriptor closed. */
#include "differ_test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "differ/file_writer.h"
#include "differ/host_link.h"
#include "differ/pipe.h"

enum { MANY_FILES = 1000, SLICE = 700, STREAM_BYTES = 24 << 20, PIECE_BYTES = 70001 };

/* A writer whose chunks are counted only: what is put stays where it is. */
struct writing {
    char *folder;
    int dirfd;
    atomic_uint n_chunks;
    struct wcow_writeback *writeback;
    struct wcow_file_writer *writer;
};

static int count_chunk(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *e)
{
    struct writing *w = ctx;
    (void)ret_data;
    (void)e;
    atomic_fetch_add(&w->n_chunks, 1);
    *ret_len = 1;
    return WCOW_OK;
}

static void begin(struct writing *w, const struct wcow_source *chunks)
{
    const struct wcow_source counted = {.next = count_chunk, .ctx = w};
    w->folder = new_folder();
    w->dirfd = open(w->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_ok(wcow_writeback_new(&w->writeback, &err));
    assert_ok(wcow_file_writer_new(chunks ? chunks : &counted, w->writeback, &w->writer, &err));
}

static void end(struct writing *w)
{
    wcow_file_writer_free(w->writer);
    assert_ok(wcow_writeback_finish(w->writeback, &err));
    wcow_writeback_free(w->writeback);
    close(w->dirfd);
    remove_folder(w->folder);
}

static int new_file(const struct writing *w, const char *name, int flags)
{
    int fd = openat(w->dirfd, name, O_CREAT | O_EXCL | O_CLOEXEC | flags, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void name_of(unsigned i, char name[16])
{
    (void)snprintf(name, 16, "file%u", i);
}

static size_t size_of(unsigned i)
{
    return (size_t)(i % 7) * SLICE; /* every seventh is empty */
}

static void put_file(struct writing *w, unsigned i, const uint8_t *data)
{
    char name[16];
    name_of(i, name);
    int fd = new_file(w, name, O_WRONLY);
    assert_ok(wcow_file_writer_open(w->writer, &fd, name, &err));
    assert_int_equal(fd, -1);
    for (size_t at = 0; at < size_of(i); at += SLICE)
        assert_ok(wcow_file_writer_put(w->writer, data + at, SLICE, &err));
    assert_ok(wcow_file_writer_close(w->writer, size_of(i), &err));
}

/* More files than there is room for. */
static void every_file_has_its_bytes(void **state)
{
    (void)state;
    uint8_t data[MANY_FILES + 6 * SLICE];
    struct writing w = {0};
    char name[16];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)((i * 2654435761U) >> 11);
    begin(&w, NULL);
    for (unsigned i = 0; i < MANY_FILES; i++) {
        assert_ok(wcow_file_writer_next_chunk(w.writer, &err));
        put_file(&w, i, data + i);
    }
    assert_ok(wcow_file_writer_finish(w.writer, &err));
    assert_int_equal(atomic_load(&w.n_chunks), MANY_FILES);
    for (unsigned i = 0; i < MANY_FILES; i++) {
        wcow_autobuf content = {0};
        wcow_autofree char *path = NULL;
        name_of(i, name);
        assert_true(asprintf(&path, "%s/%s", w.folder, name) > 0);
        read_file(path, &content);
        assert_int_equal(content.len, size_of(i));
        assert_true(!content.len || memcmp(content.data, data + i, content.len) == 0);
    }
    end(&w);
}

static void holes_take_no_room(void **state)
{
    (void)state;
    struct writing w = {0};
    struct stat st;
    begin(&w, NULL);
    int fd = new_file(&w, "sparse", O_WRONLY);
    assert_ok(wcow_file_writer_open(w.writer, &fd, "sparse", &err));
    assert_ok(wcow_file_writer_skip(w.writer, 64 << 20, &err));
    assert_ok(wcow_file_writer_put(w.writer, (const uint8_t *)"middle", 6, &err));
    assert_ok(wcow_file_writer_skip(w.writer, 64 << 20, &err));
    assert_ok(wcow_file_writer_close(w.writer, (128 << 20) + 6, &err));
    assert_ok(wcow_file_writer_settle(w.writer, &err));
    assert_int_equal(fstatat(w.dirfd, "sparse", &st, 0), 0);
    assert_int_equal(st.st_size, (128 << 20) + 6);
    assert_true(st.st_blocks * 512 < 1 << 20);
    end(&w);
}

/* The second file cannot be written: whoever asks is told, what stood before it is there, and the
 * chunks are let go of all the same. */
static void a_failure_is_told_by_its_file(void **state)
{
    (void)state;
    struct writing w = {0};
    struct wcow_error error = {0};
    uint8_t data[SLICE] = {1};
    begin(&w, NULL);
    put_file(&w, 0, data);
    put_file(&w, 1, data);
    int fd = new_file(&w, "bad", O_RDONLY);
    assert_ok(wcow_file_writer_open(w.writer, &fd, "Files/bad", &err));
    assert_ok(wcow_file_writer_put(w.writer, data, SLICE, &err));
    assert_true(wcow_file_writer_settle(w.writer, &error) < 0);
    assert_non_null(strstr(error.msg, "Files/bad"));
    assert_true(wcow_file_writer_next_chunk(w.writer, &error) < 0);
    assert_true(wcow_file_writer_finish(w.writer, &error) < 0);
    assert_int_equal(atomic_load(&w.n_chunks), 1);
    assert_non_null(strstr(error.msg, "Files/bad"));
    struct stat st;
    assert_int_equal(fstatat(w.dirfd, "file1", &st, 0), 0);
    assert_int_equal(st.st_size, SLICE);
    end(&w);
}

static void what_was_begun_is_closed(void **state)
{
    (void)state;
    struct writing w = {0};
    begin(&w, NULL);
    int fd = new_file(&w, "begun", O_WRONLY);
    int given = fd;
    assert_ok(wcow_file_writer_open(w.writer, &fd, "begun", &err));
    end(&w);
    assert_int_equal(fcntl(given, F_GETFD), -1);
}

/* ---- behind a pipe ---- */

struct numbers {
    uint64_t given;
};

static uint8_t number_at(uint64_t i)
{
    return (uint8_t)((i * 2654435761U) >> 11);
}

static int read_numbers(void *ctx, uint8_t *out, size_t cap, size_t *ret_len, struct wcow_error *e)
{
    struct numbers *n = ctx;
    uint64_t left = STREAM_BYTES - n->given;
    (void)e;
    *ret_len = left < cap ? (size_t)left : cap;
    for (size_t i = 0; i < *ret_len; i++)
        out[i] = number_at(n->given + i);
    n->given += *ret_len;
    return WCOW_OK;
}

static void *drain(void *arg)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    while (wcow_source_next(arg, &data, &len, NULL) == WCOW_OK && len)
        ;
    return NULL;
}

static void put_chunk(struct writing *w, const uint8_t *data, size_t len)
{
    assert_ok(wcow_file_writer_next_chunk(w->writer, &err));
    for (size_t at = 0; at < len; at += PIECE_BYTES) {
        size_t n = len - at < PIECE_BYTES ? len - at : PIECE_BYTES;
        assert_ok(wcow_file_writer_put(w->writer, data + at, n, &err));
    }
}

/* Several times what the pipe's ring holds, into one file. */
static void no_chunk_is_filled_anew_too_early(void **state)
{
    (void)state;
    struct numbers numbers = {0};
    struct wcow_pipe *pipe = NULL;
    struct writing w = {0};
    pthread_t other;
    assert_ok(wcow_pipe_new(read_numbers, &numbers, NULL, &pipe, &err));
    struct wcow_source parse = wcow_pipe_reader(pipe, 0);
    struct wcow_source hash = wcow_pipe_reader(pipe, 1);
    const struct wcow_source write = wcow_pipe_reader(pipe, 2);
    assert_int_equal(pthread_create(&other, NULL, drain, &hash), 0);
    begin(&w, &write);
    int fd = new_file(&w, "numbers", O_WRONLY);
    assert_ok(wcow_file_writer_open(w.writer, &fd, "numbers", &err));
    const uint8_t *data = NULL;
    size_t len = 0;
    while (wcow_source_next(&parse, &data, &len, NULL) == WCOW_OK && len)
        put_chunk(&w, data, len);
    assert_ok(wcow_file_writer_close(w.writer, STREAM_BYTES, &err));
    assert_ok(wcow_file_writer_finish(w.writer, &err));
    pthread_join(other, NULL);
    wcow_autobuf content = {0};
    wcow_autofree char *path = NULL;
    assert_true(asprintf(&path, "%s/numbers", w.folder) > 0);
    read_file(path, &content);
    assert_int_equal(content.len, STREAM_BYTES);
    size_t wrong = 0;
    for (size_t i = 0; i < content.len; i++)
        wrong += content.data[i] != number_at(i);
    assert_int_equal(wrong, 0);
    end(&w);
    wcow_pipe_free(pipe);
}

/* ---- links that have to be copies ---- */

/* What the link could not be made to becomes a file with data. */
static int settle_target(void *arg, struct wcow_error *e)
{
    const struct writing *w = arg;
    (void)e;
    assert_int_equal(unlinkat(w->dirfd, "target", AT_REMOVEDIR), 0);
    int fd = new_file(w, "target", O_WRONLY);
    assert_int_equal(write(fd, "settled", 7), 7);
    close(fd);
    return WCOW_OK;
}

/* No file system makes hard links of directories. */
static void a_copy_waits_for_its_files_data(void **state)
{
    (void)state;
    struct writing w = {0};
    begin(&w, NULL);
    assert_int_equal(mkdirat(w.dirfd, "target", 0700), 0);
    const struct wcow_layer_chain none = {0};
    const struct wcow_link_request request = {.from_fd = w.dirfd,
                                              .from_leaf = "target",
                                              .to_fd = w.dirfd,
                                              .to_leaf = "copy",
                                              .key = "TARGET",
                                              .parents = &none,
                                              .settle = settle_target,
                                              .settle_arg = &w};
    assert_ok(wcow_host_link(&request, &err));
    wcow_autobuf content = {0};
    wcow_autofree char *path = NULL;
    assert_true(asprintf(&path, "%s/copy", w.folder) > 0);
    read_file(path, &content);
    assert_int_equal(content.len, 7);
    assert_memory_equal(content.data, "settled", 7);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_has_its_bytes),
        cmocka_unit_test(holes_take_no_room),
        cmocka_unit_test(a_failure_is_told_by_its_file),
        cmocka_unit_test(what_was_begun_is_closed),
        cmocka_unit_test(no_chunk_is_filled_anew_too_early),
        cmocka_unit_test(a_copy_waits_for_its_files_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
