/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run_cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/digest.h"

enum { TEXT_BYTES = 512, INSTALLATION_CHARS = 12, HOLD_TRIES = 100 };
#define V1_MEMORY "/sys/fs/cgroup/memory"
#define V2        "/sys/fs/cgroup"

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

static bool is_same_file(int fd, const char *path)
{
    struct stat held;
    struct stat named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

/* The group, made where it is not there, and locked against its removal by a RUN that ends just
 * now. @return a descriptor, or -1 */
static int hold_group(const char *hierarchy, const char *group)
{
    wcow_autobuf path = {0};
    if (wcow_buf_addf(&path, NULL, "%s%s", hierarchy, group) < 0)
        return -1;
    for (int i = 0; i < HOLD_TRIES; i++) {
        if (!make_group(hierarchy, group))
            return -1;
        wcow_autoclose int fd =
            open((const char *)path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno != ENOENT)
            return -1;
        if (fd >= 0 && flock(fd, LOCK_SH) == 0 && is_same_file(fd, (const char *)path.data))
            return WCOW_TAKE_FD(fd);
    }
    return -1;
}

/* Of v2 a group has the files of a controller where the one above it hands that down. */
static bool limit_all(const char *group, int64_t bytes, int *ret_fd)
{
    const char *hierarchy = has_v1("memory") ? V1_MEMORY : V2;
    const bool is_v2 = strcmp(hierarchy, V2) == 0;
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)bytes);
    if (is_v2)
        (void)!write_file(V2, "", "cgroup.subtree_control", "+memory");
    if (!make_group(hierarchy, "/wcow"))
        return false;
    if (is_v2)
        (void)!write_file(V2, "/wcow", "cgroup.subtree_control", "+memory");
    *ret_fd = hold_group(hierarchy, group);
    return *ret_fd >= 0 &&
           write_file(hierarchy, group, is_v2 ? "memory.max" : "memory.limit_in_bytes", text);
}

static void closedir_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* runc makes a group in each hierarchy, of v1 below a folder of its own. One that is in use stays:
 * the kernel removes none with processes or groups in it. */
static void remove_everywhere(const char *group)
{
    WCOW_CLEANUP(closedir_p) DIR *dir = opendir(V2);
    const struct dirent *e = NULL;
    wcow_autobuf path = {0};
    /* This DIR is used by this thread alone. */
    while (dir && (e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe) */
        path.len = 0;
        const bool is_top = strcmp(e->d_name, ".") == 0;
        if ((is_top || e->d_name[0] != '.') &&
            wcow_buf_addf(&path, NULL, "%s/%s%s", V2, e->d_name, group) == WCOW_OK)
            (void)rmdir((const char *)path.data);
    }
}

/* Whoever holds the group alone is the last one. */
void wcow_run_cgroup_done(struct wcow_run_cgroup *cgroup)
{
    if (cgroup->all.len) {
        if (flock(cgroup->all_fd, LOCK_EX | LOCK_NB) == 0)
            remove_everywhere((const char *)cgroup->all.data);
        wcow_closep_(&cgroup->all_fd);
    }
    wcow_buf_done(&cgroup->all);
    wcow_buf_done(&cgroup->path);
    *cgroup = (struct wcow_run_cgroup){0};
}

/* The limit of all RUNs together. */
static int prepare_all(const char *group, int64_t bytes, struct wcow_run_cgroup *c,
                       struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    if (limit_all(group, bytes, &fd))
        c->all_memory_bytes = bytes;
    if (fd < 0)
        return WCOW_OK;
    int r = wcow_buf_add_str(&c->all, group, err);
    if (r == WCOW_OK)
        c->all_fd = WCOW_TAKE_FD(fd);
    return r;
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
        r = prepare_all(group, all, &c, err);
    }
    if (r < 0)
        return r;
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
