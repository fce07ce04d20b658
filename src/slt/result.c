#include "slt/result.h"

#include "crypto/crypto.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void slt_result_reset(struct slt_result *r)
{
    sc_buf_reset(&r->text);
    r->text.size_max = SLT_RESULT_SIZE_MAX;
    r->count = 0;
    r->column_count = 0;
}

void slt_result_deinit(struct slt_result *r)
{
    sc_buf_deinit(&r->text);
    free(r->offsets);
    *r = (struct slt_result){0};
}

/* ---- a value as a number, by SQLite's rules for CAST: the longest prefix that is one ---- */
static int64_t integer_of_real(double v)
{
    if (v <= -9223372036854775808.0)
        return INT64_MIN;
    return v >= 9223372036854775808.0 ? INT64_MAX : (int64_t)v;
}

static size_t digits(struct sc_slice s, size_t at)
{
    const size_t begin = at;
    while (at < s.size && s.ptr[at] >= '0' && s.ptr[at] <= '9')
        at++;
    return at - begin;
}

static size_t sign(struct sc_slice s, size_t at)
{
    return at < s.size && (s.ptr[at] == '+' || s.ptr[at] == '-');
}

/* Bytes of s that spell a number: blanks, sign, digits and, unless whole, a fraction and an exponent. */
static size_t number_prefix(struct sc_slice s, bool whole)
{
    size_t at = 0;
    while (at < s.size && memchr(" \t\n\v\f\r", s.ptr[at], 6) != NULL)
        at++;
    at += sign(s, at);
    const size_t before = digits(s, at);
    at += before;
    if (whole)
        return before != 0 ? at : 0;
    size_t after = 0;
    if (at < s.size && s.ptr[at] == '.') {
        after = digits(s, at + 1);
        at += 1 + after;
    }
    if (before + after == 0)
        return 0;
    if (at < s.size && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        const size_t exponent = at + 1 + sign(s, at + 1);
        if (digits(s, exponent) != 0)
            at = exponent + digits(s, exponent);
    }
    return at;
}

/* The prefix of s as a string of its own; numbers of more than 300 characters are cut. */
static const char *prefix_text(struct sc_slice s, bool whole, char text[static 304])
{
    size_t n = number_prefix(s, whole);
    n = n < 300 ? n : 300;
    memcpy(text, s.ptr, n);
    text[n] = '\0';
    return text;
}

static int64_t to_integer(const struct sc_sql_value *v)
{
    char text[304];
    if (v->type == SC_SQL_INTEGER)
        return v->integer;
    if (v->type == SC_SQL_REAL)
        return integer_of_real(v->real);
    return strtoll(prefix_text(v->bytes, true, text), NULL, 10);
}

static double to_real(const struct sc_sql_value *v)
{
    char text[304];
    if (v->type == SC_SQL_INTEGER)
        return (double)v->integer;
    if (v->type == SC_SQL_REAL)
        return v->real;
    return strtod(prefix_text(v->bytes, false, text), NULL);
}

/* ---- printing ---- */
static void put_text(struct sc_buf *out, const struct sc_sql_value *v)
{
    char number[SQL_NUMBER_TEXT_SIZE];
    struct sc_sql_value t = *v;
    if (t.type == SC_SQL_INTEGER || t.type == SC_SQL_REAL)
        sql_affinity_apply(SQL_AFFINITY_TEXT, &t, number);
    if (t.bytes.size == 0)
        sc_buf_put_str(out, "(empty)");
    for (size_t i = 0; i < t.bytes.size; i++) {
        const uint8_t c = t.bytes.ptr[i];
        sc_buf_put_u8(out, c >= 0x20 && c <= 0x7e ? c : '@');
    }
}

static void put_value(struct sc_buf *out, char type, const struct sc_sql_value *v)
{
    if (v->type == SC_SQL_NULL)
        sc_buf_put_str(out, "NULL");
    else if (type == 'I')
        sc_buf_put_fmt(out, "%" PRId64, to_integer(v));
    else if (type == 'R')
        sc_buf_put_fmt(out, "%.3f", to_real(v));
    else
        put_text(out, v);
    sc_buf_put_u8(out, '\0');
}

static sc_err reserve(struct slt_result *r, size_t more)
{
    if (r->count + more <= r->capacity)
        return SC_OK;
    const size_t capacity = 2 * r->capacity + more + 64;
    uint32_t *offsets = reallocarray(r->offsets, capacity, sizeof *offsets);
    if (offsets == NULL)
        return SC_E_NOMEM;
    r->offsets = offsets;
    r->capacity = capacity;
    return SC_OK;
}

sc_err slt_result_add(struct slt_result *r, struct sc_slice types, const struct sc_sql_value *values, size_t count)
{
    if (count != types.size)
        return SC_E_USAGE;
    SC_TRY(reserve(r, count));
    for (size_t i = 0; i < count; i++) {
        r->offsets[r->count++] = (uint32_t)r->text.size; /* SLT_RESULT_SIZE_MAX keeps it small */
        put_value(&r->text, (char)types.ptr[i], &values[i]);
    }
    r->column_count = count;
    return sc_buf_status(&r->text);
}

/* ---- sorting ---- */
struct row_order {
    const struct slt_result *result;
    size_t width; /* values compared one after another */
};

static int rows_compare(const void *a, const void *b, void *arg)
{
    const struct row_order *o = arg;
    const uint32_t *x = a, *y = b;
    int c = 0;
    for (size_t i = 0; i < o->width && c == 0; i++)
        c = strcmp((const char *)o->result->text.ptr + x[i], (const char *)o->result->text.ptr + y[i]);
    return c;
}

sc_err slt_result_sort(struct slt_result *r, enum slt_sort sort)
{
    const struct row_order order = {r, sort == SLT_ROWSORT ? r->column_count : 1};
    if (sort == SLT_NOSORT || r->count == 0)
        return SC_OK;
    qsort_r(r->offsets, r->count / order.width, order.width * sizeof *r->offsets, rows_compare, (void *)&order);
    return SC_OK;
}

/* ---- comparing ---- */
sc_err slt_result_md5(const struct slt_result *r, char md5_out[static SLT_MD5_TEXT_SIZE])
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf lines = {0};
    uint8_t md5[SC_MD5_SIZE];
    for (size_t i = 0; i < r->count; i++) {
        sc_buf_put_str(&lines, slt_result_value(r, i));
        sc_buf_put_u8(&lines, '\n');
    }
    SC_TRY(sc_buf_status(&lines));
    SC_TRY(sc_md5(sc_buf_slice(&lines), md5));
    sc_hex_encode(sc_slice_of(md5, sizeof md5), md5_out);
    return SC_OK;
}

static bool lines_equal(const struct slt_result *r, struct sc_slice expected)
{
    struct sc_reader rest = sc_reader_of(expected);
    struct sc_slice line;
    size_t i = 0;
    for (; slt_line_next(&rest, &line); i++)
        if (i == r->count || !sc_slice_eq(line, sc_slice_str(slt_result_value(r, i))))
            return false;
    return i == r->count;
}

static sc_err hash_line(const struct slt_result *r, char line[static 80])
{
    char md5[SLT_MD5_TEXT_SIZE];
    SC_TRY(slt_result_md5(r, md5));
    snprintf(line, 80, "%zu values hashing to %s", r->count, md5);
    return SC_OK;
}

sc_err slt_result_matches(const struct slt_result *r, struct sc_slice expected, bool *out)
{
    static const char mark[] = " values hashing to ";
    char line[80];
    bool same = lines_equal(r, expected);
    if (!same && memmem(expected.ptr, expected.size, mark, sizeof mark - 1) != NULL) {
        SC_TRY(hash_line(r, line));
        same = sc_slice_eq(expected, sc_slice_str(line));
    }
    *out = same;
    return SC_OK;
}

sc_err slt_result_put(const struct slt_result *r, uint64_t hash_threshold, struct sc_buf *out)
{
    char line[80];
    if (hash_threshold != 0 && r->count > hash_threshold) {
        SC_TRY(hash_line(r, line));
        sc_buf_put_fmt(out, "%s\n", line);
        return SC_OK;
    }
    for (size_t i = 0; i < r->count; i++)
        sc_buf_put_fmt(out, "%s\n", slt_result_value(r, i));
    return SC_OK;
}
