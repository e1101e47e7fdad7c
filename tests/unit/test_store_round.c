/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds: what one thread submits at once shares a transaction, and a lone op runs where it came.
 */
#include "wcow_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run_command.h"
#include "store/snapshots.h"

static char root[] = "/tmp/wcow-store-XXXXXX";
static struct wcow_store *store;

static int setup(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    (void)snprintf(root, sizeof(root), "/tmp/wcow-store-XXXXXX");
    return mkdtemp(root) && wcow_store_open(root, &store, &err) == WCOW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    wcow_store_close(store);
    return remove_all(root);
}

struct request {
    struct wcow_store_op op;
    char key[32];
    bool fails;
    pthread_mutex_t mutex; /* the rest */
    pthread_cond_t changed;
    bool done;
    bool after;
    int code;
    pthread_t ran_on;
    pthread_t answered_on;
};

static int run(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    struct request *q = arg;
    wcow_autorow row = {0};
    const struct wcow_snapshots_new snap = {.key = q->key, .kind = WCOW_KIND_ACTIVE};
    (void)pthread_mutex_lock(&q->mutex);
    q->ran_on = pthread_self();
    (void)pthread_mutex_unlock(&q->mutex);
    int r = wcow_snapshots_create(db, &snap, &row, err);
    return r == WCOW_OK && q->fails ? WCOW_FAIL(err, WCOW_E_LIMIT, "it was to fail") : r;
}

static void set(struct request *q, bool *what)
{
    (void)pthread_mutex_lock(&q->mutex);
    *what = true;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->mutex);
}

static void on_done(void *arg, int code, const struct wcow_error *err)
{
    (void)err;
    struct request *q = arg;
    q->code = code;
    q->answered_on = pthread_self();
    set(q, &q->done);
}

static void on_after(void *arg)
{
    struct request *q = arg;
    set(q, &q->after);
}

static bool is(struct request *q, const bool *what)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool value = *what;
    (void)pthread_mutex_unlock(&q->mutex);
    return value;
}

static void wait_for(struct request *q, const bool *what)
{
    (void)pthread_mutex_lock(&q->mutex);
    while (!*what)
        (void)pthread_cond_wait(&q->changed, &q->mutex);
    (void)pthread_mutex_unlock(&q->mutex);
}

static void submit_one(struct request *q, const char *key, bool fails)
{
    *q = (struct request){
        .fails = fails, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    (void)snprintf(q->key, sizeof(q->key), "%s", key);
    q->op = (struct wcow_store_op){.run = run, .done = on_done, .after = on_after, .arg = q};
    wcow_store_submit(store, &q->op);
}

static void submit(struct request *q, const char *key)
{
    submit_one(q, key, false);
}

static int look(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    wcow_autorow row = {0};
    return wcow_snapshots_find(db, arg, false, &row, err);
}

/* A lone op in a round, to its very end. @return whether it ran on this thread: not where the
 * store's own was just looking for work, as a new one does */
static bool runs_here(const char *key)
{
    struct request q;
    wcow_store_begin_round(store, false);
    submit(&q, key);
    bool done_early = is(&q, &q.done);
    wcow_store_end_round(store, true);
    bool done = is(&q, &q.done);
    bool after_early = is(&q, &q.after);
    wcow_store_after_round(store);
    bool after = is(&q, &q.after);
    wait_for(&q, &q.after);
    assert_int_equal(q.code, WCOW_OK);
    assert_ok(wcow_store_read(store, look, q.key, &err));
    if (!pthread_equal(q.ran_on, pthread_self()))
        return false;
    assert_false(done_early);
    assert_true(done);
    assert_false(after_early);
    assert_true(after);
    return true;
}

static void a_lone_op_runs_where_it_came_and_is_answered_at_once(void **state)
{
    char key[32];
    bool ran_here = false;
    for (int i = 0; !ran_here && i < 100; i++) {
        /* A new store each time: it does not know yet how slow the disk is. */
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
        (void)snprintf(key, sizeof(key), "lone-%d", i);
        ran_here = runs_here(key);
    }
    assert_true(ran_here);
}

/* An sqlite3 shell within a transaction, until it is closed. */
static FILE *lock_database(void)
{
    char command[96];
    char locked[64];
    (void)snprintf(command, sizeof(command), "sqlite3 '%s/metadata.db'", root);
    (void)snprintf(locked, sizeof(locked), "%s/locked", root);
    FILE *shell = popen(command, "we"); /* NOLINT(cert-env33-c): our own words */
    assert_non_null(shell);
    assert_true(
        fprintf(shell, ".timeout 60000\nBEGIN IMMEDIATE;\n.output '%s'\n.output\n", locked) > 0);
    (void)fflush(shell);
    for (int i = 0; i < 6000 && access(locked, F_OK) < 0; i++)
        (void)usleep(10000);
    assert_int_equal(access(locked, F_OK), 0);
    return shell;
}

/* That may take seconds, in which this thread has others to serve. */
static void a_lone_op_does_not_wait_for_another_program_where_it_came(void **state)
{
    (void)state;
    struct request q;
    FILE *shell = lock_database();
    wcow_store_begin_round(store, false);
    submit(&q, "locked out");
    wcow_store_end_round(store, true);
    wcow_store_after_round(store);
    (void)pclose(shell);
    wait_for(&q, &q.after);
    assert_false(pthread_equal(q.answered_on, pthread_self()));
    if (q.code != WCOW_E_UNAVAILABLE) /* as on a machine that stands still for seconds */
        assert_ok(wcow_store_read(store, look, q.key, &err));
}

static void a_lone_op_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct request q;
    wcow_store_begin_round(store, false);
    submit_one(&q, "fails", true);
    wcow_store_end_round(store, true);
    wcow_store_after_round(store);
    wait_for(&q, &q.after);
    assert_int_equal(q.code, WCOW_E_LIMIT);
    assert_fails(wcow_store_read(store, look, q.key, &err), WCOW_E_NOT_FOUND);
    (void)runs_here("fails"); /* the key is free */
}

static void ops_of_a_round_share_a_transaction(void **state)
{
    (void)state;
    static struct request q[20];
    char key[32];
    struct wcow_store_stats before = wcow_store_stats(store);
    wcow_store_begin_round(store, false);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        submit(&q[i], key);
    }
    wcow_store_end_round(store, false);
    wcow_store_after_round(store);
    for (int i = 0; i < 20; i++) {
        wait_for(&q[i], &q[i].after);
        assert_int_equal(q[i].code, WCOW_OK);
        assert_false(pthread_equal(q[i].ran_on, pthread_self()));
    }
    struct wcow_store_stats stats = wcow_store_stats(store);
    assert_int_equal(stats.operations - before.operations, 20);
    /* One, unless the writer was looking for work just then. */
    assert_true(stats.transactions - before.transactions <= 3);
}

static void a_lone_op_among_others_goes_to_the_writer(void **state)
{
    (void)state;
    struct request q;
    wcow_store_begin_round(store, false);
    submit(&q, "k");
    wcow_store_end_round(store, false);
    wait_for(&q, &q.after);
    assert_false(pthread_equal(q.ran_on, pthread_self()));
}

static int look_and_fail(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    int r = look(db, arg, err);
    return r < 0 ? r : WCOW_FAIL(err, WCOW_E_LIMIT, "it was to fail");
}

static void look_ups_of_a_round_see_what_is_committed(void **state)
{
    (void)state;
    static char missing[] = "missing";
    struct request first;
    struct request second;
    wcow_store_begin_round(store, false);
    submit(&first, "first");
    wcow_store_end_round(store, true);
    wcow_store_after_round(store);
    wait_for(&first, &first.after);
    wcow_store_begin_round(store, false); /* nothing waits: as the writer sees it */
    assert_ok(wcow_store_read(store, look, first.key, &err));
    assert_fails(wcow_store_read(store, look, missing, &err), WCOW_E_NOT_FOUND);
    assert_fails(wcow_store_read(store, look_and_fail, first.key, &err), WCOW_E_LIMIT);
    submit(&second, "second"); /* something does */
    assert_ok(wcow_store_read(store, look, first.key, &err));
    wcow_store_end_round(store, true);
    wcow_store_after_round(store);
    wait_for(&second, &second.after);
    assert_int_equal(second.code, WCOW_OK);
    assert_ok(wcow_store_read(store, look, second.key, &err));
}

static void *write_beside(void *arg)
{
    struct request *q = arg;
    submit(q, "written beside");
    wait_for(q, &q->after);
    return NULL;
}

/* All there is to read was acknowledged before the round began. */
static void look_ups_of_a_round_of_several_share_a_transaction(void **state)
{
    (void)state;
    struct request first;
    struct request beside;
    pthread_t thread;
    submit(&first, "first");
    wait_for(&first, &first.after);
    wcow_store_begin_round(store, true);
    assert_ok(wcow_store_read(store, look, first.key, &err));
    assert_int_equal(pthread_create(&thread, NULL, write_beside, &beside), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(beside.code, WCOW_OK);
    assert_fails(wcow_store_read(store, look, beside.key, &err), WCOW_E_NOT_FOUND);
    assert_fails(wcow_store_read(store, look_and_fail, first.key, &err), WCOW_E_LIMIT);
    assert_fails(wcow_store_read(store, look, beside.key, &err), WCOW_E_NOT_FOUND);
    wcow_store_look_anew(store);
    assert_ok(wcow_store_read(store, look, beside.key, &err));
    wcow_store_end_round(store, false);
    wcow_store_after_round(store);
    wcow_store_begin_round(store, true);
    assert_ok(wcow_store_read(store, look, beside.key, &err));
    wcow_store_end_round(store, false);
    assert_ok(wcow_store_read(store, look, beside.key, &err));
}

/* A look-up has the connection that others wait for. */
static void *write_one(void *arg)
{
    struct request *q = arg;
    submit(q, "beside");
    wait_for(q, &q->after);
    return NULL;
}

struct busy_look {
    pthread_t thread;
    struct request *beside;
};

static int look_while_another_writes(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    (void)db;
    (void)err;
    struct busy_look *b = arg;
    return pthread_create(&b->thread, NULL, write_one, b->beside) == 0 ? WCOW_OK : WCOW_E_LIMIT;
}

static void others_write_after_a_look_up(void **state)
{
    (void)state;
    struct request beside;
    struct busy_look b = {.beside = &beside};
    wcow_store_begin_round(store, false);
    assert_ok(wcow_store_read(store, look_while_another_writes, &b, &err));
    wcow_store_end_round(store, true); /* which may have run it */
    wcow_store_after_round(store);
    assert_int_equal(pthread_join(b.thread, NULL), 0);
    assert_int_equal(beside.code, WCOW_OK);
}

static void an_empty_round_is_nothing(void **state)
{
    (void)state;
    struct wcow_store_stats before = wcow_store_stats(store);
    wcow_store_begin_round(store, false);
    wcow_store_end_round(store, true);
    wcow_store_after_round(store);
    assert_int_equal(wcow_store_stats(store).transactions, before.transactions);
}

/* Rounds of one thread against writes of others: each op once, and the log tended meanwhile. */
enum { WRITERS = 3, WRITES = 300 };

static void *write_many(void *arg)
{
    struct request q;
    char key[32];
    for (int i = 0; i < WRITES; i++) {
        (void)snprintf(key, sizeof(key), "%s-%d", (const char *)arg, i);
        submit(&q, key);
        wait_for(&q, &q.after);
        if (q.code != WCOW_OK)
            return arg;
    }
    return NULL;
}

struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    bool rings;
};

static void ring(void *arg)
{
    struct bell *bell = arg;
    (void)pthread_mutex_lock(&bell->mutex);
    bell->rings = true;
    (void)pthread_cond_signal(&bell->rung);
    (void)pthread_mutex_unlock(&bell->mutex);
}

static void hear(struct bell *bell)
{
    (void)pthread_mutex_lock(&bell->mutex);
    while (!bell->rings)
        (void)pthread_cond_wait(&bell->rung, &bell->mutex);
    (void)pthread_mutex_unlock(&bell->mutex);
}

static void submit_two(struct request q[2], const char *a, const char *b)
{
    wcow_store_begin_round(store, false);
    submit(&q[0], a);
    submit(&q[1], b);
    wcow_store_end_round(store, false);
}

static void what_a_round_took_is_answered_on_its_thread(void **state)
{
    (void)state;
    struct bell bell = {.mutex = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    struct request q[2];
    wcow_store_wake_rounds(store, ring, &bell);
    submit_two(q, "first", "second");
    hear(&bell);
    assert_false(is(&q[0], &q[0].done));
    while (!is(&q[1], &q[1].done)) /* they may have been two transactions */
        wcow_store_answer_round(store);
    assert_true(pthread_equal(q[1].answered_on, pthread_self()));
    assert_false(is(&q[1], &q[1].after));
    wcow_store_after_round(store);
    assert_true(is(&q[1], &q[1].after));
    wcow_store_wake_rounds(store, NULL, NULL);
}

static void what_no_round_took_is_answered_at_once(void **state)
{
    (void)state;
    struct bell bell = {.mutex = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    struct request q;
    wcow_store_wake_rounds(store, ring, &bell);
    submit(&q, "alone");
    wait_for(&q, &q.after);
    assert_false(pthread_equal(q.answered_on, pthread_self()));
    assert_false(bell.rings);
    wcow_store_wake_rounds(store, NULL, NULL);
}

static void answers_that_no_round_gave_are_given_at_the_end(void **state)
{
    (void)state;
    struct bell bell = {.mutex = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    struct request q[2];
    wcow_store_wake_rounds(store, ring, &bell);
    submit_two(q, "first", "second");
    wcow_store_close(store);
    store = NULL;
    assert_true(q[0].after && q[1].after);
    assert_int_equal(q[0].code, WCOW_OK);
}

static void rounds_and_other_writers_take_turns(void **state)
{
    (void)state;
    static char names[WRITERS][2] = {"a", "b", "c"};
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
    struct request q;
    char key[32];
    for (int i = 0; i < WRITES; i++) {
        (void)snprintf(key, sizeof(key), "round-%d", i);
        wcow_store_begin_round(store, false);
        if (i > 0)
            assert_ok(wcow_store_read(store, look, q.key, &err));
        submit(&q, key);
        wcow_store_end_round(store, true);
        wcow_store_after_round(store);
        wait_for(&q, &q.after);
        assert_int_equal(q.code, WCOW_OK);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(wcow_store_stats(store).operations, (WRITERS + 1) * WRITES);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(a_lone_op_runs_where_it_came_and_is_answered_at_once),
        IN_STORE(a_lone_op_does_not_wait_for_another_program_where_it_came),
        IN_STORE(a_lone_op_that_fails_leaves_nothing),
        IN_STORE(ops_of_a_round_share_a_transaction),
        IN_STORE(a_lone_op_among_others_goes_to_the_writer),
        IN_STORE(look_ups_of_a_round_see_what_is_committed),
        IN_STORE(look_ups_of_a_round_of_several_share_a_transaction),
        IN_STORE(others_write_after_a_look_up),
        IN_STORE(an_empty_round_is_nothing),
        IN_STORE(what_a_round_took_is_answered_on_its_thread),
        IN_STORE(what_no_round_took_is_answered_at_once),
        IN_STORE(answers_that_no_round_gave_are_given_at_the_end),
        IN_STORE(rounds_and_other_writers_take_turns),
    };
    return cmocka_run_group_tests_name("store/round", tests, NULL, NULL);
}
