/* SPDX-License-Identifier: Apache-2.0 */
/** @file log_file.h
 *  How the writer's connection writes sqlite's write-ahead log; only for store/. Sources:
 *  sqlite.org/vfs.html, sqlite.org/c3ref/io_methods.html.
 *
 *  sqlite writes a transaction's frames one after the other, each with two system calls. Here they
 *  are gathered and written with one, when sqlite asks for the sync. Nothing is kept longer: what
 *  is to be read, measured, cut or synced is written first. */
#ifndef WCOW_STORE_LOG_FILE_H
#define WCOW_STORE_LOG_FILE_H

/** The name of the VFS that does so; NULL where there is none, which is slower. For connections
 *  with synchronous=FULL alone: what others publish before they sync it, their readers would not
 *  find. From any thread. */
const char *wcow_log_file_vfs(void);

#endif
