/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/mounts.h"

#include "containerd/internal.h"

void wcow_mounts_done(struct wcow_mounts *mounts)
{
    for (size_t i = 0; i < mounts->n; i++) {
        struct wcow_mount *m = &mounts->items[i];
        free(m->type);
        free(m->source);
        free(m->target);
        for (size_t k = 0; k < m->n_options; k++)
            free(m->options[k]);
        free((void *)m->options);
    }
    free(mounts->items);
    *mounts = (struct wcow_mounts){0};
}

static int copy_mount(const Containerd__Types__Mount *from, struct wcow_mount *ret,
                      struct wcow_error *err)
{
    int r = wcow_copy(from->type, &ret->type, err);
    if (r == WCOW_OK)
        r = wcow_copy(from->source, &ret->source, err);
    if (r == WCOW_OK)
        r = wcow_copy(from->target, &ret->target, err);
    if (r == WCOW_OK) {
        ret->options = calloc(from->n_options + 1, sizeof(*ret->options));
        if (!ret->options)
            r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu options", from->n_options);
    }
    for (size_t i = 0; r == WCOW_OK && i < from->n_options; i++) {
        r = wcow_copy(from->options[i], &ret->options[i], err);
        if (r == WCOW_OK)
            ret->n_options++;
    }
    return r;
}

int wcow_mounts_of(Containerd__Types__Mount *const *from, size_t n, struct wcow_mounts *ret,
                   struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts mounts = {0};
    mounts.items = calloc(n + 1, sizeof(*mounts.items));
    if (!mounts.items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu mounts", n);
    for (size_t i = 0; i < n; i++) {
        mounts.n++;
        int r = copy_mount(from[i], &mounts.items[i], err);
        if (r < 0)
            return r;
    }
    *ret = mounts;
    mounts = (struct wcow_mounts){0};
    return WCOW_OK;
}

int wcow_mount_list_of(const struct wcow_mounts *from, struct wcow_mount_list *ret,
                       struct wcow_error *err)
{
    struct wcow_mount_list list = {.n = from->n};
    list.mounts = calloc(from->n + 1, sizeof(*list.mounts));
    list.items = calloc(from->n + 1, sizeof(Containerd__Types__Mount *));
    if (!list.mounts || !list.items) {
        wcow_mount_list_done(&list);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu mounts", from->n);
    }
    for (size_t i = 0; i < from->n; i++) {
        Containerd__Types__Mount *m = &list.mounts[i];
        containerd__types__mount__init(m);
        m->type = from->items[i].type;
        m->source = from->items[i].source;
        if (from->items[i].target)
            m->target = from->items[i].target;
        m->options = from->items[i].options;
        m->n_options = from->items[i].n_options;
        list.items[i] = m;
    }
    *ret = list;
    return WCOW_OK;
}

void wcow_mount_list_done(struct wcow_mount_list *list)
{
    free(list->mounts);
    free((void *)list->items);
    *list = (struct wcow_mount_list){0};
}
