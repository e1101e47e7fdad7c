/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct wcow_hash {
    EVP_MD_CTX *ctx;
};

int wcow_hash_new(struct wcow_hash **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = calloc(1, sizeof(*hash));
    if (!hash || !(hash->ctx = EVP_MD_CTX_new()))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a hash");
    if (EVP_DigestInit_ex(hash->ctx, EVP_sha256(), NULL) != 1)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "libcrypto has no SHA-256");
    *ret = WCOW_TAKE_PTR(hash);
    return WCOW_OK;
}

void wcow_hash_add(struct wcow_hash *hash, const void *data, size_t len)
{
    if (len && EVP_DigestUpdate(hash->ctx, data, len) != 1)
        abort();
}

int wcow_hash_digest(const struct wcow_hash *hash, struct wcow_digest *ret, struct wcow_error *err)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a hash");
    bool ok = EVP_MD_CTX_copy_ex(copy, hash->ctx) == 1 && EVP_DigestFinal_ex(copy, md, &len) == 1;
    EVP_MD_CTX_free(copy);
    if (!ok || len * 2 != WCOW_DIGEST_HEX_LEN)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "libcrypto failed to finish a SHA-256");

    static const char hex[] = "0123456789abcdef";
    char *p = ret->text;
    memcpy(p, "sha256:", 7);
    p += 7;
    for (unsigned i = 0; i < len; i++) {
        *p++ = hex[md[i] >> 4];
        *p++ = hex[md[i] & 15];
    }
    *p = '\0';
    return WCOW_OK;
}

void wcow_hash_free(struct wcow_hash *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->ctx);
    free(hash);
}

int wcow_digest_of(const void *data, size_t len, struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    wcow_hash_add(hash, data, len);
    return wcow_hash_digest(hash, ret, err);
}

bool wcow_digest_is_valid(const char *text)
{
    return text && strncmp(text, "sha256:", 7) == 0 && strlen(text) == WCOW_DIGEST_LEN &&
           strspn(text + 7, "0123456789abcdef") == WCOW_DIGEST_HEX_LEN;
}
