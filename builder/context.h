/* SPDX-License-Identifier: Apache-2.0 */
/** @file context.h
 *  The build context: a folder, less what .dockerignore leaves out. No link in it leads out: links
 *  in a source's path are followed as if the context were the root of the file system, links
 *  inside a directory that is copied are not followed at all. Once its ignore file is loaded,
 *  threads may share it. */
#ifndef WCOW_BUILDER_CONTEXT_H
#define WCOW_BUILDER_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "builder/ignore.h"
#include "builder/payload.h"
#include "image/strings.h"

struct wcow_build_cache;
struct wcow_context;
struct wcow_context_dir;
struct wcow_file_stamp;
struct wcow_paged;

struct wcow_context_options {
    const char *path;               /**< of the folder */
    const char *name;               /**< what messages call it; NULL: "the build context PATH" */
    struct wcow_build_cache *cache; /**< remembers digests of files; borrowed; NULL: none */
    const atomic_bool *cancel;      /**< borrowed; may be NULL */
};

/** WCOW_E_NOT_FOUND, WCOW_E_INVALID for what is no folder. */
WCOW_NODISCARD int wcow_context_open(const struct wcow_context_options *options,
                                     struct wcow_context **ret, struct wcow_error *err);
void wcow_context_free(struct wcow_context *c);
WCOW_DEFINE_CLEANUP(struct wcow_context, wcow_context_free)

/** Read the ignore file: <dockerfile>.dockerignore beside the Dockerfile, else .dockerignore in the
 *  context; neither is fine. @p dockerfile may be NULL. */
WCOW_NODISCARD int wcow_context_load_ignore(struct wcow_context *c, const char *dockerfile,
                                            struct wcow_error *err);
/** What it says; NULL where there is none. */
const struct wcow_ignore *wcow_context_ignore(const struct wcow_context *c);

/** A file, directory or link of the context. */
struct wcow_context_item {
    char *path; /**< from the context's root, '/' between, "" for the root; no link in it */
    struct stat st;
};
void wcow_context_item_done(struct wcow_context_item *item);

/** What @p source ("src/app", "/src", "..": cleaned, never above the root) is, links followed.
 *  WCOW_E_NOT_FOUND, with what may have been meant, or that an ignore file leaves it out. */
WCOW_NODISCARD int wcow_context_find(struct wcow_context *c, const char *source,
                                     struct wcow_context_item *ret, struct wcow_error *err);
/** The paths that a pattern of COPY matches, sorted; none is no error here. */
WCOW_NODISCARD int wcow_context_glob(struct wcow_context *c, const char *pattern,
                                     struct wcow_str_list *ret, struct wcow_error *err);
/** The same with `**` for any number of directories, as COPY --parents has it. What lies in a
 *  directory that matches is not named again. */
WCOW_NODISCARD int wcow_context_glob_deep(struct wcow_context *c, const char *pattern,
                                          struct wcow_str_list *ret, struct wcow_error *err);

/** Each thing below directory @p dir that is not ignored: parents first, names in byte order.
 *  @p below is its path from @p dir on. Return < 0 to stop. Sockets are passed over. */
typedef int (*wcow_context_fn)(void *arg, const struct wcow_context_item *item, const char *below,
                               struct wcow_error *err);
WCOW_NODISCARD int wcow_context_walk(struct wcow_context *c, const char *dir,
                                     const struct wcow_ignore *exclude, wcow_context_fn fn,
                                     void *arg, struct wcow_error *err);

/** Where a link leads: its text (caller frees) and whether that is a directory in the context. */
WCOW_NODISCARD int wcow_context_link(struct wcow_context *c, const struct wcow_context_item *link,
                                     char **ret_target, bool *ret_is_dir, struct wcow_error *err);
/** Files that are taken from a context, by one thread. Zero-initialise but for the first two. */
struct wcow_context_files {
    struct wcow_context *context;
    struct wcow_paged *room; /**< of what is kept of each, as long as its payload is used */
    const struct wcow_context_dir *last_dir;
};
/** The bytes of a file; it must still be as @p item says when they are read. */
WCOW_NODISCARD int wcow_context_payload(struct wcow_context_files *files,
                                        const struct wcow_context_item *item,
                                        struct wcow_payload *ret, struct wcow_error *err);
/** What stat said of the file whose bytes these are, where the cache is to remember its digest by
 *  that; false for other bytes. */
bool wcow_context_payload_stamp(const struct wcow_payload *payload, struct wcow_file_stamp *ret);

/** What a source's path means, from the context's root: '\' separates as '/' does (before a glob
 *  character it escapes), cleaned, without a slash at either end; "" is the root. */
WCOW_NODISCARD int wcow_context_clean(const char *source, char **ret, struct wcow_error *err);

#endif
