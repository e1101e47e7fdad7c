#include "differ/scan.h"
int wcow_scan_index(int folder_fd, const struct wcow_layer_chain *below, struct wcow_error *err)
{
    (void)folder_fd;
    (void)below;
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "x");
}
