/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a value of a foreign hive, through libhivex, and writing names of foreign origin. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "layer/hive.h"
#include "layer/hive_read.h"

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("hive", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, data, len) != (ssize_t)len) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* What we write, libhivex reads. */
static void write_and_read(const char *text)
{
    WCOW_CLEANUP(wcow_hive_free_p) struct wcow_hive *hive = NULL;
    struct wcow_hive_key *key = NULL;
    wcow_autobuf out = {0};
    if (wcow_hive_new(WCOW_HIVE_DELTA, "fuzz", 1, &hive, NULL) < 0 ||
        wcow_hive_key(hive, text, &key, NULL) < 0 ||
        wcow_hive_set_string(key, "v", WCOW_REG_SZ, text, NULL) < 0)
        return;
    FUZZ_CHECK(wcow_hive_write(hive, &out, NULL) == WCOW_OK);
    wcow_autoclose int fd = file_of(out.data, out.len);
    wcow_autofree char *got = NULL;
    bool is_ascii = true;
    for (const char *p = text; *p; p++)
        is_ascii &= (unsigned char)*p < 0x80;
    if (fd >= 0 && wcow_hive_read_string(fd, text, "v", &got, NULL) == 1)
        FUZZ_CHECK(strcmp(got, text) == 0);
    else
        FUZZ_CHECK(!is_ascii || fd < 0); /* libhivex folds ASCII only */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wcow_autofree char *text = strndup((const char *)data, size < 600 ? size : 600);
    if (text && size < 600)
        write_and_read(text);
    wcow_autoclose int fd = file_of(data, size);
    wcow_autofree char *got = NULL;
    if (fd >= 0)
        FUZZ_TRY(wcow_hive_read_string(fd, "ControlSet001\\Control\\Session Manager\\Environment",
                                       "Path", &got, NULL));
    return 0;
}
