#include "sql/filter.h"

#include <stdio.h>

#define TRACE_LINES_MAX 200

void sql_ranges_deinit(struct sql_ranges *r)
{
    sc_buf_deinit(&r->bounds);
    sc_buf_deinit(&r->prefix);
    sc_buf_deinit(&r->low);
    sc_buf_deinit(&r->high);
    free(r->ranges);
}

struct filter {
    const struct sql_index *index;
    bool secondary;
    struct sc_buf *prefix;  /* the index's prefix and the values before the IN */
    struct sc_buf in;       /* encoded IN values, one after another */
    struct sc_slice *items; /* them, sorted and distinct */
    size_t item_count, item_capacity;
    struct sc_buf suffix;      /* values behind the IN */
    struct sc_buf *low, *high; /* what is put behind prefix item suffix */
    bool has_in, empty, stop, nulls;
    int values; /* parts fixed by e, n and i */
};

static void filter_deinit(struct filter *f)
{
    sc_buf_deinit(&f->in);
    sc_buf_deinit(&f->suffix);
    free(f->items);
}

enum usable { USABLE, NEVER_TRUE, UNDECIDED };

/* The value as the comparison sees it, after the column's affinity. */
static enum usable comparand(const struct sql_part *p, sqlite3_value *from, struct sc_sql_value *out)
{
    char unused[SQL_NUMBER_TEXT_SIZE];
    sql_value_from(from, out);
    if (out->type == SC_SQL_NULL)
        return NEVER_TRUE;
    if (sql_affinity_is_numeric(p->affinity))
        sql_affinity_apply(SQL_AFFINITY_NUMERIC, out, unused);
    else if (out->type == SC_SQL_INTEGER || out->type == SC_SQL_REAL)
        return UNDECIDED;
    return USABLE;
}

static int compare_items(const void *a, const void *b)
{
    return sc_slice_cmp(*(const struct sc_slice *)a, *(const struct sc_slice *)b);
}

static sc_err add_item(struct filter *f, const struct sql_part *p, const struct sc_sql_value *v)
{
    if (f->item_count == f->item_capacity) {
        const size_t capacity = f->item_capacity == 0 ? 16 : f->item_capacity * 2;
        struct sc_slice *grown = realloc(f->items, capacity * sizeof *grown);
        if (grown == NULL)
            return SC_E_NOMEM;
        f->items = grown;
        f->item_capacity = capacity;
    }
    const size_t from = f->in.size;
    sql_tuple_put_ordered(&f->in, v, p->collation, p->descending);
    /* the buffer still moves: sizes now, places at the end */
    f->items[f->item_count++] = (struct sc_slice){(const uint8_t *)"", f->in.size - from};
    return sc_buf_status(&f->in);
}

static void sort_items(struct filter *f)
{
    size_t at = 0;
    size_t kept = 0;
    for (size_t i = 0; i < f->item_count; i++) {
        f->items[i].ptr = f->in.ptr + at;
        at += f->items[i].size;
    }
    if (f->item_count != 0)
        qsort(f->items, f->item_count, sizeof *f->items, compare_items);
    for (size_t i = 0; i < f->item_count; i++)
        if (kept == 0 || !sc_slice_eq(f->items[kept - 1], f->items[i]))
            f->items[kept++] = f->items[i];
    f->item_count = kept;
}

static sc_err filter_in(struct filter *f, const struct sql_part *p, sqlite3_value *list)
{
    sqlite3_value *v = NULL;
    struct sc_sql_value value;
    f->has_in = true;
    int rc = sqlite3_vtab_in_first(list, &v);
    for (; rc == SQLITE_OK && v != NULL; rc = sqlite3_vtab_in_next(list, &v)) {
        const enum usable usable = comparand(p, v, &value);
        if (usable == UNDECIDED) { /* forget the list: all values of the column are read */
            f->has_in = false;
            f->stop = true;
            return SC_OK;
        }
        if (usable == USABLE)
            SC_TRY(add_item(f, p, &value));
    }
    if (rc != SQLITE_DONE && rc != SQLITE_OK)
        return SC_E_NOMEM;
    sort_items(f);
    f->empty = f->empty || f->item_count == 0;
    return SC_OK;
}

/* A bound on a part: on a descending one the ends change places. */
static void bound(struct filter *f, const struct sql_part *p, char letter, const struct sc_sql_value *v)
{
    const bool is_low = (letter == 'g' || letter == 'G') != p->descending;
    const bool inclusive = letter == 'G' || letter == 'L';
    struct sc_buf *to = is_low ? f->low : f->high;
    sql_tuple_put_ordered(to, v, p->collation, p->descending);
    if (is_low != inclusive)
        sc_buf_put_u8(to, SQL_TUPLE_AFTER);
    else if (p->descending)
        sc_buf_put_u8(to, SQL_TUPLE_BEFORE);
}

static sc_err argument(struct filter *f, char letter, sqlite3_value *arg)
{
    const struct sql_part *p = &f->index->parts[f->values];
    struct sc_sql_value value;
    if (letter == 'i') {
        SC_TRY(filter_in(f, p, arg));
        f->values++;
        return SC_OK;
    }
    const enum usable usable = comparand(p, arg, &value);
    const bool equal = letter == 'e' || letter == 'n';
    if (usable != USABLE && !(usable == NEVER_TRUE && letter == 'n')) {
        f->empty = f->empty || usable == NEVER_TRUE;
        f->stop = f->stop || (usable == UNDECIDED && equal);
        return SC_OK;
    }
    if (!equal) {
        bound(f, p, letter, &value);
        return SC_OK;
    }
    f->nulls = f->nulls || usable == NEVER_TRUE;
    sql_tuple_put_ordered(f->has_in ? &f->suffix : f->prefix, &value, p->collation, p->descending);
    f->values++;
    return SC_OK;
}

/* A bound excludes NULLs, which sort before all (descending: behind all). */
static void exclude_nulls(struct filter *f)
{
    if (!f->secondary || f->values >= f->index->part_count || (f->low->size == 0) == (f->high->size == 0))
        return;
    const struct sql_part *p = &f->index->parts[f->values];
    const struct sc_sql_value null = sc_sql_null();
    if (f->low->size == 0 && !p->descending) {
        sql_tuple_put(f->low, &null);
        sc_buf_put_u8(f->low, SQL_TUPLE_AFTER);
    } else if (f->high->size == 0 && p->descending) {
        sql_tuple_put_ordered(f->high, &null, SQL_COLLATION_BINARY, true);
    }
}

static void put_bound(struct sql_ranges *out, const struct filter *f, struct sc_slice item, struct sc_slice tail,
                      uint32_t *at_out, uint32_t *size_out)
{
    const size_t at = out->bounds.size;
    sc_buf_put_bytes(&out->bounds, sc_buf_slice(f->prefix));
    sc_buf_put_bytes(&out->bounds, item);
    sc_buf_put_bytes(&out->bounds, sc_buf_slice(&f->suffix));
    sc_buf_put_bytes(&out->bounds, tail);
    *at_out = (uint32_t)at;
    *size_out = (uint32_t)(out->bounds.size - at);
}

static sc_err make_ranges(struct sql_ranges *out, const struct filter *f, bool whole_key)
{
    static const uint8_t after[1] = {SQL_TUPLE_AFTER};
    static const uint8_t before[1] = {SQL_TUPLE_BEFORE};
    const size_t count = f->empty ? 0 : f->has_in ? f->item_count : 1;
    const struct sc_slice high = f->high->size != 0 ? sc_buf_slice(f->high) : sc_slice_of(after, 1);
    struct sc_slice low = sc_buf_slice(f->low);
    if (low.size == 0 && f->secondary && (f->values != 0 || whole_key))
        low = sc_slice_of(before, 1); /* what follows complete values, also descending ones */
    if (count > out->capacity) {
        struct sql_key_range *grown = realloc(out->ranges, count * sizeof *grown);
        if (grown == NULL)
            return SC_E_NOMEM;
        out->ranges = grown;
        out->capacity = count;
    }
    for (size_t i = 0; i < count; i++) {
        const struct sc_slice item = f->has_in ? f->items[i] : SC_SLICE_EMPTY;
        put_bound(out, f, item, low, &out->ranges[i].lower, &out->ranges[i].lower_size);
        put_bound(out, f, item, high, &out->ranges[i].upper, &out->ranges[i].upper_size);
    }
    out->count = count;
    out->all = count == 1 && f->values == 0 && f->low->size == 0 && f->high->size == 0;
    return out->bounds.size <= UINT32_MAX ? sc_buf_status(&out->bounds) : SC_E_LIMIT;
}

sc_err sql_filter(const struct sql_index *ix, uint8_t kind, const char *letters, sqlite3_value **argv,
                  struct sql_ranges *out, bool *whole_key_out)
{
    SC_CLEANUP(filter_deinit)
    struct filter f = {
        .index = ix, .secondary = kind == SQL_KEY_INDEX, .prefix = &out->prefix, .low = &out->low, .high = &out->high};
    sc_buf_reset(&out->bounds);
    sc_buf_reset(f.prefix);
    sc_buf_reset(f.low);
    sc_buf_reset(f.high);
    out->count = 0;
    sql_key_prefix(f.prefix, kind, ix->id);
    for (int i = 0; letters[i] != '\0' && !f.stop; i++)
        SC_TRY(argument(&f, letters[i], argv[i]));
    exclude_nulls(&f);
    SC_TRY(sc_buf_status(f.prefix));
    SC_TRY(sc_buf_status(&f.suffix));
    SC_TRY(sc_buf_status(f.low));
    SC_TRY(sc_buf_status(f.high));
    *whole_key_out = !f.empty && !f.stop && !f.has_in && !f.nulls && ix->unique && f.values == ix->part_count;
    return make_ranges(out, &f, *whole_key_out);
}

/* ---- EXPLAIN KEYS ---- */
static void put_value(struct sc_buf *out, const struct sc_sql_value *v)
{
    char text[SQL_NUMBER_TEXT_SIZE];
    switch (v->type) {
    case SC_SQL_INTEGER:
        sc_buf_put_fmt(out, "%lld", (long long)v->integer);
        break;
    case SC_SQL_REAL:
        sc_buf_put_bytes(out, sc_slice_of(text, sql_real_text(v->real, text)));
        break;
    case SC_SQL_TEXT:
        sc_buf_put_bytes(out, v->bytes);
        break;
    case SC_SQL_BLOB:
        sc_buf_put_fmt(out, "x'%zu bytes'", v->bytes.size);
        break;
    case SC_SQL_NULL:
        sc_buf_put_str(out, "NULL");
        break;
    }
}

/* "42|2026-01-01T00:15", with a mark where the bound is not a value's end. */
static void put_key(struct sc_buf *out, const struct sql_table *t, const struct sql_index *ix, struct sc_slice bound)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf turned = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = {0};
    struct sc_reader r = {bound.ptr + SQL_KEY_PREFIX_SIZE, bound.ptr + bound.size};
    sc_buf_put_str(out, t->name);
    if (ix != &t->primary)
        sc_buf_put_fmt(out, ".%s", ix->name);
    for (size_t k = 0; k < ix->part_count && r.cur < r.end; k++) {
        struct sc_sql_value v;
        struct sc_reader at = r;
        if (ix->parts[k].descending) {
            sc_buf_reset(&turned);
            for (const uint8_t *p = r.cur; p < r.end; p++)
                sc_buf_put_u8(&turned, (uint8_t) ~*p);
            at = sc_reader_of(sc_buf_slice(&turned));
        }
        const uint8_t *from = at.cur;
        if (sc_buf_status(&turned) != SC_OK || sql_tuple_get(&at, &scratch, &v) != SC_OK)
            break;
        r.cur += at.cur - from;
        sc_buf_put_str(out, "|");
        put_value(out, &v);
    }
    if (r.cur < r.end && *r.cur == SQL_TUPLE_AFTER)
        sc_buf_put_str(out, "|*");
}

sc_err sql_trace_ranges(struct sc_sql_session *s, const struct sql_table *t, const struct sql_index *ix,
                        const struct sql_ranges *ranges, bool whole_key)
{
    struct sc_buf *out = &s->trace->lines;
    for (size_t i = 0; i < ranges->count; i++) {
        if (s->trace->line_count++ >= TRACE_LINES_MAX)
            return SC_OK; /* counted, not shown */
        if (out->size != 0)
            sc_buf_put_str(out, "\n");
        sc_buf_put_str(out, whole_key ? "get " : "scan ");
        put_key(out, t, ix, sql_range_lower(ranges, &ranges->ranges[i]));
        if (whole_key)
            continue;
        sc_buf_put_str(out, " .. ");
        put_key(out, t, ix, sql_range_upper(ranges, &ranges->ranges[i]));
    }
    return sc_buf_status(out) == SC_OK ? SC_OK : sql_no_memory(s);
}
