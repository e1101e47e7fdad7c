/* SPDX-License-Identifier: Apache-2.0 */
/* Single files out of a layer's blob: in one pass, and only of the layer that the image names. */
#include "differ_test.h"

#include "base/owned_dir.h"
#include "builder/layers.h"
#include "builder/listing.h"
#include "image/media.h"
#include "tar_maker.h"

enum { MAX_ENTRIES = 8 };

/* A content store with one blob, a plain tar. */
struct store {
    char *folder;
    struct wcow_backend backend;
    struct wcow_descriptor blob;
    struct wcow_digest diff_id;
    unsigned n_passes; /* that read_layer() made */
};

static const struct made files[MAX_ENTRIES] = {
    {.name = "Files", .type = '5'},        {.name = "Files/one", .size = 3},
    {.name = "Files/two", .size = 700},    {.name = "Files/two:stream", .size = 20},
    {.name = "Files/Three", .size = 5000}, {.name = "Files/link", .type = '1', .link = "Files/one"},
};

static void write_blob(const struct store *s, const struct wcow_buf *tar)
{
    wcow_autobuf path = {0};
    assert_ok(wcow_buf_addf(&path, &err, "%s/blobs", s->folder));
    assert_int_equal(mkdir((char *)path.data, 0700), 0);
    assert_ok(wcow_buf_addf(&path, &err, "/sha256"));
    assert_int_equal(mkdir((char *)path.data, 0700), 0);
    assert_ok(wcow_buf_addf(&path, &err, "/%s", s->diff_id.text + strlen("sha256:")));
    FILE *f = fopen((char *)path.data, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(tar->data, 1, tar->len, f), tar->len);
    assert_int_equal(fclose(f), 0);
}

static void make_store(struct store *s, const struct made *made)
{
    static char unique[] = "test";
    wcow_autobuf tar = {0};
    for (size_t i = 0; i < MAX_ENTRIES && made[i].name; i++)
        make_entry(&tar, &made[i]);
    make_end(&tar);
    *s = (struct store){.folder = new_folder()};
    s->backend = (struct wcow_backend){.content_root = s->folder, .unique = unique};
    assert_ok(wcow_digest_of(tar.data, tar.len, &s->diff_id, &err));
    assert_ok(wcow_descriptor_init(&s->blob, WCOW_MEDIA_OCI_LAYER, s->diff_id.text, tar.len, &err));
    write_blob(s, &tar);
}

static void store_done(struct store *s)
{
    wcow_descriptor_done(&s->blob);
    remove_folder(s->folder);
}

/* How many bytes were taken; -1 where it is not there. */
static int64_t taken_bytes(const struct wcow_taken *taken, const char *name)
{
    const struct wcow_payload *payload = wcow_taken_find(taken, name);
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    if (!payload)
        return -1;
    assert_ok(wcow_payload_send(payload, &sink, &err));
    return (int64_t)bytes.len;
}

static int read_taken(struct store *s, struct wcow_taken *taken, struct wcow_error *err)
{
    return wcow_taken_read(taken, &s->backend, &s->blob, s->diff_id.text, err);
}

static void what_is_wanted_is_taken_and_nothing_else(void **state)
{
    (void)state;
    struct store s;
    struct wcow_taken taken = {0};
    make_store(&s, files);
    assert_ok(wcow_taken_want(&taken, "FILES/THREE", &err));
    assert_ok(wcow_taken_want(&taken, "FILES/THREE", &err));
    assert_ok(wcow_taken_want(&taken, "Files/two:stream", &err));
    assert_ok(wcow_taken_want(&taken, "FILES/NONE", &err));
    assert_ok(read_taken(&s, &taken, &err));
    assert_int_equal(taken_bytes(&taken, "FILES/THREE"), 5000);
    assert_int_equal(taken_bytes(&taken, "Files/two:stream"), 20);
    assert_int_equal(taken_bytes(&taken, "FILES/TWO"), -1);
    assert_int_equal(taken_bytes(&taken, "FILES/NONE"), -1);
    wcow_taken_done(&taken);
    store_done(&s);
}

static void what_is_wanted_later_joins_what_is_there(void **state)
{
    (void)state;
    struct store s;
    struct wcow_taken taken = {0};
    make_store(&s, files);
    assert_ok(wcow_taken_want(&taken, "FILES/ONE", &err));
    assert_ok(read_taken(&s, &taken, &err));
    assert_ok(wcow_taken_want(&taken, "FILES/TWO", &err));
    assert_int_equal(taken_bytes(&taken, "FILES/TWO"), -1);
    assert_ok(read_taken(&s, &taken, &err));
    assert_int_equal(taken_bytes(&taken, "FILES/ONE"), 3);
    assert_int_equal(taken_bytes(&taken, "FILES/TWO"), 700);
    wcow_taken_done(&taken);
    store_done(&s);
}

static void of_another_layer_nothing_is_kept(void **state)
{
    (void)state;
    struct store s;
    struct wcow_error why = {0};
    struct wcow_taken taken = {0};
    make_store(&s, files);
    assert_ok(wcow_digest_of("another", 7, &s.diff_id, &err));
    assert_ok(wcow_taken_want(&taken, "FILES/ONE", &err));
    assert_int_equal(read_taken(&s, &taken, &why), WCOW_E_DATA_LOSS);
    assert_non_null(strstr(why.msg, "but its image says"));
    assert_int_equal(taken_bytes(&taken, "FILES/ONE"), -1);
    wcow_taken_done(&taken);
    store_done(&s);
}

static void a_name_that_stands_twice_is_refused(void **state)
{
    (void)state;
    static const struct made twice[MAX_ENTRIES] = {
        {.name = "Files", .type = '5'},
        {.name = "Files/one", .size = 3},
        {.name = "Files/ONE", .size = 4},
    };
    struct store s;
    struct wcow_error why = {0};
    struct wcow_taken taken = {0};
    make_store(&s, twice);
    assert_ok(wcow_taken_want(&taken, "FILES/ONE", &err));
    assert_int_equal(read_taken(&s, &taken, &why), WCOW_E_CORRUPT);
    assert_non_null(strstr(why.msg, "stands in the layer twice"));
    assert_int_equal(taken_bytes(&taken, "FILES/ONE"), -1);
    wcow_taken_done(&taken);
    store_done(&s);
}

/* As `docker save` and an import without compression have it. */
static void a_type_that_says_no_compression_is_looked_into(void **state)
{
    (void)state;
    struct store s;
    struct wcow_taken taken = {0};
    make_store(&s, files);
    const uint64_t size_bytes = s.blob.size_bytes;
    wcow_descriptor_done(&s.blob);
    assert_ok(
        wcow_descriptor_init(&s.blob, WCOW_MEDIA_DOCKER_LAYER, s.diff_id.text, size_bytes, &err));
    assert_ok(wcow_taken_want(&taken, "FILES/TWO", &err));
    assert_ok(read_taken(&s, &taken, &err));
    assert_int_equal(taken_bytes(&taken, "FILES/TWO"), 700);
    wcow_taken_done(&taken);
    store_done(&s);
}

/* ---- as the layers of a build ask ---- */

static int read_layer(void *ctx, size_t number, unsigned step, struct wcow_taken *taken,
                      struct wcow_error *err)
{
    (void)number;
    (void)step;
    struct store *s = ctx;
    s->n_passes++;
    return wcow_taken_read(taken, &s->backend, &s->blob, s->diff_id.text, err);
}

/* The layer by its listing. */
static struct wcow_layer_source *listed_layer(struct store *s)
{
    struct wcow_layer_source *source = NULL;
    wcow_autobuf root = {0};
    assert_ok(wcow_buf_addf(&root, &err, "%s/layers", s->folder));
    assert_ok(wcow_listing_make(&s->backend, (char *)root.data, &s->blob, s->diff_id.text, &source,
                                &err));
    source->keeper = (struct wcow_layer_keeper){.take = read_layer, .ctx = s};
    return source;
}

static struct wcow_payload payload_of(const struct wcow_layers *layers, const char *path)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    struct wcow_payload payload = {0};
    assert_int_equal(wcow_layers_find(layers, path, &found, NULL), 1);
    assert_ok(wcow_layers_payload(&found, &payload, &err));
    return payload;
}

static int64_t bytes_of(struct wcow_payload *payload)
{
    wcow_autobuf bytes = {0};
    const struct wcow_sink sink = wcow_buf_sink(&bytes);
    assert_ok(wcow_payload_send(payload, &sink, &err));
    return (int64_t)bytes.len;
}

static void all_files_of_a_step_come_in_one_pass(void **state)
{
    (void)state;
    static const char *const names[] = {"files/one", "Files/two", "Files/link", "Files/Three"};
    static const int64_t sizes[] = {3, 700, 3, 5000};
    struct wcow_payload payloads[4] = {0};
    struct wcow_layers layers = {0};
    struct store s;
    make_store(&s, files);
    struct wcow_layer_source *source = listed_layer(&s);
    assert_ok(wcow_layers_push(&layers, source, &err));
    for (size_t i = 0; i < 4; i++)
        payloads[i] = payload_of(&layers, names[i]);
    assert_int_equal(s.n_passes, 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(bytes_of(&payloads[i]), sizes[i]);
    assert_int_equal(s.n_passes, 1);
    for (size_t i = 0; i < 4; i++)
        wcow_payload_done(&payloads[i]);
    wcow_layers_done(&layers);
    wcow_layer_source_free(source);
    store_done(&s);
}

/* Of its listing. */
static void write_index(const char *root, const struct wcow_digest *diff_id, const char *text)
{
    wcow_autobuf path = {0};
    assert_ok(
        wcow_buf_addf(&path, &err, "%s/%s/layer.db", root, diff_id->text + strlen("sha256:")));
    FILE *f = fopen((char *)path.data, "wbe");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void a_listing_that_cannot_be_read_is_made_again(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "not what a database begins with"};
    struct store s;
    wcow_autobuf root = {0};
    make_store(&s, files);
    assert_ok(wcow_buf_addf(&root, &err, "%s/layers", s.folder));
    const char *folder = (const char *)root.data;
    for (size_t i = 0; i < 2; i++) {
        struct wcow_layer_source *source = NULL;
        wcow_layer_source_free(listed_layer(&s));
        assert_true(wcow_listing_is_there(folder, s.diff_id.text));
        write_index(folder, &s.diff_id, texts[i]);
        assert_int_equal(wcow_listing_open(folder, s.diff_id.text, &source, NULL), 0);
        assert_false(wcow_listing_is_there(folder, s.diff_id.text));
    }
    store_done(&s);
}

static void put_unfinished(const char *root, const char *name, time_t time)
{
    wcow_autobuf path = {0};
    const struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
    assert_ok(wcow_buf_addf(&path, &err, "%s/%s", root, name));
    assert_int_equal(mkdir((char *)path.data, 0700), 0);
    assert_int_equal(utimensat(AT_FDCWD, (char *)path.data, times, 0), 0);
}

static bool has(const char *root, const char *name)
{
    wcow_autobuf path = {0};
    assert_ok(wcow_buf_addf(&path, &err, "%s/%s", root, name));
    return access((char *)path.data, F_OK) == 0;
}

static void what_a_killed_build_left_goes_with_the_next_listing(void **state)
{
    (void)state;
    struct store s;
    wcow_autobuf root = {0};
    make_store(&s, files);
    assert_ok(wcow_buf_addf(&root, &err, "%s/layers", s.folder));
    const char *folder = (const char *)root.data;
    assert_int_equal(mkdir(folder, 0700), 0);
    put_unfinished(folder, "00.killed", 1700000000);
    put_unfinished(folder, "01.at-work", time(NULL));
    put_unfinished(folder, "02", 1700000000);
    wcow_layer_source_free(listed_layer(&s));
    assert_false(has(folder, "00.killed"));
    assert_true(has(folder, "01.at-work") && has(folder, "02"));
    store_done(&s);
}

static void put_listing_root(const struct store *s, struct wcow_buf *root)
{
    assert_ok(wcow_buf_addf(root, &err, "%s/layers", s->folder));
}

/* As `wcow prune` beside a build: a later stage opens the layer anew, for a thread of its own. */
static void a_listing_that_a_build_uses_stays(void **state)
{
    (void)state;
    struct store s;
    struct wcow_layer_source *again = NULL;
    struct wcow_layer_source *other = NULL;
    wcow_autobuf root = {0};
    make_store(&s, files);
    put_listing_root(&s, &root);
    const char *folder = (const char *)root.data;
    struct wcow_layer_source *source = listed_layer(&s);
    assert_ok(wcow_listings_remove(folder, &err));
    assert_ok(wcow_layer_source_reopen(source, &again, &err));
    wcow_layer_source_free(source);
    assert_ok(wcow_listings_remove(folder, &err));
    assert_int_equal(wcow_listing_open(folder, s.diff_id.text, &other, NULL), 1);
    wcow_layer_source_free(again);
    assert_ok(wcow_listings_remove(folder, &err));
    assert_true(wcow_listing_is_there(folder, s.diff_id.text));
    wcow_layer_source_free(other);
    assert_ok(wcow_listings_remove(folder, &err));
    assert_false(wcow_listing_is_there(folder, s.diff_id.text));
    assert_int_equal(wcow_listing_open(folder, s.diff_id.text, &other, NULL), 0);
    wcow_layer_source_free(listed_layer(&s));
    assert_true(wcow_listing_is_there(folder, s.diff_id.text));
    store_done(&s);
}

/* As a prune that is killed between the index and the rest might have left it. */
static void a_folder_without_its_index_is_made_again(void **state)
{
    (void)state;
    struct store s;
    struct wcow_layer_source *source = NULL;
    wcow_autobuf root = {0};
    make_store(&s, files);
    put_listing_root(&s, &root);
    assert_int_equal(mkdir((char *)root.data, 0700), 0);
    assert_ok(wcow_buf_addf(&root, &err, "/%s", s.diff_id.text + strlen("sha256:")));
    assert_int_equal(mkdir((char *)root.data, 0700), 0);
    assert_ok(wcow_buf_addf(&root, &err, "/SYSTEM"));
    assert_int_equal(mkdir((char *)root.data, 0700), 0);
    root.len = 0;
    put_listing_root(&s, &root);
    const char *folder = (const char *)root.data;
    assert_int_equal(wcow_listing_open(folder, s.diff_id.text, &source, NULL), 0);
    wcow_layer_source_free(listed_layer(&s));
    assert_int_equal(wcow_listing_open(folder, s.diff_id.text, &source, NULL), 1);
    wcow_layer_source_free(source);
    store_done(&s);
}

static void a_listing_in_the_making_stays(void **state)
{
    (void)state;
    struct store s;
    wcow_autobuf root = {0};
    int made = -1;
    make_store(&s, files);
    put_listing_root(&s, &root);
    const char *folder = (const char *)root.data;
    assert_int_equal(mkdir(folder, 0700), 0);
    wcow_autoclose int root_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(wcow_owned_dir_make_shared(root_fd, "03.at-work", &made, &err));
    assert_ok(wcow_listings_remove(folder, &err));
    assert_true(has(folder, "03.at-work"));
    (void)close(made);
    assert_ok(wcow_listings_remove(folder, &err));
    assert_false(has(folder, "03.at-work"));
    store_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_is_taken_and_nothing_else),
        cmocka_unit_test(what_is_wanted_later_joins_what_is_there),
        cmocka_unit_test(of_another_layer_nothing_is_kept),
        cmocka_unit_test(a_name_that_stands_twice_is_refused),
        cmocka_unit_test(a_type_that_says_no_compression_is_looked_into),
        cmocka_unit_test(all_files_of_a_step_come_in_one_pass),
        cmocka_unit_test(a_listing_that_cannot_be_read_is_made_again),
        cmocka_unit_test(what_a_killed_build_left_goes_with_the_next_listing),
        cmocka_unit_test(a_listing_that_a_build_uses_stays),
        cmocka_unit_test(a_folder_without_its_index_is_made_again),
        cmocka_unit_test(a_listing_in_the_making_stays),
    };
    return cmocka_run_group_tests_name("builder/taken", tests, NULL, NULL);
}
