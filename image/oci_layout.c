/* SPDX-License-Identifier: Apache-2.0 */
#include "image/oci_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/json.h"
#include "image/manifest.h"

struct wcow_oci_writer {
    struct wcow_oci_output output;
    struct wcow_str_map blobs; /* digests that are in the layout */
    bool finished;
};

static int bytes_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    (void)err;
    struct wcow_bytes_source *bytes = ctx;
    *ret_data = bytes->data;
    *ret_len = bytes->given ? 0 : bytes->len;
    bytes->given = true;
    return WCOW_OK;
}

struct wcow_source wcow_bytes_source(struct wcow_bytes_source *bytes)
{
    return (struct wcow_source){.next = bytes_next, .ctx = bytes};
}

static int add_directory(struct wcow_oci_writer *writer, const char *path, struct wcow_error *err)
{
    if (!writer->output.add_directory)
        return WCOW_OK;
    return writer->output.add_directory(writer->output.ctx, path, err);
}

static int add_file_of(struct wcow_oci_writer *writer, const char *path, const void *data,
                       size_t len, struct wcow_error *err)
{
    struct wcow_bytes_source bytes = {.data = data, .len = len};
    struct wcow_source source = wcow_bytes_source(&bytes);
    return writer->output.add_file(writer->output.ctx, path, len, &source, err);
}

int wcow_oci_writer_new(const struct wcow_oci_output *output, struct wcow_oci_writer **ret,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_oci_writer_free_p)
    struct wcow_oci_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image layout");
    writer->output = *output;
    int r = add_directory(writer, "blobs", err);
    if (r == WCOW_OK)
        r = add_directory(writer, "blobs/sha256", err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(writer);
    return r;
}

void wcow_oci_writer_free(struct wcow_oci_writer *writer)
{
    if (!writer)
        return;
    wcow_str_map_done(&writer->blobs);
    free(writer);
}

bool wcow_oci_writer_has(const struct wcow_oci_writer *writer, const char *digest)
{
    return wcow_str_map_get(&writer->blobs, digest) != NULL;
}

/* A source that fails unless exactly the promised bytes pass. */
struct check {
    const struct wcow_source *from;
    struct wcow_hash *hash;
    const char *digest;
    uint64_t size_bytes;
    uint64_t passed;
};

static int check_end(const struct check *check, struct wcow_error *err)
{
    struct wcow_digest got;
    if (check->passed != check->size_bytes)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "blob %s has %" PRIu64 " bytes, not the %" PRIu64 " that its descriptor "
                         "tells",
                         check->digest, check->passed, check->size_bytes);
    int r = wcow_hash_digest(check->hash, &got, err);
    if (r == WCOW_OK && strcmp(got.text, check->digest) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "blob %s has other bytes: their digest is %s",
                         check->digest, got.text);
    return r;
}

static int check_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct check *check = ctx;
    int r = wcow_source_next(check->from, ret_data, ret_len, err);
    if (r < 0)
        return r;
    if (!*ret_len)
        return check_end(check, err);
    check->passed += *ret_len;
    if (check->passed > check->size_bytes)
        return check_end(check, err);
    wcow_hash_add(check->hash, *ret_data, *ret_len);
    return WCOW_OK;
}

static int check_usable(const struct wcow_oci_writer *writer, struct wcow_error *err)
{
    return writer->finished
               ? WCOW_FAIL(err, WCOW_E_PRECONDITION, "the image layout is finished already")
               : WCOW_OK;
}

int wcow_oci_writer_add_blob(struct wcow_oci_writer *writer, const char *digest,
                             uint64_t size_bytes, const struct wcow_source *source,
                             struct wcow_error *err)
{
    int r = check_usable(writer, err);
    if (r < 0)
        return r;
    if (!wcow_digest_is_valid(digest))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" is not a sha256 digest", digest);
    if (wcow_oci_writer_has(writer, digest))
        return WCOW_OK;
    char path[sizeof("blobs/sha256/") + WCOW_DIGEST_HEX_LEN];
    (void)snprintf(path, sizeof(path), "blobs/sha256/%s", digest + strlen("sha256:"));
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    struct check check = {.from = source, .hash = hash, .digest = digest, .size_bytes = size_bytes};
    struct wcow_source checked = {.next = check_next, .ctx = &check};
    r = writer->output.add_file(writer->output.ctx, path, size_bytes, &checked, err);
    return r < 0 ? r : wcow_str_map_set(&writer->blobs, digest, "", err);
}

int wcow_oci_writer_add_bytes(struct wcow_oci_writer *writer, const void *data, size_t len,
                              struct wcow_digest *ret, struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = wcow_digest_of(data, len, &digest, err);
    if (r < 0)
        return r;
    struct wcow_bytes_source bytes = {.data = data, .len = len};
    struct wcow_source source = wcow_bytes_source(&bytes);
    r = wcow_oci_writer_add_blob(writer, digest.text, len, &source, err);
    if (r == WCOW_OK && ret)
        *ret = digest;
    return r;
}

/* "blobs/sha256/<hex>" of a blob that must be there. */
static json_t *path_of(const struct wcow_oci_writer *writer, const char *digest,
                       struct wcow_error *err)
{
    if (!wcow_oci_writer_has(writer, digest)) {
        (void)WCOW_FAIL(err, WCOW_E_PRECONDITION, "blob %.80s is not in the image layout", digest);
        return NULL;
    }
    return json_sprintf("blobs/sha256/%s", digest + strlen("sha256:"));
}

int wcow_oci_writer_add_docker_manifest(struct wcow_oci_writer *writer,
                                        const struct wcow_str_list *repo_tags,
                                        const char *config_digest,
                                        const struct wcow_str_list *layer_digests,
                                        struct wcow_error *err)
{
    int r = check_usable(writer, err);
    if (r < 0)
        return r;
    json_t *config = path_of(writer, config_digest, err);
    if (!config)
        return WCOW_E_PRECONDITION;
    wcow_autojson *image = json_object();
    wcow_autojson *layers = json_array();
    bool bad = json_object_set_new(image, "Config", config) < 0;
    for (size_t i = 0; i < layer_digests->count; i++) {
        json_t *layer = path_of(writer, layer_digests->items[i], err);
        if (!layer)
            return WCOW_E_PRECONDITION;
        bad |= json_array_append_new(layers, layer) < 0;
    }
    json_t *tags = repo_tags && repo_tags->count ? wcow_json_from_list(repo_tags) : json_null();
    bad |= json_object_set_new(image, "RepoTags", tags) < 0;
    bad |= json_object_set(image, "Layers", layers) < 0;
    wcow_autojson *images = json_array();
    bad |= json_array_append(images, image) < 0;
    if (bad)
        return wcow_json_nomem(err);
    wcow_autobuf text = {0};
    r = wcow_json_write(images, &text, err);
    return r < 0 ? r : add_file_of(writer, "manifest.json", text.data, text.len, err);
}

int wcow_oci_writer_finish(struct wcow_oci_writer *writer, const struct wcow_descriptor *manifests,
                           size_t count, struct wcow_error *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    wcow_auto_index index = {0};
    wcow_autobuf text = {0};
    int r = check_usable(writer, err);
    for (size_t i = 0; r == WCOW_OK && i < count; i++) {
        if (!wcow_oci_writer_has(writer, manifests[i].digest.text))
            return WCOW_FAIL(err, WCOW_E_PRECONDITION, "manifest %s is not in the image layout",
                             manifests[i].digest.text);
        r = wcow_index_add(&index, &manifests[i], err);
    }
    if (r == WCOW_OK)
        r = wcow_index_write(&index, &text, err);
    if (r == WCOW_OK)
        r = add_file_of(writer, "index.json", text.data, text.len, err);
    if (r == WCOW_OK)
        r = add_file_of(writer, "oci-layout", layout, strlen(layout), err);
    writer->finished = r == WCOW_OK;
    return r;
}
