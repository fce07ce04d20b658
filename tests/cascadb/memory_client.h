/* tests/cascadb/memory_client.h - a client in memory: the bytes it will send, and what came back. */
#ifndef TESTS_CASCADB_MEMORY_CLIENT_H
#define TESTS_CASCADB_MEMORY_CLIENT_H

#include "cascadb/connection.h"
#include "cascadb/message.h"

struct memory_client {
    struct sc_buf in;     /* to the server */
    size_t at;            /* already read */
    size_t piece;         /* bytes a read gives at most; 0: all */
    sc_err at_end;        /* what reading says then: SC_OK is the end of the stream */
    bool deaf;            /* writing fails */
    int64_t statement_ms_max; /* 0: 2 s */
    struct sc_buf out;    /* from the server */
    uint32_t cancelled;   /* process of a CancelRequest */
    _Atomic bool stopping;
    struct sc_sql_session *session;
    const struct pg_auth *auth; /* NULL: a certificate has said who it is */
    struct sc_slice end_point;
};

static inline sc_err memory_read(void *self, uint8_t *out, size_t size, int timeout_ms, size_t *size_out, struct sc_diag *diag)
{
    struct memory_client *m = self;
    size_t n = m->in.size - m->at;
    (void)timeout_ms;
    if (n == 0 && m->at_end != SC_OK)
        return sc_fail(diag, m->at_end, "test: the client is silent");
    n = n < size ? n : size;
    n = m->piece != 0 && n > m->piece ? m->piece : n;
    if (n != 0)
        memcpy(out, m->in.ptr + m->at, n);
    m->at += n;
    *size_out = n;
    return SC_OK;
}

static inline sc_err memory_write(void *self, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag)
{
    struct memory_client *m = self;
    (void)timeout_ms;
    if (m->deaf)
        return sc_fail(diag, SC_E_IO, "test: the client does not read");
    sc_buf_put_bytes(&m->out, bytes);
    return sc_buf_status(&m->out);
}

static inline void memory_session_changed(void *arg, struct sc_sql_session *session)
{
    ((struct memory_client *)arg)->session = session;
}

static inline void memory_cancel(void *arg, uint32_t process, uint32_t key)
{
    (void)key;
    ((struct memory_client *)arg)->cancelled = process;
}

static inline void memory_client_deinit(struct memory_client *m)
{
    sc_buf_deinit(&m->in);
    sc_buf_deinit(&m->out);
}

/* Serves all that the client has to say. */
static inline sc_err memory_client_serve(struct memory_client *m, struct sc_sql_db *db, const struct pg_metrics *metrics,
                                         bool read_only, struct sc_diag *diag)
{
    const struct pg_principal who = { .name = "spiffe://securecloud.local/test", .read_only = read_only };
    const struct pg_connection_options opt = {
        .stream = { memory_read, memory_write, m }, .db = db, .principal = m->auth != NULL ? NULL : &who, .auth = m->auth,
        .end_point = m->end_point.size != 0 ? m->end_point : SC_SLICE_EMPTY,
        .process = 7, .key = 42, .metrics = metrics, .stopping = &m->stopping, .startup_ms_max = 1000, .idle_ms_max = 1000,
        .write_ms_max = 1000, .statement_ms_max = m->statement_ms_max != 0 ? m->statement_ms_max : 2000, .session_changed = memory_session_changed, .cancel = memory_cancel, .arg = m,
    };
    return pg_connection_run(&opt, diag);
}

/* ---- what a client says ---- */
static inline void say_startup(struct sc_buf *in, uint32_t version)
{
    static const char options[] = "user\0test\0application_name\0unit\0";
    sc_buf_put_u32be(in, (uint32_t)(8 + sizeof options));
    sc_buf_put_u32be(in, version);
    sc_buf_put_bytes(in, sc_slice_of(options, sizeof options));
}

static inline void say_query(struct sc_buf *in, const char *sql)
{
    const size_t at = pg_begin(in, 'Q');
    pg_put_cstr(in, sql);
    pg_end(in, at);
}

static inline void say_parse(struct sc_buf *in, const char *name, const char *sql)
{
    const size_t at = pg_begin(in, 'P');
    pg_put_cstr(in, name);
    pg_put_cstr(in, sql);
    sc_buf_put_u16be(in, 0);
    pg_end(in, at);
}

/* One text parameter, or none for NULL. */
static inline void say_bind(struct sc_buf *in, const char *portal, const char *statement, const char *value)
{
    const size_t at = pg_begin(in, 'B');
    pg_put_cstr(in, portal);
    pg_put_cstr(in, statement);
    sc_buf_put_u16be(in, 0);
    sc_buf_put_u16be(in, value != NULL);
    if (value != NULL)
        sc_buf_put_lv32(in, sc_slice_str(value));
    sc_buf_put_u16be(in, 0);
    pg_end(in, at);
}

static inline void say_target(struct sc_buf *in, char message, char kind, const char *name)
{
    const size_t at = pg_begin(in, message);
    sc_buf_put_u8(in, (uint8_t)kind);
    pg_put_cstr(in, name);
    pg_end(in, at);
}

static inline void say_execute(struct sc_buf *in, const char *portal, uint32_t row_count_max)
{
    const size_t at = pg_begin(in, 'E');
    pg_put_cstr(in, portal);
    sc_buf_put_u32be(in, row_count_max);
    pg_end(in, at);
}

static inline void say_data(struct sc_buf *in, const char *data)
{
    const size_t at = pg_begin(in, 'd');
    sc_buf_put_str(in, data);
    pg_end(in, at);
}

#endif
