/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_install.h"
#include "base/dir_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "builder/wine_run.h"

enum { REGISTRY_MAX_BYTES = 32 << 20, INSTALL_TIMEOUT_S = 300 };

#define USER "ContainerAdministrator"

/* Programs of Wine's that do nothing, some of them with exit code 0. Without them the image's own
 * show through, or the command fails as it should (9009). winedbg, which Wine starts when a program
 * crashes, waits for somebody to look. */
static const char *const stubs[] = {
    "WindowsPowerShell", "setx.exe",    "robocopy.exe", "icacls.exe",   "cacls.exe",
    "netsh.exe",         "dism.exe",    "certutil.exe", "shutdown.exe", "systeminfo.exe",
    "wevtutil.exe",      "findstr.exe", "where.exe",    "tasklist.exe", "schtasks.exe",
    "subst.exe",         "winedbg.exe", "tasks",        "spool",        "drivers/etc",
    "drivers/null",
};

/* What of Wine's C:\Windows a command needs; the rest would only hide the image's. */
static const char *const kept[] = {"system32", "winsxs", "globalization", "explorer.exe",
                                   "regedit.exe"};

struct install {
    struct wcow_backend *backend;
    const struct wcow_wine_install *options;
    struct wcow_wine_template template;
    int fd; /* of its folder */
};

/* ---- files ---- */

static int put_file(int dirfd, const char *name, const char *text, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = wcow_open_beneath(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd, err);
    if (r == WCOW_OK && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "write %s", name);
    return r;
}

static int copy_file(const char *from, int dirfd, const char *name, struct wcow_error *err)
{
    wcow_autoclose int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "%s, which `wcow executor install wine` needs", from);
    wcow_autoclose int out = -1;
    int r = wcow_open_beneath(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0755, &out, err);
    char data[8192];
    ssize_t n = 0;
    while (r == WCOW_OK && (n = read(in, data, sizeof(data))) > 0) {
        if (write(out, data, (size_t)n) != n)
            r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write %s", name);
    }
    return r;
}

static int make_dirs(int fd, const char *const *dirs, size_t n, struct wcow_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (mkdirat(fd, dirs[i], 0755) < 0 && errno != EEXIST)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", dirs[i]);
    }
    return WCOW_OK;
}

static const char fonts_conf[] = "<?xml version=\"1.0\"?>\n"
                                 "<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n"
                                 "<fontconfig><cachedir>/tmp/fonts</cachedir></fontconfig>\n";

/* Links into /usr, places to mount at, and nothing of the host's. */
static int make_root(int fd, struct wcow_error *err)
{
    static const char *const dirs[] = {"bin",
                                       "runs",
                                       "cased",
                                       "prefix",
                                       "root",
                                       "root/etc",
                                       "root/etc/fonts",
                                       "root/etc/ssl",
                                       "root/etc/ssl/certs",
                                       "root/usr",
                                       "root/proc",
                                       "root/sys",
                                       "root/dev",
                                       "root/tmp",
                                       "root/run",
                                       "root/wine",
                                       "root/wine/c",
                                       "root/wine/prefix",
                                       "root/wine/w",
                                       "root/wine/bin"};
    static const char *const links[][2] = {{"usr/lib", "root/lib"},
                                           {"usr/lib64", "root/lib64"},
                                           {"usr/bin", "root/bin"},
                                           {"usr/sbin", "root/sbin"}};
    static const char *const empty[] = {"root/etc/passwd", "root/etc/resolv.conf", "root/etc/hosts",
                                        "root/etc/ssl/certs/ca-certificates.crt"};
    int r = make_dirs(fd, dirs, sizeof(dirs) / sizeof(dirs[0]), err);
    for (size_t i = 0; r == WCOW_OK && i < sizeof(links) / sizeof(links[0]); i++) {
        if (symlinkat(links[i][0], fd, links[i][1]) < 0 && errno != EEXIST)
            r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", links[i][1]);
    }
    for (size_t i = 0; r == WCOW_OK && i < sizeof(empty) / sizeof(empty[0]); i++)
        r = put_file(fd, empty[i], "", err);
    return r < 0 ? r : put_file(fd, "root/etc/fonts/fonts.conf", fonts_conf, err);
}

static int copy_programs(struct install *in, struct wcow_error *err)
{
    static const char *const names[] = {"wcow-wine-init", "wcow-launch.exe"};
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf from = {0};
        char to[64];
        (void)snprintf(to, sizeof(to), "bin/%s", names[i]);
        int r = wcow_buf_addf(&from, err, "%s/%s", in->options->programs, names[i]);
        if (r == WCOW_OK)
            r = copy_file((const char *)from.data, in->fd, to, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

/* ---- finding Wine ---- */

/* The first of the names that is a program below usr; as the container calls it. */
static char *find_program(const char *usr, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wcow_autobuf path = {0};
        if (wcow_buf_addf(&path, NULL, "%s/%s", usr, names[i]) == WCOW_OK &&
            access((const char *)path.data, X_OK) == 0) {
            wcow_autobuf inside = {0};
            if (wcow_buf_addf(&inside, NULL, "/usr/%s", names[i]) == WCOW_OK)
                return wcow_buf_take_str(&inside);
        }
    }
    return NULL;
}

static int find_wine(struct install *in, struct wcow_error *err)
{
    static const char *const wines[] = {"lib/wine/wine64", "lib/wine/wine", "bin/wine64"};
    static const char *const servers[] = {"lib/wine/wineserver64", "lib/wine/wineserver",
                                          "bin/wineserver"};
    struct wcow_wine_template *t = &in->template;
    t->usr = strdup(in->options->usr);
    t->wine = find_program(in->options->usr, wines, 3);
    t->wineserver = find_program(in->options->usr, servers, 3);
    if (!t->usr || !t->wine || !t->wineserver)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "there is no Wine below %s: install Debian's package wine64, or name the "
                         "/usr of a root that has it with --usr",
                         in->options->usr);
    return WCOW_OK;
}

/* ---- the registry ---- */

static int replace_all(const struct wcow_buf *text, const char *from, const char *to,
                       struct wcow_buf *out, struct wcow_error *err)
{
    const char *p = (const char *)text->data;
    for (const char *hit = NULL; (hit = strstr(p, from)); p = hit + strlen(from)) {
        int r = wcow_buf_add(out, p, (size_t)(hit - p), err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, to, err);
        if (r < 0)
            return r;
    }
    return wcow_buf_add_str(out, p, err);
}

/* Profiles where Windows has them, and no display. */
static int edit_registry(const struct wcow_wine_run *run, const char *name, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    wcow_autobuf users = {0};
    wcow_autobuf temp = {0};
    int r = wcow_wine_run_read(run, name, REGISTRY_MAX_BYTES, &text, err);
    if (r == WCOW_OK)
        r = replace_all(&text, "C:\\\\users\\\\", "C:\\\\Users\\\\", &users, err);
    if (r == WCOW_OK)
        r = replace_all(&users, USER "\\\\Temp\"", USER "\\\\AppData\\\\Local\\\\Temp\"", &temp,
                        err);
    if (r == WCOW_OK && strcmp(name, "prefix/user.reg") == 0)
        r = wcow_buf_add_str(&temp, "\n[Software\\\\Wine\\\\Drivers] 0\n\"Graphics\"=\"null\"\n",
                             err);
    return r < 0 ? r : wcow_wine_run_write(run, name, temp.data, temp.len, err);
}

static const char *const registry_files[] = {"system.reg", "user.reg", "userdef.reg"};

/* What stands in the run's prefix becomes the template's. */
static int keep_registry(struct install *in, const struct wcow_wine_run *run,
                         struct wcow_error *err)
{
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "prefix/%s", registry_files[i]);
        if (renameat(run->fd, name, in->fd, name) < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "keep Wine's %s", registry_files[i]);
    }
    return WCOW_OK;
}

/* ---- running Wine ---- */

static int expect_success(int r, uint32_t code, const char *what, struct wcow_error *err)
{
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", what);
    return code == 0 ? WCOW_OK
                     : WCOW_FAIL(err, WCOW_E_IO, "%s failed with code %u", what, (unsigned)code);
}

static int boot(struct install *in, struct wcow_wine_run *run, struct wcow_error *err)
{
    static const char *const args[] = {"wineboot.exe", "--init", NULL};
    wcow_autofree char *drive = NULL;
    uint32_t code = 0;
    if (asprintf(&drive, "%s/c", run->folder) < 0 || mkdirat(run->fd, "c", 0755) < 0)
        return WCOW_FAIL(err, WCOW_E_IO, "cannot make a C: drive in %s", run->folder);
    const struct wcow_wine_bind bind = {.source = drive, .target = "/wine/c"};
    const struct wcow_wine_program program = {.wine_args = args,
                                              .user = USER,
                                              .overrides = "mscoree,mshtml,winemenubuilder.exe=d",
                                              .binds = &bind,
                                              .n_binds = 1,
                                              .network = WCOW_NET_NONE,
                                              .timeout_s = INSTALL_TIMEOUT_S,
                                              .step = in->options->step};
    int r = wcow_wine_run_program(run, &program, &code, err);
    return expect_success(r, code, "Wine's own set-up (wineboot)", err);
}

static int keep_windows(struct install *in, const struct wcow_wine_run *run, struct wcow_error *err)
{
    int r = wcow_dir_tree_delete(in->fd, "windows", NULL, err);
    if (r == WCOW_OK && mkdirat(in->fd, "windows", 0755) < 0)
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "make the template's windows");
    for (size_t i = 0; r == WCOW_OK && i < sizeof(kept) / sizeof(kept[0]); i++) {
        char from[64];
        char to[64];
        (void)snprintf(from, sizeof(from), "c/windows/%s", kept[i]);
        (void)snprintf(to, sizeof(to), "windows/%s", kept[i]);
        if (renameat(run->fd, from, in->fd, to) < 0 && errno != ENOENT)
            r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "keep Wine's %s", kept[i]);
    }
    wcow_autoclose int system32 =
        openat(in->fd, "windows/system32", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == WCOW_OK && system32 < 0)
        return WCOW_FAIL(err, WCOW_E_IO, "Wine's own set-up made no C:\\windows\\system32");
    for (size_t i = 0; r == WCOW_OK && i < sizeof(stubs) / sizeof(stubs[0]); i++) {
        const char *slash = strchr(stubs[i], '/');
        if (!slash) {
            r = wcow_dir_tree_delete(system32, stubs[i], NULL, err);
            continue;
        }
        wcow_autoclose int drivers =
            openat(system32, "drivers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (drivers >= 0)
            r = wcow_dir_tree_delete(drivers, slash + 1, NULL, err);
    }
    return r;
}

/* A command that does nothing, so that what Wine writes at each start is in the registry that the
 * changes of a RUN are measured against. */
static int run_nothing(struct install *in, struct wcow_wine_run *run, struct wcow_error *err)
{
    wcow_autofree char *cased = NULL;
    wcow_autofree char *lower = NULL;
    wcow_autofree char *upper = NULL;
    wcow_autofree char *work = NULL;
    static const char *const dirs[] = {"lower", "upper", "work"};
    const struct wcow_chain none = {0};
    int r = make_dirs(run->fd, dirs, 3, err);
    if (r == WCOW_OK)
        r = wcow_wine_template_cased(&in->template, "none", &none, &cased, err);
    if (r < 0)
        return r;
    if (asprintf(&lower, "%s:%s/lower", cased, run->folder) < 0 ||
        asprintf(&upper, "%s/upper", run->folder) < 0 ||
        asprintf(&work, "%s/work", run->folder) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a run");
    uint32_t code = 0;
    const struct wcow_wine_program program = {.command_line = "cmd /S /C exit 0",
                                              .workdir = "C:\\",
                                              .user = USER,
                                              .overrides = wcow_wine_overrides,
                                              .lower = lower,
                                              .upper = upper,
                                              .work = work,
                                              .network = WCOW_NET_NONE,
                                              .timeout_s = INSTALL_TIMEOUT_S,
                                              .step = in->options->step};
    r = wcow_wine_run_program(run, &program, &code, err);
    return expect_success(r, code, "a first command under Wine", err);
}

/* Wine says "wine-8.0 (Debian 8.0~repack-4)". */
static int ask_version(struct install *in, struct wcow_error *err)
{
    static const char *const args[] = {"--version", NULL};
    WCOW_CLEANUP(wcow_wine_run_done) struct wcow_wine_run run = {.fd = -1};
    wcow_autobuf said = {0};
    uint32_t code = 0;
    const struct wcow_wine_program program = {.wine_args = args,
                                              .user = USER,
                                              .overrides = wcow_wine_overrides,
                                              .network = WCOW_NET_NONE,
                                              .timeout_s = INSTALL_TIMEOUT_S,
                                              .step = in->options->step,
                                              .capture = &said};
    int r = wcow_wine_run_init(&in->template, in->backend, &run, err);
    if (r == WCOW_OK)
        r = wcow_wine_run_program(&run, &program, &code, err);
    const char *text = said.data ? (const char *)said.data : "";
    if (r == WCOW_OK && code != 0)
        return WCOW_FAIL(err, WCOW_E_IO,
                         "%s of %s does not run (code %u): are all of its libraries there? %.300s",
                         in->template.wine, in->options->usr, (unsigned)code, text);
    if (r < 0)
        return wcow_error_wrap(r, err, "Wine, asked for its version");
    const char *version = strstr(text, "wine-");
    if (!version)
        return WCOW_FAIL(err, WCOW_E_IO, "Wine does not tell its version: \"%.100s\"", text);
    version += strlen("wine-");
    in->template.version = strndup(version, strcspn(version, "\r\n"));
    return in->template.version ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory");
}

static int make_template(struct install *in, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_wine_run_done) struct wcow_wine_run run = {.fd = -1};
    static const char stop[] = "disable\n";
    int r = wcow_wine_run_init(&in->template, in->backend, &run, err);
    if (r == WCOW_OK)
        r = boot(in, &run, err);
    if (r == WCOW_OK)
        r = keep_windows(in, &run, err);
    for (size_t i = 0; r == WCOW_OK && i < 3; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "prefix/%s", registry_files[i]);
        r = edit_registry(&run, name, err);
    }
    if (r == WCOW_OK)
        r = wcow_wine_run_write(&run, "prefix/.update-timestamp", stop, sizeof(stop) - 1, err);
    if (r == WCOW_OK)
        r = run_nothing(in, &run, err);
    return r < 0 ? r : keep_registry(in, &run, err);
}

/* runc says the same, but not what to do. A machine without its own init, a chroot, may have none.
 */
static int check_cgroups(struct wcow_error *err)
{
    char *line = NULL;
    size_t cap = 0;
    bool is_there = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && !is_there && getline(&line, &cap, mounts) > 0)
        is_there = strstr(line, " - cgroup") != NULL;
    free(line);
    if (mounts)
        (void)fclose(mounts);
    return is_there ? WCOW_OK
                    : WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                                "there are no cgroups, which runc needs: mount them, as with "
                                "`mount -t cgroup2 none /sys/fs/cgroup`");
}

static int begin(struct install *in, const char *folder, struct wcow_error *err)
{
    in->template.folder = strdup(folder);
    in->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!in->template.folder || in->fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", folder);
    (void)unlinkat(in->fd, "executor.json", 0); /* until the new one is whole, there is none */
    int r = wcow_dir_tree_delete(in->fd, "cased", NULL, err);
    if (r == WCOW_OK)
        r = find_wine(in, err);
    if (r == WCOW_OK)
        r = check_cgroups(err);
    if (r == WCOW_OK)
        r = make_root(in->fd, err);
    return r < 0 ? r : copy_programs(in, err);
}

static int make_folders(const char *root, char **ret, struct wcow_error *err)
{
    wcow_autofree char *executors = NULL;
    wcow_autofree char *folder = NULL;
    if (asprintf(&executors, "%s/executors", root) < 0 ||
        asprintf(&folder, "%s/executors/wine", root) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    if ((mkdir(executors, 0700) < 0 && errno != EEXIST) ||
        (mkdir(folder, 0700) < 0 && errno != EEXIST))
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s (are you root?)", folder);
    *ret = WCOW_TAKE_PTR(folder);
    return WCOW_OK;
}

int wcow_wine_install(struct wcow_backend *backend, const struct wcow_wine_install *options,
                      struct wcow_error *err)
{
    struct install in = {.backend = backend, .options = options, .fd = -1};
    wcow_autofree char *folder = NULL;
    int r = make_folders(options->root, &folder, err);
    if (r == WCOW_OK)
        r = begin(&in, folder, err);
    if (r == WCOW_OK)
        r = ask_version(&in, err);
    if (r == WCOW_OK)
        r = make_template(&in, err);
    if (r == WCOW_OK)
        r = wcow_wine_template_save(&in.template, err);
    if (in.fd >= 0)
        (void)close(in.fd);
    wcow_wine_template_done(&in.template);
    return r;
}
