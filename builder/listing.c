/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/listing.h"
#include "base/dir_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/name_table.h"
#include "containerd/content.h"
#include "differ/codec.h"
#include "layer/names.h"
#include "layer/tar_reader.h"
#include "store/layer_index.h"

enum { MAX_RATIO = 1000 };

static char *path_of(const char *root, const char *diff_id, const char *suffix)
{
    wcow_autobuf path = {0};
    if (wcow_buf_addf(&path, NULL, "%s/%s%s", root, diff_id + strlen("sha256:"), suffix) < 0)
        return NULL;
    return wcow_buf_take_str(&path);
}

int wcow_listings_path(const char *cache_file, char **ret, struct wcow_error *err)
{
    const char *slash = strrchr(cache_file, '/');
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, "%.*s/layers", slash ? (int)(slash - cache_file) : 1,
                          slash ? cache_file : ".");
    *ret = r < 0 ? NULL : wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

char *wcow_listing_find(const char *root, const char *diff_id)
{
    wcow_autofree char *file = path_of(root, diff_id, "/layer.db");
    return file && access(file, R_OK) == 0 ? path_of(root, diff_id, "") : NULL;
}

/* ---- the tar ---- */

/* The tar on its way to the reader, hashed. */
struct hashing {
    struct wcow_source tar;
    struct wcow_hash *hash;
    uint64_t bytes;
    const struct wcow_backend *backend;
};

static int next_hashed(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct hashing *h = ctx;
    if (wcow_backend_is_cancelled(h->backend))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    int r = wcow_source_next(&h->tar, ret_data, ret_len, err);
    if (r == WCOW_OK && *ret_len) {
        wcow_hash_add(h->hash, *ret_data, *ret_len);
        h->bytes += *ret_len;
    }
    return r;
}

/* Directories that have stood in the tar, by key. */
struct directories {
    struct wcow_name_table table;
};

static void directories_done(struct directories *d)
{
    for (size_t i = 0; i < d->table.cap; i++)
        free(d->table.slots[i].value);
    wcow_name_table_done(&d->table);
}

static int check_parent(struct directories *d, const struct wcow_entry *entry, char *key,
                        struct wcow_error *err)
{
    char *slash = strrchr(key, '/');
    if (!slash || entry->type == WCOW_ENTRY_STREAM)
        return WCOW_OK;
    *slash = '\0';
    bool has = wcow_name_table_get(&d->table, key) != NULL;
    *slash = '/';
    return has ? WCOW_OK
               : WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "%s stands without its directory", entry->name);
}

/* PATH is read of these, by many builds: they are kept beside the index, and no layer has to be
 * unpacked for them. The file's name there; NULL for all others. */
static const char *name_of_hive(const struct wcow_entry *entry)
{
    static const struct {
        const char *path;
        const char *name;
    } hives[] = {{"Files/Windows/System32/config/SYSTEM", "SYSTEM"},
                 {"Hives/System_Delta", "System_Delta"}};
    for (size_t i = 0; entry->type == WCOW_ENTRY_FILE && i < sizeof(hives) / sizeof(hives[0]);
         i++) {
        if (strcasecmp(entry->name, hives[i].path) == 0)
            return hives[i].name;
    }
    return NULL;
}

static int keep_hive(int folder, const char *name, struct wcow_tar_reader *reader,
                     struct wcow_error *err)
{
    const uint8_t *data = NULL;
    size_t len = 1;
    wcow_autoclose int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "keep the hive %s", name)
                   : WCOW_OK;
    while (r == WCOW_OK && len > 0) {
        r = wcow_tar_reader_data(reader, &data, &len, err);
        if (r == WCOW_OK && len > 0)
            r = wcow_fd_write(fd, data, len, name, err);
    }
    return r;
}

static int take_entry(struct wcow_layer_index_writer *index, struct directories *d,
                      const struct wcow_entry *entry, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    const struct wcow_index_row row = {.entry = entry, .host_path = name_of_hive(entry)};
    int r = wcow_name_key(entry->name, &key, err);
    if (r == WCOW_OK)
        r = check_parent(d, entry, key, err);
    if (r == WCOW_OK)
        r = wcow_layer_index_add(index, &row, err);
    if (r < 0 || entry->type != WCOW_ENTRY_DIR || wcow_name_table_get(&d->table, key))
        return r;
    char *kept = WCOW_TAKE_PTR(key);
    r = wcow_name_table_add(&d->table, kept, kept, err);
    if (r < 0)
        free(kept);
    return r;
}

static int read_entries(const struct wcow_source *tar, int folder,
                        struct wcow_layer_index_writer *index, struct wcow_layer_info *info,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    WCOW_CLEANUP(directories_done) struct directories directories = {0};
    struct wcow_entry *entry = NULL;
    const uint8_t *data = NULL;
    size_t len = 1;
    int r = wcow_tar_reader_new(tar, NULL, &reader, err);
    while (r >= 0 && (r = wcow_tar_reader_next(reader, &entry, err)) > 0) {
        const char *hive = name_of_hive(entry);
        info->n_entries++;
        r = take_entry(index, &directories, entry, err);
        if (r == WCOW_OK && hive)
            r = keep_hive(folder, hive, reader, err);
    }
    while (r == WCOW_OK && len) /* its digest is that of all its bytes */
        r = wcow_tar_reader_trailer(reader, &data, &len, err);
    return r;
}

static int write_index(struct wcow_backend *b, const struct wcow_source *blob,
                       enum wcow_compression compression, const char *diff_id, int fd,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    WCOW_CLEANUP(wcow_layer_index_abort_p) struct wcow_layer_index_writer *index = NULL;
    struct wcow_layer_info info = {0};
    int r = wcow_decompressor_new(blob, compression, MAX_RATIO, &d, err);
    if (r == WCOW_OK)
        r = wcow_hash_new(&hash, err);
    if (r == WCOW_OK)
        r = wcow_layer_index_create(fd, &index, err);
    if (r < 0)
        return r;
    struct hashing hashing = {.tar = wcow_decompressor_source(d), .hash = hash, .backend = b};
    const struct wcow_source tar = {.next = next_hashed, .ctx = &hashing};
    r = read_entries(&tar, fd, index, &info, err);
    if (r == WCOW_OK)
        r = wcow_hash_digest(hash, &info.diff_id, err);
    if (r == WCOW_OK && strcmp(info.diff_id.text, diff_id) != 0)
        r = WCOW_FAIL(err, WCOW_E_DATA_LOSS, "the layer unpacks to %s, but its image says %s",
                      info.diff_id.text, diff_id);
    info.tar_bytes = hashing.bytes;
    return r < 0 ? r : wcow_layer_index_finish(WCOW_TAKE_PTR(index), &info, false, err);
}

/* ---- the folder ---- */

static int list_into(struct wcow_backend *b, const struct wcow_descriptor *blob,
                     const char *diff_id, const char *folder, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    enum wcow_compression compression = WCOW_COMPRESSION_NONE;
    bool detects = false;
    int r = wcow_compression_of_media_type(blob->media_type, &compression, &detects, err);
    if (r == WCOW_OK && detects)
        compression = WCOW_COMPRESSION_GZIP; /* as Docker's type says */
    wcow_autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == WCOW_OK && fd < 0)
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", folder);
    if (r == WCOW_OK)
        r = wcow_content_reader_open(&b->ctx, b->content_root, blob->digest.text, blob->size_bytes,
                                     &reader, err);
    if (r < 0)
        return r;
    const struct wcow_source source = wcow_content_reader_source(reader);
    return write_index(b, &source, compression, diff_id, fd, err);
}

int wcow_listing_make(struct wcow_backend *b, const char *root, const struct wcow_descriptor *blob,
                      const char *diff_id, char **ret, struct wcow_error *err)
{
    wcow_autobuf suffix = {0};
    int r = wcow_buf_addf(&suffix, err, ".%s", b->unique);
    wcow_autofree char *made = r < 0 ? NULL : path_of(root, diff_id, (const char *)suffix.data);
    wcow_autofree char *path = path_of(root, diff_id, "");
    if (!made || !path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's listing");
    if ((mkdir(root, 0700) < 0 && errno != EEXIST) || mkdir(made, 0700) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", made);
    r = list_into(b, blob, diff_id, made, err);
    /* Another build may have made it meanwhile. */
    if (r == WCOW_OK && rename(made, path) < 0 && errno != EEXIST && errno != ENOTEMPTY)
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename %s", made);
    (void)!wcow_dir_tree_delete(AT_FDCWD, made, NULL, NULL);
    if (r < 0)
        return wcow_error_wrap(r, err, "list layer %s", blob->digest.text);
    *ret = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}

int wcow_listings_remove(const char *root, struct wcow_error *err)
{
    int r = wcow_dir_tree_delete(AT_FDCWD, root, NULL, err);
    return r == WCOW_E_NOT_FOUND ? WCOW_OK : r;
}
