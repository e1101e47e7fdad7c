/* SPDX-License-Identifier: Apache-2.0 */
#include "image/reference.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define WORD         LOWER_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"

/* The rest is zeroed, so that equal references are equal bytes. */
static void set_text(char *to, size_t size, const char *from)
{
    memset(to, 0, size);
    (void)snprintf(to, size, "%s", from);
}

static bool is_lower_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of a separator between the parts of a path component: ".", "_", "__" or dashes. */
static size_t separator_len(const char *s)
{
    if (*s == '.')
        return 1;
    if (*s == '_')
        return s[1] == '_' ? 2 : 1;
    return strspn(s, "-");
}

/* alphanumeric [separator alphanumeric]… ["/" the same]…, all lower case. */
static int check_repository(const char *text, const char *repository, struct wcow_error *err)
{
    const char *s = repository;
    for (;;) {
        size_t run = strspn(s, LOWER_DIGITS);
        if (!run && isupper((unsigned char)*s))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" is not an image name: the repository must be lower case, and "
                             "\"%s\" is not",
                             text, repository);
        if (!run)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" is not an image name: the repository \"%s\" has a part that "
                             "does not begin with a letter or digit, at \"%s\"",
                             text, repository, s);
        s += run;
        if (!*s)
            return WCOW_OK;
        size_t sep = *s == '/' ? 1 : separator_len(s);
        if (isupper((unsigned char)*s))
            continue; /* reported above */
        if (!sep || (*s != '/' && !is_lower_digit(s[sep])))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" is not an image name: \"%s\" cannot stand in a repository",
                             text, s);
        s += sep;
    }
}

/* Letters, digits, '-' and '.', or a bracketed IPv6 address; then maybe ":port". */
static bool host_is_valid(const char *host)
{
    const char *s = host;
    if (*s == '[') {
        size_t n = strspn(s + 1, "0123456789abcdefABCDEF:.");
        if (!n || s[1 + n] != ']')
            return false;
        s += n + 2;
    } else {
        size_t n = strspn(s, WORD "-.");
        if (!n || memchr(s, '_', n) || *s == '-' || *s == '.' || s[n - 1] == '-' ||
            s[n - 1] == '.' || strstr(s, ".."))
            return false;
        s += n;
    }
    if (*s == '\0')
        return true;
    size_t digits = *s == ':' ? strspn(s + 1, "0123456789") : 0;
    return digits > 0 && digits <= 5 && s[1 + digits] == '\0';
}

static bool tag_is_valid(const char *tag)
{
    size_t n = strspn(tag, WORD ".-");
    return n > 0 && n <= WCOW_REFERENCE_TAG_MAX && tag[n] == '\0' && *tag != '.' && *tag != '-';
}

/* Cut "@digest" off @p rest. */
static int take_digest(const char *text, char *rest, struct wcow_reference *ref,
                       struct wcow_error *err)
{
    char *at = strchr(rest, '@');
    if (!at)
        return WCOW_OK;
    const char *digest = at + 1;
    if (strncmp(digest, "sha256:", strlen("sha256:")) != 0 && strchr(digest, ':'))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "\"%s\": only sha256 digests are known, not \"%.*s\"", text,
                         (int)strcspn(digest, ":"), digest);
    if (!wcow_digest_is_valid(digest))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is not an image name: after '@' must follow sha256: and 64 "
                         "lower-case hex digits",
                         text);
    memcpy(ref->digest.text, digest, sizeof(ref->digest.text));
    *at = '\0';
    return WCOW_OK;
}

/* Cut ":tag" off @p rest: a colon behind the last slash, where there is one. */
static int take_tag(const char *text, char *rest, struct wcow_reference *ref,
                    struct wcow_error *err)
{
    char *slash = strrchr(rest, '/');
    char *colon = strchr(slash ? slash : rest, ':');
    if (!colon)
        return WCOW_OK;
    *colon = '\0';
    if (!colon[1])
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is not an image name: nothing follows the ':' of the tag", text);
    return wcow_reference_set_tag(ref, colon + 1, err) < 0
               ? wcow_error_wrap(WCOW_E_INVALID, err, "\"%s\" is not an image name", text)
               : WCOW_OK;
}

/* The first component is a host when it looks like one: it has a dot or colon, is "localhost",
 * or has upper case, which a repository cannot have. */
static bool looks_like_host(const char *name, size_t len)
{
    if (len == strlen("localhost") && memcmp(name, "localhost", len) == 0)
        return true;
    for (size_t i = 0; i < len; i++)
        if (name[i] == '.' || name[i] == ':' || isupper((unsigned char)name[i]))
            return true;
    return false;
}

static int split_name(const char *text, const char *name, struct wcow_reference *ref,
                      struct wcow_error *err)
{
    const char *slash = strchr(name, '/');
    const char *repository = name;
    if (slash && looks_like_host(name, (size_t)(slash - name))) {
        memcpy(ref->host, name, (size_t)(slash - name));
        repository = slash + 1;
        if (!host_is_valid(ref->host))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%s\" is not an image name: \"%s\" is not a registry's host[:port]",
                             text, ref->host);
    } else {
        set_text(ref->host, sizeof(ref->host), "docker.io");
    }
    if (strcmp(ref->host, "index.docker.io") == 0)
        set_text(ref->host, sizeof(ref->host), "docker.io");
    bool official = strcmp(ref->host, "docker.io") == 0 && !strchr(repository, '/');
    size_t len = strlen(repository) + (official ? strlen("library/") : 0);
    if (strlen(ref->host) + 1 + len > WCOW_REFERENCE_NAME_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the image name that begins \"%.40s\" is too long: host and repository "
                         "together may have %d bytes",
                         text, WCOW_REFERENCE_NAME_MAX);
    if (official)
        set_text(ref->repository, sizeof(ref->repository), "library/");
    len = strlen(ref->repository);
    set_text(ref->repository + len, sizeof(ref->repository) - len, repository);
    return check_repository(text, repository, err);
}

int wcow_reference_parse(const char *text, struct wcow_reference *ret, struct wcow_error *err)
{
    enum { TEXT_MAX = WCOW_REFERENCE_NAME_MAX + WCOW_REFERENCE_TAG_MAX + WCOW_DIGEST_LEN + 3 };
    size_t len = strlen(text);
    if (!len)
        return WCOW_FAIL(err, WCOW_E_INVALID, "an image name is empty");
    if (len > TEXT_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the image name that begins \"%.40s\" is too long",
                         text);
    if (strstr(text, "://"))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is not an image name: leave out the \"%.*s\" before the host",
                         text, (int)(strstr(text, "://") - text + 3), text);
    if (strspn(text, "0123456789abcdef") == WCOW_DIGEST_HEX_LEN && len == WCOW_DIGEST_HEX_LEN)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is an image ID, not a name: write name@sha256:…", text);
    char rest[TEXT_MAX + 1];
    memcpy(rest, text, len + 1);
    struct wcow_reference ref = {0};
    int r = take_digest(text, rest, &ref, err);
    if (r == WCOW_OK)
        r = take_tag(text, rest, &ref, err);
    if (r == WCOW_OK)
        r = split_name(text, rest, &ref, err);
    if (r == WCOW_OK)
        *ret = ref;
    return r;
}

void wcow_reference_set_default_tag(struct wcow_reference *ref)
{
    if (!ref->tag[0] && !ref->digest.text[0])
        set_text(ref->tag, sizeof(ref->tag), "latest");
}

int wcow_reference_set_tag(struct wcow_reference *ref, const char *tag, struct wcow_error *err)
{
    if (*tag && !tag_is_valid(tag))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.140s\" is not a tag: it may have letters, digits, '_', '.' and '-', "
                         "at most %d, and begins with neither '.' nor '-'",
                         tag, WCOW_REFERENCE_TAG_MAX);
    set_text(ref->tag, sizeof(ref->tag), tag);
    return WCOW_OK;
}

static int add_tag_and_digest(const struct wcow_reference *ref, struct wcow_buf *out,
                              struct wcow_error *err)
{
    return wcow_buf_addf(out, err, "%s%s%s%s", ref->tag[0] ? ":" : "", ref->tag,
                         ref->digest.text[0] ? "@" : "", ref->digest.text);
}

int wcow_reference_format(const struct wcow_reference *ref, struct wcow_buf *out,
                          struct wcow_error *err)
{
    int r = wcow_buf_addf(out, err, "%s/%s", ref->host, ref->repository);
    return r < 0 ? r : add_tag_and_digest(ref, out, err);
}

int wcow_reference_full_name(const char *name, char **ret, struct wcow_error *err)
{
    struct wcow_reference ref = {0};
    wcow_autobuf text = {0};
    int r = wcow_reference_parse(name, &ref, err);
    if (r < 0)
        return r;
    wcow_reference_set_default_tag(&ref);
    r = wcow_reference_format(&ref, &text, err);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&text);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

int wcow_reference_format_familiar(const struct wcow_reference *ref, struct wcow_buf *out,
                                   struct wcow_error *err)
{
    const char *repository = ref->repository;
    bool hub = strcmp(ref->host, "docker.io") == 0;
    const char *rest = repository + strlen("library/");
    if (hub && strncmp(repository, "library/", strlen("library/")) == 0 && !strchr(rest, '/'))
        repository = rest;
    int r = wcow_buf_addf(out, err, "%s%s%s", hub ? "" : ref->host, hub ? "" : "/", repository);
    return r < 0 ? r : add_tag_and_digest(ref, out, err);
}

const char *wcow_reference_api_host(const char *host)
{
    return strcmp(host, "docker.io") == 0 ? "registry-1.docker.io" : host;
}

bool wcow_host_is_loopback(const char *host)
{
    if (strncmp(host, "[::1]", 5) == 0)
        return host[5] == '\0' || host[5] == ':';
    size_t len = strcspn(host, ":");
    static const char local[] = "localhost";
    size_t n = sizeof(local) - 1;
    if (len >= n && strncasecmp(host + len - n, local, n) == 0 &&
        (len == n || host[len - n - 1] == '.'))
        return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
}
