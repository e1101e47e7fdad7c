/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan_dir.h"

#include <string.h>

#include "differ/host_dir.h"
#include "layer/names.h"

enum { MAX_NAMES = 10 * 1000 * 1000 };

void wcow_dir_names_done(struct wcow_dir_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->items[i].name);
        free(names->items[i].key);
    }
    free(names->items);
    *names = (struct wcow_dir_names){0};
}

static int by_name(const void *a, const void *b)
{
    const struct wcow_dir_name *x = a;
    const struct wcow_dir_name *y = b;
    return strcmp(x->name, y->name);
}

static int by_key(const void *a, const void *b)
{
    const struct wcow_dir_name *x = a;
    const struct wcow_dir_name *y = b;
    return strcmp(x->key, y->key);
}

static int add(void *arg, int dirfd, const char *name, struct wcow_error *err)
{
    struct wcow_dir_names *names = arg;
    (void)dirfd;
    if (names->n >= MAX_NAMES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d names in a directory", MAX_NAMES);
    int r = wcow_name_check_component(name, strlen(name), err);
    if (r < 0)
        return r;
    if ((names->n & (names->n - 1)) == 0) { /* full at 0, 1, 2, 4, ... */
        size_t cap = names->n ? names->n * 2 : 1;
        struct wcow_dir_name *more = realloc(names->items, cap * sizeof(*more));
        if (!more)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
        names->items = more;
    }
    struct wcow_dir_name item = {.name = strdup(name)};
    r = item.name ? wcow_name_key(name, &item.key, err)
                  : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
    if (r < 0) {
        free(item.name);
        return r;
    }
    names->items[names->n++] = item;
    return WCOW_OK;
}

static int check_twins(struct wcow_dir_names *names, struct wcow_error *err)
{
    if (names->n == 0)
        return WCOW_OK;
    qsort(names->items, names->n, sizeof(*names->items), by_key);
    for (size_t i = 1; i < names->n; i++) {
        if (strcmp(names->items[i - 1].key, names->items[i].key) == 0)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" and \"%s\" are one name on Windows; remove one of them",
                             names->items[i - 1].name, names->items[i].name);
    }
    qsort(names->items, names->n, sizeof(*names->items), by_name);
    return WCOW_OK;
}

int wcow_dir_names_read(int fd, const char *path, struct wcow_dir_names *ret,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_dir_names_done) struct wcow_dir_names names = {0};
    int r = wcow_host_dir_each(fd, ".", add, &names, err);
    if (r == WCOW_OK)
        r = check_twins(&names, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "in \"%s\"", path);
    *ret = names;
    names = (struct wcow_dir_names){0};
    return WCOW_OK;
}

bool wcow_dir_names_has(const struct wcow_dir_names *names, const char *key)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i].key, key) == 0)
            return true;
    }
    return false;
}
