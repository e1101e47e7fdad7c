/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "containerd/content.h"
#include "containerd/leases.h"
#include "differ/blob_write.h"
#include "differ/codec.h"
#include "differ/compare.h"
#include "differ/leftovers.h"
#include "differ/service_internal.h"
#include "layer/filetime.h"
#include "layer/sd.h"

/* The blob must outlive the call, until whoever asked for it refers to it. */
enum { LEASE_SECONDS = 3600 };

static const char label_uncompressed[] = "containerd.io/uncompressed";
/* Labels of a request that are for us and not for the blob: SIDs ("S-1-5-93-2-1", "BA"). */
static const char label_owner[] = "containerd.io/diff/wcow.owner";
static const char label_group[] = "containerd.io/diff/wcow.group";

typedef Containerd__Services__Diff__V1__DiffRequest diff_request;

struct written {
    const char *media_type;
    struct wcow_digest digest;
    uint64_t bytes;
};

/* What is to be written, and how. Borrowed. */
struct job {
    const diff_request *request;
    const struct wcow_compare_options *compare;
    enum wcow_compression compression;
    const char *ref;          /* of the ingest */
    const char *content_root; /* containerd's, or NULL */
};

static int choose_compression(const char *media_type, struct written *ret,
                              enum wcow_compression *ret_compression, struct wcow_error *err)
{
    static const struct {
        const char *type;
        enum wcow_compression compression;
    } known[] = {{WCOW_MEDIA_GZIP, WCOW_COMPRESSION_GZIP},
                 {WCOW_MEDIA_ZSTD, WCOW_COMPRESSION_ZSTD},
                 {WCOW_MEDIA_TAR, WCOW_COMPRESSION_NONE}};
    if (!*media_type)
        media_type = WCOW_MEDIA_GZIP;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].type, media_type) == 0) {
            ret->media_type = known[i].type;
            *ret_compression = known[i].compression;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "media type \"%s\" is none that wcow writes; use %s",
                     media_type, WCOW_MEDIA_GZIP);
}

/* Time and chance. */
static int make_name(const char *prefix, char **ret, struct wcow_error *err)
{
    uint8_t random[4] = {0};
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (getrandom(random, sizeof(random), 0) < 0)
        memset(random, 0, sizeof(random));
    int n = asprintf(ret, "%s%lld%09ld-%02x%02x%02x%02x", prefix, (long long)now.tv_sec,
                     now.tv_nsec, random[0], random[1], random[2], random[3]);
    return n < 0 ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name") : WCOW_OK;
}

static int make_lease_id(char **ret, struct wcow_error *err)
{
    return make_name("wcow-diff-", ret, err);
}

static int make_ref(const char *asked, char **ret, struct wcow_error *err)
{
    if (!*asked)
        return make_name("", ret, err);
    *ret = strdup(asked);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an ingest's name");
}

static int set_labels(const diff_request *q, const struct wcow_digest *diff_id,
                      struct wcow_labels *ret, struct wcow_error *err)
{
    for (size_t i = 0; i < q->n_labels; i++) {
        if (strcmp(q->labels[i]->key, label_owner) == 0 ||
            strcmp(q->labels[i]->key, label_group) == 0)
            continue;
        int r = wcow_labels_set(ret, q->labels[i]->key, q->labels[i]->value, err);
        if (r < 0)
            return r;
    }
    return wcow_labels_set(ret, label_uncompressed, diff_id->text, err);
}

/* tar -> compressor -> @p to */
static int write_layer(const struct wcow_compare_options *o, const struct wcow_sink *to,
                       enum wcow_compression compression, struct wcow_digest *ret_diff_id,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *c = NULL;
    uint64_t tar_bytes = 0;
    int r = wcow_compressor_new(to, compression, 0, &c, err);
    if (r < 0)
        return r;
    struct wcow_sink tar = wcow_compressor_sink(c);
    r = wcow_compare(o, &tar, ret_diff_id, &tar_bytes, err);
    return r < 0 ? r : wcow_compressor_finish(c, err);
}

/* A blob that is made anew, and its labels. */
struct anew {
    const struct job *job;
    struct wcow_labels labels;
};

static int write_anew_bytes(void *arg, const struct wcow_sink *to, struct wcow_error *err)
{
    struct anew *anew = arg;
    const struct job *job = anew->job;
    struct wcow_digest diff_id = {0};
    int r = write_layer(job->compare, to, job->compression, &diff_id, err);
    return r < 0 ? r : set_labels(job->request, &diff_id, &anew->labels, err);
}

static int write_anew(const struct wcow_containerd_ctx *ctx, const struct job *job,
                      struct written *ret, struct wcow_error *err)
{
    struct anew anew = {.job = job};
    const struct wcow_blob_job blob = {.ref = job->ref,
                                       .content_root = job->content_root,
                                       .write = write_anew_bytes,
                                       .arg = &anew,
                                       .labels = &anew.labels};
    struct wcow_blob_written written = {0};
    int r = wcow_blob_write(ctx, &blob, &written, err);
    wcow_labels_done(&anew.labels);
    ret->digest = written.digest;
    ret->bytes = written.size_bytes;
    return r;
}

static int write_content(const struct wcow_containerd_ctx *ctx, const struct job *job,
                         struct written *ret, struct wcow_error *err)
{
    struct wcow_layer_origin origin = {0};
    struct wcow_digest diff_id = {0};
    int r = wcow_differ_reuse(ctx, job->compare, job->compression, &origin, &diff_id, err);
    if (r <= 0)
        return r < 0 ? r : write_anew(ctx, job, ret, err);
    WCOW_CLEANUP(wcow_labels_done) struct wcow_labels labels = {0};
    r = set_labels(job->request, &diff_id, &labels, err);
    if (r == WCOW_OK)
        r = wcow_content_label(ctx, origin.blob.text, &labels, err);
    ret->digest = origin.blob;
    ret->bytes = origin.bytes;
    return r;
}

/* Under a lease of our own, where the call brought none. */
static int write_with_own_lease(struct wcow_containerd_ctx *ctx, const struct job *job,
                                const char *lease, struct written *ret, struct wcow_error *err)
{
    wcow_autofree char *id = NULL;
    int r = wcow_lease_create(ctx, lease, LEASE_SECONDS, NULL, &id, err);
    if (r < 0)
        return r;
    ctx->lease = id;
    r = write_content(ctx, job, ret, err);
    ctx->lease = NULL;
    if (r < 0) {
        struct wcow_containerd_ctx uncancelled = *ctx;
        uncancelled.cancel = NULL;
        uncancelled.timeout_ms = 30000; /* of a disk that others keep busy */
        struct wcow_error ignored = {0};
        if (wcow_lease_delete(&uncancelled, id, false, &ignored) < 0)
            return r; /* it expires by itself */
    }
    return r;
}

/* Without it only a crash would leave something, for an hour: no reason to refuse, on a full disk
 * for instance. */
static struct wcow_leftover_note *make_note(const char *folder, const struct wcow_leftover *what)
{
    struct wcow_error why = {0};
    struct wcow_leftover_note *note = NULL;
    if (wcow_leftover_note_new(folder, what, &note, &why) < 0)
        wcow_log(WCOW_LOG_WARN, "no note can be made of a layer that is being written",
                 WCOW_STR("error", why.msg));
    return note;
}

/* With the caller's lease or our own, and a note on disk for as long as it lasts. */
static int write_leased(struct wcow_differ_service *s, struct wcow_containerd_ctx *ctx,
                        const char *lease, struct job *job, struct written *ret,
                        struct wcow_error *err)
{
    bool has_lease = lease && *lease;
    wcow_autofree char *ref = NULL;
    wcow_autofree char *own = NULL;
    WCOW_CLEANUP(wcow_leftover_note_free_p) struct wcow_leftover_note *note = NULL;
    int r = make_ref(job->request->ref, &ref, err);
    if (r == WCOW_OK && !has_lease)
        r = make_lease_id(&own, err);
    if (r == WCOW_OK && s->options.leftovers) {
        struct wcow_leftover what = {.ns = ctx->ns, .ref = ref, .lease = own};
        note = make_note(s->options.leftovers, &what);
    }
    if (r < 0)
        return r;
    job->ref = ref;
    if (!has_lease)
        return write_with_own_lease(ctx, job, own, ret, err);
    ctx->lease = lease;
    return write_content(ctx, job, ret, err);
}

static int pair_of_request(const diff_request *q, struct wcow_layer_side *ret,
                           struct wcow_error *err)
{
    struct wcow_mounts lower = {0};
    struct wcow_mounts upper = {0};
    int r = wcow_differ_take_mounts(q->left, q->n_left, &lower, err);
    if (r == WCOW_OK)
        r = wcow_differ_take_mounts(q->right, q->n_right, &upper, err);
    if (r == WCOW_OK)
        r = wcow_mounts_pair(&lower, &upper, ret, err);
    free(lower.items);
    free(upper.items);
    return r;
}

/* A SID that a label names, appended; nothing without it. */
static int take_sid(const diff_request *q, const char *label, struct wcow_buf *out,
                    struct wcow_error *err)
{
    for (size_t i = 0; i < q->n_labels; i++) {
        if (strcmp(q->labels[i]->key, label) != 0)
            continue;
        int r = wcow_sid_parse(q->labels[i]->value, out, err);
        return r < 0 ? wcow_error_wrap(WCOW_E_INVALID, err, "label %s", label) : r;
    }
    return WCOW_OK;
}

/* A time that FILETIME can hold: SOURCE_DATE_EPOCH is not before 1601 in anybody's build. */
static int take_epoch(const diff_request *q, uint64_t *ret, struct wcow_error *err)
{
    const int64_t first = -INT64_C(11644473600); /* 1601-01-01 */
    const int64_t last = INT64_C(253402300799);  /* 9999-12-31 */
    if (!q->source_date_epoch)
        return WCOW_OK;
    int64_t s = q->source_date_epoch->seconds;
    int32_t ns = q->source_date_epoch->nanos;
    if (s < first || s > last || ns < 0 || ns > 999999999)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "SOURCE_DATE_EPOCH is %lld s and %d ns: it must lie in 1601 to 9999",
                         (long long)s, (int)ns);
    *ret = wcow_filetime_of_unix(s, (uint32_t)ns);
    return WCOW_OK;
}

static int diff(struct wcow_differ_service *s, struct wcow_rpc_call *call, struct written *ret,
                struct wcow_error *err)
{
    const diff_request *q = (const void *)wcow_rpc_call_request(call);
    wcow_autoside upper = {0};
    enum wcow_compression compression = WCOW_COMPRESSION_NONE;
    wcow_autofree char *ns = NULL;
    int r = pair_of_request(q, &upper, err);
    if (r == WCOW_OK)
        r = choose_compression(q->media_type, ret, &compression, err);
    if (r == WCOW_OK)
        r = wcow_differ_namespace(s, call, upper.layer, &ns, err);
    if (r < 0)
        return r;
    if (!ns || !*ns)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "no namespace came with the request and \"%s\" is no snapshot of this "
                         "wcowd: where the layer should be written is not known",
                         upper.layer);
    uint64_t latest = 0;
    wcow_autobuf owner = {0};
    wcow_autobuf group = {0};
    r = take_epoch(q, &latest, err);
    if (r == WCOW_OK)
        r = take_sid(q, label_owner, &owner, err);
    if (r == WCOW_OK)
        r = take_sid(q, label_group, &group, err);
    if (r < 0)
        return r;
    struct wcow_containerd_ctx ctx = {
        .client = s->options.containerd, .ns = ns, .cancel = wcow_rpc_call_cancelled(call)};
    struct wcow_compare_options options = {.folder = upper.layer,
                                           .parents = (const char *const *)upper.parents,
                                           .n_parents = upper.n_parents,
                                           .latest = q->source_date_epoch ? &latest : NULL,
                                           .owner = {.data = owner.data, .len = owner.len},
                                           .group = {.data = group.data, .len = group.len},
                                           .cancel = ctx.cancel};
    r = wcow_gate_enter(&s->gate, WCOW_DIFFER_DIFF_WEIGHT, ctx.cancel, err);
    if (r < 0)
        return r;
    struct job job = {.request = q,
                      .compare = &options,
                      .compression = compression,
                      .content_root = wcow_differ_content_root(s, &ctx)};
    r = write_leased(s, &ctx, wcow_rpc_call_header(call, "containerd-lease"), &job, ret, err);
    wcow_gate_leave(&s->gate, WCOW_DIFFER_DIFF_WEIGHT);
    /* The request was for us: UNIMPLEMENTED would send containerd on to another differ. */
    if (r == WCOW_E_UNSUPPORTED) {
        r = WCOW_E_PRECONDITION;
        err->code = r;
    }
    return r;
}

void wcow_differ_handle_diff(struct wcow_rpc_call *call, void *service)
{
    struct wcow_error err = {0};
    struct written written = {.media_type = ""};
    int r = diff(service, call, &written, &err);
    Containerd__Services__Diff__V1__DiffResponse reply =
        CONTAINERD__SERVICES__DIFF__V1__DIFF_RESPONSE__INIT;
    Containerd__Types__Descriptor layer = CONTAINERD__TYPES__DESCRIPTOR__INIT;
    layer.media_type = wcow_rpc_call_strdup(call, written.media_type);
    layer.digest = written.digest.text;
    layer.size = (int64_t)written.bytes;
    reply.diff = &layer;
    if (r == WCOW_OK && !layer.media_type)
        r = WCOW_FAIL(&err, WCOW_E_NOMEM, "out of memory for the reply");
    wcow_rpc_call_finish(call, r == WCOW_OK ? &reply.base : NULL, r, &err);
}
