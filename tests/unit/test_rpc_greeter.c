/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/greeter.h"

static char folder[32];
static char path[64];
static int listener;

static struct sockaddr_un address(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/wcow-greeter-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    struct sockaddr_un a = address();
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return bind(listener, (const struct sockaddr *)&a, sizeof(a)) || listen(listener, 16);
}

static int teardown(void **state)
{
    (void)state;
    (void)close(listener);
    (void)unlink(path);
    return rmdir(folder);
}

static int dial(void)
{
    struct sockaddr_un a = address();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = 60};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void assert_greeted(int fd)
{
    static const char settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    char got[16] = "";
    assert_int_equal(read(fd, got, sizeof(got)), sizeof(settings));
    assert_memory_equal(got, settings, sizeof(settings));
}

static void who_comes_is_greeted_and_kept_for_the_one_after(void **state)
{
    (void)state;
    struct wcow_greeter *greeter = NULL;
    int fds[WCOW_GREETED_MAX];
    assert_ok(wcow_greeter_new(listener, NULL, 0, &greeter, &err));
    int one = dial();
    assert_greeted(one);
    assert_int_equal(wcow_greeter_stop(greeter, fds), 1);
    assert_ok(wcow_greeter_new(listener, fds, 1, &greeter, &err));
    int two = dial();
    assert_greeted(two);
    assert_int_equal(write(one, "to one", 6), 6);
    assert_int_equal(wcow_greeter_stop(greeter, fds), 2);
    char got[16] = "";
    assert_int_equal(read(fds[0], got, sizeof(got)), 6);
    assert_memory_equal(got, "to one", 6);
    const int all[] = {one, two, fds[0], fds[1]};
    for (size_t i = 0; i < 4; i++)
        (void)close(all[i]);
}

static void nobody_is_no_greeter(void **state)
{
    (void)state;
    int fds[WCOW_GREETED_MAX];
    assert_int_equal(wcow_greeter_stop(NULL, fds), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_comes_is_greeted_and_kept_for_the_one_after, setup,
                                        teardown),
        cmocka_unit_test(nobody_is_no_greeter),
    };
    return cmocka_run_group_tests_name("rpc/greeter", tests, NULL, NULL);
}
