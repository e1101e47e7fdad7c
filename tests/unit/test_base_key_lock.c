/* SPDX-License-Identifier: Apache-2.0 */
/* Locks with names: one holder a name, and nobody waits for another name or after a cancel. */
#include "wcow_test.h"

#include <stdbool.h>

#include "base/key_lock.h"

enum { THREADS = 8, ROUNDS = 200 };

struct counting {
    struct wcow_key_locks *locks;
    const char *key;
    unsigned *inside; /* by the key's holder only */
    unsigned *total;
    bool overlapped;
};

static void *count(void *arg)
{
    struct counting *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
        if (wcow_key_lock_hold(c->locks, c->key, NULL, &hold, NULL) < 0)
            return NULL;
        c->overlapped |= ++*c->inside != 1;
        ++*c->total;
        --*c->inside;
    }
    return NULL;
}

static void a_name_has_one_holder(void **state)
{
    static const char *const keys[] = {"a", "b"};
    struct wcow_key_locks locks;
    unsigned inside[2] = {0};
    unsigned total[2] = {0};
    struct counting all[THREADS];
    pthread_t threads[THREADS];
    (void)state;
    wcow_key_locks_init(&locks);
    for (size_t i = 0; i < THREADS; i++) {
        all[i] = (struct counting){
            .locks = &locks, .key = keys[i % 2], .inside = &inside[i % 2], .total = &total[i % 2]};
        assert_int_equal(pthread_create(&threads[i], NULL, count, &all[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(all[i].overlapped);
    }
    assert_int_equal(total[0], THREADS / 2 * ROUNDS);
    assert_int_equal(total[1], THREADS / 2 * ROUNDS);
    wcow_key_locks_done(&locks);
}

static void another_name_does_not_wait(void **state)
{
    struct wcow_key_locks locks;
    (void)state;
    wcow_key_locks_init(&locks);
    assert_ok(wcow_key_lock_take(&locks, "a", NULL, &err));
    assert_ok(wcow_key_lock_take(&locks, "b", NULL, &err));
    wcow_key_lock_give(&locks, "a");
    assert_ok(wcow_key_lock_take(&locks, "a", NULL, &err));
    wcow_key_lock_give(&locks, "a");
    wcow_key_lock_give(&locks, "b");
    wcow_key_locks_done(&locks);
}

static void a_cancel_ends_the_wait(void **state)
{
    struct wcow_key_locks locks;
    struct wcow_key_hold hold = {0};
    atomic_bool cancel;
    (void)state;
    atomic_init(&cancel, true);
    wcow_key_locks_init(&locks);
    assert_ok(wcow_key_lock_hold(&locks, "a", &cancel, &hold, &err));
    struct wcow_error err = {0};
    assert_int_equal(wcow_key_lock_take(&locks, "a", &cancel, &err), WCOW_E_CANCELLED);
    assert_string_equal(err.msg, "cancelled");
    wcow_key_hold_done(&hold);
    wcow_key_locks_done(&locks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_holder),
        cmocka_unit_test(another_name_does_not_wait),
        cmocka_unit_test(a_cancel_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
