/* SPDX-License-Identifier: Apache-2.0 */
/* What ADD fetches, from a server that breaks off, changes its file and sends elsewhere. */
#include "wcow_test.h"

#include "builder/remote.h"
#include "registry_bad_server.h"

enum { FILE_BYTES = 200000 };
static uint8_t content[2][FILE_BYTES];

/* Of the server's thread while it runs. */
static struct {
    int cuts;            /* so many bodies break off yet */
    int changes_after;   /* so many answers the file is another one; 0: never */
    bool no_ranges;      /* all is sent each time */
    bool lies;           /* a range has another beginning than was asked for */
    bool no_validator;   /* nothing tells one file from another */
    const char *etag[2]; /* of both files; NULL: Last-Modified alone */
    const char *date;    /* of both files; NULL: one each */
    int redirect_to;     /* a port; 0: none */
    int answers;
    int not_modified;
    size_t sent;
    char asked[256]; /* If-None-Match or If-Modified-Since of the last request */
} site;

static int setup(void **state)
{
    (void)state;
    memset(&site, 0, sizeof(site));
    for (size_t i = 0; i < FILE_BYTES; i++) {
        content[0][i] = (uint8_t)(i * 7 + i / 251);
        content[1][i] = (uint8_t)(i * 11 + i / 253);
    }
    return 0;
}

static void describe(int version, char *to, size_t size)
{
    static const char *const dates[] = {"Wed, 01 Jan 2020 00:00:00 GMT",
                                        "Thu, 02 Jan 2020 00:00:00 GMT"};
    int n = snprintf(to, size, "Last-Modified: %s\r\n", site.date ? site.date : dates[version]);
    if (site.etag[version])
        (void)snprintf(to + n, size - (size_t)n, "ETag: %s\r\n", site.etag[version]);
    if (site.no_validator)
        to[0] = '\0';
}

static bool is_known(const struct bad_request *q, const char *headers)
{
    header_of(q, "If-None-Match", site.asked, sizeof(site.asked));
    if (!site.asked[0])
        header_of(q, "If-Modified-Since", site.asked, sizeof(site.asked));
    return site.asked[0] && strstr(headers, site.asked);
}

/* Where the answer begins: what If-Range says holds for the file that there is now. */
static size_t begin_of(const struct bad_request *q, const char *headers)
{
    char range[64];
    char condition[128];
    header_of(q, "Range", range, sizeof(range));
    header_of(q, "If-Range", condition, sizeof(condition));
    bool may = range[0] && !site.no_ranges && condition[0] && strstr(headers, condition);
    return may ? strtoul(range + strlen("bytes="), NULL, 10) : 0;
}

static void send_file(int fd, int version, size_t from, const char *headers)
{
    char head[1024];
    size_t len = FILE_BYTES - from;
    int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n",
                     from ? "206 Partial Content" : "200 OK", headers, len);
    if (from)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Range: bytes %zu-%d/%d\r\n",
                      site.lies ? from + 1 : from, FILE_BYTES - 1, FILE_BYTES);
    (void)snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
    if (site.cuts) {
        site.cuts--;
        len = len < 25000 ? len / 2 : 25000;
    }
    send_bytes(fd, head, strlen(head));
    send_bytes(fd, content[version] + from, len);
    site.sent += len;
}

static void serves_file(struct bad_server *s, int fd, const struct bad_request *q)
{
    char headers[512];
    char auth[128];
    int version = site.changes_after && site.answers >= site.changes_after;
    describe(version, headers, sizeof(headers));
    header_of(q, "Authorization", auth, sizeof(auth));
    if (auth[0] && !site.redirect_to)
        atomic_store(&s->failure, 1);
    site.answers++;
    if (site.redirect_to && site.redirect_to != s->port) {
        (void)snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/elsewhere\r\n",
                       site.redirect_to);
        answer(fd, "302 Found", headers, "", 0);
    } else if (is_known(q, headers)) {
        site.not_modified++;
        answer(fd, "304 Not Modified", headers, "", 0);
    } else {
        send_file(fd, version, begin_of(q, headers), headers);
    }
}

/* What one test has. */
struct world {
    struct bad_server server;
    char url[64];
    struct wcow_remote_file file;
    struct wcow_error err;
};

static void begin(struct world *w)
{
    *w = (struct world){.server = {.handle = serves_file}};
    bad_server_start(&w->server);
    (void)snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%d/file.bin", w->server.port);
}

static void finish(struct world *w)
{
    bad_server_stop(&w->server);
    wcow_remote_file_done(&w->file);
    assert_int_equal(atomic_load(&w->server.failure), 0);
}

static int get(struct world *w, const struct wcow_remote_known *known)
{
    const struct wcow_remote_fetch fetch = {.url = w->url, .known = known, .retry_delay_ms = 1};
    wcow_remote_file_done(&w->file);
    return wcow_remote_get(&fetch, &w->file, &w->err);
}

static void assert_version(const struct world *w, int version)
{
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    struct wcow_error err = {0};
    assert_false(w->file.is_known);
    assert_int_equal(w->file.size_bytes, FILE_BYTES);
    assert_int_equal(wcow_payload_send(&w->file.payload, &sink, &err), WCOW_OK);
    assert_int_equal(bytes.len, FILE_BYTES);
    assert_memory_equal(bytes.data, content[version], FILE_BYTES);
}

/* ---- broken transfers ---- */

static void fetch_whole(int version)
{
    struct world w;
    begin(&w);
    int r = get(&w, NULL);
    if (r < 0)
        print_error("%s\n", w.err.msg);
    assert_int_equal(r, WCOW_OK);
    assert_version(&w, version);
    finish(&w);
}

static void a_broken_download_goes_on_where_it_broke(void **state)
{
    (void)state;
    site.etag[0] = "\"one\"";
    site.cuts = 6; /* more than there are attempts: progress gives new ones */
    fetch_whole(0);
    assert_int_equal(site.sent, FILE_BYTES);
}

static void by_its_time_where_there_is_no_etag(void **state)
{
    (void)state;
    site.cuts = 6;
    fetch_whole(0);
    assert_int_equal(site.sent, FILE_BYTES);
}

static void a_server_without_ranges_sends_all_again(void **state)
{
    (void)state;
    site.no_ranges = true;
    site.etag[0] = "\"one\"";
    site.cuts = 2;
    fetch_whole(0);
}

static void a_file_that_changes_meanwhile_is_fetched_anew(void **state)
{
    (void)state;
    site.etag[0] = "\"one\"";
    site.etag[1] = "\"two\"";
    site.cuts = 1;
    site.changes_after = 1;
    fetch_whole(1);
    assert_int_equal(site.answers, 3); /* broken, another one, anew */
}

static void without_etags_too(void **state)
{
    (void)state;
    site.cuts = 1;
    site.changes_after = 1;
    fetch_whole(1);
}

static void what_nothing_tells_apart_is_fetched_anew(void **state)
{
    (void)state;
    site.no_validator = true;
    site.cuts = 2;
    site.changes_after = 1;
    fetch_whole(1);
    assert_int_equal(site.answers, 3);
}

/* Put there this second, or from a server that has one date for all. */
static void a_date_that_tells_nothing_is_not_gone_by(void **state)
{
    (void)state;
    static const char *const dates[] = {"Tue, 31 Dec 2999 00:00:00 GMT",
                                        "Thu, 01 Jan 1970 00:00:00 GMT", "no date"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        (void)setup(NULL);
        site.date = dates[i];
        site.cuts = 1;
        site.changes_after = 1;
        fetch_whole(1);
    }
}

static void another_range_than_was_asked_for_is_not_taken(void **state)
{
    (void)state;
    site.etag[0] = "\"one\"";
    site.lies = true;
    site.cuts = 1;
    fetch_whole(0);
    assert_int_equal(site.answers, 3);
}

/* ---- what is known ---- */

/* Fetch, remember, and ask again with what was remembered. */
static void ask_twice(struct world *w)
{
    wcow_autobuf text = {0};
    WCOW_CLEANUP(wcow_remote_known_done) struct wcow_remote_known known = {0};
    assert_int_equal(get(w, NULL), WCOW_OK);
    assert_ok(wcow_remote_known_write(&w->file.said, &text, &err));
    assert_true(wcow_remote_known_read((const char *)text.data, &known));
    assert_int_equal(get(w, &known), WCOW_OK);
}

static void what_is_still_the_same_is_not_fetched(void **state)
{
    (void)state;
    static const char *const etags[] = {"\"one\"", "W/\"weak\"", NULL};
    for (size_t i = 0; i < sizeof(etags) / sizeof(etags[0]); i++) {
        struct world w;
        site.etag[0] = etags[i];
        site.not_modified = 0;
        begin(&w);
        ask_twice(&w);
        assert_true(w.file.is_known);
        assert_int_equal(site.not_modified, 1);
        assert_int_equal(w.file.mtime_s, 1577836800);
        assert_true(wcow_digest_is_valid(w.file.said.digest.text));
        finish(&w);
    }
}

static void what_changed_is_fetched(void **state)
{
    (void)state;
    struct world w;
    site.etag[0] = "\"one\"";
    site.etag[1] = "\"two\"";
    site.changes_after = 1;
    begin(&w);
    ask_twice(&w);
    assert_string_equal(site.asked, "\"one\"");
    assert_version(&w, 1);
    finish(&w);
}

static void another_place_is_not_asked_by_what_the_first_said(void **state)
{
    (void)state;
    struct world w;
    struct bad_server other = {.handle = serves_file};
    wcow_autobuf text = {0};
    WCOW_CLEANUP(wcow_remote_known_done) struct wcow_remote_known known = {0};
    site.etag[0] = "\"one\"";
    begin(&w);
    assert_int_equal(get(&w, NULL), WCOW_OK);
    assert_ok(wcow_remote_known_write(&w.file.said, &text, &err));
    assert_true(wcow_remote_known_read((const char *)text.data, &known));
    bad_server_start(&other);
    site.redirect_to = other.port; /* where the same ETag may be another file's */
    assert_int_equal(get(&w, &known), WCOW_OK);
    assert_version(&w, 0);
    assert_string_equal(site.asked, "");
    bad_server_stop(&other);
    finish(&w);
}

static void a_redirect_takes_no_login_along(void **state)
{
    (void)state;
    struct world w;
    struct bad_server other = {.handle = serves_file};
    begin(&w);
    bad_server_start(&other);
    site.redirect_to = other.port;
    (void)snprintf(w.url, sizeof(w.url), "http://user:s3cret@127.0.0.1:%d/file.bin", w.server.port);
    assert_int_equal(get(&w, NULL), WCOW_OK);
    assert_version(&w, 0);
    assert_int_equal(atomic_load(&other.requests), 1);
    site.redirect_to = 0;
    bad_server_stop(&other);
    finish(&w);
}

static void a_text_that_is_none_is_not_known(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "sha256:0 sha256:0 1\n\n\n", "x",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 x\n\n\n",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 1\n\"etag\"\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        WCOW_CLEANUP(wcow_remote_known_done) struct wcow_remote_known known = {0};
        assert_false(wcow_remote_known_read(texts[i], &known));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_broken_download_goes_on_where_it_broke, setup),
        cmocka_unit_test_setup(by_its_time_where_there_is_no_etag, setup),
        cmocka_unit_test_setup(a_server_without_ranges_sends_all_again, setup),
        cmocka_unit_test_setup(a_file_that_changes_meanwhile_is_fetched_anew, setup),
        cmocka_unit_test_setup(without_etags_too, setup),
        cmocka_unit_test_setup(what_nothing_tells_apart_is_fetched_anew, setup),
        cmocka_unit_test(a_date_that_tells_nothing_is_not_gone_by),
        cmocka_unit_test_setup(another_range_than_was_asked_for_is_not_taken, setup),
        cmocka_unit_test_setup(what_is_still_the_same_is_not_fetched, setup),
        cmocka_unit_test_setup(what_changed_is_fetched, setup),
        cmocka_unit_test_setup(another_place_is_not_asked_by_what_the_first_said, setup),
        cmocka_unit_test_setup(a_redirect_takes_no_login_along, setup),
        cmocka_unit_test(a_text_that_is_none_is_not_known),
    };
    return cmocka_run_group_tests_name("builder/remote", tests, NULL, NULL);
}
