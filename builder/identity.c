/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/identity.h"

#include <string.h>
#include <strings.h>

#include "layer/sd.h"

static const struct {
    const char *name;
    const char *sid;
} accounts[] = {
    {"ContainerAdministrator", "S-1-5-93-2-1"},
    {"ContainerUser", "S-1-5-93-2-2"},
    {"SYSTEM", "S-1-5-18"},
    {"LOCAL SERVICE", "S-1-5-19"},
    {"NETWORK SERVICE", "S-1-5-20"},
    {"Administrators", "S-1-5-32-544"},
    {"Users", "S-1-5-32-545"},
    {"Everyone", "S-1-1-0"},
    {"Authenticated Users", "S-1-5-11"},
    {"TrustedInstaller", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"},
};

int wcow_identity_sid(const char *user, struct wcow_buf *out, bool *ret_known,
                      struct wcow_error *err)
{
    const char *backslash = strrchr(user, '\\');
    const char *name = backslash ? backslash + 1 : user;
    const char *sid = NULL;
    if (strncasecmp(user, "S-1-", 4) == 0)
        sid = user;
    for (size_t i = 0; !sid && i < sizeof(accounts) / sizeof(accounts[0]); i++) {
        if (strcasecmp(name, accounts[i].name) == 0)
            sid = accounts[i].sid;
    }
    if (ret_known)
        *ret_known = sid != NULL || !*user;
    int r = wcow_sid_parse(sid ? sid : accounts[0].sid, out, err);
    return r < 0 ? wcow_error_wrap(r, err, "user \"%s\"", user) : WCOW_OK;
}
