/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/leases.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "containerd/internal.h"
#include "proto/leases.pb-c.h"
#include "rpc/text.h"

#define LEASES "/containerd.services.leases.v1.Leases/"

/* containerd's garbage collector reads this label: RFC 3339. */
static const char EXPIRE[] = "containerd.io/gc.expire";

typedef Containerd__Services__Leases__V1__CreateRequest create_request;
typedef Containerd__Services__Leases__V1__CreateResponse create_response;

static int copy_labels(const struct wcow_labels *from, uint32_t expire_s, struct wcow_labels *ret,
                       struct wcow_error *err)
{
    for (size_t i = 0; from && i < from->n; i++) {
        int r = wcow_labels_set(ret, from->items[i].key, from->items[i].value, err);
        if (r < 0)
            return r;
    }
    if (expire_s == 0)
        return WCOW_OK;
    time_t until = time(NULL) + (time_t)expire_s;
    struct tm tm;
    char text[32];
    if (!gmtime_r(&until, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "bad expiry of a lease: %" PRIu32 " s", expire_s);
    return wcow_labels_set(ret, EXPIRE, text, err);
}

static void make_id(char *out, size_t size)
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint64_t)time(NULL) << 20 ^ (uint64_t)(uintptr_t)out;
    (void)snprintf(out, size, "wcow-%016" PRIx64, random);
}

int wcow_lease_create(const struct wcow_containerd_ctx *ctx, const char *id, uint32_t expire_s,
                      const struct wcow_labels *labels, char **ret_id, struct wcow_error *err)
{
    char made_up[32];
    make_id(made_up, sizeof(made_up));
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels all = {0};
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r = copy_labels(labels, expire_s, &all, err);
    if (r == WCOW_OK)
        r = wcow_map_of(&all,
                        &containerd__services__leases__v1__create_request__labels_entry__descriptor,
                        &map, err);
    if (r < 0)
        return r;
    create_request request = CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__INIT;
    request.id = id ? wcow_rpc_text(id) : made_up;
    request.n_labels = map.n;
    request.labels = (void *)map.items;
    wcow_automessage *message = NULL;
    r = wcow_containerd_call(ctx, LEASES "Create", &request.base,
                             &containerd__services__leases__v1__create_response__descriptor,
                             &message, err);
    if (r == WCOW_E_DEADLINE && !id) /* it may be there all the same, and nobody else knows of it */
        (void)!wcow_lease_delete(ctx, made_up, false, NULL);
    if (r < 0)
        return wcow_error_wrap(r, err, "cannot create lease %s", request.id);
    const create_response *reply = (const void *)message;
    return wcow_copy(reply->lease ? reply->lease->id : request.id, ret_id, err);
}

int wcow_lease_delete(const struct wcow_containerd_ctx *ctx, const char *id, bool sync,
                      struct wcow_error *err)
{
    Containerd__Services__Leases__V1__DeleteRequest request =
        CONTAINERD__SERVICES__LEASES__V1__DELETE_REQUEST__INIT;
    request.id = wcow_rpc_text(id);
    request.sync = sync;
    int r = wcow_containerd_delete(ctx, LEASES "Delete", &request.base, err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot delete lease %s", id) : r;
}

static Containerd__Services__Leases__V1__Resource resource_of(const char *type, const char *name)
{
    Containerd__Services__Leases__V1__Resource resource =
        CONTAINERD__SERVICES__LEASES__V1__RESOURCE__INIT;
    resource.id = wcow_rpc_text(name);
    resource.type = wcow_rpc_text(type);
    return resource;
}

int wcow_lease_add_resource(const struct wcow_containerd_ctx *ctx, const char *id, const char *type,
                            const char *resource, struct wcow_error *err)
{
    Containerd__Services__Leases__V1__Resource what = resource_of(type, resource);
    Containerd__Services__Leases__V1__AddResourceRequest request =
        CONTAINERD__SERVICES__LEASES__V1__ADD_RESOURCE_REQUEST__INIT;
    request.id = wcow_rpc_text(id);
    request.resource = &what;
    int r = wcow_containerd_order(ctx, LEASES "AddResource", &request.base, err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot add %s to lease %s", resource, id) : r;
}

int wcow_lease_delete_resource(const struct wcow_containerd_ctx *ctx, const char *id,
                               const char *type, const char *resource, struct wcow_error *err)
{
    Containerd__Services__Leases__V1__Resource what = resource_of(type, resource);
    Containerd__Services__Leases__V1__DeleteResourceRequest request =
        CONTAINERD__SERVICES__LEASES__V1__DELETE_RESOURCE_REQUEST__INIT;
    request.id = wcow_rpc_text(id);
    request.resource = &what;
    int r = wcow_containerd_delete(ctx, LEASES "DeleteResource", &request.base, err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot take %s out of lease %s", resource, id) : r;
}
