/* SPDX-License-Identifier: Apache-2.0 */
/* --build-context NAME=VALUE: a name in FROM and --from that stands for a folder or an image. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/build_internal.h"
#include "builder/context_source.h"
#include "builder/image_layout.h"

#define IMAGE_PREFIX "docker-image://"

static bool is_image(const char *value)
{
    return strncmp(value, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0 || wcow_image_layout_is(value);
}

static int check_one(const char *text, struct wcow_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--build-context %s: it is NAME=FOLDER or NAME=docker-image://IMAGE",
                         text);
    const char *value = equals + 1;
    if (!is_image(value) && !wcow_context_source_is_remote(value) &&
        (strstr(value, "://") || strncmp(value, "target:", 7) == 0))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "--build-context %s: there are folders, docker-image://, oci-layout://, "
                         "git repositories, "
                         "and archives behind http:// and https://",
                         text);
    if (strcmp(value, "-") == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--build-context %s: standard input is for the main context", text);
    return WCOW_OK;
}

int wcow_build_check_contexts(const struct wcow_build *b, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->options->build_contexts.count; i++)
        r = check_one(b->options->build_contexts.items[i], err);
    return r;
}

static void cut_prefix(struct wcow_bytes *name, const char *prefix)
{
    size_t len = strlen(prefix);
    if (name->len <= len || strncasecmp((const char *)name->data, prefix, len) != 0)
        return;
    name->data += len;
    name->len -= len;
}

/* As people write the names of Docker Hub's images: "foo" for "docker.io/library/foo:latest". */
static struct wcow_bytes familiar(const char *name, size_t len)
{
    static const char latest[] = ":latest";
    const size_t latest_len = sizeof(latest) - 1;
    struct wcow_bytes part = {(const uint8_t *)name, len};
    cut_prefix(&part, "index.docker.io/");
    cut_prefix(&part, "docker.io/");
    cut_prefix(&part, "library/");
    if (part.len > latest_len && memcmp(part.data + part.len - latest_len, latest, latest_len) == 0)
        part.len -= latest_len;
    return part;
}

static const char *value_of(const struct wcow_build *b, const char *name)
{
    const struct wcow_str_list *list = &b->options->build_contexts;
    const struct wcow_bytes wanted = familiar(name, strlen(name));
    for (size_t i = list->count; i > 0; i--) {
        const char *item = list->items[i - 1];
        size_t len = strcspn(item, "=");
        const struct wcow_bytes has = familiar(item, len);
        if (item[len] && has.len == wanted.len &&
            strncasecmp((const char *)has.data, (const char *)wanted.data, has.len) == 0)
            return item + len + 1;
    }
    return NULL;
}

bool wcow_build_is_named(const struct wcow_build *b, const char *name)
{
    return value_of(b, name) != NULL;
}

const char *wcow_build_named_image(const struct wcow_build *b, const char *name)
{
    const char *value = value_of(b, name);
    if (!value || !is_image(value))
        return NULL;
    return wcow_image_layout_is(value) ? value : value + strlen(IMAGE_PREFIX);
}

static struct wcow_context *known_folder(struct wcow_build *b, const char *value)
{
    struct wcow_context *found = NULL;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; !found && i < b->n_checkouts; i++) {
        if (b->checkouts[i].folder == value)
            found = b->checkouts[i].context;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return found;
}

int wcow_build_keep_checkout(struct wcow_build *b, const struct wcow_build_checkout *checkout,
                             struct wcow_error *err)
{
    (void)pthread_mutex_lock(&b->lock);
    struct wcow_build_checkout *grown =
        reallocarray(b->checkouts, b->n_checkouts + 1, sizeof(*grown));
    if (grown) {
        b->checkouts = grown;
        grown[b->n_checkouts++] = *checkout;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return grown ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build context");
}

static int open_folder(struct wcow_build *b, const char *value, struct wcow_build_checkout *kept,
                       struct wcow_error *err)
{
    const struct wcow_context_fetch fetch = {.from = value,
                                             .progress = b->progress,
                                             .cancel = b->options->cancel,
                                             .build_args = &b->options->build_args};
    int r = wcow_context_source_open(&fetch, &kept->source, err);
    if (r < 0)
        return r;
    const struct wcow_context_options options = {.path = kept->source.folder,
                                                 .name = kept->source.name,
                                                 .cache = b->cache,
                                                 .cancel = b->options->cancel};
    r = wcow_context_open(&options, &kept->context, err);
    return r == WCOW_OK ? wcow_context_load_ignore(kept->context, NULL, err) : r;
}

int wcow_build_named_folder(struct wcow_build *b, const char *name, struct wcow_context **ret,
                            struct wcow_error *err)
{
    const char *value = value_of(b, name);
    if (!value || is_image(value))
        return 0;
    *ret = known_folder(b, value);
    if (*ret)
        return 1;
    struct wcow_build_checkout kept = {.folder = value};
    int r = open_folder(b, value, &kept, err);
    if (r == WCOW_OK)
        r = wcow_build_keep_checkout(b, &kept, err);
    if (r < 0) {
        wcow_context_free(kept.context);
        wcow_context_source_done(&kept.source);
        return wcow_error_wrap(r, err, "--build-context %s=%s", name, value);
    }
    *ret = kept.context;
    return 1;
}
