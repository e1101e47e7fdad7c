/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/leftovers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "differ/host_dir.h"

#define VERSION "wcow-ingest-1"
enum { MAX_NOTE = 4096, N_STRINGS = 4 };

struct wcow_leftover_note {
    int fd; /* locked */
    char *path;
};

void wcow_leftover_note_free(struct wcow_leftover_note *note)
{
    if (!note)
        return;
    if (note->path)
        (void)unlink(note->path);
    if (note->fd >= 0)
        (void)close(note->fd);
    free(note->path);
    free(note);
}

static int write_note(int fd, const struct wcow_leftover *what, struct wcow_error *err)
{
    const char *const strings[N_STRINGS] = {VERSION, what->ns, what->ref,
                                            what->lease ? what->lease : ""};
    wcow_autobuf text = {.max_bytes = MAX_NOTE};
    for (size_t i = 0; i < N_STRINGS; i++) {
        int r = wcow_buf_add(&text, strings[i], strlen(strings[i]) + 1, err);
        if (r < 0)
            return r;
    }
    return wcow_fd_write(fd, text.data, text.len, "the note of an ingest", err);
}

int wcow_leftover_note_new(const char *folder, const struct wcow_leftover *what,
                           struct wcow_leftover_note **ret, struct wcow_error *err)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the folder \"%s\"", folder);
    WCOW_CLEANUP(wcow_leftover_note_free_p)
    struct wcow_leftover_note *note = calloc(1, sizeof(*note));
    char *path = NULL;
    if (!note || asprintf(&path, "%s/XXXXXX", folder) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a note");
    note->fd = mkostemp(path, O_CLOEXEC);
    if (note->fd < 0) {
        int r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make a file in \"%s\"", folder);
        free(path);
        return r;
    }
    note->path = path;
    if (flock(note->fd, LOCK_EX | LOCK_NB) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "lock \"%s\"", path);
    int r = write_note(note->fd, what, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(note);
    return r;
}

/* ---- what was left ---- */

struct sweep {
    wcow_leftover_fn fn;
    void *arg;
    int n_kept;
};

/* The strings of a note. @return whether it is one */
static bool parse(const char *text, size_t len, struct wcow_leftover *ret)
{
    const char *strings[N_STRINGS] = {NULL};
    const char *p = text;
    for (size_t i = 0; i < N_STRINGS; i++) {
        const char *end = memchr(p, '\0', len - (size_t)(p - text));
        if (!end)
            return false;
        strings[i] = p;
        p = end + 1;
    }
    *ret = (struct wcow_leftover){.ns = strings[1], .ref = strings[2], .lease = strings[3]};
    return p == text + len && strcmp(strings[0], VERSION) == 0 && strings[1][0] && strings[2][0];
}

static int sweep_one(void *arg, int dirfd, const char *name, struct wcow_error *err)
{
    struct sweep *s = arg;
    char text[MAX_NOTE];
    wcow_autoclose int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return WCOW_OK; /* gone meanwhile, or somebody's at work */
    ssize_t len = pread(fd, text, sizeof(text), 0);
    struct wcow_leftover what = {0};
    if (len >= 0 && parse(text, (size_t)len, &what) && s->fn(s->arg, &what, err) < 0) {
        s->n_kept++;
        return WCOW_OK;
    }
    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "remove the note \"%s\"", name);
    return WCOW_OK;
}

int wcow_leftovers_each(const char *folder, wcow_leftover_fn fn, void *arg, struct wcow_error *err)
{
    struct sweep s = {.fn = fn, .arg = arg};
    int r = wcow_host_dir_each(AT_FDCWD, folder, sweep_one, &s, err);
    if (r == WCOW_E_NOT_FOUND)
        return 0;
    return r < 0 ? r : s.n_kept;
}
