/* SPDX-License-Identifier: Apache-2.0 */
/** @file tree.h
 *  What stands in the layers that mklayer writes: a small Windows base and an update of it. */
#ifndef WCOW_TESTS_TOOLS_TREE_H
#define WCOW_TESTS_TOOLS_TREE_H

#include "base/bytes.h"
#include "layer/entry.h"

/** Whose descriptor an item has. */
enum tree_sd {
    SD_NONE,    /**< no rawsd record */
    SD_SYSTEM,  /**< TrustedInstaller's files below Windows */
    SD_INHERIT, /**< a plain, inherited one */
    SD_ROOT,    /**< C:\ */
    SD_USERS,   /**< a user's own profile */
    SD_DENY,    /**< a compatibility junction: everyone may not list it */
};

/** What a file holds. */
enum tree_data {
    DATA_TEXT,    /**< item->text as it is */
    DATA_PROGRAM, /**< item->size_bytes of something like a program, made from the name */
    DATA_HIVE,    /**< the hive that item->text names: SYSTEM, SOFTWARE, ... or "empty" */
};

struct tree_item {
    enum wcow_entry_type type;
    const char *path;
    uint32_t attributes;
    enum tree_sd sd;
    enum tree_data data;
    const char *text; /**< content; of a link its target */
    uint32_t size_bytes;
    bool junction;
    bool catalog_hint; /**< has the EAs that signed programs have */
};

/** The base layer and an update of it; terminated by a path of NULL. */
extern const struct tree_item tree_base[];
extern const struct tree_item tree_update[];

/** The hive that @p name means, appended. */
WCOW_NODISCARD int tree_hive(const char *name, struct wcow_buf *out, struct wcow_error *err);
/** SDDL of @p sd for a directory or a file; NULL for SD_NONE. */
const char *tree_sddl(enum tree_sd sd, bool is_dir);

#endif
