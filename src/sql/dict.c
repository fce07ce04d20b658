#include "sql/dict.h"

#include <stdio.h>
#include <strings.h>

#define RECORD_VERSION ((uint8_t)1)
#define FLAG_NOT_NULL  ((uint8_t)1)
#define FLAG_DEFAULT   ((uint8_t)2)
#define TEXT_SIZE_MAX  ((size_t)64 << 10) /* of a declared type or default */

struct sql_table *sql_table_ref(struct sql_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void sql_table_unref(struct sql_table *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    sc_arena_deinit(&t->arena);
    free(t);
}

void sql_table_unrefp(struct sql_table **t)
{
    sql_table_unref(*t);
}

int sql_table_column(const struct sql_table *t, const char *name)
{
    for (int i = 0; i < t->column_count; i++)
        if (strcasecmp(t->columns[i].name, name) == 0)
            return i;
    return -1;
}

static bool name_ok(const char *name)
{
    return name[0] != '\0' && strlen(name) < SQL_NAME_SIZE_MAX;
}

static sc_err copy_column(struct sql_table *t, const struct sql_column *from, struct sql_column *to)
{
    *to = *from;
    to->pk_index = -1;
    to->name = sc_arena_strdup(&t->arena, from->name);
    to->type = sc_arena_strdup(&t->arena, from->type);
    to->default_sql = from->default_sql != NULL ? sc_arena_strdup(&t->arena, from->default_sql) : NULL;
    bool whole = to->name != NULL && to->type != NULL && (to->default_sql != NULL) == (from->default_sql != NULL);
    if (from->default_sql == NULL)
        to->default_value = sc_sql_null();
    else if (from->default_value.type == SC_SQL_TEXT || from->default_value.type == SC_SQL_BLOB) {
        to->default_value.bytes = sc_arena_copy(&t->arena, from->default_value.bytes);
        whole = whole && to->default_value.bytes.ptr != NULL;
    }
    return whole ? SC_OK : SC_E_NOMEM;
}

static sc_err copy_columns(struct sql_table *t, const struct sql_table_spec *spec, struct sc_diag *diag)
{
    for (size_t i = 0; i < spec->column_count; i++) {
        const struct sql_column *c = &spec->columns[i];
        if (!name_ok(c->name) || strlen(c->type) > TEXT_SIZE_MAX)
            return sc_fail(diag, SC_E_LIMIT, "column %zu: a name has 1..%zu bytes", i + 1, SQL_NAME_SIZE_MAX - 1);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(spec->columns[k].name, c->name) == 0)
                return sc_fail(diag, SC_E_EXISTS, "duplicate column name: %s", c->name);
        SC_TRY(copy_column(t, c, &t->columns[i]));
    }
    return SC_OK;
}

sc_err sql_table_new(const struct sql_table_spec *spec, struct sql_table **out, struct sc_diag *diag)
{
    if (!name_ok(spec->name))
        return sc_fail(diag, SC_E_LIMIT, "a table's name has 1..%zu bytes", SQL_NAME_SIZE_MAX - 1);
    if (spec->column_count == 0 || spec->column_count > SQL_COLUMN_COUNT_MAX || spec->pk_count > SQL_PK_COUNT_MAX)
        return sc_fail(diag, SC_E_LIMIT, "table %s: at most %d columns, %d of them in the primary key", spec->name,
                       SQL_COLUMN_COUNT_MAX, SQL_PK_COUNT_MAX);
    SC_CLEANUP(sql_table_unrefp) struct sql_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return SC_E_NOMEM;
    t->refs = 1;
    sc_arena_init(&t->arena, (size_t)16 << 20);
    t->id = spec->id;
    t->rows_estimate = -1;
    t->name = sc_arena_strdup(&t->arena, spec->name);
    t->columns = sc_arena_alloc(&t->arena, spec->column_count * sizeof *t->columns);
    if (t->name == NULL || t->columns == NULL)
        return SC_E_NOMEM;
    SC_TRY(copy_columns(t, spec, diag));
    t->column_count = (uint16_t)spec->column_count;
    for (size_t k = 0; k < spec->pk_count; k++) {
        if (spec->pk[k] >= spec->column_count || t->columns[spec->pk[k]].pk_index >= 0)
            return sc_fail(diag, SC_E_MALFORMED, "table %s: primary key column %zu", spec->name, k + 1);
        t->columns[spec->pk[k]].pk_index = (int)k;
        t->pk[k] = spec->pk[k];
    }
    t->pk_count = (uint16_t)spec->pk_count;
    for (size_t i = 0; i < t->column_count; i++) {
        struct sql_column *c = &t->columns[i];
        c->stored_index = c->pk_index < 0 || c->affinity == SQL_AFFINITY_BLOB ? t->stored_count++ : -1;
    }
    t->autonumber = t->pk_count == 1 && strcasecmp(t->columns[t->pk[0]].type, "INTEGER") == 0;
    *out = SC_TAKE(t);
    return SC_OK;
}

/* ---- records ---- */
void sql_table_encode(const struct sql_table *t, struct sc_buf *out)
{
    sc_buf_put_u8(out, RECORD_VERSION);
    sc_buf_put_lvar(out, sc_slice_str(t->name));
    sc_buf_put_varint(out, t->column_count);
    for (size_t i = 0; i < t->column_count; i++) {
        const struct sql_column *c = &t->columns[i];
        sc_buf_put_lvar(out, sc_slice_str(c->name));
        sc_buf_put_lvar(out, sc_slice_str(c->type));
        sc_buf_put_u8(out, (uint8_t)c->affinity);
        sc_buf_put_u8(out, (uint8_t)((c->not_null ? FLAG_NOT_NULL : 0) | (c->default_sql != NULL ? FLAG_DEFAULT : 0)));
        if (c->default_sql != NULL) {
            sc_buf_put_lvar(out, sc_slice_str(c->default_sql));
            sql_tuple_put(out, &c->default_value);
        }
    }
    sc_buf_put_varint(out, t->pk_count);
    for (size_t k = 0; k < t->pk_count; k++)
        sc_buf_put_varint(out, t->pk[k]);
}

static sc_err get_text(struct sc_reader *r, size_t size_max, struct sc_arena *arena, const char **out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_lvar(r, &s));
    if (s.size > size_max || memchr(s.ptr, 0, s.size) != NULL)
        return SC_E_MALFORMED;
    char *p = sc_arena_alloc(arena, s.size + 1);
    if (p == NULL)
        return SC_E_NOMEM;
    memcpy(p, s.ptr, s.size);
    *out = p;
    return SC_OK;
}

static sc_err get_default(struct sc_reader *r, struct sc_arena *arena, struct sql_column *c)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = {0};
    SC_TRY(get_text(r, TEXT_SIZE_MAX, arena, &c->default_sql));
    SC_TRY(sql_tuple_get(r, &scratch, &c->default_value));
    if (c->default_value.type == SC_SQL_TEXT || c->default_value.type == SC_SQL_BLOB) {
        c->default_value.bytes = sc_arena_copy(arena, c->default_value.bytes);
        return c->default_value.bytes.ptr != NULL ? SC_OK : SC_E_NOMEM;
    }
    /* The key encoding does not tell 1.0 from 1: the column's affinity does. */
    char text[SQL_NUMBER_TEXT_SIZE];
    if (c->affinity == SQL_AFFINITY_REAL)
        sql_affinity_apply(c->affinity, &c->default_value, text);
    return SC_OK;
}

static sc_err get_column(struct sc_reader *r, struct sc_arena *arena, struct sql_column *c)
{
    uint8_t affinity;
    uint8_t flags;
    SC_TRY(get_text(r, SQL_NAME_SIZE_MAX - 1, arena, &c->name));
    SC_TRY(get_text(r, TEXT_SIZE_MAX, arena, &c->type));
    SC_TRY(sc_reader_get_u8(r, &affinity));
    SC_TRY(sc_reader_get_u8(r, &flags));
    if (affinity < SQL_AFFINITY_BLOB || affinity > SQL_AFFINITY_REAL || flags > (FLAG_NOT_NULL | FLAG_DEFAULT))
        return SC_E_MALFORMED;
    c->affinity = affinity;
    c->not_null = flags & FLAG_NOT_NULL;
    return flags & FLAG_DEFAULT ? get_default(r, arena, c) : SC_OK;
}

static sc_err decode(struct sc_slice record, struct sc_arena *arena, struct sql_table_spec *spec, uint16_t *pk)
{
    struct sc_reader r = sc_reader_of(record);
    uint8_t version;
    uint64_t n;
    SC_TRY(sc_reader_get_u8(&r, &version));
    if (version != RECORD_VERSION)
        return SC_E_MALFORMED;
    SC_TRY(get_text(&r, SQL_NAME_SIZE_MAX - 1, arena, &spec->name));
    SC_TRY(sc_reader_get_varint(&r, &n));
    if (n == 0 || n > SQL_COLUMN_COUNT_MAX)
        return SC_E_MALFORMED;
    struct sql_column *columns = sc_arena_alloc(arena, (size_t)n * sizeof *columns);
    if (columns == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        SC_TRY(get_column(&r, arena, &columns[i]));
    spec->columns = columns;
    spec->column_count = (size_t)n;
    SC_TRY(sc_reader_get_varint(&r, &n));
    if (n > SQL_PK_COUNT_MAX)
        return SC_E_MALFORMED;
    for (size_t k = 0; k < n; k++) {
        uint64_t c;
        SC_TRY(sc_reader_get_varint(&r, &c));
        if (c >= spec->column_count)
            return SC_E_MALFORMED;
        pk[k] = (uint16_t)c;
    }
    spec->pk = pk;
    spec->pk_count = (size_t)n;
    return sc_reader_expect_end(&r);
}

sc_err sql_table_decode(uint32_t id, struct sc_slice record, struct sql_table **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_arena_deinit) struct sc_arena arena;
    sc_arena_init(&arena, (size_t)16 << 20);
    struct sql_table_spec spec = {.id = id};
    uint16_t pk[SQL_PK_COUNT_MAX];
    const sc_err err = decode(record, &arena, &spec, pk);
    if (err != SC_OK)
        return sc_fail(diag, err, "dictionary record of table %u is malformed", (unsigned)id);
    return sql_table_new(&spec, out, diag);
}

/* ---- keys ---- */
static void put_dictionary_key(struct sc_buf *out, char kind, uint32_t id)
{
    sc_buf_put_u8(out, SQL_KEY_DICTIONARY);
    sc_buf_put_u8(out, (uint8_t)kind);
    sc_buf_put_u32be(out, id);
}

void sql_key_state(struct sc_buf *out)
{
    sc_buf_put_u8(out, SQL_KEY_DICTIONARY);
    sc_buf_put_u8(out, 's');
}

void sql_key_table(struct sc_buf *out, uint32_t table_id)
{
    put_dictionary_key(out, 't', table_id);
}

void sql_key_dropped(struct sc_buf *out, uint32_t table_id)
{
    put_dictionary_key(out, 'd', table_id);
}

void sql_key_rows(struct sc_buf *out, uint32_t table_id)
{
    sc_buf_put_u8(out, SQL_KEY_ROWS);
    sc_buf_put_u32be(out, table_id);
}

sc_err sql_key_dictionary_id(struct sc_slice key, uint32_t *id_out)
{
    if (key.size != 6 || key.ptr[0] != SQL_KEY_DICTIONARY)
        return SC_E_MALFORMED;
    *id_out = sc_load_u32be(key.ptr + 2);
    return SC_OK;
}

void sql_table_key(const struct sql_table *t, const struct sc_sql_value *values, int64_t hidden, struct sc_buf *out)
{
    sql_key_rows(out, t->id);
    for (size_t k = 0; k < t->pk_count; k++)
        sql_tuple_put(out, &values[t->pk[k]]);
    if (t->pk_count == 0)
        sql_tuple_put(out, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = hidden});
}

void sql_table_row(const struct sql_table *t, struct sc_slice key, const struct sc_sql_value *values,
                   struct sc_buf *out)
{
    struct sc_sql_value stored[SQL_COLUMN_COUNT_MAX];
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].stored_index >= 0)
            stored[t->columns[i].stored_index] = values[i];
    sql_row_encode(out, t->id, key, stored, t->stored_count);
}

sc_err sql_table_key_column(const struct sql_table *t, struct sc_slice key, int pk_index, struct sc_buf *scratch,
                            struct sc_sql_value *out)
{
    if (key.size < SQL_KEY_ROWS_SIZE || key.ptr[0] != SQL_KEY_ROWS || sc_load_u32be(key.ptr + 1) != t->id)
        return SC_E_MALFORMED;
    struct sc_reader r = {key.ptr + SQL_KEY_ROWS_SIZE, key.ptr + key.size};
    for (int k = 0; k < pk_index; k++)
        SC_TRY(sql_tuple_skip(&r));
    SC_TRY(sql_tuple_get(&r, scratch, out));
    if (t->columns[t->pk[pk_index]].affinity == SQL_AFFINITY_REAL && out->type == SC_SQL_INTEGER)
        *out = sc_sql_real((double)out->integer);
    return SC_OK;
}
