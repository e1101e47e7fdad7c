/* SPDX-License-Identifier: Apache-2.0 */
/** @file build.h
 *  A build from beginning to end: Dockerfile and context in, image out. */
#ifndef WCOW_BUILDER_BUILD_H
#define WCOW_BUILDER_BUILD_H

#include <stdatomic.h>

#include "builder/instructions.h"
#include "builder/output.h"
#include "builder/progress.h"
#include "builder/run.h"
#include "image/strings.h"

/** The containerd lease that keeps the layers of the step cache. */
#define WCOW_BUILD_CACHE_LEASE "wcow-build-cache"

/** What `wcow build` was asked for; everything borrowed. NULL or zero: not given. */
struct wcow_build_options {
    const char *context_name; /**< what messages call it; NULL: as it is */
    const char *context;      /**< a folder, or what context_source.h takes: "-", a URL */
    int64_t context_time_s;   /**< what SOURCE_DATE_EPOCH=context stands for; 0: nothing */
    const char *dockerfile;   /**< path; "-" is standard input; NULL: <context>/Dockerfile */
    const char *target;
    const char *platform;            /**< one, or several between commas; NULL: windows/amd64 */
    struct wcow_str_list build_args; /**< "NAME=value", or "NAME" from the environment */
    struct wcow_str_list labels;     /**< "key=value" */
    struct wcow_str_list tags;       /**< references */
    struct wcow_str_list outputs;    /**< "type=image,…" */
    struct wcow_str_list annotations;
    struct wcow_str_list attests;         /**< "type=provenance,…" */
    struct wcow_str_list build_contexts;  /**< "name=folder", "name=docker-image://…" */
    struct wcow_str_list no_cache_filter; /**< stages that are made anew */
    bool no_cache;
    bool pull; /**< look for a newer base */
    bool push;
    bool plain_http;
    bool asks_bases;   /**< a check asks registries for the images that stages begin with */
    bool push_foreign; /**< push layers that their media type says are not to be distributed, too */
    const char *hosts_dir;
    const char *iidfile;
    const char *metadata_file;
    const char *address; /**< of containerd */
    const char *ns;
    const char *snapshotter;
    const char *cache_file;          /**< of the step cache; NULL: none */
    const char *executor;            /**< of RUN: "auto", "none", "wine", "runhcs"; NULL: auto */
    const char *executor_configured; /**< what auto stands for on this machine; NULL: none */
    const char *executor_root;       /**< wcowd's root folder, where executors are installed */
    unsigned run_timeout_s;          /**< of one RUN; 0: none */
    struct wcow_run_limits run_limits;
    enum wcow_run_network network; /**< of a RUN that names none */
    const char *run_hosts;         /**< lines for the hosts file of RUNs; NULL: none */
    enum wcow_run_isolation isolation;
    struct wcow_str_list cache_from; /**< "type=registry,ref=…", "type=local,src=…", references */
    struct wcow_str_list cache_to;   /**< likewise with dest=…, mode=…; "type=inline" */
    struct wcow_str_list secrets;    /**< for RUN's mounts, as builder/secrets.h has them */
    unsigned max_parallelism;        /**< steps at work at once; 0: by the processors */
    struct wcow_progress *progress;
    const atomic_bool *cancel;
};

/** What came of it. */
struct wcow_build_result {
    struct wcow_digest image; /**< of the manifest, or of the index */
    bool uses_stdout;         /**< an output went there */
    struct wcow_buf warnings; /**< of the checks, for the user; empty: none. wcow_buf_done() */
};

/** Build. On failure the excerpt of the Dockerfile that the error is about is appended to
 *  @p ret_excerpt (where a line is known). Nothing is left in containerd but what the image and the
 *  step cache need. */
WCOW_NODISCARD int wcow_build_run(const struct wcow_build_options *options,
                                  struct wcow_build_result *ret, struct wcow_buf *ret_excerpt,
                                  struct wcow_error *err);

/** What --check and --call do instead of building: "check", "ast", "outline", "targets"; with
 *  ",format=json" where JSON is wanted. The text is appended to @p out.
 *  WCOW_E_PRECONDITION: the checks found something, and the Dockerfile says that this is an error.
 */
WCOW_NODISCARD int wcow_build_call(const struct wcow_build_options *options, const char *call,
                                   struct wcow_buf *out, struct wcow_buf *ret_excerpt,
                                   struct wcow_error *err);

#endif
