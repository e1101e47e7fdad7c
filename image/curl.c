/* SPDX-License-Identifier: Apache-2.0 */
#include "image/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What it has been called for these twenty years; the headers we are compiled with are its own. */
static const char soname[] = "libcurl.so.4";

#define ENTRY(name)                                                                                \
    {                                                                                              \
        "curl_" #name, offsetof(struct wcow_curl, name)                                            \
    }
static const struct {
    const char *symbol;
    size_t at;
} entries[] = {
    ENTRY(easy_cleanup),
    ENTRY(easy_getinfo),
    ENTRY(easy_init),
    ENTRY(easy_reset),
    ENTRY(easy_setopt),
    ENTRY(easy_strerror),
    ENTRY(free),
    ENTRY(global_init),
    ENTRY(multi_add_handle),
    ENTRY(multi_cleanup),
    ENTRY(multi_info_read),
    ENTRY(multi_init),
    ENTRY(multi_perform),
    ENTRY(multi_poll),
    ENTRY(multi_remove_handle),
    ENTRY(multi_strerror),
    ENTRY(slist_append),
    ENTRY(slist_free_all),
    ENTRY(url),
    ENTRY(url_cleanup),
    ENTRY(url_get),
    ENTRY(url_set),
};

/* How loading went; written once. */
static struct {
    pthread_once_t once;
    struct wcow_curl curl;
    struct wcow_error err;
    int result;
} loaded = {.once = PTHREAD_ONCE_INIT};

static int fail_load(struct wcow_error *err)
{
    const char *why = dlerror(); // NOLINT(concurrency-mt-unsafe): glibc keeps it for each thread
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "cannot load libcurl: %s; install it (Debian's package is libcurl4)",
                     why ? why : soname);
}

static int load(struct wcow_curl *curl, struct wcow_error *err)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL); /* and is never closed */
    if (!library)
        return fail_load(err);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        void *symbol = dlsym(library, entries[i].symbol);
        if (!symbol)
            return fail_load(err);
        memcpy((char *)curl + entries[i].at, &symbol, sizeof(symbol));
    }
    CURLcode code = curl->global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK ? WCOW_OK
                            : WCOW_FAIL(err, WCOW_E_INTERNAL, "libcurl does not start: %s",
                                        curl->easy_strerror(code));
}

static void load_once(void)
{
    loaded.result = load(&loaded.curl, &loaded.err);
}

int wcow_curl_load(const struct wcow_curl **ret, struct wcow_error *err)
{
    (void)pthread_once(&loaded.once, load_once);
    if (loaded.result < 0) {
        if (err)
            *err = loaded.err;
        return loaded.result;
    }
    *ret = &loaded.curl;
    return WCOW_OK;
}
