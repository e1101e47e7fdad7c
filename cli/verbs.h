/* SPDX-License-Identifier: Apache-2.0 */
/** @file verbs.h
 *  The verbs of wcow. Each takes argv with the verb at argv[0] and gives the exit code. */
#ifndef WCOW_CLI_VERBS_H
#define WCOW_CLI_VERBS_H

int wcow_cli_build(int argc, char **argv);
int wcow_cli_du(int argc, char **argv);
int wcow_cli_executor(int argc, char **argv);
int wcow_cli_cat(int argc, char **argv);
int wcow_cli_diff(int argc, char **argv);
int wcow_cli_ls(int argc, char **argv);
int wcow_cli_layers(int argc, char **argv);
int wcow_cli_spec(int argc, char **argv);
int wcow_cli_snapshots(int argc, char **argv);
int wcow_cli_prune(int argc, char **argv);
int wcow_cli_repair(int argc, char **argv);
int wcow_cli_tar(int argc, char **argv);
int wcow_cli_verify(int argc, char **argv);

#endif
