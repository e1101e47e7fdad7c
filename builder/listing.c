/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "base/fd.h"
#include "builder/blob_tar.h"
#include "builder/name_table.h"
#include "layer/names.h"

enum { ABANDONED_S = 24 * 60 * 60 };

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

bool wcow_listing_is_there(const char *root, const char *diff_id)
{
    wcow_autofree char *file = path_of(root, diff_id, "/layer.db");
    return file && access(file, R_OK) == 0;
}

int wcow_listing_open(const char *root, const char *diff_id, struct wcow_layer_source **ret,
                      struct wcow_error *err)
{
    wcow_autofree char *folder = path_of(root, diff_id, "");
    struct wcow_error why = {0};
    if (!folder)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    int r = wcow_layer_source_open(folder, ret, &why);
    if (r == WCOW_OK)
        return 1;
    if (r == WCOW_E_NOT_FOUND)
        return 0;
    if (r == WCOW_E_CORRUPT || r == WCOW_E_UNSUPPORTED)
        r = wcow_dir_tree_delete(AT_FDCWD, folder, NULL, &why);
    if (r < 0 && err)
        *err = why;
    return r;
}

/* ---- the tar ---- */

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
    if (r == WCOW_OK && fsync(fd) < 0)
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "keep the hive %s", name);
    return r;
}

struct listing {
    struct wcow_layer_index_writer *index;
    struct directories directories;
    int folder;
};

static int add_row(struct listing *l, const struct wcow_entry *entry, const char *hive,
                   struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    const struct wcow_index_row row = {.entry = entry, .host_path = hive};
    int r = wcow_name_key(entry->name, &key, err);
    if (r == WCOW_OK)
        r = check_parent(&l->directories, entry, key, err);
    if (r == WCOW_OK)
        r = wcow_layer_index_add(l->index, &row, err);
    if (r < 0 || entry->type != WCOW_ENTRY_DIR || wcow_name_table_get(&l->directories.table, key))
        return r;
    char *kept = WCOW_TAKE_PTR(key);
    r = wcow_name_table_add(&l->directories.table, kept, kept, err);
    if (r < 0)
        free(kept);
    return r;
}

static int take_entry(void *arg, const struct wcow_entry *entry, struct wcow_tar_reader *reader,
                      struct wcow_error *err)
{
    struct listing *l = arg;
    const char *hive = name_of_hive(entry);
    int r = add_row(l, entry, hive, err);
    return r == WCOW_OK && hive ? keep_hive(l->folder, hive, reader, err) : r;
}

/* ---- the folder ---- */

/* Unfinished ones of builds that were killed: a running build's is minutes old. */
static void sweep(const char *root)
{
    const time_t now = time(NULL);
    DIR *dir = opendir(root);
    struct dirent *d = NULL;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this thread alone
    while (dir && (d = readdir(dir))) {
        struct stat st;
        bool is_unfinished = strchr(d->d_name, '.') > d->d_name; /* not "." and ".." */
        if (is_unfinished && fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtime < now - ABANDONED_S)
            (void)!wcow_dir_tree_delete(dirfd(dir), d->d_name, NULL, NULL);
    }
    if (dir)
        (void)closedir(dir);
}

static int list_into(struct wcow_backend *b, const struct wcow_descriptor *blob,
                     const char *diff_id, const char *folder, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_index_abort_p) struct wcow_layer_index_writer *index = NULL;
    struct wcow_layer_info info = {0};
    wcow_autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", folder)
                   : wcow_layer_index_create(fd, &index, err);
    if (r < 0)
        return r;
    struct listing l = {.index = index, .folder = fd};
    r = wcow_blob_tar_each(b, blob, diff_id, take_entry, &l, &info, err);
    directories_done(&l.directories);
    return r < 0 ? r : wcow_layer_index_finish(WCOW_TAKE_PTR(index), &info, true, err);
}

int wcow_listing_make(struct wcow_backend *b, const char *root, const struct wcow_descriptor *blob,
                      const char *diff_id, struct wcow_layer_source **ret, struct wcow_error *err)
{
    wcow_autobuf suffix = {0};
    int r = wcow_buf_addf(&suffix, err, ".%s", b->unique);
    wcow_autofree char *made = r < 0 ? NULL : path_of(root, diff_id, (const char *)suffix.data);
    wcow_autofree char *path = path_of(root, diff_id, "");
    if (!made || !path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's listing");
    if ((mkdir(root, 0700) < 0 && errno != EEXIST) || mkdir(made, 0700) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", made);
    sweep(root);
    r = list_into(b, blob, diff_id, made, err);
    /* Another build may have made it meanwhile. */
    if (r == WCOW_OK && rename(made, path) < 0 && errno != EEXIST && errno != ENOTEMPTY)
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename %s", made);
    (void)!wcow_dir_tree_delete(AT_FDCWD, made, NULL, NULL);
    if (r == WCOW_OK)
        r = wcow_layer_source_open(path, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "list layer %s", blob->digest.text) : WCOW_OK;
}

int wcow_listings_remove(const char *root, struct wcow_error *err)
{
    int r = wcow_dir_tree_delete(AT_FDCWD, root, NULL, err);
    return r == WCOW_E_NOT_FOUND ? WCOW_OK : r;
}
