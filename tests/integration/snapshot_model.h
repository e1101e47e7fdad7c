/* SPDX-License-Identifier: Apache-2.0 */
/** @file snapshot_model.h
 *  For tests that let several clients work on a wcowd and then ask whether everything is as its
 *  answers said: each client knows what it was told of its own snapshots. An operation that was
 *  answered with an error, or not at all, may have been done wholly or not at all.
 *
 *  model_begin(seed); daemon_ started; { model_work(); ...; model_rest(); check_all(); } repeated.
 */
#ifndef WCOW_TESTS_SNAPSHOT_MODEL_H
#define WCOW_TESTS_SNAPSHOT_MODEL_H

#include "wcow_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "wcowd_process.h"

enum { CLIENTS = 6, SLOTS = 12 };
enum state { ABSENT, ACTIVE, COMMITTED, UNKNOWN };

/* One name that a client uses over and over: "a-<generation>" active, "c-<generation>" committed.
 */
struct slot {
    enum state state;
    enum state before; /* where UNKNOWN: it is still this, */
    enum state after;  /* or came to this */
    unsigned generation;
    int parent; /* slot, -1 none */
    unsigned parent_generation;
    int n_children;
    bool has_content;
};

struct client {
    pthread_t thread;
    int number;
    unsigned seed;
    struct slot slots[SLOTS];
    size_t n_acknowledged;
    struct wcow_error err; /* the last answer that was one */
};

static struct wcowd daemon_;
static struct client clients[CLIENTS];
static atomic_bool stop;

static inline unsigned pick(struct client *c, unsigned n)
{
    c->seed = c->seed * 1664525 + 1013904223;
    return (c->seed >> 10) % n;
}

static inline void name_of(const struct client *c, int slot, unsigned generation, enum state state,
                           char out[64])
{
    (void)snprintf(out, 64, "crash/%d/%s-%d-%u", c->number, state == COMMITTED ? "c" : "a", slot,
                   generation);
}

/* What the folder holds, so that a committed one can be told from an empty one. */
static inline bool put_content(const char *source, const char *text)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/Files/content", source);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* A call came back: acknowledged, or nobody knows. */
static inline bool settle(struct client *c, struct slot *s, int code, const struct wcow_error *err,
                          enum state after)
{
    if (code == WCOW_OK) {
        s->state = after;
        return true;
    }
    s->before = s->state;
    s->after = after;
    s->state = UNKNOWN;
    c->err = *err;
    return false;
}

static inline int a_parent(struct client *c, int slot)
{
    int candidate = (int)pick(c, SLOTS);
    return candidate != slot && c->slots[candidate].state == COMMITTED ? candidate : -1;
}

static inline bool do_prepare(struct client *c, int i)
{
    struct slot *s = &c->slots[i];
    char key[64];
    char parent[64] = "";
    struct wcow_error err = {0};
    PB(PrepareSnapshotResponse) *reply = NULL;
    s->generation++;
    s->has_content = false;
    s->parent = a_parent(c, i);
    if (s->parent >= 0) {
        s->parent_generation = c->slots[s->parent].generation;
        name_of(c, s->parent, s->parent_generation, COMMITTED, parent);
        c->slots[s->parent].n_children++;
    }
    name_of(c, i, s->generation, ACTIVE, key);
    int code = wcowd_prepare(&daemon_, key, parent, &reply, &err);
    bool ok = settle(c, s, code, &err, ACTIVE);
    if (ok && !put_content(reply->mounts[0]->source, key))
        fail_msg("%s has no folder at %s", key, reply->mounts[0]->source);
    s->has_content = ok;
    if (reply)
        protobuf_c_message_free_unpacked(&reply->base, NULL);
    return ok;
}

static inline bool do_commit(struct client *c, int i)
{
    struct slot *s = &c->slots[i];
    char key[64];
    char name[64];
    struct wcow_error err = {0};
    name_of(c, i, s->generation, ACTIVE, key);
    name_of(c, i, s->generation, COMMITTED, name);
    int code = wcowd_commit(&daemon_, name, key, &err);
    return settle(c, s, code, &err, COMMITTED);
}

static inline bool do_remove(struct client *c, int i)
{
    struct slot *s = &c->slots[i];
    char key[64];
    struct wcow_error err = {0};
    name_of(c, i, s->generation, s->state, key);
    int code = wcowd_remove(&daemon_, key, &err);
    bool ok = settle(c, s, code, &err, ABSENT);
    if (ok && s->parent >= 0)
        c->slots[s->parent].n_children--;
    return ok;
}

static inline bool step(struct client *c)
{
    int i = (int)pick(c, SLOTS);
    struct slot *s = &c->slots[i];
    if (s->state == ABSENT)
        return do_prepare(c, i);
    if (s->state == ACTIVE)
        return !s->has_content || pick(c, 4) == 0 ? do_remove(c, i) : do_commit(c, i);
    return s->n_children > 0 ? true : do_remove(c, i);
}

static inline void *run(void *arg)
{
    struct client *c = arg;
    while (!atomic_load(&stop) && step(c))
        c->n_acknowledged++;
    return NULL;
}

/* ---- after the restart ---- */

static inline bool exists(const struct client *c, int i, enum state state)
{
    const struct slot *s = &c->slots[i];
    char key[64];
    char parent[64] = "";
    struct wcow_error err = {0};
    PB(StatSnapshotResponse) *reply = NULL;
    name_of(c, i, s->generation, state, key);
    int code = wcowd_stat(&daemon_, key, &reply, &err);
    if (code == WCOW_E_NOT_FOUND)
        return false;
    if (code != WCOW_OK || !reply)
        fail_msg("Stat of %s after the restart: %s", key, err.msg);
    if (s->parent >= 0)
        name_of(c, s->parent, s->parent_generation, COMMITTED, parent);
    assert_string_equal(reply->info->parent, parent);
    protobuf_c_message_free_unpacked(&reply->base, NULL);
    return true;
}

static inline void check_slot(struct client *c, int i)
{
    struct slot *s = &c->slots[i];
    bool active = s->generation > 0 && exists(c, i, ACTIVE);
    bool committed = s->generation > 0 && exists(c, i, COMMITTED);
    enum state now = committed ? COMMITTED : active ? ACTIVE : ABSENT;
    if (active && committed)
        fail_msg("client %d slot %d is half committed", c->number, i);
    if (s->state == UNKNOWN ? now != s->before && now != s->after : now != s->state)
        fail_msg("client %d slot %d generation %u: is %d, was %d (%d to %d)", c->number, i,
                 s->generation, now, s->state, s->before, s->after);
    s->state = now;
    if (now == ABSENT)
        s->parent = -1;
}

static inline void count_children(struct client *c)
{
    for (int i = 0; i < SLOTS; i++)
        c->slots[i].n_children = 0;
    for (int i = 0; i < SLOTS; i++) {
        const struct slot *s = &c->slots[i];
        if (s->state != ABSENT && s->parent >= 0)
            c->slots[s->parent].n_children++;
    }
}

static inline size_t count_folders(void)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/snapshots", daemon_.root);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t n = 0;
    for (const struct dirent *e = NULL; (e = readdir(dir));) /* NOLINT(concurrency-mt-unsafe) */
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static inline void ask_sqlite(const char *sql, char *out, size_t size)
{
    char command[1024];
    (void)snprintf(command, sizeof(command), "sqlite3 -cmd '.timeout 60000' '%s/metadata.db' '%s'",
                   daemon_.root, sql);
    FILE *shell = popen(command, "re"); /* NOLINT(cert-env33-c): our own words */
    assert_non_null(shell);
    size_t n = fread(out, 1, size - 1, shell);
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    (void)pclose(shell);
}

/* All but the folders, of which more may be left until the next start. */
static inline size_t check_rows(void)
{
    size_t n = 0;
    for (int i = 0; i < CLIENTS; i++) {
        for (int slot = 0; slot < SLOTS; slot++) {
            check_slot(&clients[i], slot);
            n += clients[i].slots[slot].state != ABSENT;
        }
        count_children(&clients[i]);
    }
    char answer[64];
    char want[32];
    (void)snprintf(want, sizeof(want), "%zu", n);
    ask_sqlite("SELECT count(*) FROM snapshots", answer, sizeof(answer));
    assert_string_equal(answer, want);
    ask_sqlite("PRAGMA integrity_check", answer, sizeof(answer));
    assert_string_equal(answer, "ok");
    ask_sqlite("PRAGMA foreign_key_check", answer, sizeof(answer));
    assert_string_equal(answer, "");
    return n;
}

static inline void check_all(void)
{
    struct wcow_error err = {0};
    size_t n = check_rows();
    if (wcowd_cleanup(&daemon_, &err) < 0)
        fail_msg("Cleanup: %s", err.msg);
    assert_int_equal(count_folders(), n);
}

/* Each committed folder has what was in it. */
static inline void check_content(void)
{
    char command[512];
    char answer[64];
    (void)snprintf(command, sizeof(command),
                   "SELECT group_concat(id, \" \") FROM snapshots WHERE kind = \"committed\"");
    static char ids[1 << 16];
    ask_sqlite(command, ids, sizeof(ids));
    for (char *rest = ids, *id = NULL; (id = strtok_r(rest, " ", &rest));) {
        (void)snprintf(command, sizeof(command), "%s/snapshots/%s/Files/content", daemon_.root, id);
        FILE *f = fopen(command, "re");
        if (!f)
            fail_msg("%s is missing", command);
        assert_true(fread(answer, 1, sizeof(answer), f) > 0);
        (void)fclose(f);
    }
}

static inline unsigned env_number(const char *name, unsigned fallback)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
    return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

static inline void model_begin(unsigned seed)
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.number = i, .seed = seed + (unsigned)i * 7919};
        for (int slot = 0; slot < SLOTS; slot++)
            clients[i].slots[slot].parent = -1;
    }
}

/* All clients at work, each until its first error. */
static inline void model_work(void)
{
    atomic_store(&stop, false);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run, &clients[i]), 0);
}

static inline void model_rest(void)
{
    atomic_store(&stop, true);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
}

static inline size_t model_acknowledged(void)
{
    size_t n = 0;
    for (int i = 0; i < CLIENTS; i++)
        n += clients[i].n_acknowledged;
    return n;
}

#endif
