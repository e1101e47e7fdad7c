/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/containers.h"

#include "containerd/internal.h"
#include "proto/containers.pb-c.h"
#include "rpc/text.h"

#define CONTAINERS "/containerd.services.containers.v1.Containers/"

/* containerd's name for the Go type behind an OCI runtime spec. */
static const char SPEC_TYPE[] = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

typedef Containerd__Services__Containers__V1__Container container_message;

int wcow_container_create(const struct wcow_containerd_ctx *ctx,
                          const struct wcow_container *container, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r = wcow_map_of(container->labels,
                        &containerd__services__containers__v1__container__labels_entry__descriptor,
                        &map, err);
    if (r < 0)
        return r;
    Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;
    spec.type_url = wcow_rpc_text(SPEC_TYPE);
    spec.value.data = (uint8_t *)wcow_rpc_text(container->spec_json);
    spec.value.len = strlen(container->spec_json);
    Containerd__Services__Containers__V1__Container__Runtime runtime =
        CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__RUNTIME__INIT;
    runtime.name = wcow_rpc_text(container->runtime);
    container_message message = CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__INIT;
    message.id = wcow_rpc_text(container->id);
    message.image = wcow_rpc_text(container->image);
    message.runtime = &runtime;
    message.spec = &spec;
    message.snapshotter = wcow_rpc_text(container->snapshotter);
    message.snapshot_key = wcow_rpc_text(container->snapshot_key);
    message.n_labels = map.n;
    message.labels = (void *)map.items;
    Containerd__Services__Containers__V1__CreateContainerRequest request =
        CONTAINERD__SERVICES__CONTAINERS__V1__CREATE_CONTAINER_REQUEST__INIT;
    request.container = &message;
    r = wcow_containerd_call(
        ctx, CONTAINERS "Create", &request.base,
        &containerd__services__containers__v1__create_container_response__descriptor, NULL, err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot create container %s", container->id) : r;
}

int wcow_container_delete(const struct wcow_containerd_ctx *ctx, const char *id,
                          struct wcow_error *err)
{
    Containerd__Services__Containers__V1__DeleteContainerRequest request =
        CONTAINERD__SERVICES__CONTAINERS__V1__DELETE_CONTAINER_REQUEST__INIT;
    request.id = wcow_rpc_text(id);
    int r = wcow_containerd_delete(ctx, CONTAINERS "Delete", &request.base, err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot delete container %s", id) : r;
}
