#include "cascadb/prepare.h"

#include "cascadb/types.h"

/* Texts that the server itself reads, or that define what is kept: they stay as they are written. */
static bool kept(enum sql_kind kind)
{
    return kind == SQL_KIND_EMPTY || kind == SQL_KIND_SET || kind == SQL_KIND_SHOW || kind == SQL_KIND_COPY;
}

static sc_err prepare_plain(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out, size_t *used_out,
                            struct sc_sql_error *error)
{
    const sc_err err = sc_sql_prepare(s, text, out, used_out);
    if (err != SC_OK)
        *error = *sc_sql_session_error(s);
    return err;
}

static sc_err prepare_rewritten(struct sc_sql_session *s, struct pg_rewrite *r, struct sc_slice first,
                                struct sc_sql_stmt **out, bool *done_out, struct sc_sql_error *error)
{
    size_t used = 0;
    const sc_err err = pg_rewrite(r, first, done_out);
    if (err != SC_OK)
        return pg_fail(error, err, err == SC_E_LIMIT ? "54000" : "53200", "the statement is too long");
    if (!*done_out)
        return SC_OK;
    const sc_err prepared = prepare_plain(s, sc_buf_slice(&r->text), out, &used, error);
    if (prepared != SC_OK)
        error->position = pg_rewrite_position(r, error->position);
    return prepared;
}

sc_err pg_prepare(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out, size_t *used_out,
                  struct sc_sql_error *error)
{
    struct pg_rewrite r = {.text = {0}};
    size_t used = 0;
    bool done = false;
    const struct sc_slice first = sql_statement_first(text, &used);
    sc_err err = SC_OK;
    if (!kept(sql_kind_of(first)))
        err = prepare_rewritten(s, &r, first, out, &done, error);
    pg_rewrite_deinit(&r);
    if (err != SC_OK || done) {
        *used_out = used;
        return err;
    }
    return prepare_plain(s, text, out, used_out, error);
}
