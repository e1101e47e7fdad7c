/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/labels.h"

#include <string.h>

#include "base/utf.h"

int wcow_key_check(const char *key, const char *what, struct wcow_error *err)
{
    size_t len = strlen(key);
    if (len == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the snapshot's %s is empty", what);
    if (len > WCOW_KEY_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the snapshot's %s has %zu bytes; at most %d are "
                         "allowed",
                         what, len, WCOW_KEY_MAX_BYTES);
    if (!wcow_utf8_is_valid(key, len))
        return WCOW_FAIL(err, WCOW_E_INVALID, "the snapshot's %s is not valid UTF-8", what);
    return WCOW_OK;
}

static int check_label(const struct wcow_store_label *label, size_t *total, struct wcow_error *err)
{
    size_t key_len = strlen(label->key);
    size_t value_len = label->value ? strlen(label->value) : 0;
    if (!wcow_utf8_is_valid(label->key, key_len) ||
        !wcow_utf8_is_valid(label->value ? label->value : "", value_len))
        return WCOW_FAIL(err, WCOW_E_INVALID, "a label is not valid UTF-8");
    if (key_len == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a label's key is empty");
    if (key_len + value_len > WCOW_LABEL_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "label \"%.64s\": key and value have %zu bytes together; at most %d are "
                         "allowed",
                         label->key, key_len + value_len, WCOW_LABEL_MAX_BYTES);
    *total += key_len + value_len;
    if (*total > WCOW_LABELS_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the labels have more than %d bytes together: that is the most one "
                         "snapshot may have",
                         WCOW_LABELS_MAX_BYTES);
    return WCOW_OK;
}

int wcow_labels_check(const struct wcow_store_labels *labels, struct wcow_error *err)
{
    size_t total = 0;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < labels->n; i++)
        r = check_label(&labels->items[i], &total, err);
    return r;
}

static const char *find(const struct wcow_store_labels *labels, const char *key)
{
    for (size_t i = 0; i < labels->n; i++) {
        if (strcmp(labels->items[i].key, key) == 0)
            return labels->items[i].value;
    }
    return NULL;
}

/* Decimal digits only, as Go's strconv.ParseUint(s, 10, bits). */
static int parse_number(const char *key, const char *text, uint64_t max, uint64_t *ret,
                        struct wcow_error *err)
{
    uint64_t value = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        unsigned digit = (unsigned)(*c - '0');
        if (value > (max - digit) / 10)
            return WCOW_FAIL(err, WCOW_E_INVALID, "label %s: %.40s is more than %llu", key, text,
                             (unsigned long long)max);
        value = value * 10 + digit;
    }
    if (c == text || *c)
        return WCOW_FAIL(err, WCOW_E_INVALID, "label %s: \"%.40s\" is not a decimal number", key,
                         text);
    *ret = value;
    return WCOW_OK;
}

static int read_size(const struct wcow_store_labels *labels, struct wcow_label_wishes *wishes,
                     struct wcow_error *err)
{
    const char *bytes = find(labels, WCOW_LABEL_SCRATCH_SIZE);
    const char *gb = find(labels, WCOW_LABEL_SCRATCH_GB);
    uint64_t n_gb = 0;
    int r = gb ? parse_number(WCOW_LABEL_SCRATCH_GB, gb, UINT32_MAX, &n_gb, err) : WCOW_OK;
    if (r < 0)
        return r;
    wishes->scratch_size_bytes = n_gb << 30;
    wishes->uses_deprecated = gb != NULL;
    return bytes ? parse_number(WCOW_LABEL_SCRATCH_SIZE, bytes, UINT64_MAX,
                                &wishes->scratch_size_bytes, err)
                 : WCOW_OK;
}

int wcow_labels_wishes(const struct wcow_store_labels *labels, enum wcow_mount_type fallback,
                       bool has_scratch, struct wcow_label_wishes *ret, struct wcow_error *err)
{
    struct wcow_label_wishes wishes = {.mount_type = fallback};
    const char *type = find(labels, WCOW_LABEL_MOUNT_TYPE);
    if (type && strcmp(type, "overlay") == 0)
        wishes.mount_type = WCOW_MOUNT_OVERLAY;
    else if (type && strcmp(type, "windows-layer") == 0)
        wishes.mount_type = WCOW_MOUNT_WINDOWS_LAYER;
    else if (type && *type)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "label %s: \"%.40s\" is unknown; windows-layer and overlay are known",
                         WCOW_LABEL_MOUNT_TYPE, type);
    int r = has_scratch ? read_size(labels, &wishes, err) : WCOW_OK;
    if (r < 0)
        return r;
    wishes.vm_scratch = has_scratch && find(labels, WCOW_LABEL_VM_SCRATCH);
    *ret = wishes;
    return WCOW_OK;
}

bool wcow_key_is_extract(const char *key)
{
    const char *slash = strrchr(key, '/');
    return strncmp(slash ? slash + 1 : key, "extract-", strlen("extract-")) == 0;
}
