/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/tasks.h"

#include "containerd/internal.h"
#include "containerd/mounts.h"
#include "proto/tasks.pb-c.h"
#include "rpc/text.h"

#define TASKS "/containerd.services.tasks.v1.Tasks/"

int wcow_task_create(const struct wcow_containerd_ctx *ctx, const char *container,
                     const struct wcow_mounts *rootfs, const struct wcow_task_io *io,
                     uint32_t *ret_pid, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_mount_list_done) struct wcow_mount_list list = {0};
    int r = wcow_mount_list_of(rootfs, &list, err);
    if (r < 0)
        return r;
    Containerd__Services__Tasks__V1__CreateTaskRequest request =
        CONTAINERD__SERVICES__TASKS__V1__CREATE_TASK_REQUEST__INIT;
    request.container_id = wcow_rpc_text(container);
    request.rootfs = list.items;
    request.n_rootfs = list.n;
    request.stdin = wcow_rpc_text(io->stdin_path);
    request.stdout = wcow_rpc_text(io->stdout_path);
    request.stderr = wcow_rpc_text(io->stderr_path);
    wcow_automessage *message = NULL;
    r = wcow_containerd_call(ctx, TASKS "Create", &request.base,
                             &containerd__services__tasks__v1__create_task_response__descriptor,
                             &message, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "cannot create a task for container %s", container);
    *ret_pid =
        ((const Containerd__Services__Tasks__V1__CreateTaskResponse *)(const void *)message)->pid;
    return WCOW_OK;
}

int wcow_task_start(const struct wcow_containerd_ctx *ctx, const char *container,
                    struct wcow_error *err)
{
    Containerd__Services__Tasks__V1__StartRequest request =
        CONTAINERD__SERVICES__TASKS__V1__START_REQUEST__INIT;
    request.container_id = wcow_rpc_text(container);
    int r = wcow_containerd_call(ctx, TASKS "Start", &request.base,
                                 &containerd__services__tasks__v1__start_response__descriptor, NULL,
                                 err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot start container %s", container) : r;
}

int wcow_task_wait(const struct wcow_containerd_ctx *ctx, const char *container,
                   uint32_t *ret_exit_status, struct wcow_error *err)
{
    struct wcow_containerd_ctx patient = *ctx;
    patient.timeout_ms = 0;
    Containerd__Services__Tasks__V1__WaitRequest request =
        CONTAINERD__SERVICES__TASKS__V1__WAIT_REQUEST__INIT;
    request.container_id = wcow_rpc_text(container);
    wcow_automessage *message = NULL;
    int r = wcow_containerd_call(&patient, TASKS "Wait", &request.base,
                                 &containerd__services__tasks__v1__wait_response__descriptor,
                                 &message, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "cannot wait for container %s", container);
    *ret_exit_status =
        ((const Containerd__Services__Tasks__V1__WaitResponse *)(const void *)message)->exit_status;
    return WCOW_OK;
}

/* Copies the error unless it says that there is nothing (left) to do. */
static int unless_absent(int r, const struct wcow_error *why, const char *what,
                         const char *container, struct wcow_error *err)
{
    if (r == WCOW_OK || r == WCOW_E_NOT_FOUND)
        return WCOW_OK;
    if (err)
        *err = *why;
    return wcow_error_wrap(r, err, "cannot %s the task of container %s", what, container);
}

int wcow_task_release_input(const struct wcow_containerd_ctx *ctx, const char *container,
                            struct wcow_error *err)
{
    Containerd__Services__Tasks__V1__CloseIORequest request =
        CONTAINERD__SERVICES__TASKS__V1__CLOSE_IOREQUEST__INIT;
    request.container_id = wcow_rpc_text(container);
    request.stdin = true;
    struct wcow_error why = {0};
    int r = wcow_containerd_order(ctx, TASKS "CloseIO", &request.base, &why);
    return unless_absent(r, &why, "release the input of", container, err);
}

int wcow_task_kill(const struct wcow_containerd_ctx *ctx, const char *container, uint32_t signal,
                   struct wcow_error *err)
{
    Containerd__Services__Tasks__V1__KillRequest request =
        CONTAINERD__SERVICES__TASKS__V1__KILL_REQUEST__INIT;
    request.container_id = wcow_rpc_text(container);
    request.signal = signal;
    request.all = true;
    struct wcow_error why = {0};
    int r = wcow_containerd_order(ctx, TASKS "Kill", &request.base, &why);
    return unless_absent(r, &why, "kill", container, err);
}

int wcow_task_delete(const struct wcow_containerd_ctx *ctx, const char *container,
                     struct wcow_error *err)
{
    Containerd__Services__Tasks__V1__DeleteTaskRequest request =
        CONTAINERD__SERVICES__TASKS__V1__DELETE_TASK_REQUEST__INIT;
    request.container_id = wcow_rpc_text(container);
    struct wcow_error why = {0};
    int r = wcow_containerd_call(ctx, TASKS "Delete", &request.base,
                                 &containerd__services__tasks__v1__delete_response__descriptor,
                                 NULL, &why);
    return unless_absent(r, &why, "delete", container, err);
}
