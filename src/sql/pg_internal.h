/* sql/pg_internal.h - what the files of PostgreSQL's catalogue share. */
#ifndef SC_SQL_PG_INTERNAL_H
#define SC_SQL_PG_INTERNAL_H

#include "sql/internal.h"
#include "sql/pg_catalog.h"

/* ---- rows of a virtual table, made when a cursor first reads it ---- */
struct pg_cell {
    enum { PG_NULL, PG_INT, PG_TEXT } kind;
    int64_t integer;
    char *text; /* sqlite3_malloc */
};
struct pg_rows {
    struct pg_cell *cells;
    size_t count, capacity; /* cells */
    bool failed;            /* out of memory */
};
void pg_put_null(struct pg_rows *r);
void pg_put_int(struct pg_rows *r, int64_t v);
void pg_put_text(struct pg_rows *r, const char *text); /* copied; NULL: null */

struct pg_table {
    const char *name;
    const char *columns; /* as CREATE TABLE x(...) takes them */
    void (*fill)(const struct sc_sql_session *s, struct pg_rows *r); /* NULL: it is empty */
};
/* pg_tables.c, pg_information.c: ends with a name of NULL */
extern const struct pg_table pg_catalog_tables[];
extern const struct pg_table pg_information_tables[];

/* pg_functions.c; an SQLite code */
int pg_functions_register(struct sc_sql_session *s, const struct sc_sql_pg_host *host);

/* ---- what the dictionary's objects are to PostgreSQL ---- */
static inline int64_t pg_oid(uint32_t id)
{
    return (int64_t)id + SQL_PG_OID_FIRST;
}
static inline int64_t pg_primary_oid(uint32_t table_id)
{
    return pg_oid(table_id) + SQL_PG_OID_PRIMARY;
}
int pg_type_of(const struct sql_column *c);     /* OID of its type */
const char *pg_type_name(int64_t oid);          /* "bigint"; NULL: unknown */
/* Texts, to be freed with sqlite3_free(). */
char *pg_index_name(const struct sql_table *t, const struct sql_index *i); /* "reading_pkey" for a primary key */
char *pg_fk_name(const struct sql_table *t, size_t n);
char *pg_index_columns(const struct sql_table *t, const struct sql_index *i); /* "a, b DESC" */
char *pg_fk_definition(const struct sql_table *t, const struct sql_fk *fk);
int64_t pg_fk_oid(const struct sql_table *t, size_t n);
int64_t pg_check_oid(const struct sql_table *t, size_t n);
const struct sql_table *pg_table_find(const struct sc_sql_session *s, const char *name);
const struct sql_table *pg_table_of_oid(const struct sc_sql_session *s, int64_t oid);

#endif
