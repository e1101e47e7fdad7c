/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers that break, many times and at any byte, against a server that keeps what it got as
 * registries do: those of the specification, docker's, and those that are wrong. */
#include "registry_bad_world.h"
#include "registry_process.h"

/* ---- a registry's upload sessions ---- */

enum kind {
    OF_SPECIFICATION, /* tells what it holds, and takes no other range */
    OF_DOCKER,        /* a session that broke is lost; ranges are not looked at */
    BOASTFUL,         /* tells of more than it holds; ranges are not looked at */
};

/* Of the server's thread while it runs. */
static struct {
    enum kind kind;
    int cuts;           /* so many bodies break off yet */
    size_t cut_at;      /* where; 0: anywhere */
    size_t min_chunk;   /* OCI-Chunk-Min-Length; 0: none */
    bool forgets;       /* the last bytes, once, behind the second piece */
    bool loses_session; /* once, behind the first piece */
    const char *busy;   /* Retry-After of a 429 for the first piece; NULL: not busy */
    unsigned random;
    int sessions;
    int place;      /* each answer has another Location */
    int asked;      /* GETs of sessions */
    int pieces;     /* PATCHes that came whole */
    bool is_broken; /* the session's last body broke off */
    bool is_done;   /* the blob is there */
    size_t taken;   /* bytes of all bodies together */
    size_t stored;  /* of them in the session */
    uint8_t part[BLOB_BYTES];
    uint8_t bytes[BLOB_BYTES];
} up;

static size_t random_below(size_t limit)
{
    up.random = up.random * 1103515245U + 12345U;
    return (up.random >> 8) % limit;
}

/* Where the next body breaks off: far enough to count as progress. */
static void plan_cut(struct bad_server *s)
{
    s->received_body = up.part;
    s->received_room = sizeof(up.part);
    s->stop_reading_at = 0;
    if (up.cuts)
        s->stop_reading_at = up.cut_at ? up.cut_at : 20000 + random_below(20000);
}

static void answer_place(int fd, const char *status, size_t told)
{
    char headers[256];
    int n = snprintf(headers, sizeof(headers), "Location: /up/%d?x=1\r\nRange: 0-%zu\r\n",
                     ++up.place, told ? told - 1 : 0);
    if (up.min_chunk)
        (void)snprintf(headers + n, sizeof(headers) - (size_t)n, "OCI-Chunk-Min-Length: %zu\r\n",
                       up.min_chunk);
    answer(fd, status, headers, "", 0);
}

/* The body as far as it came; false where it broke off. */
static bool take_body(struct bad_server *s, const struct bad_request *q)
{
    size_t room = BLOB_BYTES - up.stored;
    size_t n = q->received < room ? q->received : room;
    memcpy(up.bytes + up.stored, up.part, n);
    up.stored += n;
    up.taken += q->received;
    up.is_broken = q->received < q->length;
    if (up.is_broken)
        up.cuts--;
    plan_cut(s);
    return !up.is_broken;
}

static void take_piece(struct bad_server *s, int fd, const struct bad_request *q)
{
    char range[64];
    header_of(q, "Content-Range", range, sizeof(range));
    if (up.busy) {
        char headers[128];
        (void)snprintf(headers, sizeof(headers), "Retry-After: %s\r\n", up.busy);
        up.busy = NULL;
        answer(fd, "429 Too Many Requests", headers, "", 0);
        return;
    }
    if (up.kind == OF_SPECIFICATION && strtoul(range, NULL, 10) != up.stored) {
        answer(fd, "416 Range Not Satisfiable", "", "", 0);
        return;
    }
    if (q->length < up.min_chunk && up.stored + q->length < BLOB_BYTES)
        atomic_store(&s->failure, 1);
    if (!take_body(s, q))
        return;
    up.pieces++;
    if (up.forgets && up.pieces == 2) {
        up.forgets = false;
        up.stored -= 1000;
    }
    answer_place(fd, "202 Accepted", up.stored);
}

static void take_end(struct bad_server *s, int fd, const struct bad_request *q)
{
    if (!take_body(s, q))
        return;
    up.is_done = up.stored == BLOB_BYTES && memcmp(up.bytes, blob, BLOB_BYTES) == 0;
    static const char wrong[] = "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}";
    answer(fd, up.is_done ? "201 Created" : "400 Bad Request", "", wrong,
           up.is_done ? 0 : strlen(wrong));
}

static void answer_asked(int fd)
{
    up.asked++;
    if (up.kind == OF_DOCKER && up.is_broken)
        answer(fd, "404 Not Found", "", "", 0);
    else
        answer_place(fd, "204 No Content", up.stored + (up.kind == BOASTFUL ? 1000 : 0));
}

static void begin_session(struct bad_server *s, int fd)
{
    up.sessions++;
    up.stored = 0;
    up.is_broken = false;
    if (up.kind == BOASTFUL && up.sessions == 2)
        up.cuts++;
    plan_cut(s);
    answer_place(fd, "202 Accepted", 0);
}

static void stores_uploads(struct bad_server *s, int fd, const struct bad_request *q)
{
    bool is_session = strncmp(q->path, "/up/", 4) == 0;
    int place = is_session ? (int)strtol(q->path + 4, NULL, 10) : 0;
    if (strcmp(q->method, "HEAD") == 0)
        answer(fd, up.is_done ? "200 OK" : "404 Not Found", "", "", 0);
    else if (strcmp(q->method, "POST") == 0)
        begin_session(s, fd);
    else if (strcmp(q->method, "DELETE") == 0)
        answer(fd, "204 No Content", "", "", 0);
    else if (!is_session || place != up.place)
        atomic_store(&s->failure, 1);
    else if (strcmp(q->method, "GET") == 0)
        answer_asked(fd);
    else if (up.loses_session && up.pieces == 1) {
        up.loses_session = false;
        answer(fd, "404 Not Found", "", "", 0);
    } else if (strcmp(q->method, "PATCH") == 0)
        take_piece(s, fd, q);
    else
        take_end(s, fd, q);
}

/* Push the blob to such a registry, in pieces of @p chunk_bytes (0: whole), with all it takes. */
static void push_to(enum kind kind, size_t chunk_bytes)
{
    struct world w;
    up.kind = kind;
    up.random = (unsigned)getpid();
    begin_with(&w,
               (struct wcow_registry_options){.max_attempts = 4, .upload_chunk_bytes = chunk_bytes},
               stores_uploads, "");
    int r = push(&w);
    if (r < 0)
        print_error("%s\n", w.err.msg);
    finish(&w);
    assert_int_equal(r, WCOW_OK);
    assert_true(up.is_done);
}

static int forget_uploads(void **state)
{
    (void)state;
    memset(&up, 0, sizeof(up));
    return 0;
}

/* ---- uploads ---- */

static void an_upload_goes_on_where_it_broke(void **state)
{
    (void)state;
    up.cuts = 7; /* more than max_attempts: progress gives new attempts */
    push_to(OF_SPECIFICATION, 0);
    assert_int_equal(up.sessions, 1);
    assert_int_equal(up.asked, 7);
    assert_int_equal(up.taken, BLOB_BYTES); /* no byte was sent twice */
}

static void a_piece_goes_on_where_it_broke(void **state)
{
    (void)state;
    up.cuts = 6;
    push_to(OF_SPECIFICATION, 50000);
    assert_int_equal(up.sessions, 1);
    assert_int_equal(up.taken, BLOB_BYTES);
}

static void a_session_with_one_byte_starts_anew(void **state)
{
    (void)state;
    up.cuts = 1;
    up.cut_at = 1; /* "0-0" may be one byte or none */
    push_to(OF_SPECIFICATION, 50000);
    assert_int_equal(up.sessions, 2);
}

static void a_session_that_is_lost_starts_anew(void **state)
{
    (void)state;
    up.cuts = 3;
    push_to(OF_DOCKER, 0);
    assert_int_equal(up.sessions, 4);
    forget_uploads(state);
    up.loses_session = true;
    push_to(OF_SPECIFICATION, 100000);
    assert_int_equal(up.sessions, 2);
}

static void a_session_that_told_wrongly_is_not_believed_again(void **state)
{
    (void)state;
    up.cuts = 1; /* and one in the second session */
    push_to(BOASTFUL, 0);
    /* The first session was believed, and its end refused. */
    assert_int_equal(up.asked, 1);
    assert_int_equal(up.sessions, 3);
}

static void a_piece_that_was_forgotten_is_sent_again(void **state)
{
    (void)state;
    up.forgets = true;
    push_to(OF_SPECIFICATION, 50000);
    assert_int_equal(up.sessions, 1);
    assert_int_equal(up.asked, 1);
    assert_int_equal(up.taken, BLOB_BYTES + 1000);
}

static void pieces_are_as_long_as_the_registry_wants(void **state)
{
    (void)state;
    up.min_chunk = 120000;
    up.cuts = 1;
    push_to(OF_SPECIFICATION, 50000);
    assert_int_equal(up.sessions, 1);
    forget_uploads(state);
    up.min_chunk = (size_t)3 << 30; /* more than there is */
    push_to(OF_SPECIFICATION, 50000);
    assert_int_equal(up.pieces, 1);
}

static const char *http_date_in(time_t seconds)
{
    static char text[64];
    struct tm tm;
    time_t then = time(NULL) + seconds;
    (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm));
    return text;
}

static void an_upload_waits_as_long_as_the_registry_asks(void **state)
{
    (void)state;
    up.busy = http_date_in(2); /* more than a second from now */
    int64_t start = now_ms();
    push_to(OF_SPECIFICATION, 100000);
    assert_true(now_ms() - start >= 950);
    assert_int_equal(up.sessions, 1);
    assert_int_equal(up.taken, BLOB_BYTES);
}

static void upload_elsewhere(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    char headers[256];
    header_of(q, "Authorization", auth, sizeof(auth));
    (void)snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/up\r\n", s->other_port);
    if (strcmp(auth, BASIC) != 0)
        answer(fd, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "", 0);
    else if (strcmp(q->method, "HEAD") == 0)
        answer(fd, "404 Not Found", "", "", 0);
    else
        answer(fd, "202 Accepted", headers, "", 0);
}

static void takes_uploads(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    header_of(q, "Authorization", auth, sizeof(auth));
    if (auth[0] || q->length != BLOB_BYTES)
        atomic_store(&s->failure, 1);
    answer(fd, "201 Created", "", "", 0);
}

static void an_upload_to_another_server_carries_no_credentials(void **state)
{
    (void)state;
    struct bad_server other = {.handle = takes_uploads};
    bad_server_start(&other);
    struct world w;
    begin(&w, upload_elsewhere);
    atomic_store(&w.server.other_port, other.port);
    assert_int_equal(push(&w), WCOW_OK);
    assert_int_equal(atomic_load(&other.requests), 1);
    assert_int_equal(atomic_load(&other.failure), 0);
    bad_server_stop(&other);
    finish(&w);
}

static void refuses_wholes(struct bad_server *s, int fd, const struct bad_request *q)
{
    char range[64];
    header_of(q, "Content-Range", range, sizeof(range));
    if (strcmp(q->method, "HEAD") == 0) {
        answer(fd, "404 Not Found", "", "", 0);
    } else if (strcmp(q->method, "PATCH") == 0) {
        char want[64];
        int step = atomic_fetch_add(&s->step, 1);
        (void)snprintf(want, sizeof(want), "%d-%d", step << 24,
                       step ? LARGE_BYTES - 1 : (1 << 24) - 1);
        if (strcmp(range, want) != 0)
            atomic_store(&s->failure, 1);
        answer(fd, "202 Accepted", "Location: /up/next\r\n", "", 0);
    } else if (strcmp(q->method, "POST") == 0) {
        answer(fd, "202 Accepted", "Location: /up\r\n", "", 0);
    } else if (q->length) {
        answer(fd, "413 Content Too Large", "", "", 0);
    } else {
        answer(fd, strncmp(q->path, "/up/next?digest=", 16) == 0 ? "201 Created" : "400 Bad", "",
               "", 0);
    }
}

static int next_zeros(void *ctx, const uint8_t **data, size_t *len, struct wcow_error *err)
{
    (void)err;
    static const uint8_t zeros[1 << 20];
    size_t *left = ctx;
    *data = zeros;
    *len = *left < sizeof(zeros) ? *left : sizeof(zeros);
    *left -= *len;
    return WCOW_OK;
}

static int open_zeros(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    (void)err;
    *(size_t *)ctx = LARGE_BYTES - (size_t)offset;
    *ret = (struct wcow_source){.next = next_zeros, .ctx = ctx};
    return WCOW_OK;
}

static void a_blob_too_large_for_one_request_goes_up_in_pieces(void **state)
{
    (void)state;
    struct world w;
    begin(&w, refuses_wholes);
    w.desc.size_bytes = LARGE_BYTES;
    size_t left = 0;
    struct wcow_blob_reader reader = {.open = open_zeros, .ctx = &left};
    struct wcow_blob_push what = {.desc = &w.desc, .reader = &reader};
    assert_int_equal(wcow_registry_push_blob(w.registry, &w.ref, &what, NULL, &w.err), WCOW_OK);
    assert_int_equal(atomic_load(&w.server.step), 2);
    finish(&w);
}

/* ---- docker's registry ---- */

/* Between a client and a registry: passes one connection at a time on, and cuts the first ones off
 * when so many bytes have gone up. */
struct relay {
    int fd;
    int port;
    int to_port;
    atomic_int cuts;
    size_t cut_at;
    pthread_t thread;
    atomic_bool stop;
};

static int connect_to(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        abort();
    return fd;
}

/* What is there of one side to the other; 0 at its end. */
static size_t pass_on(int from, int to)
{
    static char part[65536];
    ssize_t n = recv(from, part, sizeof(part), 0);
    if (n > 0)
        send_bytes(to, part, (size_t)n);
    return n > 0 ? (size_t)n : 0;
}

static void relay_one(struct relay *relay, int client, int server)
{
    struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    size_t up_bytes = 0;
    while (!atomic_load(&relay->stop)) {
        if (poll(both, 2, 20) <= 0)
            continue;
        size_t n = 0;
        if (both[0].revents)
            up_bytes += n = pass_on(client, server);
        else
            n = pass_on(server, client);
        bool cut = up_bytes >= relay->cut_at && atomic_load(&relay->cuts) > 0;
        if (cut)
            (void)atomic_fetch_sub(&relay->cuts, 1);
        if (cut || !n)
            return;
    }
}

static void *relay_run(void *arg)
{
    struct relay *relay = arg;
    while (!atomic_load(&relay->stop)) {
        struct pollfd p = {.fd = relay->fd, .events = POLLIN};
        int client = poll(&p, 1, 20) > 0 ? accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (client < 0)
            continue;
        int server = connect_to(relay->to_port);
        relay_one(relay, client, server);
        (void)close(server);
        (void)close(client);
    }
    return NULL;
}

static void relay_start(struct relay *relay)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    relay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(relay->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(relay->fd, 16), 0);
    assert_int_equal(getsockname(relay->fd, (struct sockaddr *)&a, &len), 0);
    relay->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&relay->thread, NULL, relay_run, relay), 0);
}

static void relay_stop(struct relay *relay)
{
    atomic_store(&relay->stop, true);
    (void)pthread_join(relay->thread, NULL);
    (void)close(relay->fd);
}

/* Push through three cuts, and fetch what arrived. */
static void push_through(struct relay *relay, const char *repository, uint64_t chunk_bytes)
{
    struct world w = {0};
    char name[64];
    struct wcow_digest digest;
    struct wcow_registry_options options = {.docker_config_dir = docker_dir,
                                            .retry_delay_ms = 5,
                                            .max_attempts = 5,
                                            .upload_chunk_bytes = chunk_bytes};
    write_config("{}");
    (void)snprintf(name, sizeof(name), "127.0.0.1:%d/%s:v1", relay->port, repository);
    assert_ok(wcow_registry_new(&options, &w.registry, &err));
    assert_ok(wcow_reference_parse(name, &w.ref, &err));
    assert_ok(wcow_digest_of(blob, sizeof(blob), &digest, &err));
    assert_ok(wcow_descriptor_init(&w.desc, WCOW_MEDIA_OCI_LAYER, digest.text, sizeof(blob), &err));
    atomic_store(&relay->cuts, 3);
    int r = push(&w);
    if (r < 0)
        print_error("%s\n", w.err.msg);
    assert_int_equal(r, WCOW_OK);
    assert_int_equal(atomic_load(&relay->cuts), 0);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    wcow_registry_free(w.registry);
    wcow_buf_done(&w.out);
    wcow_descriptor_done(&w.desc);
}

static void what_breaks_on_the_way_to_dockers_registry_arrives(void **state)
{
    (void)state;
    struct registry_process registry;
    assert_true(registry_start(&registry, &(struct registry_setup){0}));
    struct relay relay = {.to_port = registry.port, .cut_at = 150000};
    relay_start(&relay);
    push_through(&relay, "team/whole", 0);
    push_through(&relay, "team/pieces", 40000);
    relay_stop(&relay);
    registry_stop(&registry);
}

/* ---- downloads ---- */

/* Of the server's thread while it runs. */
static struct {
    int cuts;
    bool has_ranges;
    const char *busy; /* Retry-After of a 503 for the first request */
    unsigned long long sent;
} down;

static void sends_some(struct bad_server *s, int fd, const struct bad_request *q)
{
    size_t from = down.has_ranges ? range_of(q) : 0;
    char head[256];
    (void)s;
    if (down.busy) {
        (void)snprintf(head, sizeof(head), "Retry-After: %s\r\n", down.busy);
        down.busy = NULL;
        answer(fd, "503 Service Unavailable", head, "", 0);
        return;
    }
    size_t len = BLOB_BYTES - from;
    int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n",
                     from ? "206 Partial Content" : "200 OK", len);
    if (from)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Range: bytes %zu-%d/%d\r\n",
                      from, BLOB_BYTES - 1, BLOB_BYTES);
    (void)snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
    if (down.cuts) {
        down.cuts--;
        len = random_below(len + 1);
    }
    send_bytes(fd, head, strlen(head));
    send_bytes(fd, blob + from, len);
    down.sent += len;
}

static void fetch_from(int cuts, bool has_ranges)
{
    struct world w;
    down.cuts = cuts;
    down.has_ranges = has_ranges;
    begin_with(&w, (struct wcow_registry_options){.max_attempts = 12}, sends_some, "");
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    finish(&w);
}

static void a_download_that_breaks_anywhere_comes_whole(void **state)
{
    (void)state;
    up.random = (unsigned)getpid();
    for (int i = 0; i < 8; i++) {
        down.sent = 0;
        fetch_from(10, true);
        assert_int_equal(down.sent, BLOB_BYTES); /* no byte came twice */
    }
}

static void a_download_that_starts_over_gives_the_sink_no_byte_twice(void **state)
{
    (void)state;
    up.random = (unsigned)getpid();
    for (int i = 0; i < 8; i++)
        fetch_from(10, false);
}

static void a_download_waits_as_long_as_the_registry_asks(void **state)
{
    (void)state;
    down.busy = "1";
    int64_t start = now_ms();
    fetch_from(0, true);
    assert_true(now_ms() - start >= 950);
    down.busy = http_date_in(2); /* more than a second from now */
    start = now_ms();
    fetch_from(0, true);
    assert_true(now_ms() - start >= 950);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_upload_goes_on_where_it_broke, forget_uploads),
        cmocka_unit_test_setup(a_piece_goes_on_where_it_broke, forget_uploads),
        cmocka_unit_test_setup(a_session_with_one_byte_starts_anew, forget_uploads),
        cmocka_unit_test_setup(a_session_that_is_lost_starts_anew, forget_uploads),
        cmocka_unit_test_setup(a_session_that_told_wrongly_is_not_believed_again, forget_uploads),
        cmocka_unit_test_setup(a_piece_that_was_forgotten_is_sent_again, forget_uploads),
        cmocka_unit_test_setup(pieces_are_as_long_as_the_registry_wants, forget_uploads),
        cmocka_unit_test_setup(an_upload_waits_as_long_as_the_registry_asks, forget_uploads),
        cmocka_unit_test(an_upload_to_another_server_carries_no_credentials),
        cmocka_unit_test(a_blob_too_large_for_one_request_goes_up_in_pieces),
        cmocka_unit_test(what_breaks_on_the_way_to_dockers_registry_arrives),
        cmocka_unit_test(a_download_that_breaks_anywhere_comes_whole),
        cmocka_unit_test(a_download_that_starts_over_gives_the_sink_no_byte_twice),
        cmocka_unit_test(a_download_waits_as_long_as_the_registry_asks),
    };
    return cmocka_run_group_tests_name("image/registry, transfers that break", tests, setup,
                                       teardown);
}
