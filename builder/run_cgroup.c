/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run_cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/digest.h"

enum { TEXT_BYTES = 512, INSTALLATION_CHARS = 12 };
#define V1_MEMORY "/sys/fs/cgroup/memory"
#define V2        "/sys/fs/cgroup"

void wcow_run_cgroup_done(struct wcow_run_cgroup *cgroup)
{
    wcow_buf_done(&cgroup->path);
    *cgroup = (struct wcow_run_cgroup){0};
}

/* ---- the files ---- */

/* A short file of a group: its text, "" where there is none. */
static void read_file(const char *hierarchy, const char *group, const char *name,
                      char text[TEXT_BYTES])
{
    wcow_autobuf path = {0};
    text[0] = '\0';
    if (wcow_buf_addf(&path, NULL, "%s%s/%s", hierarchy, group, name) < 0)
        return;
    wcow_autoclose int fd = open((const char *)path.data, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_BYTES - 1);
    text[n > 0 ? n : 0] = '\0';
}

static bool write_file(const char *hierarchy, const char *group, const char *name, const char *text)
{
    wcow_autobuf path = {0};
    const ssize_t len = (ssize_t)strlen(text);
    if (wcow_buf_addf(&path, NULL, "%s%s/%s", hierarchy, group, name) < 0)
        return false;
    wcow_autoclose int fd = open((const char *)path.data, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, (size_t)len) == len;
}

/* ---- what there is ---- */

/* Whether the word stands in the text of words. */
static bool has_word(const char *text, const char *word)
{
    const size_t len = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += len) {
        if ((p == text || p[-1] == ' ') && (p[len] == '\0' || p[len] == ' ' || p[len] == '\n'))
            return true;
    }
    return false;
}

static bool has_v1(const char *controller)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/tasks", controller);
    return access(path, F_OK) == 0;
}

static bool has_controller(const char *name)
{
    char text[TEXT_BYTES];
    read_file(V2, "", "cgroup.controllers", text);
    return has_v1(name) || has_word(text, name);
}

/* Three quarters of the memory: Windows programs get much, and the host stays alive. */
static int64_t most_memory(void)
{
    struct sysinfo info;
    return sysinfo(&info) < 0 ? INT64_C(4) << 30 : (int64_t)info.totalram * info.mem_unit / 4 * 3;
}

/* ---- the group of all ---- */

static bool make_group(const char *hierarchy, const char *group)
{
    wcow_autobuf path = {0};
    return wcow_buf_addf(&path, NULL, "%s%s", hierarchy, group) == WCOW_OK &&
           (mkdir((const char *)path.data, 0755) == 0 || errno == EEXIST);
}

/* Of v2 a group has the files of a controller where the one above it hands that down. */
static bool limit_all(const char *group, int64_t bytes)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)bytes);
    if (has_v1("memory"))
        return make_group(V1_MEMORY, "/wcow") && make_group(V1_MEMORY, group) &&
               write_file(V1_MEMORY, group, "memory.limit_in_bytes", text);
    (void)!write_file(V2, "", "cgroup.subtree_control", "+memory");
    if (!make_group(V2, "/wcow"))
        return false;
    (void)!write_file(V2, "/wcow", "cgroup.subtree_control", "+memory");
    return make_group(V2, group) && write_file(V2, group, "memory.max", text);
}

int wcow_run_cgroup_prepare(const struct wcow_run_limits *limits, const char *folder,
                            const char *name, struct wcow_run_cgroup *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_run_cgroup_done) struct wcow_run_cgroup c = {0};
    struct wcow_digest digest;
    char group[32];
    int r = wcow_digest_of(folder, strlen(folder), &digest, err);
    if (r < 0)
        return r;
    (void)snprintf(group, sizeof(group), "/wcow/%.*s", INSTALLATION_CHARS,
                   strchr(digest.text, ':') + 1);
    r = wcow_buf_addf(&c.path, err, "%s/%s", group, name);
    if (r < 0)
        return r;
    if (has_controller("pids"))
        c.processes = limits->processes ? limits->processes : WCOW_RUN_PROCESSES;
    if (has_controller("memory")) {
        const int64_t most = most_memory();
        c.memory_bytes = limits->memory_bytes ? limits->memory_bytes : most;
        int64_t all = c.memory_bytes > most ? c.memory_bytes : most;
        if (limits->all_memory_bytes)
            all = limits->all_memory_bytes;
        c.all_memory_bytes = limit_all(group, all) ? all : 0;
    }
    *ret = c;
    c = (struct wcow_run_cgroup){0};
    return WCOW_OK;
}

/* ---- afterwards ---- */

static unsigned long killed_in(const char *hierarchy, const char *path, const char *name)
{
    static const char key[] = "oom_kill ";
    char text[TEXT_BYTES];
    read_file(hierarchy, path, name, text);
    const char *found = strstr(text, key);
    return found ? strtoul(found + strlen(key), NULL, 10) : 0;
}

unsigned long wcow_run_cgroup_killed(const char *path)
{
    return killed_in(V1_MEMORY, path, "memory.oom_control") + killed_in(V2, path, "memory.events");
}
