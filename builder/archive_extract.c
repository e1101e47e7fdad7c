/* SPDX-License-Identifier: Apache-2.0 */
/* An archive that is a build context, into a folder. libarchive keeps its members there: no "..",
 * no absolute path, through no link that a member before has made. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#include "base/beneath.h"
#include "builder/archive.h"
#include "builder/archive_read.h"

enum { READ_BLOCK_BYTES = 64 << 10 };

struct extraction {
    struct archive *in;
    struct archive *out;
    const char *name; /* for messages */
    const char *folder;
    const atomic_bool *cancel;
    uint64_t total;
};

static int broken(const struct extraction *x, struct archive *which, struct wcow_error *err)
{
    const char *why = archive_error_string(which);
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "the archive \"%s\" cannot be unpacked: %s", x->name,
                     why ? why : "unknown error");
}

/* What the disk refuses is a mere warning to libarchive, and the file is short, or filled up with
 * zeros. Its other warnings are of times and the like, which a context can do without. */
static bool is_of_disk(int sys_errno)
{
    return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG || sys_errno == EIO;
}

/* @p status of a call that writes */
static int check_written(const struct extraction *x, int status, struct wcow_error *err)
{
    int sys_errno = status == ARCHIVE_OK ? 0 : archive_errno(x->out);
    if (status >= ARCHIVE_WARN && !is_of_disk(sys_errno))
        return WCOW_OK;
    if (!is_of_disk(sys_errno))
        return broken(x, x->out, err);
    errno = sys_errno;
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(sys_errno),
                           "unpack the archive \"%s\" in %s (set TMPDIR to another folder)",
                           x->name, x->folder);
}

/* Bytes have no warnings. */
static int write_block(const struct extraction *x, const void *data, size_t len, la_int64_t offset,
                       struct wcow_error *err)
{
    int status = (int)archive_write_data_block(x->out, data, len, offset);
    int r = check_written(x, status, err);
    return r == WCOW_OK && status < ARCHIVE_OK ? broken(x, x->out, err) : r;
}

static int extract_data(struct extraction *x, struct wcow_error *err)
{
    for (;;) {
        const void *data = NULL;
        size_t len = 0;
        la_int64_t offset = 0;
        int r = archive_read_data_block(x->in, &data, &len, &offset);
        if (r == ARCHIVE_EOF)
            return WCOW_OK;
        if (r < ARCHIVE_WARN)
            return broken(x, x->in, err);
        if (x->cancel && atomic_load(x->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        x->total += len;
        if (x->total > WCOW_ARCHIVE_MAX_BYTES)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "the archive \"%s\" unpacks to more than %llu GiB",
                             x->name, (unsigned long long)(WCOW_ARCHIVE_MAX_BYTES >> 30));
        r = write_block(x, data, len, offset, err);
        if (r < 0)
            return r;
    }
}

/* The member's path, and a hard link's target, below the folder. */
static int place(const struct extraction *x, struct archive_entry *member, bool *ret_skip,
                 struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *target = NULL;
    const char *link = archive_entry_hardlink(member);
    mode_t type = archive_entry_filetype(member);
    int r = wcow_archive_place(x->folder, archive_entry_pathname(member), &path, err);
    if (r == WCOW_OK && link)
        r = wcow_archive_place(x->folder, link, &target, err);
    if (r < 0)
        return r;
    /* What no layer can hold, sockets and devices, is not made here either; the folder stands. */
    *ret_skip = !path || (link && !target) ||
                (!link && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK);
    if (*ret_skip)
        return WCOW_OK;
    archive_entry_set_pathname(member, path);
    if (target)
        archive_entry_set_hardlink(member, target);
    /* Readable for us, whatever the archive says. */
    archive_entry_set_perm(member, type == AE_IFDIR ? 0700 : 0600);
    return WCOW_OK;
}

static int extract_member(struct extraction *x, struct archive_entry *member,
                          struct wcow_error *err)
{
    bool skip = false;
    int r = place(x, member, &skip, err);
    if (r < 0 || skip)
        return r;
    r = check_written(x, archive_write_header(x->out, member), err);
    if (r == WCOW_OK && archive_entry_size(member) > 0)
        r = extract_data(x, err);
    return r < 0 ? r : check_written(x, archive_write_finish_entry(x->out), err);
}

static int extract_members(struct extraction *x, struct archive_entry *member,
                           struct wcow_error *err)
{
    int status = ARCHIVE_OK;
    for (uint64_t n = 0; status != ARCHIVE_EOF; n++) {
        if (n >= WCOW_ARCHIVE_MAX_MEMBERS)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "the archive \"%s\" has more than %d members",
                             x->name, WCOW_ARCHIVE_MAX_MEMBERS);
        int r = extract_member(x, member, err);
        if (r < 0)
            return r;
        status = archive_read_next_header(x->in, &member);
        if (status < ARCHIVE_WARN)
            return broken(x, x->in, err);
    }
    return check_written(x, archive_write_close(x->out), err);
}

int wcow_archive_extract_fd(int fd, const char *name, const atomic_bool *cancel, const char *folder,
                            bool *ret_unpacked, struct wcow_error *err)
{
    struct extraction x = {.in = archive_read_new(),
                           .out = archive_write_disk_new(),
                           .name = name,
                           .folder = folder,
                           .cancel = cancel};
    struct archive_entry *member = NULL;
    int r = WCOW_OK;
    *ret_unpacked = false;
    if (!x.in || !x.out ||
        archive_write_disk_set_options(x.out, ARCHIVE_EXTRACT_TIME |
                                                  ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                                  ARCHIVE_EXTRACT_SECURE_NODOTDOT) < ARCHIVE_WARN)
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    if (r == WCOW_OK)
        r = wcow_archive_begin(x.in, fd, name, &member, err);
    if (r == WCOW_OK && member)
        r = extract_members(&x, member, err);
    *ret_unpacked = r == WCOW_OK && member;
    (void)archive_read_free(x.in);
    (void)archive_write_free(x.out);
    return r;
}
