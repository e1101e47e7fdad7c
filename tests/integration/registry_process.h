/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_process.h
 *  A private docker-registry (Debian's package of that name) for one test: in a folder of its own,
 *  on a free loopback port, ended by its pid. */
#ifndef WCOW_TEST_REGISTRY_PROCESS_H
#define WCOW_TEST_REGISTRY_PROCESS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* "s3cret-Pass", salted, made once with crypt(3). */
#define REGISTRY_BCRYPT "$2y$05$abcdefghijklmnopqrstuumKVWSYe17ozCGcGOhpn1PsIYOB7PaOa"

struct registry_process {
    char dir[64];
    int port;
    pid_t pid;
};

struct registry_setup {
    bool htpasswd;           /* user "builder", password "s3cret-Pass" */
    bool tls;                /* <dir>/cert.pem, for 127.0.0.1 and localhost */
    bool client_cert;        /* with tls: clients have to show that certificate, too */
    const char *token_realm; /* tokens signed with <dir>/token-key.pem; NULL: none are asked for */
};

static inline int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int port = -1;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        getsockname(fd, (struct sockaddr *)&a, &len) == 0)
        port = ntohs(a.sin_port);
    if (fd >= 0)
        (void)close(fd);
    return port;
}

/* Run a program to its end; its exit status, -1 when it does not start. */
static inline int run_program(char *const argv[])
{
    pid_t pid;
    int status = 0;
    posix_spawn_file_actions_t quiet;
    (void)posix_spawn_file_actions_init(&quiet);
    (void)posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    int e = posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&quiet);
    if (e || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static inline void write_text(const char *dir, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        (void)fprintf(stderr, "cannot write %s\n", path);
        abort();
    }
}

/* <dir>/<prefix>key.pem and <dir>/<prefix>cert.pem. */
static inline void make_certificate(const char *dir, const char *prefix, const char *algorithm,
                                    const char *parameter)
{
    char key[128];
    char cert[128];
    char kind[32];
    char option[64];
    (void)snprintf(key, sizeof(key), "%s/%skey.pem", dir, prefix);
    (void)snprintf(cert, sizeof(cert), "%s/%scert.pem", dir, prefix);
    (void)snprintf(kind, sizeof(kind), "%s", algorithm);
    (void)snprintf(option, sizeof(option), "%s", parameter);
    char *const argv[] = {(char[]){"openssl"},
                          (char[]){"req"},
                          (char[]){"-x509"},
                          (char[]){"-newkey"},
                          kind,
                          (char[]){"-pkeyopt"},
                          option,
                          (char[]){"-nodes"},
                          (char[]){"-days"},
                          (char[]){"2"},
                          (char[]){"-subj"},
                          (char[]){"/CN=wcow test"},
                          (char[]){"-addext"},
                          (char[]){"subjectAltName=IP:127.0.0.1,DNS:localhost"},
                          (char[]){"-keyout"},
                          key,
                          (char[]){"-out"},
                          cert,
                          NULL};
    if (run_program(argv) != 0) {
        (void)fprintf(stderr, "openssl made no certificate; is it installed?\n");
        abort();
    }
}

static inline void write_registry_config(struct registry_process *p,
                                         const struct registry_setup *setup)
{
    char text[2048];
    int n = snprintf(text, sizeof(text),
                     "version: 0.1\n"
                     "log: {level: info, accesslog: {disabled: true}}\n"
                     "storage:\n  filesystem: {rootdirectory: %s/data}\n  delete: {enabled: true}\n"
                     "http:\n  addr: 127.0.0.1:%d\n",
                     p->dir, p->port);
    if (setup->tls) {
        make_certificate(p->dir, "", "ec", "ec_paramgen_curve:prime256v1");
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "  tls: {certificate: %s/cert.pem, key: %s/key.pem%s%s%s}\n", p->dir, p->dir,
                      setup->client_cert ? ", clientcas: [" : "", setup->client_cert ? p->dir : "",
                      setup->client_cert ? "/cert.pem]" : "");
    }
    if (setup->htpasswd) {
        write_text(p->dir, "htpasswd", "builder:" REGISTRY_BCRYPT "\n");
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "auth:\n  htpasswd: {realm: wcow test, path: %s/htpasswd}\n", p->dir);
    }
    if (setup->token_realm) {
        make_certificate(p->dir, "token-", "rsa", "rsa_keygen_bits:2048");
        (void)snprintf(text + n, sizeof(text) - (size_t)n,
                       "auth:\n  token: {realm: \"%s\", service: the registry, issuer: wcow test, "
                       "rootcertbundle: %s/token-cert.pem}\n",
                       setup->token_realm, p->dir);
    }
    write_text(p->dir, "config.yml", text);
}

/* Whether it says so itself: another program may have been quicker to take the port. */
static inline bool is_listening(const struct registry_process *p)
{
    char path[128];
    char want[64];
    char line[1024];
    bool found = false;
    (void)snprintf(path, sizeof(path), "%s/log", p->dir);
    (void)snprintf(want, sizeof(want), "listening on 127.0.0.1:%d", p->port);
    FILE *log = fopen(path, "re");
    while (log && !found && fgets(line, sizeof(line), log))
        found = strstr(line, want) != NULL;
    if (log)
        (void)fclose(log);
    return found;
}

static inline void registry_stop(struct registry_process *p)
{
    if (p->pid > 0) {
        (void)kill(p->pid, SIGTERM);
        (void)waitpid(p->pid, NULL, 0);
    }
    p->pid = 0;
    char *const argv[] = {(char[]){"rm"}, (char[]){"-rf"}, p->dir, NULL};
    if (p->dir[0])
        (void)run_program(argv);
}

/* @return whether it answers within a minute; not where it ended, as it does when another program
 * was quicker to take the port */
static inline bool registry_comes_up(struct registry_process *p)
{
    for (int i = 0; i < 1200; i++) {
        if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
            p->pid = 0;
            return false;
        }
        if (is_listening(p))
            return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return false;
}

static inline int registry_spawn(struct registry_process *p, const struct registry_setup *setup)
{
    char config[128];
    char log[128];
    p->port = free_port();
    write_registry_config(p, setup);
    (void)snprintf(config, sizeof(config), "%s/config.yml", p->dir);
    (void)snprintf(log, sizeof(log), "%s/log", p->dir);
    char *const argv[] = {(char[]){"docker-registry"}, (char[]){"serve"}, config, NULL};
    posix_spawn_file_actions_t out;
    (void)posix_spawn_file_actions_init(&out);
    (void)posix_spawn_file_actions_addopen(&out, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)posix_spawn_file_actions_addopen(&out, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int e = posix_spawnp(&p->pid, argv[0], &out, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&out);
    p->pid = e ? 0 : p->pid;
    return e;
}

/* False, with a word on standard error, when it does not start: that is a failure of the test. */
static inline bool registry_start(struct registry_process *p, const struct registry_setup *setup)
{
    *p = (struct registry_process){.dir = "/tmp/wcow-registry-XXXXXX"};
    if (!mkdtemp(p->dir))
        return false;
    int e = 0;
    for (int tries = 0; tries < 5 && !e && p->pid == 0; tries++) {
        e = registry_spawn(p, setup);
        if (!e && registry_comes_up(p))
            return true;
    }
    if (e)
        (void)fprintf(stderr,
                      "docker-registry does not start: %s; install the package docker-registry\n",
                      strerror(e));
    else
        (void)fprintf(stderr, "docker-registry does not answer on port %d\n", p->port);
    registry_stop(p);
    return false;
}

#endif
