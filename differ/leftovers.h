/* SPDX-License-Identifier: Apache-2.0 */
/** @file leftovers.h
 *  What a Diff has under way in containerd is noted on disk while it lasts: an ingest, and the
 * lease that keeps it. Notes that a killed wcowd left behind say what the next one has to take
 * away.
 *
 *  A note is a file with four strings, each with a NUL: a version, namespace, ingest, lease ("":
 * none of ours). Whoever works under it holds a lock on the file. */
#ifndef WCOW_DIFFER_LEFTOVERS_H
#define WCOW_DIFFER_LEFTOVERS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

/** Below wcowd's root. */
#define WCOW_LEFTOVERS_DIR "ingests"

/** What a note says. Borrowed. */
struct wcow_leftover {
    const char *ns;
    const char *ref;
    const char *lease;
};

struct wcow_leftover_note;

/** Write a note. @param folder is made where it is not there */
WCOW_NODISCARD int wcow_leftover_note_new(const char *folder, const struct wcow_leftover *what,
                                          struct wcow_leftover_note **ret, struct wcow_error *err);
/** The work is done, or undone: the note goes. */
void wcow_leftover_note_free(struct wcow_leftover_note *note);
WCOW_DEFINE_CLEANUP(struct wcow_leftover_note, wcow_leftover_note_free)

/** Take away what is left; < 0 keeps the note for another time. */
typedef int (*wcow_leftover_fn)(void *arg, const struct wcow_leftover *what,
                                struct wcow_error *err);
/** Each note that nobody works under. A file that is no note goes.
 *  @return how many stay for another time, or an error. No folder is no note. */
WCOW_NODISCARD int wcow_leftovers_each(const char *folder, wcow_leftover_fn fn, void *arg,
                                       struct wcow_error *err);

#endif
