/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git_kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "run_command.h"
#include "wcow_test.h"

static char root[] = "/tmp/wcow-kept-test-XXXXXX";

static void run(const char *script)
{
    char text[2048];
    (void)snprintf(text, sizeof(text), "cd %s && %s", root, script);
    if (run_script(text) != 0)
        fail_msg("failed: %s", text);
}

/* More files than git unpacks when it fetches; with a submodule, a tag with a message, and a past.
 */
static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    assert_int_equal(setenv("GIT_ALLOW_PROTOCOL", "file", 1), 0);
    run("g='git -c user.name=a -c user.email=a@b' && git init -q -b main sub && cd sub && "
        "echo s >s && git add . && $g commit -q -m one && cd .. && git init -q -b main app && "
        "cd app && $g commit -q --allow-empty -m past && mkdir d && "
        "for i in $(seq 200); do seq $i 300 >d/$i; done && "
        "git submodule --quiet add \"file://$PWD/../sub\" sub && git add . && "
        "$g commit -q -m one && $g tag -m v1 v1");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return remove_all(root);
}

/* @param left in its .git before it is settled: a script, or NULL */
static struct wcow_git_checkout *check_out(const char *left)
{
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {.submodules = WCOW_UNSET};
    struct wcow_git_checkout *checkout = NULL;
    char address[100];
    (void)snprintf(address, sizeof(address), "file://%s/app", root);
    url.repository = strdup(address);
    url.ref = strdup("v1");
    assert_true(url.repository && url.ref);
    assert_ok(wcow_git_clone(&url, NULL, NULL, &checkout, &err));
    if (left) {
        char script[1024];
        (void)snprintf(script, sizeof(script), "cd %s/.git && %s", checkout->path, left);
        run(script);
    }
    assert_ok(wcow_git_settle(checkout, NULL, &err));
    return checkout;
}

/* All that an image would have of it. */
static void describe(const struct wcow_git_checkout *checkout, const char *name)
{
    char script[1024];
    (void)snprintf(script, sizeof(script),
                   "(cd %s && find . -printf '%%p %%y %%m %%T@ %%l\\n' | grep -v '^. ' | sort && "
                   "find . -type f | sort | xargs sha256sum) >%s",
                   checkout->path, name);
    run(script);
}

static void the_same_commit_gives_the_same_bytes(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_git_checkout_free_p) struct wcow_git_checkout *first = check_out(NULL);
    /* The server packs otherwise, and has gone on. */
    run("cd app && git repack -q -a -d -f --depth=2 --window=2 && "
        "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m two");
    WCOW_CLEANUP(wcow_git_checkout_free_p) struct wcow_git_checkout *second = check_out(NULL);
    describe(first, "first");
    describe(second, "second");
    run("grep -q '/.git/modules/sub/index ' first && diff first second");
}

static void what_a_fetch_left_is_not_kept(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_git_checkout_free_p) struct wcow_git_checkout *first = check_out(NULL);
    WCOW_CLEANUP(wcow_git_checkout_free_p)
    struct wcow_git_checkout *second = check_out(
        "mkdir -p objects/ab objects/cd && : >objects/ab/$(printf %038d 0).temp && "
        "git hash-object -w --stdin <config >/dev/null && cd objects/pack && : >pack-1.idx.temp && "
        ": >tmp_pack_1 && for i in *.pack; do : >${i%.pack}.keep; done");
    describe(first, "first");
    describe(second, "second");
    run("diff first second");
}

static void what_is_kept_is_a_repository(void **state)
{
    (void)state;
    char script[1024];
    WCOW_CLEANUP(wcow_git_checkout_free_p) struct wcow_git_checkout *checkout = check_out(NULL);
    (void)snprintf(script, sizeof(script),
                   "cd %s && test -z \"$(git status --porcelain)\" && git fsck --strict 2>&1 && "
                   "test \"$(git log -1 --format=%%s)\" = one && test -f sub/s && "
                   "test ! -e .git/logs && test ! -e .git/FETCH_HEAD && test ! -e .git/hooks",
                   checkout->path);
    run(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_commit_gives_the_same_bytes),
        cmocka_unit_test(what_a_fetch_left_is_not_kept),
        cmocka_unit_test(what_is_kept_is_a_repository),
    };
    return cmocka_run_group_tests_name("builder/git_kept", tests, setup, teardown);
}
