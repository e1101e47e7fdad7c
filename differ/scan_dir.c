/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan_dir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "differ/host_dir.h"
#include "differ/scan_overlay.h"
#include "layer/names.h"

enum { MAX_NAMES = 10 * 1000 * 1000 };

void wcow_dir_names_done(struct wcow_dir_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->items[i].name);
        free(names->items[i].key);
    }
    free(names->items);
    free(names->by_name);
    *names = (struct wcow_dir_names){0};
}

static int by_name(const void *a, const void *b)
{
    const struct wcow_dir_name *const *x = a;
    const struct wcow_dir_name *const *y = b;
    return strcmp((*x)->name, (*y)->name);
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
    struct stat st;
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
    item.is_whiteout =
        fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && wcow_overlay_is_whiteout(&st);
    names->items[names->n++] = item;
    return WCOW_OK;
}

/* A whiteout beside another casing of its name is one half of a rename that Windows would not see.
 */
static void drop_whiteout(struct wcow_dir_names *names, size_t *i)
{
    size_t at = names->items[*i - 1].is_whiteout ? *i - 1 : *i;
    free(names->items[at].name);
    free(names->items[at].key);
    memmove(&names->items[at], &names->items[at + 1], (names->n - at - 1) * sizeof(*names->items));
    names->n--;
    (*i)--;
}

static int check_twins(struct wcow_dir_names *names, struct wcow_error *err)
{
    if (names->n == 0)
        return WCOW_OK;
    qsort(names->items, names->n, sizeof(*names->items), by_key);
    for (size_t i = 1; i < names->n; i++) {
        const struct wcow_dir_name *a = &names->items[i - 1];
        const struct wcow_dir_name *b = &names->items[i];
        if (strcmp(a->key, b->key) != 0)
            continue;
        if (!a->is_whiteout && !b->is_whiteout)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" and \"%s\" are one name on Windows; remove one of them",
                             a->name, b->name);
        drop_whiteout(names, &i);
    }
    return WCOW_OK;
}

static int sort_by_name(struct wcow_dir_names *names, struct wcow_error *err)
{
    names->by_name = calloc(names->n + 1, sizeof(const struct wcow_dir_name *));
    if (!names->by_name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
    for (size_t i = 0; i < names->n; i++)
        names->by_name[i] = &names->items[i];
    qsort(names->by_name, names->n, sizeof(const struct wcow_dir_name *), by_name);
    return WCOW_OK;
}

int wcow_dir_names_read(int fd, const char *path, struct wcow_dir_names *ret,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_dir_names_done) struct wcow_dir_names names = {0};
    int r = wcow_host_dir_each(fd, ".", add, &names, err);
    if (r == WCOW_OK)
        r = check_twins(&names, err);
    if (r == WCOW_OK)
        r = sort_by_name(&names, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "in \"%s\"", path);
    *ret = names;
    names = (struct wcow_dir_names){0};
    return WCOW_OK;
}

const struct wcow_dir_name *wcow_dir_names_find(const struct wcow_dir_names *names, const char *key)
{
    size_t low = 0;
    size_t high = names->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(names->items[mid].key, key);
        if (c == 0)
            return &names->items[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
