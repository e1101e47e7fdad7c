/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/client.h"

#include <string.h>

#include "containerd/internal.h"
#include "google/protobuf/empty.pb-c.h"
#include "proto/introspection.pb-c.h"
#include "proto/version.pb-c.h"

#define INTROSPECTION "/containerd.services.introspection.v1.Introspection/"

typedef Containerd__Services__Introspection__V1__PluginsRequest plugins_request;
typedef Containerd__Services__Introspection__V1__PluginsResponse plugins_response;
typedef Containerd__Services__Introspection__V1__Plugin plugin_message;

int wcow_containerd_new(const char *address, struct wcow_containerd **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_containerd_free_p)
    struct wcow_containerd *client = calloc(1, sizeof(*client));
    if (!client)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a client of containerd");
    int r = wcow_rpc_channel_new(address, &client->channel, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(client);
    return WCOW_OK;
}

void wcow_containerd_free(struct wcow_containerd *client)
{
    if (!client)
        return;
    wcow_rpc_channel_free(client->channel);
    free(client);
}

int wcow_containerd_version(const struct wcow_containerd_ctx *ctx, char **ret,
                            struct wcow_error *err)
{
    Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    wcow_automessage *message = NULL;
    int r = wcow_containerd_call(
        ctx, "/containerd.services.version.v1.Version/Version", &request.base,
        &containerd__services__version__v1__version_response__descriptor, &message, err);
    if (r < 0)
        return r;
    const Containerd__Services__Version__V1__VersionResponse *reply = (const void *)message;
    return wcow_copy(reply->version, ret, err);
}

/* All plugins are listed and searched here: a filter would need its values quoted. */
static int list_plugins(const struct wcow_containerd_ctx *ctx, ProtobufCMessage **ret,
                        struct wcow_error *err)
{
    plugins_request request = CONTAINERD__SERVICES__INTROSPECTION__V1__PLUGINS_REQUEST__INIT;
    return wcow_containerd_call(
        ctx, INTROSPECTION "Plugins", &request.base,
        &containerd__services__introspection__v1__plugins_response__descriptor, ret, err);
}

static const plugin_message *find_plugin(const ProtobufCMessage *message, const char *type,
                                         const char *id)
{
    const plugins_response *reply = (const void *)message;
    for (size_t i = 0; i < reply->n_plugins; i++)
        if (strcmp(reply->plugins[i]->type, type) == 0 && strcmp(reply->plugins[i]->id, id) == 0)
            return reply->plugins[i];
    return NULL;
}

static const char *root_of(const plugin_message *plugin)
{
    for (size_t i = 0; plugin && i < plugin->n_exports; i++) {
        if (strcmp(plugin->exports[i]->key, "root") == 0)
            return plugin->exports[i]->value;
    }
    return NULL;
}

static bool is_loaded(const plugin_message *plugin)
{
    return plugin && (!plugin->init_err || plugin->init_err->code == 0);
}

int wcow_containerd_plugin_root(const struct wcow_containerd_ctx *ctx, const char *type,
                                const char *id, char **ret, struct wcow_error *err)
{
    wcow_automessage *message = NULL;
    int r = list_plugins(ctx, &message, err);
    if (r < 0)
        return r;
    const plugin_message *plugin = find_plugin(message, type, id);
    const char *root = root_of(plugin);
    if (root)
        return wcow_copy(root, ret, err);
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                     plugin ? "containerd's plugin %s.%s tells no folder"
                            : "containerd has no plugin %s.%s",
                     type, id);
}

int wcow_containerd_look(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                         bool *ret_has_snapshotter, char **ret_content_root, struct wcow_error *err)
{
    wcow_automessage *message = NULL;
    int r = list_plugins(ctx, &message, err);
    if (r < 0)
        return r;
    const char *root = root_of(find_plugin(message, "io.containerd.content.v1", "content"));
    char *copy = NULL;
    if (root)
        r = wcow_copy(root, &copy, err);
    if (r < 0)
        return r;
    *ret_has_snapshotter =
        is_loaded(find_plugin(message, "io.containerd.snapshotter.v1", snapshotter));
    *ret_content_root = copy;
    return WCOW_OK;
}
