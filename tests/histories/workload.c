#include "workload.h"

#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

/* Transactions that share a group of keys: lists stay short, and yet most transactions meet others. */
#define TXNS_PER_GROUP 48
#define KEYS_PER_GROUP 3

struct ledger *ledger_new(uint32_t max)
{
    struct ledger *l = mmap(NULL, sizeof *l + max, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SC_ASSERT(l != MAP_FAILED);
    l->max = max;
    return l;
}

void ledger_free(struct ledger *l)
{
    munmap(l, sizeof *l + l->max);
}

/* ---- a session of one thread ---- */
struct client {
    struct workload *w;
    struct sc_sql_session *session;
    struct sc_prng prng;
    unsigned number;
};

static uint32_t below(struct client *c, uint32_t n)
{
    return (uint32_t)sc_prng_below(&c->prng, n);
}

/* What went wrong outside the rules: told by the test's own thread, as cmocka wants it. */
static void problem_tell(struct workload *w, const char *what, const char *why)
{
    if (w->ledger != NULL && !atomic_exchange(&w->ledger->problem_told, true))
        snprintf(w->ledger->problem, sizeof w->ledger->problem, "%s: %s", what, why);
    w->stop = true;
}

/* Transactions last microseconds: without breaks in their middle they would hardly ever meet. */
static void rest(struct client *c)
{
    if (below(c, 6) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    else if (below(c, 2) == 0)
        sched_yield();
}

/* SC_OK or SC_E_CONFLICT; all else is a problem. */
static sc_err sql(struct client *c, const char *text)
{
    rest(c);
    const sc_err err = sc_sql_exec(c->session, text);
    if (err == SC_E_CONFLICT)
        SC_ASSERT(strcmp(sc_sql_session_error(c->session)->sqlstate, "40001") == 0);
    else if (err != SC_OK)
        problem_tell(c->w, text, sc_sql_session_error(c->session)->message);
    return err;
}

/* Hands each row's values to `row`. */
static sc_err rows(struct client *c, const char *text, void (*row)(void *arg, struct sc_sql_stmt *st), void *arg)
{
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    bool there = true;
    sc_err err = sc_sql_prepare(c->session, sc_slice_str(text), &st, &used);
    while (err == SC_OK && (err = sc_sql_step(st, &there)) == SC_OK && there)
        row(arg, st);
    if (err != SC_OK && err != SC_E_CONFLICT)
        problem_tell(c->w, text, sc_sql_session_error(c->session)->message);
    return err;
}

/* ---- lists ---- */
static void list_of(void *arg, struct sc_sql_stmt *st)
{
    struct op *op = arg;
    const struct sc_sql_value v = sc_sql_column(st, 0);
    char text[LIST_MAX * 8];
    SC_ASSERT(v.type == SC_SQL_TEXT && v.bytes.size < sizeof text);
    memcpy(text, v.bytes.ptr, v.bytes.size);
    text[v.bytes.size] = '\0';
    op->list_count = 0;
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;) {
        SC_ASSERT(op->list_count < LIST_MAX);
        op->list[op->list_count++] = (uint32_t)strtoul(word, NULL, 10);
    }
}

static sc_err list_read(struct client *c, struct op *op)
{
    char text[100];
    snprintf(text, sizeof text, "SELECT v FROM list WHERE k = %u", op->key);
    return rows(c, text, list_of, op); /* no row: the empty list */
}

static sc_err list_append(struct client *c, const struct op *op)
{
    char text[200];
    bool there = false;
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    snprintf(text, sizeof text, "UPDATE list SET v = v || ' %u' WHERE k = %u", op->value, op->key);
    sc_err err = sc_sql_prepare(c->session, sc_slice_str(text), &st, &used);
    if (err == SC_OK)
        err = sc_sql_step(st, &there);
    if (err == SC_OK && sc_sql_changes(st) == 0) {
        snprintf(text, sizeof text, "INSERT INTO list VALUES(%u, '%u')", op->key, op->value);
        return sql(c, text);
    }
    if (err != SC_OK && err != SC_E_CONFLICT)
        problem_tell(c->w, text, sc_sql_session_error(c->session)->message);
    return err;
}

static sc_err list_ops(struct client *c, struct txn *t, uint32_t index)
{
    const uint32_t count = 1 + below(c, OPS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t key = index / TXNS_PER_GROUP * KEYS_PER_GROUP + below(c, KEYS_PER_GROUP);
        struct op *op = txn_op(t, below(c, 2) == 0, key);
        op->value = op->append ? OPS_MAX * index + i + 1 : 0;
        rest(c);
        SC_TRY(op->append ? list_append(c, op) : list_read(c, op));
    }
    return SC_OK;
}

/* One in eight is rolled back on purpose: what it wrote must never be seen. */
static bool list_txn(struct client *c)
{
    struct history *h = c->w->history;
    struct txn *t = history_begin(h);
    if (t == NULL)
        return false;
    sc_err err = sql(c, c->w->begin);
    if (err == SC_OK)
        err = list_ops(c, t, (uint32_t)(t - h->txns));
    if (err == SC_OK && below(c, 8) != 0) {
        atomic_store(&t->state, TXN_COMMITTING);
        err = sql(c, "COMMIT");
        history_end(h, t, err == SC_OK ? TXN_COMMITTED : TXN_ABORTED);
        return true;
    }
    sql(c, "ROLLBACK");
    history_end(h, t, TXN_ABORTED);
    return true;
}

/* ---- the bank ---- */
struct numbers {
    int64_t n[3];
    size_t rows;
};

static void numbers_of(void *arg, struct sc_sql_stmt *st)
{
    struct numbers *x = arg;
    x->rows++;
    for (size_t i = 0; i < sc_sql_column_count(st) && i < 3; i++)
        x->n[i] = sc_sql_column(st, i).type == SC_SQL_INTEGER ? sc_sql_column(st, i).integer : 0;
}

/* Any reader at any time sees all the money, and as many transfers as the accounts have counted. */
static sc_err bank_look(struct client *c)
{
    struct numbers x = {0};
    char why[120];
    SC_TRY(rows(c,
                "SELECT (SELECT sum(balance) FROM account), (SELECT sum(transfers) FROM account), "
                "(SELECT count(*) FROM transfer)",
                numbers_of, &x));
    c->w->ledger->audits++;
    if (x.n[0] == ACCOUNT_COUNT * ACCOUNT_BALANCE && x.n[1] == 2 * x.n[2])
        return SC_OK;
    snprintf(why, sizeof why, "money %" PRId64 ", transfers counted %" PRId64 ", there %" PRId64, x.n[0], x.n[1],
             x.n[2]);
    problem_tell(c->w, "a reader saw a bank that never was", why);
    return SC_E_MALFORMED;
}

static sc_err bank_move(struct client *c, uint32_t id)
{
    const uint32_t from = below(c, ACCOUNT_COUNT);
    const uint32_t to = (from + 1 + below(c, ACCOUNT_COUNT - 1)) % ACCOUNT_COUNT;
    char text[400];
    struct numbers x = {0};
    SC_TRY(sql(c, c->w->begin));
    snprintf(text, sizeof text, "SELECT balance FROM account WHERE id = %u", from);
    SC_TRY(rows(c, text, numbers_of, &x));
    const uint32_t amount = 1 + below(c, 30);
    if (x.n[0] < amount)
        return SC_E_USAGE; /* too poor */
    /* The new balance is computed here: a lost update would show. */
    snprintf(text, sizeof text,
             "UPDATE account SET balance = %" PRId64 ", transfers = transfers + 1 WHERE id = %u;"
             "UPDATE account SET balance = balance + %u, transfers = transfers + 1 WHERE id = %u;"
             "INSERT INTO transfer VALUES(%u, %u, %u, %u, 'tag %08x')",
             x.n[0] - amount, from, amount, to, id, from, to, amount, id * 2654435761u);
    return sql(c, text);
}

static bool bank_txn(struct client *c)
{
    struct ledger *l = c->w->ledger;
    if (below(c, 6) == 0)
        return bank_look(c) == SC_OK;
    const uint32_t id = atomic_fetch_add(&l->next_id, 1);
    if (id >= l->max)
        return false;
    const sc_err err = bank_move(c, id);
    if (err == SC_OK && below(c, 8) != 0) {
        const sc_err committed = sql(c, "COMMIT");
        if (committed == SC_OK) {
            l->known[id] = 1;
            l->acknowledged++;
        } else {
            l->known[id] = 2;
            l->conflicts++;
        }
        return true;
    }
    l->known[id] = 2; /* before the rollback: a crash in between undoes it as well */
    l->conflicts += err == SC_E_CONFLICT;
    sql(c, "ROLLBACK");
    return true;
}

/* ---- all sessions ---- */
static void *client_run(void *arg)
{
    struct client *c = arg;
    bool lists = c->w->history != NULL, bank = c->w->ledger->max != 0;
    while (!c->w->stop && (lists || bank)) {
        if (lists && (!bank || below(c, 2) == 0))
            lists = list_txn(c);
        else
            bank = bank_txn(c);
    }
    return NULL;
}

void workload_run(struct workload *w)
{
    struct client clients[16];
    pthread_t threads[16];
    SC_ASSERT(w->thread_count <= 16 && w->ledger != NULL);
    for (unsigned i = 0; i < w->thread_count; i++) {
        clients[i] = (struct client){.w = w, .number = i};
        sc_prng_init_stream(&clients[i].prng, w->seed, i);
        SC_ASSERT(sc_sql_session_new(sc_local_db(w->local), &(struct sc_sql_session_options){0}, &clients[i].session,
                                     NULL) == SC_OK);
        SC_ASSERT(pthread_create(&threads[i], NULL, client_run, &clients[i]) == 0);
    }
    for (unsigned i = 0; i < w->thread_count; i++) {
        pthread_join(threads[i], NULL);
        sc_sql_session_free(clients[i].session);
    }
}

void workload_tables(struct sc_local *local)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = NULL;
    char text[200];
    SC_ASSERT(sc_sql_session_new(sc_local_db(local), &(struct sc_sql_session_options){0}, &s, NULL) == SC_OK);
    if (sc_sql_exec(s, "SELECT 1 FROM account") == SC_OK)
        return;
    static const char make[] =
        "CREATE TABLE list(k INTEGER PRIMARY KEY, v TEXT NOT NULL);"
        "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, transfers INTEGER NOT NULL);"
        "CREATE TABLE transfer(id INTEGER PRIMARY KEY, src INTEGER, dst INTEGER, amount INTEGER, tag TEXT);"
        "CREATE INDEX account_balance ON account(balance);"
        "CREATE INDEX transfer_src ON transfer(src, amount DESC);"
        "CREATE UNIQUE INDEX transfer_tag ON transfer(tag)";
    if (sc_sql_exec(s, make) != SC_OK)
        fail_msg("%s", sc_sql_session_error(s)->message);
    for (int i = 0; i < ACCOUNT_COUNT; i++) {
        snprintf(text, sizeof text, "INSERT INTO account VALUES(%d, %d, 0)", i, ACCOUNT_BALANCE);
        if (sc_sql_exec(s, text) != SC_OK)
            fail_msg("%s", sc_sql_session_error(s)->message);
    }
}

/* ---- afterwards ---- */
static struct sc_sql_session *reader(struct sc_local *local)
{
    struct sc_sql_session *s = NULL;
    struct sc_diag diag = {0};
    assert_ok_diag(sc_sql_session_new(sc_local_db(local), &(struct sc_sql_session_options){0}, &s, &diag), &diag);
    return s;
}

size_t workload_finals(struct sc_local *local, struct final_list **out)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = reader(local);
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    struct final_list *lists = NULL;
    size_t used, count = 0;
    bool there;
    assert_ok(sc_sql_prepare(s, sc_slice_str("SELECT v, k FROM list ORDER BY k"), &st, &used));
    for (;;) {
        struct op op = {0};
        assert_ok(sc_sql_step(st, &there));
        if (!there)
            break;
        list_of(&op, st);
        lists = reallocarray(lists, count + 1, sizeof *lists);
        assert_non_null(lists);
        lists[count].key = (uint32_t)sc_sql_column(st, 1).integer;
        lists[count].count = op.list_count;
        memcpy(lists[count++].list, op.list, sizeof op.list);
    }
    *out = lists;
    return count;
}

int64_t workload_number(struct sc_sql_session *s, const char *text)
{
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    bool there = false;
    if (sc_sql_prepare(s, sc_slice_str(text), &st, &used) != SC_OK || sc_sql_step(st, &there) != SC_OK)
        fail_msg("%s: %s", text, sc_sql_session_error(s)->message);
    assert_true(there);
    return sc_sql_column(st, 0).integer;
}

int64_t workload_audit(struct sc_local *local, const struct ledger *ledger)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = reader(local);
    SC_CLEANUP(sc_freep) uint8_t *there = calloc(ledger->max + 1, 1);
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    bool row;
    assert_non_null(there);
    assert_int_equal(workload_number(s, "SELECT sum(balance) FROM account"), ACCOUNT_COUNT * ACCOUNT_BALANCE);
    assert_int_equal(workload_number(s, "SELECT count(*) FROM account WHERE balance < 0"), 0);
    assert_int_equal(workload_number(s, "SELECT count(*) FROM account a WHERE balance <> 100"
                                        " + (SELECT coalesce(sum(amount), 0) FROM transfer WHERE dst = a.id)"
                                        " - (SELECT coalesce(sum(amount), 0) FROM transfer WHERE src = a.id)"),
                     0);
    assert_int_equal(workload_number(s, "SELECT sum(transfers) FROM account"),
                     2 * workload_number(s, "SELECT count(*) FROM transfer"));
    assert_ok(sc_sql_prepare(s, sc_slice_str("SELECT id FROM transfer"), &st, &used));
    for (;;) {
        assert_ok(sc_sql_step(st, &row));
        if (!row)
            break;
        const int64_t id = sc_sql_column(st, 0).integer;
        assert_true(id >= 0 && id < ledger->max);
        there[id] = 1;
    }
    int64_t count = 0;
    for (uint32_t id = 0; id < ledger->max; id++) {
        count += there[id];
        if (ledger->known[id] == 1 && !there[id])
            fail_msg("transfer %u was acknowledged and is gone", id);
        if (ledger->known[id] == 2 && there[id])
            fail_msg("transfer %u was undone and is there", id);
    }
    return count;
}

/* ---- indexes ---- */
static void put_rows(struct sc_sql_session *s, const char *sql, struct sc_buf *out, int64_t *rows)
{
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    bool there;
    if (sc_sql_prepare(s, sc_slice_str(sql), &st, &used) != SC_OK)
        fail_msg("%s: %s", sql, sc_sql_session_error(s)->message);
    for (;;) {
        if (sc_sql_step(st, &there) != SC_OK)
            fail_msg("%s: %s", sql, sc_sql_session_error(s)->message);
        if (!there)
            return;
        ++*rows;
        for (size_t i = 0; i < sc_sql_column_count(st); i++) {
            const struct sc_sql_value v = sc_sql_column(st, i);
            if (v.type == SC_SQL_TEXT)
                sc_buf_put_bytes(out, v.bytes);
            else
                sc_buf_put_fmt(out, "%" PRId64, v.type == SC_SQL_INTEGER ? v.integer : INT64_MIN);
            sc_buf_put_str(out, i + 1 < sc_sql_column_count(st) ? "|" : "\n");
        }
    }
}

static void put_keys(struct sc_sql_session *s, const char *sql, struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf explain = {0};
    int64_t rows = 0;
    sc_buf_put_fmt(&explain, "EXPLAIN KEYS %s", sql);
    put_rows(s, sc_buf_cstr(&explain), out, &rows);
}

/* Rows that were compared: none unless the first is answered through the index and the second without it, which the
 * planner does not do for a few rows.  Callers see to it that there are some. */
static int64_t compare(struct sc_sql_session *s, const char *index, const char *by_index, const char *by_scan)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf keys = {0}, scan_keys = {0}, got = {0}, expected = {0};
    int64_t rows = 0, scanned = 0;
    put_rows(s, by_index, &got, &rows);
    put_rows(s, by_scan, &expected, &scanned);
    put_keys(s, by_index, &keys);
    put_keys(s, by_scan, &scan_keys);
    if (strstr(sc_buf_cstr(&keys), index) == NULL || strstr(sc_buf_cstr(&scan_keys), index) != NULL)
        return 0;
    if (strcmp(sc_buf_cstr(&got), sc_buf_cstr(&expected)) != 0)
        fail_msg("index %s: %" PRId64 " rows, the table has %" PRId64 ", or others", index, rows, scanned);
    return rows;
}

int64_t workload_indexes(struct sc_local *local)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = reader(local);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf said = {0};
    int64_t lines = 0;
    put_rows(s, "PRAGMA integrity_check", &said, &lines);
    if (strcmp(sc_buf_cstr(&said), "ok\n") != 0)
        fail_msg("integrity_check: %s", sc_buf_cstr(&said));
    /* And by queries alone: all entries in their order, from the index. */
    int64_t n = compare(s, "account_balance", "SELECT balance, id FROM account ORDER BY balance",
                        "SELECT balance, id FROM account WHERE +transfers >= 0 ORDER BY +balance, +id") +
                compare(s, "transfer_src", "SELECT src, amount FROM transfer ORDER BY src, amount DESC",
                        "SELECT src, amount FROM transfer WHERE +dst >= 0 ORDER BY +src, +amount DESC") +
                compare(s, "transfer_tag", "SELECT tag FROM transfer ORDER BY tag",
                        "SELECT tag FROM transfer WHERE +dst >= 0 ORDER BY +tag");
    /* Each leads to its row. */
    for (int i = 0; i < ACCOUNT_COUNT; i++) {
        char by_index[120], by_scan[120];
        snprintf(by_index, sizeof by_index, "SELECT id, dst, tag FROM transfer WHERE src = %d ORDER BY +id", i);
        snprintf(by_scan, sizeof by_scan, "SELECT id, dst, tag FROM transfer WHERE +src = %d ORDER BY +id", i);
        n += compare(s, "transfer_src", by_index, by_scan);
    }
    return n;
}
