/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/ini_text.h"

enum { OPTIONS_MAX = 15, CONFIG_MAX_BYTES = 64 << 10 };

/* The table's targets are the fields of one settings value. */
static void make_options(struct wcow_settings *s, struct wcow_option out[OPTIONS_MAX])
{
    const struct wcow_option options[OPTIONS_MAX] = {
        {0, "root", "DIR", "Where layers and their metadata live (" WCOW_DEFAULT_ROOT ")",
         WCOW_OPTION_STRING, &s->root},
        {'a', "address", "SOCKET", "Socket to serve on (" WCOW_DEFAULT_ADDRESS ")",
         WCOW_OPTION_STRING, &s->address},
        {0, "containerd-address", "SOCKET",
         "containerd, for its content store (" WCOW_DEFAULT_CONTAINERD_ADDRESS ")",
         WCOW_OPTION_STRING, &s->containerd_address},
        {0, "content-root", "DIR", "containerd's content folder, read directly (asked for)",
         WCOW_OPTION_STRING, &s->content_root},
        {0, "mount-type", "TYPE", "Mounts to give: windows-layer or overlay (windows-layer)",
         WCOW_OPTION_STRING, &s->mount_type},
        {0, "services", "LIST", "Services to offer: snapshots, diff (both)", WCOW_OPTION_STRING,
         &s->services},
        {0, "metrics-address", "ADDRESS", "Serve Prometheus metrics on 127.0.0.1:PORT or a socket",
         WCOW_OPTION_STRING, &s->metrics_address},
        {0, "layer-limits", "LIST", "What a layer may be: bytes=, file=, entries=, depth=, ratio=",
         WCOW_OPTION_STRING, &s->layer_limits},
        {0, "missing-parents", "WHAT",
         "Layers with files before their directories, which Windows cannot import: refuse or "
         "accept "
         "(refuse)",
         WCOW_OPTION_STRING, &s->missing_parents},
        {'l', "log-level", "LEVEL", "debug, info, warn or error (info)", WCOW_OPTION_STRING,
         &s->log_level},
        {0, "log-format", "FORMAT", "text or json (text)", WCOW_OPTION_STRING, &s->log_format},
        {'c', "config", "FILE", "Settings by the same names (" WCOW_DEFAULT_CONFIG ")",
         WCOW_OPTION_STRING, &s->config},
        {0, "adopt", NULL, "Hand the snapshots over to the next containerd that connects",
         WCOW_OPTION_FLAG, &s->adopt},
        {'v', "version", NULL, "Show the version", WCOW_OPTION_FLAG, &s->version},
        {0},
    };
    memcpy(out, options, sizeof(options));
}

static const char epilogue[] =
    "wcowd is a proxy plugin: name its socket in containerd's config.toml as a snapshotter and a\n"
    "differ (config/ has both fragments). SIGTERM ends it once running calls are done; SIGHUP "
    "reads\n"
    "the log level again.";

static enum wcow_parse parse(struct wcow_settings *s, int argc, char **argv)
{
    struct wcow_option options[OPTIONS_MAX];
    make_options(s, options);
    const struct wcow_command command = {
        .name = "wcowd",
        .usage = "[OPTIONS]",
        .summary = "Serve Windows container layers to containerd: a snapshotter and a differ.",
        .options = options,
        .epilogue = epilogue,
    };
    int operands = 0;
    return wcow_options_parse(&command, argc, argv, &operands);
}

static void set_defaults(struct wcow_settings *s)
{
    *s = (struct wcow_settings){.root = WCOW_DEFAULT_ROOT,
                                .address = WCOW_DEFAULT_ADDRESS,
                                .containerd_address = WCOW_DEFAULT_CONTAINERD_ADDRESS,
                                .mount_type = "windows-layer",
                                .services = "snapshots,diff",
                                .layer_limits = "",
                                .missing_parents = "refuse",
                                .log_level = "info",
                                .log_format = "text"};
}

struct config_reader {
    const struct wcow_option *options;
    struct wcow_buf *kept; /* values, each with its NUL; reserved up front, so they never move */
};

static int on_setting(void *arg, const char *name, const char *value, struct wcow_error *err)
{
    const struct config_reader *c = arg;
    if (strcmp(name, "config") == 0 || strcmp(name, "version") == 0 || strcmp(name, "adopt") == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is for the command line", name);
    const char *at = (const char *)c->kept->data + c->kept->len;
    int r = wcow_buf_add(c->kept, value, strlen(value) + 1, err);
    return r < 0 ? r : wcow_options_set(c->options, name, at, err);
}

/* A missing default file is fine; a missing file that was asked for is not. */
static int read_config(struct wcow_settings *s, const char *path, bool required,
                       struct wcow_error *err)
{
    FILE *f = fopen(path, "re");
    if (!f && !required && errno == ENOENT)
        return WCOW_OK;
    if (!f)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open \"%s\"", path);

    wcow_autobuf text = {.max_bytes = CONFIG_MAX_BYTES};
    wcow_autobuf kept = {.max_bytes = CONFIG_MAX_BYTES};
    struct wcow_option options[OPTIONS_MAX];
    make_options(s, options);
    struct config_reader reader = {.options = options, .kept = &kept};
    uint8_t *room = NULL;
    /* No value is longer than the file, and all of them together neither. */
    int r = wcow_buf_reserve(&kept, CONFIG_MAX_BYTES, &room, err);
    if (r == WCOW_OK)
        r = wcow_buf_reserve(&text, CONFIG_MAX_BYTES, &room, err);
    if (r == WCOW_OK) {
        text.len = fread(room, 1, CONFIG_MAX_BYTES, f);
        room[text.len] = '\0';
        if (ferror(f) || !feof(f))
            r = WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" can't be read, or is over %d bytes", path,
                          CONFIG_MAX_BYTES);
    }
    (void)fclose(f);
    if (r < 0)
        return r;
    int line = 0;
    r = wcow_ini_parse((const char *)text.data, on_setting, &reader, &line, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s:%d", path, line);
    s->kept = wcow_buf_take_str(&kept);
    return WCOW_OK;
}

static int work_out_services(struct wcow_settings *s, struct wcow_error *err)
{
    const char *p = s->services;
    while (*p) {
        size_t n = strcspn(p, ", ");
        if (n == strlen("snapshots") && strncmp(p, "snapshots", n) == 0)
            s->serve_snapshots = true;
        else if (n == strlen("diff") && strncmp(p, "diff", n) == 0)
            s->serve_diff = true;
        else if (n)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "unknown service \"%.*s\" in --services: use snapshots, diff", (int)n,
                             p);
        p += n;
        p += strspn(p, ", ");
    }
    if (!s->serve_snapshots && !s->serve_diff)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--services names no service");
    return WCOW_OK;
}

static int work_out(struct wcow_settings *s, struct wcow_error *err)
{
    s->overlay = strcmp(s->mount_type, "overlay") == 0;
    if (!s->overlay && strcmp(s->mount_type, "windows-layer") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "unknown --mount-type \"%s\": use windows-layer or overlay",
                         s->mount_type);
    if (s->root[0] != '/')
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--root must be an absolute path, as containerd is told of it: \"%s\"",
                         s->root);
    s->allow_missing_parents = strcmp(s->missing_parents, "accept") == 0;
    if (!s->allow_missing_parents && strcmp(s->missing_parents, "refuse") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "unknown --missing-parents \"%s\": use refuse or accept",
                         s->missing_parents);
    int r = work_out_services(s, err);
    if (r == WCOW_OK)
        r = wcow_limits_parse(s->layer_limits, &s->limits, err);
    if (r == WCOW_OK)
        r = wcow_log_parse_level(s->log_level, &s->level, err);
    if (r == WCOW_OK)
        r = wcow_log_parse_format(s->log_format, &s->format, err);
    return r;
}

/* The file is named on the command line, but the command line beats the file: read it twice. */
static enum wcow_parse load(struct wcow_settings *s, int argc, char **argv, struct wcow_error *err)
{
    set_defaults(s);
    enum wcow_parse parsed = parse(s, argc, argv);
    if (parsed != WCOW_PARSE_RUN || s->version)
        return parsed;
    const char *config = s->config;
    set_defaults(s);
    int r = read_config(s, config ? config : WCOW_DEFAULT_CONFIG, config != NULL, err);
    if (r < 0)
        return WCOW_PARSE_USAGE;
    parsed = parse(s, argc, argv);
    if (parsed == WCOW_PARSE_RUN && work_out(s, err) < 0)
        return WCOW_PARSE_USAGE;
    return parsed;
}

enum wcow_parse wcow_settings_load(struct wcow_settings *ret, int argc, char **argv)
{
    struct wcow_error err = {0};
    enum wcow_parse parsed = load(ret, argc, argv, &err);
    if (err.code)
        (void)fprintf(stderr, "wcowd: %s\nSee \"wcowd --help\".\n", err.msg);
    if (parsed != WCOW_PARSE_RUN)
        wcow_settings_done(ret);
    return parsed;
}

int wcow_settings_reload_level(int argc, char **argv, enum wcow_log_level *ret,
                               struct wcow_error *err)
{
    struct wcow_settings fresh;
    enum wcow_parse parsed = load(&fresh, argc, argv, err);
    if (parsed == WCOW_PARSE_RUN)
        *ret = fresh.level;
    wcow_settings_done(&fresh);
    if (parsed != WCOW_PARSE_RUN)
        return err && err->code ? err->code : WCOW_FAIL(err, WCOW_E_INVALID, "bad settings");
    return WCOW_OK;
}

void wcow_settings_done(struct wcow_settings *settings)
{
    free(settings->kept);
    settings->kept = NULL;
}
