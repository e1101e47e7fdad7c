/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/identity.h"

#include "layer/sid.h"

int wcow_identity_sid(const char *user, struct wcow_buf *out, bool *ret_known,
                      struct wcow_error *err)
{
    static const char administrator[] = "ContainerAdministrator";
    struct wcow_error why = {0};
    int r = wcow_sid_of_account(*user ? user : administrator, out, &why);
    const bool known = r != WCOW_E_NOT_FOUND;
    if (!known)
        r = wcow_sid_of_account(administrator, out, &why);
    if (r < 0 && err)
        *err = why;
    if (r < 0)
        return wcow_error_wrap(r, err, "user \"%s\"", user);
    if (ret_known)
        *ret_known = known;
    return WCOW_OK;
}
