/* PostgreSQL through libpq on a Unix socket: COPY BINARY, a pipeline of prepared INSERTs, prepared queries with binary
 * results - the fastest that libpq offers for each. */
#include "base/bytes.h"
#include "cluster.h"
#include "peer.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <unistd.h>

#define OID_INT8   20
#define OID_FLOAT8 701
#define OID_TEXT   25

struct peer {
    PGconn *db;
    struct sc_buf copy;
    bool insert_prepared;
    char settings[1000];
};

static const char *const server_settings[] = {
    "-c", "listen_addresses=",        "-c", "shared_buffers=2GB",       "-c", "wal_level=minimal",
    "-c", "max_wal_senders=0",        "-c", "max_wal_size=8GB",         "-c", "min_wal_size=2GB",
    "-c", "wal_buffers=64MB",         "-c", "work_mem=256MB",           "-c", "maintenance_work_mem=512MB",
    "-c", "effective_cache_size=8GB", "-c", "checkpoint_timeout=30min", "-c", "logging_collector=off",
    "-c", "max_connections=10",       "-c", "random_page_cost=1.1",     NULL,
};

bool peer_postgres_there(const char **bin_out)
{
    static const char bin[] = "/usr/lib/postgresql/15/bin"; /* Debian's place */
    *bin_out = bin;
    return access("/usr/lib/postgresql/15/bin/postgres", X_OK) == 0;
}

/* ---- results ---- */
static PGresult *checked(struct peer *p, PGresult *res, const char *what)
{
    const ExecStatusType s = PQresultStatus(res);
    if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_COPY_IN && s != PGRES_PIPELINE_SYNC)
        bench_die("PostgreSQL: %s: %s", what, PQerrorMessage(p->db));
    return res;
}

static void postgres_exec(struct peer *p, const char *sql)
{
    PQclear(checked(p, PQexec(p->db, sql), sql));
}

static double number_of(const char *bytes, Oid type)
{
    double v;
    uint64_t bits = sc_load_u64be((const uint8_t *)bytes);
    if (type == OID_INT8)
        return (double)(int64_t)bits;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void answer_of(const PGresult *res, struct answer *out)
{
    const int columns = PQnfields(res), rows = PQntuples(res);
    *out = (struct answer){.rows = rows};
    for (int c = 0; c < columns; c++) {
        const Oid type = PQftype(res, c);
        if (type != OID_INT8 && type != OID_FLOAT8 && type != OID_TEXT)
            bench_die("PostgreSQL: column %d has type %u, which the bench cannot read", c, type);
        for (int r = 0; r < rows; r++) {
            const char *v = PQgetvalue(res, r, c);
            if (type != OID_TEXT)
                out->sum += number_of(v, type);
            else
                for (int i = 0; i < PQgetlength(res, r, c); i++)
                    out->text += (uint8_t)v[i];
        }
    }
}

static void postgres_query(struct peer *p, enum query q, const int64_t *params, struct answer *out)
{
    char name[16];
    uint8_t bytes[3][8];
    const char *values[3];
    int sizes[3] = {8, 8, 8}, formats[3] = {1, 1, 1};
    snprintf(name, sizeof name, "query%d", (int)q);
    for (int i = 0; i < query_param_counts[q]; i++) {
        sc_store_u64be(bytes[i], (uint64_t)params[i]);
        values[i] = (const char *)bytes[i];
    }
    PGresult *res =
        checked(p, PQexecPrepared(p->db, name, query_param_counts[q], values, sizes, formats, 1), query_texts[q]);
    answer_of(res, out);
    PQclear(res);
}

/* ---- writing ---- */
static void put_i64(struct sc_buf *b, int64_t v)
{
    sc_buf_put_u32be(b, 8);
    sc_buf_put_u64be(b, (uint64_t)v);
}

static void postgres_load(struct peer *p, const struct row *rows, size_t count)
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* signature, flags, no extension */
    struct sc_buf *b = &p->copy;
    PQclear(checked(p, PQexec(p->db, "COPY reading FROM STDIN (FORMAT BINARY)"), "COPY"));
    sc_buf_reset(b);
    sc_buf_put_bytes(b, sc_slice_of(head, 19));
    for (size_t i = 0; i < count; i++) {
        sc_buf_put_u16be(b, COLUMN_COUNT);
        put_i64(b, rows[i].client_id);
        put_i64(b, rows[i].ts);
        for (int v = 0; v < VALUE_COUNT; v++) {
            sc_buf_put_u32be(b, 8);
            sc_buf_put_f64be(b, rows[i].values[v]);
        }
        if (i + 1 == count)
            sc_buf_put_u16be(b, 0xffff);
        if (b->size > 65536 || i + 1 == count) {
            if (PQputCopyData(p->db, (const char *)b->ptr, (int)b->size) != 1)
                bench_die("PostgreSQL: COPY: %s", PQerrorMessage(p->db));
            sc_buf_reset(b);
        }
    }
    if (PQputCopyEnd(p->db, NULL) != 1)
        bench_die("PostgreSQL: COPY: %s", PQerrorMessage(p->db));
    PQclear(checked(p, PQgetResult(p->db), "COPY"));
    PQclear(PQgetResult(p->db)); /* NULL: the end */
}

static void send_row(struct peer *p, const struct row *row)
{
    uint8_t bytes[COLUMN_COUNT][8];
    const char *values[COLUMN_COUNT];
    int sizes[COLUMN_COUNT], formats[COLUMN_COUNT];
    for (int i = 0; i < COLUMN_COUNT; i++) {
        uint64_t bits = (uint64_t)(i == 0 ? row->client_id : row->ts);
        if (i >= 2)
            memcpy(&bits, &row->values[i - 2], sizeof bits);
        sc_store_u64be(bytes[i], bits);
        values[i] = (const char *)bytes[i];
        sizes[i] = 8;
        formats[i] = 1;
    }
    if (PQsendQueryPrepared(p->db, "ins", COLUMN_COUNT, values, sizes, formats, 1) != 1)
        bench_die("PostgreSQL: INSERT: %s", PQerrorMessage(p->db));
}

/* Takes results up to the pipeline's end. */
static void drain(struct peer *p)
{
    for (bool synced = false; !synced;) {
        PGresult *res = PQgetResult(p->db);
        if (res == NULL)
            continue; /* between two statements */
        synced = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
        PQclear(checked(p, res, "INSERT"));
    }
}

static void prepare_insert(struct peer *p)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    sc_buf_put_str(&sql, "INSERT INTO reading VALUES($1");
    for (int i = 2; i <= COLUMN_COUNT; i++)
        sc_buf_put_fmt(&sql, ",$%d", i);
    sc_buf_put_str(&sql, ")");
    PQclear(checked(p, PQprepare(p->db, "ins", sc_buf_cstr(&sql), 0, NULL), "INSERT"));
    p->insert_prepared = true;
}

static void postgres_insert(struct peer *p, const struct row *rows, size_t count)
{
    if (!p->insert_prepared)
        prepare_insert(p);
    if (PQenterPipelineMode(p->db) != 1)
        bench_die("PostgreSQL: no pipeline");
    for (size_t i = 0; i < count; i++)
        send_row(p, &rows[i]);
    if (PQpipelineSync(p->db) != 1) /* a pipeline is one transaction, committed here */
        bench_die("PostgreSQL: %s", PQerrorMessage(p->db));
    drain(p);
    if (PQexitPipelineMode(p->db) != 1)
        bench_die("PostgreSQL: %s", PQerrorMessage(p->db));
}

static void prepare_queries(struct peer *p)
{
    static const Oid types[3] = {OID_INT8, OID_INT8, OID_INT8};
    char name[16];
    for (int q = 0; q < QUERY_COUNT; q++) {
        snprintf(name, sizeof name, "query%d", q);
        PQclear(checked(p, PQprepare(p->db, name, query_texts[q], query_param_counts[q], types), query_texts[q]));
    }
}

/* ---- the rest ---- */
static int64_t one_number(struct peer *p, const char *sql)
{
    PGresult *res = checked(p, PQexec(p->db, sql), sql);
    const int64_t v = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return v;
}

static void postgres_settle(struct peer *p)
{
    postgres_exec(p, "VACUUM (ANALYZE) reading");
    postgres_exec(p, "VACUUM (ANALYZE) customer");
    postgres_exec(p, "CHECKPOINT");
    prepare_queries(p); /* plans with the new statistics */
}

static uint64_t postgres_disk_bytes(struct peer *p)
{
    return (uint64_t)one_number(p, "SELECT pg_total_relation_size('reading') + pg_total_relation_size('customer')");
}

static struct peer *postgres_open(const char *dir)
{
    const char *bin;
    char conninfo[300];
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL || !peer_postgres_there(&bin))
        bench_die("no PostgreSQL 15");
    snprintf(conninfo, sizeof conninfo, "host=%s user=bench dbname=postgres", cluster_start(bin, dir, server_settings));
    p->db = PQconnectdb(conninfo);
    if (PQstatus(p->db) != CONNECTION_OK)
        bench_die("PostgreSQL: %s", PQerrorMessage(p->db));
    return p;
}

static const char *postgres_settings(struct peer *p)
{
    snprintf(
        p->settings, sizeof p->settings,
        "PostgreSQL %s, a cluster of its own, one connection on a Unix socket.  shared_buffers 2 GB (all data fits), "
        "fsync and synchronous_commit on, wal_level minimal, max_wal_size 8 GB, no checksums, no encryption; "
        "parallel workers and JIT as PostgreSQL comes.  COPY BINARY; prepared INSERTs in a libpq pipeline; prepared "
        "queries, binary results.  VACUUM (ANALYZE) and CHECKPOINT before the queries.",
        PQparameterStatus(p->db, "server_version"));
    return p->settings;
}

static void postgres_close(struct peer *p)
{
    PQfinish(p->db);
    cluster_stop();
    sc_buf_deinit(&p->copy);
    free(p);
}

const struct peer_ops peer_postgres = {
    "PostgreSQL",    postgres_open,  postgres_settings, postgres_exec,       postgres_load,
    postgres_insert, postgres_query, postgres_settle,   postgres_disk_bytes, postgres_close,
};
