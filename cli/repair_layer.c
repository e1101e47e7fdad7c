/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/repair_layer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/layer_repair.h"
#include "cli/tar_output.h"
#include "cli/target.h"

enum { MAX_RULES = 64, RULE_NAME_MAX = 32 };

struct repairing {
    struct wcow_mending *m;
    struct wcow_repair *repair;
    struct wcow_verify *verify; /* of what is written */
    struct wcow_tar_output *out;
    struct {
        char rule[RULE_NAME_MAX];
        uint64_t n;
    } tallies[MAX_RULES];
};

static void repairing_done(struct repairing *s)
{
    wcow_repair_free(s->repair);
    wcow_verify_free(s->verify);
    wcow_tar_output_free(s->out);
}

/* ---- reports ---- */

static int print(const struct repairing *s, const struct wcow_finding *f, const char *what,
                 struct wcow_error *err)
{
    wcow_autobuf line = {0};
    int r = wcow_buf_addf(&line, err, "%s%s: %s", s->m->place ? s->m->place : "", what, f->rule);
    if (r == WCOW_OK && *f->name)
        r = wcow_buf_add_str(&line, ": ", err);
    if (r == WCOW_OK)
        r = wcow_target_escape(&line, f->name, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&line, ": ", err);
    if (r == WCOW_OK)
        r = wcow_target_escape(&line, f->text, err);
    if (r == WCOW_OK)
        (void)fprintf(stderr, "%s\n", (const char *)line.data);
    return r;
}

static int on_fixed(void *arg, const struct wcow_finding *f, struct wcow_error *err)
{
    struct repairing *s = arg;
    for (size_t i = 0; i < MAX_RULES; i++) {
        if (!s->tallies[i].n)
            (void)snprintf(s->tallies[i].rule, RULE_NAME_MAX, "%s", f->rule);
        if (strcmp(s->tallies[i].rule, f->rule) != 0)
            continue;
        s->tallies[i].n++;
        break;
    }
    s->m->n_mended++;
    return s->m->quiet ? WCOW_OK : print(s, f, "mended", err);
}

/* What the written layer still breaks. */
static int on_left(void *arg, const struct wcow_finding *f, struct wcow_error *err)
{
    struct repairing *s = arg;
    s->m->n_left += f->severity > WCOW_SEVERITY_NOTE;
    if (s->m->is_silent)
        return WCOW_OK;
    return print(s, f, f->severity > WCOW_SEVERITY_NOTE ? "left" : "note", err);
}

/* ---- entries ---- */

static int write_bytes(struct repairing *s, const struct wcow_entry *e, struct wcow_bytes data,
                       struct wcow_error *err)
{
    const struct wcow_sink sink = wcow_tar_output_sink(s->out);
    int r = wcow_verify_add(s->verify, e, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_header(s->out, e, err);
    if (r == WCOW_OK && data.len)
        r = wcow_sink_write(&sink, data.data, data.len, err);
    return r < 0 ? r : wcow_tar_output_pad(s->out, data.len, err);
}

static int on_put(void *arg, const struct wcow_entry *e, struct wcow_bytes data,
                  struct wcow_error *err)
{
    return write_bytes(arg, e, data, err);
}

static int copy_data(struct repairing *s, struct wcow_tar_reader *reader, uint64_t size,
                     struct wcow_error *err)
{
    const struct wcow_sink sink = wcow_tar_output_sink(s->out);
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_tar_reader_data(reader, &data, &len, err);
        if (r < 0)
            return r;
        if (len == 0)
            return wcow_tar_output_pad(s->out, size, err);
        r = wcow_sink_write(&sink, data, len, err);
        if (r < 0)
            return r;
    }
}

static int learn(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
                 struct wcow_error *err)
{
    (void)reader;
    const struct repairing *s = arg;
    return wcow_repair_learn(s->repair, entry, err);
}

static int fix(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
               struct wcow_error *err)
{
    struct repairing *s = arg;
    wcow_autoentry e = {0};
    int r = wcow_entry_copy(entry, &e, err);
    if (r == WCOW_OK)
        r = wcow_repair_fix(s->repair, &e, err);
    if (r <= 0)
        return r;
    r = wcow_verify_add(s->verify, &e, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_header(s->out, &e, err);
    return r < 0 ? r : copy_data(s, reader, e.size_bytes, err);
}

/* ---- the layer ---- */

static int find_config(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
                       struct wcow_error *err)
{
    (void)reader;
    bool *seen = arg;
    wcow_autofree char *key = NULL;
    if (wcow_entry_key(entry, &key, NULL) < 0)
        return WCOW_OK;
    seen[0] |= strcmp(key, "FILES/WINDOWS/SYSTEM32/CONFIG/SYSTEM") == 0;
    seen[1] |= strcmp(key, "HIVES") == 0 || strncmp(key, "HIVES/", 6) == 0;
    (void)err;
    return WCOW_OK;
}

/* Without parents, a layer that has its registry in Files is a base. */
static int guess_base(struct repairing *s, struct wcow_layer_tar *tar, struct wcow_error *err)
{
    if (s->m->is_base || s->m->is_diff || s->m->parents)
        return WCOW_OK;
    bool seen[2] = {false, false};
    int r = wcow_layer_tar_each(tar, find_config, seen, err);
    s->m->is_base = seen[0] && !seen[1];
    return r;
}

static int prepare(struct repairing *s, struct wcow_error *err)
{
    const struct wcow_repair_options repair = {.is_base = s->m->is_base,
                                               .parents = s->m->parents,
                                               .report = on_fixed,
                                               .put = on_put,
                                               .arg = s};
    const struct wcow_verify_options verify = {
        .is_base = s->m->is_base, .parents = s->m->parents, .report = on_left, .arg = s};
    int r = wcow_repair_new(&repair, &s->repair, err);
    if (r == WCOW_OK)
        r = wcow_verify_new(&verify, &s->verify, err);
    return r < 0 ? r
                 : wcow_tar_output_new(s->m->dry_run ? NULL : s->m->output, s->m->compression,
                                       &s->out, err);
}

static void print_summary(const struct repairing *s)
{
    bool any = false;
    if (s->m->is_silent)
        return;
    (void)fputs(s->m->place ? s->m->place : "", stderr);
    for (size_t i = 0; i < MAX_RULES && s->tallies[i].n; i++) {
        (void)fprintf(stderr, "%s%s: %" PRIu64, any ? ", " : "mended: ", s->tallies[i].rule,
                      s->tallies[i].n);
        any = true;
    }
    (void)fprintf(stderr, "%s\n", any ? "" : "nothing to mend");
    if (!s->m->dry_run)
        (void)fprintf(stderr, "%sdiff ID: %s\n", s->m->place ? s->m->place : "",
                      s->m->diff_id.text);
}

/* Twice over the tar: what is in it, then what becomes of it. */
static int mend(struct repairing *s, struct wcow_layer_tar *tar, struct wcow_error *err)
{
    uint64_t bytes = 0;
    int r = guess_base(s, tar, err);
    if (r == WCOW_OK)
        r = prepare(s, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_each(tar, learn, s, err);
    if (r == WCOW_OK)
        r = wcow_repair_learned(s->repair, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_each(tar, fix, s, err);
    if (r == WCOW_OK)
        r = wcow_repair_finish(s->repair, err);
    if (r == WCOW_OK)
        r = wcow_verify_finish(s->verify, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_end(s->out, err);
    return r < 0 ? r : wcow_tar_output_finish(s->out, &s->m->diff_id, &bytes, err);
}

int wcow_mend_layer(struct wcow_mending *m, struct wcow_layer_tar *tar, struct wcow_error *err)
{
    WCOW_CLEANUP(repairing_done) struct repairing s = {.m = m};
    m->n_mended = 0;
    m->n_left = 0;
    int r = mend(&s, tar, err);
    if (r == WCOW_OK)
        print_summary(&s);
    return r;
}
