/* SPDX-License-Identifier: Apache-2.0 */
/** @file upgrade.h
 *  wcowd becomes the program that lies on disk, and keeps its process id and its socket. */
#ifndef WCOW_CLI_UPGRADE_H
#define WCOW_CLI_UPGRADE_H

#include "cli/daemon.h"

/** The new program is tried (--version) before anything ends: where it doesn't run, the daemon goes
 * on as it was. Else the daemon ends its calls, and this returns only where that failed after all,
 * with *daemon NULL. */
void wcow_upgrade(struct wcow_daemon **daemon, char **argv);

#endif
