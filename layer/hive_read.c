/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/hive_read.h"

#include <hivex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "layer/hive.h"
#include "layer/utf16.h"

enum { MAX_HIVE_BYTES = 512 << 20, MAX_STRING_BYTES = 1 << 20 };

static void close_hive(hive_h **h)
{
    if (*h)
        (void)hivex_close(*h);
}

static int open_hive(int fd, hive_h **ret, struct wcow_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "stat of a registry hive");
    if (!S_ISREG(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a registry hive that is no regular file");
    if (st.st_size > MAX_HIVE_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a registry hive of %lld bytes, the limit is %d",
                         (long long)st.st_size, MAX_HIVE_BYTES);
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    hive_h *h = hivex_open(path, 0);
    if (!h)
        return WCOW_FAIL_ERRNO(err, errno == ENOMEM ? WCOW_E_NOMEM : WCOW_E_CORRUPT,
                               "libhivex cannot read the registry hive");
    *ret = h;
    return WCOW_OK;
}

/* libhivex gives 0 both for "not there" and for errors, and then sets errno. */
static int code_of(int sys_errno)
{
    return sys_errno == 0 || sys_errno == ENOENT ? 0 : WCOW_E_CORRUPT;
}

static int find_key(hive_h *h, const char *key, hive_node_h *ret, struct wcow_error *err)
{
    hive_node_h node = hivex_root(h);
    wcow_autofree char *copy = strdup(key);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
    char *save = NULL;
    for (char *part = strtok_r(copy, "\\", &save); part && node;
         part = strtok_r(NULL, "\\", &save)) {
        errno = 0;
        node = hivex_node_get_child(h, node, part);
        if (!node && code_of(errno))
            return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "registry key \"%.100s\"", key);
    }
    *ret = node;
    return node ? 1 : 0;
}

static int take_string(hive_h *h, hive_value_h handle, const char *name, char **ret,
                       struct wcow_error *err)
{
    hive_type type = hive_t_REG_NONE;
    size_t len = 0;
    if (hivex_value_type(h, handle, &type, &len) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "registry value \"%.100s\"", name);
    if (type != hive_t_REG_SZ && type != hive_t_REG_EXPAND_SZ && type != hive_t_REG_MULTI_SZ)
        return WCOW_FAIL(err, WCOW_E_INVALID, "registry value \"%.100s\" is no string (type %d)",
                         name, (int)type);
    if (len > MAX_STRING_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "registry value \"%.100s\" has %zu bytes", name, len);
    wcow_autofree char *data = hivex_value_value(h, handle, &type, &len);
    if (!data)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "registry value \"%.100s\"", name);
    /* Strings may or may not end with NULs. */
    size_t n = 0;
    while (n + 2 <= len && wcow_load_le16(data + n))
        n += 2;
    wcow_autobuf text = {0};
    int r = wcow_utf16_to_wtf8(&text, (struct wcow_bytes){.data = (const uint8_t *)data, .len = n},
                               err);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&text);
    return *ret ? 1 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry value");
}

int wcow_hive_read_string(int fd, const char *key, const char *value, char **ret,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(close_hive) hive_h *h = NULL;
    int r = open_hive(fd, &h, err);
    if (r < 0)
        return r;
    hive_node_h node = 0;
    r = find_key(h, key, &node, err);
    if (r <= 0)
        return r;
    errno = 0;
    hive_value_h handle = hivex_node_get_value(h, node, value);
    if (!handle) {
        if (code_of(errno))
            return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT, "registry value \"%.100s\"", value);
        return 0;
    }
    return take_string(h, handle, value, ret, err);
}
