/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "differ/scan_internal.h"
#include "layer/filetime.h"
#include "layer/hive.h"

/* ---- roots ---- */

/* The entry of a root, which need not be on disk. */
static int root_entry(struct wcow_scan *s, const char *root, bool merges, struct wcow_entry *base,
                      struct wcow_entry *ret, struct wcow_error *err)
{
    struct stat st = {.st_mode = S_IFDIR};
    int in_base = merges ? wcow_chain_lookup(&s->below, root, base, NULL, err) : 0;
    if (in_base < 0)
        return in_base;
    if (fstatat(s->o->folder_fd, root, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at \"%s\"", root);
    if (!S_ISDIR(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" in the layer's folder is no directory", root);
    struct wcow_found found = {.name = root,
                               .st = &st,
                               .base = in_base ? base : NULL,
                               .below = &s->below,
                               .latest = s->o->latest,
                               .owner = s->o->owner,
                               .group = s->o->group};
    return wcow_scan_entry(&found, ret, err);
}

/* @param merges the parents' content of it shows through */
static int walk_root(struct wcow_scan *s, const char *root, bool merges, struct wcow_error *err)
{
    wcow_autoentry base = {0};
    wcow_autoentry e = {0};
    wcow_autobuf sd = {0};
    int r = root_entry(s, root, merges, &base, &e, err);
    if (r < 0)
        return r;
    wcow_autoclose int fd =
        openat(s->o->folder_fd, root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", root);
    bool is_in_base = base.type == WCOW_ENTRY_DIR;
    struct wcow_scan_place place = {.fd = fd,
                                    .host_path = fd < 0 ? NULL : root,
                                    .name = root,
                                    .entry = &e,
                                    .origin = is_in_base ? root : NULL,
                                    .shows = is_in_base};
    r = wcow_scan_place_sd(s, &place, &sd, err);
    if (r == WCOW_OK)
        r = wcow_scan_tell(s, &place, err);
    return r < 0 || fd < 0 ? r : wcow_scan_walk(s, &place, err);
}

static bool is_on_disk(const struct wcow_scan *s, const char *path)
{
    struct stat st;
    return fstatat(s->o->folder_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- the registry ---- */

static int add_empty_hive(struct wcow_scan *s, const char *hive_name, const char *path,
                          struct wcow_error *err)
{
    wcow_autobuf hive = {0};
    int r = wcow_hive_empty_delta(hive_name, WCOW_FILETIME_UNIX_EPOCH, &hive, err);
    wcow_autoentry e = {.type = WCOW_ENTRY_FILE,
                        .size_bytes = hive.len,
                        .attributes = WCOW_ATTR_ARCHIVE,
                        .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME,
                        .mtime = WCOW_FILETIME_UNIX_EPOCH,
                        .atime = WCOW_FILETIME_UNIX_EPOCH,
                        .ctime = WCOW_FILETIME_UNIX_EPOCH,
                        .creation = WCOW_FILETIME_UNIX_EPOCH};
    if (r == WCOW_OK && !(e.name = strdup(path)))
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    struct wcow_index_row row = {
        .entry = &e, .is_inlined = true, .inlined = {.data = hive.data, .len = hive.len}};
    return r < 0 ? r : wcow_scan_add(s, NULL, s->o->folder_fd, &row, err);
}

/* Where the registry was not touched, importers want that said: five deltas, of which those that
 * are not on disk change nothing. Each layer's deltas are its own: nothing of the parents' shows.
 */
static int add_hives(struct wcow_scan *s, struct wcow_error *err)
{
    if (!s->o->below->n && !is_on_disk(s, "Hives"))
        return WCOW_OK;
    int r = walk_root(s, "Hives", false, err);
    for (size_t i = 0; r == WCOW_OK && s->o->below->n && i < 5; i++) {
        wcow_autofree char *path = NULL;
        r = wcow_scan_join("Hives", wcow_hive_delta_names[i], &path, err);
        if (r == WCOW_OK && !is_on_disk(s, path))
            r = add_empty_hive(s, wcow_hive_delta_names[i], path, err);
    }
    return r;
}

static int scan_all(struct wcow_scan *s, struct wcow_error *err)
{
    s->below = wcow_layer_chain_names(s->o->below);
    int r = walk_root(s, "Files", true, err);
    if (r == WCOW_OK)
        r = add_hives(s, err);
    if (r == WCOW_OK && is_on_disk(s, "UtilityVM"))
        r = walk_root(s, "UtilityVM", true, err);
    wcow_bytes_map_done(&s->inodes, free);
    wcow_scan_moved_done(s);
    return r;
}

int wcow_scan_tar(const struct wcow_scan_options *options, const struct wcow_sink *sink,
                  struct wcow_digest *ret_diff_id, uint64_t *ret_bytes, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_out_done) struct wcow_tar_out tar = {0};
    int r = wcow_tar_out_init(&tar, sink, options->cancel, err);
    struct wcow_scan s = {.o = options, .out = {.tar = &tar}};
    if (r == WCOW_OK)
        r = scan_all(&s, err);
    if (r == WCOW_OK)
        r = wcow_tar_out_zeros(&tar, UINT64_C(1024), err);
    struct wcow_digest digest = {0};
    if (r == WCOW_OK)
        r = wcow_tar_out_finish(&tar, &digest, err);
    if (r < 0)
        return r;
    *ret_diff_id = digest;
    *ret_bytes = tar.bytes;
    return WCOW_OK;
}

int wcow_scan_index(int folder_fd, const struct wcow_layer_chain *below, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_index_abort_p) struct wcow_layer_index_writer *writer = NULL;
    int r = wcow_layer_index_create(folder_fd, &writer, err);
    if (r < 0)
        return r;
    struct wcow_scan_options options = {.folder_fd = folder_fd, .below = below};
    struct wcow_scan s = {.o = &options, .out = {.index = writer}};
    r = scan_all(&s, err);
    if (r < 0)
        return r;
    struct wcow_layer_info info = {.n_entries = s.out.n_entries};
    return wcow_layer_index_finish(WCOW_TAKE_PTR(writer), &info, true, err);
}
