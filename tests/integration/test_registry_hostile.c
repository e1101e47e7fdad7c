/* SPDX-License-Identifier: Apache-2.0 */
/* The registry client against servers that are after its credentials, its time or its memory:
 * redirects, logins, tokens, answers that never end or are none. */
#include "registry_bad_world.h"

#include "image/manifest.h"

/* ---- credentials ---- */

static void redirects_after_login(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    char headers[256];
    header_of(q, "Authorization", auth, sizeof(auth));
    if (strcmp(auth, BASIC) != 0) {
        answer(fd, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "", 0);
        return;
    }
    (void)snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/elsewhere\r\n",
                   atomic_load(&s->other_port));
    answer(fd, "307 Temporary Redirect", headers, "", 0);
}

static void a_redirect_carries_no_credentials(void **state)
{
    (void)state;
    struct bad_server other = {.handle = no_credentials_wanted};
    bad_server_start(&other);
    struct world w;
    begin(&w, redirects_after_login);
    atomic_store(&w.server.other_port, other.port);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    assert_int_equal(atomic_load(&other.requests), 1);
    assert_int_equal(atomic_load(&other.failure), 0);
    bad_server_stop(&other);
    finish(&w);
}

static void redirects_for_ever(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    answer(fd, "302 Found", "Location: /again\r\n", "", 0);
}

static void endless_redirects_end(void **state)
{
    (void)state;
    struct world w;
    begin(&w, redirects_for_ever);
    assert_int_equal(fetch(&w), WCOW_E_CORRUPT);
    finish(&w);
}

/* A registry with a token server that knows only GET; each second blob request finds its token
 * expired. */
static void token_by_get(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    char headers[512];
    header_of(q, "Authorization", auth, sizeof(auth));
    bool token_path = strncmp(q->path, "/token", 6) == 0;
    if (token_path && strcmp(q->method, "POST") == 0) {
        answer(fd, "405 Method Not Allowed", "", "", 0);
    } else if (token_path) {
        if (strcmp(auth, BASIC) != 0 || !strstr(q->path, "scope=repository%3Ateam%2Fapp%3Apull") ||
            !strstr(q->path, "service=the%20service"))
            atomic_store(&s->failure, 1);
        char body[64];
        int n = snprintf(body, sizeof(body), "{\"token\":\"t%d\",\"expires_in\":300}",
                         atomic_fetch_add(&s->step, 1) + 1);
        answer(fd, "200 OK", "", body, (size_t)n);
    } else {
        char want[32];
        (void)snprintf(want, sizeof(want), "Bearer t%d", atomic_load(&s->step));
        (void)snprintf(headers, sizeof(headers),
                       "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d/token\","
                       "service=\"the service\",scope=\"repository:team/app:pull\"\r\n",
                       s->port);
        bool in = strcmp(auth, want) == 0 && !atomic_exchange(&s->other_port, 0);
        answer(fd, in ? "200 OK" : "401 Unauthorized", in ? "" : headers, in ? blob : NULL,
               in ? sizeof(blob) : 0);
    }
}

static void a_token_is_got_kept_and_refreshed(void **state)
{
    (void)state;
    struct world w;
    begin(&w, token_by_get);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_int_equal(atomic_load(&w.server.requests), 4); /* 401, POST, GET, blob */
    w.out.len = 0;
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_int_equal(atomic_load(&w.server.requests), 5); /* the token serves again */
    w.out.len = 0;
    atomic_store(&w.server.other_port, 1); /* the next one counts as expired */
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_int_equal(atomic_load(&w.server.requests), 9);
    assert_whole(&w);
    finish(&w);
}

static void token_by_post(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    char headers[256];
    header_of(q, "Authorization", auth, sizeof(auth));
    if (strcmp(q->path, "/token") == 0) {
        bool right = strcmp(q->method, "POST") == 0 && !auth[0] &&
                     strstr(q->body, "grant_type=refresh_token") &&
                     strstr(q->body, "refresh_token=id%2Ftoken");
        if (!right)
            atomic_store(&s->failure, 1);
        answer(fd, "200 OK", "", "{\"access_token\":\"abc\"}", 22);
        return;
    }
    (void)snprintf(headers, sizeof(headers),
                   "WWW-Authenticate: Basic realm=\"x\", Bearer realm=\"http://127.0.0.1:%d/token\""
                   "\r\n",
                   s->port);
    bool in = strcmp(auth, "Bearer abc") == 0;
    answer(fd, in ? "200 OK" : "401 Unauthorized", in ? "" : headers, in ? blob : NULL,
           in ? sizeof(blob) : 0);
}

static void an_identity_token_buys_a_token(void **state)
{
    (void)state;
    struct world w;
    begin_with(&w, (struct wcow_registry_options){0}, token_by_post,
               "\"identitytoken\":\"id/token\"");
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    finish(&w);
}

static void never_satisfied(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    answer(fd, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "", 0);
}

static void a_login_that_is_refused_is_not_repeated(void **state)
{
    (void)state;
    struct world w;
    begin(&w, never_satisfied);
    assert_int_equal(fetch(&w), WCOW_E_DENIED);
    assert_int_equal(atomic_load(&w.server.requests), 2);
    assert_non_null(strstr(w.err.msg, "docker login"));
    finish(&w);
}

static void gives_no_challenge(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    answer(fd, "401 Unauthorized", "", "", 0);
}

static void a_401_without_a_challenge_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, gives_no_challenge);
    assert_int_equal(fetch(&w), WCOW_E_DENIED);
    assert_int_equal(atomic_load(&w.server.requests), 1);
    assert_non_null(strstr(w.err.msg, "no WWW-Authenticate"));
    finish(&w);
}

static void what_helps_against_a_401_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, never_satisfied);
    assert_int_equal(fetch(&w), WCOW_E_DENIED);
    assert_non_null(strstr(w.err.msg, "are not accepted"));
    finish(&w);
    begin_with(&w, (struct wcow_registry_options){0}, never_satisfied, "");
    assert_int_equal(fetch(&w), WCOW_E_DENIED);
    assert_null(strstr(w.err.msg, "not accepted"));
    assert_non_null(strstr(w.err.msg, "docker login 127.0.0.1:"));
    finish(&w);
}

/* What the tests below have the server say, each for itself. */
static const char *said_headers;
static const char *said_status;
static const char *said_body;

static void says(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    answer(fd, said_status, said_headers, said_body, strlen(said_body));
}

static void say(const char *status, const char *headers, const char *body)
{
    said_status = status;
    said_headers = headers;
    said_body = body;
}

static void a_realm_that_is_no_server_is_refused(void **state)
{
    (void)state;
    static const char *const realms[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x",
                                         "//127.0.0.1/token",  "javascript:0",     "http://"};
    for (size_t i = 0; i < sizeof(realms) / sizeof(realms[0]); i++) {
        struct world w;
        char headers[256];
        (void)snprintf(headers, sizeof(headers),
                       "WWW-Authenticate: Bearer realm=\"%s\",service=\"x\"\r\n", realms[i]);
        say("401 Unauthorized", headers, "");
        begin(&w, says);
        int r = fetch(&w);
        assert_true(r == WCOW_E_CORRUPT || r == WCOW_E_INVALID);
        assert_int_equal(w.err.code, r);
        assert_int_equal(atomic_load(&w.server.requests), 1);
        finish(&w);
    }
}

/* @p s->step: which token is given. */
static const char *const bad_tokens[] = {
    "<html>log in</html>",
    "{",
    "[]",
    "{\"token\":42}",
    "{\"token\":\"\"}",
    "{\"token\":\"a\\r\\nX-Evil: 1\"}",
    "{\"token\":\"a b\"}",
    "{\"expires_in\":300}",
};

static void gives_a_bad_token(struct bad_server *s, int fd, const struct bad_request *q)
{
    char headers[256];
    const char *token = bad_tokens[atomic_load(&s->step)];
    (void)snprintf(headers, sizeof(headers),
                   "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d/token\"\r\n", s->port);
    if (strncmp(q->path, "/token", 6) != 0)
        answer(fd, "401 Unauthorized", headers, "", 0);
    else
        answer(fd, "200 OK", "", token, strlen(token));
}

static void a_token_that_is_none_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < (int)(sizeof(bad_tokens) / sizeof(bad_tokens[0])); i++) {
        struct world w;
        begin(&w, gives_a_bad_token);
        atomic_store(&w.server.step, i);
        assert_int_equal(fetch(&w), WCOW_E_CORRUPT);
        assert_non_null(strstr(w.err.msg, "no token that can be used"));
        finish(&w);
    }
}

/* ---- redirects ---- */

static void a_redirect_to_nowhere_is_refused(void **state)
{
    (void)state;
    static const char *const locations[] = {"", "Location: file:///etc/passwd\r\n",
                                            "Location: ftp://127.0.0.1/x\r\n",
                                            "Location: http://[\r\n"};
    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        struct world w;
        say("307 Temporary Redirect", locations[i], "");
        begin(&w, says);
        assert_int_equal(fetch(&w), WCOW_E_CORRUPT);
        assert_int_equal(atomic_load(&w.server.requests), 1);
        finish(&w);
    }
}

static void redirects_to_the_other(struct bad_server *s, int fd, const struct bad_request *q)
{
    char headers[128];
    (void)q;
    (void)snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/again?sig=%s\r\n",
                   atomic_load(&s->other_port), "very-secret-signature");
    answer(fd, "302 Found", headers, "", 0);
}

static void two_servers_that_redirect_to_each_other_end(void **state)
{
    (void)state;
    struct bad_server other = {.handle = redirects_to_the_other};
    bad_server_start(&other);
    struct world w;
    begin(&w, redirects_to_the_other);
    atomic_store(&w.server.other_port, other.port);
    atomic_store(&other.other_port, w.server.port);
    assert_int_equal(fetch(&w), WCOW_E_CORRUPT);
    assert_non_null(strstr(w.err.msg, "redirects"));
    assert_null(strstr(w.err.msg, "very-secret"));
    bad_server_stop(&other);
    finish(&w);
}

/* ---- answers without an end ---- */

static void drips(struct bad_server *s, int fd, const char *begin_with_text)
{
    send_bytes(fd, begin_with_text, strlen(begin_with_text));
    for (int i = 0; i < 3000 && !atomic_load(&s->stop); i++) {
        struct pollfd p = {.fd = fd, .events = POLLRDHUP};
        if (poll(&p, 1, 20) != 0)
            return;
        send_bytes(fd, "x", 1);
    }
}

static void drips_a_header(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)q;
    drips(s, fd, "HTTP/1.1 200 OK\r\nX-Slow: ");
}

static void drips_a_body(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)q;
    drips(s, fd, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
}

static void an_answer_that_comes_drop_by_drop_ends(void **state)
{
    (void)state;
    struct world w;
    const struct wcow_registry_options options = {.max_attempts = 1, .stall_timeout_ms = 300};
    begin_with(&w, options, drips_a_header, "");
    assert_int_equal(fetch(&w), WCOW_E_DEADLINE);
    finish(&w);
    begin_with(&w, options, drips_a_body, "");
    assert_int_equal(fetch(&w), WCOW_E_DEADLINE);
    finish(&w);
}

static void gives_a_byte_a_time(struct bad_server *s, int fd, const struct bad_request *q)
{
    char head[256];
    size_t from = range_of(q);
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%d/%d\r\n\r\n",
                     from ? "206 Partial Content" : "200 OK", BLOB_BYTES - from, from,
                     BLOB_BYTES - 1, BLOB_BYTES);
    (void)s;
    send_bytes(fd, head, (size_t)n);
    send_bytes(fd, blob + from, 1);
}

static void a_server_that_gives_a_byte_each_time_is_left(void **state)
{
    (void)state;
    struct world w;
    begin(&w, gives_a_byte_a_time);
    assert_int_equal(fetch(&w), WCOW_E_UNAVAILABLE);
    assert_int_equal(atomic_load(&w.server.requests), 4);
    finish(&w);
}

static void heads_without_end(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)q;
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    for (int i = 0; i < 100000 && !atomic_load(&s->stop); i++) {
        if (send(fd, interim, strlen(interim), MSG_NOSIGNAL) <= 0)
            return;
    }
}

static void headers_without_end(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)q;
    static const char line[] = "X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    send_bytes(fd, "HTTP/1.1 200 OK\r\n", 17);
    for (int i = 0; i < 100000 && !atomic_load(&s->stop); i++) {
        if (send(fd, line, strlen(line), MSG_NOSIGNAL) <= 0)
            return;
    }
}

static void heads_without_end_are_refused(void **state)
{
    (void)state;
    struct world w;
    begin_with(&w, (struct wcow_registry_options){.max_attempts = 1}, heads_without_end, "");
    assert_int_equal(fetch(&w), WCOW_E_LIMIT);
    finish(&w);
    begin_with(&w, (struct wcow_registry_options){.max_attempts = 1}, headers_without_end, "");
    assert_int_equal(fetch(&w), WCOW_E_LIMIT);
    finish(&w);
}

/* ---- answers that are none ---- */

static int fetch_manifest(struct world *w)
{
    return wcow_registry_fetch_manifest(w->registry, &w->ref, &w->out, NULL, &w->err);
}

static void a_web_page_is_no_manifest(void **state)
{
    (void)state;
    struct world w;
    say("200 OK", "Content-Type: text/html; charset=utf-8\r\n", "<html>Please log in</html>");
    begin(&w, says);
    assert_int_equal(fetch_manifest(&w), WCOW_E_CORRUPT);
    assert_non_null(strstr(w.err.msg, "a web page was sent in its place"));
    assert_non_null(strstr(w.err.msg, "team/app"));
    assert_int_equal(w.out.len, 0);
    finish(&w);
}

static void a_web_page_is_no_blob(void **state)
{
    (void)state;
    struct world w;
    say("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");
    begin(&w, says);
    assert_int_equal(fetch(&w), WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(w.err.msg, "a web page was sent in its place"));
    finish(&w);
}

static void a_page_of_an_error_is_not_shown(void **state)
{
    (void)state;
    struct world w;
    say("502 Bad Gateway", "Content-Type: text/html\r\n", "<html>\033]0;evil\007</html>");
    begin(&w, says);
    assert_int_equal(fetch_manifest(&w), WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(w.err.msg, "HTTP 502 Bad Gateway"));
    assert_null(strstr(w.err.msg, "evil"));
    finish(&w);
}

static void an_encoding_that_nobody_asked_for_is_told(void **state)
{
    (void)state;
    struct world w;
    say("200 OK",
        "Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Encoding: gzip\r\n"
        "Docker-Content-Digest: "
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n",
        "\x1f\x8b\x08");
    begin(&w, says);
    assert_int_equal(fetch_manifest(&w), WCOW_E_DATA_LOSS);
    assert_non_null(strstr(w.err.msg, "Content-Encoding"));
    finish(&w);
}

static void half_a_manifest(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n"
        "Content-Length: 400\r\n\r\n{\"schemaVersion\":2,\"conf";
    send_bytes(fd, text, strlen(text));
}

static void a_manifest_that_breaks_off_is_no_manifest(void **state)
{
    (void)state;
    struct world w;
    begin(&w, half_a_manifest);
    assert_int_equal(fetch_manifest(&w), WCOW_E_UNAVAILABLE);
    assert_int_equal(atomic_load(&w.server.requests), 4);
    finish(&w);
    say("200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n",
        "{\"schemaVersion\":2,\"conf");
    begin(&w, says);
    wcow_auto_manifest manifest = {0};
    assert_int_equal(fetch_manifest(&w), WCOW_OK);
    assert_int_equal(
        wcow_manifest_parse(w.out.data, w.out.len, WCOW_MEDIA_OCI_MANIFEST, &manifest, &w.err),
        WCOW_E_CORRUPT);
    finish(&w);
}

static void a_digest_that_is_none_is_refused(void **state)
{
    (void)state;
    struct world w;
    say("200 OK",
        "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
        "Docker-Content-Digest: sha256:none\r\n",
        "{}");
    begin(&w, says);
    assert_int_equal(fetch_manifest(&w), WCOW_E_DATA_LOSS);
    finish(&w);
}

static void what_no_attempt_mends_is_tried_once(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        int code;
    } cases[] = {{"400 Bad Request", WCOW_E_CORRUPT},
                 {"403 Forbidden", WCOW_E_DENIED},
                 {"404 Not Found", WCOW_E_NOT_FOUND},
                 {"416 Range Not Satisfiable", WCOW_E_CORRUPT},
                 {"501 Not Implemented", WCOW_E_UNAVAILABLE}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        say(cases[i].status, "", "");
        begin(&w, says);
        assert_int_equal(fetch(&w), cases[i].code);
        assert_int_equal(w.err.code, cases[i].code);
        assert_int_equal(atomic_load(&w.server.requests), 1);
        finish(&w);
    }
}

static void a_server_of_tls_is_told_of(void **state)
{
    (void)state;
    struct world w;
    say("400 Bad Request", "", "Client sent an HTTP request to an HTTPS server.\n");
    begin(&w, says);
    assert_int_equal(fetch_manifest(&w), WCOW_E_CORRUPT);
    assert_non_null(strstr(w.err.msg, "it wants TLS"));
    finish(&w);
}

static void is_no_http(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    send_bytes(fd, "220 mail.example ESMTP\r\n", 24);
}

static void a_server_that_speaks_no_http_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, is_no_http);
    assert_int_equal(fetch(&w), WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(w.err.msg, "127.0.0.1:"));
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redirect_carries_no_credentials),
        cmocka_unit_test(endless_redirects_end),
        cmocka_unit_test(a_redirect_to_nowhere_is_refused),
        cmocka_unit_test(two_servers_that_redirect_to_each_other_end),
        cmocka_unit_test(a_token_is_got_kept_and_refreshed),
        cmocka_unit_test(an_identity_token_buys_a_token),
        cmocka_unit_test(a_login_that_is_refused_is_not_repeated),
        cmocka_unit_test(a_401_without_a_challenge_is_told),
        cmocka_unit_test(what_helps_against_a_401_is_told),
        cmocka_unit_test(a_realm_that_is_no_server_is_refused),
        cmocka_unit_test(a_token_that_is_none_is_refused),
        cmocka_unit_test(an_answer_that_comes_drop_by_drop_ends),
        cmocka_unit_test(a_server_that_gives_a_byte_each_time_is_left),
        cmocka_unit_test(heads_without_end_are_refused),
        cmocka_unit_test(a_web_page_is_no_manifest),
        cmocka_unit_test(a_web_page_is_no_blob),
        cmocka_unit_test(a_page_of_an_error_is_not_shown),
        cmocka_unit_test(an_encoding_that_nobody_asked_for_is_told),
        cmocka_unit_test(a_manifest_that_breaks_off_is_no_manifest),
        cmocka_unit_test(a_digest_that_is_none_is_refused),
        cmocka_unit_test(what_no_attempt_mends_is_tried_once),
        cmocka_unit_test(a_server_of_tls_is_told_of),
        cmocka_unit_test(a_server_that_speaks_no_http_is_told),
    };
    return cmocka_run_group_tests_name("image/registry, hostile servers", tests, setup, teardown);
}
