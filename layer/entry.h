/* SPDX-License-Identifier: Apache-2.0 */
/** @file entry.h
 *  One entry of a Windows layer, as the tar dialect, the layer index and the builder share it.
 *  Source of the dialect: OCI image-spec layer.md and go-winio's backuptar, see
 * docs/layer-format.md. */
#ifndef WCOW_LAYER_ENTRY_H
#define WCOW_LAYER_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum wcow_entry_type {
    WCOW_ENTRY_FILE = 1,
    WCOW_ENTRY_DIR = 2,
    WCOW_ENTRY_REPARSE = 3,  /**< symbolic link or mount point (junction): typeflag 2 */
    WCOW_ENTRY_HARDLINK = 4, /**< another name of a file: typeflag 1 */
    WCOW_ENTRY_STREAM = 5, /**< alternate data stream: named "file:stream", right after its file */
    WCOW_ENTRY_WHITEOUT = 6, /**< ".wh.NAME": NAME of the parents is gone */
    WCOW_ENTRY_OPAQUE =
        7, /**< ".wh..wh..opq": all that the parents have in this directory is gone */
};

/* Windows file attributes, [MS-FSCC] 2.6. */
enum {
    WCOW_ATTR_READONLY = 0x1,
    WCOW_ATTR_HIDDEN = 0x2,
    WCOW_ATTR_SYSTEM = 0x4,
    WCOW_ATTR_DIRECTORY = 0x10,
    WCOW_ATTR_ARCHIVE = 0x20,
    WCOW_ATTR_NORMAL = 0x80,
    WCOW_ATTR_SPARSE = 0x200,
    WCOW_ATTR_REPARSE = 0x400,
    WCOW_ATTR_COMPRESSED = 0x800,
    WCOW_ATTR_NOT_INDEXED = 0x2000,
};

/* Which records stood in (or go into) the header. */
enum {
    WCOW_HAS_FILEATTR = 1 << 0,
    WCOW_HAS_RAWSD = 1 << 1, /**< MSWINDOWS.rawsd */
    WCOW_HAS_SDDL = 1 << 2,  /**< MSWINDOWS.sd, legacy, read only; sd then holds it converted */
    WCOW_HAS_MOUNTPOINT = 1 << 3, /**< MSWINDOWS.mountpoint: a junction, not a symbolic link */
    WCOW_HAS_CREATION = 1 << 4,   /**< LIBARCHIVE.creationtime */
    WCOW_HAS_ATIME = 1 << 5,
    WCOW_HAS_CTIME = 1 << 6,
    WCOW_HAS_SPARSE = 1 << 8, /**< the tar stores the file in pieces (GNU's sparse files) */
    WCOW_HAS_BARE_LINK =
        1 << 7, /**< a hard link's target came without its "Files/"; `link` has it */
};

/** Extended attribute. The name is ASCII as in the record's key. */
struct wcow_ea {
    char *name;
    uint8_t *value;
    size_t len_bytes;
};

/** Owned: release with wcow_entry_done(). Times are FILETIME: 100 ns since 1601-01-01 UTC. A time
 *  whose record is missing holds what it stands for: creation, access and change are then mtime. */
struct wcow_entry {
    enum wcow_entry_type type;
    char *name;          /**< as in the tar: "Files/Windows/notepad.exe", "Files/.wh.gone.txt",
                              "Files/a.txt:Zone.Identifier"; no trailing slash; UTF-8 or WTF-8 */
    char *link;          /**< hard link: the first name, "Files/..."; reparse: the target as written
                              (PrintName, backslashes kept); else NULL */
    uint64_t size_bytes; /**< of file and stream */
    uint32_t attributes; /**< WCOW_ATTR_*; directories default to 0x10, all else to 0 */
    uint32_t has;        /**< WCOW_HAS_* */
    uint64_t mtime;
    uint64_t atime;
    uint64_t ctime;
    uint64_t creation;
    uint8_t *sd; /**< self-relative security descriptor, or NULL */
    size_t sd_len_bytes;
    struct wcow_ea *eas;
    size_t n_eas;
};

void wcow_entry_done(struct wcow_entry *entry);
/** A directory of which only the content stands in a layer, as unpacking makes it.
 *  @param name borrowed
 *  @param time a FILETIME, of the first entry that needs the directory */
struct wcow_entry wcow_entry_implied_dir(char *name, uint64_t time);
/** Deep copy into a zeroed @p ret. */
WCOW_NODISCARD int wcow_entry_copy(const struct wcow_entry *from, struct wcow_entry *ret,
                                   struct wcow_error *err);
WCOW_NODISCARD int wcow_entry_set_sd(struct wcow_entry *entry, const void *sd, size_t len,
                                     struct wcow_error *err);
/** Add an extended attribute, or give the one of this name another value. */
WCOW_NODISCARD int wcow_entry_add_ea(struct wcow_entry *entry, const char *name, const void *value,
                                     size_t len, struct wcow_error *err);
/** The same where none is known to have this name: many are added without a look at each other. */
WCOW_NODISCARD int wcow_entry_append_ea(struct wcow_entry *entry, const char *name,
                                        const void *value, size_t len, struct wcow_error *err);

#define wcow_autoentry WCOW_CLEANUP(wcow_entry_done) struct wcow_entry

#endif
