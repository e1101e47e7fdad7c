/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a stage's files, and the folder they go to. */
#include "builder/output_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/links.h"
#include "image/strings.h"
#include "layer/filetime.h"

/* ---- the walk ---- */

struct walk {
    const struct wcow_layers *layers;
    const uint64_t *latest;
    const struct wcow_files_sink *sink;
    const atomic_bool *cancel;
};

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "Files/a/b" from C:\ on. */
static const char *from_drive(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : "";
}

static void use_slashes(char *text)
{
    for (char *p = text; *p; p++) {
        if (*p == '\\')
            *p = '/';
    }
}

/* A relative target is the same here; another leads up to C:\ first. */
static int target_of(const struct wcow_entry *entry, char **ret, struct wcow_error *err)
{
    const char *link = entry->link ? entry->link : "";
    wcow_autofree char *resolved = NULL;
    wcow_autobuf text = {0};
    bool is_absolute = *link == '\\' || *link == '/' || strchr(link, ':');
    int r = WCOW_OK;
    if (!is_absolute || wcow_link_resolve(entry->name, link, &resolved, NULL) < 0) {
        r = wcow_buf_add_str(&text, link, err);
    } else {
        for (const char *p = strchr(from_drive(entry->name), '/'); r == WCOW_OK && p;
             p = strchr(p + 1, '/'))
            r = wcow_buf_add_str(&text, "../", err);
        const char *rest = from_drive(resolved);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(&text, *rest ? rest : ".", err);
    }
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&text);
    if (!*ret)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link");
    use_slashes(*ret);
    return WCOW_OK;
}

static int give_link(struct walk *w, const struct wcow_entry *entry, struct wcow_error *err)
{
    wcow_autofree char *target = NULL;
    if (!entry->link) /* a reparse point that is no link means nothing elsewhere */
        return WCOW_OK;
    int r = target_of(entry, &target, err);
    return r < 0 ? r
                 : w->sink->link(w->sink->ctx, from_drive(entry->name), last_component(entry->name),
                                 entry, target, err);
}

static int give_file(struct walk *w, const struct wcow_layers_found *found, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    int r = wcow_layers_payload(found, &payload, err);
    const struct wcow_entry *entry = &found->entry;
    return r < 0 ? r
                 : w->sink->file(w->sink->ctx, from_drive(entry->name), last_component(entry->name),
                                 entry, &payload, err);
}

static int note_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    return wcow_str_list_add(arg, last_component(child->name), err);
}

static int give_children(struct walk *w, const char *dir, struct wcow_error *err);

static int give(struct walk *w, const char *path, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    if (w->cancel && atomic_load(w->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    int r = wcow_layers_find(w->layers, path, &found, err);
    if (r <= 0)
        return r;
    if (w->latest && found.entry.mtime > *w->latest)
        found.entry.mtime = *w->latest;
    const struct wcow_entry *entry = &found.entry;
    if (entry->type == WCOW_ENTRY_REPARSE)
        return give_link(w, entry, err);
    if (entry->type != WCOW_ENTRY_DIR)
        return give_file(w, &found, err);
    r = w->sink->enter(w->sink->ctx, from_drive(entry->name), last_component(entry->name), entry,
                       err);
    if (r == WCOW_OK)
        r = give_children(w, entry->name, err);
    return r < 0 ? r : w->sink->leave(w->sink->ctx, entry, err);
}

/* Layers hold names of at most 32,767 units, so this is bounded. */
// NOLINTNEXTLINE(misc-no-recursion)
static int give_children(struct walk *w, const char *dir, struct wcow_error *err)
{
    struct wcow_chain chain = wcow_layers_chain(w->layers);
    wcow_auto_str_list names = {0};
    int r = wcow_chain_children(&chain, dir, note_child, &names, err);
    for (size_t i = 0; r >= 0 && i < names.count; i++) {
        wcow_autobuf path = {0};
        r = wcow_buf_addf(&path, err, "%s/%s", dir, names.items[i]);
        if (r == WCOW_OK)
            r = give(w, (const char *)path.data, err);
    }
    return r < 0 ? r : WCOW_OK;
}

int wcow_files_each(const struct wcow_layers *layers, const uint64_t *latest,
                    const struct wcow_files_sink *sink, const atomic_bool *cancel,
                    struct wcow_error *err)
{
    struct walk w = {.layers = layers, .latest = latest, .sink = sink, .cancel = cancel};
    return give_children(&w, "Files", err);
}

/* ---- a folder ---- */

struct folder {
    int *fds; /* of the folders on the way, the root first */
    size_t n;
    const atomic_bool *cancel; /* may be NULL */
};

static int top(const struct folder *f)
{
    return f->fds[f->n - 1];
}

static int push_fd(struct folder *f, int fd, struct wcow_error *err)
{
    int *grown = reallocarray(f->fds, f->n + 1, sizeof(*grown));
    if (!grown) {
        (void)close(fd);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a folder");
    }
    f->fds = grown;
    grown[f->n++] = fd;
    return WCOW_OK;
}

static void set_times(int dir, const char *name, const struct wcow_entry *entry)
{
    struct timespec times[2] = {0};
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;
    wcow_filetime_to_unix(entry->mtime, &seconds, &nanoseconds);
    times[1] = (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds};
    times[0] = times[1];
    (void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
}

static int enter_folder(void *ctx, const char *path, const char *name,
                        const struct wcow_entry *entry, struct wcow_error *err)
{
    struct folder *f = ctx;
    int fd = -1;
    (void)entry;
    if (mkdirat(top(f), name, 0755) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the folder %s", path);
    int r = wcow_open_beneath(top(f), name, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    return r < 0 ? wcow_error_wrap(r, err, "the folder %s", path) : push_fd(f, fd, err);
}

static int leave_folder(void *ctx, const struct wcow_entry *entry, struct wcow_error *err)
{
    struct folder *f = ctx;
    (void)err;
    (void)close(f->fds[--f->n]);
    set_times(top(f), last_component(entry->name), entry);
    return WCOW_OK;
}

/* A link there is replaced, not followed. */
static int create(int dir, const char *name, const char *path, int *ret, struct wcow_error *err)
{
    (void)unlinkat(dir, name, 0);
    *ret = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return *ret >= 0 ? WCOW_OK : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "create %s", path);
}

struct file {
    int fd;
    const atomic_bool *cancel;
};

/* A file may be large, and the build be cancelled in the middle of it. */
static int write_some(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    const struct file *file = ctx;
    if (file->cancel && atomic_load(file->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    return wcow_fd_write(file->fd, data, len, "a file", err);
}

static int write_to_folder(void *ctx, const char *path, const char *name,
                           const struct wcow_entry *entry, const struct wcow_payload *payload,
                           struct wcow_error *err)
{
    const struct folder *f = ctx;
    wcow_autoclose int fd = -1;
    int r = create(top(f), name, path, &fd, err);
    if (r < 0)
        return r;
    struct file file = {.fd = fd, .cancel = f->cancel};
    const struct wcow_sink sink = {.write = write_some, .ctx = &file};
    r = wcow_payload_send(payload, &sink, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", path);
    set_times(top(f), name, entry);
    return WCOW_OK;
}

static int link_in_folder(void *ctx, const char *path, const char *name,
                          const struct wcow_entry *entry, const char *target,
                          struct wcow_error *err)
{
    const struct folder *f = ctx;
    (void)unlinkat(top(f), name, 0);
    if (symlinkat(target, top(f), name) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the link %s", path);
    set_times(top(f), name, entry);
    return WCOW_OK;
}

static int write_extra(struct folder *f, const struct wcow_files_part *part, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = create(top(f), part->extra_name, part->extra_name, &fd, err);
    return r < 0 ? r : wcow_fd_write(fd, part->extra.data, part->extra.len, part->extra_name, err);
}

/* One platform's, below the folder that is open. */
static int write_part(struct folder *f, const struct wcow_files_parts *parts,
                      const struct wcow_files_part *part, const struct wcow_files_sink *sink,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    if (part->folder)
        r = enter_folder(f, part->folder, part->folder, NULL, err);
    if (r == WCOW_OK)
        r = wcow_files_each(part->layers, parts->latest, sink, f->cancel, err);
    if (r == WCOW_OK && part->extra_name)
        r = write_extra(f, part, err);
    while (f->n > 1)
        (void)close(f->fds[--f->n]);
    return r;
}

int wcow_files_to_folder(const struct wcow_files_parts *parts, const char *dest,
                         const atomic_bool *cancel, struct wcow_error *err)
{
    struct folder f = {.cancel = cancel};
    if (mkdir(dest, 0755) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the folder %s", dest);
    int fd = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the folder %s", dest);
    const struct wcow_files_sink sink = {.enter = enter_folder,
                                         .leave = leave_folder,
                                         .file = write_to_folder,
                                         .link = link_in_folder,
                                         .ctx = &f};
    int r = push_fd(&f, fd, err);
    for (size_t i = 0; r == WCOW_OK && i < parts->n; i++)
        r = write_part(&f, parts, &parts->items[i], &sink, err);
    while (f.n > 0)
        (void)close(f.fds[--f.n]);
    free(f.fds);
    return r;
}

/* ---- names ---- */

static int pass_folder(void *ctx, const char *path, const char *name,
                       const struct wcow_entry *entry, struct wcow_error *err)
{
    (void)ctx;
    (void)path;
    (void)name;
    (void)entry;
    (void)err;
    return WCOW_OK;
}

static int pass_end(void *ctx, const struct wcow_entry *entry, struct wcow_error *err)
{
    (void)ctx;
    (void)entry;
    (void)err;
    return WCOW_OK;
}

static int note_file(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                     const struct wcow_payload *payload, struct wcow_error *err)
{
    (void)name;
    (void)entry;
    (void)payload;
    return wcow_str_list_add(ctx, path, err);
}

static int note_link(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                     const char *target, struct wcow_error *err)
{
    (void)name;
    (void)entry;
    (void)target;
    return wcow_str_list_add(ctx, path, err);
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

int wcow_files_check(const struct wcow_files_parts *parts, const atomic_bool *cancel,
                     struct wcow_error *err)
{
    wcow_auto_str_list paths = {0};
    const struct wcow_files_sink sink = {.enter = pass_folder,
                                         .leave = pass_end,
                                         .file = note_file,
                                         .link = note_link,
                                         .ctx = &paths};
    int r = WCOW_OK;
    for (size_t i = 0; parts->n > 1 && r == WCOW_OK && i < parts->n; i++)
        r = wcow_files_each(parts->items[i].layers, NULL, &sink, cancel, err);
    if (r == WCOW_OK && paths.count > 1)
        qsort(paths.items, paths.count, sizeof(char *), by_text);
    for (size_t i = 1; r == WCOW_OK && i < paths.count; i++) {
        if (strcmp(paths.items[i - 1], paths.items[i]) == 0)
            r = WCOW_FAIL(err, WCOW_E_INVALID,
                          "%s is there for several platforms; without platform-split=false each "
                          "has a folder of its own",
                          paths.items[i]);
    }
    return r;
}
