/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int wcow_executor_check_name(const char *name, struct wcow_error *err)
{
    static const char *const names[] = {"auto", "none", "runhcs", "wine"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return WCOW_OK;
    }
    return WCOW_FAIL(err, WCOW_E_INVALID, "unknown executor \"%s\": use auto, none, runhcs or wine",
                     name);
}

int wcow_run_isolation_parse(const char *text, enum wcow_run_isolation *ret, struct wcow_error *err)
{
    static const char *const names[] = {"default", "process", "hyperv"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(text && *text ? text : names[0], names[i]) == 0) {
            *ret = (enum wcow_run_isolation)i;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_INVALID, "--isolation=%s: there are default, process and hyperv",
                     text);
}

static int refuse_isolation(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "--isolation=process and hyperv are of Windows containers; with "
                     "--executor=wine a RUN has a Linux container: leave it at default");
}

static int refuse_none(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "RUN needs an executor (runhcs on Windows, wine on Linux), and none is turned "
                     "on: once `wcow executor install wine`, then --executor=wine, or \"executor = "
                     "wine\" in /etc/wcow/wcow.conf");
}

static int refuse_runhcs(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "--executor=runhcs runs Windows containers, which needs a Windows host with "
                     "containerd and its runhcs shim; this is Linux: use --executor=wine, or build "
                     "there");
}

int wcow_executor_new(const struct wcow_executor_options *options, struct wcow_backend *backend,
                      struct wcow_executor **ret, struct wcow_error *err)
{
    const char *name = options->name ? options->name : "auto";
    int r = wcow_executor_check_name(name, err);
    if (r == WCOW_OK && strcmp(name, "auto") == 0 && options->configured) {
        name = options->configured;
        r = wcow_executor_check_name(name, err);
    }
    if (r < 0)
        return r;
    if (strcmp(name, "runhcs") == 0)
        return refuse_runhcs(err);
    if (strcmp(name, "wine") != 0)
        return refuse_none(err);
    if (options->isolation != WCOW_ISOLATION_DEFAULT)
        return refuse_isolation(err);
    WCOW_CLEANUP(wcow_executor_free_p) struct wcow_executor *e = calloc(1, sizeof(*e));
    if (!e)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an executor");
    e->backend = backend;
    r = wcow_executor_init_wine(e, options->root, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(e);
    return WCOW_OK;
}

void wcow_executor_free(struct wcow_executor *executor)
{
    if (!executor)
        return;
    free(executor->version);
    free(executor->folder);
    free(executor);
}
