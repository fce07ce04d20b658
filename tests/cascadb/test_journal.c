/* What is remembered of statements: shapes without literals, latencies, the audit log's chain. */
#include "base/clock.h"
#include "cascadb/journal.h"
#include "cascadb/shape.h"
#include "pki.h"

static const char *shape(const char *statement)
{
    static char out[PG_SHAPE_SIZE_MAX + 1];
    const size_t size = pg_shape(sc_slice_str(statement), out);
    assert_int_equal(size, strlen(out));
    return out;
}

static void literals_do_not_show(void **state)
{
    (void)state;
    assert_string_equal(shape("SELECT a, b FROM t WHERE s = 'Maria Souza' AND x < -1.5e3 AND y = $1"),
                        "SELECT a, b FROM t WHERE s = ? AND x < -? AND y = $1");
    assert_string_equal(shape("  SELECT /* Maria */ 1 -- 'Maria'\n ;SELECT 2"), "SELECT ?");
    assert_string_equal(shape("INSERT INTO t VALUES(1,'a',x'00ff',2)"), "INSERT INTO t VALUES(?, ...)");
    assert_string_equal(shape("SELECT f(1), g('a', b, 2, 3)"), "SELECT f(?), g(?, b, ?, ...)");
    assert_string_equal(shape("SELECT 'it''s', \"a name\", `b`, [c]"), "SELECT ?, \"a name\", `b`, [c]");
    assert_string_equal(shape("SELECT 'never closed"), "SELECT ?");
    assert_string_equal(shape("SELECT 1e5, 0x1F, 'a' || 'b'"), "SELECT ?, ... || ?");
    assert_string_equal(shape("SELECT \"two\nlines\", caf\xc3\xa9, \"\xff\""), "SELECT ?, caf\xc3\xa9, ?");
    assert_string_equal(shape(""), "");
}

static void a_shape_is_bounded_and_never_has_a_secret(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, test_seed(5));
    static const char *const pieces[] = { "'SECRET'", "'a''SECRET'", "SELECT", ",", "(", ")", " ", "\n", "-- SECRET\n", "/*SECRET*/", "x",
                                          "=", "123456", ";", "x'53', 'SECRET'", "||", ".", "$1", "caf\xc3\xa9" };
    for (int round = 0; round < 3000; round++) {
        char out[PG_SHAPE_SIZE_MAX + 1];
        SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
        for (uint64_t n = sc_prng_below(&p, 200); n > 0; n--) {
            sc_buf_put_str(&text, pieces[sc_prng_below(&p, sizeof pieces / sizeof pieces[0])]);
            sc_buf_put_str(&text, " ");
        }
        const size_t size = pg_shape(sc_buf_slice(&text), out);
        assert_true(size <= PG_SHAPE_SIZE_MAX && size == strlen(out));
        assert_null(strstr(out, "SECRET"));
        assert_null(strstr(out, "123456"));
        assert_null(strchr(out, '\n'));
    }
}

static void note(struct pg_journal *j, const char *statement, int64_t us)
{
    pg_journal_note(j, &(struct pg_event){ .who = "me", .statement = sc_slice_str(statement), .sqlstate = "00000", .duration_us = us });
}

static void latencies_are_counted_by_shape(void **state)
{
    (void)state;
    struct sc_metrics *m = NULL;
    struct pg_journal *j = NULL;
    char text[64];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    assert_ok(sc_metrics_new(&m));
    assert_ok(pg_journal_new(&(struct pg_journal_options){ .metrics = m }, &j, NULL));
    note(j, "SELECT 1", 50);
    note(j, "SELECT 2", 100);
    note(j, "SELECT 3", 101);
    note(j, "SELECT \"x\" FROM t", 20000000);
    for (int i = 0; i < 500; i++) { /* a client that makes up names does not fill the memory */
        snprintf(text, sizeof text, "SELECT c%d", i);
        note(j, text, 1);
    }
    sc_metrics_write(m, &out);
    const char *shown = sc_buf_cstr(&out);
    assert_contains(shown, "securecloud_cascadb_statement_seconds_bucket{statement=\"SELECT ?\",le=\"0.0001\"} 2\n");
    assert_contains(shown, "securecloud_cascadb_statement_seconds_bucket{statement=\"SELECT ?\",le=\"0.001\"} 3\n");
    assert_contains(shown, "securecloud_cascadb_statement_seconds_sum{statement=\"SELECT ?\"} 0.000251\n");
    assert_contains(shown, "securecloud_cascadb_statement_seconds_bucket{statement=\"SELECT \\\"x\\\" FROM t\",le=\"10\"} 0\n");
    assert_contains(shown, "securecloud_cascadb_statement_seconds_count{statement=\"SELECT \\\"x\\\" FROM t\"} 1\n");
    assert_contains(shown, "securecloud_cascadb_statement_seconds_count{statement=\"(other)\"} 402\n");
    pg_journal_free(j);
    sc_metrics_free(m);
}

/* ---- the audit log ---- */
#define SIGNER "spiffe://securecloud.local/cascadb"

struct fixture {
    char *dir, *path;
    struct test_ca ca;
    struct sc_signer *key;
    struct sc_cert *cert;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    f->path = sc_path_join(f->dir, "audit.log");
    SC_CLEANUP(sc_freep) char *identity = sc_path_join(f->dir, "id");
    SC_CLEANUP(sc_freep) char *key = sc_path_join(identity, "key.pem");
    SC_CLEANUP(sc_freep) char *cert = sc_path_join(identity, "cert.pem");
    test_ca_new(&f->ca, "CA");
    test_identity_write(identity, SIGNER, &f->ca, &f->ca);
    assert_ok(sc_signer_read_pem(key, &f->key, NULL));
    assert_ok(sc_cert_read_pem(cert, &f->cert, NULL));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sc_signer_free(f->key);
    sc_cert_free(f->cert);
    test_ca_free(&f->ca);
    free(f->path);
    test_dir_free(f->dir);
    free(f);
    return 0;
}

static void write_log(struct fixture *f, int records)
{
    struct audit_log *a = NULL;
    struct sc_diag diag = { 0 };
    uint64_t count;
    char head[2 * SC_HASH_SIZE + 1];
    assert_ok_diag(audit_log_open(f->path, f->key, f->cert, &a, &diag), &diag);
    for (int i = 0; i < records; i++)
        assert_ok(audit_log_put(a, &(struct audit_record){ .who = "spiffe://x/\"y\"", .statement = "SELECT ?", .sqlstate = "00000",
                                                           .rows = i, .duration_us = 7 }));
    audit_log_close(a, &count, head);
}

static void the_chain_holds_over_restarts(void **state)
{
    struct fixture *f = *state;
    struct audit_verdict v;
    struct sc_diag diag = { 0 };
    write_log(f, 5);
    write_log(f, 1500);
    write_log(f, 0);
    assert_ok_diag(audit_log_check(f->path, f->ca.cert, SIGNER, &v, &diag), &diag);
    assert_int_equal(v.checkpoints, 7); /* at start and end, and one after each thousand */
    assert_int_equal(v.count, 1505 + 7);
    assert_int_equal(v.signed_count, v.count);
}

static void only_one_process_writes_it(void **state)
{
    struct fixture *f = *state;
    struct audit_log *a = NULL, *b = NULL;
    uint64_t count;
    char head[2 * SC_HASH_SIZE + 1];
    assert_ok(audit_log_open(f->path, f->key, f->cert, &a, NULL));
    assert_err(audit_log_open(f->path, f->key, f->cert, &b, NULL), SC_E_IO);
    audit_log_close(a, &count, head);
    assert_int_equal(count, 2);
}

static void every_change_is_found(void **state)
{
    struct fixture *f = *state;
    struct audit_verdict v;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf good = { 0 };
    write_log(f, 6);
    assert_ok(sc_file_read(f->path, 1 << 20, &good, NULL));
    /* any byte */
    for (size_t i = 0; i < good.size; i += 3) {
        good.ptr[i] ^= 1;
        assert_ok(sc_file_write(f->path, sc_buf_slice(&good), 0600, NULL));
        if (audit_log_check(f->path, f->ca.cert, SIGNER, &v, NULL) == SC_OK)
            fail_msg("byte %zu was changed", i);
        good.ptr[i] ^= 1;
    }
    /* a line left out, doubled, or moved; the file goes on being written: refused */
    const uint8_t *second = (const uint8_t *)memchr(good.ptr, '\n', good.size) + 1;
    const uint8_t *third = (const uint8_t *)memchr(second, '\n', good.size) + 1;
    const size_t head = (size_t)(second - good.ptr), line = (size_t)(third - second);
    for (int how = 0; how < 2; how++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf bad = { 0 };
        struct audit_log *a = NULL;
        sc_buf_put_bytes(&bad, sc_slice_of(good.ptr, how == 0 ? head : head + line));
        sc_buf_put_bytes(&bad, sc_slice_of(how == 0 ? third : second, good.size - (how == 0 ? head + line : head)));
        assert_ok(sc_file_write(f->path, sc_buf_slice(&bad), 0600, NULL));
        assert_err(audit_log_check(f->path, f->ca.cert, SIGNER, &v, NULL), SC_E_AUTH);
        assert_err(audit_log_open(f->path, f->key, f->cert, &a, NULL), SC_E_AUTH);
    }
    /* cut after a whole line: the chain holds, but the number and the head are others, and lines are unsigned */
    assert_ok(sc_file_write(f->path, sc_slice_of(good.ptr, head + line), 0600, NULL));
    assert_ok(audit_log_check(f->path, f->ca.cert, SIGNER, &v, NULL));
    assert_int_equal(v.count, 2);
    assert_int_equal(v.signed_count, 1);
    /* cut in a line */
    assert_ok(sc_file_write(f->path, sc_slice_of(good.ptr, good.size - 1), 0600, NULL));
    assert_int_not_equal(audit_log_check(f->path, f->ca.cert, SIGNER, &v, NULL), SC_OK);
}

static void a_chain_of_somebody_else_is_none(void **state)
{
    struct fixture *f = *state;
    struct audit_verdict v;
    struct test_ca other;
    test_ca_new(&other, "CA");
    write_log(f, 3);
    assert_int_not_equal(audit_log_check(f->path, other.cert, SIGNER, &v, NULL), SC_OK);
    assert_err(audit_log_check(f->path, f->ca.cert, "spiffe://securecloud.local/mdc", &v, NULL), SC_E_AUTH);
    assert_ok(audit_log_check(f->path, NULL, NULL, &v, NULL)); /* the chain alone */
    test_ca_free(&other);
}

#define AUDIT_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_do_not_show),
        cmocka_unit_test(a_shape_is_bounded_and_never_has_a_secret),
        cmocka_unit_test(latencies_are_counted_by_shape),
        AUDIT_TEST(the_chain_holds_over_restarts),
        AUDIT_TEST(only_one_process_writes_it),
        AUDIT_TEST(every_change_is_found),
        AUDIT_TEST(a_chain_of_somebody_else_is_none),
    };
    return cmocka_run_group_tests_name("cascadb/journal", tests, NULL, NULL);
}
