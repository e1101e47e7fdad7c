/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "layer/ea.h"
#include "layer/sd.h"

/* What importers open in a base layer. */
static const char *const config_keys[] = {
    "FILES/WINDOWS/SYSTEM32/CONFIG/DEFAULT",  "FILES/WINDOWS/SYSTEM32/CONFIG/SAM",
    "FILES/WINDOWS/SYSTEM32/CONFIG/SECURITY", "FILES/WINDOWS/SYSTEM32/CONFIG/SOFTWARE",
    "FILES/WINDOWS/SYSTEM32/CONFIG/SYSTEM",
};
enum {
    N_CONFIG = sizeof(config_keys) / sizeof(config_keys[0]),
    CONFIG_DIR_LEN = sizeof("FILES/WINDOWS/SYSTEM32/CONFIG/") - 1,
};
#define BCD_KEY "UTILITYVM/FILES/EFI/MICROSOFT/BOOT/BCD"

struct wcow_verify {
    struct wcow_verify_options options;
    struct wcow_check *check;
    bool has_config[N_CONFIG];
    bool has_utility_vm;
    bool has_bcd;
};

static int pass_on(void *arg, const struct wcow_violation *violation, struct wcow_error *err)
{
    const struct wcow_verify *verify = arg;
    const struct wcow_finding finding = {.rule = wcow_rule_name(violation->rule),
                                         .severity = violation->severity,
                                         .name = violation->name,
                                         .text = violation->text};
    return verify->options.report(verify->options.arg, &finding, err);
}

int wcow_verify_new(const struct wcow_verify_options *options, struct wcow_verify **ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_verify_free_p) struct wcow_verify *verify = calloc(1, sizeof(*verify));
    if (!verify)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's verification");
    verify->options = *options;
    const struct wcow_check_options check = {.is_base = options->is_base,
                                             .parents = options->parents,
                                             .need_parents = true,
                                             .report = pass_on,
                                             .arg = verify};
    int r = wcow_check_new(&check, &verify->check, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(verify);
    return r;
}

void wcow_verify_free(struct wcow_verify *verify)
{
    if (!verify)
        return;
    wcow_check_free(verify->check);
    free(verify);
}

static int report(const struct wcow_verify *verify, const struct wcow_finding *what,
                  struct wcow_error *err, const char *fmt, ...) WCOW_PRINTF(4, 5);

static int report(const struct wcow_verify *verify, const struct wcow_finding *what,
                  struct wcow_error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct wcow_finding finding = *what;
    finding.text = text;
    return verify->options.report(verify->options.arg, &finding, err);
}

/* ---- single entries ---- */

const char *wcow_verify_prefixed_target(const struct wcow_entry *entry)
{
    if (entry->type != WCOW_ENTRY_REPARSE || !entry->link)
        return NULL;
    bool is_prefixed =
        strncmp(entry->link, "Files/", 6) == 0 || strncmp(entry->link, "Files\\", 6) == 0;
    return is_prefixed && entry->link[6] ? entry->link + 6 : NULL;
}

static int check_target(const struct wcow_verify *verify, const struct wcow_entry *e,
                        struct wcow_error *err)
{
    const char *rest = wcow_verify_prefixed_target(e);
    if (!rest)
        return WCOW_OK;
    const struct wcow_finding what = {
        .rule = "prefixed-link-target", .severity = WCOW_SEVERITY_NOTE, .name = e->name};
    return report(verify, &what, err,
                  "it leads to \"%.150s\": on Windows a link's target has no \"Files/\" in front, "
                  "\"%.150s\" was meant",
                  e->link, rest);
}

static int check_times(const struct wcow_verify *verify, const struct wcow_entry *e,
                       struct wcow_error *err)
{
    if (e->mtime != WCOW_FILETIME_OF_GO_ZERO && e->atime != WCOW_FILETIME_OF_GO_ZERO &&
        e->ctime != WCOW_FILETIME_OF_GO_ZERO && e->creation != WCOW_FILETIME_OF_GO_ZERO)
        return WCOW_OK;
    const struct wcow_finding what = {
        .rule = "year-1754", .severity = WCOW_SEVERITY_NOTE, .name = e->name};
    return report(verify, &what, err,
                  "it has a time in 1754, which stands for one that its writer did not have");
}

static int check_descriptor(const struct wcow_verify *verify, const struct wcow_entry *e,
                            struct wcow_error *err)
{
    struct wcow_error why = {0};
    if (!e->sd || wcow_sd_check(e->sd, e->sd_len_bytes, &why) == WCOW_OK)
        return WCOW_OK;
    const struct wcow_finding what = {
        .rule = "bad-descriptor", .severity = WCOW_SEVERITY_WARNING, .name = e->name};
    return report(verify, &what, err, "its security descriptor: %s", why.msg);
}

/* Importers set them as one list. */
static int check_attributes(const struct wcow_verify *verify, const struct wcow_entry *e,
                            struct wcow_error *err)
{
    wcow_autobuf list = {0};
    struct wcow_error why = {0};
    int r = wcow_ea_encode(e, &list, &why);
    if (r == WCOW_OK && list.len > WCOW_EA_LIST_MAX_BYTES)
        r = WCOW_FAIL(&why, WCOW_E_INVALID, "a list of %zu bytes, more than %d", list.len,
                      WCOW_EA_LIST_MAX_BYTES);
    if (r == WCOW_OK)
        return WCOW_OK;
    if (r != WCOW_E_INVALID)
        return WCOW_FAIL(err, r, "%s", why.msg);
    const struct wcow_finding what = {
        .rule = "bad-attributes", .severity = WCOW_SEVERITY_WARNING, .name = e->name};
    return report(verify, &what, err, "its extended attributes: %s", why.msg);
}

static int note_names(struct wcow_verify *verify, const struct wcow_entry *e,
                      struct wcow_error *err)
{
    bool is_file = e->type == WCOW_ENTRY_FILE || e->type == WCOW_ENTRY_HARDLINK;
    if (!verify->options.is_base || (!is_file && e->type != WCOW_ENTRY_DIR))
        return WCOW_OK;
    wcow_autofree char *key = NULL;
    int r = wcow_entry_key(e, &key, NULL);
    if (r < 0) /* told as a bad name already */
        return r == WCOW_E_NOMEM ? WCOW_FAIL(err, r, "out of memory for a name") : WCOW_OK;
    for (size_t i = 0; is_file && i < N_CONFIG; i++)
        verify->has_config[i] |= strcmp(key, config_keys[i]) == 0;
    verify->has_utility_vm |= strcmp(key, "UTILITYVM") == 0;
    verify->has_bcd |= is_file && strcmp(key, BCD_KEY) == 0;
    return WCOW_OK;
}

int wcow_verify_add(struct wcow_verify *verify, const struct wcow_entry *entry,
                    struct wcow_error *err)
{
    int r = wcow_check_add(verify->check, entry, err);
    if (r == WCOW_OK)
        r = check_target(verify, entry, err);
    if (r == WCOW_OK)
        r = check_times(verify, entry, err);
    if (r == WCOW_OK)
        r = check_descriptor(verify, entry, err);
    if (r == WCOW_OK)
        r = check_attributes(verify, entry, err);
    return r < 0 ? r : note_names(verify, entry, err);
}

/* ---- the whole ---- */

static int check_config(const struct wcow_verify *verify, struct wcow_error *err)
{
    wcow_autobuf missing = {0};
    for (size_t i = 0; i < N_CONFIG; i++) {
        if (verify->has_config[i])
            continue;
        int r = wcow_buf_addf(&missing, err, "%s%s", missing.len ? ", " : "",
                              config_keys[i] + CONFIG_DIR_LEN);
        if (r < 0)
            return r;
    }
    const struct wcow_finding what = {
        .rule = "missing-config-hives", .severity = WCOW_SEVERITY_WARNING, .name = ""};
    return missing.len
               ? report(verify, &what, err,
                        "a base layer has the registry, but Files/Windows/System32/config has no "
                        "%s",
                        (const char *)missing.data)
               : WCOW_OK;
}

int wcow_verify_finish(struct wcow_verify *verify, struct wcow_error *err)
{
    int r = wcow_check_finish(verify->check, err);
    if (r < 0 || !verify->options.is_base)
        return r;
    r = check_config(verify, err);
    if (r < 0 || !verify->has_utility_vm || verify->has_bcd)
        return r;
    const struct wcow_finding what = {
        .rule = "missing-bcd", .severity = WCOW_SEVERITY_WARNING, .name = ""};
    return report(verify, &what, err,
                  "a base layer with UtilityVM needs UtilityVM/Files/EFI/Microsoft/Boot/BCD");
}
