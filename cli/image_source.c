/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/image_docker.h"
#include "containerd/images.h"

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

/* ---- documents ---- */

static bool is_called(const struct wcow_descriptor *desc, const char *tag)
{
    static const char *const keys[] = {WCOW_ANNOTATION_REF_NAME, WCOW_ANNOTATION_IMAGE_NAME};
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
        const char *name =
            wcow_str_map_get(&index->manifests[i].annotations, WCOW_ANNOTATION_REF_NAME);
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

static int read_index(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                      struct wcow_index *ret, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_image_source_document(s, desc, &text, err);
    return r < 0 ? r : wcow_index_parse(text.data, text.len, desc->media_type, ret, err);
}

/* From an index to the manifest of the platform; the names go along. */
static int descend(struct wcow_image_source *s, const char *platform_text, struct wcow_error *err)
{
    struct wcow_platform platform;
    wcow_auto_index index = {0};
    wcow_auto_descriptor chosen = {0};
    const struct wcow_descriptor *found = NULL;
    if (!wcow_media_is_index(s->entry.media_type))
        return WCOW_OK;
    int r = wcow_platform_parse(platform_text, &platform, err);
    if (r == WCOW_OK)
        r = read_index(s, &s->entry, &index, err);
    if (r == WCOW_OK)
        r = wcow_index_select(&index, &platform, &found, err);
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

/* What index.json says of the image that is meant. */
static int load_entry(struct wcow_image_source *s, const char *tag, struct wcow_error *err)
{
    wcow_autobuf top = {0};
    wcow_auto_index index = {0};
    int r = wcow_image_source_top(s, &top, err);
    if (r == WCOW_OK)
        r = wcow_index_parse(top.data, top.len, NULL, &index, err);
    return r < 0 ? r : choose(s, &index, tag, &s->entry, err);
}

static int check(const struct wcow_image_source *s, struct wcow_error *err)
{
    if (wcow_image_config_diff_id_count(s->config) != s->manifest.layer_count)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the manifest has %zu layers and the config %zu",
                         s->manifest.layer_count, wcow_image_config_diff_id_count(s->config));
    if (!s->manifest.layer_count)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the image has no layers");
    return WCOW_OK;
}

int wcow_image_source_load(struct wcow_image_source *s, const struct wcow_descriptor *desc,
                           struct wcow_error *err)
{
    wcow_autobuf manifest = {0};
    wcow_autobuf config = {0};
    wcow_manifest_done(&s->manifest);
    wcow_image_config_free(WCOW_TAKE_PTR(s->config));
    int r = wcow_image_source_document(s, desc, &manifest, err);
    if (r == WCOW_OK)
        r = wcow_manifest_parse(manifest.data, manifest.len, desc->media_type, &s->manifest, err);
    if (r == WCOW_OK)
        r = wcow_image_source_document(s, &s->manifest.config, &config, err);
    if (r == WCOW_OK)
        r = wcow_image_config_parse(config.data, config.len, &s->config, err);
    return r < 0 ? r : check(s, err);
}

/* An archive of Docker's own form, which newer ones have beside the layout, has no index.json. */
static bool is_docker_archive(const struct wcow_image_source *s)
{
    return s->list && !wcow_image_archive_find(s->list, "index.json") &&
           wcow_image_archive_find(s->list, "manifest.json");
}

/* Takes @p s. @param ret_index NULL: down to the manifest of the platform */
static int load(struct wcow_image_source *s, const char *tag, const char *platform,
                struct wcow_index *ret_index, struct wcow_image_source *ret, struct wcow_error *err)
{
    bool is_docker = is_docker_archive(s);
    int r = is_docker ? wcow_image_docker_load(s, tag, err) : load_entry(s, tag, err);
    if (r == WCOW_OK && is_docker) {
        r = check(s, err);
    } else if (r == WCOW_OK && ret_index && wcow_media_is_index(s->entry.media_type)) {
        r = read_index(s, &s->entry, ret_index, err);
    } else if (r == WCOW_OK) {
        r = descend(s, platform, err);
        if (r == WCOW_OK)
            r = wcow_image_source_load(s, &s->entry, err);
    }
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
    return r < 0 ? r : load(&s, tag, platform, NULL, ret, err);
}

static int open_files(const char *path, struct wcow_image_source *s, struct wcow_error *err)
{
    struct stat st;
    s->name = strdup(path);
    if (!s->name)
        return nomem(err);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        s->folder = strdup(path);
        return s->folder ? WCOW_OK : nomem(err);
    }
    int r = wcow_layer_tar_open(path, &s->archive, err);
    return r < 0 ? r : wcow_layer_tar_list(s->archive, &s->list, err);
}

int wcow_image_source_open(const char *path, const char *tag, const char *platform,
                           struct wcow_image_source *ret, struct wcow_error *err)
{
    wcow_auto_image_source s = {0};
    int r = open_files(path, &s, err);
    return r < 0 ? r : load(&s, tag, platform, NULL, ret, err);
}

int wcow_image_source_open_index(const char *path, const char *tag, struct wcow_image_source *ret,
                                 struct wcow_index *ret_index, struct wcow_error *err)
{
    wcow_auto_image_source s = {0};
    int r = open_files(path, &s, err);
    return r < 0 ? r : load(&s, tag, NULL, ret_index, ret, err);
}

int wcow_image_source_of_all(struct wcow_backend *backend, const char *name,
                             struct wcow_image_source *ret, struct wcow_index *ret_index,
                             struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_image_record_done) struct wcow_image_record record = {0};
    wcow_auto_image_source s = {.backend = backend};
    int r = wcow_image_find_record(backend, name, &record, err);
    if (r < 0)
        return r;
    s.name = strdup(record.name);
    if (!s.name)
        return nomem(err);
    r = wcow_descriptor_init(&s.entry, record.media_type, record.digest.text, record.size_bytes,
                             err);
    if (r == WCOW_OK && wcow_media_is_index(record.media_type))
        r = read_index(&s, &s.entry, ret_index, err);
    else if (r == WCOW_OK)
        r = wcow_image_source_load(&s, &s.entry, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", name);
    *ret = s;
    s = (struct wcow_image_source){0};
    return WCOW_OK;
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
