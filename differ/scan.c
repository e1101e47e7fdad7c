#include "differ/scan.h"
int wcow_scan_index(int folder_fd, const struct wcow_layer_chain *below, struct wcow_error *err)
{
    (void)folder_fd;
    (void)below;
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "x");
}
int wcow_scan_tar(const struct wcow_scan_options *options, const struct wcow_sink *sink,
                  struct wcow_digest *ret_diff_id, uint64_t *ret_bytes, struct wcow_error *err)
{
    (void)options;
    (void)sink;
    (void)ret_diff_id;
    (void)ret_bytes;
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "x");
}
