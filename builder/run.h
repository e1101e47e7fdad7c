/* SPDX-License-Identifier: Apache-2.0 */
/** @file run.h
 *  What executes RUN: starts a Windows program on a stage's layers. docs/run.md describes each kind
 *  to its users. */
#ifndef WCOW_BUILDER_RUN_H
#define WCOW_BUILDER_RUN_H

#include "builder/backend.h"
#include "builder/instructions.h"
#include "containerd/snapshots.h"
#include "differ/chain.h"

/** Something shown to the command besides its layers. Borrowed. */
struct wcow_run_volume {
    const char *source; /**< on this host, absolute; NULL: memory that is gone afterwards */
    const char *target; /**< as the layer would call it, "Files/src" */
    bool is_file;
    bool read_only;
    int64_t size_bytes; /**< of memory; 0: the executor's limit */
};

/** What one RUN may use. 0: WCOW_RUN_… below. */
struct wcow_run_limits {
    int64_t memory_bytes;     /**< 0: three quarters of the host's */
    int64_t all_memory_bytes; /**< of all RUNs at once; 0: likewise, or one's if that is more */
    int64_t disk_bytes;       /**< of what it writes */
    unsigned processes;       /**< and threads */
};
/** As much as Windows gives a container by default. */
#define WCOW_RUN_DISK_BYTES (INT64_C(20) << 30)
enum { WCOW_RUN_PROCESSES = 1024 };

/** How Windows keeps containers apart. Under Wine there is the default alone. */
enum wcow_run_isolation {
    WCOW_ISOLATION_DEFAULT, /**< process */
    WCOW_ISOLATION_PROCESS,
    WCOW_ISOLATION_HYPERV,
};
/** "default", "process", "hyperv" in any letter case; NULL or "": default. WCOW_E_INVALID */
WCOW_NODISCARD int wcow_run_isolation_parse(const char *text, enum wcow_run_isolation *ret,
                                            struct wcow_error *err);

/** Append what "NAME=ADDRESS" or "NAME:ADDRESS" is in a hosts file. WCOW_E_INVALID */
WCOW_NODISCARD int wcow_run_host_add(const char *text, struct wcow_buf *lines,
                                     struct wcow_error *err);

/** One RUN. Borrowed. */
struct wcow_execution {
    const char *command_line; /**< as CreateProcess takes it */
    const char *script;       /**< NULL; else a batch file: its path goes behind command_line */
    const char *workdir;      /**< "C:\app" */
    const char *const *env;   /**< "NAME=value", ended by NULL */
    const char *user;         /**< NULL: ContainerAdministrator */
    enum wcow_run_network network;
    const char *hosts; /**< lines for its hosts file; NULL: none */
    const struct wcow_run_volume *volumes;
    size_t n_volumes;
    const struct wcow_mounts *rootfs;     /**< of the active snapshot, as the snapshotter gave it */
    const char *folder;                   /**< of the active snapshot */
    const struct wcow_layer_chain *below; /**< its parents, nearest first */
    const char *base;                     /**< chain ID of the image that the stage began with */
    const char *os_version;               /**< "10.0.20348.2340" or "" */
    enum wcow_run_isolation isolation;
    unsigned timeout_s; /**< 0: none */
    struct wcow_run_limits limits;
    unsigned step; /**< output goes to this step of the progress */
};

struct wcow_executor {
    const char *name;
    char *version; /**< of what executes: part of a step's key in the cache, and in the history */
    /** Runs it to its end; what it changed is then in the snapshot's folder, and nothing else is.
     *  @param ret_exit_code of the command, set where it ran
     *  @return WCOW_E_CANCELLED, WCOW_E_DEADLINE (timeout), WCOW_E_LIMIT (disk), WCOW_E_UNSUPPORTED
     *          (what the command left cannot be in a layer; named) */
    int (*run)(struct wcow_executor *executor, const struct wcow_execution *execution,
               uint32_t *ret_exit_code, struct wcow_error *err);
    struct wcow_backend *backend;
    char *folder; /**< of Wine's template */
};

struct wcow_executor_options {
    const char *name;       /**< "auto", "none", "wine", "runhcs"; NULL: auto */
    const char *configured; /**< what auto stands for on this machine; NULL: none */
    const char *root;       /**< wcowd's root folder, where executors are installed */
    enum wcow_run_isolation isolation;
};

/** WCOW_E_UNSUPPORTED: there is none, or not on this machine, and how to get one.
 *  WCOW_E_INVALID: no such name. */
WCOW_NODISCARD int wcow_executor_new(const struct wcow_executor_options *options,
                                     struct wcow_backend *backend, struct wcow_executor **ret,
                                     struct wcow_error *err);
void wcow_executor_free(struct wcow_executor *executor);
WCOW_DEFINE_CLEANUP(struct wcow_executor, wcow_executor_free)

/** Whether @p name is one that wcow_executor_new() knows; said in @p err where it is not. */
WCOW_NODISCARD int wcow_executor_check_name(const char *name, struct wcow_error *err);

/** run_wine.c: fills what a new executor needs. WCOW_E_UNSUPPORTED where it is not installed. */
WCOW_NODISCARD int wcow_executor_init_wine(struct wcow_executor *executor, const char *root,
                                           struct wcow_error *err);

#endif
