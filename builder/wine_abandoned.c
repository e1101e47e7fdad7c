/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_abandoned.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/owned_dir.h"
#include "containerd/containers.h"
#include "containerd/leases.h"
#include "containerd/tasks.h"

enum { CALL_TIMEOUT_MS = 30000, KILL_TRIES = 100, POLL_MS = 50, OWNER_MAX_BYTES = 4096 };
#define OWNER "owner"

/* "address\nnamespace\n": what must be ours; the lease stands behind it. */
static int format_owner(const struct wcow_backend *b, struct wcow_buf *out, struct wcow_error *err)
{
    return wcow_buf_addf(out, err, "%s\n%s\n", b->address ? b->address : "", b->ctx.ns);
}

int wcow_wine_note_owner(const struct wcow_wine_run *run, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    const char *lease = run->backend->lease;
    int r = format_owner(run->backend, &text, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&text, lease ? lease : "", err);
    return r < 0 ? r : wcow_wine_run_write(run, OWNER, text.data, text.len, err);
}

/* The lease in the run's folder, if it is this backend's; caller frees. NULL: another's, or nothing
 * was noted yet, as when its process was ended at once. */
static char *read_lease(const struct wcow_backend *b, int fd)
{
    char text[OWNER_MAX_BYTES] = {0};
    wcow_autobuf mine = {0};
    wcow_autoclose int file = -1;
    if (wcow_open_beneath(fd, OWNER, O_RDONLY | O_NONBLOCK, 0, &file, NULL) < 0 ||
        read(file, text, sizeof(text) - 1) <= 0 || format_owner(b, &mine, NULL) < 0 ||
        strncmp(text, (const char *)mine.data, mine.len) != 0)
        return NULL;
    return strdup(text + mine.len);
}

/* Whether a container may have been made: not before the note was written. */
static bool has_owner(int fd)
{
    struct stat st;
    return fstatat(fd, OWNER, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

/* A task can't be deleted before it has ended. */
static int end_container(const struct wcow_containerd_ctx *ctx, const char *id)
{
    int r = WCOW_E_PRECONDITION;
    (void)!wcow_task_kill(ctx, id, SIGKILL, NULL);
    for (int i = 0; r == WCOW_E_PRECONDITION && i < KILL_TRIES; i++) {
        r = wcow_task_delete(ctx, id, NULL);
        if (r == WCOW_E_PRECONDITION)
            (void)poll(NULL, 0, POLL_MS);
    }
    return r < 0 ? r : wcow_container_delete(ctx, id, NULL);
}

static bool end_run(void *arg, int fd, const char *name)
{
    const struct wcow_backend *b = arg;
    struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(b);
    ctx.timeout_ms = CALL_TIMEOUT_MS;
    wcow_autofree char *lease = read_lease(b, fd);
    if (!lease)
        return !has_owner(fd);
    if (end_container(&ctx, name) < 0)
        return false; /* the next build tries again */
    if (*lease) {
        ctx.lease = NULL;
        (void)!wcow_lease_delete(&ctx, lease, false, NULL);
    }
    return true;
}

void wcow_wine_sweep(const char *folder, struct wcow_backend *backend)
{
    wcow_autofree char *path = NULL;
    if (asprintf(&path, "%s/runs", folder) < 0) {
        path = NULL;
        return;
    }
    wcow_autoclose int runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runs >= 0)
        wcow_owned_dirs_sweep(runs, "wcow-build-", end_run, backend);
    wcow_run_folders_sweep();
}
