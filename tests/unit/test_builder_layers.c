/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a chain of layers, as COPY --from takes them. */
#include "differ_test.h"

#include "builder/layers.h"
#include "tar_maker.h"

enum { N_LAYERS = 3, MAX_ENTRIES = 4 };

struct stack {
    char *folders[N_LAYERS];
    struct wcow_layer_source *sources[N_LAYERS]; /* bottom first */
    struct wcow_layers layers;
};

static void apply_layer(struct stack *s, size_t i, const struct made *made)
{
    wcow_autobuf tar = {0};
    for (size_t k = 0; k < MAX_ENTRIES && made[k].name; k++)
        make_entry(&tar, &made[k]);
    make_end(&tar);
    const char *parents[N_LAYERS];
    for (size_t k = 0; k < i; k++)
        parents[k] = s->folders[i - 1 - k];
    struct memory_source memory = {.data = tar.data, .len = tar.len};
    struct wcow_source source = {.next = memory_next, .ctx = &memory};
    s->folders[i] = new_folder();
    struct wcow_apply_options o = {
        .blob = &source, .folder = s->folders[i], .parents = parents, .n_parents = i};
    struct wcow_applied applied = {0};
    assert_ok(wcow_apply(&o, &applied, &err));
    assert_ok(wcow_layer_source_open(s->folders[i], &s->sources[i], &err));
    assert_ok(wcow_layers_push(&s->layers, s->sources[i], &err));
}

static void stack_done(struct stack *s)
{
    wcow_layers_done(&s->layers);
    for (size_t i = 0; i < N_LAYERS; i++) {
        wcow_layer_source_free(s->sources[i]);
        remove_folder(s->folders[i]);
    }
}

/* The size that a name has and that its bytes have; -1 where it is not there. */
static int64_t bytes_of(const struct stack *s, const char *path)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    struct wcow_payload payload = {0};
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    int r = wcow_layers_find(&s->layers, path, &found, NULL);
    if (r <= 0)
        return -1;
    assert_string_equal(found.entry.name, path);
    assert_ok(wcow_layers_payload(&found, &payload, &err));
    assert_ok(wcow_payload_send(&payload, &sink, &err));
    wcow_payload_done(&payload);
    assert_int_equal(bytes.len, found.entry.size_bytes);
    return (int64_t)bytes.len;
}

/* The caller frees. */
static char *identity_of(const struct stack *s, const char *path)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    char *identity = NULL;
    assert_int_equal(wcow_layers_find(&s->layers, path, &found, NULL), 1);
    assert_ok(wcow_layers_identity(&found, &identity, &err));
    return identity;
}

/* What is there by a name and what was there before are two files: no hard links in a copy. */
static void names_of_one_file_are_told_from_a_file_that_took_the_name(void **state)
{
    (void)state;
    static const struct made layers[N_LAYERS][MAX_ENTRIES] = {
        {{.name = "Files", .type = '5'},
         {.name = "Files/first", .size = 3},
         {.name = "Files/second", .type = '1', .link = "Files/first"}},
        {{.name = "Files", .type = '5'},
         {.name = "Files/third", .type = '1', .link = "Files/second"}},
        {{.name = "Files", .type = '5'}, {.name = "Files/first", .size = 700}},
    };
    struct stack s = {0};
    for (size_t i = 0; i < N_LAYERS; i++)
        apply_layer(&s, i, layers[i]);
    wcow_autofree char *first = identity_of(&s, "Files/first");
    wcow_autofree char *second = identity_of(&s, "Files/second");
    wcow_autofree char *third = identity_of(&s, "Files/third");
    assert_string_equal(second, third);
    assert_string_not_equal(first, second);
    stack_done(&s);
}

static void a_hard_link_is_the_file_that_its_layer_saw(void **state)
{
    (void)state;
    static const struct made layers[N_LAYERS][MAX_ENTRIES] = {
        {{.name = "Files", .type = '5'},
         {.name = "Files/first", .size = 3},
         {.name = "Files/second", .type = '1', .link = "Files/first"}},
        {{.name = "Files", .type = '5'},
         {.name = "Files/first", .size = 700},
         {.name = "Files/third", .type = '1', .link = "Files/second"}},
        {{.name = "Files", .type = '5'}, {.name = "Files/.wh.second"}},
    };
    struct stack s = {0};
    for (size_t i = 0; i < N_LAYERS; i++)
        apply_layer(&s, i, layers[i]);
    assert_int_equal(bytes_of(&s, "Files/first"), 700);
    assert_int_equal(bytes_of(&s, "Files/second"), -1);
    assert_int_equal(bytes_of(&s, "Files/third"), 3);
    stack_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_one_file_are_told_from_a_file_that_took_the_name),
        cmocka_unit_test(a_hard_link_is_the_file_that_its_layer_saw),
    };
    return cmocka_run_group_tests_name("builder/layers", tests, NULL, NULL);
}
