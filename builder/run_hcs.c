/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run_hcs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int append(json_t *document, struct wcow_buf *out, struct wcow_error *err)
{
    if (!document)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a text for the container is not UTF-8");
    char *text = json_dumps(document, JSON_INDENT(2));
    json_decref(document);
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a container's config.json");
    int r = wcow_buf_addf(out, err, "%s\n", text);
    free(text);
    return r;
}

/* "Files/src" is C:\src. */
static json_t *windows_path(const char *target)
{
    wcow_autobuf path = {0};
    if (wcow_buf_addf(&path, NULL, "C:\\%s", target + strlen("Files/")) < 0)
        return NULL;
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] == '/')
            path.data[i] = '\\';
    }
    return json_string((const char *)path.data);
}

/* Type is empty: the shim takes anything else for a disk. */
static void add_mount(json_t *mounts, json_t *destination, const char *source, bool read_only)
{
    (void)json_array_append_new(mounts,
                                json_pack("{s:o, s:s, s:[s]}", "destination", destination, "source",
                                          source, "options", read_only ? "ro" : "rw"));
}

static json_t *mounts_of(const struct wcow_execution *x, const struct wcow_hcs_options *options)
{
    json_t *mounts = json_array();
    for (size_t i = 0; i < x->n_volumes; i++)
        add_mount(mounts, windows_path(x->volumes[i].target), x->volumes[i].source,
                  x->volumes[i].read_only);
    if (x->script)
        add_mount(mounts, json_string(WCOW_HCS_SCRIPT_FOLDER), options->script_folder, true);
    return mounts;
}

/* Only what was asked for: without limits Windows has its own. */
static json_t *resources_of(const struct wcow_run_limits *limits)
{
    json_t *resources = json_object();
    if (limits->memory_bytes)
        (void)json_object_set_new(resources, "memory",
                                  json_pack("{s:I}", "limit", (json_int_t)limits->memory_bytes));
    if (limits->disk_bytes)
        (void)json_object_set_new(
            resources, "storage",
            json_pack("{s:I}", "sandboxSize", (json_int_t)limits->disk_bytes));
    return resources;
}

static json_t *process_of(const struct wcow_execution *x)
{
    wcow_autobuf line = {0};
    if (wcow_buf_addf(&line, NULL, "%s%s", x->command_line,
                      x->script ? " " WCOW_HCS_SCRIPT_FOLDER "\\" WCOW_HCS_SCRIPT : "") < 0)
        return NULL;
    json_t *env = json_array();
    for (const char *const *pair = x->env; pair && *pair; pair++)
        (void)json_array_append_new(env, json_string(*pair));
    return json_pack("{s:{s:s}, s:s, s:o, s:s}", "user", "username",
                     x->user && *x->user ? x->user : "ContainerAdministrator", "commandLine",
                     (const char *)line.data, "env", env, "cwd", x->workdir);
}

/* What Windows has no way to do. */
static int check_execution(const struct wcow_execution *x, const struct wcow_hcs_options *options,
                           struct wcow_error *err)
{
    if (x->script && !options->script_folder)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION, "a script for the container without its folder");
    if (x->hosts)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "--add-host: a single file cannot be mounted into a container of Windows; "
                         "let the RUN itself write C:\\Windows\\System32\\drivers\\etc\\hosts");
    for (size_t i = 0; i < x->n_volumes; i++) {
        if (!x->volumes[i].source)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "--mount=type=tmpfs: Windows has no file system in memory");
    }
    return WCOW_OK;
}

int wcow_hcs_spec_write(const struct wcow_execution *x, const struct wcow_hcs_options *options,
                        struct wcow_buf *out, struct wcow_error *err)
{
    int r = check_execution(x, options, err);
    if (r < 0)
        return r;
    json_t *windows = json_pack("{s:b}", "ignoreFlushesDuringBoot", 1);
    if (x->network != WCOW_NET_NONE)
        (void)json_object_set_new(windows, "network",
                                  json_pack("{s:b}", "allowUnqualifiedDNSQuery", 1));
    if (x->isolation == WCOW_ISOLATION_HYPERV) /* a utility VM, not a job object */
        (void)json_object_set_new(windows, "hyperv", json_object());
    json_t *resources = resources_of(&x->limits);
    if (json_object_size(resources) > 0)
        (void)json_object_set(windows, "resources", resources);
    json_decref(resources);
    json_t *document = json_pack("{s:s, s:o, s:{}, s:o}", "ociVersion", "1.1.0", "process",
                                 process_of(x), "root", "windows", windows);
    if (document && (x->n_volumes || x->script))
        (void)json_object_set_new(document, "mounts", mounts_of(x, options));
    return append(document, out, err);
}

/* Of output. */
struct pipes {
    char out[160];
    char err[160];
};

static int pipes_of(const char *id, struct pipes *ret, struct wcow_error *err)
{
    if (strlen(id) > 100 || strpbrk(id, "\\/"))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.100s\" can't be part of a pipe's name", id);
    (void)snprintf(ret->out, sizeof(ret->out), "\\\\.\\pipe\\containerd-%s-stdout", id);
    (void)snprintf(ret->err, sizeof(ret->err), "\\\\.\\pipe\\containerd-%s-stderr", id);
    return WCOW_OK;
}

static int check_rootfs(const struct wcow_mounts *rootfs, struct wcow_error *err)
{
    const struct wcow_mount *m = rootfs->n == 1 ? &rootfs->items[0] : NULL;
    if (m && strcmp(m->type, "windows-layer") == 0 && (!m->target || !*m->target))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "the snapshotter gave %zu mounts, the runhcs shim takes one of type "
                     "windows-layer without a target",
                     rootfs->n);
}

int wcow_hcs_task_write(const struct wcow_execution *x, const char *id, struct wcow_buf *out,
                        struct wcow_error *err)
{
    struct pipes pipes;
    int r = check_rootfs(x->rootfs, err);
    if (r == WCOW_OK)
        r = pipes_of(id, &pipes, err);
    if (r < 0)
        return r;
    const struct wcow_mount *m = &x->rootfs->items[0];
    json_t *options = json_array();
    for (size_t i = 0; i < m->n_options; i++)
        (void)json_array_append_new(options, json_string(m->options[i]));
    json_t *rootfs =
        json_pack("[{s:s, s:s, s:o}]", "type", m->type, "source", m->source, "options", options);
    return append(json_pack("{s:s, s:o, s:s, s:s, s:b}", "container_id", id, "rootfs", rootfs,
                            "stdout", pipes.out, "stderr", pipes.err, "terminal", 0),
                  out, err);
}
