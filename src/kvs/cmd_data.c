/* Commands on keys and values: get, put, load, delete, scan. */
#include "kvs/cmd.h"

#include <inttypes.h>
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

/* ---- load: what scan prints, read back ---- */

#define LOAD_BATCH_LINES 1000
#define LOAD_BATCH_SIZE  ((size_t)4 << 20)
#define LINE_SIZE_MAX    (2 * (SC_KVS_KEY_SIZE_MAX + SC_KVS_VALUE_SIZE_MAX) + 2) /* in hexadecimal */

struct loader {
    const struct cmd_args *args;
    struct sc_kvs *kvs;
    struct sc_kvs_batch *batch;
    struct sc_buf key, value;
    uint64_t line, pending_lines;
    size_t pending_size;
};

static void loader_deinit(struct loader *l)
{
    sc_kvs_batch_free(l->batch);
    sc_buf_deinit(&l->key);
    sc_buf_deinit(&l->value);
}

static sc_err line_bytes(struct loader *l, const char *text, size_t size, struct sc_buf *out, struct sc_diag *diag)
{
    sc_buf_reset(out);
    if (l->args->hex) {
        if (strlen(text) != size)
            return sc_fail(diag, SC_E_USAGE, "not hexadecimal");
        return cmd_bytes_of(l->args, text, out, diag);
    }
    sc_buf_put_bytes(out, sc_slice_of(text, size));
    return sc_buf_status(out);
}

/* text ends with a NUL that does not count. */
static sc_err line_add(struct loader *l, char *text, size_t size, struct sc_diag *diag)
{
    char *tab = memchr(text, '\t', size);
    if (tab == NULL)
        return sc_fail(diag, SC_E_USAGE, "key TAB value expected");
    *tab = '\0';
    const size_t key_size = (size_t)(tab - text);
    SC_TRY(line_bytes(l, text, key_size, &l->key, diag));
    SC_TRY(line_bytes(l, tab + 1, size - key_size - 1, &l->value, diag));
    const sc_err err = sc_kvs_batch_put(l->batch, sc_buf_slice(&l->key), sc_buf_slice(&l->value));
    if (err != SC_OK)
        return sc_fail(diag, err, "a key has 1 byte to 64 KiB, a value at most 64 MiB");
    l->pending_lines++;
    l->pending_size += size;
    return SC_OK;
}

static sc_err batch_write(struct loader *l, struct sc_diag *diag)
{
    if (l->pending_lines == 0)
        return SC_OK;
    SC_TRY(sc_kvs_write(l->kvs, l->batch, true, diag));
    sc_kvs_batch_reset(l->batch);
    l->pending_lines = 0;
    l->pending_size = 0;
    return SC_OK;
}

static sc_err lines_load(struct loader *l, char **text, struct sc_diag *diag)
{
    size_t capacity = 0;
    for (ssize_t n; (n = getline(text, &capacity, stdin)) >= 0;) {
        size_t size = (size_t)n;
        l->line++;
        if (size != 0 && (*text)[size - 1] == '\n')
            (*text)[--size] = '\0';
        sc_err err = size > LINE_SIZE_MAX ? SC_E_LIMIT : line_add(l, *text, size, diag);
        if (err == SC_OK && (l->pending_lines == LOAD_BATCH_LINES || l->pending_size >= LOAD_BATCH_SIZE))
            err = batch_write(l, diag);
        SC_TRY(sc_context(diag, err, "standard input, line %" PRIu64, l->line));
    }
    if (ferror(stdin))
        return sc_fail(diag, SC_E_IO, "standard input");
    return batch_write(l, diag);
}

/* A line that is wrong ends it: what was before it in the same batch is not written, batches before are. */
sc_err cmd_load(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_CLEANUP(loader_deinit) struct loader l = {.args = a};
    SC_CLEANUP(sc_freep) char *text = NULL;
    SC_TRY(sc_kvs_batch_new(&l.batch));
    SC_TRY(cmd_volume_open(a, CMD_CREATE, &v, diag));
    l.kvs = v.kvs;
    SC_TRY(lines_load(&l, &text, diag));
    printf("%s: %" PRIu64 " pairs\n", a->dir, l.line);
    return SC_OK;
}

/* ---- ranges ---- */

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
