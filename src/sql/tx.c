/* Transactions of a session: what opens one, what ends it, and what its statements read.
 *
 *   NONE ──write statement──▶ STATEMENT ──end of statement──▶ commit
 *     │  ╲──write statement, deferred_commit──▶ DEFERRED ──sc_sql_session_settle()──▶ commit or rollback
 *     ╰──BEGIN──▶ EXPLICIT ──COMMIT, ROLLBACK──▶ NONE     (BEGIN makes a DEFERRED one EXPLICIT)          */
#include "sql/internal.h"

#include <strings.h>

static void tx_forget(struct sc_sql_session *s)
{
    for (size_t i = 0; i < s->written_count; i++)
        sql_table_unref(s->written[i].table);
    sql_fk_forget(s, 0);
    s->written_count = 0;
    s->savepoint_count = 0;
    s->tx_size = 0;
    s->statement_mark = 0;
    s->tx = SQL_TX_NONE;
    s->tx_failed = s->tx_read_only = s->serializable = s->tracking = false;
    s->txn = NULL;
}

static sc_err tx_begin(struct sc_sql_session *s, enum sql_tx_kind kind)
{
    const sc_err err = s->kv.ops->txn_begin(s->kv.self, &s->txn);
    if (err != SC_OK)
        return sql_fail_storage(s, err, NULL, "begin");
    s->tx = kind;
    s->statement_mark = s->kv.ops->txn_mark(s->txn);
    return SC_OK;
}

sc_err sql_tx_need(struct sc_sql_session *s)
{
    if (s->tx_read_only)
        return sql_fail(s, "25006", "cannot write in a read-only transaction");
    return s->tx != SQL_TX_NONE ? SC_OK : tx_begin(s, s->opt.deferred_commit ? SQL_TX_DEFERRED : SQL_TX_STATEMENT);
}

sc_err sql_snapshot_need(struct sc_sql_session *s)
{
    if (s->snapshot != NULL || s->txn != NULL)
        return SC_OK;
    const sc_err err = s->kv.ops->snapshot_new(s->kv.self, &s->snapshot);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, "snapshot");
}

/* A table changed meanwhile (dropped, an index more) would be left with rows that do not fit it. */
static const struct sql_table *changed_table(struct sc_sql_session *s)
{
    if (s->schema_version == s->db->schema_version)
        return NULL;
    for (size_t i = 0; i < s->written_count; i++) {
        bool there = false;
        for (size_t k = 0; k < s->db->table_count && !there; k++)
            there = s->db->tables[k] == s->written[i].table;
        if (!there)
            return s->written[i].table;
    }
    return NULL;
}

static sc_err commit(struct sc_sql_session *s)
{
    struct sc_diag diag = {0};
    pthread_rwlock_rdlock(&s->db->lock);
    const struct sql_table *gone = changed_table(s);
    sc_err err = SC_OK;
    if (gone != NULL)
        err = sql_fail(s, "40001", "table \"%s\" was changed by another session", gone->name);
    else
        err = s->kv.ops->txn_commit(SC_TAKE(s->txn), true, &diag);
    pthread_rwlock_unlock(&s->db->lock);
    if (gone != NULL)
        return err;
    if (err == SC_E_CONFLICT)
        return sql_fail(s, "40001", "could not serialize access: another transaction changed the same rows");
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, "commit");
}

sc_err sql_tx_commit(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_NONE)
        return SC_OK;
    sc_err err = sql_fk_judge(s, true);
    if (err == SC_OK)
        err = sql_count_flush(s);
    if (err == SC_OK)
        err = commit(s);
    s->kv.ops->txn_abort(s->txn);
    tx_forget(s);
    return err;
}

void sql_tx_abort(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_NONE)
        return;
    s->kv.ops->txn_abort(s->txn);
    tx_forget(s);
}

sc_err sql_tx_wrote(struct sc_sql_session *s, struct sql_table *t, size_t size, int64_t rows)
{
    s->tx_size += size;
    if (s->tx_size > s->opt.transaction_size_max)
        return sql_fail(s, "54000", "transaction writes more than %zu bytes", s->opt.transaction_size_max);
    for (size_t i = s->written_count; i-- > 0;)
        if (s->written[i].table == t) {
            s->written[i].delta += rows;
            return SC_OK;
        }
    struct sql_written *grown = realloc(s->written, (s->written_count + 1) * sizeof *grown);
    if (grown == NULL)
        return sql_no_memory(s);
    s->written = grown;
    s->written[s->written_count++] = (struct sql_written){.table = sql_table_ref(t), .delta = rows};
    return SC_OK;
}

void sql_tx_statement_begin(struct sc_sql_session *s)
{
    s->statement_mark = s->txn != NULL ? s->kv.ops->txn_mark(s->txn) : 0;
    s->fk_statement = s->fk_check_count;
    for (size_t i = 0; i < s->written_count; i++)
        s->written[i].delta_mark = s->written[i].delta;
}

void sql_tx_statement_undo(struct sc_sql_session *s)
{
    if (s->txn == NULL)
        return;
    s->kv.ops->txn_rollback_to(s->txn, s->statement_mark);
    sql_fk_forget(s, s->fk_statement);
    for (size_t i = 0; i < s->written_count; i++)
        s->written[i].delta = s->written[i].delta_mark;
}

void sql_tx_track(struct sc_sql_session *s)
{
    if (s->tracking || s->txn == NULL)
        return;
    s->tracking = true;
    sc_ignore(s->kv.ops->txn_track_reads(s->txn)); /* a store that cannot leaves the guarantees of snapshots */
}

/* ---- SAVEPOINT and its like ---- */
/* The name: the last word of SAVEPOINT x, RELEASE [SAVEPOINT] x, ROLLBACK [TRANSACTION|WORK] TO [SAVEPOINT] x. */
static sc_err savepoint_name(struct sc_sql_session *s, const struct sc_sql_stmt *st,
                             char name[static SQL_NAME_SIZE_MAX])
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    struct sql_token last = {.kind = SQL_TOKEN_END};
    size_t count = 0;
    for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END; t = sql_lex(&lx)) {
        last = t;
        if (++count > 5 || t.kind == SQL_TOKEN_BROKEN)
            break;
    }
    if (count < 2 || count > 5 || sql_token_name(last, name, SQL_NAME_SIZE_MAX) != SC_OK)
        return sql_fail(s, "42601", "syntax error: a savepoint's name expected");
    return SC_OK;
}

static sc_err savepoint_find(struct sc_sql_session *s, const char *name, size_t *index_out)
{
    for (size_t i = s->savepoint_count; i-- > 0;)
        if (strcasecmp(s->savepoints[i].name, name) == 0) {
            *index_out = i;
            return SC_OK;
        }
    return sql_fail(s, "3B001", "savepoint \"%s\" does not exist", name);
}

static sc_err savepoint_set(struct sc_sql_session *s, const char *name)
{
    if (s->savepoint_count == SQL_SAVEPOINT_COUNT_MAX)
        return sql_fail(s, "54000", "more than %d savepoints", SQL_SAVEPOINT_COUNT_MAX);
    if (s->savepoints == NULL && (s->savepoints = calloc(SQL_SAVEPOINT_COUNT_MAX, sizeof *s->savepoints)) == NULL)
        return sql_no_memory(s);
    SC_TRY(sql_count_flush(s)); /* what counters owe is part of what a rollback undoes */
    struct sql_savepoint *p = &s->savepoints[s->savepoint_count++];
    memcpy(p->name, name, strlen(name) + 1);
    p->mark = s->kv.ops->txn_mark(s->txn);
    p->fk_count = s->fk_check_count;
    return SC_OK;
}

static sc_err savepoint_control(struct sc_sql_session *s, struct sc_sql_stmt *st)
{
    char name[SQL_NAME_SIZE_MAX];
    size_t i = 0;
    SC_TRY(savepoint_name(s, st, name));
    if (s->tx != SQL_TX_EXPLICIT)
        return sql_fail(s, "25P01", "savepoints exist only between BEGIN and COMMIT");
    if (st->kind == SQL_KIND_SAVEPOINT)
        return savepoint_set(s, name);
    SC_TRY(savepoint_find(s, name, &i));
    if (st->kind == SQL_KIND_RELEASE) {
        s->savepoint_count = i;
        return SC_OK;
    }
    if (s->active != 0)
        return sql_fail(s, "55006", "cannot roll back to a savepoint while a query's rows are being read");
    s->kv.ops->txn_rollback_to(s->txn, s->savepoints[i].mark);
    sql_fk_forget(s, s->savepoints[i].fk_count);
    for (size_t k = 0; k < s->written_count; k++)
        s->written[k].delta = 0;
    s->savepoint_count = i + 1; /* the savepoint itself stays */
    s->tx_failed = false;
    return SC_OK;
}

/* ---- BEGIN, SET TRANSACTION ---- */
/* [ISOLATION LEVEL] x, READ ONLY, READ WRITE, anywhere in the statement. */
static sc_err characteristics(struct sc_sql_session *s, const struct sc_sql_stmt *st, bool *serializable,
                              bool *read_only)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    struct sql_token before = {0};
    for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END; before = t, t = sql_lex(&lx)) {
        if (t.kind == SQL_TOKEN_BROKEN)
            return sql_fail(s, "42601", "syntax error");
        if (sql_token_is(t, "SERIALIZABLE"))
            *serializable = true;
        if (before.kind == SQL_TOKEN_WORD && sql_token_is(before, "READ") && sql_token_is(t, "ONLY"))
            *read_only = true;
    }
    return SC_OK;
}

static sc_err begin_serializable(struct sc_sql_session *s)
{
    if (s->tracking)
        return SC_OK;
    const sc_err err = s->kv.ops->txn_track_reads(s->txn);
    if (err != SC_OK)
        return sql_fail(s, "0A000", "not supported: SERIALIZABLE on this store");
    s->tracking = s->serializable = true;
    return SC_OK;
}

static sc_err begin(struct sc_sql_session *s, const struct sc_sql_stmt *st)
{
    bool serializable = s->serializable_next;
    bool read_only = false;
    SC_TRY(characteristics(s, st, &serializable, &read_only));
    if (s->tx == SQL_TX_NONE)
        SC_TRY(tx_begin(s, SQL_TX_EXPLICIT));
    s->tx = SQL_TX_EXPLICIT; /* inside one already: PostgreSQL warns and goes on, so do we, silently */
    s->tx_read_only = read_only;
    if (!serializable)
        return SC_OK;
    const sc_err err = begin_serializable(s);
    if (err != SC_OK)
        sql_tx_abort(s);
    return err;
}

/* SET TRANSACTION: the open one; SET SESSION CHARACTERISTICS AS TRANSACTION: those to come. */
static sc_err set_transaction(struct sc_sql_session *s, const struct sc_sql_stmt *st)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    bool serializable = false;
    bool read_only = false;
    sql_lex(&lx);
    const bool session = sql_token_is(sql_lex(&lx), "SESSION");
    SC_TRY(characteristics(s, st, &serializable, &read_only));
    if (session) {
        s->serializable_next = serializable;
        return SC_OK;
    }
    if (s->tx != SQL_TX_EXPLICIT)
        return sql_fail(s, "25P01", "SET TRANSACTION stands between BEGIN and COMMIT");
    s->tx_read_only = s->tx_read_only || read_only;
    return serializable ? begin_serializable(s) : SC_OK;
}

sc_err sql_tx_control(struct sc_sql_session *s, struct sc_sql_stmt *st)
{
    switch (st->kind) {
    case SQL_KIND_BEGIN:
        return begin(s, st);
    case SQL_KIND_SET_TRANSACTION:
        return set_transaction(s, st);
    case SQL_KIND_COMMIT:
    case SQL_KIND_ROLLBACK:
        if (s->active != 0)
            return sql_fail(s, "55006", "cannot end the transaction while a query's rows are being read");
        if (st->kind == SQL_KIND_COMMIT && !s->tx_failed)
            return sql_tx_commit(s);
        st->changes = -1; /* COMMIT of a failed transaction is a ROLLBACK, and says so */
        sql_tx_abort(s);
        return SC_OK;
    default:
        return savepoint_control(s, st);
    }
}

/* ---- reading ---- */
sc_err sql_read(struct sc_sql_session *s, struct sc_slice key, struct sc_buf *value_out)
{
    SC_TRY(sql_snapshot_need(s));
    struct sc_diag *diag = sql_diag(s);
    const sc_err err = s->txn != NULL ? s->kv.ops->txn_get(s->txn, key, value_out, diag)
                                      : s->kv.ops->get(s->kv.self, s->snapshot, key, value_out, diag);
    return err == SC_OK || err == SC_E_NOT_FOUND ? err : sql_fail_storage(s, err, diag, "read");
}

sc_err sql_range(struct sc_sql_session *s, const struct sql_kv_range *range, struct sql_kv_iter **out)
{
    struct sc_diag diag = {0};
    SC_TRY(sql_snapshot_need(s));
    const sc_err err = s->txn != NULL ? s->kv.ops->txn_iter(s->txn, range, out, &diag)
                                      : s->kv.ops->iter_new(s->kv.self, s->snapshot, range, out, &diag);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, "read");
}

sc_err sql_scan(struct sc_sql_session *s, struct sc_slice lower, struct sc_slice upper,
                sc_err (*each)(void *arg, struct sc_slice key, struct sc_slice value, bool *done), void *arg)
{
    const struct sql_kv_ops *ops = s->kv.ops;
    const struct sql_kv_range range = {lower, upper};
    struct sql_kv_iter *it = NULL;
    struct sc_diag diag = {0};
    bool valid = false;
    bool done = false;
    SC_TRY(sql_range(s, &range, &it));
    sc_err err = ops->iter_move(it, SQL_KV_SEEK, lower, &valid, &diag);
    while (err == SC_OK && valid && !done) {
        const sc_err said = each(arg, ops->iter_key(it), ops->iter_value(it), &done);
        if (said != SC_OK) {
            ops->iter_free(it);
            return said;
        }
        if (!done)
            err = ops->iter_move(it, SQL_KV_NEXT, SC_SLICE_EMPTY, &valid, &diag);
    }
    ops->iter_free(it);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, "read");
}
