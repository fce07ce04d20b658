/* Transactions of a session: what opens one, what ends it, and what its statements read.
 *
 *   NONE ──write statement──▶ STATEMENT ──end of statement──▶ commit
 *     │  ╲──write statement, deferred_commit──▶ DEFERRED ──sc_sql_session_settle()──▶ commit or rollback
 *     ╰──BEGIN──▶ EXPLICIT ──COMMIT, ROLLBACK──▶ NONE     (BEGIN makes a DEFERRED one EXPLICIT)          */
#include "sql/internal.h"

static void tx_forget(struct sc_sql_session *s)
{
    for (size_t i = 0; i < s->written_count; i++)
        sql_table_unref(s->written[i]);
    s->written_count = 0;
    s->savepoint_count = 0;
    s->tx_size = 0;
    s->statement_mark = 0;
    s->tx = SQL_TX_NONE;
    s->tx_failed = false;
    s->txn = NULL;
}

static sc_err tx_begin(struct sc_sql_session *s, enum sql_tx_kind kind)
{
    const sc_err err = sc_kvs_txn_begin(s->db->kvs, &s->txn);
    if (err != SC_OK)
        return sql_fail_storage(s, err, NULL, "begin");
    s->tx = kind;
    s->statement_mark = sc_kvs_txn_mark(s->txn);
    return SC_OK;
}

sc_err sql_tx_need(struct sc_sql_session *s)
{
    return s->tx != SQL_TX_NONE ? SC_OK : tx_begin(s, s->opt.deferred_commit ? SQL_TX_DEFERRED : SQL_TX_STATEMENT);
}

sc_err sql_snapshot_need(struct sc_sql_session *s)
{
    if (s->snapshot != NULL || s->txn != NULL)
        return SC_OK;
    const sc_err err = sc_kvs_snapshot_new(s->db->kvs, &s->snapshot);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, "snapshot");
}

/* A table dropped meanwhile takes its rows with it: a commit into it would leave orphans. */
static const struct sql_table *dropped_table(struct sc_sql_session *s)
{
    for (size_t i = 0; i < s->written_count; i++) {
        bool there = false;
        for (size_t k = 0; k < s->db->table_count && !there; k++)
            there = s->db->tables[k]->id == s->written[i]->id;
        if (!there)
            return s->written[i];
    }
    return NULL;
}

sc_err sql_tx_commit(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_NONE)
        return SC_OK;
    struct sc_diag diag = {0};
    pthread_rwlock_rdlock(&s->db->lock);
    const struct sql_table *gone = dropped_table(s);
    sc_err err = SC_OK;
    if (gone != NULL)
        err = sql_fail(s, "40001", "table \"%s\" was dropped by another session", gone->name);
    else
        err = sc_kvs_txn_commit(SC_TAKE(s->txn), true, &diag);
    pthread_rwlock_unlock(&s->db->lock);
    if (gone != NULL)
        sc_kvs_txn_abort(s->txn);
    else if (err == SC_E_CONFLICT)
        err = sql_fail(s, "40001", "could not serialize access: another transaction changed the same rows");
    else if (err != SC_OK)
        err = sql_fail_storage(s, err, &diag, "commit");
    tx_forget(s);
    return err;
}

void sql_tx_abort(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_NONE)
        return;
    sc_kvs_txn_abort(s->txn);
    tx_forget(s);
}

sc_err sql_tx_wrote(struct sc_sql_session *s, struct sql_table *t, size_t size)
{
    s->tx_size += size;
    if (s->tx_size > s->opt.transaction_size_max)
        return sql_fail(s, "54000", "transaction writes more than %zu bytes", s->opt.transaction_size_max);
    for (size_t i = s->written_count; i-- > 0;)
        if (s->written[i] == t)
            return SC_OK;
    struct sql_table **grown = realloc(s->written, (s->written_count + 1) * sizeof *grown);
    if (grown == NULL)
        return sql_fail(s, "53200", "out of memory");
    s->written = grown;
    s->written[s->written_count++] = sql_table_ref(t);
    return SC_OK;
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
        return sql_fail(s, "53200", "out of memory");
    struct sql_savepoint *p = &s->savepoints[s->savepoint_count++];
    memcpy(p->name, name, strlen(name) + 1);
    p->mark = sc_kvs_txn_mark(s->txn);
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
    sc_kvs_txn_rollback_to(s->txn, s->savepoints[i].mark);
    s->savepoint_count = i + 1; /* the savepoint itself stays */
    s->tx_failed = false;
    return SC_OK;
}

sc_err sql_tx_control(struct sc_sql_session *s, struct sc_sql_stmt *st)
{
    switch (st->kind) {
    case SQL_KIND_BEGIN:
        if (s->tx == SQL_TX_NONE)
            return tx_begin(s, SQL_TX_EXPLICIT);
        s->tx = SQL_TX_EXPLICIT; /* inside one already: PostgreSQL warns and goes on, so do we, silently */
        return SC_OK;
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
    struct sc_diag diag = {0};
    SC_TRY(sql_snapshot_need(s));
    const sc_err err = s->txn != NULL ? sc_kvs_txn_get(s->txn, key, value_out, &diag)
                                      : sc_kvs_get(s->db->kvs, s->snapshot, key, value_out, &diag);
    return err == SC_OK || err == SC_E_NOT_FOUND ? err : sql_fail_storage(s, err, &diag, "read");
}

sc_err sql_range(struct sc_sql_session *s, const struct sc_kvs_range *range, struct sc_kvs_iter **out)
{
    struct sc_diag diag = {0};
    SC_TRY(sql_snapshot_need(s));
    const sc_err err = s->txn != NULL ? sc_kvs_txn_iter(s->txn, range, out, &diag)
                                      : sc_kvs_iter_new(s->db->kvs, s->snapshot, range, out, &diag);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, "read");
}
