/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rpc/listener.h"

struct fixture {
    char dir[32];
    char path[64];
    char lock[80];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/wcow-sock-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
    (void)snprintf(f->lock, sizeof(f->lock), "%s.lock", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    (void)unlink(f->lock);
    int r = rmdir(f->dir);
    free(f);
    return r;
}

/* A listening socket as another program makes one. */
static int listen_at(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    (void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void one_at_a_time_holds_the_path(void **state)
{
    const struct fixture *f = *state;
    struct wcow_listener first;
    struct wcow_listener second;
    assert_ok(wcow_listener_open(f->path, &first, &err));
    assert_fails(wcow_listener_open(f->path, &second, &err), WCOW_E_EXISTS);
    assert_int_equal(wcow_socket_probe(f->path), 0);
    wcow_listener_close(&first);
    assert_int_equal(wcow_socket_probe(f->path), ENOENT);
    assert_ok(wcow_listener_open(f->path, &second, &err));
    wcow_listener_close(&second);
}

static void a_stale_socket_is_replaced(void **state)
{
    const struct fixture *f = *state;
    (void)close(listen_at(f->path));
    assert_int_equal(wcow_socket_probe(f->path), ECONNREFUSED);
    struct wcow_listener listener;
    assert_ok(wcow_listener_open(f->path, &listener, &err));
    assert_int_equal(wcow_socket_probe(f->path), 0);
    wcow_listener_close(&listener);
}

/* What a start that was killed left. */
static void a_stale_socket_of_a_start_is_replaced(void **state)
{
    const struct fixture *f = *state;
    char starting[sizeof(f->path) + 1];
    (void)snprintf(starting, sizeof(starting), "%s~", f->path);
    (void)close(listen_at(starting));
    struct wcow_listener listener;
    assert_ok(wcow_listener_open(f->path, &listener, &err));
    assert_int_equal(wcow_socket_probe(f->path), 0);
    assert_int_equal(access(starting, F_OK), -1);
    wcow_listener_close(&listener);
}

struct probe {
    const char *path;
    int first; /* that was not ENOENT */
};

static void *probe_until_there(void *arg)
{
    struct probe *probe = arg;
    do
        probe->first = wcow_socket_probe(probe->path);
    while (probe->first == ENOENT);
    return NULL;
}

static void who_sees_the_socket_can_connect(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        struct probe probe = {.path = f->path};
        struct wcow_listener listener;
        assert_int_equal(pthread_create(&thread, NULL, probe_until_there, &probe), 0);
        assert_ok(wcow_listener_open(f->path, &listener, &err));
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(probe.first, 0);
        wcow_listener_close(&listener);
    }
}

static void another_programs_socket_is_left_alone(void **state)
{
    const struct fixture *f = *state;
    wcow_autoclose int fd = listen_at(f->path);
    struct wcow_listener listener;
    assert_fails(wcow_listener_open(f->path, &listener, &err), WCOW_E_EXISTS);
    assert_int_equal(wcow_socket_probe(f->path), 0);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    const struct fixture *f = *state;
    int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)close(fd);
    struct wcow_listener listener;
    assert_fails(wcow_listener_open(f->path, &listener, &err), WCOW_E_EXISTS);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void a_socket_that_took_our_place_is_not_removed(void **state)
{
    const struct fixture *f = *state;
    struct wcow_listener listener;
    assert_ok(wcow_listener_open(f->path, &listener, &err));
    assert_int_equal(unlink(f->path), 0);
    wcow_autoclose int fd = listen_at(f->path);
    wcow_listener_close(&listener);
    assert_int_equal(wcow_socket_probe(f->path), 0);
}

static void paths_have_their_limit(void **state)
{
    const struct fixture *f = *state;
    char path[128];
    struct wcow_listener listener;
    (void)snprintf(path, sizeof(path), "%s/", f->dir);
    size_t len = strlen(path);
    memset(path + len, 'x', sizeof(path) - len);
    path[107] = '\0';
    assert_fails(wcow_listener_open(path, &listener, &err), WCOW_E_INVALID);
    assert_fails(wcow_listener_open("", &listener, &err), WCOW_E_INVALID);
    assert_fails(wcow_listener_open("unix://", &listener, &err), WCOW_E_INVALID);
    assert_fails(wcow_listener_open(NULL, &listener, &err), WCOW_E_INVALID);
    path[106] = '\0';
    assert_ok(wcow_listener_open(path, &listener, &err));
    assert_string_equal(listener.path, path);
    wcow_listener_close(&listener);
    char lock[sizeof(path) + 8];
    (void)snprintf(lock, sizeof(lock), "%s.lock", path);
    assert_int_equal(unlink(lock), 0);
}

/* In a child, as systemd starts one: the socket is descriptor 3. @return its exit code */
static int open_inherited(const char *n_fds, int fd, const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", (int)getpid());
        (void)setenv("LISTEN_PID", text, 1);  /* NOLINT(concurrency-mt-unsafe): own process */
        (void)setenv("LISTEN_FDS", n_fds, 1); /* NOLINT(concurrency-mt-unsafe): own process */
        (void)dup2(fd, 3);
        struct wcow_listener listener;
        int r = wcow_listener_open(NULL, &listener, NULL);
        if (r == WCOW_OK) {
            int again = wcow_listener_open(NULL, &listener, NULL);
            bool is_it = listener.fd == 3 && strcmp(listener.path, path) == 0;
            r = again == WCOW_E_INVALID && is_it ? 0 : 99;
            wcow_listener_close(&listener);
        }
        _exit(-r);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000;
}

static void a_socket_from_systemd_is_taken_once_and_never_unlinked(void **state)
{
    const struct fixture *f = *state;
    wcow_autoclose int fd = listen_at(f->path);
    wcow_autoclose int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(open_inherited("1", fd, f->path), WCOW_OK);
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_equal(open_inherited("2", fd, ""), WCOW_E_INVALID);
    assert_int_equal(open_inherited("1", file, ""), WCOW_E_INVALID);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(one_at_a_time_holds_the_path),
        WITH_FOLDER(a_stale_socket_is_replaced),
        WITH_FOLDER(a_stale_socket_of_a_start_is_replaced),
        WITH_FOLDER(who_sees_the_socket_can_connect),
        WITH_FOLDER(another_programs_socket_is_left_alone),
        WITH_FOLDER(a_file_that_is_no_socket_is_left_alone),
        WITH_FOLDER(a_socket_that_took_our_place_is_not_removed),
        WITH_FOLDER(paths_have_their_limit),
        WITH_FOLDER(a_socket_from_systemd_is_taken_once_and_never_unlinked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
