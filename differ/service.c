/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/service.h"

#include <string.h>

#include "differ/service_internal.h"

int wcow_differ_service_new(const struct wcow_differ_options *options,
                            struct wcow_differ_service **ret, struct wcow_error *err)
{
    struct wcow_differ_service *s = calloc(1, sizeof(*s));
    if (!s)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the differ");
    s->options = *options;
    (void)pthread_mutex_init(&s->lock, NULL);
    wcow_gate_init(&s->gate, WCOW_DIFFER_ROOM);
    int r = s->options.leftovers ? wcow_differ_sweeper_new(s, &s->sweeper, err) : WCOW_OK;
    if (r < 0) {
        wcow_differ_service_free(s);
        return r;
    }
    *ret = s;
    return WCOW_OK;
}

void wcow_differ_service_free(struct wcow_differ_service *service)
{
    if (!service)
        return;
    wcow_differ_sweeper_free(service->sweeper);
    wcow_gate_done(&service->gate);
    (void)pthread_mutex_destroy(&service->lock);
    free(service->content_root);
    free(service);
}

void wcow_differ_methods(struct wcow_differ_service *service,
                         struct wcow_rpc_method ret[WCOW_DIFFER_METHODS])
{
    ret[0] = (struct wcow_rpc_method){
        .path = "/containerd.services.diff.v1.Diff/Apply",
        .request = &containerd__services__diff__v1__apply_request__descriptor,
        .where = WCOW_RPC_WORKER,
        .handle = wcow_differ_handle_apply,
        .ctx = service};
    ret[1] = (struct wcow_rpc_method){.path = "/containerd.services.diff.v1.Diff/Diff",
                                      .request =
                                          &containerd__services__diff__v1__diff_request__descriptor,
                                      .where = WCOW_RPC_WORKER,
                                      .handle = wcow_differ_handle_diff,
                                      .ctx = service};
}

int wcow_differ_take_mounts(Containerd__Types__Mount **from, size_t n, struct wcow_mounts *ret,
                            struct wcow_error *err)
{
    struct wcow_mount *items = calloc(n + 1, sizeof(*items));
    if (!items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for mounts");
    for (size_t i = 0; i < n; i++)
        items[i] = (struct wcow_mount){.type = from[i]->type,
                                       .source = from[i]->source,
                                       .target = from[i]->target,
                                       .options = from[i]->options,
                                       .n_options = from[i]->n_options};
    *ret = (struct wcow_mounts){.items = items, .n = n};
    return WCOW_OK;
}

int wcow_differ_namespace(struct wcow_differ_service *s, const struct wcow_rpc_call *call,
                          const char *folder, char **ret, struct wcow_error *err)
{
    const char *header = wcow_rpc_call_header(call, "containerd-namespace");
    if (header && *header) {
        *ret = strdup(header);
    } else if (s->options.namespace_of) {
        int r = s->options.namespace_of(s->options.namespace_ctx, folder, ret, err);
        if (r != WCOW_E_NOT_FOUND)
            return r;
        *ret = strdup("");
    } else {
        *ret = strdup("");
    }
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a namespace");
}

const char *wcow_differ_content_root(struct wcow_differ_service *s,
                                     const struct wcow_containerd_ctx *ctx)
{
    if (s->options.content_root)
        return s->options.content_root;
    pthread_mutex_lock(&s->lock);
    if (!s->asked) {
        char *root = NULL;
        int r =
            wcow_containerd_plugin_root(ctx, "io.containerd.content.v1", "content", &root, NULL);
        if (r == WCOW_OK)
            s->content_root = root;
        /* An answer, yes or no, is for good; one that did not come is asked for again. */
        s->asked = r == WCOW_OK || r == WCOW_E_NOT_FOUND;
    }
    pthread_mutex_unlock(&s->lock);
    return s->content_root;
}
