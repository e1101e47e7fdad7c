/* SPDX-License-Identifier: Apache-2.0 */
/* The registry client against Debian's docker-registry: anonymous, htpasswd, TLS. */
#include "wcow_test.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "image/manifest.h"
#include "image/registry.h"
#include "registry_process.h"

enum { BLOB_BYTES = 5 << 20 };

struct fixture {
    struct registry_process open;
    struct registry_process secret; /* htpasswd */
    struct registry_process tls;    /* htpasswd and TLS */
    char docker_dir[64];
};
static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(fixture.docker_dir, sizeof(fixture.docker_dir), "/tmp/wcow-docker-XXXXXX");
    if (!mkdtemp(fixture.docker_dir))
        return -1;
    return registry_start(&fixture.open, &(struct registry_setup){0}) &&
                   registry_start(&fixture.secret, &(struct registry_setup){.htpasswd = true}) &&
                   registry_start(&fixture.tls,
                                  &(struct registry_setup){.htpasswd = true, .tls = true})
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    registry_stop(&fixture.open);
    registry_stop(&fixture.secret);
    registry_stop(&fixture.tls);
    char *const argv[] = {(char[]){"rm"}, (char[]){"-rf"}, fixture.docker_dir, NULL};
    return run_program(argv);
}

static struct wcow_registry *client_with(struct wcow_registry_options options)
{
    struct wcow_registry *registry = NULL;
    if (!options.docker_config_dir)
        options.docker_config_dir = fixture.docker_dir;
    options.retry_delay_ms = 10;
    assert_ok(wcow_registry_new(&options, &registry, &err));
    return registry;
}

static struct wcow_reference reference(int port, const char *rest)
{
    char text[256];
    struct wcow_reference ref;
    (void)snprintf(text, sizeof(text), "127.0.0.1:%d/%s", port, rest);
    assert_ok(wcow_reference_parse(text, &ref, &err));
    return ref;
}

/* A reproducible blob of BLOB_BYTES. */
static const uint8_t *blob(void)
{
    static uint8_t data[BLOB_BYTES];
    uint32_t x = 2463534242U;
    for (size_t i = 0; i < sizeof(data); i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        data[i] = (uint8_t)x;
    }
    return data;
}

struct reader {
    const uint8_t *data;
    size_t at;
    int opens;
};

static int reader_next(void *ctx, const uint8_t **data, size_t *len, struct wcow_error *err)
{
    (void)err;
    struct reader *r = ctx;
    size_t left = BLOB_BYTES - r->at;
    *data = r->data + r->at;
    *len = left < 100000 ? left : 100000;
    r->at += *len;
    return WCOW_OK;
}

static int reader_open(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    (void)err;
    struct reader *r = ctx;
    r->at = (size_t)offset;
    r->opens++;
    *ret = (struct wcow_source){.next = reader_next, .ctx = r};
    return WCOW_OK;
}

static void describe(struct wcow_descriptor *desc)
{
    struct wcow_digest digest;
    assert_ok(wcow_digest_of(blob(), BLOB_BYTES, &digest, &err));
    assert_ok(wcow_descriptor_init(desc, WCOW_MEDIA_OCI_LAYER, digest.text, BLOB_BYTES, &err));
}

static uint64_t last_done;
static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    assert_int_equal(total, BLOB_BYTES);
    assert_true(done <= total);
    last_done = done;
}

/* Push the blob, and fetch it again. */
static void round_trip(struct wcow_registry *registry, const struct wcow_reference *ref)
{
    wcow_auto_descriptor desc = {0};
    describe(&desc);
    struct reader r = {.data = blob()};
    struct wcow_blob_reader reader = {.open = reader_open, .ctx = &r};
    struct wcow_transfer transfer = {.progress = on_progress};
    struct wcow_blob_push push = {.desc = &desc, .reader = &reader, .transfer = &transfer};
    bool there = true;
    last_done = 0;
    assert_ok(wcow_registry_push_blob(registry, ref, &push, &there, &err));
    assert_false(there);
    assert_int_equal(last_done, BLOB_BYTES);
    assert_ok(wcow_registry_push_blob(registry, ref, &push, &there, &err));
    assert_true(there);

    wcow_autobuf out = {0};
    const struct wcow_sink sink = wcow_buf_sink(&out);
    last_done = 0;
    assert_ok(wcow_registry_fetch_blob(registry, ref, &desc, &sink, &transfer, &err));
    assert_int_equal(out.len, BLOB_BYTES);
    assert_memory_equal(out.data, blob(), BLOB_BYTES);
    assert_int_equal(last_done, BLOB_BYTES);
}

static void push_image(struct wcow_registry *registry, const struct wcow_reference *ref,
                       struct wcow_digest *ret)
{
    static const char config[] = "{\"architecture\":\"amd64\",\"os\":\"windows\"}";
    wcow_auto_manifest manifest = {0};
    wcow_autobuf text = {0};
    struct wcow_digest digest;
    assert_ok(wcow_registry_push_bytes(registry, ref, config, strlen(config), &err));
    assert_ok(wcow_digest_of(config, strlen(config), &digest, &err));
    assert_ok(wcow_descriptor_init(&manifest.config, WCOW_MEDIA_OCI_CONFIG, digest.text,
                                   strlen(config), &err));
    assert_ok(wcow_manifest_write(&manifest, &text, &err));
    assert_ok(wcow_registry_push_manifest(registry, ref, WCOW_MEDIA_OCI_MANIFEST, text.data,
                                          text.len, ret, &err));
}

static void an_image_goes_up_and_comes_back(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){0});
    struct wcow_reference ref = reference(fixture.open.port, "team/app:v1");
    round_trip(registry, &ref);
    struct wcow_digest pushed;
    push_image(registry, &ref, &pushed);

    wcow_auto_descriptor resolved = {0};
    assert_ok(wcow_registry_resolve(registry, &ref, &resolved, &err));
    assert_string_equal(resolved.digest.text, pushed.text);
    assert_string_equal(resolved.media_type, WCOW_MEDIA_OCI_MANIFEST);

    struct wcow_reference by_digest = ref;
    by_digest.tag[0] = '\0';
    by_digest.digest = pushed;
    wcow_autobuf text = {0};
    wcow_auto_descriptor fetched = {0};
    assert_ok(wcow_registry_fetch_manifest(registry, &by_digest, &text, &fetched, &err));
    assert_int_equal(fetched.size_bytes, text.len);
    wcow_auto_manifest manifest = {0};
    assert_ok(wcow_manifest_parse(text.data, text.len, fetched.media_type, &manifest, &err));
    wcow_autobuf config = {0};
    assert_ok(wcow_registry_fetch_bytes(registry, &ref, &manifest.config, 4096, &config, &err));
    assert_non_null(strstr((char *)config.data, "windows"));
}

static void a_blob_goes_up_in_pieces(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry =
        client_with((struct wcow_registry_options){.upload_chunk_bytes = 1 << 20});
    struct wcow_reference ref = reference(fixture.open.port, "team/pieces:v1");
    round_trip(registry, &ref);
}

static void a_blob_of_another_repository_is_mounted(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){0});
    struct wcow_reference from = reference(fixture.open.port, "mount/from:v1");
    struct wcow_reference to = reference(fixture.open.port, "mount/to:v1");
    round_trip(registry, &from);
    wcow_auto_descriptor desc = {0};
    describe(&desc);
    wcow_auto_str_list repositories = {0};
    assert_ok(wcow_str_list_add(&repositories, "mount/empty", &err));
    assert_ok(wcow_str_list_add(&repositories, "mount/from", &err));
    struct reader r = {.data = blob()};
    struct wcow_blob_reader reader = {.open = reader_open, .ctx = &r};
    struct wcow_blob_push push = {.desc = &desc, .reader = &reader, .mount_from = &repositories};
    bool there = false;
    assert_ok(wcow_registry_push_blob(registry, &to, &push, &there, &err));
    assert_true(there);
    assert_int_equal(r.opens, 0);
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){0});
    struct wcow_reference ref = reference(fixture.open.port, "team/none:v9");
    wcow_auto_descriptor desc = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_NOT_FOUND);
    assert_int_equal(err.code, WCOW_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "team/none"));
    assert_non_null(strstr(err.msg, "v9"));
    assert_non_null(strstr(err.msg, "404"));
    wcow_autobuf out = {0};
    assert_int_equal(wcow_registry_fetch_manifest(registry, &ref, &out, NULL, &err),
                     WCOW_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "MANIFEST_UNKNOWN"));
}

static void nobody_listens_is_told(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){.max_attempts = 2});
    struct wcow_reference ref = reference(free_port(), "team/none:v9");
    wcow_auto_descriptor desc = {0};
    assert_fails(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_UNAVAILABLE);
}

/* auths of config.json for one registry. */
static void write_docker_config(const char *dir, int port, const char *auth)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "{\"auths\":{\"127.0.0.1:%d\":{\"auth\":\"%s\"}}}", port,
                   auth);
    write_text(dir, "config.json", text);
}

static void make_dir(char dir[128])
{
    (void)snprintf(dir, 128, "%s/XXXXXX", fixture.docker_dir);
    assert_non_null(mkdtemp(dir));
}

static void without_login_the_message_says_how(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){0});
    struct wcow_reference ref = reference(fixture.secret.port, "team/app:v1");
    wcow_auto_descriptor desc = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_DENIED);
    assert_non_null(strstr(err.msg, "docker login 127.0.0.1:"));
}

static void a_wrong_password_is_refused_and_not_shown(void **state)
{
    (void)state;
    char dir[128];
    make_dir(dir);
    write_docker_config(dir, fixture.secret.port, "YnVpbGRlcjp3cm9uZy1QYXNz"); /* wrong-Pass */
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry =
        client_with((struct wcow_registry_options){.docker_config_dir = dir});
    struct wcow_reference ref = reference(fixture.secret.port, "team/app:v1");
    struct wcow_error err = {0};
    assert_int_equal(wcow_registry_push_bytes(registry, &ref, "x", 1, &err), WCOW_E_DENIED);
    assert_null(strstr(err.msg, "wrong-Pass"));
    assert_null(strstr(err.msg, "YnVpbGRlcjp3cm9uZy1QYXNz"));
}

static void with_basic_login_an_image_goes_up(void **state)
{
    (void)state;
    char dir[128];
    make_dir(dir);
    write_docker_config(dir, fixture.secret.port, "YnVpbGRlcjpzM2NyZXQtUGFzcw==");
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry =
        client_with((struct wcow_registry_options){.docker_config_dir = dir});
    struct wcow_reference ref = reference(fixture.secret.port, "team/app:v1");
    round_trip(registry, &ref);
    struct wcow_digest pushed;
    push_image(registry, &ref, &pushed);
}

/* <dir>/<host>:<port>/hosts.toml. */
static void write_hosts(const char *dir, int port, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/127.0.0.1:%d", dir, port);
    (void)mkdir(path, 0700);
    write_text(path, "hosts.toml", text);
}

static void a_client_shows_its_certificate(void **state)
{
    (void)state;
    char dir[128];
    char text[512];
    struct registry_process strict;
    assert_true(
        registry_start(&strict, &(struct registry_setup){.tls = true, .client_cert = true}));
    make_dir(dir);
    struct wcow_reference ref = reference(strict.port, "team/app:v1");
    int n =
        snprintf(text, sizeof(text), "server = \"https://127.0.0.1:%d\"\nca = \"%s/cert.pem\"\n",
                 strict.port, strict.dir);
    write_hosts(dir, strict.port, text);
    {
        WCOW_CLEANUP(wcow_registry_free_p)
        struct wcow_registry *registry =
            client_with((struct wcow_registry_options){.hosts_dir = dir});
        wcow_auto_descriptor desc = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_DENIED);
        assert_non_null(strstr(err.msg, "client = "));
    }
    (void)snprintf(text + n, sizeof(text) - (size_t)n,
                   "client = [[\"%s/cert.pem\", \"%s/key.pem\"]]\n", strict.dir, strict.dir);
    write_hosts(dir, strict.port, text);
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){.hosts_dir = dir});
    round_trip(registry, &ref);
    registry_stop(&strict);
}

/* A TLS server that asks for a client's certificate and, where none comes, resets the connection
 * without a word: what is left of its alert when that loses its race against the reset. */
struct resetting_server {
    char dir[64]; /* cert.pem and key.pem */
    int fd;
    int port;
    SSL_CTX *tls;
    pthread_t thread;
    atomic_int connections;
};

static void reset_after_request(SSL *ssl, int fd)
{
    char first;
    if (SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
        (void)SSL_peek(ssl, &first, 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                     sizeof(struct linger));
}

/* Until the listening socket is shut down. */
static void *run_resetting_server(void *arg)
{
    struct resetting_server *s = arg;
    for (int fd; (fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; (void)close(fd)) {
        atomic_fetch_add(&s->connections, 1);
        SSL *ssl = SSL_new(s->tls);
        if (ssl)
            reset_after_request(ssl, fd);
        SSL_free(ssl);
    }
    return NULL;
}

static void resetting_server_start(struct resetting_server *s)
{
    char path[96];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    *s = (struct resetting_server){.dir = "/tmp/wcow-registry-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    make_certificate(s->dir, "", "ec", "ec_paramgen_curve:prime256v1");
    s->tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(s->tls);
    (void)snprintf(path, sizeof(path), "%s/cert.pem", s->dir);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(s->tls, path), 1);
    (void)snprintf(path, sizeof(path), "%s/key.pem", s->dir);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(s->tls, path, SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER, NULL);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, run_resetting_server, s), 0);
}

static void resetting_server_stop(struct resetting_server *s)
{
    (void)shutdown(s->fd, SHUT_RDWR);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->fd);
    SSL_CTX_free(s->tls);
    char *const argv[] = {(char[]){"rm"}, (char[]){"-rf"}, s->dir, NULL};
    assert_int_equal(run_program(argv), 0);
}

static void a_reset_after_asking_for_a_certificate_names_it(void **state)
{
    (void)state;
    struct resetting_server server;
    resetting_server_start(&server);
    struct wcow_reference ref = reference(server.port, "team/app:v1");
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry =
        client_with((struct wcow_registry_options){.skip_verify = true});
    wcow_auto_descriptor desc = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_DENIED);
    assert_non_null(strstr(err.msg, "client = "));
    assert_int_equal(atomic_load(&server.connections), 1); /* trying again would not help */
    resetting_server_stop(&server);
}

static void tls_needs_a_trusted_certificate(void **state)
{
    (void)state;
    char dir[128];
    char ca[160];
    make_dir(dir);
    write_docker_config(dir, fixture.tls.port, "YnVpbGRlcjpzM2NyZXQtUGFzcw==");
    (void)snprintf(ca, sizeof(ca), "%s/cert.pem", fixture.tls.dir);
    struct wcow_reference ref = reference(fixture.tls.port, "team/app:v1");
    {
        WCOW_CLEANUP(wcow_registry_free_p)
        struct wcow_registry *registry =
            client_with((struct wcow_registry_options){.docker_config_dir = dir, .ca_file = ca});
        round_trip(registry, &ref);
    }
    {
        WCOW_CLEANUP(wcow_registry_free_p)
        struct wcow_registry *registry = client_with(
            (struct wcow_registry_options){.docker_config_dir = dir, .skip_verify = true});
        struct wcow_reference other = reference(fixture.tls.port, "team/unverified:v1");
        round_trip(registry, &other);
    }
    make_certificate(dir, "other-", "ec", "ec_paramgen_curve:prime256v1");
    (void)snprintf(ca, sizeof(ca), "%s/other-cert.pem", dir);
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry =
        client_with((struct wcow_registry_options){.docker_config_dir = dir, .ca_file = ca});
    wcow_auto_descriptor desc = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_DENIED);
    assert_non_null(strstr(err.msg, "certificate"));
}

static void *push_in_thread(void *arg)
{
    struct wcow_registry *registry = arg;
    static atomic_int number;
    char name[64];
    char bytes[64];
    int n = atomic_fetch_add(&number, 1);
    (void)snprintf(name, sizeof(name), "parallel/app%d:v1", n);
    struct wcow_reference ref = reference(fixture.open.port, name);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(bytes, sizeof(bytes), "%d of thread %d", i, n);
        struct wcow_error err = {0};
        if (wcow_registry_push_bytes(registry, &ref, bytes, strlen(bytes), &err) < 0)
            return registry;
    }
    return NULL;
}

static void several_threads_share_one_client(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry = client_with((struct wcow_registry_options){0});
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_in_thread, registry), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void a_cancelled_client_stops_at_once(void **state)
{
    (void)state;
    atomic_bool cancelled = true;
    WCOW_CLEANUP(wcow_registry_free_p)
    struct wcow_registry *registry =
        client_with((struct wcow_registry_options){.cancelled = &cancelled});
    struct wcow_reference ref = reference(fixture.open.port, "team/app:v1");
    wcow_auto_descriptor desc = {0};
    assert_fails(wcow_registry_resolve(registry, &ref, &desc, &err), WCOW_E_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_goes_up_and_comes_back),
        cmocka_unit_test(a_blob_goes_up_in_pieces),
        cmocka_unit_test(a_blob_of_another_repository_is_mounted),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(nobody_listens_is_told),
        cmocka_unit_test(without_login_the_message_says_how),
        cmocka_unit_test(a_wrong_password_is_refused_and_not_shown),
        cmocka_unit_test(with_basic_login_an_image_goes_up),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(a_reset_after_asking_for_a_certificate_names_it),
        cmocka_unit_test(tls_needs_a_trusted_certificate),
        cmocka_unit_test(several_threads_share_one_client),
        cmocka_unit_test(a_cancelled_client_stops_at_once),
    };
    return cmocka_run_group_tests_name("image/registry", tests, setup, teardown);
}
