/* SPDX-License-Identifier: Apache-2.0 */
/* layers-load: Apply and Compare without containerd, and what the machine allows. It prints
 * seconds; bench/apply and bench/compare run it. */
/* clang-format off */
/*   apply BLOB FOLDER                          unpack a gzip blob into the empty layer folder
 *   compare FOLDER KIND [PARENT...]            its tar to nowhere; KIND: tar, gzip, zstd
 *   diff SOCKET SNAPSHOTTER UPPER LOWER KIND   a Diff call to containerd
 *   send SOCKET BLOB                           what containerd takes to receive a blob
 *   unpack SOCKET SNAPSHOTTER KEY DIGEST SIZE  an Apply call to containerd
 *   files BYTES_OF FOLDER N SIZE               N files with SIZE bytes in all, cut from BYTES_OF
 *   floor BLOB FOLDER SCRATCH                  inflate BLOB, hash its tar, and make the files of the
 *                                              unpacked FOLDER in SCRATCH, one after the other */
/* clang-format on */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/read_ahead.h"
#include "containerd/client.h"
#include "containerd/snapshots.h"
#include "differ/apply.h"
#include "differ/compare.h"

enum {
    CHUNK_BYTES = 1 << 20,
    MAX_PARENTS = 64,
    MAX_LINKED = 1 << 16,
};

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of all threads. */
static double processor_time(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int told(const struct wcow_error *err)
{
    (void)fprintf(stderr, "layers-load: %s\n", err->msg);
    return 1;
}

/* A blob, read as wcowd reads it. */
struct file {
    int fd;
    struct wcow_read_ahead *chunks;
};

static int file_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    const struct file *f = ctx;
    return wcow_read_ahead_next(f->chunks, ret_data, ret_len, err);
}

static bool file_ahead(void *ctx)
{
    const struct file *f = ctx;
    return wcow_read_ahead_help(f->chunks);
}

static struct wcow_source file_source(struct file *f)
{
    return (struct wcow_source){.next = file_next, .ahead = file_ahead, .ctx = f};
}

static int open_file(const char *path, struct file *ret)
{
    struct wcow_error err = {0};
    *ret = (struct file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (ret->fd < 0)
        return -1;
    return wcow_read_ahead_new(ret->fd, NULL, NULL, &ret->chunks, &err) < 0 ? told(&err) : 0;
}

static void close_file(struct file *f)
{
    wcow_read_ahead_free(f->chunks);
    (void)close(f->fd);
}

/* ---- apply, compare ---- */

static int apply(const char *blob, const char *folder)
{
    struct wcow_error err = {0};
    struct file file;
    if (open_file(blob, &file) != 0)
        return 1;
    struct wcow_source source = file_source(&file);
    struct wcow_apply_options options = {
        .blob = &source, .compression = WCOW_COMPRESSION_GZIP, .folder = folder};
    struct wcow_applied applied = {0};
    double from = now();
    if (wcow_apply(&options, &applied, &err) < 0)
        return told(&err);
    (void)printf("apply=%.3f\n", now() - from);
    close_file(&file);
    return 0;
}

static int count(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    (void)data;
    (void)err;
    *(size_t *)ctx += len;
    return WCOW_OK;
}

static int compare(const char *folder, const char *kind, const char *const *parents, size_t n)
{
    struct wcow_error err = {0};
    size_t bytes = 0;
    struct wcow_sink nowhere = {.write = count, .ctx = &bytes};
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *c = NULL;
    enum wcow_compression compression = strcmp(kind, "gzip") == 0   ? WCOW_COMPRESSION_GZIP
                                        : strcmp(kind, "zstd") == 0 ? WCOW_COMPRESSION_ZSTD
                                                                    : WCOW_COMPRESSION_NONE;
    struct wcow_compare_options options = {.folder = folder, .parents = parents, .n_parents = n};
    struct wcow_digest diff_id = {0};
    uint64_t tar_bytes = 0;
    double from = now();
    double cpu_from = processor_time();
    int r = wcow_compressor_new(&nowhere, compression, 0, &c, &err);
    if (r < 0)
        return told(&err);
    struct wcow_sink tar = wcow_compressor_sink(c);
    r = wcow_compare(&options, &tar, &diff_id, &tar_bytes, &err);
    if (r == WCOW_OK)
        r = wcow_compressor_finish(c, &err);
    if (r < 0)
        return told(&err);
    (void)printf("compare=%.3f cpu=%.3f tar_bytes=%llu bytes=%zu\n", now() - from,
                 processor_time() - cpu_from, (unsigned long long)tar_bytes, bytes);
    return 0;
}

/* ---- diff, by containerd ---- */

static int diff(const char *const *args)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_containerd_free_p) struct wcow_containerd *client = NULL;
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts upper = {0};
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts lower = {0};
    int r = wcow_containerd_new(args[0], &client, &err);
    struct wcow_containerd_ctx ctx = {.client = client, .ns = "default"};
    if (r == WCOW_OK)
        r = wcow_snapshot_mounts(&ctx, args[1], args[2], &upper, &err);
    if (r == WCOW_OK)
        r = wcow_snapshot_mounts(&ctx, args[1], args[3], &lower, &err);
    char media[64];
    char ref[64];
    (void)snprintf(media, sizeof(media), "application/vnd.oci.image.layer.v1.tar%s%s",
                   strcmp(args[4], "tar") == 0 ? "" : "+",
                   strcmp(args[4], "tar") == 0 ? "" : args[4]);
    (void)snprintf(ref, sizeof(ref), "layers-load-%d", (int)getpid());
    struct wcow_descriptor_ref layer = {.media_type = media};
    double from = now();
    if (r == WCOW_OK)
        r = wcow_diff_create(&ctx, &lower, &upper, media, ref, &layer, &err);
    if (r < 0)
        return told(&err);
    (void)printf("diff=%.3f bytes=%llu digest=%s\n", now() - from,
                 (unsigned long long)layer.size_bytes, layer.digest.text);
    return 0;
}

static int unpack(const char *const *args)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_containerd_free_p) struct wcow_containerd *client = NULL;
    WCOW_CLEANUP(wcow_mounts_done) struct wcow_mounts mounts = {0};
    struct wcow_digest diff_id = {0};
    struct wcow_descriptor_ref layer = {.media_type = "application/vnd.oci.image.layer.v1.tar+gzip",
                                        .size_bytes = strtoull(args[4], NULL, 10)};
    (void)snprintf(layer.digest.text, sizeof(layer.digest.text), "%s", args[3]);
    int r = wcow_containerd_new(args[0], &client, &err);
    struct wcow_containerd_ctx ctx = {.client = client, .ns = "default"};
    if (r == WCOW_OK)
        r = wcow_snapshot_mounts(&ctx, args[1], args[2], &mounts, &err);
    double from = now();
    if (r == WCOW_OK)
        r = wcow_diff_apply(&ctx, &layer, &mounts, &diff_id, &err);
    if (r < 0)
        return told(&err);
    (void)printf("unpack=%.3f diff_id=%s\n", now() - from, diff_id.text);
    return 0;
}

/* ---- files ---- */

/* Sizes around the mean, contents from one end of the source to the other: as compressible as it,
 * and the same each time. */
static int make_files(const char *bytes_of, const char *folder, unsigned n, uint64_t total)
{
    int from = open(bytes_of, O_RDONLY | O_CLOEXEC);
    int to = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    off_t end = from < 0 ? 0 : lseek(from, 0, SEEK_END);
    uint64_t mean = total / (n ? n : 1);
    uint8_t *data = malloc(mean * 2 + 1);
    uint64_t random = 1;
    if (!data || to < 0 || (uint64_t)end < mean * 2)
        return 1;
    for (unsigned i = 0; i < n; i++) {
        char path[64];
        random = random * 6364136223846793005U + 1442695040888963407U;
        size_t size = (size_t)(mean / 2 + (random >> 33) % (mean + 1));
        random = random * 6364136223846793005U + 1442695040888963407U;
        off_t at = (off_t)((random >> 20) % ((uint64_t)end - size));
        (void)snprintf(path, sizeof(path), "d%02u", i % 50);
        (void)!mkdirat(to, path, 0755);
        (void)snprintf(path, sizeof(path), "d%02u/file%05u.dll", i % 50, i);
        int fd = openat(to, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 || pread(from, data, size, at) != (ssize_t)size ||
            write(fd, data, size) != (ssize_t)size)
            return 1;
        (void)close(fd);
    }
    free(data);
    return 0;
}

/* ---- floor ---- */

static double inflate_seconds(const char *blob, bool hash_it)
{
    struct wcow_error err = {0};
    struct file file;
    struct wcow_decompressor *d = NULL;
    struct wcow_hash *hash = NULL;
    if (open_file(blob, &file) != 0 || wcow_hash_new(&hash, &err) < 0)
        return -1;
    struct wcow_source source = file_source(&file);
    if (wcow_decompressor_new(&source, WCOW_COMPRESSION_GZIP, 0, &d, &err) < 0)
        return -1;
    struct wcow_source tar = wcow_decompressor_source(d);
    const uint8_t *data = NULL;
    size_t len = 0;
    double from = now();
    double spent = 0;
    while (wcow_source_next(&tar, &data, &len, &err) == WCOW_OK && len) {
        double at = now();
        wcow_hash_add(hash, data, len);
        spent += now() - at;
    }
    double whole = now() - from;
    wcow_hash_free(hash);
    wcow_decompressor_free(d);
    close_file(&file);
    return hash_it ? spent : whole - spent;
}

struct linked {
    ino_t ino;
    char *path;
};

static struct linked linked[MAX_LINKED];
static size_t n_linked;
static uint8_t content[CHUNK_BYTES]; /* of every file: its bytes make no difference */

static const char *first_name(ino_t ino, const char *path)
{
    for (size_t i = ino % MAX_LINKED;; i = (i + 1) % MAX_LINKED) {
        if (linked[i].ino == ino)
            return linked[i].path;
        if (linked[i].ino)
            continue;
        if (++n_linked < MAX_LINKED)
            linked[i] = (struct linked){.ino = ino, .path = strdup(path)};
        return NULL;
    }
}

static void make_file(int to, const char *path, off_t size)
{
    int fd = openat(to, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    while (size > 0) {
        ssize_t n = write(fd, content, size < CHUNK_BYTES ? (size_t)size : CHUNK_BYTES);
        if (n <= 0)
            break;
        size -= n;
    }
    (void)close(fd);
}

struct made {
    char path[4096];
    struct stat st;
    char target[4096];
};

/* Only what makes objects is timed, not the look at the tree they are taken from. */
static double make_one(int to, const struct made *m)
{
    double from = now();
    const char *first = NULL;
    if (S_ISDIR(m->st.st_mode))
        (void)!mkdirat(to, m->path, 0755);
    else if (S_ISLNK(m->st.st_mode))
        (void)!symlinkat(m->target, to, m->path);
    else if (m->st.st_nlink > 1 && (first = first_name(m->st.st_ino, m->path)))
        (void)!linkat(to, first, to, m->path, 0);
    else if (S_ISREG(m->st.st_mode))
        make_file(to, m->path, m->st.st_size);
    return now() - from;
}

/* Recursion is as deep as the tree, which is one of our own. */
static double make_tree(int from, int to, const char *dir)
{
    double spent = 0;
    int fd = openat(from, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e = NULL;
    while (d && (e = readdir(d))) { /* NOLINT(concurrency-mt-unsafe): one thread */
        static struct made m;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(m.path, sizeof(m.path), "%s/%s", dir, e->d_name);
        memset(m.target, 0, sizeof(m.target));
        if (fstatat(from, m.path, &m.st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISLNK(m.st.st_mode))
            (void)!readlinkat(from, m.path, m.target, sizeof(m.target) - 1);
        spent += make_one(to, &m);
        if (S_ISDIR(m.st.st_mode)) {
            char *below = strdup(m.path);
            spent += make_tree(from, to, below);
            free(below);
        }
    }
    if (d)
        (void)closedir(d);
    return spent;
}

static int floor_of(const char *blob, const char *folder, const char *scratch)
{
    int from = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int to = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 || to < 0)
        return 1;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 2654435761U >> 16);
    double inflate = inflate_seconds(blob, false);
    double hash = inflate_seconds(blob, true);
    double files = make_tree(from, to, ".");
    double sum = inflate + hash + files;
    (void)printf("inflate=%.3f sha256=%.3f files=%.3f sum=%.3f half=%.3f\n", inflate, hash, files,
                 sum, sum / 2);
    return 0;
}

int main(int argc, char **argv)
{
    const char *const *args = (const char *const *)argv;
    int code = 2;
    if (argc == 4 && strcmp(args[1], "apply") == 0)
        code = apply(args[2], args[3]);
    else if (argc >= 4 && strcmp(args[1], "compare") == 0)
        code = compare(args[2], args[3], args + 4, (size_t)argc - 4);
    else if (argc == 7 && strcmp(args[1], "diff") == 0)
        code = diff(args + 2);
    else if (argc == 7 && strcmp(args[1], "unpack") == 0)
        code = unpack(args + 2);
    else if (argc == 6 && strcmp(args[1], "files") == 0)
        code = make_files(args[2], args[3], (unsigned)strtoul(args[4], NULL, 10),
                          strtoull(args[5], NULL, 10));
    else if (argc == 5 && strcmp(args[1], "floor") == 0)
        code = floor_of(args[2], args[3], args[4]);
    if (code == 2)
        (void)fprintf(stderr, "usage: layers-load apply BLOB FOLDER | compare FOLDER tar|gzip|zstd "
                              "[PARENT...] | diff SOCKET SNAPSHOTTER UPPER LOWER KIND | "
                              "unpack SOCKET SNAPSHOTTER KEY DIGEST SIZE | "
                              "files BYTES_OF FOLDER N SIZE | floor BLOB FOLDER SCRATCH\n");
    struct rusage use;
    bool local = code == 0 && (args[1][0] == 'a' || args[1][0] == 'c');
    if (local && getrusage(RUSAGE_SELF, &use) == 0)
        (void)printf("peak_kb=%ld\n", use.ru_maxrss);
    return code;
}
