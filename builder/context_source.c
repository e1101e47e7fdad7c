/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/context_source.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "base/dir_tree.h"
#include "base/fd.h"
#include "base/temp_file.h"
#include "builder/archive.h"
#include "builder/build.h"
#include "builder/dockerfile.h"
#include "builder/git_kept.h"
#include "builder/instructions_flags.h"
#include "builder/remote.h"
#include "builder/spool.h"
#include "image/http.h"

enum { OPEN_FOLDERS = 16, COPY_BYTES = 64 << 10 };

bool wcow_context_source_is_remote(const char *from)
{
    return strcmp(from, "-") == 0 || wcow_git_is_url(from) || wcow_remote_is_http(from);
}

/* ---- the temporary folder: context/ and, for a text, Dockerfile ---- */

static int format_path(char **ret, struct wcow_error *err, const char *parent, const char *name)
{
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, "%s/%s", parent, name);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int make_folder(struct wcow_context_source *source, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *dir = getenv("TMPDIR");
    char *path = NULL;
    int r = format_path(&path, err, dir && *dir ? dir : "/var/tmp", "wcow-context-XXXXXX");
    if (r < 0)
        return r;
    if (!mkdtemp(path)) {
        free(path);
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "make a folder in %s (set TMPDIR to another place)",
                               dir && *dir ? dir : "/var/tmp");
    }
    source->temporary = path;
    /* Unpacking follows no link, so none may lead here. */
    char *real = realpath(path, NULL);
    if (!real)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "find the folder %s", path);
    free(source->temporary);
    source->temporary = real;
    r = format_path(&source->folder, err, real, "context");
    if (r == WCOW_OK && mkdir(source->folder, 0700) < 0)
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "make the folder %s", source->folder);
    return r;
}

void wcow_context_source_done(struct wcow_context_source *source)
{
    if (source->temporary)
        (void)!wcow_dir_tree_delete(AT_FDCWD, source->temporary, NULL, NULL);
    wcow_git_checkout_free(source->checkout);
    free(source->temporary);
    free(source->folder);
    free(source->dockerfile);
    free(source->name);
    *source = (struct wcow_context_source){0};
}

/* ---- an archive, or a text ---- */

/* *ret_bytes: how many there were. */
static int copy_bytes(int from, int to, uint64_t max_bytes, uint64_t *ret_bytes,
                      const struct wcow_context_fetch *fetch, struct wcow_error *err)
{
    wcow_autofree uint8_t *buffer = malloc(COPY_BYTES);
    uint64_t total = 0;
    if (!buffer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build context");
    for (;;) {
        int r = wcow_fd_wait(from, POLLIN, fetch->cancel, err);
        if (r < 0)
            return r;
        ssize_t n = read(from, buffer, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the build context");
        if (n == 0)
            break;
        total += (uint64_t)n;
        if (total > max_bytes)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %llu bytes",
                             (unsigned long long)max_bytes);
        r = wcow_fd_write(to, buffer, (size_t)n,
                          "the build context to a temporary file (set TMPDIR to another folder)",
                          err);
        if (r < 0)
            return r;
    }
    *ret_bytes = total;
    return WCOW_OK;
}

static int take_text(const struct wcow_context_fetch *fetch, int fd,
                     struct wcow_context_source *source, struct wcow_error *err)
{
    uint64_t bytes = 0;
    if (!fetch->takes_text)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "it is no tar archive (plain, gzip, bzip2, xz or zstd)");
    int r = format_path(&source->dockerfile, err, source->temporary, "Dockerfile");
    if (r < 0)
        return r;
    wcow_autoclose int to = open(source->dockerfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "keep the Dockerfile");
    r = copy_bytes(fd, to, WCOW_DOCKERFILE_MAX_BYTES, &bytes, fetch, err);
    return r < 0 ? wcow_error_wrap(r, err, "it is no archive, and for a Dockerfile too large")
                 : WCOW_OK;
}

/* @p fd can be read again from its beginning. */
static int take_bytes(const struct wcow_context_fetch *fetch, int fd,
                      struct wcow_context_source *source, struct wcow_error *err)
{
    bool unpacked = false;
    int r = make_folder(source, err);
    if (r == WCOW_OK)
        r = wcow_archive_extract_fd(fd, fetch->from, fetch->cancel, source->folder, &unpacked, err);
    return r < 0 || unpacked ? r : take_text(fetch, fd, source, err);
}

static int take_stdin(const struct wcow_context_fetch *fetch, struct wcow_context_source *source,
                      unsigned step, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    uint64_t bytes = 0;
    int r = wcow_temp_file_open(-1, &fd, err);
    if (r == WCOW_OK)
        r = copy_bytes(STDIN_FILENO, fd, WCOW_ARCHIVE_MAX_BYTES, &bytes, fetch, err);
    if (r == WCOW_OK && lseek(fd, 0, SEEK_SET) < 0)
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the build context again");
    if (r == WCOW_OK && fetch->progress)
        wcow_progress_status(fetch->progress, step, "transferring context", bytes, 0, true);
    if (r == WCOW_OK)
        r = take_bytes(fetch, fd, source, err);
    return r < 0 ? wcow_error_wrap(r, err, "the build context on standard input") : WCOW_OK;
}

static int take_http(const struct wcow_context_fetch *fetch, struct wcow_context_source *source,
                     unsigned step, struct wcow_error *err)
{
    const struct wcow_remote_fetch get = {.url = fetch->from, .cancel = fetch->cancel};
    WCOW_CLEANUP(wcow_remote_file_done) struct wcow_remote_file file = {0};
    int fd = -1;
    int r = wcow_remote_get(&get, &file, err);
    if (r < 0)
        return r;
    if (fetch->progress)
        wcow_progress_status(fetch->progress, step, "downloading", file.size_bytes, file.size_bytes,
                             true);
    source->time_s = file.mtime_s;
    r = wcow_spool_rewind(file.spool, &fd, err);
    if (r == WCOW_OK)
        r = take_bytes(fetch, fd, source, err);
    return r < 0
               ? wcow_error_wrap(r, err, "the build context %s", wcow_http_shown(fetch->from).text)
               : WCOW_OK;
}

/* ---- git ---- */

/* A folder of the repository may be a link of its own making: none is followed. */
static int check_folder(const struct wcow_context_source *source, const char *folder,
                        struct wcow_error *err)
{
    wcow_autoclose int top = open(source->checkout->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int fd = -1;
    if (top < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", source->checkout->path);
    int r = wcow_open_beneath(top, folder, O_PATH | O_DIRECTORY, 0, &fd, err);
    return r < 0 ? wcow_error_wrap(r, err, "the folder %s of the repository", folder) : WCOW_OK;
}

/* What tells a file's history is no part of a context: it would get into images by `COPY .`, and
 * with it where the repository was fetched from. */
static int remove_pointer(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    if (type == FTW_F && strcmp(path + ftw->base, ".git") == 0) /* of a submodule */
        (void)unlink(path);
    return 0;
}

static int remove_git_dirs(const struct wcow_context_source *source, struct wcow_error *err)
{
    const char *path = source->checkout->path;
    wcow_autoclose int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", path);
    int r = wcow_dir_tree_delete(top, ".git", NULL, err);
    if (r < 0)
        return r;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): it does not change the folder
    (void)nftw(path, remove_pointer, OPEN_FOLDERS, FTW_PHYS);
    return WCOW_OK;
}

/* BUILDKIT_CONTEXT_KEEP_GIT_DIR, as BuildKit reads it. */
static bool keeps_git_dir(const struct wcow_context_fetch *fetch)
{
    static const char name[] = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=";
    bool keeps = false;
    for (size_t i = 0; fetch->build_args && i < fetch->build_args->count; i++) {
        const char *arg = fetch->build_args->items[i];
        if (strncmp(arg, name, sizeof name - 1) == 0 &&
            !wcow_parse_bool(arg + sizeof name - 1, &keeps))
            keeps = false;
    }
    return keeps;
}

static int take_repository(const struct wcow_context_fetch *fetch,
                           struct wcow_context_source *source, unsigned step,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {0};
    wcow_autobuf text = {0};
    int r = wcow_git_url_parse(fetch->from, &url, err);
    if (r == WCOW_OK)
        r = wcow_git_clone(&url, NULL, fetch->cancel, &source->checkout, err);
    bool keeps =
        url.keep_git_dir == WCOW_UNSET ? keeps_git_dir(fetch) : url.keep_git_dir == WCOW_YES;
    if (r == WCOW_OK)
        source->time_s = source->checkout->time_s;
    if (r == WCOW_OK)
        r = keeps ? wcow_git_settle(source->checkout, fetch->cancel, err)
                  : remove_git_dirs(source, err);
    if (r == WCOW_OK && url.folder && *url.folder)
        r = check_folder(source, url.folder, err);
    if (r == WCOW_OK)
        r = format_path(&source->folder, err, source->checkout->path, url.folder ? url.folder : "");
    if (r == WCOW_OK && fetch->progress &&
        wcow_buf_addf(&text, NULL, "commit %s", source->checkout->commit) == WCOW_OK)
        wcow_progress_status(fetch->progress, step, (const char *)text.data, 0, 0, true);
    return r;
}

/* ---- all of them ---- */

/* The folder is a temporary one, which means nothing to whom reads of it. */
static int name_source(const struct wcow_context_fetch *fetch, struct wcow_context_source *source,
                       struct wcow_error *err)
{
    source->name = strdup(strcmp(fetch->from, "-") == 0 ? "the build context on standard input"
                                                        : wcow_http_shown(fetch->from).text);
    return source->name ? WCOW_OK
                        : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build context");
}

static int take_remote(const struct wcow_context_fetch *fetch, struct wcow_context_source *source,
                       struct wcow_error *err)
{
    bool is_git = wcow_git_is_url(fetch->from);
    wcow_autobuf title = {0};
    unsigned step = 0;
    int r = is_git ? wcow_buf_addf(&title, err, "[internal] load git source %s",
                                   wcow_http_shown(fetch->from).text)
                   : wcow_buf_add_str(&title, "[internal] load remote build context", err);
    if (r == WCOW_OK)
        r = name_source(fetch, source, err);
    if (r < 0)
        return r;
    if (fetch->progress)
        step = wcow_progress_start(fetch->progress, (const char *)title.data);
    source->is_fetched = true;
    if (is_git)
        r = take_repository(fetch, source, step, err);
    else if (strcmp(fetch->from, "-") == 0)
        r = take_stdin(fetch, source, step, err);
    else
        r = take_http(fetch, source, step, err);
    if (fetch->progress)
        wcow_progress_end(fetch->progress, step, wcow_progress_end_of(r, false),
                          r < 0 && err ? err->msg : NULL);
    return r;
}

int wcow_context_source_open(const struct wcow_context_fetch *fetch,
                             struct wcow_context_source *ret, struct wcow_error *err)
{
    struct wcow_context_source source = {0};
    int r = WCOW_OK;
    if (wcow_context_source_is_remote(fetch->from)) {
        r = take_remote(fetch, &source, err);
    } else {
        source.folder = strdup(fetch->from);
        if (!source.folder)
            r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build context");
    }
    if (r < 0)
        wcow_context_source_done(&source);
    else
        *ret = source;
    return r;
}

static int find_dockerfile(const struct wcow_context_source *source, const char *name, char **ret,
                           struct wcow_error *err)
{
    if (source->dockerfile && name)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "-f %s: the build context is a Dockerfile itself and holds no other",
                         name);
    if (source->dockerfile)
        return format_path(ret, err, source->temporary, "Dockerfile");
    name = name ? name : "Dockerfile";
    wcow_autoclose int top = open(source->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int fd = -1;
    if (top < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open the build context %s", source->folder);
    int r = wcow_open_beneath(top, name, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    return r < 0 ? wcow_error_wrap(r, err, "the Dockerfile \"%s\" of the build context", name)
                 : format_path(ret, err, source->folder, name);
}

int wcow_context_source_apply(const struct wcow_context_source *source,
                              struct wcow_build_options *options, char **ret_dockerfile,
                              struct wcow_error *err)
{
    const char *name = options->dockerfile;
    if (name && strcmp(name, "-") == 0 && strcmp(options->context, "-") == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "-f - with the context -: standard input can be one of them");
    options->context = source->folder;
    options->context_name = source->name;
    options->context_time_s = source->time_s;
    *ret_dockerfile = NULL;
    if (!source->is_fetched || (name && strcmp(name, "-") == 0))
        return WCOW_OK;
    int r = find_dockerfile(source, name, ret_dockerfile, err);
    options->dockerfile = *ret_dockerfile;
    return r;
}
