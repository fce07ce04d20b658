#include "sql/row.h"

enum {
    KIND_NULL,
    KIND_INT1,
    KIND_INT2,
    KIND_INT3,
    KIND_INT4,
    KIND_INT6,
    KIND_INT8,
    KIND_ZERO,
    KIND_ONE,
    KIND_F32,
    KIND_F64,
    KIND_TEXT,
    KIND_BLOB,
    KIND_COUNT
};
static const uint8_t kind_size[16] = {[KIND_INT1] = 1, [KIND_INT2] = 2, [KIND_INT3] = 3, [KIND_INT4] = 4,
                                      [KIND_INT6] = 6, [KIND_INT8] = 8, [KIND_F32] = 4,  [KIND_F64] = 8};

/* FNV-1a over the key.  It finds rows that *we* filed under a wrong name; against others the engine's authentication
 * stands. */
static uint32_t key_check(struct sc_slice key)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < key.size; i++)
        h = (h ^ key.ptr[i]) * 16777619u;
    return h;
}

static uint8_t integer_kind(int64_t v)
{
    const uint64_t m = (uint64_t)(v < 0 ? ~v : v); /* magnitude without the sign bit */
    if (m <= 1 && v >= 0)
        return v == 0 ? KIND_ZERO : KIND_ONE;
    return m < 1u << 7             ? KIND_INT1
           : m < 1u << 15          ? KIND_INT2
           : m < 1u << 23          ? KIND_INT3
           : m < 1u << 31          ? KIND_INT4
           : m < (uint64_t)1 << 47 ? KIND_INT6
                                   : KIND_INT8;
}

static bool fits_f32(double v)
{
    return (v >= -3.4e38 && v <= 3.4e38) && (double)(float)v == v;
}

static uint8_t kind_of(const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_INTEGER:
        return integer_kind(v->integer);
    case SC_SQL_REAL:
        return fits_f32(v->real) ? KIND_F32 : KIND_F64;
    case SC_SQL_TEXT:
        return KIND_TEXT;
    case SC_SQL_BLOB:
        return KIND_BLOB;
    case SC_SQL_NULL:
        break;
    }
    return KIND_NULL;
}

static void put_value(struct sc_buf *out, uint8_t kind, const struct sc_sql_value *v)
{
    if (kind == KIND_TEXT || kind == KIND_BLOB) {
        sc_buf_put_lvar(out, v->bytes);
    } else if (kind == KIND_F32) {
        sc_buf_put_f32be(out, (float)v->real);
    } else if (kind == KIND_F64) {
        sc_buf_put_f64be(out, v->real);
    } else if (kind_size[kind] != 0) {
        uint8_t b[8];
        sc_store_u64be(b, (uint64_t)v->integer);
        sc_buf_put_bytes(out, sc_slice_of(b + 8 - kind_size[kind], kind_size[kind]));
    }
}

void sql_row_encode(struct sc_buf *out, uint32_t table_id, struct sc_slice key, const struct sc_sql_value *values,
                    size_t value_count)
{
    SC_ASSERT(value_count <= SQL_COLUMN_COUNT_MAX);
    uint8_t kinds[SQL_COLUMN_COUNT_MAX + 1];
    uint8_t packed[SQL_COLUMN_COUNT_MAX / 2];
    kinds[value_count] = 0;
    for (size_t i = 0; i < value_count; i++)
        kinds[i] = kind_of(&values[i]);
    for (size_t i = 0; i < value_count; i += 2)
        packed[i / 2] = (uint8_t)(kinds[i] << 4 | kinds[i + 1]);
    sc_buf_put_u8(out, SQL_ROW_VERSION);
    sc_buf_put_varint(out, table_id);
    sc_buf_put_u32be(out, key_check(key));
    sc_buf_put_varint(out, value_count);
    sc_buf_put_bytes(out, sc_slice_of(packed, (value_count + 1) / 2));
    for (size_t i = 0; i < value_count; i++)
        put_value(out, kinds[i], &values[i]);
}

sc_err sql_row_open(struct sql_row *row, struct sc_slice bytes, uint32_t table_id, struct sc_slice key,
                    struct sc_diag *diag)
{
    struct sc_reader r = sc_reader_of(bytes);
    uint8_t version;
    uint64_t id;
    uint64_t count;
    uint32_t check;
    struct sc_slice types;
    if (sc_reader_get_u8(&r, &version) != SC_OK || version != SQL_ROW_VERSION)
        return sc_fail(diag, SC_E_MALFORMED, "row of an unknown version");
    if (sc_reader_get_varint(&r, &id) != SC_OK || id != table_id)
        return sc_fail(diag, SC_E_MALFORMED, "row of another table");
    if (sc_reader_get_u32be(&r, &check) != SC_OK || check != key_check(key))
        return sc_fail(diag, SC_E_MALFORMED, "row of another key");
    if (sc_reader_get_varint(&r, &count) != SC_OK || count > SQL_COLUMN_COUNT_MAX ||
        sc_reader_get_bytes(&r, (size_t)(count + 1) / 2, &types) != SC_OK || bytes.size > UINT32_MAX ||
        (count % 2 != 0 && (types.ptr[types.size - 1] & 15) != 0))
        return sc_fail(diag, SC_E_MALFORMED, "row's columns");
    row->bytes = bytes;
    row->types = types.ptr;
    row->count = (size_t)count;
    row->known = 0;
    row->offset[0] = (uint32_t)(r.cur - bytes.ptr);
    return SC_OK;
}

static uint8_t kind_at(const struct sql_row *row, size_t i)
{
    return i % 2 == 0 ? row->types[i / 2] >> 4 : row->types[i / 2] & 15;
}

/* Finds the places of the columns up to and including i. */
static sc_err locate(struct sql_row *row, size_t i)
{
    for (; row->known <= i; row->known++) {
        const uint8_t kind = kind_at(row, row->known);
        const uint32_t at = row->offset[row->known];
        if (kind >= KIND_COUNT)
            return SC_E_MALFORMED;
        if (kind == KIND_TEXT || kind == KIND_BLOB) {
            struct sc_reader r = {row->bytes.ptr + at, row->bytes.ptr + row->bytes.size};
            struct sc_slice s;
            SC_TRY(sc_reader_get_lvar(&r, &s));
            row->offset[row->known + 1] = (uint32_t)(r.cur - row->bytes.ptr);
        } else {
            if (kind_size[kind] > row->bytes.size - at)
                return SC_E_MALFORMED;
            row->offset[row->known + 1] = at + kind_size[kind];
        }
    }
    return SC_OK;
}

static int64_t load_integer(const uint8_t *p, unsigned size)
{
    uint64_t u = (uint64_t)(int64_t)(int8_t)p[0];
    for (unsigned i = 1; i < size; i++)
        u = u << 8 | p[i];
    return (int64_t)u;
}

static sc_err load_real(uint8_t kind, struct sc_reader *r, struct sc_sql_value *out)
{
    double d = 0;
    float f;
    if (kind == KIND_F32) {
        SC_TRY(sc_reader_get_f32be(r, &f));
        d = (double)f;
    } else {
        SC_TRY(sc_reader_get_f64be(r, &d));
    }
    if (d != d)
        return SC_E_MALFORMED; /* NaN is NULL in SQL and never written */
    *out = sc_sql_real(d);
    return SC_OK;
}

sc_err sql_row_get(struct sql_row *row, size_t i, struct sc_sql_value *out)
{
    if (i >= row->count)
        return SC_E_NOT_FOUND;
    SC_TRY(locate(row, i));
    const uint8_t kind = kind_at(row, i);
    struct sc_reader r = {row->bytes.ptr + row->offset[i], row->bytes.ptr + row->offset[i + 1]};
    struct sc_slice s;
    switch (kind) {
    case KIND_NULL:
        *out = sc_sql_null();
        break;
    case KIND_ZERO:
    case KIND_ONE:
        *out = sc_sql_integer(kind == KIND_ONE);
        break;
    case KIND_F32:
    case KIND_F64:
        return load_real(kind, &r, out);
    case KIND_TEXT:
    case KIND_BLOB:
        SC_TRY(sc_reader_get_lvar(&r, &s));
        *out = kind == KIND_TEXT ? sc_sql_text(s) : sc_sql_blob(s);
        break;
    default:
        *out = sc_sql_integer(load_integer(r.cur, kind_size[kind]));
    }
    return SC_OK;
}

sc_err sql_row_check(struct sql_row *row)
{
    struct sc_sql_value v;
    for (size_t i = 0; i < row->count; i++)
        SC_TRY(sql_row_get(row, i, &v));
    return row->offset[row->count] == row->bytes.size ? SC_OK : SC_E_MALFORMED;
}
