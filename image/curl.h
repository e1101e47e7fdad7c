/* SPDX-License-Identifier: Apache-2.0 */
/** @file curl.h
 *  Inside image/: libcurl, loaded when the first server is to be spoken to. It brings thirty
 *  libraries along, whose start would be felt by every command that speaks to none. */
#ifndef WCOW_IMAGE_CURL_H
#define WCOW_IMAGE_CURL_H

#include <curl/curl.h>

#include "base/error.h"

/** libcurl's functions, under their own names without "curl_". */
struct wcow_curl {
    typeof(&curl_easy_cleanup) easy_cleanup;
    typeof(&curl_easy_getinfo) easy_getinfo;
    typeof(&curl_easy_init) easy_init;
    typeof(&curl_easy_reset) easy_reset;
    typeof(&curl_easy_setopt) easy_setopt;
    typeof(&curl_easy_strerror) easy_strerror;
    typeof(&curl_free) free;
    typeof(&curl_global_init) global_init;
    typeof(&curl_multi_add_handle) multi_add_handle;
    typeof(&curl_multi_cleanup) multi_cleanup;
    typeof(&curl_multi_info_read) multi_info_read;
    typeof(&curl_multi_init) multi_init;
    typeof(&curl_multi_perform) multi_perform;
    typeof(&curl_multi_poll) multi_poll;
    typeof(&curl_multi_remove_handle) multi_remove_handle;
    typeof(&curl_multi_strerror) multi_strerror;
    typeof(&curl_slist_append) slist_append;
    typeof(&curl_slist_free_all) slist_free_all;
    typeof(&curl_url) url;
    typeof(&curl_url_cleanup) url_cleanup;
    typeof(&curl_url_get) url_get;
    typeof(&curl_url_set) url_set;
};

/** Loads it, the first time, and starts it; any thread may ask. *ret lives as long as the process.
 *  WCOW_E_PRECONDITION where it is not installed, WCOW_E_INTERNAL where it does not start. */
WCOW_NODISCARD int wcow_curl_load(const struct wcow_curl **ret, struct wcow_error *err);

#endif
