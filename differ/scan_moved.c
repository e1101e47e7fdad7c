/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were renamed: overlayfs copies such a file up and notes the inode that it was. Windows
 * keeps a renamed file's descriptor, attributes, times and streams, so its old name is wanted. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "differ/scan_internal.h"
#include "differ/scan_overlay.h"
#include "layer/names.h"

struct parent_file {
    uint64_t id[2]; /* device, inode */
    size_t layer;
    char name[];
};

void wcow_scan_moved_done(struct wcow_scan *s)
{
    wcow_bytes_map_done(&s->files, free);
    s->has_files = false;
}

struct filling {
    struct wcow_scan *s;
    size_t layer;
};

static int take_file(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    const struct filling *f = arg;
    const char *name = row->entry->name;
    struct stat st;
    if (row->entry->type != WCOW_ENTRY_FILE ||
        fstatat(f->s->o->below->fds[f->layer], row->host_path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return WCOW_OK;
    size_t len = strlen(name);
    struct parent_file *file = calloc(1, sizeof(*file) + len + 1);
    if (!file)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for renamed files");
    file->id[0] = st.st_dev;
    file->id[1] = st.st_ino;
    file->layer = f->layer;
    memcpy(file->name, name, len + 1);
    int r = WCOW_E_EXISTS; /* a file of two names has no origin */
    if (!wcow_bytes_map_find(&f->s->files, file->id, sizeof(file->id)))
        r = wcow_bytes_map_add(&f->s->files, file->id, sizeof(file->id), file, err);
    if (r < 0)
        free(file);
    return r == WCOW_E_EXISTS ? WCOW_OK : r;
}

/* All of the parents' files: overlayfs tells a file's inode, and only the indexes know its name. */
static int fill(struct wcow_scan *s, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && !s->has_files && i < s->o->below->n; i++) {
        struct filling filling = {.s = s, .layer = i};
        r = wcow_layer_index_each(s->o->below->indexes[i], take_file, &filling, err);
    }
    s->has_files = r == WCOW_OK;
    return r;
}

static bool is_host_file(const struct wcow_scan *s, const char *path, const struct stat *st)
{
    wcow_autofree char *key = NULL;
    if (!path || wcow_name_key(path, &key, NULL) < 0)
        return false;
    for (size_t i = 0; i < s->o->below->n; i++) {
        struct stat base;
        wcow_autofree char *host_path = NULL;
        int r = wcow_layer_index_host_path(s->o->below->indexes[i], key, &host_path, NULL);
        if (r != 0)
            return r > 0 &&
                   fstatat(s->o->below->fds[i], host_path, &base, AT_SYMLINK_NOFOLLOW) == 0 &&
                   base.st_dev == st->st_dev && base.st_ino == st->st_ino;
    }
    return false;
}

int wcow_scan_moved_from(struct wcow_scan *s, int dirfd, const char *leaf, const char *base_path,
                         char **ret, struct wcow_error *err)
{
    struct stat st;
    if (!s->o->below->n || !wcow_overlay_origin(dirfd, leaf, s->o->folder_fd, &st) ||
        is_host_file(s, base_path, &st))
        return 0;
    int r = fill(s, err);
    if (r < 0)
        return r;
    const uint64_t id[2] = {st.st_dev, st.st_ino};
    const struct parent_file *file = wcow_bytes_map_find(&s->files, id, sizeof(id));
    wcow_autoentry e = {0};
    size_t layer = 0;
    r = file ? wcow_chain_lookup(&s->below, file->name, &e, &layer, err) : 0;
    /* A nearer layer may have another file of that name: then this one shows nowhere. */
    if (r <= 0 || layer != file->layer)
        return r < 0 ? r : 0;
    *ret = strdup(file->name);
    return *ret ? 1 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}
