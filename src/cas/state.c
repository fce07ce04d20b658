#include "cas/state.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <unistd.h>

#define COUNTER_NAME "cas-state"

struct sc_cas_state {
    struct sc_tee_counter *counter;
    struct sc_store *store;
    struct sc_kvs *kvs;
};

void sc_cas_state_free(struct sc_cas_state *s)
{
    if (s == NULL)
        return;
    sc_kvs_close(s->kvs);
    sc_store_free(s->store);
    sc_tee_counter_free(s->counter);
    free(s);
}

void sc_cas_state_freep(struct sc_cas_state **s)
{
    sc_cas_state_free(*s);
}

struct sc_kvs *sc_cas_state_kvs(struct sc_cas_state *s)
{
    return s->kvs;
}

static const struct sc_slice purpose = {(const uint8_t *)"cas/state root key v1", 21};

static sc_err root_make(const struct sc_cas_state_options *opt, const char *path, struct sc_key *out,
                        struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    sc_key_random(out);
    SC_TRY(sc_tee_seal(opt->tee, opt->bind, purpose, sc_slice_of(out->bytes, sizeof out->bytes), &sealed, diag));
    return sc_file_write(path, sc_buf_slice(&sealed), 0600, diag);
}

static sc_err root_read(const struct sc_cas_state_options *opt, const char *path, struct sc_key *out,
                        struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
    SC_TRY(sc_file_read(path, 4096, &sealed, diag));
    SC_TRY(sc_context(diag, sc_tee_unseal(opt->tee, purpose, sc_buf_slice(&sealed), &plain, diag), "%s", path));
    if (plain.size != sizeof out->bytes)
        return sc_fail(diag, SC_E_MALFORMED, "%s: no key in it", path);
    memcpy(out->bytes, plain.ptr, sizeof out->bytes);
    return SC_OK;
}

/* The root key is made once, and only where there is no volume yet: a lost root.sealed is an error, not a beginning. */
static sc_err open_volume(struct sc_cas_state *s, const struct sc_cas_state_options *opt, const char *root_path,
                          const char *volume_path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key root = {0};
    const bool have_root = access(root_path, F_OK) == 0;
    const bool have_volume = access(volume_path, F_OK) == 0;
    if (!have_root && (have_volume || !opt->create))
        return sc_fail(diag, SC_E_NOT_FOUND, "%s: not there", root_path);
    SC_TRY(have_root ? root_read(opt, root_path, &root, diag) : root_make(opt, root_path, &root, diag));
    SC_TRY(sc_dir_make(volume_path, 0700, diag));
    SC_TRY(sc_store_dir_open(volume_path, &s->store, diag));
    SC_TRY(sc_tee_counter_open(opt->tee, opt->bind, COUNTER_NAME, &s->counter, diag));
    const struct sc_kvs_options kvs = {
        .store = s->store,
        .root_key = &root,
        .counter = {.read = sc_tee_counter_read, .advance = sc_tee_counter_advance, .self = s->counter},
        .create = opt->create,
        .memtable_size_max = (size_t)4 << 20,
        .block_cache_size_max = (size_t)8 << 20};
    return sc_kvs_open(&kvs, &s->kvs, diag);
}

sc_err sc_cas_state_open(const struct sc_cas_state_options *opt, struct sc_cas_state **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_cas_state_freep) struct sc_cas_state *s = calloc(1, sizeof *s);
    SC_CLEANUP(sc_freep) char *root = sc_path_join(opt->dir, "root.sealed");
    SC_CLEANUP(sc_freep) char *volume = sc_path_join(opt->dir, "volume");
    if (s == NULL || root == NULL || volume == NULL)
        return sc_fail(diag, SC_E_NOMEM, "state of the CAS");
    if (opt->create)
        SC_TRY(sc_dir_make(opt->dir, 0700, diag));
    SC_TRY(open_volume(s, opt, root, volume, diag));
    *out = SC_TAKE(s);
    return SC_OK;
}
