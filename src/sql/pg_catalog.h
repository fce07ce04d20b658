/* sql/pg_catalog.h - PostgreSQL's catalogue and the functions its clients call by themselves, for a session's SQLite.
 *
 * Tables (pg_class, pg_attribute, pg_index ..., information_schema_columns ...) are virtual and read-only: the session's own
 * view of the dictionary.  Object ids are those of the dictionary + SQL_PG_OID_FIRST; primary keys have ids of their own. */
#ifndef SC_SQL_PG_CATALOG_H
#define SC_SQL_PG_CATALOG_H

#include "sql/sql.h"

#define SQL_PG_OID_FIRST   16384u
#define SQL_PG_OID_PRIMARY (1u << 30) /* of a table's primary key: that much more */

/* What only the server knows.  Borrowed; outlives the session. */
struct sc_sql_pg_host {
    const char *user;
    uint32_t process;
    /* The value of a setting, or NULL; borrowed. */
    const char *(*setting)(void *arg, const char *name);
    void *arg;
};
/* Adds functions and tables to the session. */
sc_err sc_sql_pg_catalog_attach(struct sc_sql_session *s, const struct sc_sql_pg_host *host) SC_MUST_CHECK;

#endif
