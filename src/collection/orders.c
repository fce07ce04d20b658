#include "collection/orders.h"

#include "base/log.h"
#include "service/db.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define ORDER_COUNT_MAX 256
#define POLL_MS         1000
#define STATEMENT_MAX   128

const char sc_load_order_create_table[] =
    "CREATE TABLE IF NOT EXISTS load_order(meter INTEGER NOT NULL, order_id INTEGER NOT NULL, statement BLOB NOT NULL,"
    " signature BLOB NOT NULL, state TEXT NOT NULL, result TEXT, done_ms INTEGER, PRIMARY KEY(meter, order_id))";

struct order {
    uint32_t meter;
    uint64_t order_id;
    uint8_t statement[STATEMENT_MAX];
    size_t statement_size;
    uint8_t signature[SC_SIGNATURE_SIZE_MAX];
    size_t signature_size;
    bool answered;
    struct sc_message_load_result result;
};

struct sc_orders {
    const struct sc_identity *identity;
    pthread_t thread;
    pthread_mutex_t lock; /* guards order, count, stopping */
    pthread_cond_t changed;
    struct order order[ORDER_COUNT_MAX];
    size_t count;
    bool stopping;
    PGconn *db; /* the thread's own */
};

static struct order *find(struct sc_orders *o, uint32_t meter, uint64_t order_id)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->order[i].meter == meter && o->order[i].order_id == order_id)
            return &o->order[i];
    return NULL;
}

/* ---- the thread: database on one side, the list on the other ---- */
static void add_row(struct sc_orders *o, const PGresult *res, int row)
{
    const struct sc_slice statement = sc_slice_of(PQgetvalue(res, row, 0), (size_t)PQgetlength(res, row, 0));
    const struct sc_slice signature = sc_slice_of(PQgetvalue(res, row, 1), (size_t)PQgetlength(res, row, 1));
    struct sc_load_order decoded;
    if (statement.size > STATEMENT_MAX || signature.size > SC_SIGNATURE_SIZE_MAX ||
        sc_load_order_decode(statement, &decoded) != SC_OK) {
        sc_log(SC_LOG_WARN, "a row of load_order holds no order");
        return;
    }
    pthread_mutex_lock(&o->lock);
    if (o->count < ORDER_COUNT_MAX && find(o, decoded.meter, decoded.order_id) == NULL) {
        struct order *x = &o->order[o->count++];
        *x = (struct order){.meter = decoded.meter,
                            .order_id = decoded.order_id,
                            .statement_size = statement.size,
                            .signature_size = signature.size};
        memcpy(x->statement, statement.ptr, statement.size);
        memcpy(x->signature, signature.ptr, signature.size);
    }
    pthread_mutex_unlock(&o->lock);
}

static sc_err poll_pending(struct sc_orders *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res = PQexecParams(o->db, "SELECT statement, signature FROM load_order WHERE state = 'pending' LIMIT 256",
                                 0, NULL, NULL, NULL, NULL, 1);
    SC_TRY(sc_db_check(o->db, res, "load orders", diag));
    for (int i = 0; i < PQntuples(res); i++)
        add_row(o, res, i);
    return SC_OK;
}

static sc_err write_answer(struct sc_orders *o, const struct order *x, struct sc_diag *diag)
{
    char meter[16];
    char order_id[24];
    char done_ms[24];
    char result[160];
    const struct sc_message_load_result *r = &x->result;
    snprintf(meter, sizeof meter, "%" PRIu32, x->meter);
    snprintf(order_id, sizeof order_id, "%" PRIu64, x->order_id);
    snprintf(done_ms, sizeof done_ms, "%" PRId64, r->done_ms);
    snprintf(result, sizeof result, "%s: %s, %s -> %s, %.2f A", sc_load_action_name(r->action),
             sc_load_code_name(r->code), sc_load_state_name(r->before), sc_load_state_name(r->after),
             (double)r->current_a);
    const char *const values[] = {result, done_ms, meter, order_id};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res = PQexecParams(
        o->db, "UPDATE load_order SET state = 'done', result = $1, done_ms = $2 WHERE meter = $3 AND order_id = $4", 4,
        (const Oid[]){25, 20, 20, 20}, values, NULL, NULL, 0);
    return sc_db_check(o->db, res, "load orders", diag);
}

/* Takes one answered order out of the list; false when there is none. */
static bool take_answered(struct sc_orders *o, struct order *out)
{
    bool found = false;
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->count && !found; i++)
        if (o->order[i].answered) {
            *out = o->order[i];
            found = true;
        }
    pthread_mutex_unlock(&o->lock);
    return found;
}

static void forget(struct sc_orders *o, const struct order *x)
{
    pthread_mutex_lock(&o->lock);
    struct order *there = find(o, x->meter, x->order_id);
    if (there != NULL)
        *there = o->order[--o->count];
    pthread_mutex_unlock(&o->lock);
}

static sc_err exchange(struct sc_orders *o, struct sc_diag *diag)
{
    if (o->db != NULL && PQstatus(o->db) != CONNECTION_OK)
        PQfinish(SC_TAKE(o->db));
    if (o->db == NULL) {
        SC_TRY(sc_db_connect(o->identity, &o->db, diag));
        SC_TRY(sc_db_exec(o->db, sc_load_order_create_table, diag));
    }
    struct order x;
    while (take_answered(o, &x)) {
        SC_TRY(write_answer(o, &x, diag));
        forget(o, &x);
    }
    return poll_pending(o, diag);
}

static void *orders_thread(void *arg)
{
    struct sc_orders *o = arg;
    struct sc_log_limiter limiter = {0};
    for (;;) {
        struct sc_diag diag = {0};
        const sc_err err = exchange(o, &diag);
        if (err != SC_OK)
            sc_log_limited(&limiter, SC_LOG_WARN, "load orders wait: %s", sc_diag_text(&diag, err));
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += POLL_MS / 1000;
        pthread_mutex_lock(&o->lock);
        if (!o->stopping)
            pthread_cond_timedwait(&o->changed, &o->lock, &until);
        const bool stop = o->stopping;
        pthread_mutex_unlock(&o->lock);
        if (stop)
            return NULL;
    }
}

/* ---- the loop's side ---- */
sc_err sc_orders_new(const struct sc_identity *identity, struct sc_orders **out, struct sc_diag *diag)
{
    struct sc_orders *o = calloc(1, sizeof *o);
    if (o == NULL)
        return sc_fail(diag, SC_E_NOMEM, "load orders");
    o->identity = identity;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
    if (pthread_create(&o->thread, NULL, orders_thread, o) != 0) {
        free(o);
        return sc_fail(diag, SC_E_NOMEM, "load orders' thread");
    }
    *out = o;
    return SC_OK;
}

void sc_orders_free(struct sc_orders *o)
{
    if (o == NULL)
        return;
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    if (o->db != NULL)
        PQfinish(o->db);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

void sc_orders_take(struct sc_orders *o,
                    void (*each)(void *arg, uint32_t meter, struct sc_slice statement, struct sc_slice signature),
                    void *arg)
{
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->count; i++) {
        const struct order *x = &o->order[i];
        if (!x->answered)
            each(arg, x->meter, sc_slice_of(x->statement, x->statement_size),
                 sc_slice_of(x->signature, x->signature_size));
    }
    pthread_mutex_unlock(&o->lock);
}

void sc_orders_result(struct sc_orders *o, uint32_t meter, const struct sc_message_load_result *result)
{
    pthread_mutex_lock(&o->lock);
    struct order *x = find(o, meter, result->order_id);
    if (x != NULL && !x->answered) {
        x->answered = true;
        x->result = *result;
        pthread_cond_signal(&o->changed);
    }
    pthread_mutex_unlock(&o->lock);
}
