/* The real server process, spoken to by libpq over TLS. */
#include "metering/reading.h"
#include "pki.h"
#include "service/identity.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define CONNECTIONS_MAX 4

struct fixture {
    char *dir;
    struct test_ca ca, other_ca;
    uint16_t port;
    pid_t pid;
    PGconn *conns[16]; /* closed at the end, also after a failed test */
    size_t conn_count;
};

static int64_t now_ms(void)
{
    return sc_mono_us(&sc_clock_system) / 1000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static uint16_t free_port(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof addr;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&addr, sizeof addr), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&addr, &size), 0);
    close(fd);
    return ntohs(addr.sin_port);
}

static void identity(struct fixture *f, const char *name, const char *spiffe_name, const struct test_ca *ca)
{
    char uri[128];
    SC_CLEANUP(sc_freep) char *dir = test_path(f->dir, name);
    snprintf(uri, sizeof uri, "%s/%s", SC_TRUST_DOMAIN, spiffe_name);
    test_identity_write(dir, uri, ca, &f->ca);
}

static void configure(struct fixture *f)
{
    char config[1024];
    struct sc_key root;
    SC_CLEANUP(sc_freep) char *dir = test_path(f->dir, "cascadb");
    identity(f, "cascadb", "cascadb", &f->ca);
    snprintf(config, sizeof config,
             "{\"http\": {\"host\": \"127.0.0.1\", \"port\": 0}, \"listen\": {\"host\": \"127.0.0.1\", \"port\": %u},"
             " \"rights\": {\"" SC_TRUST_DOMAIN "/mdc\": \"write\", \"" SC_TRUST_DOMAIN "/auditor\": \"read\"},"
             " \"volume\": \"%s/volume\", \"counter\": \"%s/counter\", \"connections_max\": %d}",
             f->port, f->dir, f->dir, CONNECTIONS_MAX);
    sc_key_random(&root);
    test_write(dir, "config.json", sc_slice_str(config));
    test_write(dir, "kvs-root.key", sc_slice_of(root.bytes, sizeof root.bytes));
}

/* What the shell needs beside a certificate: where the database is. */
static void configure_client(struct fixture *f, const char *name)
{
    char config[256];
    SC_CLEANUP(sc_freep) char *dir = test_path(f->dir, name);
    snprintf(config, sizeof config, "{\"database\": {\"host\": \"127.0.0.1\", \"port\": %u}}", f->port);
    test_write(dir, "config.json", sc_slice_str(config));
}

static void server_start(struct fixture *f)
{
    const char *program = getenv("SC_CASCADB");
    SC_CLEANUP(sc_freep) char *dir = test_path(f->dir, "cascadb");
    SC_CLEANUP(sc_freep) char *log = test_path(f->dir, "log");
    assert_non_null(program);
    f->pid = fork();
    if (f->pid == 0) {
        if (freopen(log, "a", stderr) != NULL)
            execl(program, program, "--identity", dir, (char *)NULL);
        _exit(127);
    }
    assert_true(f->pid > 0);
}

/* The process' exit code; 1000 + signal when one ended it. */
static int server_wait(struct fixture *f)
{
    int status = 0;
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    f->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static const char *server_log(struct fixture *f)
{
    static struct sc_buf text;
    SC_CLEANUP(sc_freep) char *log = test_path(f->dir, "log");
    sc_buf_deinit(&text);
    assert_ok(sc_file_read(log, 1 << 20, &text, NULL));
    return sc_buf_cstr(&text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->dir = test_dir_new();
    f->port = free_port();
    test_ca_new(&f->ca, "CA");
    test_ca_new(&f->other_ca, "another CA");
    configure(f);
    identity(f, "mdc", "mdc", &f->ca);
    identity(f, "auditor", "auditor", &f->ca);
    identity(f, "stranger", "stranger", &f->ca);
    identity(f, "imposter", "mdc", &f->other_ca);
    configure_client(f, "mdc");
    configure_client(f, "auditor");
    server_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < f->conn_count; i++)
        PQfinish(f->conns[i]);
    int code = 0;
    if (f->pid != 0) {
        kill(f->pid, SIGTERM);
        code = server_wait(f);
        if (code != 0)
            print_error("server log:\n%s\n", server_log(f));
    }
    test_ca_free(&f->ca);
    test_ca_free(&f->other_ca);
    test_dir_free(f->dir);
    free(f);
    return code; /* not 0: the test fails */
}

/* A connection as who (a directory; NULL: without certificate), however it went; waits while nobody listens. */
static PGconn *dial(struct fixture *f, const char *who, const char *options)
{
    char info[1024];
    const int n = snprintf(info, sizeof info,
                           "host=localhost hostaddr=127.0.0.1 port=%u dbname=securecloud user=test gssencmode=disable "
                           "sslrootcert=%s/mdc/ca.pem %s",
                           f->port, f->dir, options);
    if (who != NULL)
        snprintf(info + n, sizeof info - (size_t)n, " sslcert=%s/%s/cert.pem sslkey=%s/%s/key.pem", f->dir, who, f->dir, who);
    const int64_t until = now_ms() + 10000;
    for (;;) {
        PGconn *db = PQconnectdb(info);
        if (PQstatus(db) == CONNECTION_OK || strstr(PQerrorMessage(db), "refused") == NULL || now_ms() > until) {
            assert_true(f->conn_count < sizeof f->conns / sizeof f->conns[0]);
            f->conns[f->conn_count++] = db;
            return db;
        }
        PQfinish(db);
        pause_ms(20);
    }
}

static PGconn *connected(struct fixture *f, const char *who)
{
    PGconn *db = dial(f, who, "sslmode=verify-full");
    if (PQstatus(db) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(db));
    return db;
}

static void hang_up(struct fixture *f, PGconn *db)
{
    for (size_t i = 0; i < f->conn_count; i++)
        if (f->conns[i] == db)
            f->conns[i] = f->conns[--f->conn_count];
    PQfinish(db);
}

static void clear(PGresult **res)
{
    PQclear(*res);
}

static void run(PGconn *db, const char *sql)
{
    SC_CLEANUP(clear) PGresult *res = PQexec(db, sql);
    if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
}

static void run_fails(PGconn *db, const char *sql, const char *sqlstate)
{
    SC_CLEANUP(clear) PGresult *res = PQexec(db, sql);
    assert_int_equal(PQresultStatus(res), PGRES_FATAL_ERROR);
    assert_string_equal(PQresultErrorField(res, PG_DIAG_SQLSTATE), sqlstate);
}

/* The first value of the first row; borrowed until the next call. */
static const char *value(PGconn *db, const char *sql)
{
    static char text[256];
    SC_CLEANUP(clear) PGresult *res = PQexec(db, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) == 0)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    snprintf(text, sizeof text, "%s", PQgetvalue(res, 0, 0));
    return text;
}

/* ---- queries ---- */
static void rows_come_back_as_they_were_written(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, x REAL, b BLOB)");
    run(db, "INSERT INTO t VALUES(1, 'Zähler', 0.1, x'00ff'), (2, NULL, -2.5, NULL)");
    SC_CLEANUP(clear) PGresult *res = PQexec(db, "SELECT id, name, x, b FROM t ORDER BY id");
    assert_int_equal(PQntuples(res), 2);
    assert_int_equal(PQftype(res, 0), 20);
    assert_int_equal(PQftype(res, 1), 25);
    assert_int_equal(PQftype(res, 2), 701);
    assert_int_equal(PQftype(res, 3), 17);
    assert_string_equal(PQgetvalue(res, 0, 1), "Zähler");
    assert_string_equal(PQgetvalue(res, 0, 2), "0.1");
    assert_string_equal(PQgetvalue(res, 0, 3), "\\x00ff");
    assert_true(PQgetisnull(res, 1, 1));
    assert_string_equal(PQgetvalue(res, 1, 2), "-2.5");
    assert_string_equal(PQcmdStatus(res), "SELECT 2");
}

static void several_statements_are_one_transaction(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    run_fails(db, "INSERT INTO t VALUES(1); INSERT INTO t VALUES(1)", "23505");
    assert_string_equal(value(db, "SELECT count(*) FROM t"), "0");
    run(db, "INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)");
    assert_string_equal(value(db, "SELECT count(*) FROM t"), "2");
}

static void an_error_breaks_the_transaction_until_its_end(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    run(db, "BEGIN");
    run(db, "INSERT INTO t VALUES(1)");
    assert_int_equal(PQtransactionStatus(db), PQTRANS_INTRANS);
    run_fails(db, "SELECT nope FROM t", "42703");
    assert_int_equal(PQtransactionStatus(db), PQTRANS_INERROR);
    run_fails(db, "SELECT 1", "25P02");
    SC_CLEANUP(clear) PGresult *res = PQexec(db, "COMMIT");
    assert_string_equal(PQcmdStatus(res), "ROLLBACK");
    assert_int_equal(PQtransactionStatus(db), PQTRANS_IDLE);
    assert_string_equal(value(db, "SELECT count(*) FROM t"), "0");
}

static void an_error_tells_state_and_place(void **state)
{
    PGconn *db = connected(*state, "mdc");
    SC_CLEANUP(clear) PGresult *res = PQexec(db, "SELECT 'é';  SELECT nope");
    assert_string_equal(PQresultErrorField(res, PG_DIAG_SQLSTATE), "42703");
    assert_string_equal(PQresultErrorField(res, PG_DIAG_SEVERITY), "ERROR");
    assert_string_equal(PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION), "21"); /* in characters */
}

static void prepared_statements_take_and_give_binary_values(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, x REAL, b BLOB, s TEXT)");
    SC_CLEANUP(clear) PGresult *prepared = PQprepare(db, "put", "INSERT INTO t VALUES($1,$2,$3,$4)", 0, NULL);
    assert_int_equal(PQresultStatus(prepared), PGRES_COMMAND_OK);
    SC_CLEANUP(clear) PGresult *described = PQdescribePrepared(db, "put");
    assert_int_equal(PQnparams(described), 4);
    assert_int_equal(PQparamtype(described, 0), 20);
    assert_int_equal(PQparamtype(described, 1), 701);
    assert_int_equal(PQparamtype(described, 2), 17);
    assert_int_equal(PQparamtype(described, 3), 25);
    uint8_t id[8];
    uint8_t x[8];
    const double quarter = -0.25;
    uint64_t word;
    memcpy(&word, &quarter, 8);
    sc_store_u64be(id, (uint64_t)-7);
    sc_store_u64be(x, word);
    const char *const values[] = { (const char *)id, (const char *)x, "\0\1", "text" };
    const int sizes[] = { 8, 8, 2, 4 };
    const int formats[] = { 1, 1, 1, 0 };
    SC_CLEANUP(clear) PGresult *put = PQexecPrepared(db, "put", 4, values, sizes, formats, 1);
    assert_string_equal(PQcmdTuples(put), "1");
    SC_CLEANUP(clear) PGresult *got = PQexecParams(db, "SELECT id, x, b, s, id + 1 FROM t WHERE id = $1", 1, NULL,
                                                   (const char *const[]){ "-7" }, NULL, NULL, 1);
    assert_int_equal(PQntuples(got), 1);
    assert_memory_equal(PQgetvalue(got, 0, 0), id, 8);
    assert_memory_equal(PQgetvalue(got, 0, 1), x, 8);
    assert_int_equal(PQgetlength(got, 0, 2), 2);
    assert_memory_equal(PQgetvalue(got, 0, 2), "\0\1", 2);
    assert_string_equal(PQgetvalue(got, 0, 3), "text");
    assert_int_equal(PQftype(got, 4), 20); /* an expression: by its first value */
    assert_int_equal((int64_t)sc_load_u64be((const uint8_t *)PQgetvalue(got, 0, 4)), -6);
}

/* ---- pipelines ---- */
static void expect_result(PGconn *db, ExecStatusType status)
{
    PGresult *res = PQgetResult(db);
    if (PQresultStatus(res) != status)
        fail_msg("%s instead of %s: %s", PQresStatus(PQresultStatus(res)), PQresStatus(status), PQresultErrorMessage(res));
    PQclear(res);
    if (status != PGRES_PIPELINE_SYNC)
        assert_null(PQgetResult(db));
}

static void a_failure_in_a_pipeline_undoes_the_whole_pipeline(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    assert_int_equal(PQenterPipelineMode(db), 1);
    static const char *const statements[] = { "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(3)" };
    for (int i = 0; i < 3; i++)
        assert_int_equal(PQsendQueryParams(db, statements[i], 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQpipelineSync(db), 1);
    assert_int_equal(PQsendQueryParams(db, "INSERT INTO t VALUES(4)", 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQpipelineSync(db), 1);
    expect_result(db, PGRES_COMMAND_OK);
    expect_result(db, PGRES_FATAL_ERROR);
    expect_result(db, PGRES_PIPELINE_ABORTED);
    expect_result(db, PGRES_PIPELINE_SYNC);
    expect_result(db, PGRES_COMMAND_OK);
    expect_result(db, PGRES_PIPELINE_SYNC);
    assert_int_equal(PQexitPipelineMode(db), 1);
    assert_string_equal(value(db, "SELECT group_concat(id) FROM t"), "4");
}

#define ROWS       10000
#define BATCH_ROWS 1000

/* As the MDC writes: BEGIN, prepared inserts with binary parameters, COMMIT, in one pipeline. */
static void insert_readings(PGconn *db, int from, int count)
{
    char sql[2048];
    uint8_t words[SC_READING_COLUMN_COUNT][8];
    const char *values[SC_READING_COLUMN_COUNT];
    int sizes[SC_READING_COLUMN_COUNT];
    int formats[SC_READING_COLUMN_COUNT];
    Oid types[SC_READING_COLUMN_COUNT];
    int n = snprintf(sql, sizeof sql, "INSERT OR IGNORE INTO reading(%s) VALUES(", sc_reading_columns);
    for (int i = 0; i < SC_READING_COLUMN_COUNT; i++) {
        n += snprintf(sql + n, sizeof sql - (size_t)n, "%s$%d", i != 0 ? "," : "", i + 1);
        types[i] = i >= 2 && i < 2 + SC_READING_FLOAT_COUNT ? 701 : 20;
        values[i] = (const char *)words[i];
        sizes[i] = 8;
        formats[i] = 1;
    }
    types[SC_READING_COLUMN_COUNT - 1] = 17;
    snprintf(sql + n, sizeof sql - (size_t)n, ")");
    if (from == 0)
        PQclear(PQprepare(db, "reading", sql, SC_READING_COLUMN_COUNT, types));
    assert_int_equal(PQenterPipelineMode(db), 1);
    assert_int_equal(PQsendQueryParams(db, "BEGIN", 0, NULL, NULL, NULL, NULL, 0), 1);
    for (int r = from; r < from + count; r++) {
        for (int i = 0; i < SC_READING_COLUMN_COUNT; i++) {
            const double x = (double)r * 0.1 + i;
            uint64_t word = (uint64_t)r;
            if (types[i] == 701)
                memcpy(&word, &x, 8);
            sc_store_u64be(words[i], word);
        }
        sc_store_u64be(words[0], (uint64_t)(r % 100));
        assert_int_equal(PQsendQueryPrepared(db, "reading", SC_READING_COLUMN_COUNT, values, sizes, formats, 0), 1);
    }
    assert_int_equal(PQsendQueryParams(db, "COMMIT", 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQpipelineSync(db), 1);
    for (int i = 0; i < count + 2; i++) /* BEGIN, rows, COMMIT */
        expect_result(db, PGRES_COMMAND_OK);
    expect_result(db, PGRES_PIPELINE_SYNC);
    assert_int_equal(PQexitPipelineMode(db), 1);
}

static void ten_thousand_readings_are_written_in_pipelines(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, sc_reading_create_table);
    const int64_t start = now_ms();
    for (int i = 0; i < ROWS; i += BATCH_ROWS)
        insert_readings(db, i, BATCH_ROWS);
    const int64_t written = now_ms();
    SC_CLEANUP(clear) PGresult *res = PQexecParams(db, "SELECT * FROM reading", 0, NULL, NULL, NULL, NULL, 1);
    const int64_t read = now_ms();
    print_message("%d readings written in %d ms, read in %d ms\n", ROWS, (int)(written - start), (int)(read - written));
    assert_int_equal(PQntuples(res), ROWS);
    assert_int_equal(PQnfields(res), SC_READING_COLUMN_COUNT);
    assert_string_equal(value(db, "SELECT count(*) || ' ' || sum(timestamp) FROM reading"), "10000 49995000");
    /* in key order: the second reading of customer 0 is number 100 */
    double x;
    const uint64_t word = sc_load_u64be((const uint8_t *)PQgetvalue(res, 1, 2));
    memcpy(&x, &word, 8);
    assert_true(x == 100 * 0.1 + 2);
}

/* ---- COPY ---- */
static void copy_in(PGconn *db, const char *sql, const char *data, ExecStatusType expected, const char *tag_or_state)
{
    SC_CLEANUP(clear) PGresult *res = PQexec(db, sql);
    assert_int_equal(PQresultStatus(res), PGRES_COPY_IN);
    for (size_t at = 0; at < strlen(data); at += 3) { /* in small pieces, which do not heed lines */
        const size_t n = strlen(data) - at < 3 ? strlen(data) - at : 3;
        assert_int_equal(PQputCopyData(db, data + at, (int)n), 1);
    }
    assert_int_equal(PQputCopyEnd(db, NULL), 1);
    SC_CLEANUP(clear) PGresult *end = PQgetResult(db);
    assert_int_equal(PQresultStatus(end), expected);
    assert_string_equal(expected == PGRES_COMMAND_OK ? PQcmdStatus(end) : PQresultErrorField(end, PG_DIAG_SQLSTATE), tag_or_state);
    assert_null(PQgetResult(db));
}

static const char *copy_out(PGconn *db, const char *sql)
{
    static struct sc_buf text;
    sc_buf_deinit(&text);
    SC_CLEANUP(clear) PGresult *res = PQexec(db, sql);
    if (PQresultStatus(res) != PGRES_COPY_OUT)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    char *data;
    for (int n; (n = PQgetCopyData(db, &data, 0)) > 0; PQfreemem(data))
        sc_buf_put_bytes(&text, sc_slice_of(data, (size_t)n));
    SC_CLEANUP(clear) PGresult *end = PQgetResult(db);
    assert_int_equal(PQresultStatus(end), PGRES_COMMAND_OK);
    assert_null(PQgetResult(db));
    return sc_buf_cstr(&text);
}

static void copy_goes_both_ways(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, b BLOB)");
    copy_in(db, "COPY t FROM STDIN", "1\ta\\tb\\\\\t\\\\x00\n2\t\\N\t\\N\n", PGRES_COMMAND_OK, "COPY 2");
    copy_in(db, "COPY t(s, id) FROM STDIN (FORMAT csv, HEADER)", "s,id\n\"x,\"\"y\"\"\nz\",3\n,4", PGRES_COMMAND_OK, "COPY 2");
    assert_string_equal(copy_out(db, "COPY t TO STDOUT"), "1\ta\\tb\\\\\t\\\\x00\n2\t\\N\t\\N\n3\tx,\"y\"\\nz\t\\N\n4\t\\N\t\\N\n");
    assert_string_equal(copy_out(db, "COPY (SELECT s, id FROM t WHERE id > 2) TO STDOUT WITH CSV HEADER"),
                        "s,id\n\"x,\"\"y\"\"\nz\",3\n,4\n");
}

static void a_bad_row_undoes_its_copy(void **state)
{
    PGconn *db = connected(*state, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT)");
    copy_in(db, "COPY t FROM STDIN", "1\tone\ntwo\ttwo\n3\tthree\n", PGRES_FATAL_ERROR, "22P02");
    copy_in(db, "COPY t FROM STDIN", "1\tone\n2\n", PGRES_FATAL_ERROR, "22P04");
    copy_in(db, "COPY t FROM STDIN", "1\tone\n1\tagain\n", PGRES_FATAL_ERROR, "23505");
    assert_string_equal(value(db, "SELECT count(*) FROM t"), "0");
}

/* ---- who may do what ---- */
static void a_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    PGconn *writer = connected(f, "mdc");
    run(writer, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)");
    PGconn *reader = connected(f, "auditor");
    assert_string_equal(value(reader, "SELECT id FROM t"), "1");
    run_fails(reader, "INSERT INTO t VALUES(2)", "25006");
    run_fails(reader, "UPDATE t SET id = 2", "25006");
    run_fails(reader, "DELETE FROM t", "25006");
    run_fails(reader, "DROP TABLE t", "25006");
    run_fails(reader, "CREATE TABLE u(id)", "25006");
    run_fails(reader, "COPY t FROM STDIN", "25006");
    assert_string_equal(value(reader, "SELECT count(*) FROM t"), "1");
}

static void refused(struct fixture *f, const char *who, const char *options, const char *why)
{
    PGconn *db = dial(f, who, options);
    assert_int_equal(PQstatus(db), CONNECTION_BAD);
    assert_contains(PQerrorMessage(db), why);
}

static void strangers_are_refused(void **state)
{
    struct fixture *f = *state;
    hang_up(f, connected(f, "mdc")); /* it is up */
    refused(f, "stranger", "sslmode=verify-full", "has no right to use this database");
    refused(f, "imposter", "sslmode=verify-full", "unknown ca");
    refused(f, NULL, "sslmode=verify-full sslcert=/nonexistent", "certificate required");
    refused(f, NULL, "sslmode=disable", "takes TLS connections");
    assert_contains(server_log(f), "connection refused");
}

static void connections_beyond_the_limit_are_told_so(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        connected(f, "mdc");
    refused(f, "mdc", "sslmode=verify-full", "too many connections");
    hang_up(f, f->conns[0]);
    for (int i = 0; i < 100; i++) { /* the server notices soon */
        PGconn *db = dial(f, "mdc", "sslmode=verify-full");
        if (PQstatus(db) == CONNECTION_OK)
            return;
        hang_up(f, db);
        pause_ms(20);
    }
    fail_msg("a closed connection's place is not given away");
}

/* ---- ending ---- */
static void a_cancel_request_stops_a_query(void **state)
{
    PGconn *db = connected(*state, "mdc");
    char why[256];
    assert_int_equal(PQsendQuery(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"), 1);
    PGcancel *cancel = PQgetCancel(db);
    pause_ms(100);
    assert_int_equal(PQcancel(cancel, why, sizeof why), 1);
    PQfreeCancel(cancel);
    SC_CLEANUP(clear) PGresult *res = PQgetResult(db);
    assert_string_equal(PQresultErrorField(res, PG_DIAG_SQLSTATE), "57014");
    assert_null(PQgetResult(db));
    assert_string_equal(value(db, "SELECT 1"), "1");
}

static void killed_and_started_again_it_has_what_was_committed(void **state)
{
    struct fixture *f = *state;
    PGconn *db = connected(f, "mdc");
    run(db, sc_reading_create_table);
    insert_readings(db, 0, 500);
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)");
    run(db, "BEGIN; INSERT INTO t VALUES(2)");
    kill(f->pid, SIGKILL);
    assert_int_equal(server_wait(f), 1000 + SIGKILL);
    server_start(f);
    db = connected(f, "mdc");
    assert_string_equal(value(db, "SELECT group_concat(id) FROM t"), "1");
    assert_string_equal(value(db, "SELECT count(*) FROM reading"), "500");
}

static void on_sigterm_it_tells_its_clients_and_exits_cleanly(void **state)
{
    struct fixture *f = *state;
    PGconn *idle = connected(f, "mdc");
    PGconn *busy = connected(f, "mdc");
    assert_int_equal(
        PQsendQuery(busy, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"), 1);
    pause_ms(100);
    const int64_t start = now_ms();
    kill(f->pid, SIGTERM);
    assert_int_equal(server_wait(f), 0);
    assert_in_range(now_ms() - start, 0, 5000);
    PQclear(PQexec(idle, "SELECT 1"));
    assert_int_equal(PQstatus(idle), CONNECTION_BAD);
    assert_contains(PQerrorMessage(idle), "shutting down");
}

/* ---- the shell ---- */
/* Runs it as who with arguments that need no quoting beyond what they have, and input on its standard input; what it
 * printed (both streams) and its exit code, as "...[0]".  Borrowed until the next call. */
static const char *shell(struct fixture *f, const char *who, const char *arguments, const char *input)
{
    static struct sc_buf text;
    char command[2048];
    char chunk[512];
    SC_CLEANUP(sc_freep) char *file = test_path(f->dir, "input");
    test_write(f->dir, "input", sc_slice_str(input));
    snprintf(command, sizeof command, "%s --identity %s/%s %s < %s 2>&1", getenv("SC_SQL"), f->dir, who, arguments, file);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    sc_buf_reset(&text);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, out)) > 0;)
        sc_buf_put_bytes(&text, sc_slice_of(chunk, n));
    const int status = pclose(out);
    sc_buf_put_fmt(&text, "[%d]", WEXITSTATUS(status));
    return sc_buf_cstr(&text);
}

static void the_shell_shows_rows_in_three_formats(void **state)
{
    struct fixture *f = *state;
    PGconn *db = connected(f, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, x REAL)");
    run(db, "INSERT INTO t VALUES(1, 'a \"q\", é', 0.5), (2, NULL, -1), (3, '', NULL)");
    static const char select[] = "SELECT * FROM t";
    assert_string_equal(shell(f, "auditor", "", select), "id,s,x\n1,\"a \"\"q\"\", é\",0.5\n2,,-1\n3,\"\",\n[0]");
    assert_string_equal(shell(f, "auditor", "--format json", select),
                        "[\n  {\"id\": 1, \"s\": \"a \\\"q\\\", é\", \"x\": 0.5},\n  {\"id\": 2, \"s\": null, \"x\": -1},\n"
                        "  {\"id\": 3, \"s\": \"\", \"x\": null}\n]\n[0]");
    assert_string_equal(shell(f, "auditor", "--format json", "SELECT * FROM t WHERE id > 9"), "[]\n[0]");
    assert_string_equal(shell(f, "auditor", "--format table", "SELECT id, s FROM t WHERE id = 1"),
                        " id | s\n----+----------\n  1 | a \"q\", é\n(1 row)\n\n[0]");
    assert_string_equal(shell(f, "auditor", "--format table", "SELECT char(27) || '[2J' AS s"), " s\n---------\n \\x1b[2J\n(1 row)\n\n[0]");
    assert_string_equal(shell(f, "auditor", "-c '\\dt'", ""), "table_name,column_count,primary_key\nt,3,id\n[0]");
    assert_contains(shell(f, "auditor", "-c '\\d T'", ""), "\nx,REAL,0,,0\n");
}

static void the_shell_runs_scripts_and_stops_at_the_first_error(void **state)
{
    struct fixture *f = *state;
    hang_up(f, connected(f, "mdc")); /* it is up */
    assert_string_equal(shell(f, "mdc", "",
                              "-- a script\nCREATE TABLE t(id INTEGER\n  PRIMARY KEY, s TEXT); COPY t FROM STDIN;\n1\tone\n2\ttwo\n\\.\n"
                              "SELECT count(*) AS n FROM t; COPY t TO STDOUT CSV"),
                        "n\n2\n1,one\n2,two\n[0]");
    assert_string_equal(shell(f, "mdc", "", "SELECT id FROM t\nWHERE nope = 1; DELETE FROM t;"),
                        "ERROR:  no such column: nope (SQLSTATE 42703)\n  WHERE nope = 1\n        ^\n[1]");
    assert_contains(shell(f, "auditor", "-c 'SELECT 1' -c 'DELETE FROM t' -c 'SELECT 2'", ""), "(SQLSTATE 25006)\n[1]");
    assert_string_equal(shell(f, "auditor", "-c 'SELECT count(*) FROM t'", ""), "count(*)\n2\n[0]");
    assert_contains(shell(f, "auditor", "--format xml", ""), "[2]");
    assert_contains(shell(f, "nobody", "", ""), "[1]");
}

static void the_shell_imports_files_into_the_server(void **state)
{
    struct fixture *f = *state;
    char arguments[300];
    PGconn *db = connected(f, "mdc");
    run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, x REAL DEFAULT 7)");
    test_write(f->dir, "good.csv", sc_slice_str("s;id\n\"two\nlines\";2\none;1\n"));
    test_write(f->dir, "bad.csv", sc_slice_str("10,a,1\n11,\"b\nb\",2\n12,c,three\n"));
    snprintf(arguments, sizeof arguments, "-c '\\import --header --delimiter ; %s/good.csv t'", f->dir);
    assert_string_equal(shell(f, "mdc", arguments, ""), "2 rows imported into t.\n[0]");
    assert_string_equal(value(db, "SELECT group_concat(id || s || x, ',') FROM t"), "1one7.0,2two\nlines7.0");
    snprintf(arguments, sizeof arguments, "-c '\\import %s/bad.csv t'", f->dir);
    const char *said = shell(f, "mdc", arguments, "");
    assert_contains(said, "bad.csv:4, column x: ");
    assert_contains(said, "Nothing was imported.\n[1]");
    snprintf(arguments, sizeof arguments, "-c '\\import --batch 1 %s/bad.csv t'", f->dir);
    said = shell(f, "mdc", arguments, "");
    assert_contains(said, "bad.csv:4, column x: ");
    assert_contains(said, "2 rows are imported, those before line 4; from there on none.\n[1]");
    assert_string_equal(value(db, "SELECT count(*) FROM t"), "4");
    snprintf(arguments, sizeof arguments, "-c '\\import %s/good.csv t'", f->dir);
    assert_contains(shell(f, "auditor", arguments, ""), "(SQLSTATE 25006)\nNothing was imported.\n[1]");
}

#define SERVER_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(rows_come_back_as_they_were_written),
        SERVER_TEST(several_statements_are_one_transaction),
        SERVER_TEST(an_error_breaks_the_transaction_until_its_end),
        SERVER_TEST(an_error_tells_state_and_place),
        SERVER_TEST(prepared_statements_take_and_give_binary_values),
        SERVER_TEST(a_failure_in_a_pipeline_undoes_the_whole_pipeline),
        SERVER_TEST(ten_thousand_readings_are_written_in_pipelines),
        SERVER_TEST(copy_goes_both_ways),
        SERVER_TEST(a_bad_row_undoes_its_copy),
        SERVER_TEST(a_reader_cannot_write),
        SERVER_TEST(strangers_are_refused),
        SERVER_TEST(connections_beyond_the_limit_are_told_so),
        SERVER_TEST(a_cancel_request_stops_a_query),
        SERVER_TEST(killed_and_started_again_it_has_what_was_committed),
        SERVER_TEST(the_shell_shows_rows_in_three_formats),
        SERVER_TEST(the_shell_runs_scripts_and_stops_at_the_first_error),
        SERVER_TEST(the_shell_imports_files_into_the_server),
        SERVER_TEST(on_sigterm_it_tells_its_clients_and_exits_cleanly),
    };
    return cmocka_run_group_tests_name("cascadb/server", tests, NULL, NULL);
}
