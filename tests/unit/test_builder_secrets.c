/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/secrets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own_folder.h"
#include "wcow_test.h"

static void put_file(const char *name, const char *text)
{
    wcow_autoclose int fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
static int begin(void **state)
{
    int r = make_top(state);
    put_file("file", "of a file");
    put_file("a,b", "of a name with a comma");
    put_file("BARE", "of a bare name");
    assert_int_equal(chdir(top), 0);
    assert_int_equal(setenv("WCOW_TEST_SECRET", "of a variable", 1), 0);
    assert_int_equal(unsetenv("WCOW_TEST_NONE"), 0);
    return r;
}
/* NOLINTEND(concurrency-mt-unsafe) */

static int end(void **state)
{
    assert_int_equal(chdir("/"), 0);
    return remove_top(state);
}

static int parse(const char *first, const char *second, struct wcow_secrets *ret,
                 struct wcow_error *err)
{
    wcow_auto_str_list options = {0};
    int r = wcow_str_list_add(&options, first, err);
    if (r == WCOW_OK && second)
        r = wcow_str_list_add(&options, second, err);
    return r < 0 ? r : wcow_secrets_parse(&options, ret, err);
}

static void a_secret_is_a_file_or_a_variable(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        const char *value;
    } cases[] = {
        {"id=x,src=file", "of a file"},
        {"src=file,id=x", "of a file"},
        {"ID=x,Source=file", "of a file"},
        {"type=file,id=x,src=file", "of a file"},
        {"id=x,\"src=a,b\"", "of a name with a comma"},
        {"id=x,env=WCOW_TEST_SECRET", "of a variable"},
        {"id=x,env=WCOW_TEST_NONE", ""},
        {"type=env,id=x,src=WCOW_TEST_SECRET", "of a variable"},
        {"type=env,id=x,env=WCOW_TEST_SECRET", "of a variable"},
        {"id=x,src=file,env=WCOW_TEST_SECRET", "of a variable"},
        {"id=WCOW_TEST_SECRET", "of a variable"},
        {"type=env,id=WCOW_TEST_SECRET", "of a variable"},
        {"id=BARE", "of a bare name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_secrets_done) struct wcow_secrets secrets = {0};
        wcow_autobuf value = {0};
        assert_ok(parse(cases[i].option, NULL, &secrets, &err));
        assert_int_equal(wcow_secrets_read(&secrets, secrets.items[0].id, &value, NULL), 1);
        assert_string_equal(value.data ? (char *)value.data : "", cases[i].value);
        assert_int_equal(wcow_secrets_read(&secrets, "other", &value, NULL), 0);
    }
}

static void the_last_of_an_id_counts(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_secrets_done) struct wcow_secrets secrets = {0};
    wcow_autobuf value = {0};
    assert_ok(parse("id=x,src=file", "id=x,env=WCOW_TEST_SECRET", &secrets, &err));
    assert_int_equal(secrets.n, 1);
    assert_int_equal(wcow_secrets_read(&secrets, "x", &value, NULL), 1);
    assert_string_equal((char *)value.data, "of a variable");
}

static void what_is_wrong_is_said_before_the_build(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        const char *message;
        int code;
    } cases[] = {
        {"x", "invalid field 'x' must be a key=value pair", WCOW_E_INVALID},
        {"", "invalid field '' must be a key=value pair", WCOW_E_INVALID},
        {"id=x,", "invalid field '' must be a key=value pair", WCOW_E_INVALID},
        {"src=file", "secret missing ID", WCOW_E_INVALID},
        {"id=,src=file", "secret missing ID", WCOW_E_INVALID},
        {"id=x,mode=1", "unexpected key 'mode'", WCOW_E_INVALID},
        {"id=x,type=vault", "unsupported secret type \"vault\"", WCOW_E_INVALID},
        {"id=x,src=none", "failed to stat none: No such file", WCOW_E_NOT_FOUND},
        {"id=WCOW_TEST_NONE", "failed to stat WCOW_TEST_NONE", WCOW_E_NOT_FOUND},
        {"id=x,src=/", "/ is a folder", WCOW_E_INVALID},
        {"id=x,src=large", "secret x too big. max size 500KB", WCOW_E_LIMIT},
        {"id=x,src=\"a,b\"", "a quote within a field", WCOW_E_INVALID},
    };
    put_file("large", "");
    wcow_autoclose int fd = openat(top_fd, "large", O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, WCOW_SECRET_MAX_BYTES + 1), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_secrets secrets = {0};
        struct wcow_error why = {0};
        assert_int_equal(parse(cases[i].option, NULL, &secrets, &why), cases[i].code);
        if (!strstr(why.msg, cases[i].message) || strncmp(why.msg, "--secret ", 9) != 0)
            fail_msg("%s: %s", cases[i].option, why.msg);
    }
}

static void what_grew_meanwhile_is_refused(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_secrets_done) struct wcow_secrets secrets = {0};
    struct wcow_error why = {0};
    wcow_autobuf value = {0};
    assert_ok(parse("id=zero,src=/dev/zero", NULL, &secrets, &err));
    assert_int_equal(wcow_secrets_read(&secrets, "zero", &value, &why), WCOW_E_LIMIT);
    assert_non_null(strstr(why.msg, "secret zero too big"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_a_file_or_a_variable),
        cmocka_unit_test(the_last_of_an_id_counts),
        cmocka_unit_test(what_is_wrong_is_said_before_the_build),
        cmocka_unit_test(what_grew_meanwhile_is_refused),
    };
    return cmocka_run_group_tests_name("builder/secrets", tests, begin, end);
}
