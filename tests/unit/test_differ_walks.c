/* SPDX-License-Identifier: Apache-2.0 */
/* Random walks: hundreds of changes through a real overlayfs mount, then Compare and Apply. What
 * the layers show afterwards, to Linux by a mount and to Windows by their indexes, is what the
 * mount showed in which the changes were made. Each round's result is a layer below the next one.
 * Needs root. WCOW_WALK_SEED starts elsewhere, WCOW_WALKS sets how many. */
#include "differ_test.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <sched.h>
#include <sys/mount.h>

#include "differ/compare.h"
#include "differ/layer_file.h"
#include "run_command.h"

enum {
    WALKS = 6,
    FIRST_SEED = 1,
    ROUNDS = 5,
    CHANGES = 40, /* a round */
    MAX_DATA = 64,
    PATH_BYTES = 512,
    OPTION_BYTES = 3500, /* less than a page */
};

struct walk {
    uint64_t seed;
    uint64_t state;
    unsigned written; /* files, so that no two are the same */
    char *layers[ROUNDS + 1];
    const char *parents[ROUNDS + 1]; /* nearest first */
    size_t n;
    char *scratch;
    char *merged;
    bool renames_dirs; /* in this round */
};

/* ---- numbers ---- */

static uint64_t below(struct walk *w, uint64_t limit)
{
    w->state ^= w->state << 13;
    w->state ^= w->state >> 7;
    w->state ^= w->state << 17;
    return (w->state >> 11) % limit;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a test, on one thread */
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- paths ---- */

/* What the directory has under that name in any letter case, else the name itself: two names that
 * differ in case alone are one on Windows, and refused. */
static void add_leaf(char path[PATH_BYTES], const char *leaf)
{
    char found[NAME_MAX + 1];
    (void)snprintf(found, sizeof(found), "%s", leaf);
    DIR *dir = opendir(path);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): likewise */
    for (struct dirent *d = NULL; dir && (d = readdir(dir));) {
        if (strcasecmp(d->d_name, leaf) == 0)
            (void)snprintf(found, sizeof(found), "%s", d->d_name);
    }
    if (dir)
        (void)closedir(dir);
    size_t len = strlen(path);
    (void)snprintf(path + len, PATH_BYTES - len, "/%s", found);
}

/* Some path, of which all but the last name may exist. */
static void pick(struct walk *w, char path[PATH_BYTES])
{
    static const char *const leaves[] = {"a", "b", "c", "Dir", "e", "System32"};
    (void)snprintf(path, PATH_BYTES, "%s", w->merged);
    uint64_t depth = 1 + below(w, 4);
    struct stat st;
    do {
        add_leaf(path, leaves[below(w, sizeof(leaves) / sizeof(leaves[0]))]);
    } while (--depth && lstat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static bool is_dir(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- changes: each may fail, as it would for whoever tries it ---- */

static void write_some(struct walk *w, const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
    if (fd < 0)
        return;
    (void)dprintf(fd, "%u;", ++w->written);
    (void)close(fd);
}

static void remove_some(const char *path)
{
    if (wcow_host_remove(AT_FDCWD, path, NULL) < 0)
        return; /* what is left of it may stay */
}

static void rename_some(struct walk *w, const char *from, const char *to)
{
    if (is_dir(from) && !w->renames_dirs)
        return;
    (void)rename(from, to); /* NOLINT(cert-err33-c): see above */
}

/* The same name in other letters. A directory keeps those that it has below. */
static void recase_some(struct walk *w, const char *path)
{
    char other[PATH_BYTES];
    (void)snprintf(other, sizeof(other), "%s", path);
    char *leaf = strrchr(other, '/') + 1;
    *leaf = (char)(*leaf ^ ('a' ^ 'A'));
    if (!is_dir(path))
        rename_some(w, path, other);
}

static void touch_some(struct walk *w, const char *path)
{
    const struct timespec times[2] = {{.tv_sec = (time_t)below(w, 1000000)},
                                      {.tv_sec = (time_t)below(w, 1000000)}};
    (void)utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

enum change {
    WRITE,
    APPEND,
    MAKE_DIR,
    REMOVE,
    REPLACE_BY_DIR,
    REPLACE_BY_FILE,
    RENAME,
    RECASE,
    LINK,
    SYMLINK,
    PROTECT,
    TOUCH,
    N_CHANGES,
};

/* What cannot be done to the tree as it is, is not done. */
static void may_fail(int result)
{
    (void)result;
}

static void change(struct walk *w)
{
    char path[PATH_BYTES];
    char other[PATH_BYTES];
    pick(w, path);
    pick(w, other);
    switch ((enum change)below(w, N_CHANGES)) {
    case WRITE:
        write_some(w, path, O_TRUNC);
        break;
    case APPEND:
        write_some(w, path, O_APPEND);
        break;
    case REPLACE_BY_DIR:
        remove_some(path);
        (void)mkdir(path, 0755);
        break;
    case MAKE_DIR:
        (void)mkdir(path, 0755);
        break;
    case REPLACE_BY_FILE:
        remove_some(path);
        write_some(w, path, O_EXCL);
        break;
    case REMOVE:
        remove_some(path);
        break;
    case RENAME:
        rename_some(w, path, other);
        break;
    case RECASE:
        recase_some(w, path);
        break;
    case LINK:
        may_fail(link(path, other));
        break;
    case SYMLINK:
        may_fail(symlink("a", path));
        break;
    case PROTECT:
        (void)chmod(path, below(w, 2) ? 0444 : 0644);
        break;
    case TOUCH:
        touch_some(w, path);
        break;
    case N_CHANGES:
    default:
        break;
    }
}

/* ---- what there is: a sorted list of "PATH kind data" ---- */

struct shown {
    char **lines;
    size_t n;
};

static void shown_done(struct shown *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->lines[i]);
    free(s->lines);
}

static void add_line(struct shown *s, const char *path, char kind, const char *data)
{
    s->lines = reallocarray(s->lines, s->n + 1, sizeof(*s->lines));
    assert_non_null(s->lines);
    char *line = NULL;
    assert_true(asprintf(&line, "%s %c %s", path, kind, data) > 0);
    for (char *c = line; *c && *c != ' '; c++)
        *c = (char)toupper((unsigned char)*c);
    s->lines[s->n++] = line;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct shown *s)
{
    if (s->n)
        qsort(s->lines, s->n, sizeof(*s->lines), by_text);
}

static void add_file_line(struct shown *s, const char *path, const char *shown_path)
{
    char data[MAX_DATA * 64] = "";
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, data, sizeof(data) - 1);
    assert_true(n >= 0 && n < (ssize_t)sizeof(data) - 1);
    (void)close(fd);
    add_line(s, shown_path, 'f', data);
}

/* A mounted tree. */
static void list_mount(char *root, struct shown *s)
{
    char *const paths[] = {root, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(fts);
    size_t skip = strlen(root);
    for (FTSENT *e = NULL; (e = fts_read(fts));) {
        if (e->fts_level == 0 || e->fts_info == FTS_DP)
            continue;
        char shown_path[PATH_BYTES];
        (void)snprintf(shown_path, sizeof(shown_path), "FILES%s", e->fts_path + skip);
        if (e->fts_info == FTS_F)
            add_file_line(s, e->fts_path, shown_path);
        else
            add_line(s, shown_path, e->fts_info == FTS_D ? 'd' : 'l', "");
    }
    (void)fts_close(fts);
    sort_lines(s);
}

/* Directories that are still to be listed. */
struct todo {
    struct shown *shown;
    const struct wcow_layer_chain *layers;
    struct wcow_buf *paths; /* one behind the other, each with its NUL */
};

static void read_layers(const struct wcow_layer_chain *layers, const char *path,
                        struct wcow_buf *data)
{
    WCOW_CLEANUP(wcow_layer_file_close_p) struct wcow_layer_file *file = NULL;
    struct wcow_error err = {0};
    if (wcow_layer_file_open(layers, path, &file, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    struct wcow_source source = wcow_layer_file_source(file);
    const uint8_t *part = NULL;
    size_t len = 0;
    do {
        assert_int_equal(wcow_source_next(&source, &part, &len, NULL), WCOW_OK);
        assert_int_equal(wcow_buf_add(data, part, len, NULL), WCOW_OK);
    } while (len);
    assert_int_equal(wcow_buf_add(data, "", 1, NULL), WCOW_OK);
}

static int list_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct todo *t = arg;
    if (child->type == WCOW_ENTRY_DIR) {
        add_line(t->shown, child->name, 'd', "");
        return wcow_buf_add(t->paths, child->name, strlen(child->name) + 1, err);
    }
    if (child->type == WCOW_ENTRY_REPARSE) {
        add_line(t->shown, child->name, 'l', "");
        return WCOW_OK;
    }
    wcow_autobuf data = {0};
    read_layers(t->layers, child->name, &data);
    add_line(t->shown, child->name, 'f', (const char *)data.data);
    return WCOW_OK;
}

/* What Windows would show of the layers. */
static void list_layers(const struct walk *w, struct shown *s)
{
    wcow_autochain layers = {0};
    assert_ok(wcow_differ_open_chain(w->parents, w->n, &layers, &err));
    struct wcow_chain chain = wcow_layer_chain_names(&layers);
    wcow_autobuf paths = {0};
    struct todo todo = {.shown = s, .layers = &layers, .paths = &paths};
    assert_ok(wcow_buf_add(&paths, "Files", sizeof("Files"), &err));
    for (size_t at = 0; at < paths.len;) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s", (const char *)paths.data + at);
        at += strlen(path) + 1;
        assert_ok(wcow_chain_children(&chain, path, list_child, &todo, &err));
    }
    sort_lines(s);
}

static void assert_same(const struct walk *w, size_t round, const char *what,
                        const struct shown *want, const struct shown *got)
{
    size_t i = 0;
    while (i < want->n && i < got->n && strcmp(want->lines[i], got->lines[i]) == 0)
        i++;
    if (i == want->n && i == got->n)
        return;
    fail_msg("seed %llu, round %zu, %s: \"%s\" in the place of \"%s\"", (unsigned long long)w->seed,
             round, what, i < got->n ? got->lines[i] : "(nothing)",
             i < want->n ? want->lines[i] : "(nothing)");
}

/* ---- rounds ---- */

static int mount_layers(const struct walk *w, const char *upper, const char *at)
{
    char options[OPTION_BYTES];
    size_t len = (size_t)snprintf(options, sizeof(options), "%s",
                                  upper ? "redirect_dir=on,index=off,metacopy=off,xino=off," : "");
    for (size_t i = 0; i < w->n; i++)
        len += (size_t)snprintf(options + len, sizeof(options) - len, "%s%s/Files",
                                i ? ":" : "lowerdir=", w->parents[i]);
    if (upper)
        (void)snprintf(options + len, sizeof(options) - len, ",upperdir=%s/Files,workdir=%s-work",
                       upper, upper);
    return mount("overlay", at, "overlay", upper ? MS_NOSUID | MS_NODEV : MS_RDONLY, options);
}

static void make_folder(const char *path, const char *more)
{
    char full[PATH_BYTES];
    (void)snprintf(full, sizeof(full), "%s%s", path, more);
    assert_int_equal(mkdir(full, 0755), 0);
}

static void push_layer(struct walk *w, char *folder)
{
    w->layers[w->n] = folder;
    memmove(w->parents + 1, w->parents, w->n * sizeof(w->parents[0]));
    w->parents[0] = folder;
    w->n++;
}

/* What was done in the scratch folder as a layer of its own. */
static char *compare_and_apply(const struct walk *w, size_t round)
{
    wcow_autobuf tar = {0};
    const struct wcow_sink sink = wcow_buf_sink(&tar);
    struct wcow_digest diff_id = {0};
    struct wcow_error err = {0};
    uint64_t bytes = 0;
    const struct wcow_compare_options with = {
        .folder = w->scratch, .parents = w->parents, .n_parents = w->n};
    if (wcow_compare(&with, &sink, &diff_id, &bytes, &err) < 0)
        fail_msg("seed %llu, round %zu: Compare: %s", (unsigned long long)w->seed, round, err.msg);
    struct memory_source memory = {.data = tar.data, .len = tar.len};
    struct wcow_source source = memory_source(&memory);
    char *folder = new_folder();
    struct wcow_apply_options o = {.blob = &source,
                                   .folder = folder,
                                   .parents = w->parents,
                                   .n_parents = w->n,
                                   .need_parents = true};
    struct wcow_applied applied = {0};
    if (wcow_apply(&o, &applied, &err) < 0)
        fail_msg("seed %llu, round %zu: Apply: %s", (unsigned long long)w->seed, round, err.msg);
    assert_string_equal(applied.diff_id.text, diff_id.text);
    return folder;
}

/* Either what Compare made of the changes becomes the next layer, or the changed folder itself,
 * which then gets an index when it is needed. */
static void end_round(struct walk *w, size_t round, bool by_hand)
{
    char *folder = compare_and_apply(w, round);
    char work[PATH_BYTES];
    (void)snprintf(work, sizeof(work), "%s-work", w->scratch);
    assert_int_equal(remove_all(work), 0);
    char *kept = by_hand ? w->scratch : folder;
    remove_folder(by_hand ? folder : w->scratch);
    push_layer(w, kept);
    w->scratch = NULL;
}

static void one_round(struct walk *w, size_t round)
{
    bool by_hand = below(w, 3) == 0;
    w->renames_dirs = !by_hand;
    w->scratch = new_folder();
    make_folder(w->scratch, "/Files");
    make_folder(w->scratch, "-work");
    if (mount_layers(w, w->scratch, w->merged) < 0)
        cannot_run("overlay mounts are not allowed");
    for (size_t i = 0; i < CHANGES; i++)
        change(w);
    struct shown want = {0};
    struct shown mounted = {0};
    struct shown windows = {0};
    list_mount(w->merged, &want);
    (void)umount2(w->merged, MNT_DETACH);
    end_round(w, round, by_hand);
    assert_int_equal(mount_layers(w, NULL, w->merged), 0);
    list_mount(w->merged, &mounted);
    (void)umount2(w->merged, MNT_DETACH);
    assert_same(w, round, "the mount has", &want, &mounted);
    list_layers(w, &windows);
    assert_same(w, round, "Windows has", &want, &windows);
    shown_done(&want);
    shown_done(&mounted);
    shown_done(&windows);
}

static void one_walk(uint64_t seed)
{
    struct walk w = {.seed = seed, .state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    w.merged = new_folder();
    char *base = new_folder();
    make_folder(base, "/Files");
    push_layer(&w, base);
    char *second = new_folder(); /* one lower directory alone is no overlay */
    make_folder(second, "/Files");
    push_layer(&w, second);
    for (size_t i = 0; i + 1 < ROUNDS; i++)
        one_round(&w, i);
    for (size_t i = 0; i < w.n; i++)
        remove_folder(w.layers[i]);
    remove_folder(w.merged);
}

static void what_was_done_is_what_the_layers_show(void **state)
{
    (void)state;
    uint64_t first = from_environment("WCOW_WALK_SEED", FIRST_SEED);
    uint64_t n = from_environment("WCOW_WALKS", WALKS);
    for (uint64_t i = 0; i < n; i++)
        one_walk(first + i);
}

int main(void)
{
    /* Mounts of this test are nobody else's. */
    if (unshare(CLONE_NEWNS) == 0)
        (void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_is_what_the_layers_show),
    };
    return cmocka_run_group_tests_name("differ/walks", tests, NULL, NULL);
}
