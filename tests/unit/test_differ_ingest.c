/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's file of an ingest is found by namespace and ref, or not at all. */
#include "differ_test.h"

#include "differ/host_link.h"
#include "differ/ingest.h"

static void make_ingest(const char *root, const char *folder, const char *ref, const char *data)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/ingest/%s", root, folder);
    assert_int_equal(mkdir(path, 0700), 0);
    const char *const contents[][2] = {{"ref", ref}, {"data", data}};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/ingest/%s/%s", root, folder, contents[i][0]);
        wcow_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        size_t len = strlen(contents[i][1]);
        assert_int_equal(write(fd, contents[i][1], len), (ssize_t)len);
    }
}

/* A content store without ingests. @param root  a template of mkdtemp() */
static void make_store(char *root)
{
    char path[64];
    assert_non_null(mkdtemp(root));
    (void)snprintf(path, sizeof(path), "%s/ingest", root);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void the_right_ingest_is_found(void **state)
{
    (void)state;
    char root[] = "/tmp/wcow-ingest-XXXXXX";
    make_store(root);
    make_ingest(root, "aa", "other/7/layer", "1");
    make_ingest(root, "bb", "ns/7/layer-2", "2");
    make_ingest(root, "cc", "ns/x/layer", "3");
    make_ingest(root, "dd", "ns/12/layer", "4");
    make_ingest(root, "ee", "ns/13/a/layer", "5");
    make_ingest(root, "ff", "", "6");
    static const struct {
        const char *ns;
        const char *ref;
        char data; /* 0: none is found */
    } cases[] = {{"ns", "layer", '4'},   {"other", "layer", '1'}, {"ns", "layer-2", '2'},
                 {"ns", "a/layer", '5'}, {"n", "layer", 0},       {"ns", "laye", 0},
                 {"ns", "", 0},          {"", "layer", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_ingest ingest;
        wcow_ingest_find(&ingest, root, cases[i].ns, cases[i].ref);
        char got = 0;
        if (ingest.fd >= 0)
            assert_int_equal(read(ingest.fd, &got, 1), 1);
        assert_int_equal(got, cases[i].data);
        wcow_ingest_grown(&ingest, 20 << 20);
        wcow_ingest_done(&ingest);
        assert_int_equal(ingest.fd, -1);
    }
    struct wcow_error err = {0};
    assert_int_equal(wcow_host_remove(AT_FDCWD, root, &err), 0);
}

/* Only into an empty file of nobody else: what is there already came from somebody. */
static void bytes_go_straight_into_an_empty_file(void **state)
{
    (void)state;
    char root[] = "/tmp/wcow-ingest-XXXXXX";
    char path[64];
    make_store(root);
    make_ingest(root, "aa", "ns/1/begun", "1");
    make_ingest(root, "bb", "ns/2/new", "");
    make_ingest(root, "cc", "ns/3/linked", "");
    (void)snprintf(path, sizeof(path), "%s/other-name", root);
    char linked[96];
    (void)snprintf(linked, sizeof(linked), "%s/ingest/cc/data", root);
    assert_int_equal(link(linked, path), 0);
    static const struct {
        const char *ref;
        bool is_ours;
    } cases[] = {{"begun", false}, {"new", true}, {"linked", false}, {"unknown", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_ingest ingest;
        wcow_ingest_find(&ingest, root, "ns", cases[i].ref);
        assert_int_equal(ingest.is_ours, cases[i].is_ours);
        wcow_ingest_done(&ingest);
    }
    struct wcow_error err = {0};
    assert_int_equal(wcow_host_remove(AT_FDCWD, root, &err), 0);
}

static void what_is_written_is_in_the_file(void **state)
{
    (void)state;
    char root[] = "/tmp/wcow-ingest-XXXXXX";
    make_store(root);
    make_ingest(root, "aa", "ns/1/layer", "");
    struct wcow_ingest ingest;
    struct wcow_error err = {0};
    wcow_ingest_find(&ingest, root, "ns", "layer");
    struct wcow_sink sink = wcow_ingest_sink(&ingest);
    assert_int_equal(wcow_sink_write(&sink, "lay", 3, &err), WCOW_OK);
    assert_int_equal(wcow_sink_write(&sink, "er", 2, &err), WCOW_OK);
    assert_int_equal(ingest.seen_bytes, 5);
    char got[8] = {0};
    assert_int_equal(pread(ingest.fd, got, sizeof(got), 0), 5);
    assert_string_equal(got, "layer");
    wcow_ingest_done(&ingest);
    assert_int_equal(wcow_host_remove(AT_FDCWD, root, &err), 0);
}

static void without_a_store_nothing_happens(void **state)
{
    (void)state;
    const char *const roots[] = {NULL, "/nonexistent", "/dev/null"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct wcow_ingest ingest;
        wcow_ingest_find(&ingest, roots[i], "ns", "layer");
        assert_int_equal(ingest.fd, -1);
        assert_false(ingest.is_ours);
        wcow_ingest_grown(&ingest, UINT64_C(1) << 40);
        wcow_ingest_done(&ingest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_ingest_is_found),
        cmocka_unit_test(bytes_go_straight_into_an_empty_file),
        cmocka_unit_test(what_is_written_is_in_the_file),
        cmocka_unit_test(without_a_store_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
