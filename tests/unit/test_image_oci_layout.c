/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/manifest.h"
#include "image/oci_layout.h"

static char dir[] = "/tmp/wcow-layout-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static void remove_path(const char *path)
{
    char full[256];
    (void)snprintf(full, sizeof(full), "%s/%s", dir, path);
    (void)remove(full);
}

static void assert_file(const char *path, const char *want)
{
    char full[256];
    char text[4096] = "";
    (void)snprintf(full, sizeof(full), "%s/%s", dir, path);
    FILE *f = fopen(full, "re");
    if (!f)
        fail_msg("%s is missing", path);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    assert_string_equal(text, want);
}

static struct wcow_oci_writer *writer_into(struct wcow_oci_directory **directory)
{
    struct wcow_oci_writer *writer = NULL;
    assert_ok(wcow_oci_directory_open(dir, directory, &err));
    struct wcow_oci_output output = wcow_oci_directory_output(*directory);
    assert_ok(wcow_oci_writer_new(&output, &writer, &err));
    return writer;
}

static void add_docker_manifest(struct wcow_oci_writer *writer, const struct wcow_digest *config,
                                const struct wcow_digest *layer)
{
    wcow_auto_str_list tags = {0};
    wcow_auto_str_list layers = {0};
    assert_ok(wcow_str_list_add(&tags, "app:v1", &err));
    assert_ok(wcow_str_list_add(&layers, layer->text, &err));
    assert_ok(wcow_oci_writer_add_docker_manifest(writer, &tags, config->text, &layers, &err));
}

static void write_layout(struct wcow_digest *config, struct wcow_digest *manifest)
{
    WCOW_CLEANUP(wcow_oci_directory_free_p) struct wcow_oci_directory *directory = NULL;
    WCOW_CLEANUP(wcow_oci_writer_free_p) struct wcow_oci_writer *writer = writer_into(&directory);
    struct wcow_digest again;
    assert_ok(wcow_oci_writer_add_bytes(writer, "config", 6, config, &err));
    assert_ok(wcow_oci_writer_add_bytes(writer, "manifest", 8, manifest, &err));
    assert_ok(wcow_oci_writer_add_bytes(writer, "manifest", 8, &again, &err));
    assert_true(wcow_oci_writer_has(writer, manifest->text));

    add_docker_manifest(writer, config, manifest);
    wcow_auto_descriptor desc = {0};
    assert_ok(wcow_descriptor_init(&desc, WCOW_MEDIA_OCI_MANIFEST, manifest->text, 8, &err));
    assert_ok(wcow_str_map_set(&desc.annotations, "org.opencontainers.image.ref.name", "v1", &err));
    assert_ok(wcow_oci_writer_finish(writer, &desc, 1, &err));
    assert_fails(wcow_oci_writer_add_bytes(writer, "late", 4, NULL, &err), WCOW_E_PRECONDITION);
}

static void a_layout_stands_in_a_directory(void **state)
{
    (void)state;
    struct wcow_digest config;
    struct wcow_digest manifest;
    write_layout(&config, &manifest);
    char path[128];
    char want[1024];
    assert_file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    (void)snprintf(path, sizeof(path), "blobs/sha256/%s", manifest.text + 7);
    assert_file(path, "manifest");
    (void)snprintf(want, sizeof(want),
                   "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[{\"mediaType\":\"%s\","
                   "\"digest\":\"%s\",\"size\":8,\"annotations\":{"
                   "\"org.opencontainers.image.ref.name\":\"v1\"}}]}",
                   WCOW_MEDIA_OCI_INDEX, WCOW_MEDIA_OCI_MANIFEST, manifest.text);
    assert_file("index.json", want);
    (void)snprintf(want, sizeof(want),
                   "[{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[\"app:v1\"],\"Layers\":["
                   "\"blobs/sha256/%s\"]}]",
                   config.text + 7, manifest.text + 7);
    assert_file("manifest.json", want);

    remove_path(path);
    (void)snprintf(path, sizeof(path), "blobs/sha256/%s", config.text + 7);
    remove_path(path);
}

static void bytes_that_are_not_the_blob_leave_nothing(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_oci_directory_free_p) struct wcow_oci_directory *directory = NULL;
    WCOW_CLEANUP(wcow_oci_writer_free_p) struct wcow_oci_writer *writer = writer_into(&directory);
    struct wcow_digest digest;
    assert_ok(wcow_digest_of("right", 5, &digest, &err));
    static const struct {
        const char *text;
        uint64_t told;
    } cases[] = {{"wrong", 5}, {"righ", 5}, {"right!", 5}, {"right", 4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_bytes_source bytes = {.data = cases[i].text, .len = strlen(cases[i].text)};
        struct wcow_source source = wcow_bytes_source(&bytes);
        assert_fails(wcow_oci_writer_add_blob(writer, digest.text, cases[i].told, &source, &err),
                     WCOW_E_DATA_LOSS);
        assert_false(wcow_oci_writer_has(writer, digest.text));
    }
    wcow_auto_descriptor desc = {0};
    assert_ok(wcow_descriptor_init(&desc, WCOW_MEDIA_OCI_MANIFEST, digest.text, 5, &err));
    assert_fails(wcow_oci_writer_finish(writer, &desc, 1, &err), WCOW_E_PRECONDITION);
    wcow_auto_str_list layers = {0};
    assert_fails(wcow_oci_writer_add_docker_manifest(writer, NULL, digest.text, &layers, &err),
                 WCOW_E_PRECONDITION);
}

static int teardown(void **state)
{
    (void)state;
    static const char *const paths[] = {"oci-layout", "index.json", "manifest.json", "blobs/sha256",
                                        "blobs"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        remove_path(paths[i]);
    return rmdir(dir); /* fails when anything was left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layout_stands_in_a_directory),
        cmocka_unit_test(bytes_that_are_not_the_blob_leave_nothing),
    };
    return cmocka_run_group_tests_name("image/oci_layout", tests, setup, teardown);
}
