/* SPDX-License-Identifier: Apache-2.0 */
/** @file key_hash.h
 *  A hash of keys that come from images: seeded at random, so that nobody can make them collide. */
#ifndef WCOW_BASE_KEY_HASH_H
#define WCOW_BASE_KEY_HASH_H

#include <stddef.h>
#include <stdint.h>

/** A seed for one table. Without randomness the hash is still right, only foreseeable. */
uint64_t wcow_key_hash_seed(void);
uint64_t wcow_key_hash(uint64_t seed, const void *key, size_t len);

#endif
