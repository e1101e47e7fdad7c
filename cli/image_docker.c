/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differ/codec.h"
#include "image/docker_archive.h"
#include "image/reference.h"

enum { MAX_LINKS = 8 };

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
}

/* ---- files ---- */

/* "a/b" and "../c" give "c"; NULL where it leaves the archive. Caller frees. */
static char *beside(const char *name, const char *target)
{
    const char *slash = strrchr(name, '/');
    wcow_autobuf path = {0};
    if (slash && wcow_buf_add(&path, name, (size_t)(slash - name), NULL) < 0)
        return NULL;
    for (size_t len = 0; *target; target += len + (target[len] == '/')) {
        len = strcspn(target, "/");
        if (len == 2 && memcmp(target, "..", 2) == 0) {
            if (!path.len)
                return NULL;
            while (path.len && path.data[path.len - 1] != '/')
                path.len--;
            path.len -= path.len > 0;
        } else if (len && !(len == 1 && *target == '.')) {
            if (wcow_buf_addf(&path, NULL, "%s%.*s", path.len ? "/" : "", (int)len, target) < 0)
                return NULL;
        }
    }
    return wcow_buf_take_str(&path);
}

/* Letter by letter; of several the last one counts, as where an archive is unpacked. */
static const struct wcow_listed *find_name(const struct wcow_entry_list *list, const char *name)
{
    for (size_t i = wcow_entry_list_count(list); i-- > 0;) {
        const struct wcow_listed *item = wcow_entry_list_at(list, i);
        if (strcmp(item->entry.name, name) == 0)
            return item;
    }
    return NULL;
}

const struct wcow_listed *wcow_image_archive_find(const struct wcow_entry_list *list,
                                                  const char *name)
{
    wcow_autofree char *path = strdup(name);
    for (int i = 0; path && i < MAX_LINKS; i++) {
        const struct wcow_listed *item = find_name(list, path);
        bool is_link = item && item->entry.type == WCOW_ENTRY_REPARSE;
        if (!is_link && !(item && item->entry.type == WCOW_ENTRY_HARDLINK))
            return item;
        char *next = is_link ? beside(path, item->entry.link) : strdup(item->entry.link);
        free(path);
        path = next;
    }
    return NULL;
}

static int open_file(const struct wcow_image_source *s, const char *name, struct wcow_source *ret,
                     uint64_t *ret_size, uint64_t *ret_offset, struct wcow_error *err)
{
    const struct wcow_listed *item = wcow_image_archive_find(s->list, name);
    if (!item || item->entry.type == WCOW_ENTRY_DIR)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "it has no file \"%s\", which its manifest.json names", name);
    *ret_size = item->entry.size_bytes;
    *ret_offset = item->offset;
    return wcow_layer_tar_data(s->archive, item->offset, item->entry.size_bytes, ret, err);
}

/* A file will be asked for by its digest. */
static int add_file(struct wcow_image_source *s, const struct wcow_digest *digest, uint64_t offset,
                    uint64_t size, struct wcow_error *err)
{
    struct wcow_archive_file *more = reallocarray(s->files, s->n_files + 1, sizeof(*more));
    if (!more)
        return nomem(err);
    s->files = more;
    s->files[s->n_files++] =
        (struct wcow_archive_file){.digest = *digest, .offset = offset, .size_bytes = size};
    return WCOW_OK;
}

/* ---- documents ---- */

static int load_config(struct wcow_image_source *s, const char *name, struct wcow_error *err)
{
    struct wcow_source source = {0};
    struct wcow_digest digest = {0};
    wcow_autobuf text = {.max_bytes = WCOW_CONFIG_MAX_BYTES};
    uint64_t size = 0;
    uint64_t offset = 0;
    int r = open_file(s, name, &source, &size, &offset, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_source(&text, &source, err);
    if (r == WCOW_OK)
        r = wcow_digest_of(text.data, text.len, &digest, err);
    if (r == WCOW_OK)
        r = wcow_image_config_parse(text.data, text.len, &s->config, err);
    if (r == WCOW_OK)
        r = add_file(s, &digest, offset, size, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&s->manifest.config, WCOW_MEDIA_OCI_CONFIG, digest.text, size,
                                 err);
    return r < 0 ? wcow_error_wrap(r, err, "config \"%s\"", name) : WCOW_OK;
}

/* How a layer is packed, and its digest. */
static int measure(const struct wcow_source *source, enum wcow_compression *ret,
                   struct wcow_digest *ret_digest, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    const uint8_t *data = NULL;
    size_t len = 0;
    int r = wcow_hash_new(&hash, err);
    if (r == WCOW_OK)
        r = wcow_source_next(source, &data, &len, err);
    *ret = r == WCOW_OK ? wcow_compression_detect(data, len) : WCOW_COMPRESSION_NONE;
    while (r == WCOW_OK && len) {
        wcow_hash_add(hash, data, len);
        r = wcow_source_next(source, &data, &len, err);
    }
    return r < 0 ? r : wcow_hash_digest(hash, ret_digest, err);
}

static int add_layer(struct wcow_image_source *s, const char *name, struct wcow_error *err)
{
    static const char *const types[] = {[WCOW_COMPRESSION_NONE] = WCOW_MEDIA_OCI_LAYER,
                                        [WCOW_COMPRESSION_GZIP] = WCOW_MEDIA_OCI_LAYER_GZIP,
                                        [WCOW_COMPRESSION_ZSTD] = WCOW_MEDIA_OCI_LAYER_ZSTD};
    enum wcow_compression compression = WCOW_COMPRESSION_NONE;
    wcow_auto_descriptor layer = {0};
    struct wcow_source source = {0};
    struct wcow_digest digest = {0};
    uint64_t size = 0;
    uint64_t offset = 0;
    int r = open_file(s, name, &source, &size, &offset, err);
    if (r == WCOW_OK)
        r = measure(&source, &compression, &digest, err);
    if (r == WCOW_OK)
        r = add_file(s, &digest, offset, size, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&layer, types[compression], digest.text, size, err);
    return r < 0 ? r : wcow_manifest_add_layer(&s->manifest, &layer, err);
}

/* What an index.json would say of it. */
static int describe(struct wcow_image_source *s, const char *name, struct wcow_error *err)
{
    struct wcow_digest digest = {0};
    struct wcow_reference ref;
    wcow_autobuf text = {0};
    wcow_autobuf full = {0};
    (void)snprintf(s->manifest.media_type, sizeof(s->manifest.media_type), "%s",
                   WCOW_MEDIA_OCI_MANIFEST);
    int r = wcow_manifest_write(&s->manifest, &text, err);
    if (r == WCOW_OK)
        r = wcow_digest_of(text.data, text.len, &digest, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&s->entry, WCOW_MEDIA_OCI_MANIFEST, digest.text, text.len, err);
    if (r < 0 || !name || wcow_reference_parse(name, &ref, NULL) < 0)
        return r;
    wcow_reference_set_default_tag(&ref);
    r = wcow_reference_format(&ref, &full, err);
    if (r == WCOW_OK)
        r = wcow_str_map_set(&s->entry.annotations, WCOW_ANNOTATION_IMAGE_NAME,
                             (const char *)full.data, err);
    return r < 0 ? r
                 : wcow_str_map_set(&s->entry.annotations, WCOW_ANNOTATION_REF_NAME, ref.tag, err);
}

int wcow_image_docker_load(struct wcow_image_source *source, const char *tag,
                           struct wcow_error *err)
{
    wcow_auto_docker_image image = {0};
    wcow_autobuf text = {.max_bytes = WCOW_MANIFEST_MAX_BYTES};
    struct wcow_source document = {0};
    uint64_t size = 0;
    uint64_t offset = 0;
    int r = open_file(source, "manifest.json", &document, &size, &offset, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_source(&text, &document, err);
    if (r == WCOW_OK)
        r = wcow_docker_image_parse(text.data, text.len, tag, &image, err);
    if (r == WCOW_OK)
        r = load_config(source, image.config, err);
    for (size_t i = 0; r == WCOW_OK && i < image.layers.count; i++)
        r = add_layer(source, image.layers.items[i], err);
    return r < 0 ? r : describe(source, image.names.count ? image.names.items[0] : NULL, err);
}
