/* Triggers: their statements are prepared with NEW.column and OLD.column as parameters, and run where a row is written.
 *
 * Parameter 1 + c is NEW's column c, 1 + column count + c OLD's.  RAISE(kind, text) becomes a function of ours.  A
 * trigger that is running is not started again (SQLite's recursive_triggers = off). */
#include "sql/eval.h"

#include <strings.h>

#define DEPTH_MAX (sizeof((struct sc_sql_session *)0)->firing / sizeof((struct sc_sql_session *)0)->firing[0])

static void raise_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct sc_sql_session *s = sqlite3_user_data(ctx);
    const char *kind = (const char *)sqlite3_value_text(argv[0]);
    if (s->trigger_depth == 0) {
        sqlite3_result_error(ctx, "RAISE() may only be used within a trigger-program", -1);
        return;
    }
    if (kind != NULL && strcasecmp(kind, "IGNORE") == 0) {
        s->raised_ignore = true;
        sqlite3_result_error(ctx, "RAISE(IGNORE)", -1);
        return;
    }
    const unsigned char *text = argc > 1 ? sqlite3_value_text(argv[1]) : NULL;
    sc_ignore(sql_fail(s, "P0001", "%s", text != NULL ? (const char *)text : "RAISE"));
    sqlite3_result_error(ctx, "RAISE", -1);
}

sc_err sql_trigger_register(struct sc_sql_session *s)
{
    return sqlite3_create_function(s->sqlite, "cascadb_raise", -1, SQLITE_UTF8, s, raise_function, NULL, NULL) ==
                   SQLITE_OK
               ? SC_OK
               : sql_no_memory(s);
}

/* ---- texts ---- */
static bool is_end(struct sql_token t)
{
    return t.kind == SQL_TOKEN_END || t.kind == SQL_TOKEN_BROKEN;
}

/* "NEW" was read and "." follows: the column's parameter. */
static sc_err put_column(struct sc_sql_session *s, const struct sql_table *t, bool old, struct sql_lexer *lx,
                         struct sc_buf *out)
{
    char name[SQL_NAME_SIZE_MAX];
    sql_lex(lx);
    if (sql_token_name(sql_lex(lx), name, sizeof name) != SC_OK)
        return sql_fail(s, "42601", "syntax error in a trigger of \"%s\"", t->name);
    int c = sql_table_column(t, name);
    if (c < 0 && t->autonumber && (strcasecmp(name, "rowid") == 0 || strcasecmp(name, "oid") == 0))
        c = t->primary.parts[0].column;
    if (c < 0)
        return sql_fail(s, "42703", "no such column: %s.%s", old ? "OLD" : "NEW", name);
    sc_buf_put_fmt(out, " ?%d ", 1 + c + (old ? t->column_count : 0));
    return SC_OK;
}

/* "RAISE" was read and "(" follows: the kind is a word. */
static void put_raise(struct sql_lexer *lx, struct sc_buf *out)
{
    sql_lex(lx);
    const struct sql_token kind = sql_lex(lx);
    sc_buf_put_fmt(out, " cascadb_raise('%.*s'", (int)kind.text.size, (const char *)kind.text.ptr);
}

static sc_err rewrite(struct sc_sql_session *s, const struct sql_table *t, const char *before, const char *text,
                      struct sc_buf *out)
{
    const struct sc_slice all = sc_slice_str(text);
    struct sql_lexer lx = sql_lexer_of(all);
    const uint8_t *from = all.ptr;
    sc_buf_put_str(out, before);
    for (struct sql_token k = sql_lex(&lx); !is_end(k); k = sql_lex(&lx)) {
        struct sql_lexer ahead = lx;
        const struct sql_token next = sql_lex(&ahead);
        const bool old = sql_token_is(k, "OLD");
        const bool column = (old || sql_token_is(k, "NEW")) && sql_token_is_punct(next, '.');
        const bool raise = sql_token_is(k, "RAISE") && sql_token_is_punct(next, '(');
        if (!column && !raise)
            continue;
        sc_buf_put_bytes(out, sc_slice_of(from, (size_t)(k.text.ptr - from)));
        if (column)
            SC_TRY(put_column(s, t, old, &lx, out));
        else
            put_raise(&lx, out);
        from = lx.cur;
    }
    sc_buf_put_bytes(out, sc_slice_of(from, (size_t)(all.ptr + all.size - from)));
    return sc_buf_status(out) == SC_OK ? SC_OK : sql_no_memory(s);
}

/* ---- running ---- */
static sc_err bind_row(struct sc_sql_stmt *st, const struct sql_table *t, const struct sc_sql_value *values,
                       size_t offset)
{
    for (size_t i = 0; i < t->column_count && offset + i < sc_sql_param_count(st); i++)
        if (values != NULL)
            SC_TRY(sc_sql_bind(st, offset + i + 1, &values[i]));
    return SC_OK;
}

struct firing {
    struct sc_sql_session *s;
    struct sql_table *t;
    const struct sc_sql_value *old_values, *new_values;
};

/* Runs one statement to its end; *true_out: the first column of the first row, as a condition. */
static sc_err run(const struct firing *f, struct sc_sql_stmt *st, bool *true_out)
{
    bool row = true;
    bool first = true;
    SC_TRY(bind_row(st, f->t, f->new_values, 0));
    SC_TRY(bind_row(st, f->t, f->old_values, f->t->column_count));
    sc_err err = SC_OK;
    while (row && err == SC_OK) {
        err = sql_nested_step(st, &row);
        if (err == SC_OK && row && first && true_out != NULL) {
            *true_out = sqlite3_column_type(st->sqlite, 0) != SQLITE_NULL && sqlite3_column_double(st->sqlite, 0) != 0;
            break;
        }
        first = false;
    }
    const sc_err reset = sql_nested_reset(st);
    return err != SC_OK ? err : reset;
}

static sc_err prepared(const struct firing *f, struct sc_sql_stmt **place, const char *before, const char *text)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    if (*place != NULL)
        return SC_OK;
    SC_TRY(rewrite(f->s, f->t, before, text, &sql));
    return sql_nested_prepare(f->s, sc_buf_slice(&sql), place);
}

static sc_err run_trigger(const struct firing *f, size_t number)
{
    const struct sql_trigger *g = &f->t->triggers[number];
    struct sc_sql_stmt **program = NULL;
    bool wanted = true;
    SC_TRY(sql_eval_trigger(f->s, f->t, number, &program));
    if (g->when != NULL) {
        wanted = false;
        SC_TRY(prepared(f, &program[0], "SELECT ", g->when));
        SC_TRY(run(f, program[0], &wanted));
    }
    for (size_t i = 0; i < g->step_count && wanted; i++) {
        SC_TRY(prepared(f, &program[i + 1], "", g->steps[i]));
        SC_TRY(run(f, program[i + 1], NULL));
    }
    return SC_OK;
}

static bool wants(const struct sc_sql_session *s, const struct sql_table *t, const struct sql_trigger *g,
                  enum sql_event event, bool before, const bool *set)
{
    if (g->event != event || g->before != before)
        return false;
    for (size_t i = 0; i < s->firing_count; i++)
        if (s->firing[i] == g)
            return false;
    bool touched = g->columns == NULL || set == NULL;
    for (size_t i = 0; i < t->column_count && !touched; i++)
        touched = set[i] && (g->columns[i / 8] >> i % 8 & 1) != 0;
    return touched;
}

sc_err sql_trigger_fire(struct sc_sql_session *s, struct sql_table *t, enum sql_event event, bool before,
                        const struct sc_sql_value *old_values, const struct sc_sql_value *new_values, const bool *set)
{
    const struct firing f = {s, t, old_values, new_values};
    const bool ignored = s->ignore_row;
    for (size_t i = 0; i < t->trigger_count; i++) {
        if (!wants(s, t, &t->triggers[i], event, before, set))
            continue;
        if (s->firing_count == DEPTH_MAX)
            return sql_fail(s, "54001", "too many levels of trigger recursion");
        s->firing[s->firing_count++] = &t->triggers[i];
        s->trigger_depth++;
        s->raised_ignore = false;
        const sc_err err = run_trigger(&f, i);
        s->trigger_depth--;
        s->firing_count--;
        s->ignore_row = ignored;
        if (err != SC_OK && s->raised_ignore) {
            s->raised_ignore = s->failed = false;
            s->ignore_row = before || ignored;
            return SC_OK;
        }
        SC_TRY(err);
    }
    return SC_OK;
}
