/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/metrics.h"

static int more(void *ctx, struct wcow_buf *out, struct wcow_error *err)
{
    return wcow_buf_addf(out, err, "wcow_extra %d\n", *(int *)ctx);
}

static void calls_are_counted_by_method_and_status(void **state)
{
    (void)state;
    int extra = 7;
    WCOW_CLEANUP(wcow_metrics_free_p) struct wcow_metrics *m = NULL;
    assert_ok(wcow_metrics_new(more, &extra, &m, &err));
    wcow_metrics_call(m, "/a.B/C", WCOW_OK, 50000);
    wcow_metrics_call(m, "/a.B/C", WCOW_OK, 2000000);
    wcow_metrics_call(m, "/a.B/C", WCOW_E_NOT_FOUND, UINT64_C(120000000000));
    wcow_autobuf text = {0};
    assert_ok(wcow_metrics_write(m, &text, &err));
    static const char *const lines[] = {
        "wcow_calls_total{method=\"/a.B/C\",code=\"OK\"} 2\n",
        "wcow_calls_total{method=\"/a.B/C\",code=\"NotFound\"} 1\n",
        "wcow_call_duration_seconds_bucket{method=\"/a.B/C\",le=\"0.0001\"} 1\n",
        "wcow_call_duration_seconds_bucket{method=\"/a.B/C\",le=\"0.005\"} 2\n",
        "wcow_call_duration_seconds_bucket{method=\"/a.B/C\",le=\"60\"} 2\n",
        "wcow_call_duration_seconds_bucket{method=\"/a.B/C\",le=\"+Inf\"} 3\n",
        "wcow_call_duration_seconds_count{method=\"/a.B/C\"} 3\n",
        "wcow_extra 7\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr((const char *)text.data, lines[i]));
}

static char folder[32];   /* of one test */
static char path[64];     /* of the socket in it */
static char starting[80]; /* its name until it listens */

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/wcow-metrics-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/sock", folder);
    (void)snprintf(starting, sizeof(starting), "%s~", path);
    return 0;
}

/* Nothing may be left in it. */
static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void ask(const char *request, char *reply, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    size_t used = 0;
    ssize_t n = 0;
    while (used < size - 1 && (n = read(fd, reply + used, size - 1 - used)) > 0)
        used += (size_t)n;
    reply[used] = '\0';
    (void)close(fd);
}

static void metrics_are_served_on_a_private_socket(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_metrics_free_p) struct wcow_metrics *m = NULL;
    assert_ok(wcow_metrics_new(NULL, NULL, &m, &err));
    wcow_metrics_call(m, "/a.B/C", WCOW_OK, 1);
    assert_ok(wcow_metrics_serve(m, path, &err));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(starting, F_OK), -1);

    static char reply[8192];
    ask("GET /metrics HTTP/1.0\r\n\r\n", reply, sizeof(reply));
    assert_non_null(strstr(reply, " 200 OK"));
    assert_non_null(strstr(reply, "wcow_calls_total{method=\"/a.B/C\",code=\"OK\"} 1"));
    ask("GET / HTTP/1.0\r\n\r\n", reply, sizeof(reply));
    assert_non_null(strstr(reply, " 404 "));
    ask("POST /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n", reply, sizeof(reply));
    assert_non_null(strstr(reply, " 405 "));

    wcow_metrics_free(m);
    m = NULL;
    assert_int_equal(access(path, F_OK), -1);
}

/* A socket as a daemon leaves it that was killed: bound, and nobody behind it. */
static void leave_behind(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd);
}

static void only_leftovers_make_room_for_the_socket(void **state)
{
    (void)state;
    leave_behind(path);
    leave_behind(starting);
    WCOW_CLEANUP(wcow_metrics_free_p) struct wcow_metrics *first = NULL;
    WCOW_CLEANUP(wcow_metrics_free_p) struct wcow_metrics *second = NULL;
    assert_ok(wcow_metrics_new(NULL, NULL, &first, &err));
    assert_ok(wcow_metrics_serve(first, path, &err));
    assert_ok(wcow_metrics_new(NULL, NULL, &second, &err));
    assert_fails(wcow_metrics_serve(second, path, &err), WCOW_E_IO);
    assert_int_equal(access(starting, F_OK), -1);
    assert_int_equal(access(path, F_OK), 0);
}

static void metrics_stay_on_this_machine(void **state)
{
    (void)state;
    static const char *const bad[] = {"0.0.0.0:9100",    ":9100",      "localhost:9100",
                                      "127.0.0.1:99999", "127.0.0.1:", "relative.sock"};
    WCOW_CLEANUP(wcow_metrics_free_p) struct wcow_metrics *m = NULL;
    assert_ok(wcow_metrics_new(NULL, NULL, &m, &err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(wcow_metrics_serve(m, bad[i], &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_counted_by_method_and_status),
        cmocka_unit_test_setup_teardown(metrics_are_served_on_a_private_socket, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(only_leftovers_make_room_for_the_socket, make_folder,
                                        remove_folder),
        cmocka_unit_test(metrics_stay_on_this_machine),
    };
    return cmocka_run_group_tests_name("cli/metrics", tests, NULL, NULL);
}
