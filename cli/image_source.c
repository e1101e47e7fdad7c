/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "cli/image_docker.h"
#include "containerd/content.h"

#define REF_NAME        "org.opencontainers.image.ref.name"
#define CONTAINERD_NAME "io.containerd.image.name"
#define BLOBS           "blobs/sha256/"

void wcow_image_source_done(struct wcow_image_source *source)
{
    free(source->name);
    free(source->folder);
    wcow_layer_tar_free(source->archive);
    wcow_entry_list_free(source->list);
    free(source->files);
    wcow_descriptor_done(&source->entry);
    wcow_manifest_done(&source->manifest);
    wcow_image_config_free(source->config);
    *source = (struct wcow_image_source){0};
}

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
}

/* ---- names ---- */

static bool is_file_of(const char *folder, const char *name)
{
    struct stat st;
    wcow_autobuf path = {0};
    return wcow_buf_addf(&path, NULL, "%s/%s", folder, name) == WCOW_OK &&
           stat((const char *)path.data, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_one_of(const char *name, size_t len, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

/* A layer's first entry is below one of three roots; an image has one of these at its top. */
static int see_entry(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
                     struct wcow_error *err)
{
    static const char *const roots[] = {"Files", "Hives", "UtilityVM"};
    static const char *const images[] = {"blobs", "oci-layout", "index.json", "manifest.json"};
    bool *is_image = arg;
    (void)reader;
    size_t len = strcspn(entry->name, "/");
    *is_image = is_one_of(entry->name, len, images, sizeof(images) / sizeof(images[0]));
    if (*is_image || is_one_of(entry->name, len, roots, sizeof(roots) / sizeof(roots[0])))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "seen enough");
    return WCOW_OK;
}

bool wcow_image_is_archive(struct wcow_layer_tar *tar)
{
    bool is_image = false;
    struct wcow_error ignored = {0};
    int r = wcow_layer_tar_each(tar, see_entry, &is_image, &ignored);
    return r == WCOW_E_CANCELLED && is_image;
}

static bool is_layout(const char *path)
{
    struct stat st;
    struct wcow_error ignored = {0};
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    if (stat(path, &st) < 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return is_file_of(path, "index.json") && is_file_of(path, "oci-layout");
    return S_ISREG(st.st_mode) && wcow_layer_tar_open(path, &tar, &ignored) == WCOW_OK &&
           wcow_image_is_archive(tar);
}

/* Give the two parts; a NULL tag is none. */
static int give(const char *path, size_t len, const char *tag, char **ret_path, char **ret_tag,
                struct wcow_error *err)
{
    wcow_autofree char *a = strndup(path, len);
    wcow_autofree char *b = tag ? strdup(tag) : NULL;
    if (!a || (tag && !b))
        return nomem(err);
    *ret_path = WCOW_TAKE_PTR(a);
    *ret_tag = WCOW_TAKE_PTR(b);
    return 1;
}

int wcow_image_layout_name(const char *text, char **ret_path, char **ret_tag,
                           struct wcow_error *err)
{
    static const char *const schemes[] = {"oci-layout:", "oci-archive:", "docker-archive:"};
    bool is_asked = false;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && !is_asked; i++) {
        is_asked = strncmp(text, schemes[i], strlen(schemes[i])) == 0;
        text += is_asked ? strlen(schemes[i]) : 0;
    }
    struct stat st;
    bool exists = stat(text, &st) == 0;
    if (exists)
        return is_asked || is_layout(text) ? give(text, strlen(text), NULL, ret_path, ret_tag, err)
                                           : 0;
    for (const char *colon = text; (colon = strchr(colon, ':')); colon++) {
        wcow_autofree char *path = strndup(text, (size_t)(colon - text));
        if (!path)
            return nomem(err);
        if (*path && colon[1] && is_layout(path))
            return give(text, (size_t)(colon - text), colon + 1, ret_path, ret_tag, err);
    }
    return is_asked ? WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                                "\"%s\" is no image: neither an OCI layout (a folder with "
                                "index.json, or a tar of one) nor an archive of `docker save`",
                                text)
                    : 0;
}

/* ---- blobs ---- */

static int copy_checked(const struct wcow_source *from, const struct wcow_descriptor *desc,
                        const struct wcow_sink *to, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    uint64_t bytes = 0;
    int r = wcow_hash_new(&hash, err);
    while (r == WCOW_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(from, &data, &len, err);
        if (r < 0 || !len)
            break;
        bytes += len;
        wcow_hash_add(hash, data, len);
        r = wcow_sink_write(to, data, len, err);
    }
    struct wcow_digest digest = {0};
    if (r == WCOW_OK)
        r = wcow_hash_digest(hash, &digest, err);
    if (r == WCOW_OK && (bytes != desc->size_bytes || strcmp(digest.text, desc->digest.text) != 0))
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "blob %s holds %llu bytes of digest %s; it should hold %llu",
                         desc->digest.text, (unsigned long long)bytes, digest.text,
                         (unsigned long long)desc->size_bytes);
    return r;
}

/* A file of the archive. */
static int archive_file(const struct wcow_image_source *s, const char *path,
                        struct wcow_source *ret, struct wcow_error *err)
{
    const struct wcow_listed *item = wcow_image_archive_find(s->list, path);
    if (!item)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "it has no %s", path);
    return wcow_layer_tar_data(s->archive, item->offset, item->entry.size_bytes, ret, err);
}

/* A blob of the archive; Docker's form has it under some other name. */
static int archive_blob(const struct wcow_image_source *s, const struct wcow_digest *digest,
                        struct wcow_source *ret, struct wcow_error *err)
{
    for (size_t i = 0; i < s->n_files; i++) {
        const struct wcow_archive_file *file = &s->files[i];
        if (strcmp(file->digest.text, digest->text) == 0)
            return wcow_layer_tar_data(s->archive, file->offset, file->size_bytes, ret, err);
    }
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, BLOBS "%s", digest->text + strlen("sha256:"));
    return r < 0 ? r : archive_file(s, (const char *)path.data, ret, err);
}

static int drop(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)err;
    return WCOW_OK;
}

static int open_in_folder(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                          struct wcow_layer_tar **ret, struct wcow_error *err)
{
    const struct wcow_sink nowhere = {.write = drop};
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    wcow_autobuf path = {0};
    struct wcow_source source = {0};
    int r = wcow_buf_addf(&path, err, "%s/" BLOBS "%s", s->folder,
                          desc->digest.text + strlen("sha256:"));
    if (r == WCOW_OK)
        r = wcow_layer_tar_open((const char *)path.data, &tar, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_raw(tar, &source, err);
    if (r == WCOW_OK)
        r = copy_checked(&source, desc, &nowhere, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tar);
    return r;
}

/* Into a temporary file. */
static int take_blob(const struct wcow_source *source, const struct wcow_descriptor *desc,
                     struct wcow_layer_tar **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_sink sink = {0};
    int r = wcow_layer_tar_new(desc->digest.text, &tar, &sink, err);
    if (r == WCOW_OK)
        r = copy_checked(source, desc, &sink, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_written(tar, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tar);
    return r;
}

static int open_in_containerd(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                              struct wcow_layer_tar **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    int r = wcow_content_reader_open(&s->backend->ctx, s->backend->content_root, desc->digest.text,
                                     desc->size_bytes, &reader, err);
    if (r < 0)
        return r;
    const struct wcow_source source = wcow_content_reader_source(reader);
    return take_blob(&source, desc, ret, err);
}

static int open_blob(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                     struct wcow_layer_tar **ret, struct wcow_error *err)
{
    if (s->folder)
        return open_in_folder(s, desc, ret, err);
    if (s->backend)
        return open_in_containerd(s, desc, ret, err);
    struct wcow_source source = {0};
    int r = archive_blob(s, &desc->digest, &source, err);
    return r < 0 ? r : take_blob(&source, desc, ret, err);
}

int wcow_image_source_blob(const struct wcow_image_source *source, size_t i,
                           struct wcow_layer_tar **ret_holder, struct wcow_source *ret,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    int r = open_blob(source, &source->manifest.layers[i], &tar, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_raw(tar, ret, err);
    if (r == WCOW_OK)
        *ret_holder = WCOW_TAKE_PTR(tar);
    return r;
}

int wcow_image_source_layer(const struct wcow_image_source *source, size_t i,
                            struct wcow_layer_tar **ret, struct wcow_error *err)
{
    int r = open_blob(source, &source->manifest.layers[i], ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s, layer %zu", source->name, i + 1) : r;
}

/* ---- documents ---- */

static int buffer_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    return wcow_buf_add(ctx, data, len, err);
}

static int read_document(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                         struct wcow_buf *out, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_source source = {0};
    out->max_bytes = WCOW_CONFIG_MAX_BYTES;
    struct wcow_sink sink = {.write = buffer_write, .ctx = out};
    int r = open_blob(s, desc, &tar, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_raw(tar, &source, err);
    return r != WCOW_OK ? r : copy_checked(&source, desc, &sink, err);
}

/* index.json has no descriptor. */
static int read_top(const struct wcow_image_source *s, struct wcow_buf *out, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_source source = {0};
    wcow_autobuf path = {0};
    out->max_bytes = WCOW_MANIFEST_MAX_BYTES;
    int r = WCOW_OK;
    if (s->folder) {
        r = wcow_buf_addf(&path, err, "%s/index.json", s->folder);
        if (r == WCOW_OK)
            r = wcow_layer_tar_open((const char *)path.data, &tar, err);
        if (r == WCOW_OK)
            r = wcow_layer_tar_raw(tar, &source, err);
    } else {
        r = archive_file(s, "index.json", &source, err);
    }
    return r < 0 ? r : wcow_buf_add_source(out, &source, err);
}

static bool is_called(const struct wcow_descriptor *desc, const char *tag)
{
    static const char *const keys[] = {REF_NAME, CONTAINERD_NAME};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *name = wcow_str_map_get(&desc->annotations, keys[i]);
        if (name && strcmp(name, tag) == 0)
            return true;
    }
    return false;
}

static int none_of_that_name(const struct wcow_image_source *s, const struct wcow_index *index,
                             const char *tag, struct wcow_error *err)
{
    wcow_autobuf names = {0};
    for (size_t i = 0; i < index->manifest_count; i++) {
        const char *name = wcow_str_map_get(&index->manifests[i].annotations, REF_NAME);
        int r = name ? wcow_buf_addf(&names, err, "%s%s", names.len ? ", " : "", name) : WCOW_OK;
        if (r < 0)
            return r;
    }
    const char *list = names.len ? (const char *)names.data : "none with a name";
    return tag ? WCOW_FAIL(err, WCOW_E_NOT_FOUND, "no image \"%s\"; there is: %s", tag, list)
               : WCOW_FAIL(err, WCOW_E_INVALID, "%zu images; name one as %s:TAG: %s",
                           index->manifest_count, s->name, list);
}

/* The entry of index.json that is meant. */
static int choose(const struct wcow_image_source *s, const struct wcow_index *index,
                  const char *tag, struct wcow_descriptor *ret, struct wcow_error *err)
{
    const struct wcow_descriptor *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < index->manifest_count; i++) {
        const struct wcow_descriptor *d = &index->manifests[i];
        if (wcow_descriptor_is_attestation(d) || (tag && !is_called(d, tag)))
            continue;
        found = found ? found : d;
        n++;
    }
    return n == 1 || (tag && found) ? wcow_descriptor_copy(found, ret, err)
                                    : none_of_that_name(s, index, tag, err);
}

static bool is_index(const char *media_type)
{
    return strcmp(media_type, WCOW_MEDIA_OCI_INDEX) == 0 ||
           strcmp(media_type, WCOW_MEDIA_DOCKER_INDEX) == 0;
}

/* From an index to the manifest of the platform; the names go along. */
static int descend(struct wcow_image_source *s, const struct wcow_platform *platform,
                   struct wcow_error *err)
{
    wcow_autobuf text = {0};
    wcow_auto_index index = {0};
    wcow_auto_descriptor chosen = {0};
    const struct wcow_descriptor *found = NULL;
    int r = read_document(s, &s->entry, &text, err);
    if (r == WCOW_OK)
        r = wcow_index_parse(text.data, text.len, s->entry.media_type, &index, err);
    if (r == WCOW_OK)
        r = wcow_index_select(&index, platform, &found, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_copy(found, &chosen, err);
    if (r < 0)
        return r;
    struct wcow_str_map names = chosen.annotations;
    chosen.annotations = s->entry.annotations;
    s->entry.annotations = names;
    struct wcow_descriptor old = s->entry;
    s->entry = chosen;
    chosen = old;
    return WCOW_OK;
}

/* From a layout's index.json to the manifest and the config. */
static int load_layout(struct wcow_image_source *s, const char *tag, const char *platform_text,
                       struct wcow_error *err)
{
    struct wcow_platform platform;
    wcow_autobuf top = {0};
    wcow_autobuf manifest = {0};
    wcow_autobuf config = {0};
    wcow_auto_index index = {0};
    int r = wcow_platform_parse(platform_text, &platform, err);
    if (r == WCOW_OK)
        r = read_top(s, &top, err);
    if (r == WCOW_OK)
        r = wcow_index_parse(top.data, top.len, NULL, &index, err);
    if (r == WCOW_OK)
        r = choose(s, &index, tag, &s->entry, err);
    if (r == WCOW_OK && is_index(s->entry.media_type))
        r = descend(s, &platform, err);
    if (r == WCOW_OK)
        r = read_document(s, &s->entry, &manifest, err);
    if (r == WCOW_OK)
        r = wcow_manifest_parse(manifest.data, manifest.len, s->entry.media_type, &s->manifest,
                                err);
    if (r == WCOW_OK)
        r = read_document(s, &s->manifest.config, &config, err);
    return r < 0 ? r : wcow_image_config_parse(config.data, config.len, &s->config, err);
}

/* An archive of Docker's own form, which newer ones have beside the layout, has no index.json. */
static bool is_docker_archive(const struct wcow_image_source *s)
{
    return s->list && !wcow_image_archive_find(s->list, "index.json") &&
           wcow_image_archive_find(s->list, "manifest.json");
}

/* Takes @p s. */
static int load(struct wcow_image_source *s, const char *tag, const char *platform,
                struct wcow_image_source *ret, struct wcow_error *err)
{
    int r = is_docker_archive(s) ? wcow_image_docker_load(s, tag, err)
                                 : load_layout(s, tag, platform, err);
    if (r == WCOW_OK && wcow_image_config_diff_id_count(s->config) != s->manifest.layer_count)
        r = WCOW_FAIL(err, WCOW_E_CORRUPT, "the manifest has %zu layers and the config %zu",
                      s->manifest.layer_count, wcow_image_config_diff_id_count(s->config));
    if (r == WCOW_OK && !s->manifest.layer_count)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "the image has no layers");
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", s->name);
    *ret = *s;
    *s = (struct wcow_image_source){0};
    return WCOW_OK;
}

int wcow_image_source_of_archive(struct wcow_layer_tar *archive, const char *tag,
                                 const char *platform, struct wcow_image_source *ret,
                                 struct wcow_error *err)
{
    wcow_auto_image_source s = {.archive = archive};
    s.name = strdup(wcow_layer_tar_name(archive));
    if (!s.name)
        return nomem(err);
    int r = wcow_layer_tar_list(s.archive, &s.list, err);
    return r < 0 ? r : load(&s, tag, platform, ret, err);
}

int wcow_image_source_open(const char *path, const char *tag, const char *platform,
                           struct wcow_image_source *ret, struct wcow_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        struct wcow_layer_tar *archive = NULL;
        int r = wcow_layer_tar_open(path, &archive, err);
        return r < 0 ? r : wcow_image_source_of_archive(archive, tag, platform, ret, err);
    }
    wcow_auto_image_source s = {0};
    s.name = strdup(path);
    s.folder = strdup(path);
    return s.name && s.folder ? load(&s, tag, platform, ret, err) : nomem(err);
}

int wcow_image_source_of(struct wcow_backend *backend, struct wcow_local_image *image,
                         struct wcow_image_source *ret, struct wcow_error *err)
{
    wcow_auto_image_source s = {.backend = backend};
    s.name = strdup(image->name);
    if (!s.name)
        return nomem(err);
    /* Only what is known: the manifest's own size is not asked for. */
    int r = wcow_descriptor_init(&s.entry, image->manifest.media_type, image->manifest_digest.text,
                                 0, err);
    if (r < 0)
        return r;
    s.manifest = image->manifest;
    image->manifest = (struct wcow_manifest){0};
    s.config = WCOW_TAKE_PTR(image->config);
    *ret = s;
    s = (struct wcow_image_source){0};
    return WCOW_OK;
}
