/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/status.h"

#include <grpc/status.h>

#include <stddef.h>

/* containerd derives its own error class from the status alone, so each class of ours that it knows
 * must arrive as that class: a wrong digest is FAILED_PRECONDITION there, and bytes that are no
 * layer are the caller's invalid argument. Classes that share a status come back as the first. */
static const struct {
    int code;
    grpc_status_code status;
} table[] = {
    {WCOW_OK, GRPC_STATUS_OK},
    {WCOW_E_INVALID, GRPC_STATUS_INVALID_ARGUMENT},
    {WCOW_E_CORRUPT, GRPC_STATUS_INVALID_ARGUMENT},
    {WCOW_E_NOT_FOUND, GRPC_STATUS_NOT_FOUND},
    {WCOW_E_EXISTS, GRPC_STATUS_ALREADY_EXISTS},
    {WCOW_E_PRECONDITION, GRPC_STATUS_FAILED_PRECONDITION},
    {WCOW_E_DATA_LOSS, GRPC_STATUS_FAILED_PRECONDITION},
    {WCOW_E_UNSUPPORTED, GRPC_STATUS_UNIMPLEMENTED},
    {WCOW_E_LIMIT, GRPC_STATUS_RESOURCE_EXHAUSTED},
    {WCOW_E_NOMEM, GRPC_STATUS_RESOURCE_EXHAUSTED},
    {WCOW_E_CANCELLED, GRPC_STATUS_CANCELLED},
    {WCOW_E_DEADLINE, GRPC_STATUS_DEADLINE_EXCEEDED},
    {WCOW_E_UNAVAILABLE, GRPC_STATUS_UNAVAILABLE},
    {WCOW_E_DENIED, GRPC_STATUS_PERMISSION_DENIED},
    {WCOW_E_IO, GRPC_STATUS_UNKNOWN},
    {WCOW_E_INTERNAL, GRPC_STATUS_INTERNAL},
    /* only ever received */
    {WCOW_E_DENIED, GRPC_STATUS_UNAUTHENTICATED},
    {WCOW_E_PRECONDITION, GRPC_STATUS_ABORTED},
    {WCOW_E_INVALID, GRPC_STATUS_OUT_OF_RANGE},
    {WCOW_E_DATA_LOSS, GRPC_STATUS_DATA_LOSS},
};

int wcow_rpc_status_of_code(int code)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code)
            return (int)table[i].status;
    return GRPC_STATUS_INTERNAL;
}

int wcow_rpc_code_of_status(int grpc_status)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if ((int)table[i].status == grpc_status)
            return table[i].code;
    return WCOW_E_INTERNAL;
}
