/* SPDX-License-Identifier: Apache-2.0 */
/* The registry client against servers that misbehave: limits, breaks, lies. */
#include "registry_bad_world.h"

/* ---- passing trouble ---- */

static void busy_twice(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)q;
    int step = atomic_fetch_add(&s->step, 1);
    if (step == 0)
        answer(fd, "429 Too Many Requests", "Retry-After: 0\r\n", "", 0);
    else if (step == 1)
        answer(fd, "503 Service Unavailable", "", "", 0);
    else
        answer(fd, "200 OK", "", blob, sizeof(blob));
}

static void a_busy_server_is_asked_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w, busy_twice);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    assert_int_equal(atomic_load(&w.server.requests), 3);
    finish(&w);
}

static void always_busy(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    static const char body[] =
        "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"slow\\u001b[31m down\"}]}";
    answer(fd, "429 Too Many Requests", "", body, strlen(body));
}

static void attempts_end_with_the_registrys_words(void **state)
{
    (void)state;
    struct world w;
    begin(&w, always_busy);
    assert_int_equal(fetch(&w), WCOW_E_UNAVAILABLE);
    assert_int_equal(w.err.code, WCOW_E_UNAVAILABLE);
    assert_int_equal(atomic_load(&w.server.requests), 4);
    assert_non_null(strstr(w.err.msg, "TOOMANYREQUESTS: slow"));
    assert_non_null(strstr(w.err.msg, "team/app"));
    assert_null(strchr(w.err.msg, '\033'));
    finish(&w);
}

/* ---- broken transfers ---- */

static void breaks_off(struct bad_server *s, int fd, const struct bad_request *q)
{
    size_t from = range_of(q);
    int step = atomic_fetch_add(&s->step, 1);
    if (step && !from)
        atomic_store(&s->failure, 1);
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%d/%d\r\n\r\n",
                     from ? "206 Partial Content" : "200 OK", BLOB_BYTES - from, from,
                     BLOB_BYTES - 1, BLOB_BYTES);
    send_bytes(fd, head, (size_t)n);
    size_t left = BLOB_BYTES - from;
    send_bytes(fd, blob + from, step < 6 && left > 40000 ? 40000 : left);
}

static void a_broken_transfer_goes_on_where_it_broke(void **state)
{
    (void)state;
    struct world w;
    begin(&w, breaks_off);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    /* More pieces than max_attempts: progress gives new attempts. */
    assert_int_equal(atomic_load(&w.server.requests), 7);
    finish(&w);
}

static void breaks_once_then_knows_no_ranges(struct bad_server *s, int fd,
                                             const struct bad_request *q)
{
    (void)q;
    bool first = atomic_fetch_add(&s->step, 1) == 0;
    char head[128];
    int n =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BLOB_BYTES);
    send_bytes(fd, head, (size_t)n);
    send_bytes(fd, blob, first ? 100000 : BLOB_BYTES);
}

static void a_server_without_ranges_repeats_nothing_to_the_sink(void **state)
{
    (void)state;
    struct world w;
    begin(&w, breaks_once_then_knows_no_ranges);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    finish(&w);
}

static void sends_other_range(struct bad_server *s, int fd, const struct bad_request *q)
{
    if (atomic_fetch_add(&s->step, 1) == 0)
        breaks_once_then_knows_no_ranges(&(struct bad_server){.step = 0}, fd, q);
    else
        answer(fd, "206 Partial Content", "Content-Range: bytes 5-299999/300000\r\n", blob + 5,
               BLOB_BYTES - 5);
}

static void a_wrong_range_is_refused(void **state)
{
    (void)state;
    struct world w;
    begin(&w, sends_other_range);
    assert_int_equal(fetch(&w), WCOW_E_CORRUPT);
    finish(&w);
}

static void stalls(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)q;
    char head[128];
    int n =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BLOB_BYTES);
    send_bytes(fd, head, (size_t)n);
    while (!atomic_load(&s->stop)) {
        struct pollfd p = {.fd = fd, .events = POLLRDHUP};
        if (poll(&p, 1, 20) != 0)
            return;
    }
}

static void a_stalled_transfer_ends(void **state)
{
    (void)state;
    struct world w;
    begin_with(&w, (struct wcow_registry_options){.max_attempts = 1, .stall_timeout_ms = 400},
               stalls, "");
    int64_t start = now_ms();
    assert_int_equal(fetch(&w), WCOW_E_DEADLINE);
    assert_true(now_ms() - start >= 350);
    finish(&w);
}

static void *cancel_soon(void *arg)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

static void cancelling_does_not_wait_for_the_server(void **state)
{
    (void)state;
    atomic_bool cancelled = false;
    struct world w;
    begin_with(&w, (struct wcow_registry_options){.cancelled = &cancelled}, stalls, "");
    pthread_t thread;
    int64_t start = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancelled), 0);
    assert_int_equal(fetch(&w), WCOW_E_CANCELLED);
    assert_true(now_ms() - start < 20000); /* it would be 30,000 without */
    assert_int_equal(pthread_join(thread, NULL), 0);
    finish(&w);
}

/* ---- lies ---- */

static void other_bytes(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    static const uint8_t zeros[BLOB_BYTES];
    answer(fd, "200 OK", "", zeros, sizeof(zeros));
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    struct world w;
    begin(&w, other_bytes);
    assert_int_equal(fetch(&w), WCOW_E_DATA_LOSS);
    assert_non_null(strstr(w.err.msg, w.desc.digest.text));
    finish(&w);
}

static void too_many_bytes(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    static uint8_t more[BLOB_BYTES + 1];
    memcpy(more, blob, BLOB_BYTES);
    answer(fd, "200 OK", "", more, sizeof(more));
}

static void more_bytes_than_told_are_refused(void **state)
{
    (void)state;
    struct world w;
    begin(&w, too_many_bytes);
    assert_int_equal(fetch(&w), WCOW_E_DATA_LOSS);
    assert_true(w.out.len <= BLOB_BYTES);
    finish(&w);
}

static void huge_manifest(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    static char spaces[5 << 20];
    memset(spaces, ' ', sizeof(spaces));
    answer(fd, "200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", spaces,
           sizeof(spaces));
}

static void a_huge_manifest_is_refused(void **state)
{
    (void)state;
    struct world w;
    begin(&w, huge_manifest);
    assert_int_equal(wcow_registry_fetch_manifest(w.registry, &w.ref, &w.out, NULL, &w.err),
                     WCOW_E_LIMIT);
    assert_int_equal(w.out.len, 0);
    finish(&w);
}

static void manifest_with_wrong_digest(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    answer(fd, "200 OK",
           "Content-Type: application/vnd.oci.image.manifest.v1+json\r\nDocker-Content-Digest: "
           "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n",
           "{}", 2);
}

static void a_manifest_that_is_not_its_digest_is_refused(void **state)
{
    (void)state;
    struct world w;
    begin(&w, manifest_with_wrong_digest);
    assert_int_equal(wcow_registry_fetch_manifest(w.registry, &w.ref, &w.out, NULL, &w.err),
                     WCOW_E_DATA_LOSS);
    finish(&w);
}

/* ---- other places ---- */

static void not_found(struct bad_server *s, int fd, const struct bad_request *q)
{
    (void)s;
    (void)q;
    answer(fd, "404 Not Found", "", "", 0);
}

static void a_foreign_layer_comes_from_its_url(void **state)
{
    (void)state;
    struct bad_server other = {.handle = no_credentials_wanted};
    bad_server_start(&other);
    struct world w;
    char url[128];
    begin(&w, not_found);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/layer", other.port);
    assert_ok(wcow_str_list_add(&w.desc.urls, url, &err));
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    assert_int_equal(atomic_load(&other.failure), 0);
    bad_server_stop(&other);
    finish(&w);
}

/* <docker_dir>/<host>/hosts.toml with one mirror; *registry is opened anew with it. */
static void use_mirror(struct world *w, int mirror_port)
{
    char path[512];
    char text[256];
    (void)snprintf(path, sizeof(path), "%s/%s", docker_dir, w->ref.host);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/%s/hosts.toml", docker_dir, w->ref.host);
    (void)snprintf(text, sizeof(text),
                   "[host.\"http://127.0.0.1:%d\"]\ncapabilities = [\"pull\"]\n", mirror_port);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    struct wcow_registry_options options = {
        .hosts_dir = docker_dir, .docker_config_dir = docker_dir, .retry_delay_ms = 5};
    wcow_registry_free(w->registry);
    w->registry = NULL;
    assert_ok(wcow_registry_new(&options, &w->registry, &err));
}

static void forget_mirror(const struct world *w)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s/hosts.toml", docker_dir, w->ref.host);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/%s", docker_dir, w->ref.host);
    (void)rmdir(path);
}

static void mirrors_blobs(struct bad_server *s, int fd, const struct bad_request *q)
{
    if (!strstr(q->path, "?ns=127.0.0.1:"))
        atomic_store(&s->failure, 1);
    no_credentials_wanted(s, fd, q);
}

static void a_mirror_is_asked_first_and_without_credentials(void **state)
{
    (void)state;
    struct bad_server mirror = {.handle = mirrors_blobs};
    bad_server_start(&mirror);
    struct world w;
    begin(&w, not_found);
    use_mirror(&w, mirror.port);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    assert_int_equal(atomic_load(&w.server.requests), 0);
    assert_int_equal(atomic_load(&mirror.failure), 0);
    forget_mirror(&w);
    bad_server_stop(&mirror);
    finish(&w);
}

static void what_a_mirror_has_not_the_registry_gives(void **state)
{
    (void)state;
    struct bad_server mirror = {.handle = not_found};
    bad_server_start(&mirror);
    struct world w;
    begin(&w, breaks_off);
    use_mirror(&w, mirror.port);
    assert_int_equal(fetch(&w), WCOW_OK);
    assert_whole(&w);
    assert_int_equal(atomic_load(&mirror.requests), 1);
    forget_mirror(&w);
    bad_server_stop(&mirror);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_server_is_asked_again),
        cmocka_unit_test(attempts_end_with_the_registrys_words),
        cmocka_unit_test(a_broken_transfer_goes_on_where_it_broke),
        cmocka_unit_test(a_server_without_ranges_repeats_nothing_to_the_sink),
        cmocka_unit_test(a_wrong_range_is_refused),
        cmocka_unit_test(a_stalled_transfer_ends),
        cmocka_unit_test(cancelling_does_not_wait_for_the_server),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(more_bytes_than_told_are_refused),
        cmocka_unit_test(a_huge_manifest_is_refused),
        cmocka_unit_test(a_manifest_that_is_not_its_digest_is_refused),
        cmocka_unit_test(a_foreign_layer_comes_from_its_url),
        cmocka_unit_test(a_mirror_is_asked_first_and_without_credentials),
        cmocka_unit_test(what_a_mirror_has_not_the_registry_gives),
    };
    return cmocka_run_group_tests_name("image/registry, misbehaving servers", tests, setup,
                                       teardown);
}
