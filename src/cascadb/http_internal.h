/* cascadb/http_internal.h - what a connection (http.c), its answers (http_answer.c) and its statements (http_sql.c)
 * share. */
#ifndef SC_CASCADB_HTTP_INTERNAL_H
#define SC_CASCADB_HTTP_INTERNAL_H

#include "base/json.h"
#include "cascadb/http.h"
#include "net/gzip.h"
#include "net/http_request.h"

#define HTTP_BODY_SIZE_MAX ((size_t)16 << 20)

/* An answer.  It is held back until HTTP_HOLD_SIZE bytes of it are there: until then it may still become an error with a
 * status of its own.  Then it goes out in pieces, and memory is bounded however long it gets. */
#define HTTP_HOLD_SIZE  ((size_t)256 << 10)
#define HTTP_PIECE_SIZE ((size_t)32 << 10)
struct http_answer {
    const struct pg_connection_options *opt;
    struct sc_diag *diag;
    struct sc_buf body;      /* not yet sent */
    struct sc_buf packed;
    struct sc_gzip *gzip;    /* NULL: plain */
    bool accepts_gzip, is_1_0, keep_alive;
    bool head_sent, failed;  /* failed: the client is gone */
    const char *content_type;
    uint64_t size;           /* of what has left body, before compression */
};
/* ---- http_answer.c ---- */
void http_answer_init(struct http_answer *a, const struct pg_connection_options *opt, struct sc_diag *diag);
void http_answer_deinit(struct http_answer *a);
/* Sends pieces when enough has gathered in a->body. */
sc_err http_answer_flow(struct http_answer *a) SC_MUST_CHECK;
/* Ends it.  status and more_headers ("Name: value\r\n" or "") count only if nothing has been sent yet. */
sc_err http_answer_end(struct http_answer *a, int status, const char *more_headers) SC_MUST_CHECK;
/* Drops what is held back.  Not after the head was sent. */
void http_answer_drop(struct http_answer *a);

/* ---- http_sql.c ---- */
/* Runs the request's statements as one transaction; *status_out as http_answer_end() wants it. */
sc_err http_sql_run(struct http_answer *a, struct sc_sql_session *session, const char *who, struct sc_slice request, bool ndjson,
                    int *status_out) SC_MUST_CHECK;
void http_put_error(struct sc_buf *out, const struct sc_sql_error *e, int statement); /* -1: of none */
int http_status_of(const char *sqlstate);

#endif
