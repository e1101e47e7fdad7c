/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_messages.h
 *  What Wine says of itself among a command's output (WINEDEBUG=-all,fixme+file): a symbolic link
 *  that a program asks for it does not make, and says that it did. */
#ifndef WCOW_BUILDER_WINE_MESSAGES_H
#define WCOW_BUILDER_WINE_MESSAGES_H

#include "base/bytes.h"

#define WCOW_WINE_DEBUG "-all,fixme+file"

/** Whether the line is Wine's, not the command's. @param link  gets the name of the first symbolic
 *  link that was asked for, as Wine writes it */
bool wcow_wine_message_take(const char *line, struct wcow_buf *link);

#endif
