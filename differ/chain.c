/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/chain.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "differ/scan.h"

void wcow_layer_chain_done(struct wcow_layer_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++) {
        wcow_layer_index_close(chain->indexes[i]);
        if (chain->fds[i] >= 0)
            (void)close(chain->fds[i]);
        free(chain->folders[i]);
    }
    free(chain->fds);
    free(chain->folders);
    free(chain->indexes);
    free(chain->views);
    *chain = (struct wcow_layer_chain){0};
}

struct wcow_chain wcow_layer_chain_names(const struct wcow_layer_chain *chain)
{
    return (struct wcow_chain){.layers = chain->views, .n_layers = chain->n};
}

int wcow_layer_folder_open(const char *folder, int *ret_fd, struct wcow_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "layer folder \"%s\"", folder);
    *ret_fd = fd;
    return WCOW_OK;
}

static int allocate(struct wcow_layer_chain *c, size_t n, struct wcow_error *err)
{
    c->fds = calloc(n + 1, sizeof(*c->fds));
    c->folders = calloc(n + 1, sizeof(*c->folders));
    c->indexes = calloc(n + 1, sizeof(struct wcow_layer_index *));
    c->views = calloc(n + 1, sizeof(*c->views));
    if (!c->fds || !c->folders || !c->indexes || !c->views)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a chain of layers");
    for (size_t i = 0; i < n; i++)
        c->fds[i] = -1;
    c->n = n;
    return WCOW_OK;
}

static int open_one(struct wcow_layer_chain *c, size_t i, const char *folder,
                    struct wcow_error *err)
{
    c->folders[i] = strdup(folder);
    if (!c->folders[i])
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a chain of layers");
    int r = wcow_layer_folder_open(folder, &c->fds[i], err);
    if (r < 0)
        return r;
    r = wcow_layer_index_open(c->fds[i], &c->indexes[i], err);
    if (r == WCOW_E_NOT_FOUND) {
        struct wcow_layer_chain below = {.fds = c->fds + i + 1,
                                         .folders = c->folders + i + 1,
                                         .indexes = c->indexes + i + 1,
                                         .views = c->views + i + 1,
                                         .n = c->n - i - 1};
        r = wcow_scan_index(c->fds[i], &below, err);
        if (r == WCOW_OK || r == WCOW_E_EXISTS)
            r = wcow_layer_index_open(c->fds[i], &c->indexes[i], err);
    }
    if (r < 0)
        return wcow_error_wrap(r, err, "layer folder \"%s\"", folder);
    c->views[i] = wcow_layer_index_view(c->indexes[i]);
    return WCOW_OK;
}

int wcow_differ_open_chain(const char *const *folders, size_t n, struct wcow_layer_chain *ret,
                           struct wcow_error *err)
{
    wcow_autochain c = {0};
    int r = allocate(&c, n, err);
    /* From the base up: an index that has to be made needs those below. */
    for (size_t i = n; r == WCOW_OK && i > 0; i--)
        r = open_one(&c, i - 1, folders[i - 1], err);
    if (r < 0)
        return r;
    *ret = c;
    c = (struct wcow_layer_chain){0};
    return WCOW_OK;
}

int wcow_layer_chain_host_path(const struct wcow_layer_chain *chain, const char *key, char **ret,
                               struct wcow_error *err)
{
    for (size_t i = 0; i < chain->n; i++) {
        int r = wcow_layer_index_host_path(chain->indexes[i], key, ret, err);
        if (r != 0)
            return r;
    }
    return 0;
}
