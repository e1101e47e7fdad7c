/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "run_command.h"
#include "wcow_test.h"

static void repositories_are_told_from_files_and_urls(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool is_git;
    } cases[] = {{"https://example.com/app.git", true},
                 {"https://example.com/app.git#v1:sub", true},
                 {"http://example.com/app.git", true},
                 {"https://example.com/app.git?x=1", true},
                 {"https://example.com/app.tar.gz", false},
                 {"https://example.com/.github", false},
                 {"git@example.com:app", true},
                 {"ssh://git@example.com/app", true},
                 {"git://example.com/app", true},
                 {"app.git", false},
                 {"dir/git@example.com:app", false},
                 {"@scope:app", false},
                 {"C:\\git@x", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(wcow_git_is_url(cases[i].source), cases[i].is_git);
}

static void fragment_and_query_name_ref_and_folder(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *repository;
        const char *ref;
        const char *folder;
    } cases[] = {
        {"https://h/a.git", "https://h/a.git", NULL, NULL},
        {"https://h/a.git#v1", "https://h/a.git", "v1", NULL},
        {"https://h/a.git#v1:sub/x", "https://h/a.git", "v1", "sub/x"},
        {"git@h:a#:sub", "git@h:a", NULL, "sub"},
        {"git@h:a#", "git@h:a", NULL, NULL},
        {"https://h/a.git?tag=v1", "https://h/a.git", "refs/tags/v1", NULL},
        {"https://h/a.git?tag=refs/tags/v1", "https://h/a.git", "refs/tags/v1", NULL},
        {"https://h/a.git?branch=a%2Fb&subdir=x+y", "https://h/a.git", "refs/heads/a/b", "x y"},
        {"https://h/a.git?ref=v1&subdir=s#v1:s", "https://h/a.git", "v1", "s"},
        {"git@h:a?ref=v1", "git@h:a", "v1", NULL},
        {"https://h/a.git?", "https://h/a.git", NULL, NULL},
        {"https://h/a.git?mtime=commit&&submodules=0", "https://h/a.git", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {0};
        assert_ok(wcow_git_url_parse(cases[i].source, &url, &err));
        assert_string_equal(url.repository, cases[i].repository);
        assert_string_equal(url.ref ? url.ref : "", cases[i].ref ? cases[i].ref : "");
        assert_string_equal(url.folder ? url.folder : "", cases[i].folder ? cases[i].folder : "");
    }
}

static void the_query_says_what_is_kept_and_which_commit_it_must_be(void **state)
{
    (void)state;
    static const char commit[] = "0123456789abcdef0123456789ABCDEF01234567";
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url plain = {0};
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url full = {0};
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url direct = {0};
    assert_ok(wcow_git_url_parse("https://h/a.git", &plain, &err));
    assert_true(!plain.commit && plain.keep_git_dir == WCOW_UNSET &&
                plain.submodules == WCOW_UNSET);
    assert_ok(wcow_git_url_parse("https://h/a.git?keep-git-dir&submodules=false&commit=0123456#v1",
                                 &full, &err));
    assert_true(full.keep_git_dir == WCOW_YES && full.submodules == WCOW_NO);
    assert_string_equal(full.commit, "0123456");
    assert_ok(wcow_git_url_parse("https://h/a.git?branch=main&fetch-by-commit&checksum="
                                 "0123456789abcdef0123456789ABCDEF01234567",
                                 &direct, &err));
    assert_string_equal(direct.commit, commit);
    assert_string_equal(direct.ref, commit);
}

static void a_query_that_says_nothing_or_two_things_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *message;
    } cases[] = {
        {"x=1", "unexpected query \"x\": there are"},
        {"tag", "query \"tag\" has no value"},
        {"tag=", "query \"tag\" has no value"},
        {"ref=a&ref=b", "query \"ref\" has multiple values"},
        {"tag=a&branch=b", "branch conflicts with tag"},
        {"ref=a#b", "ref conflicts: \"b\" vs \"a\""},
        {"tag=a#a", "ref conflicts: \"a\" vs \"refs/tags/a\""},
        {"subdir=a#:b", "subdir conflicts: \"b\" vs \"a\""},
        {"subdir=..%2Fx", "\"../x\" could lead out of the repository: write it without \"..\""},
        {"submodules=maybe", "invalid submodules value: \"maybe\""},
        {"mtime=now", "invalid mtime value: \"now\""},
        {"commit=0123456&fetch-by-commit", "fetch-by-commit wants a whole commit"},
        {"ref=%2", "wants two hexadecimal digits"},
        {"ref=a%00b", "wants two hexadecimal digits"},
        {"ref=a%3Arefs/heads/b", "is no name of a branch, tag or commit"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_git_url url = {0};
        struct wcow_error err = {0};
        char source[100];
        (void)snprintf(source, sizeof(source), "https://h/a.git?%s", cases[i].query);
        assert_int_equal(wcow_git_url_parse(source, &url, &err), WCOW_E_INVALID);
        if (!strstr(err.msg, cases[i].message))
            fail_msg("%s: %s", cases[i].query, err.msg);
    }
}

static void what_git_could_take_for_an_option_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"-x",
                                        "#v1",
                                        "https://h/a.git#--upload-pack=x",
                                        "https://h/a.git#v1:../..",
                                        "https://h/a.git#a b",
                                        "https://h/a.git#:a/../b"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_git_url url = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_git_url_parse(cases[i], &url, &err), WCOW_E_INVALID);
        assert_true(err.msg[0]);
    }
}

/* ---- what names stand for ---- */

struct repository {
    char path[64];
    char first[65];
    char second[65];
};

/* Two commits; of the first is the tag v1 with a message of its own, a branch that is called as it
 * is, and x/main. */
static void make_repository(struct repository *ret)
{
    static const char script[] =
        "cd '%s' && git init -q -b main && g='git -c user.name=a -c user.email=a@b' && "
        "$g commit -q --allow-empty -m one && $g tag -m one v1 && git branch x/main && "
        "git rev-parse HEAD >first && $g commit -q --allow-empty -m two && git branch v1 && "
        "git rev-parse HEAD >second";
    char text[600];
    (void)snprintf(ret->path, sizeof(ret->path), "/tmp/wcow-git-test-XXXXXX");
    assert_non_null(mkdtemp(ret->path));
    (void)snprintf(text, sizeof(text), script, ret->path);
    assert_int_equal(run_script(text), 0);
}

static void read_line(const char *folder, const char *name, char ret[static 65])
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(ret, 65, f));
    ret[strcspn(ret, "\n")] = '\0';
    (void)fclose(f);
}

static void a_name_stands_for_what_git_would_fetch(void **state)
{
    (void)state;
    static char main_name[] = "main";
    static char tag[] = "v1";
    static char branch[] = "refs/heads/v1";
    static char deep[] = "x/main";
    static char none[] = "ain";
    struct repository repository;
    make_repository(&repository);
    read_line(repository.path, "first", repository.first);
    read_line(repository.path, "second", repository.second);
    const struct {
        char *ref;
        const char *commit; /* NULL: there is none */
    } cases[] = {{NULL, repository.second}, {main_name, repository.second},
                 {tag, repository.first},   {branch, repository.second},
                 {deep, repository.first},  {none, NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct wcow_git_url url = {.repository = repository.path, .ref = cases[i].ref};
        char commit[65] = "";
        assert_int_equal(wcow_git_resolve(&url, NULL, commit, NULL), cases[i].commit != NULL);
        assert_string_equal(commit, cases[i].commit ? cases[i].commit : "");
    }
    assert_int_equal(remove_all(repository.path), 0);
}

/* NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread */
/* As where a hook of the caller's repository builds. */
static void the_callers_own_repository_is_left_alone(void **state)
{
    (void)state;
    struct repository repository;
    char index[100];
    WCOW_CLEANUP(wcow_git_checkout_free_p) struct wcow_git_checkout *checkout = NULL;
    make_repository(&repository);
    (void)snprintf(index, sizeof(index), "%s/callers-index", repository.path);
    assert_int_equal(setenv("GIT_INDEX_FILE", index, 1), 0);
    assert_int_equal(setenv("GIT_OBJECT_DIRECTORY", "/nonexistent", 1), 0);
    const struct wcow_git_url url = {.repository = repository.path};
    int r = wcow_git_clone(&url, NULL, NULL, &checkout, NULL);
    assert_int_equal(unsetenv("GIT_INDEX_FILE"), 0);
    assert_int_equal(unsetenv("GIT_OBJECT_DIRECTORY"), 0);
    assert_int_equal(r, WCOW_OK);
    assert_int_equal(access(index, F_OK), -1);
    assert_int_equal(remove_all(repository.path), 0);
}

/* A git that leaves a process behind, which has its output open, as ssh with ControlPersist. */
static void put_other_git(const char *folder)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/git", folder);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fprintf(f, "#!/bin/sh\nsleep 600 &\necho $! >%s/left\nprintf '%%040d\\tHEAD\\n' 0\n",
                  folder);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void what_git_leaves_behind_is_not_waited_for(void **state)
{
    (void)state;
    struct repository repository;
    char text[4096];
    make_repository(&repository);
    put_other_git(repository.path);
    const char *before = getenv("PATH");
    assert_non_null(before);
    wcow_autofree char *path = strdup(before);
    (void)snprintf(text, sizeof(text), "%s:%s", repository.path, path);
    assert_int_equal(setenv("PATH", text, 1), 0);
    const struct wcow_git_url url = {.repository = repository.path};
    int r = wcow_git_resolve(&url, NULL, text, NULL);
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_int_equal(r, 1);
    read_line(repository.path, "left", text);
    assert_int_equal(kill((pid_t)strtol(text, NULL, 10), SIGKILL), 0); /* it was there still */
    assert_int_equal(remove_all(repository.path), 0);
}

/* NOLINTEND(concurrency-mt-unsafe) */

static void a_repository_that_is_not_there_is_told(void **state)
{
    (void)state;
    static char nowhere[] = "/nonexistent/app.git";
    const struct wcow_git_url url = {.repository = nowhere};
    struct wcow_error err = {0};
    char commit[65];
    assert_int_equal(wcow_git_resolve(&url, NULL, commit, &err), WCOW_E_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/app.git: git ls-remote failed"));
}

/* A submodule that cannot be had: git says where it was to lie. */
static void what_git_says_names_no_temporary_folder(void **state)
{
    (void)state;
    struct repository repository;
    struct wcow_git_checkout *checkout = NULL;
    struct wcow_error err = {0};
    char script[600];
    make_repository(&repository);
    (void)snprintf(script, sizeof(script),
                   "cd '%s' && printf '[submodule \"sub\"]\\npath = sub\\nurl = ./none\\n' "
                   ">.gitmodules && git add .gitmodules && "
                   "git update-index --add --cacheinfo 160000,$(cat first),sub && "
                   "git -c user.name=a -c user.email=a@b commit -q -m three",
                   repository.path);
    assert_int_equal(run_script(script), 0);
    const struct wcow_git_url url = {.repository = repository.path, .submodules = WCOW_UNSET};
    assert_int_equal(wcow_git_clone(&url, NULL, NULL, &checkout, &err), WCOW_E_IO);
    assert_non_null(strstr(err.msg, "git submodule failed"));
    assert_non_null(strstr(err.msg, "'sub'"));
    assert_null(strstr(err.msg, "wcow-git-XXXXXX"));
    assert_null(strstr(err.msg, "/var/tmp/wcow-git-"));
    assert_int_equal(remove_all(repository.path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repositories_are_told_from_files_and_urls),
        cmocka_unit_test(fragment_and_query_name_ref_and_folder),
        cmocka_unit_test(the_query_says_what_is_kept_and_which_commit_it_must_be),
        cmocka_unit_test(a_query_that_says_nothing_or_two_things_is_refused),
        cmocka_unit_test(what_git_could_take_for_an_option_is_refused),
        cmocka_unit_test(a_name_stands_for_what_git_would_fetch),
        cmocka_unit_test(the_callers_own_repository_is_left_alone),
        cmocka_unit_test(what_git_leaves_behind_is_not_waited_for),
        cmocka_unit_test(a_repository_that_is_not_there_is_told),
        cmocka_unit_test(what_git_says_names_no_temporary_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
