/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/blobs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "builder/backend.h"
#include "builder/in_turn.h"
#include "containerd/content.h"
#include "containerd/leases.h"

enum { PARALLEL_FETCHES = 3, READ_BYTES = 256 << 10 };

/* One blob at one place. */
struct place {
    struct wcow_descriptor desc;
    struct wcow_reference ref; /* where folder is NULL */
    char *folder;
};

struct wcow_blobs {
    pthread_mutex_t lock;
    struct place **places;
    size_t n_places;
};

int wcow_blobs_new(struct wcow_blobs **ret, struct wcow_error *err)
{
    struct wcow_blobs *blobs = calloc(1, sizeof(*blobs));
    if (!blobs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build");
    (void)pthread_mutex_init(&blobs->lock, NULL);
    *ret = blobs;
    return WCOW_OK;
}

static void place_free(struct place *place)
{
    if (!place)
        return;
    wcow_descriptor_done(&place->desc);
    free(place->folder);
    free(place);
}
WCOW_DEFINE_CLEANUP(struct place, place_free)

void wcow_blobs_free(struct wcow_blobs *blobs)
{
    if (!blobs)
        return;
    for (size_t i = 0; i < blobs->n_places; i++)
        place_free(blobs->places[i]);
    free(blobs->places);
    (void)pthread_mutex_destroy(&blobs->lock);
    free(blobs);
}

/* ---- where they are ---- */

static bool is_same_place(const struct place *a, const struct place *b)
{
    if (strcmp(a->desc.digest.text, b->desc.digest.text) != 0 || !a->folder != !b->folder)
        return false;
    if (a->folder)
        return strcmp(a->folder, b->folder) == 0;
    return strcmp(a->ref.host, b->ref.host) == 0 &&
           strcmp(a->ref.repository, b->ref.repository) == 0;
}

/* Takes the place, or frees one that is known already. */
static int add_place(struct wcow_blobs *blobs, struct place *taken, struct wcow_error *err)
{
    WCOW_CLEANUP(place_free_p) struct place *place = taken;
    int r = WCOW_OK;
    bool is_known = false;
    (void)pthread_mutex_lock(&blobs->lock);
    for (size_t i = 0; i < blobs->n_places && !is_known; i++)
        is_known = is_same_place(blobs->places[i], place);
    struct place **grown =
        is_known ? NULL : reallocarray(blobs->places, blobs->n_places + 1, sizeof(struct place *));
    if (grown) {
        blobs->places = grown;
        grown[blobs->n_places++] = WCOW_TAKE_PTR(place);
    } else if (!is_known) {
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's place");
    }
    (void)pthread_mutex_unlock(&blobs->lock);
    return r;
}

static int new_place(const struct wcow_descriptor *desc, struct place **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(place_free_p) struct place *place = calloc(1, sizeof(*place));
    if (!place)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's place");
    int r = wcow_descriptor_copy(desc, &place->desc, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(place);
    return r;
}

int wcow_blobs_add_remote(struct wcow_blobs *blobs, const struct wcow_descriptor *desc,
                          const struct wcow_reference *ref, struct wcow_error *err)
{
    WCOW_CLEANUP(place_free_p) struct place *place = NULL;
    int r = new_place(desc, &place, err);
    if (r < 0 || !place)
        return r;
    place->ref = *ref;
    return add_place(blobs, WCOW_TAKE_PTR(place), err);
}

int wcow_blobs_add_folder(struct wcow_blobs *blobs, const struct wcow_descriptor *desc,
                          const char *folder, struct wcow_error *err)
{
    WCOW_CLEANUP(place_free_p) struct place *place = NULL;
    int r = new_place(desc, &place, err);
    if (r < 0 || !place)
        return r;
    place->folder = strdup(folder);
    if (!place->folder)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's place");
    return add_place(blobs, WCOW_TAKE_PTR(place), err);
}

/* Number @p nth of the blob's places; a place stays as long as the blobs do. */
static const struct place *place_of(struct wcow_blobs *blobs, const char *digest, size_t nth)
{
    const struct place *found = NULL;
    (void)pthread_mutex_lock(&blobs->lock);
    for (size_t i = 0; i < blobs->n_places && !found; i++) {
        if (strcmp(blobs->places[i]->desc.digest.text, digest) == 0 && nth-- == 0)
            found = blobs->places[i];
    }
    (void)pthread_mutex_unlock(&blobs->lock);
    return found;
}

int wcow_blobs_repositories(struct wcow_blobs *blobs, const char *digest, const char *host,
                            struct wcow_str_list *ret, struct wcow_error *err)
{
    const struct place *place = NULL;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && (place = place_of(blobs, digest, i)); i++) {
        if (!place->folder && strcmp(place->ref.host, host) == 0)
            r = wcow_str_list_add(ret, place->ref.repository, err);
    }
    return r;
}

/* ---- the transfer ---- */

struct fetch {
    struct wcow_backend *backend;
    const struct wcow_descriptor *desc;
    unsigned step;
};

static void show(void *ctx, uint64_t done, uint64_t total)
{
    const struct fetch *f = ctx;
    wcow_progress_status(f->backend->progress, f->step, f->desc->digest.text, done, total, false);
}

static int read_folder(struct fetch *f, const char *folder, const struct wcow_sink *sink,
                       struct wcow_error *err)
{
    wcow_autobuf path = {0};
    wcow_autofree uint8_t *room = malloc(READ_BYTES);
    uint64_t done = 0;
    int r = room ? wcow_buf_addf(&path, err, "%s/blobs/sha256/%s", folder,
                                 f->desc->digest.text + strlen("sha256:"))
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory to read a layer");
    if (r < 0)
        return r;
    wcow_autoclose int fd = open((const char *)path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", (const char *)path.data);
    for (;;) {
        ssize_t n = read(fd, room, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s", (const char *)path.data);
        if (n == 0)
            return WCOW_OK; /* containerd checks size and digest at the end */
        if (wcow_backend_is_cancelled(f->backend))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        r = wcow_sink_write(sink, room, (size_t)n, err);
        if (r < 0)
            return r;
        show(f, done += (uint64_t)n, f->desc->size_bytes);
    }
}

static int label_source(const struct place *place, struct wcow_labels *labels,
                        struct wcow_error *err)
{
    wcow_autobuf key = {0};
    if (place->folder)
        return WCOW_OK;
    int r = wcow_buf_addf(&key, err, "containerd.io/distribution.source.%s", place->ref.host);
    return r < 0 ? r : wcow_labels_set(labels, (const char *)key.data, place->ref.repository, err);
}

/* From one place. WCOW_E_EXISTS where the blob is in the store already. */
static int fetch_from(struct fetch *f, const struct place *place, struct wcow_error *err)
{
    struct wcow_backend *b = f->backend;
    wcow_autofree char *name = wcow_backend_name(b, "-fetch");
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    int r = wcow_content_writer_open(&b->ctx, name, f->desc->digest.text, f->desc->size_bytes,
                                     &writer, err);
    if (r < 0)
        return r;
    const struct wcow_transfer transfer = {.progress = show, .ctx = f};
    const struct wcow_sink sink = wcow_content_writer_sink(writer);
    r = place->folder ? read_folder(f, place->folder, &sink, err)
                      : wcow_registry_fetch_blob(b->registry, &place->ref, &place->desc, &sink,
                                                 &transfer, err);
    struct wcow_labels labels = {0};
    if (r == WCOW_OK)
        r = label_source(place, &labels, err);
    if (r == WCOW_OK)
        r = wcow_content_writer_commit(writer, f->desc->digest.text, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

/* The lease first: from then on the blob cannot go. 1 where it is there. */
static int is_there(const struct fetch *f, struct wcow_error *err)
{
    struct wcow_backend *b = f->backend;
    struct wcow_content_info info = {0};
    if (wcow_backend_keeps(b, f->desc->digest.text))
        return 1;
    int r = wcow_lease_add_resource(&b->ctx, b->lease, "content", f->desc->digest.text, err);
    if (r == WCOW_OK)
        r = wcow_content_info(&b->ctx, f->desc->digest.text, &info, err);
    bool is = r == WCOW_OK && info.size_bytes == f->desc->size_bytes;
    wcow_content_info_done(&info);
    if (is)
        wcow_backend_note_kept(b, f->desc->digest.text);
    return r < 0 && r != WCOW_E_NOT_FOUND ? r : is;
}

/* From the first place that gives it. */
static int fetch_it(struct fetch *f, struct wcow_error *err)
{
    struct wcow_blobs *blobs = f->backend->blobs;
    const char *digest = f->desc->digest.text;
    int r = is_there(f, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    const struct place *place = place_of(blobs, digest, 0);
    r = WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                  "%s is not in containerd, and no registry is known that has it", digest);
    for (size_t i = 0; place; place = place_of(blobs, digest, ++i)) {
        r = fetch_from(f, place, err);
        if (r == WCOW_OK || r == WCOW_E_EXISTS || r == WCOW_E_CANCELLED || r == WCOW_E_NOMEM)
            break;
    }
    if (r == WCOW_E_EXISTS)
        r = WCOW_OK;
    if (r == WCOW_OK) {
        wcow_backend_note_kept(f->backend, digest);
        wcow_progress_status(f->backend->progress, f->step, digest, f->desc->size_bytes,
                             f->desc->size_bytes, true);
    }
    return r < 0 ? wcow_error_wrap(r, err, "fetch %s", digest) : WCOW_OK;
}

int wcow_blob_fetch(struct wcow_backend *b, const struct wcow_descriptor *desc, unsigned step,
                    struct wcow_error *err)
{
    struct fetch f = {.backend = b, .desc = desc, .step = step};
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_buf_addf(&key, err, "fetch %s", desc->digest.text);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->busy, (const char *)key.data, b->cancel, &hold, err);
    return r < 0 ? r : fetch_it(&f, err);
}

/* ---- several ---- */

struct fetching {
    struct wcow_backend *backend;
    const struct wcow_descriptor *descs;
    unsigned step;
};

static int fetch_one(void *ctx, size_t i, struct wcow_error *err)
{
    const struct fetching *f = ctx;
    return wcow_blob_fetch(f->backend, &f->descs[i], f->step, err);
}

int wcow_blobs_fetch(struct wcow_backend *b, const struct wcow_descriptor *descs, size_t n,
                     unsigned step, struct wcow_error *err)
{
    struct fetching fetching = {.backend = b, .descs = descs, .step = step};
    const struct wcow_in_turn work = {
        .one = fetch_one, .ctx = &fetching, .n = n, .n_threads = PARALLEL_FETCHES};
    return wcow_in_turn(&work, err);
}
