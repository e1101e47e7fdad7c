/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of a containerd that answers badly: a server of the test's own. */
#include "wcow_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "containerd/leases.h"
#include "own_server.h"
#include "proto/leases.pb-c.h"

#define LEASES "/containerd.services.leases.v1.Leases/"

struct seen {
    char made[64];
    char deleted[64];
    int n_deleted;
};
static struct seen seen_;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of seen_ */

/* Made, but the answer is late. */
static void on_create(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    const Containerd__Services__Leases__V1__CreateRequest *request =
        (const void *)wcow_rpc_call_request(call);
    struct wcow_error err = {0};
    (void)pthread_mutex_lock(&lock);
    (void)snprintf(seen_.made, sizeof(seen_.made), "%s", request->id);
    (void)pthread_mutex_unlock(&lock);
    int r = WCOW_FAIL(&err, WCOW_E_DEADLINE, "the disk is busy");
    wcow_rpc_call_finish(call, NULL, r, &err);
}

static void on_delete(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    const Containerd__Services__Leases__V1__DeleteRequest *request =
        (const void *)wcow_rpc_call_request(call);
    Google__Protobuf__Empty reply = GOOGLE__PROTOBUF__EMPTY__INIT;
    (void)pthread_mutex_lock(&lock);
    (void)snprintf(seen_.deleted, sizeof(seen_.deleted), "%s", request->id);
    seen_.n_deleted++;
    (void)pthread_mutex_unlock(&lock);
    wcow_rpc_call_finish(call, &reply.base, WCOW_OK, NULL);
}

static int setup(void **state)
{
    (void)state;
    const struct wcow_rpc_method methods[] = {
        {LEASES "Create", &containerd__services__leases__v1__create_request__descriptor,
         WCOW_RPC_INLINE, on_create, NULL},
        {LEASES "Delete", &containerd__services__leases__v1__delete_request__descriptor,
         WCOW_RPC_INLINE, on_delete, NULL}};
    seen_ = (struct seen){0};
    return start_server(methods, 2);
}

/* What came of it, and what the server saw. */
static int create(const char *id, struct seen *ret_seen)
{
    struct wcow_containerd *client = NULL;
    struct wcow_error why = {0};
    wcow_autofree char *lease = NULL;
    assert_ok(wcow_containerd_new(socket_path, &client, &err));
    const struct wcow_containerd_ctx ctx = {.client = client, .ns = "default", .timeout_ms = 60000};
    int r = wcow_lease_create(&ctx, id, 3600, NULL, &lease, &why);
    assert_null(lease);
    wcow_containerd_free(client);
    (void)pthread_mutex_lock(&lock);
    *ret_seen = seen_;
    (void)pthread_mutex_unlock(&lock);
    return r;
}

static void one_that_was_made_too_late_goes_as_nobody_knows_it(void **state)
{
    (void)state;
    struct seen seen;
    assert_int_equal(create(NULL, &seen), WCOW_E_DEADLINE);
    assert_int_equal(seen.n_deleted, 1);
    assert_true(seen.made[0] != '\0');
    assert_string_equal(seen.deleted, seen.made);
}

static void one_with_a_name_is_its_callers_matter(void **state)
{
    (void)state;
    struct seen seen;
    assert_int_equal(create("mine", &seen), WCOW_E_DEADLINE);
    assert_string_equal(seen.made, "mine");
    assert_int_equal(seen.n_deleted, 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(one_that_was_made_too_late_goes_as_nobody_knows_it),
        WITH_SERVER(one_with_a_name_is_its_callers_matter),
    };
    return cmocka_run_group_tests_name("containerd/leases", tests, NULL, NULL);
}
