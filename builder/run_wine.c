/* SPDX-License-Identifier: Apache-2.0 */
/* The executor "wine": RUN's command under Wine in a container of runc, the stage's layers below it
 * by overlayfs with Wine's own files on top, the snapshot's folder taking what it changes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "builder/run.h"
#include "builder/wine_abandoned.h"
#include "builder/wine_command.h"
#include "builder/wine_leftovers.h"
#include "builder/wine_registry.h"
#include "builder/wine_run.h"

enum { MAX_VOLUMES = 32 };

/* What one execution needs while it lasts. */
struct job {
    const struct wcow_execution *x;
    struct wcow_wine_template template;
    struct wcow_wine_run run;
    const char *user;
    char *cased;
    struct wcow_buf lower;
    char *upper;
    char *work;
    char *targets[MAX_VOLUMES];
    struct wcow_wine_bind binds[MAX_VOLUMES];
    size_t n_binds;
    struct wcow_str_list places; /* made for the command, not by it */
    int fd;                      /* of the snapshot's folder */
};

static void job_done(struct job *j)
{
    if (j->fd >= 0) {
        (void)!wcow_dir_tree_delete(j->fd, "work", NULL, NULL);
        (void)close(j->fd);
    }
    wcow_wine_run_done(&j->run);
    wcow_wine_template_done(&j->template);
    wcow_buf_done(&j->lower);
    wcow_str_list_done(&j->places);
    free(j->cased);
    free(j->upper);
    free(j->work);
    for (size_t i = 0; i < j->n_binds; i++)
        free(j->targets[i]);
}

/* Wine's files first, then the layers from the nearest to the base. */
static int make_lower(struct job *j, struct wcow_error *err)
{
    int r = wcow_buf_add_str(&j->lower, j->cased, err);
    for (size_t i = 0; r == WCOW_OK && i < j->x->below->n; i++) {
        const char *folder = j->x->below->folders[i];
        if (strpbrk(folder, ":,\\"))
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "overlayfs cannot mount %s: no ':', ',' or '\\' may stand in its path",
                             folder);
        if (faccessat(j->x->below->fds[i], "Files", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            r = wcow_buf_addf(&j->lower, err, ":%s/Files", folder);
    }
    return r;
}

static int make_upper(struct job *j, struct wcow_error *err)
{
    j->fd = open(j->x->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (j->fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", j->x->folder);
    if ((mkdirat(j->fd, "Files", 0755) < 0 && errno != EEXIST) ||
        (mkdirat(j->fd, "work", 0700) < 0 && errno != EEXIST))
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make a folder in %s", j->x->folder);
    if (asprintf(&j->upper, "%s/Files", j->x->folder) < 0 ||
        asprintf(&j->work, "%s/work", j->x->folder) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a run");
    return WCOW_OK;
}

/* Where a volume goes, in the container, with the names that the image has. */
static int make_binds(struct job *j, struct wcow_error *err)
{
    const struct wcow_chain chain = wcow_layer_chain_names(j->x->below);
    if (j->x->n_volumes > MAX_VOLUMES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d mounts at one RUN", MAX_VOLUMES);
    for (size_t i = 0; i < j->x->n_volumes; i++) {
        const struct wcow_run_volume *v = &j->x->volumes[i];
        wcow_autofree char *path = NULL;
        int r = wcow_wine_make_place(&chain, j->fd, v->target, !v->is_file, &path, err);
        if (r == WCOW_OK)
            r = wcow_str_list_add(&j->places, path, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "--mount at %s", v->target);
        if (asprintf(&j->targets[i], "/wine/c/%s", path + strlen("Files/")) < 0)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
        j->n_binds++;
        j->binds[i] = (struct wcow_wine_bind){.source = v->source,
                                              .target = j->targets[i],
                                              .read_only = v->read_only,
                                              .size_bytes = v->size_bytes};
    }
    return WCOW_OK;
}

/* TEMP is to be there; what stays empty of it goes again. */
static int make_profile(struct job *j, struct wcow_error *err)
{
    const struct wcow_chain chain = wcow_layer_chain_names(j->x->below);
    wcow_autobuf temp = {0};
    wcow_autofree char *path = NULL;
    int r = wcow_buf_addf(&temp, err, "Files/Users/%s/AppData/Local/Temp", j->user);
    if (r == WCOW_OK)
        r = wcow_wine_make_place(&chain, j->fd, (const char *)temp.data, true, &path, err);
    return r < 0 ? r : wcow_str_list_add(&j->places, path, err);
}

static int prepare(struct wcow_executor *e, struct job *j, struct wcow_error *err)
{
    const struct wcow_chain chain = wcow_layer_chain_names(j->x->below);
    int r = wcow_wine_template_load(e->folder, &j->template, err);
    if (r == WCOW_OK)
        r = wcow_wine_template_cased(&j->template, j->x->base, &chain, &j->cased, err);
    if (r == WCOW_OK)
        r = wcow_wine_run_init(&j->template, e->backend, &j->run, err);
    if (r == WCOW_OK)
        r = make_lower(j, err);
    if (r == WCOW_OK)
        r = make_upper(j, err);
    if (r == WCOW_OK)
        r = make_profile(j, err);
    return r < 0 ? r : make_binds(j, err);
}

static int check_user(const char *user, const char **ret, struct wcow_error *err)
{
    static const char *const known[] = {"ContainerAdministrator", "ContainerUser"};
    *ret = known[0];
    if (!user || !*user)
        return WCOW_OK;
    const char *name = strrchr(user, '\\');
    name = name ? name + 1 : user;
    for (size_t i = 0; i < 2; i++) {
        if (strcasecmp(name, known[i]) == 0) {
            *ret = known[i];
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "RUN as user \"%s\": under Wine there are ContainerAdministrator and "
                     "ContainerUser",
                     user);
}

static int execute(struct job *j, uint32_t *ret, struct wcow_error *err)
{
    const struct wcow_execution *x = j->x;
    const struct wcow_wine_program program = {.command_line = x->command_line,
                                              .script = x->script,
                                              .workdir = x->workdir,
                                              .env = x->env,
                                              .user = j->user,
                                              .overrides = wcow_wine_overrides,
                                              .lower = (const char *)j->lower.data,
                                              .upper = j->upper,
                                              .work = j->work,
                                              .binds = j->binds,
                                              .n_binds = j->n_binds,
                                              .network = x->network,
                                              .hosts = x->hosts,
                                              .timeout_s = x->timeout_s,
                                              .limits = x->limits,
                                              .step = x->step};
    WCOW_CLEANUP(wcow_wine_registry_done) struct wcow_wine_registry registry = {0};
    int r = wcow_wine_registry_begin(&j->run, x, j->user, &registry, err);
    if (r == WCOW_OK)
        r = wcow_wine_run_program(&j->run, &program, ret, err);
    if (r < 0 || *ret != 0)
        return r;
    const struct wcow_wine_leftovers leftovers = {
        .fd = j->fd, .below = x->below, .template_folder = j->cased, .places = &j->places};
    r = wcow_wine_filter(&leftovers, err);
    return r < 0 ? r : wcow_wine_registry_end(&registry, j->fd, err);
}

static int run(struct wcow_executor *e, const struct wcow_execution *x, uint32_t *ret_exit_code,
               struct wcow_error *err)
{
    WCOW_CLEANUP(job_done) struct job j = {.x = x, .run = {.fd = -1}, .fd = -1};
    int r = check_user(x->user, &j.user, err);
    if (r == WCOW_OK)
        r = wcow_wine_check_command(x->command_line, x->script, err);
    if (r == WCOW_OK && x->below->n == 0)
        r = WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                      "RUN in a stage FROM scratch: there is no Windows in it to run commands");
    if (r == WCOW_OK)
        r = prepare(e, &j, err);
    return r < 0 ? r : execute(&j, ret_exit_code, err);
}

int wcow_executor_init_wine(struct wcow_executor *executor, const char *root,
                            struct wcow_error *err)
{
    struct wcow_wine_template template = {0};
    if (asprintf(&executor->folder, "%s/executors/wine", root) < 0) {
        executor->folder = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an executor");
    }
    int r = wcow_wine_template_load(executor->folder, &template, err);
    if (r < 0)
        return r;
    executor->version = WCOW_TAKE_PTR(template.version);
    wcow_wine_template_done(&template);
    if (executor->backend)
        wcow_wine_sweep(executor->folder, executor->backend);
    executor->name = "wine";
    executor->run = run;
    return WCOW_OK;
}
