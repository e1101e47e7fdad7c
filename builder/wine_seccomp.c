/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_seccomp.h"

#include <stddef.h>

/* Files, memory, processes, time, pipes, sockets: what Wine, its libraries and wcow-wine-init use.
 * Left out though harmless elsewhere: System V IPC, message queues, asynchronous I/O by the kernel,
 * other users' identities, anything that a capability guards. */
static const char *const allowed_calls[] = {
    /* files */
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat",
    "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock",
    "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd",
    "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1",
    "inotify_rm_watch", "ioctl", "lchown", "lgetxattr", "link", "linkat", "listxattr", "llistxattr",
    "lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir", "mkdirat", "mknod", "mknodat",
    "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64",
    "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "removexattr",
    "rename", "renameat", "renameat2", "rmdir", "sendfile", "setxattr", "stat", "statfs", "statx",
    "symlink", "symlinkat", "sync_file_range", "syncfs", "truncate", "umask", "unlink", "unlinkat",
    "utime", "utimensat", "utimes", "write", "writev",
    /* descriptors and waiting */
    "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "pipe", "pipe2", "poll", "ppoll",
    "pselect6", "select", "signalfd", "signalfd4", "timerfd_create", "timerfd_gettime",
    "timerfd_settime",
    /* memory */
    "brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mmap",
    "mprotect", "mremap", "msync", "munlock", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    /* processes and threads; wineserver reads and writes its clients by ptrace */
    "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex",
    "futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "get_robust_list",
    "get_thread_area", "getcpu", "getegid", "geteuid", "getgid", "getgroups", "getitimer",
    "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresuid", "getrlimit",
    "getrusage", "getsid", "gettid", "getuid", "kill", "modify_ldt", "pause", "pidfd_open",
    "pidfd_send_signal", "prctl", "prlimit64", "process_vm_readv", "process_vm_writev", "ptrace",
    "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "set_robust_list",
    "set_thread_area", "set_tid_address", "setitimer", "setpgid", "setpriority", "setrlimit",
    "setsid", "sigaltstack", "sysinfo", "tgkill", "tkill", "uname", "vfork", "wait4", "waitid",
    /* time and chance */
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday",
    "nanosleep", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
    "timer_settime", "times",
    /* sockets; which families is said below */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    "socketpair"};

enum { N_ALLOWED = sizeof(allowed_calls) / sizeof(allowed_calls[0]), ENOSYS_NUMBER = 38 };

/* AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (Wine asks it for interfaces and routes). */
static const int families[] = {1, 2, 10, 16};

/* What may be asked of personality(): as usual, 32-bit, addresses not randomized, "which?" */
static const json_int_t personalities[] = {0x0, 0x8, 0x40000, 0x20000, 0x20008, 0xffffffff};

/* Namespaces that clone may not make: CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET. */
static const json_int_t new_namespaces = 0x7e020000;

static json_t *equals(const char *call, json_int_t value)
{
    return json_pack("{s:[s], s:s, s:[{s:i, s:I, s:s}]}", "names", call, "action", "SCMP_ACT_ALLOW",
                     "args", "index", 0, "value", value, "op", "SCMP_CMP_EQ");
}

json_t *wcow_wine_seccomp(void)
{
    json_t *names = json_array();
    for (size_t i = 0; i < N_ALLOWED; i++)
        (void)json_array_append_new(names, json_string(allowed_calls[i]));
    json_t *calls = json_array();
    (void)json_array_append_new(
        calls, json_pack("{s:o, s:s}", "names", names, "action", "SCMP_ACT_ALLOW"));
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        (void)json_array_append_new(calls, equals("socket", families[i]));
    for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
        (void)json_array_append_new(calls, equals("personality", personalities[i]));
    (void)json_array_append_new(calls, json_pack("{s:[s], s:s, s:[{s:i, s:I, s:i, s:s}]}", "names",
                                                 "clone", "action", "SCMP_ACT_ALLOW", "args",
                                                 "index", 0, "value", new_namespaces, "valueTwo", 0,
                                                 "op", "SCMP_CMP_MASKED_EQ"));
    /* clone3 hides its flags behind a pointer; glibc falls back to clone. */
    (void)json_array_append_new(calls, json_pack("{s:[s], s:s, s:i}", "names", "clone3", "action",
                                                 "SCMP_ACT_ERRNO", "errnoRet", ENOSYS_NUMBER));
    return json_pack("{s:s, s:[s], s:o}", "defaultAction", "SCMP_ACT_ERRNO", "architectures",
                     "SCMP_ARCH_X86_64", "syscalls", calls);
}
