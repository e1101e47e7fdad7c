/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run_task.h"
#include "base/dir_tree.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "base/utf.h"
#include "containerd/containers.h"
#include "containerd/tasks.h"

enum {
    POLL_MS = 100,
    LINE_MAX_BYTES = 4096,
    END_TIMEOUT_MS = 30000, /* of the calls that end a task */
    MEASURE_S = 1,
    MEASURE_SHARE = 20, /* the time between, in those that measuring takes */
};
static const uint64_t KEEP_FREE_BYTES = 256 << 20;

/* ---- output ---- */

struct output {
    struct wcow_progress *progress;
    const struct wcow_run_task *task;
    char line[LINE_MAX_BYTES + 1];
    size_t len;
};

static void tell(const struct output *o)
{
    const struct wcow_run_task *task = o->task;
    if (task->take_line && task->take_line(o->line, task->take_line_arg))
        return;
    if (task->capture)
        (void)!wcow_buf_addf(task->capture, NULL, "%s\n", o->line);
    else
        wcow_progress_log(o->progress, task->step, o->line);
}

static void end_line(struct output *o)
{
    while (o->len > 0 && o->line[o->len - 1] == '\r')
        o->len--;
    o->line[o->len] = '\0';
    /* A program may write in any code page: what is no UTF-8 is shown as '?'. */
    for (size_t i = 0; i < o->len;) {
        uint32_t code_point = 0;
        size_t n = wcow_wtf8_decode((const uint8_t *)o->line + i, o->len - i, &code_point);
        if (n == 0 || code_point == 0)
            o->line[i] = '?';
        i += n ? n : 1;
    }
    tell(o);
    o->len = 0;
}

static void add_output(struct output *o, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            end_line(o);
            continue;
        }
        if (o->len == LINE_MAX_BYTES)
            end_line(o);
        o->line[o->len++] = data[i];
    }
}

/* What is there now. */
static void drain(struct output *o, int fd)
{
    char data[8192];
    ssize_t n = 0;
    while ((n = read(fd, data, sizeof(data))) > 0)
        add_output(o, data, (size_t)n);
}

/* ---- the wait ---- */

struct waiter {
    struct wcow_containerd_ctx ctx;
    const char *id;
    atomic_bool stop; /* gives up waiting */
    atomic_bool is_done;
    int result;
    uint32_t status;
    struct wcow_error err;
};

static void *wait_for_end(void *arg)
{
    struct waiter *w = arg;
    w->result = wcow_task_wait(&w->ctx, w->id, &w->status, &w->err);
    atomic_store(&w->is_done, true);
    return NULL;
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Room on the disk is looked at with each poll; the folder is measured once in a while, as that
 * costs time in proportion to what is in it. */
struct disk_watch {
    const struct wcow_run_task *task;
    double next_s;
};

static int check_room(const struct wcow_run_task *task, struct wcow_error *err)
{
    struct statvfs disk;
    if (!task->disk || statvfs(task->disk, &disk) < 0 ||
        (uint64_t)disk.f_bavail * disk.f_frsize >= KEEP_FREE_BYTES)
        return WCOW_OK;
    return WCOW_FAIL(
        err, WCOW_E_LIMIT,
        "the command was ended: it filled the disk of %s (less than %llu MiB are left)", task->disk,
        (unsigned long long)(KEEP_FREE_BYTES >> 20));
}

static int check_size(const struct wcow_run_task *task, struct wcow_error *err)
{
    struct wcow_dir_tree_size size = {0};
    if (!task->disk || !task->disk_bytes ||
        wcow_dir_tree_measure(AT_FDCWD, task->disk, &size, NULL) < 0 ||
        size.size_bytes <= (uint64_t)task->disk_bytes)
        return WCOW_OK;
    return WCOW_FAIL(
        err, WCOW_E_LIMIT,
        "the command was ended: it wrote %llu MiB, the limit is %llu MiB (\"run-disk = "
        "SIZE\" in wcow.conf)",
        (unsigned long long)(size.size_bytes >> 20),
        (unsigned long long)((uint64_t)task->disk_bytes >> 20));
}

static int check_disk(struct disk_watch *w, struct wcow_error *err)
{
    int r = check_room(w->task, err);
    double begin = now_s();
    if (r < 0 || begin < w->next_s)
        return r;
    r = check_size(w->task, err);
    double end = now_s();
    w->next_s = end + MEASURE_S + MEASURE_SHARE * (end - begin);
    return r;
}

/* ---- memory ---- */

/* Wine tells no difference between a program that ended well and one that the kernel killed for
 * want of memory: both have exit code 0. The cgroup knows, as long as the task is not deleted. */
static int check_memory(const struct wcow_run_task *task, struct wcow_error *err)
{
    const struct wcow_run_cgroup *c = task->cgroup;
    wcow_autobuf all = {0};
    if (!c || !c->memory_bytes || wcow_run_cgroup_killed((const char *)c->path.data) == 0)
        return WCOW_OK;
    if (c->all_memory_bytes)
        (void)!wcow_buf_addf(&all, NULL,
                             ", or all RUNs together more than theirs of %llu MiB "
                             "(\"run-memory-all = SIZE\")",
                             (unsigned long long)((uint64_t)c->all_memory_bytes >> 20));
    return WCOW_FAIL(err, WCOW_E_LIMIT,
                     "a program of the command was ended: it took more memory than the limit of "
                     "%llu MiB (--memory, or \"run-memory = SIZE\" in wcow.conf)%s",
                     (unsigned long long)((uint64_t)c->memory_bytes >> 20),
                     all.data ? (const char *)all.data : "");
}

/* Until it ends by itself (WCOW_OK) or has to be ended. */
static int watch(struct wcow_backend *b, const struct wcow_run_task *task, struct waiter *w,
                 struct output *o, int fd, struct wcow_error *err)
{
    double end = task->timeout_s ? now_s() + task->timeout_s : 0;
    struct disk_watch disk = {.task = task, .next_s = now_s() + MEASURE_S};
    while (!atomic_load(&w->is_done)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, POLL_MS);
        if (ready > 0 && (p.revents & POLLIN))
            drain(o, fd);
        else if (ready > 0) /* nobody writes yet, or any more */
            (void)poll(NULL, 0, 2);
        if (wcow_backend_is_cancelled(b))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        if (task->timeout_s && now_s() > end)
            return WCOW_FAIL(err, WCOW_E_DEADLINE,
                             "the command was ended: it ran longer than %u s (--run-timeout)",
                             task->timeout_s);
        int r = check_disk(&disk, err);
        if (r < 0)
            return r;
    }
    return check_size(task, err);
}

/* ---- the task ---- */

static struct wcow_containerd_ctx ending_ctx(const struct wcow_backend *b)
{
    struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(b);
    ctx.timeout_ms = END_TIMEOUT_MS;
    return ctx;
}

static int start_and_watch(struct wcow_backend *b, const struct wcow_run_task *task,
                           struct output *o, int fd, uint32_t *ret, struct wcow_error *err)
{
    struct wcow_containerd_ctx starting = wcow_backend_uncancelled(b);
    struct wcow_containerd_ctx ending = ending_ctx(b);
    struct waiter w = {.ctx = b->ctx, .id = task->id};
    w.ctx.cancel = &w.stop;
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_end, &w) != 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "no thread to wait for a command");
    int r = wcow_task_release_input(&starting, task->id, err);
    if (r == WCOW_OK)
        r = wcow_task_start(&starting, task->id, err);
    if (r == WCOW_OK)
        r = watch(b, task, &w, o, fd, err);
    if (r < 0) {
        (void)!wcow_task_kill(&ending, task->id, SIGKILL, NULL);
        for (int i = 0; i < END_TIMEOUT_MS / POLL_MS && !atomic_load(&w.is_done); i++)
            (void)poll(NULL, 0, POLL_MS);
        atomic_store(&w.stop, true);
    }
    (void)pthread_join(thread, NULL);
    drain(o, fd);
    if (r == WCOW_OK && w.result < 0) {
        if (err)
            *err = w.err;
        r = w.result;
    }
    if (r == WCOW_OK)
        r = check_memory(task, err);
    if (r == WCOW_OK)
        *ret = w.status;
    return r;
}

/* A FIFO in the task's folder, made and opened. */
static int make_fifo(const struct wcow_run_task *task, const char *name, int flags, char **ret_path,
                     int *ret_fd, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    if (asprintf(&path, "%s/%s", task->folder, name) < 0) {
        path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    if (mkfifo(path, 0600) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", path);
    int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", path);
    *ret_fd = fd;
    *ret_path = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}

/* The FIFOs of a task. That of its input is held open for writing: it ends when this process does.
 */
struct fifos {
    char *input;
    char *output;
    int input_fd;
    int output_fd;
};

static void fifos_done(struct fifos *f)
{
    if (f->input)
        (void)unlink(f->input);
    if (f->output)
        (void)unlink(f->output);
    wcow_closep_(&f->input_fd);
    wcow_closep_(&f->output_fd);
    free(f->input);
    free(f->output);
}

static int fifos_make(const struct wcow_run_task *task, struct fifos *f, struct wcow_error *err)
{
    int r = make_fifo(task, "input", O_RDWR, &f->input, &f->input_fd, err);
    return r < 0 ? r : make_fifo(task, "output", O_RDONLY, &f->output, &f->output_fd, err);
}

static int run_container(struct wcow_backend *b, const struct wcow_run_task *task, struct output *o,
                         const struct fifos *fifos, uint32_t *ret, struct wcow_error *err)
{
    struct wcow_containerd_ctx creating = wcow_backend_uncancelled(b);
    struct wcow_containerd_ctx ending = ending_ctx(b);
    const int fd = fifos->output_fd;
    const struct wcow_mounts none = {0};
    const struct wcow_task_io io = {
        .stdin_path = fifos->input, .stdout_path = fifos->output, .stderr_path = fifos->output};
    uint32_t pid = 0;
    int r =
        wcow_task_create(&creating, task->id, task->rootfs ? task->rootfs : &none, &io, &pid, err);
    if (r < 0)
        return r;
    r = start_and_watch(b, task, o, fd, ret, err);
    int deleted = wcow_task_delete(&ending, task->id, r < 0 ? NULL : err);
    drain(o, fd); /* the shim has gone: all that was written is here */
    return r < 0 ? r : deleted;
}

int wcow_run_task(struct wcow_backend *b, const struct wcow_run_task *task,
                  uint32_t *ret_exit_status, struct wcow_error *err)
{
    WCOW_CLEANUP(fifos_done) struct fifos fifos = {.input_fd = -1, .output_fd = -1};
    struct output output = {.progress = b->progress, .task = task};
    const struct wcow_container container = {
        .id = task->id, .runtime = task->runtime, .spec_json = task->spec_json};
    if (wcow_backend_is_cancelled(b))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    int r = fifos_make(task, &fifos, err);
    if (r < 0)
        return r;
    struct wcow_containerd_ctx creating = wcow_backend_uncancelled(b);
    r = wcow_container_create(&creating, &container, err);
    if (r == WCOW_OK) {
        r = run_container(b, task, &output, &fifos, ret_exit_status, err);
        struct wcow_containerd_ctx ending = ending_ctx(b);
        int deleted = wcow_container_delete(&ending, task->id, r < 0 ? NULL : err);
        r = r < 0 ? r : deleted;
    }
    if (output.len > 0)
        end_line(&output);
    return r;
}
