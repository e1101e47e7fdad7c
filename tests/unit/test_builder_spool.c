/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/spool.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "wcow_test.h"

static struct wcow_payload put_piece(struct wcow_spool *spool, const char *text)
{
    struct wcow_payload piece = {0};
    uint64_t size_bytes = 0;
    assert_ok(wcow_spool_begin(spool, &err));
    assert_ok(wcow_spool_add(spool, text, strlen(text), &err));
    assert_ok(wcow_spool_end(spool, &piece, &size_bytes, &err));
    assert_int_equal(size_bytes, strlen(text));
    return piece;
}

static void assert_piece(struct wcow_payload *piece, const char *text)
{
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    assert_ok(wcow_payload_send(piece, &sink, &err));
    assert_int_equal(bytes.len, strlen(text));
    assert_true(bytes.len == 0 || memcmp(bytes.data, text, bytes.len) == 0);
    wcow_payload_done(piece);
}

static void pieces_are_read_again_each_by_itself(void **state)
{
    (void)state;
    static const char *const texts[] = {"one", "", "three"};
    struct wcow_payload pieces[3];
    struct wcow_spool *spool = NULL;
    assert_ok(wcow_spool_new(&spool, &err));
    for (size_t i = 0; i < 3; i++)
        pieces[i] = put_piece(spool, texts[i]);
    wcow_spool_free(spool); /* the pieces have it on */
    for (size_t i = 0; i < 3; i++)
        assert_piece(&pieces[i], texts[i]);
}

/* As where the disk is full: a file may not be larger. */
static void what_does_not_fit_is_said_with_what_helps(void **state)
{
    (void)state;
    static const char text[200] = "";
    struct wcow_spool *spool = NULL;
    struct wcow_error why = {0};
    struct rlimit before;
    assert_ok(wcow_spool_new(&spool, &err));
    assert_ok(wcow_spool_begin(spool, &err));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = {.rlim_cur = sizeof(text) / 2, .rlim_max = before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = wcow_spool_add(spool, text, sizeof(text), &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(r < 0 && r == why.code);
    assert_non_null(strstr(why.msg, "set TMPDIR to another folder"));
    wcow_spool_free(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_read_again_each_by_itself),
        cmocka_unit_test(what_does_not_fit_is_said_with_what_helps),
    };
    return cmocka_run_group_tests_name("builder/spool", tests, NULL, NULL);
}
