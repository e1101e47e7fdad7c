/* SPDX-License-Identifier: Apache-2.0 */
/* An image from a registry into containerd's content store: manifests, config and layers, each with
 * the labels that keep what it refers to, then the image's record. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/images.h"
#include "containerd/content.h"
#include "containerd/images.h"

enum { PARALLEL_FETCHES = 3 };

struct puller {
    struct wcow_backend *backend;
    struct wcow_reference ref;
    unsigned step;
    const struct wcow_platform *platform;
};

static int label_source(const struct puller *p, struct wcow_labels *labels, struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "containerd.io/distribution.source.%s", p->ref.host);
    return r < 0 ? r : wcow_labels_set(labels, (const char *)key.data, p->ref.repository, err);
}

static int label_child(struct wcow_labels *labels, const char *name, size_t index,
                       const char *digest, struct wcow_error *err)
{
    char key[80];
    (void)snprintf(key, sizeof(key), "containerd.io/gc.ref.content.%s.%zu", name, index);
    return wcow_labels_set(labels, key, digest, err);
}

/* ---- layers ---- */

struct fetch_progress {
    const struct puller *puller;
    const char *id;
};

static void show_fetch(void *ctx, uint64_t done, uint64_t total)
{
    const struct fetch_progress *f = ctx;
    wcow_progress_status(f->puller->backend->progress, f->puller->step, f->id, done, total, false);
}

static int fetch_blob(const struct puller *p, const struct wcow_descriptor *blob,
                      struct wcow_error *err)
{
    struct wcow_backend *b = p->backend;
    wcow_autobuf name = {0};
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    int r = wcow_buf_addf(&name, err, "wcow-pull-%s-%s", b->unique, blob->digest.text);
    if (r == WCOW_OK)
        r = wcow_content_writer_open(&b->ctx, (const char *)name.data, blob->digest.text,
                                     blob->size_bytes, &writer, err);
    const char *id = blob->digest.text;
    if (r == WCOW_E_EXISTS) {
        wcow_progress_status(b->progress, p->step, id, blob->size_bytes, blob->size_bytes, true);
        return WCOW_OK;
    }
    if (r < 0)
        return r;
    struct fetch_progress shown = {.puller = p, .id = id};
    const struct wcow_transfer transfer = {.progress = show_fetch, .ctx = &shown};
    const struct wcow_sink sink = wcow_content_writer_sink(writer);
    r = wcow_registry_fetch_blob(b->registry, &p->ref, blob, &sink, &transfer, err);
    struct wcow_labels labels = {0};
    if (r == WCOW_OK)
        r = label_source(p, &labels, err);
    if (r == WCOW_OK)
        r = wcow_content_writer_commit(writer, blob->digest.text, &labels, err);
    wcow_labels_done(&labels);
    if (r == WCOW_OK)
        wcow_progress_status(b->progress, p->step, id, blob->size_bytes, blob->size_bytes, true);
    return r < 0 ? wcow_error_wrap(r, err, "fetch %s", blob->digest.text) : WCOW_OK;
}

/* Layers of one manifest, taken in turn by a few threads. */
struct fetching {
    const struct puller *puller;
    const struct wcow_manifest *manifest;
    atomic_size_t next;
    atomic_int failed;
};
struct fetcher {
    struct fetching *shared;
    pthread_t thread;
    int result;
    struct wcow_error err;
};

static void *fetch_layers(void *arg)
{
    struct fetcher *f = arg;
    const struct wcow_manifest *m = f->shared->manifest;
    for (;;) {
        size_t i = atomic_fetch_add(&f->shared->next, 1);
        if (i >= m->layer_count || atomic_load(&f->shared->failed))
            return NULL;
        f->result = fetch_blob(f->shared->puller, &m->layers[i], &f->err);
        if (f->result < 0) {
            atomic_store(&f->shared->failed, 1);
            return NULL;
        }
    }
}

static int fetch_all(const struct puller *p, const struct wcow_manifest *manifest,
                     struct wcow_error *err)
{
    struct fetching shared = {.puller = p, .manifest = manifest};
    struct fetcher fetchers[PARALLEL_FETCHES] = {0};
    size_t n = 0;
    for (size_t i = 0; i < PARALLEL_FETCHES; i++)
        fetchers[i].shared = &shared;
    while (n + 1 < PARALLEL_FETCHES && n + 1 < manifest->layer_count &&
           pthread_create(&fetchers[n].thread, NULL, fetch_layers, &fetchers[n]) == 0)
        n++;
    (void)fetch_layers(&fetchers[n]); /* this thread is one of them */
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(fetchers[i].thread, NULL);
    for (size_t i = 0; i <= n; i++) {
        if (fetchers[i].result < 0) {
            if (err)
                *err = fetchers[i].err;
            return fetchers[i].result;
        }
    }
    return WCOW_OK;
}

/* ---- documents ---- */

static int write_document(const struct puller *p, const struct wcow_buf *data,
                          struct wcow_labels *labels, struct wcow_error *err)
{
    struct wcow_backend *b = p->backend;
    struct wcow_digest digest;
    wcow_autofree char *name = wcow_backend_name(b, "-document");
    int r = name ? label_source(p, labels, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a document");
    if (r == WCOW_OK)
        r = wcow_content_write_all(&b->ctx, name, data->data, data->len, labels, &digest, err);
    return r;
}

static int pull_config(const struct puller *p, const struct wcow_manifest *manifest,
                       struct wcow_error *err)
{
    wcow_autobuf data = {0};
    struct wcow_labels labels = {0};
    int r = wcow_registry_fetch_bytes(p->backend->registry, &p->ref, &manifest->config,
                                      WCOW_CONFIG_MAX_BYTES, &data, err);
    if (r == WCOW_OK)
        r = write_document(p, &data, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

static int pull_manifest(const struct puller *p, const struct wcow_buf *data,
                         const char *media_type, struct wcow_error *err)
{
    wcow_auto_manifest manifest = {0};
    struct wcow_labels labels = {0};
    int r = wcow_manifest_parse(data->data, data->len, media_type, &manifest, err);
    if (r == WCOW_OK)
        r = pull_config(p, &manifest, err);
    if (r == WCOW_OK)
        r = fetch_all(p, &manifest, err);
    if (r == WCOW_OK)
        r = wcow_labels_set(&labels, "containerd.io/gc.ref.content.config",
                            manifest.config.digest.text, err);
    for (size_t i = 0; r == WCOW_OK && i < manifest.layer_count; i++)
        r = label_child(&labels, "l", i, manifest.layers[i].digest.text, err);
    if (r == WCOW_OK)
        r = write_document(p, data, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

static int pull_index(const struct puller *p, const struct wcow_buf *data, const char *media_type,
                      struct wcow_error *err)
{
    wcow_auto_index index = {0};
    wcow_autobuf manifest = {0};
    const struct wcow_descriptor *chosen = NULL;
    struct wcow_labels labels = {0};
    int r = wcow_index_parse(data->data, data->len, media_type, &index, err);
    if (r == WCOW_OK)
        r = wcow_index_select(&index, p->platform, &chosen, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_reference ref = p->ref;
    ref.digest = chosen->digest;
    r = wcow_registry_fetch_manifest(p->backend->registry, &ref, &manifest, NULL, err);
    if (r == WCOW_OK)
        r = pull_manifest(p, &manifest, chosen->media_type, err);
    for (size_t i = 0; r == WCOW_OK && i < index.manifest_count; i++)
        r = label_child(&labels, "m", i, index.manifests[i].digest.text, err);
    if (r == WCOW_OK)
        r = write_document(p, data, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

int wcow_image_pull(struct wcow_backend *b, const char *name, const struct wcow_platform *platform,
                    unsigned step, struct wcow_error *err)
{
    struct puller p = {.backend = b, .step = step, .platform = platform};
    wcow_autobuf data = {0};
    wcow_auto_descriptor target = {0};
    int r = wcow_reference_parse(name, &p.ref, err);
    if (r == WCOW_OK)
        r = wcow_registry_fetch_manifest(b->registry, &p.ref, &data, &target, err);
    if (r < 0)
        return r;
    r = wcow_media_is_index(target.media_type) ? pull_index(&p, &data, target.media_type, err)
                                               : pull_manifest(&p, &data, target.media_type, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "pull %s", name);
    struct wcow_image_record record = {.name = strdup(name),
                                       .media_type = strdup(target.media_type),
                                       .digest = target.digest,
                                       .size_bytes = target.size_bytes};
    r = record.name && record.media_type
            ? wcow_image_put(&b->ctx, &record, 0, err)
            : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image's record");
    wcow_image_record_done(&record);
    return r;
}
