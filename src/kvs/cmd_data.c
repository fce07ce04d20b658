/* Commands on keys and values: get, put, delete, scan. */
#include "kvs/cmd.h"

#include <stdio.h>

static sc_err stdin_read(struct sc_buf *out, struct sc_diag *diag)
{
    for (;;) {
        uint8_t chunk[16384];
        const size_t n = fread(chunk, 1, sizeof chunk, stdin);
        sc_buf_put_bytes(out, sc_slice_of(chunk, n));
        if (n < sizeof chunk || sc_buf_status(out) != SC_OK)
            break;
    }
    if (ferror(stdin))
        return sc_fail(diag, SC_E_IO, "standard input");
    if (sc_buf_status(out) == SC_E_LIMIT)
        return sc_fail(diag, SC_E_LIMIT, "standard input: a value has at most 64 MiB");
    return sc_buf_status(out);
}

sc_err cmd_get(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    SC_TRY(cmd_bytes_of(a, a->rest[0], &key, diag));
    SC_TRY(cmd_volume_open(a, CMD_READ, &v, diag));
    SC_TRY(sc_context(diag, sc_kvs_get(v.kvs, NULL, sc_buf_slice(&key), &value, diag), "%s", a->rest[0]));
    cmd_print(a, sc_buf_slice(&value));
    putchar('\n');
    return SC_OK;
}

/* Whatever the batch holds, durably. */
static sc_err write_batch(const struct cmd_args *a, enum cmd_mode mode, const struct sc_kvs_batch *batch,
                          struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_TRY(cmd_volume_open(a, mode, &v, diag));
    return sc_kvs_write(v.kvs, batch, true, diag);
}

sc_err cmd_put(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {.size_max = SC_KVS_VALUE_SIZE_MAX};
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *batch = NULL;
    SC_TRY(cmd_bytes_of(a, a->rest[0], &key, diag));
    if (strcmp(a->rest[1], "-") == 0)
        SC_TRY(stdin_read(&value, diag));
    else
        SC_TRY(cmd_bytes_of(a, a->rest[1], &value, diag));
    SC_TRY(sc_kvs_batch_new(&batch));
    const sc_err err = sc_kvs_batch_put(batch, sc_buf_slice(&key), sc_buf_slice(&value));
    if (err != SC_OK)
        return sc_fail(diag, err, "a key has 1 byte to 64 KiB, a value at most 64 MiB");
    return write_batch(a, CMD_CREATE, batch, diag);
}

static sc_err range_of(const struct cmd_args *a, struct sc_buf *from, struct sc_buf *to, struct sc_kvs_range *out,
                       struct sc_diag *diag)
{
    if (a->rest_count > 0)
        SC_TRY(cmd_bytes_of(a, a->rest[0], from, diag));
    if (a->rest_count > 1)
        SC_TRY(cmd_bytes_of(a, a->rest[1], to, diag));
    *out = (struct sc_kvs_range){sc_buf_slice(from), sc_buf_slice(to)};
    if (out->upper.size != 0 && sc_slice_cmp(out->lower, out->upper) >= 0)
        return sc_fail(diag, SC_E_USAGE, "FROM must lie before TO");
    return SC_OK;
}

sc_err cmd_delete(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf to = {0};
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *batch = NULL;
    if (a->rest_count != (a->range ? 2 : 1))
        return sc_fail(diag, SC_E_USAGE, "delete takes one KEY, or --range FROM TO");
    SC_TRY(sc_kvs_batch_new(&batch));
    sc_err err;
    if (a->range) {
        struct sc_kvs_range range;
        SC_TRY(range_of(a, &from, &to, &range, diag));
        err = sc_kvs_batch_delete_range(batch, &range);
    } else {
        SC_TRY(cmd_bytes_of(a, a->rest[0], &from, diag));
        err = sc_kvs_batch_delete(batch, sc_buf_slice(&from));
    }
    if (err != SC_OK)
        return sc_fail(diag, err, "a key has 1 byte to 64 KiB");
    return write_batch(a, CMD_WRITE, batch, diag);
}

static sc_err scan(const struct cmd_args *a, struct sc_kvs_iter *it, struct sc_diag *diag)
{
    bool valid;
    SC_TRY(a->reverse ? sc_kvs_iter_last(it, &valid, diag) : sc_kvs_iter_first(it, &valid, diag));
    for (uint64_t n = 0; valid && n < a->limit; n++) {
        cmd_print(a, sc_kvs_iter_key(it));
        putchar('\t');
        cmd_print(a, sc_kvs_iter_value(it));
        putchar('\n');
        SC_TRY(a->reverse ? sc_kvs_iter_prev(it, &valid, diag) : sc_kvs_iter_next(it, &valid, diag));
    }
    return SC_OK;
}

sc_err cmd_scan(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf to = {0};
    struct sc_kvs_range range;
    struct sc_kvs_iter *it;
    SC_TRY(range_of(a, &from, &to, &range, diag));
    SC_TRY(cmd_volume_open(a, CMD_READ, &v, diag));
    SC_TRY(sc_kvs_iter_new(v.kvs, NULL, &range, &it, diag));
    const sc_err err = scan(a, it, diag);
    sc_kvs_iter_free(it);
    return err;
}
