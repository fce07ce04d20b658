/* sql/dict.h - table definitions: as structs, as dictionary records, and the names of keys.
 * A definition is immutable once made, apart from its atomic counters, and shared by reference count among sessions.
 * docs/formats/cascadb.md has the records. */
#ifndef SC_SQL_DICT_H
#define SC_SQL_DICT_H

#include "base/arena.h"
#include "sql/row.h"
#include "sql/tuple.h"

#include <stdatomic.h>

#define SQL_NAME_SIZE_MAX ((size_t)128)
#define SQL_PK_COUNT_MAX  16

struct sql_column {
    const char *name;
    const char *type; /* as declared; "" without */
    enum sql_affinity affinity;
    bool not_null;
    const char *default_sql;           /* NULL: no default */
    struct sc_sql_value default_value; /* after affinity; NULL without */
    int pk_index;                      /* place in the primary key, or -1 */
    int stored_index; /* place in the row's value, or -1.  A key column without affinity is in both, because the key
                         does not tell 1 from 1.0 */
};

struct sql_table {
    _Atomic unsigned refs;
    struct sc_arena arena; /* owns all below */
    uint32_t id;
    const char *name;
    uint16_t column_count;
    uint16_t pk_count; /* 0: rows are keyed by a hidden number */
    uint16_t stored_count;
    struct sql_column *columns;
    uint16_t pk[SQL_PK_COUNT_MAX]; /* column numbers in key order */
    bool autonumber;               /* a single INTEGER PRIMARY KEY: NULL means "the next number" */
    _Atomic int64_t rows_estimate; /* -1: not looked at yet */
    _Atomic int64_t hidden_next;   /* next hidden number; 0: not looked at yet */
};

struct sql_table *sql_table_ref(struct sql_table *t);
void sql_table_unref(struct sql_table *t); /* NULL is fine */
void sql_table_unrefp(struct sql_table **t);

/* What CREATE TABLE says; strings borrowed. */
struct sql_table_spec {
    uint32_t id;
    const char *name;
    const struct sql_column *columns; /* name, type, affinity, not_null, default_* are read */
    size_t column_count;
    const uint16_t *pk;
    size_t pk_count;
};
/* Copies and checks: counts, sizes, UTF-8-free names of 1..127 bytes, distinct columns, key columns in range. */
sc_err sql_table_new(const struct sql_table_spec *spec, struct sql_table **out, struct sc_diag *diag) SC_MUST_CHECK;
/* Column number by name (ASCII case-insensitive), or -1. */
int sql_table_column(const struct sql_table *t, const char *name);

/* ---- records ---- */
void sql_table_encode(const struct sql_table *t, struct sc_buf *out);
sc_err sql_table_decode(uint32_t id, struct sc_slice record, struct sql_table **out,
                        struct sc_diag *diag) SC_MUST_CHECK;

/* ---- keys ---- */
#define SQL_KEY_DICTIONARY ((uint8_t)0x01)
#define SQL_KEY_ROWS       ((uint8_t)0x02)
void sql_key_state(struct sc_buf *out);                      /* dictionary: schema version and next table id */
void sql_key_table(struct sc_buf *out, uint32_t table_id);   /* dictionary: definition */
void sql_key_dropped(struct sc_buf *out, uint32_t table_id); /* dictionary: rows still to be deleted */
void sql_key_rows(struct sc_buf *out, uint32_t table_id);    /* prefix of a table's rows */
#define SQL_KEY_ROWS_SIZE ((size_t)5)
/* Table id of a dictionary key made by sql_key_table() or sql_key_dropped(). */
sc_err sql_key_dictionary_id(struct sc_slice key, uint32_t *id_out) SC_MUST_CHECK;

/* The key of the row with these column values (already with affinity; hidden used when there is no primary key). */
void sql_table_key(const struct sql_table *t, const struct sc_sql_value *values, int64_t hidden, struct sc_buf *out);
/* The value of that row; columns in declaration order. */
void sql_table_row(const struct sql_table *t, struct sc_slice key, const struct sc_sql_value *values,
                   struct sc_buf *out);
/* Key column `pk_index` of a row's key. */
sc_err sql_table_key_column(const struct sql_table *t, struct sc_slice key, int pk_index, struct sc_buf *scratch,
                            struct sc_sql_value *out) SC_MUST_CHECK;

#endif
