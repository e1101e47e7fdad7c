/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a build as a cache config: parents, links, min and max, and those of an image. */
#include <stdio.h>
#include <string.h>

#include "builder/cache_steps.h"
#include "wcow_test.h"

static struct wcow_digest digest_of(const char *text)
{
    struct wcow_digest d;
    assert_int_equal(wcow_digest_of(text, strlen(text), &d, NULL), WCOW_OK);
    return d;
}

static void add(struct wcow_cache_steps *steps, const char *name, ssize_t below, bool in_result,
                bool is_empty)
{
    char content[32];
    (void)snprintf(content, sizeof(content), "content %s", name);
    struct wcow_cache_step step = {.input = {digest_of(name), digest_of("shape")},
                                   .layer = {.digest = digest_of(""), .diff_id = digest_of("")},
                                   .media_type = WCOW_MEDIA_OCI_LAYER_GZIP,
                                   .below = below,
                                   .in_result = in_result};
    if (!is_empty) {
        char blob[32];
        (void)snprintf(blob, sizeof(blob), "blob %s", name);
        step.content = (struct wcow_step_key){digest_of(content), digest_of("content shape")};
        step.layer.digest = digest_of(blob);
        step.layer.size_bytes = 9;
        step.layer.tar_bytes = 1024;
    }
    assert_int_equal(wcow_cache_steps_add(steps, &step, NULL), WCOW_OK);
}

/* A build stage of two steps; an image of three, the second of which changes nothing. */
static void fill(struct wcow_cache_steps *steps)
{
    add(steps, "b0", -1, false, false);
    add(steps, "b1", 0, false, false);
    add(steps, "i0", -1, true, false);
    add(steps, "i1", 2, true, true);
    add(steps, "i2", 3, true, false);
    const struct wcow_cache_text text = {.key = digest_of("path"), .text = "C:\\Windows"};
    assert_int_equal(wcow_cache_steps_add_text(steps, &text, NULL), WCOW_OK);
    assert_int_equal(wcow_cache_steps_add_text(steps, &text, NULL), WCOW_OK);
}

static const struct wcow_cache_record *find_record(const struct wcow_cache_config *c,
                                                   const char *name)
{
    struct wcow_digest key = digest_of(name);
    for (size_t i = 0; i < c->n_records; i++) {
        if (strcmp(c->records[i].digest.text, key.text) == 0)
            return &c->records[i];
    }
    return NULL;
}

/* One that is to be there. */
static const struct wcow_cache_record *record_of(const struct wcow_cache_config *c,
                                                 const char *name)
{
    static const struct wcow_cache_record none;
    const struct wcow_cache_record *found = find_record(c, name);
    assert_non_null(found);
    return found ? found : &none;
}

static void max_has_all_stages(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_steps_done) struct wcow_cache_steps steps = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    fill(&steps);
    assert_int_equal(wcow_cache_steps_config(&steps, true, &c, NULL), WCOW_OK);
    assert_int_equal(c.n_layers, 4);
    assert_int_equal(c.layers[0].parent, WCOW_CACHE_NONE);
    assert_int_equal(c.layers[1].parent, 0);
    assert_int_equal(c.layers[2].parent, WCOW_CACHE_NONE);
    assert_int_equal(c.layers[3].parent, 2); /* past the step that made none */
    assert_int_equal(c.n_records, 5 + 4 + 1);
    assert_int_equal(record_of(&c, "b1")->layer, 1);
    assert_int_equal(record_of(&c, "content b1")->layer, 1);
    assert_int_equal(record_of(&c, "content b1")->n_links, 0);
    assert_true(record_of(&c, "i1")->is_empty);
    assert_int_equal(record_of(&c, "i1")->layer, WCOW_CACHE_NONE);
    const struct wcow_cache_record *top = record_of(&c, "i2");
    assert_int_equal(top->n_links, 1);
    assert_ptr_equal(&c.records[top->links[0]], record_of(&c, "i1"));
    assert_string_equal(record_of(&c, "path")->text, "C:\\Windows");
}

static void min_has_the_result(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_steps_done) struct wcow_cache_steps steps = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    fill(&steps);
    assert_int_equal(wcow_cache_steps_config(&steps, false, &c, NULL), WCOW_OK);
    assert_int_equal(c.n_layers, 2);
    assert_null(find_record(&c, "b0"));
    assert_int_equal(record_of(&c, "i2")->layer, 1);
}

static void inline_counts_as_the_image_does(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_steps_done) struct wcow_cache_steps steps = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    const struct wcow_descriptor layers[] = {{.digest = digest_of("base")},
                                             {.digest = digest_of("blob i0")},
                                             {.digest = digest_of("blob i2")}};
    fill(&steps);
    assert_int_equal(wcow_cache_steps_inline(&steps, layers, 3, &c, NULL), WCOW_OK);
    assert_int_equal(c.n_layers, 0);
    assert_int_equal(record_of(&c, "i0")->layer, 1);
    assert_int_equal(record_of(&c, "i2")->layer, 2);
    assert_true(record_of(&c, "i1")->is_empty);
    assert_null(find_record(&c, "b0"));
}

static void one_step_of_two_platforms_is_there_once(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_cache_steps_done) struct wcow_cache_steps steps = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config c = {0};
    add(&steps, "same", -1, true, false);
    add(&steps, "same", -1, true, false);
    assert_int_equal(wcow_cache_steps_config(&steps, false, &c, NULL), WCOW_OK);
    assert_int_equal(c.n_layers, 1);
    assert_int_equal(c.n_records, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_has_all_stages),
        cmocka_unit_test(min_has_the_result),
        cmocka_unit_test(inline_counts_as_the_image_does),
        cmocka_unit_test(one_step_of_two_platforms_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
