/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/core.h"

#include <grpc/support/log.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

static void log_line(gpr_log_func_args *args)
{
    enum wcow_log_level level =
        args->severity == GPR_LOG_SEVERITY_ERROR ? WCOW_LOG_WARN : WCOW_LOG_DEBUG;
    wcow_log(level, "gRPC", WCOW_STR("message", args->message), WCOW_STR("file", args->file),
             WCOW_INT("line", args->line));
}

static void set_log(void)
{
    /* gRPC would write its own format to standard error, between our lines. */
    gpr_set_log_function(log_line);
}

void wcow_core_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_log);
    grpc_init();
}

void wcow_core_done(void)
{
    grpc_shutdown();
}

void wcow_core_start(grpc_call *call, const grpc_op *ops, size_t n_ops, void *tag)
{
    grpc_call_error r = grpc_call_start_batch(call, ops, n_ops, tag, NULL);
    if (r == GRPC_CALL_OK)
        return;
    wcow_log(WCOW_LOG_ERROR, "gRPC refused a batch",
             WCOW_STR("error", grpc_call_error_to_string(r)));
    abort();
}
