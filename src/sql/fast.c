/* INSERT INTO t [(columns)] VALUES (...), ... of parameters and plain literals: what loads are made of.  Its rows go
 * from the bindings to the row encoder without SQLite's virtual machine in between. */
#include "sql/internal.h"

#include <stdio.h>

struct param {
    struct sc_sql_value value; /* bytes in buf */
    struct sc_buf buf;
};
struct place {    /* of VALUES, row by row */
    size_t param; /* 0: literal */
    struct sc_sql_value literal;
};
struct sql_fast {
    struct sql_table *table; /* the statement's */
    enum sql_conflict conflict;
    uint16_t columns[SQL_COLUMN_COUNT_MAX];
    size_t column_count;
    uint8_t omitted[SQL_COLUMN_COUNT_MAX / 8];
    bool some_omitted;
    struct place *places;
    size_t place_count, place_capacity;
    struct param *params;
    size_t param_count;
    struct sc_buf texts; /* of literals */
};

void sql_fast_free(struct sql_fast *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->param_count; i++)
        sc_buf_deinit(&f->params[i].buf);
    free(f->params);
    free(f->places);
    sc_buf_deinit(&f->texts);
    free(f);
}

/* ---- looking ---- */
/* INSERT [OR REPLACE|IGNORE] INTO name; the lexer ends behind the name. */
static bool head(struct sql_fast *f, struct sql_lexer *lx)
{
    struct sql_token t = sql_lex(lx);
    f->conflict = sql_token_is(t, "REPLACE") ? SQL_CONFLICT_REPLACE : SQL_CONFLICT_FAIL;
    if (f->conflict == SQL_CONFLICT_FAIL && !sql_token_is(t, "INSERT"))
        return false;
    t = sql_lex(lx);
    if (sql_token_is(t, "OR")) {
        t = sql_lex(lx);
        if (sql_token_is(t, "REPLACE"))
            f->conflict = SQL_CONFLICT_REPLACE;
        else if (sql_token_is(t, "IGNORE"))
            f->conflict = SQL_CONFLICT_IGNORE;
        else
            return false;
        t = sql_lex(lx);
    }
    t = sql_token_is(t, "INTO") ? sql_lex(lx) : (struct sql_token){0};
    return t.kind == SQL_TOKEN_WORD || t.kind == SQL_TOKEN_QUOTED;
}

/* [(columns)] VALUES; the lexer ends behind it. */
static bool columns(struct sql_fast *f, struct sql_lexer *lx)
{
    const struct sql_table *t = f->table;
    char name[SQL_NAME_SIZE_MAX];
    struct sql_token k = sql_lex(lx);
    if (!sql_token_is_punct(k, '(')) {
        for (; f->column_count < t->column_count; f->column_count++)
            f->columns[f->column_count] = (uint16_t)f->column_count;
        return sql_token_is(k, "VALUES");
    }
    memset(f->omitted, 0xff, sizeof f->omitted);
    do {
        if (sql_token_name(sql_lex(lx), name, sizeof name) != SC_OK || f->column_count == t->column_count)
            return false;
        const int c = sql_table_column(t, name);
        if (c < 0 || (f->omitted[c / 8] >> c % 8 & 1) == 0)
            return false;
        f->omitted[c / 8] &= (uint8_t) ~(1u << c % 8);
        f->columns[f->column_count++] = (uint16_t)c;
        k = sql_lex(lx);
    } while (sql_token_is_punct(k, ','));
    f->some_omitted = f->column_count < t->column_count;
    return sql_token_is_punct(k, ')') && sql_token_is(sql_lex(lx), "VALUES");
}

static bool param(struct sql_token t, size_t *last, size_t *out)
{
    size_t n = 0;
    if (t.text.ptr[0] != '?' && t.text.ptr[0] != '$')
        return false;
    for (size_t i = 1; i < t.text.size; i++) {
        if (t.text.ptr[i] < '0' || t.text.ptr[i] > '9' || n > SQL_PARAM_NUMBER_MAX)
            return false;
        n = n * 10 + (size_t)(t.text.ptr[i] - '0');
    }
    if (t.text.size == 1)
        n = *last + 1;
    *last = n > *last ? n : *last;
    *out = n;
    return n >= 1 && n <= SQL_PARAM_NUMBER_MAX;
}

/* Numbers in decimal, texts without doubled quotes, NULL; others are SQLite's. */
static bool literal(struct sql_fast *f, struct sql_token t, bool minus, struct sc_sql_value *out)
{
    if (t.kind == SQL_TOKEN_NUMBER) {
        for (size_t i = 0; i < t.text.size; i++)
            if (strchr("0123456789.eE+-", t.text.ptr[i]) == NULL)
                return false;
        if (!sql_number_of_text(t.text, out))
            return false;
        if (minus && out->type == SC_SQL_INTEGER)
            out->integer = -out->integer;
        else if (minus)
            out->real = -out->real;
        return true;
    }
    if (minus)
        return false;
    if (sql_token_is(t, "NULL")) {
        *out = sc_sql_null();
        return true;
    }
    if (t.kind != SQL_TOKEN_STRING || t.text.ptr[0] != '\'' || memchr(t.text.ptr + 1, '\'', t.text.size - 2) != NULL)
        return false;
    *out = sc_sql_text(sc_slice_of(t.text.ptr + 1, t.text.size - 2));
    (void)f;
    return true;
}

static bool add_place(struct sql_fast *f, const struct place *p)
{
    if (f->place_count == f->place_capacity) {
        const size_t capacity = f->place_capacity == 0 ? 64 : f->place_capacity * 2;
        struct place *grown = realloc(f->places, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        f->places = grown;
        f->place_capacity = capacity;
    }
    f->places[f->place_count++] = *p;
    return true;
}

/* One "(...)", its parenthesis read. */
static bool row(struct sql_fast *f, struct sql_lexer *lx, size_t *last)
{
    for (size_t i = 0; i < f->column_count; i++) {
        struct place p = {0};
        struct sql_token t = sql_lex(lx);
        const bool minus = sql_token_is_punct(t, '-');
        if (minus)
            t = sql_lex(lx);
        const bool fits =
            t.kind == SQL_TOKEN_PARAM ? !minus && param(t, last, &p.param) : literal(f, t, minus, &p.literal);
        if (!fits || !add_place(f, &p) || !sql_token_is_punct(sql_lex(lx), i + 1 < f->column_count ? ',' : ')'))
            return false;
    }
    return true;
}

static bool rows(struct sql_fast *f, struct sql_lexer *lx, size_t *last)
{
    struct sql_token t;
    do {
        if (!sql_token_is_punct(sql_lex(lx), '(') || !row(f, lx, last))
            return false;
        t = sql_lex(lx);
    } while (sql_token_is_punct(t, ','));
    return t.kind == SQL_TOKEN_END;
}

sc_err sql_fast_look(struct sc_sql_stmt *st)
{
    struct sql_table *t = st->dml.table;
    if (t == NULL || !t->plain || st->dml.returning != NULL || st->dml.upsert_count != 0)
        return SC_OK;
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].default_sql != NULL && !t->columns[i].default_constant)
            return SC_OK;
    struct sql_fast *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sql_no_memory(st->session);
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    size_t last = 0;
    f->table = t;
    if (!head(f, &lx) || !columns(f, &lx) || !rows(f, &lx, &last)) {
        sql_fast_free(f);
        return SC_OK;
    }
    f->params = calloc(last + 1, sizeof *f->params);
    if (f->params == NULL) {
        sql_fast_free(f);
        return sql_no_memory(st->session);
    }
    f->param_count = last;
    st->param_count = last;
    st->dml.fast = f;
    return SC_OK;
}

/* ---- running ---- */
sc_err sql_fast_bind(struct sc_sql_stmt *st, size_t n, const struct sc_sql_value *v)
{
    struct param *p = &st->dml.fast->params[n - 1];
    p->value = *v;
    if (v->type != SC_SQL_TEXT && v->type != SC_SQL_BLOB)
        return SC_OK;
    sc_buf_reset(&p->buf);
    sc_buf_put_bytes(&p->buf, v->bytes);
    p->value.bytes = sc_buf_slice(&p->buf);
    return sc_buf_status(&p->buf) == SC_OK ? SC_OK : sql_fail(st->session, "54000", "parameter %zu is too large", n);
}

const struct sc_sql_value *sql_fast_value(const struct sql_fast *f, size_t n)
{
    return &f->params[n - 1].value;
}

static sc_err run_row(struct sc_sql_stmt *st, const struct place *places)
{
    struct sc_sql_session *s = st->session;
    const struct sql_fast *f = st->dml.fast;
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    for (size_t i = 0; i < f->column_count; i++)
        values[f->columns[i]] = places[i].param != 0 ? f->params[places[i].param - 1].value : places[i].literal;
    s->ignore_row = false;
    SC_TRY(sql_row_insert(s, f->table, values, f->some_omitted ? f->omitted : NULL, NULL, f->conflict, NULL,
                          &s->last_number));
    st->changes += !s->ignore_row;
    s->ignore_row = false;
    return SC_OK;
}

sc_err sql_fast_run(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    const struct sql_fast *f = st->dml.fast;
    SC_TRY(sql_tx_need(s));
    for (size_t i = 0; i < f->place_count; i += f->column_count) {
        if ((i / f->column_count) % 256 == 255 && sql_progress(s))
            return sql_fail_sqlite(s, SQLITE_INTERRUPT);
        SC_TRY(run_row(st, &f->places[i]));
    }
    return SC_OK;
}
