/* sql/dict.h - the dictionary: what is defined, as structs, as records, and the names of keys.
 *
 * A record keeps the SQL text of an object, as SQLite's own catalogue does; define.c reads from it what the structs
 * say. A struct sql_table is immutable once made, apart from its atomic counters, and shared by reference count among
 * sessions; any change of table, index or trigger makes a new one.  docs/formats/cascadb.md has the records. */
#ifndef SC_SQL_DICT_H
#define SC_SQL_DICT_H

#include "base/arena.h"
#include "sql/row.h"
#include "sql/tuple.h"

#include <stdatomic.h>

#define SQL_NAME_SIZE_MAX ((size_t)128)
#define SQL_PK_COUNT_MAX  16

#define SQL_COLUMN_HIDDEN (-1) /* the hidden number of a table without a primary key */
#define SQL_COLUMN_EXPR   (-2)

struct sql_column {
    const char *name;
    const char *type; /* as declared; "" without */
    enum sql_affinity affinity;
    enum sql_collation collation;
    enum sc_sql_type strict; /* STRICT tables: the only type but NULL; SC_SQL_NULL: any */
    bool not_null;
    const char *default_sql;           /* NULL: no default */
    bool default_constant;             /* default_value is it; otherwise it is computed for each row */
    struct sc_sql_value default_value; /* after affinity; NULL without */
    const char *generated_sql;         /* NULL: an ordinary column */
    int pk_index;                      /* place in the primary key, or -1 */
    int slot;                          /* place in the row's value */
    bool in_row; /* kept in the slot.  A key column is not, unless its key does not tell the value (1 from 1.0) */
};

struct sql_part { /* of an index */
    int column;   /* or SQL_COLUMN_* */
    enum sql_affinity affinity;
    enum sql_collation collation;
    bool descending;
    bool readable;    /* the key tells the value */
    const char *expr; /* of SQL_COLUMN_EXPR */
};
struct sql_index {
    uint32_t id;
    const char *name;
    bool unique;
    bool ready;    /* false: still being built: kept up, not read */
    bool readable; /* its WHERE, if any, is one that the planner understands */
    uint16_t part_count;
    struct sql_part parts[SQL_PK_COUNT_MAX];
    const char *where;                          /* partial; NULL without */
    int where_not_null;                         /* WHERE is "column IS NOT NULL": the column, else -1 */
    _Atomic int64_t rows_per[SQL_PK_COUNT_MAX]; /* by ANALYZE: rows that agree in the first n + 1 parts; 0: unknown */
};
struct sql_check {
    const char *name; /* "" without */
    const char *sql;
};
enum sql_action { SQL_NO_ACTION, SQL_RESTRICT, SQL_CASCADE, SQL_SET_NULL, SQL_SET_DEFAULT };
struct sql_fk {
    const char *parent;
    uint16_t column_count;
    uint16_t columns[SQL_PK_COUNT_MAX];
    const char *parent_columns[SQL_PK_COUNT_MAX]; /* NULL: the parent's primary key */
    enum sql_action on_delete, on_update;
    bool deferred;
};
enum sql_event { SQL_EVENT_DELETE, SQL_EVENT_INSERT, SQL_EVENT_UPDATE };
struct sql_trigger {
    const char *name;
    enum sql_event event;
    bool before;
    const uint8_t *columns; /* UPDATE OF: bitmap; NULL: any */
    const char *when;       /* NULL without */
    size_t step_count;
    const char *const *steps; /* statements */
};

struct sql_table {
    _Atomic unsigned refs;
    struct sc_arena arena; /* owns all below */
    uint32_t id;
    const char *name;
    const char *sql;
    uint16_t column_count;
    uint16_t slot_count;
    struct sql_column *columns;
    bool numeric[SQL_COLUMN_COUNT_MAX]; /* by slot */
    struct sql_index primary;           /* id is the table's; hidden: one part SQL_COLUMN_HIDDEN */
    bool hidden;                        /* no primary key */
    bool autonumber;                    /* a single INTEGER PRIMARY KEY: NULL means "the next number" */
    bool autoincrement;                 /* ... and never one that was used before */
    bool generated;                     /* some column is */
    bool expressions;                   /* checks, generated columns, expressions in indexes: something to evaluate */
    bool plain; /* no trigger, expression or foreign key: rows are written without looking left or right */
    uint16_t index_count;
    struct sql_index *indexes;
    uint16_t check_count;
    struct sql_check *checks;
    uint16_t fk_count;
    struct sql_fk *fks;
    uint16_t trigger_count;
    struct sql_trigger *triggers;
    _Atomic int64_t rows_estimate; /* -1: not looked at yet */
};

struct sql_table *sql_table_ref(struct sql_table *t);
void sql_table_unref(struct sql_table *t); /* NULL is fine */
void sql_table_unrefp(struct sql_table **t);
/* Column number by name (ASCII case-insensitive), or -1. */
int sql_table_column(const struct sql_table *t, const char *name);

/* ---- objects: what records say ---- */
enum sql_object_type {
    SQL_OBJECT_TABLE = 't',
    SQL_OBJECT_INDEX = 'i',
    SQL_OBJECT_VIEW = 'v',
    SQL_OBJECT_TRIGGER = 'g'
};
struct sql_object {
    enum sql_object_type type;
    uint32_t id;
    bool ready; /* indexes: built */
    char *name;
    char *table_name;      /* that an index or trigger belongs to */
    char *sql;             /* "" for the index of a UNIQUE constraint */
    uint16_t column_count; /* tables: the slot of each column */
    uint16_t slot_count;   /* slots ever given */
    uint16_t slots[SQL_COLUMN_COUNT_MAX];
    int64_t root; /* page in the mirror: an object's identity while a statement changes it */
};
void sql_object_free(struct sql_object *o); /* NULL is fine */
void sql_object_freep(struct sql_object **o);
struct sql_object *sql_object_copy(const struct sql_object *o) SC_MUST_CHECK; /* NULL: no memory */
void sql_object_encode(const struct sql_object *o, struct sc_buf *out);
sc_err sql_object_decode(uint32_t id, struct sc_slice record, struct sql_object **out,
                         struct sc_diag *diag) SC_MUST_CHECK;

/* ---- keys ---- */
#define SQL_DICTIONARY_VERSION ((uint8_t)2)
#define SQL_KEY_DICTIONARY     ((uint8_t)0x01)
#define SQL_KEY_ROWS           ((uint8_t)0x02)
#define SQL_KEY_INDEX          ((uint8_t)0x03)
#define SQL_KEY_COUNT          ((uint8_t)0x04)         /* rows of a table, a summand for each session that writes */
#define SQL_KEY_SEQUENCE       ((uint8_t)0x05)         /* the highest number AUTOINCREMENT gave */
#define SQL_KEY_STATISTICS     ((uint8_t)0x06)         /* of ANALYZE, by index */
void sql_key_state(struct sc_buf *out);                /* format version, schema version, next id */
void sql_key_object(struct sc_buf *out, uint32_t id);  /* a definition */
void sql_key_dropped(struct sc_buf *out, uint32_t id); /* keys still to be deleted */
#define SQL_KEY_PREFIX_SIZE ((size_t)5)
void sql_key_prefix(struct sc_buf *out, uint8_t kind, uint32_t id);
/* Id of a dictionary key made by sql_key_object() or sql_key_dropped(). */
sc_err sql_key_dictionary_id(struct sc_slice key, uint32_t *id_out) SC_MUST_CHECK;

/* The key of the row with these column values (already with affinity; hidden used when there is no primary key). */
void sql_table_key(const struct sql_table *t, const struct sc_sql_value *values, int64_t hidden, struct sc_buf *out);
/* The value of that row; columns in declaration order. */
void sql_table_row(const struct sql_table *t, const struct sc_sql_value *values, struct sc_buf *out);
/* The number of a row of a hidden or autonumber table. */
sc_err sql_table_key_number(const struct sql_table *t, struct sc_slice key, int64_t *out) SC_MUST_CHECK;
/* Value of key column number `part` (readable) of an index's key; bytes may be put into scratch. */
sc_err sql_index_key_value(const struct sql_index *ix, uint8_t kind, struct sc_slice key, size_t part,
                           struct sc_buf *scratch, struct sc_sql_value *out) SC_MUST_CHECK;
/* The primary key's bytes (without their prefix) of an index entry; may be put into scratch. */
sc_err sql_index_entry_pk(const struct sql_index *ix, struct sc_slice key, struct sc_slice value,
                          struct sc_buf *scratch, struct sc_slice *out) SC_MUST_CHECK;

#endif
