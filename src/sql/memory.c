#include "sql/memory.h"

#include <sqlite3.h>

static sqlite3_mem_methods plain; /* SQLite's own allocator, which does the work */
static int64_t limit;
/* What one thread frees of another's (schemas that are shared) makes its count too small, never below nothing: the
 * bound is on growth. */
static _Thread_local int64_t used;

static void less(void *p)
{
    used -= plain.xSize(p);
    if (used < 0)
        used = 0;
}

static void *allocate(int size)
{
    if (used + size > limit)
        return NULL;
    void *p = plain.xMalloc(size);
    if (p != NULL)
        used += plain.xSize(p);
    return p;
}

static void release(void *p)
{
    less(p);
    plain.xFree(p);
}

static void *resize(void *p, int size)
{
    const int before = plain.xSize(p);
    if (size > before && used + size - before > limit)
        return NULL;
    void *q = plain.xRealloc(p, size);
    if (q != NULL)
        used += plain.xSize(q) - before;
    if (used < 0)
        used = 0;
    return q;
}

sc_err sc_sql_thread_memory_limit_set(int64_t bytes)
{
    if (limit != 0 || bytes <= 0 || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK)
        return SC_E_USAGE;
    sqlite3_mem_methods bounded = plain;
    bounded.xMalloc = allocate;
    bounded.xFree = release;
    bounded.xRealloc = resize;
    limit = bytes;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &bounded) == SQLITE_OK ? SC_OK : SC_E_USAGE;
}
