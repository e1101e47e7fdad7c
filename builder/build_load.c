/* SPDX-License-Identifier: Apache-2.0 */
/* From the command's options to a typed Dockerfile and its variables. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/build_internal.h"
#include "builder/cache_import.h"

/* ---- the Dockerfile ---- */

static int read_file(struct wcow_build *b, int fd, const char *name, struct wcow_error *err)
{
    enum { CHUNK_BYTES = 4096 };
    struct wcow_buf *out = &b->source;
    out->max_bytes = WCOW_DOCKERFILE_MAX_BYTES + CHUNK_BYTES;
    while (out->len <= WCOW_DOCKERFILE_MAX_BYTES) {
        uint8_t *room = NULL;
        int r = wcow_buf_reserve(out, CHUNK_BYTES, &room, err);
        if (r == WCOW_OK)
            r = wcow_fd_wait(fd, POLLIN, b->options->cancel, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "%s", name);
        ssize_t n = read(fd, room, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "read %s", name);
        if (n == 0)
            return WCOW_OK;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
    }
    return WCOW_FAIL(err, WCOW_E_LIMIT, "%s has more than %d bytes", name,
                     WCOW_DOCKERFILE_MAX_BYTES);
}

static int dockerfile_path(const struct wcow_build_options *o, char **ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    int r = o->dockerfile ? wcow_buf_add_str(&path, o->dockerfile, err)
                          : wcow_buf_addf(&path, err, "%s/Dockerfile", o->context);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int read_dockerfile(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_build_options *o = b->options;
    if (o->dockerfile && strcmp(o->dockerfile, "-") == 0) {
        b->dockerfile_name = strdup("Dockerfile");
        return read_file(b, STDIN_FILENO, "the Dockerfile on standard input", err);
    }
    wcow_autofree char *path = NULL;
    int r = dockerfile_path(o, &path, err);
    if (r < 0)
        return r;
    wcow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "there is no Dockerfile at %s; name it with -f, which is relative to the "
                         "current folder",
                         path);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the Dockerfile %s", path);
    const char *slash = strrchr(path, '/');
    b->dockerfile_name = strdup(slash ? slash + 1 : path);
    return read_file(b, fd, path, err);
}

static int parse_dockerfile(struct wcow_build *b, bool typed, struct wcow_error *err)
{
    int r = wcow_dockerfile_parse(b->source.data ? b->source.data : (const uint8_t *)"",
                                  b->source.len, &b->dockerfile, &b->where, err);
    if (r == WCOW_OK && typed)
        r = wcow_build_file_new(b->dockerfile, &b->file, &b->where, err);
    if (r < 0 && b->where.first == 0)
        return wcow_error_wrap(r, err, "dockerfile parse error");
    if (r < 0)
        return wcow_error_wrap(r, err, "dockerfile parse error on line %u", b->where.first);
    b->where = (struct wcow_line_range){0};
    return WCOW_OK;
}

static int load_dockerfile(struct wcow_build *b, bool typed, struct wcow_error *err)
{
    unsigned step = 0;
    wcow_autobuf title = {0};
    int r = read_dockerfile(b, err);
    if (r == WCOW_OK && !b->dockerfile_name)
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a Dockerfile");
    if (r == WCOW_OK)
        r = wcow_buf_addf(&title, err, "[internal] load build definition from %s",
                          b->dockerfile_name);
    if (r < 0)
        return r;
    if (b->progress) {
        step = wcow_progress_start(b->progress, (const char *)title.data);
        wcow_progress_status(b->progress, step, "transferring dockerfile", b->source.len, 0, true);
    }
    r = parse_dockerfile(b, typed, err);
    if (b->progress)
        wcow_progress_end(b->progress, step, wcow_progress_end_of(r, false),
                          r < 0 && err ? err->msg : NULL);
    return r;
}

int wcow_build_load_syntax(struct wcow_build *b, struct wcow_error *err)
{
    return load_dockerfile(b, false, err);
}

/* ---- variables ---- */

static int take_build_args(struct wcow_build *b, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->options->build_args.count; i++) {
        const char *arg = b->options->build_args.items[i];
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
        const char *value = strchr(arg, '=') ? NULL : getenv(arg);
        if (strchr(arg, '='))
            r = wcow_env_set_pair(&b->build_args, arg, err);
        else if (value)
            r = wcow_env_set(&b->build_args, arg, value, err);
    }
    return r;
}

/* The environment's SOURCE_DATE_EPOCH is a build argument, as with buildx. */
static int take_epoch_arg(struct wcow_build *b, struct wcow_error *err)
{
    static const char name[] = "SOURCE_DATE_EPOCH";
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *text = getenv(name);
    return text && !wcow_env_get(&b->build_args, name)
               ? wcow_env_set(&b->build_args, name, text, err)
               : WCOW_OK;
}

/* The context's time in place of its name, for the ARGs too; a folder has none. */
static int put_context_time(struct wcow_build *b, char text[24], struct wcow_error *err)
{
    static const char name[] = "SOURCE_DATE_EPOCH";
    text[0] = '\0';
    if (b->options->context_time_s > 0)
        (void)snprintf(text, 24, "%lld", (long long)b->options->context_time_s);
    int r = wcow_env_set(&b->build_args, name, text, err);
    for (size_t i = 0; r == WCOW_OK && i < b->n_variants; i++) {
        if (wcow_env_get(&b->variants[i].globals, name))
            r = wcow_env_set(&b->variants[i].globals, name, text, err);
    }
    return r;
}

/* As given, or as an ARG before the first FROM has it. */
static int take_epoch(struct wcow_build *b, struct wcow_error *err)
{
    const char *text = wcow_env_get(&b->build_args, "SOURCE_DATE_EPOCH");
    if (!text)
        text = wcow_env_get(&b->variants[0].globals, "SOURCE_DATE_EPOCH");
    char context_time[24];
    b->now_s = time(NULL);
    if (text && strcmp(text, "context") == 0) {
        int r = put_context_time(b, context_time, err);
        if (r < 0)
            return r;
        text = context_time;
    }
    if (!text || !*text)
        return WCOW_OK;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < 0 || value > UINT32_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "SOURCE_DATE_EPOCH is a number of seconds since 1970, or context for the "
                         "time of a repository's commit, not \"%s\"",
                         text);
    b->has_epoch = true;
    b->epoch_s = value;
    b->now_s = value;
    return WCOW_OK;
}

int wcow_build_load(struct wcow_build *b, struct wcow_error *err)
{
    int r = wcow_build_check_platforms(b, err);
    if (r == WCOW_OK)
        r = load_dockerfile(b, true, err);
    if (r == WCOW_OK)
        r = take_build_args(b, err);
    if (r == WCOW_OK)
        r = take_epoch_arg(b, err);
    if (r == WCOW_OK)
        r = wcow_build_fill_variants(b, err);
    return r < 0 ? r : take_epoch(b, err);
}

void wcow_build_image_done(struct wcow_build_image *image)
{
    wcow_local_image_done(&image->image);
    free(image->name);
}

void wcow_build_done(struct wcow_build *b)
{
    wcow_build_variants_done(b);
    for (size_t i = 0; i < b->n_images; i++) {
        wcow_build_image_done(b->images[i]);
        free(b->images[i]);
    }
    free(b->images);
    for (size_t i = 0; i < b->n_checkouts; i++) {
        wcow_context_free(b->checkouts[i].context);
        wcow_git_checkout_free(b->checkouts[i].checkout);
        wcow_context_source_done(&b->checkouts[i].source);
    }
    free(b->checkouts);
    wcow_build_remotes_done(b);
    wcow_build_commits_done(b);
    free(b->made);
    wcow_build_asked_done(&b->asked);
    wcow_env_done(&b->build_args);
    wcow_context_free(b->context);
    wcow_build_cache_close(b->cache);
    wcow_cache_imports_free(b->imports);
    wcow_executor_free(b->executor);
    wcow_backend_free(b->backend);
    wcow_build_file_free(b->file);
    wcow_dockerfile_free(b->dockerfile);
    wcow_secrets_done(&b->secrets);
    wcow_buf_done(&b->source);
    free(b->dockerfile_name);
    (void)pthread_mutex_destroy(&b->lock);
}
