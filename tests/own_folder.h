/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for each test of a file: made before it, gone after it. */
#ifndef WCOW_TEST_OWN_FOLDER_H
#define WCOW_TEST_OWN_FOLDER_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir_tree.h"

static char top[] = "/tmp/wcow-test-XXXXXX";
static int top_fd = -1;

/* cmocka's setup. */
static inline int make_top(void **state)
{
    (void)state;
    memset(top + sizeof(top) - 7, 'X', 6);
    if (!mkdtemp(top))
        return -1;
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return top_fd < 0 ? -1 : 0;
}

/* cmocka's teardown. */
static inline int remove_top(void **state)
{
    (void)state;
    (void)close(top_fd);
    return wcow_dir_tree_delete(AT_FDCWD, top, NULL, NULL);
}

#endif
