#include "cascadb/json_text.h"

#include <math.h>

static size_t sequence_size(uint8_t first)
{
    return first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

static void put_escaped(struct sc_buf *out, uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        sc_buf_put_u8(out, '\\');
        sc_buf_put_u8(out, c);
        break;
    case '\n':
        sc_buf_put_str(out, "\\n");
        break;
    case '\t':
        sc_buf_put_str(out, "\\t");
        break;
    default:
        sc_buf_put_fmt(out, "\\u%04x", c);
    }
}

static bool plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void json_put_string(struct sc_buf *out, struct sc_slice s)
{
    sc_buf_put_u8(out, '"');
    for (size_t i = 0; i < s.size;) {
        size_t n = 0;
        while (i + n < s.size && plain(s.ptr[i + n]))
            n++;
        if (n != 0) {
            sc_buf_put_bytes(out, (struct sc_slice){s.ptr + i, n});
        } else if (s.ptr[i] < 0x80) {
            put_escaped(out, s.ptr[i]);
            n = 1;
        } else {
            n = sequence_size(s.ptr[i]);
            if (n <= s.size - i && pg_utf8_valid((struct sc_slice){s.ptr + i, n})) {
                sc_buf_put_bytes(out, (struct sc_slice){s.ptr + i, n});
            } else {
                sc_buf_put_str(out, "\xef\xbf\xbd");
                n = 1;
            }
        }
        i += n;
    }
    sc_buf_put_u8(out, '"');
}

void json_put_value(struct sc_buf *out, uint32_t oid, const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_NULL:
        sc_buf_put_str(out, "null");
        break;
    case SC_SQL_INTEGER:
        if (oid == PG_OID_BOOL && (v->integer == 0 || v->integer == 1))
            sc_buf_put_str(out, v->integer != 0 ? "true" : "false");
        else
            pg_value_put_text(out, oid, v);
        break;
    case SC_SQL_REAL:
        if (isfinite(v->real)) {
            pg_value_put_text(out, PG_OID_FLOAT8, v);
            break;
        }
        sc_buf_put_u8(out, '"');
        pg_value_put_text(out, PG_OID_FLOAT8, v);
        sc_buf_put_u8(out, '"');
        break;
    case SC_SQL_TEXT:
        if (oid != PG_OID_BYTEA) {
            json_put_string(out, v->bytes);
            break;
        }
        __attribute__((fallthrough));
    case SC_SQL_BLOB:
        sc_buf_put_u8(out, '"');
        sc_buf_put_u8(out, '\\'); /* JSON's backslash before PostgreSQL's */
        pg_value_put_text(out, PG_OID_BYTEA, v);
        sc_buf_put_u8(out, '"');
        break;
    }
}
