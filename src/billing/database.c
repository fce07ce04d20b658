#include "billing/database.h"

#include "metering/schema.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define CERTIFICATE_SIZE_MAX ((size_t)65536)
#define INT8_OID             ((Oid)20)

void sc_billing_meter_deinit(struct sc_billing_meter *m)
{
    sc_buf_deinit(&m->certificate);
}

static struct sc_field field_of(const PGresult *res, int row, int column)
{
    return (struct sc_field){PQgetisnull(res, row, column) != 0,
                             sc_slice_of(PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column))};
}

/* One statement with one integer parameter; the caller frees the result. */
static sc_err select_by_number(PGconn *db, const char *sql, int64_t number, int columns, PGresult **out,
                               struct sc_diag *diag)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    const char *const values[] = {text};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res = PQexecParams(db, sql, 1, (const Oid[]){INT8_OID}, values, NULL, NULL, 0);
    SC_TRY(sc_db_check(db, res, "database", diag));
    if (PQnfields(res) != columns)
        return sc_fail(diag, SC_E_MALFORMED, "database: %d columns instead of %d", PQnfields(res), columns);
    *out = SC_TAKE(res);
    return SC_OK;
}

/* kW of the contract in W; NULL is 0. */
static sc_err watts_of(struct sc_field f, int64_t *out)
{
    double kw = 0;
    if (!f.is_null)
        SC_TRY(sc_field_f64(f, &kw));
    if (kw < 0 || kw > 1e9)
        return SC_E_MALFORMED;
    *out = llround(kw * 1000);
    return SC_OK;
}

static sc_err parse_customer(const PGresult *res, struct sc_billing_customer *c)
{
    const struct sc_field name = field_of(res, 0, 0), modality = field_of(res, 0, 1);
    int64_t phases, meter;
    if (!name.is_null)
        snprintf(c->name, sizeof c->name, "%.*s", (int)(name.text.size < 120 ? name.text.size : 120),
                 (const char *)name.text.ptr);
    if (!modality.is_null) {
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)(modality.text.size < 15 ? modality.text.size : 15),
                 (const char *)modality.text.ptr);
        c->has_modality = sc_modality_parse(text, &c->modality) == SC_OK;
    }
    SC_TRY(sc_field_i64(field_of(res, 0, 2), &phases));
    SC_TRY(watts_of(field_of(res, 0, 3), &c->contract.contracted_w[SC_SLOT_PEAK]));
    SC_TRY(watts_of(field_of(res, 0, 4), &c->contract.contracted_w[SC_SLOT_OFF_PEAK]));
    SC_TRY(sc_field_i64(field_of(res, 0, 5), &meter));
    if (phases < 1 || phases > 3 || meter < 0 || meter > 99999999)
        return SC_E_MALFORMED;
    c->contract.phases = (int)phases;
    c->contract.meter = (uint32_t)meter;
    return SC_OK;
}

sc_err sc_billing_meter_load(PGconn *db, uint32_t serial, struct sc_billing_meter *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep) PGresult *res = NULL;
    SC_CLEANUP(sc_billing_meter_deinit) struct sc_billing_meter m = {0};
    int64_t interval_s = 0;
    SC_TRY(select_by_number(db, "SELECT certificate, interval_s FROM meter WHERE serial = $1", serial, 2, &res, diag));
    sc_buf_init(&m.certificate, CERTIFICATE_SIZE_MAX);
    if (PQntuples(res) == 1) {
        const sc_err err = sc_field_bytes(field_of(res, 0, 0), CERTIFICATE_SIZE_MAX, &m.certificate);
        if (err == SC_E_NOMEM)
            return err;
        if (err != SC_OK)
            sc_buf_reset(&m.certificate);
        if (sc_field_i64(field_of(res, 0, 1), &interval_s) == SC_OK && interval_s >= 60 && interval_s <= 86400)
            m.interval_s = (uint32_t)interval_s;
    }
    *out = m;
    m.certificate = (struct sc_buf){0};
    return SC_OK;
}

sc_err sc_billing_customer_load(PGconn *db, int64_t client_id, struct sc_billing_customer *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep) PGresult *res = NULL;
    struct sc_billing_customer c = {.contract.client_id = client_id};
    SC_TRY(select_by_number(db,
                            "SELECT name, modality, phases, contracted_peak_kw, contracted_kw, meter FROM customer"
                            " WHERE client_id = $1",
                            client_id, 6, &res, diag));
    if (PQntuples(res) != 1)
        return sc_fail(diag, SC_E_NOT_FOUND, "customer %" PRId64 " is not in the database", client_id);
    if (parse_customer(res, &c) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "customer %" PRId64 ": the row in the database makes no contract",
                       client_id);
    *out = c;
    return SC_OK;
}

sc_err sc_billing_customer_ids(PGconn *db, int64_t **ids_out, size_t *count_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep) PGresult *res = PQexec(db, "SELECT client_id FROM customer ORDER BY client_id");
    SC_TRY(sc_db_check(db, res, "database", diag));
    const size_t count = (size_t)PQntuples(res);
    if (count > SC_BILLING_CUSTOMERS_MAX)
        return sc_fail(diag, SC_E_LIMIT, "%zu customers", count);
    SC_CLEANUP(sc_freep) int64_t *ids = calloc(count + 1, sizeof *ids);
    if (ids == NULL)
        return sc_fail(diag, SC_E_NOMEM, "customers");
    for (size_t i = 0; i < count; i++)
        if (sc_field_i64(field_of(res, (int)i, 0), &ids[i]) != SC_OK)
            return sc_fail(diag, SC_E_MALFORMED, "customer %zu of the table has no number", i + 1);
    *ids_out = SC_TAKE(ids);
    *count_out = count;
    return SC_OK;
}

/* ---- readings ---- */

struct sc_row_stream {
    PGconn *db;
    PGresult *res; /* the current row: what the last row_out borrows from */
    bool ended;
    uint8_t signature[SC_ROW_SIGNATURE_SIZE_MAX];
};

sc_err sc_row_stream_new(PGconn *db, int64_t client_id, int64_t from_ms, int64_t to_ms, struct sc_row_stream **out,
                         struct sc_diag *diag)
{
    SC_CLEANUP(sc_row_stream_freep) struct sc_row_stream *s = calloc(1, sizeof *s);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    char texts[3][24];
    const int64_t numbers[] = {client_id, from_ms, to_ms};
    const char *values[3];
    for (size_t i = 0; i < 3; i++) {
        snprintf(texts[i], sizeof texts[i], "%" PRId64, numbers[i]);
        values[i] = texts[i];
    }
    sc_buf_put_fmt(
        &sql, "SELECT %s FROM reading WHERE client_id = $1 AND timestamp >= $2 AND timestamp < $3 ORDER BY timestamp",
        sc_reading_columns);
    if (s == NULL || sc_buf_status(&sql) != SC_OK)
        return sc_fail(diag, SC_E_NOMEM, "readings");
    s->db = db;
    if (PQsendQueryParams(db, sc_buf_cstr(&sql), 3, (const Oid[]){INT8_OID, INT8_OID, INT8_OID}, values, NULL, NULL,
                          0) != 1) {
        s->ended = true;
        return sc_fail(diag, SC_E_AGAIN, "database: %s", PQerrorMessage(db));
    }
    PQsetSingleRowMode(db); /* memory stays at one row whatever the database sends */
    *out = SC_TAKE(s);
    return SC_OK;
}

void sc_row_stream_free(struct sc_row_stream *s)
{
    if (s == NULL)
        return;
    PQclear(s->res);
    while (s->db != NULL && !s->ended) {
        PGresult *rest = PQgetResult(s->db);
        s->ended = rest == NULL;
        PQclear(rest);
    }
    free(s);
}

void sc_row_stream_freep(struct sc_row_stream **s)
{
    sc_row_stream_free(*s);
}

sc_err sc_row_stream_next(void *self, struct sc_audit_row *row_out, bool *end_out, struct sc_diag *diag)
{
    struct sc_row_stream *s = self;
    struct sc_field fields[SC_READING_COLUMN_COUNT];
    *end_out = false;
    do {
        PQclear(s->res);
        s->res = PQgetResult(s->db);
        if (s->res == NULL) {
            s->ended = true;
            *end_out = true;
            return SC_OK;
        }
        SC_TRY(sc_db_check(s->db, s->res, "readings", diag));
    } while (PQntuples(s->res) == 0); /* the result after the last row, without rows */
    if (PQnfields(s->res) != SC_READING_COLUMN_COUNT)
        return sc_fail(diag, SC_E_MALFORMED, "readings: %d columns instead of %d", PQnfields(s->res),
                       SC_READING_COLUMN_COUNT);
    for (int i = 0; i < SC_READING_COLUMN_COUNT; i++)
        fields[i] = field_of(s->res, 0, i);
    sc_row_parse(fields, s->signature, row_out);
    return SC_OK;
}
