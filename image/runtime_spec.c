/* SPDX-License-Identifier: Apache-2.0 */
#include "image/runtime_spec.h"

#include <jansson.h>

#define OCI_RUNTIME_VERSION "1.1.0"

static json_t *string_array(const struct wcow_spec_strings *strings)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < strings->n; i++) {
        if (json_array_append_new(array, json_string(strings->items[i])) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *process_of(const struct wcow_runtime_spec *spec)
{
    json_t *process = json_object();
    if (!process)
        return NULL;
    int r = json_object_set_new(process, "user", json_pack("{s:s*}", "username", spec->username));
    if (spec->command_line)
        r |= json_object_set_new(process, "commandLine", json_string(spec->command_line));
    else
        r |= json_object_set_new(process, "args", string_array(&spec->args));
    if (spec->env.n)
        r |= json_object_set_new(process, "env", string_array(&spec->env));
    r |= json_object_set_new(process, "cwd", json_string(spec->cwd ? spec->cwd : "C:\\"));
    if (r != 0) {
        json_decref(process);
        return NULL;
    }
    return process;
}

/* Process isolation takes an empty root.path as "mount it yourself"; a utility VM takes no root. */
static json_t *document_of(const struct wcow_runtime_spec *spec)
{
    json_t *windows =
        json_pack("{s:o, s:b, s:{s:b}}", "layerFolders", string_array(&spec->layer_folders),
                  "ignoreFlushesDuringBoot", 1, "network", "allowUnqualifiedDNSQuery", 1);
    json_t *document = json_pack("{s:s, s:o, s:o}", "ociVersion", OCI_RUNTIME_VERSION, "process",
                                 process_of(spec), "windows", windows);
    if (!document)
        return NULL;
    int r = spec->hyperv
                ? json_object_set_new(json_object_get(document, "windows"), "hyperv", json_object())
                : json_object_set_new(document, "root", json_pack("{s:s}", "path", ""));
    if (r != 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

int wcow_runtime_spec_write(const struct wcow_runtime_spec *spec, struct wcow_buf *out,
                            struct wcow_error *err)
{
    if (!spec->command_line && !spec->args.n)
        return WCOW_FAIL(err, WCOW_E_INVALID, "no command: the image has none, so name one");
    if (spec->layer_folders.n < 2)
        return WCOW_FAIL(
            err, WCOW_E_INVALID,
            "a Windows container needs a layer and a scratch folder, not %zu folder(s)",
            spec->layer_folders.n);
    json_t *document = document_of(spec);
    if (!document)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the runtime spec holds text that is not UTF-8");
    char *text = json_dumps(document, JSON_INDENT(2));
    json_decref(document);
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the runtime spec");
    int r = wcow_buf_addf(out, err, "%s\n", text);
    free(text);
    return r;
}
