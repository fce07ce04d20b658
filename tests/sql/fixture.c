#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static sc_err counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    (void)diag;
    *value_out = ((struct fixture *)self)->counter;
    return SC_OK;
}

static sc_err counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    struct fixture *f = self;
    (void)diag;
    if (from != f->counter || to <= from)
        return SC_E_CONFLICT;
    f->counter = to;
    return SC_OK;
}

static void open_volume(struct fixture *f)
{
    struct sc_diag diag = {0};
    const struct sc_kvs_options opt = {
        .store = f->store, .root_key = &f->root, .create = true, .counter = {counter_read, counter_advance, f}};
    const sc_err err = sc_kvs_open(&opt, &f->kvs, &diag);
    if (err != SC_OK || sc_sql_db_open(f->kvs, &f->db, &diag) != SC_OK)
        fail_msg("%s", sc_diag_text(&diag, err));
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(sc_store_memory_new(&f->store), SC_OK);
    open_volume(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    sc_sql_db_close(f->db);
    sc_kvs_close(f->kvs);
    sc_store_free(f->store);
    free(f);
    return 0;
}

static void close_volume(struct fixture *f)
{
    sc_sql_db_close(f->db);
    sc_kvs_close(f->kvs);
    f->db = NULL;
    f->kvs = NULL;
}

void fixture_reopen(struct fixture *f)
{
    close_volume(f);
    open_volume(f);
}

void fixture_crash(struct fixture *f, enum sc_store_cut cut, struct sc_prng *prng)
{
    close_volume(f);
    sc_store_memory_power_cycle(f->store, cut, prng);
    open_volume(f);
}

void fixture_power_cycle(struct fixture *f)
{
    fixture_crash(f, SC_STORE_CUT_DROP, NULL);
}

struct sc_sql_session *session_new(struct fixture *f)
{
    struct sc_sql_session *s = NULL;
    struct sc_diag diag = {0};
    if (sc_sql_session_new(f->db, &(struct sc_sql_session_options){0}, &s, &diag) != SC_OK)
        fail_msg("%s", diag.text);
    return s;
}

void run(struct sc_sql_session *s, const char *text)
{
    if (sc_sql_exec(s, text) != SC_OK)
        fail_msg("%s: %s %s", text, sc_sql_session_error(s)->sqlstate, sc_sql_session_error(s)->message);
}

void run_fails(struct sc_sql_session *s, const char *text, const char *sqlstate)
{
    if (sc_sql_exec(s, text) == SC_OK)
        fail_msg("worked, but must not: %s", text);
    if (strcmp(sc_sql_session_error(s)->sqlstate, sqlstate) != 0)
        fail_msg("%s: %s %s, expected %s", text, sc_sql_session_error(s)->sqlstate, sc_sql_session_error(s)->message,
                 sqlstate);
}

static void put_value(struct sc_buf *out, const struct sc_sql_value *v)
{
    char hex[2 * 64 + 1];
    switch (v->type) {
    case SC_SQL_NULL:
        sc_buf_put_str(out, "-");
        break;
    case SC_SQL_INTEGER:
        sc_buf_put_fmt(out, "%lld", (long long)v->integer);
        break;
    case SC_SQL_REAL:
        sc_buf_put_fmt(out, "%.15gr", v->real);
        break;
    case SC_SQL_TEXT:
        sc_buf_put_bytes(out, v->bytes);
        break;
    case SC_SQL_BLOB:
        assert_true(v->bytes.size <= 64);
        sc_hex_encode(v->bytes, hex);
        sc_buf_put_fmt(out, "x'%s'", hex);
        break;
    }
}

const char *query(struct sc_sql_session *s, const char *text)
{
    static struct sc_buf out;
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used = 0;
    bool row = true;
    sc_buf_deinit(&out);
    if (sc_sql_prepare(s, sc_slice_str(text), &st, &used) != SC_OK)
        fail_msg("%s: %s", text, sc_sql_session_error(s)->message);
    while (true) {
        if (sc_sql_step(st, &row) != SC_OK)
            fail_msg("%s: %s", text, sc_sql_session_error(s)->message);
        if (!row)
            break;
        if (out.size != 0)
            sc_buf_put_str(&out, "\n");
        for (size_t i = 0; i < sc_sql_column_count(st); i++) {
            const struct sc_sql_value v = sc_sql_column(st, i);
            if (i != 0)
                sc_buf_put_str(&out, "|");
            put_value(&out, &v);
        }
    }
    return sc_buf_cstr(&out);
}
