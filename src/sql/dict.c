#include "sql/dict.h"

#include <strings.h>

#define TEXT_SIZE_MAX ((size_t)4 << 20)
#define FLAG_READY    ((uint8_t)1)

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

/* ---- objects ---- */
void sql_object_free(struct sql_object *o)
{
    if (o == NULL)
        return;
    free(o->name);
    free(o->table_name);
    free(o->sql);
    free(o);
}

void sql_object_freep(struct sql_object **o)
{
    sql_object_free(*o);
}

struct sql_object *sql_object_copy(const struct sql_object *from)
{
    struct sql_object *o = malloc(sizeof *o);
    if (o == NULL)
        return NULL;
    *o = *from;
    o->name = strdup(from->name);
    o->table_name = strdup(from->table_name);
    o->sql = strdup(from->sql);
    if (o->name == NULL || o->table_name == NULL || o->sql == NULL) {
        sql_object_free(o);
        return NULL;
    }
    return o;
}

void sql_object_encode(const struct sql_object *o, struct sc_buf *out)
{
    sc_buf_put_u8(out, SQL_DICTIONARY_VERSION);
    sc_buf_put_u8(out, (uint8_t)o->type);
    sc_buf_put_u8(out, o->ready ? FLAG_READY : 0);
    sc_buf_put_lvar(out, sc_slice_str(o->name));
    sc_buf_put_lvar(out, sc_slice_str(o->table_name));
    sc_buf_put_lvar(out, sc_slice_str(o->sql));
    if (o->type != SQL_OBJECT_TABLE)
        return;
    sc_buf_put_varint(out, o->slot_count);
    sc_buf_put_varint(out, o->column_count);
    for (size_t i = 0; i < o->column_count; i++)
        sc_buf_put_varint(out, o->slots[i]);
}

static sc_err get_text(struct sc_reader *r, size_t size_max, char **out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_lvar(r, &s));
    if (s.size > size_max || memchr(s.ptr, 0, s.size) != NULL)
        return SC_E_MALFORMED;
    *out = strndup((const char *)s.ptr, s.size);
    return *out != NULL ? SC_OK : SC_E_NOMEM;
}

static sc_err get_slots(struct sc_reader *r, struct sql_object *o)
{
    bool given[SQL_COLUMN_COUNT_MAX] = {false};
    uint64_t slots;
    uint64_t columns;
    SC_TRY(sc_reader_get_varint(r, &slots));
    SC_TRY(sc_reader_get_varint(r, &columns));
    if (columns == 0 || columns > slots || slots > SQL_COLUMN_COUNT_MAX)
        return SC_E_MALFORMED;
    for (size_t i = 0; i < columns; i++) {
        uint64_t slot;
        SC_TRY(sc_reader_get_varint(r, &slot));
        if (slot >= slots || given[slot])
            return SC_E_MALFORMED;
        given[slot] = true;
        o->slots[i] = (uint16_t)slot;
    }
    o->slot_count = (uint16_t)slots;
    o->column_count = (uint16_t)columns;
    return SC_OK;
}

static sc_err decode(struct sc_slice record, struct sql_object *o)
{
    struct sc_reader r = sc_reader_of(record);
    uint8_t version;
    uint8_t type;
    uint8_t flags;
    SC_TRY(sc_reader_get_u8(&r, &version));
    SC_TRY(sc_reader_get_u8(&r, &type));
    SC_TRY(sc_reader_get_u8(&r, &flags));
    if (version != SQL_DICTIONARY_VERSION || strchr("tivg", type) == NULL || type == 0 || flags > FLAG_READY)
        return SC_E_MALFORMED;
    o->type = type;
    o->ready = flags != 0;
    SC_TRY(get_text(&r, SQL_NAME_SIZE_MAX + 32, &o->name));
    SC_TRY(get_text(&r, SQL_NAME_SIZE_MAX - 1, &o->table_name));
    SC_TRY(get_text(&r, TEXT_SIZE_MAX, &o->sql));
    if (o->type == SQL_OBJECT_TABLE)
        SC_TRY(get_slots(&r, o));
    return sc_reader_expect_end(&r);
}

sc_err sql_object_decode(uint32_t id, struct sc_slice record, struct sql_object **out, struct sc_diag *diag)
{
    SC_CLEANUP(sql_object_freep) struct sql_object *o = calloc(1, sizeof *o);
    if (o == NULL)
        return SC_E_NOMEM;
    const sc_err err = decode(record, o);
    if (err != SC_OK)
        return sc_fail(diag, err, "dictionary record of object %u is malformed", (unsigned)id);
    o->id = id;
    *out = SC_TAKE(o);
    return SC_OK;
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

void sql_key_object(struct sc_buf *out, uint32_t id)
{
    put_dictionary_key(out, 'o', id);
}

void sql_key_dropped(struct sc_buf *out, uint32_t id)
{
    put_dictionary_key(out, 'x', id);
}

void sql_key_prefix(struct sc_buf *out, uint8_t kind, uint32_t id)
{
    uint8_t b[SQL_KEY_PREFIX_SIZE] = {kind};
    sc_store_u32be(b + 1, id);
    sc_buf_put_bytes(out, sc_slice_of(b, sizeof b));
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
    sql_key_prefix(out, SQL_KEY_ROWS, t->id);
    if (t->hidden) {
        sql_tuple_put(out, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = hidden});
        return;
    }
    for (size_t k = 0; k < t->primary.part_count; k++) {
        const struct sql_part *p = &t->primary.parts[k];
        if (p->collation == SQL_COLLATION_BINARY)
            sql_tuple_put(out, &values[p->column]);
        else
            sql_tuple_put_ordered(out, &values[p->column], p->collation, false);
    }
}

void sql_table_row(const struct sql_table *t, const struct sc_sql_value *values, struct sc_buf *out)
{
    struct sc_sql_value slots[SQL_COLUMN_COUNT_MAX];
    if (t->slot_count != t->column_count)
        for (size_t i = 0; i < t->slot_count; i++)
            slots[i] = sc_sql_null();
    for (size_t i = 0; i < t->column_count; i++)
        slots[t->columns[i].slot] = t->columns[i].in_row ? values[i] : sc_sql_null();
    sql_row_encode(out, t->id, slots, t->numeric, t->slot_count);
}

static bool head_fits(struct sc_slice key, uint8_t kind, uint32_t id)
{
    return key.size >= SQL_KEY_PREFIX_SIZE && key.ptr[0] == kind && sc_load_u32be(key.ptr + 1) == id;
}

sc_err sql_table_key_number(const struct sql_table *t, struct sc_slice key, int64_t *out)
{
    struct sc_sql_value v;
    struct sc_buf scratch = {0};
    if (!head_fits(key, SQL_KEY_ROWS, t->id))
        return SC_E_MALFORMED;
    struct sc_reader r = {key.ptr + SQL_KEY_PREFIX_SIZE, key.ptr + key.size};
    const sc_err err = sql_tuple_get(&r, &scratch, &v);
    sc_buf_deinit(&scratch);
    SC_TRY(err);
    if (v.type != SC_SQL_INTEGER)
        return SC_E_MALFORMED;
    *out = v.integer;
    return SC_OK;
}

/* A reader at part number `part`.  Behind a descending part the bytes are complemented: scratch holds them turned back.
 */
static sc_err seek_part(const struct sql_index *ix, struct sc_slice key, size_t part, struct sc_buf *scratch,
                        struct sc_reader *out)
{
    struct sc_reader r = {key.ptr + SQL_KEY_PREFIX_SIZE, key.ptr + key.size};
    for (size_t k = 0; k < part; k++) {
        if (!ix->parts[k].descending) {
            SC_TRY(sql_tuple_skip(&r));
            continue;
        }
        const size_t left = sc_reader_left(&r);
        sc_buf_reset(scratch);
        uint8_t *turned = sc_buf_extend(scratch, left);
        if (turned == NULL)
            return SC_E_NOMEM;
        for (size_t i = 0; i < left; i++)
            turned[i] = (uint8_t)~r.cur[i];
        struct sc_reader t = {turned, turned + left};
        SC_TRY(sql_tuple_skip(&t));
        r.cur += t.cur - turned;
    }
    *out = r;
    return SC_OK;
}

sc_err sql_index_key_value(const struct sql_index *ix, uint8_t kind, struct sc_slice key, size_t part,
                           struct sc_buf *scratch, struct sc_sql_value *out)
{
    struct sc_reader r;
    if (!head_fits(key, kind, ix->id))
        return SC_E_MALFORMED;
    SC_TRY(seek_part(ix, key, part, scratch, &r));
    struct sc_buf turned = {0};
    if (ix->parts[part].descending) {
        for (const uint8_t *p = r.cur; p < r.end; p++)
            sc_buf_put_u8(&turned, (uint8_t) ~*p);
        SC_TRY(sc_buf_status(&turned));
        r = sc_reader_of(sc_buf_slice(&turned));
    }
    sc_err err = sql_tuple_get(&r, scratch, out);
    if (err == SC_OK && ix->parts[part].descending && (out->type == SC_SQL_TEXT || out->type == SC_SQL_BLOB) &&
        out->bytes.ptr != scratch->ptr) { /* borrowed from what goes now */
        sc_buf_reset(scratch);
        sc_buf_put_bytes(scratch, out->bytes);
        out->bytes = sc_buf_slice(scratch);
        err = sc_buf_status(scratch);
    }
    sc_buf_deinit(&turned);
    SC_TRY(err);
    if (ix->parts[part].affinity == SQL_AFFINITY_REAL && out->type == SC_SQL_INTEGER)
        *out = sc_sql_real((double)out->integer);
    return SC_OK;
}

sc_err sql_index_entry_pk(const struct sql_index *ix, struct sc_slice key, struct sc_slice value,
                          struct sc_buf *scratch, struct sc_slice *out)
{
    struct sc_reader r;
    if (!head_fits(key, SQL_KEY_INDEX, ix->id))
        return SC_E_MALFORMED;
    if (value.size != 0) { /* unique: the key is the columns alone */
        *out = value;
        return SC_OK;
    }
    SC_TRY(seek_part(ix, key, ix->part_count, scratch, &r));
    *out = sc_slice_of(r.cur, sc_reader_left(&r));
    return out->size != 0 ? SC_OK : SC_E_MALFORMED;
}
