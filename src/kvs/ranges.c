#include "kvs/ranges.h"

#define READS_SIZE_MAX ((size_t)64 << 20)

void kvs_range_list_truncate(struct kvs_range_list *l, size_t count)
{
    while (l->count > count)
        free((void *)(uintptr_t)l->items[--l->count].lower.ptr); /* both bounds are one block */
}

void kvs_range_list_deinit(struct kvs_range_list *l)
{
    kvs_range_list_truncate(l, 0);
    free(l->items);
    *l = (struct kvs_range_list){0};
}

sc_err kvs_range_list_add(struct kvs_range_list *l, const struct kvs_range_del *d)
{
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity != 0 ? l->capacity * 2 : 4;
        struct kvs_range_del *items = realloc(l->items, capacity * sizeof *items);
        if (items == NULL)
            return SC_E_NOMEM;
        l->items = items;
        l->capacity = capacity;
    }
    uint8_t *p = malloc(d->lower.size + d->upper.size + 1);
    if (p == NULL)
        return SC_E_NOMEM;
    memcpy(p, d->lower.ptr, d->lower.size);
    memcpy(p + d->lower.size, d->upper.ptr, d->upper.size);
    l->items[l->count++] =
        (struct kvs_range_del){.lower = {p, d->lower.size}, .upper = {p + d->lower.size, d->upper.size}, .seq = d->seq};
    return SC_OK;
}

uint64_t kvs_range_list_cover(const struct kvs_range_list *l, struct sc_slice key, uint64_t seq)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct kvs_range_del *d = &l->items[i];
        if (d->seq <= seq && d->seq > newest && kvs_range_has(d->lower, d->upper, key))
            newest = d->seq;
    }
    return newest;
}

uint64_t kvs_range_list_hides_from(const struct kvs_range_list *l, struct sc_slice key, uint64_t seq)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < l->count; i++) {
        const struct kvs_range_del *d = &l->items[i];
        if (d->seq > seq && d->seq < oldest && kvs_range_has(d->lower, d->upper, key))
            oldest = d->seq;
    }
    return oldest;
}

void kvs_reads_deinit(struct kvs_reads *r)
{
    sc_buf_deinit(&r->keys);
    sc_buf_deinit(&r->ranges);
}

void kvs_reads_add_key(struct kvs_reads *r, struct sc_slice key)
{
    r->keys.size_max = READS_SIZE_MAX;
    sc_buf_put_lvar(&r->keys, key);
}

void kvs_reads_add_range(struct kvs_reads *r, struct sc_slice lower, struct sc_slice upper)
{
    r->ranges.size_max = READS_SIZE_MAX;
    sc_buf_put_lvar(&r->ranges, lower);
    sc_buf_put_lvar(&r->ranges, upper);
}

sc_err kvs_reads_status(const struct kvs_reads *r)
{
    SC_TRY(sc_buf_status(&r->keys));
    return sc_buf_status(&r->ranges);
}
