/* SPDX-License-Identifier: Apache-2.0 */
/* A path is resolved from its top, one component at a time, in all layers that still count: a
 * whiteout, an opaque marker or anything that is no directory cuts off the layers below it. */
#include "layer/view.h"

#include <search.h>
#include <string.h>

#include "layer/names.h"
#include "layer/rules.h"
#include "layer/sd.h"

#define OPAQUE_KEY ".WH..WH..OPQ"

int wcow_opaque_key(const char *dir_key, char **ret, struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "%s%s" OPAQUE_KEY, dir_key, *dir_key ? "/" : "");
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&key);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

int wcow_entry_key(const struct wcow_entry *entry, char **ret, struct wcow_error *err)
{
    if (entry->type != WCOW_ENTRY_WHITEOUT && entry->type != WCOW_ENTRY_STREAM)
        return wcow_name_key(entry->name, ret, err);
    wcow_autofree char *name = strdup(entry->name);
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    if (entry->type == WCOW_ENTRY_STREAM) {
        name[strcspn(name, ":")] = '\0';
    } else {
        char *slash = strrchr(name, '/');
        char *base = slash ? slash + 1 : name;
        size_t prefix = strlen(WCOW_WHITEOUT_PREFIX);
        if (strncmp(base, WCOW_WHITEOUT_PREFIX, prefix) == 0)
            memmove(base, base + prefix, strlen(base + prefix) + 1);
    }
    return wcow_name_key(name, ret, err);
}

/* Where the resolution of a path stands. */
struct walk {
    const struct wcow_chain *chain;
    size_t n_live; /* layers that may hold the next component: 0 to n_live - 1 */
    /* Of the last component: */
    bool found;
    size_t top;              /* nearest layer that has it */
    size_t bottom;           /* farthest layer that has the same object */
    struct wcow_entry entry; /* from top */
    char *name;              /* its base name as spelled in bottom; owned */
    bool wants_sd;
    struct wcow_buf sd; /* where it is wanted: of the nearest layer that has one for the object */
};

static void walk_done(struct walk *w)
{
    wcow_entry_done(&w->entry);
    free(w->name);
    w->name = NULL;
    wcow_buf_done(&w->sd);
}

static int lookup(const struct walk *w, size_t layer, const char *key, struct wcow_entry *ret,
                  struct wcow_error *err)
{
    const struct wcow_layer_view *view = &w->chain->layers[layer];
    int r = view->ops->lookup(view->layer, key, ret, err);
    if (r > 0 && (ret->type == WCOW_ENTRY_OPAQUE || ret->type == WCOW_ENTRY_STREAM)) {
        wcow_entry_done(ret);
        return 0;
    }
    return r;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Directories of several layers are one; of anything else the nearest hides the others. */
static bool is_same_object(enum wcow_entry_type above, enum wcow_entry_type below)
{
    return (above == WCOW_ENTRY_DIR) == (below == WCOW_ENTRY_DIR);
}

/* Take @p e of @p layer into account. @return whether the layers below still count */
static int see(struct walk *w, size_t layer, struct wcow_entry *e, struct wcow_error *err)
{
    if (e->type == WCOW_ENTRY_WHITEOUT)
        return 0;
    if (w->found && !is_same_object(w->entry.type, e->type))
        return 0;
    char *name = strdup(base_name(e->name));
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    free(w->name);
    w->name = name;
    w->bottom = layer;
    if (w->wants_sd && e->sd && !w->sd.len) {
        int r = wcow_buf_add(&w->sd, e->sd, e->sd_len_bytes, err);
        if (r < 0)
            return r;
    }
    if (!w->found) {
        w->found = true;
        w->top = layer;
        w->entry = *e;
        *e = (struct wcow_entry){0};
    }
    return 1;
}

static int has_opaque_marker(const struct walk *w, size_t layer, const char *dir_key,
                             struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_opaque_key(dir_key, &key, err);
    if (r < 0)
        return r;
    const struct wcow_layer_view *view = &w->chain->layers[layer];
    wcow_autoentry e = {0};
    r = view->ops->lookup(view->layer, key, &e, err);
    return r > 0 && e.type != WCOW_ENTRY_OPAQUE ? 0 : r;
}

/* Resolve one more component. @param key of the whole path so far
 * @param is_last then opaque markers, which concern what is below, do not matter */
static int step(struct walk *w, const char *key, bool is_last, struct wcow_error *err)
{
    walk_done(w);
    w->found = false;
    for (size_t i = 0; i < w->n_live; i++) {
        wcow_autoentry e = {0};
        int r = lookup(w, i, key, &e, err);
        if (r < 0)
            return r;
        bool here = r > 0;
        if (here) {
            r = see(w, i, &e, err);
            if (r < 0)
                return r;
            if (r == 0) {
                w->n_live = i;
                break;
            }
            if (w->entry.type != WCOW_ENTRY_DIR && !is_last) {
                w->n_live = i + 1;
                break;
            }
        }
        if (!is_last) {
            r = has_opaque_marker(w, i, key, err);
            if (r < 0)
                return r;
            if (r > 0) {
                w->n_live = i + 1;
                break;
            }
        }
    }
    return WCOW_OK;
}

/* Called behind each component; return 0 to go on, 1 to stop. */
typedef int (*component_fn)(struct walk *w, const char *component, size_t len, void *arg,
                            struct wcow_error *err);

static int walk_path(struct walk *w, const char *path, bool into, component_fn fn, void *arg,
                     struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(path, &key, err);
    /* The key and the path have the same '/'s, not the same lengths. */
    char *key_at = key;
    while (r == WCOW_OK && *path) {
        size_t len = strcspn(path, "/");
        key_at += strcspn(key_at, "/");
        char saved = *key_at;
        *key_at = '\0';
        r = step(w, key, !saved && !into, err);
        if (r == WCOW_OK && fn)
            r = fn(w, path, len, arg, err);
        *key_at = saved;
        path += len + (path[len] == '/');
        key_at += saved != '\0';
    }
    return r < 0 ? r : WCOW_OK;
}

static struct walk walk_of(const struct wcow_chain *chain)
{
    return (struct walk){.chain = chain, .n_live = chain->n_layers};
}

int wcow_chain_lookup(const struct wcow_chain *chain, const char *path, struct wcow_entry *ret,
                      size_t *ret_layer, struct wcow_error *err)
{
    struct walk w = walk_of(chain);
    int r = walk_path(&w, path, false, NULL, NULL, err);
    if (r == WCOW_OK && w.found) {
        *ret = w.entry;
        w.entry = (struct wcow_entry){0};
        if (ret_layer)
            *ret_layer = w.top;
        r = 1;
    }
    walk_done(&w);
    return r;
}

/* ---- descriptors ---- */

/* The descriptor of a component, from that of the directory it is in. */
static int add_component_sd(struct walk *w, const char *component, size_t len, void *arg,
                            struct wcow_error *err)
{
    struct wcow_buf *sd = arg;
    (void)component;
    (void)len;
    wcow_autobuf made = {0};
    const struct wcow_bytes nobody = {0};
    if (!w->found || w->entry.type != WCOW_ENTRY_DIR) {
        wcow_buf_done(sd);
        return 1;
    }
    int r = WCOW_OK;
    if (w->sd.len)
        r = wcow_buf_add(&made, w->sd.data, w->sd.len, err);
    else if (sd->len)
        r = wcow_sd_inherit((struct wcow_bytes){sd->data, sd->len}, nobody, nobody, true, &made,
                            err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%.200s\"", w->entry.name);
    wcow_buf_done(sd);
    *sd = made;
    made = (struct wcow_buf){0};
    return WCOW_OK;
}

int wcow_chain_dir_sd(const struct wcow_chain *chain, const char *path, struct wcow_buf *out,
                      struct wcow_error *err)
{
    wcow_autobuf sd = {0};
    struct walk w = walk_of(chain);
    w.wants_sd = true;
    int r = walk_path(&w, path, false, add_component_sd, &sd, err);
    walk_done(&w);
    if (r < 0 || !sd.len)
        return r;
    r = wcow_buf_add(out, sd.data, sd.len, err);
    return r < 0 ? r : 1;
}

/* ---- hard links ---- */

/* A layer that was checked has no circle: each hop leads to an entry before it or to a layer below.
 * What is no circle but longer than this would cost too much: the whole way for each of its links.
 */
enum { MAX_HOPS = 4096 };

/* The link's target in its own layer. 0 also for what hides the layers' below, which the link is
 * made before. */
static int find_beside(const struct wcow_layer_view *view, const struct wcow_entry *link,
                       struct wcow_entry *ret, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    wcow_autofree char *own = NULL;
    int r = wcow_name_key(link->link, &key, err);
    if (r == WCOW_OK)
        r = wcow_name_key(link->name, &own, err);
    if (r < 0 || !key || !own || strcmp(key, own) == 0)
        return r;
    wcow_autoentry e = {0};
    r = view->ops->lookup(view->layer, key, &e, err);
    if (r <= 0 || e.type == WCOW_ENTRY_WHITEOUT || e.type == WCOW_ENTRY_OPAQUE)
        return r < 0 ? r : 0;
    *ret = e;
    e = (struct wcow_entry){0};
    return 1;
}

/* One hop, from the link @p at of @p layer. */
static int follow(const struct wcow_chain *chain, struct wcow_entry *at, size_t *layer,
                  struct wcow_error *err)
{
    wcow_autoentry link = *at;
    *at = (struct wcow_entry){0};
    int r = find_beside(&chain->layers[*layer], &link, at, err);
    if (r != 0)
        return r;
    const struct wcow_chain below = {.layers = chain->layers + *layer + 1,
                                     .n_layers = chain->n_layers - *layer - 1};
    size_t found = 0;
    r = wcow_chain_lookup(&below, link.link, at, &found, err);
    *layer += found + 1;
    return r;
}

/* Where the hops are compared with: a place that is moved on at each power of two, so that a circle
 * comes back to it, however long the way into it is. */
struct milestone {
    char *key;
    size_t layer;
    unsigned next_hop; /* that moves it */
};

static void milestone_done(struct milestone *m)
{
    free(m->key);
}

/* @return 1 where the link stands there already: a circle */
static int pass(struct milestone *m, unsigned hop, const struct wcow_entry *link, size_t layer,
                struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(link->name, &key, err);
    if (r < 0)
        return r;
    if (m->key && m->layer == layer && strcmp(m->key, key) == 0)
        return 1;
    if (hop < m->next_hop)
        return 0;
    free(m->key);
    m->key = WCOW_TAKE_PTR(key);
    m->layer = layer;
    m->next_hop = hop ? hop * 2 : 1;
    return 0;
}

int wcow_chain_resolve(const struct wcow_chain *chain, const char *path, struct wcow_entry *ret,
                       size_t *ret_layer, struct wcow_error *err)
{
    wcow_autoentry e = {0};
    WCOW_CLEANUP(milestone_done) struct milestone milestone = {0};
    size_t layer = 0;
    int r = wcow_chain_lookup(chain, path, &e, &layer, err);
    for (unsigned hop = 0; r > 0 && e.type == WCOW_ENTRY_HARDLINK; hop++) {
        r = pass(&milestone, hop, &e, layer, err);
        if (r > 0)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%.200s\": hard links lead in a circle", path);
        if (r == 0 && hop == MAX_HOPS)
            return WCOW_FAIL(err, WCOW_E_LIMIT,
                             "\"%.200s\": a chain of more than %d hard links, one to the other",
                             path, MAX_HOPS);
        if (r == 0)
            r = follow(chain, &e, &layer, err);
    }
    if (r <= 0)
        return r;
    *ret = e;
    e = (struct wcow_entry){0};
    if (ret_layer)
        *ret_layer = layer;
    return 1;
}

/* ---- spelling ---- */

struct casing {
    struct wcow_buf path;
    size_t n_existing;
    bool is_missing; /* some component did not exist */
};

static int add_component(struct walk *w, const char *component, size_t len, void *arg,
                         struct wcow_error *err)
{
    struct casing *c = arg;
    int r = c->path.len ? wcow_buf_add(&c->path, "/", 1, err) : WCOW_OK;
    if (r < 0)
        return r;
    if (w->found && !c->is_missing) {
        c->n_existing++;
        return wcow_buf_add_str(&c->path, w->name, err);
    }
    c->is_missing = true;
    return wcow_buf_add(&c->path, component, len, err);
}

int wcow_chain_casing(const struct wcow_chain *chain, const char *path, char **ret,
                      size_t *ret_existing, struct wcow_error *err)
{
    struct walk w = walk_of(chain);
    struct casing c = {0};
    int r = walk_path(&w, path, false, add_component, &c, err);
    walk_done(&w);
    char *s = r == WCOW_OK ? wcow_buf_take_str(&c.path) : NULL;
    wcow_buf_done(&c.path);
    if (r < 0)
        return r;
    if (!s)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    *ret = s;
    if (ret_existing)
        *ret_existing = c.n_existing;
    return WCOW_OK;
}

/* ---- children ---- */

/* A child's base name in upper case, and what the nearest layer says of it. */
struct child {
    char *key;
    bool is_hidden; /* by a whiteout */
    struct wcow_entry entry;
};

struct merge {
    void *tree; /* of tsearch(), by key */
    wcow_view_child_fn fn;
    void *arg;
    struct wcow_error *err;
    int result;
};

static int compare_children(const void *a, const void *b)
{
    const struct child *x = a;
    const struct child *y = b;
    return strcmp(x->key, y->key);
}

static void free_child(void *node)
{
    struct child *c = node;
    wcow_entry_done(&c->entry);
    free(c->key);
    free(c);
}

/* The first layer to speak of a name has the last word. */
static int add_child(void *arg, const struct wcow_entry *entry, struct wcow_error *err)
{
    struct merge *m = arg;
    if (entry->type == WCOW_ENTRY_OPAQUE || entry->type == WCOW_ENTRY_STREAM)
        return WCOW_OK;
    wcow_autofree char *full_key = NULL;
    int r = wcow_entry_key(entry, &full_key, err);
    if (r < 0)
        return r;
    struct child *c = calloc(1, sizeof(*c));
    if (!c)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
    c->is_hidden = entry->type == WCOW_ENTRY_WHITEOUT;
    c->key = strdup(base_name(full_key));
    if (!c->key) {
        free(c);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
    }
    if (!c->is_hidden)
        r = wcow_entry_copy(entry, &c->entry, err);
    struct child **node = r == WCOW_OK ? tsearch(c, &m->tree, compare_children) : NULL;
    if (!node || *node != c)
        free_child(c);
    if (r == WCOW_OK && !node)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
    return r;
}

static void give_child(const void *node, VISIT visit, void *arg)
{
    struct merge *m = arg;
    if ((visit != postorder && visit != leaf) || m->result < 0)
        return;
    const struct child *c = *(struct child *const *)node;
    if (!c->is_hidden)
        m->result = m->fn(m->arg, &c->entry, m->err);
}

int wcow_chain_children(const struct wcow_chain *chain, const char *path, wcow_view_child_fn fn,
                        void *arg, struct wcow_error *err)
{
    struct walk w = walk_of(chain);
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(path, &key, err);
    if (r == WCOW_OK)
        r = walk_path(&w, path, true, NULL, NULL, err);
    if (r == WCOW_OK && w.found && w.entry.type != WCOW_ENTRY_DIR)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "\"%.200s\" is not a directory", path);
    walk_done(&w);
    struct merge m = {.fn = fn, .arg = arg, .err = err};
    for (size_t i = 0; r == WCOW_OK && i < w.n_live; i++) {
        const struct wcow_layer_view *view = &chain->layers[i];
        r = view->ops->children(view->layer, key, add_child, &m, err);
        if (r > 0)
            r = WCOW_OK;
    }
    if (r == WCOW_OK)
        twalk_r(m.tree, give_child, &m);
    tdestroy(m.tree, free_child);
    if (r < 0)
        return r;
    return m.result < 0 ? m.result : WCOW_OK;
}
