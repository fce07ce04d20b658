/* cascadb/message.h - messages of the PostgreSQL wire protocol, version 3, as bytes: what a client sends is parsed whole
 * and bounded, what the server sends is written into a buffer.  No state, no I/O; slices borrow from the input.
 * Source: PostgreSQL 15 documentation, chapter 55 "Frontend/Backend Protocol" (55.7 "Message Formats"). */
#ifndef SC_CASCADB_MESSAGE_H
#define SC_CASCADB_MESSAGE_H

#include "base/bytes.h"

#define PG_MESSAGE_SIZE_MAX ((size_t)64 << 20)
#define PG_STARTUP_SIZE_MAX ((size_t)10000)

/* ---- frames ---- */
struct pg_frame {
    uint8_t type;         /* 0 for the untyped first packet */
    struct sc_slice body; /* without type and length */
};
/* The first frame of buffered.  SC_E_AGAIN: not whole yet; SC_E_MALFORMED: a length that cannot be; SC_E_LIMIT: longer
 * than size_max. */
sc_err pg_frame_next(struct sc_slice buffered, size_t size_max, struct pg_frame *out, size_t *used_out) SC_MUST_CHECK;
/* As above for the packets before and including the startup message, which have no type byte. */
sc_err pg_frame_first(struct sc_slice buffered, struct pg_frame *out, size_t *used_out) SC_MUST_CHECK;

/* ---- startup ---- */
enum pg_startup_kind { PG_STARTUP_SESSION, PG_STARTUP_SSL, PG_STARTUP_GSS, PG_STARTUP_CANCEL };
#define PG_STARTUP_OPTION_COUNT_MAX 16
struct pg_startup {
    enum pg_startup_kind kind;
    uint32_t cancel_process, cancel_key; /* PG_STARTUP_CANCEL */
    uint32_t minor;                      /* PG_STARTUP_SESSION: of protocol 3 */
    struct sc_slice user, database, application_name, client_encoding;
    struct sc_slice unknown[PG_STARTUP_OPTION_COUNT_MAX]; /* protocol options ("_pq_...") that we do not know */
    size_t unknown_count;
};
/* SC_E_UNSUPPORTED: another major version. */
sc_err pg_startup_parse(struct sc_slice body, struct pg_startup *out) SC_MUST_CHECK;

/* ---- from the client ---- */
/* Names and texts are without their NUL. */
struct pg_parse {
    struct sc_slice name, text;
    struct sc_slice type_oids; /* u32be each */
};
struct pg_bind {
    struct sc_slice portal, statement;
    struct sc_slice formats; /* u16be each: none (all text), one (for all) or one a parameter */
    uint16_t param_count;
    struct sc_slice params;  /* read with pg_param_next() */
    struct sc_slice result_formats;
};
struct pg_target { /* of Describe and Close */
    bool portal;
    struct sc_slice name;
};
struct pg_execute {
    struct sc_slice portal;
    uint32_t row_count_max; /* 0: all */
};
sc_err pg_query_parse(struct sc_slice body, struct sc_slice *text_out) SC_MUST_CHECK;
sc_err pg_parse_parse(struct sc_slice body, struct pg_parse *out) SC_MUST_CHECK;
/* Has walked over all parameters: reading them afterwards cannot fail. */
sc_err pg_bind_parse(struct sc_slice body, struct pg_bind *out) SC_MUST_CHECK;
sc_err pg_target_parse(struct sc_slice body, struct pg_target *out) SC_MUST_CHECK;
sc_err pg_execute_parse(struct sc_slice body, struct pg_execute *out) SC_MUST_CHECK;
/* The next length-prefixed value (of Bind, and of a binary COPY row); *null_out: it is NULL, and *out is empty. */
sc_err pg_param_next(struct sc_reader *r, bool *null_out, struct sc_slice *out) SC_MUST_CHECK;
/* Format code (0 text, 1 binary) of item i under the none/one/each rule. */
uint16_t pg_format_of(struct sc_slice formats, size_t i);

/* ---- the login ---- */
struct pg_sasl_first {
    struct sc_slice mechanism;
    struct sc_slice response; /* empty also when there is none */
};
sc_err pg_sasl_first_parse(struct sc_slice body, struct pg_sasl_first *out) SC_MUST_CHECK;

/* ---- to the client ---- */
/* Begins a message; its length is written by pg_end(), which takes what pg_begin() returned. */
size_t pg_begin(struct sc_buf *out, char type);
void pg_end(struct sc_buf *out, size_t at);
void pg_put_cstr(struct sc_buf *out, const char *s); /* with its NUL */

void pg_put_empty(struct sc_buf *out, char type); /* a message without a body */
void pg_put_parameter(struct sc_buf *out, const char *name, const char *value);
void pg_put_command(struct sc_buf *out, const char *tag);
void pg_put_ready(struct sc_buf *out, char transaction);
struct pg_notice {
    const char *severity; /* "ERROR", "FATAL", "NOTICE" */
    const char *sqlstate; /* five characters */
    const char *message;
    const char *detail;   /* NULL: none */
    const char *hint;     /* NULL: none */
    const char *where;    /* NULL: none */
    size_t position;      /* 1-based character in the query; 0: unknown */
};
/* ErrorResponse, or NoticeResponse for severity "NOTICE". */
void pg_put_notice(struct sc_buf *out, const struct pg_notice *n);

#endif
