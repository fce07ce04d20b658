#include "cascadb/local.h"

#include "base/file.h"
#include "store/memory.h"

#include <errno.h>
#include <unistd.h>

struct sc_local {
    struct sc_store *store;
    struct sc_kvs_counter counter;
    struct sc_kvs *kvs;
    struct sc_sql_db *db;
};

static sc_err store_open(const struct sc_local_options *opt, struct sc_local *l, struct sc_diag *diag)
{
    if (opt->dir == NULL)
        return sc_store_memory_new(&l->store);
    if (!opt->create && access(opt->dir, F_OK) != 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s", opt->dir);
    return sc_store_dir_open(opt->dir, &l->store, diag);
}

sc_err sc_local_open(const struct sc_local_options *opt, struct sc_local **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_CLEANUP(sc_local_closep) struct sc_local *l = calloc(1, sizeof *l);
    if (l == NULL)
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    if (opt->root_key != NULL)
        key = *opt->root_key;
    else
        sc_key_random(&key);
    SC_TRY(store_open(opt, l, diag));
    if (opt->counter_path != NULL)
        SC_TRY(sc_kvs_counter_insecure_file(opt->counter_path, &l->counter, diag));
    const struct sc_kvs_options kvs_options = {
        .store = l->store,
        .root_key = &key,
        .counter = l->counter,
        .create = opt->create || opt->dir == NULL,
        .read_only = opt->read_only,
        .memtable_size_max = opt->memtable_size_max,
        .block_cache_size_max = opt->block_cache_size_max,
    };
    SC_TRY(sc_kvs_open(&kvs_options, &l->kvs, diag));
    SC_TRY(sc_sql_db_open(l->kvs, &l->db, diag));
    *out = SC_TAKE(l);
    return SC_OK;
}

void sc_local_close(struct sc_local *l)
{
    if (l == NULL)
        return;
    sc_sql_db_close(l->db);
    sc_kvs_close(l->kvs);
    if (l->counter.read != NULL)
        sc_kvs_counter_file_close(&l->counter);
    sc_store_free(l->store);
    free(l);
}

void sc_local_closep(struct sc_local **l)
{
    sc_local_close(*l);
}

struct sc_sql_db *sc_local_db(struct sc_local *l)
{
    return l->db;
}

struct sc_kvs *sc_local_kvs(struct sc_local *l)
{
    return l->kvs;
}

sc_err sc_local_key_read(const char *path, struct sc_key *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf content = {0};
    SC_TRY(sc_file_read(path, 128, &content, diag));
    if (content.size == sizeof out->bytes) {
        memcpy(out->bytes, content.ptr, content.size);
        return SC_OK;
    }
    if (content.size == 2 * sizeof out->bytes + 1 && content.ptr[content.size - 1] == '\n')
        content.size--;
    if (content.size == 2 * sizeof out->bytes &&
        sc_hex_decode(sc_buf_cstr(&content), out->bytes, sizeof out->bytes) == SC_OK)
        return SC_OK;
    return sc_fail(diag, SC_E_USAGE, "%s: a key is 32 bytes or 64 hexadecimal digits", path);
}
