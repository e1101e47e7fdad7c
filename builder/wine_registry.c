/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/beneath.h"

static const char *const files[WCOW_WINE_REG_FILES] = {"system.reg", "user.reg", "userdef.reg"};

void wcow_wine_registry_done(struct wcow_wine_registry *registry)
{
    (void)registry;
}

int wcow_wine_registry_begin(const struct wcow_wine_run *run,
                             const struct wcow_execution *execution, const char *user,
                             struct wcow_wine_registry *ret, struct wcow_error *err)
{
    *ret = (struct wcow_wine_registry){.run = run, .execution = execution, .user = user};
    for (size_t i = 0; i < WCOW_WINE_REG_FILES; i++) {
        char path[4200];
        char name[64];
        snprintf(path, sizeof(path), "%s/prefix/%s", run->template->folder, files[i]);
        snprintf(name, sizeof(name), "prefix/%s", files[i]);
        FILE *f = fopen(path, "re");
        static char data[8 << 20];
        size_t n = f ? fread(data, 1, sizeof(data), f) : 0;
        if (f)
            fclose(f);
        int r = wcow_wine_run_write(run, name, data, n, err);
        if (r < 0)
            return r;
    }
    return wcow_wine_run_write(run, "prefix/.update-timestamp", "disable\n", 8, err);
}

int wcow_wine_registry_end(const struct wcow_wine_registry *registry, int fd,
                           struct wcow_error *err)
{
    (void)registry;
    (void)fd;
    (void)err;
    return 0;
}
