/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/context_source.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/build.h"
#include "wcow_test.h"

static char root[] = "/tmp/wcow-source.XXXXXX";

static void run(const char *command)
{
    char line[512];
    (void)snprintf(line, sizeof(line), "cd %s && %s", root, command);
    // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a test's own command, one thread
    assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    run("mkdir in && printf 'FROM scratch' >in/Dockerfile && printf x >in/f && ln in/f in/hard && "
        "ln -s f in/link && mkfifo in/fifo && chmod 0 in/f && tar czf good.tgz -C in .");
    run("printf secret >outside && mkdir a b && ln -s .. a/up && printf y >b/evil && "
        "tar cf up.tar -C a up && tar rf up.tar -C b --transform 's,^,up/,' evil");
    run("tar cf dots.tar -P --transform 's,^,../../,' outside && ln -s ../outside a/Dockerfile && "
        "tar cf link.tar -C a Dockerfile && printf 'FROM a\\nENV b=c\\n' >text");
    run("head -c 4000000 /dev/zero >in/big && tar czf big.tgz -C in big && rm in/big");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("chmod -R u+rw . && rm -rf in a b *.tgz *.tar outside text kept");
    return rmdir(root);
}

/* The source with standard input from a file. */
static int open_stdin(const char *name, bool takes_text, struct wcow_context_source *ret,
                      struct wcow_error *err)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    int saved = dup(STDIN_FILENO);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(saved >= 0 && fd >= 0);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    const struct wcow_context_fetch fetch = {.from = "-", .takes_text = takes_text};
    int r = wcow_context_source_open(&fetch, ret, err);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    (void)close(saved);
    (void)close(fd);
    return r;
}

static bool is_there(const struct wcow_context_source *source, const char *name, mode_t type)
{
    char path[512];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", source->folder, name);
    return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static void a_folder_is_taken_as_it_is(void **state)
{
    (void)state;
    const struct wcow_context_fetch fetch = {.from = root};
    WCOW_CLEANUP(wcow_context_source_done) struct wcow_context_source source = {0};
    struct wcow_build_options options = {.context = root, .dockerfile = "/elsewhere/Dockerfile"};
    wcow_autofree char *dockerfile = NULL;
    assert_ok(wcow_context_source_open(&fetch, &source, &err));
    assert_string_equal(source.folder, root);
    assert_ok(wcow_context_source_apply(&source, &options, &dockerfile, &err));
    assert_string_equal(options.dockerfile, "/elsewhere/Dockerfile");
}

static void an_archive_becomes_a_folder_that_goes_with_the_source(void **state)
{
    (void)state;
    struct wcow_context_source source = {0};
    struct wcow_build_options options = {.context = "-"};
    wcow_autofree char *dockerfile = NULL;
    assert_ok(open_stdin("good.tgz", true, &source, &err));
    assert_true(is_there(&source, "f", S_IFREG));
    assert_true(is_there(&source, "hard", S_IFREG));
    assert_true(is_there(&source, "link", S_IFLNK));
    assert_false(is_there(&source, "fifo", S_IFIFO));
    assert_ok(wcow_context_source_apply(&source, &options, &dockerfile, &err));
    assert_int_equal(access(options.dockerfile, R_OK), 0);
    wcow_autofree char *folder = strdup(source.folder);
    wcow_context_source_done(&source);
    assert_int_equal(access(folder, F_OK), -1);
}

static void a_text_is_a_dockerfile_with_nothing_beside_it(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_context_source_done) struct wcow_context_source source = {0};
    struct wcow_build_options options = {.context = "-"};
    wcow_autofree char *dockerfile = NULL;
    assert_ok(open_stdin("text", true, &source, &err));
    assert_false(is_there(&source, "Dockerfile", S_IFREG));
    assert_ok(wcow_context_source_apply(&source, &options, &dockerfile, &err));
    assert_int_equal(access(options.dockerfile, R_OK), 0);
    wcow_autofree char *other = NULL;
    options = (struct wcow_build_options){.context = "-", .dockerfile = "D"};
    assert_fails(wcow_context_source_apply(&source, &options, &other, &err), WCOW_E_INVALID);
    options = (struct wcow_build_options){.context = "-", .dockerfile = "-"};
    assert_fails(wcow_context_source_apply(&source, &options, &other, &err), WCOW_E_INVALID);
    struct wcow_context_source none = {0};
    assert_fails(open_stdin("text", false, &none, &err), WCOW_E_INVALID);
}

static void nothing_leaves_the_folder(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_context_source_done) struct wcow_context_source dots = {0};
    assert_ok(open_stdin("dots.tar", true, &dots, &err));
    assert_true(is_there(&dots, "outside", S_IFREG));
    struct wcow_context_source up = {0};
    assert_fails(open_stdin("up.tar", true, &up, &err), WCOW_E_CORRUPT);
    WCOW_CLEANUP(wcow_context_source_done) struct wcow_context_source link = {0};
    struct wcow_build_options options = {.context = "-"};
    wcow_autofree char *dockerfile = NULL;
    assert_ok(open_stdin("link.tar", true, &link, &err));
    assert_fails(wcow_context_source_apply(&link, &options, &dockerfile, &err), WCOW_E_INVALID);
}

/* As a full disk does: writing fails in the middle. */
static int open_limited(const char *name, rlim_t max_bytes, struct wcow_context_source *ret,
                        struct wcow_error *err)
{
    struct rlimit saved;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct rlimit low = {.rlim_cur = max_bytes, .rlim_max = saved.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int r = open_stdin(name, true, ret, err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
    return r;
}

static void what_does_not_fit_is_an_error_that_says_where(void **state)
{
    (void)state;
    enum { BELOW_ARCHIVE = 1000, BELOW_FILE = 1 << 20 };
    struct wcow_context_source source = {0};
    struct wcow_error why = {0};
    assert_int_equal(open_limited("big.tgz", BELOW_FILE, &source, &why), WCOW_E_LIMIT);
    assert_non_null(strstr(why.msg, "standard input: unpack the archive"));
    assert_non_null(strstr(why.msg, "/wcow-context-"));
    assert_non_null(strstr(why.msg, "set TMPDIR"));
    assert_int_equal(open_limited("big.tgz", BELOW_ARCHIVE, &source, &why), WCOW_E_LIMIT);
    assert_non_null(strstr(why.msg, "set TMPDIR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_taken_as_it_is),
        cmocka_unit_test(an_archive_becomes_a_folder_that_goes_with_the_source),
        cmocka_unit_test(a_text_is_a_dockerfile_with_nothing_beside_it),
        cmocka_unit_test(nothing_leaves_the_folder),
        cmocka_unit_test(what_does_not_fit_is_an_error_that_says_where),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
