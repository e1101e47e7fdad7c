/* SPDX-License-Identifier: Apache-2.0 */
#include "base/key_hash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/bytes.h"

uint64_t wcow_key_hash_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0) {
        struct timespec now = {0};
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (uint64_t)now.tv_nsec;
    }
    return seed;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 32;
    return h;
}

uint64_t wcow_key_hash(uint64_t seed, const void *key, size_t len)
{
    const uint8_t *p = key;
    uint64_t h = mix(seed ^ len);
    for (; len >= 8; p += 8, len -= 8)
        h = mix((h ^ wcow_load_le64(p)) + seed);
    uint8_t rest[8] = {0};
    if (len)
        memcpy(rest, p, len);
    return mix((h ^ wcow_load_le64(rest)) + seed);
}
