/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of sources share: the destination. */
#include "builder/copy.h"

#include <stdlib.h>
#include <string.h>

#include "builder/winpath.h"

struct wcow_entry wcow_copy_new_entry(enum wcow_entry_type type, uint32_t attributes, uint64_t time)
{
    return (struct wcow_entry){.type = type,
                               .attributes = attributes,
                               .has = WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD | WCOW_HAS_CREATION |
                                      WCOW_HAS_ATIME | WCOW_HAS_CTIME,
                               .mtime = time,
                               .atime = time,
                               .ctime = time,
                               .creation = time};
}

void wcow_copy_dest_done(struct wcow_copy_dest *dest)
{
    free(dest->path);
    *dest = (struct wcow_copy_dest){0};
}

int wcow_copy_dest_of(const struct wcow_copying *copying, struct wcow_copy_dest *ret,
                      struct wcow_error *err)
{
    struct wcow_copy_dest dest = {.tree = copying->tree};
    int r =
        wcow_winpath_to_layer(copying->workdir, copying->copy->dest, &dest.path, &dest.is_dir, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the destination \"%s\"", copying->copy->dest);
    dest.is_dir |= copying->copy->parents; /* what is kept of a source stands below it */
    *ret = dest;
    return WCOW_OK;
}

/* Whether the destination is a directory, or a link to one, already. */
static int exists_as_directory(const struct wcow_copy_dest *dest, bool *ret, struct wcow_error *err)
{
    wcow_autoentry found = {0};
    int r = wcow_tree_stat(dest->tree, dest->path, &found, err);
    if (r < 0)
        return r;
    *ret = r == 1 && (found.type == WCOW_ENTRY_DIR ||
                      (found.type == WCOW_ENTRY_REPARSE && found.attributes & WCOW_ATTR_DIRECTORY));
    return WCOW_OK;
}

int wcow_copy_dest_check(const struct wcow_copy_dest *dest, size_t n_sources,
                         struct wcow_error *err)
{
    if (n_sources < 2 || dest->is_dir)
        return WCOW_OK;
    bool is_dir = false;
    int r = exists_as_directory(dest, &is_dir, err);
    if (r < 0 || is_dir)
        return r;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "with more than one source the destination must be a directory and end with / "
                     "or \\: without it the %zu sources would overwrite each other",
                     n_sources);
}

int wcow_copy_dest_for(const struct wcow_copy_dest *dest, const char *name,
                       struct wcow_tree_node **ret_dir, const char **ret_name,
                       struct wcow_error *err)
{
    bool is_dir = dest->is_dir;
    int r = is_dir ? WCOW_OK : exists_as_directory(dest, &is_dir, err);
    if (r < 0)
        return r;
    if (is_dir) {
        *ret_name = name;
        return wcow_tree_dir(dest->tree, dest->path, ret_dir, err);
    }
    const char *slash = strrchr(dest->path, '/');
    if (!slash)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the destination %s is no file", dest->path);
    wcow_autofree char *parent = strndup(dest->path, (size_t)(slash - dest->path));
    if (!parent)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    *ret_name = slash + 1;
    return wcow_tree_dir(dest->tree, parent, ret_dir, err);
}
