/* sql/memory.h - a bound on what SQLite may hold for one thread.  A server with a thread a connection bounds so what one
 * client's statements can take; sc_sql_heap_limit_set() bounds all of them together. */
#ifndef SC_SQL_MEMORY_H
#define SC_SQL_MEMORY_H

#include "base/err.h"

#include <stdint.h>

/* Beyond it a thread's statement fails with 53200.  Once, before anything else of SQLite or of sql/ is used (else
 * SC_E_USAGE); bytes > 0. */
sc_err sc_sql_thread_memory_limit_set(int64_t bytes) SC_MUST_CHECK;

#endif
