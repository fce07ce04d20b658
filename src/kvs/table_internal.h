/* kvs/table_internal.h - what building and reading a table's bytes share. */
#ifndef SC_KVS_TABLE_INTERNAL_H
#define SC_KVS_TABLE_INTERNAL_H

#include "kvs/table.h"

#define KVS_FILTER_LINE_SIZE  64 /* bytes: one cache line */

/* Seeded so that nobody can choose keys that collide: FNV-1a over words, finished as in MurmurHash3 (Appleby). */
static inline uint64_t kvs_filter_hash(uint64_t seed, struct sc_slice key)
{
    uint64_t h = seed ^ (key.size * UINT64_C(0x9e3779b97f4a7c15));
    size_t i = 0;
    for (; i + 8 <= key.size; i += 8) {
        uint64_t w;
        memcpy(&w, key.ptr + i, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    for (; i < key.size; i++)
        h = (h ^ key.ptr[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

/* A Bloom filter whose probes for a key all fall into one cache line (Putze, Sanders, Singler 2007): one miss instead of
 * seven, for a few more false positives. */
static inline size_t kvs_filter_line(uint64_t hash, size_t size)
{
    const uint64_t line = ((hash >> 32) * (size / KVS_FILTER_LINE_SIZE)) >> 32;
    return (size_t)line * KVS_FILTER_LINE_SIZE;
}

/* Bit of probe i within the line, by double hashing (Kirsch & Mitzenmacher 2006). */
static inline uint32_t kvs_filter_bit(uint64_t hash, uint32_t i)
{
    const uint32_t h = (uint32_t)hash;
    return (h + i * (h >> 17 | h << 15 | 1)) >> 7 & (KVS_FILTER_LINE_SIZE * 8 - 1);
}

#endif
