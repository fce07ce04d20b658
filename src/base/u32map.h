/* base/u32map.h - a hash map from u32 (a meter's serial number) to an owned or borrowed pointer.
 * Open addressing, linear probing, grows at 2/3 full.  Keys come from peers, so they are mixed with a random seed.
 * Not thread-safe.  There is no removal: a serial number once known stays known; set the value to NULL instead. */
#ifndef SC_BASE_U32MAP_H
#define SC_BASE_U32MAP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct sc_u32map_slot {
    uint32_t key;
    bool used;
    void *value;
};
struct sc_u32map {
    struct sc_u32map_slot *slots;
    size_t count;    /* keys */
    size_t capacity; /* power of two, or 0 */
    uint32_t seed;
};

void sc_u32map_init(struct sc_u32map *m, uint32_t seed);
void sc_u32map_deinit(struct sc_u32map *m); /* frees the slots, not the values */
void *sc_u32map_get(const struct sc_u32map *m, uint32_t key); /* NULL when absent */
sc_err sc_u32map_put(struct sc_u32map *m, uint32_t key, void *value) SC_MUST_CHECK;
/* for (size_t i = 0; (slot = sc_u32map_next(m, &i)) != NULL;) - order is arbitrary; put() invalidates. */
struct sc_u32map_slot *sc_u32map_next(const struct sc_u32map *m, size_t *index);

#endif
