/* SPDX-License-Identifier: Apache-2.0 */
/* COPY --link: a layer that lies on nothing, and so serves on any base. Directories on its way
 * stand in it as new ones. Windows' own must keep their descriptors: what goes into one of them is
 * copied with a look at the base, --link or not. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/build_internal.h"
#include "builder/winpath.h"
#include "layer/names.h"

/* In C:\ of the base images. */
static const char *const own_names[] = {"Windows",
                                        "Program Files",
                                        "Program Files (x86)",
                                        "ProgramData",
                                        "Users",
                                        "Documents and Settings",
                                        "System Volume Information",
                                        "$Recycle.Bin",
                                        "inetpub",
                                        "Recovery",
                                        "Boot"};
enum { N_OWN_NAMES = sizeof(own_names) / sizeof(own_names[0]) };

enum place { WINDOWS_OWN, FREE, DEPENDS /* C:\ itself: the sources' names decide */ };

static int place_of(const struct wcow_layer_step *of, enum place *ret, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    bool is_dir = false;
    int r = wcow_winpath_to_layer(of->workdir, of->ins.copy.dest, &path, &is_dir, err);
    if (r < 0)
        return r;
    const char *name = strchr(path, '/');
    *ret = name ? FREE : DEPENDS;
    size_t len = name ? strcspn(++name, "/") : 0;
    for (size_t i = 0; name && i < N_OWN_NAMES; i++) {
        if (strlen(own_names[i]) == len && strncasecmp(own_names[i], name, len) == 0)
            *ret = WINDOWS_OWN;
    }
    return WCOW_OK;
}

/* 1 where the tree has something in a directory of Windows' own. */
static int touches_windows(const struct wcow_tree *tree, struct wcow_error *err)
{
    for (size_t i = 0; i < N_OWN_NAMES; i++) {
        wcow_autobuf path = {0};
        wcow_autofree char *key = NULL;
        int r = wcow_buf_addf(&path, err, "Files/%s", own_names[i]);
        if (r == WCOW_OK)
            r = wcow_name_key((const char *)path.data, &key, err);
        if (r < 0)
            return r;
        if (wcow_tree_find(tree, key))
            return 1;
    }
    return 0;
}

int wcow_build_is_free(const struct wcow_layer_step *of, const struct wcow_tree *files,
                       struct wcow_error *err)
{
    enum place place = WINDOWS_OWN;
    if (of->ins.kind == WCOW_INS_WORKDIR || !of->ins.copy.link)
        return 0;
    int r = place_of(of, &place, err);
    if (r < 0 || place != DEPENDS)
        return r < 0 ? r : place == FREE;
    if (!files || of->ins.kind != WCOW_INS_COPY || of->ins.copy.from)
        return 0;
    r = touches_windows(files, err);
    return r < 0 ? r : !r;
}

int wcow_build_free_tree(struct wcow_build *b, struct wcow_stage_state *s,
                         const struct wcow_layer_step *of, unsigned step, struct wcow_tree **ret,
                         struct wcow_error *err)
{
    static const struct wcow_chain nothing;
    enum place place = WINDOWS_OWN;
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    if (of->ins.kind == WCOW_INS_WORKDIR || !of->ins.copy.link)
        return 0;
    int r = place_of(of, &place, err);
    if (r < 0 || place == WINDOWS_OWN)
        return r;
    r = wcow_build_step_tree(b, s, of, &nothing, step, &tree, err);
    if (r == WCOW_OK)
        r = wcow_build_is_free(of, tree, err);
    if (r == 1)
        *ret = WCOW_TAKE_PTR(tree);
    return r;
}
