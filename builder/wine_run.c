/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "base/fd.h"
#include "base/owned_dir.h"
#include "builder/batch_file.h"
#include "builder/run_task.h"
#include "builder/wine_abandoned.h"
#include "builder/wine_messages.h"
#include "image/file.h"
#include "layer/utf16.h"

enum { MAX_BINDS = 64, EXIT_TEXT_MAX = 16, HOSTS_MAX_BYTES = 16 << 20 };

#define ENVIRONMENT "environment"

const char wcow_wine_overrides[] = "mscoree,mshtml,winemenubuilder.exe,services.exe,wineboot.exe=d";

/* ---- the folder ---- */

/* What can't be removed stays this process's, or another build would take this one for ended, and
 * its lease away. */
void wcow_wine_run_done(struct wcow_wine_run *run)
{
    if (run->fd >= 0 && run->name) {
        wcow_autoclose int runs = openat(run->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (runs >= 0 && wcow_dir_tree_delete(runs, run->name, NULL, NULL) == WCOW_OK)
            (void)close(run->fd);
    }
    wcow_run_folder_done(&run->secrets);
    free(run->name);
    free(run->folder);
    *run = (struct wcow_wine_run){.fd = -1};
}

static int make_dirs(int fd, struct wcow_error *err)
{
    static const char *const dirs[] = {"prefix", "prefix/dosdevices", "w"};
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        if (mkdirat(fd, dirs[i], 0700) < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make a folder for Wine");
    }
    if (symlinkat("/wine/c", fd, "prefix/dosdevices/c:") < 0 ||
        symlinkat("/wine/w", fd, "prefix/dosdevices/w:") < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make Wine's drives");
    return WCOW_OK;
}

static int make_folder(struct wcow_wine_run *run, struct wcow_error *err)
{
    wcow_autofree char *runs = NULL;
    if (asprintf(&runs, "%s/runs", run->template->folder) < 0) {
        runs = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a run");
    }
    wcow_autoclose int parent = open(runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", runs);
    int r = wcow_owned_dir_make(parent, run->name, &run->fd, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s", runs) : WCOW_OK;
}

int wcow_wine_run_init(const struct wcow_wine_template *t, struct wcow_backend *b,
                       struct wcow_wine_run *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_wine_run_done)
    struct wcow_wine_run run = {.template = t, .backend = b, .fd = -1};
    run.name = wcow_backend_name(b, "-wine");
    if (!run.name || asprintf(&run.folder, "%s/runs/%s", t->folder, run.name) < 0) {
        run.folder = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a run");
    }
    int r = make_folder(&run, err);
    if (r == WCOW_OK)
        r = make_dirs(run.fd, err);
    if (r == WCOW_OK)
        r = wcow_wine_note_owner(&run, err);
    if (r < 0)
        return r;
    *ret = run;
    run = (struct wcow_wine_run){.fd = -1};
    return WCOW_OK;
}

int wcow_wine_run_write(const struct wcow_wine_run *run, const char *name, const void *data,
                        size_t len, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = wcow_open_beneath(run->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd, err);
    return r < 0 ? r : wcow_fd_write(fd, data, len, name, err);
}

int wcow_wine_run_read(const struct wcow_wine_run *run, const char *name, size_t max_bytes,
                       struct wcow_buf *out, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    struct stat st;
    int r = wcow_open_beneath(run->fd, name, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s is no file any more", name);
    if (st.st_size < 0 || (size_t)st.st_size > max_bytes)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "%s has %lld bytes, the limit is %zu", name,
                         (long long)st.st_size, max_bytes);
    uint8_t *room = NULL;
    r = wcow_buf_reserve(out, (size_t)st.st_size + 1, &room, err);
    for (ssize_t n = 1; r == WCOW_OK && n > 0;) {
        size_t left = (size_t)st.st_size - (size_t)(room - (out->data + out->len));
        n = left ? read(fd, room, left) : 0;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s", name);
        room += n;
    }
    if (r == WCOW_OK) {
        out->len = (size_t)(room - out->data);
        out->data[out->len] = '\0';
    }
    return r;
}

/* ---- what the launcher reads ---- */

static int write_utf16(const struct wcow_wine_run *run, const char *name, const char *text,
                       struct wcow_error *err)
{
    wcow_autobuf bytes = {0};
    int r = wcow_utf16_add(&bytes, text, err);
    return r < 0 ? r
                 : wcow_wine_run_write(run, name, bytes.data ? (const char *)bytes.data : "",
                                       bytes.len, err);
}

/* Not in the run's own folder, which is on disk: secrets may be in it. */
static int write_environment(struct wcow_wine_run *run, const char *const *env,
                             struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autobuf bytes = {0};
    int r = WCOW_OK;
    for (; r == WCOW_OK && env && *env; env++) {
        r = wcow_utf16_add(&bytes, *env, err);
        if (r == WCOW_OK)
            r = wcow_buf_add(&bytes, "\0", 2, err);
    }
    if (r == WCOW_OK)
        r = wcow_run_folder_make(&run->secrets, WCOW_RUN_FOLDER_MEMORY, run->backend, err);
    return r < 0 ? r
                 : wcow_run_folder_write(&run->secrets, ENVIRONMENT,
                                         bytes.data ? (const char *)bytes.data : "", bytes.len,
                                         &path, err);
}

static int write_passwd(const struct wcow_wine_run *run, const char *user, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "%s:x:0:0::/wine/prefix:/bin/sh\n", user);
    return r < 0 ? r : wcow_wine_run_write(run, "passwd", text.data, text.len, err);
}

#define HOSTS_FILE "/etc/hosts"

/* Those of this machine first, where the command sees its network. */
static int write_hosts(const struct wcow_wine_run *run, const struct wcow_wine_program *p,
                       struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = WCOW_OK;
    if (!p->hosts)
        return WCOW_OK;
    if (p->network != WCOW_NET_NONE && access(HOSTS_FILE, R_OK) == 0)
        r = wcow_file_read(HOSTS_FILE, HOSTS_MAX_BYTES, &text, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&text, err, "\n%s", p->hosts);
    return r < 0 ? r : wcow_wine_run_write(run, "hosts", text.data, text.len, err);
}

static int write_script(const struct wcow_wine_run *run, const char *script, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_batch_file_write(script, &text, err);
    return r < 0 ? r : wcow_wine_run_write(run, "w/run.cmd", text.data, text.len, err);
}

static int write_command(const struct wcow_wine_run *run, const struct wcow_wine_program *p,
                         struct wcow_error *err)
{
    wcow_autobuf line = {0};
    int r = p->script ? write_script(run, p->script, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_buf_addf(&line, err, "%s%s", p->command_line, p->script ? " W:\\run.cmd" : "");
    return r < 0 ? r : write_utf16(run, "w/command", (const char *)line.data, err);
}

static int write_files(struct wcow_wine_run *run, const struct wcow_wine_program *p,
                       struct wcow_error *err)
{
    int r = write_passwd(run, p->user, err);
    if (r == WCOW_OK)
        r = write_hosts(run, p, err);
    if (r < 0 || !p->command_line)
        return r;
    r = write_command(run, p, err);
    if (r == WCOW_OK)
        r = write_utf16(run, "w/directory", p->workdir, err);
    return r < 0 ? r : write_environment(run, p->env, err);
}

/* ---- the container ---- */

struct paths {
    char *root;
    char *bin;
    char *launcher;
    char *prefix;
    char *w;
    char *passwd;
    char *hosts;
    char *environment;
    const char *args[8];
    struct wcow_wine_bind binds[MAX_BINDS];
    size_t n_binds;
};

static void paths_done(struct paths *p)
{
    free(p->root);
    free(p->bin);
    free(p->launcher);
    free(p->prefix);
    free(p->w);
    free(p->passwd);
    free(p->hosts);
    free(p->environment);
}

static void add_bind(struct paths *p, const char *source, const char *target, bool read_only)
{
    p->binds[p->n_binds++] =
        (struct wcow_wine_bind){.source = source, .target = target, .read_only = read_only};
}

static void add_network_files(bool has_network, struct paths *p)
{
    static const char *const files[] = {HOSTS_FILE, "/etc/resolv.conf",
                                        "/etc/ssl/certs/ca-certificates.crt"};
    if (p->hosts)
        add_bind(p, p->hosts, HOSTS_FILE, true);
    for (size_t i = p->hosts ? 1 : 0; i < sizeof(files) / sizeof(files[0]) && has_network; i++) {
        if (access(files[i], R_OK) == 0)
            add_bind(p, files[i], files[i], true);
    }
}

static int fill_paths(const struct wcow_wine_run *run, const struct wcow_wine_program *program,
                      struct paths *p, struct wcow_error *err)
{
    const char *folder = run->template->folder;
    if (asprintf(&p->root, "%s/root", folder) < 0 || asprintf(&p->bin, "%s/bin", folder) < 0 ||
        asprintf(&p->launcher, "%s/bin/wcow-launch.exe", folder) < 0 ||
        asprintf(&p->prefix, "%s/prefix", run->folder) < 0 ||
        asprintf(&p->w, "%s/w", run->folder) < 0 ||
        asprintf(&p->passwd, "%s/passwd", run->folder) < 0 ||
        (program->hosts && asprintf(&p->hosts, "%s/hosts", run->folder) < 0) ||
        (run->secrets.path && asprintf(&p->environment, "%s/" ENVIRONMENT, run->secrets.path) < 0))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a run");
    if (program->n_binds > MAX_BINDS - 8)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d mounts", MAX_BINDS - 8);
    add_bind(p, p->prefix, "/wine/prefix", false);
    add_bind(p, p->w, "/wine/w", false);
    add_bind(p, p->bin, "/wine/bin", true);
    add_bind(p, p->launcher, "/wine/w/launch.exe", true);
    add_bind(p, p->passwd, "/etc/passwd", true);
    if (p->environment)
        add_bind(p, p->environment, "/wine/w/" ENVIRONMENT, true);
    add_network_files(program->network != WCOW_NET_NONE, p);
    for (size_t i = 0; i < program->n_binds; i++)
        p->binds[p->n_binds++] = program->binds[i];
    return WCOW_OK;
}

static void fill_args(const struct wcow_wine_run *run, const struct wcow_wine_program *program,
                      struct paths *p)
{
    size_t n = 0;
    p->args[n++] = "/wine/bin/wcow-wine-init";
    p->args[n++] = run->template->wineserver;
    p->args[n++] = run->template->wine;
    if (program->command_line)
        p->args[n++] = "W:\\launch.exe";
    for (const char *const *arg = program->wine_args; arg && *arg && n < 7; arg++)
        p->args[n++] = *arg;
    p->args[n] = NULL;
}

static int run_container(const struct wcow_wine_run *run, const struct wcow_wine_program *program,
                         struct paths *paths, struct wcow_buf *link, uint32_t *ret,
                         struct wcow_error *err)
{
    wcow_autobuf json = {0};
    WCOW_CLEANUP(wcow_run_cgroup_done) struct wcow_run_cgroup cgroup = {0};
    int r =
        wcow_run_cgroup_prepare(&program->limits, run->template->folder, run->name, &cgroup, err);
    if (r < 0)
        return r;
    const struct wcow_wine_spec spec = {.root = paths->root,
                                        .usr = run->template->usr,
                                        .args = paths->args,
                                        .overrides = program->overrides,
                                        .lower = program->lower,
                                        .upper = program->upper,
                                        .work = program->work,
                                        .binds = paths->binds,
                                        .n_binds = paths->n_binds,
                                        .network = program->network,
                                        .cgroup = (const char *)cgroup.path.data,
                                        .memory_bytes = cgroup.memory_bytes,
                                        .max_processes = cgroup.processes};
    r = wcow_wine_spec_write(&spec, &json, err);
    if (r < 0)
        return r;
    const struct wcow_run_task task = {
        .id = run->name,
        .runtime = "io.containerd.runc.v2",
        .spec_json = (const char *)json.data,
        .folder = run->folder,
        .disk = program->upper ? program->upper : run->folder,
        .disk_bytes = program->limits.disk_bytes ? program->limits.disk_bytes : WCOW_RUN_DISK_BYTES,
        .cgroup = &cgroup,
        .timeout_s = program->timeout_s,
        .step = program->step,
        .capture = program->capture,
        .take_line = wcow_wine_message_take,
        .take_line_arg = link};
    return wcow_run_task(run->backend, &task, ret, err);
}

static int read_exit_code(const struct wcow_wine_run *run, uint32_t status, uint32_t *ret,
                          struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_wine_run_read(run, "w/exit", EXIT_TEXT_MAX, &text, NULL);
    char *end = NULL;
    unsigned long code = r < 0 ? 0 : strtoul((const char *)text.data, &end, 10);
    if (r < 0 || text.len == 0 || *end)
        return WCOW_FAIL(
            err, WCOW_E_IO,
            "Wine %s could not start the command, or was ended with it (status %u): too "
            "little memory? Its template may be damaged: run `wcow executor install "
            "wine` again",
            run->template->version, status);
    *ret = (uint32_t)code;
    return WCOW_OK;
}

int wcow_wine_run_program(struct wcow_wine_run *run, const struct wcow_wine_program *program,
                          uint32_t *ret_exit_code, struct wcow_error *err)
{
    WCOW_CLEANUP(paths_done) struct paths paths = {0};
    wcow_autobuf link = {0};
    uint32_t status = 0;
    int r = write_files(run, program, err);
    if (r == WCOW_OK)
        r = fill_paths(run, program, &paths, err);
    if (r < 0)
        return r;
    fill_args(run, program, &paths);
    r = run_container(run, program, &paths, &link, &status, err);
    if (r < 0)
        return r;
    if (!program->command_line) {
        *ret_exit_code = status;
        return WCOW_OK;
    }
    r = read_exit_code(run, status, ret_exit_code, err);
    if (r == WCOW_OK && *ret_exit_code == 0 && link.len > 0)
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "the command made the symbolic link \"%.300s\", which Wine cannot: copy, or "
            "make a hard link (mklink /H)",
            (const char *)link.data);
    return r;
}
