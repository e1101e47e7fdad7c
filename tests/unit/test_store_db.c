/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_command.h"
#include "store/snapshots.h"

static char root[] = "/tmp/wcow-store-XXXXXX";

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/wcow-store-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return remove_all(root);
}

static void write_file(const char *name, const char *bytes)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(bytes, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void shell(const char *sql)
{
    char database[128];
    (void)snprintf(database, sizeof(database), "%s/metadata.db", root);
    const char *const argv[] = {"sqlite3", database, sql, NULL};
    assert_int_equal(run_command(argv), 0);
}

static void a_root_is_made_and_opened_again(void **state)
{
    (void)state;
    char deep[128];
    (void)snprintf(deep, sizeof(deep), "%s/a/b", root);
    for (int i = 0; i < 2; i++) {
        WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
        assert_ok(wcow_store_open(deep, &store, &err));
        assert_string_equal(wcow_store_root(store), deep);
    }
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void a_second_writer_is_refused_and_a_reader_is_not(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    struct wcow_store *second = NULL;
    assert_fails(wcow_store_open_readonly(root, &second, &err), WCOW_E_NOT_FOUND);
    assert_ok(wcow_store_open(root, &store, &err));
    assert_fails(wcow_store_open(root, &second, &err), WCOW_E_EXISTS);
    assert_null(second);
    assert_ok(wcow_store_open_readonly(root, &second, &err));
    wcow_store_close(second);
}

static int insert(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    wcow_autorow row = {0};
    const struct wcow_snapshots_new snap = {.key = arg, .kind = WCOW_KIND_ACTIVE};
    return wcow_snapshots_create(db, &snap, &row, err);
}

static int find(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    wcow_autorow row = {0};
    return wcow_snapshots_find(db, arg, true, &row, err);
}

static int make_five(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    (void)arg;
    static const char *const keys[] = {"one", "two", "three", "four", "five"};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < 5; i++) {
        const struct wcow_snapshots_new snap = {.key = keys[i], .kind = WCOW_KIND_ACTIVE};
        wcow_autorow row = {0};
        r = wcow_snapshots_create(db, &snap, &row, err);
    }
    return r;
}

/* The sum shows which, the order is checked. */
static int sum_ids(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const size_t *max = arg;
    wcow_autofree int64_t *ids = NULL;
    size_t n = 0;
    int r = wcow_snapshots_ids(db, *max, &ids, &n, err);
    int64_t sum = 0;
    for (size_t i = 0; r == WCOW_OK && i < n; i++) {
        assert_true(i == 0 || ids[i - 1] < ids[i]);
        sum += ids[i];
    }
    return r < 0 ? r : (int)sum;
}

static void the_highest_ids_or_all_are_read_in_order(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    assert_ok(wcow_store_open(root, &store, &err));
    size_t max = 0;
    assert_int_equal(wcow_store_read(store, sum_ids, &max, NULL), 0);
    assert_ok(wcow_store_write(store, make_five, NULL, &err));
    assert_int_equal(wcow_store_read(store, sum_ids, &max, NULL), 1 + 2 + 3 + 4 + 5);
    max = 2;
    assert_int_equal(wcow_store_read(store, sum_ids, &max, NULL), 4 + 5);
    max = 100;
    assert_int_equal(wcow_store_read(store, sum_ids, &max, NULL), 1 + 2 + 3 + 4 + 5);
}

static void a_reader_may_not_write(void **state)
{
    (void)state;
    static char key[] = "k";
    struct wcow_store *store = NULL;
    assert_ok(wcow_store_open(root, &store, &err));
    assert_fails(wcow_store_read(store, insert, key, &err), WCOW_E_DENIED);
    wcow_store_close(store);
    assert_ok(wcow_store_open_readonly(root, &store, &err));
    assert_fails(wcow_store_write(store, insert, key, &err), WCOW_E_DENIED);
    wcow_store_close(store);
}

static void files_that_are_none_of_ours_are_refused(void **state)
{
    (void)state;
    struct wcow_store *store = NULL;
    write_file("metadata.db", "this is no database, whatever its name says; it is long enough\n");
    assert_fails(wcow_store_open(root, &store, &err), WCOW_E_CORRUPT);
    write_file("metadata.db", "");
    shell("CREATE TABLE t (x)");
    assert_fails(wcow_store_open(root, &store, &err), WCOW_E_CORRUPT);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct wcow_store *store = NULL;
    assert_ok(wcow_store_open(root, &store, &err));
    wcow_store_close(WCOW_TAKE_PTR(store));
    shell("PRAGMA user_version = 99");
    assert_fails(wcow_store_open(root, &store, &err), WCOW_E_UNSUPPORTED);
    assert_fails(wcow_store_open_readonly(root, &store, &err), WCOW_E_UNSUPPORTED);
    shell("PRAGMA user_version = 2");
    assert_ok(wcow_store_open(root, &store, &err));
    wcow_store_close(store);
}

/* ---- group commit ---- */

struct counted {
    struct wcow_store_op op;
    char key[32];
    int code;
    int n_done;
    int n_undone;
};

static int run_counted(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct counted *c = arg;
    return insert(db, c->key, err);
}

static void count_undo(void *arg)
{
    ((struct counted *)arg)->n_undone++;
}

static void count_done(void *arg, int code, const struct wcow_error *err)
{
    (void)err;
    struct counted *c = arg;
    c->n_done++;
    c->code = code;
}

static void submit_all(struct wcow_store *store, struct counted *all, size_t n, wcow_store_fn run)
{
    for (size_t i = 0; i < n; i++) {
        all[i].op = (struct wcow_store_op){
            .run = run, .undo = count_undo, .done = count_done, .arg = &all[i]};
        wcow_store_submit(store, &all[i].op);
    }
}

static void each_op_of_a_batch_stands_for_itself(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct counted all[N];
    memset(all, 0, sizeof(all));
    for (int i = 0; i < N; i++)
        (void)snprintf(all[i].key, sizeof(all[i].key), "key-%d", i / 3);
    struct wcow_store *store = NULL;
    assert_ok(wcow_store_open(root, &store, &err));
    submit_all(store, all, N, run_counted);
    wcow_store_close(WCOW_TAKE_PTR(store));
    for (int i = 0; i < N; i++) {
        assert_int_equal(all[i].n_done, 1);
        assert_int_equal(all[i].n_undone, 0);
        assert_int_equal(all[i].code, i % 3 == 0 ? WCOW_OK : WCOW_E_EXISTS);
    }
    assert_ok(wcow_store_open(root, &store, &err));
    assert_ok(wcow_store_read(store, find, all[N - 1].key, &err));
    assert_true(wcow_store_stats(store).operations == 0);
    wcow_store_close(store);
}

static int insert_then_fail(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    int r = insert(db, arg, err);
    return r < 0 ? r : WCOW_FAIL(err, WCOW_E_IO, "after the insert");
}

static void a_failed_op_leaves_nothing(void **state)
{
    (void)state;
    static char key[] = "half";
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    assert_ok(wcow_store_open(root, &store, &err));
    assert_fails(wcow_store_write(store, insert_then_fail, key, &err), WCOW_E_IO);
    assert_fails(wcow_store_read(store, find, key, &err), WCOW_E_NOT_FOUND);
    assert_ok(wcow_store_write(store, insert, key, &err));
    assert_ok(wcow_store_read(store, find, key, &err));
}

static mode_t mode_of(const char *name)
{
    char path[128];
    struct stat st = {0};
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* Whatever the umask is, in a root that is open to others, and where an older version left them so.
 */
static void its_files_are_nobody_elses(void **state)
{
    (void)state;
    static const char *const names[] = {"metadata.db", "metadata.db-wal", "metadata.db-shm",
                                        "lock"};
    mode_t before = umask(0);
    assert_int_equal(chmod(root, 0755), 0);
    for (int i = 0; i < 2; i++) {
        WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
        assert_ok(wcow_store_open(root, &store, &err));
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
            assert_int_equal(mode_of(names[k]), 0600);
        wcow_store_close(WCOW_TAKE_PTR(store));
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/metadata.db", root);
        assert_int_equal(chmod(path, 0644), 0);
    }
    (void)umask(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_root_is_made_and_opened_again, setup, teardown),
        cmocka_unit_test_setup_teardown(its_files_are_nobody_elses, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_writer_is_refused_and_a_reader_is_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_highest_ids_or_all_are_read_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_may_not_write, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_are_none_of_ours_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_schema_is_refused_and_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(each_op_of_a_batch_stands_for_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_op_leaves_nothing, setup, teardown),
    };
    return cmocka_run_group_tests_name("store/db", tests, NULL, NULL);
}
