/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/tree.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "builder/layer_write.h"
#include "layer/memlayer.h"
#include "layer/names.h"
#include "layer/sd.h"
#include "layer/tar_reader.h"
#include "wcow_test.h"

/* ---- a base: C:\Windows\System32\cmd.exe, and the junction C:\Documents and Settings ---- */

struct base {
    struct wcow_memlayer *layer;
    struct wcow_layer_view view;
    struct wcow_chain chain;
};

static void put_below(struct base *b, enum wcow_entry_type type, const char *name, const char *link)
{
    wcow_autoentry e = {.type = type,
                        .name = strdup(name),
                        .link = link ? strdup(link) : NULL,
                        .attributes = type == WCOW_ENTRY_FILE ? 0x20 : 0x10,
                        .has = WCOW_HAS_FILEATTR | WCOW_HAS_CREATION,
                        .mtime = 1000,
                        .atime = 1000,
                        .ctime = 1000,
                        .creation = 500};
    if (type == WCOW_ENTRY_REPARSE)
        e.has |= WCOW_HAS_MOUNTPOINT;
    assert_ok(wcow_memlayer_put(b->layer, &e, &err));
}

static int setup(void **state)
{
    struct base *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    assert_ok(wcow_memlayer_new(&b->layer, &err));
    put_below(b, WCOW_ENTRY_DIR, "Files", NULL);
    put_below(b, WCOW_ENTRY_DIR, "Files/Windows", NULL);
    put_below(b, WCOW_ENTRY_DIR, "Files/Windows/System32", NULL);
    put_below(b, WCOW_ENTRY_FILE, "Files/Windows/System32/cmd.exe", NULL);
    put_below(b, WCOW_ENTRY_DIR, "Files/Users", NULL);
    put_below(b, WCOW_ENTRY_REPARSE, "Files/Documents and Settings", "C:\\Users");
    put_below(b, WCOW_ENTRY_REPARSE, "Files/away", "D:\\x");
    put_below(b, WCOW_ENTRY_REPARSE, "Files/loop", "C:\\loop");
    b->view = wcow_memlayer_view(b->layer);
    b->chain = (struct wcow_chain){.layers = &b->view, .n_layers = 1};
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct base *b = *state;
    wcow_memlayer_free(b->layer);
    free(b);
    return 0;
}

static struct wcow_tree *new_tree(const struct base *b, uint64_t now)
{
    const struct wcow_tree_options options = {.below = &b->chain, .now = now};
    struct wcow_tree *tree = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    return tree;
}

static int put_file_as(struct wcow_tree *tree, const char *dir, const char *name, const char *text,
                       struct wcow_link_group *group, struct wcow_error *err)
{
    struct wcow_tree_node *node = NULL;
    struct wcow_tree_node *file = NULL;
    int r = wcow_tree_dir(tree, dir, &node, err);
    if (r < 0)
        return r;
    struct wcow_payload payload = {0};
    r = wcow_payload_of_bytes(text, strlen(text), &payload, err);
    if (r < 0)
        return r;
    wcow_autoentry entry = {.type = WCOW_ENTRY_FILE,
                            .attributes = 0x20,
                            .has = WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD,
                            .size_bytes = strlen(text),
                            .mtime = 2000,
                            .atime = 2000,
                            .ctime = 2000,
                            .creation = 2000};
    const struct wcow_tree_item item = {
        .name = name, .entry = &entry, .payload = &payload, .group = group};
    r = wcow_tree_put(tree, node, &item, &file, err);
    wcow_payload_done(&payload);
    return r;
}

static int put_file(struct wcow_tree *tree, const char *dir, const char *name, const char *text,
                    struct wcow_error *err)
{
    return put_file_as(tree, dir, name, text, NULL, err);
}

/* ---- what the tree holds, as text: a name a line, links with their target ---- */

static int add_line(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    return wcow_buf_addf(arg, err, "%s\n", shown->entry.name);
}

static void assert_names(struct wcow_tree *tree, const char *want)
{
    wcow_autobuf got = {0};
    assert_ok(wcow_tree_each(tree, add_line, &got, &err));
    assert_string_equal(got.data ? (const char *)got.data : "", want);
}

static void names_take_the_casing_of_what_is_below(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    assert_ok(put_file(tree, "Files/WINDOWS/system32", "CMD.EXE", "x", &err));
    assert_ok(put_file(tree, "Files/windows/SYSTEM32/New", "a.txt", "y", &err));
    assert_ok(put_file(tree, "Files/Windows/System32/NEW", "A.TXT", "z", &err));
    assert_names(tree, "Files\nFiles/Windows\nFiles/Windows/System32\n"
                       "Files/Windows/System32/New\nFiles/Windows/System32/New/a.txt\n"
                       "Files/Windows/System32/cmd.exe\n");
    wcow_tree_free(tree);
}

static void a_junction_leads_on(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    assert_ok(put_file(tree, "Files/documents and settings/me", "a", "x", &err));
    assert_names(tree, "Files\nFiles/Users\nFiles/Users/me\nFiles/Users/me/a\n");
    assert_fails(put_file(tree, "Files/away", "a", "x", &err), WCOW_E_INVALID);
    assert_fails(put_file(tree, "Files/loop", "a", "x", &err), WCOW_E_INVALID);
    wcow_tree_free(tree);
}

static void files_and_directories_do_not_replace_each_other(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    assert_fails(put_file(tree, "Files", "WINDOWS", "x", &err), WCOW_E_PRECONDITION);
    assert_fails(put_file(tree, "Files/Windows/System32/cmd.exe", "x", "x", &err),
                 WCOW_E_PRECONDITION);
    assert_ok(put_file(tree, "Files", "a", "x", &err));
    struct wcow_error why = {0};
    assert_int_equal(put_file(tree, "Files/a", "x", "x", &why), WCOW_E_PRECONDITION);
    assert_string_equal(why.msg, "C:/a is a file, not a directory");
    wcow_tree_free(tree);
}

static void names_that_windows_refuses_are_refused(void **state)
{
    static const char *const names[] = {"con",     "a:b", "a?",    "trailing.",
                                        "NUL.txt", "..",  ".wh.a", "a.$wcidirs$"};
    struct wcow_tree *tree = new_tree(*state, 3000);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_fails(put_file(tree, "Files", names[i], "x", &err), WCOW_E_INVALID);
    assert_fails(put_file(tree, "Files/.wh.dir", "a", "x", &err), WCOW_E_INVALID);
    wcow_tree_free(tree);
}

static void what_is_there_is_no_change(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    struct wcow_tree_node *node = NULL;
    assert_ok(wcow_tree_dir(tree, "Files/Windows/system32", &node, &err));
    assert_false(wcow_tree_has_changes(tree));
    wcow_autoentry there = {0};
    assert_ok(wcow_tree_entry(node, &there, &err));
    assert_int_equal(there.mtime, 1000);
    assert_int_equal(there.creation, 500);
    assert_int_equal(there.has, WCOW_HAS_FILEATTR | WCOW_HAS_CREATION);
    assert_ok(wcow_tree_dir(tree, "Files/Windows/system32/x", &node, &err));
    assert_true(wcow_tree_has_changes(tree));
    wcow_autoentry made = {0};
    assert_ok(wcow_tree_entry(node, &made, &err));
    assert_int_equal(made.mtime, 3000);
    wcow_tree_free(tree);
}

/* ---- the tar ---- */

struct given {
    const struct wcow_buf *tar;
    bool done;
};

static int give(void *ctx, const uint8_t **ret, size_t *ret_len, struct wcow_error *err)
{
    (void)err;
    struct given *g = ctx;
    *ret = g->tar->data;
    *ret_len = g->done ? 0 : g->tar->len;
    g->done = true;
    return WCOW_OK;
}

static void write_tar(struct wcow_tree *tree, const struct wcow_layer_write *options,
                      struct wcow_buf *tar)
{
    const struct wcow_sink sink = wcow_buf_sink(tar);
    assert_ok(wcow_layer_write(tree, options, &sink, NULL, &err));
}

/* "name size mtime [-> link]" a line */
static void list_tar(const struct wcow_buf *tar, struct wcow_buf *out)
{
    struct given g = {.tar = tar};
    const struct wcow_source source = {.next = give, .ctx = &g};
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    struct wcow_entry *e = NULL;
    struct wcow_error err = {0};
    assert_int_equal(wcow_tar_reader_new(&source, NULL, &reader, &err), WCOW_OK);
    int r = 0;
    while ((r = wcow_tar_reader_next(reader, &e, &err)) == 1)
        assert_int_equal(wcow_buf_addf(out, &err, "%s %llu %llu%s%s\n", e->name,
                                       (unsigned long long)e->size_bytes,
                                       (unsigned long long)e->mtime, e->link ? " -> " : "",
                                       e->link ? e->link : ""),
                         WCOW_OK);
    assert_int_equal(r, 0);
}

static void hard_links_follow_the_first_name_of_the_tar(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    struct wcow_link_group *group = NULL;
    assert_ok(wcow_tree_link_group(tree, "1:2", &group, &err));
    assert_ok(put_file_as(tree, "Files", "z", "same", group, &err));
    assert_ok(put_file_as(tree, "Files", "b", "same", group, &err));
    wcow_autobuf tar = {0};
    wcow_autobuf got = {0};
    write_tar(tree, &(struct wcow_layer_write){0}, &tar);
    list_tar(&tar, &got);
    assert_string_equal((const char *)got.data,
                        "Files 0 1000\nFiles/b 4 2000\nFiles/z 0 2000 -> Files/b\n");
    wcow_tree_free(tree);
}

static int send_two(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    return wcow_sink_write(sink, ctx, 2, err);
}

static void count_free(void *ctx)
{
    ((char *)ctx)[2]++;
}

static int put_payload(struct wcow_tree *tree, const char *name, struct wcow_payload *payload,
                       struct wcow_tree_node **ret, struct wcow_error *err)
{
    wcow_autoentry entry = {.type = WCOW_ENTRY_FILE, .size_bytes = 2};
    const struct wcow_tree_item item = {.name = name, .entry = &entry, .payload = payload};
    struct wcow_tree_node *dir = NULL;
    int r = wcow_tree_dir(tree, "Files", &dir, err);
    return r < 0 ? r : wcow_tree_put(tree, dir, &item, ret, err);
}

/* As an archive has it that was appended to. */
static void a_later_name_keeps_the_bytes_of_a_file_that_is_replaced(void **state)
{
    static const struct wcow_payload_ops ops = {.send = send_two, .free = count_free};
    char bytes[2][3] = {"ab", "cd"};
    struct wcow_tree *tree = new_tree(*state, 3000);
    struct wcow_tree_node *node = NULL;
    struct wcow_payload payload = {.ops = &ops, .ctx = bytes[0]};
    assert_ok(put_payload(tree, "a", &payload, &node, &err));
    struct wcow_payload borrowed = wcow_tree_payload(node);
    assert_ok(put_payload(tree, "b", &borrowed, &node, &err));
    payload = (struct wcow_payload){.ops = &ops, .ctx = bytes[1]};
    assert_ok(put_payload(tree, "a", &payload, &node, &err));
    assert_int_equal(bytes[0][2], 0);
    wcow_tree_free(tree);
    assert_true(bytes[0][2] == 1 && bytes[1][2] == 1);
}

static void an_epoch_is_the_latest_time_of_what_is_new(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    assert_ok(put_file(tree, "Files/new", "a", "x", &err));
    wcow_autobuf tar = {0};
    wcow_autobuf got = {0};
    write_tar(tree, &(struct wcow_layer_write){.has_epoch = true, .epoch = 700}, &tar);
    list_tar(&tar, &got);
    assert_string_equal((const char *)got.data,
                        "Files 0 1000\nFiles/new 0 700\nFiles/new/a 1 700\n");
    wcow_tree_free(tree);
}

static struct wcow_digest key_of(const struct base *b, uint64_t now, const char *text,
                                 bool with_epoch)
{
    const struct wcow_layer_write options = {
        .has_epoch = with_epoch, .epoch = 2500, .now = with_epoch ? 2500 : now};
    struct wcow_tree *tree = new_tree(b, with_epoch ? 2500 : now);
    struct wcow_digest key;
    assert_ok(put_file(tree, "Files/new", "a", text, &err));
    assert_ok(wcow_layer_key(tree, &options, &key, &err));
    wcow_tree_free(tree);
    return key;
}

static void a_key_changes_with_bytes_and_not_with_the_clock(void **state)
{
    struct wcow_digest key = key_of(*state, 3000, "x", false);
    struct wcow_digest later = key_of(*state, 4000, "x", false);
    struct wcow_digest other = key_of(*state, 3000, "y", false);
    struct wcow_digest clamped = key_of(*state, 3000, "x", true);
    assert_string_equal(key.text, later.text);
    assert_string_not_equal(key.text, other.text);
    assert_string_not_equal(key.text, clamped.text);
}

static int send_short(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    return wcow_sink_write(sink, ctx, 1, err);
}

static void a_file_that_shrank_is_told(void **state)
{
    static const struct wcow_payload_ops ops = {.send = send_short};
    static char byte = 'x';
    struct wcow_tree *tree = new_tree(*state, 3000);
    struct wcow_tree_node *dir = NULL;
    struct wcow_tree_node *node = NULL;
    struct wcow_payload payload = {.ops = &ops, .ctx = &byte};
    wcow_autoentry entry = {.type = WCOW_ENTRY_FILE, .size_bytes = 2};
    const struct wcow_tree_item item = {.name = "a", .entry = &entry, .payload = &payload};
    assert_ok(wcow_tree_dir(tree, "Files", &dir, &err));
    assert_ok(wcow_tree_put(tree, dir, &item, &node, &err));
    wcow_autobuf tar = {0};
    const struct wcow_sink sink = wcow_buf_sink(&tar);
    const struct wcow_layer_write options = {0};
    assert_fails(wcow_layer_write(tree, &options, &sink, NULL, &err), WCOW_E_PRECONDITION);
    wcow_tree_free(tree);
}

static void a_tree_is_a_layer_of_a_chain(void **state)
{
    struct base *b = *state;
    struct wcow_tree *tree = new_tree(b, 3000);
    assert_ok(put_file(tree, "Files/windows", "a.txt", "x", &err));
    wcow_tree_seal(tree);
    const struct wcow_layer_view views[] = {wcow_tree_view(tree), b->view};
    const struct wcow_chain chain = {.layers = views, .n_layers = 2};
    wcow_autoentry found = {0};
    struct wcow_error err = {0};
    size_t at = 9;
    assert_int_equal(wcow_chain_lookup(&chain, "Files/WINDOWS/A.TXT", &found, &at, &err), 1);
    assert_string_equal(found.name, "Files/Windows/a.txt");
    assert_int_equal(at, 0);
    wcow_tree_free(tree);
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static size_t allocated(void)
{
    return 0; /* their allocators do not say */
}
#else
static size_t allocated(void)
{
    return mallinfo2().uordblks;
}
#endif

/* Files as a context gives them: one descriptor, one time each, a short name. */
static void a_file_takes_little_memory(void **state)
{
    enum { N_FILES = 20000, BYTES_PER_FILE = 160 };
    size_t before = allocated();
    struct wcow_tree *tree = new_tree(*state, 3000);
    struct wcow_tree_node *dir = NULL;
    assert_ok(wcow_tree_dir(tree, "Files/app", &dir, &err));
    for (unsigned i = 0; i < N_FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "file-%u.txt", i);
        const uint64_t time = 2000 + i;
        wcow_autoentry entry = {.type = WCOW_ENTRY_FILE,
                                .attributes = 0x20,
                                .has = WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD,
                                .size_bytes = i,
                                .mtime = time,
                                .atime = time,
                                .ctime = time,
                                .creation = time};
        const struct wcow_tree_item item = {.name = name, .entry = &entry};
        struct wcow_tree_node *node = NULL;
        assert_ok(wcow_tree_put(tree, dir, &item, &node, &err));
    }
    assert_in_range(allocated() - before, 0, (uintmax_t)N_FILES * BYTES_PER_FILE);
    wcow_tree_free(tree);
}

static int count_later(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    size_t *n = arg;
    (void)err;
    *n += shown->first_name != NULL;
    return WCOW_OK;
}

static void every_walk_finds_many_hard_links(void **state)
{
    enum { N_PAIRS = 3000 };
    struct wcow_tree *tree = new_tree(*state, 3000);
    for (unsigned i = 0; i < 2 * N_PAIRS; i++) {
        struct wcow_link_group *group = NULL;
        char name[32];
        char id[32];
        (void)snprintf(name, sizeof(name), "name-%u.txt", i);
        (void)snprintf(id, sizeof(id), "8:%u", i % N_PAIRS);
        assert_ok(wcow_tree_link_group(tree, id, &group, &err));
        assert_ok(put_file_as(tree, "Files/app", name, "text", group, &err));
    }
    for (int walk = 0; walk < 2; walk++) {
        size_t n_later = 0;
        assert_ok(wcow_tree_each(tree, count_later, &n_later, &err));
        assert_int_equal(n_later, N_PAIRS);
    }
    wcow_tree_free(tree);
}

static int put_numbered(struct wcow_tree *tree, unsigned i, const char *text,
                        struct wcow_error *err)
{
    char dir[64];
    char name[32];
    (void)snprintf(dir, sizeof(dir), "Files/app/%03u/sub", i / 500);
    (void)snprintf(name, sizeof(name), "file-%03u.txt", i % 500);
    return put_file(tree, dir, name, text, err);
}

struct counting {
    char last[128];
    size_t n_files;
    size_t n_wrong; /* out of order, or not with the bytes that they have */
};

static int count(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    struct counting *c = arg;
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    c->n_wrong += strcmp(c->last, shown->entry.name) >= 0;
    (void)snprintf(c->last, sizeof(c->last), "%s", shown->entry.name);
    if (shown->entry.type != WCOW_ENTRY_FILE)
        return WCOW_OK;
    c->n_files++;
    int r = wcow_payload_send(&shown->payload, &sink, err);
    const char *want = strstr(shown->entry.name, "file-077.txt") ? "other" : "text";
    c->n_wrong += bytes.len != strlen(want) || memcmp(bytes.data, want, bytes.len) != 0;
    return r;
}

/* So many that a part of them lies in a file: put, replaced, looked up and walked all the same. */
static void a_tree_may_have_more_files_than_the_heap_is_to_hold(void **state)
{
    enum { N_FILES = 100000 };
    struct wcow_tree *tree = new_tree(*state, 3000);
    for (unsigned i = 0; i < N_FILES; i++)
        assert_ok(put_numbered(tree, i, "text", &err));
    for (unsigned i = 77; i < N_FILES; i += 500)
        assert_ok(put_numbered(tree, i, "other", &err));
    struct counting c = {0};
    assert_ok(wcow_tree_each(tree, count, &c, &err));
    assert_int_equal(c.n_files, N_FILES);
    assert_int_equal(c.n_wrong, 0);
    assert_non_null(wcow_tree_find(tree, "FILES/APP/000/SUB/FILE-000.TXT"));
    assert_non_null(wcow_tree_find(tree, "FILES/APP/199/SUB/FILE-499.TXT"));
    assert_null(wcow_tree_find(tree, "FILES/APP/199/SUB/FILE-500.TXT"));
    wcow_tree_free(tree);
}

/* Directory `name` with the descriptor of `sddl`; NULL: with none. */
static void put_dir_with(struct wcow_memlayer *layer, const char *name, const char *sddl)
{
    wcow_autoentry e = {.type = WCOW_ENTRY_DIR,
                        .name = strdup(name),
                        .attributes = WCOW_ATTR_DIRECTORY,
                        .has = WCOW_HAS_FILEATTR | (sddl ? WCOW_HAS_RAWSD : 0U)};
    wcow_autobuf sd = {0};
    if (sddl) {
        assert_ok(wcow_sd_of_sddl(sddl, &sd, &err));
        assert_ok(wcow_entry_set_sd(&e, sd.data, sd.len, &err));
    }
    assert_ok(wcow_memlayer_put(layer, &e, &err));
}

static void assert_sddl(struct wcow_tree *tree, const char *path, const char *want)
{
    wcow_autoentry e = {0};
    wcow_autobuf text = {0};
    assert_int_equal(wcow_tree_stat(tree, path, &e, NULL), 1);
    if (e.sd)
        assert_ok(wcow_sd_to_sddl(e.sd, e.sd_len_bytes, &text, &err));
    assert_string_equal(text.data ? (const char *)text.data : "", want);
}

/* An update layer's C:\ has no descriptor: the base's is the one that counts. */
static void what_is_new_inherits_from_the_base_below_an_update(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *update = NULL;
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *base = NULL;
    assert_ok(wcow_memlayer_new(&update, &err));
    assert_ok(wcow_memlayer_new(&base, &err));
    put_dir_with(base, "Files", "O:BAG:SYD:(A;OICI;FA;;;SY)");
    put_dir_with(base, "Files/app", "O:BAG:SYD:(A;OICI;FA;;;BA)");
    put_dir_with(update, "Files", NULL);
    put_dir_with(update, "Files/app", NULL);
    const struct wcow_layer_view views[] = {wcow_memlayer_view(update), wcow_memlayer_view(base)};
    const struct wcow_chain chain = {.layers = views, .n_layers = 2};
    const struct wcow_tree_options options = {.below = &chain, .now = 3000};
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    assert_ok(put_file(tree, "Files", "a.txt", "x", &err));
    assert_ok(put_file(tree, "Files/App", "b.txt", "x", &err));
    assert_ok(put_file(tree, "Files", "c.txt", "x", &err));
    assert_ok(put_file(tree, "Files/made", "d.txt", "x", &err));
    assert_sddl(tree, "Files/a.txt", "O:BAG:SYD:AI(A;ID;FA;;;SY)");
    assert_sddl(tree, "Files/app/b.txt", "O:BAG:SYD:AI(A;ID;FA;;;BA)");
    assert_sddl(tree, "Files/c.txt", "O:BAG:SYD:AI(A;ID;FA;;;SY)");
    assert_sddl(tree, "Files/made", "O:BAG:SYD:AI(A;OICIID;FA;;;SY)");
    assert_sddl(tree, "Files/made/d.txt", "O:BAG:SYD:AI(A;ID;FA;;;SY)");
    assert_sddl(tree, "Files", ""); /* it stands in the layer as the nearest has it */
}

static void what_the_layers_below_have_can_be_deleted(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    assert_ok(put_file(tree, "Files/Users", "a.txt", "x", &err));
    assert_ok(wcow_tree_hide(tree, "Files/windows/system32", "CMD.EXE", &err));
    assert_ok(wcow_tree_hide(tree, "Files", "nothing of that name", &err));
    assert_ok(wcow_tree_hide(tree, "Files/Users", "a.txt", &err)); /* it is the tree's alone */
    assert_ok(wcow_tree_hide(tree, "Files", "away", &err));
    assert_ok(wcow_tree_hide(tree, "Files", "AWAY", &err));
    assert_fails(wcow_tree_hide(tree, "Files", "con", &err), WCOW_E_INVALID);
    assert_names(tree, "Files\nFiles/Users\nFiles/Users/a.txt\nFiles/Windows\n"
                       "Files/Windows/System32\nFiles/Windows/System32/.wh.cmd.exe\n"
                       "Files/.wh.away\n");
    const struct wcow_layer_view view = wcow_tree_view(tree);
    const struct base *b = *state;
    const struct wcow_layer_view views[] = {view, b->view};
    const struct wcow_chain chain = {.layers = views, .n_layers = 2};
    wcow_autoentry gone = {0};
    assert_int_equal(wcow_chain_lookup(&chain, "Files/away", &gone, NULL, NULL), 0);
    wcow_tree_free(tree);
}

static void a_directory_can_be_emptied_of_what_is_below(void **state)
{
    struct wcow_tree *tree = new_tree(*state, 3000);
    assert_ok(put_file(tree, "Files/Windows/System32", "new.exe", "x", &err));
    assert_ok(wcow_tree_hide_all(tree, "Files", &err));
    assert_names(tree, "Files\nFiles/.wh.Documents and Settings\nFiles/.wh.Users\n"
                       "Files/Windows\nFiles/Windows/System32\n"
                       "Files/Windows/System32/.wh.cmd.exe\nFiles/Windows/System32/new.exe\n"
                       "Files/.wh.away\nFiles/.wh.loop\n");
    wcow_tree_free(tree);
}

static void without_the_layers_below_only_names_can_be_deleted(void **state)
{
    (void)state;
    const struct wcow_tree_options options = {.now = 3000};
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    assert_ok(wcow_tree_new(&options, &tree, &err));
    assert_ok(put_file(tree, "Files/d", "a", "x", &err));
    assert_ok(wcow_tree_hide(tree, "Files", "gone", &err));
    assert_fails(wcow_tree_hide(tree, "Files", "d", &err), WCOW_E_PRECONDITION);
    assert_fails(wcow_tree_hide_all(tree, "Files/d", &err), WCOW_E_PRECONDITION);
    assert_names(tree, "Files\nFiles/d\nFiles/d/a\nFiles/.wh.gone\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_take_the_casing_of_what_is_below),
        cmocka_unit_test(a_junction_leads_on),
        cmocka_unit_test(files_and_directories_do_not_replace_each_other),
        cmocka_unit_test(names_that_windows_refuses_are_refused),
        cmocka_unit_test(what_is_there_is_no_change),
        cmocka_unit_test(hard_links_follow_the_first_name_of_the_tar),
        cmocka_unit_test(a_later_name_keeps_the_bytes_of_a_file_that_is_replaced),
        cmocka_unit_test(an_epoch_is_the_latest_time_of_what_is_new),
        cmocka_unit_test(a_key_changes_with_bytes_and_not_with_the_clock),
        cmocka_unit_test(what_is_new_inherits_from_the_base_below_an_update),
        cmocka_unit_test(what_the_layers_below_have_can_be_deleted),
        cmocka_unit_test(a_directory_can_be_emptied_of_what_is_below),
        cmocka_unit_test(without_the_layers_below_only_names_can_be_deleted),
        cmocka_unit_test(a_file_that_shrank_is_told),
        cmocka_unit_test(a_tree_is_a_layer_of_a_chain),
        cmocka_unit_test(every_walk_finds_many_hard_links),
        cmocka_unit_test(a_file_takes_little_memory),
        cmocka_unit_test(a_tree_may_have_more_files_than_the_heap_is_to_hold),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
