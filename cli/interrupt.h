/* SPDX-License-Identifier: Apache-2.0 */
/** @file interrupt.h
 *  Signals that ask a command to end: it does so in order, and takes away what it has begun. */
#ifndef WCOW_CLI_INTERRUPT_H
#define WCOW_CLI_INTERRUPT_H

#include <stdatomic.h>

/** From now on SIGINT, SIGTERM and SIGHUP (where it is not ignored, as by nohup) are only noted. A
 *  second one changes nothing: timeout(1) sends its signal to the command and to its group. The
 *  third ends the program at once. SIGPIPE is ignored. */
void wcow_interrupt_catch(void);

/** Set by the first signal, for those who poll it. */
const atomic_bool *wcow_interrupt_flag(void);

/** How shells have it: 128 and the number of the first signal; that of SIGINT where there was none.
 */
int wcow_interrupt_exit_code(void);

#endif
