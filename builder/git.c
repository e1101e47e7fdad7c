/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "builder/git_login.h"
#include "image/http.h"

enum { MAX_OUTPUT_BYTES = 64 << 10, POLL_MS = 100, MAX_ARGS = 24, OPEN_FOLDERS = 32 };

/* ---- the command ---- */

struct git {
    const char *folder;
    const atomic_bool *cancel;
    char **env;
    struct wcow_git_login login;
};

static void git_done(struct git *git)
{
    free(git->env);
    wcow_git_login_done(&git->login);
}

/* What git tells its hooks about the caller's own repository, which is none of ours: with such a
 * variable a checkout would write that one's index. How git is configured stays. */
static bool is_of_caller(const char *variable)
{
    static const char *const names[] = {"GIT_DIR",
                                        "GIT_WORK_TREE",
                                        "GIT_IMPLICIT_WORK_TREE",
                                        "GIT_INDEX_FILE",
                                        "GIT_OBJECT_DIRECTORY",
                                        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                                        "GIT_COMMON_DIR",
                                        "GIT_NAMESPACE",
                                        "GIT_QUARANTINE_PATH",
                                        "GIT_PREFIX",
                                        "GIT_GRAFT_FILE",
                                        "GIT_SHALLOW_FILE",
                                        "GIT_REPLACE_REF_BASE"};
    size_t len = strcspn(variable, "=");
    bool is = false;
    for (size_t i = 0; !is && i < sizeof(names) / sizeof(names[0]); i++)
        is = strlen(names[i]) == len && strncmp(variable, names[i], len) == 0;
    return is;
}

/* Its environment: nobody is there to be asked for a password. */
static char **make_environment(const struct wcow_git_login *login)
{
    static char no_prompt[] = "GIT_TERMINAL_PROMPT=0";
    static char ssh[] = "GIT_SSH_COMMAND=ssh -o BatchMode=yes";
    size_t n = 0;
    while (environ[n])
        n++;
    char **env = calloc(n + WCOW_GIT_LOGIN_VARIABLES + 3, sizeof(char *));
    size_t k = 0;
    for (size_t i = 0; env && i < n; i++) {
        if (!is_of_caller(environ[i]) && !wcow_git_login_replaces(login, environ[i]))
            env[k++] = environ[i];
    }
    for (size_t i = 0; env && i < WCOW_GIT_LOGIN_VARIABLES && login->variables[i]; i++)
        env[k++] = login->variables[i];
    if (env) {
        env[k++] = no_prompt;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
        if (!getenv("GIT_SSH_COMMAND"))
            env[k] = ssh;
    }
    return env;
}

static int begin(struct git *git, const char *url, struct wcow_error *err)
{
    int r = wcow_git_login_take(url, &git->login, err);
    if (r < 0)
        return r;
    git->env = make_environment(&git->login);
    return git->env ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for git");
}

static int spawn_git(const struct git *git, const char *const *args, int output, pid_t *ret)
{
    char *argv[MAX_ARGS + 12] = {0};
    size_t n = 0;
    /* A log of a .git that is kept would say who fetched it, and when. */
    const char *const first[] = {"git", "-C", git->folder, "-c", "core.logAllRefUpdates=false"};
    static char setting[] = "-c";
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        memcpy(&argv[n++], &first[i], sizeof(char *));
    for (size_t i = 0; i < WCOW_GIT_LOGIN_SETTINGS && git->login.settings[i]; i++) {
        argv[n++] = setting;
        argv[n++] = git->login.settings[i];
    }
    for (size_t i = 0; args[i] && i < MAX_ARGS; i++)
        memcpy(&argv[n++], &args[i], sizeof(char *));
    int r = posix_spawn_file_actions_init(&actions);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (r == 0)
        r = posix_spawnp(ret, "git", &actions, &attributes, argv, git->env);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return r;
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* All that it says; the last of it where that is much. WCOW_E_CANCELLED where it was stopped. Not
 * what it leaves behind, as a connection that ssh keeps for later: that holds the pipe on. */
static int listen_to(const struct git *git, int fd, pid_t pid, struct wcow_buf *out,
                     struct wcow_error *err)
{
    for (;;) {
        char text[4096];
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (git->cancel && atomic_load(git->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        bool ended = has_ended(pid);
        int ready = poll(&poll_fd, 1, POLL_MS);
        if (ready == 0 && ended)
            return WCOW_OK;
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t n = read(fd, text, sizeof(text));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return WCOW_OK;
        if (out->len + (size_t)n > MAX_OUTPUT_BYTES)
            wcow_buf_done(out);
        int r = wcow_buf_add(out, text, (size_t)n, err);
        if (r < 0)
            return r;
    }
}

static void trim(struct wcow_buf *out)
{
    while (out->len > 0 && isspace(out->data[out->len - 1]))
        out->data[--out->len] = '\0';
}

/* Run it; @p out gets what it says. */
static int run(const struct git *git, const char *const *args, struct wcow_buf *out,
               struct wcow_error *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "make a pipe for git");
    wcow_autoclose int from = pipe_fds[0];
    pid_t pid = 0;
    int failed = spawn_git(git, args, pipe_fds[1], &pid);
    (void)close(pipe_fds[1]);
    if (failed == ENOENT)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "ADD of a git repository needs the git command, which is not installed");
    if (failed) {
        errno = failed;
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "start git");
    }
    int r = listen_to(git, from, pid, out, err);
    int status = 0;
    if (r < 0)
        (void)kill(-pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    trim(out);
    if (r < 0)
        return r;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return WCOW_OK;
    const char *said = out->data ? (const char *)out->data : "it said nothing";
    const size_t first = strcspn(said, "\n");
    if (!said[first])
        return WCOW_FAIL(err, WCOW_E_IO, "git %s failed: %s", args[0], said);
    return WCOW_FAIL(err, WCOW_E_IO, "git %s failed: %.*s\n%s", args[0], (int)first, said,
                     said + first + 1);
}

static int run_quietly(const struct git *git, const char *const *args, struct wcow_error *err)
{
    wcow_autobuf out = {0};
    return run(git, args, &out, err);
}

/* ---- a commit ---- */

static bool is_hexadecimal(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return n >= 7 && !text[n];
}

/* One commit without its history; with it from a server that cannot else; and all there is where
 * none goes by that name, which may be the abbreviation of a commit's. */
static int fetch(const struct git *git, const struct wcow_git_url *url, struct wcow_error *err)
{
    const char *ref = url->ref ? url->ref : "HEAD";
    const char *const from = git->login.repository;
    const char *const shallow[] = {"fetch", "-q", "--depth=1", "--no-tags", "--", from, ref, NULL};
    const char *const deep[] = {"fetch", "-q", "--no-tags", "--", from, ref, NULL};
    const char *const all[] = {
        "fetch", "-q", "--tags", "--", from, "+refs/heads/*:refs/remotes/origin/*", NULL};
    const char *const fetched[] = {"checkout", "-q", "--detach", "FETCH_HEAD", NULL};
    const char *const named[] = {"checkout", "-q", "--detach", ref, NULL};
    int r = run_quietly(git, shallow, err);
    if (r == WCOW_E_IO && run_quietly(git, deep, NULL) == WCOW_OK)
        r = WCOW_OK;
    if (r == WCOW_OK)
        return run_quietly(git, fetched, err);
    if (r != WCOW_E_IO || !is_hexadecimal(ref) || run_quietly(git, all, NULL) < 0)
        return r;
    return run_quietly(git, named, err);
}

static bool begins_as(const char *commit, const char *wanted)
{
    return strlen(wanted) >= 7 && strncasecmp(commit, wanted, strlen(wanted)) == 0;
}

/* An annotated tag has a digest of its own, which will do as well where the tag is of @p commit:
 * what was fetched last may be more than was asked for. */
static bool is_of_tag(const struct git *git, const char *commit, const char *wanted)
{
    static const char *const args[] = {"rev-parse", "FETCH_HEAD", "FETCH_HEAD^{commit}", NULL};
    wcow_autobuf out = {0};
    if (run(git, args, &out, NULL) < 0 || out.len == 0)
        return false;
    const char *fetched = (const char *)out.data;
    const char *its_commit = strchr(fetched, '\n');
    return its_commit && strcmp(its_commit + 1, commit) == 0 && begins_as(fetched, wanted);
}

static int check_commit(const struct git *git, const char *wanted, char ret[static 65],
                        struct wcow_error *err)
{
    static const char *const args[] = {"rev-parse", "HEAD", NULL};
    wcow_autobuf out = {0};
    int r = run(git, args, &out, err);
    if (r < 0)
        return r;
    if (out.len == 0 || out.len > 64)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "git names no commit");
    memcpy(ret, out.data, out.len + 1);
    if (!wanted || begins_as(ret, wanted))
        return WCOW_OK;
    if (is_of_tag(git, ret, wanted))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                     "the repository is at commit %s, not %s as the checksum says", ret, wanted);
}

static _Thread_local struct timespec commit_time;

static int set_time(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    const struct timespec times[2] = {commit_time, commit_time};
    (void)utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
    return 0;
}

/* A checkout has the time of the clock; the same commit is to give the same layer. */
static int set_times(const struct git *git, int64_t *ret_time_s, struct wcow_error *err)
{
    static const char *const args[] = {"log", "-1", "--format=%ct", NULL};
    wcow_autobuf out = {0};
    int r = run(git, args, &out, err);
    if (r < 0)
        return r;
    commit_time =
        (struct timespec){.tv_sec = out.data ? strtoll((const char *)out.data, NULL, 10) : 0};
    // NOLINTNEXTLINE(concurrency-mt-unsafe): it does not change the folder
    (void)nftw(git->folder, set_time, OPEN_FOLDERS, FTW_PHYS | FTW_DEPTH);
    *ret_time_s = commit_time.tv_sec;
    return WCOW_OK;
}

static int check_out(const struct git *git, const struct wcow_git_url *url, const char *commit,
                     struct wcow_git_checkout *ret, struct wcow_error *err)
{
    static const char *const init[] = {"init", "-q", NULL};
    static const char *const submodules[] = {"submodule",   "-q",        "update", "--init",
                                             "--recursive", "--depth=1", NULL};
    const char *const origin[] = {"remote", "add", "origin", git->login.repository, NULL};
    int r = run_quietly(git, init, err);
    if (r == WCOW_OK)
        r = run_quietly(git, origin, err);
    if (r == WCOW_OK)
        r = fetch(git, url, err);
    if (r == WCOW_OK)
        r = check_commit(git, commit ? commit : url->commit, ret->commit, err);
    if (r == WCOW_OK && url->submodules != WCOW_NO)
        r = run_quietly(git, submodules, err);
    return r < 0 ? r : set_times(git, &ret->time_s, err);
}

/* ---- what a name stands for ---- */

/* How git fetch reads a name: the first of these that the repository has. */
static const char *const name_rules[] = {"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"};
enum { N_NAME_RULES = sizeof(name_rules) / sizeof(name_rules[0]) };

/* The rule by which @p ref is @p name; N_NAME_RULES: none. *ret_peeled: what a tag is of. */
static size_t rule_of(const char *name, size_t len, const char *ref, bool *ret_peeled)
{
    static const char peeled[] = "^{}";
    const size_t peeled_len = sizeof(peeled) - 1;
    *ret_peeled = len > peeled_len && memcmp(name + len - peeled_len, peeled, peeled_len) == 0;
    len -= *ret_peeled ? peeled_len : 0;
    for (size_t i = 0; i < N_NAME_RULES; i++) {
        size_t prefix = strlen(name_rules[i]);
        if (len == prefix + strlen(ref) && strncmp(name, name_rules[i], prefix) == 0 &&
            strncmp(name + prefix, ref, len - prefix) == 0)
            return i;
    }
    return N_NAME_RULES;
}

/* Of lines "<digest> TAB <name>"; others are git's remarks. */
static bool find_ref(const char *lines, const char *ref, char ret[static 65])
{
    size_t best = N_NAME_RULES;
    for (const char *p = lines; *p; p += strcspn(p, "\n") + (strchr(p, '\n') != NULL)) {
        size_t digits = strspn(p, "0123456789abcdef");
        bool is_peeled = false;
        if ((digits != 40 && digits != 64) || p[digits] != '\t')
            continue;
        const char *name = p + digits + 1;
        size_t rule = rule_of(name, strcspn(name, "\n"), ref, &is_peeled);
        if (rule < best || (rule == best && is_peeled && best < N_NAME_RULES)) {
            best = rule;
            memcpy(ret, p, digits);
            ret[digits] = '\0';
        }
    }
    return best < N_NAME_RULES;
}

int wcow_git_resolve(const struct wcow_git_url *url, const atomic_bool *cancel, char ret[static 65],
                     struct wcow_error *err)
{
    const char *ref = url->ref ? url->ref : "HEAD";
    wcow_autobuf peeled = {0};
    wcow_autobuf out = {0};
    int r = wcow_buf_addf(&peeled, err, "%s^{}", ref);
    if (r < 0)
        return r;
    WCOW_CLEANUP(git_done) struct git git = {.folder = "/", .cancel = cancel};
    r = begin(&git, url->repository, err);
    const char *const args[] = {
        "ls-remote", "-q", "--", git.login.repository, ref, (const char *)peeled.data, NULL};
    if (r == WCOW_OK)
        r = run(&git, args, &out, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", wcow_http_shown(url->repository).text);
    return find_ref(out.data ? (const char *)out.data : "", ref, ret);
}

/* ---- the folder ---- */

void wcow_git_checkout_free(struct wcow_git_checkout *checkout)
{
    if (!checkout)
        return;
    if (checkout->path)
        (void)!wcow_dir_tree_delete(AT_FDCWD, checkout->path, NULL, NULL);
    free(checkout->path);
    free(checkout);
}

static int make_folder(char **ret, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *dir = getenv("TMPDIR");
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, "%s/wcow-git-XXXXXX", dir && *dir ? dir : "/var/tmp");
    if (r < 0)
        return r;
    if (!mkdtemp((char *)path.data))
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "make the folder %s (set TMPDIR to another place)",
                               (const char *)path.data);
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repository");
}

int wcow_git_clone(const struct wcow_git_url *url, const char *commit, const atomic_bool *cancel,
                   struct wcow_git_checkout **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_checkout_free_p)
    struct wcow_git_checkout *checkout = calloc(1, sizeof(*checkout));
    if (!checkout)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repository");
    if (commit && url->commit && strcasecmp(commit, url->commit) != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--checksum is %s, and the commit of the URL %s: name "
                         "the same, or one only",
                         commit, url->commit);
    int r = make_folder(&checkout->path, err);
    if (r < 0)
        return r;
    WCOW_CLEANUP(git_done) struct git git = {.folder = checkout->path, .cancel = cancel};
    r = begin(&git, url->repository, err);
    if (r == WCOW_OK)
        r = check_out(&git, url, commit, checkout, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", wcow_http_shown(url->repository).text);
    *ret = WCOW_TAKE_PTR(checkout);
    return WCOW_OK;
}
