/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs are done in order, whoever does them; the first that fails is told and none behind it is
 * done; each is freed once. */
#include "wcow_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "differ/jobs.h"

enum { MANY = 10000, NONE = -1 };

/* The jobs that were done, in the order in which they were. Only done and freed are shared between
 * threads, and looked at when all is settled. */
struct log {
    int done[MANY];
    int n_done;
    int fails_at;
    int n_calls; /* for help */
};

static int n_freed; /* of all logs; jobs are freed one at a time, or when their thread has ended */

static int run(void *ctx, void *job, struct wcow_error *error)
{
    struct log *log = ctx;
    int number = *(int *)job;
    log->done[log->n_done++] = number;
    if (number == log->fails_at)
        return WCOW_FAIL(error, WCOW_E_IO, "job %d failed", number);
    return WCOW_OK;
}

static void free_job(void *job)
{
    n_freed++;
    free(job);
}

static void call(void *ctx)
{
    struct log *log = ctx;
    log->n_calls++;
}

static const struct wcow_job_ops ops = {.run = run, .free = free_job, .call = call};

static atomic_bool over;

static void *help(void *arg)
{
    while (!atomic_load(&over))
        (void)wcow_jobs_help(arg);
    return NULL;
}

static int add(struct wcow_jobs *jobs, int number, size_t bytes, struct wcow_error *error)
{
    int *job = malloc(sizeof(*job));
    assert_non_null(job);
    *job = number;
    return wcow_jobs_add(jobs, job, bytes, error);
}

static struct log *new_log(int fails_at)
{
    struct log *log = calloc(1, sizeof(*log));
    assert_non_null(log);
    log->fails_at = fails_at;
    n_freed = 0;
    return log;
}

/* Whoever settles in between finds all done that it gave, whether others help or not. */
static void done_in_order(size_t bytes, int settle_each, int n_helpers)
{
    enum { HELPERS = 2 };
    pthread_t helpers[HELPERS];
    wcow_autofree struct log *log = new_log(NONE);
    struct wcow_jobs *jobs = NULL;
    assert_ok(wcow_jobs_new(&ops, log, &jobs, &err));
    atomic_store(&over, false);
    for (int i = 0; i < n_helpers; i++)
        assert_int_equal(pthread_create(&helpers[i], NULL, help, jobs), 0);
    for (int i = 0; i < MANY; i++) {
        assert_ok(add(jobs, i, bytes, &err));
        if (i % settle_each)
            continue;
        assert_ok(wcow_jobs_settle(jobs, &err));
        assert_int_equal(log->n_done, i + 1);
    }
    assert_ok(wcow_jobs_settle(jobs, &err));
    assert_int_equal(log->n_done, MANY);
    atomic_store(&over, true);
    for (int i = 0; i < n_helpers; i++)
        assert_int_equal(pthread_join(helpers[i], NULL), 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(log->done[i], i);
    wcow_jobs_free(jobs);
    assert_int_equal(n_freed, MANY);
}

static void all_are_done_in_order(void **state)
{
    (void)state;
    for (int n_helpers = 0; n_helpers <= 2; n_helpers++) {
        done_in_order(8, MANY, n_helpers);
        done_in_order(8, 1, n_helpers);
        done_in_order(8, 7, n_helpers);
        done_in_order(8, 100, n_helpers);
        done_in_order(300 << 10, MANY, n_helpers); /* few of them may wait */
    }
}

static void help_is_called_where_many_wait(void **state)
{
    (void)state;
    enum { HANDFUL = 16 };
    wcow_autofree struct log *log = new_log(NONE);
    struct wcow_jobs *jobs = NULL;
    assert_ok(wcow_jobs_new(&ops, log, &jobs, &err));
    assert_false(wcow_jobs_help(jobs));
    for (int i = 0; i < HANDFUL; i++) {
        assert_int_equal(log->n_calls, 0);
        assert_ok(add(jobs, i, 8, &err));
    }
    assert_int_equal(log->n_calls, 1);
    for (int i = 0; i < HANDFUL; i++) {
        assert_int_equal(log->n_done, i);
        assert_true(wcow_jobs_help(jobs));
    }
    assert_false(wcow_jobs_help(jobs));
    assert_int_equal(log->n_done, HANDFUL);
    wcow_jobs_free(jobs);
}

static void the_first_that_fails_is_told(void **state)
{
    (void)state;
    enum { BAD = 150 };
    wcow_autofree struct log *log = new_log(BAD);
    struct wcow_jobs *jobs = NULL;
    struct wcow_error again = {0};
    assert_ok(wcow_jobs_new(&ops, log, &jobs, &err));
    struct wcow_error err = {0};
    int r = WCOW_OK;
    int given = 0;
    while (r == WCOW_OK && given < MANY)
        r = add(jobs, given++, 8, &err);
    assert_int_equal(r, WCOW_E_IO); /* he is told before all are given */
    assert_true(given < MANY);
    assert_string_equal(err.msg, "job 150 failed");
    assert_int_equal(wcow_jobs_settle(jobs, &again), WCOW_E_IO);
    assert_string_equal(again.msg, "job 150 failed");
    assert_int_equal(wcow_jobs_settle(jobs, NULL), WCOW_E_IO);
    assert_int_equal(log->n_done, BAD + 1);
    wcow_jobs_free(jobs);
    assert_int_equal(n_freed, given);
}

static void what_waits_at_the_end_is_freed(void **state)
{
    (void)state;
    for (int n = 0; n < 100; n++) {
        wcow_autofree struct log *log = new_log(NONE);
        struct wcow_jobs *jobs = NULL;
        assert_ok(wcow_jobs_new(&ops, log, &jobs, &err));
        for (int i = 0; i < n; i++)
            assert_ok(add(jobs, i, 8, &err));
        wcow_jobs_free(jobs);
        assert_int_equal(n_freed, n);
    }
    wcow_jobs_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_done_in_order),
        cmocka_unit_test(help_is_called_where_many_wait),
        cmocka_unit_test(the_first_that_fails_is_told),
        cmocka_unit_test(what_waits_at_the_end_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
