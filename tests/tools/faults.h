/* SPDX-License-Identifier: Apache-2.0 */
/** @file faults.h
 *  System calls that fail on demand, in a program that was started with libfaults.so preloaded. The
 *  control is a file that test and program both map: $WCOW_FAULTS. */
#ifndef WCOW_TESTS_FAULTS_H
#define WCOW_TESTS_FAULTS_H

#include <stdatomic.h>

enum wcow_fault_call {
    WCOW_FAULT_WRITE = 1 << 0,  /**< pwrite(2) */
    WCOW_FAULT_SYNC = 1 << 1,   /**< fsync(2), fdatasync(2), syncfs(2) */
    WCOW_FAULT_OPEN = 1 << 2,   /**< open(2), openat(2) */
    WCOW_FAULT_FOLDER = 1 << 3, /**< mkdirat(2) */
    WCOW_FAULT_RENAME = 1 << 4, /**< renameat2(2) */
    WCOW_FAULT_DELETE = 1 << 5, /**< unlinkat(2) */
    WCOW_FAULT_ACCEPT = 1 << 6, /**< accept4(2) */
    WCOW_FAULT_READ = 1 << 7,   /**< pread(2) */
};

struct wcow_faults {
    atomic_uint calls;  /**< which ones fail; 0: none */
    atomic_int error;   /**< with this errno */
    atomic_uint one_in; /**< of so many */
    atomic_uint n_failed;
    atomic_uint counter;
};

#endif
