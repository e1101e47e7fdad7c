/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI layout as a tar: the same bytes for the same image. */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

#include "builder/output.h"
#include "builder/tar_file.h"
#include "containerd/content.h"
#include "image/oci_layout.h"

struct tar_output {
    struct wcow_tar_file *file;
    int64_t time_s;
};

static int write_header(struct tar_output *t, const char *path, bool is_dir, uint64_t size,
                        struct wcow_error *err)
{
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, is_dir ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, is_dir ? 0755 : 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_mtime(entry, t->time_s, 0);
    int r = archive_write_header(t->file->archive, entry);
    archive_entry_free(entry);
    return r == ARCHIVE_OK ? WCOW_OK : wcow_tar_file_failed(t->file, path, err);
}

static int add_directory(void *ctx, const char *path, struct wcow_error *err)
{
    return write_header(ctx, path, true, 0, err);
}

static int add_file(void *ctx, const char *path, uint64_t size_bytes,
                    const struct wcow_source *source, struct wcow_error *err)
{
    struct tar_output *t = ctx;
    int r = write_header(t, path, false, size_bytes, err);
    while (r == WCOW_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(source, &data, &len, err);
        if (r < 0 || len == 0)
            break;
        if (archive_write_data(t->file->archive, data, len) != (la_ssize_t)len)
            r = wcow_tar_file_failed(t->file, path, err);
    }
    return r;
}

/* ---- what goes in ---- */

static int add_layer(struct wcow_backend *b, struct wcow_oci_writer *writer,
                     const struct wcow_descriptor *desc, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    if (wcow_oci_writer_has(writer, desc->digest.text))
        return WCOW_OK;
    int r = wcow_content_reader_open(&b->ctx, b->content_root, desc->digest.text, desc->size_bytes,
                                     &reader, err);
    if (r == WCOW_E_NOT_FOUND && wcow_media_is_foreign(desc->media_type))
        return WCOW_OK;
    if (r < 0)
        return r;
    const struct wcow_source source = wcow_content_reader_source(reader);
    return wcow_oci_writer_add_blob(writer, desc->digest.text, desc->size_bytes, &source, err);
}

static int add_docker_manifest(const struct wcow_built_image *image,
                               const struct wcow_str_list *names, struct wcow_oci_writer *writer,
                               struct wcow_error *err)
{
    wcow_auto_str_list tags = {0};
    wcow_auto_str_list layers = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < names->count; i++) {
        struct wcow_reference ref;
        wcow_autobuf familiar = {0};
        r = wcow_reference_parse(names->items[i], &ref, err);
        if (r == WCOW_OK)
            r = wcow_reference_format_familiar(&ref, &familiar, err);
        if (r == WCOW_OK)
            r = wcow_str_list_add(&tags, (const char *)familiar.data, err);
    }
    for (size_t i = 0; r == WCOW_OK && i < image->n_layers; i++)
        r = wcow_str_list_add(&layers, image->layers[i].digest.text, err);
    return r < 0 ? r
                 : wcow_oci_writer_add_docker_manifest(
                       writer, &tags, image->config_desc.digest.text, &layers, err);
}

/* One entry a name, as containerd and skopeo look for them; one without where there is none. */
static int finish(const struct wcow_built *built, const struct wcow_str_list *names,
                  struct wcow_oci_writer *writer, struct wcow_error *err)
{
    size_t n = names->count ? names->count : 1;
    struct wcow_descriptor *entries = calloc(n, sizeof(*entries));
    int r = entries ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    for (size_t i = 0; r == WCOW_OK && i < n; i++) {
        r = wcow_descriptor_copy(&built->target, &entries[i], err);
        if (r < 0 || names->count == 0)
            break;
        struct wcow_reference ref;
        r = wcow_reference_parse(names->items[i], &ref, err);
        if (r == WCOW_OK)
            r = wcow_str_map_set(&entries[i].annotations, WCOW_ANNOTATION_IMAGE_NAME,
                                 names->items[i], err);
        if (r == WCOW_OK)
            r = wcow_str_map_set(&entries[i].annotations, WCOW_ANNOTATION_REF_NAME, ref.tag, err);
    }
    if (r == WCOW_OK)
        r = wcow_oci_writer_finish(writer, entries, n, err);
    for (size_t i = 0; entries && i < n; i++)
        wcow_descriptor_done(&entries[i]);
    free(entries);
    return r;
}

static int add_documents(const struct wcow_built *built, struct wcow_oci_writer *writer,
                         struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < built->n_documents; i++) {
        const struct wcow_document *d = &built->documents[i];
        if (!wcow_oci_writer_has(writer, d->desc.digest.text))
            r = wcow_oci_writer_add_bytes(writer, d->data.data, d->data.len, &digest, err);
    }
    return r;
}

static int write_layout(struct wcow_backend *b, const struct wcow_built *built,
                        const struct wcow_output *output, const struct wcow_str_list *names,
                        const struct wcow_oci_output *to, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_oci_writer_free_p) struct wcow_oci_writer *writer = NULL;
    int r = wcow_oci_writer_new(to, &writer, err);
    for (size_t i = 0; r == WCOW_OK && i < built->n_images; i++) {
        const struct wcow_built_image *image = &built->images[i];
        for (size_t k = 0; r == WCOW_OK && k < image->n_layers; k++)
            r = add_layer(b, writer, &image->layers[k], err);
    }
    if (r == WCOW_OK)
        r = add_documents(built, writer, err);
    if (r == WCOW_OK && output->type == WCOW_OUTPUT_DOCKER)
        r = add_docker_manifest(&built->images[0], names, writer, err);
    return r < 0 ? r : finish(built, names, writer, err);
}

static int write_tar(struct wcow_backend *b, const struct wcow_built *built,
                     const struct wcow_output *output, const struct wcow_str_list *names,
                     struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_file_done) struct wcow_tar_file file = {.fd = -1};
    struct tar_output t = {.file = &file, .time_s = built->created_s};
    const struct wcow_oci_output to = {
        .add_directory = add_directory, .add_file = add_file, .ctx = &t};
    int r = wcow_tar_file_open(&file, output->dest, b->cancel, err);
    if (r == WCOW_OK)
        r = write_layout(b, built, output, names, &to, err);
    return r < 0 ? r : wcow_tar_file_finish(&file, err);
}

static int write_folder(struct wcow_backend *b, const struct wcow_built *built,
                        const struct wcow_output *output, const struct wcow_str_list *names,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_oci_directory_free_p) struct wcow_oci_directory *dir = NULL;
    int r = wcow_oci_directory_open(output->dest, &dir, err);
    if (r < 0)
        return r;
    const struct wcow_oci_output to = wcow_oci_directory_output(dir);
    return write_layout(b, built, output, names, &to, err);
}

int wcow_output_archive(struct wcow_backend *b, const struct wcow_built *built,
                        const struct wcow_output *output, const struct wcow_str_list *names,
                        unsigned step, struct wcow_error *err)
{
    int r = output->is_tar ? write_tar(b, built, output, names, err)
                           : write_folder(b, built, output, names, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "write %s", output->dest);
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "writing %s", output->dest) == WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
    return WCOW_OK;
}
