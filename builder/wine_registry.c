/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "builder/wine_hives.h"
#include "builder/wine_reg.h"

enum { REGISTRY_MAX_BYTES = 256 << 20, TEMPLATE_USER_LEN = sizeof("ContainerAdministrator") - 1 };

static const char template_user[] = "ContainerAdministrator";
static const char *const files[WCOW_WINE_REG_FILES] = {"system.reg", "user.reg", "userdef.reg"};

void wcow_wine_registry_done(struct wcow_wine_registry *registry)
{
    for (size_t i = 0; i < WCOW_WINE_REG_FILES; i++)
        wcow_reg_free(registry->before[i]);
    *registry = (struct wcow_wine_registry){0};
}

/* ---- before ---- */

static int read_template(const struct wcow_wine_run *run, const char *name, struct wcow_buf *out,
                         struct wcow_error *err)
{
    wcow_autobuf path = {0};
    uint8_t *room = NULL;
    int r = wcow_buf_addf(&path, err, "%s/prefix/%s", run->template->folder, name);
    if (r < 0)
        return r;
    wcow_autoclose int fd = open((const char *)path.data, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_CORRUPT,
                               "%s, of Wine's template: run `wcow executor install wine` again",
                               (const char *)path.data);
    for (;;) {
        r = wcow_buf_reserve(out, 1 << 20, &room, err);
        ssize_t n = r < 0 ? -1 : read(fd, room, (1 << 20) - 1);
        if (n <= 0)
            return r < 0 ? r : n < 0 ? WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s", name) : WCOW_OK;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
    }
}

/* The template was made as one user; the profile is another's. */
static int for_user(const char *text, const char *user, struct wcow_buf *out,
                    struct wcow_error *err)
{
    int r = WCOW_OK;
    for (const char *hit = NULL; r == WCOW_OK && (hit = strstr(text, template_user));
         text = hit + TEMPLATE_USER_LEN) {
        r = wcow_buf_add(out, text, (size_t)(hit - text), err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, user, err);
    }
    return r < 0 ? r : wcow_buf_add_str(out, text, err);
}

static int load(struct wcow_wine_registry *registry, size_t i, struct wcow_error *err)
{
    wcow_autobuf text = {.max_bytes = REGISTRY_MAX_BYTES};
    wcow_autobuf mine = {.max_bytes = REGISTRY_MAX_BYTES};
    int r = read_template(registry->run, files[i], &text, err);
    if (r < 0)
        return r;
    const char *source = text.data ? (const char *)text.data : "";
    if (strcmp(registry->user, template_user) != 0) {
        r = for_user(source, registry->user, &mine, err);
        source = (const char *)mine.data;
    }
    return r < 0 ? r : wcow_reg_parse(source, &registry->before[i], err);
}

static int store(const struct wcow_wine_registry *registry, size_t i, struct wcow_error *err)
{
    wcow_autobuf text = {.max_bytes = REGISTRY_MAX_BYTES};
    char name[64];
    (void)snprintf(name, sizeof(name), "prefix/%s", files[i]);
    int r = wcow_reg_write(registry->before[i], &text, err);
    return r < 0 ? r : wcow_wine_run_write(registry->run, name, text.data, text.len, err);
}

int wcow_wine_registry_begin(const struct wcow_wine_run *run,
                             const struct wcow_execution *execution, const char *user,
                             struct wcow_wine_registry *ret, struct wcow_error *err)
{
    static const char stop[] = "disable\n";
    *ret = (struct wcow_wine_registry){.run = run, .execution = execution, .user = user};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < WCOW_WINE_REG_FILES; i++)
        r = load(ret, i, err);
    wcow_autofree char *cache = NULL;
    if (r == WCOW_OK && asprintf(&cache, "%s/cased", run->template->folder) < 0) {
        cache = NULL;
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    if (r == WCOW_OK)
        r = wcow_wine_hives_read(execution, user, cache, ret->before, err);
    for (size_t i = 0; r == WCOW_OK && i < WCOW_WINE_REG_FILES; i++)
        r = store(ret, i, err);
    return r < 0
               ? r
               : wcow_wine_run_write(run, "prefix/.update-timestamp", stop, sizeof(stop) - 1, err);
}

/* ---- after ---- */

int wcow_wine_registry_end(const struct wcow_wine_registry *registry, int fd,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_wine_changes_done) struct wcow_wine_changes changes = {0};
    int r = wcow_wine_changes_init(&changes, registry->execution, registry->user, err);
    for (size_t i = 0; r == WCOW_OK && i < WCOW_WINE_REG_FILES; i++) {
        wcow_autobuf text = {.max_bytes = REGISTRY_MAX_BYTES};
        WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *after = NULL;
        char name[64];
        (void)snprintf(name, sizeof(name), "prefix/%s", files[i]);
        r = wcow_wine_run_read(registry->run, name, REGISTRY_MAX_BYTES / 2, &text, err);
        if (r == WCOW_OK)
            r = wcow_reg_parse((const char *)text.data, &after, err);
        if (r == WCOW_OK)
            r = wcow_wine_changes_add(&changes, i, registry->before[i], after, err);
    }
    return r < 0 ? wcow_error_wrap(r, err, "the registry that the command left")
                 : wcow_wine_changes_write(&changes, fd, err);
}
