/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "builder/instructions_flags.h"
#include "cli/ini_text.h"

enum { CONF_MAX_BYTES = 65536, MIN_PROCESSES = 32, MAX_PROCESSES = 1 << 20 };
#define SYSTEM_CONF "/etc/wcow/wcow.conf"

void wcow_conf_done(struct wcow_conf *conf)
{
    free(conf->executor);
    free(conf->run_timeout);
    free(conf->max_parallelism);
    *conf = (struct wcow_conf){0};
}

static int set(char **target, const char *value, struct wcow_error *err)
{
    free(*target);
    *target = strdup(value);
    return *target ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for settings");
}

int wcow_conf_size(const char *text, int64_t *ret_bytes, struct wcow_error *err)
{
    int64_t bytes = 0;
    int r = wcow_parse_size(text, &bytes, err);
    if (r == WCOW_OK && bytes < 1 << 20)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is less than 1m", text);
    if (r == WCOW_OK)
        *ret_bytes = bytes;
    return r;
}

static int set_processes(unsigned *target, const char *value, struct wcow_error *err)
{
    char *end = NULL;
    unsigned long n = strtoul(value, &end, 10);
    if (*end || *value < '0' || *value > '9' || n < MIN_PROCESSES || n > MAX_PROCESSES)
        return WCOW_FAIL(err, WCOW_E_INVALID, "run-processes is a number from %d to %d",
                         MIN_PROCESSES, MAX_PROCESSES);
    *target = (unsigned)n;
    return WCOW_OK;
}

static int set_executor(char **target, const char *value, struct wcow_error *err)
{
    int r = wcow_executor_check_name(value, err);
    return r < 0 ? r : set(target, value, err);
}

static int on_setting(void *arg, const char *name, const char *value, struct wcow_error *err)
{
    struct wcow_conf *conf = arg;
    if (strcmp(name, "executor") == 0)
        return set_executor(&conf->executor, value, err);
    if (strcmp(name, "run-timeout") == 0)
        return set(&conf->run_timeout, value, err);
    if (strcmp(name, "max-parallelism") == 0)
        return set(&conf->max_parallelism, value, err);
    if (strcmp(name, "run-memory") == 0)
        return wcow_conf_size(value, &conf->run_limits.memory_bytes, err);
    if (strcmp(name, "run-memory-all") == 0)
        return wcow_conf_size(value, &conf->run_limits.all_memory_bytes, err);
    if (strcmp(name, "run-disk") == 0)
        return wcow_conf_size(value, &conf->run_limits.disk_bytes, err);
    if (strcmp(name, "run-processes") == 0)
        return set_processes(&conf->run_limits.processes, value, err);
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "unknown name \"%s\": there are executor, max-parallelism, run-timeout, "
                     "run-memory, run-memory-all, run-disk and run-processes",
                     name);
}

int wcow_conf_parse(const char *text, struct wcow_conf *ret, struct wcow_error *err)
{
    struct wcow_conf conf = {0};
    int line = 0;
    int r = wcow_ini_parse(text, on_setting, &conf, &line, err);
    if (r < 0) {
        wcow_conf_done(&conf);
        return wcow_error_wrap(r, err, "line %d", line);
    }
    *ret = conf;
    return WCOW_OK;
}

static const char *environment(const char *name)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static FILE *open_conf(struct wcow_buf *path, struct wcow_error *err)
{
    const char *xdg = environment("XDG_CONFIG_HOME");
    const char *base = xdg ? xdg : environment("HOME");
    FILE *f = NULL;
    if (base &&
        wcow_buf_addf(path, err, "%s%s/wcow/wcow.conf", base, xdg ? "" : "/.config") == WCOW_OK)
        f = fopen((const char *)path->data, "re");
    if (f)
        return f;
    path->len = 0;
    return wcow_buf_add_str(path, SYSTEM_CONF, err) == WCOW_OK ? fopen(SYSTEM_CONF, "re") : NULL;
}

int wcow_conf_load(struct wcow_conf *ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    wcow_autobuf text = {0};
    uint8_t *room = NULL;
    FILE *f = open_conf(&path, err);
    if (!f)
        return WCOW_OK;
    int r = wcow_buf_reserve(&text, CONF_MAX_BYTES, &room, err);
    if (r == WCOW_OK) {
        size_t n = fread(room, 1, CONF_MAX_BYTES - 1, f);
        room[n] = '\0';
        if (ferror(f) || !feof(f))
            r = WCOW_FAIL(err, WCOW_E_INVALID, "it can't be read, or is over %d bytes",
                          CONF_MAX_BYTES - 1);
    }
    (void)fclose(f);
    if (r == WCOW_OK)
        r = wcow_conf_parse((const char *)room, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s", (const char *)path.data) : WCOW_OK;
}
