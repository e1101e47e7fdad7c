/* SPDX-License-Identifier: Apache-2.0 */
/* Compare of what was done through a real overlayfs mount over two layers: the least set of entries
 * and whiteouts, which unpacked over the same parents gives the merged tree again. Needs root. */
#include "differ_test.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "differ/compare.h"
#include "layer/filetime.h"
#include "layer/sd.h"
#include "tar_maker.h"

#define NO_SD                                                                                      \
    "MSWINDOWS.rawsd=AQAAgBQAAAAkAAAAAAAAAAAAAAABAgAAAAAABSAAAAAgAgAAAQIAAAAAAAUgAAAAIAIAAA=="

static char *layers[3]; /* base, middle, scratch */
static char *merged;
static bool have_overlay;

#define DIR(n)                                                                                     \
    {                                                                                              \
        .name = (n), .type = '5', .pax = { "MSWINDOWS.fileattr=16", NO_SD }                        \
    }
#define HIDDEN(n)                                                                                  \
    {                                                                                              \
        .name = (n), .type = '5', .pax = { "MSWINDOWS.fileattr=18", NO_SD }                        \
    }
#define TEXT(n, s)                                                                                 \
    {                                                                                              \
        .name = (n), .size = (s), .pax = { "MSWINDOWS.fileattr=33", NO_SD }                        \
    }
#define LONG_NAME                                                                                  \
    "\xE4\xB8\x80\xE4\xB8\x80\xE4\xB8\x80\xE4\xB8\x80\xE4\xB8\x80\xE4\xB8\x80\xE4\xB8\x80\xE4\xB8" \
    "\x80\xE4\xB8\x80\xE4\xB8\x80"
#define LONG_LEAF                                                                                  \
    LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME

static const struct made base_layer[] = {
    DIR("Files"),
    HIDDEN("Files/App"),
    TEXT("Files/App/a.txt", 5),
    TEXT("Files/App/b.txt", 700),
    {.name = "Files/App/b.txt:mark", .size = 4},
    {.name = "Files/App/b-link.txt",
     .type = '1',
     .link = "Files/App/b.txt",
     .pax = {"MSWINDOWS.fileattr=33"}},
    DIR("Files/App/sub"),
    TEXT("Files/App/sub/deep.txt", 9),
    {.name = "Files/App/to-sub",
     .type = '2',
     .link = "sub",
     .pax = {"MSWINDOWS.fileattr=1040", NO_SD}},
    DIR("Files/Gone"),
    TEXT("Files/Gone/x.txt", 1),
    DIR("Files/Gone/inner"),
    TEXT("Files/Gone/inner/y.txt", 1),
    DIR("Files/Long"),
    {.name = "x", .size = 3, .pax = {"path=Files/Long/" LONG_LEAF, "MSWINDOWS.fileattr=32", NO_SD}},
    TEXT("Files/plain.txt", 2),
};
static const struct made middle_layer[] = {
    DIR("Files"),
    HIDDEN("Files/App"),
    TEXT("Files/App/middle.txt", 4),
    DIR("Hives"),
};

static char *apply_made(const struct made *made, size_t n, const char *const *parents,
                        size_t n_parents)
{
    wcow_autobuf tar = {0};
    for (size_t i = 0; i < n; i++)
        make_entry(&tar, &made[i]);
    make_end(&tar);
    char *folder = new_folder();
    struct memory_source memory = {.data = tar.data, .len = tar.len};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {
        .blob = &source, .folder = folder, .parents = parents, .n_parents = n_parents};
    struct wcow_applied applied = {0};
    assert_ok(wcow_apply(&o, &applied, &err));
    return folder;
}

static void sub_folder(const char *name, char path[512])
{
    (void)snprintf(path, 512, "%s/%s", layers[2], name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int mount_it(void)
{
    char upper[512];
    char work[512];
    char options[2048];
    sub_folder("Files", upper);
    (void)snprintf(work, sizeof(work), "%s-work", layers[2]);
    if (mkdir(work, 0755) < 0)
        return -1;
    (void)snprintf(options, sizeof(options),
                   "lowerdir=%s/Files:%s/Files,upperdir=%s,workdir=%s,redirect_dir=on,index=off,"
                   "metacopy=off,xino=off",
                   layers[1], layers[0], upper, work);
    return mount("overlay", merged, "overlay", MS_NOSUID | MS_NODEV, options);
}

static int set_up(void **state)
{
    (void)state;
    layers[0] = apply_made(base_layer, sizeof(base_layer) / sizeof(base_layer[0]), NULL, 0);
    const char *parents[] = {layers[0]};
    layers[1] =
        apply_made(middle_layer, sizeof(middle_layer) / sizeof(middle_layer[0]), parents, 1);
    layers[2] = new_folder();
    merged = new_folder();
    have_overlay = mount_it() == 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (have_overlay)
        (void)umount2(merged, MNT_DETACH);
    char work[512];
    (void)snprintf(work, sizeof(work), "%s-work", layers[2]);
    assert_ok(wcow_host_remove(AT_FDCWD, work, &err));
    for (size_t i = 0; i < 3; i++)
        remove_folder(layers[i]);
    remove_folder(merged);
    return 0;
}

/* ---- what is done ---- */

static void shell(const char *script)
{
    char command[4096];
    (void)snprintf(command, sizeof(command), "cd '%s' && { %s\n}", merged, script);
    /* NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a test's own script, on one thread */
    if (system(command) != 0)
        fail_msg("failed: %s", script);
}

static void compare_with(const struct wcow_compare_options *with, struct wcow_buf *out)
{
    const char *parents[] = {layers[1], layers[0]};
    struct wcow_compare_options o = *with;
    o.folder = layers[2];
    o.parents = parents;
    o.n_parents = 2;
    const struct wcow_sink sink = wcow_buf_sink(out);
    struct wcow_digest diff_id;
    uint64_t bytes = 0;
    assert_ok(wcow_compare(&o, &sink, &diff_id, &bytes, &err));
}

/* The names in a tar, Files only, the parents' long name as LONG or WHITEOUT, a newline behind
 * each. */
static void list(const struct wcow_buf *tar, struct wcow_buf *out)
{
    struct memory_source memory = {.data = tar->data, .len = tar->len};
    struct wcow_source source = memory_source(&memory);
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    assert_ok(wcow_tar_reader_new(&source, NULL, &reader, &err));
    struct wcow_entry *e = NULL;
    while (wcow_tar_reader_next(reader, &e, NULL) > 0) {
        const char *leaf = strrchr(e->name, '/');
        if (strncmp(e->name, "Files", 5) != 0)
            continue;
        if (leaf && strcmp(leaf + 1, LONG_LEAF) == 0)
            assert_ok(wcow_buf_addf(out, &err, "%.*s/LONG\n", (int)(leaf - e->name), e->name));
        else if (leaf && strcmp(leaf + 1, ".wh." LONG_LEAF) == 0)
            assert_ok(wcow_buf_addf(out, &err, "%.*s/WHITEOUT\n", (int)(leaf - e->name), e->name));
        else
            assert_ok(wcow_buf_addf(out, &err, "%s\n", e->name));
    }
}

/* Unpack the result as a layer of its own over the same parents; a mount of the three must show
 * what the mount of the scratch layer shows. */
static void check_round_trip(const struct wcow_buf *tar)
{
    const char *parents[] = {layers[1], layers[0]};
    char *folder = new_folder();
    char *again = new_folder();
    struct memory_source memory = {.data = tar->data, .len = tar->len};
    struct wcow_source source = memory_source(&memory);
    struct wcow_apply_options o = {
        .blob = &source, .folder = folder, .parents = parents, .n_parents = 2};
    struct wcow_applied applied = {0};
    assert_ok(wcow_apply(&o, &applied, &err));
    char options[2048];
    (void)snprintf(options, sizeof(options), "lowerdir=%s/Files:%s/Files:%s/Files", folder,
                   layers[1], layers[0]);
    assert_int_equal(mount("overlay", again, "overlay", MS_RDONLY, options), 0);
    char command[1024];
    (void)snprintf(command, sizeof(command), "diff -r --no-dereference '%s' '%s'", merged, again);
    /* NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): likewise */
    int differs = system(command);
    (void)umount2(again, MNT_DETACH);
    remove_folder(folder);
    remove_folder(again);
    assert_int_equal(differs, 0);
}

/* ---- tables ---- */

struct change {
    const char *what;
    const char *script;
    const char *want; /* below Files, which is always there */
};

static void assert_changes(const struct change *cases, size_t n, bool round_trip)
{
    if (!have_overlay)
        cannot_run("overlay mounts are not allowed");
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            (void)tear_down(NULL);
            (void)set_up(NULL);
        }
        shell(cases[i].script);
        wcow_autobuf tar = {0};
        wcow_autobuf names = {0};
        compare_with(&(struct wcow_compare_options){0}, &tar);
        list(&tar, &names);
        assert_ok(wcow_buf_add(&names, "", 1, &err));
        const char *got = (const char *)names.data;
        assert_int_equal(strncmp(got, "Files\n", 6), 0);
        if (strcmp(got + 6, cases[i].want) != 0)
            fail_msg("%s:\n%swanted:\n%s", cases[i].what, got + 6, cases[i].want);
        if (round_trip)
            check_round_trip(&tar);
    }
}

static void the_least_set_of_entries(void **state)
{
    (void)state;
    static const struct change cases[] = {
        {"nothing", ":", ""},
        {"a file that was only opened for writing", ": >>App/a.txt", ""},
        {"a file that was changed and put back", "chmod 600 App/a.txt; chmod 644 App/a.txt", ""},
        {"a file appended to", "echo more >>App/a.txt", "Files/App\nFiles/App/a.txt\n"},
        {"a changed file keeps its streams", "echo new >App/b.txt",
         "Files/App\nFiles/App/b.txt\nFiles/App/b.txt:mark\n"},
        {"a new file deep down", "echo n >App/sub/new.txt",
         "Files/App\nFiles/App/sub\nFiles/App/sub/new.txt\n"},
        {"a directory made and removed again", "mkdir App/sub/t; rmdir App/sub/t", ""},
        {"a deleted file", "rm App/a.txt", "Files/App\nFiles/App/.wh.a.txt\n"},
        {"a deleted tree is one whiteout", "rm -r App", "Files/.wh.App\n"},
        {"a file renamed", "mv plain.txt new.txt", "Files/.wh.plain.txt\nFiles/new.txt\n"},
        {"a directory renamed", "mv Gone Kept",
         "Files/.wh.Gone\nFiles/Kept\nFiles/Kept/inner\nFiles/Kept/inner/y.txt\n"
         "Files/Kept/x.txt\n"},
        {"a directory renamed, then changed", "mv Gone Kept; rm Kept/x.txt; echo 1 >Kept/z.txt",
         "Files/.wh.Gone\nFiles/Kept\nFiles/Kept/z.txt\nFiles/Kept/inner\n"
         "Files/Kept/inner/y.txt\n"},
        {"a directory moved into a new one", "mkdir N; mv Gone/inner N/i",
         "Files/Gone\nFiles/Gone/.wh.inner\nFiles/N\nFiles/N/i\nFiles/N/i/y.txt\n"},
        {"a directory renamed over a deleted one", "rm -r App/sub; mv Gone App/sub",
         "Files/.wh.Gone\nFiles/App\nFiles/App/sub\nFiles/App/sub/.wh.deep.txt\n"
         "Files/App/sub/inner\nFiles/App/sub/inner/y.txt\nFiles/App/sub/x.txt\n"},
        {"a moved directory of two layers", "mv App Moved; rm -r Moved/sub Moved/b-link.txt",
         "Files/.wh.App\nFiles/Moved\nFiles/Moved/a.txt\nFiles/Moved/b.txt\n"
         "Files/Moved/b.txt:mark\nFiles/Moved/middle.txt\nFiles/Moved/to-sub\n"},
        {"an opaque directory", "rm -r Gone; mkdir Gone; echo 1 >Gone/new.txt",
         "Files/Gone\nFiles/Gone/.wh.inner\nFiles/Gone/.wh.x.txt\nFiles/Gone/new.txt\n"},
        {"an opaque directory with a part as before",
         "rm -r Gone; mkdir -p Gone/inner; echo 1 >Gone/inner/z",
         "Files/Gone\nFiles/Gone/.wh.x.txt\nFiles/Gone/inner\nFiles/Gone/inner/.wh.y.txt\n"
         "Files/Gone/inner/z\n"},
        {"a file by a directory", "rm plain.txt; mkdir plain.txt; echo 1 >plain.txt/a",
         "Files/plain.txt\nFiles/plain.txt/a\n"},
        {"a directory by a file", "rm -r Gone; echo 1 >Gone", "Files/Gone\n"},
        {"another name of a file of the parents", "ln App/a.txt App/c.txt",
         "Files/App\nFiles/App/c.txt\n"},
        {"a file of which the parents have two names", "echo 1 >App/b-link.txt",
         "Files/App\nFiles/App/b-link.txt\n"},
        {"a file with a long name", "for f in Long/*; do echo 1 >>$f; done",
         "Files/Long\nFiles/Long/LONG\n"},
        {"a long name deleted", "rm Long/*", "Files/Long\nFiles/Long/WHITEOUT\n"},
        {"a hidden directory", "setfattr -n user.DOSATTRIB -v '\"0x12\"' Gone", "Files/Gone\n"},
        {"a time of writing", "touch -d 2001-01-01 plain.txt", "Files/plain.txt\n"},
        {"a long name moved", "mv Long Short", "Files/.wh.Long\nFiles/Short\nFiles/Short/LONG\n"},
    };
    assert_changes(cases, sizeof(cases) / sizeof(cases[0]), true);
}

/* To Windows it is the same name; on Linux it stays as the parents spell it. */
static void a_rename_of_letter_case_alone_is_kept(void **state)
{
    (void)state;
    static const struct change cases[] = {
        {"a file renamed to other letters of the same name", "mv plain.txt PLAIN.txt",
         "Files/PLAIN.txt\n"},
        {"a file with a stream renamed so", "mv App/b.txt App/B.txt",
         "Files/App\nFiles/App/B.txt\nFiles/App/B.txt:mark\n"},
        {"a link renamed so", "mv App/to-sub App/To-Sub", "Files/App\nFiles/App/To-Sub\n"},
        {"a directory renamed so", "mv Gone GONE", ""},
    };
    assert_changes(cases, sizeof(cases) / sizeof(cases[0]), false);
}

static void metadata_is_what_windows_would_have(void **state)
{
    (void)state;
    if (!have_overlay)
        cannot_run("overlay mounts are not allowed");
    shell("echo new >App/a.txt; chmod 444 plain.txt; mv Gone Kept; ln -s sub App/dir-link; "
          "ln -s a.txt App/file-link; ln -s /App/sub abs; echo n >App/n.txt; "
          "setfattr -n user.DOSATTRIB -v '\"0x22\"' App/n.txt");
    wcow_autobuf tar = {0};
    compare_with(&(struct wcow_compare_options){0}, &tar);
    static const struct {
        const char *name;
        uint32_t attributes;
        const char *link;
    } cases[] = {{"Files/App", 18, NULL},
                 {"Files/App/a.txt", 33, NULL},
                 {"Files/plain.txt", 33, NULL},
                 {"Files/Kept", 16, NULL},
                 {"Files/Kept/x.txt", 33, NULL},
                 {"Files/App/n.txt", 34, NULL},
                 {"Files/App/dir-link", 1040, "sub"},
                 {"Files/App/file-link", 1024, "a.txt"},
                 {"Files/abs", 1040, "C:\\App\\sub"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        if (cases[i].attributes == 33 && strcmp(cases[i].name, "Files/plain.txt") == 0)
            continue; /* read-only already: nothing changed */
        if (!find_in_tar(&tar, cases[i].name, &e))
            fail_msg("%s is missing", cases[i].name);
        if (e.attributes != cases[i].attributes)
            fail_msg("%s: %u", cases[i].name, e.attributes);
        if (cases[i].link)
            assert_string_equal(e.link, cases[i].link);
        assert_true(e.sd_len_bytes > 0);
    }
}

/* As on Windows, where a rename touches nothing but the name. */
static void a_renamed_file_keeps_what_it_had(void **state)
{
    (void)state;
    if (!have_overlay)
        cannot_run("overlay mounts are not allowed");
    shell("mv plain.txt renamed.txt; mv App/a.txt N.txt; echo more >>N.txt; "
          "mv App/sub/deep.txt App/middle.txt; mkdir D; mv Gone/x.txt D/x.txt; rm -r Gone; "
          "cp -p Long/* copy.txt; mv App/b.txt App/c.txt");
    wcow_autobuf tar = {0};
    compare_with(&(struct wcow_compare_options){0}, &tar);
    static const struct {
        const char *name;
        bool is_kept; /* attributes, creation time */
        bool is_same; /* nobody wrote to it */
        uint64_t size;
    } cases[] = {
        {"Files/renamed.txt", true, true, 2},    {"Files/N.txt", true, false, 10},
        {"Files/App/middle.txt", true, true, 9}, {"Files/D/x.txt", true, true, 1},
        {"Files/copy.txt", false, false, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {0};
        if (!find_in_tar(&tar, cases[i].name, &e))
            fail_msg("%s is missing", cases[i].name);
        if ((e.attributes == 33) != cases[i].is_kept || e.size_bytes != cases[i].size ||
            (e.creation == WCOW_FILETIME_UNIX_EPOCH) != cases[i].is_kept ||
            (e.mtime == WCOW_FILETIME_UNIX_EPOCH) != cases[i].is_same)
            fail_msg("%s: attributes %u, %llu bytes, made %llu, written %llu", e.name, e.attributes,
                     (unsigned long long)e.size_bytes, (unsigned long long)e.creation,
                     (unsigned long long)e.mtime);
    }
    check_round_trip(&tar);
}

static void new_files_belong_to_the_user(void **state)
{
    (void)state;
    if (!have_overlay)
        cannot_run("overlay mounts are not allowed");
    shell("echo n >App/n.txt; echo c >App/a.txt");
    wcow_autobuf owner = {0};
    assert_ok(wcow_sid_parse("S-1-5-93-2-1", &owner, &err));
    struct wcow_bytes sid = {.data = owner.data, .len = owner.len};
    wcow_autobuf tar = {0};
    compare_with(&(struct wcow_compare_options){.owner = sid, .group = sid}, &tar);
    wcow_autoentry made = {0};
    wcow_autoentry changed = {0};
    wcow_autobuf sddl = {0};
    assert_true(find_in_tar(&tar, "Files/App/n.txt", &made));
    assert_true(find_in_tar(&tar, "Files/App/a.txt", &changed));
    assert_ok(wcow_sd_to_sddl(made.sd, made.sd_len_bytes, &sddl, &err));
    assert_true(sddl.len > 26 &&
                strncmp((const char *)sddl.data, "O:S-1-5-93-2-1G:S-1-5-93-2-1", 28) == 0);
    sddl.len = 0;
    assert_ok(wcow_sd_to_sddl(changed.sd, changed.sd_len_bytes, &sddl, &err));
    assert_int_equal(strncmp((const char *)sddl.data, "O:BA", 4), 0);
}

static void hives_are_this_layer_s_own(void **state)
{
    (void)state;
    char path[512];
    sub_folder("Hives", path);
    (void)snprintf(path, sizeof(path), "%s/Hives/Software_Delta", layers[2]);
    FILE *f = fopen(path, "wbe");
    assert_non_null(f);
    assert_true(fputs("regf", f) >= 0);
    assert_int_equal(fclose(f), 0);
    wcow_autobuf tar = {0};
    compare_with(&(struct wcow_compare_options){0}, &tar);
    static const char *const hives[] = {"DefaultUser", "Sam", "Security", "Software", "System"};
    for (size_t i = 0; i < 5; i++) {
        char name[64];
        wcow_autoentry e = {0};
        (void)snprintf(name, sizeof(name), "Hives/%s_Delta", hives[i]);
        assert_true(find_in_tar(&tar, name, &e));
        assert_true(i == 3 ? e.size_bytes == 4 : e.size_bytes >= 4096);
        assert_int_equal(e.sd_len_bytes, 0);
    }
}

int main(void)
{
    /* Mounts of this test are nobody else's. */
    if (unshare(CLONE_NEWNS) == 0)
        (void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
#define overlay_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        overlay_test(the_least_set_of_entries),
        overlay_test(a_rename_of_letter_case_alone_is_kept),
        overlay_test(metadata_is_what_windows_would_have),
        overlay_test(a_renamed_file_keeps_what_it_had),
        overlay_test(new_files_belong_to_the_user),
        overlay_test(hives_are_this_layer_s_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
