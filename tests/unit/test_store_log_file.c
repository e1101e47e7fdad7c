/* SPDX-License-Identifier: Apache-2.0 */
/* The log's file as sqlite would use it: what is written waits for the sync, and for nothing else.
 */
#include "wcow_test.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_command.h"
#include "store/log_file.h"

enum { FRAME = 4120, MANY = 40 }; /* of which 15 are gathered at most */

static char folder[] = "/tmp/wcow-log-XXXXXX";
static char database[64];
static char path[96];
static sqlite3_file *file;

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/wcow-log-XXXXXX");
    sqlite3_vfs *vfs = sqlite3_vfs_find(wcow_log_file_vfs());
    file = vfs ? calloc(1, (size_t)vfs->szOsFile) : NULL;
    if (!file || !mkdtemp(folder))
        return -1;
    (void)snprintf(database, sizeof(database), "%s/db", folder);
    (void)snprintf(path, sizeof(path), "%s-wal", database);
    FILE *f = fopen(database, "we");
    if (!f || fclose(f) != 0)
        return -1;
    int flags = SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    return vfs->xOpen(vfs, path, file, flags, &flags) == SQLITE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (file && file->pMethods)
        (void)file->pMethods->xClose(file);
    free(file);
    return remove_all(folder);
}

static int put(int n)
{
    char frame[FRAME];
    memset(frame, 'a' + n % 26, sizeof(frame));
    return file->pMethods->xWrite(file, frame, FRAME, (sqlite3_int64)n * FRAME);
}

static void put_all(int from, int until)
{
    for (int i = from; i < until; i++)
        assert_int_equal(put(i), SQLITE_OK);
}

static long on_disk(void)
{
    struct stat st = {0};
    assert_int_equal(stat(path, &st), 0);
    return (long)st.st_size;
}

static void check_disk(int n)
{
    char frame[FRAME];
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    for (int i = 0; i < n; i++) {
        assert_int_equal(fread(frame, 1, FRAME, f), FRAME);
        assert_int_equal(frame[0], 'a' + i % 26);
        assert_int_equal(frame[FRAME - 1], 'a' + i % 26);
    }
    assert_int_equal(fgetc(f), EOF);
    (void)fclose(f);
}

static void what_is_written_waits_for_the_sync(void **state)
{
    (void)state;
    put_all(0, 4);
    assert_int_equal(on_disk(), 0);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    check_disk(4);
    put_all(4, 5);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    check_disk(5);
}

static void more_than_is_gathered_is_written_in_order(void **state)
{
    (void)state;
    put_all(0, MANY);
    assert_true(on_disk() > 0);
    assert_true(on_disk() < (long)MANY * FRAME);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    check_disk(MANY);
}

static void a_write_larger_than_that_is_written_at_once(void **state)
{
    (void)state;
    static char large[100000];
    put_all(0, 2);
    assert_int_equal(file->pMethods->xWrite(file, large, sizeof(large), 2L * FRAME), SQLITE_OK);
    assert_int_equal(on_disk(), 2L * FRAME + (long)sizeof(large));
}

static void a_write_elsewhere_comes_after_those_before_it(void **state)
{
    (void)state;
    put_all(0, 3);
    put_all(1, 2);
    assert_int_equal(on_disk(), 3 * FRAME);
    put_all(0, 1);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    check_disk(3);
}

static void who_reads_finds_what_was_written(void **state)
{
    (void)state;
    char frame[FRAME];
    put_all(0, 3);
    assert_int_equal(file->pMethods->xRead(file, frame, FRAME, 2L * FRAME), SQLITE_OK);
    assert_int_equal(frame[0], 'c');
    check_disk(3);
}

static void size_and_truncation_are_of_what_was_written(void **state)
{
    (void)state;
    sqlite3_int64 size = 0;
    put_all(0, 3);
    assert_int_equal(file->pMethods->xFileSize(file, &size), SQLITE_OK);
    assert_int_equal(size, 3 * FRAME);
    put_all(3, 5);
    assert_int_equal(file->pMethods->xTruncate(file, 4L * FRAME), SQLITE_OK);
    check_disk(4);
}

static void closing_writes_the_rest(void **state)
{
    (void)state;
    put_all(0, 3);
    assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
    file->pMethods = NULL;
    check_disk(3);
}

/* No file may grow beyond @p size. */
static void limit(rlim_t size)
{
    struct rlimit limit = {0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_written_fails_the_sync_and_is_forgotten(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    put_all(0, 3);
    limit(FRAME);
    int r = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    limit(RLIM_INFINITY);
    assert_true(r != SQLITE_OK);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_true(on_disk() <= FRAME);
    put_all(0, 2);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    check_disk(2);
}

/* sqlite itself: the writer by it, the reader without. */
static int count_rows(void)
{
    sqlite3 *reader = NULL;
    sqlite3_stmt *stmt = NULL;
    int n = -1;
    assert_int_equal(sqlite3_open_v2(database, &reader, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(reader, "SELECT count(*) FROM t", -1, &stmt, NULL),
                     SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(reader);
    return n;
}

static void readers_see_what_is_committed_and_nothing_else(void **state)
{
    (void)state;
    static const char rows[] =
        "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
        "INSERT INTO t SELECT randomblob(1000) FROM n";
    sqlite3 *writer = NULL;
    assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
    file->pMethods = NULL;
    assert_int_equal(unlink(path), 0);
    int flags = SQLITE_OPEN_READWRITE;
    assert_int_equal(sqlite3_open_v2(database, &writer, flags, wcow_log_file_vfs()), SQLITE_OK);
#define DO(sql) assert_int_equal(sqlite3_exec(writer, (sql), NULL, NULL, NULL), SQLITE_OK)
    DO("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = 10; "
       "CREATE TABLE t (v BLOB)");
    DO(rows);
    assert_int_equal(count_rows(), 500);
    DO("BEGIN"); /* the cache is too small for it: some of it goes to the log before the end */
    DO(rows);
    assert_int_equal(count_rows(), 500);
    DO("ROLLBACK");
    DO(rows);
    assert_int_equal(count_rows(), 1000);
    DO("PRAGMA wal_checkpoint(TRUNCATE)");
    DO("PRAGMA integrity_check");
    assert_int_equal(sqlite3_close(writer), SQLITE_OK);
    assert_int_equal(count_rows(), 1000);
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOG(what_is_written_waits_for_the_sync),
        WITH_LOG(more_than_is_gathered_is_written_in_order),
        WITH_LOG(a_write_larger_than_that_is_written_at_once),
        WITH_LOG(a_write_elsewhere_comes_after_those_before_it),
        WITH_LOG(who_reads_finds_what_was_written),
        WITH_LOG(size_and_truncation_are_of_what_was_written),
        WITH_LOG(closing_writes_the_rest),
        WITH_LOG(what_cannot_be_written_fails_the_sync_and_is_forgotten),
        WITH_LOG(readers_see_what_is_committed_and_nothing_else),
    };
    return cmocka_run_group_tests_name("store/log_file", tests, NULL, NULL);
}
