#include "cascadb/scram.h"

static const char prefix[] = "SCRAM-SHA-256$";

/* ---- verifiers ---- */
static sc_err get_until(struct sc_reader *r, char stop, struct sc_slice *out)
{
    const uint8_t *at = memchr(r->cur, stop, sc_reader_left(r));
    if (at == NULL)
        return SC_E_MALFORMED;
    *out = (struct sc_slice){r->cur, (size_t)(at - r->cur)};
    r->cur = at + 1;
    return SC_OK;
}

static sc_err number_parse(struct sc_slice text, unsigned *out)
{
    unsigned v = 0;
    if (text.size == 0 || text.size > 7 || text.ptr[0] == '0')
        return SC_E_MALFORMED;
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return SC_E_MALFORMED;
        v = 10 * v + (unsigned)(text.ptr[i] - '0');
    }
    *out = v;
    return SC_OK;
}

static sc_err key_parse(struct sc_slice text, struct sc_key *out)
{
    size_t size = 0;
    SC_TRY(sc_base64_decode(text, out->bytes, sizeof out->bytes, &size));
    return size == sizeof out->bytes ? SC_OK : SC_E_MALFORMED;
}

static sc_err verifier_read(struct sc_slice text, struct scram_verifier *v)
{
    struct sc_reader r = sc_reader_of(text);
    struct sc_slice name, iterations, salt, stored;
    SC_TRY(sc_reader_get_bytes(&r, sizeof prefix - 1, &name));
    if (!sc_slice_eq(name, sc_slice_str(prefix)))
        return SC_E_MALFORMED;
    SC_TRY(get_until(&r, ':', &iterations));
    SC_TRY(get_until(&r, '$', &salt));
    SC_TRY(get_until(&r, ':', &stored));
    SC_TRY(number_parse(iterations, &v->iterations));
    if (v->iterations < SCRAM_ITERATIONS_MIN || v->iterations > SCRAM_ITERATIONS_MAX)
        return SC_E_LIMIT;
    SC_TRY(sc_base64_decode(salt, v->salt, sizeof v->salt, &v->salt_size));
    if (v->salt_size < 8)
        return SC_E_LIMIT;
    SC_TRY(key_parse(stored, &v->stored_key));
    return key_parse((struct sc_slice){r.cur, sc_reader_left(&r)}, &v->server_key);
}

sc_err scram_verifier_parse(struct sc_slice text, struct scram_verifier *out)
{
    SC_CLEANUP(scram_verifier_wipe) struct scram_verifier v = {0};
    SC_TRY(verifier_read(text, &v));
    *out = v;
    return SC_OK;
}

void scram_verifier_write(const struct scram_verifier *v, struct sc_buf *out)
{
    sc_buf_put_fmt(out, "%s%u:", prefix, v->iterations);
    sc_base64_encode(sc_slice_of(v->salt, v->salt_size), out);
    sc_buf_put_u8(out, '$');
    sc_base64_encode(sc_slice_of(v->stored_key.bytes, sizeof v->stored_key.bytes), out);
    sc_buf_put_u8(out, ':');
    sc_base64_encode(sc_slice_of(v->server_key.bytes, sizeof v->server_key.bytes), out);
}

void scram_verifier_wipe(struct scram_verifier *v)
{
    explicit_bzero(v, sizeof *v);
}

static void hash_key(const struct sc_key *key, struct sc_key *out)
{
    struct sc_hash h;
    sc_hash_of(sc_slice_of(key->bytes, sizeof key->bytes), &h);
    memcpy(out->bytes, h.bytes, sizeof out->bytes);
    explicit_bzero(&h, sizeof h);
}

sc_err scram_verifier_make(struct sc_slice password, struct sc_slice salt, unsigned iterations,
                           struct scram_verifier *out)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key salted = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key client = {0};
    if (salt.size > sizeof out->salt)
        return SC_E_LIMIT;
    SC_TRY(sc_pbkdf2(password, salt, iterations, &salted));
    sc_hmac(&salted, sc_slice_str("Client Key"), client.bytes);
    hash_key(&client, &out->stored_key);
    sc_hmac(&salted, sc_slice_str("Server Key"), out->server_key.bytes);
    memmove(out->salt, salt.ptr, salt.size);
    out->salt_size = salt.size;
    out->iterations = iterations;
    return SC_OK;
}

sc_err scram_verifier_check(const struct scram_verifier *v, struct sc_slice password)
{
    SC_CLEANUP(scram_verifier_wipe) struct scram_verifier made = {0};
    SC_TRY(scram_verifier_make(password, sc_slice_of(v->salt, v->salt_size), v->iterations, &made));
    return sc_ct_equal(made.stored_key.bytes, v->stored_key.bytes, sizeof made.stored_key.bytes) ? SC_OK : SC_E_AUTH;
}

/* ---- messages ---- */
/* "k=value" up to the next comma or the end. */
static sc_err get_attribute(struct sc_reader *r, char key, struct sc_slice *out)
{
    struct sc_reader at = *r;
    struct sc_slice head;
    SC_TRY(sc_reader_get_bytes(&at, 2, &head));
    if (head.ptr[0] != (uint8_t)key || head.ptr[1] != '=')
        return SC_E_MALFORMED;
    const uint8_t *comma = memchr(at.cur, ',', sc_reader_left(&at));
    const uint8_t *end = comma != NULL ? comma : at.end;
    *out = (struct sc_slice){at.cur, (size_t)(end - at.cur)};
    r->cur = comma != NULL ? comma + 1 : end;
    return SC_OK;
}

static bool printable(struct sc_slice s) /* of a nonce: ASCII but the comma, which get_attribute() has seen to */
{
    for (size_t i = 0; i < s.size; i++)
        if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e)
            return false;
    return s.size != 0;
}

/* gs2-header = cbind-flag "," [a=authzid] ",": what the client says of channel binding must fit what we offered. */
static sc_err gs2_check(const struct scram_exchange *x, struct sc_reader *r)
{
    struct sc_slice flag, authzid;
    SC_TRY(get_until(r, ',', &flag));
    SC_TRY(get_until(r, ',', &authzid));
    if (authzid.size != 0)
        return SC_E_UNSUPPORTED; /* acting for another user */
    if (sc_slice_eq(flag, sc_slice_str("p=tls-server-end-point")))
        return x->plus ? SC_OK : SC_E_MALFORMED;
    if (flag.size != 0 && flag.ptr[0] == 'p')
        return SC_E_UNSUPPORTED; /* another kind of binding */
    if (x->plus)
        return SC_E_MALFORMED;
    if (sc_slice_eq(flag, sc_slice_str("n")))
        return SC_OK;
    if (!sc_slice_eq(flag, sc_slice_str("y")))
        return SC_E_MALFORMED;
    /* "I could, but you cannot": somebody took PLUS out of our list */
    return x->end_point.size == 0 ? SC_OK : SC_E_AUTH;
}

static sc_err first(struct scram_exchange *x, struct sc_slice message, struct sc_buf *out)
{
    struct sc_reader r = sc_reader_of(message);
    struct sc_slice user, nonce;
    if (x->begun || message.size > SCRAM_MESSAGE_SIZE_MAX)
        return SC_E_MALFORMED;
    x->begun = true;
    SC_TRY(gs2_check(x, &r));
    sc_buf_put_bytes(&x->binding, (struct sc_slice){message.ptr, (size_t)(r.cur - message.ptr)});
    if (x->plus)
        sc_buf_put_bytes(&x->binding, x->end_point);
    sc_buf_put_bytes(&x->auth_message, (struct sc_slice){r.cur, sc_reader_left(&r)});
    SC_TRY(get_attribute(&r, 'n', &user)); /* not looked at: the startup message names the user, as in PostgreSQL */
    SC_TRY(get_attribute(&r, 'r', &nonce));
    SC_TRY(sc_reader_expect_end(&r)); /* extensions that we do not know must be refused */
    if (!printable(nonce) || nonce.size > SCRAM_CLIENT_NONCE_SIZE_MAX)
        return SC_E_MALFORMED;
    sc_buf_put_bytes(&x->nonce_text, nonce);
    sc_base64_encode(sc_slice_of(x->nonce, SCRAM_NONCE_SIZE), &x->nonce_text);
    SC_TRY(sc_buf_status(&x->nonce_text));
    const size_t at = x->auth_message.size + 1;
    sc_buf_put_str(&x->auth_message, ",r=");
    sc_buf_put_bytes(&x->auth_message, sc_buf_slice(&x->nonce_text));
    sc_buf_put_str(&x->auth_message, ",s=");
    sc_base64_encode(sc_slice_of(x->verifier->salt, x->verifier->salt_size), &x->auth_message);
    sc_buf_put_fmt(&x->auth_message, ",i=%u", x->verifier->iterations);
    SC_TRY(sc_buf_status(&x->auth_message));
    SC_TRY(sc_buf_status(&x->binding));
    sc_buf_put_bytes(out, (struct sc_slice){x->auth_message.ptr + at, x->auth_message.size - at});
    return sc_buf_status(out);
}

sc_err scram_first(struct scram_exchange *x, struct sc_slice message, struct sc_buf *out)
{
    const sc_err err = first(x, message, out);
    x->failed = x->failed || err != SC_OK;
    return err;
}

/* ClientProof = ClientKey xor HMAC(StoredKey, AuthMessage); StoredKey = H(ClientKey) */
static sc_err proof_check(struct scram_exchange *x, const struct sc_key *proof)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key client = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key hashed = {0};
    sc_hmac(&x->verifier->stored_key, sc_buf_slice(&x->auth_message), client.bytes);
    for (size_t i = 0; i < sizeof client.bytes; i++)
        client.bytes[i] ^= proof->bytes[i];
    hash_key(&client, &hashed);
    return sc_ct_equal(hashed.bytes, x->verifier->stored_key.bytes, sizeof hashed.bytes) ? SC_OK : SC_E_AUTH;
}

static sc_err final(struct scram_exchange *x, struct sc_slice message, struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf binding = {0};
    struct sc_reader r = sc_reader_of(message);
    struct sc_slice bound, nonce, proof_text;
    struct sc_key proof;
    uint8_t signature[32];
    if (!x->begun || x->failed || message.size > SCRAM_MESSAGE_SIZE_MAX)
        return SC_E_MALFORMED;
    x->failed = true; /* one try: the same nonce must not judge a second message */
    SC_TRY(get_attribute(&r, 'c', &bound));
    SC_TRY(get_attribute(&r, 'r', &nonce));
    const size_t without_proof = (size_t)(r.cur - 1 - message.ptr);
    SC_TRY(get_attribute(&r, 'p', &proof_text));
    SC_TRY(sc_reader_expect_end(&r));
    SC_TRY(key_parse(proof_text, &proof));
    sc_base64_encode(sc_buf_slice(&x->binding), &binding);
    SC_TRY(sc_buf_status(&binding));
    if (!sc_slice_eq(bound, sc_buf_slice(&binding)) || !sc_slice_eq(nonce, sc_buf_slice(&x->nonce_text)))
        return SC_E_AUTH; /* another channel, or another exchange: a message that was played back */
    sc_buf_put_u8(&x->auth_message, ',');
    sc_buf_put_bytes(&x->auth_message, (struct sc_slice){message.ptr, without_proof});
    SC_TRY(sc_buf_status(&x->auth_message));
    SC_TRY(proof_check(x, &proof));
    sc_hmac(&x->verifier->server_key, sc_buf_slice(&x->auth_message), signature);
    sc_buf_put_str(out, "v=");
    sc_base64_encode(sc_slice_of(signature, sizeof signature), out);
    return sc_buf_status(out);
}

sc_err scram_final(struct scram_exchange *x, struct sc_slice message, struct sc_buf *out)
{
    return final(x, message, out);
}

void scram_exchange_deinit(struct scram_exchange *x)
{
    sc_buf_deinit(&x->auth_message);
    sc_buf_deinit(&x->nonce_text);
    sc_buf_deinit(&x->binding);
}
