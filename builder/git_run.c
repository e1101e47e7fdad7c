/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git_run.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_OUTPUT_BYTES = 64 << 10, POLL_MS = 100, MAX_ARGS = 24 };

void wcow_git_run_done(struct wcow_git_run *git)
{
    free(git->env);
    wcow_git_login_done(&git->login);
}

/* What git tells its hooks about the caller's own repository, which is none of ours: with such a
 * variable a checkout would write that one's index. How git is configured stays. */
static bool is_of_caller(const char *variable)
{
    static const char *const names[] = {
        "GIT_DIR",          "GIT_WORK_TREE",        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",   "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",   "GIT_NAMESPACE",        "GIT_QUARANTINE_PATH",
        "GIT_PREFIX",       "GIT_GRAFT_FILE",       "GIT_SHALLOW_FILE",
        "GIT_TEMPLATE_DIR", "GIT_REPLACE_REF_BASE"};
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
    static char no_template[] = "GIT_TEMPLATE_DIR="; /* the caller's hooks are not the commit's */
    static char ssh[] = "GIT_SSH_COMMAND=ssh -o BatchMode=yes";
    size_t n = 0;
    while (environ[n])
        n++;
    char **env = calloc(n + WCOW_GIT_LOGIN_VARIABLES + 4, sizeof(char *));
    size_t k = 0;
    for (size_t i = 0; env && i < n; i++) {
        if (!is_of_caller(environ[i]) && !wcow_git_login_replaces(login, environ[i]))
            env[k++] = environ[i];
    }
    for (size_t i = 0; env && i < WCOW_GIT_LOGIN_VARIABLES && login->variables[i]; i++)
        env[k++] = login->variables[i];
    if (env) {
        env[k++] = no_prompt;
        env[k++] = no_template;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
        if (!getenv("GIT_SSH_COMMAND"))
            env[k] = ssh;
    }
    return env;
}

int wcow_git_run_begin(struct wcow_git_run *git, const char *address, struct wcow_error *err)
{
    int r = wcow_git_login_take(address, &git->login, err);
    if (r < 0)
        return r;
    git->env = make_environment(&git->login);
    return git->env ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for git");
}

static int spawn_git(const struct wcow_git_run *git, const char *const *args, int output,
                     pid_t *ret)
{
    char *argv[MAX_ARGS + 16] = {0};
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
    static char git_dir[] = "--git-dir=.";
    if (git->is_git_dir)
        argv[n++] = git_dir;
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
static int listen_to(const struct wcow_git_run *git, int fd, pid_t pid, struct wcow_buf *out,
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

/* The folder is a temporary one: to whom reads of it, what lies in it is the repository's. */
static void hide_folder(const struct wcow_git_run *git, struct wcow_buf *said)
{
    const size_t len = strlen(git->folder);
    char *p = (char *)said->data;
    while (len > 1 && p && (p = strstr(p, git->folder))) {
        size_t cut = p[len] == '/' ? len + 1 : len - 1;
        if (p[len] != '/')
            *p++ = '.';
        memmove(p, p + cut, strlen(p + cut) + 1);
        said->len -= cut;
    }
}

int wcow_git_run(const struct wcow_git_run *git, const char *const *args, struct wcow_buf *out,
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
    hide_folder(git, out);
    const char *said = out->data ? (const char *)out->data : "it said nothing";
    const size_t first = strcspn(said, "\n");
    if (!said[first])
        return WCOW_FAIL(err, WCOW_E_IO, "git %s failed: %s", args[0], said);
    return WCOW_FAIL(err, WCOW_E_IO, "git %s failed: %.*s\n%s", args[0], (int)first, said,
                     said + first + 1);
}

int wcow_git_run_quietly(const struct wcow_git_run *git, const char *const *args,
                         struct wcow_error *err)
{
    wcow_autobuf out = {0};
    return wcow_git_run(git, args, &out, err);
}
