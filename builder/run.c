/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run.h"

#include <string.h>

/* What each kind of executor is, for the message: a build that has none of them cannot do RUN. */
static const struct {
    const char *name;
    const char *needs;
} kinds[] = {
    {"runhcs", "containerd on a Windows host with the runhcs shim"},
    {"wine", "a Linux host with Wine (an OCI runtime task, opt in)"},
};

int wcow_executor_find(const char *name, const struct wcow_executor **ret, struct wcow_error *err)
{
    (void)ret; /* set by the executors that a build has: this one has none */
    for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(name, kinds[i].name) == 0)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "the executor %s, which needs %s, is not in this build of wcow", name,
                             kinds[i].needs);
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "RUN needs an executor for Windows programs, and this build of wcow has none. "
                     "Known executors: %s (%s), %s (%s). Until then run the command in an earlier "
                     "step outside, and COPY what it makes",
                     kinds[0].name, kinds[0].needs, kinds[1].name, kinds[1].needs);
}
