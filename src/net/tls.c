#include "net/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

struct sc_tls {
    SSL_CTX *ctx;
};

struct sc_tls_stream {
    SSL *ssl;
    int fd;
    char peer[SC_SPIFFE_ID_SIZE_MAX];
};

static sc_err fail_ssl(struct sc_diag *diag, sc_err code, const char *what, const char *where)
{
    char text[160] = "no reason given";
    const unsigned long e = ERR_peek_error(); /* the first is the cause, the later ones its echo */
    if (e != 0)
        snprintf(text, sizeof text, "%s", ERR_reason_error_string(e) != NULL ? ERR_reason_error_string(e) : "unknown");
    ERR_clear_error();
    return sc_fail(diag, code, "%s%s%s: %s", what, where[0] != '\0' ? " " : "", where, text);
}

/* Refuses an encrypted key instead of asking the terminal for its password. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)u;
    return -1;
}

sc_err sc_tls_new(const struct sc_tls_files *files, struct sc_tls **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_tls_freep) struct sc_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL || (tls->ctx = SSL_CTX_new(TLS_method())) == NULL)
        return sc_fail(diag, SC_E_NOMEM, "TLS context");
    SSL_CTX *ctx = tls->ctx;
    ERR_clear_error(); /* or an older failure of this thread would be told as the reason of ours */
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ctx, 2);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* A resumed session would skip the certificate check of a client whose rights may have changed. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
        return fail_ssl(diag, SC_E_IO, "certificate", files->cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
        return fail_ssl(diag, SC_E_IO, "private key", files->key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail_ssl(diag, SC_E_USAGE, "private key does not belong to certificate", files->cert);
    if (SSL_CTX_load_verify_locations(ctx, files->ca, NULL) != 1)
        return fail_ssl(diag, SC_E_IO, "CA certificate", files->ca);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(files->ca);
    if (names != NULL)
        SSL_CTX_set_client_CA_list(ctx, names);
    *out = SC_TAKE(tls);
    return SC_OK;
}

void sc_tls_free(struct sc_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls);
}

void sc_tls_freep(struct sc_tls **tls)
{
    sc_tls_free(*tls);
}

SSL_CTX *net_tls_ssl_ctx(const struct sc_tls *tls)
{
    return tls->ctx;
}

sc_err net_peer_spiffe_id(SSL *ssl, char out[static SC_SPIFFE_ID_SIZE_MAX], struct sc_diag *diag)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    if (x == NULL)
        return sc_fail(diag, SC_E_AUTH, "peer sent no certificate");
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    sc_err err = SC_E_AUTH;
    for (int i = 0; err != SC_OK && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        if (n->type != GEN_URI)
            continue;
        const char *uri = (const char *)ASN1_STRING_get0_data(n->d.uniformResourceIdentifier);
        const int size = ASN1_STRING_length(n->d.uniformResourceIdentifier);
        if (size < 10 || (size_t)size >= SC_SPIFFE_ID_SIZE_MAX || memchr(uri, 0, (size_t)size) != NULL ||
            memcmp(uri, "spiffe://", 9) != 0)
            continue;
        memcpy(out, uri, (size_t)size);
        out[size] = '\0';
        err = SC_OK;
    }
    GENERAL_NAMES_free(names);
    return err == SC_OK ? SC_OK : sc_fail(diag, SC_E_AUTH, "peer's certificate has no SPIFFE ID");
}

sc_err net_handshake_failure(SSL *ssl, struct sc_diag *diag)
{
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return sc_fail(diag, SC_E_AUTH, "TLS handshake: peer's certificate: %s",
                       X509_verify_cert_error_string(verdict));
    }
    return fail_ssl(diag, SC_E_AUTH, "TLS handshake", "");
}

/* ---- blocking streams: a non-blocking socket and poll(), so that every wait has a limit ---- */
static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for what OpenSSL wants; SC_E_AGAIN when the deadline (-1: none) is over. */
static sc_err wait_for(int fd, int ssl_error, int64_t deadline_ms)
{
    struct pollfd p = {.fd = fd, .events = ssl_error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};
    for (;;) {
        int timeout = -1;
        if (deadline_ms >= 0) {
            const int64_t left = deadline_ms - now_ms();
            if (left <= 0)
                return SC_E_AGAIN;
            timeout = (int)(left < 1 << 30 ? left : 1 << 30);
        }
        const int n = poll(&p, 1, timeout);
        if (n > 0)
            return SC_OK;
        if (n == 0)
            return SC_E_AGAIN;
        if (errno != EINTR)
            return SC_E_IO;
    }
}

enum side { CLIENT, SERVER, SERVER_ANY }; /* SERVER_ANY: also for clients without a certificate */

static sc_err handshake(const struct sc_tls *tls, int fd, enum side side, const char *expected_id, int timeout_ms,
                        struct sc_tls_stream **out, struct sc_diag *diag)
{
    struct sc_tls_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "TLS stream");
    s->fd = -1; /* the caller's until we succeed */
    s->ssl = SSL_new(tls->ctx);
    sc_err err = SC_OK;
    const int flags = fcntl(fd, F_GETFL);
    if (s->ssl == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || SSL_set_fd(s->ssl, fd) != 1)
        err = sc_fail(diag, SC_E_NOMEM, "TLS stream");
    if (err == SC_OK && side == SERVER_ANY)
        SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL); /* one that is shown must still be good */
    const int64_t deadline = timeout_ms >= 0 ? now_ms() + timeout_ms : -1;
    while (err == SC_OK) {
        ERR_clear_error(); /* SSL_get_error() believes whatever is in the thread's queue */
        const int rc = side != CLIENT ? SSL_accept(s->ssl) : SSL_connect(s->ssl);
        if (rc == 1)
            break;
        const int e = SSL_get_error(s->ssl, rc);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            err = net_handshake_failure(s->ssl, diag);
        else if ((err = wait_for(fd, e, deadline)) != SC_OK)
            err = sc_fail(diag, err, "TLS handshake: %s", err == SC_E_AGAIN ? "timed out" : "poll failed");
    }
    if (err == SC_OK && (side != SERVER_ANY || SSL_get0_peer_certificate(s->ssl) != NULL))
        err = net_peer_spiffe_id(s->ssl, s->peer, diag);
    if (err == SC_OK && expected_id != NULL && strcmp(expected_id, s->peer) != 0)
        err = sc_fail(diag, SC_E_AUTH, "peer is %s, expected %s", s->peer, expected_id);
    if (err != SC_OK) {
        sc_tls_stream_free(s);
        return err;
    }
    s->fd = fd;
    *out = s;
    return SC_OK;
}

sc_err sc_tls_accept(const struct sc_tls *tls, int fd, int timeout_ms, struct sc_tls_stream **out, struct sc_diag *diag)
{
    return handshake(tls, fd, SERVER, NULL, timeout_ms, out, diag);
}

sc_err sc_tls_accept_optional(const struct sc_tls *tls, int fd, int timeout_ms, struct sc_tls_stream **out,
                              struct sc_diag *diag)
{
    return handshake(tls, fd, SERVER_ANY, NULL, timeout_ms, out, diag);
}

sc_err sc_tls_connect(const struct sc_tls *tls, int fd, const char *expected_id, int timeout_ms,
                      struct sc_tls_stream **out, struct sc_diag *diag)
{
    return handshake(tls, fd, CLIENT, expected_id, timeout_ms, out, diag);
}

void sc_tls_stream_free(struct sc_tls_stream *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0 && SSL_is_init_finished(s->ssl))
        SSL_shutdown(s->ssl); /* says goodbye once; does not wait for the answer */
    SSL_free(s->ssl);
    if (s->fd >= 0)
        close(s->fd);
    ERR_clear_error();
    free(s);
}

void sc_tls_stream_freep(struct sc_tls_stream **s)
{
    sc_tls_stream_free(*s);
}

const char *sc_tls_stream_peer(const struct sc_tls_stream *s)
{
    return s->peer;
}

int sc_tls_stream_fd(const struct sc_tls_stream *s)
{
    return s->fd;
}

sc_err sc_tls_stream_end_point(const struct sc_tls_stream *s, uint8_t out[static SC_TLS_END_POINT_SIZE_MAX],
                               size_t *size_out)
{
    _Static_assert(SC_TLS_END_POINT_SIZE_MAX >= EVP_MAX_MD_SIZE, "the longest hash fits");
    X509 *x = SSL_get_certificate(s->ssl);
    int hash_nid = NID_undef;
    int key_nid = NID_undef;
    unsigned size = 0;
    if (x == NULL || X509_get_signature_info(x, &hash_nid, &key_nid, NULL, NULL) != 1 || hash_nid == NID_undef) {
        ERR_clear_error();
        return SC_E_UNSUPPORTED;
    }
    if (hash_nid == NID_md5 || hash_nid == NID_sha1)
        hash_nid = NID_sha256; /* RFC 5929, 4.1 */
    const EVP_MD *md = EVP_get_digestbynid(hash_nid);
    if (md == NULL || X509_digest(x, md, out, &size) != 1) {
        ERR_clear_error();
        return SC_E_UNSUPPORTED;
    }
    *size_out = size;
    return SC_OK;
}

size_t sc_tls_stream_pending(const struct sc_tls_stream *s)
{
    return (size_t)SSL_pending(s->ssl);
}

sc_err sc_tls_stream_read(struct sc_tls_stream *s, uint8_t *out, size_t size, int timeout_ms, size_t *size_out,
                          struct sc_diag *diag)
{
    const int64_t deadline = timeout_ms >= 0 ? now_ms() + timeout_ms : -1;
    for (;;) {
        size_t n = 0;
        ERR_clear_error();
        const int rc = SSL_read_ex(s->ssl, out, size, &n);
        if (rc == 1) {
            *size_out = n;
            return SC_OK;
        }
        const int e = SSL_get_error(s->ssl, rc);
        if (e == SSL_ERROR_ZERO_RETURN) {
            *size_out = 0;
            return SC_OK;
        }
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return fail_ssl(diag, SC_E_IO, "TLS read from", s->peer);
        const sc_err err = wait_for(s->fd, e, deadline);
        if (err != SC_OK)
            return sc_fail(diag, err, "TLS read from %s: %s", s->peer, sc_err_name(err));
    }
}

sc_err sc_tls_stream_write(struct sc_tls_stream *s, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag)
{
    const int64_t deadline = timeout_ms >= 0 ? now_ms() + timeout_ms : -1;
    while (bytes.size != 0) {
        size_t n = 0;
        ERR_clear_error();
        const int rc = SSL_write_ex(s->ssl, bytes.ptr, bytes.size, &n);
        if (rc == 1) {
            bytes = (struct sc_slice){bytes.ptr + n, bytes.size - n};
            continue;
        }
        const int e = SSL_get_error(s->ssl, rc);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return fail_ssl(diag, SC_E_IO, "TLS write to", s->peer);
        const sc_err err = wait_for(s->fd, e, deadline);
        if (err != SC_OK)
            return sc_fail(diag, SC_E_IO, "TLS write to %s: %s", s->peer, sc_err_name(err));
    }
    return SC_OK;
}
