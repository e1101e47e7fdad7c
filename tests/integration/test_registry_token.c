/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens: Debian's docker-registry, which checks them, and a token server of the test's own,
 * which gives them out for as long as the test says. */
#include "wcow_test.h"

#include <time.h>

#include "base/base64.h"
#include "image/manifest.h"
#include "image/registry.h"
#include "registry_bad_server.h"
#include "registry_process.h"

#define BASIC "Basic YnVpbGRlcjpzM2NyZXQtUGFzcw==" /* builder:s3cret-Pass */

/* The registry takes a token for so long after its end. */
enum { LEEWAY_S = 60, BLOB_BYTES = 6000, SHORT_LIFE_S = 15, LONG_LIFE_S = 3000 };

struct fixture {
    struct bad_server server;
    struct registry_process registry;
    struct registry_process tls; /* whose realm is not encrypted */
    char docker_dir[64];
    char key[96];
    char cert_text[4096]; /* DER in base64 */
    atomic_int life_s;
    atomic_int tokens;
};
static struct fixture fixture;

/* ---- the token server ---- */

static void add_base64url(struct wcow_buf *out, const void *data, size_t len)
{
    wcow_autobuf text = {0};
    assert_ok(wcow_base64_encode(data, len, &text, &err));
    for (size_t i = 0; i < text.len && text.data[i] != '='; i++) {
        char c = (char)text.data[i];
        if (c == '+' || c == '/')
            c = (char)(c == '+' ? '-' : '_');
        assert_ok(wcow_buf_add(out, &c, 1, &err));
    }
}

static void read_file(const char *path, struct wcow_buf *out)
{
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    for (;;) {
        char chunk[4096];
        size_t n = fread(chunk, 1, sizeof(chunk), f);
        if (n == 0)
            break;
        assert_ok(wcow_buf_add(out, chunk, n, &err));
    }
    assert_int_equal(fclose(f), 0);
}

/* RS256 of what @p token holds so far, added to it. */
static void sign(struct wcow_buf *token)
{
    char input[128];
    char output[128];
    wcow_autobuf signature = {0};
    (void)snprintf(input, sizeof(input), "%s/signed", fixture.docker_dir);
    (void)snprintf(output, sizeof(output), "%s/signature", fixture.docker_dir);
    write_text(fixture.docker_dir, "signed", (const char *)token->data);
    char *const argv[] = {(char[]){"openssl"},
                          (char[]){"dgst"},
                          (char[]){"-sha256"},
                          (char[]){"-sign"},
                          fixture.key,
                          (char[]){"-out"},
                          output,
                          input,
                          NULL};
    assert_int_equal(run_program(argv), 0);
    read_file(output, &signature);
    assert_ok(wcow_buf_add_str(token, ".", &err));
    add_base64url(token, signature.data, signature.len);
}

/* "repository%3Ateam%2Fapp%3Apull%2Cpush" as one entry of a token's access. */
static void add_access(struct wcow_buf *claims, const char *scope, bool may_push)
{
    char plain[256] = "";
    size_t n = 0;
    for (; *scope && *scope != '&' && n + 1 < sizeof(plain); scope++) {
        char c = *scope;
        if (c == '%') {
            const char hex[3] = {scope[1], scope[2], '\0'};
            c = (char)strtol(hex, NULL, 16);
            scope += 2;
        }
        plain[n++] = c;
    }
    plain[n] = '\0';
    char *name = strchr(plain, ':');
    char *actions = name ? strrchr(plain, ':') : NULL;
    if (!name || name == actions) {
        fail_msg("a scope is type:name:actions, not %s", plain);
        return; /* gcc does not know that the line above does */
    }
    *actions = '\0';
    bool push = may_push && strstr(actions + 1, "push");
    assert_ok(wcow_buf_addf(
        claims, &err, "%s{\"type\":\"repository\",\"name\":\"%s\",\"actions\":[\"pull\"%s]}",
        claims->data[claims->len - 1] == '[' ? "" : ",", name + 1, push ? ",\"push\"" : ""));
}

static void make_token(const char *query, bool may_push, struct wcow_buf *token)
{
    wcow_autobuf header = {0};
    wcow_autobuf claims = {0};
    long long now = time(NULL);
    assert_ok(wcow_buf_addf(&header, &err, "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"x5c\":[\"%s\"]}",
                            fixture.cert_text));
    assert_ok(wcow_buf_addf(&claims, &err,
                            "{\"iss\":\"wcow test\",\"aud\":\"the registry\",\"sub\":\"\","
                            "\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,\"jti\":\"%d\",\"access\":[",
                            now - 3600, now - 3600, now + atomic_load(&fixture.life_s) - LEEWAY_S,
                            atomic_load(&fixture.tokens)));
    for (const char *at = strstr(query, "scope="); at; at = strstr(at + 1, "scope="))
        add_access(&claims, at + strlen("scope="), may_push);
    assert_ok(wcow_buf_add_str(&claims, "]}", &err));
    add_base64url(token, header.data, header.len);
    assert_ok(wcow_buf_add_str(token, ".", &err));
    add_base64url(token, claims.data, claims.len);
    sign(token);
}

/* Knows GET alone. Without a login there is nothing to push with. */
static void give_token(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    wcow_autobuf token = {0};
    wcow_autobuf body = {0};
    (void)s;
    header_of(q, "Authorization", auth, sizeof(auth));
    if (strcmp(q->method, "GET") != 0) {
        answer(fd, "404 Not Found", "", "", 0);
        return;
    }
    if (auth[0] && strcmp(auth, BASIC) != 0) {
        answer(fd, "401 Unauthorized", "", "", 0);
        return;
    }
    atomic_fetch_add(&fixture.tokens, 1);
    make_token(q->path, auth[0] != '\0', &token);
    /* The client cannot know how soon it ends. */
    assert_ok(wcow_buf_addf(&body, &err, "{\"token\":\"%s\",\"expires_in\":3000}",
                            (const char *)token.data));
    answer(fd, "200 OK", "", body.data, body.len);
}

/* ---- the parts ---- */

static void keep_certificate(void)
{
    char path[128];
    wcow_autobuf pem = {0};
    (void)snprintf(fixture.key, sizeof(fixture.key), "%s/token-key.pem", fixture.registry.dir);
    (void)snprintf(path, sizeof(path), "%s/token-cert.pem", fixture.registry.dir);
    read_file(path, &pem);
    assert_non_null(pem.data);
    const char *at = strchr((const char *)pem.data, '\n');
    size_t n = 0;
    for (; at && *at && *at != '-' && n + 1 < sizeof(fixture.cert_text); at++) {
        if (*at != '\n')
            fixture.cert_text[n++] = *at;
    }
}

static int setup(void **state)
{
    (void)state;
    char realm[64];
    (void)snprintf(fixture.docker_dir, sizeof(fixture.docker_dir), "/tmp/wcow-docker-XXXXXX");
    if (!mkdtemp(fixture.docker_dir))
        return -1;
    fixture.server.handle = give_token;
    bad_server_start(&fixture.server);
    (void)snprintf(realm, sizeof(realm), "http://127.0.0.1:%d/token", fixture.server.port);
    if (!registry_start(&fixture.registry, &(struct registry_setup){.token_realm = realm}) ||
        !registry_start(&fixture.tls, &(struct registry_setup){.token_realm = realm, .tls = true}))
        return -1;
    keep_certificate();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    registry_stop(&fixture.registry);
    registry_stop(&fixture.tls);
    bad_server_stop(&fixture.server);
    char *const argv[] = {(char[]){"rm"}, (char[]){"-rf"}, fixture.docker_dir, NULL};
    return run_program(argv);
}

/* A client of the registry on @p port, logged in or not, and what it is to push. */
struct client {
    struct wcow_registry *registry;
    struct wcow_reference ref;
    struct wcow_descriptor desc;
    uint8_t blob[BLOB_BYTES];
    bool given;
    int sleep_s; /* before the next bytes are given */
};

static void client_open(struct client *c, int port, const char *name, bool logged_in, char first)
{
    char text[256];
    struct wcow_digest digest;
    *c = (struct client){0};
    (void)snprintf(text, sizeof(text),
                   "{\"auths\":{\"127.0.0.1:%d\":{\"username\":\"builder\",\"password\":"
                   "\"s3cret-Pass\"}}}",
                   logged_in ? port : 1);
    write_text(fixture.docker_dir, "config.json", text);
    const struct wcow_registry_options options = {.docker_config_dir = fixture.docker_dir,
                                                  .skip_verify = port == fixture.tls.port};
    assert_ok(wcow_registry_new(&options, &c->registry, &err));
    (void)snprintf(text, sizeof(text), "127.0.0.1:%d/%s", port, name);
    assert_ok(wcow_reference_parse(text, &c->ref, &err));
    memset(c->blob, first, sizeof(c->blob));
    assert_ok(wcow_digest_of(c->blob, sizeof(c->blob), &digest, &err));
    assert_ok(
        wcow_descriptor_init(&c->desc, WCOW_MEDIA_OCI_LAYER, digest.text, sizeof(c->blob), &err));
}

static void client_close(struct client *c)
{
    wcow_registry_free(c->registry);
    wcow_descriptor_done(&c->desc);
}

static int next_bytes(void *ctx, const uint8_t **data, size_t *len, struct wcow_error *err)
{
    struct client *c = ctx;
    (void)err;
    *data = c->blob;
    *len = c->given ? 0 : sizeof(c->blob);
    c->given = true;
    return WCOW_OK;
}

/* Called before the request is sent. */
static int open_bytes(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    struct client *c = ctx;
    (void)offset;
    (void)err;
    if (c->sleep_s)
        (void)nanosleep(&(struct timespec){.tv_sec = c->sleep_s}, NULL);
    c->sleep_s = 0;
    c->given = false;
    *ret = (struct wcow_source){.next = next_bytes, .ctx = c};
    return WCOW_OK;
}

static int push(struct client *c, const struct wcow_str_list *mount_from, bool *ret_there,
                struct wcow_error *err)
{
    const struct wcow_blob_reader reader = {.open = open_bytes, .ctx = c};
    const struct wcow_blob_push what = {
        .desc = &c->desc, .reader = &reader, .mount_from = mount_from};
    return wcow_registry_push_blob(c->registry, &c->ref, &what, ret_there, err);
}

/* ---- the tests ---- */

static void one_token_serves_a_whole_push(void **state)
{
    (void)state;
    struct client c;
    bool there = true;
    atomic_store(&fixture.life_s, LONG_LIFE_S);
    client_open(&c, fixture.registry.port, "team/app:v1", true, 'a');
    int before = atomic_load(&fixture.tokens);
    assert_ok(push(&c, NULL, &there, &err));
    assert_false(there);
    assert_ok(push(&c, NULL, &there, &err));
    assert_true(there);
    assert_int_equal(atomic_load(&fixture.tokens) - before, 1);
    client_close(&c);
}

static void without_a_login_a_token_serves_to_pull_alone(void **state)
{
    (void)state;
    struct client c;
    struct wcow_error why = {0};
    bool there = false;
    atomic_store(&fixture.life_s, LONG_LIFE_S);
    client_open(&c, fixture.registry.port, "team/app:v1", false, 'a');
    wcow_autobuf out = {.max_bytes = BLOB_BYTES + 1};
    assert_ok(wcow_registry_fetch_bytes(c.registry, &c.ref, &c.desc, BLOB_BYTES, &out, &err));
    assert_int_equal(out.len, BLOB_BYTES);
    client_close(&c);
    client_open(&c, fixture.registry.port, "team/app:v1", false, 'b');
    assert_int_equal(push(&c, NULL, &there, &why), WCOW_E_DENIED);
    assert_non_null(strstr(why.msg, "docker login"));
    client_close(&c);
}

static void a_token_that_ends_during_a_push_is_renewed(void **state)
{
    (void)state;
    struct client c;
    bool there = true;
    client_open(&c, fixture.registry.port, "team/app:v1", true, 'c');
    int before = atomic_load(&fixture.tokens);
    atomic_store(&fixture.life_s, SHORT_LIFE_S);
    /* It is asked whether the blob is there, and for an upload; then the token is past its end. */
    c.sleep_s = SHORT_LIFE_S + 2;
    assert_ok(push(&c, NULL, &there, &err));
    assert_false(there);
    assert_true(atomic_load(&fixture.tokens) - before >= 2);
    atomic_store(&fixture.life_s, LONG_LIFE_S);
    client_close(&c);
}

static void a_mount_has_a_token_for_both_repositories(void **state)
{
    (void)state;
    struct client c;
    bool there = true;
    atomic_store(&fixture.life_s, LONG_LIFE_S);
    client_open(&c, fixture.registry.port, "other/base:1", true, 'd');
    assert_ok(push(&c, NULL, &there, &err));
    assert_false(there);
    client_close(&c);
    client_open(&c, fixture.registry.port, "team/mounted:1", true, 'd');
    wcow_auto_str_list from = {0};
    assert_ok(wcow_str_list_add(&from, "not/there", &err));
    assert_ok(wcow_str_list_add(&from, "other/base", &err));
    assert_ok(push(&c, &from, &there, &err));
    assert_true(there);
    client_close(&c);
}

static void credentials_go_to_no_unencrypted_server(void **state)
{
    (void)state;
    struct client c;
    struct wcow_error why = {0};
    bool there = false;
    client_open(&c, fixture.tls.port, "team/app:v1", true, 'e');
    int before = atomic_load(&fixture.server.requests);
    assert_int_equal(push(&c, NULL, &there, &why), WCOW_E_DENIED);
    assert_non_null(strstr(why.msg, "unencrypted; refused"));
    assert_int_equal(atomic_load(&fixture.server.requests), before);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token_serves_a_whole_push),
        cmocka_unit_test(without_a_login_a_token_serves_to_pull_alone),
        cmocka_unit_test(a_token_that_ends_during_a_push_is_renewed),
        cmocka_unit_test(a_mount_has_a_token_for_both_repositories),
        cmocka_unit_test(credentials_go_to_no_unencrypted_server),
    };
    return cmocka_run_group_tests_name("image/registry, tokens", tests, setup, teardown);
}
