/* billing/database.h - what bills and audits read from the database: customers, meters' certificates, readings as a
 * stream.  The database is not trusted to tell the truth, only to speak the protocol.  One connection, one thread. */
#ifndef SC_BILLING_DATABASE_H
#define SC_BILLING_DATABASE_H

#include "billing/rows.h"
#include "service/db.h"

struct sc_billing_customer {
    struct sc_contract contract;
    char name[128];            /* UTF-8, "" when there is none */
    bool has_modality;
    enum sc_modality modality;
};
/* SC_E_NOT_FOUND: no such customer; SC_E_MALFORMED: a row that makes no contract. */
sc_err sc_billing_customer_load(PGconn *db, int64_t client_id, struct sc_billing_customer *out, struct sc_diag *diag)
    SC_MUST_CHECK;

struct sc_billing_meter {
    uint32_t interval_s;       /* 0 = unknown */
    struct sc_buf certificate; /* DER, as the database has it; may be empty */
};
/* A meter that is not in the table, or whose row is nonsense, gives SC_OK with an empty certificate or interval. */
sc_err sc_billing_meter_load(PGconn *db, uint32_t serial, struct sc_billing_meter *out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_billing_meter_deinit(struct sc_billing_meter *m);

/* All customers' numbers in rising order; the caller frees *ids_out. */
#define SC_BILLING_CUSTOMERS_MAX ((size_t)10000000)
sc_err sc_billing_customer_ids(PGconn *db, int64_t **ids_out, size_t *count_out, struct sc_diag *diag) SC_MUST_CHECK;

/* The rows of a customer with from_ms <= timestamp < to_ms in order of time, one at a time as they arrive.  Nothing else
 * may use the connection until free, which waits for what is still under way. */
struct sc_row_stream;
sc_err sc_row_stream_new(PGconn *db, int64_t client_id, int64_t from_ms, int64_t to_ms, struct sc_row_stream **out,
                         struct sc_diag *diag) SC_MUST_CHECK;
void sc_row_stream_free(struct sc_row_stream *s); /* NULL is fine */
void sc_row_stream_freep(struct sc_row_stream **s);
/* As struct sc_audit_rows; self is the stream. */
sc_err sc_row_stream_next(void *self, struct sc_audit_row *row_out, bool *end_out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
