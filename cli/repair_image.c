/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/repair_image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "cli/repair_manifest.h"
#include "differ/host_tree.h"

struct job {
    const struct wcow_image_repair *q;
    struct wcow_image_source image;
    struct wcow_index index;      /* what it lists, where it is one */
    struct wcow_backend *backend; /* of an image of containerd */
    struct wcow_oci_directory *directory;
    struct wcow_oci_writer *writer;
    char *scratch; /* name of the file that a mended layer is written to */
    uint64_t n_mended;
    uint64_t n_left;
};

static void job_done(struct job *j)
{
    if (j->scratch)
        (void)unlink(j->scratch);
    free(j->scratch);
    wcow_oci_writer_free(j->writer);
    wcow_oci_directory_free(j->directory);
    wcow_index_done(&j->index);
    wcow_image_source_done(&j->image);
    wcow_backend_free(j->backend);
}

int wcow_repair_is_image(const char *text, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *tag = NULL;
    struct stat st;
    int r = wcow_image_layout_name(text, &path, &tag, err);
    if (r != 0)
        return r;
    bool is_file = strcmp(text, "-") == 0 || text[0] == '/' || text[0] == '.';
    return !is_file && stat(text, &st) < 0;
}

/* ---- where it comes from and goes to ---- */

static int open_one_platform(struct job *j, struct wcow_error *err)
{
    struct wcow_platform platform;
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image local = {0};
    int r = wcow_platform_parse(j->q->where->platform, &platform, err);
    if (r == WCOW_OK)
        r = wcow_image_find(j->backend, j->q->input, &platform, &local, err);
    return r < 0 ? r : wcow_image_source_of(j->backend, &local, &j->image, err);
}

static int open_in_containerd(struct job *j, struct wcow_error *err)
{
    const struct wcow_target_options *o = j->q->where;
    const struct wcow_backend_options options = {
        .address = o->place.address, .ns = o->place.ns, .snapshotter = o->snapshotter};
    int r = wcow_backend_new(&options, &j->backend, err);
    if (r == WCOW_OK && j->q->one_platform)
        r = open_one_platform(j, err);
    else if (r == WCOW_OK)
        r = wcow_image_source_of_all(j->backend, j->q->input, &j->image, &j->index, err);
    return r < 0 ? wcow_error_wrap(r, err, "\"%s\" is no file, and as an image", j->q->input) : r;
}

static int open_input(struct job *j, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *tag = NULL;
    int r = wcow_image_layout_name(j->q->input, &path, &tag, err);
    if (r <= 0)
        return r < 0 ? r : open_in_containerd(j, err);
    if (j->q->one_platform)
        return wcow_image_source_open(path, tag, j->q->where->platform, &j->image, err);
    return wcow_image_source_open_index(path, tag, &j->image, &j->index, err);
}

static int open_output(struct job *j, struct wcow_error *err)
{
    struct stat st;
    if (j->q->dry_run)
        return WCOW_OK;
    if (stat(j->q->output, &st) == 0)
        return WCOW_FAIL(err, WCOW_E_EXISTS,
                         "\"%s\" is there already; a mended image goes into a new folder",
                         j->q->output);
    if (asprintf(&j->scratch, "%s/.layer", j->q->output) < 0) {
        j->scratch = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    }
    int r = wcow_oci_directory_open(j->q->output, &j->directory, err);
    if (r < 0)
        return r;
    const struct wcow_oci_output output = wcow_oci_directory_output(j->directory);
    return wcow_oci_writer_new(&output, &j->writer, err);
}

/* ---- manifests ---- */

static int mend(struct job *j, const char *place, struct wcow_descriptor *desc,
                uint64_t *ret_n_mended, struct wcow_error *err)
{
    struct wcow_manifest_repair q = {.image = &j->image,
                                     .writer = j->writer,
                                     .scratch = j->scratch,
                                     .place = place,
                                     .quiet = j->q->quiet};
    int r = wcow_repair_manifest(&q, desc, err);
    if (r < 0)
        return r;
    j->n_mended += q.n_mended;
    j->n_left += q.n_left;
    *ret_n_mended = q.n_mended;
    return WCOW_OK;
}

static bool is_windows(const struct wcow_descriptor *desc)
{
    return !wcow_descriptor_is_attestation(desc) && wcow_media_is_manifest(desc->media_type) &&
           (!desc->has_platform || strcmp(desc->platform.os, "windows") == 0);
}

static int keep(struct job *j, const struct wcow_descriptor *desc, struct wcow_error *err)
{
    return j->writer ? wcow_repair_keep_manifest(&j->image, j->writer, desc, err) : WCOW_OK;
}

/* "windows/amd64, " where there are several to tell apart. */
static int name_place(const struct job *j, const struct wcow_descriptor *desc, struct wcow_buf *out,
                      struct wcow_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < j->index.manifest_count; i++)
        n += is_windows(&j->index.manifests[i]);
    if (n < 2)
        return WCOW_OK;
    int r = desc->has_platform ? wcow_platform_format(&desc->platform, out, err)
                               : wcow_buf_add_str(out, desc->digest.text, err);
    return r < 0 ? r : wcow_buf_add_str(out, ", ", err);
}

/* One of those that the index lists. @return 1, or 0 where the layout has no blobs of it */
static int mend_listed(struct job *j, struct wcow_descriptor *desc, uint64_t *ret_n_mended,
                       struct wcow_error *err)
{
    wcow_autobuf place = {0};
    int r = name_place(j, desc, &place, err);
    if (r < 0)
        return r;
    const char *name = place.len ? (const char *)place.data : "";
    struct wcow_error why = {0};
    r = wcow_image_source_load(&j->image, desc, &why);
    if (r == WCOW_E_NOT_FOUND) {
        (void)fprintf(stderr, "%sleft as it is: it is listed, but not there (%s)\n", name, why.msg);
        return 0;
    }
    if (r < 0)
        return WCOW_FAIL(err, r, "%s%s", name, why.msg);
    r = mend(j, name, desc, ret_n_mended, err);
    return r < 0 ? r : 1;
}

/* What was attested of an image that is another one now is not true of it. Leaves gaps: somebody
 * goes through the index. */
static void drop_attestations(struct wcow_index *index, const char *of_digest)
{
    for (size_t i = 0; i < index->manifest_count; i++) {
        struct wcow_descriptor *d = &index->manifests[i];
        const char *of = wcow_str_map_get(&d->annotations, WCOW_ANNOTATION_ATTESTED);
        if (!wcow_descriptor_is_attestation(d) || !of || strcmp(of, of_digest) != 0)
            continue;
        (void)fprintf(stderr, "attestation %s is left out: it speaks of the image as it was\n",
                      d->digest.text);
        wcow_descriptor_done(d);
    }
}

static void close_gaps(struct wcow_index *index)
{
    size_t n = 0;
    for (size_t i = 0; i < index->manifest_count; i++) {
        struct wcow_descriptor moved = index->manifests[i];
        index->manifests[i] = (struct wcow_descriptor){0};
        if (moved.digest.text[0])
            index->manifests[n++] = moved;
    }
    index->manifest_count = n;
}

static int mend_windows(struct job *j, struct wcow_error *err)
{
    size_t n_there = 0;
    for (size_t i = 0; i < j->index.manifest_count; i++) {
        struct wcow_descriptor *desc = &j->index.manifests[i];
        struct wcow_digest old = desc->digest;
        uint64_t n_mended = 0;
        int r = is_windows(desc) ? mend_listed(j, desc, &n_mended, err) : 0;
        if (r < 0)
            return r;
        n_there += r > 0;
        if (n_mended)
            drop_attestations(&j->index, old.text);
    }
    close_gaps(&j->index);
    return n_there ? WCOW_OK
                   : WCOW_FAIL(err, WCOW_E_NOT_FOUND, "%s lists no image for Windows that it has",
                               j->q->input);
}

static int keep_others(struct job *j, struct wcow_error *err)
{
    for (size_t i = 0; i < j->index.manifest_count; i++) {
        const struct wcow_descriptor *desc = &j->index.manifests[i];
        struct wcow_error why = {0};
        int r = is_windows(desc) ? WCOW_OK : keep(j, desc, &why);
        if (r < 0 && r != WCOW_E_NOT_FOUND) /* what was not there before need not be */
            return WCOW_FAIL(err, r, "%s: %s", desc->digest.text, why.msg);
    }
    return WCOW_OK;
}

static int mend_index(struct job *j, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = mend_windows(j, err);
    if (r == WCOW_OK)
        r = keep_others(j, err);
    if (r < 0 || !j->writer)
        return r;
    /* Where nothing was mended it stays as somebody wrote it. */
    r = j->n_mended ? wcow_index_write(&j->index, &text, err)
                    : wcow_image_source_document(&j->image, &j->image.entry, &text, err);
    if (r == WCOW_OK)
        r = wcow_oci_writer_add_bytes(j->writer, text.data, text.len, &j->image.entry.digest, err);
    j->image.entry.size_bytes = text.len;
    return r;
}

static int mend_one(struct job *j, struct wcow_error *err)
{
    uint64_t n_mended = 0;
    const struct wcow_platform platform = wcow_image_config_platform(j->image.config);
    if (*platform.os && strcmp(platform.os, "windows") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "%s is an image for %s; only those for Windows are mended", j->q->input,
                         platform.os);
    return mend(j, "", &j->image.entry, &n_mended, err);
}

/* ---- the name ---- */

static int name_entry(struct job *j, struct wcow_error *err)
{
    struct wcow_str_map *names = &j->image.entry.annotations;
    struct wcow_reference ref;
    wcow_autobuf full = {0};
    const char *tag = j->q->tag;
    if (!tag && j->backend)
        tag = j->image.name;
    if (!tag)
        return WCOW_OK;
    int r = wcow_str_map_set(names, WCOW_ANNOTATION_REF_NAME, tag, err);
    /* A tag alone names no image of containerd. */
    if (r < 0 || !strpbrk(tag, "/:") || wcow_reference_parse(tag, &ref, NULL) < 0)
        return r;
    wcow_reference_set_default_tag(&ref);
    r = wcow_reference_format(&ref, &full, err);
    return r < 0
               ? r
               : wcow_str_map_set(names, WCOW_ANNOTATION_IMAGE_NAME, (const char *)full.data, err);
}

int wcow_repair_image(const struct wcow_image_repair *repair, uint64_t *ret_n_left,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(job_done) struct job j = {.q = repair};
    int r = open_input(&j, err);
    if (r == WCOW_OK)
        r = open_output(&j, err);
    if (r == WCOW_OK)
        r = j.index.manifest_count ? mend_index(&j, err) : mend_one(&j, err);
    if (r == WCOW_OK && j.writer)
        r = name_entry(&j, err);
    if (r == WCOW_OK && j.writer)
        r = wcow_oci_writer_finish(j.writer, &j.image.entry, 1, err);
    if (r < 0) {
        /* Nothing was there before. */
        if (j.directory && wcow_host_remove(AT_FDCWD, repair->output, NULL) < 0)
            (void)fprintf(stderr, "wcow repair: \"%s\" is left unfinished\n", repair->output);
        return r;
    }
    if (j.writer)
        (void)fprintf(stderr, "%s: %s\n", j.index.manifest_count ? "index" : "manifest",
                      j.image.entry.digest.text);
    *ret_n_left = j.n_left;
    return WCOW_OK;
}
