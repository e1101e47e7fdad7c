/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD=libfaults.so: see faults.h. Calls on the program's root alone fail, where a path or a
 * descriptor can tell; the log and the libraries' own descriptors are left alone. */
#undef _FILE_OFFSET_BITS /* the names as they stand in the library */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static struct wcow_faults *faults;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("WCOW_FAULTS"); /* NOLINT(concurrency-mt-unsafe): at start */
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED
                     : mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    if (p != MAP_FAILED)
        faults = p;
}

static bool fails(unsigned call)
{
    if (!faults || !(atomic_load(&faults->calls) & call))
        return false;
    unsigned one_in = atomic_load(&faults->one_in);
    if (one_in > 1 && atomic_fetch_add(&faults->counter, 1) % one_in != 0)
        return false;
    (void)atomic_fetch_add(&faults->n_failed, 1);
    errno = atomic_load(&faults->error);
    return true;
}

/* The function that would have been called, in *ret, a pointer to a function pointer. */
static void find_next(const char *name, void *ret)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f)
        abort();
    memcpy(ret, &f, sizeof(f));
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): these are another's functions
 */

/* A function of the C library that fails where its turn has come; the headers that declare it also
 * promise what it does not do. */
#define FAULTY(call, type, name, params, args)                                                     \
    __attribute__((visibility("default"))) type name params;                                       \
    type name params                                                                               \
    {                                                                                              \
        type(*real) params = NULL;                                                                 \
        find_next(#name, &real);                                                                   \
        return fails(call) ? -1 : real args;                                                       \
    }

FAULTY(WCOW_FAULT_WRITE, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
       (fd, p, n, at))
FAULTY(WCOW_FAULT_WRITE, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at),
       (fd, p, n, at))
FAULTY(WCOW_FAULT_READ, ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
FAULTY(WCOW_FAULT_READ, ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
FAULTY(WCOW_FAULT_SYNC, int, fsync, (int fd), (fd))
FAULTY(WCOW_FAULT_SYNC, int, fdatasync, (int fd), (fd))
FAULTY(WCOW_FAULT_SYNC, int, syncfs, (int fd), (fd))
FAULTY(WCOW_FAULT_FOLDER, int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
FAULTY(WCOW_FAULT_RENAME, int, renameat2,
       (int from, const char *path, int to, const char *name, unsigned flags),
       (from, path, to, name, flags))
FAULTY(WCOW_FAULT_DELETE, int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
/* As <sys/socket.h> has it but for the types of what is only passed on. */
FAULTY(WCOW_FAULT_ACCEPT, int, accept4, (int fd, void *address, void *len, int flags),
       (fd, address, len, flags))

/* The mode is there where the flags say so. */
#define FAULTY_OPEN(name, params, at)                                                              \
    __attribute__((visibility("default"))) int name params;                                        \
    int name params                                                                                \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;                      \
        va_end(ap);                                                                                \
        if (fails(WCOW_FAULT_OPEN))                                                                \
            return -1;                                                                             \
        return (int)syscall(SYS_openat, at, path, flags | O_LARGEFILE, mode);                      \
    }

FAULTY_OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
FAULTY_OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
FAULTY_OPEN(openat, (int fd, const char *path, int flags, ...), fd)
FAULTY_OPEN(openat64, (int fd, const char *path, int flags, ...), fd)

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
