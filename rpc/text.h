/* SPDX-License-Identifier: Apache-2.0 */
/** @file text.h
 *  protobuf-c's and gRPC's structs want `char *` for what they only read. */
#ifndef WCOW_RPC_TEXT_H
#define WCOW_RPC_TEXT_H

#include <string.h>

/** The same string without const, for a request that is only packed. NULL becomes "". */
static inline char *wcow_rpc_text(const char *s)
{
    const char *from = s ? s : "";
    char *to = NULL;
    memcpy(&to, &from, sizeof(to));
    return to;
}

#endif
