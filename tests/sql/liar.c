#include "liar.h"

static struct liar *the; /* iterators do not know their store */

static uint64_t mix(uint64_t h, struct sc_slice key)
{
    for (size_t i = 0; i < key.size; i++)
        h = (h ^ key.ptr[i]) * 0x100000001b3u;
    return h ^ h >> 31;
}

/* The same lie for the same key: flipped bits, a cut, or a longer value. */
static struct sc_slice change(struct liar *l, struct sc_slice key, struct sc_slice value)
{
    const uint64_t h = mix(0xcbf29ce484222325u ^ l->seed, key);
    if (l->rate == 0 || h % l->rate != 0 || (l->kind != 0 && (key.size == 0 || key.ptr[0] != l->kind)))
        return value;
    l->lies++;
    sc_buf_reset(&l->buf);
    sc_buf_put_bytes(&l->buf, value);
    if (h >> 8 & 1)
        sc_buf_put_u8(&l->buf, (uint8_t)(h >> 16));
    if (sc_buf_status(&l->buf) != SC_OK || l->buf.size == 0)
        return value;
    if (h >> 9 & 1)
        l->buf.ptr[(h >> 24) % l->buf.size] ^= (uint8_t)(1u << (h >> 12 & 7));
    if (h >> 10 & 1)
        l->buf.size = (h >> 32) % (l->buf.size + 1);
    return sc_buf_slice(&l->buf);
}

static sc_err append(struct liar *l, struct sc_slice key, struct sc_buf *honest, struct sc_buf *out)
{
    if (out != NULL)
        sc_buf_put_bytes(out, change(l, key, sc_buf_slice(honest)));
    return out != NULL ? sc_buf_status(out) : SC_OK;
}

static sc_err get(void *self, const struct sql_kv_snapshot *snap, struct sc_slice key, struct sc_buf *out,
                  struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf honest = {0};
    SC_TRY(the->honest.ops->get(self, snap, key, &honest, diag));
    return append(the, key, &honest, out);
}

static sc_err txn_get(struct sql_kv_txn *txn, struct sc_slice key, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf honest = {0};
    SC_TRY(the->honest.ops->txn_get(txn, key, &honest, diag));
    return append(the, key, &honest, out);
}

static struct sc_slice iter_value(struct sql_kv_iter *it)
{
    return change(the, the->honest.ops->iter_key(it), the->honest.ops->iter_value(it));
}

static size_t iter_value_size(struct sql_kv_iter *it)
{
    return iter_value(it).size;
}

static struct sc_slice iter_part(struct sql_kv_iter *it, size_t offset, size_t size)
{
    const struct sc_slice v = iter_value(it);
    SC_ASSERT(offset <= v.size && size <= v.size - offset); /* asked for what there is */
    return sc_slice_of(v.ptr + offset, size);
}

struct sql_kv liar_init(struct liar *l, struct sql_kv honest)
{
    *l = (struct liar){.honest = honest, .ops = *honest.ops};
    l->ops.get = get;
    l->ops.txn_get = txn_get;
    l->ops.iter_value = iter_value;
    l->ops.iter_value_size = iter_value_size;
    l->ops.iter_part = iter_part;
    the = l;
    return (struct sql_kv){&l->ops, honest.self};
}

void liar_deinit(struct liar *l)
{
    sc_buf_deinit(&l->buf);
    the = NULL;
}
