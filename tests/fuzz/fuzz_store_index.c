/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged layer.db is refused or read as it is: every reader comes to an end. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/layer_index.h"

enum { MAX_ROWS = 100000, MAX_CHUNKS = 1000 };

static int take_row(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    size_t *n = arg;
    FUZZ_CHECK(row->entry->name && row->key && row->host_path);
    FUZZ_CHECK(row->entry->type >= WCOW_ENTRY_FILE && row->entry->type <= WCOW_ENTRY_OPAQUE);
    for (size_t i = 0; i < row->entry->n_eas; i++)
        FUZZ_CHECK(row->entry->eas[i].name);
    return ++*n < MAX_ROWS ? WCOW_OK : WCOW_FAIL(err, WCOW_E_LIMIT, "enough");
}

static int take_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    size_t *n = arg;
    FUZZ_CHECK(child->name);
    return ++*n < MAX_ROWS ? WCOW_OK : WCOW_FAIL(err, WCOW_E_LIMIT, "enough");
}

static int take_headers(void *arg, const char *codec, uint64_t raw_len, struct wcow_bytes data,
                        struct wcow_error *err)
{
    (void)arg;
    (void)raw_len;
    (void)err;
    FUZZ_CHECK(codec && (data.data || !data.len));
    return WCOW_OK;
}

static void read_all(struct wcow_layer_index *index)
{
    size_t n = 0;
    FUZZ_TRY(wcow_layer_index_each(index, take_row, &n, NULL));
    for (uint64_t i = 0; i < MAX_CHUNKS; i++) {
        if (wcow_layer_index_headers(index, i, take_headers, NULL, NULL) <= 0)
            break;
    }
    FUZZ_TRY(wcow_layer_index_streams(index, "FILES/A.TXT", take_row, &n, NULL));
    FUZZ_TRY(wcow_layer_index_row(index, "FILES", take_row, &n, NULL));
    struct wcow_layer_view view = wcow_layer_index_view(index);
    struct wcow_chain chain = {.layers = &view, .n_layers = 1};
    static const char *const paths[] = {"Files", "files/A.TXT", "Files/dir/x", "Hives"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        wcow_autoentry e = {0};
        FUZZ_TRY(wcow_chain_lookup(&chain, paths[i], &e, NULL, NULL));
        FUZZ_TRY(wcow_chain_children(&chain, paths[i], take_child, &n, NULL));
        wcow_autofree char *host_path = NULL;
        FUZZ_TRY(wcow_layer_index_host_path(index, "FILES/A.TXT", &host_path, NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/wcow-fuzz-index-XXXXXX";
    if (!mkdtemp(path))
        abort();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(dir, "layer.db", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)close(fd);
    WCOW_CLEANUP(wcow_layer_index_close_p) struct wcow_layer_index *index = NULL;
    if (wcow_layer_index_open(dir, &index, NULL) == WCOW_OK)
        read_all(index);
    (void)unlinkat(dir, "layer.db", 0);
    (void)close(dir);
    (void)rmdir(path);
    return 0;
}
