/* The login by password: SASL messages around SCRAM.  Every way of being wrong gives the same answer; the log tells. */
#include "cascadb/internal.h"

#include "base/log.h"

#define SASL          10u
#define SASL_CONTINUE 11u
#define SASL_FINAL    12u

static const char plain_name[] = "SCRAM-SHA-256";
static const char plus_name[] = "SCRAM-SHA-256-PLUS";

static sc_err put_auth(struct pg_connection *c, uint32_t code, struct sc_slice data)
{
    const size_t at = pg_begin(&c->out, 'R');
    sc_buf_put_u32be(&c->out, code);
    sc_buf_put_bytes(&c->out, data);
    pg_end(&c->out, at);
    return pg_flush(c);
}

static sc_err mechanisms_send(struct pg_connection *c)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf list = {0};
    if (c->opt->end_point.size != 0)
        pg_put_cstr(&list, plus_name); /* the better one first */
    pg_put_cstr(&list, plain_name);
    sc_buf_put_u8(&list, 0);
    return put_auth(c, SASL, sc_buf_slice(&list));
}

static sc_err refused(struct pg_connection *c, struct sc_slice user, sc_err err)
{
    const struct sc_slice shown = {user.ptr, user.size < 64 ? user.size : 64};
    const char *name = pg_utf8_valid(shown) ? (const char *)shown.ptr : "?";
    const int size = pg_utf8_valid(shown) ? (int)shown.size : 1;
    if (err == SC_E_MALFORMED)
        return pg_fatal(c, err, "08P01", "malformed SCRAM message");
    if (err == SC_E_UNSUPPORTED)
        return pg_fatal(c, err, "0A000", "SCRAM: only tls-server-end-point, and no other authorization identity");
    return pg_fatal(c, SC_E_AUTH, "28P01", "password authentication failed for user \"%.*s\"", size, name);
}

static sc_err read_response(struct pg_connection *c, struct pg_frame *f)
{
    SC_TRY(pg_read_login(c, f));
    return f->type == 'p' ? SC_OK
                          : pg_fatal(c, SC_E_MALFORMED, "08P01", "expected a SASL response, not type 0x%02x", f->type);
}

static sc_err exchange(struct pg_connection *c, struct sc_slice user, struct scram_exchange *x)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = {0};
    struct pg_frame f;
    struct pg_sasl_first m;
    SC_TRY(mechanisms_send(c));
    SC_TRY(read_response(c, &f));
    if (pg_sasl_first_parse(f.body, &m) != SC_OK)
        return refused(c, user, SC_E_MALFORMED);
    x->plus = sc_slice_eq(m.mechanism, sc_slice_str(plus_name)) && c->opt->end_point.size != 0;
    if (!x->plus && !sc_slice_eq(m.mechanism, sc_slice_str(plain_name)))
        return pg_fatal(c, SC_E_UNSUPPORTED, "28000", "this SASL mechanism is not offered");
    sc_err err = scram_first(x, m.response, &answer);
    if (err != SC_OK)
        return refused(c, user, err);
    SC_TRY(put_auth(c, SASL_CONTINUE, sc_buf_slice(&answer)));
    SC_TRY(read_response(c, &f));
    sc_buf_reset(&answer);
    err = scram_final(x, f.body, &answer);
    if (err != SC_OK)
        return refused(c, user, err);
    return put_auth(c, SASL_FINAL, sc_buf_slice(&answer));
}

sc_err pg_login(struct pg_connection *c, struct sc_slice user)
{
    SC_CLEANUP(scram_verifier_wipe) struct scram_verifier verifier = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf name = {0}; /* the input buffer moves */
    uint8_t nonce[SCRAM_NONCE_SIZE];
    struct pg_principal who = {.read_only = true};
    struct sc_diag diag = {0};
    bool known = false;
    sc_buf_put_bytes(&name, user);
    sc_err err = sc_buf_status(&name);
    if (err == SC_OK)
        err = pg_auth_user(c->opt->auth, sc_buf_slice(&name), &verifier, &who, &known, &diag);
    if (err != SC_OK) {
        sc_log(SC_LOG_ERROR, "users cannot be read why=\"%s\"", sc_diag_text(&diag, err));
        return pg_fatal(c, err, "58000", "the server cannot look up its users");
    }
    sc_random(nonce, sizeof nonce);
    struct scram_exchange x = {.verifier = &verifier, .end_point = c->opt->end_point, .nonce = nonce};
    err = exchange(c, sc_buf_slice(&name), &x);
    scram_exchange_deinit(&x);
    SC_TRY(err);
    if (!known)
        return refused(c, sc_buf_slice(&name), SC_E_AUTH);
    c->who = who;
    return SC_OK;
}
