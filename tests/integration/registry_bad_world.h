/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_bad_world.h
 *  What tests of the registry client against servers that misbehave have in common: a server, a
 *  client with a config.json of its own, and a blob. */
#ifndef WCOW_TEST_REGISTRY_BAD_WORLD_H
#define WCOW_TEST_REGISTRY_BAD_WORLD_H

#include "wcow_test.h"

#include <sys/stat.h>
#include <time.h>

#include "image/registry.h"
#include "registry_bad_server.h"

#define PASSWORD "s3cret-Pass"
#define BASIC    "Basic YnVpbGRlcjpzM2NyZXQtUGFzcw==" /* builder:s3cret-Pass */

enum { BLOB_BYTES = 300000, LARGE_BYTES = (16 << 20) + 1000 };
static uint8_t blob[BLOB_BYTES];
static char docker_dir[] = "/tmp/wcow-docker-XXXXXX";

static inline int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (uint8_t)(i * 7 + i / 251);
    return mkdtemp(docker_dir) ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/config.json", docker_dir);
    (void)unlink(path);
    return rmdir(docker_dir);
}

/* What one test has. */
struct world {
    struct bad_server server;
    struct wcow_registry *registry;
    struct wcow_reference ref;
    struct wcow_descriptor desc;
    struct wcow_buf out;
    struct wcow_error err;
};

static inline void write_config(const char *text)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/config.json", docker_dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline void begin_with(struct world *w, struct wcow_registry_options options,
                              void (*handle)(struct bad_server *, int, const struct bad_request *),
                              const char *entry)
{
    *w = (struct world){.server = {.handle = handle}};
    bad_server_start(&w->server);
    char text[512];
    (void)snprintf(text, sizeof(text), "{\"auths\":{\"127.0.0.1:%d\":{%s}}}", w->server.port,
                   entry);
    write_config(text);
    options.docker_config_dir = docker_dir;
    options.retry_delay_ms = 5;
    assert_ok(wcow_registry_new(&options, &w->registry, &err));
    (void)snprintf(text, sizeof(text), "127.0.0.1:%d/team/app:v1", w->server.port);
    assert_ok(wcow_reference_parse(text, &w->ref, &err));
    struct wcow_digest digest;
    assert_ok(wcow_digest_of(blob, sizeof(blob), &digest, &err));
    assert_ok(
        wcow_descriptor_init(&w->desc, WCOW_MEDIA_OCI_LAYER, digest.text, sizeof(blob), &err));
}

static inline void begin(struct world *w,
                         void (*handle)(struct bad_server *, int, const struct bad_request *))
{
    begin_with(w, (struct wcow_registry_options){.max_attempts = 4}, handle,
               "\"username\":\"builder\",\"password\":\"" PASSWORD "\"");
}

static inline void finish(struct world *w)
{
    bad_server_stop(&w->server);
    wcow_registry_free(w->registry);
    wcow_buf_done(&w->out);
    wcow_descriptor_done(&w->desc);
    assert_null(strstr(w->err.msg, PASSWORD));
    assert_int_equal(atomic_load(&w->server.failure), 0);
}

static inline int fetch(struct world *w)
{
    const struct wcow_sink sink = wcow_buf_sink(&w->out);
    return wcow_registry_fetch_blob(w->registry, &w->ref, &w->desc, &sink, NULL, &w->err);
}

static inline void assert_whole(const struct world *w)
{
    assert_int_equal(w->out.len, BLOB_BYTES);
    assert_memory_equal(w->out.data, blob, BLOB_BYTES);
}

static inline int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline size_t range_of(const struct bad_request *q)
{
    char range[64];
    header_of(q, "Range", range, sizeof(range));
    return range[0] ? strtoul(range + strlen("bytes="), NULL, 10) : 0;
}
static inline int next_of_blob(void *ctx, const uint8_t **data, size_t *len, struct wcow_error *err)
{
    (void)err;
    size_t *at = ctx;
    *data = blob + *at;
    *len = BLOB_BYTES - *at;
    *at = BLOB_BYTES;
    return WCOW_OK;
}

static inline int open_blob(void *ctx, uint64_t offset, struct wcow_source *ret,
                            struct wcow_error *err)
{
    (void)err;
    *(size_t *)ctx = (size_t)offset;
    *ret = (struct wcow_source){.next = next_of_blob, .ctx = ctx};
    return WCOW_OK;
}

static inline int push(struct world *w)
{
    size_t at = 0;
    struct wcow_blob_reader reader = {.open = open_blob, .ctx = &at};
    struct wcow_blob_push what = {.desc = &w->desc, .reader = &reader};
    return wcow_registry_push_blob(w->registry, &w->ref, &what, NULL, &w->err);
}

/* For servers that nobody has credentials for. */
static inline void no_credentials_wanted(struct bad_server *s, int fd, const struct bad_request *q)
{
    char auth[256];
    header_of(q, "Authorization", auth, sizeof(auth));
    if (auth[0])
        atomic_store(&s->failure, 1);
    answer(fd, "200 OK", "", blob, sizeof(blob));
}

#endif
