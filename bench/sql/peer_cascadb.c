/* CascaDB in this process: the C API over a volume in a directory, durable commits, all of it encrypted. */
#include "cascadb/local.h"
#include "peer.h"

#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>

#define CACHE_SIZE_MAX    ((size_t)1 << 30)
#define MEMTABLE_SIZE_MAX ((size_t)64 << 20)

struct peer {
    char dir[256];
    char counter[300];
    struct sc_local *local;
    struct sc_sql_session *session;
    struct sc_sql_stmt *insert;
    struct sc_sql_stmt *queries[QUERY_COUNT];
    char settings[600];
};

static void checked(struct peer *p, sc_err err, const char *what)
{
    if (err != SC_OK)
        bench_die("CascaDB: %s: %s", what, sc_sql_session_error(p->session)->message);
}

static void cascadb_exec(struct peer *p, const char *sql)
{
    checked(p, sc_sql_exec(p->session, sql), sql);
}

/* ---- results ---- */
static void add_row(struct sc_sql_stmt *st, size_t columns, struct answer *out)
{
    out->rows++;
    for (size_t i = 0; i < columns; i++) {
        const struct sc_sql_value v = sc_sql_column(st, i);
        if (v.type == SC_SQL_INTEGER)
            out->sum += (double)v.integer;
        else if (v.type == SC_SQL_REAL)
            out->sum += v.real;
        else if (v.type == SC_SQL_TEXT)
            for (size_t b = 0; b < v.bytes.size; b++)
                out->text += v.bytes.ptr[b];
        else
            bench_die("CascaDB: a value of type %d, which the bench cannot read", (int)v.type);
    }
}

static struct sc_sql_stmt *prepared(struct peer *p, struct sc_sql_stmt **st, const char *sql)
{
    size_t used;
    if (*st == NULL)
        checked(p, sc_sql_prepare(p->session, sc_slice_str(sql), st, &used), sql);
    return *st;
}

static void cascadb_query(struct peer *p, enum query q, const int64_t *params, struct answer *out)
{
    struct sc_sql_stmt *st = prepared(p, &p->queries[q], query_texts[q]);
    const size_t columns = sc_sql_column_count(st);
    bool row = true;
    *out = (struct answer){0};
    for (int i = 0; i < query_param_counts[q]; i++) {
        const struct sc_sql_value v = sc_sql_integer(params[i]);
        checked(p, sc_sql_bind(st, (size_t)i + 1, &v), "bind");
    }
    for (;;) {
        checked(p, sc_sql_step(st, &row), query_texts[q]);
        if (!row)
            return;
        add_row(st, columns, out);
    }
}

/* ---- writing ---- */
static void row_values(const struct row *row, struct sc_sql_value *values)
{
    values[0] = sc_sql_integer(row->client_id);
    values[1] = sc_sql_integer(row->ts);
    for (int v = 0; v < VALUE_COUNT; v++)
        values[2 + v] = sc_sql_real(row->values[v]);
}

static void cascadb_load(struct peer *p, const struct row *rows, size_t count)
{
    struct sc_sql_bulk *b = NULL;
    struct sc_sql_value values[COLUMN_COUNT];
    int64_t loaded = 0;
    checked(p, sc_sql_bulk_begin(p->session, "reading", NULL, 0, &b), "bulk load");
    for (size_t i = 0; i < count; i++) {
        row_values(&rows[i], values);
        checked(p, sc_sql_bulk_row(b, values), "bulk load");
    }
    checked(p, sc_sql_bulk_end(b, true, &loaded), "bulk load");
}

static const char *insert_text(void)
{
    static char sql[400];
    int n = snprintf(sql, sizeof sql, "INSERT INTO reading VALUES(?1");
    for (int i = 2; i <= COLUMN_COUNT; i++)
        n += snprintf(sql + n, sizeof sql - (size_t)n, ",?%d", i);
    snprintf(sql + n, sizeof sql - (size_t)n, ")");
    return sql;
}

static void cascadb_insert(struct peer *p, const struct row *rows, size_t count)
{
    struct sc_sql_stmt *st = prepared(p, &p->insert, insert_text());
    struct sc_sql_value values[COLUMN_COUNT];
    bool row;
    cascadb_exec(p, "BEGIN");
    for (size_t i = 0; i < count; i++) {
        row_values(&rows[i], values);
        for (size_t c = 0; c < COLUMN_COUNT; c++)
            checked(p, sc_sql_bind(st, c + 1, &values[c]), "bind");
        checked(p, sc_sql_step(st, &row), "INSERT");
    }
    cascadb_exec(p, "COMMIT");
}

/* ---- the rest ---- */
static void cascadb_settle(struct peer *p)
{
    struct sc_diag diag = {0};
    const sc_err err = sc_kvs_compact(sc_local_kvs(p->local), &diag);
    if (err != SC_OK)
        bench_die("CascaDB: compaction: %s", sc_diag_text(&diag, err));
    cascadb_exec(p, "ANALYZE");
}

static uint64_t cascadb_disk_bytes(struct peer *p)
{
    char *const roots[] = {p->dir, NULL};
    uint64_t bytes = 0;
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (fts == NULL)
        bench_die("%s cannot be listed", p->dir);
    for (FTSENT *e; (e = fts_read(fts)) != NULL;)
        if (e->fts_info == FTS_F)
            bytes += (uint64_t)e->fts_statp->st_size;
    fts_close(fts);
    return bytes;
}

static struct peer *cascadb_open(const char *dir)
{
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key key;
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL)
        bench_die("out of memory");
    sc_key_random(&key);
    snprintf(p->dir, sizeof p->dir, "%s/cascadb", dir);
    snprintf(p->counter, sizeof p->counter, "%s/cascadb.counter", dir);
    const struct sc_local_options opt = {
        .dir = p->dir,
        .root_key = &key,
        .counter_path = p->counter,
        .create = true,
        .memtable_size_max = MEMTABLE_SIZE_MAX,
        .block_cache_size_max = CACHE_SIZE_MAX,
    };
    sc_err err = sc_local_open(&opt, &p->local, &diag);
    if (err == SC_OK)
        err = sc_sql_session_new(sc_local_db(p->local), &(struct sc_sql_session_options){0}, &p->session, &diag);
    if (err != SC_OK)
        bench_die("CascaDB: %s", sc_diag_text(&diag, err));
    return p;
}

static const char *cascadb_settings(struct peer *p)
{
    snprintf(
        p->settings, sizeof p->settings,
        "CascaDB %s through the C API in this process: no socket, no wire.  A volume in a directory, encrypted and "
        "authenticated, with a rollback counter in a file; each commit synced; cache %zu MiB (all data fits), "
        "memtable %zu MiB.  Compaction and ANALYZE before the queries.",
        SC_VERSION, CACHE_SIZE_MAX >> 20, MEMTABLE_SIZE_MAX >> 20);
    return p->settings;
}

static void cascadb_close(struct peer *p)
{
    sc_sql_stmt_free(p->insert);
    for (int q = 0; q < QUERY_COUNT; q++)
        sc_sql_stmt_free(p->queries[q]);
    sc_sql_session_free(p->session);
    sc_local_close(p->local);
    free(p);
}

const struct peer_ops peer_cascadb = {
    "CascaDB",      cascadb_open,  cascadb_settings, cascadb_exec,       cascadb_load,
    cascadb_insert, cascadb_query, cascadb_settle,   cascadb_disk_bytes, cascadb_close,
};
