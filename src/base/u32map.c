#include "base/u32map.h"

void sc_u32map_init(struct sc_u32map *m, uint32_t seed)
{
    *m = (struct sc_u32map){.seed = seed};
}

void sc_u32map_deinit(struct sc_u32map *m)
{
    free(m->slots);
    *m = (struct sc_u32map){.seed = m->seed};
}

static size_t probe(const struct sc_u32map *m, uint32_t key)
{
    uint64_t h = ((uint64_t)key ^ m->seed) * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 32) & (m->capacity - 1);
    while (m->slots[i].used && m->slots[i].key != key)
        i = (i + 1) & (m->capacity - 1);
    return i;
}

void *sc_u32map_get(const struct sc_u32map *m, uint32_t key)
{
    if (m->capacity == 0)
        return NULL;
    const struct sc_u32map_slot *slot = &m->slots[probe(m, key)];
    return slot->used ? slot->value : NULL;
}

static sc_err grow(struct sc_u32map *m)
{
    struct sc_u32map bigger = {.seed = m->seed, .capacity = m->capacity != 0 ? m->capacity * 2 : 64};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].used)
            bigger.slots[probe(&bigger, m->slots[i].key)] = m->slots[i];
    bigger.count = m->count;
    free(m->slots);
    *m = bigger;
    return SC_OK;
}

sc_err sc_u32map_put(struct sc_u32map *m, uint32_t key, void *value)
{
    if (m->count * 3 >= m->capacity * 2)
        SC_TRY(grow(m));
    struct sc_u32map_slot *slot = &m->slots[probe(m, key)];
    m->count += !slot->used;
    *slot = (struct sc_u32map_slot){key, true, value};
    return SC_OK;
}

struct sc_u32map_slot *sc_u32map_next(const struct sc_u32map *m, size_t *index)
{
    while (*index < m->capacity)
        if (m->slots[(*index)++].used)
            return &m->slots[*index - 1];
    return NULL;
}
