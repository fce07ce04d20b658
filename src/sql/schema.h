/* sql/schema.h - the lists of a schema while it is loaded and changed: schema.c, ddl.c and mirror.c. */
#ifndef SC_SQL_SCHEMA_H
#define SC_SQL_SCHEMA_H

#include "sql/define.h"
#include "sql/eval.h"
#include "sql/internal.h"

struct sql_schema_lists {
    struct sql_object **objects; /* by id */
    size_t object_count;
    struct sql_table **tables;
    size_t table_count;
    struct sql_view **views;
    size_t view_count;
};
void sql_schema_lists_deinit(struct sql_schema_lists *l);
struct sql_object *sql_schema_object(const struct sql_schema_lists *l, enum sql_object_type type, const char *name);
/* Makes tables and views of now's objects; what did not change since old (may be NULL) is shared. */
sc_err sql_schema_compile(sqlite3 *mirror, const struct sql_schema_lists *old, struct sql_schema_lists *now,
                          struct sc_diag *diag) SC_MUST_CHECK;
/* Exchanges the database's lists for l's; the caller holds db->lock exclusively or alone has db. */
void sql_schema_install(struct sc_sql_db *db, struct sql_schema_lists *l);
void sql_schema_encode_state(uint64_t version, uint32_t next, struct sc_buf *out);

/* ---- mirror.c: a native SQLite database with the same schema and no rows ----
 * It checks and understands DDL (ALTER TABLE RENAME rewrites what refers to a name), so that ours means what SQLite's
 * does. */
/* Creates l's objects in it. */
sc_err sql_mirror_load(sqlite3 *mirror, struct sql_schema_lists *l, struct sc_diag *diag) SC_MUST_CHECK;
/* What the mirror has now, as objects; known ones (same root page, or name where there is none) keep id and slots, new
 * ones get ids from *id_next on. */
sc_err sql_mirror_read(sqlite3 *mirror, const struct sql_schema_lists *known, uint32_t *id_next,
                       struct sql_schema_lists *out, struct sc_diag *diag) SC_MUST_CHECK;

/* Drops indexes whose building a crash interrupted. */
sc_err sql_ddl_drop_unready(struct sc_sql_db *db, struct sc_diag *diag) SC_MUST_CHECK;

#endif
