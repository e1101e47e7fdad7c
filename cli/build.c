/* SPDX-License-Identifier: Apache-2.0 */
/* wcow build: the options of `docker buildx build`, as far as they mean something here. */
#include "builder/build.h"
#include "builder/progress_colours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/attest.h"
#include "builder/run.h"
#include "cli/build_cache.h"
#include "cli/conf.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "image/http.h"

/* What the command line says, before it is made into a wcow_build_options. */
struct arguments {
    struct wcow_option_list build_args;
    struct wcow_option_list labels;
    struct wcow_option_list tags;
    struct wcow_option_list outputs;
    struct wcow_option_list annotations;
    struct wcow_option_list no_cache_filter;
    struct wcow_option_list secrets;
    struct wcow_option_list cache_from;
    struct wcow_option_list cache_to;
    struct wcow_option_list build_contexts;
    struct wcow_option_list attests;
    struct wcow_option_list platforms;
    struct wcow_option_list resources;
    struct wcow_option_list hosts;
    struct wcow_buf host_lines;
    char *platform; /* those between commas */
    const char *provenance;
    const char *sbom;
    const char *progress;
    const char *call;
    bool quiet;
    bool check;
    bool debug;
    bool ignored; /* asks for what is so anyway */
    const char *run_timeout;
    const char *memory;
    const char *isolation;
    const char *network;
    const char *max_parallelism;
    struct wcow_conf conf;
    struct wcow_build_options build;
};

static const char *environment(const char *name, const char *otherwise)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static int to_list(const struct wcow_option_list *from, struct wcow_str_list *to,
                   struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < from->n; i++)
        r = wcow_str_list_add(to, from->items[i], err);
    return r;
}

/* --platform may be given many times, and name several between commas. */
static int join_platforms(struct arguments *a, struct wcow_error *err)
{
    wcow_autobuf all = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < a->platforms.n; i++)
        r = wcow_buf_addf(&all, err, "%s%s", i ? "," : "", a->platforms.items[i]);
    if (r < 0 || a->platforms.n == 0)
        return r;
    a->platform = wcow_buf_take_str(&all);
    a->build.platform = a->platform;
    return a->platform ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --platform");
}

/* --provenance and --sbom are other words for --attest. */
static int fill_attests(struct arguments *a, struct wcow_error *err)
{
    int r = to_list(&a->attests, &a->build.attests, err);
    if (r == WCOW_OK && a->provenance)
        r = wcow_attest_add(&a->build.attests, "provenance", a->provenance, err);
    if (r == WCOW_OK && a->sbom)
        r = wcow_attest_add(&a->build.attests, "sbom", a->sbom, err);
    return r;
}

static int fill_parallelism(struct arguments *a, struct wcow_error *err)
{
    const char *text = a->max_parallelism ? a->max_parallelism : a->conf.max_parallelism;
    char *end = NULL;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (text && (!*text || *end || n > 1000))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "max-parallelism is a number of steps, at most 1000 (0: as many as there "
                         "are processors), not \"%s\"",
                         text);
    a->build.max_parallelism = (unsigned)n;
    return WCOW_OK;
}

static int fill_lists(struct arguments *a, struct wcow_error *err)
{
    struct wcow_build_options *b = &a->build;
    const struct {
        const struct wcow_option_list *from;
        struct wcow_str_list *to;
    } lists[] = {{&a->build_args, &b->build_args},
                 {&a->labels, &b->labels},
                 {&a->tags, &b->tags},
                 {&a->outputs, &b->outputs},
                 {&a->annotations, &b->annotations},
                 {&a->no_cache_filter, &b->no_cache_filter},
                 {&a->build_contexts, &b->build_contexts},
                 {&a->secrets, &b->secrets},
                 {&a->cache_from, &b->cache_from},
                 {&a->cache_to, &b->cache_to}};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sizeof(lists) / sizeof(lists[0]); i++)
        r = to_list(lists[i].from, lists[i].to, err);
    if (r == WCOW_OK)
        r = join_platforms(a, err);
    return r < 0 ? r : fill_attests(a, err);
}

/* The limits of one RUN: options, then wcow.conf. */
#define LIMITS "a RUN is limited by --memory, --run-timeout and wcow.conf (run-processes, run-disk)"

/* --resource KEY=VALUE: buildx's newer words for --memory and what is limited otherwise here. */
static int take_resource(struct arguments *a, const char *text, struct wcow_error *err)
{
    static const char *const others[] = {"memory-swap", "cpu-shares",  "cpu-period",
                                         "cpu-quota",   "cpuset-cpus", "cpuset-mems"};
    static const char memory[] = "memory=";
    if (strncmp(text, memory, strlen(memory)) == 0) {
        a->memory = text + strlen(memory);
        return WCOW_OK;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t len = strlen(others[i]);
        if (strncmp(text, others[i], len) == 0 && text[len] == '=')
            return WCOW_FAIL(err, WCOW_E_INVALID, "--resource %s is not supported: " LIMITS,
                             others[i]);
    }
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--resource %s: there is memory=SIZE, which is --memory by another name",
                     text);
}

static int fill_limits(struct arguments *a, struct wcow_error *err)
{
    const char *timeout = a->run_timeout ? a->run_timeout : a->conf.run_timeout;
    char *end = NULL;
    unsigned long seconds = timeout ? strtoul(timeout, &end, 10) : 0;
    if (timeout && (!*timeout || *end || seconds > 7UL * 24 * 3600))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--run-timeout=%s: a number of seconds, at most a week; 0: none", timeout);
    a->build.run_timeout_s = (unsigned)seconds;
    a->build.run_limits = a->conf.run_limits;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < a->resources.n; i++)
        r = take_resource(a, a->resources.items[i], err);
    if (r < 0)
        return r;
    r = a->memory ? wcow_conf_size(a->memory, &a->build.run_limits.memory_bytes, err) : WCOW_OK;
    return r < 0 ? wcow_error_wrap(r, err, "--memory") : r;
}

static int fill_hosts(struct arguments *a, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < a->hosts.n; i++)
        r = wcow_run_host_add(a->hosts.items[i], &a->host_lines, err);
    a->build.run_hosts = (const char *)a->host_lines.data;
    return r;
}

/* Which executor, and where it is installed: options, then wcow.conf. */
static int fill_executor(struct arguments *a, struct wcow_error *err)
{
    struct wcow_place place = {0};
    wcow_place_fill(&place);
    int r = wcow_conf_load(&a->conf, err);
    if (r < 0)
        return r;
    a->build.executor_configured = a->conf.executor;
    a->build.executor_root = place.root;
    if (a->build.executor && (r = wcow_executor_check_name(a->build.executor, err)) < 0)
        return r;
    r = fill_limits(a, err);
    if (r == WCOW_OK)
        r = fill_hosts(a, err);
    if (r == WCOW_OK)
        r = wcow_run_isolation_parse(a->isolation, &a->build.isolation, err);
    return r < 0 ? r : wcow_run_network_parse(a->network, &a->build.network, err);
}

static void done(struct arguments *a)
{
    struct wcow_option_list *const lists[] = {
        &a->build_args,      &a->labels,         &a->tags,       &a->outputs,   &a->annotations,
        &a->no_cache_filter, &a->secrets,        &a->cache_from, &a->resources, &a->hosts,
        &a->cache_to,        &a->build_contexts, &a->attests,    &a->platforms};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        wcow_option_list_done(lists[i]);
    wcow_str_list_done(&a->build.build_args);
    wcow_str_list_done(&a->build.labels);
    wcow_str_list_done(&a->build.tags);
    wcow_str_list_done(&a->build.outputs);
    wcow_str_list_done(&a->build.annotations);
    wcow_str_list_done(&a->build.no_cache_filter);
    wcow_str_list_done(&a->build.build_contexts);
    wcow_str_list_done(&a->build.secrets);
    wcow_str_list_done(&a->build.attests);
    free(a->platform);
    wcow_buf_done(&a->host_lines);
    wcow_str_list_done(&a->build.cache_from);
    wcow_str_list_done(&a->build.cache_to);
    wcow_conf_done(&a->conf);
}

/* ---- what it does ---- */

static int report(const struct arguments *a, int code, const struct wcow_buf *excerpt,
                  const struct wcow_error *err)
{
    if (code == WCOW_E_CANCELLED || atomic_load(wcow_interrupt_flag())) {
        (void)fprintf(stderr, "ERROR: canceled\n");
        return wcow_interrupt_exit_code();
    }
    if (excerpt->len > 0)
        (void)fprintf(stderr, "%s", (const char *)excerpt->data);
    struct wcow_error shown = *err;
    (void)wcow_http_mask_logins(shown.msg, strlen(shown.msg));
    (void)fprintf(stderr, "ERROR: %s\n", shown.msg);
    if (a->debug && err->file)
        (void)fprintf(stderr, "       (%s:%d)\n", err->file, err->line);
    return WCOW_EXIT_FAILURE;
}

static int call(const struct arguments *a, const char *name)
{
    struct wcow_error err = {0};
    wcow_autobuf out = {0};
    wcow_autobuf excerpt = {0};
    struct wcow_build_options options = a->build;
    options.asks_bases = true;
    int r = wcow_build_call(&options, name, &out, &excerpt, &err);
    if (out.len > 0)
        (void)fwrite(out.data, 1, out.len, stdout);
    if (r == WCOW_E_PRECONDITION && out.len > 0)
        return WCOW_EXIT_FAILURE; /* what the checks found is told */
    return r < 0 ? report(a, r, &excerpt, &err) : WCOW_EXIT_OK;
}

static void warn_of_colours(void)
{
    const struct wcow_progress_colours colours =
        wcow_progress_colours_of(environment("BUILDKIT_COLORS", NULL));
    if (colours.odd[0])
        (void)fprintf(stderr,
                      "WARNING: BUILDKIT_COLORS: \"%s\" is not run, cancel, error or warning with "
                      "the name of a colour or R,G,B; it is passed over\n",
                      colours.odd);
}

static int build(struct arguments *a)
{
    struct wcow_error err = {0};
    struct wcow_build_result result = {0};
    enum wcow_progress_mode mode = WCOW_PROGRESS_QUIET;
    wcow_autofree char *cache = NULL;
    wcow_autobuf excerpt = {0};
    WCOW_CLEANUP(wcow_progress_free_p) struct wcow_progress *progress = NULL;
    warn_of_colours();
    int r = a->quiet ? WCOW_OK : wcow_progress_parse(a->progress, STDERR_FILENO, &mode, &err);
    if (r == WCOW_OK)
        r = wcow_build_cache_path(&cache, &err);
    if (r == WCOW_OK)
        r = wcow_progress_new(mode, STDERR_FILENO, &progress, &err);
    if (r == WCOW_OK) {
        a->build.progress = progress;
        a->build.cache_file = cache;
        r = wcow_build_run(&a->build, &result, &excerpt, &err);
    }
    /* The display's last state stands before what is said of it. */
    wcow_progress_free(WCOW_TAKE_PTR(progress));
    if (result.warnings.len > 0 && (mode == WCOW_PROGRESS_PLAIN || mode == WCOW_PROGRESS_TTY))
        (void)fprintf(stderr, "%s", (const char *)result.warnings.data);
    wcow_buf_done(&result.warnings);
    if (r < 0)
        return report(a, r, &excerpt, &err);
    /* Where an output goes to standard output nothing else does. */
    if (mode == WCOW_PROGRESS_QUIET)
        (void)fprintf(result.uses_stdout ? stderr : stdout, "%s\n", result.image.text);
    return WCOW_EXIT_OK;
}

static int run(struct arguments *a)
{
    struct wcow_error err = {0};
    int r = fill_executor(a, &err);
    if (r == WCOW_OK)
        r = fill_parallelism(a, &err);
    if (r == WCOW_OK)
        r = fill_lists(a, &err);
    if (r < 0) {
        (void)fprintf(stderr, "wcow build: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    const char *name = a->check ? "check" : a->call;
    if (name && strcmp(name, "build") != 0)
        return call(a, name);
    wcow_interrupt_catch();
    a->build.cancel = wcow_interrupt_flag();
    return build(a);
}

static const char epilogue[] =
    "PATH is the build context, a folder. The Dockerfile is PATH/Dockerfile unless -f names "
    "another.\n"
    "In its place stand an archive behind http(s)://, a git repository (URL.git#REF:FOLDER), or -\n"
    "for an archive or a Dockerfile on standard input.\n"
    "\n"
    "Environment: CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE, SOURCE_DATE_EPOCH, DOCKER_CONFIG,\n"
    "BUILDKIT_PROGRESS, BUILDKIT_COLORS, NO_COLOR, TMPDIR, XDG_CACHE_HOME (see wcow-build(1)).\n"
    "\n"
    "Examples:\n"
    "  wcow build -t registry.example/app:1 --push .\n"
    "  wcow build --output type=oci,dest=app.tar .\n"
    "  wcow build --check .";

/* What the options are read into: there is one command line. */
static struct arguments given;

#define NO_WINDOWS "Windows knows no such thing"
#define REFUSED(letter, name, why)                                                                 \
    {                                                                                              \
        letter, name, why, NULL, WCOW_OPTION_REFUSED, NULL                                         \
    }

static const struct wcow_option options[] = {
    {0, "add-host", "NAME=ADDRESS", "Add a line to the hosts file of RUN", WCOW_OPTION_LIST,
     &given.hosts},
    {'a', "address", "SOCKET", "containerd's socket", WCOW_OPTION_STRING, &given.build.address},
    {0, "allow-nondistributable-artifacts", NULL, "Push foreign layers, too", WCOW_OPTION_FLAG,
     &given.build.push_foreign},
    {0, "annotation", "[LEVEL:]KEY=VALUE", "Add an annotation to the image", WCOW_OPTION_LIST,
     &given.annotations},
    {0, "attest", "type=TYPE[,KEY=VALUE]", "Attestation: type=provenance,mode=min|max",
     WCOW_OPTION_LIST, &given.attests},
    {0, "build-arg", "NAME[=VALUE]", "Set an ARG", WCOW_OPTION_LIST, &given.build_args},
    {0, "build-context", "NAME=VALUE", "Folder, URL or docker-image://IMAGE for FROM and --from",
     WCOW_OPTION_LIST, &given.build_contexts},
    {0, "cache-from", "TYPE[,KEY=VALUE]", "Use the cache in a registry or folder", WCOW_OPTION_LIST,
     &given.cache_from},
    {0, "cache-to", "TYPE[,KEY=VALUE]", "Leave a cache in a registry, folder or the image",
     WCOW_OPTION_LIST, &given.cache_to},
    {0, "call", "METHOD", "build, check, outline, targets or ast", WCOW_OPTION_STRING, &given.call},
    {0, "check", NULL, "Check the Dockerfile only", WCOW_OPTION_FLAG, &given.check},
    {'D', "debug", NULL, "Say where in wcow an error comes from", WCOW_OPTION_FLAG, &given.debug},
    {0, "executor", "NAME", "What executes RUN: auto, none, wine, runhcs", WCOW_OPTION_STRING,
     &given.build.executor},
    {'f', "file", "PATH", "The Dockerfile; - for standard input", WCOW_OPTION_STRING,
     &given.build.dockerfile},
    {0, "hosts-dir", "DIR", "containerd's certs.d, for registries", WCOW_OPTION_STRING,
     &given.build.hosts_dir},
    {0, "iidfile", "FILE", "Write the image's digest there", WCOW_OPTION_STRING,
     &given.build.iidfile},
    {0, "isolation", "TECHNOLOGY", "Of Windows containers: default, process or hyperv",
     WCOW_OPTION_STRING, &given.isolation},
    {0, "label", "KEY=VALUE", "Add a label to the image", WCOW_OPTION_LIST, &given.labels},
    {0, "max-parallelism", "N", "Steps at work at once (default: as there are processors)",
     WCOW_OPTION_STRING, &given.max_parallelism},
    {'m', "memory", "SIZE", "Memory of one RUN (default: run-memory of wcow.conf)",
     WCOW_OPTION_STRING, &given.memory},
    {0, "metadata-file", "FILE", "Write what was built there, as JSON", WCOW_OPTION_STRING,
     &given.build.metadata_file},
    {'n', "namespace", "NAME", "containerd's namespace", WCOW_OPTION_STRING, &given.build.ns},
    {0, "network", "MODE", "Network of a RUN that names none: default, none or host",
     WCOW_OPTION_STRING, &given.network},
    {0, "no-cache", NULL, "Make every layer anew", WCOW_OPTION_FLAG, &given.build.no_cache},
    {0, "no-cache-filter", "STAGE", "Make the layers of this stage anew", WCOW_OPTION_LIST,
     &given.no_cache_filter},
    {'o', "output", "type=TYPE[,KEY=VALUE]", "Where to: image, registry, oci, docker, local or tar",
     WCOW_OPTION_LIST, &given.outputs},
    {0, "plain-http", NULL, "Talk to registries without TLS", WCOW_OPTION_FLAG,
     &given.build.plain_http},
    {0, "platform", "PLATFORM[,PLATFORM]", "windows/amd64, windows(10.0.20348)/amd64",
     WCOW_OPTION_LIST, &given.platforms},
    {0, "progress", "TYPE", "auto, plain, tty, quiet or rawjson", WCOW_OPTION_STRING,
     &given.progress},
    {0, "provenance", "VALUE", "Shorthand for --attest=type=provenance: true, false, mode=max",
     WCOW_OPTION_STRING, &given.provenance},
    {0, "pull", NULL, "Look for newer base images", WCOW_OPTION_FLAG, &given.build.pull},
    {0, "push", NULL, "Push the image to the registries of its names", WCOW_OPTION_FLAG,
     &given.build.push},
    {'q', "quiet", NULL, "Print only the image's digest", WCOW_OPTION_FLAG, &given.quiet},
    {0, "resource", "memory=SIZE", "The same as --memory", WCOW_OPTION_LIST, &given.resources},
    {0, "run-timeout", "SECONDS", "End a RUN that takes longer", WCOW_OPTION_STRING,
     &given.run_timeout},
    {0, "sbom", "VALUE", NULL, WCOW_OPTION_STRING, &given.sbom},
    {0, "secret", "id=ID[,src=FILE|,env=NAME]", "Give RUN a secret", WCOW_OPTION_LIST,
     &given.secrets},
    {0, "snapshotter", "NAME", "The snapshotter that wcowd is registered as", WCOW_OPTION_STRING,
     &given.build.snapshotter},
    {'t', "tag", "NAME[:TAG]", "Name the image; may be given many times", WCOW_OPTION_LIST,
     &given.tags},
    {0, "target", "STAGE", "Build this stage", WCOW_OPTION_STRING, &given.build.target},

    /* Of docker's: what is so anyway, and what Windows images or this builder have no use for. */
    {0, "load", NULL, NULL, WCOW_OPTION_FLAG, &given.ignored},
    {0, "compress", NULL, NULL, WCOW_OPTION_FLAG, &given.ignored},
    {0, "rm", NULL, NULL, WCOW_OPTION_FLAG, &given.ignored},
    {0, "force-rm", NULL, NULL, WCOW_OPTION_FLAG, &given.ignored},
    REFUSED(0, "allow", "there are no entitlements to give"),
    REFUSED(0, "builder", "this program is the only one; --address names its containerd"),
    REFUSED(0, "cgroup-parent", NO_WINDOWS),
    REFUSED(0, "cpu-period", LIMITS),
    REFUSED(0, "cpu-quota", LIMITS),
    REFUSED('c', "cpu-shares", LIMITS),
    REFUSED(0, "cpuset-cpus", LIMITS),
    REFUSED(0, "cpuset-mems", LIMITS),
    REFUSED(0, "memory-swap", LIMITS),
    REFUSED(0, "policy", "there is nothing that evaluates one"),
    REFUSED(0, "print", "its name is --call by now"),
    REFUSED(0, "security-opt", NO_WINDOWS),
    REFUSED(0, "shm-size", NO_WINDOWS),
    REFUSED(0, "squash", "a last stage that copies from the others has a layer for each COPY"),
    REFUSED(0, "ssh", "an agent's socket means nothing to a Windows command"),
    REFUSED(0, "ulimit", NO_WINDOWS),
    {0},
};

int wcow_cli_build(int argc, char **argv)
{
    struct arguments *a = &given;
    a->progress = environment("BUILDKIT_PROGRESS", "auto");
    a->build.address = environment("CONTAINERD_ADDRESS", "/run/containerd/containerd.sock");
    a->build.ns = environment("CONTAINERD_NAMESPACE", "default");
    a->build.snapshotter = "wcow";
    const struct wcow_command command = {.name = "wcow build",
                                         .usage = "[OPTIONS] PATH|URL|-",
                                         .summary = "Build a Windows image from a Dockerfile.",
                                         .options = options,
                                         .min_args = 1,
                                         .max_args = 1,
                                         .epilogue = epilogue};
    int operand = 0;
    int code = WCOW_EXIT_OK;
    switch (wcow_options_parse(&command, argc, argv, &operand)) {
    case WCOW_PARSE_RUN:
        a->build.context = argv[operand];
        code = run(a);
        break;
    case WCOW_PARSE_DONE:
        break;
    case WCOW_PARSE_USAGE:
        code = WCOW_EXIT_USAGE;
        break;
    }
    done(a);
    return code;
}
