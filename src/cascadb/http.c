/* An HTTP connection's life: requests one after another, each by somebody with a right. */
#include "cascadb/http_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "cascadb/message.h"
#include "cascadb/openapi.h"
#include "cascadb/prepare.h"
#include "cascadb/settings.h"
#include "cascadb/types.h"

#include <strings.h>

#define READ_SIZE        ((size_t)16 << 10)
#define REQUEST_MS_MAX   30000 /* from its first byte to its last */
#define KEEP_ALIVE_MS    60000 /* between requests, unless the idle limit is shorter */
#define CREDENTIALS_SIZE 1024

enum route { NOWHERE, SQL, OPENAPI };
struct http {
    const struct pg_connection_options *opt;
    struct sc_diag *diag;
    struct sc_http_reader *reader;
    struct http_answer answer;
    struct sc_buf in;
    size_t in_used;
    struct pg_principal who;
    struct sc_hash
        credentials; /* of the header that who logged in with: PBKDF2 once a connection, not once a request */
    bool logged_in;
    struct sc_sql_session *session;
    bool session_read_only;
    char session_user[PG_NAME_SIZE_MAX];
    /* what judge() found: */
    enum route route;
    bool refused;
    int status; /* why the request is not read further */
};

/* ---- who ---- */
static sc_err basic_parse(struct sc_slice header, uint8_t out[static CREDENTIALS_SIZE], struct sc_slice *user_out,
                          struct sc_slice *password_out)
{
    size_t size = 0;
    if (header.size < 6 || strncasecmp((const char *)header.ptr, "Basic ", 6) != 0)
        return SC_E_AUTH;
    SC_TRY(sc_base64_decode((struct sc_slice){header.ptr + 6, header.size - 6}, out, CREDENTIALS_SIZE, &size));
    const uint8_t *colon = memchr(out, ':', size);
    if (colon == NULL)
        return SC_E_AUTH;
    *user_out = sc_slice_of(out, (size_t)(colon - out));
    *password_out = sc_slice_of(colon + 1, size - user_out->size - 1);
    return SC_OK;
}

static sc_err password_login(struct http *h)
{
    uint8_t text[CREDENTIALS_SIZE];
    struct sc_slice header, user, password;
    struct sc_hash hash;
    struct pg_principal who;
    struct sc_diag diag = {0};
    if (h->opt->auth == NULL || !sc_http_reader_header(h->reader, "Authorization", &header))
        return SC_E_AUTH;
    sc_hash_of(header, &hash);
    if (h->logged_in && sc_ct_equal(hash.bytes, h->credentials.bytes, sizeof hash.bytes))
        return SC_OK;
    h->logged_in = false;
    sc_err err = basic_parse(header, text, &user, &password);
    if (err == SC_OK)
        err = pg_auth_password(h->opt->auth, user, password, &who, &diag);
    explicit_bzero(text, sizeof text);
    if (err != SC_OK) {
        if (err != SC_E_AUTH && err != SC_E_MALFORMED && err != SC_E_LIMIT)
            sc_log(SC_LOG_ERROR, "users cannot be read why=\"%s\"", sc_diag_text(&diag, err));
        return SC_E_AUTH;
    }
    h->who = who;
    h->credentials = hash;
    h->logged_in = true;
    return SC_OK;
}

/* ---- what ---- */
static bool header_has(const struct http *h, const char *name, const char *word)
{
    struct sc_slice value;
    return sc_http_reader_header(h->reader, name, &value) && memmem(value.ptr, value.size, word, strlen(word)) != NULL;
}

static sc_err stop_at(struct http *h, int status)
{
    h->status = status;
    return SC_E_USAGE;
}

/* Before a byte of the body is kept: who may not, and what cannot be, costs us nothing. */
static sc_err judge(void *arg, struct sc_http_reader *reader)
{
    struct http *h = arg;
    struct sc_slice encoding;
    const struct sc_slice path = sc_http_reader_path(reader);
    const bool post = strcmp(sc_http_reader_method(reader), "POST") == 0;
    h->status = 0;
    h->route = sc_slice_eq(path, sc_slice_str("/sql"))            ? SQL
               : sc_slice_eq(path, sc_slice_str("/openapi.json")) ? OPENAPI
                                                                  : NOWHERE;
    if (h->refused)
        return stop_at(h, 503);
    if (h->opt->principal != NULL)
        h->who = *h->opt->principal;
    else if (password_login(h) != SC_OK)
        return stop_at(h, 401);
    if (h->route == NOWHERE)
        return stop_at(h, 404);
    if (post != (h->route == SQL) || (!post && strcmp(sc_http_reader_method(reader), "GET") != 0))
        return stop_at(h, 405);
    if (h->route == SQL && !header_has(h, "Content-Type", "application/json"))
        return stop_at(h, 415); /* also: what a browser's form can send without asking is not taken */
    if (sc_http_reader_header(reader, "Content-Encoding", &encoding) &&
        !sc_slice_eq(encoding, sc_slice_str("identity")))
        return stop_at(h, 415);
    if (header_has(h, "Expect", "100-continue"))
        return h->opt->stream.write(h->opt->stream.self, sc_slice_str("HTTP/1.1 100 Continue\r\n\r\n"),
                                    h->opt->write_ms_max, h->diag);
    return SC_OK;
}

/* ---- reading ---- */
static sc_err in_read(struct http *h, int timeout_ms)
{
    if (h->in_used != 0)
        memmove(h->in.ptr, h->in.ptr + h->in_used, h->in.size - h->in_used);
    h->in.size -= h->in_used;
    h->in_used = 0;
    const size_t before = h->in.size;
    uint8_t *to = sc_buf_extend(&h->in, READ_SIZE);
    size_t n = 0;
    if (to == NULL)
        return sc_fail(h->diag, sc_buf_status(&h->in), "HTTP input");
    const sc_err err = h->opt->stream.read(h->opt->stream.self, to, READ_SIZE, timeout_ms, &n, h->diag);
    h->in.size = before + (err == SC_OK ? n : 0);
    if (err == SC_OK && n == 0)
        return sc_http_reader_begun(h->reader) ? sc_fail(h->diag, SC_E_IO, "the client went away within a request")
                                               : SC_E_NOT_FOUND; /* an orderly end */
    return err;
}

static int timeout_of(const struct http *h, int64_t *until_us)
{
    const int64_t now = sc_mono_us(&sc_clock_system);
    if (!sc_http_reader_begun(h->reader))
        return h->opt->idle_ms_max >= 0 && h->opt->idle_ms_max < KEEP_ALIVE_MS ? h->opt->idle_ms_max : KEEP_ALIVE_MS;
    if (*until_us == 0)
        *until_us = now + (int64_t)REQUEST_MS_MAX * 1000;
    return *until_us > now ? (int)((*until_us - now) / 1000) : 0;
}

/* SC_OK: a request is there, or h->status says what is wrong with it.  SC_E_NOT_FOUND: no more come. */
static sc_err request_read(struct http *h)
{
    int64_t until_us = 0;
    h->status = 0;
    for (;;) {
        size_t used = 0;
        const sc_err err = sc_http_reader_feed(
            h->reader, sc_slice_of(h->in.ptr != NULL ? h->in.ptr + h->in_used : NULL, h->in.size - h->in_used), &used);
        h->in_used += used;
        if (err == SC_OK)
            return SC_OK;
        if (err != SC_E_AGAIN) {
            if (h->status == 0)
                h->status = err == SC_E_LIMIT ? 413 : 400;
            return SC_OK;
        }
        if (atomic_load_explicit(h->opt->stopping, memory_order_relaxed))
            return SC_E_NOT_FOUND;
        const sc_err read = in_read(h, timeout_of(h, &until_us));
        if (read == SC_E_AGAIN && !sc_http_reader_begun(h->reader))
            return SC_E_NOT_FOUND; /* idle for long enough */
        SC_TRY(read);
    }
}

/* ---- answering ---- */
static sc_err status_answer(struct http *h, int status)
{
    static const struct {
        int status;
        const char *sqlstate, *message;
    } texts[] = {
        {400, "08P01", "malformed HTTP request"},
        {401, "28P01", "a client certificate, or user and password, is needed"},
        {404, "42883", "there is POST /sql and GET /openapi.json"},
        {405, "0A000", "POST /sql, GET /openapi.json"},
        {413, "54000", "the request is too large"},
        {415, "0A000", "Content-Type: application/json, without Content-Encoding"},
        {503, "53300", "too many connections"},
    };
    struct sc_sql_error e = {.sqlstate = "XX000"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            sc_ignore(pg_fail(&e, SC_E_USAGE, texts[i].sqlstate, "%s", texts[i].message)); /* fills e */
    h->answer.keep_alive = false; /* its body has not been read */
    sc_buf_put_str(&h->answer.body, "{\"committed\":false,\"error\":");
    http_put_error(&h->answer.body, &e, -1);
    sc_buf_put_str(&h->answer.body, "}\n");
    return http_answer_end(&h->answer, status,
                           status == 401 ? "WWW-Authenticate: Basic realm=\"cascadb\", charset=\"UTF-8\"\r\n" : "");
}

static void session_close(struct http *h)
{
    if (h->session == NULL)
        return;
    h->opt->session_changed(h->opt->arg, NULL);
    sc_sql_session_free(h->session);
    h->session = NULL;
}

static const char *http_setting(void *arg, const char *name)
{
    (void)arg;
    return pg_setting_default(name);
}

static sc_err session_open(struct http *h)
{
    const struct sc_sql_session_options opt = {
        .read_only = h->who.read_only, .deferred_commit = true, .statement_ms_max = h->opt->statement_ms_max};
    if (h->session != NULL && strcmp(h->session_user, h->who.name) == 0 && h->session_read_only == h->who.read_only)
        return SC_OK;
    session_close(h);
    SC_TRY(sc_sql_session_new(h->opt->db, &opt, &h->session, h->diag));
    h->session_read_only = h->who.read_only;
    memcpy(h->session_user, h->who.name, sizeof h->session_user);
    h->opt->session_changed(h->opt->arg, h->session);
    const struct sc_sql_pg_host host = {
        .user = h->session_user, .process = h->opt->process, .setting = http_setting, .arg = h};
    const sc_err err = sc_sql_pg_catalog_attach(h->session, &host);
    if (err != SC_OK)
        session_close(h);
    return err;
}

static sc_err sql_answer(struct http *h)
{
    const bool ndjson = header_has(h, "Accept", "application/x-ndjson");
    int status = 500;
    if (session_open(h) != SC_OK)
        return status_answer(h, 503);
    h->answer.content_type = ndjson ? "application/x-ndjson" : "application/json";
    SC_TRY(http_sql_run(&h->answer, h->session, h->who.name, sc_http_reader_body(h->reader), ndjson, &status));
    return http_answer_end(&h->answer, status, "");
}

static sc_err request_answer(struct http *h)
{
    http_answer_init(&h->answer, h->opt, h->diag);
    h->answer.keep_alive = h->status == 0 && sc_http_reader_keep_alive(h->reader);
    h->answer.is_1_0 = sc_http_reader_is_1_0(h->reader);
    h->answer.accepts_gzip = header_has(h, "Accept-Encoding", "gzip") && !header_has(h, "Accept-Encoding", "gzip;q=0");
    if (h->status != 0)
        return status_answer(h, h->status);
    if (h->route == SQL)
        return sql_answer(h);
    sc_buf_put_bytes(&h->answer.body, sc_slice_of(openapi_json, sizeof openapi_json));
    return http_answer_end(&h->answer, 200, "");
}

static sc_err serve(struct http *h)
{
    for (;;) {
        const sc_err err = request_read(h);
        if (err != SC_OK)
            return err == SC_E_NOT_FOUND ? SC_OK : err;
        const sc_err answered = request_answer(h);
        const bool more = h->answer.keep_alive;
        http_answer_deinit(&h->answer);
        SC_TRY(answered);
        if (!more)
            return SC_OK;
        sc_http_reader_next(h->reader);
    }
}

sc_err pg_http_run(const struct pg_connection_options *opt, bool refused, struct sc_diag *diag)
{
    struct http h = {.opt = opt, .diag = diag, .refused = refused};
    SC_TRY(sc_http_reader_new(HTTP_BODY_SIZE_MAX, judge, &h, &h.reader));
    sc_buf_init(&h.in, 4 * READ_SIZE);
    const sc_err err = serve(&h);
    session_close(&h);
    sc_http_reader_free(h.reader);
    sc_buf_wipe(&h.in); /* passwords came through it */
    return err;
}
