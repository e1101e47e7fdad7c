/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_spec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "builder/wine_messages.h"
#include "builder/wine_seccomp.h"

static void add_mount(json_t *mounts, const char *type, const char *source, const char *target,
                      const char *options)
{
    json_t *list = json_array();
    for (const char *p = options; *p;) {
        size_t n = strcspn(p, " ");
        (void)json_array_append_new(list, json_stringn(p, n));
        p += n + (p[n] == ' ');
    }
    (void)json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:o}", "destination", target,
                                                  "type", type, "source", source, "options", list));
}

static int add_drive(json_t *mounts, const struct wcow_wine_spec *spec, struct wcow_error *err)
{
    wcow_autobuf lower = {0};
    wcow_autobuf upper = {0};
    wcow_autobuf work = {0};
    int r = wcow_buf_addf(&lower, err, "lowerdir=%s", spec->lower);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&upper, err, "upperdir=%s", spec->upper);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&work, err, "workdir=%s", spec->work);
    if (r < 0)
        return r;
    if (lower.len + upper.len + work.len > WCOW_OVERLAY_OPTIONS_MAX - 100)
        return WCOW_FAIL(
            err, WCOW_E_LIMIT,
            "the stage has more layers than one mount of overlayfs takes (%zu bytes of "
            "options): begin a new stage from a squashed image, or shorten wcowd's "
            "--root",
            lower.len + upper.len + work.len);
    json_t *options = json_pack("[s,s,s,s,s,s,s,s,s]", "nosuid", "nodev", (const char *)lower.data,
                                (const char *)upper.data, (const char *)work.data,
                                "redirect_dir=on", "index=off", "metacopy=off", "xino=off");
    (void)json_array_append_new(mounts,
                                json_pack("{s:s, s:s, s:s, s:o}", "destination", "/wine/c", "type",
                                          "overlay", "source", "overlay", "options", options));
    return WCOW_OK;
}

static void add_bind(json_t *mounts, const struct wcow_wine_bind *bind)
{
    char options[128];
    if (bind->source) {
        (void)snprintf(options, sizeof(options), "rbind nosuid nodev %s",
                       bind->read_only ? "ro" : "rw");
        add_mount(mounts, "bind", bind->source, bind->target, options);
        return;
    }
    (void)snprintf(options, sizeof(options), "nosuid nodev mode=0755 size=%lld",
                   (long long)(bind->size_bytes ? bind->size_bytes : 64 << 20));
    add_mount(mounts, "tmpfs", "tmpfs", bind->target, options);
}

static int add_mounts(json_t *mounts, const struct wcow_wine_spec *spec, struct wcow_error *err)
{
    add_mount(mounts, "proc", "proc", "/proc", "nosuid noexec nodev");
    add_mount(mounts, "tmpfs", "tmpfs", "/dev", "nosuid mode=0755 size=64k");
    add_mount(mounts, "tmpfs", "shm", "/dev/shm", "nosuid nodev mode=1777 size=64m");
    add_mount(mounts, "tmpfs", "tmpfs", "/tmp", "nosuid nodev mode=1777 size=256m");
    add_mount(mounts, "bind", spec->usr, "/usr", "rbind ro nosuid nodev");
    int r = spec->lower ? add_drive(mounts, spec, err) : WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < spec->n_binds; i++)
        add_bind(mounts, &spec->binds[i]);
    return r;
}

static json_t *process(const struct wcow_wine_spec *spec)
{
    json_t *args = json_array();
    for (const char *const *arg = spec->args; *arg; arg++)
        (void)json_array_append_new(args, json_string(*arg));
    char overrides[256];
    (void)snprintf(overrides, sizeof(overrides), "WINEDLLOVERRIDES=%s", spec->overrides);
    json_t *env = json_pack("[s,s,s,s,s,s,s]", "WINEPREFIX=/wine/prefix", "HOME=/wine/prefix",
                            "WINEARCH=win64", "WINEDEBUG=" WCOW_WINE_DEBUG, "LANG=C.UTF-8",
                            "PATH=/usr/bin:/bin", overrides);
    return json_pack("{s:b, s:{s:i, s:i}, s:o, s:o, s:s, s:b}", "terminal", 0, "user", "uid", 0,
                     "gid", 0, "args", args, "env", env, "cwd", "/wine/w", "noNewPrivileges", 1);
}

static json_t *linux_part(const struct wcow_wine_spec *spec)
{
    json_t *namespaces = json_pack("[{s:s},{s:s},{s:s},{s:s}]", "type", "pid", "type", "ipc",
                                   "type", "uts", "type", "mount");
    if (spec->network == WCOW_NET_NONE)
        (void)json_array_append_new(namespaces, json_pack("{s:s}", "type", "network"));
    json_t *hidden = json_pack("[s,s,s,s,s,s]", "/proc/acpi", "/proc/kcore", "/proc/keys",
                               "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug");
    json_t *read_only = json_pack("[s,s,s,s,s]", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                  "/proc/sysrq-trigger");
    json_t *devices = json_pack("[{s:b, s:s}]", "allow", 0, "access", "rwm");
    json_t *resources = json_pack("{s:o}", "devices", devices);
    if (spec->memory_bytes)
        (void)json_object_set_new(resources, "memory",
                                  json_pack("{s:I}", "limit", (json_int_t)spec->memory_bytes));
    if (spec->max_processes)
        (void)json_object_set_new(resources, "pids",
                                  json_pack("{s:I}", "limit", (json_int_t)spec->max_processes));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "cgroupsPath", spec->cgroup, "namespaces",
                     namespaces, "maskedPaths", hidden, "readonlyPaths", read_only, "resources",
                     resources, "seccomp", wcow_wine_seccomp());
}

int wcow_wine_spec_write(const struct wcow_wine_spec *spec, struct wcow_buf *out,
                         struct wcow_error *err)
{
    json_t *mounts = json_array();
    int r = add_mounts(mounts, spec, err);
    if (r < 0) {
        json_decref(mounts);
        return r;
    }
    json_t *document =
        json_pack("{s:s, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", "ociVersion", "1.0.2", "root", "path",
                  spec->root, "readonly", 1, "hostname", "wcow", "process", process(spec), "mounts",
                  mounts, "linux", linux_part(spec));
    if (!document)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a path for the container is not UTF-8");
    char *text = json_dumps(document, JSON_INDENT(1));
    json_decref(document);
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a container's config.json");
    r = wcow_buf_add_str(out, text, err);
    free(text);
    return r;
}
