/* What an INSERT names, by tokens: [WITH ...] INSERT [OR x] INTO [schema.]table [AS a] [(columns)] VALUES (...), ... */
#include "sql/internal.h"

#include <stdio.h>

#define PARAM_NUMBER_MAX 32766 /* SQLite's own limit */

static bool is_end(struct sql_token t)
{
    return t.kind == SQL_TOKEN_END || t.kind == SQL_TOKEN_BROKEN;
}

/* Moves to behind the verb INSERT or REPLACE outside parentheses. */
static bool find_verb(struct sql_lexer *lx, struct sql_token *verb_out)
{
    int depth = 0;
    for (struct sql_token t = sql_lex(lx); !is_end(t); t = sql_lex(lx)) {
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (depth == 0 && (sql_token_is(t, "INSERT") || sql_token_is(t, "REPLACE"))) {
            *verb_out = t;
            return true;
        }
    }
    return false;
}

/* n of ?n or $n; 0 for other parameters. */
static size_t param_number(struct sql_token t)
{
    size_t n = 0;
    if (t.kind != SQL_TOKEN_PARAM || t.text.size < 2 || t.text.size > 6 ||
        (t.text.ptr[0] != '?' && t.text.ptr[0] != '$'))
        return 0;
    for (size_t i = 1; i < t.text.size; i++) {
        if (t.text.ptr[i] < '0' || t.text.ptr[i] > '9')
            return 0;
        n = n * 10 + (size_t)(t.text.ptr[i] - '0');
    }
    return n <= PARAM_NUMBER_MAX ? n : 0;
}

static sc_err note_param(struct sc_sql_session *s, struct sql_insert *in, size_t n, size_t column)
{
    if (n > in->param_count) {
        uint16_t *grown = realloc(in->param_column, n * sizeof *grown);
        if (grown == NULL)
            return sql_fail(s, "53200", "out of memory");
        memset(grown + in->param_count, 0, (n - in->param_count) * sizeof *grown);
        in->param_column = grown;
        in->param_count = n;
    }
    in->param_column[n - 1] = (uint16_t)(column + 1);
    return SC_OK;
}

/* Behind VALUES: which parameter alone stands at which place. */
static sc_err look_at_values(struct sc_sql_session *s, struct sql_lexer *lx, struct sql_insert *in,
                             const uint16_t *columns, size_t column_count)
{
    int depth = 0;
    size_t place = 0;
    size_t tokens = 0; /* in the current expression */
    size_t param = 0;
    for (struct sql_token t = sql_lex(lx); !is_end(t); t = sql_lex(lx)) {
        const bool ends = (depth == 1 && sql_token_is_punct(t, ',')) || (depth == 1 && sql_token_is_punct(t, ')'));
        if (ends && tokens == 1 && param != 0 && place < column_count)
            SC_TRY(note_param(s, in, param, columns[place]));
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (ends || (depth == 1 && sql_token_is_punct(t, '('))) {
            place = depth == 1 && ends ? place + 1 : 0;
            tokens = 0;
            param = 0;
        } else {
            tokens++;
            param = param_number(t);
        }
    }
    return SC_OK;
}

static void omit(struct sql_insert *in, size_t column, bool omitted)
{
    if (omitted)
        in->omitted[column / 8] |= (uint8_t)(1u << column % 8);
    else
        in->omitted[column / 8] &= (uint8_t) ~(1u << column % 8);
}

/* "(a, b, c)", the parenthesis already read; an unknown name ends the look: SQLite will say so itself. */
static bool column_list(struct sql_lexer *lx, struct sql_insert *in, uint16_t *columns, size_t *count_out)
{
    char name[SQL_NAME_SIZE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < in->table->column_count; i++)
        omit(in, i, true);
    for (;;) {
        if (sql_token_name(sql_lex(lx), name, sizeof name) != SC_OK)
            return false;
        const int c = sql_table_column(in->table, name);
        if (c < 0 || n == SQL_COLUMN_COUNT_MAX)
            return false;
        columns[n++] = (uint16_t)c;
        omit(in, (size_t)c, false);
        const struct sql_token t = sql_lex(lx);
        if (sql_token_is_punct(t, ')'))
            break;
        if (!sql_token_is_punct(t, ','))
            return false;
    }
    *count_out = n;
    return true;
}

sc_err sql_insert_look(struct sc_sql_session *s, struct sc_slice statement, struct sql_insert *out)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    struct sql_token t;
    char name[SQL_NAME_SIZE_MAX];
    uint16_t columns[SQL_COLUMN_COUNT_MAX];
    size_t column_count = 0;
    if (!find_verb(&lx, &t))
        return SC_OK;
    t = sql_lex(&lx);
    if (sql_token_is(t, "OR")) {
        sql_lex(&lx);
        t = sql_lex(&lx);
    }
    if (!sql_token_is(t, "INTO") || sql_token_name(sql_lex(&lx), name, sizeof name) != SC_OK)
        return SC_OK;
    t = sql_lex(&lx);
    if (sql_token_is_punct(t, '.')) {
        if (sql_token_name(sql_lex(&lx), name, sizeof name) != SC_OK)
            return SC_OK;
        t = sql_lex(&lx);
    }
    struct sql_table *table = sql_schema_find(s, name);
    if (table == NULL)
        return SC_OK;
    struct sql_insert in = {.table = table};
    if (sql_token_is(t, "AS")) {
        sql_lex(&lx);
        t = sql_lex(&lx);
    }
    if (sql_token_is_punct(t, '(')) {
        if (!column_list(&lx, &in, columns, &column_count))
            return SC_OK;
        t = sql_lex(&lx);
    } else if (sql_token_is(t, "DEFAULT")) {
        for (size_t i = 0; i < table->column_count; i++)
            omit(&in, i, true);
    } else {
        for (; column_count < table->column_count; column_count++)
            columns[column_count] = (uint16_t)column_count;
    }
    if (sql_token_is(t, "VALUES")) {
        const sc_err err = look_at_values(s, &lx, &in, columns, column_count);
        if (err != SC_OK) {
            free(in.param_column);
            return err;
        }
    }
    in.table = sql_table_ref(table);
    *out = in;
    return SC_OK;
}

void sql_insert_deinit(struct sql_insert *in)
{
    sql_table_unref(in->table);
    free(in->param_column);
    *in = (struct sql_insert){0};
}

bool sql_insert_do_nothing(struct sc_slice statement, struct sc_buf *out)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    struct sql_token verb;
    if (!find_verb(&lx, &verb) || !sql_token_is(verb, "INSERT"))
        return false;
    int depth = 0;
    struct sql_token before = verb;
    const uint8_t *clause = NULL; /* where ON CONFLICT begins */
    const uint8_t *after = NULL;  /* behind DO NOTHING */
    for (struct sql_token t = sql_lex(&lx); !is_end(t); before = t, t = sql_lex(&lx)) {
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (depth != 0)
            continue;
        if (sql_token_is(before, "ON") && sql_token_is(t, "CONFLICT"))
            clause = before.text.ptr;
        else if (clause != NULL && sql_token_is(before, "DO") && sql_token_is(t, "NOTHING"))
            after = t.text.ptr + t.text.size;
        else if (clause != NULL && sql_token_is(before, "DO"))
            return false; /* DO UPDATE: SQLite's to refuse */
    }
    if (after == NULL)
        return false;
    const uint8_t *insert_end = verb.text.ptr + verb.text.size;
    sc_buf_put_bytes(out, sc_slice_of(statement.ptr, (size_t)(insert_end - statement.ptr)));
    sc_buf_put_str(out, " OR IGNORE");
    sc_buf_put_bytes(out, sc_slice_of(insert_end, (size_t)(clause - insert_end)));
    sc_buf_put_bytes(out, sc_slice_of(after, (size_t)(statement.ptr + statement.size - after)));
    return true;
}
