/* base/arena.h - what dies together lives together: a bump allocator freed as a whole.
 * Not thread-safe.  Memory is zeroed (but for alloc_raw) and aligned for any type. */
#ifndef SC_BASE_ARENA_H
#define SC_BASE_ARENA_H

#include "base/bytes.h"

struct sc_arena_chunk;
struct sc_arena {
    struct sc_arena_chunk *head;
    size_t size;     /* bytes handed out, rounded up to the alignment */
    size_t size_max; /* cap; 0 = 1 GiB */
};

void sc_arena_init(struct sc_arena *arena, size_t size_max);
void sc_arena_deinit(struct sc_arena *arena); /* frees all; NULL and zeroed are fine */
void sc_arena_reset(struct sc_arena *arena);  /* forgets all, keeps one chunk */
void *sc_arena_alloc(struct sc_arena *arena, size_t size) SC_MUST_CHECK; /* NULL when the cap or heap is spent */
void *sc_arena_alloc_raw(struct sc_arena *arena, size_t size) SC_MUST_CHECK; /* the same, not zeroed */
char *sc_arena_strdup(struct sc_arena *arena, const char *s) SC_MUST_CHECK;
/* A copy of s's bytes; ptr NULL when memory is spent. */
struct sc_slice sc_arena_copy(struct sc_arena *arena, struct sc_slice s) SC_MUST_CHECK;

#endif
