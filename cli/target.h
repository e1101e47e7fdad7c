/* SPDX-License-Identifier: Apache-2.0 */
/** @file target.h
 *  What the verbs that look inside are given: an image, a snapshot, a layer's folder or a layer's
 *  tar, as a chain of layers whose names, metadata and bytes can be asked for. One thread. */
#ifndef WCOW_CLI_TARGET_H
#define WCOW_CLI_TARGET_H

#include "base/stream.h"
#include "builder/backend.h"
#include "cli/layer_tar.h"
#include "cli/place.h"
#include "differ/chain.h"

struct wcow_target_options {
    struct wcow_place place;
    const char *snapshotter;
    const char *platform;
    struct wcow_option_list parents; /**< targets that lie below, nearest first */
};

/** To be filled in before the options are parsed. */
#define WCOW_TARGET_DEFAULTS                                                                       \
    {                                                                                              \
        .snapshotter = "wcow", .platform = "windows/amd64"                                         \
    }

#define WCOW_TARGET_PLATFORM(t)                                                                    \
    {                                                                                              \
        0, "platform", "PLATFORM", "Of an image (windows/amd64)", WCOW_OPTION_STRING,              \
            &(t)->platform                                                                         \
    }
#define WCOW_TARGET_SNAPSHOTTER(t)                                                                 \
    {                                                                                              \
        0, "snapshotter", "NAME", "wcowd's name in containerd (wcow)", WCOW_OPTION_STRING,         \
            &(t)->snapshotter                                                                      \
    }
#define WCOW_TARGET_PARENT(t)                                                                      \
    {                                                                                              \
        'p', "parent", "TARGET", "What lies below a tar or a folder; nearest first, if several",   \
            WCOW_OPTION_LIST, &(t)->parents                                                        \
    }
/** What a target may be: for the epilogue of a verb's help. */
#define WCOW_TARGET_HELP                                                                           \
    "TARGET is a layer's tar (plain, gzip or zstd; - for standard input), a layer's folder, an "   \
    "OCI\n"                                                                                        \
    "layout (a folder or a tar, with :TAG behind it where it has several images), a snapshot's "   \
    "key\n"                                                                                        \
    "or chain ID, or an image of containerd. What exists as a file wins."

enum wcow_target_kind {
    WCOW_TARGET_TAR,
    WCOW_TARGET_FOLDER,
    WCOW_TARGET_SNAPSHOT,
    WCOW_TARGET_IMAGE,
};

/** One layer: a tar with its list, or a folder of a chain. */
struct wcow_target_layer {
    char *name;    /**< for people: the file, the folder */
    char *diff_id; /**< of a tar, that its image's config gives; or NULL */
    struct wcow_layer_tar *tar;
    struct wcow_entry_list *list;
    struct wcow_layer_chain *chain; /**< borrowed from the part it belongs to */
    size_t at;                      /**< in chain */
};

/** Zero-initialise; release with wcow_target_done(). */
struct wcow_target {
    enum wcow_target_kind kind;
    struct wcow_target_layer *layers; /**< nearest first */
    struct wcow_layer_view *views;
    size_t n;
    size_t n_own;      /**< so many of them are the target itself, the others its --parent */
    bool is_to_bottom; /**< the last layer is the base: nothing is below it */
    struct wcow_layer_chain **chains; /**< that the layers borrow from */
    size_t n_chains;
    struct wcow_backend *backend; /**< keeps an image's snapshots */
};
void wcow_target_done(struct wcow_target *target);
#define wcow_autotarget WCOW_CLEANUP(wcow_target_done) struct wcow_target

/** @param text as the user gave it
 *  @return WCOW_OK; WCOW_E_NOT_FOUND says where it was looked for; the parts' errors */
WCOW_NODISCARD int wcow_target_open(const struct wcow_target_options *options, const char *text,
                                    struct wcow_target *ret, struct wcow_error *err);
/** Open, with options->parents below it. */
WCOW_NODISCARD int wcow_target_open_over(const struct wcow_target_options *options,
                                         const char *text, struct wcow_target *ret,
                                         struct wcow_error *err);

/** The layers from @p first on, as names are looked up in them; borrows. */
struct wcow_chain wcow_target_chain(const struct wcow_target *target, size_t first);

/** Each entry of one layer in its tar's order, streams too. */
WCOW_NODISCARD int wcow_target_each(const struct wcow_target *target, size_t layer,
                                    wcow_view_child_fn fn, void *arg, struct wcow_error *err);
/** Each stream of the file of @p key in one layer. */
WCOW_NODISCARD int wcow_target_streams(const struct wcow_target *target, size_t layer,
                                       const char *key, wcow_view_child_fn fn, void *arg,
                                       struct wcow_error *err);

/** @name Names as people write them */
/** @{ */
/** "C:\Windows", "/Windows", "Windows" and "Files/Windows" are all Files/Windows; Hives and
 * UtilityVM are themselves; "" and "/" are "" (all of the layer), "C:\" is Files. A trailing
 * separator goes.
 *  @param ret caller frees. WCOW_E_INVALID for another drive or "..". */
WCOW_NODISCARD int wcow_target_path(const char *text, char **ret, struct wcow_error *err);
/** @p text with what would upset a terminal or a list of lines escaped as \x1b, appended. */
WCOW_NODISCARD int wcow_target_escape(struct wcow_buf *out, const char *text,
                                      struct wcow_error *err);
/** @} */

/** @name Bytes */
/** @{ */
struct wcow_target_file;

/** The bytes of @p name in the layers from @p first on, hard links followed: "Files/a.txt", any
 *  casing, or "Files/a.txt:stream". Only one file of a target is read at a time.
 *  WCOW_E_NOT_FOUND, WCOW_E_INVALID (a directory or a link). */
WCOW_NODISCARD int wcow_target_file_open(const struct wcow_target *target, size_t first,
                                         const char *name, struct wcow_target_file **ret,
                                         struct wcow_error *err);
const struct wcow_entry *wcow_target_file_entry(const struct wcow_target_file *file);
struct wcow_source wcow_target_file_source(struct wcow_target_file *file);
void wcow_target_file_close(struct wcow_target_file *file);
WCOW_DEFINE_CLEANUP(struct wcow_target_file, wcow_target_file_close)
/** @} */

#endif
