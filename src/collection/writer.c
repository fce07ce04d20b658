#include "collection/writer.h"

#include "base/log.h"
#include "service/db.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define RETRY_PAUSE_MS 200
#define OID_INT8       20
#define OID_FLOAT8     701
#define OID_BYTEA      17

struct sc_writer {
    struct sc_writer_options opt;
    pthread_t thread;
    pthread_mutex_t lock; /* guards phase, batch, stopping */
    pthread_cond_t changed;
    enum { WRITER_IDLE, WRITER_SUBMITTED, WRITER_WRITTEN } phase;
    struct sc_batch *batch; /* NULL while idle */
    bool stopping;
    _Atomic uint64_t retries;
    PGconn *db;           /* the thread's own, as is what follows */
    struct sc_buf insert; /* the statement's text */
};

/* ---- batches ---- */
sc_err sc_batch_add(struct sc_batch *b, const struct sc_mdc_row *row)
{
    if (b->count == SC_BATCH_ROWS_MAX)
        return SC_E_LIMIT;
    if (b->count == b->capacity) {
        const size_t capacity = b->capacity != 0 ? b->capacity * 2 : 64;
        struct sc_mdc_row *p = realloc(b->rows, capacity * sizeof *p);
        if (p == NULL)
            return SC_E_NOMEM;
        b->rows = p;
        b->capacity = capacity;
    }
    b->rows[b->count++] = *row;
    return SC_OK;
}

void sc_batch_deinit(struct sc_batch *b)
{
    free(b->rows);
    *b = (struct sc_batch){0};
}

/* ---- one row as binary parameters ---- */
struct params {
    const char *value[SC_READING_COLUMN_COUNT];
    int size[SC_READING_COLUMN_COUNT];
    int format[SC_READING_COLUMN_COUNT];
    uint8_t word[SC_READING_COLUMN_COUNT][8];
    size_t count;
};

static void put_word(struct params *p, uint64_t v)
{
    sc_store_u64be(p->word[p->count], v);
    p->value[p->count] = (const char *)p->word[p->count];
    p->size[p->count] = 8;
    p->count++;
}

static void put_float(struct params *p, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    put_word(p, u);
}

static void put_null(struct params *p)
{
    p->value[p->count] = NULL;
    p->size[p->count] = 0;
    p->count++;
}

static void params_of(const struct sc_mdc_row *row, struct params *p)
{
    const struct sc_reading *r = &row->reading;
    p->count = 0;
    for (size_t i = 0; i < SC_READING_COLUMN_COUNT; i++)
        p->format[i] = 1;
    put_word(p, row->client_id);
    put_word(p, (uint64_t)r->start_ms);
    for (unsigned i = 0; i < SC_READING_ATTR_COUNT; i++) {
        if ((r->validity >> i & 1) == 0)
            put_null(p);
        else if (i < SC_READING_FLOAT_COUNT)
            put_float(p, (double)r->value[i]);
        else
            put_word(p, r->reg[i - SC_READING_FLOAT_COUNT]);
    }
    put_word(p, r->meter);
    put_word(p, r->sequence);
    put_word(p, r->interval_s);
    put_word(p, r->status);
    p->value[p->count] = (const char *)row->signature;
    p->size[p->count++] = (int)row->signature_size;
    SC_ASSERT(p->count == SC_READING_COLUMN_COUNT);
}

/* ---- writing ---- */
static sc_err connect_and_prepare(struct sc_writer *w, struct sc_diag *diag)
{
    if (w->db != NULL && PQstatus(w->db) == CONNECTION_OK)
        return SC_OK;
    if (w->db != NULL)
        PQfinish(SC_TAKE(w->db));
    SC_TRY(sc_db_connect(w->opt.identity, &w->db, diag));
    Oid types[SC_READING_COLUMN_COUNT];
    for (unsigned i = 0; i < SC_READING_COLUMN_COUNT; i++)
        types[i] = i >= 2 && i < 2 + SC_READING_FLOAT_COUNT ? OID_FLOAT8 : OID_INT8;
    types[SC_READING_COLUMN_COUNT - 1] = OID_BYTEA;
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res = PQprepare(w->db, "reading", sc_buf_cstr(&w->insert), SC_READING_COLUMN_COUNT, types);
    return sc_db_check(w->db, res, "prepare", diag);
}

/* Reads one statement's answer in pipeline mode: its result and the NULL behind it. */
static sc_err pipeline_result(struct sc_writer *w, sc_err so_far, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep) PGresult *res = PQgetResult(w->db);
    if (res != NULL && PQresultStatus(res) != PGRES_PIPELINE_SYNC)
        PQclear(PQgetResult(w->db));
    if (so_far != SC_OK) /* the first failure is the cause; the rest only says "aborted" */
        return so_far;
    return res == NULL ? sc_fail(diag, SC_E_AGAIN, "database: connection lost")
                       : sc_db_check(w->db, res, "write", diag);
}

static sc_err write_rows(struct sc_writer *w, const struct sc_mdc_row *rows, size_t count, struct sc_diag *diag)
{
    struct params p;
    bool sent = PQsendQueryParams(w->db, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) == 1;
    for (size_t i = 0; sent && i < count; i++) {
        params_of(&rows[i], &p);
        sent = PQsendQueryPrepared(w->db, "reading", SC_READING_COLUMN_COUNT, p.value, p.size, p.format, 0) == 1;
    }
    sent = sent && PQsendQueryParams(w->db, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) == 1 && PQpipelineSync(w->db) == 1;
    if (!sent)
        return sc_fail(diag, SC_E_AGAIN, "database: %s", PQerrorMessage(w->db));
    sc_err err = SC_OK;
    for (size_t i = 0; i < count + 3; i++) /* BEGIN, rows, COMMIT, sync */
        err = pipeline_result(w, err, diag);
    return err;
}

/* Pipelining means sending all before reading any; libpq keeps what the socket does not take, so a part is bounded. */
#define PIPELINE_ROWS_MAX 1024

static sc_err write_batch(struct sc_writer *w, const struct sc_batch *b, struct sc_diag *diag)
{
    SC_TRY(connect_and_prepare(w, diag));
    for (size_t at = 0; at < b->count; at += PIPELINE_ROWS_MAX) {
        const size_t n = b->count - at < PIPELINE_ROWS_MAX ? b->count - at : PIPELINE_ROWS_MAX;
        if (PQenterPipelineMode(w->db) != 1)
            return sc_fail(diag, SC_E_AGAIN, "database: %s", PQerrorMessage(w->db));
        const sc_err err = write_rows(w, &b->rows[at], n, diag);
        if (err != SC_OK || PQexitPipelineMode(w->db) != 1) {
            PQfinish(SC_TAKE(w->db)); /* its state is unknown: begin anew */
            return err != SC_OK ? err : SC_E_AGAIN;
        }
    }
    return SC_OK;
}

static bool stopping(struct sc_writer *w)
{
    pthread_mutex_lock(&w->lock);
    const bool stop = w->stopping;
    pthread_mutex_unlock(&w->lock);
    return stop;
}

static void write_until_stored(struct sc_writer *w, const struct sc_batch *b)
{
    struct sc_log_limiter limiter = {0};
    for (;;) {
        struct sc_diag diag = {0};
        const sc_err err = write_batch(w, b, &diag);
        if (err == SC_OK || stopping(w))
            return;
        atomic_fetch_add(&w->retries, 1);
        sc_log_limited(&limiter, SC_LOG_WARN, "write failed, trying again rows=%zu why=\"%s\"", b->count,
                       sc_diag_text(&diag, err));
        nanosleep(&(struct timespec){.tv_nsec = RETRY_PAUSE_MS * 1000000L}, NULL);
    }
}

static void report_done(void *arg)
{
    struct sc_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    struct sc_batch *b = SC_TAKE(w->batch);
    w->phase = WRITER_IDLE;
    pthread_mutex_unlock(&w->lock);
    if (b != NULL)
        w->opt.done(w->opt.arg, b);
}

static void *writer_thread(void *arg)
{
    struct sc_writer *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        while (!w->stopping && w->phase != WRITER_SUBMITTED)
            pthread_cond_wait(&w->changed, &w->lock);
        const struct sc_batch *b = w->batch;
        const bool stop = w->stopping;
        pthread_mutex_unlock(&w->lock);
        if (stop)
            return NULL;
        write_until_stored(w, b);
        pthread_mutex_lock(&w->lock);
        w->phase = WRITER_WRITTEN;
        const bool tell = !w->stopping;
        pthread_mutex_unlock(&w->lock);
        if (tell && sc_loop_call(w->opt.loop, report_done, w) != SC_OK)
            abort(); /* no memory for a few bytes: a restart reads from the database what was stored */
    }
}

sc_err sc_writer_new(const struct sc_writer_options *opt, struct sc_writer **out, struct sc_diag *diag)
{
    struct sc_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return sc_fail(diag, SC_E_NOMEM, "writer");
    w->opt = *opt;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    sc_buf_put_fmt(&w->insert, "INSERT OR IGNORE INTO reading(%s) VALUES(", sc_reading_columns);
    for (int i = 1; i <= SC_READING_COLUMN_COUNT; i++)
        sc_buf_put_fmt(&w->insert, "%s$%d", i > 1 ? "," : "", i);
    sc_buf_put_str(&w->insert, ")");
    if (sc_buf_status(&w->insert) != SC_OK || pthread_create(&w->thread, NULL, writer_thread, w) != 0) {
        sc_buf_deinit(&w->insert);
        free(w);
        return sc_fail(diag, SC_E_NOMEM, "writer thread");
    }
    *out = w;
    return SC_OK;
}

void sc_writer_free(struct sc_writer *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    if (w->db != NULL)
        PQfinish(w->db);
    sc_buf_deinit(&w->insert);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void sc_writer_submit(struct sc_writer *w, struct sc_batch *batch)
{
    pthread_mutex_lock(&w->lock);
    SC_ASSERT(w->phase == WRITER_IDLE);
    w->batch = batch;
    w->phase = WRITER_SUBMITTED;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

bool sc_writer_busy(const struct sc_writer *w)
{
    struct sc_writer *mutable_w = (struct sc_writer *)w; /* the lock is not part of its value */
    pthread_mutex_lock(&mutable_w->lock);
    const bool busy = w->phase != WRITER_IDLE;
    pthread_mutex_unlock(&mutable_w->lock);
    return busy;
}

uint64_t sc_writer_retries(const struct sc_writer *w)
{
    return atomic_load(&w->retries);
}
