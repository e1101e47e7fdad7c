/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/compare.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "differ/chain.h"
#include "differ/export.h"
#include "differ/scan.h"

int wcow_compare(const struct wcow_compare_options *options, const struct wcow_sink *sink,
                 struct wcow_digest *ret_diff_id, uint64_t *ret_bytes, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = wcow_layer_folder_open(options->folder, &fd, err);
    if (r < 0)
        return r;
    struct stat st;
    if (fstatat(fd, "layer.db", &st, AT_SYMLINK_NOFOLLOW) == 0)
        return wcow_export_layer(fd, sink, options->cancel, ret_diff_id, ret_bytes, err);
    wcow_autochain below = {0};
    r = wcow_differ_open_chain(options->parents, options->n_parents, &below, err);
    if (r < 0)
        return r;
    struct wcow_scan_options scan = {.folder_fd = fd,
                                     .below = &below,
                                     .latest = options->latest,
                                     .owner = options->owner,
                                     .group = options->group,
                                     .cancel = options->cancel};
    return wcow_scan_tar(&scan, sink, ret_diff_id, ret_bytes, err);
}
