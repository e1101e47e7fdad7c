/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "containerd/leases.h"
#include "containerd/snapshots.h"

enum {
    LEASE_SECONDS = 24 * 60 * 60, /* a build that was killed leaves nothing longer than this */
    CONNECT_TIMEOUT_MS = 15000,
    DISK_TIMEOUT_MS = 30000, /* of what waits for containerd's disk, which others may keep busy */
};

static char *make_unique(void)
{
    struct timespec now;
    uint32_t chance = 0;
    char text[64];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)!getrandom(&chance, sizeof(chance), 0);
    (void)snprintf(
        text, sizeof(text), "%llu-%08x",
        (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000, chance);
    return strdup(text);
}

char *wcow_backend_name(struct wcow_backend *b, const char *suffix)
{
    wcow_autobuf name = {0};
    unsigned serial = atomic_fetch_add(&b->serial, 1);
    if (wcow_buf_addf(&name, NULL, "wcow-build-%s-%u%s", b->unique, serial, suffix) < 0)
        return NULL;
    return wcow_buf_take_str(&name);
}

int wcow_backend_keep_view(struct wcow_backend *b, const char *key, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&b->lock);
    int r = wcow_str_list_add(&b->views, key, err);
    (void)pthread_mutex_unlock(&b->lock);
    return r;
}

struct wcow_containerd_ctx wcow_backend_uncancelled(const struct wcow_backend *b)
{
    struct wcow_containerd_ctx ctx = b->ctx;
    ctx.cancel = NULL;
    return ctx;
}

bool wcow_backend_is_cancelled(const struct wcow_backend *b)
{
    return b->cancel && atomic_load(b->cancel);
}

bool wcow_backend_keeps(struct wcow_backend *b, const char *digest)
{
    bool found = false;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; !found && i < b->kept.count; i++)
        found = strcmp(b->kept.items[i], digest) == 0;
    (void)pthread_mutex_unlock(&b->lock);
    return found;
}

void wcow_backend_note_kept(struct wcow_backend *b, const char *digest)
{
    (void)pthread_mutex_lock(&b->lock);
    (void)!wcow_str_list_add(&b->kept, digest, NULL); /* else containerd is asked again */
    (void)pthread_mutex_unlock(&b->lock);
}

static int no_snapshotter(const struct wcow_backend *b, const struct wcow_containerd_ctx *ctx,
                          const char *address, struct wcow_error *err)
{
    wcow_autofree char *version = NULL;
    bool knows = wcow_containerd_version(ctx, &version, NULL) == WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "containerd%s%s at %s has no snapshotter \"%s\": start wcowd and register it "
                     "in containerd's config.toml ([proxy_plugins.%s])",
                     knows ? " " : "", knows ? version : "", address, b->snapshotter,
                     b->snapshotter);
}

/* That containerd answers, and has the snapshotter. Blobs are read faster from the content store's
 * folder; without it they come over gRPC. */
static int check_containerd(struct wcow_backend *b, const char *address, struct wcow_error *err)
{
    struct wcow_containerd_ctx ctx = b->ctx;
    bool has = false;
    ctx.timeout_ms = CONNECT_TIMEOUT_MS;
    int r = wcow_containerd_look(&ctx, b->snapshotter, &has, &b->content_root, err);
    /* Who cannot be reached is named already. */
    if (r == WCOW_E_UNAVAILABLE || r == WCOW_E_DENIED)
        return r;
    if (r < 0)
        return wcow_error_wrap(r, err, "containerd at %s", address);
    return has ? WCOW_OK : no_snapshotter(b, &ctx, address, err);
}

static int take_lease(struct wcow_backend *b, struct wcow_error *err)
{
    struct wcow_labels labels = {0};
    /* Of a call that Ctrl-C cut short nobody would know the lease that it may have made. */
    struct wcow_containerd_ctx creating = b->ctx;
    creating.cancel = NULL;
    creating.timeout_ms = DISK_TIMEOUT_MS;
    int r = wcow_labels_set(&labels, "wcow.build", b->unique, err);
    if (r == WCOW_OK)
        r = wcow_lease_create(&creating, NULL, LEASE_SECONDS, &labels, &b->lease, err);
    wcow_labels_done(&labels);
    if (r == WCOW_OK)
        b->ctx.lease = b->lease;
    return r;
}

int wcow_backend_new(const struct wcow_backend_options *options, struct wcow_backend **ret,
                     struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_backend_free_p) struct wcow_backend *b = calloc(1, sizeof(*b));
    if (!b)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build");
    (void)pthread_mutex_init(&b->lock, NULL);
    wcow_key_locks_init(&b->busy);
    b->address = options->address;
    b->snapshotter = options->snapshotter;
    b->progress = options->progress;
    b->cancel = options->cancel;
    b->push_foreign = options->push_foreign;
    b->unique = make_unique();
    if (!b->unique)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build");
    int r = wcow_blobs_new(&b->blobs, err);
    if (r == WCOW_OK)
        r = wcow_containerd_new(options->address, &b->client, err);
    if (r < 0)
        return r;
    b->ctx = (struct wcow_containerd_ctx){
        .client = b->client, .ns = options->ns, .cancel = options->cancel};
    r = check_containerd(b, options->address, err);
    if (r == WCOW_OK)
        r = take_lease(b, err);
    if (r < 0)
        return r;
    const struct wcow_registry_options registry = {.plain_http = options->plain_http,
                                                   .hosts_dir = options->hosts_dir,
                                                   .cancelled = options->cancel};
    r = wcow_registry_new(&registry, &b->registry, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(b);
    return WCOW_OK;
}

void wcow_backend_free(struct wcow_backend *b)
{
    if (!b)
        return;
    wcow_registry_free(b->registry);
    /* A cancelled build gives back what it has, too. */
    b->ctx.cancel = NULL;
    b->ctx.timeout_ms = DISK_TIMEOUT_MS;
    for (size_t i = 0; i < b->views.count; i++)
        (void)!wcow_snapshot_remove(&b->ctx, b->snapshotter, b->views.items[i], NULL);
    wcow_str_list_done(&b->views);
    wcow_str_list_done(&b->kept);
    b->ctx.lease = NULL;
    if (b->lease)
        (void)!wcow_lease_delete(&b->ctx, b->lease, false, NULL);
    wcow_containerd_free(b->client);
    wcow_blobs_free(b->blobs);
    free(b->lease);
    free(b->content_root);
    free(b->unique);
    (void)pthread_mutex_destroy(&b->lock);
    wcow_key_locks_done(&b->busy);
    free(b);
}
