/* tests/kvs/allocshim.h - the allocator of a test binary: fails on demand and counts what is still held.
 *
 * The linker puts it in place of malloc and its kin in everything that is linked statically (--wrap, see meson.build),
 * so in the engine and all below it, in any thread; not in libraries from outside. */
#ifndef SC_TESTS_KVS_ALLOCSHIM_H
#define SC_TESTS_KVS_ALLOCSHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on allocations are counted, and what they hold is remembered. */
void allocshim_begin(void);
/* The nth allocation from now on (1: the next) fails, and if `all` each one after it. */
void allocshim_arm(uint64_t nth, bool all);
/* Disarms.  Returns how many have failed. */
uint64_t allocshim_disarm(void);
uint64_t allocshim_count(void); /* allocations since begin */
/* Blocks allocated since begin that nobody has freed. */
size_t allocshim_held(void);
/* What this thread does between these neither fails nor counts (the store's and the test's own work). */
void allocshim_exempt(bool yes);

#endif
