#include "sql/rowids.h"

#define KEYS_SIZE_MAX ((size_t)256 << 20)

void sql_rowids_init(struct sql_rowids *r)
{
    *r = (struct sql_rowids){0};
    sc_arena_init(&r->arena, KEYS_SIZE_MAX);
}

void sql_rowids_deinit(struct sql_rowids *r)
{
    sc_arena_deinit(&r->arena);
    free(r->keys);
    free(r->slots);
}

void sql_rowids_reset(struct sql_rowids *r)
{
    if (r->count == 0)
        return;
    if (r->count > 4096) { /* one big statement does not keep its memory */
        sql_rowids_deinit(r);
        sql_rowids_init(r);
        return;
    }
    sc_arena_reset(&r->arena);
    memset(r->slots, 0, r->slot_count * sizeof *r->slots);
    r->count = 0;
}

static uint64_t hash(struct sc_slice key)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.size; i++)
        h = (h ^ key.ptr[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static size_t slot_of(const struct sql_rowids *r, struct sc_slice key)
{
    size_t i = (size_t)hash(key) & (r->slot_count - 1);
    while (r->slots[i] != 0 && !sc_slice_eq(r->keys[r->slots[i] - 1], key))
        i = (i + 1) & (r->slot_count - 1);
    return i;
}

static sc_err grow(struct sql_rowids *r)
{
    const size_t capacity = r->capacity == 0 ? 64 : r->capacity * 2;
    if (capacity > UINT32_MAX / 4)
        return SC_E_LIMIT;
    struct sc_slice *keys = realloc(r->keys, capacity * sizeof *keys);
    if (keys == NULL)
        return SC_E_NOMEM;
    r->keys = keys;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return SC_E_NOMEM;
    free(r->slots);
    r->slots = slots;
    r->slot_count = capacity * 2;
    r->capacity = capacity;
    for (size_t i = 0; i < r->count; i++)
        r->slots[slot_of(r, r->keys[i])] = (uint32_t)(i + 1);
    return SC_OK;
}

sc_err sql_rowids_of(struct sql_rowids *r, struct sc_slice key, int64_t *rowid_out)
{
    if (r->count == r->capacity)
        SC_TRY(grow(r));
    const size_t slot = slot_of(r, key);
    if (r->slots[slot] == 0) {
        const struct sc_slice copy = sc_arena_copy(&r->arena, key);
        if (copy.ptr == NULL)
            return SC_E_NOMEM;
        r->keys[r->count++] = copy;
        r->slots[slot] = (uint32_t)r->count;
    }
    *rowid_out = r->slots[slot];
    return SC_OK;
}

sc_err sql_rowids_key(const struct sql_rowids *r, int64_t rowid, struct sc_slice *key_out)
{
    if (rowid < 1 || (uint64_t)rowid > r->count)
        return SC_E_NOT_FOUND;
    *key_out = r->keys[rowid - 1];
    return SC_OK;
}
