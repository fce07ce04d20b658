/* cascadb/local.h - a database in this process: a store, the volume on it and CascaDB on that, opened and closed
 * together. Thread-safe as sql/sql.h says; one process has a directory at a time. */
#ifndef SC_CASCADB_LOCAL_H
#define SC_CASCADB_LOCAL_H

#include "sql/sql.h"

struct sc_local_options {
    const char *dir;               /* of the volume; NULL: in memory, gone when closed */
    const struct sc_key *root_key; /* NULL: a random one, so the volume can never be opened again (scratch) */
    const char *counter_path;      /* file of the volume's counter; NULL: a rolled-back volume is not noticed */
    bool create, read_only;
    size_t memtable_size_max, block_cache_size_max; /* 0: the volume's defaults */
};
struct sc_local;
sc_err sc_local_open(const struct sc_local_options *opt, struct sc_local **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_local_close(struct sc_local *l); /* sessions must have been freed; NULL is fine */
void sc_local_closep(struct sc_local **l);
struct sc_sql_db *sc_local_db(struct sc_local *l);
struct sc_kvs *sc_local_kvs(struct sc_local *l);
/* The root key in a file: 32 bytes, or 64 hexadecimal digits and a line feed. */
sc_err sc_local_key_read(const char *path, struct sc_key *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
