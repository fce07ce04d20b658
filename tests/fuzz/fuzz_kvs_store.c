/* A whole volume whose decrypted contents are changed past their tags (the linker puts the function below in place of
 * sc_aead_open): root, manifest, log groups, indexes and blocks disagree with themselves and with each other.
 *
 *   input = u8 mode, edit*      edit = u8 which opening (mod 64), u16be place, u8 how, u8 with what
 *
 * Whatever is read: no crash, no endless iteration, and an error is one of those that the interface names.
 * With SC_FUZZ_DUMP=DIR the genuine contents are written to DIR: seeds for the parsers' own targets. */
#include "base/file.h"
#include "kvs/kvs.h"
#include "store/memory.h"

#include <stdatomic.h>
#include <stdio.h>

#define ROWS      300
#define EDITS_MAX 8
#define EDIT_SIZE ((size_t)5)

static const struct sc_key key = {"a root key that everybody knows"};
static struct sc_store *genuine;
static uint64_t counted;

/* ---- changing what was opened ---- */

static struct sc_slice edits; /* EDIT_SIZE each */
static atomic_uint openings;  /* the background thread opens, too */
static const char *dump_dir;
static uint64_t dump_table_size; /* of the only table object */

sc_err __real_sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice sealed, const uint8_t tag[static 16], uint8_t *out);
sc_err __wrap_sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice sealed, const uint8_t tag[static 16], uint8_t *out);

static void edit_apply(const uint8_t *e, uint8_t *plain, size_t size)
{
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x10, 0x40};
    const size_t at = ((size_t)e[1] << 8 | e[2]) % size;
    const size_t left = size - at;
    switch (e[3] % 7) {
    case 0:
        plain[at] ^= (uint8_t)(1u << e[4] % 8);
        break;
    case 1:
        plain[at] = e[4];
        break;
    case 2:
        plain[at] = telling[e[4] % sizeof telling];
        break;
    case 3: /* a number somewhere */
        if (left >= 8)
            sc_store_u64be(plain + at, sc_load_u64be(plain + at) + (uint64_t)(int64_t)(int8_t)e[4]);
        break;
    case 4:
        memset(plain + at, telling[e[4] % sizeof telling], left < e[4] ? left : e[4]);
        break;
    case 5: /* a piece moves up */
        memmove(plain + at, plain + at / 2, left < e[4] ? left : e[4]);
        break;
    default:
        plain[size - 1 - at] += e[4];
    }
}

/* As input for fuzz_kvs_manifest, _root, _wal and _table, told apart by what is authenticated beside them. */
static void dump(const uint8_t nonce[static 12], struct sc_slice aad, struct sc_slice plain)
{
    static unsigned number;
    const char *kind = "wal";
    SC_CLEANUP(sc_buf_deinit) struct sc_buf file = {0};
    char path[300];
    if (plain.size == 0 || plain.size > 4096)
        return;
    if (aad.size >= 4 && memcmp(aad.ptr, "SCKR", 4) == 0) {
        kind = "root";
        sc_buf_put_u8(&file, 1);
    } else if (aad.size >= 4 && memcmp(aad.ptr, "SCKM", 4) == 0) {
        kind = "manifest";
        sc_buf_put_u8(&file, 0);
    } else if (aad.size >= 4 && memcmp(aad.ptr, "SCKT", 4) == 0) {
        const bool is_index = nonce[3] == 1;
        kind = "table";
        sc_buf_put_u8(&file, is_index ? 1 : 2);
        sc_buf_put_u16be(&file, (uint16_t)(is_index ? dump_table_size - plain.size : 0));
    }
    sc_buf_put_bytes(&file, plain);
    snprintf(path, sizeof path, "%s/%s-%03u", dump_dir, kind, number++);
    SC_ASSERT(sc_file_write(path, sc_buf_slice(&file), 0644, NULL) == SC_OK);
}

sc_err __wrap_sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice sealed, const uint8_t tag[static 16], uint8_t *out)
{
    SC_TRY(__real_sc_aead_open(aead, nonce, aad, sealed, tag, out));
    if (dump_dir != NULL)
        dump(nonce, aad, sc_slice_of(out, sealed.size));
    const unsigned n = atomic_fetch_add(&openings, 1) % 64;
    for (size_t i = 0; i + EDIT_SIZE <= edits.size && sealed.size != 0; i += EDIT_SIZE)
        if (edits.ptr[i] % 64 == n)
            edit_apply(edits.ptr + i, out, sealed.size);
    return SC_OK;
}

/* ---- the volume ---- */

static sc_err counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    (void)diag;
    *value_out = *(uint64_t *)self;
    return SC_OK;
}

static sc_err counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    if (from != *(uint64_t *)self || to <= from)
        return sc_fail(diag, SC_E_CONFLICT, "counter");
    *(uint64_t *)self = to;
    return SC_OK;
}

static sc_err volume_open(struct sc_store *store, uint64_t *counter, bool read_only, struct sc_kvs **out)
{
    const struct sc_kvs_options opt = {
        .store = store,
        .root_key = &key,
        .counter = {.read = counter_read, .advance = counter_advance, .self = counter},
        .create = !read_only,
        .read_only = read_only,
        .memtable_size_max = 16 << 10,
        .block_cache_size_max = 64 << 10,
        .block_size = 1024,
    };
    return sc_kvs_open(&opt, out, NULL);
}

/* Rows of slowly changing words, texts, empty values, deletions, a deleted range. */
static void rows_put(struct sc_kvs *kvs, unsigned from, unsigned to)
{
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *b = NULL;
    SC_ASSERT(sc_kvs_batch_new(&b) == SC_OK);
    for (unsigned i = from; i < to; i++) {
        char name[32];
        uint8_t value[64] = {0};
        snprintf(name, sizeof name, "%s|%05u", i % 3 == 0 ? "text" : "reading", i);
        sc_store_u64be(value, i);
        for (unsigned w = 1; w < 6; w++)
            value[8 * w] = (uint8_t)(w * i + i / 7);
        const size_t size = i % 17 == 0 ? 0 : i % 3 == 0 ? i % 60 : 48;
        SC_ASSERT((i % 11 == 0 ? sc_kvs_batch_delete(b, sc_slice_str(name))
                               : sc_kvs_batch_put(b, sc_slice_str(name), sc_slice_of(value, size))) == SC_OK);
    }
    const struct sc_kvs_range range = {sc_slice_str("reading|00100"), sc_slice_str("reading|00109")};
    SC_ASSERT(sc_kvs_batch_delete_range(b, &range) == SC_OK);
    SC_ASSERT(sc_kvs_write(kvs, b, true, NULL) == SC_OK);
}

static sc_err size_of_largest(void *arg, const char *name)
{
    uint64_t size = 0;
    (void)arg;
    SC_TRY(genuine->ops->size(genuine, name, &size, NULL));
    dump_table_size = size > dump_table_size ? size : dump_table_size;
    return SC_OK;
}

static void read_all(struct sc_kvs *kvs, bool by_parts);

static void volume_make(void)
{
    struct sc_kvs *kvs;
    SC_ASSERT(sc_store_memory_new(&genuine) == SC_OK);
    SC_ASSERT(volume_open(genuine, &counted, false, &kvs) == SC_OK);
    rows_put(kvs, 0, ROWS * 2 / 3);
    SC_ASSERT(sc_kvs_compact(kvs, NULL) == SC_OK);
    if (getenv("SC_FUZZ_DUMP") == NULL) {
        rows_put(kvs, ROWS / 2, ROWS * 3 / 4);
        sc_kvs_close(kvs);
        SC_ASSERT(volume_open(genuine, &counted, false, &kvs) == SC_OK);
    }
    rows_put(kvs, ROWS * 3 / 4, ROWS);
    rows_put(kvs, ROWS * 3 / 4 + 5, ROWS);
    sc_kvs_close(kvs);
    dump_dir = getenv("SC_FUZZ_DUMP");
    if (dump_dir == NULL)
        return;
    SC_ASSERT(genuine->ops->list(genuine, size_of_largest, NULL, NULL) == SC_OK);
    SC_ASSERT(volume_open(genuine, &counted, true, &kvs) == SC_OK);
    read_all(kvs, false);
    sc_kvs_close(kvs);
    dump_dir = NULL;
}

/* ---- using it ---- */

static void expect_named_error(sc_err err)
{
    SC_ASSERT(err == SC_OK || err == SC_E_AUTH || err == SC_E_MALFORMED || err == SC_E_CONFLICT || err == SC_E_LIMIT ||
              err == SC_E_NOT_FOUND || err == SC_E_NOMEM || err == SC_E_IO);
}

static void walk(struct sc_kvs_iter *it, bool backward, bool by_parts)
{
    bool valid = false;
    volatile uint8_t seen = 0;
    sc_err err = backward ? sc_kvs_iter_last(it, &valid, NULL) : sc_kvs_iter_first(it, &valid, NULL);
    for (unsigned rows = 0; err == SC_OK && valid; rows++) {
        SC_ASSERT(rows < ROWS * 300); /* an endless iteration */
        const struct sc_slice k = sc_kvs_iter_key(it);
        seen = seen ^ k.ptr[k.size - 1];
        const size_t size = sc_kvs_iter_value_size(it);
        if (by_parts) {
            for (size_t at = 0; at + 8 <= size; at += 8)
                seen = seen ^ sc_kvs_iter_value_part(it, at, 8).ptr[7];
        } else {
            const struct sc_slice v = sc_kvs_iter_value(it);
            SC_ASSERT(v.size == size);
            seen = seen ^ (v.size != 0 ? v.ptr[v.size - 1] : 0);
        }
        err = backward ? sc_kvs_iter_prev(it, &valid, NULL) : sc_kvs_iter_next(it, &valid, NULL);
    }
    expect_named_error(err);
}

static void read_all(struct sc_kvs *kvs, bool by_parts)
{
    struct sc_kvs_iter *it;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    sc_err err = sc_kvs_iter_new(kvs, NULL, NULL, &it, NULL);
    expect_named_error(err);
    if (err == SC_OK) {
        walk(it, false, by_parts);
        walk(it, true, by_parts);
        sc_kvs_iter_free(it);
    }
    for (unsigned i = 0; i < ROWS; i += 29) {
        char name[32];
        snprintf(name, sizeof name, "reading|%05u", i);
        expect_named_error(sc_kvs_get(kvs, NULL, sc_slice_str(name), &value, NULL));
    }
    expect_named_error(sc_kvs_verify(kvs, NULL, NULL, NULL));
}

static void volume_use(uint8_t mode)
{
    struct sc_store *copy;
    struct sc_kvs *kvs;
    uint64_t counter = mode & 4 ? counted : 1;
    const bool writes = (mode & 3) == 3;
    SC_ASSERT(sc_store_memory_clone(genuine, &copy) == SC_OK);
    const sc_err err = volume_open(copy, &counter, !writes, &kvs);
    expect_named_error(err);
    if (err == SC_OK) {
        read_all(kvs, (mode & 8) != 0);
        if (writes)
            expect_named_error(sc_kvs_compact(kvs, NULL));
        sc_kvs_close(kvs);
    }
    sc_store_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (genuine == NULL)
        volume_make();
    if (size < 1 + EDIT_SIZE)
        return 0;
    edits = sc_slice_of(data + 1, size - 1 > EDITS_MAX * EDIT_SIZE ? EDITS_MAX * EDIT_SIZE : size - 1);
    atomic_store(&openings, 0);
    volume_use(data[0]);
    edits = SC_SLICE_EMPTY;
    return 0;
}
