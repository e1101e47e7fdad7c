/* SPDX-License-Identifier: Apache-2.0 */
/** @file notify.h
 *  Readiness towards systemd: sd_notify(3)'s protocol, one datagram to $NOTIFY_SOCKET. */
#ifndef WCOW_CLI_NOTIFY_H
#define WCOW_CLI_NOTIFY_H

/** Send @p state ("READY=1"); silently nothing where NOTIFY_SOCKET is not set. */
void wcow_notify(const char *state);

#endif
