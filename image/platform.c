/* SPDX-License-Identifier: Apache-2.0 */
#include "image/platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static void set_field(char to[WCOW_PLATFORM_FIELD_MAX + 1], const char *from)
{
    (void)snprintf(to, WCOW_PLATFORM_FIELD_MAX + 1, "%s", from);
}

static const struct {
    const char *other;
    const char *go;
    const char *variant;
} architectures[] = {
    {"x86_64", "amd64", ""}, {"x86-64", "amd64", ""},  {"i386", "386", ""},
    {"i686", "386", ""},     {"aarch64", "arm64", ""}, {"armhf", "arm", "v7"},
    {"armel", "arm", "v6"},  {"armv7l", "arm", "v7"},
};

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

static void rename_architecture(struct wcow_platform *p)
{
    for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++) {
        if (strcmp(p->architecture, architectures[i].other) != 0)
            continue;
        set_field(p->architecture, architectures[i].go);
        if (!p->variant[0])
            set_field(p->variant, architectures[i].variant);
        return;
    }
}

/* "7" is "v7", and arm without a variant means it. */
static void complete_arm_variant(struct wcow_platform *p)
{
    size_t len = strlen(p->variant);
    if (!len) {
        set_field(p->variant, "v7");
    } else if (isdigit((unsigned char)p->variant[0]) && len < WCOW_PLATFORM_FIELD_MAX) {
        memmove(p->variant + 1, p->variant, len + 1);
        p->variant[0] = 'v';
    }
}

/* Turns other spellings into Go's: arm64/v8 is arm64, arm is arm/v7. */
static void normalise(struct wcow_platform *p)
{
    lower(p->os);
    lower(p->architecture);
    lower(p->variant);
    if (strcmp(p->os, "macos") == 0)
        set_field(p->os, "darwin");
    rename_architecture(p);
    bool v8 = strcmp(p->variant, "8") == 0 || strcmp(p->variant, "v8") == 0;
    bool v1 = strcmp(p->variant, "v1") == 0;
    if ((strcmp(p->architecture, "arm64") == 0 && v8) ||
        (strcmp(p->architecture, "amd64") == 0 && v1))
        p->variant[0] = '\0';
    if (strcmp(p->architecture, "arm") == 0)
        complete_arm_variant(p);
}

struct wcow_platform wcow_platform_host(void)
{
    struct wcow_platform host = {.os = "linux"};
    struct utsname name;
    if (uname(&name) == 0 && strlen(name.machine) <= WCOW_PLATFORM_FIELD_MAX)
        set_field(host.architecture, name.machine);
    normalise(&host);
    return host;
}

/* One field: letters, digits, and what versions and variants have; never empty. */
static int copy_field(const char *text, const char *what, const char *from, size_t len, char *to,
                      struct wcow_error *err)
{
    if (!len)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.120s\" is not a platform: the %s is empty; write it as "
                         "windows(10.0.20348)/amd64",
                         text, what);
    if (len > WCOW_PLATFORM_FIELD_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.120s\" is not a platform: the %s is longer than %d bytes", text, what,
                         WCOW_PLATFORM_FIELD_MAX);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)from[i]) && !strchr("._-", from[i]))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%.120s\" is not a platform: '%c' cannot stand in the %s", text,
                             from[i], what);
    memcpy(to, from, len);
    to[len] = '\0';
    return WCOW_OK;
}

/* "10.0.20348.1+win32k+other", what stands between the parentheses. */
static int parse_version(const char *text, const char *inside, size_t len, struct wcow_platform *p,
                         struct wcow_error *err)
{
    const char *plus = memchr(inside, '+', len);
    size_t version_len = plus ? (size_t)(plus - inside) : len;
    if (version_len || !plus) {
        int r = copy_field(text, "OS version", inside, version_len, p->os_version, err);
        if (r < 0)
            return r;
    }
    if (!plus)
        return WCOW_OK;
    size_t features_len = len - version_len - 1;
    if (!features_len || features_len > WCOW_PLATFORM_FEATURES_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.120s\" is not a platform: the OS features behind '+' are empty or "
                         "longer than %d bytes",
                         text, WCOW_PLATFORM_FEATURES_MAX);
    memcpy(p->os_features, plus + 1, features_len);
    p->os_features[features_len] = '\0';
    return WCOW_OK;
}

/* "windows" or "windows(10.0.20348.1)"; *ret_next is behind it. */
static int parse_os(const char *text, struct wcow_platform *p, const char **ret_next,
                    struct wcow_error *err)
{
    size_t len = strcspn(text, "/(");
    int r = copy_field(text, "operating system", text, len, p->os, err);
    if (r < 0)
        return r;
    const char *s = text + len;
    if (*s == '(') {
        const char *close = strchr(s, ')');
        if (!close)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%.120s\" is not a platform: the ')' behind the OS version is "
                             "missing",
                             text);
        r = parse_version(text, s + 1, (size_t)(close - s - 1), p, err);
        if (r < 0)
            return r;
        s = close + 1;
    }
    *ret_next = s;
    return WCOW_OK;
}

static bool is_known_os(const char *os)
{
    static const char *const known[] = {"windows", "linux",   "darwin",  "freebsd",   "netbsd",
                                        "openbsd", "solaris", "illumos", "dragonfly", "wasip1"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(os, known[i]) == 0)
            return true;
    return false;
}

int wcow_platform_parse(const char *text, struct wcow_platform *ret, struct wcow_error *err)
{
    struct wcow_platform p = {0};
    const char *s = NULL;
    int r = parse_os(text, &p, &s, err);
    if (!s)
        return r;
    if (*s == '/') {
        size_t len = strcspn(s + 1, "/");
        r = copy_field(text, "architecture", s + 1, len, p.architecture, err);
        s += 1 + len;
        if (r == WCOW_OK && *s == '/') {
            r = copy_field(text, "variant", s + 1, strlen(s + 1), p.variant, err);
            s += strlen(s);
        }
        if (r < 0)
            return r;
    }
    if (*s)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%.120s\" is not a platform: \"%.60s\" behind the OS version", text, s);
    normalise(&p);
    if (!p.architecture[0]) {
        if (!is_known_os(p.os))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "\"%.120s\" is not a platform: unknown operating system; write it as "
                             "windows/amd64",
                             text);
        set_field(p.architecture, wcow_platform_host().architecture);
    }
    *ret = p;
    return WCOW_OK;
}

int wcow_platform_format(const struct wcow_platform *p, struct wcow_buf *out,
                         struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, p->os[0] ? p->os : "unknown", err);
    if (r == WCOW_OK && (p->os_version[0] || p->os_features[0]))
        r = wcow_buf_addf(out, err, "(%s%s%s)", p->os_version, p->os_features[0] ? "+" : "",
                          p->os_features);
    if (r == WCOW_OK)
        r = wcow_buf_addf(out, err, "/%s", p->architecture[0] ? p->architecture : "unknown");
    if (r == WCOW_OK && p->variant[0])
        r = wcow_buf_addf(out, err, "/%s", p->variant);
    return r;
}

/* The number at *s, moving it behind the dot that follows; -1 at the end. Saturates. */
static long long next_number(const char **s)
{
    if (!**s)
        return -1;
    long long n = 0;
    for (; isdigit((unsigned char)**s); (*s)++)
        n = n < 1000000000LL ? n * 10 + (**s - '0') : n;
    while (**s && **s != '.')
        (*s)++;
    if (**s == '.')
        (*s)++;
    return n;
}

int wcow_os_version_compare(const char *a, const char *b)
{
    for (;;) {
        long long x = next_number(&a);
        long long y = next_number(&b);
        if (x != y)
            return x < y ? -1 : 1;
        if (x < 0)
            return 0;
    }
}

static bool version_matches(const char *wanted, const char *candidate)
{
    for (int part = 0; part < 3; part++) {
        long long want = next_number(&wanted);
        if (want < 0)
            return true;
        if (want != next_number(&candidate))
            return false;
    }
    return true;
}

bool wcow_platform_matches(const struct wcow_platform *wanted,
                           const struct wcow_platform *candidate)
{
    struct wcow_platform w = *wanted;
    struct wcow_platform c = *candidate;
    normalise(&w);
    normalise(&c);
    return strcmp(w.os, c.os) == 0 && strcmp(w.architecture, c.architecture) == 0 &&
           strcmp(w.variant, c.variant) == 0 && version_matches(w.os_version, c.os_version);
}

int wcow_platform_compare(const struct wcow_platform *wanted, const struct wcow_platform *a,
                          const struct wcow_platform *b)
{
    bool exact_a = wcow_os_version_compare(wanted->os_version, a->os_version) == 0;
    bool exact_b = wcow_os_version_compare(wanted->os_version, b->os_version) == 0;
    if (exact_a != exact_b)
        return exact_a ? -1 : 1;
    return wcow_os_version_compare(b->os_version, a->os_version);
}
