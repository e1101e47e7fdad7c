/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "base/fd.h"
#include "base/owned_dir.h"
#include "builder/blob_tar.h"
#include "builder/name_table.h"
#include "layer/names.h"

enum { ABANDONED_S = 24 * 60 * 60, TRIES = 100, ID_CHARS = 64 };

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

/* ---- the folders ---- */

static int open_root(const char *root, int *ret, struct wcow_error *err)
{
    *ret = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", root) : WCOW_OK;
}

/* Out of the way as a whole, before it is deleted: whoever is killed meanwhile leaves no half of a
 * listing under its name. Those who hold it have their descriptors. */
static int put_aside(int root_fd, const char *name, char ret[NAME_MAX + 1], struct wcow_error *err)
{
    uint64_t unique = 0;
    (void)!getrandom(&unique, sizeof(unique), 0);
    (void)snprintf(ret, NAME_MAX + 1, "%.*s.gone-%016" PRIx64, ID_CHARS, name, unique);
    return renameat(root_fd, name, root_fd, ret) == 0
               ? WCOW_OK
               : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename %s", name);
}

static const char *name_of(const char *diff_id)
{
    return diff_id + strlen("sha256:");
}

/* Open, and held for as long as the source or another handle on it is there. */
static int open_held(int root_fd, const char *root, const char *diff_id,
                     struct wcow_layer_source **ret, struct wcow_error *err)
{
    int fd = -1;
    wcow_autofree char *folder = path_of(root, diff_id, "");
    if (!folder)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    int r = wcow_owned_dir_share(root_fd, name_of(diff_id), &fd, err);
    if (r < 0)
        return r;
    r = wcow_layer_source_of_folder(fd, folder, ret, err);
    return r == WCOW_E_NOT_FOUND ? WCOW_FAIL(err, WCOW_E_CORRUPT, "%s has no index", folder) : r;
}

/* One that is of no use; where somebody holds it, it goes when he has gone. */
static int discard(int root_fd, const char *diff_id, struct wcow_error *err)
{
    char gone[NAME_MAX + 1];
    int r = put_aside(root_fd, name_of(diff_id), gone, err);
    if (r == WCOW_OK)
        wcow_owned_dirs_sweep(root_fd, gone, NULL, NULL);
    return r;
}

int wcow_listing_open(const char *root, const char *diff_id, struct wcow_layer_source **ret,
                      struct wcow_error *err)
{
    wcow_autoclose int root_fd = -1;
    struct wcow_error why = {0};
    int r = open_root(root, &root_fd, &why);
    if (r == WCOW_OK)
        r = open_held(root_fd, root, diff_id, ret, &why);
    if (r == WCOW_OK)
        return 1;
    if (r == WCOW_E_CORRUPT || r == WCOW_E_UNSUPPORTED)
        r = discard(root_fd, diff_id, &why);
    if (r < 0 && r != WCOW_E_NOT_FOUND && err)
        *err = why;
    return r == WCOW_E_NOT_FOUND ? 0 : r;
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

/* ---- making ---- */

static bool is_old(void *arg, int fd, const char *name)
{
    struct stat st;
    (void)arg;
    return strchr(name, '.') && fstat(fd, &st) == 0 && st.st_mtime < time(NULL) - ABANDONED_S;
}

static int list_into(struct wcow_backend *b, const struct wcow_descriptor *blob,
                     const char *diff_id, int folder_fd, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_index_abort_p) struct wcow_layer_index_writer *index = NULL;
    struct wcow_layer_info info = {0};
    int r = wcow_layer_index_create(folder_fd, &index, err);
    if (r < 0)
        return r;
    struct listing l = {.index = index, .folder = folder_fd};
    r = wcow_blob_tar_each(b, blob, diff_id, take_entry, &l, &info, err);
    directories_done(&l.directories);
    return r < 0 ? r : wcow_layer_index_finish(WCOW_TAKE_PTR(index), &info, true, err);
}

/* Give the listing its name, or open that which another build made meanwhile and nobody has taken
 * away since. The folder is taken. */
static int publish(int root_fd, const char *root, const char *diff_id, const char *made, int folder,
                   struct wcow_layer_source **ret, struct wcow_error *err)
{
    wcow_autoclose int fd = folder;
    for (int i = 0; i < TRIES; i++) {
        if (renameat(root_fd, made, root_fd, name_of(diff_id)) == 0)
            return wcow_layer_source_of_folder(WCOW_TAKE_FD(fd), root, ret, err);
        if (errno != EEXIST && errno != ENOTEMPTY)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename %s", made);
        int r = open_held(root_fd, root, diff_id, ret, err);
        if (r != WCOW_E_NOT_FOUND)
            return r;
    }
    return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "listings in %s are taken away time and again", root);
}

/* A prune takes the root away where that is empty: then once more. */
static int begin_folder(const char *root, const char *name, int *ret_root, int *ret_folder,
                        struct wcow_error *err)
{
    int r = WCOW_E_NOT_FOUND;
    for (int i = 0; r == WCOW_E_NOT_FOUND && i < TRIES; i++) {
        wcow_autoclose int root_fd = -1;
        if (mkdir(root, 0700) < 0 && errno != EEXIST)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", root);
        r = open_root(root, &root_fd, err);
        if (r == WCOW_OK)
            r = wcow_owned_dir_make_shared(root_fd, name, ret_folder, err);
        if (r == WCOW_OK)
            *ret_root = WCOW_TAKE_FD(root_fd);
    }
    return r;
}

static int make(struct wcow_backend *b, const char *root, const struct wcow_descriptor *blob,
                const char *diff_id, struct wcow_layer_source **ret, struct wcow_error *err)
{
    wcow_autobuf made = {0};
    wcow_autoclose int root_fd = -1;
    wcow_autoclose int fd = -1;
    int r = wcow_buf_addf(&made, err, "%s.%s", name_of(diff_id), b->unique);
    const char *name = (const char *)made.data;
    if (r == WCOW_OK)
        r = begin_folder(root, name, &root_fd, &fd, err);
    if (r < 0)
        return r;
    /* Unfinished ones of builds that were killed. */
    wcow_owned_dirs_sweep(root_fd, "", is_old, NULL);
    r = list_into(b, blob, diff_id, fd, err);
    if (r == WCOW_OK)
        r = publish(root_fd, root, diff_id, name, WCOW_TAKE_FD(fd), ret, err);
    (void)!wcow_dir_tree_delete(root_fd, name, NULL, NULL);
    return r;
}

int wcow_listing_make(struct wcow_backend *b, const char *root, const struct wcow_descriptor *blob,
                      const char *diff_id, struct wcow_layer_source **ret, struct wcow_error *err)
{
    int r = make(b, root, blob, diff_id, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "list layer %s", blob->digest.text) : WCOW_OK;
}

/* ---- removing ---- */

/* Of a folder that nobody holds but the caller: no more can open it. */
static bool take_away(void *arg, int fd, const char *name)
{
    const int root_fd = *(const int *)arg;
    char gone[NAME_MAX + 1];
    (void)fd;
    if (put_aside(root_fd, name, gone, NULL) == WCOW_OK)
        (void)!wcow_dir_tree_delete(root_fd, gone, NULL, NULL);
    return false; /* there is no more by this name */
}

int wcow_listings_remove(const char *root, struct wcow_error *err)
{
    wcow_autoclose int root_fd = -1;
    int r = open_root(root, &root_fd, err);
    if (r == WCOW_OK)
        wcow_owned_dirs_sweep(root_fd, "", take_away, &root_fd);
    (void)rmdir(root); /* where nothing is held */
    return r == WCOW_E_NOT_FOUND ? WCOW_OK : r;
}
