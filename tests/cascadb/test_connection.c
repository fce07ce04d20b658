/* A connection's state machine, over bytes in memory. */
#include "memory_client.h"
#include "store/memory.h"
#include "test.h"

struct fixture {
    struct sc_store *store;
    struct sc_kvs *kvs;
    struct sc_sql_db *db;
    struct sc_metrics *metrics;
    struct pg_metrics counters;
    struct memory_client c;
    struct sc_diag diag;
    sc_err err; /* how the last connection ended */
};

static int setup(void **state)
{
    static const struct sc_key root = { { 1 } };
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_ok(sc_store_memory_new(&f->store));
    const struct sc_kvs_options opt = { .store = f->store, .root_key = &root, .create = true };
    assert_ok(sc_kvs_open(&opt, &f->kvs, NULL));
    assert_ok(sc_sql_db_open(f->kvs, &f->db, NULL));
    assert_ok(sc_metrics_new(&f->metrics));
    f->counters = (struct pg_metrics){ sc_metrics_counter(f->metrics, "s", "", ""), sc_metrics_counter(f->metrics, "e", "", ""),
                                       sc_metrics_counter(f->metrics, "i", "", ""), sc_metrics_counter(f->metrics, "o", "", "") };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    memory_client_deinit(&f->c);
    sc_metrics_free(f->metrics);
    sc_sql_db_close(f->db);
    sc_kvs_close(f->kvs);
    sc_store_free(f->store);
    free(f);
    return 0;
}

/* A new client that has said its startup message. */
static struct sc_buf *client(struct fixture *f)
{
    memory_client_deinit(&f->c);
    f->c = (struct memory_client){ .piece = f->c.piece };
    say_startup(&f->c.in, 3u << 16);
    return &f->c.in;
}

static void append(struct sc_buf *to, char type, struct sc_slice body)
{
    const char *cstr = (const char *)body.ptr;
    sc_buf_put_u8(to, (uint8_t)type);
    if (type == 'C')
        sc_buf_put_fmt(to, "(%s)", cstr);
    else if (type == 'Z')
        sc_buf_put_fmt(to, "(%c)", cstr[0]);
    else if (type == 'E' || type == 'N') {
        const char *code = memmem(cstr, body.size, "\0C", 2);
        assert_non_null(code);
        sc_buf_put_fmt(to, "(%.5s)", code + 2);
    } else if (type == 'D') {
        struct sc_reader r = sc_reader_of(body);
        uint16_t count;
        assert_ok(sc_reader_get_u16be(&r, &count));
        for (unsigned i = 0; i < count; i++) {
            struct sc_slice v;
            bool null;
            assert_ok(pg_param_next(&r, &null, &v));
            sc_buf_put_fmt(to, "%s%.*s", i == 0 ? "(" : ",", (int)v.size, (const char *)v.ptr);
        }
        sc_buf_put_str(to, ")");
        assert_ok(sc_reader_expect_end(&r));
    }
}

/* Serves the client; what came back behind the greeting, as "T D(1,a) C(SELECT 1) Z(I)".  Borrowed until the next call. */
static const char *answer(struct fixture *f)
{
    static struct sc_buf text;
    f->diag = (struct sc_diag){ 0 };
    f->err = memory_client_serve(&f->c, f->db, &f->counters, false, &f->diag);
    assert_null(f->c.session); /* nobody may cancel a session that is gone */
    sc_buf_reset(&text);
    struct sc_slice rest = sc_buf_slice(&f->c.out);
    bool greeted = false;
    while (rest.size != 0) {
        struct pg_frame m;
        size_t used;
        assert_ok(pg_frame_next(rest, PG_MESSAGE_SIZE_MAX, &m, &used));
        rest = (struct sc_slice){ rest.ptr + used, rest.size - used };
        if (greeted || m.type == 'E') {
            sc_buf_put_str(&text, text.size != 0 ? " " : "");
            append(&text, (char)m.type, m.body);
        }
        greeted = greeted || m.type == 'Z';
    }
    return sc_buf_cstr(&text);
}

static void prepare_table(struct fixture *f)
{
    say_query(client(f), "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT); INSERT INTO t VALUES(1,'a'),(2,'b'),(3,'c')");
    pg_put_empty(&f->c.in, 'X');
    assert_string_equal(answer(f), "C(CREATE TABLE) C(INSERT 0 3) Z(I)");
    assert_ok(f->err);
}

/* ---- startup ---- */
static void it_greets_with_what_clients_need(void **state)
{
    struct fixture *f = *state;
    pg_put_empty(client(f), 'X');
    assert_string_equal(answer(f), "");
    assert_ok(f->err);
    const struct sc_buf *out = &f->c.out;
    static const char authenticated[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };
    assert_memory_equal(out->ptr, authenticated, sizeof authenticated);
    static const char version[] = "server_version\00015.0 (CascaDB";
    assert_non_null(memmem(out->ptr, out->size, version, sizeof version - 1));
    static const char name[] = "application_name\0unit";
    assert_non_null(memmem(out->ptr, out->size, name, sizeof name));
    static const char end[] = { 'K', 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 42, 'Z', 0, 0, 0, 5, 'I' };
    assert_memory_equal(out->ptr + out->size - sizeof end, end, sizeof end);
}

static void newer_clients_are_told_to_speak_version_3_0(void **state)
{
    struct fixture *f = *state;
    f->c = (struct memory_client){ 0 };
    say_startup(&f->c.in, 3u << 16 | 2);
    say_query(&f->c.in, "SELECT 1");
    pg_put_empty(&f->c.in, 'X');
    assert_string_equal(answer(f), "T D(1) C(SELECT 1) Z(I)");
    assert_int_equal(f->c.out.ptr[0], 'v');
}

static void a_startup_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t size, code;
        const char *answer;
    } bad[] = { { 8, 2u << 16, "E(0A000)" }, { 8, 3u << 16, "E(08P01)" }, { 7, 3u << 16, "E(08P01)" },
                { 0x7fffffff, 0, "E(08P01)" } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memory_client_deinit(&f->c);
        f->c = (struct memory_client){ 0 };
        sc_buf_put_u32be(&f->c.in, bad[i].size);
        sc_buf_put_u32be(&f->c.in, bad[i].code);
        assert_string_equal(answer(f), bad[i].answer);
        assert_true(f->err != SC_OK);
    }
}

static void encryption_is_declined_twice_and_no_more(void **state)
{
    struct fixture *f = *state;
    f->c = (struct memory_client){ 0 };
    for (int i = 0; i < 3; i++) {
        sc_buf_put_u32be(&f->c.in, 8);
        sc_buf_put_u32be(&f->c.in, i == 1 ? 80877104 : 80877103); /* SSLRequest, GSSENCRequest */
    }
    assert_err(memory_client_serve(&f->c, f->db, &f->counters, false, &f->diag), SC_E_MALFORMED);
    assert_true(f->c.out.size > 2);
    assert_memory_equal(f->c.out.ptr, "NNE", 3);
}

/* ---- login by password ---- */
static void say_sasl(struct sc_buf *in, const char *mechanism, const char *response)
{
    const size_t at = pg_begin(in, 'p');
    if (mechanism != NULL) {
        pg_put_cstr(in, mechanism);
        sc_buf_put_lv32(in, sc_slice_str(response));
    } else
        sc_buf_put_str(in, response);
    pg_end(in, at);
}

static void a_login_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char first[] = "n,,n=,r=abcdefgh";
    static const char final[] = "c=biws,r=abcdefgh,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    SC_CLEANUP(sc_json_freep) json_t *rights = json_object();
    SC_CLEANUP(pg_auth_freep) struct pg_auth *auth = NULL;
    assert_ok(pg_auth_new(rights, NULL, &auth, NULL));
    for (int i = 0; i < 9; i++) {
        const char *expected = "E(08P01)";
        struct sc_buf *in = client(f);
        f->c.auth = auth;
        switch (i) {
        case 0: /* out of order */
            say_query(in, "SELECT 1");
            break;
        case 1: /* a mechanism that is not offered, PLUS without TLS among them */
            say_sasl(in, "PLAIN", "me");
            expected = "E(28000)";
            break;
        case 2:
            say_sasl(in, "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc");
            expected = "E(28000)";
            break;
        case 3:
            say_sasl(in, "SCRAM-SHA-256", "nonsense");
            break;
        case 4: /* nothing may be asked to be kept before the client is known */
            sc_buf_put_u8(in, 'p');
            sc_buf_put_u32be(in, 1 << 20);
            break;
        case 5:
            say_sasl(in, "SCRAM-SHA-256", first);
            say_query(in, "SELECT 1");
            expected = "E(08P01)";
            break;
        case 6: /* played back: of another exchange */
            say_sasl(in, "SCRAM-SHA-256", first);
            say_sasl(in, NULL, final);
            expected = "E(28P01)";
            break;
        case 7:
            say_sasl(in, "SCRAM-SHA-256", first);
            f->c.at_end = SC_E_AGAIN;
            expected = "E(08006)";
            break;
        default: /* gone in the middle */
            say_sasl(in, "SCRAM-SHA-256", first);
            expected = "";
        }
        assert_string_equal(answer(f), expected);
        assert_true(f->err != SC_OK);
        assert_null(f->c.session); /* no session was made for a stranger */
    }
}

static void a_cancel_request_is_passed_on(void **state)
{
    struct fixture *f = *state;
    sc_buf_put_u32be(&f->c.in, 16);
    sc_buf_put_u32be(&f->c.in, 80877102);
    sc_buf_put_u32be(&f->c.in, 7);
    sc_buf_put_u32be(&f->c.in, 42);
    assert_string_equal(answer(f), "");
    assert_ok(f->err);
    assert_int_equal(f->c.cancelled, 7);
}

/* ---- simple queries ---- */
static void simple_queries_are_answered(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sql;
        const char *answer;
    } queries[] = {
        { "SELECT id, s FROM t WHERE id < 3", "T D(1,a) D(2,b) C(SELECT 2) Z(I)" },
        { "SELECT id FROM t WHERE id > 3", "T C(SELECT 0) Z(I)" },
        { "", "I Z(I)" },
        { " ; -- nothing\n ;", "I Z(I)" },
        { "SELECT 1;;SELECT 2;", "T D(1) C(SELECT 1) T D(2) C(SELECT 1) Z(I)" },
        { "UPDATE t SET s = 'x' WHERE id > 1; DELETE FROM t WHERE id = 3", "C(UPDATE 2) C(DELETE 1) Z(I)" },
        { "SELECT 1; SELEC", "T D(1) C(SELECT 1) E(42601) Z(I)" },
        { "SELECT $1", "E(42P02) Z(I)" },
        { "BEGIN; SELECT nope FROM t; SELECT 2", "C(BEGIN) E(42703) Z(E)" },
        { "SELECT 1", "E(25P02) Z(E)" },
        { "SHOW server_version", "E(25P02) Z(E)" },
        { "COPY t FROM STDIN", "E(25P02) Z(E)" },
        { "ROLLBACK; SELECT 1", "C(ROLLBACK) T D(1) C(SELECT 1) Z(I)" },
        { "SET x = 1", "N(01000) C(SET) Z(I)" },
        { "SET client_encoding = 'latin1'", "E(22023) Z(I)" },
        { "SET standard_conforming_strings = off", "E(22023) Z(I)" },
        { "SHOW client_encoding; SHOW TRANSACTION ISOLATION LEVEL", "T D(UTF8) C(SHOW) T D(repeatable read) C(SHOW) Z(I)" },
        { "SHOW everything", "E(42704) Z(I)" },
        { "PRAGMA table_info(t)", "E(0A000) Z(I)" },
    };
    prepare_table(f);
    client(f);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf expected = { 0 };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        say_query(&f->c.in, queries[i].sql);
        sc_buf_put_fmt(&expected, "%s%s", i != 0 ? " " : "", queries[i].answer);
    }
    pg_put_empty(&f->c.in, 'X');
    assert_string_equal(answer(f), sc_buf_cstr(&expected));
}

/* ---- extended queries ---- */
static void a_prepared_query_is_described_and_run(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_parse(in, "q", "SELECT s FROM t WHERE id = $1");
    say_target(in, 'D', 'S', "q");
    say_bind(in, "", "q", "2");
    say_target(in, 'D', 'P', "");
    say_execute(in, "", 0);
    say_bind(in, "", "q", "9");
    say_execute(in, "", 0);
    say_target(in, 'C', 'S', "q");
    say_target(in, 'C', 'P', "never there");
    pg_put_empty(in, 'S');
    assert_string_equal(answer(f), "1 t T 2 T D(b) C(SELECT 1) 2 C(SELECT 0) 3 3 Z(I)");
}

static void rows_come_in_the_portions_asked_for(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_query(in, "BEGIN");
    say_parse(in, "", "SELECT id FROM t");
    say_bind(in, "p", "", NULL);
    say_execute(in, "p", 2);
    pg_put_empty(in, 'S'); /* in a transaction portals live on */
    say_execute(in, "p", 2);
    say_execute(in, "p", 2);
    pg_put_empty(in, 'S');
    say_query(in, "COMMIT");
    say_execute(in, "p", 2);
    pg_put_empty(in, 'S');
    assert_string_equal(answer(f), "C(BEGIN) Z(T) 1 2 D(1) D(2) s Z(T) D(3) C(SELECT 3) C(SELECT 0) Z(T)"
                                   " C(COMMIT) Z(I) E(34000) Z(I)");
}

static void outside_a_transaction_portals_end_with_sync(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_parse(in, "q", "SELECT id FROM t");
    say_bind(in, "p", "q", NULL);
    say_execute(in, "p", 1);
    pg_put_empty(in, 'S');
    say_execute(in, "p", 1);
    pg_put_empty(in, 'S');
    assert_string_equal(answer(f), "1 2 D(1) s Z(I) E(34000) Z(I)");
}

static void two_portals_of_one_statement_do_not_disturb_each_other(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_parse(in, "q", "SELECT id FROM t WHERE id >= $1");
    say_bind(in, "a", "q", "1");
    say_bind(in, "b", "q", "2");
    say_execute(in, "a", 1);
    say_execute(in, "b", 1);
    say_execute(in, "a", 1);
    say_execute(in, "b", 1);
    say_target(in, 'C', 'P', "a");
    say_execute(in, "b", 0);
    say_target(in, 'C', 'S', "q"); /* and its portals */
    say_execute(in, "b", 0);
    pg_put_empty(in, 'S');
    assert_string_equal(answer(f), "1 2 2 D(1) s D(2) s D(2) s D(3) s 3 C(SELECT 2) 3 E(34000) Z(I)");
}

static void an_insert_runs_once_a_bind(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_parse(in, "", "INSERT INTO t VALUES($1, 'x')");
    say_bind(in, "", "", "10");
    say_execute(in, "", 0);
    say_execute(in, "", 0);
    pg_put_empty(in, 'S');
    say_query(in, "SELECT count(*) FROM t");
    assert_string_equal(answer(f), "1 2 C(INSERT 0 1) E(55000) Z(I) T D(3) C(SELECT 1) Z(I)"); /* undone with its pipeline */
}

static void after_an_error_all_is_skipped_to_sync(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_parse(in, "", "INSERT INTO t VALUES(20, 'x')");
    say_bind(in, "", "", NULL);
    say_execute(in, "", 0);
    say_parse(in, "", "SELEC");
    say_bind(in, "", "", NULL);
    say_execute(in, "", 0);
    pg_put_empty(in, 'S');
    say_query(in, "SELECT count(*) FROM t");
    assert_string_equal(answer(f), "1 2 C(INSERT 0 1) E(42601) Z(I) T D(3) C(SELECT 1) Z(I)");
}

static void a_mistake_of_the_client_breaks_its_transaction_too(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_query(in, "BEGIN; INSERT INTO t VALUES(30, 'x')");
    say_execute(in, "no such portal", 0); /* nothing that the SQL engine ever sees */
    pg_put_empty(in, 'S');
    say_query(in, "SELECT 1");
    say_query(in, "COMMIT");
    say_query(in, "SELECT count(*) FROM t");
    assert_string_equal(answer(f), "C(BEGIN) C(INSERT 0 1) Z(T) E(34000) Z(E) E(25P02) Z(E) C(ROLLBACK) Z(I)"
                                   " T D(3) C(SELECT 1) Z(I)");
}

static void messages_out_of_place_are_errors(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_bind(in, "", "unknown", NULL);
    pg_put_empty(in, 'S');
    say_execute(in, "", 0);
    pg_put_empty(in, 'S');
    say_target(in, 'D', 'S', "unknown");
    pg_put_empty(in, 'S');
    say_parse(in, "q", "SELECT $1");
    say_parse(in, "q", "SELECT $1");
    pg_put_empty(in, 'S');
    say_bind(in, "", "q", NULL); /* one parameter is missing */
    pg_put_empty(in, 'S');
    say_parse(in, "", "SELECT 1; SELECT 2");
    pg_put_empty(in, 'S');
    say_data(in, "no COPY is going on");
    pg_put_empty(in, 'c');
    pg_put_empty(in, 'S');
    assert_string_equal(answer(f), "E(26000) Z(I) E(34000) Z(I) E(26000) Z(I) 1 E(42P05) Z(I) E(08P01) Z(I) E(42601) Z(I) Z(I)");
}

static void statements_and_portals_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct sc_buf *in = client(f);
    char name[16];
    for (int i = 0; i < 257; i++) {
        snprintf(name, sizeof name, "s%d", i);
        say_parse(in, name, "SELECT 1");
    }
    pg_put_empty(in, 'S');
    for (int i = 0; i < 65; i++) {
        snprintf(name, sizeof name, "p%d", i);
        say_bind(in, name, "s0", NULL);
    }
    pg_put_empty(in, 'S');
    const char *text = answer(f);
    assert_contains(text, "1 1 E(54000) Z(I)");
    assert_contains(text, "2 2 E(54000) Z(I)");
}

/* ---- COPY ---- */
static void copy_in_reads_rows_until_done(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_query(in, "COPY t FROM STDIN; SELECT count(*) FROM t");
    say_data(in, "4\td\n5\t");
    pg_put_empty(in, 'H');
    say_data(in, "e\n");
    pg_put_empty(in, 'c');
    say_parse(in, "", "COPY t FROM STDIN CSV");
    say_bind(in, "", "", NULL);
    say_execute(in, "", 0);
    say_data(in, "6,f");
    pg_put_empty(in, 'c');
    pg_put_empty(in, 'S');
    say_query(in, "COPY t(id) TO STDOUT");
    assert_string_equal(answer(f), "G C(COPY 2) T D(5) C(SELECT 1) Z(I) 1 2 G C(COPY 1) Z(I) H d d d d d d c C(COPY 6) Z(I)");
}

static void a_copy_that_fails_stores_nothing(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_query(in, "COPY t FROM STDIN");
    say_data(in, "4\td\n");
    const size_t at = pg_begin(in, 'f');
    pg_put_cstr(in, "no more");
    pg_end(in, at);
    say_query(in, "COPY t FROM STDIN");
    say_data(in, "4\td\nfive\te\n");
    say_data(in, "6\tf\n"); /* still on its way */
    pg_put_empty(in, 'c');
    say_query(in, "SELECT count(*) FROM t");
    say_query(in, "COPY t FROM STDIN");
    say_data(in, "4\td\n");
    say_query(in, "SELECT 1");
    assert_string_equal(answer(f), "G E(57014) Z(I) G E(22P02) Z(I) T D(3) C(SELECT 1) Z(I) G E(08P01)");
    assert_err(f->err, SC_E_MALFORMED);
}

/* ---- the stream ---- */
static void it_does_not_matter_how_bytes_are_cut(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    for (f->c.piece = 1; f->c.piece < 40; f->c.piece += 3) {
        struct sc_buf *in = client(f);
        say_query(in, "COPY t FROM STDIN; DELETE FROM t WHERE id = 4");
        say_data(in, "4\td\n");
        pg_put_empty(in, 'c');
        say_parse(in, "", "SELECT s FROM t WHERE id = $1");
        say_bind(in, "", "", "3");
        say_execute(in, "", 0);
        pg_put_empty(in, 'S');
        pg_put_empty(in, 'X');
        assert_string_equal(answer(f), "G C(COPY 1) C(DELETE 1) Z(I) 1 2 D(c) C(SELECT 1) Z(I)");
        assert_ok(f->err);
    }
}

static void a_client_that_goes_away_anywhere_leaves_whole_transactions(void **state)
{
    struct fixture *f = *state;
    prepare_table(f);
    struct sc_buf *in = client(f);
    const size_t greeting = in->size;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf said = { 0 };
    say_query(in, "BEGIN; INSERT INTO t VALUES(50,'x'); INSERT INTO t VALUES(51,'x')");
    say_parse(in, "", "INSERT INTO t VALUES($1,'y')");
    say_bind(in, "", "", "52");
    say_execute(in, "", 0);
    pg_put_empty(in, 'S');
    say_query(in, "COMMIT");
    sc_buf_put_bytes(&said, sc_buf_slice(in));
    for (size_t n = greeting; n <= said.size; n++) {
        in = client(f);
        sc_buf_reset(in);
        sc_buf_put_bytes(in, sc_slice_of(said.ptr, n));
        answer(f);
        assert_err(f->err, SC_E_IO); /* no goodbye */
        say_query(client(f), "SELECT count(*) FROM t; DELETE FROM t WHERE id >= 50");
        assert_string_equal(answer(f), n < said.size ? "T D(3) C(SELECT 1) C(DELETE 0) Z(I)" : "T D(6) C(SELECT 1) C(DELETE 3) Z(I)");
    }
}

static void broken_frames_end_the_connection(void **state)
{
    struct fixture *f = *state;
    static const uint8_t frames[][6] = { { 'Q', 0, 0, 0, 3, 0 }, { 'Q', 0x7f, 0xff, 0xff, 0xff, 0 }, { 'y', 0, 0, 0, 4, 0 },
                                         { 'S', 0, 0, 0, 5, 0 }, { 'Q', 0, 0, 0, 5, 'x' }, { 'B', 0, 0, 0, 5, 0 } };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        sc_buf_put_bytes(client(f), sc_slice_of(frames[i], 6));
        assert_string_equal(answer(f), "E(08P01)");
        assert_true(f->err != SC_OK);
    }
}

static void silence_deafness_and_shutdown_end_the_connection(void **state)
{
    struct fixture *f = *state;
    client(f);
    f->c.at_end = SC_E_AGAIN;
    assert_string_equal(answer(f), "E(57P05)");
    assert_err(f->err, SC_E_LIMIT);
    say_query(client(f), "SELECT 1");
    f->c.deaf = true;
    answer(f);
    assert_err(f->err, SC_E_IO);
    say_query(client(f), "SELECT 1");
    atomic_store(&f->c.stopping, true);
    assert_string_equal(answer(f), "E(57P01)");
}

static void a_statement_that_takes_too_long_is_ended(void **state)
{
    struct fixture *f = *state;
    say_query(client(f), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n; SELECT 1");
    say_query(&f->c.in, "SELECT 2");
    assert_string_equal(answer(f), "E(57014) Z(I) T D(2) C(SELECT 1) Z(I)");
}

/* ---- chance ---- */
static void a_session_with_flipped_bytes_never_leads_astray(void **state)
{
    struct fixture *f = *state;
    struct sc_prng p;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf said = { 0 };
    prepare_table(f);
    struct sc_buf *in = client(f);
    say_query(in, "SELECT * FROM t; COPY t TO STDOUT CSV");
    say_parse(in, "q", "SELECT id, s FROM t WHERE id >= $1");
    say_target(in, 'D', 'S', "q");
    say_bind(in, "p", "q", "1");
    say_target(in, 'D', 'P', "p");
    say_execute(in, "p", 1);
    say_bind(in, "", "q", "2");
    say_execute(in, "", 0);
    pg_put_empty(in, 'S');
    say_query(in, "COPY t FROM STDIN CSV");
    say_data(in, "7,g\n8,\"h\"\n");
    pg_put_empty(in, 'c');
    say_query(in, "DELETE FROM t WHERE id > 3");
    pg_put_empty(in, 'X');
    sc_buf_put_bytes(&said, sc_buf_slice(in));
    sc_prng_init(&p, test_seed(11));
    for (int round = 0; round < 1500; round++) {
        in = client(f);
        sc_buf_reset(in);
        sc_buf_put_bytes(in, sc_buf_slice(&said));
        for (uint64_t flips = 1 + sc_prng_below(&p, 4); flips > 0; flips--)
            in->ptr[40 + sc_prng_below(&p, in->size - 40)] ^= (uint8_t)(1u << sc_prng_below(&p, 8));
        answer(f); /* whatever it is, it is whole messages */
    }
}

#define CONNECTION_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTION_TEST(it_greets_with_what_clients_need),
        CONNECTION_TEST(newer_clients_are_told_to_speak_version_3_0),
        CONNECTION_TEST(a_startup_that_is_none_is_refused),
        CONNECTION_TEST(encryption_is_declined_twice_and_no_more),
        CONNECTION_TEST(a_login_that_is_none_is_refused),
        CONNECTION_TEST(a_cancel_request_is_passed_on),
        CONNECTION_TEST(simple_queries_are_answered),
        CONNECTION_TEST(a_prepared_query_is_described_and_run),
        CONNECTION_TEST(rows_come_in_the_portions_asked_for),
        CONNECTION_TEST(outside_a_transaction_portals_end_with_sync),
        CONNECTION_TEST(two_portals_of_one_statement_do_not_disturb_each_other),
        CONNECTION_TEST(an_insert_runs_once_a_bind),
        CONNECTION_TEST(after_an_error_all_is_skipped_to_sync),
        CONNECTION_TEST(a_mistake_of_the_client_breaks_its_transaction_too),
        CONNECTION_TEST(messages_out_of_place_are_errors),
        CONNECTION_TEST(statements_and_portals_are_bounded),
        CONNECTION_TEST(copy_in_reads_rows_until_done),
        CONNECTION_TEST(a_copy_that_fails_stores_nothing),
        CONNECTION_TEST(it_does_not_matter_how_bytes_are_cut),
        CONNECTION_TEST(a_client_that_goes_away_anywhere_leaves_whole_transactions),
        CONNECTION_TEST(broken_frames_end_the_connection),
        CONNECTION_TEST(silence_deafness_and_shutdown_end_the_connection),
        CONNECTION_TEST(a_statement_that_takes_too_long_is_ended),
        CONNECTION_TEST(a_session_with_flipped_bytes_never_leads_astray),
    };
    return cmocka_run_group_tests_name("cascadb/connection", tests, NULL, NULL);
}
