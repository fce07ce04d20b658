/* SCRAM's server side against a client written here from RFC 5802; and users in a file. */
#include "base/clock.h"
#include "cascadb/auth.h"
#include "test.h"

static const uint8_t fresh[SCRAM_NONCE_SIZE] = "eighteen bytes....";

struct client {
    const char *gs2;          /* "n,,", "y,,", "p=tls-server-end-point,," */
    struct sc_slice bound;    /* what it believes the channel's end point to be */
    const char *password;
    struct sc_buf first, final;
};

static void client_deinit(struct client *c)
{
    sc_buf_deinit(&c->first);
    sc_buf_deinit(&c->final);
}

static void client_first(struct client *c)
{
    sc_buf_reset(&c->first);
    sc_buf_put_fmt(&c->first, "%sn=,r=clientnonce0123456789", c->gs2);
}

/* RFC 5802, 3: ClientProof = ClientKey xor HMAC(H(ClientKey), AuthMessage) */
static void client_final(struct client *c, struct sc_slice server_first, struct sc_key *server_key_out, struct sc_buf *auth)
{
    char nonce[200], salt64[100];
    unsigned iterations = 0;
    uint8_t salt[64];
    size_t salt_size = 0;
    struct sc_key salted, client, stored, proof;
    struct sc_hash h;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf binding = { 0 };
    sc_buf_put_bytes(&text, server_first);
    assert_int_equal(sscanf(sc_buf_cstr(&text), "r=%199[^,],s=%99[^,],i=%u", nonce, salt64, &iterations), 3);
    assert_ok(sc_base64_decode(sc_slice_str(salt64), salt, sizeof salt, &salt_size));
    assert_ok(sc_pbkdf2(sc_slice_str(c->password), sc_slice_of(salt, salt_size), iterations, &salted));
    sc_hmac(&salted, sc_slice_str("Client Key"), client.bytes);
    sc_hmac(&salted, sc_slice_str("Server Key"), server_key_out->bytes);
    sc_hash_of(sc_slice_of(client.bytes, 32), &h);
    memcpy(stored.bytes, h.bytes, 32);
    sc_buf_put_str(&binding, c->gs2);
    sc_buf_put_bytes(&binding, c->bound.size != 0 ? c->bound : SC_SLICE_EMPTY);
    sc_buf_reset(&c->final);
    sc_buf_put_str(&c->final, "c=");
    sc_base64_encode(sc_buf_slice(&binding), &c->final);
    sc_buf_put_fmt(&c->final, ",r=%s", nonce);
    sc_buf_put_fmt(auth, "%s,%.*s,%.*s", sc_buf_cstr(&c->first) + strlen(c->gs2), (int)server_first.size,
                   (const char *)server_first.ptr, (int)c->final.size, (const char *)c->final.ptr);
    sc_hmac(&stored, sc_buf_slice(auth), proof.bytes);
    for (size_t i = 0; i < 32; i++)
        proof.bytes[i] ^= client.bytes[i];
    sc_buf_put_str(&c->final, ",p=");
    sc_base64_encode(sc_slice_of(proof.bytes, 32), &c->final);
}

static void verifier_of(const char *password, struct scram_verifier *out)
{
    assert_ok(scram_verifier_make(sc_slice_str(password), sc_slice_str("saltsaltsaltsalt"), SCRAM_ITERATIONS_MIN, out));
}

/* A whole login; also checks the server's signature when it gives one. */
static sc_err login(struct client *c, bool plus, struct sc_slice end_point, struct scram_verifier *v)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf auth = { 0 };
    struct sc_key server_key;
    uint8_t signature[32];
    struct scram_exchange x = { .verifier = v, .end_point = end_point, .plus = plus, .nonce = fresh };
    client_first(c);
    sc_err err = scram_first(&x, sc_buf_slice(&c->first), &answer);
    if (err == SC_OK) {
        client_final(c, sc_buf_slice(&answer), &server_key, &auth);
        sc_buf_reset(&answer);
        err = scram_final(&x, sc_buf_slice(&c->final), &answer);
        if (err == SC_OK) {
            SC_CLEANUP(sc_buf_deinit) struct sc_buf expected = { 0 };
            sc_hmac(&server_key, sc_buf_slice(&auth), signature);
            sc_buf_put_str(&expected, "v=");
            sc_base64_encode(sc_slice_of(signature, 32), &expected);
            assert_string_equal(sc_buf_cstr(&answer), sc_buf_cstr(&expected));
        } else
            assert_int_equal(answer.size, 0);
    }
    scram_exchange_deinit(&x);
    client_deinit(c);
    return err;
}

static void the_keys_are_those_of_the_rfc(void **state)
{
    (void)state;
    /* RFC 7677, 3: user "user", password "pencil" */
    static const char auth[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                               "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    uint8_t salt[16], mac[32];
    size_t size = 0;
    struct scram_verifier v = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    assert_ok(sc_base64_decode(sc_slice_str("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, sizeof salt, &size));
    assert_int_equal(size, 16);
    assert_ok(scram_verifier_make(sc_slice_str("pencil"), sc_slice_of(salt, 16), 4096, &v));
    sc_hmac(&v.server_key, sc_slice_str(auth), mac);
    sc_base64_encode(sc_slice_of(mac, 32), &text);
    assert_string_equal(sc_buf_cstr(&text), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_ok(scram_verifier_check(&v, sc_slice_str("pencil")));
    assert_err(scram_verifier_check(&v, sc_slice_str("pencils")), SC_E_AUTH);
}

static void a_verifier_is_written_and_read(void **state)
{
    (void)state;
    struct scram_verifier v = { 0 }, again = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    verifier_of("correct horse", &v);
    scram_verifier_write(&v, &text);
    assert_ok(scram_verifier_parse(sc_buf_slice(&text), &again));
    assert_memory_equal(&v, &again, sizeof v);
    for (size_t n = 0; n < text.size; n++)
        assert_int_not_equal(scram_verifier_parse((struct sc_slice){ text.ptr, n }, &again), SC_OK);
    sc_buf_put_u8(&text, '=');
    assert_int_not_equal(scram_verifier_parse(sc_buf_slice(&text), &again), SC_OK);
    assert_err(scram_verifier_parse(sc_slice_str("SCRAM-SHA-256$100:c2FsdHNhbHQ=$x:y"), &again), SC_E_LIMIT);
}

static void base64_has_one_form(void **state)
{
    (void)state;
    static const char *const wrong[] = { "QQ", "QQ=", "QR==", "QUI", "Q Q=", "====", "QQ==QQ==", "QUJD\n", "-_-_" };
    uint8_t out[64];
    size_t size = 0;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (sc_base64_decode(sc_slice_str(wrong[i]), out, sizeof out, &size) == SC_OK)
            fail_msg("\"%s\" was taken", wrong[i]);
    assert_err(sc_base64_decode(sc_slice_str("QUJD"), out, 2, &size), SC_E_LIMIT);
    struct sc_prng p;
    sc_prng_init(&p, test_seed(1));
    for (int i = 0; i < 300; i++) {
        uint8_t bytes[48];
        const size_t n = sc_prng_below(&p, sizeof bytes + 1);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)sc_prng_below(&p, 256);
        sc_buf_reset(&text);
        sc_base64_encode(sc_slice_of(bytes, n), &text);
        assert_ok(sc_base64_decode(sc_buf_slice(&text), out, sizeof out, &size));
        assert_int_equal(size, n);
        assert_memory_equal(out, bytes, n);
    }
}

static void the_right_password_logs_in(void **state)
{
    (void)state;
    struct scram_verifier v = { 0 };
    const struct sc_slice end_point = sc_slice_str("hash of the certificate");
    verifier_of("secret", &v);
    assert_ok(login(&(struct client){ .gs2 = "n,,", .password = "secret" }, false, SC_SLICE_EMPTY, &v));
    assert_ok(login(&(struct client){ .gs2 = "y,,", .password = "secret" }, false, SC_SLICE_EMPTY, &v));
    assert_ok(login(&(struct client){ .gs2 = "n,,", .password = "secret" }, false, end_point, &v));
    assert_ok(login(&(struct client){ .gs2 = "p=tls-server-end-point,,", .bound = end_point, .password = "secret" }, true,
                    end_point, &v));
    assert_err(login(&(struct client){ .gs2 = "n,,", .password = "Secret" }, false, SC_SLICE_EMPTY, &v), SC_E_AUTH);
}

static void a_man_in_the_middle_is_noticed(void **state)
{
    (void)state;
    struct scram_verifier v = { 0 };
    const struct sc_slice end_point = sc_slice_str("hash of the certificate");
    verifier_of("secret", &v);
    /* his own certificate towards the client */
    assert_err(login(&(struct client){ .gs2 = "p=tls-server-end-point,,", .bound = sc_slice_str("another"), .password = "secret" },
                     true, end_point, &v), SC_E_AUTH);
    /* PLUS taken out of our list: the client says that it could */
    assert_err(login(&(struct client){ .gs2 = "y,,", .password = "secret" }, false, end_point, &v), SC_E_AUTH);
    /* a flag that contradicts the mechanism */
    assert_err(login(&(struct client){ .gs2 = "n,,", .password = "secret" }, true, end_point, &v), SC_E_MALFORMED);
    assert_err(login(&(struct client){ .gs2 = "p=tls-server-end-point,,", .password = "secret" }, false, end_point, &v),
               SC_E_MALFORMED);
    assert_err(login(&(struct client){ .gs2 = "p=tls-unique,,", .password = "secret" }, true, end_point, &v), SC_E_UNSUPPORTED);
    assert_err(login(&(struct client){ .gs2 = "n,a=admin,", .password = "secret" }, false, end_point, &v), SC_E_UNSUPPORTED);
}

static void a_message_played_back_is_refused(void **state)
{
    (void)state;
    static const uint8_t other[SCRAM_NONCE_SIZE] = "another nonce.....";
    struct scram_verifier v = { 0 };
    struct client c = { .gs2 = "n,,", .password = "secret" };
    struct sc_key key;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf auth = { 0 };
    verifier_of("secret", &v);
    struct scram_exchange x = { .verifier = &v, .end_point = SC_SLICE_EMPTY, .nonce = fresh };
    client_first(&c);
    assert_ok(scram_first(&x, sc_buf_slice(&c.first), &answer));
    client_final(&c, sc_buf_slice(&answer), &key, &auth);
    struct scram_exchange y = { .verifier = &v, .end_point = SC_SLICE_EMPTY, .nonce = other };
    sc_buf_reset(&answer);
    assert_ok(scram_first(&y, sc_buf_slice(&c.first), &answer));
    assert_err(scram_final(&y, sc_buf_slice(&c.final), &answer), SC_E_AUTH);     /* in another exchange */
    assert_ok(scram_final(&x, sc_buf_slice(&c.final), &answer));
    assert_err(scram_final(&x, sc_buf_slice(&c.final), &answer), SC_E_MALFORMED); /* in its own, again */
    assert_err(scram_first(&x, sc_buf_slice(&c.first), &answer), SC_E_MALFORMED);
    struct scram_exchange z = { .verifier = &v, .end_point = SC_SLICE_EMPTY, .nonce = fresh };
    assert_err(scram_final(&z, sc_buf_slice(&c.final), &answer), SC_E_MALFORMED); /* before any first */
    scram_exchange_deinit(&x);
    scram_exchange_deinit(&y);
    scram_exchange_deinit(&z);
    client_deinit(&c);
}

static void broken_messages_never_log_in(void **state)
{
    (void)state;
    struct scram_verifier v = { 0 };
    verifier_of("secret", &v);
    struct client good = { .gs2 = "n,,", .password = "secret" };
    struct sc_key key;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf auth = { 0 };
    struct scram_exchange x = { .verifier = &v, .end_point = SC_SLICE_EMPTY, .nonce = fresh };
    client_first(&good);
    assert_ok(scram_first(&x, sc_buf_slice(&good.first), &answer));
    client_final(&good, sc_buf_slice(&answer), &key, &auth);
    scram_exchange_deinit(&x);
    /* the final message cut, or with one bit changed, anywhere */
    for (size_t i = 0; i < good.final.size * 9; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf m = { 0 };
        struct scram_exchange t = { .verifier = &v, .end_point = SC_SLICE_EMPTY, .nonce = fresh };
        sc_buf_put_bytes(&m, (struct sc_slice){ good.final.ptr, i % 9 == 8 ? i / 9 : good.final.size });
        if (i % 9 != 8)
            m.ptr[i / 9] ^= (uint8_t)(1u << i % 9);
        sc_buf_reset(&answer);
        assert_ok(scram_first(&t, sc_buf_slice(&good.first), &answer));
        sc_buf_reset(&answer);
        assert_int_not_equal(scram_final(&t, sc_buf_slice(&m), &answer), SC_OK);
        assert_int_equal(answer.size, 0);
        scram_exchange_deinit(&t);
    }
    /* the first message cut */
    static const char *const wrong[] = { "", "n", "n,", "n,,", "n,,n=", "n,,n=,r=", "n,,r=abc", "n,,n=,r=abc,x=1", "n,,m=1,n=,r=abc",
                                         "z,,n=,r=abc", "n,,n=,r=a\001b" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct scram_exchange t = { .verifier = &v, .end_point = SC_SLICE_EMPTY, .nonce = fresh };
        assert_int_not_equal(scram_first(&t, sc_slice_str(wrong[i]), &answer), SC_OK);
        assert_err(scram_final(&t, sc_buf_slice(&good.final), &answer), SC_E_MALFORMED);
        scram_exchange_deinit(&t);
    }
    client_deinit(&good);
}

/* ---- users ---- */
static void users_come_from_their_file(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, "users.json");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    SC_CLEANUP(sc_json_freep) json_t *rights = json_pack("{s:s}", "spiffe://x/y", "write");
    struct scram_verifier v = { 0 }, a = { 0 }, b = { 0 };
    struct pg_principal who;
    struct sc_diag diag = { 0 };
    bool known = false;
    SC_CLEANUP(pg_auth_freep) struct pg_auth *auth = NULL;
    verifier_of("secret 1", &v);
    sc_buf_put_str(&text, "{\"grafana\": {\"right\": \"read\", \"verifier\": \"");
    scram_verifier_write(&v, &text);
    sc_buf_put_str(&text, "\"}}");
    assert_ok(sc_file_write(path, sc_buf_slice(&text), 0600, NULL));
    assert_ok(pg_auth_new(rights, path, &auth, NULL));
    assert_ok(pg_auth_certificate(auth, "spiffe://x/y", &who));
    assert_false(who.read_only);
    assert_err(pg_auth_certificate(auth, "spiffe://x/z", &who), SC_E_AUTH);
    assert_ok(pg_auth_password(auth, sc_slice_str("grafana"), sc_slice_str("secret 1"), &who, NULL));
    assert_string_equal(who.name, "grafana");
    assert_true(who.read_only);
    assert_err(pg_auth_password(auth, sc_slice_str("grafana"), sc_slice_str("secret 2"), &who, NULL), SC_E_AUTH);
    assert_err(pg_auth_password(auth, sc_slice_str("nobody"), sc_slice_str("secret 1"), &who, NULL), SC_E_AUTH);
    /* who is not there looks as if she were: same salt each time, another for another name */
    assert_ok(pg_auth_user(auth, sc_slice_str("nobody"), &a, &who, &known, NULL));
    assert_false(known);
    assert_ok(pg_auth_user(auth, sc_slice_str("nobody"), &b, &who, &known, NULL));
    assert_memory_equal(a.salt, b.salt, 16);
    assert_ok(pg_auth_user(auth, sc_slice_str("noone"), &b, &who, &known, NULL));
    assert_memory_not_equal(a.salt, b.salt, 16);
    /* a spiffe name is not a user, and no user gets in by a name with a NUL */
    assert_ok(pg_auth_user(auth, sc_slice_of("grafana\0x", 9), &b, &who, &known, NULL));
    assert_false(known);
    /* a new password counts at once; a broken file is an error, nobody's way in */
    assert_ok(sc_file_write(path, sc_slice_str("{}"), 0600, NULL));
    assert_err(pg_auth_password(auth, sc_slice_str("grafana"), sc_slice_str("secret 1"), &who, NULL), SC_E_AUTH);
    assert_ok(sc_file_write(path, sc_slice_str("{"), 0600, NULL));
    assert_err(pg_auth_password(auth, sc_slice_str("grafana"), sc_slice_str("secret 1"), &who, &diag), SC_E_MALFORMED);
    struct pg_auth *none = NULL;
    assert_err(pg_auth_new(rights, path, &none, NULL), SC_E_MALFORMED);
    assert_ok(sc_file_write(path, sc_slice_str("{\"a\": {\"right\": \"all\", \"verifier\": \"\"}}"), 0600, NULL));
    assert_err(pg_auth_new(rights, path, &none, NULL), SC_E_MALFORMED);
    test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_are_those_of_the_rfc),
        cmocka_unit_test(a_verifier_is_written_and_read),
        cmocka_unit_test(base64_has_one_form),
        cmocka_unit_test(the_right_password_logs_in),
        cmocka_unit_test(a_man_in_the_middle_is_noticed),
        cmocka_unit_test(a_message_played_back_is_refused),
        cmocka_unit_test(broken_messages_never_log_in),
        cmocka_unit_test(users_come_from_their_file),
    };
    return cmocka_run_group_tests_name("cascadb/scram", tests, NULL, NULL);
}
