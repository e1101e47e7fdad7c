/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/wcow_test.h"

static int three_chunks(void *ctx, const uint8_t **ret_data, size_t *ret_len,
                        struct wcow_error *err)
{
    static const uint8_t text[] = "onetwothree";
    static const size_t ends[] = {0, 3, 6, 11, 11};
    size_t *at = ctx;
    (void)err;
    *ret_data = text + ends[*at];
    *ret_len = ends[*at + 1] - ends[*at];
    (*at)++;
    return WCOW_OK;
}

static void all_that_a_source_gives_is_written(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autoclose int fd = memfd_create("test", MFD_CLOEXEC);
    size_t at = 0;
    const struct wcow_source source = {.next = three_chunks, .ctx = &at};
    assert_int_equal(wcow_fd_take(fd, &source, "a test", &err), WCOW_OK);
    const struct wcow_sink sink = wcow_fd_sink(&fd);
    assert_int_equal(wcow_sink_write(&sink, "four", 4, &err), WCOW_OK);
    char text[16] = "";
    assert_int_equal(pread(fd, text, sizeof(text), 0), 15);
    assert_string_equal(text, "onetwothreefour");
}

static void a_full_disk_is_told_with_the_name(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    wcow_autoclose int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(wcow_fd_write(fd, "x", 1, "layer.tar", &err), WCOW_E_LIMIT);
    assert_non_null(strstr(err.msg, "write layer.tar"));
}

/* In a process of its own: 0, or what is wrong. */
static int begin_without_standard(void)
{
    char byte = 0;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)close(fd);
    wcow_fd_hold_standard();
    if (memfd_create("test", MFD_CLOEXEC) <= STDERR_FILENO)
        return 1;
    if (read(STDIN_FILENO, &byte, 1) >= 0)
        return 2;
    return write(STDOUT_FILENO, "x", 1) >= 0 || write(STDERR_FILENO, "x", 1) >= 0 ? 3 : 0;
}

static void no_file_takes_the_place_of_standard_output(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(begin_without_standard());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_source_gives_is_written),
        cmocka_unit_test(a_full_disk_is_told_with_the_name),
        cmocka_unit_test(no_file_takes_the_place_of_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
