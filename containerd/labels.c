/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "containerd/client.h"
#include "containerd/internal.h"

void wcow_labels_done(struct wcow_labels *labels)
{
    for (size_t i = 0; i < labels->n; i++) {
        free(labels->items[i].key);
        free(labels->items[i].value);
    }
    free(labels->items);
    *labels = (struct wcow_labels){0};
}

static struct wcow_label *find(const struct wcow_labels *labels, const char *key)
{
    for (size_t i = 0; i < labels->n; i++)
        if (strcmp(labels->items[i].key, key) == 0)
            return &labels->items[i];
    return NULL;
}

int wcow_labels_set(struct wcow_labels *labels, const char *key, const char *value,
                    struct wcow_error *err)
{
    wcow_autofree char *new_value = NULL;
    int r = wcow_copy(value, &new_value, err);
    if (r < 0)
        return r;
    struct wcow_label *label = find(labels, key);
    if (label) {
        free(label->value);
        label->value = WCOW_TAKE_PTR(new_value);
        return WCOW_OK;
    }
    wcow_autofree char *new_key = NULL;
    r = wcow_copy(key, &new_key, err);
    if (r < 0)
        return r;
    label = reallocarray(labels->items, labels->n + 1, sizeof(*label));
    if (!label)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for label %s", key);
    labels->items = label;
    label[labels->n++] =
        (struct wcow_label){.key = WCOW_TAKE_PTR(new_key), .value = WCOW_TAKE_PTR(new_value)};
    return WCOW_OK;
}

const char *wcow_labels_get(const struct wcow_labels *labels, const char *key)
{
    const struct wcow_label *label = find(labels, key);
    return label ? label->value : NULL;
}
