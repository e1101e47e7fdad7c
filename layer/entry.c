/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/entry.h"

#include <string.h>

static void free_ea(struct wcow_ea *ea)
{
    free(ea->name);
    free(ea->value);
}

void wcow_entry_done(struct wcow_entry *entry)
{
    free(entry->name);
    free(entry->link);
    free(entry->sd);
    for (size_t i = 0; i < entry->n_eas; i++)
        free_ea(&entry->eas[i]);
    free(entry->eas);
    *entry = (struct wcow_entry){0};
}

static int copy_bytes(const void *data, size_t len, uint8_t **ret, struct wcow_error *err)
{
    /* One byte more: an empty value has an address too. */
    uint8_t *p = malloc(len + 1);
    if (!p)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu bytes of an entry", len);
    if (len)
        memcpy(p, data, len);
    p[len] = '\0';
    *ret = p;
    return WCOW_OK;
}

int wcow_entry_set_sd(struct wcow_entry *entry, const void *sd, size_t len, struct wcow_error *err)
{
    uint8_t *p = NULL;
    if (len) {
        int r = copy_bytes(sd, len, &p, err);
        if (r < 0)
            return r;
    }
    free(entry->sd);
    entry->sd = p;
    entry->sd_len_bytes = len;
    entry->has &= ~(uint32_t)(WCOW_HAS_RAWSD | WCOW_HAS_SDDL);
    if (len)
        entry->has |= WCOW_HAS_RAWSD;
    return WCOW_OK;
}

int wcow_entry_append_ea(struct wcow_entry *entry, const char *name, const void *value, size_t len,
                         struct wcow_error *err)
{
    size_t n = entry->n_eas;
    if ((n & (n - 1)) == 0) { /* full at 0, 1, 2, 4, ... */
        struct wcow_ea *more = reallocarray(entry->eas, n ? n * 2 : 1, sizeof(*more));
        if (!more)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an extended attribute");
        entry->eas = more;
    }
    struct wcow_ea ea = {.name = strdup(name), .len_bytes = len};
    int r = ea.name ? copy_bytes(value, len, &ea.value, err)
                    : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an extended attribute");
    if (r < 0) {
        free(ea.name);
        return r;
    }
    entry->eas[entry->n_eas++] = ea;
    return WCOW_OK;
}

int wcow_entry_add_ea(struct wcow_entry *entry, const char *name, const void *value, size_t len,
                      struct wcow_error *err)
{
    struct wcow_ea *ea = NULL;
    for (size_t i = 0; i < entry->n_eas && !ea; i++)
        if (strcmp(entry->eas[i].name, name) == 0)
            ea = &entry->eas[i];
    if (!ea)
        return wcow_entry_append_ea(entry, name, value, len, err);
    uint8_t *bytes = NULL;
    int r = copy_bytes(value, len, &bytes, err);
    if (r < 0)
        return r;
    free(ea->value);
    ea->value = bytes;
    ea->len_bytes = len;
    return WCOW_OK;
}

static int copy_str(const char *from, char **ret, struct wcow_error *err)
{
    if (!from)
        return WCOW_OK;
    *ret = strdup(from);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

struct wcow_entry wcow_entry_implied_dir(char *name, uint64_t time)
{
    return (struct wcow_entry){.type = WCOW_ENTRY_DIR,
                               .name = name,
                               .attributes = WCOW_ATTR_DIRECTORY,
                               .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME,
                               .mtime = time,
                               .atime = time,
                               .ctime = time,
                               .creation = time};
}

int wcow_entry_copy(const struct wcow_entry *from, struct wcow_entry *ret, struct wcow_error *err)
{
    wcow_autoentry to = *from;
    to.name = to.link = NULL;
    to.sd = NULL;
    to.sd_len_bytes = 0;
    to.eas = NULL;
    to.n_eas = 0;

    int r = copy_str(from->name, &to.name, err);
    if (r == WCOW_OK)
        r = copy_str(from->link, &to.link, err);
    if (r == WCOW_OK && from->sd)
        r = wcow_entry_set_sd(&to, from->sd, from->sd_len_bytes, err);
    for (size_t i = 0; r == WCOW_OK && i < from->n_eas; i++)
        r = wcow_entry_append_ea(&to, from->eas[i].name, from->eas[i].value, from->eas[i].len_bytes,
                                 err);
    if (r < 0)
        return r;
    to.has = from->has; /* set_sd() forgets that it came as SDDL */
    *ret = to;
    to = (struct wcow_entry){0};
    return WCOW_OK;
}
