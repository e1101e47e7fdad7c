/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_run.h
 *  One program under Wine in a container: its folder of files, the container, what came of it. */
#ifndef WCOW_BUILDER_WINE_RUN_H
#define WCOW_BUILDER_WINE_RUN_H

#include "builder/run.h"
#include "builder/run_folder.h"
#include "builder/wine_spec.h"
#include "builder/wine_template.h"

/** The folder of one run, <template>/runs/<name>: prefix/ and w/ as the container sees them. It
 *  belongs to this process, see wine_abandoned.h. */
struct wcow_wine_run {
    const struct wcow_wine_template *template;
    struct wcow_backend *backend;
    char *name;
    char *folder;
    int fd;
    struct wcow_run_folder secrets; /**< the environment, which may hold some */
};
/** Removes the folders. */
void wcow_wine_run_done(struct wcow_wine_run *run);
/** Make the folder with an empty prefix whose C: is /wine/c and W: /wine/w. */
WCOW_NODISCARD int wcow_wine_run_init(const struct wcow_wine_template *t, struct wcow_backend *b,
                                      struct wcow_wine_run *ret, struct wcow_error *err);

/** A file of the run's folder: "prefix/user.reg". */
WCOW_NODISCARD int wcow_wine_run_write(const struct wcow_wine_run *run, const char *name,
                                       const void *data, size_t len, struct wcow_error *err);
/** No link is followed; WCOW_E_LIMIT over @p max_bytes. */
WCOW_NODISCARD int wcow_wine_run_read(const struct wcow_wine_run *run, const char *name,
                                      size_t max_bytes, struct wcow_buf *out,
                                      struct wcow_error *err);

/** What is to be run: a Windows command line by way of the launcher, or wineboot. */
struct wcow_wine_program {
    const char *command_line; /**< NULL: Wine itself with wine_args */
    const char *const *wine_args;
    const char *script; /**< a batch file that it is to run; or NULL */
    const char *workdir;
    const char *const *env;
    const char *user;
    const char *overrides;
    const char *lower; /**< NULL: no C: drive but the prefix's own */
    const char *upper;
    const char *work;
    const struct wcow_wine_bind *binds; /**< besides those that every run has */
    size_t n_binds;
    enum wcow_run_network network;
    const char *hosts; /**< lines for /etc/hosts besides this machine's; or NULL */
    unsigned timeout_s;
    struct wcow_run_limits limits;
    unsigned step;
    struct wcow_buf *capture; /**< takes the output; or NULL: the progress does */
};
extern const char wcow_wine_overrides[];

/** @param ret_exit_code of the Windows program. WCOW_E_IO where Wine did not start it. */
WCOW_NODISCARD int wcow_wine_run_program(struct wcow_wine_run *run,
                                         const struct wcow_wine_program *program,
                                         uint32_t *ret_exit_code, struct wcow_error *err);

#endif
