#include "sql/define_text.h"

static bool is_end(struct sql_token t)
{
    return t.kind == SQL_TOKEN_END || t.kind == SQL_TOKEN_BROKEN;
}

/* The lexer stands behind "(": moves behind its ")" and returns what is between. */
static struct sc_slice parenthesis(struct sql_lexer *lx)
{
    const uint8_t *from = lx->cur;
    int depth = 1;
    for (struct sql_token t = sql_lex(lx); !is_end(t); t = sql_lex(lx)) {
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (depth == 0)
            return sc_slice_of(from, (size_t)(t.text.ptr - from));
    }
    return sc_slice_of(from, (size_t)(lx->end - from));
}

static struct sql_token peek(const struct sql_lexer *lx)
{
    struct sql_lexer ahead = *lx;
    return sql_lex(&ahead);
}

static bool begins_constraint(struct sql_token t)
{
    static const char *const words[] = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (sql_token_is(t, words[i]))
            return true;
    return false;
}

struct table_text {
    struct sql_lexer lx;
    const struct sql_text_notes *notes;
    struct sc_diag *diag;
    size_t column;        /* number of the one being read, or of columns so far */
    size_t references;    /* seen so far */
    struct sc_slice name; /* behind the last CONSTRAINT */
    struct sql_token before;
};

static sc_err table_token(struct table_text *x, struct sql_token t, bool in_column)
{
    const bool opens = sql_token_is_punct(peek(&x->lx), '(');
    if (sql_token_is(x->before, "CONSTRAINT"))
        x->name = t.text;
    if (sql_token_is(t, "CHECK") && opens) {
        sql_lex(&x->lx);
        const struct sc_slice name = x->name;
        x->name = SC_SLICE_EMPTY;
        return x->notes->check(x->notes->arg, name, parenthesis(&x->lx));
    }
    if (sql_token_is(t, "AS") && opens && in_column) {
        sql_lex(&x->lx);
        return x->notes->generated(x->notes->arg, x->column, parenthesis(&x->lx));
    }
    if (sql_token_is(t, "REFERENCES"))
        x->references++;
    if (sql_token_is(t, "DEFERRED") && sql_token_is(x->before, "INITIALLY") && x->references != 0)
        return x->notes->deferred(x->notes->arg, x->references - 1, true);
    if (sql_token_is(t, "CONFLICT") && sql_token_is(x->before, "ON"))
        return sc_fail(x->diag, SC_E_UNSUPPORTED, "not supported: ON CONFLICT of a constraint; use INSERT OR ...");
    return SC_OK;
}

sc_err sql_text_table(struct sc_slice text, const struct sql_text_notes *notes, struct sc_diag *diag)
{
    struct table_text x = {.lx = sql_lexer_of(text), .notes = notes, .diag = diag, .name = SC_SLICE_EMPTY};
    struct sql_token t = sql_lex(&x.lx);
    while (!is_end(t) && !sql_token_is_punct(t, '('))
        t = sql_lex(&x.lx);
    bool first = true; /* of a definition */
    bool in_column = false;
    int depth = 0;
    for (t = sql_lex(&x.lx); !is_end(t) && depth >= 0; x.before = t, t = sql_lex(&x.lx)) {
        if (first)
            in_column = !begins_constraint(t);
        first = false;
        if (depth == 0 && sql_token_is_punct(t, ',')) {
            x.column += in_column;
            first = true;
        }
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (depth == 0)
            SC_TRY(table_token(&x, t, in_column));
    }
    return SC_OK;
}

/* ---- indexes ---- */
/* A part's text ends before ASC, DESC and COLLATE at its end; what they say is in SQLite's catalogue. */
static struct sc_slice part_expr(struct sc_slice text)
{
    struct sql_lexer lx = sql_lexer_of(text);
    struct sql_token last = {0};
    struct sc_slice out = text;
    for (struct sql_token t = sql_lex(&lx); !is_end(t); last = t, t = sql_lex(&lx))
        if ((sql_token_is(t, "ASC") || sql_token_is(t, "DESC")) && peek(&lx).kind == SQL_TOKEN_END &&
            last.text.ptr != NULL)
            out.size = (size_t)(t.text.ptr - text.ptr);
    return out;
}

sc_err sql_text_index(struct sc_slice text, sc_err (*part)(void *arg, size_t part, struct sc_slice expr),
                      sc_err (*where)(void *arg, struct sc_slice expr), void *arg)
{
    struct sql_lexer lx = sql_lexer_of(text);
    struct sql_token t = sql_lex(&lx);
    while (!is_end(t) && !sql_token_is_punct(t, '('))
        t = sql_lex(&lx);
    if (is_end(t))
        return SC_OK;
    struct sql_lexer in = sql_lexer_of(parenthesis(&lx));
    const uint8_t *from = in.cur;
    int depth = 0;
    size_t n = 0;
    for (t = sql_lex(&in); !is_end(t); t = sql_lex(&in)) {
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (depth != 0 || !sql_token_is_punct(t, ','))
            continue;
        SC_TRY(part(arg, n++, part_expr(sc_slice_of(from, (size_t)(t.text.ptr - from)))));
        from = in.cur;
    }
    SC_TRY(part(arg, n, part_expr(sc_slice_of(from, (size_t)(in.end - from)))));
    if (sql_token_is(sql_lex(&lx), "WHERE"))
        return where(arg, sc_slice_of(lx.cur, (size_t)(lx.end - lx.cur)));
    return SC_OK;
}

bool sql_text_not_null(struct sc_slice expr, char name[static SQL_NAME_SIZE_MAX])
{
    struct sql_lexer lx = sql_lexer_of(expr);
    if (sql_token_name(sql_lex(&lx), name, SQL_NAME_SIZE_MAX) != SC_OK)
        return false;
    struct sql_token t = sql_lex(&lx);
    if (sql_token_is(t, "NOTNULL"))
        return sql_lex(&lx).kind == SQL_TOKEN_END;
    return sql_token_is(t, "IS") && sql_token_is(sql_lex(&lx), "NOT") && sql_token_is(sql_lex(&lx), "NULL") &&
           sql_lex(&lx).kind == SQL_TOKEN_END;
}

/* ---- triggers ---- */
static sc_err keep(struct sql_table *t, struct sc_slice text, const char **out)
{
    char *p = sc_arena_alloc(&t->arena, text.size + 1);
    if (p == NULL)
        return SC_E_NOMEM;
    memcpy(p, text.ptr, text.size);
    *out = p;
    return SC_OK;
}

/* UPDATE OF a, b ON: the lexer stands behind OF; on return behind ON. */
static sc_err trigger_columns(struct sql_table *t, struct sql_lexer *lx, struct sql_trigger *out)
{
    char name[SQL_NAME_SIZE_MAX];
    uint8_t *bits = sc_arena_alloc(&t->arena, SQL_COLUMN_COUNT_MAX / 8);
    if (bits == NULL)
        return SC_E_NOMEM;
    for (struct sql_token k = sql_lex(lx); !is_end(k) && !sql_token_is(k, "ON"); k = sql_lex(lx)) {
        if (sql_token_is_punct(k, ','))
            continue;
        SC_TRY(sql_token_name(k, name, sizeof name));
        const int c = sql_table_column(t, name);
        if (c >= 0)
            bits[c / 8] |= (uint8_t)(1u << c % 8);
    }
    out->columns = bits;
    return SC_OK;
}

static sc_err trigger_head(struct sql_table *t, struct sql_lexer *lx, struct sql_trigger *out)
{
    struct sql_token k = sql_lex(lx); /* CREATE */
    while (!is_end(k) && !sql_token_is(k, "TRIGGER"))
        k = sql_lex(lx);
    k = sql_lex(lx);
    out->before = true; /* SQLite's default */
    SC_TRY(keep(t, k.text, &out->name));
    for (k = sql_lex(lx);; k = sql_lex(lx)) {
        if (is_end(k))
            return SC_E_MALFORMED;
        if (sql_token_is(k, "AFTER"))
            out->before = false;
        if (sql_token_is(k, "DELETE") || sql_token_is(k, "INSERT") || sql_token_is(k, "UPDATE"))
            break;
    }
    out->event = sql_token_is(k, "DELETE")   ? SQL_EVENT_DELETE
                 : sql_token_is(k, "INSERT") ? SQL_EVENT_INSERT
                                             : SQL_EVENT_UPDATE;
    k = sql_lex(lx);
    if (sql_token_is(k, "OF"))
        SC_TRY(trigger_columns(t, lx, out));
    return SC_OK;
}

/* From behind the table's name to behind BEGIN. */
static sc_err trigger_when(struct sql_table *t, struct sql_lexer *lx, struct sql_trigger *out)
{
    const uint8_t *from = NULL;
    int depth = 0; /* of CASE ... END and parentheses */
    for (struct sql_token k = sql_lex(lx); !is_end(k); k = sql_lex(lx)) {
        depth += sql_token_is_punct(k, '(') - sql_token_is_punct(k, ')');
        if (depth == 0 && from == NULL && sql_token_is(k, "WHEN"))
            from = lx->cur;
        if (depth == 0 && sql_token_is(k, "BEGIN"))
            return from != NULL ? keep(t, sc_slice_of(from, (size_t)(k.text.ptr - from)), &out->when) : SC_OK;
    }
    return SC_E_MALFORMED;
}

static sc_err trigger_steps(struct sql_table *t, struct sql_lexer *lx, struct sql_trigger *out)
{
    const char *steps[64];
    const uint8_t *from = lx->cur;
    int depth = 0;
    for (struct sql_token k = sql_lex(lx); !is_end(k); k = sql_lex(lx)) {
        if (sql_token_is(k, "CASE"))
            depth++;
        if (sql_token_is(k, "END") && depth-- == 0)
            break;
        if (!sql_token_is_punct(k, ';'))
            continue;
        if (out->step_count == sizeof steps / sizeof steps[0])
            return SC_E_LIMIT;
        SC_TRY(keep(t, sc_slice_of(from, (size_t)(k.text.ptr - from)), &steps[out->step_count]));
        out->step_count++;
        from = lx->cur;
    }
    const char **kept = sc_arena_alloc(&t->arena, (out->step_count + 1) * sizeof *kept);
    if (kept == NULL)
        return SC_E_NOMEM;
    memcpy(kept, steps, out->step_count * sizeof *kept);
    out->steps = kept;
    return SC_OK;
}

sc_err sql_text_trigger(struct sql_table *t, struct sc_slice text, struct sql_trigger *out, struct sc_diag *diag)
{
    struct sql_lexer lx = sql_lexer_of(text);
    *out = (struct sql_trigger){0};
    sc_err err = trigger_head(t, &lx, out);
    if (err == SC_OK)
        err = trigger_when(t, &lx, out);
    if (err == SC_OK)
        err = trigger_steps(t, &lx, out);
    return err == SC_OK ? SC_OK : sc_fail(diag, err, "trigger %s", out->name != NULL ? out->name : "");
}
