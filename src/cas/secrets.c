/* Stored under s/<session>/<secret>: spec (32) | i64 not after, ms (0: for ever) | u32 size, value | u32 size, cert |
 * u32 size, ca.  spec: hash of what the secret was made from; another one means making it anew. */
#include "cas/secrets.h"

#include "crypto/x509.h"

#define DAY_MS INT64_C(86400000)
#define TRIES  16

void sc_secret_deinit(struct sc_secret *s)
{
    sc_buf_wipe(&s->value);
    sc_buf_deinit(&s->cert);
    sc_buf_deinit(&s->ca);
}

/* ---- making ---- */
static void make_password(size_t size, struct sc_buf *out)
{
    static const char alphabet[62] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t n = 0; n < size;) {
        uint8_t byte;
        sc_random(&byte, 1);
        if (byte >= 248) /* 4 * 62: the rest would make the first letters likelier */
            continue;
        sc_buf_put_u8(out, (uint8_t)alphabet[byte % 62]);
        n++;
    }
}

static sc_err make_certificate(const struct sc_session_secret *x, const struct sc_signer *key,
                               const struct sc_secret *issuer, int64_t now_ms, struct sc_secret *out,
                               struct sc_diag *diag)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *public_key = NULL;
    SC_CLEANUP(sc_signer_freep) struct sc_signer *issuer_key = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *issuer_cert = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_TRY(sc_verifier_of_signer(key, &public_key));
    if (issuer != NULL) {
        SC_TRY(sc_signer_from_pem(sc_buf_slice(&issuer->value), &issuer_key, diag));
        SC_TRY(sc_cert_from_pem(sc_buf_slice(&issuer->cert), &issuer_cert, diag));
        sc_buf_put_bytes(&out->ca, sc_buf_slice(&issuer->cert));
    }
    const struct sc_cert_request req = {.common_name = x->common_name,
                                        .dns = x->dns,
                                        .subject_key = public_key,
                                        .not_before_ms = now_ms - 60000, /* clocks differ */
                                        .not_after_ms = now_ms + x->days * DAY_MS,
                                        .is_ca = x->kind == SC_SECRET_CA,
                                        .is_tls = x->kind == SC_SECRET_CERT};
    SC_TRY(sc_cert_issue(&req, issuer_cert, issuer != NULL ? issuer_key : key, &cert, diag));
    SC_TRY(sc_cert_to_pem(cert, &out->cert));
    return sc_buf_status(&out->ca);
}

static sc_err make(const struct sc_session_secret *x, const struct sc_secret *issuer, int64_t now_ms,
                   struct sc_secret *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    if (x->kind == SC_SECRET_RANDOM) {
        uint8_t *to = sc_buf_extend(&out->value, x->size);
        if (to != NULL)
            sc_random(to, x->size);
        return sc_buf_status(&out->value);
    }
    if (x->kind == SC_SECRET_PASSWORD) {
        make_password(x->size, &out->value);
        return sc_buf_status(&out->value);
    }
    SC_TRY(sc_signer_generate(x->algorithm, &key, diag));
    SC_TRY(sc_signer_to_pem(key, &out->value));
    return x->kind == SC_SECRET_KEY ? SC_OK : make_certificate(x, key, issuer, now_ms, out, diag);
}

/* ---- keeping ---- */
static sc_err spec_of(const struct sc_session_secret *x, const struct sc_secret *issuer, struct sc_hash *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf spec = {0};
    sc_buf_put_u8(&spec, (uint8_t)x->kind);
    sc_buf_put_u64be(&spec, x->size);
    sc_buf_put_u8(&spec, (uint8_t)x->algorithm);
    sc_buf_put_u64be(&spec, (uint64_t)x->days);
    sc_buf_put_lv16(&spec, sc_slice_str(x->common_name != NULL ? x->common_name : ""));
    sc_buf_put_lv16(&spec, sc_slice_str(x->dns != NULL ? x->dns : ""));
    if (issuer != NULL)
        sc_buf_put_lv32(&spec, sc_buf_slice(&issuer->cert));
    SC_TRY(sc_buf_status(&spec));
    sc_hash_of(sc_buf_slice(&spec), out);
    return SC_OK;
}

static sc_err take_part(struct sc_reader *r, struct sc_buf *out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_lv32(r, &s));
    sc_buf_put_bytes(out, s);
    return sc_buf_status(out);
}

/* *fresh_out = false: it must be made anew. */
static sc_err decode(struct sc_slice bytes, const struct sc_hash *spec, const struct sc_session_secret *x,
                     int64_t now_ms, struct sc_secret *out, bool *fresh_out)
{
    struct sc_reader r = sc_reader_of(bytes);
    struct sc_hash made_from;
    uint64_t not_after = 0;
    SC_TRY(sc_reader_copy(&r, made_from.bytes, 32));
    SC_TRY(sc_reader_get_u64be(&r, &not_after));
    *fresh_out = memcmp(made_from.bytes, spec->bytes, 32) == 0 &&
                 (not_after == 0 || now_ms < (int64_t)not_after - x->days * DAY_MS / 3);
    if (!*fresh_out)
        return SC_OK;
    SC_TRY(take_part(&r, &out->value));
    SC_TRY(take_part(&r, &out->cert));
    SC_TRY(take_part(&r, &out->ca));
    return sc_reader_expect_end(&r);
}

static void encode(const struct sc_hash *spec, int64_t not_after_ms, const struct sc_secret *s, struct sc_buf *out)
{
    sc_buf_put_bytes(out, sc_slice_of(spec->bytes, 32));
    sc_buf_put_u64be(out, (uint64_t)not_after_ms);
    sc_buf_put_lv32(out, sc_buf_slice(&s->value));
    sc_buf_put_lv32(out, sc_buf_slice(&s->cert));
    sc_buf_put_lv32(out, sc_buf_slice(&s->ca));
}

static sc_err make_and_put(struct sc_kvs_txn *txn, struct sc_slice key, const struct sc_hash *spec,
                           const struct sc_session_secret *x, const struct sc_secret *issuer, int64_t now_ms,
                           struct sc_secret *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf value = {0};
    SC_TRY(make(x, issuer, now_ms, out, diag));
    encode(spec, x->days != 0 ? now_ms + x->days * DAY_MS : 0, out, &value);
    SC_TRY(sc_buf_status(&value));
    return sc_kvs_txn_put(txn, key, sc_buf_slice(&value));
}

/* In a transaction of its own: of two that make it at once, one loses, and finds the other's. */
static sc_err get_once(struct sc_registry *r, struct sc_slice key, const struct sc_session_secret *x,
                       const struct sc_secret *issuer, struct sc_secret *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf stored = {0};
    struct sc_kvs_txn *txn = NULL;
    struct sc_hash spec;
    struct sc_diag quiet = {0};
    bool fresh = false;
    const int64_t now_ms = sc_wall_ms(r->clock);
    SC_TRY(spec_of(x, issuer, &spec));
    SC_TRY(sc_kvs_txn_begin(r->kvs, &txn));
    sc_err err = sc_kvs_txn_get(txn, key, &stored, &quiet);
    if (err == SC_OK)
        err = decode(sc_buf_slice(&stored), &spec, x, now_ms, out, &fresh);
    if (err == SC_E_NOT_FOUND)
        err = SC_OK;
    if (err == SC_OK && !fresh)
        err = make_and_put(txn, key, &spec, x, issuer, now_ms, out, diag);
    if (err != SC_OK || fresh) {
        sc_kvs_txn_abort(txn);
        return err == SC_OK ? SC_OK : sc_fail(diag, err, "secret %s: %s", x->name, sc_diag_text(&quiet, err));
    }
    return sc_kvs_txn_commit(txn, true, diag);
}

static sc_err get_own(struct sc_registry *r, const struct sc_session *s, const struct sc_session_secret *x,
                      struct sc_secret *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_secret_deinit) struct sc_secret issuer = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    out->kind = x->kind;
    if (x->kind == SC_SECRET_VALUE) {
        sc_buf_put_str(&out->value, x->value);
        return sc_buf_status(&out->value);
    }
    if (x->issuer != NULL)
        SC_TRY(get_own(r, s, x->issuer, &issuer, diag)); /* a CA has no issuer: this goes one deep */
    sc_buf_put_fmt(&key, "s/%s/%s", s->name, x->name);
    SC_TRY(sc_buf_status(&key));
    for (int i = 0;; i++) {
        struct sc_diag quiet = {0};
        SC_CLEANUP(sc_secret_deinit) struct sc_secret got = {.kind = x->kind};
        const sc_err err = get_once(r, sc_buf_slice(&key), x, x->issuer != NULL ? &issuer : NULL, &got, &quiet);
        if (err == SC_E_CONFLICT && i + 1 < TRIES)
            continue;
        if (err != SC_OK)
            return sc_fail(diag, err, "%s", sc_diag_text(&quiet, err));
        *out = got;
        got = (struct sc_secret){0};
        return SC_OK;
    }
}

static bool exported_to(const struct sc_session_secret *x, const char *session)
{
    for (size_t i = 0; i < x->export_count; i++)
        if (strcmp(x->exports[i], session) == 0)
            return true;
    return x->is_public;
}

sc_err sc_secrets_get(struct sc_registry *r, const struct sc_session *s, const struct sc_session_secret *x,
                      struct sc_secret *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *from = NULL;
    SC_CLEANUP(sc_secret_deinit) struct sc_secret got = {0};
    if (x->kind != SC_SECRET_IMPORT) {
        SC_TRY(get_own(r, s, x, &got, diag));
    } else {
        SC_TRY(sc_registry_current(r, x->from_session, &from, diag));
        const struct sc_session_secret *theirs = sc_session_secret_find(from, x->from_secret);
        /* whether it does not exist or is not for us: to us it is the same */
        if (theirs == NULL || theirs->kind == SC_SECRET_IMPORT || !exported_to(theirs, s->name))
            return sc_fail(diag, SC_E_AUTH, "session %s exports no secret %s to %s", x->from_session, x->from_secret,
                           s->name);
        SC_TRY(get_own(r, from, theirs, &got, diag));
        const bool certified = theirs->kind == SC_SECRET_CA || theirs->kind == SC_SECRET_CERT;
        if (certified && theirs->is_public) { /* of it only the certificates are public */
            explicit_bzero(got.value.ptr, got.value.size);
            got.value.size = 0;
        }
    }
    *out = got;
    got = (struct sc_secret){0};
    return SC_OK;
}

/* ---- parts ---- */
sc_err sc_secret_put_part(const struct sc_secret *s, const char *part, struct sc_buf *out, struct sc_diag *diag)
{
    const bool certified = s->kind == SC_SECRET_CA || s->kind == SC_SECRET_CERT;
    const bool is_random = s->kind == SC_SECRET_RANDOM;
    if (certified && strcmp(part, "cert") == 0) {
        sc_buf_put_bytes(out, sc_buf_slice(&s->cert));
    } else if (s->kind == SC_SECRET_CERT && strcmp(part, "ca") == 0) {
        sc_buf_put_bytes(out, sc_buf_slice(&s->ca));
    } else if (s->value.size != 0 && (certified ? strcmp(part, "key") == 0 : !is_random && part[0] == '\0')) {
        sc_buf_put_bytes(out, sc_buf_slice(&s->value));
    } else if (!certified && strcmp(part, "base64") == 0) {
        sc_base64_put(out, sc_buf_slice(&s->value));
    } else if (!certified && (strcmp(part, "hex") == 0 || (is_random && part[0] == '\0'))) {
        char *to = (char *)sc_buf_extend(out, 2 * s->value.size + 1);
        if (to != NULL) {
            sc_hex_encode(sc_buf_slice(&s->value), to);
            out->size--;
        }
    } else {
        return sc_fail(diag, SC_E_USAGE, "a secret of kind %s has no part \"%s\" to give here",
                       sc_secret_kind_name(s->kind), part);
    }
    return sc_buf_status(out);
}
