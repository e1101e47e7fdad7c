/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wcow_test.h"

static char folder[64];
static char path[96];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/wcow-cache.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/new/cache.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"cache.db", "cache.db-wal", "cache.db-shm", "cache.db.old"};
    char name[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s/new/%s", folder, names[i]);
        (void)unlink(name);
    }
    (void)snprintf(name, sizeof(name), "%s/new", folder);
    (void)rmdir(name);
    return rmdir(folder);
}

static struct wcow_digest digest_of(const char *text)
{
    struct wcow_digest digest;
    assert_ok(wcow_digest_of(text, strlen(text), &digest, &err));
    return digest;
}

static void files_are_remembered_by_their_stamp(void **state)
{
    (void)state;
    struct wcow_build_cache *cache = NULL;
    struct wcow_file_stamp stamp = {1, 2, 3, 4, 5};
    struct wcow_digest digest = digest_of("a");
    struct wcow_digest got;
    struct wcow_error err = {0};
    assert_int_equal(wcow_build_cache_open(path, &cache, &err), WCOW_OK);
    assert_int_equal(wcow_build_cache_file(cache, &stamp, &got, &err), 0);
    assert_int_equal(wcow_build_cache_remember_file(cache, &stamp, &digest, &err), WCOW_OK);
    /* One that is only noted is known until then. */
    struct wcow_file_stamp fresh = {1, 7, 3, 4, 5};
    assert_int_equal(wcow_build_cache_note_file(cache, &fresh, &digest, &err), WCOW_OK);
    assert_int_equal(wcow_build_cache_file(cache, &fresh, &got, &err), 1);
    assert_string_equal(got.text, digest.text);
    fresh.mtime_ns++;
    assert_int_equal(wcow_build_cache_file(cache, &fresh, &got, &err), 0);
    fresh.mtime_ns--;
    wcow_build_cache_close(cache);
    assert_int_equal(wcow_build_cache_open(path, &cache, &err), WCOW_OK);
    assert_int_equal(wcow_build_cache_file(cache, &fresh, &got, &err), 0);
    /* It is there after the file was closed, and for that stamp only. */
    assert_int_equal(wcow_build_cache_file(cache, &stamp, &got, &err), 1);
    assert_string_equal(got.text, digest.text);
    stamp.ctime_ns++;
    assert_int_equal(wcow_build_cache_file(cache, &stamp, &got, &err), 0);
    wcow_build_cache_close(cache);
}

static void layers_are_remembered_until_forgotten(void **state)
{
    (void)state;
    struct wcow_build_cache *cache = NULL;
    struct wcow_digest shape = digest_of("shape");
    struct wcow_digest key = digest_of("key");
    const struct wcow_cached_layer layer = {.diff_id = digest_of("diff"),
                                            .digest = digest_of("blob"),
                                            .size_bytes = 7,
                                            .tar_bytes = 9,
                                            .created_s = 11};
    struct wcow_cached_layer got = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_build_cache_open(path, &cache, &err), WCOW_OK);
    assert_int_equal(wcow_build_cache_has_shape(cache, &shape, &err), 0);
    assert_int_equal(wcow_build_cache_remember_layer(cache, &shape, &key, &layer, &err), WCOW_OK);
    assert_int_equal(wcow_build_cache_has_shape(cache, &shape, &err), 1);
    assert_int_equal(wcow_build_cache_layer(cache, &key, &got, &err), 1);
    assert_string_equal(got.diff_id.text, layer.diff_id.text);
    assert_string_equal(got.digest.text, layer.digest.text);
    assert_int_equal(got.size_bytes, 7);
    assert_int_equal(got.tar_bytes, 9);
    assert_int_equal(got.created_s, 11);
    assert_int_equal(wcow_build_cache_layer(cache, &shape, &got, &err), 0);
    assert_int_equal(wcow_build_cache_forget_layer(cache, &key, &err), WCOW_OK);
    assert_int_equal(wcow_build_cache_layer(cache, &key, &got, &err), 0);
    assert_int_equal(wcow_build_cache_has_shape(cache, &shape, &err), 0);
    wcow_build_cache_close(cache);
}

static void a_layer_is_known_by_several_keys(void **state)
{
    (void)state;
    struct wcow_build_cache *cache = NULL;
    struct wcow_digest by_input = digest_of("input");
    struct wcow_digest input_shape = digest_of("input shape");
    struct wcow_digest by_content = digest_of("content");
    struct wcow_digest content_shape = digest_of("content shape");
    struct wcow_digest key = {0};
    struct wcow_digest shape = {0};
    const struct wcow_cached_layer layer = {
        .diff_id = digest_of("diff"), .digest = digest_of("blob"), .size_bytes = 7};
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    assert_ok(wcow_build_cache_remember_layer(cache, &input_shape, &by_input, &layer, &err));
    assert_int_equal(wcow_build_cache_other_key(cache, &layer.digest, &by_input, &input_shape, &key,
                                                &shape, NULL),
                     0);
    assert_ok(wcow_build_cache_remember_layer(cache, &content_shape, &by_content, &layer, &err));
    assert_int_equal(wcow_build_cache_other_key(cache, &layer.digest, &by_input, &input_shape, &key,
                                                &shape, NULL),
                     1);
    assert_string_equal(key.text, by_content.text);
    assert_string_equal(shape.text, content_shape.text);
    wcow_build_cache_close(cache);
}

static void texts_are_remembered_until_all_is_forgotten(void **state)
{
    (void)state;
    struct wcow_build_cache *cache = NULL;
    struct wcow_digest key = digest_of("registry PATH");
    char *text = NULL;
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    assert_int_equal(wcow_build_cache_text(cache, &key, &text, NULL), 0);
    assert_ok(wcow_build_cache_remember_text(cache, &key, "C:\\Windows", &err));
    wcow_build_cache_close(cache);
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    assert_int_equal(wcow_build_cache_text(cache, &key, &text, NULL), 1);
    assert_string_equal(text, "C:\\Windows");
    free(text);
    assert_ok(wcow_build_cache_forget_files(cache, &err));
    assert_int_equal(wcow_build_cache_text(cache, &key, &text, NULL), 0);
    wcow_build_cache_close(cache);
}

static void a_foreign_file_is_set_aside(void **state)
{
    (void)state;
    struct wcow_build_cache *cache = NULL;
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    wcow_build_cache_close(cache);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs("this is no database, and long enough not to be an empty one either", f) >=
                0);
    assert_int_equal(fclose(f), 0);
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    wcow_build_cache_close(cache);
    char old[160];
    (void)snprintf(old, sizeof(old), "%s.old", path);
    assert_int_equal(access(old, F_OK), 0);
}

/* Before its tables are looked at, which may be other ones. */
static void one_of_another_version_is_set_aside(void **state)
{
    (void)state;
    enum { USER_VERSION_AT = 60 }; /* in a database's header, sqlite.org/fileformat.html */
    struct wcow_build_cache *cache = NULL;
    struct wcow_digest key = digest_of("registry PATH");
    char *text = NULL;
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    assert_ok(wcow_build_cache_remember_text(cache, &key, "C:\\Windows", &err));
    wcow_build_cache_close(cache);
    wcow_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\0\0\0\1", 4, USER_VERSION_AT), 4);
    assert_ok(wcow_build_cache_open(path, &cache, &err));
    assert_int_equal(wcow_build_cache_text(cache, &key, &text, NULL), 0);
    wcow_build_cache_close(cache);
    char old[160];
    (void)snprintf(old, sizeof(old), "%s.old", path);
    assert_int_equal(access(old, F_OK), 0);
}

enum { N_OPENERS = 6, N_NEW_FILES = 20 };

static pthread_barrier_t begun;

/* What the opener remembers tells whether its file was set aside by another. */
static void *open_and_remember(void *arg)
{
    struct wcow_build_cache *c = NULL;
    struct wcow_error why = {0};
    const struct wcow_digest *key = arg;
    (void)pthread_barrier_wait(&begun);
    int r = wcow_build_cache_open(path, &c, &why);
    if (r == WCOW_OK)
        r = wcow_build_cache_remember_text(c, key, "remembered", &why);
    wcow_build_cache_close(c);
    if (r < 0)
        print_error("%s\n", why.msg);
    return r < 0 ? NULL : arg;
}

static void remove_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

/* As `wcow du` beside the very first build. */
static void one_that_another_is_making_is_not_set_aside(void **state)
{
    (void)state;
    char old[160];
    struct wcow_digest keys[N_OPENERS];
    (void)snprintf(old, sizeof(old), "%s.old", path);
    assert_int_equal(pthread_barrier_init(&begun, NULL, N_OPENERS), 0);
    for (unsigned round = 0; round < N_NEW_FILES; round++) {
        pthread_t threads[N_OPENERS];
        void *done[N_OPENERS];
        struct wcow_build_cache *c = NULL;
        for (unsigned i = 0; i < N_OPENERS; i++) {
            char name[] = {(char)('a' + i), '\0'};
            keys[i] = digest_of(name);
            assert_int_equal(pthread_create(&threads[i], NULL, open_and_remember, &keys[i]), 0);
        }
        for (unsigned i = 0; i < N_OPENERS; i++)
            assert_int_equal(pthread_join(threads[i], &done[i]), 0);
        assert_ok(wcow_build_cache_open(path, &c, &err));
        for (unsigned i = 0; i < N_OPENERS; i++) {
            wcow_autofree char *text = NULL;
            assert_non_null(done[i]);
            assert_int_equal(wcow_build_cache_text(c, &keys[i], &text, NULL), 1);
        }
        wcow_build_cache_close(c);
        assert_int_equal(access(old, F_OK), -1);
        remove_files();
    }
    (void)pthread_barrier_destroy(&begun);
}

static bool knows_file(struct wcow_build_cache *c, uint64_t ino)
{
    const struct wcow_file_stamp stamp = {.ino = ino};
    struct wcow_digest found = {0};
    return wcow_build_cache_file(c, &stamp, &found, NULL) == 1;
}

/* From its first file to its layer it may take minutes. */
static void a_build_that_hashes_files_keeps_no_other_waiting(void **state)
{
    (void)state;
    struct wcow_build_cache *one = NULL;
    struct wcow_build_cache *other = NULL;
    const struct wcow_digest key = digest_of("key");
    const struct wcow_cached_layer layer = {.diff_id = key, .digest = key, .size_bytes = 1};
    assert_ok(wcow_build_cache_open(path, &one, &err));
    assert_ok(wcow_build_cache_open(path, &other, &err));
    assert_ok(wcow_build_cache_remember_file(one, &(struct wcow_file_stamp){.ino = 1}, &key, &err));
    assert_true(knows_file(one, 1));
    assert_ok(
        wcow_build_cache_remember_file(other, &(struct wcow_file_stamp){.ino = 2}, &key, &err));
    assert_ok(wcow_build_cache_remember_layer(other, &key, &key, &layer, &err));
    assert_true(knows_file(one, 1));
    assert_ok(wcow_build_cache_remember_layer(one, &key, &key, &layer, &err));
    assert_true(knows_file(other, 1));
    assert_true(knows_file(one, 2));
    wcow_build_cache_close(one);
    wcow_build_cache_close(other);
}

enum { N_FILES = 5000 };

/* Memory does not grow with them; a build that is interrupted leaves what it had hashed. */
static void very_many_files_are_written_before_their_layer_and_the_rest_at_the_end(void **state)
{
    (void)state;
    struct wcow_build_cache *one = NULL;
    struct wcow_build_cache *other = NULL;
    const struct wcow_digest digest = digest_of("content");
    assert_ok(wcow_build_cache_open(path, &one, &err));
    for (uint64_t i = 1; i <= N_FILES; i++)
        assert_ok(wcow_build_cache_remember_file(one, &(struct wcow_file_stamp){.ino = i}, &digest,
                                                 &err));
    assert_ok(wcow_build_cache_open(path, &other, &err));
    assert_true(knows_file(other, 1));
    assert_false(knows_file(other, N_FILES));
    assert_true(knows_file(one, 1) && knows_file(one, N_FILES));
    wcow_build_cache_close(other);
    wcow_build_cache_close(one);
    assert_ok(wcow_build_cache_open(path, &other, &err));
    assert_true(knows_file(other, N_FILES));
    wcow_build_cache_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_remembered_by_their_stamp, setup, teardown),
        cmocka_unit_test_setup_teardown(layers_are_remembered_until_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_layer_is_known_by_several_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_remembered_until_all_is_forgotten, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_foreign_file_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_another_version_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_another_is_making_is_not_set_aside, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_build_that_hashes_files_keeps_no_other_waiting, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            very_many_files_are_written_before_their_layer_and_the_rest_at_the_end, setup,
            teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
