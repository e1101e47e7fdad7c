/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's content store keeps each ingest in a folder of its own: ingest/<hash>/ with `ref`,
 * the name it is known by (namespace, a number, the client's ref), and `data`. */
#include "differ/ingest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "differ/host_dir.h"

enum {
    STEP_BYTES = 8 << 20, /* writeback in pieces that the disk likes */
    MAX_REF_BYTES = 1024,
    MAX_INGESTS = 1000, /* looked at: a hint is not worth more */
};

struct search {
    const char *ns;
    const char *ref;
    unsigned n;
    int found;
};

/* "<namespace>/<number>/<ref>" */
static bool is_name_of(const char *name, size_t len, const struct search *s)
{
    size_t ns_len = strlen(s->ns);
    size_t ref_len = strlen(s->ref);
    if (len < ns_len + ref_len + 2 || memcmp(name, s->ns, ns_len) != 0 || name[ns_len] != '/')
        return false;
    const char *number = name + ns_len + 1;
    size_t digits = strspn(number, "0123456789");
    const char *rest = number + digits;
    return digits > 0 && (size_t)(name + len - rest) == ref_len + 1 && *rest == '/' &&
           memcmp(rest + 1, s->ref, ref_len) == 0;
}

static int look_at(void *arg, int dirfd, const char *name, struct wcow_error *err)
{
    struct search *s = arg;
    char ref[MAX_REF_BYTES + 1];
    (void)err;
    if (++s->n > MAX_INGESTS)
        return 1;
    wcow_autoclose int dir = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    wcow_autoclose int file = dir < 0 ? -1 : openat(dir, "ref", flags);
    ssize_t len = file < 0 ? -1 : read(file, ref, MAX_REF_BYTES);
    if (len <= 0)
        return WCOW_OK;
    ref[len] = '\0';
    if (!is_name_of(ref, (size_t)len, s))
        return WCOW_OK;
    s->found = openat(dir, "data", O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    /* As where a unit has it read-only: enough to send it on its way to the disk. */
    if (s->found < 0)
        s->found = openat(dir, "data", flags);
    return 1;
}

void wcow_ingest_find(struct wcow_ingest *ingest, const char *content_root, const char *ns,
                      const char *ref)
{
    *ingest = (struct wcow_ingest){.fd = -1};
    if (!content_root)
        return;
    wcow_autoclose int root = open(content_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct search search = {.ns = ns, .ref = ref, .found = -1};
    struct wcow_error ignored = {0};
    if (root >= 0 && wcow_host_dir_each(root, "ingest", look_at, &search, &ignored) >= 0)
        ingest->fd = search.found;
    struct stat st;
    int mode = ingest->fd >= 0 ? fcntl(ingest->fd, F_GETFL) & O_ACCMODE : O_RDONLY;
    ingest->is_ours = mode == O_RDWR && fstat(ingest->fd, &st) == 0 && S_ISREG(st.st_mode) &&
                      st.st_size == 0 && st.st_nlink == 1;
}

static int ingest_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_ingest *ingest = ctx;
    int r = wcow_fd_write(ingest->fd, data, len, "containerd's ingest", err);
    if (r == WCOW_OK)
        wcow_ingest_grown(ingest, len);
    return r;
}

struct wcow_sink wcow_ingest_sink(struct wcow_ingest *ingest)
{
    return (struct wcow_sink){.write = ingest_write, .ctx = ingest};
}

void wcow_ingest_grown(struct wcow_ingest *ingest, uint64_t bytes)
{
    ingest->seen_bytes += bytes;
    if (ingest->fd < 0 || ingest->seen_bytes - ingest->started_bytes < STEP_BYTES)
        return;
    ingest->started_bytes = ingest->seen_bytes;
    /* All of it: what is on its way already is passed over. */
    (void)sync_file_range(ingest->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

void wcow_ingest_done(struct wcow_ingest *ingest)
{
    if (ingest->fd >= 0)
        (void)close(ingest->fd);
    ingest->fd = -1;
}
