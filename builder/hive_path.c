/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/hive_path.h"

#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "layer/hive_read.h"

#define SYSTEM_HIVE  "Files/Windows/System32/config/SYSTEM"
#define SYSTEM_DELTA "Hives/System_Delta"
#define ENVIRONMENT  "ControlSet001\\Control\\Session Manager\\Environment"

enum { MAX_HIVE_BYTES = 512 << 20 };

/* ---- a hive of a layer ---- */

/* libhivex wants a file; the hive may be one of another layer, or lie in an index. */
static int read_hive(const struct wcow_layers_found *found, char **ret, struct wcow_error *err)
{
    if (found->entry.size_bytes > MAX_HIVE_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a registry hive of %llu bytes, the limit is %d",
                         (unsigned long long)found->entry.size_bytes, MAX_HIVE_BYTES);
    wcow_autoclose int fd = memfd_create("wcow-hive", MFD_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "copy a registry hive");
    const struct wcow_sink sink = wcow_fd_sink(&fd);
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    int r = wcow_layers_payload(found, &payload, err);
    if (r == WCOW_OK)
        r = wcow_payload_send(&payload, &sink, err);
    return r < 0 ? r : wcow_hive_read_string(fd, ENVIRONMENT, "Path", ret, err);
}

/* 1 with the value, 0 where there is no such hive or no PATH in it. */
static int path_of(const struct wcow_layers *layers, const char *hive, char **ret,
                   struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    int r = wcow_layers_find(layers, hive, &found, err);
    if (r <= 0 || found.entry.type != WCOW_ENTRY_FILE)
        return r < 0 ? r : 0;
    r = read_hive(&found, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "the image's registry, %s", hive) : r;
}

/* The delta of one layer alone: it does not hide those below it, it adds to them. */
static int delta_path(struct wcow_layer_source *source, char **ret, struct wcow_error *err)
{
    struct wcow_layers one = {0};
    int r = wcow_layers_push(&one, source, err);
    if (r == WCOW_OK)
        r = path_of(&one, SYSTEM_DELTA, ret, err);
    wcow_layers_done(&one);
    return r;
}

/* ---- %NAME% ---- */

int wcow_percent_expand(const char *text, wcow_percent_fn value, void *ctx, struct wcow_buf *out,
                        struct wcow_error *err)
{
    int r = WCOW_OK;
    while (r == WCOW_OK && *text) {
        const char *end = *text == '%' ? strchr(text + 1, '%') : NULL;
        const char *known = end ? value(ctx, text + 1, (size_t)(end - text) - 1) : NULL;
        if (known) {
            r = wcow_buf_add_str(out, known, err);
            text = end + 1;
        } else {
            size_t len = 1 + strcspn(text + 1, "%");
            r = wcow_buf_add(out, text, len, err);
            text += len;
        }
    }
    return r;
}

/* Those that are the same in every image of Windows. */
static const char *system_variable(void *ctx, const char *name, size_t len)
{
    static const struct {
        const char *name;
        const char *value;
    } variables[] = {
        {"SystemRoot", "C:\\Windows"},
        {"windir", "C:\\Windows"},
        {"SystemDrive", "C:"},
        {"ProgramFiles", "C:\\Program Files"},
        {"ProgramFiles(x86)", "C:\\Program Files (x86)"},
        {"ProgramW6432", "C:\\Program Files"},
        {"CommonProgramFiles", "C:\\Program Files\\Common Files"},
        {"ProgramData", "C:\\ProgramData"},
        {"ALLUSERSPROFILE", "C:\\ProgramData"},
        {"PUBLIC", "C:\\Users\\Public"},
    };
    (void)ctx;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        if (strlen(variables[i].name) == len && strncasecmp(variables[i].name, name, len) == 0)
            return variables[i].value;
    }
    return NULL;
}

/* ---- all layers ---- */

int wcow_layers_have_registry(const struct wcow_layers *layers, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    return wcow_layers_find(layers, SYSTEM_HIVE, &found, err);
}

int wcow_layers_path(const struct wcow_layers *layers, char **ret, struct wcow_error *err)
{
    wcow_autofree char *raw = NULL;
    wcow_autobuf path = {0};
    int r = 0;
    for (size_t i = layers->n; r == 0 && i > 0; i--)
        r = delta_path(layers->sources[i - 1], &raw, err);
    if (r == 0)
        r = path_of(layers, SYSTEM_HIVE, &raw, err);
    if (r >= 0)
        r = wcow_percent_expand(raw ? raw : WCOW_DEFAULT_PATH, system_variable, NULL, &path, err);
    if (r < 0)
        return r;
    *ret = path.len ? wcow_buf_take_str(&path) : strdup(WCOW_DEFAULT_PATH);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the PATH");
}
