/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan_entry.h"

#include <stdio.h>
#include <string.h>

#include "differ/host_tree.h"
#include "differ/scan_overlay.h"
#include "layer/filetime.h"
#include "layer/sd.h"

static uint64_t clamp(uint64_t time, const uint64_t *latest)
{
    return latest && time > *latest ? *latest : time;
}

void wcow_scan_clamp(struct wcow_entry *entry, const uint64_t *latest)
{
    entry->mtime = clamp(entry->mtime, latest);
    entry->atime = clamp(entry->atime, latest);
    entry->ctime = clamp(entry->ctime, latest);
    entry->creation = clamp(entry->creation, latest);
}

static int set_name(struct wcow_entry *e, const char *name, struct wcow_error *err)
{
    free(e->name);
    e->name = strdup(name);
    return e->name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

static uint64_t written_at(const struct stat *st)
{
    return wcow_filetime_of_unix(st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec);
}

/* Windows gives security to what lies on the C: drive only; see docs/layer-format.md. */
static bool has_security(const char *name)
{
    return strcmp(name, "Files") == 0 || strncmp(name, "Files/", strlen("Files/")) == 0;
}

static int inherit(const struct wcow_found *f, bool is_dir, struct wcow_entry *e,
                   struct wcow_error *err)
{
    if (!has_security(f->name))
        return WCOW_OK;
    wcow_autobuf sd = {0};
    struct wcow_bytes made = wcow_sd_default(is_dir);
    if (f->dir_sd.len) {
        int r = wcow_sd_inherit(f->dir_sd, f->owner, f->group, is_dir, &sd, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "\"%s\"", f->name);
        made = (struct wcow_bytes){.data = sd.data, .len = sd.len};
    }
    e->has |= WCOW_HAS_RAWSD;
    return wcow_entry_set_sd(e, made.data, made.len, err);
}

static uint32_t host_attributes(const struct wcow_found *f, uint32_t attributes)
{
    return f->leaf ? wcow_overlay_attributes(f->dirfd, f->leaf, f->st, f->has_notes, attributes)
                   : attributes;
}

/* ---- new objects ---- */

static char *windows_target(const char *target)
{
    bool absolute = target[0] == '/';
    char *out = NULL;
    if (asprintf(&out, "%s%s", absolute ? "C:\\" : "", absolute ? target + 1 : target) < 0)
        return NULL;
    for (char *p = out; *p; p++) {
        if (*p == '/')
            *p = '\\';
    }
    return out;
}

static int new_entry(const struct wcow_found *f, struct wcow_entry *e, struct wcow_error *err)
{
    uint64_t at = written_at(f->st);
    e->mtime = e->atime = e->ctime = e->creation = at;
    e->has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION | WCOW_HAS_ATIME;
    if (S_ISDIR(f->st->st_mode)) {
        e->type = WCOW_ENTRY_DIR;
        e->attributes = host_attributes(f, WCOW_ATTR_DIRECTORY);
    } else if (S_ISLNK(f->st->st_mode)) {
        e->type = WCOW_ENTRY_REPARSE;
        e->attributes = WCOW_ATTR_REPARSE;
        if (f->target_is_dir)
            e->attributes |= WCOW_ATTR_DIRECTORY;
        e->link = windows_target(f->target);
        if (!e->link)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link");
    } else {
        e->type = WCOW_ENTRY_FILE;
        e->attributes = host_attributes(f, WCOW_ATTR_ARCHIVE);
        e->size_bytes = (uint64_t)f->st->st_size;
    }
    return inherit(f, e->type == WCOW_ENTRY_DIR, e, err);
}

/* ---- changed objects ---- */

/* Another name of a file has no descriptor of its own: the first name has it. */
static int sd_of_link(const struct wcow_found *f, struct wcow_entry *e, struct wcow_error *err)
{
    wcow_autoentry first = {0};
    int r = wcow_chain_resolve(f->below, f->base->name, &first, NULL, err);
    if (r <= 0 || !first.sd)
        return r < 0 ? r : inherit(f, false, e, err);
    e->has |= WCOW_HAS_RAWSD;
    return wcow_entry_set_sd(e, first.sd, first.sd_len_bytes, err);
}

static int changed_file(const struct wcow_found *f, struct wcow_entry *e, struct wcow_error *err)
{
    int r = wcow_entry_copy(f->base, e, err);
    if (r < 0)
        return r;
    free(e->link);
    e->link = NULL;
    e->type = WCOW_ENTRY_FILE;
    e->has &= ~(uint32_t)WCOW_HAS_BARE_LINK;
    e->size_bytes = (uint64_t)f->st->st_size;
    e->attributes = host_attributes(f, e->attributes);
    e->has |= WCOW_HAS_FILEATTR | WCOW_HAS_CREATION;
    if (!f->same_data)
        e->mtime = e->atime = e->ctime = written_at(f->st);
    if (f->base->type == WCOW_ENTRY_HARDLINK)
        return sd_of_link(f, e, err);
    return WCOW_OK;
}

int wcow_scan_is_same_link(const struct wcow_found *f, struct wcow_error *err)
{
    if (!f->base || f->base->type != WCOW_ENTRY_REPARSE)
        return 0;
    wcow_autofree char *target = NULL;
    int r = wcow_host_link_target(f->base->name, f->base->link, &target, err);
    return r < 0 ? r : strcmp(target, f->target) == 0;
}

static int from_base(const struct wcow_found *f, struct wcow_entry *e, struct wcow_error *err)
{
    enum wcow_entry_type base = f->base->type;
    if (S_ISDIR(f->st->st_mode) && base == WCOW_ENTRY_DIR) {
        int r = wcow_entry_copy(f->base, e, err);
        e->attributes = host_attributes(f, e->attributes);
        return r;
    }
    if (S_ISREG(f->st->st_mode) && (base == WCOW_ENTRY_FILE || base == WCOW_ENTRY_HARDLINK))
        return changed_file(f, e, err);
    if (S_ISLNK(f->st->st_mode) && base == WCOW_ENTRY_REPARSE) {
        int r = wcow_scan_is_same_link(f, err);
        if (r != 0)
            return r < 0 ? r : wcow_entry_copy(f->base, e, err);
    }
    return new_entry(f, e, err);
}

int wcow_scan_entry(const struct wcow_found *found, struct wcow_entry *ret, struct wcow_error *err)
{
    int r = found->base ? from_base(found, ret, err) : new_entry(found, ret, err);
    if (r == WCOW_OK)
        r = set_name(ret, found->name, err);
    wcow_scan_clamp(ret, found->latest);
    return r;
}
