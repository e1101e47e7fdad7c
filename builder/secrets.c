/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/secrets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "builder/csv_field.h"

static void secret_done(struct wcow_secret *secret)
{
    free(secret->id);
    free(secret->file);
    free(secret->variable);
    *secret = (struct wcow_secret){0};
}

void wcow_secrets_done(struct wcow_secrets *secrets)
{
    for (size_t i = 0; i < secrets->n; i++)
        secret_done(&secrets->items[i]);
    free(secrets->items);
    *secrets = (struct wcow_secrets){0};
}

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for secrets");
}

/* ---- the options ---- */

static int set(char **field, const char *value, struct wcow_error *err)
{
    free(*field);
    *field = strdup(value);
    return *field ? WCOW_OK : nomem(err);
}

/* One KEY=VALUE; *type points to a string that stays. */
static int take_field(char *field, struct wcow_secret *ret, const char **type,
                      struct wcow_error *err)
{
    char *equals = strchr(field, '=');
    if (!equals)
        return WCOW_FAIL(err, WCOW_E_INVALID, "invalid field '%s' must be a key=value pair", field);
    const char *value = equals + 1;
    *equals = '\0';
    if (strcasecmp(field, "id") == 0)
        return set(&ret->id, value, err);
    if (strcasecmp(field, "src") == 0 || strcasecmp(field, "source") == 0)
        return set(&ret->file, value, err);
    if (strcasecmp(field, "env") == 0)
        return set(&ret->variable, value, err);
    if (strcasecmp(field, "type") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "unexpected key '%s': there are id, src, env and type", field);
    if (strcmp(value, "file") != 0 && strcmp(value, "env") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "unsupported secret type \"%s\": file or env", value);
    *type = *value == 'e' ? "env" : "file";
    return WCOW_OK;
}

static bool is_given(const char *text)
{
    return text && *text;
}

/* What is meant where the option does not say all. */
static int complete(struct wcow_secret *s, const char *type, struct wcow_error *err)
{
    if (!is_given(s->id))
        return WCOW_FAIL(err, WCOW_E_INVALID, "secret missing ID: id=NAME");
    if (strcmp(type, "env") == 0 && !is_given(s->variable)) {
        free(s->variable);
        s->variable = s->file;
        s->file = NULL;
    }
    if (is_given(s->variable)) { /* it counts where both are given */
        free(s->file);
        s->file = NULL;
        return WCOW_OK;
    }
    free(s->variable);
    s->variable = NULL;
    if (is_given(s->file))
        return WCOW_OK;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    return set(getenv(s->id) ? &s->variable : &s->file, s->id, err);
}

static int check_file(const struct wcow_secret *s, struct wcow_error *err)
{
    struct stat st;
    if (!s->file)
        return WCOW_OK;
    if (stat(s->file, &st) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "failed to stat %s", s->file);
    if (S_ISDIR(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s is a folder", s->file);
    return st.st_size > WCOW_SECRET_MAX_BYTES
               ? WCOW_FAIL(err, WCOW_E_LIMIT, "secret %s too big. max size 500KB", s->id)
               : WCOW_OK;
}

static int parse_one(const char *option, struct wcow_secret *ret, struct wcow_error *err)
{
    const char *type = "";
    int r = WCOW_OK;
    for (const char *text = option; r == WCOW_OK && text;) {
        wcow_autobuf field = {0};
        r = wcow_csv_field(&text, &field, err);
        if (r == WCOW_OK)
            r = take_field((char *)field.data, ret, &type, err);
    }
    if (r == WCOW_OK)
        r = complete(ret, type, err);
    return r < 0 ? r : check_file(ret, err);
}

static bool is_called(const struct wcow_secret *secret, const char *id)
{
    return secret->id && id && strcmp(secret->id, id) == 0;
}

/* @p secret is taken. */
static int put(struct wcow_secrets *secrets, struct wcow_secret *secret, struct wcow_error *err)
{
    size_t at = 0;
    while (at < secrets->n && !is_called(&secrets->items[at], secret->id))
        at++;
    if (at == secrets->n) {
        struct wcow_secret *grown = reallocarray(secrets->items, at + 1, sizeof(*grown));
        if (!grown)
            return nomem(err);
        secrets->items = grown;
        secrets->n++;
    } else {
        secret_done(&secrets->items[at]);
    }
    secrets->items[at] = *secret;
    *secret = (struct wcow_secret){0};
    return WCOW_OK;
}

int wcow_secrets_parse(const struct wcow_str_list *options, struct wcow_secrets *ret,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_secrets_done) struct wcow_secrets secrets = {0};
    for (size_t i = 0; i < options->count; i++) {
        WCOW_CLEANUP(secret_done) struct wcow_secret secret = {0};
        int r = parse_one(options->items[i], &secret, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "--secret %s", options->items[i]);
        r = put(&secrets, &secret, err);
        if (r < 0)
            return r;
    }
    *ret = secrets;
    secrets = (struct wcow_secrets){0};
    return WCOW_OK;
}

/* ---- the values ---- */

static int read_file(const struct wcow_secret *s, struct wcow_buf *out, struct wcow_error *err)
{
    wcow_autoclose int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    char data[4096];
    const size_t before = out->len;
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "secret %s: open %s", s->id,
                               s->file);
    for (;;) {
        ssize_t n = read(fd, data, sizeof(data));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "secret %s: read %s", s->id, s->file);
        if (n == 0)
            return WCOW_OK;
        int r = wcow_buf_add(out, data, (size_t)n, err);
        if (r < 0)
            return r;
        if (out->len - before > WCOW_SECRET_MAX_BYTES) /* it grew, or is no file on a disk */
            return WCOW_FAIL(err, WCOW_E_LIMIT, "secret %s too big. max size 500KB", s->id);
    }
}

int wcow_secrets_read(const struct wcow_secrets *secrets, const char *id, struct wcow_buf *out,
                      struct wcow_error *err)
{
    for (size_t i = 0; i < secrets->n; i++) {
        const struct wcow_secret *s = &secrets->items[i];
        if (!is_called(s, id))
            continue;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
        const char *value = s->variable ? getenv(s->variable) : NULL;
        int r = s->file ? read_file(s, out, err) : wcow_buf_add_str(out, value ? value : "", err);
        return r < 0 ? r : 1;
    }
    return 0;
}
