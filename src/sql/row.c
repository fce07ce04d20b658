#include "sql/row.h"

#include <endian.h>

enum { KIND_NULL, KIND_INTEGER, KIND_REAL, KIND_NUMBER, KIND_TEXT, KIND_BLOB, KIND_COUNT };
#define NUMBER_MAX ((int64_t)1 << 53) /* integers up to here are exact as doubles */

static uint64_t load(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static void store(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static uint64_t bits_of(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static double double_of(uint64_t u)
{
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static size_t type_words(size_t count)
{
    return (count + 15) / 16;
}

/* A slot's kind and word; text and blob put the end of their bytes in the tail. */
static unsigned word_of(const struct sc_sql_value *v, bool numeric, uint64_t *word_out, uint64_t *tail)
{
    switch (v->type) {
    case SC_SQL_INTEGER:
        if (numeric && v->integer >= -NUMBER_MAX && v->integer <= NUMBER_MAX) {
            *word_out = bits_of((double)v->integer);
            return KIND_NUMBER;
        }
        *word_out = (uint64_t)v->integer;
        return KIND_INTEGER;
    case SC_SQL_REAL:
        *word_out = bits_of(v->real);
        return numeric ? KIND_NUMBER : KIND_REAL;
    case SC_SQL_TEXT:
    case SC_SQL_BLOB:
        *tail += v->bytes.size;
        *word_out = *tail;
        return v->type == SC_SQL_TEXT ? KIND_TEXT : KIND_BLOB;
    default:
        *word_out = 0;
        return KIND_NULL;
    }
}

void sql_row_encode(struct sc_buf *out, uint32_t table_id, const struct sc_sql_value *slots, const bool *numeric,
                    size_t slot_count)
{
    SC_ASSERT(slot_count <= SQL_COLUMN_COUNT_MAX);
    const size_t types = type_words(slot_count);
    uint64_t kinds[SQL_COLUMN_COUNT_MAX / 16] = {0};
    uint64_t tail = 0;
    uint8_t *p = sc_buf_extend(out, 8 * (1 + types + slot_count));
    if (p == NULL)
        return;
    store(p, SQL_ROW_VERSION | (uint64_t)slot_count << 16 | (uint64_t)table_id << 32);
    uint8_t *word = p + 8 * (1 + types);
    for (size_t i = 0; i < slot_count; i++, word += 8) {
        uint64_t w;
        kinds[i / 16] |= (uint64_t)word_of(&slots[i], numeric[i], &w, &tail) << i % 16 * 4;
        store(word, w);
    }
    for (size_t i = 0; i < types; i++)
        store(p + 8 + 8 * i, kinds[i]);
    if (tail == 0)
        return;
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].type == SC_SQL_TEXT || slots[i].type == SC_SQL_BLOB)
            sc_buf_put_bytes(out, slots[i].bytes);
}

static const uint8_t *part(const struct sql_row *row, size_t offset, size_t size)
{
    return row->bytes != NULL ? row->bytes + offset : row->ops->iter_part(row->iter, offset, size).ptr;
}

static sc_err open_head(struct sql_row *row, uint32_t table_id, struct sc_diag *diag)
{
    if (row->size < 8)
        return sc_fail(diag, SC_E_MALFORMED, "row without a head");
    const uint64_t head = load(part(row, 0, 8));
    row->count = head >> 16 & 0xffff;
    if ((head & 0xffff) != SQL_ROW_VERSION)
        return sc_fail(diag, SC_E_MALFORMED, "row of an unknown version");
    if (head >> 32 != table_id)
        return sc_fail(diag, SC_E_MALFORMED, "row of another table");
    if (row->count > SQL_COLUMN_COUNT_MAX || row->size < 8 * (1 + type_words(row->count) + row->count))
        return sc_fail(diag, SC_E_MALFORMED, "row's columns");
    for (size_t i = 0; i < type_words(row->count); i++)
        row->types[i] = load(part(row, 8 + 8 * i, 8));
    return SC_OK;
}

sc_err sql_row_open(struct sql_row *row, struct sc_slice bytes, uint32_t table_id, struct sc_diag *diag)
{
    row->bytes = bytes.ptr;
    row->size = bytes.size;
    return open_head(row, table_id, diag);
}

sc_err sql_row_open_iter(struct sql_row *row, const struct sql_kv_ops *ops, struct sql_kv_iter *it, uint32_t table_id,
                         struct sc_diag *diag)
{
    row->bytes = NULL;
    row->ops = ops;
    row->iter = it;
    row->size = ops->iter_value_size(it);
    return open_head(row, table_id, diag);
}

static unsigned kind_at(const struct sql_row *row, size_t i)
{
    return row->types[i / 16] >> i % 16 * 4 & 15;
}

static uint64_t word_at(const struct sql_row *row, size_t i)
{
    return load(part(row, 8 * (1 + type_words(row->count) + i), 8));
}

static bool is_bytes(unsigned kind)
{
    return kind == KIND_TEXT || kind == KIND_BLOB;
}

static sc_err get_bytes(const struct sql_row *row, size_t i, struct sc_slice *out)
{
    const size_t tail = 8 * (1 + type_words(row->count) + row->count);
    const uint64_t end = word_at(row, i);
    uint64_t begin = 0;
    for (size_t k = i; k-- > 0;)
        if (is_bytes(kind_at(row, k))) {
            begin = word_at(row, k);
            break;
        }
    if (begin > end || end > row->size - tail)
        return SC_E_MALFORMED;
    if (begin == end)
        *out = SC_SLICE_EMPTY;
    else
        *out = sc_slice_of(part(row, tail + (size_t)begin, (size_t)(end - begin)), (size_t)(end - begin));
    return SC_OK;
}

static struct sc_sql_value number_of(double d)
{
    if (d > -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d)
        return sc_sql_integer((int64_t)d);
    return sc_sql_real(d);
}

/* Text, blob, and what is no kind at all. */
static sc_err get_other(const struct sql_row *row, size_t i, unsigned kind, struct sc_sql_value *out)
{
    struct sc_slice s;
    if (kind != KIND_TEXT && kind != KIND_BLOB)
        return SC_E_MALFORMED;
    SC_TRY(get_bytes(row, i, &s));
    *out = kind == KIND_TEXT ? sc_sql_text(s) : sc_sql_blob(s);
    return SC_OK;
}

sc_err sql_row_get(const struct sql_row *row, size_t i, struct sc_sql_value *out)
{
    if (i >= row->count)
        return SC_E_NOT_FOUND;
    const unsigned kind = kind_at(row, i);
    double d;
    switch (kind) {
    case KIND_NULL:
        *out = sc_sql_null();
        return SC_OK;
    case KIND_INTEGER:
        *out = sc_sql_integer((int64_t)word_at(row, i));
        return SC_OK;
    case KIND_REAL:
    case KIND_NUMBER:
        d = double_of(word_at(row, i));
        if (d != d)
            return SC_E_MALFORMED; /* NaN is NULL in SQL and never written */
        *out = kind == KIND_REAL ? sc_sql_real(d) : number_of(d);
        return SC_OK;
    default:
        return get_other(row, i, kind, out);
    }
}

sc_err sql_row_check(const struct sql_row *row)
{
    struct sc_sql_value v;
    size_t end = 8 * (1 + type_words(row->count) + row->count);
    for (size_t i = 0; i < row->count; i++) {
        SC_TRY(sql_row_get(row, i, &v));
        if (v.type == SC_SQL_TEXT || v.type == SC_SQL_BLOB)
            end += v.bytes.size;
        if (kind_at(row, i) == KIND_NULL && word_at(row, i) != 0)
            return SC_E_MALFORMED;
    }
    if (row->count % 16 != 0 && row->types[row->count / 16] >> row->count % 16 * 4 != 0)
        return SC_E_MALFORMED;
    return end == row->size ? SC_OK : SC_E_MALFORMED;
}
