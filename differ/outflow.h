/* SPDX-License-Identifier: Apache-2.0 */
/** @file outflow.h
 *  A sink whose bytes are handed on by a thread of its own, in large buffers that are lent and not
 *  copied again, so that whoever fills it does not wait for the other side. Memory is bounded: the
 *  filler waits where all buffers are full or still lent. */
#ifndef WCOW_DIFFER_OUTFLOW_H
#define WCOW_DIFFER_OUTFLOW_H

#include "base/cleanup.h"
#include "base/stream.h"

struct wcow_outflow;

/** @param to borrowed; used on the outflow's thread until it is finished or freed. What it was lent
 *  it may keep for longer. */
WCOW_NODISCARD int wcow_outflow_new(const struct wcow_borrower *to, struct wcow_outflow **ret,
                                    struct wcow_error *err);
/** An error of the other side comes with a later write, or with finish. */
struct wcow_sink wcow_outflow_sink(struct wcow_outflow *o);
/** Wait until all is handed on. Call once, before free. */
WCOW_NODISCARD int wcow_outflow_finish(struct wcow_outflow *o, struct wcow_error *err);
/** Without finish, what is still buffered may be lost. NULL allowed. */
void wcow_outflow_free(struct wcow_outflow *o);
WCOW_DEFINE_CLEANUP(struct wcow_outflow, wcow_outflow_free)

#endif
