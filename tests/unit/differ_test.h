/* SPDX-License-Identifier: Apache-2.0 */
/* What the differ's tests share: temporary layer folders, sources and sinks in memory. */
#ifndef WCOW_DIFFER_TEST_H
#define WCOW_DIFFER_TEST_H

#include "wcow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "differ/apply.h"
#include "differ/export.h"
#include "differ/host_tree.h"
#include "layer/tar_reader.h"
#include "memory_source.h"

/* A temporary folder; the caller removes it with remove_folder(). */
static inline char *new_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/wcow-differ-XXXXXX", tmp ? tmp : "/tmp") < 0 || !mkdtemp(path))
        fail_msg("no temporary folder");
    return path;
}

static inline void remove_folder(char *path)
{
    assert_ok(wcow_host_remove(AT_FDCWD, path, &err));
    free(path);
}

static inline void read_file(const char *path, struct wcow_buf *out)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        fail_msg("%s: not there", path);
    uint8_t chunk[8192];
    size_t n = 0;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        assert_ok(wcow_buf_add(out, chunk, n, &err));
    (void)fclose(f);
}

static inline int apply_bytes(const char *folder, const struct wcow_buf *tar,
                              enum wcow_compression c, struct wcow_applied *ret,
                              struct wcow_error *err)
{
    struct memory_source memory = {.data = tar->data, .len = tar->len, .step = 4096};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {.blob = &source, .compression = c, .folder = folder};
    return wcow_apply(&o, ret, err);
}

static inline int export_bytes(const char *folder, struct wcow_buf *out, struct wcow_digest *ret,
                               struct wcow_error *err)
{
    wcow_autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct wcow_sink sink = wcow_buf_sink(out);
    uint64_t bytes = 0;
    int r = wcow_export_layer(fd, &sink, NULL, ret, &bytes, err);
    if (r == WCOW_OK)
        assert_int_equal(bytes, out->len);
    return r;
}

/* The entry of a name in a tar, copied; false where it is not there. */
static inline bool find_in_tar(const struct wcow_buf *tar, const char *name, struct wcow_entry *ret)
{
    struct memory_source memory = {.data = tar->data, .len = tar->len};
    struct wcow_source source = memory_source(&memory);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *e = NULL;
    if (wcow_tar_reader_new(&source, NULL, &reader, NULL) < 0)
        return false;
    while (wcow_tar_reader_next(reader, &e, NULL) > 0) {
        if (strcmp(e->name, name) == 0)
            return wcow_entry_copy(e, ret, NULL) == WCOW_OK;
    }
    return false;
}

/* Whether a folder has nothing in it but what is named. */
static inline int count_in(const char *folder)
{
    char command[512];
    (void)snprintf(command, sizeof(command), "find '%s' -mindepth 1 | wc -l", folder);
    FILE *p = popen(command, "re");
    int n = -1;
    if (!p || fscanf(p, "%d", &n) != 1)
        n = -1;
    if (p)
        (void)pclose(p);
    return n;
}

#endif
