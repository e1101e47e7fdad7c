/* SPDX-License-Identifier: Apache-2.0 */
/** @file labels.h
 *  What keys and labels may be, and the labels that mean something to the snapshotter. */
#ifndef WCOW_SNAPSHOTTER_LABELS_H
#define WCOW_SNAPSHOTTER_LABELS_H

#include <stdbool.h>

#include "store/snapshots.h"

#define WCOW_LABEL_MOUNT_TYPE   "containerd.io/snapshot/wcow.mount-type"
#define WCOW_LABEL_SCRATCH_SIZE "containerd.io/snapshot/windows/rootfs.sizebytes"
#define WCOW_LABEL_SCRATCH_GB   "containerd.io/snapshot/io.microsoft.container.storage.rootfs.size-gb"
#define WCOW_LABEL_VM_SCRATCH   "containerd.io/snapshot/io.microsoft.vm.storage.scratch"

enum {
    WCOW_KEY_MAX_BYTES = 32768,      /**< a key of containerd's database */
    WCOW_LABEL_MAX_BYTES = 4096,     /**< key and value of one label, as containerd has it */
    WCOW_LABELS_MAX_BYTES = 1 << 20, /**< all labels of one snapshot */
};

/** @param what "key", "name", "parent": for the message. WCOW_E_INVALID: empty, too long, no UTF-8.
 */
WCOW_NODISCARD int wcow_key_check(const char *key, const char *what, struct wcow_error *err);
/** WCOW_E_INVALID names the limit. */
WCOW_NODISCARD int wcow_labels_check(const struct wcow_store_labels *labels,
                                     struct wcow_error *err);

/** What Prepare's or View's labels ask for. */
struct wcow_label_wishes {
    enum wcow_mount_type mount_type;
    uint64_t scratch_size_bytes; /**< 0: the base's */
    bool vm_scratch;
    bool uses_deprecated; /**< the size came in gigabytes, from the label of old */
};
/** @param fallback    the mount type without a label
 *  @param has_scratch false: a base or an extraction, where the labels about scratches mean nothing
 *                     and are not looked at, as by containerd's own Windows snapshotter
 *  @return WCOW_E_INVALID for a bad number or mount type */
WCOW_NODISCARD int wcow_labels_wishes(const struct wcow_store_labels *labels,
                                      enum wcow_mount_type fallback, bool has_scratch,
                                      struct wcow_label_wishes *ret, struct wcow_error *err);

/** Whether a layer is being unpacked here: the last part of the key begins with "extract-". */
bool wcow_key_is_extract(const char *key);

#endif
